/* attend.h - softmax and attention in four lanes, for every file that is built for a level of its
 * own. The order of sums is in attn.c.
 */
#ifndef LC_ATTEND_H
#define LC_ATTEND_H

#include "kept.h"
#include "level.h"

/* ---- softmax ---- */

LC_INLINE float max_v4(const float *x, uint32_t n)
{
    lc_v4 max = lc_v4_all(x[0]);
    size_t i = 0;
    for (; i < (n & ~3u); i += 4)
        max = lc_v4_max(lc_v4_load(x + i), max);
    float a = max[0] > max[1] ? max[0] : max[1];
    float b = max[2] > max[3] ? max[2] : max[3];
    float m = a > b ? a : b;
    for (; i < n; i++)
        m = x[i] > m ? x[i] : m;
    return m;
}

LC_INLINE void lc_softmax_lanes(float *x, uint32_t n)
{
    if (n == 0)
        return;
    lc_v4 max = lc_v4_all(max_v4(x, n));
    lc_v4 sum = lc_v4_all(0.0f);
    size_t i = 0;
    for (; i < (n & ~3u); i += 4) {
        lc_v4 e = lc_v4_exp(lc_v4_load(x + i) - max);
        lc_v4_store(x + i, e);
        sum += e;
    }
    if (i < n) {
        lc_v4_store_part(x + i, lc_v4_exp(lc_v4_load_part(x + i, n & 3) - max), n & 3);
        sum += lc_v4_load_part(x + i, n & 3);
    }
    float total = lc_v4_sum(sum);
    for (i = 0; i < (n & ~3u); i += 4)
        lc_v4_store(x + i, lc_v4_load(x + i) / lc_v4_all(total));
    for (; i < n; i++)
        x[i] /= total;
}

/* ---- between scores and values ---- */

/* What a KV head of one kind gives four lanes at a time; of lc_attention, for `kind` a constant. */
typedef struct keeping {
    uint32_t kind;
    size_t step, row; /* bytes of a value, of a token */
    const uint8_t *k, *v;
} keeping;

LC_INLINE keeping keeping_of(uint32_t kind, const lc_attention *a)
{
    size_t step = lc_kept_bytes(kind);
    return (keeping){kind, step, a->stride * step, a->k, a->v};
}

/* Four scores of keys t to t + 3 from their dots. */
LC_INLINE lc_v4 scored(uint32_t kind, const lc_attention *a, size_t t, lc_v4 dot)
{
    if (kind == LC_KV_I8)
        dot *= lc_v4_load(a->k_scale + t);
    return dot * lc_v4_all(a->scale);
}

/* What follows out of line would stand in the code once for each kind and number of queries. It
 * takes values, no pointers to what the loops keep in registers. */
#define LC_APART static __attribute__((noinline))

/* The dots of single keys, which fours leave over. */
LC_APART float dot_f32(const float *q, const uint8_t *k, size_t n)
{
    return lc_kept_dot(LC_KV_F32, q, k, n);
}

LC_APART float dot_f16(const float *q, const uint8_t *k, size_t n)
{
    return lc_kept_dot(LC_KV_F16, q, k, n);
}

LC_APART float dot_i8(const float *q, const uint8_t *k, size_t n)
{
    return lc_kept_dot(LC_KV_I8, q, k, n);
}

/* One score. */
LC_INLINE float score_one(const keeping *m, const lc_attention *a, const float *q, size_t t,
                          size_t head_dim)
{
    const uint8_t *k = m->k + t * m->row;
    float dot = m->kind == LC_KV_F32   ? dot_f32(q, k, head_dim)
                : m->kind == LC_KV_F16 ? dot_f16(q, k, head_dim)
                                       : dot_i8(q, k, head_dim);
    if (m->kind == LC_KV_I8)
        dot *= a->k_scale[t];
    return dot * a->scale;
}

/* Scores of n keys become the weights of their values; by: what each is multiplied by, or NULL. */
LC_APART void weigh_all(float cap, const float *by, float *scores, size_t n)
{
    for (size_t t = 0; cap > 0.0f && t < n; t++)
        scores[t] = cap * lc_tanhf(scores[t] / cap);
    lc_softmax_lanes(scores, (uint32_t)n);
    if (by == NULL)
        return;
    size_t t = 0;
    for (; t < (n & ~(size_t)3); t += 4)
        lc_v4_store(scores + t, lc_v4_load(scores + t) * lc_v4_load(by + t));
    for (; t < n; t++)
        scores[t] *= by[t];
}

LC_INLINE void weigh(uint32_t kind, const lc_attention *a, float *scores, size_t n)
{
    weigh_all(a->cap, kind == LC_KV_I8 ? a->v_scale : NULL, scores, n);
}

/* One dimension, for what vectors leave over; v is its place in the first value. */
LC_APART float mix_value(keeping m, const float *p, const uint8_t *v, size_t n)
{
    float lane[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (size_t t = 0; t < n; t++)
        lane[t % 4] += p[t] * lc_kept_load(m.kind, v + t * m.row);
    return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

/* ---- one query ---- */

/* q . k of four rows and eight neighbouring dimensions, added to the rows' sums. */
LC_INLINE void rows_add8(const keeping *m, lc_v4x4 *sum, const float *x, const uint8_t *w)
{
    lc_v4 xa = lc_v4_load(x), xb = lc_v4_load(x + 4), a[4], b[4];
    LC_READY2(xa, xb);
    LC_UNROLL(4)
    for (size_t j = 0; j < 4; j++) {
        lc_kept_load8(m->kind, w + j * m->row, &a[j], &b[j]);
        LC_READY2(a[j], b[j]);
    }
    lc_v4_rows_add(sum, xa, a[0], a[1], a[2], a[3]);
    lc_v4_rows_add(sum, xb, b[0], b[1], b[2], b[3]);
}

/* Four keys at once, so that their four sums fill a vector. */
LC_INLINE lc_v4 rows_dot(const keeping *m, const float *x, const uint8_t *w, size_t n)
{
    const float *end = x + n;
    lc_v4x4 sum = lc_v4x4_all(0.0f);
    if (n == 32) {
        rows_add8(m, &sum, x, w);
        rows_add8(m, &sum, x + 8, w + 8 * m->step);
        rows_add8(m, &sum, x + 16, w + 16 * m->step);
        rows_add8(m, &sum, x + 24, w + 24 * m->step);
        return lc_v4_sum4(sum);
    }
    for (; x < end; x += 8, w += 8 * m->step)
        rows_add8(m, &sum, x, w);
    return lc_v4_sum4(sum);
}

/* Four sums of sixteen dimensions; key t adds to sum t mod 4. */
typedef struct mix {
    lc_v4x4 s0, s1, s2, s3;
} mix;

LC_INLINE void key_add(const keeping *m, lc_v4x4 *sum, float p, const uint8_t *v)
{
    lc_v4 all = lc_v4_all(p), a, b, c, d;
    lc_kept_load8(m->kind, v, &a, &b);
    LC_READY2(a, b);
    lc_kept_load8(m->kind, v + 8 * m->step, &c, &d);
    LC_READY2(c, d);
    a *= all;
    b *= all;
    c *= all;
    d *= all;
    LC_READY4(a, b, c, d);
    sum->a += a;
    sum->b += b;
    sum->c += c;
    sum->d += d;
}

/* out[16] = sum over keys of p[t] * v_t[16] */
LC_INLINE void mix_values(const keeping *m, const float *p, const uint8_t *v0, size_t n, float *out)
{
    const size_t row = m->row;
    const uint8_t *v1 = v0 + row, *v2 = v1 + row, *v3 = v2 + row;
    const float *end = p + (n & ~(size_t)3);
    mix s = {lc_v4x4_all(0.0f), lc_v4x4_all(0.0f), lc_v4x4_all(0.0f), lc_v4x4_all(0.0f)};
    for (; p < end; p += 4) {
        key_add(m, &s.s0, p[0], v0);
        key_add(m, &s.s1, p[1], v1);
        key_add(m, &s.s2, p[2], v2);
        key_add(m, &s.s3, p[3], v3);
        v0 += 4 * row;
        v1 += 4 * row;
        v2 += 4 * row;
        v3 += 4 * row;
    }
    if ((n & 3) > 0)
        key_add(m, &s.s0, p[0], v0);
    if ((n & 3) > 1)
        key_add(m, &s.s1, p[1], v1);
    if ((n & 3) > 2)
        key_add(m, &s.s2, p[2], v2);
    lc_v4_store(out, (s.s0.a + s.s1.a) + (s.s2.a + s.s3.a));
    lc_v4_store(out + 4, (s.s0.b + s.s1.b) + (s.s2.b + s.s3.b));
    lc_v4_store(out + 8, (s.s0.c + s.s1.c) + (s.s2.c + s.s3.c));
    lc_v4_store(out + 12, (s.s0.d + s.s1.d) + (s.s2.d + s.s3.d));
}

LC_INLINE void attend_one(uint32_t kind, const lc_attention *a, size_t head_dim)
{
    const keeping m = keeping_of(kind, a);
    size_t n = a->keys, t = 0, d = 0;
    for (; t < (n & ~(size_t)3); t += 4)
        lc_v4_store(a->scores + t,
                    scored(kind, a, t, rows_dot(&m, a->q, m.k + t * m.row, head_dim)));
    for (; t < n; t++)
        a->scores[t] = score_one(&m, a, a->q, t, head_dim);
    weigh(kind, a, a->scores, n);
    for (; d < (head_dim & ~(size_t)15); d += 16)
        mix_values(&m, a->scores, m.v + d * m.step, n, a->out + d);
    for (; d < head_dim; d++)
        a->out[d] = mix_value(m, a->scores, m.v + d * m.step, n);
}

/* ---- several queries, which share each load of a key or a value ---- */

/* For loops over queries, keys of four, or both: all are unrolled, arrays live in registers. */
#define EACH(i, n) LC_UNROLL(4) for (uint32_t i = 0; i < (n); i++)

/* Sums of four keys (lane = dimension mod 4) for each query. */
typedef struct tile {
    lc_v4 s[LC_QUERIES][4];
} tile;

/* Adds the products of each query's x with one vector of key j. */
LC_INLINE void tile_add(tile *t, uint32_t nq, uint32_t j, const lc_v4 x[LC_QUERIES], lc_v4 key)
{
    lc_v4 p[LC_QUERIES];
    EACH(i, nq)
    p[i] = x[i] * key;
    if (nq == 4)
        LC_READY4(p[0], p[1], p[2], p[3]);
    else if (nq > 1)
        LC_READY2(p[0], p[1]);
    EACH(i, nq)
    t->s[i][j] += p[i];
}

/* Where the queries and four keys are read. */
typedef struct tile_feed {
    const float *q[LC_QUERIES];
    const uint8_t *k[4];
} tile_feed;

/* Eight dimensions of four keys. */
LC_INLINE void tile_add8(uint32_t kind, tile *t, uint32_t nq, tile_feed *in)
{
    lc_v4 low[LC_QUERIES], high[LC_QUERIES];
    EACH(i, nq)
    lc_v4_take2(&low[i], &high[i], &in->q[i]);
    EACH(j, 4)
    {
        lc_v4 a, b;
        lc_kept_take8(kind, &a, &b, &in->k[j]);
        tile_add(t, nq, j, low, a);
        tile_add(t, nq, j, high, b);
    }
}

/* scores[i][t] of all keys; query i has keys + i * more of them. */
LC_INLINE void group_scores(const keeping *m, uint32_t nq, const lc_attention *a,
                            size_t score_stride)
{
    size_t t = 0;
    for (; t < (a->keys & ~(size_t)3); t += 4) {
        tile sum;
        tile_feed in;
        EACH(i, nq)
        {
            in.q[i] = a->q + i * a->q_stride;
            EACH(j, 4)
            sum.s[i][j] = lc_v4_all(0.0f);
        }
        EACH(j, 4)
        in.k[j] = m->k + (t + j) * m->row;
        for (size_t n = a->head_dim / 8; n > 0; n--)
            tile_add8(m->kind, &sum, nq, &in);
        EACH(i, nq)
        {
            lc_v4x4 four = {sum.s[i][0], sum.s[i][1], sum.s[i][2], sum.s[i][3]};
            lc_v4_store(a->scores + i * score_stride + t, scored(m->kind, a, t, lc_v4_sum4(four)));
        }
    }
    for (size_t i = 0; i < nq; i++)
        for (size_t u = t; u < a->keys + i * a->more; u++)
            a->scores[i * score_stride + u] =
                score_one(m, a, a->q + i * a->q_stride, u, a->head_dim);
}

/* Adds four neighbouring keys' values of four dimensions; key t adds to sum t mod 4. */
LC_INLINE void mix_add(const keeping *m, tile *sum, uint32_t nq, const float *p,
                       size_t score_stride, const uint8_t *v)
{
    lc_v4 weight[LC_QUERIES], value[4];
    EACH(i, nq)
    weight[i] = lc_v4_load(p + i * score_stride);
    EACH(j, 4)
    value[j] = lc_kept_load4(m->kind, v + j * m->row);
    EACH(i, nq)
    {
        lc_v4 a = value[0] * lc_v4_all(weight[i][0]), b = value[1] * lc_v4_all(weight[i][1]);
        lc_v4 c = value[2] * lc_v4_all(weight[i][2]), d = value[3] * lc_v4_all(weight[i][3]);
        LC_READY4(a, b, c, d);
        sum->s[i][0] += a;
        sum->s[i][1] += b;
        sum->s[i][2] += c;
        sum->s[i][3] += d;
    }
}

/* Four dimensions from d on of all outputs. */
LC_INLINE void group_mix(const keeping *m, uint32_t nq, const lc_attention *a, size_t score_stride,
                         size_t d)
{
    tile sum;
    EACH(i, nq)
    EACH(j, 4)
    sum.s[i][j] = lc_v4_all(0.0f);
    const uint8_t *v = m->v + d * m->step;
    const float *p = a->scores;
    size_t whole = a->keys & ~(size_t)3;
    for (const float *end = p + whole; p < end; p += 4, v += 4 * m->row)
        mix_add(m, &sum, nq, p, score_stride, v);
    EACH(i, nq)
    {
        size_t n = a->keys + i * a->more - whole; /* at most 3 + 3 */
        const float *rest = p + i * score_stride;
        LC_UNROLL(6)
        for (uint32_t r = 0; r < 6; r++)
            if (r < n)
                sum.s[i][r % 4] += lc_kept_load4(m->kind, v + r * m->row) * lc_v4_all(rest[r]);
        lc_v4_store(a->out + i * a->q_stride + d,
                    (sum.s[i][0] + sum.s[i][1]) + (sum.s[i][2] + sum.s[i][3]));
    }
}

LC_INLINE void attend_group(uint32_t kind, uint32_t nq, const lc_attention *a)
{
    const keeping m = keeping_of(kind, a);
    size_t score_stride = LC_ROUND_UP((size_t)a->keys + (nq - 1) * a->more, 4u), d = 0;
    group_scores(&m, nq, a, score_stride);
    for (size_t i = 0; i < nq; i++)
        weigh(kind, a, a->scores + i * score_stride, a->keys + i * a->more);
    for (; d < a->head_dim; d += 4)
        group_mix(&m, nq, a, score_stride, d);
}

LC_INLINE void attend_kind(uint32_t kind, const lc_attention *a)
{
    if (a->queries == 4)
        attend_group(kind, 4, a);
    else if (a->queries == 3)
        attend_group(kind, 3, a);
    else if (a->queries == 2)
        attend_group(kind, 2, a);
    else if (kind == LC_KV_F32 &&
             a->head_dim == 32) /* constants: the loops over dimensions unroll */
        attend_one(kind, a, 32);
    else
        attend_one(kind, a, a->head_dim);
}

LC_INLINE void lc_attend_lanes(const lc_attention *given)
{
    if (given->head_dim % 8 != 0) { /* no model has such heads; the same bits, slowly */
        lc_attend_ref(given);
        return;
    }
    const lc_attention a = *given; /* vector stores may change anything that has an address */
    if (a.kind == LC_KV_F32)
        attend_kind(LC_KV_F32, &a);
    else if (a.kind == LC_KV_F16)
        attend_kind(LC_KV_F16, &a);
    else
        attend_kind(LC_KV_I8, &a);
}

#endif
