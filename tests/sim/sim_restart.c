/* sim_restart.c - the node with its journals through restarts: lives that end like a killed process
 * or with a power cut, a broker that comes, goes, refuses and (with e2e) loses what it took, more
 * records than the journal holds. In the last life all is well. Then every record that was certain
 * is there or in a stated loss, and every event is; so is every entry of the audit, and those of
 * the last life add up to what its outputs did.
 *
 * usage: sim_restart [FIRST_SEED [SEEDS]]    default 1 60
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../board/node/node_state.h"
#include "../../runtime/job.h"
#include "dice.h"

#define LIVES_MAX 8u
#define SEQ_MAX 2048u
#define JOURNAL_BYTES (1u << 20)
#define PENDING_MAX 4096u
#define FLYING_MAX 32u
#define START_MS 1000000u

/* ---- a disk ---- */

typedef struct pending {
    lc_file file;
    uint64_t at;
    uint32_t bytes;
} pending;

typedef struct disk {
    uint8_t kept[LC_FILE_COUNT][JOURNAL_BYTES]; /* what a power cut leaves */
    uint8_t seen[LC_FILE_COUNT][JOURNAL_BYTES]; /* what a process reads */
    uint64_t size[LC_FILE_COUNT];
    pending pending[PENDING_MAX];
    uint32_t pendings;
} disk;

static lc_err disk_open(void *ctx, lc_file file, uint64_t *bytes)
{
    disk *d = ctx;
    d->size[file] = d->size[file] > 0 ? d->size[file] : *bytes;
    lc_assert(d->size[file] <= JOURNAL_BYTES);
    *bytes = d->size[file];
    return LC_OK;
}

static lc_err disk_read(void *ctx, lc_file file, uint64_t at, void *data, size_t bytes)
{
    const disk *d = ctx;
    lc_assert(at + bytes <= d->size[file]);
    memcpy(data, d->seen[file] + at, bytes);
    return LC_OK;
}

static lc_err disk_write(void *ctx, lc_file file, uint64_t at, const void *data, size_t bytes)
{
    disk *d = ctx;
    lc_assert(at + bytes <= d->size[file] && d->pendings < PENDING_MAX);
    memcpy(d->seen[file] + at, data, bytes);
    d->pending[d->pendings++] = (pending){file, at, (uint32_t)bytes};
    return LC_OK;
}

static lc_err disk_sync(void *ctx, lc_file file)
{
    disk *d = ctx;
    uint32_t left = 0;
    for (uint32_t i = 0; i < d->pendings; i++) {
        const pending *p = &d->pending[i];
        if (p->file == file) {
            memcpy(d->kept[file] + p->at, d->seen[file] + p->at, p->bytes);
        } else {
            d->pending[left++] = *p;
        }
    }
    d->pendings = left;
    return LC_OK;
}

/* ---- a world ---- */

typedef struct life {
    uint64_t made, certain, events, audits, audits_certain;
    uint64_t reach, event_reach, audit_reach; /* the collector has all up to these */
    bool got[SEQ_MAX], stated[SEQ_MAX], event[SEQ_MAX], audit[SEQ_MAX];
    uint64_t done, limited, paused; /* of acts, as the audit tells */
} life;

typedef struct flying {
    uint32_t id, reason;
    uint64_t at_ms;
} flying;

typedef struct world {
    disk disk;
    lc_port port;
    lc_node *node;
    uint64_t random, now_ms, seed;
    bool e2e, healing, stopped;
    uint32_t boot, lose, refuse; /* of 1000 messages */
    life life[LIVES_MAX + 1];
    lc_work work;
    bool works, up, connecting;
    uint64_t change_ms, connect_ms, collect_ms, line_ms;
    bool broker;
    flying flying[FLYING_MAX];
    uint32_t flyings;
    uint64_t twice, lost, cuts;
    const char *fault;
} world;

static void expect(world *w, bool holds, const char *what)
{
    if (!holds && !w->fault) {
        w->fault = what;
        printf("# seed %llu, start %u, at %llu ms: %s\n", (unsigned long long)w->seed, w->boot,
               (unsigned long long)w->now_ms, what);
    }
}

static uint64_t field(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

/* ---- the collector ---- */

static void record_get(world *w, const char *json)
{
    uint64_t boot = field(json, "\"boot\":"), seq = field(json, "\"seq\":");
    bool known = boot >= 1 && boot <= w->boot && seq >= 1 && seq <= w->life[boot].made;
    expect(w, known, "a record that was never made");
    if (known) {
        w->twice += w->life[boot].got[seq];
        w->life[boot].got[seq] = true;
    }
}

static void event_get(world *w, const char *json)
{
    uint64_t boot = field(json, "\"boot\":"), number = field(json, "\"no\":");
    bool known = boot >= 1 && boot <= w->boot && number >= 1 && number <= w->life[boot].events;
    expect(w, known, "an event that never was");
    if (known) {
        w->life[boot].event[number] = true;
    }
}

static void audit_get(world *w, const char *json)
{
    uint64_t boot = field(json, "\"boot\":"), number = field(json, "\"no\":");
    w->life[w->boot].audits = w->node->audits;
    bool known = boot >= 1 && boot <= w->boot && number >= 1 && number < SEQ_MAX &&
                 number <= w->life[boot].audits;
    expect(w, known, "an audit of what never was");
    if (!known || w->life[boot].audit[number]) {
        return;
    }
    life *l = &w->life[boot];
    const char *end = strchr(json, '}');
    const char *counts = strstr(json, "\"count\":");
    uint64_t count = counts && counts < end ? field(counts, "\"count\":") : 1;
    const char *result = strstr(json, "\"result\":\"") + 10;
    l->audit[number] = true;
    l->done += strncmp(result, "done\",\"cause\":\"record", 21) == 0 ? count : 0;
    l->limited += strncmp(result, "limited", 7) == 0 ? count : 0;
    l->paused += strncmp(result, "paused", 6) == 0 ? count : 0;
}

static void gap_get(world *w, const char *json)
{
    uint64_t boot = field(json, "\"of\":"), from = field(json, "\"from\":");
    uint64_t to = field(json, "\"to\":"), count = field(json, "\"count\":");
    expect(w, strstr(json, "\"why\":\"journal\""), "a loss that the journal should have taken");
    expect(w, !strstr(json, "\"events\"") && !strstr(json, "\"audits\""), "a lost event");
    bool known = boot >= 1 && boot <= w->boot && from >= 1 && to <= w->life[boot].made &&
                 count <= to - from + 1;
    expect(w, known, "a loss of what was never made");
    w->lost += count;
    for (uint64_t seq = from; known && seq <= to; seq++) {
        w->life[boot].stated[seq] = true;
    }
}

static void message_get(world *w, const lc_message *m)
{
    static char text[LC_MESSAGE_BYTES_MAX + 1];
    memcpy(text, m->payload, m->bytes);
    text[m->bytes] = '\0';
    for (char *at = strstr(text, "{\"v\":"); at && m->topic != LC_TOPIC_GAP;
         at = strstr(at + 1, "{\"v\":")) {
        if (m->topic == LC_TOPIC_RES) {
            record_get(w, at);
        } else if (m->topic == LC_TOPIC_EVENT) {
            event_get(w, at);
        } else if (m->topic == LC_TOPIC_AUDIT) {
            audit_get(w, at);
        }
    }
    if (m->topic == LC_TOPIC_GAP) {
        gap_get(w, text);
    }
}

static void collector_tell(world *w)
{
    for (uint32_t boot = 1; boot <= w->boot; boot++) {
        life *l = &w->life[boot];
        while (l->reach < l->made && (l->got[l->reach + 1] || l->stated[l->reach + 1])) {
            l->reach++;
        }
        while (l->event_reach < l->events && l->event[l->event_reach + 1]) {
            l->event_reach++;
        }
        while (l->audit_reach < l->audits && l->audit[l->audit_reach + 1]) {
            l->audit_reach++;
        }
        const lc_collected has = {boot, l->reach, l->event_reach, l->audit_reach, 0};
        lc_node_collected(w->node, w->now_ms, &has);
    }
}

/* ---- the node's world ---- */

static void work_end(world *w)
{
    static char json[8192];
    life *l = &w->life[w->boot];
    int bytes = snprintf(json, sizeof json, "{\"v\":1,\"boot\":%u,\"seq\":%llu,\"pad\":\"", w->boot,
                         (unsigned long long)w->work.seq);
    for (uint32_t pad = (uint32_t)(dice_roll(&w->random) % 3000); pad > 0; pad--) {
        json[bytes++] = (char)('a' + dice_roll(&w->random) % 26);
    }
    bytes += snprintf(json + bytes, 3, "\"}");
    lc_node_record record = {.json = json,
                             .bytes = (uint32_t)bytes,
                             .task = (uint32_t)(dice_roll(&w->random) % 2),
                             .decision = LC_ACCEPT,
                             .label = (int32_t)(dice_roll(&w->random) % 8),
                             .alarm = dice_roll(&w->random) % 20 == 0,
                             .label_name = {"leak", 4}};
    l->made = w->work.seq;
    w->works = false;
    lc_node_finish(w->node, w->now_ms, w->work.ticket, &record, 1);
    l->events = w->node->event_number;
    if (dice_roll(&w->random) % 40 == 0) {
        lc_node_pause(w->node, w->now_ms, !w->node->actor.paused, lc_str_from("key"));
    }
}

static void message_publish(world *w, const lc_message *m)
{
    expect(w, w->up && w->flyings < FLYING_MAX, "publish without a link or a window");
    flying f = {.id = m->id, .at_ms = w->now_ms + dice_roll(&w->random) % 50};
    bool lost = !w->healing && dice_roll(&w->random) % 1000 < w->lose;
    if (!w->healing && dice_roll(&w->random) % 1000 < w->refuse) {
        f.reason = 0x97;
    } else if (!lost || !w->e2e) { /* what the broker takes and loses only e2e can notice */
        message_get(w, m);
    }
    if (!w->fault) {
        w->flying[w->flyings++] = f;
    }
}

static void actions_take(world *w)
{
    lc_action a;
    while (!w->fault && lc_node_next(w->node, w->now_ms, &a)) {
        switch (a.kind) {
        case LC_DO_START:
            w->work = a.work;
            w->works = true;
            break;
        case LC_DO_CONNECT:
            w->connecting = true;
            w->connect_ms = w->now_ms + dice_roll(&w->random) % 500;
            break;
        case LC_DO_CLOSE:
            w->up = false;
            w->flyings = 0;
            lc_node_link_down(w->node, w->now_ms, LC_LINK_CLOSED);
            break;
        case LC_DO_PUBLISH:
            message_publish(w, &a.message);
            break;
        case LC_DO_HEALTH:
            lc_node_health(w->node, w->now_ms, "{}", 2);
            break;
        case LC_DO_LOG:
            expect(w, a.saying.code != LC_SAY_STORE_DAMAGED, "the journal was damaged");
            expect(w, a.saying.code != LC_SAY_STORE_FAILED, "the journal cannot be used");
            break;
        case LC_DO_STOP:
            w->stopped = true;
            break;
        default:
            break;
        }
    }
    const lc_journal *journal = &w->node->outbox.lane[LC_OUTBOX_RECORD].journal;
    uint64_t behind = journal->end.ordinal - 1 - journal->synced;
    uint64_t made = w->life[w->boot].made;
    w->life[w->boot].certain = made > behind ? made - behind : 0;
    const lc_journal *audit = &w->node->outbox.lane[LC_OUTBOX_AUDIT].journal;
    behind = audit->end.ordinal - 1 - audit->synced;
    made = w->life[w->boot].audits = w->node->audits;
    w->life[w->boot].audits_certain = made > behind ? made - behind : 0;
}

static void broker_change(world *w)
{
    w->broker = w->healing || dice_roll(&w->random) % 2 == 0;
    w->change_ms = w->now_ms + dice_roll(&w->random) % 120000;
    if (!w->broker && w->up) {
        w->up = false;
        w->flyings = 0;
        lc_node_link_down(w->node, w->now_ms, LC_LINK_CLOSED);
    }
}

static void acks_come(world *w)
{
    for (uint32_t i = 0; i < w->flyings; i++) {
        flying f = w->flying[i];
        if (f.at_ms <= w->now_ms) {
            memmove(w->flying + i, w->flying + i + 1, (--w->flyings - i) * sizeof w->flying[0]);
            lc_node_ack(w->node, w->now_ms, f.id, f.reason);
            i--;
        }
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void step(world *w, bool lines)
{
    uint64_t next = lc_node_wake_ms(w->node, w->now_ms);
    expect(w, next > w->now_ms, "wakes in the past");
    next = earlier(next, w->change_ms);
    next = w->connecting ? earlier(next, w->connect_ms) : next;
    next = lines ? earlier(next, w->line_ms) : next;
    next = w->e2e && w->up ? earlier(next, w->collect_ms) : next;
    for (uint32_t i = 0; i < w->flyings; i++) {
        next = earlier(next, w->flying[i].at_ms);
    }
    w->now_ms = next > w->now_ms ? next : w->now_ms;
    if (w->now_ms >= w->change_ms) {
        broker_change(w);
    }
    if (w->connecting && w->now_ms >= w->connect_ms) {
        w->connecting = false;
        w->up = w->broker;
        if (w->up) {
            lc_node_link_up(w->node, w->now_ms, 0);
        } else {
            lc_node_link_down(w->node, w->now_ms, LC_LINK_UNREACHABLE);
        }
    }
    acks_come(w);
    if (w->up && w->now_ms >= w->collect_ms) {
        w->collect_ms = w->now_ms + 1000 + dice_roll(&w->random) % 4000;
        collector_tell(w);
    }
    if (lines && w->now_ms >= w->line_ms) {
        w->line_ms = w->now_ms + dice_roll(&w->random) % 1000;
        (void)!lc_node_line(w->node, w->now_ms, 0, "x", 1);
    }
    actions_take(w);
    if (w->works) {
        work_end(w);
        actions_take(w);
    }
}

/* ---- a run ---- */

static _Alignas(64) uint8_t memory[8u << 20];

static void node_start(world *w)
{
    static const lc_node_source source[1] = {{{"tty", 3}, false}};
    static const lc_str tasks[3] = {{"fault", 5}, {"part", 4}, {"other", 5}};
    static const lc_actor_pin pin = {{"relay", 5}, false, 6};
    static const lc_actor_label label = {
        .label = 1, .action = {"gpio:relay=1,100ms", 18}, .task_name = {"fault", 5}};
    static const lc_actor_options acts = {&pin, 1, false, &label, 1};
    lc_arena arena;
    const lc_node_options options = {.dev = {"sim", 3},
                                     .job = {"sim 1 00000000", 14},
                                     .acts = &acts,
                                     .boot = w->boot,
                                     .source = source,
                                     .source_count = 1,
                                     .task = tasks + w->boot % 2, /* the job changes, too */
                                     .task_count = 2,
                                     .birth = {"{}", 2},
                                     .inbox_bytes = LC_INBOX_BYTES_MIN,
                                     .outbox_bytes = LC_OUTBOX_BYTES_MIN,
                                     .window = (uint32_t)(1 + dice_roll(&w->random) % 8),
                                     .batch = (uint32_t)(1 + dice_roll(&w->random) % 16),
                                     .deadline_ms = 5000,
                                     .link = true,
                                     .seed = w->seed,
                                     .port = &w->port,
                                     .journal_bytes = JOURNAL_BYTES,
                                     .e2e = w->e2e,
                                     .backlog_per_s = (uint32_t)(5 + dice_roll(&w->random) % 200)};
    lc_arena_init(&arena, memory, sizeof memory);
    lc_err err = lc_node_open(&options, w->now_ms, &arena, &w->node, NULL);
    expect(w, err == LC_OK, "lc_node_open");
    w->up = w->connecting = w->works = w->stopped = false;
    w->flyings = 0;
    w->change_ms = w->now_ms;
    w->line_ms = w->collect_ms = w->now_ms;
}

static void life_end(world *w)
{
    disk *d = &w->disk;
    life *l = &w->life[w->boot];
    if (dice_roll(&w->random) % 2 == 0) { /* killed: what was written is there */
        l->certain = l->made;
        l->audits_certain = l->audits;
        return;
    }
    w->cuts++;
    for (uint32_t i = 0; i < d->pendings; i++) {
        const pending *p = &d->pending[i];
        memcpy(d->kept[p->file] + p->at, d->seen[p->file] + p->at,
               dice_roll(&w->random) % 3 == 0 ? p->bytes
                                              : (size_t)(dice_roll(&w->random) % (p->bytes + 1)));
    }
    d->pendings = 0;
    memcpy(d->seen, d->kept, sizeof d->seen);
}

static void judge(world *w)
{
    for (uint32_t boot = 1; boot <= w->boot; boot++) {
        const life *l = &w->life[boot];
        for (uint64_t seq = 1; seq <= l->certain; seq++) {
            expect(w, l->got[seq] || l->stated[seq], "a certain record is neither here nor stated");
        }
        for (uint64_t number = 1; number + 1 <= l->events; number++) { /* of the last none knows */
            expect(w, l->event[number], "an event is missing");
        }
        for (uint64_t number = 1; number <= l->audits_certain; number++) {
            expect(w, l->audit[number], "a certain audit is missing");
        }
    }
    const life *last = &w->life[w->boot];
    const lc_actor *actor = &w->node->actor;
    expect(w, last->done == actor->begun && last->limited == actor->limited,
           "the audit does not add up to what was done");
}

static bool seed_run(world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->random = seed * 0x9E3779B97F4A7C15u + 1;
    for (int i = 0; i < 8; i++) {
        dice_roll(&w->random);
    }
    w->now_ms = START_MS;
    w->e2e = dice_roll(&w->random) % 2 == 0;
    w->lose = (uint32_t)(dice_roll(&w->random) % 100);
    w->refuse = (uint32_t)(dice_roll(&w->random) % 3 == 0 ? dice_roll(&w->random) % 100 : 0);
    w->port = (lc_port){&w->disk, disk_open, disk_read, disk_write, disk_sync};
    w->disk.size[LC_FILE_STATE] = LC_STATE_BYTES;
    uint32_t lives = (uint32_t)(2 + dice_roll(&w->random) % (LIVES_MAX - 2));
    for (w->boot = 1; w->boot <= lives && !w->fault; w->boot++) {
        node_start(w);
        uint64_t end_ms = w->now_ms + 20000 + dice_roll(&w->random) % 400000;
        while (!w->fault && w->now_ms < end_ms) {
            step(w, true);
        }
        life_end(w);
    }
    if (w->fault) {
        return false;
    }
    node_start(w);
    uint64_t end_ms = w->now_ms + dice_roll(&w->random) % 600000;
    while (!w->fault && w->now_ms < end_ms) { /* the last is to get over what it saw itself, too */
        step(w, true);
    }
    w->life[w->boot].certain = w->life[w->boot].made;
    w->life[w->boot].audits_certain = w->life[w->boot].audits;
    w->healing = true;
    end_ms = w->now_ms + 3u * 3600000u;
    lc_node_stop(w->node, w->now_ms, UINT32_MAX);
    while (!w->fault && !w->stopped && w->now_ms < end_ms) {
        step(w, false);
    }
    expect(w, w->stopped, "does not get rid of its records when all is well");
    judge(w);
    return !w->fault;
}

int main(int argc, char **argv)
{
    static world w;
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t seeds = argc > 2 ? strtoull(argv[2], NULL, 10) : 60;
    uint64_t failed = 0, made = 0, twice = 0, lost = 0, cuts = 0, events = 0, audits = 0;
    uint64_t limited = 0, paused = 0;
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        failed += !seed_run(&w, seed);
        twice += w.twice;
        lost += w.lost;
        cuts += w.cuts;
        for (uint32_t boot = 1; boot <= LIVES_MAX; boot++) {
            made += w.life[boot].made;
            events += w.life[boot].events;
            audits += w.life[boot].audits;
            limited += w.life[boot].limited;
            paused += w.life[boot].paused;
        }
    }
    printf("# %llu records, %llu events, %llu power cuts, %llu records twice, %llu stated lost\n",
           (unsigned long long)made, (unsigned long long)events, (unsigned long long)cuts,
           (unsigned long long)twice, (unsigned long long)lost);
    printf("# %llu entries of the audit, in them %llu acts limited, %llu in maintenance\n",
           (unsigned long long)audits, (unsigned long long)limited, (unsigned long long)paused);
    printf("%sok 1 - restarts: %llu seeds: certain records arrive or are stated, events and audit"
           " arrive\n",
           failed ? "not " : "", (unsigned long long)seeds);
    bool tried = twice > 0 && lost > 0 && cuts > 0 && events > 0 && limited > 0 && paused > 0;
    printf("%sok 2 - restarts: there were cuts, losses, repetitions, events\n1..2\n",
           tried ? "" : "not ");
    return failed || !tried;
}
