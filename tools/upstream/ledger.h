/* ledger.h - what answers cost: a line per answer, appended; totals of a day. */
#ifndef LC_UPSTREAM_LEDGER_H
#define LC_UPSTREAM_LEDGER_H

#include <stdint.h>

#include "../ui.h"

typedef struct lc_price {
    double in, out; /* money for 1,000 tokens */
} lc_price;

typedef struct lc_bill {
    uint64_t ts; /* ms since 1970 */
    const char *dev, *id, *by, *st;
    uint32_t tokens_in, tokens_out;
    double cost;
} lc_bill;

typedef struct lc_day {
    char date[12]; /* 2026-11-20, UTC */
    uint64_t calls, tokens_in, tokens_out;
    double cost;
} lc_day;

typedef struct lc_ledger {
    int fd; /* -1: none is kept */
    lc_day today;
    uint64_t calls; /* since start */
    double cost;
} lc_ledger;

double lc_price_of(const lc_price *price, uint32_t tokens_in, uint32_t tokens_out);
/* path NULL: kept in memory only. LC_UI_GO, or 4 after a message. */
int lc_ledger_open(lc_ledger *ledger, const char *path);
void lc_ledger_add(lc_ledger *ledger, const lc_bill *bill);
void lc_ledger_close(lc_ledger *ledger);
/* Totals of each day of a ledger on stdout; the exit code. */
int lc_ledger_totals(const char *path, bool json);

#endif
