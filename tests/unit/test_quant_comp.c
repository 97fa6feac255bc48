/* Error compensation: the factor it uses, and what it gains where inputs go together. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../tools/pack/dense.h"
#include "../../tools/pack/quant.h"

#define ROWS 32u
#define TOKENS 512u
#define COLS_MAX 140u

static uint64_t seed;

static double uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(seed >> 11) / 9007199254740992.0 - 0.5;
}

static void in_parts(void *ctx, lc_task_fn *fn, void *arg, uint32_t n)
{
    (void)ctx;
    for (uint32_t i = n; i-- > 0;) {
        fn(arg, i, n);
    }
}

/* Inputs of which neighbours go together, and the mean of their products. */
static void make_inputs(uint32_t cols, uint32_t parts, double *x, double *sum)
{
    const lc_tasks tasks = {.count = parts, .run = in_parts};
    uint32_t stride = (cols + 3) / 4 * 4;
    seed = 5;
    for (uint32_t t = 0; t < TOKENS; t++) {
        double last = 0.0;
        for (uint32_t k = 0; k < stride; k++) {
            last = 0.8 * last + uniform();
            x[t * stride + k] = k < cols ? last : 0.0;
        }
    }
    memset(sum, 0, (size_t)cols * cols * sizeof *sum);
    for (uint32_t t = 0; t < TOKENS; t += LC_DENSE_BLOCK) {
        lc_dense_update(&tasks, sum, cols, 1.0 / TOKENS, x + (size_t)t * stride, LC_DENSE_BLOCK,
                        stride);
    }
}

static double element(const double *sum, uint32_t n, uint32_t i, uint32_t j)
{
    return i <= j ? sum[i * n + j] : sum[j * n + i];
}

/* u^T u times the sum is the unit matrix; threads change no bit. */
static void root_of_inverse(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 31, 32, 65, COLS_MAX};
    static double x[TOKENS * (COLS_MAX + 4)], sum[COLS_MAX * COLS_MAX], u[COLS_MAX * COLS_MAX];
    static double again[COLS_MAX * COLS_MAX], work[LC_DENSE_BLOCK * COLS_MAX];
    const lc_tasks one = {.count = 1, .run = in_parts}, three = {.count = 3, .run = in_parts};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        uint32_t n = sizes[s];
        make_inputs(n, 3, x, again);
        make_inputs(n, 1, x, sum);
        assert_memory_equal(sum, again, n * n * sizeof *sum);
        memcpy(u, sum, sizeof u);
        assert_int_equal(lc_dense_inverse_root(&one, u, n, work), 1);
        assert_int_equal(lc_dense_inverse_root(&three, again, n, work), 1);
        assert_memory_equal(u, again, n * n * sizeof *u);
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t j = 0; j < n; j++) {
                double got = 0.0;
                for (uint32_t k = 0; k < n; k++) {
                    for (uint32_t q = 0; q <= i && q <= k; q++) {
                        got += u[q * n + i] * u[q * n + k] * element(sum, n, k, j);
                    }
                }
                assert_true(fabs(got - (i == j)) < 1e-9);
            }
        }
    }
    double not_positive[4] = {1.0, 2.0, 0.0, 1.0};
    assert_int_equal(lc_dense_inverse_root(&one, not_positive, 2, work), 0);
}

static float weights[ROWS * COLS_MAX];

static void weight_row(const void *ctx, uint32_t r, float *out)
{
    uint32_t cols = *(const uint32_t *)ctx;
    memcpy(out, weights + r * cols, cols * sizeof *out);
}

/* Sum of squares of what the outputs lose. */
static double output_loss(const uint8_t *data, uint32_t type, uint32_t cols, const double *sum)
{
    uint32_t groups = (cols + 31) / 32, tile = type == LC_W_T16A ? LC_T16A_BYTES : LC_T16_BYTES;
    size_t scales = LC_ROUND_UP((size_t)(ROWS / 16) * groups * tile, 64);
    double total = 0.0, e[COLS_MAX];
    for (uint32_t r = 0; r < ROWS; r++) {
        float rs;
        memcpy(&rs, data + scales + r * sizeof rs, sizeof rs);
        for (uint32_t k = 0; k < cols; k++) {
            const uint8_t *t = data + ((size_t)(r / 16) * groups + k / 32) * tile;
            const int8_t *s = (const int8_t *)t;
            uint32_t in = r % 16, h = in / 8, low = in % 8 < 4, j = k % 32 / 4;
            const uint8_t *d = t + (type == LC_W_T16A ? 32 : 16);
            uint8_t byte = d[j * 32 + h * 16 + in % 4 * 4 + k % 4];
            int q = low ? (byte & 15) - 8 : (int8_t)byte >> 4;
            double m = type == LC_W_T16A ? (double)s[16 + in] : 0.0;
            e[k] = (double)weights[r * cols + k] - (double)rs * (s[in] * q + 8.0 * m);
        }
        for (uint32_t i = 0; i < cols; i++) {
            for (uint32_t j = 0; j < cols; j++) {
                total += e[i] * e[j] * element(sum, cols, i, j);
            }
        }
    }
    return total;
}

/* At least a third of the loss goes, the same bytes come from any number of threads. */
static void compensation_pays(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {64, COLS_MAX};
    static double x[TOKENS * (COLS_MAX + 4)], sum[COLS_MAX * COLS_MAX], u[COLS_MAX * COLS_MAX];
    static double work[LC_DENSE_BLOCK * COLS_MAX], mean[COLS_MAX];
    const lc_tasks one = {.count = 1, .run = in_parts};
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t cols = sizes[i / 2], type = i % 2 ? LC_W_T16A : LC_W_T16;
        size_t bytes = (size_t)lc_quant_bytes(type, ROWS, cols);
        make_inputs(cols, 1, x, sum);
        memcpy(u, sum, sizeof u);
        assert_int_equal(lc_dense_inverse_root(&one, u, cols, work), 1);
        for (uint32_t k = 0; k < cols; k++) {
            mean[k] = sum[k * cols + k];
        }
        for (uint32_t k = 0; k < ROWS * cols; k++) {
            weights[k] = (float)(uniform() + uniform() + uniform());
        }
        lc_quant_inputs inputs = {mean, u};
        lc_quant_source source = {
            .rows = ROWS, .cols = cols, .row = weight_row, .ctx = &cols, .inputs = NULL};
        uint8_t *plain = calloc(1, bytes), *comp = calloc(1, bytes), *again = calloc(1, bytes);
        double db;
        assert_int_equal(lc_quant_matrix(type, &source, 1, plain, &db, NULL), LC_OK);
        source.inputs = &inputs;
        assert_int_equal(lc_quant_matrix(type, &source, 1, comp, &db, NULL), LC_OK);
        assert_int_equal(lc_quant_matrix(type, &source, 2, again, &db, NULL), LC_OK);
        assert_memory_equal(comp, again, bytes);
        double before = output_loss(plain, type, cols, sum);
        double after = output_loss(comp, type, cols, sum);
        print_message("%s, %u columns: %.3f of the loss\n", type == LC_W_T16 ? "T16" : "T16A", cols,
                      after / before);
        assert_true(after < before * 0.67);
        free(plain);
        free(comp);
        free(again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root_of_inverse),
        cmocka_unit_test(compensation_pays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
