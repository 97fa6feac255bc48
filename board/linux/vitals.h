/* vitals.h - how the board itself is: hot, throttled, short of voltage, busy, full. What a board
 * does not tell is left out.
 */
#ifndef LC_VITALS_H
#define LC_VITALS_H

#include <stdbool.h>
#include <stdint.h>

#define LC_VITALS_FLAGS 4u

typedef struct lc_vitals {
    bool has_temp, has_throttle;
    int32_t temp_mc; /* the hottest zone, in 1/1000 C */
    bool has_margin;
    int32_t margin_mc; /* of the zone that is nearest to it: to where the board slows itself down */
    uint32_t throttle;
    uint32_t load_pct;        /* of the last minute; 100 is one CPU */
    uint64_t storage_free_kb; /* for the daemon's files; 0: not known */
} lc_vitals;

/* root: "" , or a folder with another /sys below it. */
void lc_vitals_read(const char *root, const char *storage, lc_vitals *vitals);
/* Says in the log what began since `before`: undervoltage, throttling. */
void lc_vitals_tell(const lc_vitals *before, const lc_vitals *now);
/* What a bit of `throttle` means: "undervoltage". */
const char *lc_vitals_word(uint32_t bit);

#endif
