#include "net_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

size_t net_file(const char *path, void *out, size_t max)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fail_msg("%s: cannot open", path);
    }
    size_t n = fread(out, 1, max, f);
    fclose(f);
    return n;
}

golden load(const char *name, lc_pack_type type)
{
    static uint8_t file[1 << 20];
    char path[256];
    golden g = {0};
    snprintf(path, sizeof path, DIR "%s.gguf", name);
    size_t bytes = net_file(path, file, sizeof file);
    lc_gguf gguf;
    lc_diag diag = {0};
    lc_pack_options options = {.type = type, .threads = 1};
    lc_buf out = {0};
    assert_int_equal(lc_gguf_open(file, bytes, &gguf, &diag), LC_OK);
    assert_int_equal(lc_pack_gguf(&gguf, &options, &out, NULL, &diag), LC_OK);
    lc_gguf_close(&gguf);
    g.bytes = out.bytes;
    g.leaf = aligned_alloc(64, LC_ROUND_UP(out.bytes, 64));
    memcpy(g.leaf, out.data, out.bytes);
    lc_buf_free(&out);
    snprintf(path, sizeof path, DIR "%s.tokens.u32", name);
    g.tokens = (uint32_t)(net_file(path, g.ids, sizeof g.ids) / 4);
    g.expect = malloc(OUT_MAX * sizeof(float));
    snprintf(path, sizeof path, DIR "%s.expect.f32", name);
    g.count = (uint32_t)(net_file(path, g.expect, OUT_MAX * sizeof(float)) / 4);
    return g;
}

void unload(golden *g)
{
    free(g->leaf);
    free(g->expect);
}

lc_net *net_of(const golden *g, const lc_net_options *options, lc_model *model, lc_arena *state,
               lc_arena *scratch)
{
    lc_diag diag = {0};
    lc_net *net;
    lc_arena plan_state, plan_scratch;
    lc_arena_measure(&plan_state);
    lc_arena_measure(&plan_scratch);
    assert_int_equal(lc_model_open(g->leaf, g->bytes, &plan_state, model, &diag), LC_OK);
    assert_int_equal(lc_net_init(model, options, &plan_state, &plan_scratch, &net, &diag), LC_OK);
    lc_arena_init(state, aligned_alloc(64, plan_state.peak), plan_state.peak);
    lc_arena_init(scratch, aligned_alloc(64, plan_scratch.peak), plan_scratch.peak);
    assert_int_equal(lc_model_open(g->leaf, g->bytes, state, model, &diag), LC_OK);
    assert_int_equal(lc_net_init(model, options, state, scratch, &net, &diag), LC_OK);
    assert_int_equal(state->peak, plan_state.peak);
    return net;
}

lc_err take_states(void *ctx, uint32_t position, uint32_t n, const float *hidden)
{
    states *s = ctx;
    (void)position;
    memcpy(s->out, hidden, (size_t)n * s->width * sizeof *hidden);
    s->n = n;
    return LC_OK;
}

void stand_up(stand *s, const char *name, lc_pack_type type, lc_net_options options,
              uint32_t threads)
{
    s->g = load(name, type);
    assert_int_equal(lc_pool_open(&s->pool, threads), LC_OK);
    options.tasks = lc_pool_tasks(&s->pool);
    s->net = net_of(&s->g, &options, &s->model, &s->state, &s->scratch);
}

void stand_down(stand *s)
{
    lc_pool_close(&s->pool);
    free(s->state.base);
    free(s->scratch.base);
    unload(&s->g);
}
