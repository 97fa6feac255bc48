/* health.c - rendering of birth, health and status. */
#include "health.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <time.h>

#include "../../runtime/text.h"
#include "statm.h"

#define SECONDS_2020 1577836800 /* a clock before that was never set */
#define MODEL_DIGITS 4u         /* bytes of a root hash that name it */

lc_str lc_clock_read(uint64_t *wall_ms)
{
    struct timespec now;
    struct timex status = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    *wall_ms = 0;
    if (now.tv_sec < SECONDS_2020) {
        return lc_str_from("none");
    }
    *wall_ms = (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u;
    bool synchronised = adjtimex(&status) >= 0 && !(status.status & STA_UNSYNC);
    return lc_str_from(synchronised ? "ntp" : "rtc");
}

/* ---- pieces of JSON ---- */

static void key_put(lc_text *t, const char *key)
{
    char last = t->bytes > 0 ? t->data[t->bytes - 1] : '{';
    if (last != '{' && last != '[') {
        lc_text_add(t, ",");
    }
    if (key) {
        lc_text_add(t, "\"");
        lc_text_add(t, key);
        lc_text_add(t, "\":");
    }
}

static void number_put(lc_text *t, const char *key, uint64_t value)
{
    key_put(t, key);
    lc_text_u64(t, value);
}

static void string_put(lc_text *t, const char *key, lc_str value)
{
    key_put(t, key);
    lc_text_json(t, value);
}

static void word_put(lc_text *t, const char *key, const char *value)
{
    string_put(t, key, lc_str_from(value));
}

static void open_put(lc_text *t, const char *key, const char *bracket)
{
    key_put(t, key);
    lc_text_add(t, bracket);
}

static void stamp_put(lc_text *t, const lc_health *h, uint64_t ts_ms, lc_str tq)
{
    lc_text_add(t, "{\"v\":1");
    word_put(t, "dev", h->config->dev);
    number_put(t, "boot", h->boot);
    if (ts_ms > 0) {
        number_put(t, "ts", ts_ms);
    }
    string_put(t, "tq", tq);
}

static uint32_t length_of(const lc_text *t)
{
    return t->full ? 0 : (uint32_t)t->bytes;
}

/* ---- birth ---- */

static void root_put(lc_text *t, const char *key, const uint8_t root[32])
{
    key_put(t, key);
    lc_text_add(t, "\"");
    lc_text_hex(t, root, MODEL_DIGITS);
    lc_text_add(t, "\"");
}

static void task_put(lc_text *t, const lc_task *task, bool labels)
{
    open_put(t, NULL, "{");
    string_put(t, "task", task->name);
    number_put(t, "label_count", task->label_count);
    if (labels) {
        open_put(t, "labels", "[");
        for (uint32_t i = 0; i < task->label_count; i++) {
            string_put(t, NULL, task->label[i].name);
        }
        lc_text_add(t, "]");
    }
    lc_text_add(t, "}");
}

static void job_put(lc_text *t, const lc_job *job, bool labels)
{
    open_put(t, "job", "{");
    string_put(t, "name", lc_job_name(job));
    number_put(t, "ver", lc_job_ver(job));
    root_put(t, "mdl", lc_job_root(job));
    open_put(t, "tasks", "[");
    for (uint32_t i = 0; i < lc_job_tasks(job); i++) {
        task_put(t, lc_job_task(job, i), labels);
    }
    lc_text_add(t, "]");
    open_put(t, "packs", "[");
    for (uint32_t i = 0; i < lc_job_packs(job); i++) {
        root_put(t, NULL, lc_job_pack(job, i)->leaf.root);
    }
    lc_text_add(t, "]}");
}

static void names_put(lc_text *t, const lc_health *h)
{
    open_put(t, "src", "[");
    for (uint32_t i = 0; i < h->source_count; i++) {
        string_put(t, NULL, h->source[i]);
    }
    lc_text_add(t, "]");
    open_put(t, "groups", "[");
    for (uint32_t i = 0; i < h->config->group_count; i++) {
        word_put(t, NULL, h->config->group[i]);
    }
    lc_text_add(t, "]");
}

static void limits_put(lc_text *t, const lc_config *config)
{
    open_put(t, "limits", "{");
    number_put(t, "line", LC_LINE_BYTES_MAX);
    number_put(t, "message", LC_MESSAGE_BYTES_MAX);
    number_put(t, "payload", LC_PAYLOAD_BYTES_MAX);
    number_put(t, "window", config->window);
    number_put(t, "batch", config->batch);
    number_put(t, "deadline_ms", config->deadline_ms);
    lc_text_add(t, "}");
}

static uint32_t birth_put(const lc_health *h, bool labels, char *out, uint32_t max)
{
    lc_text t = lc_text_make(out, max);
    uint64_t wall_ms;
    lc_str tq = lc_clock_read(&wall_ms);
    stamp_put(&t, h, wall_ms, tq);
    word_put(&t, "sw", h->version);
    word_put(&t, "level", h->level);
    word_put(&t, "cpu", h->cpu);
    number_put(&t, "threads", h->threads);
    job_put(&t, h->job, labels);
    names_put(&t, h);
    limits_put(&t, h->config);
    lc_text_add(&t, "}");
    return length_of(&t);
}

uint32_t lc_health_birth(const lc_health *health, char *out, uint32_t max)
{
    uint32_t bytes = birth_put(health, true, out, max);
    return bytes > 0 ? bytes : birth_put(health, false, out, max);
}

/* ---- health ---- */

static uint64_t cpu_ms(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000u +
           (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1000u;
}

static void times_put(lc_text *t, const char *key, const lc_times *times)
{
    open_put(t, key, "{");
    number_put(t, "n", times->count);
    number_put(t, "p50", lc_times_quantile(times, 500) / 1000u);
    number_put(t, "p95", lc_times_quantile(times, 950) / 1000u);
    number_put(t, "p99", lc_times_quantile(times, 990) / 1000u);
    number_put(t, "max", times->max_us / 1000u);
    lc_text_add(t, "}");
}

static void lines_put(lc_text *t, const lc_node_counts *c)
{
    open_put(t, "lines", "{");
    number_put(t, "in", c->lines);
    number_put(t, "lost", c->lines_lost);
    number_put(t, "waiting", c->lines_waiting);
    number_put(t, "pauses", c->pauses);
    lc_text_add(t, "}");
    open_put(t, "records", "{");
    number_put(t, "made", c->records);
    number_put(t, "acked", c->messages_acked);
    number_put(t, "waiting", c->records_waiting);
    number_put(t, "dropped", c->records_dropped);
    number_put(t, "accept", c->decided[LC_ACCEPT]);
    number_put(t, "escalate", c->decided[LC_ESCALATE]);
    number_put(t, "defer", c->decided[LC_DEFER]);
    number_put(t, "reject", c->decided[LC_REJECT]);
    lc_text_add(t, "}");
}

static void journal_put(lc_text *t, const lc_health *h, const lc_node_counts *c)
{
    static const char *const acks[] = {"broker", "e2e"};
    open_put(t, "journal", "{");
    word_put(t, "state", c->keeps ? "ok" : h->config->storage[0] ? "failed" : "none");
    word_put(t, "ack", acks[h->config->ack & 1u]);
    number_put(t, "bytes", c->journal_bytes);
    number_put(t, "dropped", c->records_dropped);
    if (c->journal_oldest_ts_ms > 0) {
        number_put(t, "oldest", c->journal_oldest_ts_ms);
    }
    number_put(t, "stored", c->journal_stored_bytes);
    number_put(t, "text", c->journal_text_bytes);
    number_put(t, "commits", c->journal_commits);
    lc_text_add(t, "}");
}

static void link_put(lc_text *t, const lc_health *h, const lc_node_counts *c)
{
    static const char *const states[] = {"none", "waiting", "trying", "up"};
    open_put(t, "link", "{");
    word_put(t, "state", states[c->link]);
    word_put(t, "mqtt", h->protocol);
    number_put(t, "ups", c->link_ups);
    number_put(t, "downs", c->link_downs);
    number_put(t, "flying", c->flying);
    number_put(t, "flying_peak", c->flying_peak);
    number_put(t, "refused", c->messages_refused);
    number_put(t, "unheard", c->messages_unheard);
    lc_text_add(t, "}");
}

/* What labels move. */
static void acts_put(lc_text *t, const lc_health *h, const lc_node_counts *c)
{
    open_put(t, "acts", "{");
    number_put(t, "begun", c->acts);
    number_put(t, "held", c->acts_held);
    number_put(t, "limited", c->acts_limited);
    number_put(t, "missing", c->acts_missing);
    number_put(t, "paused", c->paused);
    lc_text_add(t, "}");
    open_put(t, "pins", "{");
    number_put(t, "missing", lc_pins_missing(h->pins));
    number_put(t, "lost", h->pins->lost);
    lc_text_add(t, "}");
    if (h->sound->started) {
        open_put(t, "sound", "{");
        word_put(t, "state", atomic_load(&h->sound->away) ? "away" : "ok");
        number_put(t, "played", atomic_load(&h->sound->played));
        number_put(t, "dropped", atomic_load(&h->sound->dropped));
        number_put(t, "underruns", atomic_load(&h->sound->underruns));
        number_put(t, "lost", atomic_load(&h->sound->lost));
        lc_text_add(t, "}");
    }
}

/* What lines are made of besides text that comes in. */
static void senses_put(lc_text *t, const lc_health *h)
{
    if (h->sensors->started) {
        open_put(t, "sensors", "{");
        number_put(t, "all", h->sensors->count);
        number_put(t, "missing", atomic_load(&h->sensors->missing));
        lc_text_add(t, "}");
    }
    if (h->listen->started) {
        open_put(t, "microphone", "{");
        word_put(t, "state", atomic_load(&h->listen->away) ? "away" : "ok");
        number_put(t, "overruns", atomic_load(&h->listen->overruns));
        lc_text_add(t, "}");
    }
}

static void money_put(lc_text *t, const char *key, uint64_t millionths)
{
    key_put(t, key);
    lc_text_scaled(t, (int64_t)millionths, 6);
}

static void upstream_put(lc_text *t, const lc_health *h, const lc_esc_counts *c)
{
    if (!lc_job_escalates(h->job)) {
        return;
    }
    open_put(t, "upstream", "{");
    word_put(t, "worker", c->worker ? "ready" : "none");
    number_put(t, "queue", c->queue);
    number_put(t, "asked", c->asked);
    number_put(t, "retries", c->retries);
    number_put(t, "bytes", c->bytes);
    number_put(t, "answered", c->answered);
    number_put(t, "late", c->late);
    number_put(t, "timeouts", c->timeouts);
    number_put(t, "refused", c->refused);
    number_put(t, "invalid", c->invalid);
    number_put(t, "nobody", c->nobody);
    number_put(t, "no_budget", c->budget);
    number_put(t, "stray", c->stray);
    number_put(t, "malformed", c->malformed);
    number_put(t, "open", c->open);
    number_put(t, "kept", c->waiting);
    number_put(t, "kept_dropped", c->kept_dropped);
    number_put(t, "kept_expired", c->kept_expired);
    number_put(t, "calls_day", c->calls_day);
    number_put(t, "calls_max", c->calls_max);
    money_put(t, "money", c->money);
    money_put(t, "money_day", c->money_day);
    key_put(t, "bar");
    lc_text_fixed(t, c->bar, 4);
    times_put(t, "latency_ms", lc_node_asking(h->node));
    lc_text_add(t, "}");
}

static void arena_put(lc_text *t, const char *key, const lc_arena *arena)
{
    open_put(t, key, "[");
    number_put(t, NULL, arena->peak);
    number_put(t, NULL, arena->size);
    lc_text_add(t, "]");
}

static void memory_put(lc_text *t, const lc_health *h, const lc_node_counts *c)
{
    open_put(t, "bytes", "{");
    number_put(t, "rss", lc_statm_bytes(LC_STATM_RESIDENT));
    arena_put(t, "state", &h->arenas->state);
    arena_put(t, "scratch", &h->arenas->scratch);
    open_put(t, "outbox", "[");
    number_put(t, NULL, c->outbox_peak_bytes);
    number_put(t, NULL, c->outbox_max_bytes);
    lc_text_add(t, "]");
    number_put(t, "inbox_peak", c->inbox_peak_bytes);
    lc_text_add(t, "}");
}

static lc_text health_put(const lc_health *h, uint64_t now_ms, char *out, uint32_t max)
{
    lc_node_counts c;
    lc_text t = lc_text_make(out, max);
    lc_node_look(h->node, now_ms, &c);
    stamp_put(&t, h, lc_node_ts_ms(h->node, now_ms), lc_node_tq(h->node));
    number_put(&t, "up_s", c.up_ms / 1000u);
    number_put(&t, "seq", c.seq);
    lines_put(&t, &c);
    times_put(&t, "latency_ms", lc_node_latency(h->node));
    times_put(&t, "inference_ms", lc_node_inference(h->node));
    number_put(&t, "deadlines", c.deadlines);
    number_put(&t, "events", c.events);
    number_put(&t, "gaps", c.gaps);
    number_put(&t, "failed", h->failed);
    journal_put(&t, h, &c);
    link_put(&t, h, &c);
    acts_put(&t, h, &c);
    senses_put(&t, h);
    upstream_put(&t, h, &c.esc);
    memory_put(&t, h, &c);
    lc_vitals vitals;
    lc_vitals_read("", h->config->storage, &vitals);
    key_put(&t, "board");
    lc_vitals_put(&vitals, &t);
    number_put(&t, "cpu_ms", cpu_ms());
    number_put(&t, "wakeups", h->loop->rounds);
    return t;
}

uint32_t lc_health_write(const lc_health *health, uint64_t now_ms, char *out, uint32_t max)
{
    lc_text t = health_put(health, now_ms, out, max);
    lc_text_add(&t, "}");
    return length_of(&t);
}

uint32_t lc_health_status(const lc_health *health, uint64_t now_ms, char *out, uint32_t max)
{
    lc_text t = health_put(health, now_ms, out, max);
    word_put(&t, "sw", health->version);
    word_put(&t, "level", health->level);
    number_put(&t, "threads", health->threads);
    word_put(&t, "broker", health->config->url);
    string_put(&t, "job", lc_job_name(health->job));
    number_put(&t, "ver", lc_job_ver(health->job));
    names_put(&t, health);
    lc_text_add(&t, "}");
    return length_of(&t);
}
