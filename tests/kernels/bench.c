/* bench.c - speed of every kernel: by the clock (--bench), and by counted instructions under
 * insn_count.c (--count). Prints, asserts nothing. */
#include <stdio.h>
#include <time.h>

#include "harness.h"
#include "mark.h"
#include "plain.h"
#include "suite.h"

enum { COLS = 1024, GROUPS = COLS / 32, PANELS = 16, HEAD = 32, KEYS = 24, FLOATS = 1024 };

static _Alignas(64) uint8_t weights[PANELS * GROUPS * LC_T16A_BYTES + LC_READ_AHEAD];
static _Alignas(64) int8_t rows8[PANELS * COLS * 16 + LC_READ_AHEAD];
static _Alignas(64) float floats[16 * COLS], x[4 * COLS], y[4 * COLS], z[4 * COLS];
static _Alignas(64) int8_t a[4 * COLS + LC_READ_AHEAD];
static int16_t ne[4 * GROUPS + 32], c8[4 * GROUPS + 32], c8s[4 * GROUPS + 32];
static float scale[4];
static int32_t acc[64];

/* A whole product of a small model: a layer of 192 x 192 for a line of 24 tokens. */
enum { LAYER = 192, LINE = 24, LAYER_GROUPS = LAYER / 32 };

static float layer_scale[LAYER], layer_out[LINE * LAYER];
static _Alignas(64) uint8_t acts_mem[16384];

typedef struct bench_op {
    const char *name;
    void (*run)(const lc_kernels *k, uint32_t panel);
    double macs;  /* of one run: multiply-adds, or elements */
    double bytes; /* of weights read by one run */
    bool panel;   /* only for levels with an unpacked panel */
} bench_op;

static lc_act act(void)
{
    return (lc_act){.a = a, .ne = ne, .c8 = c8, .c8s = c8s, .scale = scale};
}

static void run_gemv_q4(const lc_kernels *k, uint32_t panel)
{
    lc_act v = act();
    k->gemv_q4(weights + (size_t)panel * GROUPS * LC_T16_BYTES, GROUPS, &v, acc);
}

static void run_gemm_q4(const lc_kernels *k, uint32_t panel)
{
    lc_act v = act();
    k->gemm_q4(weights + (size_t)panel * GROUPS * LC_T16_BYTES, GROUPS, &v, acc);
}

static void run_gemv_q4a(const lc_kernels *k, uint32_t panel)
{
    lc_act v = act();
    k->gemv_q4a(weights + (size_t)panel * GROUPS * LC_T16A_BYTES, GROUPS, &v, acc);
}

static void run_gemm_q4a(const lc_kernels *k, uint32_t panel)
{
    lc_act v = act();
    k->gemm_q4a(weights + (size_t)panel * GROUPS * LC_T16A_BYTES, GROUPS, &v, acc);
}

static int8_t unpacked[2 * GROUPS * LC_UNPACKED_BYTES];

static void run_unpack(const lc_kernels *k, uint32_t panel)
{
    const uint8_t *w = weights + (size_t)panel * GROUPS * LC_T16_BYTES;
    for (uint32_t row = 0; row < 16; row += k->panel_rows)
        k->unpack_q4(w, GROUPS, false, row, unpacked);
}

static void unpacked_product(const lc_kernels *k, uint32_t panel, bool offsets)
{
    lc_act v = act();
    (void)panel;
    for (uint32_t row = 0; row < 16; row += k->panel_rows)
        k->gemm_unpacked(unpacked, GROUPS, offsets, &v, GROUPS, 1, acc + row);
}

static void run_unpacked(const lc_kernels *k, uint32_t panel)
{
    unpacked_product(k, panel, false);
}

static void run_unpacked_q4a(const lc_kernels *k, uint32_t panel)
{
    unpacked_product(k, panel, true);
}

static void run_gemv_q8(const lc_kernels *k, uint32_t panel)
{
    lc_act v = act();
    k->gemv_q8(rows8 + (size_t)panel * COLS * 16, 16, GROUPS, &v, acc);
}

static void run_gemm_q8(const lc_kernels *k, uint32_t panel)
{
    lc_act v = act();
    k->gemm_q8(rows8 + (size_t)panel * COLS * 16, 16, GROUPS, &v, acc);
}

static void run_gemv_f32(const lc_kernels *k, uint32_t panel)
{
    (void)panel;
    k->gemv_f32(floats, 16, COLS, x, y);
}

static lc_acts line_acts(const lc_kernels *k, uint32_t width)
{
    lc_acts v;
    lc_acts_init(&v, acts_mem, LINE, width);
    (void)lc_acts_set(k, &v, floats, LINE, width, true);
    return v;
}

static void run_acts_set(const lc_kernels *k, uint32_t panel)
{
    (void)panel;
    (void)line_acts(k, LAYER);
}

/* Quantises and multiplies. */
static void run_matmul(const lc_kernels *k, uint32_t panel)
{
    lc_mat w = {
        .type = LC_W_T16A, .rows = LAYER, .cols = LAYER, .data = weights, .scale = layer_scale};
    lc_acts v = line_acts(k, LAYER);
    (void)panel;
    lc_matmul(k, &w, NULL, &v, layer_out, LAYER, 0, lc_matmul_blocks(&w));
}

static void run_quantise(const lc_kernels *k, uint32_t panel)
{
    (void)panel;
    k->quantise(x, COLS, 0, 4, a, ne, c8, c8s, scale);
}

static void run_rmsnorm(const lc_kernels *k, uint32_t panel)
{
    (void)panel;
    k->rmsnorm(x, floats, FLOATS, 1e-5f, y);
}

static void run_softmax(const lc_kernels *k, uint32_t panel)
{
    (void)panel;
    memcpy(y, x, FLOATS * sizeof *y);
    k->softmax(y, FLOATS);
}

static void run_silu(const lc_kernels *k, uint32_t panel)
{
    (void)panel;
    k->act_mul(LC_SILU, x, floats, FLOATS, y);
}

static void run_gelu_erf(const lc_kernels *k, uint32_t panel)
{
    (void)panel;
    k->act_mul(LC_GELU_ERF, x, NULL, FLOATS, y);
}

static void run_add(const lc_kernels *k, uint32_t panel)
{
    (void)panel;
    k->add(y, x, FLOATS);
}

static void run_rope(const lc_kernels *k, uint32_t panel)
{
    memcpy(z, x, FLOATS * sizeof *z);
    k->rope(z, FLOATS / HEAD, HEAD, HEAD, floats, panel & 1);
}

/* One query of a small model, and three query heads of one KV head as in models of grouped heads:
 * keys, then values, from floats or from bytes that are binary16 or int8. */
enum { GROUP = 3, GROUP_HEAD = 64, GROUP_KEYS = 64 };

static float scores[GROUP * GROUP_KEYS];
static _Alignas(64) uint8_t kept[2 * GROUP_HEAD * GROUP_KEYS * sizeof(uint16_t)];

static void attend(const lc_kernels *k, uint32_t kind, uint32_t queries, uint32_t dim,
                   uint32_t keys)
{
    const uint8_t *first = kind == LC_KV_F32 ? (const uint8_t *)floats : kept;
    size_t step = kind == LC_KV_F32 ? sizeof(float) : kind == LC_KV_F16 ? 2 : 1;
    const lc_attention job = {.kind = kind,
                              .k = first,
                              .v = first + (size_t)keys * dim * step,
                              .k_scale = x,
                              .v_scale = x,
                              .stride = dim,
                              .keys = keys,
                              .head_dim = dim,
                              .scale = 0.1f,
                              .q = x,
                              .queries = queries,
                              .q_stride = dim,
                              .scores = scores,
                              .out = z};
    k->attend(&job);
}

#define RUN_ATTEND(name, kind, queries, dim, keys)                                                 \
    static void run_##name(const lc_kernels *k, uint32_t panel)                                    \
    {                                                                                              \
        (void)panel;                                                                               \
        attend(k, kind, queries, dim, keys);                                                       \
    }

RUN_ATTEND(attend, LC_KV_F32, 1, HEAD, KEYS)
RUN_ATTEND(attend_f16, LC_KV_F16, 1, HEAD, KEYS)
RUN_ATTEND(attend_i8, LC_KV_I8, 1, HEAD, KEYS)
RUN_ATTEND(group_f32, LC_KV_F32, GROUP, GROUP_HEAD, GROUP_KEYS)
RUN_ATTEND(group_f16, LC_KV_F16, GROUP, GROUP_HEAD, GROUP_KEYS)
RUN_ATTEND(group_i8, LC_KV_I8, GROUP, GROUP_HEAD, GROUP_KEYS)

static void run_keep_f16(const lc_kernels *k, uint32_t panel)
{
    (void)panel;
    k->keep(LC_KV_F16, x, FLOATS, kept, scores);
}

static void run_keep_i8(const lc_kernels *k, uint32_t panel)
{
    (void)panel;
    k->keep(LC_KV_I8, x, FLOATS, kept, scores);
}

#define GROUP_MACS (2.0 * GROUP * GROUP_HEAD * GROUP_KEYS)

static const bench_op ops[] = {
    {"gemv_q4", run_gemv_q4, 16.0 * COLS, GROUPS *LC_T16_BYTES, false},
    {"gemm_q4", run_gemm_q4, 64.0 * COLS, GROUPS *LC_T16_BYTES, false},
    {"gemv_q4a", run_gemv_q4a, 16.0 * COLS, GROUPS *LC_T16A_BYTES, false},
    {"gemm_q4a", run_gemm_q4a, 64.0 * COLS, GROUPS *LC_T16A_BYTES, false},
    {"unpack256", run_unpack, 16.0 * COLS, GROUPS *LC_T16_BYTES, true},
    {"gemm_panel", run_unpacked, 64.0 * COLS, 16.0 * COLS, true},
    {"gemm_panela", run_unpacked_q4a, 64.0 * COLS, 16.0 * COLS, true},
    {"gemv_q8", run_gemv_q8, 16.0 * COLS, 16.0 * COLS, false},
    {"gemm_q8", run_gemm_q8, 64.0 * COLS, 16.0 * COLS, false},
    {"gemv_f32", run_gemv_f32, 16.0 * COLS, 64.0 * COLS, false},
    {"attend", run_attend, 2.0 * HEAD *KEYS, 8.0 * HEAD *KEYS, false},
    {"attend_f16", run_attend_f16, 2.0 * HEAD *KEYS, 4.0 * HEAD *KEYS, false},
    {"attend_i8", run_attend_i8, 2.0 * HEAD *KEYS, 2.0 * HEAD *KEYS, false},
    {"attend_group", run_group_f32, GROUP_MACS, 8.0 * GROUP_HEAD *GROUP_KEYS, false},
    {"attend_g_f16", run_group_f16, GROUP_MACS, 4.0 * GROUP_HEAD *GROUP_KEYS, false},
    {"attend_g_i8", run_group_i8, GROUP_MACS, 2.0 * GROUP_HEAD *GROUP_KEYS, false},
    {"keep_f16", run_keep_f16, FLOATS, 4.0 * FLOATS, false},
    {"keep_i8", run_keep_i8, FLOATS, 4.0 * FLOATS, false},
    {"matmul", run_matmul, 1.0 * LAYER *LAYER *LINE, LAYER / 16.0 * LAYER_GROUPS *LC_T16A_BYTES,
     false},
    {"acts_set", run_acts_set, 1.0 * LAYER *LINE, 4.0 * LAYER *LINE, false},
    {"quantise", run_quantise, COLS, 4.0 * COLS, false},
    {"rmsnorm", run_rmsnorm, FLOATS, 4.0 * FLOATS, false},
    {"softmax", run_softmax, FLOATS, 4.0 * FLOATS, false},
    {"silu_mul", run_silu, FLOATS, 8.0 * FLOATS, false},
    {"gelu_erf", run_gelu_erf, FLOATS, 4.0 * FLOATS, false},
    {"add", run_add, FLOATS, 8.0 * FLOATS, false},
    {"rope", run_rope, FLOATS, 4.0 * FLOATS, false},
};

enum { OP_COUNT = sizeof ops / sizeof ops[0] };

static void prepare(void)
{
    for (size_t i = 0; i < sizeof weights; i++)
        weights[i] = (uint8_t)random_u64();
    for (size_t i = 0; i < sizeof rows8; i++)
        rows8[i] = (int8_t)random_in(-127, 127);
    for (size_t i = 0; i < sizeof a; i++)
        a[i] = (int8_t)random_in(-127, 127);
    for (size_t i = 0; i < sizeof kept; i++) /* no NaN among the halves */
        kept[i] = (uint8_t)(random_u64() & 0xbf);
    for (size_t i = 0; i < 16 * COLS; i++)
        floats[i] = random_float(1.0f);
    for (size_t i = 0; i < 4 * COLS; i++)
        x[i] = random_float(1.0f);
    for (size_t i = 0; i < sizeof ne / sizeof ne[0]; i++)
        ne[i] = (int16_t)-random_in(0, 8);
}

static bool op_runs(const bench_op *op, uint32_t level)
{
    return level_runs(level) && (!op->panel || lc_level_at(level)->unpack_q4);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Best of five rounds, each of at least 20 ms. */
static double best_time(const bench_op *op, const lc_kernels *k)
{
    double best = 1e9;
    for (int round = 0; round < 5; round++) {
        uint32_t runs = 0;
        double start = seconds(), now;
        do {
            for (uint32_t p = 0; p < PANELS; p++, runs++)
                op->run(k, p);
            now = seconds();
        } while (now - start < 0.02);
        if ((now - start) / runs < best)
            best = (now - start) / runs;
    }
    return best;
}

void bench(void)
{
    prepare();
    printf("%-10s %-8s %10s %10s\n", "op", "level", "GMAC/s", "GB/s");
    for (uint32_t i = 0; i < OP_COUNT; i++) {
        for (uint32_t l = 0; l < lc_level_count(); l++) {
            if (!op_runs(&ops[i], l))
                continue;
            double t = best_time(&ops[i], lc_level_at(l));
            printf("%-10s %-8s %10.2f %10.2f\n", ops[i].name, lc_level_at(l)->name,
                   ops[i].macs / t / 1e9, ops[i].bytes / t / 1e9);
        }
    }
}

/* Two runs of each op and level, marked; the lines say which tag is which. */
void count(void)
{
    prepare();
    for (uint32_t l = 0; l < lc_level_count(); l++) {
        for (uint32_t i = 0; i < OP_COUNT; i++) {
            if (!op_runs(&ops[i], l))
                continue;
            long tag = 1 + (long)(l * OP_COUNT + i);
            printf("count %ld %s %s %.0f\n", tag, ops[i].name, lc_level_at(l)->name,
                   2.0 * ops[i].macs);
            fflush(stdout);
            lc_mark(tag);
            ops[i].run(lc_level_at(l), 0);
            ops[i].run(lc_level_at(l), 1);
            lc_mark(0);
        }
    }
}
