/* job_parts.h - the inside of a job, shared by job_open.c and job.c. Not public. */
#ifndef LC_JOB_PARTS_H
#define LC_JOB_PARTS_H

#include "stages.h"

#define LC_JOB_VERSION_PLAIN 1u
#define LC_JOB_VERSION_ADAPTERS 2u /* stages name them */
#define LC_JOB_VERSION_KV 3u       /* as 2, adapters or none, and the kind of KV cache */
#define LC_JOB_NO_ADAPTER 0xffu
#define LC_CLEAN_BYTES_MAX (3u * LC_LINE_BYTES_MAX) /* each byte may become U+FFFD */

/* Buffers of one line, on scratch. */
typedef struct lc_job_line {
    char *text; /* [LC_CLEAN_BYTES_MAX] clean UTF-8 */
    uint32_t bytes;
    lc_facts *facts;
    const lc_answer *answers; /* [answer_count] of the tasks before the current one */
    uint32_t answer_count;
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
    size_t mark; /* scratch as it was at open; every line starts there */
    lc_job_line line;
};

/* Pushes the buffers of a line, and of each pack for a line, on scratch. */
lc_err lc_job_place_line(lc_job *job, lc_pack *pack, lc_arena *scratch) LC_CHECKED;

#endif
