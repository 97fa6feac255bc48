/* net_plan.c - sizes of a net, and its place in the arenas. */
#include "net_parts.h"

#include <string.h>

/* Scores of one thread: of all queries that are attended at once. */
size_t lc_net_score_floats(const lc_net *net)
{
    return LC_QUERIES * LC_ROUND_UP((size_t)net->ctx, 4u);
}

/* Which tokens stand where. */
static bool push_tokens(const lc_net *net, lc_arena *scratch, lc_net_buffers *b)
{
    size_t n = net->batch;
    b->parent = LC_PUSH(scratch, uint32_t, n);
    b->depth = LC_PUSH(scratch, uint32_t, n);
    b->trees.token = LC_PUSH(scratch, uint32_t, n + 1);
    b->all.token = LC_PUSH(scratch, uint32_t, n);
    b->wanted.token = LC_PUSH(scratch, uint32_t, n);
    return b->parent != NULL && b->depth != NULL && b->trees.token != NULL &&
           b->all.token != NULL && b->wanted.token != NULL;
}

bool lc_net_push(const lc_net *net, lc_arena *scratch, lc_net_buffers *b)
{
    const lc_model_info *i = &net->model->info;
    size_t n = net->batch, q = lc_q_width(i), up = lc_max_u32(i->ffn, lc_kv_width(i));
    up = i->conv_taps > 0 && up < 3 * (size_t)i->width ? 3 * (size_t)i->width : up;
    uint32_t widest = lc_max_u32(i->ffn, lc_max_u32(i->width, lc_q_width(i)));
    b->x = LC_PUSH(scratch, float, n * i->width);
    b->h = LC_PUSH(scratch, float, n * i->width);
    b->q = LC_PUSH(scratch, float, n *q);
    b->att = LC_PUSH(scratch, float, n *q);
    b->k = b->gate = LC_PUSH(scratch, float, n *up);
    b->v = b->up = LC_PUSH(scratch, float, n *up);
    b->scores = LC_PUSH(scratch, float, (size_t)net->tasks.count *lc_net_score_floats(net));
    void *acts = lc_arena_push(scratch, lc_acts_bytes(net->batch, widest));
    if (b->x == NULL || b->h == NULL || b->q == NULL || b->att == NULL || b->gate == NULL ||
        b->up == NULL || b->scores == NULL || acts == NULL || !push_tokens(net, scratch, b)) {
        return false;
    }
    if (!scratch->measuring) {
        lc_acts_init(&b->acts, acts, net->batch, widest);
    }
    return true;
}

static lc_err choose_sizes(const lc_net_options *options, lc_net *net, lc_diag *diag)
{
    const lc_model_info *i = &net->model->info;
    uint32_t ctx = options->ctx;
    if (ctx == 0) {
        ctx = i->ctx < LC_CTX_DEFAULT ? i->ctx : LC_CTX_DEFAULT;
    }
    if (ctx > i->ctx || ctx > LC_CTX_MAX) {
        return lc_fail(diag, LC_ERR_LIMIT, 0, "context longer than the model's");
    }
    /* What is kept and worked on for a token in a layer is below 16 bytes of its widest vector. */
    uint64_t widest = lc_max_u32(lc_q_width(i), lc_max_u32(i->ffn, 3 * i->width));
    if (ctx > SIZE_MAX / 16 / widest) {
        return lc_fail(diag, LC_ERR_LIMIT, 0, "context too long for this machine's addresses");
    }
    uint32_t batch = options->batch == 0 ? LC_BATCH_DEFAULT : options->batch;
    net->ctx = ctx;
    net->batch = !i->causal || batch > ctx ? ctx : batch;
    net->kv = lc_net_kv(net->model, options->kv);
    net->kv_layers = lc_net_kv_layers(net->model);
    return LC_OK;
}

/* What only some architectures need. */
static bool push_extras(lc_net *net, lc_arena *state)
{
    const lc_model *model = net->model;
    size_t width = model->info.width;
    net->rot[1] = net->rot[0];
    if (model->rope_freq_local != NULL) {
        net->rot[1] = LC_PUSH(state, float, (size_t)net->ctx * model->info.rope_dims);
    }
    net->zero = model->arch->layer_norm ? LC_PUSH(state, float, width) : NULL;
    net->dense = model->pooler.rows > 0 ? LC_PUSH(state, float, width) : NULL;
    if (net->zero != NULL && !state->measuring) {
        memset(net->zero, 0, width * sizeof *net->zero);
    }
    return net->rot[1] != NULL && (net->zero != NULL) == model->arch->layer_norm &&
           (net->dense != NULL) == (model->pooler.rows > 0);
}

static bool push_state(lc_net *net, lc_arena *state)
{
    const lc_model_info *i = &net->model->info;
    net->rot[0] = LC_PUSH(state, float, (size_t)net->ctx * i->rope_dims);
    void *one = lc_arena_push(state, lc_acts_bytes(1, i->width));
    if (net->rot[0] == NULL || one == NULL || !lc_net_past_push(net, state) ||
        !push_extras(net, state)) {
        return false;
    }
    if (!state->measuring) {
        lc_acts_init(&net->one, one, 1, i->width);
    }
    return true;
}

lc_err lc_net_init(const lc_model *model, const lc_net_options *options, lc_arena *state,
                   lc_arena *scratch, lc_net **net, lc_diag *diag)
{
    lc_net n = {.model = model,
                .k = options->kernels,
                .tasks = options->tasks,
                .cancel = options->cancel,
                .probe = options->probe,
                .probe_ctx = options->probe_ctx,
                .tap = options->tap,
                .tap_ctx = options->tap_ctx,
                .scratch = scratch};
    if (n.tasks.run == NULL) {
        n.tasks.count = 1;
    }
    lc_err err = choose_sizes(options, &n, diag);
    if (err != LC_OK) {
        return err;
    }
    lc_net *place = LC_PUSH(state, lc_net, 1);
    if (place == NULL || !push_state(&n, state) || !lc_net_low_push(&n, options->rank, state)) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "state arena too small for the network");
    }
    lc_net_buffers b;
    size_t mark = lc_arena_mark(scratch);
    bool fits = lc_net_push(&n, scratch, &b);
    n.scratch_bytes = lc_arena_mark(scratch) - mark;
    lc_arena_rewind(scratch, mark);
    if (!fits) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "scratch arena too small for the network");
    }
    if (!state->measuring) {
        *place = n;
    }
    *net = place;
    return LC_OK;
}

size_t lc_net_scratch_bytes(const lc_net *net)
{
    return net->scratch_bytes;
}

void lc_net_reset(lc_net *net)
{
    net->position = 0;
}

void lc_net_rewind(lc_net *net, uint32_t position)
{
    lc_assert(position <= net->position);
    net->position = position;
}

uint32_t lc_net_position(const lc_net *net)
{
    return net->position;
}

uint32_t lc_net_ctx(const lc_net *net)
{
    return net->ctx;
}

uint32_t lc_net_batch(const lc_net *net)
{
    return net->batch;
}

uint32_t lc_net_joins(const lc_net *net)
{
    return net->joins;
}
