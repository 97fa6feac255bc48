/* Dequantisation as ggml defines it, in the same order of float operations, so that a weight here
 * is the weight every other reader of the file sees. */
#include "gguf_types.h"

#include <string.h>

#include "gguf.h"

static uint16_t u16_at(const uint8_t *p)
{
    return (uint16_t)(p[0] | (p[1] << 8));
}

static uint32_t u32_at(const uint8_t *p)
{
    return (uint32_t)u16_at(p) | ((uint32_t)u16_at(p + 2) << 16);
}

static float float_of_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

float lc_half_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 0x1fu;
    uint32_t mantissa = half & 0x3ffu;
    if (exponent == 0) { /* zero or subnormal: mantissa * 2^-24, exact in a float */
        float f = (float)mantissa * 0x1p-24f;
        return sign ? -f : f;
    }
    if (exponent == 31)
        return float_of_bits(sign | 0x7f800000u | (mantissa << 13));
    return float_of_bits(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

static float half_at(const uint8_t *p)
{
    return lc_half_float(u16_at(p));
}

static void read_f32(const uint8_t *p, float *out)
{
    *out = float_of_bits(u32_at(p));
}

static void read_f16(const uint8_t *p, float *out)
{
    *out = half_at(p);
}

static void read_bf16(const uint8_t *p, float *out)
{
    *out = float_of_bits((uint32_t)u16_at(p) << 16);
}

static void read_q8_0(const uint8_t *p, float *out)
{
    float d = half_at(p);
    for (uint32_t i = 0; i < 32; i++)
        out[i] = (float)(int8_t)p[2 + i] * d;
}

static void read_q4_0(const uint8_t *p, float *out)
{
    float d = half_at(p);
    for (uint32_t i = 0; i < 16; i++) {
        out[i] = (float)((p[2 + i] & 15) - 8) * d;
        out[i + 16] = (float)((p[2 + i] >> 4) - 8) * d;
    }
}

static void read_q4_1(const uint8_t *p, float *out)
{
    float d = half_at(p), m = half_at(p + 2);
    for (uint32_t i = 0; i < 16; i++) {
        out[i] = (float)(p[4 + i] & 15) * d + m;
        out[i + 16] = (float)(p[4 + i] >> 4) * d + m;
    }
}

/* Fifth bits: bit i of `high` belongs to weight i. */
static void read_q5_0(const uint8_t *p, float *out)
{
    float d = half_at(p);
    uint32_t high = u32_at(p + 2);
    const uint8_t *q = p + 6;
    for (uint32_t i = 0; i < 16; i++) {
        int32_t lo = (q[i] & 15) | (int32_t)(((high >> i) & 1u) << 4);
        int32_t hi = (q[i] >> 4) | (int32_t)(((high >> (i + 16)) & 1u) << 4);
        out[i] = (float)(lo - 16) * d;
        out[i + 16] = (float)(hi - 16) * d;
    }
}

static void read_q5_1(const uint8_t *p, float *out)
{
    float d = half_at(p), m = half_at(p + 2);
    uint32_t high = u32_at(p + 4);
    const uint8_t *q = p + 8;
    for (uint32_t i = 0; i < 16; i++) {
        int32_t lo = (q[i] & 15) | (int32_t)(((high >> i) & 1u) << 4);
        int32_t hi = (q[i] >> 4) | (int32_t)(((high >> (i + 16)) & 1u) << 4);
        out[i] = (float)lo * d + m;
        out[i + 16] = (float)hi * d + m;
    }
}

/* Scale and minimum of sub-block j (0..7) of Q4_K and Q5_K: 6 bits each, packed into 12 bytes. */
static void k_scale(const uint8_t *s, uint32_t j, float *scale, float *min)
{
    if (j < 4) {
        *scale = (float)(s[j] & 63);
        *min = (float)(s[j + 4] & 63);
    } else {
        *scale = (float)((s[j + 4] & 15) | ((s[j - 4] >> 6) << 4));
        *min = (float)((s[j + 4] >> 4) | ((s[j] >> 6) << 4));
    }
}

static void read_q4_k(const uint8_t *p, float *out)
{
    float d = half_at(p), dmin = half_at(p + 2);
    for (uint32_t j = 0; j < 8; j++) {
        const uint8_t *q = p + 16 + 32 * (j / 2);
        float scale, min;
        k_scale(p + 4, j, &scale, &min);
        float ds = d * scale, ms = dmin * min;
        for (uint32_t i = 0; i < 32; i++) {
            uint32_t v = j % 2 ? q[i] >> 4 : q[i] & 15u;
            out[32 * j + i] = ds * (float)v - ms;
        }
    }
}

static void read_q5_k(const uint8_t *p, float *out)
{
    float d = half_at(p), dmin = half_at(p + 2);
    const uint8_t *high = p + 16;
    for (uint32_t j = 0; j < 8; j++) {
        const uint8_t *q = p + 48 + 32 * (j / 2);
        float scale, min;
        k_scale(p + 4, j, &scale, &min);
        float ds = d * scale, ms = dmin * min;
        for (uint32_t i = 0; i < 32; i++) {
            uint32_t v = (j % 2 ? q[i] >> 4 : q[i] & 15u) + ((high[i] >> j) & 1u) * 16u;
            out[32 * j + i] = ds * (float)v - ms;
        }
    }
}

/* 256 weights as two halves of 128: low 4 bits [64], high 2 bits [32], 8 of 16 scales. */
static void read_q6_k(const uint8_t *p, float *out)
{
    float d = half_at(p + 208);
    for (uint32_t half = 0; half < 2; half++) {
        const uint8_t *low = p + 64 * half, *high = p + 128 + 32 * half,
                      *scale = p + 192 + 8 * half;
        for (uint32_t i = 0; i < 128; i++) {
            uint32_t quarter = i / 32, at = i % 32;
            uint32_t nibble = (uint32_t)low[at + 32 * (quarter % 2)] >> (quarter / 2 * 4) & 15u;
            uint32_t two = (uint32_t)high[at] >> (2 * quarter) & 3u;
            float q = (float)((int32_t)(nibble | two << 4) - 32);
            out[128 * half + i] = d * (float)(int8_t)scale[i / 16] * q;
        }
    }
}

static const lc_gguf_block BLOCKS[] = {
    [0] = {"F32", 1, 4, read_f32},
    [1] = {"F16", 1, 2, read_f16},
    [2] = {"Q4_0", 32, 18, read_q4_0},
    [3] = {"Q4_1", 32, 20, read_q4_1},
    [6] = {"Q5_0", 32, 22, read_q5_0},
    [7] = {"Q5_1", 32, 24, read_q5_1},
    [8] = {"Q8_0", 32, 34, read_q8_0},
    [9] = {"Q8_1", 32, 36, NULL},
    [10] = {"Q2_K", 256, 84, NULL},
    [11] = {"Q3_K", 256, 110, NULL},
    [12] = {"Q4_K", 256, 144, read_q4_k},
    [13] = {"Q5_K", 256, 176, read_q5_k},
    [14] = {"Q6_K", 256, 210, read_q6_k},
    [15] = {"Q8_K", 256, 292, NULL},
    [16] = {"IQ2_XXS", 256, 66, NULL},
    [17] = {"IQ2_XS", 256, 74, NULL},
    [18] = {"IQ3_XXS", 256, 98, NULL},
    [19] = {"IQ1_S", 256, 50, NULL},
    [20] = {"IQ4_NL", 32, 18, NULL},
    [21] = {"IQ3_S", 256, 110, NULL},
    [22] = {"IQ2_S", 256, 82, NULL},
    [23] = {"IQ4_XS", 256, 136, NULL},
    [24] = {"I8", 1, 1, NULL},
    [25] = {"I16", 1, 2, NULL},
    [26] = {"I32", 1, 4, NULL},
    [27] = {"I64", 1, 8, NULL},
    [28] = {"F64", 1, 8, NULL},
    [29] = {"IQ1_M", 256, 56, NULL},
    [30] = {"BF16", 1, 2, read_bf16},
    [34] = {"TQ1_0", 256, 54, NULL},
    [35] = {"TQ2_0", 256, 66, NULL},
    [39] = {"MXFP4", 32, 17, NULL},
};

const lc_gguf_block *lc_gguf_block_of(uint32_t type)
{
    if (type >= sizeof BLOCKS / sizeof BLOCKS[0] || !BLOCKS[type].name)
        return NULL;
    return &BLOCKS[type];
}

const char *lc_gguf_type_name(uint32_t type)
{
    const lc_gguf_block *block = lc_gguf_block_of(type);
    return block && block->read ? block->name : NULL;
}

/* Row i of heads whose rows are wanted as (0, n/2), (1, n/2 + 1) ... and lie as 0, 1 ... */
static uint64_t row_in_halves(const lc_gguf_tensor *t, uint64_t rows, uint64_t i)
{
    uint64_t size = rows / t->halves, at = i % size;
    return i - at + at % 2 * (size / 2) + at / 2;
}

/* A vector is one row in the file, each weight a row of the matrix that it goes with. */
static void read_vector(const lc_gguf_tensor *t, const lc_gguf_block *block, float *out)
{
    for (uint64_t i = 0; i < t->ne[0]; i++) {
        uint64_t from = t->halves ? row_in_halves(t, t->ne[0], i) : i;
        block->read(t->data + from * block->bytes, &out[i]);
        out[i] += t->plus_one ? 1.0f : 0.0f;
    }
}

void lc_gguf_row(const lc_gguf_tensor *t, uint64_t r, float *out)
{
    const lc_gguf_block *block = lc_gguf_block_of(t->type);
    lc_assert(block && block->read);
    if (t->dims == 1 && block->weights == 1 && (t->halves || t->plus_one)) {
        read_vector(t, block, out);
        return;
    }
    r = t->halves ? row_in_halves(t, t->ne[1], r) : r;
    uint64_t blocks = t->ne[0] / block->weights;
    const uint8_t *p = t->data + r * blocks * block->bytes;
    for (uint64_t b = 0; b < blocks; b++) {
        block->read(p + b * block->bytes, out + b * block->weights);
    }
}
