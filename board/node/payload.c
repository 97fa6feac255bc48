/* payload.c - rendering. */
#include "payload.h"

static void number_put(lc_text *t, const char *key, uint64_t value)
{
    lc_text_key(t, key);
    lc_text_u64(t, value);
}

static void string_put(lc_text *t, const char *key, lc_str value)
{
    lc_text_key(t, key);
    lc_text_json(t, value);
}

static lc_text object_open(const lc_stamp *stamp, char *out, uint32_t max)
{
    lc_text t = lc_text_make(out, max);
    lc_text_add(&t, "{\"v\":1");
    string_put(&t, "dev", stamp->dev);
    number_put(&t, "boot", stamp->boot);
    if (stamp->ts_ms > 0) {
        number_put(&t, "ts", stamp->ts_ms);
    } else {
        number_put(&t, "up", stamp->up_ms);
    }
    string_put(&t, "tq", stamp->tq);
    return t;
}

static uint32_t object_close(lc_text *t)
{
    lc_text_add(t, "}");
    return t->full ? 0 : (uint32_t)t->bytes;
}

uint32_t lc_payload_event(const lc_stamp *stamp, const lc_event *event, char *out, uint32_t max)
{
    lc_text t = object_open(stamp, out, max);
    number_put(&t, "seq", event->seq);
    number_put(&t, "no", event->number);
    string_put(&t, "src", event->source);
    string_put(&t, "task", event->task);
    string_put(&t, "event", lc_str_from(event->alarm ? "alarm" : "clear"));
    string_put(&t, "label", event->label);
    if (event->was.bytes > 0) {
        string_put(&t, "was", event->was);
    }
    return object_close(&t);
}

static void some_put(lc_text *t, const char *key, lc_str value)
{
    if (value.bytes > 0) {
        string_put(t, key, value);
    }
}

static uint32_t audit_put(const lc_stamp *stamp, uint64_t number, const lc_audit_entry *e,
                          char *out, uint32_t max)
{
    lc_text t = object_open(stamp, out, max);
    number_put(&t, "no", number);
    string_put(&t, "kind", lc_str_from(lc_audit_word(e->kind)));
    string_put(&t, "what", e->what);
    string_put(&t, "result", lc_str_from(e->result));
    string_put(&t, "cause", lc_str_from(e->cause));
    some_put(&t, "by", e->by);
    if (e->of > 0) {
        number_put(&t, "of", e->of);
    }
    if (e->seq > 0) {
        number_put(&t, "seq", e->seq);
    }
    some_put(&t, "task", e->task);
    some_put(&t, "label", e->label);
    some_put(&t, "id", e->id);
    if (e->kind == LC_AUDIT_ASK) {
        number_put(&t, "bytes", e->bytes);
        number_put(&t, "try", e->tries);
        number_put(&t, "redacted", e->redacted);
    }
    if (e->count > 1) {
        number_put(&t, "count", e->count);
    }
    if (e->count > 1 && e->from > 0) {
        number_put(&t, "from", e->from);
    }
    return object_close(&t);
}

uint32_t lc_payload_audit(const lc_stamp *stamp, uint64_t number, const lc_audit_entry *entry,
                          char *out, uint32_t max)
{
    lc_audit_entry lean = *entry;
    uint32_t bytes = audit_put(stamp, number, &lean, out, max);
    if (bytes == 0) {
        lean.id = (lc_str){"", 0};
        bytes = audit_put(stamp, number, &lean, out, max);
    }
    if (bytes == 0) {
        lean.what = lean.label = (lc_str){"", 0};
        bytes = audit_put(stamp, number, &lean, out, max);
    }
    return bytes;
}

uint32_t lc_payload_gap(const lc_stamp *stamp, uint64_t number, const lc_gap *gap, char *out,
                        uint32_t max)
{
    lc_text t = object_open(stamp, out, max);
    number_put(&t, "gap", number);
    string_put(&t, "why", lc_str_from("outbox"));
    number_put(&t, "count", gap->count);
    if (gap->count > 0) {
        number_put(&t, "from", gap->from);
        number_put(&t, "to", gap->to);
    }
    if (gap->events > 0) {
        number_put(&t, "events", gap->events);
    }
    return object_close(&t);
}

uint32_t lc_payload_loss(const lc_stamp *stamp, const lc_loss *loss, lc_outbox_kind kind, char *out,
                         uint32_t max)
{
    static const char *const keys[LC_OUTBOX_KINDS] = {"count", "events", "corrections", "audits"};
    lc_stamp told = *stamp;
    told.boot = loss->told_boot;
    lc_text t = object_open(&told, out, max);
    number_put(&t, "gap", loss->told);
    string_put(&t, "why", lc_str_from("journal"));
    number_put(&t, "of", loss->boot);
    number_put(&t, "count", kind == LC_OUTBOX_RECORD ? loss->count : 0);
    if (kind != LC_OUTBOX_RECORD) {
        number_put(&t, keys[kind], loss->count);
    }
    number_put(&t, "from", loss->from);
    number_put(&t, "to", loss->to);
    return object_close(&t);
}

uint32_t lc_payload_lost(const lc_stamp *stamp, uint64_t number, lc_str source, const lc_lost *lost,
                         uint64_t wall_offset_ms, char *out, uint32_t max)
{
    lc_text t = object_open(stamp, out, max);
    number_put(&t, "gap", number);
    string_put(&t, "why", lc_str_from("inbox"));
    string_put(&t, "src", source);
    number_put(&t, "lines", lost->lines);
    number_put(&t, "from_ts", lost->from_ms + wall_offset_ms);
    number_put(&t, "to_ts", lost->to_ms + wall_offset_ms);
    return object_close(&t);
}

uint32_t lc_payload_log(const lc_stamp *stamp, const lc_saying *saying, char *out, uint32_t max)
{
    lc_text t = object_open(stamp, out, max);
    string_put(&t, "code", lc_str_from(lc_say_word(saying->code)));
    string_put(&t, "text", lc_str_from(lc_say_text(saying->code)));
    number_put(&t, "count", saying->count);
    number_put(&t, "value", saying->value);
    if (saying->word.bytes > 0) {
        string_put(&t, "about", saying->word);
    }
    return object_close(&t);
}
