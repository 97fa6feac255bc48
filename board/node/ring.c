/* ring.c - items one after another; a filler ends the buffer when the next item does not fit. */
#include "ring.h"

#include "../../runtime/err.h"

#define FILLER UINT32_MAX

typedef struct head {
    uint32_t bytes; /* FILLER: the rest of the buffer is empty */
    uint32_t span;  /* of head, item and padding */
} head;

_Static_assert(sizeof(head) == LC_RING_HEAD, "a head keeps items aligned");

static head *head_at(const lc_ring *ring, uint32_t at)
{
    return (head *)(void *)(ring->data + at);
}

static uint32_t span_of(uint32_t bytes)
{
    return LC_RING_HEAD + (bytes + LC_RING_ALIGN - 1) / LC_RING_ALIGN * LC_RING_ALIGN;
}

void lc_ring_init(lc_ring *ring, void *data, uint32_t size)
{
    lc_assert(size % LC_RING_ALIGN == 0 && (uintptr_t)data % LC_RING_ALIGN == 0);
    *ring = (lc_ring){.data = data, .size = size};
}

/* Where an item of this span goes; false when nowhere. */
static bool place_find(const lc_ring *ring, uint32_t span, uint32_t *at)
{
    bool split = ring->count > 0 && ring->tail <= ring->head; /* free: tail to head only */
    uint32_t end = split ? ring->head : ring->size;
    if (span <= end - ring->tail) {
        *at = ring->tail;
        return true;
    }
    *at = 0;
    return !split && span <= ring->head;
}

bool lc_ring_fits(const lc_ring *ring, uint32_t bytes)
{
    uint32_t at;
    return bytes <= ring->size && place_find(ring, span_of(bytes), &at);
}

void *lc_ring_put(lc_ring *ring, uint32_t bytes)
{
    uint32_t at;
    if (bytes > ring->size || !place_find(ring, span_of(bytes), &at)) {
        return NULL;
    }
    if (at != ring->tail) {
        ring->used += ring->size - ring->tail;
        if (ring->tail < ring->size) {
            head_at(ring, ring->tail)->bytes = FILLER;
        }
    }
    head *new = head_at(ring, at);
    *new = (head){.bytes = bytes, .span = span_of(bytes)};
    ring->tail = at + new->span;
    ring->used += new->span;
    ring->count++;
    if (ring->used > ring->used_peak) {
        ring->used_peak = ring->used;
    }
    return new + 1;
}

/* The head of the item at or after this place. */
static uint32_t filler_skip(const lc_ring *ring, uint32_t at)
{
    return at >= ring->size || head_at(ring, at)->bytes == FILLER ? 0 : at;
}

void *lc_ring_first(const lc_ring *ring)
{
    return ring->count > 0 ? head_at(ring, ring->head) + 1 : NULL;
}

void *lc_ring_next(const lc_ring *ring, const void *item)
{
    const head *this = (const head *)item - 1;
    uint32_t at = (uint32_t)((const uint8_t *)this - ring->data) + this->span;
    if (at == ring->tail) {
        return NULL;
    }
    at = filler_skip(ring, at);
    return at == ring->tail ? NULL : head_at(ring, at) + 1;
}

uint32_t lc_ring_bytes(const void *item)
{
    return ((const head *)item - 1)->bytes;
}

void lc_ring_drop(lc_ring *ring)
{
    lc_assert(ring->count > 0);
    uint32_t span = head_at(ring, ring->head)->span;
    ring->count--;
    if (ring->count == 0) {
        ring->head = ring->tail = ring->used = 0;
        return;
    }
    uint32_t after = ring->head + span;
    uint32_t next = filler_skip(ring, after);
    ring->used -= span + (next < after ? ring->size - after : 0);
    ring->head = next;
}
