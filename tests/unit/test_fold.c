/* Folding of wide columns: golden models are given outlier channels, then packed folded and not.
 * The float results keep every bit; what rounding loses is measured. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/linux/cpu.h"
#include "../../board/linux/memory.h"
#include "../../board/linux/tasks.h"
#include "../../runtime/net.h"
#include "../../tools/pack/lora_pack.h"
#include "../../tools/pack/pack.h"

#define TOKENS 24
#define OUT_MAX (TOKENS * 1024)
#define MOST (1u << 20)

/* ---- a model with outliers ---- */

static size_t read_file(const char *format, const char *name, uint8_t *to)
{
    char path[256];
    snprintf(path, sizeof path, format, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fail_msg("%s: cannot open", path);
    }
    size_t n = fread(to, 1, MOST, f);
    fclose(f);
    assert_true(n > 0 && n < MOST);
    return n;
}

static const lc_gguf_tensor *tensor_of(const lc_gguf *g, uint32_t layer, const char *part)
{
    char name[64];
    snprintf(name, sizeof name, "blk.%u.%s.weight", layer, part);
    return lc_gguf_tensor_find(g, name);
}

/* Multiplies `times` weights, `step` apart, by 2^e, in the file's own memory. */
static void scale(const lc_gguf_tensor *t, uint64_t at, uint64_t step, uint64_t times, int e)
{
    for (uint64_t i = 0; i < times; i++) {
        uint8_t *p = (uint8_t *)(uintptr_t)t->data + (at + i * step) * (t->type == 1 ? 2 : 4);
        if (t->type == 1) {
            uint16_t half;
            memcpy(&half, p, sizeof half);
            int exponent = half >> 10 & 31;
            if (exponent > 0 && exponent + e > 0 && exponent + e < 31) {
                half = (uint16_t)(half + e * 1024);
            }
            memcpy(p, &half, sizeof half);
        } else {
            float f;
            memcpy(&f, p, sizeof f);
            f = ldexpf(f, e);
            memcpy(p, &f, sizeof f);
        }
    }
}

static void widen(const lc_gguf *g, uint32_t layer, const char *part, uint64_t col, int e)
{
    const lc_gguf_tensor *t = tensor_of(g, layer, part);
    if (t) {
        scale(t, col, t->ne[0], t->ne[1], e);
    }
}

/* Channel `col` of a norm: wide columns in its readers, and a small gain that makes up for it. */
static void outlier(const lc_gguf *g, uint32_t layer, uint64_t col, int e)
{
    static const char *const readers[] = {"attn_q", "attn_k", "attn_v", "attn_qkv"};
    for (uint32_t i = 0; i < 4; i++) {
        widen(g, layer, readers[i], col, e);
    }
    widen(g, layer, "ffn_gate", col + 1, e);
    widen(g, layer, "ffn_up", col + 1, e);
    if (tensor_of(g, layer, "attn_norm")) {
        scale(tensor_of(g, layer, "attn_norm"), col, 1, 1, -e);
    }
    if (tensor_of(g, layer, "ffn_norm")) {
        scale(tensor_of(g, layer, "ffn_norm"), col + 1, 1, 1, -e);
    }
}

/* Wide columns of o and down, with small rows of v and up. Heads of v: one after another. */
static void outlier_inside(const lc_gguf *g, uint32_t layer, uint64_t head_dim, uint64_t per_head,
                           int e)
{
    const lc_gguf_tensor *v = tensor_of(g, layer, "attn_v"), *up = tensor_of(g, layer, "ffn_up");
    if (!v || !up) { /* one tensor holds several */
        widen(g, layer, "attn_output", 3, e);
        widen(g, layer, "ffn_down", 5, e);
        return;
    }
    for (uint64_t h = 0; h < per_head; h++) {
        widen(g, layer, "attn_output", h * head_dim + 3, e);
    }
    scale(v, 3 * v->ne[0], 1, v->ne[0], -e);
    widen(g, layer, "ffn_down", 5, e);
    scale(up, 5 * up->ne[0], 1, up->ne[0], -e);
}

typedef struct sample {
    const char *name;
    uint32_t layers, head_dim, per_head;
    bool exact; /* F32: outliers leave the model as it is */
} sample;

static const sample SAMPLES[] = {
    {"tiny-causal", 3, 10, 3, true},   {"tiny-bidi", 2, 12, 1, true},
    {"tiny-qwen2", 2, 10, 2, false},   {"tiny-gemma3", 2, 16, 4, false},
    {"tiny-granite", 2, 10, 2, false}, {"tiny-bert", 2, 12, 1, false},
    {"tiny-lfm2", 2, 10, 2, false},    {"tiny-modern-bert", 2, 12, 1, false},
};

/* Outliers of 32 to 512 in every layer. */
static void mangle(const lc_gguf *g, const sample *s)
{
    for (uint32_t layer = 0; layer < s->layers; layer++) {
        for (int i = 0; i < 3; i++) {
            outlier(g, layer, 2 + 9 * (uint64_t)i, 5 + 2 * i);
        }
        outlier_inside(g, layer, s->head_dim, s->per_head, 8);
    }
}

/* ---- packing ---- */

typedef struct packed {
    uint8_t *data; /* 64-byte aligned, LC_READ_AHEAD behind it */
    size_t bytes;
    lc_pack_loss loss;
    uint32_t folded, wide;
} packed;

static packed pack(const sample *s, bool outliers, const lc_pack_options *options)
{
    static uint8_t file[MOST];
    lc_diag diag = {0};
    lc_gguf g;
    lc_buf leaf = {0};
    lc_pack_report report;
    size_t bytes = read_file("models/golden/%s.gguf", s->name, file);
    assert_int_equal(lc_gguf_open(file, bytes, &g, &diag), LC_OK);
    if (outliers) {
        mangle(&g, s);
    }
    if (lc_pack_gguf(&g, options, &leaf, &report, &diag) != LC_OK) {
        fail_msg("%s: %s", s->name, diag.text);
    }
    packed p = {.bytes = leaf.bytes, .loss = report.loss};
    p.data = aligned_alloc(64, LC_ROUND_UP(leaf.bytes + LC_READ_AHEAD, 64));
    memcpy(p.data, leaf.data, leaf.bytes);
    memset(p.data + leaf.bytes, 0, LC_READ_AHEAD);
    for (uint32_t i = 0; i < report.tensor_count; i++) {
        p.folded += report.tensor[i].folded;
        p.wide += report.tensor[i].wide_rows;
    }
    lc_pack_report_free(&report);
    lc_buf_free(&leaf);
    lc_gguf_close(&g);
    return p;
}

/* ---- running ---- */

typedef struct running {
    const packed *p;
    lc_tasks tasks;
    lc_model model;
    lc_net *net;
    float *out;
} running;

static lc_err lay_out(void *ctx, lc_arenas *arenas, lc_diag *diag)
{
    running *r = ctx;
    lc_err err = lc_model_open(r->p->data, r->p->bytes, &arenas->state, &r->model, diag);
    lc_net_options options = {.ctx = TOKENS,
                              .batch = TOKENS,
                              .kv = LC_KV_F32,
                              .kernels = lc_level_best(lc_cpu_features()),
                              .tasks = r->tasks};
    return err ? err
               : lc_net_init(&r->model, &options, &arenas->state, &arenas->scratch, &r->net, diag);
}

static lc_err take_states(void *ctx, uint32_t position, uint32_t n, const float *hidden)
{
    running *r = ctx;
    uint32_t width = r->model.info.width;
    memcpy(r->out + (size_t)position * width, hidden, (size_t)n * width * sizeof *hidden);
    return LC_OK;
}

/* States of all tokens, or the pooled one of an encoder. */
static uint32_t run(const packed *p, const uint32_t *ids, float *out)
{
    lc_pool pool;
    lc_memory memory;
    lc_diag diag = {0};
    assert_int_equal(lc_pool_open(&pool, 1), LC_OK);
    running r = {.p = p, .tasks = lc_pool_tasks(&pool), .out = out};
    assert_int_equal(lc_memory_open(&memory, lay_out, &r, &diag), LC_OK);
    uint32_t width = r.model.info.width, count = width;
    if (r.model.info.causal) {
        assert_int_equal(lc_net_run(r.net, ids, TOKENS, take_states, &r), LC_OK);
        count = TOKENS * width;
    } else {
        assert_int_equal(lc_net_pool(r.net, ids, TOKENS, out), LC_OK);
    }
    lc_memory_close(&memory);
    lc_pool_close(&pool);
    return count;
}

static void ids_of(const sample *s, uint32_t ids[TOKENS])
{
    static uint8_t file[MOST];
    assert_true(read_file("models/golden/%s.tokens.u32", s->name, file) >= TOKENS * 4);
    memcpy(ids, file, TOKENS * 4);
}

/* ---- tests ---- */

static void float_results_keep_their_bits(void **state)
{
    (void)state;
    static float out[3][OUT_MAX];
    for (size_t i = 0; i < sizeof SAMPLES / sizeof SAMPLES[0]; i++) {
        const sample *s = &SAMPLES[i];
        uint32_t ids[TOKENS];
        ids_of(s, ids);
        lc_pack_options on = {.type = LC_PACK_F32, .fold = LC_PACK_FOLD_ON}, off = on;
        off.fold = LC_PACK_FOLD_OFF;
        packed folded = pack(s, true, &on), plain = pack(s, true, &off);
        packed source = pack(s, false, &off);
        print_message("%s: %u columns folded\n", s->name, folded.folded);
        assert_true(folded.folded > 0 && plain.folded == 0);
        uint32_t n = run(&plain, ids, out[0]);
        assert_int_equal(run(&folded, ids, out[1]), n);
        assert_int_equal(run(&source, ids, out[2]), n);
        assert_memory_equal(out[0], out[1], n * sizeof(float));
        if (s->exact) {
            assert_memory_equal(out[0], out[2], n * sizeof(float));
        }
        free(folded.data);
        free(plain.data);
        free(source.data);
    }
}

/* 1 - cosine, the mean over states, of a pack against the model in F32. */
static double loss_of(const sample *s, bool outliers, lc_pack_fold fold, uint32_t *wide)
{
    static float out[2][OUT_MAX];
    uint32_t ids[TOKENS];
    ids_of(s, ids);
    lc_pack_options q4 = {.type = LC_PACK_Q4, .fold = fold};
    lc_pack_options f32 = {.type = LC_PACK_F32, .fold = LC_PACK_FOLD_OFF};
    packed rounded = pack(s, outliers, &q4), source = pack(s, false, &f32);
    uint32_t n = run(&rounded, ids, out[0]);
    assert_int_equal(run(&source, ids, out[1]), n);
    double xy = 0, xx = 0, yy = 0;
    for (uint32_t i = 0; i < n; i++) {
        xy += (double)out[0][i] * (double)out[1][i];
        xx += (double)out[0][i] * (double)out[0][i];
        yy += (double)out[1][i] * (double)out[1][i];
    }
    *wide = rounded.wide;
    free(rounded.data);
    free(source.data);
    return 1.0 - xy / sqrt(xx * yy);
}

static void outliers_lose_no_more_than_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const sample *s = &SAMPLES[i];
        uint32_t wide[3];
        double clean = loss_of(s, false, LC_PACK_FOLD_OFF, &wide[0]);
        double off = loss_of(s, true, LC_PACK_FOLD_OFF, &wide[1]);
        double on = loss_of(s, true, LC_PACK_FOLD_ON, &wide[2]);
        print_message("%s: 1 - cosine %.5f; with outliers %.5f, folded %.5f; wide rows %u %u %u\n",
                      s->name, clean, off, on, wide[0], wide[1], wide[2]);
        assert_true(on < off / 4 && on < clean * 1.5);
        assert_true(wide[2] < wide[1] / 4);
    }
}

static void a_text_folds_of_itself(void **state)
{
    (void)state;
    static uint8_t text[MOST];
    size_t bytes = read_file("models/triage/%s.txt", "demo", text);
    for (size_t i = 0; i < 2; i++) {
        const sample *s = &SAMPLES[i];
        lc_pack_options options = {.text = (const char *)text, .text_bytes = bytes, .tokens = 600};
        packed on = pack(s, true, &options);
        options.fold = LC_PACK_FOLD_OFF;
        packed off = pack(s, true, &options), clean = pack(s, false, &options);
        print_message("%s: KL %.6f; with outliers %.6f, folded %.6f\n", s->name, clean.loss.kl,
                      off.loss.kl, on.loss.kl);
        assert_true(on.folded > 0 && off.folded == 0);
        assert_true(on.loss.kl < off.loss.kl / 2);
        free(on.data);
        free(off.data);
        free(clean.data);
    }
}

static void without_a_text_only_when_asked(void **state)
{
    (void)state;
    lc_pack_options automatic = {0}, off = {.fold = LC_PACK_FOLD_OFF};
    packed a = pack(&SAMPLES[0], true, &automatic), b = pack(&SAMPLES[0], true, &off);
    assert_int_equal(a.bytes, b.bytes);
    assert_memory_equal(a.data, b.data, a.bytes);
    free(a.data);
    free(b.data);
}

static void adapters_do_not_fit(void **state)
{
    (void)state;
    lc_pool pool;
    lc_memory memory;
    lc_diag diag = {0};
    lc_buf out = {0};
    lc_pack_options on = {.fold = LC_PACK_FOLD_ON};
    lc_lora_file none = {.name = "an adapter"};
    packed p = pack(&SAMPLES[0], true, &on);
    assert_int_equal(lc_pool_open(&pool, 1), LC_OK);
    running r = {.p = &p, .tasks = lc_pool_tasks(&pool)};
    assert_int_equal(lc_memory_open(&memory, lay_out, &r, &diag), LC_OK);
    assert_int_equal(lc_lora_pack(&none, &r.model, NULL, 0, &out, NULL, &diag), LC_ERR_UNSUPPORTED);
    assert_non_null(strstr(diag.text, "--fold off"));
    lc_memory_close(&memory);
    lc_pool_close(&pool);
    free(p.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float_results_keep_their_bits),
        cmocka_unit_test(outliers_lose_no_more_than_none),
        cmocka_unit_test(a_text_folds_of_itself),
        cmocka_unit_test(without_a_text_only_when_asked),
        cmocka_unit_test(adapters_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
