/* recorder.c - messages to items, items to groups; a group that is durable is acknowledged. */
#include "recorder.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../board/linux/log.h"
#include "../../board/linux/prom.h"
#include "metrics.h"

#define GROUP_ITEMS 512u
#define GROUP_MS 50u
#define ACK_EVERY_MS 100u
#define KEEP_EVERY_MS 3600000u
#define DAY_MS 86400000ull
#define SESSION_S (7u * 86400u)
#define REPORT_EVERY_MS 60000u
#define FIGURE_NAME_MAX 64

/* A start of a device that something came from: told what is here. */
typedef struct source {
    struct source *next;
    char dev[LC_HELD_DEV_BYTES];
    uint32_t boot;
    bool news;                                                             /* since it was told */
    uint64_t tell_ms;                                                      /* not before */
    uint64_t records, corrections, events, gaps, audit, lost, again, last; /* last: ms since 1970 */
} source;

typedef struct counts {
    uint64_t messages, bytes, strange, commits, failed, acks, acks_taken, longest_ms;
} counts;

typedef struct recorder {
    const lc_recorder_options *o;
    lc_desk desk;
    const lc_sink_kind *kind;
    lc_sink *sink;
    lc_held held;
    lc_metrics metrics;
    source *source;
    counts count;
    uint32_t group;     /* items in it */
    uint64_t commit_ms; /* of the group, UINT64_MAX: none is open */
    uint64_t keep_ms, report_ms, reported, message;
    bool broken; /* the sink takes nothing: nothing is acknowledged any more */
    char filter[LC_TOPIC_BYTES_MAX];
} recorder;

static uint64_t wall_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
}

/* The one asked for last comes first: messages of a device come in runs. */
static source *source_of(recorder *r, const char *dev, uint32_t boot)
{
    for (source **at = &r->source; *at; at = &(*at)->next) {
        source *s = *at;
        if (s->boot == boot && strcmp(s->dev, dev) == 0) {
            *at = s->next;
            s->next = r->source;
            r->source = s;
            return s;
        }
    }
    source *s = calloc(1, sizeof *s);
    if (s) {
        *s = (source){.next = r->source, .boot = boot};
        snprintf(s->dev, sizeof s->dev, "%s", dev);
        r->source = s;
    }
    return s;
}

/* ---- keeping ---- */

static void group_commit(recorder *r)
{
    uint64_t begun_ms = lc_loop_now_ms();
    r->commit_ms = UINT64_MAX;
    r->group = 0;
    if (!r->kind->commit(r->sink)) {
        r->broken = true;
        r->count.failed++;
        lc_loop_stop(&r->desk.loop);
        return;
    }
    uint64_t took_ms = lc_loop_now_ms() - begun_ms;
    r->count.commits++;
    r->count.longest_ms = took_ms > r->count.longest_ms ? took_ms : r->count.longest_ms;
}

static void item_count(source *s, const lc_item *item)
{
    s->last = item->at;
    s->records += item->kind == LC_HELD_RECORD && item->rev == 1;
    s->corrections += item->kind == LC_HELD_RECORD && item->rev > 1;
    s->events += item->kind == LC_HELD_EVENT;
    s->gaps += item->kind == LC_HELD_GAP;
    s->audit += item->kind == LC_HELD_AUDIT;
    s->lost += item->loss.count + item->loss.lines;
}

/* Something came that this start is told about. */
static void source_hear(recorder *r, const char *dev, uint32_t boot)
{
    source *s = source_of(r, dev, boot);
    if (s) {
        s->news = true;
    }
}

static void item_take(recorder *r, const lc_item *item, uint64_t now_ms)
{
    source *s = source_of(r, item->dev, item->boot);
    if (!s || r->broken) {
        return;
    }
    s->news = true;
    if (item->cor > 0) {
        source_hear(r, item->dev, item->cor_boot);
    }
    if (lc_item_here(&r->held, item)) {
        s->again++;
        return;
    }
    if (!r->kind->put(r->sink, item) || !lc_item_note(&r->held, item)) {
        r->broken = true;
        lc_loop_stop(&r->desk.loop);
        return;
    }
    item_count(s, item);
    if (item->kind == LC_HELD_GAP) {
        source_hear(r, item->dev, item->loss.of);
    }
    if (r->commit_ms == UINT64_MAX) {
        r->commit_ms = now_ms + GROUP_MS;
    }
    if (++r->group >= GROUP_ITEMS) {
        group_commit(r);
    }
}

static bool kind_of(const char *rest, lc_held_kind *kind)
{
    *kind = strncmp(rest, "event/", 6) == 0 ? LC_HELD_EVENT
            : strcmp(rest, "gap") == 0      ? LC_HELD_GAP
            : strcmp(rest, "audit") == 0    ? LC_HELD_AUDIT
                                            : LC_HELD_RECORD;
    return *kind != LC_HELD_RECORD || strncmp(rest, "res/", 4) == 0;
}

static bool name_ok(const char *dev)
{
    return strspn(dev, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
           strlen(dev);
}

/* text: [bytes], the object as it came; NULL: one of an array. */
static void object_take(recorder *r, const cJSON *tree, const char *text, size_t bytes,
                        lc_held_kind kind, const char *dev, uint64_t now_ms)
{
    lc_item item;
    if (!lc_item_read(tree, kind, dev, &item)) {
        r->count.strange++;
        return;
    }
    bool line = text && !memchr(text, '\n', bytes);
    char *own = line ? NULL : cJSON_PrintUnformatted(tree);
    item.at = wall_now_ms();
    item.body = line ? text : own;
    item.body_bytes = line ? bytes : own ? strlen(own) : 0;
    if (item.body) {
        item_take(r, &item, now_ms);
    }
    cJSON_free(own);
}

static void message_came(void *ctx, const char *topic, const char *payload, uint32_t bytes,
                         bool retained)
{
    recorder *r = ctx;
    char dev[64];
    const char *rest;
    lc_held_kind kind;
    cJSON *tree = NULL;
    r->count.messages++;
    r->count.bytes += bytes;
    if (retained || !lc_desk_device(r->o->desk.root, topic, dev, &rest) || !kind_of(rest, &kind)) {
        return;
    }
    uint64_t now_ms = lc_loop_now_ms();
    if (!name_ok(dev) || lc_json_parse(payload, bytes, 0, &tree, NULL) != LC_OK) {
        r->count.strange++;
    } else if (cJSON_IsArray(tree)) {
        const cJSON *one;
        cJSON_ArrayForEach(one, tree)
        {
            object_take(r, one, NULL, 0, kind, dev, now_ms);
        }
    } else {
        object_take(r, tree, payload, bytes, kind, dev, now_ms);
    }
    cJSON_Delete(tree);
}

/* ---- telling ---- */

static unsigned long long reach(const recorder *r, const source *s, uint32_t kind, uint32_t lost)
{
    return lc_held_reach(&r->held, s->dev, s->boot, kind, lost);
}

static bool source_tell(recorder *r, const source *s)
{
    char topic[LC_TOPIC_BYTES_MAX], text[256];
    snprintf(topic, sizeof topic, "%s/%s/dn/ack", r->o->desk.root, s->dev);
    int n = snprintf(text, sizeof text,
                     "{\"v\":1,\"boot\":%u,\"seq\":%llu,\"no\":%llu,\"audit\":%llu,\"cor\":%llu}",
                     s->boot, reach(r, s, LC_HELD_RECORD, LC_HELD_LOST),
                     reach(r, s, LC_HELD_EVENT, LC_HELD_LOST_EVENT),
                     reach(r, s, LC_HELD_AUDIT, LC_HELD_LOST_AUDIT),
                     reach(r, s, LC_HELD_CORRECTION, LC_HELD_LOST_CORRECTION));
    r->message = r->message % UINT32_MAX + 1;
    return lc_mqtt_publish(r->desk.mqtt, (uint32_t)r->message, topic, text, (uint32_t)n, 1,
                           false) == LC_OK;
}

/* Only while no group is open: what is told is on the disk. */
static uint64_t sources_tell(recorder *r, uint64_t now_ms)
{
    uint64_t wake = UINT64_MAX;
    if (r->group > 0 || r->broken || !lc_mqtt_is_up(r->desk.mqtt)) {
        return wake;
    }
    for (source *s = r->source; s; s = s->next) {
        if (s->news && now_ms >= s->tell_ms) {
            bool told = source_tell(r, s);
            r->count.acks += told;
            s->news = !told;
            s->tell_ms = now_ms + ACK_EVERY_MS;
        }
        if (s->news && s->tell_ms < wake) {
            wake = s->tell_ms;
        }
    }
    return wake;
}

static void ack_came(void *ctx, uint32_t id, uint32_t reason)
{
    recorder *r = ctx;
    (void)id;
    r->count.acks_taken += reason < 0x80;
}

static void link_up(void *ctx)
{
    recorder *r = ctx;
    for (source *s = r->source; s; s = s->next) {
        s->news = true; /* what was told may have been lost */
    }
}

/* ---- metrics ---- */

typedef struct sum {
    const char *name, *help;
    uint64_t (*value)(const source *s);
} sum;

static uint64_t records_of(const source *s)
{
    return s->records;
}
static uint64_t corrections_of(const source *s)
{
    return s->corrections;
}
static uint64_t events_of(const source *s)
{
    return s->events;
}
static uint64_t gaps_of(const source *s)
{
    return s->gaps;
}
static uint64_t lost_of(const source *s)
{
    return s->lost;
}
static uint64_t again_of(const source *s)
{
    return s->again;
}

static const sum sums[] = {
    {"records_total", "Records kept, without corrections", records_of},
    {"corrections_total", "Corrections of records kept", corrections_of},
    {"events_total", "Events kept", events_of},
    {"gaps_total", "Statements of loss kept", gaps_of},
    {"lost_total", "Records and lines that devices say are lost", lost_of},
    {"again_total", "Items that came again and were dropped", again_of},
};

static void figure_head(lc_text *to, const char *name, const char *type, const char *help,
                        char full[FIGURE_NAME_MAX])
{
    snprintf(full, FIGURE_NAME_MAX, "leafcutter_collect_%s", name);
    lc_prom_head(to, full, type, help);
}

/* Of all starts of a device since the collector began; a device's starts lie anywhere in the list.
 */
static bool source_first(const recorder *r, const source *s)
{
    const source *one = r->source;
    while (strcmp(one->dev, s->dev) != 0) {
        one = one->next;
    }
    return one == s;
}

static uint64_t device_sum(const source *from, uint64_t (*value)(const source *))
{
    uint64_t all = 0;
    for (const source *s = from; s; s = s->next) {
        all += strcmp(s->dev, from->dev) == 0 ? value(s) : 0;
    }
    return all;
}

static uint64_t device_last(const source *from)
{
    uint64_t last = 0;
    for (const source *s = from; s; s = s->next) {
        last = strcmp(s->dev, from->dev) == 0 && s->last > last ? s->last : last;
    }
    return last;
}

static void devices_print(const recorder *r, lc_text *to)
{
    char name[FIGURE_NAME_MAX];
    for (size_t i = 0; i < LC_COUNT(sums); i++) {
        figure_head(to, sums[i].name, "counter", sums[i].help, name);
        for (const source *s = r->source; s; s = s->next) {
            const lc_prom_label dev = {"dev", lc_str_from(s->dev)};
            if (source_first(r, s)) {
                lc_prom_u64(to, name, &dev, 1, device_sum(s, sums[i].value));
            }
        }
    }
    figure_head(to, "last_seconds", "gauge", "When the last item of a device came", name);
    for (const source *s = r->source; s; s = s->next) {
        const lc_prom_label dev = {"dev", lc_str_from(s->dev)};
        if (source_first(r, s)) {
            lc_prom_sample(to, name, &dev, 1);
            lc_text_scaled(to, (int64_t)device_last(s), 3);
            lc_text_add(to, "\n");
        }
    }
}

static void metrics_print(void *ctx, lc_text *to)
{
    char name[FIGURE_NAME_MAX];
    const recorder *r = ctx;
    const struct {
        const char *name, *type, *help;
        uint64_t value;
    } row[] = {
        {"up", "gauge", "Whether the broker is there", lc_mqtt_is_up(r->desk.mqtt)},
        {"messages_total", "counter", "Messages that came", r->count.messages},
        {"bytes_total", "counter", "Bytes of their payloads", r->count.bytes},
        {"strange_total", "counter", "Objects that are none of a device", r->count.strange},
        {"commits_total", "counter", "Groups made durable", r->count.commits},
        {"acks_total", "counter", "Acknowledgements sent to devices", r->count.acks},
    };
    for (size_t i = 0; i < LC_COUNT(row); i++) {
        figure_head(to, row[i].name, row[i].type, row[i].help, name);
        lc_prom_u64(to, name, NULL, 0, row[i].value);
    }
    figure_head(to, "commit_longest_seconds", "gauge", "The longest that one took", name);
    lc_prom_sample(to, name, NULL, 0);
    lc_text_scaled(to, (int64_t)r->count.longest_ms, 3);
    lc_text_add(to, "\n");
    devices_print(r, to);
}

/* ---- turns ---- */

static void old_forget(recorder *r, uint64_t now_ms)
{
    uint64_t removed = 0, wall_ms = wall_now_ms();
    r->keep_ms = r->o->keep_days > 0 ? now_ms + KEEP_EVERY_MS : UINT64_MAX;
    uint64_t age_ms = r->o->keep_days * DAY_MS;
    if (age_ms == 0 || wall_ms <= age_ms) {
        return;
    }
    group_commit(r);
    if (!r->broken && !r->kind->forget(r->sink, &r->held, wall_ms - age_ms, NULL, &removed)) {
        r->broken = true;
        lc_loop_stop(&r->desk.loop);
    }
    if (removed > 0) {
        lc_log(LC_LOG_NOTICE, "%llu items are older than %u days and gone",
               (unsigned long long)removed, r->o->keep_days);
    }
}

static uint64_t kept(const recorder *r)
{
    uint64_t all = 0;
    for (const source *s = r->source; s; s = s->next) {
        all += s->records + s->corrections + s->events + s->gaps + s->audit;
    }
    return all;
}

static void report_json(const recorder *r, uint64_t now_kept)
{
    lc_emit e;
    lc_emit_init(&e, stdout);
    lc_emit_open(&e, NULL, '{');
    lc_emit_u64(&e, "ts", wall_now_ms());
    lc_emit_u64(&e, "kept", now_kept);
    lc_emit_u64(&e, "messages", r->count.messages);
    lc_emit_u64(&e, "strange", r->count.strange);
    lc_emit_u64(&e, "commits", r->count.commits);
    lc_emit_u64(&e, "acks", r->count.acks);
    lc_emit_close(&e);
    fflush(stdout);
}

/* A line a minute while something happens, and one at the end. */
static void report(recorder *r, uint64_t now_ms)
{
    uint64_t now_kept = kept(r);
    if (now_kept != r->reported) {
        lc_log(LC_LOG_NOTICE, "%llu items kept, %llu messages, %llu strange",
               (unsigned long long)now_kept, (unsigned long long)r->count.messages,
               (unsigned long long)r->count.strange);
        if (r->o->json) {
            report_json(r, now_kept);
        }
    }
    r->reported = now_kept;
    r->report_ms = now_ms + REPORT_EVERY_MS;
}

static uint64_t recorder_turn(void *ctx, uint64_t now_ms)
{
    recorder *r = ctx;
    if (now_ms >= r->commit_ms || (r->desk.stopping && r->group > 0)) {
        group_commit(r);
    }
    if (now_ms >= r->keep_ms) {
        old_forget(r, now_ms);
    }
    if (now_ms >= r->report_ms) {
        report(r, now_ms);
    }
    uint64_t wake = sources_tell(r, now_ms), metrics_ms = lc_metrics_tick(&r->metrics, now_ms);
    wake = r->commit_ms < wake ? r->commit_ms : wake;
    wake = r->keep_ms < wake ? r->keep_ms : wake;
    wake = r->report_ms < wake ? r->report_ms : wake;
    return metrics_ms < wake ? metrics_ms : wake;
}

static bool recorder_finished(void *ctx)
{
    const recorder *r = ctx;
    return r->group == 0 && (r->count.acks == r->count.acks_taken || !lc_mqtt_is_up(r->desk.mqtt));
}

/* ---- start and end ---- */

static int recorder_open(recorder *r)
{
    static const char *filter[1];
    const lc_desk_events events = {
        r, link_up, ack_came, message_came, recorder_turn, recorder_finished};
    snprintf(r->filter, sizeof r->filter, "%s/+/up/#", r->o->desk.root);
    filter[0] = r->filter;
    const lc_mqtt_options mqtt = {.keepalive_s = 30,
                                  .window = LC_MQTT_IDS_MAX,
                                  .payload_max = LC_PAYLOAD_BYTES_MAX,
                                  .session_s = SESSION_S,
                                  .filter = filter,
                                  .filter_count = 1};
    r->kind = lc_sink_of(r->o->out);
    int rc = r->kind ? r->kind->open(r->o->out, &r->held, &r->sink) : LC_EXIT_USAGE;
    rc = rc == LC_UI_GO ? lc_desk_open(&r->desk, &r->o->desk, mqtt, &events) : rc;
    r->metrics.print = metrics_print;
    r->metrics.ctx = r;
    return rc == LC_UI_GO ? lc_metrics_open(&r->metrics, &r->desk.loop, r->o->metrics) : rc;
}

static void recorder_close(recorder *r)
{
    if (r->sink) {
        r->kind->close(r->sink);
    }
    lc_metrics_close(&r->metrics);
    if (r->desk.mqtt) {
        lc_desk_close(&r->desk);
    }
    lc_held_forget(&r->held, NULL);
    while (r->source) {
        source *next = r->source->next;
        free(r->source);
        r->source = next;
    }
}

int lc_recorder_run(const lc_recorder_options *options)
{
    static recorder r;
    r = (recorder){.o = options, .commit_ms = UINT64_MAX};
    int rc = recorder_open(&r);
    if (rc == LC_UI_GO) {
        lc_log(LC_LOG_NOTICE, "recording %s into %s", r.filter, options->out);
        rc = lc_desk_run(&r.desk);
        report(&r, lc_loop_now_ms());
        rc = r.broken ? lc_ui_error(LC_EXIT_BOARD, options->out, "what was not kept comes again",
                                    "takes nothing more")
                      : rc;
    }
    recorder_close(&r);
    return rc;
}
