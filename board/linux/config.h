/* config.h - the daemon's config file: JSON with // comments, every key a row of one table.
 *
 * An unknown or repeated key, a wrong type or a value out of range is an error that names the key's
 * path: `inputs[2].baud: 9601 is not a speed of serial lines`.
 */
#ifndef LC_CONFIG_H
#define LC_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../../runtime/err.h"
#include "../../runtime/limits.h"
#include "json.h"

#define LC_CONFIG_PATH_MAX 256u
#define LC_CONFIG_GROUPS_MAX 8u
#define LC_CONFIG_PINS_MAX 16u
#define LC_CONFIG_LINE_NONE 1024u                 /* a pin whose number is not given */
#define LC_CONFIG_INPUTS_MAX (LC_SOURCES_MAX - 1) /* dn/text is one more source */
#define LC_CONFIG_TEMPLATE_MAX 512u

typedef enum lc_input_kind {
    LC_INPUT_STDIN = 1,
    LC_INPUT_FILE,
    LC_INPUT_FIFO,
    LC_INPUT_SERIAL,
    LC_INPUT_MQTT,
    LC_INPUT_GPIO,
    LC_INPUT_SENSOR,
    LC_INPUT_SOUND
} lc_input_kind;

typedef enum lc_pin_use { LC_PIN_TRIGGER, LC_PIN_ACKNOWLEDGE, LC_PIN_GATE } lc_pin_use;

typedef struct lc_config_input {
    uint32_t kind;                    /* lc_input_kind: "source" */
    char id[LC_SOURCE_BYTES_MAX + 1]; /* `src` of its records; default: made from the path */
    char path[LC_CONFIG_PATH_MAX];
    char topic[LC_TOPIC_BYTES_MAX];
    char tmpl[LC_CONFIG_TEMPLATE_MAX]; /* "template" */
    uint32_t baud;
    uint32_t flow; /* lc_serial_flow */
    /* A pin. */
    char chip[LC_NAME_BYTES_MAX], line_name[LC_NAME_BYTES_MAX];
    uint32_t line, debounce_ms;
    bool active_low;
    uint32_t use;                                                        /* lc_pin_use */
    char text[LC_CONFIG_TEMPLATE_MAX], text_off[LC_CONFIG_TEMPLATE_MAX]; /* its lines */
    /* A sensor, whose path is a pattern; a microphone. */
    char device[LC_NAME_BYTES_MAX]; /* of ALSA */
    uint32_t every_s;
    double scale, offset, change, min, max;
} lc_config_input;

typedef struct lc_config_pin {
    char name[LC_NAME_BYTES_MAX];
    char chip[LC_NAME_BYTES_MAX];
    char line_name[LC_NAME_BYTES_MAX]; /* "" : line is its number */
    uint32_t line;
    bool active_low;
    uint32_t safe;
    uint32_t per_minute; /* actions */
} lc_config_pin;

typedef struct lc_config {
    uint32_t version;
    char dev[LC_DEVICE_BYTES_MAX + 1]; /* without {serial}: that is replaced */
    char serial_file[LC_CONFIG_PATH_MAX];
    char group[LC_CONFIG_GROUPS_MAX][LC_DEVICE_BYTES_MAX + 1];
    uint32_t group_count;
    char url[LC_CONFIG_PATH_MAX]; /* "" : no broker */
    char user[LC_NAME_BYTES_MAX];
    char password_file[LC_CONFIG_PATH_MAX];
    char ca[LC_CONFIG_PATH_MAX], cert[LC_CONFIG_PATH_MAX], key[LC_CONFIG_PATH_MAX];
    uint32_t protocol; /* lc_mqtt_protocol */
    uint32_t ack;      /* 0 broker, 1 e2e */
    uint32_t keepalive_s;
    char topic_root[LC_NAME_BYTES_MAX];
    bool discovery;               /* Home Assistant is told of this device */
    char home[LC_NAME_BYTES_MAX]; /* prefix of its topics */
    lc_config_input input[LC_CONFIG_INPUTS_MAX];
    uint32_t input_count;
    char job[LC_CONFIG_PATH_MAX];     /* "" : the shipped one */
    char storage[LC_CONFIG_PATH_MAX]; /* "" : nothing outlives a restart */
    uint32_t journal_mb;
    lc_config_pin pin[LC_CONFIG_PINS_MAX];
    uint32_t pin_count;
    char sound_device[LC_NAME_BYTES_MAX]; /* "" : none */
    char clips[LC_CONFIG_PATH_MAX];       /* folder of recordings */
    double volume;
    uint32_t threads_prefill, threads_decode; /* 0: every core */
    char keys[LC_CONFIG_PATH_MAX];
    uint32_t log_level; /* lc_log_level */
    bool log_text;
    char status_socket[LC_CONFIG_PATH_MAX]; /* "" : none */
    char board_root[LC_CONFIG_PATH_MAX];  /* "" : / */
    double idle_w, busy_w;                /* 0: as published */
    uint32_t inbox_kb, outbox_kb, window, batch, backlog_per_s, deadline_ms;
} lc_config;

/* lc_config_parse - reads a config from text.
 *
 * Errors    FORMAT, LIMIT: diag says key path and reason, config is undefined. Uses the heap; only
 *           for the time before the daemon runs.
 */
lc_err lc_config_parse(const char *text, size_t bytes, lc_config *config,
                       lc_json_diag *diag) LC_CHECKED;
/* The same from a file. IO when it cannot be read. */
lc_err lc_config_read(const char *path, lc_config *config, lc_json_diag *diag) LC_CHECKED;
/* Every key with its type, range, default and meaning: --help-config. */
void lc_config_help(FILE *out);

#endif
