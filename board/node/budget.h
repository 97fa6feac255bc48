/* budget.h - what may be spent upstream: calls and money, of any 24 hours, kept in a cell.
 *
 * A bucket of tokens whose tokens come back a day after they were taken, by the hour: 25 hours are
 * remembered, so no window of 24 ever holds more than the budget. (Refilled evenly, a bucket would
 * let nearly twice as much through.) Its hours count while the device runs; over a restart they
 * advance by the wall clock if that is known and went forward, else not. Money is in millionths.
 */
#ifndef LC_BUDGET_H
#define LC_BUDGET_H

#include <stdbool.h>

#include "age.h"
#include "cell.h"

#define LC_BUDGET_HOURS 25u
#define LC_BUDGET_MONEY 1000000.0 /* units of money_per_day in one of its currency */

typedef struct lc_budget_hour {
    uint32_t calls;
    uint64_t money;
} lc_budget_hour;

typedef struct lc_budget {
    lc_cell cell;
    bool keeps, failed; /* in the cell; the cell cannot be read or written: nothing may be spent */
    uint64_t calls_max, money_max;
    lc_budget_hour hour[LC_BUDGET_HOURS];
    lc_age age;
    uint64_t hour_at;      /* that hour[] is about */
    uint64_t calls, money; /* since start */
} lc_budget;

/* port NULL: it does not outlive a restart. IO: nothing may be spent. */
lc_err lc_budget_open(lc_budget *budget, uint64_t now_ms, const lc_port *port, uint64_t calls_max,
                      double money_max) LC_CHECKED;
/* What the wall clock says, 0 when not known. */
void lc_budget_clock(lc_budget *budget, uint64_t now_ms, uint64_t wall_ms);
/* Whether a call at about this price may be made. */
bool lc_budget_allows(lc_budget *budget, uint64_t now_ms, uint64_t price);
/* Counts a call and its price, certain on return. False: it may not be made. */
bool lc_budget_take(lc_budget *budget, uint64_t now_ms, uint64_t price);
/* An answer said what its call cost, beyond what was taken for it. */
void lc_budget_charge(lc_budget *budget, uint64_t now_ms, uint64_t money);
/* Spent in the last 24 hours. */
void lc_budget_spent(lc_budget *budget, uint64_t now_ms, uint64_t *calls, uint64_t *money);

#endif
