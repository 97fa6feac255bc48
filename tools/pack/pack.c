#include "pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../board/linux/chat.h"
#include "budget.h"
#include "calib.h"
#include "fail.h"
#include "fold.h"
#include "gguf_types.h"
#include "lora_merge.h"
#include "pack_plan.h"
#include "quant.h"
#include "tok_pack.h"

/* One run of the packer. */
typedef struct packer {
    const lc_gguf *g;
    const lc_pack_options *options;
    lc_pack_plan plan;
    lc_lora_merge lora;
    lc_tok_trim trim; /* count 0: all tokens stay */
    lc_leaf_writer writer;
    uint64_t done;   /* weights */
    lc_calib *calib; /* NULL: no text */
    lc_pack_loss loss;
    uint32_t full_vocab;
    uint64_t file_bytes;
    uint8_t root[32];
    lc_diag *diag;
} packer;

/* ---- names ---- */

bool lc_pack_type_find(const char *name, lc_pack_type *type)
{
    static const char *const names[] = {"q4", "t16", "q8", "f32"};
    for (uint32_t i = 0; i < 4; i++) {
        if (strcmp(name, names[i]) == 0) {
            *type = (lc_pack_type)i;
            return true;
        }
    }
    return false;
}

const char *lc_pack_wtype_name(uint32_t wtype)
{
    static const char *const names[LC_W_COUNT] = {"F32", "T16", "T16A", "R8"};
    return wtype < LC_W_COUNT ? names[wtype] : "?";
}

/* ---- weights ---- */

static lc_err out_of_memory(const packer *p)
{
    return lc_fail(p->diag, LC_ERR_ARENA, 0, "out of memory");
}

static void source_row(const void *ctx, uint32_t r, float *out)
{
    lc_pack_row(ctx, r, out);
}

static lc_err put_weights(const packer *p, lc_pack_item *item, uint8_t *out)
{
    const lc_gguf_tensor *t = item->from;
    lc_quant_source source = {
        .rows = item->rows, .cols = item->cols, .row = source_row, .ctx = item};
    uint64_t row_bytes = t->bytes / (t->ne[1] * t->ne[2] * t->ne[3]);
    uint64_t first = item->row0 * row_bytes;
    if (item->cols == 1) { /* a vector: one row of F32 has the same bytes */
        source.rows = 1;
        source.cols = item->rows;
    }
    source.q4_0 = item->keep ? lc_pack_kept(item) : NULL;
    lc_diag inner;
    lc_err err =
        lc_quant_matrix(item->type, &source, p->options->threads, out, &item->sqnr_db, &inner);
    if (err == LC_ERR_NUMBER) {
        return lc_fail_format(p->diag, err, t->offset + first + inner.offset * row_bytes,
                              "%s: row %llu: %s", item->name, (unsigned long long)inner.offset,
                              inner.text);
    }
    return err ? lc_fail(p->diag, err, t->offset, inner.text) : LC_OK;
}

static lc_err put_tensor(packer *p, lc_pack_item *item, lc_buf *body)
{
    lc_buf_pad(body, 64);
    item->offset = body->bytes;
    item->bytes = lc_quant_bytes(item->type, item->rows, item->cols);
    uint8_t *out = lc_buf_zeros(body, (size_t)item->bytes);
    if (!out) {
        return out_of_memory(p);
    }
    if (!item->from) {
        item->sqnr_db = (double)__builtin_inff();
        return lc_pack_rope(&p->plan, item, out, p->diag);
    }
    bool calibrated = p->calib && item->layer != LC_GLOBAL;
    lc_err err =
        calibrated ? lc_calib_tensor(p->calib, item, out, p->diag) : put_weights(p, item, out);
    if (!err && (item->type == LC_W_T16 || item->type == LC_W_T16A)) {
        err = lc_fold_wide_rows(item, &item->wide_rows, p->diag);
    }
    p->done += (uint64_t)item->rows * item->cols;
    if (!err && p->options->progress) {
        p->options->progress(p->options->progress_ctx, p->done, p->plan.source.info.parameters);
    }
    return err;
}

/* All tensors of one section and the read-ahead behind them. */
static lc_err put_tensors(packer *p, uint32_t type, uint32_t layer, lc_buf *body)
{
    lc_err err = LC_OK;
    for (uint32_t i = 0; !err && i < p->plan.count; i++) {
        lc_pack_item *item = &p->plan.item[i];
        if (lc_role_section(item->role) == type && item->layer == layer) {
            err = put_tensor(p, item, body);
        }
    }
    (void)lc_buf_zeros(body, LC_READ_AHEAD);
    return err;
}

/* What a section of weights took is given back: the source's pages, and its body to the spill. */
static lc_err section_done(packer *p, uint32_t layer)
{
    const lc_pack_files *f = p->options->files;
    for (uint32_t i = 0; f && f->release && i < p->plan.count; i++) {
        const lc_pack_item *item = &p->plan.item[i];
        if (item->layer == layer && item->from) {
            f->release(item->from->data, (size_t)item->from->bytes);
        }
    }
    lc_err err = lc_leaf_writer_done(&p->writer);
    return err ? lc_fail(p->diag, err, 0, "a section cannot be written") : LC_OK;
}

/* ---- sections ---- */

static lc_err new_section(packer *p, uint32_t type, uint32_t index, lc_buf **body)
{
    *body = lc_leaf_writer_section(&p->writer, type, index);
    return *body ? LC_OK : lc_fail(p->diag, LC_ERR_LIMIT, 0, "too many sections");
}

/* Appended fields are written only when one says something: without them the file is the same as
 * before there were any, and older readers open it. */
static bool info_differs(const lc_model_info *m)
{
    return m->window > 0 || m->token_types > 0 || m->embed_scale != 1.0f ||
           m->residual_scale != 1.0f || m->attn_scale != 0.0f || m->logit_scale != 1.0f ||
           m->logit_cap != 0.0f;
}

/* The same of those that came later. */
static bool info_differs_last(const lc_model_info *m)
{
    return m->conv_taps > 0 || m->attn_cap != 0.0f;
}

static void put_last(const lc_model_info *m, lc_buf *body)
{
    lc_buf_put_u32(body, m->conv_taps);
    lc_buf_put_f32(body, m->attn_cap);
    lc_buf_put(body, m->conv, sizeof m->conv);
}

static void put_more(const lc_model_info *m, lc_buf *body)
{
    lc_buf_put_u32(body, m->window);
    lc_buf_put_u32(body, m->token_types);
    lc_buf_put_f32(body, m->embed_scale);
    lc_buf_put_f32(body, m->residual_scale);
    lc_buf_put_f32(body, m->attn_scale);
    lc_buf_put_f32(body, m->logit_scale);
    lc_buf_put_f32(body, m->logit_cap);
    lc_buf_put(body, m->local, sizeof m->local);
}

static lc_err write_model(packer *p)
{
    const lc_model_info *m = &p->plan.source.info;
    const uint32_t fields[] = {m->arch,     m->layers,  m->width, m->heads, m->kv_heads,
                               m->head_dim, m->ffn,     m->vocab, m->ctx,   m->rope_dims,
                               m->pooling,  m->classes, m->causal};
    lc_buf *body;
    lc_err err = new_section(p, LC_SECTION_MODEL, 0, &body);
    if (err) {
        return err;
    }
    bool last = info_differs_last(m), more = last || info_differs(m);
    lc_buf_put_u32(body, (uint32_t)(sizeof fields + 12 + (more ? 7 * 4 + sizeof m->local : 0) +
                                    (last ? 2 * 4 + sizeof m->conv : 0)));
    for (uint32_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        lc_buf_put_u32(body, fields[i]);
    }
    lc_buf_put_f32(body, m->norm_eps);
    lc_buf_put_u64(body, m->parameters);
    if (more) {
        put_more(m, body);
    }
    if (last) {
        put_last(m, body);
    }
    return LC_OK;
}

static lc_err write_layer(packer *p, uint32_t layer)
{
    lc_buf *body;
    lc_err err = new_section(p, LC_SECTION_LAYER, layer, &body);
    if (!err) {
        err = lc_fold_layer(&p->plan, p->options, layer, p->calib, p->diag);
    }
    if (!err) {
        err = put_tensors(p, LC_SECTION_LAYER, layer, body);
    }
    if (!err && p->calib) {
        err = lc_calib_layer_done(p->calib, p->diag);
    }
    return err ? err : section_done(p, layer);
}

static lc_err write_weights(packer *p)
{
    lc_buf *body;
    lc_err err = new_section(p, LC_SECTION_EMBED, 0, &body);
    if (!err) {
        err = put_tensors(p, LC_SECTION_EMBED, LC_GLOBAL, body);
    }
    if (!err) {
        err = section_done(p, LC_GLOBAL);
    }
    for (uint32_t i = 0; !err && i < p->plan.source.info.layers; i++) {
        err = write_layer(p, i);
    }
    return err;
}

static bool utf8_valid(lc_str s)
{
    uint32_t code;
    for (uint32_t at = 0; at < s.bytes;) {
        uint32_t n = lc_utf8_decode(s.data + at, s.bytes - at, &code);
        if (n == 0 || code < ' ') {
            return false;
        }
        at += n;
    }
    return true;
}

static lc_err put_name(packer *p, lc_str name, lc_str *seen, uint32_t count, lc_buf *body)
{
    const uint8_t *from = (const uint8_t *)name.data;
    bool inside = from >= p->g->data && from < p->g->data + p->g->bytes; /* else the user's */
    uint64_t at = inside ? (uint64_t)(from - p->g->data) : 0;
    if (name.bytes == 0 || name.bytes > LC_NAME_BYTES_MAX || !utf8_valid(name)) {
        return lc_fail_format(p->diag, LC_ERR_FORMAT, at,
                              "label %u: 1 to %u bytes of UTF-8 are wanted", count,
                              LC_NAME_BYTES_MAX);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (lc_str_equal(seen[i], name)) {
            return lc_fail_format(p->diag, LC_ERR_FORMAT, at, "label %.*s occurs twice",
                                  (int)name.bytes, name.data);
        }
    }
    seen[count] = name;
    lc_buf_put_str(body, name.data, name.bytes);
    return LC_OK;
}

/* The names that the user gave. */
static lc_err put_labels(packer *p, const char *labels, lc_buf *body)
{
    uint32_t classes = p->plan.source.info.classes, n = 1;
    lc_str seen[LC_CLASSES_MAX];
    for (const char *c = labels; *c; c++) {
        n += *c == ',';
    }
    if (n != classes) {
        return lc_fail_format(p->diag, LC_ERR_FORMAT, 0, "%u labels for %u outputs", n, classes);
    }
    lc_err err = LC_OK;
    lc_buf_put_u32(body, classes);
    for (uint32_t i = 0; !err && i < classes; i++) {
        lc_str name = {labels, (uint32_t)strcspn(labels, ",")};
        err = put_name(p, name, seen, i, body);
        labels += name.bytes + 1;
    }
    return err;
}

/* The outputs' names, or their numbers when the file has none or they are an adapter's. */
static lc_err put_names(packer *p, lc_buf *body)
{
    uint32_t classes = p->plan.source.info.classes;
    char key[96], number[12];
    if (p->options->labels) {
        return put_labels(p, p->options->labels, body);
    }
    (void)snprintf(key, sizeof key, "%s.classifier.output_labels", p->plan.source.arch->name);
    lc_gguf_strings it;
    lc_str name, seen[LC_CLASSES_MAX];
    uint64_t count = classes;
    const lc_gguf_kv *kv = lc_gguf_find(p->g, key);
    if (kv && kv->count != classes && lc_lora_merge_head(&p->lora)) {
        kv = NULL;
    }
    if (kv && (!lc_gguf_strings_open(p->g, key, &it, &count) || count != classes)) {
        return lc_fail_format(p->diag, LC_ERR_FORMAT, (uint64_t)(kv->data - p->g->data),
                              "%s: not the names of %u outputs", key, classes);
    }
    lc_err err = LC_OK;
    lc_buf_put_u32(body, classes);
    for (uint32_t i = 0; !err && i < classes; i++) {
        if (!kv) {
            int n = snprintf(number, sizeof number, "%u", i);
            lc_buf_put_str(body, number, (size_t)n);
        } else if (lc_gguf_strings_next(&it, &name)) {
            err = put_name(p, name, seen, i, body);
        } else {
            err = lc_fail_format(p->diag, LC_ERR_LIMIT, (uint64_t)(kv->data - p->g->data),
                                 "%s: a name over 4 GiB", key);
        }
    }
    return err;
}

static lc_err write_classes(packer *p)
{
    if (p->plan.source.info.classes == 0) {
        return LC_OK;
    }
    lc_buf *body;
    lc_err err = new_section(p, LC_SECTION_CLASSES, 0, &body);
    if (!err) {
        err = put_names(p, body);
    }
    return err ? err : put_tensors(p, LC_SECTION_CLASSES, LC_GLOBAL, body);
}

static lc_err write_tensor_table(packer *p)
{
    lc_buf *body;
    lc_err err = new_section(p, LC_SECTION_TENSORS, 0, &body);
    if (err) {
        return err;
    }
    lc_buf_put_u32(body, p->plan.count);
    for (uint32_t i = 0; i < p->plan.count; i++) {
        const lc_pack_item *item = &p->plan.item[i];
        lc_buf_put_u32(body, item->role);
        lc_buf_put_u32(body, item->layer);
        lc_buf_put_u32(body, item->type);
        lc_buf_put_u32(body, item->rows);
        lc_buf_put_u32(body, item->cols);
        lc_buf_put_u32(body, lc_role_section(item->role));
        lc_buf_put_u32(body, item->layer == LC_GLOBAL ? 0 : item->layer);
        lc_buf_put_u32(body, 0);
        lc_buf_put_u64(body, item->offset);
        lc_buf_put_u64(body, item->bytes);
    }
    return LC_OK;
}

static void put_note(lc_buf *body, const lc_gguf *g, const char *key, const char *label)
{
    lc_str value;
    if (!lc_gguf_str(g, key, &value) || value.bytes > 1024 || !utf8_valid(value)) {
        return;
    }
    lc_buf_put(body, label, strlen(label));
    lc_buf_put(body, ": ", 2);
    lc_buf_put(body, value.data, value.bytes);
    lc_buf_put(body, "\n", 1);
}

static lc_err write_notes(packer *p)
{
    const char *made =
        p->g->version ? "made: from GGUF\n" : "made: from a Hugging Face checkpoint\n";
    lc_buf *body;
    lc_err err = new_section(p, LC_SECTION_NOTES, 0, &body);
    if (err) {
        return err;
    }
    lc_buf_put(body, made, strlen(made));
    put_note(body, p->g, "general.name", "name");
    put_note(body, p->g, "general.license", "license");
    put_note(body, p->g, "general.author", "author");
    put_note(body, p->g, "general.url", "url");
    return LC_OK;
}

/* Only a template of the table leaves a trace; without one the file is as it always was. */
static lc_err write_chat(packer *p)
{
    lc_str jinja;
    lc_chat chat;
    lc_buf *body;
    if (!lc_gguf_str(p->g, "tokenizer.chat_template", &jinja) || !lc_chat_recognise(jinja, &chat) ||
        !utf8_valid(chat.system)) {
        return LC_OK;
    }
    lc_err err = new_section(p, LC_SECTION_CHAT, 0, &body);
    if (!err) {
        lc_chat_write(&chat, body);
    }
    return err;
}

/* Tells that adapters trained on the source do not fit what passes between the matrices. */
static lc_err write_fold(packer *p)
{
    uint32_t columns = 0;
    lc_buf *body;
    for (uint32_t i = 0; i < p->plan.count; i++) {
        columns += lc_fold_count(&p->plan.item[i]);
    }
    if (columns == 0) {
        return LC_OK;
    }
    lc_err err = new_section(p, LC_SECTION_FOLD, 0, &body);
    if (!err) {
        lc_buf_put_u32(body, columns);
    }
    return err;
}

/* Bytes of everything but the matrices whose types are to be chosen, rather too many: sections with
 * padding, tables, names. */
static uint64_t fixed_bytes(const packer *p)
{
    uint64_t sections = p->plan.source.info.layers + 8u, bytes = 256; /* and MODEL */
    uint64_t align = p->options->align                         ? p->options->align
                     : p->options->budget > LC_PACK_ALIGN_OVER ? LC_LEAF_ALIGN_MAX
                                                               : LC_LEAF_ALIGN_MIN;
    bytes += sections * (align + LC_LEAF_ENTRY_BYTES + LC_READ_AHEAD) + LC_LEAF_HEADER_BYTES;
    bytes += p->plan.source.info.classes * (LC_NAME_BYTES_MAX + 2u);
    for (uint32_t i = 0; i < p->writer.count; i++) { /* notes and tokenizer are there */
        bytes += p->writer.section[i].body.bytes;
    }
    for (uint32_t i = 0; i < p->plan.count; i++) {
        const lc_pack_item *item = &p->plan.item[i];
        bytes += 48; /* its row */
        if (!lc_budget_free(item)) {
            bytes += LC_ROUND_UP(lc_quant_bytes(item->type, item->rows, item->cols), 64);
        }
    }
    return bytes;
}

static lc_err write_tokenizer(packer *p)
{
    lc_buf *body;
    lc_err err = new_section(p, LC_SECTION_TOKENIZER, 0, &body);
    if (!err) {
        err = lc_tok_pack_trimmed(p->g, p->trim.count > 0 ? &p->trim : NULL, body, p->diag);
    }
    if (!err && p->options->budget > 0) {
        err = lc_budget_choose(&p->plan, p->options, body, fixed_bytes(p), p->diag);
    }
    if (!err && p->options->text) {
        err = lc_calib_open(&p->plan, p->options, body, &p->calib, p->diag);
    }
    return err;
}

/* ---- the whole ---- */

static uint32_t choose_align(const packer *p)
{
    if (p->options->align) {
        return p->options->align;
    }
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < p->writer.count; i++) {
        bytes += p->writer.section[i].body.bytes;
    }
    bytes += p->writer.spill_end;
    return bytes > LC_PACK_ALIGN_OVER ? LC_LEAF_ALIGN_MAX : LC_LEAF_ALIGN_MIN;
}

static lc_err write_all(packer *p, lc_buf *out)
{
    lc_err err = write_notes(p);
    if (!err) {
        err = write_tokenizer(p); /* early: what it refuses is known at once */
    }
    if (!err) {
        err = write_model(p);
    }
    if (!err) {
        err = write_weights(p);
    }
    if (!err) {
        err = write_classes(p);
    }
    if (!err && p->calib) {
        err = lc_calib_loss(p->calib, &p->loss, p->diag);
    }
    if (!err) {
        err = write_tensor_table(p);
    }
    if (!err) {
        err = write_chat(p);
    }
    if (!err) {
        err = write_fold(p);
    }
    if (err) {
        return err;
    }
    p->writer.align = choose_align(p);
    if (p->options->files) {
        err =
            lc_leaf_writer_finish_file(&p->writer, p->options->files->to, &p->file_bytes, p->root);
    } else {
        err = lc_leaf_writer_finish(&p->writer, out);
    }
    if (!err && !p->options->files) {
        p->file_bytes = out->bytes;
        memcpy(p->root, out->data + 32, sizeof p->root);
    }
    return err ? lc_fail(p->diag, err, 0, "the pack cannot be laid out or written") : LC_OK;
}

static bool make_report(const packer *p, lc_pack_report *report)
{
    uint64_t bytes = 0;
    lc_pack_tensor *rows = calloc(p->plan.count, sizeof *rows);
    if (!rows) {
        return false;
    }
    memset(report, 0, sizeof *report);
    report->info = p->plan.source.info;
    report->align = p->writer.align;
    report->loss = p->loss;
    report->full_vocab = p->full_vocab;
    report->file_bytes = p->file_bytes;
    memcpy(report->root, p->root, sizeof report->root);
    report->tensor = rows;
    for (uint32_t i = 0; i < p->plan.count; i++) {
        const lc_pack_item *item = &p->plan.item[i];
        if (!item->from) {
            continue;
        }
        lc_pack_tensor *row = &rows[report->tensor_count++];
        memcpy(row->name, item->name, sizeof row->name);
        row->type = item->type;
        row->rows = item->rows;
        row->cols = item->cols;
        row->bytes = item->bytes;
        row->sqnr_db = item->sqnr_db;
        row->kept = item->keep;
        row->output_db = item->output_db;
        row->compensated = item->compensated;
        row->folded = lc_fold_count(item);
        row->wide_rows = item->wide_rows;
        bytes += item->bytes;
    }
    report->bits_per_weight = (double)bytes * 8.0 / (double)report->info.parameters;
    return true;
}

void lc_pack_report_free(lc_pack_report *report)
{
    free(report->tensor);
    memset(report, 0, sizeof *report);
}

static lc_err trim_vocabulary(packer *p)
{
    const lc_pack_options *o = p->options;
    p->full_vocab = p->plan.source.info.vocab;
    if (!o->trim) {
        return LC_OK;
    }
    lc_err err = lc_tok_trim_find(p->g, o->trim, o->trim_bytes, &p->trim, p->diag);
    if (!err) {
        lc_pack_plan_trim(&p->plan, &p->trim);
    }
    return err;
}

lc_err lc_pack_gguf(const lc_gguf *g, const lc_pack_options *options, lc_buf *out,
                    lc_pack_report *report, lc_diag *diag)
{
    packer *p = calloc(1, sizeof *p);
    lc_buf file = {0};
    if (!p) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
    }
    p->g = g;
    p->options = options;
    p->diag = diag;
    lc_leaf_writer_init(&p->writer, LC_LEAF_PACK, LC_LEAF_ALIGN_MIN);
    p->writer.spill = options->files ? options->files->spill : 0;
    lc_err err = lc_pack_plan_make(g, options->type, &p->plan, diag);
    if (!err) {
        err = lc_lora_merge_open(options, &p->plan, &p->lora, diag);
    }
    if (!err && options->labels && p->plan.source.info.classes == 0) {
        err = lc_fail(diag, LC_ERR_FORMAT, 0, "labels for a model without classification head");
    }
    if (!err) {
        err = trim_vocabulary(p);
    }
    if (!err) {
        err = write_all(p, &file);
    }
    if (!err && report && !make_report(p, report)) {
        err = out_of_memory(p);
    }
    if (err) {
        lc_buf_free(&file);
    } else if (!options->files) {
        *out = file;
    }
    lc_calib_close(p->calib);
    lc_leaf_writer_free(&p->writer);
    lc_lora_merge_close(&p->lora);
    lc_pack_plan_free(&p->plan);
    lc_tok_trim_free(&p->trim);
    free(p);
    return err;
}
