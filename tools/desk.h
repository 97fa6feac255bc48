/* desk.h - a verb that lives on a broker: one loop, one connection that comes back by itself,
 * signals. What the daemon is on a board, `upstream` and `collect` are at a desk.
 */
#ifndef LC_DESK_H
#define LC_DESK_H

#include "../board/linux/loop.h"
#include "../board/linux/mqtt.h"
#include "ui.h"

#define LC_DESK_ROOT "leafcutter/v1"

/* NULL where nothing was said. */
typedef struct lc_desk_options {
    const char *broker, *user, *password_file, *ca, *cert, *key; /* of the connection */
    const char *root;                                            /* of the topics, LC_DESK_ROOT */
    const char *id;                                              /* client id */
} lc_desk_options;

#define LC_OPT_ROWS_DESK(o)                                                                        \
    {"broker", "URL", LC_OPT_TEXT, &(o)->broker, "mqtt[s]://host[:port]; LEAFCUTTER_BROKER"},      \
        {"user", "NAME", LC_OPT_TEXT, &(o)->user, "user of the broker"},                           \
        {"password-file", "FILE", LC_OPT_TEXT, &(o)->password_file, "holds the password"},         \
        {"ca", "FILE", LC_OPT_TEXT, &(o)->ca, "mqtts: who signed the broker's certificate"},       \
        {"cert", "FILE", LC_OPT_TEXT, &(o)->cert, "mqtts: our certificate"},                       \
        {"cert-key", "FILE", LC_OPT_TEXT, &(o)->key, "mqtts: its key"},                            \
        {"root", "TOPIC", LC_OPT_TEXT, &(o)->root, "where topics begin (" LC_DESK_ROOT ")"},       \
    {                                                                                              \
        "id", "NAME", LC_OPT_TEXT, &(o)->id, "client id at the broker"                             \
    }

typedef struct lc_desk_events {
    void *ctx;
    void (*up)(void *ctx);
    void (*ack)(void *ctx, uint32_t id, uint32_t reason);
    void (*message)(void *ctx, const char *topic, const char *payload, uint32_t bytes,
                    bool retained);
    lc_loop_turn *turn;
    /* After SIGTERM or SIGINT, each turn: whether all is done. At most LC_DESK_STOP_MS long. */
    bool (*finished)(void *ctx);
} lc_desk_events;
#define LC_DESK_STOP_MS 5000u

typedef struct lc_desk {
    lc_loop loop;
    lc_mqtt *mqtt;
    lc_desk_events events;
    lc_watch signals;
    uint64_t connect_ms, tick_ms, stop_ms; /* when each is due */
    uint32_t wait_ms;
    bool stopping;
} lc_desk;

/* Fills what was not said; LC_UI_GO, or 2 after a message. fallback_id[64]: made when none is. */
int lc_desk_defaults(lc_desk_options *options, const char *verb, char fallback_id[64]);
/* Only prepares; mqtt: all of it but the address and who we are. LC_UI_GO or an exit code. */
int lc_desk_open(lc_desk *desk, const lc_desk_options *options, lc_mqtt_options mqtt,
                 const lc_desk_events *events);
/* Until a signal; the exit code. */
int lc_desk_run(lc_desk *desk);
void lc_desk_close(lc_desk *desk);
/* The device of "<root>/<dev>/up/<rest>"; false when it is none. */
bool lc_desk_device(const char *root, const char *topic, char dev[64], const char **rest);

#endif
