/* mqtt.h - the only owner of libmosquitto: one connection, driven by the loop on its own socket.
 *
 * MQTT 5, and 3.1.1 when a broker does not take it. Each connection is a new handle, so nothing of
 * an old one is sent by itself: what must arrive is kept and offered again by the caller. Name
 * look-up, reading certificates and the TCP connect happen on a thread of their own, as
 * libmosquitto blocks there; all else happens on the loop.
 *
 * Heap   libmosquitto uses it, for each message; our own code does not after lc_mqtt_open.
 */
#ifndef LC_MQTT_H
#define LC_MQTT_H

#include <stdatomic.h>

#include "../../runtime/bytes.h"
#include "../../runtime/limits.h"
#include "../node/link.h"
#include "loop.h"

#define LC_MQTT_IDS_MAX 64u /* messages in flight */
#define LC_MQTT_FILTERS_MAX 32u
#define LC_MQTT_HOST_BYTES_MAX 256u

typedef enum lc_mqtt_protocol { LC_MQTT_AUTO, LC_MQTT_V5, LC_MQTT_V311 } lc_mqtt_protocol;

/* Texts are NUL-terminated, "" for none, and stay the caller's until lc_mqtt_close. */
typedef struct lc_mqtt_options {
    const char *url; /* mqtt://host[:port] or mqtts://host[:port] */
    const char *client_id;
    const char *user;
    const char *password_file; /* read at each connect; the line end is dropped */
    const char *ca_file;       /* mqtts: "" the system's */
    const char *cert_file, *key_file;
    lc_mqtt_protocol protocol;
    uint32_t keepalive_s;
    uint32_t window;           /* messages in flight, at most LC_MQTT_IDS_MAX */
    uint32_t payload_max;      /* of incoming messages */
    const char *will_topic;    /* retained */
    const char *will_payload;  /* NULL: "offline" */
    uint32_t will_delay_s;     /* MQTT 5 */
    uint32_t boot;             /* user property `boot` of the will and of retained messages */
    uint32_t session_s;        /* how long the broker keeps messages for us while we are away */
    const char *const *filter; /* [filter_count] subscribed on every connect, QoS 1 */
    uint32_t filter_count;
} lc_mqtt_options;

/* What MQTT 5 says of a request or its answer. Of 3.1.1 nothing comes, and nothing is sent. */
typedef struct lc_mqtt_request {
    const char *response_topic; /* NULL: none */
    const void *correlation;    /* [correlation_bytes] */
    uint16_t correlation_bytes;
    uint32_t expiry_s; /* 0: none */
    const char *trace; /* user property: what a question is about, on all its ways; NULL: none */
} lc_mqtt_request;

/* Called on the loop's thread. May call lc_mqtt_publish, not lc_mqtt_close. */
typedef struct lc_mqtt_events {
    void *ctx;
    void (*up)(void *ctx);
    /* detail: what the library or the broker said, "" nothing; valid during the call. */
    void (*down)(void *ctx, lc_link_reason reason, const char *detail);
    void (*ack)(void *ctx, uint32_t id, uint32_t reason);
    void (*message)(void *ctx, const char *topic, const char *payload, uint32_t bytes,
                    bool retained);
    void (*granted)(void *ctx, uint32_t filter_index, uint32_t reason); /* may be NULL */
} lc_mqtt_events;

typedef struct lc_mqtt lc_mqtt;

/* lc_mqtt_url - splits a broker's address.
 *
 * Errors    FORMAT; diag->offset is the byte where it stops making sense.
 */
lc_err lc_mqtt_url(const char *url, char host[LC_MQTT_HOST_BYTES_MAX], uint16_t *port, bool *tls,
                   lc_diag *diag) LC_CHECKED;

/* Allocates and prepares; connects nothing. NULL when the system has no memory or descriptor. */
lc_mqtt *lc_mqtt_open(lc_loop *loop, const lc_mqtt_options *options, const lc_mqtt_events *events);
/* Ends a connection attempt or connection at once, without `down`. Blocks while a connect is being
 * made (a name look-up can take seconds). */
void lc_mqtt_close(lc_mqtt *mqtt);

/* Starts to connect; ends in `up` or `down`. Must be down. */
void lc_mqtt_connect(lc_mqtt *mqtt);
/* Gives the connection up: `down` with this reason comes from within. */
void lc_mqtt_drop(lc_mqtt *mqtt, lc_link_reason reason);
/* Says goodbye, so that the broker does not publish the will, and closes; `down` does not come. */
void lc_mqtt_leave(lc_mqtt *mqtt);
/* Hands a message over. QoS 1 ends in `ack`, QoS 0 too once it was written. BUSY: LC_MQTT_IDS_MAX
 * are in flight; LIMIT: larger than the broker takes; LINK: not connected. */
lc_err lc_mqtt_publish(lc_mqtt *mqtt, uint32_t id, const char *topic, const void *payload,
                       uint32_t bytes, uint32_t qos, bool retain) LC_CHECKED;
/* The same with QoS 1 for a request or an answer. LIMIT, too: a text or topic that cannot be sent.
 */
lc_err lc_mqtt_ask(lc_mqtt *mqtt, uint32_t id, const char *topic, const void *payload,
                   uint32_t bytes, const lc_mqtt_request *request) LC_CHECKED;
/* Of the message that `message` is just called with; lives as long as the call. */
const lc_mqtt_request *lc_mqtt_asked(const lc_mqtt *mqtt);
/* Housekeeping (pings, time-outs); to be called each second. */
void lc_mqtt_tick(lc_mqtt *mqtt);
/* What the broker said about itself when it took us; with 3.1.1 it says nothing. */
typedef struct lc_mqtt_limits {
    uint32_t packet_bytes_max; /* 0: not limited */
    uint32_t receive_max;      /* messages in flight */
    uint32_t qos_max;
    bool retain;
} lc_mqtt_limits;

bool lc_mqtt_is_up(const lc_mqtt *mqtt);
lc_mqtt_limits lc_mqtt_limits_get(const lc_mqtt *mqtt); /* while it is up */
bool lc_mqtt_is_v5(const lc_mqtt *mqtt);

#endif
