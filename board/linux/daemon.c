/* daemon.c - the parts put together; events in, actions out, until someone says stop. */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cap.h"
#include "cpu.h"
#include "crash.h"
#include "esc_json.h"
#include "health.h"
#include "input.h"
#include "job_engine.h"
#include "job_file.h"
#include "listen.h"
#include "log.h"
#include "mqtt.h"
#include "outputs.h"
#include "pins.h"
#include "postbox.h"
#include "sdnotify.h"
#include "sensors.h"
#include "sound.h"
#include "status.h"
#include "store.h"
#include "tasks.h"
#include "template.h"
#include "topics.h"

#define EXIT_BOARD 4
#define STOP_FLUSH_MS 5000u
#define CLOCK_EVERY_MS 10000u
#define WILL_DELAY_S 5u
#define HEAP_EXTRA_BYTES (32u << 20) /* for libraries, once we run */
#define REASON_TOO_LARGE 0x95u
#define REASON_BUSY 0x97u
#define PACKET_EXTRA_BYTES (LC_TOPIC_BYTES_MAX + 64u) /* of a packet beside its payload */
#define BIRTH_BYTES_MAX 4096u
#define DETAILS_MAX 8u
#define DETAILS_AGAIN_MS 3600000u
#define KEEP_BYTES (1u << 20) /* of hard lines, until somebody can be asked */
#define FILTERS_MAX (LC_CONFIG_INPUTS_MAX + 5)

typedef struct parts {
    const lc_config *config;
    lc_daemon_options options;
    lc_store store;
    bool stored; /* the store is there */
    lc_identity identity;
    lc_job_file file;
    lc_pool pool;
    lc_memory memory;
    lc_job_options job_options;
    lc_job_engine engine;
    lc_worker worker;
    lc_node *node;
    lc_loop loop;
    lc_inputs inputs;
    lc_outputs outputs;
    lc_pins pins;
    lc_sound sound;
    lc_postbox postbox;
    lc_sensors sensors;
    lc_listen listen;
    lc_mqtt *mqtt;
    lc_topics topics;
    lc_health health;
    lc_vitals vitals; /* as last told */
    lc_status status;
    lc_watch worker_watch, signal_watch, postbox_watch;
    int signal_fd;
    lc_str task[LC_TASKS_MAX];
    lc_str source[LC_SOURCES_MAX];
    lc_node_source node_source[LC_SOURCES_MAX];
    uint32_t source_count;
    const char *filter[FILTERS_MAX];
    uint32_t filter_count;
    uint64_t clock_ms, tick_ms; /* when each is next due */
    bool stopping;
    uint32_t detail[DETAILS_MAX]; /* hashes of those said since details_ms, 0: none */
    uint64_t details_ms;
    char dn_text[LC_TOPIC_BYTES_MAX], dn_cmd[LC_TOPIC_BYTES_MAX], dn_ack[LC_TOPIC_BYTES_MAX];
    char will[LC_TOPIC_BYTES_MAX];
    char esc_rsp[LC_TOPIC_BYTES_MAX], esc_state[LC_TOPIC_BYTES_MAX];
    lc_esc_options ask;
    lc_esc_reply reply;
    char birth[BIRTH_BYTES_MAX], report[LC_NODE_HEALTH_BYTES_MAX], cpu[128];
} parts;

/* ---- memory: what lays out also plans ---- */

static lc_err node_lay_out(parts *d, lc_arena *state, lc_diag *diag)
{
    const lc_config *c = d->config;
    uint64_t seed = 0;
    uint32_t tasks = LC_TASKS_MAX; /* while measuring: the job cannot be asked yet */
    uint32_t birth_bytes = 0;
    lc_err err = lc_outputs_bind(&d->outputs, c, state->measuring ? NULL : d->engine.job, diag);
    if (err != LC_OK) {
        return err;
    }
    if (!state->measuring) {
        d->health.job = d->engine.job;
        tasks = lc_job_tasks(d->engine.job);
        for (uint32_t i = 0; i < tasks; i++) {
            d->ask.task[i] = lc_job_task(d->engine.job, i);
            d->task[i] = d->ask.task[i]->name;
        }
        d->ask.policy = lc_job_policy(d->engine.job);
        d->ask.job = lc_job_name(d->engine.job);
        birth_bytes = lc_health_birth(&d->health, d->birth, sizeof d->birth);
        (void)!getrandom(&seed, sizeof seed, GRND_NONBLOCK); /* jitter; any value will do */
    }
    d->ask.reply = lc_str_from(d->esc_rsp);
    d->ask.task_count = tasks;
    d->ask.keep_bytes = KEEP_BYTES;
    lc_node_options options = {.dev = lc_str_from(c->dev),
                               .boot = d->identity.boot,
                               .source = d->node_source,
                               .source_count = d->source_count,
                               .task = d->task,
                               .task_count = tasks,
                               .birth = {d->birth, birth_bytes},
                               .inbox_bytes = c->inbox_kb * 1024u,
                               .outbox_bytes = c->outbox_kb * 1024u,
                               .window = c->window,
                               .batch = c->batch,
                               .deadline_ms = c->deadline_ms,
                               .acts = &d->outputs.options,
                               .ask = state->measuring || d->ask.policy->escalates ? &d->ask : NULL,
                               .link = true,
                               .seed = seed,
                               .port = d->stored ? &d->store.port : NULL,
                               .journal_bytes = (uint64_t)c->journal_mb << 20,
                               .e2e = c->ack == 1,
                               .backlog_per_s = c->backlog_per_s};
    return lc_node_open(&options, lc_loop_now_ms(), state, &d->node, diag);
}

static lc_err daemon_lay_out(void *ctx, lc_arenas *arenas, lc_diag *diag)
{
    parts *d = ctx;
    lc_err err = lc_job_open(&d->file.bundle, lc_objects_find, &d->file.objects, &d->job_options,
                             &arenas->state, &arenas->scratch, &d->engine.job, diag);
    if (err != LC_OK) {
        return err;
    }
    if (lc_job_engine_init(&d->engine, LC_TASKS_MAX, &arenas->state) != LC_OK ||
        lc_inputs_init(&d->inputs, d->config, &arenas->state) != LC_OK) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "no room for records and inputs");
    }
    return node_lay_out(d, &arenas->state, diag);
}

/* ---- events ---- */

static void worker_done(void *ctx, uint32_t events)
{
    parts *d = ctx;
    uint32_t ticket, count;
    const lc_node_record *record;
    (void)events;
    if (lc_worker_take(&d->worker, &ticket, &record, &count)) {
        lc_node_finish(d->node, lc_loop_now_ms(), ticket, record, count);
    }
}

static void stop_begin(parts *d, uint32_t flush_ms)
{
    lc_node_stop(d->node, lc_loop_now_ms(), flush_ms);
    lc_inputs_close(&d->inputs);
    if (!d->stopping) {
        lc_sdnotify("STOPPING=1");
    }
    d->stopping = true;
}

static void signal_came(void *ctx, uint32_t events)
{
    parts *d = ctx;
    struct signalfd_siginfo info;
    (void)events;
    if (read(d->signal_fd, &info, sizeof info) != (ssize_t)sizeof info ||
        info.ssi_signo == SIGHUP) { /* the config is read at the start only */
        return;
    }
    stop_begin(d, d->stopping ? 0 : STOP_FLUSH_MS); /* asked twice: at once */
}

static void link_up(void *ctx)
{
    parts *d = ctx;
    d->health.protocol = lc_mqtt_is_v5(d->mqtt) ? "5" : "3.1.1";
    uint32_t packet_max = lc_mqtt_limits_get(d->mqtt).packet_bytes_max;
    uint32_t least = packet_max > PACKET_EXTRA_BYTES ? packet_max - PACKET_EXTRA_BYTES : 1;
    lc_node_link_up(d->node, lc_loop_now_ms(), packet_max > 0 ? least : 0);
}

/* What exactly was wrong, in the words of library or broker: each once in an hour. */
static void detail_say(parts *d, uint64_t now_ms, const char *detail)
{
    uint32_t hash = lc_crc32c(0, detail, strlen(detail)) | 1u;
    if (now_ms - d->details_ms >= DETAILS_AGAIN_MS) {
        memset(d->detail, 0, sizeof d->detail);
        d->details_ms = now_ms;
    }
    for (uint32_t i = 0; i < DETAILS_MAX; i++) {
        if (d->detail[i] == hash) {
            return;
        }
        if (d->detail[i] == 0) {
            d->detail[i] = hash;
            lc_log(LC_LOG_NOTICE, "link-detail: %s", detail);
            return;
        }
    }
}

static void link_down(void *ctx, lc_link_reason reason, const char *detail)
{
    parts *d = ctx;
    d->health.protocol = "";
    if (detail[0]) {
        detail_say(d, lc_loop_now_ms(), detail);
    }
    lc_node_link_down(d->node, lc_loop_now_ms(), reason);
}

static void message_acked(void *ctx, uint32_t id, uint32_t reason)
{
    parts *d = ctx;
    lc_node_ack(d->node, lc_loop_now_ms(), id, reason);
}

static bool number_read(const char *tmpl, const char *json, uint32_t bytes, uint64_t max,
                        uint64_t *number)
{
    char text[24], *end = text;
    size_t held;
    lc_diag diag;
    if (lc_template_fill(tmpl, json, bytes, text, sizeof text - 1, &held, &diag) != LC_OK) {
        return false;
    }
    text[held] = '\0';
    errno = 0;
    *number = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *number <= max;
}

/* dn/ack: what the collector has. Nonsense acknowledges nothing. */
static void collected(parts *d, const char *json, uint32_t bytes)
{
    uint64_t boot, seq = 0, event = 0;
    bool has_boot = number_read("{boot}", json, bytes, UINT32_MAX, &boot);
    bool has_seq = number_read("{seq}", json, bytes, UINT64_MAX - 1, &seq);
    bool has_event = number_read("{no}", json, bytes, UINT64_MAX - 1, &event);
    if (has_boot && (has_seq || has_event)) {
        lc_node_collected(d->node, lc_loop_now_ms(), (uint32_t)boot, has_seq ? seq : 0,
                          has_event ? event : 0);
    }
}

static void worker_spoke(parts *d, const char *json, uint32_t bytes)
{
    lc_esc_worker worker;
    bool good = bytes > 0 && lc_esc_worker_read(json, bytes, &worker) == LC_OK;
    lc_node_worker(d->node, lc_loop_now_ms(), good ? &worker : NULL);
}

static void upstream_answered(parts *d, const char *json, uint32_t bytes)
{
    bool good = lc_esc_reply_read(json, bytes, &d->reply) == LC_OK;
    lc_node_answer(d->node, lc_loop_now_ms(), good ? &d->reply.answer : NULL);
}

static void message_came(void *ctx, const char *topic, const char *payload, uint32_t bytes,
                         bool retained)
{
    parts *d = ctx;
    if (strcmp(topic, d->esc_state) == 0) {
        worker_spoke(d, payload, bytes);
        return;
    }
    if (retained || bytes > LC_PAYLOAD_BYTES_MAX) { /* retained: an old message, no line of now */
        return;
    }
    const char *rest = lc_topics_down_rest(&d->topics, topic);
    if (rest && strcmp(rest, "ack") == 0) {
        collected(d, payload, bytes);
    } else if (rest && strcmp(rest, "esc/rsp") == 0) {
        upstream_answered(d, payload, bytes);
    } else if (rest && strcmp(rest, "text") == 0) {
        lc_inputs_text(&d->inputs, payload, bytes);
    } else if (rest && strncmp(rest, "cmd/", 4) == 0) {
        lc_node_command(d->node, lc_loop_now_ms(), lc_str_from(rest + 4));
    } else {
        lc_inputs_message(&d->inputs, topic, payload, bytes);
    }
}

static uint32_t status_write(void *ctx, char *out, uint32_t max)
{
    parts *d = ctx;
    d->health.failed = d->engine.failed;
    return lc_health_status(&d->health, lc_loop_now_ms(), out, max);
}

/* A pin: a line, or somebody who has seen the alarm, or the switch for maintenance. */
static void pin_changed(void *ctx, uint32_t index, bool active)
{
    parts *d = ctx;
    const lc_config_input *in = &d->config->input[index];
    uint64_t now_ms = lc_loop_now_ms();
    if (in->use == LC_PIN_GATE) {
        lc_node_pause(d->node, now_ms, active);
    } else if (in->use == LC_PIN_ACKNOWLEDGE) {
        if (active) {
            lc_node_acknowledge(d->node, now_ms);
        }
    } else if (active ? in->text[0] : in->text_off[0]) {
        lc_inputs_line(&d->inputs, index, active ? in->text : in->text_off);
    }
}

/* Lines of sensors and microphone. */
static void post_came(void *ctx, uint32_t events)
{
    parts *d = ctx;
    lc_post post;
    (void)events;
    while (lc_postbox_take(&d->postbox, &post)) {
        if (!d->stopping) {
            lc_inputs_line(&d->inputs, post.source, post.text);
        }
    }
}

/* ---- actions ---- */

static void message_publish(parts *d, uint64_t now_ms, const lc_message *m)
{
    char topic[LC_TOPIC_BYTES_MAX];
    bool fits = lc_topics_write(&d->topics, (lc_topic)m->topic, m->name, m->task, topic);
    lc_assert(fits); /* root, device and task names are short */
    const lc_mqtt_request request = {.response_topic = d->esc_rsp,
                                     .correlation = m->ask_id,
                                     .correlation_bytes = LC_ESC_ID_BYTES,
                                     .expiry_s = m->expiry_s};
    lc_err err = m->ask_id
                     ? lc_mqtt_ask(d->mqtt, m->id, topic, m->payload, m->bytes, &request)
                     : lc_mqtt_publish(d->mqtt, m->id, topic, m->payload, m->bytes, m->qos,
                                       m->retain);
    if (err == LC_ERR_LIMIT || err == LC_ERR_BUSY) {
        lc_node_ack(d->node, now_ms, m->id, err == LC_ERR_LIMIT ? REASON_TOO_LARGE : REASON_BUSY);
    } /* LINK: `down` follows, and the node sends it again */
}

static void health_give(parts *d, uint64_t now_ms)
{
    lc_vitals vitals;
    lc_vitals_read("", d->config->storage, &vitals);
    lc_vitals_tell(&d->vitals, &vitals);
    d->vitals = vitals;
    d->health.failed = d->engine.failed;
    uint32_t bytes = lc_health_write(&d->health, now_ms, d->report, sizeof d->report);
    lc_assert(bytes > 0);
    lc_node_health(d->node, now_ms, d->report, bytes);
}

static void act_run(parts *d, const lc_actor_do *act)
{
    if (act->output < d->outputs.options.pin_count) {
        lc_pins_set(&d->pins, act->output, act->active);
    } else if (act->active) {
        lc_sound_play(&d->sound, &act->order);
    } else {
        lc_sound_silence(&d->sound);
    }
}

static void action_run(parts *d, uint64_t now_ms, const lc_action *a)
{
    switch ((lc_action_kind)a->kind) {
    case LC_DO_LOG:
        lc_log_saying(&a->saying);
        if (a->saying.code == LC_SAY_STORE_FAILED) {
            lc_log(LC_LOG_ERROR, "storage.path %s: %s", d->config->storage, d->store.trouble);
        }
        break;
    case LC_DO_START:
        if (d->config->log_text) {
            lc_log(LC_LOG_INFO, "line: %.*s",
                   (int)(a->work.bytes > LC_LINE_BYTES_MAX ? 0 : a->work.bytes), a->work.text);
        }
        lc_worker_start(&d->worker, &a->work);
        break;
    case LC_DO_CANCEL:
        lc_worker_cancel(&d->worker, a->work.ticket);
        break;
    case LC_DO_RESUME:
        lc_inputs_resume(&d->inputs, a->source);
        break;
    case LC_DO_CONNECT:
        lc_mqtt_connect(d->mqtt);
        break;
    case LC_DO_CLOSE:
        lc_mqtt_drop(d->mqtt, LC_LINK_TIMEOUT);
        break;
    case LC_DO_PUBLISH:
        message_publish(d, now_ms, &a->message);
        break;
    case LC_DO_ACT:
        act_run(d, &a->act);
        break;
    case LC_DO_HEALTH:
        health_give(d, now_ms);
        break;
    case LC_DO_WATCHDOG:
        lc_sdnotify("WATCHDOG=1");
        break;
    case LC_DO_STOP:
        lc_mqtt_leave(d->mqtt);
        lc_loop_stop(&d->loop);
        break;
    }
}

static void clock_tell(parts *d, uint64_t now_ms)
{
    uint64_t wall_ms;
    lc_str quality = lc_clock_read(&wall_ms);
    lc_node_clock(d->node, now_ms, wall_ms, quality);
    d->clock_ms = now_ms + CLOCK_EVERY_MS;
}

/* Pings need no more than a few looks in a keep-alive time. */
static void link_tick(parts *d, uint64_t now_ms)
{
    uint32_t every_ms = d->config->keepalive_s * 1000u / 6u;
    every_ms = every_ms > 5000u ? 5000u : every_ms < 1000u ? 1000u : every_ms;
    d->tick_ms = now_ms + (lc_mqtt_is_up(d->mqtt) ? every_ms : 1000u);
    lc_mqtt_tick(d->mqtt);
}

static uint64_t daemon_turn(void *ctx, uint64_t now_ms)
{
    parts *d = ctx;
    lc_action action;
    if (now_ms >= d->clock_ms) {
        clock_tell(d, now_ms);
    }
    if (now_ms >= d->tick_ms) {
        link_tick(d, now_ms);
    }
    uint64_t wake = lc_inputs_tick(&d->inputs, now_ms), pins_ms = lc_pins_tick(&d->pins, now_ms);
    if (d->options.until_eof && !d->stopping && lc_inputs_ended(&d->inputs)) {
        stop_begin(d, UINT32_MAX);
    }
    while (lc_node_next(d->node, now_ms, &action)) {
        action_run(d, now_ms, &action);
    }
    uint64_t node_ms = lc_node_wake_ms(d->node, now_ms);
    wake = node_ms < wake ? node_ms : wake;
    wake = pins_ms < wake ? pins_ms : wake;
    wake = d->clock_ms < wake ? d->clock_ms : wake;
    return d->tick_ms < wake ? d->tick_ms : wake;
}

/* ---- starting ---- */

static int fail(int rc, const char *what, const char *why)
{
    lc_log(LC_LOG_ERROR, "%s: %s", what, why);
    return rc;
}

static void sources_name(parts *d)
{
    const lc_config *c = d->config;
    for (uint32_t i = 0; i < c->input_count; i++) {
        d->source[i] = lc_str_from(c->input[i].id);
        d->node_source[i] = (lc_node_source){d->source[i], lc_input_waits(&c->input[i])};
    }
    d->source[c->input_count] = lc_str_from("dn");
    d->node_source[c->input_count] = (lc_node_source){lc_str_from("dn"), false};
    d->source_count = c->input_count + 1;
}

static void filter_add(parts *d, const char *filter)
{
    for (uint32_t i = 0; i < d->filter_count; i++) {
        if (strcmp(d->filter[i], filter) == 0) {
            return; /* asked for twice, a message would come twice */
        }
    }
    d->filter[d->filter_count++] = filter;
}

static bool topics_set(parts *d)
{
    const lc_config *c = d->config;
    d->topics = (lc_topics){c->topic_root, c->dev};
    bool fit = lc_topics_down(&d->topics, "text", d->dn_text) &&
               lc_topics_down(&d->topics, "cmd/+", d->dn_cmd) &&
               lc_topics_down(&d->topics, "ack", d->dn_ack) &&
               lc_topics_down(&d->topics, "esc/rsp", d->esc_rsp) &&
               lc_topics_worker(&d->topics, d->esc_state) &&
               lc_topics_write(&d->topics, LC_TOPIC_STATE, (lc_str){0}, 0, d->will);
    filter_add(d, d->dn_text);
    filter_add(d, d->dn_cmd);
    if (c->ack == 1) {
        filter_add(d, d->dn_ack);
    }
    for (uint32_t i = 0; i < c->input_count; i++) {
        if (c->input[i].kind == LC_INPUT_MQTT) {
            filter_add(d, c->input[i].topic);
        }
    }
    return fit;
}

static int store_start(parts *d)
{
    const char *path = d->config->storage;
    lc_diag diag = {.text = d->store.trouble};
    if (!path[0]) {
        lc_log(LC_LOG_NOTICE, "storage.path is empty: nothing outlives a restart");
        bool made = lc_identity_make(&d->identity) == LC_OK;
        d->health.boot = d->identity.boot;
        return made ? 0 : fail(EXIT_BOARD, "identity", "the system gives no random numbers");
    }
    lc_err err = lc_store_open(&d->store, path);
    err = err == LC_OK ? lc_identity_open(&d->store, &d->identity, &diag) : err;
    if (err != LC_OK) { /* without counted starts (dev, boot, seq) would repeat */
        lc_log(LC_LOG_ERROR, "storage.path %s: %s%s", path,
               err == LC_ERR_BUSY ? "another process has it: " : "", diag.text);
        return err == LC_ERR_BUSY ? lc_err_exit(err) : EXIT_BOARD;
    }
    d->stored = true;
    d->health.boot = d->identity.boot;
    return 0;
}

static int job_start(parts *d)
{
    static lc_json_diag json;
    lc_diag diag = {0};
    lc_err err = lc_job_file_open(&d->file, d->config->job, &json);
    if (err != LC_OK) {
        return fail(lc_err_exit(err), d->file.path, json.text);
    }
    d->job_options.tasks = lc_pool_tasks(&d->pool);
    d->job_options.cancel = &d->worker.cancel;
    err = lc_memory_open(&d->memory, daemon_lay_out, d, &diag);
    if (err != LC_OK) {
        lc_log(LC_LOG_ERROR, "%s: %s at byte %llu: %s", d->file.path, lc_err_text(err),
               (unsigned long long)diag.offset, diag.text);
        return lc_err_exit(err);
    }
    d->engine.text = lc_job_policy(d->engine.job)->report_text;
    return 0;
}

static int threads_start(parts *d)
{
    uint32_t features = lc_cpu_features();
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t threads = d->config->threads_prefill;
    threads = threads > 0 ? threads : cores > 0 ? (uint32_t)cores : 1;
    threads = threads > LC_POOL_THREADS_MAX ? LC_POOL_THREADS_MAX : threads;
    d->job_options.kernels = lc_level_best(features);
    lc_cpu_names(features, d->cpu, sizeof d->cpu);
    d->health.level = d->job_options.kernels->name;
    d->health.cpu = d->cpu;
    d->health.threads = threads;
    if (lc_pool_open(&d->pool, threads) != LC_OK) {
        return fail(EXIT_BOARD, "threads", "the system gives none");
    }
    d->pool.single = d->config->threads_decode;
    return 0;
}

static int link_start(parts *d)
{
    const lc_config *c = d->config;
    if (lc_job_escalates(d->engine.job)) {
        filter_add(d, d->esc_rsp);
        filter_add(d, d->esc_state);
    }
    const lc_mqtt_options options = {.url = c->url,
                                     .client_id = c->dev,
                                     .user = c->user,
                                     .password_file = c->password_file,
                                     .ca_file = c->ca,
                                     .cert_file = c->cert,
                                     .key_file = c->key,
                                     .protocol = (lc_mqtt_protocol)c->protocol,
                                     .keepalive_s = c->keepalive_s,
                                     .window = c->window,
                                     .payload_max = LC_PAYLOAD_BYTES_MAX,
                                     .will_topic = d->will,
                                     .will_delay_s = WILL_DELAY_S,
                                     .boot = d->identity.boot,
                                     .filter = d->filter,
                                     .filter_count = d->filter_count};
    const lc_mqtt_events events = {
        .ctx = d, .up = link_up, .down = link_down, .ack = message_acked, .message = message_came};
    d->mqtt = lc_mqtt_open(&d->loop, &options, &events);
    return d->mqtt ? 0 : fail(EXIT_BOARD, "mqtt", "the system gives no memory or descriptor");
}

static int worker_start(parts *d)
{
    d->engine.dev = lc_str_from(d->config->dev);
    d->engine.boot = d->identity.boot;
    d->engine.source = d->source;
    memcpy(d->engine.hasher.salt, d->identity.salt, LC_SALT_BYTES);
    const lc_engine engine = {lc_job_engine_run, &d->engine};
    if (lc_worker_open(&d->worker, &engine) != LC_OK ||
        lc_loop_watch(&d->loop, &d->worker_watch, d->worker.done_fd, EPOLLIN, worker_done, d) !=
            LC_OK) {
        return fail(EXIT_BOARD, "worker", lc_log_reason(errno));
    }
    return 0;
}

static int status_start(parts *d)
{
    const char *path = d->config->status_socket;
    if (!path[0]) {
        return 0;
    }
    d->status.write = status_write;
    d->status.ctx = d;
    lc_err err = lc_status_open(&d->status, &d->loop, path);
    if (err == LC_ERR_BUSY) {
        return fail(lc_err_exit(err), path, "another daemon answers there");
    }
    if (err != LC_OK) { /* worth a line, not worth a halt */
        lc_log(LC_LOG_WARNING, "status.socket %s: %s; going on without", path,
               lc_log_reason(errno));
    }
    return 0;
}

static int inputs_start(parts *d)
{
    const lc_config_input *failed = NULL;
    if (lc_inputs_open(&d->inputs, &d->loop, d->node, &failed) != LC_OK) {
        return fail(EXIT_BOARD, failed->path[0] ? failed->path : "stdin", lc_log_reason(errno));
    }
    return 0;
}

static void outputs_rest(void *ctx)
{
    lc_pins_rest(ctx);
}

static int senses_start(parts *d)
{
    if (lc_postbox_open(&d->postbox) != LC_OK ||
        lc_loop_watch(&d->loop, &d->postbox_watch, d->postbox.fd, EPOLLIN, post_came, d) != LC_OK ||
        lc_sensors_open(&d->sensors, d->config, &d->postbox) != LC_OK ||
        lc_listen_open(&d->listen, d->config, &d->postbox) != LC_OK) {
        return fail(EXIT_BOARD, "sensors", "the system gives no thread or descriptor");
    }
    return 0;
}

static int outputs_start(parts *d)
{
    if (lc_outputs_check(&d->outputs, d->engine.job) != LC_OK) {
        return lc_err_exit(LC_ERR_FORMAT);
    }
    lc_pins_open(&d->pins, d->config, &d->loop, pin_changed, d);
    const lc_sound_options sound = {d->config->sound_device, d->config->clips, d->config->volume};
    if (sound.device[0] && lc_sound_open(&d->sound, &sound) != LC_OK) {
        return fail(EXIT_BOARD, "sound", "the system gives no thread");
    }
    return 0;
}

static int parts_start(parts *d)
{
    lc_crash_watch(outputs_rest, &d->pins); /* before the others, who may add theirs */
    int (*const start[])(parts *) = {store_start,  threads_start, job_start,
                                     worker_start, link_start,    status_start,
                                     inputs_start, senses_start,  outputs_start};
    int rc = 0;
    for (size_t i = 0; i < sizeof start / sizeof start[0] && rc == 0; i++) {
        rc = start[i](d);
    }
    return rc;
}

static int daemon_open(parts *d)
{
    d->health.config = d->config;
    d->health.arenas = &d->memory.arenas;
    d->health.loop = &d->loop;
    d->health.pins = &d->pins;
    d->health.sound = &d->sound;
    d->health.sensors = &d->sensors;
    d->health.listen = &d->listen;
    d->health.source = d->source;
    d->health.protocol = "";
    d->store = (lc_store){.folder = -1, .fd = {-1, -1, -1}};
    d->worker.done_fd = d->status.fd = d->worker_watch.fd = -1;
    d->postbox.fd = d->postbox_watch.fd = -1;
    d->signal_fd = lc_loop_signals();
    if (lc_loop_open(&d->loop) != LC_OK ||
        lc_loop_watch(&d->loop, &d->signal_watch, d->signal_fd, EPOLLIN, signal_came, d) != LC_OK) {
        return fail(EXIT_BOARD, "event loop", lc_log_reason(errno));
    }
    sources_name(d);
    d->health.source_count = d->source_count;
    if (!topics_set(d)) {
        return fail(2, "topic_root", "topics would be too long");
    }
    int rc = parts_start(d);
    d->health.node = d->node;
    return rc;
}

static void daemon_close(parts *d)
{
    lc_pins_close(&d->pins);
    lc_sound_close(&d->sound);
    lc_sensors_close(&d->sensors);
    lc_listen_close(&d->listen);
    lc_postbox_close(&d->postbox);
    lc_inputs_close(&d->inputs);
    lc_status_close(&d->status, &d->loop);
    lc_mqtt_close(d->mqtt);
    lc_store_close(&d->store);
    lc_worker_close(&d->worker);
    lc_pool_close(&d->pool);
    lc_memory_close(&d->memory);
    lc_job_file_close(&d->file);
    lc_loop_close(&d->loop);
    if (d->signal_fd >= 0) {
        close(d->signal_fd);
    }
}

static void unused_say(const lc_config *c)
{
    if (c->keys[0]) {
        lc_log(LC_LOG_NOTICE, "config: keys are not used in this version");
    }
}

int lc_daemon_run(const lc_config *config, const lc_daemon_options *options)
{
    static parts d;
    d = (parts){.config = config, .options = *options};
    d.health.version = options->version;
    lc_log_level_set((lc_log_level)config->log_level);
    int rc = daemon_open(&d);
    if (rc == 0) {
        unused_say(config);
        if (lc_cap_set(HEAP_EXTRA_BYTES) != LC_OK) {
            lc_log(LC_LOG_WARNING, "no ceiling for the heap of libraries: %s",
                   lc_log_reason(errno));
        }
        lc_log(LC_LOG_NOTICE, "start: device %s, boot %u, job %.*s version %u, kernels %s",
               config->dev, d.identity.boot, (int)lc_job_name(d.engine.job).bytes,
               lc_job_name(d.engine.job).data, lc_job_ver(d.engine.job), d.health.level);
        lc_sdnotify("READY=1");
        rc = lc_loop_run(&d.loop, daemon_turn, &d) == LC_OK ? 0 : EXIT_BOARD;
    }
    daemon_close(&d);
    return rc;
}

int lc_daemon_rest(const lc_config *config)
{
    static lc_pins pins;
    static lc_loop loop;
    if (lc_loop_open(&loop) != LC_OK) {
        return fail(EXIT_BOARD, "event loop", lc_log_reason(errno));
    }
    static lc_config outputs;
    outputs = *config;
    outputs.input_count = 0;
    lc_pins_open(&pins, &outputs, &loop, NULL, NULL);
    uint32_t missing = lc_pins_missing(&pins);
    lc_pins_close(&pins);
    lc_loop_close(&loop);
    return missing == 0 ? 0 : EXIT_BOARD;
}
