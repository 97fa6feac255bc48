#include "actor.h"

struct lc_actor_rule {
    lc_order order[LC_ORDERS_MAX];
    uint32_t order_count;
    lc_trend_state trend;
};

static uint32_t output_count(const lc_actor *actor)
{
    return actor->options.pin_count + (actor->options.sound ? 1 : 0);
}

/* ---- opening ---- */

uint32_t lc_actor_output(const lc_actor_options *options, const lc_order *order)
{
    if (order->kind != LC_ORDER_PIN) {
        return options->sound ? options->pin_count : LC_OUTPUTS_MAX;
    }
    for (uint32_t i = 0; i < options->pin_count; i++) {
        if (lc_str_equal(options->pin[i].name, order->name)) {
            return i;
        }
    }
    return LC_OUTPUTS_MAX;
}

static lc_err rule_init(lc_actor_rule *rule, const lc_actor_label *label, lc_diag *diag)
{
    *rule = (lc_actor_rule){
        .trend = {.of = label->of, .in = label->in, .clear_after_s = label->clear_after_s}};
    lc_err err = lc_orders_parse(label->action, rule->order, &rule->order_count, diag);
    lc_order *before = NULL;
    for (uint32_t i = 0; i < rule->order_count && err == LC_OK; i++) {
        lc_order *order = &rule->order[i];
        if (order->kind != LC_ORDER_PIN && before) {
            before->then = order;
        }
        before = order->kind != LC_ORDER_PIN ? order : before;
    }
    return err;
}

/* Every pin begins at its safe level. */
static void outputs_init(lc_actor *actor)
{
    const lc_actor_options *o = &actor->options;
    for (uint32_t i = 0; i < o->pin_count; i++) {
        actor->output[i] = (lc_output){.name = o->pin[i].name,
                                       .safe = o->pin[i].safe,
                                       .active = o->pin[i].safe,
                                       .starts_max = o->pin[i].starts_max};
    }
    actor->output[o->pin_count] = (lc_output){
        .name = {"", 0}, .order.kind = LC_ORDER_TONE, .starts_max = LC_OUTPUT_STARTS_MAX};
}

lc_err lc_actor_init(lc_actor *actor, const lc_actor_options *options, lc_arena *state,
                     lc_diag *diag)
{
    lc_assert(options->pin_count < LC_OUTPUTS_MAX);
    *actor = (lc_actor){.options = *options};
    actor->rule = LC_PUSH(state, lc_actor_rule, options->label_count);
    if (!actor->rule) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "no room for actions");
    }
    outputs_init(actor);
    for (uint32_t i = 0; i < options->label_count && !state->measuring; i++) {
        lc_err err = rule_init(&actor->rule[i], &options->label[i], diag);
        if (err != LC_OK) {
            return lc_fail(diag, err, i, diag ? diag->text : "");
        }
    }
    return LC_OK;
}

/* ---- the audit ---- */

/* What can happen with every line is told as a run: of each output, and of what is not there. */
enum {
    RUN_HELD,
    RUN_LIMITED = LC_OUTPUTS_MAX,
    RUN_AWAY = 2 * LC_OUTPUTS_MAX,
    RUN_MISSING = 3 * LC_OUTPUTS_MAX,
    RUN_PAUSED
};

_Static_assert(RUN_PAUSED < LC_ACTOR_RUNS, "a run for each");

static lc_audit_entry entry_make(const lc_order *order, const lc_actor_label *label, uint64_t seq,
                                 const char *result)
{
    return (lc_audit_entry){.kind = LC_AUDIT_ACT,
                            .what = order->text,
                            .result = result,
                            .cause = "record",
                            .seq = seq,
                            .task = label->task_name,
                            .label = label->name};
}

static void done_tell(lc_actor *actor, const lc_order *order, const lc_actor_label *label,
                      uint64_t seq)
{
    lc_audit_entry entry = entry_make(order, label, seq, "done");
    if (actor->audit) {
        lc_audit_put(actor->audit, &entry);
    }
}

static void undone_tell(lc_actor *actor, uint64_t now_ms, uint32_t run, const lc_order *order,
                        const lc_actor_label *label, uint64_t seq, const char *result)
{
    lc_audit_entry entry = entry_make(order, label, seq, result);
    if (actor->audit) {
        lc_audit_again(actor->audit, now_ms, run, &entry);
    }
}

static void rest_tell(lc_actor *actor, uint32_t output, const lc_actor_why *why,
                      const lc_actor_label *label)
{
    bool pin = output < actor->options.pin_count;
    lc_audit_entry entry = {.kind = LC_AUDIT_ACT,
                            .what = pin ? actor->output[output].name : lc_str_from("sound"),
                            .result = "rest",
                            .cause = why->cause,
                            .by = why->by};
    if (label) {
        entry.task = label->task_name;
        entry.label = label->name;
    }
    if (actor->audit && lc_output_moved(&actor->output[output])) {
        lc_audit_put(actor->audit, &entry);
    }
}

/* ---- answers ---- */

static void order_begin(lc_actor *actor, uint64_t now_ms, uint64_t seq, const lc_order *order,
                        const lc_actor_label *label)
{
    uint32_t i = lc_actor_output(&actor->options, order);
    if (i == LC_OUTPUTS_MAX) {
        actor->missing++;
        undone_tell(actor, now_ms, RUN_MISSING, order, label, seq, "missing");
        return;
    }
    switch (lc_output_start(&actor->output[i], now_ms, order, label->priority)) {
    case LC_ORDER_DONE:
        actor->cause[i] = label;
        for (; order; order = order->then) {
            actor->begun++;
            done_tell(actor, order, label, seq);
        }
        break;
    case LC_ORDER_HELD:
        actor->held++;
        undone_tell(actor, now_ms, RUN_HELD + i, order, label, seq, "held");
        break;
    case LC_ORDER_LIMITED:
        actor->limited++;
        undone_tell(actor, now_ms, RUN_LIMITED + i, order, label, seq, "limited");
        break;
    }
}

static void rule_begin(lc_actor *actor, uint64_t now_ms, uint64_t seq, uint32_t i)
{
    const lc_actor_rule *rule = &actor->rule[i];
    const lc_actor_label *label = &actor->options.label[i];
    bool sounds = false;
    for (uint32_t j = 0; j < rule->order_count; j++) {
        bool follows = sounds && rule->order[j].kind != LC_ORDER_PIN; /* is begun with the first */
        sounds = sounds || rule->order[j].kind != LC_ORDER_PIN;
        if (follows) {
            continue;
        }
        if (actor->paused) {
            undone_tell(actor, now_ms, RUN_PAUSED, &rule->order[j], label, seq, "paused");
        } else {
            order_begin(actor, now_ms, seq, &rule->order[j], label);
        }
    }
}

/* What rule i moved and nobody else took over goes back. */
static void rule_end(lc_actor *actor, uint64_t now_ms, uint32_t i)
{
    static const lc_actor_why why = {"clear", {"", 0}};
    for (uint32_t j = 0; j < output_count(actor); j++) {
        if (actor->cause[j] == &actor->options.label[i]) {
            rest_tell(actor, j, &why, actor->cause[j]);
            actor->cause[j] = NULL;
            lc_output_rest(&actor->output[j], now_ms);
        }
    }
}

void lc_actor_answer(lc_actor *actor, uint64_t now_ms, uint64_t seq, uint32_t task, int32_t label)
{
    for (uint32_t i = 0; i < actor->options.label_count; i++) {
        const lc_actor_label *l = &actor->options.label[i];
        if (l->task != task) {
            continue;
        }
        bool same = l->label == label;
        lc_trend_change change = LC_TREND_SAME;
        if (l->in > 0) {
            change = lc_trend_answer(&actor->rule[i].trend, now_ms, same);
        } else if (same) {
            change = LC_TREND_RAISED;
        }
        if (change == LC_TREND_RAISED) {
            rule_begin(actor, now_ms, seq, i);
        } else if (change == LC_TREND_CLEARED) {
            rule_end(actor, now_ms, i);
        }
    }
}

void lc_actor_acknowledge(lc_actor *actor, uint64_t now_ms, const lc_actor_why *why)
{
    for (uint32_t i = 0; i < output_count(actor); i++) {
        rest_tell(actor, i, why, actor->cause[i]);
        actor->cause[i] = NULL;
        lc_output_rest(&actor->output[i], now_ms);
    }
}

void lc_actor_pause(lc_actor *actor, uint64_t now_ms, bool paused, lc_str by)
{
    const lc_actor_why why = {"input", by};
    if (paused && !actor->paused) {
        lc_actor_acknowledge(actor, now_ms, &why);
    }
    actor->paused = paused;
}

void lc_actor_unmoved(lc_actor *actor, uint64_t now_ms, uint32_t output)
{
    const lc_actor_label *label = actor->cause[output];
    lc_audit_entry entry = {.kind = LC_AUDIT_ACT,
                            .what = actor->output[output].name,
                            .result = "away",
                            .cause = "board"};
    if (label) {
        entry.task = label->task_name;
        entry.label = label->name;
    }
    if (actor->audit) {
        lc_audit_again(actor->audit, now_ms, RUN_AWAY + output, &entry);
    }
}

/* ---- what to do ---- */

static void trends_look(lc_actor *actor, uint64_t now_ms)
{
    for (uint32_t i = 0; i < actor->options.label_count; i++) {
        if (actor->options.label[i].in > 0 &&
            lc_trend_look(&actor->rule[i].trend, now_ms) == LC_TREND_CLEARED) {
            rule_end(actor, now_ms, i);
        }
    }
}

bool lc_actor_next(lc_actor *actor, uint64_t now_ms, lc_actor_do *what)
{
    trends_look(actor, now_ms);
    for (uint32_t i = 0; i < output_count(actor); i++) {
        lc_output *output = &actor->output[i];
        if (lc_output_next(output, now_ms)) {
            *what = (lc_actor_do){.output = i,
                                  .active = output->active,
                                  .order = output->order,
                                  .cause = actor->cause[i]};
            return true;
        }
    }
    return false;
}

uint64_t lc_actor_wake_ms(const lc_actor *actor)
{
    uint64_t wake = UINT64_MAX;
    for (uint32_t i = 0; i < output_count(actor); i++) {
        uint64_t at = lc_output_wake_ms(&actor->output[i]);
        wake = at < wake ? at : wake;
    }
    for (uint32_t i = 0; i < actor->options.label_count; i++) {
        uint64_t at = lc_trend_wake_ms(&actor->rule[i].trend);
        wake = actor->options.label[i].in > 0 && at < wake ? at : wake;
    }
    return wake;
}
