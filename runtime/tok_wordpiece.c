/* WordPiece as BERT uses it: text is cut at white space, punctuation and Chinese characters, what
 * is left of a word in lower case and without accents is covered by the longest tokens from its
 * start on, and a word that cannot be covered is one unknown token.
 *
 * Tables hold the tokens that begin a word with a blank before them, as GGUF files do (there it is
 * U+2581). So a word gets a blank in front, and the tokens found need no other mark.
 *
 * Tables of a GGUF fold each character to one, as llama.cpp does. Those that name a normalisation
 * (tok->norm) have the text normalised as the original does, Hangul taken apart and all.
 */
#include <string.h>

#include "limits.h"
#include "normal.h"
#include "tok_table.h"
#include "unicode.h"

#define BLANK_CODE_POINT 0x2581u
#define REPLACEMENT 0xfffdu

typedef struct work {
    const lc_tok *tok;
    lc_tok_out *out;
    char *word;          /* [2 * bytes + 5] a blank, then the folded characters */
    size_t bytes, chars; /* of the word, with and without that blank */
    char *normal;        /* [LC_NORMAL_GROWTH * bytes], where there is a normalisation */
} work;

/* Folding may turn two bytes into three. */
static bool work_push(work *w, const lc_tok *tok, size_t bytes, lc_arena *scratch)
{
    bool growing = tok->norm != 0;
    w->word = LC_PUSH(scratch, char, (growing ? LC_NORMAL_GROWTH : 2u) * bytes + 5);
    w->normal = growing ? LC_PUSH(scratch, char, LC_NORMAL_GROWTH *bytes) : NULL;
    return w->word != NULL && (w->normal != NULL || !growing);
}

size_t lc_tok_wordpiece_scratch_bytes(const lc_tok *tok, size_t bytes)
{
    lc_arena arena;
    work w;
    lc_arena_measure(&arena);
    return work_push(&w, tok, bytes, &arena) ? arena.peak : 0;
}

/* ---- characters ---- */

typedef enum part {
    PART_LETTER, /* goes on with the word */
    PART_ALONE,  /* is a word by itself */
    PART_SPACE,
    PART_NONE /* does not count */
} part;

static bool is_chinese(uint32_t c)
{
    return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
           (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2b73f) ||
           (c >= 0x2b740 && c <= 0x2b81f) ||
           (c >= 0x2b920 && c <= 0x2ceaf) || /* not 2b820: so in the tokenizers library */
           (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

static bool is_private(uint32_t c)
{
    return (c >= 0xe000 && c <= 0xf8ff) || (c >= 0xf0000 && c <= 0xffffd) ||
           (c >= 0x100000 && c <= 0x10fffd);
}

/* Of a folded character. */
static part part_of(uint32_t c)
{
    lc_uclass class = lc_unicode_class(c);
    if (class == LC_UCLASS_SPACE) {
        return PART_SPACE;
    }
    if (c == REPLACEMENT || class == LC_UCLASS_CONTROL || class == LC_UCLASS_MARK ||
        is_private(c)) {
        return PART_NONE;
    }
    bool alone = class == LC_UCLASS_PUNCT || (class == LC_UCLASS_SYMBOL && c < 0x7f);
    return alone || is_chinese(c) ? PART_ALONE : PART_LETTER;
}

/* The same of a normalised one: what does not count has gone. */
static part part_of_normal(const lc_tok *tok, uint32_t c)
{
    lc_uclass class = lc_unicode_class(c);
    if (class == LC_UCLASS_SPACE) {
        return PART_SPACE;
    }
    bool alone = class == LC_UCLASS_PUNCT || (class == LC_UCLASS_SYMBOL && c < 0x7f);
    bool chinese = (tok->norm & LC_NORM_CHINESE) != 0 && is_chinese(c);
    return alone || chinese ? PART_ALONE : PART_LETTER;
}

/* ---- words ---- */

static uint32_t common_bytes(lc_str token, const char *text, uint32_t bytes)
{
    uint32_t n = 0;
    while (n < token.bytes && n < bytes && token.data[n] == text[n]) {
        n++;
    }
    return n;
}

/* Index in `sorted` of the last token that is not after text; false when there is none. */
static bool last_before(const lc_tok *tok, const char *text, uint32_t bytes, uint32_t *at)
{
    uint32_t low = 0;
    uint32_t high = tok->view[LC_TOK_SORTED_COUNT];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        lc_str token = lc_tok_text(tok, lc_tok_u32(tok, LC_TOK_SORTED, middle));
        uint32_t n = common_bytes(token, text, bytes);
        bool after = n < token.bytes && (n == bytes || (uint8_t)token.data[n] > (uint8_t)text[n]);
        if (after) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    *at = low - 1;
    return low > 0;
}

/* The longest token that text begins with. Tokens between a prefix of text and text share that
 * prefix, so of the last token before text only what it has in common is looked for further. */
static uint32_t longest_token(const lc_tok *tok, const char *text, uint32_t bytes, uint32_t *taken)
{
    uint32_t at;
    while (bytes > 0 && last_before(tok, text, bytes, &at)) {
        uint32_t id = lc_tok_u32(tok, LC_TOK_SORTED, at);
        lc_str token = lc_tok_text(tok, id);
        uint32_t n = common_bytes(token, text, bytes);
        if (n == token.bytes) {
            *taken = n;
            return n > 0 && id < tok->vocab ? id : LC_TOKEN_NONE;
        }
        bytes = n;
    }
    return LC_TOKEN_NONE;
}

static void put_unknown(work *w)
{
    if (w->tok->unk != LC_TOKEN_NONE) {
        lc_tok_put(w->out, w->tok->unk);
    }
}

/* Gives the word's tokens, or one unknown token, and begins the next word. */
static void end_word(work *w)
{
    lc_tok_out before = *w->out;
    size_t bytes = w->bytes, chars = w->chars;
    uint32_t id = LC_TOKEN_NONE, taken = 0;
    w->bytes = 1;
    w->chars = 0;
    if (w->tok->word_chars > 0 && chars > w->tok->word_chars) {
        put_unknown(w);
        return;
    }
    for (size_t at = 0; bytes > 1 && at < bytes; at += taken) {
        size_t left = bytes - at;
        size_t most = w->tok->view[LC_TOK_TOKEN_BYTES];
        id = longest_token(w->tok, w->word + at, (uint32_t)(left < most ? left : most), &taken);
        if (id == LC_TOKEN_NONE) {
            *w->out = before; /* ids written after it do not count */
            put_unknown(w);
            return;
        }
        lc_tok_put(w->out, id);
    }
}

static void add_char(work *w, uint32_t c)
{
    w->chars++;
    if (c == BLANK_CODE_POINT && w->tok->norm == 0) { /* as in the tokens */
        w->word[w->bytes++] = ' ';
    } else {
        w->bytes += lc_utf8_encode(c, w->word + w->bytes);
    }
}

static void take_char(work *w, uint32_t c)
{
    part kind = w->tok->norm != 0 ? part_of_normal(w->tok, c) : part_of(c);
    if (kind == PART_NONE) {
        return;
    }
    if (kind != PART_LETTER) {
        end_word(w);
    }
    if (kind != PART_SPACE) {
        add_char(w, c);
    }
    if (kind == PART_ALONE) {
        end_word(w);
    }
}

lc_err lc_tok_wordpiece_encode(const lc_tok *tok, const char *text, size_t bytes, lc_arena *scratch,
                               lc_tok_out *out)
{
    work w = {.tok = tok, .out = out, .bytes = 1};
    bool normal = tok->norm != 0;
    if (!work_push(&w, tok, bytes, scratch)) {
        return LC_ERR_ARENA;
    }
    w.word[0] = ' ';
    if (normal) {
        bytes = lc_normal_write(tok->norm, text, bytes, w.normal);
        text = w.normal;
    }
    size_t at = 0;
    while (at < bytes && !out->cut) {
        uint32_t code_point = REPLACEMENT;
        uint32_t length = lc_utf8_decode(text + at, bytes - at, &code_point);
        at += length == 0 ? 1 : length;
        take_char(&w, normal || length == 0 ? code_point : lc_unicode_fold(code_point));
    }
    end_word(&w);
    return LC_OK;
}
