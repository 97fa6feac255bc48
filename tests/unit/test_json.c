/* Strict JSON: JSONTestSuite, comments, depth, and objects checked against tables. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../board/linux/json.h"

static lc_err parse(const char *text, size_t bytes, unsigned flags, lc_json_diag *diag)
{
    cJSON *tree = (cJSON *)1;
    char *exact = malloc(bytes > 0 ? bytes : 1); /* so that a byte too many is noticed */
    assert_non_null(exact);
    memcpy(exact, text, bytes);
    lc_err err = lc_json_parse(exact, bytes, flags, &tree, diag);
    free(exact);
    assert_true((err == LC_OK) == (tree != NULL));
    cJSON_Delete(tree);
    return err;
}

static lc_err parse_text(const char *text, unsigned flags, lc_json_diag *diag)
{
    return parse(text, strlen(text), flags, diag);
}

/* ---- JSONTestSuite ---- */

static size_t read_file(const char *path, char *to, size_t max)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(to, 1, max, f);
    assert_true(n < max);
    fclose(f);
    return n;
}

static const char *suite_folder(void)
{
    static char folder[512];
    const char *shared = getenv("LC_SHARED");
    snprintf(folder, sizeof folder, "%s/suites/jsontestsuite/test_parsing",
             shared != NULL ? shared : "../shared/data");
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        print_message("skipped: %s not found\n", folder);
        skip();
    }
    closedir(dir);
    return folder;
}

static void suite(void **state)
{
    (void)state;
    static char text[1 << 20];
    const char *folder = suite_folder();
    DIR *dir = opendir(folder);
    struct dirent *entry;
    uint32_t accepted = 0, rejected = 0;
    while ((entry = readdir(dir)) != NULL) {
        char kind = entry->d_name[0], path[1024];
        if (entry->d_name[1] != '_') {
            continue;
        }
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        size_t bytes = read_file(path, text, sizeof text);
        lc_json_diag diag = {0};
        lc_err err = parse(text, bytes, 0, &diag);
        if ((kind == 'y' && err != LC_OK) || (kind == 'n' && err == LC_OK)) {
            fail_msg("%s: %s", entry->d_name, err == LC_OK ? "accepted" : diag.text);
        }
        if (err != LC_OK) {
            assert_true(diag.text[0] != '\0');
        }
        accepted += kind == 'y';
        rejected += kind == 'n';
    }
    closedir(dir);
    assert_int_equal(accepted, 95);
    assert_int_equal(rejected, 188);
}

/* ---- own cases ---- */

static void what_cjson_alone_would_accept_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "{} x",
                                      "[1]]",
                                      "[01]",
                                      "[.5]",
                                      "[+1]",
                                      "[1.]",
                                      "[1e]",
                                      "[-]",
                                      "[1,]",
                                      "{\"a\":1,}",
                                      "{,}",
                                      "{a:1}",
                                      "['a']",
                                      "[\"\t\"]",
                                      "[\"\\x\"]",
                                      "[\"\\ud800\"]",
                                      "[\"\\udc00\"]",
                                      "[\"\\ud800\\u0041\"]",
                                      "[\"\xff\"]",
                                      "[\"\xed\xa0\x80\"]",
                                      "[\"\xc0\x80\"]",
                                      "\xef\xbb\xbf[]",
                                      "[NaN]",
                                      "[Infinity]",
                                      "[tru]",
                                      "[\"a]",
                                      "{\"a\" 1}",
                                      "{\"a\":}",
                                      "[1 2]",
                                      "[\"\\u12\"]",
                                      "[//\n1]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        lc_json_diag diag = {0};
        if (parse_text(bad[i], 0, &diag) != LC_ERR_FORMAT) {
            fail_msg("%s", bad[i]);
        }
        assert_non_null(strstr(diag.text, "line 1, column "));
    }
    assert_int_equal(parse("[1]\0", 4, 0, NULL), LC_ERR_FORMAT);
    assert_int_equal(parse("[\"a\0b\"]", 7, 0, NULL), LC_ERR_FORMAT);
}

static void places_are_lines_and_characters(void **state)
{
    (void)state;
    lc_json_diag diag = {0};
    assert_int_equal(parse_text("{\n  \"\xc2\xb5\": 01 }", 0, &diag), LC_ERR_FORMAT);
    assert_non_null(strstr(diag.text, "line 2, column 9: "));
}

static void depth_is_limited(void **state)
{
    (void)state;
    char text[2 * 70 + 1];
    for (size_t depth = 63; depth <= 66; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        lc_err err = parse(text, 2 * depth, 0, NULL);
        assert_int_equal(err, depth <= LC_JSON_DEPTH_MAX ? LC_OK : LC_ERR_LIMIT);
    }
    static char deep[100000];
    memset(deep, '[', sizeof deep);
    assert_int_equal(parse(deep, sizeof deep, 0, NULL), LC_ERR_LIMIT);
}

static void comments_only_where_allowed(void **state)
{
    (void)state;
    static const char text[] = "// top\n{ // here\n \"a\": \"x//y\", // there \" {\n \"b\": 1 }//";
    cJSON *tree = NULL;
    assert_int_equal(parse_text(text, 0, NULL), LC_ERR_FORMAT);
    assert_int_equal(lc_json_parse(text, sizeof text - 1, LC_JSON_COMMENTS, &tree, NULL), LC_OK);
    assert_string_equal(lc_json_text(tree, "a", ""), "x//y");
    assert_true(lc_json_real(tree, "b", 0) == 1);
    cJSON_Delete(tree);
    assert_int_equal(parse_text("[1] / 2", LC_JSON_COMMENTS, NULL), LC_ERR_FORMAT);
    assert_int_equal(parse_text("// only", LC_JSON_COMMENTS, NULL), LC_ERR_FORMAT);
    assert_int_equal(parse_text("[\"\\u0000\"]", 0, NULL), LC_OK);
    assert_int_equal(parse_text("[\"\\u0000\"]", LC_JSON_NO_NUL, NULL), LC_ERR_FORMAT);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[1.5e-3,true,null,{\"b\":\"\\ud83d\\ude00\xe2\x82\xac\"}]}";
    for (size_t n = 0; n < sizeof text - 1; n++) {
        assert_int_equal(parse(text, n, 0, NULL), LC_ERR_FORMAT);
    }
    assert_int_equal(parse_text(text, 0, NULL), LC_OK);
}

/* ---- tables ---- */

static const lc_json_key keys[] = {
    {"name", LC_JSON_TEXT, 1, 4, true, ""},       {"real", LC_JSON_REAL, -1, 1, false, ""},
    {"whole", LC_JSON_INTEGER, 0, 10, false, ""}, {"flag", LC_JSON_BOOL, 0, 0, false, ""},
    {"sub", LC_JSON_OBJECT, 0, 0, false, ""},     {"list", LC_JSON_ARRAY, 1, 2, false, ""}};

static const char *check(const char *text)
{
    static lc_json_diag diag;
    lc_json_path path = {.text = "a[0]", .bytes = 4};
    cJSON *tree = NULL;
    assert_int_equal(lc_json_parse(text, strlen(text), 0, &tree, &diag), LC_OK);
    diag.text[0] = '\0';
    lc_err err = lc_json_check(tree, keys, sizeof keys / sizeof keys[0], &path, &diag);
    assert_true((err == LC_OK) == (diag.text[0] == '\0'));
    cJSON_Delete(tree);
    return diag.text;
}

static void tables_name_the_key(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } s[] = {
        {"{\"name\":\"x\"}", ""},
        {"{\"name\":\"x\",\"real\":-1,\"whole\":10,\"flag\":true,\"sub\":{},\"list\":[1]}", ""},
        {"[]", "a[0]: must be an object"},
        {"{}", "a[0].name: is missing"},
        {"{\"name\":\"\"}", "a[0].name: out of range, 1 to 4 bytes"},
        {"{\"name\":\"abcde\"}", "a[0].name: out of range, 1 to 4 bytes"},
        {"{\"name\":1}", "a[0].name: must be text"},
        {"{\"name\":\"x\",\"name\":\"y\"}", "a[0].name: duplicate key"},
        {"{\"name\":\"x\",\"nam\":1}", "a[0].nam: unknown key"},
        {"{\"name\":\"x\",\"Name\":1}", "a[0].Name: unknown key"},
        {"{\"name\":\"x\",\"real\":1.01}", "a[0].real: out of range, -1 to 1"},
        {"{\"name\":\"x\",\"real\":1e999}", "a[0].real: out of range, -1 to 1"},
        {"{\"name\":\"x\",\"real\":\"1\"}", "a[0].real: must be a number"},
        {"{\"name\":\"x\",\"real\":null}", "a[0].real: must be a number"},
        {"{\"name\":\"x\",\"whole\":1.5}", "a[0].whole: must be a whole number"},
        {"{\"name\":\"x\",\"whole\":1e300}", "a[0].whole: must be a whole number"},
        {"{\"name\":\"x\",\"whole\":-1}", "a[0].whole: out of range, 0 to 10"},
        {"{\"name\":\"x\",\"flag\":1}", "a[0].flag: must be true or false"},
        {"{\"name\":\"x\",\"sub\":[]}", "a[0].sub: must be an object"},
        {"{\"name\":\"x\",\"list\":{}}", "a[0].list: must be a list"},
        {"{\"name\":\"x\",\"list\":[]}", "a[0].list: out of range, 1 to 2 items"},
        {"{\"name\":\"x\",\"\\u001b[31m\":1}", "a[0].?[31m: unknown key"},
    };
    for (size_t i = 0; i < sizeof s / sizeof s[0]; i++) {
        assert_string_equal(check(s[i].text), s[i].said);
    }
}

static void long_keys_do_not_overflow_the_path(void **state)
{
    (void)state;
    char text[2048];
    memset(text, 'k', sizeof text);
    memcpy(text, "{\"", 2);
    memcpy(text + 2000, "\":1}", 5);
    assert_non_null(strstr(check(text), "unknown key"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suite),
        cmocka_unit_test(what_cjson_alone_would_accept_is_refused),
        cmocka_unit_test(places_are_lines_and_characters),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(comments_only_where_allowed),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(tables_name_the_key),
        cmocka_unit_test(long_keys_do_not_overflow_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
