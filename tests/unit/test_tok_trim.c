/* Trimmed vocabularies: what was kept is cut into the same tokens under new numbers, and what was
 * not still comes back as the same text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/linux/map.h"
#include "../../runtime/limits.h"
#include "../../tools/pack/tok_pack.h"
#include "tok_make.h"

#define IDS_MAX 4096u
#define SCRATCH (1u << 20)

typedef struct cut {
    uint32_t id[IDS_MAX];
    uint32_t count;
} cut;

static lc_arena scratch;

static void encode(const lc_tok *tok, const char *text, size_t bytes, cut *out)
{
    bool more = false;
    lc_err err =
        lc_tok_encode(tok, text, bytes, true, &scratch, out->id, IDS_MAX, &out->count, &more);
    assert_int_equal(err, LC_OK);
    assert_false(more);
}

static void check_line(const lc_tok *full, const lc_tok *part, const lc_tok_trim *trim,
                       const char *line, size_t bytes)
{
    static cut a, b;
    encode(full, line, bytes, &a);
    encode(part, line, bytes, &b);
    assert_int_equal(a.count, b.count);
    for (uint32_t i = 0; i < a.count; i++) {
        char x[LC_TOKEN_BYTES_MAX], y[LC_TOKEN_BYTES_MAX];
        assert_true(b.id[i] < trim->count);
        assert_int_equal(trim->old[b.id[i]], a.id[i]);
        uint32_t n = lc_tok_decode(full, a.id[i], i == 0, x, sizeof x);
        assert_int_equal(lc_tok_decode(part, b.id[i], i == 0, y, sizeof y), n);
        assert_memory_equal(x, y, n);
    }
}

/* Text that was not kept: its bytes come back, where a vocabulary spells any byte. */
static void check_other(const lc_tok *part, const char *text)
{
    static cut a;
    char back[1024];
    uint32_t n = 0;
    encode(part, text, strlen(text), &a);
    for (uint32_t i = 0; i < a.count; i++) {
        n += lc_tok_decode(part, a.id[i], i <= part->add_bos, back + n, (uint32_t)sizeof back - n);
    }
    assert_int_equal(n, strlen(text));
    assert_memory_equal(back, text, n);
}

static const char *line_end(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return newline ? newline : end;
}

static void check_model(const char *model, const char *lines)
{
    lc_map file, text;
    lc_gguf g;
    lc_buf whole = {0}, small = {0};
    lc_tok full, part;
    lc_tok_trim trim;
    lc_diag diag = {0};
    assert_int_equal(lc_map_open(model, &file), LC_OK);
    assert_int_equal(lc_map_open(lines, &text), LC_OK);
    assert_int_equal(lc_gguf_open(file.data, file.bytes, &g, &diag), LC_OK);
    const char *start = (const char *)text.data, *end = start + text.bytes;
    assert_int_equal(lc_tok_trim_find(&g, start, text.bytes, &trim, &diag), LC_OK);
    assert_int_equal(lc_tok_pack(&g, &whole, &diag), LC_OK);
    assert_int_equal(lc_tok_pack_trimmed(&g, &trim, &small, &diag), LC_OK);
    assert_int_equal(lc_tok_open(whole.data, whole.bytes, &full, &diag), LC_OK);
    assert_int_equal(lc_tok_open(small.data, small.bytes, &part, &diag), LC_OK);
    assert_true(trim.count == part.vocab && part.vocab < full.vocab && small.bytes < whole.bytes);
    for (const char *at = start; at < end; at = line_end(at, end) + 1) {
        check_line(&full, &part, &trim, at, (size_t)(line_end(at, end) - at));
    }
    if (full.kind != LC_TOK_WORDPIECE) {
        check_other(&part, "Qwyjibo zymurgy, 73.5 \xc2\xb0"
                           "C \xf0\x9f\x94\xa5");
    }
    printf("%s: %u of %u tokens, %zu of %zu bytes\n", model, part.vocab, full.vocab, small.bytes,
           whole.bytes);
    lc_buf_free(&whole);
    lc_buf_free(&small);
    lc_tok_trim_free(&trim);
    lc_gguf_close(&g);
    lc_map_close(&file);
    lc_map_close(&text);
}

static void own_vocabulary(void **state)
{
    (void)state;
    check_model("models/triage/triage-f16.gguf", "models/triage/demo.txt");
}

static void golden_vocabularies(void **state)
{
    (void)state;
    static const char *const names[] = {"gpt-2", "qwen2", "phi-3", "bert-bge", "falcon"};
    const char *root = getenv("LC_SHARED");
    char model[512], lines[512];
    FILE *there;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(model, sizeof model, "%s/tokenizers/ggml-vocab-%s.gguf",
                 root ? root : "../shared/data", names[i]);
        snprintf(lines, sizeof lines, "%s/tokenizers/golden/lines.txt",
                 root ? root : "../shared/data");
        there = fopen(model, "rb");
        if (!there) {
            printf("skipped: %s not found\n", model);
            skip();
        }
        fclose(there);
        check_model(model, lines);
    }
}

static void an_empty_text_is_refused(void **state)
{
    (void)state;
    lc_map file;
    lc_gguf g;
    lc_tok_trim trim;
    lc_diag diag = {0};
    assert_int_equal(lc_map_open("models/triage/triage-f16.gguf", &file), LC_OK);
    assert_int_equal(lc_gguf_open(file.data, file.bytes, &g, &diag), LC_OK);
    assert_int_equal(lc_tok_trim_find(&g, "\n\r\n", 3, &trim, &diag), LC_ERR_ARGUMENT);
    assert_non_null(diag.text);
    lc_gguf_close(&g);
    lc_map_close(&file);
}

int main(void)
{
    void *memory = aligned_alloc(LC_ARENA_ALIGN, SCRATCH);
    lc_arena_init(&scratch, memory, SCRATCH);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_vocabulary),
        cmocka_unit_test(golden_vocabularies),
        cmocka_unit_test(an_empty_text_is_refused),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    free(memory);
    return rc;
}
