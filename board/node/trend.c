#include "trend.h"

#include "../../runtime/err.h"

/* Puts the answer in the place of the oldest one. */
static void put(lc_trend_state *t, bool label)
{
    uint8_t bit = (uint8_t)(1u << (t->at % 8));
    uint8_t *byte = &t->seen[t->at / 8];
    t->count -= (*byte & bit) != 0;
    t->count += label;
    *byte = (uint8_t)(label ? *byte | bit : *byte & ~bit);
    t->at = (t->at + 1) % t->in;
}

static bool is_over(const lc_trend_state *t, uint64_t now_ms)
{
    if (t->clear_after_s == 0) {
        return t->count < t->of;
    }
    return now_ms >= t->last_ms + 1000ull * t->clear_after_s;
}

lc_trend_change lc_trend_look(lc_trend_state *trend, uint64_t now_ms)
{
    if (!trend->stands || !is_over(trend, now_ms)) {
        return LC_TREND_SAME;
    }
    /* What led to it is spent: it takes `of` new answers to raise it again. */
    *trend =
        (lc_trend_state){.of = trend->of, .in = trend->in, .clear_after_s = trend->clear_after_s};
    return LC_TREND_CLEARED;
}

lc_trend_change lc_trend_answer(lc_trend_state *trend, uint64_t now_ms, bool label)
{
    lc_assert(trend->of >= 1 && trend->of <= trend->in && trend->in <= LC_TREND_WINDOW_MAX);
    if (label && !(trend->stands && is_over(trend, now_ms))) {
        trend->last_ms = now_ms;
    }
    lc_trend_change change = LC_TREND_SAME;
    if (trend->stands && trend->clear_after_s > 0) {
        change = lc_trend_look(trend, now_ms); /* its time may have passed before this answer */
    }
    put(trend, label);
    if (change == LC_TREND_CLEARED) {
        trend->last_ms = label ? now_ms : trend->last_ms;
        return change;
    }
    if (trend->stands) {
        return lc_trend_look(trend, now_ms);
    }
    trend->stands = label && trend->count >= trend->of;
    return trend->stands ? LC_TREND_RAISED : LC_TREND_SAME;
}

uint64_t lc_trend_wake_ms(const lc_trend_state *trend)
{
    bool timed = trend->stands && trend->clear_after_s > 0;
    return timed ? trend->last_ms + 1000ull * trend->clear_after_s : UINT64_MAX;
}
