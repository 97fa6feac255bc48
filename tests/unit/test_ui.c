/* test_ui.c - options, lines, JSON and tables of the tool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../tools/ui.h"

/* ---- options ---- */

typedef struct values {
    bool flag;
    const char *text;
    uint32_t n;
    uint64_t seed;
    double temp;
} values;

/* Parses words, NULL ends them, with messages to nowhere; *said tells whether stderr got some. */
static int parse(values *v, lc_files *files, bool *said, const char *const *words)
{
    const lc_opt options[] = {
        {"flag", NULL, LC_OPT_FLAG, &v->flag, "a flag"},
        {"model", "FILE", LC_OPT_TEXT, &v->text, "a text"},
        {"n", "N", LC_OPT_U32, &v->n, "one letter"},
        {"seed", "S", LC_OPT_U64, &v->seed, "64 bits"},
        {"temp", "T", LC_OPT_REAL, &v->temp, "a real"},
    };
    const lc_usage usage = {"verb", "[FILE|-]", "About.", options, LC_COUNT(options), 1};
    char *argv[12] = {(char *)(uintptr_t) "verb"};
    int argc = 1;
    for (; words[argc - 1]; argc++) {
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    }
    FILE *sink = tmpfile();
    assert_non_null(sink);
    fflush(stdout);
    int out = dup(1), err = dup(2);
    dup2(fileno(sink), 1);
    dup2(fileno(sink), 2);
    int rc = lc_ui_parse(&usage, argc, argv, files);
    fflush(stdout);
    dup2(out, 1);
    dup2(err, 2);
    close(out);
    close(err);
    *said = lseek(fileno(sink), 0, SEEK_END) > 0;
    fclose(sink);
    return rc;
}

#define PARSE(...) parse(&v, &files, &said, (const char *const[]){__VA_ARGS__, NULL})

static void options_are_read(void **state)
{
    values v = {0};
    lc_files files;
    bool said;
    (void)state;
    assert_int_equal(PARSE("--flag", "--model", "a.leaf", "-n", "4294967295",
                           "--seed=18446744073709551615", "in.txt", "--temp=0.5"),
                     LC_UI_GO);
    assert_true(v.flag);
    assert_string_equal(v.text, "a.leaf");
    assert_int_equal(v.n, UINT32_MAX);
    assert_true(v.seed == UINT64_MAX);
    assert_true(v.temp == 0.5);
    assert_int_equal(files.count, 1);
    assert_string_equal(files.path[0], "in.txt");
    assert_false(said);
    assert_int_equal(PARSE("-"), LC_UI_GO);
    assert_string_equal(files.path[0], "-");
    assert_int_equal(PARSE("--", "--flag"), LC_UI_GO);
    assert_string_equal(files.path[0], "--flag");
    assert_int_equal(PARSE("--model", "--flag"), LC_UI_GO);
    assert_string_equal(v.text, "--flag");
    assert_int_equal(PARSE("--model", ""), LC_UI_GO);
    assert_string_equal(v.text, "");
}

static void wrong_options_are_named(void **state)
{
    values v = {0};
    lc_files files;
    bool said;
    (void)state;
    assert_int_equal(PARSE("--nonsense"), LC_EXIT_USAGE);
    assert_true(said);
    assert_int_equal(PARSE("--mod", "x"), LC_EXIT_USAGE); /* no abbreviations */
    assert_int_equal(PARSE("-model", "x"), LC_EXIT_USAGE);
    assert_int_equal(PARSE("--n", "3"), LC_EXIT_USAGE);
    assert_int_equal(PARSE("--model"), LC_EXIT_USAGE);
    assert_int_equal(PARSE("--flag=1"), LC_EXIT_USAGE);
    assert_int_equal(PARSE("-n", "4294967296"), LC_EXIT_USAGE);
    assert_int_equal(PARSE("-n", "-1"), LC_EXIT_USAGE);
    assert_int_equal(PARSE("-n", ""), LC_EXIT_USAGE);
    assert_int_equal(PARSE("-n", "3x"), LC_EXIT_USAGE);
    assert_int_equal(PARSE("--seed", "18446744073709551616"), LC_EXIT_USAGE);
    assert_int_equal(PARSE("--temp", "nan"), LC_EXIT_USAGE);
    assert_int_equal(PARSE("--temp", "1e999"), LC_EXIT_USAGE);
    assert_int_equal(PARSE("a", "b"), LC_EXIT_USAGE);
    assert_int_equal(PARSE("--help"), LC_EXIT_OK);
    assert_true(said);
}

/* ---- lines ---- */

static char path_of_lines[] = "/tmp/lc-lines-XXXXXX";

static void lines_write(const char *data, size_t bytes)
{
    FILE *f = fopen(path_of_lines, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
}

static void line_expect(lc_lines *lines, const char *text, size_t bytes)
{
    const char *got;
    size_t got_bytes;
    assert_true(lc_lines_next(lines, &got, &got_bytes));
    assert_int_equal(got_bytes, bytes);
    assert_memory_equal(got, text, bytes);
}

static void lines_end_as_the_contract_says(void **state)
{
    static const char data[] = "one\r\n\ntwo\0half\n\r\r\nlast\r";
    lc_lines lines;
    const char *text;
    size_t bytes;
    (void)state;
    lines_write(data, sizeof data - 1);
    assert_int_equal(lc_lines_open(&lines, path_of_lines, '\n', 100), LC_UI_GO);
    line_expect(&lines, "one", 3);
    line_expect(&lines, "", 0);
    line_expect(&lines, "two\0half", 8);
    line_expect(&lines, "\r", 1);
    line_expect(&lines, "last\r", 5); /* no LF: nothing ended the line */
    assert_false(lc_lines_next(&lines, &text, &bytes));
    assert_int_equal(lc_lines_close(&lines, path_of_lines), LC_EXIT_OK);

    assert_int_equal(lc_lines_open(&lines, path_of_lines, '\0', 100), LC_UI_GO);
    line_expect(&lines, "one\r\n\ntwo", 9);
    line_expect(&lines, "half\n\r\r\nlast\r", 13);
    assert_false(lc_lines_next(&lines, &text, &bytes));
    assert_int_equal(lc_lines_close(&lines, path_of_lines), LC_EXIT_OK);
}

/* A line of n letters with the given end, then "next": lengths around the limit and the block. */
static void long_line_check(size_t n, const char *end, size_t limit)
{
    char *data = malloc(n + 16);
    const char *text;
    size_t bytes;
    lc_lines lines;
    assert_non_null(data);
    memset(data, 'x', n);
    size_t size = n + (size_t)snprintf(data + n, 16, "%snext\n", end);
    lines_write(data, size);
    assert_int_equal(lc_lines_open(&lines, path_of_lines, '\n', limit), LC_UI_GO);
    assert_true(lc_lines_next(&lines, &text, &bytes));
    assert_int_equal(bytes, n);
    assert_memory_equal(text, data, n < limit ? n : limit);
    line_expect(&lines, "next", 4);
    assert_int_equal(lc_lines_close(&lines, path_of_lines), LC_EXIT_OK);
    free(data);
}

static void long_lines_are_skipped_not_split(void **state)
{
    static const size_t around[] = {0,     99,    100,   101,   102,    8192,
                                    65534, 65535, 65536, 65537, 1000000};
    (void)state;
    for (size_t i = 0; i < sizeof around / sizeof around[0]; i++) {
        long_line_check(around[i], "\n", 100);
        long_line_check(around[i], "\r\n", 100);
        long_line_check(around[i], "\n", 8192);
        long_line_check(around[i], "\r\n", 8192);
    }
}

/* ---- files ---- */

static void files_are_written_whole_and_mapped(void **state)
{
    char page[8192];
    lc_map map;
    (void)state;
    memset(page, 7, sizeof page);
    assert_int_equal(lc_ui_write(path_of_lines, page, 4096), LC_UI_GO);
    assert_int_equal(lc_map_open(path_of_lines, &map), LC_OK);
    assert_int_equal(map.bytes, 4096);
    assert_int_equal(map.data[4095], 7);
    for (size_t i = 0; i < LC_READ_AHEAD; i++) {
        assert_int_equal(map.data[4096 + i], 0); /* readable though the page is full */
    }
    lc_map_close(&map);
    assert_int_equal(lc_ui_write(path_of_lines, "", 0), LC_UI_GO);
    assert_int_equal(lc_map_open(path_of_lines, &map), LC_OK);
    assert_int_equal(map.bytes, 0);
    lc_map_close(&map);
    assert_int_equal(lc_map_open("/tmp", &map), LC_ERR_IO);
    assert_int_equal(lc_map_open("/nonexistent/x", &map), LC_ERR_IO);
}

/* ---- output ---- */

static FILE *out;
static char *out_text;
static size_t out_bytes;

static void out_begin(void)
{
    out = open_memstream(&out_text, &out_bytes);
    assert_non_null(out);
}

static void out_expect(const char *text)
{
    assert_int_equal(fclose(out), 0);
    assert_string_equal(out_text, text);
    free(out_text);
}

static void json_is_escaped(void **state)
{
    lc_emit e;
    (void)state;
    out_begin();
    lc_emit_init(&e, out);
    lc_emit_open(&e, NULL, '{');
    lc_emit_bytes(&e, "t", "a\"\\\n\x01\x7f\0z", 8);
    lc_emit_bytes(&e, "bad", "\xc3\xa4\xff\xc3", 4);
    lc_emit_open(&e, "list", '[');
    lc_emit_u64(&e, NULL, UINT64_MAX);
    lc_emit_i64(&e, NULL, -5);
    lc_emit_real(&e, NULL, 0.125, 4);
    lc_emit_real(&e, NULL, 1.0 / 0.0, 4);
    lc_emit_close(&e);
    lc_emit_open(&e, "empty", '{');
    lc_emit_close(&e);
    lc_emit_bool(&e, "yes", true);
    lc_emit_null(&e, "none");
    lc_emit_close(&e);
    out_expect("{\"t\":\"a\\\"\\\\\\n\\u0001\\u007f\\u0000z\",\"bad\":"
               "\"\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\","
               "\"list\":[18446744073709551615,-5,0.1250,null],\"empty\":{},\"yes\":true,"
               "\"none\":null}\n");
}

static void tables_keep_their_widths(void **state)
{
    static const lc_column columns[] = {{"name", 6, false}, {"n", 4, true}, {"rest", 0, false}};
    (void)state;
    out_begin();
    lc_table_head(out, columns, 3);
    lc_table_row(out, columns, 3, (const char *const[]){"a\tb", "12", "x"});
    lc_table_row(out, columns, 3, (const char *const[]){"abcdefgh", "123456", ""});
    lc_table_row(out, columns, 3, (const char *const[]){"\xc3\xa4\xc3\xb6\xc3\xbc", "1", "\xff"});
    out_expect("name       n  rest\n"
               "a b       12  x\n"
               "abcd..  12..  \n"
               "\xc3\xa4\xc3\xb6\xc3\xbc        1  \xef\xbf\xbd\n");
}

static int paths_make(void **state)
{
    (void)state;
    int fd = mkstemp(path_of_lines);
    return fd < 0 ? -1 : close(fd);
}

static int paths_remove(void **state)
{
    (void)state;
    return unlink(path_of_lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_read),
        cmocka_unit_test(wrong_options_are_named),
        cmocka_unit_test(lines_end_as_the_contract_says),
        cmocka_unit_test(long_lines_are_skipped_not_split),
        cmocka_unit_test(files_are_written_whole_and_mapped),
        cmocka_unit_test(json_is_escaped),
        cmocka_unit_test(tables_keep_their_widths),
    };
    return cmocka_run_group_tests(tests, paths_make, paths_remove);
}
