/* q4_i8mm.c - 4-bit products for armv8.2 with i8mm: smmla, two rows x two tokens x eight columns.
 *
 * Two neighbouring vectors of a tile (four columns of four rows each) zip into two vectors of two
 * rows x eight columns. Activations of four tokens lie in pairs (lc_kernels.pairs). A sum holds
 * row 2p with tokens 0 and 1, then row 2p + 1; as in q4_dot.c only its low 16 bits are used, so
 * uzp1 packs eight sums and the rest of the group is done in int16. One token: q4_dot.c.
 */
#include "level.h"
#include "q4.h"

#if defined(__aarch64__)
#include "neon.h"

/* One pair of rows or of sums a vector: rows 0 1, 2 3, 4 5, 6 7. */
typedef struct quad8 {
    int8x16_t p0, p1, p2, p3;
} quad8;

typedef struct quad32 {
    int32x4_t p0, p1, p2, p3;
} quad32;

/* Sums of four tokens, eight rows: tokens 0 1, tokens 2 3. */
typedef struct sums8x4 {
    quad32 t01, t23;
} sums8x4;

LC_INLINE int8x16_t zip_low(int8x16_t a, int8x16_t b)
{
    return vreinterpretq_s8_s32(vzip1q_s32(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(b)));
}

LC_INLINE int8x16_t zip_high(int8x16_t a, int8x16_t b)
{
    return vreinterpretq_s8_s32(vzip2q_s32(vreinterpretq_s32_s8(a), vreinterpretq_s32_s8(b)));
}

/* Eight columns of eight rows. Low nibbles stay q + 8. */
LC_INLINE quad8 load_rows(const int8_t *d)
{
    int8x16_t v0 = vld1q_s8(d), v1 = vld1q_s8(d + 32);
    int8x16_t lo0 = vandq_s8(v0, vdupq_n_s8(15)), lo1 = vandq_s8(v1, vdupq_n_s8(15));
    int8x16_t hi0 = vshrq_n_s8(v0, 4), hi1 = vshrq_n_s8(v1, 4);
    quad8 w = {zip_low(lo0, lo1), zip_high(lo0, lo1), zip_low(hi0, hi1), zip_high(hi0, hi1)};
    return w;
}

LC_INLINE void pair_add(quad32 *s, quad8 w, int8x16_t a)
{
    s->p0 = vmmlaq_s32(s->p0, w.p0, a);
    s->p1 = vmmlaq_s32(s->p1, w.p1, a);
    s->p2 = vmmlaq_s32(s->p2, w.p2, a);
    s->p3 = vmmlaq_s32(s->p3, w.p3, a);
}

LC_INLINE void columns_add(sums8x4 *s, quad8 w, const int8_t *a)
{
    int8x16_t a01 = vld1q_s8(a), a23 = vld1q_s8(a + 16);
    pair_add(&s->t01, w, a01);
    pair_add(&s->t23, w, a23);
}

LC_INLINE quad32 zeros(void)
{
    quad32 q = {zero_s32(), zero_s32(), zero_s32(), zero_s32()};
    return q;
}

/* int16 factors of eight rows, each twice: rows 0 0 1 1 2 2 3 3 and 4 4 5 5 6 6 7 7. */
typedef struct factors {
    int16x8_t low, high;
} factors;

LC_INLINE factors twice(int16x8_t s)
{
    factors f = {vzip1q_s16(s, s), vzip2q_s16(s, s)};
    return f;
}

/* Low 16 bits of the sums of rows 0-3 and 4-7 with two tokens. */
typedef struct dots {
    int16x8_t low, high;
} dots;

LC_INLINE dots pack(quad32 s)
{
    dots d = {vuzp1q_s16(vreinterpretq_s16_s32(s.p0), vreinterpretq_s16_s32(s.p1)),
              vuzp1q_s16(vreinterpretq_s16_s32(s.p2), vreinterpretq_s16_s32(s.p3))};
    return d;
}

/* acc += s * rshr(dot, e) for two tokens; shift: their -e, alternating. */
LC_INLINE void dots_add(quad32 *acc, dots d, int16x8_t shift, factors scale)
{
    int16x8_t low = vrshlq_s16(d.low, shift), high = vrshlq_s16(d.high, shift);
    acc->p0 = vmlal_s16(acc->p0, vget_low_s16(low), vget_low_s16(scale.low));
    acc->p1 = vmlal_high_s16(acc->p1, low, scale.low);
    acc->p2 = vmlal_s16(acc->p2, vget_low_s16(high), vget_low_s16(scale.high));
    acc->p3 = vmlal_high_s16(acc->p3, high, scale.high);
}

/* acc += m * c8s for two tokens; sum: their c8s, alternating. */
LC_INLINE void pair_offset(quad32 *acc, int16x8_t sum, factors m)
{
    acc->p0 = vmlal_s16(acc->p0, vget_low_s16(sum), vget_low_s16(m.low));
    acc->p1 = vmlal_high_s16(acc->p1, sum, m.low);
    acc->p2 = vmlal_s16(acc->p2, vget_low_s16(sum), vget_low_s16(m.high));
    acc->p3 = vmlal_high_s16(acc->p3, sum, m.high);
}

/* The next two int16, alternating in all lanes; moves *p on. */
LC_INLINE int16x8_t take_pair(const int16_t **p)
{
    const int8_t *at = (const int8_t *)*p;
    int8x16_t v = take_word(&at);
    *p = (const int16_t *)(const void *)at;
    return vreinterpretq_s16_s8(v);
}

/* out[2][16] from a row pair on: sums of rows 2p, 2p + 1 of two tokens. */
LC_INLINE void pair_store(int32_t *out, quad32 acc)
{
    vst1q_s32(out, vuzp1q_s32(acc.p0, acc.p1));
    vst1q_s32(out + 4, vuzp1q_s32(acc.p2, acc.p3));
    vst1q_s32(out + LC_TILE_ROWS, vuzp2q_s32(acc.p0, acc.p1));
    vst1q_s32(out + LC_TILE_ROWS + 4, vuzp2q_s32(acc.p2, acc.p3));
}

LC_INLINE void add_to(int32_t *out, int32x4_t v)
{
    vst1q_s32(out, vaddq_s32(vld1q_s32(out), v));
}

/* The same, added to what out holds. */
LC_INLINE void pair_add_to(int32_t *out, quad32 acc)
{
    add_to(out, vuzp1q_s32(acc.p0, acc.p1));
    add_to(out + 4, vuzp1q_s32(acc.p2, acc.p3));
    add_to(out + LC_TILE_ROWS, vuzp2q_s32(acc.p0, acc.p1));
    add_to(out + LC_TILE_ROWS + 4, vuzp2q_s32(acc.p2, acc.p3));
}

/* ---- four tokens, eight rows, straight from the tile ---- */

/* Only the sums of low nibbles start at -c8. */
LC_INLINE quad32 start_at(int16x8_t minus_c8)
{
    int32x4_t first = vreinterpretq_s32_s16(vzip1q_s16(minus_c8, minus_c8));
    quad32 q = {first, first, zero_s32(), zero_s32()};
    return q;
}

/* half: 0 for rows 0-7 of the panel, 1 for rows 8-15; out[4][16] from that row on. */
LC_INLINE void gemm_half(const uint8_t *panel, uint32_t groups, bool offsets, uint32_t half,
                         const lc_act *x, int32_t *out)
{
    const int8_t *tile = (const int8_t *)panel;
    const int8_t *a = x->a;
    const int16_t *ne = x->ne, *c8 = x->c8, *c8s = x->c8s;
    quad32 y01 = zeros(), y23 = zeros();
    for (; groups > 0; groups--, tile += lc_q4_tile_bytes(offsets), a += LC_BLOCK * LC_GROUP) {
        const int8_t *d = tile + lc_q4_data_offset(offsets) + 16 * half;
        sums8x4 s;
        s.t01 = start_at(vnegq_s16(take_pair(&c8)));
        s.t23 = start_at(vnegq_s16(take_pair(&c8)));
        columns_add(&s, load_rows(d), a);
        columns_add(&s, load_rows(d + 64), a + 32);
        columns_add(&s, load_rows(d + 128), a + 64);
        columns_add(&s, load_rows(d + 192), a + 96);
        factors scale = twice(vmovl_s8(vld1_s8(tile + 8 * half)));
        dots_add(&y01, pack(s.t01), take_pair(&ne), scale);
        dots_add(&y23, pack(s.t23), take_pair(&ne), scale);
        if (offsets) {
            factors m = twice(vmovl_s8(vld1_s8(tile + LC_TILE_ROWS + 8 * half)));
            pair_offset(&y01, take_pair(&c8s), m);
            pair_offset(&y23, take_pair(&c8s), m);
        }
    }
    pair_store(out, y01);
    pair_store(out + 2 * LC_TILE_ROWS, y23);
}

void lc_gemm_q4_i8mm(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    gemm_half(panel, groups, false, 0, x, acc);
    gemm_half(panel, groups, false, 1, x, acc + 8);
}

void lc_gemm_q4a_i8mm(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    gemm_half(panel, groups, true, 0, x, acc);
    gemm_half(panel, groups, true, 1, x, acc + 8);
}

/* ---- unpacked: [groups] of scales twice, offsets twice (int16, 32 bytes each), then four times
 * eight columns of eight rows ---- */

enum { SCALE_AT = 0, OFFSET_AT = 32, WEIGHTS_AT = 64 };

LC_INLINE void store_factors(int8_t *out, factors f)
{
    vst1q_s8(out, vreinterpretq_s8_s16(f.low));
    vst1q_s8(out + 16, vreinterpretq_s8_s16(f.high));
}

LC_INLINE factors load_factors(const int8_t *p)
{
    int8x16_t low = vld1q_s8(p), high = vld1q_s8(p + 16);
    factors f = {vreinterpretq_s16_s8(low), vreinterpretq_s16_s8(high)};
    return f;
}

void lc_unpack_q4_i8mm(const uint8_t *panel, uint32_t groups, bool offsets, uint32_t row,
                       int8_t *unpacked)
{
    const int8_t *tile = (const int8_t *)panel;
    for (; groups > 0; groups--, tile += lc_q4_tile_bytes(offsets), unpacked += LC_UNPACKED_BYTES) {
        const int8_t *d = tile + lc_q4_data_offset(offsets) + 2 * row;
        int8_t *out = unpacked + WEIGHTS_AT;
        store_factors(unpacked + SCALE_AT, twice(vmovl_s8(vld1_s8(tile + row))));
        if (offsets) {
            factors m = twice(vmovl_s8(vld1_s8(tile + LC_TILE_ROWS + row)));
            store_factors(unpacked + OFFSET_AT, m);
        }
        LC_UNROLL(4)
        for (uint32_t j = 0; j < 4; j++, d += 64, out += 64) {
            quad8 w = load_rows(d);
            vst1q_s8(out, vsubq_s8(w.p0, vdupq_n_s8(8)));
            vst1q_s8(out + 16, vsubq_s8(w.p1, vdupq_n_s8(8)));
            vst1q_s8(out + 32, w.p2);
            vst1q_s8(out + 48, w.p3);
        }
    }
}

LC_INLINE quad8 load_unpacked(const int8_t *w)
{
    quad8 q = {vld1q_s8(w), vld1q_s8(w + 16), vld1q_s8(w + 32), vld1q_s8(w + 48)};
    return q;
}

typedef struct dots8x4 {
    dots t01, t23;
} dots8x4;

/* What a product of a panel reads, moved on group by group. */
typedef struct panel_feed {
    const int8_t *unpacked, *a;
    const int16_t *ne, *c8s;
} panel_feed;

LC_INLINE dots difference(dots now, dots before)
{
    dots d = {vsubq_s16(now.low, before.low), vsubq_s16(now.high, before.high)};
    return d;
}

/* One group; sums run on, as in q4_dot.c. */
LC_INLINE dots8x4 group_add(sums8x4 *y, sums8x4 *s, dots8x4 before, panel_feed *in, bool offsets)
{
    const int8_t *w = in->unpacked + WEIGHTS_AT;
    columns_add(s, load_unpacked(w), in->a);
    columns_add(s, load_unpacked(w + 64), in->a + 32);
    columns_add(s, load_unpacked(w + 128), in->a + 64);
    columns_add(s, load_unpacked(w + 192), in->a + 96);
    dots8x4 now = {pack(s->t01), pack(s->t23)};
    factors scale = load_factors(in->unpacked + SCALE_AT);
    dots_add(&y->t01, difference(now.t01, before.t01), take_pair(&in->ne), scale);
    dots_add(&y->t23, difference(now.t23, before.t23), take_pair(&in->ne), scale);
    if (offsets) {
        factors m = load_factors(in->unpacked + OFFSET_AT);
        pair_offset(&y->t01, take_pair(&in->c8s), m);
        pair_offset(&y->t23, take_pair(&in->c8s), m);
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
    sums8x4 s = {zeros(), zeros()};
    dots none = {vdupq_n_s16(0), vdupq_n_s16(0)};
    dots8x4 before = {none, none};
    do {
        sums8x4 y = {zeros(), zeros()};
        in.unpacked = unpacked;
        for (uint32_t left = groups / 2; left > 0; left--) {
            dots8x4 now = group_add(&y, &s, before, &in, offsets);
            before = group_add(&y, &s, now, &in, offsets);
        }
        if (groups % 2 > 0)
            before = group_add(&y, &s, before, &in, offsets);
        pair_add_to(out, y.t01);
        pair_add_to(out + 2 * LC_TILE_ROWS, y.t23);
        in.a += skip * LC_GROUP;
        in.ne += skip;
        in.c8s += skip;
        out += LC_BLOCK * LC_TILE_ROWS;
    } while (--blocks > 0);
}

void lc_gemm_unpacked_i8mm(const int8_t *unpacked, uint32_t groups, bool offsets, const lc_act *x,
                           uint32_t pitch, uint32_t blocks, int32_t *acc)
{
    if (offsets)
        gemm_unpacked(unpacked, groups, true, x, pitch, blocks, acc);
    else
        gemm_unpacked(unpacked, groups, false, x, pitch, blocks, acc);
}

#endif
