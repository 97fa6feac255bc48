/* daemon_events.c - what the daemon's parts call: each tells the node, none decides. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cpu.h"
#include "daemon_parts.h"
#include "log.h"
#include "sdnotify.h"
#include "template.h"

#define STOP_FLUSH_MS 5000u
#define DETAILS_AGAIN_MS 3600000u
#define PACKET_EXTRA_BYTES (LC_TOPIC_BYTES_MAX + 64u) /* of a packet beside its payload */

/* ---- events ---- */

void lc_daemon_worker_done(void *ctx, uint32_t events)
{
    lc_daemon *d = ctx;
    uint32_t ticket, count;
    const lc_node_record *record;
    (void)events;
    if (lc_worker_take(&d->worker, &ticket, &record, &count)) {
        lc_node_finish(d->node, lc_loop_now_ms(), ticket, record, count);
    }
}

void lc_daemon_stop_begin(lc_daemon *d, uint32_t flush_ms)
{
    lc_node_cpu(d->node, lc_loop_now_ms(), lc_cpu_time_us());
    lc_node_stop(d->node, lc_loop_now_ms(), flush_ms);
    lc_inputs_close(&d->inputs);
    if (!d->stopping) {
        lc_sdnotify("STOPPING=1");
    }
    d->stopping = true;
}

void lc_daemon_signal_came(void *ctx, uint32_t events)
{
    lc_daemon *d = ctx;
    struct signalfd_siginfo info;
    (void)events;
    if (read(d->signal_fd, &info, sizeof info) != (ssize_t)sizeof info ||
        info.ssi_signo == SIGHUP) { /* the config is read at the start only */
        return;
    }
    lc_daemon_stop_begin(d, d->stopping ? 0 : STOP_FLUSH_MS); /* asked twice: at once */
}

void lc_daemon_link_up(void *ctx)
{
    lc_daemon *d = ctx;
    d->health.protocol = lc_mqtt_is_v5(d->mqtt) ? "5" : "3.1.1";
    uint32_t packet_max = lc_mqtt_limits_get(d->mqtt).packet_bytes_max;
    uint32_t least = packet_max > PACKET_EXTRA_BYTES ? packet_max - PACKET_EXTRA_BYTES : 1;
    lc_node_link_up(d->node, lc_loop_now_ms(), packet_max > 0 ? least : 0);
}

/* What exactly was wrong, in the words of library or broker: each once in an hour. */
static void detail_say(lc_daemon *d, uint64_t now_ms, const char *detail)
{
    uint32_t hash = lc_crc32c(0, detail, strlen(detail)) | 1u;
    if (now_ms - d->details_ms >= DETAILS_AGAIN_MS) {
        memset(d->detail, 0, sizeof d->detail);
        d->details_ms = now_ms;
    }
    for (uint32_t i = 0; i < LC_DAEMON_DETAILS_MAX; i++) {
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

void lc_daemon_link_down(void *ctx, lc_link_reason reason, const char *detail)
{
    lc_daemon *d = ctx;
    d->health.protocol = "";
    if (detail[0]) {
        detail_say(d, lc_loop_now_ms(), detail);
    }
    lc_node_link_down(d->node, lc_loop_now_ms(), reason);
}

void lc_daemon_message_acked(void *ctx, uint32_t id, uint32_t reason)
{
    lc_daemon *d = ctx;
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
static void collected(lc_daemon *d, const char *json, uint32_t bytes)
{
    uint64_t boot, seq = 0, event = 0, audit = 0, correction = 0;
    bool has_boot = number_read("{boot}", json, bytes, UINT32_MAX, &boot);
    bool has_seq = number_read("{seq}", json, bytes, UINT64_MAX - 1, &seq);
    bool has_event = number_read("{no}", json, bytes, UINT64_MAX - 1, &event);
    bool has_audit = number_read("{audit}", json, bytes, UINT64_MAX - 1, &audit);
    bool has_correction = number_read("{cor}", json, bytes, UINT64_MAX - 1, &correction);
    if (has_boot && (has_seq || has_event || has_audit || has_correction)) {
        const lc_collected has = {.boot = (uint32_t)boot,
                                  .seq = has_seq ? seq : 0,
                                  .event = has_event ? event : 0,
                                  .audit = has_audit ? audit : 0,
                                  .correction = has_correction ? correction : 0};
        lc_node_collected(d->node, lc_loop_now_ms(), &has);
    }
}

/* A command; in its payload may stand an id, which its sender made. */
static void command_came(lc_daemon *d, const char *name, const char *json, uint32_t bytes)
{
    char id[LC_AUDIT_WORD_MAX];
    size_t held = 0;
    lc_diag diag;
    if (lc_template_fill("{id}", json, bytes, id, sizeof id, &held, &diag) != LC_OK) {
        held = 0;
    }
    lc_node_command(d->node, lc_loop_now_ms(), lc_str_from(name), (lc_str){id, (uint32_t)held});
}

static void worker_spoke(lc_daemon *d, const char *json, uint32_t bytes)
{
    lc_esc_worker worker;
    bool good = bytes > 0 && lc_esc_worker_read(json, bytes, &worker) == LC_OK;
    lc_node_worker(d->node, lc_loop_now_ms(), good ? &worker : NULL);
}

static void upstream_answered(lc_daemon *d, const char *json, uint32_t bytes)
{
    bool good = lc_esc_reply_read(json, bytes, &d->reply) == LC_OK;
    lc_node_answer(d->node, lc_loop_now_ms(), good ? &d->reply.answer : NULL);
}

void lc_daemon_message_came(void *ctx, const char *topic, const char *payload, uint32_t bytes,
                            bool retained)
{
    lc_daemon *d = ctx;
    if (strcmp(topic, d->esc_state) == 0) {
        worker_spoke(d, payload, bytes);
        return;
    }
    if (retained || bytes > LC_PAYLOAD_BYTES_MAX) { /* retained: an old message, no line of now */
        return;
    }
    if (strcmp(topic, d->home_status) == 0 && bytes == 6 && memcmp(payload, "online", 6) == 0) {
        lc_node_announce(d->node, lc_loop_now_ms());
    }
    const char *rest = lc_topics_down_rest(&d->topics, topic);
    if (rest && strcmp(rest, "ack") == 0) {
        collected(d, payload, bytes);
    } else if (rest && strcmp(rest, "esc/rsp") == 0) {
        upstream_answered(d, payload, bytes);
    } else if (rest && strcmp(rest, "text") == 0) {
        lc_inputs_text(&d->inputs, payload, bytes);
    } else if (rest && strncmp(rest, "cmd/", 4) == 0) {
        command_came(d, rest + 4, payload, bytes);
    } else {
        lc_inputs_message(&d->inputs, topic, payload, bytes);
    }
}

typedef uint32_t page_fn(const lc_health *health, uint64_t now_ms, char *out, uint32_t max);

static lc_str page_make(lc_daemon *d, page_fn *write, const char *end)
{
    d->health.failed = d->engine.failed;
    uint32_t bytes = write(&d->health, lc_loop_now_ms(), d->page, sizeof d->page - 1);
    lc_assert(bytes > 0);
    memcpy(d->page + bytes, end, strlen(end));
    return (lc_str){d->page, bytes + (uint32_t)strlen(end)};
}

lc_str lc_daemon_status_make(void *ctx)
{
    return page_make(ctx, lc_health_status, "\n");
}

lc_str lc_daemon_metrics_make(void *ctx)
{
    return page_make(ctx, lc_health_metrics, "");
}

/* A pin: a line, or somebody who has seen the alarm, or the switch for maintenance. */
void lc_daemon_pin_changed(void *ctx, uint32_t index, bool active)
{
    lc_daemon *d = ctx;
    const lc_config_input *in = &d->config->input[index];
    uint64_t now_ms = lc_loop_now_ms();
    if (in->use == LC_PIN_GATE) {
        lc_node_pause(d->node, now_ms, active, d->source[index]);
    } else if (in->use == LC_PIN_ACKNOWLEDGE) {
        if (active) {
            lc_node_acknowledge(d->node, now_ms, d->source[index]);
        }
    } else if (active ? in->text[0] : in->text_off[0]) {
        lc_inputs_line(&d->inputs, index, active ? in->text : in->text_off);
    }
}

/* Lines of sensors and microphone. */
void lc_daemon_post_came(void *ctx, uint32_t events)
{
    lc_daemon *d = ctx;
    lc_post post;
    (void)events;
    while (lc_postbox_take(&d->postbox, &post)) {
        if (!d->stopping) {
            lc_inputs_line(&d->inputs, post.source, post.text);
        }
    }
}
