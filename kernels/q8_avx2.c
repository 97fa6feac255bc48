/* q8_avx2.c - R8 products for development machines (x86-64 with AVX2). Contract: q8_ref.c. */
#include "level.h"
#include "q4.h"

#if defined(__x86_64__)
#include <immintrin.h>

LC_INLINE __m256i widen(const int8_t *p)
{
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)p));
}

LC_INLINE __m128i add_halves(__m256i v)
{
    return _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

void lc_gemv_q8_avx2(const int8_t *w, uint32_t rows, uint32_t groups, const lc_act *x, int32_t *acc)
{
    for (uint32_t r = 0; r < rows; r++) {
        const int8_t *a = x->a;
        int32_t sum = 0;
        for (uint32_t g = 0; g < groups; g++, w += LC_GROUP, a += LC_GROUP) {
            __m256i pairs = _mm256_add_epi32(_mm256_madd_epi16(widen(w), widen(a)),
                                             _mm256_madd_epi16(widen(w + 16), widen(a + 16)));
            __m128i quad = add_halves(pairs);
            quad = _mm_add_epi32(quad, _mm_shuffle_epi32(quad, 0x4e));
            quad = _mm_add_epi32(quad, _mm_shuffle_epi32(quad, 0xb1));
            sum += lc_rshr(_mm_cvtsi128_si32(quad), -x->ne[g]);
        }
        acc[r] = sum;
    }
}

/* dots of one row with four interleaved tokens: int32 lane t. */
LC_INLINE __m128i four_dots(const int8_t *w, const int8_t *a)
{
    __m256i pairs = _mm256_setzero_si256(); /* tokens 0 0 1 1 | 2 2 3 3 */
    for (uint32_t j = 0; j < 8; j++) {
        int32_t word;
        __builtin_memcpy(&word, w + 4 * j, sizeof word);
        __m256i columns = _mm256_cvtepi8_epi16(_mm_set1_epi32(word));
        pairs = _mm256_add_epi32(pairs, _mm256_madd_epi16(columns, widen(a + 16 * j)));
    }
    return _mm_hadd_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256(pairs, 1));
}

void lc_gemm_q8_avx2(const int8_t *w, uint32_t rows, uint32_t groups, const lc_act *x, int32_t *acc)
{
    for (uint32_t r = 0; r < rows; r++) {
        __m128i sum = _mm_setzero_si128();
        for (uint32_t g = 0; g < groups; g++, w += LC_GROUP) {
            __m128i dots = four_dots(w, x->a + (size_t)g * LC_GROUP * LC_BLOCK);
            int32_t d[LC_BLOCK];
            _mm_storeu_si128((__m128i *)d, dots);
            for (uint32_t t = 0; t < LC_BLOCK; t++)
                d[t] = lc_rshr(d[t], -x->ne[g * LC_BLOCK + t]);
            sum = _mm_add_epi32(sum, _mm_loadu_si128((const __m128i *)d));
        }
        int32_t s[LC_BLOCK];
        _mm_storeu_si128((__m128i *)s, sum);
        for (uint32_t t = 0; t < LC_BLOCK; t++)
            acc[t * LC_TILE_ROWS + r] = s[t];
    }
}

#endif
