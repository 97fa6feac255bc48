/* pattern.h - safe patterns: a search takes time linear in the text, whatever the pattern.
 *
 *   literals . [a-z] [^x] | ( ) * + ?  \d \w \s \D \W \S  \b \B  ^ $  \t \n, \ before punctuation
 * Case-insensitive in ASCII; one unit of text is a UTF-8 code point. No counted repeats, no
 * back-references, no captures. The pattern becomes a nondeterministic automaton of at most
 * LC_PATTERN_STATES_MAX states that advances all its states at once.
 */
#ifndef LC_PATTERN_H
#define LC_PATTERN_H

#include "arena.h"
#include "err.h"
#include "limits.h"

typedef struct lc_pattern lc_pattern;

/* Compiles a pattern (without its slashes) onto the arena. Errors: FORMAT, LIMIT with the byte in
 * diag; ARENA. With a measuring arena it checks and counts, and *pattern must not be used. */
lc_err lc_pattern_compile(const char *source, uint32_t bytes, lc_arena *state, lc_pattern **pattern,
                          lc_diag *diag) LC_CHECKED;
/* Does the pattern occur anywhere in the text? At most bytes * states steps. */
bool lc_pattern_search(const lc_pattern *pattern, const char *text, uint32_t bytes);
uint32_t lc_pattern_states(const lc_pattern *pattern);

#endif
