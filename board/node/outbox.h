/* outbox.h - records on their way: a bounded queue, then a small window in flight.
 *
 *   queue    rendered records; when it is full the oldest go, and are counted exactly
 *   window   messages that were handed to the link at least once, oldest first. They are kept until
 *            acknowledged and sent again, unchanged and in order, on a new connection
 * So a record that is stated as lost was never sent, and one that was sent is never dropped.
 */
#ifndef LC_OUTBOX_H
#define LC_OUTBOX_H

#include "../../runtime/arena.h"
#include "../../runtime/err.h"
#include "ring.h"

/* What an entry is; also the topic it goes to. */
typedef enum lc_outbox_kind { LC_OUTBOX_RECORD, LC_OUTBOX_EVENT } lc_outbox_kind;

typedef struct lc_outbox_entry {
    uint64_t seq;
    uint32_t bytes;
    uint8_t kind; /* lc_outbox_kind */
    uint8_t task;
    bool taken;  /* copied into a message, waits for those before it to go */
    char json[]; /* [bytes] */
} lc_outbox_entry;

typedef enum lc_flight_state { LC_FLIGHT_TO_SEND, LC_FLIGHT_SENT, LC_FLIGHT_DONE } lc_flight_state;

/* One message: a record, or several of one task as an array. */
typedef struct lc_flight {
    uint32_t id;   /* of the last hand-over */
    uint8_t state; /* lc_flight_state */
    uint8_t kind, task;
    uint32_t records, events;
    uint64_t from, to; /* seq of the first and the last */
    uint64_t sent_ms;
    uint32_t bytes;
    char *payload; /* [LC_MESSAGE_BYTES_MAX] */
} lc_flight;

/* Records that were dropped since the loss was last stated. */
typedef struct lc_gap {
    uint64_t from, to; /* seq of the first and the last; others between may have been sent */
    uint64_t count;
    uint64_t events; /* of up/event, dropped with them */
} lc_gap;

typedef struct lc_outbox {
    lc_ring ring;                   /* of lc_outbox_entry */
    lc_flight *flight;              /* [window], used in turn */
    uint32_t window, first, flying; /* index of the oldest; how many, done ones included */
    uint32_t batch;
    uint32_t message_max; /* bytes that a message of several records may have */
    uint32_t waiting;     /* records and events neither acknowledged nor dropped */
    lc_gap gap;
    uint64_t hold_ms; /* nothing is sent before: the broker refused */
    uint32_t hold_step_ms;
    uint64_t put_total, sent_total, acked_total, dropped_total, refused_total, unheard_total;
} lc_outbox;

lc_err lc_outbox_init(lc_outbox *outbox, uint32_t outbox_bytes, uint32_t window, uint32_t batch,
                      lc_arena *state) LC_CHECKED;
/* Copies one record or event; makes room by dropping the oldest. LIMIT: larger than a message. */
lc_err lc_outbox_put(lc_outbox *outbox, lc_outbox_kind kind, uint32_t task, uint64_t seq,
                     const char *json, uint32_t bytes) LC_CHECKED;
/* The next message to hand over, now marked as sent under this id; NULL when there is none or the
 * window is full. The payload stays until it is acknowledged. */
const lc_flight *lc_outbox_send(lc_outbox *outbox, uint64_t now_ms, uint32_t id);
/* The broker's answer: below 0x80 it is delivered; 0x95 (too large) it never will be, and counts as
 * dropped; else it is sent again after a growing wait. False when the id is not in flight. */
bool lc_outbox_ack(lc_outbox *outbox, uint64_t now_ms, uint32_t id, uint32_t reason);
/* The connection is gone: all that is not acknowledged is to be sent again. */
void lc_outbox_unsend(lc_outbox *outbox);
/* Messages sent and not acknowledged; the time the oldest of them was sent (UINT64_MAX: none). */
uint32_t lc_outbox_flying(const lc_outbox *outbox, uint64_t *oldest_ms);
/* Whether lc_outbox_send would give something at this time. */
bool lc_outbox_ready(const lc_outbox *outbox, uint64_t now_ms);

#endif
