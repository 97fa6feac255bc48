/* questions.c - entries and marks, read back at a start; the journal in memory. */
#include "questions.h"

#include <string.h>

#include "../../runtime/limits.h"
#include "bits.h"
#include "correct.h"
#include "journal_parts.h"

#define SEGMENTS 16u
#define SEGMENT_BYTES (LC_QUESTIONS_BYTES / SEGMENTS)
#define ORDINALS (LC_QUESTIONS_BYTES / LC_ENTRY_HEAD) /* more entries the file cannot hold */
#define COMMIT_COUNT 64u /* as records: a power cut can take that minute */
#define COMMIT_MS 60000u
#define VERSION 1u
#define OWES 1u
#define HEAD_BYTES 44u
#define PLACE_BYTES 10u /* of a redaction */
#define TEXT_MAX                                                                                   \
    (HEAD_BYTES + LC_REDACTIONS_MAX * PLACE_BYTES + LC_LINE_BYTES_MAX + LC_RECORD_BYTES_MAX +      \
     LC_NAME_BYTES_MAX)

_Static_assert(SEGMENT_BYTES >= LC_SEGMENT_HEAD + LC_ENTRY_HEAD + TEXT_MAX, "a segment holds it");
_Static_assert(LC_LINE_BYTES_MAX <= UINT16_MAX && LC_REDACTIONS_MAX <= UINT8_MAX, "places fit");

/* Kinds of entries; numbers are part of the format. */
enum { QUESTION, MARK_ASKED, MARK_BACK, MARK_ENDED };

/* What is known of an ordinal; 0: no question, or one that has ended. */
enum { TRIES = 3, OPEN = 4, TAKEN = 8 };

/* ---- the journal in memory ---- */

static uint8_t *memory_at(const lc_questions *q, lc_file file, uint64_t at, size_t bytes)
{
    uint64_t cell = (uint64_t)LC_CELL_QUESTIONS * LC_CELL_SPAN;
    uint64_t from = file == LC_FILE_STATE ? LC_QUESTIONS_BYTES + at - cell : at;
    lc_assert(from + bytes <= LC_QUESTIONS_BYTES + LC_CELL_SPAN);
    return q->room + from;
}

static lc_err memory_open(void *ctx, lc_file file, uint64_t *bytes)
{
    (void)ctx;
    (void)file;
    (void)bytes;
    return LC_OK;
}

static lc_err memory_read(void *ctx, lc_file file, uint64_t at, void *data, size_t bytes)
{
    memcpy(data, memory_at(ctx, file, at, bytes), bytes);
    return LC_OK;
}

static lc_err memory_write(void *ctx, lc_file file, uint64_t at, const void *data, size_t bytes)
{
    memcpy(memory_at(ctx, file, at, bytes), data, bytes);
    return LC_OK;
}

static lc_err memory_sync(void *ctx, lc_file file)
{
    (void)ctx;
    (void)file;
    return LC_OK;
}

/* Goes on in memory, with nothing but what is taken: ordinals are not given twice. */
static void memory_begin(lc_questions *q)
{
    q->memory = (lc_port){q, memory_open, memory_read, memory_write, memory_sync};
    memset(q->room, 0, LC_QUESTIONS_BYTES + LC_CELL_SPAN);
    memset(q->state, 0, ORDINALS);
    q->waiting = 0;
    lc_err err = lc_journal_move(&q->journal, &q->memory, SEGMENTS, SEGMENT_BYTES);
    lc_assert(err == LC_OK);
    q->scan = lc_journal_last(&q->journal) + 1;
}

static void disk_watch(lc_questions *q)
{
    if (q->journal.failed) {
        memory_begin(q);
    }
}

bool lc_questions_on_disk(const lc_questions *q)
{
    return q->journal.open && q->journal.options.port != &q->memory;
}

bool lc_questions_failed(const lc_questions *q)
{
    return q->wanted && !lc_questions_on_disk(q);
}

/* ---- states ---- */

static uint8_t *state_of(const lc_questions *q, uint64_t ordinal)
{
    return &q->state[ordinal % ORDINALS];
}

/* Not dropped, nor of a disk that failed. */
static bool is_open(const lc_questions *q, uint64_t ordinal)
{
    return ordinal > q->journal.cursor && ordinal < q->journal.end.ordinal &&
           (*state_of(q, ordinal) & OPEN) != 0;
}

static void state_set(lc_questions *q, uint64_t ordinal, uint32_t state)
{
    uint8_t *at = state_of(q, ordinal);
    q->waiting -= (*at & (OPEN | TAKEN)) == OPEN;
    *at = (uint8_t)state;
    q->waiting += (*at & (OPEN | TAKEN)) == OPEN;
}

static void cursor_move(lc_questions *q, uint64_t now_ms)
{
    lc_journal *j = &q->journal;
    uint64_t to = j->cursor;
    while (to + 1 < j->end.ordinal && *state_of(q, to + 1) == 0) {
        to++;
    }
    lc_journal_delivered(j, now_ms, to);
}

/* ---- writing ---- */

static void entry_put(lc_questions *q, uint64_t now_ms, lc_entry *entry)
{
    uint64_t to;
    disk_watch(q);
    if (lc_journal_drops(&q->journal, entry->text.bytes + entry->name.bytes, &to)) {
        for (uint64_t i = q->journal.cursor + 1; i <= to; i++) {
            q->dropped += (*state_of(q, i) & (OPEN | TAKEN)) == OPEN;
            state_set(q, i, 0);
        }
    }
    if (lc_journal_put(&q->journal, now_ms, entry) != LC_OK) {
        entry->ordinal = 0; /* `failed` says it */
    } else {
        *state_of(q, entry->ordinal) = 0;
    }
}

static void mark_put(lc_questions *q, uint64_t now_ms, uint8_t kind, uint64_t ordinal)
{
    lc_entry mark = {.kind = kind, .seq = ordinal, .text = {"", 0}, .name = {"", 0}};
    entry_put(q, now_ms, &mark);
}

static uint32_t kept_pack(lc_questions *q, const lc_kept *kept)
{
    uint8_t *out = q->out, *at = out + HEAD_BYTES;
    const lc_redactions *map = kept->map;
    out[0] = VERSION;
    out[1] = kept->owes ? OWES : 0;
    lc_put_u16(out + 2, map->count);
    lc_put_u32(out + 4, kept->rules);
    lc_put_u64(out + 8, kept->made);
    lc_put_u64(out + 16, q->age.wall_ms);
    memcpy(out + 24, kept->id, LC_ESC_ID_BYTES);
    lc_put_u32(out + 40, kept->text.bytes);
    for (uint32_t i = 0; i < map->count; i++, at += PLACE_BYTES) {
        const lc_redaction *item = &map->item[i];
        lc_put_u16(at, item->from);
        lc_put_u16(at + 2, item->to);
        lc_put_u16(at + 4, item->at);
        lc_put_u16(at + 6, item->end);
        at[8] = (uint8_t)item->kind;
        at[9] = (uint8_t)item->number;
    }
    memcpy(at, kept->text.data, kept->text.bytes);
    memcpy(at + kept->text.bytes, kept->record.data, kept->record.bytes);
    return (uint32_t)(at - out) + kept->text.bytes + kept->record.bytes;
}

void lc_questions_put(lc_questions *q, uint64_t now_ms, lc_kept *kept, bool waits)
{
    kept->ordinal = 0;
    if (kept->text.bytes > LC_LINE_BYTES_MAX || kept->record.bytes > LC_RECORD_BYTES_MAX ||
        kept->task.bytes > LC_NAME_BYTES_MAX || kept->map->count > LC_REDACTIONS_MAX) {
        q->dropped += waits;
        return;
    }
    uint32_t bytes = kept_pack(q, kept);
    lc_entry entry = {.kind = QUESTION,
                      .seq = kept->seq,
                      .boot = kept->boot,
                      .name = kept->task,
                      .text = {(const char *)q->out, bytes}};
    entry_put(q, now_ms, &entry);
    if (entry.ordinal == 0) { /* once more, in memory */
        entry_put(q, now_ms, &entry);
    }
    kept->ordinal = entry.ordinal;
    state_set(q, entry.ordinal, waits ? OPEN : OPEN | TAKEN);
}

/* ---- reading ---- */

static bool map_read(lc_reader *r, uint32_t count, lc_redactions *map)
{
    map->count = count;
    for (uint32_t i = 0; i < count; i++) {
        lc_redaction *item = &map->item[i];
        item->from = lc_read_u16(r);
        item->to = lc_read_u16(r);
        item->at = lc_read_u16(r);
        item->end = lc_read_u16(r);
        item->kind = lc_read_u8(r);
        item->number = lc_read_u8(r);
    }
    return !r->failed;
}

/* False: no question that this version reads. *wall_ms: of `made`. */
static bool kept_read(const lc_entry *entry, lc_redactions *map, lc_kept *kept, uint64_t *wall_ms)
{
    lc_reader r = lc_reader_make(entry->text.data, entry->text.bytes);
    bool known = entry->kind == QUESTION && lc_read_u8(&r) == VERSION;
    uint8_t flags = lc_read_u8(&r);
    uint32_t count = lc_read_u16(&r);
    *kept = (lc_kept){.ordinal = entry->ordinal,
                      .seq = entry->seq,
                      .boot = entry->boot,
                      .task = entry->name,
                      .owes = (flags & OWES) != 0,
                      .map = map};
    kept->rules = lc_read_u32(&r);
    kept->made = lc_read_u64(&r);
    *wall_ms = lc_read_u64(&r);
    const uint8_t *id = lc_read_bytes(&r, LC_ESC_ID_BYTES);
    uint32_t text_bytes = lc_read_u32(&r);
    if (!known || !id || count > LC_REDACTIONS_MAX || !map_read(&r, count, map) ||
        kept->made > UINT64_MAX / 2 || text_bytes > LC_LINE_BYTES_MAX) {
        return false;
    }
    memcpy(kept->id, id, LC_ESC_ID_BYTES);
    const uint8_t *text = lc_read_bytes(&r, text_bytes);
    uint32_t rest = (uint32_t)(r.size - r.at);
    kept->text = (lc_str){(const char *)text, text_bytes};
    kept->record = (lc_str){(const char *)r.data + r.at, rest};
    return !r.failed && rest <= LC_RECORD_BYTES_MAX;
}

bool lc_questions_next(lc_questions *q, lc_kept *kept)
{
    lc_entry entry;
    uint64_t wall_ms;
    disk_watch(q);
    q->scan = q->scan > q->journal.cursor ? q->scan : q->journal.cursor + 1;
    for (; q->waiting > 0 && q->scan < q->journal.end.ordinal; q->scan++) {
        uint8_t state = *state_of(q, q->scan);
        if ((state & (OPEN | TAKEN)) != OPEN) {
            continue;
        }
        if (lc_journal_read(&q->journal, q->scan, &entry) != LC_OK || entry.ordinal != q->scan ||
            !kept_read(&entry, &q->map, kept, &wall_ms)) {
            q->dropped++; /* it cannot be read any more */
            state_set(q, q->scan, 0);
            continue;
        }
        kept->tries = state & TRIES;
        state_set(q, q->scan++, state | TAKEN);
        return true;
    }
    return false;
}

/* ---- what becomes of them ---- */

static void asked_count(lc_questions *q, uint64_t ordinal)
{
    uint8_t *state = state_of(q, ordinal);
    *state = (uint8_t)(*state + ((*state & TRIES) < TRIES));
}

static void asked_uncount(lc_questions *q, uint64_t ordinal)
{
    uint8_t *state = state_of(q, ordinal);
    *state = (uint8_t)(*state - ((*state & TRIES) > 0));
}

void lc_questions_back(lc_questions *q, uint64_t now_ms, uint64_t ordinal, bool unheard)
{
    if (!is_open(q, ordinal)) {
        return;
    }
    if (unheard) {
        asked_uncount(q, ordinal);
    }
    state_set(q, ordinal, *state_of(q, ordinal) & (OPEN | TRIES));
    q->scan = ordinal < q->scan ? ordinal : q->scan;
    if (unheard) {
        mark_put(q, now_ms, MARK_BACK, ordinal);
    }
}

void lc_questions_asked(lc_questions *q, uint64_t now_ms, uint64_t ordinal)
{
    if (is_open(q, ordinal)) {
        asked_count(q, ordinal);
        mark_put(q, now_ms, MARK_ASKED, ordinal);
        (void)!lc_journal_commit(&q->journal); /* `failed` says it */
    }
}

void lc_questions_end(lc_questions *q, uint64_t now_ms, uint64_t ordinal, bool corrected)
{
    if (!is_open(q, ordinal)) {
        return;
    }
    state_set(q, ordinal, 0);
    mark_put(q, now_ms, MARK_ENDED, ordinal);
    if (corrected) {
        (void)!lc_journal_commit(&q->journal);
    }
    cursor_move(q, now_ms);
}

/* ---- a start ---- */

/* The record that the last correction is about: its question may have no mark yet. */
static void corrected_read(lc_journal *corrections, lc_kept *last)
{
    lc_entry entry;
    *last = (lc_kept){0};
    if (corrections && corrections->open && lc_journal_last(corrections) > 0 &&
        lc_journal_read(corrections, lc_journal_last(corrections), &entry) == LC_OK) {
        (void)lc_correction_of(entry.text, &last->boot, &last->seq);
    }
}

static void entry_take(lc_questions *q, uint64_t now_ms, const lc_entry *entry,
                       const lc_kept *corrected)
{
    lc_kept kept;
    uint64_t wall_ms;
    if (entry->kind == QUESTION) {
        bool good = kept_read(entry, &q->map, &kept, &wall_ms);
        q->dropped += !good;
        bool over = good && kept.boot == corrected->boot && kept.seq == corrected->seq;
        state_set(q, entry->ordinal, !good ? 0 : over ? OPEN | TAKEN : OPEN);
        if (good && kept.made >= q->age.now) {
            q->age = lc_age_from(kept.made, wall_ms, now_ms);
        }
        return;
    }
    *state_of(q, entry->ordinal) = 0;
    if (entry->seq <= q->journal.cursor || entry->seq >= entry->ordinal ||
        (*state_of(q, entry->seq) & OPEN) == 0) {
        return;
    }
    if (entry->kind == MARK_ASKED) {
        asked_count(q, entry->seq);
    } else if (entry->kind == MARK_BACK) {
        asked_uncount(q, entry->seq);
    } else if (entry->kind == MARK_ENDED) {
        state_set(q, entry->seq, 0);
    }
}

static void journal_replay(lc_questions *q, uint64_t now_ms, lc_journal *corrections)
{
    lc_journal *j = &q->journal;
    lc_entry entry;
    lc_kept corrected;
    corrected_read(corrections, &corrected);
    memset(q->state, 0, ORDINALS);
    while (j->spans > 0) {
        if (lc_journal_next(j, &entry)) {
            entry_take(q, now_ms, &entry, &corrected);
        }
    }
    j->losses = 0; /* what cannot be read is counted here */
    for (uint64_t i = j->cursor + 1, last = lc_journal_last(j); i <= last; i++) {
        uint8_t *state = state_of(q, i);
        if (*state & TAKEN) {
            lc_questions_end(q, now_ms, i, true);
        } else if ((*state & TRIES) > 1) { /* cuts shall not use them up */
            *state = OPEN | 1;
        }
    }
    q->scan = j->cursor + 1;
}

lc_err lc_questions_init(lc_questions *q, lc_arena *state)
{
    lc_questions made = {0};
    static const lc_port none; /* so that the journal takes its memory; lc_questions_open has it */
    const lc_journal_options options = {.port = &none,
                                        .file = LC_FILE_QUESTIONS,
                                        .cell = LC_CELL_QUESTIONS,
                                        .segments = SEGMENTS,
                                        .segment_bytes = SEGMENT_BYTES,
                                        .text_max = TEXT_MAX,
                                        .commit_count = COMMIT_COUNT,
                                        .commit_ms = COMMIT_MS};
    made.room = lc_arena_push(state, LC_QUESTIONS_BYTES + LC_CELL_SPAN);
    made.state = lc_arena_push(state, ORDINALS);
    made.out = lc_arena_push(state, TEXT_MAX);
    if (!made.room || !made.state || !made.out ||
        lc_journal_init(&made.journal, &options, state) != LC_OK) {
        return LC_ERR_ARENA;
    }
    if (!state->measuring) {
        *q = made;
    }
    return LC_OK;
}

lc_err lc_questions_open(lc_questions *q, uint64_t now_ms, const lc_port *port,
                         lc_journal *corrections)
{
    lc_journal_options *o = &q->journal.options;
    q->age = lc_age_from(0, 0, now_ms);
    q->wanted = port != NULL;
    o->port = port ? port : o->port;
    if (port && lc_journal_open(&q->journal) == LC_OK && o->segments == SEGMENTS &&
        o->segment_bytes == SEGMENT_BYTES) {
        journal_replay(q, now_ms, corrections);
        return LC_OK;
    }
    memory_begin(q);
    return port ? LC_ERR_IO : LC_OK;
}

/* ---- time ---- */

void lc_questions_clock(lc_questions *q, uint64_t now_ms, uint64_t wall_ms)
{
    (void)lc_age_clock(&q->age, now_ms, wall_ms);
}

uint64_t lc_questions_now(lc_questions *q, uint64_t now_ms)
{
    (void)lc_age_tick(&q->age, now_ms);
    return q->age.now;
}

void lc_questions_tick(lc_questions *q, uint64_t now_ms)
{
    disk_watch(q);
    lc_journal_tick(&q->journal, now_ms);
}

void lc_questions_close(lc_questions *q, uint64_t now_ms)
{
    lc_questions_tick(q, now_ms);
    cursor_move(q, now_ms);
    (void)!lc_journal_keep(&q->journal); /* a disk that fails is said elsewhere */
}

uint64_t lc_questions_wake_ms(const lc_questions *q)
{
    return lc_journal_wake_ms(&q->journal);
}
