/* daemon.c - events in, actions out, until someone says stop. */
#include <errno.h>
#include <stdio.h>

#include "cap.h"
#include "cpu.h"
#include "daemon_parts.h"
#include "log.h"
#include "sdnotify.h"

#define CLOCK_EVERY_MS 10000u
#define HEAP_EXTRA_BYTES (32u << 20) /* for libraries, once we run */
#define REASON_TOO_LARGE 0x95u
#define REASON_BUSY 0x97u

/* ---- actions ---- */

static void message_publish(lc_daemon *d, uint64_t now_ms, const lc_message *m)
{
    char topic[LC_TOPIC_BYTES_MAX];
    bool fits = lc_topics_write(&d->topics, (lc_topic)m->topic, m->name, m->task, topic);
    lc_assert(fits); /* root, device and task names are short */
    char trace[LC_DEVICE_BYTES_MAX + 40];
    snprintf(trace, sizeof trace, "%s/%u/%llu", d->config->dev, m->ask_boot,
             (unsigned long long)m->ask_seq);
    const lc_mqtt_request request = {.response_topic = d->esc_rsp,
                                     .correlation = m->ask_id,
                                     .correlation_bytes = LC_ESC_ID_BYTES,
                                     .expiry_s = m->expiry_s,
                                     .trace = trace};
    lc_err err =
        m->ask_id ? lc_mqtt_ask(d->mqtt, m->id, topic, m->payload, m->bytes, &request)
                  : lc_mqtt_publish(d->mqtt, m->id, topic, m->payload, m->bytes, m->qos, m->retain);
    if (err == LC_ERR_LIMIT || err == LC_ERR_BUSY) {
        lc_node_ack(d->node, now_ms, m->id, err == LC_ERR_LIMIT ? REASON_TOO_LARGE : REASON_BUSY);
    } /* LINK: `down` follows, and the node sends it again */
}

static void health_give(lc_daemon *d, uint64_t now_ms)
{
    d->health.failed = d->engine.failed;
    uint32_t bytes = lc_health_write(&d->health, now_ms, d->report, sizeof d->report);
    lc_assert(bytes > 0);
    lc_node_health(d->node, now_ms, d->report, bytes);
}

static void act_run(lc_daemon *d, uint64_t now_ms, const lc_actor_do *act)
{
    if (act->output < d->outputs.options.pin_count) {
        if (!lc_pins_set(&d->pins, act->output, act->active)) {
            lc_node_unmoved(d->node, now_ms, act->output);
        }
    } else if (act->active) {
        lc_sound_play(&d->sound, &act->order);
    } else {
        lc_sound_silence(&d->sound);
    }
}

static void action_run(lc_daemon *d, uint64_t now_ms, const lc_action *a)
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
        act_run(d, now_ms, &a->act);
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

/* How the board is; that it is near its limits must not depend on who asks for reports. */
static void vitals_look(lc_daemon *d, uint64_t now_ms)
{
    lc_vitals v;
    lc_vitals_read(d->config->board_root, d->config->storage, &v);
    lc_vitals_tell(&d->vitals, &v);
    d->vitals = v;
    const lc_signs signs = {v.has_margin, v.margin_mc, v.has_throttle ? v.throttle : 0};
    lc_node_signs(d->node, now_ms, &signs);
}

static void clock_tell(lc_daemon *d, uint64_t now_ms)
{
    uint64_t wall_ms;
    lc_str quality = lc_clock_read(&wall_ms);
    vitals_look(d, now_ms);
    lc_node_cpu(d->node, now_ms, lc_cpu_time_us());
    lc_node_clock(d->node, now_ms, wall_ms, quality);
    d->clock_ms = now_ms + CLOCK_EVERY_MS;
}

/* Pings need no more than a few looks in a keep-alive time. */
static void link_tick(lc_daemon *d, uint64_t now_ms)
{
    uint32_t every_ms = d->config->keepalive_s * 1000u / 6u;
    every_ms = every_ms > 5000u ? 5000u : every_ms < 1000u ? 1000u : every_ms;
    d->tick_ms = now_ms + (lc_mqtt_is_up(d->mqtt) ? every_ms : 1000u);
    lc_mqtt_tick(d->mqtt);
}

static uint64_t daemon_turn(void *ctx, uint64_t now_ms)
{
    lc_daemon *d = ctx;
    lc_action action;
    if (now_ms >= d->clock_ms) {
        clock_tell(d, now_ms);
    }
    if (now_ms >= d->tick_ms) {
        link_tick(d, now_ms);
    }
    uint64_t wake = lc_inputs_tick(&d->inputs, now_ms), pins_ms = lc_pins_tick(&d->pins, now_ms);
    if (d->options.until_eof && !d->stopping && lc_inputs_ended(&d->inputs)) {
        lc_daemon_stop_begin(d, UINT32_MAX);
    }
    while (lc_node_next(d->node, now_ms, &action)) {
        action_run(d, now_ms, &action);
    }
    uint64_t node_ms = lc_node_wake_ms(d->node, now_ms);
    wake = node_ms < wake ? node_ms : wake;
    uint64_t status_ms = lc_pages_tick(&d->status.pages, now_ms);
    wake = pins_ms < wake ? pins_ms : wake;
    wake = status_ms < wake ? status_ms : wake;
    wake = d->clock_ms < wake ? d->clock_ms : wake;
    return d->tick_ms < wake ? d->tick_ms : wake;
}
/* ---- all of it ---- */

static void unused_say(const lc_config *c)
{
    if (c->keys[0]) {
        lc_log(LC_LOG_NOTICE, "config: keys are not used in this version");
    }
}

int lc_daemon_run(const lc_config *config, const lc_daemon_options *options)
{
    static lc_daemon d;
    d = (lc_daemon){.config = config, .options = *options};
    d.health.version = options->version;
    lc_log_level_set((lc_log_level)config->log_level);
    int rc = lc_daemon_open(&d);
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
        rc = lc_loop_run(&d.loop, daemon_turn, &d) == LC_OK ? 0 : LC_DAEMON_EXIT_BOARD;
    }
    lc_daemon_close(&d);
    return rc;
}

int lc_daemon_rest(const lc_config *config)
{
    static lc_pins pins;
    static lc_loop loop;
    if (lc_loop_open(&loop) != LC_OK) {
        return lc_daemon_fail(LC_DAEMON_EXIT_BOARD, "event loop", lc_log_reason(errno));
    }
    static lc_config outputs;
    outputs = *config;
    outputs.input_count = 0;
    lc_pins_open(&pins, &outputs, &loop, NULL, NULL);
    uint32_t missing = lc_pins_missing(&pins);
    lc_pins_close(&pins);
    lc_loop_close(&loop);
    return missing == 0 ? 0 : LC_DAEMON_EXIT_BOARD;
}
