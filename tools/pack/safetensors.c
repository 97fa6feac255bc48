#include "safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "../../board/linux/json.h"
#include "../../runtime/limits.h"
#include "fail.h"
#include "gguf_types.h"

#define LENGTH_BYTES 8u  /* u64 before the header */
#define WHOLE_MAX 0x1p53 /* numbers of JSON are doubles: exact up to here */
#define METADATA "__metadata__"
#define TYPE_COUNTER 0xffffffffu /* no weights: left out */

typedef struct dtype {
    const char *name;
    uint32_t type;  /* ggml's number */
    uint32_t bytes; /* of an element */
    bool counter;   /* for position_ids only */
} dtype;

static const dtype dtypes[] = {
    {"F32", LC_GGML_F32, 4, false},   {"F16", LC_GGML_F16, 2, false},
    {"BF16", LC_GGML_BF16, 2, false}, {"I64", TYPE_COUNTER, 8, true},
    {"I32", TYPE_COUNTER, 4, true},
};

/* What the checks of one tensor share. */
typedef struct place {
    const uint8_t *data; /* of the file */
    uint64_t start;      /* of tensor data, in the file */
    uint64_t data_bytes; /* behind it */
    lc_diag *diag;
} place;

static lc_err wrong(const place *p, const char *name, const char *reason)
{
    return lc_fail_format(p->diag, LC_ERR_FORMAT, LENGTH_BYTES, "%.*s: %s",
                          (int)LC_SAFETENSORS_NAME_MAX / 2, name, reason);
}

static bool whole(const cJSON *item, uint64_t *value)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0.0 && item->valuedouble < WHOLE_MAX)) {
        return false;
    }
    *value = (uint64_t)item->valuedouble;
    return (double)*value == item->valuedouble;
}

/* Exactly the three keys, each once. */
static bool has_three_keys(const cJSON *entry)
{
    return cJSON_IsObject(entry) && cJSON_GetArraySize(entry) == 3 &&
           cJSON_GetObjectItemCaseSensitive(entry, "dtype") &&
           cJSON_GetObjectItemCaseSensitive(entry, "shape") &&
           cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
}

static lc_err read_dtype(const place *p, const cJSON *entry, const char *name, const dtype **found)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(entry, "dtype");
    if (!cJSON_IsString(item)) {
        return wrong(p, name, "dtype is not a text");
    }
    size_t bytes = strlen(name);
    bool counter = bytes >= 13 && strcmp(name + bytes - 13, ".position_ids") == 0;
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        if (strcmp(item->valuestring, dtypes[i].name) == 0 && dtypes[i].counter <= counter) {
            *found = &dtypes[i];
            return LC_OK;
        }
    }
    return lc_fail_format(p->diag, LC_ERR_UNSUPPORTED, LENGTH_BYTES,
                          "%.*s: dtype %.16s is not supported (F32, F16 and BF16 are)",
                          (int)LC_SAFETENSORS_NAME_MAX / 2, name, item->valuestring);
}

/* ne in GGUF's order, the last dimension first; a scalar is a vector of one. */
static lc_err read_shape(const place *p, const cJSON *entry, const char *name, lc_gguf_tensor *t)
{
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(entry, "shape");
    int dims = cJSON_GetArraySize(shape);
    if (!cJSON_IsArray(shape) || dims > 4) {
        return wrong(p, name, "shape is not a list of at most 4 sizes");
    }
    t->dims = dims > 0 ? (uint32_t)dims : 1;
    for (uint32_t i = 0; i < 4; i++) {
        t->ne[i] = 1;
    }
    uint32_t at = (uint32_t)dims;
    for (const cJSON *size = shape->child; size; size = size->next) {
        if (!whole(size, &t->ne[--at]) || t->ne[at] == 0) {
            return wrong(p, name, "a size of the shape is not a whole number over 0");
        }
    }
    return LC_OK;
}

static lc_err read_offsets(const place *p, const cJSON *entry, const char *name, lc_gguf_tensor *t)
{
    const cJSON *pair = cJSON_GetObjectItemCaseSensitive(entry, "data_offsets");
    uint64_t begin = 0, end = 0;
    if (!cJSON_IsArray(pair) || cJSON_GetArraySize(pair) != 2 || !whole(pair->child, &begin) ||
        !whole(pair->child->next, &end) || end < begin) {
        return wrong(p, name, "data_offsets is not a begin and an end");
    }
    if (end > p->data_bytes) {
        return wrong(p, name, "data lies beyond the end of the file");
    }
    t->offset = p->start + begin;
    t->data = p->data + t->offset;
    t->bytes = end - begin;
    return LC_OK;
}

/* The shape must fill the bytes exactly; what overflows is larger than any file. */
static lc_err check_size(const place *p, const char *name, const lc_gguf_tensor *t, uint32_t each)
{
    uint64_t bytes = each;
    for (uint32_t i = 0; i < 4; i++) {
        if (t->ne[i] > p->data_bytes / bytes) {
            return wrong(p, name, "shape larger than the file");
        }
        bytes *= t->ne[i];
    }
    return bytes == t->bytes ? LC_OK : wrong(p, name, "shape and data_offsets differ in size");
}

static lc_err read_tensor(const place *p, const cJSON *entry, lc_gguf_tensor *t)
{
    const char *name = entry->string;
    const dtype *type = NULL;
    size_t bytes = strlen(name);
    if (bytes == 0 || bytes > LC_SAFETENSORS_NAME_MAX) {
        return lc_fail_format(p->diag, LC_ERR_LIMIT, LENGTH_BYTES, "%.100s: name of %zu bytes",
                              name, bytes);
    }
    if (!has_three_keys(entry)) {
        return wrong(p, name, "wants dtype, shape and data_offsets, and nothing else");
    }
    lc_err err = read_dtype(p, entry, name, &type);
    if (!err) {
        err = read_shape(p, entry, name, t);
    }
    if (!err) {
        err = read_offsets(p, entry, name, t);
    }
    if (!err) {
        err = check_size(p, name, t, type->bytes);
    }
    if (!err) {
        t->name = (lc_str){name, (uint32_t)bytes};
        t->type = type->type;
    }
    return err;
}

/* ---- all of them ---- */

static int name_compare(const void *a, const void *b)
{
    return strcmp(((const lc_gguf_tensor *)a)->name.data, ((const lc_gguf_tensor *)b)->name.data);
}

static int offset_compare(const void *a, const void *b)
{
    const lc_gguf_tensor *x = a, *y = b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static lc_err check_names(const place *p, lc_gguf_tensor *all, uint32_t count)
{
    qsort(all, count, sizeof *all, name_compare);
    for (uint32_t i = 1; i < count; i++) {
        if (strcmp(all[i - 1].name.data, all[i].name.data) == 0) {
            return wrong(p, all[i].name.data, "occurs twice");
        }
    }
    return LC_OK;
}

/* Without gap or overlap, to the end of the file. */
static lc_err check_cover(const place *p, lc_gguf_tensor *all, uint32_t count)
{
    uint64_t at = p->start;
    qsort(all, count, sizeof *all, offset_compare);
    for (uint32_t i = 0; i < count; i++) {
        if (all[i].offset != at) {
            return wrong(p, all[i].name.data,
                         all[i].offset < at ? "data overlaps another tensor's"
                                            : "bytes before its data belong to no tensor");
        }
        at += all[i].bytes;
    }
    return at == p->start + p->data_bytes
               ? LC_OK
               : lc_fail(p->diag, LC_ERR_FORMAT, at, "bytes at the end belong to no tensor");
}

static lc_err check_metadata(const place *p, const cJSON *entry)
{
    const cJSON *item = cJSON_IsObject(entry) ? entry->child : entry;
    for (; item; item = item->next) {
        if (!cJSON_IsString(item) || item == entry) {
            return wrong(p, METADATA, "not an object of texts");
        }
    }
    return LC_OK;
}

/* Fills st->tensor in the order of the data. */
static lc_err read_tensors(const place *p, const cJSON *header, lc_safetensors *st)
{
    lc_err err = LC_OK;
    uint32_t count = 0, kept = 0, metadata = 0;
    for (const cJSON *entry = header->child; !err && entry; entry = entry->next) {
        if (strcmp(entry->string, METADATA) == 0) {
            err = metadata++ ? wrong(p, METADATA, "occurs twice") : check_metadata(p, entry);
        } else {
            err = read_tensor(p, entry, &st->tensor[count++]);
        }
    }
    if (!err) {
        err = check_names(p, st->tensor, count);
    }
    if (!err) {
        err = check_cover(p, st->tensor, count);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (st->tensor[i].type != TYPE_COUNTER) {
            st->tensor[kept++] = st->tensor[i];
        }
    }
    st->tensor_count = kept;
    return err;
}

static lc_err read_header(const place *p, uint64_t bytes, lc_safetensors *st)
{
    lc_json_diag json = {0};
    cJSON *header = NULL;
    const char *text = (const char *)p->data + LENGTH_BYTES;
    lc_err err = lc_json_parse(text, (size_t)bytes, LC_JSON_NO_NUL, &header, &json);
    if (err) {
        return lc_fail_format(p->diag, err, LENGTH_BYTES, "header: %s", json.text);
    }
    st->header = header;
    if (!cJSON_IsObject(header)) {
        return lc_fail(p->diag, LC_ERR_FORMAT, LENGTH_BYTES, "header: not an object");
    }
    int entries = cJSON_GetArraySize(header);
    if (entries > (int)LC_TENSORS_MAX) {
        return lc_fail_format(p->diag, LC_ERR_LIMIT, LENGTH_BYTES, "header: over %u tensors",
                              LC_TENSORS_MAX);
    }
    st->tensor = calloc((size_t)entries + 1, sizeof *st->tensor);
    return st->tensor ? read_tensors(p, header, st)
                      : lc_fail(p->diag, LC_ERR_ARENA, 0, "out of memory");
}

lc_err lc_safetensors_open(const void *data, size_t bytes, lc_safetensors *st, lc_diag *diag)
{
    lc_safetensors made = {0};
    lc_reader r = lc_reader_make(data, bytes);
    uint64_t header = lc_read_u64(&r);
    if (r.failed) {
        return lc_fail(diag, LC_ERR_FORMAT, 0, "too short for a safetensors file");
    }
    if (header > LC_SAFETENSORS_HEADER_MAX) {
        return lc_fail(diag, LC_ERR_LIMIT, 0, "header length over limit, or no safetensors file");
    }
    if (header == 0 || header > bytes - LENGTH_BYTES) {
        return lc_fail(diag, LC_ERR_FORMAT, 0, "header runs beyond the file");
    }
    place p = {data, LENGTH_BYTES + header, bytes - LENGTH_BYTES - header, diag};
    if (p.data[LENGTH_BYTES] != '{') {
        return lc_fail(diag, LC_ERR_FORMAT, LENGTH_BYTES, "header does not begin with {");
    }
    lc_err err = read_header(&p, header, &made);
    if (err) {
        lc_safetensors_close(&made);
        return err;
    }
    *st = made;
    return LC_OK;
}

void lc_safetensors_close(lc_safetensors *st)
{
    cJSON_Delete(st->header);
    free(st->tensor);
    memset(st, 0, sizeof *st);
}

const lc_gguf_tensor *lc_safetensors_find(const lc_safetensors *st, const char *name)
{
    for (uint32_t i = 0; i < st->tensor_count; i++) {
        if (strcmp(st->tensor[i].name.data, name) == 0) {
            return &st->tensor[i];
        }
    }
    return NULL;
}
