/* vitals.h - how the board itself is: hot, throttled, short of voltage, busy, full. What a board
 * does not tell is left out.
 */
#ifndef LC_VITALS_H
#define LC_VITALS_H

#include <stdbool.h>
#include <stdint.h>

#include "../../runtime/text.h"

/* Of a Raspberry Pi's firmware; the same 16 bits higher: since it was switched on. */
#define LC_VITALS_UNDERVOLTAGE 1u
#define LC_VITALS_CAPPED 2u
#define LC_VITALS_THROTTLED 4u
#define LC_VITALS_HOT 8u

typedef struct lc_vitals {
    bool has_temp, has_throttle;
    int32_t temp_mc; /* the hottest zone, in 1/1000 C */
    uint32_t throttle;
    uint32_t load_pct;        /* of the last minute; 100 is one CPU */
    uint64_t storage_free_kb; /* for the daemon's files; 0: not known */
} lc_vitals;

/* root: "" , or a folder with another /sys below it. */
void lc_vitals_read(const char *root, const char *storage, lc_vitals *vitals);
/* Says in the log what began since `before`: undervoltage, throttling. */
void lc_vitals_tell(const lc_vitals *before, const lc_vitals *now);
/* {"temp_c":61.3,"throttled":["undervoltage"],"load":0.42,"storage_free_kb":1234} */
void lc_vitals_put(const lc_vitals *vitals, lc_text *text);

#endif
