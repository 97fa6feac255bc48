/* The self-test finds what it is for: a level that differs, and where it differs first. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs setjmp, stdarg, stddef */
#include <cmocka.h>

#include "../../board/linux/cpu.h"
#include "../../board/linux/job_json.h"
#include "../../tools/pack/pack.h"
#include "../../tools/selftest.h"

static lc_map pack_of(const char *path)
{
    lc_map file, pack;
    lc_gguf gguf;
    lc_diag diag = {0};
    lc_pack_options options = {.type = LC_PACK_Q4, .threads = 1};
    lc_buf out = {0};
    assert_int_equal(lc_map_open(path, &file), LC_OK);
    assert_int_equal(lc_gguf_open(file.data, file.bytes, &gguf, &diag), LC_OK);
    assert_int_equal(lc_pack_gguf(&gguf, &options, &out, NULL, &diag), LC_OK);
    lc_gguf_close(&gguf);
    lc_map_close(&file);
    assert_int_equal(lc_map_copy(out.data, out.bytes, &pack), LC_OK);
    lc_buf_free(&out);
    return pack;
}

/* ---- levels that go wrong ---- */

static const lc_kernels *ref;
static uint32_t calls, wrong_call;

/* One bit of one value of one call. */
static void add_wrong(float *y, const float *x, uint32_t n)
{
    ref->add(y, x, n);
    if (calls++ == wrong_call) {
        uint32_t bits;
        memcpy(&bits, &y[n - 1], sizeof bits);
        bits ^= 1u;
        memcpy(&y[n - 1], &bits, sizeof bits);
    }
}

static void gemv_wrong(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    ref->gemv_q4a(panel, groups, x, acc);
    acc[3]++;
}

static void attend_nan(const lc_attention *a)
{
    ref->attend(a);
    a->out[0] = NAN;
}

static lc_kernels level_wrong(void)
{
    lc_kernels level = *ref;
    level.name = "wrong";
    calls = 0;
    return level;
}

/* ---- networks ---- */

static lc_difference compare(const char *path, const lc_kernels *level)
{
    lc_map map = pack_of(path);
    lc_object pack = {.data = map.data, .bytes = map.bytes};
    lc_selftest_net test;
    lc_diag diag = {0};
    lc_difference found;
    assert_int_equal(lc_selftest_net_open(&test, &pack, (lc_tasks){.count = 1}, ref, &diag), LC_OK);
    assert_int_equal(lc_selftest_net_compare(&test, level, &found, &diag), LC_OK);
    lc_selftest_net_close(&test);
    lc_map_close(&map);
    return found;
}

#define CAUSAL "models/golden/tiny-causal.gguf"
#define BIDI "models/golden/tiny-bidi.gguf"

static void equal_levels_are_equal(void **state)
{
    (void)state;
    uint32_t features = lc_cpu_features();
    lc_kernels same = level_wrong();
    assert_null(compare(CAUSAL, &same).level);
    for (uint32_t i = 0; i < lc_level_count(); i++) {
        if ((lc_level_at(i)->needs & features) == lc_level_at(i)->needs) {
            assert_null(compare(CAUSAL, lc_level_at(i)).level);
            assert_null(compare(BIDI, lc_level_at(i)).level);
        }
    }
}

/* The residual stream is added to twice a layer: call 3 is the end of layer 1. */
static void one_bit_is_found_where_it_is(void **state)
{
    (void)state;
    lc_kernels level = level_wrong();
    level.add = add_wrong;
    wrong_call = 3;
    lc_difference found = compare(CAUSAL, &level);
    assert_string_equal(found.level, "wrong");
    assert_string_equal(found.pass, "block");
    assert_string_equal(found.what, "layer");
    assert_int_equal(found.layer, 1);
    assert_int_equal(found.token, LC_SELFTEST_TOKENS - 1);
    assert_int_not_equal(found.index, 0);
    assert_true(found.wanted < found.got || found.wanted > found.got);
}

static void the_kernel_of_single_tokens_is_reached(void **state)
{
    (void)state;
    lc_kernels level = level_wrong();
    level.gemv_q4a = gemv_wrong;
    lc_difference found = compare(CAUSAL, &level);
    assert_string_equal(found.level, "wrong");
    assert_string_equal(found.what, "layer");
    assert_int_equal(found.layer, 0);
    assert_int_equal(found.token, LC_SELFTEST_TOKENS - 1); /* all others are blocks of four */
}

static void not_a_number_is_a_difference(void **state)
{
    (void)state;
    lc_kernels level = level_wrong();
    level.attend = attend_nan;
    lc_difference found = compare(BIDI, &level);
    assert_string_equal(found.level, "wrong");
    assert_string_equal(found.what, "run");
    assert_int_equal(found.err, LC_ERR_NUMBER);
}

static void what_is_no_pack_is_refused(void **state)
{
    (void)state;
    static const uint8_t nothing[64] __attribute__((aligned(64)));
    lc_object pack = {.data = nothing, .bytes = sizeof nothing};
    lc_selftest_net test;
    lc_diag diag = {0};
    assert_int_not_equal(lc_selftest_net_open(&test, &pack, (lc_tasks){.count = 1}, ref, &diag),
                         LC_OK);
    assert_non_null(diag.text);
}

/* ---- records ---- */

static lc_difference lines_compare(const lc_kernels *level)
{
    lc_map pack = pack_of(BIDI), bundle;
    lc_objects objects;
    lc_buf built = {0};
    lc_selftest_lines test;
    lc_diag diag = {0};
    static lc_json_diag json_diag;
    lc_difference found;
    assert_int_equal(lc_job_build_default(pack.data, pack.bytes, &built, &json_diag), LC_OK);
    assert_int_equal(lc_map_copy(built.data, built.bytes, &bundle), LC_OK);
    lc_buf_free(&built);
    lc_objects_init(&objects, NULL);
    assert_int_equal(lc_objects_add(&objects, &pack), LC_OK);
    lc_object object = {.data = bundle.data, .bytes = bundle.bytes};
    assert_int_equal(
        lc_selftest_lines_open(&test, &object, &objects, (lc_tasks){.count = 1}, ref, &diag),
        LC_OK);
    assert_true(test.bytes > lc_selftest_lines_count());
    assert_int_equal(lc_selftest_lines_compare(&test, level, &found, &diag), LC_OK);
    lc_selftest_lines_close(&test);
    lc_objects_close(&objects);
    lc_map_close(&bundle);
    lc_map_close(&pack);
    return found;
}

static void records_are_compared(void **state)
{
    (void)state;
    lc_kernels level = level_wrong();
    assert_null(lines_compare(&level).level);
    level.attend = attend_nan;
    lc_difference found = lines_compare(&level);
    assert_string_equal(found.level, "wrong");
    assert_string_equal(found.what, "record");
    assert_int_equal(found.token, 1);
    assert_int_not_equal(found.index, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_levels_are_equal),
        cmocka_unit_test(one_bit_is_found_where_it_is),
        cmocka_unit_test(the_kernel_of_single_tokens_is_reached),
        cmocka_unit_test(not_a_number_is_a_difference),
        cmocka_unit_test(what_is_no_pack_is_refused),
        cmocka_unit_test(records_are_compared),
    };
    ref = lc_level_at(0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
