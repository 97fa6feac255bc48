/* outbox_disk.c - the journals behind the queue: what is put there, read back, and delivered. */
#include <string.h>

#include "../../runtime/limits.h"
#include "journal_parts.h"
#include "outbox.h"
#include "outbox_parts.h"

#define COMMIT_COUNT 64u /* telemetry: a power cut can take that minute */
#define COMMIT_MS 60000u
#define AUDIT_COMMIT_MS 1000u /* an act that is not known to have been done is worse */
#define EVENTS_PART 16u       /* of the bytes of both journals: what records can never take */
#define BACK_BYTES_MIN 4096u
#define SEGMENTS_LEAST 4u

/* ---- laying out, opening ---- */

/* A segment holds the longest entry, even where the part is small: then it is exceeded. */
static void segments_widen(lc_journal_options *o)
{
    uint32_t least = (LC_SEGMENT_HEAD + LC_ENTRY_HEAD + o->text_max + 4095u) / 4096u * 4096u;
    if (o->segment_bytes < least) {
        o->segment_bytes = least;
        o->segments = SEGMENTS_LEAST;
    }
}

/* Of each kind: its files, its longest entry, and how soon it is certain. */
static const struct lane_row {
    lc_file file;
    lc_cell_index cell;
    uint32_t entry_max, commit_count, commit_ms;
} lanes[LC_OUTBOX_KINDS] = {
    [LC_OUTBOX_RECORD] = {LC_FILE_RECORDS, LC_CELL_RECORDS, LC_MESSAGE_BYTES_MAX, COMMIT_COUNT,
                          COMMIT_MS},
    [LC_OUTBOX_EVENT] = {LC_FILE_EVENTS, LC_CELL_EVENTS, LC_OUTBOX_SMALL_MAX, 1, 0},
    [LC_OUTBOX_CORRECTION] = {LC_FILE_CORRECTIONS, LC_CELL_CORRECTIONS, LC_MESSAGE_BYTES_MAX, 1,
                              0},
    [LC_OUTBOX_AUDIT] = {LC_FILE_AUDIT, LC_CELL_AUDIT, LC_OUTBOX_SMALL_MAX, COMMIT_COUNT,
                         AUDIT_COMMIT_MS},
};

static lc_err lane_init(lc_outbox *outbox, const lc_outbox_disk *disk, lc_outbox_kind kind,
                        lc_arena *state)
{
    const struct lane_row *row = &lanes[kind];
    bool records = kind == LC_OUTBOX_RECORD, small = row->entry_max == LC_OUTBOX_SMALL_MAX;
    const lc_port *port = kind != LC_OUTBOX_CORRECTION || disk->corrects ? disk->port : NULL;
    uint64_t part = disk->bytes / EVENTS_PART;
    lc_journal_options options = {.port = port,
                                  .file = row->file,
                                  .cell = row->cell,
                                  .text_max = row->entry_max + LC_NAME_BYTES_MAX,
                                  .commit_count = row->commit_count,
                                  .commit_ms = row->commit_ms,
                                  .strict = disk->e2e};
    lc_journal_divide(records ? disk->bytes - part : part, &options.segments,
                      &options.segment_bytes);
    segments_widen(&options);
    uint32_t back_bytes = small ? BACK_BYTES_MIN : LC_OUTBOX_BYTES_MIN;
    uint8_t *back = port ? lc_arena_push(state, back_bytes) : NULL;
    if (port && !back) {
        return LC_ERR_ARENA;
    }
    lc_lane unused, *lane = state->measuring ? &unused : &outbox->lane[kind];
    if (back && !state->measuring) {
        lc_ring_init(&lane->back, back, back_bytes);
    }
    return lc_journal_init(&lane->journal, &options, state);
}

lc_err lc_outbox_disk_init(lc_outbox *outbox, const lc_outbox_disk *disk, lc_arena *state)
{
    for (lc_outbox_kind kind = 0; kind < LC_OUTBOX_KINDS; kind++) {
        lc_err err = lane_init(outbox, disk, kind, state);
        if (err != LC_OK) {
            return err;
        }
    }
    if (state->measuring) {
        return LC_OK;
    }
    outbox->boot = disk->boot;
    outbox->e2e = disk->e2e && disk->port;
    outbox->backlog_per_s = disk->backlog_per_s > 0 ? disk->backlog_per_s : 1;
    outbox->again_step_ms = LC_OUTBOX_AGAIN_MS;
    for (uint32_t i = 0; i < disk->task_count; i++) {
        lc_str name = disk->task[i];
        lc_assert(name.bytes < LC_NAME_BYTES_MAX + 1 && i < LC_NAMES_MAX);
        memcpy(outbox->name[i], name.data, name.bytes);
        outbox->name_bytes[i] = (uint8_t)name.bytes;
    }
    outbox->names = disk->task_count;
    return LC_OK;
}

/* Without one of its journals the outbox is as without a disk. */
static void disk_end(lc_outbox *outbox)
{
    outbox->e2e = false;
    for (uint32_t kind = 0; kind < LC_OUTBOX_KINDS; kind++) {
        outbox->lane[kind].journal.options.strict = false;
    }
}

/* When the oldest entry was made, as its own `ts` says. */
static void oldest_look(lc_lane *lane)
{
    lc_entry entry;
    if (lane->oldest == lane->journal.cursor + 1) {
        return;
    }
    lane->oldest = lane->journal.cursor + 1;
    lane->oldest_ts_ms = 0;
    if (!lc_journal_oldest(&lane->journal, &entry)) {
        lane->oldest = 0;
        return;
    }
    for (uint32_t i = 0; i + 5 < entry.text.bytes; i++) {
        if (memcmp(entry.text.data + i, "\"ts\":", 5) == 0) {
            for (i += 5;
                 i < entry.text.bytes && entry.text.data[i] >= '0' && entry.text.data[i] <= '9';
                 i++) {
                lane->oldest_ts_ms = lane->oldest_ts_ms * 10 + (uint64_t)(entry.text.data[i] - '0');
            }
            return;
        }
    }
}

/* Of corrections there is none where no job escalates. */
static bool wanted(const lc_outbox *outbox, lc_outbox_kind kind)
{
    return kind != LC_OUTBOX_CORRECTION || outbox->lane[kind].journal.options.port != NULL;
}

lc_err lc_outbox_open(lc_outbox *outbox, uint64_t now_ms)
{
    outbox->tokens_ms = now_ms;
    for (lc_outbox_kind kind = 0; kind < LC_OUTBOX_KINDS; kind++) {
        lc_err err = wanted(outbox, kind) ? lc_journal_open(&outbox->lane[kind].journal) : LC_OK;
        if (err != LC_OK) {
            for (uint32_t i = 0; i < LC_OUTBOX_KINDS; i++) {
                outbox->lane[i].journal.open = false;
            }
            disk_end(outbox);
            return err;
        }
        oldest_look(&outbox->lane[kind]);
    }
    return LC_OK;
}

bool lc_outbox_failed(const lc_outbox *outbox, lc_outbox_kind kind)
{
    return wanted(outbox, kind) && !lc_outbox_keeps(outbox, kind);
}

bool lc_outbox_keeps(const lc_outbox *outbox, lc_outbox_kind kind)
{
    const lc_journal *journal = &outbox->lane[kind].journal;
    return journal->open && !journal->failed;
}

lc_str lc_outbox_name(const lc_outbox *outbox, uint32_t task)
{
    lc_assert(task < outbox->names);
    return (lc_str){outbox->name[task], outbox->name_bytes[task]};
}

uint64_t lc_outbox_dropped(const lc_outbox *outbox)
{
    return outbox->dropped_total + outbox->lane[LC_OUTBOX_RECORD].journal.dropped_total;
}

/* ---- the cursor ---- */

/* Ordinal of the first entry of this kind that waits in the ring, or `least`. */
static uint64_t ring_least(const lc_ring *ring, lc_outbox_kind kind, uint64_t least)
{
    const lc_outbox_entry *entry = ring->size > 0 ? lc_ring_first(ring) : NULL;
    for (; entry; entry = lc_ring_next(ring, entry)) {
        if (entry->kind == kind && !entry->taken && entry->ordinal > 0) {
            return entry->ordinal < least ? entry->ordinal : least;
        }
    }
    return least;
}

/* What neither waits nor flies is delivered. */
void lc_outbox_cursor_move(lc_outbox *outbox, uint64_t now_ms, lc_outbox_kind kind)
{
    lc_lane *lane = &outbox->lane[kind];
    lc_journal *journal = &lane->journal;
    uint64_t least = lc_journal_last(journal) + 1;
    if (!journal->open || lc_journal_strict(journal)) {
        return;
    }
    if (journal->spans > 0 && journal->backlog[0].from < least) {
        least = journal->backlog[0].from;
    }
    least = ring_least(&outbox->ring, kind, least);
    least = ring_least(&lane->back, kind, least);
    for (uint32_t i = 0; i < outbox->flying; i++) {
        const lc_flight *flight = lc_outbox_flight(outbox, i);
        bool ours = flight->kind == kind && flight->ordinal > 0;
        if (ours && flight->state != LC_FLIGHT_DONE && flight->ordinal < least) {
            least = flight->ordinal;
        }
    }
    lc_journal_delivered(journal, now_ms, least - 1);
}

/* ---- putting ---- */

static void ring_lose(lc_outbox *outbox, lc_ring *ring, lc_outbox_kind kind, uint64_t to)
{
    lc_journal *journal = &outbox->lane[kind].journal;
    lc_outbox_entry *entry = ring->size > 0 ? lc_ring_first(ring) : NULL;
    for (; entry; entry = lc_ring_next(ring, entry)) {
        if (entry->kind == kind && !entry->taken && entry->ordinal > 0 && entry->ordinal <= to) {
            entry->taken = true;
            outbox->waiting--;
            if (!lc_journal_strict(journal)) {
                lc_journal_lost(journal, entry->boot, entry->seq, entry->seq, 1);
            }
        }
    }
    lc_outbox_taken_drop(ring);
}

uint64_t lc_outbox_disk_put(lc_outbox *outbox, uint64_t now_ms, lc_outbox_kind kind, uint32_t task,
                            uint64_t seq, lc_str json)
{
    lc_lane *lane = &outbox->lane[kind];
    if (!lc_outbox_keeps(outbox, kind)) {
        return 0;
    }
    lc_entry entry = {.seq = seq,
                      .boot = outbox->boot,
                      .kind = (uint8_t)kind,
                      .name =
                          kind == LC_OUTBOX_AUDIT ? (lc_str){"", 0} : lc_outbox_name(outbox, task),
                      .text = json};
    uint64_t to;
    if (lc_journal_drops(&lane->journal, json.bytes + entry.name.bytes, &to)) {
        lc_outbox_cursor_move(outbox, now_ms, kind);
        ring_lose(outbox, &outbox->ring, kind, to);
        ring_lose(outbox, &lane->back, kind, to);
        lc_outbox_flights_drop(outbox, kind, to, !lc_journal_strict(&lane->journal));
    }
    lc_err err = lc_journal_put(&lane->journal, now_ms, &entry);
    if (lane->journal.failed) {
        disk_end(outbox);
    }
    return err == LC_OK ? entry.ordinal : 0;
}

/* ---- reading back ---- */

static bool name_find(lc_outbox *outbox, lc_str name, uint8_t *task)
{
    for (uint32_t i = 0; i < outbox->names; i++) {
        if (lc_str_equal(lc_outbox_name(outbox, i), name)) {
            *task = (uint8_t)i;
            return true;
        }
    }
    if (outbox->names == LC_NAMES_MAX || name.bytes > LC_NAME_BYTES_MAX) {
        return false;
    }
    *task = (uint8_t)outbox->names;
    memcpy(outbox->name[outbox->names], name.data, name.bytes);
    outbox->name_bytes[outbox->names++] = (uint8_t)name.bytes;
    return true;
}

static void back_fill(lc_outbox *outbox, lc_outbox_kind kind)
{
    lc_lane *lane = &outbox->lane[kind];
    lc_entry entry;
    uint32_t room = (uint32_t)sizeof(lc_outbox_entry) + lane->journal.options.text_max;
    while (lc_ring_fits(&lane->back, room) && lc_journal_next(&lane->journal, &entry)) {
        uint8_t task = 0;
        if (kind != LC_OUTBOX_AUDIT && !name_find(outbox, entry.name, &task)) {
            lc_journal_lost(&lane->journal, entry.boot, entry.seq, entry.seq, 1);
            continue;
        }
        lc_outbox_entry *held =
            lc_ring_put(&lane->back, (uint32_t)sizeof(lc_outbox_entry) + entry.text.bytes);
        *held = (lc_outbox_entry){.seq = entry.seq,
                                  .ordinal = entry.ordinal,
                                  .boot = entry.boot,
                                  .bytes = entry.text.bytes,
                                  .kind = (uint8_t)kind,
                                  .task = task};
        memcpy(held->json, entry.text.data, entry.text.bytes);
        outbox->waiting++;
    }
}

static uint64_t backlog_count(const lc_outbox *outbox)
{
    uint64_t count = 0;
    for (uint32_t kind = 0; kind < LC_OUTBOX_KINDS; kind++) {
        const lc_lane *lane = &outbox->lane[kind];
        bool waits = lane->journal.boots_full;
        count += lane->back.count + (waits ? 0 : lc_journal_backlog(&lane->journal));
    }
    return count;
}

/* Records that may go now: a message full of them, or all that are left. */
static uint32_t tokens_needed(const lc_outbox *outbox)
{
    uint64_t count = backlog_count(outbox);
    return count < outbox->batch ? (uint32_t)count : outbox->batch;
}

static bool backlog_may_fly(const lc_outbox *outbox)
{
    uint32_t flying = 0, most = outbox->window > 1 ? outbox->window - 1 : 1;
    for (uint32_t i = 0; i < outbox->flying; i++) {
        flying += lc_outbox_flight(outbox, i)->backlog;
    }
    return outbox->flying < outbox->window && flying < most;
}

uint64_t lc_outbox_backlog_ms(const lc_outbox *outbox)
{
    uint32_t needed = tokens_needed(outbox);
    if (needed == 0 || !backlog_may_fly(outbox)) {
        return UINT64_MAX;
    }
    uint32_t missing = needed > outbox->tokens ? needed - outbox->tokens : 0;
    return missing == 0 ? 0 : outbox->tokens_ms + missing * 1000u / outbox->backlog_per_s + 1;
}

static void tokens_add(lc_outbox *outbox, uint64_t now_ms)
{
    uint32_t most = outbox->backlog_per_s / 10;
    most = most > outbox->batch ? most : outbox->batch;
    uint64_t more = (now_ms - outbox->tokens_ms) * outbox->backlog_per_s / 1000;
    if (more > 0) {
        outbox->tokens_ms += more * 1000 / outbox->backlog_per_s;
        uint64_t sum = outbox->tokens + more;
        outbox->tokens = sum > most ? most : (uint32_t)sum;
    }
}

lc_ring *lc_outbox_backlog(lc_outbox *outbox, uint64_t now_ms, lc_outbox_kind kind)
{
    lc_lane *lane = &outbox->lane[kind];
    if (!lane->journal.open || !backlog_may_fly(outbox)) {
        return NULL;
    }
    tokens_add(outbox, now_ms);
    if (outbox->tokens < tokens_needed(outbox)) {
        return NULL;
    }
    back_fill(outbox, kind);
    return lane->back.count > 0 ? &lane->back : NULL;
}

/* ---- what the collector says ---- */

static void ring_clear(lc_ring *ring)
{
    while (ring->count > 0) {
        lc_ring_drop(ring);
    }
}

void lc_outbox_rewind(lc_outbox *outbox)
{
    if (!outbox->e2e) {
        return;
    }
    ring_clear(&outbox->ring);
    outbox->flying = outbox->waiting = 0;
    for (uint32_t kind = 0; kind < LC_OUTBOX_KINDS; kind++) {
        lc_lane *lane = &outbox->lane[kind];
        ring_clear(&lane->back);
        lc_journal_rewind(&lane->journal, lc_journal_last(&lane->journal) + 1);
        lc_journal_tell_again(&lane->journal);
    }
}

static uint64_t undelivered(const lc_outbox *outbox)
{
    uint64_t count = 0;
    for (uint32_t kind = 0; kind < LC_OUTBOX_KINDS; kind++) {
        const lc_journal *journal = &outbox->lane[kind].journal;
        count += journal->open ? lc_journal_last(journal) - journal->cursor : 0;
    }
    return count;
}

void lc_outbox_collected(lc_outbox *outbox, uint64_t now_ms, const lc_collected *has)
{
    uint64_t before = undelivered(outbox);
    if (!outbox->e2e) {
        return;
    }
    lc_journal_ack(&outbox->lane[LC_OUTBOX_RECORD].journal, now_ms, has->boot, has->seq);
    lc_journal_ack(&outbox->lane[LC_OUTBOX_EVENT].journal, now_ms, has->boot, has->event);
    lc_journal_ack(&outbox->lane[LC_OUTBOX_AUDIT].journal, now_ms, has->boot, has->audit);
    lc_journal_ack(&outbox->lane[LC_OUTBOX_CORRECTION].journal, now_ms, has->boot, has->correction);
    outbox->hold_ms = outbox->hold_step_ms = 0; /* somebody listens */
    if (undelivered(outbox) < before) {
        outbox->again_ms = UINT64_MAX;
        outbox->again_step_ms = LC_OUTBOX_AGAIN_MS;
    }
}

static void again_tick(lc_outbox *outbox, uint64_t now_ms, bool up)
{
    uint64_t oldest;
    if (!outbox->e2e || !up || undelivered(outbox) == 0) {
        outbox->again_ms = UINT64_MAX;
    } else if (outbox->again_ms == UINT64_MAX) {
        outbox->again_ms = now_ms + outbox->again_step_ms;
    } else if (now_ms >= outbox->again_ms && lc_outbox_flying(outbox, &oldest) == 0) {
        uint32_t step = outbox->again_step_ms * 2;
        outbox->again_step_ms = step > LC_OUTBOX_AGAIN_MAX_MS ? LC_OUTBOX_AGAIN_MAX_MS : step;
        outbox->again_ms = UINT64_MAX;
        lc_outbox_rewind(outbox);
    }
}

/* ---- time ---- */

void lc_outbox_tick(lc_outbox *outbox, uint64_t now_ms, bool up)
{
    for (lc_outbox_kind kind = 0; kind < LC_OUTBOX_KINDS; kind++) {
        lc_journal *journal = &outbox->lane[kind].journal;
        if (lc_outbox_keeps(outbox, kind) && now_ms >= lc_journal_wake_ms(journal)) {
            lc_outbox_cursor_move(outbox, now_ms, kind);
            lc_journal_tick(journal, now_ms);
            oldest_look(&outbox->lane[kind]);
        }
        if (journal->failed) {
            disk_end(outbox);
        }
    }
    again_tick(outbox, now_ms, up);
}

uint64_t lc_outbox_tick_ms(const lc_outbox *outbox, bool up)
{
    uint64_t wake = up ? outbox->again_ms : UINT64_MAX;
    for (uint32_t kind = 0; kind < LC_OUTBOX_KINDS; kind++) {
        uint64_t one = lc_journal_wake_ms(&outbox->lane[kind].journal);
        wake = lc_outbox_keeps(outbox, kind) && one < wake ? one : wake;
    }
    return wake;
}

void lc_outbox_close(lc_outbox *outbox, uint64_t now_ms)
{
    for (lc_outbox_kind kind = 0; kind < LC_OUTBOX_KINDS; kind++) {
        if (lc_outbox_keeps(outbox, kind)) {
            lc_outbox_cursor_move(outbox, now_ms, kind);
            (void)!lc_journal_keep(&outbox->lane[kind].journal); /* `failed` says it */
        }
    }
}

uint64_t lc_outbox_waiting(const lc_outbox *outbox)
{
    uint64_t count = outbox->waiting;
    for (uint32_t kind = 0; kind < LC_OUTBOX_KINDS; kind++) {
        count += lc_journal_backlog(&outbox->lane[kind].journal);
    }
    return outbox->e2e ? undelivered(outbox) : count;
}
