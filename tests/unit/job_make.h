/* job_make.h - a small pack in a folder of its own, and jobs around it, for tests. */
#ifndef JOB_MAKE_H
#define JOB_MAKE_H

#include "../../board/linux/job_json.h"

/* A folder with trunk.leaf, a random model of the classes red, green, blue, oos; removed at exit.
 */
const char *job_make_folder(void);
const lc_object *job_make_pack(void);
/* Finds that pack; ctx: NULL. */
lc_err job_make_find(void *ctx, const uint8_t root[32], lc_object *object);

/* Job text to bundle; the test fails when it does not build. Freed with lc_buf_free. */
lc_buf job_make_bundle(const char *json);
/* The same for text that must not build: what the diagnosis says, until the next call. */
const char *job_make_refused(const char *json);

/* A job opened on arenas of exactly the planned size. */
typedef struct job_made {
    lc_buf bundle;
    uint8_t *copy; /* of the bundle, aligned */
    void *state_memory, *scratch_memory;
    lc_arena state, scratch;
    lc_job *job;
    lc_answer answers[LC_TASKS_MAX];
} job_made;

void job_made_open(job_made *m, const char *json, uint32_t ctx, const volatile bool *cancel);
void job_made_close(job_made *m);
/* One line; the answer of the first task. */
const lc_answer *job_made_run(job_made *m, const char *text, bool online);
/* "label decision stage p why,why", label - for null. */
const char *job_made_say(const lc_answer *a);

#endif
