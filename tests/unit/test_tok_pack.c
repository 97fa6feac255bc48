/* What the packer of vocabularies refuses: each key missing, of the wrong type, or absurd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../runtime/limits.h"
#include "tok_make.h"

#define KEY(name) "tokenizer.ggml." name

static const char *const tokens[] = {"a", "b", "ab", "<e>"};
static const int32_t types[] = {1, 1, 1, 3};
static const float scores[] = {-1, -2, -3, 0};
static const char *const merges[] = {"a b"};

/* A sound vocabulary but for the key that `instead` leaves to the case. */
static gguf_make sound(const char *model, const char *instead)
{
    gguf_make m = gguf_make_begin(3);
    bool bpe = strcmp(model, "gpt2") == 0;
    if (strcmp(instead, "model") != 0) {
        gguf_make_str(&m, KEY("model"), model);
    }
    if (bpe && strcmp(instead, "pre") != 0) {
        gguf_make_str(&m, KEY("pre"), "gpt-2");
    }
    if (strcmp(instead, "tokens") != 0) {
        gguf_make_strings(&m, KEY("tokens"), tokens, 4);
    }
    if (strcmp(instead, "token_type") != 0) {
        tok_make_i32s(&m, KEY("token_type"), types, 4);
    }
    if (bpe && strcmp(instead, "merges") != 0) {
        gguf_make_strings(&m, KEY("merges"), merges, 1);
    }
    if (!bpe && strcmp(instead, "scores") != 0) {
        tok_make_f32s(&m, KEY("scores"), scores, 4);
    }
    return m;
}

/* Consumes the maker. The error's text must hold `word`; nothing may have been written. */
static void expect(gguf_make *m, lc_err wanted, const char *word)
{
    lc_buf gguf = gguf_make_end(m, 32);
    lc_buf section = {0};
    lc_diag diag = {LC_OK, 0, ""};
    lc_err err = tok_make_section(gguf.data, gguf.bytes, &section, &diag);
    if (err != wanted || (wanted != LC_OK && strstr(diag.text, word) == NULL)) {
        fail_msg("%d `%s`, expected %d with `%s`", err, diag.text, wanted, word);
    }
    if (wanted == LC_OK) {
        lc_tok tok;
        assert_int_equal(lc_tok_open(section.data, section.bytes, &tok, &diag), LC_OK);
    } else {
        assert_int_equal(diag.err, wanted);
        assert_true(diag.offset <= gguf.bytes);
        assert_int_equal(section.bytes, 0);
    }
    lc_buf_free(&section);
    lc_buf_free(&gguf);
}

static void sound_ones_pass(void **state)
{
    (void)state;
    gguf_make m = sound("gpt2", "");
    expect(&m, LC_OK, "");
    m = sound("llama", "");
    expect(&m, LC_OK, "");
    m = sound("llama", "scores");
    expect(&m, LC_OK, "");
    m = sound("gpt2", "token_type");
    expect(&m, LC_OK, "");
}

static void tokenizers_by_name(void **state)
{
    (void)state;
    static const char *const models[] = {"bert2", "t5", "rwkv", "", "gpt2x"};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        gguf_make m = sound("gpt2", "model");
        char named[64];
        gguf_make_str(&m, KEY("model"), models[i]);
        snprintf(named, sizeof named, "`%s`", models[i]);
        expect(&m, LC_ERR_UNSUPPORTED, named);
    }
    gguf_make m = sound("gpt2", "pre");
    gguf_make_str(&m, KEY("pre"), "deepseek-llm");
    expect(&m, LC_ERR_UNSUPPORTED, "`deepseek-llm`");
    m = sound("gpt2", "pre");
    expect(&m, LC_ERR_UNSUPPORTED, "pre is missing");
    m = sound("gpt2", "model");
    expect(&m, LC_ERR_FORMAT, "model is missing");
    m = sound("gpt2", "model");
    gguf_make_u32(&m, KEY("model"), 1);
    expect(&m, LC_ERR_FORMAT, "no text");
}

static void tokens_and_types(void **state)
{
    (void)state;
    static const char *const twice[] = {"a", "b", "a", "c"};
    static const char *const empty[] = {"a", "b", "", ""};
    static const int32_t wrong[] = {1, 7, 1, 1};
    static const int32_t negative[] = {1, -1, 1, 1};
    char huge[LC_TOKEN_BYTES_MAX + 2] = {0};
    memset(huge, 'x', LC_TOKEN_BYTES_MAX + 1);
    const char *const over[] = {"a", "b", huge, "c"};

    gguf_make m = sound("gpt2", "tokens");
    expect(&m, LC_ERR_FORMAT, "tokens is missing");
    m = sound("gpt2", "tokens");
    gguf_make_strings(&m, KEY("tokens"), tokens, 0);
    expect(&m, LC_ERR_LIMIT, "none");
    m = sound("gpt2", "tokens");
    tok_make_i32s(&m, KEY("tokens"), types, 4);
    expect(&m, LC_ERR_FORMAT, "no list of texts");
    m = sound("llama", "tokens");
    gguf_make_strings(&m, KEY("tokens"), twice, 4);
    expect(&m, LC_ERR_FORMAT, "tokens 0 and 2 are equal");
    m = sound("gpt2", "tokens");
    gguf_make_strings(&m, KEY("tokens"), empty, 4);
    expect(&m, LC_OK, "");
    m = sound("gpt2", "tokens");
    gguf_make_strings(&m, KEY("tokens"), over, 4);
    expect(&m, LC_ERR_LIMIT, "token 2");
    m = sound("gpt2", "token_type");
    tok_make_i32s(&m, KEY("token_type"), types, 3);
    expect(&m, LC_ERR_FORMAT, "one for each token");
    m = sound("gpt2", "token_type");
    tok_make_i32s(&m, KEY("token_type"), wrong, 4);
    expect(&m, LC_ERR_FORMAT, "type 7 of token 1");
    m = sound("gpt2", "token_type");
    tok_make_i32s(&m, KEY("token_type"), negative, 4);
    expect(&m, LC_ERR_FORMAT, "of token 1");
    m = sound("gpt2", "token_type");
    tok_make_f32s(&m, KEY("token_type"), scores, 4);
    expect(&m, LC_ERR_FORMAT, "no list of 32-bit numbers");
    static const int32_t byte[] = {1, 6, 1, 1};
    m = sound("llama", "token_type");
    tok_make_i32s(&m, KEY("token_type"), byte, 4);
    expect(&m, LC_ERR_FORMAT, "byte token 1");
}

static void merges_are_checked(void **state)
{
    (void)state;
    static const char *const wrong[] = {"ab", "", " ", "a ", " a", "  "};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *const list[] = {"a b", wrong[i]};
        gguf_make m = sound("gpt2", "merges");
        gguf_make_strings(&m, KEY("merges"), list, 2);
        expect(&m, LC_ERR_FORMAT, "merge 1");
    }
    gguf_make m = sound("gpt2", "merges");
    expect(&m, LC_ERR_FORMAT, "merges: missing");
    m = sound("gpt2", "merges");
    gguf_make_strings(&m, KEY("merges"), merges, 0);
    expect(&m, LC_OK, "");
    char huge[LC_TOKEN_BYTES_MAX + 4] = {0};
    memset(huge, 'x', LC_TOKEN_BYTES_MAX + 3);
    huge[5] = ' ';
    const char *const over[] = {huge};
    m = sound("gpt2", "merges");
    gguf_make_strings(&m, KEY("merges"), over, 1);
    expect(&m, LC_ERR_LIMIT, "merge 0");
}

static void scores_are_checked(void **state)
{
    (void)state;
    static const uint32_t no_numbers[] = {0x7fc00000u, 0x7f800000u, 0xff800000u};
    for (size_t i = 0; i < 3; i++) {
        float list[4] = {-1, -2, -3, 0};
        memcpy(&list[2], &no_numbers[i], sizeof list[2]);
        gguf_make m = sound("llama", "scores");
        tok_make_f32s(&m, KEY("scores"), list, 4);
        expect(&m, LC_ERR_FORMAT, "score of token 2");
    }
    gguf_make m = sound("llama", "scores");
    tok_make_f32s(&m, KEY("scores"), scores, 3);
    expect(&m, LC_ERR_FORMAT, "one float for each token");
}

static void ids_and_flags(void **state)
{
    (void)state;
    static const char *const ids[] = {KEY("bos_token_id"), KEY("eos_token_id"),
                                      KEY("unknown_token_id")};
    for (size_t i = 0; i < 3; i++) {
        gguf_make m = sound("llama", "");
        gguf_make_u32(&m, ids[i], 4);
        expect(&m, LC_ERR_FORMAT, ids[i]);
        m = sound("llama", "");
        gguf_make_u32(&m, ids[i], UINT32_MAX);
        expect(&m, LC_ERR_FORMAT, ids[i]);
        m = sound("llama", "");
        gguf_make_bool(&m, ids[i], true);
        expect(&m, LC_ERR_FORMAT, ids[i]);
    }
    static const char *const flags[] = {KEY("add_bos_token"), KEY("add_eos_token"),
                                        KEY("add_space_prefix")};
    for (size_t i = 0; i < 3; i++) {
        gguf_make m = sound("llama", "");
        gguf_make_u32(&m, flags[i], 1);
        expect(&m, LC_ERR_FORMAT, flags[i]);
    }
}

static lc_tok open_flags(const char *model, const char *pre, const char *key, bool on,
                         lc_buf *section)
{
    gguf_make m = sound(model, "pre");
    lc_tok tok;
    if (pre != NULL) {
        gguf_make_str(&m, KEY("pre"), pre);
    }
    if (key != NULL) {
        gguf_make_bool(&m, key, on);
    }
    lc_buf gguf = gguf_make_end(&m, 32);
    section->bytes = 0;
    assert_int_equal(tok_make_section(gguf.data, gguf.bytes, section, NULL), LC_OK);
    assert_int_equal(lc_tok_open(section->data, section->bytes, &tok, NULL), LC_OK);
    lc_buf_free(&gguf);
    return tok;
}

static void defaults_of_each_tokenizer(void **state)
{
    (void)state;
    lc_buf section = {0};
    lc_tok t = open_flags("gpt2", "gpt-2", NULL, false, &section);
    assert_true(!t.add_bos && !t.add_eos && !t.add_space_prefix && !t.ignore_merges);
    assert_int_equal(t.bos, LC_TOKEN_NONE); /* 11 where there are as many tokens */
    t = open_flags("gpt2", "llama-bpe", NULL, false, &section);
    assert_true(t.add_bos && !t.add_eos && t.ignore_merges);
    t = open_flags("gpt2", "llama-bpe", KEY("add_bos_token"), false, &section);
    assert_false(t.add_bos);
    t = open_flags("gpt2", "qwen2", KEY("add_eos_token"), true, &section);
    assert_true(t.add_eos && !t.add_bos);
    t = open_flags("llama", NULL, NULL, false, &section);
    assert_true(t.add_bos && !t.add_eos && t.add_space_prefix);
    assert_int_equal(t.bos, 1);
    assert_int_equal(t.eos, 2);
    assert_int_equal(t.unk, 0);
    t = open_flags("llama", NULL, KEY("add_space_prefix"), false, &section);
    assert_false(t.add_space_prefix);
    lc_buf_free(&section);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_ones_pass),
        cmocka_unit_test(tokenizers_by_name),
        cmocka_unit_test(tokens_and_types),
        cmocka_unit_test(merges_are_checked),
        cmocka_unit_test(scores_are_checked),
        cmocka_unit_test(ids_and_flags),
        cmocka_unit_test(defaults_of_each_tokenizer),
    };
    return cmocka_run_group_tests_name("tok_pack", tests, NULL, NULL);
}
