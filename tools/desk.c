/* desk.c - connects, waits longer after each failure, leaves when asked. */
#include "desk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "../board/linux/log.h"

#define TICK_MS 1000u
#define WAIT_FIRST_MS 250u
#define WAIT_MAX_MS 30000u

static void up_came(void *ctx)
{
    lc_desk *desk = ctx;
    desk->wait_ms = WAIT_FIRST_MS;
    lc_log(LC_LOG_NOTICE, "connected, MQTT %s", lc_mqtt_is_v5(desk->mqtt) ? "5" : "3.1.1");
    desk->events.up(desk->events.ctx);
}

static void down_came(void *ctx, lc_link_reason reason, const char *detail)
{
    lc_desk *desk = ctx;
    desk->connect_ms = lc_loop_now_ms() + desk->wait_ms;
    lc_log(LC_LOG_WARNING, "no broker (reason %d%s%s); again in %u ms", (int)reason,
           detail[0] ? ": " : "", detail, desk->wait_ms);
    desk->wait_ms = desk->wait_ms * 2 > WAIT_MAX_MS ? WAIT_MAX_MS : desk->wait_ms * 2;
}

static void ack_came(void *ctx, uint32_t id, uint32_t reason)
{
    lc_desk *desk = ctx;
    desk->events.ack(desk->events.ctx, id, reason);
}

static void message_came(void *ctx, const char *topic, const char *payload, uint32_t bytes,
                         bool retained)
{
    lc_desk *desk = ctx;
    desk->events.message(desk->events.ctx, topic, payload, bytes, retained);
}

static void signal_came(void *ctx, uint32_t events)
{
    lc_desk *desk = ctx;
    struct signalfd_siginfo info;
    (void)events;
    if (read(desk->signals.fd, &info, sizeof info) == (ssize_t)sizeof info) {
        desk->stop_ms = desk->stopping ? 0 : lc_loop_now_ms() + LC_DESK_STOP_MS;
        desk->stopping = true;
    }
}

static uint64_t desk_turn(void *ctx, uint64_t now_ms)
{
    lc_desk *desk = ctx;
    if (now_ms >= desk->connect_ms && !desk->stopping) {
        desk->connect_ms = UINT64_MAX;
        lc_mqtt_connect(desk->mqtt);
    }
    if (now_ms >= desk->tick_ms) {
        desk->tick_ms = now_ms + TICK_MS;
        lc_mqtt_tick(desk->mqtt);
    }
    uint64_t wake = desk->events.turn(desk->events.ctx, now_ms);
    if (desk->stopping && (desk->events.finished(desk->events.ctx) || now_ms >= desk->stop_ms)) {
        lc_loop_stop(&desk->loop);
    }
    wake = desk->connect_ms < wake ? desk->connect_ms : wake;
    wake = desk->stopping && desk->stop_ms < wake ? desk->stop_ms : wake;
    return desk->tick_ms < wake ? desk->tick_ms : wake;
}

/* ---- for everyone ---- */

int lc_desk_defaults(lc_desk_options *o, const char *verb, char fallback_id[64])
{
    char host[LC_MQTT_HOST_BYTES_MAX], name[32] = "";
    uint16_t port;
    bool tls;
    lc_diag diag = {0};
    const char **const text[] = {&o->user, &o->password_file, &o->ca, &o->cert, &o->key};
    for (size_t i = 0; i < LC_COUNT(text); i++) {
        *text[i] = *text[i] ? *text[i] : "";
    }
    o->broker = o->broker ? o->broker : getenv("LEAFCUTTER_BROKER");
    o->root = o->root ? o->root : LC_DESK_ROOT;
    if (!o->broker) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "--broker mqtt://localhost", "which broker?");
    }
    if (lc_mqtt_url(o->broker, host, &port, &tls, &diag) != LC_OK) {
        return lc_ui_error(LC_EXIT_USAGE, o->broker, NULL, "%s", diag.text);
    }
    if (!o->id) {
        (void)!gethostname(name, sizeof name - 1);
        snprintf(fallback_id, 64, "leafcutter-%s-%s-%ld", verb, name, (long)getpid());
        o->id = fallback_id;
    }
    return LC_UI_GO;
}

int lc_desk_open(lc_desk *desk, const lc_desk_options *o, lc_mqtt_options mqtt,
                 const lc_desk_events *events)
{
    const lc_mqtt_events heard = {
        .ctx = desk, .up = up_came, .down = down_came, .ack = ack_came, .message = message_came};
    *desk = (lc_desk){.events = *events, .wait_ms = WAIT_FIRST_MS, .signals.fd = -1};
    mqtt.url = o->broker;
    mqtt.client_id = o->id;
    mqtt.user = o->user;
    mqtt.password_file = o->password_file;
    mqtt.ca_file = o->ca;
    mqtt.cert_file = o->cert;
    mqtt.key_file = o->key;
    int fd = lc_loop_signals();
    if (lc_loop_open(&desk->loop) != LC_OK ||
        lc_loop_watch(&desk->loop, &desk->signals, fd, EPOLLIN, signal_came, desk) != LC_OK) {
        return lc_ui_error(LC_EXIT_BOARD, NULL, NULL, "event loop: %s", lc_log_reason(errno));
    }
    desk->mqtt = lc_mqtt_open(&desk->loop, &mqtt, &heard);
    return desk->mqtt ? LC_UI_GO : lc_ui_no_memory();
}

int lc_desk_run(lc_desk *desk)
{
    lc_err err = lc_loop_run(&desk->loop, desk_turn, desk);
    if (lc_mqtt_is_up(desk->mqtt)) {
        lc_mqtt_leave(desk->mqtt);
    }
    return err == LC_OK
               ? LC_EXIT_OK
               : lc_ui_error(LC_EXIT_BOARD, NULL, NULL, "event loop: %s", lc_log_reason(errno));
}

void lc_desk_close(lc_desk *desk)
{
    int fd = desk->signals.fd;
    lc_mqtt_close(desk->mqtt);
    lc_loop_forget(&desk->loop, &desk->signals);
    lc_loop_close(&desk->loop);
    if (fd >= 0) {
        close(fd);
    }
}

bool lc_desk_device(const char *root, const char *topic, char dev[64], const char **rest)
{
    size_t bytes = strlen(root);
    if (strncmp(topic, root, bytes) != 0 || topic[bytes] != '/') {
        return false;
    }
    const char *name = topic + bytes + 1;
    size_t length = strcspn(name, "/");
    if (length == 0 || length >= 64 || strncmp(name + length, "/up/", 4) != 0) {
        return false;
    }
    memcpy(dev, name, length);
    dev[length] = '\0';
    *rest = name + length + 4;
    return true;
}
