/* journal.c - writing: segments, entries, group commits, the end after a cut; cursor and losses. */
#include "journal.h"

#include <string.h>

#include "bits.h"
#include "journal_parts.h"

#define SEGMENT_BYTES_MIN 8192u
#define SEGMENT_BYTES_WISH (1u << 20)
#define SEGMENTS_MIN 8u
#define LOSS_BYTES 40u
#define CELL_HEAD 16u

_Static_assert(CELL_HEAD + LC_LOSSES_MAX * LOSS_BYTES <= LC_CELL_BYTES_MAX, "losses fit");

void lc_journal_divide(uint64_t bytes, uint32_t *segments, uint32_t *segment_bytes)
{
    uint64_t one = bytes / LC_SEGMENTS_MAX;
    one = one > SEGMENT_BYTES_WISH ? one : SEGMENT_BYTES_WISH;
    one = bytes / one < SEGMENTS_MIN ? bytes / SEGMENTS_MIN : one;
    one = one / 4096 * 4096;
    one = one > SEGMENT_BYTES_MIN ? one : SEGMENT_BYTES_MIN;
    uint64_t count = bytes / one;
    *segments = (uint32_t)(count > LC_SEGMENTS_MAX ? LC_SEGMENTS_MAX
                           : count < SEGMENTS_MIN  ? SEGMENTS_MIN
                                                   : count);
    *segment_bytes = (uint32_t)one;
}

lc_err lc_journal_init(lc_journal *journal, const lc_journal_options *options, lc_arena *state)
{
    lc_journal made = {.options = *options, .commit_at_ms = UINT64_MAX, .keep_at_ms = UINT64_MAX};
    if (options->port) {
        uint32_t entry = LC_ENTRY_HEAD + options->text_max;
        lc_assert(options->segments >= 3 && options->segments <= LC_SEGMENTS_MAX);
        lc_assert(options->segment_bytes >= LC_SEGMENT_HEAD + entry);
        made.begins = LC_PUSH(state, uint64_t, LC_SEGMENTS_MAX);
        made.write_history.text = lc_arena_push(state, LC_HISTORY_BYTES);
        made.write_history.place = LC_PUSH(state, uint16_t, LC_SQUEEZE_PLACES);
        made.read_history.text = lc_arena_push(state, LC_HISTORY_BYTES);
        made.out = lc_arena_push(state, entry);
        made.buffer = lc_arena_push(state, entry);
        if (!made.begins || !made.write_history.text || !made.write_history.place ||
            !made.read_history.text || !made.out || !made.buffer) {
            return LC_ERR_ARENA;
        }
    }
    if (!state->measuring) {
        *journal = made;
    }
    return LC_OK;
}

lc_err lc_journal_fail(lc_journal *j)
{
    j->failed = true;
    j->commit_at_ms = j->keep_at_ms = UINT64_MAX;
    return LC_ERR_IO;
}

/* ---- cursor and losses in their cell ---- */

static uint32_t state_make(const lc_journal *j, uint64_t cursor, uint8_t *data)
{
    memset(data, 0, LC_CELL_BYTES_MAX);
    lc_put_u64(data, cursor);
    lc_put_u32(data + 8, j->losses);
    for (uint32_t i = 0; i < j->losses; i++) {
        uint8_t *at = data + CELL_HEAD + i * LOSS_BYTES;
        const lc_loss *loss = &j->loss[i];
        lc_put_u32(at, loss->boot);
        lc_put_u32(at + 4, loss->told_boot);
        lc_put_u32(at + 8, loss->told);
        lc_put_u64(at + 16, loss->from);
        lc_put_u64(at + 24, loss->to);
        lc_put_u64(at + 32, loss->count);
    }
    return CELL_HEAD + j->losses * LOSS_BYTES;
}

lc_err lc_journal_keep(lc_journal *j)
{
    uint8_t data[LC_CELL_BYTES_MAX];
    if (lc_journal_commit(j) != LC_OK) { /* never speak of data that a cut could take back */
        return LC_ERR_IO;
    }
    if (lc_cell_write(&j->cell, data, state_make(j, j->cursor, data)) != LC_OK) {
        return lc_journal_fail(j);
    }
    j->kept = j->cursor;
    j->keep_at_ms = UINT64_MAX;
    return LC_OK;
}

void lc_journal_draft(lc_journal *j)
{
    uint8_t data[LC_CELL_BYTES_MAX];
    uint64_t cursor = j->cursor < j->synced ? j->cursor : j->synced;
    if (cursor > j->kept && !j->failed &&
        lc_cell_draft(&j->cell, data, state_make(j, cursor, data)) != LC_OK) {
        (void)lc_journal_fail(j);
    }
}

static lc_err kept_read(lc_journal *j)
{
    uint8_t data[LC_CELL_BYTES_MAX];
    uint32_t bytes;
    if (lc_cell_open(&j->cell, j->options.port, j->options.cell, data, sizeof data, &bytes) !=
        LC_OK) {
        return LC_ERR_IO;
    }
    lc_reader r = lc_reader_make(data, bytes);
    j->cursor = lc_read_u64(&r);
    uint32_t losses = lc_read_u32(&r);
    if (bytes == 0) {
        return LC_OK;
    }
    r.at = CELL_HEAD;
    for (uint32_t i = 0; i < losses && i < LC_LOSSES_MAX && !r.failed; i++) {
        lc_loss *loss = &j->loss[i];
        *loss = (lc_loss){.boot = lc_read_u32(&r)};
        loss->told_boot = lc_read_u32(&r);
        loss->told = lc_read_u32(&r);
        (void)lc_read_u32(&r);
        loss->from = lc_read_u64(&r);
        loss->to = lc_read_u64(&r);
        loss->count = lc_read_u64(&r);
        j->losses = i + 1;
    }
    j->damaged = j->damaged || r.failed || losses > LC_LOSSES_MAX;
    return LC_OK;
}

/* ---- finding the end ---- */

typedef struct header {
    uint64_t number, begins; /* number 0: none */
} header;

static lc_err header_read(lc_journal *j, uint32_t slot, header *h, uint32_t *crc)
{
    uint8_t data[LC_SEGMENT_HEAD];
    const lc_port *port = j->options.port;
    uint64_t at = (uint64_t)slot * j->options.segment_bytes;
    *h = (header){0};
    if (port->read(port->ctx, j->options.file, at, data, sizeof data) != LC_OK) {
        return LC_ERR_IO;
    }
    lc_reader r = lc_reader_make(data, sizeof data);
    bool ours = lc_read_u32(&r) == LC_SEGMENT_MAGIC;
    *crc = lc_read_u32(&r);
    header found = {.number = lc_read_u64(&r)};
    found.begins = lc_read_u64(&r);
    if (ours && *crc == lc_crc32c(0, data + 8, sizeof data - 8) &&
        found.number % j->options.segments == slot) {
        *h = found;
    }
    return LC_OK;
}

/* The chain of segments that ends with the highest number. */
static lc_err segments_find(lc_journal *j)
{
    header found[LC_SEGMENTS_MAX], last = {0};
    uint32_t segments = j->options.segments, crc, chain = 0;
    for (uint32_t i = 0; i < segments; i++) {
        if (header_read(j, i, &found[i], &crc) != LC_OK) {
            return LC_ERR_IO;
        }
        if (found[i].number > last.number) {
            last = found[i];
            chain = crc;
        }
        j->begins[i] = found[i].begins;
    }
    j->first = last.number;
    while (j->first > 1 && found[(j->first - 1) % segments].number == j->first - 1 &&
           found[(j->first - 1) % segments].begins <= found[j->first % segments].begins) {
        j->first--;
    }
    j->end = (lc_place){last.number, LC_SEGMENT_HEAD, chain, last.begins};
    return LC_OK;
}

/* Walks the last segment to the first entry that is none. */
static lc_err end_find(lc_journal *j)
{
    lc_entry entry;
    lc_err err = LC_OK;
    lc_history_clear(&j->write_history);
    if (j->end.number == 0) {
        j->end = (lc_place){.at = j->options.segment_bytes, .ordinal = j->cursor + 1};
        j->first = 1;
        return LC_OK;
    }
    bool more = true;
    while (more) {
        err =
            lc_journal_entry_read(j, &j->end, j->options.segment_bytes, &j->write_history, &entry);
        more = err == LC_OK;
        if (more) {
            j->last_boot = entry.boot;
            j->last_seq = entry.seq;
        }
    }
    return err == LC_ERR_NOT_FOUND ? LC_OK : err;
}

/* Opens or makes the file; one of another size is divided as that size is. */
static lc_err file_open(lc_journal *j)
{
    const lc_port *port = j->options.port;
    uint64_t bytes = (uint64_t)j->options.segments * j->options.segment_bytes, held = bytes;
    if (port->open(port->ctx, j->options.file, &held) != LC_OK) {
        return LC_ERR_IO;
    }
    if (held != bytes) { /* made with another size */
        lc_journal_divide(held, &j->options.segments, &j->options.segment_bytes);
        if ((uint64_t)j->options.segments * j->options.segment_bytes != held ||
            j->options.segment_bytes < LC_SEGMENT_HEAD + LC_ENTRY_HEAD + j->options.text_max) {
            return LC_ERR_FORMAT;
        }
    }
    return LC_OK;
}

lc_err lc_journal_open(lc_journal *j)
{
    const lc_port *port = j->options.port;
    lc_err err = file_open(j);
    if (err != LC_OK) {
        return err;
    }
    /* A process that died may have left entries unsynced: what is found must be certain. */
    if (port->sync(port->ctx, j->options.file) != LC_OK || kept_read(j) != LC_OK ||
        segments_find(j) != LC_OK || end_find(j) != LC_OK) {
        return LC_ERR_IO;
    }
    if (j->end.ordinal <= j->cursor) { /* ordinals are never given twice */
        j->damaged = true;
        j->end.ordinal = j->cursor + 1;
        j->end.at = j->options.segment_bytes;
    }
    uint64_t begins = j->end.number == 0 ? j->end.ordinal : lc_journal_begins(j, j->first);
    if (begins > j->cursor + 1) {
        j->damaged = true;
        j->cursor = begins - 1;
    }
    j->kept = j->cursor;
    j->synced = j->end.ordinal - 1;
    j->open = true;
    lc_journal_rewind(j, j->end.ordinal);
    return LC_OK;
}

lc_err lc_journal_look(lc_journal *j)
{
    lc_err err = file_open(j);
    if (err == LC_OK && (segments_find(j) != LC_OK || end_find(j) != LC_OK)) {
        err = LC_ERR_IO;
    }
    j->open = err == LC_OK;
    return err;
}

lc_err lc_journal_move(lc_journal *j, const lc_port *port, uint32_t segments,
                       uint32_t segment_bytes)
{
    uint8_t data[LC_CELL_BYTES_MAX];
    uint32_t bytes;
    lc_journal moved = {.options = j->options,
                        .begins = j->begins,
                        .write_history = j->write_history,
                        .read_history = j->read_history,
                        .out = j->out,
                        .buffer = j->buffer,
                        .commit_at_ms = UINT64_MAX,
                        .keep_at_ms = UINT64_MAX};
    moved.options.port = port;
    moved.options.segments = segments;
    moved.options.segment_bytes = segment_bytes;
    uint64_t last = lc_journal_last(j);
    lc_err err = lc_cell_open(&moved.cell, port, moved.options.cell, data, sizeof data, &bytes);
    if (err == LC_OK) {
        err = lc_cell_write(&moved.cell, data, state_make(&moved, last, data));
    }
    *j = moved;
    return err == LC_OK ? lc_journal_open(j) : err;
}

/* ---- losses ---- */

void lc_journal_lost(lc_journal *j, uint32_t boot, uint64_t from, uint64_t to, uint64_t count)
{
    lc_loss *last = j->losses > 0 ? &j->loss[j->losses - 1] : NULL;
    bool same = last && last->told == 0 && last->boot == boot;
    j->dropped_total += count;
    if (!same && j->losses < LC_LOSSES_MAX) {
        last = &j->loss[j->losses++];
        *last = (lc_loss){.from = from};
    }
    last->boot = boot; /* with no place left the last speaks of several starts */
    last->from = from < last->from ? from : last->from;
    last->to = to > last->to ? to : last->to;
    last->count += count;
    last->told = last->told_boot = 0;
}

/* Those of a dropped segment's entries that were to be read back. */
static void span_lose(lc_journal *j, lc_span lost)
{
    lc_entry entry = {.boot = j->last_boot};
    uint64_t at = lost.from;
    while (at <= lost.to && lc_journal_read(j, at, &entry) == LC_OK && entry.ordinal <= lost.to) {
        lc_journal_lost(j, entry.boot, entry.seq, entry.seq, 1);
        at = entry.ordinal + 1;
    }
    if (at <= lost.to) { /* unreadable, but there were so many */
        j->damaged = true;
        uint64_t count = lost.to - at + 1;
        lc_journal_lost(j, entry.boot, entry.seq + 1, entry.seq + count, count);
    }
}

static lc_err oldest_drop(lc_journal *j)
{
    uint64_t to = lc_journal_begins(j, j->first + 1) - 1;
    if (j->options.strict && j->cursor < to) {
        span_lose(j, (lc_span){j->cursor + 1, to});
    }
    while (j->spans > 0 && j->backlog[0].from <= to) {
        lc_span *span = &j->backlog[0];
        lc_span lost = {span->from, span->to < to ? span->to : to};
        if (!j->options.strict) {
            span_lose(j, lost);
        }
        lc_journal_taken(j, lost.to);
    }
    j->cursor = j->cursor > to ? j->cursor : to;
    j->first++;
    return lc_journal_keep(j); /* certain before its bytes go */
}

/* ---- writing ---- */

static bool segment_full(const lc_journal *j, uint32_t bytes)
{
    return j->end.at + LC_ENTRY_HEAD + bytes > j->options.segment_bytes;
}

bool lc_journal_drops(const lc_journal *j, uint32_t bytes, uint64_t *to)
{
    *to = j->open ? lc_journal_begins(j, j->first + 1) - 1 : 0;
    return j->open && !j->failed && segment_full(j, bytes) &&
           j->end.number + 1 >= j->first + j->options.segments;
}

static lc_err segment_begin(lc_journal *j)
{
    uint8_t data[LC_SEGMENT_HEAD] = {0};
    const lc_port *port = j->options.port;
    uint64_t number = j->end.number + 1;
    if (lc_journal_commit(j) != LC_OK ||
        (number >= j->first + j->options.segments && oldest_drop(j) != LC_OK)) {
        return LC_ERR_IO;
    }
    lc_put_u32(data, LC_SEGMENT_MAGIC);
    lc_put_u64(data + 8, number);
    lc_put_u64(data + 16, j->end.ordinal);
    uint32_t crc = lc_crc32c(0, data + 8, sizeof data - 8);
    lc_put_u32(data + 4, crc);
    uint64_t at = number % j->options.segments * j->options.segment_bytes;
    if (port->write(port->ctx, j->options.file, at, data, sizeof data) != LC_OK) {
        return lc_journal_fail(j);
    }
    j->begins[number % j->options.segments] = j->end.ordinal;
    j->end = (lc_place){number, LC_SEGMENT_HEAD, crc, j->end.ordinal};
    lc_history_clear(&j->write_history);
    return LC_OK;
}

static void text_copy(uint8_t *at, const lc_entry *entry)
{
    memcpy(at, entry->text.data, entry->text.bytes);
    memcpy(at + entry->text.bytes, entry->name.data, entry->name.bytes);
}

/* Makes the entry's bytes in j->out; returns their number. */
static uint32_t entry_make(lc_journal *j, const lc_entry *entry)
{
    uint8_t *out = j->out, *body = out + LC_ENTRY_HEAD;
    uint32_t bytes = entry->text.bytes + entry->name.bytes, stored = 0;
    text_copy(body, entry);
    if (bytes <= LC_SQUEEZE_TEXT_MAX) {
        stored = lc_squeeze(&j->write_history, (const char *)body, bytes, body);
    }
    if (stored == 0) { /* no gain: as it is */
        text_copy(body, entry);
        stored = bytes;
    }
    lc_put_u16(out, LC_ENTRY_MAGIC);
    out[2] = entry->kind;
    out[3] = (uint8_t)entry->name.bytes;
    lc_put_u16(out + 4, stored);
    lc_put_u16(out + 6, bytes);
    lc_put_u64(out + 8, entry->seq);
    lc_put_u32(out + 16, entry->boot);
    lc_put_u32(out + 20, lc_journal_crc(j->end.chain, out, stored));
    j->text_total += bytes;
    j->stored_total += LC_ENTRY_HEAD + stored;
    return LC_ENTRY_HEAD + stored;
}

/* The first entry of a start: its place among the others is known from now on. */
static void boot_begin(lc_journal *j, const lc_entry *entry)
{
    lc_boot *last = j->boots > 0 ? &j->boot[j->boots - 1] : NULL;
    if (j->options.strict && (!last || last->boot != entry->boot) && j->boots < LC_BOOTS_MAX) {
        j->boot[j->boots++] = (lc_boot){entry->boot, entry->ordinal, entry->seq, 0};
    }
}

lc_err lc_journal_put(lc_journal *j, uint64_t now_ms, lc_entry *entry)
{
    const lc_port *port = j->options.port;
    uint32_t bytes = entry->text.bytes + entry->name.bytes;
    if (!j->open || j->failed) {
        return LC_ERR_IO;
    }
    if (bytes > j->options.text_max || entry->name.bytes > LC_NAME_BYTES_MAX) {
        return LC_ERR_LIMIT;
    }
    if (segment_full(j, bytes) && segment_begin(j) != LC_OK) {
        return LC_ERR_IO;
    }
    uint32_t span = entry_make(j, entry);
    uint64_t at = j->end.number % j->options.segments * j->options.segment_bytes + j->end.at;
    if (port->write(port->ctx, j->options.file, at, j->out, span) != LC_OK) {
        return lc_journal_fail(j);
    }
    entry->ordinal = j->end.ordinal;
    lc_reader crc = lc_reader_make(j->out + 20, 4);
    j->end = (lc_place){j->end.number, j->end.at + span, lc_read_u32(&crc), j->end.ordinal + 1};
    j->last_boot = entry->boot;
    j->last_seq = entry->seq;
    boot_begin(j, entry);
    if (j->commit_at_ms == UINT64_MAX) {
        j->commit_at_ms = now_ms + j->options.commit_ms;
    }
    if (entry->ordinal - j->synced >= j->options.commit_count) {
        j->commit_at_ms = 0;
    }
    return LC_OK;
}

lc_err lc_journal_commit(lc_journal *j)
{
    const lc_port *port = j->options.port;
    if (!j->open || j->failed) {
        return LC_ERR_IO;
    }
    if (j->commit_at_ms == UINT64_MAX) {
        return LC_OK;
    }
    if (port->sync(port->ctx, j->options.file) != LC_OK) { /* what it synced nobody knows */
        return lc_journal_fail(j);
    }
    j->commits++;
    j->commit_at_ms = UINT64_MAX;
    j->synced = j->end.ordinal - 1;
    return LC_OK;
}

void lc_journal_tick(lc_journal *j, uint64_t now_ms)
{
    lc_err err = LC_OK;
    if (now_ms >= j->commit_at_ms) {
        err = lc_journal_commit(j);
    }
    if (err == LC_OK && now_ms >= j->keep_at_ms) {
        err = lc_journal_keep(j);
    }
    (void)err; /* `failed` says it */
}

uint64_t lc_journal_wake_ms(const lc_journal *j)
{
    return j->commit_at_ms < j->keep_at_ms ? j->commit_at_ms : j->keep_at_ms;
}

uint64_t lc_journal_last(const lc_journal *j)
{
    return j->open ? j->end.ordinal - 1 : 0;
}

uint64_t lc_journal_certain(const lc_journal *j, uint32_t boot)
{
    uint64_t behind = lc_journal_last(j) - (j->open ? j->synced : 0);
    return j->open && j->last_boot == boot && j->last_seq > behind ? j->last_seq - behind : 0;
}

uint64_t lc_journal_bytes(const lc_journal *j)
{
    uint64_t number = j->end.number;
    if (!j->open || j->cursor + 1 >= j->end.ordinal) {
        return 0;
    }
    while (number > j->first && lc_journal_begins(j, number) > j->cursor + 1) {
        number--;
    }
    return (j->end.number - number) * j->options.segment_bytes + j->end.at;
}
