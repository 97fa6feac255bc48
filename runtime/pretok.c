#include "pretok.h"

#include "err.h"
#include "unicode.h"

/* The four kinds of character that the expressions tell apart, and the end of the text. */
typedef enum kind { KIND_END, KIND_SPACE, KIND_LETTER, KIND_NUMBER, KIND_OTHER } kind;

typedef struct glyph {
    kind kind;
    uint32_t code_point;
    size_t end; /* of this character, in the text */
} glyph;

/* Some tokenizers first cut at certain characters and then match each part by itself, so that a
 * lookahead sees the end of the text there. `cut` makes those characters read as the end. */
typedef enum cut { CUT_NONE, CUT_NUMBERS, CUT_PUNCT } cut;

typedef struct scan {
    const char *text;
    size_t bytes;
    cut cut;
} scan;

/* [\p{P}\$\+<=>\^~\|`] */
static bool is_cut_punct(uint32_t code_point, lc_uclass uclass)
{
    switch (code_point) {
    case '$':
    case '+':
    case '<':
    case '=':
    case '>':
    case '^':
    case '`':
    case '|':
    case '~':
        return true;
    default:
        return uclass == LC_UCLASS_PUNCT;
    }
}

static kind kind_of(lc_uclass uclass)
{
    switch (uclass) {
    case LC_UCLASS_SPACE:
        return KIND_SPACE;
    case LC_UCLASS_LETTER:
        return KIND_LETTER;
    case LC_UCLASS_NUMBER:
        return KIND_NUMBER;
    default:
        return KIND_OTHER;
    }
}

static bool is_cut(const scan *s, uint32_t code_point, lc_uclass uclass)
{
    return (s->cut == CUT_NUMBERS && uclass == LC_UCLASS_NUMBER) ||
           (s->cut == CUT_PUNCT && is_cut_punct(code_point, uclass));
}

static glyph peek(const scan *s, size_t at)
{
    if (at >= s->bytes) {
        return (glyph){KIND_END, 0, at};
    }
    uint32_t code_point = 0;
    uint32_t length = lc_utf8_decode(s->text + at, s->bytes - at, &code_point);
    if (length == 0) {
        return (glyph){KIND_OTHER, 0, at + 1};
    }
    lc_uclass uclass = lc_unicode_class(code_point);
    if (is_cut(s, code_point, uclass)) {
        return (glyph){KIND_END, code_point, at};
    }
    return (glyph){kind_of(uclass), code_point, at + length};
}

static size_t run_end(const scan *s, size_t at, kind wanted)
{
    glyph g = peek(s, at);
    while (g.kind == wanted) {
        at = g.end;
        g = peek(s, at);
    }
    return at;
}

static bool is_newline(char c)
{
    return c == '\n' || c == '\r';
}

/* 's|'t|'re|'ve|'m|'ll|'d; fold: capitals too. Returns the end, or `at` when there is none. */
static size_t contraction_end(const scan *s, size_t at, bool fold)
{
    char c[3] = {0, 0, 0};
    for (size_t i = 0; i < sizeof c && at + i < s->bytes; i++) {
        char byte = s->text[at + i];
        c[i] = fold && byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
    }
    if (c[0] != '\'') {
        return at;
    }
    if (c[1] == 's' || c[1] == 't' || c[1] == 'm' || c[1] == 'd') {
        return at + 2;
    }
    if (((c[1] == 'r' || c[1] == 'v') && c[2] == 'e') || (c[1] == 'l' && c[2] == 'l')) {
        return at + 3;
    }
    return at;
}

/* \s+(?!\S)|\s+ at a white space: the whole run before the end, otherwise all but its last
 * character, which then goes with what follows, unless it is alone. */
static size_t space_end(const scan *s, size_t at)
{
    size_t last = at;
    size_t end = at;
    glyph g = peek(s, at);
    while (g.kind == KIND_SPACE) {
        last = end;
        end = g.end;
        g = peek(s, end);
    }
    return g.kind == KIND_END || last == at ? end : last;
}

/* gpt-2: 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t next_gpt2(const scan *s, size_t at)
{
    size_t end = contraction_end(s, at, false);
    if (end > at) {
        return end;
    }
    size_t start = s->text[at] == ' ' ? at + 1 : at;
    glyph g = peek(s, start);
    if (g.kind == KIND_LETTER || g.kind == KIND_NUMBER || g.kind == KIND_OTHER) {
        return run_end(s, g.end, g.kind);
    }
    return space_end(s, at);
}

/* smollm: \p{N}, and what lies between by gpt-2. */
static size_t next_smollm(const scan *s, size_t at)
{
    scan whole = {s->text, s->bytes, CUT_NONE};
    glyph g = peek(&whole, at);
    return g.kind == KIND_NUMBER ? g.end : next_gpt2(s, at);
}

/* [0-9][0-9][0-9] inside a piece ` ?\p{N}+` whose numbers begin at `start`: what stands before its
 * first three digits, or those, or the whole piece. Stops there, so a long piece is read once. */
static size_t digits_end(const scan *s, size_t at, size_t start)
{
    size_t end = start;
    size_t digits = 0;
    for (glyph g = peek(s, start); g.kind == KIND_NUMBER; g = peek(s, end)) {
        end = g.end;
        digits = g.code_point < 0x80 ? digits + 1 : 0;
        if (digits == 3) {
            return end - 3 > at ? end - 3 : end;
        }
    }
    return end;
}

/* falcon: [\p{P}\$\+<=>\^~\|`]+, what lies between by gpt-2, and numbers cut once more. */
static size_t next_falcon(const scan *s, size_t at)
{
    size_t end = at;
    scan whole = {s->text, s->bytes, CUT_NONE};
    while (end < s->bytes && peek(s, end).kind == KIND_END) {
        end = peek(&whole, end).end;
    }
    if (end > at) {
        return end;
    }
    size_t start = s->text[at] == ' ' ? at + 1 : at;
    return peek(s, start).kind == KIND_NUMBER ? digits_end(s, at, start) : next_gpt2(s, at);
}

/* [^\r\n\p{L}\p{N}]?\p{L}+; `at` when it does not match. */
static size_t word_end(const scan *s, size_t at)
{
    glyph g = peek(s, at);
    if (g.kind == KIND_LETTER) {
        return run_end(s, g.end, KIND_LETTER);
    }
    if (g.kind == KIND_NUMBER || is_newline(s->text[at])) {
        return at;
    }
    size_t end = run_end(s, g.end, KIND_LETTER);
    return end > g.end ? end : at;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ at a white space. */
static size_t newlines_or_space_end(const scan *s, size_t at)
{
    size_t end = run_end(s, at, KIND_SPACE);
    while (end > at && !is_newline(s->text[end - 1])) {
        end--;
    }
    return end > at ? end : space_end(s, at);
}

/* qwen2, llama-bpe: (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,numbers}|
 *  ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 * qwen2 takes numbers one by one, llama-bpe up to three. Capitals are those of ASCII. */
static size_t next_llama3(const scan *s, size_t at, uint32_t numbers)
{
    size_t end = contraction_end(s, at, true);
    if (end == at) {
        end = word_end(s, at);
    }
    if (end > at) {
        return end;
    }
    glyph g = peek(s, at);
    if (g.kind == KIND_NUMBER) {
        end = g.end;
        g = peek(s, end);
        for (uint32_t i = 1; i < numbers && g.kind == KIND_NUMBER; i++) {
            end = g.end;
            g = peek(s, end);
        }
        return end;
    }
    end = run_end(s, s->text[at] == ' ' ? at + 1 : at, KIND_OTHER);
    if (end > at + (s->text[at] == ' ')) {
        while (end < s->bytes && is_newline(s->text[end])) {
            end++;
        }
        return end;
    }
    return newlines_or_space_end(s, at);
}

bool lc_pretok_known(uint32_t pretok)
{
    return pretok >= LC_PRETOK_GPT2 && pretok <= LC_PRETOK_FALCON;
}

size_t lc_pretok_next(lc_pretok pretok, const char *text, size_t bytes, size_t at)
{
    lc_assert(at < bytes);
    scan s = {text, bytes, CUT_NONE};
    switch (pretok) {
    case LC_PRETOK_SMOLLM:
        s.cut = CUT_NUMBERS;
        return next_smollm(&s, at);
    case LC_PRETOK_FALCON:
        s.cut = CUT_PUNCT;
        return next_falcon(&s, at);
    case LC_PRETOK_QWEN2:
        return next_llama3(&s, at, 1);
    case LC_PRETOK_LLAMA_BPE:
        return next_llama3(&s, at, 3);
    default:
        return next_gpt2(&s, at);
    }
}
