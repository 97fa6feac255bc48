/* daemon_parts.h - private to daemon*.c: all that a running daemon consists of.
 *
 * daemon_start.c opens and closes the parts, daemon_events.c is what they call, daemon.c does what
 * the node decides.
 */
#ifndef LC_DAEMON_PARTS_H
#define LC_DAEMON_PARTS_H

#include "announce.h"
#include "daemon.h"
#include "esc_json.h"
#include "health.h"
#include "input.h"
#include "job_engine.h"
#include "job_file.h"
#include "listen.h"
#include "mqtt.h"
#include "outputs.h"
#include "pins.h"
#include "postbox.h"
#include "sensors.h"
#include "sound.h"
#include "status.h"
#include "store.h"
#include "tasks.h"
#include "topics.h"

#define LC_DAEMON_EXIT_BOARD 4
#define LC_DAEMON_BIRTH_BYTES_MAX 4096u
#define LC_DAEMON_UPDATE_BYTES_MAX 512u
#define LC_DAEMON_DETAILS_MAX 8u
#define LC_DAEMON_FILTERS_MAX (LC_CONFIG_INPUTS_MAX + 6)

typedef struct lc_daemon {
    const lc_config *config;
    lc_daemon_options options;
    lc_store store;
    bool stored;   /* the store is there */
    bool moved_in; /* it was another device's until now */
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
    char page[LC_STATUS_BYTES_MAX]; /* for who asks there */
    lc_watch worker_watch, signal_watch, postbox_watch;
    int signal_fd;
    lc_str task[LC_TASKS_MAX];
    lc_str source[LC_SOURCES_MAX];
    lc_node_source node_source[LC_SOURCES_MAX];
    uint32_t source_count;
    const char *filter[LC_DAEMON_FILTERS_MAX];
    uint32_t filter_count;
    uint64_t clock_ms, tick_ms; /* when each is next due */
    bool stopping;
    uint32_t detail[LC_DAEMON_DETAILS_MAX]; /* hashes of those said since details_ms, 0: none */
    uint64_t details_ms;
    char dn_text[LC_TOPIC_BYTES_MAX], dn_cmd[LC_TOPIC_BYTES_MAX], dn_ack[LC_TOPIC_BYTES_MAX];
    char will[LC_TOPIC_BYTES_MAX], home_status[LC_TOPIC_BYTES_MAX];
    char job_name[LC_NAME_BYTES_MAX + 32]; /* for the audit */
    uint32_t job_name_bytes;
    char esc_rsp[LC_TOPIC_BYTES_MAX], esc_state[LC_TOPIC_BYTES_MAX];
    lc_esc_options ask;
    lc_esc_reply reply;
    lc_drift_options drift;
    lc_announce announce;
    char birth[LC_DAEMON_BIRTH_BYTES_MAX], report[LC_NODE_HEALTH_BYTES_MAX], cpu[128];
    char update[LC_DAEMON_UPDATE_BYTES_MAX];
} lc_daemon;

/* ---- daemon_start.c ---- */

/* Opens everything; 0, or the exit code, when it has been said why. */
int lc_daemon_open(lc_daemon *d);
void lc_daemon_close(lc_daemon *d);
/* Says what could not be had and why; returns rc. */
int lc_daemon_fail(int rc, const char *what, const char *why);

/* ---- daemon_events.c: ctx is the lc_daemon ---- */

void lc_daemon_worker_done(void *ctx, uint32_t events);
void lc_daemon_stop_begin(lc_daemon *d, uint32_t flush_ms);
void lc_daemon_signal_came(void *ctx, uint32_t events);
void lc_daemon_link_up(void *ctx);
void lc_daemon_link_down(void *ctx, lc_link_reason reason, const char *detail);
void lc_daemon_message_acked(void *ctx, uint32_t id, uint32_t reason);
void lc_daemon_message_came(void *ctx, const char *topic, const char *payload, uint32_t bytes,
                            bool retained);
lc_str lc_daemon_status_make(void *ctx);
lc_str lc_daemon_metrics_make(void *ctx);
void lc_daemon_pin_changed(void *ctx, uint32_t index, bool active);
void lc_daemon_post_came(void *ctx, uint32_t events);

#endif
