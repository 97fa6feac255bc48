#include "pack_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "gguf_types.h"

/* What a tensor's rows and columns are. */
typedef enum size_of {
    OF_ONE,
    OF_VOCAB,
    OF_WIDTH,
    OF_QUERY, /* heads * head_dim */
    OF_KEY,   /* kv_heads * head_dim */
    OF_FFN,
    OF_CLASSES,
    OF_HALF_ROPE,
    OF_TWO
} size_of;

typedef struct pattern {
    uint32_t role;
    const char *name; /* after "blk.N." for tensors of a layer */
    size_of rows, cols;
    bool optional;
} pattern;

/* In the order of the pack. */
static const pattern EMBED[] = {
    {LC_T_OUT_NORM, "output_norm.weight", OF_WIDTH, OF_ONE, false},
    {LC_T_ROPE_FREQ, NULL, OF_HALF_ROPE, OF_TWO, false},
    {LC_T_EMBED, "token_embd.weight", OF_VOCAB, OF_WIDTH, false},
    {LC_T_OUTPUT, "output.weight", OF_VOCAB, OF_WIDTH, true},
};
static const pattern LAYER[] = {
    {LC_T_ATTN_NORM, "attn_norm.weight", OF_WIDTH, OF_ONE, false},
    {LC_T_Q, "attn_q.weight", OF_QUERY, OF_WIDTH, false},
    {LC_T_K, "attn_k.weight", OF_KEY, OF_WIDTH, false},
    {LC_T_V, "attn_v.weight", OF_KEY, OF_WIDTH, false},
    {LC_T_O, "attn_output.weight", OF_WIDTH, OF_QUERY, false},
    {LC_T_FFN_NORM, "ffn_norm.weight", OF_WIDTH, OF_ONE, false},
    {LC_T_GATE, "ffn_gate.weight", OF_FFN, OF_WIDTH, false},
    {LC_T_UP, "ffn_up.weight", OF_FFN, OF_WIDTH, false},
    {LC_T_DOWN, "ffn_down.weight", OF_WIDTH, OF_FFN, false},
};
static const pattern CLASSES[] = {
    {LC_T_CLS, "cls.output.weight", OF_CLASSES, OF_WIDTH, true},
    {LC_T_CLS_BIAS, "cls.output.bias", OF_CLASSES, OF_ONE, true},
};

#define COUNT(array) (uint32_t)(sizeof(array) / sizeof((array)[0]))
#define ROPE_FACTORS "rope_freqs.weight"

static uint32_t size_value(const lc_model_info *m, size_of of)
{
    switch (of) {
    case OF_VOCAB:
        return m->vocab;
    case OF_WIDTH:
        return m->width;
    case OF_QUERY:
        return m->heads * m->head_dim;
    case OF_KEY:
        return m->kv_heads * m->head_dim;
    case OF_FFN:
        return m->ffn;
    case OF_CLASSES:
        return m->classes;
    case OF_HALF_ROPE:
        return m->rope_dims / 2;
    case OF_TWO:
        return 2;
    default:
        return 1;
    }
}

uint32_t lc_pack_section_of(uint32_t role)
{
    if (role >= LC_T_ATTN_NORM) {
        return LC_SECTION_LAYER;
    }
    return role == LC_T_CLS || role == LC_T_CLS_BIAS ? LC_SECTION_CLASSES : LC_SECTION_EMBED;
}

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
    const char *text = p && p->name ? p->name : ROPE_FACTORS;
    if (layer == LC_GLOBAL) {
        (void)snprintf(name, 64, "%s", text);
    } else {
        (void)snprintf(name, 64, "blk.%u.%s", layer, text);
    }
}

/* ---- weight types ---- */

static bool is_vector(const pattern *p)
{
    return p->cols == OF_ONE || p->role == LC_T_ROPE_FREQ;
}

static uint32_t wtype_of(const pattern *p, lc_pack_type type, uint32_t cols)
{
    if (type == LC_PACK_F32 || is_vector(p) || p->role == LC_T_CLS) {
        return LC_W_F32;
    }
    if (type == LC_PACK_Q8 || p->role == LC_T_EMBED || p->role == LC_T_OUTPUT) {
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

/* ---- tensors ---- */

static lc_err check_shape(const lc_pack_item *item, lc_diag *diag)
{
    const lc_gguf_tensor *t = item->from;
    uint32_t cols = item->cols, rows = item->rows;
    if (cols == 1) { /* a vector is a row in the file */
        cols = item->rows;
        rows = 1;
    }
    if (t->ne[0] == cols && t->ne[1] == rows && t->ne[2] == 1 && t->ne[3] == 1) {
        return LC_OK;
    }
    return lc_fail_format(diag, LC_ERR_FORMAT, t->offset,
                          "%s: shape %llu x %llu, the model's sizes want %u x %u", item->name,
                          (unsigned long long)t->ne[0], (unsigned long long)t->ne[1], cols, rows);
}

static lc_err add_item(const lc_gguf *g, lc_pack_type type, const pattern *p, uint32_t layer,
                       lc_pack_plan *plan, lc_diag *diag)
{
    const lc_model_info *m = &plan->source.info;
    lc_pack_item item = {.role = p->role, .layer = layer};
    item.rows = size_value(m, p->rows);
    item.cols = size_value(m, p->cols);
    item.type = wtype_of(p, type, item.cols);
    lc_pack_role_name(p->role, layer, item.name);
    if (!p->name) {
        plan->item[plan->count++] = item;
        return LC_OK;
    }
    item.from = lc_gguf_tensor_find(g, item.name);
    if (!item.from) {
        return p->optional ? LC_OK
                           : lc_fail_format(diag, LC_ERR_FORMAT, 0, "%s: missing", item.name);
    }
    lc_err err = check_shape(&item, diag);
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

void lc_pack_plan_free(lc_pack_plan *plan)
{
    free(plan->item);
    memset(plan, 0, sizeof *plan);
}
