/* probe.c - the loop, run until something awaited has come. */
#include "probe.h"

#include <string.h>

#define TICK_MS 500u

static void text_keep(char out[LC_PROBE_TEXT_MAX], const char *text, size_t bytes)
{
    bytes = bytes < LC_PROBE_TEXT_MAX ? bytes : LC_PROBE_TEXT_MAX - 1;
    memcpy(out, text, bytes);
    out[bytes] = '\0';
}

static void up_came(void *ctx)
{
    lc_probe *p = ctx;
    p->up = true;
}

static void down_came(void *ctx, lc_link_reason reason, const char *detail)
{
    lc_probe *p = ctx;
    p->down = true;
    p->up = false;
    p->reason = reason;
    text_keep(p->detail, detail, strlen(detail));
}

static void ack_came(void *ctx, uint32_t id, uint32_t reason)
{
    lc_probe *p = ctx;
    if (id < LC_MQTT_IDS_MAX) {
        p->ack[id] = (lc_probe_ack){true, reason, lc_loop_now_us()};
    }
}

static void message_came(void *ctx, const char *topic, const char *payload, uint32_t bytes,
                         bool retained)
{
    lc_probe *p = ctx;
    for (uint32_t i = 0; i < p->filter_count; i++) {
        if (strcmp(p->filter[i], topic) == 0) {
            p->heard[i].count++;
            p->heard[i].last_us = lc_loop_now_us();
            p->heard[i].retained = retained;
            text_keep(p->heard[i].text, payload, bytes);
        }
    }
}

static void granted_came(void *ctx, uint32_t filter_index, uint32_t reason)
{
    lc_probe *p = ctx;
    (void)filter_index;
    (void)reason; /* a forbidden subscription is granted as well */
    p->granted++;
}

bool lc_probe_open(lc_probe *p, const lc_mqtt_options *options)
{
    const lc_mqtt_events events = {.ctx = p,
                                   .up = up_came,
                                   .down = down_came,
                                   .ack = ack_came,
                                   .message = message_came,
                                   .granted = granted_came};
    *p = (lc_probe){.filter = options->filter, .filter_count = options->filter_count};
    if (lc_loop_open(&p->loop) != LC_OK) {
        return false;
    }
    p->mqtt = lc_mqtt_open(&p->loop, options, &events);
    if (!p->mqtt) {
        lc_loop_close(&p->loop);
    }
    return p->mqtt != NULL;
}

void lc_probe_close(lc_probe *p)
{
    if (lc_mqtt_is_up(p->mqtt)) {
        lc_mqtt_leave(p->mqtt);
    }
    lc_mqtt_close(p->mqtt);
    lc_loop_close(&p->loop);
}

/* ---- waiting ---- */

static uint64_t turn(void *ctx, uint64_t now_ms)
{
    lc_probe *p = ctx;
    if (now_ms >= p->tick_ms) {
        lc_mqtt_tick(p->mqtt);
        p->tick_ms = now_ms + TICK_MS;
    }
    if (p->down || (p->until && p->until(p)) || now_ms >= p->deadline_ms) {
        lc_loop_stop(&p->loop);
    }
    return p->tick_ms < p->deadline_ms ? p->tick_ms : p->deadline_ms;
}

/* True when it came in time. */
static bool wait(lc_probe *p, bool (*until)(const lc_probe *), uint32_t timeout_ms)
{
    p->until = until;
    p->deadline_ms = lc_loop_now_ms() + timeout_ms;
    return lc_loop_run(&p->loop, turn, p) == LC_OK && !p->down && until && until(p);
}

static bool is_ready(const lc_probe *p)
{
    return p->up && p->granted >= p->filter_count;
}

static bool is_acked(const lc_probe *p)
{
    return p->ack[p->wait_id].came;
}

bool lc_probe_connect(lc_probe *p, uint32_t timeout_ms)
{
    p->up = p->down = false;
    p->granted = 0;
    lc_mqtt_connect(p->mqtt);
    return wait(p, is_ready, timeout_ms);
}

bool lc_probe_publish(lc_probe *p, uint32_t id, const char *topic, const char *text)
{
    p->ack[id] = (lc_probe_ack){0};
    return lc_mqtt_publish(p->mqtt, id, topic, text, (uint32_t)strlen(text), 1, false) == LC_OK;
}

bool lc_probe_wait_ack(lc_probe *p, uint32_t id, uint32_t timeout_ms)
{
    p->wait_id = id;
    return wait(p, is_acked, timeout_ms);
}

void lc_probe_listen(lc_probe *p, uint32_t time_ms)
{
    (void)wait(p, NULL, time_ms);
}
