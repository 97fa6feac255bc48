/* The node, event by event: deadlines, the worker that hangs, alarms, gaps, announcing, stopping.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/node/node.h"
#include "../../runtime/job.h"

#define NOW 1000000u
#define DEADLINE_MS 2000u

static _Alignas(64) uint8_t memory[8u << 20];
static uint64_t now_ms;
static char seen[65536]; /* the payload of the last message, NUL-terminated */

static const lc_node_source sources[] = {{{"file", 4}, true}, {{"dn", 2}, false}};
static const lc_str tasks[] = {{"fault", 5}, {"part", 4}};

static lc_node_options options_make(void)
{
    return (lc_node_options){.dev = {"t1", 2},
                             .boot = 7,
                             .source = sources,
                             .source_count = 2,
                             .task = tasks,
                             .task_count = 2,
                             .birth = {"{\"birth\":1}", 11},
                             .inbox_bytes = LC_INBOX_BYTES_MIN,
                             .outbox_bytes = LC_OUTBOX_BYTES_MIN,
                             .window = 4,
                             .batch = 4,
                             .deadline_ms = DEADLINE_MS,
                             .link = true,
                             .seed = 1};
}

static lc_node *node_make(void)
{
    lc_arena arena, measure;
    lc_node *node = NULL, *measured = NULL;
    lc_node_options options = options_make();
    lc_arena_measure(&measure);
    now_ms = NOW;
    assert_int_equal(lc_node_open(&options, now_ms, &measure, &measured, NULL), LC_OK);
    lc_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(lc_node_open(&options, now_ms, &arena, &node, NULL), LC_OK);
    assert_int_equal(arena.used, measure.used); /* what was planned is what it takes */
    return node;
}

/* The next action of this kind; everything before it is passed over, messages acknowledged. */
static bool action_find(lc_node *node, lc_action_kind kind, lc_action *action)
{
    while (lc_node_next(node, now_ms, action)) {
        if (action->kind == LC_DO_PUBLISH) {
            memcpy(seen, action->message.payload, action->message.bytes);
            seen[action->message.bytes] = '\0';
        }
        if (action->kind == kind) {
            return true;
        }
        if (action->kind == LC_DO_PUBLISH) {
            lc_node_ack(node, now_ms, action->message.id, 0);
        } else if (action->kind == LC_DO_HEALTH) {
            lc_node_health(node, now_ms, "{}", 2);
        }
    }
    return false;
}

/* The next message to this topic, acknowledged. */
static bool message_find(lc_node *node, lc_topic topic)
{
    lc_action action;
    while (action_find(node, LC_DO_PUBLISH, &action)) {
        lc_node_ack(node, now_ms, action.message.id, 0);
        if (action.message.topic == topic) {
            return true;
        }
    }
    return false;
}

static void link_make(lc_node *node)
{
    lc_action action;
    assert_true(action_find(node, LC_DO_CONNECT, &action));
    lc_node_link_up(node, now_ms, 0);
}

static uint32_t start(lc_node *node)
{
    lc_action action;
    assert_true(action_find(node, LC_DO_START, &action));
    return action.work.ticket;
}

static void line(lc_node *node, uint32_t source, const char *text)
{
    assert_int_equal(lc_node_line(node, now_ms, source, text, strlen(text)), LC_OK);
}

static lc_node_record record_make(const char *label, bool alarm)
{
    return (lc_node_record){.json = "{}",
                            .bytes = 2,
                            .decision = LC_ACCEPT,
                            .alarm = alarm,
                            .label_name = lc_str_from(label)};
}

/* ---- */

static void options_out_of_range_are_refused(void **state)
{
    (void)state;
    lc_diag diag;
    lc_node *node;
    lc_arena arena;
    for (int i = 0; i < 10; i++) {
        lc_node_options o = options_make();
        switch (i) {
        case 0:
            o.source_count = 0;
            break;
        case 1:
            o.source_count = LC_SOURCES_MAX + 1;
            break;
        case 2:
            o.task_count = 0;
            break;
        case 3:
            o.task_count = LC_TASKS_MAX + 1;
            break;
        case 4:
            o.inbox_bytes = LC_INBOX_BYTES_MIN - 8;
            break;
        case 5:
            o.outbox_bytes = LC_OUTBOX_BYTES_MAX + 8;
            break;
        case 6:
            o.window = LC_WINDOW_MAX + 1;
            break;
        case 7:
            o.batch = 0;
            break;
        case 8:
            o.deadline_ms = 0;
            break;
        default:
            o.inbox_bytes++;
            break;
        }
        lc_arena_init(&arena, memory, sizeof memory);
        assert_int_equal(lc_node_open(&o, 0, &arena, &node, &diag), LC_ERR_LIMIT);
    }
}

static void memory_that_is_too_small_is_an_error(void **state)
{
    (void)state;
    lc_node_options options = options_make();
    lc_arena measure;
    lc_node *node;
    lc_arena_measure(&measure);
    assert_int_equal(lc_node_open(&options, 0, &measure, &node, NULL), LC_OK);
    for (size_t bytes = 0; bytes < measure.used; bytes += 4096) {
        lc_arena arena;
        lc_arena_init(&arena, memory, bytes / 64 * 64);
        assert_int_equal(lc_node_open(&options, 0, &arena, &node, NULL), LC_ERR_ARENA);
    }
}

static void a_slow_line_is_cancelled_at_its_deadline(void **state)
{
    (void)state;
    lc_action action;
    lc_node_counts counts;
    lc_node *node = node_make();
    line(node, 0, "slow");
    uint32_t ticket = start(node);
    assert_false(action_find(node, LC_DO_CANCEL, &action));
    assert_true(lc_node_wake_ms(node, now_ms) <= now_ms + DEADLINE_MS);
    now_ms += DEADLINE_MS - 1;
    assert_false(action_find(node, LC_DO_CANCEL, &action));
    now_ms++;
    assert_true(action_find(node, LC_DO_CANCEL, &action));
    assert_int_equal(action.work.ticket, ticket);
    assert_false(action_find(node, LC_DO_CANCEL, &action));
    lc_node_record record = record_make("x", false);
    record.decision = LC_DEFER;
    lc_node_finish(node, now_ms, ticket, &record, 1);
    lc_node_look(node, now_ms, &counts);
    assert_int_equal(counts.deadlines, 1);
    assert_int_equal(counts.decided[LC_DEFER], 1);
    lc_node_finish(node, now_ms, ticket, &record, 1); /* stale */
    lc_node_look(node, now_ms, &counts);
    assert_int_equal(counts.records, 1);
}

static void a_line_that_waited_too_long_starts_late(void **state)
{
    (void)state;
    lc_action action;
    lc_node *node = node_make();
    line(node, 0, "first");
    uint32_t ticket = start(node);
    line(node, 1, "cannot wait");
    line(node, 0, "can wait");
    now_ms += DEADLINE_MS + 1;
    lc_node_finish(node, now_ms, ticket, NULL, 0);
    assert_true(action_find(node, LC_DO_START, &action));
    assert_true(action.work.late);
    assert_memory_equal(action.work.text, "cannot wait", action.work.bytes);
    lc_node_finish(node, now_ms, action.work.ticket, NULL, 0);
    assert_true(action_find(node, LC_DO_START, &action));
    assert_false(action.work.late);
}

static void the_watchdog_starves_when_inference_hangs(void **state)
{
    (void)state;
    lc_action action;
    lc_node *node = node_make();
    line(node, 0, "hangs");
    uint32_t ticket = start(node), fed = 0;
    uint64_t last = 0;
    for (uint32_t s = 0; s < 120; s++, now_ms += 1000) {
        while (action_find(node, LC_DO_WATCHDOG, &action)) {
            fed++;
            last = now_ms;
        }
    }
    assert_true(fed >= 6 && last < NOW + DEADLINE_MS + LC_NODE_STUCK_MS);
    lc_node_finish(node, now_ms, ticket, NULL, 0);
    assert_true(action_find(node, LC_DO_WATCHDOG, &action));
}

static void records_carry_what_the_clock_says(void **state)
{
    (void)state;
    lc_action action;
    lc_node *node = node_make();
    line(node, 0, "a");
    assert_true(action_find(node, LC_DO_START, &action));
    assert_int_equal(action.work.ts_ms, 0);
    assert_int_equal(action.work.seq, 1);
    lc_node_record record[2] = {record_make("x", false), record_make("y", false)};
    record[1].task = 1;
    lc_node_finish(node, now_ms, action.work.ticket, record, 2);
    lc_node_clock(node, now_ms, 1763625600000u, lc_str_from("ntp"));
    now_ms += 5;
    line(node, 0, "b");
    assert_true(action_find(node, LC_DO_START, &action));
    assert_true(action.work.ts_ms == 1763625600005u);
    assert_int_equal(action.work.seq, 3);
    assert_int_equal(action.work.up_ms, 5);
    assert_memory_equal(action.work.tq.data, "ntp", 3);
}

static void an_alarm_is_told_when_it_comes_changes_and_goes(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        bool alarm;
        const char *told; /* NULL: nothing */
    } steps[] = {
        {"normal", false, NULL},
        {"hot", true, "\"event\":\"alarm\",\"label\":\"hot\"}"},
        {"hot", true, NULL},
        {"leak", true, "\"event\":\"alarm\",\"label\":\"leak\",\"was\":\"hot\"}"},
        {"normal", false, "\"event\":\"clear\",\"label\":\"normal\",\"was\":\"leak\"}"},
        {"normal", false, NULL},
    };
    lc_node *node = node_make();
    link_make(node);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        line(node, 0, "x");
        lc_node_record record = record_make(steps[i].label, steps[i].alarm);
        lc_node_finish(node, now_ms, start(node), &record, 1);
        assert_int_equal(message_find(node, LC_TOPIC_EVENT), steps[i].told != NULL);
        assert_true(!steps[i].told || strstr(seen, steps[i].told));
        record.decision = LC_DEFER; /* an unsure answer changes nothing */
        record.alarm = !record.alarm;
        line(node, 0, "x");
        lc_node_finish(node, now_ms, start(node), &record, 1);
        assert_false(message_find(node, LC_TOPIC_EVENT));
    }
}

static void state_and_birth_come_first_on_every_connection(void **state)
{
    (void)state;
    lc_action action;
    lc_node *node = node_make();
    line(node, 0, "x");
    lc_node_record record = record_make("x", false);
    lc_node_finish(node, now_ms, start(node), &record, 1);
    for (int i = 0; i < 3; i++) {
        link_make(node);
        assert_true(action_find(node, LC_DO_PUBLISH, &action));
        assert_int_equal(action.message.topic, LC_TOPIC_STATE);
        assert_string_equal(seen, "online");
        assert_true(action.message.retain && action.message.qos == 1);
        assert_true(action_find(node, LC_DO_PUBLISH, &action));
        assert_int_equal(action.message.topic, LC_TOPIC_BIRTH);
        assert_string_equal(seen, "{\"birth\":1}");
        assert_true(message_find(node, LC_TOPIC_LAST));
        lc_node_link_down(node, now_ms, LC_LINK_CLOSED);
        now_ms += 120000;
    }
}

static void a_loss_of_lines_is_stated_with_its_source(void **state)
{
    (void)state;
    char long_line[4000] = {0};
    uint32_t lost = 0;
    lc_node *node = node_make();
    link_make(node);
    for (int i = 0; i < 20; i++) {
        lost += lc_node_line(node, now_ms, 1, long_line, sizeof long_line) == LC_ERR_BUSY;
    }
    char want[64];
    snprintf(want, sizeof want, "\"gap\":1,\"why\":\"inbox\",\"src\":\"dn\",\"lines\":%u", lost);
    assert_true(message_find(node, LC_TOPIC_GAP) && strstr(seen, want));
    assert_false(message_find(node, LC_TOPIC_GAP));
    assert_int_equal(lc_node_line(node, now_ms, 1, long_line, sizeof long_line), LC_ERR_BUSY);
    now_ms += LC_NODE_GAP_MS;
    assert_true(message_find(node, LC_TOPIC_GAP) && strstr(seen, "\"gap\":2,"));
}

static void an_unacknowledged_gap_is_said_again_unchanged(void **state)
{
    (void)state;
    lc_action action;
    char first[sizeof seen], big[4000];
    lc_node *node = node_make();
    memset(big, 'x', sizeof big);
    for (uint32_t i = 0; i < 40; i++) {
        line(node, 0, "x");
        lc_node_record record = record_make("x", false);
        record.json = big;
        record.bytes = sizeof big;
        lc_node_finish(node, now_ms, start(node), &record, 1);
    }
    link_make(node);
    do {
        assert_true(action_find(node, LC_DO_PUBLISH, &action));
        if (action.message.topic != LC_TOPIC_GAP) {
            lc_node_ack(node, now_ms, action.message.id, 0);
        }
    } while (action.message.topic != LC_TOPIC_GAP);
    assert_non_null(strstr(seen, "\"gap\":1,\"why\":\"outbox\",\"count\":"));
    assert_non_null(strstr(seen, "\"from\":1,"));
    memcpy(first, seen, sizeof first);
    lc_node_link_down(node, now_ms, LC_LINK_CLOSED);
    now_ms += 120000;
    link_make(node);
    assert_true(message_find(node, LC_TOPIC_GAP));
    assert_string_equal(seen, first);
    assert_false(message_find(node, LC_TOPIC_GAP));
}

static void silence_of_the_broker_closes_the_link(void **state)
{
    (void)state;
    lc_action action;
    lc_node *node = node_make();
    link_make(node);
    assert_true(action_find(node, LC_DO_PUBLISH, &action)); /* never acknowledged */
    now_ms += LC_NODE_ACK_MS - 1;
    assert_false(action_find(node, LC_DO_CLOSE, &action));
    now_ms++;
    assert_true(action_find(node, LC_DO_CLOSE, &action));
    assert_false(action_find(node, LC_DO_PUBLISH, &action));
    lc_node_link_down(node, now_ms, LC_LINK_TIMEOUT);
    now_ms += 2000;
    assert_true(action_find(node, LC_DO_CONNECT, &action));
    now_ms += LC_LINK_TRY_MS; /* nor does it answer to connect */
    assert_true(action_find(node, LC_DO_CLOSE, &action));
}

/* Actions until this kind comes, nothing acknowledged; counts how often silence is said. */
static bool silent_find(lc_node *node, lc_action_kind kind, uint32_t *said)
{
    lc_action action;
    while (lc_node_next(node, now_ms, &action)) {
        *said += action.kind == LC_DO_LOG && action.saying.code == LC_SAY_LINK_SILENT;
        if (action.kind == LC_DO_HEALTH) {
            lc_node_health(node, now_ms, "{}", 2);
        }
        if (action.kind == kind) {
            return true;
        }
    }
    return false;
}

/* A connection on which nothing is acknowledged; the wait before it. */
static uint64_t silence(lc_node *node, uint32_t *said)
{
    uint64_t from_ms = now_ms;
    while (!silent_find(node, LC_DO_CONNECT, said)) {
        now_ms += 100;
        assert_true(now_ms < from_ms + 10 * LC_LINK_WAIT_MAX_MS);
    }
    uint64_t waited_ms = now_ms - from_ms;
    lc_node_link_up(node, now_ms, 0);
    assert_false(silent_find(node, LC_DO_CLOSE, said));
    now_ms += LC_NODE_ACK_MS;
    assert_true(silent_find(node, LC_DO_CLOSE, said));
    lc_node_link_down(node, now_ms, LC_LINK_TIMEOUT);
    return waited_ms;
}

static void a_broker_that_acknowledges_nothing_is_told_once(void **state)
{
    (void)state;
    lc_node *node = node_make();
    uint32_t said = 0;
    uint64_t waited_ms = 0;
    for (int i = 0; i < 8; i++) {
        waited_ms = silence(node, &said);
    }
    assert_int_equal(said, 1);
    assert_true(waited_ms > LC_LINK_WAIT_MIN_MS); /* though each connection stood for long */
}

static void health_is_asked_for_each_minute_and_on_command(void **state)
{
    (void)state;
    lc_action action;
    lc_node *node = node_make();
    link_make(node);
    assert_true(action_find(node, LC_DO_HEALTH, &action));
    lc_node_health(node, now_ms, "{}", 2);
    assert_true(message_find(node, LC_TOPIC_HEALTH));
    assert_false(action_find(node, LC_DO_HEALTH, &action));
    lc_node_command(node, now_ms, lc_str_from("report"), (lc_str){"", 0});
    assert_true(action_find(node, LC_DO_HEALTH, &action));
    lc_node_health(node, now_ms, "{}", 2);
    lc_node_command(node, now_ms, lc_str_from("reboot"),
                    (lc_str){"", 0}); /* needs a signature: not known here */
    assert_false(action_find(node, LC_DO_HEALTH, &action));
    now_ms += LC_NODE_HEALTH_MS;
    assert_true(action_find(node, LC_DO_HEALTH, &action));
}

/* The next entry of the audit on its way says this. */
static void audited(lc_node *node, const char *says)
{
    assert_true(message_find(node, LC_TOPIC_AUDIT));
    if (!strstr(seen, says)) {
        fail_msg("%s is not in %s", says, seen);
    }
}

static void commands_and_switches_are_audited(void **state)
{
    (void)state;
    lc_node *node = node_make();
    link_make(node);
    lc_node_command(node, now_ms, lc_str_from("report"), lc_str_from("op-7"));
    audited(node, "\"no\":1,\"kind\":\"command\",\"what\":\"report\",\"result\":\"accepted\","
                  "\"cause\":\"command\",\"by\":\"dn/cmd\",\"id\":\"op-7\"}");
    for (int i = 0; i < 100; i++) { /* a flood of them is two entries a minute */
        lc_node_command(node, now_ms, lc_str_from("reboot"), (lc_str){"", 0});
    }
    audited(node, "\"no\":2,\"kind\":\"command\",\"what\":\"reboot\",\"result\":\"refused\"");
    lc_node_pause(node, now_ms, true, lc_str_from("key"));
    lc_node_pause(node, now_ms, true, lc_str_from("key"));
    audited(node, "\"what\":\"maintenance\",\"result\":\"on\",\"cause\":\"input\",\"by\":\"key\"}");
    lc_node_pause(node, now_ms, false, lc_str_from("key"));
    audited(node, "\"result\":\"off\"");
    lc_node_acknowledge(node, now_ms, lc_str_from("button"));
    audited(node, "\"no\":5,\"kind\":\"switch\",\"what\":\"acknowledge\",\"result\":\"done\","
                  "\"cause\":\"input\",\"by\":\"button\"}");
    assert_false(message_find(node, LC_TOPIC_AUDIT));
    now_ms += LC_AUDIT_RUN_MS;
    audited(node, "\"what\":\"reboot\"");
    assert_non_null(strstr(seen, "\"count\":99"));
}

/* A quarter of the time for lines; who wants to stop does not wait. */
static void a_warm_board_gets_pauses(void **state)
{
    (void)state;
    lc_action action;
    const lc_signs hot = {true, -1000, 0};
    lc_node *node = node_make();
    lc_node_record record = record_make("x", false);
    link_make(node);
    lc_node_signs(node, now_ms, &hot);
    audited(node,
            "\"what\":\"pace\",\"result\":\"quarter\",\"cause\":\"board\",\"by\":\"temperature\"}");
    line(node, 0, "x");
    line(node, 0, "y");
    uint32_t ticket = start(node);
    now_ms += 40;
    lc_node_finish(node, now_ms, ticket, &record, 1);
    uint64_t until_ms = now_ms + 120;
    while (now_ms < until_ms) {
        assert_false(action_find(node, LC_DO_START, &action));
        uint64_t wake = lc_node_wake_ms(node, now_ms);
        assert_true(wake <= until_ms);
        now_ms = wake;
    }
    ticket = start(node);
    now_ms += 10;
    lc_node_finish(node, now_ms, ticket, &record, 1);
    lc_node_counts counts;
    lc_node_look(node, now_ms, &counts);
    assert_true(counts.pace == LC_PACE_QUARTER && counts.rested_ms == 150);
    line(node, 0, "z");
    assert_false(action_find(node, LC_DO_START, &action));
    lc_node_stop(node, now_ms, 5000);
    assert_true(action_find(node, LC_DO_START, &action));
}

static void stopping_waits_for_records_then_says_offline(void **state)
{
    (void)state;
    lc_action action;
    lc_node *node = node_make();
    link_make(node);
    line(node, 0, "x");
    uint32_t ticket = start(node);
    lc_node_stop(node, now_ms, 5000);
    assert_false(action_find(node, LC_DO_STOP, &action));
    lc_node_record record = record_make("x", false);
    lc_node_finish(node, now_ms, ticket, &record, 1);
    now_ms += LC_NODE_LAST_MS;
    assert_true(message_find(node, LC_TOPIC_RES));
    assert_true(action_find(node, LC_DO_STOP, &action));
    assert_string_equal(seen, "offline");
    assert_false(lc_node_next(node, now_ms, &action));
}

static void stopping_without_a_link_does_not_wait(void **state)
{
    (void)state;
    lc_action action;
    lc_node *node = node_make();
    line(node, 0, "x");
    lc_node_record record = record_make("x", false);
    lc_node_finish(node, now_ms, start(node), &record, 1);
    lc_node_stop(node, now_ms, 5000);
    assert_true(action_find(node, LC_DO_STOP, &action));
}

static void stopping_without_limit_waits_for_the_link(void **state)
{
    (void)state;
    lc_action action;
    lc_node *node = node_make();
    line(node, 0, "x");
    lc_node_record record = record_make("x", false);
    lc_node_finish(node, now_ms, start(node), &record, 1);
    assert_true(action_find(node, LC_DO_CONNECT, &action));
    lc_node_stop(node, now_ms, UINT32_MAX);
    now_ms += 10000;
    assert_false(action_find(node, LC_DO_STOP, &action));
    lc_node_link_up(node, now_ms, 0);
    assert_true(message_find(node, LC_TOPIC_RES));
    assert_true(action_find(node, LC_DO_STOP, &action));
}

static void stopping_gives_up_when_its_time_is_over(void **state)
{
    (void)state;
    lc_action action;
    lc_node *node = node_make();
    link_make(node);
    assert_true(action_find(node, LC_DO_PUBLISH, &action)); /* never acknowledged */
    line(node, 0, "x");
    uint32_t ticket = start(node);
    lc_node_stop(node, now_ms, 1000);
    now_ms += 1000;
    assert_true(action_find(node, LC_DO_CANCEL, &action));
    lc_node_finish(node, now_ms, ticket, NULL, 0);
    assert_false(action_find(node, LC_DO_STOP, &action)); /* "offline" is on its way */
    now_ms += 2000;
    assert_true(action_find(node, LC_DO_STOP, &action));
}

static void an_idle_node_sleeps(void **state)
{
    (void)state;
    lc_action action;
    lc_node *node = node_make();
    link_make(node);
    uint32_t wakes = 0;
    uint64_t end = now_ms + 3600000;
    while (now_ms < end) {
        while (action_find(node, LC_DO_STOP, &action)) {
        }
        now_ms = lc_node_wake_ms(node, now_ms);
        wakes++;
    }
    assert_true(wakes < 3600000 / LC_NODE_WATCHDOG_MS + 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_out_of_range_are_refused),
        cmocka_unit_test(memory_that_is_too_small_is_an_error),
        cmocka_unit_test(a_slow_line_is_cancelled_at_its_deadline),
        cmocka_unit_test(a_line_that_waited_too_long_starts_late),
        cmocka_unit_test(the_watchdog_starves_when_inference_hangs),
        cmocka_unit_test(records_carry_what_the_clock_says),
        cmocka_unit_test(an_alarm_is_told_when_it_comes_changes_and_goes),
        cmocka_unit_test(state_and_birth_come_first_on_every_connection),
        cmocka_unit_test(a_loss_of_lines_is_stated_with_its_source),
        cmocka_unit_test(an_unacknowledged_gap_is_said_again_unchanged),
        cmocka_unit_test(silence_of_the_broker_closes_the_link),
        cmocka_unit_test(a_broker_that_acknowledges_nothing_is_told_once),
        cmocka_unit_test(health_is_asked_for_each_minute_and_on_command),
        cmocka_unit_test(commands_and_switches_are_audited),
        cmocka_unit_test(a_warm_board_gets_pauses),
        cmocka_unit_test(stopping_waits_for_records_then_says_offline),
        cmocka_unit_test(stopping_without_a_link_does_not_wait),
        cmocka_unit_test(stopping_without_limit_waits_for_the_link),
        cmocka_unit_test(stopping_gives_up_when_its_time_is_over),
        cmocka_unit_test(an_idle_node_sleeps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
