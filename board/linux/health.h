/* health.h - what the daemon tells about itself: up/birth and up/upd/state at the start, up/health
 * each minute, and the same with names on the status socket. */
#ifndef LC_HEALTH_H
#define LC_HEALTH_H

#include "../../runtime/job.h"
#include "../node/node.h"
#include "config.h"
#include "listen.h"
#include "loop.h"
#include "memory.h"
#include "pins.h"
#include "power.h"
#include "sensors.h"
#include "sound.h"
#include "vitals.h"

#define LC_HEALTH_ROOT_BYTES 4u /* of a root hash, that name it */

/* Everything that a report draws on; read only. */
typedef struct lc_health {
    const lc_config *config;
    const lc_arenas *arenas;
    lc_node *node;
    const lc_job *job;
    const lc_str *source; /* [source_count] names */
    uint32_t source_count;
    const lc_loop *loop;
    const lc_pins *pins;
    const lc_sound *sound;
    const lc_sensors *sensors;
    const lc_listen *listen;
    uint32_t boot, threads;
    lc_power power;
    const char *version;
    const char *level;    /* of the kernels chosen */
    const char *cpu;      /* feature names */
    const char *protocol; /* "5" "3.1.1", of the link; "" while there is none */
    const char *sys;      /* "", or a folder with another /sys below it */
    uint64_t failed;      /* lines that gave no record */
} lc_health;

/* Each returns the length, 0 when it does not fit. Labels are left out of a birth that would be
 * too long with them. */
uint32_t lc_health_birth(const lc_health *health, char *out, uint32_t max);
/* What is installed. A job that is changed by hand is the newest there is to know of. */
uint32_t lc_health_update(const lc_health *health, char *out, uint32_t max);
uint32_t lc_health_write(const lc_health *health, uint64_t now_ms, char *out, uint32_t max);
uint32_t lc_health_status(const lc_health *health, uint64_t now_ms, char *out, uint32_t max);
/* As Prometheus reads it. */
uint32_t lc_health_metrics(const lc_health *health, uint64_t now_ms, char *out, uint32_t max);
/* Wall clock since 1970 in ms, 0 when it was never set, and its quality: "ntp" (synchronised),
 * "rtc" (plausible), "none". */
lc_str lc_clock_read(uint64_t *wall_ms);

#endif
