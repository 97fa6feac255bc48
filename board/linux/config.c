/* config.c - a walk over the tree of values, each checked against its row and stored. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config_table.h"

/* An object or array that is being walked through. */
typedef struct frame {
    const cJSON *box;
    const cJSON *next;    /* child to look at */
    size_t index;         /* of that child */
    char *base;           /* what offsets of the rows inside count from */
    size_t pattern_bytes; /* to go back to */
    size_t path_bytes;
} frame;

typedef struct walk {
    lc_config *config;
    lc_json_diag *diag;
    lc_json_path path;                /* as in the file: inputs[2].baud */
    char pattern[LC_CONFIG_PATH_MAX]; /* as in the table: inputs[].baud */
    frame stack[LC_CONFIG_DEPTH_MAX];
    uint32_t depth;
} walk;

/* ---- storing ---- */

static void text_store(char *field, const char *text, size_t max)
{
    size_t bytes = strlen(text);
    lc_assert(bytes <= max);
    memcpy(field, text, bytes + 1);
}

static void preset_store(const lc_config_row *row, char *base)
{
    void *field = base + row->offset;
    uint32_t word;
    if (row->words) {
        bool found = lc_config_word_find(row->words, row->preset, &word);
        lc_assert(found);
        *(uint32_t *)field = word + row->first;
    } else if (row->type == LC_JSON_TEXT) {
        text_store(field, row->preset, (size_t)row->max);
    } else if (row->type == LC_JSON_INTEGER) {
        *(uint32_t *)field = (uint32_t)strtoul(row->preset, NULL, 10);
    } else if (row->type == LC_JSON_REAL) {
        *(double *)field = strtod(row->preset, NULL);
    } else {
        *(bool *)field = strcmp(row->preset, "true") == 0;
    }
}

/* Defaults of the rows directly in this pattern; "" for all that are in no list. */
static void presets_store(const char *pattern, char *base)
{
    size_t bytes = strlen(pattern);
    for (size_t i = 0; i < lc_config_row_count; i++) {
        const lc_config_row *row = &lc_config_rows[i];
        bool inside = bytes == 0
                          ? !strpbrk(row->path, "[*")
                          : strncmp(row->path, pattern, bytes) == 0 && row->path[bytes] == '.';
        if (inside && row->preset) {
            preset_store(row, base);
        }
    }
}

static lc_err value_store(walk *w, const lc_config_row *row, const cJSON *item, char *base)
{
    void *field = base + row->offset;
    uint32_t word;
    if (row->words) {
        if (!lc_config_word_find(row->words, item->valuestring, &word)) {
            return lc_json_fail(w->diag, LC_ERR_FORMAT, w->path.text, "must be one of %s",
                                row->words);
        }
        *(uint32_t *)field = word + row->first;
    } else if (row->type == LC_JSON_TEXT) {
        text_store(field, item->valuestring, (size_t)row->max);
    } else if (row->type == LC_JSON_INTEGER) {
        *(uint32_t *)field = (uint32_t)item->valuedouble;
    } else if (row->type == LC_JSON_REAL) {
        *(double *)field = item->valuedouble;
    } else {
        *(bool *)field = cJSON_IsTrue(item);
    }
    return LC_OK;
}

/* ---- walking ---- */

static lc_err box_enter(walk *w, const cJSON *box, char *base, size_t pattern_bytes,
                        size_t path_bytes)
{
    if (w->depth == LC_CONFIG_DEPTH_MAX) {
        return lc_json_fail(w->diag, LC_ERR_LIMIT, w->path.text, "nested too deep");
    }
    w->stack[w->depth++] = (frame){box, box->child, 0, base, pattern_bytes, path_bytes};
    return LC_OK;
}

static void pattern_cut(walk *w, size_t bytes)
{
    w->pattern[bytes] = '\0';
}

static void pattern_add(walk *w, const char *part)
{
    size_t held = strlen(w->pattern), bytes = strlen(part);
    if (held + bytes < sizeof w->pattern) { /* else it is no row's pattern anyway */
        memcpy(w->pattern + held, part, bytes + 1);
    }
}

/* The row of a key in the object whose pattern stands there; the pattern then is the row's. */
static const lc_config_row *row_of_key(walk *w, const char *key)
{
    size_t held = strlen(w->pattern);
    pattern_add(w, held > 0 ? "." : "");
    size_t dot = strlen(w->pattern);
    pattern_add(w, strpbrk(key, ".[*") ? "?" : key);
    const lc_config_row *row = lc_config_row_find(w->pattern);
    if (!row) {
        pattern_cut(w, dot);
        pattern_add(w, "*");
        row = lc_config_row_find(w->pattern);
    }
    return row;
}

static bool key_repeated(const cJSON *box, const cJSON *item)
{
    for (const cJSON *other = box->child; other != item; other = other->next) {
        if (strcmp(other->string, item->string) == 0) {
            return true;
        }
    }
    return false;
}

/* A new item of a list: where its rows count from. The name of a "*" is the item's first field. */
static lc_err item_add(walk *w, const lc_config_row *row, const cJSON *item, char *base,
                       char **item_base)
{
    uint32_t *count = (uint32_t *)(void *)((char *)w->config + row->count);
    size_t length = strlen(row->path);
    bool named = row->path[length - 1] == '*';
    if (named && (*count == LC_CONFIG_PINS_MAX || strlen(item->string) >= LC_NAME_BYTES_MAX)) {
        return lc_json_fail(w->diag, LC_ERR_LIMIT, w->path.text, "too many, or too long a name");
    }
    *item_base = base + (size_t)*count * row->stride;
    if (named) {
        text_store(*item_base + row->offset, item->string, LC_NAME_BYTES_MAX - 1);
    }
    if (row->type == LC_JSON_OBJECT) {
        presets_store(row->path, *item_base + row->offset);
    }
    (*count)++;
    return LC_OK;
}

/* One value: checked, then stored or gone into. */
static lc_err value_take(walk *w, const lc_config_row *row, const cJSON *item, char *base,
                         size_t pattern_bytes, size_t path_bytes)
{
    lc_json_key key = {.name = row->path, .type = row->type, .min = row->min, .max = row->max};
    lc_err err = lc_json_check_value(item, &key, &w->path, w->diag);
    if (err == LC_OK && row->stride > 0) {
        err = item_add(w, row, item, base, &base);
    }
    if (err != LC_OK) {
        return err;
    }
    if (row->type == LC_JSON_OBJECT || row->type == LC_JSON_ARRAY) {
        return box_enter(w, item, base + (row->stride > 0 ? row->offset : 0), pattern_bytes,
                         path_bytes);
    }
    err = value_store(w, row, item, base);
    pattern_cut(w, pattern_bytes);
    lc_json_path_back(&w->path, path_bytes);
    return err;
}

/* The next child of the innermost box. */
static lc_err child_take(walk *w, frame *f)
{
    const cJSON *item = f->next;
    size_t pattern_bytes = strlen(w->pattern), path_bytes;
    const lc_config_row *row;
    if (cJSON_IsArray(f->box)) {
        path_bytes = lc_json_path_index(&w->path, f->index);
        pattern_add(w, "[]");
        row = lc_config_row_find(w->pattern);
    } else {
        path_bytes = lc_json_path_key(&w->path, item->string);
        if (key_repeated(f->box, item)) {
            return lc_json_fail(w->diag, LC_ERR_FORMAT, w->path.text, "the key is there twice");
        }
        row = row_of_key(w, item->string);
    }
    f->next = item->next;
    f->index++;
    if (!row) {
        return lc_json_fail(w->diag, LC_ERR_FORMAT, w->path.text, "no such key");
    }
    return value_take(w, row, item, f->base, pattern_bytes, path_bytes);
}

/* Every needed key of an object that was walked through. */
static lc_err needed_check(walk *w, const frame *f)
{
    size_t bytes = strlen(w->pattern);
    for (size_t i = 0; i < lc_config_row_count && cJSON_IsObject(f->box); i++) {
        const lc_config_row *row = &lc_config_rows[i];
        const char *name = row->path + bytes + (bytes > 0);
        bool inside = strncmp(row->path, w->pattern, bytes) == 0 &&
                      (bytes == 0 || row->path[bytes] == '.') && !strpbrk(name, ".[*");
        if (inside && row->needed && !cJSON_GetObjectItemCaseSensitive(f->box, name)) {
            lc_json_path_key(&w->path, name);
            return lc_json_fail(w->diag, LC_ERR_FORMAT, w->path.text, "is missing");
        }
    }
    return LC_OK;
}

static lc_err tree_walk(walk *w, const cJSON *tree)
{
    if (!cJSON_IsObject(tree)) {
        return lc_json_fail(w->diag, LC_ERR_FORMAT, "", "the config must be an object");
    }
    lc_err err = box_enter(w, tree, (char *)w->config, 0, 0);
    while (err == LC_OK && w->depth > 0) {
        frame *f = &w->stack[w->depth - 1];
        if (f->next) {
            err = child_take(w, f);
        } else {
            err = needed_check(w, f);
            if (err == LC_OK) {
                pattern_cut(w, f->pattern_bytes);
                lc_json_path_back(&w->path, f->path_bytes);
                w->depth--;
            }
        }
    }
    return err;
}

/* ---- reading ---- */

lc_err lc_config_parse(const char *text, size_t bytes, lc_config *config, lc_json_diag *diag)
{
    cJSON *tree = NULL;
    if (bytes > LC_CONFIG_BYTES_MAX) {
        return lc_json_fail(diag, LC_ERR_LIMIT, "", "longer than %u bytes", LC_CONFIG_BYTES_MAX);
    }
    lc_err err = lc_json_parse(text, bytes, LC_JSON_COMMENTS | LC_JSON_NO_NUL, &tree, diag);
    if (err != LC_OK) {
        return err;
    }
    *config = (lc_config){0};
    presets_store("", (char *)config);
    walk w = {.config = config, .diag = diag};
    err = tree_walk(&w, tree);
    cJSON_Delete(tree);
    return err == LC_OK ? lc_config_check(config, diag) : err;
}

lc_err lc_config_read(const char *path, lc_config *config, lc_json_diag *diag)
{
    static char text[LC_CONFIG_BYTES_MAX + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return lc_json_fail(diag, LC_ERR_IO, "", "cannot open: %s", strerror(errno));
    }
    size_t bytes = 0;
    ssize_t got = 1;
    while (got > 0 && bytes < sizeof text) {
        got = read(fd, text + bytes, sizeof text - bytes);
        bytes += got > 0 ? (size_t)got : 0;
    }
    int reason = errno;
    close(fd);
    if (got < 0) {
        return lc_json_fail(diag, LC_ERR_IO, "", "cannot read: %s", strerror(reason));
    }
    return lc_config_parse(text, bytes, config, diag);
}
