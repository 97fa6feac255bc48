#include "outputs.h"

#include "log.h"

static const lc_trend *trend_of(const lc_job *job, const lc_task *task, const lc_label *label)
{
    const lc_policy *policy = lc_job_policy(job);
    for (uint32_t i = 0; i < policy->trend_count; i++) {
        const lc_trend *trend = &policy->trend[i];
        if (lc_str_equal(trend->task, task->name) && lc_str_equal(trend->label, label->name)) {
            return trend;
        }
    }
    return NULL;
}

static lc_actor_label label_make(const lc_job *job, uint32_t task, uint32_t label)
{
    const lc_task *t = lc_job_task(job, task);
    const lc_label *l = &t->label[label];
    const lc_trend *trend = trend_of(job, t, l);
    lc_actor_label made = {.task = task,
                           .label = (int32_t)label,
                           .task_name = t->name,
                           .name = l->name,
                           .action = l->action,
                           .priority = l->cost_miss};
    if (trend) {
        made.of = trend->of;
        made.in = trend->in;
        made.clear_after_s = trend->clear_after_s;
    }
    return made;
}

static lc_err labels_bind(lc_outputs *outputs, const lc_job *job, lc_diag *diag)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < lc_job_tasks(job); i++) {
        const lc_task *task = lc_job_task(job, i);
        for (uint32_t j = 0; j < task->label_count; j++) {
            if (task->label[j].action.bytes == 0) {
                continue;
            }
            if (count == LC_OUTPUT_LABELS_MAX) {
                return lc_fail(diag, LC_ERR_LIMIT, 0, "more than 64 labels with actions");
            }
            outputs->label[count++] = label_make(job, i, j);
        }
    }
    outputs->options.label_count = count;
    return LC_OK;
}

lc_err lc_outputs_bind(lc_outputs *outputs, const lc_config *config, const lc_job *job,
                       lc_diag *diag)
{
    for (uint32_t i = 0; i < config->pin_count; i++) {
        const lc_config_pin *pin = &config->pin[i];
        outputs->pin[i] = (lc_actor_pin){lc_str_from(pin->name), pin->safe == 1, pin->per_minute};
    }
    outputs->options = (lc_actor_options){.pin = outputs->pin,
                                          .pin_count = config->pin_count,
                                          .sound = config->sound_device[0] != '\0',
                                          .label = outputs->label,
                                          .label_count = LC_OUTPUT_LABELS_MAX};
    return job ? labels_bind(outputs, job, diag) : LC_OK;
}

static void missing_tell(const lc_outputs *outputs, lc_str label, const lc_order *order)
{
    if (lc_actor_output(&outputs->options, order) < LC_OUTPUTS_MAX) {
        return;
    }
    lc_str missing = order->kind == LC_ORDER_PIN ? order->name : lc_str_from("sound");
    lc_log(LC_LOG_WARNING, "label %.*s: no output %.*s in the config; left out", (int)label.bytes,
           label.data, (int)missing.bytes, missing.data);
}

lc_err lc_outputs_check(const lc_outputs *outputs, const lc_job *job)
{
    for (uint32_t i = 0; i < outputs->options.label_count; i++) {
        const lc_actor_label *l = &outputs->label[i];
        lc_str name = lc_job_task(job, l->task)->label[l->label].name;
        lc_order order[LC_ORDERS_MAX];
        uint32_t count;
        lc_diag diag = {0};
        lc_err err = lc_orders_parse(l->action, order, &count, &diag);
        if (err != LC_OK) {
            lc_log(LC_LOG_ERROR, "label %.*s: action at byte %llu: %s", (int)name.bytes, name.data,
                   (unsigned long long)diag.offset, diag.text);
            return err;
        }
        for (uint32_t j = 0; j < count; j++) {
            missing_tell(outputs, name, &order[j]);
        }
    }
    return LC_OK;
}
