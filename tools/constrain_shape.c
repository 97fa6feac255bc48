/* constrain_shape.c - from a list of labels or a shape to the automaton's items. */
#include <stdlib.h>
#include <string.h>

#include "constrain_parts.h"

/* ---- words ---- */

uint32_t lc_con_child(const lc_constrain *c, uint32_t node, uint8_t byte)
{
    uint32_t child = c->node[node].child;
    while (child != CON_NONE && c->node[child].byte != byte) {
        child = c->node[child].next;
    }
    return child;
}

/* A new node below `parent` (CON_NONE: a root); CON_NONE without memory. */
static uint32_t node_add(lc_constrain *c, uint32_t parent, uint8_t byte)
{
    if (c->nodes == c->node_room) {
        uint32_t room = 2 * c->node_room + 64;
        con_node *more = realloc(c->node, room * sizeof *more);
        if (!more) {
            return CON_NONE;
        }
        c->node = more;
        c->node_room = room;
    }
    con_node node = {.child = CON_NONE, .next = CON_NONE, .needs = CON_NEVER, .byte = byte};
    if (parent != CON_NONE) {
        node.next = c->node[parent].child;
        c->node[parent].child = c->nodes;
    }
    c->node[c->nodes] = node;
    return c->nodes++;
}

static lc_err out_of_memory(lc_json_diag *diag)
{
    return lc_json_fail(diag, LC_ERR_ARENA, "", "out of memory");
}

static lc_err word_add(lc_constrain *c, uint32_t root, const uint8_t *word, size_t bytes,
                       const char *path, lc_json_diag *diag)
{
    uint32_t at = root;
    for (size_t i = 0; i < bytes; i++) {
        uint32_t next = lc_con_child(c, at, word[i]);
        next = next == CON_NONE ? node_add(c, at, word[i]) : next;
        if (next == CON_NONE) {
            return out_of_memory(diag);
        }
        at = next;
    }
    if (c->node[at].end) {
        return lc_json_fail(diag, LC_ERR_FORMAT, path, "`%.*s` occurs twice", (int)bytes,
                            (const char *)word);
    }
    c->node[at].end = true;
    c->node[at].needs = 0;
    return LC_OK;
}

/* ---- items ---- */

static con_item *item_add(lc_constrain *c, con_kind kind)
{
    lc_assert(c->items < CON_ITEMS_MAX);
    con_item *item = &c->item[c->items++];
    *item = (con_item){.kind = (uint8_t)kind};
    return item;
}

/* Bytes that must come: onto the last item when that is text, too. */
static void text_add(lc_constrain *c, const char *text, size_t bytes)
{
    con_item *last = c->items > 0 ? &c->item[c->items - 1] : NULL;
    if (!last || last->kind != CON_TEXT) {
        last = item_add(c, CON_TEXT);
        last->text = (uint32_t)c->text.bytes;
    }
    lc_buf_put(&c->text, text, bytes);
    last->bytes += (uint32_t)bytes;
}

/* Text as a JSON string. */
static void quote(lc_buf *out, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    lc_buf_put_u8(out, '"');
    for (; *text; text++) {
        uint8_t c = (uint8_t)*text;
        if (c == '"' || c == '\\') {
            lc_buf_put_u8(out, '\\');
        }
        if (c < ' ') {
            char escape[] = {'\\', 'u', '0', '0', hex[c / 16], hex[c % 16]};
            lc_buf_put(out, escape, sizeof escape);
        } else {
            lc_buf_put_u8(out, c);
        }
    }
    lc_buf_put_u8(out, '"');
}

/* ---- values ---- */

/* The strings of an array as words of a new tree, quoted. */
static lc_err words_compile(lc_constrain *c, const cJSON *list, const char *path, uint32_t *root,
                            lc_json_diag *diag)
{
    int count = cJSON_GetArraySize(list);
    *root = node_add(c, CON_NONE, 0);
    if (*root == CON_NONE) {
        return out_of_memory(diag);
    }
    if (count < 1 || count > (int)LC_CONSTRAIN_WORDS_MAX) {
        return lc_json_fail(diag, LC_ERR_FORMAT, path, "1 to %u strings are wanted",
                            LC_CONSTRAIN_WORDS_MAX);
    }
    const cJSON *word;
    lc_err err = LC_OK;
    cJSON_ArrayForEach(word, list)
    {
        lc_buf quoted = {0};
        if (!cJSON_IsString(word) || strlen(word->valuestring) > LC_LABEL_TEXT_BYTES_MAX) {
            return lc_json_fail(diag, LC_ERR_FORMAT, path, "strings of up to %u bytes are wanted",
                                LC_LABEL_TEXT_BYTES_MAX);
        }
        quote(&quoted, word->valuestring);
        err = quoted.failed ? out_of_memory(diag)
                            : word_add(c, *root, quoted.data, quoted.bytes, path, diag);
        lc_buf_free(&quoted);
        if (err) {
            return err;
        }
    }
    return LC_OK;
}

static lc_err bool_compile(lc_constrain *c, const char *path, lc_json_diag *diag)
{
    uint32_t root = node_add(c, CON_NONE, 0);
    if (root == CON_NONE) {
        return out_of_memory(diag);
    }
    item_add(c, CON_WORDS)->root = root;
    lc_err err = word_add(c, root, (const uint8_t *)"true", 4, path, diag);
    return err ? err : word_add(c, root, (const uint8_t *)"false", 5, path, diag);
}

/* The least whole number not below v; v is within the bounds of numbers. */
static int64_t ceiling(double v)
{
    int64_t n = (int64_t)v;
    return (double)n < v ? n + 1 : n;
}

static lc_err number_compile(lc_constrain *c, const cJSON *bounds, const cJSON *decimals,
                             const char *path, lc_json_diag *diag)
{
    const cJSON *low = cJSON_GetArrayItem(bounds, 0), *high = cJSON_GetArrayItem(bounds, 1);
    double digits = decimals ? decimals->valuedouble : 0.0;
    if (!cJSON_IsArray(bounds) || cJSON_GetArraySize(bounds) != 2 || !cJSON_IsNumber(low) ||
        !cJSON_IsNumber(high) || !(low->valuedouble >= -LC_CONSTRAIN_BOUND) ||
        !(high->valuedouble <= LC_CONSTRAIN_BOUND) || !(low->valuedouble <= high->valuedouble)) {
        return lc_json_fail(diag, LC_ERR_FORMAT, path,
                            "two numbers are wanted, the smaller first, within %.0f",
                            LC_CONSTRAIN_BOUND);
    }
    if (decimals &&
        (!cJSON_IsNumber(decimals) || digits < 0.0 || digits > (double)LC_CONSTRAIN_DECIMALS_MAX ||
         digits > (double)(uint32_t)digits)) {
        return lc_json_fail(diag, LC_ERR_FORMAT, path, "decimals are 0 to %u",
                            LC_CONSTRAIN_DECIMALS_MAX);
    }
    con_item *item = item_add(c, CON_NUMBER);
    double scale = 1.0;
    for (item->decimals = 0; (double)item->decimals < digits; item->decimals++) {
        scale *= 10.0;
    }
    item->low = ceiling(low->valuedouble * scale);
    item->high = -ceiling(-high->valuedouble * scale);
    if (item->low > item->high) {
        return lc_json_fail(diag, LC_ERR_FORMAT, path, "no number of %u decimals is within these",
                            item->decimals);
    }
    return LC_OK;
}

static lc_err string_compile(lc_constrain *c, const cJSON *most, const char *path,
                             lc_json_diag *diag)
{
    if (!cJSON_IsNumber(most) || most->valuedouble < 1.0 ||
        most->valuedouble > (double)LC_CONSTRAIN_STRING_MAX) {
        return lc_json_fail(diag, LC_ERR_FORMAT, path, "1 to %u bytes", LC_CONSTRAIN_STRING_MAX);
    }
    text_add(c, "\"", 1);
    item_add(c, CON_STRING)->bytes = (uint32_t)most->valuedouble;
    return LC_OK;
}

static lc_err list_compile(lc_constrain *c, const cJSON *words, const cJSON *most, const char *path,
                           lc_json_diag *diag)
{
    uint32_t root = CON_NONE;
    double count = cJSON_GetArraySize(words);
    if (most && (!cJSON_IsNumber(most) || most->valuedouble < 1.0 ||
                 most->valuedouble > (double)LC_CONSTRAIN_WORDS_MAX)) {
        return lc_json_fail(diag, LC_ERR_FORMAT, path, "max is 1 to %u", LC_CONSTRAIN_WORDS_MAX);
    }
    text_add(c, "[", 1);
    con_item *item = item_add(c, CON_LIST);
    item->max = (uint32_t)(most ? most->valuedouble : count);
    lc_err err = words_compile(c, words, path, &root, diag);
    item->root = root;
    return err;
}

/* {"integer": ...} and the others: one key that says what, and what belongs to it. */
static lc_err object_compile(lc_constrain *c, const cJSON *value, const char *path,
                             lc_json_diag *diag)
{
    static const struct {
        const char *what, *more;
    } kinds[] = {{"integer", NULL}, {"number", "decimals"}, {"string", NULL}, {"list", "max"}};
    static const cJSON two = {.type = cJSON_Number, .valueint = 2, .valuedouble = 2.0};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const cJSON *first = cJSON_GetObjectItemCaseSensitive(value, kinds[i].what);
        const cJSON *more =
            kinds[i].more ? cJSON_GetObjectItemCaseSensitive(value, kinds[i].more) : NULL;
        if (!first || cJSON_GetArraySize(value) != (more ? 2 : 1)) {
            continue;
        }
        switch (i) {
        case 0:
            return number_compile(c, first, NULL, path, diag);
        case 1:
            return number_compile(c, first, more ? more : &two, path, diag);
        case 2:
            return string_compile(c, first, path, diag);
        default:
            return list_compile(c, first, more, path, diag);
        }
    }
    return lc_json_fail(diag, LC_ERR_FORMAT, path,
                        "integer, number and decimals, string, or list and max are wanted");
}

static lc_err value_compile(lc_constrain *c, const cJSON *value, const char *path,
                            lc_json_diag *diag)
{
    uint32_t root = CON_NONE;
    if (cJSON_IsArray(value)) {
        lc_err err = words_compile(c, value, path, &root, diag);
        item_add(c, CON_WORDS)->root = root;
        return err;
    }
    if (cJSON_IsString(value) && strcmp(value->valuestring, "boolean") == 0) {
        return bool_compile(c, path, diag);
    }
    if (cJSON_IsObject(value)) {
        return object_compile(c, value, path, diag);
    }
    return lc_json_fail(diag, LC_ERR_FORMAT, path, "an array, an object or \"boolean\" is wanted");
}

/* ---- the whole ---- */

static lc_constrain *constrain_new(void)
{
    lc_constrain *c = calloc(1, sizeof *c);
    if (c) {
        item_add(c, CON_BLANK);
    }
    return c;
}

void lc_constrain_free(lc_constrain *c)
{
    if (c) {
        for (uint32_t i = 0; i < c->items; i++) {
            free(c->item[i].cache);
        }
        lc_buf_free(&c->text);
        free(c->text_need);
        free(c->node);
        free(c->leaf);
        free(c);
    }
}

static lc_err finish(lc_constrain *c, lc_err err, lc_constrain **out, lc_json_diag *diag)
{
    if (!err && c->text.failed) {
        err = out_of_memory(diag);
    }
    if (err) {
        lc_constrain_free(c);
    } else {
        *out = c;
    }
    return err;
}

static bool is_utf8(const char *text, size_t bytes)
{
    uint32_t code;
    for (size_t at = 0; at < bytes;) {
        uint32_t n = lc_utf8_decode(text + at, bytes - at, &code);
        if (n == 0) {
            return false;
        }
        at += n;
    }
    return true;
}

static lc_err labels_compile(lc_constrain *c, const char *list, lc_json_diag *diag)
{
    uint32_t root = node_add(c, CON_NONE, 0), count = 0;
    lc_err err = root == CON_NONE ? out_of_memory(diag) : LC_OK;
    if (!is_utf8(list, strlen(list))) {
        return lc_json_fail(diag, LC_ERR_FORMAT, "", "the labels are not UTF-8");
    }
    while (!err) {
        size_t bytes = strcspn(list, ",");
        if (bytes == 0 || list[0] == ' ' || bytes > LC_LABEL_TEXT_BYTES_MAX ||
            count == LC_CONSTRAIN_WORDS_MAX) {
            return lc_json_fail(
                diag, LC_ERR_LIMIT, "",
                "1 to %u labels of 1 to %u bytes are wanted, none with a blank before it",
                LC_CONSTRAIN_WORDS_MAX, LC_LABEL_TEXT_BYTES_MAX);
        }
        err = word_add(c, root, (const uint8_t *)list, bytes, "", diag);
        count++;
        if (list[bytes] == 0) {
            break;
        }
        list += bytes + 1;
    }
    item_add(c, CON_WORDS)->root = root;
    for (uint32_t i = root; i < c->nodes; i++) {
        c->open_end = c->open_end || (c->node[i].end && c->node[i].child != CON_NONE);
    }
    return err;
}

lc_err lc_constrain_labels(const char *list, lc_constrain **constrain, lc_json_diag *diag)
{
    lc_constrain *c = constrain_new();
    return c ? finish(c, labels_compile(c, list, diag), constrain, diag) : out_of_memory(diag);
}

static bool key_repeats(const cJSON *key)
{
    for (const cJSON *later = key->next; later; later = later->next) {
        if (strcmp(later->string, key->string) == 0) {
            return true;
        }
    }
    return false;
}

static lc_err key_compile(lc_constrain *c, const cJSON *key, lc_json_diag *diag)
{
    lc_buf head = {0};
    lc_buf_put_u8(&head, key->prev->next ? ',' : '{');
    quote(&head, key->string);
    lc_buf_put_u8(&head, ':');
    lc_err err = head.failed ? out_of_memory(diag) : LC_OK;
    if (!err) {
        text_add(c, (const char *)head.data, head.bytes);
        err = value_compile(c, key, key->string, diag);
    }
    lc_buf_free(&head);
    return err;
}

static lc_err shape_compile(lc_constrain *c, const cJSON *shape, lc_json_diag *diag)
{
    int keys = cJSON_GetArraySize(shape);
    if (!cJSON_IsObject(shape) || keys < 1 || keys > (int)LC_CONSTRAIN_KEYS_MAX) {
        return lc_json_fail(diag, LC_ERR_FORMAT, "", "an object of 1 to %u keys is wanted",
                            LC_CONSTRAIN_KEYS_MAX);
    }
    lc_err err = LC_OK;
    for (const cJSON *key = shape->child; key && !err; key = key->next) {
        err = key_repeats(key) ? lc_json_fail(diag, LC_ERR_FORMAT, key->string, "occurs twice")
                               : key_compile(c, key, diag);
    }
    text_add(c, "}", 1);
    return err;
}

lc_err lc_constrain_shape(const char *json, size_t bytes, lc_constrain **constrain,
                          lc_json_diag *diag)
{
    cJSON *shape;
    lc_err err = lc_json_parse(json, bytes, LC_JSON_COMMENTS | LC_JSON_NO_NUL, &shape, diag);
    if (err) {
        return err;
    }
    lc_constrain *c = constrain_new();
    err = c ? finish(c, shape_compile(c, shape, diag), constrain, diag) : out_of_memory(diag);
    cJSON_Delete(shape);
    return err;
}
