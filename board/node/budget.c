/* budget.c - cell: version, hours, clock, wall time, then calls and money of each hour. */
#include "budget.h"

#include <string.h>

#include "../../runtime/bytes.h"
#include "bits.h"

#define HOUR_MS 3600000u
#define VERSION 1u
#define HEAD 18u
#define HOUR_BYTES 12u
#define BYTES (HEAD + LC_BUDGET_HOURS * HOUR_BYTES)
#define MONEY_MAX (UINT64_MAX / 64) /* so that sums do not wrap */

_Static_assert(BYTES <= LC_CELL_BYTES_MAX, "the hours fit into a cell");

/* ---- time ---- */

/* Hours that the clock went past are empty again. */
static void hours_turn(lc_budget *b)
{
    uint64_t hour = b->age.now / HOUR_MS, gone = hour - b->hour_at;
    for (uint64_t i = 0; i < gone && i < LC_BUDGET_HOURS; i++) {
        b->hour[(b->hour_at + 1 + i) % LC_BUDGET_HOURS] = (lc_budget_hour){0};
    }
    b->hour_at = hour;
}

static void tick(lc_budget *b, uint64_t now_ms)
{
    if (lc_age_tick(&b->age, now_ms) > 0) {
        hours_turn(b);
    }
}

void lc_budget_clock(lc_budget *b, uint64_t now_ms, uint64_t wall_ms)
{
    if (lc_age_clock(&b->age, now_ms, wall_ms) > 0) {
        hours_turn(b);
    }
}

/* ---- the cell ---- */

static bool keep(lc_budget *b)
{
    uint8_t data[BYTES];
    lc_put_u16(data, VERSION);
    lc_put_u64(data + 2, b->age.now);
    lc_put_u64(data + 10, b->age.wall_ms);
    for (uint32_t i = 0; i < LC_BUDGET_HOURS; i++) {
        lc_put_u32(data + HEAD + i * HOUR_BYTES, b->hour[i].calls);
        lc_put_u64(data + HEAD + i * HOUR_BYTES + 4, b->hour[i].money);
    }
    if (b->keeps && !b->failed) {
        b->failed = lc_cell_write(&b->cell, data, sizeof data) != LC_OK;
    }
    return !b->failed;
}

static bool parse(lc_budget *b, const uint8_t *data, uint32_t bytes)
{
    lc_reader r = lc_reader_make(data, bytes);
    if (lc_read_u16(&r) != VERSION) {
        return false;
    }
    uint64_t now = lc_read_u64(&r), wall_ms = lc_read_u64(&r);
    b->age = lc_age_from(now, wall_ms, b->age.seen_ms);
    for (uint32_t i = 0; i < LC_BUDGET_HOURS; i++) {
        b->hour[i].calls = lc_read_u32(&r);
        b->hour[i].money = lc_read_u64(&r);
        b->hour[i].money = b->hour[i].money < MONEY_MAX ? b->hour[i].money : MONEY_MAX;
    }
    b->hour_at = now / HOUR_MS;
    return !r.failed && now < UINT64_MAX / 2;
}

lc_err lc_budget_open(lc_budget *b, uint64_t now_ms, const lc_port *port, uint64_t calls_max,
                      double money_max)
{
    uint8_t data[BYTES];
    uint32_t bytes = 0;
    *b = (lc_budget){.keeps = port != NULL, .calls_max = calls_max};
    b->age = lc_age_from(0, 0, now_ms);
    double money = money_max * LC_BUDGET_MONEY;
    b->money_max = money > 0 && money < 1e18 ? (uint64_t)money : money > 0 ? MONEY_MAX : 0;
    if (!port) {
        return LC_OK;
    }
    if (lc_cell_open(&b->cell, port, LC_CELL_BUDGET, data, sizeof data, &bytes) != LC_OK ||
        (bytes > 0 && !parse(b, data, bytes))) {
        b->failed = true;
        return LC_ERR_IO;
    }
    return LC_OK;
}

/* ---- spending ---- */

void lc_budget_spent(lc_budget *b, uint64_t now_ms, uint64_t *calls, uint64_t *money)
{
    tick(b, now_ms);
    *calls = *money = 0;
    for (uint32_t i = 0; i < LC_BUDGET_HOURS; i++) {
        *calls += b->hour[i].calls;
        *money += b->hour[i].money;
    }
}

bool lc_budget_allows(lc_budget *b, uint64_t now_ms, uint64_t price)
{
    uint64_t calls, money;
    lc_budget_spent(b, now_ms, &calls, &money);
    bool paid = money <= b->money_max && price <= b->money_max - money;
    bool left = money < b->money_max || (b->money_max == 0 && money == 0);
    return !b->failed && calls < b->calls_max && paid && left;
}

static void add(lc_budget *b, uint32_t calls, uint64_t money)
{
    lc_budget_hour *hour = &b->hour[b->hour_at % LC_BUDGET_HOURS];
    money = money < MONEY_MAX - hour->money ? money : MONEY_MAX - hour->money;
    hour->calls += calls;
    hour->money += money;
    b->calls += calls;
    b->money += money;
}

bool lc_budget_take(lc_budget *b, uint64_t now_ms, uint64_t price)
{
    if (!lc_budget_allows(b, now_ms, price)) {
        return false;
    }
    add(b, 1, price);
    return keep(b);
}

void lc_budget_charge(lc_budget *b, uint64_t now_ms, uint64_t money)
{
    tick(b, now_ms);
    if (money > 0) {
        add(b, 0, money);
        (void)keep(b); /* a failure shows at the next call */
    }
}
