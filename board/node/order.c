#include "order.h"

#include <string.h>

#define MINUTE_MS 60000u
#define HERTZ_MIN 20u
#define HERTZ_MAX 20000u

/* ---- the text ---- */

/* A cursor over the text of one label. */
typedef struct reader {
    lc_str text;
    uint32_t at;
    lc_diag *diag;
} reader;

static lc_err refuse(const reader *r, lc_err err, const char *why)
{
    return lc_fail(r->diag, err, r->at, why);
}

static bool take(reader *r, const char *word)
{
    uint32_t n = (uint32_t)strlen(word);
    if (n > r->text.bytes - r->at || memcmp(r->text.data + r->at, word, n) != 0) {
        return false;
    }
    r->at += n;
    return true;
}

static void skip_blanks(reader *r)
{
    while (r->at < r->text.bytes && r->text.data[r->at] == ' ') {
        r->at++;
    }
}

static bool at_end(const reader *r)
{
    return r->at == r->text.bytes || r->text.data[r->at] == ';';
}

/* A decimal number of at most nine digits. */
static bool read_number(reader *r, uint32_t *value)
{
    uint32_t n = 0, digits = 0;
    while (r->at < r->text.bytes && digits < 9 && r->text.data[r->at] >= '0' &&
           r->text.data[r->at] <= '9') {
        n = 10 * n + (uint32_t)(r->text.data[r->at++] - '0');
        digits++;
    }
    *value = n;
    return digits > 0;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

static lc_err read_name(reader *r, lc_str *name)
{
    uint32_t start = r->at;
    while (r->at < r->text.bytes && is_name_char(r->text.data[r->at])) {
        r->at++;
    }
    *name = (lc_str){r->text.data + start, r->at - start};
    return name->bytes > 0 ? LC_OK : refuse(r, LC_ERR_FORMAT, "a name is missing");
}

/* "500ms", "2s"; the number has been read. */
static lc_err read_unit(reader *r, uint32_t number, uint32_t *ms)
{
    uint64_t value = number;
    if (take(r, "ms")) {
    } else if (take(r, "s")) {
        value *= 1000;
    } else {
        return refuse(r, LC_ERR_FORMAT, "a time wants ms or s");
    }
    if (value == 0 || value > LC_ORDER_MS_MAX) {
        return refuse(r, LC_ERR_LIMIT, "a time is from 1 ms to 3600 s");
    }
    *ms = (uint32_t)value;
    return LC_OK;
}

static lc_err read_times(reader *r, uint32_t number, lc_order *order)
{
    if (number == 0 || number > LC_ORDER_TIMES_MAX) {
        return refuse(r, LC_ERR_LIMIT, "1 to 1000 times");
    }
    order->times = number;
    return LC_OK;
}

static lc_err read_phases(reader *r, uint32_t number, lc_order *order)
{
    lc_err err = read_unit(r, number, &order->on_ms);
    order->off_ms = order->on_ms;
    if (err != LC_OK || !take(r, "/")) {
        return err;
    }
    if (!read_number(r, &number)) {
        return refuse(r, LC_ERR_FORMAT, "a time is missing after /");
    }
    return read_unit(r, number, &order->off_ms);
}

/* ",500ms" ",200ms/800ms" ",3x", each once, in this order. */
static lc_err read_options(reader *r, lc_order *order)
{
    bool phases = false, times = false;
    for (skip_blanks(r); !at_end(r); skip_blanks(r)) {
        uint32_t number;
        if (!take(r, ",")) {
            return refuse(r, LC_ERR_FORMAT, "a comma or ; is missing");
        }
        skip_blanks(r);
        if (!read_number(r, &number)) {
            return refuse(r, LC_ERR_FORMAT, "a time or a number of times is missing");
        }
        lc_err err;
        if (!times && take(r, "x")) {
            times = true;
            err = read_times(r, number, order);
        } else if (!phases && !times && order->kind != LC_ORDER_CLIP) {
            phases = true;
            err = read_phases(r, number, order);
        } else {
            err = refuse(r, LC_ERR_FORMAT, "what stands here was given already");
        }
        if (err != LC_OK) {
            return err;
        }
    }
    return LC_OK;
}

static lc_err read_pin(reader *r, lc_order *order)
{
    uint32_t level;
    order->kind = LC_ORDER_PIN;
    lc_err err = read_name(r, &order->name);
    if (err != LC_OK) {
        return err;
    }
    if (!take(r, "=") || !read_number(r, &level) || level > 1) {
        return refuse(r, LC_ERR_FORMAT, "a pin wants =0 or =1");
    }
    order->active = level == 1;
    err = read_options(r, order);
    if (err == LC_OK && order->times > 0 && order->on_ms == 0) {
        order->on_ms = order->off_ms = LC_ORDER_PHASE_MS;
    }
    return err;
}

static lc_err read_tone(reader *r, lc_order *order)
{
    order->kind = LC_ORDER_TONE;
    order->on_ms = order->off_ms = LC_ORDER_PHASE_MS;
    if (!read_number(r, &order->hertz) || !take(r, "Hz")) {
        return refuse(r, LC_ERR_FORMAT, "a tone wants a number and Hz");
    }
    if (order->hertz < HERTZ_MIN || order->hertz > HERTZ_MAX) {
        return refuse(r, LC_ERR_LIMIT, "a tone is from 20 to 20000 Hz");
    }
    return read_options(r, order);
}

static lc_err read_clip(reader *r, lc_order *order)
{
    order->kind = LC_ORDER_CLIP;
    lc_err err = read_name(r, &order->name);
    return err == LC_OK ? read_options(r, order) : err;
}

static lc_err read_act(reader *r, lc_order *order)
{
    *order = (lc_order){.name = {"", 0}, .text = {"", 0}};
    lc_err err;
    if (take(r, "gpio:")) {
        err = read_pin(r, order);
    } else if (take(r, "tone:")) {
        err = read_tone(r, order);
    } else if (take(r, "clip:")) {
        err = read_clip(r, order);
    } else {
        err = refuse(r, LC_ERR_FORMAT, "an action is gpio:, tone: or clip:");
    }
    order->times = order->times > 0 ? order->times : 1;
    return err;
}

lc_err lc_orders_parse(lc_str text, lc_order *order, uint32_t *count, lc_diag *diag)
{
    reader r = {.text = text, .diag = diag};
    uint32_t n = 0;
    for (skip_blanks(&r); r.at < text.bytes; skip_blanks(&r)) {
        if (n == LC_ORDERS_MAX) {
            return refuse(&r, LC_ERR_LIMIT, "more than 8 actions");
        }
        uint32_t from = r.at;
        lc_err err = read_act(&r, &order[n]);
        if (err != LC_OK) {
            return err;
        }
        order[n++].text = (lc_str){text.data + from, r.at - from};
        (void)take(&r, ";");
    }
    *count = n;
    return LC_OK;
}

/* ---- an output ---- */

static bool too_often(lc_output *o, uint64_t now_ms)
{
    if (o->starts == 0 || now_ms >= o->minute_ms + MINUTE_MS) {
        o->minute_ms = now_ms;
        o->starts = 0;
    }
    return o->starts_max > 0 && o->starts >= o->starts_max;
}

lc_order_result lc_output_start(lc_output *output, uint64_t now_ms, const lc_order *order,
                                float priority)
{
    if (output->busy && output->priority > priority) {
        output->held++;
        return LC_ORDER_HELD;
    }
    if (too_often(output, now_ms)) {
        output->limited++;
        return LC_ORDER_LIMITED;
    }
    output->starts++;
    output->order = *order;
    output->priority = priority;
    output->busy = true;
    output->done = 0;
    output->next_ms = now_ms;
    return LC_ORDER_DONE;
}

bool lc_output_moved(const lc_output *output)
{
    const lc_order *o = &output->order; /* how long a clip plays, nobody here knows */
    return output->busy || (o->kind == LC_ORDER_PIN && output->active != output->safe) ||
           (o->kind == LC_ORDER_CLIP && o->times > 0);
}

void lc_output_rest(lc_output *output, uint64_t now_ms)
{
    uint8_t kind = output->order.kind;
    output->order = (lc_order){.kind = kind, .name = output->order.name, .active = output->safe};
    output->priority = 0.0f;
    output->busy = true;
    output->done = 0;
    output->next_ms = now_ms;
}

/* The level of a pin in phase `done`: on, off, on ... At the end of the last pulse it is safe. */
static bool pin_level(const lc_output *o)
{
    bool over = o->order.on_ms > 0 && o->done >= 2 * o->order.times - 1;
    bool on = o->done % 2 == 0 ? o->order.active : !o->order.active;
    return over ? o->safe : on;
}

/* One phase after another; those that passed while nobody looked are passed over. */
static bool pin_next(lc_output *o, uint64_t now_ms)
{
    bool before = o->active, first = o->done == 0;
    while (o->busy && now_ms >= o->next_ms) {
        o->active = pin_level(o);
        o->busy = o->order.on_ms > 0 && o->done < 2 * o->order.times - 1;
        o->next_ms += o->done % 2 == 0 ? o->order.on_ms : o->order.off_ms;
        o->done++;
    }
    return first || o->active != before;
}

/* A sound knows its own pattern: it is begun once, and ended only when it is to stop early. How
 * long a clip is, nobody here knows. */
static bool sound_next(lc_output *o, uint64_t now_ms)
{
    if (o->done == 0 && o->order.times > 0) {
        o->active = true;
        o->done = 1;
        o->next_ms = now_ms;
        for (const lc_order *one = &o->order; one; one = one->then) {
            o->next_ms += (uint64_t)one->times * (one->on_ms + one->off_ms);
        }
        return true;
    }
    bool cut = o->order.times == 0 && (o->active || o->order.kind == LC_ORDER_CLIP);
    o->active = o->busy = false;
    return cut;
}

bool lc_output_next(lc_output *output, uint64_t now_ms)
{
    if (!output->busy || now_ms < output->next_ms) {
        return false;
    }
    return output->order.kind == LC_ORDER_PIN ? pin_next(output, now_ms)
                                              : sound_next(output, now_ms);
}

uint64_t lc_output_wake_ms(const lc_output *output)
{
    return output->busy ? output->next_ms : UINT64_MAX;
}
