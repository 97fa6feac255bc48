/* tok_trim.h - a vocabulary for one purpose: only the tokens that a text needs.
 *
 * A text that was kept is cut into the same tokens as before, under new numbers: whatever merging
 * passes through on the way to a kept token stays. Other texts fall back to smaller tokens, in the
 * end to single bytes, or with WordPiece to the unknown token.
 */
#ifndef LC_TOK_TRIM_H
#define LC_TOK_TRIM_H

#include "../../board/linux/leaf_write.h"
#include "gguf.h"

typedef struct lc_tok_trim {
    uint32_t count;     /* tokens that stay */
    uint32_t full;      /* tokens there were */
    uint32_t *old;      /* [count] their numbers before, ascending */
    uint32_t *renumber; /* [full] number now, LC_TOKEN_NONE: gone */
} lc_tok_trim;

/* Keeps what the lines of text need, each as it is and after a blank (a label stands in the middle
 * of a prompt), and besides them all single bytes, ASCII characters and special tokens; with
 * WordPiece every single character. Errors: as lc_tok_pack; ARGUMENT for a text without tokens. */
lc_err lc_tok_trim_find(const lc_gguf *g, const char *text, size_t bytes, lc_tok_trim *trim,
                        lc_diag *diag) LC_CHECKED;
void lc_tok_trim_free(lc_tok_trim *trim);

#endif
