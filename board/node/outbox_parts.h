/* outbox_parts.h - what outbox.c (memory) and outbox_disk.c (journals) share. */
#ifndef LC_OUTBOX_PARTS_H
#define LC_OUTBOX_PARTS_H

#include "outbox.h"

/* Flight i of those in the window, the oldest first. */
static inline lc_flight *lc_outbox_flight(const lc_outbox *outbox, uint32_t i)
{
    return &outbox->flight[(outbox->first + i) % outbox->window];
}

/* Whether only the collector's word counts for entries of this journal. */
static inline bool lc_journal_strict(const lc_journal *journal)
{
    return journal->options.strict && journal->open && !journal->failed;
}

/* ---- outbox.c ---- */

/* Entries at the front that are in a message already go. */
void lc_outbox_taken_drop(lc_ring *ring);
/* Flights with entries up to this ordinal end, unsent or not. */
void lc_outbox_flights_drop(lc_outbox *outbox, lc_outbox_kind kind, uint64_t to, bool lost);

/* ---- outbox_disk.c ---- */

/* Appends to the journal; its ordinal, 0 when there is no journal. */
uint64_t lc_outbox_disk_put(lc_outbox *outbox, uint64_t now_ms, lc_outbox_kind kind, uint32_t task,
                            uint64_t seq, lc_str json);
/* The backlog's next entries; NULL when there are none, or none may go now. */
lc_ring *lc_outbox_backlog(lc_outbox *outbox, uint64_t now_ms, lc_outbox_kind kind);
/* When that may give some. */
uint64_t lc_outbox_backlog_ms(const lc_outbox *outbox);
/* What neither waits nor flies is delivered. */
void lc_outbox_cursor_move(lc_outbox *outbox, uint64_t now_ms, lc_outbox_kind kind);
/* e2e: what the collector does not have is all to be sent again, from the journals. */
void lc_outbox_rewind(lc_outbox *outbox);

#endif
