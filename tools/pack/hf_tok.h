/* hf_tok.h - a tokenizer of Hugging Face form while it is read. Not public. */
#ifndef LC_HF_TOK_H
#define LC_HF_TOK_H

#include "hf_parts.h"
#include "tok_vocab.h"

typedef enum lc_hf_prefix {
    LC_HF_PREFIX_NONE,
    LC_HF_PREFIX_ALWAYS, /* a blank before the first word */
    LC_HF_PREFIX_ONCE    /* unless text begins with one */
} lc_hf_prefix;

typedef struct lc_hf_tok {
    lc_hf_read *r;
    uint32_t count;    /* of tokens, holes included */
    const char **text; /* [count] NULL: a number that no token has */
    uint8_t *type;     /* [count] lc_tok_type, 0: not yet known */
    char *own;         /* texts made here */
    uint32_t bos, eos, unk;
    bool add_bos, add_eos;
    uint32_t norm;       /* LC_NORM_... */
    uint32_t word_chars; /* longest word of WordPiece */
    const char *pre;     /* pre-tokenizer of byte-level BPE, as GGUF calls it */
    bool blanks;         /* U+2581 stands for a blank */
    lc_hf_prefix prefix;
    bool bytes; /* characters that are no token become bytes */
    bool ignore_merges;
} lc_hf_tok;

/* Texts by id from model.vocab and added_tokens, types of the latter. */
lc_err lc_hf_vocab(lc_hf_tok *t, const cJSON *top, const cJSON *model) LC_CHECKED;
lc_err lc_hf_vocab_lines(lc_hf_tok *t) LC_CHECKED; /* of vocab.txt */
/* What the other tokens are, once the tokenizer is known. */
lc_err lc_hf_types(lc_hf_tok *t) LC_CHECKED;
/* Writes all key-values; merges: NULL for WordPiece. */
lc_err lc_hf_put_vocab(lc_hf_tok *t, const cJSON *merges) LC_CHECKED;

#endif
