/* discovery.c - the message, with Home Assistant's abbreviations. */
#include "discovery.h"

#include "../../runtime/limits.h"
#include "../../runtime/text.h"

/* What stands in an array is a batch, after an outage: the newest is shown. */
#define NEWEST "{% set r = value_json if value_json is mapping else value_json[-1] %}"

/* Entities of a task: keys end in these. */
static const struct {
    const char *end, *platform;
} parts[] = {{"_label", "sensor"}, {"_p", "sensor"}, {"_event", "event"}};
#define PARTS (sizeof parts / sizeof parts[0])

/* Of the device, all but one from up/health, which every entity reads that names no other topic. */
static const struct {
    const char *key, *platform, *name, *rest;
    enum { ALWAYS, UPDATE, TEMP, DRIFT } where;
} figures[] = {
    {"latency", "sensor", "Latency p95",
     "\"dev_cla\":\"duration\",\"unit_of_meas\":\"ms\",\"stat_cla\":\"measurement\","
     "\"val_tpl\":\"{{ value_json.latency_ms.p95 if value_json.latency_ms.n else none }}\"",
     ALWAYS},
    {"backlog", "sensor", "Backlog",
     "\"unit_of_meas\":\"records\",\"stat_cla\":\"measurement\","
     "\"val_tpl\":\"{{ value_json.records.waiting }}\"",
     ALWAYS},
    {"lost", "sensor", "Lost",
     "\"unit_of_meas\":\"lines\",\"stat_cla\":\"total_increasing\","
     "\"val_tpl\":\"{{ value_json.lines.lost + value_json.records.dropped }}\"",
     ALWAYS},
    {"problem", "binary_sensor", "Problem",
     "\"dev_cla\":\"problem\",\"val_tpl\":\"{% set h = value_json %}{{ 'ON' if "
     "h.journal.state == 'failed' or h.pins.missing or h.get('sensors', {}).get('missing') or "
     "h.get('sound', {}).get('state') == 'away' or "
     "h.get('microphone', {}).get('state') == 'away' or h.board.get('throttled') "
     "else 'OFF' }}\"",
     ALWAYS},
    /* Home Assistant takes no keys but its own. */
    {"job", "update", "Job",
     "\"val_tpl\":\"{% set u = value_json %}{{ {'installed_version': u.installed_version, "
     "'latest_version': u.latest_version, 'title': u.title, 'in_progress': u.in_progress, "
     "'update_percentage': u.update_percentage} | tojson }}\"",
     UPDATE},
    {"temperature", "sensor", "Temperature",
     "\"dev_cla\":\"temperature\",\"unit_of_meas\":\"\xc2\xb0"
     "C\",\"stat_cla\":\"measurement\","
     "\"val_tpl\":\"{{ value_json.board.temp_c }}\"",
     TEMP},
    /* Unknown while it learns. */
    {"drift", "binary_sensor", "Drift",
     "\"dev_cla\":\"problem\",\"val_tpl\":\"{{ {'drifting': 'ON', 'ok': 'OFF'}.get("
     "value_json.get('drift', {}).get('state')) }}\"",
     DRIFT},
};

uint32_t lc_discovery_key(lc_str task)
{
    return lc_crc32c(0, task.data, task.bytes);
}

/* ---- pieces ---- */

static void value_put(lc_text *t, const char *key, const char *a, lc_str b, const char *c)
{
    char text[LC_TOPIC_BYTES_MAX];
    lc_text value = lc_text_make(text, sizeof text);
    lc_text_add(&value, a);
    lc_text_put(&value, b.data, b.bytes);
    lc_text_add(&value, c);
    t->full = t->full || value.full;
    lc_text_add(t, ",\"");
    lc_text_add(t, key);
    lc_text_add(t, "\":");
    lc_text_json(t, (lc_str){text, (uint32_t)value.bytes});
}

static void topic_put(lc_text *t, const char *key, const lc_discovery *d, const char *what,
                      lc_str task)
{
    char text[LC_TOPIC_BYTES_MAX];
    lc_text topic = lc_text_make(text, sizeof text - 1);
    lc_text_put(&topic, d->root.data, d->root.bytes);
    lc_text_add(&topic, "/");
    lc_text_put(&topic, d->dev.data, d->dev.bytes);
    lc_text_add(&topic, "/up/");
    lc_text_add(&topic, what);
    t->full = t->full || topic.full;
    text[topic.bytes] = '\0';
    value_put(t, key, text, task, "");
}

/* An entity's key and platform; the rest of it follows. */
static void entity_open(lc_text *t, uint32_t key, const char *end, const char *platform)
{
    const uint8_t bytes[4] = {(uint8_t)(key >> 24), (uint8_t)(key >> 16), (uint8_t)(key >> 8),
                              (uint8_t)key};
    bool first = t->bytes > 0 && t->data[t->bytes - 1] == '{';
    lc_text_add(t, first ? "\"" : ",\"");
    lc_text_hex(t, bytes, sizeof bytes);
    lc_text_add(t, end);
    lc_text_add(t, "\":{\"p\":\"");
    lc_text_add(t, platform);
    lc_text_add(t, "\"");
}

static void unique_put(lc_text *t, const lc_discovery *d, const char *end, lc_str task)
{
    char text[LC_TOPIC_BYTES_MAX];
    lc_text id = lc_text_make(text, sizeof text);
    lc_text_add(&id, "leafcutter_");
    lc_text_put(&id, d->dev.data, d->dev.bytes);
    lc_text_add(&id, "_");
    lc_text_put(&id, task.data, task.bytes);
    lc_text_add(&id, end);
    lc_text_add(t, ",\"uniq_id\":");
    lc_text_json(t, (lc_str){text, (uint32_t)id.bytes});
}

/* ---- entities ---- */

static void label_put(lc_text *t, const lc_discovery *d, const lc_task *task, bool options)
{
    value_put(t, "name", "", task->name, "");
    topic_put(t, "stat_t", d, "last/", task->name);
    topic_put(t, "json_attr_t", d, "last/", task->name);
    for (uint32_t i = 0; options && i < task->label_count; i++) {
        lc_text_add(t, i == 0 ? ",\"dev_cla\":\"enum\",\"ops\":[" : ",");
        lc_text_json(t, task->label[i].name);
    }
    lc_text_add(t, options && task->label_count > 0 ? "]" : "");
    lc_text_add(t, ",\"val_tpl\":\"{{ value_json.label }}\",\"json_attr_tpl\":\"{{ "
                   "{'decision': value_json.decision, 'set': value_json['set'], "
                   "'why': value_json.why, 'source': value_json.src} | tojson }}\"}");
}

static void probability_put(lc_text *t, const lc_discovery *d, const lc_task *task)
{
    value_put(t, "name", "", task->name, " confidence");
    topic_put(t, "stat_t", d, "last/", task->name);
    lc_text_add(t, ",\"unit_of_meas\":\"%\",\"stat_cla\":\"measurement\",\"sug_dsp_prc\":1,"
                   "\"val_tpl\":\"{{ none if value_json.label is none else (100 * value_json.p) | "
                   "round(2) }}\"}");
}

static void event_put(lc_text *t, const lc_discovery *d, const lc_task *task)
{
    value_put(t, "name", "", task->name, " alarm");
    topic_put(t, "stat_t", d, "event/", task->name);
    lc_text_add(t, ",\"evt_typ\":[\"alarm\",\"clear\"],\"val_tpl\":\"" NEWEST
                   "{{ {'event_type': r.event, 'label': r.label, 'source': r.src, "
                   "'time': r.ts | default(none)} | tojson }}\"}");
}

static void task_put(lc_text *t, const lc_discovery *d, const lc_task *task, bool options)
{
    uint32_t key = lc_discovery_key(task->name);
    for (size_t i = 0; i < PARTS; i++) {
        entity_open(t, key, parts[i].end, parts[i].platform);
        unique_put(t, d, parts[i].end, task->name);
        if (i == 0) {
            label_put(t, d, task, options);
        } else if (i == 1) {
            probability_put(t, d, task);
        } else {
            event_put(t, d, task);
        }
    }
}

static void figure_put(lc_text *t, const lc_discovery *d, size_t i)
{
    unique_put(t, d, "", lc_str_from(figures[i].key));
    lc_text_add(t, ",\"name\":\"");
    lc_text_add(t, figures[i].name);
    lc_text_add(t, "\",\"ent_cat\":\"diagnostic\",");
    lc_text_add(t, figures[i].rest);
    if (figures[i].where == UPDATE) {
        topic_put(t, "stat_t", d, "upd/state", (lc_str){0});
    }
}

/* Of drift the platform alone when the job does not watch it: an earlier one may have. */
static void figures_put(lc_text *t, const lc_discovery *d)
{
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        if (figures[i].where == TEMP && !d->has_temp) {
            continue;
        }
        lc_text_add(t, ",\"");
        lc_text_add(t, figures[i].key);
        lc_text_add(t, "\":{\"p\":\"");
        lc_text_add(t, figures[i].platform);
        lc_text_add(t, "\"");
        if (figures[i].where != DRIFT || d->has_drift) {
            figure_put(t, d, i);
        }
        lc_text_add(t, "}");
    }
}

/* ---- all of it ---- */

static void gone_put(lc_text *t, const lc_discovery *d)
{
    for (uint32_t i = 0; i < d->gone_count; i++) {
        for (size_t j = 0; j < PARTS; j++) {
            entity_open(t, d->gone[i], parts[j].end, parts[j].platform);
            lc_text_add(t, "}");
        }
    }
}

static uint32_t message_write(const lc_discovery *d, bool options, char *out, uint32_t max)
{
    lc_text t = lc_text_make(out, max);
    lc_text_add(&t, "{\"dev\":{\"ids\":\"leafcutter_");
    lc_text_put(&t, d->dev.data, d->dev.bytes); /* a-z 0-9 and -, as in `name` */
    lc_text_add(&t, "\",\"name\":");
    lc_text_json(&t, d->dev);
    value_put(&t, "mdl", "job ", d->job, "");
    value_put(&t, "mf", "Leafcutter", (lc_str){0}, "");
    value_put(&t, "sw", "", d->version, "");
    lc_text_add(&t, "},\"o\":{\"name\":\"Leafcutter\"");
    value_put(&t, "sw", "", d->version, "");
    lc_text_add(&t, "}");
    topic_put(&t, "avty_t", d, "state", (lc_str){0});
    topic_put(&t, "stat_t", d, "health", (lc_str){0});
    lc_text_add(&t, ",\"cmps\":{");
    for (uint32_t i = 0; i < d->task_count; i++) {
        task_put(&t, d, d->task[i], options);
    }
    figures_put(&t, d);
    gone_put(&t, d);
    lc_text_add(&t, "}}");
    return t.full ? 0 : (uint32_t)t.bytes;
}

uint32_t lc_discovery_write(const lc_discovery *discovery, char *out, uint32_t max)
{
    uint32_t bytes = message_write(discovery, true, out, max);
    return bytes > 0 ? bytes : message_write(discovery, false, out, max);
}
