#include "actor.h"

struct lc_actor_rule {
    lc_act act[LC_ACTS_MAX];
    uint32_t act_count;
    lc_trend_state trend;
};

#define NO_OUTPUT LC_OUTPUTS_MAX

/* ---- opening ---- */

/* The output an act moves, NO_OUTPUT: there is none. */
static uint32_t output_of(const lc_actor *actor, const lc_act *act)
{
    const lc_actor_options *o = &actor->options;
    if (act->kind != LC_ACT_PIN) {
        return o->sound ? o->pin_count : NO_OUTPUT;
    }
    for (uint32_t i = 0; i < o->pin_count; i++) {
        if (lc_str_equal(o->pin[i].name, act->name)) {
            return i;
        }
    }
    return NO_OUTPUT;
}

static lc_err rule_init(lc_actor_rule *rule, const lc_actor_label *label, lc_diag *diag)
{
    *rule = (lc_actor_rule){
        .trend = {.of = label->of, .in = label->in, .clear_after_s = label->clear_after_s}};
    return lc_acts_parse(label->action, rule->act, &rule->act_count, diag);
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
    actor->output[o->pin_count] =
        (lc_output){.name = {"", 0}, .act.kind = LC_ACT_TONE, .starts_max = LC_OUTPUT_STARTS_MAX};
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

lc_str lc_actor_missing(const lc_actor *actor, uint32_t i)
{
    const lc_actor_rule *rule = &actor->rule[i];
    for (uint32_t j = 0; j < rule->act_count; j++) {
        const lc_act *act = &rule->act[j];
        if (output_of(actor, act) == NO_OUTPUT) {
            return act->kind == LC_ACT_PIN ? act->name : lc_str_from("sound");
        }
    }
    return (lc_str){"", 0};
}

/* ---- answers ---- */

static void act_begin(lc_actor *actor, uint64_t now_ms, const lc_act *act,
                      const lc_actor_label *label)
{
    uint32_t i = output_of(actor, act);
    if (i == NO_OUTPUT) {
        actor->missing++;
        return;
    }
    switch (lc_output_start(&actor->output[i], now_ms, act, label->priority)) {
    case LC_ACT_DONE:
        actor->begun++;
        actor->cause[i] = label;
        break;
    case LC_ACT_HELD:
        actor->held++;
        break;
    case LC_ACT_LIMITED:
        actor->limited++;
        break;
    }
}

static void rule_begin(lc_actor *actor, uint64_t now_ms, uint32_t i)
{
    const lc_actor_rule *rule = &actor->rule[i];
    for (uint32_t j = 0; j < rule->act_count && !actor->paused; j++) {
        act_begin(actor, now_ms, &rule->act[j], &actor->options.label[i]);
    }
}

/* What rule i moved and nobody else took over goes back. */
static void rule_end(lc_actor *actor, uint64_t now_ms, uint32_t i)
{
    for (uint32_t j = 0; j <= actor->options.pin_count; j++) {
        if (actor->cause[j] == &actor->options.label[i]) {
            actor->cause[j] = NULL;
            lc_output_rest(&actor->output[j], now_ms);
        }
    }
}

void lc_actor_answer(lc_actor *actor, uint64_t now_ms, uint32_t task, int32_t label)
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
            rule_begin(actor, now_ms, i);
        } else if (change == LC_TREND_CLEARED) {
            rule_end(actor, now_ms, i);
        }
    }
}

void lc_actor_acknowledge(lc_actor *actor, uint64_t now_ms)
{
    for (uint32_t i = 0; i <= actor->options.pin_count; i++) {
        actor->cause[i] = NULL;
        lc_output_rest(&actor->output[i], now_ms);
    }
}

void lc_actor_pause(lc_actor *actor, uint64_t now_ms, bool paused)
{
    if (paused && !actor->paused) {
        lc_actor_acknowledge(actor, now_ms);
    }
    actor->paused = paused;
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
    for (uint32_t i = 0; i <= actor->options.pin_count; i++) {
        lc_output *output = &actor->output[i];
        if (lc_output_next(output, now_ms)) {
            *what = (lc_actor_do){.output = i,
                                  .active = output->active,
                                  .act = output->act,
                                  .cause = actor->cause[i]};
            return true;
        }
    }
    return false;
}

uint64_t lc_actor_wake_ms(const lc_actor *actor)
{
    uint64_t wake = UINT64_MAX;
    for (uint32_t i = 0; i <= actor->options.pin_count; i++) {
        uint64_t at = lc_output_wake_ms(&actor->output[i]);
        wake = at < wake ? at : wake;
    }
    for (uint32_t i = 0; i < actor->options.label_count; i++) {
        uint64_t at = lc_trend_wake_ms(&actor->rule[i].trend);
        wake = actor->options.label[i].in > 0 && at < wake ? at : wake;
    }
    return wake;
}
