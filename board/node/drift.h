/* drift.h - whether the lines still are what they were: fixed counters over windows of records.
 *
 * Of each task the labels are counted, the records out of scope or rejected, those asked upstream,
 * and p is summed. The first full window of a job is its reference, kept in a cell under the job's
 * root hash, so that a restart goes on with it and another job begins anew. Each later window is
 * compared: the population stability index (PSI) of its labels against the reference, "no label"
 * being one of them, and its share out of scope, each against a limit of the job.
 */
#ifndef LC_DRIFT_H
#define LC_DRIFT_H

#include <stdbool.h>

#include "../../runtime/limits.h"
#include "cell.h"

/* Shared evenly by the tasks; the last labels of a task may share one. */
#define LC_DRIFT_BINS 208u
#define LC_DRIFT_ROOT_BYTES 32u

typedef struct lc_drift_options {
    uint8_t root[LC_DRIFT_ROOT_BYTES]; /* of the job's bundle */
    uint32_t window;                   /* records of a task */
    float psi, oos_rate;               /* more than that is drift */
} lc_drift_options;

/* What there is to know of one record. */
typedef struct lc_drift_record {
    uint32_t task;
    int32_t label; /* -1: null */
    float p;       /* 0 to 1 */
    bool outside;  /* out of scope, or rejected */
    bool escalated;
} lc_drift_record;

typedef enum lc_drift_state {
    LC_DRIFT_OFF,      /* the job does not want it */
    LC_DRIFT_LEARNING, /* no window was full yet since the start */
    LC_DRIFT_OK,
    LC_DRIFT_DRIFTING /* a task's last full window was over a limit */
} lc_drift_state;

typedef enum lc_drift_change { LC_DRIFT_SAME, LC_DRIFT_BEGAN, LC_DRIFT_ENDED } lc_drift_change;

/* Of a window, as shares. */
typedef struct lc_drift_figures {
    float psi, oos_rate, escalated, p; /* p: the mean */
} lc_drift_figures;

typedef struct lc_drift_task {
    uint32_t filled, outside, escalated; /* of the window so far */
    uint64_t p;                          /* sum of them, in millionths */
    bool learned;                        /* has a reference */
    bool measured, drifts;               /* the last full window, if there was one */
    lc_drift_figures last;
} lc_drift_task;

typedef struct lc_drift {
    lc_drift_options options; /* window 0: off */
    lc_cell cell;
    bool keeps;
    uint32_t task_count, bins; /* of a task */
    lc_drift_task task[LC_TASKS_MAX];
    uint32_t count[LC_DRIFT_BINS];     /* [task_count][bins] of the window: none, labels in order */
    uint16_t reference[LC_DRIFT_BINS]; /* the same, shares of 65535 */
    uint64_t windows, began;           /* compared; times that a task began to drift */
} lc_drift;

/* What all tasks tell together: of each figure the worst. */
typedef struct lc_drift_look {
    uint8_t state; /* lc_drift_state */
    bool measured; /* `last` is there */
    lc_drift_figures last;
    float fill; /* share of the fullest window */
    uint64_t windows, began;
} lc_drift_look;

/* options NULL: off. port NULL: the reference does not outlive a restart. IO: neither. */
lc_err lc_drift_open(lc_drift *drift, const lc_drift_options *options, uint32_t task_count,
                     const lc_port *port) LC_CHECKED;
/* One more record; what its task does may change with the last of a window. */
lc_drift_change lc_drift_put(lc_drift *drift, const lc_drift_record *record);
void lc_drift_look_at(const lc_drift *drift, lc_drift_look *look);
const char *lc_drift_word(uint32_t state);

#endif
