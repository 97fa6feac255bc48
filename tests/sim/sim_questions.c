/* sim_questions.c - questions for upstream through power cuts at every operation of the disk, kills
 * and restarts.
 *
 * The code is the real one: questions, budget, corrections' journal; the disk is simulated
 * (cut_disk.h), and so is what lies around: lines that are hard, a link that drops, a worker that
 * answers, late, wrongly or never, a wall clock that is known or not, times switched off. A run is
 * a few lives; in the first the power goes at operation N, in the next ones at a random one or the
 * process is killed, and in the last all is well until nothing waits. Then
 *   - no question is lost whose group commit came back: it was answered, or asked as often as may
 *     be, or grew too old; and every answer that ended one is there
 *   - none was asked once its correction was certain, none past its life, none under two ids or
 *     more than twice (once by a later start), those that wait in their order
 *   - each request was taken from the budget once
 * Mistakes planted in the code's surroundings must be found, or the simulation is no test.
 *
 * usage: sim_questions [RUNS]    default 1500, or LC_SIM_CUTS of them
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../board/node/correct.h"
#include "../../board/node/journal.h"
#include "../../runtime/bytes.h"

/* The code under test is compiled here once more, so that parts of it can be taken away. */
typedef enum mistake {
    NONE,
    NO_SYNC,      /* the disk's */
    NO_COMMIT,    /* a request leaves before its mark is certain */
    ENDS_EARLY,   /* a question ends before its correction is certain */
    NO_LOOK,      /* a start does not look at the last correction */
    NO_WALL,      /* time switched off does not count */
    BUDGET_FIRST, /* the budget's cell is not certain when a request leaves */
    MISTAKES
} mistake;

static mistake wrong;

static lc_err commit_or_not(lc_journal *j)
{
    return wrong == NO_COMMIT ? LC_OK : lc_journal_commit(j);
}

static bool correction_or_none(lc_str json, uint32_t *boot, uint64_t *seq)
{
    return wrong != NO_LOOK && lc_correction_of(json, boot, seq);
}

#include "../../board/node/age.h"

static uint64_t clock_or_none(lc_age *age, uint64_t now_ms, uint64_t wall_ms)
{
    return lc_age_clock(age, now_ms, wrong == NO_WALL ? 0 : wall_ms);
}

#define lc_journal_commit commit_or_not
#define lc_correction_of correction_or_none
#define lc_age_clock clock_or_none
#include "../../board/node/questions.c"
#undef lc_journal_commit
#undef lc_correction_of
#undef lc_age_clock
#include "../../board/node/escalate.h"
#include "../../runtime/job.h"
#include "dice.h"
#define CUT_FILE_MAX LC_QUESTIONS_BYTES
#define CUT_PENDING_MAX 4096u
#include "cut_disk.h"

#define LIVES_MAX 6u
#define SEQ_MAX 256u
#define TTL_MS 3600000u
#define DEADLINE_MS 8000u
#define CALLS_MAX 2000u
#define PENDING_ANSWERS 64u
#define WALL_BEGIN 1763625600000u

typedef struct asked {       /* a line that was hard */
    bool made, owes, sure;   /* sure: its group commit came back */
    bool dated;              /* the clock was known when it was made */
    uint64_t wall_ms;        /* the true time it was made at */
    uint32_t requests, here; /* that somebody heard; of them by the start `boot` */
    uint32_t boot;
    uint8_t id[LC_ESC_ID_BYTES];  /* of the first */
    uint64_t ordinal, correction; /* in their journals, 0: none */
    bool corrected;               /* its correction is certain */
    bool wrong;                   /* the answer was none */
} asked;

typedef struct coming {
    uint64_t at_ms;
    asked *asked;
    lc_esc_answer answer;
} coming;

typedef struct world {
    cut_disk disk;
    lc_port port;
    uint64_t seed, random, now_ms, true_ms; /* true_ms: what a good clock would say */
    lc_escalate esc;
    lc_journal corrections;
    uint32_t boot, lives, ids;
    uint64_t seq, number;
    asked asked[LIVES_MAX + 1][SEQ_MAX];
    coming coming[PENDING_ANSWERS];
    uint32_t comings;
    bool link, clock, healing;
    uint64_t requests, order; /* order: of those that waited, the last that was asked first */
    uint64_t cuts, kills, questions, again;
    uint32_t met; /* cuts while a request was about to leave */
    const char *fault;
} world;

static lc_label labels[2] = {{.name = {"a", 1}}, {.name = {"b", 1}}};
static const lc_task task = {.name = {"fault", 5}, .label = labels, .label_count = 2};
static lc_policy policy = {.escalates = true,
                           .deadline_ms = DEADLINE_MS,
                           .ttl_s = TTL_MS / 1000,
                           .calls_per_day = CALLS_MAX};
static _Alignas(64) uint8_t memory[6u << 20];

static void expect(world *w, bool holds, const char *what)
{
    if (!holds && !w->fault) {
        w->fault = what;
    }
}

static uint64_t roll(world *w, uint64_t below)
{
    return dice_roll(&w->random) % below;
}

/* What is certain now, as the code itself may believe it. */
static void certain_note(world *w)
{
    const lc_journal *j = &w->esc.questions.journal, *c = &w->corrections;
    for (uint32_t boot = 1; boot <= w->boot && !w->disk.dead; boot++) {
        for (uint64_t seq = 1; seq < SEQ_MAX; seq++) {
            asked *a = &w->asked[boot][seq];
            a->sure = a->sure ||
                      (a->made && boot == w->boot && a->ordinal > 0 && a->ordinal <= j->synced);
            a->corrected = a->corrected || (a->correction > 0 && a->correction <= c->synced);
        }
    }
}

/* ---- what happens ---- */

static void line_hard(world *w)
{
    static const lc_redactions none;
    char record[160], text[40];
    uint64_t seq = w->seq + 1;
    if (seq >= SEQ_MAX) {
        return;
    }
    bool now = lc_escalate_could(&w->esc, w->now_ms) && roll(w, 2) == 0;
    int record_bytes = snprintf(record, sizeof record,
                                "{\"v\":1,\"dev\":\"t\",\"boot\":%u,\"seq\":%llu,\"label\":\"b\","
                                "\"decision\":\"%s\",\"why\":[],\"act\":[]}",
                                w->boot, (unsigned long long)seq, now ? "escalate" : "defer");
    int text_bytes =
        snprintf(text, sizeof text, "line %u.%llu drips", w->boot, (unsigned long long)seq);
    const lc_question q = {.seq = seq,
                           .record = {record, (uint32_t)record_bytes},
                           .text = {text, (uint32_t)text_bytes},
                           .map = &none,
                           .now = now};
    asked *a = &w->asked[w->boot][seq];
    *a = (asked){.made = true, .owes = now, .dated = w->clock, .wall_ms = w->true_ms};
    w->seq = seq;
    lc_escalate_ask(&w->esc, w->now_ms, &q);
    a->ordinal = w->disk.dead ? 0 : w->esc.questions.journal.end.ordinal - 1;
    w->questions++;
}

static bool is_waiting(const world *w, const lc_esc_slot *slot)
{
    return slot->boot < w->boot || !w->asked[slot->boot][slot->seq].owes;
}

static void request_seen(world *w, const lc_esc_slot *slot, lc_str payload, uint32_t id)
{
    char want[60];
    asked *a = &w->asked[slot->boot][slot->seq];
    int bytes = snprintf(want, sizeof want, "\"text\":\"line %u.%llu drips\"", slot->boot,
                         (unsigned long long)slot->seq);
    bool there = false;
    for (uint32_t i = 0; i + (uint32_t)bytes <= payload.bytes && !there; i++) {
        there = memcmp(payload.data + i, want, (size_t)bytes) == 0;
    }
    expect(w, a->made && there, "a question that was never made, or another text");
    expect(w, !a->corrected, "asked once its correction is certain");
    expect(w, !w->clock || !a->dated || w->true_ms < a->wall_ms + TTL_MS, "asked past its life");
    expect(w, a->requests == 0 || memcmp(a->id, slot->id, sizeof a->id) == 0, "two ids");
    if (is_waiting(w, slot) && a->requests == 0) {
        uint64_t key = (uint64_t)slot->boot * SEQ_MAX + slot->seq;
        expect(w, key > w->order, "asked out of order");
        w->order = key;
    }
    memcpy(a->id, slot->id, sizeof a->id);
    w->again += a->requests > 0 && slot->boot < w->boot;
    a->here = a->boot == w->boot ? a->here + 1 : 1;
    a->boot = w->boot;
    a->requests++;
    w->requests++;
    expect(w, a->here <= (a->requests > a->here ? 1u : 2u), "asked too often");
    uint64_t fate = w->healing ? 9 : roll(w, 10);
    if (fate == 0) { /* nobody was there */
        a->requests--;
        a->here--;
        lc_escalate_ack(&w->esc, w->now_ms, id, 0x10);
        lc_escalate_worker(&w->esc, w->now_ms, &(lc_esc_worker){.ready = true});
        w->order = 0; /* it waits again */
        return;
    }
    lc_escalate_ack(&w->esc, w->now_ms, id, 0);
    if (fate > 3 && w->comings < PENDING_ANSWERS) {
        coming *c = &w->coming[w->comings++];
        *c = (coming){.at_ms = w->now_ms + 10 + roll(w, fate > 8 ? 200 : 2 * DEADLINE_MS)};
        c->asked = a;
        c->answer.label = lc_str_from(fate == 4 ? "fire" : "a");
        c->answer.p = 0.9f;
        memcpy(c->answer.id, slot->id, sizeof c->answer.id);
    }
}

static void requests_send(world *w)
{
    lc_str payload;
    const lc_esc_slot *slot;
    while (!w->disk.dead && !w->fault &&
           (slot = lc_escalate_send(&w->esc, w->now_ms, w->clock ? w->true_ms : 0, ++w->ids,
                                    &payload))) {
        if (!w->disk.dead) {
            request_seen(w, slot, payload, w->ids);
        }
    }
    w->met += w->disk.dead;
}

static void corrections_put(world *w)
{
    lc_corrected c;
    while (!w->disk.dead && lc_escalate_correct(&w->esc, w->now_ms, w->number + 1, &c)) {
        lc_entry entry = {.kind = 2, .seq = ++w->number, .boot = w->boot, .text = c.json};
        entry.name = task.name;
        asked *a = &w->asked[c.boot][c.seq];
        if (lc_journal_put(&w->corrections, w->now_ms, &entry) == LC_OK) {
            a->correction = entry.ordinal;
            (void)!(wrong == ENDS_EARLY ? LC_OK : lc_journal_commit(&w->corrections));
        }
    }
}

static void answers_come(world *w)
{
    for (uint32_t i = 0; i < w->comings && w->link && !w->disk.dead; i++) {
        coming c = w->coming[i];
        if (c.at_ms <= w->now_ms) {
            w->coming[i--] = w->coming[--w->comings];
            uint64_t before = w->esc.counts.invalid;
            lc_escalate_answer(&w->esc, w->now_ms, &c.answer);
            c.asked->wrong = c.asked->wrong || w->esc.counts.invalid > before;
        }
    }
}

static void link_set(world *w, bool up)
{
    w->link = up;
    w->comings = up ? w->comings : 0;
    w->order = up ? w->order : 0; /* what did not leave waits again */
    lc_escalate_link(&w->esc, w->now_ms, up);
    if (up) {
        lc_escalate_worker(&w->esc, w->now_ms, &(lc_esc_worker){.ready = true});
    }
}

static void tick(world *w)
{
    lc_journal_tick(&w->corrections, w->now_ms);
    lc_escalate_tick(&w->esc, w->now_ms);
}

static void turn(world *w)
{
    answers_come(w);
    corrections_put(w);
    if (w->link) { /* a worker is there however silent it is */
        lc_escalate_worker(&w->esc, w->now_ms, &(lc_esc_worker){.ready = true});
        requests_send(w);
    }
    corrections_put(w);
}

/* ---- a life ---- */

/* What the corrections' journal holds: those before a cut that are not in it never were. */
static void corrections_read(world *w)
{
    lc_entry entry;
    uint64_t last = lc_journal_last(&w->corrections), at = 1;
    for (uint32_t i = 0; i < (LIVES_MAX + 1) * SEQ_MAX; i++) {
        w->asked[i / SEQ_MAX][i % SEQ_MAX].correction = 0;
    }
    for (; at <= last && lc_journal_read(&w->corrections, at, &entry) == LC_OK; at++) {
        uint32_t boot;
        uint64_t seq;
        bool known = lc_correction_of(entry.text, &boot, &seq) && boot <= w->boot &&
                     seq < SEQ_MAX && w->asked[boot][seq].made;
        expect(w, known, "a correction of nothing");
        if (known) {
            w->asked[boot][seq].correction = at;
        }
    }
    expect(w, at > last, "a correction cannot be read");
}

static bool start(world *w)
{
    static const lc_esc_options ask = {
        .policy = &policy, .job = {"pump", 4}, .reply = {"r", 1}, .task = {&task}, .task_count = 1};
    const lc_journal_options options = {.port = &w->port,
                                        .file = LC_FILE_CORRECTIONS,
                                        .cell = LC_CELL_CORRECTIONS,
                                        .segments = 4,
                                        .segment_bytes = 65536,
                                        .text_max = 1024,
                                        .commit_count = 1};
    lc_arena arena;
    uint64_t size = LC_STATE_BYTES;
    w->boot++;
    w->seq = w->number = w->order = 0;
    w->comings = 0;
    w->link = w->clock = false;
    w->esc = (lc_escalate){0};
    lc_arena_init(&arena, memory, sizeof memory);
    if (lc_journal_init(&w->corrections, &options, &arena) != LC_OK ||
        lc_escalate_init(&w->esc, &ask, &arena) != LC_OK ||
        w->port.open(w->port.ctx, LC_FILE_STATE, &size) != LC_OK ||
        lc_journal_open(&w->corrections) != LC_OK) {
        return false;
    }
    corrections_read(w);
    const lc_esc_start begin = {&w->port, &w->corrections, w->boot, w->seed * 64 + w->boot};
    bool good = lc_escalate_open(&w->esc, w->now_ms, &begin) == LC_OK && !w->disk.dead;
    expect(w, !good || lc_questions_on_disk(&w->esc.questions), "the disk is not used");
    expect(w, !w->esc.questions.journal.damaged && w->esc.questions.dropped == 0,
           "what was kept cannot be read");
    return good;
}

static void time_pass(world *w, uint64_t ms)
{
    w->now_ms += ms;
    w->true_ms += ms;
}

static void clock_come(world *w)
{
    w->clock = true;
    lc_escalate_clock(&w->esc, w->now_ms, w->true_ms);
}

static void life(world *w, uint32_t steps)
{
    if (roll(w, 4) > 0) {
        clock_come(w);
    }
    for (uint32_t i = 0; i < steps && !w->disk.dead && !w->fault; i++) {
        uint64_t what = roll(w, 100);
        time_pass(w, roll(w, 1000));
        if (what < 30) {
            line_hard(w);
        } else if (what < 45) {
            link_set(w, !w->link);
        } else if (what < 50) {
            time_pass(w, roll(w, 90000));
        } else if (what < 55) {
            clock_come(w);
        }
        turn(w);
        if (roll(w, 3) > 0) {
            tick(w);
        }
        certain_note(w);
    }
}

static void heal(world *w)
{
    w->healing = true;
    clock_come(w);
    link_set(w, true);
    for (uint32_t i = 0; i < 3000 && !w->fault; i++) {
        time_pass(w, 100);
        turn(w);
        tick(w);
        certain_note(w);
    }
    lc_esc_counts counts;
    lc_escalate_look(&w->esc, w->now_ms, &counts);
    expect(w, counts.waiting == 0 && counts.open == 0, "questions are left when all is well");
    expect(w, counts.calls_day >= w->requests && counts.calls_day <= w->requests + w->cuts,
           "requests and budget differ");
    corrections_read(w);
    for (uint32_t boot = 1; boot <= w->boot; boot++) {
        for (uint64_t seq = 1; seq < SEQ_MAX; seq++) {
            const asked *a = &w->asked[boot][seq];
            bool old = w->true_ms >= a->wall_ms + TTL_MS || !a->dated;
            /* Of a request that the cut met nobody knows whether it left. */
            bool spent = a->requests + w->met >= 2 || a->wrong;
            expect(w, !a->sure || a->correction > 0 || spent || old, "a question is lost");
            expect(w, !a->corrected || a->correction > 0, "a correction is lost");
        }
    }
}

static void world_open(world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->random = seed * 0x9E3779B97F4A7C15u + 1;
    w->disk.random = w->random ^ 0x5555;
    w->disk.no_sync = wrong == NO_SYNC;
    w->disk.late_sync = wrong == BUDGET_FIRST ? LC_FILE_STATE : LC_FILE_COUNT;
    w->true_ms = WALL_BEGIN;
    w->port = cut_disk_port(&w->disk);
}

/* One run; returns the operations of its first life. cut_at 0: nothing happens to it. */
static uint32_t run(world *w, uint64_t seed, uint32_t cut_at, uint32_t more)
{
    uint32_t first_ops = 0;
    world_open(w, seed);
    for (uint32_t i = 0; i <= more + 1 && !w->fault; i++) {
        bool last = i == more + 1;
        w->lives++;
        w->disk.dead = false;
        w->disk.ops = 0;
        w->disk.cut_at = last ? 0 : i == 0 ? cut_at : (uint32_t)(1 + roll(w, 300));
        w->now_ms = 1000 + roll(w, 1000000);
        if (start(w)) {
            life(w, last ? 10 : 60);
        }
        first_ops = i == 0 ? w->disk.ops : first_ops;
        if (last) {
            heal(w);
        } else if (w->disk.dead || roll(w, 3) > 0) {
            cut_disk_cut(&w->disk);
            w->cuts++;
        } else {
            w->kills++;
        }
        w->true_ms += roll(w, 4) == 0 ? roll(w, 2 * TTL_MS) : roll(w, 60000);
    }
    return first_ops;
}

/* ---- all of it ---- */

typedef struct totals {
    uint64_t runs, failed, cuts, kills, questions, requests, again;
    const char *fault; /* the last */
} totals;

static totals runs_make(uint64_t count, mistake planted, bool say)
{
    static world w;
    totals t = {0};
    wrong = planted;
    for (uint64_t seed = 1; t.runs < count && (say || t.failed == 0); seed++) {
        uint32_t ops = run(&w, seed, 0, 0);
        for (uint32_t at = 1 + (uint32_t)(seed % 3); at <= ops && t.runs < count; at += 3) {
            run(&w, seed, at, (uint32_t)((seed + at) % 4));
            t.runs++;
            t.cuts += w.cuts;
            t.kills += w.kills;
            t.questions += w.questions;
            t.requests += w.requests;
            t.again += w.again;
            t.failed += w.fault != NULL;
            t.fault = w.fault ? w.fault : t.fault;
            if (w.fault && say && t.failed <= 5) {
                printf("# seed %llu, cut at %u, start %u: %s\n", (unsigned long long)seed, at,
                       w.boot, w.fault);
            }
        }
    }
    wrong = NONE;
    return t;
}

int main(int argc, char **argv)
{
    static const char *const names[MISTAKES] = {
        [NO_SYNC] = "no sync",
        [NO_COMMIT] = "a request before its mark",
        [ENDS_EARLY] = "an end before its correction",
        [NO_LOOK] = "a start that does not look at the last correction",
        [NO_WALL] = "a clock that does not count when off",
        [BUDGET_FIRST] = "a request before the budget",
    };
    const char *wish = getenv("LC_SIM_CUTS");
    uint64_t count = strtoull(argc > 1 ? argv[1] : wish ? wish : "1500", NULL, 10);
    clock_t begun = clock();
    totals t = runs_make(count, NONE, true);
    printf("# %llu runs, %llu power cuts, %llu kills, %llu questions, %llu requests, %llu of them "
           "by a later start, %.1f s\n",
           (unsigned long long)t.runs, (unsigned long long)t.cuts, (unsigned long long)t.kills,
           (unsigned long long)t.questions, (unsigned long long)t.requests,
           (unsigned long long)t.again, (double)(clock() - begun) / CLOCKS_PER_SEC);
    printf("%sok 1 - questions: none lost, none asked after its answer, too late, too often or out "
           "of order in %llu runs\n",
           t.failed ? "not " : "", (unsigned long long)t.runs);
    bool tried = t.cuts > t.runs && t.kills > 0 && t.again > 0;
    printf("%sok 2 - questions: there were cuts, kills, and some were asked again\n",
           tried ? "" : "not ");
    bool good = t.failed == 0 && tried;
    for (mistake m = NO_SYNC; m < MISTAKES; m++) {
        totals bad = runs_make(count, m, false);
        printf("%sok %u - questions: %s is found: %s, in run %llu\n", bad.failed ? "" : "not ",
               (unsigned)m + 2, names[m], bad.failed ? bad.fault : "no",
               (unsigned long long)bad.runs);
        good = good && bad.failed > 0;
    }
    printf("1..%u\n", (unsigned)MISTAKES + 1);
    return !good;
}
