/* attend_avx512.c - attention of two to four queries for x86-64 servers, in the order of sums that
 * attn.c sets.
 *
 * Scores: a quarter of a vector is a query, its four lanes are dimensions mod 4, so four keys of
 * four dimensions are four products; transposed and added they are four scores of each query.
 * Values: a vector is sixteen dimensions; each query has four sums, key t adds to sum t mod 4.
 */
#include "level.h"

#if defined(__x86_64__)
#include <immintrin.h>

#include "attend.h"
#include "vec16.h"

#define QUERIES LC_QUERIES
#define HEAD_DIM_MAX 256u /* floats of a query that are put in order on the stack */

typedef struct group {
    const lc_attention *a;
    size_t step, row;    /* bytes of a value, of a token */
    size_t all;          /* keys of the last query */
    size_t score_stride; /* floats between the scores of two queries */
} group;

/* Sixteen neighbouring values of a key or value. */
LC_INLINE __m512 load16(uint32_t kind, const uint8_t *p)
{
    if (kind == LC_KV_F16)
        return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
    return _mm512_loadu_ps(p);
}

/* ---- scores ---- */

/* Four dimensions of each query, in the order of dimensions; zeros for one that is not there. */
LC_INLINE void interleave(const lc_attention *a, uint32_t nq, float *out)
{
    for (size_t d = 0; d < a->head_dim; d += 4, out += 4 * QUERIES)
        EACH(i, QUERIES)
    lc_v4_store(out + 4 * i, i < nq ? lc_v4_load(a->q + i * a->q_stride + d) : lc_v4_all(0.0f));
}

/* Adds the products of dimensions 4j to 4j + 3 of sixteen. */
#define ADD_QUARTER(sum, key, j)                                                                   \
    _mm512_add_ps(sum, _mm512_mul_ps(x[j], _mm512_shuffle_f32x4(key, key, 0x55 * (j))))

LC_INLINE void add16(uint32_t kind, __m512 sum[4], const uint8_t *const key[4], size_t at,
                     const float *q)
{
    __m512 x[4];
    EACH(j, 4)
    x[j] = _mm512_loadu_ps(q + 4 * QUERIES * j);
    EACH(t, 4)
    {
        __m512 k = load16(kind, key[t] + at);
        sum[t] = ADD_QUARTER(sum[t], k, 0);
        sum[t] = ADD_QUARTER(sum[t], k, 1);
        sum[t] = ADD_QUARTER(sum[t], k, 2);
        sum[t] = ADD_QUARTER(sum[t], k, 3);
    }
}

/* (0 + 1) + (2 + 3) of the lanes of each quarter, of four vectors side by side. */
LC_INLINE __m512 sum_lanes(const __m512 s[4])
{
    __m512d ab = _mm512_castps_pd(_mm512_unpacklo_ps(s[0], s[1]));
    __m512d cd = _mm512_castps_pd(_mm512_unpacklo_ps(s[2], s[3]));
    __m512d ab2 = _mm512_castps_pd(_mm512_unpackhi_ps(s[0], s[1]));
    __m512d cd2 = _mm512_castps_pd(_mm512_unpackhi_ps(s[2], s[3]));
    __m512 first = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd)),
                                 _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd)));
    __m512 second = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(ab2, cd2)),
                                  _mm512_castpd_ps(_mm512_unpackhi_pd(ab2, cd2)));
    return _mm512_add_ps(first, second);
}

/* Four scores of each query, from key t on; a key that is not there is the last one again. */
LC_INLINE void score4(uint32_t kind, const group *g, uint32_t nq, size_t t, const float *q)
{
    const lc_attention *a = g->a;
    const uint8_t *keys = a->k, *key[4];
    __m512 sum[4];
    EACH(j, 4)
    {
        size_t at = t + j < g->all ? t + j : g->all - 1;
        key[j] = keys + at * g->row;
        sum[j] = _mm512_setzero_ps();
    }
    for (size_t d = 0; d < a->head_dim; d += 16, q += 16 * QUERIES)
        add16(kind, sum, key, d * g->step, q);
    __m512 score = _mm512_mul_ps(sum_lanes(sum), _mm512_set1_ps(a->scale));
    float *out = a->scores + t;
    _mm_storeu_ps(out, _mm512_castps512_ps128(score));
    _mm_storeu_ps(out + g->score_stride, _mm512_extractf32x4_ps(score, 1));
    if (nq > 2)
        _mm_storeu_ps(out + 2 * g->score_stride, _mm512_extractf32x4_ps(score, 2));
    if (nq > 3)
        _mm_storeu_ps(out + 3 * g->score_stride, _mm512_extractf32x4_ps(score, 3));
}

/* ---- weights ---- */

/* The softmax of attend.h, sixteen keys at a time; sums run over its four lanes. */
static void softmax16(float *x, uint32_t n)
{
    lc_v16 max = lc_v16_all(x[0]);
    lc_v4 sum = lc_v4_all(0.0f);
    uint32_t i = 0, whole = n & ~15u;
    for (; i < whole; i += 16)
        max = _mm512_max_ps(_mm512_loadu_ps(x + i), max);
    float most = _mm512_reduce_max_ps(max);
    for (; i < n; i++)
        most = x[i] > most ? x[i] : most;
    for (i = 0; i < n; i += 16) {
        __mmask16 in = (__mmask16)(n - i < 16 ? (1u << (n - i)) - 1 : 0xffff);
        lc_v16 e = lc_v16_exp(_mm512_maskz_loadu_ps(in, x + i) - lc_v16_all(most));
        e = _mm512_maskz_mov_ps(in, e);
        _mm512_mask_storeu_ps(x + i, in, e);
        sum += (lc_v4)_mm512_castps512_ps128(e);
        sum += (lc_v4)_mm512_extractf32x4_ps(e, 1);
        sum += (lc_v4)_mm512_extractf32x4_ps(e, 2);
        sum += (lc_v4)_mm512_extractf32x4_ps(e, 3);
    }
    const lc_v16 total = lc_v16_all(lc_v4_sum(sum));
    for (i = 0; i < n; i += 16) {
        __mmask16 in = (__mmask16)(n - i < 16 ? (1u << (n - i)) - 1 : 0xffff);
        _mm512_mask_storeu_ps(x + i, in, _mm512_maskz_loadu_ps(in, x + i) / total);
    }
}

static void weigh16(float cap, float *scores, uint32_t n)
{
    for (uint32_t t = 0; cap > 0.0f && t < n; t++)
        scores[t] = cap * lc_tanhf(scores[t] / cap);
    softmax16(scores, n);
}

/* ---- values ---- */

/* Adds sixteen dimensions of value t for the queries from `first` on. */
LC_INLINE void mix_key(uint32_t kind, const group *g, uint32_t first, uint32_t nq, __m512 sum[][4],
                       size_t t, uint32_t lane, const uint8_t *values)
{
    __m512 v = load16(kind, values + t * g->row);
    const float *p = g->a->scores + t;
    EACH(i, nq)
    if (i >= first)
        sum[i][lane] =
            _mm512_add_ps(sum[i][lane], _mm512_mul_ps(v, _mm512_set1_ps(p[i * g->score_stride])));
}

/* Sixteen dimensions from d on of all outputs. */
LC_INLINE void mix16(uint32_t kind, const group *g, uint32_t nq, size_t d)
{
    const lc_attention *a = g->a;
    const uint8_t *values = (const uint8_t *)a->v + d * g->step;
    __m512 sum[QUERIES][4];
    EACH(i, nq)
    EACH(j, 4)
    sum[i][j] = _mm512_setzero_ps();
    size_t whole = a->keys & ~(size_t)3;
    for (size_t t = 0; t < whole; t += 4)
        EACH(j, 4)
    mix_key(kind, g, 0, nq, sum, t + j, j, values);
    LC_UNROLL(6)
    for (uint32_t r = 0; r < 6; r++) { /* at most 3 that all see, and 3 that only the last do */
        size_t t = whole + r;
        if (t < g->all)
            mix_key(kind, g, t < a->keys ? 0 : (uint32_t)(t - a->keys) + 1, nq, sum, t, r % 4,
                    values);
    }
    EACH(i, nq)
    _mm512_storeu_ps(
        a->out + i * a->q_stride + d,
        _mm512_add_ps(_mm512_add_ps(sum[i][0], sum[i][1]), _mm512_add_ps(sum[i][2], sum[i][3])));
}

/* ---- together ---- */

LC_INLINE void attend_wide(uint32_t kind, uint32_t nq, const lc_attention *a)
{
    float q[HEAD_DIM_MAX * QUERIES];
    group g = {.a = a, .step = lc_kept_bytes(kind), .all = a->keys + (size_t)(nq - 1) * a->more};
    g.row = a->stride * g.step;
    g.score_stride = LC_ROUND_UP(g.all, 4u);
    interleave(a, nq, q);
    for (size_t t = 0; t < g.all; t += 4)
        score4(kind, &g, nq, t, q);
    for (size_t i = 0; i < nq; i++)
        weigh16(a->cap, a->scores + i * g.score_stride, a->keys + (uint32_t)i * a->more);
    for (size_t d = 0; d < a->head_dim; d += 16)
        mix16(kind, &g, nq, d);
}

LC_INLINE void attend_any(uint32_t kind, const lc_attention *a)
{
    if (a->queries == 4)
        attend_wide(kind, 4, a);
    else if (a->queries == 3)
        attend_wide(kind, 3, a);
    else
        attend_wide(kind, 2, a);
}

void lc_attend_avx512(const lc_attention *a)
{
    bool wide = a->queries > 1 && a->head_dim % 16 == 0 && a->head_dim <= HEAD_DIM_MAX;
    if (wide && a->kind == LC_KV_F16)
        attend_any(LC_KV_F16, a);
    else if (wide && a->kind == LC_KV_F32)
        attend_any(LC_KV_F32, a);
    else
        lc_attend_avx2(a);
}

#endif
