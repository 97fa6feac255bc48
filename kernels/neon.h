/* neon.h - what the aarch64 kernels share: loads that GCC does not find by itself.
 *
 * GCC 12 turns vld1q_dup into ldr + dup and shares one zeroed register among accumulators (a mov
 * each); both cost in the inner loops. So a line of assembly each.
 */
#ifndef LC_NEON_H
#define LC_NEON_H

#include <arm_neon.h>

#include "base.h"

/* The next 4 int8, in all four words; moves *p on. */
LC_INLINE int8x16_t take_word(const int8_t **p)
{
    const int8_t *at = *p;
    int8x16_t v;
    __asm__("ld1r {%0.4s}, [%1], #4" : "=w"(v), "+r"(at) : "m"(*(const int8_t(*)[4])at));
    *p = at;
    return v;
}

/* The next int16, in all eight lanes; moves *p on. */
LC_INLINE int16x8_t take_all(const int16_t **p)
{
    const int16_t *at = *p;
    int16x8_t v;
    __asm__("ld1r {%0.8h}, [%1], #2" : "=w"(v), "+r"(at) : "m"(*at));
    *p = at;
    return v;
}

/* The next int16, in the low four lanes; the high four are zero; moves *p on. */
LC_INLINE int16x8_t take_low(const int16_t **p)
{
    const int16_t *at = *p;
    int16x8_t v;
    __asm__("ld1r {%0.4h}, [%1], #2" : "=w"(v), "+r"(at) : "m"(*at));
    *p = at;
    return v;
}

/* The next four int16, each in all eight lanes of its own vector, by one instruction; moves *p on.
 * The vectors must be neighbours: GCC, when it chooses them, moves the sums of a loop around. */
LC_INLINE int16x8x4_t take_all4(const int16_t **p)
{
    const int16_t *at = *p;
    register int16x8_t a __asm__("v16"), b __asm__("v17"), c __asm__("v18"), d __asm__("v19");
    __asm__("ld4r {%0.8h, %1.8h, %2.8h, %3.8h}, [%4], #8"
            : "=w"(a), "=w"(b), "=w"(c), "=w"(d), "+r"(at)
            : "m"(*(const int16_t(*)[4])at));
    *p = at;
    int16x8x4_t v = {{a, b, c, d}};
    return v;
}

/* The next 32 int8 by one instruction; moves *p on. */
LC_INLINE void take_32(int8x16_t *low, int8x16_t *high, const int8_t **p)
{
    const int8_t *at = *p;
    __asm__("ldp %q0, %q1, [%2], #32"
            : "=w"(*low), "=w"(*high), "+r"(at)
            : "m"(*(const int8_t(*)[32])at));
    *p = at;
}

/* A zero of its own, made by movi. */
LC_INLINE int32x4_t zero_s32(void)
{
    int32x4_t v;
    __asm__ volatile("movi %0.4s, #0" : "=w"(v));
    return v;
}

/* Eight R8 rows from `row` on; a row that is not there is the last one again. */
typedef struct row_feed {
    const int8_t *p[8];
} row_feed;

LC_INLINE row_feed rows_from(const int8_t *w, uint32_t row, uint32_t rows, size_t pitch)
{
    row_feed f;
    const int8_t *first = w + row * pitch;
    uint32_t last = rows - row - 1;
    LC_UNROLL(8)
    for (uint32_t i = 0; i < 8; i++)
        f.p[i] = first + (i < last ? i : last) * pitch;
    return f;
}

/* The first of eight sums to out, as many as there are rows. */
LC_INLINE void store_some(int32_t *out, uint32_t rows, int32x4_t low, int32x4_t high)
{
    if (rows >= 8) {
        vst1q_s32(out, low);
        vst1q_s32(out + 4, high);
        return;
    }
    for (uint32_t i = 0; i < rows; i++) {
        out[i] = vgetq_lane_s32(low, 0);
        low = vextq_s32(low, high, 1);
        high = vextq_s32(high, high, 1);
    }
}

/* Sums of four rows, a lane a token, to acc[4][16] from their first row on. */
LC_INLINE void store_tokens(int32_t *acc, uint32_t rows, const int32x4_t sum[4])
{
    LC_UNROLL(4)
    for (uint32_t r = 0; r < 4; r++) {
        if (r < rows) {
            acc[r] = vgetq_lane_s32(sum[r], 0);
            acc[LC_TILE_ROWS + r] = vgetq_lane_s32(sum[r], 1);
            acc[2 * LC_TILE_ROWS + r] = vgetq_lane_s32(sum[r], 2);
            acc[3 * LC_TILE_ROWS + r] = vgetq_lane_s32(sum[r], 3);
        }
    }
}

/* acc (rows 0-3, rows 4-7) += t * s, lane by lane. */
typedef struct rows8 {
    int32x4_t low, high;
} rows8;

LC_INLINE void scale_add(rows8 *acc, int16x8_t t, int16x8_t s)
{
    acc->low = vmlal_s16(acc->low, vget_low_s16(t), vget_low_s16(s));
    acc->high = vmlal_high_s16(acc->high, t, s);
}

LC_INLINE void store_rows(int32_t *out, rows8 acc)
{
    vst1q_s32(out, acc.low);
    vst1q_s32(out + 4, acc.high);
}

#endif
