/* The rule language: what holds, what is refused and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../runtime/expr.h"

/* Appends, cut to the size of the array. */
static void append(char *to, size_t size, const char *text)
{
    size_t used = strlen(to);
    snprintf(to + used, size - used, "%s", text);
}

static _Alignas(64) uint8_t memory[1 << 18];

static lc_str fault_label(void *ctx, lc_str task)
{
    (void)ctx;
    return lc_str_equal(task, lc_str_from("fault")) ? lc_str_from("leak") : lc_str_from("");
}

static lc_err compile(const char *source, lc_expr **expr, lc_diag *diag)
{
    static lc_arena arena, measure;
    lc_expr *unused;
    lc_arena_init(&arena, memory, sizeof memory);
    lc_arena_measure(&measure);
    lc_err err = lc_expr_compile(source, (uint32_t)strlen(source), &arena, expr, diag);
    assert_int_equal(err,
                     lc_expr_compile(source, (uint32_t)strlen(source), &measure, &unused, NULL));
    assert_int_equal(arena.used, measure.used);
    return err;
}

static bool holds_with(const char *source, const char *text, int32_t *evidence)
{
    static lc_facts facts;
    lc_expr *expr = NULL;
    lc_diag diag = {0};
    if (compile(source, &expr, &diag) != LC_OK) {
        fail_msg("%s: %s at %d", source, diag.text, (int)diag.offset);
    }
    lc_facts_find(text, (uint32_t)strlen(text), &facts);
    lc_expr_env env = {.text = text,
                       .bytes = (uint32_t)strlen(text),
                       .facts = &facts,
                       .label = lc_str_from("hot"),
                       .p = 0.75f,
                       .oos = 0.25f,
                       .task_label = fault_label};
    return lc_expr_eval(expr, &env, evidence);
}

static void expressions_hold(void **state)
{
    (void)state;
    static const char text[] = "P2 temp 96C, vib 7.9 mm/s, level 5, state=Open, press 14.5 psi";
    static const struct {
        const char *source;
        bool holds;
    } s[] = {
        {"temp > 90", true},
        {"temp > 96", false},
        {"temp >= 96", true},
        {"temp < 96.5", true},
        {"temp <= 95", false},
        {"temp == 96", true},
        {"temp != 96", false},
        {"temperature > 90", true},
        {"temp > 194 F", true},
        {"temp > 205 F", false},
        {"temp > 360 K", true},
        {"temp > 5 bar", false},
        {"press < 1.01 bar", true},
        {"press < 1.01", true},
        {"vib > 0.3 in/s", true},
        {"vib > -1", true},
        {"level > 4 m", true},
        {"flow > 0", false},
        {"flow != 0", false},
        {"not flow > 0", true},
        {"has(temp)", true},
        {"has(flow)", false},
        {"has(STATE)", true},
        {"state == open", true},
        {"state == \"open\"", true},
        {"state != 'closed'", true},
        {"state == closed", false},
        {"level == open", false},
        {"text ~ /P\\d/", true},
        {"text ~ /burn|smoke/", false},
        {"text ~ /mm\\/s/", true},
        {"label == hot", true},
        {"label != hot", false},
        {"fault.label == leak", true},
        {"fault.label != leak", false},
        {"fault.label != normal", true},
        {"other.label != normal", false},
        {"other.label == normal", false},
        {"p < 0.8", true},
        {"p > 0.8", false},
        {"oos >= 0.25", true},
        {"temp > 90 and vib > 9", false},
        {"temp > 90 or vib > 9", true},
        {"vib > 9 or vib > 8 or temp > 90", true},
        {"temp > 90 or vib > 9 and flow > 1", true},
        {"(temp > 90 or vib > 9) and flow > 1", false},
        {"not (temp > 90 and vib > 9)", true},
        {"not temp > 90 and flow > 1", false},
        {"not not temp > 90", true},
        {"not (not (temp > 90))", true},
        {"label == hot and not (temp > 100 or text ~ /hot|burn/)", true},
        {"  temp>90and vib>7  ", true},
    };
    for (size_t i = 0; i < sizeof s / sizeof s[0]; i++) {
        if (holds_with(s[i].source, text, NULL) != s[i].holds) {
            fail_msg("%s", s[i].source);
        }
    }
}

static void evidence_is_a_fact_that_made_it_true(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        int32_t evidence;
    } s[] = {{"temp > 90", 0},
             {"vib > 7", 1},
             {"temp > 99 or vib > 7", 1},
             {"text ~ /temp/ and vib > 7", 1},
             {"text ~ /temp/", -1},
             {"not vib > 9", -1},
             {"vib > 9", -1}};
    for (size_t i = 0; i < sizeof s / sizeof s[0]; i++) {
        int32_t evidence = 99;
        (void)holds_with(s[i].source, "temp 96C vib 7.9 mm/s", &evidence);
        assert_int_equal(evidence, s[i].evidence);
    }
}

static void any_fact_of_the_key_counts(void **state)
{
    (void)state;
    int32_t evidence = -1;
    assert_true(holds_with("temp > 90", "temp 20C, temp 95C, temp 30C", &evidence));
    assert_int_equal(evidence, 1);
}

static void wrong_rules_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *source;
        int offset;
    } s[] = {{"", 0},
             {"temp", 4},
             {"temp >", 6},
             {"temp > hot", 7},
             {"temp > 1.", 9},
             {"temp > 90 90", 10},
             {"temp > 90 vib", 10},
             {"temp > 90 and", 13},
             {"(temp > 90", 10},
             {"temp > 90)", 10},
             {"()", 1},
             {"text == x", 5},
             {"text ~ /a", 9},
             {"text ~ /(a/", 10},
             {"text ~ /a{2}/", 9},
             {"label > x", 7},
             {"label ==", 8},
             {"fault.p > 1", 7},
             {"has temp", 4},
             {"has()", 4},
             {"and", 3},
             {"state == \"open", 14},
             {"temp = 5", 5},
             {"temp ~ /x/", 5},
             {"p == x", 5},
             {"temp > 1234567890123456", 22}};
    for (size_t i = 0; i < sizeof s / sizeof s[0]; i++) {
        lc_expr *expr;
        lc_diag diag = {0};
        if (compile(s[i].source, &expr, &diag) != LC_ERR_FORMAT ||
            (int)diag.offset != s[i].offset) {
            fail_msg("%s: %s at %d, not at %d", s[i].source, diag.text ? diag.text : "accepted",
                     (int)diag.offset, s[i].offset);
        }
    }
}

static void sizes_are_limited(void **state)
{
    (void)state;
    static char big[2000];
    lc_expr *expr;
    lc_diag diag = {0};
    memset(big, ' ', LC_EXPR_BYTES_MAX + 1);
    assert_int_equal(compile(big, &expr, &diag), LC_ERR_LIMIT);
    big[0] = '\0';
    for (int i = 0; i < 40; i++) {
        append(big, sizeof big, "(");
    }
    assert_int_equal(compile(big, &expr, &diag), LC_ERR_LIMIT);
    snprintf(big, sizeof big, "%s", "a>1");
    for (int i = 0; i < 70; i++) {
        append(big, sizeof big, " and a>1");
    }
    assert_int_equal(compile(big, &expr, &diag), LC_ERR_LIMIT);
    snprintf(big, sizeof big, "%s", "a>1");
    for (int i = 0; i < 63; i++) {
        append(big, sizeof big, " and a>1");
    }
    assert_int_equal(compile(big, &expr, &diag), LC_OK);
    /* values wait on the stack while tighter operators are open to their right */
    snprintf(big, sizeof big, "%s", "a>1");
    for (int i = 0; i < 31; i++) {
        append(big, sizeof big, " or a>1 and (a>1");
    }
    assert_true(compile(big, &expr, &diag) != LC_OK);
}

static bool knows_hot(void *ctx, lc_str task, lc_str label)
{
    (void)ctx;
    return task.bytes == 0 && lc_str_equal(label, lc_str_from("hot"));
}

static void labels_must_be_known_in_a_scope(void **state)
{
    (void)state;
    static const lc_expr_scope scope = {knows_hot, NULL};
    lc_arena arena;
    lc_expr *expr;
    lc_diag diag = {0};
    lc_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(lc_expr_compile_in("label == hot", 12, &scope, &arena, &expr, &diag), LC_OK);
    assert_int_equal(lc_expr_compile_in("label == cold", 13, &scope, &arena, &expr, &diag),
                     LC_ERR_FORMAT);
    assert_int_equal(diag.offset, 13);
    assert_int_equal(lc_expr_compile_in("a.label == hot", 14, &scope, &arena, &expr, &diag),
                     LC_ERR_FORMAT);
}

static void random_rules_are_safe(void **state)
{
    (void)state;
    static const char *const part[] = {
        "temp", " > ", "90", " and ", " or ", "not ", "(",  ")", "text ~ /", "a|b",  "/", "label",
        " == ", "hot", ".",  "has(",  "p",    "\"",   " C", "<", "-",        "\xff", "~"};
    uint32_t seed = 7, compiled = 0;
    for (int round = 0; round < 30000; round++) {
        char source[256] = "";
        for (int i = 0; i < 1 + round % 12; i++) {
            seed = seed * 1664525 + 1013904223;
            append(source, sizeof source, part[(seed >> 16) % (sizeof part / sizeof part[0])]);
        }
        lc_expr *expr;
        lc_diag diag = {0};
        if (compile(source, &expr, &diag) == LC_OK) {
            (void)holds_with(source, "temp 96C hot", NULL);
            compiled++;
        } else {
            assert_non_null(diag.text);
            assert_true(diag.offset <= strlen(source));
        }
    }
    assert_true(compiled > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_hold),
        cmocka_unit_test(evidence_is_a_fact_that_made_it_true),
        cmocka_unit_test(any_fact_of_the_key_counts),
        cmocka_unit_test(wrong_rules_are_refused_with_their_place),
        cmocka_unit_test(sizes_are_limited),
        cmocka_unit_test(labels_must_be_known_in_a_scope),
        cmocka_unit_test(random_rules_are_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
