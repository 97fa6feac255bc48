/* Text to ids to text, 10,000 random strings for each real vocabulary: byte-level BPE and SPM give
 * the text back to the byte, but that SPM takes U+2581 for a blank; WordPiece gives back what it
 * makes of a text before it looks words up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/linux/map.h"
#include "../../runtime/limits.h"
#include "../../runtime/unicode.h"
#include "tok_make.h"

#define STRINGS 10000u
#define CHARS_MAX 64u
#define TEXT_BYTES (4u * CHARS_MAX)
#define IDS_MAX (2u * TEXT_BYTES)
#define BACK_BYTES (2u * TEXT_BYTES + LC_TOKEN_BYTES_MAX)
#define SCRATCH_BYTES 65536u
#define SCRIPTS 24u
#define SCRIPTS_LATIN 6u /* the first of them */
#define BLANK_SIGN 0x2581u

typedef struct vocabulary {
    lc_buf section;
    lc_tok tok;
} vocabulary;

static vocabulary open_vocabulary(const char *name)
{
    const char *root = getenv("LC_SHARED");
    char path[512];
    lc_map map;
    vocabulary v = {0};
    lc_diag diag = {0};
    snprintf(path, sizeof path, "%s/%s", root ? root : "../shared/data", name);
    if (lc_map_open(path, &map) != LC_OK) {
        printf("skipped: %s not found\n", path);
        skip();
    }
    assert_int_equal(tok_make_section(map.data, map.bytes, &v.section, &diag), LC_OK);
    lc_map_close(&map);
    assert_int_equal(lc_tok_open(v.section.data, v.section.bytes, &v.tok, &diag), LC_OK);
    return v;
}

/* ---- strings ---- */

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((random_state >> 33) % n);
}

/* Runs of a script each, as text has it; the last one is everything. */
static uint32_t random_char(uint32_t script)
{
    static const struct {
        uint32_t from, to;
    } scripts[SCRIPTS] = {
        {0x61, 0x7a},     {0x61, 0x7a},     {0x20, 0x7e},       {0x30, 0x39},     {0x20, 0x20},
        {0x01, 0x1f},     {0x7f, 0xff},     {0x100, 0x24f},     {0x300, 0x36f},   {0x370, 0x3ff},
        {0x400, 0x4ff},   {0x590, 0x5ff},   {0x600, 0x6ff},     {0x900, 0x97f},   {0xe00, 0xe7f},
        {0x1e00, 0x1eff}, {0x2000, 0x206f}, {0x20a0, 0x2bff},   {0x3000, 0x30ff}, {0x4e00, 0x9fff},
        {0xac00, 0xd7a3}, {0xe000, 0xf8ff}, {0x1f300, 0x1faff}, {0x01, 0x10ffff},
    };
    uint32_t c = scripts[script].from + random_below(scripts[script].to - scripts[script].from + 1);
    return c >= 0xd800 && c < 0xe000 ? 0xfffdu : c;
}

static uint32_t random_text(uint32_t scripts, uint32_t chars[CHARS_MAX])
{
    uint32_t count = 1 + random_below(CHARS_MAX), script = 0;
    for (uint32_t i = 0; i < count; i++) {
        script = i == 0 || random_below(4) == 0 ? random_below(scripts) : script;
        chars[i] = random_char(script);
    }
    return count;
}

static size_t write_text(const uint32_t *chars, uint32_t count, char *text)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        bytes += lc_utf8_encode(chars[i], text + bytes);
    }
    return bytes;
}

/* ---- there and back ---- */

static uint32_t encode(const lc_tok *tok, const char *text, size_t bytes, uint32_t *ids)
{
    _Alignas(LC_ARENA_ALIGN) static uint8_t memory[SCRATCH_BYTES];
    uint32_t count = 0;
    bool cut = false;
    lc_arena scratch;
    lc_arena_init(&scratch, memory, lc_tok_scratch_bytes(tok, bytes));
    assert_true(lc_tok_scratch_bytes(tok, bytes) <= SCRATCH_BYTES);
    assert_int_equal(lc_tok_encode(tok, text, bytes, false, &scratch, ids, IDS_MAX, &count, &cut),
                     LC_OK);
    assert_false(cut);
    return count;
}

static size_t decode(const lc_tok *tok, const uint32_t *ids, uint32_t count, char *text)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        assert_true(ids[i] < tok->vocab && bytes + LC_TOKEN_BYTES_MAX <= BACK_BYTES);
        bytes += lc_tok_decode(tok, ids[i], i == 0, text + bytes, LC_TOKEN_BYTES_MAX);
    }
    return bytes;
}

static void expect_exact(const lc_tok *tok, uint32_t *chars, uint32_t count)
{
    char text[TEXT_BYTES], back[BACK_BYTES];
    uint32_t ids[IDS_MAX];
    size_t bytes = write_text(chars, count, text);
    uint32_t tokens = encode(tok, text, bytes, ids);
    for (uint32_t i = 0; tok->kind == LC_TOK_SPM && i < count; i++) {
        chars[i] = chars[i] == BLANK_SIGN ? ' ' : chars[i];
    }
    bytes = write_text(chars, count, text);
    assert_int_equal(decode(tok, ids, tokens, back), bytes);
    assert_memory_equal(back, text, bytes);
}

/* Falcon has no token for some bytes, most of them controls: no text with them can come back. */
static void find_bytes(const lc_tok *tok, bool has[256])
{
    for (uint32_t id = 0; id < tok->vocab; id++) {
        lc_str text = lc_tok_text(tok, id);
        if (text.bytes == 1) {
            has[(uint8_t)text.data[0]] = true;
        }
    }
}

static void avoid_missing_bytes(const bool has[256], uint32_t *chars, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char utf8[4];
        uint32_t bytes = lc_utf8_encode(chars[i], utf8);
        for (uint32_t b = 0; b < bytes; b++) {
            chars[i] = has[(uint8_t)utf8[b]] ? chars[i] : 'x';
        }
    }
}

static void exactly(const char *name, lc_tok_kind kind)
{
    uint32_t chars[CHARS_MAX];
    bool has[256] = {false};
    vocabulary v = open_vocabulary(name);
    assert_int_equal(v.tok.kind, kind);
    find_bytes(&v.tok, has);
    random_state = 1;
    for (uint32_t i = 0; i < STRINGS; i++) {
        uint32_t count = random_text(SCRIPTS, chars);
        if (kind == LC_TOK_BPE) {
            avoid_missing_bytes(has, chars, count);
        }
        expect_exact(&v.tok, chars, count);
    }
    lc_buf_free(&v.section);
}

static void gpt2(void **state)
{
    (void)state;
    exactly("tokenizers/ggml-vocab-gpt-2.gguf", LC_TOK_BPE);
}

static void qwen2(void **state)
{
    (void)state;
    exactly("tokenizers/ggml-vocab-qwen2.gguf", LC_TOK_BPE);
}

static void falcon(void **state)
{
    (void)state;
    exactly("tokenizers/ggml-vocab-falcon.gguf", LC_TOK_BPE);
}

static void phi3(void **state)
{
    (void)state;
    exactly("tokenizers/ggml-vocab-phi-3.gguf", LC_TOK_SPM);
}

static void stories(void **state)
{
    (void)state;
    exactly("models/stories260K/stories260K-f32.gguf", LC_TOK_SPM);
}

/* ---- WordPiece ---- */

static bool counts(uint32_t folded)
{
    lc_uclass class = lc_unicode_class(folded);
    bool private = (folded >= 0xe000 && folded <= 0xf8ff) || folded >= 0xf0000;
    return class != LC_UCLASS_SPACE && class != LC_UCLASS_CONTROL && class != LC_UCLASS_MARK &&
           folded != 0xfffd && !(private && class == LC_UCLASS_OTHER);
}

/* In lower case, without accents, controls and marks; blanks left out, since which words are apart
 * is what comes back. */
static size_t normal_form(const uint32_t *chars, uint32_t count, char *out)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t folded = lc_unicode_fold(chars[i]);
        bytes += counts(chars[i]) && counts(folded) ? lc_utf8_encode(folded, out + bytes) : 0;
    }
    return bytes;
}

static size_t drop_blanks(char *text, size_t bytes)
{
    size_t kept = 0;
    for (size_t i = 0; i < bytes; i++) {
        text[kept] = text[i];
        kept += text[i] != ' ';
    }
    return kept;
}

/* Words that are unknown leave nothing. What comes back has the same tokens but for them. */
static bool expect_normalised(const lc_tok *tok, const uint32_t *chars, uint32_t count)
{
    char text[TEXT_BYTES], back[BACK_BYTES], wanted[BACK_BYTES];
    uint32_t ids[IDS_MAX], again[IDS_MAX], known = 0;
    uint32_t tokens = encode(tok, text, write_text(chars, count, text), ids);
    for (uint32_t i = 0; i < tokens; i++) {
        ids[known] = ids[i];
        known += ids[i] != tok->unk;
    }
    size_t bytes = decode(tok, ids, known, back);
    assert_int_equal(encode(tok, back, bytes, again), known);
    assert_memory_equal(again, ids, known * sizeof *ids);
    if (known < tokens) {
        return false;
    }
    bytes = drop_blanks(back, bytes);
    assert_int_equal(bytes, normal_form(chars, count, wanted));
    assert_memory_equal(back, wanted, bytes);
    return true;
}

static void bert(void **state)
{
    (void)state;
    uint32_t chars[CHARS_MAX], whole = 0;
    vocabulary v = open_vocabulary("tokenizers/ggml-vocab-bert-bge.gguf");
    assert_int_equal(v.tok.kind, LC_TOK_WORDPIECE);
    random_state = 1;
    for (uint32_t i = 0; i < STRINGS; i++) {
        uint32_t count = random_text(i % 2 ? SCRIPTS_LATIN : SCRIPTS, chars);
        whole += expect_normalised(&v.tok, chars, count);
    }
    assert_true(whole > STRINGS / 2); /* most others have a character that is in no token */
    lc_buf_free(&v.section);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gpt2), cmocka_unit_test(qwen2),   cmocka_unit_test(falcon),
        cmocka_unit_test(phi3), cmocka_unit_test(stories), cmocka_unit_test(bert),
    };
    return cmocka_run_group_tests_name("tok_back", tests, NULL, NULL);
}
