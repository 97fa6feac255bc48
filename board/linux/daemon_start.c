/* daemon_start.c - the daemon's parts opened, in an order in which each finds what it needs. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <unistd.h>

#include "cpu.h"
#include "crash.h"
#include "daemon_parts.h"
#include "log.h"
#include "prom.h"

#define WILL_DELAY_S 5u

/* Told of a device or not, a daemon does its work. */
static void announce_make(lc_daemon *d)
{
    lc_vitals vitals;
    lc_vitals_read(d->health.sys, d->config->storage, &vitals);
    const lc_discovery discovery = {.root = lc_str_from(d->config->topic_root),
                                    .dev = lc_str_from(d->config->dev),
                                    .version = lc_str_from(d->options.version),
                                    .job = d->ask.job,
                                    .task = d->ask.task,
                                    .task_count = lc_job_tasks(d->engine.job),
                                    .has_temp = vitals.has_temp,
                                    .has_drift = d->ask.policy->has_drift};
    lc_err err = lc_announce_make(&d->announce, &discovery, d->config->discovery,
                                  d->stored ? &d->store : NULL);
    if (err != LC_OK) {
        lc_log(LC_LOG_WARNING, "homeassistant: %s",
               err == LC_ERR_LIMIT ? "too many tasks and labels for its message"
                                   : d->store.trouble);
    }
}

/* ---- memory: what lays out also plans ---- */

/* What answers, as the audit has it: "pump 14 9c1f02aa". */
static void job_name(lc_daemon *d)
{
    lc_text t = lc_text_make(d->job_name, sizeof d->job_name);
    lc_str name = lc_job_name(d->engine.job);
    lc_text_put(&t, name.data, name.bytes);
    lc_text_add(&t, " ");
    lc_text_u64(&t, lc_job_ver(d->engine.job));
    lc_text_add(&t, " ");
    lc_text_hex(&t, lc_job_root(d->engine.job), LC_HEALTH_ROOT_BYTES);
    lc_assert(!t.full);
    d->job_name_bytes = (uint32_t)t.bytes;
}

static void drift_make(lc_daemon *d)
{
    const lc_policy *policy = d->ask.policy;
    d->drift = (lc_drift_options){.window = policy->drift_window,
                                  .psi = policy->drift_psi,
                                  .oos_rate = policy->drift_oos_rate};
    memcpy(d->drift.root, lc_job_root(d->engine.job), sizeof d->drift.root);
}

static lc_err node_lay_out(lc_daemon *d, lc_arena *state, lc_diag *diag)
{
    const lc_config *c = d->config;
    uint64_t seed = 0;
    uint32_t tasks = LC_TASKS_MAX; /* while measuring: the job cannot be asked yet */
    uint32_t birth_bytes = 0, update_bytes = 0;
    d->announce.text.data = d->announce.payload;
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
        job_name(d);
        drift_make(d);
        announce_make(d);
        birth_bytes = lc_health_birth(&d->health, d->birth, sizeof d->birth);
        update_bytes = lc_health_update(&d->health, d->update, sizeof d->update);
        (void)!getrandom(&seed, sizeof seed, GRND_NONBLOCK); /* jitter; any value will do */
    }
    d->ask.reply = lc_str_from(d->esc_rsp);
    d->ask.task_count = tasks;
    lc_node_options options = {.dev = lc_str_from(c->dev),
                               .job = {d->job_name, d->job_name_bytes},
                               .boot = d->identity.boot,
                               .source = d->node_source,
                               .source_count = d->source_count,
                               .task = d->task,
                               .task_count = tasks,
                               .birth = {d->birth, birth_bytes},
                               .update = {d->update, update_bytes},
                               .discovery = d->announce.text,
                               .inbox_bytes = c->inbox_kb * 1024u,
                               .outbox_bytes = c->outbox_kb * 1024u,
                               .window = c->window,
                               .batch = c->batch,
                               .deadline_ms = c->deadline_ms,
                               .acts = &d->outputs.options,
                               .ask = state->measuring || d->ask.policy->escalates ? &d->ask : NULL,
                               .drift =
                                   state->measuring || !d->ask.policy->has_drift ? NULL : &d->drift,
                               .link = true,
                               .seed = seed,
                               .port = d->stored ? &d->store.port : NULL,
                               .journal_bytes = (uint64_t)c->journal_mb << 20,
                               .moved_in = d->moved_in,
                               .e2e = c->ack == 1,
                               .backlog_per_s = c->backlog_per_s};
    return lc_node_open(&options, lc_loop_now_ms(), state, &d->node, diag);
}

static lc_err daemon_lay_out(void *ctx, lc_arenas *arenas, lc_diag *diag)
{
    lc_daemon *d = ctx;
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
/* ---- starting ---- */

int lc_daemon_fail(int rc, const char *what, const char *why)
{
    lc_log(LC_LOG_ERROR, "%s: %s", what, why);
    return rc;
}

static void sources_name(lc_daemon *d)
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

static void filter_add(lc_daemon *d, const char *filter)
{
    for (uint32_t i = 0; i < d->filter_count; i++) {
        if (strcmp(d->filter[i], filter) == 0) {
            return; /* asked for twice, a message would come twice */
        }
    }
    d->filter[d->filter_count++] = filter;
}

static bool topics_set(lc_daemon *d)
{
    const lc_config *c = d->config;
    d->topics = (lc_topics){c->topic_root, c->dev, c->home};
    bool fit = lc_topics_down(&d->topics, "text", d->dn_text) &&
               lc_topics_down(&d->topics, "cmd/+", d->dn_cmd) &&
               lc_topics_down(&d->topics, "ack", d->dn_ack) &&
               lc_topics_down(&d->topics, "esc/rsp", d->esc_rsp) &&
               lc_topics_worker(&d->topics, d->esc_state) &&
               lc_topics_home(&d->topics, "status", NULL, d->home_status) &&
               lc_topics_write(&d->topics, LC_TOPIC_STATE, (lc_str){0}, 0, d->will);
    filter_add(d, d->dn_text);
    filter_add(d, d->dn_cmd);
    if (c->ack == 1) {
        filter_add(d, d->dn_ack);
    }
    if (c->discovery) {
        filter_add(d, d->home_status);
    }
    for (uint32_t i = 0; i < c->input_count; i++) {
        if (c->input[i].kind == LC_INPUT_MQTT) {
            filter_add(d, c->input[i].topic);
        }
    }
    return fit;
}

/* What another id kept here is its own: set aside, so that nothing of it passes for ours. */
static lc_err identity_open(lc_daemon *d, lc_diag *diag)
{
    char serial[LC_SERIAL_BYTES_MAX + 1];
    lc_serial_read(d->config->serial_file, serial);
    const lc_identity_owner owner = {d->config->dev, serial, d->options.adopt};
    lc_err err = lc_identity_open(&d->store, &owner, &d->identity, diag);
    if (err != LC_OK || d->identity.whose != LC_OF_ANOTHER_ID) {
        return err;
    }
    lc_log(LC_LOG_NOTICE,
           "storage.path %s was of device %s: its files go to the folder former in it",
           d->config->storage, d->identity.former);
    lc_store_close(&d->store);
    err = lc_store_set_aside(&d->store, d->config->storage);
    err = err == LC_OK ? lc_store_open(&d->store, d->config->storage) : err;
    d->moved_in = err == LC_OK;
    return err == LC_OK ? lc_identity_open(&d->store, &owner, &d->identity, diag) : err;
}

static int store_start(lc_daemon *d)
{
    static const char copied_text[] =
        "kept on another board under this device.id: a copied card must not report as the first. "
        "Give this board an id of its own (\"x-{serial}\" makes one for each card), or, if the "
        "card "
        "was moved here on purpose, start once with --adopt";
    const char *path = d->config->storage;
    lc_diag diag = {.text = d->store.trouble};
    if (!path[0]) {
        lc_log(LC_LOG_NOTICE, "storage.path is empty: nothing outlives a restart");
        bool made = lc_identity_make(&d->identity) == LC_OK;
        d->health.boot = d->identity.boot;
        return made ? 0
                    : lc_daemon_fail(LC_DAEMON_EXIT_BOARD, "identity",
                                     "the system gives no random numbers");
    }
    lc_err err = lc_store_open(&d->store, path);
    err = err == LC_OK ? identity_open(d, &diag) : err;
    if (err == LC_OK && d->identity.whose != LC_OURS) {
        return lc_daemon_fail(LC_DAEMON_EXIT_BOARD, path, copied_text);
    }
    if (err != LC_OK) { /* without counted starts (dev, boot, seq) would repeat */
        lc_log(LC_LOG_ERROR, "storage.path %s: %s%s", path,
               err == LC_ERR_BUSY ? "another process has it: " : "", diag.text);
        return err == LC_ERR_BUSY ? lc_err_exit(err) : LC_DAEMON_EXIT_BOARD;
    }
    d->stored = true;
    d->health.boot = d->identity.boot;
    return 0;
}

static int job_start(lc_daemon *d)
{
    static lc_json_diag json;
    lc_diag diag = {0};
    lc_err err = lc_job_file_open(&d->file, d->config->job, &json);
    if (err != LC_OK) {
        return lc_daemon_fail(lc_err_exit(err), d->file.path, json.text);
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

static int threads_start(lc_daemon *d)
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
        return lc_daemon_fail(LC_DAEMON_EXIT_BOARD, "threads", "the system gives none");
    }
    d->pool.single = d->config->threads_decode;
    return 0;
}

static int link_start(lc_daemon *d)
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
    const lc_mqtt_events events = {.ctx = d,
                                   .up = lc_daemon_link_up,
                                   .down = lc_daemon_link_down,
                                   .ack = lc_daemon_message_acked,
                                   .message = lc_daemon_message_came};
    d->mqtt = lc_mqtt_open(&d->loop, &options, &events);
    return d->mqtt ? 0
                   : lc_daemon_fail(LC_DAEMON_EXIT_BOARD, "mqtt",
                                    "the system gives no memory or descriptor");
}

static int worker_start(lc_daemon *d)
{
    d->engine.dev = lc_str_from(d->config->dev);
    d->engine.boot = d->identity.boot;
    d->engine.source = d->source;
    memcpy(d->engine.hasher.salt, d->identity.salt, LC_SALT_BYTES);
    const lc_engine engine = {lc_job_engine_run, &d->engine};
    if (lc_worker_open(&d->worker, &engine) != LC_OK ||
        lc_loop_watch(&d->loop, &d->worker_watch, d->worker.done_fd, EPOLLIN, lc_daemon_worker_done,
                      d) != LC_OK) {
        return lc_daemon_fail(LC_DAEMON_EXIT_BOARD, "worker", lc_log_reason(errno));
    }
    return 0;
}

static int status_start(lc_daemon *d)
{
    static const lc_page page[] = {
        {LC_STATUS_PAGE, "application/json", lc_daemon_status_make},
        {LC_STATUS_METRICS, LC_PROM_TYPE, lc_daemon_metrics_make},
    };
    const char *path = d->config->status_socket;
    lc_pages *pages = &d->status.pages;
    if (!path[0]) {
        return 0;
    }
    pages->loop = &d->loop;
    pages->page = page;
    pages->page_count = sizeof page / sizeof page[0];
    pages->ctx = d;
    lc_err err = lc_status_open(&d->status, path);
    if (err == LC_ERR_BUSY) {
        return lc_daemon_fail(lc_err_exit(err), path, "another daemon answers there");
    }
    if (err != LC_OK) { /* worth a line, not worth a halt */
        lc_log(LC_LOG_WARNING, "status.socket %s: %s; going on without", path,
               lc_log_reason(errno));
    }
    return 0;
}

static int inputs_start(lc_daemon *d)
{
    const lc_config_input *failed = NULL;
    if (lc_inputs_open(&d->inputs, &d->loop, d->node, &failed) != LC_OK) {
        return lc_daemon_fail(LC_DAEMON_EXIT_BOARD, failed->path[0] ? failed->path : "stdin",
                              lc_log_reason(errno));
    }
    return 0;
}

static void outputs_rest(void *ctx)
{
    lc_pins_rest(ctx);
}

static int senses_start(lc_daemon *d)
{
    if (lc_postbox_open(&d->postbox) != LC_OK ||
        lc_loop_watch(&d->loop, &d->postbox_watch, d->postbox.fd, EPOLLIN, lc_daemon_post_came,
                      d) != LC_OK ||
        lc_sensors_open(&d->sensors, d->config, &d->postbox) != LC_OK ||
        lc_listen_open(&d->listen, d->config, &d->postbox) != LC_OK) {
        return lc_daemon_fail(LC_DAEMON_EXIT_BOARD, "sensors",
                              "the system gives no thread or descriptor");
    }
    return 0;
}

static int outputs_start(lc_daemon *d)
{
    if (lc_outputs_check(&d->outputs, d->engine.job) != LC_OK) {
        return lc_err_exit(LC_ERR_FORMAT);
    }
    lc_pins_open(&d->pins, d->config, &d->loop, lc_daemon_pin_changed, d);
    const lc_sound_options sound = {d->config->sound_device, d->config->clips, d->config->volume};
    if (sound.device[0] && lc_sound_open(&d->sound, &sound) != LC_OK) {
        return lc_daemon_fail(LC_DAEMON_EXIT_BOARD, "sound", "the system gives no thread");
    }
    return 0;
}

static int parts_start(lc_daemon *d)
{
    lc_crash_watch(outputs_rest, &d->pins); /* before the others, who may add theirs */
    int (*const start[])(lc_daemon *) = {store_start,  threads_start, job_start,
                                         worker_start, link_start,    status_start,
                                         inputs_start, senses_start,  outputs_start};
    int rc = 0;
    for (size_t i = 0; i < sizeof start / sizeof start[0] && rc == 0; i++) {
        rc = start[i](d);
    }
    return rc;
}

int lc_daemon_open(lc_daemon *d)
{
    d->health.config = d->config;
    d->health.arenas = &d->memory.arenas;
    d->health.loop = &d->loop;
    d->health.pins = &d->pins;
    d->health.sound = &d->sound;
    d->health.sensors = &d->sensors;
    d->health.listen = &d->listen;
    d->health.source = d->source;
    d->health.sys = d->config->board_root;
    lc_power_find(d->config, &d->health.power);
    d->health.protocol = "";
    d->store.folder = -1;
    for (uint32_t i = 0; i < LC_FILE_COUNT; i++) {
        d->store.fd[i] = -1;
    }
    d->worker.done_fd = d->worker_watch.fd = -1;
    d->postbox.fd = d->postbox_watch.fd = -1;
    d->status.pages.until_ms = UINT64_MAX;
    d->signal_fd = lc_loop_signals();
    if (lc_loop_open(&d->loop) != LC_OK ||
        lc_loop_watch(&d->loop, &d->signal_watch, d->signal_fd, EPOLLIN, lc_daemon_signal_came,
                      d) != LC_OK) {
        return lc_daemon_fail(LC_DAEMON_EXIT_BOARD, "event loop", lc_log_reason(errno));
    }
    sources_name(d);
    d->health.source_count = d->source_count;
    if (!topics_set(d)) {
        return lc_daemon_fail(2, "topic_root", "topics would be too long");
    }
    int rc = parts_start(d);
    d->health.node = d->node;
    return rc;
}

void lc_daemon_close(lc_daemon *d)
{
    lc_pins_close(&d->pins);
    lc_sound_close(&d->sound);
    lc_sensors_close(&d->sensors);
    lc_listen_close(&d->listen);
    lc_postbox_close(&d->postbox);
    lc_inputs_close(&d->inputs);
    lc_status_close(&d->status);
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
