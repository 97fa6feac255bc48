/* What is a fact and what is not; keys, units, spans. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../runtime/facts.h"
#include "../../runtime/text.h"

/* Facts as text: `key=value unit@start-end; ...`, words in quotes. */
/* Appends, cut to the size of the array. */
static void append(char *to, size_t size, const char *text)
{
    size_t used = strlen(to);
    snprintf(to + used, size - used, "%s", text);
}

static const char *facts_of(const char *text)
{
    static lc_facts facts;
    static char out[4096];
    lc_text t = lc_text_make(out, sizeof out - 1);
    lc_facts_find(text, (uint32_t)strlen(text), &facts);
    for (uint32_t i = 0; i < facts.count; i++) {
        const lc_fact *f = &facts.fact[i];
        lc_text_add(&t, i == 0 ? "" : "; ");
        lc_text_put(&t, f->key.data, f->key.bytes);
        lc_text_add(&t, "=");
        if (f->is_number) {
            lc_text_scaled(&t, f->digits, f->decimals);
        } else {
            lc_text_json(&t, f->word);
        }
        lc_text_add(&t, f->unit != NULL ? " " : "");
        lc_text_add(&t, f->unit != NULL ? f->unit->text : "");
        lc_text_add(&t, "@");
        lc_text_u64(&t, f->at);
        lc_text_add(&t, "-");
        lc_text_u64(&t, f->end);
    }
    assert_false(t.full);
    out[t.bytes] = '\0';
    return out;
}

typedef struct sample {
    const char *text, *facts;
} sample;

static void check_all(const sample *s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(facts_of(s[i].text), s[i].facts);
    }
}

#define CHECK(table) check_all(table, sizeof table / sizeof table[0])

static void keys_come_from_words_units_or_neighbours(void **state)
{
    (void)state;
    static const sample s[] = {
        {"temp 96C", "temp=96 C@5-8"},
        {"P2 vib 7.9mm/s rising, temp 81C", "vib=7.9 mm/s@7-14; temp=81 C@28-31"},
        {"temperature is now at 96", "temp=96@22-24"},
        {"TMP: 12.50", "temp=12.50@5-10"},
        {"oil_temp=96.5", "temp=96.5@9-13"},
        {"temp1=40 temp2=41", "temp=40@6-8; temp=41@15-17"},
        {"bearing at 96C", "temp=96 C@11-14"},
        {"level 40 %", "level=40 %@6-10"},
        {"temp rising 5 mm/s", "vib=5 mm/s@12-18"},
        {"96", "n=96@0-2"},
        {"slave 12 silent", "slave=12@6-8"},
        {"supply voltage 210 V", "volt=210 V@15-20"},
        {"{\"temp\":96,\"unit\":\"C\"}", "temp=96@8-10; unit=\"c\"@19-20"},
    };
    CHECK(s);
}

static void limits_are_not_readings(void **state)
{
    (void)state;
    static const sample s[] = {
        {"TEMP 71 > 65", "temp=71@5-7; limit=65@10-12"},
        {"temp 60 C, limit 90 C", "temp=60 C@5-9; limit=90 C@17-21"},
        {"setpoint 21 C", "setpoint=21 C@9-13"},
        {"trip at 110 C", "trip=110 C@8-13"},
    };
    CHECK(s);
}

static void units_in_many_spellings(void **state)
{
    (void)state;
    static const sample s[] = {
        {"17.9 °C", "temp=17.9 C@0-8"},    {"205 degF", "temp=205 F@0-8"},
        {"205 deg F", "temp=205 F@0-9"},   {"8.8 MM/S", "vib=8.8 mm/s@0-8"},
        {"2.4V", "volt=2.4 V@0-4"},        {"250 mV", "volt=250 mV@0-6"},
        {"11 kV", "volt=11 kV@0-5"},       {"400 VAC", "volt=400 V@0-7"},
        {"63 A", "curr=63 A@0-4"},         {"49.2 Hz", "freq=49.2 Hz@0-7"},
        {"1480 rpm", "rpm=1480 rpm@0-8"},  {"3.2 bar", "press=3.2 bar@0-7"},
        {"300 kPa", "press=300 kPa@0-7"},  {"92 Pa", "press=92 Pa@0-5"},
        {"142 µm", "shift=142 um@0-7"},    {"480 ppm", "gas=480 ppm@0-7"},
        {"25 %LEL", "gas=25 %lel@0-7"},    {"45 %RH", "hum=45 %RH@0-6"},
        {"-112 dBm", "rssi=-112 dBm@0-8"}, {"12.5 l/min", "flow=12.5 l/min@0-10"},
        {"40 m³/h", "flow=40 m3/h@0-8"},   {"vib 2.3 g", "vib=2.3 g@4-9"},
        {"temp 300 K", "temp=300 K@5-10"},
    };
    CHECK(s);
}

static void names_and_codes_are_no_facts(void **state)
{
    (void)state;
    static const char *const none[] = {"P2",
                                       "E-042",
                                       "R32 alarm",
                                       "T-8 falls",
                                       "L1-L2",
                                       "3rd 2X 33x",
                                       "0x77",
                                       "v1.2",
                                       "fw 1.2.3",
                                       "192.0.2.77",
                                       "10.0.0.1:8080",
                                       "00:1A:2B:3C:4D:5C",
                                       "AB:12:CD:34:EF:5C",
                                       "fe80::1:5C",
                                       "10:22:31",
                                       "at 01:50",
                                       "10:22:31.5",
                                       "2024-06-30",
                                       "30.06.2024",
                                       "12/05/24",
                                       "2024-06-30T15:41:10Z",
                                       "5-10 bar",
                                       "3/4",
                                       "/dev/tty0",
                                       "1,204 kg",
                                       "3,5 bar",
                                       "1234567890123456 s",
                                       "code 007",
                                       "12-bit",
                                       "5x4",
                                       "$5",
                                       "#5",
                                       "250.",
                                       "a_5",
                                       "1e5",
                                       "",
                                       "-",
                                       "=",
                                       "= =x",
                                       "a==b",
                                       "..5",
                                       "--5x"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        const char *facts = facts_of(none[i]);
        if (strcmp(none[i], "250.") == 0) {
            assert_string_equal(facts, "n=250@0-3"); /* a full stop ends a sentence */
        } else if (facts[0] != '\0') {
            fail_msg("%s: %s", none[i], facts);
        }
    }
}

static void a_word_that_is_no_unit_stays_apart(void **state)
{
    (void)state;
    static const sample s[] = {
        {"5K retries", ""},    {"250 g of butter", "n=250@0-3"}, {"24 V-belt", "n=24@0-2"},
        {"5 new", "n=5@0-1"},  {"pump 3 stopped", "pump=3@5-6"}, {"70% off", "n=70 %@0-3"},
        {"12 Ax", "n=12@0-2"},
    };
    CHECK(s);
}

static void words_after_an_equals_sign(void **state)
{
    (void)state;
    static const sample s[] = {
        {"lid=open armed=1", "lid=\"open\"@4-8; armed=1@15-16"},
        {"state=\"Open\"", "state=\"open\"@7-11"},
        {"temp=NaN", "temp=\"nan\"@5-8"},
        {"\"fault\": \"ARC_DETECTED\"", "fault=\"arc_detected\"@10-22"},
        {"url=http://x", ""},
        {"let a = b", ""},
    };
    CHECK(s);
}

static void signs(void **state)
{
    (void)state;
    static const sample s[] = {
        {"temp -5.5 C", "temp=-5.5 C@5-11"},
        {"temp:-5", "temp=-5@5-7"},
        {"+5 V", "volt=5 V@0-4"},
        {"(-3)", "n=-3@1-3"},
        {"a - 5", "n=5@4-5"},
    };
    CHECK(s);
}

static void values_are_exact_and_convert(void **state)
{
    (void)state;
    static lc_facts f;
    lc_facts_find("temp 212 F, 14.5 psi, 7.9 mm/s", 30, &f);
    assert_int_equal(f.count, 3);
    assert_true(lc_fact_value(&f.fact[0]) == 212.0);
    assert_float_equal((float)lc_fact_base(&f.fact[0]), 100.0f, 1e-5f);
    assert_float_equal((float)lc_fact_base(&f.fact[1]), 0.99974f, 1e-5f);
    assert_true(lc_fact_value(&f.fact[2]) == 7.9);
    assert_ptr_equal(lc_unit_find("degC", 4), lc_unit_find("C", 1));
    assert_null(lc_unit_find("furlong", 7));
    assert_null(lc_unit_find("", 0));
}

static void limits_hold(void **state)
{
    (void)state;
    static char text[8193];
    static lc_facts f;
    for (size_t i = 0; i < 8192; i++) {
        text[i] = i % 2 == 0 ? '1' : ' ';
    }
    lc_facts_find(text, 8192, &f);
    assert_int_equal(f.count, LC_FACTS_MAX);
    assert_int_equal(f.missed, 4096 - LC_FACTS_MAX);
    memset(text, 'a', 8192);
    memcpy(text + 8180, " 5 bar", 6);
    lc_facts_find(text, 8192, &f);
    assert_int_equal(f.count, 1);
    char words[2048] = "";
    for (int i = 0; i < 30; i++) {
        append(words, sizeof words, "abcdefghijklmnopqrstuvwxyz_abcdefghij=v ");
    }
    lc_facts_find(words, (uint32_t)strlen(words), &f);
    assert_true(f.missed > 0 && f.count > 20 && f.keys_used <= sizeof f.keys);
}

/* Every prefix and suffix of awkward text, at the end of a block: reads nothing outside. */
static void no_byte_outside_is_read(void **state)
{
    (void)state;
    static const char text[] = "\"k\": \"v\" a=\" 1.5 °C -0.2e 3 m³/h < 5 %lel 00:11:22 x=y=z=1=\"";
    size_t n = sizeof text - 1;
    static lc_facts f;
    for (size_t from = 0; from <= n; from++) {
        for (size_t to = from; to <= n; to++) {
            char *copy = malloc(to - from + 1);
            assert_non_null(copy);
            memcpy(copy, text + from, to - from);
            char *exact = realloc(copy, to - from > 0 ? to - from : 1);
            lc_facts_find(exact, (uint32_t)(to - from), &f);
            for (uint32_t i = 0; i < f.count; i++) {
                assert_true(f.fact[i].at < f.fact[i].end && f.fact[i].end <= to - from);
            }
            free(exact);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_come_from_words_units_or_neighbours),
        cmocka_unit_test(limits_are_not_readings),
        cmocka_unit_test(units_in_many_spellings),
        cmocka_unit_test(names_and_codes_are_no_facts),
        cmocka_unit_test(a_word_that_is_no_unit_stays_apart),
        cmocka_unit_test(words_after_an_equals_sign),
        cmocka_unit_test(signs),
        cmocka_unit_test(values_are_exact_and_convert),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(no_byte_outside_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
