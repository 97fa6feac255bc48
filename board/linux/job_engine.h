/* job_engine.h - the daemon's engine: a job that turns a line into rendered records. */
#ifndef LC_JOB_ENGINE_H
#define LC_JOB_ENGINE_H

#include "../../runtime/record.h"
#include "../node/screen.h"
#include "hasher.h"
#include "worker.h"

typedef struct lc_job_engine {
    lc_job *job;
    lc_answer *answer; /* [tasks] */
    char *out;         /* [tasks][LC_RECORD_BYTES_MAX] */
    lc_str dev;
    uint32_t boot;
    const lc_str *source; /* [sources] names */
    lc_hasher hasher;
    lc_screen screen; /* of the line in work */
    bool text;       /* records carry the line: the job's `report.text` */
    uint64_t failed; /* lines that gave no record: a mistake of ours */
} lc_job_engine;

/* Pushes the buffers; with a measuring arena it counts. The job is open. */
lc_err lc_job_engine_init(lc_job_engine *engine, uint32_t tasks, lc_arena *state) LC_CHECKED;
/* An lc_engine_run; ctx is the lc_job_engine. */
uint32_t lc_job_engine_run(void *ctx, const lc_work *work, const volatile bool *cancel,
                           lc_node_record *record);
/* Whether up/event tells about this label: one that costs more to miss than the task's cheapest,
 * or that has an action. */
bool lc_job_alarm(const lc_task *task, int32_t label);

#endif
