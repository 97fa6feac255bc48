/* What leaves of a text, and what may be spent on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/node/budget.h"
#include "../../board/node/redact.h"
#include "cells_make.h"

#define ALL (LC_REDACT_SERIAL | LC_REDACT_ADDRESS | LC_REDACT_NAME)
#define HOUR 3600000u
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static char out[9000];
static lc_redactions map;

static const char *redacted(uint32_t kinds, const char *text)
{
    uint32_t bytes;
    assert_int_equal(
        lc_redact(kinds, text, (uint32_t)strlen(text), out, sizeof out - 1, &bytes, &map), LC_OK);
    out[bytes] = '\0';
    return out;
}

static void what_names_somebody_goes(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"pump 2 serial SN-48213-A hot", "pump 2 serial <SERIAL_1> hot"},
        {"serial=77 and id: 4711x", "serial=<SERIAL_1> and id: <SERIAL_2>"},
        {"unit AB12345C again AB12345C", "unit <SERIAL_1> again <SERIAL_1>"},
        {"badge 123456789 at door", "badge <SERIAL_1> at door"},
        {"call +49 170 1234567 now", "call <ADDRESS_1> now"},
        {"tel 0170/1234567", "tel <ADDRESS_1>"},
        {"mail anna.k@plant.example.com, please", "mail <ADDRESS_1>, please"},
        {"see https://10.0.0.7:8080/x?q=1", "see <ADDRESS_1>=1"},
        {"from 192.168.1.20 and fe80::1ff:fe23", "from <ADDRESS_1> and <ADDRESS_2>"},
        {"gw aa:bb:cc:dd:ee:ff lost", "gw <ADDRESS_1> lost"},
        {"at 12 Main Street today", "at <ADDRESS_1> today"},
        {"Hauptstraße 5 no power", "<ADDRESS_1> no power"},
        {"near 52.52003,13.40495", "near <ADDRESS_1>,<ADDRESS_2>"},
        {"operator: jane says noise", "operator: <NAME_1> says noise"},
        {"reported by John Smith at noon", "reported by <NAME_1> at noon"},
        {"John Smith heard it", "<NAME_1> heard it"},
        {"Dr. Müller signed", "Dr. <NAME_1> signed"},
        {"user=root ip=10.1.2.3", "user=<NAME_1> ip=<ADDRESS_1>"},
        {"user: name: root", "user: name: <NAME_1>"},
        {"operator=miller left, miller is back", "operator=<NAME_1> left, <NAME_1> is back"},
        {"John Smith met smith at 3 bar", "<NAME_1> met <NAME_2> at 3 bar"},
        {"id AB12 fails, AB12 at 12 bar", "id <SERIAL_1> fails, <SERIAL_1> at 12 bar"},
        {"serial no 720, 720 rpm", "serial no <SERIAL_1>, 720 rpm"},
        {"operator=pump: pump 3 leaks", "operator=<NAME_1>: pump 3 leaks"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_string_equal(redacted(ALL, rows[i][0]), rows[i][1]);
    }
}

static void what_was_measured_stays(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "temp 96C pressure 12.5bar speed 3600rpm",
        "2024-06-30 10:22:31 vibration 7.1 mm/s on P2",
        "ERROR E1042 register 0x1F03 code 77",
        "Pump Motor Temperature High",
        "bearing noise since Monday, flow 120000 l/min",
        "oil pressure no change",
        "",
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_string_equal(redacted(ALL, rows[i]), rows[i]);
    }
}

static void only_the_kinds_that_the_job_names_go(void **state)
{
    (void)state;
    const char *text = "operator John Smith, ip 10.0.0.1, serial 99123";
    assert_string_equal(redacted(0, text), text);
    assert_string_equal(redacted(LC_REDACT_NAME, text),
                        "operator <NAME_1>, ip 10.0.0.1, serial 99123");
    assert_string_equal(redacted(LC_REDACT_ADDRESS, text),
                        "operator John Smith, ip <ADDRESS_1>, serial 99123");
    assert_int_equal(lc_redact_kind(lc_str_from("serial")), LC_REDACT_SERIAL);
    assert_int_equal(lc_redact_kind(lc_str_from("address")), LC_REDACT_ADDRESS);
    assert_int_equal(lc_redact_kind(lc_str_from("name")), LC_REDACT_NAME);
    assert_int_equal(lc_redact_kind(lc_str_from("names")), 0);
}

static void spans_find_their_way_back(void **state)
{
    (void)state;
    const char *text = "operator John Smith hears 96C";
    redacted(ALL, text);
    assert_string_equal(out, "operator <NAME_1> hears 96C");
    uint32_t from = 24, to = 27; /* 96C */
    lc_redact_back(&map, &from, &to);
    assert_memory_equal(text + from, "96C", 3);
    assert_int_equal(to - from, 3);
    from = 10, to = 12; /* inside the tag */
    lc_redact_back(&map, &from, &to);
    assert_memory_equal(text + from, "John Smith", 10);
    assert_int_equal(to - from, 10);
    from = 0, to = 4;
    lc_redact_back(&map, &from, &to);
    assert_true(from == 0 && to == 4);
}

static void too_much_to_take_lets_nothing_leave(void **state)
{
    (void)state;
    static char text[LC_REDACTIONS_MAX * 16];
    uint32_t bytes = 0, held;
    for (uint32_t i = 0; i <= LC_REDACTIONS_MAX; i++) {
        memcpy(text + bytes, "AB12345 ", 8);
        bytes += 8;
    }
    assert_int_equal(lc_redact(ALL, text, bytes, out, sizeof out, &held, &map), LC_ERR_LIMIT);
    bytes -= 8;
    assert_int_equal(lc_redact(ALL, text, bytes, out, sizeof out, &held, &map), LC_OK);
    assert_int_equal(lc_redact(ALL, text, bytes, out, held - 1, &held, &map), LC_ERR_LIMIT);
}

/* Any text of these pieces: what is taken is in order, and the rest is the text as it was. */
static void any_text_keeps_what_is_not_taken(void **state)
{
    (void)state;
    static const char *const pieces[] = {"John ",    "Street ", "12 ",     ".",    ":",   "id",
                                         "=",        "@",       "é",       "96C ", "by ", "\xff",
                                         "<NAME_1>", "+49 ",    "AB12345", "#"};
    uint32_t random = 1;
    for (int round = 0; round < 20000; round++) {
        char text[256];
        uint32_t bytes = 0, held;
        for (int i = 0; i < 16; i++) {
            random = random * 1664525u + 1013904223u;
            const char *piece = pieces[random >> 28];
            memcpy(text + bytes, piece, strlen(piece));
            bytes += (uint32_t)strlen(piece);
        }
        assert_int_equal(lc_redact(ALL, text, bytes, out, sizeof out, &held, &map), LC_OK);
        uint32_t at = 0, from = 0;
        for (uint32_t i = 0; i < map.count; i++) {
            const lc_redaction *r = &map.item[i];
            assert_true(r->from >= from && r->to > r->from && r->to <= bytes && r->end <= held);
            assert_int_equal(r->at - at, r->from - from);
            assert_memory_equal(out + at, text + from, r->from - from);
            at = r->end;
            from = r->to;
        }
        assert_int_equal(held - at, bytes - from);
        assert_memory_equal(out + at, text + from, held - at);
    }
}

/* ---- budget ---- */

static void no_day_has_more_calls_than_it_may(void **state)
{
    (void)state;
    lc_budget b;
    enum { DAYS = 3, CALLS = 10, STEP = 600000 };
    static bool made[DAYS * 144];
    assert_int_equal(lc_budget_open(&b, 0, &cells_port, CALLS, 0), LC_OK);
    for (uint32_t i = 0; i < DAYS * 144; i++) {
        made[i] = lc_budget_take(&b, (uint64_t)i * STEP, 0);
        uint32_t in_day = 0;
        for (uint32_t j = i < 144 ? 0 : i - 143; j <= i; j++) {
            in_day += made[j];
        }
        assert_true(in_day <= CALLS);
    }
    assert_true(b.calls >= 2 * CALLS); /* and they come back */
}

static void it_survives_restarts_and_odd_clocks(void **state)
{
    (void)state;
    lc_budget b;
    uint64_t wall = 1763625600000u;
    assert_int_equal(lc_budget_open(&b, 5000, &cells_port, 2, 0), LC_OK);
    lc_budget_clock(&b, 5000, wall);
    assert_true(lc_budget_take(&b, 5000, 0));
    assert_true(lc_budget_take(&b, 5000, 0));
    assert_false(lc_budget_take(&b, 5000, 0));
    /* no clock: nothing comes back */
    assert_int_equal(lc_budget_open(&b, 1, &cells_port, 2, 0), LC_OK);
    assert_false(lc_budget_allows(&b, 23 * HOUR, 0));
    lc_budget_clock(&b, 23 * HOUR, wall - 1000); /* a clock that went back: nothing */
    assert_false(lc_budget_allows(&b, 23 * HOUR, 0));
    assert_true(lc_budget_allows(&b, 26 * HOUR, 0)); /* by its own running */
    assert_int_equal(lc_budget_open(&b, 1, &cells_port, 2, 0), LC_OK);
    lc_budget_clock(&b, 1, wall + 12 * HOUR);
    assert_false(lc_budget_allows(&b, 1, 0));
    lc_budget_clock(&b, 2, wall + 400 * HOUR); /* a jump while running: nothing */
    assert_false(lc_budget_allows(&b, 2, 0));
    assert_int_equal(lc_budget_open(&b, 1, &cells_port, 2, 0), LC_OK);
    lc_budget_clock(&b, 1, wall + 26 * HOUR);
    assert_true(lc_budget_allows(&b, 1, 0));
}

static void money_is_counted_beside_calls(void **state)
{
    (void)state;
    lc_budget b;
    uint64_t calls, money;
    assert_int_equal(lc_budget_open(&b, 0, NULL, 100, 0.5), LC_OK);
    assert_true(lc_budget_take(&b, 0, 200000));
    assert_true(lc_budget_take(&b, 0, 200000));
    assert_false(lc_budget_take(&b, 0, 200000));
    assert_true(lc_budget_take(&b, 0, 100000));
    assert_false(lc_budget_allows(&b, 0, 0)); /* all is spent */
    lc_budget_spent(&b, 0, &calls, &money);
    assert_true(calls == 3 && money == 500000);
    assert_int_equal(lc_budget_open(&b, 0, NULL, 100, 0), LC_OK); /* no money: only what is free */
    assert_false(lc_budget_allows(&b, 0, 1));
    assert_true(lc_budget_take(&b, 0, 0));
    lc_budget_charge(&b, 0, 5); /* it was not free */
    assert_false(lc_budget_allows(&b, 0, 0));
    lc_budget_charge(&b, 0, UINT64_MAX);
    lc_budget_charge(&b, 0, UINT64_MAX);
    assert_false(lc_budget_allows(&b, 0, 0));
    assert_int_equal(lc_budget_open(&b, 0, NULL, 0, 5), LC_OK); /* no calls: none */
    assert_false(lc_budget_allows(&b, 0, 0));
}

static void a_cell_that_fails_ends_the_spending(void **state)
{
    (void)state;
    lc_budget b;
    assert_int_equal(lc_budget_open(&b, 0, &cells_port, 5, 0), LC_OK);
    assert_true(lc_budget_take(&b, 0, 0));
    cells_broken = true;
    assert_false(lc_budget_take(&b, 0, 0));
    cells_broken = false;
    assert_false(lc_budget_take(&b, 0, 0));
    cells_broken = true;
    assert_int_equal(lc_budget_open(&b, 0, &cells_port, 5, 0), LC_ERR_IO);
    assert_false(lc_budget_allows(&b, 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_names_somebody_goes),
        cmocka_unit_test(what_was_measured_stays),
        cmocka_unit_test(only_the_kinds_that_the_job_names_go),
        cmocka_unit_test(spans_find_their_way_back),
        cmocka_unit_test(too_much_to_take_lets_nothing_leave),
        cmocka_unit_test(any_text_keeps_what_is_not_taken),
        cmocka_unit_test_setup(no_day_has_more_calls_than_it_may, cells_clear),
        cmocka_unit_test_setup(it_survives_restarts_and_odd_clocks, cells_clear),
        cmocka_unit_test_setup(money_is_counted_beside_calls, cells_clear),
        cmocka_unit_test_setup(a_cell_that_fails_ends_the_spending, cells_clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
