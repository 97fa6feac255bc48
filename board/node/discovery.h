/* discovery.h - what Home Assistant needs to show a device by itself: one retained message that
 * names the device and its entities, by the rules of its MQTT device discovery.
 *
 * For each task a sensor of its labels, one of the probability and an event for alarms; for the
 * device a sensor each of latency, backlog, losses and, where the board tells it, temperature,
 * whether something is wrong, which job is installed and, where the job watches it, whether the
 * lines drift. Their values are templates over records, events, health and up/upd/state.
 */
#ifndef LC_DISCOVERY_H
#define LC_DISCOVERY_H

#include "../../runtime/job.h"

#define LC_DISCOVERY_BYTES_MAX 24576u

typedef struct lc_discovery {
    lc_str root, dev; /* of our topics */
    lc_str version;   /* of the program */
    lc_str job;
    const lc_task *const *task; /* [task_count] */
    uint32_t task_count;
    bool has_temp;  /* health has board.temp_c */
    bool has_drift; /* the job has limits of drift */
    /* [gone_count] Keys of tasks that were announced before and are no more: Home Assistant keeps
     * an entity until it is told otherwise. */
    const uint32_t *gone;
    uint32_t gone_count;
} lc_discovery;

/* Names the entities of a task, in the message and in what is remembered of it. */
uint32_t lc_discovery_key(lc_str task);
/* Returns the length; 0 when it does not fit. Labels that do not fit are left out: the sensor then
 * takes any text. */
uint32_t lc_discovery_write(const lc_discovery *discovery, char *out, uint32_t max);

#endif
