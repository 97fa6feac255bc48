/* What a day took: days of UTC and of uptime, restarts within one and over several, a clock that
 * comes late, a cell that cannot be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <string.h>

#include "../../board/node/cost.h"
#include "cells_make.h"

#define DAY LC_COST_DAY_MS
#define MONDAY 20000u                            /* days since 1970 */
#define AT(day, ms) ((uint64_t)(day)*DAY + (ms)) /* wall time */

/* ---- a device ---- */

static lc_cost cost;
static lc_cost_totals totals;
static lc_cost_day today, last;

static void start(uint64_t now_ms)
{
    totals = (lc_cost_totals){0};
    assert_int_equal(lc_cost_open(&cost, now_ms, &cells_port), LC_OK);
}

static void lines(uint32_t count, uint32_t stage)
{
    for (uint32_t i = 0; i < count; i++) {
        lc_cost_line(&cost, 1000);
        lc_cost_record(&cost, stage);
    }
}

static void tell(uint64_t now_ms, uint64_t wall_ms)
{
    lc_cost_clock(&cost, now_ms, wall_ms, &totals);
    lc_cost_look(&cost, &today, &last);
}

static int empty(void **state)
{
    (void)state;
    cells_clear(state);
    return 0;
}

static void sums_are_of_a_day(void **state)
{
    (void)state;
    start(0);
    tell(1000, AT(MONDAY, DAY - 5000));
    lines(3, 1);
    lines(2, 99); /* a stage that nobody knows */
    totals = (lc_cost_totals){
        .cpu_us = 700, .asked = 2, .calls = 3, .bytes = 900, .tokens = 40, .money = 5};
    tell(3000, AT(MONDAY, DAY - 3000));
    assert_int_equal(today.day, MONDAY);
    assert_true(today.n[LC_COST_LINES] == 5 && today.n[LC_COST_RECORDS] == 5);
    assert_true(today.n[LC_COST_STAGE + 1] == 3 && today.n[LC_COST_STAGE] == 2);
    assert_true(today.n[LC_COST_WORK_US] == 5000 && today.n[LC_COST_CPU_US] == 700);
    assert_true(today.n[LC_COST_ASKED] == 2 && today.n[LC_COST_CALLS] == 3);
    assert_true(today.n[LC_COST_BYTES] == 900 && today.n[LC_COST_TOKENS] == 40);
    assert_true(today.n[LC_COST_MONEY] == 5 && today.n[LC_COST_UP_MS] == 3000);
    assert_int_equal(last.n[LC_COST_UP_MS], 0);
    totals.cpu_us = 1000;
    tell(7000, AT(MONDAY + 1, 1000)); /* midnight passed */
    assert_true(last.day == MONDAY && last.n[LC_COST_CPU_US] == 1000);
    assert_true(today.day == MONDAY + 1 && today.n[LC_COST_LINES] == 0);
    totals.cpu_us = 1200;
    tell(8000, AT(MONDAY + 1, 2000));
    assert_true(today.n[LC_COST_CPU_US] == 200 && today.n[LC_COST_UP_MS] == 1000);
}

static void a_restart_goes_on_with_its_day(void **state)
{
    (void)state;
    start(0);
    tell(1000, AT(MONDAY, 1000));
    lines(4, 2);
    lc_cost_keep(&cost, 2000);
    start(0);
    lines(1, 2);
    tell(0, 0); /* no clock yet: of today, as far as anyone knows */
    assert_true(today.day == MONDAY && today.n[LC_COST_LINES] == 5);
    lc_cost_keep(&cost, 500); /* and again, without ever having known */
    start(0);
    lines(1, 2);
    tell(1000, AT(MONDAY, 9000));
    assert_true(today.day == MONDAY && today.n[LC_COST_LINES] == 6);
    tell(2000, AT(MONDAY, 10000));
    assert_int_equal(today.n[LC_COST_LINES], 6);
    lc_cost_keep(&cost, 2000);
    start(0);
    lines(1, 2);
    tell(1000, AT(MONDAY + 3, 0)); /* days later */
    assert_true(last.day == MONDAY && last.n[LC_COST_LINES] == 6);
    assert_true(today.day == MONDAY + 3 && today.n[LC_COST_LINES] == 1);
}

static void without_a_clock_a_day_is_of_running(void **state)
{
    (void)state;
    start(0);
    lines(2, 1);
    tell(DAY - 1000, 0);
    lc_cost_keep(&cost, DAY - 1000);
    start(0);
    lines(1, 1);
    tell(900, 0);
    assert_true(today.n[LC_COST_LINES] == 3 && last.n[LC_COST_UP_MS] == 0 && today.day == 0);
    tell(1000, 0);
    assert_true(last.n[LC_COST_LINES] == 3 && last.n[LC_COST_UP_MS] == DAY && last.day == 0);
    assert_int_equal(today.n[LC_COST_LINES], 0);
}

/* It is written by itself, each ten minutes, and a kill loses no more. */
static void it_is_kept_now_and_then(void **state)
{
    (void)state;
    start(5000);
    assert_int_equal(lc_cost_wake_ms(&cost), 5000 + LC_COST_KEEP_MS);
    lines(1, 1);
    lc_cost_tick(&cost, 5000 + LC_COST_KEEP_MS - 1);
    start(0);
    tell(0, 0);
    assert_int_equal(today.n[LC_COST_LINES], 0);
    lines(1, 1);
    lc_cost_tick(&cost, LC_COST_KEEP_MS);
    assert_int_equal(lc_cost_wake_ms(&cost), 2 * LC_COST_KEEP_MS);
    start(0);
    tell(0, 0);
    assert_int_equal(today.n[LC_COST_LINES], 1);
}

static void a_broken_disk_ends_only_the_keeping(void **state)
{
    (void)state;
    start(0);
    cells_broken = true;
    lines(1, 1);
    lc_cost_keep(&cost, 10);
    lines(1, 1);
    tell(20, 0);
    assert_int_equal(today.n[LC_COST_LINES], 2);
    assert_int_equal(lc_cost_wake_ms(&cost), UINT64_MAX);
    assert_int_equal(lc_cost_open(&cost, 0, &cells_port), LC_ERR_IO);
    lines(1, 1);
    tell(20, AT(MONDAY, 0));
    assert_int_equal(today.n[LC_COST_LINES], 1);
    assert_int_equal(lc_cost_open(&cost, 0, NULL), LC_OK);
}

static void another_version_begins_anew(void **state)
{
    (void)state;
    uint8_t data[40] = {9};
    lc_cell cell;
    uint32_t bytes;
    assert_int_equal(lc_cell_open(&cell, &cells_port, LC_CELL_COST, data, sizeof data, &bytes),
                     LC_OK);
    data[0] = 9;
    assert_int_equal(lc_cell_write(&cell, data, sizeof data), LC_OK);
    start(0);
    tell(10, AT(MONDAY, 10));
    assert_true(today.n[LC_COST_UP_MS] == 10 && last.n[LC_COST_UP_MS] == 0);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test_setup(sums_are_of_a_day, empty),
        cmocka_unit_test_setup(a_restart_goes_on_with_its_day, empty),
        cmocka_unit_test_setup(without_a_clock_a_day_is_of_running, empty),
        cmocka_unit_test_setup(it_is_kept_now_and_then, empty),
        cmocka_unit_test_setup(a_broken_disk_ends_only_the_keeping, empty),
        cmocka_unit_test_setup(another_version_begins_anew, empty),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
