/* tok_vocab.h - a GGUF's vocabulary in memory, and the symbols that its merges make. */
#ifndef LC_TOK_VOCAB_H
#define LC_TOK_VOCAB_H

#include "../../runtime/normal.h"
#include "../../runtime/tok_table.h"
#include "gguf.h"
#include "tok_trim.h"

typedef struct lc_vocab {
    const lc_gguf *g;
    uint8_t kind;   /* lc_tok_kind */
    uint8_t pretok; /* lc_pretok */
    uint8_t flags;  /* LC_TOK_ADD_BOS ... */
    uint32_t bos, eos, unk;
    uint32_t norm;       /* LC_NORM_... */
    uint32_t word_chars; /* longest word of WordPiece, 0: any */
    uint32_t count;
    lc_str *text;            /* [count] as in the file */
    uint8_t *type;           /* [count] lc_tok_type */
    lc_str *bytes;           /* [count] what the token stands for, in pool or in the file */
    bool *plain;             /* [count] text may become this token */
    char *pool;              /* [pool_bytes] */
    const lc_tok_trim *trim; /* what was taken out of the file's, or NULL */
} lc_vocab;

/* Keys of our own, which only checkpoints of Hugging Face form give (g->version 0). There nothing
 * is left unsaid: no default holds. */
#define LC_KEY_NORM "tokenizer.leafcutter.normalization"
#define LC_KEY_WORD_CHARS "tokenizer.leafcutter.word_chars"
#define LC_KEY_PREFIX_ONCE "tokenizer.leafcutter.prefix_once"
#define LC_KEY_IGNORE_MERGES "tokenizer.leafcutter.ignore_merges"

/* Reads and checks everything but merges and scores. On error nothing needs freeing. */
lc_err lc_vocab_read(const lc_gguf *g, lc_vocab *v, lc_diag *diag) LC_CHECKED;
void lc_vocab_free(lc_vocab *v);
/* Leaves only the tokens of trim, which must stay. */
void lc_vocab_trim(lc_vocab *v, const lc_tok_trim *trim);

/* Texts with numbers: a hash table, filled in order. */
typedef struct lc_names {
    lc_str *text;   /* [capacity] by number */
    uint32_t count; /* numbers given so far */
    uint32_t capacity;
    uint32_t *slot; /* [mask + 1] number + 1, 0 empty */
    uint32_t mask;
} lc_names;

bool lc_names_init(lc_names *names, uint32_t capacity); /* false: out of memory */
void lc_names_free(lc_names *names);
uint32_t lc_names_find(const lc_names *names, lc_str text); /* LC_TOKEN_NONE when absent */
/* Makes text findable under the number, which is below capacity. */
void lc_names_add(lc_names *names, lc_str text, uint32_t number);

typedef struct lc_bpe_merge {
    uint32_t left, right, rank, result; /* symbols */
} lc_bpe_merge;

/* Symbols of a BPE vocabulary: tokens, then texts that merges make and that are no token. */
typedef struct lc_bpe {
    lc_names symbol;
    uint32_t byte_symbol[256];
    lc_bpe_merge *merge; /* [merges] by left, right; no pair twice */
    uint32_t merges;
    char *pool; /* joined texts of symbols that are no tokens */
} lc_bpe;

lc_err lc_bpe_read(const lc_vocab *v, lc_bpe *bpe, lc_diag *diag) LC_CHECKED;
void lc_bpe_free(lc_bpe *bpe);
/* Leaves only merges between and to tokens of trim; symbols that are no tokens stay. */
lc_err lc_bpe_trim(lc_bpe *bpe, const lc_tok_trim *trim, lc_diag *diag) LC_CHECKED;

/* The printable characters that byte-level BPE writes for bytes: U+0021 to U+0143. */
uint32_t lc_byte_char(uint8_t byte);
/* The bytes that text stands for, to out[text.bytes]. False when it is not written in them. */
bool lc_byte_chars_read(lc_str text, char *out, uint32_t *bytes);

/* Offset in the file of a key's value, for errors; 0 when the key is absent. */
uint64_t lc_vocab_offset(const lc_gguf *g, const char *key);

#endif
