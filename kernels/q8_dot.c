/* q8_dot.c - R8 products for armv8.2 with dotprod. Contract: q8_ref.c. */
#include "level.h"
#include "q4.h"

#if defined(__aarch64__)
#include "neon.h"

/* ---- one token ---- */

/* Four partial sums of 32 products. */
LC_INLINE int32x4_t group_dot(const int8_t *w, int8x16_t a0, int8x16_t a1)
{
    return vdotq_s32(vdotq_s32(zero_s32(), vld1q_s8(w), a0), vld1q_s8(w + 16), a1);
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

void lc_gemv_q8_dot(const int8_t *w, uint32_t rows, uint32_t groups, const lc_act *x, int32_t *acc)
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

/* ---- four tokens: a vector of activations holds one word a token, so a lane is a token ---- */

LC_INLINE int32x4_t four_dots(const int8_t *w, const int8_t *a)
{
    int8x16_t w0 = vld1q_s8(w), w1 = vld1q_s8(w + 16);
    int32x4_t d = zero_s32();
    d = vdotq_laneq_s32(d, vld1q_s8(a), w0, 0);
    d = vdotq_laneq_s32(d, vld1q_s8(a + 16), w0, 1);
    d = vdotq_laneq_s32(d, vld1q_s8(a + 32), w0, 2);
    d = vdotq_laneq_s32(d, vld1q_s8(a + 48), w0, 3);
    d = vdotq_laneq_s32(d, vld1q_s8(a + 64), w1, 0);
    d = vdotq_laneq_s32(d, vld1q_s8(a + 80), w1, 1);
    d = vdotq_laneq_s32(d, vld1q_s8(a + 96), w1, 2);
    return vdotq_laneq_s32(d, vld1q_s8(a + 112), w1, 3);
}

void lc_gemm_q8_dot(const int8_t *w, uint32_t rows, uint32_t groups, const lc_act *x, int32_t *acc)
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
