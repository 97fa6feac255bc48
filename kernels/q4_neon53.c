/* q4_neon53.c - 4-bit products for in-order armv8.0 cores (Cortex-A53). The arithmetic: q4_mul.h.
 *
 * Such a core issues two instructions a cycle in the order they stand, and a vector load occupies
 * both places. So everything is loaded a step before its use; activations of several tokens come
 * through integer registers, whose loads issue beside a multiply, and `dup`; and the order of the
 * source is the order of the machine code: each load is a line of volatile assembly.
 */
#include "level.h"
#include "q4.h"

#if defined(__aarch64__)
#include "q4_mul.h"

/* ---- loads that stay where they stand ---- */

/* The next 16 bytes of weights; moves *p on by `step`, a constant. */
#define LOAD_VECTOR(v, p, step)                                                                    \
    __asm__ volatile("ldr %q0, [%1], #" #step : "=w"(v), "+r"(p) : : "memory")
/* The next 4 int8, in all words. */
#define LOAD_WORD(v, p) __asm__ volatile("ld1r {%0.4s}, [%1], #4" : "=w"(v), "+r"(p) : : "memory")
/* Two times two words in integer registers. */
#define LOAD_WORDS(a, b, p)                                                                        \
    __asm__ volatile("ldp %0, %1, [%2], #16" : "=r"(a), "=r"(b), "+r"(p) : : "memory")
/* The next four int16. */
#define LOAD_HALVES(v, p) __asm__ volatile("ldr %d0, [%1], #8" : "=w"(v), "+r"(p) : : "memory")
/* Eight int8 at an address. */
#define LOAD_BYTES(v, at)                                                                          \
    __asm__ volatile("ldr %d0, %1" : "=w"(v) : "m"(*(const int8_t(*)[8])(at)) : "memory")
/* The low word of r in all words of v. */
#define SPREAD(v, r) __asm__ volatile("dup %0.4s, %w1" : "=w"(v) : "r"(r))

/* ---- one token, sixteen rows ---- */

/* What the next step needs, loaded. */
typedef struct gemv_feed {
    const int8_t *w; /* the weights after those loaded */
    const int8_t *a;
    int8x16_t top, bottom, word;
} gemv_feed;

LC_INLINE void gemv_step(sums16 *s, gemv_feed *in, bool first)
{
    nibbles top = split(in->top), bottom = split(in->bottom);
    int8x16_t word = in->word;
    LOAD_VECTOR(in->top, in->w, 16);
    LOAD_WORD(in->word, in->a);
    dot_step(&s->top, top, word, first);
    LOAD_VECTOR(in->bottom, in->w, 16);
    dot_step(&s->bottom, bottom, word, first);
}

LC_INLINE void gemv(const uint8_t *panel, uint32_t groups, bool offsets, const lc_act *x,
                    int32_t *out)
{
    const int16_t *ne = x->ne, *c8 = x->c8, *c8s = x->c8s;
    rows8 top = {zero_s32(), zero_s32()}, bottom = {zero_s32(), zero_s32()};
    gemv_feed in = {.w = (const int8_t *)panel, .a = x->a};
    int8x16_t scale, m = vdupq_n_s8(0);
    LOAD_VECTOR(scale, in.w, 16);
    if (offsets)
        LOAD_VECTOR(m, in.w, 16);
    LOAD_VECTOR(in.top, in.w, 16);
    LOAD_VECTOR(in.bottom, in.w, 16);
    LOAD_WORD(in.word, in.a);
    for (; groups > 0; groups--) {
        sums16 s;
        int8x16_t scale_now = scale, m_now = m;
        gemv_step(&s, &in, true);
        gemv_step(&s, &in, false);
        gemv_step(&s, &in, false);
        gemv_step(&s, &in, false);
        gemv_step(&s, &in, false);
        gemv_step(&s, &in, false);
        gemv_step(&s, &in, false);
        /* The last step of a tile: the next tile's scales come before its weights. */
        nibbles wt = split(in.top), wb = split(in.bottom);
        int8x16_t word = in.word;
        LOAD_VECTOR(scale, in.w, 16);
        if (offsets)
            LOAD_VECTOR(m, in.w, 16);
        LOAD_VECTOR(in.top, in.w, 16);
        dot_add(&s.top, wt, word);
        LOAD_WORD(in.word, in.a);
        LOAD_VECTOR(in.bottom, in.w, 16);
        dot_add(&s.bottom, wb, word);
        int16x8_t correction = take_low(&c8);
        int16x8_t shift = take_all(&ne);
        int16x8_t upper = vrshlq_s16(row_dots(s.top, correction), shift);
        int16x8_t lower = vrshlq_s16(row_dots(s.bottom, correction), shift);
        scale_add(&top, upper, vmovl_s8(vget_low_s8(scale_now)));
        scale_add(&bottom, lower, vmovl_high_s8(scale_now));
        if (offsets) {
            int16x8_t sum = take_all(&c8s);
            scale_add(&top, sum, vmovl_s8(vget_low_s8(m_now)));
            scale_add(&bottom, sum, vmovl_high_s8(m_now));
        }
    }
    store_rows(out, top);
    store_rows(out + 8, bottom);
}

void lc_gemv_q4_neon53(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    gemv(panel, groups, false, x, acc);
}

void lc_gemv_q4a_neon53(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    gemv(panel, groups, true, x, acc);
}

/* ---- four tokens, eight rows ---- */

/* Loaded: the next four columns of weights, and of the tokens: 0 and 1 spread, 2 and 3 in t23. */
typedef struct gemm_feed {
    const int8_t *w;
    const int8_t *a;
    int8x16_t v, x0, x1;
    uint64_t t23;
} gemm_feed;

/* skip: bytes to the four columns after the next, a constant. */
#define GEMM_STEP(s, in, first, skip)                                                              \
    do {                                                                                           \
        nibbles w_ = split((in)->v);                                                               \
        uint64_t t01_, t23_ = (in)->t23, next23_;                                                  \
        dot_step(&(s)->t0, w_, (in)->x0, first);                                                   \
        SPREAD((in)->x0, t23_);                                                                    \
        t23_ >>= 32;                                                                               \
        LOAD_WORDS(t01_, next23_, (in)->a);                                                        \
        dot_step(&(s)->t1, w_, (in)->x1, first);                                                   \
        SPREAD((in)->x1, t23_);                                                                    \
        LOAD_VECTOR((in)->v, (in)->w, skip);                                                       \
        dot_step(&(s)->t2, w_, (in)->x0, first);                                                   \
        SPREAD((in)->x0, t01_);                                                                    \
        t01_ >>= 32;                                                                               \
        dot_step(&(s)->t3, w_, (in)->x1, first);                                                   \
        SPREAD((in)->x1, t01_);                                                                    \
        (in)->t23 = next23_;                                                                       \
    } while (0)

/* Lane t, a constant, of four int16: in the low four lanes (the rest zero), in all eight. */
#define LANE_LOW(v, four, t) __asm__ volatile("dup %0.4h, %1.h[" #t "]" : "=w"(v) : "w"(four))
#define LANE_ALL(v, four, t) __asm__ volatile("dup %0.8h, %1.h[" #t "]" : "=w"(v) : "w"(four))

/* Sums of eight rows in an int16 each, of four tokens. Token beside token: each step of one waits
 * three cycles for the step before. */
typedef struct dots4 {
    int16x8_t t0, t1, t2, t3;
} dots4;

LC_INLINE dots4 reduce(const sums8x4 *s)
{
    int16x8_t a0 = vpaddq_s16(s->t0.r01, s->t0.r23), b0 = vpaddq_s16(s->t0.r45, s->t0.r67);
    int16x8_t a1 = vpaddq_s16(s->t1.r01, s->t1.r23), b1 = vpaddq_s16(s->t1.r45, s->t1.r67);
    int16x8_t a2 = vpaddq_s16(s->t2.r01, s->t2.r23), b2 = vpaddq_s16(s->t2.r45, s->t2.r67);
    int16x8_t a3 = vpaddq_s16(s->t3.r01, s->t3.r23), b3 = vpaddq_s16(s->t3.r45, s->t3.r67);
    dots4 d = {vpaddq_s16(a0, b0), vpaddq_s16(a1, b1), vpaddq_s16(a2, b2), vpaddq_s16(a3, b3)};
    return d;
}

LC_INLINE void subtract(dots4 *d, int16x4_t c8)
{
    int16x8_t c0, c1, c2, c3;
    LANE_LOW(c0, c8, 0);
    LANE_LOW(c1, c8, 1);
    LANE_LOW(c2, c8, 2);
    LANE_LOW(c3, c8, 3);
    d->t0 = vsubq_s16(d->t0, c0);
    d->t1 = vsubq_s16(d->t1, c1);
    d->t2 = vsubq_s16(d->t2, c2);
    d->t3 = vsubq_s16(d->t3, c3);
}

LC_INLINE void shift(dots4 *d, int16x4_t ne)
{
    int16x8_t e0, e1, e2, e3;
    LANE_ALL(e0, ne, 0);
    LANE_ALL(e1, ne, 1);
    LANE_ALL(e2, ne, 2);
    LANE_ALL(e3, ne, 3);
    d->t0 = vrshlq_s16(d->t0, e0);
    d->t1 = vrshlq_s16(d->t1, e1);
    d->t2 = vrshlq_s16(d->t2, e2);
    d->t3 = vrshlq_s16(d->t3, e3);
}

/* acc += m * c8s of token t, a constant. */
#define OFFSET_ADD(acc, m, c8s, t)                                                                 \
    ((acc)->low = vmlal_lane_s16((acc)->low, vget_low_s16(m), c8s, t),                             \
     (acc)->high = vmlal_high_lane_s16((acc)->high, m, c8s, t))

/* half: 0 for rows 0-7 of the panel, 1 for rows 8-15; out[4][16] from that row on. */
LC_INLINE void gemm_half(const uint8_t *panel, uint32_t groups, bool offsets, uint32_t half,
                         const lc_act *x, int32_t *out)
{
    const int8_t *tile = (const int8_t *)panel;
    const int16_t *ne = x->ne, *c8 = x->c8, *c8s = x->c8s;
    rows8 y0 = {zero_s32(), zero_s32()}, y1 = {zero_s32(), zero_s32()};
    rows8 y2 = {zero_s32(), zero_s32()}, y3 = {zero_s32(), zero_s32()};
    gemm_feed in = {.w = tile + lc_q4_data_offset(offsets) + 16 * half, .a = x->a};
    uint64_t t01;
    LOAD_WORDS(t01, in.t23, in.a);
    LOAD_VECTOR(in.v, in.w, 32);
    SPREAD(in.x0, t01);
    t01 >>= 32;
    SPREAD(in.x1, t01);
    for (; groups > 0; groups--, tile += lc_q4_tile_bytes(offsets)) {
        sums8x4 s;
        int16x4_t ne4, c84;
        int8x8_t scale8;
        GEMM_STEP(&s, &in, true, 32);
        GEMM_STEP(&s, &in, false, 32);
        GEMM_STEP(&s, &in, false, 32);
        GEMM_STEP(&s, &in, false, 32);
        GEMM_STEP(&s, &in, false, 32);
        GEMM_STEP(&s, &in, false, 32);
        GEMM_STEP(&s, &in, false, 32);
        in.w += lc_q4_data_offset(offsets);
        GEMM_STEP(&s, &in, false, 32);
        LOAD_HALVES(c84, c8);
        LOAD_HALVES(ne4, ne);
        LOAD_BYTES(scale8, tile + 8 * half);
        dots4 d = reduce(&s);
        subtract(&d, c84);
        shift(&d, ne4);
        int16x8_t scale = vmovl_s8(scale8);
        scale_add(&y0, d.t0, scale);
        scale_add(&y1, d.t1, scale);
        scale_add(&y2, d.t2, scale);
        scale_add(&y3, d.t3, scale);
        if (offsets) {
            int16x4_t c8s4;
            LOAD_HALVES(c8s4, c8s);
            int16x8_t m = vmovl_s8(vld1_s8(tile + LC_TILE_ROWS + 8 * half));
            OFFSET_ADD(&y0, m, c8s4, 0);
            OFFSET_ADD(&y1, m, c8s4, 1);
            OFFSET_ADD(&y2, m, c8s4, 2);
            OFFSET_ADD(&y3, m, c8s4, 3);
        }
    }
    store_rows(out, y0);
    store_rows(out + LC_TILE_ROWS, y1);
    store_rows(out + 2 * LC_TILE_ROWS, y2);
    store_rows(out + 3 * LC_TILE_ROWS, y3);
}

void lc_gemm_q4_neon53(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    gemm_half(panel, groups, false, 0, x, acc);
    gemm_half(panel, groups, false, 1, x, acc + 8);
}

void lc_gemm_q4a_neon53(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    gemm_half(panel, groups, true, 0, x, acc);
    gemm_half(panel, groups, true, 1, x, acc + 8);
}

#endif
