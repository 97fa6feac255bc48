/* q4_dot.c - 4-bit products for armv8.2 with dotprod (Cortex-A76): sdot by element.
 *
 * The int32 lanes of sdot hold a row each; only their low 16 bits are used, so uzp1 packs eight
 * rows and the rest of the group is done in int16 as in q4_neon80.c. Sums of low nibbles (q + 8)
 * start at -c8 instead of zero: garbage in the upper halves of those lanes does no harm.
 */
#include "level.h"
#include "q4.h"

#if defined(__aarch64__)
#include "neon.h"
#include "vec.h"

/* Sums of eight rows: rows 0-3 (low nibbles), rows 4-7 (high nibbles). */
typedef struct sums8 {
    int32x4_t lo, hi;
} sums8;

/* Weights of four columns of eight rows. */
typedef struct nibbles {
    int8x16_t lo, hi;
} nibbles;

LC_INLINE nibbles load_nibbles(const int8_t *d)
{
    int8x16_t v = vld1q_s8(d);
    nibbles w = {vandq_s8(v, vdupq_n_s8(15)), vshrq_n_s8(v, 4)};
    return w;
}

/* minus_c8 in every int16 lane. */
LC_INLINE sums8 start_at(int16x8_t minus_c8)
{
    sums8 s = {vreinterpretq_s32_s16(minus_c8), zero_s32()};
    return s;
}

/* lane is a constant: word of a that these four columns meet. */
#define DOT_ADD(s, w, a, lane)                                                                     \
    ((s)->lo = vdotq_laneq_s32((s)->lo, (w).lo, a, lane),                                          \
     (s)->hi = vdotq_laneq_s32((s)->hi, (w).hi, a, lane))

LC_INLINE int16x8_t row_dots(sums8 s)
{
    return vuzp1q_s16(vreinterpretq_s16_s32(s.lo), vreinterpretq_s16_s32(s.hi));
}

/* ---- one token, sixteen rows ---- */

/* Sums of eight rows: of low nibbles (rows 0-3), and of bytes as they are, which are 16 * high +
 * low: rows 4-7 need no shift for each byte, only one of the sums. Both start at the same value. */
typedef struct bytes8 {
    int32x4_t lo, all;
} bytes8;

typedef struct bytes16 {
    bytes8 top, bottom; /* rows 0-7, 8-15 */
} bytes16;

/* lane is a constant: word of a that these four columns meet. */
#define BYTES_ADD(s, v, a, lane)                                                                   \
    ((s)->lo = vdotq_laneq_s32((s)->lo, vandq_s8(v, vdupq_n_s8(15)), a, lane),                     \
     (s)->all = vdotq_laneq_s32((s)->all, v, a, lane))

/* Sixteen columns: four steps of four. */
LC_INLINE void gemv_add(bytes16 *s, const int8_t *d, int8x16_t a)
{
    int8x16_t v0 = vld1q_s8(d), v1 = vld1q_s8(d + 16);
    BYTES_ADD(&s->top, v0, a, 0);
    BYTES_ADD(&s->bottom, v1, a, 0);
    v0 = vld1q_s8(d + 32), v1 = vld1q_s8(d + 48);
    BYTES_ADD(&s->top, v0, a, 1);
    BYTES_ADD(&s->bottom, v1, a, 1);
    v0 = vld1q_s8(d + 64), v1 = vld1q_s8(d + 80);
    BYTES_ADD(&s->top, v0, a, 2);
    BYTES_ADD(&s->bottom, v1, a, 2);
    v0 = vld1q_s8(d + 96), v1 = vld1q_s8(d + 112);
    BYTES_ADD(&s->top, v0, a, 3);
    BYTES_ADD(&s->bottom, v1, a, 3);
}

/* What they started at drops out of high nibbles, and is meant for low ones. */
LC_INLINE int16x8_t byte_dots(bytes8 s)
{
    return vshrn_high_n_s32(vmovn_s32(s.lo), vsubq_s32(s.all, s.lo), 4);
}

LC_INLINE void gemv(const uint8_t *panel, uint32_t groups, bool offsets, const lc_act *x,
                    int32_t *out)
{
    const int8_t *tile = (const int8_t *)panel;
    const int8_t *a = x->a;
    const int16_t *ne = x->ne, *c8 = x->c8, *c8s = x->c8s;
    rows8 top = {zero_s32(), zero_s32()}, bottom = {zero_s32(), zero_s32()};
    for (; groups > 0; groups--, tile += lc_q4_tile_bytes(offsets), a += LC_GROUP) {
        const int8_t *d = tile + lc_q4_data_offset(offsets);
        int32x4_t start = vreinterpretq_s32_s16(vnegq_s16(take_all(&c8)));
        bytes16 s = {{start, start}, {start, start}};
        gemv_add(&s, d, vld1q_s8(a));
        gemv_add(&s, d + 128, vld1q_s8(a + 16));
        int16x8_t shift = take_all(&ne);
        int8x16_t scale = vld1q_s8(tile);
        scale_add(&top, vrshlq_s16(byte_dots(s.top), shift), vmovl_s8(vget_low_s8(scale)));
        scale_add(&bottom, vrshlq_s16(byte_dots(s.bottom), shift), vmovl_high_s8(scale));
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

void lc_gemv_q4_dot(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    gemv(panel, groups, false, x, acc);
}

void lc_gemv_q4a_dot(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    gemv(panel, groups, true, x, acc);
}

/* ---- four tokens, eight rows ---- */

typedef struct sums8x4 {
    sums8 t0, t1, t2, t3;
} sums8x4;

/* Four columns of eight rows with four tokens: a holds one word a token. */
LC_INLINE void gemm_add(sums8x4 *s, const int8_t *d, const int8_t *words)
{
    nibbles w = load_nibbles(d);
    int8x16_t a = vld1q_s8(words);
    DOT_ADD(&s->t0, w, a, 0);
    DOT_ADD(&s->t1, w, a, 1);
    DOT_ADD(&s->t2, w, a, 2);
    DOT_ADD(&s->t3, w, a, 3);
}

LC_INLINE sums8 gemm_start(const int16_t **c8)
{
    return start_at(vnegq_s16(take_all(c8)));
}

LC_INLINE void gemm_scale(rows8 *acc, sums8 s, const int16_t **ne, int16x8_t scale)
{
    scale_add(acc, vrshlq_s16(row_dots(s), take_all(ne)), scale);
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
    for (; groups > 0; groups--, tile += lc_q4_tile_bytes(offsets), a += LC_BLOCK * LC_GROUP) {
        const int8_t *d = tile + lc_q4_data_offset(offsets) + 16 * half;
        sums8x4 s;
        s.t0 = gemm_start(&c8);
        s.t1 = gemm_start(&c8);
        s.t2 = gemm_start(&c8);
        s.t3 = gemm_start(&c8);
        gemm_add(&s, d, a);
        gemm_add(&s, d + 32, a + 16);
        gemm_add(&s, d + 64, a + 32);
        gemm_add(&s, d + 96, a + 48);
        gemm_add(&s, d + 128, a + 64);
        gemm_add(&s, d + 160, a + 80);
        gemm_add(&s, d + 192, a + 96);
        gemm_add(&s, d + 224, a + 112);
        int16x8_t scale = vmovl_s8(vld1_s8(tile + 8 * half));
        gemm_scale(&y0, s.t0, &ne, scale);
        gemm_scale(&y1, s.t1, &ne, scale);
        gemm_scale(&y2, s.t2, &ne, scale);
        gemm_scale(&y3, s.t3, &ne, scale);
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

void lc_gemm_q4_dot(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    gemm_half(panel, groups, false, 0, x, acc);
    gemm_half(panel, groups, false, 1, x, acc + 8);
}

void lc_gemm_q4a_dot(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    gemm_half(panel, groups, true, 0, x, acc);
    gemm_half(panel, groups, true, 1, x, acc + 8);
}

/* ---- unpacked: [groups] of scales, offsets (int16, 16 bytes each, 32 bytes apart), then eight
 * times four columns of eight rows ---- */

enum { SCALE_AT = 0, OFFSET_AT = 32, WEIGHTS_AT = 64 };

void lc_unpack_q4_dot(const uint8_t *panel, uint32_t groups, bool offsets, uint32_t row,
                      int8_t *unpacked)
{
    const int8_t *tile = (const int8_t *)panel;
    for (; groups > 0; groups--, tile += lc_q4_tile_bytes(offsets), unpacked += LC_UNPACKED_BYTES) {
        const int8_t *d = tile + lc_q4_data_offset(offsets) + 2 * row;
        int8_t *out = unpacked + WEIGHTS_AT;
        int16x8_t scale = vmovl_s8(vld1_s8(tile + row));
        vst1q_s8(unpacked + SCALE_AT, vreinterpretq_s8_s16(scale));
        if (offsets) {
            int16x8_t m = vmovl_s8(vld1_s8(tile + LC_TILE_ROWS + row));
            vst1q_s8(unpacked + OFFSET_AT, vreinterpretq_s8_s16(m));
        }
        LC_UNROLL(8)
        for (uint32_t j = 0; j < 8; j++, d += 32, out += 32) {
            nibbles w = load_nibbles(d);
            vst1q_s8(out, vsubq_s8(w.lo, vdupq_n_s8(8)));
            vst1q_s8(out + 16, w.hi);
        }
    }
}

LC_INLINE void words_add(sums8x4 *s, nibbles w, int8x16_t a)
{
    DOT_ADD(&s->t0, w, a, 0);
    DOT_ADD(&s->t1, w, a, 1);
    DOT_ADD(&s->t2, w, a, 2);
    DOT_ADD(&s->t3, w, a, 3);
}

/* Eight columns of eight rows with four tokens. */
LC_INLINE void unpacked_add(sums8x4 *s, const int8_t *w, const int8_t *words)
{
    int8x16_t a0 = vld1q_s8(words), a1 = vld1q_s8(words + 16);
    LC_READY2(a0, a1);
    nibbles w0 = {vld1q_s8(w), vld1q_s8(w + 16)};
    LC_READY2(w0.lo, w0.hi);
    words_add(s, w0, a0);
    nibbles w1 = {vld1q_s8(w + 32), vld1q_s8(w + 48)};
    LC_READY2(w1.lo, w1.hi);
    words_add(s, w1, a1);
}

LC_INLINE rows8 load_rows(const int32_t *out)
{
    rows8 acc = {vld1q_s32(out), vld1q_s32(out + 4)};
    return acc;
}

/* One value a token. */
typedef struct dots8x4 {
    int16x8_t t0, t1, t2, t3;
} dots8x4;

typedef struct rows8x4 {
    rows8 t0, t1, t2, t3;
} rows8x4;

/* What a product of a panel reads, moved on group by group. */
typedef struct panel_feed {
    const int8_t *unpacked, *a;
    const int16_t *ne, *c8s;
} panel_feed;

/* One group. The sums are never set back to zero: they run on, wrap, and a group's dot is the
 * difference between what they are (the result) and what they were (before), exact in int16. That
 * saves an instruction a token, and two groups a turn save the moves. */
LC_INLINE dots8x4 group_add(rows8x4 *y, sums8x4 *s, dots8x4 before, panel_feed *in, bool offsets)
{
    const int8_t *w = in->unpacked + WEIGHTS_AT;
    unpacked_add(s, w, in->a);
    unpacked_add(s, w + 64, in->a + 32);
    unpacked_add(s, w + 128, in->a + 64);
    unpacked_add(s, w + 192, in->a + 96);
    dots8x4 now = {row_dots(s->t0), row_dots(s->t1), row_dots(s->t2), row_dots(s->t3)};
    int16x8_t scale = vreinterpretq_s16_s8(vld1q_s8(in->unpacked + SCALE_AT));
    int16x8x4_t ne = take_all4(&in->ne);
    scale_add(&y->t0, vrshlq_s16(vsubq_s16(now.t0, before.t0), ne.val[0]), scale);
    scale_add(&y->t1, vrshlq_s16(vsubq_s16(now.t1, before.t1), ne.val[1]), scale);
    scale_add(&y->t2, vrshlq_s16(vsubq_s16(now.t2, before.t2), ne.val[2]), scale);
    scale_add(&y->t3, vrshlq_s16(vsubq_s16(now.t3, before.t3), ne.val[3]), scale);
    if (offsets) {
        int16x8_t m = vreinterpretq_s16_s8(vld1q_s8(in->unpacked + OFFSET_AT));
        int16x8x4_t c8s = take_all4(&in->c8s);
        scale_add(&y->t0, c8s.val[0], m);
        scale_add(&y->t1, c8s.val[1], m);
        scale_add(&y->t2, c8s.val[2], m);
        scale_add(&y->t3, c8s.val[3], m);
    }
    in->unpacked += LC_UNPACKED_BYTES;
    in->a += LC_BLOCK * LC_GROUP;
    return now;
}

LC_INLINE void gemm_unpacked(const int8_t *unpacked, uint32_t groups, bool offsets, const lc_act *x,
                             uint32_t pitch, uint32_t blocks, int32_t *out)
{
    panel_feed in = {unpacked, x->a, x->ne, x->c8s};
    const size_t skip = (size_t)(pitch - groups) * LC_BLOCK;
    const int16x8_t zero = vdupq_n_s16(0);
    do {
        rows8x4 y = {load_rows(out), load_rows(out + LC_TILE_ROWS),
                     load_rows(out + 2 * LC_TILE_ROWS), load_rows(out + 3 * LC_TILE_ROWS)};
        sums8 start = {zero_s32(), zero_s32()};
        sums8x4 s = {start, start, start, start};
        dots8x4 before = {zero, zero, zero, zero};
        in.unpacked = unpacked;
        for (uint32_t left = groups / 2; left > 0; left--) {
            dots8x4 now = group_add(&y, &s, before, &in, offsets);
            before = group_add(&y, &s, now, &in, offsets);
        }
        if (groups % 2 > 0)
            (void)group_add(&y, &s, before, &in, offsets);
        store_rows(out, y.t0);
        store_rows(out + LC_TILE_ROWS, y.t1);
        store_rows(out + 2 * LC_TILE_ROWS, y.t2);
        store_rows(out + 3 * LC_TILE_ROWS, y.t3);
        in.a += skip * LC_GROUP;
        in.ne += skip;
        in.c8s += skip;
        out += LC_BLOCK * LC_TILE_ROWS;
    } while (--blocks > 0);
}

void lc_gemm_unpacked_dot(const int8_t *unpacked, uint32_t groups, bool offsets, const lc_act *x,
                          uint32_t pitch, uint32_t blocks, int32_t *acc)
{
    if (offsets)
        gemm_unpacked(unpacked, groups, true, x, pitch, blocks, acc);
    else
        gemm_unpacked(unpacked, groups, false, x, pitch, blocks, acc);
}

#endif
