/* job_labels.h - a `label_score` stage compiled: its prompt as tokens, and what only running the
 * model tells: keys and values of the prompt's prefix, and the labels' prior. For job_tree.c.
 */
#ifndef LC_JOB_LABELS_H
#define LC_JOB_LABELS_H

#include "job_prompt.h"

/* lc_job_labels_put - appends the stage as section JOB has it, from the flag `blank` on.
 *
 *   adapter  that the model works with, NULL: none
 *   kv       lc_kv, the cache that the job asks for
 *   prefix   its section PREFIX, empty when nothing stands before the line
 *
 * Takes the memory that the network needs, and gives it back. Errors: as lc_job_prompt_put, and
 * what a run may say.
 */
lc_err lc_job_labels_put(const lc_model *model, const lc_adapter *adapter, uint32_t kv,
                         const lc_job_prompt *job, lc_buf *out, lc_buf *prefix, const char *path,
                         lc_json_diag *diag) LC_CHECKED;

#endif
