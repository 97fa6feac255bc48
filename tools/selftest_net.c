/* selftest_net.c - hidden states of a network, level against level. */
#include <stdlib.h>
#include <string.h>

#include "../board/linux/memory.h"
#include "selftest.h"

/* One way to feed the tokens. Blocks of four, rests of one and padded rests use different kernels,
 * and so do single tokens. */
typedef enum pass_kind {
    PASS_RUN,  /* all at once, then the logits of the last */
    PASS_STEP, /* one at a time */
    PASS_POOL  /* as a text: pooled, then classes */
} pass_kind;

typedef struct pass {
    const char *name;
    pass_kind kind;
    uint32_t tokens;
} pass;

static const pass passes[] = {{"block", PASS_RUN, LC_SELFTEST_TOKENS},
                              {"padded", PASS_RUN, 11}, /* two blocks and three */
                              {"step", PASS_STEP, 5},
                              {"pool", PASS_POOL, LC_SELFTEST_TOKENS}};
#define PASSES (sizeof passes / sizeof passes[0])

static bool pass_applies(const pass *p, const lc_model_info *info)
{
    return p->kind == PASS_STEP ? info->causal : p->kind == PASS_POOL ? info->classes > 0 : true;
}

static uint32_t pass_tokens(const pass *p, const lc_model_info *info)
{
    return p->tokens < info->ctx ? p->tokens : info->ctx;
}

/* One level on its way through all passes. */
typedef struct walk {
    const lc_selftest_net *test;
    const lc_kernels *kernels;
    lc_memory memory;
    lc_model model;
    lc_net *net;
    float *out;        /* [max(vocab, width)] logits or pooled states */
    float *classes;    /* [classes] */
    float *trace;      /* [test->trace_values]: filled, or compared with */
    size_t at;         /* values so far */
    bool records;      /* fills the trace */
    volatile bool end; /* a difference was found: no more layers */
    const pass *pass;
    lc_difference *difference;
} walk;

static size_t trace_size(const lc_model_info *info)
{
    size_t values = 0;
    for (size_t i = 0; i < PASSES; i++) {
        const pass *p = &passes[i];
        if (pass_applies(p, info)) {
            size_t states = p->kind == PASS_POOL ? info->layers : info->layers + 1;
            values += states * pass_tokens(p, info) * info->width;
            values += p->kind == PASS_POOL ? info->width + info->classes
                                           : (info->causal ? info->vocab : 0);
        }
    }
    return values;
}

/* ---- recording and comparing ---- */

static void difference_note(walk *w, const char *what, uint32_t layer, uint32_t token,
                            uint32_t index, float wanted, float got)
{
    *w->difference = (lc_difference){.level = w->kernels->name,
                                     .pass = w->pass->name,
                                     .what = what,
                                     .layer = layer,
                                     .token = token,
                                     .index = index,
                                     .wanted = wanted,
                                     .got = got};
    w->end = true;
}

/* n values of each of `tokens` tokens from `token` on. Bits are compared: -0 is not 0. */
static void values_take(walk *w, const char *what, uint32_t layer, uint32_t token, uint32_t tokens,
                        uint32_t n, const float *x)
{
    float *kept = w->trace + w->at;
    size_t count = (size_t)tokens * n;
    lc_assert(count <= w->test->trace_values - w->at);
    w->at += count;
    if (w->records) {
        memcpy(kept, x, count * sizeof *x);
        return;
    }
    for (size_t i = 0; i < count && !w->end; i++) {
        if (memcmp(&kept[i], &x[i], sizeof *x) != 0) {
            difference_note(w, what, layer, token + (uint32_t)(i / n), (uint32_t)(i % n), kept[i],
                            x[i]);
        }
    }
}

static void layer_take(void *ctx, uint32_t layer, uint32_t position, uint32_t n, const float *x)
{
    walk *w = ctx;
    if (!w->end) {
        values_take(w, "layer", layer, position, n, w->test->info.width, x);
    }
}

static lc_err states_take(void *ctx, uint32_t position, uint32_t n, const float *hidden)
{
    walk *w = ctx;
    uint32_t width = w->test->info.width;
    if (w->end) {
        return LC_ERR_CANCELLED;
    }
    values_take(w, "states", 0, position, n, width, hidden);
    memcpy(w->out, hidden + (size_t)(n - 1) * width, width * sizeof *hidden);
    return w->end ? LC_ERR_CANCELLED : LC_OK;
}

/* ---- passes ---- */

static lc_err run_pass(walk *w, uint32_t tokens, uint32_t step)
{
    const lc_model_info *info = &w->test->info;
    lc_err err = LC_OK;
    lc_net_reset(w->net);
    for (uint32_t at = 0; at < tokens && err == LC_OK; at += step) {
        err = lc_net_run(w->net, w->test->ids + at, step, states_take, w);
    }
    if (err == LC_OK && info->causal) {
        float *logits = w->out + info->width;
        err = lc_net_logits(w->net, w->out, logits);
        if (err == LC_OK) {
            values_take(w, "logits", 0, tokens - 1, 1, info->vocab, logits);
        }
    }
    return err;
}

static lc_err pool_pass(walk *w, uint32_t tokens)
{
    const lc_model_info *info = &w->test->info;
    lc_err err = lc_net_pool(w->net, w->test->ids, tokens, w->out);
    if (err == LC_OK && !w->end) {
        values_take(w, "pooled", 0, 0, 1, info->width, w->out);
        err = lc_net_classify(w->net, w->out, w->classes);
    }
    if (err == LC_OK && !w->end) {
        values_take(w, "classes", 0, 0, 1, info->classes, w->classes);
    }
    return err;
}

static lc_err passes_run(walk *w)
{
    lc_err err = LC_OK;
    for (size_t i = 0; i < PASSES && err == LC_OK && !w->end; i++) {
        w->pass = &passes[i];
        uint32_t tokens = pass_tokens(w->pass, &w->test->info);
        if (!pass_applies(w->pass, &w->test->info)) {
            continue;
        }
        err = w->pass->kind == PASS_POOL
                  ? pool_pass(w, tokens)
                  : run_pass(w, tokens, w->pass->kind == PASS_STEP ? 1 : tokens);
    }
    return err;
}

static lc_err walk_layout(void *ctx, lc_arenas *arenas, lc_diag *diag)
{
    walk *w = ctx;
    const lc_object *pack = &w->test->pack;
    lc_err err = lc_model_open(pack->data, pack->bytes, &arenas->state, &w->model, diag);
    if (err != LC_OK) {
        return err;
    }
    const lc_model_info *info = &w->model.info;
    const lc_net_options options = {.ctx = LC_SELFTEST_TOKENS < info->ctx ? LC_SELFTEST_TOKENS
                                                                          : info->ctx,
                                    .kernels = w->kernels,
                                    .tasks = w->test->tasks,
                                    .cancel = &w->end,
                                    .probe = layer_take,
                                    .probe_ctx = w};
    err = lc_net_init(&w->model, &options, &arenas->state, &arenas->scratch, &w->net, diag);
    if (err != LC_OK) {
        return err;
    }
    w->out = LC_PUSH(&arenas->io, float, (size_t)info->width + info->vocab);
    w->classes = LC_PUSH(&arenas->io, float, info->classes);
    return w->out && w->classes ? LC_OK : lc_fail(diag, LC_ERR_ARENA, 0, "arenas too small");
}

/* ---- the test ---- */

lc_err lc_selftest_net_open(lc_selftest_net *test, const lc_object *pack, lc_tasks tasks,
                            const lc_kernels *reference, lc_diag *diag)
{
    lc_difference none = {0};
    walk w = {.test = test, .kernels = reference, .records = true, .difference = &none};
    *test = (lc_selftest_net){.pack = *pack, .tasks = tasks};
    lc_err err = lc_memory_open(&w.memory, walk_layout, &w, diag);
    if (err != LC_OK) {
        return err;
    }
    test->info = w.model.info;
    for (uint32_t i = 0; i < LC_SELFTEST_TOKENS; i++) {
        test->ids[i] = (i * 7919u + 1u) % test->info.vocab; /* spread over the vocabulary */
    }
    test->trace_values = trace_size(&test->info);
    test->trace = calloc(test->trace_values, sizeof *test->trace);
    w.trace = test->trace;
    err = test->trace ? passes_run(&w) : LC_ERR_ARENA;
    lc_memory_close(&w.memory);
    if (err != LC_OK) {
        lc_selftest_net_close(test);
        return lc_fail(diag, err, 0, "the reference does not run this model");
    }
    return LC_OK;
}

lc_err lc_selftest_net_compare(const lc_selftest_net *test, const lc_kernels *tested,
                               lc_difference *difference, lc_diag *diag)
{
    walk w = {.test = test, .kernels = tested, .trace = test->trace, .difference = difference};
    *difference = (lc_difference){0};
    lc_err err = lc_memory_open(&w.memory, walk_layout, &w, diag);
    if (err != LC_OK) {
        return err;
    }
    err = passes_run(&w);
    if (err != LC_OK && !w.end) { /* ref ran, so this is a difference as well */
        difference_note(&w, "run", 0, 0, 0, 0.0f, 0.0f);
        difference->err = err;
    }
    lc_memory_close(&w.memory);
    return LC_OK;
}

void lc_selftest_net_close(lc_selftest_net *test)
{
    free(test->trace);
    test->trace = NULL;
}
