/* matmul.c - whole products as a net calls them, at every level, against the plain arithmetic; and
 * gathered rows, refusals, dispatch. */
#include <math.h>
#include <stdio.h>

#include "harness.h"
#include "plain.h"
#include "suite.h"

enum { ROWS_MAX = 48, COLS_MAX = 1200, TOKENS_MAX = 150, PANELS = ROWS_MAX / 16, STRIDE_EXTRA = 3 };

static guard g_data, g_scale, g_bias, g_x, g_mem, g_y;
static plain_panel panels[PANELS];
static plain_acts acts;
static float want[TOKENS_MAX * (ROWS_MAX + STRIDE_EXTRA)];

/* ---- a random matrix of any type ---- */

static void fill_panels(uint32_t rows, uint32_t cols)
{
    uint32_t groups = (cols + 31) / 32;
    for (uint32_t r = 0; r < ROWS_MAX; r++) {
        plain_panel *p = &panels[r / 16];
        p->groups = groups;
        for (uint32_t c = 0; c < groups * 32; c++)
            p->q[r % 16][c] = (int8_t)(r < rows && c < cols ? random_in(-8, 7) : 0);
        for (uint32_t g = 0; g < groups; g++) {
            p->s[r % 16][g] = (int8_t)(r < rows ? random_in(-127, 127) : 0);
            p->m[r % 16][g] = (int8_t)(r < rows ? random_in(-127, 127) : 0);
        }
    }
}

static size_t data_bytes(lc_wtype type, uint32_t rows, uint32_t cols)
{
    size_t groups = (cols + 31) / 32;
    size_t padded = LC_ROUND_UP((size_t)rows, 16u) / 16;
    switch (type) {
    case LC_W_F32:
        return (size_t)rows * cols * sizeof(float);
    case LC_W_R8:
        return rows * groups * 32;
    case LC_W_T16:
        return padded * groups * LC_T16_BYTES;
    default:
        return padded * groups * LC_T16A_BYTES;
    }
}

static void fill_data(lc_wtype type, uint32_t rows, uint32_t cols, void *data)
{
    size_t groups = (cols + 31) / 32;
    if (type == LC_W_F32) {
        float *w = data;
        for (size_t i = 0; i < (size_t)rows * cols; i++)
            w[i] = random_float(1.0f);
    } else if (type == LC_W_R8) {
        int8_t *w = data;
        for (size_t i = 0; i < rows * groups * 32; i++)
            w[i] = (int8_t)(i % (groups * 32) < cols ? random_in(-127, 127) : 0);
    } else {
        bool offsets = type == LC_W_T16A;
        size_t panel_bytes = groups * (offsets ? LC_T16A_BYTES : LC_T16_BYTES);
        fill_panels(rows, cols);
        for (uint32_t p = 0; p * 16 < rows; p++)
            plain_pack_tiles(&panels[p], offsets, (uint8_t *)data + p * panel_bytes);
    }
}

static lc_mat make_mat(lc_wtype type, uint32_t rows, uint32_t cols)
{
    lc_mat w = {.type = (uint8_t)type, .rows = rows, .cols = cols};
    size_t bytes = data_bytes(type, rows, cols);
    size_t slack = type == LC_W_F32 ? 0 : LC_READ_AHEAD;
    void *data = guard_place(&g_data, bytes, slack);
    fill_data(type, rows, cols, data);
    w.data = data;
    if (type != LC_W_F32) {
        bool tiles = type != LC_W_R8;
        uint32_t n = tiles ? (uint32_t)LC_ROUND_UP(rows, 16u) : rows;
        float *scale = guard_place(&g_scale, n * sizeof *scale, 0);
        for (uint32_t r = 0; r < n; r++)
            scale[r] = r < rows ? fabsf(random_float(0.01f)) : 0.0f;
        w.scale = scale;
    }
    return w;
}

/* ---- what it should give ---- */

static float plain_element(const lc_mat *w, uint32_t r, const float *x)
{
    if (w->type == LC_W_F32) {
        const float *row = (const float *)w->data + (size_t)r * w->cols;
        float lane[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (uint32_t c = 0; c < w->cols; c++)
            lane[c & 3] += row[c] * x[c];
        return (lane[0] + lane[1]) + (lane[2] + lane[3]);
    }
    int32_t acc = w->type == LC_W_R8
                      ? plain_q8((const int8_t *)w->data + (size_t)r * acts.groups * 32, &acts, 0)
                      : plain_q4(&panels[r / 16], r % 16, w->type == LC_W_T16A, &acts, 0);
    float y = (float)acc * w->scale[r];
    return y * acts.scale[0];
}

static void plain_matmul(const lc_mat *w, const float *bias, const float *x, uint32_t n,
                         size_t stride)
{
    memset(want, 0x5a, sizeof want);
    for (uint32_t t = 0; t < n; t++) {
        plain_quantise(x + (size_t)t * w->cols, w->cols, &acts, 0);
        for (uint32_t r = 0; r < w->rows; r++) {
            float y = plain_element(w, r, x + (size_t)t * w->cols);
            want[t * stride + r] = bias ? y + bias[r] : y;
        }
    }
}

/* ---- whole products ---- */

static void check_level(uint32_t l, const lc_mat *w, const float *bias, const float *x, uint32_t n,
                        size_t stride)
{
    const lc_kernels *k = lc_level_at(l);
    lc_acts a;
    size_t bytes = ((n - 1) * stride + w->rows) * sizeof(float);
    lc_acts_init(&a, guard_place(&g_mem, lc_acts_bytes(n, w->cols), 0), n, w->cols);
    op_true(l, lc_acts_set(k, &a, x, n, w->cols, w->type != LC_W_F32), "refused finite input");
    float *y = guard_place(&g_y, bytes, 0);
    uint32_t blocks = lc_matmul_blocks(w);
    memset(y, 0x5a, bytes);
    lc_matmul(k, w, bias, &a, y, stride, 0, blocks);
    op_same(l, y, want, bytes);
    memset(y, 0x5a, bytes);
    for (uint32_t b = blocks; b > 0; b--) /* split as threads would, last first */
        lc_matmul(k, w, bias, &a, y, stride, b - 1, b);
    op_same(l, y, want, bytes);
    op_true(l, guard_intact(&g_y) && guard_intact(&g_mem), "wrote outside y or acts");
}

static void check_matmul(lc_wtype type, uint32_t rows, uint32_t cols, uint32_t n, bool biased)
{
    size_t stride = rows + (biased ? STRIDE_EXTRA : 0);
    lc_mat w = make_mat(type, rows, cols);
    float *x = guard_place(&g_x, (size_t)n * cols * sizeof *x, 0);
    for (uint32_t i = 0; i < n * cols; i++)
        x[i] = random_float(i % 64 < 32 ? 1.0f : 0.02f);
    float *bias = biased ? guard_place(&g_bias, rows * sizeof *bias, 0) : NULL;
    for (uint32_t r = 0; biased && r < rows; r++)
        bias[r] = random_float(1.0f);
    plain_matmul(&w, bias, x, n, stride);
    op_case("type %d rows %u cols %u tokens %u bias %d", (int)type, rows, cols, n, biased);
    for (uint32_t l = 0; l < lc_level_count(); l++)
        if (level_runs(l))
            check_level(l, &w, bias, x, n, stride);
}

static void op_matmul(void)
{
    static const char *const names[] = {"matmul f32", "matmul q4", "matmul q4a", "matmul q8"};
    static const uint32_t rows[] = {1, 8, 15, 16, 17, 40};
    static const uint32_t cols[] = {5, 32, 172, 350, 1190};
    for (uint32_t type = 0; type < LC_W_COUNT; type++) {
        op_begin(names[type]);
        for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            for (uint32_t j = 0; j < sizeof cols / sizeof cols[0]; j++)
                for (uint32_t n = 1; n <= TOKENS_MAX; n += n < 9 ? 1 : n < 20 ? 5 : 113)
                    check_matmul((lc_wtype)type, rows[i], cols[j], n, n & 1);
        op_end();
    }
}

/* ---- gathered rows, refusals, dispatch ---- */

static float plain_value(const lc_mat *w, uint32_t r, uint32_t c)
{
    uint32_t groups = (w->cols + 31) / 32;
    if (w->type == LC_W_F32)
        return ((const float *)w->data)[(size_t)r * w->cols + c];
    if (w->type == LC_W_R8)
        return w->scale[r] * (float)((const int8_t *)w->data)[(size_t)r * groups * 32 + c];
    const plain_panel *p = &panels[r / 16];
    int32_t v = p->s[r % 16][c / 32] * p->q[r % 16][c];
    if (w->type == LC_W_T16A)
        v += 8 * p->m[r % 16][c / 32];
    return w->scale[r] * (float)v;
}

static void check_rows(void)
{
    float *out;
    uint32_t wrong = 0;
    for (uint32_t type = 0; type < LC_W_COUNT; type++) {
        lc_mat w = make_mat((lc_wtype)type, 37, 172);
        for (uint32_t r = 0; r < w.rows; r++) {
            out = guard_place(&g_y, w.cols * sizeof *out, 0);
            lc_mat_row(&w, r, out);
            for (uint32_t c = 0; c < w.cols; c++)
                wrong += out[c] != plain_value(&w, r, c);
            wrong += !guard_intact(&g_y);
        }
    }
    result("mat_row", wrong == 0, "%u wrong of %u values", wrong, 4u * 37 * 172);
}

static void check_refusals(void)
{
    static const float bad[] = {INFINITY, -INFINITY, NAN};
    uint32_t accepted = 0;
    lc_acts a;
    for (uint32_t n = 1; n <= 5; n++) {
        for (uint32_t i = 0; i < 3; i++) {
            for (int quantised = 0; quantised < 2; quantised++) {
                float *x = guard_place(&g_x, n * 40 * sizeof *x, 0);
                for (uint32_t c = 0; c < n * 40; c++)
                    x[c] = 1.0f;
                x[random_in(0, (int32_t)n * 40 - 1)] = bad[i];
                lc_acts_init(&a, guard_place(&g_mem, lc_acts_bytes(n, 40), 0), n, 40);
                accepted += lc_acts_set(lc_level_at(0), &a, x, n, 40, quantised);
            }
        }
    }
    result("acts_set", accepted == 0, "%u of 30 with NaN or infinity accepted", accepted);
}

static void check_dispatch(void)
{
    uint32_t count = lc_level_count();
    bool ok = strcmp(lc_level_at(0)->name, "ref") == 0 && lc_level_at(count) == NULL;
    ok = ok && lc_level_best(0) == lc_level_at(0) && lc_level_best(~0u) == lc_level_at(count - 1);
    for (uint32_t i = 0; i < count; i++) {
        const lc_kernels *k = lc_level_at(i);
        ok = ok && lc_level_find(k->name) == k && lc_level_known(k->name);
        ok = ok && lc_level_best(k->needs | k->suits) == k;
    }
    ok = ok && lc_level_known("neon53") && lc_level_known("i8mm") && lc_level_known("avx2");
    ok = ok && !lc_level_known("neon") && !lc_level_known("reff") && !lc_level_known("");
    ok = ok && lc_level_find("neon") == NULL && lc_level_find("re") == NULL;
    const lc_kernels *neon = lc_level_find("neon80"); /* out-of-order cores keep it */
    ok = ok && (!neon || lc_level_best(LC_CPU_NEON) == neon);
    result("dispatch", ok, "%u levels", count);
}

void suite_matmul(void)
{
    guard_open(&g_data, ROWS_MAX * COLS_MAX * sizeof(float));
    guard_open(&g_scale, ROWS_MAX * sizeof(float));
    guard_open(&g_bias, ROWS_MAX * sizeof(float));
    guard_open(&g_x, TOKENS_MAX * COLS_MAX * sizeof(float));
    guard_open(&g_mem, lc_acts_bytes(TOKENS_MAX, COLS_MAX));
    guard_open(&g_y, TOKENS_MAX * (ROWS_MAX + STRIDE_EXTRA) * sizeof(float));
    op_matmul();
    check_rows();
    check_refusals();
    check_dispatch();
}
