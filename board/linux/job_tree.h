/* job_tree.h - tasks and policy of a job file, checked and written. For job_json.c. */
#ifndef LC_JOB_TREE_H
#define LC_JOB_TREE_H

#include "pack_files.h"

/* Appends section JOB from its tasks on; packs gets every pack that a stage names. The tree may be
 * any JSON. Errors name the key's path. */
lc_err lc_job_tree_put(const cJSON *job, lc_pack_files *packs, lc_buf *out,
                       lc_json_diag *diag) LC_CHECKED;

#endif
