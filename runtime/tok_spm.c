/* SentencePiece BPE as Llama, Gemma and Phi-3 use it: characters of the whole text are joined, best
 * score first, whenever the joined text is a token; what remains unknown becomes its bytes.
 *
 * The vocabulary writes a blank as U+2581; the tables hold it as a blank, so U+2581 in the text
 * becomes one too: the tokenizer does not tell them apart.
 */
#include <string.h>

#include "limits.h"
#include "merge.h"
#include "tok_table.h"

#define BLANK_CODE_POINT 0x2581u
#define BLANK_BYTES "\xe2\x96\x81"

typedef struct work {
    const lc_tok *tok;
    char *text;      /* [bytes + 1] with blanks as blanks and the leading one */
    uint32_t *start; /* [chars + 1] where each character begins in text; slot = character */
    uint32_t chars;
    lc_merge merge;
    uint32_t
        *symbol; /* [chars] at a symbol's first slot its token, LC_TOKEN_NONE none; with merges */
} work;

/* Files of Hugging Face form say which tokens join, in which order; others give each a score. */
static bool has_merges(const lc_tok *tok)
{
    return tok->view[LC_TOK_MERGES] > 0;
}

static bool work_push(work *w, const lc_tok *tok, size_t bytes, lc_arena *scratch)
{
    size_t n = bytes + (tok->add_space_prefix ? 1 : 0);
    w->tok = tok;
    w->chars = 0;
    w->text = LC_PUSH(scratch, char, n);
    w->start = LC_PUSH(scratch, uint32_t, n + 1);
    bool pushed = lc_merge_push(&w->merge, scratch, (uint32_t)n);
    if (has_merges(tok)) {
        w->symbol = LC_PUSH(scratch, uint32_t, n);
        pushed = pushed && w->symbol != NULL;
    }
    return pushed && w->text != NULL && w->start != NULL;
}

size_t lc_tok_spm_scratch_bytes(const lc_tok *tok, size_t bytes)
{
    lc_arena arena;
    work w = {0};
    lc_arena_measure(&arena);
    return work_push(&w, tok, bytes, &arena) ? arena.peak : 0;
}

static bool begins_blank(const char *text, size_t bytes)
{
    return text[0] == ' ' || (bytes >= 3 && memcmp(text, BLANK_BYTES, 3) == 0);
}

static void split_chars(work *w, const char *text, size_t bytes)
{
    uint32_t used = 0;
    bool once = w->tok->prefix_once && begins_blank(text, bytes);
    if (w->tok->add_space_prefix && !once) {
        w->start[w->chars++] = used;
        w->text[used++] = ' ';
    }
    size_t at = 0;
    while (at < bytes) {
        uint32_t code_point = 0;
        uint32_t length = lc_utf8_decode(text + at, bytes - at, &code_point);
        length = length == 0 ? 1 : length;
        w->start[w->chars++] = used;
        if (code_point == BLANK_CODE_POINT) {
            w->text[used++] = ' ';
        } else {
            memcpy(w->text + used, text + at, length);
            used += length;
        }
        at += length;
    }
    w->start[w->chars] = used;
}

static uint32_t find_slots(const work *w, uint32_t from, uint32_t to)
{
    return lc_tok_find(w->tok, w->text + w->start[from], w->start[to] - w->start[from]);
}

/* Rank of joining the symbol at slot s with the next one. */
static uint32_t rank_at(const work *w, uint32_t s)
{
    uint32_t next = lc_merge_next(&w->merge, s);
    if (next >= w->merge.n) {
        return LC_RANK_NONE;
    }
    if (has_merges(w->tok)) {
        return lc_tok_find_pair(w->tok, w->symbol[s], w->symbol[next]).rank;
    }
    uint32_t id = find_slots(w, s, lc_merge_next(&w->merge, next));
    return id == LC_TOKEN_NONE ? LC_RANK_NONE : lc_tok_u32(w->tok, LC_TOK_RANK, id);
}

/* Joins symbol s with the next one. */
static void join(work *w, uint32_t s)
{
    if (has_merges(w->tok)) {
        uint32_t next = lc_merge_next(&w->merge, s);
        w->symbol[s] = lc_tok_find_pair(w->tok, w->symbol[s], w->symbol[next]).result;
    }
    lc_merge_join(&w->merge, s);
}

static void merge_text(work *w)
{
    lc_merge *m = &w->merge;
    lc_merge_reset(m, w->chars);
    for (uint32_t s = 0; has_merges(w->tok) && s < m->n; s++) {
        w->symbol[s] = find_slots(w, s, s + 1);
    }
    for (uint32_t s = 0; s < m->n; s++) {
        m->rank[s] = rank_at(w, s);
    }
    lc_merge_start(m);
    for (uint32_t s = lc_merge_best(m); s != LC_RANK_NONE; s = lc_merge_best(m)) {
        join(w, s);
        lc_merge_set(m, s, rank_at(w, s));
        if (s > 0) {
            uint32_t before = lc_merge_before(m, s);
            lc_merge_set(m, before, rank_at(w, before));
        }
    }
}

/* One character that is no token, as its bytes; as the unknown token when a byte has none. */
static void put_bytes(const lc_tok *tok, const char *text, uint32_t bytes, lc_tok_out *out)
{
    if (bytes == 1 && text[0] == ' ') {
        text = BLANK_BYTES;
        bytes = sizeof BLANK_BYTES - 1;
    }
    bool known = true;
    for (uint32_t i = 0; i < bytes; i++) {
        known = known && lc_tok_u32(tok, LC_TOK_BYTE_SYMBOL, (uint8_t)text[i]) < tok->vocab;
    }
    for (uint32_t i = 0; known && i < bytes; i++) {
        lc_tok_put(out, lc_tok_u32(tok, LC_TOK_BYTE_SYMBOL, (uint8_t)text[i]));
    }
    if (!known && tok->unk != LC_TOKEN_NONE) {
        lc_tok_put(out, tok->unk);
    }
}

lc_err lc_tok_spm_encode(const lc_tok *tok, const char *text, size_t bytes, lc_arena *scratch,
                         lc_tok_out *out)
{
    work w = {0};
    if (!work_push(&w, tok, bytes, scratch)) {
        return LC_ERR_ARENA;
    }
    split_chars(&w, text, bytes);
    merge_text(&w);
    uint32_t next;
    for (uint32_t s = 0; s < w.chars && !out->cut; s = next) {
        next = lc_merge_next(&w.merge, s);
        uint32_t id = has_merges(tok) ? w.symbol[s] : find_slots(&w, s, next);
        if (id < tok->vocab) {
            lc_tok_put(out, id);
        } else {
            put_bytes(tok, w.text + w.start[s], w.start[next] - w.start[s], out);
        }
    }
    return LC_OK;
}
