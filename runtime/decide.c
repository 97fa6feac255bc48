/* decide.c - calibrated probabilities and what follows from them. No libm: exp is the kernels'
 * softmax, log that of kernels/math.h. */
#include "decide.h"

#include <string.h>

#include "../kernels/math.h"

/* ---- log and sigmoid ---- */

/* Outputs beyond this say nothing more, and sums with them stay finite. */
static float bounded(float z)
{
    const float most = 1e6f;
    return z > most ? most : z < -most ? -most : z;
}

/* max x - log(softmax of the largest): one softmax, no exp of our own. */
float lc_log_sum_exp(const lc_kernels *kernels, float *x, uint32_t n)
{
    uint32_t most = 0;
    for (uint32_t i = 1; i < n; i++) {
        most = x[i] > x[most] ? i : most;
    }
    float top = x[most];
    kernels->softmax(x, n);
    return (float)((double)top - lc_log((double)x[most]));
}

static float sigmoid(const lc_kernels *kernels, float a)
{
    float x[2] = {a, 0.0f};
    kernels->softmax(x, 2);
    return x[0];
}

/* ---- probabilities ---- */

static bool in_set(const lc_answer *answer, uint32_t i)
{
    return (answer->in_set[i / 8] >> (i % 8) & 1) != 0;
}

static void put_in_set(lc_answer *answer, uint32_t i)
{
    answer->in_set[i / 8] = (uint8_t)(answer->in_set[i / 8] | 1u << (i % 8));
}

uint32_t lc_answer_set_count(const lc_answer *answer)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < LC_LABELS_MAX; i++) {
        count += in_set(answer, i);
    }
    return count;
}

/* The most probable label that is not in the set yet, the first of equal ones; -1: none. */
static int32_t next_best(const lc_answer *answer, uint32_t labels)
{
    int32_t best = -1;
    for (uint32_t i = 0; i < labels; i++) {
        if (!in_set(answer, i) && (best < 0 || answer->prob[i] > answer->prob[best])) {
            best = (int32_t)i;
        }
    }
    return best;
}

/* Label, p, margin and conformal set from prob. */
static void rank(uint32_t labels, float alpha, lc_answer *answer)
{
    float sum = 0;
    memset(answer->in_set, 0, sizeof answer->in_set);
    answer->label = next_best(answer, labels);
    put_in_set(answer, (uint32_t)answer->label);
    answer->p = answer->prob[answer->label];
    int32_t second = next_best(answer, labels);
    answer->margin = second < 0 ? answer->p : answer->p - answer->prob[second];
    sum = answer->p;
    while (second >= 0 && sum < 1.0f - alpha) {
        put_in_set(answer, (uint32_t)second);
        sum += answer->prob[second];
        second = next_best(answer, labels);
    }
}

static float oos_probability(const lc_task *task, const lc_kernels *kernels,
                             const lc_scores *scores)
{
    const lc_calibration *c = &task->calibration;
    if (!c->has_oos) {
        return 0;
    }
    float z[LC_LABELS_MAX];
    for (uint32_t i = 0; i < task->label_count; i++) {
        z[i] = bounded(scores->z[i]);
    }
    float lse = lc_log_sum_exp(kernels, z, task->label_count);
    float apart = scores->has_oos ? c->oos_w[0] * (bounded(scores->z_oos) - lse) : 0.0f;
    float a = apart + c->oos_w[1] * lse;
    return sigmoid(kernels, a + c->oos_c);
}

void lc_decide_scores(const lc_task *task, const lc_kernels *kernels, const lc_scores *scores,
                      lc_answer *answer)
{
    const lc_calibration *c = &task->calibration;
    uint32_t n = task->label_count;
    lc_assert(n > 0 && n <= LC_LABELS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        answer->score[i] = scores->z[i];
        answer->prob[i] = (bounded(scores->z[i]) + c->bias[i]) / c->temperature;
    }
    answer->score_count = n;
    if (scores->has_oos) {
        answer->score[answer->score_count++] = scores->z_oos;
    }
    kernels->softmax(answer->prob, n);
    rank(n, c->alpha, answer);
    answer->oos = oos_probability(task, kernels, scores);
}

void lc_decide_rule(const lc_task *task, const lc_rule *rule, lc_answer *answer)
{
    uint32_t n = task->label_count;
    lc_assert(rule->label >= 0 && (uint32_t)rule->label < n);
    float rest = n > 1 ? (1.0f - rule->p) / (float)(n - 1) : 0.0f;
    for (uint32_t i = 0; i < n; i++) {
        answer->prob[i] = rest;
    }
    memset(answer->in_set, 0, sizeof answer->in_set);
    answer->prob[rule->label] = rule->p;
    answer->label = rule->label;
    answer->p = rule->p;
    answer->margin = rule->p - rest;
    answer->oos = 0;
    put_in_set(answer, (uint32_t)rule->label);
}

/* ---- decision ---- */

bool lc_decide_out_of_scope(const lc_task *task, const lc_answer *answer)
{
    return task->calibration.has_oos && answer->oos > task->calibration.oos_t;
}

bool lc_decide_sure(const lc_task *task, const lc_answer *answer)
{
    return answer->label >= 0 && answer->p >= task->calibration.threshold &&
           lc_answer_set_count(answer) == 1 && !lc_decide_out_of_scope(task, answer);
}

/* What becomes of a line that this device does not answer by itself. */
static uint8_t ask(const lc_verdict *verdict)
{
    return verdict->escalates && verdict->online ? LC_ESCALATE : LC_DEFER;
}

static uint8_t choose(const lc_task *task, const lc_verdict *verdict, const lc_answer *answer)
{
    if (lc_decide_out_of_scope(task, answer)) {
        return verdict->escalates ? ask(verdict) : LC_REJECT;
    }
    if (verdict->objects != NULL) {
        uint8_t wanted = verdict->objects->decision;
        return wanted == LC_ESCALATE ? ask(verdict) : wanted;
    }
    bool supported =
        answer->label >= 0 && (!task->label[answer->label].needs_evidence || verdict->evidence);
    bool accept = !verdict->failed && supported && lc_decide_sure(task, answer);
    return accept ? LC_ACCEPT : ask(verdict);
}

void lc_decide(const lc_task *task, const lc_verdict *verdict, lc_answer *answer)
{
    answer->decision = choose(task, verdict, answer);
    if (answer->decision == LC_REJECT) {
        answer->label = -1;
    }
}

void lc_answer_why(lc_answer *answer, lc_str why)
{
    for (uint32_t i = 0; i < answer->why_count; i++) {
        if (lc_str_equal(answer->why[i], why)) {
            return;
        }
    }
    if (answer->why_count < LC_WHY_MAX) {
        answer->why[answer->why_count++] = why;
    }
}
