/* job_read.c - tasks and policy of section JOB, in one pass: every count against limits.h, every
 * name, number and reference checked. With measuring arenas nothing is stored, the same pushes are
 * counted.
 */
#include <string.h>

#include "job_opener.h"

/* ---- small parts ---- */

/* Index of a label among the first `count` of a task, -1: none. Read from the section, since the
 * tables are not there when measuring. */
static int32_t label_index(const lc_job_opener *o, uint32_t task, uint32_t count, lc_str name)
{
    lc_reader r = o->in.r;
    r.at = o->label_at[task];
    for (uint32_t i = 0; i < count; i++) {
        lc_str other = lc_read_str(&r);
        (void)lc_read_str(&r);
        (void)lc_read_f32(&r);
        (void)lc_read_u8(&r);
        (void)lc_read_str(&r);
        if (lc_str_equal(other, name)) {
            return (int32_t)i;
        }
    }
    return -1;
}

static int32_t task_index(const lc_job_opener *o, lc_str name)
{
    for (uint32_t i = 0; i < o->job.task_count; i++) {
        if (lc_str_equal(o->task[i].name, name)) {
            return (int32_t)i;
        }
    }
    return -1;
}

static bool has_label(const lc_job_opener *o, int32_t task, lc_str label)
{
    return task >= 0 && label_index(o, (uint32_t)task, o->task[task].label_count, label) >= 0;
}

/* ---- rules ---- */

static bool knows_label(void *ctx, lc_str task, lc_str label)
{
    const lc_job_opener *o = ctx;
    int32_t own = o->own ? (int32_t)o->job.task_count : -1;
    return has_label(o, task.bytes == 0 ? own : task_index(o, task), label);
}

static lc_err read_expr(lc_job_opener *o, bool own, lc_expr **expr)
{
    lc_str source;
    lc_diag inner = {0};
    lc_err err = lc_in_text(&o->in, LC_EXPR_BYTES_MAX, &source);
    if (err != LC_OK || source.bytes == 0) {
        return err;
    }
    uint64_t at = o->in.base + o->in.r.at - source.bytes;
    lc_expr_scope scope = {knows_label, o};
    o->own = own;
    err = lc_expr_compile_in(source.data, source.bytes, &scope, o->state, expr, &inner);
    return err == LC_OK ? LC_OK : lc_fail(o->in.diag, err, at + inner.offset, inner.text);
}

static lc_err read_rule(lc_job_opener *o, const lc_task *task, uint8_t type, lc_rule *rule)
{
    lc_err err = lc_in_name(&o->in, true, &rule->id);
    if (err == LC_OK) {
        err = read_expr(o, true, &rule->when);
    }
    if (err != LC_OK) {
        return err;
    }
    if (rule->when == NULL) {
        return lc_in_wrong(&o->in, "rule without a condition");
    }
    if (type == LC_STAGE_VERIFY) {
        rule->label = -1;
        rule->decision = lc_read_u8(&o->in.r);
        bool known = rule->decision >= LC_ESCALATE && rule->decision <= LC_REJECT;
        return !o->in.r.failed && known ? LC_OK : lc_in_wrong(&o->in, "unknown decision");
    }
    rule->label = lc_read_u16(&o->in.r);
    if (o->in.r.failed || (uint32_t)rule->label >= task->label_count) {
        return lc_in_wrong(&o->in, "rule for a label that is not there");
    }
    return lc_in_float(&o->in, 0.0f, 1.0f, &rule->p);
}

static lc_err read_rules(lc_job_opener *o, const lc_task *task, lc_stage *stage)
{
    lc_err err = lc_in_count(&o->in, 1, LC_RULES_MAX, &stage->rule_count);
    if (err != LC_OK) {
        return err;
    }
    stage->rule = LC_JOB_TABLE(o, lc_rule, stage->rule_count);
    if (stage->rule == NULL) {
        return lc_in_fail(&o->in, LC_ERR_ARENA, "state arena too small for rules");
    }
    for (uint32_t i = 0; i < stage->rule_count; i++) {
        lc_rule rule = {0};
        err = read_rule(o, task, stage->type, &rule);
        if (err != LC_OK) {
            return err;
        }
        LC_JOB_KEEP(o, stage->rule, i, rule);
    }
    return LC_OK;
}

/* ---- heads ---- */

/* Marks what an output stands for; false when it is out of range or stands twice. */
static bool take_class(int16_t class, uint32_t labels, bool seen[LC_CLASSES_MAX])
{
    if (class == LC_CLASS_UNUSED) {
        return true;
    }
    uint32_t slot = class == LC_CLASS_OOS ? labels : (uint32_t) class;
    if (class < LC_CLASS_UNUSED || slot > labels || (class >= 0 && slot == labels) || seen[slot]) {
        return false;
    }
    seen[slot] = true;
    return true;
}

static lc_err read_classes(lc_job_opener *o, const lc_task *task, lc_stage *stage)
{
    bool seen[LC_CLASSES_MAX] = {false};
    int16_t *class_of = LC_JOB_TABLE(o, int16_t, stage->outputs);
    if (class_of == NULL) {
        return lc_in_fail(&o->in, LC_ERR_ARENA, "state arena too small for a head");
    }
    for (uint32_t i = 0; i < stage->outputs; i++) {
        int16_t class = (int16_t)lc_read_u16(&o->in.r);
        if (o->in.r.failed || !take_class(class, task->label_count, seen)) {
            return lc_in_wrong(&o->in, "wrong label of a head's output");
        }
        LC_JOB_KEEP(o, class_of, i, class);
    }
    for (uint32_t i = 0; i < task->label_count; i++) {
        if (!seen[i]) {
            return lc_in_wrong(&o->in, "a label has no output in the head");
        }
    }
    stage->class_of = class_of;
    return LC_OK;
}

/* The pack of a stage and, in a job that names some, its adapter; *index: its number. */
static lc_err read_model(lc_job_opener *o, lc_stage *stage, uint32_t *index)
{
    *index = LC_JOB_NO_ADAPTER;
    stage->pack = lc_read_u8(&o->in.r);
    if (o->in.r.failed || stage->pack >= o->job.pack_count) {
        return lc_in_wrong(&o->in, "stage of a pack that is not there");
    }
    if (o->version == LC_JOB_VERSION_PLAIN) {
        return LC_OK;
    }
    *index = lc_read_u8(&o->in.r);
    if (*index == LC_JOB_NO_ADAPTER) {
        return LC_OK;
    }
    if (o->in.r.failed || *index >= o->job.adapter_count ||
        o->adapter_pack[*index] != stage->pack) {
        return lc_in_wrong(&o->in, "stage of an adapter that is not its pack's");
    }
    stage->adapter = o->state->measuring ? &o->adapter[*index] : &o->job.adapter[*index];
    return LC_OK;
}

static lc_err read_head(lc_job_opener *o, const lc_task *task, lc_stage *stage)
{
    uint32_t index = 0;
    lc_err err = read_model(o, stage, &index);
    if (err != LC_OK) {
        return err;
    }
    uint32_t classes = o->pack[stage->pack].model.info.classes;
    if (index != LC_JOB_NO_ADAPTER && o->adapter[index].classes > 0) {
        classes = o->adapter[index].classes;
    }
    err = lc_in_count(&o->in, 1, LC_CLASSES_MAX, &stage->outputs);
    if (err == LC_OK && stage->outputs != classes) {
        err = lc_in_wrong(&o->in, "head does not fit its pack");
    }
    return err == LC_OK ? read_classes(o, task, stage) : err;
}

/* ---- label scores ---- */

static lc_err read_prior(lc_job_opener *o, const lc_task *task, lc_labels *labels)
{
    labels->prior = LC_JOB_TABLE(o, float, task->label_count);
    if (labels->prior == NULL) {
        return lc_in_fail(&o->in, LC_ERR_ARENA, "state arena too small for a prior");
    }
    for (uint32_t i = 0; i < task->label_count; i++) {
        float prior = 0;
        lc_err err = lc_in_float(&o->in, -1e3f, 0.0f, &prior);
        if (err != LC_OK) {
            return err;
        }
        LC_JOB_KEEP(o, labels->prior, i, prior);
    }
    return LC_OK;
}

/* What it asks of its pack, and the prefix, which is its number's section. */
static lc_err place_prompt(lc_job_opener *o, uint32_t pack, lc_labels *labels)
{
    lc_section prefix = {.data = NULL};
    lc_pack *p = &o->pack[pack];
    uint32_t tokens = lc_labels_tokens(labels);
    o->reserved[pack] = o->reserved[pack] > tokens ? o->reserved[pack] : tokens;
    o->inner[pack] = o->inner[pack] > labels->inner ? o->inner[pack] : labels->inner;
    p->nodes = p->nodes > labels->nodes ? p->nodes : labels->nodes;
    bool found = lc_leaf_find(&o->leaf, LC_SECTION_PREFIX, o->prompts++, &prefix);
    if (found != (labels->prefix > 0)) {
        return lc_in_wrong(&o->in, "prefix of a prompt missing, or not asked for");
    }
    labels->snapshot = prefix.data;
    labels->snapshot_bytes = prefix.bytes;
    return LC_OK;
}

static lc_err read_label_score(lc_job_opener *o, const lc_task *task, lc_stage *stage)
{
    const char *why = NULL;
    lc_labels labels;
    uint32_t index = 0;
    lc_err err = read_model(o, stage, &index);
    if (err != LC_OK) {
        return err;
    }
    const lc_model_info *info = &o->pack[stage->pack].model.info;
    if (!info->causal) {
        return lc_in_fail(&o->in, LC_ERR_UNSUPPORTED, "label_score wants a causal model");
    }
    if (index != LC_JOB_NO_ADAPTER && o->adapter[index].layers < info->layers) {
        return lc_in_fail(&o->in, LC_ERR_UNSUPPORTED,
                          "label_score reads the last layer, its adapter exits before");
    }
    err = lc_labels_read(&o->in.r, info->vocab, task->label_count, o->state, &labels, &why);
    if (err != LC_OK) {
        return lc_in_fail(&o->in, err, why);
    }
    labels.adapter = stage->adapter;
    err = read_prior(o, task, &labels);
    if (err == LC_OK) {
        err = place_prompt(o, stage->pack, &labels);
    }
    stage->labels = LC_PUSH(o->state, lc_labels, 1);
    if (err == LC_OK && stage->labels == NULL) {
        err = lc_in_fail(&o->in, LC_ERR_ARENA, "state arena too small for a label_score stage");
    }
    if (err == LC_OK) {
        LC_JOB_KEEP(o, stage->labels, 0, labels);
    }
    return err;
}

/* ---- tasks ---- */

static lc_err read_label(lc_job_opener *o, lc_label *label)
{
    lc_err err = lc_in_name(&o->in, false, &label->name);
    if (err == LC_OK) {
        err = lc_in_text(&o->in, LC_LABEL_TEXT_BYTES_MAX, &label->text);
    }
    if (err == LC_OK) {
        err = lc_in_float(&o->in, 0.0f, 1e6f, &label->cost_miss);
    }
    if (err == LC_OK) {
        err = lc_in_flag(&o->in, &label->needs_evidence);
    }
    return err == LC_OK ? lc_in_text(&o->in, LC_LABEL_TEXT_BYTES_MAX, &label->action) : err;
}

static lc_err read_labels(lc_job_opener *o, lc_task *task)
{
    uint32_t own = o->job.task_count;
    lc_err err = lc_in_count(&o->in, 1, LC_LABELS_MAX, &task->label_count);
    if (err != LC_OK) {
        return err;
    }
    o->label_at[own] = o->in.r.at;
    task->label = LC_JOB_TABLE(o, lc_label, task->label_count);
    if (task->label == NULL) {
        return lc_in_fail(&o->in, LC_ERR_ARENA, "state arena too small for labels");
    }
    for (uint32_t i = 0; i < task->label_count; i++) {
        lc_label label = {0};
        err = read_label(o, &label);
        if (err == LC_OK && label_index(o, own, i, label.name) >= 0) {
            err = lc_in_wrong(&o->in, "label stands twice");
        }
        if (err != LC_OK) {
            return err;
        }
        LC_JOB_KEEP(o, task->label, i, label);
    }
    return LC_OK;
}

static lc_err read_stage(lc_job_opener *o, const lc_task *task, lc_stage *stage)
{
    lc_err err = lc_in_name(&o->in, true, &stage->id);
    if (err != LC_OK) {
        return err;
    }
    stage->type = lc_read_u8(&o->in.r);
    switch (o->in.r.failed ? 0 : stage->type) {
    case LC_STAGE_RULES:
    case LC_STAGE_VERIFY:
        return read_rules(o, task, stage);
    case LC_STAGE_HEAD:
        return read_head(o, task, stage);
    case LC_STAGE_LABEL_SCORE:
        return read_label_score(o, task, stage);
    default:
        return lc_in_fail(&o->in, LC_ERR_UNSUPPORTED, "unknown type of stage");
    }
}

static lc_err read_stages(lc_job_opener *o, lc_task *task)
{
    lc_err err = lc_in_count(&o->in, 1, LC_STAGES_MAX, &task->stage_count);
    if (err != LC_OK) {
        return err;
    }
    task->stage = LC_JOB_TABLE(o, lc_stage, task->stage_count);
    if (task->stage == NULL) {
        return lc_in_fail(&o->in, LC_ERR_ARENA, "state arena too small for stages");
    }
    for (uint32_t i = 0; i < task->stage_count; i++) {
        lc_stage stage = {0};
        err = read_stage(o, task, &stage);
        if (err != LC_OK) {
            return err;
        }
        LC_JOB_KEEP(o, task->stage, i, stage);
    }
    return LC_OK;
}

static lc_err read_bias(lc_job_opener *o, lc_task *task)
{
    float *bias = LC_JOB_TABLE(o, float, task->label_count);
    if (bias == NULL) {
        return lc_in_fail(&o->in, LC_ERR_ARENA, "state arena too small for a calibration");
    }
    for (uint32_t i = 0; i < task->label_count; i++) {
        float b = 0;
        lc_err err = lc_in_float(&o->in, -1e3f, 1e3f, &b);
        if (err != LC_OK) {
            return err;
        }
        LC_JOB_KEEP(o, bias, i, b);
    }
    task->calibration.bias = bias;
    return LC_OK;
}

static lc_err read_calibration(lc_job_opener *o, lc_task *task)
{
    lc_calibration *c = &task->calibration;
    const struct {
        float *to, least, most;
    } row[] = {{&c->threshold, 0, 1},       {&c->alpha, 0, 1},        {&c->oos_w[0], -1e3f, 1e3f},
               {&c->oos_w[1], -1e3f, 1e3f}, {&c->oos_c, -1e3f, 1e3f}, {&c->oos_t, 0, 1}};
    lc_err err = lc_in_float(&o->in, 1e-2f, 1e2f, &c->temperature);
    if (err == LC_OK) {
        err = read_bias(o, task);
    }
    for (uint32_t i = 0; i < 2 && err == LC_OK; i++) {
        err = lc_in_float(&o->in, row[i].least, row[i].most, row[i].to);
    }
    if (err == LC_OK) {
        err = lc_in_flag(&o->in, &c->has_oos);
    }
    for (uint32_t i = 2; i < sizeof row / sizeof row[0] && err == LC_OK; i++) {
        err = lc_in_float(&o->in, row[i].least, row[i].most, row[i].to);
    }
    if (err != LC_OK) {
        return err;
    }
    c->lines = lc_read_u32(&o->in.r);
    const uint8_t *set = lc_read_bytes(&o->in.r, sizeof c->set);
    if (set == NULL) {
        return lc_in_wrong(&o->in, "calibration ends early");
    }
    memcpy(c->set, set, sizeof c->set);
    return LC_OK;
}

static lc_err read_task(lc_job_opener *o, lc_task *task)
{
    lc_err err = lc_in_name(&o->in, true, &task->name);
    if (err == LC_OK && task_index(o, task->name) >= 0) {
        err = lc_in_wrong(&o->in, "task stands twice");
    }
    if (err == LC_OK) {
        err = read_expr(o, false, &task->when);
    }
    if (err == LC_OK) {
        err = read_labels(o, task);
    }
    if (err == LC_OK) {
        err = read_stages(o, task);
    }
    if (err == LC_OK) {
        err = read_calibration(o, task);
    }
    if (err == LC_OK) {
        err = lc_in_float(&o->in, 0, 1, &task->target_precision);
    }
    return err == LC_OK ? lc_in_float(&o->in, 0, 1, &task->target_local_share) : err;
}

lc_err lc_job_read_tasks(lc_job_opener *o)
{
    uint32_t count = 0;
    lc_err err = lc_in_count(&o->in, 1, LC_TASKS_MAX, &count);
    for (uint32_t i = 0; i < count && err == LC_OK; i++) {
        err = read_task(o, &o->task[i]);
        o->job.task_count += err == LC_OK;
    }
    if (err != LC_OK) {
        return err;
    }
    o->job.task = LC_JOB_TABLE(o, lc_task, count);
    if (o->job.task == NULL) {
        return lc_in_fail(&o->in, LC_ERR_ARENA, "state arena too small for tasks");
    }
    for (uint32_t i = 0; i < count; i++) {
        LC_JOB_KEEP(o, o->job.task, i, o->task[i]);
    }
    return LC_OK;
}

/* ---- policy ---- */

static lc_err read_names(lc_job_opener *o, bool ascii, lc_str **names, uint32_t *count)
{
    lc_err err = lc_in_count(&o->in, 0, LC_PRIVACY_MAX, count);
    if (err != LC_OK) {
        return err;
    }
    *names = LC_JOB_TABLE(o, lc_str, *count);
    if (*names == NULL) {
        return lc_in_fail(&o->in, LC_ERR_ARENA, "state arena too small for names");
    }
    for (uint32_t i = 0; i < *count; i++) {
        lc_str name;
        err = lc_in_name(&o->in, ascii, &name);
        if (err != LC_OK) {
            return err;
        }
        LC_JOB_KEEP(o, *names, i, name);
    }
    return LC_OK;
}

static lc_err read_trend(lc_job_opener *o, lc_trend *trend)
{
    lc_err err = lc_in_name(&o->in, true, &trend->task);
    if (err == LC_OK) {
        err = lc_in_name(&o->in, false, &trend->label);
    }
    if (err != LC_OK) {
        return err;
    }
    trend->of = lc_read_u16(&o->in.r);
    trend->in = lc_read_u16(&o->in.r);
    trend->clear_after_s = lc_read_u32(&o->in.r);
    if (o->in.r.failed || trend->of == 0 || trend->of > trend->in) {
        return lc_in_wrong(&o->in, "trend out of range");
    }
    return has_label(o, task_index(o, trend->task), trend->label)
               ? LC_OK
               : lc_in_wrong(&o->in, "trend of a label that is not there");
}

static lc_err read_trends(lc_job_opener *o)
{
    lc_policy *p = &o->job.policy;
    lc_err err = lc_in_count(&o->in, 0, LC_TRENDS_MAX, &p->trend_count);
    if (err != LC_OK) {
        return err;
    }
    p->trend = LC_JOB_TABLE(o, lc_trend, p->trend_count);
    if (p->trend == NULL) {
        return lc_in_fail(&o->in, LC_ERR_ARENA, "state arena too small for trends");
    }
    for (uint32_t i = 0; i < p->trend_count; i++) {
        lc_trend trend;
        err = read_trend(o, &trend);
        if (err != LC_OK) {
            return err;
        }
        LC_JOB_KEEP(o, p->trend, i, trend);
    }
    return LC_OK;
}

static lc_err read_report(lc_job_opener *o)
{
    lc_policy *p = &o->job.policy;
    p->report_qos = lc_read_u8(&o->in.r);
    p->report_batch = lc_read_u16(&o->in.r);
    if (p->report_qos > 2) {
        return lc_in_wrong(&o->in, "report qos out of range");
    }
    lc_err err = lc_in_flag(&o->in, &p->report_text);
    if (err == LC_OK) {
        err = lc_in_flag(&o->in, &p->has_drift);
    }
    p->drift_window = lc_read_u32(&o->in.r);
    if (err == LC_OK) {
        err = lc_in_float(&o->in, 0, 1e3f, &p->drift_psi);
    }
    return err == LC_OK ? lc_in_float(&o->in, 0, 1, &p->drift_oos_rate) : err;
}

lc_err lc_job_read_policy(lc_job_opener *o)
{
    lc_policy *p = &o->job.policy;
    lc_err err = lc_in_flag(&o->in, &p->escalates);
    p->deadline_ms = lc_read_u32(&o->in.r);
    p->ttl_s = lc_read_u32(&o->in.r);
    p->calls_per_day = lc_read_u32(&o->in.r);
    if (err == LC_OK) {
        err = lc_in_float(&o->in, 0, 1e9f, &p->money_per_day);
    }
    if (err == LC_OK) {
        err = read_names(o, false, &p->never, &p->never_count);
    }
    if (err == LC_OK) {
        err = read_names(o, true, &p->redact, &p->redact_count);
    }
    if (err == LC_OK) {
        err = read_report(o);
    }
    return err == LC_OK ? read_trends(o) : err;
}
