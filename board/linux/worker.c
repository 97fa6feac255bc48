/* worker.c - hand a line over, wait, hand the records back. */
#include "worker.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "thread.h"

static void *worker_main(void *arg)
{
    lc_worker *worker = arg;
    for (;;) {
        while (sem_wait(&worker->wake) != 0) { /* EINTR */
        }
        if (atomic_load(&worker->stop)) {
            return NULL;
        }
        const lc_engine *engine = &worker->engine;
        worker->count = engine->run(engine->ctx, &worker->work, &worker->cancel, worker->record);
        atomic_store(&worker->state, LC_WORKER_DONE);
        uint64_t one = 1;
        ssize_t written = write(worker->done_fd, &one, sizeof one);
        lc_assert(written == (ssize_t)sizeof one);
    }
}

lc_err lc_worker_open(lc_worker *worker, const lc_engine *engine)
{
    worker->engine = *engine;
    worker->started = false;
    worker->cancel = false;
    atomic_store(&worker->stop, false);
    atomic_store(&worker->state, LC_WORKER_IDLE);
    worker->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->done_fd < 0 || sem_init(&worker->wake, 0, 0) != 0) {
        return LC_ERR_IO;
    }
    if (!lc_thread_start(&worker->thread, worker_main, worker)) {
        lc_worker_close(worker);
        return LC_ERR_IO;
    }
    worker->started = true;
    return LC_OK;
}

void lc_worker_close(lc_worker *worker)
{
    if (worker->started) {
        worker->cancel = true;
        atomic_store(&worker->stop, true);
        sem_post(&worker->wake);
        pthread_join(worker->thread, NULL);
        worker->started = false;
    }
    if (worker->done_fd >= 0) {
        close(worker->done_fd);
        sem_destroy(&worker->wake);
        worker->done_fd = -1;
    }
}

void lc_worker_start(lc_worker *worker, const lc_work *work)
{
    lc_assert(atomic_load(&worker->state) == LC_WORKER_IDLE);
    worker->work = *work;
    worker->cancel = work->late;
    atomic_store(&worker->state, LC_WORKER_BUSY);
    sem_post(&worker->wake);
}

void lc_worker_cancel(lc_worker *worker, uint32_t ticket)
{
    if (worker->work.ticket == ticket) {
        worker->cancel = true;
    }
}

bool lc_worker_take(lc_worker *worker, uint32_t *ticket, const lc_node_record **record,
                    uint32_t *count)
{
    uint64_t times;
    ssize_t got = read(worker->done_fd, &times, sizeof times);
    if (got != (ssize_t)sizeof times || atomic_load(&worker->state) != LC_WORKER_DONE) {
        return false;
    }
    *ticket = worker->work.ticket;
    *record = worker->record;
    *count = worker->count;
    atomic_store(&worker->state, LC_WORKER_IDLE);
    return true;
}
