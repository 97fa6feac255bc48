/* test_tasks.c - the worker pool: every part exactly once, all done on return, 1 to 4 threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../board/linux/tasks.h"

#define PARTS_MAX 300u

typedef struct tally {
    _Atomic uint32_t calls[PARTS_MAX]; /* of each part */
    _Atomic uint32_t wrong_n;          /* calls with another n than asked for */
    uint32_t plain[PARTS_MAX];         /* written without atomics: run must publish it */
    uint32_t n, round;
} tally;

static void part_count(void *arg, uint32_t i, uint32_t n)
{
    tally *t = arg;
    atomic_fetch_add(&t->calls[i], 1);
    if (n != t->n) {
        atomic_fetch_add(&t->wrong_n, 1);
    }
    t->plain[i] = t->round * PARTS_MAX + i;
}

static void rounds_check(lc_tasks tasks, uint32_t n, uint32_t rounds)
{
    static tally t;
    memset(&t, 0, sizeof t);
    t.n = n;
    for (t.round = 1; t.round <= rounds; t.round++) {
        tasks.run(tasks.ctx, part_count, &t, n);
        for (uint32_t i = 0; i < PARTS_MAX; i++) {
            assert_int_equal(atomic_load(&t.calls[i]), i < n ? t.round : 0);
            assert_int_equal(t.plain[i], i < n ? t.round * PARTS_MAX + i : 0);
        }
    }
    assert_int_equal(atomic_load(&t.wrong_n), 0);
}

static void every_part_runs_once(void **state)
{
    static const uint32_t parts[] = {0, 1, 2, 3, 4, 5, 7, 64, PARTS_MAX};
    (void)state;
    for (uint32_t count = 1; count <= 4; count++) {
        static lc_pool pool;
        assert_int_equal(lc_pool_open(&pool, count), LC_OK);
        lc_tasks tasks = lc_pool_tasks(&pool);
        assert_int_equal(tasks.count, count);
        for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
            rounds_check(tasks, parts[i], 100);
        }
        lc_pool_close(&pool);
    }
}

/* After the spin the workers sleep; work must wake them again. */
static void parked_workers_wake(void **state)
{
    static lc_pool pool;
    (void)state;
    assert_int_equal(lc_pool_open(&pool, 3), LC_OK);
    for (int i = 0; i < 20; i++) {
        for (int wait = 0; wait < 200 && atomic_load(&pool.parked) < 2; wait++) {
            usleep(1000);
        }
        assert_int_equal(atomic_load(&pool.parked), 2);
        rounds_check(lc_pool_tasks(&pool), 7, 1);
    }
    lc_pool_close(&pool);
}

static void slow_part(void *arg, uint32_t i, uint32_t n)
{
    (void)n;
    if (i == 1) {
        usleep(20000); /* far longer than the spin, so that the caller parks */
    }
    atomic_fetch_add((_Atomic uint32_t *)arg, 1);
}

static void caller_waits_for_the_slowest(void **state)
{
    static lc_pool pool;
    _Atomic uint32_t done = 0;
    (void)state;
    assert_int_equal(lc_pool_open(&pool, 2), LC_OK);
    lc_tasks tasks = lc_pool_tasks(&pool);
    for (uint32_t i = 1; i <= 5; i++) {
        tasks.run(tasks.ctx, slow_part, &done, 2);
        assert_int_equal(atomic_load(&done), 2 * i);
    }
    lc_pool_close(&pool);
}

static void wrong_counts_are_refused(void **state)
{
    static lc_pool pool;
    (void)state;
    assert_int_equal(lc_pool_open(&pool, 0), LC_ERR_ARGUMENT);
    assert_int_equal(lc_pool_open(&pool, LC_POOL_THREADS_MAX + 1), LC_ERR_ARGUMENT);
    assert_int_equal(lc_pool_open(&pool, LC_POOL_THREADS_MAX), LC_OK);
    lc_pool_close(&pool);
    lc_pool_close(&pool); /* twice is fine */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_runs_once),
        cmocka_unit_test(parked_workers_wake),
        cmocka_unit_test(caller_waits_for_the_slowest),
        cmocka_unit_test(wrong_counts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
