/* q8_neon80.c - R8 products for armv8.0. Contract: q8_ref.c.
 *
 * Two products of int8 (at most 2 * 128 * 127 = 32512) fit int16, so every second multiply is
 * folded into int32 by sadalp.
 */
#include "level.h"
#include "q4.h"

#if defined(__aarch64__)
#include "neon.h"

/* ---- one token, eight rows ---- */

/* Four partial sums of 32 products; moves *w on. */
LC_INLINE int32x4_t group_dot(const int8_t **w, int8x16_t a0, int8x16_t a1)
{
    int8x16_t w0, w1;
    take_32(&w0, &w1, w);
    int16x8_t p0 = vmlal_high_s8(vmull_s8(vget_low_s8(w0), vget_low_s8(a0)), w0, a0);
    int16x8_t p1 = vmlal_high_s8(vmull_s8(vget_low_s8(w1), vget_low_s8(a1)), w1, a1);
    return vpadalq_s16(vpaddlq_s16(p0), p1);
}

/* rshr(dot, e) of four rows. */
LC_INLINE int32x4_t four_rows(const int8_t **w, int8x16_t a0, int8x16_t a1, int32x4_t shift)
{
    int32x4_t d0 = group_dot(&w[0], a0, a1), d1 = group_dot(&w[1], a0, a1);
    int32x4_t d2 = group_dot(&w[2], a0, a1), d3 = group_dot(&w[3], a0, a1);
    return vrshlq_s32(vpaddq_s32(vpaddq_s32(d0, d1), vpaddq_s32(d2, d3)), shift);
}

void lc_gemv_q8_neon80(const int8_t *w, uint32_t rows, uint32_t groups, const lc_act *x,
                       int32_t *acc)
{
    for (uint32_t r = 0; r < rows; r += 8) {
        row_feed f = rows_from(w, r, rows, (size_t)groups * LC_GROUP);
        const int8_t *a = x->a;
        const int16_t *ne = x->ne;
        int32x4_t low = zero_s32(), high = zero_s32();
        for (uint32_t g = 0; g < groups; g++) {
            int8x16_t a0, a1;
            take_32(&a0, &a1, &a);
            /* Of a lane's two copies the lowest byte counts. */
            int32x4_t shift = vreinterpretq_s32_s16(take_all(&ne));
            low = vaddq_s32(low, four_rows(&f.p[0], a0, a1, shift));
            high = vaddq_s32(high, four_rows(&f.p[4], a0, a1, shift));
        }
        store_some(acc + r, rows - r, low, high);
    }
}

/* ---- four tokens, four rows ---- */

/* Sums of one row: tokens 0 0 1 1, tokens 2 2 3 3. */
typedef struct pairs {
    int32x4_t t01, t23;
} pairs;

/* Eight columns of a row: x0 and x1 hold four columns each of four tokens. */
LC_INLINE void columns_add(pairs *s, const int8_t **w, int8x16_t x0, int8x16_t x1, bool first)
{
    int8x16_t w0 = take_word(w), w1 = take_word(w);
    int16x8_t low = vmull_s8(vget_low_s8(w0), vget_low_s8(x0));
    int16x8_t high = vmull_high_s8(w0, x0);
    low = vmlal_s8(low, vget_low_s8(w1), vget_low_s8(x1));
    high = vmlal_high_s8(high, w1, x1);
    s->t01 = first ? vpaddlq_s16(low) : vpadalq_s16(s->t01, low);
    s->t23 = first ? vpaddlq_s16(high) : vpadalq_s16(s->t23, high);
}

LC_INLINE void rows_add(pairs s[4], row_feed *f, const int8_t **a, bool first)
{
    int8x16_t x0, x1;
    take_32(&x0, &x1, a);
    columns_add(&s[0], &f->p[0], x0, x1, first);
    columns_add(&s[1], &f->p[1], x0, x1, first);
    columns_add(&s[2], &f->p[2], x0, x1, first);
    columns_add(&s[3], &f->p[3], x0, x1, first);
}

void lc_gemm_q8_neon80(const int8_t *w, uint32_t rows, uint32_t groups, const lc_act *x,
                       int32_t *acc)
{
    for (uint32_t r = 0; r < rows; r += 4) {
        row_feed f = rows_from(w, r, rows, (size_t)groups * LC_GROUP);
        const int8_t *a = x->a;
        int32x4_t sum[4] = {zero_s32(), zero_s32(), zero_s32(), zero_s32()};
        for (uint32_t g = 0; g < groups; g++) {
            pairs s[4];
            rows_add(s, &f, &a, true);
            rows_add(s, &f, &a, false);
            rows_add(s, &f, &a, false);
            rows_add(s, &f, &a, false);
            int32x4_t shift = vmovl_s16(vld1_s16(x->ne + g * LC_BLOCK));
            LC_UNROLL(4)
            for (uint32_t i = 0; i < 4; i++) {
                int32x4_t dots = vpaddq_s32(s[i].t01, s[i].t23);
                sum[i] = vaddq_s32(sum[i], vrshlq_s32(dots, shift));
            }
        }
        store_tokens(acc + r, rows - r, sum);
    }
}

#endif
