/* ring.h - a bounded queue of items of any size in one buffer; each item lies in one piece.
 *
 * Items are put at the back and dropped at the front. An address that put or first gave stays good
 * until its item is dropped.
 */
#ifndef LC_RING_H
#define LC_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LC_RING_ALIGN 8u
#define LC_RING_HEAD 8u /* bytes an item takes beside its own */

typedef struct lc_ring {
    uint8_t *data;  /* [size] */
    uint32_t size;  /* a multiple of LC_RING_ALIGN */
    uint32_t head;  /* of the first item */
    uint32_t tail;  /* where the next goes */
    uint32_t count; /* items */
    uint32_t used;  /* bytes taken, padding at the end of the buffer included */
    uint32_t used_peak;
} lc_ring;

void lc_ring_init(lc_ring *ring, void *data, uint32_t size);
/* Whether an item of this size would find room now. */
bool lc_ring_fits(const lc_ring *ring, uint32_t bytes);
/* Room for one item, for the caller to fill; NULL when there is not enough. */
void *lc_ring_put(lc_ring *ring, uint32_t bytes);
/* The oldest item, NULL when empty. */
void *lc_ring_first(const lc_ring *ring);
/* The item after this one, NULL at the end. */
void *lc_ring_next(const lc_ring *ring, const void *item);
uint32_t lc_ring_bytes(const void *item);
/* Drops the oldest item, which must be there. */
void lc_ring_drop(lc_ring *ring);

#endif
