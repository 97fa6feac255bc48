/* The audit: entries of one event in order, runs that count instead of repeating, and what becomes
 * of them as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/node/payload.h"

#define NOW 5000000u
#define S(text) ((lc_str){(text), (uint32_t)(sizeof(text) - 1)})

static lc_audit audit;

static lc_audit_entry entry_make(const char *what, uint64_t seq)
{
    return (lc_audit_entry){.kind = LC_AUDIT_ACT,
                            .what = lc_str_from(what),
                            .result = "held",
                            .cause = "record",
                            .seq = seq};
}

static void again(uint64_t now_ms, uint32_t run, const char *what, uint64_t seq)
{
    lc_audit_entry entry = entry_make(what, seq);
    lc_audit_again(&audit, now_ms, run, &entry);
}

static void entries_come_in_order(void **state)
{
    (void)state;
    lc_audit_entry entry;
    audit = (lc_audit){0};
    assert_int_equal(lc_audit_wake_ms(&audit), UINT64_MAX);
    for (uint64_t i = 1; i <= 3 * LC_AUDIT_QUEUE; i++) { /* round the queue */
        entry = entry_make("a", i);
        lc_audit_put(&audit, &entry);
        entry = entry_make("b", i);
        lc_audit_put(&audit, &entry);
        assert_int_equal(lc_audit_wake_ms(&audit), 0);
        assert_true(lc_audit_next(&audit, NOW, &entry) && entry.what.data[0] == 'a');
        assert_true(lc_audit_next(&audit, NOW, &entry) && entry.seq == i);
        assert_false(lc_audit_next(&audit, NOW, &entry));
    }
}

/* The first at once, the others of a minute together, then silence. */
static void a_run_counts(void **state)
{
    (void)state;
    lc_audit_entry entry, told;
    char name[] = "first";
    audit = (lc_audit){0};
    entry = entry_make(name, 10);
    lc_audit_again(&audit, NOW, 3, &entry);
    memcpy(name, "other", 5); /* a name from outside is gone after its event */
    assert_true(lc_audit_next(&audit, NOW, &told));
    assert_true(told.count == 1 && told.seq == 10);
    assert_int_equal(lc_audit_wake_ms(&audit), UINT64_MAX);
    for (uint64_t seq = 11; seq <= 15; seq++) {
        again(NOW + seq, 3, "again", seq);
        assert_false(lc_audit_next(&audit, NOW + seq, &told));
    }
    again(NOW + 20, 4, "another run", 16);
    assert_true(lc_audit_next(&audit, NOW + 20, &told) && told.seq == 16);
    assert_int_equal(lc_audit_wake_ms(&audit), NOW + LC_AUDIT_RUN_MS);
    assert_false(lc_audit_next(&audit, NOW + LC_AUDIT_RUN_MS - 1, &told));
    assert_true(lc_audit_next(&audit, NOW + LC_AUDIT_RUN_MS, &told));
    assert_true(told.count == 5 && told.from == 11 && told.seq == 15);
    assert_true(lc_str_equal(told.what, S("again")));
    assert_int_equal(lc_audit_wake_ms(&audit), UINT64_MAX);
    assert_false(lc_audit_next(&audit, NOW + 10 * LC_AUDIT_RUN_MS, &told));
}

/* At the end nothing that was counted stays untold. */
static void the_end_tells_all(void **state)
{
    (void)state;
    lc_audit_entry told;
    audit = (lc_audit){0};
    for (uint32_t i = 0; i < 3 * LC_AUDIT_RUNS; i++) {
        again(NOW, i % LC_AUDIT_RUNS, "x", i + 1);
        while (lc_audit_next(&audit, NOW, &told)) {
            assert_int_equal(told.count, 1);
        }
    }
    lc_audit_end(&audit);
    assert_int_equal(lc_audit_wake_ms(&audit), 0);
    for (uint32_t i = 0; i < LC_AUDIT_RUNS; i++) {
        assert_true(lc_audit_next(&audit, NOW, &told) && told.count == 2);
        assert_true(told.from == LC_AUDIT_RUNS + i + 1 && told.seq == 2 * LC_AUDIT_RUNS + i + 1);
    }
    assert_false(lc_audit_next(&audit, NOW, &told));
}

static const char *rendered(const lc_audit_entry *entry)
{
    static char out[LC_PAYLOAD_SMALL_MAX + 1];
    const lc_stamp stamp = {.dev = S("d"), .boot = 4, .ts_ms = 99, .tq = S("ntp")};
    uint32_t bytes = lc_payload_audit(&stamp, 7, entry, out, LC_PAYLOAD_SMALL_MAX);
    assert_true(bytes > 0);
    out[bytes] = '\0';
    return out;
}

static void what_is_written(void **state)
{
    (void)state;
    lc_audit_entry e = entry_make("gpio:relay=1", 12);
    e.task = S("fault");
    e.label = S("hot");
    assert_string_equal(rendered(&e),
                        "{\"v\":1,\"dev\":\"d\",\"boot\":4,\"ts\":99,\"tq\":\"ntp\",\"no\":7,"
                        "\"kind\":\"act\",\"what\":\"gpio:relay=1\",\"result\":\"held\","
                        "\"cause\":\"record\",\"seq\":12,\"task\":\"fault\",\"label\":\"hot\"}");
    e = (lc_audit_entry){.kind = LC_AUDIT_ASK,
                         .what = S("0123"),
                         .result = "sent",
                         .cause = "record",
                         .bytes = 283,
                         .tries = 1};
    assert_non_null(strstr(rendered(&e), "\"bytes\":283,\"try\":1,\"redacted\":0}"));
    e = entry_make("x", 12);
    e.count = 3;
    e.from = 10;
    assert_non_null(strstr(rendered(&e), "\"count\":3,\"from\":10}"));
}

/* From outside comes anything: an entry always fits, and what does not is left out. */
static void whatever_is_named_it_fits(void **state)
{
    (void)state;
    char wild[LC_AUDIT_WORD_MAX];
    memset(wild, 1, sizeof wild);
    lc_str text = {wild, sizeof wild};
    lc_audit_entry e = {.kind = LC_AUDIT_COMMAND,
                        .what = text,
                        .result = "refused",
                        .cause = "command",
                        .by = S("dn/cmd"),
                        .id = text,
                        .count = UINT64_MAX,
                        .from = UINT64_MAX};
    assert_non_null(strstr(rendered(&e), "\\u0001\",\"count\":18446744073709551615"));
    e.label = text;
    assert_null(strstr(rendered(&e), "\"id\""));
    assert_non_null(strstr(rendered(&e), "\"label\":\"\\u0001"));
    e.task = text;
    assert_non_null(strstr(rendered(&e), "\"what\":\"\""));
}

static void words_go_both_ways(void **state)
{
    (void)state;
    uint32_t kind = 99;
    for (uint32_t i = 0; i < LC_AUDIT_KINDS; i++) {
        assert_true(lc_audit_from_word(lc_str_from(lc_audit_word(i)), &kind) && kind == i);
    }
    assert_false(lc_audit_from_word(S("acts"), &kind));
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(entries_come_in_order),     cmocka_unit_test(a_run_counts),
        cmocka_unit_test(the_end_tells_all),         cmocka_unit_test(what_is_written),
        cmocka_unit_test(whatever_is_named_it_fits), cmocka_unit_test(words_go_both_ways),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
