/* held.c - ranges of numbers per series; numbers come nearly in order, so ranges are few. */
#include "held.h"

#include <stdlib.h>
#include <string.h>

static uint32_t bucket_of(const char *dev, uint32_t boot, uint32_t kind)
{
    uint32_t hash = 2166136261u ^ boot * 31u ^ kind * 131u;
    for (const char *at = dev; *at; at++) {
        hash = (hash ^ (uint8_t)*at) * 16777619u;
    }
    return hash % LC_HELD_BUCKETS;
}

static lc_series *series_find(const lc_held *held, const char *dev, uint32_t boot, uint32_t kind)
{
    lc_series *s = held->bucket[bucket_of(dev, boot, kind)];
    while (s && (s->boot != boot || s->kind != kind || strcmp(s->dev, dev) != 0)) {
        s = s->next;
    }
    return s;
}

const lc_series *lc_held_find(const lc_held *held, const char *dev, uint32_t boot, uint32_t kind)
{
    return series_find(held, dev, boot, kind);
}

/* The first range that ends at n or later; count when there is none. */
static uint32_t range_at(const lc_series *s, uint64_t n)
{
    uint32_t low = 0, high = s->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (s->range[middle].to < n) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool lc_held_has(const lc_held *held, const char *dev, uint32_t boot, uint32_t kind, uint64_t n)
{
    const lc_series *s = series_find(held, dev, boot, kind);
    uint32_t at = s ? range_at(s, n) : 0;
    return s && at < s->count && s->range[at].from <= n;
}

static lc_series *series_make(lc_held *held, const char *dev, uint32_t boot, uint32_t kind)
{
    lc_series *s = calloc(1, sizeof *s);
    if (s) {
        lc_series **bucket = &held->bucket[bucket_of(dev, boot, kind)];
        *s = (lc_series){.next = *bucket, .boot = boot, .kind = kind};
        strncpy(s->dev, dev, sizeof s->dev - 1);
        *bucket = s;
    }
    return s;
}

static bool range_insert(lc_series *s, uint32_t at, lc_range range)
{
    if (s->count == s->room) {
        uint32_t room = s->room > 0 ? s->room * 2 : 4;
        lc_range *more = realloc(s->range, room * sizeof *more);
        if (!more) {
            return false;
        }
        s->range = more;
        s->room = room;
    }
    memmove(s->range + at + 1, s->range + at, (s->count - at) * sizeof *s->range);
    s->range[at] = range;
    s->count++;
    return true;
}

bool lc_held_add(lc_held *held, const char *dev, uint32_t boot, uint32_t kind, uint64_t from,
                 uint64_t to)
{
    lc_series *s = series_find(held, dev, boot, kind);
    s = s ? s : series_make(held, dev, boot, kind);
    if (!s || from > to) {
        return s != NULL;
    }
    uint32_t first = range_at(s, from > 0 ? from - 1 : 0), last = first;
    while (last < s->count && s->range[last].from <= to + 1) { /* all that it touches */
        from = s->range[last].from < from ? s->range[last].from : from;
        to = s->range[last].to > to ? s->range[last].to : to;
        last++;
    }
    if (first == last) {
        return range_insert(s, first, (lc_range){from, to});
    }
    s->range[first] = (lc_range){from, to};
    memmove(s->range + first + 1, s->range + last, (s->count - last) * sizeof *s->range);
    s->count -= last - first - 1;
    return true;
}

/* The end of the range that n is in; n - 1 when it is in none. */
static uint64_t range_end(const lc_series *s, uint64_t n)
{
    uint32_t at = s ? range_at(s, n) : 0;
    return s && at < s->count && s->range[at].from <= n ? s->range[at].to : n - 1;
}

uint64_t lc_held_reach(const lc_held *held, const char *dev, uint32_t boot, uint32_t kind,
                       uint32_t lost)
{
    const lc_series *here = series_find(held, dev, boot, kind);
    const lc_series *gone = series_find(held, dev, boot, lost);
    uint64_t reach = 0, before;
    do {
        before = reach;
        reach = range_end(here, reach + 1);
        reach = range_end(gone, reach + 1);
    } while (reach > before);
    return reach;
}

void lc_held_forget(lc_held *held, const char *dev)
{
    for (uint32_t i = 0; i < LC_HELD_BUCKETS; i++) {
        for (lc_series **at = &held->bucket[i]; *at;) {
            lc_series *s = *at;
            if (dev && strcmp(s->dev, dev) != 0) {
                at = &s->next;
                continue;
            }
            *at = s->next;
            free(s->range);
            free(s);
        }
    }
}
