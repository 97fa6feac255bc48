/* text.h - appending text to a fixed buffer: integers, fixed decimals, hex, JSON strings.
 *
 * Freestanding, no printf. Once something does not fit, `full` is set, nothing further is written,
 * and the caller checks once at the end.
 */
#ifndef LC_TEXT_H
#define LC_TEXT_H

#include "bytes.h"

#define LC_TEXT_DECIMALS_MAX 6u

typedef struct lc_text {
    char *data;
    size_t max;
    size_t bytes;
    bool full;
} lc_text;

lc_text lc_text_make(char *data, size_t max);
void lc_text_put(lc_text *t, const char *data, size_t bytes);
void lc_text_add(lc_text *t, const char *text); /* NUL-terminated */
void lc_text_u64(lc_text *t, uint64_t v);
/* digits / 10^decimals, exactly as many decimals: (-25, 1) is -2.5. */
void lc_text_scaled(lc_text *t, int64_t digits, uint32_t decimals);
/* v rounded to `decimals` (at most LC_TEXT_DECIMALS_MAX) decimals, halves to even; the product with
 * the power of ten is exact in double, so a half is a true half. Never prints -0. Beyond 1e9 in
 * magnitude it prints the bound; NaN prints null. */
void lc_text_fixed(lc_text *t, float v, uint32_t decimals);
void lc_text_hex(lc_text *t, const uint8_t *data, size_t bytes);
/* A JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void lc_text_json(lc_text *t, lc_str s);
/* A JSON member's key, with the comma before it unless it is the first; needs no escapes. */
void lc_text_key(lc_text *t, const char *key);

#endif
