/* template.c - a scan of the message for each {key}; the scan checks all of the JSON as it goes. */
#include "template.h"

#include <stdbool.h>
#include <string.h>

#include "../../runtime/bytes.h"

#define KEY_BYTES_MAX 128u

/* ---- scanning JSON ---- */

typedef struct scan {
    const char *at, *end;
    bool bad;
    uint32_t depth;
    bool object[LC_TEMPLATE_DEPTH_MAX]; /* else an array */
} scan;

/* Where decoded text goes; what does not fit is left out and `full` set. */
typedef struct sink {
    char *out;
    size_t max, bytes;
    bool full;
} sink;

static void sink_put(sink *s, const char *data, size_t bytes)
{
    if (bytes > s->max - s->bytes) {
        s->full = true;
        return;
    }
    memcpy(s->out + s->bytes, data, bytes);
    s->bytes += bytes;
}

static void blank_skip(scan *s)
{
    while (s->at < s->end &&
           (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')) {
        s->at++;
    }
}

static bool char_take(scan *s, char c)
{
    blank_skip(s);
    bool there = s->at < s->end && *s->at == c;
    s->at += there;
    return there;
}

/* Four hex digits. */
static uint32_t unit_take(scan *s)
{
    uint32_t unit = 0;
    for (uint32_t i = 0; i < 4; i++) {
        char c = s->at < s->end ? *s->at++ : 'x';
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        s->bad = s->bad || digit == 16;
        unit = unit << 4 | (digit & 15);
    }
    return unit;
}

/* A line holds no controls: they become blanks. */
static void point_put(sink *out, uint32_t point)
{
    char utf8[4];
    uint32_t bytes = lc_utf8_encode(point < 0x20 || point == 0x7f ? ' ' : point, utf8);
    sink_put(out, utf8, bytes);
}

static void unicode_take(scan *s, sink *out)
{
    uint32_t unit = unit_take(s);
    if (unit >= 0xD800 && unit < 0xDC00 && s->end - s->at >= 2 && s->at[0] == '\\' &&
        s->at[1] == 'u') {
        s->at += 2;
        uint32_t low = unit_take(s);
        s->bad = s->bad || low < 0xDC00 || low > 0xDFFF;
        unit = 0x10000 + ((unit & 0x3FF) << 10) + (low & 0x3FF);
    } else if (unit >= 0xD800 && unit < 0xE000) {
        s->bad = true;
    }
    if (!s->bad) {
        point_put(out, unit);
    }
}

static void escape_take(scan *s, sink *out)
{
    char c = s->at < s->end ? *s->at++ : '\0';
    if (c == 'u') {
        unicode_take(s, out);
    } else if (c == '"' || c == '\\' || c == '/') {
        sink_put(out, &c, 1);
    } else if (c == 'b' || c == 'f' || c == 'n' || c == 'r' || c == 't') {
        sink_put(out, " ", 1);
    } else {
        s->bad = true;
    }
}

/* The rest of a string whose quote was taken. */
static void string_take(scan *s, sink *out)
{
    while (!s->bad && s->at < s->end && *s->at != '"') {
        char c = *s->at++;
        if (c == '\\') {
            escape_take(s, out);
        } else if ((unsigned char)c < 0x20) {
            s->bad = true;
        } else {
            sink_put(out, &c, 1); /* invalid UTF-8 is the job's to see */
        }
    }
    s->bad = s->bad || s->at == s->end;
    s->at += !s->bad;
}

static uint32_t digits_skip(scan *s)
{
    const char *from = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9') {
        s->at++;
    }
    return (uint32_t)(s->at - from);
}

static bool skip_one(scan *s, const char *set)
{
    bool there = s->at < s->end && *s->at != '\0' && strchr(set, *s->at);
    s->at += there;
    return there;
}

static void number_take(scan *s, sink *out)
{
    const char *from = s->at;
    skip_one(s, "-");
    const char *first = s->at;
    uint32_t digits = digits_skip(s);
    s->bad = digits == 0 || (digits > 1 && *first == '0');
    if (skip_one(s, ".")) {
        s->bad = digits_skip(s) == 0 || s->bad;
    }
    if (skip_one(s, "eE")) {
        skip_one(s, "+-");
        s->bad = digits_skip(s) == 0 || s->bad;
    }
    sink_put(out, from, (size_t)(s->at - from));
}

static bool word_take(scan *s, const char *word)
{
    size_t bytes = strlen(word);
    bool there = (size_t)(s->end - s->at) >= bytes && memcmp(s->at, word, bytes) == 0;
    s->at += there ? bytes : 0;
    return there;
}

typedef enum found { FOUND_PLAIN, FOUND_NULL, FOUND_BOX } found;

/* One value; of an object or array only its opening, which is entered. */
static found value_take(scan *s, sink *out)
{
    blank_skip(s);
    char c = s->at < s->end ? *s->at : '\0';
    if (c == '{' || c == '[') {
        s->at++;
        s->bad = s->bad || s->depth == LC_TEMPLATE_DEPTH_MAX;
        if (!s->bad) {
            s->object[s->depth++] = c == '{';
        }
        return FOUND_BOX;
    }
    if (c == '"') {
        s->at++;
        string_take(s, out);
    } else if (word_take(s, "true")) {
        sink_put(out, "true", 4);
    } else if (word_take(s, "false")) {
        sink_put(out, "false", 5);
    } else if (word_take(s, "null")) {
        return FOUND_NULL;
    } else {
        number_take(s, out);
    }
    return FOUND_PLAIN;
}

/* ---- finding a key ---- */

typedef struct search {
    const char *key; /* "a.b", [key_bytes] */
    size_t key_bytes;
    uint32_t parts;   /* of the key */
    uint32_t matched; /* levels of objects that its first parts led into */
    lc_err err;       /* NOT_FOUND until it was found */
} search;

/* Part i of the key. */
static lc_str part_of(const search *f, uint32_t i)
{
    const char *at = f->key, *end = f->key + f->key_bytes;
    for (; i > 0; i--) {
        at = (const char *)memchr(at, '.', (size_t)(end - at)) + 1;
    }
    const char *dot = memchr(at, '.', (size_t)(end - at));
    return (lc_str){at, (uint32_t)((dot ? dot : end) - at)};
}

static bool key_take(scan *s, const search *f)
{
    char name[KEY_BYTES_MAX];
    sink out = {.out = name, .max = sizeof name};
    if (!char_take(s, '"')) {
        s->bad = true;
        return false;
    }
    string_take(s, &out);
    s->bad = s->bad || !char_take(s, ':');
    lc_str this = {name, (uint32_t)out.bytes};
    return f->parts > 0 && f->matched + 1 == s->depth && !out.full &&
           lc_str_equal(this, part_of(f, f->matched));
}

/* A key with its value, or an item of an array. */
static void member_take(scan *s, search *f, sink *out)
{
    char none[1];
    sink nowhere = {.out = none, .max = 0};
    bool mine = s->object[s->depth - 1] && key_take(s, f);
    bool last = mine && f->matched + 1 == f->parts && f->err != LC_OK;
    found what = s->bad ? FOUND_NULL : value_take(s, last ? out : &nowhere);
    if (last && what == FOUND_PLAIN) {
        f->err = LC_OK;
    } else if (mine && !last && what == FOUND_BOX && s->object[s->depth - 1] &&
               f->matched + 1 < f->parts) {
        f->matched++;
    }
}

static void box_leave(scan *s, search *f)
{
    s->depth--;
    if (f->matched > 0 && f->matched >= s->depth) {
        f->matched--;
    }
}

/* Goes through all of the object; writes the value of the key where it is found. */
static void object_scan(scan *s, search *f, sink *out)
{
    bool first = true; /* in this box */
    s->bad = !char_take(s, '{');
    s->object[0] = true;
    s->depth = 1;
    while (!s->bad && s->depth > 0) {
        uint32_t depth = s->depth;
        if (char_take(s, s->object[depth - 1] ? '}' : ']')) {
            box_leave(s, f);
            first = false;
            continue;
        }
        s->bad = !first && !char_take(s, ',');
        if (!s->bad) {
            member_take(s, f, out);
        }
        first = s->depth > depth;
    }
    blank_skip(s);
    s->bad = s->bad || s->at != s->end;
}

/* ---- templates ---- */

static lc_err key_write(const char *key, size_t key_bytes, const char *json, size_t bytes,
                        sink *out, lc_diag *diag)
{
    scan s = {.at = json, .end = json + bytes};
    search f = {.key = key, .key_bytes = key_bytes, .err = LC_ERR_NOT_FOUND};
    for (size_t i = 0; i < key_bytes; i++) {
        f.parts += key[i] == '.';
    }
    f.parts += key_bytes > 0;
    object_scan(&s, &f, out);
    if (s.bad) {
        return lc_fail(diag, LC_ERR_FORMAT, (uint64_t)(s.at - json), "not a JSON object");
    }
    if (key_bytes > 0 && f.err != LC_OK) {
        return lc_fail(diag, LC_ERR_NOT_FOUND, 0, "a key is missing or has no plain value");
    }
    return LC_OK;
}

/* The end of {key}, NULL when it has none or the key cannot be one. */
static const char *key_end(const char *key)
{
    const char *end = strchr(key, '}');
    bool ok =
        end && end > key && (size_t)(end - key) <= KEY_BYTES_MAX && key[0] != '.' && end[-1] != '.';
    for (const char *c = key; ok && c < end; c++) {
        ok = *c != '{' && !(c[0] == '.' && c[1] == '.');
    }
    return ok ? end : NULL;
}

lc_err lc_template_check(const char *tmpl, lc_diag *diag)
{
    for (const char *at = tmpl; *at; at++) {
        if (*at != '{' && *at != '}') {
            continue;
        }
        if (at[1] == *at) {
            at++;
        } else if (*at == '{' && key_end(at + 1)) {
            at = key_end(at + 1);
        } else {
            return lc_fail(diag, LC_ERR_FORMAT, (uint64_t)(at - tmpl),
                           "a brace that is no {key}; write {{ or }} for a brace");
        }
    }
    return LC_OK;
}

lc_err lc_template_fill(const char *tmpl, const char *json, size_t bytes, char *out, size_t max,
                        size_t *out_bytes, lc_diag *diag)
{
    sink line = {.out = out, .max = max};
    lc_err err = key_write("", 0, json, bytes, &line, diag);
    for (const char *at = tmpl; *at && err == LC_OK; at++) {
        if (at[0] == '{' && at[1] != '{') {
            const char *end = key_end(at + 1);
            lc_assert(end); /* checked with the config */
            err = key_write(at + 1, (size_t)(end - at - 1), json, bytes, &line, diag);
            at = end;
            continue;
        }
        sink_put(&line, at, 1);
        at += (*at == '{' || *at == '}');
    }
    if (err == LC_OK && line.full) {
        err = lc_fail(diag, LC_ERR_LIMIT, 0, "the line is too long");
    }
    *out_bytes = line.bytes;
    return err;
}
