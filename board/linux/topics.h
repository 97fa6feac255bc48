/* topics.h - the topics of a device (contract: topics). */
#ifndef LC_TOPICS_H
#define LC_TOPICS_H

#include <stdbool.h>
#include <stdio.h>

#include "../../runtime/limits.h"
#include "../node/node.h"

typedef struct lc_topics {
    const char *root, *dev; /* "leafcutter/v1", "pi4-0017" */
    const char *home;       /* "homeassistant" */
} lc_topics;

/* Every topic of a device and of those it talks to: path, who writes it, payload, "retained" or
 * "-", what it is; separated by tabs. */
void lc_topics_help(FILE *out);
/* Writes the topic of an outgoing message, of this task or with this level of a log; false when it
 * does not fit. */
bool lc_topics_write(const lc_topics *topics, lc_topic topic, lc_str task, uint32_t level,
                     char out[LC_TOPIC_BYTES_MAX]);
/* "<root>/<dev>/dn/<rest>", one of the table. */
bool lc_topics_down(const lc_topics *topics, const char *rest, char out[LC_TOPIC_BYTES_MAX]);
/* Home Assistant's: "<home>/<what>/<dev>/<end>"; end NULL: "<home>/<what>". */
bool lc_topics_home(const lc_topics *topics, const char *what, const char *end,
                    char out[LC_TOPIC_BYTES_MAX]);
/* "<root>/_esc/state", what the worker upstream says of itself. */
bool lc_topics_worker(const lc_topics *topics, char out[LC_TOPIC_BYTES_MAX]);
/* The rest of a topic under dn/, NULL when it is none of ours. */
const char *lc_topics_down_rest(const lc_topics *topics, const char *topic);
/* Whether an MQTT filter takes a topic (+, #, and $-topics as the standard says). */
bool lc_topics_match(const char *filter, const char *topic);
/* Whether this is a filter one may subscribe to. */
bool lc_topics_filter_ok(const char *filter);

#endif
