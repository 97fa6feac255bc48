/* sim_escalate.c - three days of hard lines under a fake clock: a link that drops, a broker that
 * holds acknowledgements back, workers that answer late, twice, wrongly or never, that come and go
 * and fall behind. One seed, one run. What must hold: each line has one first record; each that
 * said `escalate` has one rev 2, of the line's own number, and at most one more; in no 24 hours
 * leave more requests than the budget has; nothing leaves of a line that may not; once all is well,
 * every question has ended, and nothing of what the collector has differs when it comes twice.
 *
 * usage: sim_escalate [FIRST_SEED [SEEDS]]    default 1 30
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../board/node/node.h"
#include "../../runtime/job.h"
#include "dice.h"

#define HOURS 72u
#define HOUR_MS 3600000u
#define LINES_MAX 40000u
#define PENDING_MAX 4096u
#define START_MS 1000u
#define DEADLINE_MS 8000u
#define DELAY_MS 3u /* of the link */

typedef enum thing_kind { ACK, ANSWER } thing_kind;

/* What will come to the device. */
typedef struct thing {
    uint64_t at_ms;
    thing_kind kind;
    uint32_t id, reason;
    lc_esc_answer answer;
    char label[8];
} thing;

typedef struct line_seen {
    bool escalates, may_not, kept;
    uint32_t revs; /* bit per revision that came */
    bool upstream; /* a revision by upstream */
    uint32_t hash[4];
} line_seen;

typedef struct world {
    uint64_t seed, random, now_ms;
    lc_node *node;
    thing pending[PENDING_MAX];
    uint32_t count;
    bool up, healing, worker;
    uint32_t lose, late, twice, wrong, drop_link; /* of 1000 */
    lc_work work;
    bool works;
    uint64_t work_ms, next_line_ms, next_link_ms, next_state_ms;
    line_seen line[LINES_MAX];
    uint64_t made;
    uint64_t call_ms[LINES_MAX];
    uint32_t calls;
    const char *fault;
} world;

static bool chance(world *w, uint32_t permille)
{
    return !w->healing && dice_roll(&w->random) % 1000 < permille;
}

static void expect(world *w, bool holds, const char *what)
{
    if (!holds && !w->fault) {
        w->fault = what;
        printf("# seed %llu at %llu ms: %s\n", (unsigned long long)w->seed,
               (unsigned long long)w->now_ms, what);
    }
}

static void thing_add(world *w, thing t)
{
    expect(w, w->count < PENDING_MAX, "the simulation's own queue is too small");
    if (w->count < PENDING_MAX) {
        w->pending[w->count++] = t;
    }
}

/* ---- the job ---- */

static lc_label labels[2] = {{.name = {"leak", 4}}, {.name = {"normal", 6}}};
static const lc_task task = {.name = {"fault", 5}, .label = labels, .label_count = 2};
static lc_policy policy = {.escalates = true, .deadline_ms = DEADLINE_MS, .ttl_s = 86400};

/* ---- inference: some lines are hard, some of them may not leave ---- */

static void work_finish(world *w)
{
    static lc_redactions none;
    char json[512], text[64];
    uint64_t seq = w->work.seq;
    uint64_t kind = dice_roll(&w->random) % 10;
    bool hard = kind < 6, may_not = kind < 2;
    lc_decision decision = !hard ? LC_ACCEPT : may_not || !w->work.online ? LC_DEFER : LC_ESCALATE;
    static const char *const words[] = {"accept", "escalate", "defer"};
    int bytes = snprintf(json, sizeof json,
                         "{\"v\":1,\"dev\":\"t1\",\"boot\":1,\"seq\":%llu,\"ts\":0,\"tq\":\"none\","
                         "\"task\":\"fault\",\"label\":\"normal\",\"p\":0.4000,\"margin\":0.1000,"
                         "\"set\":[\"normal\"],\"stage\":\"r\",\"decision\":\"%s\",\"why\":[],"
                         "\"facts\":[],\"act\":[\"gpio:x=1\"]}",
                         (unsigned long long)seq, words[decision]);
    int held = snprintf(text, sizeof text, "line %llu %s", (unsigned long long)seq,
                        may_not ? "SECRET" : "drips");
    lc_node_record record = {.json = json, .bytes = (uint32_t)bytes, .decision = (uint8_t)decision};
    record.label_name = lc_str_from("normal");
    if (hard && !may_not) {
        record.ask = (lc_str){text, (uint32_t)held};
        record.map = &none;
    }
    expect(w, seq < LINES_MAX, "too many lines for the simulation");
    if (seq < LINES_MAX) {
        w->line[seq].escalates = decision == LC_ESCALATE;
        w->line[seq].may_not = may_not;
    }
    w->made++;
    w->works = false;
    lc_node_finish(w->node, w->now_ms, w->work.ticket, &record, 1);
}

/* ---- what left ---- */

static const char *after(const char *text, const char *end, const char *key)
{
    size_t bytes = strlen(key);
    for (; text + bytes <= end; text++) {
        if (memcmp(text, key, bytes) == 0) {
            return text + bytes;
        }
    }
    return NULL;
}

static void record_seen(world *w, const char *from, const char *end)
{
    const char *at = after(from, end, "\"seq\":"), *rev_at = after(from, end, "\"rev\":");
    uint64_t seq = at ? strtoull(at, NULL, 10) : 0;
    uint32_t rev = rev_at ? (uint32_t)strtoul(rev_at, NULL, 10) : 1;
    expect(w, seq > 0 && seq < LINES_MAX && rev >= 1 && rev <= 3, "a record of no line");
    if (seq == 0 || seq >= LINES_MAX || rev > 3 || rev < 1) {
        return;
    }
    line_seen *line = &w->line[seq];
    uint32_t hash = lc_crc32c(0, from, (size_t)(end - from));
    expect(w, !(line->revs >> rev & 1u) || line->hash[rev] == hash, "one revision, two texts");
    line->hash[rev] = hash;
    line->revs |= 1u << rev;
    line->upstream = line->upstream || after(from, end, "\"by\":\"upstream\"");
    if (rev > 1) {
        expect(w, after(from, end, "\"act\":[]") != NULL, "a correction that acts");
        expect(w, !line->may_not, "a correction of a line that may not leave");
    }
}

static void records_seen(world *w, const lc_message *m)
{
    const char *end = m->payload + m->bytes, *from = m->payload + (m->payload[0] == '[');
    while (from < end && *from == '{') {
        const char *next = after(from + 1, end, ",{\"v\":1");
        record_seen(w, from, next ? next - 7 : end - (m->payload[0] == '['));
        from = next ? next - 6 : end;
    }
}

static void request_seen(world *w, const lc_message *m)
{
    const char *end = m->payload + m->bytes;
    expect(w, after(m->payload, end, "SECRET") == NULL, "what may not leave left");
    expect(w, w->calls < LINES_MAX, "too many calls for the simulation");
    w->call_ms[w->calls++] = w->now_ms;
    uint32_t in_day = 0;
    for (uint32_t i = w->calls; i > 0 && w->call_ms[i - 1] + 24u * HOUR_MS > w->now_ms; i--) {
        in_day++;
    }
    expect(w, in_day <= policy.calls_per_day, "more calls in 24 hours than the budget has");
    if (!w->worker || chance(w, w->lose)) {
        return;
    }
    thing t = {.kind = ANSWER,
               .at_ms = w->now_ms + DELAY_MS + dice_roll(&w->random) % 400,
               .label = "leak"};
    memcpy(t.answer.id, m->ask_id, LC_ESC_ID_BYTES);
    t.answer.p = 0.9f;
    t.answer.span_count = 1;
    t.answer.span[0] = (lc_esc_span){0, 4, {"line", 4}};
    if (chance(w, w->late)) {
        t.at_ms += DELAY_MS + dice_roll(&w->random) % (4 * DEADLINE_MS);
    }
    if (chance(w, w->wrong)) {
        uint64_t how = dice_roll(&w->random) % 4;
        memcpy(t.label, how == 0 ? "fire" : "leak", 5);
        t.answer.span[0].to = how == 1 ? 9999 : 4;
        t.answer.span[0].quote.data = how == 2 ? "LINE" : "line";
        t.answer.id[0] = (uint8_t)(t.answer.id[0] ^ (how == 3));
    }
    thing_add(w, t);
    if (chance(w, w->twice)) {
        t.at_ms += dice_roll(&w->random) % 2000;
        thing_add(w, t);
    }
}

static void publish(world *w, const lc_message *m)
{
    expect(w, w->up, "a message without a link");
    if (m->topic == LC_TOPIC_ASK) {
        request_seen(w, m);
    } else if (m->topic == LC_TOPIC_RES) {
        records_seen(w, m);
    }
    if (!chance(w, 2)) { /* else the broker says nothing, until it is connected anew */
        bool unheard = m->topic == LC_TOPIC_ASK && !w->worker;
        thing_add(w, (thing){.kind = ACK,
                             .at_ms = w->now_ms + DELAY_MS +
                                      (chance(w, 50) ? dice_roll(&w->random) % 5000 : 0),
                             .id = m->id,
                             .reason = unheard ? 0x10 : 0});
    }
}

/* ---- the world turns ---- */

static void link_cut(world *w, lc_link_reason reason)
{
    if (w->up) {
        w->up = false;
        w->count = 0; /* what was under way is gone */
        lc_node_link_down(w->node, w->now_ms, reason);
    }
}

static void actions_run(world *w)
{
    lc_action a;
    while (lc_node_next(w->node, w->now_ms, &a)) {
        if (a.kind == LC_DO_START) {
            w->work = a.work;
            w->works = true;
            w->work_ms = w->now_ms + 20;
        } else if (a.kind == LC_DO_CONNECT) {
            if (w->healing || w->now_ms >= w->next_link_ms) {
                w->up = true;
                w->next_link_ms = w->now_ms + dice_roll(&w->random) % (6 * HOUR_MS);
                lc_node_link_up(w->node, w->now_ms, 0);
                const lc_esc_worker state = {.ready = true, .queue = 0};
                lc_node_worker(w->node, w->now_ms, w->worker ? &state : NULL);
            } else {
                lc_node_link_down(w->node, w->now_ms, LC_LINK_UNREACHABLE);
            }
        } else if (a.kind == LC_DO_CLOSE) {
            link_cut(w, LC_LINK_TIMEOUT);
        } else if (a.kind == LC_DO_PUBLISH) {
            publish(w, &a.message);
        } else if (a.kind == LC_DO_HEALTH) {
            lc_node_health(w->node, w->now_ms, "{}", 2);
        }
    }
}

static void things_come(world *w)
{
    for (uint32_t i = 0; i < w->count;) {
        if (w->pending[i].at_ms > w->now_ms) {
            i++;
            continue;
        }
        thing t = w->pending[i];
        w->pending[i] = w->pending[--w->count];
        if (t.kind == ACK) {
            lc_node_ack(w->node, w->now_ms, t.id, t.reason);
        } else {
            t.answer.label = lc_str_from(t.label);
            lc_node_answer(w->node, w->now_ms, chance(w, 5) ? NULL : &t.answer);
        }
    }
}

static void weather(world *w)
{
    if (w->now_ms >= w->next_line_ms && !w->healing) {
        char text[32];
        int bytes = snprintf(text, sizeof text, "%llu", (unsigned long long)w->now_ms);
        expect(w, lc_node_line(w->node, w->now_ms, 0, text, (size_t)bytes) == LC_OK, "a lost line");
        w->next_line_ms = w->now_ms + 100 + dice_roll(&w->random) % 40000;
    }
    if (w->up && w->now_ms >= w->next_link_ms && !w->healing) {
        link_cut(w, LC_LINK_CLOSED);
        w->next_link_ms = w->now_ms + (chance(w, 300) ? HOUR_MS : dice_roll(&w->random) % 60000);
    }
    if (w->now_ms >= w->next_state_ms) { /* a worker comes, goes with or without a word, is busy */
        w->worker = w->healing || dice_roll(&w->random) % 4 > 0;
        const lc_esc_worker state = {.ready = true,
                                     .queue = (uint32_t)(dice_roll(&w->random) % 100)};
        if (w->up && !chance(w, 300)) {
            lc_node_worker(w->node, w->now_ms, w->worker ? &state : NULL);
        }
        w->next_state_ms = w->now_ms + dice_roll(&w->random) % (2 * HOUR_MS);
    }
    if (w->works && w->now_ms >= w->work_ms) {
        work_finish(w);
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void run_until(world *w, uint64_t end_ms)
{
    while (w->now_ms < end_ms && !w->fault) {
        things_come(w);
        weather(w);
        actions_run(w);
        uint64_t next = earlier(lc_node_wake_ms(w->node, w->now_ms), w->next_state_ms);
        next = w->healing ? next : earlier(next, w->next_line_ms);
        next = w->up && !w->healing ? earlier(next, w->next_link_ms) : next;
        next = w->works ? earlier(next, w->work_ms) : next;
        for (uint32_t i = 0; i < w->count; i++) {
            next = earlier(next, w->pending[i].at_ms);
        }
        w->now_ms = next > w->now_ms ? next : w->now_ms + 1;
    }
}

static void account(world *w, uint64_t totals[4])
{
    lc_node_counts counts;
    lc_node_look(w->node, w->now_ms, &counts);
    expect(w, counts.records_waiting == 0, "records still wait");
    expect(w, counts.esc.open == 0, "a question has not ended");
    expect(w, counts.esc.asked + counts.esc.retries == w->calls,
           "what left is not what is counted");
    for (uint64_t seq = 1; seq <= w->made && seq < LINES_MAX; seq++) {
        const line_seen *line = &w->line[seq];
        expect(w, (line->revs >> 1 & 1u) == 1, "a line without its record");
        expect(w, !line->escalates || (line->revs >> 2 & 1u) == 1, "`escalate`, and no rev 2");
        expect(w, !(line->revs >> 3 & 1u) || (line->revs >> 2 & 1u) == 1, "rev 3 without rev 2");
        expect(w, !line->may_not || line->revs == 2, "a line that may not leave was corrected");
        totals[0] += line->escalates;
        totals[1] += line->upstream;
        totals[2] += !line->escalates && line->upstream;
        totals[3] += line->revs >> 3 & 1u;
    }
}

static bool seed_run(uint64_t seed, uint64_t totals[4])
{
    static _Alignas(64) uint8_t memory[16u << 20];
    static world w;
    static const lc_node_source source = {{"file", 4}, true};
    static const lc_str name = {"fault", 5};
    static const lc_esc_options ask = {.policy = &policy,
                                       .job = {"pump", 4},
                                       .reply = {"r/t1/dn/esc/rsp", 15},
                                       .task = {&task},
                                       .task_count = 1,
                                       .keep_bytes = 1u << 20};
    w = (world){.seed = seed, .random = seed * 0x9E3779B97F4A7C15u + 1, .now_ms = START_MS};
    policy.calls_per_day = (uint32_t)(1 + dice_roll(&w.random) % 3000);
    w.lose = (uint32_t)(dice_roll(&w.random) % 400);
    w.late = (uint32_t)(dice_roll(&w.random) % 400);
    w.twice = (uint32_t)(dice_roll(&w.random) % 400);
    w.wrong = (uint32_t)(dice_roll(&w.random) % 400);
    const lc_node_options options = {.dev = {"t1", 2},
                                     .boot = 1,
                                     .source = &source,
                                     .source_count = 1,
                                     .task = &name,
                                     .task_count = 1,
                                     .inbox_bytes = LC_INBOX_BYTES_MIN,
                                     .outbox_bytes = 8u << 20,
                                     .window = 8,
                                     .batch = 8,
                                     .deadline_ms = 2000,
                                     .ask = &ask,
                                     .link = true,
                                     .seed = seed};
    lc_arena arena;
    lc_arena_init(&arena, memory, sizeof memory);
    if (lc_node_open(&options, w.now_ms, &arena, &w.node, NULL) != LC_OK) {
        return false;
    }
    run_until(&w, START_MS + (uint64_t)HOURS * HOUR_MS);
    w.healing = true;
    run_until(&w, w.now_ms + HOUR_MS);
    account(&w, totals);
    return !w.fault;
}

int main(int argc, char **argv)
{
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t seeds = argc > 2 ? strtoull(argv[2], NULL, 10) : 30, good = 0, totals[4] = {0};
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        good += seed_run(seed, totals);
    }
    printf("%s 1 - escalation: %llu seeds from %llu, %u hours each\n",
           good == seeds ? "ok" : "not ok", (unsigned long long)seeds, (unsigned long long)first,
           HOURS);
    bool all = totals[0] > 0 && totals[1] > 0 && totals[2] > 0 && (totals[3] > 0 || seeds < 10);
    printf("%s 2 - escalation: lines were asked, answered, asked later, answered late\n",
           all ? "ok" : "not ok");
    printf("# %llu said escalate, %llu answered by upstream, %llu of them only later, %llu rev 3\n",
           (unsigned long long)totals[0], (unsigned long long)totals[1],
           (unsigned long long)totals[2], (unsigned long long)totals[3]);
    printf("1..2\n");
    return good == seeds && all ? 0 : 1;
}
