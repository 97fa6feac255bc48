/* stats.h - times in a fixed histogram; quantiles good to 19 %. */
#ifndef LC_STATS_H
#define LC_STATS_H

#include <stdint.h>

#define LC_TIMES_BUCKETS 128u /* four to an octave, from 1 us */

typedef struct lc_times {
    uint64_t bucket[LC_TIMES_BUCKETS];
    uint64_t count;
    uint64_t max_us;
    uint64_t total, total_us; /* of all that were ever put */
} lc_times;

void lc_times_put(lc_times *times, uint64_t us);
/* The time that `permille` of 1000 did not exceed; 0 when there is none. */
uint64_t lc_times_quantile(const lc_times *times, uint32_t permille);
/* Starts anew; only the totals stay. */
void lc_times_clear(lc_times *times);

#endif
