/* record.c - an answer as one line of JSON; the order of keys is part of the format. */
#include "record.h"

static void put_text(lc_text *t, const char *name, lc_str value)
{
    lc_text_key(t, name);
    lc_text_json(t, value);
}

static void put_u64(lc_text *t, const char *name, uint64_t value)
{
    lc_text_key(t, name);
    lc_text_u64(t, value);
}

static void put_fixed(lc_text *t, const char *name, float value, uint32_t decimals)
{
    lc_text_key(t, name);
    lc_text_fixed(t, value, decimals);
}

static void comma(lc_text *t, bool *first)
{
    if (!*first) {
        lc_text_add(t, ",");
    }
    *first = false;
}

/* ---- parts ---- */

static void put_origin(lc_text *t, const lc_record_meta *meta)
{
    put_u64(t, "v", 1);
    put_text(t, "dev", meta->dev);
    put_u64(t, "boot", meta->boot);
    put_u64(t, "seq", meta->seq);
    put_u64(t, "ts", meta->ts_ms);
    put_text(t, "tq", meta->tq);
    if (lc_str_equal(meta->tq, lc_str_from("none"))) {
        put_u64(t, "up", meta->up_ms);
    }
    put_text(t, "src", meta->src);
}

static void put_set(lc_text *t, const lc_answer *a)
{
    bool first = true;
    lc_text_key(t, "set");
    lc_text_add(t, "[");
    for (uint32_t i = 0; i < a->task->label_count; i++) {
        if ((a->in_set[i / 8] >> (i % 8) & 1) != 0) {
            comma(t, &first);
            lc_text_json(t, a->task->label[i].name);
        }
    }
    lc_text_add(t, "]");
}

static const char *decision_text(uint8_t decision)
{
    static const char *const text[] = {"accept", "escalate", "defer", "reject"};
    lc_assert(decision < sizeof text / sizeof text[0]);
    return text[decision];
}

static void put_answer(lc_text *t, const lc_answer *a)
{
    put_text(t, "task", a->task->name);
    if (a->label < 0) {
        lc_text_key(t, "label");
        lc_text_add(t, "null");
    } else {
        put_text(t, "label", a->task->label[a->label].name);
    }
    put_fixed(t, "p", a->p, 4);
    put_fixed(t, "margin", a->margin, 4);
    put_set(t, a);
    put_fixed(t, "oos", a->oos, 4);
    put_text(t, "stage", a->stage);
    put_text(t, "decision", lc_str_from(decision_text(a->decision)));
}

static void put_why(lc_text *t, const lc_answer *a)
{
    bool first = true;
    lc_text_key(t, "why");
    lc_text_add(t, "[");
    for (uint32_t i = 0; i < a->why_count; i++) {
        comma(t, &first);
        lc_text_json(t, a->why[i]);
    }
    lc_text_add(t, "]");
}

void lc_record_fact(lc_text *t, const lc_fact *f)
{
    lc_text_add(t, "{\"k\":");
    lc_text_json(t, f->key);
    lc_text_add(t, ",\"v\":");
    if (f->is_number) {
        lc_text_scaled(t, f->digits, f->decimals);
    } else {
        lc_text_json(t, f->word);
    }
    if (f->unit != NULL) {
        lc_text_add(t, ",\"u\":");
        lc_text_json(t, lc_str_from(f->unit->text));
    }
    lc_text_add(t, ",\"at\":[");
    lc_text_u64(t, f->at);
    lc_text_add(t, ",");
    lc_text_u64(t, f->end);
    lc_text_add(t, "]}");
}

static void put_facts(lc_text *t, const lc_facts *facts)
{
    bool first = true;
    lc_text_key(t, "facts");
    lc_text_add(t, "[");
    for (uint32_t i = 0; i < facts->count; i++) {
        comma(t, &first);
        lc_record_fact(t, &facts->fact[i]);
    }
    lc_text_add(t, "]");
}

static bool is_between(char c)
{
    return c == ' ' || c == ';';
}

/* The actions that the job orders for an accepted label: "gpio:relay=1,500ms; tone:880Hz,3x". */
static void put_acts(lc_text *t, const lc_answer *a)
{
    bool first = true;
    lc_str list = {"", 0};
    if (a->decision == LC_ACCEPT) {
        list = a->task->label[a->label].action;
    }
    lc_text_key(t, "act");
    lc_text_add(t, "[");
    for (uint32_t i = 0; i < list.bytes;) {
        uint32_t start = i;
        while (i < list.bytes && list.data[i] != ';') {
            i++;
        }
        uint32_t end = i;
        while (end > start && is_between(list.data[end - 1])) {
            end--;
        }
        if (end > start) {
            comma(t, &first);
            lc_text_json(t, (lc_str){list.data + start, end - start});
        }
        while (i < list.bytes && is_between(list.data[i])) {
            i++;
        }
    }
    lc_text_add(t, "]");
}

static void put_model(lc_text *t, const lc_job *job, const lc_record_meta *meta)
{
    lc_text_key(t, "mdl");
    lc_text_add(t, "\"");
    lc_text_hex(t, meta->mdl != NULL ? meta->mdl : lc_job_root(job), 4);
    lc_text_add(t, "@");
    lc_text_u64(t, lc_job_ver(job));
    lc_text_add(t, "\"");
}

/* {"name":number, ...} of the task's labels, then of the output `oos` when there is one more. */
static void put_numbers(lc_text *t, const char *name, const lc_answer *a, const float *value,
                        uint32_t count, uint32_t decimals)
{
    lc_text_key(t, name);
    lc_text_add(t, "{");
    for (uint32_t i = 0; i < count; i++) {
        lc_text_add(t, i == 0 ? "" : ",");
        bool label = i < a->task->label_count;
        lc_text_json(t, label ? a->task->label[i].name : lc_str_from("oos"));
        lc_text_add(t, ":");
        lc_text_fixed(t, value[i], decimals);
    }
    lc_text_add(t, "}");
}

size_t lc_record_write(const lc_job *job, const lc_answer *answer, const lc_record_meta *meta,
                       char *out, size_t max)
{
    lc_text t = lc_text_make(out, max);
    lc_text_add(&t, "{");
    put_origin(&t, meta);
    put_text(&t, "job", lc_job_name(job));
    put_answer(&t, answer);
    put_why(&t, answer);
    put_facts(&t, answer->facts);
    put_acts(&t, answer);
    put_model(&t, job, meta);
    put_fixed(&t, "ms", meta->ms, 1);
    put_u64(&t, "tok", answer->tokens);
    if (meta->in != NULL) {
        lc_text_key(&t, "in");
        lc_text_add(&t, "\"");
        lc_text_hex(&t, meta->in, 8);
        lc_text_add(&t, "\"");
    }
    if (meta->text.data != NULL) {
        put_text(&t, "text", meta->text);
    }
    if (meta->labels) {
        put_numbers(&t, "labels", answer, answer->prob, answer->task->label_count, 4);
    }
    if (meta->scores) {
        put_numbers(&t, "z", answer, answer->score, answer->score_count, 6);
    }
    lc_text_add(&t, "}");
    return t.full ? 0 : t.bytes;
}
