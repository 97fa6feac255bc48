/* listen.h - the microphone: an ear (ear.h) on a thread of its own, its lines in the postbox. A
 * device that is not there, or goes away, is told once and asked for again. */
#ifndef LC_LISTEN_H
#define LC_LISTEN_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "config.h"
#include "ear.h"
#include "postbox.h"

#define LC_LISTEN_RETRY_MIN_MS 1000u
#define LC_LISTEN_RETRY_MAX_MS 30000u

typedef struct lc_listen {
    const lc_config_input *config;
    uint32_t source; /* of the node */
    lc_postbox *box;
    lc_ear ear;
    pthread_t thread;
    sem_t wake;
    bool started;
    atomic_bool stop;
    atomic_int away;      /* the device is not there; RISC-V exchanges whole words only */
    atomic_uint overruns; /* times samples were lost */
} lc_listen;

/* Starts the thread when the config has an input of source sound. IO: no thread. */
lc_err lc_listen_open(lc_listen *listen, const lc_config *config, lc_postbox *box) LC_CHECKED;
void lc_listen_close(lc_listen *listen);

#endif
