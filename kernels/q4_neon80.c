/* q4_neon80.c - 4-bit products for armv8.0 cores that reorder instructions (Cortex-A72): loads
 * stand where they are used. The arithmetic: q4_mul.h.
 */
#include "level.h"
#include "q4.h"

#if defined(__aarch64__)
#include "q4_mul.h"

/* ---- one token, sixteen rows ---- */

LC_INLINE void gemv_first(sums16 *s, const int8_t *d, const int8_t **a)
{
    int8x16_t x = take_word(a);
    int8x16_t top = vld1q_s8(d), bottom = vld1q_s8(d + 16); /* side by side: one ldp */
    dot_first(&s->top, split(top), x);
    dot_first(&s->bottom, split(bottom), x);
}

LC_INLINE void gemv_add(sums16 *s, const int8_t *d, const int8_t **a)
{
    int8x16_t x = take_word(a);
    int8x16_t top = vld1q_s8(d), bottom = vld1q_s8(d + 16); /* side by side: one ldp */
    dot_add(&s->top, split(top), x);
    dot_add(&s->bottom, split(bottom), x);
}

LC_INLINE void gemv(const uint8_t *panel, uint32_t groups, bool offsets, const lc_act *x,
                    int32_t *out)
{
    const int8_t *tile = (const int8_t *)panel;
    const int8_t *a = x->a;
    const int16_t *ne = x->ne, *c8 = x->c8, *c8s = x->c8s;
    rows8 top = {zero_s32(), zero_s32()}, bottom = {zero_s32(), zero_s32()};
    for (; groups > 0; groups--, tile += lc_q4_tile_bytes(offsets)) {
        const int8_t *d = tile + lc_q4_data_offset(offsets);
        sums16 s;
        gemv_first(&s, d, &a);
        gemv_add(&s, d + 32, &a);
        gemv_add(&s, d + 64, &a);
        gemv_add(&s, d + 96, &a);
        gemv_add(&s, d + 128, &a);
        gemv_add(&s, d + 160, &a);
        gemv_add(&s, d + 192, &a);
        gemv_add(&s, d + 224, &a);
        int16x8_t correction = take_low(&c8);
        int16x8_t shift = take_all(&ne);
        int8x16_t scale = vld1q_s8(tile);
        scale_add(&top, vrshlq_s16(row_dots(s.top, correction), shift),
                  vmovl_s8(vget_low_s8(scale)));
        scale_add(&bottom, vrshlq_s16(row_dots(s.bottom, correction), shift),
                  vmovl_high_s8(scale));
        if (offsets) {
            int16x8_t sum = take_all(&c8s);
            int8x16_t m = vld1q_s8(tile + LC_TILE_ROWS);
            scale_add(&top, sum, vmovl_s8(vget_low_s8(m)));
            scale_add(&bottom, sum, vmovl_high_s8(m));
        }
    }
    store_rows(out, top);
    store_rows(out + 8, bottom);
}

void lc_gemv_q4_neon80(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    gemv(panel, groups, false, x, acc);
}

void lc_gemv_q4a_neon80(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    gemv(panel, groups, true, x, acc);
}

/* ---- four tokens, eight rows ---- */

LC_INLINE void gemm_first(sums8x4 *s, const int8_t *d, const int8_t **a)
{
    nibbles w = split(vld1q_s8(d));
    dot_first(&s->t0, w, take_word(a));
    dot_first(&s->t1, w, take_word(a));
    dot_first(&s->t2, w, take_word(a));
    dot_first(&s->t3, w, take_word(a));
}

LC_INLINE void gemm_add(sums8x4 *s, const int8_t *d, const int8_t **a)
{
    nibbles w = split(vld1q_s8(d));
    dot_add(&s->t0, w, take_word(a));
    dot_add(&s->t1, w, take_word(a));
    dot_add(&s->t2, w, take_word(a));
    dot_add(&s->t3, w, take_word(a));
}

LC_INLINE void gemm_scale(rows8 *acc, sums8 s, const int16_t **c8, const int16_t **ne,
                          int16x8_t scale)
{
    int16x8_t dots = row_dots(s, take_low(c8));
    scale_add(acc, vrshlq_s16(dots, take_all(ne)), scale);
}

/* half: 0 for rows 0-7 of the panel, 1 for rows 8-15; out[4][16] from that row on. */
LC_INLINE void gemm_half(const uint8_t *panel, uint32_t groups, bool offsets, uint32_t half,
                         const lc_act *x, int32_t *out)
{
    const int8_t *tile = (const int8_t *)panel;
    const int8_t *a = x->a;
    const int16_t *ne = x->ne, *c8 = x->c8, *c8s = x->c8s;
    rows8 y0 = {zero_s32(), zero_s32()}, y1 = {zero_s32(), zero_s32()};
    rows8 y2 = {zero_s32(), zero_s32()}, y3 = {zero_s32(), zero_s32()};
    for (; groups > 0; groups--, tile += lc_q4_tile_bytes(offsets)) {
        const int8_t *d = tile + lc_q4_data_offset(offsets) + 16 * half;
        sums8x4 s;
        gemm_first(&s, d, &a);
        gemm_add(&s, d + 32, &a);
        gemm_add(&s, d + 64, &a);
        gemm_add(&s, d + 96, &a);
        gemm_add(&s, d + 128, &a);
        gemm_add(&s, d + 160, &a);
        gemm_add(&s, d + 192, &a);
        gemm_add(&s, d + 224, &a);
        int16x8_t scale = vmovl_s8(vld1_s8(tile + 8 * half));
        gemm_scale(&y0, s.t0, &c8, &ne, scale);
        gemm_scale(&y1, s.t1, &c8, &ne, scale);
        gemm_scale(&y2, s.t2, &c8, &ne, scale);
        gemm_scale(&y3, s.t3, &c8, &ne, scale);
        if (offsets) {
            int16x8_t m = vmovl_s8(vld1_s8(tile + LC_TILE_ROWS + 8 * half));
            scale_add(&y0, take_all(&c8s), m);
            scale_add(&y1, take_all(&c8s), m);
            scale_add(&y2, take_all(&c8s), m);
            scale_add(&y3, take_all(&c8s), m);
        }
    }
    store_rows(out, y0);
    store_rows(out + LC_TILE_ROWS, y1);
    store_rows(out + 2 * LC_TILE_ROWS, y2);
    store_rows(out + 3 * LC_TILE_ROWS, y3);
}

void lc_gemm_q4_neon80(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    gemm_half(panel, groups, false, 0, x, acc);
    gemm_half(panel, groups, false, 1, x, acc + 8);
}

void lc_gemm_q4a_neon80(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    gemm_half(panel, groups, true, 0, x, acc);
    gemm_half(panel, groups, true, 1, x, acc + 8);
}

#endif
