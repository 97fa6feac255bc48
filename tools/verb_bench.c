/* verb_bench.c - `leafcutter bench`: how fast this board runs a model, and in what memory. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "mark.h"
#include "session.h"
#include "verbs.h"

#define REPS_MAX 1000u
#define TOKENS_MAX LC_CTX_MAX

/* A line of 24 words or so, as sensors send them. */
static const char sample_line[] =
    "P2 vib 7.9mm/s rising, temp 81C, motor current 14.2 A, bearing noise on drive end";

typedef struct request {
    lc_session_options session;
    uint32_t prompt, gen, reps;
    bool tune, json;
} request;

typedef struct figures {
    double load_ms, first_label_ms;
    double prefill_tps, decode_tps; /* medians; 0: not measured */
    uint32_t prompt, gen;           /* as run */
} figures;

static double ms_since(uint64_t start_us)
{
    return (double)(lc_ui_now_us() - start_us) / 1000.0;
}

static int real_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *value, uint32_t n)
{
    qsort(value, n, sizeof *value, real_compare);
    return value[n / 2];
}

static lc_err last_take(void *ctx, uint32_t position, uint32_t n, const float *hidden)
{
    lc_session *session = ctx;
    uint32_t width = session->model.info.width;
    (void)position;
    return lc_net_logits(session->net, hidden + (size_t)(n - 1) * width, session->logits);
}

/* Classes where the model has a head, else the next token. */
static int first_label_run(lc_session *s)
{
    uint32_t count = 0;
    int rc = lc_session_encode(s, sample_line, sizeof sample_line - 1, &count);
    if (rc != LC_UI_GO) {
        return rc;
    }
    lc_err err;
    if (s->model.info.classes > 0) {
        err = lc_net_pool(s->net, s->ids, count, s->pooled);
        if (err == LC_OK) {
            err = lc_net_classify(s->net, s->pooled, s->scores);
        }
    } else {
        lc_net_reset(s->net);
        err = lc_net_run_last(s->net, s->ids, count, last_take, s);
    }
    return err == LC_OK ? LC_UI_GO : lc_session_fail(s, err);
}

/* Any tokens do for speed: spread over the vocabulary, the same every time. */
static void tokens_fill(lc_session *s, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        s->ids[i] = (i * 7919u + 1u) % s->model.info.vocab;
    }
}

/* Marks (mark.h): what lies between FIRST_LINE and FIRST_ANSWER is prefill, up to END decode. */
static lc_err rep_run(lc_session *s, const figures *f, double *prefill_ms, double *decode_ms)
{
    lc_net_reset(s->net);
    tokens_fill(s, f->prompt);
    uint64_t start_us = lc_ui_now_us();
    lc_mark(LC_MARK_FIRST_LINE);
    lc_err err = lc_net_run_last(s->net, s->ids, f->prompt, last_take, s);
    lc_mark(LC_MARK_FIRST_ANSWER);
    *prefill_ms = ms_since(start_us);
    start_us = lc_ui_now_us();
    for (uint32_t i = 0; i < f->gen && err == LC_OK; i++) {
        err = lc_net_run(s->net, &s->ids[i % f->prompt], 1, last_take, s);
    }
    lc_mark(LC_MARK_END);
    *decode_ms = ms_since(start_us);
    return err;
}

static int reps_run(lc_session *s, uint32_t reps, figures *f)
{
    double *ms = calloc((size_t)reps * 2, sizeof *ms); /* [2][reps] */
    if (!ms) {
        return lc_ui_no_memory();
    }
    lc_err err = LC_OK;
    for (uint32_t i = 0; i < reps && err == LC_OK; i++) {
        err = rep_run(s, f, &ms[i], &ms[reps + i]);
    }
    if (err == LC_OK) {
        f->prefill_tps = 1000.0 * f->prompt / median(ms, reps);
        f->decode_tps = f->gen ? 1000.0 * f->gen / median(ms + reps, reps) : 0.0;
    }
    free(ms);
    return err == LC_OK ? LC_UI_GO : lc_session_fail(s, err);
}

/* ---- output ---- */

static uint64_t rss_peak_bytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_maxrss * 1024u;
}

static void arena_emit(lc_emit *e, const char *name, const lc_arena *arena, size_t plan)
{
    lc_emit_open(e, name, '{');
    lc_emit_u64(e, "plan", plan);
    lc_emit_u64(e, "peak", arena->peak);
    lc_emit_close(e);
}

static void figures_json(const lc_session *s, const figures *f)
{
    lc_emit e;
    const lc_memory *m = &s->memory;
    lc_emit_init(&e, stdout);
    lc_emit_open(&e, NULL, '{');
    lc_emit_text(&e, "model", s->options.model);
    lc_emit_real(&e, "load_ms", f->load_ms, 3);
    lc_emit_u64(&e, "prompt", f->prompt);
    lc_emit_real(&e, "prefill_tps", f->prefill_tps, 1);
    lc_emit_u64(&e, "gen", f->gen);
    if (f->gen) {
        lc_emit_real(&e, "decode_tps", f->decode_tps, 1);
    } else {
        lc_emit_null(&e, "decode_tps");
    }
    lc_emit_real(&e, "first_label_ms", f->first_label_ms, 3);
    lc_emit_u64(&e, "rss_peak_bytes", rss_peak_bytes());
    lc_emit_text(&e, "level", s->kernels->name);
    lc_emit_u64(&e, "threads", s->pool.count);
    lc_emit_open(&e, "arenas", '{');
    lc_emit_u64(&e, "model", s->file.bytes);
    arena_emit(&e, "state", &m->arenas.state, m->plan_state);
    arena_emit(&e, "scratch", &m->arenas.scratch, m->plan_scratch);
    arena_emit(&e, "io", &m->arenas.io, m->plan_io);
    lc_emit_close(&e);
    lc_emit_close(&e);
}

static void figures_text(const lc_session *s, const figures *f)
{
    const lc_memory *m = &s->memory;
    printf("model        %s, %.1f M parameters, %zu bytes\n", s->options.model,
           (double)s->model.info.parameters / 1e6, s->file.bytes);
    printf("kernels      %s, %u thread%s\n", s->kernels->name, s->pool.count,
           s->pool.count == 1 ? "" : "s");
    printf("load         %.2f ms\n", f->load_ms);
    printf("first label  %.2f ms, loading included\n", f->first_label_ms);
    printf("prefill      %.1f tokens/s over %u\n", f->prefill_tps, f->prompt);
    if (f->gen) {
        printf("decode       %.1f tokens/s over %u\n", f->decode_tps, f->gen);
    }
    printf("arenas       state %zu, scratch %zu (peak %zu), io %zu bytes\n", m->plan_state,
           m->plan_scratch, m->arenas.scratch.peak, m->plan_io);
    printf("memory       %llu bytes resident at most\n", (unsigned long long)rss_peak_bytes());
}

/* ---- the verb ---- */

static int bench_run(lc_session *s, const request *r, uint64_t start_us)
{
    figures f = {.load_ms = ms_since(start_us)};
    int rc = first_label_run(s);
    f.first_label_ms = ms_since(start_us);
    if (rc != LC_UI_GO) {
        return rc;
    }
    f.gen = s->model.info.causal ? r->gen : 0;
    f.gen = f.gen < s->ctx ? f.gen : s->ctx - 1;
    f.prompt = r->prompt < s->ctx - f.gen ? r->prompt : s->ctx - f.gen;
    rc = reps_run(s, r->reps, &f);
    if (rc != LC_UI_GO) {
        return rc;
    }
    (r->json ? figures_json : figures_text)(s, &f);
    return LC_EXIT_OK;
}

static int request_check(const request *r)
{
    if (!r->session.model) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "leafcutter bench --help lists the options",
                           "bench wants --model");
    }
    if (r->tune) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, NULL, "--tune is not in this version");
    }
    if (r->prompt < 1 || r->prompt > TOKENS_MAX || r->gen > TOKENS_MAX || r->reps < 1 ||
        r->reps > REPS_MAX) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, NULL,
                           "--prompt takes 1 to %u, --gen up to %u, --reps 1 to %u", TOKENS_MAX,
                           TOKENS_MAX, REPS_MAX);
    }
    return LC_UI_GO;
}

int lc_verb_bench(int argc, char **argv)
{
    request r = {.session = {.threads = 1}, .prompt = 64, .gen = 32, .reps = 5};
    const lc_opt options[] = {
        {"model", "FILE", LC_OPT_TEXT, &r.session.model, ".leaf pack or .gguf file"},
        LC_OPT_ROW_ADAPTER(&r.session.adapter),
        {"prompt", "N", LC_OPT_U32, &r.prompt, "tokens of a prefill (default 64)"},
        {"gen", "N", LC_OPT_U32, &r.gen, "tokens decoded after it (default 32)"},
        {"reps", "R", LC_OPT_U32, &r.reps, "repetitions, the median counts (default 5)"},
        {"tune", NULL, LC_OPT_FLAG, &r.tune, "not in this version"},
        LC_OPT_ROW_THREADS(&r.session.threads),
        LC_OPT_ROW_LEVEL(&r.session.level),
        LC_OPT_ROW_KV(&r.session.kv),
        LC_OPT_ROW_JSON(&r.json),
    };
    const lc_usage usage = {"bench",           "", "Measures the speed of this board.", options,
                            LC_COUNT(options), 0};
    lc_files files;
    lc_session session;
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    if (rc == LC_UI_GO) {
        rc = request_check(&r);
    }
    if (rc != LC_UI_GO) {
        return rc;
    }
    uint64_t start_us = lc_ui_now_us();
    uint32_t ctx = r.prompt + r.gen;
    r.session.ctx = ctx > sizeof sample_line + 4 ? ctx : (uint32_t)sizeof sample_line + 4;
    r.session.text_bytes = sizeof sample_line;
    rc = lc_session_open(&session, &r.session);
    if (rc == LC_UI_GO) {
        rc = bench_run(&session, &r, start_us);
        lc_session_close(&session);
    }
    return rc;
}
