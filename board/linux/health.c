/* health.c - rendering of birth, health and status. */
#include "health.h"

#include <string.h>
#include <sys/timex.h>
#include <time.h>

#include "../../runtime/text.h"
#include "figures.h"
#include "prom.h"

#define SECONDS_2020 1577836800 /* a clock before that was never set */

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

/* A member's key; NULL: an item of an array. */
static void key_put(lc_text *t, const char *key)
{
    if (key != NULL) {
        lc_text_key(t, key);
    } else if (t->bytes > 0 && t->data[t->bytes - 1] != '[') {
        lc_text_add(t, ",");
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
    lc_text_hex(t, root, LC_HEALTH_ROOT_BYTES);
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

/* ---- update ---- */

uint32_t lc_health_update(const lc_health *h, char *out, uint32_t max)
{
    char digits[16];
    lc_text t = lc_text_make(out, max), ver = lc_text_make(digits, sizeof digits);
    uint64_t wall_ms;
    lc_str tq = lc_clock_read(&wall_ms);
    stamp_put(&t, h, wall_ms, tq);
    lc_text_u64(&ver, lc_job_ver(h->job));
    string_put(&t, "title", lc_job_name(h->job));
    string_put(&t, "installed_version", (lc_str){digits, (uint32_t)ver.bytes});
    string_put(&t, "latest_version", (lc_str){digits, (uint32_t)ver.bytes});
    lc_text_add(&t, ",\"in_progress\":false,\"update_percentage\":null");
    word_put(&t, "st", "IDLE");
    lc_text_add(&t, "}");
    return length_of(&t);
}

/* ---- health ---- */

static lc_text health_put(const lc_health *h, uint64_t now_ms, char *out, uint32_t max)
{
    lc_text t = lc_text_make(out, max);
    stamp_put(&t, h, lc_node_ts_ms(h->node, now_ms), lc_node_tq(h->node));
    lc_figures_json(h, now_ms, &t);
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

/* What it is, as labels of a figure that is always 1. */
static void info_print(const lc_health *h, lc_text *t)
{
    char ver_text[16], mdl_text[16];
    lc_text ver = lc_text_make(ver_text, sizeof ver_text);
    lc_text mdl = lc_text_make(mdl_text, sizeof mdl_text);
    lc_text_u64(&ver, lc_job_ver(h->job));
    lc_text_hex(&mdl, lc_job_root(h->job), LC_HEALTH_ROOT_BYTES);
    const lc_prom_label label[] = {
        {"dev", lc_str_from(h->config->dev)},     {"sw", lc_str_from(h->version)},
        {"level", lc_str_from(h->level)},         {"job", lc_job_name(h->job)},
        {"ver", {ver_text, (uint32_t)ver.bytes}}, {"mdl", {mdl_text, (uint32_t)mdl.bytes}}};
    lc_prom_head(t, "leafcutter_info", "gauge", "Device, program, kernels, job and its bundle");
    lc_prom_u64(t, "leafcutter_info", label, sizeof label / sizeof label[0], 1);
    lc_prom_head(t, "leafcutter_boot", "gauge", "Starts of this device");
    lc_prom_u64(t, "leafcutter_boot", NULL, 0, h->boot);
}

uint32_t lc_health_metrics(const lc_health *health, uint64_t now_ms, char *out, uint32_t max)
{
    lc_text t = lc_text_make(out, max);
    info_print(health, &t);
    lc_figures_prom(health, now_ms, &t);
    return length_of(&t);
}
