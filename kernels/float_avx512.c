/* float_avx512.c - activations and softmax for x86-64 servers; contracts: act.c, attn.c. */
#include "level.h"
#include "q4.h"

#if defined(__x86_64__)
#include "vec16.h"

/* ---- gates ---- */

/* SiLU, which nearly all models have; the others as everywhere. */
void lc_act_mul_avx512(lc_act_kind kind, const float *gate, const float *up, uint32_t n, float *y)
{
    const lc_v16 one = lc_v16_all(1.0f);
    uint32_t i = 0;
    for (; kind == LC_SILU && i + 16 <= n; i += 16) {
        lc_v16 x = _mm512_loadu_ps(gate + i);
        lc_v16 v = x / (one + lc_v16_exp(-x));
        if (up)
            v *= _mm512_loadu_ps(up + i);
        _mm512_storeu_ps(y + i, v);
    }
    if (i < n)
        lc_act_mul_v4(kind, gate + i, up ? up + i : NULL, n - i, y + i);
}

/* ---- QUANT_ACT ---- */

LC_INLINE __m512i magnitudes(const float *x)
{
    return _mm512_and_si512(_mm512_loadu_si512(x), _mm512_set1_epi32(0x7fffffff));
}

LC_INLINE __m512i rounded(const float *x, lc_v16 f)
{
    lc_v16 v = _mm512_loadu_ps(x) * f + lc_v16_all(LC_ROUND_BIAS);
    return _mm512_sub_epi32(_mm512_castps_si512(v), _mm512_set1_epi32((int32_t)LC_ROUND_BITS));
}

/* Sixteen int8 at four columns a word, a word for each token of the block. */
LC_INLINE void store_words(int8_t *out, __m128i q)
{
    *(lc_word_mem *)out = _mm_cvtsi128_si32(q);
    *(lc_word_mem *)(out + 4 * LC_BLOCK) = _mm_extract_epi32(q, 1);
    *(lc_word_mem *)(out + 8 * LC_BLOCK) = _mm_extract_epi32(q, 2);
    *(lc_word_mem *)(out + 12 * LC_BLOCK) = _mm_extract_epi32(q, 3);
}

/* One group of a token whose largest magnitude is `at`; returns its exponent, *sum is of the
 * numbers. */
LC_INLINE int32_t group_quantise(const float *x, uint32_t at, float inv, bool words, int8_t *out,
                                 int32_t *sum)
{
    uint32_t ag =
        (uint32_t)_mm512_reduce_max_epi32(_mm512_max_epi32(magnitudes(x), magnitudes(x + 16)));
    int32_t e = (int32_t)(at >> 23) - (int32_t)(ag >> 23) - ((ag & 0x7fffff) > (at & 0x7fffff));
    e = ag == 0 ? 0 : e > LC_EXP_MAX ? LC_EXP_MAX : e < 0 ? 0 : e;
    lc_v16 f = lc_v16_all(inv * lc_float_from_bits((uint32_t)(127 + e) << 23));
    __m512i low = rounded(x, f), high = rounded(x + 16, f);
    __m128i a = _mm512_cvtepi32_epi8(low), b = _mm512_cvtepi32_epi8(high);
    *sum = _mm512_reduce_add_epi32(_mm512_add_epi32(low, high));
    if (words) {
        store_words(out, a);
        store_words(out + 16 * LC_BLOCK, b);
    } else {
        _mm_storeu_si128((__m128i *)(void *)out, a);
        _mm_storeu_si128((__m128i *)(void *)(out + 16), b);
    }
    return e;
}

LC_INLINE void quantise(const float *x, uint32_t groups, uint32_t at, uint32_t t, bool words,
                        int8_t *a, int16_t *ne, int16_t *c8, int16_t *c8s)
{
    const uint32_t tokens = words ? LC_BLOCK : 1;
    const float inv = 127.0f / lc_float_from_bits(at);
    a += words ? 4 * t : 0;
    for (uint32_t g = 0, i = t; g < groups; g++, i += tokens) {
        int32_t sum, e = group_quantise(x + g * LC_GROUP, at, inv, words,
                                        a + (size_t)g * LC_GROUP * tokens, &sum);
        ne[i] = (int16_t)-e;
        c8[i] = (int16_t)(8 * sum);
        c8s[i] = (int16_t)lc_rshr(8 * sum, e);
    }
}

bool lc_quantise_avx512(const float *x, uint32_t cols, uint32_t t, uint32_t tokens, int8_t *a,
                        int16_t *ne, int16_t *c8, int16_t *c8s, float *scale)
{
    __m512i most = _mm512_setzero_si512();
    for (uint32_t i = 0; i + 16 <= cols; i += 16)
        most = _mm512_max_epi32(most, magnitudes(x + i));
    uint32_t at = (uint32_t)_mm512_reduce_max_epi32(most);
    if (cols % LC_GROUP != 0 || at < 0x0d800000 /* 2^-100: zero */ || at >= 0x7f800000)
        return lc_quantise_v4(x, cols, t, tokens, a, ne, c8, c8s, scale);
    scale[t] = lc_float_from_bits(at) / 127.0f;
    if (tokens == 1)
        quantise(x, cols / LC_GROUP, at, 0, false, a, ne, c8, c8s);
    else
        quantise(x, cols / LC_GROUP, at, t, true, a, ne, c8, c8s);
    return true;
}

#endif
