/* verb_tokenize.c - `leafcutter tokenize`: the token ids of lines, from a pack or a GGUF. */
#include <stdlib.h>
#include <string.h>

#include "../runtime/leaf.h"
#include "../runtime/tok.h"
#include "pack/tok_pack.h"
#include "source.h"
#include "ui.h"
#include "verbs.h"

#define TEXT_BYTES_MAX (1u << 20)
#define CLEAN_GROWTH 3u /* an invalid byte becomes U+FFFD */

typedef struct request {
    const char *model;
    const char *input; /* NULL: stdin */
    bool no_special, null, json;
} request;

/* A vocabulary, wherever it lies. */
typedef struct vocabulary {
    lc_map map;
    lc_buf packed; /* the section that was made of a GGUF */
    lc_tok tok;
} vocabulary;

/* Memory that grows with the longest line. */
typedef struct bench {
    size_t bytes;  /* of cleaned text that fits */
    char *text;    /* [bytes] */
    uint32_t *ids; /* [bytes + 3] no token stands for less than a byte; blank, BOS, EOS */
    void *scratch;
    size_t scratch_bytes;
} bench;

/* ---- the vocabulary ---- */

static lc_err find_in_leaf(vocabulary *v, lc_diag *diag)
{
    lc_leaf leaf;
    lc_section section;
    lc_err err = lc_leaf_open(v->map.data, v->map.bytes, &leaf, diag);
    if (err != LC_OK) {
        return err;
    }
    if (!lc_leaf_find(&leaf, LC_SECTION_TOKENIZER, 0, &section)) {
        return lc_fail(diag, LC_ERR_NOT_FOUND, 0, "no tokenizer in this file");
    }
    err = lc_tok_open(section.data, section.bytes, &v->tok, diag);
    if (err != LC_OK && diag) {
        diag->offset += section.offset;
    }
    return err;
}

/* The section that would be packed. */
static int make_from_source(vocabulary *v, lc_source *source)
{
    lc_diag diag = {0};
    lc_err err = lc_tok_pack(source->g, &v->packed, &diag);
    if (err == LC_OK) {
        err = lc_tok_open(v->packed.data, v->packed.bytes, &v->tok, &diag);
    }
    int rc = err == LC_OK ? LC_UI_GO : lc_source_diag(source, &diag);
    lc_source_close(source);
    return rc;
}

static void vocabulary_close(vocabulary *v)
{
    lc_buf_free(&v->packed);
    lc_map_close(&v->map);
}

static int vocabulary_open(const char *path, vocabulary *v)
{
    lc_source source;
    lc_diag diag = {LC_OK, 0, ""};
    *v = (vocabulary){0};
    if (lc_hf_is_folder(path)) {
        int rc = lc_source_open(path, false, &source);
        return rc == LC_UI_GO ? make_from_source(v, &source) : rc;
    }
    int rc = lc_ui_map(path, &v->map);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (v->map.bytes >= 4 && memcmp(v->map.data, "LEAF", 4) == 0) {
        rc = find_in_leaf(v, &diag) == LC_OK ? LC_UI_GO : lc_ui_diag(path, &diag, NULL);
    } else {
        rc = lc_source_map(path, &v->map, &source);
        rc = rc == LC_UI_GO ? make_from_source(v, &source) : rc;
    }
    if (rc != LC_UI_GO) {
        vocabulary_close(v);
    }
    return rc;
}

/* ---- lines ---- */

static void bench_free(bench *b)
{
    free(b->text);
    free(b->ids);
    free(b->scratch);
    *b = (bench){0};
}

static bool bench_fit(bench *b, const lc_tok *tok, size_t bytes)
{
    if (b->text != NULL && bytes <= b->bytes) {
        return true;
    }
    bench_free(b);
    b->bytes = bytes + bytes / 2 + 256;
    b->text = malloc(b->bytes);
    b->ids = malloc((b->bytes + 3) * sizeof *b->ids);
    b->scratch_bytes = lc_tok_scratch_bytes(tok, b->bytes);
    b->scratch = aligned_alloc(LC_ARENA_ALIGN, b->scratch_bytes);
    return b->text && b->ids && b->scratch;
}

static void ids_print(const request *r, const uint32_t *ids, uint32_t count)
{
    if (!r->json) {
        for (uint32_t i = 0; i < count; i++) {
            printf(i == 0 ? "%u" : " %u", ids[i]);
        }
        putchar('\n');
        return;
    }
    lc_emit e;
    lc_emit_init(&e, stdout);
    lc_emit_open(&e, NULL, '{');
    lc_emit_u64(&e, "count", count);
    lc_emit_open(&e, "ids", '[');
    for (uint32_t i = 0; i < count; i++) {
        lc_emit_u64(&e, NULL, ids[i]);
    }
    lc_emit_close(&e);
    lc_emit_close(&e);
}

static int text_run(const request *r, const lc_tok *tok, bench *b, const char *text, size_t bytes)
{
    if (!bench_fit(b, tok, CLEAN_GROWTH * bytes)) {
        return lc_ui_no_memory();
    }
    uint32_t replaced = 0;
    uint32_t count = 0;
    bool cut = false;
    size_t clean = lc_utf8_clean(text, bytes, b->text, &replaced);
    lc_arena scratch;
    lc_arena_init(&scratch, b->scratch, b->scratch_bytes);
    lc_err err = lc_tok_encode(tok, b->text, clean, !r->no_special, &scratch, b->ids,
                               (uint32_t)(b->bytes + 3), &count, &cut);
    if (err != LC_OK || cut) {
        return lc_ui_error(LC_EXIT_INTERNAL, NULL, NULL, "tokenize: %s",
                           err != LC_OK ? lc_err_text(err) : "more ids than expected");
    }
    ids_print(r, b->ids, count);
    return LC_UI_GO;
}

static int request_run(const request *r)
{
    vocabulary v;
    lc_lines lines;
    bench b = {0};
    int rc = vocabulary_open(r->model, &v);
    if (rc != LC_UI_GO) {
        return rc;
    }
    rc = lc_lines_open(&lines, r->input, r->null ? '\0' : '\n', TEXT_BYTES_MAX);
    if (rc != LC_UI_GO) {
        vocabulary_close(&v);
        return rc;
    }
    const char *text;
    size_t bytes;
    uint64_t number = 0;
    while (rc == LC_UI_GO && lc_lines_next(&lines, &text, &bytes)) {
        number++;
        rc = bytes <= TEXT_BYTES_MAX ? text_run(r, &v.tok, &b, text, bytes)
                                     : lc_ui_error(LC_EXIT_REJECTED, r->input ? r->input : "stdin",
                                                   NULL, "text %llu is over %u bytes",
                                                   (unsigned long long)number, TEXT_BYTES_MAX);
    }
    int closed = lc_lines_close(&lines, r->input);
    bench_free(&b);
    vocabulary_close(&v);
    return rc == LC_UI_GO ? closed : rc;
}

int lc_verb_tokenize(int argc, char **argv)
{
    request r = {0};
    const lc_opt options[] = {
        {"model", "FILE", LC_OPT_TEXT, &r.model,
         ".leaf pack, .gguf of any architecture, or a folder with tokenizer.json"},
        {"no-special", NULL, LC_OPT_FLAG, &r.no_special, "no BOS and EOS, whatever the file says"},
        {"null", NULL, LC_OPT_FLAG, &r.null, "texts end with NUL and may hold newlines"},
        LC_OPT_ROW_JSON(&r.json),
    };
    const lc_usage usage = {"tokenize", "[FILE|-]",        "Writes the token ids of each line.",
                            options,    LC_COUNT(options), 1};
    lc_files files;
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (!r.model) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "leafcutter tokenize --help lists the options",
                           "tokenize wants --model");
    }
    r.input = files.count > 0 ? files.path[0] : NULL;
    return request_run(&r);
}
