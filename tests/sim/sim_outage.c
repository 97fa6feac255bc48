/* sim_outage.c - three days without a broker at a line a second, then it comes back: what is
 * written, what is kept, how fast it drains, and how long records of now wait meanwhile. The node
 * is the real one, with its journals on a disk in memory that counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../board/node/node.h"
#include "../../board/node/outbox.h"
#include "../../runtime/job.h"

#define HOURS 72u
#define JOURNAL_BYTES (64ull << 20)
#define PAGE 4096u
#define START_MS 1000000u
#define WALL_MS 1763625600000u
#define ROUND_TRIP_MS 20u
#define FLYING_MAX 32u
#define RECORDS_MAX 400000u
#define RATIO_MAX 1.6
#define LIVE_P99_MAX_MS 200u
#define LIVE_MAX_MS 10000u /* those that came while the outbox itself emptied */

/* ---- a disk that counts pages ---- */

typedef struct disk {
    uint8_t *data[LC_FILE_COUNT];
    uint8_t *dirty[LC_FILE_COUNT]; /* [pages] */
    uint64_t size[LC_FILE_COUNT];
    uint64_t bytes, pages, syncs; /* given to write; of pages that went out with syncs */
} disk;

static lc_err disk_open(void *ctx, lc_file file, uint64_t *bytes)
{
    disk *d = ctx;
    if (!d->data[file]) {
        d->size[file] = *bytes;
        d->data[file] = calloc(1, (size_t)*bytes);
        d->dirty[file] = calloc(1, (size_t)(*bytes / PAGE) + 1);
    }
    *bytes = d->size[file];
    return d->data[file] && d->dirty[file] ? LC_OK : LC_ERR_IO;
}

static lc_err disk_read(void *ctx, lc_file file, uint64_t at, void *data, size_t bytes)
{
    const disk *d = ctx;
    lc_assert(at + bytes <= d->size[file]);
    memcpy(data, d->data[file] + at, bytes);
    return LC_OK;
}

static lc_err disk_write(void *ctx, lc_file file, uint64_t at, const void *data, size_t bytes)
{
    disk *d = ctx;
    lc_assert(at + bytes <= d->size[file]);
    memcpy(d->data[file] + at, data, bytes);
    for (uint64_t page = at / PAGE; page <= (at + bytes - 1) / PAGE; page++) {
        d->dirty[file][page] = 1;
    }
    d->bytes += bytes;
    return LC_OK;
}

static lc_err disk_sync(void *ctx, lc_file file)
{
    disk *d = ctx;
    d->syncs++;
    for (uint64_t page = 0; page < d->size[file] / PAGE; page++) {
        d->pages += d->dirty[file][page];
        d->dirty[file][page] = 0;
    }
    return LC_OK;
}

/* ---- a world ---- */

typedef struct flying {
    uint32_t id;
    uint64_t at_ms; /* of its acknowledgement */
} flying;

typedef struct world {
    disk disk;
    lc_node *node;
    uint64_t now_ms, random;
    bool broker, connecting;
    uint64_t connect_ms;
    lc_work work;
    bool works;
    flying flying[FLYING_MAX];
    uint32_t flyings;
    uint64_t made, got, twice, text_bytes;
    bool seen[RECORDS_MAX];
    uint64_t made_ms[RECORDS_MAX];
    uint32_t wait[RECORDS_MAX]; /* ms, of records made while the broker was there */
    uint64_t waits, back_ms, drained_ms;
    uint64_t first_live; /* seq */
    const char *fault;
} world;

static uint32_t roll(world *w)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(w->random >> 33);
}

static void expect(world *w, bool holds, const char *what)
{
    if (!holds && !w->fault) {
        w->fault = what;
        printf("# at %llu s: %s\n", (unsigned long long)((w->now_ms - START_MS) / 1000), what);
    }
}

/* As the shipped job writes them: nothing in it is easier to squeeze than in a real one. */
static uint32_t record_write(world *w, char *out, size_t max)
{
    static const char *const labels[] = {"normal", "overheating", "vibration", "leak"};
    static const char *const facts[] = {"temp\",\"v\":%u.%u,\"u\":\"C",
                                        "vib\",\"v\":%u.%u,\"u\":\"mm/s",
                                        "level\",\"v\":%u.%u,\"u\":\"%%"};
    const char *label = labels[roll(w) % 10 < 7 ? 0 : roll(w) % 4];
    char fact[64];
    uint32_t p = 5000 + roll(w) % 5000, at = roll(w) % 40;
    snprintf(fact, sizeof fact, facts[roll(w) % 3], roll(w) % 100, roll(w) % 10);
    int bytes = snprintf(
        out, max,
        "{\"v\":1,\"dev\":\"pi4-0017\",\"boot\":3,\"seq\":%llu,\"ts\":%llu,\"tq\":\"ntp\",\"src\":"
        "\"tty0\","
        "\"job\":\"triage\",\"task\":\"triage\",\"label\":\"%s\",\"p\":0.%04u,\"margin\":0.%04u,"
        "\"set\":[\"%s\"],\"oos\":0.%04u,\"stage\":\"head\",\"decision\":\"accept\",\"why\":[],"
        "\"facts\":[{\"k\":\"%s\",\"at\":[%u,%u]}],\"act\":[],\"mdl\":\"b24ace47@1\",\"ms\":%u.%u,"
        "\"tok\":%u,\"in\":\"%08x%08x\"}",
        (unsigned long long)w->work.seq, (unsigned long long)w->work.ts_ms, label, p,
        p - roll(w) % 3000, label, roll(w) % 1000, fact, at, at + 5, roll(w) % 20, roll(w) % 10,
        10 + roll(w) % 30, roll(w) << 1 ^ roll(w), roll(w) << 1 ^ roll(w));
    lc_assert(bytes > 0 && (size_t)bytes < max);
    return (uint32_t)bytes;
}

static void work_end(world *w)
{
    char json[1024];
    uint32_t bytes = record_write(w, json, sizeof json);
    lc_node_record record = {.json = json,
                             .bytes = bytes,
                             .decision = LC_ACCEPT,
                             .alarm = roll(w) % 1000 == 0,
                             .label_name = {"leak", 4}};
    uint64_t seq = w->work.seq;
    w->made++;
    w->text_bytes += bytes;
    w->made_ms[seq] = w->now_ms;
    w->works = false;
    lc_node_finish(w->node, w->now_ms, w->work.ticket, &record, 1);
}

static void record_get(world *w, uint64_t seq)
{
    expect(w, seq >= 1 && seq <= w->made, "a record that was never made");
    if (w->fault || w->seen[seq]) {
        w->twice++;
        return;
    }
    w->seen[seq] = true;
    w->got++;
    if (w->first_live > 0 && seq >= w->first_live) {
        w->wait[w->waits++] = (uint32_t)(w->now_ms + ROUND_TRIP_MS - w->made_ms[seq]);
    }
}

static void message_take(world *w, const lc_message *m)
{
    static char text[LC_MESSAGE_BYTES_MAX + 1];
    memcpy(text, m->payload, m->bytes);
    text[m->bytes] = '\0';
    expect(w, m->topic != LC_TOPIC_GAP, "a loss is stated");
    expect(w, w->flyings < FLYING_MAX, "more in flight than the window");
    if (m->topic == LC_TOPIC_RES) {
        for (const char *at = strstr(text, "\"seq\":"); at; at = strstr(at + 1, "\"seq\":")) {
            record_get(w, strtoull(at + 6, NULL, 10));
        }
    }
    if (!w->fault) {
        w->flying[w->flyings++] = (flying){m->id, w->now_ms + ROUND_TRIP_MS};
    }
}

static void actions_take(world *w)
{
    lc_action a;
    while (!w->fault && lc_node_next(w->node, w->now_ms, &a)) {
        if (a.kind == LC_DO_START) {
            w->work = a.work;
            w->works = true;
        } else if (a.kind == LC_DO_CONNECT) {
            w->connecting = true;
            w->connect_ms = w->now_ms + 50;
        } else if (a.kind == LC_DO_PUBLISH) {
            message_take(w, &a.message);
        } else if (a.kind == LC_DO_HEALTH) {
            lc_node_health(w->node, w->now_ms, "{}", 2);
        }
    }
}

/* To the next thing that happens, at most until this time. */
static void step(world *w, uint64_t until_ms)
{
    uint64_t next = lc_node_wake_ms(w->node, w->now_ms);
    next = next < until_ms ? next : until_ms;
    next = w->connecting && w->connect_ms < next ? w->connect_ms : next;
    for (uint32_t i = 0; i < w->flyings; i++) {
        next = w->flying[i].at_ms < next ? w->flying[i].at_ms : next;
    }
    w->now_ms = next > w->now_ms ? next : w->now_ms;
    if (w->connecting && w->now_ms >= w->connect_ms) {
        w->connecting = false;
        if (w->broker) {
            lc_node_link_up(w->node, w->now_ms, 0);
            w->back_ms = w->now_ms;
            w->first_live = w->made + 1;
        } else {
            lc_node_link_down(w->node, w->now_ms, LC_LINK_UNREACHABLE);
        }
    }
    while (w->flyings > 0 && w->flying[0].at_ms <= w->now_ms) {
        uint32_t id = w->flying[0].id;
        memmove(w->flying, w->flying + 1, --w->flyings * sizeof w->flying[0]);
        lc_node_ack(w->node, w->now_ms, id, 0);
    }
    actions_take(w);
}

/* A second of life with one line. */
static void second_pass(world *w)
{
    uint64_t end = w->now_ms + 1000;
    lc_err err = lc_node_line(w->node, w->now_ms, 0, "line", 4);
    expect(w, err == LC_OK, "a line is not taken");
    actions_take(w);
    expect(w, w->works, "a line is not answered at once");
    if (!w->fault) {
        work_end(w);
    }
    actions_take(w);
    while (!w->fault && w->now_ms < end) {
        step(w, end);
    }
}

static _Alignas(64) uint8_t memory[16u << 20];

static void world_open(world *w, lc_port *port)
{
    static const lc_node_source source[1] = {{{"tty0", 4}, false}};
    static const lc_str task[1] = {{"triage", 6}};
    lc_arena arena;
    *port = (lc_port){&w->disk, disk_open, disk_read, disk_write, disk_sync};
    const lc_node_options options = {.dev = {"pi4-0017", 8},
                                     .boot = 3,
                                     .source = source,
                                     .source_count = 1,
                                     .task = task,
                                     .task_count = 1,
                                     .birth = {"{}", 2},
                                     .inbox_bytes = 65536,
                                     .outbox_bytes = 4u << 20,
                                     .window = 8,
                                     .batch = 16,
                                     .deadline_ms = 5000,
                                     .link = true,
                                     .seed = 1,
                                     .port = port,
                                     .journal_bytes = JOURNAL_BYTES,
                                     .backlog_per_s = 500};
    uint64_t state_bytes = LC_STATE_BYTES;
    lc_err err = disk_open(&w->disk, LC_FILE_STATE, &state_bytes);
    expect(w, err == LC_OK, "no memory");
    w->now_ms = START_MS;
    lc_arena_init(&arena, memory, sizeof memory);
    err = lc_node_open(&options, w->now_ms, &arena, &w->node, NULL);
    expect(w, err == LC_OK, "lc_node_open");
    lc_node_clock(w->node, w->now_ms, WALL_MS, lc_str_from("ntp"));
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static bool test(int number, bool good, const char *what)
{
    printf("%sok %d - outage: %s\n", good ? "" : "not ", number, what);
    return good;
}

int main(void)
{
    static world w;
    static lc_port port;
    lc_node_counts counts;
    world_open(&w, &port);
    for (uint32_t s = 0; s < HOURS * 3600 && !w.fault; s++) {
        second_pass(&w);
    }
    lc_node_look(w.node, w.now_ms, &counts);
    double text = (double)w.text_bytes, stored = (double)counts.journal_stored_bytes;
    double pages = (double)w.disk.pages * PAGE;
    printf("# %llu records of %.0f bytes, kept in %.1f; %.1f MiB of the journal's 64\n",
           (unsigned long long)w.made, text / (double)w.made, stored / (double)w.made,
           (double)counts.journal_bytes / 1048576.0);
    printf("# %llu syncs; per byte of payload %.2f written, %.2f in whole pages of 4 KiB; per byte "
           "kept %.2f and %.2f; %.1f MB a day\n",
           (unsigned long long)w.disk.syncs, (double)w.disk.bytes / text, pages / text,
           (double)w.disk.bytes / stored, pages / stored, pages / 3e6);
    bool good = test(1, !w.fault && counts.records_dropped == 0 && w.made == HOURS * 3600,
                     "72 hours at a line a second, nothing dropped in 64 MiB");
    good = test(2, pages / text <= RATIO_MAX, "at most 1.6 bytes written for a byte of payload") &&
           good;
    w.broker = true;
    uint64_t waiting = counts.records_waiting;
    for (uint32_t s = 0; s < 3600 && !w.fault; s++) {
        second_pass(&w);
        lc_node_look(w.node, w.now_ms, &counts);
        bool drained = counts.records_waiting <= 1 && w.back_ms > 0;
        w.drained_ms = drained && w.drained_ms == 0 ? w.now_ms : w.drained_ms;
    }
    uint64_t took_ms = w.drained_ms > w.back_ms ? w.drained_ms - w.back_ms : 1;
    qsort(w.wait, (size_t)w.waits, sizeof w.wait[0], by_size);
    uint32_t p50 = w.wait[w.waits / 2], p99 = w.wait[w.waits * 99 / 100];
    printf("# %llu waited; drained in %.0f s, %.0f a second; records of now waited %u ms (p50), %u "
           "(p99), %u at most; %llu sent twice\n",
           (unsigned long long)waiting, (double)took_ms / 1000.0,
           (double)waiting * 1000.0 / (double)took_ms, p50, p99, w.wait[w.waits - 1],
           (unsigned long long)w.twice);
    good = test(3, !w.fault && w.drained_ms > 0 && w.got == w.made && w.twice == 0,
                "every record arrives, once") &&
           good;
    good = test(4, p99 <= LIVE_P99_MAX_MS && w.wait[w.waits - 1] <= LIVE_MAX_MS,
                "records of now are not starved meanwhile") &&
           good;
    printf("1..4\n");
    return !good;
}
