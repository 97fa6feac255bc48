/* tok.h - text to token ids and back, from tables that the packer compiled (FORMAT.md).
 *
 * Ids equal the original tokenizer's. Special tokens are never parsed out of the text.
 */
#ifndef LC_TOK_H
#define LC_TOK_H

#include <stdbool.h>

#include "arena.h"
#include "bytes.h"
#include "err.h"

typedef enum lc_tok_kind { LC_TOK_BPE = 1, LC_TOK_SPM = 2, LC_TOK_WORDPIECE = 3 } lc_tok_kind;

typedef enum lc_pretok { /* numbers are part of the format */
    LC_PRETOK_NONE = 0,
    LC_PRETOK_GPT2 = 1,
    LC_PRETOK_SMOLLM = 2,
    LC_PRETOK_QWEN2 = 3,
    LC_PRETOK_LLAMA_BPE = 4,
    LC_PRETOK_FALCON = 5
} lc_pretok;

#define LC_TOKEN_NONE 0xffffffffu

typedef struct lc_tok {
    uint8_t kind;   /* lc_tok_kind */
    uint8_t pretok; /* lc_pretok */
    bool add_bos, add_eos;
    bool add_space_prefix; /* SPM: one blank before the first word */
    uint32_t vocab;
    uint32_t bos, eos, unk; /* LC_TOKEN_NONE when absent */
    const uint8_t *table;   /* the section; the rest of the fields are the tokenizer's own */
    size_t table_bytes;
    uint32_t view[16]; /* offsets and counts of the parts inside the table, validated */
} lc_tok;

/* Validates the section and fills tok, which points into it. */
lc_err lc_tok_open(const uint8_t *section, size_t bytes, lc_tok *tok, lc_diag *diag) LC_CHECKED;

/* Scratch bytes that lc_tok_encode takes for a text of up to `bytes` bytes. */
size_t lc_tok_scratch_bytes(const lc_tok *tok, size_t bytes);
/* Encodes valid UTF-8 text (lc_utf8_clean). special: add BOS/EOS as the file says. At most max ids
 * are written; *count is their number and *cut tells that more would have come.
 * scratch is used and rewound. Errors: LC_ERR_ARENA. */
lc_err lc_tok_encode(const lc_tok *tok, const char *text, size_t bytes, bool special,
                     lc_arena *scratch, uint32_t *ids, uint32_t max, uint32_t *count,
                     bool *cut) LC_CHECKED;
/* Writes the bytes of one token (control tokens write none) to out[0..max); returns their number.
 * first: SPM drops the blank of a text's first token. */
uint32_t lc_tok_decode(const lc_tok *tok, uint32_t id, bool first, char *out, uint32_t max);
/* The token's text as the vocabulary holds it. */
lc_str lc_tok_text(const lc_tok *tok, uint32_t id);

#endif
