/* stats.c - buckets of 2^(1/4), found with shifts alone. */
#include "stats.h"

/* Upper edges within an octave, of 1024: 2^(1/4), 2^(2/4), 2^(3/4), 2. */
static const uint32_t edges[4] = {1218, 1448, 1722, 2048};

/* [edge of bucket i - 1, edge of bucket i) holds us. */
static uint64_t edge_of(uint32_t bucket)
{
    uint32_t octave = bucket / 4;
    uint64_t edge = edges[bucket % 4];
    return octave >= 10 ? edge << (octave - 10) : edge >> (10 - octave);
}

static uint32_t bucket_of(uint64_t us)
{
    uint32_t octave = 0;
    while (octave < LC_TIMES_BUCKETS / 4 - 1 && us >> octave > 1) {
        octave++;
    }
    uint32_t bucket = octave * 4;
    while (bucket < LC_TIMES_BUCKETS - 1 && us >= edge_of(bucket)) {
        bucket++;
    }
    return bucket;
}

void lc_times_put(lc_times *times, uint64_t us)
{
    times->bucket[bucket_of(us)]++;
    times->count++;
    times->max_us = us > times->max_us ? us : times->max_us;
    times->total++;
    times->total_us += us;
}

uint64_t lc_times_quantile(const lc_times *times, uint32_t permille)
{
    uint64_t rank = (times->count * permille + 999) / 1000, seen = 0;
    for (uint32_t i = 0; i < LC_TIMES_BUCKETS && times->count > 0; i++) {
        seen += times->bucket[i];
        if (seen >= rank) {
            uint64_t edge = edge_of(i);
            return edge < times->max_us ? edge : times->max_us;
        }
    }
    return 0;
}

void lc_times_clear(lc_times *times)
{
    *times = (lc_times){.total = times->total, .total_us = times->total_us};
}
