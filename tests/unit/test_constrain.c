/* Constrained output: whatever a model prefers, labels and JSON come out whole, in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../tools/constrain.h"
#include "tok_make.h"

/* ---- vocabularies ---- */

typedef struct vocabulary {
    lc_buf section;
    lc_tok tok;
} vocabulary;

static const char *const pieces[] = {
    "he", "ll", "hell", "{\"",    "\":",  "\":\"", "\",\"", "\"}", "true", "hot", "cold",
    "ho", "co", "12",   "345",    "-1",   "0.",    "],",    "[\"", "é\"",  "\",", " hot",
    "fa", "an", "pump", "pump\"", "a\",", "日",    "xyz\"", "1.",  "\"]}", " "};
#define PIECES (sizeof pieces / sizeof pieces[0])
#define END (256u + PIECES)

/* All bytes (but one when `without` is a byte), the pieces, an end token. */
static vocabulary vocabulary_make(int without)
{
    static char text[256][4];
    const char *token[END + 1];
    int32_t type[END + 1];
    static char spelled[PIECES][32];
    uint32_t next = 256;
    static char letter[256][4];
    for (uint32_t i = 0; i < 256; i++) {
        bool plain = (i >= 33 && i <= 126) || (i >= 161 && i != 173);
        uint32_t code = plain ? i : next++;
        letter[i][0] = (char)(code < 128 ? code : 0xc0 | code >> 6);
        letter[i][1] = (char)(code < 128 ? 0 : 0x80 | (code & 63));
        memcpy(text[i], letter[i], sizeof text[i]);
        token[i] = text[i];
        type[i] = (int)i == without ? 5 : 1; /* unused */
    }
    for (uint32_t i = 0; i < PIECES; i++) {
        spelled[i][0] = 0;
        for (const char *c = pieces[i]; *c; c++) {
            strncat(spelled[i], letter[(uint8_t)*c], 3);
        }
        if (strcmp(pieces[i], " ") == 0) {
            snprintf(spelled[i], sizeof spelled[i], "%s%s", letter[' '], letter[' ']);
        }
        token[256 + i] = spelled[i];
        type[256 + i] = 1;
    }
    token[END] = "<end>";
    type[END] = 3;
    static const char *const merges[] = {"h e"};
    gguf_make m = gguf_make_begin(3);
    gguf_make_str(&m, "tokenizer.ggml.model", "gpt2");
    gguf_make_str(&m, "tokenizer.ggml.pre", "gpt-2");
    gguf_make_strings(&m, "tokenizer.ggml.tokens", token, END + 1);
    tok_make_i32s(&m, "tokenizer.ggml.token_type", type, END + 1);
    gguf_make_strings(&m, "tokenizer.ggml.merges", merges, 1);
    gguf_make_u32(&m, "tokenizer.ggml.eos_token_id", END);
    lc_buf gguf = gguf_make_end(&m, 32);
    vocabulary v = {.section = {0}};
    lc_diag diag = {.text = ""};
    if (tok_make_section(gguf.data, gguf.bytes, &v.section, &diag) != LC_OK) {
        fail_msg("%s", diag.text);
    }
    lc_buf_free(&gguf);
    assert_int_equal(lc_tok_open(v.section.data, v.section.bytes, &v.tok, &diag), LC_OK);
    return v;
}

/* ---- writing with dice instead of a model ---- */

static uint32_t dice;

static uint32_t dice_next(void)
{
    dice = dice * 1664525u + 1013904223u;
    return dice >> 8;
}

/* How the dice choose: any token, or the one that goes on for longest. */
typedef enum taste { ANY, LONG_TEXT, FIRST, TASTES } taste;

static uint32_t choose(const lc_tok *tok, const uint32_t *ids, uint32_t count, taste t)
{
    uint32_t best = dice_next() % count;
    for (uint32_t i = 0; t == LONG_TEXT && i < count; i++) { /* never the one that closes */
        lc_str text = lc_tok_text(tok, ids[i]);
        if (!memchr(text.data, '"', text.bytes) && dice_next() % 4 == 0) {
            best = i;
        }
    }
    return t == FIRST ? ids[0] : ids[best];
}

/* An output of at most n tokens; forced ones are checked to be among the choices. */
static uint32_t write_out(lc_constrain *c, const lc_tok *tok, uint32_t n, taste t, char *out,
                          uint32_t room)
{
    static uint32_t ids[END + 1];
    uint32_t used = 0, bytes = 0;
    while (!lc_constrain_done(c)) {
        assert_true(lc_constrain_needs(c) <= n - used);
        if (used == n) {
            break; /* a label that begins another is whole as well */
        }
        uint32_t count = lc_constrain_choices(c, n - used, ids);
        uint32_t forced = lc_constrain_forced(c, n - used), id = choose(tok, ids, count, t);
        if (forced != LC_TOKEN_NONE) {
            bool among = false;
            for (uint32_t i = 0; i < count; i++) {
                among = among || ids[i] == forced;
            }
            assert_true(among);
            id = forced;
        }
        lc_constrain_take(c, id);
        if (id == END) {
            break;
        }
        used++;
        lc_str text = lc_tok_text(tok, id);
        assert_true(bytes + text.bytes < room);
        memcpy(out + bytes, text.data, text.bytes);
        bytes += text.bytes;
    }
    out[bytes] = 0;
    return bytes;
}

/* ---- labels ---- */

static void labels(void **state)
{
    (void)state;
    vocabulary v = vocabulary_make(-1);
    static const char *const known[] = {"hot", "hotter", "cold", "hell", "über"};
    lc_constrain *c;
    lc_json_diag diag;
    uint32_t seen[5] = {0};
    assert_int_equal(lc_constrain_labels("hot,hotter,cold,hell,über", &c, &diag), LC_OK);
    for (uint32_t seed = 0; seed < 600; seed++) {
        char out[64];
        uint32_t i = 0;
        dice = seed;
        assert_int_equal(lc_constrain_bind(c, &v.tok, END, seed % 2 == 1, &diag), LC_OK);
        uint32_t least = lc_constrain_needs(c);
        (void)write_out(c, &v.tok, least + seed % 5, (taste)(seed % TASTES), out, sizeof out);
        const char *text = out + (seed % 2 == 1 && out[0] == ' ');
        while (i < 5 && strcmp(text, known[i]) != 0) {
            i++;
        }
        if (i == 5) {
            fail_msg("seed %u: `%s`", seed, out);
        }
        seen[i]++;
    }
    for (uint32_t i = 0; i < 5; i++) {
        assert_true(seen[i] > 0);
    }
    assert_int_equal(lc_constrain_bind(c, &v.tok, LC_TOKEN_NONE, false, &diag), LC_ERR_UNSUPPORTED);
    lc_constrain_free(c);
    lc_buf_free(&v.section);
}

static void labels_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "a,,b", "a,", ",a", "a,b,a", "a, b", "\xff"};
    lc_constrain *c;
    lc_json_diag diag;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_not_equal(lc_constrain_labels(wrong[i], &c, &diag), LC_OK);
        assert_true(strlen(diag.text) > 0);
    }
}

/* ---- shapes ---- */

static const char shape[] =
    "{ // comments are fine\n"
    "\"label\": [\"hot\", \"cold\", \"q\\\"\\\\\\n\\u00e9\"], \"on\": \"boolean\",\n"
    "\"n\": {\"integer\": [-12, 345]}, \"t\": {\"number\": [-40.5, 125.25], \"decimals\": 2},\n"
    "\"small\": {\"number\": [0.03, 0.04], \"decimals\": 3}, \"minus\": {\"integer\": [-9, -7]},\n"
    "\"note\": {\"string\": 9}, \"x\": {\"list\": [\"pump\", \"fan\", \"a\"], \"max\": 2},\n"
    "\"last\": {\"string\": 1}}";

static void range_check(const cJSON *object, const char *key, double low, double high)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    assert_true(cJSON_IsNumber(value));
    if (value->valuedouble < low - 1e-12 || value->valuedouble > high + 1e-12) {
        fail_msg("%s: %.9g", key, value->valuedouble);
    }
}

static void bytes_check(const cJSON *object, const char *key, size_t most)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    assert_true(cJSON_IsString(value));
    assert_true(strlen(value->valuestring) <= most);
}

static void one_of(const cJSON *value, const char *const *known, uint32_t count)
{
    uint32_t i = 0;
    assert_true(cJSON_IsString(value));
    while (i < count && strcmp(value->valuestring, known[i]) != 0) {
        i++;
    }
    assert_true(i < count);
}

static void output_check(const char *out, size_t bytes)
{
    static const char *const names[] = {"hot", "cold", "q\"\\\n\xc3\xa9"};
    static const char *const parts[] = {"pump", "fan", "a"};
    cJSON *object;
    lc_json_diag diag = {.text = ""};
    if (lc_json_parse(out, bytes, 0, &object, &diag) != LC_OK) {
        fail_msg("%s: `%s`", diag.text, out);
    }
    assert_int_equal(cJSON_GetArraySize(object), 9);
    one_of(cJSON_GetObjectItemCaseSensitive(object, "label"), names, 3);
    assert_true(cJSON_IsBool(cJSON_GetObjectItemCaseSensitive(object, "on")));
    range_check(object, "n", -12, 345);
    range_check(object, "t", -40.5, 125.25);
    range_check(object, "small", 0.03, 0.04);
    range_check(object, "minus", -9, -7);
    bytes_check(object, "note", 9);
    bytes_check(object, "last", 1);
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(object, "x"), *word;
    assert_true(cJSON_IsArray(list) && cJSON_GetArraySize(list) <= 2);
    cJSON_ArrayForEach(word, list)
    {
        one_of(word, parts, 3);
    }
    cJSON_Delete(object);
}

/* Every budget from the least on, every taste, many throws. */
static void shapes_with(int without)
{
    vocabulary v = vocabulary_make(without);
    lc_constrain *c;
    lc_json_diag diag = {.text = ""};
    if (lc_constrain_shape(shape, sizeof shape - 1, &c, &diag) != LC_OK) {
        fail_msg("%s", diag.text);
    }
    uint32_t whole = 0;
    for (uint32_t seed = 0; seed < 3000; seed++) {
        char out[1024];
        dice = seed;
        assert_int_equal(lc_constrain_bind(c, &v.tok, END, false, &diag), LC_OK);
        uint32_t least = lc_constrain_needs(c);
        uint32_t n = least + (seed % 7 == 0 ? 200 : seed % 40);
        uint32_t bytes = write_out(c, &v.tok, n, (taste)(seed % TASTES), out, sizeof out);
        assert_true(lc_constrain_done(c));
        output_check(out, bytes);
        whole += memchr(out, 0xe6, bytes) != NULL;
    }
    assert_true(whole > 0); /* characters of three bytes were written, too */
    lc_constrain_free(c);
    lc_buf_free(&v.section);
}

static void shapes(void **state)
{
    (void)state;
    shapes_with(-1);
}

/* A vocabulary that cannot complete every cut character: characters then come in one token. */
static void shapes_without_a_byte(void **state)
{
    (void)state;
    shapes_with(0x91);
}

static void shapes_unwritable(void **state)
{
    (void)state;
    vocabulary v = vocabulary_make('}');
    lc_constrain *c;
    lc_json_diag diag;
    assert_int_equal(lc_constrain_shape("{\"a\":\"boolean\"}", 15, &c, &diag), LC_OK);
    assert_int_equal(lc_constrain_bind(c, &v.tok, END, false, &diag), LC_ERR_UNSUPPORTED);
    lc_constrain_free(c);
    lc_buf_free(&v.section);
}

static void shapes_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "[]",
                                        "{}",
                                        "3",
                                        "{\"a\":1}",
                                        "{\"a\":\"text\"}",
                                        "{\"a\":[]}",
                                        "{\"a\":[1]}",
                                        "{\"a\":[\"x\",\"x\"]}",
                                        "{\"a\":\"boolean\",\"a\":\"boolean\"}",
                                        "{\"a\":{}}",
                                        "{\"a\":{\"integer\":[1]}}",
                                        "{\"a\":{\"integer\":[2,1]}}",
                                        "{\"a\":{\"integer\":5}}",
                                        "{\"a\":{\"integer\":[0.2,0.8]}}",
                                        "{\"a\":{\"integer\":[0,1],\"decimals\":1}}",
                                        "{\"a\":{\"number\":[0,1e30]}}",
                                        "{\"a\":{\"number\":[0,1],\"decimals\":7}}",
                                        "{\"a\":{\"number\":[0,1],\"decimals\":0.5}}",
                                        "{\"a\":{\"number\":[\"0\",1]}}",
                                        "{\"a\":{\"string\":0}}",
                                        "{\"a\":{\"string\":99999}}",
                                        "{\"a\":{\"string\":\"x\"}}",
                                        "{\"a\":{\"list\":[\"x\"],\"max\":0}}",
                                        "{\"a\":{\"list\":[\"x\"],\"most\":1}}",
                                        "{\"a\":{\"list\":\"x\"}}",
                                        "{\"a\":{\"b\":\"boolean\"}}",
                                        "{\"a\":null}",
                                        "{\"a\":\"boolean\"} x"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        lc_constrain *c = NULL;
        lc_json_diag diag = {.text = ""};
        if (lc_constrain_shape(wrong[i], strlen(wrong[i]), &c, &diag) == LC_OK) {
            fail_msg("`%s` was taken", wrong[i]);
        }
        assert_true(strlen(diag.text) > 0);
    }
}

/* Each number of a range can be written, and no other. */
static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *shape, *text;
        bool good;
    } cases[] = {
        {"{\"a\":{\"integer\":[0,100]}}", "0", true},
        {"{\"a\":{\"integer\":[0,100]}}", "100", true},
        {"{\"a\":{\"integer\":[0,100]}}", "101", false},
        {"{\"a\":{\"integer\":[0,100]}}", "00", false},
        {"{\"a\":{\"integer\":[0,100]}}", "-0", false},
        {"{\"a\":{\"integer\":[0,100]}}", "1.0", false},
        {"{\"a\":{\"integer\":[15,100]}}", "1", false},
        {"{\"a\":{\"integer\":[15,100]}}", "15", true},
        {"{\"a\":{\"integer\":[-5,-3]}}", "-4", true},
        {"{\"a\":{\"integer\":[-5,-3]}}", "4", false},
        {"{\"a\":{\"integer\":[-5,-3]}}", "-2", false},
        {"{\"a\":{\"integer\":[-1e9,1e9]}}", "-1000000000", true},
        {"{\"a\":{\"integer\":[-1e9,1e9]}}", "1000000001", false},
        {"{\"a\":{\"number\":[-0.5,0.5],\"decimals\":1}}", "-0.5", true},
        {"{\"a\":{\"number\":[-0.5,0.5],\"decimals\":1}}", "-0.0", false},
        {"{\"a\":{\"number\":[-0.5,0.5],\"decimals\":1}}", "0.6", false},
        {"{\"a\":{\"number\":[-0.5,0.5],\"decimals\":1}}", "0.25", false},
        {"{\"a\":{\"number\":[-0.5,0.5],\"decimals\":1}}", "0.", false},
        {"{\"a\":{\"number\":[0.03,0.04],\"decimals\":2}}", "0.03", true},
        {"{\"a\":{\"number\":[0.03,0.04],\"decimals\":2}}", "0.05", false},
        {"{\"a\":{\"number\":[0,7]}}", "6.99", true},
        {"{\"a\":{\"number\":[0,7]}}", "7.01", false},
    };
    vocabulary v = vocabulary_make(-1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lc_constrain *c;
        lc_json_diag diag;
        char out[64];
        bool good = true;
        static uint32_t ids[END + 1];
        assert_int_equal(lc_constrain_shape(cases[i].shape, strlen(cases[i].shape), &c, &diag),
                         LC_OK);
        assert_int_equal(lc_constrain_bind(c, &v.tok, END, false, &diag), LC_OK);
        snprintf(out, sizeof out, "{\"a\":%s}", cases[i].text);
        for (size_t k = 0; good && k < strlen(out); k++) { /* byte by byte */
            uint32_t count = lc_constrain_choices(c, 60, ids), id = (uint8_t)out[k];
            good = false;
            for (uint32_t n = 0; n < count; n++) {
                good = good || ids[n] == id;
            }
            if (good) {
                lc_constrain_take(c, id);
            }
        }
        if ((good && lc_constrain_done(c)) != cases[i].good) {
            fail_msg("%s: %s", cases[i].shape, cases[i].text);
        }
        lc_constrain_free(c);
    }
    lc_buf_free(&v.section);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels),
        cmocka_unit_test(labels_refused),
        cmocka_unit_test(shapes),
        cmocka_unit_test(shapes_without_a_byte),
        cmocka_unit_test(shapes_unwritable),
        cmocka_unit_test(shapes_refused),
        cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
