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

lc_err lc_job_place_lines(lc_job *job, lc_pack *pack, lc_arena *scratch)
{
    job->line = LC_PUSH(scratch, lc_job_line, job->lines);
    job->asked = LC_PUSH(scratch, lc_asked, job->lines);
    bool fits = job->line != NULL && job->asked != NULL;
    for (uint32_t i = 0; i < job->lines && fits; i++) {
        char *text = LC_PUSH(scratch, char, LC_CLEAN_BYTES_MAX);
        lc_facts *facts = LC_PUSH(scratch, lc_facts, 1);
        fits = text != NULL && facts != NULL;
        if (fits && !scratch->measuring) {
            job->line[i] = (lc_job_line){.job = job, .text = text, .facts = facts};
        }
    }
    lc_err err = fits ? LC_OK : LC_ERR_ARENA;
    for (uint32_t i = 0; i < job->pack_count && err == LC_OK; i++) {
        err = lc_pack_place(&pack[i], scratch);
    }
    return err;
}

/* ---- one task of a line ---- */

static const lc_task *task_of(const lc_job_line *l)
{
    return &l->job->task[l->task];
}

static lc_answer *answer_of(const lc_job_line *l)
{
    return &l->answers[l->task];
}

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
    const lc_job_line *l = ctx;
    for (uint32_t i = 0; i < l->task; i++) {
        if (lc_str_equal(l->answers[i].task->name, name)) {
            return label_of(&l->answers[i]);
        }
    }
    return (lc_str){"", 0};
}

/* What rules see of the answer so far. */
static void refresh(lc_job_line *l)
{
    l->env.label = label_of(answer_of(l));
    l->env.p = answer_of(l)->p;
    l->env.oos = answer_of(l)->oos;
}

static void run_rules(lc_job_line *l, const lc_stage *stage)
{
    const lc_rule *rule = lc_rules_first(stage, &l->env);
    if (rule != NULL) {
        lc_decide_rule(task_of(l), rule, answer_of(l));
        answer_of(l)->stage = stage->id;
        lc_answer_why(answer_of(l), rule->id);
    }
}

static void run_verify(lc_job_line *l, const lc_stage *stage)
{
    const lc_rule *rule = lc_rules_first(stage, &l->env);
    if (rule != NULL && l->verdict.objects == NULL) {
        l->verdict.objects = rule;
        lc_answer_why(answer_of(l), rule->id);
    }
}

/* Stages in order, up to one that asks a model, or NULL; those that score are passed over once the
 * answer is sure. */
static const lc_stage *run_stages(lc_job_line *l)
{
    const lc_task *task = task_of(l);
    for (; l->stage < task->stage_count; l->stage++) {
        const lc_stage *stage = &task->stage[l->stage];
        refresh(l);
        if (stage->type == LC_STAGE_VERIFY) {
            run_verify(l, stage);
        } else if (!lc_decide_sure(task, answer_of(l))) {
            if (stage->type != LC_STAGE_RULES) {
                return stage;
            }
            run_rules(l, stage);
        }
    }
    return NULL;
}

/* A label that needs evidence wants a true rule for it, whoever found the label. */
static void find_evidence(lc_job_line *l)
{
    const lc_task *task = task_of(l);
    int32_t label = answer_of(l)->label;
    refresh(l);
    if (label < 0 || !task->label[label].needs_evidence) {
        return;
    }
    for (uint32_t i = 0; i < task->stage_count && !l->verdict.evidence; i++) {
        const lc_stage *stage = &task->stage[i];
        if (stage->type == LC_STAGE_RULES) {
            l->verdict.evidence = lc_rules_support(stage, &l->env, label, answer_of(l));
        }
    }
}

/* True when there is something to run: its `when` holds, and the line can be read. */
static bool begin_task(lc_job_line *l)
{
    const lc_task *task = task_of(l);
    lc_answer *answer = answer_of(l);
    memset(answer, 0, sizeof *answer);
    answer->task = task;
    answer->label = -1;
    answer->facts = l->facts;
    answer->stage = (lc_str){"", 0};
    l->stage = 0;
    l->verdict.failed = l->verdict.evidence = false;
    l->verdict.objects = NULL;
    refresh(l);
    if (task->when != NULL && !lc_expr_eval(task->when, &l->env, NULL)) {
        answer->skipped = true;
        return false;
    }
    if (l->unusable != NULL) {
        lc_answer_why(answer, lc_str_from(l->unusable));
        answer->decision = LC_REJECT;
        return false;
    }
    if (l->replaced) {
        lc_answer_why(answer, lc_str_from("input:utf8"));
    }
    return true;
}

/* Takes a line on to the next stage that asks a model; NULL: all tasks are answered. */
static const lc_stage *advance(lc_job_line *l)
{
    for (; l->task < l->job->task_count; l->task++) {
        if (!l->begun && !begin_task(l)) {
            continue;
        }
        l->begun = true;
        const lc_stage *stage = run_stages(l);
        if (stage != NULL) {
            return stage;
        }
        find_evidence(l);
        lc_decide(task_of(l), &l->verdict, answer_of(l));
        l->begun = false;
    }
    return NULL;
}

/* ---- models ---- */

/* What a model made of a line. */
static void take_reading(lc_job_line *l, const lc_stage *stage, const lc_asked *asked)
{
    lc_answer *answer = answer_of(l);
    const lc_reading *read = &asked->read;
    answer->tokens = read->tokens;
    if (read->cut) {
        lc_answer_why(answer, lc_str_from("input:cut"));
    }
    if (read->err == LC_OK) {
        lc_decide_scores(task_of(l), l->job->kernels, &asked->scores, answer);
        answer->stage = stage->id;
    } else {
        l->verdict.failed = true;
        lc_answer_why(answer, lc_str_from(read->err == LC_ERR_CANCELLED ? "model:cancelled"
                                                                        : "model:number"));
    }
    l->stage++;
}

/* Lines that wait for a stage, in job->asked. */
static lc_err run_model(lc_job *job, const lc_stage *stage, uint32_t count)
{
    lc_pack *pack = &job->pack[stage->pack];
    uint32_t labels = task_of(&job->line[job->asked[0].line])->label_count;
    lc_err err = stage->type == LC_STAGE_HEAD
                     ? lc_head_run(pack, stage, job->scratch, job->asked, count)
                     : lc_labels_run(pack, stage->labels, labels, job->scratch, job->asked, count);
    for (uint32_t i = 0; i < count && err == LC_OK; i++) {
        take_reading(&job->line[job->asked[i].line], stage, &job->asked[i]);
    }
    return err;
}

/* Takes all lines on; those that wait for the same stage as the first that waits are asked about.
 * *count 0: all are answered. */
static const lc_stage *advance_all(lc_job *job, uint32_t lines, uint32_t *count)
{
    const lc_stage *first = NULL;
    *count = 0;
    for (uint32_t i = 0; i < lines; i++) {
        lc_job_line *l = &job->line[i];
        const lc_stage *stage = advance(l);
        if (stage != NULL && (first == NULL || stage == first)) {
            first = stage;
            job->asked[(*count)++] = (lc_asked){.text = {l->text, l->bytes}, .line = i};
        }
    }
    return first;
}

/* ---- lines ---- */

/* Cleans the text and finds facts. */
static void begin_line(lc_job_line *l, lc_str given, bool online, lc_answer *answers)
{
    uint32_t replaced = 0;
    l->unusable = given.bytes == 0                  ? "input:empty"
                  : given.bytes > LC_LINE_BYTES_MAX ? "input:long"
                                                    : NULL;
    if (l->unusable == NULL) {
        l->bytes = (uint32_t)lc_utf8_clean(given.data, given.bytes, l->text, &replaced);
    }
    lc_facts_find(l->text, l->bytes, l->facts);
    l->replaced = replaced != 0;
    l->answers = answers;
    l->env = (lc_expr_env){.text = l->text,
                           .bytes = l->bytes,
                           .facts = l->facts,
                           .task_label = earlier_label,
                           .ctx = l};
    l->verdict = (lc_verdict){.escalates = l->job->policy.escalates, .online = online};
}

lc_err lc_job_run_lines(lc_job *job, const lc_str *line, uint32_t count, bool online,
                        lc_answer *answers)
{
    lc_assert(count <= job->lines);
    lc_arena_rewind(job->scratch, job->mark);
    lc_err err = lc_job_place_lines(job, job->pack, job->scratch);
    for (uint32_t i = 0; i < count && err == LC_OK; i++) {
        begin_line(&job->line[i], line[i], online, answers + (size_t)i * job->task_count);
    }
    while (err == LC_OK) {
        uint32_t waiting = 0;
        const lc_stage *stage = advance_all(job, count, &waiting);
        if (waiting == 0) {
            break;
        }
        err = run_model(job, stage, waiting);
    }
    return err;
}

lc_err lc_job_run(lc_job *job, const char *text, size_t bytes, bool online, lc_answer *answers)
{
    const lc_str line = {text, bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX};
    return lc_job_run_lines(job, &line, 1, online, answers);
}
