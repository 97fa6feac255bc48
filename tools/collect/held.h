/* held.h - which numbers of which device and start are here: for dropping what comes twice, and for
 * saying up to where all is here. */
#ifndef LC_COLLECT_HELD_H
#define LC_COLLECT_HELD_H

#include <stdbool.h>
#include <stdint.h>

#define LC_HELD_DEV_BYTES 64u
#define LC_HELD_BUCKETS 4096u
/* Beyond any record's rev: series are kept in files. */
#define LC_HELD_LOST_AUDIT 2000000u
#define LC_HELD_CORRECTION 2000001u /* by the start that made them */
#define LC_HELD_LOST_CORRECTION 2000002u

/* Of a start: records by rev (LC_HELD_RECORD + rev - 1), and what was stated as lost. */
typedef enum lc_held_kind {
    LC_HELD_EVENT,
    LC_HELD_GAP,
    LC_HELD_AUDIT,
    LC_HELD_LOST, /* records that a gap speaks of */
    LC_HELD_LOST_EVENT,
    LC_HELD_RECORD
} lc_held_kind;

typedef struct lc_range {
    uint64_t from, to; /* both are in it */
} lc_range;

typedef struct lc_series {
    struct lc_series *next;
    char dev[LC_HELD_DEV_BYTES];
    uint32_t boot, kind;
    lc_range *range; /* [count], sorted, none touches the next */
    uint32_t count, room;
} lc_series;

typedef struct lc_held {
    lc_series *bucket[LC_HELD_BUCKETS];
} lc_held;

/* NULL: never heard of. */
const lc_series *lc_held_find(const lc_held *held, const char *dev, uint32_t boot, uint32_t kind);
bool lc_held_has(const lc_held *held, const char *dev, uint32_t boot, uint32_t kind, uint64_t n);
/* False: no memory. */
bool lc_held_add(lc_held *held, const char *dev, uint32_t boot, uint32_t kind, uint64_t from,
                 uint64_t to);
/* Up to where every number from 1 on is in `kind` or in `lost`. */
uint64_t lc_held_reach(const lc_held *held, const char *dev, uint32_t boot, uint32_t kind,
                       uint32_t lost);
/* dev NULL: all. */
void lc_held_forget(lc_held *held, const char *dev);

#endif
