/* cost.c - sums of two days; the cell: version, days, both rows of sums. */
#include "cost.h"

#include "../../runtime/bytes.h"
#include "bits.h"

#define VERSION 1u
#define HEAD 10u
#define BYTES (HEAD + 2u * 8u * LC_COST_COUNT)

_Static_assert(BYTES <= LC_CELL_BYTES_MAX, "two days fit into a cell");

static void day_add(lc_cost_day *to, const lc_cost_day *more)
{
    for (uint32_t i = 0; i < LC_COST_COUNT; i++) {
        to->n[i] += more->n[i];
    }
}

/* All of this day, what an earlier start counted included. */
static lc_cost_day day_whole(const lc_cost *c)
{
    lc_cost_day whole = c->today;
    if (c->waits) {
        day_add(&whole, &c->before);
        whole.day = whole.day > 0 ? whole.day : c->before.day;
    }
    return whole;
}

/* ---- the cell ---- */

static void sums_put(uint8_t *at, const lc_cost_day *day)
{
    for (uint32_t i = 0; i < LC_COST_COUNT; i++) {
        lc_put_u64(at + 8 * i, day->n[i]);
    }
}

void lc_cost_keep(lc_cost *c, uint64_t now_ms)
{
    uint8_t data[BYTES];
    lc_cost_day whole = day_whole(c);
    lc_put_u16(data, VERSION);
    lc_put_u32(data + 2, whole.day);
    lc_put_u32(data + 6, c->last.day);
    sums_put(data + HEAD, &whole);
    sums_put(data + HEAD + 8 * LC_COST_COUNT, &c->last);
    c->keep_ms = now_ms + LC_COST_KEEP_MS;
    if (c->keeps && lc_cell_write(&c->cell, data, sizeof data) != LC_OK) {
        c->keeps = false; /* the journals say that the disk fails */
    }
}

static bool parse(lc_cost *c, const uint8_t *data, uint32_t bytes)
{
    lc_reader r = lc_reader_make(data, bytes);
    bool ours = lc_read_u16(&r) == VERSION;
    c->before.day = lc_read_u32(&r);
    c->last.day = lc_read_u32(&r);
    for (uint32_t i = 0; i < LC_COST_COUNT; i++) {
        c->before.n[i] = lc_read_u64(&r);
    }
    for (uint32_t i = 0; i < LC_COST_COUNT; i++) {
        c->last.n[i] = lc_read_u64(&r);
    }
    return ours && !r.failed;
}

lc_err lc_cost_open(lc_cost *c, uint64_t now_ms, const lc_port *port)
{
    uint8_t data[BYTES];
    uint32_t bytes = 0;
    *c = (lc_cost){.seen_ms = now_ms, .keep_ms = now_ms + LC_COST_KEEP_MS};
    if (!port) {
        return LC_OK;
    }
    if (lc_cell_open(&c->cell, port, LC_CELL_COST, data, sizeof data, &bytes) != LC_OK) {
        return LC_ERR_IO;
    }
    c->keeps = true;
    c->waits = bytes > 0 && parse(c, data, bytes);
    if (!c->waits) { /* none, or of another version: the counting begins anew */
        c->before = c->last = (lc_cost_day){0};
    }
    return LC_OK;
}

/* ---- counting ---- */

void lc_cost_line(lc_cost *c, uint64_t work_us)
{
    c->today.n[LC_COST_LINES]++;
    c->today.n[LC_COST_WORK_US] += work_us;
}

void lc_cost_record(lc_cost *c, uint32_t stage)
{
    c->today.n[LC_COST_RECORDS]++;
    c->today.n[LC_COST_STAGE + (stage < LC_COST_STAGES ? stage : 0)]++;
}

static void totals_take(lc_cost *c, const lc_cost_totals *t)
{
    c->today.n[LC_COST_CPU_US] += t->cpu_us - c->seen.cpu_us;
    c->today.n[LC_COST_ASKED] += t->asked - c->seen.asked;
    c->today.n[LC_COST_CALLS] += t->calls - c->seen.calls;
    c->today.n[LC_COST_BYTES] += t->bytes - c->seen.bytes;
    c->today.n[LC_COST_TOKENS] += t->tokens - c->seen.tokens;
    c->today.n[LC_COST_MONEY] += t->money - c->seen.money;
    c->seen = *t;
}

/* ---- days ---- */

static void day_end(lc_cost *c, uint64_t now_ms, uint32_t next)
{
    c->last = day_whole(c);
    c->today = (lc_cost_day){.day = next};
    c->waits = false;
    lc_cost_keep(c, now_ms);
}

/* The clock tells whether an earlier start was on this day. */
static void before_take(lc_cost *c, uint32_t day)
{
    bool same = c->before.day == 0 || c->before.day == day;
    c->waits = false;
    if (same) {
        day_add(&c->today, &c->before);
    } else {
        c->last = c->before;
    }
}

void lc_cost_clock(lc_cost *c, uint64_t now_ms, uint64_t wall_ms, const lc_cost_totals *totals)
{
    c->today.n[LC_COST_UP_MS] += now_ms - c->seen_ms;
    c->seen_ms = now_ms;
    totals_take(c, totals);
    uint32_t day = (uint32_t)(wall_ms / LC_COST_DAY_MS);
    if (day == 0) {
        if (day_whole(c).n[LC_COST_UP_MS] >= LC_COST_DAY_MS && c->today.day == 0) {
            day_end(c, now_ms, 0);
        }
        return;
    }
    if (c->waits) {
        before_take(c, day);
    }
    c->today.day = c->today.day > 0 ? c->today.day : day;
    if (c->today.day != day) {
        day_end(c, now_ms, day);
    }
}

void lc_cost_tick(lc_cost *c, uint64_t now_ms)
{
    if (c->keeps && now_ms >= c->keep_ms) {
        lc_cost_keep(c, now_ms);
    }
}

uint64_t lc_cost_wake_ms(const lc_cost *c)
{
    return c->keeps ? c->keep_ms : UINT64_MAX;
}

void lc_cost_look(const lc_cost *c, lc_cost_day *today, lc_cost_day *last)
{
    *today = day_whole(c);
    *last = c->last;
}
