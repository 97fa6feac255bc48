/* Tokenizers: golden ids, small vocabularies whose answer is known, damage, size and time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/linux/map.h"
#include "../../runtime/limits.h"
#include "../../runtime/unicode.h"
#include "../../tools/pack/tok_vocab.h"
#include "tok_make.h"

#define LONG_BYTES 1000000u
#define LONG_SECONDS 20 /* of CPU time, with sanitizers on a slow machine */

/* ---- vocabularies ---- */

typedef struct vocabulary {
    lc_buf section;
    lc_tok tok;
} vocabulary;

static vocabulary open_section(lc_buf gguf)
{
    vocabulary v = {0};
    lc_diag diag = {0};
    lc_err err = tok_make_section(gguf.data, gguf.bytes, &v.section, &diag);
    lc_buf_free(&gguf);
    if (err != LC_OK) {
        fail_msg("%s: %s", lc_err_text(err), diag.text);
    }
    assert_int_equal(lc_tok_open(v.section.data, v.section.bytes, &v.tok, &diag), LC_OK);
    return v;
}

static void close_vocabulary(vocabulary *v)
{
    lc_buf_free(&v->section);
}

/* All 256 bytes as tokens 0 to 255, then joined ones; <end> is 256. */
static vocabulary bytes_vocabulary(const char *pre)
{
    static const char *const joined[] = {"<end>", "ab", "abc", "\xc4\xa0t", "\xc3\x83\xc2\xa9"};
    static const char *const merges[] = {"a b", "ab c", "\xc4\xa0 t", "\xc3\x83 \xc2\xa9",
                                         "x y", "xy z", "a a",        "aa aa"};
    char text[256][5] = {{0}};
    const char *tokens[256 + 5];
    int32_t types[256 + 5];
    for (uint32_t b = 0; b < 256; b++) {
        (void)lc_utf8_encode(lc_byte_char((uint8_t)b), text[b]);
        tokens[b] = text[b];
    }
    for (uint32_t i = 0; i < 256 + 5; i++) {
        types[i] = i == 256 ? 3 : 1;
        tokens[i] = i < 256 ? tokens[i] : joined[i - 256];
    }
    gguf_make m = gguf_make_begin(3);
    gguf_make_str(&m, "tokenizer.ggml.model", "gpt2");
    gguf_make_str(&m, "tokenizer.ggml.pre", pre);
    gguf_make_strings(&m, "tokenizer.ggml.tokens", tokens, 256 + 5);
    tok_make_i32s(&m, "tokenizer.ggml.token_type", types, 256 + 5);
    gguf_make_strings(&m, "tokenizer.ggml.merges", merges, 8);
    gguf_make_u32(&m, "tokenizer.ggml.bos_token_id", 256);
    gguf_make_u32(&m, "tokenizer.ggml.eos_token_id", 256);
    gguf_make_bool(&m, "tokenizer.ggml.add_eos_token", true);
    return open_section(gguf_make_end(&m, 32));
}

/* <unk> <s> </s> and bytes without <0x58> ('X'), which falls back to nothing. */
static vocabulary spm_vocabulary(void)
{
    static const char *const more[] = {"<unk>",
                                       "<s>",
                                       "</s>",
                                       "\xe2\x96\x81",
                                       "a",
                                       "b",
                                       "ab",
                                       "\342\226\201ab",
                                       "bc",
                                       "c",
                                       "<",
                                       "s",
                                       ">",
                                       "<s",
                                       "s>",
                                       "/",
                                       "\xe2\x96\x81\xe2\x96\x81"};
    static const float scores[] = {0,  0,  0,  -1, -2, -3, -9, -10, -8,
                                   -4, -5, -5, -5, -6, -6, -7, -11};
    static const int32_t types[] = {2, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    const char *tokens[17 + 255];
    float score[17 + 255] = {0};
    int32_t type[17 + 255];
    char name[256][8];
    uint32_t n = 0;
    for (; n < 17; n++) {
        tokens[n] = more[n];
        score[n] = scores[n];
        type[n] = types[n];
    }
    for (uint32_t b = 0; b < 256; b++) {
        snprintf(name[b], sizeof name[b], "<0x%02X>", b);
        if (b != 'X') {
            tokens[n] = name[b];
            type[n++] = 6;
        }
    }
    gguf_make m = gguf_make_begin(3);
    gguf_make_str(&m, "tokenizer.ggml.model", "llama");
    gguf_make_str(&m, "tokenizer.ggml.pre", "default");
    gguf_make_strings(&m, "tokenizer.ggml.tokens", tokens, n);
    tok_make_i32s(&m, "tokenizer.ggml.token_type", type, n);
    tok_make_f32s(&m, "tokenizer.ggml.scores", score, n);
    return open_section(gguf_make_end(&m, 32));
}

/* As GGUF files hold BERT's words, or with the ## of its own lists. */
static vocabulary wordpiece_vocabulary(bool hashes)
{
    static const char *const marked[] = {
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "\342\226\201a", "\342\226\201ab",
        "\342\226\201un", "\342\226\201,", "\342\226\201\344\270\255", "a", "b", "aff", "affable",
        "able", "\342\226\201[", "\342\226\201]", "\342\226\201mask"};
    static const char *const hashed[] = {"[PAD]",  "[UNK]",  "[CLS]", "[SEP]", "[MASK]",    "a",
                                         "ab",     "un",     ",",     "\344\270\255", "##a", "##b",
                                         "##aff",  "##affable", "##able", "[",     "]",     "mask"};
    static const int32_t types[18] = {3, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    gguf_make m = gguf_make_begin(3);
    gguf_make_str(&m, "tokenizer.ggml.model", "bert");
    gguf_make_strings(&m, "tokenizer.ggml.tokens", hashes ? hashed : marked, 18);
    tok_make_i32s(&m, "tokenizer.ggml.token_type", types, 18);
    gguf_make_u32(&m, "tokenizer.ggml.cls_token_id", 2);
    gguf_make_u32(&m, "tokenizer.ggml.seperator_token_id", 3);
    gguf_make_u32(&m, "tokenizer.ggml.unknown_token_id", 1);
    return open_section(gguf_make_end(&m, 32));
}

static void expect_ids(const vocabulary *v, const char *text, bool special, const char *ids)
{
    assert_string_equal(tok_make_ids(&v->tok, text, strlen(text), special), ids);
}

/* ---- BPE ---- */

static void bpe_merges_in_order(void **state)
{
    (void)state;
    vocabulary v = bytes_vocabulary("gpt-2");
    expect_ids(&v, "", false, "");
    expect_ids(&v, "ab", false, "257");
    expect_ids(&v, "abcab", false, "258 257");
    expect_ids(&v, "bab", false, "98 257");
    expect_ids(&v, "a t", false, "97 259");
    expect_ids(&v, "\xc3\xa9", false, "260");
    expect_ids(&v, "<end>", false, "60 101 110 100 62");
    expect_ids(&v, "ab", true, "257 256");
    expect_ids(&v, "", true, "256");
    close_vocabulary(&v);
}

/* A merge may make a text that is no token; what is left of it falls apart into the tokens that
 * are single bytes of it. */
static void bpe_symbols_that_are_no_tokens(void **state)
{
    (void)state;
    vocabulary v = bytes_vocabulary("gpt-2");
    expect_ids(&v, "xyz", false, "120 121 122");
    expect_ids(&v, "aaaa", false, "97 97 97 97");
    expect_ids(&v, "aab", false, "97 257");
    close_vocabulary(&v);

    static const char *const tokens[] = {"a", "b", "\xc4\xa0", "\304\240ab"};
    static const char *const merges[] = {"\xc4\xa0 a", "\304\240a b", "q r"};
    gguf_make m = gguf_make_begin(3);
    gguf_make_str(&m, "tokenizer.ggml.model", "gpt2");
    gguf_make_str(&m, "tokenizer.ggml.pre", "gpt-2");
    gguf_make_strings(&m, "tokenizer.ggml.tokens", tokens, 4);
    gguf_make_strings(&m, "tokenizer.ggml.merges", merges, 3);
    v = open_section(gguf_make_end(&m, 32));
    expect_ids(&v, " ab", false, "3");
    expect_ids(&v, " ac", false, "0");    /* the blank is no single byte, c no token */
    expect_ids(&v, " qrb", false, "2 1"); /* q and r are no tokens, joined or not */
    expect_ids(&v, "\xf0\x9f\x94\xa5", true, "");
    close_vocabulary(&v);
}

static void bpe_ignore_merges(void **state)
{
    (void)state;
    static const char *const tokens[] = {"a", "b", "c", "ab", "abc", "bc", "<x>"};
    static const int32_t types[] = {1, 1, 1, 1, 1, 1, 3};
    static const char *const merges[] = {"b c", "a b"};
    for (int ignore = 0; ignore < 2; ignore++) {
        gguf_make m = gguf_make_begin(3);
        gguf_make_str(&m, "tokenizer.ggml.model", "gpt2");
        gguf_make_str(&m, "tokenizer.ggml.pre", ignore ? "llama-bpe" : "gpt-2");
        gguf_make_strings(&m, "tokenizer.ggml.tokens", tokens, 7);
        tok_make_i32s(&m, "tokenizer.ggml.token_type", types, 7);
        gguf_make_strings(&m, "tokenizer.ggml.merges", merges, 2);
        gguf_make_u32(&m, "tokenizer.ggml.bos_token_id", 6);
        vocabulary v = open_section(gguf_make_end(&m, 32));
        expect_ids(&v, "abc", false, ignore ? "4" : "0 5");
        expect_ids(&v, "abcc", false, "0 5 2");
        expect_ids(&v, "abc", true, ignore ? "6 4" : "0 5"); /* llama-bpe adds BOS unasked */
        close_vocabulary(&v);
    }
}

/* ---- SPM ---- */

static void spm_merges_by_score(void **state)
{
    (void)state;
    vocabulary v = spm_vocabulary();
    assert_true(v.tok.add_bos && !v.tok.add_eos && v.tok.add_space_prefix);
    expect_ids(&v, "", false, "");
    expect_ids(&v, "", true, "1");
    expect_ids(&v, "ab", false, "7");
    expect_ids(&v, "ab", true, "1 7");
    expect_ids(&v, "abc", false, "3 4 8"); /* bc before ab */
    expect_ids(&v, " ab", false, "3 7");
    expect_ids(&v, "\342\226\201ab", false, "3 7");
    expect_ids(&v, "   ", false, "16 16");
    close_vocabulary(&v);
}

static void spm_bytes_and_unknown(void **state)
{
    (void)state;
    vocabulary v = spm_vocabulary();
    expect_ids(&v, "A", false, "3 82");
    expect_ids(&v, "\xc3\xa9", false, "3 211 185");
    expect_ids(&v, "aXb", false, "3 4 0 5"); /* no <0x58>: unknown */
    close_vocabulary(&v);
}

static void spm_special_tokens_stay_out(void **state)
{
    (void)state;
    vocabulary v = spm_vocabulary();
    expect_ids(&v, "<s>", false, "3 13 12");
    expect_ids(&v, "</s>", false, "3 10 15 14");
    expect_ids(&v, "<0x41>", false, "3 10 65 136 69 66 12");
    close_vocabulary(&v);
}

/* ---- WordPiece ---- */

static void wordpiece_covers_words(void **state)
{
    (void)state;
    for (int hashes = 0; hashes < 2; hashes++) {
        vocabulary v = wordpiece_vocabulary(hashes == 1);
        expect_ids(&v, "", true, "2 3");
        expect_ids(&v, "a", true, "2 5 3");
        expect_ids(&v, "ab aba", false, "6 6 10");
        expect_ids(&v, "unaffable", false, "7 13");       /* the longest, not the first */
        expect_ids(&v, "unaffa", false, "7 12 10");
        expect_ids(&v, "unaffx a", false, "1 5");         /* one unknown for the word */
        expect_ids(&v, "bb", false, "1");                 /* b only goes on with a word */
        expect_ids(&v, "a,a", false, "5 8 5");            /* punctuation stands alone */
        expect_ids(&v, "a\344\270\255b", false, "5 9 1"); /* and so do Chinese characters */
        expect_ids(&v, "\303\200 A\314\200B", false, "5 6"); /* accents and case */
        expect_ids(&v, "a\302\240a\tb\342\200\213", false, "5 5 1");
        expect_ids(&v, "a\1\177\302\255b\xff", false, "6"); /* controls do not count */
        expect_ids(&v, "[MASK]", false, "15 17 16");      /* no special token out of text */
        close_vocabulary(&v);
    }
}

static void wordpiece_folds_characters(void **state)
{
    (void)state;
    static const struct {
        uint32_t from, to;
    } folds[] = {
        {'a', 'a'},       {'Z', 'z'},       {'[', '['},       {0xc0, 'a'},      {0xdf, 0xdf},
        {0x100, 'a'},     {0x110, 0x111},   {0x111, 0x111},   {0x130, 'i'},     {0x1e9e, 0xdf},
        {0x391, 0x3b1},   {0x3ac, 0x3b1},   {0x42f, 0x44f},   {0x1ea1, 'a'},    {0x212b, 'a'},
        {0xac00, 0x1100}, {0xd55c, 0x1112}, {0xff21, 0xff41}, {0x10400, 0x10428}, {0x2f800, 0x4e3d},
        {0x4e2d, 0x4e2d}, {0x10ffff, 0x10ffff}, {0x2a6df, 0x2a6df}, {0x300, 0x300},
    };
    for (size_t i = 0; i < sizeof folds / sizeof *folds; i++) {
        assert_int_equal(lc_unicode_fold(folds[i].from), folds[i].to);
    }
}

static void decoding(void **state)
{
    (void)state;
    vocabulary v = spm_vocabulary();
    char out[16];
    assert_int_equal(lc_tok_decode(&v.tok, 7, true, out, sizeof out), 2);
    assert_memory_equal(out, "ab", 2);
    assert_int_equal(lc_tok_decode(&v.tok, 7, false, out, sizeof out), 3);
    assert_memory_equal(out, " ab", 3);
    assert_int_equal(lc_tok_decode(&v.tok, 7, false, out, 2), 2);
    assert_int_equal(lc_tok_decode(&v.tok, 17 + 10, false, out, sizeof out), 1);
    assert_int_equal(out[0], '\n');
    assert_int_equal(lc_tok_decode(&v.tok, 0, false, out, sizeof out), 0);
    assert_int_equal(lc_tok_decode(&v.tok, 1, false, out, sizeof out), 0);
    assert_int_equal(lc_tok_decode(&v.tok, v.tok.vocab, false, out, sizeof out), 0);
    assert_int_equal(lc_tok_decode(&v.tok, LC_TOKEN_NONE, false, out, sizeof out), 0);
    assert_true(lc_str_equal(lc_tok_text(&v.tok, 2), lc_str_from("</s>")));
    assert_int_equal(lc_tok_text(&v.tok, v.tok.vocab).bytes, 0);
    close_vocabulary(&v);
}

/* ---- limits ---- */

static void cut_and_arena(void **state)
{
    (void)state;
    vocabulary list[] = {bytes_vocabulary("gpt-2"), spm_vocabulary(), wordpiece_vocabulary(false)};
    for (size_t i = 0; i < 3; i++) {
        const lc_tok *tok = &list[i].tok;
        static const char text[] = "a,,,abcabcabcabcabc abcabcabcabcabcabc";
        size_t need = lc_tok_scratch_bytes(tok, sizeof text - 1);
        uint32_t ids[4] = {9, 9, 9, 9};
        uint32_t count = 77;
        bool cut = false;
        lc_arena scratch;
        uint8_t *memory = aligned_alloc(LC_ARENA_ALIGN, need);
        lc_arena_init(&scratch, memory, need - 1);
        assert_int_equal(
            lc_tok_encode(tok, text, sizeof text - 1, true, &scratch, ids, 4, &count, &cut),
            LC_ERR_ARENA);
        assert_int_equal(count, 77);
        assert_int_equal(scratch.used, 0);
        lc_arena_init(&scratch, memory, need);
        assert_int_equal(
            lc_tok_encode(tok, text, sizeof text - 1, true, &scratch, ids, 3, &count, &cut), LC_OK);
        assert_int_equal(count, 3);
        assert_true(cut);
        assert_int_equal(ids[3], 9);
        assert_int_equal(scratch.used, 0);
        assert_int_equal(scratch.peak, need);
        free(memory);
        close_vocabulary(&list[i]);
    }
}

static uint32_t *encode_long(const lc_tok *tok, const char *text, size_t bytes, uint32_t *count)
{
    bool cut = false;
    lc_arena scratch;
    size_t need = lc_tok_scratch_bytes(tok, bytes);
    void *memory = aligned_alloc(LC_ARENA_ALIGN, need);
    uint32_t *ids = malloc((bytes + 4) * sizeof *ids);
    assert_non_null(memory);
    assert_non_null(ids);
    lc_arena_init(&scratch, memory, need);
    assert_int_equal(
        lc_tok_encode(tok, text, bytes, false, &scratch, ids, (uint32_t)bytes + 4, count, &cut),
        LC_OK);
    assert_false(cut);
    free(memory);
    return ids;
}

static void long_runs_take_bounded_time(void **state)
{
    (void)state;
    vocabulary list[] = {bytes_vocabulary("gpt-2"),     bytes_vocabulary("smollm"),
                         bytes_vocabulary("qwen2"),     bytes_vocabulary("falcon"),
                         bytes_vocabulary("llama-bpe"), spm_vocabulary(),
                         wordpiece_vocabulary(false)};
    char *text = malloc(LONG_BYTES);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        static const char letters[] = {'a', ' ', '1', '!', '\n', '\''};
        for (size_t k = 0; k < sizeof letters; k++) {
            memset(text, letters[k], LONG_BYTES);
            uint32_t count = 0;
            clock_t start = clock();
            free(encode_long(&list[i].tok, text, LONG_BYTES, &count));
            assert_true(clock() - start < (clock_t)LONG_SECONDS * CLOCKS_PER_SEC);
            bool blank = letters[k] == ' ' || letters[k] == '\n';
            assert_true(count > 0 || (blank && list[i].tok.kind == LC_TOK_WORDPIECE));
            assert_true(count <= LONG_BYTES + 1);
        }
        close_vocabulary(&list[i]);
    }
    free(text);
}

/* ---- there and back ---- */

static size_t random_text(char *text, size_t chars)
{
    size_t bytes = 0;
    for (size_t i = 0; i < chars; i++) {
        uint32_t c = (uint32_t)rand() % 4 == 0 ? (uint32_t)rand() % 0x110000u
                                               : (uint32_t) "abc tTé\n '1"[rand() % 11] & 0x7fu;
        if (c == 0 || (c >= 0xd800 && c < 0xe000)) {
            c = 'a';
        }
        bytes += lc_utf8_encode(c, text + bytes);
    }
    return bytes;
}

static void expect_round_trip(const lc_tok *tok, const char *text, size_t bytes)
{
    uint32_t count = 0;
    uint32_t *ids = encode_long(tok, text, bytes, &count);
    char *back = malloc(bytes + LC_TOKEN_BYTES_MAX);
    assert_non_null(back);
    size_t used = 0;
    for (uint32_t i = 0; i < count && used <= bytes; i++) {
        assert_true(ids[i] < tok->vocab);
        used += lc_tok_decode(tok, ids[i], i == 0, back + used, LC_TOKEN_BYTES_MAX);
    }
    assert_int_equal(used, bytes);
    assert_memory_equal(back, text, bytes);
    free(back);
    free(ids);
}

static void round_trips(const lc_tok *tok, int rounds)
{
    srand(3);
    for (int i = 0; i < rounds; i++) {
        char text[4 * 64];
        size_t bytes = random_text(text, 1 + (size_t)rand() % 64);
        bool blank_sign = false; /* SPM takes U+2581 for a blank */
        for (size_t at = 0; at + 2 < bytes; at++) {
            blank_sign = blank_sign || memcmp(text + at, "\xe2\x96\x81", 3) == 0;
        }
        if (!blank_sign) {
            expect_round_trip(tok, text, bytes);
        }
    }
}

static void text_comes_back(void **state)
{
    (void)state;
    static const char *const pre[] = {"gpt-2", "smollm", "qwen2", "falcon", "llama-bpe"};
    for (size_t i = 0; i < sizeof pre / sizeof *pre; i++) {
        vocabulary v = bytes_vocabulary(pre[i]);
        round_trips(&v.tok, 500);
        close_vocabulary(&v);
    }
}

/* ---- damage ---- */

static void use_damaged(const uint8_t *section, size_t bytes)
{
    static const char text[] = "abc ab  \xc3\xa9<s>X 123 xyz aaaaaaaa";
    lc_tok tok;
    lc_diag diag = {0};
    if (lc_tok_open(section, bytes, &tok, &diag) != LC_OK) {
        assert_true(diag.err != LC_OK && diag.text != NULL);
        return;
    }
    uint32_t ids[256];
    uint32_t count = 0;
    bool cut = false;
    _Alignas(LC_ARENA_ALIGN) static uint8_t memory[8192];
    lc_arena scratch;
    lc_arena_init(&scratch, memory, sizeof memory);
    assert_int_equal(
        lc_tok_encode(&tok, text, sizeof text - 1, true, &scratch, ids, 256, &count, &cut), LC_OK);
    for (uint32_t i = 0; i < count; i++) {
        char out[LC_TOKEN_BYTES_MAX];
        assert_true(ids[i] < tok.vocab);
        assert_true(lc_tok_decode(&tok, ids[i], i == 0, out, sizeof out) <= sizeof out);
    }
}

static void damaged_tables_never_crash(void **state)
{
    (void)state;
    vocabulary list[] = {bytes_vocabulary("gpt-2"), bytes_vocabulary("llama-bpe"),
                         spm_vocabulary(), wordpiece_vocabulary(false)};
    srand(11);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        size_t bytes = list[i].section.bytes;
        uint8_t *copy = malloc(bytes);
        assert_non_null(copy);
        for (int round = 0; round < 6000; round++) {
            memcpy(copy, list[i].section.data, bytes);
            for (int flips = 1 + rand() % 8; flips > 0; flips--) {
                size_t at = (size_t)rand() % (round % 4 == 0 ? 64 : bytes);
                copy[at] = (uint8_t)(round % 3 == 0 ? rand() : copy[at] ^ (1 << rand() % 8));
            }
            use_damaged(copy, bytes);
        }
        for (size_t cut = 0; cut < bytes; cut += 1 + cut / 16) {
            uint8_t *shorter = malloc(cut + 1);
            assert_non_null(shorter);
            memcpy(shorter, list[i].section.data, cut);
            lc_tok tok;
            assert_true(lc_tok_open(shorter, cut, &tok, NULL) != LC_OK);
            free(shorter);
        }
        free(copy);
        close_vocabulary(&list[i]);
    }
}

static void opening_refuses(void **state)
{
    (void)state;
    static const struct {
        size_t offset;
        uint8_t value;
        lc_err err;
    } wrong[] = {
        {0, 2, LC_ERR_VERSION}, {4, 4, LC_ERR_UNSUPPORTED}, {5, 9, LC_ERR_UNSUPPORTED},
        {6, 4, LC_ERR_FORMAT},  {7, 1, LC_ERR_FORMAT},      {11, 1, LC_ERR_LIMIT},
        {13, 0, LC_ERR_FORMAT}, {18, 1, LC_ERR_FORMAT},     {22, 1, LC_ERR_FORMAT},
        {26, 1, LC_ERR_FORMAT}, {28, 0, LC_ERR_FORMAT},     {36, 1, LC_ERR_FORMAT},
        {46, 1, LC_ERR_LIMIT},  {63, 1, LC_ERR_FORMAT},
    };
    vocabulary v = bytes_vocabulary("gpt-2");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        uint8_t kept = v.section.data[wrong[i].offset];
        lc_tok tok = {.vocab = 5};
        lc_diag diag = {0};
        v.section.data[wrong[i].offset] = wrong[i].value;
        assert_int_equal(lc_tok_open(v.section.data, v.section.bytes, &tok, &diag), wrong[i].err);
        assert_int_equal(diag.err, wrong[i].err);
        assert_int_equal(tok.vocab, 5);
        v.section.data[wrong[i].offset] = kept;
    }
    close_vocabulary(&v);
}

/* ---- golden ids of real vocabularies ---- */

static const char *shared(const char *name, char *path, size_t max)
{
    const char *root = getenv("LC_SHARED");
    snprintf(path, max, "%s/%s", root != NULL ? root : "../shared/data", name);
    return path;
}

/* A file of the shared data; the test is skipped when it is absent. */
static lc_map map_or_skip(const char *name)
{
    char path[512];
    lc_map map;
    if (lc_map_open(shared(name, path, sizeof path), &map) != LC_OK) {
        printf("skipped: %s not found\n", path);
        skip();
    }
    return map;
}

/* Text up to a separator, which is stepped over. */
static lc_str take(const char **at, const char *end, const char *separator)
{
    size_t bytes = strlen(separator);
    const char *start = *at;
    const char *found = memmem(start, (size_t)(end - start), separator, bytes);
    *at = found != NULL ? found + bytes : end;
    return (lc_str){start, (uint32_t)((found != NULL ? found : end) - start)};
}

static vocabulary map_vocabulary(const char *name)
{
    lc_map map = map_or_skip(name);
    lc_buf copy = {0};
    lc_buf_put(&copy, map.data, map.bytes);
    lc_map_close(&map);
    return open_section(copy);
}

static uint32_t expect_golden(const vocabulary *v, const lc_map *texts, const char *separator,
                              const lc_map *ids)
{
    const char *text = (const char *)texts->data;
    const char *id = (const char *)ids->data;
    const char *text_end = text + texts->bytes;
    uint32_t count = 0;
    for (; id < (const char *)ids->data + ids->bytes; count++) {
        lc_str one = take(&text, text_end, separator);
        lc_str wanted = take(&id, (const char *)ids->data + ids->bytes, "\n");
        while (wanted.bytes > 0 && wanted.data[0] == ' ') {
            wanted.data++;
            wanted.bytes--;
        }
        while (wanted.bytes > 0 && wanted.data[wanted.bytes - 1] == ' ') {
            wanted.bytes--;
        }
        const char *got = tok_make_ids(&v->tok, one.data, one.bytes, false);
        if (!lc_str_equal(lc_str_from(got), wanted)) {
            fail_msg("text %u `%.*s`: %s, expected %.*s", count, (int)one.bytes, one.data, got,
                     (int)wanted.bytes, wanted.data);
        }
    }
    return count;
}

static void expect_both_golden(const char *model)
{
    char name[128];
    snprintf(name, sizeof name, "tokenizers/ggml-vocab-%s.gguf", model);
    vocabulary v = map_vocabulary(name);
    lc_map lines = map_or_skip("tokenizers/golden/lines.txt");
    snprintf(name, sizeof name, "tokenizers/golden/tok-%s.txt", model);
    lc_map ids = map_or_skip(name);
    assert_int_equal(expect_golden(&v, &lines, "\n", &ids), 818);
    lc_map_close(&lines);
    lc_map_close(&ids);
    snprintf(name, sizeof name, "tokenizers/ggml-vocab-%s.gguf.inp", model);
    lines = map_or_skip(name);
    snprintf(name, sizeof name, "tokenizers/ggml-vocab-%s.gguf.out", model);
    ids = map_or_skip(name);
    assert_int_equal(expect_golden(&v, &lines, "\n__ggml_vocab_test__\n", &ids), 46);
    lc_map_close(&lines);
    lc_map_close(&ids);
    close_vocabulary(&v);
}

static void golden_gpt2(void **state)
{
    (void)state;
    expect_both_golden("gpt-2");
}

static void golden_qwen2(void **state)
{
    (void)state;
    expect_both_golden("qwen2");
}

static void golden_phi3(void **state)
{
    (void)state;
    expect_both_golden("phi-3");
}

static void golden_falcon(void **state)
{
    (void)state;
    expect_both_golden("falcon");
}

static void golden_bert(void **state)
{
    (void)state;
    expect_both_golden("bert-bge");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bpe_merges_in_order),
        cmocka_unit_test(bpe_symbols_that_are_no_tokens),
        cmocka_unit_test(bpe_ignore_merges),
        cmocka_unit_test(spm_merges_by_score),
        cmocka_unit_test(spm_bytes_and_unknown),
        cmocka_unit_test(spm_special_tokens_stay_out),
        cmocka_unit_test(wordpiece_covers_words),
        cmocka_unit_test(wordpiece_folds_characters),
        cmocka_unit_test(decoding),
        cmocka_unit_test(cut_and_arena),
        cmocka_unit_test(long_runs_take_bounded_time),
        cmocka_unit_test(text_comes_back),
        cmocka_unit_test(damaged_tables_never_crash),
        cmocka_unit_test(opening_refuses),
        cmocka_unit_test(golden_gpt2),
        cmocka_unit_test(golden_qwen2),
        cmocka_unit_test(golden_phi3),
        cmocka_unit_test(golden_falcon),
        cmocka_unit_test(golden_bert),
    };
    return cmocka_run_group_tests_name("tok", tests, NULL, NULL);
}
