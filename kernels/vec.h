/* vec.h - four floats at a time through GCC's vector extensions: NEON, SSE2 or plain scalar code,
 * whatever the target has, and the same bits everywhere (no fused multiply-add, no estimates).
 */
#ifndef LC_VEC_H
#define LC_VEC_H

#include "math.h"

typedef float lc_v4 __attribute__((vector_size(16)));
typedef int32_t lc_i4 __attribute__((vector_size(16)));
typedef uint32_t lc_u4 __attribute__((vector_size(16)));
typedef int16_t lc_h8 __attribute__((vector_size(16)));
typedef int8_t lc_b16 __attribute__((vector_size(16)));
/* As they lie in memory: any alignment, any type. */
typedef float lc_v4_mem __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t lc_i4_mem __attribute__((vector_size(16), aligned(4), may_alias));
typedef int8_t lc_b16_mem __attribute__((vector_size(16), aligned(1), may_alias));
typedef int64_t lc_l2 __attribute__((vector_size(16)));
typedef int32_t lc_word_mem __attribute__((aligned(1), may_alias));
typedef int64_t lc_long_mem __attribute__((aligned(1), may_alias));

/* Values that must all be ready here. GCC sinks each load and each product to its one use; this
 * keeps neighbouring loads side by side (one ldp) and independent products ahead of the sums that
 * wait for them, which an in-order core needs. No instruction. */
#if defined(__aarch64__)
#define LC_READY2(a, b) __asm__ volatile("" : "+w"(a), "+w"(b))
#define LC_READY4(a, b, c, d)                                                                      \
    __asm__ volatile("" : "+w"(a), "+w"(b), "+w"(c), "+w"(d))
#else
#define LC_READY2(a, b) ((void)0)
#define LC_READY4(a, b, c, d) ((void)0)
#endif

LC_INLINE lc_v4 lc_v4_all(float f)
{
    return (lc_v4){f, f, f, f};
}

LC_INLINE lc_v4 lc_v4_load(const float *p)
{
    return *(const lc_v4_mem *)p;
}

LC_INLINE void lc_v4_store(float *p, lc_v4 v)
{
    *(lc_v4_mem *)p = v;
}

/* The next eight floats by one load; moves *p on. GCC would rather add an index for each row. */
LC_INLINE void lc_v4_take2(lc_v4 *low, lc_v4 *high, const float **p)
{
#if defined(__aarch64__)
    const float *at = *p;
    __asm__("ldp %q0, %q1, [%2], #32"
            : "=w"(*low), "=w"(*high), "+r"(at)
            : "m"(*(const float(*)[8])at));
    *p = at;
#else
    *low = lc_v4_load(*p);
    *high = lc_v4_load(*p + 4);
    *p += 8;
#endif
}

/* The first n (0..3) floats, zero in the lanes after them. */
LC_INLINE lc_v4 lc_v4_load_part(const float *p, uint32_t n)
{
    lc_v4 v = {n > 0 ? p[0] : 0.0f, n > 1 ? p[1] : 0.0f, n > 2 ? p[2] : 0.0f, 0.0f};
    return v;
}

LC_INLINE void lc_v4_store_part(float *p, lc_v4 v, uint32_t n)
{
    if (n > 0)
        p[0] = v[0];
    if (n > 1)
        p[1] = v[1];
    if (n > 2)
        p[2] = v[2];
}

/* Lane by lane: mask ? a : b, where a lane of mask is all ones or all zeros. */
LC_INLINE lc_v4 lc_v4_select(lc_i4 mask, lc_v4 a, lc_v4 b)
{
    return (lc_v4)((mask & (lc_i4)a) | (~mask & (lc_i4)b));
}

/* a > b ? a : b, as the scalar code says it. */
LC_INLINE lc_v4 lc_v4_max(lc_v4 a, lc_v4 b)
{
    return lc_v4_select(a > b, a, b);
}

LC_INLINE lc_v4 lc_v4_min(lc_v4 a, lc_v4 b)
{
    return lc_v4_select(a < b, a, b);
}

/* The order of every float sum: (0 + 1) + (2 + 3). */
LC_INLINE float lc_v4_sum(lc_v4 v)
{
    return (v[0] + v[1]) + (v[2] + v[3]);
}

LC_INLINE lc_v4 lc_v4_even(lc_v4 a, lc_v4 b)
{
    return __builtin_shufflevector(a, b, 0, 2, 4, 6);
}

LC_INLINE lc_v4 lc_v4_odd(lc_v4 a, lc_v4 b)
{
    return __builtin_shufflevector(a, b, 1, 3, 5, 7);
}

/* Sixteen neighbouring floats, or four sums. */
typedef struct lc_v4x4 {
    lc_v4 a, b, c, d;
} lc_v4x4;

LC_INLINE lc_v4x4 lc_v4x4_all(float f)
{
    lc_v4 v = lc_v4_all(f);
    return (lc_v4x4){v, v, v, v};
}

LC_INLINE lc_v4x4 lc_v4x4_load(const float *p)
{
    return (lc_v4x4){lc_v4_load(p), lc_v4_load(p + 4), lc_v4_load(p + 8), lc_v4_load(p + 12)};
}

/* The sums of four vectors, each in the order of lc_v4_sum. */
LC_INLINE lc_v4 lc_v4_sum4(lc_v4x4 v)
{
    lc_v4 ab = lc_v4_even(v.a, v.b) + lc_v4_odd(v.a, v.b);
    lc_v4 cd = lc_v4_even(v.c, v.d) + lc_v4_odd(v.c, v.d);
    return lc_v4_even(ab, cd) + lc_v4_odd(ab, cd);
}

/* Adds the products of x with one vector of each of four rows. */
LC_INLINE void lc_v4_rows_add(lc_v4x4 *sum, lc_v4 x, lc_v4 r0, lc_v4 r1, lc_v4 r2, lc_v4 r3)
{
    r0 *= x;
    r1 *= x;
    r2 *= x;
    r3 *= x;
    LC_READY4(r0, r1, r2, r3);
    sum->a += r0;
    sum->b += r1;
    sum->c += r2;
    sum->d += r3;
    LC_READY4(sum->a, sum->b, sum->c, sum->d);
}

/* The same for two neighbouring vectors of each row. */
LC_INLINE void lc_v4_rows_add8(lc_v4x4 *sum, const float *x, const float *w0, const float *w1,
                               const float *w2, const float *w3)
{
    lc_v4 xa = lc_v4_load(x), xb = lc_v4_load(x + 4);
    LC_READY2(xa, xb);
    lc_v4 a0 = lc_v4_load(w0), b0 = lc_v4_load(w0 + 4);
    LC_READY2(a0, b0);
    lc_v4 a1 = lc_v4_load(w1), b1 = lc_v4_load(w1 + 4);
    LC_READY2(a1, b1);
    lc_v4 a2 = lc_v4_load(w2), b2 = lc_v4_load(w2 + 4);
    LC_READY2(a2, b2);
    lc_v4 a3 = lc_v4_load(w3), b3 = lc_v4_load(w3 + 4);
    LC_READY2(a3, b3);
    lc_v4_rows_add(sum, xa, a0, a1, a2, a3);
    lc_v4_rows_add(sum, xb, b0, b1, b2, b3);
}

/* x . w0, x . w1, x . w2, x . w3 for four rows of n floats, `stride` apart: the inner loop of both
 * gemv_f32 and attention. Element i adds to lane i mod 4 of its row. */
LC_INLINE lc_v4 lc_v4_rows_dot(const float *x, const float *w0, size_t stride, size_t n)
{
    const float *w1 = w0 + stride, *w2 = w1 + stride, *w3 = w2 + stride;
    const float *end16 = x + (n & ~(size_t)15), *end4 = x + (n & ~(size_t)3);
    lc_v4x4 sum = lc_v4x4_all(0.0f);
    for (; x < end16; x += 16, w0 += 16, w1 += 16, w2 += 16, w3 += 16) {
        lc_v4_rows_add8(&sum, x, w0, w1, w2, w3);
        lc_v4_rows_add8(&sum, x + 8, w0 + 8, w1 + 8, w2 + 8, w3 + 8);
    }
    for (; x < end4; x += 4, w0 += 4, w1 += 4, w2 += 4, w3 += 4)
        lc_v4_rows_add(&sum, lc_v4_load(x), lc_v4_load(w0), lc_v4_load(w1), lc_v4_load(w2),
                       lc_v4_load(w3));
    if (n & 3) {
        uint32_t rest = n & 3;
        lc_v4_rows_add(&sum, lc_v4_load_part(x, rest), lc_v4_load_part(w0, rest),
                       lc_v4_load_part(w1, rest), lc_v4_load_part(w2, rest),
                       lc_v4_load_part(w3, rest));
    }
    return lc_v4_sum4(sum);
}

/* The same over 32 elements, without a loop. */
LC_INLINE lc_v4 lc_v4_rows_dot32(const float *x, const float *w0, size_t stride)
{
    const float *w1 = w0 + stride, *w2 = w1 + stride, *w3 = w2 + stride;
    lc_v4x4 sum = lc_v4x4_all(0.0f);
    lc_v4_rows_add8(&sum, x, w0, w1, w2, w3);
    lc_v4_rows_add8(&sum, x + 8, w0 + 8, w1 + 8, w2 + 8, w3 + 8);
    lc_v4_rows_add8(&sum, x + 16, w0 + 16, w1 + 16, w2 + 16, w3 + 16);
    lc_v4_rows_add8(&sum, x + 24, w0 + 24, w1 + 24, w2 + 24, w3 + 24);
    return lc_v4_sum4(sum);
}

/* x . w for one row of n floats. */
LC_INLINE float lc_v4_dot(const float *x, const float *w, size_t n)
{
    lc_v4 sum = lc_v4_all(0.0f);
    size_t i = 0;
    for (; i < (n & ~(size_t)3); i += 4)
        sum += lc_v4_load(x + i) * lc_v4_load(w + i);
    if (i < n) {
        uint32_t rest = (uint32_t)(n - i);
        sum += lc_v4_load_part(x + i, rest) * lc_v4_load_part(w + i, rest);
    }
    return lc_v4_sum(sum);
}

/* lc_expf on four lanes. */
LC_INLINE lc_v4 lc_v4_exp(lc_v4 x)
{
    x = lc_v4_max(x, lc_v4_all(LC_EXPF_MIN));
    x = lc_v4_min(x, lc_v4_all(LC_EXPF_MAX));
    lc_v4 shifted = x * lc_v4_all(LC_LOG2E) + lc_v4_all(LC_ROUND_BIAS);
    lc_v4 n = shifted - lc_v4_all(LC_ROUND_BIAS);
    lc_v4 r = (x - n * lc_v4_all(LC_LN2_HI)) - n * lc_v4_all(LC_LN2_LO);
    lc_v4 p = lc_v4_all(LC_EXP_C5);
    p = p * r + lc_v4_all(LC_EXP_C4);
    p = p * r + lc_v4_all(LC_EXP_C3);
    p = p * r + lc_v4_all(LC_EXP_C2);
    p = p * r + lc_v4_all(LC_EXP_C1);
    p = p * r + lc_v4_all(LC_EXP_C0);
    return (lc_v4)((lc_u4)p + ((lc_u4)shifted << 23));
}

/* lc_erfc_tail on four lanes. */
LC_INLINE lc_v4 lc_v4_erfc_tail(lc_v4 z)
{
    lc_v4 t = lc_v4_all(1.0f) / (lc_v4_all(1.0f) + lc_v4_all(LC_ERF_P) * z);
    lc_v4 p = lc_v4_all(LC_ERF_A5);
    p = p * t + lc_v4_all(LC_ERF_A4);
    p = p * t + lc_v4_all(LC_ERF_A3);
    p = p * t + lc_v4_all(LC_ERF_A2);
    p = p * t + lc_v4_all(LC_ERF_A1);
    return (p * t) * lc_v4_exp(-(z * z));
}

#endif
