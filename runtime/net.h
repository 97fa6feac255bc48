/* net.h - the one transformer: plan its memory, feed it tokens, read hidden states or logits.
 *
 * Causal models run in chunks of `batch` tokens over a KV cache; bidirectional models see a whole
 * text at once, so their batch is the context.
 */
#ifndef LC_NET_H
#define LC_NET_H

#include "arena.h"
#include "model.h"
#include "tasks.h"

/* Shown x [n][width], what layer `layer` made of n tokens from `position` on. For self-tests. */
typedef void lc_net_probe(void *ctx, uint32_t layer, uint32_t position, uint32_t n, const float *x);

/* Shown what n tokens bring to a linear: x [n][w->cols]. For calibration when packing. */
typedef void lc_net_tap(void *ctx, const lc_mat *w, uint32_t n, const float *x);

typedef struct lc_net_options {
    uint32_t ctx;   /* tokens, 0: the model's own (at most LC_CTX_DEFAULT) */
    uint32_t batch; /* tokens of one chunk, 0: a default; bidirectional: ctx */
    const lc_kernels *kernels;
    lc_tasks tasks;             /* run NULL: one thread */
    const volatile bool *cancel; /* NULL, or checked between layers */
    lc_net_probe *probe;         /* NULL, or called after each layer */
    void *probe_ctx;
    lc_net_tap *tap; /* NULL, or called before each product */
    void *tap_ctx;
} lc_net_options;

#define LC_CTX_DEFAULT 512u
#define LC_BATCH_DEFAULT 64u

typedef struct lc_net lc_net;

/* Lays a net out on state (KV cache, tables) and says what a run pushes on scratch. With measuring
 * arenas it only counts: *net must then not be used. */
lc_err lc_net_init(const lc_model *model, const lc_net_options *options, lc_arena *state,
                   lc_arena *scratch, lc_net **net, lc_diag *diag) LC_CHECKED;
/* Scratch bytes of the largest run. */
size_t lc_net_scratch_bytes(const lc_net *net);

void lc_net_reset(lc_net *net); /* forgets all tokens */
uint32_t lc_net_position(const lc_net *net); /* tokens so far */
uint32_t lc_net_ctx(const lc_net *net);
uint32_t lc_net_joins(const lc_net *net); /* thread joins since init */

/* What to do with the normed hidden state of each token: ctx, position of the first of n states
 * [n][width]. A non-zero return stops the run and is passed on. */
typedef lc_err lc_net_sink(void *ctx, uint32_t position, uint32_t n, const float *hidden);

/* Runs n tokens after those so far. sink may be NULL. Scratch is rewound on return.
 * Errors: LIMIT (context full: nothing was run), ARENA, CANCELLED, NUMBER (NaN or infinity inside);
 * after the last three the net must be reset. */
lc_err lc_net_run(lc_net *net, const uint32_t *ids, uint32_t n, lc_net_sink *sink,
                  void *ctx) LC_CHECKED;
/* The same, but the sink is shown the last token only: the others are spared the last layer. */
lc_err lc_net_run_last(lc_net *net, const uint32_t *ids, uint32_t n, lc_net_sink *sink,
                       void *ctx) LC_CHECKED;
/* logits[vocab] of one normed hidden state [width]. */
lc_err lc_net_logits(lc_net *net, const float *hidden, float *logits) LC_CHECKED;
/* Resets, runs all tokens of a text, pools as the model says (causal default: last): pooled[width].
 */
lc_err lc_net_pool(lc_net *net, const uint32_t *ids, uint32_t n, float *pooled) LC_CHECKED;
/* out[classes] = cls . pooled + bias. */
lc_err lc_net_classify(lc_net *net, const float *pooled, float *out) LC_CHECKED;

#endif
