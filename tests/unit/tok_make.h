/* tok_make.h - vocabularies for tests, on top of gguf_make.h. */
#ifndef TOK_MAKE_H
#define TOK_MAKE_H

#include "../../runtime/tok.h"
#include "gguf_make.h"

void tok_make_i32s(gguf_make *m, const char *key, const int32_t *list, uint32_t count);
void tok_make_f32s(gguf_make *m, const char *key, const float *list, uint32_t count);

/* Compiles a GGUF's vocabulary; the error of whatever failed. */
lc_err tok_make_section(const uint8_t *gguf, size_t bytes, lc_buf *section, lc_diag *diag);

/* Ids as "1 2 3", for short texts. Fails the test when lc_tok_encode does, or when it takes other
 * than the promised scratch. */
const char *tok_make_ids(const lc_tok *tok, const char *text, size_t bytes, bool special);

#endif
