/* tok_pack.h - compiles a GGUF's vocabulary into the TOKENIZER section (runtime/FORMAT.md). */
#ifndef LC_TOK_PACK_H
#define LC_TOK_PACK_H

#include "../../board/linux/leaf_write.h"
#include "gguf.h"
#include "tok_trim.h"

/* Appends the section's body to out.
 *
 * Errors: UNSUPPORTED for a tokenizer or pre-tokenizer that is not built in, by name; FORMAT or
 * LIMIT for keys that are missing, of the wrong type or length, ids outside the vocabulary, equal
 * tokens, merges that are none; ARENA when out of memory. */
lc_err lc_tok_pack(const lc_gguf *g, lc_buf *out, lc_diag *diag) LC_CHECKED;
/* The same with the tokens of `trim` alone, under their new numbers; NULL: all. */
lc_err lc_tok_pack_trimmed(const lc_gguf *g, const lc_tok_trim *trim, lc_buf *out,
                           lc_diag *diag) LC_CHECKED;

#endif
