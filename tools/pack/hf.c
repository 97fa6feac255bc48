/* hf.c - the files of a folder, the key-values they become, and errors in their own words. */
#include "hf.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../../runtime/limits.h"
#include "fail.h"
#include "hf_parts.h"

/* ---- errors ---- */

static void where_set(lc_hf *hf, const char *file)
{
    (void)snprintf(hf->where, sizeof hf->where, "%s", file);
}

lc_err lc_hf_fail(lc_hf_read *r, const char *file, lc_err err, const char *path, const char *format,
                  ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    where_set(r->hf, file);
    return lc_fail_format(r->diag, err, 0, path[0] ? "%.120s: %s" : "%s%s", path, text);
}

/* ---- files ---- */

bool lc_hf_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

const lc_hf_file *lc_hf_find(const lc_hf *hf, const char *name)
{
    for (uint32_t i = 0; i < hf->file_count; i++) {
        if (strcmp(hf->file[i].name, name) == 0) {
            return &hf->file[i];
        }
    }
    return NULL;
}

/* Maps folder/name; a file that is not there is no error. */
static lc_err file_add(lc_hf_read *r, const char *folder, const char *name)
{
    char path[4096];
    lc_map map;
    lc_hf *hf = r->hf;
    if (lc_hf_find(hf, name)) {
        return LC_OK;
    }
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (n < 0 || (size_t)n >= sizeof path || hf->file_count == LC_HF_FILES_MAX) {
        return lc_hf_fail(r, name, LC_ERR_LIMIT, "", "path too long, or too many files");
    }
    if (lc_map_open(path, &map) != LC_OK) {
        return errno == ENOENT
                   ? LC_OK
                   : lc_hf_fail(r, name, LC_ERR_IO, "", "cannot open: %s", strerror(errno));
    }
    lc_hf_file *file = &hf->file[hf->file_count++];
    *file = (lc_hf_file){.map = map};
    (void)snprintf(file->name, sizeof file->name, "%s", name);
    return LC_OK;
}

/* A part's name comes from the index: it must stay in the folder. */
static bool is_part_name(const char *name)
{
    static const char end[] = ".safetensors";
    size_t bytes = strlen(name);
    return bytes > sizeof end - 1 && bytes < LC_HF_NAME_MAX && name[0] != '.' &&
           strchr(name, '/') == NULL && strcmp(name + bytes - (sizeof end - 1), end) == 0;
}

static lc_err add_parts(lc_hf_read *r, const char *folder)
{
    cJSON *index = NULL;
    lc_err err = lc_hf_json(r, LC_HF_INDEX, &index);
    const cJSON *map = lc_hf_get(index, "weight_map");
    if (!err && !cJSON_IsObject(map)) {
        err = lc_hf_fail(r, LC_HF_INDEX, LC_ERR_FORMAT, "weight_map", "missing or no object");
    }
    for (const cJSON *item = err ? NULL : map->child; !err && item; item = item->next) {
        if (!cJSON_IsString(item) || !is_part_name(item->valuestring)) {
            err = lc_hf_fail(r, LC_HF_INDEX, LC_ERR_FORMAT, item->string,
                             "not a file name NAME.safetensors");
        } else {
            err = file_add(r, folder, item->valuestring);
        }
    }
    cJSON_Delete(index);
    return err;
}

static lc_err map_files(lc_hf_read *r, const char *folder, bool weights)
{
    static const char *const names[] = {
        LC_HF_TOKENIZER, LC_HF_TOKENIZER_CONFIG, LC_HF_SPECIAL, LC_HF_VOCAB,
        LC_HF_CHAT,      LC_HF_CONFIG,           LC_HF_MODULES, LC_HF_INDEX};
    lc_err err = LC_OK;
    for (size_t i = 0; !err && i < (weights ? 8 : 6); i++) {
        err = file_add(r, folder, names[i]);
    }
    if (!err && weights) {
        err = lc_hf_find(r->hf, LC_HF_INDEX) ? add_parts(r, folder)
                                             : file_add(r, folder, LC_HF_WEIGHTS);
    }
    return err;
}

/* modules.json names the folder of the pooling, whose file is kept as `<path>/config.json`. */
static lc_err map_modules(lc_hf_read *r, const char *folder)
{
    cJSON *modules = NULL;
    lc_err err = lc_hf_find(r->hf, LC_HF_MODULES) ? lc_hf_json(r, LC_HF_MODULES, &modules) : LC_OK;
    for (const cJSON *m = modules ? modules->child : NULL; !err && m; m = m->next) {
        const char *path = lc_json_text(m, "path", "");
        char name[LC_HF_NAME_MAX];
        bool inside = path[0] && path[0] != '.' && strchr(path, '/') == NULL && strlen(path) < 64;
        if (inside) {
            (void)snprintf(name, sizeof name, "%.63s/" LC_HF_CONFIG, path);
            err = file_add(r, folder, name);
        }
    }
    cJSON_Delete(modules);
    return err;
}

/* ---- JSON ---- */

const cJSON *lc_hf_get(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNull(item) ? NULL : item;
}

bool lc_hf_whole(const cJSON *item, uint32_t *value)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0.0 && item->valuedouble < 0x1p32)) {
        return false;
    }
    *value = (uint32_t)item->valuedouble;
    return (double)*value == item->valuedouble;
}

/* For objects of few keys: those that people write. */
lc_err lc_hf_unique(lc_hf_read *r, const char *file, const char *path, const cJSON *object)
{
    for (const cJSON *item = object->child; item; item = item->next) {
        for (const cJSON *other = object->child; other != item; other = other->next) {
            if (item->string && strcmp(item->string, other->string) == 0) {
                return lc_hf_fail(r, file, LC_ERR_FORMAT, path, "key %.80s occurs twice",
                                  item->string);
            }
        }
    }
    return LC_OK;
}

#define KEYS_MAX 4096

lc_err lc_hf_json(lc_hf_read *r, const char *name, cJSON **tree)
{
    const lc_hf_file *file = lc_hf_find(r->hf, name);
    lc_json_diag json = {0};
    *tree = NULL;
    if (!file) {
        return lc_hf_fail(r, name, LC_ERR_NOT_FOUND, "", "no such file");
    }
    lc_err err = lc_json_parse((const char *)file->map.data, file->map.bytes,
                               LC_JSON_NO_NUL | LC_JSON_LARGE, tree, &json);
    if (err) {
        return lc_hf_fail(r, name, err, "", "%s", json.text);
    }
    bool list = strcmp(name, LC_HF_MODULES) == 0;
    if (list ? !cJSON_IsArray(*tree) : !cJSON_IsObject(*tree)) {
        err = lc_hf_fail(r, name, LC_ERR_FORMAT, "", list ? "not a list" : "not an object");
    } else if (cJSON_GetArraySize(*tree) > KEYS_MAX) {
        err = lc_hf_fail(r, name, LC_ERR_LIMIT, "", "over %d keys", KEYS_MAX);
    } else {
        err = lc_hf_unique(r, name, "", *tree);
    }
    if (err) {
        cJSON_Delete(*tree);
        *tree = NULL;
    }
    return err;
}

/* ---- key-values ---- */

static void put_key(lc_hf_read *r, const char *key, uint32_t type)
{
    lc_hf_put_text(r, key, strlen(key));
    lc_buf_put_u32(&r->body, type);
    r->keys++;
}

void lc_hf_put_text(lc_hf_read *r, const char *text, size_t bytes)
{
    lc_buf_put_u64(&r->body, bytes);
    lc_buf_put(&r->body, text, bytes);
}

void lc_hf_put_u32(lc_hf_read *r, const char *key, uint32_t value)
{
    put_key(r, key, LC_GGUF_U32);
    lc_buf_put_u32(&r->body, value);
}

void lc_hf_put_f32(lc_hf_read *r, const char *key, double value)
{
    put_key(r, key, LC_GGUF_F32);
    lc_buf_put_f32(&r->body, (float)value);
}

void lc_hf_put_bool(lc_hf_read *r, const char *key, bool value)
{
    put_key(r, key, LC_GGUF_BOOL);
    lc_buf_put_u8(&r->body, value);
}

void lc_hf_put_bytes(lc_hf_read *r, const char *key, const char *text, size_t bytes)
{
    put_key(r, key, LC_GGUF_STR);
    lc_hf_put_text(r, text, bytes);
}

void lc_hf_put_str(lc_hf_read *r, const char *key, const char *value)
{
    lc_hf_put_bytes(r, key, value, strlen(value));
}

void lc_hf_put_array(lc_hf_read *r, const char *key, uint32_t elem_type, uint64_t count)
{
    put_key(r, key, LC_GGUF_ARRAY);
    lc_buf_put_u32(&r->body, elem_type);
    lc_buf_put_u64(&r->body, count);
}

const char *lc_hf_key(const lc_hf_read *r, const char *name, char key[96])
{
    (void)snprintf(key, 96, "%s.%s", r->arch->name, name);
    return key;
}

/* Key-values become a GGUF of their own: what reads those reads these. */
static lc_err close_keys(lc_hf_read *r)
{
    lc_hf *hf = r->hf;
    lc_buf_put_u32(&hf->keys, 0x46554747u); /* "GGUF" */
    lc_buf_put_u32(&hf->keys, 3);
    lc_buf_put_u64(&hf->keys, 0);
    lc_buf_put_u64(&hf->keys, r->keys);
    lc_buf_put(&hf->keys, r->body.data, r->body.bytes);
    if (hf->keys.failed || r->body.failed) {
        return lc_fail(r->diag, LC_ERR_ARENA, 0, "out of memory");
    }
    where_set(hf, LC_HF_CONFIG);
    lc_err err = lc_gguf_open(hf->keys.data, hf->keys.bytes, &hf->g, r->diag);
    hf->g.version = 0;
    return err;
}

/* ---- the whole ---- */

static lc_err translate(lc_hf_read *r, bool weights)
{
    lc_err err = weights ? lc_hf_config(r) : LC_OK;
    if (!err) {
        err = lc_hf_tokenizer(r);
    }
    if (!err) {
        err = close_keys(r);
    }
    return err || !weights ? err : lc_hf_tensors(r);
}

lc_err lc_hf_make(lc_hf *hf, bool weights, lc_diag *diag)
{
    lc_hf_read r = {.hf = hf, .diag = diag};
    lc_err err = translate(&r, weights);
    cJSON_Delete(r.config);
    lc_buf_free(&r.body);
    return err;
}

lc_err lc_hf_open(const char *folder, bool weights, lc_hf *hf, lc_diag *diag)
{
    lc_hf_read r = {.hf = hf, .diag = diag};
    memset(hf, 0, sizeof *hf);
    lc_err err = map_files(&r, folder, weights);
    if (!err) {
        err = map_modules(&r, folder);
    }
    if (!err) {
        err = lc_hf_make(hf, weights, diag);
    }
    if (err) {
        char where[LC_HF_NAME_MAX];
        memcpy(where, hf->where, sizeof where);
        lc_hf_close(hf);
        memcpy(hf->where, where, sizeof where);
    }
    return err;
}

void lc_hf_close(lc_hf *hf)
{
    lc_gguf_close(&hf->g);
    lc_buf_free(&hf->keys);
    for (uint32_t i = 0; i < hf->file_count; i++) {
        lc_safetensors_close(&hf->file[i].tensors);
        if (hf->file[i].map.span > 0) {
            lc_map_close(&hf->file[i].map);
        }
    }
    free(hf->origin);
    free(hf->rope_factors);
    memset(hf, 0, sizeof *hf);
}

/* ---- explaining ---- */

static const lc_hf_origin *origin_of(const lc_hf *hf, const char *name)
{
    for (uint32_t i = 0; i < hf->g.tensor_count; i++) {
        if (strcmp(hf->origin[i].name, name) == 0) {
            return &hf->origin[i];
        }
    }
    return NULL;
}

void lc_hf_explain(lc_hf *hf, lc_diag *diag)
{
    char text[256], theirs[LC_HF_NAME_MAX];
    (void)snprintf(text, sizeof text, "%s", diag->text ? diag->text : "");
    size_t bytes = strcspn(text, ": "); /* the packer's errors begin with the name */
    char end = text[bytes];
    text[bytes] = '\0';
    const lc_hf_origin *origin = origin_of(hf, text);
    where_set(hf, "");
    if (origin && origin->file) {
        where_set(hf, origin->file->name);
        (void)snprintf(theirs, sizeof theirs, "%.120s", origin->theirs);
    } else if (lc_hf_tensor_name(hf->arch, text, theirs)) {
        where_set(hf, lc_hf_find(hf, LC_HF_INDEX) ? LC_HF_INDEX : LC_HF_WEIGHTS);
        diag->offset = 0;
    } else if (lc_hf_tokenizer_name(text, theirs)) {
        where_set(hf, lc_hf_find(hf, LC_HF_TOKENIZER) ? LC_HF_TOKENIZER : LC_HF_VOCAB);
        diag->offset = 0;
    } else if (lc_hf_config_name(text, theirs)) {
        where_set(hf, LC_HF_CONFIG);
        diag->offset = 0;
    } else {
        return;
    }
    text[bytes] = end;
    (void)lc_fail_format(diag, diag->err, diag->offset, "%s%s", theirs, text + bytes);
}

/* ---- the state of a folder ---- */

static uint64_t mix(uint64_t h, const void *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) { /* FNV-1a */
        h = (h ^ ((const uint8_t *)data)[i]) * 0x100000001b3u;
    }
    return h;
}

/* A sum, so that the order in which a folder lists its files does not matter. */
uint64_t lc_hf_stamp(const char *folder)
{
    uint64_t sum = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        struct stat st;
        if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISREG(st.st_mode)) {
            uint64_t numbers[] = {(uint64_t)st.st_size, (uint64_t)st.st_ino,
                                  (uint64_t)st.st_mtim.tv_sec, (uint64_t)st.st_mtim.tv_nsec};
            uint64_t h = mix(0xcbf29ce484222325u, entry->d_name, strlen(entry->d_name));
            sum += mix(h, numbers, sizeof numbers);
        }
    }
    if (dir) {
        closedir(dir);
    }
    return sum;
}
