/* outbox.h - records on their way: a journal, a bounded queue, then a small window in flight.
 *
 *   journal  every record and event, in a file, until it is delivered; without a disk there is none
 *   queue    rendered records in memory, newest kept. The oldest go when it is full: those in the
 *            journal wait there as its backlog, others are lost and counted exactly
 *   window   messages that were handed to the link at least once, oldest first. They are kept until
 *            acknowledged and sent again, unchanged and in order, on a new connection
 * The queue goes first and as fast as the link takes it; the backlog follows oldest first, at most
 * `backlog_per_s` records a second and never in the window's last place. So results of now pass
 * those of the past, and as long as nothing left the queue, all keep their order.
 *
 * Delivered is what the broker acknowledged, or with `e2e` only what the collector did
 * (lc_outbox_collected): then a new connection starts again after what the collector has.
 * A record that is stated as lost was never sent, unless its place in the journal was taken while
 * it was in flight.
 */
#ifndef LC_OUTBOX_H
#define LC_OUTBOX_H

#include "../../runtime/arena.h"
#include "../../runtime/err.h"
#include "journal.h"
#include "ring.h"

#define LC_NAMES_MAX 32u /* of tasks: those of the job, then others that the journal still has */
#define LC_OUTBOX_SMALL_MAX 1024u      /* bytes of an event, of an entry of the audit */
#define LC_OUTBOX_AGAIN_MS 60000u      /* e2e: sent again when the collector says nothing */
#define LC_OUTBOX_AGAIN_MAX_MS 600000u /* the wait doubles up to this */

/* What an entry is; also the topic it goes to, and its journal. */
typedef enum lc_outbox_kind {
    LC_OUTBOX_RECORD,
    LC_OUTBOX_EVENT,
    LC_OUTBOX_CORRECTION, /* of a record; only where the job escalates */
    LC_OUTBOX_AUDIT,      /* of no task */
    LC_OUTBOX_KINDS
} lc_outbox_kind;

typedef struct lc_outbox_entry {
    uint64_t seq;     /* of all but records: their number */
    uint64_t ordinal; /* in its journal, 0: in none */
    uint32_t boot;
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
    bool backlog; /* read back from the journal */
    uint32_t records, events;
    uint64_t from, to; /* seq of the first and the last */
    uint64_t ordinal;  /* of the first in its journal, 0: in none */
    uint32_t boot;
    uint64_t sent_ms;
    uint32_t bytes;
    char *payload; /* [LC_MESSAGE_BYTES_MAX] */
} lc_flight;

/* Records that were dropped from memory since the loss was last stated. */
typedef struct lc_gap {
    uint64_t from, to; /* seq of the first and the last; others between may have been sent */
    uint64_t count;
    uint64_t events; /* corrections and audits too, dropped with them */
} lc_gap;

/* Entries of one kind on their way through the disk. */
typedef struct lc_lane {
    lc_journal journal;
    lc_ring back;                  /* of lc_outbox_entry: the backlog's next */
    uint64_t oldest, oldest_ts_ms; /* ordinal of the oldest not delivered; when it was made */
} lc_lane;

typedef struct lc_outbox {
    lc_ring ring; /* of lc_outbox_entry */
    lc_lane lane[LC_OUTBOX_KINDS];
    lc_flight *flight;              /* [window], used in turn */
    uint32_t window, first, flying; /* index of the oldest; how many, done ones included */
    uint32_t batch;
    uint32_t message_max; /* bytes that a message of several records may have */
    uint32_t waiting;     /* records and events in memory, neither acknowledged nor dropped */
    lc_gap gap;
    uint64_t hold_ms; /* nothing is sent before: the broker refused */
    uint32_t hold_step_ms;
    uint32_t boot;
    bool e2e;
    uint32_t backlog_per_s, tokens; /* records of the backlog that may go now */
    uint64_t tokens_ms;             /* until when they are counted */
    uint64_t again_ms;              /* e2e: then all is sent again, UINT64_MAX: not */
    uint32_t again_step_ms;
    char name[LC_NAMES_MAX][LC_NAME_BYTES_MAX]; /* of tasks */
    uint8_t name_bytes[LC_NAMES_MAX];
    uint32_t names;
    uint64_t put_total, sent_total, acked_total, dropped_total, refused_total, unheard_total;
} lc_outbox;

typedef struct lc_outbox_disk {
    const lc_port *port;
    uint64_t bytes; /* of both journals */
    uint32_t boot;
    bool e2e;
    uint32_t backlog_per_s;
    bool corrects;      /* there will be corrections */
    const lc_str *task; /* [task_count] names */
    uint32_t task_count;
} lc_outbox_disk;

lc_err lc_outbox_init(lc_outbox *outbox, uint32_t outbox_bytes, uint32_t window, uint32_t batch,
                      lc_arena *state) LC_CHECKED;
/* Takes memory for the journals, after lc_outbox_init. */
lc_err lc_outbox_disk_init(lc_outbox *outbox, const lc_outbox_disk *disk,
                           lc_arena *state) LC_CHECKED;
/* Opens the journals. IO, FORMAT: one cannot be used; records wait in memory only. */
lc_err lc_outbox_open(lc_outbox *outbox, uint64_t now_ms) LC_CHECKED;
/* Before a good end: what is not certain yet is synced, the cursors are kept. */
void lc_outbox_close(lc_outbox *outbox, uint64_t now_ms);

/* Copies one record or event; makes room by dropping the oldest. LIMIT: larger than a message. */
lc_err lc_outbox_put(lc_outbox *outbox, uint64_t now_ms, lc_outbox_kind kind, uint32_t task,
                     uint64_t seq, const char *json, uint32_t bytes) LC_CHECKED;
/* The next message to hand over, now marked as sent under this id; NULL when there is none or the
 * window is full. The payload stays until it is acknowledged. */
const lc_flight *lc_outbox_send(lc_outbox *outbox, uint64_t now_ms, uint32_t id);
/* The broker's answer: below 0x80 it is delivered (with e2e it is on its way, and 0x10, nobody
 * listens, is a refusal); 0x95 (too large) it never will be, and counts as dropped; else it is sent
 * again after a growing wait. False when the id is not in flight. */
bool lc_outbox_ack(lc_outbox *outbox, uint64_t now_ms, uint32_t id, uint32_t reason);
/* What a collector says that it has of a start: all up to these numbers. */
typedef struct lc_collected {
    uint32_t boot;
    uint64_t seq, event, audit, correction;
} lc_collected;

void lc_outbox_collected(lc_outbox *outbox, uint64_t now_ms, const lc_collected *has);
/* The connection is gone: all that is not acknowledged is to be sent again. */
void lc_outbox_unsend(lc_outbox *outbox);
/* Messages sent and not acknowledged; the time the oldest of them was sent (UINT64_MAX: none). */
uint32_t lc_outbox_flying(const lc_outbox *outbox, uint64_t *oldest_ms);
/* When lc_outbox_send would give something; UINT64_MAX: not before something happens. */
uint64_t lc_outbox_ready_ms(const lc_outbox *outbox);
/* Group commits, cursors, and with e2e what the collector left unanswered. */
void lc_outbox_tick(lc_outbox *outbox, uint64_t now_ms, bool up);
uint64_t lc_outbox_tick_ms(const lc_outbox *outbox, bool up);
/* Records and events not yet delivered; records dropped before they were. */
uint64_t lc_outbox_waiting(const lc_outbox *outbox);
uint64_t lc_outbox_dropped(const lc_outbox *outbox);
lc_str lc_outbox_name(const lc_outbox *outbox, uint32_t task);
/* Whether the journal of this kind takes what is put. */
bool lc_outbox_keeps(const lc_outbox *outbox, lc_outbox_kind kind);
/* Whether it does not, though it should. */
bool lc_outbox_failed(const lc_outbox *outbox, lc_outbox_kind kind);

#endif
