/* sound.h - the loudspeaker: tones, patterns of them, and recordings, on a thread of its own, so
 * that the loop waits for no sound device.
 *
 * One label's sounds at a time, one after another: a new order takes the place of those before,
 * silence comes at once. A
 * device that cannot be opened, or goes away, is told once and asked for again with a growing
 * wait; then the sound begins anew, unless LC_SOUND_LATE_MS have passed since it was ordered.
 */
#ifndef LC_SOUND_H
#define LC_SOUND_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "../../runtime/limits.h"
#include "../node/order.h"

#define LC_SOUND_RATE 48000u /* of tones */
#define LC_SOUND_LATE_MS 60000u
#define LC_SOUND_RETRY_MIN_MS 1000u
#define LC_SOUND_RETRY_MAX_MS 30000u

typedef struct lc_sound_options {
    const char *device; /* of ALSA */
    const char *clips;  /* folder of NAME.wav; "" : there are none */
    double volume;      /* 0 to 1 */
} lc_sound_options;

typedef struct lc_sound {
    lc_sound_options options;
    pthread_t thread;
    sem_t wake;
    bool started;
    atomic_bool stop;
    pthread_mutex_t lock;          /* of the next three */
    lc_order order[LC_ORDERS_MAX]; /* the latest, in turn; times 0: silence */
    char name[LC_ORDERS_MAX][LC_NAME_BYTES_MAX];
    uint32_t orders;
    atomic_uint number; /* of the latest order */
    /* Since the start, for health. */
    atomic_int away;       /* the device was not there when last asked; as in listen.h */
    atomic_uint played;    /* sounds heard to their end */
    atomic_uint dropped;   /* sounds that were too late, or whose recording is not there */
    atomic_uint underruns; /* times the device ran empty */
    atomic_uint lost;      /* times it went away */
} lc_sound;

/* Starts the thread; whether the device is there is told in the log. IO: no thread. */
lc_err lc_sound_open(lc_sound *sound, const lc_sound_options *options) LC_CHECKED;
/* These return at once. The order is a tone or clip, with those that follow it. */
void lc_sound_play(lc_sound *sound, const lc_order *order);
void lc_sound_silence(lc_sound *sound);
void lc_sound_close(lc_sound *sound);

#endif
