/* pretok.h - cuts text into the pieces that merges must not cross.
 *
 * Each pre-tokenizer is the state machine of its published regular expression(s); the expression
 * stands above its function in pretok.c. Pieces follow each other without gaps.
 */
#ifndef LC_PRETOK_H
#define LC_PRETOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tok.h"

bool lc_pretok_known(uint32_t pretok);

/* End of the piece that starts at `at` < bytes; more than `at`, at most `bytes`. Any bytes are
 * safe; what is not UTF-8 counts as symbols of one byte. */
size_t lc_pretok_next(lc_pretok pretok, const char *text, size_t bytes, size_t at);

#endif
