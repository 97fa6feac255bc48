/* Probabilities, conformal sets, out-of-scope score and the decision, against libm in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../runtime/decide.h"

#define LABELS 4u

static lc_label labels[LABELS] = {
    {.name = {"a", 1}}, {.name = {"b", 1}}, {.name = {"c", 1}}, {.name = {"d", 1}}};
static const float zeros[LABELS];

static lc_task task_of(uint32_t count)
{
    return (lc_task){
        .label = labels,
        .label_count = count,
        .calibration = {.temperature = 1, .bias = zeros, .threshold = 0.5f, .alpha = 0.05f}};
}

static uint32_t random_state = 1;

static float random_in(float lo, float hi)
{
    random_state = random_state * 1664525 + 1013904223;
    return lo + (hi - lo) * (float)(random_state >> 8) / 16777216.0f;
}

static const lc_kernels *ref(void)
{
    return lc_level_at(0);
}

static void probabilities_are_a_calibrated_softmax(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        float bias[LABELS];
        lc_task task = task_of(1 + (uint32_t)round % LABELS);
        lc_scores s = {.has_oos = round % 2 == 0, .z_oos = random_in(-9, 9)};
        lc_calibration *c = &task.calibration;
        c->bias = bias;
        c->temperature = random_in(0.3f, 4);
        c->has_oos = true;
        c->oos_w[0] = random_in(-2, 2);
        c->oos_w[1] = random_in(-2, 2);
        c->oos_c = random_in(-3, 3);
        double sum = 0, lse = 0;
        for (uint32_t i = 0; i < task.label_count; i++) {
            s.z[i] = random_in(-9, 9);
            bias[i] = random_in(-1, 1);
            sum += exp(((double)s.z[i] + (double)bias[i]) / (double)c->temperature);
            lse += exp((double)s.z[i]);
        }
        lse = log(lse);
        static lc_answer a;
        lc_decide_scores(&task, ref(), &s, &a);
        for (uint32_t i = 0; i < task.label_count; i++) {
            double p = exp(((double)s.z[i] + (double)bias[i]) / (double)c->temperature) / sum;
            assert_true(fabs(p - (double)a.prob[i]) < 2e-6);
            assert_true(a.prob[i] <= a.p);
            assert_true(a.score[i] == s.z[i]);
        }
        double apart = s.has_oos ? (double)c->oos_w[0] * ((double)s.z_oos - lse) : 0;
        double oos = 1 / (1 + exp(-(apart + (double)c->oos_w[1] * lse + (double)c->oos_c)));
        assert_true(fabs(oos - (double)a.oos) < 1e-5);
        assert_int_equal(a.score_count, task.label_count + s.has_oos);
    }
}

static void every_level_gives_the_same_bits(void **state)
{
    (void)state;
    lc_task task = task_of(LABELS);
    task.calibration.has_oos = true;
    task.calibration.oos_w[0] = 0.7f;
    task.calibration.oos_w[1] = -0.2f;
    const lc_kernels *best = lc_level_at(0);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && lc_level_find("avx2") != NULL) {
        best = lc_level_find("avx2");
    }
#elif defined(__aarch64__)
    best = lc_level_find("neon80") != NULL ? lc_level_find("neon80") : best;
#endif
    for (int round = 0; round < 2000; round++) {
        lc_scores s = {.has_oos = true, .z_oos = random_in(-9, 9)};
        for (uint32_t i = 0; i < LABELS; i++) {
            s.z[i] = random_in(-9, 9);
        }
        static lc_answer a, b;
        lc_decide_scores(&task, ref(), &s, &a);
        lc_decide_scores(&task, best, &s, &b);
        assert_memory_equal(a.prob, b.prob, LABELS * sizeof(float));
        assert_memory_equal(&a.oos, &b.oos, sizeof a.oos);
        assert_memory_equal(a.in_set, b.in_set, sizeof a.in_set);
    }
}

static void absurd_scores_stay_numbers(void **state)
{
    (void)state;
    lc_task task = task_of(LABELS);
    task.calibration.has_oos = true;
    task.calibration.oos_w[0] = 1000;
    task.calibration.oos_w[1] = -1000;
    task.calibration.temperature = 0.01f;
    lc_scores s = {.z = {3e38f, -3e38f, 0, 3e38f}, .z_oos = -3e38f, .has_oos = true};
    static lc_answer a;
    lc_decide_scores(&task, ref(), &s, &a);
    assert_int_equal(a.label, 0);
    assert_true(a.p == 0.5f && a.margin == 0.0f);
    assert_true(a.oos >= 0.0f && a.oos <= 1.0f);
}

/* Scores whose softmax is exactly p (up to rounding). */
static lc_scores scores_for(const float *p, uint32_t n)
{
    lc_scores s = {.has_oos = false};
    for (uint32_t i = 0; i < n; i++) {
        s.z[i] = (float)log((double)p[i]);
    }
    return s;
}

static void the_set_is_the_smallest_that_reaches(void **state)
{
    (void)state;
    static const struct {
        float p[LABELS], alpha;
        uint8_t set; /* bit per label */
    } s[] = {
        {{0.97f, 0.01f, 0.01f, 0.01f}, 0.05f, 1},  {{0.01f, 0.90f, 0.08f, 0.01f}, 0.05f, 6},
        {{0.40f, 0.30f, 0.20f, 0.10f}, 0.05f, 15}, {{0.40f, 0.30f, 0.20f, 0.10f}, 0.15f, 7},
        {{0.40f, 0.30f, 0.20f, 0.10f}, 1.0f, 1},   {{0.25f, 0.25f, 0.25f, 0.25f}, 0.6f, 3},
        {{0.40f, 0.30f, 0.20f, 0.10f}, 0.0f, 15},
    };
    for (size_t i = 0; i < sizeof s / sizeof s[0]; i++) {
        lc_task task = task_of(LABELS);
        lc_scores scores = scores_for(s[i].p, LABELS);
        static lc_answer a;
        task.calibration.alpha = s[i].alpha;
        lc_decide_scores(&task, ref(), &scores, &a);
        assert_int_equal(a.in_set[0], s[i].set);
        assert_int_equal(lc_answer_set_count(&a), (uint32_t)__builtin_popcount(s[i].set));
    }
}

static void a_rule_answers_alone(void **state)
{
    (void)state;
    lc_task task = task_of(LABELS);
    static lc_answer a;
    lc_rule rule = {.label = 2, .p = 0.91f};
    lc_decide_rule(&task, &rule, &a);
    assert_int_equal(a.label, 2);
    assert_int_equal(a.in_set[0], 4);
    assert_float_equal(a.prob[0], 0.03f, 1e-6f);
    assert_float_equal(a.margin, 0.88f, 1e-6f);
    assert_true(lc_decide_sure(&task, &a));
    task.calibration.threshold = 0.92f;
    assert_false(lc_decide_sure(&task, &a));
    task.label_count = 1;
    rule.label = 0;
    lc_decide_rule(&task, &rule, &a);
    assert_true(a.margin == 0.91f);
}

/* ---- decisions ---- */

static const struct decision_case {
    const char *name;
    float p[2], oos;
    bool needs;
    lc_verdict v;
    uint8_t objection; /* lc_decision of a verify rule, 0: none */
    uint8_t decision;
    int32_t label;
} cases[] = {
    {"sure", {0.99f, 0.01f}, 0.1f, false, {false, false, false, false, NULL}, 0, LC_ACCEPT, 0},
    {"low p", {0.6f, 0.4f}, 0.1f, false, {false, false, false, false, NULL}, 0, LC_DEFER, 0},
    {"low p online", {0.6f, 0.4f}, 0.1f, false, {false, true, false, false, NULL}, 0, LC_DEFER, 0},
    {"low p asks", {0.6f, 0.4f}, 0.1f, false, {true, true, false, false, NULL}, 0, LC_ESCALATE, 0},
    {"low p offline", {0.6f, 0.4f}, 0, false, {true, false, false, false, NULL}, 0, LC_DEFER, 0},
    {"two in the set", {0.8f, 0.2f}, 0, false, {false, false, false, false, NULL}, 0, LC_DEFER, 0},
    {"oos", {0.99f, 0.01f}, 0.8f, false, {false, true, false, false, NULL}, 0, LC_REJECT, -1},
    {"oos asks", {0.99f, 0.01f}, 0.8f, false, {true, true, false, false, NULL}, 0, LC_ESCALATE, 0},
    {"oos waits", {0.99f, 0.01f}, 0.8f, false, {true, false, false, false, NULL}, 0, LC_DEFER, 0},
    {"oos at the bound",
     {0.99f, 0.01f},
     0.5f,
     false,
     {false, false, false, false, NULL},
     0,
     LC_ACCEPT,
     0},
    {"no evidence", {0.99f, 0.01f}, 0, true, {false, false, false, false, NULL}, 0, LC_DEFER, 0},
    {"evidence", {0.99f, 0.01f}, 0, true, {false, false, false, true, NULL}, 0, LC_ACCEPT, 0},
    {"failed", {0.99f, 0.01f}, 0, false, {false, false, true, false, NULL}, 0, LC_DEFER, 0},
    {"veto defer",
     {0.99f, 0.01f},
     0,
     false,
     {true, true, false, false, NULL},
     LC_DEFER,
     LC_DEFER,
     0},
    {"veto reject",
     {0.99f, 0.01f},
     0,
     false,
     {true, true, false, false, NULL},
     LC_REJECT,
     LC_REJECT,
     -1},
    {"veto asks",
     {0.99f, 0.01f},
     0,
     false,
     {true, true, false, false, NULL},
     LC_ESCALATE,
     LC_ESCALATE,
     0},
    {"veto offline",
     {0.99f, 0.01f},
     0,
     false,
     {true, false, false, false, NULL},
     LC_ESCALATE,
     LC_DEFER,
     0},
    {"veto alone",
     {0.99f, 0.01f},
     0,
     false,
     {false, true, false, false, NULL},
     LC_ESCALATE,
     LC_DEFER,
     0},
};

static void decisions_follow_the_table(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct decision_case *c = &cases[i];
        lc_label own[2] = {{.needs_evidence = c->needs}, {.needs_evidence = false}};
        lc_task task = task_of(2);
        lc_scores scores = scores_for(c->p, 2);
        lc_rule objection = {.decision = c->objection};
        lc_verdict verdict = c->v;
        static lc_answer a;
        task.label = own;
        task.calibration.threshold = 0.7f;
        lc_decide_scores(&task, ref(), &scores, &a);
        task.calibration.has_oos = true;
        task.calibration.oos_t = 0.5f;
        a.oos = c->oos;
        verdict.objects = c->objection != 0 ? &objection : NULL;
        lc_decide(&task, &verdict, &a);
        if (a.decision != c->decision || a.label != c->label) {
            fail_msg("%s: decision %d, label %d", c->name, a.decision, a.label);
        }
    }
}

static void nothing_known_is_deferred(void **state)
{
    (void)state;
    lc_task task = task_of(2);
    const lc_verdict verdict = {.evidence = true};
    static lc_answer a;
    memset(&a, 0, sizeof a);
    a.label = -1;
    lc_decide(&task, &verdict, &a);
    assert_int_equal(a.decision, LC_DEFER);
    assert_int_equal(a.label, -1);
}

static void reasons_are_counted_once(void **state)
{
    (void)state;
    static const char name[] = "abcdefghijklmnopqrstuvwxyz";
    static lc_answer a;
    memset(&a, 0, sizeof a);
    for (uint32_t i = 0; i < 26; i++) {
        lc_answer_why(&a, (lc_str){name + i, 1});
        lc_answer_why(&a, (lc_str){name, 1});
    }
    assert_int_equal(a.why_count, LC_WHY_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_are_a_calibrated_softmax),
        cmocka_unit_test(every_level_gives_the_same_bits),
        cmocka_unit_test(absurd_scores_stay_numbers),
        cmocka_unit_test(the_set_is_the_smallest_that_reaches),
        cmocka_unit_test(a_rule_answers_alone),
        cmocka_unit_test(decisions_follow_the_table),
        cmocka_unit_test(nothing_known_is_deferred),
        cmocka_unit_test(reasons_are_counted_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
