/* vec16.h - sixteen floats at a time, for the files of the level avx512. Operation by operation as
 * vec.h, so that each lane has the bits that it has there.
 */
#ifndef LC_VEC16_H
#define LC_VEC16_H

#include <immintrin.h>

#include "vec.h"

typedef __m512 lc_v16;

LC_INLINE lc_v16 lc_v16_all(float f)
{
    return _mm512_set1_ps(f);
}

/* lc_expf. The maximum of two, and the minimum, is the second one where they do not compare. */
LC_INLINE lc_v16 lc_v16_exp(lc_v16 x)
{
    x = _mm512_max_ps(x, lc_v16_all(LC_EXPF_MIN));
    x = _mm512_min_ps(x, lc_v16_all(LC_EXPF_MAX));
    lc_v16 shifted = x * lc_v16_all(LC_LOG2E) + lc_v16_all(LC_ROUND_BIAS);
    lc_v16 n = shifted - lc_v16_all(LC_ROUND_BIAS);
    lc_v16 r = (x - n * lc_v16_all(LC_LN2_HI)) - n * lc_v16_all(LC_LN2_LO);
    lc_v16 p = lc_v16_all(LC_EXP_C5);
    p = p * r + lc_v16_all(LC_EXP_C4);
    p = p * r + lc_v16_all(LC_EXP_C3);
    p = p * r + lc_v16_all(LC_EXP_C2);
    p = p * r + lc_v16_all(LC_EXP_C1);
    p = p * r + lc_v16_all(LC_EXP_C0);
    __m512i power = _mm512_slli_epi32(_mm512_castps_si512(shifted), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), power));
}

#endif
