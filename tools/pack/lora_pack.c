#include "lora_pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../runtime/job.h"
#include "fail.h"
#include "quant.h"

#define VERSION_WHOLE 1u
#define VERSION_EXIT 2u
#define HEADER_BYTES 48u
#define EXIT_BYTES 4u /* more in a header with an early exit */
#define PAIR_BYTES 32u

static lc_err out_of_memory(lc_diag *diag)
{
    return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
}

/* ---- corrections ---- */

typedef struct maker {
    const lc_lora_source *source;
    const lc_model *base;
    uint32_t type;
    uint32_t layers; /* 0: all */
    lc_leaf_writer writer;
    lc_lora_report report;
    lc_diag *diag;
} maker;

typedef struct float_rows {
    const float *data;
    uint32_t cols;
} float_rows;

static void float_row(const void *ctx, uint32_t r, float *out)
{
    const float_rows *rows = ctx;
    memcpy(out, rows->data + (size_t)r * rows->cols, rows->cols * sizeof(float));
}

/* A matrix at the next multiple of 64. */
static lc_err put_matrix(const maker *m, const lc_gguf_tensor *from, const float *data,
                         uint32_t rows, uint32_t cols, lc_buf *body, uint64_t *offset)
{
    const float_rows all = {data, cols};
    const lc_quant_source quant = {.rows = rows, .cols = cols, .row = float_row, .ctx = &all};
    double db;
    lc_diag inner;
    lc_buf_pad(body, 64);
    *offset = body->bytes;
    uint8_t *out = lc_buf_zeros(body, (size_t)lc_quant_bytes(m->type, rows, cols));
    if (!out) {
        return out_of_memory(m->diag);
    }
    lc_err err = lc_quant_matrix(m->type, &quant, 1, out, &db, &inner);
    return err ? lc_fail_format(m->diag, err, from->offset, "%.*s: %s", (int)from->name.bytes,
                                from->name.data, inner.text)
               : LC_OK;
}

static lc_err put_pair(maker *m, const lc_lora_pair *pair, lc_buf *body, uint64_t place[2])
{
    uint32_t rows = 0, cols = 0;
    lc_lora_layer any;
    if (m->layers > 0 && pair->layer >= m->layers) {
        return lc_fail_format(m->diag, LC_ERR_FORMAT, pair->a->offset,
                              "%.*s: a correction of layer %u, of which only %u are to run",
                              (int)pair->a->name.bytes, pair->a->name.data, pair->layer, m->layers);
    }
    if (!lc_role_shape(&m->base->info, pair->role, &rows, &cols) || !lc_lora_of(&any, pair->role)) {
        return lc_fail_format(m->diag, LC_ERR_UNSUPPORTED, pair->a->offset,
                              "%.*s: a correction of the output can only be merged (pack --lora)",
                              (int)pair->a->name.bytes, pair->a->name.data);
    }
    float *a = calloc((size_t)pair->rank * cols, sizeof *a);
    float *b = calloc((size_t)rows * pair->rank, sizeof *b);
    lc_err err = a && b ? lc_lora_read(pair, rows, cols, a, b, m->diag) : out_of_memory(m->diag);
    if (!err) {
        err = put_matrix(m, pair->a, a, pair->rank, cols, body, &place[0]);
    }
    if (!err) {
        err = put_matrix(m, pair->b, b, rows, pair->rank, body, &place[1]);
    }
    free(a);
    free(b);
    m->report.rank = pair->rank > m->report.rank ? pair->rank : m->report.rank;
    m->report.parameters += (uint64_t)pair->rank * (rows + cols);
    return err;
}

static void store(uint8_t *out, uint64_t v, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(v >> (8 * i));
    }
}

static void store_row(const maker *m, const lc_lora_pair *pair, const uint64_t place[2],
                      uint8_t *out)
{
    store(out, pair->role, 4);
    store(out + 4, pair->layer, 4);
    store(out + 8, m->type, 4);
    store(out + 12, pair->rank, 4);
    store(out + 16, place[0], 8);
    store(out + 24, place[1], 8);
}

static lc_err write_pairs(maker *m)
{
    const lc_lora_source *s = m->source;
    size_t header = HEADER_BYTES + (m->layers > 0 ? EXIT_BYTES : 0);
    lc_buf *body = lc_leaf_writer_section(&m->writer, LC_SECTION_ADAPTER, 0);
    if (!body || !lc_buf_zeros(body, header + (size_t)s->count * PAIR_BYTES)) {
        return out_of_memory(m->diag);
    }
    for (uint32_t i = 0; i < s->count; i++) {
        uint64_t place[2];
        lc_err err = put_pair(m, &s->pair[i], body, place);
        if (err) {
            return err;
        }
        store_row(m, &s->pair[i], place, body->data + header + (size_t)i * PAIR_BYTES);
    }
    (void)lc_buf_zeros(body, LC_READ_AHEAD);
    if (body->failed) {
        return out_of_memory(m->diag);
    }
    store(body->data, m->layers > 0 ? VERSION_EXIT : VERSION_WHOLE, 4);
    store(body->data + 4, s->classes, 4);
    memcpy(body->data + 8, m->base->leaf.root, 32);
    store(body->data + 40, m->report.rank, 4);
    store(body->data + 44, s->count, 4);
    if (m->layers > 0) {
        store(body->data + 48, m->layers, 4);
    }
    return LC_OK;
}

/* ---- its head ---- */

/* Name i: of the labels given, of the base when it has as many, or the number. */
static lc_str name_of(const maker *m, const char **labels, uint32_t i, char number[12])
{
    if (*labels) {
        lc_str name = {*labels, (uint32_t)strcspn(*labels, ",")};
        *labels += name.bytes + ((*labels)[name.bytes] == ',');
        return name;
    }
    if (m->base->info.classes == m->source->classes) {
        return m->base->class_name[i];
    }
    (void)snprintf(number, 12, "%u", i);
    return lc_str_from(number);
}

static lc_err check_labels(const maker *m, const char *labels)
{
    uint32_t n = 1;
    for (const char *c = labels ? labels : ""; *c; c++) {
        n += *c == ',';
    }
    return !labels || n == m->source->classes
               ? LC_OK
               : lc_fail_format(m->diag, LC_ERR_FORMAT, 0, "%u labels for %u classes", n,
                                m->source->classes);
}

static lc_err put_names(maker *m, const char *labels, lc_buf *body)
{
    lc_err err = check_labels(m, labels);
    lc_str seen[LC_CLASSES_MAX];
    char number[12];
    lc_buf_put_u32(body, m->source->classes);
    for (uint32_t i = 0; !err && i < m->source->classes; i++) {
        seen[i] = name_of(m, &labels, i, number);
        if (!lc_name_valid(seen[i], false)) {
            err = lc_fail_format(m->diag, LC_ERR_FORMAT, 0,
                                 "label %u: 1 to %u bytes of text wanted", i, LC_NAME_BYTES_MAX);
        }
        for (uint32_t k = 0; !err && labels && k < i; k++) {
            if (lc_str_equal(seen[k], seen[i])) {
                err = lc_fail_format(m->diag, LC_ERR_FORMAT, 0, "label %.*s occurs twice",
                                     (int)seen[i].bytes, seen[i].data);
            }
        }
        lc_buf_put_str(body, seen[i].data, seen[i].bytes);
    }
    return err;
}

/* Exact rows of a tensor of the file. */
static lc_err put_floats(const maker *m, const lc_gguf_tensor *t, uint32_t rows, lc_buf *body)
{
    uint32_t cols = (uint32_t)t->ne[0];
    float *row = calloc(cols, sizeof *row);
    lc_err err = row ? LC_OK : out_of_memory(m->diag);
    lc_buf_pad(body, 64);
    for (uint32_t r = 0; !err && r < rows; r++) {
        lc_gguf_row(t, r, row);
        for (uint32_t c = 0; !err && c < cols; c++) {
            if (!(row[c] >= -3.4e38f && row[c] <= 3.4e38f)) {
                err = lc_fail_format(m->diag, LC_ERR_NUMBER, t->offset,
                                     "%.*s: row %u: a NaN or an infinity", (int)t->name.bytes,
                                     t->name.data, r);
            }
            lc_buf_put_f32(body, row[c]);
        }
    }
    free(row);
    return err;
}

static lc_err write_head(maker *m, const char *labels)
{
    const lc_lora_source *s = m->source;
    if (s->classes == 0) {
        return labels ? lc_fail(m->diag, LC_ERR_FORMAT, 0, "labels, but the adapter has no head")
                      : LC_OK;
    }
    lc_buf *body = lc_leaf_writer_section(&m->writer, LC_SECTION_CLASSES, 0);
    lc_err err = body ? put_names(m, labels, body) : out_of_memory(m->diag);
    if (!err) {
        err = put_floats(m, s->cls, s->classes, body);
    }
    if (!err && s->cls_bias) {
        err = put_floats(m, s->cls_bias, 1, body);
    } else if (!err) {
        lc_buf_pad(body, 64);
        (void)lc_buf_zeros(body, s->classes * sizeof(float));
    }
    if (!err) {
        (void)lc_buf_zeros(body, LC_READ_AHEAD);
    }
    return err;
}

/* ---- the whole ---- */

static lc_err write_all(maker *m, const char *labels, lc_buf *out)
{
    static const char note[] = "made: from a low-rank adapter\n";
    lc_err err = write_pairs(m);
    if (!err) {
        err = write_head(m, labels);
    }
    lc_buf *notes = err ? NULL : lc_leaf_writer_section(&m->writer, LC_SECTION_NOTES, 0);
    if (notes) {
        lc_buf_put(notes, note, sizeof note - 1);
        err = lc_leaf_writer_finish(&m->writer, out);
    }
    return err;
}

static lc_err check_layers(const lc_lora_source *source, const lc_model *base, uint32_t layers,
                           lc_diag *diag)
{
    if (layers >= base->info.layers) {
        return lc_fail_format(diag, LC_ERR_FORMAT, 0, "an early exit after %u of %u layers", layers,
                              base->info.layers);
    }
    return layers == 0 || source->classes > 0
               ? LC_OK
               : lc_fail(diag, LC_ERR_FORMAT, 0, "an early exit wants a head of the adapter's own");
}

lc_err lc_lora_pack(const lc_lora_file *file, const lc_model *base, const char *labels,
                    uint32_t layers, lc_buf *out, lc_lora_report *report, lc_diag *diag)
{
    lc_lora_source source;
    lc_section fold;
    if (lc_leaf_find(&base->leaf, LC_SECTION_FOLD, 0, &fold)) {
        return lc_fail(diag, LC_ERR_UNSUPPORTED, 0,
                       "the base was packed with folded columns, which adapters do not fit: pack "
                       "it with --fold off");
    }
    lc_err err = lc_lora_open(file, &base->info, &source, diag);
    if (err) {
        return err;
    }
    err = lc_lora_check_head(&source, base->info.arch, base->pooler.rows > 0, diag);
    if (!err) {
        err = check_layers(&source, base, layers, diag);
    }
    maker *m = err ? NULL : calloc(1, sizeof *m);
    if (!m) {
        lc_lora_close(&source);
        return err ? err : out_of_memory(diag);
    }
    *m = (maker){.source = &source, .base = base, .layers = layers, .diag = diag};
    m->type = base->layer[0].q.type == LC_W_F32 ? LC_W_F32 : LC_W_R8;
    m->report = (lc_lora_report){.type = m->type, .pairs = source.count, .classes = source.classes};
    lc_leaf_writer_init(&m->writer, LC_LEAF_ADAPTER, LC_LEAF_ALIGN_MIN);
    err = write_all(m, labels, out);
    if (!err && report) {
        *report = m->report;
    }
    lc_leaf_writer_free(&m->writer);
    lc_lora_close(&source);
    free(m);
    return err;
}
