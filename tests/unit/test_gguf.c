/* The GGUF reader: typed keys, exact weights of every block format, and damaged files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/linux/map.h"
#include "../../tools/pack/gguf_types.h"
#include "gguf_make.h"

/* ---- sound files ---- */

static const char *const WORDS[] = {"one", "", "three"};

/* Keys of every type and two tensors, one of them quantised. */
static lc_buf sample(uint32_t version)
{
    gguf_make m = gguf_make_begin(version);
    uint8_t blocks[36] = {0, 0x3c, 0x98, [18] = 0, [19] = 0xc0, [20] = 0x08};
    float vector[3] = {1.0f, -2.5f, 0.0f};
    gguf_make_str(&m, "general.architecture", "llama");
    gguf_make_u32(&m, "u32", 4000000000u);
    gguf_make_raw(&m, "i64", LC_GGUF_I64, (uint8_t[8]){7}, 8);
    gguf_make_raw(&m, "u8", LC_GGUF_U8, (uint8_t[1]){200}, 1);
    gguf_make_raw(&m, "i8", LC_GGUF_I8, (uint8_t[1]){200}, 1);
    gguf_make_raw(&m, "u64", LC_GGUF_U64, (uint8_t[8]){0, 0, 0, 0, 1}, 8);
    gguf_make_f32(&m, "f32", 0.5f);
    gguf_make_raw(&m, "f64", LC_GGUF_F64, &(double){0.25}, 8);
    gguf_make_bool(&m, "yes", 1);
    gguf_make_strings(&m, "words", WORDS, 3);
    gguf_make_raw(&m, "scores", LC_GGUF_ARRAY, (uint32_t[5]){LC_GGUF_F32, 2, 0, 0, 0x3f800000}, 20);
    gguf_make_tensor(&m, "vector", 0, 3, 0, vector, sizeof vector);
    gguf_make_tensor(&m, "matrix", 2, 32, 2, blocks, sizeof blocks);
    return gguf_make_end(&m, 32);
}

static void reads_keys_of_every_type(void **state)
{
    (void)state;
    for (uint32_t version = 2; version <= 3; version++) {
        lc_buf file = sample(version);
        lc_gguf g;
        uint32_t u = 0;
        float f = 0.0f;
        bool b = false;
        lc_str s;
        assert_int_equal(lc_gguf_open(file.data, file.bytes, &g, NULL), LC_OK);
        assert_int_equal(g.version, version);
        assert_true(lc_gguf_u32(&g, "u32", &u) && u == 4000000000u);
        assert_true(lc_gguf_u32(&g, "i64", &u) && u == 7);
        assert_true(lc_gguf_u32(&g, "u8", &u) && u == 200);
        assert_false(lc_gguf_u32(&g, "i8", &u));  /* negative */
        assert_false(lc_gguf_u32(&g, "u64", &u)); /* 2^32 */
        assert_false(lc_gguf_u32(&g, "f32", &u));
        assert_false(lc_gguf_u32(&g, "yes", &u));
        assert_false(lc_gguf_u32(&g, "words", &u));
        assert_false(lc_gguf_u32(&g, "absent", &u));
        assert_true(lc_gguf_f32(&g, "f32", &f) && f == 0.5f);
        assert_true(lc_gguf_f32(&g, "f64", &f) && f == 0.25f);
        assert_false(lc_gguf_f32(&g, "u32", &f));
        assert_true(lc_gguf_bool(&g, "yes", &b) && b);
        assert_false(lc_gguf_bool(&g, "u8", &b));
        assert_true(lc_gguf_str(&g, "general.architecture", &s));
        assert_int_equal(s.bytes, 5);
        assert_memory_equal(s.data, "llama", 5);
        assert_false(lc_gguf_str(&g, "words", &s));
        lc_gguf_close(&g);
        lc_buf_free(&file);
    }
}

static void reads_arrays(void **state)
{
    (void)state;
    lc_buf file = sample(3);
    lc_gguf g;
    lc_gguf_strings it;
    uint64_t count = 0;
    lc_str s;
    const uint8_t *values;
    assert_int_equal(lc_gguf_open(file.data, file.bytes, &g, NULL), LC_OK);
    assert_true(lc_gguf_strings_open(&g, "words", &it, &count));
    assert_int_equal(count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_true(lc_gguf_strings_next(&it, &s));
        assert_int_equal(s.bytes, strlen(WORDS[i]));
        assert_memory_equal(s.data, WORDS[i], s.bytes);
    }
    assert_false(lc_gguf_strings_next(&it, &s));
    assert_false(lc_gguf_strings_open(&g, "scores", &it, &count));
    assert_true(lc_gguf_array32(&g, "scores", LC_GGUF_F32, &values, &count));
    assert_int_equal(count, 2);
    assert_memory_equal(values, ((uint8_t[8]){0, 0, 0, 0, 0, 0, 0x80, 0x3f}), 8);
    assert_false(lc_gguf_array32(&g, "scores", LC_GGUF_U32, &values, &count));
    assert_false(lc_gguf_array32(&g, "words", LC_GGUF_STR, &values, &count));
    lc_gguf_close(&g);
    lc_buf_free(&file);
}

static void reads_tensors(void **state)
{
    (void)state;
    lc_buf file = sample(3);
    lc_gguf g;
    float row[32];
    assert_int_equal(lc_gguf_open(file.data, file.bytes, &g, NULL), LC_OK);
    const lc_gguf_tensor *vector = lc_gguf_tensor_find(&g, "vector");
    const lc_gguf_tensor *matrix = lc_gguf_tensor_find(&g, "matrix");
    assert_null(lc_gguf_tensor_find(&g, "vec"));
    assert_true(vector && vector->dims == 1 && vector->ne[0] == 3 && vector->ne[1] == 1);
    lc_gguf_row(vector, 0, row);
    assert_true(row[0] == 1.0f && row[1] == -2.5f && row[2] == 0.0f);
    assert_true(matrix && matrix->bytes == 36 && matrix->offset % 32 == 0);
    lc_gguf_row(matrix, 0, row); /* d = 1: nibbles 8 and 9 first, then 0 */
    assert_true(row[0] == 0.0f && row[16] == 1.0f && row[1] == -8.0f);
    lc_gguf_row(matrix, 1, row); /* d = -2 */
    assert_true(row[0] == 0.0f && row[16] == 16.0f && row[31] == 16.0f);
    lc_gguf_close(&g);
    lc_buf_free(&file);
}

static void half_floats_are_exact(void **state)
{
    (void)state;
    assert_true(lc_half_float(0x3c00) == 1.0f && lc_half_float(0xc000) == -2.0f);
    assert_true(lc_half_float(0x0001) == 0x1p-24f && lc_half_float(0x83ff) == -0x1.ff8p-15f);
    assert_true(lc_half_float(0x7bff) == 65504.0f && lc_half_float(0x0400) == 0x1p-14f);
    assert_true(lc_half_float(0x7c00) == __builtin_inff());
    assert_true(__builtin_isnan(lc_half_float(0x7e00)));
    assert_true(__builtin_signbit(lc_half_float(0x8000)) && lc_half_float(0x8000) == 0.0f);
}

static uint32_t u32_at(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Weights as the `gguf` package computes them (tests/data/gguf_blocks.py), to the bit. */
static void every_block_format_is_exact(void **state)
{
    (void)state;
    lc_map file;
    uint32_t types = 0;
    assert_int_equal(lc_map_open("tests/data/gguf-blocks.bin", &file), LC_OK);
    for (size_t at = 0; at < file.bytes; types++) {
        uint32_t type = u32_at(file.data + at), weights = u32_at(file.data + at + 4);
        uint32_t bytes = u32_at(file.data + at + 8);
        float *out = malloc(weights * sizeof(float));
        const lc_gguf_block *block = lc_gguf_block_of(type);
        lc_gguf_tensor t = {.type = type, .ne = {weights, 1, 1, 1}, .bytes = bytes};
        t.data = file.data + at + 12;
        assert_non_null(block);
        assert_non_null(lc_gguf_type_name(type));
        assert_int_equal(bytes, weights / block->weights * block->bytes);
        lc_gguf_row(&t, 0, out);
        assert_memory_equal(out, t.data + bytes, weights * sizeof(float));
        free(out);
        at += 12 + bytes + weights * sizeof(float);
    }
    assert_int_equal(types, 11);
    lc_map_close(&file);
}

/* ---- what is refused ---- */

static void refused(lc_buf file, lc_err err, const char *reason)
{
    lc_gguf g;
    lc_diag diag = {0};
    assert_int_equal(lc_gguf_open(file.data, file.bytes, &g, &diag), err);
    assert_int_equal(diag.err, err);
    if (!strstr(diag.text, reason)) {
        fail_msg("'%s' does not say '%s'", diag.text, reason);
    }
    assert_true(diag.offset <= file.bytes);
    lc_buf_free(&file);
}

static lc_buf with_key(void (*add)(gguf_make *m))
{
    gguf_make m = gguf_make_begin(3);
    add(&m);
    return gguf_make_end(&m, 32);
}

static void add_twins(gguf_make *m)
{
    gguf_make_u32(m, "twin", 1);
    gguf_make_u32(m, "other", 1);
    gguf_make_u32(m, "twin", 2);
}

static void add_twin_tensors(gguf_make *m)
{
    gguf_make_tensor(m, "twin", 0, 4, 0, NULL, 16);
    gguf_make_tensor(m, "twin", 0, 4, 0, NULL, 16);
}

static void add_split(gguf_make *m)
{
    gguf_make_raw(m, "split.count", LC_GGUF_U16, (uint8_t[2]){2, 0}, 2);
}

static void add_half_block(gguf_make *m)
{
    gguf_make_tensor(m, "odd", 2, 33, 0, NULL, 36);
}

static void add_unreadable(gguf_make *m)
{
    gguf_make_tensor(m, "iq", 16, 256, 0, NULL, 66);
}

static void add_unknown(gguf_make *m)
{
    gguf_make_tensor(m, "new", 4711, 256, 0, NULL, 66);
}

static void add_long_key(gguf_make *m)
{
    char key[300];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = 0;
    gguf_make_u32(m, key, 1);
}

static void add_no_key(gguf_make *m)
{
    gguf_make_u32(m, "", 1);
}

static void add_odd_bool(gguf_make *m)
{
    gguf_make_bool(m, "maybe", 2);
}

static void add_alignment(gguf_make *m)
{
    gguf_make_u32(m, "general.alignment", 24);
}

static void add_empty_dimension(gguf_make *m)
{
    gguf_make_tensor(m, "none", 0, 0, 0, NULL, 0);
}

static void add_control_bytes(gguf_make *m)
{
    gguf_make_u32(m, "a\033[2Jb", 1);
    gguf_make_u32(m, "a\033[2Jb", 1);
}

static void refuses_by_name(void **state)
{
    (void)state;
    refused(with_key(add_twins), LC_ERR_FORMAT, "key twin occurs twice");
    refused(with_key(add_twin_tensors), LC_ERR_FORMAT, "tensor twin occurs twice");
    refused(with_key(add_split), LC_ERR_UNSUPPORTED, "split.count: one of 2 files");
    refused(with_key(add_half_block), LC_ERR_FORMAT, "odd: row is not whole Q4_0 blocks");
    refused(with_key(add_unreadable), LC_ERR_UNSUPPORTED, "tensor type IQ2_XXS (16)");
    refused(with_key(add_unknown), LC_ERR_UNSUPPORTED, "unknown tensor type 4711");
    refused(with_key(add_long_key), LC_ERR_LIMIT, "name of 299 bytes");
    refused(with_key(add_no_key), LC_ERR_LIMIT, "name of 0 bytes");
    refused(with_key(add_odd_bool), LC_ERR_FORMAT, "maybe: a bool is neither");
    refused(with_key(add_alignment), LC_ERR_FORMAT, "general.alignment");
    refused(with_key(add_empty_dimension), LC_ERR_FORMAT, "none: dimension 0 is 0");
    refused(with_key(add_control_bytes), LC_ERR_FORMAT, "key a?[2Jb occurs twice");
}

static void refuses_versions(void **state)
{
    (void)state;
    refused(sample(1), LC_ERR_VERSION, "version 1");
    refused(sample(4), LC_ERR_VERSION, "version 4");
    refused(sample(0x03000000u), LC_ERR_UNSUPPORTED, "big-endian");
}

static void a_file_without_tensors_is_sound(void **state)
{
    (void)state;
    gguf_make m = gguf_make_begin(3);
    gguf_make_str(&m, "general.architecture", "anything");
    lc_buf file = gguf_make_end(&m, 32);
    lc_gguf g;
    assert_int_equal(lc_gguf_open(file.data, file.bytes, &g, NULL), LC_OK);
    assert_int_equal(g.tensor_count, 0);
    lc_gguf_close(&g);
    lc_buf_free(&file);
}

/* ---- damage: a defined error, or a file whose every view can be followed ---- */

static void follow_all(const lc_gguf *g)
{
    float row[32];
    for (uint32_t i = 0; i < g->tensor_count; i++) {
        const lc_gguf_tensor *t = &g->tensor[i];
        uint64_t rows = t->ne[1] * t->ne[2] * t->ne[3];
        for (uint64_t r = 0; t->ne[0] <= 32 && r < rows; r++) {
            lc_gguf_row(t, r, row);
        }
    }
    uint64_t count, seen = 0;
    lc_gguf_strings it;
    lc_str s;
    volatile char last = 0;
    if (lc_gguf_strings_open(g, "words", &it, &count)) {
        for (; lc_gguf_strings_next(&it, &s); seen++) {
            last = s.bytes ? s.data[s.bytes - 1] : last;
        }
        assert_int_equal(seen, count);
    }
}

/* A copy of exactly this size, so that sanitizers see any reading past it. */
static lc_err open_copy(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = malloc(bytes ? bytes : 1);
    lc_gguf g;
    lc_diag diag = {0};
    if (bytes) {
        memcpy(copy, data, bytes);
    }
    lc_err err = lc_gguf_open(copy, bytes, &g, &diag);
    if (err) {
        assert_true(diag.text != NULL && diag.err == err && diag.offset <= bytes);
    } else {
        follow_all(&g);
        lc_gguf_close(&g);
    }
    free(copy);
    return err;
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    lc_buf file = sample(3);
    for (size_t bytes = 0; bytes < file.bytes; bytes++) {
        assert_int_not_equal(open_copy(file.data, bytes), LC_OK);
    }
    assert_int_equal(open_copy(file.data, file.bytes), LC_OK);
    lc_buf_free(&file);
}

static void every_flipped_bit_is_survived(void **state)
{
    (void)state;
    lc_buf file = sample(3);
    uint32_t refusals = 0;
    for (size_t bit = 0; bit < file.bytes * 8; bit++) {
        file.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        refusals += open_copy(file.data, file.bytes) != LC_OK;
        file.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(refusals > 1000); /* lengths, types, counts, offsets */
    lc_buf_free(&file);
}

/* Every 32-bit place with the values that overflow sums and products. */
static void every_absurd_number_is_survived(void **state)
{
    (void)state;
    static const uint32_t absurd[] = {0, 0x7fffffff, 0x80000000, 0xffffffff, 0x40000000};
    lc_buf file = sample(3);
    for (size_t at = 4; at + 8 <= file.bytes; at++) {
        uint8_t kept[8];
        memcpy(kept, file.data + at, 8);
        for (uint32_t i = 0; i < 5; i++) {
            memcpy(file.data + at, &absurd[i], 4);
            (void)open_copy(file.data, file.bytes);
            memcpy(file.data + at + 4, &absurd[i], 4);
            (void)open_copy(file.data, file.bytes);
            memcpy(file.data + at, kept, 8);
        }
    }
    lc_buf_free(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_keys_of_every_type),
        cmocka_unit_test(reads_arrays),
        cmocka_unit_test(reads_tensors),
        cmocka_unit_test(half_floats_are_exact),
        cmocka_unit_test(every_block_format_is_exact),
        cmocka_unit_test(refuses_by_name),
        cmocka_unit_test(refuses_versions),
        cmocka_unit_test(a_file_without_tensors_is_sound),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_bit_is_survived),
        cmocka_unit_test(every_absurd_number_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
