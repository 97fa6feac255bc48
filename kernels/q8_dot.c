/* q8_dot.c - R8 products for armv8.2 with dotprod. Contract: q8_ref.c. */
#include "level.h"
#include "q4.h"

#if defined(__aarch64__)
#include "neon.h"

/* ---- one token, eight rows ---- */

/* Four partial sums of each of four rows. They are never set to zero: what a group adds to their
 * totals is its dot, exact modulo 2^32. */
typedef struct sums4 {
    int32x4_t r0, r1, r2, r3;
} sums4;

LC_INLINE sums4 sums_zero(void)
{
    return (sums4){zero_s32(), zero_s32(), zero_s32(), zero_s32()};
}

/* 32 products of a row; moves *w on. */
LC_INLINE int32x4_t row_add(int32x4_t s, const int8_t **w, int8x16_t a0, int8x16_t a1)
{
    int8x16_t w0, w1;
    take_32(&w0, &w1, w);
    return vdotq_s32(vdotq_s32(s, w0, a0), w1, a1);
}

/* A group of four rows; their totals after it. */
LC_INLINE int32x4_t rows_dot(sums4 *s, const int8_t **w, int8x16_t a0, int8x16_t a1)
{
    s->r0 = row_add(s->r0, &w[0], a0, a1);
    s->r1 = row_add(s->r1, &w[1], a0, a1);
    s->r2 = row_add(s->r2, &w[2], a0, a1);
    s->r3 = row_add(s->r3, &w[3], a0, a1);
    return vpaddq_s32(vpaddq_s32(s->r0, s->r1), vpaddq_s32(s->r2, s->r3));
}

/* Of eight rows: sums, totals so far (two vectors), what was scaled and added up. */
typedef struct rows_run {
    sums4 low, high;
    int32x4_t acc_low, acc_high;
} rows_run;

typedef struct totals {
    int32x4_t low, high;
} totals;

LC_INLINE totals group_add(rows_run *y, totals before, row_feed *f, const int8_t **a,
                           const int16_t **ne)
{
    int8x16_t a0, a1;
    take_32(&a0, &a1, a);
    int32x4_t shift = vreinterpretq_s32_s16(take_all(ne)); /* the lowest byte of a lane counts */
    totals now = {rows_dot(&y->low, &f->p[0], a0, a1), rows_dot(&y->high, &f->p[4], a0, a1)};
    int32x4_t low = vrshlq_s32(vsubq_s32(now.low, before.low), shift);
    int32x4_t high = vrshlq_s32(vsubq_s32(now.high, before.high), shift);
    y->acc_low = vaddq_s32(y->acc_low, low);
    y->acc_high = vaddq_s32(y->acc_high, high);
    return now;
}

void lc_gemv_q8_dot(const int8_t *w, uint32_t rows, uint32_t groups, const lc_act *x, int32_t *acc)
{
    for (uint32_t r = 0; r < rows; r += 8) {
        row_feed f = rows_from(w, r, rows, (size_t)groups * LC_GROUP);
        const int8_t *a = x->a;
        const int16_t *ne = x->ne;
        rows_run y = {sums_zero(), sums_zero(), zero_s32(), zero_s32()};
        totals now = {zero_s32(), zero_s32()};
        for (uint32_t g = 0; g < groups / 2; g++) { /* two a turn: no moves from now to before */
            totals between = group_add(&y, now, &f, &a, &ne);
            now = group_add(&y, between, &f, &a, &ne);
        }
        if (groups % 2 > 0)
            group_add(&y, now, &f, &a, &ne);
        store_some(acc + r, rows - r, y.acc_low, y.acc_high);
    }
}

/* ---- four tokens, four rows: a vector of activations holds one word a token, so a lane is a
 * token ---- */

/* Sixteen columns of a row: word j of w meets a[j]. */
LC_INLINE int32x4_t columns_add(int32x4_t s, int8x16_t w, const int8x16_t a[4])
{
    s = vdotq_laneq_s32(s, a[0], w, 0);
    s = vdotq_laneq_s32(s, a[1], w, 1);
    s = vdotq_laneq_s32(s, a[2], w, 2);
    return vdotq_laneq_s32(s, a[3], w, 3);
}

LC_INLINE void rows_add(int32x4_t s[4], const int8x16_t w[4], const int8_t **a)
{
    int8x16_t x[4];
    take_32(&x[0], &x[1], a);
    take_32(&x[2], &x[3], a);
    s[0] = columns_add(s[0], w[0], x);
    s[1] = columns_add(s[1], w[1], x);
    s[2] = columns_add(s[2], w[2], x);
    s[3] = columns_add(s[3], w[3], x);
}

void lc_gemm_q8_dot(const int8_t *w, uint32_t rows, uint32_t groups, const lc_act *x, int32_t *acc)
{
    for (uint32_t r = 0; r < rows; r += 4) {
        row_feed f = rows_from(w, r, rows, (size_t)groups * LC_GROUP);
        const int8_t *a = x->a;
        int32x4_t sum[4] = {zero_s32(), zero_s32(), zero_s32(), zero_s32()};
        for (uint32_t g = 0; g < groups; g++) {
            int32x4_t s[4] = {zero_s32(), zero_s32(), zero_s32(), zero_s32()};
            int8x16_t left[4], right[4];
            LC_UNROLL(4)
            for (uint32_t i = 0; i < 4; i++)
                take_32(&left[i], &right[i], &f.p[i]);
            rows_add(s, left, &a);
            rows_add(s, right, &a);
            int32x4_t shift = vmovl_s16(vld1_s16(x->ne + g * LC_BLOCK));
            LC_UNROLL(4)
            for (uint32_t i = 0; i < 4; i++)
                sum[i] = vaddq_s32(sum[i], vrshlq_s32(s[i], shift));
        }
        store_tokens(acc + r, rows - r, sum);
    }
}

#endif
