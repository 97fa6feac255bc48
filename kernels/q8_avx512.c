/* q8_avx512.c - R8 products of one token for x86-64 with AVX-512 VNNI. Contract: q8_ref.c.
 *
 * vpdpbusd wants unsigned by signed bytes: q + 128 by a, and 128 * sum(a) = 16 * c8 is taken away.
 */
#include "level.h"
#include "q4.h"

#if defined(__x86_64__)
#include <immintrin.h>

/* Sixteen rows; a row that is not there is the last one again. */
typedef struct rows16 {
    const int8_t *p[LC_TILE_ROWS];
} rows16;

/* Eight partial sums of row i, then of row i + 8. */
LC_INLINE __m512i two_rows(const rows16 *rows, uint32_t i, size_t at, __m512i a)
{
    __m256i low = _mm256_loadu_si256((const __m256i *)(rows->p[i] + at));
    __m256i high = _mm256_loadu_si256((const __m256i *)(rows->p[i + 8] + at));
    __m512i w = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    w = _mm512_xor_si512(w, _mm512_set1_epi8(-128));
    return _mm512_dpbusd_epi32(_mm512_setzero_si512(), w, a);
}

/* Neighbouring lanes of a and b added: a0 + a1, a2 + a3, b0 + b1, b2 + b3 of each quarter. */
LC_INLINE __m512i add_pairs(__m512i a, __m512i b)
{
    __m512 x = _mm512_castsi512_ps(a), y = _mm512_castsi512_ps(b);
    return _mm512_add_epi32(_mm512_castps_si512(_mm512_shuffle_ps(x, y, 0x88)),
                            _mm512_castps_si512(_mm512_shuffle_ps(x, y, 0xdd)));
}

/* Half sums of rows i to i + 3 in quarters 0 and 1, of rows i + 8 to i + 11 in quarters 2 and 3. */
LC_INLINE __m512i four_rows(const rows16 *rows, uint32_t i, size_t at, __m512i a)
{
    __m512i ab = add_pairs(two_rows(rows, i, at, a), two_rows(rows, i + 1, at, a));
    __m512i cd = add_pairs(two_rows(rows, i + 2, at, a), two_rows(rows, i + 3, at, a));
    return add_pairs(ab, cd);
}

/* rshr(dot, e) of sixteen rows: quarters are rows 0-3, 8-11, 4-7, 12-15. */
LC_INLINE __m512i group_dots(const rows16 *rows, size_t at, const int8_t *x, int16_t c8, int16_t ne)
{
    __m512i a = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *)x));
    __m512i first = four_rows(rows, 0, at, a), second = four_rows(rows, 4, at, a);
    __m512i dots = _mm512_add_epi32(_mm512_shuffle_i64x2(first, second, 0x88),
                                    _mm512_shuffle_i64x2(first, second, 0xdd));
    dots = _mm512_add_epi32(dots, _mm512_set1_epi32(((1 << -ne) >> 1) - 16 * c8));
    return _mm512_sra_epi32(dots, _mm_cvtsi32_si128(-ne));
}

void lc_gemv_q8_avx512(const int8_t *w, uint32_t rows, uint32_t groups, const lc_act *x,
                       int32_t *acc)
{
    rows16 from;
    for (uint32_t r = 0; r < LC_TILE_ROWS; r++)
        from.p[r] = w + (size_t)(r < rows ? r : rows - 1) * groups * LC_GROUP;
    __m512i sum = _mm512_setzero_si512();
    for (uint32_t g = 0; g < groups; g++) {
        size_t at = (size_t)g * LC_GROUP;
        LC_UNROLL(8)
        for (uint32_t j = 0; j < LC_TILE_ROWS * LC_GROUP; j += 64) /* the next sixteen rows */
            __builtin_prefetch(w + LC_TILE_ROWS * ((size_t)groups * LC_GROUP + at) + j);
        sum = _mm512_add_epi32(sum, group_dots(&from, at, x->a + at, x->c8[g], x->ne[g]));
    }
    sum = _mm512_shuffle_i64x2(sum, sum, 0xd8);
    _mm512_mask_storeu_epi32(acc, (__mmask16)((1u << rows) - 1u), sum);
}

#endif
