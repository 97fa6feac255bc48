#include "net.h"

#include <string.h>

#include "../kernels/vec.h"

/* Work below this many multiply-adds is not worth waking threads for. */
#define SPLIT_MACS 65536u

struct lc_net {
    const lc_model *model;
    const lc_kernels *k;
    lc_tasks tasks;
    const volatile bool *cancel;
    lc_net_probe *probe;
    void *probe_ctx;
    lc_net_tap *tap;
    void *tap_ctx;
    lc_arena *scratch;
    uint32_t ctx, batch;
    uint32_t kv_layers; /* 1 when bidirectional: nothing is kept from text to text */
    uint32_t position;
    uint32_t joins;
    uint32_t rot_filled; /* positions whose rotation is in rot */
    float *rot[2];       /* [ctx][rope_dims/2][2] cosine, sine; of global and of local layers */
    float *zero;         /* [width], for LayerNorms without bias; NULL: RMS norms */
    float *dense;        /* [width] what the dense layer before the classes makes; NULL: none */
    float *key;          /* [kv_layers][ctx][kv_heads * head_dim] */
    float *value;        /* the same */
    lc_acts one;         /* one hidden state, for logits and classes */
    size_t scratch_bytes;
};

/* What one run needs on scratch; n is the batch. */
typedef struct buffers {
    float *x;      /* [n][width] residual stream */
    float *h;      /* [n][width] normed, and what a block adds to x */
    float *q;      /* [n][heads * head_dim] */
    float *att;    /* [n][heads * head_dim] */
    float *gate;   /* [n][ffn] */
    float *up;     /* [n][ffn] */
    float *scores; /* [threads][LC_QUERIES][ctx padded to 4] */
    lc_acts acts;
} buffers;

/* ---- planning and layout ---- */

static uint32_t q_width(const lc_model_info *i)
{
    return i->heads * i->head_dim;
}

static uint32_t kv_width(const lc_model_info *i)
{
    return i->kv_heads * i->head_dim;
}

static uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Scores of one thread: of all queries that are attended at once. */
static size_t score_floats(const lc_net *net)
{
    return LC_QUERIES * LC_ROUND_UP((size_t)net->ctx, 4u);
}

static bool push_buffers(const lc_net *net, lc_arena *scratch, buffers *b)
{
    const lc_model_info *i = &net->model->info;
    size_t n = net->batch;
    uint32_t widest = max_u32(i->ffn, max_u32(i->width, q_width(i)));
    b->x = LC_PUSH(scratch, float, n * i->width);
    b->h = LC_PUSH(scratch, float, n * i->width);
    b->q = LC_PUSH(scratch, float, n * q_width(i));
    b->att = LC_PUSH(scratch, float, n * q_width(i));
    b->gate = LC_PUSH(scratch, float, n * i->ffn);
    b->up = LC_PUSH(scratch, float, n * i->ffn);
    b->scores = LC_PUSH(scratch, float, net->tasks.count * score_floats(net));
    void *acts = lc_arena_push(scratch, lc_acts_bytes(net->batch, widest));
    if (b->x == NULL || b->h == NULL || b->q == NULL || b->att == NULL || b->gate == NULL ||
        b->up == NULL || b->scores == NULL || acts == NULL) {
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
    uint32_t batch = options->batch == 0 ? LC_BATCH_DEFAULT : options->batch;
    net->ctx = ctx;
    net->batch = !i->causal || batch > ctx ? ctx : batch;
    net->kv_layers = i->causal ? i->layers : 1;
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
    size_t kv = (size_t)net->kv_layers * net->ctx * kv_width(i);
    net->rot[0] = LC_PUSH(state, float, (size_t)net->ctx * i->rope_dims);
    net->key = LC_PUSH(state, float, kv);
    net->value = LC_PUSH(state, float, kv);
    void *one = lc_arena_push(state, lc_acts_bytes(1, i->width));
    if (net->rot[0] == NULL || net->key == NULL || net->value == NULL || one == NULL ||
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
    if (place == NULL || !push_state(&n, state)) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "state arena too small for the network");
    }
    buffers b;
    size_t mark = lc_arena_mark(scratch);
    bool fits = push_buffers(&n, scratch, &b);
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

uint32_t lc_net_position(const lc_net *net)
{
    return net->position;
}

uint32_t lc_net_ctx(const lc_net *net)
{
    return net->ctx;
}

uint32_t lc_net_joins(const lc_net *net)
{
    return net->joins;
}

/* ---- work, split among threads ---- */

/* Runs fn on all threads, or here when there is little to do. */
static void run_tasks(lc_net *net, lc_task_fn *fn, void *arg, uint64_t macs)
{
    if (net->tasks.count < 2 || macs < SPLIT_MACS) {
        fn(arg, 0, 1);
        return;
    }
    net->joins++;
    net->tasks.run(net->tasks.ctx, fn, arg, net->tasks.count);
}

/* Up to three products of the same activations, one join. */
typedef struct product {
    const lc_mat *w;
    const float *bias; /* [w->rows] or NULL */
    float *y;          /* [tokens][stride] */
    size_t stride;
} product;

typedef struct products {
    const lc_kernels *k;
    const lc_acts *x;
    const product *p;
    uint32_t count;
    uint32_t blocks; /* of all */
} products;

static void products_task(void *arg, uint32_t i, uint32_t n)
{
    const products *all = arg;
    uint32_t from = (uint32_t)((uint64_t)all->blocks * i / n);
    uint32_t to = (uint32_t)((uint64_t)all->blocks * (i + 1) / n);
    uint32_t base = 0;
    for (uint32_t j = 0; j < all->count; j++) {
        const product *p = &all->p[j];
        uint32_t blocks = lc_matmul_blocks(p->w);
        uint32_t b0 = from > base ? from - base : 0;
        uint32_t b1 = to > base ? to - base : 0;
        b1 = b1 < blocks ? b1 : blocks;
        if (b0 < b1) {
            lc_matmul(all->k, p->w, p->bias, all->x, p->y, p->stride, b0, b1);
        }
        base += blocks;
    }
}

/* Quantises x [n][cols] when a weight needs it, then computes all products. */
static lc_err multiply(lc_net *net, lc_acts *acts, const float *x, uint32_t n, const product *p,
                       uint32_t count)
{
    products all = {.k = net->k, .x = acts, .p = p, .count = count};
    bool quantised = false;
    uint64_t macs = 0;
    for (uint32_t j = 0; j < count; j++) {
        if (net->tap != NULL) {
            net->tap(net->tap_ctx, p[j].w, n, x);
        }
        quantised = quantised || p[j].w->type != LC_W_F32;
        all.blocks += lc_matmul_blocks(p[j].w);
        macs += (uint64_t)n * p[j].w->rows * p[j].w->cols;
    }
    if (!lc_acts_set(net->k, acts, x, n, p[0].w->cols, quantised)) {
        return LC_ERR_NUMBER;
    }
    run_tasks(net, products_task, &all, macs);
    return LC_OK;
}

/* ---- norms and scales ---- */

/* y = norm(x) for n rows of `width`; y may be x. */
static void normalise(const lc_net *net, const lc_norm *norm, const float *x, size_t n,
                      uint32_t width, float *y)
{
    float eps = net->model->info.norm_eps;
    const float *bias = norm->bias != NULL ? norm->bias : net->zero;
    for (size_t t = 0; t < n; t++) {
        if (net->model->arch->layer_norm) {
            net->k->layernorm(x + t * width, norm->gain, bias, width, eps, y + t * width);
        } else {
            net->k->rmsnorm(x + t * width, norm->gain, width, eps, y + t * width);
        }
    }
}

static void scale(float *x, size_t n, float by)
{
    for (size_t i = 0; by != 1.0f && i < n; i++) {
        x[i] *= by;
    }
}

/* What a block reads: x through a norm into h, or x itself where there is none. */
static const float *block_input(const lc_net *net, const buffers *b, const lc_norm *norm,
                                uint32_t n)
{
    if (norm->gain == NULL) {
        return b->x;
    }
    normalise(net, norm, b->x, n, net->model->info.width, b->h);
    return b->h;
}

/* x = out(x + residual_scale * post(h)), each norm where there is one. */
static void add_block(const lc_net *net, buffers *b, const lc_norm *post, const lc_norm *out,
                      uint32_t n)
{
    const lc_model_info *i = &net->model->info;
    if (post->gain != NULL) {
        normalise(net, post, b->h, n, i->width, b->h);
    }
    scale(b->h, (size_t)n * i->width, i->residual_scale);
    net->k->add(b->x, b->h, n * i->width);
    if (out->gain != NULL) {
        normalise(net, out, b->x, n, i->width, b->x);
    }
}

/* ---- attention ---- */

static void fill_rotation(const float *freq, uint32_t pairs, uint32_t t, float *rot)
{
    for (uint32_t i = 0; i < pairs; i++) {
        const float *part = freq + 2 * (size_t)i;
        double angle = (double)t * ((double)part[0] + (double)part[1]);
        rot[2 * i] = (float)lc_cos(angle);
        rot[2 * i + 1] = (float)lc_sin(angle);
    }
}

static void fill_rotations(lc_net *net, uint32_t positions)
{
    uint32_t pairs = net->model->info.rope_dims / 2;
    for (uint32_t t = net->rot_filled; t < positions; t++) {
        size_t at = (size_t)t * pairs * 2;
        fill_rotation(net->model->rope_freq, pairs, t, net->rot[0] + at);
        if (net->model->rope_freq_local != NULL) {
            fill_rotation(net->model->rope_freq_local, pairs, t, net->rot[1] + at);
        }
    }
    net->rot_filled = max_u32(net->rot_filled, positions);
}

/* Norms each head of n tokens, where the model does, and turns it to its position. */
static void place_heads(const lc_net *net, const lc_norm *norm, const float *rot, uint32_t heads,
                        uint32_t n, float *x)
{
    const lc_model_info *i = &net->model->info;
    lc_rope_kind kind = net->model->arch->rope;
    if (norm->gain != NULL) {
        normalise(net, norm, x, (size_t)n * heads, i->head_dim, x);
    }
    for (uint32_t t = 0; kind != LC_ROPE_NONE && t < n; t++) {
        net->k->rope(x + (size_t)t * heads * i->head_dim, heads, i->head_dim, i->rope_dims,
                     rot + (size_t)t * i->rope_dims, kind == LC_ROPE_HALVES);
    }
}

/* The chunk being attended: token t of n stands at position first + t. */
typedef struct attention {
    const lc_net *net;
    const buffers *b;
    const float *key, *value; /* [ctx][kv width] of this layer */
    uint32_t first, n;
    uint32_t window; /* keys that are seen back, itself included, and as many forward */
    float scale;
} attention;

/* The keys [from, to) that the token at a position sees. */
static void seen(const attention *a, uint32_t position, uint32_t *from, uint32_t *to)
{
    uint32_t end = a->first + a->n;
    uint32_t ahead = a->net->model->info.causal ? 1 : a->window;
    *from = position + 1 > a->window ? position + 1 - a->window : 0;
    *to = end - position > ahead ? position + ahead : end;
}

/* Queries of one KV head that are attended together, `step` floats apart. */
typedef struct query_block {
    uint32_t count;
    size_t at, step; /* in q and att */
    size_t kv_at;
} query_block;

static void attend(const attention *a, const query_block *q, uint32_t from, uint32_t keys,
                   uint32_t more, float *scores)
{
    const lc_model_info *info = &a->net->model->info;
    size_t kv_at = (size_t)from * kv_width(info) + q->kv_at;
    a->net->k->attend(a->b->q + q->at, q->count, q->step, a->key + kv_at, a->value + kv_at,
                      kv_width(info), keys, more, info->head_dim, a->scale, scores,
                      a->b->att + q->at);
}

/* The heads of one token that share a KV head: they see the same keys. */
static void attend_heads(const attention *a, uint32_t t, uint32_t kv_head, float *scores)
{
    const lc_model_info *info = &a->net->model->info;
    uint32_t group = info->heads / info->kv_heads, from, to;
    query_block q = {.step = info->head_dim};
    q.kv_at = (size_t)kv_head * info->head_dim;
    seen(a, a->first + t, &from, &to);
    for (uint32_t h = 0; h < group; h += q.count) {
        q.count = group - h < LC_QUERIES ? group - h : LC_QUERIES;
        q.at = (size_t)t * q_width(info) + ((size_t)kv_head * group + h) * info->head_dim;
        attend(a, &q, from, to - from, 0, scores);
    }
}

/* Neighbouring tokens of one head, where each head has its own keys: together if they see the same
 * keys, or each one key more. */
static void attend_tokens(const attention *a, uint32_t t, uint32_t head, float *scores)
{
    const lc_model_info *info = &a->net->model->info;
    query_block q = {.step = q_width(info)};
    uint32_t count = a->n - t < LC_QUERIES ? a->n - t : LC_QUERIES, from, to, last_from, last_to;
    q.kv_at = (size_t)head * info->head_dim;
    seen(a, a->first + t, &from, &to);
    seen(a, a->first + t + count - 1, &last_from, &last_to);
    bool alike = from == last_from && (last_to == to || last_to == to + count - 1);
    uint32_t more = last_to != to;
    for (uint32_t i = 0; i < count; i += q.count) {
        q.count = alike ? count : 1;
        q.at = (size_t)(t + i) * q_width(info) + q.kv_at;
        seen(a, a->first + t + i, &from, &to);
        attend(a, &q, from, to - from, alike ? more : 0, scores);
    }
}

static void attention_task(void *arg, uint32_t i, uint32_t n)
{
    const attention *a = arg;
    const lc_model_info *info = &a->net->model->info;
    bool shared = info->heads > info->kv_heads;
    float *scores = a->b->scores + i * score_floats(a->net);
    uint32_t step = shared ? 1 : LC_QUERIES; /* tokens of a unit */
    uint64_t units = (uint64_t)((a->n + step - 1) / step) * info->kv_heads;
    for (uint64_t u = units * i / n; u < units * (i + 1) / n; u++) {
        uint32_t t = (uint32_t)(u / info->kv_heads) * step;
        uint32_t head = (uint32_t)(u % info->kv_heads);
        (shared ? attend_heads : attend_tokens)(a, t, head, scores);
    }
}

/* The buffers from token `skip` on. */
static buffers tail_of(const lc_net *net, const buffers *b, uint32_t skip)
{
    const lc_model_info *i = &net->model->info;
    buffers tail = *b;
    tail.x += (size_t)skip * i->width;
    tail.h += (size_t)skip * i->width;
    tail.q += (size_t)skip * q_width(i);
    tail.att += (size_t)skip * q_width(i);
    return tail;
}

/* h = O . attention(norm(x)) for the tokens from `skip` on; keys and values for all. */
static lc_err attention_block(lc_net *net, buffers *b, uint32_t layer, uint32_t n, uint32_t skip)
{
    const lc_model_info *i = &net->model->info;
    const lc_layer *l = &net->model->layer[layer];
    bool local = lc_layer_is_local(i, layer);
    size_t kv_layer = net->kv_layers == 1 ? 0 : layer;
    float *key = net->key + kv_layer * net->ctx * kv_width(i);
    float *value = net->value + kv_layer * net->ctx * kv_width(i);
    size_t new_kv = (size_t)net->position * kv_width(i);
    const product qkv[3] = {
        {&l->q, l->q_bias, b->q, q_width(i)},
        {&l->k, l->k_bias, key + new_kv, kv_width(i)},
        {&l->v, l->v_bias, value + new_kv, kv_width(i)},
    };
    const float *in = block_input(net, b, &l->attn_norm, n);
    lc_err err = multiply(net, &b->acts, in, n, qkv, 3);
    if (err != LC_OK) {
        return err;
    }
    const float *rot = net->rot[local] + (size_t)net->position * i->rope_dims;
    place_heads(net, &l->q_norm, rot, i->heads, n, b->q);
    place_heads(net, &l->k_norm, rot, i->kv_heads, n, key + new_kv);
    buffers tail = tail_of(net, b, skip);
    attention a = {.net = net, .b = &tail, .key = key, .value = value};
    a.first = net->position + skip;
    a.n = n - skip;
    a.window = local ? i->window : net->ctx;
    a.scale = i->attn_scale > 0.0f ? i->attn_scale : 1.0f / lc_sqrtf((float)i->head_dim);
    uint64_t keys = net->position + n;
    run_tasks(net, attention_task, &a, keys * a.n * q_width(i) * 2);
    const product o = {&l->o, l->o_bias, tail.h, i->width};
    return multiply(net, &b->acts, tail.att, a.n, &o, 1);
}

/* h = DOWN . (act(GATE . norm(x)) * UP . norm(x)), or without a gate DOWN . act(UP . norm(x)) */
static lc_err ffn_block(lc_net *net, buffers *b, uint32_t layer, uint32_t n)
{
    const lc_model_info *i = &net->model->info;
    const lc_layer *l = &net->model->layer[layer];
    const product up_gate[2] = {{&l->up, l->up_bias, b->up, i->ffn},
                                {&l->gate, NULL, b->gate, i->ffn}};
    bool gated = l->gate.data != NULL;
    const float *in = block_input(net, b, &l->ffn_norm, n);
    lc_err err = multiply(net, &b->acts, in, n, up_gate, gated ? 2 : 1);
    if (err != LC_OK) {
        return err;
    }
    net->k->act_mul(net->model->arch->act, gated ? b->gate : b->up, gated ? b->up : NULL,
                    n * i->ffn, b->gate);
    const product down = {&l->down, l->down_bias, b->h, i->width};
    return multiply(net, &b->acts, b->gate, n, &down, 1);
}

/* ---- running ---- */

/* x = norm(scale * embedding + position + type); h is written over. */
static void embed(lc_net *net, buffers *b, const uint32_t *ids, uint32_t n)
{
    const lc_model *m = net->model;
    uint32_t width = m->info.width;
    for (uint32_t t = 0; t < n; t++) {
        float *x = b->x + (size_t)t * width;
        lc_assert(ids[t] < m->info.vocab);
        lc_mat_row(&m->embed, ids[t], x);
        scale(x, width, m->info.embed_scale);
        if (m->position.rows > 0) {
            lc_mat_row(&m->position, net->position + t, b->h);
            net->k->add(x, b->h, width);
        }
        if (m->token_type.rows > 0) { /* a line is one text: all tokens are of type 0 */
            lc_mat_row(&m->token_type, 0, b->h);
            net->k->add(x, b->h, width);
        }
    }
    if (m->embed_norm.gain != NULL) {
        normalise(net, &m->embed_norm, b->x, n, width, b->x);
    }
}

/* x of the tokens from `skip` on; those before it only leave their keys and values. */
static lc_err run_layer(lc_net *net, buffers *b, uint32_t layer, uint32_t n, uint32_t skip)
{
    const lc_layer *l = &net->model->layer[layer];
    lc_err err = attention_block(net, b, layer, n, skip);
    if (err != LC_OK) {
        return err;
    }
    buffers tail = tail_of(net, b, skip);
    add_block(net, &tail, &l->attn_post_norm, &l->attn_out_norm, n - skip);
    err = ffn_block(net, &tail, layer, n - skip);
    if (err == LC_OK) {
        add_block(net, &tail, &l->ffn_post_norm, &l->ffn_out_norm, n - skip);
    }
    return err;
}

/* One chunk of at most batch tokens through all layers; b->h holds the normed states after it, of
 * the tokens from `skip` on: those before it need nothing of the last layer but keys and values. */
static lc_err run_chunk(lc_net *net, buffers *b, const uint32_t *ids, uint32_t n, uint32_t skip)
{
    const lc_model_info *i = &net->model->info;
    skip = net->probe == NULL ? skip : 0;
    embed(net, b, ids, n);
    fill_rotations(net, net->position + n);
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
    buffers tail = tail_of(net, b, skip);
    const float *states = block_input(net, &tail, &net->model->out_norm, n - skip);
    if (states != tail.h) {
        memcpy(tail.h, states, (size_t)(n - skip) * i->width * sizeof *states);
    }
    return LC_OK;
}

/* wanted: how many of the last tokens the sink is shown. */
static lc_err run(lc_net *net, const uint32_t *ids, uint32_t n, uint32_t wanted, lc_net_sink *sink,
                  void *ctx)
{
    bool whole = net->model->info.causal || net->position == 0; /* bidirectional: one text, once */
    if (n > net->ctx - net->position || !whole) {
        return LC_ERR_LIMIT;
    }
    buffers b;
    size_t mark = lc_arena_mark(net->scratch);
    lc_err err = push_buffers(net, net->scratch, &b) ? LC_OK : LC_ERR_ARENA;
    while (err == LC_OK && n > 0) {
        uint32_t chunk = n < net->batch ? n : net->batch;
        uint32_t unwanted = n > wanted ? n - wanted : 0;
        uint32_t skip = unwanted < chunk ? unwanted : chunk - 1; /* at least one, for simplicity */
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
    return run(net, ids, n, n, sink, ctx);
}

lc_err lc_net_run_last(lc_net *net, const uint32_t *ids, uint32_t n, lc_net_sink *sink, void *ctx)
{
    return run(net, ids, n, 1, sink, ctx);
}

static bool all_finite(const float *x, uint32_t n)
{
    const lc_v4 most = lc_v4_all(3.4e38f);
    lc_i4 good = {-1, -1, -1, -1};
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        lc_v4 v = lc_v4_load(x + i);
        good &= (v >= -most) & (v <= most);
    }
    bool all = (good[0] & good[1] & good[2] & good[3]) != 0;
    for (; i < n; i++) {
        all = all && x[i] >= -3.4e38f && x[i] <= 3.4e38f;
    }
    return all;
}

/* y[rows] = w . x + bias for one hidden state. */
static lc_err project(lc_net *net, const lc_mat *w, const float *bias, const float *x, float *y)
{
    const product p = {w, bias, y, w->rows};
    return multiply(net, &net->one, x, 1, &p, 1);
}

static void cap_logits(const lc_model_info *i, float *logits)
{
    for (uint32_t j = 0; i->logit_cap > 0.0f && j < i->vocab; j++) {
        logits[j] = i->logit_cap * lc_tanhf(logits[j] / i->logit_cap);
    }
}

lc_err lc_net_logits(lc_net *net, const float *hidden, float *logits)
{
    const lc_model_info *i = &net->model->info;
    lc_err err = project(net, &net->model->output, NULL, hidden, logits);
    if (err == LC_OK && !all_finite(logits, i->vocab)) {
        err = LC_ERR_NUMBER;
    }
    if (err == LC_OK) {
        scale(logits, i->vocab, i->logit_scale);
        cap_logits(i, logits);
    }
    return err;
}

/* ---- classification ---- */

typedef struct pooling {
    lc_net *net;
    uint32_t kind;
    uint32_t n; /* tokens of the text */
    float *out; /* [width] */
} pooling;

static lc_err pool_sink(void *ctx, uint32_t position, uint32_t n, const float *hidden)
{
    pooling *p = ctx;
    uint32_t width = p->net->model->info.width;
    for (uint32_t t = 0; t < n; t++) {
        const float *state = hidden + (size_t)t * width;
        uint32_t at = position + t;
        if (p->kind == LC_POOL_MEAN && at > 0) {
            p->net->k->add(p->out, state, width);
        } else if (at == (p->kind == LC_POOL_LAST ? p->n - 1 : 0)) {
            memcpy(p->out, state, width * sizeof *state);
        }
    }
    return LC_OK;
}

lc_err lc_net_pool(lc_net *net, const uint32_t *ids, uint32_t n, float *pooled)
{
    const lc_model_info *i = &net->model->info;
    lc_assert(n > 0);
    pooling p = {.net = net, .kind = i->pooling, .n = n, .out = pooled};
    if (p.kind == LC_POOL_NONE) {
        p.kind = i->causal ? LC_POOL_LAST : LC_POOL_MEAN;
    }
    lc_net_reset(net);
    lc_err err = run(net, ids, n, p.kind == LC_POOL_LAST ? 1 : n, pool_sink, &p);
    if (err == LC_OK && p.kind == LC_POOL_MEAN) {
        for (uint32_t j = 0; j < i->width; j++) {
            pooled[j] = pooled[j] / (float)n;
        }
    }
    return err;
}

/* dense = norm(act(pooler . pooled + bias)) */
static lc_err run_dense(lc_net *net, const float *pooled)
{
    const lc_model *m = net->model;
    uint32_t width = m->info.width;
    lc_err err = project(net, &m->pooler, m->pooler_bias, pooled, net->dense);
    if (err != LC_OK) {
        return err;
    }
    for (uint32_t j = 0; m->arch->pool_tanh && j < width; j++) {
        net->dense[j] = lc_tanhf(net->dense[j]);
    }
    if (!m->arch->pool_tanh) {
        net->k->act_mul(m->arch->pool_act, net->dense, NULL, width, net->dense);
    }
    if (m->pooler_norm.gain != NULL) {
        normalise(net, &m->pooler_norm, net->dense, 1, width, net->dense);
    }
    return LC_OK;
}

lc_err lc_net_classify(lc_net *net, const float *pooled, float *out)
{
    const lc_model *model = net->model;
    lc_assert(model->info.classes > 0);
    const float *in = pooled;
    lc_err err = LC_OK;
    if (net->dense != NULL) {
        err = run_dense(net, pooled);
        in = net->dense;
    }
    if (err == LC_OK) {
        err = project(net, &model->cls, NULL, in, out);
    }
    if (err != LC_OK) {
        return err;
    }
    if (model->cls_bias != NULL) {
        net->k->add(out, model->cls_bias, model->info.classes);
    }
    return all_finite(out, model->info.classes) ? LC_OK : LC_ERR_NUMBER;
}
