/* verb_bench.c - `leafcutter bench`: how fast this board runs a model, and in what memory. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench_messages.h"
#include "boards.h"
#include "mark.h"
#include "session.h"
#include "verbs.h"

#define REPS_MAX 1000u
#define TOKENS_MAX LC_CTX_MAX
#define TUNE_MAX 16u    /* thread counts that are tried */
#define TUNE_WORTH 0.97 /* of the best speed: fewer threads that reach it are taken */

/* A line of 24 words or so, as sensors send them. */
static const char sample_line[] =
    "P2 vib 7.9mm/s rising, temp 81C, motor current 14.2 A, bearing noise on drive end";

/* A token a byte at worst; sentencepiece makes three bytes of each of its 15 blanks. */
#define SAMPLE_TOKENS_MAX ((uint32_t)sizeof sample_line + 40u)

typedef struct request {
    lc_session_options session;
    uint32_t prompt, gen, reps;
    lc_messages messages; /* count 0: none */
    bool tune, json;
} request;

typedef struct figures {
    double load_ms, first_label_ms;
    double prefill_tps, decode_tps; /* medians; 0: not measured */
    double token_bytes;             /* of weights that a decoded token reads */
    double read_share;              /* of a token's time that merely reading as many takes */
    uint64_t rss_bytes;             /* resident at most, before anything is merely read */
    uint32_t prompt, gen;           /* as run */
    lc_messages messages;           /* count 0: not measured, nor the next two */
    double together_ms, alone_ms;   /* a message */
} figures;

static double ms_since(uint64_t start_us)
{
    return (double)(lc_ui_now_us() - start_us) / 1000.0;
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

/* ---- how fast weights could be read ---- */

typedef uint64_t words __attribute__((vector_size(64)));

typedef struct reading {
    const uint8_t *data;  /* aligned as words are */
    size_t lines;         /* of eight words each */
    _Atomic uint64_t sum; /* so that nothing is left out */
} reading;

static void read_task(void *arg, uint32_t i, uint32_t n)
{
    reading *r = arg;
    const words *p = (const words *)(const void *)r->data;
    words a = {0}, b = {0}, c = {0}, d = {0};
    size_t end = r->lines * (i + 1) / n;
    for (size_t at = r->lines * i / n; at < end; at++) {
        const words *line = p + 8 * at;
        a += line[0] ^ line[4];
        b += line[1] ^ line[5];
        c += line[2] ^ line[6];
        d += line[3] ^ line[7];
    }
    a = (a ^ b) + (c ^ d);
    r->sum += a[0] ^ a[1] ^ a[2] ^ a[3] ^ a[4] ^ a[5] ^ a[6] ^ a[7];
}

/* Milliseconds to read what decoding one token reads, or as much of the file as there is. */
static double read_ms(lc_session *s, const figures *f)
{
    size_t bytes = (size_t)f->token_bytes < s->file.bytes ? (size_t)f->token_bytes : s->file.bytes;
    reading r = {.data = s->file.data, .lines = bytes / (8 * sizeof(words))};
    lc_tasks tasks = lc_pool_tasks(&s->pool);
    uint64_t start_us = lc_ui_now_us();
    tasks.run(tasks.ctx, read_task, &r, tasks.single > 0 ? tasks.single : tasks.count);
    return ms_since(start_us);
}

static double token_bytes(const lc_model *model)
{
    lc_work work;
    lc_work_init(&work, &model->info);
    for (uint32_t i = 0; i < lc_model_tensors(model); i++) {
        lc_tensor t = lc_model_tensor(model, i);
        lc_work_add(&work, t.role, &t.mat, t.bytes);
    }
    return work.layer_bytes + work.head_bytes;
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
        f->prefill_tps = 1000.0 * f->prompt / lc_bench_median(ms, reps);
        f->decode_tps = f->gen ? 1000.0 * f->gen / lc_bench_median(ms + reps, reps) : 0.0;
    }
    free(ms);
    return err == LC_OK ? LC_UI_GO : lc_session_fail(s, err);
}

/* A token and a read in turn; of each the shortest, which nothing else on the machine interrupted.
 */
static int read_compare(lc_session *s, uint32_t reps, figures *f)
{
    double token_ms = 0.0, alone_ms = 0.0;
    lc_err err = LC_OK;
    lc_net_rewind(s->net, f->prompt);
    for (uint32_t i = 0; i < reps && err == LC_OK; i++) {
        uint64_t start_us = lc_ui_now_us();
        err = lc_net_run(s->net, &s->ids[i % f->prompt], 1, last_take, s);
        double ms = ms_since(start_us);
        token_ms = i == 0 || ms < token_ms ? ms : token_ms;
        ms = read_ms(s, f);
        alone_ms = i == 0 || ms < alone_ms ? ms : alone_ms;
        lc_net_rewind(s->net, f->prompt);
    }
    f->read_share = alone_ms / token_ms;
    return err == LC_OK ? LC_UI_GO : lc_session_fail(s, err);
}

/* ---- output ---- */

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
    lc_emit_u64(&e, "token_bytes", (uint64_t)f->token_bytes);
    if (f->gen) {
        lc_emit_real(&e, "read_share", f->read_share, 3);
    } else {
        lc_emit_null(&e, "read_share");
    }
    if (f->messages.count) {
        lc_emit_u64(&e, "messages", f->messages.count);
        lc_emit_u64(&e, "prefix", f->messages.prefix);
        lc_emit_u64(&e, "message_tokens", f->messages.tokens);
        lc_emit_real(&e, "together_ms", f->together_ms, 3);
        lc_emit_real(&e, "alone_ms", f->alone_ms, 3);
    }
    lc_emit_u64(&e, "rss_peak_bytes", f->rss_bytes);
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
        printf("weights      %.1f MB a token; merely reading them takes %.2f of its time\n",
               f->token_bytes / 1e6, f->read_share);
    }
    if (f->messages.count) {
        printf("messages     %.2f ms each of %u together, %.2f ms alone; %u tokens after %u\n",
               f->together_ms, f->messages.count, f->alone_ms, f->messages.tokens,
               f->messages.prefix);
    }
    printf("arenas       state %zu, scratch %zu (peak %zu), io %zu bytes\n", m->plan_state,
           m->plan_scratch, m->arenas.scratch.peak, m->plan_io);
    printf("memory       %llu bytes resident at most\n", (unsigned long long)f->rss_bytes);
}

/* ---- the verb ---- */

static uint64_t rss_peak_bytes(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)usage.ru_maxrss * 1024u;
}

static int bench_run(lc_session *s, const request *r, uint64_t start_us, figures *out)
{
    figures f = {.load_ms = ms_since(start_us), .messages = r->messages};
    int rc = first_label_run(s);
    f.first_label_ms = ms_since(start_us);
    if (rc != LC_UI_GO) {
        return rc;
    }
    f.gen = s->model.info.causal ? r->gen : 0;
    f.gen = f.gen < s->ctx ? f.gen : s->ctx - 1;
    f.prompt = r->prompt < s->ctx - f.gen ? r->prompt : s->ctx - f.gen;
    f.token_bytes = token_bytes(&s->model);
    rc = reps_run(s, r->reps, &f);
    f.rss_bytes = rss_peak_bytes();
    if (rc == LC_UI_GO && f.gen > 0) {
        rc = read_compare(s, r->reps, &f);
    }
    if (rc == LC_UI_GO && f.messages.count > 0) {
        rc = lc_messages_run(s, &f.messages, r->reps, &f.together_ms, &f.alone_ms);
    }
    *out = f;
    return rc;
}

/* Opens the model, measures, tells unless `quiet`, closes. */
static int bench_once(const request *r, bool quiet, figures *f)
{
    lc_session s;
    uint64_t start_us = lc_ui_now_us();
    int rc = lc_session_open(&s, &r->session);
    if (rc != LC_UI_GO) {
        return rc;
    }
    rc = bench_run(&s, r, start_us, f);
    if (rc == LC_UI_GO && !quiet) {
        (r->json ? figures_json : figures_text)(&s, f);
    }
    lc_session_close(&s);
    return rc;
}

/* ---- thread counts ---- */

/* The fewest threads whose speed is worth the best one's. */
static uint32_t count_choose(const double *tps, uint32_t n)
{
    double best = 0.0;
    uint32_t count = 1;
    for (uint32_t i = 0; i < n; i++) {
        best = tps[i] > best ? tps[i] : best;
    }
    while (count < n && tps[count - 1] < TUNE_WORTH * best) {
        count++;
    }
    return count;
}

static void tune_json(const double *prefill, const double *decode, uint32_t n)
{
    lc_emit e;
    lc_emit_init(&e, stdout);
    lc_emit_open(&e, NULL, '{');
    lc_emit_open(&e, "tried", '[');
    for (uint32_t i = 0; i < n; i++) {
        lc_emit_open(&e, NULL, '{');
        lc_emit_u64(&e, "threads", i + 1);
        lc_emit_real(&e, "prefill_tps", prefill[i], 1);
        lc_emit_real(&e, "decode_tps", decode[i], 1);
        lc_emit_close(&e);
    }
    lc_emit_close(&e);
    lc_emit_open(&e, "threads", '{');
    lc_emit_u64(&e, "prefill", count_choose(prefill, n));
    lc_emit_u64(&e, "decode", count_choose(decode, n));
    lc_emit_close(&e);
    lc_emit_close(&e);
}

static void tune_text(const double *prefill, const double *decode, uint32_t n)
{
    uint32_t most = count_choose(prefill, n), single = count_choose(decode, n);
    printf("threads   prefill    decode   tokens/s\n");
    for (uint32_t i = 0; i < n; i++) {
        printf("%7u %9.1f %9.1f\n", i + 1, prefill[i], decode[i]);
    }
    printf("\nleafcutterd's configuration:\n  \"threads\": {\"prefill\": %u, \"decode\": %u}\n",
           most, single);
    printf("leafcutter generate and bench:\n  --threads %u --decode-threads %u\n", most, single);
}

/* Every number of threads up to that of cores. */
static int tune(request r)
{
    double prefill[TUNE_MAX] = {0.0}, decode[TUNE_MAX] = {0.0};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t n = cores < 1 ? 1 : cores > (long)TUNE_MAX ? TUNE_MAX : (uint32_t)cores;
    for (uint32_t i = 0; i < n; i++) {
        figures f = {0};
        r.session.threads = i + 1;
        int rc = bench_once(&r, true, &f);
        if (rc != LC_UI_GO) {
            return rc;
        }
        prefill[i] = f.prefill_tps;
        decode[i] = f.decode_tps;
    }
    (r.json ? tune_json : tune_text)(prefill, decode, n);
    return LC_UI_GO;
}

static int request_check(const request *r)
{
    if (!r->session.model) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "leafcutter bench --help lists the options",
                           "bench wants --model");
    }
    if (r->prompt < 1 || r->prompt > TOKENS_MAX || r->gen > TOKENS_MAX || r->reps < 1 ||
        r->reps > REPS_MAX) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, NULL,
                           "--prompt takes 1 to %u, --gen up to %u, --reps 1 to %u", TOKENS_MAX,
                           TOKENS_MAX, REPS_MAX);
    }
    if (r->messages.count > LC_MESSAGES_MAX || r->messages.tokens < 1 ||
        r->messages.tokens > TOKENS_MAX / LC_MESSAGES_MAX || r->messages.prefix > TOKENS_MAX / 2) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, NULL,
                           "--messages takes up to %u, --message-tokens 1 to %u, --prefix up to %u",
                           LC_MESSAGES_MAX, TOKENS_MAX / LC_MESSAGES_MAX, TOKENS_MAX / 2);
    }
    return LC_UI_GO;
}

int lc_verb_bench(int argc, char **argv)
{
    request r = {.session = {.threads = 1}, .prompt = 64, .gen = 32, .reps = 5};
    r.messages.tokens = 24;
    const lc_opt options[] = {
        {"model", "FILE", LC_OPT_TEXT, &r.session.model, ".leaf pack or .gguf file"},
        LC_OPT_ROW_ADAPTER(&r.session.adapter),
        {"prompt", "N", LC_OPT_U32, &r.prompt, "tokens of a prefill (default 64)"},
        {"gen", "N", LC_OPT_U32, &r.gen, "tokens decoded after it (default 32)"},
        {"reps", "R", LC_OPT_U32, &r.reps, "repetitions, the median counts (default 5)"},
        {"messages", "N", LC_OPT_U32, &r.messages.count, "messages in one pass, and one by one"},
        {"message-tokens", "N", LC_OPT_U32, &r.messages.tokens, "tokens of each (default 24)"},
        {"prefix", "N", LC_OPT_U32, &r.messages.prefix, "tokens before them, run once (default 0)"},
        {"tune", NULL, LC_OPT_FLAG, &r.tune, "find the best numbers of threads"},
        LC_OPT_ROW_THREADS(&r.session.threads),
        LC_OPT_ROW_DECODE_THREADS(&r.session.single),
        LC_OPT_ROW_LEVEL(&r.session.level),
        LC_OPT_ROW_KV(&r.session.kv),
        LC_OPT_ROW_JSON(&r.json),
    };
    const lc_usage usage = {"bench",           "", "Measures the speed of this board.", options,
                            LC_COUNT(options), 0};
    lc_files files;
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    if (rc == LC_UI_GO) {
        rc = request_check(&r);
    }
    if (rc != LC_UI_GO) {
        return rc;
    }
    uint32_t ctx = r.prompt + r.gen;
    r.session.ctx = ctx > SAMPLE_TOKENS_MAX ? ctx : SAMPLE_TOKENS_MAX;
    r.session.text_bytes = sizeof sample_line;
    if (r.messages.count > 0) {
        lc_messages_size(&r.messages, &r.session);
    }
    figures f;
    rc = r.tune ? tune(r) : bench_once(&r, false, &f);
    return rc == LC_UI_GO ? LC_EXIT_OK : rc;
}
