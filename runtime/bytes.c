#include "bytes.h"

#include <string.h>

lc_reader lc_reader_make(const void *data, size_t bytes)
{
    return (lc_reader){.data = data, .size = bytes};
}

const uint8_t *lc_read_bytes(lc_reader *r, size_t bytes)
{
    if (r->failed || bytes > r->size - r->at) {
        r->failed = true;
        return NULL;
    }
    const uint8_t *p = r->data + r->at;
    r->at += bytes;
    return p;
}

static uint64_t read_le(lc_reader *r, size_t bytes)
{
    const uint8_t *p = lc_read_bytes(r, bytes);
    uint64_t v = 0;
    for (size_t i = 0; p != NULL && i < bytes; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

uint8_t lc_read_u8(lc_reader *r)
{
    return (uint8_t)read_le(r, 1);
}

uint16_t lc_read_u16(lc_reader *r)
{
    return (uint16_t)read_le(r, 2);
}

uint32_t lc_read_u32(lc_reader *r)
{
    return (uint32_t)read_le(r, 4);
}

uint64_t lc_read_u64(lc_reader *r)
{
    return read_le(r, 8);
}

float lc_read_f32(lc_reader *r)
{
    uint32_t bits = lc_read_u32(r);
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

lc_str lc_read_str(lc_reader *r)
{
    uint32_t bytes = lc_read_u16(r);
    const uint8_t *p = lc_read_bytes(r, bytes);
    return p == NULL ? (lc_str){"", 0} : (lc_str){(const char *)p, bytes};
}

bool lc_str_equal(lc_str a, lc_str b)
{
    return a.bytes == b.bytes && (a.bytes == 0 || memcmp(a.data, b.data, a.bytes) == 0);
}

lc_str lc_str_from(const char *text)
{
    uint32_t n = 0;
    while (text[n] != '\0') {
        n++;
    }
    return (lc_str){text, n};
}

/* Length that a lead byte announces, its payload bits, and the smallest code point of that length:
 * anything smaller is overlong. */
static uint32_t utf8_lead(uint8_t lead, uint32_t *bits, uint32_t *least)
{
    if (lead < 0x80) {
        *bits = lead, *least = 0;
        return 1;
    }
    if (lead >= 0xc2 && lead <= 0xdf) {
        *bits = lead & 0x1fu, *least = 0x80;
        return 2;
    }
    if (lead >= 0xe0 && lead <= 0xef) {
        *bits = lead & 0x0fu, *least = 0x800;
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        *bits = lead & 0x07u, *least = 0x10000;
        return 4;
    }
    return 0;
}

uint32_t lc_utf8_decode(const char *s, size_t n, uint32_t *code_point)
{
    uint32_t cp, least;
    uint32_t length = n == 0 ? 0 : utf8_lead((uint8_t)s[0], &cp, &least);
    if (length == 0 || length > n) {
        return 0;
    }
    for (uint32_t i = 1; i < length; i++) {
        uint8_t c = (uint8_t)s[i];
        if ((c & 0xc0) != 0x80) {
            return 0;
        }
        cp = cp << 6 | (c & 0x3fu);
    }
    if (cp < least || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff)) {
        return 0;
    }
    *code_point = cp;
    return length;
}

uint32_t lc_utf8_encode(uint32_t cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | cp >> 6);
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | cp >> 12);
        out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | cp >> 18);
    out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
    out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

size_t lc_utf8_clean(const char *src, size_t n, char *dst, uint32_t *replaced)
{
    size_t out = 0;
    *replaced = 0;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        uint32_t length = lc_utf8_decode(src + i, n - i, &cp);
        if (length == 0 || cp == 0) {
            out += lc_utf8_encode(0xfffd, dst + out);
            (*replaced)++;
            i++;
        } else {
            memmove(dst + out, src + i, length);
            out += length;
            i += length;
        }
    }
    return out;
}

/* Nibble table of the reflected Castagnoli polynomial 0x82f63b78 (RFC 3720, appendix B.4). */
static const uint32_t crc_nibble[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t lc_crc32c(uint32_t crc, const void *data, size_t bytes)
{
    const uint8_t *p = data;
    crc = ~crc;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ crc_nibble[crc & 15];
        crc = crc >> 4 ^ crc_nibble[crc & 15];
    }
    return ~crc;
}
