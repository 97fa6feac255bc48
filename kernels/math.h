/* math.h - elementary functions from + - * / only, in a fixed order: the same bits on every
 * machine, which no libm promises. Include it as "math.h" with -iquote, never through -I.
 *
 * Largest errors against libm in double (tests/kernels prints and bounds them):
 *   lc_expf          2.3e-7 relative on [-87, 88]; outside it is clamped
 *   lc_tanhf         2.0e-7 relative
 *   lc_erff          5.1e-7 absolute
 *   lc_silu          2.8e-7 relative on [-20, 20]
 *   lc_gelu_*        5.3e-7 absolute on [-20, 20]
 *   lc_exp, lc_log   2.3e-16 relative          lc_sin, lc_cos 2.3e-16 absolute up to |x| = 1e5
 */
#ifndef LC_MATH_H
#define LC_MATH_H

#include <float.h>

#include "base.h"

_Static_assert(FLT_EVAL_METHOD == 0, "float sums must round to float at every step");

/* ---- bits ---- */

LC_INLINE uint32_t lc_float_bits(float f)
{
    union { float f; uint32_t u; } cast = {.f = f};
    return cast.u;
}

LC_INLINE float lc_float_from_bits(uint32_t u)
{
    union { uint32_t u; float f; } cast = {.u = u};
    return cast.f;
}

LC_INLINE uint64_t lc_double_bits(double d)
{
    union { double d; uint64_t u; } cast = {.d = d};
    return cast.u;
}

LC_INLINE double lc_double_from_bits(uint64_t u)
{
    union { uint64_t u; double d; } cast = {.u = u};
    return cast.d;
}

/* ---- binary16 ---- */

/* Rounds half to even; beyond 65504 it is an infinity. As fcvtn and vcvtps2ph do it. */
static inline uint16_t lc_half_from_float(float f)
{
    uint32_t u = lc_float_bits(f);
    uint32_t sign = u >> 16 & 0x8000u;
    u &= 0x7fffffffu;
    if (u > 0x7f800000u) /* NaN: quiet, with what fits of its payload */
        return (uint16_t)(sign | 0x7e00u | (u >> 13 & 0x3ffu));
    if (u >= 0x47800000u) /* 65536 and more */
        return (uint16_t)(sign | 0x7c00u);
    if (u < 0x38800000u) { /* below 2^-14: adding 0.5 leaves multiples of 2^-24 */
        float shifted = lc_float_from_bits(u) + 0.5f;
        return (uint16_t)(sign | (lc_float_bits(shifted) - 0x3f000000u));
    }
    return (uint16_t)(sign | ((u - 0x38000000u + 0xfffu + (u >> 13 & 1u)) >> 13));
}

static inline float lc_half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, rest = h & 0x7fffu;
    if (rest >= 0x7c00u) /* infinity; a NaN becomes quiet */
        return lc_float_from_bits(sign | 0x7f800000u | (rest > 0x7c00u ? 0x400000u : 0u) |
                                  (rest & 0x3ffu) << 13);
    /* The exponent's bias changes by a product, which is exact for subnormals, too. */
    float f = lc_float_from_bits(rest << 13) * 0x1p112f;
    return lc_float_from_bits(sign | lc_float_bits(f));
}

/* ---- rounding ---- */

/* 1.5 * 2^23: adding it rounds a float of magnitude below 2^22 half to even, and leaves the integer
 * in the low bits: bits(x + bias) - LC_ROUND_BITS. */
#define LC_ROUND_BIAS 12582912.0f
#define LC_ROUND_BITS 0x4b400000u

LC_INLINE float lc_sqrtf(float x)
{
    return __builtin_sqrtf(x); /* one instruction: kernels are built with -fno-math-errno */
}

/* ---- float: exp and what is made of it ---- */

/* Beyond these exp is clamped, so that no result is subnormal or infinite. */
#define LC_EXPF_MIN (-87.0f)
#define LC_EXPF_MAX 88.0f
#define LC_LOG2E 1.44269504f
#define LC_LN2_HI 0.693359375f /* 10 bits: n * hi is exact */
#define LC_LN2_LO (-2.12194440e-4f)
/* Minimax on [-ln2 / 2, ln2 / 2]: kernels design, degree 5. */
#define LC_EXP_C0 1.00000007f
#define LC_EXP_C1 0.999999692f
#define LC_EXP_C2 0.499988949f
#define LC_EXP_C3 0.166675748f
#define LC_EXP_C4 0.0419153818f
#define LC_EXP_C5 0.00829765184f

static inline float lc_expf(float x)
{
    x = x > LC_EXPF_MIN ? x : LC_EXPF_MIN;
    x = x < LC_EXPF_MAX ? x : LC_EXPF_MAX;
    float shifted = x * LC_LOG2E + LC_ROUND_BIAS;
    float n = shifted - LC_ROUND_BIAS;
    float r = (x - n * LC_LN2_HI) - n * LC_LN2_LO;
    float p = LC_EXP_C5;
    p = p * r + LC_EXP_C4;
    p = p * r + LC_EXP_C3;
    p = p * r + LC_EXP_C2;
    p = p * r + LC_EXP_C1;
    p = p * r + LC_EXP_C0;
    /* The low 9 bits of `shifted` are n modulo 512: shifted up they add n to p's exponent. */
    return lc_float_from_bits(lc_float_bits(p) + (lc_float_bits(shifted) << 23));
}

/* Abramowitz and Stegun 7.1.26: erfc(z) = poly(1 / (1 + p z)) * exp(-z^2) for z >= 0. */
#define LC_ERF_P 0.3275911f
#define LC_ERF_A1 0.254829592f
#define LC_ERF_A2 (-0.284496736f)
#define LC_ERF_A3 1.421413741f
#define LC_ERF_A4 (-1.453152027f)
#define LC_ERF_A5 1.061405429f

/* erfc(z) for z >= 0. */
static inline float lc_erfc_tail(float z)
{
    float t = 1.0f / (1.0f + LC_ERF_P * z);
    float p = LC_ERF_A5;
    p = p * t + LC_ERF_A4;
    p = p * t + LC_ERF_A3;
    p = p * t + LC_ERF_A2;
    p = p * t + LC_ERF_A1;
    return (p * t) * lc_expf(-(z * z));
}

static inline float lc_erff(float x)
{
    return x < 0.0f ? lc_erfc_tail(-x) - 1.0f : 1.0f - lc_erfc_tail(x);
}

static inline float lc_tanhf(float x)
{
    float z = x < 0.0f ? -x : x;
    if (z < 0.625f) { /* near zero 1 - 2 / (exp + 1) would cancel; odd polynomial */
        float s = x * x;
        float p = -5.70498872745e-3f;
        p = p * s + 2.06390887954e-2f;
        p = p * s - 5.37397155531e-2f;
        p = p * s + 1.33314422036e-1f;
        p = p * s - 3.33332819422e-1f;
        return x + x * s * p;
    }
    float t = 1.0f - 2.0f / (lc_expf(2.0f * z) + 1.0f);
    return x < 0.0f ? -t : t;
}

#define LC_SQRT_HALF 0.707106781f
#define LC_GELU_K1 (-1.59576912f)   /* -2 sqrt(2 / pi) */
#define LC_GELU_K3 (-0.0713548163f) /* K1 * 0.044715 */

static inline float lc_silu(float x)
{
    return x / (1.0f + lc_expf(-x));
}

/* 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) = x / (1 + exp(K1 x + K3 x^3)) */
static inline float lc_gelu_tanh(float x)
{
    return x / (1.0f + lc_expf(x * (LC_GELU_K1 + LC_GELU_K3 * (x * x))));
}

/* x * 0.5 erfc(-x / sqrt 2), without the cancellation of 1 + erf for negative x. */
static inline float lc_gelu_erf(float x)
{
    float z = x * LC_SQRT_HALF;
    float tail = lc_erfc_tail(z < 0.0f ? -z : z);
    return (0.5f * x) * (z < 0.0f ? tail : 2.0f - tail);
}

/* ---- double: tables (RoPE) and the packer; series, not fast ---- */

#define LC_ROUND_BIAS_D 6755399441055744.0 /* 1.5 * 2^52 */
#define LC_LN2_HI_D 6.93147180369123816490e-01 /* 33 bits */
#define LC_LN2_LO_D 1.90821492927058770002e-10

/* 2^n for n in -1022..1023. */
static inline double lc_pow2(int32_t n)
{
    return lc_double_from_bits((uint64_t)(1023 + n) << 52);
}

/* Clamped to [-700, 700]. */
static inline double lc_exp(double x)
{
    x = x > -700.0 ? x : -700.0;
    x = x < 700.0 ? x : 700.0;
    double n = (x * 1.44269504088896338700 + LC_ROUND_BIAS_D) - LC_ROUND_BIAS_D;
    double r = (x - n * LC_LN2_HI_D) - n * LC_LN2_LO_D;
    double sum = 1.0;
    for (int k = 14; k > 0; k--) /* Taylor by Horner; |r| <= 0.35, the rest is below 1e-18 */
        sum = 1.0 + sum * r / k;
    return sum * lc_pow2((int32_t)n);
}

/* Natural logarithm of a positive normal number. */
static inline double lc_log(double x)
{
    uint64_t bits = lc_double_bits(x);
    int32_t n = (int32_t)(bits >> 52) - 1023;
    double m = lc_double_from_bits((bits & 0xfffffffffffffu) | ((uint64_t)1023 << 52));
    if (m > 1.4142135623730951) {
        m = m / 2.0;
        n++;
    }
    double s = (m - 1.0) / (m + 1.0); /* log m = 2 atanh s, |s| <= 0.172 */
    double s2 = s * s;
    double sum = 0.0;
    for (int k = 23; k > 1; k -= 2)
        sum = (sum + 1.0 / k) * s2;
    double log_m = 2.0 * s + 2.0 * s * sum;
    return n * LC_LN2_HI_D + (log_m + n * LC_LN2_LO_D);
}

/* x minus the nearest multiple of pi/2 (in three parts of 33 bits); *quadrant is that multiple
 * modulo 4. Exact enough for |x| <= 1e6. */
static inline double lc_trig_reduce(double x, uint32_t *quadrant)
{
    double shifted = x * 0.63661977236758134308 + LC_ROUND_BIAS_D;
    double n = shifted - LC_ROUND_BIAS_D;
    *quadrant = (uint32_t)lc_double_bits(shifted) & 3u;
    return ((x - n * 1.57079632673412561417) - n * 6.07710050630396597660e-11) -
           n * 2.02226624879595063154e-21;
}

/* sin r (first = 1) or cos r (first = 0) for |r| <= pi/4 by Taylor. */
static inline double lc_trig_series(double r, int first)
{
    double r2 = r * r;
    double sum = 1.0;
    for (int k = 18 + first; k > first; k -= 2)
        sum = 1.0 - sum * r2 / (k * (k - 1));
    return first ? sum * r : sum;
}

static inline double lc_sin(double x)
{
    uint32_t quadrant;
    double r = lc_trig_reduce(x, &quadrant);
    double y = lc_trig_series(r, (quadrant & 1u) == 0);
    return (quadrant & 2u) ? -y : y;
}

static inline double lc_cos(double x)
{
    uint32_t quadrant;
    double r = lc_trig_reduce(x, &quadrant);
    double y = lc_trig_series(r, (quadrant & 1u) != 0);
    return (quadrant == 1u || quadrant == 2u) ? -y : y;
}

#endif
