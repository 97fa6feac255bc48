/* input.h - where lines come from: stdin, files, FIFOs, serial lines, MQTT topics.
 *
 * Each is a source of the node. A stream that the node is BUSY for is not read until it is asked
 * to go on; the line that was in hand waits here. A FIFO is made when it is not there. A serial
 * line that goes away is opened again, with a growing wait.
 */
#ifndef LC_INPUT_H
#define LC_INPUT_H

#include "../node/node.h"
#include "config.h"
#include "framer.h"
#include "loop.h"

#define LC_INPUT_READ_BYTES 16384u
#define LC_INPUT_REOPEN_MIN_MS 1000u
#define LC_INPUT_REOPEN_MAX_MS 30000u

struct lc_inputs;

typedef struct lc_input {
    const lc_config_input *config;
    struct lc_inputs *inputs;
    uint32_t source; /* of the node */
    lc_watch watch;
    int fd;             /* -1: closed, or none (MQTT) */
    bool paused, ended; /* ended: a file or stdin at its end */
    bool said;          /* that it cannot be opened, or fits no template */
    uint64_t reopen_ms; /* closed: when to try again; UINT64_MAX: never */
    uint32_t reopen_wait_ms;
    lc_framer framer;
    uint32_t at, held; /* of buffer: bytes not yet framed */
    char buffer[LC_INPUT_READ_BYTES];
    uint64_t bad; /* messages that fit no template, lines cut off by a lost serial line */
} lc_input;

typedef struct lc_inputs {
    lc_input *input; /* [count] */
    uint32_t count;
    lc_loop *loop;
    lc_node *node;
    char *line; /* [LC_LINE_BYTES_MAX + 1] of a template */
} lc_inputs;

/* Whether the source of this input waits (lc_node_source.waits). */
bool lc_input_waits(const lc_config_input *config);
/* Lays inputs out on the arena: config->input[i] is source i of the node, the one after them is
 * dn/text. */
lc_err lc_inputs_init(lc_inputs *inputs, const lc_config *config, lc_arena *state) LC_CHECKED;
/* Opens what can be opened. IO when stdin, a file or a FIFO cannot be: errno and *failed say which
 * and why. Serial lines may come later. */
lc_err lc_inputs_open(lc_inputs *inputs, lc_loop *loop, lc_node *node,
                      const lc_config_input **failed) LC_CHECKED;
void lc_inputs_close(lc_inputs *inputs);
/* The node has room again. */
void lc_inputs_resume(lc_inputs *inputs, uint32_t source);
/* A line that an input made of something else: a pin, a sensor. */
void lc_inputs_line(lc_inputs *inputs, uint32_t source, const char *text);
/* A message of dn/text. */
void lc_inputs_text(lc_inputs *inputs, const char *payload, uint32_t bytes);
/* Any other message: it goes to every input whose filter takes the topic. */
void lc_inputs_message(lc_inputs *inputs, const char *topic, const char *payload, uint32_t bytes);
/* Opens again what is due; returns when to call next. */
uint64_t lc_inputs_tick(lc_inputs *inputs, uint64_t now_ms);
/* There are files or stdin, and all are at their end. */
bool lc_inputs_ended(const lc_inputs *inputs);

#endif
