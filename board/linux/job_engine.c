/* job_engine.c - one line through the job, its answers written as records. */
#include "job_engine.h"

#include "../../runtime/decide.h"
#include "cpu.h"
#include "loop.h"

lc_err lc_job_engine_init(lc_job_engine *engine, uint32_t tasks, lc_arena *state)
{
    engine->answer = LC_PUSH(state, lc_answer, tasks);
    engine->out = LC_PUSH(state, char, (size_t)tasks *LC_RECORD_BYTES_MAX);
    const lc_policy *policy = state->measuring ? NULL : lc_job_policy(engine->job);
    lc_err err = lc_screen_init(&engine->screen, policy, state);
    return engine->answer && engine->out ? err : LC_ERR_ARENA;
}

static float cost_min(const lc_task *task)
{
    float least = task->label[0].cost_miss;
    for (uint32_t i = 1; i < task->label_count; i++) {
        least = task->label[i].cost_miss < least ? task->label[i].cost_miss : least;
    }
    return least;
}

bool lc_job_alarm(const lc_task *task, int32_t label)
{
    if (label < 0 || task->label_count == 0) {
        return false;
    }
    const lc_label *l = &task->label[label];
    return l->action.bytes > 0 || l->cost_miss > cost_min(task);
}

static lc_record_meta meta_make(const lc_job_engine *engine, const lc_work *work,
                                const uint8_t *hash)
{
    lc_str text = {NULL, 0};
    if (engine->text && engine->screen.kinds != 0 && engine->screen.clear) {
        text = (lc_str){engine->screen.text, engine->screen.bytes};
    } else if (engine->text && engine->screen.kinds == 0 && work->bytes <= LC_LINE_BYTES_MAX) {
        text = (lc_str){work->text, work->bytes};
    }
    return (lc_record_meta){.dev = engine->dev,
                            .boot = engine->boot,
                            .ts_ms = work->ts_ms,
                            .up_ms = work->up_ms,
                            .tq = work->tq,
                            .src = engine->source[work->source],
                            .in = hash,
                            .text = text};
}

/* Type of the stage that answered, 0: none did. */
static uint8_t stage_of(const lc_answer *answer)
{
    const lc_task *task = answer->task;
    for (uint32_t i = 0; i < task->stage_count && answer->stage.bytes > 0; i++) {
        if (lc_str_equal(task->stage[i].id, answer->stage)) {
            return task->stage[i].type;
        }
    }
    return 0;
}

/* Renders the answer as record number `seq`; false for a task that was skipped. */
static bool answer_render(lc_job_engine *engine, uint32_t task, lc_record_meta *meta, bool hard,
                          lc_node_record *record)
{
    const lc_answer *answer = &engine->answer[task];
    char *out = engine->out + (size_t)task * LC_RECORD_BYTES_MAX;
    if (answer->skipped) {
        return false;
    }
    size_t bytes = lc_record_write(engine->job, answer, meta, out, LC_RECORD_BYTES_MAX);
    if (bytes == 0) { /* facts and reasons may be too many: the line still gets its record */
        meta->text = (lc_str){NULL, 0};
        bytes = lc_record_write(engine->job, answer, meta, out, LC_RECORD_BYTES_MAX);
    }
    lc_assert(bytes > 0);
    lc_str none = {"", 0};
    *record = (lc_node_record){
        .task = task,
        .json = out,
        .bytes = (uint32_t)bytes,
        .decision = answer->decision,
        .label = answer->label,
        .alarm = lc_job_alarm(answer->task, answer->label),
        .p = answer->p,
        .oos = lc_decide_out_of_scope(answer->task, answer),
        .stage = stage_of(answer),
        .label_name = answer->label < 0 ? none : answer->task->label[answer->label].name};
    if (hard && engine->screen.leaves) {
        record->ask = (lc_str){engine->screen.text, engine->screen.bytes};
        record->map = &engine->screen.map;
    }
    return true;
}

uint32_t lc_job_engine_run(void *ctx, const lc_work *work, const volatile bool *cancel,
                           lc_node_record *record)
{
    lc_job_engine *engine = ctx;
    uint8_t hash[32];
    uint32_t count = 0;
    (void)cancel; /* the job was opened with its address */
    uint64_t start_us = lc_loop_now_us(), start_cpu_us = lc_cpu_time_us();
    uint32_t tasks = lc_job_tasks(engine->job), hard = 0;
    /* As if it could be asked: then it is known which answers would be, and may be later. */
    lc_err err = lc_job_run(engine->job, work->text, work->bytes, true, engine->answer);
    if (err != LC_OK) { /* only for want of scratch, which was planned */
        engine->failed++;
        return 0;
    }
    for (uint32_t task = 0; task < tasks; task++) {
        const lc_answer *a = &engine->answer[task];
        hard |= (!a->skipped && a->decision == LC_ESCALATE ? 1u : 0u) << task;
    }
    lc_screen_line(&engine->screen, lc_job_policy(engine->job), (lc_str){work->text, work->bytes},
                   work->online, work->bar, engine->answer, tasks);
    size_t kept = work->bytes > LC_LINE_BYTES_MAX ? 0 : work->bytes;
    lc_hasher_hash(&engine->hasher, work->text, kept, hash);
    lc_record_meta meta = meta_make(engine, work, hash);
    meta.ms = (float)(lc_loop_now_us() - start_us) / 1000.0f;
    for (uint32_t task = 0; task < tasks; task++) {
        meta.seq = work->seq + count;
        count += answer_render(engine, task, &meta, (hard >> task & 1u) != 0, &record[count]);
    }
    record[0].work_us = lc_cpu_time_us() - start_cpu_us; /* the pool works for it, too */
    return count;
}
