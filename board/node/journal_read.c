/* journal_read.c - reading back, what is delivered, what is lost and stated. */
#include <string.h>

#include "journal.h"
#include "journal_parts.h"

/* ---- entries ---- */

/* bytes of the segment from `at`, read ahead as far as the buffer holds; NULL when it has less. */
static const uint8_t *bytes_get(lc_journal *j, uint64_t number, uint32_t at, uint32_t bytes,
                                uint32_t limit, lc_err *err)
{
    const lc_port *port = j->options.port;
    uint32_t size = LC_ENTRY_HEAD + j->options.text_max;
    *err = LC_ERR_NOT_FOUND;
    if (at > limit || bytes > limit - at || bytes > size) {
        return NULL;
    }
    bool held = j->buffer_number == number && at >= j->buffer_at &&
                at + bytes <= j->buffer_at + j->buffer_bytes;
    if (!held) {
        uint64_t from = number % j->options.segments * j->options.segment_bytes + at;
        uint32_t count = limit - at < size ? limit - at : size;
        j->buffer_number = 0;
        if (port->read(port->ctx, j->options.file, from, j->buffer, count) != LC_OK) {
            *err = LC_ERR_IO;
            return NULL;
        }
        j->buffer_number = number;
        j->buffer_at = at;
        j->buffer_bytes = count;
    }
    *err = LC_OK;
    return j->buffer + (at - j->buffer_at);
}

static bool text_get(lc_history *history, const uint8_t *body, uint32_t stored, uint32_t bytes,
                     const char **text)
{
    if (stored < bytes) {
        return lc_unsqueeze(history, body, stored, bytes, text);
    }
    lc_history_add(history, body, bytes);
    *text = (const char *)body;
    return stored == bytes;
}

lc_err lc_journal_entry_read(lc_journal *j, lc_place *place, uint32_t limit, lc_history *history,
                             lc_entry *entry)
{
    lc_err err;
    const uint8_t *at = bytes_get(j, place->number, place->at, LC_ENTRY_HEAD, limit, &err);
    if (!at) {
        return err;
    }
    lc_reader r = lc_reader_make(at, LC_ENTRY_HEAD);
    bool ours = lc_read_u16(&r) == LC_ENTRY_MAGIC;
    uint8_t kind = lc_read_u8(&r);
    uint32_t name = lc_read_u8(&r), stored = lc_read_u16(&r), bytes = lc_read_u16(&r);
    *entry = (lc_entry){.ordinal = place->ordinal, .kind = kind, .seq = lc_read_u64(&r)};
    entry->boot = lc_read_u32(&r);
    uint32_t crc = lc_read_u32(&r);
    if (!ours || stored > bytes || name > bytes || bytes > j->options.text_max) {
        return LC_ERR_NOT_FOUND;
    }
    at = bytes_get(j, place->number, place->at, LC_ENTRY_HEAD + stored, limit, &err);
    if (!at) {
        return err;
    }
    const char *text;
    if (crc != lc_journal_crc(place->chain, at, stored) ||
        !text_get(history, at + LC_ENTRY_HEAD, stored, bytes, &text)) {
        return LC_ERR_NOT_FOUND;
    }
    entry->text = (lc_str){text, bytes - name};
    entry->name = (lc_str){text + bytes - name, name};
    *place = (lc_place){place->number, place->at + LC_ENTRY_HEAD + stored, crc, place->ordinal + 1};
    return LC_OK;
}

/* ---- the reader's place ---- */

static lc_err segment_enter(lc_journal *j, uint64_t number)
{
    lc_err err;
    const uint8_t *head = bytes_get(j, number, 0, LC_SEGMENT_HEAD, LC_SEGMENT_HEAD, &err);
    if (!head) {
        return err;
    }
    lc_reader r = lc_reader_make(head + 4, 4);
    j->read = (lc_place){number, LC_SEGMENT_HEAD, lc_read_u32(&r), lc_journal_begins(j, number)};
    lc_history_clear(&j->read_history);
    return LC_OK;
}

static uint64_t segment_of(const lc_journal *j, uint64_t ordinal)
{
    uint64_t low = j->first, high = j->end.number;
    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        bool before = lc_journal_begins(j, middle) <= ordinal;
        low = before ? middle : low;
        high = before ? high : middle - 1;
    }
    return low;
}

/* One entry on; at a segment's end or a damaged entry into the next segment. */
static lc_err entry_step(lc_journal *j, lc_entry *entry)
{
    bool last = j->read.number == j->end.number;
    uint32_t limit = last ? j->end.at : j->options.segment_bytes;
    lc_err err = lc_journal_entry_read(j, &j->read, limit, &j->read_history, entry);
    if (err == LC_ERR_NOT_FOUND && !last) {
        err = segment_enter(j, j->read.number + 1);
        return err == LC_OK ? LC_ERR_BUSY : err; /* once more */
    }
    return err;
}

lc_err lc_journal_read(lc_journal *j, uint64_t ordinal, lc_entry *entry)
{
    uint64_t number = segment_of(j, ordinal);
    lc_err err = LC_OK;
    if (j->read.number != number || j->read.ordinal > ordinal) {
        err = segment_enter(j, number);
    }
    while (err == LC_OK || err == LC_ERR_BUSY) {
        err = entry_step(j, entry);
        if (err == LC_OK && entry->ordinal >= ordinal) {
            return LC_OK;
        }
    }
    j->read.number = 0;
    return err;
}

lc_err lc_journal_step(lc_journal *j, lc_entry *entry)
{
    lc_err err = LC_ERR_NOT_FOUND;
    if (j->open && j->end.number > 0) {
        err = j->read.number == 0 ? segment_enter(j, j->first) : LC_OK;
    }
    while (err == LC_OK || err == LC_ERR_BUSY) {
        err = entry_step(j, entry);
        if (err == LC_OK) {
            return LC_OK;
        }
    }
    return err;
}

/* ---- the backlog ---- */

void lc_journal_taken(lc_journal *j, uint64_t ordinal)
{
    while (j->spans > 0 && j->backlog[0].to <= ordinal) {
        j->spans--;
        memmove(j->backlog, j->backlog + 1, j->spans * sizeof j->backlog[0]);
    }
    if (j->spans > 0 && j->backlog[0].from <= ordinal) {
        j->backlog[0].from = ordinal + 1;
    }
}

void lc_journal_return(lc_journal *j, uint64_t ordinal)
{
    lc_span *last = j->spans > 0 ? &j->backlog[j->spans - 1] : NULL;
    if (last && (last->to + 1 == ordinal || j->spans == LC_SPANS_MAX)) {
        last->to = ordinal; /* with no place left some are sent twice */
    } else {
        j->backlog[j->spans++] = (lc_span){ordinal, ordinal};
    }
}

void lc_journal_rewind(lc_journal *j, uint64_t before)
{
    j->spans = 0;
    if (j->open && j->cursor + 1 < before) {
        j->backlog[j->spans++] = (lc_span){j->cursor + 1, before - 1};
    }
}

uint64_t lc_journal_backlog(const lc_journal *j)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < j->spans; i++) {
        count += j->backlog[i].to - j->backlog[i].from + 1;
    }
    return count;
}

/* Entries that are damaged were the next of the start that was read last. */
static void unread_lose(lc_journal *j, uint64_t from, uint64_t to)
{
    uint64_t count = to - from + 1;
    j->damaged = true;
    lc_journal_lost(j, j->read_boot, j->read_seq + 1, j->read_seq + count, count);
    j->read_seq += count;
    lc_journal_taken(j, to);
    j->keep_at_ms = 0;
}

/* Whether there is room to remember the start of this entry. */
static bool boot_learn(lc_journal *j, const lc_entry *entry)
{
    uint32_t i = j->boots;
    while (i > 0 && j->boot[i - 1].ordinal > entry->ordinal) {
        i--;
    }
    if (!j->options.strict || (i > 0 && j->boot[i - 1].boot == entry->boot)) {
        return true;
    }
    if (i < j->boots && j->boot[i].boot == entry->boot) { /* known from a later entry on */
        j->boot[i].ordinal = entry->ordinal;
        j->boot[i].seq = entry->seq;
        return true;
    }
    if (j->boots == LC_BOOTS_MAX) {
        return false;
    }
    memmove(j->boot + i + 1, j->boot + i, (j->boots - i) * sizeof j->boot[0]);
    j->boot[i] = (lc_boot){entry->boot, entry->ordinal, entry->seq, 0};
    j->boots++;
    return true;
}

bool lc_journal_next(lc_journal *j, lc_entry *entry)
{
    if (!j->open || j->spans == 0 || j->boots_full) {
        return false;
    }
    uint64_t from = j->backlog[0].from, to = j->backlog[0].to;
    lc_err err = lc_journal_read(j, from, entry);
    if (err == LC_ERR_IO || err == LC_ERR_NOT_FOUND) {
        unread_lose(j, from, to);
        return false;
    }
    if (entry->ordinal > from) {
        unread_lose(j, from, entry->ordinal <= to ? entry->ordinal - 1 : to);
        if (entry->ordinal > to) {
            j->read.number = 0;
            return false;
        }
    }
    if (!boot_learn(j, entry)) {
        j->boots_full = true;
        j->read.number = 0;
        return false;
    }
    j->draining = true;
    j->read_boot = entry->boot;
    j->read_seq = entry->seq;
    lc_journal_taken(j, entry->ordinal);
    return true;
}

bool lc_journal_oldest(lc_journal *j, lc_entry *entry)
{
    return j->open && j->cursor + 1 < j->end.ordinal &&
           lc_journal_read(j, j->cursor + 1, entry) == LC_OK;
}

/* ---- what is delivered ---- */

void lc_journal_touch(lc_journal *j, uint64_t now_ms)
{
    if (j->keep_at_ms == UINT64_MAX && j->open && !j->failed) {
        j->keep_at_ms = now_ms + LC_JOURNAL_LAZY_MS;
    }
}

void lc_journal_delivered(lc_journal *j, uint64_t now_ms, uint64_t ordinal)
{
    if (j->open && ordinal > j->cursor && ordinal < j->end.ordinal) {
        j->cursor = ordinal;
        lc_journal_touch(j, now_ms);
        if (j->draining) {
            lc_journal_draft(j);
            j->draining = j->cursor + 1 < j->end.ordinal;
        }
    }
}

/* Losses of a start up to seq are known to who acknowledges beyond them. */
static void losses_forget(lc_journal *j, uint32_t boot, uint64_t seq)
{
    for (uint32_t i = j->losses; i > 0; i--) {
        lc_loss *loss = &j->loss[i - 1];
        if (loss->boot == boot && loss->to <= seq && loss->told > 0) {
            j->losses--;
            memmove(loss, loss + 1, (j->losses - i + 1) * sizeof *loss);
        }
    }
}

/* Last ordinal of those of this start that the collector has and that were read here. */
static uint64_t boot_reach(const lc_journal *j, uint32_t i)
{
    const lc_boot *b = &j->boot[i];
    bool newest = i + 1 == j->boots;
    uint64_t end = newest ? j->end.ordinal : j->boot[i + 1].ordinal;
    uint64_t unread = j->spans > 0 && j->backlog[0].from >= b->ordinal ? j->backlog[0].from : end;
    uint64_t count = b->acked >= b->seq ? b->acked - b->seq + 1 : 0;
    end = end < unread ? end : unread;
    return count > end - b->ordinal ? end - 1 : b->ordinal + count - 1;
}

void lc_journal_ack(lc_journal *j, uint64_t now_ms, uint32_t boot, uint64_t seq)
{
    uint64_t reach = j->cursor;
    losses_forget(j, boot, seq);
    for (uint32_t i = 0; i < j->boots; i++) {
        lc_boot *b = &j->boot[i];
        if (b->boot == boot && seq > b->acked) {
            b->acked = seq;
        }
        if (b->ordinal <= reach + 1) {
            uint64_t here = boot_reach(j, i);
            reach = here > reach ? here : reach;
        }
    }
    lc_journal_delivered(j, now_ms, reach);
    while (j->boots > 1 && j->boot[1].ordinal <= j->cursor + 1) {
        j->boots--;
        memmove(j->boot, j->boot + 1, j->boots * sizeof j->boot[0]);
        j->boots_full = false;
    }
}

/* ---- losses ---- */

bool lc_journal_has_loss(const lc_journal *j)
{
    for (uint32_t i = 0; i < j->losses; i++) {
        if (!j->loss[i].heard) {
            return true;
        }
    }
    return false;
}

const lc_loss *lc_journal_loss(lc_journal *j, uint32_t boot, uint32_t number)
{
    for (uint32_t i = 0; i < j->losses; i++) {
        lc_loss *loss = &j->loss[i];
        if (loss->heard) {
            continue;
        }
        if (loss->told == 0) {
            loss->told_boot = boot;
            loss->told = number;
            (void)!lc_journal_keep(j); /* a disk that fails is said elsewhere */
        }
        return loss;
    }
    return NULL;
}

void lc_journal_heard(lc_journal *j, uint32_t told_boot, uint32_t told)
{
    uint32_t i = 0;
    while (i < j->losses && (j->loss[i].told_boot != told_boot || j->loss[i].told != told)) {
        i++;
    }
    if (i == j->losses) {
        return;
    }
    j->loss[i].heard = true;
    if (!j->options.strict) {
        j->losses--;
        memmove(j->loss + i, j->loss + i + 1, (j->losses - i) * sizeof j->loss[0]);
        j->keep_at_ms = 0; /* soon, so that it is not stated again */
    }
}

void lc_journal_tell_again(lc_journal *j)
{
    for (uint32_t i = 0; i < j->losses; i++) {
        j->loss[i].heard = false;
    }
}
