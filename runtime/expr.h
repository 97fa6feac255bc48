/* expr.h - the rule language: facts, labels of earlier tasks, probabilities, safe patterns.
 *
 *   temp > 90            a fact's number (any fact of that key); units convert: temp > 194 F
 *   text ~ /hot|burn/    linear-time pattern on the text, case-insensitive
 *   fault.label == normal, label == leak, p < 0.5, oos > 0.3, state == "open" (word facts)
 *   and, or, not, ( )    has(temp): the fact exists
 * A comparison with a fact that is not there is false.
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

/* Compiles source text onto the arena. A syntax error gives its byte offset in diag. With a
 * measuring arena it checks and counts, and *expr must not be used. */
lc_err lc_expr_compile(const char *source, uint32_t bytes, lc_arena *state, lc_expr **expr,
                       lc_diag *diag) LC_CHECKED;
/* *evidence, when not NULL, receives the index of a fact that made it true, or -1. */
bool lc_expr_eval(const lc_expr *expr, const lc_expr_env *env, int32_t *evidence);

#endif
