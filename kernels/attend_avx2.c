/* attend_avx2.c - attention with the binary16 loads that every AVX2 machine has (F16C). */
#include "attend.h"
#include "level.h"

void lc_attend_avx2(const lc_attention *a)
{
    lc_attend_lanes(a);
}
