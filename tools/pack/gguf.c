#include "gguf.h"

#include <stdlib.h>
#include <string.h>

#include "../../runtime/limits.h"
#include "fail.h"
#include "gguf_types.h"

#define MAGIC 0x46554747u /* "GGUF" */
#define ALIGN_DEFAULT 32u
#define ALIGN_MAX 65536u
#define KEY_BYTES_MAX 256u
#define NAME_BYTES_MAX 63u /* ggml keeps 64 with the NUL */
#define KV_MAX 65536u
#define KV_BYTES_MIN 13u     /* key length, type, one byte */
#define TENSOR_BYTES_MIN 33u /* name length, one byte, dims, ne[0], type, offset */

#define SHOW(s) (int)((s).bytes), (s).data /* for "%.*s" */

/* Bytes of a scalar value; 0 for strings, arrays and unknown types. */
static uint32_t value_bytes(uint32_t type)
{
    static const uint8_t bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return type < sizeof bytes ? bytes[type] : 0;
}

static lc_err truncated(lc_diag *diag, const lc_reader *r)
{
    return lc_fail(diag, LC_ERR_FORMAT, r->at, "file ends early");
}

/* A string with its length as u64 before it, of 1 to max bytes. */
static lc_err read_name(lc_reader *r, uint32_t max, lc_str *name, lc_diag *diag)
{
    uint64_t at = r->at;
    uint64_t bytes = lc_read_u64(r);
    if (r->failed)
        return truncated(diag, r);
    if (bytes == 0 || bytes > max) {
        return lc_fail_format(diag, LC_ERR_LIMIT, at, "name of %llu bytes (limit %u)",
                              (unsigned long long)bytes, max);
    }
    name->data = (const char *)lc_read_bytes(r, (size_t)bytes);
    name->bytes = (uint32_t)bytes;
    return name->data ? LC_OK : truncated(diag, r);
}

static bool skip(lc_reader *r, uint64_t bytes)
{
    return bytes <= r->size - r->at && lc_read_bytes(r, (size_t)bytes);
}

/* Steps over `count` values of one type; false past the end. Never loops longer than the file. */
static bool skip_values(lc_reader *r, uint32_t type, uint64_t count)
{
    if (type != LC_GGUF_STR) {
        uint32_t each = value_bytes(type);
        return count <= (r->size - r->at) / each && skip(r, count * each);
    }
    if (count > (r->size - r->at) / 8)
        return false;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t bytes = lc_read_u64(r);
        if (r->failed || !skip(r, bytes))
            return false;
    }
    return true;
}

static bool bools_valid(const lc_gguf_kv *kv)
{
    for (uint64_t i = 0; i < kv->bytes; i++) {
        if (kv->data[i] > 1)
            return false;
    }
    return true;
}

static lc_err read_kv(lc_reader *r, lc_gguf_kv *kv, lc_diag *diag)
{
    lc_err err = read_name(r, KEY_BYTES_MAX, &kv->key, diag);
    if (err)
        return err;
    uint64_t at = r->at;
    kv->type = lc_read_u32(r);
    kv->elem_type = kv->type;
    kv->count = 1;
    if (kv->type == LC_GGUF_ARRAY) {
        kv->elem_type = lc_read_u32(r);
        kv->count = lc_read_u64(r);
    }
    if (r->failed)
        return truncated(diag, r);
    if (kv->elem_type != LC_GGUF_STR && value_bytes(kv->elem_type) == 0) {
        return lc_fail_format(diag, LC_ERR_FORMAT, at, "%.*s: value type %u %s", SHOW(kv->key),
                              kv->elem_type, kv->type == LC_GGUF_ARRAY ? "in an array" : "unknown");
    }
    kv->data = r->data + r->at;
    at = r->at;
    if (!skip_values(r, kv->elem_type, kv->count)) {
        return lc_fail_format(diag, LC_ERR_FORMAT, at, "%.*s: value runs beyond the file",
                              SHOW(kv->key));
    }
    kv->bytes = r->at - (size_t)at;
    bool bools = kv->elem_type == LC_GGUF_BOOL;
    if (bools && !bools_valid(kv)) {
        return lc_fail_format(diag, LC_ERR_FORMAT, at, "%.*s: a bool is neither 0 nor 1",
                              SHOW(kv->key));
    }
    return LC_OK;
}

static int str_order(const lc_str *a, const lc_str *b)
{
    uint32_t bytes = a->bytes < b->bytes ? a->bytes : b->bytes;
    int order = memcmp(a->data, b->data, bytes);
    return order ? order : (a->bytes > b->bytes) - (a->bytes < b->bytes);
}

static int str_compare(const void *a, const void *b)
{
    return str_order(a, b);
}

/* Refuses two equal strings; names is sorted in place. */
static lc_err check_unique(lc_str *names, uint32_t count, const uint8_t *file, const char *what,
                           lc_diag *diag)
{
    qsort(names, count, sizeof *names, str_compare);
    for (uint32_t i = 1; i < count; i++) {
        if (str_order(&names[i - 1], &names[i]) != 0)
            continue;
        return lc_fail_format(diag, LC_ERR_FORMAT,
                              (uint64_t)((const uint8_t *)names[i].data - file),
                              "%s %.*s occurs twice", what, SHOW(names[i]));
    }
    return LC_OK;
}

static lc_err check_keys(const lc_gguf *g, lc_diag *diag)
{
    lc_str *names = calloc(g->kv_count + 1u, sizeof *names);
    if (!names)
        return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
    for (uint32_t i = 0; i < g->kv_count; i++)
        names[i] = g->kv[i].key;
    lc_err err = check_unique(names, g->kv_count, g->data, "key", diag);
    free(names);
    return err;
}

static lc_err read_header(lc_reader *r, lc_gguf *g, lc_diag *diag)
{
    uint32_t magic = lc_read_u32(r);
    g->version = lc_read_u32(r);
    uint64_t tensors = lc_read_u64(r);
    uint64_t kvs = lc_read_u64(r);
    if (r->size < 4 || magic != MAGIC)
        return lc_fail(diag, LC_ERR_FORMAT, 0, "not a GGUF file");
    if (r->failed)
        return truncated(diag, r);
    if (g->version && (g->version & 0xffffu) == 0) {
        return lc_fail(diag, LC_ERR_UNSUPPORTED, 4, "big-endian GGUF");
    }
    if (g->version != 2 && g->version != 3) {
        return lc_fail_format(diag, LC_ERR_VERSION, 4, "GGUF version %u (2 and 3 can be read)",
                              g->version);
    }
    if (tensors > LC_TENSORS_MAX || tensors > r->size / TENSOR_BYTES_MIN) {
        return lc_fail(diag, LC_ERR_LIMIT, 8, "tensor count over limit");
    }
    if (kvs > KV_MAX || kvs > r->size / KV_BYTES_MIN) {
        return lc_fail(diag, LC_ERR_LIMIT, 16, "key count over limit");
    }
    g->tensor_count = (uint32_t)tensors;
    g->kv_count = (uint32_t)kvs;
    g->kv = calloc(g->kv_count + 1u, sizeof *g->kv);
    g->tensor = calloc(g->tensor_count + 1u, sizeof *g->tensor);
    if (!g->kv || !g->tensor)
        return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
    return LC_OK;
}

static uint64_t kv_offset(const lc_gguf *g, const lc_gguf_kv *kv)
{
    return (uint64_t)(kv->data - g->data);
}

static lc_err read_alignment(const lc_gguf *g, uint32_t *align, lc_diag *diag)
{
    *align = ALIGN_DEFAULT;
    const lc_gguf_kv *kv = lc_gguf_find(g, "general.alignment");
    if (!kv)
        return LC_OK;
    bool ok = lc_gguf_u32(g, "general.alignment", align);
    if (!ok || *align < 8 || *align > ALIGN_MAX || (*align & (*align - 1)) != 0) {
        return lc_fail(diag, LC_ERR_FORMAT, kv_offset(g, kv),
                       "general.alignment: must be a power of two from 8 to 65536");
    }
    return LC_OK;
}

static lc_err check_split(const lc_gguf *g, lc_diag *diag)
{
    const lc_gguf_kv *kv = lc_gguf_find(g, "split.count");
    uint32_t parts = 0;
    if (!kv || (lc_gguf_u32(g, "split.count", &parts) && parts <= 1))
        return LC_OK;
    return lc_fail_format(diag, LC_ERR_UNSUPPORTED, kv_offset(g, kv),
                          "split.count: one of %u files; merge them first", parts);
}

/* Number of rows and bytes of a tensor, refusing whatever cannot lie in `limit` bytes. */
static lc_err size_tensor(lc_gguf_tensor *t, uint64_t at, uint64_t limit, lc_diag *diag)
{
    const lc_gguf_block *block = lc_gguf_block_of(t->type);
    if (!block) {
        return lc_fail_format(diag, LC_ERR_UNSUPPORTED, at, "%.*s: unknown tensor type %u",
                              SHOW(t->name), t->type);
    }
    if (!block->read) {
        return lc_fail_format(diag, LC_ERR_UNSUPPORTED, at,
                              "%.*s: tensor type %s (%u) is not supported", SHOW(t->name),
                              block->name, t->type);
    }
    if (t->ne[0] % block->weights != 0) {
        return lc_fail_format(diag, LC_ERR_FORMAT, at, "%.*s: row is not whole %s blocks",
                              SHOW(t->name), block->name);
    }
    uint64_t bytes = block->bytes;
    bool fits = true;
    for (uint32_t i = 0; fits && i < 4; i++) {
        uint64_t n = i ? t->ne[i] : t->ne[0] / block->weights;
        fits = n <= limit / bytes; /* bytes * n cannot overflow when it fits into the file */
        bytes *= n;
    }
    if (!fits) {
        return lc_fail_format(diag, LC_ERR_FORMAT, at, "%.*s: larger than the file", SHOW(t->name));
    }
    t->bytes = bytes;
    return LC_OK;
}

static lc_err read_tensor(lc_reader *r, uint32_t align, lc_gguf_tensor *t, lc_diag *diag)
{
    lc_err err = read_name(r, NAME_BYTES_MAX, &t->name, diag);
    if (err)
        return err;
    uint64_t at = r->at;
    t->dims = lc_read_u32(r);
    if (r->failed)
        return truncated(diag, r);
    if (t->dims < 1 || t->dims > 4) {
        return lc_fail_format(diag, LC_ERR_FORMAT, at, "%.*s: %u dimensions (1 to 4 allowed)",
                              SHOW(t->name), t->dims);
    }
    for (uint32_t i = 0; i < 4; i++) {
        t->ne[i] = i < t->dims ? lc_read_u64(r) : 1;
        if (t->ne[i] == 0 && !r->failed) {
            return lc_fail_format(diag, LC_ERR_FORMAT, at, "%.*s: dimension %u is 0", SHOW(t->name),
                                  i);
        }
    }
    at = r->at;
    t->type = lc_read_u32(r);
    t->offset = lc_read_u64(r);
    if (r->failed)
        return truncated(diag, r);
    if (t->offset % align != 0) {
        return lc_fail_format(diag, LC_ERR_FORMAT, at + 4, "%.*s: data offset is not aligned to %u",
                              SHOW(t->name), align);
    }
    return size_tensor(t, at, r->size, diag);
}

/* Turns offsets into places in the file. */
static lc_err place_tensors(lc_gguf *g, uint64_t table_end, uint32_t align, lc_diag *diag)
{
    uint64_t start = (table_end + align - 1) / align * align;
    for (uint32_t i = 0; i < g->tensor_count; i++) {
        lc_gguf_tensor *t = &g->tensor[i];
        if (start > g->bytes || t->offset > g->bytes - start ||
            t->bytes > g->bytes - start - t->offset) {
            return lc_fail_format(diag, LC_ERR_FORMAT,
                                  (uint64_t)((const uint8_t *)t->name.data - g->data),
                                  "%.*s: data lies beyond the end of the file", SHOW(t->name));
        }
        t->offset += start;
        t->data = g->data + t->offset;
    }
    return LC_OK;
}

static int offset_compare(const void *a, const void *b)
{
    const lc_gguf_tensor *x = *(const lc_gguf_tensor *const *)a;
    const lc_gguf_tensor *y = *(const lc_gguf_tensor *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static lc_err check_overlap(const lc_gguf *g, const lc_gguf_tensor **order, lc_diag *diag)
{
    for (uint32_t i = 0; i < g->tensor_count; i++)
        order[i] = &g->tensor[i];
    qsort(order, g->tensor_count, sizeof *order, offset_compare);
    for (uint32_t i = 1; i < g->tensor_count; i++) {
        const lc_gguf_tensor *a = order[i - 1], *b = order[i];
        if (a->offset + a->bytes <= b->offset)
            continue;
        return lc_fail_format(diag, LC_ERR_FORMAT, b->offset, "%.*s overlaps %.*s", SHOW(b->name),
                              SHOW(a->name));
    }
    return LC_OK;
}

static lc_err check_tensors(const lc_gguf *g, lc_diag *diag)
{
    lc_str *names = calloc(g->tensor_count + 1u, sizeof *names);
    const lc_gguf_tensor **order = calloc(g->tensor_count + 1u, sizeof *order);
    lc_err err = names && order ? LC_OK : lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
    if (!err) {
        for (uint32_t i = 0; i < g->tensor_count; i++)
            names[i] = g->tensor[i].name;
        err = check_unique(names, g->tensor_count, g->data, "tensor", diag);
    }
    if (!err)
        err = check_overlap(g, order, diag);
    free(names);
    free(order);
    return err;
}

static lc_err read_all(lc_gguf *g, lc_diag *diag)
{
    lc_reader r = lc_reader_make(g->data, g->bytes);
    uint32_t align = 0;
    lc_err err = read_header(&r, g, diag);
    for (uint32_t i = 0; !err && i < g->kv_count; i++)
        err = read_kv(&r, &g->kv[i], diag);
    if (!err)
        err = check_keys(g, diag);
    if (!err)
        err = check_split(g, diag);
    if (!err)
        err = read_alignment(g, &align, diag);
    for (uint32_t i = 0; !err && i < g->tensor_count; i++) {
        err = read_tensor(&r, align, &g->tensor[i], diag);
    }
    if (!err)
        err = place_tensors(g, r.at, align, diag);
    if (!err)
        err = check_tensors(g, diag);
    return err;
}

lc_err lc_gguf_open(const void *data, size_t bytes, lc_gguf *g, lc_diag *diag)
{
    lc_gguf opened = {.data = data, .bytes = bytes};
    lc_err err = read_all(&opened, diag);
    if (err) {
        lc_gguf_close(&opened);
        return err;
    }
    *g = opened;
    return LC_OK;
}

void lc_gguf_close(lc_gguf *g)
{
    free(g->kv);
    free(g->tensor);
    memset(g, 0, sizeof *g);
}

const lc_gguf_kv *lc_gguf_find(const lc_gguf *g, const char *key)
{
    lc_str wanted = {key, (uint32_t)strlen(key)};
    for (uint32_t i = 0; i < g->kv_count; i++) {
        if (lc_str_equal(g->kv[i].key, wanted))
            return &g->kv[i];
    }
    return NULL;
}

const lc_gguf_tensor *lc_gguf_tensor_find(const lc_gguf *g, const char *name)
{
    lc_str wanted = {name, (uint32_t)strlen(name)};
    for (uint32_t i = 0; i < g->tensor_count; i++) {
        if (lc_str_equal(g->tensor[i].name, wanted))
            return &g->tensor[i];
    }
    return NULL;
}

bool lc_gguf_u32(const lc_gguf *g, const char *key, uint32_t *value)
{
    const lc_gguf_kv *kv = lc_gguf_find(g, key);
    if (!kv || kv->type == LC_GGUF_BOOL || kv->type == LC_GGUF_F32 || kv->type == LC_GGUF_F64 ||
        value_bytes(kv->type) == 0) {
        return false;
    }
    uint64_t v = 0;
    for (uint32_t i = 0; i < kv->bytes; i++)
        v |= (uint64_t)kv->data[i] << (8 * i);
    bool is_signed = kv->type == LC_GGUF_I8 || kv->type == LC_GGUF_I16 || kv->type == LC_GGUF_I32 ||
                     kv->type == LC_GGUF_I64;
    bool negative = is_signed && (kv->data[kv->bytes - 1] & 0x80);
    if (negative || v > UINT32_MAX)
        return false;
    *value = (uint32_t)v;
    return true;
}

bool lc_gguf_f32(const lc_gguf *g, const char *key, float *value)
{
    const lc_gguf_kv *kv = lc_gguf_find(g, key);
    if (!kv || (kv->type != LC_GGUF_F32 && kv->type != LC_GGUF_F64))
        return false;
    if (kv->type == LC_GGUF_F32) {
        memcpy(value, kv->data, sizeof *value);
    } else {
        double wide;
        memcpy(&wide, kv->data, sizeof wide);
        *value = (float)wide;
    }
    return true;
}

bool lc_gguf_bool(const lc_gguf *g, const char *key, bool *value)
{
    const lc_gguf_kv *kv = lc_gguf_find(g, key);
    if (!kv || kv->type != LC_GGUF_BOOL)
        return false;
    *value = kv->data[0] != 0;
    return true;
}

bool lc_gguf_str(const lc_gguf *g, const char *key, lc_str *value)
{
    const lc_gguf_kv *kv = lc_gguf_find(g, key);
    if (!kv || kv->type != LC_GGUF_STR || kv->bytes - 8 > UINT32_MAX)
        return false;
    value->data = (const char *)kv->data + 8;
    value->bytes = (uint32_t)(kv->bytes - 8);
    return true;
}

bool lc_gguf_strings_open(const lc_gguf *g, const char *key, lc_gguf_strings *it, uint64_t *count)
{
    const lc_gguf_kv *kv = lc_gguf_find(g, key);
    if (!kv || kv->type != LC_GGUF_ARRAY || kv->elem_type != LC_GGUF_STR)
        return false;
    it->at = kv->data;
    it->left = kv->count;
    *count = kv->count;
    return true;
}

/* Lengths were checked when the file was opened. A string of 4 GiB or more ends the iteration. */
bool lc_gguf_strings_next(lc_gguf_strings *it, lc_str *value)
{
    if (it->left == 0)
        return false;
    lc_reader r = lc_reader_make(it->at, 8);
    uint64_t bytes = lc_read_u64(&r);
    if (bytes > UINT32_MAX)
        return false;
    value->data = (const char *)it->at + 8;
    value->bytes = (uint32_t)bytes;
    it->at += 8 + bytes;
    it->left--;
    return true;
}

bool lc_gguf_array32(const lc_gguf *g, const char *key, uint32_t elem_type, const uint8_t **values,
                     uint64_t *count)
{
    const lc_gguf_kv *kv = lc_gguf_find(g, key);
    if (!kv || kv->type != LC_GGUF_ARRAY || kv->elem_type != elem_type)
        return false;
    if (value_bytes(elem_type) != 4)
        return false;
    *values = kv->data;
    *count = kv->count;
    return true;
}
