/* job_json.h - a job file (JSON), or a model alone, compiled to a bundle.
 *
 * Every key of a job file is known and checked; an error names the key's path. Keys of stages that
 * are not built yet are refused, never ignored.
 */
#ifndef LC_JOB_JSON_H
#define LC_JOB_JSON_H

#include <limits.h>

#include "../../runtime/job.h"
#include "json.h"
#include "leaf_write.h"

/* A pack or adapter that the bundle names, and the file it was read from. */
typedef struct lc_pack_name {
    uint8_t root[32];
    char path[PATH_MAX];
} lc_pack_name;

typedef struct lc_job_build_options {
    lc_pack_name *pack;   /* NULL, or [LC_JOB_OBJECTS_MAX] to be filled */
    uint32_t *pack_count; /* with pack */
} lc_job_build_options;

/* lc_job_build - job file to bundle.
 *
 *   json     the file's bytes; `//` comments are allowed
 *   dir      folder of the file; paths inside are relative to it
 *   options  may be NULL
 *   out      the whole `.leaf`, freed by the caller with lc_buf_free; empty on error
 *
 * Reads the packs and prompts that it names; runs the model of a label_score stage over its prompt.
 * Errors: FORMAT and UNSUPPORTED with line and column or key path; NOT_FOUND, IO for files; ARENA.
 */
lc_err lc_job_build(const char *json, size_t bytes, const char *dir,
                    const lc_job_build_options *options, lc_buf *out,
                    lc_json_diag *diag) LC_CHECKED;

/* A model without a job file. */
typedef struct lc_job_model {
    lc_object pack;
    lc_object adapter;  /* data NULL: none */
    const char *names;  /* "a,b,c" to be scored; NULL: the head's classes */
    const char *prompt; /* with names: see job_prompt.h, NULL: a general one */
    bool chat;          /* with names: the prompt is a turn of the model's template */
} lc_job_model;

/* The job that fits it: job "model", ver 0, one task "label" with the names, or a label for each
 * class but `oos`, which becomes the out-of-scope output; no calibration. */
lc_err lc_job_build_model(const lc_job_model *model, lc_buf *out, lc_json_diag *diag) LC_CHECKED;
/* The same for a pack's own head. */
lc_err lc_job_build_default(const void *pack, size_t bytes, lc_buf *out,
                            lc_json_diag *diag) LC_CHECKED;

#endif
