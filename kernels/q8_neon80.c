/* q8_neon80.c - R8 products for armv8.0. Contract: q8_ref.c.
 *
 * Two products of int8 (at most 2 * 128 * 127 = 32512) fit int16, so every second multiply is
 * folded into int32 by sadalp.
 */
#include "level.h"
#include "q4.h"

#if defined(__aarch64__)
#include "neon.h"

/* ---- one token ---- */

/* Four partial sums of 32 products. */
LC_INLINE int32x4_t group_dot(const int8_t *w, int8x16_t a0, int8x16_t a1)
{
    int8x16_t w0 = vld1q_s8(w), w1 = vld1q_s8(w + 16);
    int16x8_t p0 = vmlal_high_s8(vmull_s8(vget_low_s8(w0), vget_low_s8(a0)), w0, a0);
    int16x8_t p1 = vmlal_high_s8(vmull_s8(vget_low_s8(w1), vget_low_s8(a1)), w1, a1);
    return vpadalq_s16(vpaddlq_s16(p0), p1);
}

/* acc[0..3] of four rows that are `pitch` bytes apart. */
LC_INLINE void four_rows(const int8_t *w, size_t pitch, uint32_t groups, const lc_act *x,
                         int32_t *acc)
{
    const int8_t *a = x->a;
    const int16_t *ne = x->ne;
    int32x4_t sum = zero_s32();
    for (; groups > 0; groups--, w += LC_GROUP, a += LC_GROUP) {
        int8x16_t a0 = vld1q_s8(a), a1 = vld1q_s8(a + 16);
        int32x4_t d01 = vpaddq_s32(group_dot(w, a0, a1), group_dot(w + pitch, a0, a1));
        int32x4_t d23 =
            vpaddq_s32(group_dot(w + 2 * pitch, a0, a1), group_dot(w + 3 * pitch, a0, a1));
        int32x4_t shift = vmovl_s16(vget_low_s16(take_all(&ne)));
        sum = vaddq_s32(sum, vrshlq_s32(vpaddq_s32(d01, d23), shift));
    }
    vst1q_s32(acc, sum);
}

void lc_gemv_q8_neon80(const int8_t *w, uint32_t rows, uint32_t groups, const lc_act *x,
                       int32_t *acc)
{
    size_t pitch = (size_t)groups * LC_GROUP;
    uint32_t r = 0;
    for (; r + 4 <= rows; r += 4)
        four_rows(w + r * pitch, pitch, groups, x, acc + r);
    for (; r < rows; r++) {
        int32_t same_row[4];
        four_rows(w + r * pitch, 0, groups, x, same_row);
        acc[r] = same_row[0];
    }
}

/* ---- four tokens ---- */

/* Tokens 0 0 1 1 and 2 2 3 3 of eight columns: w holds the columns twice, x0 and x1 four each. */
LC_INLINE void columns_add(int32x4_t *t01, int32x4_t *t23, int8x16_t w0, int8x16_t w1,
                           int8x16_t x0, int8x16_t x1)
{
    int16x8_t low = vmull_s8(vget_low_s8(w0), vget_low_s8(x0));
    int16x8_t high = vmull_high_s8(w0, x0);
    *t01 = vpadalq_s16(*t01, vmlal_s8(low, vget_low_s8(w1), vget_low_s8(x1)));
    *t23 = vpadalq_s16(*t23, vmlal_high_s8(high, w1, x1));
}

/* dots of one row with four tokens. */
LC_INLINE int32x4_t four_dots(const int8_t *w, const int8_t *a)
{
    int32x4_t t01 = zero_s32(), t23 = zero_s32();
    LC_UNROLL(4)
    for (uint32_t j = 0; j < 4; j++, a += 32) {
        int8x16_t w0 = take_word(&w);
        int8x16_t w1 = take_word(&w);
        columns_add(&t01, &t23, w0, w1, vld1q_s8(a), vld1q_s8(a + 16));
    }
    return vpaddq_s32(t01, t23);
}

void lc_gemm_q8_neon80(const int8_t *w, uint32_t rows, uint32_t groups, const lc_act *x,
                       int32_t *acc)
{
    for (uint32_t r = 0; r < rows; r++) {
        const int8_t *a = x->a;
        int32x4_t sum = zero_s32();
        for (uint32_t g = 0; g < groups; g++, w += LC_GROUP, a += LC_BLOCK * LC_GROUP) {
            int32x4_t shift = vmovl_s16(vld1_s16(x->ne + g * LC_BLOCK));
            sum = vaddq_s32(sum, vrshlq_s32(four_dots(w, a), shift));
        }
        acc[r] = vgetq_lane_s32(sum, 0);
        acc[LC_TILE_ROWS + r] = vgetq_lane_s32(sum, 1);
        acc[2 * LC_TILE_ROWS + r] = vgetq_lane_s32(sum, 2);
        acc[3 * LC_TILE_ROWS + r] = vgetq_lane_s32(sum, 3);
    }
}

#endif
