/* products.c - the integer products and the float one: every level against ref, ref against the
 * plain arithmetic. */
#include "harness.h"
#include "plain.h"
#include "suite.h"

typedef enum fill { FILL_RANDOM, FILL_MIN, FILL_MAX, FILL_CORNER } fill;

static plain_panel panel;
static plain_acts acts;
static guard g_weights, g_a, g_ne, g_c8, g_c8s, g_acc, g_unpacked;

/* What one case is made of. */
typedef struct shape {
    uint32_t cols;
    uint32_t tokens;
    bool offsets;
    fill fill;
    int8_t q, s, m, a; /* FILL_CORNER: every value is one of these or, for s, m, a, its negative */
    uint8_t e;
} shape;

/* ---- fills ---- */

static int8_t signed_like(int8_t v)
{
    return random_u64() & 1 ? v : (int8_t)-v;
}

static void fill_weights(const shape *p)
{
    panel.groups = p->cols / 32;
    for (uint32_t r = 0; r < 16; r++) {
        for (uint32_t k = 0; k < p->cols; k++)
            panel.q[r][k] = (int8_t)(p->fill == FILL_RANDOM   ? random_in(-8, 7)
                                     : p->fill == FILL_MIN    ? -8
                                     : p->fill == FILL_MAX    ? 7
                                                              : p->q);
        for (uint32_t g = 0; g < panel.groups; g++) {
            bool corner = p->fill == FILL_CORNER;
            panel.s[r][g] = (int8_t)(p->fill == FILL_RANDOM ? random_in(-128, 127)
                                     : p->fill == FILL_MIN  ? -128
                                     : p->fill == FILL_MAX  ? 127
                                                            : 0);
            panel.m[r][g] = panel.s[r][g];
            if (p->fill == FILL_RANDOM)
                panel.m[r][g] = (int8_t)random_in(-128, 127);
            if (corner) { /* rows 0-7 all of one sign: the int32 sum goes as far as it can */
                panel.s[r][g] = r < 4 ? p->s : r < 8 ? (int8_t)-p->s : signed_like(p->s);
                panel.m[r][g] = r % 2 ? p->m : (int8_t)-p->m;
            }
        }
    }
}

static void fill_acts(const shape *p)
{
    acts.groups = p->cols / 32;
    for (uint32_t t = 0; t < PLAIN_TOKENS; t++) {
        for (uint32_t k = 0; k < p->cols; k++)
            acts.a[t][k] = (int8_t)(p->fill == FILL_RANDOM   ? random_in(-127, 127)
                                    : p->fill == FILL_MIN    ? -127
                                    : p->fill == FILL_MAX    ? 127
                                    : t == 3                 ? signed_like(p->a)
                                    : t == 2                 ? -p->a
                                                             : p->a);
        for (uint32_t g = 0; g < acts.groups; g++)
            acts.e[t][g] = (uint8_t)(p->fill == FILL_RANDOM ? random_in(0, 8) : p->e);
    }
}

/* Lays the activations out behind guard pages. */
static lc_act place_acts(uint32_t groups, uint32_t tokens, bool pairs)
{
    size_t n = (size_t)groups * tokens;
    int8_t *a = guard_place(&g_a, n * 32, LC_READ_AHEAD);
    int16_t *ne = guard_place(&g_ne, n * sizeof *ne, LC_READ_AHEAD);
    int16_t *c8 = guard_place(&g_c8, n * sizeof *c8, LC_READ_AHEAD);
    int16_t *c8s = guard_place(&g_c8s, n * sizeof *c8s, LC_READ_AHEAD);
    plain_pack_acts(&acts, tokens, pairs, a, ne, c8, c8s);
    return (lc_act){.a = a, .ne = ne, .c8 = c8, .c8s = c8s, .scale = acts.scale};
}

/* ---- 4-bit ---- */

typedef void q4_kernel(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc);

static q4_kernel *q4_of(const lc_kernels *k, const shape *p)
{
    if (p->tokens == 1)
        return p->offsets ? k->gemv_q4a : k->gemv_q4;
    return p->offsets ? k->gemm_q4a : k->gemm_q4;
}

/* The unpacked panel, in one piece and (the sums add up) in two. */
static void unpacked_run(const lc_kernels *k, const shape *p, const uint8_t *w, const lc_act *x,
                         uint32_t row, uint32_t g0, uint32_t groups, int32_t *acc)
{
    size_t tile = p->offsets ? LC_T16A_BYTES : LC_T16_BYTES;
    int8_t *unpacked = guard_place(&g_unpacked, groups * k->panel_rows / 8 * LC_UNPACKED_BYTES, 0);
    lc_act part = *x;
    part.a += g0 * 128;
    part.ne += g0 * 4;
    part.c8 += g0 * 4;
    part.c8s += g0 * 4;
    k->unpack_q4(w + g0 * tile, groups, p->offsets, row, unpacked);
    k->gemm_unpacked(unpacked, groups, p->offsets, &part, panel.groups, 1, acc + row);
}

static void check_unpacked(uint32_t l, const shape *p, const uint8_t *w, const int32_t *want)
{
    const lc_kernels *k = lc_level_at(l);
    uint32_t first = panel.groups / 2;
    if (!k->unpack_q4 || p->tokens != 4)
        return;
    lc_act x = place_acts(panel.groups, 4, k->pairs);
    int32_t *acc = guard_place(&g_acc, 256, 0);
    memset(acc, 0, 256);
    for (uint32_t row = 0; row < 16; row += k->panel_rows) {
        if (first > 0)
            unpacked_run(k, p, w, &x, row, 0, first, acc);
        unpacked_run(k, p, w, &x, row, first, panel.groups - first, acc);
    }
    op_same(l, acc, want, 256);
    op_true(l, guard_intact(&g_acc) && guard_intact(&g_unpacked), "wrote outside acc or panel");
}

static void check_q4(const shape *p)
{
    int32_t want[64];
    fill_weights(p);
    fill_acts(p);
    size_t tile = p->offsets ? LC_T16A_BYTES : LC_T16_BYTES;
    uint8_t *w = guard_place(&g_weights, panel.groups * tile, LC_READ_AHEAD);
    plain_pack_tiles(&panel, p->offsets, w);
    op_case("cols %u fill %d q %d s %d m %d a %d e %u", p->cols, (int)p->fill, p->q, p->s, p->m,
            p->a, p->e);
    for (uint32_t t = 0; t < p->tokens; t++)
        for (uint32_t r = 0; r < 16; r++)
            want[16 * t + r] = plain_q4(&panel, r, p->offsets, &acts, t);
    for (uint32_t l = 0; l < lc_level_count(); l++) {
        if (!level_runs(l))
            continue;
        lc_act x = place_acts(panel.groups, p->tokens, lc_level_at(l)->pairs);
        size_t bytes = p->tokens * 16 * sizeof(int32_t);
        int32_t *acc = guard_place(&g_acc, bytes, 0);
        memset(acc, 0x5a, bytes);
        q4_of(lc_level_at(l), p)(w, panel.groups, &x, acc);
        op_same(l, acc, want, bytes);
        op_true(l, guard_intact(&g_acc), "wrote outside acc");
        check_unpacked(l, p, w, want);
    }
}

static void corners_q4(shape p, bool all_exponents)
{
    static const int8_t tops[] = {127, -127};
    p.fill = FILL_CORNER;
    for (uint32_t i = 0; i < 8; i++) {
        p.q = i & 1 ? 7 : -8;
        p.a = tops[i >> 1 & 1];
        p.s = tops[i >> 2 & 1];
        p.m = i == 7 ? -128 : 127;
        for (uint8_t e = 0; e <= LC_EXP_MAX; e = (uint8_t)(e + (all_exponents ? 1 : 4))) {
            p.e = e;
            check_q4(&p);
        }
    }
}

static void op_q4(const char *name, uint32_t tokens, bool offsets)
{
    uint32_t top = offsets ? LC_COLS_MAX_T16A : LC_COLS_MAX;
    const uint32_t cols[] = {32, 64, 96, 192, 1024, top};
    op_begin(name);
    for (uint32_t i = 0; i < sizeof cols / sizeof cols[0]; i++) {
        shape p = {.cols = cols[i], .tokens = tokens, .offsets = offsets};
        for (uint32_t repeat = 0; repeat < (cols[i] < 1000 ? 20 : 2); repeat++)
            check_q4(&p);
        for (uint8_t e = 0; e <= LC_EXP_MAX; e = (uint8_t)(e + 4)) {
            p.e = e;
            p.fill = FILL_MIN;
            check_q4(&p);
            p.fill = FILL_MAX;
            check_q4(&p);
        }
        corners_q4(p, cols[i] <= 96);
    }
    op_end();
}

/* ---- R8 ---- */

static void check_q8(uint32_t cols, uint32_t rows, uint32_t tokens, fill how, uint8_t e)
{
    int32_t want[64];
    shape p = {.cols = cols, .fill = how, .a = -127, .e = e};
    fill_acts(&p);
    int8_t *w = guard_place(&g_weights, (size_t)rows * cols, LC_READ_AHEAD);
    for (size_t i = 0; i < (size_t)rows * cols; i++)
        w[i] = (int8_t)(how == FILL_RANDOM ? random_in(-128, 127) : how == FILL_MAX ? 127 : -128);
    op_case("cols %u rows %u fill %d e %u", cols, rows, (int)how, e);
    memset(want, 0x5a, sizeof want);
    for (uint32_t t = 0; t < tokens; t++)
        for (uint32_t r = 0; r < rows; r++)
            want[16 * t + r] = plain_q8(w + (size_t)r * cols, &acts, t);
    for (uint32_t l = 0; l < lc_level_count(); l++) {
        if (!level_runs(l))
            continue;
        const lc_kernels *k = lc_level_at(l);
        lc_act x = place_acts(cols / 32, tokens, k->pairs);
        int32_t *acc = guard_place(&g_acc, tokens * 64, 0);
        memset(acc, 0x5a, tokens * 64);
        (tokens == 1 ? k->gemv_q8 : k->gemm_q8)(w, rows, cols / 32, &x, acc);
        op_same(l, acc, want, tokens * 64);
        op_true(l, guard_intact(&g_acc), "wrote outside acc");
    }
}

static void op_q8(const char *name, uint32_t tokens)
{
    static const uint32_t cols[] = {32, 64, 96, 192, 1024, LC_COLS_MAX};
    static const uint32_t rows[] = {1, 2, 3, 4, 5, 7, 8, 15, 16};
    op_begin(name);
    for (uint32_t i = 0; i < sizeof cols / sizeof cols[0]; i++) {
        for (uint32_t j = 0; j < sizeof rows / sizeof rows[0]; j++) {
            if (cols[i] == LC_COLS_MAX && rows[j] != 1 && rows[j] != 7)
                continue;
            check_q8(cols[i], rows[j], tokens, FILL_RANDOM, 0);
            for (uint8_t e = 0; e <= LC_EXP_MAX; e = (uint8_t)(e + 4)) {
                check_q8(cols[i], rows[j], tokens, FILL_MIN, e);
                check_q8(cols[i], rows[j], tokens, FILL_MAX, e);
                check_q8(cols[i], rows[j], tokens, FILL_CORNER, e);
            }
        }
    }
    op_end();
}

/* ---- float ---- */

static void plain_f32(const float *w, uint32_t rows, uint32_t cols, const float *x, float *y)
{
    for (uint32_t r = 0; r < rows; r++) {
        volatile float lane[4] = {0};
        for (uint32_t c = 0; c < cols; c++) {
            volatile float product = w[(size_t)r * cols + c] * x[c];
            lane[c & 3] = lane[c & 3] + product;
        }
        y[r] = (lane[0] + lane[1]) + (lane[2] + lane[3]);
    }
}

static void check_f32(uint32_t rows, uint32_t cols, float size)
{
    float want[16];
    float *w = guard_place(&g_weights, (size_t)rows * cols * sizeof *w, 0);
    float *x = guard_place(&g_a, cols * sizeof *x, 0);
    for (uint32_t i = 0; i < rows * cols; i++)
        w[i] = random_float(1.0f);
    for (uint32_t i = 0; i < cols; i++)
        x[i] = i % 7 == 3 ? -0.0f : random_float(size);
    op_case("rows %u cols %u size %g", rows, cols, (double)size);
    plain_f32(w, rows, cols, x, want);
    for (uint32_t l = 0; l < lc_level_count(); l++) {
        if (!level_runs(l))
            continue;
        float *y = guard_place(&g_acc, rows * sizeof *y, 0);
        lc_level_at(l)->gemv_f32(w, rows, cols, x, y);
        op_same(l, y, want, rows * sizeof *y);
        op_true(l, guard_intact(&g_acc), "wrote outside y");
    }
}

static void op_f32(void)
{
    static const uint32_t cols[] = {1, 2, 3, 4, 5, 7, 8, 31, 32, 33, 64, 172, 1000, 1024};
    static const float sizes[] = {1.0f, 1e-20f, 1e30f};
    op_begin("gemv_f32");
    for (uint32_t rows = 1; rows <= 16; rows++)
        for (uint32_t i = 0; i < sizeof cols / sizeof cols[0]; i++)
            check_f32(rows, cols[i], sizes[(rows + i) % 3]);
    op_end();
}

void suite_products(void)
{
    guard_open(&g_weights, 16 * LC_COLS_MAX + LC_READ_AHEAD);
    guard_open(&g_a, 4 * LC_COLS_MAX + LC_READ_AHEAD);
    guard_open(&g_ne, 4096 + 4 * LC_READ_AHEAD);
    guard_open(&g_c8, 4096 + 4 * LC_READ_AHEAD);
    guard_open(&g_c8s, 4096 + 4 * LC_READ_AHEAD);
    guard_open(&g_acc, 256);
    guard_open(&g_unpacked, LC_COLS_MAX / 32 * 2 * LC_UNPACKED_BYTES);
    op_q4("gemv_q4", 1, false);
    op_q4("gemm_q4", 4, false);
    op_q4("gemv_q4a", 1, true);
    op_q4("gemm_q4a", 4, true);
    op_q8("gemv_q8", 1);
    op_q8("gemm_q8", 4);
    op_f32();
}
