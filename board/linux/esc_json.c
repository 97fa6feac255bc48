/* esc_json.c - plain values by template.c, which checks the whole message; the spans here. */
#include "esc_json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "template.h"

#define VALUE_BYTES_MAX 64u
#define TOKENS_MAX 1e9 /* of a call */
#define COST_MAX 1e6 /* of a call, in the currency */

/* ---- plain values ---- */

/* The value under a template, NUL-terminated. NOT_FOUND: there is none. */
static lc_err value_read(const char *tmpl, lc_str json, char *out, size_t max)
{
    size_t held = 0;
    lc_diag diag;
    lc_err err = lc_template_fill(tmpl, json.data, json.bytes, out, max - 1, &held, &diag);
    out[err == LC_OK ? held : 0] = '\0';
    if (err == LC_OK && memchr(out, '\0', held)) {
        return LC_ERR_FORMAT;
    }
    return err;
}

static lc_err number_read(const char *tmpl, lc_str json, double most, double *number)
{
    char text[VALUE_BYTES_MAX], *end;
    lc_err err = value_read(tmpl, json, text, sizeof text);
    if (err != LC_OK) {
        return err;
    }
    errno = 0;
    double value = strtod(text, &end);
    bool good = (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')) && *end == '\0' &&
                value >= 0 && value <= most;
    *number = good ? value : 0;
    return good ? LC_OK : LC_ERR_FORMAT;
}

static lc_err version_check(lc_str json)
{
    double version = 0;
    lc_err err = number_read("{v}", json, 1e9, &version);
    return err != LC_OK ? err : version == 1 ? LC_OK : LC_ERR_VERSION;
}

static uint32_t digit_of(char c)
{
    return c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
           : c >= 'a' && c <= 'f' ? (uint32_t)(c - 87)
                                  : 16u;
}

static lc_err id_read(lc_str json, uint8_t id[LC_ESC_ID_BYTES])
{
    char text[VALUE_BYTES_MAX];
    lc_err err = value_read("{id}", json, text, sizeof text);
    if (err != LC_OK || strlen(text) != 2 * LC_ESC_ID_BYTES) {
        return err != LC_OK ? err : LC_ERR_FORMAT;
    }
    for (uint32_t i = 0; i < LC_ESC_ID_BYTES; i++) {
        uint32_t high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
        if (high > 15 || low > 15) {
            return LC_ERR_FORMAT;
        }
        id[i] = (uint8_t)(high << 4 | low);
    }
    return LC_OK;
}

static lc_err status_read(lc_str json, uint8_t *status)
{
    static const char *const words[] = {"ok", "refused", "late", "error"};
    char text[VALUE_BYTES_MAX];
    lc_err err = value_read("{st}", json, text, sizeof text);
    for (uint8_t i = 0; i < sizeof words / sizeof words[0] && err == LC_OK; i++) {
        if (strcmp(text, words[i]) == 0) {
            *status = i;
            return LC_OK;
        }
    }
    return err != LC_OK ? err : LC_ERR_FORMAT;
}

/* ---- spans: the array under the key `ev`, in JSON that is known to be well formed ---- */

typedef struct cursor {
    const char *at, *end;
} cursor;

static void blank_skip(cursor *c)
{
    while (c->at < c->end && (unsigned char)*c->at <= ' ') {
        c->at++;
    }
}

static bool take(cursor *c, char what)
{
    blank_skip(c);
    bool there = c->at < c->end && *c->at == what;
    c->at += there;
    return there;
}

static void string_skip(cursor *c)
{
    for (c->at++; c->at < c->end && *c->at != '"'; c->at++) {
        c->at += *c->at == '\\';
    }
    c->at += c->at < c->end;
}

/* To the value of a key of the outermost object; false: it is not there. */
static bool key_find(cursor *c, const char *key)
{
    uint32_t depth = 0;
    size_t bytes = strlen(key);
    while (c->at < c->end) {
        if (*c->at != '"') {
            depth += *c->at == '{' || *c->at == '[';
            depth -= *c->at == '}' || *c->at == ']';
            c->at++;
            continue;
        }
        const char *from = c->at + 1;
        string_skip(c);
        bool same = depth == 1 && (size_t)(c->at - from) == bytes + 1 && c->at <= c->end &&
                    memcmp(from, key, bytes) == 0;
        if (same && take(c, ':')) {
            return true;
        }
    }
    return false;
}

static bool place_read(cursor *c, uint32_t *place)
{
    uint32_t value = 0, digits = 0;
    blank_skip(c);
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9' && digits < 6) {
        value = value * 10 + (uint32_t)(*c->at++ - '0');
        digits++;
    }
    *place = value;
    return digits > 0;
}

/* A quoted text, unescaped behind *out; template.c knows how. */
static bool quote_read(cursor *c, char **out, const char *out_end, lc_str *quote)
{
    blank_skip(c);
    const char *from = c->at;
    if (c->at == c->end || *c->at != '"') {
        return false;
    }
    string_skip(c);
    char object[LC_ESC_ANSWER_MAX + 8];
    size_t held, bytes = (size_t)(c->at - from);
    lc_diag diag;
    int n = snprintf(object, sizeof object, "{\"q\":%.*s}", (int)bytes, from);
    if (n < 0 || (size_t)n >= sizeof object ||
        lc_template_fill("{q}", object, (size_t)n, *out, (size_t)(out_end - *out), &held, &diag) !=
            LC_OK) {
        return false;
    }
    *quote = (lc_str){*out, (uint32_t)held};
    *out += held;
    return true;
}

static bool span_read(cursor *c, char **out, const char *out_end, lc_esc_span *span)
{
    bool good =
        take(c, '[') && place_read(c, &span->from) && take(c, ',') && place_read(c, &span->to);
    if (good && take(c, ',')) {
        good = quote_read(c, out, out_end, &span->quote);
    }
    return good && take(c, ']');
}

static lc_err spans_read(lc_str json, lc_esc_reply *reply)
{
    lc_esc_answer *a = &reply->answer;
    cursor c = {json.data, json.data + json.bytes};
    char *out = reply->quote;
    if (!key_find(&c, "ev")) {
        return LC_OK;
    }
    if (!take(&c, '[')) {
        return LC_ERR_FORMAT;
    }
    while (!take(&c, ']')) {
        if (a->span_count == LC_SPANS_SAID_MAX || (a->span_count > 0 && !take(&c, ',')) ||
            !span_read(&c, &out, reply->quote + sizeof reply->quote, &a->span[a->span_count])) {
            return LC_ERR_FORMAT;
        }
        a->span_count++;
    }
    return LC_OK;
}

/* ---- all of it ---- */

static lc_err label_read(lc_str json, lc_esc_reply *reply)
{
    size_t held = 0;
    lc_diag diag;
    double p = 0;
    lc_err err = lc_template_fill("{label}", json.data, json.bytes, reply->label,
                                  sizeof reply->label, &held, &diag);
    err = err == LC_OK ? number_read("{p}", json, 1, &p) : err;
    reply->answer.label = (lc_str){reply->label, (uint32_t)held};
    reply->answer.p = (float)p;
    return err == LC_OK ? spans_read(json, reply) : err;
}

/* Bytes that no JSON string may hold, and texts that are none. */
static bool is_text(lc_str json)
{
    uint32_t point;
    for (uint32_t at = 0; at < json.bytes;) {
        uint32_t bytes = lc_utf8_decode(json.data + at, json.bytes - at, &point);
        if (bytes == 0 || point == 0) {
            return false;
        }
        at += bytes;
    }
    return true;
}

lc_err lc_esc_reply_read(const char *data, uint32_t bytes, lc_esc_reply *reply)
{
    lc_str json = {data, bytes};
    double cost = 0, tokens = 0;
    *reply = (lc_esc_reply){0};
    if (bytes > LC_ESC_ANSWER_MAX) {
        return LC_ERR_LIMIT;
    }
    lc_err err = is_text(json) ? version_check(json) : LC_ERR_FORMAT;
    err = err == LC_OK ? id_read(json, reply->answer.id) : err;
    err = err == LC_OK ? status_read(json, &reply->answer.status) : err;
    if (err == LC_OK && reply->answer.status == LC_ESC_OK) {
        err = label_read(json, reply);
    }
    if (err != LC_OK) {
        return err;
    }
    lc_err priced = number_read("{cost}", json, COST_MAX, &cost);
    reply->answer.cost = (uint64_t)(cost * LC_BUDGET_MONEY + 0.5);
    lc_err counted = number_read("{tok}", json, TOKENS_MAX, &tokens);
    reply->answer.tokens = (uint64_t)tokens;
    err = priced == LC_ERR_NOT_FOUND ? LC_OK : priced;
    return err != LC_OK || counted == LC_ERR_NOT_FOUND ? err : counted;
}

lc_err lc_esc_worker_read(const char *data, uint32_t bytes, lc_esc_worker *worker)
{
    lc_str json = {data, bytes};
    char ready[VALUE_BYTES_MAX];
    double queue = 0, price = 0;
    *worker = (lc_esc_worker){0};
    if (bytes > LC_ESC_ANSWER_MAX) {
        return LC_ERR_LIMIT;
    }
    lc_err err = is_text(json) ? version_check(json) : LC_ERR_FORMAT;
    err = err == LC_OK ? value_read("{ready}", json, ready, sizeof ready) : err;
    if (err != LC_OK) {
        return err;
    }
    lc_err queued = number_read("{q}", json, 1e9, &queue);
    lc_err priced = number_read("{price}", json, COST_MAX, &price);
    if ((queued != LC_OK && queued != LC_ERR_NOT_FOUND) ||
        (priced != LC_OK && priced != LC_ERR_NOT_FOUND)) {
        return LC_ERR_FORMAT;
    }
    *worker = (lc_esc_worker){.ready = strcmp(ready, "true") == 0,
                              .queue = (uint32_t)queue,
                              .price = (uint64_t)(price * LC_BUDGET_MONEY + 0.5)};
    return LC_OK;
}
