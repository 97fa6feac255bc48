/* health.h - what the daemon tells about itself: up/birth at the start, up/health each minute, and
 * the same with more on the status socket. */
#ifndef LC_HEALTH_H
#define LC_HEALTH_H

#include "../node/node.h"
#include "config.h"
#include "loop.h"
#include "memory.h"
#include "worker.h"

/* Everything that a report draws on; read only. */
typedef struct lc_health {
    const lc_config *config;
    const lc_memory *memory;
    const lc_node *node;
    const lc_job *job;
    const lc_str *source; /* [source_count] names */
    uint32_t source_count;
    const lc_loop *loop;
    uint32_t boot;
    const char *level;    /* of the kernels chosen */
    const char *cpu;      /* feature names */
    const char *link_word; /* "mqtt5" "mqtt3" "none" */
} lc_health;

/* Each returns the length, 0 when it does not fit. */
uint32_t lc_health_birth(const lc_health *health, char *out, uint32_t max);
uint32_t lc_health_write(const lc_health *health, uint64_t now_ms, char *out, uint32_t max);
/* Wall clock since 1970 and its quality ("ntp" synchronised, "rtc" plausible, "none"). */
lc_str lc_clock_read(uint64_t *wall_ms);

#endif
