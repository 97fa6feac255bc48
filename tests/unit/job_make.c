#include "job_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../runtime/text.h"
#include "../../tools/pack/pack.h"
#include "gguf_make.h"

static char folder[] = "/tmp/lc-job-XXXXXX";
static char pack_path[64];
static lc_object pack;
static bool made;

static void *aligned(size_t bytes)
{
    void *p = aligned_alloc(64, LC_ROUND_UP(bytes + 64, 64));
    assert_non_null(p);
    return p;
}

static void clean_up(void)
{
    unlink(pack_path);
    rmdir(folder);
    free((void *)(uintptr_t)pack.data);
}

static void make_pack(void)
{
    static const char *const labels[] = {"red", "green", "blue", "oos"};
    const gguf_llama spec = {.labels = labels, .classes = 4};
    const lc_pack_options options = {.type = LC_PACK_Q4, .threads = 1};
    lc_gguf gguf;
    lc_diag diag = {0};
    lc_buf leaf = {0}, file = gguf_llama_make(&spec);
    assert_int_equal(lc_gguf_open(file.data, file.bytes, &gguf, &diag), LC_OK);
    assert_int_equal(lc_pack_gguf(&gguf, &options, &leaf, NULL, &diag), LC_OK);
    lc_gguf_close(&gguf);
    lc_buf_free(&file);
    assert_non_null(mkdtemp(folder));
    snprintf(pack_path, sizeof pack_path, "%s/trunk.leaf", folder);
    FILE *f = fopen(pack_path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(leaf.data, 1, leaf.bytes, f), leaf.bytes);
    fclose(f);
    uint8_t *copy = aligned(leaf.bytes);
    memcpy(copy, leaf.data, leaf.bytes);
    pack = (lc_object){copy, leaf.bytes};
    lc_buf_free(&leaf);
    made = true;
    atexit(clean_up);
}

const char *job_make_folder(void)
{
    if (!made) {
        make_pack();
    }
    return folder;
}

const lc_object *job_make_pack(void)
{
    (void)job_make_folder();
    return &pack;
}

lc_err job_make_find(void *ctx, const uint8_t root[32], lc_object *object)
{
    lc_leaf leaf;
    (void)ctx;
    if (lc_leaf_open(job_make_pack()->data, pack.bytes, &leaf, NULL) != LC_OK ||
        memcmp(leaf.root, root, 32) != 0) {
        return LC_ERR_NOT_FOUND;
    }
    *object = pack;
    return LC_OK;
}

lc_buf job_make_bundle(const char *json)
{
    lc_buf out = {0};
    lc_json_diag diag = {0};
    if (lc_job_build(json, strlen(json), job_make_folder(), NULL, &out, &diag) != LC_OK) {
        fail_msg("%s", diag.text);
    }
    return out;
}

const char *job_make_refused(const char *json)
{
    static lc_json_diag diag;
    lc_buf out = {0};
    diag.text[0] = '\0';
    lc_err err = lc_job_build(json, strlen(json), job_make_folder(), NULL, &out, &diag);
    if (err == LC_OK) {
        lc_buf_free(&out);
        return "";
    }
    assert_null(out.data);
    assert_int_equal(diag.err, err);
    return diag.text;
}

void job_made_open(job_made *m, const char *json, uint32_t ctx, const volatile bool *cancel)
{
    lc_job_options options = {.kernels = lc_level_at(0), .ctx = ctx, .cancel = cancel};
    lc_diag diag = {0};
    memset(m, 0, sizeof *m);
    m->bundle = job_make_bundle(json);
    m->copy = aligned(m->bundle.bytes);
    memcpy(m->copy, m->bundle.data, m->bundle.bytes);
    const lc_object bundle = {m->copy, m->bundle.bytes};
    lc_arena_measure(&m->state);
    lc_arena_measure(&m->scratch);
    assert_int_equal(
        lc_job_open(&bundle, job_make_find, NULL, &options, &m->state, &m->scratch, &m->job, &diag),
        LC_OK);
    size_t state = m->state.peak, scratch = m->scratch.peak;
    m->state_memory = aligned(state);
    m->scratch_memory = aligned(scratch);
    lc_arena_init(&m->state, m->state_memory, state);
    lc_arena_init(&m->scratch, m->scratch_memory, scratch);
    assert_int_equal(
        lc_job_open(&bundle, job_make_find, NULL, &options, &m->state, &m->scratch, &m->job, &diag),
        LC_OK);
    assert_int_equal(m->state.used, state);
    lc_arena_seal(&m->state);
}

void job_made_close(job_made *m)
{
    lc_buf_free(&m->bundle);
    free(m->copy);
    free(m->state_memory);
    free(m->scratch_memory);
}

const lc_answer *job_made_run(job_made *m, const char *text, bool online)
{
    assert_int_equal(lc_job_run(m->job, text, strlen(text), online, m->answers), LC_OK);
    return &m->answers[0];
}

const char *job_made_say(const lc_answer *a)
{
    static const char *const decision[] = {"accept", "escalate", "defer", "reject"};
    static char out[1024];
    lc_text t = lc_text_make(out, sizeof out - 1);
    lc_str label = a->label >= 0 ? a->task->label[a->label].name : lc_str_from("-");
    lc_text_put(&t, label.data, label.bytes);
    lc_text_add(&t, " ");
    lc_text_add(&t, decision[a->decision]);
    lc_text_add(&t, " ");
    lc_text_put(&t, a->stage.data, a->stage.bytes);
    for (uint32_t i = 0; i < a->why_count; i++) {
        lc_text_add(&t, i == 0 ? " " : ",");
        lc_text_put(&t, a->why[i].data, a->why[i].bytes);
    }
    assert_false(t.full);
    out[t.bytes] = '\0';
    return out;
}
