#include "tok_trim.h"

#include <stdlib.h>
#include <string.h>

#include "../../kernels/base.h"

#include "fail.h"
#include "tok_pack.h"
#include "tok_vocab.h"

typedef struct trimmer {
    lc_vocab v;
    lc_tok tok;
    lc_names names; /* tokens by what they stand for */
    bool *keep;     /* [v.count] */
    lc_diag *diag;
} trimmer;

static lc_err out_of_memory(lc_diag *diag)
{
    return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
}

/* ---- what a text needs ---- */

/* Room to encode the longest line. */
typedef struct encoder {
    lc_arena scratch;
    void *memory;
    char *line;
    uint32_t *ids;
    uint32_t max;
} encoder;

static size_t line_bytes(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return (size_t)((newline ? newline : end) - at);
}

static bool encoder_init(const trimmer *t, const char *text, size_t bytes, encoder *e)
{
    size_t longest = 0;
    for (const char *at = text; at < text + bytes; at += line_bytes(at, text + bytes) + 1) {
        size_t n = line_bytes(at, text + bytes);
        longest = n > longest ? n : longest;
    }
    longest = 3 * (longest + 1); /* after a blank, in clean UTF-8 */
    size_t size = LC_ROUND_UP(lc_tok_scratch_bytes(&t->tok, longest) + 64, 64);
    e->max = (uint32_t)longest + 8;
    e->memory = aligned_alloc(64, size);
    e->line = malloc(longest + 1);
    e->ids = malloc(e->max * sizeof *e->ids);
    if (!e->memory || !e->line || !e->ids) {
        return false;
    }
    lc_arena_init(&e->scratch, e->memory, size);
    return true;
}

static void encoder_free(encoder *e)
{
    free(e->memory);
    free(e->line);
    free(e->ids);
}

static lc_err keep_line(trimmer *t, encoder *e, const char *line, size_t bytes, bool blank)
{
    uint32_t n = 0, replaced = 0;
    bool cut = false;
    e->line[0] = ' ';
    size_t clean = lc_utf8_clean(line, bytes, e->line + blank, &replaced) + blank;
    lc_err err =
        lc_tok_encode(&t->tok, e->line, clean, true, &e->scratch, e->ids, e->max, &n, &cut);
    for (uint32_t i = 0; !err && i < n; i++) {
        t->keep[e->ids[i]] = true;
    }
    return err;
}

static lc_err keep_text(trimmer *t, const char *text, size_t bytes)
{
    encoder e = {0};
    lc_err err = encoder_init(t, text, bytes, &e) ? LC_OK : LC_ERR_ARENA;
    uint32_t lines = 0;
    for (const char *at = text; !err && at < text + bytes;) {
        size_t n = line_bytes(at, text + bytes), shown = n > 0 && at[n - 1] == '\r' ? n - 1 : n;
        for (uint32_t blank = 0; !err && shown > 0 && blank < 2; blank++) {
            err = keep_line(t, &e, at, shown, blank == 1);
            lines++;
        }
        at += n + 1;
    }
    encoder_free(&e);
    if (err) {
        return lc_fail(t->diag, err, 0, "the text of the vocabulary cannot be encoded");
    }
    return lines > 0 ? LC_OK
                     : lc_fail(t->diag, LC_ERR_ARGUMENT, 0, "no text to keep a vocabulary for");
}

/* ---- what else stays ---- */

/* Special tokens, bytes, characters. */
static bool stays(const lc_vocab *v, uint32_t i)
{
    lc_str text = v->bytes[i];
    uint32_t code;
    bool special = v->type[i] != LC_TOK_NORMAL && v->type[i] != LC_TOK_UNUSED;
    if (special || i == v->bos || i == v->eos || i == v->unk || (text.bytes == 1 && v->plain[i])) {
        return true;
    }
    if (v->kind != LC_TOK_WORDPIECE || text.bytes == 0) {
        return false;
    }
    uint32_t blank = text.data[0] == ' ';
    uint32_t rest = text.bytes - blank;
    return rest > 0 && lc_utf8_decode(text.data + blank, rest, &code) == rest;
}

/* Every token that is part of a kept one: merging may pass through it. WordPiece takes whole tokens
 * and passes through nothing. */
static void keep_parts(trimmer *t)
{
    for (uint32_t i = 0; t->v.kind != LC_TOK_WORDPIECE && i < t->v.count; i++) {
        lc_str whole = t->v.bytes[i];
        if (!t->keep[i] || !t->v.plain[i]) {
            continue;
        }
        for (uint32_t from = 0; from < whole.bytes; from++) {
            for (uint32_t n = 1; n <= whole.bytes - from; n++) {
                uint32_t id = lc_names_find(&t->names, (lc_str){whole.data + from, n});
                if (id != LC_TOKEN_NONE) {
                    t->keep[id] = true;
                }
            }
        }
    }
}

/* ---- the numbers ---- */

static lc_err number(const trimmer *t, lc_tok_trim *trim)
{
    trim->full = t->v.count;
    trim->old = malloc((size_t)t->v.count * sizeof *trim->old);
    trim->renumber = malloc((size_t)t->v.count * sizeof *trim->renumber);
    if (!trim->old || !trim->renumber) {
        lc_tok_trim_free(trim);
        return out_of_memory(t->diag);
    }
    for (uint32_t i = 0; i < t->v.count; i++) {
        trim->renumber[i] = t->keep[i] ? trim->count : LC_TOKEN_NONE;
        if (t->keep[i]) {
            trim->old[trim->count++] = i;
        }
    }
    return LC_OK;
}

static lc_err find(trimmer *t, const lc_gguf *g, const char *text, size_t bytes, lc_tok_trim *trim)
{
    lc_buf section = {0};
    lc_err err = lc_tok_pack(g, &section, t->diag);
    if (!err) {
        err = lc_tok_open(section.data, section.bytes, &t->tok, t->diag);
    }
    t->keep = calloc(t->v.count, sizeof *t->keep);
    if (!err && (!t->keep || !lc_names_init(&t->names, t->v.count))) {
        err = out_of_memory(t->diag);
    }
    for (uint32_t i = 0; !err && i < t->v.count; i++) {
        t->keep[i] = stays(&t->v, i);
        bool first = t->v.plain[i] && lc_names_find(&t->names, t->v.bytes[i]) == LC_TOKEN_NONE;
        if (first) { /* of equal ones, which text becomes */
            lc_names_add(&t->names, t->v.bytes[i], i);
        }
    }
    if (!err) {
        err = keep_text(t, text, bytes);
    }
    if (!err) {
        keep_parts(t);
        err = number(t, trim);
    }
    lc_buf_free(&section);
    return err;
}

lc_err lc_tok_trim_find(const lc_gguf *g, const char *text, size_t bytes, lc_tok_trim *trim,
                        lc_diag *diag)
{
    trimmer t = {.diag = diag};
    *trim = (lc_tok_trim){0};
    lc_err err = lc_vocab_read(g, &t.v, diag);
    if (err) {
        return err;
    }
    err = find(&t, g, text, bytes, trim);
    free(t.keep);
    lc_names_free(&t.names);
    lc_vocab_free(&t.v);
    return err;
}

void lc_tok_trim_free(lc_tok_trim *trim)
{
    free(trim->old);
    free(trim->renumber);
    memset(trim, 0, sizeof *trim);
}
