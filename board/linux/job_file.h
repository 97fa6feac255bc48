/* job_file.h - the daemon's job: a bundle, a job file compiled at start, or the shipped one. */
#ifndef LC_JOB_FILE_H
#define LC_JOB_FILE_H

#include "job_json.h"
#include "objects.h"

typedef struct lc_job_file {
    lc_object bundle;
    lc_objects objects; /* where its packs are looked for */
    lc_map map;         /* the bundle as a file, or compiled in memory */
    const char *path;   /* for messages */
} lc_job_file;

/* lc_job_file_open - path "": the shipped job.
 *
 * Errors    as of lc_map_open, lc_job_build and lc_objects_shipped; diag->text says what is wrong.
 * Owner     lc_job_file_close in both cases.
 */
lc_err lc_job_file_open(lc_job_file *file, const char *path, lc_json_diag *diag) LC_CHECKED;
void lc_job_file_close(lc_job_file *file);

#endif
