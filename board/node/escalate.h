/* escalate.h - asking a larger model: which lines leave, how often, and what becomes of answers.
 *
 *   guards    in this order, each closed when in doubt: privacy class and redactor (screen.h),
 *             budget, connection, a worker that says it is ready
 *   question  a request under an id of 128 bits; after the deadline once more under the same id, if
 *             the budget has it; then the local answer stands
 *   answer    counts only when its label is one of the task's and its evidence is in the text that
 *             left, quoted as it stands there
 * A record that said `escalate` is followed by exactly one with rev 2: what upstream said, or
 * `defer` and why. An answer that is late corrects it once more. A line that was hard while nobody
 * could be asked (`defer`) waits, the oldest dropped and counted when there is no room, and is
 * asked within the job's ttl, of half of the budget; a correction follows only if upstream knew.
 * What has no answer when the device goes off waits, too (questions.h): it is asked again under its
 * id, once more. Corrections never act.
 */
#ifndef LC_ESCALATE_H
#define LC_ESCALATE_H

#include "../../runtime/job.h"
#include "budget.h"
#include "correct.h"
#include "questions.h"
#include "stats.h"

#define LC_ESC_SLOTS 16u
#define LC_ESC_SILENT_MAX 4u /* questions in a row without an answer: the worker counts as gone */
#define LC_ESC_QUEUE_LOW 8u  /* waiting at the worker: from here on the bar rises */
#define LC_ESC_QUEUE_HIGH 64u
#define LC_ESC_BAR_MAX 0.75f
#define LC_ESC_GONE_MS 60000u

typedef struct lc_esc_options {
    const lc_policy *policy;
    lc_str job, reply; /* name; the topic of answers */
    const lc_task *task[LC_TASKS_MAX];
    uint32_t task_count;
} lc_esc_options;

typedef struct lc_esc_start {
    const lc_port *port;     /* NULL: nothing outlives a restart */
    lc_journal *corrections; /* their journal, open; NULL as port */
    uint32_t boot;
    uint64_t seed;
} lc_esc_start;

/* A line that is asked about. */
typedef struct lc_question {
    uint32_t task;
    uint64_t seq;
    lc_str record; /* its first, as JSON */
    lc_str text;   /* what leaves */
    const lc_redactions *map;
    bool now; /* the record says `escalate`; else it waits until somebody can be asked */
} lc_question;

/* What _esc/state says. */
typedef struct lc_esc_worker {
    bool ready;
    uint32_t queue;
    uint64_t price; /* of a call, in millionths */
} lc_esc_worker;

typedef enum lc_esc_status { LC_ESC_OK, LC_ESC_REFUSED, LC_ESC_LATE, LC_ESC_ERROR } lc_esc_status;

typedef struct lc_esc_span {
    uint32_t from, to;
    lc_str quote; /* data NULL: none given */
} lc_esc_span;

typedef struct lc_esc_answer {
    uint8_t id[LC_ESC_ID_BYTES];
    uint8_t status; /* lc_esc_status */
    lc_str label;
    float p;
    lc_esc_span span[LC_SPANS_SAID_MAX];
    uint32_t span_count;
    uint64_t cost; /* in millionths */
    uint64_t tokens;
} lc_esc_answer;

typedef enum lc_esc_state {
    LC_ESC_FREE,
    LC_ESC_TO_SEND,
    LC_ESC_SENT,  /* not acknowledged */
    LC_ESC_ASKED, /* acknowledged */
    LC_ESC_ENDED, /* a correction is to be made */
    LC_ESC_OVER   /* without an answer so far; a late one still counts */
} lc_esc_state;

typedef struct lc_esc_slot {
    uint8_t state; /* lc_esc_state */
    uint8_t task, tries;
    bool owes;    /* its record says `escalate`, and nothing followed yet */
    bool left;    /* a request left since it is here */
    uint32_t rev; /* of the last record */
    uint32_t message, boot;
    uint64_t ordinal, seq, made; /* in lc_questions, 0: ended; of its record; by lc_questions_now */
    uint64_t asked_ms, sent_ms, deadline_ms, taken; /* taken: price in the budget */
    uint8_t id[LC_ESC_ID_BYTES];
    const char *why; /* ENDED without an answer */
    int32_t label;   /* ENDED with one, else -1 */
    float p;
    uint32_t span[2 * LC_SPANS_SAID_MAX];
    uint32_t span_count;
    lc_redactions map;
    uint32_t text_bytes, record_bytes;
    char *text;   /* [LC_LINE_BYTES_MAX] */
    char *record; /* [LC_RECORD_BYTES_MAX] */
} lc_esc_slot;

typedef struct lc_corrected {
    uint32_t task, boot; /* of the record, as seq */
    uint64_t seq;
    lc_str json;
} lc_corrected;

typedef struct lc_esc_counts {
    uint64_t asked, retries, bytes; /* messages that left: asked + retries; their payload */
    uint64_t answered, late, timeouts, refused, invalid, nobody, budget, stray, malformed;
    uint64_t kept, kept_dropped, kept_expired;
    uint64_t money; /* since start, in millionths */
    uint64_t tokens; /* of answers, as they say */
    uint64_t calls_day, money_day, calls_max;
    uint32_t open, waiting, queue; /* asked and not ended; kept; at the worker */
    float bar;
    bool worker;
} lc_esc_counts;

typedef struct lc_escalate {
    lc_esc_options options;
    bool on, up, ready;
    lc_budget budget;
    lc_esc_worker worker;
    uint64_t ready_at_ms; /* a worker that fell silent is tried again; UINT64_MAX: it must speak */
    uint32_t silent;
    uint64_t random;
    uint32_t boot, rules; /* rules: hash of what the job lets leave */
    lc_esc_slot *slot;    /* [LC_ESC_SLOTS] */
    lc_questions questions;
    uint64_t ending;  /* the question whose correction was given last */
    uint64_t kept_ms; /* then those that wait are looked at */
    char *out;        /* [LC_MESSAGE_BYTES_MAX] */
    lc_facts facts;
    lc_times times;
    lc_esc_counts counts;
} lc_escalate;

/* options NULL, or a policy that does not escalate: it never asks. */
lc_err lc_escalate_init(lc_escalate *esc, const lc_esc_options *options,
                        lc_arena *state) LC_CHECKED;
/* IO: the budget cannot be read, so nothing will be asked. */
lc_err lc_escalate_open(lc_escalate *esc, uint64_t now_ms, const lc_esc_start *start) LC_CHECKED;
/* Whether questions do not outlive a restart, though they should. */
bool lc_escalate_failed(const lc_escalate *esc);
/* Before a good end. */
void lc_escalate_close(lc_escalate *esc, uint64_t now_ms);
void lc_escalate_clock(lc_escalate *esc, uint64_t now_ms, uint64_t wall_ms);
/* Whether a line of now could be asked about, for each of its tasks. */
bool lc_escalate_could(lc_escalate *esc, uint64_t now_ms);
/* How unsure an answer must at least be (1 - p) to be asked: 0 unless the worker has a queue. */
float lc_escalate_bar(const lc_escalate *esc);
void lc_escalate_ask(lc_escalate *esc, uint64_t now_ms, const lc_question *question);
void lc_escalate_link(lc_escalate *esc, uint64_t now_ms, bool up);
/* NULL: there is none any more. */
void lc_escalate_worker(lc_escalate *esc, uint64_t now_ms, const lc_esc_worker *worker);
void lc_escalate_answer(lc_escalate *esc, uint64_t now_ms, const lc_esc_answer *answer);
void lc_escalate_malformed(lc_escalate *esc);

/* The next request, marked as sent under this id; *payload stays until the next call. wall_ms: 0
 * when not known. NULL: none. */
const lc_esc_slot *lc_escalate_send(lc_escalate *esc, uint64_t now_ms, uint64_t wall_ms,
                                    uint32_t id, lc_str *payload);
bool lc_escalate_ack(lc_escalate *esc, uint64_t now_ms, uint32_t id, uint32_t reason);
uint32_t lc_escalate_flying(const lc_escalate *esc, uint64_t *oldest_ms);
/* The next correction, which gets this number; out->json stays until the next call. Before that it
 * is to be certain in the journal of corrections: then its question has ended. False: none. */
bool lc_escalate_correct(lc_escalate *esc, uint64_t now_ms, uint64_t number, lc_corrected *out);
/* What questions have to write; after the outbox's tick. */
void lc_escalate_tick(lc_escalate *esc, uint64_t now_ms);
/* Records that still owe their rev 2. */
uint32_t lc_escalate_owing(const lc_escalate *esc);
uint64_t lc_escalate_wake_ms(const lc_escalate *esc, uint64_t now_ms);
void lc_escalate_look(lc_escalate *esc, uint64_t now_ms, lc_esc_counts *counts);

#endif
