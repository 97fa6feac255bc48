/* sim_node.c - the node under a fake clock: lines in bursts, inference that hangs, a link that
 * drops, delays, doubles and withholds, a broker that refuses. One seed, one run of nine hours;
 * a thousand seeds are a year. Invariants after every step; at the end everything heals, and what
 * was received plus what was stated as lost must be what came in.
 *
 * usage: sim_node [FIRST_SEED [SEEDS]]    default 1 200, or LC_SIM_SEEDS of them
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../board/node/node.h"
#include "../../runtime/job.h"
#include "dice.h"

#define HOURS 9u
#define SOURCES 3u
#define TASKS 2u
#define EVENTS_MAX 512u
#define SEQ_MAX 65536u
#define GAPS_SEEN_MAX 65536u
#define START_MS 1000000u

/* ---- a world ---- */

typedef enum event_kind { LINE, FINISH, LINK_UP, LINK_DOWN, ACK, CUT } event_kind;

typedef struct event {
    uint64_t at_ms;
    uint64_t order; /* of two at one time, the older first */
    event_kind kind;
    uint32_t source, id, reason, connection;
} event;

typedef struct world {
    uint64_t seed, random, now_ms, orders;
    lc_node *node;
    lc_arena arena;
    event queue[EVENTS_MAX];
    uint32_t queued;
    /* how nasty this seed is, of 1000 */
    uint32_t lose_ack, double_ack, refuse, cut, freeze, no_connect, pad;
    uint32_t pace_ms[SOURCES];
    uint32_t window;
    bool healing, stopped;
    /* lines */
    uint64_t offered[SOURCES], started[SOURCES], lost[SOURCES];
    uint64_t taken[SOURCES][SEQ_MAX]; /* numbers of the lines that went in, a queue */
    uint64_t taken_in[SOURCES], taken_out[SOURCES];
    bool paused[SOURCES];
    /* inference */
    lc_work work;
    uint64_t work_line, work_deadline_ms;
    bool work_runs, work_cancelled, work_hung;
    uint64_t watchdog_ms;
    uint64_t made; /* records */
    /* link */
    bool up, frozen; /* frozen: what is sent arrives nowhere, until the next connection */
    uint32_t connection, published_on_it;
    uint32_t flying[64], flying_count;
    /* collector */
    bool got[SEQ_MAX];
    uint64_t got_count, last_line[SOURCES][TASKS], last_seq[TASKS], doubles;
    bool gap_seen[GAPS_SEEN_MAX];
    uint64_t stated_records, stated_lines;
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

static void event_add(world *w, event e)
{
    expect(w, w->queued < EVENTS_MAX, "the simulation's own queue is too small");
    if (w->queued < EVENTS_MAX) {
        e.order = w->orders++;
        w->queue[w->queued++] = e;
    }
}

static uint32_t event_first(const world *w)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < w->queued; i++) {
        const event *a = &w->queue[i], *b = &w->queue[best];
        if (a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->order < b->order)) {
            best = i;
        }
    }
    return best;
}

/* ---- lines and inference ---- */

static void line_offer(world *w, uint32_t source)
{
    uint64_t number = w->offered[source];
    char text[4096];
    int bytes = snprintf(text, sizeof text, "%llu%*s", (unsigned long long)number,
                         (int)(dice_roll(&w->random) % w->pad), "");
    if (dice_roll(&w->random) % 100 == 0) { /* the board warms up and cools down */
        const lc_signs signs = {true, (int32_t)(dice_roll(&w->random) % 20000) - 5000, 0};
        lc_node_signs(w->node, w->now_ms, &signs);
    }
    size_t claimed = dice_roll(&w->random) % 500 == 0 ? LC_LINE_BYTES_MAX + 1 : (size_t)bytes;
    lc_err err = lc_node_line(w->node, w->now_ms, source, text, claimed);
    if (err == LC_OK) {
        w->taken[source][w->taken_in[source]++ % SEQ_MAX] = number;
        w->offered[source]++;
    } else if (source == 0) {
        w->paused[source] = true; /* keeps its line */
    } else {
        w->offered[source]++;
        w->lost[source]++;
    }
}

static void line_next(world *w, uint32_t source)
{
    if (!w->stopped) {
        uint64_t pace = w->pace_ms[source];
        bool burst = dice_roll(&w->random) % 50 != 0;
        event_add(w, (event){.kind = LINE,
                             .source = source,
                             .at_ms = w->now_ms +
                                      (burst ? dice_roll(&w->random) % (pace / 20 + 1)
                                             : pace * 25 + dice_roll(&w->random) % (pace * 50))});
    }
}

static void line_come(world *w, uint32_t source)
{
    if (w->stopped) {
        return;
    }
    if (!w->paused[source]) {
        line_offer(w, source);
    }
    line_next(w, source);
}

static void work_start(world *w, const lc_work *work)
{
    expect(w, !w->work_runs, "two lines in inference at once");
    expect(w, work->seq == w->made + 1, "seq does not count on");
    w->work = *work;
    w->work_runs = true;
    w->work_cancelled = work->late;
    w->work_line = w->taken[work->source][w->taken_out[work->source]++ % SEQ_MAX];
    if (work->bytes <= LC_LINE_BYTES_MAX) {
        char text[4096] = {0};
        memcpy(text, work->text, work->bytes);
        expect(w, strtoull(text, NULL, 10) == w->work_line, "a line out of order, or another's");
    }
    w->started[work->source]++;
    w->work_hung = chance(w, 20);
    w->work_deadline_ms = w->now_ms + 2000;
    uint64_t takes = work->late ? 1 : w->work_hung ? 60000 : dice_roll(&w->random) % 40;
    event_add(w, (event){.kind = FINISH, .id = work->ticket, .at_ms = w->now_ms + takes});
}

static void work_cancel(world *w, uint32_t ticket)
{
    expect(w, w->work_runs && ticket == w->work.ticket, "cancel of what does not run");
    w->work_cancelled = true;
    event_add(
        w,
        (event){.kind = FINISH, .id = ticket, .at_ms = w->now_ms + 1 + dice_roll(&w->random) % 30});
}

static void work_finish(world *w, uint32_t ticket)
{
    static char json[TASKS][4096];
    lc_node_record record[TASKS];
    if (!w->work_runs || ticket != w->work.ticket) {
        lc_node_finish(w->node, w->now_ms, ticket, NULL, 0); /* stale: must not matter */
        return;
    }
    uint32_t count = dice_roll(&w->random) % 3 == 0 ? 1 : TASKS;
    for (uint32_t i = 0; i < count; i++) {
        bool alarm = dice_roll(&w->random) % 20 == 0;
        int bytes = snprintf(
            json[i], sizeof json[i], "{\"seq\":%llu,\"src\":%u,\"line\":%llu,\"pad\":\"%*s\"}",
            (unsigned long long)(w->work.seq + i), w->work.source, (unsigned long long)w->work_line,
            (int)(dice_roll(&w->random) % w->pad), "");
        record[i] = (lc_node_record){.task = i,
                                     .json = json[i],
                                     .bytes = (uint32_t)bytes,
                                     .decision = w->work_cancelled ? LC_DEFER : LC_ACCEPT,
                                     .alarm = alarm,
                                     .label_name = lc_str_from(alarm ? "hot" : "normal")};
    }
    w->made += count;
    w->work_runs = false;
    lc_node_finish(w->node, w->now_ms, ticket, record, count);
}

/* ---- broker and collector ---- */

static void record_collect(world *w, uint32_t task, uint64_t seq, uint32_t source, uint64_t line)
{
    expect(w, seq >= 1 && seq <= w->made && seq < SEQ_MAX, "a record that was never made");
    if (w->fault || w->got[seq]) {
        w->doubles++;
        return;
    }
    w->got[seq] = true;
    w->got_count++;
    if (w->refuse == 0) {
        expect(w, seq > w->last_seq[task], "records out of order");
        expect(w, line + 1 > w->last_line[source][task], "lines of a source out of order");
    }
    w->last_seq[task] = seq;
    w->last_line[source][task] = line + 1;
}

static void records_collect(world *w, uint32_t task, const char *payload)
{
    unsigned long long seq, line;
    unsigned source;
    for (const char *at = strstr(payload, "{\"seq\""); at; at = strstr(at + 1, "{\"seq\"")) {
        int fields = sscanf(at, "{\"seq\":%llu,\"src\":%u,\"line\":%llu", &seq, &source, &line);
        expect(w, fields == 3, "a message that is no record");
        record_collect(w, task, seq, source, line);
    }
}

static void gap_collect(world *w, const char *payload)
{
    const char *number = strstr(payload, "\"gap\":"), *count = strstr(payload, "\"count\":"),
               *lines = strstr(payload, "\"lines\":");
    expect(w, number && (count || lines), "a gap without its number or count");
    unsigned long long gap = number ? strtoull(number + 6, NULL, 10) : 0;
    expect(w, gap > 0 && gap < GAPS_SEEN_MAX, "gap number");
    if (w->fault || w->gap_seen[gap]) {
        return;
    }
    w->gap_seen[gap] = true;
    w->stated_records += count ? strtoull(count + 8, NULL, 10) : 0;
    w->stated_lines += lines ? strtoull(lines + 8, NULL, 10) : 0;
}

static void broker_take(world *w, const lc_message *message)
{
    static char text[LC_MESSAGE_BYTES_MAX + 1];
    memcpy(text, message->payload, message->bytes);
    text[message->bytes] = '\0';
    if (message->topic == LC_TOPIC_RES) {
        records_collect(w, message->task, text);
    } else if (message->topic == LC_TOPIC_GAP) {
        gap_collect(w, text);
    }
}

static void flying_end(world *w, uint32_t id)
{
    for (uint32_t i = 0; i < w->flying_count; i++) {
        if (w->flying[i] == id) {
            w->flying[i] = w->flying[--w->flying_count];
            return;
        }
    }
}

static void ack_come(world *w, const event *e)
{
    if (e->connection == w->connection && w->up) {
        flying_end(w, e->id);
    }
    /* One of an old connection is passed on, too: the node must not care. */
    lc_node_ack(w->node, w->now_ms, e->id, e->reason);
}

static void message_publish(world *w, const lc_message *message)
{
    expect(w, w->up, "publish without a link");
    expect(w, w->flying_count < w->window, "more in flight than the window");
    expect(w, message->id != 0 && message->bytes <= LC_MESSAGE_BYTES_MAX, "message");
    lc_topic due = w->published_on_it == 0 ? LC_TOPIC_STATE : LC_TOPIC_BIRTH;
    expect(w, w->published_on_it > 1 || message->topic == due, "not announced first");
    w->published_on_it++;
    w->flying[w->flying_count++ % 64] = message->id;
    event ack = {.kind = ACK,
                 .id = message->id,
                 .connection = w->connection,
                 .at_ms = w->now_ms + dice_roll(&w->random) % 50};
    w->frozen = w->frozen || chance(w, w->freeze);
    if (chance(w, w->refuse)) {
        ack.reason = 0x97;
    } else if (!w->frozen) {
        broker_take(w, message);
        ack.reason = dice_roll(&w->random) % 10 == 0 ? 0x10 : 0;
    }
    if (!w->frozen && !chance(w, w->lose_ack)) {
        event_add(w, ack);
        if (chance(w, w->double_ack)) {
            ack.at_ms += dice_roll(&w->random) % 100000;
            event_add(w, ack);
        }
    }
    if (chance(w, w->cut)) {
        event_add(w, (event){.kind = CUT,
                             .connection = w->connection,
                             .at_ms = w->now_ms + dice_roll(&w->random) % 60});
    }
}

static void link_connect(world *w)
{
    bool comes = !chance(w, w->no_connect);
    w->connection++;
    event e = {.kind = comes ? LINK_UP : LINK_DOWN,
               .connection = w->connection,
               .reason = (uint32_t)(dice_roll(&w->random) % LC_LINK_REASON_COUNT),
               .at_ms = w->now_ms + dice_roll(&w->random) % 3000};
    if (comes ||
        dice_roll(&w->random) % 3 != 0) { /* or nothing at all happens, until the node gives up */
        event_add(w, e);
    }
    if (comes && !w->healing && dice_roll(&w->random) % 3 == 0) {
        event_add(w, (event){.kind = CUT,
                             .connection = w->connection,
                             .at_ms = w->now_ms + dice_roll(&w->random) % 1200000});
    }
}

static void link_end(world *w)
{
    w->up = false;
    w->flying_count = 0;
    w->connection++; /* what is still under way belongs to the old one */
    lc_node_link_down(w->node, w->now_ms, LC_LINK_CLOSED);
}

static void link_event(world *w, const event *e)
{
    if (e->connection != w->connection) {
        return;
    }
    if (e->kind == LINK_UP) {
        w->up = true;
        w->frozen = false;
        w->published_on_it = 0;
        lc_node_link_up(w->node, w->now_ms, (uint32_t)(dice_roll(&w->random) % 3 * 1000));
    } else {
        link_end(w);
    }
}

/* ---- a step ---- */

static void action_take(world *w, const lc_action *action)
{
    switch ((lc_action_kind)action->kind) {
    case LC_DO_LOG:
        expect(w, action->saying.count > 0, "a saying that never happened");
        break;
    case LC_DO_START:
        work_start(w, &action->work);
        break;
    case LC_DO_CANCEL:
        work_cancel(w, action->work.ticket);
        break;
    case LC_DO_RESUME:
        expect(w, w->paused[action->source], "resume of what was not paused");
        w->paused[action->source] = false;
        line_offer(w, action->source);
        break;
    case LC_DO_CONNECT:
        link_connect(w);
        break;
    case LC_DO_CLOSE:
        link_end(w);
        break;
    case LC_DO_PUBLISH:
        message_publish(w, &action->message);
        break;
    case LC_DO_HEALTH:
        lc_node_health(w->node, w->now_ms, "{}", 2);
        break;
    case LC_DO_WATCHDOG:
        w->watchdog_ms = w->now_ms;
        break;
    case LC_DO_ACT: /* no label has an action here */
        break;
    case LC_DO_STOP:
        w->stopped = true;
        break;
    }
}

static void event_take(world *w, const event *e)
{
    switch (e->kind) {
    case LINE:
        line_come(w, e->source);
        break;
    case FINISH:
        work_finish(w, e->id);
        break;
    case LINK_UP:
    case LINK_DOWN:
    case CUT:
        link_event(w, e);
        break;
    case ACK:
        ack_come(w, e);
        break;
    }
}

static void invariants(world *w)
{
    lc_node_counts counts;
    lc_node_look(w->node, w->now_ms, &counts);
    expect(w, counts.flying <= w->window, "flying over the window");
    expect(w, counts.outbox_bytes <= counts.outbox_max_bytes, "outbox over its bytes");
    expect(w, counts.seq == w->made, "seq is not the number of records");
    expect(w,
           counts.messages_acked + counts.records_dropped + counts.records_waiting <=
                   w->made + counts.events + counts.audits &&
               counts.messages_acked + counts.records_dropped + counts.records_waiting >= w->made,
           "a record is neither waiting, delivered nor dropped");
    expect(w, w->now_ms - w->watchdog_ms <= LC_NODE_WATCHDOG_MS + 1, "watchdog not fed");
    expect(w, !w->work_runs || w->work_cancelled || w->now_ms <= w->work_deadline_ms,
           "a line over its deadline goes on");
    for (uint32_t i = 0; i < SOURCES; i++) {
        uint64_t waiting = w->taken_in[i] - w->taken_out[i];
        expect(w, w->taken_in[i] + w->lost[i] == w->offered[i] && waiting < SEQ_MAX, "lines");
    }
    expect(w, w->got_count + w->stated_records <= w->made, "a lost record was received");
}

static void actions_take(world *w)
{
    lc_action action;
    uint32_t turns = 0;
    while (!w->fault && lc_node_next(w->node, w->now_ms, &action)) {
        action_take(w, &action);
        invariants(w);
        expect(w, ++turns < 20000, "actions without end");
    }
}

static void step(world *w, uint64_t end_ms)
{
    uint64_t wake = lc_node_wake_ms(w->node, w->now_ms);
    expect(w, wake > w->now_ms, "wakes in the past");
    uint32_t first = event_first(w);
    uint64_t next = w->queued > 0 && w->queue[first].at_ms < wake ? w->queue[first].at_ms : wake;
    w->now_ms = next < end_ms ? next : end_ms;
    if (w->queued > 0 && w->queue[first].at_ms <= w->now_ms) {
        event e = w->queue[first];
        w->queue[first] = w->queue[--w->queued];
        event_take(w, &e);
    }
    actions_take(w);
    invariants(w);
}

/* ---- a run ---- */

static _Alignas(64) uint8_t memory[8u << 20];

static void world_open(world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    w->seed = seed;
    w->random = seed * 0x9E3779B97F4A7C15u + 1;
    for (int i = 0; i < 8; i++) {
        dice_roll(&w->random);
    }
    w->now_ms = w->watchdog_ms = START_MS;
    w->lose_ack = (uint32_t)(dice_roll(&w->random) % 3 == 0 ? dice_roll(&w->random) % 8 : 0);
    w->double_ack = (uint32_t)(dice_roll(&w->random) % 200);
    w->refuse = (uint32_t)(dice_roll(&w->random) % 2 == 0 ? dice_roll(&w->random) % 100 : 0);
    w->cut = (uint32_t)(dice_roll(&w->random) % 10);
    w->freeze = (uint32_t)(dice_roll(&w->random) % 5);
    w->no_connect = (uint32_t)(dice_roll(&w->random) % 980);
    w->pad = (uint32_t)(dice_roll(&w->random) % 3 == 0 ? 4000 : 60);
    w->window = (uint32_t)(1 + dice_roll(&w->random) % 8);
    for (uint32_t i = 0; i < SOURCES; i++) {
        w->pace_ms[i] = (uint32_t)(2000 + dice_roll(&w->random) % 20000);
    }
    static const lc_node_source source[SOURCES] = {
        {{"file", 4}, true}, {{"tty", 3}, false}, {{"dn", 2}, false}};
    static const lc_str task[TASKS] = {{"fault", 5}, {"part", 4}};
    lc_node_options options = {.dev = {"sim", 3},
                               .boot = 1,
                               .source = source,
                               .source_count = SOURCES,
                               .task = task,
                               .task_count = TASKS,
                               .birth = {"{}", 2},
                               .inbox_bytes = LC_INBOX_BYTES_MIN,
                               .outbox_bytes = LC_OUTBOX_BYTES_MIN,
                               .window = w->window,
                               .batch = (uint32_t)(1 + dice_roll(&w->random) % 16),
                               .deadline_ms = 2000,
                               .link = true,
                               .seed = seed};
    lc_arena_init(&w->arena, memory, sizeof memory);
    lc_err err = lc_node_open(&options, w->now_ms, &w->arena, &w->node, NULL);
    expect(w, err == LC_OK, "lc_node_open");
}

static void world_end(world *w)
{
    uint64_t lines_lost = 0;
    expect(w, w->stopped, "does not stop when all is well again");
    for (uint32_t i = 0; i < SOURCES; i++) {
        expect(w, w->started[i] == w->taken_in[i], "a line without a record");
        lines_lost += w->lost[i];
    }
    expect(w, w->lost[0] == 0, "a source that waits lost a line");
    expect(w, w->got_count + w->stated_records == w->made, "received and stated are not all");
    expect(w, w->stated_lines == lines_lost, "lost lines are not stated exactly");
}

typedef struct totals {
    uint64_t lines, records, doubles, lost_records, lost_lines, connections, steps;
} totals;

static bool seed_run(world *w, uint64_t seed, totals *t)
{
    world_open(w, seed);
    for (uint32_t i = 0; i < SOURCES && !w->fault; i++) {
        line_next(w, i);
    }
    uint64_t end = START_MS + HOURS * 3600000u;
    while (!w->fault && w->now_ms < end) {
        step(w, end);
        t->steps++;
    }
    w->healing = true;
    lc_node_stop(w->node, w->now_ms, UINT32_MAX);
    for (uint32_t i = 0; i < w->queued; i++) { /* no more lines; hung inference returns at last */
        if (w->queue[i].kind == LINE || w->queue[i].kind == CUT) {
            w->queue[i--] = w->queue[--w->queued];
        }
    }
    end = w->now_ms + 4 * 3600000u;
    while (!w->fault && !w->stopped && w->now_ms < end) {
        step(w, end);
    }
    world_end(w);
    t->lines += w->taken_in[0] + w->taken_in[1] + w->taken_in[2];
    t->records += w->made;
    t->doubles += w->doubles;
    t->lost_records += w->stated_records;
    t->lost_lines += w->stated_lines;
    t->connections += w->connection;
    return !w->fault;
}

int main(int argc, char **argv)
{
    static world w;
    const char *wish = getenv("LC_SIM_SEEDS");
    uint64_t first = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t seeds = strtoull(argc > 2 ? argv[2] : wish ? wish : "200", NULL, 10);
    uint64_t failed = 0;
    totals t = {0};
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        failed += !seed_run(&w, seed, &t);
    }
    printf("# %llu lines, %llu records, %llu doubles, %llu records and %llu lines lost and stated, "
           "%llu connections, %llu steps\n",
           (unsigned long long)t.lines, (unsigned long long)t.records,
           (unsigned long long)t.doubles, (unsigned long long)t.lost_records,
           (unsigned long long)t.lost_lines, (unsigned long long)t.connections,
           (unsigned long long)t.steps);
    printf("%sok 1 - node: %llu seeds from %llu, %u hours each\n", failed ? "not " : "",
           (unsigned long long)seeds, (unsigned long long)first, HOURS);
    /* The faults must really have happened, or nothing was tested. */
    bool tried = t.doubles > 0 && t.lost_records > 0 && t.lost_lines > 0;
    printf("%sok 2 - node: records were doubled, records and lines were lost\n1..2\n",
           tried ? "" : "not ");
    return failed || !tried;
}
