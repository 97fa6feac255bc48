/* probe.h - one MQTT connection, driven step by step: publish, wait for what comes. */
#ifndef LC_PROBE_H
#define LC_PROBE_H

#include "../../board/linux/mqtt.h"

#define LC_PROBE_TEXT_MAX 128u

/* What came on a filter that is a plain topic. */
typedef struct lc_probe_heard {
    uint32_t count;
    uint64_t last_us;
    bool retained;
    char text[LC_PROBE_TEXT_MAX]; /* of the last message, cut */
} lc_probe_heard;

typedef struct lc_probe_ack {
    bool came;
    uint32_t reason;
    uint64_t us;
} lc_probe_ack;

typedef struct lc_probe {
    lc_loop loop;
    lc_mqtt *mqtt;
    const char *const *filter; /* [filter_count] */
    uint32_t filter_count;
    bool up, down;
    lc_link_reason reason;
    char detail[LC_PROBE_TEXT_MAX];
    uint32_t granted; /* answers to subscriptions */
    lc_probe_heard heard[LC_MQTT_FILTERS_MAX];
    lc_probe_ack ack[LC_MQTT_IDS_MAX]; /* by id */
    uint64_t deadline_ms, tick_ms;
    bool (*until)(const struct lc_probe *probe);
    uint32_t wait_id; /* for waiting on an acknowledgement */
} lc_probe;

/* Prepares a connection; its filters are those of the options. False: no memory. */
bool lc_probe_open(lc_probe *probe, const lc_mqtt_options *options);
void lc_probe_close(lc_probe *probe);
/* Connects; true when the broker took us within timeout_ms and answered every subscription. */
bool lc_probe_connect(lc_probe *probe, uint32_t timeout_ms);
/* Publishes with QoS 1; id from 1 to LC_MQTT_IDS_MAX - 1. False: cannot. */
bool lc_probe_publish(lc_probe *probe, uint32_t id, const char *topic, const char *text);
/* Waits for the answer to id. False: none came, or the connection is gone. */
bool lc_probe_wait_ack(lc_probe *probe, uint32_t id, uint32_t timeout_ms);
/* Lets time pass while messages come in. */
void lc_probe_listen(lc_probe *probe, uint32_t time_ms);

#endif
