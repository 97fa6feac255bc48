#include "lora.h"

#include <stdlib.h>
#include <string.h>

#include "fail.h"

/* ---- places ---- */

static int place_compare(uint32_t layer_a, uint32_t role_a, uint32_t layer_b, uint32_t role_b)
{
    uint64_t a = (uint64_t)layer_a << 32 | role_a, b = (uint64_t)layer_b << 32 | role_b;
    return (a > b) - (a < b);
}

static int pair_compare(const void *a, const void *b)
{
    const lc_lora_pair *x = a, *y = b;
    return place_compare(x->layer, x->role, y->layer, y->role);
}

/* The pair of a place while it is being collected, made when it is new; NULL: out of memory. */
static lc_lora_pair *pair_at(lc_lora_reader *r, uint32_t role, uint32_t layer)
{
    lc_lora_source *s = r->source;
    for (uint32_t i = s->count; i-- > 0;) {
        if (s->pair[i].role == role && s->pair[i].layer == layer) {
            return &s->pair[i];
        }
    }
    if (s->count == r->room) {
        uint32_t room = r->room == 0 ? 64 : r->room * 2;
        lc_lora_pair *more = realloc(s->pair, room * sizeof *more);
        if (!more) {
            return NULL;
        }
        s->pair = more;
        r->room = room;
    }
    s->pair[s->count] = (lc_lora_pair){.role = role, .layer = layer};
    return &s->pair[s->count++];
}

bool lc_lora_layer_number(const char **at, const char *end, uint32_t *layer)
{
    uint32_t n = 0;
    const char *p = *at;
    for (; p < end && *p >= '0' && *p <= '9' && n <= LC_LAYERS_MAX; p++) {
        n = n * 10 + (uint32_t)(*p - '0');
    }
    if (p == *at || p == end || *p != '.' || n >= LC_LAYERS_MAX || (**at == '0' && p > *at + 1)) {
        return false;
    }
    *at = p + 1;
    *layer = n;
    return true;
}

/* ---- shapes ---- */

static lc_err refuse(const lc_lora_reader *r, const lc_gguf_tensor *t, lc_err err,
                     const char *reason)
{
    return lc_fail_format(r->diag, err, t->offset, "%.*s: %s", (int)t->name.bytes, t->name.data,
                          reason);
}

/* Whether the model has this linear; rows and cols of it. */
static bool linear_of(const lc_lora_reader *r, uint32_t role, uint32_t layer, uint32_t *rows,
                      uint32_t *cols)
{
    bool global = role == LC_T_OUTPUT;
    bool conv = layer < r->info->layers && lc_layer_is_conv(r->info, layer);
    return (lc_arch_roles(r->arch, conv) >> role & 1) != 0 &&
           (global ? layer == LC_GLOBAL : layer < r->info->layers) &&
           lc_role_shape(r->info, role, rows, cols);
}

/* Rows of all roles of a place, which share their columns; 0: one is not of the model. */
static uint32_t place_rows(const lc_lora_reader *r, const lc_lora_place *place, uint32_t *cols)
{
    uint32_t all = 0, rows = 0;
    for (uint32_t i = 0; i < 3 && place->role[i] != 0; i++) {
        if (!linear_of(r, place->role[i], place->layer, &rows, cols)) {
            return 0;
        }
        all += rows;
    }
    return all;
}

static lc_err check_half(const lc_lora_reader *r, const lc_lora_place *place,
                         const lc_gguf_tensor *t, uint32_t half)
{
    uint32_t cols = 0, rows = place_rows(r, place, &cols);
    uint64_t rank = half == 0 ? t->ne[1] : t->ne[0];
    uint64_t side = half == 0 ? t->ne[0] : t->ne[1];
    if (rows == 0) {
        return refuse(r, t, LC_ERR_FORMAT, "of a linear that the model has not");
    }
    if (!lc_gguf_type_name(t->type)) {
        return refuse(r, t, LC_ERR_UNSUPPORTED, "of a type that cannot be read");
    }
    if (t->ne[2] != 1 || t->ne[3] != 1 || side != (half == 0 ? cols : rows)) {
        return lc_fail_format(r->diag, LC_ERR_FORMAT, t->offset,
                              "%.*s: shape %llu x %llu, the model's sizes want %s %u",
                              (int)t->name.bytes, t->name.data, (unsigned long long)t->ne[1],
                              (unsigned long long)t->ne[0], half == 0 ? "columns" : "rows",
                              half == 0 ? cols : rows);
    }
    if (rank == 0 || rank > LC_RANK_MAX) {
        return lc_fail_format(r->diag, LC_ERR_LIMIT, t->offset, "%.*s: rank %llu is not in 1 to %u",
                              (int)t->name.bytes, t->name.data, (unsigned long long)rank,
                              LC_RANK_MAX);
    }
    return LC_OK;
}

lc_err lc_lora_take(lc_lora_reader *r, const lc_lora_place *place, const lc_gguf_tensor *t,
                    uint32_t half)
{
    uint32_t row0 = 0, rows = 0, cols = 0;
    lc_err err = check_half(r, place, t, half);
    for (uint32_t i = 0; !err && i < 3 && place->role[i] != 0; i++, row0 += rows) {
        lc_lora_pair *pair = pair_at(r, place->role[i], place->layer);
        if (!pair) {
            return lc_fail(r->diag, LC_ERR_ARENA, 0, "out of memory");
        }
        const lc_gguf_tensor **slot = half == 0 ? &pair->a : &pair->b;
        if (*slot) {
            return refuse(r, t, LC_ERR_FORMAT, "stands twice for one linear");
        }
        *slot = t;
        (void)linear_of(r, place->role[i], place->layer, &rows, &cols);
        pair->row0 = half == 1 ? row0 : pair->row0;
    }
    return err;
}

static lc_err check_pair(const lc_lora_reader *r, lc_lora_pair *pair)
{
    const lc_gguf_tensor *there = pair->a ? pair->a : pair->b;
    if (!pair->a || !pair->b) {
        return refuse(r, there, LC_ERR_FORMAT, "its other half is missing");
    }
    if (pair->a->ne[1] != pair->b->ne[0]) {
        return lc_fail_format(r->diag, LC_ERR_FORMAT, pair->b->offset,
                              "%.*s: rank %llu, its other half has %llu", (int)pair->b->name.bytes,
                              pair->b->name.data, (unsigned long long)pair->b->ne[0],
                              (unsigned long long)pair->a->ne[1]);
    }
    pair->rank = (uint32_t)pair->a->ne[1];
    return LC_OK;
}

static lc_err check_head(const lc_lora_reader *r)
{
    lc_lora_source *s = r->source;
    if (!s->cls) {
        return s->cls_bias ? refuse(r, s->cls_bias, LC_ERR_FORMAT, "a bias without weights")
                           : LC_OK;
    }
    if (s->cls->ne[0] != r->info->width || s->cls->ne[1] > LC_CLASSES_MAX || s->cls->ne[2] != 1 ||
        s->cls->ne[3] != 1) {
        return refuse(r, s->cls, LC_ERR_FORMAT, "not classes x the model's width");
    }
    if (s->cls_bias && (s->cls_bias->ne[0] != s->cls->ne[1] || s->cls_bias->dims != 1)) {
        return refuse(r, s->cls_bias, LC_ERR_FORMAT, "not one number for each class");
    }
    s->classes = (uint32_t)s->cls->ne[1];
    return LC_OK;
}

static lc_err check_all(lc_lora_reader *r)
{
    lc_lora_source *s = r->source;
    lc_err err = check_head(r);
    if (s->count > 0) {
        qsort(s->pair, s->count, sizeof *s->pair, pair_compare);
    }
    for (uint32_t i = 0; !err && i < s->count; i++) {
        err = check_pair(r, &s->pair[i]);
    }
    if (!err && s->count == 0 && s->classes == 0) {
        err = lc_fail(r->diag, LC_ERR_FORMAT, 0, "an adapter without tensors");
    }
    return err;
}

/* ---- the whole ---- */

lc_err lc_lora_open(const lc_lora_file *file, const lc_model_info *info, lc_lora_source *source,
                    lc_diag *diag)
{
    lc_lora_source made = {.file = file};
    lc_lora_reader r = {.file = file, .info = info, .source = &made, .diag = diag};
    r.arch = lc_arch_by_id(info->arch);
    lc_err err = file->config ? lc_lora_peft(&r) : lc_lora_gguf(&r);
    if (!err) {
        err = check_all(&r);
    }
    if (err) {
        lc_lora_close(&made);
        return err;
    }
    *source = made;
    return LC_OK;
}

void lc_lora_close(lc_lora_source *source)
{
    lc_gguf_close(&source->gguf);
    lc_safetensors_close(&source->tensors);
    free(source->pair);
    memset(source, 0, sizeof *source);
}

const lc_lora_pair *lc_lora_find(const lc_lora_source *source, uint32_t role, uint32_t layer)
{
    for (uint32_t low = 0, high = source->count; low < high;) {
        uint32_t mid = low + (high - low) / 2;
        const lc_lora_pair *pair = &source->pair[mid];
        int order = place_compare(layer, role, pair->layer, pair->role);
        if (order == 0) {
            return pair;
        }
        low = order > 0 ? mid + 1 : low;
        high = order < 0 ? mid : high;
    }
    return NULL;
}

lc_err lc_lora_check_head(const lc_lora_source *source, uint32_t arch, bool pooler, lc_diag *diag)
{
    bool dense = arch == LC_ARCH_BERT || arch == LC_ARCH_MODERN_BERT;
    return source->classes == 0 || pooler || !dense
               ? LC_OK
               : lc_fail_format(diag, LC_ERR_UNSUPPORTED, source->cls->offset,
                                "%.*s: this head stands on a dense layer, which the base has not",
                                (int)source->cls->name.bytes, source->cls->name.data);
}

static bool finite_row(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!(x[i] >= -3.4e38f && x[i] <= 3.4e38f)) {
            return false;
        }
    }
    return true;
}

static lc_err read_rows(const lc_gguf_tensor *t, uint64_t row0, uint32_t rows, uint32_t cols,
                        float *out, lc_diag *diag)
{
    for (uint32_t r = 0; r < rows; r++) {
        lc_gguf_row(t, row0 + r, out + (size_t)r * cols);
        if (!finite_row(out + (size_t)r * cols, cols)) {
            return lc_fail_format(diag, LC_ERR_NUMBER, t->offset,
                                  "%.*s: row %llu: a NaN or an infinity", (int)t->name.bytes,
                                  t->name.data, (unsigned long long)(row0 + r));
        }
    }
    return LC_OK;
}

/* Where row r of the pack stands among rows whose heads are stored in halves. */
static uint32_t halved(uint32_t r, uint32_t rows, uint32_t heads)
{
    uint32_t dim = rows / heads, head = r / dim, i = r % dim;
    return head * dim + i % 2 * (dim / 2) + i / 2;
}

lc_err lc_lora_read(const lc_lora_pair *pair, uint32_t rows, uint32_t cols, float *a, float *b,
                    lc_diag *diag)
{
    lc_err err = read_rows(pair->a, 0, pair->rank, cols, a, diag);
    for (uint32_t r = 0; !err && r < rows; r++) {
        uint32_t from = pair->heads > 0 ? halved(r, rows, pair->heads) : r;
        float *row = b + (size_t)r * pair->rank;
        err = read_rows(pair->b, (uint64_t)pair->row0 + from, 1, pair->rank, row, diag);
        for (uint32_t j = 0; !err && j < pair->rank; j++) {
            row[j] = (float)((double)row[j] * pair->scale);
        }
        if (!err && !finite_row(row, pair->rank)) {
            err = lc_fail_format(diag, LC_ERR_NUMBER, pair->b->offset,
                                 "%.*s: row %u: too large once scaled", (int)pair->b->name.bytes,
                                 pair->b->name.data, from);
        }
    }
    return err;
}
