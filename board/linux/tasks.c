/* tasks.c - workers wait for a generation to pass: a short spin, then asleep on a futex.
 *
 * Part i always runs on thread i mod count, so memory stays with one core from call to call.
 */
#include "tasks.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "thread.h"

#define SPINS_BETWEEN_CLOCKS 64u

static void futex_wait(_Atomic uint32_t *word, uint32_t seen)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int waiters)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, waiters, NULL, NULL, 0);
}

static void cpu_relax(void)
{
#if defined(__aarch64__)
    __asm__ volatile("yield");
#elif defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Spins while *word == value, for LC_POOL_SPIN_NS at most. True when it changed. */
static bool spin_while(_Atomic uint32_t *word, uint32_t value)
{
    uint64_t until = 0;
    for (;;) {
        for (uint32_t i = 0; i < SPINS_BETWEEN_CLOCKS; i++) {
            if (atomic_load_explicit(word, memory_order_acquire) != value) {
                return true;
            }
            cpu_relax();
        }
        uint64_t now = now_ns();
        until = until ? until : now + LC_POOL_SPIN_NS;
        if (now >= until) {
            return false;
        }
    }
}

static void generation_wait(lc_pool *pool, uint32_t seen)
{
    if (spin_while(&pool->generation, seen)) {
        return;
    }
    atomic_fetch_add(&pool->parked, 1);
    while (atomic_load(&pool->generation) == seen) {
        futex_wait(&pool->generation, seen);
    }
    atomic_fetch_sub(&pool->parked, 1);
}

static void parts_run(const lc_pool *pool, uint32_t thread)
{
    for (uint32_t i = thread; i < pool->parts; i += pool->count) {
        pool->fn(pool->arg, i, pool->parts);
    }
}

static void *worker_main(void *arg)
{
    const lc_pool_worker *worker = arg;
    lc_pool *pool = worker->pool;
    for (uint32_t seen = 0;; seen++) {
        generation_wait(pool, seen);
        bool stop = pool->stop;
        if (!stop) {
            parts_run(pool, worker->index);
        }
        bool last = atomic_fetch_sub(&pool->pending, 1) == 1;
        if (last && atomic_load(&pool->caller_parked)) {
            futex_wake(&pool->pending, 1);
        }
        if (stop) {
            return NULL;
        }
    }
}

static void pending_wait(lc_pool *pool)
{
    uint32_t left = atomic_load(&pool->pending);
    while (left > 0 && spin_while(&pool->pending, left)) {
        left = atomic_load(&pool->pending);
    }
    if (left == 0) {
        return;
    }
    atomic_store(&pool->caller_parked, true);
    while ((left = atomic_load(&pool->pending)) > 0) {
        futex_wait(&pool->pending, left);
    }
    atomic_store(&pool->caller_parked, false);
}

/* Lets all workers pass once. */
static void generation_start(lc_pool *pool)
{
    lc_assert(atomic_load(&pool->pending) == 0);
    atomic_store(&pool->pending, pool->started);
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->parked) > 0) {
        futex_wake(&pool->generation, (int)pool->started);
    }
}

static void pool_run(void *ctx, lc_task_fn *fn, void *arg, uint32_t n)
{
    lc_pool *pool = ctx;
    if (pool->count == 1 || n <= 1) {
        for (uint32_t i = 0; i < n; i++) {
            fn(arg, i, n);
        }
        return;
    }
    pool->fn = fn;
    pool->arg = arg;
    pool->parts = n;
    generation_start(pool);
    parts_run(pool, 0);
    pending_wait(pool);
}

lc_err lc_pool_open(lc_pool *pool, uint32_t count)
{
    if (count < 1 || count > LC_POOL_THREADS_MAX) {
        return LC_ERR_ARGUMENT;
    }
    *pool = (lc_pool){.count = count};
    for (uint32_t i = 1; i < count; i++) {
        pool->worker[i] = (lc_pool_worker){.pool = pool, .index = i};
        lc_pool_worker *worker = &pool->worker[i];
        if (!lc_thread_start(&worker->thread, worker_main, worker)) {
            lc_pool_close(pool);
            return LC_ERR_IO;
        }
        pool->started++;
    }
    return LC_OK;
}

void lc_pool_close(lc_pool *pool)
{
    if (pool->started == 0) {
        return;
    }
    pool->stop = true;
    generation_start(pool);
    for (uint32_t i = 1; i <= pool->started; i++) {
        pthread_join(pool->worker[i].thread, NULL);
    }
    *pool = (lc_pool){.count = 1};
}

lc_tasks lc_pool_tasks(lc_pool *pool)
{
    return (lc_tasks){.ctx = pool, .count = pool->count, .single = pool->single, .run = pool_run};
}
