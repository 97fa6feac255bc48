/* topics.c - names of topics, and filters. */
#include "topics.h"

#include <stdio.h>
#include <string.h>

static const char *const log_levels[] = {"emergency", "alert",  "critical", "error",
                                         "warning",   "notice", "info",     "debug"};

static const char *const words[LC_TOPIC_COUNT] = {
    [LC_TOPIC_STATE] = "state", [LC_TOPIC_BIRTH] = "birth",  [LC_TOPIC_RES] = "res/",
    [LC_TOPIC_LAST] = "last/",  [LC_TOPIC_EVENT] = "event/", [LC_TOPIC_HEALTH] = "health",
    [LC_TOPIC_GAP] = "gap",     [LC_TOPIC_LOG] = "log/",     [LC_TOPIC_ASK] = "esc/req",
    [LC_TOPIC_AUDIT] = "audit",
};

bool lc_topics_write(const lc_topics *topics, lc_topic topic, lc_str task, uint32_t level,
                     char out[LC_TOPIC_BYTES_MAX])
{
    lc_str last = {"", 0};
    lc_assert(topic < LC_TOPIC_COUNT);
    if (topic == LC_TOPIC_DISCOVERY) {
        return lc_topics_home(topics, "device", "config", out);
    }
    if (topic == LC_TOPIC_LOG) {
        last = lc_str_from(log_levels[level & 7u]);
    } else if (topic == LC_TOPIC_RES || topic == LC_TOPIC_LAST || topic == LC_TOPIC_EVENT) {
        last = task;
    }
    int n = snprintf(out, LC_TOPIC_BYTES_MAX, "%s/%s/up/%s%.*s", topics->root, topics->dev,
                     words[topic], (int)last.bytes, last.data);
    return n > 0 && (unsigned)n < LC_TOPIC_BYTES_MAX;
}

bool lc_topics_down(const lc_topics *topics, const char *rest, char out[LC_TOPIC_BYTES_MAX])
{
    int n = snprintf(out, LC_TOPIC_BYTES_MAX, "%s/%s/dn/%s", topics->root, topics->dev, rest);
    return n > 0 && (unsigned)n < LC_TOPIC_BYTES_MAX;
}

bool lc_topics_home(const lc_topics *topics, const char *what, const char *end,
                    char out[LC_TOPIC_BYTES_MAX])
{
    int n =
        end ? snprintf(out, LC_TOPIC_BYTES_MAX, "%s/%s/%s/%s", topics->home, what, topics->dev, end)
            : snprintf(out, LC_TOPIC_BYTES_MAX, "%s/%s", topics->home, what);
    return n > 0 && (unsigned)n < LC_TOPIC_BYTES_MAX;
}

bool lc_topics_worker(const lc_topics *topics, char out[LC_TOPIC_BYTES_MAX])
{
    int n = snprintf(out, LC_TOPIC_BYTES_MAX, "%s/_esc/state", topics->root);
    return n > 0 && (unsigned)n < LC_TOPIC_BYTES_MAX;
}

/* Whether text starts with part; *rest is what follows. */
static bool part_skip(const char *text, const char *part, const char **rest)
{
    size_t bytes = strlen(part);
    *rest = text + bytes;
    return strncmp(text, part, bytes) == 0;
}

const char *lc_topics_down_rest(const lc_topics *topics, const char *topic)
{
    const char *at = topic;
    bool ours = part_skip(at, topics->root, &at) && part_skip(at, "/", &at) &&
                part_skip(at, topics->dev, &at) && part_skip(at, "/dn/", &at);
    return ours ? at : NULL;
}

bool lc_topics_match(const char *filter, const char *topic)
{
    if (topic[0] == '$' && filter[0] != '$') {
        return false;
    }
    while (*filter && *filter != '#') {
        if (*filter == '+') {
            topic += strcspn(topic, "/");
            filter++;
        } else if (*filter == *topic) {
            filter++;
            topic++;
        } else { /* "a/#" takes "a", too */
            return *topic == '\0' && strcmp(filter, "/#") == 0;
        }
    }
    return *filter == '#' || *topic == '\0';
}

bool lc_topics_filter_ok(const char *filter)
{
    size_t bytes = strlen(filter);
    if (bytes == 0 || bytes >= LC_TOPIC_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < bytes; i++) {
        bool alone =
            (i == 0 || filter[i - 1] == '/') && (filter[i + 1] == '\0' || filter[i + 1] == '/');
        if ((filter[i] == '+' && !alone) ||
            (filter[i] == '#' && (!alone || filter[i + 1] != '\0')) ||
            (unsigned char)filter[i] < 0x20) {
            return false;
        }
    }
    return true;
}
