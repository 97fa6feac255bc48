/* plain.c - see plain.h. */
#include "plain.h"

#include <fenv.h>
#include <math.h>

int32_t plain_rshr(int32_t v, uint32_t e)
{
    /* floor((v + half) / 2^e) by division, so that it does not lean on the shift it checks */
    int32_t unit = 1 << e;
    int32_t sum = v + unit / 2;
    int32_t quotient = sum / unit;
    return sum % unit < 0 ? quotient - 1 : quotient;
}

static int32_t sum_of(const int8_t *a)
{
    int32_t sum = 0;
    for (uint32_t k = 0; k < 32; k++)
        sum += a[k];
    return sum;
}

int32_t plain_q4(const plain_panel *w, uint32_t row, bool offsets, const plain_acts *x, uint32_t t)
{
    int64_t acc = 0;
    for (uint32_t g = 0; g < w->groups; g++) {
        const int8_t *a = &x->a[t][32 * g];
        int32_t dot = 0;
        for (uint32_t k = 0; k < 32; k++)
            dot += w->q[row][32 * g + k] * a[k];
        acc += w->s[row][g] * plain_rshr(dot, x->e[t][g]);
        if (offsets)
            acc += w->m[row][g] * plain_rshr(8 * sum_of(a), x->e[t][g]);
    }
    return acc == (int32_t)acc ? (int32_t)acc : INT32_MIN; /* an overflow is a test's mistake */
}

int32_t plain_q8(const int8_t *row, const plain_acts *x, uint32_t t)
{
    int64_t acc = 0;
    for (uint32_t g = 0; g < x->groups; g++) {
        int32_t dot = 0;
        for (uint32_t k = 0; k < 32; k++)
            dot += row[32 * g + k] * x->a[t][32 * g + k];
        acc += plain_rshr(dot, x->e[t][g]);
    }
    return (int32_t)acc;
}

/* Largest magnitude; NaN becomes infinity. */
static float largest(const float *x, uint32_t n)
{
    float top = 0.0f;
    for (uint32_t i = 0; i < n; i++) {
        if (isnan(x[i]))
            return INFINITY;
        top = fmaxf(top, fabsf(x[i]));
    }
    return top;
}

bool plain_quantise(const float *x, uint32_t cols, plain_acts *out, uint32_t t)
{
    float at = largest(x, cols);
    out->groups = (cols + 31) / 32;
    if (isinf(at))
        return false;
    memset(out->a[t], 0, sizeof out->a[t]);
    memset(out->e[t], 0, sizeof out->e[t]);
    out->scale[t] = 0.0f;
    if (at < ldexpf(1.0f, -100))
        return true;
    out->scale[t] = at / 127.0f;
    float inv = 127.0f / at;
    for (uint32_t g = 0; g < out->groups; g++) {
        uint32_t n = cols - 32 * g < 32 ? cols - 32 * g : 32;
        float ag = largest(x + 32 * g, n);
        int e = ag > 0.0f ? 8 : 0;
        while (e > 0 && (double)ag * ldexp(1.0, e) > (double)at)
            e--;
        out->e[t][g] = (uint8_t)e;
        for (uint32_t k = 0; k < n; k++) {
            float r = nearbyintf(x[32 * g + k] * ldexpf(inv, e));
            out->a[t][32 * g + k] = (int8_t)fmaxf(-127.0f, fminf(127.0f, r));
        }
    }
    return true;
}

/* ---- packing, byte by byte from the description of the tile ---- */

void plain_pack_tiles(const plain_panel *w, bool offsets, uint8_t *panel)
{
    for (uint32_t g = 0; g < w->groups; g++) {
        for (uint32_t r = 0; r < 16; r++)
            *panel++ = (uint8_t)w->s[r][g];
        for (uint32_t r = 0; r < 16 && offsets; r++)
            *panel++ = (uint8_t)w->m[r][g];
        for (uint32_t j = 0; j < 8; j++)
            for (uint32_t h = 0; h < 2; h++)
                for (uint32_t i = 0; i < 16; i++) {
                    uint32_t col = 32 * g + 4 * j + i % 4;
                    int32_t low = w->q[8 * h + i / 4][col];
                    int32_t high = w->q[8 * h + 4 + i / 4][col];
                    *panel++ = (uint8_t)((low + 8) | ((high & 15) << 4));
                }
    }
}

uint32_t plain_place(uint32_t tokens, bool pairs, uint32_t t, uint32_t k)
{
    if (pairs && tokens == 4) /* [4][2 pairs][2][8] */
        return (k / 8) * 32 + (t / 2) * 16 + (t % 2) * 8 + k % 8;
    return (k / 4) * 4 * tokens + 4 * t + k % 4; /* [8][tokens][4] */
}

void plain_pack_acts(const plain_acts *x, uint32_t tokens, bool pairs, int8_t *a, int16_t *ne,
                     int16_t *c8, int16_t *c8s)
{
    for (uint32_t g = 0; g < x->groups; g++) {
        for (uint32_t t = 0; t < tokens; t++) {
            for (uint32_t k = 0; k < 32; k++)
                a[32 * tokens * g + plain_place(tokens, pairs, t, k)] = x->a[t][32 * g + k];
            int32_t sum8 = 8 * sum_of(&x->a[t][32 * g]);
            ne[tokens * g + t] = (int16_t)-x->e[t][g];
            c8[tokens * g + t] = (int16_t)sum8;
            c8s[tokens * g + t] = (int16_t)plain_rshr(sum8, x->e[t][g]);
        }
    }
}
