/* act.c - activations: QUANT_ACT (float to groups of int8, numbers.md is normative) and the
 * gate functions of the feed-forward layer.
 *
 * QUANT_ACT gives a token one scale S = max|x| / 127 and each group of 32 a power of two:
 *   e   largest exponent in 0..8 with max|x_g| * 2^e <= max|x|
 *   a   rint(x * (127 / max|x|) * 2^e), half to even
 * so that outlier groups do not cost the others their bits.
 */
#include "level.h"
#include "q4.h"
#include "vec.h"

#define ABS_BITS 0x7fffffffu      /* all but the sign: ordered as the magnitudes are */
#define INF_BITS 0x7f800000u      /* this and above: infinity or NaN */
#define MIN_SCALE_BITS 0x0d800000u /* 2^-100: below it a token counts as zero */
#define TOP 127

/* Largest e in 0..8 with ag * 2^e <= at, for bit patterns of magnitudes ag <= at. */
LC_INLINE int32_t group_exponent(uint32_t ag, uint32_t at)
{
    if (ag == 0)
        return 0;
    int32_t e = (int32_t)(at >> 23) - (int32_t)(ag >> 23);
    e -= (ag & 0x7fffffu) > (at & 0x7fffffu);
    return e > LC_EXP_MAX ? LC_EXP_MAX : e < 0 ? 0 : e;
}

/* 2^e as a factor; exact. */
LC_INLINE float power_of_two(int32_t e)
{
    return lc_float_from_bits((uint32_t)(127 + e) << 23);
}

/* What a group gets besides its 32 numbers. */
LC_INLINE void group_put(int32_t e, int32_t sum, int16_t *ne, int16_t *c8, int16_t *c8s)
{
    *ne = (int16_t)-e;
    *c8 = (int16_t)(8 * sum);
    *c8s = (int16_t)lc_rshr(8 * sum, e);
}

/* ---- reference ---- */

static uint32_t abs_max_ref(const float *x, uint32_t n)
{
    uint32_t max = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t bits = lc_float_bits(x[i]) & ABS_BITS;
        max = bits > max ? bits : max;
    }
    return max;
}

static int32_t round_clamp(float v)
{
    int32_t i = (int32_t)(lc_float_bits(v + LC_ROUND_BIAS) - LC_ROUND_BITS);
    return i > TOP ? TOP : i < -TOP ? -TOP : i;
}

bool lc_quantise_ref(const float *x, uint32_t cols, uint32_t t, uint32_t tokens, int8_t *a,
                     int16_t *ne, int16_t *c8, int16_t *c8s, float *scale)
{
    uint32_t at = abs_max_ref(x, cols);
    if (at >= INF_BITS)
        return false;
    bool zero = at < MIN_SCALE_BITS;
    float inv = zero ? 0.0f : (float)TOP / lc_float_from_bits(at);
    scale[t] = zero ? 0.0f : lc_float_from_bits(at) / (float)TOP;
    for (uint32_t g = 0; g * LC_GROUP < cols; g++) {
        const float *xg = x + g * LC_GROUP;
        uint32_t n = cols - g * LC_GROUP < LC_GROUP ? cols - g * LC_GROUP : LC_GROUP;
        int32_t e = zero ? 0 : group_exponent(abs_max_ref(xg, n), at);
        float f = inv * power_of_two(e);
        int32_t sum = 0;
        for (uint32_t c = 0; c < LC_GROUP; c++) {
            int32_t q = c < n && !zero ? round_clamp(xg[c] * f) : 0;
            a[(size_t)g * LC_GROUP * tokens + (c / 4) * 4 * tokens + t * 4 + c % 4] = (int8_t)q;
            sum += q;
        }
        uint32_t i = g * tokens + t;
        group_put(e, sum, &ne[i], &c8[i], &c8s[i]);
    }
    return true;
}

void lc_act_mul_ref(lc_act_kind kind, const float *gate, const float *up, uint32_t n, float *y)
{
    for (uint32_t i = 0; i < n; i++) {
        float v = kind == LC_SILU        ? lc_silu(gate[i])
                  : kind == LC_GELU_TANH ? lc_gelu_tanh(gate[i])
                                         : lc_gelu_erf(gate[i]);
        y[i] = up ? v * up[i] : v;
    }
}

/* ---- four lanes: QUANT_ACT ---- */

LC_INLINE lc_i4 int_max(lc_i4 a, lc_i4 b)
{
#if defined(__aarch64__) /* GCC does not find it */
    __asm__("smax %0.4s, %1.4s, %2.4s" : "=w"(a) : "w"(a), "w"(b));
    return a;
#else
    lc_i4 mask = a > b;
    return (mask & a) | (~mask & b);
#endif
}

LC_INLINE lc_i4 abs_bits(lc_v4 v)
{
    return (lc_i4)v & (int32_t)ABS_BITS;
}

LC_INLINE uint32_t lane_max(lc_i4 v)
{
#if defined(__aarch64__)
    __asm__("umaxv %s0, %1.4s" : "=w"(v) : "w"(v)); /* magnitudes: never negative */
    return (uint32_t)v[0];
#endif
    int32_t a = v[0] > v[1] ? v[0] : v[1];
    int32_t b = v[2] > v[3] ? v[2] : v[3];
    return (uint32_t)(a > b ? a : b);
}

LC_INLINE uint32_t lane_sum(lc_u4 v)
{
#if defined(__aarch64__)
    __asm__("addv %s0, %1.4s" : "=w"(v) : "w"(v));
    return v[0];
#endif
    return v[0] + v[1] + v[2] + v[3];
}

/* Lane maxima of the magnitudes of a group; as integers, so that no NaN decides a comparison. */
LC_INLINE lc_i4 group_max(const float *x)
{
    lc_i4 even = abs_bits(lc_v4_load(x));
    lc_i4 odd = abs_bits(lc_v4_load(x + 4));
    LC_UNROLL(3)
    for (uint32_t j = 8; j < LC_GROUP; j += 8) {
        even = int_max(even, abs_bits(lc_v4_load(x + j)));
        odd = int_max(odd, abs_bits(lc_v4_load(x + j + 4)));
    }
    return int_max(even, odd);
}

LC_INLINE uint32_t abs_max_v4(const float *x, uint32_t n)
{
    lc_i4 max = {0, 0, 0, 0};
    uint32_t i = 0;
    for (uint32_t left = n; left >= LC_GROUP; left -= LC_GROUP, i += LC_GROUP)
        max = int_max(max, group_max(x + i));
    uint32_t top = lane_max(max);
    for (; i < n; i++) {
        uint32_t bits = lc_float_bits(x[i]) & ABS_BITS;
        top = bits > top ? bits : top;
    }
    return top;
}

/* The low bytes of sixteen 32-bit lanes. */
LC_INLINE lc_b16 low_bytes(lc_u4 a, lc_u4 b, lc_u4 c, lc_u4 d)
{
    lc_h8 ab = __builtin_shufflevector((lc_h8)a, (lc_h8)b, 0, 2, 4, 6, 8, 10, 12, 14);
    lc_h8 cd = __builtin_shufflevector((lc_h8)c, (lc_h8)d, 0, 2, 4, 6, 8, 10, 12, 14);
    return __builtin_shufflevector((lc_b16)ab, (lc_b16)cd, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20,
                                   22, 24, 26, 28, 30);
}

/* How the numbers of a token lie: one token in plain order, four in words of four columns, four in
 * pairs of eight columns. */
typedef enum order { ORDER_PLAIN, ORDER_WORDS, ORDER_PAIRS } order;

/* Sixteen int8 at four columns a word, words `stride` bytes apart. */
LC_INLINE void store_words(int8_t *out, lc_b16 q, uint32_t stride)
{
    lc_i4 words = (lc_i4)q;
    LC_UNROLL(4)
    for (uint32_t j = 0; j < 4; j++)
        *(lc_word_mem *)(out + j * stride) = words[j];
}

/* Sixteen int8 at eight columns of a pair of tokens. */
LC_INLINE void store_pairs(int8_t *out, lc_b16 q)
{
    lc_l2 halves = (lc_l2)q;
    *(lc_long_mem *)out = halves[0];
    *(lc_long_mem *)(out + 8 * LC_BLOCK) = halves[1];
}

/* Quantises one group of 32 floats; returns the sum of the numbers written. No clamp: with
 * |x| * 2^e <= max and inv = 127 / max rounded, |x * f| < 127.5. */
LC_INLINE int32_t group_round(const float *x, float f, order how, int8_t *out)
{
    lc_u4 bits[8];
    LC_UNROLL(8)
    for (uint32_t j = 0; j < 8; j++)
        bits[j] = (lc_u4)(lc_v4_load(x + 4 * j) * lc_v4_all(f) + lc_v4_all(LC_ROUND_BIAS));
    lc_b16 low = low_bytes(bits[0], bits[1], bits[2], bits[3]);
    lc_b16 high = low_bytes(bits[4], bits[5], bits[6], bits[7]);
    if (how == ORDER_PLAIN) {
        *(lc_b16_mem *)out = low;
        *(lc_b16_mem *)(out + 16) = high;
    } else if (how == ORDER_WORDS) {
        store_words(out, low, 4 * LC_BLOCK);
        store_words(out + 16 * LC_BLOCK, high, 4 * LC_BLOCK);
    } else {
        store_pairs(out, low);
        store_pairs(out + 16 * LC_BLOCK, high);
    }
    lc_u4 sum = ((bits[0] + bits[1]) + (bits[2] + bits[3])) +
                ((bits[4] + bits[5]) + (bits[6] + bits[7]));
    return (int32_t)(lane_sum(sum) - LC_GROUP * LC_ROUND_BITS);
}

/* Where token t of a block begins. */
LC_INLINE int8_t *token_at(int8_t *a, order how, uint32_t t)
{
    return how == ORDER_PAIRS ? a + (t / 2) * 16 + (t % 2) * 8 : a + 4 * t;
}

LC_INLINE void quantise_group(const float *x, uint32_t at, float inv, order how, int8_t *a,
                              int16_t *ne, int16_t *c8, int16_t *c8s)
{
    int32_t e = group_exponent(lane_max(group_max(x)), at);
    int32_t sum = group_round(x, inv * power_of_two(e), how, a);
    group_put(e, sum, ne, c8, c8s);
}

LC_INLINE bool quantise_token(const float *x, uint32_t cols, uint32_t t, order how, int8_t *a,
                              int16_t *ne, int16_t *c8, int16_t *c8s, float *scale)
{
    const uint32_t tokens = how == ORDER_PLAIN ? 1 : LC_BLOCK;
    uint32_t at = abs_max_v4(x, cols);
    if (at >= INF_BITS)
        return false;
    bool zero = at < MIN_SCALE_BITS;
    float inv = zero ? 0.0f : (float)TOP / lc_float_from_bits(at);
    scale[t] = zero ? 0.0f : lc_float_from_bits(at) / (float)TOP;
    uint32_t full = zero ? 0 : cols / LC_GROUP;
    a = token_at(a, how, t);
    uint32_t i = t;
    for (uint32_t g = 0; g < full; g++, a += LC_GROUP * tokens, i += tokens)
        quantise_group(x + g * LC_GROUP, at, inv, how, a, &ne[i], &c8[i], &c8s[i]);
    for (uint32_t g = full; g * LC_GROUP < cols; g++, a += LC_GROUP * tokens, i += tokens) {
        float last[LC_GROUP]; /* an unfinished group, or any of a token that counts as zero */
        for (uint32_t c = 0; c < LC_GROUP; c++)
            last[c] = g * LC_GROUP + c < cols && !zero ? x[g * LC_GROUP + c] : 0.0f;
        quantise_group(last, at, inv, how, a, &ne[i], &c8[i], &c8s[i]);
    }
    return true;
}

bool lc_quantise_v4(const float *x, uint32_t cols, uint32_t t, uint32_t tokens, int8_t *a,
                    int16_t *ne, int16_t *c8, int16_t *c8s, float *scale)
{
    if (tokens == 1)
        return quantise_token(x, cols, 0, ORDER_PLAIN, a, ne, c8, c8s, scale);
    return quantise_token(x, cols, t, ORDER_WORDS, a, ne, c8, c8s, scale);
}

bool lc_quantise_pairs_v4(const float *x, uint32_t cols, uint32_t t, uint32_t tokens, int8_t *a,
                          int16_t *ne, int16_t *c8, int16_t *c8s, float *scale)
{
    if (tokens == 1)
        return quantise_token(x, cols, 0, ORDER_PLAIN, a, ne, c8, c8s, scale);
    return quantise_token(x, cols, t, ORDER_PAIRS, a, ne, c8, c8s, scale);
}

/* ---- four lanes: gates ---- */

LC_INLINE lc_v4 gate_v4(lc_act_kind kind, lc_v4 x)
{
    const lc_v4 one = lc_v4_all(1.0f);
    if (kind == LC_SILU)
        return x / (one + lc_v4_exp(-x));
    if (kind == LC_GELU_TANH)
        return x / (one + lc_v4_exp(x * (lc_v4_all(LC_GELU_K1) + lc_v4_all(LC_GELU_K3) * (x * x))));
    lc_v4 z = x * lc_v4_all(LC_SQRT_HALF);
    lc_v4 tail = lc_v4_erfc_tail(lc_v4_select(z < 0.0f, -z, z));
    return (lc_v4_all(0.5f) * x) * lc_v4_select(z < 0.0f, tail, lc_v4_all(2.0f) - tail);
}

LC_INLINE void act_mul(lc_act_kind kind, const float *gate, const float *up, uint32_t n, float *y)
{
    size_t i = 0;
    for (; i < (n & ~3u); i += 4) {
        lc_v4 v = gate_v4(kind, lc_v4_load(gate + i));
        lc_v4_store(y + i, up ? v * lc_v4_load(up + i) : v);
    }
    if (i < n) {
        lc_v4 v = gate_v4(kind, lc_v4_load_part(gate + i, n & 3));
        lc_v4_store_part(y + i, up ? v * lc_v4_load_part(up + i, n & 3) : v, n & 3);
    }
}

void lc_act_mul_v4(lc_act_kind kind, const float *gate, const float *up, uint32_t n, float *y)
{
    if (kind == LC_SILU)
        act_mul(LC_SILU, gate, up, n, y);
    else if (kind == LC_GELU_TANH)
        act_mul(LC_GELU_TANH, gate, up, n, y);
    else
        act_mul(LC_GELU_ERF, gate, up, n, y);
}
