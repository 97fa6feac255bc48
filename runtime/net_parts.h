/* net_parts.h - private to net*.c: the net itself and what its parts do for each other.
 *
 * net_plan.c lays out, net_work.c computes products and norms, net_attn.c attends, net.c runs
 * layers, net_out.c reads logits, pooled states and classes.
 */
#ifndef LC_NET_PARTS_H
#define LC_NET_PARTS_H

#include "net.h"

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
typedef struct lc_net_buffers {
    float *x;      /* [n][width] residual stream */
    float *h;      /* [n][width] normed, and what a block adds to x */
    float *q;      /* [n][heads * head_dim] */
    float *att;    /* [n][heads * head_dim] */
    float *gate;   /* [n][ffn] */
    float *up;     /* [n][ffn] */
    float *scores; /* [threads][LC_QUERIES][ctx padded to 4] */
    lc_acts acts;
} lc_net_buffers;

/* One of up to three products of the same activations, which take one join. */
typedef struct lc_product {
    const lc_mat *w;
    const float *bias; /* [w->rows] or NULL */
    float *y;          /* [tokens][stride] */
    size_t stride;
} lc_product;

static inline uint32_t lc_max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static inline uint32_t lc_q_width(const lc_model_info *i)
{
    return i->heads * i->head_dim;
}

static inline uint32_t lc_kv_width(const lc_model_info *i)
{
    return i->kv_heads * i->head_dim;
}

/* ---- net_plan.c ---- */

/* Scores of one thread: of all queries that are attended at once. */
size_t lc_net_score_floats(const lc_net *net);
bool lc_net_push(const lc_net *net, lc_arena *scratch, lc_net_buffers *b);

/* ---- net_work.c ---- */

/* Runs fn on all threads, or here when there is little to do. */
void lc_net_share(lc_net *net, lc_task_fn *fn, void *arg, uint64_t macs);

/* Quantises x [n][cols] when a weight needs it, then computes all products. */
lc_err lc_net_multiply(lc_net *net, lc_acts *acts, const float *x, uint32_t n, const lc_product *p,
                       uint32_t count);
/* y[rows] = w . x + bias for one hidden state. */
lc_err lc_net_project(lc_net *net, const lc_mat *w, const float *bias, const float *x, float *y);
/* y = norm(x) for n rows of `width`; y may be x. */
void lc_net_normalise(const lc_net *net, const lc_norm *norm, const float *x, size_t n,
                      uint32_t width, float *y);
/* What a block reads: x through a norm into h, or x itself where there is none. */
const float *lc_net_input(const lc_net *net, const lc_net_buffers *b, const lc_norm *norm,
                          uint32_t n);
void lc_net_scale(float *x, size_t n, float by);

/* ---- net_attn.c ---- */

/* The rotations of the first `positions` positions, where not there yet. */
void lc_net_turn(lc_net *net, uint32_t positions);
/* h = O . attention(norm(x)) for the tokens from `skip` on; keys and values for all. */
lc_err lc_net_attend(lc_net *net, lc_net_buffers *b, uint32_t layer, uint32_t n, uint32_t skip);

/* ---- net.c ---- */

/* The buffers from token `skip` on. */
lc_net_buffers lc_net_tail(const lc_net *net, const lc_net_buffers *b, uint32_t skip);
/* lc_net_run; wanted: how many of the last tokens the sink is shown. */
lc_err lc_net_run_wanted(lc_net *net, const uint32_t *ids, uint32_t n, uint32_t wanted,
                         lc_net_sink *sink, void *ctx);

#endif
