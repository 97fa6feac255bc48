/* outbox.c - the queue of records and the window of messages; outbox_disk.c has the journals. */
#include "outbox.h"

#include <string.h>

#include "../../runtime/limits.h"
#include "outbox_parts.h"

#define REASON_UNHEARD 0x10u /* no matching subscribers: delivered all the same, but for e2e */
#define REASON_REFUSED 0x80u
#define REASON_TOO_LARGE 0x95u
#define HOLD_MIN_MS 1000u
#define HOLD_MAX_MS 60000u

lc_err lc_outbox_init(lc_outbox *outbox, uint32_t outbox_bytes, uint32_t window, uint32_t batch,
                      lc_arena *state)
{
    lc_assert(outbox_bytes >= LC_OUTBOX_BYTES_MIN && window > 0 && batch > 0);
    uint8_t *data = lc_arena_push(state, outbox_bytes);
    lc_flight *flight = LC_PUSH(state, lc_flight, window);
    char *payload = lc_arena_push(state, (size_t)window * LC_MESSAGE_BYTES_MAX);
    if (!data || !flight || !payload) {
        return LC_ERR_ARENA;
    }
    if (state->measuring) {
        return LC_OK;
    }
    *outbox = (lc_outbox){.flight = flight,
                          .window = window,
                          .batch = batch,
                          .message_max = LC_MESSAGE_BYTES_MAX,
                          .again_ms = UINT64_MAX};
    lc_ring_init(&outbox->ring, data, outbox_bytes);
    for (uint32_t i = 0; i < window; i++) {
        flight[i] = (lc_flight){.payload = payload + (size_t)i * LC_MESSAGE_BYTES_MAX};
    }
    return LC_OK;
}

/* ---- the queue ---- */

static void gap_add(lc_outbox *outbox, uint64_t from, uint64_t to, uint32_t records,
                    uint32_t events)
{
    lc_gap *gap = &outbox->gap;
    if (records > 0) {
        gap->from = gap->count == 0 || from < gap->from ? from : gap->from;
        gap->to = to > gap->to ? to : gap->to;
    }
    gap->count += records;
    gap->events += events;
    outbox->dropped_total += records;
    outbox->waiting -= records + events;
}

/* The oldest entry is never one that is in a message already. */
void lc_outbox_taken_drop(lc_ring *ring)
{
    const lc_outbox_entry *entry;
    while ((entry = lc_ring_first(ring)) && entry->taken) {
        lc_ring_drop(ring);
    }
}

static void oldest_drop(lc_outbox *outbox)
{
    const lc_outbox_entry *entry = lc_ring_first(&outbox->ring);
    bool record = entry->kind == LC_OUTBOX_RECORD;
    lc_assert(!entry->taken);
    if (entry->ordinal > 0) { /* it is read back when its turn comes */
        lc_journal_return(&outbox->lane[entry->kind].journal, entry->ordinal);
        outbox->waiting--;
    } else {
        gap_add(outbox, entry->seq, entry->seq, record, !record);
    }
    lc_ring_drop(&outbox->ring);
    lc_outbox_taken_drop(&outbox->ring);
}

lc_err lc_outbox_put(lc_outbox *outbox, uint64_t now_ms, lc_outbox_kind kind, uint32_t task,
                     uint64_t seq, const char *json, uint32_t bytes)
{
    if (bytes > LC_MESSAGE_BYTES_MAX) {
        return LC_ERR_LIMIT;
    }
    uint64_t ordinal = lc_outbox_disk_put(outbox, now_ms, kind, task, seq, (lc_str){json, bytes});
    uint32_t span = (uint32_t)sizeof(lc_outbox_entry) + bytes;
    lc_outbox_entry *entry = lc_ring_put(&outbox->ring, span);
    while (!entry) {
        oldest_drop(outbox);
        entry = lc_ring_put(&outbox->ring, span);
    }
    *entry = (lc_outbox_entry){.seq = seq,
                               .ordinal = ordinal,
                               .boot = outbox->boot,
                               .bytes = bytes,
                               .kind = (uint8_t)kind,
                               .task = (uint8_t)task};
    memcpy(entry->json, json, bytes);
    outbox->put_total += kind == LC_OUTBOX_RECORD;
    outbox->waiting++;
    return LC_OK;
}

/* ---- a message from the queue ---- */

static void message_start(lc_flight *flight, const lc_outbox_entry *first)
{
    char *payload = flight->payload;
    *flight = (lc_flight){.kind = first->kind,
                          .task = first->task,
                          .from = first->seq,
                          .ordinal = first->ordinal,
                          .boot = first->boot,
                          .payload = payload};
}

/* Appends one entry; false when the message is full. The first always fits. */
static bool message_add(lc_flight *flight, lc_outbox_entry *entry, uint32_t max)
{
    uint32_t held = flight->records + flight->events;
    uint32_t more = held == 0 ? entry->bytes : entry->bytes + (held == 1 ? 3 : 1);
    if (held > 0 && flight->bytes + more > max) {
        return false;
    }
    if (held == 1) { /* a second one: it becomes an array */
        memmove(flight->payload + 1, flight->payload, flight->bytes);
        flight->payload[0] = '[';
        flight->payload[flight->bytes + 1] = ']';
        flight->bytes += 2;
    }
    if (held > 0) {
        flight->payload[flight->bytes - 1] = ',';
    }
    memcpy(flight->payload + flight->bytes, entry->json, entry->bytes);
    flight->bytes += entry->bytes;
    if (held > 0) {
        flight->payload[flight->bytes++] = ']';
    }
    flight->to = entry->seq;
    flight->records += entry->kind == LC_OUTBOX_RECORD;
    flight->events += entry->kind != LC_OUTBOX_RECORD;
    entry->taken = true;
    return true;
}

static bool belongs(const lc_flight *flight, const lc_outbox_entry *entry)
{
    return entry->kind == flight->kind && entry->task == flight->task &&
           entry->boot == flight->boot && !entry->taken &&
           (entry->ordinal == 0) == (flight->ordinal == 0);
}

/* Collects waiting entries of one kind, task and start, in order, into a new message. */
static lc_flight *message_collect(lc_outbox *outbox, lc_ring *ring)
{
    lc_outbox_entry *entry = lc_ring_first(ring);
    if (!entry || outbox->flying == outbox->window) {
        return NULL;
    }
    lc_assert(!entry->taken);
    lc_flight *flight = &outbox->flight[(outbox->first + outbox->flying++) % outbox->window];
    message_start(flight, entry);
    flight->backlog = ring != &outbox->ring;
    for (uint32_t seen = 0; entry && seen < LC_BATCH_SCAN_MAX; seen++) {
        if (belongs(flight, entry) && !message_add(flight, entry, outbox->message_max)) {
            break;
        }
        if (flight->records + flight->events == outbox->batch) {
            break;
        }
        entry = lc_ring_next(ring, entry);
    }
    lc_outbox_taken_drop(ring);
    return flight;
}

/* ---- the window ---- */

static lc_flight *unsent_find(const lc_outbox *outbox)
{
    for (uint32_t i = 0; i < outbox->flying; i++) {
        if (lc_outbox_flight(outbox, i)->state == LC_FLIGHT_TO_SEND) {
            return lc_outbox_flight(outbox, i);
        }
    }
    return NULL;
}

uint64_t lc_outbox_ready_ms(const lc_outbox *outbox)
{
    bool room = outbox->flying < outbox->window && outbox->ring.count > 0;
    uint64_t ready = room || unsent_find(outbox) ? 0 : lc_outbox_backlog_ms(outbox);
    return ready > outbox->hold_ms ? ready : outbox->hold_ms;
}

const lc_flight *lc_outbox_send(lc_outbox *outbox, uint64_t now_ms, uint32_t id)
{
    if (now_ms < outbox->hold_ms) {
        return NULL;
    }
    lc_flight *flight = unsent_find(outbox);
    if (!flight) {
        flight = message_collect(outbox, &outbox->ring);
    }
    static const lc_outbox_kind order[LC_OUTBOX_KINDS] = {LC_OUTBOX_EVENT, LC_OUTBOX_CORRECTION,
                                                          LC_OUTBOX_AUDIT, LC_OUTBOX_RECORD};
    for (uint32_t i = 0; i < LC_OUTBOX_KINDS && !flight; i++) {
        lc_ring *back = lc_outbox_backlog(outbox, now_ms, order[i]);
        flight = back ? message_collect(outbox, back) : NULL;
        uint32_t count = flight ? flight->records + flight->events : 0;
        outbox->tokens -= count < outbox->tokens ? count : outbox->tokens;
    }
    if (flight) {
        flight->state = LC_FLIGHT_SENT;
        flight->id = id;
        flight->sent_ms = now_ms;
        outbox->sent_total++;
    }
    return flight;
}

static void flights_end(lc_outbox *outbox)
{
    while (outbox->flying > 0 && lc_outbox_flight(outbox, 0)->state == LC_FLIGHT_DONE) {
        outbox->first = (outbox->first + 1) % outbox->window;
        outbox->flying--;
    }
}

static void flight_refuse(lc_outbox *outbox, lc_flight *flight, uint64_t now_ms)
{
    uint32_t step = outbox->hold_step_ms ? outbox->hold_step_ms * 2 : HOLD_MIN_MS;
    outbox->hold_step_ms = step > HOLD_MAX_MS ? HOLD_MAX_MS : step;
    outbox->hold_ms = now_ms + outbox->hold_step_ms;
    flight->state = LC_FLIGHT_TO_SEND;
}

static void flight_lose(lc_outbox *outbox, const lc_flight *flight)
{
    lc_journal *journal = &outbox->lane[flight->kind].journal;
    uint32_t count = flight->records + flight->events;
    if (flight->ordinal > 0) {
        lc_journal_lost(journal, flight->boot, flight->from, flight->to, count);
        outbox->waiting -= count;
    } else {
        gap_add(outbox, flight->from, flight->to, flight->records, flight->events);
    }
}

static void flight_answer(lc_outbox *outbox, lc_flight *flight, uint64_t now_ms, uint32_t reason)
{
    lc_journal *journal = &outbox->lane[flight->kind].journal;
    bool strict = flight->ordinal > 0 && lc_journal_strict(journal);
    bool unheard = reason == REASON_UNHEARD;
    outbox->unheard_total += unheard;
    if ((reason >= REASON_REFUSED && reason != REASON_TOO_LARGE) || (strict && unheard)) {
        outbox->refused_total += !unheard;
        flight_refuse(outbox, flight, now_ms);
        return;
    }
    flight->state = LC_FLIGHT_DONE;
    if (reason == REASON_TOO_LARGE) {
        flight_lose(outbox, flight);
    } else {
        outbox->acked_total += flight->records;
        outbox->waiting -= flight->records + flight->events;
        outbox->hold_step_ms = 0;
    }
    flights_end(outbox);
    if (flight->ordinal > 0) {
        lc_journal_touch(journal, now_ms);
        if (outbox->ring.count == 0) { /* else it is looked up when it is kept */
            lc_outbox_cursor_move(outbox, now_ms, (lc_outbox_kind)flight->kind);
        }
    }
}

bool lc_outbox_ack(lc_outbox *outbox, uint64_t now_ms, uint32_t id, uint32_t reason)
{
    for (uint32_t i = 0; i < outbox->flying; i++) {
        lc_flight *flight = lc_outbox_flight(outbox, i);
        if (flight->state == LC_FLIGHT_SENT && flight->id == id) {
            flight_answer(outbox, flight, now_ms, reason);
            return true;
        }
    }
    return false;
}

void lc_outbox_unsend(lc_outbox *outbox)
{
    outbox->hold_ms = 0;
    outbox->hold_step_ms = 0;
    for (uint32_t i = 0; i < outbox->flying; i++) {
        if (lc_outbox_flight(outbox, i)->state == LC_FLIGHT_SENT) {
            lc_outbox_flight(outbox, i)->state = LC_FLIGHT_TO_SEND;
        }
    }
    lc_outbox_rewind(outbox);
}

void lc_outbox_flights_drop(lc_outbox *outbox, lc_outbox_kind kind, uint64_t to, bool lost)
{
    for (uint32_t i = 0; i < outbox->flying; i++) {
        lc_flight *flight = lc_outbox_flight(outbox, i);
        if (flight->state != LC_FLIGHT_DONE && flight->kind == kind && flight->ordinal > 0 &&
            flight->ordinal <= to) {
            flight->state = LC_FLIGHT_DONE;
            if (lost) {
                flight_lose(outbox, flight);
            } else {
                outbox->waiting -= flight->records + flight->events;
            }
        }
    }
    flights_end(outbox);
}

uint32_t lc_outbox_flying(const lc_outbox *outbox, uint64_t *oldest_ms)
{
    uint32_t flying = 0;
    *oldest_ms = UINT64_MAX;
    for (uint32_t i = 0; i < outbox->flying; i++) {
        const lc_flight *flight = lc_outbox_flight(outbox, i);
        if (flight->state == LC_FLIGHT_SENT) {
            flying++;
            *oldest_ms = flight->sent_ms < *oldest_ms ? flight->sent_ms : *oldest_ms;
        }
    }
    return flying;
}
