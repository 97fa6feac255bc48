/* tok_table.h - how the TOKENIZER section is read, and what its encoders share. Not public.
 *
 * FORMAT.md describes the section. Parts follow the header in the order of lc_tok_part; each is
 * inside the section once lc_tok_open has succeeded, but what it holds is untrusted: every number
 * taken from a part is compared with its bound here, where it is used.
 */
#ifndef LC_TOK_TABLE_H
#define LC_TOK_TABLE_H

#include "tok.h"

#define LC_TOK_VERSION 1u
#define LC_TOK_HEADER_BYTES 64u
#define LC_TOK_MERGE_BYTES 12u
#define LC_TOK_SPELL_MAX LC_TOKEN_BYTES_MAX

enum { /* bits of the header's flags */
       LC_TOK_ADD_BOS = 1,
       LC_TOK_ADD_EOS = 2,
       LC_TOK_SPACE_PREFIX = 4,
       LC_TOK_IGNORE_MERGES = 8,
       LC_TOK_PREFIX_ONCE = 16,
       LC_TOK_WHITE = 32
};

typedef enum lc_tok_type { /* of a token, numbers as in GGUF */
                           LC_TOK_NORMAL = 1,
                           LC_TOK_UNKNOWN = 2,
                           LC_TOK_CONTROL = 3,
                           LC_TOK_USER = 4,
                           LC_TOK_UNUSED = 5,
                           LC_TOK_BYTE = 6
} lc_tok_type;

/* Index into lc_tok.view: offsets of the parts in the section, then the counts that bound them. */
typedef enum lc_tok_part {
    LC_TOK_TEXT_START,  /* u32 [vocab + 1] */
    LC_TOK_BYTE_SYMBOL, /* u32 [256] */
    LC_TOK_RANK,        /* u32 [vocab], SPM without merges */
    LC_TOK_MERGE_START, /* u32 [symbols + 1], BPE, SPM with merges */
    LC_TOK_MERGE,       /* {u32 right, rank, result} [merges] */
    LC_TOK_SPELL_START, /* u32 [symbols - vocab + 1], BPE */
    LC_TOK_SPELL,       /* u32 [spells], BPE */
    LC_TOK_SORTED,      /* u32 [sorted] */
    LC_TOK_TYPE,        /* u8 [vocab] */
    LC_TOK_TEXT,        /* u8 [text_bytes] */
    LC_TOK_PARTS,
    LC_TOK_SYMBOLS = LC_TOK_PARTS,
    LC_TOK_MERGES,
    LC_TOK_SPELLS,
    LC_TOK_SORTED_COUNT,
    LC_TOK_TEXT_BYTES,
    LC_TOK_TOKEN_BYTES /* of the longest token */
} lc_tok_part;

static inline uint32_t lc_tok_u32(const lc_tok *tok, lc_tok_part part, uint32_t i)
{
    const uint8_t *p = tok->table + tok->view[part] + (size_t)i * 4;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* The token whose text is exactly this, among those that text may become; or LC_TOKEN_NONE. */
uint32_t lc_tok_find(const lc_tok *tok, const char *text, size_t bytes);

/* Where encoders put ids. */
typedef struct lc_tok_out {
    uint32_t *ids; /* [max] */
    uint32_t max, count;
    bool cut;
} lc_tok_out;

static inline void lc_tok_put(lc_tok_out *out, uint32_t id)
{
    if (out->count < out->max) {
        out->ids[out->count++] = id;
    } else {
        out->cut = true;
    }
}

/* What two symbols become when they are joined, and how soon. */
typedef struct lc_tok_pair {
    uint32_t rank;   /* LC_RANK_NONE: they are not */
    uint32_t result; /* symbol */
} lc_tok_pair;

lc_tok_pair lc_tok_find_pair(const lc_tok *tok, uint32_t left, uint32_t right);

size_t lc_tok_bpe_scratch_bytes(const lc_tok *tok, size_t bytes);
size_t lc_tok_spm_scratch_bytes(const lc_tok *tok, size_t bytes);
size_t lc_tok_wordpiece_scratch_bytes(const lc_tok *tok, size_t bytes);
lc_err lc_tok_bpe_encode(const lc_tok *tok, const char *text, size_t bytes, lc_arena *scratch,
                         lc_tok_out *out) LC_CHECKED;
lc_err lc_tok_spm_encode(const lc_tok *tok, const char *text, size_t bytes, lc_arena *scratch,
                         lc_tok_out *out) LC_CHECKED;
lc_err lc_tok_wordpiece_encode(const lc_tok *tok, const char *text, size_t bytes, lc_arena *scratch,
                               lc_tok_out *out) LC_CHECKED;

#endif
