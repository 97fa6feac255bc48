/* bytes.h - bounded little-endian reading, UTF-8, CRC-32C. */
#ifndef LC_BYTES_H
#define LC_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A cursor over untrusted bytes. Reading past the end sets `failed` and returns zeros, so a parser
 * can read a whole struct and check once. */
typedef struct lc_reader {
    const uint8_t *data;
    size_t size;
    size_t at;
    bool failed;
} lc_reader;

/* A piece of text inside a larger buffer, not NUL-terminated. */
typedef struct lc_str {
    const char *data;
    uint32_t bytes;
} lc_str;

lc_reader lc_reader_make(const void *data, size_t bytes);
uint8_t lc_read_u8(lc_reader *r);
uint16_t lc_read_u16(lc_reader *r);
uint32_t lc_read_u32(lc_reader *r);
uint64_t lc_read_u64(lc_reader *r);
float lc_read_f32(lc_reader *r);
/* bytes from the cursor, or NULL past the end. */
const uint8_t *lc_read_bytes(lc_reader *r, size_t bytes);
/* A string with its length as u16 before it. */
lc_str lc_read_str(lc_reader *r);

bool lc_str_equal(lc_str a, lc_str b);
lc_str lc_str_from(const char *text); /* NUL-terminated */

/* Decodes one code point at s[0..n), n > 0. Returns its length; 0 when invalid (overlong,
 * surrogate, truncated, over U+10FFFF). */
uint32_t lc_utf8_decode(const char *s, size_t n, uint32_t *code_point);
/* Writes 1 to 4 bytes; returns their number. */
uint32_t lc_utf8_encode(uint32_t code_point, char out[4]);
/* Copies src to dst, each invalid byte and each NUL as U+FFFD (3 bytes); dst holds 3 * n bytes.
 * Returns the length written; *replaced counts replacements. */
size_t lc_utf8_clean(const char *src, size_t n, char *dst, uint32_t *replaced);

uint32_t lc_crc32c(uint32_t crc, const void *data, size_t bytes);

#endif
