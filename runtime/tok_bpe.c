/* Byte-level BPE: pieces by the pre-tokenizer, bytes to symbols, merges in order of rank.
 *
 * A symbol is a token, or (numbers from vocab on) a text that merges pass through and that is no
 * token. Such a symbol, if it is left at the end, is spelled: the list holds what stands for it.
 */
#include "limits.h"
#include "merge.h"
#include "pretok.h"
#include "tok_table.h"

typedef struct work {
    const lc_tok *tok;
    lc_merge merge;
    uint32_t *symbol; /* [slots] at a symbol's first slot */
} work;

/* Merges of one left symbol stand together, ordered by the right symbol. */
lc_tok_pair lc_tok_find_pair(const lc_tok *tok, uint32_t left, uint32_t right)
{
    lc_tok_pair none = {LC_RANK_NONE, 0};
    if (left >= tok->view[LC_TOK_SYMBOLS]) {
        return none;
    }
    uint32_t low = lc_tok_u32(tok, LC_TOK_MERGE_START, left);
    uint32_t high = lc_tok_u32(tok, LC_TOK_MERGE_START, left + 1);
    if (high > tok->view[LC_TOK_MERGES]) {
        return none;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t here = lc_tok_u32(tok, LC_TOK_MERGE, 3 * middle);
        if (here == right) {
            lc_tok_pair found = {lc_tok_u32(tok, LC_TOK_MERGE, 3 * middle + 1),
                                 lc_tok_u32(tok, LC_TOK_MERGE, 3 * middle + 2)};
            return found.result < tok->view[LC_TOK_SYMBOLS] ? found : none;
        }
        if (here < right) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return none;
}

/* The merge of the symbol at slot s with the next one. */
static lc_tok_pair pair_at(const work *w, uint32_t s)
{
    uint32_t next = lc_merge_next(&w->merge, s);
    if (next >= w->merge.n) {
        return (lc_tok_pair){LC_RANK_NONE, 0};
    }
    return lc_tok_find_pair(w->tok, w->symbol[s], w->symbol[next]);
}

static void put_symbol(const lc_tok *tok, uint32_t symbol, lc_tok_out *out)
{
    if (symbol < tok->vocab) {
        lc_tok_put(out, symbol);
        return;
    }
    if (symbol >= tok->view[LC_TOK_SYMBOLS]) {
        return;
    }
    uint32_t at = lc_tok_u32(tok, LC_TOK_SPELL_START, symbol - tok->vocab);
    uint32_t end = lc_tok_u32(tok, LC_TOK_SPELL_START, symbol - tok->vocab + 1);
    if (end > tok->view[LC_TOK_SPELLS] || at > end || end - at > LC_TOK_SPELL_MAX) {
        return;
    }
    for (; at < end; at++) {
        uint32_t id = lc_tok_u32(tok, LC_TOK_SPELL, at);
        if (id < tok->vocab) {
            lc_tok_put(out, id);
        }
    }
}

static void merge_piece(work *w)
{
    lc_merge *m = &w->merge;
    for (uint32_t s = 0; s < m->n; s++) {
        m->rank[s] = pair_at(w, s).rank;
    }
    lc_merge_start(m);
    for (uint32_t s = lc_merge_best(m); s != LC_RANK_NONE; s = lc_merge_best(m)) {
        w->symbol[s] = pair_at(w, s).result;
        lc_merge_join(m, s);
        lc_merge_set(m, s, pair_at(w, s).rank);
        if (s > 0) {
            uint32_t before = lc_merge_before(m, s);
            lc_merge_set(m, before, pair_at(w, before).rank);
        }
    }
}

static void encode_piece(work *w, const char *text, size_t bytes, lc_tok_out *out)
{
    if (w->tok->ignore_merges) {
        uint32_t id = lc_tok_find(w->tok, text, bytes);
        if (id != LC_TOKEN_NONE) {
            lc_tok_put(out, id);
            return;
        }
    }
    uint32_t n = (uint32_t)bytes;
    lc_merge_reset(&w->merge, n);
    for (uint32_t s = 0; s < n; s++) {
        w->symbol[s] = lc_tok_u32(w->tok, LC_TOK_BYTE_SYMBOL, (uint8_t)text[s]);
    }
    merge_piece(w);
    for (uint32_t s = 0; s < n && !out->cut; s = lc_merge_next(&w->merge, s)) {
        put_symbol(w->tok, w->symbol[s], out);
    }
}

static bool work_push(work *w, const lc_tok *tok, size_t bytes, lc_arena *scratch)
{
    w->tok = tok;
    w->symbol = LC_PUSH(scratch, uint32_t, bytes);
    return lc_merge_push(&w->merge, scratch, (uint32_t)bytes) && w->symbol != NULL;
}

size_t lc_tok_bpe_scratch_bytes(const lc_tok *tok, size_t bytes)
{
    lc_arena arena;
    work w;
    lc_arena_measure(&arena);
    return work_push(&w, tok, bytes, &arena) ? arena.peak : 0;
}

/* The longest piece may be the whole text, so the arrays are as long. */
lc_err lc_tok_bpe_encode(const lc_tok *tok, const char *text, size_t bytes, lc_arena *scratch,
                         lc_tok_out *out)
{
    work w;
    if (!work_push(&w, tok, bytes, scratch)) {
        return LC_ERR_ARENA;
    }
    size_t end;
    for (size_t at = 0; at < bytes && !out->cut; at = end) {
        end = lc_pretok_next((lc_pretok)tok->pretok, text, bytes, at);
        lc_assert(end > at && end <= bytes);
        encode_piece(&w, text + at, end - at, out);
    }
    return LC_OK;
}
