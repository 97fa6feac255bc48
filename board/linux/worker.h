/* worker.h - the one thread for inference: a line in, rendered records out.
 *
 * It owns the job, its scratch memory and its buffers between lc_worker_start and the moment
 * lc_worker_take gives the result; the loop thread owns them otherwise.
 */
#ifndef LC_WORKER_H
#define LC_WORKER_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "../../runtime/limits.h"
#include "../node/node.h"

/* What the worker runs, on its thread. Renders at most task_count records and returns their number.
 * Looks at *cancel between layers. */
typedef uint32_t lc_engine_run(void *ctx, const lc_work *work, const volatile bool *cancel,
                               lc_node_record *record);

typedef struct lc_engine {
    lc_engine_run *run;
    void *ctx;
} lc_engine;

typedef enum lc_worker_state { LC_WORKER_IDLE, LC_WORKER_BUSY, LC_WORKER_DONE } lc_worker_state;

typedef struct lc_worker {
    lc_engine engine;
    pthread_t thread;
    bool started;
    sem_t wake;
    int done_fd;          /* eventfd, readable when a result waits */
    volatile bool cancel; /* read by the core between layers */
    atomic_bool stop;
    _Atomic uint32_t state; /* lc_worker_state */
    lc_work work;
    lc_node_record record[LC_TASKS_MAX];
    uint32_t count;
} lc_worker;

lc_err lc_worker_open(lc_worker *worker, const lc_engine *engine) LC_CHECKED;
/* Cancels what runs, joins. */
void lc_worker_close(lc_worker *worker);
/* The worker must be idle. */
void lc_worker_start(lc_worker *worker, const lc_work *work);
void lc_worker_cancel(lc_worker *worker, uint32_t ticket);
/* The result, once done_fd is readable; false when there is none. Records stay until the next
 * start. */
bool lc_worker_take(lc_worker *worker, uint32_t *ticket, const lc_node_record **record,
                    uint32_t *count);

#endif
