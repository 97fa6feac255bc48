/* slots.h - messages of which only the latest counts: state, birth, last, health, and one gap and
 * one log line at a time. Each has one payload, sent when it changed and, if retained, on every
 * connection. */
#ifndef LC_SLOTS_H
#define LC_SLOTS_H

#include "../../runtime/arena.h"
#include "../../runtime/err.h"

#define LC_SLOTS_MAX 16u
#define LC_SLOT_REFUSED_MS 5000u /* wait after a refusal */
#define LC_SLOT_REFUSALS_MAX 2u  /* some brokers hang up on what they do not allow */

typedef struct lc_slot {
    uint8_t topic; /* lc_topic */
    uint8_t task;
    bool retain;       /* announced on every connection; else given up once acknowledged */
    bool optional;     /* a refusal is final until the next connection, and see refusals */
    bool set;          /* has a payload; one of no bytes takes back what is retained */
    bool dirty;        /* to be sent */
    uint32_t id;       /* in flight under this id, 0: not */
    uint32_t refusals; /* optional: in a row; a connection that ends before the answer is one */
    uint32_t every_ms; /* not more often */
    uint64_t hold_ms;  /* not before */
    uint64_t sent_ms;
    uint32_t bytes, max;
    char *payload; /* [max] */
} lc_slot;

typedef struct lc_slots {
    lc_slot slot[LC_SLOTS_MAX]; /* most urgent first */
    uint32_t count;
} lc_slots;

/* Adds a slot of max bytes at the end. */
lc_err lc_slots_add(lc_slots *slots, lc_slot slot, lc_arena *state) LC_CHECKED;
/* Copies a payload that replaces what was there; false when it is too long. */
bool lc_slot_set(lc_slot *slot, const char *payload, uint32_t bytes);
/* What is retained is sent once more, not before hold_ms. */
void lc_slot_again(lc_slot *slot, uint64_t hold_ms);
/* Neither waiting nor in flight. */
bool lc_slot_idle(const lc_slot *slot);
/* The link is up: retained ones go out again, but for an optional one that was refused
 * LC_SLOT_REFUSALS_MAX times, on this connection. The link is down: what flew is to be sent again.
 */
void lc_slots_up(lc_slots *slots);
void lc_slots_down(lc_slots *slots);
/* The next to hand over, marked as sent under this id; NULL when none is due. */
const lc_slot *lc_slots_send(lc_slots *slots, uint64_t now_ms, uint32_t id);
/* False when the id is none of theirs. */
bool lc_slots_ack(lc_slots *slots, uint64_t now_ms, uint32_t id, uint32_t reason);
uint32_t lc_slots_flying(const lc_slots *slots, uint64_t *oldest_ms);
/* When one becomes due; UINT64_MAX: none. */
uint64_t lc_slots_wake_ms(const lc_slots *slots);

#endif
