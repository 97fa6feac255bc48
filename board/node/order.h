/* order.h - what a label does: the job's text ("gpio:relay=1,500ms; tone:880Hz,3x") as steps, and
 * what becomes of them over time, one output at a time.
 *
 *   gpio:NAME=0|1                a level that stays
 *   gpio:NAME=1,500ms            a pulse, then the safe level
 *   gpio:NAME=1,200ms/800ms,3x   a pattern: that long, then that long not, three times
 *   tone:880Hz,200ms/100ms,3x    sound; without times 200 ms each
 *   clip:NAME,2x                 a recording, played twice
 *
 * Several sounds of a label follow each other: "tone:880Hz,3x; clip:evacuate".
 * Pure: now_ms in, levels and sounds out. An output that is busy with something of a higher
 * priority (the cost of missing its label) is not disturbed; one of the same or a lower one is
 * replaced.
 */
#ifndef LC_ORDER_H
#define LC_ORDER_H

#include "../../runtime/bytes.h"
#include "../../runtime/err.h"

#define LC_ORDERS_MAX 8u         /* of one label */
#define LC_OUTPUTS_MAX 17u       /* pins, and the loudspeaker */
#define LC_ORDER_MS_MAX 3600000u /* of one phase */
#define LC_ORDER_TIMES_MAX 1000u
#define LC_ORDER_PHASE_MS 200u  /* where the text names none */
#define LC_OUTPUT_STARTS_MAX 6u /* of one output in a minute, by default */

typedef enum lc_order_kind { LC_ORDER_PIN, LC_ORDER_TONE, LC_ORDER_CLIP } lc_order_kind;

typedef struct lc_order {
    uint8_t kind;   /* lc_order_kind */
    bool active;    /* of a pin */
    lc_str text;    /* as it stands in the job; "" : put to rest */
    lc_str name;    /* of a pin or clip */
    uint32_t hertz; /* of a tone */
    uint32_t on_ms; /* 0: a pin that stays */
    uint32_t off_ms;
    uint32_t times;
    const struct lc_order *then; /* of a sound: what follows it; NULL: nothing */
} lc_order;

/* Steps of a label, at most LC_ORDERS_MAX; "" has none. Errors: FORMAT, LIMIT; diag->offset counts
 * from the text's start. */
lc_err lc_orders_parse(lc_str text, lc_order *order, uint32_t *count, lc_diag *diag) LC_CHECKED;

/* One thing that can be ordered, for as long as nothing else wants it. */
typedef struct lc_output {
    lc_str name;         /* of a pin; the loudspeaker has none */
    bool safe;           /* level of a pin when nobody decides */
    uint32_t starts_max; /* in a minute; 0: no limit */
    /* What it does now. */
    lc_order order;
    float priority;
    bool busy;        /* an order is going on; a level that stays is not */
    bool active;      /* level of a pin; whether a sound goes on */
    uint32_t done;    /* phases that are over, on and off counted apart */
    uint64_t next_ms; /* when the phase ends */
    /* What it did. */
    uint64_t minute_ms;     /* begin of the minute that is counted */
    uint32_t starts;        /* in it */
    uint64_t limited, held; /* orders not done: too often; output busy with something more urgent */
} lc_output;

typedef enum lc_order_result {
    LC_ORDER_DONE,   /* begun */
    LC_ORDER_HELD,   /* the output is busy with something more urgent */
    LC_ORDER_LIMITED /* it was begun too often in this minute */
} lc_order_result;

/* Begins an order; the first change is what lc_output_next tells. */
lc_order_result lc_output_start(lc_output *output, uint64_t now_ms, const lc_order *order,
                                float priority);
/* Whether it does something, or a pin is away from its safe level. */
bool lc_output_moved(const lc_output *output);
/* Back to the safe level, and silence: acknowledged, in maintenance, at the end. */
void lc_output_rest(lc_output *output, uint64_t now_ms);
/* True when something is to be done now: set the pin to output->active; or begin output->order, a
 * sound with its whole pattern and what follows it, when active, and else be silent. Call until it
 * is false. */
bool lc_output_next(lc_output *output, uint64_t now_ms);
/* When lc_output_next has something to do; UINT64_MAX: not by itself. */
uint64_t lc_output_wake_ms(const lc_output *output);

#endif
