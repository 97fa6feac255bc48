/* attend.c - keys and values as a cache keeps them, and attention over them: every level gives the
 * bits of ref, and ref those of plain arithmetic. */
#include <math.h>

#include "harness.h"
#include "math.h"
#include "suite.h"

enum { HEAD_MAX = 128, KEYS_MAX = 128, VALUES_MAX = 1 << 16 };

static guard g_q, g_k, g_v, g_ks, g_vs, g_s, g_out;
static float want[VALUES_MAX], scores_want[LC_QUERIES * KEYS_MAX];

static const char *const kinds[] = {"", "f32", "f16", "i8"};
static const size_t value_bytes[] = {0, 4, 2, 1};

static const lc_kernels *ref(void)
{
    return lc_level_at(0);
}

static float *place_random(guard *g, size_t n, float size)
{
    float *x = guard_place(g, n * sizeof *x, 0);
    for (size_t i = 0; i < n; i++)
        x[i] = random_float(size);
    return x;
}

/* ---- keeping ---- */

/* binary16 nearest to x, ties to even, from the meaning of the format. */
static double plain_half(float x)
{
    double magnitude = fabs((double)x);
    int exponent = magnitude > 0.0 ? ilogb(magnitude) : -14;
    double unit = ldexp(1.0, (exponent < -14 ? -14 : exponent) - 10);
    double rounded = nearbyint(magnitude / unit) * unit;
    return copysign(rounded > 65504.0 ? INFINITY : rounded, (double)x);
}

/* Floats of every exponent, and some right between two halves. */
static float any_float(uint32_t i)
{
    uint32_t bits = (uint32_t)random_u64();
    if (i % 3 == 0) /* within the range of halves */
        bits = (bits & 0x80ffffffu) | (uint32_t)random_in(100, 143) << 23;
    if (i % 5 == 0)
        bits = (bits & ~0x1fffu) | (i % 2 ? 0x1000u : 0x0fffu);
    return lc_float_from_bits(bits);
}

static void halves_mean_what_they_say(void)
{
    double worst = 0.0;
    bool same = true, back = true;
    for (uint32_t i = 0; i < 200000; i++) {
        float x = any_float(i);
        float got = lc_half_to_float(lc_half_from_float(x));
        same = same && (isnan(x) ? isnan(got) : (double)got == plain_half(x));
        same = same && signbit(got) == signbit(x);
        if (fabsf(x) > 0x1p-14f && fabsf(x) < 65504.0f)
            worst = fmax(worst, fabs((double)got / (double)x - 1.0));
    }
    for (uint32_t h = 0; h < 65536; h++) {
        float f = lc_half_to_float((uint16_t)h);
        back = back && (isnan(f) ? (h & 0x7fff) > 0x7c00 : lc_half_from_float(f) == h);
    }
    result("half of float", same && worst <= 0x1p-11, "relative error %.2e", worst);
    result("half back again", back, "all 65536");
}

/* Error of 64 values kept as bytes, of the largest of them. */
static double byte_error(float size)
{
    int8_t q[64];
    float scale, *x = place_random(&g_q, 64, size);
    double top = 0.0, worst = 0.0;
    ref()->keep(LC_KV_I8, x, 64, q, &scale);
    for (uint32_t d = 0; d < 64; d++) {
        double error = fabs((double)scale * q[d] - (double)x[d]);
        top = fabs((double)x[d]) > top ? fabs((double)x[d]) : top;
        worst = error > worst ? error : worst;
    }
    return worst / top;
}

static void bytes_mean_what_they_say(void)
{
    double worst = 0.0;
    for (uint32_t i = 0; i < 2000; i++) {
        double error = byte_error(ldexpf(1.0f, random_in(-60, 60)));
        worst = error > worst ? error : worst;
    }
    result("int8 of floats", worst < 0.5001 / 127.0, "error %.5f of the largest", worst);
}

static void check_keep(uint32_t l, uint32_t kind, uint32_t n, uint32_t what)
{
    static uint8_t kept_want[4 * 300];
    float *x = guard_place(&g_q, n * sizeof *x, 0), scale = 7.0f, scale_want = 7.0f;
    for (uint32_t i = 0; i < n; i++)
        x[i] = what == 0 ? random_float(3.0f) : what == 1 ? random_float(1e-38f) : any_float(i);
    uint8_t *out = guard_place(&g_k, n * value_bytes[kind], 0);
    op_case("kind %s n %u values %u", kinds[kind], n, what);
    ref()->keep(kind, x, n, kept_want, &scale_want);
    lc_level_at(l)->keep(kind, x, n, out, &scale);
    op_same(l, out, kept_want, n * value_bytes[kind]);
    op_same(l, &scale, &scale_want, sizeof scale);
    op_true(l, guard_intact(&g_k), "wrote outside out");
}

static void op_keep(void)
{
    static const uint32_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 15, 16, 33, 64, 80, 128, 257};
    op_begin("keep");
    for (uint32_t l = 1; l < lc_level_count(); l++)
        for (uint32_t kind = LC_KV_F32; level_runs(l) && kind <= LC_KV_I8; kind++)
            for (uint32_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
                for (uint32_t repeat = 0; repeat < 12; repeat++)
                    check_keep(l, kind, sizes[i], repeat % 3);
    op_end();
}

/* One key gets all the weight, so its values come out as they are read: all 65536. */
static void op_halves(void)
{
    op_begin("read_half");
    for (uint32_t l = 0; l < lc_level_count(); l++)
        for (uint32_t h = 0; level_runs(l) && h < 65536; h += 64) {
            uint16_t *v = guard_place(&g_v, 64 * sizeof *v, 0);
            float *q = place_random(&g_q, 64, 1.0f), score, out[64];
            for (uint32_t d = 0; d < 64; d++) {
                v[d] = (uint16_t)(h + d);
                want[d] = 0.0f + lc_half_to_float(v[d]);
            }
            uint16_t zero[64] = {0};
            lc_attention a = {.kind = LC_KV_F16, .k = zero, .v = v, .stride = 64, .keys = 1};
            a.head_dim = 64;
            a.scale = 1.0f;
            a.q = q;
            a.queries = 1;
            a.scores = &score;
            a.out = out;
            op_case("from %u", h);
            lc_level_at(l)->attend(&a);
            for (uint32_t d = 0; d < 64; d++)
                if (isnan(want[d]) && isnan(out[d]))
                    want[d] = out[d]; /* which NaN a sum makes is the machine's */
            op_same(l, out, want, sizeof out);
        }
    op_end();
}

/* ---- attention ---- */

/* Keeps n tokens of one head of random values, `stride` values apart, in memory that ends at a
 * guard page; nothing between the heads is written. */
static uint8_t *keep_random(guard *g, guard *g_scale, uint32_t kind, uint32_t n, size_t stride,
                            uint32_t head_dim, float size, const float **scale)
{
    size_t step = value_bytes[kind];
    uint8_t *kept = guard_place(g, ((n - 1) * stride + head_dim) * step, 0);
    float *scales = guard_place(g_scale, n * sizeof *scales, 0), x[HEAD_MAX];
    for (uint32_t t = 0; t < n; t++) {
        for (uint32_t d = 0; d < head_dim; d++)
            x[d] = random_float(size);
        ref()->keep(kind, x, head_dim, kept + t * stride * step, &scales[t]);
    }
    *scale = scales;
    return kept;
}

/* Several queries are several calls of ref for one, for any number of keys they do not share. */
static void check_attend(uint32_t l, lc_attention a, float size)
{
    uint32_t last = a.keys + (a.queries - 1) * a.more;
    uint32_t q_floats = (uint32_t)((a.queries - 1) * a.q_stride + a.head_dim);
    a.stride = a.head_dim + (size_t)random_in(0, 2) * a.head_dim + (size_t)random_in(0, 1);
    a.k = keep_random(&g_k, &g_ks, a.kind, last, a.stride, a.head_dim, size, &a.k_scale);
    a.v = keep_random(&g_v, &g_vs, a.kind, last, a.stride, a.head_dim, 2.0f, &a.v_scale);
    a.q = place_random(&g_q, q_floats, size);
    a.scores = place_random(&g_s, a.queries * LC_ROUND_UP((size_t)last, 4u), 1.0f);
    a.out = place_random(&g_out, q_floats, 1.0f);
    memcpy(want, a.out, q_floats * sizeof *want);
    op_case("kind %s queries %u head_dim %u stride %zu keys %u more %u cap %g", kinds[a.kind],
            a.queries, a.head_dim, a.stride, a.keys, a.more, (double)a.cap);
    for (uint32_t i = 0; i < a.queries; i++) {
        lc_attention one = a;
        one.queries = 1;
        one.keys = a.keys + i * a.more;
        one.q = a.q + i * a.q_stride;
        one.scores = scores_want;
        one.out = want + i * a.q_stride;
        ref()->attend(&one);
    }
    lc_level_at(l)->attend(&a);
    op_same(l, a.out, want, q_floats * sizeof *want);
    if (a.queries == 1)
        op_same(l, a.scores, scores_want, a.keys * sizeof *want);
    op_true(l, guard_intact(&g_out) && guard_intact(&g_s), "wrote outside out or scores");
}

static void check_shape(uint32_t l, uint32_t kind, uint32_t head_dim, uint32_t keys)
{
    for (uint32_t queries = 1; queries <= LC_QUERIES; queries++)
        for (uint32_t more = 0; more < 2; more++) {
            lc_attention a = {.kind = kind, .keys = keys, .more = more, .head_dim = head_dim};
            a.scale = 0.17f;
            a.cap = keys % 3 == 0 ? 5.0f : 0.0f;
            a.queries = queries;
            a.q_stride = head_dim + (size_t)random_in(0, 2) * 5;
            check_attend(l, a, more ? 3.0f : 1.0f);
        }
}

static void op_attend(uint32_t kind, const char *name)
{
    static const uint32_t head_dims[] = {1, 2, 4, 5, 6, 8, 12, 16, 18, 24, 32, 48, 64, 80, 128};
    static const uint32_t keys[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 24, 101};
    op_begin(name);
    for (uint32_t l = 0; l < lc_level_count(); l++)
        for (uint32_t i = 0; level_runs(l) && i < sizeof head_dims / sizeof head_dims[0]; i++)
            for (uint32_t j = 0; j < sizeof keys / sizeof keys[0]; j++)
                check_shape(l, kind, head_dims[i], keys[j]);
    op_end();
}

void suite_attend(void)
{
    guard *const guards[] = {&g_q, &g_k, &g_v, &g_ks, &g_vs, &g_s, &g_out};
    for (size_t i = 0; i < sizeof guards / sizeof guards[0]; i++)
        guard_open(guards[i], VALUES_MAX * 4);
    halves_mean_what_they_say();
    bytes_mean_what_they_say();
    op_keep();
    op_halves();
    op_attend(LC_KV_F32, "attend_f32");
    op_attend(LC_KV_F16, "attend_f16");
    op_attend(LC_KV_I8, "attend_i8");
}
