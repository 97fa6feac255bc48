/* norm.c - RMSNorm, LayerNorm, residual addition. x, gain, bias, y: [n]; y may be x.
 *
 * Order: element i adds to lane i mod 4, then (0 + 1) + (2 + 3). One square root and one division a
 * token, by the instruction; never an estimate.
 */
#include "level.h"
#include "vec.h"

/* ---- reference ---- */

static float lane_sum(const float lane[4])
{
    return (lane[0] + lane[1]) + (lane[2] + lane[3]);
}

void lc_rmsnorm_ref(const float *x, const float *gain, uint32_t n, float eps, float *y)
{
    float lane[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (uint32_t i = 0; i < n; i++)
        lane[i % 4] += x[i] * x[i];
    float inv = 1.0f / lc_sqrtf(lane_sum(lane) / (float)n + eps);
    for (uint32_t i = 0; i < n; i++)
        y[i] = (x[i] * inv) * gain[i];
}

void lc_layernorm_ref(const float *x, const float *gain, const float *bias, uint32_t n, float eps,
                      float *y)
{
    float lane[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (uint32_t i = 0; i < n; i++)
        lane[i % 4] += x[i];
    float mean = lane_sum(lane) / (float)n;
    float lane2[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (uint32_t i = 0; i < n; i++)
        lane2[i % 4] += (x[i] - mean) * (x[i] - mean);
    float inv = 1.0f / lc_sqrtf(lane_sum(lane2) / (float)n + eps);
    for (uint32_t i = 0; i < n; i++)
        y[i] = ((x[i] - mean) * inv) * gain[i] + bias[i];
}

void lc_add_ref(float *y, const float *x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        y[i] += x[i];
}

/* ---- four lanes ---- */

void lc_rmsnorm_v4(const float *x, const float *gain, uint32_t n, float eps, float *y)
{
    lc_v4 sum = lc_v4_all(0.0f);
    size_t i = 0;
    for (; i < (n & ~3u); i += 4) {
        lc_v4 v = lc_v4_load(x + i);
        sum += v * v;
    }
    if (i < n) {
        lc_v4 v = lc_v4_load_part(x + i, n & 3);
        sum += v * v;
    }
    float inv = 1.0f / lc_sqrtf(lc_v4_sum(sum) / (float)n + eps);
    for (i = 0; i < (n & ~3u); i += 4)
        lc_v4_store(y + i, (lc_v4_load(x + i) * lc_v4_all(inv)) * lc_v4_load(gain + i));
    for (; i < n; i++)
        y[i] = (x[i] * inv) * gain[i];
}

LC_INLINE float mean_v4(const float *x, uint32_t n)
{
    lc_v4 sum = lc_v4_all(0.0f);
    size_t i = 0;
    for (; i < (n & ~3u); i += 4)
        sum += lc_v4_load(x + i);
    if (i < n)
        sum += lc_v4_load_part(x + i, n & 3);
    return lc_v4_sum(sum) / (float)n;
}

LC_INLINE float variance_v4(const float *x, uint32_t n, float mean)
{
    lc_v4 sum = lc_v4_all(0.0f);
    size_t i = 0;
    for (; i < (n & ~3u); i += 4) {
        lc_v4 v = lc_v4_load(x + i) - lc_v4_all(mean);
        sum += v * v;
    }
    if (i < n) { /* the empty lanes must add nothing: subtract the mean from true elements only */
        uint32_t rest = n & 3;
        lc_v4 v = {x[i] - mean, rest > 1 ? x[i + 1] - mean : 0.0f,
                   rest > 2 ? x[i + 2] - mean : 0.0f, 0.0f};
        sum += v * v;
    }
    return lc_v4_sum(sum) / (float)n;
}

void lc_layernorm_v4(const float *x, const float *gain, const float *bias, uint32_t n, float eps,
                     float *y)
{
    float mean = mean_v4(x, n);
    float inv = 1.0f / lc_sqrtf(variance_v4(x, n, mean) + eps);
    size_t i = 0;
    for (; i < (n & ~3u); i += 4) {
        lc_v4 v = (lc_v4_load(x + i) - lc_v4_all(mean)) * lc_v4_all(inv);
        lc_v4_store(y + i, v * lc_v4_load(gain + i) + lc_v4_load(bias + i));
    }
    for (; i < n; i++)
        y[i] = ((x[i] - mean) * inv) * gain[i] + bias[i];
}

void lc_add_v4(float *y, const float *x, uint32_t n)
{
    size_t i = 0;
    for (; i < (n & ~3u); i += 4)
        lc_v4_store(y + i, lc_v4_load(y + i) + lc_v4_load(x + i));
    for (; i < n; i++)
        y[i] += x[i];
}
