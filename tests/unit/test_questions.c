/* Questions that wait: over restarts, with no room, with a disk that fails, damaged, of another
 * job. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/node/escalate.h"
#include "../../runtime/job.h"

#define RECORD_MAX 3000u

static _Alignas(64) uint8_t memory[4u << 20];
static uint8_t disk[LC_FILE_COUNT][LC_QUESTIONS_BYTES];
static bool broken; /* the disk takes nothing more */
static lc_questions q;
static uint64_t now, wall; /* wall 0: not known */
static const lc_redactions map = {.item = {{5, 9, 5, 13, LC_REDACT_NAME, 1}}, .count = 1};

static lc_err disk_open(void *ctx, lc_file file, uint64_t *bytes)
{
    (void)ctx;
    (void)file;
    assert_true(*bytes <= LC_QUESTIONS_BYTES);
    return LC_OK;
}

static lc_err disk_read(void *ctx, lc_file file, uint64_t at, void *data, size_t bytes)
{
    (void)ctx;
    memcpy(data, disk[file] + at, bytes);
    return LC_OK;
}

static lc_err disk_write(void *ctx, lc_file file, uint64_t at, const void *data, size_t bytes)
{
    (void)ctx;
    if (!broken) {
        memcpy(disk[file] + at, data, bytes);
    }
    return broken ? LC_ERR_IO : LC_OK;
}

static lc_err disk_sync(void *ctx, lc_file file)
{
    (void)ctx;
    (void)file;
    return broken ? LC_ERR_IO : LC_OK;
}

static const lc_port port = {NULL, disk_open, disk_read, disk_write, disk_sync};

static void start(const lc_port *where)
{
    lc_arena arena;
    lc_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(lc_questions_init(&q, &arena), LC_OK);
    assert_int_equal(lc_questions_open(&q, now, where, NULL), LC_OK);
    lc_questions_clock(&q, now, wall);
}

static void begin(void)
{
    memset(disk, 0, sizeof disk);
    broken = false;
    now = 1000;
    wall = 0;
    start(&port);
}

/* A record that does not get shorter. */
static uint64_t put(uint64_t seq, uint32_t record_bytes, bool waits)
{
    static char record[RECORD_MAX];
    char text[32];
    uint32_t random = (uint32_t)seq * 2654435761u + 1;
    for (uint32_t i = 0; i < record_bytes; i++) {
        random = random * 1664525u + 1013904223u;
        record[i] = (char)(random >> 24);
    }
    int bytes = snprintf(text, sizeof text, "line %llu", (unsigned long long)seq);
    lc_kept kept = {.made = lc_questions_now(&q, now),
                    .seq = seq,
                    .boot = 7,
                    .rules = 77,
                    .owes = seq % 2 == 1,
                    .task = {"fault", 5},
                    .text = {text, (uint32_t)bytes},
                    .record = {record, record_bytes},
                    .map = &map};
    memset(kept.id, (int)seq, sizeof kept.id);
    lc_questions_put(&q, now, &kept, waits);
    return kept.ordinal;
}

static uint64_t next(lc_kept *kept)
{
    *kept = (lc_kept){0};
    return lc_questions_next(&q, kept) ? kept->seq : 0;
}

static void a_restart_keeps_them(void **state)
{
    (void)state;
    lc_kept kept;
    begin();
    wall = 1763625600000u;
    lc_questions_clock(&q, now, wall);
    uint64_t first = put(1, 100, true), second = put(2, 100, true), third = put(3, 100, false);
    assert_int_equal(next(&kept), 1);
    lc_questions_asked(&q, now, first);
    assert_int_equal(next(&kept), 2);
    lc_questions_end(&q, now, second, true);
    lc_questions_asked(&q, now, third);
    lc_questions_asked(&q, now, third);
    uint64_t made = lc_questions_now(&q, now);
    wall += 3600000; /* off for an hour */
    start(&port);
    assert_true(lc_questions_on_disk(&q) && q.waiting == 2);
    assert_int_equal(lc_questions_now(&q, now) - made, 3600000);
    assert_int_equal(next(&kept), 1);
    assert_int_equal(kept.tries, 1);
    assert_true(kept.owes && kept.boot == 7 && kept.rules == 77 && kept.id[15] == 1);
    assert_true(kept.map->count == 1 && kept.map->item[0].end == 13 && kept.record.bytes == 100);
    assert_memory_equal(kept.text.data, "line 1", kept.text.bytes);
    assert_int_equal(next(&kept), 3);
    assert_int_equal(kept.tries, 1); /* of two: cuts shall not use them up */
    assert_int_equal(next(&kept), 0);
    lc_questions_back(&q, now, first, true);
    assert_int_equal(next(&kept), 1);
    assert_int_equal(kept.tries, 0);
    lc_questions_end(&q, now, first, false);
    lc_questions_end(&q, now, third, false);
    lc_questions_close(&q, now);
    start(&port);
    assert_true(q.waiting == 0 && q.journal.cursor == lc_journal_last(&q.journal));
}

static void the_oldest_go_when_it_is_full(void **state)
{
    (void)state;
    for (int on_disk = 0; on_disk < 2; on_disk++) {
        lc_kept kept;
        begin();
        start(on_disk ? &port : NULL);
        for (uint64_t seq = 1; seq <= 1000; seq++) {
            assert_true(put(seq, RECORD_MAX, true) > 0);
        }
        assert_true(q.dropped > 600 && q.waiting > 250 && q.dropped + q.waiting == 1000);
        uint64_t first = q.dropped + 1;
        assert_int_equal(next(&kept), first);
        if (on_disk) {
            start(&port);
            assert_int_equal(next(&kept), first);
        }
        for (uint64_t seq = first + 1; seq <= 1000; seq++) {
            assert_int_equal(next(&kept), seq);
        }
        assert_int_equal(next(&kept), 0);
    }
}

static void a_disk_that_fails_leaves_memory(void **state)
{
    (void)state;
    lc_kept kept;
    begin();
    uint64_t taken = put(1, 50, false);
    broken = true;
    assert_true(put(2, 50, true) > taken); /* not a number that was given */
    assert_true(lc_questions_failed(&q) && q.waiting == 1);
    lc_questions_asked(&q, now, taken); /* of the disk: nothing to mark any more */
    lc_questions_end(&q, now, taken, true);
    assert_int_equal(next(&kept), 2);
    lc_questions_back(&q, now, kept.ordinal, false);
    assert_int_equal(next(&kept), 2);
    lc_questions_tick(&q, now + 100000);
    broken = false;
    start(&port); /* what the disk has is there again */
    assert_true(!lc_questions_failed(&q) && next(&kept) == 1 && next(&kept) == 0);
}

/* An entry as a later version, or a stranger, may have written it. */
static void odd_entries_count_as_dropped(void **state)
{
    (void)state;
    static const struct {
        uint32_t at;
        uint8_t value;
    } odd[] = {{0, 2}, {2, 65}, {3, 1}, {15, 0xff}, {41, 0x30}, {42, 1}};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        lc_kept kept;
        char text[100] = {1};
        text[40] = 6;
        text[odd[i].at] = (char)odd[i].value;
        begin();
        lc_entry entry = {.seq = 1, .boot = 7, .name = {"fault", 5}, .text = {text, sizeof text}};
        lc_entry mark = {.kind = 3, .seq = UINT64_MAX, .name = {"", 0}, .text = {"", 0}};
        lc_entry strange = {.kind = 99, .seq = 1, .name = {"", 0}, .text = {"", 0}};
        assert_int_equal(lc_journal_put(&q.journal, now, &entry), LC_OK);
        assert_int_equal(lc_journal_put(&q.journal, now, &mark), LC_OK);
        assert_int_equal(lc_journal_put(&q.journal, now, &strange), LC_OK);
        start(&port);
        assert_true(q.dropped == 1 && q.waiting == 0 && next(&kept) == 0);
        put(2, 10, true);
        start(&port);
        assert_int_equal(next(&kept), 2);
    }
}

/* ---- with what asks them ---- */

static lc_label labels[2] = {{.name = {"a", 1}}, {.name = {"b", 1}}};
static const lc_task task = {.name = {"t", 1}, .label = labels, .label_count = 2};
static lc_escalate esc;

static void esc_start(const lc_policy *policy, const lc_task *of)
{
    static const lc_esc_worker worker = {.ready = true};
    const lc_esc_options options = {
        .policy = policy, .job = {"j", 1}, .reply = {"r", 1}, .task = {of}, .task_count = 1};
    const lc_esc_start begin_at = {.port = &port, .boot = 1, .seed = 1};
    lc_arena arena;
    lc_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(lc_escalate_init(&esc, &options, &arena), LC_OK);
    assert_int_equal(lc_escalate_open(&esc, now, &begin_at), LC_OK);
    lc_escalate_link(&esc, now, true);
    lc_escalate_worker(&esc, now, &worker);
}

static void another_job_asks_only_what_it_may(void **state)
{
    (void)state;
    static lc_str never = {"b", 1};
    static const lc_task renamed = {.name = {"u", 1}, .label = labels, .label_count = 2};
    lc_policy policy = {.escalates = true, .deadline_ms = 1000, .ttl_s = 100, .calls_per_day = 9};
    for (int i = 0; i < 3; i++) {
        lc_corrected c;
        lc_str payload;
        begin();
        policy.never = i == 1 ? &never : NULL;
        policy.never_count = 0;
        esc_start(&policy, &task);
        const lc_question question = {.seq = 9,
                                      .record = lc_str_from("{\"boot\":1,\"seq\":9,"
                                                            "\"decision\":\"escalate\","
                                                            "\"why\":[],\"act\":[]}"),
                                      .text = {"drips", 5},
                                      .map = &map,
                                      .now = true};
        lc_escalate_ask(&esc, now, &question);
        policy.never_count = i == 1;
        esc_start(&policy, i == 2 ? &renamed : &task);
        assert_int_equal(lc_escalate_send(&esc, now, 0, 1, &payload) != NULL, i == 0);
        bool ended = lc_escalate_correct(&esc, now, 1, &c);
        assert_int_equal(ended, i == 1); /* its record is owed an end, and `privacy` says why */
        (void)lc_escalate_correct(&esc, now, 2, &c);
        lc_escalate_close(&esc, now);
        esc_start(&policy, &task);
        assert_int_equal(esc.questions.waiting, i == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restart_keeps_them),
        cmocka_unit_test(the_oldest_go_when_it_is_full),
        cmocka_unit_test(a_disk_that_fails_leaves_memory),
        cmocka_unit_test(odd_entries_count_as_dropped),
        cmocka_unit_test(another_job_asks_only_what_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
