/* Labels scored after a prompt: against each form run alone, at every level and thread count, and
 * what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../board/linux/cpu.h"
#include "../../board/linux/job_json.h"
#include "../../board/linux/tasks.h"
#include "../../runtime/labels.h"
#include "../../runtime/leafcutter.h"
#include "../../tools/pack/pack.h"

#define FOLDER "models/golden/"
#define STORIES "models/stories260K/stories260K-f32.gguf"
#define ARENA_BYTES (8u << 20)

/* ---- a pack, and bundles around it, in a folder of their own ---- */

static char folder[] = "/tmp/lc-labels-XXXXXX";
static char pack_path[64], prompt_path[64];
static lc_object pack;

static void *aligned(size_t bytes)
{
    void *p = aligned_alloc(64, LC_ROUND_UP(bytes + 64, 64));
    assert_non_null(p);
    return memset(p, 0, LC_ROUND_UP(bytes + 64, 64));
}

static lc_object copy_of(const lc_buf *file)
{
    uint8_t *copy = aligned(file->bytes);
    memcpy(copy, file->data, file->bytes);
    return (lc_object){copy, file->bytes};
}

static void object_free(lc_object *object)
{
    free((void *)(uintptr_t)object->data);
}

static void write_file(const char *path, const void *data, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    fclose(f);
}

static void pack_use(const char *gguf_path, lc_pack_type type)
{
    static uint8_t file[4 << 20];
    FILE *f = fopen(gguf_path, "rb");
    assert_non_null(f);
    size_t bytes = fread(file, 1, sizeof file, f);
    fclose(f);
    lc_gguf gguf;
    lc_diag diag = {0};
    lc_buf leaf = {0};
    const lc_pack_options options = {.type = type, .threads = 1};
    assert_int_equal(lc_gguf_open(file, bytes, &gguf, &diag), LC_OK);
    assert_int_equal(lc_pack_gguf(&gguf, &options, &leaf, NULL, &diag), LC_OK);
    lc_gguf_close(&gguf);
    object_free(&pack);
    pack = copy_of(&leaf);
    write_file(pack_path, leaf.data, leaf.bytes);
    lc_buf_free(&leaf);
}

static lc_err find_pack(void *ctx, const uint8_t root[32], lc_object *object)
{
    lc_leaf leaf;
    (void)ctx;
    assert_int_equal(lc_leaf_open(pack.data, pack.bytes, &leaf, NULL), LC_OK);
    *object = pack;
    return memcmp(leaf.root, root, 32) == 0 ? LC_OK : LC_ERR_NOT_FOUND;
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(pack_path, sizeof pack_path, "%s/m.leaf", folder);
    snprintf(prompt_path, sizeof prompt_path, "%s/p.txt", folder);
    return 0;
}

static int clean_up(void **state)
{
    (void)state;
    unlink(pack_path);
    unlink(prompt_path);
    rmdir(folder);
    object_free(&pack);
    return 0;
}

#define STAGE "{\"id\":\"s\",\"type\":\"label_score\",\"model\":\"m.leaf\",\"prompt\":\"p.txt\"}"
#define TASK(name, labels, stages)                                                                 \
    "{\"task\":\"" name "\",\"labels\":[" labels "],\"stages\":[" stages "]}"
#define JOB(tasks) "{\"version\":1,\"job\":\"j\",\"ver\":1,\"tasks\":[" tasks "]}"
#define RED "{\"name\":\"red\"},"
#define THREE RED "{\"name\":\"rest\"},{\"name\":\"blue\"}"

static lc_err build(const char *json, const char *prompt, lc_buf *out, lc_json_diag *diag)
{
    write_file(prompt_path, prompt, strlen(prompt));
    return lc_job_build(json, strlen(json), folder, NULL, out, diag);
}

static lc_object bundle_of(const char *json, const char *prompt)
{
    lc_buf out = {0};
    lc_json_diag diag = {0};
    if (build(json, prompt, &out, &diag) != LC_OK) {
        fail_msg("%s", diag.text);
    }
    lc_object bundle = copy_of(&out);
    lc_buf_free(&out);
    return bundle;
}

/* ---- a job on arenas of exactly the planned size ---- */

typedef struct made {
    lc_object bundle;
    lc_job_options options;
    lc_arena state, scratch;
    void *memory[2];
    lc_job *job;
    lc_answer answers[LC_TASKS_MAX];
} made;

static void job_open(made *m, lc_object bundle, const lc_job_options *options)
{
    lc_diag diag = {0};
    m->bundle = bundle;
    m->options = *options;
    lc_arena_measure(&m->state);
    lc_arena_measure(&m->scratch);
    lc_err err =
        lc_job_open(&bundle, find_pack, NULL, options, &m->state, &m->scratch, &m->job, &diag);
    assert_int_equal(err, LC_OK);
    size_t state = m->state.peak, scratch = m->scratch.peak;
    m->memory[0] = aligned(state);
    m->memory[1] = aligned(scratch);
    lc_arena_init(&m->state, m->memory[0], state);
    lc_arena_init(&m->scratch, m->memory[1], scratch);
    err = lc_job_open(&bundle, find_pack, NULL, options, &m->state, &m->scratch, &m->job, &diag);
    if (err != LC_OK) {
        fail_msg("%s", diag.text);
    }
    assert_int_equal(m->state.used, state);
    lc_arena_seal(&m->state);
}

static void job_close(made *m)
{
    object_free(&m->bundle);
    free(m->memory[0]);
    free(m->memory[1]);
}

static const lc_answer *job_run(made *m, const char *text)
{
    assert_int_equal(lc_job_run(m->job, text, strlen(text), false, m->answers), LC_OK);
    return &m->answers[0];
}

static lc_job_options plain_options(void)
{
    return (lc_job_options){.kernels = lc_level_at(0), .ctx = 0};
}

/* ---- the plain method: each form alone after the whole prompt, all logits ---- */
 */

#define FORMS_MAX 12
#define IDS_MAX 256

typedef struct plain_form {
    uint32_t label, id[64], count;
} plain_form;

typedef struct plain {
    lc_model model;
    lc_net *net;
    const lc_kernels *kernels;
    float *logits; /* of the last token */
    plain_form form[FORMS_MAX];
    uint32_t forms;
    void *memory[2];
    lc_arena state, scratch;
} plain;

static void plain_open(plain *p)
{
    lc_diag diag = {0};
    memset(p, 0, sizeof *p);
    p->kernels = lc_level_at(0);
    lc_net_options options = {.kernels = p->kernels};
    p->memory[0] = aligned(ARENA_BYTES);
    p->memory[1] = aligned(ARENA_BYTES);
    lc_arena_init(&p->state, p->memory[0], ARENA_BYTES);
    lc_arena_init(&p->scratch, p->memory[1], ARENA_BYTES);
    assert_int_equal(lc_model_open(pack.data, pack.bytes, &p->state, &p->model, &diag), LC_OK);
    assert_int_equal(lc_net_init(&p->model, &options, &p->state, &p->scratch, &p->net, &diag),
                     LC_OK);
    p->logits = LC_PUSH(&p->state, float, p->model.info.vocab);
    assert_non_null(p->logits);
}

static void plain_close(plain *p)
{
    free(p->memory[0]);
    free(p->memory[1]);
}

static uint32_t encode(plain *p, const char *text, bool start, uint32_t *ids)
{
    lc_tok tok = p->model.tok;
    uint32_t count = 0;
    bool cut = false;
    tok.add_eos = false;
    tok.add_space_prefix = tok.add_space_prefix && start;
    assert_int_equal(
        lc_tok_encode(&tok, text, strlen(text), start, &p->scratch, ids, IDS_MAX, &count, &cut),
        LC_OK);
    return count;
}

static void plain_form_add(plain *p, uint32_t label, const char *text)
{
    uint32_t ids[IDS_MAX];
    plain_form *f = &p->form[p->forms++];
    f->label = label;
    f->count = encode(p, text, false, ids);
    memcpy(f->id, ids, f->count * sizeof *ids);
}

static lc_err keep_logits(void *ctx, uint32_t position, uint32_t n, const float *hidden)
{
    plain *p = ctx;
    (void)position;
    return lc_net_logits(p->net, hidden + (size_t)(n - 1) * p->model.info.width, p->logits);
}

/* The different tokens that follow the first `depth` of form f in any form, ascending. */
static uint32_t children(const plain *p, const plain_form *f, uint32_t depth, uint32_t *ids)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->forms; i++) {
        const plain_form *g = &p->form[i];
        if (g->count <= depth || memcmp(g->id, f->id, depth * sizeof *f->id) != 0) {
            continue;
        }
        uint32_t at = 0;
        while (at < n && ids[at] < g->id[depth]) {
            at++;
        }
        if (at == n || ids[at] != g->id[depth]) {
            memmove(ids + at + 1, ids + at, (n - at) * sizeof *ids);
            ids[at] = g->id[depth];
            n++;
        }
    }
    return n;
}

static float plain_form_score(plain *p, const uint32_t *prompt, uint32_t prompt_count,
                              const plain_form *f)
{
    float score = 0;
    lc_net_reset(p->net);
    assert_int_equal(lc_net_run(p->net, prompt, prompt_count, keep_logits, p), LC_OK);
    for (uint32_t d = 0; d < f->count; d++) {
        uint32_t ids[FORMS_MAX], n = children(p, f, d, ids);
        float z[FORMS_MAX];
        for (uint32_t i = 0; i < n; i++) {
            z[i] = p->logits[ids[i]];
        }
        float all = lc_log_sum_exp(p->kernels, z, n);
        score += p->logits[f->id[d]] - all;
        assert_int_equal(lc_net_run(p->net, &f->id[d], 1, keep_logits, p), LC_OK);
    }
    return score;
}

/* z[labels] of a line between two texts. */
static void plain_scores(plain *p, const char *before, const char *line, const char *after,
                         uint32_t labels, float *z)
{
    uint32_t ids[IDS_MAX], n = encode(p, before, true, ids);
    n += encode(p, line, false, ids + n);
    n += encode(p, after, false, ids + n);
    for (uint32_t label = 0; label < labels; label++) {
        float form[FORMS_MAX];
        uint32_t forms = 0;
        for (uint32_t i = 0; i < p->forms; i++) {
            if (p->form[i].label == label) {
                form[forms++] = plain_form_score(p, ids, n, &p->form[i]);
            }
        }
        z[label] = forms == 1 ? form[0] : lc_log_sum_exp(p->kernels, form, forms);
    }
}

/* Scores less the prior, which is the log of the mean probability over lines that say nothing. */
static void plain_calibrated(plain *p, const char *before, const char *line, const char *after,
                             uint32_t labels, float *z)
{
    static const char *const empty[] = {" ", " N/A", " [MASK]"};
    float of[3][FORMS_MAX], zero[3] = {0};
    for (size_t i = 0; i < 3; i++) {
        plain_scores(p, before, empty[i], after, labels, of[i]);
    }
    plain_scores(p, before, line, after, labels, z);
    float log3 = lc_log_sum_exp(p->kernels, zero, 3);
    for (uint32_t k = 0; k < labels; k++) {
        float x[3] = {of[0][k], of[1][k], of[2][k]};
        z[k] -= lc_log_sum_exp(p->kernels, x, 3) - log3;
    }
}

/* ---- the same scores ---- */

static const char *const lines[] = {"temp 81 C", "x", "the pump is quiet today, 3 bar"};

/* Forms part at once or after some tokens; one is the beginning of another. */
static void check_exact(void)
{
    static made m;
    static plain p;
    const lc_job_options options = plain_options();
    job_open(
        &m,
        bundle_of(
            JOB(TASK("t", RED "{\"name\":\"rest\"},{\"name\":\"redo\"},{\"name\":\"ab\"}", STAGE)),
            "Say: {text}\nIt is: \n"),
        &options);
    plain_open(&p);
    plain_form_add(&p, 0, " red\n");
    plain_form_add(&p, 1, " rest");
    plain_form_add(&p, 2, " redo");
    plain_form_add(&p, 3, " ab");
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char spelled[64];
        float z[4];
        snprintf(spelled, sizeof spelled, " %s", lines[i]);
        plain_calibrated(&p, "Say:", spelled, "\nIt is:", 4, z);
        const lc_answer *a = job_run(&m, lines[i]);
        assert_int_equal(a->score_count, 4);
        for (uint32_t k = 0; k < 4; k++) {
            if (memcmp(&z[k], &a->score[k], sizeof z[k]) != 0) {
                fail_msg("line %zu, label %u: %.9g, plainly %.9g", i, k, (double)a->score[k],
                         (double)z[k]);
            }
        }
    }
    plain_close(&p);
    job_close(&m);
}

static const char *const models[] = {"tiny-causal", "tiny-qwen2", "tiny-qwen3", "tiny-gemma3",
                                     "tiny-granite"};

static void scores_are_those_of_forms_run_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, FOLDER "%s.gguf", models[i]);
        pack_use(path, LC_PACK_F32);
        check_exact();
        pack_use(path, LC_PACK_Q4);
        check_exact();
    }
}

static void scores_of_stories(void **state)
{
    (void)state;
    char path[512];
    const char *shared = getenv("LC_SHARED");
    snprintf(path, sizeof path, "%s/" STORIES, shared != NULL ? shared : "../shared/data");
    if (access(path, R_OK) != 0) {
        print_message("skipped: %s not found\n", path);
        skip();
    }
    pack_use(path, LC_PACK_F32);
    check_exact();
    pack_use(path, LC_PACK_Q4);
    check_exact();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_forms_run_alone),
        cmocka_unit_test(scores_of_stories),
    };
    return cmocka_run_group_tests(tests, set_up, clean_up);
}
