/* q4_avx2.c - 4-bit products for development machines (x86-64 with AVX2).
 *
 * One 32-byte load takes d[j] of both halves: lane 0 rows 0-3 (low) and 4-7 (high nibble), lane 1
 * rows 8-11 and 12-15. Both nibbles are used as q + 8 (unsigned), so vpmaddubsw sums pairs in
 * int16: 16 products of at most 15 * 127 are 30480 and fit a whole group.
 */
#include "level.h"
#include "q4.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* q + 8 of the low and of the high rows for four columns. */
typedef struct nibbles {
    __m256i lo, hi;
} nibbles;

/* int16 partial sums of one token: lo rows 0-3 | 8-11, hi rows 4-7 | 12-15, two lanes a row. */
typedef struct sums {
    __m256i lo, hi;
} sums;

/* int32 row sums of one token: a rows 0-3 | 8-11, b rows 4-7 | 12-15. */
typedef struct rows16 {
    __m256i a, b;
} rows16;

LC_INLINE nibbles load_nibbles(const uint8_t *d)
{
    const __m256i mask = _mm256_set1_epi8(15);
    /* Flipping the top bit turns the high nibble's two's complement into q + 8. */
    __m256i v = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *)d), _mm256_set1_epi8(-128));
    nibbles w = {_mm256_and_si256(v, mask), _mm256_and_si256(_mm256_srli_epi16(v, 4), mask)};
    return w;
}

LC_INLINE void dot_add(sums *s, nibbles w, const int8_t *a)
{
    int32_t word;
    __builtin_memcpy(&word, a, sizeof word);
    __m256i x = _mm256_set1_epi32(word);
    s->lo = _mm256_add_epi16(s->lo, _mm256_maddubs_epi16(w.lo, x));
    s->hi = _mm256_add_epi16(s->hi, _mm256_maddubs_epi16(w.hi, x));
}

/* rshr(dot, e) of 16 rows as int16: lane 0 rows 0-7, lane 1 rows 8-15. */
LC_INLINE __m256i shifted_dots(sums s, int16_t c8, int16_t ne)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i correction = _mm256_set1_epi32(c8);
    __m256i lo = _mm256_sub_epi32(_mm256_madd_epi16(s.lo, ones), correction);
    __m256i hi = _mm256_sub_epi32(_mm256_madd_epi16(s.hi, ones), correction);
    __m256i half = _mm256_set1_epi16((int16_t)((1 << -ne) >> 1));
    __m256i dots = _mm256_add_epi16(_mm256_packs_epi32(lo, hi), half);
    return _mm256_sra_epi16(dots, _mm_cvtsi32_si128(-ne));
}

/* acc += s * t + m * c8s as pairs of int16: with m = 0 the second product is zero. */
LC_INLINE void scale_add(rows16 *acc, __m256i t, __m256i s, __m256i c8s, __m256i m)
{
    acc->a = _mm256_add_epi32(acc->a, _mm256_madd_epi16(_mm256_unpacklo_epi16(t, c8s),
                                                        _mm256_unpacklo_epi16(s, m)));
    acc->b = _mm256_add_epi32(acc->b, _mm256_madd_epi16(_mm256_unpackhi_epi16(t, c8s),
                                                        _mm256_unpackhi_epi16(s, m)));
}

LC_INLINE __m256i load_int8x16(const uint8_t *p)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
}

LC_INLINE void panel_dot(const uint8_t *panel, uint32_t groups, bool offsets, uint32_t tokens,
                         const lc_act *x, int32_t *out)
{
    const __m256i zero = _mm256_setzero_si256();
    const int8_t *a = x->a;
    rows16 acc[LC_BLOCK] = {{zero, zero}, {zero, zero}, {zero, zero}, {zero, zero}};
    for (uint32_t i = 0; i < groups * tokens; i += tokens) {
        sums s[LC_BLOCK] = {{zero, zero}, {zero, zero}, {zero, zero}, {zero, zero}};
        const uint8_t *d = panel + lc_q4_data_offset(offsets);
        for (uint32_t j = 0; j < 8; j++) {
            nibbles w = load_nibbles(d + 32 * j);
            LC_UNROLL(4)
            for (uint32_t t = 0; t < tokens; t++, a += 4)
                dot_add(&s[t], w, a);
        }
        __m256i scale = load_int8x16(panel);
        __m256i m = offsets ? load_int8x16(panel + LC_TILE_ROWS) : zero;
        LC_UNROLL(4)
        for (uint32_t t = 0; t < tokens; t++) {
            __m256i dots = shifted_dots(s[t], x->c8[i + t], x->ne[i + t]);
            scale_add(&acc[t], dots, scale, offsets ? _mm256_set1_epi16(x->c8s[i + t]) : zero, m);
        }
        panel += lc_q4_tile_bytes(offsets);
    }
    LC_UNROLL(4)
    for (uint32_t t = 0; t < tokens; t++, out += LC_TILE_ROWS) {
        _mm256_storeu_si256((__m256i *)out, _mm256_permute2x128_si256(acc[t].a, acc[t].b, 0x20));
        _mm256_storeu_si256((__m256i *)(out + 8),
                            _mm256_permute2x128_si256(acc[t].a, acc[t].b, 0x31));
    }
}

void lc_gemv_q4_avx2(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    panel_dot(panel, groups, false, 1, x, acc);
}

void lc_gemm_q4_avx2(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    panel_dot(panel, groups, false, LC_BLOCK, x, acc);
}

void lc_gemv_q4a_avx2(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    panel_dot(panel, groups, true, 1, x, acc);
}

void lc_gemm_q4a_avx2(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    panel_dot(panel, groups, true, LC_BLOCK, x, acc);
}

#endif
