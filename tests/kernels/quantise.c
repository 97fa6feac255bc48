/* quantise.c - QUANT_ACT at every level against the plain text of numbers.md. */
#include <math.h>

#include "harness.h"
#include "plain.h"
#include "suite.h"

static guard g_x, g_a, g_ne, g_c8, g_c8s, g_scale;
static plain_acts acts;

typedef enum fill {
    FILL_NORMAL,   /* around 1 */
    FILL_OUTLIERS, /* group sizes that differ by powers of two: every exponent */
    FILL_HALVES,   /* products that end in exactly .5 */
    FILL_EQUAL,    /* all of one magnitude */
    FILL_STEPS,    /* group maxima at, just below and just above a power of two of the largest */
    FILL_HUGE,
    FILL_TINY, /* about 2^-100, the border of zero */
    FILL_SUBNORMAL,
    FILL_ZERO,
    FILL_COUNT
} fill;

static float value(fill how, uint32_t i, float border)
{
    uint32_t g = i / 32;
    float sign = random_u64() & 1 ? 1.0f : -1.0f;
    switch (how) {
    case FILL_NORMAL:
        return random_float(1.0f) + random_float(1.0f) + random_float(1.0f);
    case FILL_OUTLIERS:
        return ldexpf(random_float(1.0f), -(int)(g % 11)) + (i == 5 ? 1.5f : 0.0f);
    case FILL_HALVES: /* the largest is 127, so f = 2^e and x * f = n + 0.5 */
        return i == 0 ? 127.0f : ((float)random_in(-126, 126) + 0.5f) * ldexpf(1.0f, -(int)(g % 3));
    case FILL_EQUAL:
        return sign * 3.14159f;
    case FILL_STEPS: {
        float top = ldexpf(1.5f, -(int)(g % 10));
        float near = g % 3 == 0 ? top : g % 3 == 1 ? nextafterf(top, 0.0f) : nextafterf(top, 9.0f);
        return g == 0 ? sign * 1.5f : i % 32 == 7 ? sign * near : random_float(top);
    }
    case FILL_HUGE:
        return i == 1 ? 3.4e38f : random_float(3.4e38f);
    case FILL_TINY:
        return i == 0 ? border : random_float(border);
    case FILL_SUBNORMAL:
        return random_float(1e-38f);
    default:
        return sign * 0.0f;
    }
}

static void check_one(uint32_t l, const float *x, uint32_t cols, uint32_t t, uint32_t tokens)
{
    uint32_t groups = (cols + 31) / 32;
    size_t n = (size_t)groups * tokens;
    static int8_t want_a[4 * PLAIN_COLS_MAX];
    static int16_t want[3][4 * PLAIN_GROUPS_MAX];
    float want_scale[4];
    int8_t *a = guard_place(&g_a, n * 32, 0);
    int16_t *ne = guard_place(&g_ne, n * 2, 0);
    int16_t *c8 = guard_place(&g_c8, n * 2, 0);
    int16_t *c8s = guard_place(&g_c8s, n * 2, 0);
    float *scale = guard_place(&g_scale, tokens * sizeof *scale, 0);
    /* Other tokens' places must stay as they are: the whole block is compared. */
    bool pairs = lc_level_at(l)->pairs;
    plain_pack_acts(&acts, tokens, pairs, want_a, want[0], want[1], want[2]);
    plain_pack_acts(&acts, tokens, pairs, a, ne, c8, c8s);
    memcpy(want_scale, acts.scale, sizeof want_scale);
    memcpy(scale, acts.scale, tokens * sizeof *scale);
    for (uint32_t g = 0; g < groups; g++) { /* spoil token t's place */
        for (uint32_t k = 0; k < 32; k++)
            a[32 * tokens * g + plain_place(tokens, pairs, t, k)] = 99;
        ne[g * tokens + t] = c8[g * tokens + t] = c8s[g * tokens + t] = 999;
    }
    scale[t] = -1.0f;
    bool ok = lc_level_at(l)->quantise(x, cols, t, tokens, a, ne, c8, c8s, scale);
    op_true(l, ok, "refused");
    op_same(l, a, want_a, n * 32);
    op_same(l, ne, want[0], n * 2);
    op_same(l, c8, want[1], n * 2);
    op_same(l, c8s, want[2], n * 2);
    op_same(l, scale, want_scale, tokens * sizeof *scale);
    op_true(l,
            guard_intact(&g_a) && guard_intact(&g_ne) && guard_intact(&g_c8) &&
                guard_intact(&g_c8s) && guard_intact(&g_scale),
            "wrote outside its buffers");
}

static void check_fill(fill how, uint32_t cols, uint32_t tokens, float border)
{
    float *x = guard_place(&g_x, cols * sizeof *x, 0);
    uint32_t t = (uint32_t)random_in(0, (int32_t)tokens - 1);
    for (uint32_t other = 0; other < tokens; other++) {
        for (uint32_t i = 0; i < cols; i++)
            x[i] = value(other == t ? how : FILL_NORMAL, i, border);
        if (other != t)
            plain_quantise(x, cols, &acts, other);
    }
    for (uint32_t i = 0; i < cols; i++)
        x[i] = value(how, i, border);
    plain_quantise(x, cols, &acts, t);
    op_case("cols %u tokens %u place %u fill %d", cols, tokens, t, (int)how);
    for (uint32_t l = 0; l < lc_level_count(); l++)
        if (level_runs(l))
            check_one(l, x, cols, t, tokens);
}

/* A NaN or an infinity anywhere: refused. */
static void check_refusal(uint32_t cols)
{
    static const float bad[] = {INFINITY, -INFINITY, NAN, -NAN};
    int8_t a[1056];
    int16_t ne[33], c8[33], c8s[33];
    float scale;
    for (uint32_t at = 0; at < cols; at++) {
        for (uint32_t i = 0; i < 4; i++) {
            float *x = guard_place(&g_x, cols * sizeof *x, 0);
            for (uint32_t c = 0; c < cols; c++)
                x[c] = random_float(2.0f);
            x[at] = bad[i];
            op_case("cols %u, %g at %u", cols, (double)bad[i], at);
            for (uint32_t l = 0; l < lc_level_count(); l++)
                if (level_runs(l))
                    op_true(l, !lc_level_at(l)->quantise(x, cols, 0, 1, a, ne, c8, c8s, &scale),
                            "accepted");
        }
    }
}

void suite_quantise(void)
{
    static const uint32_t cols[] = {1,  2,  3,  4,   5,   31,  32,   33,
                                    64, 96, 97, 172, 192, 350, 1024, LC_COLS_MAX};
    const float border = ldexpf(1.0f, -100);
    guard_open(&g_x, LC_COLS_MAX * sizeof(float));
    guard_open(&g_a, 4 * LC_COLS_MAX);
    guard_open(&g_ne, 4 * LC_COLS_MAX / 16);
    guard_open(&g_c8, 4 * LC_COLS_MAX / 16);
    guard_open(&g_c8s, 4 * LC_COLS_MAX / 16);
    guard_open(&g_scale, 64);
    op_begin("quantise");
    for (uint32_t i = 0; i < sizeof cols / sizeof cols[0]; i++) {
        for (fill how = 0; how < FILL_COUNT; how++) {
            for (uint32_t repeat = 0; repeat < (cols[i] < 1000 ? 4 : 1); repeat++) {
                check_fill(how, cols[i], 1, border);
                check_fill(how, cols[i], 4, nextafterf(border, 0.0f));
            }
        }
    }
    check_refusal(1);
    check_refusal(37);
    check_refusal(64);
    op_end();
}
