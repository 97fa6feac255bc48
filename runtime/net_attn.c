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

/* Tokens being attended: they stand at `first` + their depth, and nothing is kept from `end` on. */
typedef struct attention {
    const lc_net *net;
    const lc_net_buffers *b;
    lc_net_past *past;
    uint32_t first, n, end;
    uint32_t window; /* keys that are seen back, itself included, and as many forward */
    float scale;
} attention;

/* The keys [from, to) that token t sees. */
static void seen(const attention *a, uint32_t t, uint32_t *from, uint32_t *to)
{
    uint32_t position = a->first + a->b->depth[t];
    uint32_t ahead = a->net->model->info.causal ? 1 : a->window;
    *from = position + 1 > a->window ? position + 1 - a->window : 0;
    *to = a->end - position > ahead ? position + ahead : a->end;
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

/* The heads of one token that share a KV head: they see the same keys. */
static void attend_heads(const attention *a, uint32_t t, uint32_t kv_head, float *scores)
{
    const lc_model_info *info = &a->net->model->info;
    uint32_t group = info->heads / info->kv_heads, from, to;
    query_block q = {.step = info->head_dim, .kv_head = kv_head};
    seen(a, t, &from, &to);
    for (uint32_t h = 0; h < group; h += q.count) {
        q.count = group - h < LC_QUERIES ? group - h : LC_QUERIES;
        q.at = (size_t)t * lc_q_width(info) + ((size_t)kv_head * group + h) * info->head_dim;
        attend(a, &q, from, to - from, 0, scores);
    }
}

/* Neighbouring tokens of one head, where each head has its own keys: together if they see the same
 * keys, or each one key more. */
static void attend_tokens(const attention *a, uint32_t t, uint32_t head, float *scores)
{
    const lc_model_info *info = &a->net->model->info;
    query_block q = {.step = lc_q_width(info), .kv_head = head};
    uint32_t count = a->n - t < LC_QUERIES ? a->n - t : LC_QUERIES, from, to, last_from, last_to;
    seen(a, t, &from, &to);
    seen(a, t + count - 1, &last_from, &last_to);
    bool alike = from == last_from && (last_to == to || last_to == to + count - 1);
    uint32_t more = last_to != to;
    for (uint32_t i = 0; i < count; i += q.count) {
        q.count = alike ? count : 1;
        q.at = (size_t)(t + i) * lc_q_width(info) + (size_t)head * info->head_dim;
        seen(a, t + i, &from, &to);
        attend(a, &q, from, to - from, alike ? more : 0, scores);
    }
}

static void attention_task(void *arg, uint32_t i, uint32_t n)
{
    const attention *a = arg;
    const lc_model_info *info = &a->net->model->info;
    bool shared = info->heads > info->kv_heads;
    float *scores = a->b->scores + i * lc_net_score_floats(a->net);
    uint32_t step = shared ? 1 : LC_QUERIES; /* tokens of a unit */
    uint64_t units = (uint64_t)((a->n + step - 1) / step) * info->kv_heads;
    for (uint64_t u = units * i / n; u < units * (i + 1) / n; u++) {
        uint32_t t = (uint32_t)(u / info->kv_heads) * step;
        uint32_t head = (uint32_t)(u % info->kv_heads);
        (shared ? attend_heads : attend_tokens)(a, t, head, scores);
    }
}

/* Keys and values of a token's path through its tree take the places that they would have in a
 * line: what is kept of other branches is written over. The token before has left its own there. */
static void keep_path(const attention *a, uint32_t t, uint32_t kv_head)
{
    const lc_net_buffers *b = a->b;
    size_t width = lc_kv_width(&a->net->model->info);
    for (uint32_t at = t; at != LC_NO_PARENT && at + 1 != t; at = b->parent[at]) {
        lc_net_keep(a->net, a->past, a->first + b->depth[at], kv_head, b->k + at * width,
                    b->v + at * width);
    }
}

/* Branches share places, so a KV head is one thread's. */
static void tree_task(void *arg, uint32_t i, uint32_t n)
{
    const attention *a = arg;
    uint32_t heads = a->net->model->info.kv_heads;
    float *scores = a->b->scores + i * lc_net_score_floats(a->net);
    for (uint32_t head = heads * i / n; head < heads * (i + 1) / n; head++) {
        for (uint32_t t = 0; t < a->n; t++) {
            keep_path(a, t, head);
            attend_heads(a, t, head, scores);
        }
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

static void keep_line(const lc_net *net, const lc_net_buffers *b, lc_net_past *past, uint32_t n)
{
    const lc_model_info *i = &net->model->info;
    size_t width = lc_kv_width(i);
    for (uint32_t t = 0; t < n; t++) {
        for (uint32_t head = 0; head < i->kv_heads; head++) {
            lc_net_keep(net, past, net->position + t, head, b->k + t * width, b->v + t * width);
        }
    }
}

lc_err lc_net_attend(lc_net *net, lc_net_buffers *b, uint32_t layer, uint32_t n, uint32_t skip)
{
    const lc_model_info *i = &net->model->info;
    const lc_layer *l = &net->model->layer[layer];
    const lc_lora_layer *c = lc_net_corrections(net, layer);
    lc_err err = make_heads(net, b, layer, n);
    if (err != LC_OK) {
        return err;
    }
    lc_net_buffers tail = lc_net_tail(net, b, skip);
    attention a = {.net = net, .b = &tail, .past = lc_net_past_of(net, layer)};
    a.first = net->position;
    a.n = n - skip;
    a.end = net->position + n;
    a.window = lc_layer_is_local(i, layer) ? i->window : net->ctx;
    a.scale = i->attn_scale > 0.0f ? i->attn_scale : 1.0f / lc_sqrtf((float)i->head_dim);
    if (b->parent == NULL) {
        keep_line(net, b, a.past, n);
    }
    lc_net_share(net, b->parent != NULL ? tree_task : attention_task, &a, a.n,
                 (uint64_t)a.end * a.n * lc_q_width(i) * 2);
    const lc_product o = {&l->o, l->o_bias, tail.h, i->width, &c->o};
    return lc_net_multiply(net, &b->acts, tail.att, a.n, &o, 1);
}
