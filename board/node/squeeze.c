/* squeeze.c - a text as steps: new bytes, then a copy of earlier ones.
 *
 *   step   one byte: 0x80 a distance follows, else the one of the step before; 0x70 number of new
 *          bytes; 0x0f length of the copy less COPY_MIN. A number that is all ones goes on in bytes
 *          that add up, until one is not 255
 *   then   more of the first number, the new bytes, the distance as u16, more of the second number
 * The last step may end with its new bytes. Two records differ in a few places, each as far behind
 * its like as the one before: that is why a distance is mostly left out.
 */
#include "squeeze.h"

#include <string.h>

#include "../../runtime/err.h"
#include "bits.h"

#define COPY_MIN 3u
#define FRESH_MORE 7u
#define COPY_MORE 15u
#define FAR 0x80u

void lc_history_clear(lc_history *history)
{
    history->bytes = 0;
    if (history->place) {
        memset(history->place, 0, LC_SQUEEZE_PLACES * sizeof *history->place);
    }
}

/* Makes room for a text behind the history: the older half goes. */
static void room_make(lc_history *history, uint32_t bytes)
{
    uint32_t keep = LC_HISTORY_BYTES - LC_SQUEEZE_TEXT_MAX;
    lc_assert(bytes <= LC_SQUEEZE_TEXT_MAX);
    if (history->bytes + bytes <= LC_HISTORY_BYTES) {
        return;
    }
    uint32_t gone = history->bytes - keep;
    memmove(history->text, history->text + gone, keep);
    history->bytes = keep;
    for (uint32_t i = 0; history->place && i < LC_SQUEEZE_PLACES; i++) {
        uint16_t *place = &history->place[i];
        *place = (uint16_t)(*place > gone ? *place - gone : 0);
    }
}

void lc_history_add(lc_history *history, const void *text, uint32_t bytes)
{
    if (bytes > LC_SQUEEZE_TEXT_MAX) {
        return;
    }
    room_make(history, bytes);
    memcpy(history->text + history->bytes, text, bytes);
    history->bytes += bytes;
}

/* ---- squeezing ---- */

typedef struct sink {
    uint8_t *out;
    uint32_t bytes, max;
    bool full;
} sink;

static void byte_put(sink *s, uint32_t byte)
{
    if (s->bytes == s->max) {
        s->full = true;
        return;
    }
    s->out[s->bytes++] = (uint8_t)byte;
}

static void more_put(sink *s, uint32_t rest)
{
    for (; rest >= 255; rest -= 255) {
        byte_put(s, 255);
    }
    byte_put(s, rest);
}

static void step_put(sink *s, const uint8_t *fresh, uint32_t count, uint32_t copy,
                     uint32_t distance, bool far)
{
    uint32_t rest = copy > 0 ? copy - COPY_MIN : 0;
    uint32_t high = count < FRESH_MORE ? count : FRESH_MORE;
    uint32_t low = rest < COPY_MORE ? rest : COPY_MORE;
    byte_put(s, (far ? FAR : 0) | high << 4 | low);
    if (high == FRESH_MORE) {
        more_put(s, count - FRESH_MORE);
    }
    for (uint32_t i = 0; i < count; i++) {
        byte_put(s, fresh[i]);
    }
    if (far) {
        byte_put(s, distance & 255);
        byte_put(s, distance >> 8);
    }
    if (low == COPY_MORE) {
        more_put(s, rest - COPY_MORE);
    }
}

static uint32_t place_of(const uint8_t *at)
{
    uint32_t four =
        (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
    return four * 2654435761u >> 20;
}

_Static_assert(LC_SQUEEZE_PLACES == 1u << 12, "place_of gives 12 bits");

static uint32_t same_length(const uint8_t *a, const uint8_t *b, const uint8_t *b_end)
{
    uint32_t n = 0;
    while (b + n < b_end && a[n] == b[n]) {
        n++;
    }
    return n;
}

/* Notes where the four bytes at i are; gives the distance to the ones before, 0 none. */
static uint32_t place_note(lc_history *h, uint32_t i, uint32_t end)
{
    if (i + 4 > end) {
        return 0;
    }
    uint16_t *place = &h->place[place_of(h->text + i)];
    uint32_t before = *place;
    *place = (uint16_t)(i + 1);
    return before > 0 ? i + 1 - before : 0;
}

uint32_t lc_squeeze(lc_history *history, const char *text, uint32_t bytes, uint8_t *out)
{
    sink s = {.out = out, .max = bytes > 0 ? bytes - 1 : 0};
    lc_history_add(history, text, bytes);
    const uint8_t *base = history->text;
    uint32_t end = history->bytes, fresh = end - bytes, last = 0;
    for (uint32_t i = fresh; i < end;) {
        uint32_t found = place_note(history, i, end), distance = last;
        uint32_t copy = last > 0 ? same_length(base + i - last, base + i, base + end) : 0;
        uint32_t other = found > 0 ? same_length(base + i - found, base + i, base + end) : 0;
        if (other > copy + 3) {
            copy = other;
            distance = found;
        }
        if (copy < COPY_MIN + (distance != last)) {
            i++;
            continue;
        }
        step_put(&s, base + fresh, i - fresh, copy, distance, distance != last);
        for (uint32_t k = 1; k < copy; k++) {
            (void)place_note(history, i + k, end);
        }
        i += copy;
        fresh = i;
        last = distance;
    }
    if (fresh < end) {
        step_put(&s, base + fresh, end - fresh, 0, 0, false);
    }
    return s.full ? 0 : s.bytes;
}

/* ---- the other way ---- */

typedef struct source {
    const uint8_t *in;
    uint32_t at, bytes;
    bool failed;
} source;

static uint32_t byte_take(source *s)
{
    if (s->at == s->bytes) {
        s->failed = true;
        return 0;
    }
    return s->in[s->at++];
}

static uint32_t number_take(source *s, uint32_t low, uint32_t more)
{
    uint32_t n = low, byte = 255;
    while (low == more && byte == 255 && n < LC_HISTORY_BYTES && !s->failed) {
        byte = byte_take(s);
        n += byte;
    }
    return n;
}

/* One step; appends at *at, up to end. */
static void step_take(source *s, uint8_t *base, uint32_t *at, uint32_t end, uint32_t *distance)
{
    uint32_t head = byte_take(s);
    uint32_t fresh = number_take(s, head >> 4 & 7u, FRESH_MORE);
    if (fresh > end - *at || fresh > s->bytes - s->at) {
        s->failed = true;
        return;
    }
    memcpy(base + *at, s->in + s->at, fresh);
    s->at += fresh;
    *at += fresh;
    if (*at == end) {
        return;
    }
    if (head & FAR) {
        *distance = byte_take(s);
        *distance |= byte_take(s) << 8;
    }
    uint32_t copy = number_take(s, head & 15u, COPY_MORE) + COPY_MIN;
    if (s->failed || *distance == 0 || *distance > *at || copy > end - *at) {
        s->failed = true;
        return;
    }
    for (uint32_t i = 0; i < copy; i++, (*at)++) { /* a copy may reach into itself */
        base[*at] = base[*at - *distance];
    }
}

bool lc_unsqueeze(lc_history *history, const uint8_t *in, uint32_t in_bytes, uint32_t bytes,
                  const char **text)
{
    source s = {.in = in, .bytes = in_bytes};
    if (bytes > LC_SQUEEZE_TEXT_MAX) {
        return false;
    }
    room_make(history, bytes);
    uint32_t at = history->bytes, end = at + bytes, distance = 0;
    *text = (const char *)history->text + at;
    while (at < end && !s.failed) {
        step_take(&s, history->text, &at, end, &distance);
    }
    history->bytes = end;
    return !s.failed && s.at == s.bytes;
}
