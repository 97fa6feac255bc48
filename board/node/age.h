/* age.h - how long ago something was, over restarts: a clock of the device's own that only goes
 * forward.
 *
 * It counts while the device runs. Over a restart it goes on where it was last noted, and by the
 * wall clock if that was known then, is known again, and went forward.
 */
#ifndef LC_AGE_H
#define LC_AGE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lc_age {
    uint64_t now, seen_ms; /* ms of its own; now_ms of `now` */
    uint64_t wall_ms;      /* wall time of `now`; as long as it `waits` a guess, 0: unknown */
    bool waits;            /* the wall clock was not known since the restart */
} lc_age;

/* Goes on from what was noted; wall_ms 0: not known then. */
static inline lc_age lc_age_from(uint64_t now, uint64_t wall_ms, uint64_t now_ms)
{
    return (lc_age){now, now_ms, wall_ms, wall_ms > 0};
}

/* Returns by how much it went forward. */
static inline uint64_t lc_age_tick(lc_age *age, uint64_t now_ms)
{
    uint64_t ms = now_ms > age->seen_ms ? now_ms - age->seen_ms : 0;
    age->seen_ms += ms;
    age->now += ms;
    age->wall_ms += age->wall_ms > 0 ? ms : 0;
    return ms;
}

/* What the wall clock says, 0 when not known. Returns by how much it went forward. */
static inline uint64_t lc_age_clock(lc_age *age, uint64_t now_ms, uint64_t wall_ms)
{
    uint64_t ms = lc_age_tick(age, now_ms);
    if (wall_ms > 0) {
        uint64_t off = age->waits && wall_ms > age->wall_ms ? wall_ms - age->wall_ms : 0;
        age->now += off;
        age->wall_ms = wall_ms;
        age->waits = false;
        ms += off;
    }
    return ms;
}

#endif
