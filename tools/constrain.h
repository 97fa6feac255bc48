/* constrain.h - output held to a list of labels, or to one small JSON object.
 *
 * A byte automaton knows which bytes may come next. Of the tokens those stay that it can walk, and
 * from which the rest can still be written in the tokens that are left: so what is written is
 * always whole, whatever the model prefers. Bytes that leave no choice are written without asking
 * it.
 *
 * A shape is JSON: an object whose keys are those of the output, in this order, and whose values
 * say what may stand there:
 *
 *   ["low", "high"]                            one of these strings
 *   "boolean"                                  true or false
 *   {"integer": [0, 100]}                      within these bounds, both included
 *   {"number": [-40, 125], "decimals": 1}      the same with up to 0 to 6 decimals (2)
 *   {"string": 40}                             at most so many bytes of UTF-8
 *   {"list": ["pump", "fan"], "max": 2}        an array of these strings, at most so many (all)
 */
#ifndef LC_CONSTRAIN_H
#define LC_CONSTRAIN_H

#include "../board/linux/json.h"
#include "../runtime/tok.h"

#define LC_CONSTRAIN_KEYS_MAX 32u
#define LC_CONSTRAIN_WORDS_MAX 256u     /* labels; strings of one value */
#define LC_CONSTRAIN_STRING_MAX 4096u   /* bytes of a string */
#define LC_CONSTRAIN_BOUND 1000000000.0 /* of numbers */
#define LC_CONSTRAIN_DECIMALS_MAX 6u

typedef struct lc_constrain lc_constrain; /* on the heap */

/* "a,b,c": the output is one of these. Errors: FORMAT, LIMIT, ARENA. */
lc_err lc_constrain_labels(const char *list, lc_constrain **constrain,
                           lc_json_diag *diag) LC_CHECKED;
lc_err lc_constrain_shape(const char *json, size_t bytes, lc_constrain **constrain,
                          lc_json_diag *diag) LC_CHECKED;
void lc_constrain_free(lc_constrain *constrain);

/* lc_constrain_bind - for a vocabulary, at the start of an output.
 *
 *   end     a token that may end a label which begins another; LC_TOKEN_NONE: none
 *   blank   one blank may come first, which is no part of the output
 *
 * Errors: UNSUPPORTED (the vocabulary cannot write this), ARENA.
 */
lc_err lc_constrain_bind(lc_constrain *constrain, const lc_tok *tok, uint32_t end, bool blank,
                         lc_json_diag *diag) LC_CHECKED;
/* Tokens that suffice from here. */
uint32_t lc_constrain_needs(const lc_constrain *constrain);
bool lc_constrain_done(const lc_constrain *constrain);
/* The next token when the bytes leave no choice, else LC_TOKEN_NONE. `left` tokens may still be
 * written, at least lc_constrain_needs. */
uint32_t lc_constrain_forced(lc_constrain *constrain, uint32_t left);
/* Tokens that may come: ids[vocab]; returns their number, at least 1 before the output is done. */
uint32_t lc_constrain_choices(lc_constrain *constrain, uint32_t left, uint32_t *ids);
/* One of those was written. */
void lc_constrain_take(lc_constrain *constrain, uint32_t id);

#endif
