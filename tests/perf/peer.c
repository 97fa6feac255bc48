/* peer.c - runs a prebuilt llama.cpp (release v0.5.0, as npm packages carry it) through dlopen, so
 * that bench_peers.py can compare without building it.
 *
 *   peer bench    LIBS MODEL THREADS PROMPT GEN REPS   medians, tokens a second; memory
 *   peer count    LIBS MODEL PROMPT GEN UBATCH         marks for insn_count.c, as those of bench
 *   peer cold     LIBS MODEL PROMPT                    load, prompt, argmax: time it from outside
 *   peer labels   LIBS MODEL THREADS PREFIX LINE COUNT REPS    milliseconds a message, all in one
 *                 batch and one by one, after a prefix that stays in its cache
 *   peer quantize LIBS IN.gguf OUT.gguf [TYPE [WORD...]]    its number of a file type (2: Q4_0);
 *                 words: pure, requantize, embed-f32, NAME:COLS (a tensor with importances),
 *                 NAME=TYPE (its number of a tensor type)
 *   peer continue LIBS MODEL IDS.u32 GEN OUT.f32       greedy; logits of every token [][vocab], and
 *                                                      OUT.f32.ids: all tokens
 *   peer states   LIBS MODEL IDS.u32 OUT.f32           an encoder's hidden states [tokens][width]
 *   peer pooled   LIBS MODEL IDS.u32 KIND OUT.f32      KIND 1 mean, 2 first, 4 its class scores
 *   peer load     LIBS MODEL                           milliseconds of loading
 *
 * LIBS is the folder of its libraries; it picks the one for this CPU. The structures below are
 * those of its header of that release; another release needs another look.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- its interface ---- */

struct model_params {
    void *devices;
    const void *overrides;
    int32_t gpu_layers, split_mode, load_mode, lazy_mode, main_gpu;
    const float *tensor_split;
    void *progress, *progress_data;
    const void *kv_overrides;
    bool vocab_only, check_tensors, extra_buffers, no_host, no_alloc, load_mtp;
};

struct context_params {
    uint32_t ctx, batch, ubatch, seq_max, rs_seq, outputs_max, outputs_max_per_seq;
    int32_t threads, threads_batch;
    int32_t ctx_type, rope_scaling, pooling, attention, flash_attention;
    float rope_base, rope_scale, yarn_ext, yarn_attn, yarn_fast, yarn_slow;
    uint32_t yarn_orig;
    float defrag;
    void *eval, *eval_data;
    int32_t type_k, type_v;
    void *abort, *abort_data;
    bool embeddings, offload_kqv, no_perf, op_offload, swa_full, kv_unified;
    void *samplers;
    size_t sampler_count;
    void *other;
};

struct importance { /* the last has no name */
    const char *name;
    const float *data;
    size_t size;
};

struct typed { /* the last has no name */
    const char *name;
    int32_t type;
};

struct quantize_params {
    int32_t threads, type, output_type, embedding_type;
    bool requantize, output_tensor, only_copy, pure, keep_split, dry_run, flags[2];
    const struct importance *imatrix;
    const void *keys;
    const struct typed *tensor_types;
    const void *layers;
    int32_t more[2];
    int64_t reserve[4];
};

struct batch {
    int32_t n;
    int32_t *token;
    float *embd;
    int32_t *pos;
    int32_t *seq_count;
    int32_t **seq_id;
    int8_t *logits;
};

_Static_assert(sizeof(struct model_params) == 0x50, "model_params of v0.5.0");
_Static_assert(sizeof(struct context_params) == 0xa0, "context_params of v0.5.0");

typedef struct library {
    void (*ggml_backend_load_all_from_path)(const char *);
    void (*llama_backend_init)(void);
    void (*llama_log_set)(void (*)(int, const char *, void *), void *);
    struct model_params (*llama_model_default_params)(void);
    struct context_params (*llama_context_default_params)(void);
    struct quantize_params (*llama_model_quantize_default_params)(void);
    void *(*llama_model_load_from_file)(const char *, struct model_params);
    void *(*llama_init_from_model)(void *, struct context_params);
    int (*llama_decode)(void *, struct batch);
    struct batch (*llama_batch_init)(int, int, int);
    float *(*llama_get_logits_ith)(void *, int);
    void *(*llama_get_memory)(void *);
    void (*llama_memory_clear)(void *, bool);
    void (*llama_memory_seq_cp)(void *, int, int, int, int);
    bool (*llama_memory_seq_rm)(void *, int, int, int);
    const void *(*llama_model_get_vocab)(void *);
    int (*llama_vocab_n_tokens)(const void *);
    void (*llama_synchronize)(void *);
    uint32_t (*llama_model_quantize)(const char *, const char *, const struct quantize_params *);
    int (*llama_model_n_embd)(const void *);
    uint32_t (*llama_model_n_cls_out)(const void *);
    float *(*llama_get_embeddings_ith)(void *, int);
    float *(*llama_get_embeddings_seq)(void *, int);
} library;

enum { CTX = 640, REPS_MAX = 64, QUANTIZE_Q4_0 = 2, LOG_ERROR = 4, IMPORTANCES_MAX = 256 };
enum { POOL_UNSET = -1, POOL_NONE = 0, POOL_CLASSES = 4 };

static library lib;
static void *model, *context;
static int vocab;
static struct batch batch;

static void fail(const char *what)
{
    fprintf(stderr, "peer: %s\n", what);
    exit(1);
}

static void log_take(int level, const char *text, void *data)
{
    (void)data;
    if (level == LOG_ERROR)
        fputs(text, stderr);
}

static void *symbol(const char *name)
{
    void *at = dlsym(RTLD_DEFAULT, name);
    if (!at)
        fail(name);
    return at;
}

static void library_open(const char *folder)
{
    static const char *const files[] = {"libggml-base.so", "libggml.v0.5.0.so",
                                        "libllama.v0.5.0.so"};
    char path[1024];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        if (!dlopen(path, RTLD_NOW | RTLD_GLOBAL))
            fail(dlerror());
    }
#define FIND(name) *(void **)&lib.name = symbol(#name)
    FIND(ggml_backend_load_all_from_path);
    FIND(llama_backend_init);
    FIND(llama_log_set);
    FIND(llama_model_default_params);
    FIND(llama_context_default_params);
    FIND(llama_model_quantize_default_params);
    FIND(llama_model_load_from_file);
    FIND(llama_init_from_model);
    FIND(llama_decode);
    FIND(llama_batch_init);
    FIND(llama_get_logits_ith);
    FIND(llama_get_memory);
    FIND(llama_memory_clear);
    FIND(llama_memory_seq_cp);
    FIND(llama_memory_seq_rm);
    FIND(llama_model_get_vocab);
    FIND(llama_vocab_n_tokens);
    FIND(llama_synchronize);
    FIND(llama_model_quantize);
    FIND(llama_model_n_embd);
    FIND(llama_model_n_cls_out);
    FIND(llama_get_embeddings_ith);
    FIND(llama_get_embeddings_seq);
    lib.llama_log_set(log_take, NULL);
    lib.ggml_backend_load_all_from_path(folder);
    lib.llama_backend_init();
}

static void model_load(const char *path)
{
    struct model_params mp = lib.llama_model_default_params();
    mp.gpu_layers = 0;
    model = lib.llama_model_load_from_file(path, mp);
    if (!model)
        fail("the model cannot be loaded");
    vocab = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model));
}

/* No more context than `ctx` tokens need, in passes of `ubatch` at most. */
static void model_open(const char *path, int threads, int ctx, int ubatch)
{
    model_load(path);
    struct context_params cp = lib.llama_context_default_params();
    cp.ctx = cp.batch = (uint32_t)ctx;
    cp.ubatch = (uint32_t)ubatch;
    cp.threads = cp.threads_batch = threads;
    context = lib.llama_init_from_model(model, cp);
    if (!context)
        fail("no context");
    batch = lib.llama_batch_init(ctx, 0, 1);
}

/* Nothing rounded that need not be: no flash attention, keys and values in F32, every output kept.
 * pooling: of an encoder, else POOL_UNSET. */
static void model_open_exact(const char *path, int pooling)
{
    model_load(path);
    struct context_params cp = lib.llama_context_default_params();
    cp.ctx = cp.batch = cp.ubatch = CTX;
    cp.outputs_max = cp.outputs_max_per_seq = CTX;
    cp.threads = cp.threads_batch = 1;
    cp.flash_attention = 0;
    cp.type_k = cp.type_v = 0;
    cp.embeddings = pooling != POOL_UNSET;
    cp.pooling = pooling;
    context = lib.llama_init_from_model(model, cp);
    if (!context)
        fail("no context");
    batch = lib.llama_batch_init(CTX, 0, 1);
}

/* ---- what is measured ---- */

/* Tokens spread over the vocabulary, the same every time; the last one's logits. */
static void feed(int n, int position)
{
    batch.n = n;
    for (int i = 0; i < n; i++) {
        batch.token[i] = (int32_t)((uint32_t)(position + i) * 7919u % (uint32_t)vocab);
        batch.pos[i] = position + i;
        batch.seq_count[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = i == n - 1;
    }
    if (lib.llama_decode(context, batch) != 0)
        fail("decode");
    lib.llama_synchronize(context);
}

static void clear(void)
{
    lib.llama_memory_clear(lib.llama_get_memory(context), true);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *value, int n)
{
    qsort(value, (size_t)n, sizeof *value, compare);
    return value[n / 2];
}

static long peak_kib(void)
{
    char line[256];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    if (f)
        fclose(f);
    return kib;
}

static void bench(int prompt, int gen, int reps)
{
    double prefill[REPS_MAX], decode[REPS_MAX];
    reps = reps > REPS_MAX ? REPS_MAX : reps;
    feed(8, 0);
    for (int i = 0; i < reps; i++) {
        clear();
        double start = seconds();
        feed(prompt, 0);
        double middle = seconds();
        for (int k = 0; k < gen; k++)
            feed(1, prompt + k);
        prefill[i] = middle - start;
        decode[i] = seconds() - middle;
    }
    printf("{\"prefill_tps\":%.2f,\"decode_tps\":%.2f,\"rss_peak_bytes\":%ld}\n",
           prompt / median(prefill, reps), gen / median(decode, reps), peak_kib() * 1024);
}

static void mark(long tag)
{
    (void)syscall(4093L, 0x6d61726bL, tag); /* insn_count.c sees it; nothing else does */
}

static void count(int prompt, int gen)
{
    feed(2, 0); /* what is done once is not counted */
    feed(1, 2);
    clear();
    mark(4);
    feed(prompt, 0);
    mark(5);
    for (int k = 0; k < gen; k++)
        feed(1, prompt + k);
    mark(6);
}

/* Messages that share a cached prefix: message m is a sequence of its own, m + 1. */
typedef struct messages {
    int prefix, line, count;
} messages;

static void messages_open(const char *path, int threads, const messages *m)
{
    model_load(path);
    struct context_params cp = lib.llama_context_default_params();
    cp.ctx = cp.batch = (uint32_t)(m->prefix + m->line * m->count);
    cp.seq_max = (uint32_t)m->count + 1;
    cp.kv_unified = true; /* else a prefix would be copied for each */
    cp.threads = cp.threads_batch = threads;
    context = lib.llama_init_from_model(model, cp);
    if (!context)
        fail("no context");
    batch = lib.llama_batch_init((int)cp.batch, 0, 1);
    feed(m->prefix, 0);
    for (int i = 0; i < m->count; i++)
        lib.llama_memory_seq_cp(lib.llama_get_memory(context), 0, i + 1, 0, -1);
}

/* Messages [from, to) in one batch; the logits that follow each. Leaves the prefix alone. */
static void messages_run(const messages *m, int from, int to)
{
    batch.n = (to - from) * m->line;
    for (int i = 0; i < batch.n; i++) {
        int in = i % m->line, at = from + i / m->line;
        batch.token[i] = (int32_t)((uint32_t)(at * 131 + in) * 7919u % (uint32_t)vocab);
        batch.pos[i] = m->prefix + in;
        batch.seq_count[i] = 1;
        batch.seq_id[i][0] = at + 1;
        batch.logits[i] = in == m->line - 1;
    }
    if (lib.llama_decode(context, batch) != 0)
        fail("decode");
    lib.llama_synchronize(context);
    for (int at = from; at < to; at++)
        lib.llama_memory_seq_rm(lib.llama_get_memory(context), at + 1, m->prefix, -1);
}

static void messages_bench(const messages *m, int reps)
{
    double together[REPS_MAX], alone[REPS_MAX];
    reps = reps > REPS_MAX ? REPS_MAX : reps;
    messages_run(m, 0, m->count);
    for (int r = 0; r < reps; r++) {
        double start = seconds();
        messages_run(m, 0, m->count);
        double middle = seconds();
        for (int i = 0; i < m->count; i++)
            messages_run(m, i, i + 1);
        together[r] = (middle - start) / m->count;
        alone[r] = (seconds() - middle) / m->count;
    }
    printf("{\"together_ms\":%.3f,\"alone_ms\":%.3f}\n", 1e3 * median(together, reps),
           1e3 * median(alone, reps));
}

static int argmax(const float *logits)
{
    int best = 0;
    for (int i = 1; i < vocab; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

static void cold(int prompt)
{
    feed(prompt, 0);
    printf("{\"token\":%d,\"rss_peak_bytes\":%ld}\n", argmax(lib.llama_get_logits_ith(context, -1)),
           peak_kib() * 1024);
}

/* ---- what is compared ---- */

static void decode(const int32_t *ids, int n, int position)
{
    batch.n = n;
    for (int i = 0; i < n; i++) {
        batch.token[i] = ids[i];
        batch.pos[i] = position + i;
        batch.seq_count[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = 1;
    }
    if (lib.llama_decode(context, batch) != 0)
        fail("decode");
    lib.llama_synchronize(context);
}

static int ids_read(const char *path, int32_t *ids)
{
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(ids, sizeof *ids, CTX, f) : 0;
    if (f)
        fclose(f);
    if (n == 0)
        fail("no token ids");
    return (int)n;
}

static void put(FILE *f, const void *data, size_t bytes)
{
    if (!f || !data || fwrite(data, 1, bytes, f) != bytes)
        fail("a result cannot be written");
}

static FILE *create(const char *path, const char *ending)
{
    char name[1024];
    snprintf(name, sizeof name, "%s%s", path, ending);
    FILE *f = fopen(name, "wb");
    if (!f)
        fail(strerror(errno));
    return f;
}

static void continued(const char *ids_path, int gen, const char *path)
{
    static int32_t ids[2 * CTX];
    int n = ids_read(ids_path, ids);
    FILE *out = create(path, ""), *names = create(path, ".ids");
    if (n + gen > CTX)
        fail("too many tokens");
    decode(ids, n, 0);
    for (int i = 0; i < n; i++)
        put(out, lib.llama_get_logits_ith(context, i), (size_t)vocab * sizeof(float));
    for (int end = n + gen; n < end; n++) {
        ids[n] = argmax(lib.llama_get_logits_ith(context, -1));
        decode(ids + n, 1, n);
        put(out, lib.llama_get_logits_ith(context, -1), (size_t)vocab * sizeof(float));
    }
    put(names, ids, (size_t)n * sizeof *ids);
    fclose(out);
    fclose(names);
}

static void states(const char *ids_path, const char *path)
{
    static int32_t ids[CTX];
    int n = ids_read(ids_path, ids);
    FILE *out = create(path, "");
    decode(ids, n, 0);
    for (int i = 0; i < n; i++)
        put(out, lib.llama_get_embeddings_ith(context, i),
            (size_t)lib.llama_model_n_embd(model) * sizeof(float));
    fclose(out);
}

static void pooled(const char *ids_path, int kind, const char *path)
{
    static int32_t ids[CTX];
    int n = ids_read(ids_path, ids);
    FILE *out = create(path, "");
    decode(ids, n, 0);
    size_t count = kind == POOL_CLASSES ? lib.llama_model_n_cls_out(model)
                                        : (size_t)lib.llama_model_n_embd(model);
    put(out, lib.llama_get_embeddings_seq(context, 0), count * sizeof(float));
    fclose(out);
}

static uint32_t quantize(int argc, char **argv)
{
    static struct importance imatrix[IMPORTANCES_MAX + 1];
    static struct typed types[IMPORTANCES_MAX + 1];
    struct quantize_params q = lib.llama_model_quantize_default_params();
    int count = 0, typed = 0;
    q.type = argc > 5 ? (int)strtol(argv[5], NULL, 10) : QUANTIZE_Q4_0;
    q.threads = 1;
    for (int i = 6; i < argc; i++) {
        char *colon = strrchr(argv[i], ':'), *equal = strchr(argv[i], '=');
        q.pure = q.pure || strcmp(argv[i], "pure") == 0;
        q.requantize = q.requantize || strcmp(argv[i], "requantize") == 0;
        if (strcmp(argv[i], "embed-f32") == 0)
            q.embedding_type = 0;
        if (colon && count < IMPORTANCES_MAX) {
            size_t cols = strtoul(colon + 1, NULL, 10);
            float *weight = malloc((cols + 1) * sizeof *weight);
            for (size_t c = 0; weight && c < cols; c++)
                weight[c] = 0.5f + (float)(c * 7919u % 101u) / 101.0f;
            *colon = 0;
            imatrix[count++] = (struct importance){argv[i], weight, cols};
            q.imatrix = imatrix;
        }
        if (equal && typed < IMPORTANCES_MAX) {
            *equal = 0;
            types[typed++] = (struct typed){argv[i], (int32_t)strtol(equal + 1, NULL, 10)};
            q.tensor_types = types;
        }
    }
    return lib.llama_model_quantize(argv[3], argv[4], &q);
}

static int number(const char *text)
{
    long n = strtol(text, NULL, 10);
    if (n < 1 || n > CTX)
        fail("a number from 1 to 640 is wanted");
    return (int)n;
}

static bool compared(int argc, char **argv)
{
    if (strcmp(argv[1], "continue") == 0 && argc == 7) {
        model_open_exact(argv[3], POOL_UNSET);
        continued(argv[4], number(argv[5]), argv[6]);
    } else if (strcmp(argv[1], "states") == 0 && argc == 6) {
        model_open_exact(argv[3], POOL_NONE);
        states(argv[4], argv[5]);
    } else if (strcmp(argv[1], "pooled") == 0 && argc == 7) {
        int kind = number(argv[5]);
        model_open_exact(argv[3], kind);
        pooled(argv[4], kind, argv[6]);
    } else {
        return false;
    }
    return true;
}

static bool measured(int argc, char **argv)
{
    int n[4] = {0}; /* the numbers that are given */
    for (int i = 0; i < 4 && i + 4 < argc; i++)
        n[i] = number(argv[4 + i]);
    if (strcmp(argv[1], "bench") == 0 && argc == 8) {
        model_open(argv[3], n[0], n[1] + n[2], n[1]);
        bench(n[1], n[2], n[3]);
    } else if (strcmp(argv[1], "count") == 0 && argc == 7) {
        model_open(argv[3], 1, n[0] + n[1], n[2]);
        count(n[0], n[1]);
    } else if (strcmp(argv[1], "cold") == 0 && argc == 5) {
        model_open(argv[3], 1, n[0], n[0]);
        cold(n[0]);
    } else if (strcmp(argv[1], "labels") == 0 && argc == 9) {
        const messages m = {n[1], n[2], n[3]};
        messages_open(argv[3], n[0], &m);
        messages_bench(&m, number(argv[8]));
    } else if (strcmp(argv[1], "load") == 0 && argc == 4) {
        double start = seconds();
        model_open(argv[3], 1, CTX, CTX);
        printf("{\"load_ms\":%.1f,\"rss_peak_bytes\":%ld}\n", 1e3 * (seconds() - start),
               peak_kib() * 1024);
    } else {
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 4)
        fail("see the head of peer.c");
    library_open(argv[2]);
    if (strcmp(argv[1], "quantize") == 0 && argc >= 5)
        return (int)quantize(argc, argv);
    if (!compared(argc, argv) && !measured(argc, argv))
        fail("see the head of peer.c");
    fflush(stdout);
    _exit(0); /* its threads and destructors are none of our time */
}
