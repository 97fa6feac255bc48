/* stages.h - the stages of a chain, and what they share. For job.c and tests. */
#ifndef LC_STAGES_H
#define LC_STAGES_H

#include "decide.h"
#include "job.h"

/* ---- rules.c: stages `rules` and `verify` ---- */

/* The first rule that is true, NULL: none. */
const lc_rule *lc_rules_first(const lc_stage *stage, const lc_expr_env *env);
/* Is there a true rule for this label? Its id joins why. */
bool lc_rules_support(const lc_stage *stage, const lc_expr_env *env, int32_t label,
                      lc_answer *answer);

/* ---- head.c: stage `head` ---- */

/* A pack at work: one pass a line, shared by all heads that ask for it. */
typedef struct lc_pack {
    lc_model model;
    lc_net *net;
    uint32_t ctx;
    size_t tok_bytes; /* scratch for the tokenizer, sized for the longest line */
    uint32_t *ids;    /* [ctx], per line on scratch */
    float *pooled;    /* [width] */
    float *out;       /* [classes] */
    bool ran;         /* for this line; the rest is valid then */
    bool cut;
    uint32_t tokens;
    lc_err err; /* OK, CANCELLED or NUMBER */
} lc_pack;

/* Pushes what a pack needs for one line, apart from what runs push and rewind themselves. */
lc_err lc_pack_place(lc_pack *pack, lc_arena *scratch) LC_CHECKED;
/* Tokens, network, classification head; once a line. Errors: ARENA; others stand in pack->err. */
lc_err lc_pack_run(lc_pack *pack, lc_arena *scratch, const char *text, uint32_t bytes) LC_CHECKED;
/* The outputs as scores of the task's labels. */
void lc_head_scores(const lc_stage *stage, const float *out, lc_scores *scores);

#endif
