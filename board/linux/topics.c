/* topics.c - names of topics, and filters. */
#include "topics.h"

#include <stdio.h>
#include <string.h>

static const char *const log_levels[] = {"emergency", "alert",  "critical", "error",
                                         "warning",   "notice", "info",     "debug"};

/* Every topic that the daemon writes or reads; those it writes are first, in the order of lc_topic.
 * A path that does not start with up/ or dn/ is not the device's own. */
static const struct {
    const char *path, *who, *payload;
    bool retained;
    const char *about;
} rows[] = {
    [LC_TOPIC_STATE] = {"up/state", "device", "text", true,
                        "`online`, or `offline`, which is the will, too"},
    [LC_TOPIC_BIRTH] = {"up/birth", "device", "birth", true, "what it is and can"},
    [LC_TOPIC_RES] = {"up/res/<task>", "device", "record", false,
                      "answers and their corrections; several as an array, after an outage"},
    [LC_TOPIC_LAST] = {"up/last/<task>", "device", "record", true,
                       "the newest, once a second at most"},
    [LC_TOPIC_EVENT] = {"up/event/<task>", "device", "event", false,
                        "alarms that begin, change and end; several as an array"},
    [LC_TOPIC_HEALTH] = {"up/health", "device", "health", true, "each minute"},
    [LC_TOPIC_GAP] = {"up/gap", "device", "gap", false, "what was lost, exactly"},
    [LC_TOPIC_LOG] = {"up/log/<level>", "device", "log", false,
                      "what a person should know; levels of syslog: `warning`, `error`"},
    [LC_TOPIC_ASK] = {"up/esc/req", "device", "escalation-request", false, "a hard line"},
    [LC_TOPIC_AUDIT] = {"up/audit", "device", "audit", false,
                        "what was done and why; several as an array"},
    [LC_TOPIC_DISCOVERY] = {"<homeassistant>/device/<id>/config", "device", "discovery", true,
                            "by which Home Assistant shows the device"},
    [LC_TOPIC_UPDATE] = {"up/upd/state", "device", "update", true,
                         "which job is installed; for Home Assistant's update entity, too"},
    {"dn/text", "anyone allowed", "text", false, "a line to answer"},
    {"dn/cmd/<name>", "operator", "command", false, "`report`: health at once"},
    {"dn/ack", "collector", "ack", false, "what it keeps; read with `broker.ack` `e2e`"},
    {"dn/esc/rsp", "worker", "escalation-answer", false, "to a question"},
    {"<root>/_esc/state", "worker", "worker", true, "whether somebody can be asked"},
    {"<homeassistant>/status", "Home Assistant", "text", false,
     "`online`: the device is told of again"},
};
#define ROWS (sizeof rows / sizeof rows[0])

bool lc_topics_write(const lc_topics *topics, lc_topic topic, lc_str task, uint32_t level,
                     char out[LC_TOPIC_BYTES_MAX])
{
    lc_assert(topic < LC_TOPIC_COUNT);
    if (topic == LC_TOPIC_DISCOVERY) {
        return lc_topics_home(topics, "device", "config", out);
    }
    const char *path = rows[topic].path;
    int fixed = (int)strcspn(path, "<");
    lc_str last = topic == LC_TOPIC_LOG ? lc_str_from(log_levels[level & 7u])
                  : path[fixed]         ? task
                                        : (lc_str){"", 0};
    int n = snprintf(out, LC_TOPIC_BYTES_MAX, "%s/%s/%.*s%.*s", topics->root, topics->dev, fixed,
                     path, (int)last.bytes, last.data);
    return n > 0 && (unsigned)n < LC_TOPIC_BYTES_MAX;
}

void lc_topics_help(FILE *out)
{
    for (size_t i = 0; i < ROWS; i++) {
        fprintf(out, "%s\t%s\t%s\t%s\t%s\n", rows[i].path, rows[i].who, rows[i].payload,
                rows[i].retained ? "retained" : "-", rows[i].about);
    }
}

/* dn/<rest> is a row; "cmd/+" stands for "cmd/<name>". */
static bool is_row(const char *rest)
{
    size_t fixed = strcspn(rest, "+");
    bool found = false;
    for (size_t i = LC_TOPIC_COUNT; i < ROWS; i++) {
        const char *path = rows[i].path;
        bool same = strncmp(path, "dn/", 3) == 0 && strncmp(path + 3, rest, fixed) == 0;
        found = found || (same && path[3 + fixed] == (rest[fixed] ? '<' : '\0'));
    }
    return found;
}

bool lc_topics_down(const lc_topics *topics, const char *rest, char out[LC_TOPIC_BYTES_MAX])
{
    lc_assert(is_row(rest));
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
