/* cost.h - what a day took: lines, records by stage, CPU time, what went upstream and its price.
 *
 * A day is one of UTC when the clock is known. What was counted before it was goes to the day on
 * which it becomes known; while it never is, a day is 24 hours of running. Kept in a cell every ten
 * minutes and at the end, so that a restart goes on with the day it is in: who is killed loses ten
 * minutes of it at most.
 */
#ifndef LC_COST_H
#define LC_COST_H

#include <stdbool.h>

#include "cell.h"

#define LC_COST_STAGES 8u /* by lc_stage_type; 0: none of them answered */
#define LC_COST_KEEP_MS 600000u
#define LC_COST_DAY_MS 86400000u

/* Order is part of the format. */
typedef enum lc_cost_index {
    LC_COST_UP_MS,
    LC_COST_CPU_US,  /* of all threads */
    LC_COST_WORK_US, /* of them while a line was answered */
    LC_COST_LINES,
    LC_COST_RECORDS,
    LC_COST_ASKED, /* records whose line left, once each */
    LC_COST_CALLS, /* messages for them */
    LC_COST_BYTES, /* their payload */
    LC_COST_TOKENS,
    LC_COST_MONEY, /* in millionths */
    LC_COST_STAGE, /* [LC_COST_STAGES] records by the stage that answered */
    LC_COST_COUNT = LC_COST_STAGE + LC_COST_STAGES
} lc_cost_index;

typedef struct lc_cost_day {
    uint32_t day; /* since 1970, 0: not known */
    uint64_t n[LC_COST_COUNT];
} lc_cost_day;

/* What others count since the start. */
typedef struct lc_cost_totals {
    uint64_t cpu_us, asked, calls, bytes, tokens, money;
} lc_cost_totals;

typedef struct lc_cost {
    lc_cell cell;
    bool keeps;
    lc_cost_day today, last; /* last: day 0 and no up_ms: there is none */
    lc_cost_day before;      /* of an earlier start; is it of today? */
    bool waits;              /* for a clock that says so */
    lc_cost_totals seen;
    uint64_t seen_ms, keep_ms;
} lc_cost;

/* port NULL: it does not outlive a restart. IO: neither. */
lc_err lc_cost_open(lc_cost *cost, uint64_t now_ms, const lc_port *port) LC_CHECKED;
/* One more answered line, which took so long. */
void lc_cost_line(lc_cost *cost, uint64_t work_us);
void lc_cost_record(lc_cost *cost, uint32_t stage);
/* What was counted elsewhere up to now; wall_ms 0: the clock is not known. */
void lc_cost_clock(lc_cost *cost, uint64_t now_ms, uint64_t wall_ms, const lc_cost_totals *totals);
/* Writes the cell when it is due, or now. */
void lc_cost_tick(lc_cost *cost, uint64_t now_ms);
void lc_cost_keep(lc_cost *cost, uint64_t now_ms);
uint64_t lc_cost_wake_ms(const lc_cost *cost);
/* This day so far, and the one before. */
void lc_cost_look(const lc_cost *cost, lc_cost_day *today, lc_cost_day *last);

#endif
