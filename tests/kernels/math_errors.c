/* math_errors.c - how far the own elementary functions, and the reference of each float operation,
 * are from libm in double. Every line has a bound; libm is used here only. */
#include <float.h>
#include <math.h>

#include "harness.h"
#include "math.h"
#include "suite.h"

typedef double measure(double x); /* the error at x */

static double relative(double got, double exact)
{
    return fabs(got - exact) / fabs(exact);
}

static double f(double x)
{
    return (double)(float)x;
}

static double error_expf(double x)
{
    return relative((double)lc_expf((float)x), exp(f(x)));
}

static double error_tanhf(double x)
{
    return relative((double)lc_tanhf((float)x), tanh(f(x)));
}

static double error_erff(double x)
{
    return fabs((double)lc_erff((float)x) - erf(f(x)));
}

static double error_silu(double x)
{
    return relative((double)lc_silu((float)x), f(x) / (1.0 + exp(-f(x))));
}

static double error_gelu_tanh(double x)
{
    double v = f(x);
    double u = sqrt(2.0 / 3.14159265358979323846) * (v + 0.044715 * v * v * v);
    return fabs((double)lc_gelu_tanh((float)x) - 0.5 * v * (1.0 + tanh(u)));
}

static double error_gelu_erf(double x)
{
    return fabs((double)lc_gelu_erf((float)x) - 0.5 * f(x) * erfc(-f(x) / sqrt(2.0)));
}

static double error_exp(double x)
{
    return relative(lc_exp(x), exp(x));
}

static double error_log(double x)
{
    double v = exp(x);
    return fabs(lc_log(v) - log(v)) / fmax(1.0, fabs(log(v)));
}

static double error_sin(double x)
{
    return fabs(lc_sin(x) - sin(x));
}

static double error_cos(double x)
{
    return fabs(lc_cos(x) - cos(x));
}

static void table_row(const char *name, measure *error, const char *kind, double low, double high,
                      double bound)
{
    enum { STEPS = 200000 };
    double worst = 0.0, where = low;
    for (uint32_t i = 0; i <= STEPS; i++) {
        double jitter = (double)(random_u64() >> 11) / 9007199254740992.0;
        double at = low + (high - low) * ((double)i + (i < STEPS ? jitter : 0.0)) / STEPS;
        double e = error(at);
        if (!(e <= worst)) {
            worst = e;
            where = at;
        }
    }
    result(name, worst <= bound, "error %.2e %s at %.6g, bound %.1e, on [%g, %g]", worst, kind,
           where, bound, low, high);
}

static void elementary(void)
{
    table_row("expf", error_expf, "relative", -87.0, 88.0, 2.5e-7);
    table_row("tanhf", error_tanhf, "relative", -12.0, 12.0, 2.5e-7);
    table_row("erff", error_erff, "absolute", -6.0, 6.0, 6e-7);
    table_row("silu", error_silu, "relative", -20.0, 20.0, 3.5e-7);
    table_row("gelu_tanh", error_gelu_tanh, "absolute", -20.0, 20.0, 7e-7);
    table_row("gelu_erf", error_gelu_erf, "absolute", -20.0, 20.0, 7e-7);
    table_row("exp", error_exp, "relative", -700.0, 700.0, 1e-15);
    table_row("log", error_log, "relative", -700.0, 700.0, 1e-15);
    table_row("sin", error_sin, "absolute", -1e5, 1e5, 1e-15);
    table_row("cos", error_cos, "absolute", -1e5, 1e5, 1e-15);
}

static void limits(void)
{
    bool ok = lc_expf(-1e30f) == lc_expf(LC_EXPF_MIN) && lc_expf(1e30f) == lc_expf(LC_EXPF_MAX);
    ok = ok && lc_expf(LC_EXPF_MIN) >= FLT_MIN && lc_expf(LC_EXPF_MAX) <= FLT_MAX;
    ok = ok && lc_sin(0.0) == 0.0 && lc_cos(0.0) == 1.0 && lc_log(1.0) == 0.0 && lc_exp(0.0) == 1.0;
    ok = ok && lc_silu(-1e30f) <= 0.0f && lc_silu(1e30f) == 1e30f && lc_gelu_tanh(1e30f) == 1e30f;
    ok = ok && lc_gelu_erf(-1e30f) <= 0.0f && lc_sqrtf(2.0f) == sqrtf(2.0f);
    result("math limits", ok, "clamps, zeros, large arguments");
}

/* ---- the reference of each float operation against double ---- */

enum { N = 173, HEAD = 36, KEYS = 29 };

static float x[N], gain[N], bias[N], y[N];

static void fill(float *p, uint32_t n, float size)
{
    for (uint32_t i = 0; i < n; i++)
        p[i] = random_float(size);
}

static double worst_of(const float *got, const double *exact, uint32_t n)
{
    double worst = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        double e = fabs((double)got[i] - exact[i]);
        if (!(e <= worst)) /* fmax here makes GCC 12's vectoriser fail for aarch64 */
            worst = e;
    }
    return worst;
}

static void norms(const lc_kernels *k)
{
    double exact[N], sum = 0.0, square = 0.0, var = 0.0;
    fill(x, N, 2.0f);
    fill(gain, N, 1.0f);
    fill(bias, N, 1.0f);
    for (uint32_t i = 0; i < N; i++) {
        sum += (double)x[i];
        square += (double)x[i] * (double)x[i];
    }
    for (uint32_t i = 0; i < N; i++)
        exact[i] = (double)x[i] / sqrt(square / N + 1e-5) * (double)gain[i];
    k->rmsnorm(x, gain, N, 1e-5f, y);
    double worst = worst_of(y, exact, N);
    result("rmsnorm value", worst < 1e-6, "error %.2e, bound 1e-6", worst);
    for (uint32_t i = 0; i < N; i++)
        var += ((double)x[i] - sum / N) * ((double)x[i] - sum / N);
    for (uint32_t i = 0; i < N; i++)
        exact[i] = ((double)x[i] - sum / N) / sqrt(var / N + 1e-5) * (double)gain[i] +
                   (double)bias[i];
    k->layernorm(x, gain, bias, N, 1e-5f, y);
    worst = worst_of(y, exact, N);
    result("layernorm value", worst < 1e-6, "error %.2e, bound 1e-6", worst);
}

static void softmax_exact(double *p, uint32_t n)
{
    double top = p[0], sum = 0.0;
    for (uint32_t i = 0; i < n; i++)
        top = fmax(top, p[i]);
    for (uint32_t i = 0; i < n; i++)
        sum += p[i] = exp(p[i] - top);
    for (uint32_t i = 0; i < n; i++)
        p[i] /= sum;
}

static void attention(const lc_kernels *k)
{
    static float keys[KEYS * HEAD], values[KEYS * HEAD];
    float scores[KEYS], out[HEAD];
    double p[KEYS] = {0}, exact[HEAD] = {0};
    fill(x, HEAD, 2.0f);
    fill(keys, KEYS * HEAD, 2.0f);
    fill(values, KEYS * HEAD, 2.0f);
    for (uint32_t t = 2; t < KEYS; t++) {
        for (uint32_t d = 0; d < HEAD; d++)
            p[t - 2] += (double)x[d] * (double)keys[t * HEAD + d];
        p[t - 2] *= (double)0.25f;
    }
    softmax_exact(p, KEYS - 2);
    for (uint32_t t = 2; t < KEYS; t++)
        for (uint32_t d = 0; d < HEAD; d++)
            exact[d] += p[t - 2] * (double)values[t * HEAD + d];
    const lc_attention a = {.kind = LC_KV_F32,
                            .k = keys + 2 * HEAD,
                            .v = values + 2 * HEAD,
                            .stride = HEAD,
                            .keys = KEYS - 2,
                            .head_dim = HEAD,
                            .scale = 0.25f,
                            .q = x,
                            .queries = 1,
                            .scores = scores,
                            .out = out};
    k->attend(&a);
    double worst = worst_of(out, exact, HEAD);
    result("attend value", worst < 3e-6, "error %.2e, bound 3e-6", worst);
}

static double rope_error(const lc_kernels *k, bool neox)
{
    enum { DIMS = HEAD - 4 };
    float rot[DIMS];
    double exact[HEAD];
    fill(rot, DIMS, 1.0f);
    fill(x, HEAD, 2.0f);
    for (uint32_t i = 0; i < HEAD; i++)
        exact[i] = (double)x[i];
    for (uint32_t i = 0; i < DIMS / 2; i++) {
        uint32_t p = neox ? i : 2 * i, q = neox ? i + DIMS / 2 : 2 * i + 1;
        double c = (double)rot[2 * i], s = (double)rot[2 * i + 1];
        exact[p] = (double)x[p] * c - (double)x[q] * s;
        exact[q] = (double)x[p] * s + (double)x[q] * c;
    }
    k->rope(x, 1, HEAD, DIMS, rot, neox);
    return worst_of(x, exact, HEAD);
}

static void rope(const lc_kernels *k)
{
    double pairs = rope_error(k, false), halves = rope_error(k, true);
    result("rope value", pairs < 1e-6 && halves < 1e-6, "errors %.2e, %.2e, bound 1e-6", pairs,
           halves);
}

static void gates(const lc_kernels *k)
{
    bool ok = true;
    fill(x, N, 8.0f);
    fill(gain, N, 2.0f);
    for (uint32_t i = 0; i < N; i++)
        y[i] = x[i];
    k->add(y, gain, N);
    for (uint32_t i = 0; i < N; i++)
        ok = ok && y[i] == x[i] + gain[i];
    k->act_mul(LC_SILU, x, gain, N, y);
    for (uint32_t i = 0; i < N; i++)
        ok = ok && y[i] == lc_silu(x[i]) * gain[i];
    k->act_mul(LC_GELU_TANH, x, NULL, N, y);
    for (uint32_t i = 0; i < N; i++)
        ok = ok && y[i] == lc_gelu_tanh(x[i]);
    k->act_mul(LC_GELU_ERF, x, NULL, N, y);
    for (uint32_t i = 0; i < N; i++)
        ok = ok && y[i] == lc_gelu_erf(x[i]);
    result("gate values", ok, "add, silu, gelu_tanh, gelu_erf");
}

void suite_math(void)
{
    elementary();
    limits();
    norms(lc_level_at(0));
    attention(lc_level_at(0));
    rope(lc_level_at(0));
    gates(lc_level_at(0));
}
