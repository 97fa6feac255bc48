/* Several lines answered together: each gets the record that it gets alone, at every level, with
 * any number of threads, whatever becomes of the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../board/linux/cpu.h"
#include "../../board/linux/tasks.h"
#include "job_make.h"
#include "labels_make.h"

#define PROMPT "Say: {text}\nIt is: \n"
#define CAUSAL FOLDER "tiny-causal.gguf"
#define ADAPTED(i)                                                                                 \
    "{\"id\":\"s\",\"type\":\"label_score\",\"model\":\"m.leaf\",\"prompt\":\"p.txt\","            \
    "\"adapter\":\"a" i ".leaf\"}"
#define PLAIN "{\"id\":\"p\",\"type\":\"label_score\",\"model\":\"m.leaf\",\"prompt\":\"p.txt\"}"
#define RULES                                                                                      \
    "{\"id\":\"r\",\"type\":\"rules\",\"rules\":[{\"id\":\"hot\",\"if\":\"temp > 90\","            \
    "\"label\":\"red\",\"p\":0.99}]}"
#define HEAD "{\"id\":\"h\",\"type\":\"head\",\"model\":\"trunk.leaf\"}"
#define COLORS "{\"name\":\"red\"},{\"name\":\"green\"},{\"name\":\"blue\"}"

/* Empty, too long, no UTF-8, decided by a rule, of any length, and with room for facts. */
static char huge[LC_LINE_BYTES_MAX + 2], wide[600];
static lc_str given[] = {{"temp 81 C", 9},
                         {"x", 1},
                         {"", 0},
                         {"the pump is quiet today, 3 bar", 30},
                         {"temp 96C fine", 13},
                         {huge, sizeof huge},
                         {wide, sizeof wide},
                         {"bearing \xff\xfe noise", 16},
                         {"P2 vib 7.9mm/s rising, temp 81C", 31},
                         {"a b c d e f g h i j k l m n o p q r s t u v w x y z", 51},
                         {"what is the time?", 17},
                         {" ", 1},
                         {"temp 40 C, 12 V", 15}};
#define GIVEN (sizeof given / sizeof given[0])

typedef struct opened {
    lc_arena state, scratch;
    lc_job *job;
} opened;

/* On arenas of exactly the planned size. */
static void job_open(opened *o, const lc_object *bundle, lc_object_find *find,
                     const lc_job_options *options)
{
    lc_diag diag = {0};
    lc_arena_measure(&o->state);
    lc_arena_measure(&o->scratch);
    assert_int_equal(
        lc_job_open(bundle, find, NULL, options, &o->state, &o->scratch, &o->job, &diag), LC_OK);
    size_t state = o->state.peak, scratch = o->scratch.peak;
    lc_arena_init(&o->state, labels_memory(state), state);
    lc_arena_init(&o->scratch, labels_memory(scratch), scratch);
    if (lc_job_open(bundle, find, NULL, options, &o->state, &o->scratch, &o->job, &diag) != LC_OK) {
        fail_msg("%s", diag.text);
    }
    lc_arena_seal(&o->state);
}

static void job_close(opened *o)
{
    free(o->state.base);
    free(o->scratch.base);
}

#define RECORDS 65536

/* The records of all given lines, so many at a time. Returns how many found no number. */
static uint32_t answer(opened *o, uint32_t at_once, char out[RECORDS])
{
    static lc_answer answers[LC_LINES_MAX * LC_TASKS_MAX];
    const lc_record_meta meta = {.tq = lc_str_from("none"), .labels = true, .scores = true};
    size_t used = 0;
    uint32_t tasks = lc_job_tasks(o->job);
    memset(out, 0, RECORDS);
    for (uint32_t i = 0; i < GIVEN; i += at_once) {
        uint32_t count = GIVEN - i < at_once ? (uint32_t)GIVEN - i : at_once;
        assert_int_equal(lc_job_run_lines(o->job, given + i, count, true, answers), LC_OK);
        for (uint32_t a = 0; a < count * tasks; a++) {
            if (!answers[a].skipped) {
                size_t n = lc_record_write(o->job, &answers[a], &meta, out + used, RECORDS - used);
                assert_true(n > 0);
                used += n;
            }
        }
    }
    assert_int_equal(o->scratch.peak, o->scratch.size);
    uint32_t failed = 0;
    for (const char *at = out; (at = strstr(at, "model:number")) != NULL; at++) {
        failed++;
    }
    return failed;
}

/* Returns how many records say that the model found no number. */
static uint32_t same_as_alone(const lc_object *bundle, lc_object_find *find, uint32_t ctx,
                              const volatile bool *cancel)
{
    static char alone[RECORDS], together[RECORDS];
    lc_job_options options = {.kernels = lc_level_at(0), .ctx = ctx, .cancel = cancel};
    opened o;
    job_open(&o, bundle, find, &options);
    uint32_t failed = answer(&o, 1, alone);
    job_close(&o);
    for (uint32_t level = 0; level < lc_level_count(); level++) {
        static const uint32_t lines[] = {2, 5, GIVEN, 8}; /* two: the widest is over a batch */
        lc_pool pool;
        options.kernels = lc_level_at(level);
        options.lines = lines[level % 4];
        if ((options.kernels->needs & ~lc_cpu_features()) != 0) {
            continue;
        }
        assert_int_equal(lc_pool_open(&pool, 1 + level % 3), LC_OK);
        options.tasks = lc_pool_tasks(&pool);
        job_open(&o, bundle, find, &options);
        (void)answer(&o, options.lines, together);
        job_close(&o);
        lc_pool_close(&pool);
        assert_string_equal(together, alone);
    }
    return failed;
}

static void labels_are(const char *json)
{
    lc_object bundle = labels_bundle(json, PROMPT);
    (void)same_as_alone(&bundle, labels_find, 0, NULL);
    labels_free(&bundle);
}

static void scored_labels(void **state)
{
    (void)state;
    labels_pack(FOLDER "tiny-lfm2.gguf", LC_PACK_Q4);
    labels_are(JOB(TASK("t", THREE, STAGE)));
    labels_pack(FOLDER "tiny-gemma3.gguf", LC_PACK_Q4);
    labels_are(JOB(TASK("t", THREE, STAGE)));
    labels_pack(CAUSAL, LC_PACK_T16);
    labels_are(JOB(TASK("t", THREE, RULES "," STAGE)));
}

/* Lines part: some are sure, some skip a task, and adapters take turns. */
static void tasks_and_adapters(void **state)
{
    (void)state;
    labels_pack(CAUSAL, LC_PACK_Q4);
    labels_adapter(0, "causal-all");
    labels_adapter(1, "causal-qv");
    labels_are(JOB(TASK(
        "a", THREE,
        RULES "," ADAPTED("0")) ","
                                "{\"task\":\"b\",\"when\":\"a.label == red\",\"labels\":[" THREE
                                "],\"stages\":[" ADAPTED("1") "]}," TASK(
                                    "c", THREE, RULES "," PLAIN "," ADAPTED("0"))));
}

static void a_head(void **state)
{
    (void)state;
    lc_buf built =
        job_make_bundle(JOB(TASK("t", COLORS, RULES "," HEAD) "," TASK("u", COLORS, HEAD)));
    void *memory = labels_memory(built.bytes);
    memcpy(memory, built.data, built.bytes);
    const lc_object bundle = {memory, built.bytes};
    (void)same_as_alone(&bundle, job_make_find, 0, NULL);
    (void)same_as_alone(&bundle, job_make_find, 16, NULL);
    volatile bool cancel = true;
    (void)same_as_alone(&bundle, job_make_find, 0, &cancel);
    free(memory);
    lc_buf_free(&built);
}

/* A pass that fails is taken apart; here each line fails alone, too. */
static void a_prefix_of_no_numbers(void **state)
{
    (void)state;
    lc_leaf leaf;
    lc_section prefix;
    labels_pack(CAUSAL, LC_PACK_Q4);
    lc_object bundle = labels_bundle(JOB(TASK("t", THREE, STAGE)), PROMPT);
    assert_int_equal(lc_leaf_open(bundle.data, bundle.bytes, &leaf, NULL), LC_OK);
    assert_true(lc_leaf_find(&leaf, LC_SECTION_PREFIX, 0, &prefix));
    memset((uint8_t *)(uintptr_t)bundle.data + prefix.offset + 48, 0xff, prefix.bytes - 48);
    assert_int_equal(same_as_alone(&bundle, labels_find, 0, NULL), GIVEN - 2);
    labels_free(&bundle);
}

/* What one token brings is no number: the lines that have it fail, the others do not. */
static void a_token_of_no_numbers(void **state)
{
    (void)state;
    static _Alignas(64) uint8_t memory[ARENA_BYTES];
    lc_model model;
    lc_arena arena;
    uint32_t id = 0, count = 0;
    bool cut;
    labels_pack(CAUSAL, LC_PACK_F32);
    lc_object bundle = labels_bundle(JOB(TASK("t", THREE, STAGE)), "Say: {text}\nIt is:\n");
    lc_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(lc_model_open(labels_object.data, labels_object.bytes, &arena, &model, NULL),
                     LC_OK);
    assert_int_equal(lc_tok_encode(&model.tok, "x", 1, false, &arena, &id, 1, &count, &cut), LC_OK);
    assert_int_equal(count, 1);
    uint8_t *row = (uint8_t *)(uintptr_t)model.embed.data + (size_t)id * model.embed.cols * 4;
    memset(row, 0xff, model.embed.cols * 4);
    uint32_t failed = same_as_alone(&bundle, labels_find, 0, NULL);
    assert_true(failed > 0 && failed < GIVEN - 2);
    labels_free(&bundle);
}

static int set_up(void **state)
{
    memset(huge, 'h', sizeof huge);
    for (size_t i = 0; i < sizeof wide; i++) {
        wide[i] = (char)('a' + i * 7 % 26);
    }
    return labels_set_up(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scored_labels),
        cmocka_unit_test(tasks_and_adapters),
        cmocka_unit_test(a_head),
        cmocka_unit_test(a_prefix_of_no_numbers),
        cmocka_unit_test(a_token_of_no_numbers),
    };
    return cmocka_run_group_tests(tests, set_up, labels_clean_up);
}
