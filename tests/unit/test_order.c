/* Actions and trends: the text of a job, pulses and patterns over time, n of m and hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs these */
#include <cmocka.h>

#include "../../board/node/actor.h"

/* ---- the text ---- */

static lc_order parse_one(const char *text)
{
    lc_order act[LC_ORDERS_MAX];
    uint32_t count = 0;
    lc_diag diag = {0};
    assert_int_equal(lc_orders_parse(lc_str_from(text), act, &count, &diag), LC_OK);
    assert_int_equal(count, 1);
    return act[0];
}

static void texts_become_acts(void **state)
{
    (void)state;
    lc_order a = parse_one("gpio:relay=1");
    assert_true(a.kind == LC_ORDER_PIN && a.active && a.on_ms == 0 && a.times == 1);
    assert_true(lc_str_equal(a.name, lc_str_from("relay")));
    a = parse_one(" gpio:fan-2=0 , 2s ");
    assert_true(!a.active && a.on_ms == 2000 && a.off_ms == 2000 && a.times == 1);
    a = parse_one("gpio:lamp=1,200ms/800ms,3x");
    assert_true(a.on_ms == 200 && a.off_ms == 800 && a.times == 3);
    a = parse_one("gpio:lamp=1,3x");
    assert_true(a.on_ms == LC_ORDER_PHASE_MS && a.times == 3);
    a = parse_one("tone:880Hz,3x;");
    assert_true(a.kind == LC_ORDER_TONE && a.hertz == 880 && a.on_ms == LC_ORDER_PHASE_MS &&
                a.times == 3);
    a = parse_one("clip:evacuate,2x");
    assert_true(a.kind == LC_ORDER_CLIP && a.times == 2);
    lc_order many[LC_ORDERS_MAX];
    uint32_t count = 9;
    assert_int_equal(
        lc_orders_parse(lc_str_from("gpio:relay=1,500ms; tone:880Hz,3x"), many, &count, NULL),
        LC_OK);
    assert_int_equal(count, 2);
    assert_int_equal(lc_orders_parse(lc_str_from("  "), many, &count, NULL), LC_OK);
    assert_int_equal(count, 0);
}

static void wrong_texts_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        lc_err err;
        uint32_t at;
    } wrong[] = {
        {"relay=1", LC_ERR_FORMAT, 0},
        {"gpio:=1", LC_ERR_FORMAT, 5},
        {"gpio:relay", LC_ERR_FORMAT, 10},
        {"gpio:relay=2", LC_ERR_FORMAT, 12},
        {"gpio:relay=1,", LC_ERR_FORMAT, 13},
        {"gpio:relay=1,500", LC_ERR_FORMAT, 16},
        {"gpio:relay=1,0ms", LC_ERR_LIMIT, 16},
        {"gpio:relay=1,3601s", LC_ERR_LIMIT, 18},
        {"gpio:relay=1,5ms/", LC_ERR_FORMAT, 17},
        {"gpio:relay=1,5ms,6ms", LC_ERR_FORMAT, 18},
        {"gpio:relay=1,0x", LC_ERR_LIMIT, 15},
        {"gpio:relay=1,1001x", LC_ERR_LIMIT, 18},
        {"tone:880", LC_ERR_FORMAT, 8},
        {"tone:19Hz", LC_ERR_LIMIT, 9},
        {"tone:20001Hz", LC_ERR_LIMIT, 12},
        {"tone:9999999999Hz", LC_ERR_FORMAT, 14},
        {"clip:", LC_ERR_FORMAT, 5},
        {"clip:a,5ms", LC_ERR_FORMAT, 8},
        {"gpio:a=1 gpio:b=1", LC_ERR_FORMAT, 9},
        {"gpio:a=1;;", LC_ERR_FORMAT, 9},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        lc_order act[LC_ORDERS_MAX];
        uint32_t count = 77;
        lc_diag diag = {0};
        assert_int_equal(lc_orders_parse(lc_str_from(wrong[i].text), act, &count, &diag),
                         wrong[i].err);
        if (diag.offset != wrong[i].at) {
            fail_msg("%s: at %u, expected %u", wrong[i].text, (unsigned)diag.offset, wrong[i].at);
        }
        assert_int_equal(count, 77);
        assert_non_null(diag.text);
    }
    lc_order act[LC_ORDERS_MAX];
    uint32_t count;
    assert_int_equal(lc_orders_parse(lc_str_from("gpio:a=1;gpio:a=1;gpio:a=1;gpio:a=1;gpio:a=1;"
                                                 "gpio:a=1;gpio:a=1;gpio:a=1;gpio:a=1"),
                                     act, &count, NULL),
                     LC_ERR_LIMIT);
}

/* No text makes the parser read beyond it or stay where it is. */
static void any_text_has_an_answer(void **state)
{
    (void)state;
    static const char *const piece[] = {"gpio:", "tone:", "clip:", "a",   "=1", "=0",
                                        ",",     "5",     "ms",    "s",   "/",  "3x",
                                        ";",     " ",     "Hz",    "880", "-",  "\xff"};
    uint32_t random = 7;
    for (uint32_t round = 0; round < 200000; round++) {
        char text[64];
        uint32_t bytes = 0, count = 0;
        for (uint32_t i = 0; i < 9; i++) {
            random = random * 1664525u + 1013904223u;
            const char *p = piece[(random >> 16) % (sizeof piece / sizeof piece[0])];
            memcpy(text + bytes, p, strlen(p));
            bytes += (uint32_t)strlen(p);
        }
        char *exact = malloc(bytes); /* its end is the end of the memory */
        memcpy(exact, text, bytes);
        lc_order act[LC_ORDERS_MAX];
        lc_err err = lc_orders_parse((lc_str){exact, bytes}, act, &count, NULL);
        assert_true(err == LC_OK || err == LC_ERR_FORMAT || err == LC_ERR_LIMIT);
        assert_true(count <= LC_ORDERS_MAX);
        free(exact);
    }
}

/* ---- a pin over time ---- */

/* Runs until `end`, a millisecond at a time, and writes each change as "0:1 500:0 ". */
static void trace(lc_output *o, uint64_t end_ms, char *out)
{
    out[0] = 0;
    for (uint64_t now = 0; now <= end_ms; now++) {
        while (lc_output_next(o, now)) {
            assert_true(lc_output_wake_ms(o) > now);
            snprintf(out + strlen(out), 200 - strlen(out), "%u:%d ", (unsigned)now, o->active);
        }
    }
}

static void is_traced(const char *text, bool safe, const char *expected)
{
    lc_output o = {.safe = safe, .active = safe};
    lc_order act = parse_one(text);
    char out[200];
    assert_int_equal(lc_output_start(&o, 0, &act, 1.0f), LC_ORDER_DONE);
    trace(&o, 5000, out);
    assert_string_equal(out, expected);
    assert_int_equal(lc_output_wake_ms(&o), act.kind == LC_ORDER_PIN ? UINT64_MAX : UINT64_MAX);
}

static void pins_follow_their_pattern(void **state)
{
    (void)state;
    is_traced("gpio:r=1", false, "0:1 ");
    is_traced("gpio:r=0", false, "0:0 ");
    is_traced("gpio:r=1,500ms", false, "0:1 500:0 ");
    is_traced("gpio:r=0,500ms", true, "0:0 500:1 ");
    is_traced("gpio:r=1,500ms", true, "0:1 "); /* ends at the safe level, which it already has */
    is_traced("gpio:r=1,200ms/800ms,3x", false, "0:1 200:0 1000:1 1200:0 2000:1 2200:0 ");
    is_traced("gpio:r=0,200ms/800ms,2x", false, "0:0 200:1 1000:0 ");
    is_traced("tone:880Hz,100ms/50ms,3x", false, "0:1 ");
}

static void late_looks_skip_what_passed(void **state)
{
    (void)state;
    lc_output o = {0};
    lc_order act = parse_one("gpio:r=1,200ms/800ms,3x");
    assert_int_equal(lc_output_start(&o, 0, &act, 1.0f), LC_ORDER_DONE);
    assert_true(lc_output_next(&o, 1050)); /* the second pulse */
    assert_true(o.active);
    assert_int_equal(lc_output_wake_ms(&o), 1200);
    assert_true(lc_output_next(&o, 90000));
    assert_true(!o.active && !o.busy);
}

static void urgency_holds_an_output(void **state)
{
    (void)state;
    lc_output o = {.starts_max = 0};
    lc_order pulse = parse_one("gpio:r=1,500ms"), level = parse_one("gpio:r=0");
    assert_int_equal(lc_output_start(&o, 0, &pulse, 10.0f), LC_ORDER_DONE);
    assert_true(lc_output_next(&o, 0) && o.active);
    assert_int_equal(lc_output_start(&o, 10, &level, 5.0f), LC_ORDER_HELD);
    assert_int_equal(o.held, 1);
    assert_false(lc_output_next(&o, 10));
    assert_int_equal(lc_output_start(&o, 20, &pulse, 10.0f), LC_ORDER_DONE); /* begins anew */
    assert_true(lc_output_next(&o, 20));
    assert_false(lc_output_next(&o, 510));
    assert_true(lc_output_next(&o, 520) && !o.active);
    assert_int_equal(lc_output_start(&o, 600, &level, 5.0f), LC_ORDER_DONE); /* no longer busy */
}

static void starts_are_limited_by_the_minute(void **state)
{
    (void)state;
    lc_output o = {.starts_max = 3};
    lc_order pulse = parse_one("gpio:r=1,5ms");
    for (uint32_t i = 0; i < 10; i++) {
        lc_order_result want = i < 3 ? LC_ORDER_DONE : LC_ORDER_LIMITED;
        assert_int_equal(lc_output_start(&o, 1000 + i * 100, &pulse, 1.0f), want);
    }
    assert_int_equal(o.limited, 7);
    assert_int_equal(lc_output_start(&o, 60999, &pulse, 1.0f), LC_ORDER_LIMITED);
    assert_int_equal(lc_output_start(&o, 61000, &pulse, 1.0f), LC_ORDER_DONE);
}

static void rest_is_safe_and_silent(void **state)
{
    (void)state;
    lc_output pin = {.safe = true, .active = true}, sound = {0};
    lc_order pulse = parse_one("gpio:r=0,500ms"), tone = parse_one("tone:880Hz,1s,9x");
    assert_int_equal(lc_output_start(&pin, 0, &pulse, 1.0f), LC_ORDER_DONE);
    assert_true(lc_output_next(&pin, 0) && !pin.active);
    lc_output_rest(&pin, 100);
    assert_true(lc_output_next(&pin, 100) && pin.active);
    assert_false(lc_output_next(&pin, 5000));
    assert_int_equal(lc_output_start(&sound, 0, &tone, 1.0f), LC_ORDER_DONE);
    assert_true(lc_output_next(&sound, 0) && sound.active && sound.order.times == 9);
    assert_false(lc_output_next(&sound, 8000));
    lc_output_rest(&sound, 8000);
    assert_true(lc_output_next(&sound, 8000) && !sound.active);
    assert_false(lc_output_next(&sound, 8000));
    lc_output_rest(&sound, 9000); /* silent already */
    assert_false(lc_output_next(&sound, 9000));
    /* A sound that ended by itself leaves nothing to do. */
    assert_int_equal(lc_output_start(&sound, 10000, &tone, 1.0f), LC_ORDER_DONE);
    assert_true(lc_output_next(&sound, 10000));
    assert_int_equal(lc_output_wake_ms(&sound), 28000);
    assert_false(lc_output_next(&sound, 28000));
    assert_int_equal(lc_output_wake_ms(&sound), UINT64_MAX);
}

/* ---- trends ---- */

static void three_of_five_then_hold(void **state)
{
    (void)state;
    lc_trend_state t = {.of = 3, .in = 5, .clear_after_s = 60};
    static const char answers[] = "101001"; /* never three of five */
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(lc_trend_answer(&t, i * 1000, answers[i] == '1'), LC_TREND_SAME);
    }
    assert_int_equal(lc_trend_answer(&t, 6000, true), LC_TREND_RAISED); /* 1 0 0 1 1 */
    assert_int_equal(lc_trend_answer(&t, 7000, true), LC_TREND_SAME);
    assert_int_equal(lc_trend_wake_ms(&t), 67000);
    for (uint32_t i = 0; i < 20; i++) { /* holds, whatever else comes */
        assert_int_equal(lc_trend_answer(&t, 8000 + i * 1000, false), LC_TREND_SAME);
    }
    assert_int_equal(lc_trend_answer(&t, 30000, true), LC_TREND_SAME);
    assert_int_equal(lc_trend_look(&t, 89999), LC_TREND_SAME);
    assert_int_equal(lc_trend_look(&t, 90000), LC_TREND_CLEARED);
    assert_int_equal(lc_trend_wake_ms(&t), UINT64_MAX);
    assert_int_equal(lc_trend_answer(&t, 91000, true), LC_TREND_SAME); /* old answers are spent */
}

static void without_a_hold_it_follows_the_window(void **state)
{
    (void)state;
    lc_trend_state t = {.of = 2, .in = 3};
    assert_int_equal(lc_trend_answer(&t, 0, true), LC_TREND_SAME);
    assert_int_equal(lc_trend_answer(&t, 1, true), LC_TREND_RAISED);
    assert_int_equal(lc_trend_answer(&t, 2, false), LC_TREND_SAME);
    assert_int_equal(lc_trend_answer(&t, 3, false), LC_TREND_CLEARED);
    assert_int_equal(lc_trend_wake_ms(&t), UINT64_MAX);
}

/* Against counting a plain list, for many windows. */
static void it_counts_the_last_answers(void **state)
{
    (void)state;
    uint32_t random = 3;
    for (uint32_t in = 1; in <= LC_TREND_WINDOW_MAX; in += 1 + in / 3) {
        lc_trend_state t = {.of = in, .in = in};
        static bool list[4000];
        for (uint32_t i = 0; i < 4000; i++) {
            random = random * 1664525u + 1013904223u;
            list[i] = random >> 24 != 0;
            (void)lc_trend_answer(&t, i, list[i]);
            uint32_t count = 0;
            for (uint32_t j = i + 1 > in ? i + 1 - in : 0; j <= i; j++) {
                count += list[j];
            }
            if (t.stands) {
                assert_int_equal(count, in);
            }
            assert_true(t.count <= in);
        }
    }
}

/* ---- answers to outputs ---- */

static const lc_actor_pin pins[] = {{{"relay", 5}, false, 0}, {{"lamp", 4}, true, 0}};
static const lc_actor_label labels[] = {
    {.task = 0,
     .label = 1,
     .action = {"gpio:relay=1", 12},
     .priority = 5,
     .of = 2,
     .in = 3,
     .clear_after_s = 10},
    {.task = 0, .label = 2, .action = {"gpio:lamp=0,500ms; tone:440Hz,2x", 32}, .priority = 9},
    {.task = 1, .label = 0, .action = {"gpio:door=1", 11}, .priority = 1},
};

static const lc_actor_why seen = {"input", {"button", 6}};
static lc_audit audit;

/* The next entry of the audit is this. */
static void told(const char *what, const char *result, const char *cause, uint64_t seq)
{
    lc_audit_entry entry;
    assert_true(lc_audit_next(&audit, 0, &entry));
    assert_true(lc_str_equal(entry.what, lc_str_from(what)));
    assert_string_equal(entry.result, result);
    assert_string_equal(entry.cause, cause);
    assert_int_equal(entry.seq, seq);
}

static void told_no_more(void)
{
    lc_audit_entry entry;
    assert_false(lc_audit_next(&audit, 0, &entry));
}

static void actor_make(lc_actor *actor, bool sound)
{
    static _Alignas(64) uint8_t memory[1 << 20];
    lc_arena arena;
    lc_arena_init(&arena, memory, sizeof memory);
    lc_actor_options options = {pins, 2, sound, labels, 3};
    assert_int_equal(lc_actor_init(actor, &options, &arena, NULL), LC_OK);
    audit = (lc_audit){0};
    actor->audit = &audit;
}

static void an_answer_moves_its_outputs(void **state)
{
    (void)state;
    lc_actor actor;
    lc_actor_do what;
    actor_make(&actor, true);
    assert_int_equal(lc_actor_wake_ms(&actor), UINT64_MAX);
    lc_actor_answer(&actor, 100, 1, 0, 2);
    assert_true(lc_actor_next(&actor, 100, &what));
    assert_true(what.output == 1 && !what.active && what.cause == &labels[1]);
    assert_true(lc_actor_next(&actor, 100, &what));
    assert_true(what.output == 2 && what.active);
    assert_true(what.order.hertz == 440 && what.order.times == 2);
    assert_false(lc_actor_next(&actor, 100, &what));
    assert_int_equal(lc_actor_wake_ms(&actor), 600);
    assert_true(lc_actor_next(&actor, 600, &what));
    assert_true(what.output == 1 && what.active);
    lc_actor_answer(&actor, 700, 1, 1, 2); /* of another task: means nothing here */
    lc_actor_answer(&actor, 700, 1, 0, -1);
    assert_false(lc_actor_next(&actor, 700, &what));
    assert_int_equal(actor.begun, 2);
}

static void a_trend_holds_and_lets_go(void **state)
{
    (void)state;
    lc_actor actor;
    lc_actor_do what;
    actor_make(&actor, false);
    lc_actor_answer(&actor, 0, 1, 0, 1);
    assert_false(lc_actor_next(&actor, 0, &what));
    lc_actor_answer(&actor, 1000, 1, 0, 1);
    assert_true(lc_actor_next(&actor, 1000, &what) && what.output == 0 && what.active);
    for (uint64_t now = 2000; now < 11000; now += 1000) {
        lc_actor_answer(&actor, now, 1, 0, 0);
        assert_false(lc_actor_next(&actor, now, &what));
    }
    assert_int_equal(lc_actor_wake_ms(&actor), 11000);
    assert_true(lc_actor_next(&actor, 11000, &what));
    assert_true(what.output == 0 && !what.active && what.cause == NULL);
    assert_false(lc_actor_next(&actor, 11000, &what));
}

static void pause_and_acknowledge_put_to_rest(void **state)
{
    (void)state;
    lc_actor actor;
    lc_actor_do what;
    actor_make(&actor, true);
    lc_actor_answer(&actor, 0, 1, 0, 2);
    while (lc_actor_next(&actor, 0, &what)) {
    }
    lc_actor_acknowledge(&actor, 100, &seen);
    uint32_t safe = 0, silent = 0;
    while (lc_actor_next(&actor, 100, &what)) {
        safe += what.output < 2 && what.active == pins[what.output].safe;
        silent += what.output == 2 && !what.active;
    }
    assert_int_equal(safe, 2);
    assert_int_equal(silent, 1);
    lc_actor_pause(&actor, 200, true, (lc_str){"", 0});
    while (lc_actor_next(&actor, 200, &what)) {
        assert_true(what.output < 2 && what.active == pins[what.output].safe);
    }
    lc_actor_answer(&actor, 300, 1, 0, 2);
    assert_false(lc_actor_next(&actor, 300, &what));
    lc_actor_pause(&actor, 400, false, (lc_str){"", 0});
    lc_actor_answer(&actor, 500, 1, 0, 2);
    assert_true(lc_actor_next(&actor, 500, &what));
}

/* Sounds of one label follow each other; pins between them do not wait. */
static void sounds_follow_each_other(void **state)
{
    (void)state;
    static const char text[] = "tone:880Hz,100ms/50ms,2x; gpio:relay=1; clip:leave; tone:440Hz";
    static const lc_actor_label label = {.action = {text, sizeof text - 1}};
    static _Alignas(64) uint8_t memory[1 << 16];
    lc_actor actor;
    lc_actor_do what;
    lc_arena arena;
    lc_actor_options options = {pins, 2, true, &label, 1};
    lc_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(lc_actor_init(&actor, &options, &arena, NULL), LC_OK);
    audit = (lc_audit){0};
    actor.audit = &audit;
    lc_actor_answer(&actor, 0, 5, 0, 0);
    told("tone:880Hz,100ms/50ms,2x", "done", "record", 5);
    told("clip:leave", "done", "record", 5);
    told("tone:440Hz", "done", "record", 5);
    told("gpio:relay=1", "done", "record", 5);
    told_no_more();
    assert_true(lc_actor_next(&actor, 0, &what) && what.output == 0 && what.active);
    assert_true(lc_actor_next(&actor, 0, &what) && what.output == 2 && what.active);
    const lc_order *clip = what.order.then;
    assert_true(what.order.hertz == 880 && clip && clip->kind == LC_ORDER_CLIP);
    assert_true(clip->then && clip->then->hertz == 440 && !clip->then->then);
    assert_false(lc_actor_next(&actor, 0, &what));
    assert_int_equal(lc_actor_wake_ms(&actor), 2 * 150 + 400); /* how long a clip is, none knows */
    assert_int_equal(actor.begun, 4);
}

/* Each act and each that was not done, with its cause. */
static void the_audit_tells_why(void **state)
{
    (void)state;
    lc_actor actor;
    lc_actor_do what;
    actor_make(&actor, true);
    lc_actor_answer(&actor, 0, 41, 0, 2);
    told("gpio:lamp=0,500ms", "done", "record", 41);
    told("tone:440Hz,2x", "done", "record", 41);
    while (lc_actor_next(&actor, 0, &what)) {
    }
    lc_actor_unmoved(&actor, 1, 1);
    told("lamp", "away", "board", 0);
    lc_actor_acknowledge(&actor, 100, &seen); /* the relay is at rest already */
    told("lamp", "rest", "input", 0);
    told("sound", "rest", "input", 0);
    told_no_more();
    while (lc_actor_next(&actor, 100, &what)) {
    }
    lc_actor_pause(&actor, 200, true, lc_str_from("key"));
    lc_actor_answer(&actor, 300, 42, 0, 2);
    told("gpio:lamp=0,500ms", "paused", "record", 42);
    lc_actor_pause(&actor, 400, false, lc_str_from("key"));
    lc_actor_answer(&actor, 500, 43, 1, 0);
    told("gpio:door=1", "missing", "record", 43);
    for (uint64_t seq = 50; seq < 50 + LC_OUTPUT_STARTS_MAX; seq++) {
        lc_actor_answer(&actor, 500, seq, 0, 2);
        told("gpio:lamp=0,500ms", "done", "record", seq);
        if (actor.limited == 0) {
            told("tone:440Hz,2x", "done", "record", seq);
        } else { /* of six in a minute one was before */
            told("tone:440Hz,2x", "limited", "record", seq);
        }
    }
    told_no_more();
    lc_audit_end(&audit);
    told("tone:440Hz,2x", "paused", "record", 42); /* the second order of that record */
    told_no_more();
}

static void a_trend_that_clears_is_told(void **state)
{
    (void)state;
    lc_actor actor;
    lc_actor_do what;
    actor_make(&actor, false);
    lc_actor_answer(&actor, 0, 1, 0, 1);
    told_no_more();
    lc_actor_answer(&actor, 1000, 2, 0, 1);
    told("gpio:relay=1", "done", "record", 2);
    while (lc_actor_next(&actor, 1000, &what)) {
    }
    while (lc_actor_next(&actor, 11000, &what)) {
    }
    told("relay", "rest", "clear", 0);
    told_no_more();
}

static void what_is_not_there_is_counted(void **state)
{
    (void)state;
    lc_actor actor;
    actor_make(&actor, false);
    lc_actor_answer(&actor, 0, 1, 1, 0);
    assert_int_equal(actor.missing, 1);
    static const lc_actor_label bad[] = {{.action = {"", 0}}, {.action = {"gpio:x", 6}}};
    lc_actor_options options = {pins, 2, true, bad, 2};
    static _Alignas(64) uint8_t memory[1 << 16];
    lc_arena arena;
    lc_diag diag = {0};
    lc_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(lc_actor_init(&actor, &options, &arena, &diag), LC_ERR_FORMAT);
    assert_int_equal(diag.offset, 1);
    assert_string_equal(diag.text, "a pin wants =0 or =1");
    lc_arena_init(&arena, memory, 64);
    assert_int_equal(lc_actor_init(&actor, &options, &arena, &diag), LC_ERR_ARENA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_acts),
        cmocka_unit_test(wrong_texts_are_refused_with_their_place),
        cmocka_unit_test(any_text_has_an_answer),
        cmocka_unit_test(pins_follow_their_pattern),
        cmocka_unit_test(late_looks_skip_what_passed),
        cmocka_unit_test(urgency_holds_an_output),
        cmocka_unit_test(starts_are_limited_by_the_minute),
        cmocka_unit_test(rest_is_safe_and_silent),
        cmocka_unit_test(three_of_five_then_hold),
        cmocka_unit_test(without_a_hold_it_follows_the_window),
        cmocka_unit_test(it_counts_the_last_answers),
        cmocka_unit_test(an_answer_moves_its_outputs),
        cmocka_unit_test(a_trend_holds_and_lets_go),
        cmocka_unit_test(pause_and_acknowledge_put_to_rest),
        cmocka_unit_test(sounds_follow_each_other),
        cmocka_unit_test(the_audit_tells_why),
        cmocka_unit_test(a_trend_that_clears_is_told),
        cmocka_unit_test(what_is_not_there_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
