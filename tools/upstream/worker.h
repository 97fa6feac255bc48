/* worker.h - answers devices: takes requests from its share, asks the server, sends answers. */
#ifndef LC_UPSTREAM_WORKER_H
#define LC_UPSTREAM_WORKER_H

#include "../desk.h"
#include "answers.h"
#include "http.h"
#include "ledger.h"
#include "reply.h"

#define LC_WORKER_JOBS_MAX 64u
#define LC_WORKER_QUEUE_MAX 4096u
#define LC_WORKER_CORRELATION_MAX 64u

typedef struct lc_worker_options {
    lc_desk_options desk;
    const char *url;           /* of the completions */
    const char *authorization; /* header line, "" none */
    const char *model;         /* NULL: the server chooses */
    const char *ca;            /* of the server, "" the system's */
    bool stream, json;
    uint32_t jobs, queue, tries, deadline_ms, cache;
    lc_price price;
    const char *ledger;
} lc_worker_options;

/* Until a signal; the exit code. */
int lc_worker_serve(const lc_worker_options *options);

#endif
