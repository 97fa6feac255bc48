/* Classes of code points. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../runtime/unicode.h"

typedef struct sample {
    uint32_t code_point;
    lc_uclass uclass;
} sample;

static void known_characters(void **state)
{
    (void)state;
    static const sample samples[] = {
        {'a', LC_UCLASS_LETTER},     {'Z', LC_UCLASS_LETTER},      {'0', LC_UCLASS_NUMBER},
        {'9', LC_UCLASS_NUMBER},     {'_', LC_UCLASS_PUNCT},       {'$', LC_UCLASS_SYMBOL},
        {' ', LC_UCLASS_SPACE},      {'\n', LC_UCLASS_SPACE},      {0x85, LC_UCLASS_SPACE},
        {0xa0, LC_UCLASS_SPACE},     {0x3000, LC_UCLASS_SPACE},    {0x1c, LC_UCLASS_CONTROL},
        {0x200b, LC_UCLASS_CONTROL}, {0x7f, LC_UCLASS_CONTROL},    {0xb0, LC_UCLASS_SYMBOL},
        {0xb2, LC_UCLASS_NUMBER},    {0x2167, LC_UCLASS_NUMBER},   {0x0663, LC_UCLASS_NUMBER},
        {0xe9, LC_UCLASS_LETTER},    {0x6e29, LC_UCLASS_LETTER},   {0x4dc0, LC_UCLASS_SYMBOL},
        {0x0301, LC_UCLASS_MARK},    {0x0940, LC_UCLASS_MARK},     {0x2014, LC_UCLASS_PUNCT},
        {0x1f525, LC_UCLASS_SYMBOL}, {0x31350, LC_UCLASS_LETTER},  {0x2fffe, LC_UCLASS_OTHER},
        {0xe000, LC_UCLASS_OTHER},   {0xd800, LC_UCLASS_OTHER},    {0x10ffff, LC_UCLASS_OTHER},
        {0x110000, LC_UCLASS_OTHER}, {UINT32_MAX, LC_UCLASS_OTHER}};
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        assert_int_equal(lc_unicode_class(samples[i].code_point), samples[i].uclass);
    }
}

/* Code points of each general category in Unicode 15.1. */
static void totals_of_the_standard(void **state)
{
    (void)state;
    uint32_t total[8] = {0};
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        total[lc_unicode_class(c)]++;
    }
    assert_int_equal(total[LC_UCLASS_LETTER], 136726);
    assert_int_equal(total[LC_UCLASS_NUMBER], 1831);
    assert_int_equal(total[LC_UCLASS_PUNCT], 842);
    assert_int_equal(total[LC_UCLASS_SYMBOL], 7775);
    assert_int_equal(total[LC_UCLASS_MARK], 2450);
    assert_int_equal(total[LC_UCLASS_SPACE], 25);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_characters),
        cmocka_unit_test(totals_of_the_standard),
    };
    return cmocka_run_group_tests_name("unicode", tests, NULL, NULL);
}
