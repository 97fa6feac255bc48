/* stages.h - the stages of a chain, and what they share. For job.c and tests. */
#ifndef LC_STAGES_H
#define LC_STAGES_H

#include "decide.h"
#include "job.h"
#include "net.h"

/* ---- rules.c: stages `rules` and `verify` ---- */

/* The first rule that is true, NULL: none. */
const lc_rule *lc_rules_first(const lc_stage *stage, const lc_expr_env *env);
/* Is there a true rule for this label? Its id joins why. */
bool lc_rules_support(const lc_stage *stage, const lc_expr_env *env, int32_t label,
                      lc_answer *answer);

/* ---- pack.c: models at work ---- */

/* What became of a line that a model read. */
typedef struct lc_reading {
    uint32_t tokens; /* of the line */
    bool cut;        /* at its end */
    lc_err err;      /* OK, CANCELLED or NUMBER */
} lc_reading;

/* A pack at work, for all stages that ask for it. */
typedef struct lc_pack {
    lc_model model;
    lc_net *net;
    const lc_kernels *kernels;
    uint32_t ctx, batch, kv; /* lc_kv */
    size_t tok_bytes; /* scratch for the tokenizer, sized for the longest line */
    uint32_t *ids;    /* [ctx], per line on scratch as all that follows */
    float *pooled;    /* [width] */
    float *out;       /* [classes] */
    uint32_t classes; /* of the model's head or the largest of its adapters' */
    uint32_t rank;    /* of the widest adapter, 0: none */
    const lc_adapter *adapter; /* that the net works with, NULL: none */
    bool ran;         /* its head, for this line and adapter: pooled, out and read are valid */
    lc_reading read;
    uint32_t nodes;                 /* of the largest trie that is scored with it, 0: none */
    uint32_t *parent;               /* [batch] */
    float *score, *softmax;         /* [nodes] */
    const struct lc_labels *stands; /* stage whose prefix the net stands after, NULL: none */
} lc_pack;

/* Context, batch and tokenizer scratch; the model is open, nodes, classes, rank and kv are set.
 * ctx 0: a default, on top of which comes what prompts take. reserved: tokens of the context that
 * are not for lines; inner: nodes of a trie that are run. Errors: LIMIT. */
lc_err lc_pack_size(lc_pack *pack, uint32_t ctx, uint32_t reserved, uint32_t inner,
                    lc_diag *diag) LC_CHECKED;
/* The net, on state, which keeps the address of the pack; counts on scratch what runs push and
 * rewind. */
lc_err lc_pack_start(lc_pack *pack, const lc_job_options *options, lc_arena *state,
                     lc_arena *scratch, lc_diag *diag) LC_CHECKED;
/* Pushes what a pack needs for one line, apart from what runs push and rewind themselves. */
lc_err lc_pack_place(lc_pack *pack, lc_arena *scratch) LC_CHECKED;
/* At most max tokens of a line, into pack->ids; fills all of read. special: with BOS and EOS as the
 * file says; else the line goes on after other tokens, with a blank before it if wanted. */
lc_err lc_pack_encode(lc_pack *pack, lc_arena *scratch, lc_str text, bool special, bool blank,
                      uint32_t max, lc_reading *read) LC_CHECKED;

/* From here on with this adapter of the pack, or none; what ran with another is forgotten. */
void lc_pack_adapt(lc_pack *pack, const lc_adapter *adapter);

/* ---- head.c: stage `head` ---- */

/* One pass a line, shared by all heads of the pack that follow with the same adapter; the outputs
 * as scores of the task's labels, which are valid if read->err is OK. Errors: ARENA. */
lc_err lc_head_run(lc_pack *pack, const lc_stage *stage, lc_arena *scratch, lc_str text,
                   lc_reading *read, lc_scores *scores) LC_CHECKED;

#endif
