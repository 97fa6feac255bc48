#include "bench_messages.h"

#include <stdlib.h>

#include "mark.h"
#include "ui.h"

/* Of all messages; parent and wanted say how they stand side by side. */
typedef struct bench {
    lc_session *session;
    const lc_messages *m;
    uint32_t *ids, *parent, *wanted, *length;
    float *pooled; /* [count][width], of a model with classes */
    double *ms;    /* [2][reps] */
    float label[LC_MESSAGE_LABELS];
} bench;

void lc_messages_size(const lc_messages *messages, lc_session_options *session)
{
    uint32_t ctx = messages->prefix + messages->tokens;
    session->batch = messages->count * messages->tokens;
    ctx = ctx > session->batch ? ctx : session->batch; /* a batch is no longer than a context */
    session->ctx = session->ctx > ctx ? session->ctx : ctx;
}

static double ms_since(uint64_t start_us)
{
    return (double)(lc_ui_now_us() - start_us) / 1000.0;
}

/* Any tokens do for speed. */
static uint32_t token_of(const bench *b, uint32_t i)
{
    return (i * 7919u + 1u) % b->session->model.info.vocab;
}

static bool bench_make(bench *b, uint32_t reps)
{
    uint32_t n = b->m->count * b->m->tokens, width = b->session->model.info.width;
    b->ids = calloc(n + b->m->prefix, sizeof *b->ids);
    b->parent = calloc(n, sizeof *b->parent);
    b->wanted = calloc(b->m->count, sizeof *b->wanted);
    b->length = calloc(b->m->count, sizeof *b->length);
    b->pooled = calloc((size_t)b->m->count * width, sizeof *b->pooled);
    b->ms = calloc((size_t)reps * 2, sizeof *b->ms);
    if (!b->ids || !b->parent || !b->wanted || !b->length || !b->pooled || !b->ms) {
        return false;
    }
    for (uint32_t t = 0; t < n; t++) {
        b->ids[t] = token_of(b, t);
        b->parent[t] = t % b->m->tokens == 0 ? LC_NO_PARENT : t - 1;
    }
    for (uint32_t i = 0; i < b->m->count; i++) {
        b->wanted[i] = (i + 1) * b->m->tokens - 1;
        b->length[i] = b->m->tokens;
    }
    return true;
}

static void bench_free(bench *b)
{
    free(b->ids);
    free(b->parent);
    free(b->wanted);
    free(b->length);
    free(b->pooled);
    free(b->ms);
}

static lc_err labels_take(void *ctx, uint32_t position, uint32_t n, const float *hidden)
{
    bench *b = ctx;
    lc_session *s = b->session;
    uint32_t rows[LC_MESSAGE_LABELS];
    lc_err err = LC_OK;
    (void)position;
    for (uint32_t i = 0; i < LC_MESSAGE_LABELS; i++) {
        rows[i] = token_of(b, i);
    }
    for (uint32_t i = 0; i < n && err == LC_OK; i++) {
        err = lc_net_logits_rows(s->net, hidden + (size_t)i * s->model.info.width, rows,
                                 LC_MESSAGE_LABELS, b->label);
    }
    return err;
}

/* Messages [from, to) in one pass, each with its answer. */
static lc_err messages_run(bench *b, uint32_t from, uint32_t to)
{
    lc_session *s = b->session;
    uint32_t tokens = b->m->tokens, *ids = b->ids + from * tokens;
    if (s->model.info.classes == 0) {
        const lc_net_tree tree = {ids, b->parent, (to - from) * tokens, b->wanted, to - from};
        return lc_net_run_tree(s->net, &tree, labels_take, b);
    }
    lc_err err = lc_net_pool_lines(s->net, ids, b->length, to - from, b->pooled);
    for (uint32_t i = 0; i < to - from && err == LC_OK; i++) {
        err = lc_net_classify(s->net, b->pooled + (size_t)i * s->model.info.width, s->scores);
    }
    return err;
}

static lc_err rep_run(bench *b, double *together_ms, double *alone_ms)
{
    uint64_t start_us = lc_ui_now_us();
    lc_mark(LC_MARK_FIRST_LINE);
    lc_err err = messages_run(b, 0, b->m->count);
    lc_mark(LC_MARK_FIRST_ANSWER);
    *together_ms = ms_since(start_us) / b->m->count;
    start_us = lc_ui_now_us();
    for (uint32_t i = 0; i < b->m->count && err == LC_OK; i++) {
        err = messages_run(b, i, i + 1);
    }
    lc_mark(LC_MARK_END);
    *alone_ms = ms_since(start_us) / b->m->count;
    return err;
}

static int real_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double lc_bench_median(double *value, uint32_t n)
{
    qsort(value, n, sizeof *value, real_compare);
    return value[n / 2];
}

static lc_err prefix_run(bench *b)
{
    uint32_t *prefix = b->ids + b->m->count * b->m->tokens;
    for (uint32_t t = 0; t < b->m->prefix; t++) {
        prefix[t] = token_of(b, t * 3u);
    }
    lc_net_reset(b->session->net);
    return lc_net_run(b->session->net, prefix, b->m->prefix, NULL, NULL);
}

int lc_messages_run(lc_session *s, const lc_messages *messages, uint32_t reps, double *together_ms,
                    double *alone_ms)
{
    bench b = {.session = s, .m = messages};
    if (messages->prefix > 0 && (s->model.info.classes > 0 || !s->model.info.causal)) {
        return lc_ui_error(LC_EXIT_USAGE, s->options.model, "measure without --prefix",
                           "a model with classes, or of whole texts, begins with the message");
    }
    if (!bench_make(&b, reps)) {
        bench_free(&b);
        return lc_ui_no_memory();
    }
    lc_err err = prefix_run(&b);
    if (err == LC_OK) {
        err = rep_run(&b, b.ms, b.ms); /* what is done once is not measured */
    }
    for (uint32_t i = 0; i < reps && err == LC_OK; i++) {
        err = rep_run(&b, b.ms + i, b.ms + reps + i);
    }
    *together_ms = lc_bench_median(b.ms, reps);
    *alone_ms = lc_bench_median(b.ms + reps, reps);
    bench_free(&b);
    return err == LC_OK ? LC_UI_GO : lc_session_fail(s, err);
}
