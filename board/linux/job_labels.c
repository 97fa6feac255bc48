#include "job_labels.h"

#include <stdlib.h>
#include <string.h>

#include "../../runtime/decide.h"
#include "cpu.h"
#include "memory.h"

/* Lines that say nothing: what a model answers to them is its prior. */
static const char *const empty_lines[] = {"", "N/A", "[MASK]"};
#define EMPTY_LINES (sizeof empty_lines / sizeof empty_lines[0])
#define EMPTY_TOKENS 16u /* room for the longest of them, with its blank */

/* The stage at work, before its bundle is there. */
typedef struct trial {
    const lc_model *model;
    const lc_adapter *adapter;
    uint32_t kv;         /* lc_kv */
    const uint8_t *data; /* [bytes] of section JOB, from the flag `blank` */
    size_t bytes;
    uint32_t labels;
    const lc_ids *prefix;
    lc_job_options options;
    lc_memory memory;
    lc_pack pack;
    lc_labels stage;
} trial;

static lc_err layout(void *ctx, lc_arenas *arenas, lc_diag *diag)
{
    trial *t = ctx;
    const char *why = NULL;
    lc_pack *pack = &t->pack;
    lc_reader r = lc_reader_make(t->data, t->bytes);
    lc_err err =
        lc_labels_read(&r, t->model->info.vocab, t->labels, &arenas->state, &t->stage, &why);
    if (err != LC_OK) {
        return lc_fail(diag, err, 0, why);
    }
    t->stage.adapter = t->adapter;
    *pack = (lc_pack){.model = *t->model, .kernels = t->options.kernels, .nodes = t->stage.nodes};
    pack->lines = EMPTY_LINES;
    pack->kv = t->kv;
    pack->rank = t->adapter != NULL ? t->adapter->rank : 0;
    uint32_t reserved = lc_labels_tokens(&t->stage), most = t->model->info.ctx;
    uint32_t wanted = reserved + EMPTY_TOKENS;
    err = lc_pack_size(pack, wanted < most ? wanted : most, reserved, t->stage.inner, diag);
    if (err == LC_OK) {
        err = lc_pack_place(pack, &arenas->scratch);
    }
    if (err == LC_OK) {
        err = lc_pack_start(pack, &t->options, &arenas->state, &arenas->scratch, diag);
    }
    return err == LC_ERR_ARENA ? lc_fail(diag, err, 0, "arenas too small") : err;
}

static lc_err take_prefix(trial *t, lc_buf *snapshot)
{
    lc_net *net = t->pack.net;
    lc_pack_adapt(&t->pack, t->adapter);
    lc_err err = lc_net_run(net, t->prefix->id, t->prefix->count, NULL, NULL);
    if (err != LC_OK || t->prefix->count == 0) {
        return err;
    }
    size_t bytes = lc_net_snapshot_bytes(net, t->prefix->count);
    uint8_t *at = lc_buf_zeros(snapshot, bytes);
    if (at == NULL) {
        return LC_ERR_ARENA;
    }
    lc_net_snapshot_save(net, at);
    t->stage.snapshot = snapshot->data;
    t->stage.snapshot_bytes = snapshot->bytes;
    return LC_OK;
}

/* The log of each label's mean probability over the lines that say nothing. */
static lc_err take_prior(trial *t, lc_buf *out)
{
    float z[LC_LABELS_MAX][EMPTY_LINES];
    float none[EMPTY_LINES] = {0};
    const lc_kernels *kernels = t->options.kernels;
    lc_asked asked[EMPTY_LINES];
    for (uint32_t i = 0; i < EMPTY_LINES; i++) {
        asked[i] = (lc_asked){.text = lc_str_from(empty_lines[i]), .line = i};
    }
    lc_err err = lc_labels_run(&t->pack, &t->stage, t->labels, &t->memory.arenas.scratch, asked,
                               EMPTY_LINES);
    for (size_t i = 0; i < EMPTY_LINES && err == LC_OK; i++) {
        err = asked[i].read.err;
        for (uint32_t k = 0; k < t->labels; k++) {
            z[k][i] = asked[i].scores.z[k];
        }
    }
    if (err != LC_OK) {
        return err;
    }
    float log_count = lc_log_sum_exp(kernels, none, EMPTY_LINES);
    for (uint32_t k = 0; k < t->labels; k++) {
        float prior = lc_log_sum_exp(kernels, z[k], EMPTY_LINES) - log_count;
        lc_buf_put_f32(out, prior > 0.0f ? 0.0f : prior < -1e3f ? -1e3f : prior);
    }
    return LC_OK;
}

static lc_err measure(trial *t, lc_buf *out, lc_buf *snapshot, lc_diag *why)
{
    t->options.kernels = lc_level_best(lc_cpu_features());
    lc_err err = lc_memory_open(&t->memory, layout, t, why);
    if (err == LC_OK) {
        err = take_prefix(t, snapshot);
    }
    if (err == LC_OK) {
        err = take_prior(t, out);
    }
    lc_memory_close(&t->memory);
    return err;
}

lc_err lc_job_labels_put(const lc_model *model, const lc_adapter *adapter, uint32_t kv,
                         const lc_job_prompt *job, lc_buf *out, lc_buf *prefix, const char *path,
                         lc_json_diag *diag)
{
    lc_ids ids;
    lc_diag why = {0};
    size_t from = out->bytes;
    if (!model->info.causal) {
        return lc_json_fail(diag, LC_ERR_UNSUPPORTED, path,
                            "this model reads texts whole (it is not causal): it cannot score "
                            "labels after a prompt");
    }
    lc_err err = lc_job_prompt_put(model, job, out, &ids, path, diag);
    if (err != LC_OK || out->failed) {
        free(ids.id);
        return err;
    }
    lc_buf stage = {0}; /* a copy, since `out` grows */
    lc_buf_put(&stage, out->data + from, out->bytes - from);
    trial *t = calloc(1, sizeof *t);
    if (t == NULL || stage.failed) {
        err = lc_json_fail(diag, LC_ERR_ARENA, path, "out of memory");
    } else {
        *t = (trial){.model = model,
                     .adapter = adapter,
                     .kv = kv,
                     .data = stage.data,
                     .bytes = stage.bytes,
                     .prefix = &ids};
        t->labels = (uint32_t)cJSON_GetArraySize(job->labels);
        err = measure(t, out, prefix, &why);
        if (err != LC_OK) {
            err = lc_json_fail(diag, err, path, "running the prompt: %s",
                               why.text != NULL ? why.text : lc_err_text(err));
        }
    }
    free(t);
    lc_buf_free(&stage);
    free(ids.id);
    return err;
}
