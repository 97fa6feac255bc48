#include "pack_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "fold.h"
#include "gguf_types.h"
#include "lora_merge.h"
#include "real.h"

typedef struct pattern {
    uint32_t role;
    const char *name; /* after "blk.N." for tensors of a layer; NULL: made here */
} pattern;

/* In the order of the pack: small things first. */
static const pattern EMBED[] = {
    {LC_T_OUT_NORM, "output_norm.weight"},
    {LC_T_OUT_NORM_BIAS, "output_norm.bias"},
    {LC_T_ROPE_FREQ, NULL},
    {LC_T_ROPE_FREQ_LOCAL, NULL},
    {LC_T_EMBED_NORM, "token_embd_norm.weight"},
    {LC_T_EMBED_NORM_BIAS, "token_embd_norm.bias"},
    {LC_T_TOKEN_TYPE, "token_types.weight"},
    {LC_T_EMBED, "token_embd.weight"},
    {LC_T_OUTPUT, "output.weight"},
    {LC_T_POSITION, "position_embd.weight"},
};
static const pattern LAYER[] = {
    {LC_T_ATTN_NORM, "attn_norm.weight"},
    {LC_T_Q, "attn_q.weight"},
    {LC_T_K, "attn_k.weight"},
    {LC_T_V, "attn_v.weight"},
    {LC_T_O, "attn_output.weight"},
    {LC_T_FFN_NORM, "ffn_norm.weight"},
    {LC_T_GATE, "ffn_gate.weight"},
    {LC_T_UP, "ffn_up.weight"},
    {LC_T_DOWN, "ffn_down.weight"},
    {LC_T_Q_BIAS, "attn_q.bias"},
    {LC_T_K_BIAS, "attn_k.bias"},
    {LC_T_V_BIAS, "attn_v.bias"},
    {LC_T_O_BIAS, "attn_output.bias"},
    {LC_T_UP_BIAS, "ffn_up.bias"},
    {LC_T_DOWN_BIAS, "ffn_down.bias"},
    {LC_T_Q_NORM, "attn_q_norm.weight"},
    {LC_T_K_NORM, "attn_k_norm.weight"},
    {LC_T_ATTN_POST_NORM, "post_attention_norm.weight"},
    {LC_T_FFN_POST_NORM, "post_ffw_norm.weight"},
    {LC_T_ATTN_OUT_NORM, "attn_output_norm.weight"},
    {LC_T_ATTN_OUT_NORM_BIAS, "attn_output_norm.bias"},
    {LC_T_FFN_OUT_NORM, "layer_output_norm.weight"},
    {LC_T_FFN_OUT_NORM_BIAS, "layer_output_norm.bias"},
    {LC_T_ATTN_NORM_BIAS, "attn_norm.bias"},
    {LC_T_FFN_NORM_BIAS, "ffn_norm.bias"},
    {LC_T_CONV_IN, "shortconv.in_proj.weight"},
    {LC_T_CONV, "shortconv.conv.weight"},
    {LC_T_CONV_OUT, "shortconv.out_proj.weight"},
};
static const pattern CLASSES[] = {
    {LC_T_CLS, "cls.output.weight"},       {LC_T_CLS_BIAS, "cls.output.bias"},
    {LC_T_POOLER, "cls.weight"},           {LC_T_POOLER_BIAS, "cls.bias"},
    {LC_T_POOLER_NORM, "cls.norm.weight"},
};

#define COUNT(array) (uint32_t)(sizeof(array) / sizeof((array)[0]))
#define ROPE_FACTORS "rope_freqs.weight"
#define ROPE_LOCAL "rope_freqs_local"

static const pattern *pattern_of(uint32_t role)
{
    const struct {
        const pattern *p;
        uint32_t n;
    } all[] = {{EMBED, COUNT(EMBED)}, {LAYER, COUNT(LAYER)}, {CLASSES, COUNT(CLASSES)}};
    for (uint32_t i = 0; i < COUNT(all); i++) {
        for (uint32_t k = 0; k < all[i].n; k++) {
            if (all[i].p[k].role == role) {
                return &all[i].p[k];
            }
        }
    }
    return NULL;
}

void lc_pack_role_name(uint32_t role, uint32_t layer, char name[64])
{
    const pattern *p = pattern_of(role);
    const char *text = p && p->name                   ? p->name
                       : role == LC_T_ROPE_FREQ_LOCAL ? ROPE_LOCAL
                                                      : ROPE_FACTORS;
    if (layer == LC_GLOBAL) {
        (void)snprintf(name, 64, "%s", text);
    } else {
        (void)snprintf(name, 64, "blk.%u.%s", layer, text);
    }
}

/* ---- weights of an item ---- */

void lc_pack_row(const lc_pack_item *item, uint32_t r, float *out)
{
    r = item->old_row ? item->old_row[r] : r;
    lc_gguf_row(item->from, (uint64_t)item->row0 + r, out);
    if (item->lora) {
        lc_lora_sum_row(item->lora, r, item->cols, out);
    }
    lc_fold_row(item, r, out);
}

const uint8_t *lc_pack_kept(const lc_pack_item *item)
{
    const lc_gguf_tensor *t = item->from;
    return t->data + item->row0 * (t->bytes / (t->ne[1] * t->ne[2] * t->ne[3]));
}

/* The file's factor i of the frequencies. */
static lc_err rope_factor(const lc_pack_plan *plan, uint32_t i, double *factor, lc_diag *diag)
{
    lc_gguf_tensor one = *plan->rope_factors;
    float read;
    one.ne[0] = 1;
    lc_gguf_row(&one, i, &read);
    if (!(read >= 1e-6f && read <= 1e6f)) {
        return lc_fail_format(diag, LC_ERR_FORMAT, one.offset, "%.*s: factor %u out of range",
                              (int)one.name.bytes, one.name.data, i);
    }
    *factor = (double)read;
    return LC_OK;
}

/* The frequency f of pair i, scaled for longer texts than the model was first made for. */
static double scaled(const lc_pack_source *source, uint32_t i, double f)
{
    double divided = f / source->rope_factor;
    if (!source->yarn) {
        return divided;
    }
    double width = source->yarn_high - source->yarn_low;
    double ramp = ((double)i - source->yarn_low) / (width > 0.001 ? width : 0.001);
    ramp = ramp < 0.0 ? 0.0 : ramp > 1.0 ? 1.0 : ramp;
    return divided * ramp + f * (1.0 - ramp);
}

lc_err lc_pack_rope(const lc_pack_plan *plan, const lc_pack_item *item, uint8_t *out, lc_diag *diag)
{
    const lc_pack_source *source = &plan->source;
    bool local = item->role == LC_T_ROPE_FREQ_LOCAL;
    double base = local ? source->rope_base_local : source->rope_base;
    for (uint32_t i = 0; i < item->rows; i++) {
        double power = -2.0 * (double)i / (double)source->info.rope_dims;
        double f = lc_real_pow(base, power);
        double factor = 1.0;
        lc_err err = plan->rope_factors && !local ? rope_factor(plan, i, &factor, diag) : LC_OK;
        if (err) {
            return err;
        }
        f = f / factor;
        f = local ? f : scaled(source, i, f);
        float parts[2];
        parts[0] = (float)f;
        parts[1] = (float)(f - (double)parts[0]);
        memcpy(out + i * sizeof parts, parts, sizeof parts);
    }
    return LC_OK;
}

/* ---- weight types ---- */

static uint32_t wtype_of(uint32_t role, lc_pack_type type, uint32_t cols)
{
    bool small = cols == 1 || role == LC_T_CONV || role == LC_T_ROPE_FREQ ||
                 role == LC_T_ROPE_FREQ_LOCAL || role == LC_T_TOKEN_TYPE || role == LC_T_CLS;
    bool gathered = role == LC_T_EMBED || role == LC_T_OUTPUT || role == LC_T_POSITION;
    if (type == LC_PACK_F32 || small) {
        return LC_W_F32;
    }
    if (type == LC_PACK_Q8 || gathered) {
        return LC_W_R8;
    }
    /* 32-bit sums of T16A hold fewer columns */
    return type == LC_PACK_T16 || cols > LC_COLS_MAX_T16A ? LC_W_T16 : LC_W_T16A;
}

/* A Q4_0 source has lost what T16A could keep, so its own nibbles are the best there is. */
static void keep_nibbles(lc_pack_item *item)
{
    bool tiles = item->type == LC_W_T16 || item->type == LC_W_T16A;
    if (tiles && item->from && item->from->type == LC_GGML_Q4_0) {
        item->type = LC_W_T16;
        item->keep = true;
    }
}

void lc_pack_item_requantise(lc_pack_item *item, lc_pack_type type)
{
    item->type = wtype_of(item->role, type, item->cols);
    item->keep = false;
}

/* ---- tensors ---- */

static lc_err check_shape(const lc_pack_item *item, uint32_t rows, lc_diag *diag)
{
    const lc_gguf_tensor *t = item->from;
    uint32_t cols = item->cols;
    if (cols == 1) { /* a vector is a row in the file */
        cols = item->rows;
        rows = 1;
    }
    if ((uint64_t)rows * cols > SIZE_MAX / sizeof(double)) {
        return lc_fail_format(diag, LC_ERR_LIMIT, t->offset,
                              "%s: %u x %u is too large for this machine's addresses", item->name,
                              rows, cols);
    }
    if (t->ne[0] == cols && t->ne[1] == rows && t->ne[2] == 1 && t->ne[3] == 1) {
        return LC_OK;
    }
    return lc_fail_format(diag, LC_ERR_FORMAT, t->offset,
                          "%s: shape %llu x %llu, the model's sizes want %u x %u", item->name,
                          (unsigned long long)t->ne[0], (unsigned long long)t->ne[1], cols, rows);
}

/* Several matrices that a file may hold as one, rows after rows. */
static void find_fused(const lc_gguf *g, const lc_pack_source *source, lc_pack_item *item,
                       uint32_t *rows)
{
    const lc_model_info *m = &source->info;
    uint32_t q = m->heads * m->head_dim, kv = m->kv_heads * m->head_dim;
    const struct {
        uint32_t role, row0, rows;
        const char *name;
    } parts[] = {
        {LC_T_Q, 0, q + 2 * kv, "attn_qkv.weight"},
        {LC_T_K, q, q + 2 * kv, "attn_qkv.weight"},
        {LC_T_V, q + kv, q + 2 * kv, "attn_qkv.weight"},
        {LC_T_GATE, 0, 2 * m->ffn, "ffn_up.weight"},
        {LC_T_UP, m->ffn, 2 * m->ffn, "ffn_up.weight"},
    };
    for (uint32_t i = 0; i < COUNT(parts); i++) {
        char name[64];
        if (parts[i].role != item->role) {
            continue;
        }
        (void)snprintf(name, sizeof name, "blk.%u.%s", item->layer, parts[i].name);
        const lc_gguf_tensor *all = lc_gguf_tensor_find(g, name);
        if (all && all->ne[1] == parts[i].rows) {
            item->from = all;
            item->row0 = parts[i].row0;
            *rows = parts[i].rows;
        }
    }
}

/* Whether the architecture must or may have this tensor, as far as the sizes tell. */
static bool wanted(const lc_pack_source *source, uint32_t role, uint32_t layer, bool *needed)
{
    bool conv = layer != LC_GLOBAL && lc_layer_is_conv(&source->info, layer);
    *needed = (lc_arch_needs(source->arch, conv) >> role & 1) != 0;
    if (role == LC_T_ROPE_FREQ_LOCAL) { /* made here, when local layers turn otherwise */
        return source->info.window > 0 && (source->arch->allows >> role & 1) != 0 &&
               (source->rope_base_local != source->rope_base || source->rope_factor != 1.0);
    }
    if (role == LC_T_CLS) {
        *needed = true; /* in the section that is there for it */
    }
    return (lc_arch_roles(source->arch, conv) >> role & 1) != 0 || *needed;
}

/* Where embeddings have no norm of their own, some files give the last norm that name. */
static const lc_gguf_tensor *other_name(const lc_gguf *g, const lc_arch *arch, uint32_t role)
{
    bool free = (lc_arch_roles(arch, false) >> LC_T_EMBED_NORM & 1) == 0;
    return role == LC_T_OUT_NORM && free ? lc_gguf_tensor_find(g, "token_embd_norm.weight") : NULL;
}

static lc_err add_item(const lc_gguf *g, lc_pack_type type, const pattern *p, uint32_t layer,
                       lc_pack_plan *plan, lc_diag *diag)
{
    lc_pack_item item = {.role = p->role, .layer = layer, .output_db = (double)__builtin_nanf("")};
    bool needed;
    if (!wanted(&plan->source, p->role, layer, &needed) ||
        !lc_role_shape(&plan->source.info, p->role, &item.rows, &item.cols)) {
        return LC_OK;
    }
    item.type = wtype_of(p->role, type, item.cols);
    lc_pack_role_name(p->role, layer, item.name);
    if (!p->name) {
        plan->item[plan->count++] = item;
        return LC_OK;
    }
    uint32_t rows = item.rows;
    find_fused(g, &plan->source, &item, &rows);
    if (!item.from) {
        item.from = lc_gguf_tensor_find(g, item.name);
    }
    if (!item.from) {
        item.from = other_name(g, plan->source.arch, p->role);
    }
    if (!item.from) {
        return needed ? lc_fail_format(diag, LC_ERR_FORMAT, 0, "%s: missing", item.name) : LC_OK;
    }
    lc_err err = check_shape(&item, rows, diag);
    if (!err) {
        keep_nibbles(&item);
        plan->item[plan->count++] = item;
    }
    return err;
}

static lc_err add_items(const lc_gguf *g, lc_pack_type type, const pattern *p, uint32_t n,
                        uint32_t layer, lc_pack_plan *plan, lc_diag *diag)
{
    lc_err err = LC_OK;
    for (uint32_t i = 0; !err && i < n; i++) {
        err = add_item(g, type, &p[i], layer, plan, diag);
    }
    return err;
}

/* Factors that divide the rope frequencies, as Llama 3 has them. */
static lc_err find_rope_factors(const lc_gguf *g, lc_pack_plan *plan, lc_diag *diag)
{
    const lc_gguf_tensor *t = lc_gguf_tensor_find(g, ROPE_FACTORS);
    if (!t) {
        return LC_OK;
    }
    if (t->type != LC_GGML_F32 || t->dims != 1 || t->ne[0] != plan->source.info.rope_dims / 2) {
        return lc_fail(diag, LC_ERR_FORMAT, t->offset, ROPE_FACTORS ": not one F32 for each pair");
    }
    plan->rope_factors = t;
    return LC_OK;
}

static int pointer_compare(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (const lc_gguf_tensor *const *)a;
    uintptr_t y = (uintptr_t) * (const lc_gguf_tensor *const *)b;
    return (x > y) - (x < y);
}

/* Every tensor of the file must have found its place. */
static lc_err check_all_used(const lc_gguf *g, const lc_pack_plan *plan, lc_diag *diag)
{
    const lc_gguf_tensor **used = calloc(plan->count + 1u, sizeof *used);
    if (!used) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        if (plan->item[i].from) {
            used[n++] = plan->item[i].from;
        }
    }
    if (plan->rope_factors) {
        used[n++] = plan->rope_factors;
    }
    qsort(used, n, sizeof *used, pointer_compare);
    const lc_gguf_tensor *stray = NULL;
    for (uint32_t i = 0; !stray && i < g->tensor_count; i++) {
        const lc_gguf_tensor *t = &g->tensor[i];
        stray = bsearch(&t, used, n, sizeof *used, pointer_compare) ? NULL : t;
    }
    free(used);
    if (!stray) {
        return LC_OK;
    }
    return lc_fail_format(diag, LC_ERR_UNSUPPORTED, stray->offset,
                          "%.*s: a tensor that the architecture does not know",
                          (int)stray->name.bytes, stray->name.data);
}

static void count_parameters(const lc_gguf *g, lc_model_info *m)
{
    m->parameters = 0;
    for (uint32_t i = 0; i < g->tensor_count; i++) {
        const uint64_t *ne = g->tensor[i].ne;
        m->parameters += ne[0] * ne[1] * ne[2] * ne[3];
    }
}

static lc_err fill(const lc_gguf *g, lc_pack_type type, lc_pack_plan *plan, lc_diag *diag)
{
    lc_err err = find_rope_factors(g, plan, diag);
    if (!err) {
        err = add_items(g, type, EMBED, COUNT(EMBED), LC_GLOBAL, plan, diag);
    }
    for (uint32_t i = 0; !err && i < plan->source.info.layers; i++) {
        err = add_items(g, type, LAYER, COUNT(LAYER), i, plan, diag);
    }
    if (!err && plan->source.info.classes > 0) {
        err = add_items(g, type, CLASSES, COUNT(CLASSES), LC_GLOBAL, plan, diag);
    }
    return err ? err : check_all_used(g, plan, diag);
}

lc_err lc_pack_plan_make(const lc_gguf *g, lc_pack_type type, lc_pack_plan *plan, lc_diag *diag)
{
    lc_pack_plan p = {0};
    lc_err err = lc_pack_info(g, &p.source, diag);
    if (err) {
        return err;
    }
    count_parameters(g, &p.source.info);
    uint32_t most = COUNT(EMBED) + COUNT(CLASSES) + p.source.info.layers * COUNT(LAYER);
    p.item = calloc(most, sizeof *p.item);
    if (!p.item) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
    }
    err = fill(g, type, &p, diag);
    if (err) {
        lc_pack_plan_free(&p);
        return err;
    }
    *plan = p;
    return LC_OK;
}

void lc_pack_plan_trim(lc_pack_plan *plan, const lc_tok_trim *trim)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        lc_pack_item *item = &plan->item[i];
        if (item->role == LC_T_EMBED || item->role == LC_T_OUTPUT) {
            plan->source.info.parameters -= (uint64_t)(item->rows - trim->count) * item->cols;
            item->rows = trim->count;
            item->old_row = trim->old;
        }
    }
    plan->source.info.vocab = trim->count;
}

void lc_pack_plan_free(lc_pack_plan *plan)
{
    lc_fold_free(plan->fold, plan->source.info.layers);
    free(plan->item);
    memset(plan, 0, sizeof *plan);
}
