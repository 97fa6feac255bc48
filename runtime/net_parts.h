/* net_parts.h - private to net*.c: the net itself and what its parts do for each other.
 *
 * net_plan.c lays out, net_work.c computes products and norms, net_attn.c attends, net.c runs
 * layers, net_out.c reads logits, pooled states and classes, net_past.c keeps what tokens leave to
 * later ones, net_conv.c convolves, net_adapt.c adds what adapters correct.
 */
#ifndef LC_NET_PARTS_H
#define LC_NET_PARTS_H

#include "net.h"

#define LC_PRODUCTS_MAX 3u /* of one input, taken together */

/* What the corrections of an adapter need. */
typedef struct lc_net_low {
    uint32_t rank;                 /* room for adapters up to this one; 0: for none */
    float *x[LC_PRODUCTS_MAX];     /* [batch][rank of the pair] what A makes of a product's input */
    lc_acts acts[LC_PRODUCTS_MAX]; /* the same, as B takes it */
    float *sum; /* [threads][sum_floats] what B makes of it, some rows at a time */
    size_t sum_floats;
} lc_net_low;

/* What one layer keeps of the tokens so far, as net->kv says. */
typedef struct lc_net_past {
    uint8_t *key, *value; /* [ctx][kv width]; a convolution: key [ctx][width], its inputs */
    float *key_scale, *value_scale; /* [kv_heads][ctx], I8 only */
} lc_net_past;

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
    uint32_t kv;        /* lc_kv, not AUTO */
    uint32_t kv_layers; /* 1 when bidirectional */
    uint32_t position;
    uint32_t joins;
    uint32_t rot_filled; /* positions whose rotation is in rot */
    float *rot[2];       /* [ctx][rope_dims/2][2] cosine, sine; of global and of local layers */
    float *zero;         /* [width], for LayerNorms without bias; NULL: RMS norms */
    float *dense;        /* [width] what the dense layer before the classes makes; NULL: none */
    lc_net_past *past;   /* [kv_layers] */
    lc_acts one;         /* one hidden state, for logits and classes */
    const lc_adapter *adapter; /* NULL: none */
    lc_net_low low;
    size_t scratch_bytes;
};

/* Tokens of a chunk in rising order: row r of a buffer is of token[r]. */
typedef struct lc_net_rows {
    uint32_t *token; /* [count] */
    uint32_t count;
} lc_net_rows;

/* What one run needs on scratch; n is the batch. The tokens of a chunk are trees side by side, a
 * line being a tree without branches; what follows a token stands after it. */
typedef struct lc_net_buffers {
    uint32_t *parent;   /* [n] the token before, LC_NO_PARENT: what the net holds */
    uint32_t *depth;    /* [n] its ancestors in the chunk: it stands at position + depth */
    lc_net_rows trees;  /* [n + 1] their first tokens, and behind the last tree the end */
    lc_net_rows all;    /* [n] tokens */
    lc_net_rows wanted; /* [n] of which somebody wants to know what came of them */
    float *x;           /* [n][width] residual stream */
    float *h;           /* [n][width] normed, and what a block adds to x */
    float *q;           /* [n][heads * head_dim] */
    float *att;         /* [n][heads * head_dim] */
    float *gate;        /* [n][ffn] */
    float *up;          /* [n][ffn] */
    float *k, *v;       /* [n][kv width], in the place of gate and up */
    float *scores;      /* [threads][LC_QUERIES][ctx padded to 4] */
    lc_acts acts;
} lc_net_buffers;

/* One of up to LC_PRODUCTS_MAX products of the same activations, which take one join. */
typedef struct lc_product {
    const lc_mat *w;
    const float *bias; /* [w->rows] or NULL */
    float *y;          /* [tokens][stride] */
    size_t stride;
    const lc_lora *lora; /* its correction; NULL or without rows: none */
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
void lc_net_share(lc_net *net, lc_task_fn *fn, void *arg, uint32_t tokens, uint64_t macs);

/* Quantises x [n][cols] when a weight needs it, then computes all products. */
lc_err lc_net_multiply(lc_net *net, lc_acts *acts, const float *x, uint32_t n, const lc_product *p,
                       uint32_t count);
/* y[count] = the given rows of w . x for one hidden state. */
lc_err lc_net_project_rows(lc_net *net, const lc_mat *w, const float *x, const uint32_t *rows,
                           uint32_t count, float *y);
/* y[rows] = w . x + bias for one hidden state. */
lc_err lc_net_project(lc_net *net, const lc_mat *w, const float *bias, const float *x, float *y);
/* y = norm(x) for n rows of `width`; y may be x. */
void lc_net_normalise(const lc_net *net, const lc_norm *norm, const float *x, size_t n,
                      uint32_t width, float *y);
/* What a block reads: x through a norm into h, or x itself where there is none. */
const float *lc_net_input(const lc_net *net, const lc_net_buffers *b, const lc_norm *norm,
                          uint32_t n);
void lc_net_scale(float *x, size_t n, float by);

/* ---- net_adapt.c ---- */

/* The corrections of a layer, all without rows when there is no adapter. */
const lc_lora_layer *lc_net_corrections(const lc_net *net, uint32_t layer);
bool lc_net_low_push(lc_net *net, uint32_t rank, lc_arena *state);
/* low.x[j] = A of p[j]'s correction times the activations, ready for B. */
lc_err lc_net_low_set(lc_net *net, const lc_acts *acts, const lc_product *p, uint32_t count);
/* Adds B low.x[j] to p's rows of blocks [b0, b1); thread: whose sums are used. */
void lc_net_low_add(const lc_net *net, const lc_product *p, uint32_t j, uint32_t thread,
                    uint32_t b0, uint32_t b1);

/* ---- net_attn.c ---- */

/* The rotations of the first `positions` positions, where not there yet. */
void lc_net_turn(lc_net *net, uint32_t positions);
/* h = O . attention(norm(x)) for some of n tokens; keys and values for all. */
lc_err lc_net_attend(lc_net *net, lc_net_buffers *b, uint32_t layer, uint32_t n,
                     const lc_net_rows *rows);

/* ---- net_past.c ---- */

/* Layers that keep something: one when nothing is kept from text to text. */
uint32_t lc_net_kv_layers(const lc_model *model);
/* Places for what all layers keep. */
bool lc_net_past_push(lc_net *net, lc_arena *state);
/* What layer `layer` keeps. */
lc_net_past *lc_net_past_of(const lc_net *net, uint32_t layer);
/* Where keys and values of a KV head are, from a token on. */
void lc_net_past_at(const lc_net *net, const lc_net_past *past, uint32_t position, uint32_t kv_head,
                    lc_attention *at);
/* Keeps keys and values k, v of one KV head of a token at `position`. */
void lc_net_keep(const lc_net *net, lc_net_past *past, uint32_t position, uint32_t kv_head,
                 const float *k, const float *v);

/* The same for the input x [width] of a convolution, and back. */
void lc_net_keep_input(const lc_net *net, lc_net_past *past, uint32_t position, const float *x);
void lc_net_kept_input(const lc_net *net, const lc_net_past *past, uint32_t position, float *x);

/* ---- net_conv.c ---- */

/* h = CONV_OUT . (c * convolution of b * x), with b, c, x = CONV_IN . norm(x); as lc_net_attend. */
lc_err lc_net_convolve(lc_net *net, lc_net_buffers *b, uint32_t layer, uint32_t n,
                       const lc_net_rows *rows);

/* ---- net.c ---- */

/* x [tokens][width] becomes [rows->count][width]. */
void lc_net_gather(float *x, size_t width, const lc_net_rows *rows);
/* lc_net_run_tree of n tokens whose parents stand in b, which was pushed, as does what is wanted.
 */
lc_err lc_net_run_forest(lc_net *net, lc_net_buffers *b, const uint32_t *ids, uint32_t n,
                         lc_net_sink *sink, void *ctx);
/* lc_net_run; wanted: how many of the last tokens the sink is shown. */
lc_err lc_net_run_wanted(lc_net *net, const uint32_t *ids, uint32_t n, uint32_t wanted,
                         lc_net_sink *sink, void *ctx);

#endif
