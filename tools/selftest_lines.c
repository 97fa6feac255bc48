/* selftest_lines.c - records of a job, level against level. */
#include <stdlib.h>
#include <string.h>

#include "../board/linux/memory.h"
#include "selftest.h"

/* Every kind of line: plain, units, JSON, other scripts, odd bytes, nothing at all. */
static const char *const lines[] = {
    "P2 vib 7.9mm/s rising, temp 81C",
    "ok, all green",
    "Gearbox oil 104 \u00b0C and rising, oil cooler fan stopped",
    "{\"dev\":\"inv-3\",\"udc\":0,\"fault\":\"ARC_DETECTED\",\"string\":2}",
    "2024-06-30 15:41:10 rack9 inlet=41.5C fan1=0rpm sev=crit",
    "tripped: undervoltage L1-L2 338 V",
    "temp nan, flow 40 m\xc2\xb3/h, level -3 %",
    "no reply from slave 12 for 15 min, CRC errors before that",
    "tamper=1 lid=open armed=1",
    "\xd0\xbd\xd0\xb0\xd1\x81\xd0\xbe\xd1\x81 \xe6\xb8\xa9\xe5\xba\xa6 96",
    "who won the world cup in 1998?",
    "bytes \xff\xfe that are no UTF-8",
    "",
    "a"};
#define LINES (sizeof lines / sizeof lines[0])

uint32_t lc_selftest_lines_count(void)
{
    return (uint32_t)LINES;
}

typedef struct walk {
    const lc_selftest_lines *test;
    const lc_kernels *kernels;
    lc_memory memory;
    lc_job *job;
    lc_answer *answers; /* [LC_TASKS_MAX] */
    char *record;       /* [LC_RECORD_BYTES_MAX + 1] */
} walk;

static lc_err walk_layout(void *ctx, lc_arenas *arenas, lc_diag *diag)
{
    walk *w = ctx;
    const lc_job_options options = {.kernels = w->kernels, .tasks = w->test->tasks};
    lc_err err = lc_job_open(&w->test->bundle, lc_objects_find, w->test->objects, &options,
                             &arenas->state, &arenas->scratch, &w->job, diag);
    if (err != LC_OK) {
        return err;
    }
    w->answers = LC_PUSH(&arenas->state, lc_answer, LC_TASKS_MAX);
    w->record = LC_PUSH(&arenas->io, char, LC_RECORD_BYTES_MAX + 1);
    return w->answers && w->record ? LC_OK : lc_fail(diag, LC_ERR_ARENA, 0, "arenas too small");
}

/* Takes a record, newline included, of line number `line` from 1; false: enough. */
typedef bool record_take(void *ctx, uint32_t line, const char *record, size_t bytes);

static lc_err line_run(walk *w, uint32_t line, record_take *take, void *ctx)
{
    lc_record_meta meta = {.dev = lc_str_from("local"),
                           .tq = lc_str_from("none"),
                           .src = lc_str_from("selftest"),
                           .labels = true,
                           .scores = true};
    lc_err err = lc_job_run(w->job, lines[line], strlen(lines[line]), false, w->answers);
    for (uint32_t i = 0; i < lc_job_tasks(w->job) && err == LC_OK; i++) {
        if (w->answers[i].skipped) {
            continue;
        }
        meta.seq++;
        size_t bytes =
            lc_record_write(w->job, &w->answers[i], &meta, w->record, LC_RECORD_BYTES_MAX);
        w->record[bytes] = '\n';
        if (bytes == 0) {
            err = LC_ERR_LIMIT;
        } else if (!take(ctx, line + 1, w->record, bytes + 1)) {
            err = LC_ERR_CANCELLED;
        }
    }
    return err;
}

static lc_err lines_run(walk *w, record_take *take, void *ctx, lc_diag *diag)
{
    lc_err err = lc_memory_open(&w->memory, walk_layout, w, diag);
    if (err != LC_OK) {
        return err;
    }
    for (uint32_t i = 0; i < LINES && err == LC_OK; i++) {
        err = line_run(w, i, take, ctx);
    }
    lc_memory_close(&w->memory);
    return err;
}

/* ---- the reference ---- */

static bool record_keep(void *ctx, uint32_t line, const char *record, size_t bytes)
{
    lc_selftest_lines *test = ctx;
    (void)line;
    char *grown = realloc(test->records, test->bytes + bytes);
    if (!grown) {
        return false;
    }
    memcpy(grown + test->bytes, record, bytes);
    test->records = grown;
    test->bytes += bytes;
    return true;
}

lc_err lc_selftest_lines_open(lc_selftest_lines *test, const lc_object *bundle, lc_objects *objects,
                              lc_tasks tasks, const lc_kernels *reference, lc_diag *diag)
{
    *test = (lc_selftest_lines){.bundle = *bundle, .objects = objects, .tasks = tasks};
    walk w = {.test = test, .kernels = reference};
    lc_err err = lines_run(&w, record_keep, test, diag);
    if (err != LC_OK) {
        lc_selftest_lines_close(test);
        return diag->err != LC_OK ? err
                                  : lc_fail(diag, err, 0, "the reference does not run the job");
    }
    return LC_OK;
}

/* ---- a level ---- */

typedef struct comparison {
    const lc_selftest_lines *test;
    const char *level;
    lc_difference *difference;
    size_t at;
} comparison;

static bool record_compare(void *ctx, uint32_t line, const char *record, size_t bytes)
{
    comparison *c = ctx;
    const char *kept = c->test->records + c->at;
    size_t left = c->test->bytes - c->at, same = 0;
    while (same < bytes && same < left && kept[same] == record[same]) {
        same++;
    }
    c->at += bytes;
    if (same == bytes) {
        return true;
    }
    *c->difference = (lc_difference){.level = c->level,
                                     .pass = "lines",
                                     .what = "record",
                                     .token = line,
                                     .index = (uint32_t)same};
    return false;
}

lc_err lc_selftest_lines_compare(const lc_selftest_lines *test, const lc_kernels *tested,
                                 lc_difference *difference, lc_diag *diag)
{
    walk w = {.test = test, .kernels = tested};
    comparison c = {.test = test, .level = tested->name, .difference = difference};
    *difference = (lc_difference){0};
    lc_err err = lines_run(&w, record_compare, &c, diag);
    return difference->level ? LC_OK : err;
}

void lc_selftest_lines_close(lc_selftest_lines *test)
{
    free(test->records);
    test->records = NULL;
}
