/* Jobs: the chain on real lines, memory, and hostile sections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../runtime/leafcutter.h"
#include "job_make.h"

#define LABELS                                                                                     \
    "\"labels\":[{\"name\":\"red\",\"needs\":\"evidence\",\"action\":\"gpio:a=1;clip:b\"},"        \
    "{\"name\":\"green\"},{\"name\":\"blue\"}]"
#define RULES                                                                                      \
    "{\"id\":\"rules\",\"type\":\"rules\",\"rules\":["                                             \
    "{\"id\":\"R1\",\"if\":\"temp > 90\",\"label\":\"red\",\"p\":0.99},"                           \
    "{\"id\":\"R2\",\"if\":\"text ~ /fine/\",\"label\":\"green\",\"p\":0.97},"                     \
    "{\"id\":\"R3\",\"if\":\"text ~ /maybe/\",\"label\":\"green\",\"p\":0.4}]}"
#define HEAD "{\"id\":\"head\",\"type\":\"head\",\"model\":\"trunk.leaf\"}"
#define VERIFY                                                                                     \
    "{\"id\":\"verify\",\"type\":\"verify\",\"rules\":["                                           \
    "{\"id\":\"V1\",\"if\":\"label == green and has(vib)\",\"decision\":\"escalate\"},"            \
    "{\"id\":\"V2\",\"if\":\"text ~ /reject/\",\"decision\":\"reject\"}]}"
#define JOB(stages, more)                                                                          \
    "{\"version\":1,\"job\":\"j\",\"ver\":7,\"tasks\":[{\"task\":\"t\"," LABELS                    \
    ",\"stages\":[" stages "]}]" more "}"
#define ESCALATE ",\"escalate\":{}"

/* ---- the chain ---- */

static void rules_answer_without_the_model(void **state)
{
    (void)state;
    static job_made m;
    job_made_open(&m, JOB(RULES "," HEAD "," VERIFY, ""), 0, NULL);
    const lc_answer *a = job_made_run(&m, "temp 96C", false);
    assert_string_equal(job_made_say(a), "red accept rules R1");
    assert_int_equal(a->tokens, 0);
    assert_int_equal(a->score_count, 0);
    assert_string_equal(job_made_say(job_made_run(&m, "all fine", false)), "green accept rules R2");
    assert_string_equal(job_made_say(job_made_run(&m, "fine, vib 3 mm/s", true)),
                        "green defer rules R2,V1");
    assert_string_equal(job_made_say(job_made_run(&m, "fine, reject", true)),
                        "- reject rules R2,V2");
    assert_string_equal(lc_job_name(m.job).data, lc_job_name(m.job).data);
    assert_int_equal(lc_job_ver(m.job), 7);
    assert_int_equal(lc_job_packs(m.job), 1);
    assert_false(lc_job_escalates(m.job));
    job_made_close(&m);
}

static void the_model_answers_the_rest(void **state)
{
    (void)state;
    static job_made m;
    job_made_open(&m, JOB(RULES "," HEAD, ESCALATE), 0, NULL);
    const lc_answer *a = job_made_run(&m, "maybe something", true);
    assert_true(a->tokens > 0);
    assert_int_equal(a->score_count, 4);
    assert_true(lc_str_equal(a->stage, lc_str_from("head")));
    assert_true(lc_str_equal(a->why[0], lc_str_from("R3")));
    assert_true(lc_job_escalates(m.job));
    static lc_answer first;
    first = *a;
    a = job_made_run(&m, "maybe something", true);
    assert_memory_equal(a->prob, first.prob, 3 * sizeof(float));
    a = job_made_run(&m, "maybe something else", true);
    assert_memory_not_equal(a->prob, first.prob, 3 * sizeof(float));
    job_made_close(&m);
}

/* A head that finds a label which needs evidence gets it from a rule that is too weak to decide. */
static void evidence_is_a_rule_for_the_label(void **state)
{
    (void)state;
    static const char json[] =
        "{\"version\":1,\"job\":\"j\",\"ver\":1,\"tasks\":[{\"task\":\"t\",\"labels\":["
        "{\"name\":\"red\",\"needs\":\"evidence\"},{\"name\":\"green\",\"needs\":\"evidence\"},"
        "{\"name\":\"blue\",\"needs\":\"evidence\"}],\"stages\":[{\"id\":\"weak\",\"type\":"
        "\"rules\",\"rules\":[{\"id\":\"never\",\"if\":\"text ~ /zzz/\",\"label\":\"red\",\"p\":1},"
        "{\"id\":\"r\",\"if\":\"text ~ /clue/\",\"label\":\"red\",\"p\":0.1},"
        "{\"id\":\"g\",\"if\":\"text ~ /clue/\",\"label\":\"green\",\"p\":0.1},"
        "{\"id\":\"b\",\"if\":\"text ~ /clue/\",\"label\":\"blue\",\"p\":0.1}]}," HEAD "],"
        "\"calibration\":{\"T\":0.01,\"t\":0.2,\"alpha\":0.9}}]}";
    static job_made m;
    job_made_open(&m, json, 0, NULL);
    const lc_answer *a = job_made_run(&m, "no hint at all", false);
    assert_int_equal(a->decision, LC_DEFER);
    a = job_made_run(&m, "one clue", false);
    assert_int_equal(a->decision, LC_ACCEPT);
    const char *name = a->task->label[a->label].name.data;
    assert_true(a->why[a->why_count - 1].data[0] == name[0]);
    job_made_close(&m);
}

static void odd_input_is_answered(void **state)
{
    (void)state;
    static job_made m;
    static char text[LC_LINE_BYTES_MAX + 1];
    job_made_open(&m, JOB(HEAD, ESCALATE), 16, NULL);
    assert_string_equal(job_made_say(job_made_run(&m, "", true)), "- reject  input:empty");
    memset(text, 'x', sizeof text);
    assert_int_equal(lc_job_run(m.job, text, sizeof text, true, m.answers), LC_OK);
    assert_string_equal(job_made_say(m.answers), "- reject  input:long");
    assert_int_equal(lc_job_run(m.job, NULL, 1u << 30, true, m.answers), LC_OK);
    assert_string_equal(job_made_say(m.answers), "- reject  input:long");
    assert_int_equal(lc_job_run(m.job,
                                "a\0\xff"
                                "b",
                                4, true, m.answers),
                     LC_OK);
    assert_true(lc_str_equal(m.answers[0].why[0], lc_str_from("input:utf8")));
    assert_int_equal(m.answers[0].why_count, 1);
    assert_int_equal(lc_job_run(m.job, text, LC_LINE_BYTES_MAX, true, m.answers), LC_OK);
    assert_true(lc_str_equal(m.answers[0].why[0], lc_str_from("input:cut")));
    assert_int_equal(m.answers[0].tokens, 16);
    memset(text, 0xff, sizeof text);
    assert_int_equal(lc_job_run(m.job, text, LC_LINE_BYTES_MAX, true, m.answers), LC_OK);
    assert_int_equal(m.answers[0].why_count, 2);
    job_made_close(&m);
}

static void scratch_peaks_where_planned(void **state)
{
    (void)state;
    static job_made m;
    job_made_open(&m, JOB(RULES "," HEAD, ""), 0, NULL);
    size_t plan = m.scratch.size;
    assert_int_equal(m.scratch.used, 0);
    m.scratch.peak = 0;
    (void)job_made_run(&m, "a short line", false);
    assert_true(m.scratch.peak <= plan);
    size_t kept = m.scratch.used;
    (void)job_made_run(&m, "another one, 5 bar", false);
    assert_int_equal(m.scratch.used, kept);
    assert_int_equal(m.scratch.refused, 0);
    assert_int_equal(LC_ROUND_UP(m.scratch.peak, 64), plan);
    job_made_close(&m);
}

static void a_cancelled_model_defers(void **state)
{
    (void)state;
    static job_made m;
    static volatile bool cancel;
    job_made_open(&m, JOB(RULES "," HEAD, ESCALATE), 0, &cancel);
    cancel = true;
    assert_string_equal(job_made_say(job_made_run(&m, "what", false)), "- defer  model:cancelled");
    assert_string_equal(job_made_say(job_made_run(&m, "maybe", false)),
                        "green defer rules R3,model:cancelled");
    assert_string_equal(job_made_say(job_made_run(&m, "all fine", false)), "green accept rules R2");
    cancel = false;
    assert_true(job_made_run(&m, "what", false)->label >= 0);
    job_made_close(&m);
}

static void tasks_see_earlier_answers(void **state)
{
    (void)state;
    static const char json[] =
        "{\"version\":1,\"job\":\"j\",\"ver\":1,\"tasks\":[{\"task\":\"one\",\"labels\":["
        "{\"name\":\"a\"},{\"name\":\"b\"}],\"stages\":[{\"id\":\"s\",\"type\":\"rules\",\"rules\":"
        "[{\"id\":\"A\",\"if\":\"text ~ /a/\",\"label\":\"a\",\"p\":0.9},"
        "{\"id\":\"B\",\"if\":\"text ~ /b/\",\"label\":\"b\",\"p\":0.9}]}]},"
        "{\"task\":\"two\",\"when\":\"one.label != a\",\"labels\":[{\"name\":\"c\"}],\"stages\":["
        "{\"id\":\"s\",\"type\":\"rules\",\"rules\":[{\"id\":\"C\",\"if\":\"one.label == b\","
        "\"label\":\"c\",\"p\":1}]}]}]}";
    static job_made m;
    job_made_open(&m, json, 0, NULL);
    (void)job_made_run(&m, "a", false);
    assert_true(m.answers[1].skipped);
    (void)job_made_run(&m, "b", false);
    assert_false(m.answers[1].skipped);
    assert_string_equal(job_made_say(&m.answers[1]), "c accept s C");
    (void)job_made_run(&m, "x", false); /* no label: the comparison is false */
    assert_string_equal(job_made_say(&m.answers[0]), "- defer ");
    assert_true(m.answers[1].skipped);
    job_made_close(&m);
}

static void two_heads_share_one_pass(void **state)
{
    (void)state;
    static const char json[] =
        "{\"version\":1,\"job\":\"j\",\"ver\":1,\"tasks\":[{\"task\":\"one\",\"labels\":["
        "{\"name\":\"red\"},{\"name\":\"green\"},{\"name\":\"blue\"}],\"stages\":[" HEAD "]},"
        "{\"task\":\"two\",\"labels\":[{\"name\":\"blue\"},{\"name\":\"red\"}],\"stages\":[" HEAD
        "]}]}";
    static job_made m;
    job_made_open(&m, json, 0, NULL);
    (void)job_made_run(&m, "one line", false);
    assert_int_equal(lc_job_packs(m.job), 1);
    assert_int_equal(m.answers[1].score_count, 3);
    assert_true(m.answers[0].score[0] == m.answers[1].score[1]); /* red */
    assert_true(m.answers[0].score[2] == m.answers[1].score[0]); /* blue */
    assert_true(m.answers[0].score[3] == m.answers[1].score[2]); /* oos */
    job_made_close(&m);
}

static void a_pack_alone_is_a_job(void **state)
{
    (void)state;
    const lc_object *pack = job_make_pack();
    lc_buf out = {0};
    lc_json_diag diag = {0};
    assert_int_equal(lc_job_build_default(pack->data, pack->bytes, &out, &diag), LC_OK);
    uint8_t *copy = aligned_alloc(64, LC_ROUND_UP(out.bytes, 64));
    memcpy(copy, out.data, out.bytes);
    const lc_object bundle = {copy, out.bytes};
    lc_arena state_arena, scratch;
    lc_arena_init(&state_arena, aligned_alloc(64, 1 << 22), 1 << 22);
    lc_arena_init(&scratch, aligned_alloc(64, 1 << 22), 1 << 22);
    const lc_job_options options = {.kernels = lc_level_at(0)};
    lc_job *job;
    assert_int_equal(
        lc_job_open(&bundle, job_make_find, NULL, &options, &state_arena, &scratch, &job, NULL),
        LC_OK);
    assert_true(lc_str_equal(lc_job_name(job), lc_str_from("model")));
    const lc_task *task = lc_job_task(job, 0);
    assert_true(lc_str_equal(task->name, lc_str_from("label")));
    assert_int_equal(task->label_count, 3);
    assert_int_equal(task->stage[0].class_of[3], LC_CLASS_OOS);
    assert_true(task->calibration.temperature == 1 && task->calibration.threshold == 0.5f);
    lc_buf_free(&out);
    free(copy);
    free(state_arena.base);
    free(scratch.base);
}

/* ---- hostile sections ---- */

#define ARENA_BYTES ((size_t)1 << 22)

/* A bundle around a section JOB of any bytes, on memory of exactly its size. */
static uint8_t *bundle_around(const uint8_t *section, size_t bytes, lc_object *object)
{
    static lc_leaf_writer w;
    lc_buf out = {0};
    lc_leaf_writer_init(&w, LC_LEAF_BUNDLE, 64);
    lc_buf_put(lc_leaf_writer_section(&w, LC_SECTION_JOB, 0), section, bytes);
    assert_int_equal(lc_leaf_writer_finish(&w, &out), LC_OK);
    lc_leaf_writer_free(&w);
    void *memory = NULL;
    assert_int_equal(posix_memalign(&memory, 64, out.bytes), 0);
    memcpy(memory, out.data, out.bytes);
    *object = (lc_object){memory, out.bytes};
    lc_buf_free(&out);
    return memory;
}

typedef struct arenas {
    uint8_t *state, *scratch;
} arenas;

/* Opens, and runs what opens. */
static lc_err try(const arenas *memory, const uint8_t *section, size_t bytes, lc_diag *diag)
{
    static lc_answer answers[LC_TASKS_MAX];
    static char record[LC_RECORD_BYTES_MAX];
    const lc_job_options options = {.kernels = lc_level_at(0), .ctx = 16};
    lc_object object;
    lc_arena state, scratch, plan, plan_scratch;
    lc_job *job;
    uint8_t *bundle = bundle_around(section, bytes, &object);
    lc_arena_init(&state, memory->state, ARENA_BYTES);
    lc_arena_init(&scratch, memory->scratch, ARENA_BYTES);
    lc_arena_measure(&plan);
    lc_arena_measure(&plan_scratch);
    lc_err planned =
        lc_job_open(&object, job_make_find, NULL, &options, &plan, &plan_scratch, &job, NULL);
    lc_err err = lc_job_open(&object, job_make_find, NULL, &options, &state, &scratch, &job, diag);
    assert_int_equal(err, planned);
    if (err == LC_OK) {
        const lc_record_meta meta = {.tq = lc_str_from("none"), .labels = true, .scores = true};
        assert_int_equal(state.used, plan.used);
        assert_int_equal(lc_job_run(job, "temp 96C fine", 13, true, answers), LC_OK);
        for (uint32_t i = 0; i < lc_job_tasks(job); i++) {
            assert_true(answers[i].skipped ||
                        lc_record_write(job, &answers[i], &meta, record, sizeof record) > 0);
        }
    }
    free(bundle);
    return err;
}

static const char full_job[] =
    "{\"version\":1,\"job\":\"full\",\"ver\":7,\"tasks\":[{\"task\":\"t\"," LABELS
    ",\"stages\":[" RULES "," HEAD "," VERIFY "],\"accept\":{\"target_precision\":0.9},"
    "\"calibration\":{\"T\":1.5,\"b\":[0.1,0.2,0.3],\"oos\":{\"w\":[1,2],\"c\":0,\"t\":0.5}}},"
    "{\"task\":\"u\",\"when\":\"t.label == red\",\"labels\":[{\"name\":\"x\"}],\"stages\":["
    "{\"id\":\"s\",\"type\":\"rules\",\"rules\":[{\"id\":\"C\",\"if\":\"temp > 1\",\"label\":\"x\","
    "\"p\":1}]}]}],\"trend\":{\"t=red\":{\"of\":2,\"in\":3}},\"escalate\":{},"
    "\"privacy\":{\"never\":[\"red\"],\"redact\":[\"serial\"]},\"report\":{},\"drift\":{}}";

static size_t section_of(const char *json, uint8_t *to, size_t max)
{
    lc_buf bundle = job_make_bundle(json);
    lc_leaf leaf;
    lc_section section;
    assert_int_equal(lc_leaf_open(bundle.data, bundle.bytes, &leaf, NULL), LC_OK);
    assert_true(lc_leaf_find(&leaf, LC_SECTION_JOB, 0, &section));
    assert_true(section.bytes <= max);
    memcpy(to, section.data, (size_t)section.bytes);
    lc_buf_free(&bundle);
    return (size_t)section.bytes;
}

static arenas arenas_make(void)
{
    arenas a = {aligned_alloc(64, ARENA_BYTES), aligned_alloc(64, ARENA_BYTES)};
    assert_non_null(a.state);
    assert_non_null(a.scratch);
    return a;
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    static uint8_t section[4096];
    arenas memory = arenas_make();
    size_t bytes = section_of(full_job, section, sizeof section - 1);
    for (size_t n = 1; n < bytes; n++) {
        lc_diag diag = {0};
        assert_true(try(&memory, section, n, &diag) != LC_OK);
        assert_non_null(diag.text);
    }
    assert_int_equal(try(&memory, section, bytes, NULL), LC_OK);
    section[bytes] = 0;
    assert_int_equal(try(&memory, section, bytes + 1, NULL), LC_ERR_FORMAT);
    free(memory.state);
    free(memory.scratch);
}

static void every_flipped_bit_is_survived(void **state)
{
    (void)state;
    static uint8_t section[4096];
    arenas memory = arenas_make();
    size_t bytes = section_of(full_job, section, sizeof section), refused = 0;
    for (size_t i = 0; i < bytes * 8; i++) {
        section[i / 8] ^= (uint8_t)(1u << (i % 8));
        lc_diag diag = {0};
        lc_err err = try(&memory, section, bytes, &diag);
        assert_true(err == LC_OK || diag.text != NULL);
        refused += err != LC_OK;
        section[i / 8] ^= (uint8_t)(1u << (i % 8));
    }
    assert_true(refused > bytes); /* more than one bit in eight */
    for (size_t i = 0; i + 4 <= bytes; i++) {
        uint8_t kept[4];
        memcpy(kept, section + i, 4);
        memset(section + i, 0xff, 4);
        (void)try(&memory, section, bytes, NULL);
        memcpy(section + i, kept, 4);
    }
    free(memory.state);
    free(memory.scratch);
}

/* A refusal names the very place. */
static void refusals_name_place_and_reason(void **state)
{
    (void)state;
    static uint8_t section[4096];
    arenas memory = arenas_make();
    size_t bytes = section_of(full_job, section, sizeof section);
    uint8_t *rule = memmem(section, bytes, "temp > 90", 9);
    assert_non_null(rule);
    rule[5] = '$';
    lc_diag diag = {0};
    assert_int_equal(try(&memory, section, bytes, &diag), LC_ERR_FORMAT);
    assert_string_equal(diag.text, "expected < <= > >= == or !=");
    assert_int_equal(diag.offset, 192 + (size_t)(rule - section) + 5);
    rule[5] = '>';
    uint8_t *label = memmem(section, bytes, "label == green", 14);
    assert_non_null(label);
    label[9] = 'G';
    assert_int_equal(try(&memory, section, bytes, &diag), LC_ERR_FORMAT);
    assert_string_equal(diag.text, "no such label here, or no such task before this one");
    label[9] = 'g';
    section[0] = 9;
    assert_int_equal(try(&memory, section, bytes, &diag), LC_ERR_VERSION);
    section[0] = 1;
    section[20] ^= 1; /* root of the pack */
    assert_int_equal(try(&memory, section, bytes, &diag), LC_ERR_NOT_FOUND);
    free(memory.state);
    free(memory.scratch);
}

/* Fails at every possible push, cleanly, until memory suffices. */
static void too_little_memory_is_an_error(void **state)
{
    (void)state;
    lc_buf bundle = job_make_bundle(full_job);
    uint8_t *copy = aligned_alloc(64, LC_ROUND_UP(bundle.bytes, 64));
    memcpy(copy, bundle.data, bundle.bytes);
    const lc_object object = {copy, bundle.bytes};
    const lc_job_options options = {.kernels = lc_level_at(0), .ctx = 8};
    arenas memory = arenas_make();
    lc_arena plan, plan_scratch, state_arena, scratch;
    lc_job *job;
    lc_arena_measure(&plan);
    lc_arena_measure(&plan_scratch);
    assert_int_equal(
        lc_job_open(&object, job_make_find, NULL, &options, &plan, &plan_scratch, &job, NULL),
        LC_OK);
    for (size_t bytes = 0; bytes <= plan.peak; bytes += 64) {
        lc_diag diag = {0};
        lc_arena_init(&state_arena, memory.state, bytes);
        lc_arena_init(&scratch, memory.scratch, plan_scratch.peak);
        lc_err err = lc_job_open(&object, job_make_find, NULL, &options, &state_arena, &scratch,
                                 &job, &diag);
        assert_int_equal(err, bytes == plan.peak ? LC_OK : LC_ERR_ARENA);
        assert_true(err == LC_OK || diag.text != NULL);
    }
    for (size_t bytes = 0; bytes <= plan_scratch.peak; bytes += 4096) {
        lc_arena_init(&state_arena, memory.state, plan.peak);
        lc_arena_init(&scratch, memory.scratch, bytes);
        assert_int_equal(
            lc_job_open(&object, job_make_find, NULL, &options, &state_arena, &scratch, &job, NULL),
            bytes >= plan_scratch.peak ? LC_OK : LC_ERR_ARENA);
    }
    free(memory.state);
    free(memory.scratch);
    free(copy);
    lc_buf_free(&bundle);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_answer_without_the_model),
        cmocka_unit_test(the_model_answers_the_rest),
        cmocka_unit_test(evidence_is_a_rule_for_the_label),
        cmocka_unit_test(odd_input_is_answered),
        cmocka_unit_test(scratch_peaks_where_planned),
        cmocka_unit_test(a_cancelled_model_defers),
        cmocka_unit_test(tasks_see_earlier_answers),
        cmocka_unit_test(two_heads_share_one_pass),
        cmocka_unit_test(a_pack_alone_is_a_job),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_flipped_bit_is_survived),
        cmocka_unit_test(refusals_name_place_and_reason),
        cmocka_unit_test(too_little_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
