/* job_source.h - where a job comes from: bundle, job file, a model's own head, or the shipped one.
 */
#ifndef LC_JOB_SOURCE_H
#define LC_JOB_SOURCE_H

#include "../board/linux/objects.h"
#include "ui.h"

typedef struct lc_job_source {
    lc_object bundle;
    const char *name;   /* for messages */
    lc_objects objects; /* where its packs are looked for */
    lc_map file;        /* bundle as a file, or compiled in memory */
    lc_map model;       /* pack of --model */
    lc_map adapter;     /* of --adapter */
} lc_job_source;

/* What the user named; all NULL: the shipped job. */
typedef struct lc_job_choice {
    const char *job;    /* .leaf or .json */
    const char *model;  /* .leaf or .gguf, when there is no job */
    const char *labels; /* with model: "a,b,c", scored after a prompt; NULL: the model's own head */
    const char *prompt; /* with labels: file, NULL: a general one */
    bool chat;          /* with labels: the prompt is a turn of the model's template */
    const char *adapter; /* with model: see adapter_file.h, NULL: none */
    bool as_float;       /* with model */
} lc_job_choice;

/* Returns LC_UI_GO, or the exit code after a message. lc_job_source_close in both cases. */
int lc_job_source_open(lc_job_source *source, const lc_job_choice *choice);
void lc_job_source_close(lc_job_source *source);

#endif
