/* sim_escalate.c - three days of hard lines under a fake clock: a link that drops, a broker that
 * holds acknowledgements back, workers that answer late, twice, wrongly or never, that come and go
 * and fall behind. One seed, one run. What must hold:
 *
 *   records   each line has one first; each that said `escalate` has one rev 2, of the line's own
 *             number, and at most one more; one of them at most is by upstream, and it says what a
 *             right answer said, its evidence where it stands in the line; none acts; none differs
 *             when it comes twice
 *   requests  in no 24 hours more than the budget has, in calls and money, nor more than half of it
 *             for lines of the past; only to a worker that said it is ready, and of what it said of
 *             its queue; once more under the same id after the deadline, then never again; not for
 *             what was answered, nor for a line whose life is over; nothing of a line that may not
 *             leave, and no name, number or address of any
 *   ends      in time, and once all is well every question has one
 *
 * `make mutants` plants mistakes in the code below it (mutants.py); each must be found here.
 *
 * usage: sim_escalate [FIRST_SEED [SEEDS]]    default 1 30; ends at the first that fails
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../board/node/node.h"
#include "../../board/node/screen.h"
#include "../../runtime/job.h"
#include "dice.h"

#define HOURS 72u
#define HOUR_MS 3600000u
#define LINES_MAX 40000u
#define AUDITS_MAX (2u * LINES_MAX)
#define PENDING_MAX 4096u
#define START_MS 1000u
#define DEADLINE_MS 8000u
#define DELAY_MS 3u      /* of the link */
#define SLACK_MS 120000u /* until a record that waits behind others has come */
#define GONE_MS 60000u   /* nobody subscribes: not asked again for so long */

typedef enum thing_kind { ACK, ANSWER } thing_kind;

/* What will come to the device. */
typedef struct thing {
    uint64_t at_ms;
    thing_kind kind;
    uint32_t id, reason;
    uint64_t seq; /* of the line that an answer is about */
    bool right;   /* the answer is as it should be */
    lc_esc_answer answer;
    char label[12];
} thing;

typedef struct line_seen {
    bool escalates, may_not;
    bool heard, right;     /* an answer to the last question came to the device; a right one */
    bool unheard;          /* the broker said that the last question reached nobody */
    uint32_t revs, by;     /* bits of the revisions that came; of those by upstream */
    uint32_t drips, tries; /* where the word stands that upstream quotes; of the last question */
    uint64_t made_ms, ask_ms;
    uint8_t id[LC_ESC_ID_BYTES];
    uint32_t hash[4];
} line_seen;

/* A request that left. */
typedef struct call {
    uint64_t at_ms, price;
    bool past; /* of a line that was not asked about when it came */
} call;

typedef struct world {
    uint64_t seed, random, now_ms;
    lc_node *node;
    thing pending[PENDING_MAX];
    uint32_t count;
    bool up, healing, worker;
    lc_esc_worker told; /* what the device heard last, ready false: nothing */
    uint64_t gone_ms;   /* the broker said that nobody listens: no question before */
    uint64_t up_ms;
    float bar; /* at the start of the line that is worked on */
    lc_screen screen;
    uint32_t lose, late, twice, wrong, drop_link; /* of 1000 */
    lc_work work;
    bool works;
    uint64_t work_ms, next_line_ms, next_link_ms, next_state_ms;
    line_seen line[LINES_MAX];
    uint64_t made;
    call call[LINES_MAX];
    uint32_t calls;
    uint64_t left_bytes;             /* of all calls */
    uint64_t audited, audited_bytes; /* as the audit has them */
    bool audit[AUDITS_MAX];          /* by number */
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

static lc_label labels[] = {{.name = {"leak", 4}}, {.name = {"normal", 6}}, {.name = {"guard", 5}}};
static const lc_task task = {.name = {"fault", 5}, .label = labels, .label_count = 3};
static lc_str never[] = {{"guard", 5}};
static lc_str redact[] = {{"serial", 6}, {"address", 7}, {"name", 4}};
static lc_policy policy = {.escalates = true,
                           .deadline_ms = DEADLINE_MS,
                           .never = never,
                           .never_count = 1,
                           .redact = redact,
                           .redact_count = 3};

/* ---- inference: some lines are hard, some of them may not leave, most hold what must not ---- */

static const char *const secrets[] = {"Jane Doe", "SN-48213", "10.1.2.3", "SECRET"};

static uint32_t line_write(world *w, bool may_not, char text[128])
{
    uint64_t roll = dice_roll(&w->random);
    uint64_t seq = w->work.seq;
    int bytes = snprintf(text, 128, "line %llu%s%s%s%s ", (unsigned long long)seq,
                         roll & 1 ? " Jane Doe" : "", roll & 2 ? " SN-48213" : "",
                         roll & 4 ? " 10.1.2.3" : "", may_not ? " SECRET" : "");
    w->line[seq].drips = (uint32_t)bytes;
    return (uint32_t)(bytes + snprintf(text + bytes, 128 - (size_t)bytes, "drips"));
}

/* What a job would have said: its answer, as if a link were there. */
static lc_answer answer_make(world *w, bool hard, bool may_not)
{
    lc_answer a = {.task = &task,
                   .label = may_not && dice_roll(&w->random) % 2 ? 2 : 1,
                   .p = hard ? (float)(dice_roll(&w->random) % 90) / 100.0f : 0.99f,
                   .decision = hard ? LC_ESCALATE : LC_ACCEPT};
    a.in_set[0] = may_not && a.label != 2 ? 6 : 2; /* one of the set is enough */
    return a;
}

static uint32_t record_write(const world *w, lc_decision decision, char json[512])
{
    static const char *const words[] = {"accept", "escalate", "defer"};
    int bytes = snprintf(json, 512,
                         "{\"v\":1,\"dev\":\"t1\",\"boot\":1,\"seq\":%llu,\"ts\":0,\"tq\":\"none\","
                         "\"task\":\"fault\",\"label\":\"normal\",\"p\":0.4000,\"margin\":0.1000,"
                         "\"set\":[\"normal\"],\"stage\":\"r\",\"decision\":\"%s\",\"why\":[],"
                         "\"facts\":[],\"act\":[\"gpio:x=1\"]}",
                         (unsigned long long)w->work.seq, words[decision]);
    return (uint32_t)bytes;
}

static void work_finish(world *w)
{
    char json[512], text[128];
    uint64_t kind = dice_roll(&w->random) % 10, seq = w->work.seq;
    bool hard = kind < 6, may_not = kind < 2;
    expect(w, seq < LINES_MAX, "too many lines for the simulation");
    if (seq >= LINES_MAX) {
        return;
    }
    uint32_t bytes = line_write(w, may_not, text);
    lc_answer a = answer_make(w, hard, may_not);
    lc_screen_line(&w->screen, &policy, (lc_str){text, bytes}, w->work.online, w->work.bar, &a, 1);
    lc_decision decision = (lc_decision)a.decision;
    expect(w, decision != LC_ESCALATE || 1 - a.p >= w->bar, "asked though upstream is busy");
    lc_node_record record = {.json = json,
                             .bytes = record_write(w, decision, json),
                             .decision = a.decision,
                             .label_name = labels[1].name};
    if (hard && w->screen.leaves) {
        record.ask = (lc_str){w->screen.text, w->screen.bytes};
        record.map = &w->screen.map;
    }
    w->line[seq].escalates = decision == LC_ESCALATE;
    w->line[seq].may_not = may_not;
    w->line[seq].made_ms = w->now_ms;
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

static void correction_seen(world *w, line_seen *line, uint32_t rev, const char *from,
                            const char *end)
{
    char evidence[48];
    snprintf(evidence, sizeof evidence, "\"ev\":[[%u,%u]]", line->drips, line->drips + 5);
    expect(w, after(from, end, "\"act\":[]") != NULL, "a correction that acts");
    expect(w, !line->may_not, "a correction of a line that may not leave");
    if (!after(from, end, "\"by\":\"upstream\"")) {
        expect(w,
               w->healing || w->up_ms > line->ask_ms || line->tries == 0 ||
                   w->now_ms < line->ask_ms + DEADLINE_MS + SLACK_MS,
               "a question that ended late");
        return;
    }
    line->by |= 1u << rev;
    expect(w, (line->by & (line->by - 1)) == 0, "two answers count");
    expect(w, line->right, "an answer that was not right counts");
    expect(w, after(from, end, "\"label\":\"leak\"") && after(from, end, "\"p\":0.9000"),
           "not what the answer said");
    expect(w, after(from, end, evidence) != NULL, "evidence is not where it stands in the line");
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
    bool again = (line->revs >> rev & 1u) != 0;
    expect(w, !again || line->hash[rev] == hash, "one revision, two texts");
    line->hash[rev] = hash;
    line->revs |= 1u << rev;
    if (rev > 1 && !again) {
        correction_seen(w, line, rev, from, end);
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

/* Calls and money of the last 24 hours. */
static void budget_look(world *w, bool past)
{
    uint64_t calls = 0, money = 0;
    for (uint32_t i = w->calls; i > 0 && w->call[i - 1].at_ms + 24u * HOUR_MS > w->now_ms; i--) {
        calls++;
        money += w->call[i - 1].price;
    }
    expect(w, calls <= policy.calls_per_day, "more calls in 24 hours than the budget has");
    expect(w, (double)money <= (double)policy.money_per_day * LC_BUDGET_MONEY,
           "more money in 24 hours than the budget has");
    expect(w, !past || calls <= (policy.calls_per_day + 1) / 2 + LC_ESC_SLOTS,
           "lines of the past take more than half");
}

/* The first try has an id of its own, the second has the same, after the deadline. */
static void try_look(world *w, line_seen *line, const lc_message *m, uint64_t number)
{
    bool same = memcmp(line->id, m->ask_id, LC_ESC_ID_BYTES) == 0;
    expect(w, w->now_ms < line->made_ms + policy.ttl_s * 1000ull, "asked when its life was over");
    expect(w, !line->right, "asked again though it was answered");
    expect(w, m->expiry_s > 0 && m->expiry_s * 1000u <= DEADLINE_MS, "it lives too long");
    if (number == 1) {
        line->heard = false;
        expect(w, !same || line->unheard, "two questions, one id");
    } else {
        bool second = line->tries == 1 || line->unheard; /* which then is no try */
        expect(w, number == 2 && same && second, "a second try is not of the first");
        expect(w, w->now_ms >= line->ask_ms + DEADLINE_MS || line->unheard,
               "a second try before the deadline");
    }
    line->unheard = false;
    memcpy(line->id, m->ask_id, LC_ESC_ID_BYTES);
    line->tries = (uint32_t)number;
    line->ask_ms = w->now_ms;
}

/* What a worker would say to it: where the text holds the word, and sometimes nonsense. */
static thing answer_to(world *w, const lc_message *m, uint64_t seq)
{
    const char *end = m->payload + m->bytes, *text = after(m->payload, end, "\"text\":\"");
    const char *word = text ? after(text, end, "drips") : NULL;
    thing t = {.kind = ANSWER,
               .at_ms = w->now_ms + DELAY_MS + dice_roll(&w->random) % 400,
               .seq = seq,
               .right = word != NULL,
               .label = "leak"};
    expect(w, word != NULL, "a request without the line");
    memcpy(t.answer.id, m->ask_id, LC_ESC_ID_BYTES);
    t.answer.p = 0.9f;
    t.answer.span_count = 1;
    uint32_t at = word ? (uint32_t)(word - text) - 5 : 0;
    t.answer.span[0] = (lc_esc_span){at, at + 5, {"drips", 5}};
    if (chance(w, w->late)) {
        t.at_ms += DELAY_MS + dice_roll(&w->random) % (4 * DEADLINE_MS);
    }
    if (chance(w, w->wrong)) {
        uint64_t how = dice_roll(&w->random) % 7;
        t.right = false;
        memcpy(t.label, how == 0 ? "fire" : "leak", 5);
        if (how == 1 || how == 6) { /* without a quote only the ends tell */
            t.answer.span[0] = (lc_esc_span){.from = at, .to = how == 1 ? 9999 : at - 1};
        }
        t.answer.span[0].quote.data = how == 2 ? "DRIPS" : t.answer.span[0].quote.data;
        t.answer.id[0] = (uint8_t)(t.answer.id[0] ^ (how == 3));
        t.answer.status = how == 4 ? LC_ESC_REFUSED : LC_ESC_OK;
        t.answer.p = how == 5 ? 1.5f : 0.9f;
    }
    return t;
}

/* The number of its line. */
static uint64_t request_seen(world *w, const lc_message *m)
{
    const char *end = m->payload + m->bytes, *line_at = after(m->payload, end, "\"text\":\"line ");
    const char *try_at = after(m->payload, end, "\"try\":");
    uint64_t seq = line_at ? strtoull(line_at, NULL, 10) : 0;
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        expect(w, !after(m->payload, end, secrets[i]), "what may not leave left");
    }
    expect(w, w->told.ready && w->now_ms >= w->gone_ms, "asked though nobody is there");
    expect(w, seq > 0 && seq < LINES_MAX && !w->line[seq].may_not, "a request of no line");
    expect(w, w->calls < LINES_MAX, "too many calls for the simulation");
    if (w->fault) {
        return 0;
    }
    line_seen *line = &w->line[seq];
    w->left_bytes += m->bytes;
    w->call[w->calls++] = (call){w->now_ms, w->told.price, !line->escalates};
    try_look(w, line, m, try_at ? strtoull(try_at, NULL, 10) : 0);
    budget_look(w, !line->escalates && line->tries == 1);
    if (!w->worker || chance(w, w->lose)) {
        return seq;
    }
    thing t = answer_to(w, m, seq);
    thing_add(w, t);
    if (chance(w, w->twice)) {
        t.at_ms += dice_roll(&w->random) % 2000;
        thing_add(w, t);
    }
    return seq;
}

/* Each question that left stands in the audit once, with its bytes. */
static void audit_seen(world *w, const lc_message *m)
{
    const char *end = m->payload + m->bytes, *from = m->payload;
    while ((from = after(from, end, "\"no\":")) != NULL) {
        uint64_t number = strtoull(from, NULL, 10);
        const char *next = after(from, end, "\"no\":");
        const char *bytes = after(from, next ? next : end, "\"kind\":\"ask\"");
        bytes = bytes ? after(bytes, next ? next : end, "\"bytes\":") : NULL;
        expect(w, number > 0 && number < AUDITS_MAX, "too many entries of the audit");
        if (bytes && number < AUDITS_MAX && !w->audit[number]) {
            w->audit[number] = true;
            w->audited++;
            w->audited_bytes += strtoull(bytes, NULL, 10);
        }
    }
}

static void publish(world *w, const lc_message *m)
{
    expect(w, w->up, "a message without a link");
    uint64_t seq = m->topic == LC_TOPIC_ASK ? request_seen(w, m) : 0;
    if (m->topic == LC_TOPIC_RES) {
        records_seen(w, m);
    } else if (m->topic == LC_TOPIC_AUDIT) {
        audit_seen(w, m);
    }
    if (!chance(w, 2)) { /* else the broker says nothing, until it is connected anew */
        thing_add(w, (thing){.kind = ACK,
                             .at_ms = w->now_ms + DELAY_MS +
                                      (chance(w, 50) ? dice_roll(&w->random) % 5000 : 0),
                             .id = m->id,
                             .seq = seq,
                             .reason = seq > 0 && !w->worker ? 0x10 : 0});
    }
}

/* ---- the world turns ---- */

static void worker_tell(world *w, uint32_t queue)
{
    static const uint64_t prices[] = {0, 1000, 2000};
    const lc_esc_worker state = {true, queue, prices[dice_roll(&w->random) % 3]};
    w->told = w->worker ? state : (lc_esc_worker){0};
    w->gone_ms = 0;
    lc_node_worker(w->node, w->now_ms, w->worker ? &state : NULL);
}

/* fleet.md: from 8 to 64 questions that wait, the bar rises to 0.75. */
static float bar_of(uint32_t queue)
{
    return queue <= 8 ? 0 : queue >= 64 ? 0.75f : 0.75f * (float)(queue - 8) / 56.0f;
}

static void link_cut(world *w, lc_link_reason reason)
{
    if (w->up) {
        w->up = false;
        w->told = (lc_esc_worker){0};
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
            w->bar = bar_of(w->told.queue);
            w->work_ms = w->now_ms + 20;
        } else if (a.kind == LC_DO_CONNECT) {
            if (w->healing || w->now_ms >= w->next_link_ms) {
                w->up = true;
                w->up_ms = w->now_ms;
                w->next_link_ms = w->now_ms + dice_roll(&w->random) % (6 * HOUR_MS);
                lc_node_link_up(w->node, w->now_ms, 0);
                if (!chance(w, 250)) { /* what is retained can be lost */
                    worker_tell(w, 0);
                }
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
            bool open = t.seq > 0 && !w->line[t.seq].heard; /* else an answer was faster */
            w->gone_ms = t.reason == 0x10 && open ? w->now_ms + GONE_MS : w->gone_ms;
            w->line[t.seq].unheard = w->line[t.seq].unheard || t.reason == 0x10;
            lc_node_ack(w->node, w->now_ms, t.id, t.reason);
        } else {
            bool broken = chance(w, 5);
            t.answer.label = lc_str_from(t.label);
            w->line[t.seq].right = w->line[t.seq].right || (t.right && !broken);
            w->line[t.seq].heard = true;
            lc_node_answer(w->node, w->now_ms, broken ? NULL : &t.answer);
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
        if (w->up && !chance(w, 300)) {
            worker_tell(w, (uint32_t)(dice_roll(&w->random) % 100));
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

static void account(world *w, uint64_t totals[6])
{
    lc_node_counts counts;
    lc_node_look(w->node, w->now_ms, &counts);
    expect(w, counts.records_waiting == 0, "records still wait");
    expect(w, counts.esc.open == 0, "a question has not ended");
    expect(w, counts.esc.asked + counts.esc.retries == w->calls,
           "what left is not what is counted");
    expect(w, w->audited == w->calls && w->audited_bytes == w->left_bytes,
           "what left is not what the audit has");
    for (uint64_t seq = 1; seq <= w->made && seq < LINES_MAX; seq++) {
        const line_seen *line = &w->line[seq];
        expect(w, (line->revs >> 1 & 1u) == 1, "a line without its record");
        expect(w, !line->escalates || (line->revs >> 2 & 1u) == 1, "`escalate`, and no rev 2");
        expect(w, !(line->revs >> 3 & 1u) || (line->revs >> 2 & 1u) == 1, "rev 3 without rev 2");
        expect(w, !line->may_not || line->revs == 2, "a line that may not leave was corrected");
        totals[0] += line->escalates;
        totals[1] += line->by != 0;
        totals[2] += !line->escalates && line->by != 0;
        totals[3] += line->revs >> 3 & 1u;
        totals[4] += line->tries == 2;
        totals[5] += line->by != 0 && line->ask_ms >= line->made_ms + HOUR_MS;
    }
}

static bool seed_run(uint64_t seed, uint64_t totals[6])
{
    static _Alignas(64) uint8_t memory[16u << 20];
    static world w;
    static const lc_node_source source = {{"file", 4}, true};
    static const lc_str name = {"fault", 5};
    static const lc_esc_options ask = {.policy = &policy,
                                       .job = {"pump", 4},
                                       .reply = {"r/t1/dn/esc/rsp", 15},
                                       .task = {&task},
                                       .task_count = 1};
    w = (world){.seed = seed, .random = seed * 0x9E3779B97F4A7C15u + 1, .now_ms = START_MS};
    policy.calls_per_day = (uint32_t)(1 + dice_roll(&w.random) % 3000);
    policy.ttl_s = (uint32_t)(600 + dice_roll(&w.random) % 40000);
    policy.money_per_day = 0.25f * (float)(1 + dice_roll(&w.random) % 8);
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
    if (lc_screen_init(&w.screen, &policy, &arena) != LC_OK ||
        lc_node_open(&options, w.now_ms, &arena, &w.node, NULL) != LC_OK) {
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
    uint64_t seeds = argc > 2 ? strtoull(argv[2], NULL, 10) : 30, good = 0, totals[6] = {0};
    for (uint64_t seed = first; seed < first + seeds && good == seed - first; seed++) {
        good += seed_run(seed, totals);
    }
    printf("%s 1 - escalation: %llu seeds from %llu, %u hours each\n",
           good == seeds ? "ok" : "not ok", (unsigned long long)seeds, (unsigned long long)first,
           HOURS);
    bool all = totals[0] > 0 && totals[1] > 0 && totals[2] > 0 && totals[4] > 0 && totals[5] > 0 &&
               (totals[3] > 0 || seeds < 10);
    printf("%s 2 - escalation: lines were asked, also twice, also an hour later, answered, also "
           "late\n",
           all ? "ok" : "not ok");
    printf("# %llu said escalate, %llu answered by upstream, %llu of them only later, %llu rev 3, "
           "%llu asked twice, %llu answered that were asked after an hour or more\n",
           (unsigned long long)totals[0], (unsigned long long)totals[1],
           (unsigned long long)totals[2], (unsigned long long)totals[3],
           (unsigned long long)totals[4], (unsigned long long)totals[5]);
    printf("1..2\n");
    return good == seeds && all ? 0 : 1;
}
