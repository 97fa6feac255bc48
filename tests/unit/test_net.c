/* The network against an independent float64 forward pass (models/golden/make.py), and against
 * itself: chunks, threads and levels must not change a bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/linux/cpu.h"
#include "../../tools/session.h"
#include "net_make.h"

/* Runs a golden model; out has room for OUT_MAX floats. Peaks must equal what measuring says. */
typedef struct run {
    const lc_kernels *kernels;
    uint32_t threads, batch, ctx, kv;
    uint32_t joins; /* told */
} run;

typedef struct logits_sink {
    lc_net *net;
    float *out;
    uint32_t vocab, width;
} logits_sink;

static lc_err take_logits(void *ctx, uint32_t position, uint32_t n, const float *hidden)
{
    logits_sink *s = ctx;
    for (uint32_t t = 0; t < n; t++) {
        lc_err err = lc_net_logits(s->net, hidden + (size_t)t * s->width,
                                   s->out + (size_t)(position + t) * s->vocab);
        if (err != LC_OK) {
            return err;
        }
    }
    return LC_OK;
}

/* Only the last token's state wanted: the sink sees that one, with the bits of the whole run. */
static void last_alone_is_the_same(const golden *g, lc_net *net, logits_sink *sink)
{
    float *all = sink->out;
    size_t last = (size_t)(g->tokens - 1) * sink->vocab;
    sink->out = calloc(last + sink->vocab, sizeof(float));
    lc_net_reset(net);
    assert_int_equal(lc_net_run_last(net, g->ids, g->tokens, take_logits, sink), LC_OK);
    assert_memory_equal(sink->out + last, all + last, sink->vocab * sizeof(float));
    for (size_t i = 0; i < last; i++) {
        assert_true(sink->out[i] == 0.0f);
    }
    free(sink->out);
    sink->out = all;
}

static uint32_t run_golden(const golden *g, run *r, float *out)
{
    static lc_pool pool;
    assert_int_equal(lc_pool_open(&pool, r->threads), LC_OK);
    lc_net_options options = {.ctx = r->ctx,
                              .batch = r->batch,
                              .kv = r->kv,
                              .kernels = r->kernels,
                              .tasks = lc_pool_tasks(&pool)};
    lc_model model;
    lc_arena state, scratch;
    lc_net *net = net_of(g, &options, &model, &state, &scratch);
    uint32_t count;
    if (model.info.classes > 0) {
        float pooled[1024];
        assert_int_equal(lc_net_pool(net, g->ids, g->tokens, pooled), LC_OK);
        assert_int_equal(lc_net_classify(net, pooled, out), LC_OK);
        count = model.info.classes;
    } else {
        logits_sink sink = {net, out, model.info.vocab, model.info.width};
        assert_int_equal(lc_net_run(net, g->ids, g->tokens, take_logits, &sink), LC_OK);
        last_alone_is_the_same(g, net, &sink);
        count = g->tokens * model.info.vocab;
    }
    assert_int_equal(scratch.peak, scratch.size);
    assert_int_equal(scratch.used, 0);
    r->joins = lc_net_joins(net);
    lc_pool_close(&pool);
    free(state.base);
    free(scratch.base);
    return count;
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

/* One for each architecture and for what a file may vary within it; eight: how far R8 weights and
 * 8-bit activations may lead away (random weights, so more with each layer). */
static const struct {
    const char *name;
    float eight;
} models[] = {
    {"tiny-causal", 0.1f}, {"tiny-bidi", 0.02f},  {"tiny-qwen2", 0.05f},
    {"tiny-qwen3", 0.1f},  {"tiny-gemma3", 0.2f}, {"tiny-granite", 0.02f},
    {"tiny-lfm2", 0.3f},   {"tiny-gemma2", 0.2f}, {"tiny-yarn", 0.1f},
    {"tiny-bert", 0.05f},  {"tiny-minilm", 0.02f},
    {"tiny-modern-bert", 0.05f}, {"tiny-types", 0.1f},
};

#define MODELS (sizeof models / sizeof models[0])

static void float_path_agrees_with_float64(void **state)
{
    (void)state;
    for (size_t m = 0; m < MODELS; m++) {
        golden g = load(models[m].name, LC_PACK_F32);
        float *out = malloc(OUT_MAX * sizeof(float));
        for (uint32_t level = 0; level < lc_level_count(); level++) {
            const lc_kernels *k = lc_level_at(level);
            if ((k->needs & ~lc_cpu_features()) != 0) {
                continue;
            }
            run r = {.kernels = k, .threads = 1, .ctx = 80};
            assert_int_equal(run_golden(&g, &r, out), g.count);
            float error = largest_error(out, g.expect, g.count);
            print_message("%s %s: largest difference %.2g of the largest value\n", models[m].name,
                          k->name, (double)error);
            assert_true(error < 1e-4f);
        }
        free(out);
        unload(&g);
    }
}

/* tiny-types holds a matrix of each quantised type; its tokens after the sixth are what llama.cpp
 * continued the first six with, greedily. */
static void continues_as_llama_cpp_does(void **state)
{
    (void)state;
    golden g = load("tiny-types", LC_PACK_F32);
    float *out = malloc(OUT_MAX * sizeof(float));
    run r = {.kernels = lc_level_find("ref"), .threads = 1, .ctx = 80};
    uint32_t vocab = run_golden(&g, &r, out) / g.tokens;
    assert_int_equal(g.tokens, 6 + 64);
    for (uint32_t i = 5; i + 1 < g.tokens; i++) {
        assert_int_equal(lc_argmax(out + (size_t)i * vocab, vocab), g.ids[i + 1]);
    }
    free(out);
    unload(&g);
}

static void levels_threads_and_chunks_give_the_same_bits(void **state)
{
    (void)state;
    const struct {
        lc_pack_type type;
        uint32_t kv;
    } kinds[] = {{LC_PACK_Q4, LC_KV_AUTO}, {LC_PACK_T16, LC_KV_I8}, {LC_PACK_Q8, LC_KV_F32},
                 {LC_PACK_F32, LC_KV_AUTO}, {LC_PACK_F32, LC_KV_F16}};
    float *want = malloc(OUT_MAX * sizeof(float));
    float *got = malloc(OUT_MAX * sizeof(float));
    uint32_t joins = 0, runs = 0;
    for (size_t m = 0; m < MODELS; m++) {
        for (size_t t = 0; t < sizeof kinds / sizeof kinds[0]; t++) {
            golden g = load(models[m].name, kinds[t].type);
            run ref = {.kernels = lc_level_find("ref"), .threads = 1, .ctx = 80};
            ref.kv = kinds[t].kv;
            uint32_t count = run_golden(&g, &ref, want);
            for (uint32_t i = 0; i < lc_level_count() * 4; i++) {
                run r = {.kernels = lc_level_at(i / 4),
                         .threads = 1 + i % 4,
                         .batch = i % 4 == 3 ? 7 : 0,
                         .ctx = 80 + i % 4,
                         .kv = kinds[t].kv};
                if ((r.kernels->needs & ~lc_cpu_features()) != 0) {
                    continue;
                }
                assert_int_equal(run_golden(&g, &r, got), count);
                assert_memory_equal(got, want, count * sizeof(float));
                joins += r.joins;
                runs++;
            }
            unload(&g);
        }
    }
    print_message("%u runs equal to ref, %u thread joins\n", runs, joins);
    assert_true(joins > 0);
    free(want);
    free(got);
}

static void eight_bits_stay_near_the_float_path(void **state)
{
    (void)state;
    float *out = malloc(OUT_MAX * sizeof(float));
    for (size_t m = 0; m < MODELS; m++) {
        golden g = load(models[m].name, LC_PACK_Q8);
        run r = {.kernels = lc_level_find("ref"), .threads = 1, .ctx = 80};
        run_golden(&g, &r, out);
        float error = largest_error(out, g.expect, g.count);
        print_message("%s R8: %.3g\n", models[m].name, (double)error);
        assert_true(error < models[m].eight);
        unload(&g);
    }
    free(out);
}

/* Keys and values in 16 or 8 bits move results little, and not at all where AUTO keeps floats. */
static void narrow_caches_stay_near_floats(void **state)
{
    (void)state;
    float *want = malloc(OUT_MAX * sizeof(float)), *got = malloc(OUT_MAX * sizeof(float));
    for (size_t m = 0; m < MODELS; m++) {
        golden g = load(models[m].name, LC_PACK_F32);
        run r = {.kernels = lc_level_find("ref"), .threads = 1, .ctx = 80, .kv = LC_KV_F32};
        uint32_t count = run_golden(&g, &r, want);
        r.kv = LC_KV_AUTO;
        run_golden(&g, &r, got);
        assert_memory_equal(got, want, count * sizeof *got);
        r.kv = LC_KV_F16;
        run_golden(&g, &r, got);
        float half = largest_error(got, want, count);
        r.kv = LC_KV_I8;
        run_golden(&g, &r, got);
        float eight = largest_error(got, want, count);
        print_message("%s: f16 %.2g, i8 %.2g\n", models[m].name, (double)half, (double)eight);
        assert_true(half > 0.0f && half < 0.01f);
        assert_true(eight > half && eight < 0.15f);
        unload(&g);
    }
    free(want);
    free(got);
}

static void auto_is_narrow_only_for_narrow_causal_packs(void **state)
{
    (void)state;
    const struct {
        const char *name;
        lc_pack_type type;
        uint32_t kv;
    } cases[] = {{"tiny-causal", LC_PACK_Q4, LC_KV_F16},  {"tiny-causal", LC_PACK_T16, LC_KV_F16},
                 {"tiny-causal", LC_PACK_Q8, LC_KV_F16},  {"tiny-causal", LC_PACK_F32, LC_KV_F32},
                 {"tiny-gemma3", LC_PACK_F32, LC_KV_F32}, {"tiny-bidi", LC_PACK_Q4, LC_KV_F32}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        golden g = load(cases[i].name, cases[i].type);
        lc_arena st;
        lc_model model;
        lc_arena_measure(&st);
        assert_int_equal(lc_model_open(g.leaf, g.bytes, &st, &model, NULL), LC_OK);
        assert_int_equal(lc_net_kv(&model, LC_KV_AUTO), cases[i].kv);
        assert_int_equal(lc_net_kv(&model, LC_KV_I8), LC_KV_I8);
        size_t floats = lc_net_kv_bytes(&model, LC_KV_F32, 64);
        assert_true(lc_net_kv_bytes(&model, LC_KV_F16, 64) < floats * 11 / 20);
        assert_true(lc_net_kv_bytes(&model, LC_KV_I8, 64) < floats * 9 / 20);
        unload(&g);
    }
}

/* A pack that an earlier version wrote is opened as ever, and answers as ever. */
static void the_first_format_is_still_read(void **state)
{
    (void)state;
    golden now = load("tiny-bidi", LC_PACK_Q4);
    golden old = now;
    run r = {.kernels = lc_level_find("ref"), .threads = 1, .ctx = 80};
    float want[4], got[4];
    old.leaf = aligned_alloc(64, 1 << 17);
    old.bytes = net_file("tests/golden/format-1/tiny-bidi.leaf", old.leaf, 1 << 17);
    assert_int_equal(run_golden(&now, &r, want), 3);
    assert_int_equal(run_golden(&old, &r, got), 3);
    assert_memory_equal(got, want, 3 * sizeof(float));
    free(old.leaf);
    unload(&now);
}

static void a_full_context_is_refused_and_nothing_lost(void **state)
{
    (void)state;
    golden g = load("tiny-causal", LC_PACK_Q4);
    lc_net_options options = {.ctx = 16, .kernels = lc_level_find("ref")};
    lc_model model;
    lc_arena st, scratch;
    lc_net *net = net_of(&g, &options, &model, &st, &scratch);
    assert_int_equal(lc_net_run(net, g.ids, 10, NULL, NULL), LC_OK);
    assert_int_equal(lc_net_run(net, g.ids, 7, NULL, NULL), LC_ERR_LIMIT);
    assert_int_equal(lc_net_position(net), 10);
    assert_int_equal(lc_net_run(net, g.ids, 6, NULL, NULL), LC_OK);
    assert_int_equal(lc_net_run(net, g.ids, 1, NULL, NULL), LC_ERR_LIMIT);
    free(st.base);
    free(scratch.base);
    unload(&g);
}

static void a_cancelled_run_stops_between_layers(void **state)
{
    (void)state;
    golden g = load("tiny-bidi", LC_PACK_Q4);
    volatile bool cancel = true;
    lc_net_options options = {.ctx = 80, .kernels = lc_level_find("ref"), .cancel = &cancel};
    lc_model model;
    lc_arena st, scratch;
    float pooled[1024];
    lc_net *net = net_of(&g, &options, &model, &st, &scratch);
    assert_int_equal(lc_net_pool(net, g.ids, g.tokens, pooled), LC_ERR_CANCELLED);
    cancel = false;
    assert_int_equal(lc_net_pool(net, g.ids, g.tokens, pooled), LC_OK);
    assert_int_equal(scratch.used, 0);
    free(st.base);
    free(scratch.base);
    unload(&g);
}

/* Every push refused in turn: a clean error each time, success with the planned bytes. */
static void every_refused_push_is_a_clean_error(void **state)
{
    (void)state;
    golden g = load("tiny-causal", LC_PACK_Q4);
    lc_net_options options = {.ctx = 32, .kernels = lc_level_find("ref")};
    static _Alignas(64) uint8_t memory[1 << 20];
    static _Alignas(64) uint8_t scratch_memory[1 << 20];
    uint32_t refused = 0;
    for (size_t bytes = 0; bytes < sizeof memory; bytes += 64) {
        lc_model model;
        lc_arena st, scratch;
        lc_net *net;
        lc_diag diag = {0};
        lc_arena_init(&st, memory, bytes);
        lc_arena_init(&scratch, scratch_memory, sizeof scratch_memory);
        lc_err err = lc_model_open(g.leaf, g.bytes, &st, &model, &diag);
        if (err == LC_OK) {
            err = lc_net_init(&model, &options, &st, &scratch, &net, &diag);
        }
        if (err == LC_OK) {
            break;
        }
        assert_int_equal(err, LC_ERR_ARENA);
        refused++;
    }
    assert_true(refused > 4);
    assert_true(refused < sizeof memory / 64);
    unload(&g);
}

/* The largest sizes that a pack may name: more than 32 bits count, and refused there. */
static void tables_beyond_the_addresses_are_refused(void **state)
{
    (void)state;
    const lc_model model = {.arch = lc_arch_by_id(1),
                            .info = {.arch = 1,
                                     .layers = 1,
                                     .width = LC_WIDTH_MAX,
                                     .heads = LC_HEADS_MAX,
                                     .kv_heads = LC_HEADS_MAX,
                                     .head_dim = LC_HEAD_DIM_MAX,
                                     .ffn = LC_WIDTH_MAX,
                                     .vocab = 1,
                                     .ctx = LC_CTX_MAX,
                                     .rope_dims = LC_HEAD_DIM_MAX,
                                     .causal = true}};
    const lc_net_options options = {.kernels = lc_level_at(0), .ctx = LC_CTX_MAX};
    lc_arena st, scratch;
    lc_net *net;
    lc_diag diag = {0};
    lc_arena_measure(&st);
    lc_arena_measure(&scratch);
    lc_err err = lc_net_init(&model, &options, &st, &scratch, &net, &diag);
    assert_int_equal(err, sizeof(size_t) > 4 ? LC_OK : LC_ERR_LIMIT);
    assert_true(err != LC_OK || st.used > (uint64_t)LC_CTX_MAX * LC_HEADS_MAX * LC_HEAD_DIM_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_beyond_the_addresses_are_refused),
        cmocka_unit_test(float_path_agrees_with_float64),
        cmocka_unit_test(continues_as_llama_cpp_does),
        cmocka_unit_test(levels_threads_and_chunks_give_the_same_bits),
        cmocka_unit_test(eight_bits_stay_near_the_float_path),
        cmocka_unit_test(narrow_caches_stay_near_floats),
        cmocka_unit_test(auto_is_narrow_only_for_narrow_causal_packs),
        cmocka_unit_test(the_first_format_is_still_read),
        cmocka_unit_test(a_full_context_is_refused_and_nothing_lost),
        cmocka_unit_test(a_cancelled_run_stops_between_layers),
        cmocka_unit_test(every_refused_push_is_a_clean_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
