/* Estimates: sums by hand for a model of round numbers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs four of the above */
#include <cmocka.h>

#include "../../tools/boards.h"

/* One core, 1 GHz or so: costs in ns that are easy to add. */
static const lc_board board = {.name = "test",
                               .cores = 1,
                               .ram_mb = 512,
                               .read_gbs = 1.0,
                               .costs = {.many = {400, 10, 20, 40},
                                         .one = {400, 30, 50, 60},
                                         .attend = 0.5,
                                         .quantise = 2,
                                         .act = 4,
                                         .scale = 1}};

static void add(lc_work *w, uint32_t role, uint32_t type, uint32_t rows, uint32_t cols,
                uint64_t bytes)
{
    lc_mat mat = {.type = (uint8_t)type, .rows = rows, .cols = cols};
    lc_work_add(w, role, &mat, bytes);
}

static lc_work work_make(bool causal, uint32_t classes)
{
    lc_model_info info = {.layers = 1,
                          .width = 256,
                          .heads = 4,
                          .kv_heads = 4,
                          .head_dim = 64,
                          .ffn = 512,
                          .vocab = 1000,
                          .causal = causal,
                          .classes = classes};
    lc_work w;
    lc_work_init(&w, &info);
    add(&w, LC_T_EMBED, LC_W_R8, 1000, 256, 256000);
    for (uint32_t role = LC_T_Q; role <= LC_T_O; role++) {
        add(&w, role, LC_W_T16A, 256, 256, 40000);
    }
    add(&w, LC_T_UP, LC_W_T16A, 512, 256, 80000);
    add(&w, LC_T_DOWN, LC_W_T16A, 256, 512, 80000);
    add(&w, LC_T_ATTN_NORM, LC_W_F32, 256, 1, 1024);
    return w;
}

/* Six matrices of 524,288 weights: 2,048 times 256. Values: 256 + 256 + 256 + 512 in, 1,792 out. */
#define PRODUCTS 2048.0
#define OTHERS (1280.0 * 2 + 1792.0 * 1 + 512.0 * 4)

static void assert_near(double got, double wanted)
{
    if (fabs(got - wanted) > 1e-9 * fabs(wanted)) {
        fail_msg("%.12g, expected %.12g", got, wanted);
    }
}

static void sums(void **state)
{
    (void)state;
    lc_work w = work_make(true, 0);
    lc_estimate e = lc_boards_estimate(&board, &w, 1 << 20);
    double token = PRODUCTS * 20 + OTHERS, keys = 2.0 * 4 * 64 * 0.5;
    double prompt_ns = 128 * (token + keys * 64.5);
    assert_near(e.prefill_tps, 128e9 / prompt_ns);
    double head_ns = 1000.0 * 60; /* 1,000 times 256 multiply-adds of R8 */
    double bytes_ns = 321024.0;   /* the layer's, slower than its 148,864 ns of work */
    assert_near(e.decode_tps, 1e9 / (bytes_ns + 256000.0));
    double line_ns = 24 * (token + keys * 12.5);
    assert_near(e.line_ms, (line_ns + 256000.0) / 1e6);
    lc_board wide = board;
    wide.read_gbs = 1000.0;
    e = lc_boards_estimate(&wide, &w, 1 << 20);
    assert_near(e.decode_tps, 1e9 / (PRODUCTS * 50 + OTHERS + keys * 129 + head_ns));
    wide.cores = 4;
    e = lc_boards_estimate(&wide, &w, 1 << 20);
    assert_near(e.prefill_tps, 3.6 * 128e9 / prompt_ns);
    wide.costs.unpack = 7;
    e = lc_boards_estimate(&wide, &w, 1 << 20);
    assert_near(e.prefill_tps, 3.6 * 128e9 / (prompt_ns + 2 * PRODUCTS * 7));
}

static void heads(void **state)
{
    (void)state;
    lc_work own = work_make(true, 0), classes = work_make(false, 3);
    add(&own, LC_T_OUTPUT, LC_W_T16A, 1000, 256, 150000);
    assert_near(own.head_macs[LC_W_T16A], 256000);
    assert_near(own.head_macs[LC_W_R8], 0);
    assert_near(own.head_bytes, 150000);
    add(&classes, LC_T_CLS, LC_W_F32, 3, 256, 3072);
    assert_near(classes.head_macs[LC_W_F32], 768);
    assert_near(classes.head_bytes, 3072);
    lc_estimate e = lc_boards_estimate(&board, &classes, 1 << 20);
    assert_true(e.decode_tps <= 0.0);
    lc_work first; /* the output head before the embedding */
    lc_model_info info = {.layers = 1, .causal = true};
    lc_work_init(&first, &info);
    add(&first, LC_T_OUTPUT, LC_W_T16A, 10, 256, 1500);
    add(&first, LC_T_EMBED, LC_W_R8, 10, 256, 2560);
    assert_near(first.head_bytes, 1500);
}

/* A local layer sees its window only. */
static void windows(void **state)
{
    (void)state;
    lc_work w = work_make(true, 0);
    w.info.window = 16;
    w.info.local[0] = 1;
    lc_estimate e = lc_boards_estimate(&board, &w, 1 << 20);
    double token = PRODUCTS * 20 + OTHERS + 2.0 * 4 * 64 * 0.5 * 16;
    assert_near(e.prefill_tps, 1e9 / token);
}

static void memory(void **state)
{
    (void)state;
    lc_work w = work_make(true, 0);
    assert_true(lc_boards_estimate(&board, &w, 351ull << 20).fits);
    assert_false(lc_boards_estimate(&board, &w, 352ull << 20).fits);
}

/* The table: faster boards cost less, and nothing is free. */
static void table(void **state)
{
    (void)state;
    assert_true(lc_boards_count() >= 5);
    for (uint32_t i = 0; i < lc_boards_count(); i++) {
        lc_board b = lc_boards_at(i);
        assert_true(b.cores > 0 && b.ram_mb >= 512 && b.read_gbs > 0.0);
        for (uint32_t type = 0; type < LC_W_COUNT; type++) {
            assert_true(b.costs.many[type] > 0.0 && b.costs.one[type] > 0.0);
        }
        assert_true(i == 0 || b.costs.many[LC_W_T16A] <= lc_boards_at(i - 1).costs.many[LC_W_T16A]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums),   cmocka_unit_test(heads), cmocka_unit_test(windows),
        cmocka_unit_test(memory), cmocka_unit_test(table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
