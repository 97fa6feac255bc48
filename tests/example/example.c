/* The library in forty lines: every line of text in data.S becomes a record, in static memory. */
#include <stdio.h>
#include <stdlib.h>
#include "arenas.h" /* leafcutter plan --header models/triage/triage.leaf */
#include "runtime/leafcutter.h"

extern const uint8_t bundle[], bundle_end[], pack[], pack_end[]; /* data.S */
extern const char text[], text_end[];
static _Alignas(LC_ARENA_ALIGN) uint8_t state_memory[LC_PLAN_STATE_BYTES];
static _Alignas(LC_ARENA_ALIGN) uint8_t scratch_memory[LC_PLAN_SCRATCH_BYTES];
static lc_answer answer[LC_TASKS_MAX]; /* one a task */
static char record[LC_RECORD_BYTES_MAX + 1];

void lc_panic(const char *file, int line, const char *what)
{
    (void)file, (void)line, (void)puts(what);
    exit(EXIT_FAILURE);
}
static lc_err find_pack(void *ctx, const uint8_t root[32], lc_object *object)
{
    (void)ctx, (void)root; /* lc_job_open compares the root itself */
    *object = (lc_object){pack, (size_t)(pack_end - pack)};
    return LC_OK;
}
int main(void)
{
    lc_arena state, scratch;
    lc_arena_init(&state, state_memory, sizeof state_memory);
    lc_arena_init(&scratch, scratch_memory, sizeof scratch_memory);
    const lc_object object = {bundle, (size_t)(bundle_end - bundle)};
    const lc_job_options options = {.kernels = lc_level_best(LC_CPU_BASELINE)};
    lc_job *job;
    lc_diag diag;
    if (lc_job_open(&object, find_pack, NULL, &options, &state, &scratch, &job, &diag) != LC_OK)
        lc_panic("bundle", 0, diag.text);
    lc_record_meta meta = {.dev = lc_str_from("example"), .tq = lc_str_from("none"), .seq = 1};
    for (const char *line = text, *end; line < text_end; line = end + 1, meta.seq++) {
        for (end = line; *end != '\n'; end++) {}
        if (lc_job_run(job, line, (size_t)(end - line), false, answer) != LC_OK)
            lc_panic(line, (int)meta.seq, "out of memory");
        record[lc_record_write(job, answer, &meta, record, LC_RECORD_BYTES_MAX)] = 0;
        puts(record);
    }
    return 0;
}
