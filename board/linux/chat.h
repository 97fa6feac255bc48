/* chat.h - prompts of chat models: a table of templates, recognised when packing, written as ids.
 *
 * A GGUF carries its template as a Jinja program. None is run here: the packer recognises the
 * family by what stands in it and writes that down (section CHAT, FORMAT.md). Tokens of the
 * template are put as ids where the vocabulary has them; the texts of people never become special
 * tokens.
 */
#ifndef LC_CHAT_H
#define LC_CHAT_H

#include "../../runtime/tok.h"
#include "leaf_write.h"

typedef enum lc_chat_kind { /* numbers are part of the format */
                            LC_CHAT_CHATML = 1,
                            LC_CHAT_QWEN3 = 2, /* ChatML; thinks unless told not to */
                            LC_CHAT_LLAMA2 = 3,
                            LC_CHAT_LLAMA3 = 4,
                            LC_CHAT_GEMMA = 5,
                            LC_CHAT_GRANITE = 6,
                            LC_CHAT_PHI3 = 7,
                            LC_CHAT_ZEPHYR = 8,
                            LC_CHAT_MISTRAL = 9
} lc_chat_kind;

enum {                           /* bits of flags */
       LC_CHAT_BOS = 1,          /* the template begins with it */
       LC_CHAT_BLANK_BEFORE = 2, /* MISTRAL: a blank between [INST] and the text */
       LC_CHAT_BLANK_AFTER = 4,  /* and before [/INST] */
       LC_CHAT_DATED = 8,        /* LLAMA3: the system message begins with dates */
       LC_CHAT_FLAGS = 15
};

#define LC_CHAT_SYSTEM_BYTES_MAX 512u
#define LC_CHAT_PIECES_MAX 32u
#define LC_CHAT_ENDS_MAX 4u

typedef struct lc_chat {
    uint32_t kind; /* lc_chat_kind */
    uint32_t flags;
    lc_str system; /* what the template says when nobody does; may be empty */
} lc_chat;

/* Which template of the table this is; false: none. chat->system points into it. */
bool lc_chat_recognise(lc_str jinja, lc_chat *chat);
/* "chatml" ... */
const char *lc_chat_name(uint32_t kind);

/* The section's bytes, and back. Opening: NOT_FOUND when the pack has none, FORMAT, UNSUPPORTED. */
void lc_chat_write(const lc_chat *chat, lc_buf *out);
lc_err lc_chat_open(const lc_leaf *pack, lc_chat *chat, lc_diag *diag) LC_CHECKED;

/* One question. */
typedef struct lc_chat_turn {
    const lc_str *system; /* NULL: the template's own; empty: none */
    lc_str user;
    bool think; /* QWEN3: do not close the block of thoughts before it begins */
} lc_chat_turn;

/* A token of the template, or text to be encoded as one, special tokens not parsed. */
typedef struct lc_chat_piece {
    uint32_t id; /* or LC_TOKEN_NONE */
    lc_str text; /* of text, else the token's name */
} lc_chat_piece;

/* Bytes of text that a turn takes at most. */
size_t lc_chat_text_bytes(const lc_chat_turn *turn);
/* lc_chat_render - a turn up to where the answer begins.
 *
 *   text    [lc_chat_text_bytes(turn)]  where the pieces' text lies
 *   piece   [LC_CHAT_PIECES_MAX]        in order; no two texts side by side
 *
 * Returns how many pieces there are. The texts of system and user stand in `text` whole, but for
 * blanks at their ends where the template trims.
 */
uint32_t lc_chat_render(const lc_chat *chat, const lc_tok *tok, const lc_chat_turn *turn,
                        char *text, lc_chat_piece *piece);
/* Ids of pieces, as lc_tok_encode. */
lc_err lc_chat_encode(const lc_tok *tok, const lc_chat_piece *piece, uint32_t count,
                      lc_arena *scratch, uint32_t *ids, uint32_t max, uint32_t *id_count,
                      bool *cut) LC_CHECKED;
/* Tokens that end an answer, the vocabulary's EOS among them; returns their number. */
uint32_t lc_chat_ends(const lc_chat *chat, const lc_tok *tok, uint32_t ids[LC_CHAT_ENDS_MAX]);

#endif
