/* net.h - the one transformer: plan its memory, feed it tokens, read hidden states or logits.
 *
 * Causal models run in chunks of `batch` tokens over a KV cache; bidirectional models see a whole
 * text at once, so their batch is the context.
 */
#ifndef LC_NET_H
#define LC_NET_H

#include "adapter.h"
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
    uint32_t kv;    /* lc_kv; AUTO: F32 in an F32 pack or a model that sees whole texts, else F16 */
    uint32_t rank;  /* of the widest adapter that lc_net_adapt will be given; 0: none */
    const lc_kernels *kernels;
    lc_tasks tasks;              /* run NULL: one thread */
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
/* Kind of cache that a net of this model has when `kv` is asked for (never AUTO), and the bytes it
 * takes of the state. */
uint32_t lc_net_kv(const lc_model *model, uint32_t kv);
size_t lc_net_kv_bytes(const lc_model *model, uint32_t kv, uint32_t ctx);
/* Scratch bytes of the largest run. */
size_t lc_net_scratch_bytes(const lc_net *net);

void lc_net_reset(lc_net *net); /* forgets all tokens */
/* Forgets the tokens from `position` on; it is at most lc_net_position. */
void lc_net_rewind(lc_net *net, uint32_t position);
uint32_t lc_net_position(const lc_net *net); /* tokens so far */
/* From here on all products are those of the adapter, NULL: the model's own. Forgets all tokens.
 * The adapter belongs to the net's model, is at most options.rank wide, and stays while it is in
 * use. With an early exit only its first layers run: a snapshot of such tokens is of no use to a
 * net without it. */
void lc_net_adapt(lc_net *net, const lc_adapter *adapter);
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

/* Tokens that branch, lines that share what is before them among others: token i follows token
 * parent[i], which stands before it in ids, or with LC_NO_PARENT the tokens so far. */
#define LC_NO_PARENT 0xffffffffu
typedef struct lc_net_tree {
    const uint32_t *ids, *parent; /* [n] */
    uint32_t n;                   /* at most the batch */
    const uint32_t *wanted;       /* [wanted_count] tokens that the sink is shown, in rising order;
                                     NULL: all. The others are spared the last layer. */
    uint32_t wanted_count;        /* at least one */
} lc_net_tree;

/* Runs a tree after the tokens so far. Each token sees these, its ancestors and itself, and gets
 * the bits that running its path alone would give. In a bidirectional model each branch is a text,
 * seen whole and by itself; the net must hold no tokens then (else LIMIT). The sink is shown what
 * is wanted at once. Afterwards the net stands where it stood. Errors as lc_net_run; ARGUMENT: a
 * parent that does not stand before its child (bidirectional: right before), wrong `wanted`. */
lc_err lc_net_run_tree(lc_net *net, const lc_net_tree *tree, lc_net_sink *sink,
                       void *ctx) LC_CHECKED;
/* logits[vocab] of one normed hidden state [width]. */
lc_err lc_net_logits(lc_net *net, const float *hidden, float *logits) LC_CHECKED;
/* logits[count] of the given rows of the output head: the bits that lc_net_logits gives them. */
lc_err lc_net_logits_rows(lc_net *net, const float *hidden, const uint32_t *rows, uint32_t count,
                          float *logits) LC_CHECKED;
/* Resets, runs all tokens of a text, pools as the model says (causal default: last): pooled[width].
 */
lc_err lc_net_pool(lc_net *net, const uint32_t *ids, uint32_t n, float *pooled) LC_CHECKED;
/* The same for several texts, ids one after another, length[count], none empty: pooled[count]
 * [width], the bits that each one gets alone. All in one pass, if together they are no longer than
 * the batch, else one by one. */
lc_err lc_net_pool_lines(lc_net *net, const uint32_t *ids, const uint32_t *length, uint32_t count,
                         float *pooled) LC_CHECKED;
uint32_t lc_net_batch(const lc_net *net);
/* Outputs of the classification head: the adapter's if it has one, else the model's; 0: none. */
uint32_t lc_net_classes(const lc_net *net);
/* out[lc_net_classes] = cls . pooled + bias. */
lc_err lc_net_classify(lc_net *net, const float *pooled, float *out) LC_CHECKED;

/* What the net holds of the tokens so far, as bytes (FORMAT.md, PREFIX): a prompt prefix that is
 * computed once. It fits any context and batch of the same pack and kind of cache. */
size_t lc_net_snapshot_bytes(const lc_net *net, uint32_t tokens);
/* Writes lc_net_snapshot_bytes(net, lc_net_position(net)) bytes. */
void lc_net_snapshot_save(const lc_net *net, uint8_t *out);
/* Resets and stands after the tokens of a snapshot. Errors, after which the net is reset: FORMAT
 * (damaged, or of another pack), UNSUPPORTED (of another lc_kv), LIMIT (longer than the context),
 * VERSION. Values that are no numbers are found when they are used: a run then says NUMBER. */
lc_err lc_net_snapshot_load(lc_net *net, const uint8_t *data, size_t bytes,
                            lc_diag *diag) LC_CHECKED;

#endif
