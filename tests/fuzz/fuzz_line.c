/* fuzz_line.c - any bytes as lines of text: facts, a whole job, the record as JSON. */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "../../runtime/record.h"
#include "fuzz.h"

#define LINES_MAX 2u /* of one input, and few tokens a line: speed */
#define CTX 16u
#define TASKS_MAX 8u

const char *const fuzz_seeds[] = {"models/triage/demo.txt", "tests/fuzz/corpus/line/*", NULL};

static lc_object pack;
static lc_job *job;
static lc_arena state, scratch;

static lc_err find_pack(void *ctx, const uint8_t root[32], lc_object *object)
{
    (void)ctx;
    (void)root;
    *object = pack;
    return LC_OK;
}

static void open_job(void)
{
    size_t bytes;
    uint8_t *data = fuzz_seed("tiny-bidi.leaf", &bytes);
    pack = (lc_object){data, bytes};
    data = fuzz_seed("tiny-job.leaf", &bytes);
    lc_object bundle = {data, bytes};
    lc_job_options options = {.kernels = lc_level_at(0), .tasks = {.count = 1}, .ctx = CTX};
    state = fuzz_arena(0, (size_t)8 << 20);
    scratch = fuzz_arena(1, (size_t)8 << 20);
    lc_err err = lc_job_open(&bundle, find_pack, NULL, &options, &state, &scratch, &job, NULL);
    fuzz_expect(err == LC_OK, "the job opens");
    lc_arena_seal(&state);
}

static void check_facts(const char *text, size_t bytes)
{
    static lc_facts facts;
    lc_facts_find(text, (uint32_t)bytes, &facts);
    fuzz_expect(facts.count <= LC_FACTS_MAX, "facts have a limit");
    for (uint32_t i = 0; i < facts.count; i++) {
        const lc_fact *f = &facts.fact[i];
        fuzz_expect(f->at < f->end && f->end <= bytes, "a fact lies inside the text");
        double value = f->is_number ? lc_fact_value(f) : 0.0;
        fuzz_expect(value - value == 0.0, "a fact is finite");
    }
}

static void check_record(const lc_answer *answer, const char *text, size_t bytes)
{
    static char out[LC_RECORD_BYTES_MAX];
    lc_record_meta meta = {.dev = lc_str_from("dev"),
                           .tq = lc_str_from("none"),
                           .src = lc_str_from("fuzz"),
                           .text = {text, (uint32_t)bytes},
                           .labels = true,
                           .scores = true};
    size_t length = lc_record_write(job, answer, &meta, out, sizeof out);
    if (length == 0) {
        return; /* too long for a record: said by 0 */
    }
    fuzz_expect(length <= sizeof out && memchr(out, '\n', length) == NULL, "a record is one line");
    const char *end = NULL;
    cJSON *json = cJSON_ParseWithLengthOpts(out, length, &end, false);
    fuzz_expect(json && end == out + length, "a record is one JSON object");
    cJSON_Delete(json);
}

static void run_line(const char *text, size_t bytes)
{
    static lc_answer answers[TASKS_MAX];
    static char clean[3 * (LC_LINE_BYTES_MAX + 1)];
    uint32_t replaced;
    size_t mark = scratch.used;
    fuzz_expect(lc_job_tasks(job) <= TASKS_MAX, "the seed has few tasks");
    fuzz_expect(lc_job_run(job, text, bytes, false, answers) == LC_OK, "every line has an answer");
    size_t kept = bytes <= LC_LINE_BYTES_MAX ? bytes : LC_LINE_BYTES_MAX;
    size_t length = lc_utf8_clean(text, kept, clean, &replaced);
    check_facts(clean, length);
    for (uint32_t i = 0; i < lc_job_tasks(job); i++) {
        const lc_answer *a = &answers[i];
        if (!a->skipped) {
            fuzz_expect(a->p >= 0.0f && a->p <= 1.0f, "p is a probability");
            fuzz_expect(a->label < (int32_t)a->task->label_count, "the label is in the list");
            check_record(a, clean, length);
        }
    }
    fuzz_expect(scratch.refused == 0, "scratch is as large as planned");
    fuzz_expect(scratch.used >= mark, "scratch is not rewound too far");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (!job) {
        open_job();
    }
    const char *text = (const char *)data, *end = text + bytes;
    for (uint32_t i = 0; i < LINES_MAX && text <= end; i++) {
        const char *stop = text < end ? memchr(text, '\n', (size_t)(end - text)) : NULL;
        size_t length = (size_t)((stop ? stop : end) - text);
        run_line(text, length);
        text += length + 1;
    }
    return 0;
}
