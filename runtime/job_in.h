/* job_in.h - the stream of section JOB: its small parts, each checked. Not public. */
#ifndef LC_JOB_IN_H
#define LC_JOB_IN_H

#include "job_parts.h"

typedef struct lc_job_in {
    lc_reader r;
    uint64_t base; /* of the section in the file */
    lc_diag *diag;
} lc_job_in;

/* Return err, or FORMAT, with the place where the stream stands. */
lc_err lc_in_fail(lc_job_in *in, lc_err err, const char *text);
lc_err lc_in_wrong(lc_job_in *in, const char *text);

lc_err lc_in_count(lc_job_in *in, uint32_t least, uint32_t most, uint32_t *count) LC_CHECKED;
lc_err lc_in_flag(lc_job_in *in, bool *flag) LC_CHECKED;
lc_err lc_in_float(lc_job_in *in, float least, float most, float *value) LC_CHECKED;
lc_err lc_in_name(lc_job_in *in, bool ascii, lc_str *name) LC_CHECKED;
/* Text for people or for later parsers: valid UTF-8 of at most `most` bytes. */
lc_err lc_in_text(lc_job_in *in, uint32_t most, lc_str *text) LC_CHECKED;

#endif
