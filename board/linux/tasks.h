/* tasks.h - a fixed pool of worker threads that serves the core's lc_tasks. */
#ifndef LC_POOL_H
#define LC_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "../../runtime/err.h"
#include "../../runtime/tasks.h"

#define LC_POOL_THREADS_MAX 64u
#define LC_POOL_SPIN_NS 20000u /* then park */

typedef struct lc_pool_worker {
    struct lc_pool *pool;
    uint32_t index; /* 1 .. count - 1; the caller of run is 0 */
    pthread_t thread;
} lc_pool_worker;

typedef struct lc_pool {
    uint32_t count;              /* threads, the caller among them */
    uint32_t single;             /* of them for a single token; 0: all */
    _Atomic uint32_t generation; /* moves with every piece of work; workers park on it */
    _Atomic uint32_t pending;    /* workers that have not finished it; the caller parks on it */
    _Atomic uint32_t parked;     /* workers asleep, or about to be */
    _Atomic bool caller_parked;
    bool stop; /* these four change only while pending is 0 */
    lc_task_fn *fn;
    void *arg;
    uint32_t parts;
    uint32_t started; /* workers to join */
    lc_pool_worker worker[LC_POOL_THREADS_MAX];
} lc_pool;

/* lc_pool_open - starts count - 1 threads.
 *
 * Returns   ARGUMENT for a count of 0 or over LC_POOL_THREADS_MAX, IO when no thread can be had.
 * Owner     the pool must stay where it is until lc_pool_close.
 */
lc_err lc_pool_open(lc_pool *pool, uint32_t count) LC_CHECKED;
void lc_pool_close(lc_pool *pool);
/* For the core. With one thread it is a plain loop. One caller at a time. */
lc_tasks lc_pool_tasks(lc_pool *pool);

#endif
