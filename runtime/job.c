/* job.c - one line through the chain of every task. */
#include <string.h>

#include "job_parts.h"
#include "labels.h"

/* ---- what a job is ---- */

lc_str lc_job_name(const lc_job *job)
{
    return job->name;
}

uint32_t lc_job_ver(const lc_job *job)
{
    return job->ver;
}

const uint8_t *lc_job_root(const lc_job *job)
{
    return job->root;
}

bool lc_job_escalates(const lc_job *job)
{
    return job->policy.escalates;
}

const lc_policy *lc_job_policy(const lc_job *job)
{
    return &job->policy;
}

uint32_t lc_job_tasks(const lc_job *job)
{
    return job->task_count;
}

const lc_task *lc_job_task(const lc_job *job, uint32_t i)
{
    lc_assert(i < job->task_count);
    return &job->task[i];
}

uint32_t lc_job_packs(const lc_job *job)
{
    return job->pack_count;
}

const lc_model *lc_job_pack(const lc_job *job, uint32_t i)
{
    lc_assert(i < job->pack_count);
    return &job->pack[i].model;
}

uint32_t lc_job_adapters(const lc_job *job)
{
    return job->adapter_count;
}

const lc_adapter *lc_job_adapter(const lc_job *job, uint32_t i)
{
    lc_assert(i < job->adapter_count);
    return &job->adapter[i];
}

static bool is_id_char(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

bool lc_name_valid(lc_str name, bool ascii)
{
    if (name.bytes == 0 || name.bytes > LC_NAME_BYTES_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < name.bytes;) {
        uint32_t c = 0, n = lc_utf8_decode(name.data + i, name.bytes - i, &c);
        if (n == 0 || c < 0x20 || c == 0x7f || (ascii && !is_id_char(c))) {
            return false;
        }
        i += n;
    }
    return true;
}

lc_err lc_job_place_line(lc_job *job, lc_pack *pack, lc_arena *scratch)
{
    job->line.text = LC_PUSH(scratch, char, LC_CLEAN_BYTES_MAX);
    job->line.facts = LC_PUSH(scratch, lc_facts, 1);
    if (job->line.text == NULL || job->line.facts == NULL) {
        return LC_ERR_ARENA;
    }
    for (uint32_t i = 0; i < job->pack_count; i++) {
        lc_err err = lc_pack_place(&pack[i], scratch);
        if (err != LC_OK) {
            return err;
        }
    }
    return LC_OK;
}

/* ---- one task ---- */

/* What the chain of one task has come to. */
typedef struct chain {
    lc_job *job;
    const lc_task *task;
    lc_answer *answer;
    lc_expr_env env;
    lc_verdict verdict;
} chain;

static lc_str label_of(const lc_answer *answer)
{
    if (answer->skipped || answer->label < 0) {
        return (lc_str){"", 0};
    }
    return answer->task->label[answer->label].name;
}

/* For rules: label of an earlier task. */
static lc_str earlier_label(void *ctx, lc_str name)
{
    const lc_job_line *line = &((const lc_job *)ctx)->line;
    for (uint32_t i = 0; i < line->answer_count; i++) {
        if (lc_str_equal(line->answers[i].task->name, name)) {
            return label_of(&line->answers[i]);
        }
    }
    return (lc_str){"", 0};
}

/* What rules see of the answer so far. */
static void refresh(chain *c)
{
    c->env.label = label_of(c->answer);
    c->env.p = c->answer->p;
    c->env.oos = c->answer->oos;
}

static void run_rules(chain *c, const lc_stage *stage)
{
    const lc_rule *rule = lc_rules_first(stage, &c->env);
    if (rule != NULL) {
        lc_decide_rule(c->task, rule, c->answer);
        c->answer->stage = stage->id;
        lc_answer_why(c->answer, rule->id);
    }
}

/* What is said of a line that a model read. */
static void note_reading(chain *c, const lc_reading *read)
{
    c->answer->tokens = read->tokens;
    if (read->cut) {
        lc_answer_why(c->answer, lc_str_from("input:cut"));
    }
    if (read->err != LC_OK) {
        c->verdict.failed = true;
        lc_answer_why(c->answer, lc_str_from(read->err == LC_ERR_CANCELLED ? "model:cancelled"
                                                                           : "model:number"));
    }
}

static lc_err run_model(chain *c, const lc_stage *stage)
{
    lc_arena *scratch = c->job->scratch;
    lc_pack *pack = &c->job->pack[stage->pack];
    lc_str text = {c->env.text, c->env.bytes};
    lc_reading read;
    lc_scores scores;
    lc_err err = stage->type == LC_STAGE_HEAD
                     ? lc_head_run(pack, stage, scratch, text, &read, &scores)
                     : lc_labels_run(pack, stage->labels, c->task->label_count, scratch, text,
                                     &read, &scores);
    if (err != LC_OK) {
        return err;
    }
    note_reading(c, &read);
    if (read.err == LC_OK) {
        lc_decide_scores(c->task, c->job->kernels, &scores, c->answer);
        c->answer->stage = stage->id;
    }
    return LC_OK;
}

static void run_verify(chain *c, const lc_stage *stage)
{
    const lc_rule *rule = lc_rules_first(stage, &c->env);
    if (rule != NULL && c->verdict.objects == NULL) {
        c->verdict.objects = rule;
        lc_answer_why(c->answer, rule->id);
    }
}

/* Stages in order; those that score are passed over once the answer is sure. */
static lc_err run_stages(chain *c)
{
    lc_err err = LC_OK;
    for (uint32_t i = 0; i < c->task->stage_count && err == LC_OK; i++) {
        const lc_stage *stage = &c->task->stage[i];
        refresh(c);
        if (stage->type == LC_STAGE_VERIFY) {
            run_verify(c, stage);
        } else if (!lc_decide_sure(c->task, c->answer)) {
            if (stage->type == LC_STAGE_RULES) {
                run_rules(c, stage);
            } else {
                err = run_model(c, stage);
            }
        }
    }
    return err;
}

/* A label that needs evidence wants a true rule for it, whoever found the label. */
static void find_evidence(chain *c)
{
    int32_t label = c->answer->label;
    refresh(c);
    if (label < 0 || !c->task->label[label].needs_evidence) {
        return;
    }
    for (uint32_t i = 0; i < c->task->stage_count && !c->verdict.evidence; i++) {
        const lc_stage *stage = &c->task->stage[i];
        if (stage->type == LC_STAGE_RULES) {
            c->verdict.evidence = lc_rules_support(stage, &c->env, label, c->answer);
        }
    }
}

static lc_err run_task(chain *c)
{
    lc_err err = run_stages(c);
    if (err == LC_OK) {
        find_evidence(c);
        lc_decide(c->task, &c->verdict, c->answer);
    }
    return err;
}

/* ---- one line ---- */

static void begin_answer(const lc_job *job, const lc_task *task, lc_answer *answer)
{
    memset(answer, 0, sizeof *answer);
    answer->task = task;
    answer->label = -1;
    answer->facts = job->line.facts;
    answer->stage = (lc_str){"", 0};
}

/* Cleans the text and finds facts. Returns why nothing can be read, or NULL; *replaced: bytes that
 * were no UTF-8. */
static const char *begin_line(lc_job *job, const char *text, size_t bytes, uint32_t *replaced)
{
    const char *why = bytes == 0 ? "input:empty" : bytes > LC_LINE_BYTES_MAX ? "input:long" : NULL;
    job->line.bytes = 0;
    *replaced = 0;
    if (why == NULL) {
        job->line.bytes = (uint32_t)lc_utf8_clean(text, bytes, job->line.text, replaced);
    }
    lc_facts_find(job->line.text, job->line.bytes, job->line.facts);
    return why;
}

/* One task of a line; `unusable` says why nothing can be read. */
static lc_err answer_task(lc_job *job, chain *c, const char *unusable, bool replaced)
{
    c->env.task_label = earlier_label;
    c->env.ctx = job;
    refresh(c);
    if (c->task->when != NULL && !lc_expr_eval(c->task->when, &c->env, NULL)) {
        c->answer->skipped = true;
        return LC_OK;
    }
    if (unusable != NULL) {
        lc_answer_why(c->answer, lc_str_from(unusable));
        c->answer->decision = LC_REJECT;
        return LC_OK;
    }
    if (replaced) {
        lc_answer_why(c->answer, lc_str_from("input:utf8"));
    }
    return run_task(c);
}

lc_err lc_job_run(lc_job *job, const char *text, size_t bytes, bool online, lc_answer *answers)
{
    uint32_t replaced = 0;
    lc_arena_rewind(job->scratch, job->mark);
    lc_err err = lc_job_place_line(job, job->pack, job->scratch);
    if (err != LC_OK) {
        return err;
    }
    const char *unusable = begin_line(job, text, bytes, &replaced);
    for (uint32_t i = 0; i < job->task_count && err == LC_OK; i++) {
        const lc_task *task = &job->task[i];
        begin_answer(job, task, &answers[i]);
        job->line.answers = answers;
        job->line.answer_count = i;
        chain c = {
            .job = job,
            .task = task,
            .answer = &answers[i],
            .env = {.text = job->line.text, .bytes = job->line.bytes, .facts = job->line.facts},
            .verdict = {.escalates = job->policy.escalates, .online = online}};
        err = answer_task(job, &c, unusable, replaced != 0);
    }
    return err;
}
