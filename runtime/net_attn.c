/* net_attn.c - rotary positions and attention over the cache. */
#include "net_parts.h"

#include <string.h>

#include "../kernels/math.h"

static void fill_rotation(const float *freq, uint32_t pairs, uint32_t t, float *rot)
{
    for (uint32_t i = 0; i < pairs; i++) {
        const float *part = freq + 2 * (size_t)i;
        double angle = (double)t * ((double)part[0] + (double)part[1]);
        rot[2 * i] = (float)lc_cos(angle);
        rot[2 * i + 1] = (float)lc_sin(angle);
    }
}

void lc_net_turn(lc_net *net, uint32_t positions)
{
    uint32_t pairs = net->model->info.rope_dims / 2;
    for (uint32_t t = net->rot_filled; t < positions; t++) {
        size_t at = (size_t)t * pairs * 2;
        fill_rotation(net->model->rope_freq, pairs, t, net->rot[0] + at);
        if (net->model->rope_freq_local != NULL) {
            fill_rotation(net->model->rope_freq_local, pairs, t, net->rot[1] + at);
        }
    }
    net->rot_filled = lc_max_u32(net->rot_filled, positions);
}

/* Norms each head of n tokens, where the model does, and turns it to its position. rot is of the
 * tokens' first position; depth: how far after it each one stands. */
static void place_heads(const lc_net *net, const lc_norm *norm, const float *rot,
                        const uint32_t *depth, uint32_t heads, uint32_t n, float *x)
{
    const lc_model_info *i = &net->model->info;
    lc_rope_kind kind = net->model->arch->rope;
    if (norm->gain != NULL) {
        lc_net_normalise(net, norm, x, (size_t)n * heads, i->head_dim, x);
    }
    for (uint32_t t = 0; kind != LC_ROPE_NONE && t < n; t++) {
        net->k->rope(x + (size_t)t * heads * i->head_dim, heads, i->head_dim, i->rope_dims,
                     rot + (size_t)depth[t] * i->rope_dims, kind == LC_ROPE_HALVES);
    }
}

/* A tree being attended: tokens [begin, stem) stand one after another, [stem, end) branch off. Of
 * them rows [row, row_end) are wanted. Nothing is kept from `filled` on. */
typedef struct attention {
    const lc_net *net;
    const lc_net_buffers *b;
    const lc_net_rows *rows;
    lc_net_past *past;
    uint32_t begin, stem, end, row, row_end;
    uint32_t low; /* ancestors that every branching token has, at least */
    uint32_t filled;
    uint32_t window; /* keys that are seen back, itself included, and as many forward */
    float scale;
} attention;

/* The keys [from, to) that the token of a row sees. */
static void seen(const attention *a, uint32_t row, uint32_t *from, uint32_t *to)
{
    uint32_t position = a->net->position + a->b->depth[a->rows->token[row]];
    uint32_t ahead = a->net->model->info.causal ? 1 : a->window;
    *from = position + 1 > a->window ? position + 1 - a->window : 0;
    *to = a->filled - position > ahead ? position + ahead : a->filled;
}

/* Queries of one KV head that are attended together, `step` floats apart. */
typedef struct query_block {
    uint32_t count, kv_head;
    size_t at, step; /* in q and att */
} query_block;

static void attend(const attention *a, const query_block *q, uint32_t from, uint32_t keys,
                   uint32_t more, float *scores)
{
    const lc_model_info *info = &a->net->model->info;
    lc_attention job = {.keys = keys,
                        .more = more,
                        .head_dim = info->head_dim,
                        .scale = a->scale,
                        .cap = info->attn_cap,
                        .q = a->b->q + q->at,
                        .queries = q->count,
                        .q_stride = q->step,
                        .scores = scores,
                        .out = a->b->att + q->at};
    lc_net_past_at(a->net, a->past, from, q->kv_head, &job);
    a->net->k->attend(&job);
}

/* The heads of one row that share a KV head: they see the same keys. */
static void attend_heads(const attention *a, uint32_t row, uint32_t kv_head, float *scores)
{
    const lc_model_info *info = &a->net->model->info;
    uint32_t group = info->heads / info->kv_heads, from, to;
    query_block q = {.step = info->head_dim, .kv_head = kv_head};
    seen(a, row, &from, &to);
    for (uint32_t h = 0; h < group; h += q.count) {
        q.count = group - h < LC_QUERIES ? group - h : LC_QUERIES;
        q.at = (size_t)row * lc_q_width(info) + ((size_t)kv_head * group + h) * info->head_dim;
        attend(a, &q, from, to - from, 0, scores);
    }
}

/* Neighbouring rows of one head, where each head has its own keys: together if they see the same
 * keys, or each one key more. */
static void attend_rows(const attention *a, uint32_t row, uint32_t head, float *scores)
{
    const lc_model_info *info = &a->net->model->info;
    query_block q = {.step = lc_q_width(info), .kv_head = head};
    uint32_t left = a->row_end - row, from, to, last_from, last_to;
    uint32_t count = left < LC_QUERIES ? left : LC_QUERIES;
    seen(a, row, &from, &to);
    seen(a, row + count - 1, &last_from, &last_to);
    bool alike = from == last_from && (last_to == to || last_to == to + count - 1);
    uint32_t more = last_to != to;
    for (uint32_t i = 0; i < count; i += q.count) {
        q.count = alike ? count : 1;
        q.at = (size_t)(row + i) * lc_q_width(info) + (size_t)head * info->head_dim;
        seen(a, row + i, &from, &to);
        attend(a, &q, from, to - from, alike ? more : 0, scores);
    }
}

static void stem_task(void *arg, uint32_t i, uint32_t n)
{
    const attention *a = arg;
    const lc_model_info *info = &a->net->model->info;
    bool shared = info->heads > info->kv_heads;
    float *scores = a->b->scores + i * lc_net_score_floats(a->net);
    uint32_t step = shared ? 1 : LC_QUERIES; /* rows of a unit */
    uint64_t units = (uint64_t)((a->row_end - a->row + step - 1) / step) * info->kv_heads;
    for (uint64_t u = units * i / n; u < units * (i + 1) / n; u++) {
        uint32_t row = a->row + (uint32_t)(u / info->kv_heads) * step;
        uint32_t head = (uint32_t)(u % info->kv_heads);
        (shared ? attend_heads : attend_rows)(a, row, head, scores);
    }
}

static void keep(const attention *a, uint32_t t, uint32_t kv_head)
{
    size_t at = (size_t)t * lc_kv_width(&a->net->model->info);
    lc_net_keep(a->net, a->past, a->net->position + a->b->depth[t], kv_head, a->b->k + at,
                a->b->v + at);
}

/* Keys and values of a branching token's path take the places that they would have in a line: what
 * is kept of other branches is written over. The token before has left its own path there, and what
 * of the stem has less than `low` ancestors is still in its place. */
static void keep_path(const attention *a, uint32_t t, uint32_t kv_head)
{
    uint32_t at = t;
    do {
        keep(a, at, kv_head);
        at = a->b->parent[at];
    } while (at != LC_NO_PARENT && at + 1 != t && a->b->depth[at] >= a->low);
}

/* Branches share places, so a KV head is one thread's. */
static void branch_task(void *arg, uint32_t i, uint32_t n)
{
    const attention *a = arg;
    uint32_t heads = a->net->model->info.kv_heads;
    float *scores = a->b->scores + i * lc_net_score_floats(a->net);
    for (uint32_t head = heads * i / n; head < heads * (i + 1) / n; head++) {
        for (uint32_t t = a->stem, row = a->row; t < a->end; t++) {
            keep_path(a, t, head);
            if (row < a->row_end && a->rows->token[row] == t) {
                attend_heads(a, row++, head, scores);
            }
        }
    }
}

static void share(lc_net *net, attention *a, lc_task_fn *fn)
{
    uint32_t rows = a->row_end - a->row;
    uint64_t macs = (uint64_t)a->filled * rows * lc_q_width(&net->model->info) * 2;
    lc_net_share(net, fn, a, rows, macs);
}

/* Number of the first row that is not of a token before t. */
static uint32_t row_of(const lc_net_rows *rows, uint32_t row, uint32_t t)
{
    while (row < rows->count && rows->token[row] < t) {
        row++;
    }
    return row;
}

/* Tokens [a->begin, a->end) and their rows from a->row on. Trees share places, too: one is done
 * before the next one's keys and values are kept. */
static void attend_tree(lc_net *net, attention *a)
{
    const lc_net_buffers *b = a->b;
    uint32_t deepest = 0;
    a->stem = a->begin + 1;
    while (a->stem < a->end && b->parent[a->stem] + 1 == a->stem) {
        a->stem++;
    }
    a->low = net->ctx;
    for (uint32_t t = a->stem; t < a->end; t++) {
        a->low = b->depth[t] < a->low ? b->depth[t] : a->low;
        deepest = lc_max_u32(deepest, b->depth[t]);
    }
    for (uint32_t t = a->begin; t < a->stem; t++) {
        for (uint32_t head = 0; head < net->model->info.kv_heads; head++) {
            keep(a, t, head);
        }
    }
    a->filled = net->position + a->stem - a->begin;
    a->row_end = row_of(a->rows, a->row, a->stem);
    share(net, a, stem_task);
    a->filled = net->position + deepest + 1;
    a->row = a->row_end;
    a->row_end = row_of(a->rows, a->row, a->end);
    if (a->stem < a->end) {
        share(net, a, branch_task);
    }
}

/* Queries of n tokens to b->q, keys and values to b->k and b->v, turned to their positions. */
static lc_err make_heads(lc_net *net, lc_net_buffers *b, uint32_t layer, uint32_t n)
{
    const lc_model_info *i = &net->model->info;
    const lc_layer *l = &net->model->layer[layer];
    const lc_lora_layer *c = lc_net_corrections(net, layer);
    const lc_product qkv[3] = {
        {&l->q, l->q_bias, b->q, lc_q_width(i), &c->q},
        {&l->k, l->k_bias, b->k, lc_kv_width(i), &c->k},
        {&l->v, l->v_bias, b->v, lc_kv_width(i), &c->v},
    };
    const float *in = lc_net_input(net, b, &l->attn_norm, n);
    lc_err err = lc_net_multiply(net, &b->acts, in, n, qkv, 3);
    if (err == LC_OK) {
        bool local = lc_layer_is_local(i, layer);
        const float *rot = net->rot[local] + (size_t)net->position * i->rope_dims;
        place_heads(net, &l->q_norm, rot, b->depth, i->heads, n, b->q);
        place_heads(net, &l->k_norm, rot, b->depth, i->kv_heads, n, b->k);
    }
    return err;
}

lc_err lc_net_attend(lc_net *net, lc_net_buffers *b, uint32_t layer, uint32_t n,
                     const lc_net_rows *rows)
{
    const lc_model_info *i = &net->model->info;
    const lc_layer *l = &net->model->layer[layer];
    const lc_lora_layer *c = lc_net_corrections(net, layer);
    lc_err err = make_heads(net, b, layer, n);
    if (err != LC_OK) {
        return err;
    }
    lc_net_gather(b->q, lc_q_width(i), rows);
    attention a = {.net = net, .b = b, .rows = rows, .past = lc_net_past_of(net, layer)};
    a.window = lc_layer_is_local(i, layer) ? i->window : net->ctx;
    a.scale = i->attn_scale > 0.0f ? i->attn_scale : 1.0f / lc_sqrtf((float)i->head_dim);
    for (uint32_t tree = 0; tree < b->trees.count; tree++) {
        a.begin = b->trees.token[tree];
        a.end = b->trees.token[tree + 1];
        a.row = row_of(rows, a.row_end, a.begin);
        attend_tree(net, &a);
    }
    const lc_product o = {&l->o, l->o_bias, b->h, i->width, &c->o};
    return lc_net_multiply(net, &b->acts, b->att, rows->count, &o, 1);
}
