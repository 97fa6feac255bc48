/* The quantisers against a second implementation, written straight from the rules with libm's rint,
 * and against what the format promises. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../runtime/model.h"
#include "../../tools/pack/gguf_types.h"
#include "../../tools/pack/quant.h"
#include "../../tools/pack/real.h"

#define COLS_MAX 512u

/* ---- numbers ---- */

static uint64_t seed;

static double uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return ((double)(seed >> 11) + 0.5) / 9007199254740992.0;
}

static double gaussian(void)
{
    return sqrt(-2.0 * log(uniform())) * cos(6.283185307179586 * uniform());
}

static double laplace(void)
{
    double u = uniform() - 0.5;
    return (u < 0 ? 1.0 : -1.0) * log(1.0 - 2.0 * fabs(u));
}

static float *matrix(uint32_t rows, uint32_t cols, double (*draw)(void), uint64_t from)
{
    float *w = malloc((size_t)rows * cols * sizeof(float));
    seed = from;
    for (size_t i = 0; i < (size_t)rows * cols; i++) {
        w[i] = (float)(0.02 * draw());
    }
    return w;
}

/* ---- the second implementation: one group of n columns, padding left out ---- */

static double clamp(double x, double low, double high)
{
    return fmin(fmax(rint(x), low), high);
}

/* Sums run over four lanes by column, as the rules say. */
typedef struct lanes {
    double v[4];
} lanes;

static double total(lanes l)
{
    return (l.v[0] + l.v[1]) + (l.v[2] + l.v[3]);
}

static double square_error(const double *w, uint32_t n, const double *q, double d, double b)
{
    lanes l = {{0}};
    for (uint32_t k = 0; k < n; k++) {
        double e = w[k] - (d * q[k] + b);
        l.v[k % 4] += e * e;
    }
    return total(l);
}

static void to_q(const double *w, uint32_t n, double d, double b, double *q)
{
    for (uint32_t k = 0; k < n; k++) {
        q[k] = clamp((w[k] - b) / d, -8, 7);
    }
}

static const double CS[15] = {5.5, 6,   6.4, 6.7, 7,   7.2, 7.4, 7.6,
                              7.8, 8.0, 8.2, 8.5, 8.8, 9.2, 9.8};

static double greatest(const double *w, uint32_t n)
{
    double most = 0;
    for (uint32_t k = 0; k < n; k++) {
        most = fmax(most, fabs(w[k]));
    }
    return most;
}

/* The 30 scales worth trying, each after one least-squares step. Returns |best|. */
static double candidates(const double *w, uint32_t n, double *d)
{
    double q[32], zero[32] = {0}, most = greatest(w, n), found = 0;
    double best = square_error(w, n, zero, 0, 0);
    for (uint32_t i = 0; i < 30; i++) {
        d[i] = 0;
        if (most == 0) {
            continue;
        }
        to_q(w, n, (i & 1 ? -most : most) / CS[i >> 1], 0, q);
        lanes qw = {{0}}, qq = {{0}};
        for (uint32_t k = 0; k < n; k++) {
            qw.v[k % 4] += q[k] * w[k];
            qq.v[k % 4] += q[k] * q[k];
        }
        d[i] = total(qw) / total(qq);
        to_q(w, n, d[i], 0, q);
        double e = square_error(w, n, q, d[i], 0);
        if (e < best) {
            best = e;
            found = fabs(d[i]);
        }
    }
    return found;
}

static uint32_t width(uint32_t cols, uint32_t g)
{
    return cols - 32 * g < 32 ? cols - 32 * g : 32;
}

static void choose(const double *w, uint32_t n, const double *d, double rs, int8_t *s, int8_t *out)
{
    double q[32], zero[32] = {0}, best = square_error(w, n, zero, 0, 0);
    *s = 0;
    memset(out, 0, 32);
    for (uint32_t i = 0; i < 30; i++) {
        double c = clamp(d[i] / rs, -127, 127);
        if (c == 0) {
            continue;
        }
        to_q(w, n, c * rs, 0, q);
        double e = square_error(w, n, q, c * rs, 0);
        if (e < best) {
            best = e;
            *s = (int8_t)c;
            for (uint32_t k = 0; k < n; k++) {
                out[k] = (int8_t)q[k];
            }
        }
    }
}

static void plain_t16(const float *row, uint32_t cols, float *rs, int8_t *q, int8_t *s)
{
    double w[COLS_MAX], d[COLS_MAX / 32][30], most = 0;
    uint32_t groups = (cols + 31) / 32;
    for (uint32_t k = 0; k < cols; k++) {
        w[k] = (double)row[k];
    }
    for (uint32_t g = 0; g < groups; g++) {
        most = fmax(most, candidates(w + 32 * g, width(cols, g), d[g]));
    }
    *rs = (float)(most / 127);
    for (uint32_t pass = 0; pass < 2 && *rs > 0; pass++) {
        double above = 0, below = 0, scale = (double)*rs;
        for (uint32_t g = 0; g < groups; g++) {
            choose(w + 32 * g, width(cols, g), d[g], scale, &s[g], q + 32 * g);
        }
        for (uint32_t g = 0; g < groups; g++) {
            lanes a = {{0}}, b = {{0}};
            for (uint32_t k = 0; k < width(cols, g); k++) {
                double sq = s[g] * q[32 * g + k];
                a.v[k % 4] += sq * w[32 * g + k];
                b.v[k % 4] += sq * sq;
            }
            above += total(a);
            below += total(b);
        }
        *rs = (float)(above / below);
    }
}

static void best_line(const double *w, uint32_t n, double *best_d, double *best_b)
{
    static const double grid[8] = {1.02, .98, .94, .9, .86, .82, .78, .74};
    double low = w[0], high = w[0], best = -1, q[32];
    for (uint32_t k = 0; k < n; k++) {
        low = fmin(low, w[k]);
        high = fmax(high, w[k]);
    }
    double middle = (low + high) / 2;
    *best_d = 0;
    *best_b = middle;
    for (uint32_t i = 0; i < 64 && low < high; i++) {
        double a = middle + (low - middle) * grid[i / 8];
        double d = (middle + (high - middle) * grid[i % 8] - a) / 15, b = a + 8 * d;
        to_q(w, n, d, b, q);
        lanes sq = {{0}}, sqq = {{0}}, sw = {{0}}, sqw = {{0}};
        for (uint32_t k = 0; k < n; k++) {
            sq.v[k % 4] += q[k];
            sqq.v[k % 4] += q[k] * q[k];
            sw.v[k % 4] += w[k];
            sqw.v[k % 4] += q[k] * w[k];
        }
        double det = n * total(sqq) - total(sq) * total(sq);
        double fit = det > 0 ? (n * total(sqw) - total(sq) * total(sw)) / det : 0;
        if (fit > 0) {
            d = fit;
            b = (total(sw) - d * total(sq)) / n;
        }
        to_q(w, n, d, b, q);
        double e = square_error(w, n, q, d, b);
        if (best < 0 || e < best) {
            best = e;
            *best_d = d;
            *best_b = b;
        }
    }
}

static void plain_t16a(const float *row, uint32_t cols, float *rs, int8_t *q, int8_t *s, int8_t *m)
{
    double w[COLS_MAX], d[COLS_MAX / 32], b[COLS_MAX / 32], most = 0;
    uint32_t groups = (cols + 31) / 32;
    for (uint32_t k = 0; k < cols; k++) {
        w[k] = (double)row[k];
    }
    for (uint32_t g = 0; g < groups; g++) {
        best_line(w + 32 * g, width(cols, g), &d[g], &b[g]);
        most = fmax(most, fmax(d[g] / 127, fabs(b[g]) / 1016));
    }
    *rs = (float)most;
    for (uint32_t g = 0; g < groups && most > 0; g++) {
        double scale = (double)*rs;
        s[g] = (int8_t)clamp(d[g] / scale, 1, 127);
        m[g] = (int8_t)clamp(b[g] / (8 * scale), -127, 127);
        for (uint32_t k = 32 * g; k < 32 * g + width(cols, g); k++) {
            q[k] = (int8_t)clamp((w[k] - 8 * m[g] * scale) / (s[g] * scale), -8, 7);
        }
    }
}

/* ---- rows ---- */

static const uint32_t WIDTHS[] = {1, 31, 32, 33, 64, 172, 512};

typedef struct row_memory {
    lc_quant_row row;
    int8_t q[COLS_MAX], s[COLS_MAX / 32], m[COLS_MAX / 32];
} row_memory;

static void row_init(row_memory *r)
{
    memset(r, 0x55, sizeof *r);
    r->row = (lc_quant_row){.q = r->q, .s = r->s, .m = r->m};
}

/* What every writer promises: limits, q 0 wherever s is 0 and in padding. */
static void check_canonical(const row_memory *r, uint32_t cols)
{
    for (uint32_t k = 0; k < (cols + 31) / 32 * 32; k++) {
        int8_t s = r->s[k / 32], m = r->m[k / 32];
        assert_in_range(r->q[k] + 8, 0, 15);
        assert_true(s >= -127 && m >= -127);
        if (s == 0 || k >= cols) {
            assert_int_equal(r->q[k], 0);
        }
    }
}

static void compare_rows(double (*draw)(void), uint64_t from)
{
    for (size_t i = 0; i < sizeof WIDTHS / sizeof WIDTHS[0]; i++) {
        uint32_t cols = WIDTHS[i], groups = (cols + 31) / 32;
        float *w = matrix(8, cols, draw, from + i), rs = 0;
        lc_quant_work work;
        assert_true(lc_quant_work_init(&work, cols));
        for (uint32_t r = 0; r < 8; r++) {
            row_memory fast, plain = {.q = {0}};
            row_init(&fast);
            assert_true(lc_quant_row_t16(w + r * cols, cols, &work, &fast.row));
            plain_t16(w + r * cols, cols, &rs, plain.q, plain.s);
            assert_memory_equal(&fast.row.rs, &rs, sizeof rs);
            assert_memory_equal(fast.s, plain.s, groups);
            assert_memory_equal(fast.m, plain.m, groups);
            assert_memory_equal(fast.q, plain.q, groups * 32);
            check_canonical(&fast, cols);

            row_init(&fast);
            plain = (row_memory){.q = {0}};
            assert_true(lc_quant_row_t16a(w + r * cols, cols, &work, &fast.row));
            plain_t16a(w + r * cols, cols, &rs, plain.q, plain.s, plain.m);
            assert_memory_equal(&fast.row.rs, &rs, sizeof rs);
            assert_memory_equal(fast.s, plain.s, groups);
            assert_memory_equal(fast.m, plain.m, groups);
            assert_memory_equal(fast.q, plain.q, groups * 32);
            check_canonical(&fast, cols);
        }
        lc_quant_work_free(&work);
        free(w);
    }
}

static void rows_equal_the_plain_search(void **state)
{
    (void)state;
    compare_rows(gaussian, 1);
    compare_rows(laplace, 100);
}

/* Zero groups inside a row, groups far smaller than others, constants. */
static double patchy(void)
{
    static uint32_t i;
    uint32_t group = i++ / 32 % 4;
    return group == 0 ? 0.0 : group == 1 ? 1e-4 * gaussian() : group == 2 ? 3.0 : gaussian();
}

static void odd_rows_equal_the_plain_search(void **state)
{
    (void)state;
    compare_rows(patchy, 7);
}

static void r8_rows_follow_the_rule(void **state)
{
    (void)state;
    float w[40];
    row_memory r;
    row_init(&r);
    seed = 3;
    for (uint32_t k = 0; k < 40; k++) {
        w[k] = (float)gaussian();
    }
    w[17] = -9.0f;
    assert_true(lc_quant_row_r8(w, 40, &r.row));
    assert_true(r.row.rs == (float)(9.0 / 127.0));
    assert_int_equal(r.q[17], -127);
    for (uint32_t k = 0; k < 64; k++) {
        double want = k < 40 ? rint((double)w[k] / (double)r.row.rs) : 0.0;
        assert_int_equal(r.q[k], (int8_t)want);
    }
}

static void zero_and_tiny_rows_are_zero(void **state)
{
    (void)state;
    static const float sizes[] = {0.0f, 1e-38f, 0x1p-126f};
    for (uint32_t i = 0; i < 3; i++) {
        float w[64];
        row_memory r;
        lc_quant_work work;
        for (uint32_t k = 0; k < 64; k++) {
            w[k] = k % 2 ? sizes[i] : -sizes[i];
        }
        assert_true(lc_quant_work_init(&work, 64));
        for (uint32_t type = 0; type < 3; type++) {
            static const int8_t zeros[64];
            row_init(&r);
            bool ok = type == 0   ? lc_quant_row_t16(w, 64, &work, &r.row)
                      : type == 1 ? lc_quant_row_t16a(w, 64, &work, &r.row)
                                  : lc_quant_row_r8(w, 64, &r.row);
            assert_true(ok && r.row.rs == 0.0f);
            assert_memory_equal(r.q, zeros, 64);
            if (type < 2) {
                assert_memory_equal(r.s, zeros, 2);
                assert_memory_equal(r.m, zeros, 2);
            }
        }
        lc_quant_work_free(&work);
    }
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    const float bad[] = {NAN, INFINITY, -INFINITY, 0x1p120f};
    for (uint32_t i = 0; i < 4; i++) {
        for (uint32_t at = 0; at < 40; at += 13) {
            float w[40] = {0};
            row_memory r;
            lc_quant_work work;
            w[at] = bad[i];
            row_init(&r);
            assert_true(lc_quant_work_init(&work, 40));
            assert_false(lc_quant_row_t16(w, 40, &work, &r.row));
            assert_false(lc_quant_row_t16a(w, 40, &work, &r.row));
            assert_false(lc_quant_row_r8(w, 40, &r.row));
            lc_quant_work_free(&work);
        }
    }
}

/* ---- Q4_0 kept ---- */

static void q4_0_keeps_its_nibbles(void **state)
{
    (void)state;
    /* d = 1, -0.5, 2^-24 (rounds to s = 0), 0 */
    static const uint16_t d[4] = {0x3c00, 0xb800, 0x0001, 0x0000};
    static const int8_t s[4] = {127, -64, 0, 0}; /* 63.5 rounds to even */
    uint8_t blocks[4 * LC_Q4_0_BYTES];
    row_memory r;
    seed = 5;
    for (uint32_t i = 0; i < sizeof blocks; i++) {
        blocks[i] = (uint8_t)(uniform() * 256.0);
    }
    for (uint32_t g = 0; g < 4; g++) {
        blocks[g * 18] = (uint8_t)d[g];
        blocks[g * 18 + 1] = (uint8_t)(d[g] >> 8);
    }
    row_init(&r);
    assert_true(lc_quant_row_q4_0(blocks, 128, &r.row));
    assert_true(r.row.rs == (float)(1.0 / 127.0));
    assert_memory_equal(r.s, s, 4);
    for (uint32_t k = 0; k < 128; k++) {
        const uint8_t byte = blocks[k / 32 * 18 + 2 + k % 16];
        int32_t q = (k % 32 < 16 ? byte & 15 : byte >> 4) - 8;
        assert_int_equal(r.q[k], s[k / 32] ? q : 0);
    }
    check_canonical(&r, 128);
    blocks[1] = 0x7c; /* infinite */
    blocks[0] = 0;
    assert_false(lc_quant_row_q4_0(blocks, 128, &r.row));
}

/* ---- matrices ---- */

typedef struct source {
    const float *w;
    uint32_t cols;
} source;

static void source_row(const void *ctx, uint32_t r, float *out)
{
    const source *s = ctx;
    memcpy(out, s->w + (size_t)r * s->cols, s->cols * sizeof(float));
}

static uint8_t *quantise(uint32_t type, const float *w, uint32_t rows, uint32_t cols,
                         uint32_t threads, double *db)
{
    source s = {w, cols};
    lc_quant_source from = {.rows = rows, .cols = cols, .row = source_row, .ctx = &s};
    uint8_t *out = calloc(1, (size_t)lc_quant_bytes(type, rows, cols));
    assert_int_equal(lc_quant_matrix(type, &from, threads, out, db, NULL), LC_OK);
    return out;
}

/* The value at (r, k) as FORMAT.md reads it. */
static double stored(uint32_t type, const uint8_t *data, uint32_t rows, uint32_t cols, uint32_t r,
                     uint32_t k)
{
    const float *scale =
        (const void *)(data + LC_ROUND_UP(lc_mat_data_bytes(type, rows, cols), 64));
    if (type == LC_W_F32) {
        return (double)((const float *)(const void *)data)[r * cols + k];
    }
    if (type == LC_W_R8) {
        return (double)scale[r] * (int8_t)data[r * ((cols + 31) / 32 * 32) + k];
    }
    uint32_t bytes = type == LC_W_T16 ? 272 : 288, head = bytes - 256, row = r % 16, j = k % 32 / 4;
    const uint8_t *tile = data + (size_t)(r / 16 * ((cols + 31) / 32) + k / 32) * bytes;
    uint8_t byte = tile[head + j * 32 + row / 8 * 16 + row % 4 * 4 + k % 4];
    int32_t q = row % 8 < 4 ? (byte & 15) - 8 : (byte >> 4) - (byte & 0x80 ? 16 : 0);
    int32_t m = type == LC_W_T16 ? 0 : (int8_t)tile[16 + row];
    return (double)scale[r] * ((int8_t)tile[row] * q + 8 * m);
}

static void stored_bytes_hold_the_weights(void **state)
{
    (void)state;
    static const uint32_t shapes[][2] = {{1, 1}, {16, 32}, {17, 33}, {40, 172}, {5, 100}};
    static const double least[LC_W_COUNT] = {0, 15, 16, 30}; /* dB; tiny shapes vary */
    for (uint32_t i = 0; i < 5; i++) {
        uint32_t rows = shapes[i][0], cols = shapes[i][1];
        float *w = matrix(rows, cols, gaussian, 40 + i);
        for (uint32_t type = 0; type < LC_W_COUNT; type++) {
            double db, signal = 0, noise = 0;
            uint8_t *out = quantise(type, w, rows, cols, 1, &db);
            for (uint32_t n = 0; n < rows * cols; n++) {
                double v = (double)w[n], e = v - stored(type, out, rows, cols, n / cols, n % cols);
                signal += v * v;
                noise += e * e;
            }
            if (type == LC_W_F32) {
                assert_true(noise == 0 && isinf(db));
            } else {
                assert_true(noise == 0 || 10 * log10(signal / noise) > least[type]);
                assert_true(isinf(db) || fabs(10 * log10(signal / noise) - db) < 1e-6);
            }
            free(out);
        }
        free(w);
    }
}

/* Loss of llama.cpp's Q4_0 rule: d = the weight of largest size / -8, rounded to a half (left out
 * here, which only helps it), q = round(w / d). */
static double q4_0_db(const float *w, uint32_t count)
{
    double signal = 0, noise = 0;
    for (uint32_t g = 0; g < count; g += 32) {
        double most = 0;
        for (uint32_t k = g; k < g + 32; k++) {
            most = fabs((double)w[k]) > fabs(most) ? (double)w[k] : most;
        }
        double d = most / -8;
        for (uint32_t k = g; k < g + 32; k++) {
            double v = (double)w[k], e = v - d * clamp(v / d, -8, 7);
            signal += v * v;
            noise += e * e;
        }
    }
    return 10 * log10(signal / noise);
}

/* The design promises 0.4 dB over Q4_0 for the signed scale search on gaussian weights, about 1.2
 * dB more for T16A. */
static void check_losses(double (*draw)(void), const char *name, double over)
{
    float *w = matrix(64, 512, draw, 11);
    double t16, t16a, r8, q4 = q4_0_db(w, 64 * 512);
    free(quantise(LC_W_T16, w, 64, 512, 1, &t16));
    free(quantise(LC_W_T16A, w, 64, 512, 1, &t16a));
    free(quantise(LC_W_R8, w, 64, 512, 1, &r8));
    free(w);
    print_message("%s: Q4_0 %.2f T16 %.2f T16A %.2f R8 %.2f dB\n", name, q4, t16, t16a, r8);
    assert_true(t16 > q4 + over && t16a > t16 + 1.0 && r8 > t16a + 12.0);
}

static void losses_are_as_designed(void **state)
{
    (void)state;
    check_losses(gaussian, "gaussian", 0.4);
    /* No promise here: trying every s gains no more than 0.40 dB on such weights. */
    check_losses(laplace, "laplace", 0.3);
}

static void threads_change_nothing(void **state)
{
    (void)state;
    float *w = matrix(100, 172, gaussian, 9);
    for (uint32_t type = 0; type < LC_W_COUNT; type++) {
        double one, many;
        uint8_t *a = quantise(type, w, 100, 172, 1, &one);
        for (uint32_t threads = 2; threads < 12; threads += 3) {
            uint8_t *b = quantise(type, w, 100, 172, threads, &many);
            assert_memory_equal(a, b, (size_t)lc_quant_bytes(type, 100, 172));
            assert_memory_equal(&one, &many, sizeof one);
            free(b);
        }
        free(a);
    }
    free(w);
}

static void a_bad_row_is_named(void **state)
{
    (void)state;
    float *w = matrix(50, 40, gaussian, 2);
    source s = {w, 40};
    lc_quant_source from = {.rows = 50, .cols = 40, .row = source_row, .ctx = &s};
    w[41 * 40 + 3] = INFINITY;
    w[33 * 40 + 39] = NAN;
    for (uint32_t type = 0; type < LC_W_COUNT; type++) {
        uint8_t *out = calloc(1, (size_t)lc_quant_bytes(type, 50, 40));
        double db;
        lc_diag diag = {0};
        assert_int_equal(lc_quant_matrix(type, &from, 3, out, &db, &diag), LC_ERR_NUMBER);
        assert_int_equal(diag.offset, 33);
        free(out);
    }
    free(w);
}

/* ---- logarithm and exponential of the packer ---- */

static void own_functions_are_close_to_libm(void **state)
{
    (void)state;
    double worst = 0;
    for (double x = 1e-6; x < 1e12; x *= 1.37) {
        worst = fmax(worst, fabs(lc_real_log(x) - log(x)) / fmax(1.0, fabs(log(x))));
        for (double y = 0.0; y >= -1.0; y -= 0.0625) {
            worst = fmax(worst, fabs(lc_real_pow(x, y) / pow(x, y) - 1.0) / 16.0);
        }
    }
    assert_true(worst < 4e-16);
    assert_true(lc_real_log(1.0) == 0.0 && lc_real_exp(0.0) == 1.0);
    assert_true(fabs(lc_real_db(1000.0, 1.0) - 30.0) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_equal_the_plain_search),
        cmocka_unit_test(odd_rows_equal_the_plain_search),
        cmocka_unit_test(r8_rows_follow_the_rule),
        cmocka_unit_test(zero_and_tiny_rows_are_zero),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(q4_0_keeps_its_nibbles),
        cmocka_unit_test(stored_bytes_hold_the_weights),
        cmocka_unit_test(losses_are_as_designed),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(a_bad_row_is_named),
        cmocka_unit_test(own_functions_are_close_to_libm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
