/* q8_i8mm.c - R8 products of four tokens for armv8.2 with i8mm. Contract: q8_ref.c.
 *
 * Eight columns of two rows (zip of 64-bit halves) meet eight columns of two tokens; activations
 * lie in pairs (lc_kernels.pairs). One token: q8_dot.c.
 */
#include "level.h"
#include "q4.h"

#if defined(__aarch64__)
#include "neon.h"

/* Sums of two rows: row 0 tokens 0 1, row 1 tokens 0 1; the same for tokens 2 3. */
typedef struct sums {
    int32x4_t t01, t23;
} sums;

LC_INLINE int8x16_t halves(int8x16_t a, int8x16_t b, bool high)
{
    int64x2_t x = vreinterpretq_s64_s8(a), y = vreinterpretq_s64_s8(b);
    return vreinterpretq_s8_s64(high ? vzip2q_s64(x, y) : vzip1q_s64(x, y));
}

/* Eight columns of two rows with four tokens. */
LC_INLINE void columns_add(sums *s, int8x16_t w, int8x16_t a01, int8x16_t a23)
{
    s->t01 = vmmlaq_s32(s->t01, w, a01);
    s->t23 = vmmlaq_s32(s->t23, w, a23);
}

/* Sixteen columns of four rows. */
LC_INLINE void rows_add(sums s[2], const int8x16_t w[4], const int8_t **a)
{
    int8x16_t a01, a23;
    take_32(&a01, &a23, a);
    columns_add(&s[0], halves(w[0], w[1], false), a01, a23);
    columns_add(&s[1], halves(w[2], w[3], false), a01, a23);
    take_32(&a01, &a23, a);
    columns_add(&s[0], halves(w[0], w[1], true), a01, a23);
    columns_add(&s[1], halves(w[2], w[3], true), a01, a23);
}

/* sum += rshr(s, e); shift: -e of two tokens, twice. */
LC_INLINE int32x4_t shift_add(int32x4_t sum, int32x4_t s, int32x4_t shift)
{
    return vaddq_s32(sum, vrshlq_s32(s, shift));
}

LC_INLINE int32x4_t row_of(sums s, bool second)
{
    int64x2_t a = vreinterpretq_s64_s32(s.t01), b = vreinterpretq_s64_s32(s.t23);
    return vreinterpretq_s32_s64(second ? vzip2q_s64(a, b) : vzip1q_s64(a, b));
}

void lc_gemm_q8_i8mm(const int8_t *w, uint32_t rows, uint32_t groups, const lc_act *x, int32_t *acc)
{
    for (uint32_t r = 0; r < rows; r += 4) {
        row_feed f = rows_from(w, r, rows, (size_t)groups * LC_GROUP);
        const int8_t *a = x->a;
        sums y[2] = {{zero_s32(), zero_s32()}, {zero_s32(), zero_s32()}};
        for (uint32_t g = 0; g < groups; g++) {
            sums s[2] = {{zero_s32(), zero_s32()}, {zero_s32(), zero_s32()}};
            int8x16_t left[4], right[4];
            LC_UNROLL(4)
            for (uint32_t i = 0; i < 4; i++)
                take_32(&left[i], &right[i], &f.p[i]);
            rows_add(s, left, &a);
            rows_add(s, right, &a);
            int64x2_t shift = vreinterpretq_s64_s32(vmovl_s16(vld1_s16(x->ne + g * LC_BLOCK)));
            int32x4_t shift01 = vreinterpretq_s32_s64(vdupq_laneq_s64(shift, 0));
            int32x4_t shift23 = vreinterpretq_s32_s64(vdupq_laneq_s64(shift, 1));
            LC_UNROLL(2)
            for (uint32_t i = 0; i < 2; i++) {
                y[i].t01 = shift_add(y[i].t01, s[i].t01, shift01);
                y[i].t23 = shift_add(y[i].t23, s[i].t23, shift23);
            }
        }
        int32x4_t sum[4] = {row_of(y[0], false), row_of(y[0], true), row_of(y[1], false),
                            row_of(y[1], true)};
        store_tokens(acc + r, rows - r, sum);
    }
}

#endif
