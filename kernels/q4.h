/* q4.h - the 4-bit weight tiles T16 and T16A, and the contract that every q4 kernel keeps.
 *
 * A tile holds 16 rows x 32 columns (one group):
 *
 *   T16   int8 s[16]              group scale of each row, signed
 *         u8   d[j = 8][h = 2][16]
 *   T16A  int8 s[16]; int8 m[16]  as T16, m is an offset per row; then d
 *
 *   byte 4 * r + c of d[j][h]:  low nibble   q[8h + r    ][4j + c] + 8   (offset binary)
 *                               high nibble  q[8h + 4 + r][4j + c]       (two's complement)
 *
 * Four neighbouring columns of four rows fill a vector, which is what `sdot` by element wants and
 * what widening multiplies do not mind. The low nibble needs only a mask: kernels compute with
 * q + 8 and take 8 * sum(a) away once a group. The high nibble needs only an arithmetic shift.
 *
 * Contract, for row r, token t, group g:
 *   dot  = sum over 32 columns of q * a       fits int16: 32 * 8 * 127 = 32512
 *   acc += s * rshr(dot, e)                   int32
 *   acc += m * c8s                            T16A only; c8s = rshr(8 * sum(a), e)
 * Any bytes at all stay inside these ranges (s, m in -128..127, q in -8..7, a in -127..127) as long
 * as cols <= LC_COLS_MAX (T16) or LC_COLS_MAX_T16A (T16A): no kernel can overflow on a bad file.
 * Order: exact in integers, so every level gives the bits of lc_gemv_q4_ref.
 */
#ifndef LC_Q4_H
#define LC_Q4_H

#include "base.h"

/* Rounding arithmetic shift right by a group exponent e in 0..LC_EXP_MAX; |v| <= 32512 stays in
 * int16 while half is added. Equals NEON srshl by -e. */
LC_INLINE int32_t lc_rshr(int32_t v, int32_t e)
{
    return e > 0 ? (v + (1 << (e - 1))) >> e : v;
}

LC_INLINE uint32_t lc_q4_tile_bytes(bool offsets)
{
    return offsets ? LC_T16A_BYTES : LC_T16_BYTES;
}

/* Bytes of a T16 (or T16A) matrix: rows padded to 16, columns to 32. */
LC_INLINE size_t lc_q4_bytes(uint32_t rows, uint32_t cols, bool offsets)
{
    size_t panels = ((size_t)rows + LC_TILE_ROWS - 1) / LC_TILE_ROWS;
    size_t groups = ((size_t)cols + LC_GROUP - 1) / LC_GROUP;
    return panels * groups * lc_q4_tile_bytes(offsets);
}

/* Where d starts in a tile. */
LC_INLINE uint32_t lc_q4_data_offset(bool offsets)
{
    return offsets ? 2 * LC_TILE_ROWS : LC_TILE_ROWS;
}

/* Place in d of the byte that holds row (0..15) and column (0..31). */
LC_INLINE uint32_t lc_q4_byte_index(uint32_t row, uint32_t col)
{
    return (col / 4) * 32 + (row / 8) * 16 + (row % 4) * 4 + col % 4;
}

LC_INLINE bool lc_q4_is_high(uint32_t row)
{
    return (row & 4) != 0;
}

/* The weight in -8..7 at (row, col) of a tile's d. */
LC_INLINE int32_t lc_q4_get(const uint8_t *d, uint32_t row, uint32_t col)
{
    uint32_t byte = d[lc_q4_byte_index(row, col)];
    return lc_q4_is_high(row) ? (int32_t)((byte >> 4) ^ 8) - 8 : (int32_t)(byte & 15) - 8;
}

/* Writes q in -8..7 at (row, col); the other nibble of the byte stays. */
LC_INLINE void lc_q4_put(uint8_t *d, uint32_t row, uint32_t col, int32_t q)
{
    uint8_t *byte = &d[lc_q4_byte_index(row, col)];
    if (lc_q4_is_high(row))
        *byte = (uint8_t)((*byte & 15u) | (((uint32_t)q & 15u) << 4));
    else
        *byte = (uint8_t)((*byte & 0xf0u) | ((uint32_t)(q + 8) & 15u));
}

/* An empty d: q = 0 everywhere (padding). */
LC_INLINE uint8_t lc_q4_zero_byte(void)
{
    return 0x08;
}

#endif
