/* job_parts.h - the inside of a job, shared by job_open.c and job.c. Not public. */
#ifndef LC_JOB_PARTS_H
#define LC_JOB_PARTS_H

#include "stages.h"

#define LC_JOB_VERSION_PLAIN 1u
#define LC_JOB_VERSION_ADAPTERS 2u /* stages name them */
#define LC_JOB_VERSION_KV 3u       /* as 2, adapters or none, and the kind of KV cache */
#define LC_JOB_NO_ADAPTER 0xffu
#define LC_CLEAN_BYTES_MAX (3u * LC_LINE_BYTES_MAX) /* each byte may become U+FFFD */

/* A line on its way through the tasks, with its buffers on scratch. */
typedef struct lc_job_line {
    const struct lc_job *job;
    char *text; /* [LC_CLEAN_BYTES_MAX] clean UTF-8 */
    uint32_t bytes;
    lc_facts *facts;
    const char *unusable; /* why nothing can be read, NULL: it can */
    bool replaced;        /* bytes that were no UTF-8 */
    lc_answer *answers;   /* [tasks] */
    uint32_t task, stage; /* where it stands */
    bool begun;           /* the task: the next two are of it */
    lc_expr_env env;
    lc_verdict verdict;
} lc_job_line;

struct lc_job {
    lc_str name;
    uint32_t ver;
    const uint8_t *root; /* [32] */
    lc_task *task;       /* [task_count] */
    uint32_t task_count;
    lc_pack *pack; /* [pack_count] */
    uint32_t pack_count;
    lc_adapter *adapter; /* [adapter_count] */
    uint32_t adapter_count;
    uint32_t kv; /* lc_kv of its models */
    lc_policy policy;
    const lc_kernels *kernels;
    lc_arena *scratch;
    size_t mark; /* scratch as it was at open; every run starts there */
    uint32_t lines;    /* that are answered together at most */
    lc_job_line *line; /* [lines] on scratch, as the next one */
    lc_asked *asked;   /* [lines] those that wait for a model */
};

/* Pushes the buffers of lines, and of each pack for lines, on scratch. */
lc_err lc_job_place_lines(lc_job *job, lc_pack *pack, lc_arena *scratch) LC_CHECKED;

#endif
