/* Each guard of a question, and each odd answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/linux/esc_json.h"
#include "../../board/node/screen.h"

#define RECORD "{\"v\":1,\"seq\":9,\"label\":\"b\",\"p\":0.4,\"decision\":\"escalate\",\"why\":[]}"
#define DEADLINE 1000u

static _Alignas(64) uint8_t memory[8u << 20];
static lc_label labels[2] = {{.name = {"a", 1}}, {.name = {"b", 1}}};
static const lc_task task = {.name = {"t", 1}, .label = labels, .label_count = 2};
static lc_policy policy;
static lc_escalate esc;
static uint64_t now;
static lc_str request, corrected;
static const lc_redactions none;

static void open_with(uint32_t calls, float money)
{
    static const lc_esc_options options = {
        .policy = &policy, .job = {"j", 1}, .reply = {"r", 1}, .task = {&task}, .task_count = 1};
    lc_arena arena;
    lc_arena_init(&arena, memory, sizeof memory);
    policy = (lc_policy){.escalates = true,
                         .deadline_ms = DEADLINE,
                         .ttl_s = 100,
                         .calls_per_day = calls,
                         .money_per_day = money};
    now = 1000;
    assert_int_equal(lc_escalate_init(&esc, &options, &arena), LC_OK);
    const lc_esc_start start = {.boot = 1, .seed = 1};
    assert_int_equal(lc_escalate_open(&esc, now, &start), LC_OK);
}

static void all_is_well(void)
{
    const lc_esc_worker worker = {.ready = true};
    lc_escalate_link(&esc, now, true);
    lc_escalate_worker(&esc, now, &worker);
}

static void ask(bool at_once)
{
    const lc_question q = {.seq = 9,
                           .record = lc_str_from(RECORD),
                           .text = lc_str_from("drip at 5 bar"),
                           .map = &none,
                           .now = at_once};
    lc_escalate_ask(&esc, now, &q);
}

static const lc_esc_slot *sent(uint32_t id)
{
    return lc_escalate_send(&esc, now, 0, id, &request);
}

static bool correction(void)
{
    lc_corrected c;
    bool any = lc_escalate_correct(&esc, now, 1, &c);
    corrected = any ? c.json : corrected;
    return any;
}

static bool has(lc_str text, const char *what)
{
    char copy[4096];
    memcpy(copy, text.data, text.bytes);
    copy[text.bytes] = '\0';
    return strstr(copy, what) != NULL;
}

static void every_guard_closes(void **state)
{
    (void)state;
    lc_esc_worker worker = {.ready = true};
    open_with(0, 0); /* no budget */
    all_is_well();
    assert_false(lc_escalate_could(&esc, now));
    open_with(5, 0); /* no link */
    lc_escalate_worker(&esc, now, &worker);
    assert_false(lc_escalate_could(&esc, now));
    open_with(5, 0); /* no worker, one that is not ready, one that costs, one that left */
    lc_escalate_link(&esc, now, true);
    assert_false(lc_escalate_could(&esc, now));
    worker.ready = false;
    lc_escalate_worker(&esc, now, &worker);
    assert_false(lc_escalate_could(&esc, now));
    worker = (lc_esc_worker){.ready = true, .price = 1};
    lc_escalate_worker(&esc, now, &worker);
    assert_false(lc_escalate_could(&esc, now));
    all_is_well();
    assert_true(lc_escalate_could(&esc, now));
    lc_escalate_worker(&esc, now, NULL);
    assert_false(lc_escalate_could(&esc, now));
    policy.escalates = false; /* a job without the block */
    lc_escalate none_at_all = {0};
    assert_false(lc_escalate_could(&none_at_all, now));
}

static void privacy_and_redactor_come_first(void **state)
{
    (void)state;
    static lc_answer a; /* large */
    lc_str never = {"a", 1};
    lc_screen screen;
    lc_arena arena;
    open_with(5, 0);
    lc_arena_init(&arena, memory, sizeof memory);
    policy.never = &never;
    policy.never_count = 1;
    assert_int_equal(lc_screen_init(&screen, &policy, &arena), LC_OK);
    for (int i = 0; i < 6; i++) {
        a = (lc_answer){.task = &task, .label = 1, .p = 0.4f, .decision = LC_ESCALATE};
        a.in_set[0] = 2;
        never = (lc_str){"a", 1};
        screen.kinds = 0;
        char line[900];
        memset(line, 'x', sizeof line);
        if (i == 1) {
            a.label = 0;
        } else if (i == 2) {
            a.in_set[0] = 3; /* not ruled out */
        } else if (i == 3) {
            a.label = -1;
        } else if (i == 4) {
            never = task.name;
        } else if (i == 5) { /* more than the redactor keeps apart */
            screen.kinds = LC_REDACT_SERIAL;
            for (size_t at = 0; at + 9 < sizeof line; at += 9) {
                memcpy(line + at, "AB123456 ", 9);
            }
        }
        lc_screen_line(&screen, &policy, (lc_str){line, sizeof line}, true, 0, &a, 1);
        assert_int_equal(screen.leaves, i == 0);
        assert_int_equal(a.decision, i == 0 ? LC_ESCALATE : LC_DEFER);
    }
    a.decision = LC_ESCALATE;
    screen.kinds = 0;
    policy.never_count = 0;
    lc_screen_line(&screen, &policy, (lc_str){"x", 1}, true, 0.7f, &a, 1); /* sure enough: busy */
    assert_true(a.decision == LC_DEFER && screen.leaves);
}

static void a_question_ends_by_its_second_deadline(void **state)
{
    (void)state;
    open_with(5, 0);
    all_is_well();
    ask(true);
    const lc_esc_slot *slot = sent(1);
    assert_non_null(slot);
    assert_true(has(request, "\"text\":\"drip at 5 bar\"") && has(request, "\"try\":1"));
    uint8_t id[LC_ESC_ID_BYTES];
    memcpy(id, slot->id, sizeof id);
    assert_true(lc_escalate_ack(&esc, now, 1, 0));
    assert_null(sent(2));
    now += DEADLINE;
    assert_false(correction());
    slot = sent(2);
    assert_non_null(slot);
    assert_memory_equal(slot->id, id, sizeof id);
    assert_true(has(request, "\"try\":2"));
    now += DEADLINE;
    assert_true(correction());
    assert_true(has(corrected, "\"rev\":2") && has(corrected, "upstream:timeout") &&
                has(corrected, "\"decision\":\"defer\"") && !has(corrected, "\"by\""));
    assert_int_equal(lc_escalate_owing(&esc), 0);
    lc_esc_answer late = {.label = {"a", 1}, .p = 1};
    memcpy(late.id, id, sizeof id);
    lc_escalate_answer(&esc, now, &late);
    assert_true(correction());
    assert_true(has(corrected, "\"rev\":3,\"by\":\"upstream\"") && esc.counts.late == 1);
    lc_escalate_answer(&esc, now, &late); /* again */
    assert_false(correction());
    assert_int_equal(esc.counts.stray, 1);
}

static void the_broker_ends_it_at_once(void **state)
{
    (void)state;
    static const uint32_t reasons[] = {0x10, 0x87, 0x97};
    for (size_t i = 0; i < 3; i++) {
        open_with(5, 0);
        all_is_well();
        ask(true);
        assert_non_null(sent(1));
        assert_true(lc_escalate_ack(&esc, now, 1, reasons[i]));
        assert_true(correction());
        assert_true(has(corrected, i == 0 ? "upstream:nobody" : "upstream:refused"));
        assert_int_equal(lc_escalate_could(&esc, now), i > 0);
    }
    open_with(1, 0); /* the budget ends the second try, and the question all the same */
    all_is_well();
    ask(true);
    assert_non_null(sent(1));
    now += DEADLINE;
    assert_false(correction());
    assert_null(sent(2));
    now += DEADLINE;
    assert_true(correction());
    assert_int_equal(esc.budget.calls, 1);
}

static void odd_answers_change_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        open_with(5, 0);
        all_is_well();
        ask(true);
        const lc_esc_slot *slot = sent(1);
        assert_non_null(slot);
        lc_esc_answer a = {.label = {"a", 1}, .p = 0.9f, .span_count = 1};
        a.span[0] = (lc_esc_span){0, 4, {"drip", 4}};
        memcpy(a.id, slot->id, sizeof a.id);
        a.id[3] = (uint8_t)(a.id[3] ^ (i == 1));
        a.label.data = i == 2 ? "c" : "a";
        a.span[0].to = i == 3 ? 14 : 4;
        a.span[0].from = i == 4 ? 5 : 0;
        a.span[0].quote.data = i == 5 ? "drop" : "drip";
        a.p = i == 6 ? 0.0f / 1.0f - 1 : 0.9f;
        a.status = i == 7 ? LC_ESC_ERROR : LC_ESC_OK;
        lc_escalate_answer(&esc, now, &a);
        assert_int_equal(correction(), i != 1);
        if (i != 1) {
            assert_int_equal(has(corrected, "\"by\":\"upstream\""), i == 0);
        }
        assert_int_equal(esc.counts.stray, i == 1);
    }
}

static void lines_wait_and_grow_old(void **state)
{
    (void)state;
    open_with(50, 0);
    ask(false);
    assert_null(sent(1));
    all_is_well();
    assert_non_null(sent(1));
    lc_escalate_link(&esc, now, false);
    for (int i = 0; i < 2; i++) { /* the second try finds no link: it waits again */
        now += DEADLINE;
        assert_false(correction());
    }
    assert_int_equal(esc.questions.waiting, 1);
    for (int i = 0; i < 40000; i++) {
        ask(false);
    }
    assert_true(esc.questions.dropped > 0 && esc.questions.waiting > 1000);
    now += 100000;
    all_is_well();
    (void)correction();
    assert_null(sent(2));
    assert_true(esc.counts.kept_expired > 0 && esc.questions.waiting == 0);
}

static void the_bar_rises_with_the_queue(void **state)
{
    (void)state;
    open_with(5, 0);
    all_is_well();
    float before = 0;
    for (uint32_t q = 0; q < 200; q += 10) {
        const lc_esc_worker worker = {.ready = true, .queue = q};
        lc_escalate_worker(&esc, now, &worker);
        float bar = lc_escalate_bar(&esc);
        assert_true(bar >= before && bar <= LC_ESC_BAR_MAX && (q > LC_ESC_QUEUE_LOW || bar == 0));
        before = bar;
    }
    assert_true(before == LC_ESC_BAR_MAX);
}

/* ---- JSON ---- */

#define ID "0123456789abcdef0123456789abcdef"

static lc_err read_reply(const char *json)
{
    static lc_esc_reply reply;
    return lc_esc_reply_read(json, (uint32_t)strlen(json), &reply);
}

static void answers_are_read_strictly(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{\"v\":1,\"id\":\"" ID "\",\"label\":\"a\",\"p\":0.5,\"st\":\"ok\"}",
        "{\"v\":1,\"id\":\"" ID "\",\"st\":\"error\"}",
        "{\"v\":1,\"id\":\"" ID "\",\"label\":\"a\",\"p\":1,\"st\":\"ok\",\"ev\":[[0,4,\"\\\"x\"],"
        "[1,2]],\"cost\":0.01,\"other\":{\"ev\":7}}",
    };
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"v\":1}",
        "{\"v\":2,\"id\":\"" ID "\",\"st\":\"error\"}",
        "{\"v\":1,\"id\":\"" ID "\",\"st\":\"fine\"}",
        "{\"v\":1,\"id\":\"" ID "0\",\"st\":\"error\"}",
        "{\"v\":1,\"id\":\"G123456789abcdef0123456789abcdef\",\"st\":\"error\"}",
        "{\"v\":1,\"id\":\"" ID "\",\"st\":\"error\"} x",
        "{\"v\":1,\"id\":\"" ID "\",\"st\":\"error\",\"cost\":-1}",
        "{\"v\":1,\"id\":\"" ID "\",\"st\":\"error\",\"cost\":1e300}",
        "{\"v\":1,\"id\":\"" ID "\",\"st\":\"ok\",\"p\":0.5}",
        "{\"v\":1,\"id\":\"" ID "\",\"st\":\"ok\",\"label\":\"a\",\"p\":1.5}",
        "{\"v\":1,\"id\":\"" ID "\",\"st\":\"ok\",\"label\":\"a\",\"p\":\"nan\"}",
        "{\"v\":1,\"id\":\"" ID "\",\"st\":\"ok\",\"label\":\"a\",\"p\":1,\"ev\":7}",
        "{\"v\":1,\"id\":\"" ID "\",\"st\":\"ok\",\"label\":\"a\",\"p\":1,\"ev\":[[1]]}",
        "{\"v\":1,\"id\":\"" ID "\",\"st\":\"ok\",\"label\":\"a\",\"p\":1,\"ev\":[[-1,2]]}",
        "{\"v\":1,\"id\":\"" ID "\",\"st\":\"ok\",\"label\":\"a\",\"p\":1,\"ev\":[[1,2,3]]}",
        "{\"v\":1,\"id\":\"" ID "\",\"st\":\"ok\",\"label\":\"a\",\"p\":1,\"ev\":[[1,9999999]]}",
        "{\"v\":1,\"id\":\"" ID "\",\"st\":\"\xff\"}",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(read_reply(good[i]), LC_OK);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (read_reply(bad[i]) == LC_OK) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    for (size_t i = 0; i < strlen(good[2]); i++) { /* cut anywhere: refused, and nothing breaks */
        static lc_esc_reply reply;
        assert_int_not_equal(lc_esc_reply_read(good[2], (uint32_t)i, &reply), LC_OK);
    }
    static lc_esc_reply reply;
    static char huge[LC_ESC_ANSWER_MAX + 1];
    assert_int_equal(lc_esc_reply_read(huge, sizeof huge, &reply), LC_ERR_LIMIT);
    lc_esc_worker w;
    const char *state_json = "{\"v\":1,\"ready\":true,\"q\":3,\"p50\":12,\"price\":0.002}";
    assert_int_equal(lc_esc_worker_read(state_json, (uint32_t)strlen(state_json), &w), LC_OK);
    assert_true(w.ready && w.queue == 3 && w.price == 2000);
    assert_int_not_equal(lc_esc_worker_read("{\"v\":1}", 7, &w), LC_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_guard_closes),
        cmocka_unit_test(privacy_and_redactor_come_first),
        cmocka_unit_test(a_question_ends_by_its_second_deadline),
        cmocka_unit_test(the_broker_ends_it_at_once),
        cmocka_unit_test(odd_answers_change_nothing),
        cmocka_unit_test(lines_wait_and_grow_old),
        cmocka_unit_test(the_bar_rises_with_the_queue),
        cmocka_unit_test(answers_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
