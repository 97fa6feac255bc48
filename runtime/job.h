/* job.h - a job: tasks in order, each a chain of stages, cheapest first; text in, answers out.
 *
 * lc_job_open reads a bundle (section JOB) and binds it to its packs; lc_job_run takes one line
 * through every task. Deciding is decide.c, writing the answer down is record.c.
 */
#ifndef LC_JOB_H
#define LC_JOB_H

#include "expr.h"
#include "facts.h"
#include "net.h"

/* An object in memory, known by the root hash in its header. The caller keeps it. */
typedef struct lc_object {
    const uint8_t *data;
    size_t bytes;
} lc_object;

/* Finds a pack or adapter by its root hash. NOT_FOUND when there is none. */
typedef lc_err lc_object_find(void *ctx, const uint8_t root[32], lc_object *object);

typedef enum lc_stage_type { /* numbers are part of the format */
    LC_STAGE_RULES = 1,
    LC_STAGE_HEAD = 2,
    LC_STAGE_VERIFY = 3,
    LC_STAGE_LABEL_SCORE = 4
} lc_stage_type;

typedef struct lc_label {
    lc_str name;
    lc_str text;
    float cost_miss;
    bool needs_evidence;
    lc_str action; /* "" : none */
} lc_label;

typedef struct lc_rule {
    lc_str id;
    lc_expr *when;    /* compiled at open */
    int32_t label;    /* index, or -1 for a verify rule */
    float p;
    uint8_t decision; /* verify: lc_decision */
} lc_rule;

/* Calibration of a task (contract: T b t alpha oos n set). z are the raw outputs of the head.
 *
 *   p    softmax over the task's labels of (z + b) / T
 *   set  labels in order of falling p (of equal ones the first named) until their sum, in float32,
 *        reaches 1 - alpha
 *   oos  sigmoid(w0 (z_oos - lse) + w1 lse + c), lse = log(sum over labels of exp(z)); w0's term is
 *        0 when the head has no output `oos`; out of scope when oos > oos_t
 * Without calibration T = 1, b = 0, t = 0.5, alpha = 0.05, and oos is 0. */
typedef struct lc_calibration {
    float temperature;
    const float *bias; /* [labels] */
    float threshold;   /* t */
    float alpha;
    bool has_oos;
    float oos_w[2], oos_c, oos_t;
    uint32_t lines; /* n */
    uint8_t set[32];
} lc_calibration;

#define LC_CLASS_OOS (-1)
#define LC_CLASS_UNUSED (-2)

typedef struct lc_stage {
    lc_str id;
    uint8_t type; /* lc_stage_type */
    lc_rule *rule; /* [rule_count] */
    uint32_t rule_count;
    uint32_t pack;            /* head, label_score: index of its pack */
    const struct lc_adapter *adapter; /* of the pack, for this stage; NULL: none */
    const int16_t *class_of;  /* head: [outputs] label index, LC_CLASS_OOS or LC_CLASS_UNUSED */
    uint32_t outputs;
    struct lc_labels *labels; /* label_score: prompt and trie (labels.h) */
} lc_stage;

typedef struct lc_task {
    lc_str name;
    lc_expr *when; /* NULL: always */
    lc_label *label; /* [label_count] */
    uint32_t label_count;
    lc_stage *stage; /* [stage_count] */
    uint32_t stage_count;
    lc_calibration calibration;
    float target_precision;   /* `accept`; 0: not given */
    float target_local_share;
} lc_task;

/* n of m lines with this label, then hold: what actions and events follow. */
typedef struct lc_trend {
    lc_str task, label;
    uint32_t of, in, clear_after_s;
} lc_trend;

/* What the job says to the daemon; the runtime only keeps it. */
typedef struct lc_policy {
    bool escalates; /* has an `escalate` block, the next four */
    uint32_t deadline_ms, ttl_s, calls_per_day;
    float money_per_day;
    lc_str *never; /* [never_count] labels whose lines never leave the device */
    uint32_t never_count;
    lc_str *redact; /* [redact_count] */
    uint32_t redact_count;
    uint32_t report_qos, report_batch;
    bool report_text;
    bool has_drift; /* the next three */
    uint32_t drift_window;
    float drift_psi, drift_oos_rate;
    lc_trend *trend; /* [trend_count] */
    uint32_t trend_count;
} lc_policy;

typedef enum lc_decision {
    LC_ACCEPT = 0,
    LC_ESCALATE = 1,
    LC_DEFER = 2,
    LC_REJECT = 3
} lc_decision;

/* The answer of one task to one line. Points into the job and into scratch: valid until the next
 * run. */
typedef struct lc_answer {
    const lc_task *task;
    bool skipped;       /* its `when` was false: no record */
    int32_t label;      /* -1: null */
    float p, margin, oos;
    float prob[LC_LABELS_MAX]; /* [labels] */
    float score[LC_LABELS_MAX + 1]; /* raw outputs of the last model that ran: [labels], then its
                                       output `oos` if it has one; for calibration */
    uint32_t score_count;           /* 0: no model ran */
    uint8_t in_set[(LC_LABELS_MAX + 7) / 8]; /* conformal set, bit per label */
    lc_str stage;       /* id of the stage that answered, "" none */
    uint8_t decision;   /* lc_decision */
    lc_str why[LC_WHY_MAX];
    uint32_t why_count;
    uint32_t tokens;    /* "tok" */
    const lc_facts *facts;
} lc_answer;

/* What the models of a job keep of the tokens so far, in the state arena. */
typedef struct lc_job_past {
    uint32_t kv; /* lc_kv of all models, AUTO: they differ */
    size_t bytes;
} lc_job_past;

typedef struct lc_job_options {
    const lc_kernels *kernels;
    lc_tasks tasks;
    uint32_t ctx; /* 0: the packs' own */
    uint32_t lines; /* that lc_job_run_lines is given, up to LC_LINES_MAX; 0: one */
    uint32_t kv;  /* lc_kv, AUTO: as the bundle says; prefixes of another kind are refused */
    lc_job_past *past; /* NULL, or to be filled, also when measuring */
    const volatile bool *cancel;
} lc_job_options;

typedef struct lc_job lc_job;

/* Opens a bundle on state and scratch (measuring arenas: counts only). Errors name the place. */
lc_err lc_job_open(const lc_object *bundle, lc_object_find *find, void *find_ctx,
                   const lc_job_options *options, lc_arena *state, lc_arena *scratch, lc_job **job,
                   lc_diag *diag) LC_CHECKED;
lc_str lc_job_name(const lc_job *job);
uint32_t lc_job_ver(const lc_job *job);
const uint8_t *lc_job_root(const lc_job *job); /* [32] "mdl": the bundle's root */
bool lc_job_escalates(const lc_job *job);      /* has an `escalate` block */
const lc_policy *lc_job_policy(const lc_job *job);
uint32_t lc_job_tasks(const lc_job *job);
const lc_task *lc_job_task(const lc_job *job, uint32_t i);
uint32_t lc_job_packs(const lc_job *job);
const lc_model *lc_job_pack(const lc_job *job, uint32_t i);
uint32_t lc_job_adapters(const lc_job *job);
const struct lc_adapter *lc_job_adapter(const lc_job *job, uint32_t i);

/* 1 to LC_NAME_BYTES_MAX bytes of UTF-8 without control characters: labels. ascii: only letters,
 * digits and _ . -, as jobs, tasks, stages and rules have it, since topics and files carry it. */
bool lc_name_valid(lc_str name, bool ascii);

/* One line through all tasks. text is any bytes without its line end; bytes over
 * LC_LINE_BYTES_MAX means it was longer (only the length matters then). online: an escalation could
 * be asked now. answers[lc_job_tasks()]. Uses and rewinds scratch except for what answers point to,
 * which the next call gives up. Errors: ARENA. When the model is cancelled or gives no finite
 * number, the answer is `defer` with what a cheaper stage said (why: `model:cancelled`,
 * `model:number`). */
lc_err lc_job_run(lc_job *job, const char *text, size_t bytes, bool online,
                  lc_answer *answers) LC_CHECKED;

/* The same for up to as many lines as the options say, answers[count][lc_job_tasks()]: each gets
 * the answers that it would get alone. Lines that wait for the same model are run in one pass,
 * which takes less time than one after another; cancelled, all that wait are. */
lc_err lc_job_run_lines(lc_job *job, const lc_str *line, uint32_t count, bool online,
                        lc_answer *answers) LC_CHECKED;

#endif
