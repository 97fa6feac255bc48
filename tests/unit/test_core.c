/* Arenas, errors and bounded reading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../runtime/arena.h"
#include "../../runtime/bytes.h"
#include "../../runtime/err.h"

static _Alignas(64) uint8_t memory[4096];

static void arena_rounds_and_refuses(void **state)
{
    (void)state;
    lc_arena a;
    lc_arena_init(&a, memory, 256);
    assert_ptr_equal(lc_arena_push(&a, 1), memory);
    assert_ptr_equal(lc_arena_push(&a, 65), memory + 64);
    assert_int_equal(a.used, 192);
    assert_null(lc_arena_push(&a, 65));
    assert_int_equal(a.refused, 1);
    assert_non_null(lc_arena_push(&a, 64));
    assert_null(lc_arena_push(&a, 1));
    assert_int_equal(a.peak, 256);
}

static void arena_survives_absurd_sizes(void **state)
{
    (void)state;
    lc_arena a;
    lc_arena_init(&a, memory, sizeof memory);
    assert_null(lc_arena_push(&a, SIZE_MAX));
    assert_null(lc_arena_push(&a, SIZE_MAX - 62));
    assert_null(lc_arena_push(&a, SIZE_MAX / 2));
    assert_int_equal(a.used, 0);
}

static void arena_rewinds_and_keeps_its_peak(void **state)
{
    (void)state;
    lc_arena a;
    lc_arena_init(&a, memory, sizeof memory);
    size_t mark = lc_arena_mark(&a);
    assert_non_null(lc_arena_push(&a, 1000));
    lc_arena_rewind(&a, mark);
    assert_int_equal(a.used, 0);
    assert_int_equal(a.peak, 1024);
    lc_arena_seal(&a);
    assert_null(lc_arena_push(&a, 1));
}

static void measuring_counts_like_the_real_one(void **state)
{
    (void)state;
    lc_arena real, measure;
    lc_arena_init(&real, memory, sizeof memory);
    lc_arena_measure(&measure);
    const size_t sizes[] = {1, 64, 0, 63, 65, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_non_null(lc_arena_push(&real, sizes[i]));
        assert_non_null(lc_arena_push(&measure, sizes[i]));
        assert_int_equal(real.used, measure.used);
    }
    assert_non_null(lc_arena_push(&measure, SIZE_MAX / 4));
}

static void every_error_has_text_and_exit_code(void **state)
{
    (void)state;
#define ONE(name, number, exit_code, text)                                                         \
    assert_string_equal(lc_err_text((lc_err)(number)), text);                                      \
    assert_int_equal(lc_err_exit((lc_err)(number)), exit_code);
    LC_ERR_LIST(ONE)
#undef ONE
    assert_int_equal(lc_err_exit(LC_OK), 0);
    lc_diag d = {0};
    assert_int_equal(lc_fail(&d, LC_ERR_LIMIT, 7, "x"), LC_ERR_LIMIT);
    assert_int_equal(d.offset, 7);
    assert_int_equal(lc_fail(NULL, LC_ERR_IO, 0, "x"), LC_ERR_IO);
}

static void reader_reads_and_stops_at_the_end(void **state)
{
    (void)state;
    const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7, 8, 2, 0, 'a', 'b', 0, 0, 128, 63};
    lc_reader r = lc_reader_make(data, sizeof data);
    assert_int_equal(lc_read_u16(&r), 0x0201);
    assert_int_equal(lc_read_u32(&r), 0x06050403);
    assert_int_equal(lc_read_u8(&r), 7);
    assert_int_equal(lc_read_u8(&r), 8);
    lc_str s = lc_read_str(&r);
    assert_true(lc_str_equal(s, lc_str_from("ab")));
    assert_true(lc_read_f32(&r) == 1.0f);
    assert_false(r.failed);
    assert_int_equal(lc_read_u8(&r), 0);
    assert_true(r.failed);
    assert_null(lc_read_bytes(&r, 0));
    lc_reader huge = lc_reader_make(data, 4);
    assert_null(lc_read_bytes(&huge, SIZE_MAX));
    assert_true(huge.failed);
    const uint8_t lie[] = {255, 255, 'a'};
    lc_reader l = lc_reader_make(lie, sizeof lie);
    assert_int_equal(lc_read_str(&l).bytes, 0);
    assert_true(l.failed);
}

static void utf8_round_trips_every_code_point(void **state)
{
    (void)state;
    for (uint32_t cp = 0; cp <= 0x10ffff; cp++) {
        char out[4];
        uint32_t back = 0;
        uint32_t n = lc_utf8_encode(cp, out);
        bool surrogate = cp >= 0xd800 && cp <= 0xdfff;
        assert_int_equal(lc_utf8_decode(out, n, &back), surrogate ? 0 : n);
        assert_int_equal(back, surrogate ? 0 : cp);
        assert_int_equal(lc_utf8_decode(out, n - 1, &back), 0);
    }
}

static void utf8_refuses_what_is_not(void **state)
{
    (void)state;
    const char *bad[] = {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80",
                         "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
                         "\xc3(", "\xe2\x82("};
    uint32_t cp;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(lc_utf8_decode(bad[i], strlen(bad[i]), &cp), 0);
    }
}

static void cleaning_replaces_bad_bytes_and_nul(void **state)
{
    (void)state;
    const char in[] = "a\0b\xff\xc3\xa9\xe2\x82";
    char out[3 * sizeof in];
    uint32_t replaced;
    size_t n = lc_utf8_clean(in, sizeof in - 1, out, &replaced);
    assert_int_equal(replaced, 4);
    const char want[] = "a\xef\xbf\xbd" "b\xef\xbf\xbd\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd";
    assert_int_equal(n, sizeof want - 1);
    assert_memory_equal(out, want, n);
}

static void crc32c_gives_the_published_check_value(void **state)
{
    (void)state;
    assert_int_equal(lc_crc32c(0, "123456789", 9), 0xe3069283);
    uint32_t half = lc_crc32c(0, "1234", 4);
    assert_int_equal(lc_crc32c(half, "56789", 5), 0xe3069283);
    uint8_t zeros[32] = {0}; /* RFC 3720, B.4 */
    assert_int_equal(lc_crc32c(0, zeros, 32), 0x8a9136aa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_rounds_and_refuses),
        cmocka_unit_test(arena_survives_absurd_sizes),
        cmocka_unit_test(arena_rewinds_and_keeps_its_peak),
        cmocka_unit_test(measuring_counts_like_the_real_one),
        cmocka_unit_test(every_error_has_text_and_exit_code),
        cmocka_unit_test(reader_reads_and_stops_at_the_end),
        cmocka_unit_test(utf8_round_trips_every_code_point),
        cmocka_unit_test(utf8_refuses_what_is_not),
        cmocka_unit_test(cleaning_replaces_bad_bytes_and_nul),
        cmocka_unit_test(crc32c_gives_the_published_check_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
