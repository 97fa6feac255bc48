/* net.c - tokens through all layers. */
#include "net_parts.h"

#include <string.h>

void lc_net_gather(float *x, size_t width, const lc_net_rows *rows)
{
    for (uint32_t r = 0; r < rows->count; r++) {
        if (rows->token[r] != r) { /* it stands behind r */
            memmove(x + r * width, x + rows->token[r] * width, width * sizeof *x);
        }
    }
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

/* x of some tokens; the others only leave their keys and values. */
static lc_err run_layer(lc_net *net, lc_net_buffers *b, uint32_t layer, uint32_t n,
                        const lc_net_rows *rows)
{
    const lc_layer *l = &net->model->layer[layer];
    bool conv = lc_layer_is_conv(&net->model->info, layer);
    lc_err err = (conv ? lc_net_convolve : lc_net_attend)(net, b, layer, n, rows);
    if (err != LC_OK) {
        return err;
    }
    lc_net_gather(b->x, net->model->info.width, rows);
    add_block(net, b, &l->attn_post_norm, &l->attn_out_norm, rows->count);
    err = ffn_block(net, b, layer, rows->count);
    if (err == LC_OK) {
        add_block(net, b, &l->ffn_post_norm, &l->ffn_out_norm, rows->count);
    }
    return err;
}

/* An adapter may have its head behind fewer layers than the model has. */
static uint32_t depth_of(const lc_net *net)
{
    return net->adapter != NULL ? net->adapter->layers : net->model->info.layers;
}

/* One chunk of at most batch tokens through all layers; b->h holds the normed states of those that
 * are wanted: the others need nothing of the last layer but keys and values. */
static lc_err run_chunk(lc_net *net, lc_net_buffers *b, const uint32_t *ids, uint32_t n)
{
    const lc_model_info *i = &net->model->info;
    const lc_net_rows *last = net->probe == NULL ? &b->wanted : &b->all;
    const uint32_t depth = depth_of(net);
    embed(net, b, ids, n);
    for (uint32_t layer = 0; layer < depth; layer++) {
        if (net->cancel != NULL && *net->cancel) {
            return LC_ERR_CANCELLED;
        }
        lc_err err = run_layer(net, b, layer, n, layer + 1 < depth ? &b->all : last);
        if (err != LC_OK) {
            return err;
        }
        if (net->probe != NULL) {
            net->probe(net->probe_ctx, layer, net->position, n, b->x);
        }
    }
    if (last == &b->all) {
        lc_net_gather(b->x, i->width, &b->wanted);
    }
    const float *states = lc_net_input(net, b, &net->model->out_norm, b->wanted.count);
    if (states != b->h) {
        memcpy(b->h, states, (size_t)b->wanted.count * i->width * sizeof *states);
    }
    return LC_OK;
}

/* Tokens [first, n) as rows. */
static void take_from(lc_net_rows *rows, uint32_t first, uint32_t n)
{
    rows->count = n - first;
    for (uint32_t r = 0; r < rows->count; r++) {
        rows->token[r] = first + r;
    }
}

/* Each of n tokens stands after the one before. */
static void line_up(lc_net *net, lc_net_buffers *b, uint32_t n)
{
    for (uint32_t t = 0; t < n; t++) {
        b->parent[t] = t == 0 ? LC_NO_PARENT : t - 1;
        b->depth[t] = t;
    }
    b->trees.count = 1;
    b->trees.token[0] = 0;
    b->trees.token[1] = n;
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
        take_from(&b.all, 0, chunk);
        take_from(&b.wanted, skip, chunk);
        err = run_chunk(net, &b, ids, chunk);
        if (err == LC_OK && sink != NULL && unwanted < chunk) {
            err = sink(ctx, net->position + skip, chunk - skip, b.h);
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

/* ---- trees ---- */

/* Where trees begin: where nothing from there on follows a token before. */
static void find_trees(lc_net_buffers *b, uint32_t n)
{
    uint32_t first = n; /* that a token from t on is or follows */
    uint32_t at = n;    /* the places are filled from behind */
    b->trees.token[n] = n;
    for (uint32_t t = n; t-- > 0;) {
        uint32_t before = b->parent[t] == LC_NO_PARENT ? t : b->parent[t];
        first = before < first ? before : first;
        if (first == t) {
            b->trees.token[--at] = t;
        }
    }
    b->trees.count = n - at;
    memmove(b->trees.token, b->trees.token + at, (n - at + 1) * sizeof *b->trees.token);
}

/* Each token stands after its parent; in a model of whole texts trees are lines. */
static lc_err branch_out(lc_net *net, lc_net_buffers *b, uint32_t n)
{
    uint32_t longest = 0;
    bool causal = net->model->info.causal;
    for (uint32_t t = 0; t < n; t++) {
        uint32_t parent = b->parent[t];
        bool root = parent == LC_NO_PARENT;
        if (!root && (parent >= t || (!causal && parent + 1 != t))) {
            return LC_ERR_ARGUMENT;
        }
        b->depth[t] = root ? 0 : b->depth[parent] + 1;
        longest = lc_max_u32(longest, b->depth[t] + 1);
    }
    if (longest > net->ctx - net->position || (!causal && net->position > 0)) {
        return LC_ERR_LIMIT;
    }
    find_trees(b, n);
    take_from(&b->all, 0, n);
    lc_net_turn(net, net->position + longest);
    return LC_OK;
}

lc_err lc_net_run_forest(lc_net *net, lc_net_buffers *b, const uint32_t *ids, uint32_t n,
                         lc_net_sink *sink, void *ctx)
{
    lc_err err = branch_out(net, b, n);
    if (err == LC_OK) {
        err = run_chunk(net, b, ids, n);
    }
    return err == LC_OK && sink != NULL ? sink(ctx, net->position, b->wanted.count, b->h) : err;
}

/* False when tokens that are not there are wanted, or not in rising order, or none. */
static bool take_wanted(lc_net_rows *wanted, const lc_net_tree *tree)
{
    if (tree->wanted == NULL) {
        take_from(wanted, 0, tree->n);
        return true;
    }
    wanted->count = tree->wanted_count;
    for (uint32_t r = 0; r < tree->wanted_count; r++) {
        if (tree->wanted[r] >= tree->n || (r > 0 && tree->wanted[r] <= tree->wanted[r - 1])) {
            return false;
        }
        wanted->token[r] = tree->wanted[r];
    }
    return tree->wanted_count > 0;
}

lc_err lc_net_run_tree(lc_net *net, const lc_net_tree *tree, lc_net_sink *sink, void *ctx)
{
    lc_net_buffers b;
    size_t mark = lc_arena_mark(net->scratch);
    lc_err err = LC_OK;
    if (tree->n == 0 || tree->n > net->batch) {
        return tree->n == 0 ? LC_OK : LC_ERR_LIMIT;
    }
    if (!lc_net_push(net, net->scratch, &b)) {
        err = LC_ERR_ARENA;
    } else if (!take_wanted(&b.wanted, tree)) {
        err = LC_ERR_ARGUMENT;
    } else {
        memcpy(b.parent, tree->parent, tree->n * sizeof *b.parent);
        err = lc_net_run_forest(net, &b, tree->ids, tree->n, sink, ctx);
    }
    lc_arena_rewind(net->scratch, mark);
    return err;
}
