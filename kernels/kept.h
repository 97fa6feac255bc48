/* kept.h - values as a KV cache keeps them (lc_kv), read four lanes at a time. `kind` is a constant
 * wherever these are used, so nothing is decided in a loop.
 */
#ifndef LC_KEPT_H
#define LC_KEPT_H

#include "kernels.h"
#include "vec.h"

#if defined(__F16C__)
#include <immintrin.h>
#endif

typedef int16_t lc_h4 __attribute__((vector_size(8)));
typedef int8_t lc_b4 __attribute__((vector_size(4)));
typedef int8_t lc_b8 __attribute__((vector_size(8)));
typedef uint16_t lc_half_mem __attribute__((aligned(1), may_alias));
typedef lc_h4 lc_h4_mem __attribute__((aligned(1), may_alias));
typedef lc_h8 lc_h8_mem __attribute__((aligned(1), may_alias));
typedef lc_b4 lc_b4_mem __attribute__((aligned(1), may_alias));
typedef lc_b8 lc_b8_mem __attribute__((aligned(1), may_alias));
typedef float lc_f2 __attribute__((vector_size(8)));
typedef float lc_word_in_vector __attribute__((aligned(1), may_alias)); /* any four bytes */

/* I8: bits of 2^-100; a head whose values are all smaller is kept as zeros. */
#define LC_KEEP_LEAST 0x0d800000u

/* Bytes of one value. */
LC_INLINE size_t lc_kept_bytes(uint32_t kind)
{
    return kind == LC_KV_F32 ? 4 : kind == LC_KV_F16 ? 2 : 1;
}

/* Four binary16 as floats. */
LC_INLINE lc_v4 lc_v4_from_half(lc_h4 h)
{
#if defined(__aarch64__)
    lc_v4 v;
    __asm__("fcvtl %0.4s, %1.4h" : "=w"(v) : "w"(h));
    return v;
#elif defined(__F16C__)
    return (lc_v4)_mm_cvtph_ps(_mm_cvtsi64_si128((long long)h));
#else
    return (lc_v4){lc_half_to_float((uint16_t)h[0]), lc_half_to_float((uint16_t)h[1]),
                   lc_half_to_float((uint16_t)h[2]), lc_half_to_float((uint16_t)h[3])};
#endif
}

/* Eight binary16 as floats. */
LC_INLINE void lc_v4_from_halves(lc_h8 h, lc_v4 *low, lc_v4 *high)
{
    *low = lc_v4_from_half(__builtin_shufflevector(h, h, 0, 1, 2, 3));
#if defined(__aarch64__)
    __asm__("fcvtl2 %0.4s, %1.8h" : "=w"(*high) : "w"(h));
#else
    *high = lc_v4_from_half(__builtin_shufflevector(h, h, 4, 5, 6, 7));
#endif
}

/* Four int8, the low lanes of b, as floats. GCC would take them apart one by one. */
LC_INLINE lc_v4 lc_v4_from_bytes(lc_b8 b)
{
#if defined(__aarch64__)
    lc_i4 i;
    __asm__("sshll %0.8h, %1.8b, #0\n\tsshll %0.4s, %0.4h, #0" : "=&w"(i) : "w"(b));
#elif defined(__SSE4_1__)
    lc_i4 i = (lc_i4)_mm_cvtepi8_epi32(_mm_cvtsi64_si128((long long)b));
#else
    lc_i4 i = {b[0], b[1], b[2], b[3]};
#endif
    return __builtin_convertvector(i, lc_v4);
}

/* Eight int8 as floats. */
LC_INLINE void lc_v4_from_bytes8(lc_b8 b, lc_v4 *low, lc_v4 *high)
{
#if defined(__aarch64__)
    lc_h8 h;
    lc_i4 i, j;
    __asm__("sshll %0.8h, %1.8b, #0" : "=w"(h) : "w"(b));
    __asm__("sshll %0.4s, %1.4h, #0" : "=w"(i) : "w"(h));
    __asm__("sshll2 %0.4s, %1.8h, #0" : "=w"(j) : "w"(h));
    *low = __builtin_convertvector(i, lc_v4);
    *high = __builtin_convertvector(j, lc_v4);
#else
    *low = lc_v4_from_bytes(b);
    *high = lc_v4_from_bytes(__builtin_shufflevector(b, b, 4, 5, 6, 7, 4, 5, 6, 7));
#endif
}

/* Eight neighbouring values. */
LC_INLINE void lc_kept_load8(uint32_t kind, const uint8_t *p, lc_v4 *low, lc_v4 *high)
{
    if (kind == LC_KV_F32) {
        *low = lc_v4_load((const float *)(const void *)p);
        *high = lc_v4_load((const float *)(const void *)p + 4);
    } else if (kind == LC_KV_F16) {
        lc_v4_from_halves(*(const lc_h8_mem *)(const void *)p, low, high);
    } else {
        lc_v4_from_bytes8(*(const lc_b8_mem *)(const void *)p, low, high);
    }
}

/* The next eight values; moves *p on. */
LC_INLINE void lc_kept_take8(uint32_t kind, lc_v4 *low, lc_v4 *high, const uint8_t **p)
{
    if (kind == LC_KV_F32) {
        const float *at = (const float *)(const void *)*p;
        lc_v4_take2(low, high, &at);
        *p = (const uint8_t *)at;
    } else {
        lc_kept_load8(kind, *p, low, high);
        *p += 8 * lc_kept_bytes(kind);
    }
}

LC_INLINE lc_v4 lc_kept_load4(uint32_t kind, const uint8_t *p)
{
    if (kind == LC_KV_F32)
        return lc_v4_load((const float *)(const void *)p);
    if (kind == LC_KV_F16)
        return lc_v4_from_half(*(const lc_h4_mem *)(const void *)p);
    const float four = *(const lc_word_in_vector *)(const void *)p;
    return lc_v4_from_bytes((lc_b8)(lc_f2){four, 0.0f});
}

LC_INLINE float lc_kept_load(uint32_t kind, const uint8_t *p)
{
    if (kind == LC_KV_F32)
        return *(const float *)(const void *)p;
    return kind == LC_KV_F16 ? lc_half_to_float(*(const lc_half_mem *)(const void *)p)
                             : (float)*(const int8_t *)p;
}

/* The first n (0..3) values, zero in the lanes after them. */
LC_INLINE lc_v4 lc_kept_load_part(uint32_t kind, const uint8_t *p, uint32_t n)
{
    size_t step = lc_kept_bytes(kind);
    lc_v4 v = {n > 0 ? lc_kept_load(kind, p) : 0.0f, n > 1 ? lc_kept_load(kind, p + step) : 0.0f,
               n > 2 ? lc_kept_load(kind, p + 2 * step) : 0.0f, 0.0f};
    return v;
}

/* x . w for one row of n kept values. */
LC_INLINE float lc_kept_dot(uint32_t kind, const float *x, const uint8_t *w, size_t n)
{
    size_t step = lc_kept_bytes(kind), i = 0;
    lc_v4 sum = lc_v4_all(0.0f);
    for (; i < (n & ~(size_t)3); i += 4)
        sum += lc_v4_load(x + i) * lc_kept_load4(kind, w + i * step);
    if (i < n) {
        uint32_t rest = (uint32_t)(n - i);
        sum += lc_v4_load_part(x + i, rest) * lc_kept_load_part(kind, w + i * step, rest);
    }
    return lc_v4_sum(sum);
}

#endif
