/* job_policy.h - the parts of a job file that are for the daemon. For job_json.c. */
#ifndef LC_JOB_POLICY_H
#define LC_JOB_POLICY_H

#include "job_json.h"

/* Checks `trend`, `escalate`, `privacy`, `report` and `drift` of a job whose tasks are checked, and
 * appends them to section JOB. */
lc_err lc_job_policy_put(const cJSON *job, lc_buf *out, lc_json_diag *diag) LC_CHECKED;

#endif
