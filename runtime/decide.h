/* decide.h - from raw scores to a label, its probability and a decision. */
#ifndef LC_DECIDE_H
#define LC_DECIDE_H

#include "job.h"

/* Raw outputs of a head, in the order of the task's labels. */
typedef struct lc_scores {
    float z[LC_LABELS_MAX]; /* [labels] */
    float z_oos;
    bool has_oos;
} lc_scores;

/* log(sum of exp x): x [n] is finite and is written over with its softmax. */
float lc_log_sum_exp(const lc_kernels *kernels, float *x, uint32_t n);

/* Fills label, prob, p, margin, in_set, oos and score of an answer, as lc_calibration says. The
 * exponentials are the kernels' own softmax: equal bits everywhere. */
void lc_decide_scores(const lc_task *task, const lc_kernels *kernels, const lc_scores *scores,
                      lc_answer *answer);
/* The same for a rule: its label with its p, the rest spread evenly, the set is the label alone,
 * oos 0. */
void lc_decide_rule(const lc_task *task, const lc_rule *rule, lc_answer *answer);

/* Would the answer as it stands be accepted, but for verifiers and evidence? */
bool lc_decide_sure(const lc_task *task, const lc_answer *answer);
bool lc_decide_out_of_scope(const lc_task *task, const lc_answer *answer);

/* What lc_decide has to know beside the answer. */
typedef struct lc_verdict {
    bool escalates;         /* the job has an `escalate` block */
    bool online;            /* and could ask now */
    bool failed;            /* the model was cancelled or gave no finite number */
    bool evidence;          /* a rule supports the label */
    const lc_rule *objects; /* verify rule that objects, NULL: none */
} lc_verdict;

/* Sets answer->decision, and label to -1 when it is a reject.
 *
 *   out of scope         escalate when the job escalates (offline: defer), else reject
 *   a verifier objects   what its rule says; escalate as above, defer without an escalate block
 *   p >= t, one label in the set, evidence where the label needs it, nothing failed: accept
 *   otherwise            escalate when the job escalates and is online, else defer
 */
void lc_decide(const lc_task *task, const lc_verdict *verdict, lc_answer *answer);

/* Adds to why; beyond LC_WHY_MAX or when it stands there already, nothing. */
void lc_answer_why(lc_answer *answer, lc_str why);
uint32_t lc_answer_set_count(const lc_answer *answer);

#endif
