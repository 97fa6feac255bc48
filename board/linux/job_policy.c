/* job_policy.c - trend, escalate, privacy, report and drift of a job file. */
#include "job_policy.h"

#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define YEAR_S 31536000

static const lc_json_key escalate_keys[] = {
    {"deadline_ms", LC_JSON_INTEGER, 1, 600000, false, "for an answer from upstream"},
    {"ttl_s", LC_JSON_INTEGER, 1, YEAR_S, false, "how long a question stays worth asking"},
    {"budget", LC_JSON_OBJECT, 0, 0, false, "for a day"},
};

static const lc_json_key budget_keys[] = {
    {"calls_per_day", LC_JSON_INTEGER, 0, 1e9, false, "questions"},
    {"money_per_day", LC_JSON_REAL, 0, 1e9, false, "in the currency of the upstream's price"},
};

static const lc_json_key privacy_keys[] = {
    {"never", LC_JSON_ARRAY, 0, LC_PRIVACY_MAX, false, "labels whose lines never leave"},
    {"redact", LC_JSON_ARRAY, 0, LC_PRIVACY_MAX, false, "serial, address, name"},
};

static const lc_json_key report_keys[] = {
    {"qos", LC_JSON_INTEGER, 0, 2, false, "of MQTT"},
    {"batch", LC_JSON_INTEGER, 1, 1024, false, "most records of one message"},
    {"text", LC_JSON_BOOL, 0, 0, false, "records carry the line itself"},
};

static const lc_json_key drift_keys[] = {
    {"window", LC_JSON_INTEGER, 10, 1e6, false, "lines"},
    {"psi", LC_JSON_REAL, 0, 100, false, "alarm above this change of labels"},
    {"oos_rate", LC_JSON_REAL, 0, 1, false, "alarm above this share out of scope"},
};

static const lc_json_key trend_keys[] = {
    {"of", LC_JSON_INTEGER, 1, 1000, true, "lines with the label"},
    {"in", LC_JSON_INTEGER, 1, 1000, true, "among so many"},
    {"clear_after_s", LC_JSON_INTEGER, 0, YEAR_S, false, "without it until it is over"},
};

typedef struct writer {
    const cJSON *job;
    lc_buf *out;
    lc_json_diag *diag;
    lc_json_path path;
} writer;

static const cJSON *get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static lc_err fail(writer *w, const char *what)
{
    return lc_json_fail(w->diag, LC_ERR_FORMAT, w->path.text, "%s", what);
}

/* The object under `key`, checked; *object is NULL when it is absent. */
static lc_err take(writer *w, const cJSON *parent, const char *key, const lc_json_key *keys,
                   size_t count, const cJSON **object)
{
    size_t back = lc_json_path_key(&w->path, key);
    *object = get(parent, key);
    lc_err err = *object == NULL ? LC_OK : lc_json_check(*object, keys, count, &w->path, w->diag);
    if (err == LC_OK) {
        lc_json_path_back(&w->path, back);
    }
    return err;
}

static lc_err put_escalate(writer *w)
{
    const cJSON *escalate, *budget;
    lc_err err = take(w, w->job, "escalate", escalate_keys, COUNT(escalate_keys), &escalate);
    if (err != LC_OK) {
        return err;
    }
    size_t back = lc_json_path_key(&w->path, "escalate");
    err = take(w, escalate, "budget", budget_keys, COUNT(budget_keys), &budget);
    if (err == LC_OK) {
        lc_json_path_back(&w->path, back);
    }
    lc_buf_put_u8(w->out, escalate != NULL);
    lc_buf_put_u32(w->out, (uint32_t)lc_json_real(escalate, "deadline_ms", 8000));
    lc_buf_put_u32(w->out, (uint32_t)lc_json_real(escalate, "ttl_s", 604800));
    lc_buf_put_u32(w->out, (uint32_t)lc_json_real(budget, "calls_per_day", 0));
    lc_buf_put_f32(w->out, (float)lc_json_real(budget, "money_per_day", 0));
    return err;
}

static bool is_redaction(const char *text)
{
    return strcmp(text, "serial") == 0 || strcmp(text, "address") == 0 || strcmp(text, "name") == 0;
}

static lc_err put_names(writer *w, const cJSON *privacy, const char *key, bool redactions)
{
    static const lc_json_key row = {"", LC_JSON_TEXT, 1, LC_NAME_BYTES_MAX, false, ""};
    const cJSON *list = get(privacy, key);
    size_t back = lc_json_path_key(&w->path, key), index = 0;
    lc_buf_put_u16(w->out, (uint16_t)(list != NULL ? cJSON_GetArraySize(list) : 0));
    for (const cJSON *n = list != NULL ? list->child : NULL; n != NULL; n = n->next) {
        size_t inner = lc_json_path_index(&w->path, index++);
        lc_err err = lc_json_check_value(n, &row, &w->path, w->diag);
        if (err != LC_OK) {
            return err;
        }
        if (!lc_name_valid(lc_str_from(n->valuestring), false)) {
            return fail(w, "no control characters in this name");
        }
        if (redactions && !is_redaction(n->valuestring)) {
            return fail(w, "must be serial, address or name");
        }
        lc_json_path_back(&w->path, inner);
        lc_buf_put_str(w->out, n->valuestring, strlen(n->valuestring));
    }
    lc_json_path_back(&w->path, back);
    return LC_OK;
}

static lc_err put_privacy(writer *w)
{
    const cJSON *privacy;
    lc_err err = take(w, w->job, "privacy", privacy_keys, COUNT(privacy_keys), &privacy);
    size_t back = lc_json_path_key(&w->path, "privacy");
    if (err == LC_OK) {
        err = put_names(w, privacy, "never", false);
    }
    if (err == LC_OK) {
        err = put_names(w, privacy, "redact", true);
    }
    if (err == LC_OK) {
        lc_json_path_back(&w->path, back);
    }
    return err;
}

static lc_err put_report_and_drift(writer *w)
{
    const cJSON *report, *drift = NULL;
    lc_err err = take(w, w->job, "report", report_keys, COUNT(report_keys), &report);
    if (err == LC_OK) {
        err = take(w, w->job, "drift", drift_keys, COUNT(drift_keys), &drift);
    }
    lc_buf_put_u8(w->out, (uint8_t)lc_json_real(report, "qos", 1));
    lc_buf_put_u16(w->out, (uint16_t)lc_json_real(report, "batch", 16));
    lc_buf_put_u8(w->out, lc_json_bool(report, "text", false));
    lc_buf_put_u8(w->out, drift != NULL);
    lc_buf_put_u32(w->out, (uint32_t)lc_json_real(drift, "window", 1000));
    lc_buf_put_f32(w->out, (float)lc_json_real(drift, "psi", 0.2));
    lc_buf_put_f32(w->out, (float)lc_json_real(drift, "oos_rate", 0.1));
    return err;
}

/* Is there a task `name`[0..bytes) with this label? */
static bool has_label(const cJSON *job, const char *name, size_t bytes, const char *label)
{
    const cJSON *task, *item;
    cJSON_ArrayForEach(task, get(job, "tasks"))
    {
        const char *own = lc_json_text(task, "task", "");
        if (strlen(own) != bytes || memcmp(own, name, bytes) != 0) {
            continue;
        }
        cJSON_ArrayForEach(item, get(task, "labels"))
        {
            if (strcmp(lc_json_text(item, "name", ""), label) == 0) {
                return true;
            }
        }
    }
    return false;
}

static lc_err put_trend(writer *w, const cJSON *trend)
{
    const char *equal = strchr(trend->string, '=');
    size_t task = equal != NULL ? (size_t)(equal - trend->string) : 0;
    if (equal == NULL || !has_label(w->job, trend->string, task, equal + 1)) {
        return fail(w, "must be task=label of this job");
    }
    lc_err err = lc_json_check(trend, trend_keys, COUNT(trend_keys), &w->path, w->diag);
    if (err == LC_OK && lc_json_real(trend, "of", 1) > lc_json_real(trend, "in", 1)) {
        err = fail(w, "of is more than in");
    }
    lc_buf_put_str(w->out, trend->string, task);
    lc_buf_put_str(w->out, equal + 1, strlen(equal + 1));
    lc_buf_put_u16(w->out, (uint16_t)lc_json_real(trend, "of", 1));
    lc_buf_put_u16(w->out, (uint16_t)lc_json_real(trend, "in", 1));
    lc_buf_put_u32(w->out, (uint32_t)lc_json_real(trend, "clear_after_s", 0));
    return err;
}

static bool stands_twice(const cJSON *list, const cJSON *item)
{
    for (const cJSON *other = list->child; other != item; other = other->next) {
        if (strcmp(other->string, item->string) == 0) {
            return true;
        }
    }
    return false;
}

static lc_err put_trends(writer *w)
{
    const cJSON *trends = get(w->job, "trend");
    int count = trends != NULL ? cJSON_GetArraySize(trends) : 0;
    (void)lc_json_path_key(&w->path, "trend");
    if (count > (int)LC_TRENDS_MAX) {
        return fail(w, "too many");
    }
    lc_buf_put_u16(w->out, (uint16_t)count);
    for (const cJSON *t = trends != NULL ? trends->child : NULL; t != NULL; t = t->next) {
        size_t back = lc_json_path_key(&w->path, t->string);
        lc_err err = stands_twice(trends, t) ? fail(w, "duplicate key") : put_trend(w, t);
        if (err != LC_OK) {
            return err;
        }
        lc_json_path_back(&w->path, back);
    }
    return LC_OK;
}

lc_err lc_job_policy_put(const cJSON *job, lc_buf *out, lc_json_diag *diag)
{
    writer w = {.job = job, .out = out, .diag = diag};
    lc_err err = put_escalate(&w);
    if (err == LC_OK) {
        err = put_privacy(&w);
    }
    if (err == LC_OK) {
        err = put_report_and_drift(&w);
    }
    return err == LC_OK ? put_trends(&w) : err;
}
