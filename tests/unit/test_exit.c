/* Early exit: an adapter whose head reads an earlier layer gives, bit for bit, what a model that
 * ends there would give, and costs no more layers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/linux/cpu.h"
#include "../../board/linux/leaf_write.h"
#include "net_make.h"

#define CLASSES 3u
#define WIDTH_MAX 256u

/* An adapter that is a head only, behind `layers`: an object as FORMAT.md says. 64-byte aligned. */
static uint8_t *head_make(const lc_model *model, uint32_t layers, uint32_t classes, size_t *bytes)
{
    lc_leaf_writer w;
    lc_buf out = {0};
    lc_leaf_writer_init(&w, LC_LEAF_ADAPTER, LC_LEAF_ALIGN_MIN);
    lc_buf *b = lc_leaf_writer_section(&w, LC_SECTION_ADAPTER, 0);
    lc_buf_put_u32(b, 2);
    lc_buf_put_u32(b, classes);
    lc_buf_put(b, model->leaf.root, 32);
    lc_buf_put_u32(b, 0);
    lc_buf_put_u32(b, 0);
    lc_buf_put_u32(b, layers);
    (void)lc_buf_zeros(b, LC_READ_AHEAD);
    b = classes > 0 ? lc_leaf_writer_section(&w, LC_SECTION_CLASSES, 0) : NULL;
    if (b != NULL) {
        lc_buf_put_u32(b, classes);
        for (uint32_t i = 0; i < classes; i++) {
            lc_buf_put_str(b, &"abc"[i], 1);
        }
        lc_buf_pad(b, 64);
        for (uint32_t i = 0; i < classes * model->info.width; i++) {
            lc_buf_put_f32(b, (float)(i * 29 % 31) / 16.0f - 1.0f);
        }
        lc_buf_pad(b, 64);
        (void)lc_buf_zeros(b, classes * sizeof(float) + LC_READ_AHEAD);
    }
    assert_int_equal(lc_leaf_writer_finish(&w, &out), LC_OK);
    lc_leaf_writer_free(&w);
    uint8_t *object = aligned_alloc(64, LC_ROUND_UP(out.bytes + LC_READ_AHEAD, 64));
    memset(object + out.bytes, 0, LC_READ_AHEAD);
    memcpy(object, out.data, out.bytes);
    *bytes = out.bytes;
    lc_buf_free(&out);
    return object;
}

/* *at: the arena to free; NULL: measured only. */
static lc_err open_head(const lc_model *model, const uint8_t *object, size_t bytes,
                        lc_adapter *adapter, void **at, lc_diag *diag)
{
    lc_arena arena;
    lc_arena_measure(&arena);
    lc_err err = lc_adapter_open(object, bytes, model, &arena, adapter, diag);
    if (err == LC_OK && at != NULL) {
        size_t need = LC_ROUND_UP(arena.peak, 64);
        *at = aligned_alloc(64, need);
        lc_arena_init(&arena, *at, need);
        err = lc_adapter_open(object, bytes, model, &arena, adapter, diag);
    }
    return err;
}

static void count_layer(void *ctx, uint32_t layer, uint32_t position, uint32_t n, const float *x)
{
    (void)position;
    (void)n;
    (void)x;
    uint32_t *seen = ctx;
    *seen = layer + 1;
}

static void classes_of(lc_net *net, const golden *g, float *pooled, float *out)
{
    assert_int_equal(lc_net_pool(net, g->ids, g->tokens < 24 ? g->tokens : 24, pooled), LC_OK);
    assert_int_equal(lc_net_classify(net, pooled, out), LC_OK);
}

/* The same file, said to have fewer layers. */
static void compare(stand *s, const lc_net_options *options, const lc_adapter *adapter,
                    uint32_t *seen)
{
    float pooled[2][WIDTH_MAX] = {{0}}, out[2][CLASSES];
    uint32_t width = s->model.info.width;
    lc_net *short_net;
    lc_model cut = s->model;
    lc_arena state, scratch;
    cut.info.layers = adapter->layers;
    lc_arena_measure(&state);
    lc_arena_measure(&scratch);
    assert_int_equal(lc_net_init(&cut, options, &state, &scratch, &short_net, NULL), LC_OK);
    lc_arena_init(&state, aligned_alloc(64, state.peak), state.peak);
    lc_arena_init(&scratch, aligned_alloc(64, scratch.peak), scratch.peak);
    assert_int_equal(lc_net_init(&cut, options, &state, &scratch, &short_net, NULL), LC_OK);
    lc_net_adapt(short_net, adapter);
    classes_of(short_net, &s->g, pooled[0], out[0]);
    lc_net_adapt(s->net, adapter);
    *seen = 0;
    classes_of(s->net, &s->g, pooled[1], out[1]);
    assert_true(*seen == 0 || *seen == adapter->layers);
    assert_memory_equal(pooled[0], pooled[1], width * sizeof(float));
    assert_memory_equal(out[0], out[1], sizeof out[0]);
    free(state.base);
    free(scratch.base);
}

static void exits(const char *name, lc_pack_type type, const char *level, uint32_t threads,
                  bool probed)
{
    stand s;
    uint32_t seen = 0;
    float whole[WIDTH_MAX], again[WIDTH_MAX], early[WIDTH_MAX];
    lc_net_options options = {.ctx = 40, .kernels = lc_level_find(level)};
    options.probe = probed ? count_layer : NULL;
    options.probe_ctx = &seen;
    stand_up(&s, name, type, options, threads);
    options.tasks = lc_pool_tasks(&s.pool);
    uint32_t n = s.g.tokens < 24 ? s.g.tokens : 24, width = s.model.info.width;
    assert_int_equal(lc_net_pool(s.net, s.g.ids, n, whole), LC_OK);
    for (uint32_t layers = 1; layers < s.model.info.layers; layers++) {
        size_t bytes;
        lc_adapter adapter;
        void *at = NULL;
        uint8_t *object = head_make(&s.model, layers, CLASSES, &bytes);
        assert_int_equal(open_head(&s.model, object, bytes, &adapter, &at, NULL), LC_OK);
        assert_int_equal(adapter.layers, layers);
        compare(&s, &options, &adapter, &seen);
        assert_int_equal(lc_net_pool(s.net, s.g.ids, n, early), LC_OK);
        assert_memory_not_equal(early, whole, width * sizeof(float));
        lc_net_adapt(s.net, NULL); /* the whole model is none the worse */
        assert_int_equal(lc_net_pool(s.net, s.g.ids, n, again), LC_OK);
        assert_memory_equal(again, whole, width * sizeof(float));
        assert_true(!probed || seen == s.model.info.layers);
        free(at);
        free(object);
    }
    stand_down(&s);
}

static void an_early_exit_is_a_shorter_model(void **state)
{
    (void)state;
    static const char *const models[] = {"tiny-causal", "tiny-bidi", "tiny-lfm2", "tiny-gemma3"};
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        exits(models[m], LC_PACK_F32, "ref", 1, false);
        exits(models[m], LC_PACK_Q4, "ref", 2, true);
        for (uint32_t i = 0; i < lc_level_count(); i++) {
            const lc_kernels *k = lc_level_at(i);
            if ((k->needs & ~lc_cpu_features()) == 0) {
                exits(models[m], LC_PACK_Q4, k->name, 1, false);
            }
        }
    }
}

static void wrong_exits_are_refused_by_place(void **state)
{
    (void)state;
    stand s;
    lc_diag diag;
    lc_adapter adapter;
    stand_up(&s, "tiny-causal", LC_PACK_Q4,
             (lc_net_options){.ctx = 40, .kernels = lc_level_find("ref")}, 1);
    const struct {
        uint32_t layers, classes;
        const char *wanted;
    } cases[] = {
        {0, CLASSES, "early exit without layers or head"},
        {1, 0, "early exit without layers or head"},
        {s.model.info.layers, CLASSES, "early exit at the last layer or behind it"},
        {UINT32_MAX, CLASSES, "early exit at the last layer or behind it"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t bytes;
        uint8_t *object = head_make(&s.model, cases[i].layers, cases[i].classes, &bytes);
        assert_int_equal(open_head(&s.model, object, bytes, &adapter, NULL, &diag), LC_ERR_FORMAT);
        if (strstr(diag.text, cases[i].wanted) == NULL) {
            fail_msg("%s", diag.text);
        }
        free(object);
    }
    stand_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_early_exit_is_a_shorter_model),
        cmocka_unit_test(wrong_exits_are_refused_by_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
