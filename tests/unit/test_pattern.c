/* Patterns: what matches, what is refused, and that hostile ones stay linear. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../runtime/pattern.h"

/* Appends, cut to the size of the array. */
static void append(char *to, size_t size, const char *text)
{
    size_t used = strlen(to);
    snprintf(to + used, size - used, "%s", text);
}

static _Alignas(64) uint8_t memory[65536];

static lc_err compile(const char *source, lc_pattern **pattern, lc_diag *diag)
{
    static lc_arena arena, measure;
    lc_pattern *unused;
    lc_arena_init(&arena, memory, sizeof memory);
    lc_arena_measure(&measure);
    lc_err err = lc_pattern_compile(source, (uint32_t)strlen(source), &arena, pattern, diag);
    lc_err planned = lc_pattern_compile(source, (uint32_t)strlen(source), &measure, &unused, NULL);
    assert_int_equal(err, planned);
    assert_int_equal(arena.used, measure.used);
    return err;
}

static bool finds(const char *source, const char *text)
{
    lc_pattern *pattern = NULL;
    lc_diag diag = {0};
    lc_err err = compile(source, &pattern, &diag);
    if (err != LC_OK) {
        fail_msg("/%s/: %s at %d", source, diag.text, (int)diag.offset);
    }
    return lc_pattern_search(pattern, text, (uint32_t)strlen(text));
}

static void patterns_match(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool found;
    } s[] = {
        {"hot", "too HOT here", true},
        {"HOT", "too hot here", true},
        {"hot", "ho t", false},
        {"hot|burn", "it burns", true},
        {"a.c", "abc", true},
        {"a.c", "a\nc", false},
        {"a.c", "aµc", true},
        {"^a.c$", "a°c", true},
        {"[a-c]x", "Bx", true},
        {"[^a-c]x", "bx", false},
        {"[^a-c]x", "µx", true},
        {"[]a]", "]", true},
        {"[a\\]-]", "-", true},
        {"\\d+ ?c", "96C", true},
        {"\\d\\d\\d", "12 3", false},
        {"\\w\\W\\w", "a b", true},
        {"\\bleak", "oil leak", true},
        {"\\bleak", "bleak", false},
        {"leak\\b", "leaks", false},
        {"\\Bleak", "bleak", true},
        {"^pump", "a pump", false},
        {"^pump", "pump", true},
        {"pump$", "pump 2", false},
        {"^$", "", true},
        {"^$", "x", false},
        {"a*", "", true},
        {"(ab)+c", "xxababc", true},
        {"(ab)+c", "xxc", false},
        {"colou?r", "color", true},
        {"(a|b)*c", "ababac", true},
        {"(a*)*b", "b", true},
        {"a**", "", true},
        {"x(y(z|w))?q", "xywq", true},
        {"\\.", "a", false},
        {"\\.", ".", true},
        {"a\\tb", "a\tb", true},
        {"[\\d.]+ ?bar", "3.2 bar", true},
        {"[\\D]", "5", false},
        {"µm", "142 µm", true},
        {"[°µ]", "°", true},
        {"a|b|c|d", "xxd", true},
        {"(a|b)(c|d)e", "bde", true},
    };
    for (size_t i = 0; i < sizeof s / sizeof s[0]; i++) {
        if (finds(s[i].pattern, s[i].text) != s[i].found) {
            fail_msg("/%s/ on \"%s\"", s[i].pattern, s[i].text);
        }
    }
}

static void wrong_patterns_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        int offset;
    } s[] = {{"", 0},      {"hot|burn|", 9}, {"(", 1},       {"a)", 1},    {"()", 2},   {"*a", 0},
             {"a|*", 2},   {"[a", 2},        {"[z-a]", 4},   {"a\\", 2},   {"\\q", 1},  {"a{2}", 1},
             {"(?:a)", 1}, {"\\1", 1},       {"[a-\\d]", 5}, {"a\xff", 1}, {"[\xc3", 1}};
    for (size_t i = 0; i < sizeof s / sizeof s[0]; i++) {
        lc_pattern *pattern;
        lc_diag diag = {0};
        assert_int_equal(compile(s[i].pattern, &pattern, &diag), LC_ERR_FORMAT);
        assert_non_null(diag.text);
        if ((int)diag.offset != s[i].offset) {
            fail_msg("/%s/: at %d, not %d", s[i].pattern, (int)diag.offset, s[i].offset);
        }
    }
}

static void sizes_are_limited(void **state)
{
    (void)state;
    char big[1025];
    lc_pattern *pattern;
    memset(big, 'a', sizeof big - 1);
    big[1024] = '\0';
    assert_int_equal(compile(big, &pattern, NULL), LC_ERR_LIMIT);
    big[LC_PATTERN_STATES_MAX] = '\0';
    assert_int_equal(compile(big, &pattern, NULL), LC_ERR_LIMIT);
    big[LC_PATTERN_STATES_MAX - 1] = '\0';
    assert_int_equal(compile(big, &pattern, NULL), LC_OK);
    assert_int_equal(lc_pattern_states(pattern), LC_PATTERN_STATES_MAX);
    memset(big, '(', 1024);
    big[1024] = '\0';
    assert_int_equal(compile(big, &pattern, NULL), LC_ERR_LIMIT);
    memset(big, '*', 1024);
    big[0] = 'a';
    assert_int_equal(compile(big, &pattern, NULL), LC_ERR_LIMIT);
    for (size_t i = 0; i < 1020; i += 4) {
        memcpy(big + i, "[\\d]", 4);
    }
    assert_int_equal(compile(big, &pattern, NULL), LC_ERR_LIMIT);
}

static void an_arena_too_small_is_an_error(void **state)
{
    (void)state;
    lc_arena arena;
    lc_pattern *pattern;
    size_t need = 0;
    for (size_t bytes = 0; need == 0; bytes += 64) {
        lc_arena_init(&arena, memory, bytes);
        lc_err err = lc_pattern_compile("a(b|c)*[d-f]", 12, &arena, &pattern, NULL);
        need = err == LC_OK ? bytes : 0;
        assert_true(err == LC_OK || err == LC_ERR_ARENA);
    }
    assert_true(need >= 128);
}

static double seconds_for(const char *source, size_t bytes)
{
    static char text[1 << 20];
    lc_pattern *pattern = NULL;
    assert_int_equal(compile(source, &pattern, NULL), LC_OK);
    memset(text, 'a', bytes);
    struct timespec a, b;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
    assert_false(lc_pattern_search(pattern, text, (uint32_t)bytes));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
    return (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) * 1e-9;
}

/* Backtracking would take longer than the universe; a quadratic search 64 times the time for 8
 * times the text. */
static void hostile_patterns_take_linear_time(void **state)
{
    (void)state;
    static const char *const hostile[] = {"(a*)*b",
                                          "(a|aa)+b",
                                          "(a|a)*b",
                                          "(a+)+b",
                                          "a?a?a?a?a?a?a?a?a?a?a?a?aaaaaaaaaaaab",
                                          "(.*)(.*)(.*)(.*)x",
                                          "((((a*)*)*)*)*b",
                                          "(x+x+)+y|a*a*a*a*a*a*b"};
    for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
        double small = seconds_for(hostile[i], 16384);
        double large = seconds_for(hostile[i], 131072);
        if (large > small * 8 * 3 + 0.05) {
            fail_msg("/%s/: %.4f s for 16 KB, %.4f s for 128 KB", hostile[i], small, large);
        }
    }
}

/* Random patterns of the language's own characters: compile or fail, never more. */
static void random_patterns_are_safe(void **state)
{
    (void)state;
    static const char part[][4] = {"a", "b", "(", ")", "|",  "*", "+", "?", "[", "]",
                                   "^", "$", ".", "-", "\\", "d", "w", "µ", "B", "{"};
    uint32_t seed = 12345, compiled = 0;
    for (int round = 0; round < 20000; round++) {
        char source[128] = "";
        int length = 1 + round % 20;
        for (int i = 0; i < length; i++) {
            seed = seed * 1664525 + 1013904223;
            append(source, sizeof source, part[(seed >> 16) % (sizeof part / sizeof part[0])]);
        }
        lc_pattern *pattern;
        lc_diag diag = {0};
        if (compile(source, &pattern, &diag) == LC_OK) {
            (void)lc_pattern_search(pattern, "ab ba\xff \xc2\xb5m", 11);
            compiled++;
        } else {
            assert_non_null(diag.text);
        }
    }
    assert_true(compiled > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match),
        cmocka_unit_test(wrong_patterns_are_refused_with_their_place),
        cmocka_unit_test(sizes_are_limited),
        cmocka_unit_test(an_arena_too_small_is_an_error),
        cmocka_unit_test(hostile_patterns_take_linear_time),
        cmocka_unit_test(random_patterns_are_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
