/* Bundles of label_score stages: with adapters and kinds of KV cache, and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "labels_make.h"

#define PROMPT "Say: {text}\nIt is: \n"
#define CAUSAL FOLDER "tiny-causal.gguf"
#define ADAPTED(i)                                                                                 \
    "{\"id\":\"s\",\"type\":\"label_score\",\"model\":\"m.leaf\",\"prompt\":\"p.txt\","            \
    "\"adapter\":\"a" i ".leaf\"}"
#define KV(kind, tasks)                                                                            \
    "{\"version\":1,\"job\":\"j\",\"ver\":1,\"kv\":\"" kind "\",\"tasks\":[" tasks "]}"

static const char *const lines[] = {"temp 81 C", "x", "the pump is quiet today, 3 bar"};

/* ---- adapters ---- */

static float largest_difference(const float *a, const float *b)
{
    float most = 0;
    for (uint32_t i = 0; i < 3; i++) {
        float off = a[i] < b[i] ? b[i] - a[i] : a[i] - b[i];
        most = off > most ? off : most;
    }
    return most;
}

/* What three lines score in a job of one task. */
static void scores_of(const char *json, float z[3][3])
{
    static labels_made m;
    const lc_job_options options = labels_options();
    labels_open(&m, labels_bundle(json, PROMPT), &options);
    for (size_t i = 0; i < 3; i++) {
        memcpy(z[i], labels_run(&m, lines[i])->score, sizeof z[i]);
    }
    labels_close(&m);
}

/* With the prior and the prefix of the adapted model, too. */
static void an_adapter_scores_as_merged(void **state)
{
    (void)state;
    float plain[3][3], adapted[3][3], merged[3][3];
    labels_pack(CAUSAL, LC_PACK_F32);
    labels_adapter(0, "causal-all");
    scores_of(JOB(TASK("t", THREE, STAGE)), plain);
    scores_of(JOB(TASK("t", THREE, ADAPTED("0"))), adapted);
    labels_pack_merged(CAUSAL, LC_PACK_F32, "causal-all");
    scores_of(JOB(TASK("t", THREE, STAGE)), merged);
    for (size_t i = 0; i < 3; i++) {
        assert_true(largest_difference(adapted[i], merged[i]) < 1e-4f);
        assert_true(largest_difference(adapted[i], plain[i]) > 1e-2f);
    }
}

/* Stages with two adapters and without one take turns in a net, to the bit as each alone. */
static void adapters_share_a_net(void **state)
{
    (void)state;
    static labels_made m;
    const char *const alone[] = {JOB(TASK("a", THREE, ADAPTED("0"))), JOB(TASK("b", THREE, STAGE)),
                                 JOB(TASK("c", THREE, ADAPTED("1")))};
    float z[3][3][3];
    const lc_job_options options = labels_options();
    labels_pack(CAUSAL, LC_PACK_Q4);
    labels_adapter(0, "causal-all");
    labels_adapter(1, "causal-qv");
    for (size_t i = 0; i < 3; i++) {
        scores_of(alone[i], z[i]);
    }
    labels_open(&m,
                labels_bundle(JOB(TASK("a", THREE, ADAPTED("0")) "," TASK(
                                  "b", THREE, STAGE) "," TASK("c", THREE, ADAPTED("1"))),
                              PROMPT),
                &options);
    for (size_t i = 0; i < 3; i++) {
        (void)labels_run(&m, lines[i]);
        for (size_t t = 0; t < 3; t++) {
            assert_memory_equal(m.answers[t].score, z[t][i], sizeof z[t][i]);
        }
    }
    labels_close(&m);
}
/* ---- bundles that do not fit, or were damaged ---- */

static lc_err try(const lc_object *bundle, lc_job **job, lc_diag *diag)
{
    static void *memory[2];
    static lc_arena state, scratch;
    const lc_job_options options = labels_options();
    for (size_t i = 0; i < 2; i++) {
        memory[i] = memory[i] == NULL ? labels_memory(ARENA_BYTES) : memory[i];
    }
    lc_arena_init(&state, memory[0], ARENA_BYTES);
    lc_arena_init(&scratch, memory[1], ARENA_BYTES);
    return lc_job_open(bundle, labels_find, NULL, &options, &state, &scratch, job, diag);
}

static lc_section section_of(const lc_object *bundle, uint32_t type, uint32_t index)
{
    lc_leaf leaf;
    lc_section section;
    assert_int_equal(lc_leaf_open(bundle->data, bundle->bytes, &leaf, NULL), LC_OK);
    assert_true(lc_leaf_find(&leaf, type, index, &section));
    return section;
}

/* Keys and values computed with one adapter are no prefix for another, or for none. */
static void a_prefix_belongs_to_its_adapter(void **state)
{
    (void)state;
    lc_job *job;
    lc_diag diag = {0};
    static uint8_t kept[1 << 16];
    labels_pack(CAUSAL, LC_PACK_Q4);
    labels_adapter(0, "causal-all");
    labels_adapter(1, "causal-qv");
    lc_object bundle = labels_bundle(
        JOB(TASK("a", THREE, ADAPTED("0")) "," TASK("b", THREE, ADAPTED("1"))), PROMPT);
    lc_section first = section_of(&bundle, LC_SECTION_PREFIX, 0);
    lc_section second = section_of(&bundle, LC_SECTION_PREFIX, 1);
    uint8_t *a = (uint8_t *)(uintptr_t)first.data, *b = (uint8_t *)(uintptr_t)second.data;
    assert_int_equal(first.bytes, second.bytes);
    assert_true(first.bytes < sizeof kept);
    assert_int_equal(try(&bundle, &job, &diag), LC_OK);
    memcpy(kept, a, first.bytes);
    memcpy(a, b, first.bytes);
    memcpy(b, kept, first.bytes);
    assert_int_equal(try(&bundle, &job, &diag), LC_ERR_FORMAT);
    assert_string_equal(diag.text, "snapshot of another adapter");
    labels_free(&bundle);
    bundle = labels_bundle(JOB(TASK("a", THREE, ADAPTED("0"))), PROMPT);
    a = (uint8_t *)(uintptr_t)section_of(&bundle, LC_SECTION_PREFIX, 0).data;
    assert_int_equal(a[0], 2);
    a[0] = 1; /* says that no adapter was at work */
    assert_int_equal(try(&bundle, &job, &diag), LC_ERR_FORMAT);
    assert_string_equal(diag.text, "snapshot of another adapter");
    labels_free(&bundle);
}

/* ---- kinds of cache ---- */

/* A job of a kind: the version of its section, the kind of its prefix, what its keys and values
 * take, and the scores of a line. */
static size_t kind_of(const char *json, uint32_t version, uint32_t kv, float z[3])
{
    static labels_made m;
    lc_job_past past;
    lc_job_options options = labels_options();
    options.past = &past;
    labels_open(&m, labels_bundle(json, PROMPT), &options);
    assert_int_equal(section_of(&m.bundle, LC_SECTION_JOB, 0).data[0], version);
    assert_int_equal(section_of(&m.bundle, LC_SECTION_PREFIX, 0).data[4], kv);
    assert_int_equal(past.kv, kv);
    memcpy(z, labels_run(&m, lines[0])->score, 3 * sizeof *z);
    labels_close(&m);
    return past.bytes;
}

static void a_job_says_its_cache(void **state)
{
    (void)state;
    float own[3], f16[3], i8[3], again[3];
    labels_pack(CAUSAL, LC_PACK_F32);
    labels_adapter(0, "causal-all");
    size_t wide = kind_of(JOB(TASK("t", THREE, STAGE)), 1, LC_KV_F32, own);
    size_t half = kind_of(KV("f16", TASK("t", THREE, STAGE)), 3, LC_KV_F16, f16);
    size_t quarter = kind_of(KV("i8", TASK("t", THREE, STAGE)), 3, LC_KV_I8, i8);
    assert_true(half < wide && quarter < half);
    assert_true(largest_difference(own, f16) > 0 && largest_difference(own, f16) < 1e-2f);
    assert_true(largest_difference(f16, i8) > 0 && largest_difference(own, i8) < 0.3f);
    (void)kind_of(KV("auto", TASK("t", THREE, STAGE)), 1, LC_KV_F32, again);
    assert_memory_equal(own, again, sizeof own);
    (void)kind_of(KV("auto", TASK("t", THREE, ADAPTED("0"))), 2, LC_KV_F32, own);
    (void)kind_of(KV("i8", TASK("t", THREE, ADAPTED("0"))), 3, LC_KV_I8, again);
    assert_true(largest_difference(own, again) > 0 && largest_difference(own, again) < 0.3f);
}

/* auto leaves no trace in a bundle. */
static void auto_is_the_same_bundle(void **state)
{
    (void)state;
    labels_pack(CAUSAL, LC_PACK_Q4);
    lc_object plain = labels_bundle(JOB(TASK("t", THREE, STAGE)), PROMPT);
    lc_object said = labels_bundle(KV("auto", TASK("t", THREE, STAGE)), PROMPT);
    assert_int_equal(plain.bytes, said.bytes);
    assert_memory_equal(plain.data, said.data, plain.bytes);
    labels_free(&plain);
    labels_free(&said);
}

/* Another kind may be asked for to see what it takes; the prefix of a bundle stays what it is. */
static void a_prefix_belongs_to_its_cache(void **state)
{
    (void)state;
    lc_job *job;
    lc_arena arena[2];
    lc_diag diag = {0};
    lc_job_past own, other;
    lc_job_options options = labels_options();
    labels_pack(CAUSAL, LC_PACK_Q4);
    lc_object bundle = labels_bundle(JOB(TASK("t", THREE, STAGE)), PROMPT);
    for (size_t i = 0; i < 2; i++) {
        options.past = i == 0 ? &own : &other;
        options.kv = i == 0 ? LC_KV_AUTO : LC_KV_I8;
        lc_arena_measure(&arena[0]);
        lc_arena_measure(&arena[1]);
        assert_int_equal(
            lc_job_open(&bundle, labels_find, NULL, &options, &arena[0], &arena[1], &job, &diag),
            LC_OK);
    }
    assert_int_equal(own.kv, LC_KV_F16);
    assert_int_equal(other.kv, LC_KV_I8);
    assert_true(other.bytes < own.bytes);
    void *memory[2] = {labels_memory(ARENA_BYTES), labels_memory(ARENA_BYTES)};
    lc_arena_init(&arena[0], memory[0], ARENA_BYTES);
    lc_arena_init(&arena[1], memory[1], ARENA_BYTES);
    assert_int_equal(
        lc_job_open(&bundle, labels_find, NULL, &options, &arena[0], &arena[1], &job, &diag),
        LC_ERR_UNSUPPORTED);
    assert_string_equal(diag.text, "snapshot of another kind of KV cache");
    /* the byte behind the packs of a bundle that says its kind: F32 and nonsense are none */
    labels_free(&bundle);
    bundle = labels_bundle(KV("i8", TASK("t", THREE, STAGE)), PROMPT);
    uint8_t *kv = (uint8_t *)(uintptr_t)section_of(&bundle, LC_SECTION_JOB, 0).data;
    kv += 4 + 4 + 3 + 2 + 32 + 2; /* version, ver, name j, packs, no adapters */
    assert_int_equal(*kv, LC_KV_I8);
    for (uint32_t i = 0; i < 256; i++) {
        *kv = (uint8_t)i;
        lc_err err = try(&bundle, &job, &diag);
        assert_int_equal(err, i == LC_KV_I8 ? LC_OK : LC_ERR_UNSUPPORTED);
    }
    labels_free(&bundle);
    free(memory[0]);
    free(memory[1]);
}

/* Every byte of the job, and of the prefix's header, changed: refused with a reason, or run. */
static void damaged_bundles_are_survived(void **state)
{
    (void)state;
    lc_job *job;
    lc_diag diag = {0};
    uint32_t refused = 0;
    labels_pack(CAUSAL, LC_PACK_Q4);
    lc_object bundle = labels_bundle(JOB(TASK("t", THREE, STAGE)), PROMPT);
    uint8_t *bytes = (uint8_t *)(uintptr_t)bundle.data;
    const lc_section section[2] = {section_of(&bundle, LC_SECTION_JOB, 0),
                                   section_of(&bundle, LC_SECTION_PREFIX, 0)};
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < (s == 0 ? section[0].bytes : 48); i++) {
            for (int bit = 0; bit < 8; bit += s == 0 ? 3 : 1) {
                uint8_t *at = bytes + section[s].offset + i;
                static lc_answer answers[LC_TASKS_MAX];
                *at ^= (uint8_t)(1u << bit);
                diag = (lc_diag){0};
                if (try(&bundle, &job, &diag) == LC_OK) {
                    assert_int_equal(s, 0); /* nothing in that header is free */
                    assert_int_equal(lc_job_run(job, "temp 81", 7, false, answers), LC_OK);
                } else {
                    assert_non_null(diag.text);
                    refused++;
                }
                *at ^= (uint8_t)(1u << bit);
            }
        }
    }
    assert_true(refused > 48 * 8);
    labels_free(&bundle);
}

/* Numbers in a prefix are not looked at when it is loaded; what is none is found by the run. */
static void a_prefix_of_no_numbers_defers(void **state)
{
    (void)state;
    lc_job *job;
    lc_diag diag = {0};
    static lc_answer answers[LC_TASKS_MAX];
    labels_pack(CAUSAL, LC_PACK_Q4);
    lc_object bundle = labels_bundle(JOB(TASK("t", THREE, STAGE)), PROMPT);
    lc_section prefix = section_of(&bundle, LC_SECTION_PREFIX, 0);
    memset((uint8_t *)(uintptr_t)bundle.data + prefix.offset + 48, 0xff, prefix.bytes - 48);
    assert_int_equal(try(&bundle, &job, &diag), LC_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(lc_job_run(job, "temp 81", 7, false, answers), LC_OK);
        assert_int_equal(answers[0].decision, LC_DEFER);
        assert_true(lc_str_equal(answers[0].why[0], lc_str_from("model:number")));
    }
    labels_free(&bundle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_adapter_scores_as_merged),
        cmocka_unit_test(adapters_share_a_net),
        cmocka_unit_test(a_prefix_belongs_to_its_adapter),
        cmocka_unit_test(a_job_says_its_cache),
        cmocka_unit_test(auto_is_the_same_bundle),
        cmocka_unit_test(a_prefix_belongs_to_its_cache),
        cmocka_unit_test(damaged_bundles_are_survived),
        cmocka_unit_test(a_prefix_of_no_numbers_defers),
    };
    return cmocka_run_group_tests(tests, labels_set_up, labels_clean_up);
}
