#include "tok.h"

#include <string.h>

#include "limits.h"
#include "normal.h"
#include "pretok.h"
#include "tok_table.h"

/* ---- opening ---- */

#define SYMBOLS_MAX (4u * LC_VOCAB_MAX)

static lc_err read_kind(lc_reader *r, lc_tok *tok, lc_diag *diag)
{
    if (lc_read_u32(r) != LC_TOK_VERSION) {
        return lc_fail(diag, LC_ERR_VERSION, 0, "tokenizer tables of another version");
    }
    tok->kind = lc_read_u8(r);
    tok->pretok = lc_read_u8(r);
    uint8_t flags = lc_read_u8(r);
    uint8_t zero = lc_read_u8(r);
    bool bpe = tok->kind == LC_TOK_BPE;
    if (!bpe && tok->kind != LC_TOK_SPM && tok->kind != LC_TOK_WORDPIECE) {
        return lc_fail(diag, LC_ERR_UNSUPPORTED, 4, "unknown kind of tokenizer");
    }
    if (bpe ? !lc_pretok_known(tok->pretok) : tok->pretok != LC_PRETOK_NONE) {
        return lc_fail(diag, LC_ERR_UNSUPPORTED, 5, "unknown pre-tokenizer");
    }
    uint8_t allowed = LC_TOK_ADD_BOS | LC_TOK_ADD_EOS;
    allowed |= bpe ? LC_TOK_IGNORE_MERGES | LC_TOK_WHITE : LC_TOK_SPACE_PREFIX;
    allowed |= tok->kind == LC_TOK_SPM ? LC_TOK_PREFIX_ONCE | LC_TOK_WHITE : 0;
    if ((flags & ~allowed) != 0 || zero != 0) {
        return lc_fail(diag, LC_ERR_FORMAT, 6, "unknown tokenizer flags");
    }
    tok->add_bos = (flags & LC_TOK_ADD_BOS) != 0;
    tok->add_eos = (flags & LC_TOK_ADD_EOS) != 0;
    tok->add_space_prefix = (flags & LC_TOK_SPACE_PREFIX) != 0;
    tok->prefix_once = (flags & LC_TOK_PREFIX_ONCE) != 0;
    tok->white = (flags & LC_TOK_WHITE) != 0;
    tok->ignore_merges = (flags & LC_TOK_IGNORE_MERGES) != 0;
    return LC_OK;
}

static bool is_token_or_none(const lc_tok *tok, uint32_t id)
{
    return id < tok->vocab || id == LC_TOKEN_NONE;
}

static lc_err read_norm(lc_reader *r, lc_tok *tok, lc_diag *diag)
{
    uint32_t norm = lc_read_u32(r);
    tok->word_chars = lc_read_u32(r);
    bool known = norm == 0 || (tok->kind == LC_TOK_BPE && norm == LC_NORM_NFC) ||
                 (tok->kind == LC_TOK_WORDPIECE && (norm & LC_NORM_BERT) != 0 &&
                  norm < LC_NORM_STRIP * 2u && (norm & LC_NORM_NFC) == 0);
    tok->norm = (uint8_t)norm;
    return known && (tok->word_chars == 0 || norm != 0)
               ? LC_OK
               : lc_fail(diag, LC_ERR_UNSUPPORTED, 48, "unknown normalisation");
}

static lc_err read_counts(lc_reader *r, lc_tok *tok, lc_diag *diag)
{
    tok->vocab = lc_read_u32(r);
    tok->view[LC_TOK_SYMBOLS] = lc_read_u32(r);
    tok->bos = lc_read_u32(r);
    tok->eos = lc_read_u32(r);
    tok->unk = lc_read_u32(r);
    tok->view[LC_TOK_MERGES] = lc_read_u32(r);
    tok->view[LC_TOK_SPELLS] = lc_read_u32(r);
    tok->view[LC_TOK_SORTED_COUNT] = lc_read_u32(r);
    tok->view[LC_TOK_TEXT_BYTES] = lc_read_u32(r);
    tok->view[LC_TOK_TOKEN_BYTES] = lc_read_u32(r);
    if (tok->vocab == 0 || tok->vocab > LC_VOCAB_MAX) {
        return lc_fail(diag, LC_ERR_LIMIT, 8, "vocabulary empty or over the limit");
    }
    if (tok->view[LC_TOK_SYMBOLS] < tok->vocab || tok->view[LC_TOK_SYMBOLS] > SYMBOLS_MAX) {
        return lc_fail(diag, LC_ERR_FORMAT, 12, "wrong number of symbols");
    }
    if (!is_token_or_none(tok, tok->bos) || !is_token_or_none(tok, tok->eos) ||
        !is_token_or_none(tok, tok->unk)) {
        return lc_fail(diag, LC_ERR_FORMAT, 16, "special token outside the vocabulary");
    }
    if (tok->view[LC_TOK_TOKEN_BYTES] > LC_TOKEN_BYTES_MAX) {
        return lc_fail(diag, LC_ERR_LIMIT, 44, "token text over the limit");
    }
    return read_norm(r, tok, diag);
}

/* Places the parts one after the other; they must fill the section. */
static bool place_parts(lc_tok *tok, size_t bytes)
{
    bool bpe = tok->kind == LC_TOK_BPE;
    bool merged = bpe || tok->view[LC_TOK_MERGES] > 0;
    uint64_t vocab = tok->vocab;
    uint64_t symbols = tok->view[LC_TOK_SYMBOLS];
    uint64_t size[LC_TOK_PARTS] = {
        [LC_TOK_TEXT_START] = 4 * (vocab + 1),
        [LC_TOK_BYTE_SYMBOL] = 4 * 256,
        [LC_TOK_RANK] = tok->kind == LC_TOK_SPM && !merged ? 4 * vocab : 0,
        [LC_TOK_MERGE_START] = merged ? 4 * (symbols + 1) : 0,
        [LC_TOK_MERGE] = (uint64_t)LC_TOK_MERGE_BYTES * tok->view[LC_TOK_MERGES],
        [LC_TOK_SPELL_START] = bpe ? 4 * (symbols - vocab + 1) : 0,
        [LC_TOK_SPELL] = 4 * (uint64_t)tok->view[LC_TOK_SPELLS],
        [LC_TOK_SORTED] = 4 * (uint64_t)tok->view[LC_TOK_SORTED_COUNT],
        [LC_TOK_TYPE] = vocab,
        [LC_TOK_TEXT] = tok->view[LC_TOK_TEXT_BYTES],
    };
    uint64_t at = LC_TOK_HEADER_BYTES;
    for (uint32_t part = 0; part < LC_TOK_PARTS; part++) {
        if (at > UINT32_MAX) {
            return false;
        }
        tok->view[part] = (uint32_t)at;
        at += size[part];
    }
    return at == bytes;
}

lc_err lc_tok_open(const uint8_t *section, size_t bytes, lc_tok *tok, lc_diag *diag)
{
    if (bytes < LC_TOK_HEADER_BYTES) {
        return lc_fail(diag, LC_ERR_FORMAT, bytes, "tokenizer section too short");
    }
    lc_reader r = lc_reader_make(section, bytes);
    lc_tok made = {.table = section, .table_bytes = bytes};
    lc_err err = read_kind(&r, &made, diag);
    if (err == LC_OK) {
        err = read_counts(&r, &made, diag);
    }
    if (err != LC_OK) {
        return err;
    }
    while (r.at < LC_TOK_HEADER_BYTES) {
        if (lc_read_u8(&r) != 0) {
            return lc_fail(diag, LC_ERR_FORMAT, r.at - 1, "tokenizer header not padded with zeros");
        }
    }
    if (made.kind != LC_TOK_BPE &&
        ((made.kind == LC_TOK_WORDPIECE && made.view[LC_TOK_MERGES] != 0) ||
         made.view[LC_TOK_SPELLS] != 0 || made.view[LC_TOK_SYMBOLS] != made.vocab)) {
        return lc_fail(diag, LC_ERR_FORMAT, 28, "merges in a tokenizer without merges");
    }
    if (!place_parts(&made, bytes)) {
        return lc_fail(diag, LC_ERR_FORMAT, 28, "tokenizer tables do not fill their section");
    }
    *tok = made;
    return LC_OK;
}

/* ---- texts of tokens ---- */

lc_str lc_tok_text(const lc_tok *tok, uint32_t id)
{
    if (id >= tok->vocab) {
        return (lc_str){"", 0};
    }
    uint32_t start = lc_tok_u32(tok, LC_TOK_TEXT_START, id);
    uint32_t end = lc_tok_u32(tok, LC_TOK_TEXT_START, id + 1);
    if (start > end || end > tok->view[LC_TOK_TEXT_BYTES]) {
        return (lc_str){"", 0};
    }
    return (lc_str){(const char *)tok->table + tok->view[LC_TOK_TEXT] + start, end - start};
}

/* As memcmp, a prefix before what it begins. */
static int compare(lc_str a, const char *text, size_t bytes)
{
    size_t common = a.bytes < bytes ? a.bytes : bytes;
    int order = memcmp(a.data, text, common);
    if (order != 0 || a.bytes == bytes) {
        return order;
    }
    return a.bytes < bytes ? -1 : 1;
}

uint32_t lc_tok_find(const lc_tok *tok, const char *text, size_t bytes)
{
    if (bytes > tok->view[LC_TOK_TOKEN_BYTES]) {
        return LC_TOKEN_NONE;
    }
    uint32_t low = 0;
    uint32_t high = tok->view[LC_TOK_SORTED_COUNT];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        uint32_t id = lc_tok_u32(tok, LC_TOK_SORTED, middle);
        int order = compare(lc_tok_text(tok, id), text, bytes);
        if (order == 0) {
            return id < tok->vocab ? id : LC_TOKEN_NONE;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return LC_TOKEN_NONE;
}

uint32_t lc_tok_decode(const lc_tok *tok, uint32_t id, bool first, char *out, uint32_t max)
{
    if (id >= tok->vocab) {
        return 0;
    }
    uint8_t type = tok->table[tok->view[LC_TOK_TYPE] + id];
    if (type == LC_TOK_UNKNOWN || type == LC_TOK_CONTROL || type == LC_TOK_UNUSED) {
        return 0;
    }
    lc_str text = lc_tok_text(tok, id);
    if (first && tok->add_space_prefix && text.bytes > 0 && text.data[0] == ' ') {
        text.data++;
        text.bytes--;
    }
    uint32_t bytes = text.bytes < max ? text.bytes : max;
    if (bytes > 0) {
        memcpy(out, text.data, bytes);
    }
    return bytes;
}

/* ---- encoding ---- */

/* NFC: the text is copied first. */
static bool is_copied(const lc_tok *tok)
{
    return tok->norm == LC_NORM_NFC;
}

size_t lc_tok_scratch_bytes(const lc_tok *tok, size_t bytes)
{
    lc_arena arena;
    if (bytes == 0 || bytes >= LC_TOK_TEXT_BYTES_MAX) {
        return 0;
    }
    if (tok->kind == LC_TOK_WORDPIECE) {
        return lc_tok_wordpiece_scratch_bytes(tok, bytes);
    }
    lc_arena_measure(&arena);
    if (is_copied(tok)) {
        bytes *= LC_NORMAL_GROWTH;
        (void)LC_PUSH(&arena, char, bytes);
    }
    size_t coding = tok->kind == LC_TOK_BPE ? lc_tok_bpe_scratch_bytes(tok, bytes)
                                            : lc_tok_spm_scratch_bytes(tok, bytes);
    (void)LC_PUSH(&arena, char, coding);
    return arena.peak;
}

/* One piece between white-space tokens. */
static lc_err encode_kind(const lc_tok *tok, const char *text, size_t bytes, lc_arena *scratch,
                          lc_tok_out *out)
{
    if (bytes == 0) {
        return LC_OK;
    }
    switch (tok->kind) {
    case LC_TOK_BPE:
        return lc_tok_bpe_encode(tok, text, bytes, scratch, out);
    case LC_TOK_SPM:
        return lc_tok_spm_encode(tok, text, bytes, scratch, out);
    default:
        return lc_tok_wordpiece_encode(tok, text, bytes, scratch, out);
    }
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The longest user-defined token of white space that text begins with; *taken its bytes. */
static uint32_t find_white(const lc_tok *tok, const char *text, size_t bytes, size_t *taken)
{
    size_t run = 0, most = tok->view[LC_TOK_TOKEN_BYTES];
    while (run < bytes && run < most && is_white(text[run])) {
        run++;
    }
    for (; run > 0; run--) {
        uint32_t id = lc_tok_find(tok, text, run);
        if (id != LC_TOKEN_NONE && tok->table[tok->view[LC_TOK_TYPE] + id] == LC_TOK_USER) {
            *taken = run;
            return id;
        }
    }
    return LC_TOKEN_NONE;
}

static lc_err encode_pieces(const lc_tok *tok, const char *text, size_t bytes, lc_arena *scratch,
                            lc_tok_out *out)
{
    size_t from = 0;
    lc_err err = LC_OK;
    for (size_t at = 0; tok->white && err == LC_OK && at < bytes && !out->cut;) {
        size_t taken = 1;
        uint32_t id = find_white(tok, text + at, bytes - at, &taken);
        if (id != LC_TOKEN_NONE) {
            size_t mark = lc_arena_mark(scratch);
            err = encode_kind(tok, text + from, at - from, scratch, out);
            lc_arena_rewind(scratch, mark);
            lc_tok_put(out, id);
            from = at + taken;
        }
        at += taken;
    }
    return err == LC_OK ? encode_kind(tok, text + from, bytes - from, scratch, out) : err;
}

/* Below U+0300 text is in normal form. */
static bool is_normal(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if ((uint8_t)text[i] >= 0xcc) {
            return false;
        }
    }
    return true;
}

static lc_err encode_text(const lc_tok *tok, const char *text, size_t bytes, lc_arena *scratch,
                          lc_tok_out *out)
{
    size_t mark = lc_arena_mark(scratch);
    if (bytes > 0 && is_copied(tok) && !is_normal(text, bytes)) {
        char *normal = LC_PUSH(scratch, char, LC_NORMAL_GROWTH *bytes);
        if (!normal) {
            return LC_ERR_ARENA;
        }
        bytes = lc_normal_write(tok->norm, text, bytes, normal);
        text = normal;
    }
    lc_err err = encode_pieces(tok, text, bytes, scratch, out);
    lc_arena_rewind(scratch, mark);
    return err;
}

lc_err lc_tok_encode(const lc_tok *tok, const char *text, size_t bytes, bool special,
                     lc_arena *scratch, uint32_t *ids, uint32_t max, uint32_t *count, bool *cut)
{
    if (bytes >= LC_TOK_TEXT_BYTES_MAX) {
        return LC_ERR_LIMIT;
    }
    lc_tok_out out = {.ids = ids, .max = max};
    if (special && tok->add_bos && tok->bos != LC_TOKEN_NONE) {
        lc_tok_put(&out, tok->bos);
    }
    lc_err err = encode_text(tok, text, bytes, scratch, &out);
    if (err != LC_OK) {
        return err;
    }
    if (special && tok->add_eos && tok->eos != LC_TOKEN_NONE) {
        lc_tok_put(&out, tok->eos);
    }
    *count = out.count;
    *cut = out.cut;
    return LC_OK;
}
