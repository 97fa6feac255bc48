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
#include "gguf_make.h"
#include "labels_make.h"

#define STORIES "models/stories260K/stories260K-f32.gguf"

/* ---- the plain method: each form alone after the whole prompt, all logits ---- */

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
    p->memory[0] = labels_memory(ARENA_BYTES);
    p->memory[1] = labels_memory(ARENA_BYTES);
    lc_arena_init(&p->state, p->memory[0], ARENA_BYTES);
    lc_arena_init(&p->scratch, p->memory[1], ARENA_BYTES);
    assert_int_equal(
        lc_model_open(labels_object.data, labels_object.bytes, &p->state, &p->model, &diag), LC_OK);
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
    static labels_made m;
    static plain p;
    const lc_job_options options = labels_options();
    labels_open(
        &m,
        labels_bundle(
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
        const lc_answer *a = labels_run(&m, lines[i]);
        assert_int_equal(a->score_count, 4);
        for (uint32_t k = 0; k < 4; k++) {
            if (memcmp(&z[k], &a->score[k], sizeof z[k]) != 0) {
                fail_msg("line %zu, label %u: %.9g, plainly %.9g", i, k, (double)a->score[k],
                         (double)z[k]);
            }
        }
    }
    plain_close(&p);
    labels_close(&m);
}

static const char *const models[] = {"tiny-causal", "tiny-qwen2", "tiny-qwen3", "tiny-gemma3",
                                     "tiny-granite"};

static void scores_are_those_of_forms_run_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, FOLDER "%s.gguf", models[i]);
        labels_pack(path, LC_PACK_F32);
        check_exact();
        labels_pack(path, LC_PACK_Q4);
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
    labels_pack(path, LC_PACK_F32);
    check_exact();
    labels_pack(path, LC_PACK_Q4);
    check_exact();
}

/* ---- levels, threads, batches ---- */

#define PROMPT "Say: {text}\nIt is: \n"

static void bits_are_those_of_any_level_and_thread_count(void **state)
{
    (void)state;
    static labels_made m;
    float first[3] = {0};
    uint32_t features = lc_cpu_features();
    labels_pack(FOLDER "tiny-causal.gguf", LC_PACK_Q4);
    for (uint32_t level = 0; level < lc_level_count(); level++) {
        const lc_kernels *k = lc_level_at(level);
        for (uint32_t threads = 1; threads <= 4 && (k->needs & ~features) == 0; threads++) {
            static lc_pool pool;
            assert_int_equal(lc_pool_open(&pool, threads), LC_OK);
            const lc_job_options options = {.kernels = k, .tasks = lc_pool_tasks(&pool)};
            labels_open(&m, labels_bundle(JOB(TASK("t", THREE, STAGE)), PROMPT), &options);
            const lc_answer *a = labels_run(&m, lines[0]);
            if (level == 0 && threads == 1) {
                memcpy(first, a->score, sizeof first);
            }
            assert_memory_equal(first, a->score, sizeof first);
            labels_close(&m);
            lc_pool_close(&pool);
        }
    }
}

/* The answer to a line does not depend on those before it, cut or cancelled ones among them. */
static void lines_leave_nothing_behind(void **state)
{
    (void)state;
    static labels_made m;
    static volatile bool cancel;
    static char longest[LC_LINE_BYTES_MAX + 1];
    lc_job_options options = labels_options();
    options.cancel = &cancel;
    labels_pack(FOLDER "tiny-qwen3.gguf", LC_PACK_Q4);
    labels_open(&m, labels_bundle(JOB(TASK("t", THREE, STAGE)), PROMPT), &options);
    static lc_answer first;
    first = *labels_run(&m, lines[0]);
    assert_int_equal(first.tokens, strlen(lines[0]) + 1); /* letters and the blank before them */
    assert_int_equal(first.why_count, 0);
    memset(longest, 'x', LC_LINE_BYTES_MAX);
    const lc_answer *a = labels_run(&m, longest);
    assert_true(lc_str_equal(a->why[0], lc_str_from("input:cut")));
    /* what the context of 96 leaves: 4 before the line, 7 after it, 3 inner nodes */
    assert_int_equal(a->tokens, 96 - 4 - 7 - 3);
    assert_int_equal(a->score_count, 3);
    cancel = true;
    a = labels_run(&m, lines[1]);
    assert_int_equal(a->decision, LC_DEFER);
    assert_int_equal(a->label, -1);
    assert_true(lc_str_equal(a->why[0], lc_str_from("model:cancelled")));
    cancel = false;
    a = labels_run(&m, lines[0]);
    assert_memory_equal(a->score, first.score, 3 * sizeof(float));
    assert_int_equal(m.scratch.refused + m.state.refused, 0);
    labels_close(&m);
}

/* A line over a batch goes through the net in two pieces. */
static void a_long_line_has_the_plain_scores(void **state)
{
    (void)state;
    static labels_made m;
    static plain p;
    float z[2];
    char line[76], spelled[80];
    const lc_job_options options = labels_options();
    for (size_t i = 0; i < sizeof line - 1; i++) {
        line[i] = (char)('a' + i % 7);
    }
    line[sizeof line - 1] = '\0';
    snprintf(spelled, sizeof spelled, " %s", line);
    labels_pack(FOLDER "tiny-gemma3.gguf", LC_PACK_Q4);
    labels_open(&m, labels_bundle(JOB(TASK("t", RED "{\"name\":\"rod\"}", STAGE)), "I {text}: \n"),
                &options);
    plain_open(&p);
    plain_form_add(&p, 0, " red");
    plain_form_add(&p, 1, " rod");
    plain_calibrated(&p, "I", spelled, ":", 2, z);
    assert_memory_equal(labels_run(&m, line)->score, z, sizeof z);
    plain_close(&p);
    labels_close(&m);
}

/* ---- several forms, several stages ---- */

/* A label with several forms has their sum, also where its forms alone share a beginning. */
static void forms_of_a_label_add_up(void **state)
{
    (void)state;
    static labels_made m;
    static plain p;
    float z[2];
    const lc_job_options options = labels_options();
    labels_pack(FOLDER "tiny-causal.gguf", LC_PACK_F32);
    labels_open(
        &m,
        labels_bundle(JOB(TASK("t",
                               "{\"name\":\"red\",\"forms\":[\"red\",\"hot\",\"hotter\",\"how\"]},"
                               "{\"name\":\"cold\",\"forms\":[\"cold\",\"rest\"]}",
                               STAGE)),
                      PROMPT),
        &options);
    plain_open(&p);
    const char *const red[] = {" red", " hot\n", " hotter", " how"}, *const cold[] = {" cold",
                                                                                      " rest"};
    for (size_t i = 0; i < 4; i++) {
        plain_form_add(&p, 0, red[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        plain_form_add(&p, 1, cold[i]);
    }
    plain_calibrated(&p, "Say:", " temp 81 C", "\nIt is:", 2, z);
    const lc_answer *a = labels_run(&m, "temp 81 C");
    for (uint32_t k = 0; k < 2; k++) {
        float off = a->score[k] - z[k];
        assert_true(off < 1e-5f && off > -1e-5f); /* what is not summed is not rounded */
    }
    plain_close(&p);
    labels_close(&m);
}

/* Two prompts of one pack take turns in its net. */
static void prompts_share_a_net(void **state)
{
    (void)state;
    static labels_made both, one;
    const lc_job_options options = labels_options();
    labels_pack(FOLDER "tiny-granite.gguf", LC_PACK_Q4);
    labels_open(
        &both,
        labels_bundle(JOB(TASK("a", THREE, STAGE) "," TASK("b", RED "{\"name\":\"ok\"}", STAGE)),
                      PROMPT),
        &options);
    labels_open(&one, labels_bundle(JOB(TASK("b", RED "{\"name\":\"ok\"}", STAGE)), PROMPT),
                &options);
    for (size_t i = 0; i < 2; i++) {
        (void)labels_run(&both, lines[i]);
        const lc_answer *b = labels_run(&one, lines[i]);
        assert_memory_equal(both.answers[1].score, b->score, 2 * sizeof(float));
        assert_int_equal(both.answers[0].score_count, 3);
    }
    labels_close(&both);
    labels_close(&one);
}

/* One label has nothing to be compared with. */
static void one_label_is_certain(void **state)
{
    (void)state;
    static labels_made m;
    const lc_job_options options = labels_options();
    labels_pack(FOLDER "tiny-causal.gguf", LC_PACK_Q4);
    labels_open(&m, labels_bundle(JOB(TASK("t", "{\"name\":\"red\"}", STAGE)), PROMPT), &options);
    const lc_answer *a = labels_run(&m, lines[0]);
    assert_true(a->p == 1.0f && a->score[0] == 0.0f);
    labels_close(&m);
}

/* The prompt may begin with the line: then there is no prefix, and no section for it. */
static void a_prompt_may_begin_with_the_line(void **state)
{
    (void)state;
    static labels_made m;
    static plain p;
    float z[2];
    lc_leaf leaf;
    lc_section section;
    const lc_job_options options = labels_options();
    labels_pack(FOLDER "tiny-causal.gguf", LC_PACK_Q4);
    lc_object bundle = labels_bundle(JOB(TASK("t", RED "{\"name\":\"ok\"}", STAGE)), "{text}: ");
    assert_int_equal(lc_leaf_open(bundle.data, bundle.bytes, &leaf, NULL), LC_OK);
    assert_false(lc_leaf_find(&leaf, LC_SECTION_PREFIX, 0, &section));
    labels_open(&m, bundle, &options);
    plain_open(&p);
    plain_form_add(&p, 0, " red");
    plain_form_add(&p, 1, " ok");
    const lc_answer *a = labels_run(&m, lines[0]);
    float of[2][2];
    plain_scores(&p, "", lines[0], ":", 2, z);
    plain_scores(&p, "", lines[1], ":", 2, of[1]);
    assert_true(a->score[0] - z[0] - (a->score[1] - z[1]) < 20.0f);
    memcpy(of[0], a->score, sizeof of[0]);
    a = labels_run(&m, lines[1]); /* the prior is the same for both lines */
    for (uint32_t k = 0; k < 2; k++) {
        float off = (of[0][k] - z[k]) - (a->score[k] - of[1][k]);
        assert_true(off < 1e-5f && off > -1e-5f);
    }
    plain_close(&p);
    labels_close(&m);
}

static void add_template(gguf_make *m)
{
    gguf_make_str(m, "tokenizer.chat_template",
                  "{{- \"[INST] \" + message[\"content\"] + \"[/INST]\" }}");
}

#define CHAT                                                                                       \
    "{\"id\":\"s\",\"type\":\"label_score\",\"model\":\"m.leaf\",\"prompt\":\"p.txt\",\"chat\":"   \
    "true}"

/* The prompt as a turn of the model's template: the same as a prompt that has it written out. */
static void a_prompt_may_be_a_turn_of_a_template(void **state)
{
    (void)state;
    static labels_made m;
    static plain p;
    float z[2];
    const lc_job_options options = labels_options();
    const gguf_llama spec = {.change = add_template};
    lc_buf file = gguf_llama_make(&spec);
    labels_pack_from(file.data, file.bytes, LC_PACK_Q4);
    lc_buf_free(&file);
    labels_open(&m, labels_bundle(JOB(TASK("t", RED "{\"name\":\"ok\"}", CHAT)), "Say: {text}.\n"),
                &options);
    plain_open(&p);
    plain_form_add(&p, 0, " red");
    plain_form_add(&p, 1, " ok");
    plain_calibrated(&p, "[INST] Say:", " pump", ".[/INST]", 2, z);
    assert_memory_equal(labels_run(&m, "pump")->score, z, sizeof z);
    plain_close(&p);
    labels_close(&m);
}

/* ---- what is refused ---- */

static void refuses(const char *json, const char *prompt, const char *said)
{
    lc_buf out = {0};
    lc_json_diag diag = {0};
    assert_int_not_equal(labels_build(json, prompt, &out, &diag), LC_OK);
    assert_null(out.data);
    if (strstr(diag.text, said) == NULL) {
        fail_msg("%s, not: %s", diag.text, said);
    }
}

static void prompts_that_are_wrong(void **state)
{
    (void)state;
    const char *job = JOB(TASK("t", THREE, STAGE));
    labels_pack(FOLDER "tiny-causal.gguf", LC_PACK_Q4);
    refuses(job, "no place", "tasks[0].stages[0].prompt: the prompt must have {text} once");
    refuses(job, "{text} {text}:", "tasks[0].stages[0].prompt: the prompt must have {text} once");
    refuses(job, "Say {text}", "tasks[0].stages[0].prompt: the prompt must go on after {text}");
    refuses(job, "Say {text} \n", "the prompt must go on after {text}");
    refuses(job, "Say \xff{text}:", "the prompt is not UTF-8 text");
    refuses(job,
            "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 {text} "
            "0123456789 0123456789 0123456789",
            "tasks[0].stages[0].prompt: running the prompt: prompt and labels leave no room");
    refuses(JOB(TASK("t", RED "{\"name\":\"hot\",\"forms\":[\"a\",\"red\"]}", STAGE)), PROMPT,
            "the labels red and hot have the same form");
    refuses(JOB(TASK("t", RED "{\"name\":\"hot\",\"forms\":[\"a\\nb\"]}", STAGE)), PROMPT,
            "no control characters in the form");
    refuses(JOB(TASK("t", THREE,
                     "{\"id\":\"s\",\"type\":\"label_score\",\"model\":\"m.leaf\",\"prompt\":"
                     "\"none.txt\"}")),
            PROMPT, "tasks[0].stages[0].prompt: ");
    refuses(JOB(TASK("t", THREE, CHAT)), PROMPT,
            "tasks[0].stages[0].prompt: the model has no chat template that is known");
    labels_pack(FOLDER "tiny-bidi.gguf", LC_PACK_Q4);
    refuses(job, PROMPT, "this model reads texts whole");
}

/* Stage bytes by hand: 2 before the line, 1 after it. node: token, parent, label. */
typedef struct trie {
    const char *name;
    uint32_t nodes;
    struct {
        uint32_t token;
        uint16_t parent;
        int16_t label;
    } node[5];
    lc_err err;
} trie;

static const trie tries[] = {
    {"sound", 4, {{3, 0, -1}, {5, 0, 0}, {1, 1, 1}, {2, 1, 0}}, LC_OK},
    {"one level", 2, {{3, 0, 0}, {5, 0, 1}}, LC_OK},
    {"empty", 0, {{0}}, LC_ERR_FORMAT},
    {"a token twice", 2, {{3, 0, 0}, {3, 0, 1}}, LC_ERR_FORMAT},
    {"tokens that fall", 2, {{5, 0, 0}, {3, 0, 1}}, LC_ERR_FORMAT},
    {"a token over the vocabulary", 2, {{3, 0, 0}, {10, 0, 1}}, LC_ERR_FORMAT},
    {"its own parent", 2, {{3, 1, 0}, {5, 0, 1}}, LC_ERR_FORMAT},
    {"a parent that comes later", 3, {{3, 0, -1}, {5, 3, 0}, {6, 1, 1}}, LC_ERR_FORMAT},
    {"a parent with a label", 3, {{3, 0, 0}, {5, 0, 1}, {1, 1, 0}}, LC_ERR_FORMAT},
    {"parents that fall",
     5,
     {{3, 0, -1}, {5, 0, -1}, {1, 2, 0}, {1, 1, 1}, {2, 1, 0}},
     LC_ERR_FORMAT},
    {"no children", 3, {{3, 0, 0}, {5, 0, 1}, {6, 0, -1}}, LC_ERR_FORMAT},
    {"a label without a form", 2, {{3, 0, 0}, {5, 0, 0}}, LC_ERR_FORMAT},
    {"a label that is not there", 2, {{3, 0, 0}, {5, 0, 2}}, LC_ERR_FORMAT},
    {"a label below -1", 2, {{3, 0, 0}, {5, 0, -2}}, LC_ERR_FORMAT},
};

static lc_err read_bytes(const lc_buf *b, size_t bytes)
{
    static uint8_t memory[4096] __attribute__((aligned(64)));
    lc_arena measure, arena;
    lc_labels stage;
    const char *why = NULL;
    lc_arena_measure(&measure);
    lc_arena_init(&arena, memory, sizeof memory);
    lc_reader r = lc_reader_make(b->data, bytes), again = r;
    lc_err err = lc_labels_read(&r, 10, 2, &measure, &stage, &why);
    assert_int_equal(lc_labels_read(&again, 10, 2, &arena, &stage, &why), err);
    assert_true(err == LC_OK || why != NULL);
    assert_int_equal(measure.used, arena.used);
    return err;
}

static void put_head(lc_buf *b, uint8_t blank, uint16_t prefix, uint16_t suffix)
{
    lc_buf_put_u8(b, blank);
    lc_buf_put_u16(b, prefix);
    lc_buf_put_u16(b, suffix);
    for (uint32_t i = 0; i < suffix; i++) {
        lc_buf_put_u32(b, 9);
    }
}

static void put_nodes(lc_buf *b, const trie *t)
{
    lc_buf_put_u16(b, (uint16_t)t->nodes);
    for (uint32_t i = 0; i < t->nodes; i++) {
        lc_buf_put_u32(b, t->node[i].token);
        lc_buf_put_u16(b, t->node[i].parent);
        lc_buf_put_u16(b, (uint16_t)t->node[i].label);
    }
}

static void tries_that_are_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        lc_buf b = {0};
        put_head(&b, 1, 2, 1);
        put_nodes(&b, &tries[i]);
        lc_err err = read_bytes(&b, b.bytes);
        if (err != tries[i].err) {
            fail_msg("%s: %s", tries[i].name, lc_err_text(err));
        }
        for (size_t n = 0; n < b.bytes; n++) {
            assert_int_not_equal(read_bytes(&b, n), LC_OK);
        }
        lc_buf_free(&b);
    }
    static const struct {
        uint8_t blank;
        uint16_t prefix, suffix;
    } heads[] = {{2, 2, 1}, {0, 2, 0}, {0, LC_PROMPT_TOKENS_MAX + 1, 1}};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        lc_buf b = {0};
        put_head(&b, heads[i].blank, heads[i].prefix, heads[i].suffix);
        put_nodes(&b, &tries[0]);
        assert_int_equal(read_bytes(&b, b.bytes), LC_ERR_FORMAT);
        lc_buf_free(&b);
    }
}

/* Seventeen forms of one label. */
static void too_many_forms_are_refused(void **state)
{
    (void)state;
    static uint8_t memory[4096] __attribute__((aligned(64)));
    lc_buf b = {0};
    lc_labels stage;
    const char *why = NULL;
    put_head(&b, 0, 0, 1);
    lc_buf_put_u16(&b, LC_FORMS_MAX + 2);
    for (uint32_t i = 0; i < LC_FORMS_MAX + 2; i++) {
        lc_buf_put_u32(&b, i);
        lc_buf_put_u16(&b, 0);
        lc_buf_put_u16(&b, i == 0);
    }
    lc_arena arena;
    lc_arena_init(&arena, memory, sizeof memory);
    lc_reader r = lc_reader_make(b.data, b.bytes);
    assert_int_equal(lc_labels_read(&r, 99, 2, &arena, &stage, &why), LC_ERR_LIMIT);
    assert_string_equal(why, "too many forms of a label");
    lc_buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_those_of_forms_run_alone),
        cmocka_unit_test(scores_of_stories),
        cmocka_unit_test(bits_are_those_of_any_level_and_thread_count),
        cmocka_unit_test(lines_leave_nothing_behind),
        cmocka_unit_test(a_long_line_has_the_plain_scores),
        cmocka_unit_test(forms_of_a_label_add_up),
        cmocka_unit_test(prompts_share_a_net),
        cmocka_unit_test(one_label_is_certain),
        cmocka_unit_test(a_prompt_may_begin_with_the_line),
        cmocka_unit_test(a_prompt_may_be_a_turn_of_a_template),
        cmocka_unit_test(prompts_that_are_wrong),
        cmocka_unit_test(tries_that_are_wrong),
        cmocka_unit_test(too_many_forms_are_refused),
    };
    return cmocka_run_group_tests(tests, labels_set_up, labels_clean_up);
}
