#include <stdlib.h>
#include <string.h>

#include "../../board/linux/cpu.h"
#include "calib_parts.h"
#include "fail.h"
#include "quant.h"
#include "real.h"

#define HELD_TOKENS_MAX 2048u /* on which outputs are compared */

enum { F32 = 0, PACKED = 1 }; /* of layer and memory */

static lc_err out_of_memory(lc_diag *diag)
{
    return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
}

uint32_t lc_calib_tokens(const lc_calib *c)
{
    return c->text.start[c->text.count];
}

uint32_t lc_calib_held_first(const lc_calib *c)
{
    return c->text.start[c->text.calibrating];
}

const lc_pack_item *lc_calib_item(const lc_calib *c, uint32_t role, uint32_t layer)
{
    for (uint32_t i = 0; i < c->plan->count; i++) {
        if (c->plan->item[i].role == role && c->plan->item[i].layer == layer) {
            return &c->plan->item[i];
        }
    }
    return NULL;
}

/* ---- tensors ---- */

static void *aligned_zeros(uint64_t bytes)
{
    size_t rounded = LC_ROUND_UP((size_t)bytes + LC_READ_AHEAD, 64);
    void *memory = aligned_alloc(64, rounded);
    if (memory) {
        memset(memory, 0, rounded);
    }
    return memory;
}

/* Rows of an item from its file. */
typedef struct window {
    const lc_pack_item *item;
    uint32_t first;
} window;

static void window_row(const void *ctx, uint32_t r, float *out)
{
    const window *w = ctx;
    lc_pack_row(w->item, w->first + r, out);
}

void *lc_calib_rows(const lc_calib *c, const lc_pack_item *item, uint32_t first, uint32_t n,
                    uint32_t type, lc_mat *mat)
{
    window w = {item, first};
    lc_quant_source source = {.rows = n, .cols = item->cols, .row = window_row, .ctx = &w};
    uint32_t rows = n;
    double db;
    if (item->cols == 1) { /* a vector is a row in the file */
        source.rows = 1;
        source.cols = n;
    }
    uint8_t *data = aligned_zeros(lc_quant_bytes(type, n, item->cols));
    if (data && lc_quant_matrix(type, &source, c->tasks.count, data, &db, NULL)) {
        free(data);
        return NULL;
    }
    *mat = lc_quant_mat(type, rows, item->cols, data);
    return data;
}

/* ---- passes ---- */

typedef struct layout {
    lc_calib *c;
    const lc_calib_pass *pass;
    lc_net *net;
    float *pooled;
    uint32_t *ids;
} layout;

static lc_err lay_out(void *ctx, lc_arenas *arenas, lc_diag *diag)
{
    layout *l = ctx;
    const lc_calib_pass *p = l->pass;
    uint32_t longest = l->c->text.longest;
    lc_net_options options = {.ctx = longest,
                              .batch = longest,
                              .kv = LC_KV_F32,
                              .kernels = l->c->k,
                              .tasks = l->c->tasks,
                              .probe = p->probe,
                              .probe_ctx = p->ctx,
                              .tap = p->tap,
                              .tap_ctx = p->ctx};
    lc_err err = lc_net_init(&p->model, &options, &arenas->state, &arenas->scratch, &l->net, diag);
    l->pooled = LC_PUSH(&arenas->io, float, p->model.info.width);
    l->ids = LC_PUSH(&arenas->io, uint32_t, longest);
    return err || (l->pooled && l->ids) ? err : LC_ERR_ARENA;
}

static lc_err run_text(const lc_calib_pass *p, const layout *l, uint32_t text, uint32_t n)
{
    if (!p->pooled) {
        lc_net_reset(l->net);
        return lc_net_run(l->net, l->ids, n, p->sink, p->ctx);
    }
    lc_err err = lc_net_pool(l->net, l->ids, n, l->pooled);
    return err ? err : p->pooled(p->ctx, text, l->net, l->pooled);
}

lc_err lc_calib_run(lc_calib *c, lc_calib_pass *pass, lc_diag *diag)
{
    lc_memory memory;
    layout l = {.c = c, .pass = pass};
    lc_err err = lc_memory_open(&memory, lay_out, &l, diag);
    if (err) {
        return err;
    }
    const uint32_t *start = c->text.start;
    for (uint32_t i = pass->from; !err && i < pass->to; i++) {
        pass->at = start[i] - start[pass->base];
        for (uint32_t t = start[i]; t < start[i + 1]; t++) {
            l.ids[t - start[i]] = t - start[pass->base];
        }
        err = run_text(pass, &l, i, start[i + 1] - start[i]);
    }
    lc_memory_close(&memory);
    return err ? lc_fail(diag, err, 0, "calibration: the model gives numbers out of range") : LC_OK;
}

/* A model of one layer, or of none, that reads a stream. */
static lc_model step_model(const lc_calib *c, const lc_layer *layer, const float *stream,
                           uint32_t tokens)
{
    lc_model m = c->model;
    m.info.layers = layer ? 1 : 0;
    m.info.vocab = tokens;
    m.layer = (lc_layer *)(uintptr_t)layer;
    m.embed = (lc_mat){.type = LC_W_F32, .rows = tokens, .cols = m.info.width, .data = stream};
    m.info.local[0] = lc_layer_is_local(&c->plan->source.info, c->layer_number);
    return m;
}

/* ---- the stream ---- */

typedef struct stream_pass {
    float *stream;
    uint32_t width;
    const lc_calib_pass *pass;
} stream_pass;

static lc_err store_state(void *ctx, uint32_t position, uint32_t n, const float *x)
{
    const stream_pass *s = ctx;
    memcpy(s->stream + (size_t)(s->pass->at + position) * s->width, x,
           (size_t)n * s->width * sizeof *x);
    return LC_OK;
}

static void store_layer(void *ctx, uint32_t layer, uint32_t position, uint32_t n, const float *x)
{
    (void)layer;
    (void)store_state(ctx, position, n, x);
}

/* Embedding rows of texts from `base` on, as type, into the stream. */
static lc_err gather(const lc_calib *c, uint32_t base, uint32_t type, float *stream)
{
    const lc_pack_item *item = lc_calib_item(c, LC_T_EMBED, LC_GLOBAL);
    uint32_t first = c->text.start[base], width = c->model.info.width;
    for (uint32_t t = first; t < lc_calib_tokens(c); t++) {
        lc_mat one;
        void *data = lc_calib_rows(c, item, c->text.ids[t], 1, type, &one);
        if (!data) {
            return LC_ERR_ARENA;
        }
        lc_mat_row(&one, 0, stream + (size_t)(t - first) * width);
        free(data);
    }
    return LC_OK;
}

/* What an item of the embedding gives to a model, F32 or as packed; *data is freed by the caller.
 */
static bool fetch(const lc_calib *c, uint32_t role, uint32_t which, lc_mat *mat, void **data)
{
    const lc_pack_item *item = lc_calib_item(c, role, LC_GLOBAL);
    if (!item) {
        return true;
    }
    *data = lc_calib_rows(c, item, 0, item->rows, which == F32 ? LC_W_F32 : item->type, mat);
    return *data != NULL;
}

/* Tokens to what the first layer reads. */
static lc_err embed(lc_calib *c, uint32_t base, uint32_t which, float *stream, lc_diag *diag)
{
    const lc_pack_item *item = lc_calib_item(c, LC_T_EMBED, LC_GLOBAL);
    void *data[4] = {NULL};
    lc_mat gain = {0}, bias = {0};
    lc_calib_pass pass = {.from = base, .to = c->text.count, .base = base, .sink = store_state};
    stream_pass to = {stream, c->model.info.width, &pass};
    pass.ctx = &to;
    pass.model = step_model(c, NULL, stream, lc_calib_tokens(c) - c->text.start[base]);
    pass.model.info.embed_scale = c->plan->source.info.embed_scale;
    lc_err err = gather(c, base, which == F32 ? LC_W_F32 : item->type, stream);
    bool there = fetch(c, LC_T_TOKEN_TYPE, which, &pass.model.token_type, &data[0]) &&
                 fetch(c, LC_T_POSITION, which, &pass.model.position, &data[1]) &&
                 fetch(c, LC_T_EMBED_NORM, which, &gain, &data[2]) &&
                 fetch(c, LC_T_EMBED_NORM_BIAS, which, &bias, &data[3]);
    pass.model.embed_norm = (lc_norm){gain.data, bias.data};
    if (err || !there) {
        err = out_of_memory(diag);
    } else {
        err = lc_calib_run(c, &pass, diag);
    }
    for (uint32_t i = 0; i < 4; i++) {
        free(data[i]);
    }
    return err;
}

/* ---- opening ---- */

static lc_err make_rope(const lc_calib *c, uint32_t role, float **table, lc_diag *diag)
{
    const lc_pack_item *item = lc_calib_item(c, role, LC_GLOBAL);
    if (!item) {
        return LC_OK;
    }
    *table = aligned_zeros(lc_quant_bytes(LC_W_F32, item->rows, item->cols));
    return *table ? lc_pack_rope(c->plan, item, (uint8_t *)*table, diag) : out_of_memory(diag);
}

static lc_err open_streams(lc_calib *c, lc_diag *diag)
{
    size_t width = c->plan->source.info.width, tokens = lc_calib_tokens(c);
    size_t held = tokens - lc_calib_held_first(c);
    c->model = (lc_model){.info = c->plan->source.info, .arch = c->plan->source.arch};
    c->model.info.embed_scale = 1.0f;
    c->stream = aligned_zeros(tokens * width * sizeof(float));
    c->held_stream = aligned_zeros(held * width * sizeof(float));
    if (!c->stream || !c->held_stream) {
        return out_of_memory(diag);
    }
    lc_err err = make_rope(c, LC_T_ROPE_FREQ, &c->rope, diag);
    if (!err) {
        err = make_rope(c, LC_T_ROPE_FREQ_LOCAL, &c->rope_local, diag);
    }
    c->model.rope_freq = c->rope;
    c->model.rope_freq_local = c->rope_local;
    if (!err) {
        err = embed(c, 0, PACKED, c->stream, diag);
    }
    return err ? err : embed(c, c->text.calibrating, F32, c->held_stream, diag);
}

lc_err lc_calib_open(const lc_pack_plan *plan, const lc_pack_options *options,
                     const lc_buf *tokenizer, lc_calib **calib, lc_diag *diag)
{
    lc_calib *c = calloc(1, sizeof *c);
    if (!c) {
        return out_of_memory(diag);
    }
    *calib = c;
    c->plan = plan;
    c->options = options;
    c->k = lc_level_best(lc_cpu_features());
    uint32_t threads = options->threads < 1 ? 1 : options->threads;
    threads = threads > LC_POOL_THREADS_MAX ? LC_POOL_THREADS_MAX : threads;
    if (lc_pool_open(&c->pool, threads)) {
        c->pool.count = 0;
        return lc_fail(diag, LC_ERR_IO, 0, "threads cannot be started");
    }
    c->tasks = lc_pool_tasks(&c->pool);
    const lc_model_info *m = &plan->source.info;
    uint32_t ctx = m->ctx < LC_CTX_DEFAULT ? m->ctx : LC_CTX_DEFAULT;
    lc_err err = lc_calib_text_read(tokenizer, options, ctx, &c->text, diag);
    return err ? err : open_streams(c, diag);
}

static void layer_free(lc_calib *c)
{
    for (uint32_t role = 0; role < LC_ROLE_COUNT; role++) {
        free(c->memory[F32][role]);
        free(c->memory[PACKED][role]);
        c->memory[F32][role] = c->memory[PACKED][role] = NULL;
    }
    for (uint32_t i = 0; i < LC_CALIB_INPUTS; i++) {
        lc_calib_input_free(&c->input[i]);
    }
    c->layer[F32] = c->layer[PACKED] = (lc_layer){0};
}

void lc_calib_close(lc_calib *c)
{
    if (!c) {
        return;
    }
    layer_free(c);
    if (c->pool.count > 0) {
        lc_pool_close(&c->pool);
    }
    lc_calib_text_free(&c->text);
    free(c->stream);
    free(c->held_stream);
    free(c->rope);
    free(c->rope_local);
    free(c);
}

/* ---- a layer ---- */

static uint32_t input_of(uint32_t role)
{
    switch (role) {
    case LC_T_Q:
    case LC_T_K:
    case LC_T_V:
        return 0;
    case LC_T_O:
        return 1;
    case LC_T_GATE:
    case LC_T_UP:
        return 2;
    case LC_T_DOWN:
        return 3;
    default:
        return LC_CALIB_INPUTS;
    }
}

static lc_err load_layer(lc_calib *c, lc_diag *diag)
{
    for (uint32_t i = 0; i < c->plan->count; i++) {
        const lc_pack_item *item = &c->plan->item[i];
        lc_tensor t = {.role = item->role, .layer = item->layer};
        if (item->layer != c->layer_number) {
            continue;
        }
        void **memory = &c->memory[F32][item->role];
        free(*memory);
        *memory = lc_calib_rows(c, item, 0, item->rows, LC_W_F32, &t.mat);
        if (!*memory) {
            return lc_fail_format(diag, LC_ERR_NUMBER, item->from->offset,
                                  "%s: out of memory, or a weight is not finite", item->name);
        }
        lc_layer_bind(&c->plan->source.info, &t, &c->layer[F32]);
    }
    return LC_OK;
}

/* What is told of a pass that learns inputs. */
typedef struct learner {
    lc_calib *c;
    const lc_layer *layer;
    bool held;
} learner;

static void learn(void *ctx, const lc_mat *w, uint32_t n, const float *x)
{
    const learner *l = ctx;
    const lc_mat *const readers[LC_CALIB_INPUTS] = {&l->layer->q, &l->layer->o, &l->layer->up,
                                                    &l->layer->down};
    for (uint32_t i = 0; i < LC_CALIB_INPUTS; i++) {
        if (w != readers[i]) {
            continue;
        }
        if (l->held) {
            lc_calib_input_hold(&l->c->input[i], n, x);
        } else {
            lc_calib_input_add(&l->c->input[i], &l->c->tasks, n, x);
        }
    }
}

static lc_err learn_inputs(lc_calib *c, lc_diag *diag)
{
    const lc_layer *layer = &c->layer[F32];
    const uint32_t cols[LC_CALIB_INPUTS] = {layer->q.cols, layer->o.cols, layer->up.cols,
                                            layer->down.cols};
    uint32_t held = lc_calib_tokens(c) - lc_calib_held_first(c);
    held = held < HELD_TOKENS_MAX ? held : HELD_TOKENS_MAX;
    for (uint32_t i = 0; i < LC_CALIB_INPUTS; i++) {
        if (!lc_calib_input_init(&c->input[i], cols[i], held)) {
            return out_of_memory(diag);
        }
    }
    learner l = {.c = c, .layer = layer};
    lc_calib_pass pass = {.to = c->text.calibrating, .tap = learn, .ctx = &l};
    pass.model = step_model(c, layer, c->stream, lc_calib_tokens(c));
    lc_err err = lc_calib_run(c, &pass, diag);
    if (!err) {
        l.held = true;
        pass.from = c->text.calibrating;
        pass.to = c->text.count;
        err = lc_calib_run(c, &pass, diag);
    }
    for (uint32_t i = 0; !err && i < LC_CALIB_INPUTS; i++) {
        err = lc_calib_input_finish(&c->input[i], &c->tasks) ? LC_OK : out_of_memory(diag);
    }
    return err;
}

lc_err lc_calib_layer(lc_calib *c, uint32_t layer, lc_diag *diag)
{
    layer_free(c);
    c->layer_number = layer;
    lc_err err = load_layer(c, diag);
    return err ? err : learn_inputs(c, diag);
}

const double *lc_calib_mean(const lc_calib *c, uint32_t role)
{
    return c->input[input_of(role)].mean;
}

lc_err lc_calib_fold(lc_calib *c, uint32_t role, const int8_t *shift, lc_diag *diag)
{
    lc_calib_input_shift(&c->input[input_of(role)], shift);
    return load_layer(c, diag);
}

/* ---- a tensor ---- */

static void float_row(const void *ctx, uint32_t r, float *out)
{
    const lc_mat *m = ctx;
    memcpy(out, (const float *)m->data + (size_t)r * m->cols, m->cols * sizeof *out);
}

/* One way of rounding, in memory of its own, and its loss on the held-out part. */
typedef struct attempt {
    uint8_t *data;
    double sqnr_db, output_db;
} attempt;

static lc_err try_rounding(lc_calib *c, const lc_pack_item *item, const lc_mat *f32,
                           const lc_quant_inputs *inputs, attempt *a, lc_diag *diag)
{
    uint32_t slot = input_of(item->role);
    lc_quant_source source = {
        .rows = f32->rows, .cols = f32->cols, .row = float_row, .ctx = f32, .inputs = inputs};
    source.q4_0 = item->keep ? lc_pack_kept(item) : NULL;
    a->data = aligned_zeros(lc_quant_bytes(item->type, item->rows, item->cols));
    a->output_db = (double)__builtin_inff();
    if (!a->data) {
        return out_of_memory(diag);
    }
    lc_err err = lc_quant_matrix(item->type, &source, c->tasks.count, a->data, &a->sqnr_db, diag);
    if (!err && slot < LC_CALIB_INPUTS && item->type != LC_W_F32) {
        lc_mat m = lc_quant_mat(item->type, f32->rows, f32->cols, a->data);
        err = lc_calib_output_db(&c->input[slot], c->k, &c->tasks, f32, &m, &a->output_db);
        err = err ? lc_fail(diag, err, 0, "outputs cannot be compared") : LC_OK;
    }
    return err;
}

/* The F32 matrix of an item; a vector is one row. */
static lc_mat float_mat(const lc_calib *c, const lc_pack_item *item)
{
    lc_mat m = lc_quant_mat(LC_W_F32, item->rows, item->cols, c->memory[F32][item->role]);
    if (item->cols == 1) {
        m.rows = 1;
        m.cols = item->rows;
    }
    return m;
}

static bool compensable(const lc_calib *c, const lc_pack_item *item)
{
    bool tiles = item->type == LC_W_T16 || item->type == LC_W_T16A;
    return tiles && !item->keep && c->input[input_of(item->role)].tokens > 0;
}

lc_err lc_calib_tensor(lc_calib *c, lc_pack_item *item, uint8_t *out, lc_diag *diag)
{
    lc_mat f32 = float_mat(c, item);
    attempt plain = {0}, comp = {0}, *best = &plain;
    lc_err err = try_rounding(c, item, &f32, NULL, &plain, diag);
    if (!err && compensable(c, item)) {
        const lc_calib_input *in = &c->input[input_of(item->role)];
        lc_quant_inputs inputs = {in->mean, in->sum};
        err = try_rounding(c, item, &f32, &inputs, &comp, diag);
        best = !err && comp.output_db > plain.output_db ? &comp : &plain;
    }
    if (!err) {
        memcpy(out, best->data, (size_t)lc_quant_bytes(item->type, item->rows, item->cols));
        item->sqnr_db = best->sqnr_db;
        item->output_db = best->output_db;
        item->compensated = best == &comp;
        c->memory[PACKED][item->role] = best->data;
        lc_tensor t = {.role = item->role, .layer = item->layer};
        t.mat = lc_quant_mat(item->type, item->rows, item->cols, best->data);
        lc_layer_bind(&c->plan->source.info, &t, &c->layer[PACKED]);
        best->data = NULL;
    }
    free(plain.data);
    free(comp.data);
    return err;
}

lc_err lc_calib_try(lc_calib *c, const lc_pack_item *item, uint32_t type, double *output_db,
                    lc_diag *diag)
{
    lc_pack_item as = *item;
    as.type = type;
    lc_mat f32 = float_mat(c, item);
    const lc_calib_input *in = &c->input[input_of(item->role)];
    lc_quant_inputs inputs = {in->mean, in->sum};
    attempt a = {0};
    lc_err err = try_rounding(c, &as, &f32, compensable(c, &as) ? &inputs : NULL, &a, diag);
    *output_db = a.output_db;
    free(a.data);
    return err;
}

lc_err lc_calib_layer_skip(lc_calib *c, lc_diag *diag)
{
    c->layer[PACKED] = c->layer[F32];
    return lc_calib_layer_done(c, diag);
}

lc_err lc_calib_layer_done(lc_calib *c, lc_diag *diag)
{
    uint32_t first = c->text.calibrating, count = c->text.count;
    lc_calib_pass packed = {.to = count, .probe = store_layer};
    lc_calib_pass source = {.from = first, .to = count, .base = first, .probe = store_layer};
    stream_pass to = {c->stream, c->model.info.width, &packed};
    stream_pass held = {c->held_stream, c->model.info.width, &source};
    packed.ctx = &to;
    source.ctx = &held;
    packed.model = step_model(c, &c->layer[PACKED], c->stream, lc_calib_tokens(c));
    source.model =
        step_model(c, &c->layer[F32], c->held_stream, lc_calib_tokens(c) - lc_calib_held_first(c));
    lc_err err = lc_calib_run(c, &packed, diag);
    if (!err) {
        err = lc_calib_run(c, &source, diag);
    }
    layer_free(c);
    return err;
}
