#include "tok_pack.h"

#include <stdlib.h>
#include <string.h>

#include "../../runtime/limits.h"
#include "fail.h"
#include "tok_vocab.h"

#define KEY_MERGES "tokenizer.ggml.merges"
#define KEY_SCORES "tokenizer.ggml.scores"

/* The parts of the section whose size the header tells; written in the order of lc_tok_part. */
typedef struct parts {
    uint32_t byte_symbol[256];
    lc_buf rank, merge_start, merge, spell_start, spell, sorted;
    uint32_t symbols;
} parts;

static void parts_free(parts *p)
{
    lc_buf_free(&p->rank);
    lc_buf_free(&p->merge_start);
    lc_buf_free(&p->merge);
    lc_buf_free(&p->spell_start);
    lc_buf_free(&p->spell);
    lc_buf_free(&p->sorted);
}

static lc_err out_of_memory(lc_diag *diag)
{
    return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
}

/* ---- BPE ---- */

static void put_merges(const lc_bpe *bpe, parts *p)
{
    uint32_t next = 0;
    for (uint32_t left = 0; left < p->symbols; left++) {
        lc_buf_put_u32(&p->merge_start, next);
        for (; next < bpe->merges && bpe->merge[next].left == left; next++) {
            lc_buf_put_u32(&p->merge, bpe->merge[next].right);
            lc_buf_put_u32(&p->merge, bpe->merge[next].rank);
            lc_buf_put_u32(&p->merge, bpe->merge[next].result);
        }
    }
    lc_buf_put_u32(&p->merge_start, next);
}

/* A symbol that is no token is given as llama.cpp gives it: the tokens among the single bytes of
 * its text as the vocabulary would write it. */
static void put_spellings(const lc_vocab *v, const lc_bpe *bpe, parts *p)
{
    uint32_t count = 0;
    for (uint32_t symbol = v->count; symbol < p->symbols; symbol++) {
        lc_buf_put_u32(&p->spell_start, count);
        lc_str text = bpe->symbol.text[symbol];
        for (uint32_t i = 0; i < text.bytes; i++) {
            uint32_t id = lc_names_find(&bpe->symbol, (lc_str){text.data + i, 1});
            if (id < v->count) {
                lc_buf_put_u32(&p->spell, id);
                count++;
            }
        }
    }
    lc_buf_put_u32(&p->spell_start, count);
}

static void make_bpe(const lc_vocab *v, const lc_bpe *bpe, parts *p)
{
    p->symbols = bpe->symbol.count;
    memcpy(p->byte_symbol, bpe->byte_symbol, sizeof p->byte_symbol);
    put_merges(bpe, p);
    put_spellings(v, bpe, p);
}

/* ---- SPM ---- */

/* The token <0x0A> of a byte, or the token whose text is that byte. */
static lc_err make_byte_tokens(const lc_vocab *v, parts *p, lc_diag *diag)
{
    lc_names names;
    if (!lc_names_init(&names, v->count)) {
        return out_of_memory(diag);
    }
    for (uint32_t i = 0; i < v->count; i++) {
        lc_names_add(&names, v->text[i], i);
    }
    for (uint32_t b = 0; b < 256; b++) {
        static const char digit[] = "0123456789ABCDEF";
        char name[6] = {'<', '0', 'x', digit[b / 16], digit[b % 16], '>'};
        char byte = (char)b;
        uint32_t id = lc_names_find(&names, (lc_str){name, sizeof name});
        p->byte_symbol[b] = id != LC_TOKEN_NONE ? id : lc_names_find(&names, (lc_str){&byte, 1});
    }
    lc_names_free(&names);
    return LC_OK;
}

typedef struct scored {
    float score;
    uint32_t id;
} scored;

static int by_score(const void *a, const void *b)
{
    const scored *x = a;
    const scored *y = b;
    if (x->score > y->score || x->score < y->score) {
        return x->score > y->score ? -1 : 1;
    }
    return (x->id > y->id) - (x->id < y->id);
}

/* Scores of all tokens, 0 when the file has none. */
static lc_err read_scores(const lc_vocab *v, scored *list, lc_diag *diag)
{
    uint64_t offset = lc_vocab_offset(v->g, KEY_SCORES);
    const uint8_t *values = NULL;
    uint64_t count = 0;
    uint32_t full = v->trim ? v->trim->full : v->count;
    bool given = lc_gguf_find(v->g, KEY_SCORES) != NULL;
    if (given &&
        (!lc_gguf_array32(v->g, KEY_SCORES, LC_GGUF_F32, &values, &count) || count != full)) {
        return lc_fail(diag, LC_ERR_FORMAT, offset, KEY_SCORES ": not one float for each token");
    }
    lc_reader r = lc_reader_make(values, (size_t)count * 4);
    for (uint32_t i = 0; i < full; i++) {
        uint32_t id = v->trim ? v->trim->renumber[i] : i;
        float score = given ? lc_read_f32(&r) : 0.0f;
        if (!(score - score == 0.0f)) {
            return lc_fail_format(diag, LC_ERR_FORMAT, offset + 4u * (uint64_t)i,
                                  KEY_SCORES ": score of token %u is no number", i);
        }
        if (id != LC_TOKEN_NONE) {
            list[id] = (scored){score, id};
        }
    }
    return LC_OK;
}

/* Ranks in order of falling score; equal scores share a rank. */
static void put_ranks(const lc_vocab *v, scored *list, uint32_t *rank, parts *p)
{
    qsort(list, v->count, sizeof *list, by_score);
    uint32_t next = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        next += i > 0 && list[i - 1].score > list[i].score ? 1 : 0;
        rank[list[i].id] = next;
    }
    for (uint32_t i = 0; i < v->count; i++) {
        lc_buf_put_u32(&p->rank, rank[i]);
    }
}

/* The tokens that join, given as pairs: whatever they make must be a token. */
static lc_err make_joins(const lc_vocab *v, const lc_bpe *bpe, parts *p, lc_diag *diag)
{
    lc_err err = LC_OK;
    for (uint32_t i = 0; err == LC_OK && i < bpe->merges; i++) {
        const lc_bpe_merge *m = &bpe->merge[i];
        bool tokens = m->left < v->count && m->right < v->count && m->result < v->count;
        if (!tokens || v->type[m->left] == LC_TOK_BYTE || v->type[m->right] == LC_TOK_BYTE) {
            err = lc_fail_format(diag, LC_ERR_FORMAT, lc_vocab_offset(v->g, KEY_MERGES),
                                 KEY_MERGES ": merge %u is not of two tokens to one", m->rank);
        }
    }
    p->symbols = v->count;
    put_merges(bpe, p);
    return err == LC_OK ? make_byte_tokens(v, p, diag) : err;
}

/* Merges, or pairs that join in an SPM vocabulary of a checkpoint folder. */
static bool has_merges(const lc_vocab *v)
{
    return v->kind == LC_TOK_BPE || (v->kind == LC_TOK_SPM && v->g->version == 0);
}

static lc_err make_spm(const lc_vocab *v, const lc_bpe *bpe, parts *p, lc_diag *diag)
{
    if (has_merges(v)) {
        return make_joins(v, bpe, p, diag);
    }
    scored *list = calloc(v->count, sizeof *list);
    uint32_t *rank = calloc(v->count, sizeof *rank);
    lc_err err = list && rank ? read_scores(v, list, diag) : out_of_memory(diag);
    if (err == LC_OK) {
        put_ranks(v, list, rank, p);
        p->symbols = v->count;
        err = make_byte_tokens(v, p, diag);
    }
    free(list);
    free(rank);
    return err;
}

/* ---- WordPiece ---- */

/* All that it needs are the tokens in order. */
static lc_err make_wordpiece(const lc_vocab *v, parts *p)
{
    p->symbols = v->count;
    for (uint32_t b = 0; b < 256; b++) {
        p->byte_symbol[b] = LC_TOKEN_NONE;
    }
    return LC_OK;
}

/* ---- tokens by text ---- */

typedef struct spelled {
    lc_str bytes;
    uint32_t id;
} spelled;

static int by_bytes(const void *a, const void *b)
{
    const spelled *x = a;
    const spelled *y = b;
    uint32_t common = x->bytes.bytes < y->bytes.bytes ? x->bytes.bytes : y->bytes.bytes;
    int order = common > 0 ? memcmp(x->bytes.data, y->bytes.data, common) : 0;
    if (order != 0) {
        return order;
    }
    if (x->bytes.bytes != y->bytes.bytes) {
        return x->bytes.bytes < y->bytes.bytes ? -1 : 1;
    }
    return (x->id > y->id) - (x->id < y->id);
}

/* Ids of the tokens that text may become, in the order of their bytes; of equal ones the first. */
static lc_err make_sorted(const lc_vocab *v, parts *p, lc_diag *diag)
{
    spelled *list = calloc(v->count, sizeof *list);
    if (!list) {
        return out_of_memory(diag);
    }
    uint32_t count = 0;
    bool white_only = v->kind == LC_TOK_BPE && !(v->flags & LC_TOK_IGNORE_MERGES);
    for (uint32_t i = 0; i < v->count; i++) {
        if (v->plain[i] && (!white_only || v->type[i] == LC_TOK_USER)) {
            list[count++] = (spelled){v->bytes[i], i};
        }
    }
    qsort(list, count, sizeof *list, by_bytes);
    for (uint32_t i = 0; i < count; i++) {
        if (i == 0 || !lc_str_equal(list[i - 1].bytes, list[i].bytes)) {
            lc_buf_put_u32(&p->sorted, list[i].id);
        }
    }
    free(list);
    return LC_OK;
}

/* ---- the section ---- */

static void put_header(const lc_vocab *v, const parts *p, uint32_t text_bytes, lc_buf *out)
{
    uint32_t token_bytes = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        token_bytes = v->bytes[i].bytes > token_bytes ? v->bytes[i].bytes : token_bytes;
    }
    size_t start = out->bytes;
    lc_buf_put_u32(out, LC_TOK_VERSION);
    lc_buf_put_u8(out, v->kind);
    lc_buf_put_u8(out, v->pretok);
    lc_buf_put_u8(out, v->flags);
    lc_buf_put_u8(out, 0);
    lc_buf_put_u32(out, v->count);
    lc_buf_put_u32(out, p->symbols);
    lc_buf_put_u32(out, v->bos);
    lc_buf_put_u32(out, v->eos);
    lc_buf_put_u32(out, v->unk);
    lc_buf_put_u32(out, (uint32_t)(p->merge.bytes / LC_TOK_MERGE_BYTES));
    lc_buf_put_u32(out, (uint32_t)(p->spell.bytes / 4));
    lc_buf_put_u32(out, (uint32_t)(p->sorted.bytes / 4));
    lc_buf_put_u32(out, text_bytes);
    lc_buf_put_u32(out, token_bytes);
    lc_buf_put_u32(out, v->norm);
    lc_buf_put_u32(out, v->word_chars);
    while (!out->failed && out->bytes < start + LC_TOK_HEADER_BYTES) {
        lc_buf_put_u8(out, 0);
    }
}

static void put_section(const lc_vocab *v, const parts *p, uint32_t text_bytes, lc_buf *out)
{
    put_header(v, p, text_bytes, out);
    uint32_t end = 0;
    lc_buf_put_u32(out, end);
    for (uint32_t i = 0; i < v->count; i++) {
        end += v->bytes[i].bytes;
        lc_buf_put_u32(out, end);
    }
    for (uint32_t b = 0; b < 256; b++) {
        lc_buf_put_u32(out, p->byte_symbol[b]);
    }
    const lc_buf *part[] = {&p->rank,        &p->merge_start, &p->merge,
                            &p->spell_start, &p->spell,       &p->sorted};
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        lc_buf_put(out, part[i]->data, part[i]->bytes);
        out->failed = out->failed || part[i]->failed;
    }
    lc_buf_put(out, v->type, v->count);
    for (uint32_t i = 0; i < v->count; i++) {
        lc_buf_put(out, v->bytes[i].data, v->bytes[i].bytes);
    }
}

static lc_err make_parts(const lc_vocab *v, const lc_bpe *bpe, parts *p, lc_diag *diag)
{
    switch (v->kind) {
    case LC_TOK_BPE:
        make_bpe(v, bpe, p);
        return LC_OK;
    case LC_TOK_SPM:
        return make_spm(v, bpe, p, diag);
    default:
        return make_wordpiece(v, p);
    }
}

static lc_err pack_vocab(const lc_vocab *v, const lc_bpe *bpe, parts *p, lc_buf *out, lc_diag *diag)
{
    uint64_t text_bytes = 0;
    for (uint32_t i = 0; i < v->count; i++) {
        text_bytes += v->bytes[i].bytes;
    }
    if (text_bytes > UINT32_MAX / 2) {
        return lc_fail(diag, LC_ERR_LIMIT, 0, "texts of all tokens over 2 GiB");
    }
    lc_err err = make_parts(v, bpe, p, diag);
    bool looked_up = v->kind != LC_TOK_BPE || (v->flags & (LC_TOK_IGNORE_MERGES | LC_TOK_WHITE));
    if (err == LC_OK && looked_up) {
        err = make_sorted(v, p, diag);
    }
    if (err != LC_OK) {
        return err;
    }
    put_section(v, p, (uint32_t)text_bytes, out);
    return out->failed ? out_of_memory(diag) : LC_OK;
}

/* The merges, too, are read whole before any token goes. */
static lc_err pack_trimmed(lc_vocab *v, const lc_tok_trim *trim, lc_bpe *bpe, lc_buf *out,
                           lc_diag *diag)
{
    lc_err err = has_merges(v) ? lc_bpe_read(v, bpe, diag) : LC_OK;
    if (!err && trim) {
        lc_vocab_trim(v, trim);
        err = has_merges(v) ? lc_bpe_trim(bpe, trim, diag) : LC_OK;
    }
    if (err) {
        return err;
    }
    parts p = {.symbols = 0};
    err = pack_vocab(v, bpe, &p, out, diag);
    parts_free(&p);
    return err;
}

lc_err lc_tok_pack_trimmed(const lc_gguf *g, const lc_tok_trim *trim, lc_buf *out, lc_diag *diag)
{
    lc_vocab v;
    lc_bpe bpe = {0};
    lc_err err = lc_vocab_read(g, &v, diag);
    if (err != LC_OK) {
        return err;
    }
    err = pack_trimmed(&v, trim, &bpe, out, diag);
    lc_bpe_free(&bpe);
    lc_vocab_free(&v);
    return err;
}

lc_err lc_tok_pack(const lc_gguf *g, lc_buf *out, lc_diag *diag)
{
    return lc_tok_pack_trimmed(g, NULL, out, diag);
}
