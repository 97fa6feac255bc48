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

/* A line that a stage is asked about, and what comes of it. */
typedef struct lc_asked {
    lc_str text;
    uint32_t line; /* its number among those that are answered together */
    lc_reading read;
    lc_scores scores; /* of the task's labels, valid if read.err is OK */
} lc_asked;

/* What the head of a pack made of a line. */
typedef struct lc_headed {
    bool ran; /* for the pack's adapter: the next two are valid */
    lc_reading read;
    float *out; /* [classes] */
} lc_headed;

/* A pack at work, for all stages that ask for it. */
typedef struct lc_pack {
    lc_model model;
    lc_net *net;
    const lc_kernels *kernels;
    uint32_t ctx, batch, kv; /* lc_kv */
    uint32_t lines;   /* that are answered together at most */
    size_t tok_bytes; /* scratch for the tokenizer, sized for the longest line */
    uint32_t *ids;    /* [batch + ctx], on scratch as all that follows */
    float *pooled;    /* [lines][width] */
    lc_headed *headed; /* [lines] */
    uint32_t classes; /* of the model's head or the largest of its adapters' */
    uint32_t rank;    /* of the widest adapter, 0: none */
    const lc_adapter *adapter; /* that the net works with, NULL: none */
    uint32_t nodes;                 /* of the largest trie that is scored with it, 0: none */
    uint32_t *parent, *wanted;      /* [batch] of a tree */
    float *score, *softmax;         /* [nodes] */
    const struct lc_labels *stands; /* stage whose prefix the net stands after, NULL: none */
} lc_pack;

/* Context, batch and tokenizer scratch; the model is open, lines, nodes, classes, rank, kv are set.
 * ctx 0: a default, on top of which comes what prompts take. reserved: tokens of the context that
 * are not for lines; inner: nodes of a trie that are run. Errors: LIMIT. */
lc_err lc_pack_size(lc_pack *pack, uint32_t ctx, uint32_t reserved, uint32_t inner,
                    lc_diag *diag) LC_CHECKED;
/* The net, on state, which keeps the address of the pack; counts on scratch what runs push and
 * rewind. */
lc_err lc_pack_start(lc_pack *pack, const lc_job_options *options, lc_arena *state,
                     lc_arena *scratch, lc_diag *diag) LC_CHECKED;
/* Pushes what a pack needs for its lines, apart from what runs push and rewind themselves. */
lc_err lc_pack_place(lc_pack *pack, lc_arena *scratch) LC_CHECKED;

/* How lines become tokens, and what runs them. */
typedef struct lc_way {
    bool special;   /* with BOS and EOS as the file says; else a line goes on after other tokens */
    bool blank;     /* with a blank before the line */
    uint32_t max;   /* tokens of a line: what is more is cut */
    uint32_t after; /* tokens that `run` adds to each line */
    /* Runs some lines: ids are those of the first, with room for `after` behind each. Sets nothing
     * but their scores, or what it keeps of them. NUMBER and CANCELLED are noted in their reading;
     * where there were several, which one was to blame is found by running each alone. */
    lc_err (*run)(void *ctx, uint32_t *ids, lc_asked **line, uint32_t count);
    void *ctx;
} lc_way;

/* Reads the lines, then runs them, as many at once as the batch holds; one that is longer is run
 * alone. Errors: ARENA, those of `run`. */
lc_err lc_pack_run(lc_pack *pack, lc_arena *scratch, const lc_way *way, lc_asked **line,
                   uint32_t count) LC_CHECKED;

/* From here on with this adapter of the pack, or none; what ran with another is forgotten. */
void lc_pack_adapt(lc_pack *pack, const lc_adapter *adapter);

/* ---- head.c: stage `head` ---- */

/* Fills reading and scores of the lines that are asked about. Each is run once for all heads of the
 * pack that follow with the same adapter. Errors: ARENA. */
lc_err lc_head_run(lc_pack *pack, const lc_stage *stage, lc_arena *scratch, lc_asked *asked,
                   uint32_t count) LC_CHECKED;

#endif
