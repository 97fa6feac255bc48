/* expr.h - the rule language: facts, labels of earlier tasks, probabilities, safe patterns.
 *
 *   temp > 90            a fact's number, any fact of that key (aliases hold: temperature > 90)
 *   temp > 194 F         units convert; with another dimension the comparison is false
 *   text ~ /hot|burn/    linear-time pattern on the text, case-insensitive (pattern.h)
 *   label == leak, fault.label != normal       this task's label so far, an earlier task's
 *   p < 0.5, oos > 0.3   of this task so far
 *   state == open, state != "open"             word facts, case-insensitive
 *   has(temp)            the fact exists
 *   and, or, not, ( )    in falling order of binding: not, and, or
 * A number without a unit on the right is in the base unit of what the fact measures (C, mm/s, bar,
 * V, A: facts.h); a fact without a unit is taken to be in the unit on the right.
 * A comparison with a fact or a label that is not there is false, also with !=. The words
 * `text label p oos has and or not` are not keys.
 */
#ifndef LC_EXPR_H
#define LC_EXPR_H

#include "arena.h"
#include "err.h"
#include "facts.h"

typedef struct lc_expr lc_expr;

/* What an expression may ask about besides facts and text; the job fills it. */
typedef struct lc_expr_env {
    const char *text;
    uint32_t bytes;
    const lc_facts *facts;
    lc_str label;           /* of this task so far, "" none */
    float p, oos;
    void *ctx;
    /* label of an earlier task by name; "" when it has none. */
    lc_str (*task_label)(void *ctx, lc_str task);
} lc_expr_env;

/* Compiles source text onto the arena; source must outlive the expression. A syntax error gives its
 * byte offset in diag. With a measuring arena it checks and counts, and *expr must not be used. */
lc_err lc_expr_compile(const char *source, uint32_t bytes, lc_arena *state, lc_expr **expr,
                       lc_diag *diag) LC_CHECKED;

/* Labels that an expression may compare with. */
typedef struct lc_expr_scope {
    /* Does this task ("": the own one) have this label? */
    bool (*knows)(void *ctx, lc_str task, lc_str label);
    void *ctx;
} lc_expr_scope;

/* The same, and every label that is compared with must be known: else FORMAT at its place. */
lc_err lc_expr_compile_in(const char *source, uint32_t bytes, const lc_expr_scope *scope,
                          lc_arena *state, lc_expr **expr, lc_diag *diag) LC_CHECKED;
/* *evidence, when not NULL, receives the index of a fact that made it true, or -1. */
bool lc_expr_eval(const lc_expr *expr, const lc_expr_env *env, int32_t *evidence);

#endif
