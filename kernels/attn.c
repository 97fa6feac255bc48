/* attn.c - softmax, rotary positions, attention.
 *
 * Order: every sum runs over four lanes (element i in lane i mod 4), then (0 + 1) + (2 + 3); that
 * holds for the sum over head dimensions, over scores, and over keys.
 */
#include "level.h"
#include "vec.h"

/* ---- reference ---- */

static float lane_sum(const float lane[4])
{
    return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

void lc_softmax_ref(float *x, uint32_t n)
{
    if (n == 0)
        return;
    float max = x[0];
    for (uint32_t i = 1; i < n; i++)
        max = x[i] > max ? x[i] : max;
    float lane[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (uint32_t i = 0; i < n; i++) {
        x[i] = lc_expf(x[i] - max);
        lane[i % 4] += x[i];
    }
    float sum = lane_sum(lane);
    for (uint32_t i = 0; i < n; i++)
        x[i] /= sum;
}

void lc_rope_ref(float *x, uint32_t heads, uint32_t head_dim, uint32_t dims, const float *rot,
                 bool neox)
{
    for (uint32_t h = 0; h < heads; h++, x += head_dim) {
        for (uint32_t i = 0; i < dims / 2; i++) {
            uint32_t i0 = neox ? i : 2 * i;
            uint32_t i1 = neox ? i + dims / 2 : 2 * i + 1;
            float x0 = x[i0], x1 = x[i1];
            x[i0] = x0 * rot[2 * i] - x1 * rot[2 * i + 1];
            x[i1] = x0 * rot[2 * i + 1] + x1 * rot[2 * i];
        }
    }
}

static void attend_ref(const float *q, const float *k, const float *v, size_t stride, uint32_t n,
                       uint32_t head_dim, float scale, float *scores, float *out)
{
    for (uint32_t t = 0; t < n; t++) {
        const float *key = k + (size_t)t * stride;
        float lane[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (uint32_t d = 0; d < head_dim; d++)
            lane[d % 4] += q[d] * key[d];
        scores[t] = lane_sum(lane) * scale;
    }
    lc_softmax_ref(scores, n);
    for (uint32_t d = 0; d < head_dim; d++) {
        float lane[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (uint32_t t = 0; t < n; t++)
            lane[t % 4] += scores[t] * v[(size_t)t * stride + d];
        out[d] = lane_sum(lane);
    }
}

void lc_attend_ref(const float *q, uint32_t queries, size_t q_stride, const float *k,
                   const float *v, size_t stride, uint32_t keys, uint32_t more, uint32_t head_dim,
                   float scale, float *scores, float *out)
{
    for (uint32_t i = 0; i < queries; i++)
        attend_ref(q + i * q_stride, k, v, stride, keys + i * more, head_dim, scale, scores,
                   out + i * q_stride);
}

/* ---- four lanes: softmax ---- */

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

LC_INLINE void softmax(float *x, uint32_t n)
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

void lc_softmax_v4(float *x, uint32_t n)
{
    softmax(x, n);
}

/* ---- four lanes: rope ---- */

/* One pair as the reference does it. */
LC_INLINE void rotate(float *x0, float *x1, const float *rot)
{
    float a = *x0, b = *x1;
    *x0 = a * rot[0] - b * rot[1];
    *x1 = a * rot[1] + b * rot[0];
}

LC_INLINE void rope_halves(float *x, uint32_t half, const float *rot)
{
    uint32_t i = 0;
    for (; i + 4 <= half; i += 4) {
        lc_v4 r0 = lc_v4_load(rot + 2 * i);
        lc_v4 r1 = lc_v4_load(rot + 2 * i + 4);
        lc_v4 c = lc_v4_even(r0, r1);
        lc_v4 s = lc_v4_odd(r0, r1);
        lc_v4 a = lc_v4_load(x + i);
        lc_v4 b = lc_v4_load(x + half + i);
        lc_v4_store(x + i, a * c - b * s);
        lc_v4_store(x + half + i, a * s + b * c);
    }
    for (; i < half; i++)
        rotate(&x[i], &x[half + i], rot + 2 * i);
}

/* a * c - b * s and b * c + a * s at once: s is negated in the even lanes. */
LC_INLINE void rope_pairs(float *x, uint32_t half, const float *rot)
{
    const lc_u4 minus_even = {0x80000000u, 0, 0x80000000u, 0};
    uint32_t i = 0;
    for (; i + 2 <= half; i += 2) {
        lc_v4 r = lc_v4_load(rot + 2 * i);
        lc_v4 c = __builtin_shufflevector(r, r, 0, 0, 2, 2);
        lc_v4 s = (lc_v4)((lc_u4)__builtin_shufflevector(r, r, 1, 1, 3, 3) ^ minus_even);
        lc_v4 a = lc_v4_load(x + 2 * i);
        lc_v4 swapped = __builtin_shufflevector(a, a, 1, 0, 3, 2);
        lc_v4_store(x + 2 * i, a * c + swapped * s);
    }
    if (i < half)
        rotate(&x[2 * i], &x[2 * i + 1], rot + 2 * i);
}

void lc_rope_v4(float *x, uint32_t heads, uint32_t head_dim, uint32_t dims, const float *rot,
                bool neox)
{
    for (uint32_t h = 0; h < heads; h++, x += head_dim) {
        if (neox)
            rope_halves(x, dims / 2, rot);
        else
            rope_pairs(x, dims / 2, rot);
    }
}

/* ---- four lanes: attention ---- */

/* scores[t] = scale * q . k_t; four keys at a time, so that their four sums fill a vector. */
LC_INLINE void score_keys(const float *q, const float *k, size_t stride, size_t n, size_t head_dim,
                          float scale, float *scores)
{
    size_t t = 0;
    for (; t < (n & ~(size_t)3); t += 4, k += 4 * stride) {
        lc_v4 four = head_dim == 32 ? lc_v4_rows_dot32(q, k, stride)
                                    : lc_v4_rows_dot(q, k, stride, head_dim);
        lc_v4_store(scores + t, four * lc_v4_all(scale));
    }
    for (; t < n; t++, k += stride)
        scores[t] = lc_v4_dot(q, k, head_dim) * scale;
}

/* Four sums of sixteen dimensions; key t adds to sum t mod 4. */
typedef struct mix {
    lc_v4x4 s0, s1, s2, s3;
} mix;

LC_INLINE void key_add(lc_v4x4 *sum, float p, const float *v)
{
    lc_v4 all = lc_v4_all(p);
    lc_v4 a = lc_v4_load(v), b = lc_v4_load(v + 4);
    LC_READY2(a, b);
    lc_v4 c = lc_v4_load(v + 8), d = lc_v4_load(v + 12);
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
LC_INLINE void mix_values(const float *p, const float *v0, size_t stride, size_t n, float *out)
{
    const float *v1 = v0 + stride, *v2 = v1 + stride, *v3 = v2 + stride;
    const float *end = p + (n & ~(size_t)3);
    mix m = {lc_v4x4_all(0.0f), lc_v4x4_all(0.0f), lc_v4x4_all(0.0f), lc_v4x4_all(0.0f)};
    for (; p < end; p += 4) {
        key_add(&m.s0, p[0], v0);
        key_add(&m.s1, p[1], v1);
        key_add(&m.s2, p[2], v2);
        key_add(&m.s3, p[3], v3);
        v0 += 4 * stride;
        v1 += 4 * stride;
        v2 += 4 * stride;
        v3 += 4 * stride;
    }
    if ((n & 3) > 0)
        key_add(&m.s0, p[0], v0);
    if ((n & 3) > 1)
        key_add(&m.s1, p[1], v1);
    if ((n & 3) > 2)
        key_add(&m.s2, p[2], v2);
    lc_v4_store(out, (m.s0.a + m.s1.a) + (m.s2.a + m.s3.a));
    lc_v4_store(out + 4, (m.s0.b + m.s1.b) + (m.s2.b + m.s3.b));
    lc_v4_store(out + 8, (m.s0.c + m.s1.c) + (m.s2.c + m.s3.c));
    lc_v4_store(out + 12, (m.s0.d + m.s1.d) + (m.s2.d + m.s3.d));
}

/* One dimension, for what sixteen leave over. */
LC_INLINE float mix_value(const float *p, const float *v, size_t stride, size_t n)
{
    float lane[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (size_t t = 0; t < n; t++)
        lane[t % 4] += p[t] * v[t * stride];
    return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

/* One query. */
LC_INLINE void attend(const float *q, const float *k, const float *v, size_t stride, size_t n,
                      size_t head_dim, float scale, float *scores, float *out)
{
    score_keys(q, k, stride, n, head_dim, scale, scores);
    softmax(scores, (uint32_t)n);
    size_t d = 0;
    for (; d < (head_dim & ~(size_t)15); d += 16)
        mix_values(scores, v + d, stride, n, out + d);
    for (; d < head_dim; d++)
        out[d] = mix_value(scores, v + d, stride, n);
}

/* ---- four lanes: attention of several queries, which share each load of a key or a value ---- */

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
    const float *q[LC_QUERIES], *k[4];
} tile_feed;

/* Eight dimensions of four keys. */
LC_INLINE void tile_add8(tile *t, uint32_t nq, tile_feed *in)
{
    lc_v4 low[LC_QUERIES], high[LC_QUERIES];
    EACH(i, nq)
        lc_v4_take2(&low[i], &high[i], &in->q[i]);
    EACH(j, 4) {
        lc_v4 a, b;
        lc_v4_take2(&a, &b, &in->k[j]);
        tile_add(t, nq, j, low, a);
        tile_add(t, nq, j, high, b);
    }
}

/* What eight dimensions leave over: `rest` of 1 to 4. */
LC_INLINE void tile_add_part(tile *t, uint32_t nq, tile_feed *in, uint32_t rest)
{
    lc_v4 x[LC_QUERIES];
    EACH(i, nq) {
        x[i] = rest >= 4 ? lc_v4_load(in->q[i]) : lc_v4_load_part(in->q[i], rest);
        in->q[i] += 4;
    }
    EACH(j, 4) {
        tile_add(t, nq, j, x,
                 rest >= 4 ? lc_v4_load(in->k[j]) : lc_v4_load_part(in->k[j], rest));
        in->k[j] += 4;
    }
}

/* scores[i][t] = scale * q_i . k_t for all keys; query i has keys + i * more of them. */
LC_INLINE void group_scores(uint32_t nq, const float *q, size_t q_stride, const float *k,
                            size_t stride, size_t keys, size_t more, size_t head_dim, float scale,
                            float *scores, size_t score_stride)
{
    size_t t = 0;
    for (; t < (keys & ~(size_t)3); t += 4, k += 4 * stride) {
        tile sum;
        tile_feed in;
        EACH(i, nq) {
            in.q[i] = q + i * q_stride;
            EACH(j, 4)
                sum.s[i][j] = lc_v4_all(0.0f);
        }
        EACH(j, 4)
            in.k[j] = k + j * stride;
        for (size_t n = head_dim / 8; n > 0; n--)
            tile_add8(&sum, nq, &in);
        for (uint32_t rest = head_dim & 7; rest > 0; rest = rest > 4 ? rest - 4 : 0)
            tile_add_part(&sum, nq, &in, rest);
        EACH(i, nq) {
            lc_v4x4 four = {sum.s[i][0], sum.s[i][1], sum.s[i][2], sum.s[i][3]};
            lc_v4_store(scores + i * score_stride + t, lc_v4_sum4(four) * lc_v4_all(scale));
        }
    }
    for (size_t i = 0; i < nq; i++)
        for (size_t u = t; u < keys + i * more; u++)
            scores[i * score_stride + u] =
                lc_v4_dot(q + i * q_stride, k + (u - t) * stride, head_dim) * scale;
}

/* Adds four neighbouring keys' values of four dimensions; key t adds to sum t mod 4. */
LC_INLINE void mix_add(tile *m, uint32_t nq, const float *p, size_t score_stride, const float *v,
                       size_t stride)
{
    lc_v4 weight[LC_QUERIES], value[4];
    EACH(i, nq)
        weight[i] = lc_v4_load(p + i * score_stride);
    EACH(j, 4)
        value[j] = lc_v4_load(v + j * stride);
    EACH(i, nq) {
        lc_v4 a = value[0] * lc_v4_all(weight[i][0]), b = value[1] * lc_v4_all(weight[i][1]);
        lc_v4 c = value[2] * lc_v4_all(weight[i][2]), d = value[3] * lc_v4_all(weight[i][3]);
        LC_READY4(a, b, c, d);
        m->s[i][0] += a;
        m->s[i][1] += b;
        m->s[i][2] += c;
        m->s[i][3] += d;
    }
}

/* out_i[4] = sum over query i's keys of p_i[t] * v_t[4] */
LC_INLINE void group_mix(uint32_t nq, const float *p, size_t score_stride, const float *v,
                         size_t stride, size_t keys, size_t more, float *out, size_t q_stride)
{
    tile m;
    EACH(i, nq)
        EACH(j, 4)
            m.s[i][j] = lc_v4_all(0.0f);
    size_t whole = keys & ~(size_t)3;
    for (size_t t = 0; t < whole; t += 4, v += 4 * stride)
        mix_add(&m, nq, p + t, score_stride, v, stride);
    EACH(i, nq) {
        size_t n = keys + i * more - whole; /* at most 3 + 3 */
        const float *rest = p + i * score_stride + whole;
        LC_UNROLL(6)
        for (uint32_t r = 0; r < 6; r++)
            if (r < n)
                m.s[i][r % 4] += lc_v4_load(v + r * stride) * lc_v4_all(rest[r]);
        lc_v4_store(out + i * q_stride, (m.s[i][0] + m.s[i][1]) + (m.s[i][2] + m.s[i][3]));
    }
}

LC_INLINE void attend_group(uint32_t nq, const float *q, size_t q_stride, const float *k,
                            const float *v, size_t stride, size_t keys, size_t more,
                            size_t head_dim, float scale, float *scores, float *out)
{
    size_t score_stride = LC_ROUND_UP(keys + (nq - 1) * more, 4u);
    group_scores(nq, q, q_stride, k, stride, keys, more, head_dim, scale, scores, score_stride);
    for (size_t i = 0; i < nq; i++)
        softmax(scores + i * score_stride, (uint32_t)(keys + i * more));
    size_t d = 0;
    for (; d < (head_dim & ~(size_t)3); d += 4)
        group_mix(nq, scores, score_stride, v + d, stride, keys, more, out + d, q_stride);
    for (; d < head_dim; d++)
        for (size_t i = 0; i < nq; i++)
            out[i * q_stride + d] =
                mix_value(scores + i * score_stride, v + d, stride, keys + i * more);
}

void lc_attend_v4(const float *q, uint32_t queries, size_t q_stride, const float *k,
                  const float *v, size_t stride, uint32_t keys, uint32_t more, uint32_t head_dim,
                  float scale, float *scores, float *out)
{
    if (queries == 4)
        attend_group(4, q, q_stride, k, v, stride, keys, more, head_dim, scale, scores, out);
    else if (queries == 3)
        attend_group(3, q, q_stride, k, v, stride, keys, more, head_dim, scale, scores, out);
    else if (queries == 2)
        attend_group(2, q, q_stride, k, v, stride, keys, more, head_dim, scale, scores, out);
    else if (head_dim == 32) /* constants: the loops over dimensions unroll */
        attend(q, k, v, stride, keys, 32, scale, scores, out);
    else
        attend(q, k, v, stride, keys, head_dim, scale, scores, out);
}
