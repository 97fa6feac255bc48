/* tasks.h - how the core asks the board for threads; a loop where there are none. */
#ifndef LC_TASKS_H
#define LC_TASKS_H

#include <stdint.h>

/* Runs part i of n of a piece of work; results must not depend on n. */
typedef void lc_task_fn(void *arg, uint32_t i, uint32_t n);

typedef struct lc_tasks {
    void *ctx;
    uint32_t count; /* threads, at least 1 */
    uint32_t single; /* of them for a single token, when reading weights takes the time; 0: all */
    /* Calls fn(arg, i, n) for every i < n, on any threads, and returns when all are done. */
    void (*run)(void *ctx, lc_task_fn *fn, void *arg, uint32_t n);
} lc_tasks;

#endif
