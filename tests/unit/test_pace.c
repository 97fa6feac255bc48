/* The pace: slower before the board is, at once; faster one step a minute; pauses in proportion. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <string.h>

#include "../../board/node/pace.h"

static lc_pace pace;

static int fresh(void **state)
{
    (void)state;
    lc_pace_init(&pace);
    return 0;
}

static bool warm(uint64_t now_ms, int32_t margin_mc, uint32_t flags)
{
    const lc_signs signs = {true, margin_mc, flags};
    return lc_pace_look(&pace, now_ms, &signs);
}

static void a_cool_board_runs_at_full_pace(void **state)
{
    (void)state;
    const lc_signs none = {0};
    assert_false(lc_pace_look(&pace, 0, &none)); /* a board that tells nothing */
    assert_false(warm(1000, LC_PACE_NEAR_MC + 1, 0));
    assert_int_equal(lc_pace_rest(&pace, 1000), 0);
    assert_string_equal(lc_pace_word(pace.level), "full");
}

static void it_slows_at_once_and_before_the_limit(void **state)
{
    (void)state;
    assert_true(warm(0, LC_PACE_NEAR_MC, 0));
    assert_string_equal(lc_pace_word(pace.level), "half");
    assert_string_equal(pace.why, "temperature");
    assert_int_equal(lc_pace_rest(&pace, 40), 40);
    assert_false(warm(10, 1, 0));
    assert_true(warm(20, 0, 0));
    assert_string_equal(lc_pace_word(pace.level), "quarter");
    assert_int_equal(lc_pace_rest(&pace, 40), 120);
    assert_int_equal(lc_pace_rest(&pace, 60000), LC_PACE_REST_MAX_MS);
    assert_int_equal(pace.rested_ms, 160 + LC_PACE_REST_MAX_MS);
    lc_pace_init(&pace);
    assert_true(warm(0, -20000, 0)); /* from full to a quarter in one step */
    assert_int_equal(pace.level, LC_PACE_QUARTER);
}

static void what_the_firmware_says_counts(void **state)
{
    (void)state;
    static const struct {
        uint32_t flags;
        uint8_t level;
        const char *why;
    } cases[] = {{LC_SIGN_UNDERVOLTAGE, LC_PACE_HALF, "undervoltage"},
                 {LC_SIGN_CAPPED, LC_PACE_HALF, "capped"},
                 {LC_SIGN_THROTTLED, LC_PACE_QUARTER, "throttled"},
                 {LC_SIGN_HOT, LC_PACE_QUARTER, "hot"},
                 {15, LC_PACE_QUARTER, "throttled"},
                 {0x50000, LC_PACE_FULL, ""}}; /* since it was switched on: not now */
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const lc_signs signs = {.flags = cases[i].flags};
        lc_pace_init(&pace);
        assert_int_equal(lc_pace_look(&pace, 0, &signs), cases[i].level != LC_PACE_FULL);
        assert_int_equal(pace.level, cases[i].level);
        assert_string_equal(pace.why, cases[i].why);
    }
}

/* One step a minute, and only if it is cooler than where it slowed. */
static void it_goes_back_slowly(void **state)
{
    (void)state;
    uint64_t now = 0;
    assert_true(warm(now, 0, 0));
    for (int i = 0; i < 100; i++) { /* just below the limit for long: stays as it is */
        assert_false(warm(now += 10000, LC_PACE_BACK_MC, 0));
    }
    for (uint64_t ms = 10000; ms < LC_PACE_CALM_MS; ms += 10000) {
        assert_false(warm(now += 10000, LC_PACE_BACK_MC + 1, 0));
    }
    assert_true(warm(now += 10000, LC_PACE_BACK_MC + 1, 0));
    assert_int_equal(pace.level, LC_PACE_HALF);
    assert_string_equal(pace.why, "temperature");
    for (int i = 0; i < 100; i++) {
        assert_false(warm(now += 10000, LC_PACE_NEAR_MC + LC_PACE_BACK_MC, 0));
    }
    for (uint64_t ms = 10000; ms < LC_PACE_CALM_MS; ms += 10000) {
        assert_false(warm(now += 10000, 20000, 0));
    }
    assert_true(warm(now += 10000, 20000, 0));
    assert_int_equal(pace.level, LC_PACE_FULL);
    assert_string_equal(pace.why, "");
    assert_false(warm(now + 10 * LC_PACE_CALM_MS, 20000, 0));
}

/* However the temperature wavers, the level changes at most once a minute downwards. */
static void it_does_not_chatter(void **state)
{
    (void)state;
    uint32_t changes = 0;
    for (uint64_t i = 0; i < 360; i++) { /* an hour around the border */
        changes += warm(i * 10000, LC_PACE_NEAR_MC + (i % 2 ? 500 : -500), 0);
    }
    assert_int_equal(changes, 1);
    changes = 0;
    for (uint64_t i = 360; i < 720; i++) { /* a supply that fails now and then */
        changes += warm(i * 10000, 30000, i % 5 == 0 ? LC_SIGN_UNDERVOLTAGE : 0);
    }
    assert_int_equal(changes, 0);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test_setup(a_cool_board_runs_at_full_pace, fresh),
        cmocka_unit_test_setup(it_slows_at_once_and_before_the_limit, fresh),
        cmocka_unit_test_setup(what_the_firmware_says_counts, fresh),
        cmocka_unit_test_setup(it_goes_back_slowly, fresh),
        cmocka_unit_test_setup(it_does_not_chatter, fresh),
    };
    return cmocka_run_group_tests(all, NULL, NULL);
}
