/* actor.h - what answers set off: the labels' actions, their trends, and the outputs they move.
 *
 * An accepted answer whose label has an action begins it; where the job gives the label a trend,
 * only when the trend is reached, and what stays on is put to rest when it clears. Acknowledging
 * puts all outputs to rest; while paused (maintenance) answers come and nothing acts.
 */
#ifndef LC_ACTOR_H
#define LC_ACTOR_H

#include "../../runtime/arena.h"
#include "audit.h"
#include "order.h"
#include "trend.h"

typedef struct lc_actor_pin {
    lc_str name;
    bool safe;
    uint32_t starts_max; /* in a minute; 0: no limit */
} lc_actor_pin;

/* A label that does something, or whose trend counts. */
typedef struct lc_actor_label {
    uint32_t task;
    int32_t label;
    lc_str task_name, name; /* of both, for the audit */
    lc_str action;          /* the job's text */
    float priority;         /* the cost of missing it */
    uint32_t of, in;        /* its trend; in 0: every answer acts */
    uint32_t clear_after_s;
} lc_actor_label;

typedef struct lc_actor_options {
    const lc_actor_pin *pin; /* [pin_count], at most LC_OUTPUTS_MAX - 1 */
    uint32_t pin_count;
    bool sound;                  /* there is a loudspeaker */
    const lc_actor_label *label; /* [label_count] */
    uint32_t label_count;
} lc_actor_options;

typedef struct lc_actor_rule lc_actor_rule;

/* Why all outputs go to rest, for the audit. */
typedef struct lc_actor_why {
    const char *cause; /* as in lc_audit_entry */
    lc_str by;
} lc_actor_why;

#define LC_ACTOR_RUNS (3u * LC_OUTPUTS_MAX + 2u) /* of the audit's: the first so many */

/* What the board is to do. */
typedef struct lc_actor_do {
    uint32_t output;             /* below pin_count: that pin; pin_count: the loudspeaker */
    bool active;                 /* level of the pin; false: be silent */
    lc_order order;              /* of a sound that begins */
    const lc_actor_label *cause; /* NULL: put to rest */
} lc_actor_do;

typedef struct lc_actor {
    lc_actor_options options;
    lc_audit *audit;                  /* takes what is done, and what is not; NULL: nobody */
    lc_actor_rule *rule;              /* [label_count] */
    lc_output output[LC_OUTPUTS_MAX]; /* pins, then the loudspeaker */
    const lc_actor_label *cause[LC_OUTPUTS_MAX]; /* of what each does */
    bool paused;
    uint64_t begun, held, limited, missing; /* acts; missing: for an output that is not there */
} lc_actor;

/* The output that an order moves, as in lc_actor_do; LC_OUTPUTS_MAX: there is none. */
uint32_t lc_actor_output(const lc_actor_options *options, const lc_order *order);
/* Parses all actions; the caller keeps options' arrays. With a measuring arena it counts. Errors:
 * ARENA; FORMAT and LIMIT of an action: diag->offset is the label's index. */
lc_err lc_actor_init(lc_actor *actor, const lc_actor_options *options, lc_arena *state,
                     lc_diag *diag) LC_CHECKED;
/* Answer number `seq`, of a task: accepted with this label, or (-1) not accepted. */
void lc_actor_answer(lc_actor *actor, uint64_t now_ms, uint64_t seq, uint32_t task, int32_t label);
void lc_actor_acknowledge(lc_actor *actor, uint64_t now_ms, const lc_actor_why *why);
void lc_actor_pause(lc_actor *actor, uint64_t now_ms, bool paused, lc_str by);
/* The board could not do what lc_actor_next told of this output. */
void lc_actor_unmoved(lc_actor *actor, uint64_t now_ms, uint32_t output);
/* One thing to do now; false: nothing. */
bool lc_actor_next(lc_actor *actor, uint64_t now_ms, lc_actor_do *what);
uint64_t lc_actor_wake_ms(const lc_actor *actor);

#endif
