/* net.c - tokens through all layers. */
#include "net_parts.h"

#include <string.h>

lc_net_buffers lc_net_tail(const lc_net *net, const lc_net_buffers *b, uint32_t skip)
{
    const lc_model_info *i = &net->model->info;
    lc_net_buffers tail = *b;
    tail.x += (size_t)skip * i->width;
    tail.h += (size_t)skip * i->width;
    tail.q += (size_t)skip * lc_q_width(i);
    tail.att += (size_t)skip * lc_q_width(i);
    tail.depth += skip;
    return tail;
}

/* x = out(x + residual_scale * post(h)), each norm where there is one. */
static void add_block(const lc_net *net, lc_net_buffers *b, const lc_norm *post, const lc_norm *out,
                      uint32_t n)
{
    const lc_model_info *i = &net->model->info;
    if (post->gain != NULL) {
        lc_net_normalise(net, post, b->h, n, i->width, b->h);
    }
    lc_net_scale(b->h, (size_t)n * i->width, i->residual_scale);
    net->k->add(b->x, b->h, n * i->width);
    if (out->gain != NULL) {
        lc_net_normalise(net, out, b->x, n, i->width, b->x);
    }
}

/* h = DOWN . (act(GATE . norm(x)) * UP . norm(x)), or without a gate DOWN . act(UP . norm(x)) */
static lc_err ffn_block(lc_net *net, lc_net_buffers *b, uint32_t layer, uint32_t n)
{
    const lc_model_info *i = &net->model->info;
    const lc_layer *l = &net->model->layer[layer];
    const lc_lora_layer *c = lc_net_corrections(net, layer);
    const lc_product up_gate[2] = {{&l->up, l->up_bias, b->up, i->ffn, &c->up},
                                   {&l->gate, NULL, b->gate, i->ffn, &c->gate}};
    bool gated = l->gate.data != NULL;
    const float *in = lc_net_input(net, b, &l->ffn_norm, n);
    lc_err err = lc_net_multiply(net, &b->acts, in, n, up_gate, gated ? 2 : 1);
    if (err != LC_OK) {
        return err;
    }
    net->k->act_mul(net->model->arch->act, gated ? b->gate : b->up, gated ? b->up : NULL,
                    n * i->ffn, b->gate);
    const lc_product down = {&l->down, l->down_bias, b->h, i->width, &c->down};
    return lc_net_multiply(net, &b->acts, b->gate, n, &down, 1);
}

/* ---- running ---- */

/* x = norm(scale * embedding + position + type); h is written over. */
static void embed(lc_net *net, lc_net_buffers *b, const uint32_t *ids, uint32_t n)
{
    const lc_model *m = net->model;
    uint32_t width = m->info.width;
    for (uint32_t t = 0; t < n; t++) {
        float *x = b->x + (size_t)t * width;
        lc_assert(ids[t] < m->info.vocab);
        lc_mat_row(&m->embed, ids[t], x);
        lc_net_scale(x, width, m->info.embed_scale);
        if (m->position.rows > 0) {
            lc_mat_row(&m->position, net->position + b->depth[t], b->h);
            net->k->add(x, b->h, width);
        }
        if (m->token_type.rows > 0) { /* a line is one text: all tokens are of type 0 */
            lc_mat_row(&m->token_type, 0, b->h);
            net->k->add(x, b->h, width);
        }
    }
    if (m->embed_norm.gain != NULL) {
        lc_net_normalise(net, &m->embed_norm, b->x, n, width, b->x);
    }
}

/* x of the tokens from `skip` on; those before it only leave their keys and values. */
static lc_err run_layer(lc_net *net, lc_net_buffers *b, uint32_t layer, uint32_t n, uint32_t skip)
{
    const lc_layer *l = &net->model->layer[layer];
    bool conv = lc_layer_is_conv(&net->model->info, layer);
    lc_err err = (conv ? lc_net_convolve : lc_net_attend)(net, b, layer, n, skip);
    if (err != LC_OK) {
        return err;
    }
    lc_net_buffers tail = lc_net_tail(net, b, skip);
    add_block(net, &tail, &l->attn_post_norm, &l->attn_out_norm, n - skip);
    err = ffn_block(net, &tail, layer, n - skip);
    if (err == LC_OK) {
        add_block(net, &tail, &l->ffn_post_norm, &l->ffn_out_norm, n - skip);
    }
    return err;
}

/* One chunk of at most batch tokens through all layers; b->h holds the normed states after it, of
 * the tokens from `skip` on: those before it need nothing of the last layer but keys and values. */
static lc_err run_chunk(lc_net *net, lc_net_buffers *b, const uint32_t *ids, uint32_t n,
                        uint32_t skip)
{
    const lc_model_info *i = &net->model->info;
    skip = net->probe == NULL ? skip : 0;
    embed(net, b, ids, n);
    for (uint32_t layer = 0; layer < i->layers; layer++) {
        if (net->cancel != NULL && *net->cancel) {
            return LC_ERR_CANCELLED;
        }
        lc_err err = run_layer(net, b, layer, n, layer + 1 < i->layers ? 0 : skip);
        if (err != LC_OK) {
            return err;
        }
        if (net->probe != NULL) {
            net->probe(net->probe_ctx, layer, net->position, n, b->x);
        }
    }
    lc_net_buffers tail = lc_net_tail(net, b, skip);
    const float *states = lc_net_input(net, &tail, &net->model->out_norm, n - skip);
    if (states != tail.h) {
        memcpy(tail.h, states, (size_t)(n - skip) * i->width * sizeof *states);
    }
    return LC_OK;
}

/* Each of n tokens stands after the one before. */
static void line_up(lc_net *net, lc_net_buffers *b, uint32_t n)
{
    b->parent = NULL;
    for (uint32_t t = 0; t < n; t++) {
        b->depth[t] = t;
    }
    lc_net_turn(net, net->position + n);
}

lc_err lc_net_run_wanted(lc_net *net, const uint32_t *ids, uint32_t n, uint32_t wanted,
                         lc_net_sink *sink, void *ctx)
{
    bool whole = net->model->info.causal || net->position == 0; /* bidirectional: one text, once */
    if (n > net->ctx - net->position || !whole) {
        return LC_ERR_LIMIT;
    }
    lc_net_buffers b;
    size_t mark = lc_arena_mark(net->scratch);
    lc_err err = lc_net_push(net, net->scratch, &b) ? LC_OK : LC_ERR_ARENA;
    while (err == LC_OK && n > 0) {
        uint32_t chunk = n < net->batch ? n : net->batch;
        uint32_t unwanted = n > wanted ? n - wanted : 0;
        uint32_t skip = unwanted < chunk ? unwanted : chunk - 1; /* at least one, for simplicity */
        line_up(net, &b, chunk);
        err = run_chunk(net, &b, ids, chunk, skip);
        if (err == LC_OK && sink != NULL && unwanted < chunk) {
            err = sink(ctx, net->position + skip, chunk - skip,
                       b.h + (size_t)skip * net->model->info.width);
        }
        net->position += chunk;
        ids += chunk;
        n -= chunk;
    }
    lc_arena_rewind(net->scratch, mark);
    return err;
}

lc_err lc_net_run(lc_net *net, const uint32_t *ids, uint32_t n, lc_net_sink *sink, void *ctx)
{
    return lc_net_run_wanted(net, ids, n, n, sink, ctx);
}

lc_err lc_net_run_last(lc_net *net, const uint32_t *ids, uint32_t n, lc_net_sink *sink, void *ctx)
{
    return lc_net_run_wanted(net, ids, n, 1, sink, ctx);
}

/* Each token stands after its parent. */
static lc_err branch_out(lc_net *net, lc_net_buffers *b, const uint32_t *parent, uint32_t n)
{
    uint32_t longest = 0;
    b->parent = parent;
    for (uint32_t t = 0; t < n; t++) {
        if (parent[t] != LC_NO_PARENT && parent[t] >= t) {
            return LC_ERR_ARGUMENT;
        }
        b->depth[t] = parent[t] == LC_NO_PARENT ? 0 : b->depth[parent[t]] + 1;
        longest = lc_max_u32(longest, b->depth[t] + 1);
    }
    if (longest > net->ctx - net->position) {
        return LC_ERR_LIMIT;
    }
    lc_net_turn(net, net->position + longest);
    return LC_OK;
}

lc_err lc_net_run_tree(lc_net *net, const uint32_t *ids, const uint32_t *parent, uint32_t n,
                       lc_net_sink *sink, void *ctx)
{
    if (!net->model->info.causal) {
        return LC_ERR_ARGUMENT;
    }
    if (n > net->batch) {
        return LC_ERR_LIMIT;
    }
    lc_net_buffers b;
    size_t mark = lc_arena_mark(net->scratch);
    lc_err err = lc_net_push(net, net->scratch, &b) ? LC_OK : LC_ERR_ARENA;
    if (err == LC_OK) {
        err = branch_out(net, &b, parent, n);
    }
    if (err == LC_OK && n > 0) {
        err = run_chunk(net, &b, ids, n, 0);
        if (err == LC_OK && sink != NULL) {
            err = sink(ctx, net->position, n, b.h);
        }
    }
    lc_arena_rewind(net->scratch, mark);
    return err;
}
