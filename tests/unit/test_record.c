/* Records: the exact text, and the appender below it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../board/linux/json.h"
#include "../../runtime/leafcutter.h"
#include "../../runtime/text.h"
#include "job_make.h"

/* ---- text ---- */

static const char *fixed(float v, uint32_t decimals)
{
    static char out[64];
    lc_text t = lc_text_make(out, sizeof out - 1);
    lc_text_fixed(&t, v, decimals);
    assert_false(t.full);
    out[t.bytes] = '\0';
    return out;
}

static void decimals_round_half_to_even(void **state)
{
    (void)state;
    static const struct {
        float v;
        uint32_t decimals;
        const char *text;
    } s[] = {{0, 4, "0.0000"},
             {1, 4, "1.0000"},
             {0.9421f, 4, "0.9421"},
             {0.5f, 0, "0"},
             {1.5f, 0, "2"},
             {2.5f, 0, "2"},
             {-0.5f, 0, "0"},
             {0.125f, 2, "0.12"},
             {0.375f, 2, "0.38"},
             {-0.00001f, 4, "0.0000"},
             {-12.5f, 1, "-12.5"},
             {0.99999f, 4, "1.0000"},
             {1e9f, 1, "1000000000.0"},
             {3e38f, 1, "1000000000.0"},
             {-3e38f, 0, "-1000000000"},
             {18.44f, 1, "18.4"},
             {1e-40f, 4, "0.0000"},
             {0.03125f, 4, "0.0312"}};
    for (size_t i = 0; i < sizeof s / sizeof s[0]; i++) {
        assert_string_equal(fixed(s[i].v, s[i].decimals), s[i].text);
    }
    float zero = 0;
    assert_string_equal(fixed(zero / zero, 4), "null");
    /* against printf, which rounds the exact value half to even, too */
    uint32_t seed = 1;
    for (int i = 0; i < 100000; i++) {
        char want[64];
        seed = seed * 1664525 + 1013904223;
        float v = (float)(seed >> 8) / 16777216.0f;
        snprintf(want, sizeof want, "%.4f", (double)v);
        assert_string_equal(fixed(v, 4), want);
    }
}

static void numbers_print_exactly(void **state)
{
    (void)state;
    char out[256];
    lc_text t = lc_text_make(out, sizeof out - 1);
    lc_text_scaled(&t, -25, 1);
    lc_text_add(&t, " ");
    lc_text_scaled(&t, 5, 3);
    lc_text_add(&t, " ");
    lc_text_scaled(&t, INT64_MIN, 0);
    lc_text_add(&t, " ");
    lc_text_u64(&t, UINT64_MAX);
    lc_text_add(&t, " ");
    lc_text_hex(&t, (const uint8_t *)"\x00\x9f\xff", 3);
    lc_text_json(&t, (lc_str){"a\"\\\n\t\x01\x7f\xc2\xb5\xff", 10});
    out[t.bytes] = '\0';
    assert_string_equal(out, "-2.5 0.005 -9223372036854775808 18446744073709551615 009fff"
                             "\"a\\\"\\\\\\n\\t\\u0001\\u007f\xc2\xb5\xef\xbf\xbd\"");
}

static void a_full_text_stays_inside(void **state)
{
    (void)state;
    char out[8] = "-------";
    lc_text t = lc_text_make(out, 4);
    lc_text_add(&t, "abc");
    lc_text_add(&t, "de");
    assert_true(t.full);
    lc_text_add(&t, "f"); /* would fit, but what stands would be wrong */
    assert_int_equal(t.bytes, 3);
    assert_string_equal(out, "abc----");
}

/* ---- records ---- */

static const char json[] =
    "{\"version\":1,\"job\":\"pump\",\"ver\":14,\"tasks\":[{\"task\":\"fault\",\"labels\":["
    "{\"name\":\"overheating\",\"action\":\"gpio:relay=1,500ms; tone:880Hz,3x;\"},"
    "{\"name\":\"quo\\\"te\"}],\"stages\":[{\"id\":\"rules\",\"type\":\"rules\",\"rules\":["
    "{\"id\":\"R1\",\"if\":\"temp > 90\",\"label\":\"overheating\",\"p\":0.9421},"
    "{\"id\":\"R2\",\"if\":\"state == open\",\"label\":\"quo\\\"te\",\"p\":0.3}]}]}]}";

static const uint8_t root[32] = {0x9c, 0x1f, 0x02, 0xaa, 1};
static const uint8_t hash[32] = {0x9f, 0x86, 0xd0, 0x81, 0x88, 0x4c, 0x7d, 0x65, 0xff};

static lc_record_meta meta_make(void)
{
    return (lc_record_meta){.dev = lc_str_from("pi4-0017"),
                            .boot = 41,
                            .seq = 123456,
                            .ts_ms = 1763625600123,
                            .tq = lc_str_from("ntp"),
                            .src = lc_str_from("tty0"),
                            .ms = 18.4f,
                            .in = hash,
                            .mdl = root};
}

static const char *write(job_made *m, const char *text, const lc_record_meta *meta)
{
    static char out[LC_RECORD_BYTES_MAX + 1];
    const lc_answer *a = job_made_run(m, text, false);
    size_t bytes = lc_record_write(m->job, a, meta, out, LC_RECORD_BYTES_MAX);
    assert_true(bytes > 0);
    out[bytes] = '\0';
    cJSON *tree = NULL;
    assert_int_equal(lc_json_parse(out, bytes, 0, &tree, NULL), LC_OK);
    cJSON_Delete(tree);
    return out;
}

static void a_record_is_exactly_this(void **state)
{
    (void)state;
    static job_made m;
    lc_record_meta meta = meta_make();
    job_made_open(&m, json, 0, NULL);
    assert_string_equal(
        write(&m, "P2 temp 96.50C, lid=Up", &meta),
        "{\"v\":1,\"dev\":\"pi4-0017\",\"boot\":41,\"seq\":123456,\"ts\":1763625600123,"
        "\"tq\":\"ntp\",\"src\":\"tty0\",\"job\":\"pump\",\"task\":\"fault\","
        "\"label\":\"overheating\",\"p\":0.9421,\"margin\":0.8842,\"set\":[\"overheating\"],"
        "\"oos\":0.0000,\"stage\":\"rules\",\"decision\":\"accept\",\"why\":[\"R1\"],"
        "\"facts\":[{\"k\":\"temp\",\"v\":96.50,\"u\":\"C\",\"at\":[8,14]},"
        "{\"k\":\"lid\",\"v\":\"up\",\"at\":[20,22]}],"
        "\"act\":[\"gpio:relay=1,500ms\",\"tone:880Hz,3x\"],\"mdl\":\"9c1f02aa@14\",\"ms\":18.4,"
        "\"tok\":0,\"in\":\"9f86d081884c7d65\"}");
    meta.mdl = NULL;
    char mdl[32];
    snprintf(mdl, sizeof mdl, "\"mdl\":\"%02x%02x%02x%02x@14\"", lc_job_root(m.job)[0],
             lc_job_root(m.job)[1], lc_job_root(m.job)[2], lc_job_root(m.job)[3]);
    assert_non_null(strstr(write(&m, "temp 96", &meta), mdl));
    job_made_close(&m);
}

static void optional_parts(void **state)
{
    (void)state;
    static job_made m;
    lc_record_meta meta = meta_make();
    job_made_open(&m, json, 0, NULL);
    meta.tq = lc_str_from("none");
    meta.ts_ms = 0;
    meta.up_ms = 77;
    meta.in = NULL;
    meta.text = lc_str_from("a\tb");
    meta.labels = meta.scores = true;
    const char *r = write(&m, "state=open", &meta);
    assert_non_null(strstr(r, "\"ts\":0,\"tq\":\"none\",\"up\":77,\"src\""));
    assert_null(strstr(r, "\"in\":"));
    assert_non_null(strstr(r, "\"label\":\"quo\\\"te\",\"p\":0.3000"));
    assert_non_null(strstr(r, "\"decision\":\"defer\",\"why\":[\"R2\"]"));
    assert_non_null(strstr(r, "\"act\":[]"));
    assert_non_null(strstr(r, "\"tok\":0,\"text\":\"a\\tb\",\"labels\":{\"overheating\":0.7000,"
                              "\"quo\\\"te\":0.3000},\"z\":{}}"));
    job_made_close(&m);
}

static void rejects_have_no_label(void **state)
{
    (void)state;
    static job_made m;
    lc_record_meta meta = meta_make();
    job_made_open(&m, json, 0, NULL);
    assert_non_null(strstr(write(&m, "", &meta),
                           "\"label\":null,\"p\":0.0000,\"margin\":0.0000,\"set\":[],"
                           "\"oos\":0.0000,\"stage\":\"\",\"decision\":\"reject\","
                           "\"why\":[\"input:empty\"],\"facts\":[],\"act\":[]"));
    job_made_close(&m);
}

static void a_record_fits_or_is_refused(void **state)
{
    (void)state;
    static job_made m;
    lc_record_meta meta = meta_make();
    job_made_open(&m, json, 0, NULL);
    size_t whole = strlen(write(&m, "temp 96", &meta));
    for (size_t max = 0; max <= whole; max++) {
        char *out = malloc(max > 0 ? max : 1);
        size_t bytes = lc_record_write(m.job, &m.answers[0], &meta, out, max);
        assert_int_equal(bytes, max == whole ? whole : 0);
        free(out);
    }
    job_made_close(&m);
}

static void raw_scores_are_named(void **state)
{
    (void)state;
    static job_made m;
    lc_record_meta meta = meta_make();
    meta.scores = true;
    job_made_open(&m,
                  "{\"version\":1,\"job\":\"j\",\"ver\":1,\"tasks\":[{\"task\":\"t\",\"labels\":["
                  "{\"name\":\"blue\"},{\"name\":\"red\"}],\"stages\":[{\"id\":\"h\",\"type\":"
                  "\"head\",\"model\":\"trunk.leaf\"}]}]}",
                  0, NULL);
    const char *z = strstr(write(&m, "temp 96", &meta), "\"z\":{\"blue\":");
    assert_non_null(z);
    assert_non_null(strstr(z, ",\"red\":"));
    assert_non_null(strstr(z, ",\"oos\":"));
    assert_null(strstr(z, "green"));
    job_made_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_round_half_to_even),
        cmocka_unit_test(numbers_print_exactly),
        cmocka_unit_test(a_full_text_stays_inside),
        cmocka_unit_test(a_record_is_exactly_this),
        cmocka_unit_test(optional_parts),
        cmocka_unit_test(rejects_have_no_label),
        cmocka_unit_test(a_record_fits_or_is_refused),
        cmocka_unit_test(raw_scores_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
