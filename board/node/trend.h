/* trend.h - n of the last m answers of a task with one label, then hold: so a relay follows what
 * goes on, not single lines. */
#ifndef LC_TREND_STATE_H
#define LC_TREND_STATE_H

#include <stdbool.h>
#include <stdint.h>

#define LC_TREND_WINDOW_MAX 1000u

typedef struct lc_trend_state {
    uint32_t of, in;        /* so many of the last so many, 1 <= of <= in <= LC_TREND_WINDOW_MAX */
    uint32_t clear_after_s; /* without the label; 0: cleared as soon as fewer than `of` are left */
    uint8_t seen[(LC_TREND_WINDOW_MAX + 7) / 8]; /* a ring of bits: had the answer the label? */
    uint32_t at;                                 /* place of the next answer in it */
    uint32_t count;                              /* bits set */
    bool stands;                                 /* reached, and not cleared since */
    uint64_t last_ms;                            /* when the label came last */
} lc_trend_state;

typedef enum lc_trend_change { LC_TREND_SAME, LC_TREND_RAISED, LC_TREND_CLEARED } lc_trend_change;

/* One more answer of the task: had it the label? */
lc_trend_change lc_trend_answer(lc_trend_state *trend, uint64_t now_ms, bool label);
/* Time alone may clear it. */
lc_trend_change lc_trend_look(lc_trend_state *trend, uint64_t now_ms);
/* When lc_trend_look may change something; UINT64_MAX: never by itself. */
uint64_t lc_trend_wake_ms(const lc_trend_state *trend);

#endif
