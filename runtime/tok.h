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
#define LC_TOK_TEXT_BYTES_MAX 0x10000000u /* of one lc_tok_encode */

typedef struct lc_tok {
    uint8_t kind;   /* lc_tok_kind */
    uint8_t pretok; /* lc_pretok */
    bool add_bos, add_eos;
    bool add_space_prefix; /* SPM: one blank before the first word */
    bool prefix_once;      /* and none when it begins with one */
    bool ignore_merges;    /* BPE: a piece that is a token is not taken apart */
    bool white;            /* user-defined tokens of white space are taken from text first */
    uint8_t norm;          /* LC_NORM_... (normal.h): applied to text first; 0 none */
    uint32_t word_chars;   /* WordPiece: a longer word is unknown; 0: none is too long */
    uint32_t vocab;
    uint32_t bos, eos, unk; /* LC_TOKEN_NONE when absent */
    const uint8_t *table;   /* the section; the rest of the fields are the tokenizer's own */
    size_t table_bytes;
    uint32_t view[16]; /* offsets and counts of the parts inside the table (tok_table.h) */
} lc_tok;

/* Checks header and extent of the section and fills tok, which points into it. What stands inside
 * the parts is checked where it is used, so opening reads nothing else: a damaged table gives wrong
 * ids, all below vocab. Errors: FORMAT, VERSION, LIMIT, UNSUPPORTED. */
lc_err lc_tok_open(const uint8_t *section, size_t bytes, lc_tok *tok, lc_diag *diag) LC_CHECKED;

/* Scratch bytes that lc_tok_encode takes for a text of `bytes` bytes, exactly; 0 for none. */
size_t lc_tok_scratch_bytes(const lc_tok *tok, size_t bytes);
/* Encodes text; special: BOS and EOS are added as the file says. Invalid UTF-8 (see lc_utf8_clean)
 * is safe and encoded byte by byte. At most max ids are written; *count is their number and *cut
 * tells that more would have come. scratch is used and rewound. Errors: LC_ERR_ARENA, and
 * LC_ERR_LIMIT for a text of LC_TOK_TEXT_BYTES_MAX or more. */
lc_err lc_tok_encode(const lc_tok *tok, const char *text, size_t bytes, bool special,
                     lc_arena *scratch, uint32_t *ids, uint32_t max, uint32_t *count,
                     bool *cut) LC_CHECKED;
/* Writes the text of one token (control, unknown and unused tokens have none) to out[0..max);
 * returns the number of bytes written. A character may be spread over several tokens.
 * first: SPM drops the blank that encoding put before the first word. */
uint32_t lc_tok_decode(const lc_tok *tok, uint32_t id, bool first, char *out, uint32_t max);
/* The bytes that the token stands for, control tokens by their name; empty for an id over vocab. */
lc_str lc_tok_text(const lc_tok *tok, uint32_t id);

#endif
