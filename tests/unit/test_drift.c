/* Whether lines are still what they were: steady and shifted labels, bursts out of scope, restarts,
 * another job, several tasks, windows of one record and of all that fit into 32 bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "../../board/node/drift.h"
#include "cells_make.h"

#define WINDOW 100u

/* ---- a device ---- */

static lc_drift drift;
static lc_drift_look look;
static lc_drift_options options;

static void start(uint32_t tasks)
{
    assert_int_equal(lc_drift_open(&drift, &options, tasks, &cells_port), LC_OK);
}

/* So many records of a task with one label; the last change that they made. */
static lc_drift_change put(uint32_t count, uint32_t task, int32_t label)
{
    const lc_drift_record record = {.task = task, .label = label, .p = 0.75f};
    lc_drift_change change = LC_DRIFT_SAME;
    for (uint32_t i = 0; i < count; i++) {
        lc_drift_change now = lc_drift_put(&drift, &record);
        change = now != LC_DRIFT_SAME ? now : change;
    }
    lc_drift_look_at(&drift, &look);
    return change;
}

/* A window in which this share has label 0, the rest label 1. */
static lc_drift_change window(uint32_t zeros)
{
    lc_drift_change change = put(zeros, 0, 0);
    lc_drift_change then = put(WINDOW - zeros, 0, 1);
    return then != LC_DRIFT_SAME ? then : change;
}

static lc_drift_change outside(uint32_t count)
{
    const lc_drift_record record = {.label = 0, .outside = true, .escalated = true};
    lc_drift_change change = LC_DRIFT_SAME;
    for (uint32_t i = 0; i < count; i++) {
        change = lc_drift_put(&drift, &record);
    }
    lc_drift_look_at(&drift, &look);
    return change;
}

static int empty(void **state)
{
    (void)state;
    cells_clear(state);
    options = (lc_drift_options){{1, 2, 3}, WINDOW, 0.2f, 0.1f};
    return 0;
}

/* ---- tests ---- */

static void steady_lines_are_ok(void **state)
{
    (void)state;
    start(1);
    put(WINDOW - 1, 0, 0);
    assert_int_equal(look.state, LC_DRIFT_LEARNING);
    assert_true(!look.measured && fabsf(look.fill - 0.99f) < 1e-6f);
    put(1, 0, 1);
    assert_true(look.state == LC_DRIFT_OK && look.measured && look.fill == 0);
    assert_true(look.last.psi < 1e-6f && fabsf(look.last.p - 0.75f) < 1e-6f);
    for (uint32_t i = 0; i < 50; i++) { /* one more or less is chance */
        assert_int_equal(window(98 + i % 3), LC_DRIFT_SAME);
        assert_int_equal(look.state, LC_DRIFT_OK);
    }
    assert_true(look.windows == 51 && look.began == 0 && cells_writes == 1);
}

static void other_labels_are_drift_until_they_are_back(void **state)
{
    (void)state;
    start(1);
    window(80);
    assert_int_equal(window(70), LC_DRIFT_SAME);
    assert_true(fabs(look.last.psi - (0.1 * log(0.3 / 0.2) - 0.1 * log(0.7 / 0.8))) < 1e-4);
    assert_int_equal(window(50), LC_DRIFT_BEGAN);
    assert_int_equal(look.state, LC_DRIFT_DRIFTING);
    assert_true(fabs(look.last.psi - (0.3 * log(0.5 / 0.2) - 0.3 * log(0.5 / 0.8))) < 1e-4);
    assert_int_equal(window(40), LC_DRIFT_SAME); /* still */
    assert_int_equal(window(79), LC_DRIFT_ENDED);
    assert_true(look.state == LC_DRIFT_OK && look.began == 1);
    assert_int_equal(put(WINDOW, 0, -1), LC_DRIFT_BEGAN); /* none at all is another label, too */
    assert_int_equal(look.began, 2);
}

static void a_burst_out_of_scope_is_drift(void **state)
{
    (void)state;
    start(1);
    put(WINDOW, 0, 0);
    outside(10);
    assert_int_equal(put(WINDOW - 10, 0, 0), LC_DRIFT_SAME); /* as many as may be */
    assert_true(look.last.oos_rate == 0.1f && look.last.escalated == 0.1f);
    outside(11);
    assert_int_equal(put(WINDOW - 11, 0, 0), LC_DRIFT_BEGAN);
    assert_true(look.state == LC_DRIFT_DRIFTING && look.last.psi < 1e-6f);
    assert_int_equal(put(WINDOW, 0, 0), LC_DRIFT_ENDED);
    options.root[0]++;
    start(1); /* the limit is absolute: of the first window, too */
    assert_int_equal(outside(WINDOW), LC_DRIFT_BEGAN);
}

static void a_restart_keeps_the_reference(void **state)
{
    (void)state;
    start(1);
    window(80);
    start(1);
    lc_drift_look_at(&drift, &look);
    assert_int_equal(look.state, LC_DRIFT_LEARNING); /* nothing was compared yet */
    assert_int_equal(window(20), LC_DRIFT_BEGAN);
    start(1);
    assert_int_equal(window(80), LC_DRIFT_SAME);
    assert_true(look.state == LC_DRIFT_OK && look.last.psi < 1e-6f && cells_writes == 1);
}

static void another_job_begins_anew(void **state)
{
    (void)state;
    start(1);
    window(80);
    options.root[LC_DRIFT_ROOT_BYTES - 1]++;
    start(1);
    assert_int_equal(window(20), LC_DRIFT_SAME);
    assert_int_equal(window(80), LC_DRIFT_BEGAN);
    start(2); /* that it has other tasks shows damage: its root says which they are */
    assert_true(!drift.task[0].learned && !drift.task[1].learned);
    lc_cell cell;
    uint8_t data[LC_CELL_BYTES_MAX] = {0};
    uint32_t bytes;
    assert_int_equal(lc_cell_open(&cell, &cells_port, LC_CELL_DRIFT, data, sizeof data, &bytes),
                     LC_OK);
    data[0] = 2; /* a later version */
    assert_int_equal(lc_cell_write(&cell, data, bytes), LC_OK);
    start(1);
    assert_false(drift.task[0].learned);
    assert_int_equal(lc_cell_write(&cell, data, 3), LC_OK);
    start(1);
    assert_false(drift.task[0].learned);
}

static void each_task_has_its_own_window(void **state)
{
    (void)state;
    start(LC_TASKS_MAX);
    put(WINDOW, 0, 0);
    put(WINDOW / 2, 7, 255); /* the last labels share a bin */
    assert_true(look.state == LC_DRIFT_OK && look.fill == 0.5f);
    put(WINDOW / 2, 7, 100);
    assert_int_equal(put(WINDOW, 7, 0), LC_DRIFT_BEGAN);
    assert_int_equal(put(WINDOW, 0, 0), LC_DRIFT_SAME); /* task 7 still drifts */
    assert_int_equal(look.state, LC_DRIFT_DRIFTING);
    start(LC_TASKS_MAX);
    assert_true(drift.task[0].learned && drift.task[7].learned && !drift.task[1].learned);
    assert_int_equal(put(WINDOW, 7, 200), LC_DRIFT_SAME);
    assert_true(look.state == LC_DRIFT_OK && look.last.psi < 1e-6f);
}

static void windows_may_be_tiny_or_huge(void **state)
{
    (void)state;
    options.window = 1;
    start(1);
    assert_int_equal(put(1, 0, 0), LC_DRIFT_SAME);
    assert_int_equal(put(1, 0, 1), LC_DRIFT_BEGAN);
    assert_true(isfinite(look.last.psi) && look.last.psi > 0.2f);
    assert_int_equal(put(1, 0, 0), LC_DRIFT_ENDED);
    options.window = 0; /* a bundle may say so: as one */
    options.root[1]++;
    start(1);
    put(2, 0, 0);
    assert_int_equal(look.windows, 2);
    options.window = UINT32_MAX;
    options.root[1]++;
    start(1);
    drift.task[0].filled = drift.count[1] = drift.task[0].escalated = UINT32_MAX - 1;
    drift.task[0].p = (UINT32_MAX - 1) * 1000000ull;
    assert_int_equal(put(1, 0, 0), LC_DRIFT_SAME);
    assert_true(look.windows == 1 && look.last.psi < 1e-4f && look.last.p > 0.999f);
    assert_true(drift.reference[1] == UINT16_MAX && drift.count[1] == 0);
    drift.task[0].filled = drift.task[0].outside = drift.count[0] = UINT32_MAX - 1;
    assert_int_equal(put(1, 0, -1), LC_DRIFT_BEGAN);
    assert_true(isfinite(look.last.psi) && look.last.psi > 20 && look.last.oos_rate > 0.999f);
}

static void a_number_that_is_none_spoils_nothing(void **state)
{
    (void)state;
    start(1);
    const float odd[] = {NAN, INFINITY, -1.0f, 2.0f};
    for (uint32_t i = 0; i < WINDOW; i++) {
        lc_drift_record record = {.p = odd[i % 4]};
        (void)lc_drift_put(&drift, &record);
    }
    lc_drift_look_at(&drift, &look);
    assert_true(look.measured && look.last.p == 0);
}

static void without_limits_it_is_off(void **state)
{
    (void)state;
    assert_int_equal(lc_drift_open(&drift, NULL, 1, &cells_port), LC_OK);
    put(3 * WINDOW, 0, 0);
    assert_true(look.state == LC_DRIFT_OFF && !look.measured && look.windows == 0 &&
                cells_writes == 0);
    assert_string_equal(lc_drift_word(look.state), "off");
}

static void a_broken_disk_ends_only_the_keeping(void **state)
{
    (void)state;
    start(1);
    cells_broken = true;
    window(80);
    assert_int_equal(window(20), LC_DRIFT_BEGAN);
    assert_int_equal(lc_drift_open(&drift, &options, 1, &cells_port), LC_ERR_IO);
    window(80);
    assert_int_equal(window(20), LC_DRIFT_BEGAN);
    assert_int_equal(lc_drift_open(&drift, &options, 1, NULL), LC_OK);
    window(80);
    assert_int_equal(look.state, LC_DRIFT_OK);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test_setup(steady_lines_are_ok, empty),
        cmocka_unit_test_setup(other_labels_are_drift_until_they_are_back, empty),
        cmocka_unit_test_setup(a_burst_out_of_scope_is_drift, empty),
        cmocka_unit_test_setup(a_restart_keeps_the_reference, empty),
        cmocka_unit_test_setup(another_job_begins_anew, empty),
        cmocka_unit_test_setup(each_task_has_its_own_window, empty),
        cmocka_unit_test_setup(windows_may_be_tiny_or_huge, empty),
        cmocka_unit_test_setup(a_number_that_is_none_spoils_nothing, empty),
        cmocka_unit_test_setup(without_limits_it_is_off, empty),
        cmocka_unit_test_setup(a_broken_disk_ends_only_the_keeping, empty),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
