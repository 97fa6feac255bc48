/* sim_cut.c - power cuts at every operation on a disk that keeps what it likes of unsynced writes.
 *
 * The code is the real one; the disk is simulated: of each write that was not synced, every sector
 * is kept, lost or torn by chance. A run is a few lives of one journal. In its first life the power
 * goes at operation N, in up to three more lives at a random one, some end like a killed process
 * (nothing is lost but memory), and the last heals: all that is there is delivered. Then
 *   - no record is missing whose group commit came back from its sync, unless a loss states it
 *   - none was made up or changed, and none came before an older one of the backlog
 *   - a statement of loss that is repeated says the same
 * Three mistakes planted in the code's surroundings must be found, or the simulation is no test.
 *
 * usage: sim_cut [RUNS]    default 24000, or LC_SIM_CUTS of them
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../runtime/bytes.h"

/* The code under test is compiled here once more, so that its CRC can be taken away. */
static bool crc_missing;

static uint32_t crc_or_none(uint32_t crc, const void *data, size_t bytes)
{
    return crc_missing ? 1 : lc_crc32c(crc, data, bytes);
}

#define lc_crc32c crc_or_none
#include "../../board/node/cell.c"
#include "../../board/node/journal.c"
#include "../../board/node/journal_read.c"
#undef lc_crc32c
#include "dice.h"
#define CUT_FILE_MAX 131072u
#define CUT_PENDING_MAX 512u
#include "cut_disk.h"

#define SEGMENTS 4u
#define SEGMENT_SIZE 1536u
#define TEXT_MAX 220u
#define LIVES_MAX 6u
#define SEQ_MAX 512u
#define HELD_MAX 8u
#define LOSSES_SEEN_MAX 64u

typedef enum mistake { NONE, NO_SYNC, CURSOR_FIRST, NO_CRC, MISTAKES } mistake;

/* ---- a world ---- */

typedef struct held { /* taken out of the journal, not delivered yet */
    uint64_t ordinal, seq;
    uint32_t boot;
} held;

typedef struct world {
    cut_disk disk;
    lc_port port;
    uint64_t seed, random, now_ms;
    lc_journal journal;
    uint32_t boot, lives;
    uint64_t made[LIVES_MAX + 1];    /* records of each start */
    uint64_t certain[LIVES_MAX + 1]; /* of them synced */
    bool got[LIVES_MAX + 1][SEQ_MAX];
    bool stated[LIVES_MAX + 1][SEQ_MAX];
    held held[HELD_MAX];
    uint32_t helds;
    bool link;
    uint64_t last_read; /* ordinal */
    uint32_t last_boot;
    uint64_t last_seq;
    lc_loss loss[LOSSES_SEEN_MAX];
    uint32_t losses, tells;
    uint64_t cuts, kills, lost;
    const char *fault;
} world;

static void expect(world *w, bool holds, const char *what)
{
    if (!holds && !w->fault) {
        w->fault = what;
    }
}

/* The text of a record is known from its numbers, so that a changed one is seen. */
static uint32_t text_make(const world *w, uint32_t boot, uint64_t seq, char *out)
{
    uint64_t random = w->seed * 77 + boot * 1000003u + seq * 31 + 5;
    for (int i = 0; i < 4; i++) {
        dice_roll(&random);
    }
    int bytes = snprintf(out, TEXT_MAX, "{\"boot\":%u,\"seq\":%llu,\"p\":0.%04u,\"pad\":\"%.*s\"}",
                         boot, (unsigned long long)seq, (unsigned)(dice_roll(&random) % 10000),
                         (int)(dice_roll(&random) % 100),
                         "the quick brown fox jumps over the lazy dog and back again, then sleeps "
                         "until the morning comes");
    return (uint32_t)bytes;
}

static void certain_note(world *w)
{
    if (!w->disk.dead && w->journal.open && w->boot > 0) {
        uint64_t first = w->journal.end.ordinal - w->made[w->boot];
        uint64_t synced = w->journal.synced + 1 > first ? w->journal.synced + 1 - first : 0;
        w->certain[w->boot] = synced;
    }
}

static void record_deliver(world *w, const held *h)
{
    w->got[h->boot][h->seq] = true;
}

/* What nobody holds any more is delivered. */
static void cursor_move(world *w)
{
    uint64_t least = lc_journal_last(&w->journal) + 1;
    if (w->journal.spans > 0 && w->journal.backlog[0].from < least) {
        least = w->journal.backlog[0].from;
    }
    for (uint32_t i = 0; i < w->helds; i++) {
        least = w->held[i].ordinal < least ? w->held[i].ordinal : least;
    }
    lc_journal_delivered(&w->journal, w->now_ms, least - 1);
}

static void held_add(world *w, const lc_entry *entry)
{
    w->held[w->helds++] = (held){entry->ordinal, entry->seq, entry->boot};
}

static void held_deliver(world *w)
{
    if (w->helds > 0) {
        record_deliver(w, &w->held[0]);
        memmove(w->held, w->held + 1, --w->helds * sizeof w->held[0]);
        cursor_move(w);
    }
}

/* The oldest segment goes: so does what is held of it. */
static void held_drop(world *w, uint64_t to)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < w->helds; i++) {
        if (w->held[i].ordinal <= to) {
            lc_journal_lost(&w->journal, w->held[i].boot, w->held[i].seq, w->held[i].seq, 1);
        } else {
            w->held[left++] = w->held[i];
        }
    }
    w->helds = left;
}

static void record_put(world *w)
{
    char text[TEXT_MAX];
    uint64_t seq = w->made[w->boot] + 1;
    if (seq >= SEQ_MAX) {
        return;
    }
    lc_entry entry = {.seq = seq, .boot = w->boot, .name = {"fault", 5}};
    entry.text = (lc_str){text, text_make(w, w->boot, seq, text)};
    uint64_t to;
    if (lc_journal_drops(&w->journal, entry.text.bytes + entry.name.bytes, &to)) {
        held_drop(w, to);
    }
    lc_err err = lc_journal_put(&w->journal, w->now_ms, &entry);
    w->made[w->boot] = seq; /* also when the power went: it may be there */
    if (err != LC_OK && entry.ordinal == 0) {
        return;
    }
    if (w->link && w->helds < HELD_MAX) {
        held_add(w, &entry);
    } else {
        lc_journal_return(&w->journal, entry.ordinal);
    }
}

static bool record_read(world *w)
{
    char want[TEXT_MAX];
    lc_entry entry;
    if (w->helds == HELD_MAX || !lc_journal_next(&w->journal, &entry)) {
        return false;
    }
    bool known = entry.boot >= 1 && entry.boot <= w->boot && entry.seq >= 1 &&
                 entry.seq <= w->made[entry.boot];
    expect(w, known, "a record that was never made");
    if (!known) {
        return false;
    }
    uint32_t bytes = text_make(w, entry.boot, entry.seq, want);
    expect(w, bytes == entry.text.bytes && memcmp(want, entry.text.data, bytes) == 0,
           "a record was changed");
    expect(w, entry.name.bytes == 5 && memcmp(entry.name.data, "fault", 5) == 0, "another name");
    expect(w, entry.ordinal > w->last_read, "the backlog goes back");
    expect(w, entry.boot > w->last_boot || (entry.boot == w->last_boot && entry.seq > w->last_seq),
           "records out of order");
    w->last_read = entry.ordinal;
    w->last_boot = entry.boot;
    w->last_seq = entry.seq;
    held_add(w, &entry);
    return true;
}

static void loss_hear(world *w, const lc_loss *loss)
{
    for (uint32_t i = 0; i < w->losses; i++) {
        const lc_loss *old = &w->loss[i];
        if (old->told_boot == loss->told_boot && old->told == loss->told) {
            expect(w, old->from == loss->from && old->to == loss->to && old->count == loss->count,
                   "a repeated statement says something else");
            return;
        }
    }
    expect(w, w->losses < LOSSES_SEEN_MAX, "losses without end");
    if (w->fault) {
        return;
    }
    w->loss[w->losses++] = *loss;
    expect(w,
           loss->boot >= 1 && loss->boot <= w->boot && loss->to <= w->made[loss->boot] &&
               loss->count <= loss->to - loss->from + 1,
           "a loss of what was never made");
    w->lost += loss->count;
    for (uint64_t seq = loss->from; !w->fault && seq <= loss->to; seq++) {
        w->stated[loss->boot][seq] = true;
    }
}

static bool loss_tell(world *w, bool acknowledged)
{
    const lc_loss *loss = lc_journal_loss(&w->journal, w->boot, w->tells + 1);
    if (!loss || w->disk.dead) {
        return false;
    }
    w->tells += loss->told == w->tells + 1;
    loss_hear(w, loss);
    if (acknowledged) {
        lc_journal_heard(&w->journal, loss->told_boot, loss->told);
    }
    return true;
}

/* ---- a life ---- */

static _Alignas(64) uint8_t memory[1u << 17];

static bool journal_start(world *w)
{
    lc_arena arena;
    const lc_journal_options options = {.port = &w->port,
                                        .file = LC_FILE_RECORDS,
                                        .cell = LC_CELL_RECORDS,
                                        .segments = SEGMENTS,
                                        .segment_bytes = SEGMENT_SIZE,
                                        .text_max = TEXT_MAX + 16,
                                        .commit_count = 5,
                                        .commit_ms = 1000};
    lc_arena_init(&arena, memory, sizeof memory);
    lc_err err = lc_journal_init(&w->journal, &options, &arena);
    lc_assert(err == LC_OK);
    return lc_journal_open(&w->journal) == LC_OK;
}

/* As the daemon does: the start is counted, certainly, before the first record. */
static bool start(world *w)
{
    lc_cell cell;
    uint32_t boot = 0, bytes;
    uint64_t size = LC_STATE_BYTES;
    w->boot = 0;
    w->helds = 0;
    w->last_read = w->last_seq = w->last_boot = w->tells = 0;
    if (w->port.open(w->port.ctx, LC_FILE_STATE, &size) != LC_OK ||
        lc_cell_open(&cell, &w->port, LC_CELL_IDENTITY, &boot, sizeof boot, &bytes) != LC_OK) {
        return false;
    }
    boot++;
    expect(w, boot <= w->lives, "starts that never were");
    if (w->fault || lc_cell_write(&cell, &boot, sizeof boot) != LC_OK || !journal_start(w)) {
        return false;
    }
    w->boot = boot;
    expect(w, w->made[boot] == 0, "a start's number is given twice");
    expect(w, !w->journal.damaged, "the cursor points at what is not there");
    return !w->fault;
}

static void life(world *w, uint32_t steps)
{
    for (uint32_t i = 0; i < steps && !w->disk.dead && !w->fault; i++) {
        uint64_t what = dice_roll(&w->random) % 100;
        w->now_ms += dice_roll(&w->random) % 400;
        if (what < 50) {
            record_put(w);
        } else if (what < 62) {
            w->link = !w->link;
        } else if (what < 75 && w->link) {
            record_read(w);
        } else if (what < 92 && w->link) {
            held_deliver(w);
        } else if (what < 95 && w->link) {
            loss_tell(w, dice_roll(&w->random) % 2 == 0);
        } else {
            w->now_ms += dice_roll(&w->random) % 20 == 0 ? LC_JOURNAL_LAZY_MS : 0;
            lc_journal_tick(&w->journal, w->now_ms);
        }
        if (dice_roll(&w->random) % 4 != 0) {
            lc_journal_tick(&w->journal, w->now_ms);
        }
        certain_note(w);
    }
}

static void heal(world *w)
{
    while (!w->fault && (record_read(w) || w->helds > 0)) {
        held_deliver(w);
    }
    while (!w->fault && loss_tell(w, true)) {
    }
    uint64_t missing = 0;
    for (uint32_t boot = 1; boot <= w->boot && !w->fault; boot++) {
        for (uint64_t seq = 1; seq <= w->certain[boot]; seq++) {
            expect(w, w->got[boot][seq] || w->stated[boot][seq], "a certain record is lost");
            missing += !w->got[boot][seq];
        }
    }
    expect(w, missing <= w->lost, "fewer are stated than are missing");
}

static void world_open(world *w, uint64_t seed, mistake wrong)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->random = seed * 0x9E3779B97F4A7C15u + 1;
    w->disk.random = w->random ^ 0x5555;
    w->disk.no_sync = wrong == NO_SYNC;
    w->disk.late_sync = wrong == CURSOR_FIRST ? LC_FILE_RECORDS : LC_FILE_COUNT;
    crc_missing = wrong == NO_CRC;
    w->port = cut_disk_port(&w->disk);
}

/* One run; returns the operations of its first life. cut_at 0: nothing happens to it. */
static uint32_t run(world *w, uint64_t seed, uint32_t cut_at, uint32_t more, mistake wrong)
{
    world_open(w, seed, wrong);
    uint32_t first_ops = 0;
    for (uint32_t i = 0; i <= more + 1 && !w->fault; i++) {
        bool last = i == more + 1;
        w->lives++;
        w->disk.dead = false;
        w->disk.ops = 0;
        w->disk.cut_at = last ? 0 : i == 0 ? cut_at : (uint32_t)(1 + dice_roll(&w->random) % 120);
        if (start(w)) {
            life(w, last ? 10 : 150);
        }
        first_ops = i == 0 ? w->disk.ops : first_ops;
        if (last) {
            heal(w);
            expect(w, w->boot > 0, "does not start on a whole disk");
        } else if (w->disk.dead || dice_roll(&w->random) % 2 == 0) {
            cut_disk_cut(&w->disk);
            w->cuts++;
        } else {
            w->kills++;
        }
    }
    return first_ops;
}

/* ---- all of it ---- */

typedef struct totals {
    uint64_t runs, failed, cuts, kills, records, lost;
    const char *fault; /* the last */
} totals;

static totals runs_make(uint64_t count, mistake wrong, bool say)
{
    static world w;
    totals t = {0};
    for (uint64_t seed = 1; t.runs < count && (say || t.failed == 0); seed++) {
        uint32_t ops = run(&w, seed, 0, 0, wrong);
        for (uint32_t at = 1; at <= ops && t.runs < count; at++) {
            run(&w, seed, at, (uint32_t)((seed + at) % 4), wrong);
            t.runs++;
            t.cuts += w.cuts;
            t.kills += w.kills;
            t.lost += w.lost;
            for (uint32_t boot = 1; boot <= LIVES_MAX; boot++) {
                t.records += w.made[boot];
            }
            t.failed += w.fault != NULL;
            t.fault = w.fault ? w.fault : t.fault;
            if (w.fault && say && t.failed <= 5) {
                printf("# seed %llu, cut at %u: %s\n", (unsigned long long)seed, at, w.fault);
            }
        }
    }
    return t;
}

int main(int argc, char **argv)
{
    static const char *const names[MISTAKES] = {
        [NO_SYNC] = "no sync", [CURSOR_FIRST] = "cursor before data", [NO_CRC] = "no CRC"};
    const char *wish = getenv("LC_SIM_CUTS");
    uint64_t count = strtoull(argc > 1 ? argv[1] : wish ? wish : "24000", NULL, 10);
    clock_t begun = clock();
    totals t = runs_make(count, NONE, true);
    double seconds = (double)(clock() - begun) / CLOCKS_PER_SEC;
    printf("# %llu runs, %llu power cuts, %llu kills, %llu records, %llu lost and stated, %.1f s\n",
           (unsigned long long)t.runs, (unsigned long long)t.cuts, (unsigned long long)t.kills,
           (unsigned long long)t.records, (unsigned long long)t.lost, seconds);
    printf("%sok 1 - journal: nothing lost, made up or out of order in %llu runs with power cuts\n",
           t.failed ? "not " : "", (unsigned long long)t.runs);
    bool tried = t.cuts > t.runs && t.kills > 0 && t.lost > 0;
    printf("%sok 2 - journal: there were cuts, kills and stated losses\n", tried ? "" : "not ");
    bool good = t.failed == 0 && tried;
    for (mistake m = NO_SYNC; m < MISTAKES; m++) {
        totals bad = runs_make(count, m, false);
        printf("%sok %u - journal: %s is found: %s\n", bad.failed ? "" : "not ", (unsigned)m + 2,
               names[m], bad.failed ? bad.fault : "no");
        good = good && bad.failed > 0;
    }
    printf("1..5\n");
    return !good;
}
