/* attn.c - softmax, rotary positions, attention, and what a cache keeps.
 *
 * Order: every sum runs over four lanes (element i in lane i mod 4), then (0 + 1) + (2 + 3); that
 * holds for the sum over head dimensions, over scores, and over keys.
 */
#include "attend.h"
#include "level.h"

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

/* Value i of one head of one token. */
static float kept_ref(uint32_t kind, const void *x, size_t i)
{
    if (kind == LC_KV_F32)
        return ((const float *)x)[i];
    return kind == LC_KV_F16 ? lc_half_to_float(((const uint16_t *)x)[i])
                             : (float)((const int8_t *)x)[i];
}

void lc_keep_ref(uint32_t kind, const float *x, uint32_t n, void *out, float *scale)
{
    if (kind == LC_KV_F32) {
        memcpy(out, x, n * sizeof *x);
        return;
    }
    if (kind == LC_KV_F16) {
        for (uint32_t i = 0; i < n; i++)
            ((uint16_t *)out)[i] = lc_half_from_float(x[i]);
        return;
    }
    uint32_t top = 0; /* bits of the largest magnitude; a NaN is above all */
    for (uint32_t i = 0; i < n; i++) {
        uint32_t bits = lc_float_bits(x[i]) & 0x7fffffffu;
        top = bits > top ? bits : top;
    }
    float inv = 0.0f;
    *scale = top >= 0x7f800000u ? lc_float_from_bits(0x7fc00000u) : 0.0f;
    if (top < 0x7f800000u && top >= LC_KEEP_LEAST) {
        *scale = lc_float_from_bits(top) / 127.0f;
        inv = 127.0f / lc_float_from_bits(top);
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t rounded = inv > 0.0f ? lc_float_bits(x[i] * inv + LC_ROUND_BIAS) : LC_ROUND_BITS;
        ((int8_t *)out)[i] = (int8_t)(int32_t)(rounded - LC_ROUND_BITS);
    }
}

static float score_ref(const lc_attention *a, const float *q, uint32_t t)
{
    float lane[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (uint32_t d = 0; d < a->head_dim; d++)
        lane[d % 4] += q[d] * kept_ref(a->kind, a->k, t * a->stride + d);
    float dot = lane_sum(lane);
    if (a->kind == LC_KV_I8)
        dot *= a->k_scale[t];
    float score = dot * a->scale;
    return a->cap > 0.0f ? a->cap * lc_tanhf(score / a->cap) : score;
}

static void attend_ref(const lc_attention *a, const float *q, uint32_t n, float *out)
{
    float *scores = a->scores;
    for (uint32_t t = 0; t < n; t++)
        scores[t] = score_ref(a, q, t);
    lc_softmax_ref(scores, n);
    for (uint32_t t = 0; a->kind == LC_KV_I8 && t < n; t++)
        scores[t] *= a->v_scale[t];
    for (uint32_t d = 0; d < a->head_dim; d++) {
        float lane[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (uint32_t t = 0; t < n; t++)
            lane[t % 4] += scores[t] * kept_ref(a->kind, a->v, t * a->stride + d);
        out[d] = lane_sum(lane);
    }
}

void lc_attend_ref(const lc_attention *a)
{
    for (uint32_t i = 0; i < a->queries; i++)
        attend_ref(a, a->q + i * a->q_stride, a->keys + i * a->more, a->out + i * a->q_stride);
}

/* ---- four lanes ---- */

void lc_softmax_v4(float *x, uint32_t n)
{
    lc_softmax_lanes(x, n);
}

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

/* ---- four lanes: what a cache keeps ---- */

static void keep_half(const float *x, uint32_t n, uint8_t *out)
{
    uint32_t i = 0;
#if defined(__aarch64__)
    for (; i + 4 <= n; i += 4, out += 8) {
        lc_h4 h;
        __asm__("fcvtn %0.4h, %1.4s" : "=w"(h) : "w"(lc_v4_load(x + i)));
        *(lc_h4_mem *)(void *)out = h;
    }
#endif
    for (; i < n; i++, out += 2)
        *(lc_half_mem *)(void *)out = lc_half_from_float(x[i]);
}

/* Bits of the largest magnitude. */
static uint32_t top_bits(const float *x, uint32_t n)
{
    lc_i4 top = {0, 0, 0, 0};
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        lc_i4 bits = (lc_i4)lc_v4_load(x + i) & 0x7fffffff;
        lc_i4 more = bits > top;
        top = (more & bits) | (~more & top);
    }
    int32_t most = 0;
    for (uint32_t lane = 0; lane < 4; lane++)
        most = top[lane] > most ? top[lane] : most;
    for (; i < n; i++) {
        int32_t bits = (int32_t)(lc_float_bits(x[i]) & 0x7fffffffu);
        most = bits > most ? bits : most;
    }
    return (uint32_t)most;
}

static void keep_bytes(const float *x, uint32_t n, int8_t *out, float *scale)
{
    uint32_t top = top_bits(x, n), i = 0;
    if (top >= 0x7f800000u || top < LC_KEEP_LEAST) {
        *scale = top >= 0x7f800000u ? lc_float_from_bits(0x7fc00000u) : 0.0f;
        memset(out, 0, n);
        return;
    }
    *scale = lc_float_from_bits(top) / 127.0f;
    float inv = 127.0f / lc_float_from_bits(top);
    for (; i + 4 <= n; i += 4) {
        lc_v4 rounded = lc_v4_load(x + i) * lc_v4_all(inv) + lc_v4_all(LC_ROUND_BIAS);
        lc_u4 whole = (lc_u4)rounded - LC_ROUND_BITS;
        *(lc_b4_mem *)(void *)(out + i) = __builtin_convertvector((lc_i4)whole, lc_b4);
    }
    for (; i < n; i++) {
        uint32_t rounded = lc_float_bits(x[i] * inv + LC_ROUND_BIAS);
        out[i] = (int8_t)(int32_t)(rounded - LC_ROUND_BITS);
    }
}

void lc_keep_v4(uint32_t kind, const float *x, uint32_t n, void *out, float *scale)
{
    if (kind == LC_KV_F32)
        memcpy(out, x, n * sizeof *x);
    else if (kind == LC_KV_F16)
        keep_half(x, n, out);
    else
        keep_bytes(x, n, out, scale);
}

void lc_attend_v4(const lc_attention *a)
{
    lc_attend_lanes(a);
}
