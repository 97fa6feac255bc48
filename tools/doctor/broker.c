/* broker.c - from the broker's name to our rights there, one step after another. */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "doctor.h"
#include "probe.h"

#define TCP_TIMEOUT_S 5
#define MQTT_TIMEOUT_MS 10000u
#define ACK_TIMEOUT_MS 5000u
#define ECHO_WAIT_MS 300u
#define TIMES 15u         /* round trips measured; odd */
#define TOGETHER 6u       /* messages handed over at once; within the window */
#define NAGLE_MIN_MS 25.0 /* delayed acknowledgements take 40 ms, seldom less */
#define SLOW_MS 200.0
#define NOT_AUTHORISED 0x87u

/* A message of ours has to fit, its topic and header too. */
#define PACKET_BYTES_NEEDED (LC_MESSAGE_BYTES_MAX + LC_TOPIC_BYTES_MAX + 64u)

/* Topics that the probe listens to, of which the first three are written to, and one that is only
 * written to: what comes back would be answered, and so hide that packets wait for each other. */
enum { OWN_UP, OWN_DOWN, OTHER_UP, OWN_STATE, BROKER_VERSION, FILTERS, OWN_TIME = FILTERS, TOPICS };

typedef struct visit {
    lc_doctor *doctor;
    const lc_config *config;
    char host[LC_MQTT_HOST_BYTES_MAX];
    uint16_t port;
    bool tls;
    char client_id[LC_DEVICE_BYTES_MAX + 16];
    char topic[TOPICS][LC_TOPIC_BYTES_MAX + LC_DEVICE_BYTES_MAX];
    const char *filter[FILTERS];
    lc_probe probe;
} visit;

/* ---- name and port ---- */

static struct addrinfo *name_resolve(visit *v)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list = NULL;
    char port[8], address[64] = "?";
    snprintf(port, sizeof port, "%u", v->port);
    int rc = getaddrinfo(v->host, port, &hints, &list);
    if (rc != 0) {
        lc_doctor_fail(v->doctor, LC_EXIT_BUSY, "dns", "%s: %s", v->host, gai_strerror(rc));
        lc_doctor_remedy(v->doctor, "check the name in broker.url, then this device's network and "
                                    "/etc/resolv.conf");
        return NULL;
    }
    getnameinfo(list->ai_addr, list->ai_addrlen, address, sizeof address, NULL, 0, NI_NUMERICHOST);
    lc_doctor_ok(v->doctor, "dns", "%s is %s", v->host, address);
    return list;
}

/* A blocking socket with time limits, or -1; errno says why. */
static int address_connect(const struct addrinfo *address)
{
    const struct timeval limit = {.tv_sec = TCP_TIMEOUT_S};
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* of connect, too */
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0) {
        return fd;
    }
    int reason = errno == EINPROGRESS ? ETIMEDOUT : errno;
    close(fd);
    errno = reason;
    return -1;
}

static int tcp_connect(visit *v, const struct addrinfo *list)
{
    uint64_t start_us = lc_loop_now_us();
    int fd = -1, reason = 0;
    for (; list && fd < 0; list = list->ai_next) {
        fd = address_connect(list);
        reason = fd < 0 ? errno : 0;
    }
    if (fd >= 0) {
        lc_doctor_ok(v->doctor, "tcp", "port %u of %s takes us, in %.1f ms", v->port, v->host,
                     (double)(lc_loop_now_us() - start_us) / 1000.0);
        return fd;
    }
    lc_doctor_fail(v->doctor, LC_EXIT_BUSY, "tcp", "port %u of %s: %s", v->port, v->host,
                   strerror(reason));
    lc_doctor_remedy(v->doctor, reason == ECONNREFUSED
                                    ? "the machine is there, but no broker on this port: start it, "
                                      "and see which port and address its listener has"
                                    : "is the machine on, and does a firewall lie between?");
    return -1;
}

/* ---- MQTT ---- */

static void topics_make(visit *v)
{
    const lc_config *c = v->config;
    const char *root = c->topic_root;
    size_t max = sizeof v->topic[0];
    snprintf(v->topic[OWN_UP], max, "%s/%s/up/doctor", root, c->dev);
    snprintf(v->topic[OWN_DOWN], max, "%s/%s/dn/doctor", root, c->dev);
    snprintf(v->topic[OTHER_UP], max, "%s/doctor-other/up/doctor", root);
    snprintf(v->topic[OWN_STATE], max, "%s/%s/up/state", root, c->dev);
    snprintf(v->topic[BROKER_VERSION], max, "$SYS/broker/version");
    snprintf(v->topic[OWN_TIME], max, "%s/%s/up/doctor/time", root, c->dev);
    for (uint32_t i = 0; i < FILTERS; i++) {
        v->filter[i] = v->topic[i];
    }
    /* The device's own id would push the daemon off the broker. */
    snprintf(v->client_id, sizeof v->client_id, "%s-doctor", c->dev);
}

static lc_mqtt_options options_make(const visit *v)
{
    const lc_config *c = v->config;
    return (lc_mqtt_options){.url = c->url,
                             .client_id = v->client_id,
                             .user = c->user,
                             .password_file = c->password_file,
                             .ca_file = c->ca,
                             .cert_file = c->cert,
                             .key_file = c->key,
                             .protocol = (lc_mqtt_protocol)c->protocol,
                             .keepalive_s = 30,
                             .window = 8, /* TOGETHER fits */
                             .payload_max = LC_PAYLOAD_BYTES_MAX,
                             .will_topic = "",
                             .filter = v->filter,
                             .filter_count = FILTERS};
}

static void refusal_explain(visit *v)
{
    lc_doctor *d = v->doctor;
    const lc_probe *p = &v->probe;
    const char *user = v->config->user;
    switch (p->reason) {
    case LC_LINK_PASSWORD:
    case LC_LINK_NOT_ALLOWED:
        lc_doctor_fail(d, LC_EXIT_BUSY, "auth", "the broker refuses %s%s: %s",
                       user[0] ? "user " : "a client without user name", user, p->detail);
        lc_doctor_remedy(d,
                         "broker.user and broker.password_file must be as the broker has them: "
                         "mosquitto_passwd FILE %s",
                         user[0] ? user : v->config->dev);
        break;
    case LC_LINK_ID_REFUSED:
        lc_doctor_fail(d, LC_EXIT_BUSY, "auth", "the broker refuses the client id %s: %s",
                       v->client_id, p->detail);
        lc_doctor_remedy(d, "allow ids that begin with the device's");
        break;
    case LC_LINK_TLS:
        lc_doctor_fail(d, LC_EXIT_BUSY, "tls", "the broker ends the handshake: %s", p->detail);
        lc_doctor_remedy(d, "does it want a certificate of this device (broker.tls.cert and key)?");
        break;
    default:
        lc_doctor_fail(d, LC_EXIT_BUSY, "mqtt", "the connection ends before the broker answers: %s",
                       p->detail[0] ? p->detail : lc_link_word(p->reason));
        lc_doctor_remedy(d, v->tls ? "does it want a certificate of this device, and is this "
                                     "listener for MQTT?"
                                   : "is this an MQTT listener, and not one for TLS (mqtts://)?");
    }
}

/* MQTT 5 may be refused, or hung up on, by an old broker: a second try then speaks 3.1.1. */
static bool mqtt_connect(visit *v)
{
    lc_probe *p = &v->probe;
    bool up = lc_probe_connect(p, MQTT_TIMEOUT_MS);
    bool version = p->reason == LC_LINK_CLOSED || p->reason == LC_LINK_PROTOCOL;
    if (!up && p->down && version && v->config->protocol == LC_MQTT_AUTO) {
        up = lc_probe_connect(p, MQTT_TIMEOUT_MS);
    }
    if (up) {
        lc_doctor_ok(v->doctor, "auth", "the broker takes %s%s",
                     v->config->user[0] ? "user " : "us without user name", v->config->user);
    } else if (p->down) {
        refusal_explain(v);
    } else {
        lc_doctor_fail(v->doctor, LC_EXIT_BUSY, "mqtt", "no answer within %u s",
                       MQTT_TIMEOUT_MS / 1000u);
        lc_doctor_remedy(v->doctor, "the broker hangs, or this is no MQTT listener");
    }
    return up;
}

static void protocol_check(visit *v)
{
    const lc_probe_heard *version = &v->probe.heard[BROKER_VERSION];
    const char *name = version->count > 0 ? version->text : "the broker";
    if (lc_mqtt_is_v5(v->probe.mqtt)) {
        lc_doctor_ok(v->doctor, "protocol", "%s speaks MQTT 5", name);
        return;
    }
    lc_doctor_warn(v->doctor, "protocol", "%s speaks MQTT 3.1.1", name);
    lc_doctor_remedy(v->doctor, "it works, but refused messages and missing receivers cannot be "
                                "told; a broker with MQTT 5 can tell");
}

static void limits_check(visit *v)
{
    lc_doctor *d = v->doctor;
    if (!lc_mqtt_is_v5(v->probe.mqtt)) {
        return; /* nothing is said about them */
    }
    lc_mqtt_limits limits = lc_mqtt_limits_get(v->probe.mqtt);
    if (limits.qos_max < 1) {
        lc_doctor_fail(d, LC_EXIT_BUSY, "limits", "the broker acknowledges nothing (QoS 0 only)");
        lc_doctor_remedy(d, "allow QoS 1");
    } else if (limits.packet_bytes_max > 0 && limits.packet_bytes_max < PACKET_BYTES_NEEDED) {
        lc_doctor_warn(d, "limits", "the broker takes packets of %u bytes, records can need %u",
                       limits.packet_bytes_max, PACKET_BYTES_NEEDED);
        lc_doctor_remedy(d, "max_packet_size 262144 in mosquitto.conf, or a smaller queue.batch; "
                            "what is too large is counted as lost");
    } else if (!limits.retain) {
        lc_doctor_warn(d, "limits", "the broker keeps no retained messages");
        lc_doctor_remedy(d, "retain_available true; without it nobody who comes later sees state, "
                            "birth and last labels");
    } else {
        char packet[48] = "packets of any size";
        if (limits.packet_bytes_max > 0) {
            snprintf(packet, sizeof packet, "packets up to %u bytes", limits.packet_bytes_max);
        }
        lc_doctor_ok(d, "limits", "%s, %u messages in flight, retained messages kept", packet,
                     limits.receive_max);
    }
}

/* ---- time ---- */

static int time_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorted times until the last of `together` messages, handed over at once, is acknowledged. False:
 * one was not. */
static bool times_measure(visit *v, uint32_t together, double ms[TIMES])
{
    for (uint32_t i = 0; i < TIMES; i++) {
        uint64_t start_us = lc_loop_now_us();
        for (uint32_t id = 1; id <= together; id++) {
            if (!lc_probe_publish(&v->probe, id, v->topic[OWN_TIME], "{\"v\":1}")) {
                return false;
            }
        }
        for (uint32_t id = 1; id <= together; id++) {
            if (!lc_probe_wait_ack(&v->probe, id, ACK_TIMEOUT_MS)) {
                return false;
            }
        }
        ms[i] = (double)(v->probe.ack[together].us - start_us) / 1000.0;
    }
    qsort(ms, TIMES, sizeof *ms, time_compare);
    return true;
}

/* One message is answered at once. Of several together the broker's second small packet waits,
 * without nodelay, until our system acknowledges the first one, 40 ms later. That needs the broker
 * to be slower than we are, which it is not every time: hence the upper quartile. */
static bool time_check(visit *v)
{
    lc_doctor *d = v->doctor;
    double alone[TIMES], together[TIMES];
    if (!times_measure(v, 1, alone) || !times_measure(v, TOGETHER, together)) {
        lc_doctor_fail(d, LC_EXIT_BUSY, "round-trip", "a message is not acknowledged within %u s",
                       ACK_TIMEOUT_MS / 1000u);
        lc_doctor_remedy(d, "the broker took us and then fell silent: see its log");
        return false;
    }
    double one = alone[TIMES / 2], many = together[TIMES * 3 / 4];
    if (many - one >= NAGLE_MIN_MS && alone[TIMES * 3 / 4] - one < NAGLE_MIN_MS) {
        lc_doctor_warn(d, "round-trip", "%.2f ms for one message, %.1f ms for %u together", one,
                       many, TOGETHER);
        lc_doctor_remedy(d, "set_tcp_nodelay true in mosquitto.conf: without it small packets wait "
                            "for each other, about 44 ms");
    } else if (one > SLOW_MS) {
        lc_doctor_warn(d, "round-trip", "%.1f ms", one);
        lc_doctor_remedy(d, "the way to the broker is slow; a larger queue.window keeps more "
                            "records on it");
    } else {
        lc_doctor_ok(d, "round-trip", "%.2f ms for one message, %.2f ms for %u together", one,
                     together[TIMES / 2], TOGETHER);
    }
    return true;
}

/* ---- rights ---- */

/* What happened to a message that we wrote to a topic we also listen to. */
typedef struct echo {
    bool refused; /* told so; MQTT 5 only */
    bool heard;
} echo;

static bool echoes_ask(visit *v, echo out[FILTERS])
{
    lc_probe *p = &v->probe;
    for (uint32_t i = OWN_UP; i <= OTHER_UP; i++) {
        p->heard[i].count = 0;
        if (!lc_probe_publish(p, i + 1, v->topic[i], "{\"v\":1}") ||
            !lc_probe_wait_ack(p, i + 1, ACK_TIMEOUT_MS)) {
            return false;
        }
        out[i].refused = p->ack[i + 1].reason >= 0x80u;
    }
    lc_probe_listen(p, ECHO_WAIT_MS);
    for (uint32_t i = OWN_UP; i <= OTHER_UP; i++) {
        out[i].heard = p->heard[i].count > 0;
    }
    return !p->down;
}

static void rights_check(visit *v, const echo e[FILTERS])
{
    lc_doctor *d = v->doctor;
    const lc_config *c = v->config;
    bool told = lc_mqtt_is_v5(v->probe.mqtt); /* 3.1.1 acknowledges what it throws away */
    if (e[OWN_UP].refused) {
        lc_doctor_fail(d, LC_EXIT_BUSY, "acl", "%s may not be written%s", v->topic[OWN_UP],
                       v->probe.ack[OWN_UP + 1].reason == NOT_AUTHORISED ? ": not authorised" : "");
        lc_doctor_remedy(d,
                         "the broker's user name must be the device id, with `pattern write "
                         "%s/%%u/up/#` and `pattern read %s/%%u/dn/#` in the acl_file",
                         c->topic_root, c->topic_root);
    } else if (e[OTHER_UP].heard || (told && !e[OTHER_UP].refused)) {
        lc_doctor_warn(d, "acl", "this user may write for other devices, too");
        lc_doctor_remedy(d,
                         "an acl_file keeps each device to its own topics: `pattern write "
                         "%s/%%u/up/#`, `pattern read %s/%%u/dn/#`",
                         c->topic_root, c->topic_root);
    } else if (told) {
        lc_doctor_ok(d, "acl", "its own up/ may be written, another device's is refused");
    } else if (e[OWN_UP].heard) {
        lc_doctor_ok(d, "acl",
                     "its own up/ may be written; whether other devices' are refused "
                     "cannot be told with MQTT 3.1.1");
    } else {
        lc_doctor_warn(d, "acl",
                       "cannot be told: MQTT 3.1.1 acknowledges what it throws away, and "
                       "a device may not read its own up/");
        lc_doctor_remedy(d, "see as operator that records come: mosquitto_sub -t '%s/%s/up/#'",
                         c->topic_root, c->dev);
    }
}

/* A broker grants a subscription that is not allowed and then sends nothing. */
static void commands_check(visit *v, const echo e[FILTERS])
{
    lc_doctor *d = v->doctor;
    bool told = lc_mqtt_is_v5(v->probe.mqtt);
    if (e[OWN_DOWN].heard) {
        lc_doctor_ok(d, "commands", "dn/ is heard");
    } else if (told && !e[OWN_DOWN].refused) {
        lc_doctor_fail(d, LC_EXIT_BUSY, "commands", "dn/ may be written, but is not heard");
        lc_doctor_remedy(d, "`pattern read %s/%%u/dn/#` in the broker's acl_file",
                         v->config->topic_root);
    } else {
        lc_doctor_ok(d, "commands",
                     "whether dn/ is heard cannot be told from here: a device may "
                     "not write it, and the broker grants subscriptions that it "
                     "will not serve; as operator: mosquitto_pub -t %s/%s/dn/text "
                     "-m 'a line'",
                     v->config->topic_root, v->config->dev);
    }
}

/* The state that the daemon left, or leaves, with the broker. */
static void retained_check(visit *v, const echo e[FILTERS])
{
    lc_doctor *d = v->doctor;
    const lc_probe_heard *state = &v->probe.heard[OWN_STATE];
    if (state->count > 0) {
        lc_doctor_ok(d, "retained", "the broker knows this device as %s", state->text);
    } else if (e[OWN_UP].heard) {
        lc_doctor_ok(d, "retained",
                     "the broker knows no state of this device: its daemon was "
                     "never connected, or the broker was restarted without "
                     "persistence");
    } else {
        lc_doctor_ok(d, "retained", "cannot be told: a device may not read its own up/state");
    }
}

/* ---- the visit ---- */

static void mqtt_visit(visit *v)
{
    lc_mqtt_options options = options_make(v);
    echo echoes[FILTERS] = {{0}};
    if (!lc_probe_open(&v->probe, &options)) {
        lc_doctor_fail(v->doctor, LC_EXIT_BOARD, "mqtt", "no memory for a connection");
        return;
    }
    if (mqtt_connect(v)) {
        lc_probe_listen(&v->probe, ECHO_WAIT_MS); /* retained messages */
        protocol_check(v);
        limits_check(v);
        if (time_check(v)) {
            if (echoes_ask(v, echoes)) {
                rights_check(v, echoes);
                commands_check(v, echoes);
                retained_check(v, echoes);
            } else {
                lc_doctor_fail(v->doctor, LC_EXIT_BUSY, "acl", "the broker hangs up on us: %s",
                               v->probe.detail);
            }
        }
    }
    lc_probe_close(&v->probe);
}

void lc_doctor_broker(lc_doctor *doctor)
{
    static visit v;
    lc_diag diag = {0};
    v = (visit){.doctor = doctor, .config = &doctor->config};
    if (lc_mqtt_url(doctor->config.url, v.host, &v.port, &v.tls, &diag) != LC_OK) {
        lc_doctor_fail(doctor, LC_EXIT_REJECTED, "broker", "%s: at byte %llu: %s",
                       doctor->config.url, (unsigned long long)diag.offset, diag.text);
        return;
    }
    topics_make(&v);
    struct addrinfo *list = name_resolve(&v);
    int fd = list ? tcp_connect(&v, list) : -1;
    if (list) {
        freeaddrinfo(list);
    }
    if (fd < 0) {
        return;
    }
    bool good = !v.tls || lc_doctor_tls(doctor, v.host, fd);
    close(fd);
    if (good) {
        mqtt_visit(&v);
    }
}
