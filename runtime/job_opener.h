/* job_opener.h - a job while it is being opened: private to job_open.c, which binds it to its
 * packs, and job_read.c, which reads section JOB.
 */
#ifndef LC_JOB_OPENER_H
#define LC_JOB_OPENER_H

#include "job_in.h"
#include "job_parts.h"
#include "labels.h"

typedef struct lc_job_opener {
    lc_job_in in;
    lc_arena *state;
    lc_job job;
    lc_pack pack[LC_PACKS_MAX]; /* moved into the arena when all is read */
    const uint8_t *pack_root[LC_PACKS_MAX];
    uint32_t version;                    /* of section JOB */
    lc_adapter adapter[LC_ADAPTERS_MAX]; /* moved as packs are */
    uint32_t adapter_pack[LC_ADAPTERS_MAX];
    lc_task task[LC_TASKS_MAX];    /* [job.task_count] are complete */
    size_t label_at[LC_TASKS_MAX]; /* where each one's labels start in the section */
    bool own;                      /* rules see the labels of the task being read */
    lc_leaf leaf;
    uint32_t prompts;                /* label_score stages so far */
    uint32_t reserved[LC_PACKS_MAX]; /* tokens of the longest prompt with its labels, 0: none */
    uint32_t inner[LC_PACKS_MAX];    /* most inner nodes of a trie */
} lc_job_opener;

/* Stores into an array on the state arena, which is not there when measuring. */
#define LC_JOB_KEEP(o, array, i, value)                                                            \
    do {                                                                                           \
        if (!(o)->state->measuring) {                                                              \
            (array)[i] = (value);                                                                  \
        }                                                                                          \
    } while (0)

#define LC_JOB_TABLE(o, type, count) LC_PUSH((o)->state, type, (count) + 1u) /* never of size 0 */

/* ---- job_read.c, in the order of the section ---- */

lc_err lc_job_read_tasks(lc_job_opener *o) LC_CHECKED;
lc_err lc_job_read_policy(lc_job_opener *o) LC_CHECKED;

#endif
