/* Adapters: against an independent float64 forward pass (models/golden/lora.py), merged against
 * unmerged, switched from text to text, and damaged in every way that has a name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/linux/cpu.h"
#include "../../board/linux/leaf_write.h"
#include "../../board/linux/tasks.h"
#include "../../runtime/net.h"
#include "../../tools/pack/lora_pack.h"
#include "../../tools/pack/pack.h"
#include "gguf_make.h"

#define DIR "models/golden/"
#define TOKENS_MAX 80
#define TOKENS 24 /* of a decoder's text */
#define OUT_MAX (TOKENS * 512)

/* ---- files ---- */

typedef struct blob {
    uint8_t *data; /* 64-byte aligned, LC_READ_AHEAD readable behind it */
    size_t bytes;
} blob;

static blob blob_of(const void *data, size_t bytes)
{
    blob b = {aligned_alloc(64, LC_ROUND_UP(bytes + LC_READ_AHEAD, 64)), bytes};
    assert_non_null(b.data);
    memset(b.data + bytes, 0, LC_READ_AHEAD);
    memcpy(b.data, data, bytes);
    return b;
}

static blob read_file(const char *format, const char *name)
{
    static uint8_t file[1 << 20];
    char path[256];
    snprintf(path, sizeof path, format, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fail_msg("%s: cannot open", path);
    }
    size_t n = fread(file, 1, sizeof file, f);
    fclose(f);
    assert_true(n < sizeof file);
    return blob_of(file, n);
}

/* An adapter of models/golden/adapters: a GGUF, or a PEFT folder. */
typedef struct adapter_file {
    blob data, config;
    lc_lora_file lora;
} adapter_file;

static adapter_file load_adapter(const char *name, bool peft)
{
    adapter_file f = {0};
    if (peft) {
        f.config = read_file(DIR "adapters/%s/adapter_config.json", name);
        f.data = read_file(DIR "adapters/%s/adapter_model.safetensors", name);
    } else {
        f.data = read_file(DIR "adapters/%s.gguf", name);
    }
    f.lora = (lc_lora_file){.name = name,
                            .data = f.data.data,
                            .bytes = f.data.bytes,
                            .config = (const char *)f.config.data,
                            .config_bytes = f.config.bytes,
                            .scale = 1.0};
    return f;
}

static void unload_adapter(adapter_file *f)
{
    free(f->data.data);
    free(f->config.data);
}

static lc_err try_pack(const blob *gguf, lc_pack_type type, const lc_lora_file *lora, blob *out,
                       lc_diag *diag)
{
    lc_gguf g;
    lc_buf leaf = {0};
    lc_pack_options options = {
        .type = type, .threads = 1, .lora = lora, .lora_count = lora != NULL};
    assert_int_equal(lc_gguf_open(gguf->data, gguf->bytes, &g, diag), LC_OK);
    lc_err err = lc_pack_gguf(&g, &options, &leaf, NULL, diag);
    lc_gguf_close(&g);
    if (err == LC_OK) {
        *out = blob_of(leaf.data, leaf.bytes);
        lc_buf_free(&leaf);
    }
    return err;
}

/* A golden model packed, with an adapter merged or not. */
static blob pack_of(const char *model, lc_pack_type type, const lc_lora_file *lora)
{
    lc_diag diag = {0};
    blob out = {0}, gguf = read_file(DIR "%s.gguf", model);
    if (try_pack(&gguf, type, lora, &out, &diag) != LC_OK) {
        fail_msg("%s: %s", model, diag.text);
    }
    free(gguf.data);
    return out;
}

/* ---- models at work ---- */

typedef struct bench {
    blob pack;
    lc_model model;
    lc_adapter adapter[2];
    uint32_t adapters;
    lc_pool pool;
    lc_arena state, scratch;
    lc_net *net;
} bench;

static lc_err layout(bench *b, const blob *object, lc_net_options *options, lc_arena *state,
                     lc_arena *scratch, lc_diag *diag)
{
    lc_err err = lc_model_open(b->pack.data, b->pack.bytes, state, &b->model, diag);
    options->rank = 0;
    for (uint32_t i = 0; i < b->adapters && err == LC_OK; i++) {
        err = lc_adapter_open(object[i].data, object[i].bytes, &b->model, state, &b->adapter[i],
                              diag);
        options->rank =
            err == LC_OK && b->adapter[i].rank > options->rank ? b->adapter[i].rank : options->rank;
    }
    return err == LC_OK ? lc_net_init(&b->model, options, state, scratch, &b->net, diag) : err;
}

/* Arenas of exactly the planned size. */
static void bench_open(bench *b, const blob *object, const char *level, uint32_t threads,
                       uint32_t batch)
{
    lc_diag diag = {0};
    lc_arena state, scratch;
    assert_int_equal(lc_pool_open(&b->pool, threads), LC_OK);
    lc_net_options options = {.kernels = lc_level_find(level),
                              .ctx = TOKENS_MAX,
                              .batch = batch,
                              .kv = LC_KV_F32,
                              .tasks = lc_pool_tasks(&b->pool)};
    lc_arena_measure(&state);
    lc_arena_measure(&scratch);
    if (layout(b, object, &options, &state, &scratch, &diag) != LC_OK) {
        fail_msg("%s", diag.text);
    }
    lc_arena_init(&b->state, aligned_alloc(64, state.peak), state.peak);
    lc_arena_init(&b->scratch, aligned_alloc(64, scratch.peak), scratch.peak);
    assert_int_equal(layout(b, object, &options, &b->state, &b->scratch, &diag), LC_OK);
    assert_int_equal(b->state.peak, state.peak);
}

static void bench_close(bench *b)
{
    lc_pool_close(&b->pool);
    free(b->state.base);
    free(b->scratch.base);
}

typedef struct rows {
    bench *b;
    float *out;
} rows;

static lc_err take_row(void *ctx, uint32_t position, uint32_t n, const float *hidden)
{
    rows *r = ctx;
    const lc_model_info *i = &r->b->model.info;
    for (uint32_t t = 0; t < n; t++) {
        lc_err err = lc_net_logits(r->b->net, hidden + (size_t)t * i->width,
                                   r->out + (size_t)(position + t) * i->vocab);
        if (err != LC_OK) {
            return err;
        }
    }
    return LC_OK;
}

/* What a text gives with the adapter (NULL: none): logits, or the head's outputs. */
static uint32_t answer(bench *b, const lc_adapter *adapter, const blob *ids, float *out)
{
    const uint32_t *id = (const uint32_t *)(const void *)ids->data;
    lc_net_adapt(b->net, adapter);
    if (lc_net_classes(b->net) > 0) {
        float pooled[256];
        assert_int_equal(lc_net_pool(b->net, id, (uint32_t)ids->bytes / 4, pooled), LC_OK);
        assert_int_equal(lc_net_classify(b->net, pooled, out), LC_OK);
        return lc_net_classes(b->net);
    }
    rows r = {b, out};
    assert_int_equal(lc_net_run(b->net, id, TOKENS, take_row, &r), LC_OK);
    return TOKENS * b->model.info.vocab;
}

/* The object of an adapter for a pack. */
static blob object_of(const blob *pack, const lc_lora_file *lora, lc_lora_report *report)
{
    lc_arena state;
    lc_model model;
    lc_diag diag = {0};
    lc_buf out = {0};
    lc_arena_measure(&state);
    assert_int_equal(lc_model_open(pack->data, pack->bytes, &state, &model, &diag), LC_OK);
    void *mem = aligned_alloc(64, LC_ROUND_UP(state.peak, 64));
    lc_arena_init(&state, mem, state.peak);
    assert_int_equal(lc_model_open(pack->data, pack->bytes, &state, &model, &diag), LC_OK);
    if (lc_lora_pack(lora, &model, NULL, 0, &out, report, &diag) != LC_OK) {
        fail_msg("%s: %s", lora->name, diag.text);
    }
    free(mem);
    blob object = blob_of(out.data, out.bytes);
    lc_buf_free(&out);
    return object;
}

static float largest_error(const float *a, const float *b, uint32_t n)
{
    float top = 0, diff = 0;
    for (uint32_t i = 0; i < n; i++) {
        float v = b[i] < 0 ? -b[i] : b[i];
        float d = a[i] < b[i] ? b[i] - a[i] : a[i] - b[i];
        top = v > top ? v : top;
        diff = d > diff ? d : diff;
    }
    return diff / top;
}

/* ---- what adapters compute ---- */

static const struct {
    const char *name, *model, *expect;
    bool peft;
} golden[] = {
    {"causal-all", "tiny-causal", "causal-all", false},
    {"causal-peft", "tiny-causal", "causal-all", true},
    {"causal-qv", "tiny-causal", "causal-qv", false},
    {"qwen3", "tiny-qwen3", "qwen3", true},
    {"bert", "tiny-bert", "bert", true},
    {"modern-bert", "tiny-modern-bert", "modern-bert", true},
};
#define GOLDEN (sizeof golden / sizeof golden[0])

/* Outputs with golden adapter g, merged into the pack or applied beside it. */
static uint32_t golden_run(size_t g, lc_pack_type type, bool merge, const char *level,
                           uint32_t threads, uint32_t batch, float *out)
{
    adapter_file f = load_adapter(golden[g].name, golden[g].peft);
    blob ids = read_file(DIR "%s.tokens.u32", golden[g].model), object = {0};
    bench b = {.adapters = !merge};
    b.pack = pack_of(golden[g].model, type, merge ? &f.lora : NULL);
    if (!merge) {
        object = object_of(&b.pack, &f.lora, NULL);
    }
    bench_open(&b, &object, level, threads, batch);
    uint32_t n = answer(&b, merge ? NULL : &b.adapter[0], &ids, out);
    bench_close(&b);
    free(b.pack.data);
    free(object.data);
    free(ids.data);
    unload_adapter(&f);
    return n;
}

static void float_path_agrees_with_float64(void **state)
{
    static float merged[OUT_MAX], apart[OUT_MAX];
    (void)state;
    for (size_t g = 0; g < GOLDEN; g++) {
        blob expect = read_file(DIR "adapters/%s.expect.f32", golden[g].expect);
        const float *want = (const float *)(const void *)expect.data;
        uint32_t n = golden_run(g, LC_PACK_F32, true, "ref", 1, 0, merged);
        assert_int_equal(n, golden_run(g, LC_PACK_F32, false, "ref", 1, 0, apart));
        assert_int_equal(n, expect.bytes / 4);
        float a = largest_error(merged, want, n), b = largest_error(apart, want, n);
        float c = largest_error(apart, merged, n);
        print_message("%s: merged %.2g, unmerged %.2g of float64, between them %.2g\n",
                      golden[g].name, (double)a, (double)b, (double)c);
        assert_true(a < 1e-5f && b < 1e-5f && c < 1e-5f);
        free(expect.data);
    }
}

static void levels_threads_and_chunks_give_the_same_bits(void **state)
{
    static float want[OUT_MAX], got[OUT_MAX];
    (void)state;
    uint32_t runs = 0;
    for (size_t g = 0; g < GOLDEN; g++) {
        for (uint32_t t = 0; t < 2; t++) {
            lc_pack_type type = t == 0 ? LC_PACK_Q4 : LC_PACK_F32;
            uint32_t n = golden_run(g, type, false, "ref", 1, 0, want);
            for (uint32_t i = 0; i < lc_level_count(); i++) {
                const lc_kernels *k = lc_level_at(i);
                if ((k->needs & ~lc_cpu_features()) != 0) {
                    continue;
                }
                for (uint32_t threads = 1; threads < 4; threads++) {
                    uint32_t batch = threads == 3 ? 7 : 0;
                    assert_int_equal(golden_run(g, type, false, k->name, threads, batch, got), n);
                    assert_memory_equal(got, want, n * sizeof(float));
                    runs++;
                }
            }
        }
    }
    print_message("%u runs equal to ref\n", runs);
}

/* 8-bit corrections beside 4-bit weights stay near what merging before quantising gives. */
static void four_bits_stay_near_merging(void **state)
{
    static float apart[OUT_MAX], exact[OUT_MAX], merged[OUT_MAX];
    (void)state;
    for (size_t g = 0; g < GOLDEN; g++) {
        uint32_t n = golden_run(g, LC_PACK_F32, true, "ref", 1, 0, exact);
        golden_run(g, LC_PACK_Q8, true, "ref", 1, 0, merged);
        golden_run(g, LC_PACK_Q8, false, "ref", 1, 0, apart);
        float a = largest_error(merged, exact, n), b = largest_error(apart, exact, n);
        print_message("%s R8: merged %.3g, unmerged %.3g of float\n", golden[g].name, (double)a,
                      (double)b);
        assert_true(b < 2 * a + 0.01f);
    }
}

static void peft_and_gguf_are_the_same_object(void **state)
{
    (void)state;
    blob pack = pack_of("tiny-causal", LC_PACK_Q4, NULL);
    adapter_file a = load_adapter("causal-all", false), b = load_adapter("causal-peft", true);
    lc_lora_report report;
    blob x = object_of(&pack, &a.lora, &report), y = object_of(&pack, &b.lora, NULL);
    assert_int_equal(report.rank, 4);
    assert_int_equal(report.pairs, 21);
    assert_int_equal(report.type, LC_W_R8);
    assert_int_equal(x.bytes, y.bytes);
    assert_memory_equal(x.data, y.data, x.bytes);
    free(x.data);
    free(y.data);
    free(pack.data);
    unload_adapter(&a);
    unload_adapter(&b);
}

/* One net, text after text: none, all, q and v, all, none. */
static void adapters_switch_between_texts(void **state)
{
    static float want[3][OUT_MAX], got[OUT_MAX];
    (void)state;
    adapter_file all = load_adapter("causal-all", false), qv = load_adapter("causal-qv", false);
    blob ids = read_file(DIR "%s.tokens.u32", "tiny-causal");
    bench b = {.adapters = 2, .pack = pack_of("tiny-causal", LC_PACK_Q4, NULL)};
    blob object[2] = {object_of(&b.pack, &all.lora, NULL), object_of(&b.pack, &qv.lora, NULL)};
    for (uint32_t i = 0; i < 3; i++) { /* each alone in a net of its own */
        bench alone = {.adapters = i > 0, .pack = b.pack};
        bench_open(&alone, &object[i == 2], "ref", 1, 0);
        answer(&alone, i > 0 ? &alone.adapter[0] : NULL, &ids, want[i]);
        bench_close(&alone);
    }
    assert_memory_not_equal(want[0], want[1], sizeof want[0]);
    assert_memory_not_equal(want[1], want[2], sizeof want[0]);
    bench_open(&b, object, "ref", 1, 0);
    const uint32_t order[] = {0, 1, 2, 1, 0, 2, 0};
    for (uint32_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        uint32_t which = order[i];
        uint32_t n = answer(&b, which > 0 ? &b.adapter[which - 1] : NULL, &ids, got);
        assert_memory_equal(got, want[which], n * sizeof(float));
    }
    bench_close(&b);
    free(object[0].data);
    free(object[1].data);
    free(b.pack.data);
    free(ids.data);
    unload_adapter(&all);
    unload_adapter(&qv);
}

/* Merging at scale s and -s, one after the other, gives the base back; at 0 nothing changes. */
static void scales_of_the_user(void **state)
{
    (void)state;
    lc_diag diag = {0};
    lc_gguf g;
    lc_buf out = {0};
    blob gguf = read_file(DIR "%s.gguf", "tiny-causal");
    blob plain = pack_of("tiny-causal", LC_PACK_F32, NULL);
    adapter_file f = load_adapter("causal-all", false);
    lc_lora_file twice[2] = {f.lora, f.lora};
    twice[0].scale = 0.0;
    twice[1].scale = 0.0;
    lc_pack_options options = {.type = LC_PACK_F32, .lora = twice, .lora_count = 2};
    assert_int_equal(lc_gguf_open(gguf.data, gguf.bytes, &g, &diag), LC_OK);
    assert_int_equal(lc_pack_gguf(&g, &options, &out, NULL, &diag), LC_OK);
    assert_int_equal(out.bytes, plain.bytes);
    assert_memory_equal(out.data, plain.data, out.bytes);
    lc_buf_free(&out);
    twice[0].scale = 2.0;
    assert_int_equal(lc_pack_gguf(&g, &options, &out, NULL, &diag), LC_OK);
    assert_memory_not_equal(out.data, plain.data, out.bytes);
    lc_buf_free(&out);
    lc_gguf_close(&g);
    free(gguf.data);
    free(plain.data);
    unload_adapter(&f);
}

/* ---- what is refused ---- */

/* What packing says of an adapter, "" when it takes it. */
static const char *refusal(const char *model, const lc_lora_file *file)
{
    static char text[300];
    lc_diag diag = {0};
    blob out = {0}, gguf = read_file(DIR "%s.gguf", model);
    lc_err err = try_pack(&gguf, LC_PACK_F32, file, &out, &diag);
    snprintf(text, sizeof text, "%s", err == LC_OK ? "" : diag.text);
    free(out.data);
    free(gguf.data);
    return text;
}

static void says(const char *text, const char *wanted)
{
    if (strstr(text, wanted) == NULL || (*wanted == '\0' && *text != '\0')) {
        fail_msg("'%s' wanted, not '%s'", wanted, text);
    }
}

/* A GGUF adapter for tiny-causal with one pair, or what a case makes of it. */
typedef struct lora_case {
    const char *wanted; /* of the refusal */
    const char *type, *kind, *arch;
    float alpha;
    const char *a, *b; /* names, NULL: left out */
    uint32_t a_cols, a_rank, b_rank, b_rows;
    float poison_a, poison_b; /* the last number of each */
} lora_case;

#define Q "blk.1.attn_q.weight"
#define SOUND                                                                                      \
    .type = "adapter", .kind = "lora", .arch = "llama", .alpha = 8, .a = Q ".lora_a",              \
    .b = Q ".lora_b", .a_cols = 40, .a_rank = 4, .b_rank = 4, .b_rows = 60

static blob case_make(const lora_case *c)
{
    static float a[300 * 52], b[300 * 60];
    gguf_make m = gguf_make_begin(3);
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    a[c->a_cols * c->a_rank - 1] = c->poison_a;
    b[c->b_rank * c->b_rows - 1] = c->poison_b;
    gguf_make_str(&m, "general.type", c->type);
    gguf_make_str(&m, "adapter.type", c->kind);
    gguf_make_str(&m, "general.architecture", c->arch);
    gguf_make_f32(&m, "adapter.lora.alpha", c->alpha);
    if (c->a != NULL) {
        gguf_make_tensor(&m, c->a, 0, c->a_cols, c->a_rank, a, 4ul * c->a_cols * c->a_rank);
    }
    if (c->b != NULL) {
        gguf_make_tensor(&m, c->b, 0, c->b_rank, c->b_rows, b, 4ul * c->b_rank * c->b_rows);
    }
    lc_buf file = gguf_make_end(&m, 32);
    blob out = blob_of(file.data, file.bytes);
    lc_buf_free(&file);
    return out;
}

#pragma GCC diagnostic ignored "-Woverride-init"
static void damaged_gguf_is_refused_by_name(void **state)
{
    static const lora_case cases[] = {
        {.wanted = "", SOUND},
        {.wanted = "", SOUND, .alpha = 0},
        {.wanted = "general.type: not an adapter", SOUND, .type = "model"},
        {.wanted = "adapter.type: only lora", SOUND, .kind = "control_vector"},
        {.wanted = "for another one than llama", SOUND, .arch = "qwen2"},
        {.wanted = "adapter.lora.alpha: not a number in 0 to 65536", SOUND, .alpha = -1},
        {.wanted = "adapter.lora.alpha", SOUND, .alpha = 1e9f},
        {.wanted = "adapter.lora.alpha", SOUND, .alpha = __builtin_nanf("")},
        {.wanted = "an adapter without tensors", SOUND, .a = NULL, .b = NULL},
        {.wanted = Q ".lora_a: its other half is missing", SOUND, .b = NULL},
        {.wanted = Q ".lora_b: its other half is missing", SOUND, .a = NULL},
        {.wanted = Q ".lora_b: rank 5, its other half has 4", SOUND, .b_rank = 5},
        {.wanted = Q ".lora_a: rank 257 is not in 1 to 256", SOUND, .a_rank = 257},
        {.wanted = Q ".lora_a: shape 4 x 41, the model's sizes want columns 40",
         SOUND,
         .a_cols = 41},
        {.wanted = Q ".lora_b: shape 59 x 4, the model's sizes want rows 60", SOUND, .b_rows = 59},
        {.wanted = "blk.3.attn_q.weight.lora_a: of a linear that the model has not",
         SOUND,
         .a = "blk.3.attn_q.weight.lora_a"},
        {.wanted = "blk.01.attn_q.weight.lora_a: only corrections",
         SOUND,
         .a = "blk.01.attn_q.weight.lora_a"},
        {.wanted = "token_embd.weight.lora_a: only corrections",
         SOUND,
         .a = "token_embd.weight.lora_a"},
        {.wanted = "blk.1.attn_norm.weight: only corrections",
         SOUND,
         .a = "blk.1.attn_norm.weight"},
        {.wanted = ".lora_a: only corrections", SOUND, .a = ".lora_a"},
        {.wanted = Q ".lora_a: row 3: a NaN or an infinity", SOUND, .poison_a = __builtin_nanf("")},
        {.wanted = Q ".lora_b: row 59: a NaN or an infinity", SOUND, .poison_b = __builtin_inff()},
        {.wanted = Q ".lora_b: row 59: too large once scaled", SOUND, .poison_b = 3e38f},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        blob file = case_make(&cases[i]);
        lc_lora_file lora = {.name = "case", .data = file.data, .bytes = file.bytes, .scale = 1};
        says(refusal("tiny-causal", &lora), cases[i].wanted);
        free(file.data);
    }
}

/* The file with `from` in place of `to`, of one length: JSON and safetensors headers are text. */
static void replace(blob *b, const char *from, const char *to)
{
    size_t n = strlen(from);
    assert_int_equal(n, strlen(to));
    for (size_t i = 0; i + n <= b->bytes; i++) {
        if (memcmp(b->data + i, from, n) == 0) {
            memcpy(b->data + i, to, n);
            return;
        }
    }
    fail_msg("%s: not there", from);
}

static void damaged_peft_is_refused_by_name(void **state)
{
    static const struct {
        bool tensors; /* in the safetensors header, else in the config */
        const char *from, *to, *wanted;
    } cases[] = {
        {false, "\"r\": 4", "\"r\": 4", ""},
        {false, "\"LORA\"", "\"LOHA\"", "peft_type: only LORA is supported"},
        {false, "\"none\"", "\"all\" ", "bias: only none is supported"},
        {false, "\"use_dora\": false", "\"use_dora\": true ", "use_dora: is not supported"},
        {false, "\"init_lora_weights\": true,", "\"init_lora_weights\":\"zap\",",
         "init_lora_weights: this start changes the base's weights"},
        {false, "\"r\": 4", "\"r\": 5", "rank 4, adapter_config.json says 5"},
        {false, "\"r\": 4", "\"r\":-1", "r: not a rank in 1 to 256"},
        {false, "\"lora_alpha\": 16", "\"lora_alpha\":\"a\"", "lora_alpha: not a number above 0"},
        {false, "\"lora_alpha\": 16", "\"lora_alpha\":0.0", "lora_alpha: not a number above 0"},
        {false, "\"rank_pattern\": {}", "\"rank_pattern\": []", ""},
        {false, "\"rank_pattern\": {}", "\"rank_pattern\": 77", "rank_pattern: not an object"},
        {false, "\"alpha_pattern\": {}", "\"alpha_pattern\": {,", "adapter_config.json: line"},
        {true, "lora_A.weight", "lora_C.weight", "saving this module is not supported"},
        {true, "lora_A.weight", "magnitude.wei", "DoRA is not supported"},
        {true, "base_model.model.bert", "base_moder.model.bert", "not a tensor of an adapter"},
        {true, "attention.self.query", "attention.self.quark", "of this module are not supported"},
        {true, "layer.0.", "layer.9.", "of a linear that the model has not"},
        {true, "model.classifier.weight", "model.classifies.weight", "saving this module"},
        {true, "\"shape\": [4, 48]", "\"shape\": [48, 4]", "the model's sizes want"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        adapter_file f = load_adapter("bert", true);
        replace(cases[i].tensors ? &f.data : &f.config, cases[i].from, cases[i].to);
        says(refusal("tiny-bert", &f.lora), cases[i].wanted);
        unload_adapter(&f);
    }
    adapter_file f = load_adapter("bert", true);
    says(refusal("tiny-minilm", &f.lora), "the model's sizes want rows 64");
    says(refusal("tiny-causal", &f.lora), "the model's sizes want");
    lc_lora_source source;
    lc_diag diag = {0};
    lc_model model;
    lc_arena plan;
    blob pack = pack_of("tiny-bert", LC_PACK_Q8, NULL);
    lc_arena_measure(&plan);
    assert_int_equal(lc_model_open(pack.data, pack.bytes, &plan, &model, NULL), LC_OK);
    assert_int_equal(lc_lora_open(&f.lora, &model.info, &source, &diag), LC_OK);
    assert_int_equal(lc_lora_check_head(&source, LC_ARCH_BERT, true, &diag), LC_OK);
    assert_int_equal(lc_lora_check_head(&source, LC_ARCH_BERT, false, &diag), LC_ERR_UNSUPPORTED);
    says(diag.text, "this head stands on a dense layer, which the base has not");
    lc_lora_close(&source);
    free(pack.data);
    unload_adapter(&f);
}

/* Writes a number into a copy of an object at a place of section ADAPTER. */
static void store(blob *object, uint64_t at, uint64_t v, uint32_t bytes)
{
    lc_leaf leaf;
    lc_section s;
    assert_int_equal(lc_leaf_open(object->data, object->bytes, &leaf, NULL), LC_OK);
    assert_true(lc_leaf_find(&leaf, LC_SECTION_ADAPTER, 0, &s));
    for (uint32_t i = 0; i < bytes; i++) {
        object->data[s.offset + at + i] = (uint8_t)(v >> (8 * i));
    }
}

static lc_err open_object(const blob *pack, const blob *object, lc_diag *diag)
{
    lc_arena plan;
    lc_model model;
    lc_adapter adapter;
    lc_arena_measure(&plan);
    assert_int_equal(lc_model_open(pack->data, pack->bytes, &plan, &model, NULL), LC_OK);
    return lc_adapter_open(object->data, object->bytes, &model, &plan, &adapter, diag);
}

static void damaged_objects_are_refused_by_place(void **state)
{
    /* header: version 0, classes 4, base 8, rank 40, pairs 44; first pair at 48: role, layer, type,
     * rank, a 64, b 72 */
    static const struct {
        uint32_t at, bytes;
        uint64_t value;
        lc_err err;
        const char *wanted;
    } cases[] = {
        {0, 4, 3, LC_ERR_VERSION, "adapter of another version"},
        {0, 4, 2, LC_ERR_FORMAT, "early exit without layers or head"},
        {4, 4, 3, LC_ERR_FORMAT, "section CLASSES against the header's classes"},
        {4, 4, 1u << 20, LC_ERR_LIMIT, "classes over limit"},
        {8, 8, 7, LC_ERR_CHECKSUM, "made for another base"},
        {40, 4, 0, LC_ERR_FORMAT, "pair count out of range"},
        {40, 4, 5, LC_ERR_FORMAT, "rank is not that of the widest pair"},
        {40, 4, 257, LC_ERR_LIMIT, "rank over limit"},
        {44, 4, 0, LC_ERR_FORMAT, "pair count out of range"},
        {44, 4, 4000, LC_ERR_FORMAT, "pair count does not fit the section"},
        {44, 4, 20, LC_ERR_FORMAT, "wrong length"},
        {44, 4, 1u << 30, LC_ERR_FORMAT, "pair count out of range"},
        {48, 4, LC_T_OUTPUT, LC_ERR_FORMAT, "pair of a linear that the model has not"},
        {48, 4, LC_T_ATTN_NORM, LC_ERR_FORMAT, "pair of a linear that the model has not"},
        {80, 4, LC_T_Q, LC_ERR_FORMAT, "pairs are out of order, or one stands twice"},
        {48, 4, 77, LC_ERR_FORMAT, "pair of a linear that the model has not"},
        {52, 4, 3, LC_ERR_FORMAT, "pair of a linear that the model has not"},
        {52, 4, 1, LC_ERR_FORMAT, "out of order"},
        {56, 4, LC_W_T16, LC_ERR_UNSUPPORTED, "pair type is not legal"},
        {60, 4, 0, LC_ERR_FORMAT, "rank of a pair out of range"},
        {60, 4, 5, LC_ERR_FORMAT, "rank of a pair out of range"},
        {64, 8, 1, LC_ERR_FORMAT, "matrix does not fit"},
        {64, 8, 0, LC_ERR_FORMAT, "matrix does not fit"},
        {64, 8, UINT64_MAX - 63, LC_ERR_FORMAT, "matrix does not fit"},
        {72, 8, UINT64_C(1) << 40, LC_ERR_FORMAT, "matrix does not fit"},
    };
    (void)state;
    blob pack = pack_of("tiny-causal", LC_PACK_Q4, NULL);
    blob other = pack_of("tiny-causal", LC_PACK_Q8, NULL);
    adapter_file f = load_adapter("causal-all", false);
    blob sound = object_of(&pack, &f.lora, NULL);
    lc_diag diag = {0};
    assert_int_equal(open_object(&pack, &sound, &diag), LC_OK);
    assert_int_equal(open_object(&other, &sound, &diag), LC_ERR_CHECKSUM);
    assert_int_equal(open_object(&pack, &other, &diag), LC_ERR_FORMAT);
    says(diag.text, "object is not an adapter");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        blob bad = blob_of(sound.data, sound.bytes);
        store(&bad, cases[i].at, cases[i].value, cases[i].bytes);
        lc_err err = open_object(&pack, &bad, &diag);
        says(err == LC_OK ? "" : diag.text, cases[i].wanted);
        assert_int_equal(err, cases[i].err);
        free(bad.data);
    }
    for (size_t bytes = 0; bytes < sound.bytes; bytes += bytes < 512 ? 1 : 61) {
        blob cut = blob_of(sound.data, bytes);
        assert_int_not_equal(open_object(&pack, &cut, &diag), LC_OK);
        free(cut.data);
    }
    free(pack.data);
    free(other.data);
    free(sound.data);
    unload_adapter(&f);
}

/* A NaN where an F32 object keeps its numbers is found by the first text that meets it. */
static void a_nan_inside_stops_the_run(void **state)
{
    static float out[OUT_MAX];
    (void)state;
    adapter_file f = load_adapter("causal-qv", false);
    blob ids = read_file(DIR "%s.tokens.u32", "tiny-causal");
    bench b = {.adapters = 1, .pack = pack_of("tiny-causal", LC_PACK_F32, NULL)};
    blob object = object_of(&b.pack, &f.lora, NULL);
    store(&object, LC_ROUND_UP(48u + 4 * 32, 64u), 0x7fc00000u, 4);
    bench_open(&b, &object, "ref", 1, 0);
    lc_net_adapt(b.net, &b.adapter[0]);
    rows r = {&b, out};
    const uint32_t *id = (const uint32_t *)(const void *)ids.data;
    assert_int_equal(lc_net_run(b.net, id, TOKENS, take_row, &r), LC_ERR_NUMBER);
    answer(&b, NULL, &ids, out); /* the base is none the worse */
    bench_close(&b);
    free(object.data);
    free(b.pack.data);
    free(ids.data);
    unload_adapter(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float_path_agrees_with_float64),
        cmocka_unit_test(levels_threads_and_chunks_give_the_same_bits),
        cmocka_unit_test(four_bits_stay_near_merging),
        cmocka_unit_test(peft_and_gguf_are_the_same_object),
        cmocka_unit_test(adapters_switch_between_texts),
        cmocka_unit_test(scales_of_the_user),
        cmocka_unit_test(damaged_gguf_is_refused_by_name),
        cmocka_unit_test(damaged_peft_is_refused_by_name),
        cmocka_unit_test(damaged_objects_are_refused_by_place),
        cmocka_unit_test(a_nan_inside_stops_the_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
