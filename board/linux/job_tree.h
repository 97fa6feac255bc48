/* job_tree.h - tasks and policy of a job file, checked and written. For job_json.c. */
#ifndef LC_JOB_TREE_H
#define LC_JOB_TREE_H

#include "pack_files.h"

/* What a compiled job is made of. */
typedef struct lc_job_body {
    uint32_t kv;                                 /* lc_kv */
    lc_buf tasks;                                /* section JOB from its tasks on */
    lc_buf prefix[LC_TASKS_MAX * LC_STAGES_MAX]; /* [prefix_count] sections PREFIX, some empty */
    uint32_t prefix_count;
} lc_job_body;

/* Fills body, which the caller frees with lc_job_body_free in any case; packs gets every pack that
 * a stage names. The tree may be any JSON. Errors name the key's path. */
lc_err lc_job_tree_put(const cJSON *job, lc_pack_files *packs, lc_job_body *body,
                       lc_json_diag *diag) LC_CHECKED;
void lc_job_body_free(lc_job_body *body);

#endif
