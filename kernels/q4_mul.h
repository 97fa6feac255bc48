/* q4_mul.h - 4-bit products by widening multiplies alone: what neon80 and neon53 share. They differ
 * in the order of loads.
 *
 * A whole group of 32 products fits one int16 sum (32 * 8 * 127 = 32512), so the loop is smlal
 * alone, 8 products an instruction, with no widening add; three pairwise adds a group bring four
 * lanes a row together, and one smlal pair scales into int32. Low nibbles are used as q + 8: their
 * sums may wrap modulo 2^16 until 8 * sum(a) is taken away, and are exact then.
 */
#ifndef LC_Q4_MUL_H
#define LC_Q4_MUL_H

#include "neon.h"

/* Sums of eight rows, two rows a vector, four columns (mod 4) a row. */
typedef struct sums8 {
    int16x8_t r01, r23, r45, r67;
} sums8;

/* Four tokens, eight rows: 16 int16 sums, which with 8 int32 sums fill most of the registers. */
typedef struct sums8x4 {
    sums8 t0, t1, t2, t3;
} sums8x4;

/* One token, sixteen rows: rows 0-7, 8-15. */
typedef struct sums16 {
    sums8 top, bottom;
} sums16;

/* Weights of four columns of eight rows: low nibbles rows 0-3 (+8), high nibbles rows 4-7. */
typedef struct nibbles {
    int8x16_t lo, hi;
} nibbles;

LC_INLINE nibbles split(int8x16_t v)
{
    nibbles w = {vandq_s8(v, vdupq_n_s8(15)), vshrq_n_s8(v, 4)};
    return w;
}

LC_INLINE void dot_first(sums8 *s, nibbles w, int8x16_t a)
{
    s->r01 = vmull_s8(vget_low_s8(w.lo), vget_low_s8(a));
    s->r23 = vmull_high_s8(w.lo, a);
    s->r45 = vmull_s8(vget_low_s8(w.hi), vget_low_s8(a));
    s->r67 = vmull_high_s8(w.hi, a);
}

LC_INLINE void dot_add(sums8 *s, nibbles w, int8x16_t a)
{
    s->r01 = vmlal_s8(s->r01, vget_low_s8(w.lo), vget_low_s8(a));
    s->r23 = vmlal_high_s8(s->r23, w.lo, a);
    s->r45 = vmlal_s8(s->r45, vget_low_s8(w.hi), vget_low_s8(a));
    s->r67 = vmlal_high_s8(s->r67, w.hi, a);
}

/* The same for the first four columns of a group or for others; first is a constant. */
LC_INLINE void dot_step(sums8 *s, nibbles w, int8x16_t a, bool first)
{
    if (first)
        dot_first(s, w, a);
    else
        dot_add(s, w, a);
}

/* dot of eight rows, once the +8 of the low nibbles is taken away (c8 in the low four lanes). */
LC_INLINE int16x8_t row_dots(sums8 s, int16x8_t c8)
{
    int16x8_t sum = vpaddq_s16(vpaddq_s16(s.r01, s.r23), vpaddq_s16(s.r45, s.r67));
    return vsubq_s16(sum, c8);
}

#endif
