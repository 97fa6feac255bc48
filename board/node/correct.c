/* correct.c - member by member, some of them replaced. */
#include "correct.h"

#include "../../runtime/text.h"

/* A member of the record: "key":value, without the comma. */
typedef struct member {
    lc_str key, value;
} member;

static uint32_t string_end(lc_str s, uint32_t at)
{
    for (at++; at < s.bytes && s.data[at] != '"'; at++) {
        at += s.data[at] == '\\';
    }
    return at < s.bytes ? at + 1 : s.bytes;
}

static uint32_t value_end(lc_str s, uint32_t at)
{
    uint32_t depth = 0;
    while (at < s.bytes) {
        char c = s.data[at];
        if (c == '"') {
            at = string_end(s, at);
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}')) {
            return at;
        }
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        at++;
    }
    return s.bytes;
}

/* The member that starts at *at, behind `{` or `,`. */
static bool member_next(lc_str s, uint32_t *at, member *m)
{
    uint32_t from = *at + 1;
    if (from >= s.bytes || s.data[from] != '"') {
        return false;
    }
    uint32_t key_end = string_end(s, from);
    if (key_end + 1 >= s.bytes) {
        return false;
    }
    uint32_t end = value_end(s, key_end + 1);
    m->key = (lc_str){s.data + from + 1, key_end - from - 2};
    m->value = (lc_str){s.data + key_end + 1, end - key_end - 1};
    *at = end;
    return true;
}

static bool key_is(const member *m, const char *key)
{
    return lc_str_equal(m->key, lc_str_from(key));
}

static void key_put(lc_text *t, lc_str key)
{
    lc_text_add(t, t->bytes > 1 ? ",\"" : "\"");
    lc_text_put(t, key.data, key.bytes);
    lc_text_add(t, "\":");
}

static void why_put(lc_text *t, lc_str old, lc_str why)
{
    lc_text_put(t, old.data, old.bytes - 1);
    lc_text_add(t, old.bytes > 2 ? "," : "");
    lc_text_json(t, why);
    lc_text_add(t, "]");
}

static void spans_put(lc_text *t, const lc_correction *c)
{
    lc_text_add(t, ",\"ev\":[");
    for (uint32_t i = 0; i < c->span_count; i++) {
        lc_text_add(t, i > 0 ? ",[" : "[");
        lc_text_u64(t, c->span[2 * i]);
        lc_text_add(t, ",");
        lc_text_u64(t, c->span[2 * i + 1]);
        lc_text_add(t, "]");
    }
    lc_text_add(t, "]");
}

/* What upstream's answer replaces; false: the member stays. */
static bool answer_put(lc_text *t, const member *m, const lc_correction *c)
{
    float margin = 2 * c->p - 1; /* the others share what is left */
    if (key_is(m, "label")) {
        lc_text_json(t, c->label);
    } else if (key_is(m, "p")) {
        lc_text_fixed(t, c->p, 4);
    } else if (key_is(m, "margin")) {
        lc_text_fixed(t, margin > 0 ? margin : 0, 4);
    } else if (key_is(m, "set")) {
        lc_text_add(t, "[");
        lc_text_json(t, c->label);
        lc_text_add(t, "]");
    } else if (key_is(m, "stage")) {
        lc_text_add(t, "\"external\"");
    } else if (key_is(m, "decision")) {
        lc_text_add(t, "\"accept\"");
    } else {
        return false;
    }
    return true;
}

static void member_put(lc_text *t, const member *m, const lc_correction *c, bool lean)
{
    bool said = c->label.data != NULL;
    key_put(t, m->key);
    if (key_is(m, "act") || (lean && key_is(m, "facts"))) {
        lc_text_add(t, "[]");
    } else if (key_is(m, "why") && m->value.bytes >= 2) {
        why_put(t, m->value, c->why);
        if (said) {
            spans_put(t, c);
        }
    } else if (!said && key_is(m, "decision")) {
        lc_text_add(t, "\"defer\"");
    } else if (!said || !answer_put(t, m, c)) {
        lc_text_put(t, m->value.data, m->value.bytes);
    }
    if (key_is(m, "seq")) {
        lc_text_add(t, ",\"rev\":");
        lc_text_u64(t, c->rev);
        lc_text_add(t, said ? ",\"by\":\"upstream\"" : "");
        lc_text_add(t, ",\"cor\":{\"boot\":");
        lc_text_u64(t, c->boot);
        lc_text_add(t, ",\"no\":");
        lc_text_u64(t, c->number);
        lc_text_add(t, "}");
    }
}

static uint32_t write(lc_str record, const lc_correction *c, bool lean, char *out, uint32_t max)
{
    lc_text t = lc_text_make(out, max);
    uint32_t at = 0;
    member m;
    lc_text_add(&t, "{");
    while (member_next(record, &at, &m)) {
        if (!lean || !key_is(&m, "text")) {
            member_put(&t, &m, c, lean);
        }
    }
    lc_text_add(&t, "}");
    return t.full ? 0 : (uint32_t)t.bytes;
}

uint32_t lc_correct(lc_str record, const lc_correction *correction, char *out, uint32_t max)
{
    uint32_t bytes = write(record, correction, false, out, max);
    return bytes > 0 ? bytes : write(record, correction, true, out, max);
}

static uint64_t number_of(lc_str value)
{
    uint64_t number = 0;
    for (uint32_t i = 0; i < value.bytes && value.data[i] >= '0' && value.data[i] <= '9'; i++) {
        number = number * 10 + (uint64_t)(value.data[i] - '0');
    }
    return number;
}

bool lc_correction_of(lc_str json, uint32_t *boot, uint64_t *seq)
{
    uint32_t at = 0;
    member m;
    *boot = 0;
    *seq = 0;
    while (*seq == 0 && member_next(json, &at, &m)) {
        *boot = key_is(&m, "boot") ? (uint32_t)number_of(m.value) : *boot;
        *seq = key_is(&m, "seq") ? number_of(m.value) : 0;
    }
    return *seq > 0;
}
