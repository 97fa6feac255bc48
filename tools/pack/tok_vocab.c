#include "tok_vocab.h"

#include <stdlib.h>
#include <string.h>

#include "../../runtime/limits.h"
#include "fail.h"

#define KEY_MODEL "tokenizer.ggml.model"
#define KEY_PRE "tokenizer.ggml.pre"
#define KEY_TOKENS "tokenizer.ggml.tokens"
#define KEY_TYPES "tokenizer.ggml.token_type"

#define SHOW(s) (int)((s).bytes < 64 ? (s).bytes : 64), (s).data /* for "%.*s" */

uint64_t lc_vocab_offset(const lc_gguf *g, const char *key)
{
    const lc_gguf_kv *kv = lc_gguf_find(g, key);
    return kv ? (uint64_t)(kv->data - g->data) : 0;
}

static uint64_t str_offset(const lc_vocab *v, lc_str s)
{
    return (uint64_t)((const uint8_t *)s.data - v->g->data);
}

static lc_err out_of_memory(lc_diag *diag)
{
    return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
}

/* ---- which tokenizer ---- */

typedef struct pretok_row {
    const char *name;
    uint8_t pretok, flags;
} pretok_row;

/* flags: what the files leave unsaid, as llama.cpp has it. */
static const pretok_row pretoks[] = {
    {"gpt-2", LC_PRETOK_GPT2, 0},
    {"modern-bert", LC_PRETOK_GPT2, 0},
    {"smollm", LC_PRETOK_SMOLLM, 0},
    {"refact", LC_PRETOK_SMOLLM, 0}, /* Granite's */
    {"starcoder", LC_PRETOK_SMOLLM, 0},
    {"qwen2", LC_PRETOK_QWEN2, 0},
    {"llama-bpe", LC_PRETOK_LLAMA_BPE, LC_TOK_ADD_BOS | LC_TOK_IGNORE_MERGES},
    {"lfm2", LC_PRETOK_LLAMA_BPE, LC_TOK_ADD_BOS | LC_TOK_IGNORE_MERGES},
    {"falcon", LC_PRETOK_FALCON, 0},
};

static lc_err read_pretok(lc_vocab *v, lc_diag *diag)
{
    lc_str pre;
    if (!lc_gguf_str(v->g, KEY_PRE, &pre)) {
        return lc_fail(diag, LC_ERR_UNSUPPORTED, lc_vocab_offset(v->g, KEY_MODEL),
                       KEY_PRE " is missing: the pre-tokenizer would have to be guessed");
    }
    for (size_t i = 0; i < sizeof pretoks / sizeof *pretoks; i++) {
        if (lc_str_equal(pre, lc_str_from(pretoks[i].name))) {
            v->pretok = pretoks[i].pretok;
            v->flags = pretoks[i].flags;
            return LC_OK;
        }
    }
    return lc_fail_format(diag, LC_ERR_UNSUPPORTED, str_offset(v, pre),
                          KEY_PRE ": unknown pre-tokenizer `%.*s`", SHOW(pre));
}

static lc_err read_model(lc_vocab *v, lc_diag *diag)
{
    lc_str model;
    if (!lc_gguf_str(v->g, KEY_MODEL, &model)) {
        return lc_fail(diag, LC_ERR_FORMAT, lc_vocab_offset(v->g, KEY_MODEL),
                       KEY_MODEL " is missing or no text");
    }
    if (lc_str_equal(model, lc_str_from("gpt2"))) {
        v->kind = LC_TOK_BPE;
        v->bos = 11;
        v->eos = 11;
        v->unk = LC_TOKEN_NONE;
        return read_pretok(v, diag);
    }
    if (lc_str_equal(model, lc_str_from("llama"))) {
        v->kind = LC_TOK_SPM;
        v->flags = LC_TOK_ADD_BOS | LC_TOK_SPACE_PREFIX;
        v->bos = 1;
        v->eos = 2;
        v->unk = 0;
        return LC_OK;
    }
    if (lc_str_equal(model, lc_str_from("bert"))) {
        v->kind = LC_TOK_WORDPIECE;
        v->flags = LC_TOK_ADD_BOS | LC_TOK_ADD_EOS | LC_TOK_SPACE_PREFIX;
        v->bos = 101;
        v->eos = 102;
        v->unk = 100;
        return LC_OK;
    }
    return lc_fail_format(diag, LC_ERR_UNSUPPORTED, str_offset(v, model),
                          KEY_MODEL ": unknown tokenizer `%.*s`", SHOW(model));
}

/* ---- tokens and their types ---- */

static lc_err read_texts(lc_vocab *v, lc_diag *diag)
{
    lc_gguf_strings it;
    uint64_t count = 0;
    uint64_t offset = lc_vocab_offset(v->g, KEY_TOKENS);
    if (!lc_gguf_strings_open(v->g, KEY_TOKENS, &it, &count)) {
        return lc_fail(diag, LC_ERR_FORMAT, offset, KEY_TOKENS " is missing or no list of texts");
    }
    if (count == 0 || count > LC_VOCAB_MAX) {
        return lc_fail(diag, LC_ERR_LIMIT, offset, KEY_TOKENS ": none, or over the limit");
    }
    v->count = (uint32_t)count;
    v->text = calloc(v->count, sizeof *v->text);
    v->bytes = calloc(v->count, sizeof *v->bytes);
    v->type = calloc(v->count, sizeof *v->type);
    v->plain = calloc(v->count, sizeof *v->plain);
    if (!v->text || !v->bytes || !v->type || !v->plain) {
        return out_of_memory(diag);
    }
    for (uint32_t i = 0; i < v->count; i++) {
        if (!lc_gguf_strings_next(&it, &v->text[i]) || v->text[i].bytes > LC_TOKEN_BYTES_MAX) {
            return lc_fail_format(diag, LC_ERR_LIMIT, (uint64_t)(it.at - v->g->data),
                                  KEY_TOKENS ": token %u is over %u bytes", i, LC_TOKEN_BYTES_MAX);
        }
    }
    return LC_OK;
}

static lc_err read_types(lc_vocab *v, lc_diag *diag)
{
    memset(v->type, LC_TOK_NORMAL, v->count);
    uint64_t offset = lc_vocab_offset(v->g, KEY_TYPES);
    if (!lc_gguf_find(v->g, KEY_TYPES)) {
        return LC_OK;
    }
    const uint8_t *values = NULL;
    uint64_t count = 0;
    if (!lc_gguf_array32(v->g, KEY_TYPES, LC_GGUF_I32, &values, &count) &&
        !lc_gguf_array32(v->g, KEY_TYPES, LC_GGUF_U32, &values, &count)) {
        return lc_fail(diag, LC_ERR_FORMAT, offset, KEY_TYPES ": no list of 32-bit numbers");
    }
    if (count != v->count) {
        return lc_fail(diag, LC_ERR_FORMAT, offset, KEY_TYPES ": not one for each token");
    }
    lc_reader r = lc_reader_make(values, (size_t)count * 4);
    for (uint32_t i = 0; i < v->count; i++) {
        uint32_t type = lc_read_u32(&r);
        if (type > LC_TOK_BYTE) {
            return lc_fail_format(diag, LC_ERR_FORMAT, offset + 4u * (uint64_t)i,
                                  KEY_TYPES ": type %u of token %u", type, i);
        }
        v->type[i] = (uint8_t)(type == 0 ? LC_TOK_NORMAL : type);
    }
    return LC_OK;
}

static lc_err check_texts_differ(const lc_vocab *v, lc_diag *diag)
{
    lc_names names;
    if (!lc_names_init(&names, v->count)) {
        return out_of_memory(diag);
    }
    lc_err err = LC_OK;
    for (uint32_t i = 0; i < v->count && err == LC_OK; i++) {
        uint32_t other = lc_names_find(&names, v->text[i]);
        if (v->text[i].bytes > 0 && other != LC_TOKEN_NONE) {
            err = lc_fail_format(diag, LC_ERR_FORMAT, str_offset(v, v->text[i]),
                                 KEY_TOKENS ": tokens %u and %u are equal", other, i);
        }
        lc_names_add(&names, v->text[i], i);
    }
    lc_names_free(&names);
    return err;
}

/* ---- what tokens stand for ---- */

uint32_t lc_byte_char(uint8_t byte)
{
    bool printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte != 0xad);
    if (printable) {
        return byte;
    }
    /* The others, counted from U+0100: 00..20, 7f..a0, ad. */
    if (byte <= 0x20) {
        return 0x100u + byte;
    }
    return byte == 0xad ? 0x143u : 0x121u + byte - 0x7fu;
}

static bool char_byte(uint32_t code_point, char *byte)
{
    for (uint32_t b = 0; b < 256; b++) {
        if (lc_byte_char((uint8_t)b) == code_point) {
            *byte = (char)b;
            return true;
        }
    }
    return false;
}

bool lc_byte_chars_read(lc_str text, char *out, uint32_t *bytes)
{
    uint32_t used = 0;
    uint32_t at = 0;
    while (at < text.bytes) {
        uint32_t code_point = 0;
        uint32_t length = lc_utf8_decode(text.data + at, text.bytes - at, &code_point);
        if (length == 0 || !char_byte(code_point, &out[used])) {
            return false;
        }
        used++;
        at += length;
    }
    *bytes = used;
    return true;
}

static bool all_white(lc_str text)
{
    for (uint32_t i = 0; i < text.bytes; i++) {
        if (memchr(" \t\r\n", text.data[i], 4) == NULL) {
            return false;
        }
    }
    return text.bytes > 0;
}

/* A user-defined token of white space is taken out of text before anything else, where the file's
 * own tokenizer does so; others of that type are markup, which text must not be able to say. */
static void take_white(lc_vocab *v, uint32_t i)
{
    if (v->g->version == 0 && v->type[i] == LC_TOK_USER) {
        v->plain[i] = all_white(v->text[i]);
        v->flags = (uint8_t)(v->plain[i] ? v->flags | LC_TOK_WHITE : v->flags);
    }
}

/* A piece of BPE text becomes a token when merges say so, whatever its type; but what is marked as
 * control or unknown must never come out of text. */
static void read_bpe_bytes(lc_vocab *v, uint32_t i, char *pool)
{
    bool special = v->type[i] == LC_TOK_CONTROL || v->type[i] == LC_TOK_UNKNOWN;
    bool verbatim = special || v->type[i] == LC_TOK_USER;
    lc_str text = v->text[i];
    uint32_t bytes = 0;
    bool spelled = lc_byte_chars_read(text, pool, &bytes);
    v->bytes[i] = spelled && !verbatim ? (lc_str){pool, bytes} : text;
    bool same = spelled && bytes == text.bytes;
    v->plain[i] = text.bytes > 0 && !special && spelled && (same || !verbatim);
    take_white(v, i);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* <0x0A> */
static bool read_byte_name(lc_str text, char *byte)
{
    if (text.bytes != 6 || memcmp(text.data, "<0x", 3) != 0 || text.data[5] != '>') {
        return false;
    }
    int high = hex_digit(text.data[3]);
    int low = hex_digit(text.data[4]);
    *byte = (char)(high * 16 + low);
    return high >= 0 && low >= 0;
}

/* U+2581 as a blank. */
static lc_str unescape_blanks(lc_str text, char *pool)
{
    uint32_t used = 0;
    uint32_t at = 0;
    while (at < text.bytes) {
        bool blank = text.bytes - at >= 3 && memcmp(text.data + at, "\xe2\x96\x81", 3) == 0;
        pool[used++] = blank ? ' ' : text.data[at];
        at += blank ? 3 : 1;
    }
    return (lc_str){pool, used};
}

/* User-defined tokens come out of text only when they are white space (runs of blanks or newlines
 * in Gemma): everything else of that type is markup, which a line of text must not be able to say.
 * A normal token that holds a blank not written as U+2581 can never match. */
static lc_err read_spm_bytes(lc_vocab *v, uint32_t i, char *pool, lc_diag *diag)
{
    lc_str text = v->text[i];
    v->bytes[i] = text;
    switch (v->type[i]) {
    case LC_TOK_BYTE:
        if (!read_byte_name(text, pool)) {
            return lc_fail_format(diag, LC_ERR_FORMAT, str_offset(v, text),
                                  KEY_TOKENS ": byte token %u is not written as <0x0A>", i);
        }
        v->bytes[i] = (lc_str){pool, 1};
        break;
    case LC_TOK_NORMAL:
    case LC_TOK_UNUSED:
        v->plain[i] = text.bytes > 0 && memchr(text.data, ' ', text.bytes) == NULL;
        v->bytes[i] = unescape_blanks(text, pool);
        break;
    case LC_TOK_USER:
        v->plain[i] = all_white(text);
        take_white(v, i);
        break;
    default:
        break;
    }
    return LC_OK;
}

/* Words are marked either as GGUF does, U+2581 before what begins one, or as in BERT's own lists,
 * ## before what does not. */
static bool marks_beginnings(const lc_vocab *v)
{
    bool continued = false;
    for (uint32_t i = 0; i < v->count; i++) {
        lc_str t = v->text[i];
        if (t.bytes >= 3 && memcmp(t.data, "\xe2\x96\x81", 3) == 0) {
            return true;
        }
        continued = continued || (t.bytes > 2 && memcmp(t.data, "##", 2) == 0);
    }
    return !continued;
}

/* What begins a word gets a blank before it; names in brackets never come out of text. */
static void read_wordpiece_bytes(lc_vocab *v, uint32_t i, bool beginnings, char *pool)
{
    lc_str text = v->text[i];
    v->bytes[i] = text;
    if (v->type[i] != LC_TOK_NORMAL && v->type[i] != LC_TOK_UNUSED) {
        return;
    }
    v->plain[i] = text.bytes > 0 && memchr(text.data, ' ', text.bytes) == NULL;
    if (beginnings) {
        v->bytes[i] = unescape_blanks(text, pool);
    } else if (text.bytes > 2 && memcmp(text.data, "##", 2) == 0) {
        v->bytes[i] = (lc_str){text.data + 2, text.bytes - 2};
    } else if (text.bytes < 3 || text.data[0] != '[' || text.data[text.bytes - 1] != ']') {
        pool[0] = ' ';
        memcpy(pool + 1, text.data, text.bytes);
        v->bytes[i] = (lc_str){pool, text.bytes + 1};
    }
}

static lc_err read_bytes(lc_vocab *v, lc_diag *diag)
{
    bool beginnings = v->kind == LC_TOK_WORDPIECE && v->norm == 0 && marks_beginnings(v);
    size_t pool_bytes = 1;
    for (uint32_t i = 0; i < v->count; i++) {
        pool_bytes += v->text[i].bytes + 1;
    }
    v->pool = malloc(pool_bytes);
    if (!v->pool) {
        return out_of_memory(diag);
    }
    char *pool = v->pool;
    lc_err err = LC_OK;
    for (uint32_t i = 0; i < v->count && err == LC_OK; i++) {
        if (v->kind == LC_TOK_BPE) {
            read_bpe_bytes(v, i, pool);
        } else if (v->kind == LC_TOK_WORDPIECE) {
            read_wordpiece_bytes(v, i, beginnings, pool);
        } else {
            err = read_spm_bytes(v, i, pool, diag);
        }
        pool += v->text[i].bytes + 1;
    }
    return err;
}

/* ---- special tokens and flags ---- */

static lc_err read_id(const lc_vocab *v, const char *key, uint32_t *id, lc_diag *diag)
{
    if (!lc_gguf_find(v->g, key)) {
        *id = *id < v->count ? *id : LC_TOKEN_NONE; /* the default, where there is such a token */
        return LC_OK;
    }
    if (!lc_gguf_u32(v->g, key, id) || *id >= v->count) {
        return lc_fail_format(diag, LC_ERR_FORMAT, lc_vocab_offset(v->g, key),
                              "%s: not a token of this vocabulary", key);
    }
    return LC_OK;
}

static lc_err read_flag(lc_vocab *v, const char *key, uint8_t flag, lc_diag *diag)
{
    bool on = false;
    if (!lc_gguf_find(v->g, key)) {
        return LC_OK;
    }
    if (!lc_gguf_bool(v->g, key, &on)) {
        return lc_fail_format(diag, LC_ERR_FORMAT, lc_vocab_offset(v->g, key),
                              "%s: neither true nor false", key);
    }
    v->flags = (uint8_t)(on ? v->flags | flag : v->flags & ~flag);
    return LC_OK;
}

/* The first of two keys that is there. */
static lc_err read_id_of(const lc_vocab *v, const char *key, const char *other, uint32_t *id,
                         lc_diag *diag)
{
    return read_id(v, lc_gguf_find(v->g, key) ? key : other, id, diag);
}

static lc_err read_specials(lc_vocab *v, lc_diag *diag)
{
    bool bert = v->kind == LC_TOK_WORDPIECE; /* its ends are called [CLS] and [SEP] */
    const char *first = bert ? "tokenizer.ggml.cls_token_id" : "tokenizer.ggml.bos_token_id";
    const char *last = bert ? "tokenizer.ggml.seperator_token_id" /* sic */
                            : "tokenizer.ggml.eos_token_id";
    lc_err err = read_id_of(v, first, "tokenizer.ggml.bos_token_id", &v->bos, diag);
    if (err == LC_OK) {
        err = read_id_of(v, last, "tokenizer.ggml.eos_token_id", &v->eos, diag);
    }
    if (err == LC_OK) {
        err = read_id(v, "tokenizer.ggml.unknown_token_id", &v->unk, diag);
    }
    if (err == LC_OK) {
        err = read_flag(v, "tokenizer.ggml.add_bos_token", LC_TOK_ADD_BOS, diag);
    }
    if (err == LC_OK) {
        err = read_flag(v, "tokenizer.ggml.add_eos_token", LC_TOK_ADD_EOS, diag);
    }
    if (err == LC_OK && v->kind == LC_TOK_SPM) {
        err = read_flag(v, "tokenizer.ggml.add_space_prefix", LC_TOK_SPACE_PREFIX, diag);
    }
    return err;
}

/* What a tokenizer.json says and a GGUF has no key for. */
static lc_err read_own(lc_vocab *v, lc_diag *diag)
{
    (void)lc_gguf_u32(v->g, LC_KEY_NORM, &v->norm);
    (void)lc_gguf_u32(v->g, LC_KEY_WORD_CHARS, &v->word_chars);
    lc_err err = read_flag(v, LC_KEY_IGNORE_MERGES, LC_TOK_IGNORE_MERGES, diag);
    return err != LC_OK || v->kind != LC_TOK_SPM
               ? err
               : read_flag(v, LC_KEY_PREFIX_ONCE, LC_TOK_PREFIX_ONCE, diag);
}

static lc_err read_all(lc_vocab *v, lc_diag *diag)
{
    lc_err err = read_model(v, diag);
    if (err == LC_OK && v->g->version == 0) {
        v->bos = v->eos = v->unk = LC_TOKEN_NONE;
        v->flags = 0;
        err = read_own(v, diag);
    }
    if (err == LC_OK) {
        err = read_texts(v, diag);
    }
    if (err == LC_OK) {
        err = read_types(v, diag);
    }
    if (err == LC_OK) {
        err = check_texts_differ(v, diag);
    }
    if (err == LC_OK) {
        err = read_specials(v, diag);
    }
    return err == LC_OK ? read_bytes(v, diag) : err;
}

lc_err lc_vocab_read(const lc_gguf *g, lc_vocab *v, lc_diag *diag)
{
    lc_vocab made = {.g = g};
    lc_err err = read_all(&made, diag);
    if (err != LC_OK) {
        lc_vocab_free(&made);
        return err;
    }
    *v = made;
    return LC_OK;
}

void lc_vocab_trim(lc_vocab *v, const lc_tok_trim *trim)
{
    uint32_t *const ids[] = {&v->bos, &v->eos, &v->unk};
    for (uint32_t i = 0; i < trim->count; i++) { /* old numbers are not below new ones */
        uint32_t old = trim->old[i];
        v->text[i] = v->text[old];
        v->type[i] = v->type[old];
        v->bytes[i] = v->bytes[old];
        v->plain[i] = v->plain[old];
    }
    for (uint32_t i = 0; i < 3; i++) {
        *ids[i] = *ids[i] < v->count ? trim->renumber[*ids[i]] : LC_TOKEN_NONE;
    }
    v->count = trim->count;
    v->trim = trim;
}

void lc_vocab_free(lc_vocab *v)
{
    free(v->text);
    free(v->type);
    free(v->bytes);
    free(v->plain);
    free(v->pool);
    memset(v, 0, sizeof *v);
}
