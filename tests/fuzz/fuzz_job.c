/* fuzz_job.c - job bundles: plan, open and run whatever opens. */
#include <stdlib.h>
#include <string.h>

#include "../../runtime/record.h"
#include "fuzz.h"

#define TASKS_MAX 64u

const char *const fuzz_seeds[] = {"@/tiny-job.leaf", "@/tiny-labels.leaf", "@/tiny-kv.leaf", NULL};

static const char *const pack_names[] = {"tiny-bidi.leaf", "tiny-causal.leaf"};
static lc_object packs[2];

static void open_packs(void)
{
    for (size_t i = 0; i < 2 && packs[i].data == NULL; i++) {
        packs[i].data = fuzz_seed(pack_names[i], &packs[i].bytes);
    }
}

/* Whichever it asks for; one that is not there is another than it says. */
static lc_err find_pack(void *ctx, const uint8_t root[32], lc_object *object)
{
    lc_leaf leaf;
    (void)ctx;
    *object = packs[0];
    if (lc_leaf_open(packs[1].data, packs[1].bytes, &leaf, NULL) == LC_OK &&
        memcmp(leaf.root, root, 32) == 0) {
        *object = packs[1];
    }
    return LC_OK;
}

/* Prefixes of prompts are looked at when there is a net to load them into: not when planning. */
static bool has_prefix(const lc_object *bundle)
{
    lc_leaf leaf;
    lc_section section;
    return lc_leaf_open(bundle->data, bundle->bytes, &leaf, NULL) == LC_OK &&
           lc_leaf_find(&leaf, LC_SECTION_PREFIX, 0, &section);
}

static void run_job(lc_job *job)
{
    static const char *const lines[] = {"temp 96C rising", "", "vib 7.9 mm/s \xff door open"};
    static lc_answer answers[TASKS_MAX];
    static char out[LC_RECORD_BYTES_MAX];
    lc_record_meta meta = {.tq = lc_str_from("none"), .labels = true};
    if (lc_job_tasks(job) > TASKS_MAX) {
        return;
    }
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (lc_job_run(job, lines[i], strlen(lines[i]), true, answers) != LC_OK) {
            continue;
        }
        for (uint32_t t = 0; t < lc_job_tasks(job); t++) {
            fuzz_expect(answers[t].skipped || (answers[t].p >= 0.0f && answers[t].p <= 1.0f),
                        "p is a probability");
            fuzz_expect(lc_record_write(job, &answers[t], &meta, out, sizeof out) <= sizeof out,
                        "a record fits or is refused");
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    open_packs();
    uint8_t *copy = fuzz_copy(data, bytes);
    lc_object bundle = {copy, bytes};
    lc_job_options options = {.kernels = lc_level_at(0), .tasks = {.count = 1}, .ctx = 64};
    lc_arena state = fuzz_arena(0, FUZZ_ARENA_BYTES), plan, unused;
    lc_arena scratch = fuzz_arena(1, FUZZ_ARENA_BYTES);
    lc_arena_measure(&plan);
    lc_arena_measure(&unused);
    lc_job *job;
    lc_diag diag = {0};
    lc_err planned = lc_job_open(&bundle, find_pack, NULL, &options, &plan, &unused, &job, NULL);
    lc_err err = lc_job_open(&bundle, find_pack, NULL, &options, &state, &scratch, &job, &diag);
    fuzz_expect(planned == err || err == LC_ERR_ARENA || (!planned && has_prefix(&bundle)),
                "planning and opening agree");
    if (err == LC_OK) {
        fuzz_expect(plan.used == state.used, "a job takes what was planned");
        lc_arena_seal(&state);
        run_job(job);
    } else {
        fuzz_expect(diag.text != NULL, "a refusal says why");
    }
    free(copy);
    return 0;
}
