/* text.c - a bounded appender for the few kinds of text that the core writes. */
#include "text.h"

#include <string.h>

#include "err.h"

lc_text lc_text_make(char *data, size_t max)
{
    lc_text t = {.data = data, .max = max};
    return t;
}

void lc_text_put(lc_text *t, const char *data, size_t bytes)
{
    if (t->full || bytes > t->max - t->bytes) {
        t->full = true;
        return;
    }
    if (bytes != 0) {
        memcpy(t->data + t->bytes, data, bytes);
    }
    t->bytes += bytes;
}

void lc_text_add(lc_text *t, const char *text)
{
    lc_str s = lc_str_from(text);
    lc_text_put(t, s.data, s.bytes);
}

/* Decimal digits of v, at least `least` of them. */
static void put_digits(lc_text *t, uint64_t v, uint32_t least)
{
    char digit[20];
    uint32_t n = 0;
    while (v != 0 || n < least) {
        digit[19 - n] = (char)('0' + v % 10);
        v /= 10;
        n++;
    }
    lc_text_put(t, digit + 20 - n, n);
}

void lc_text_u64(lc_text *t, uint64_t v)
{
    put_digits(t, v, 1);
}

static uint64_t power_of_ten(uint32_t n)
{
    uint64_t p = 1;
    for (uint32_t i = 0; i < n; i++) {
        p *= 10;
    }
    return p;
}

void lc_text_scaled(lc_text *t, int64_t digits, uint32_t decimals)
{
    lc_assert(decimals <= 18);
    uint64_t magnitude = digits < 0 ? 0 - (uint64_t)digits : (uint64_t)digits;
    uint64_t unit = power_of_ten(decimals);
    if (digits < 0) {
        lc_text_put(t, "-", 1);
    }
    lc_text_u64(t, magnitude / unit);
    if (decimals != 0) {
        lc_text_put(t, ".", 1);
        put_digits(t, magnitude % unit, decimals);
    }
}

void lc_text_fixed(lc_text *t, float v, uint32_t decimals)
{
    const double bound = 1e9;
    lc_assert(decimals <= LC_TEXT_DECIMALS_MAX);
    if (v != v) {
        lc_text_add(t, "null");
        return;
    }
    double magnitude = v < 0 ? -(double)v : (double)v;
    if (magnitude > bound) {
        magnitude = bound;
    }
    double scaled = magnitude * (double)power_of_ten(decimals);
    uint64_t whole = (uint64_t)scaled;
    double rest = scaled - (double)whole;
    if (rest > 0.5 || (rest == 0.5 && (whole & 1) != 0)) {
        whole++;
    }
    lc_text_scaled(t, v < 0 ? -(int64_t)whole : (int64_t)whole, decimals);
}

void lc_text_hex(lc_text *t, const uint8_t *data, size_t bytes)
{
    static const char digit[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes; i++) {
        const char pair[2] = {digit[data[i] >> 4], digit[data[i] & 15]};
        lc_text_put(t, pair, 2);
    }
}

static void put_control(lc_text *t, uint8_t c)
{
    switch (c) {
    case '\n':
        lc_text_add(t, "\\n");
        break;
    case '\r':
        lc_text_add(t, "\\r");
        break;
    case '\t':
        lc_text_add(t, "\\t");
        break;
    default:
        lc_text_add(t, "\\u00");
        lc_text_hex(t, &c, 1);
        break;
    }
}

void lc_text_json(lc_text *t, lc_str s)
{
    lc_text_put(t, "\"", 1);
    for (uint32_t i = 0; i < s.bytes;) {
        uint32_t code_point = 0;
        uint32_t n = lc_utf8_decode(s.data + i, s.bytes - i, &code_point);
        if (n == 0) {
            lc_text_add(t, "\xef\xbf\xbd");
            n = 1;
        } else if (code_point < 0x20 || code_point == 0x7f) {
            put_control(t, (uint8_t)code_point);
        } else {
            if (code_point == '"' || code_point == '\\') {
                lc_text_put(t, "\\", 1);
            }
            lc_text_put(t, s.data + i, n);
        }
        i += n;
    }
    lc_text_put(t, "\"", 1);
}

void lc_text_key(lc_text *t, const char *key)
{
    bool first = t->bytes == 0 || t->data[t->bytes - 1] == '{';
    lc_text_add(t, first ? "\"" : ",\"");
    lc_text_add(t, key);
    lc_text_add(t, "\":");
}
