/* kl.c - what quantisation loses: a model in F32 against llama.cpp's Q4_0 with 8-bit activations
 * and against packs, on the same tensors and the same lines.
 *
 *   kl MODEL.gguf EVAL.txt [--like Q4_0.gguf] [--lines N] TEXT[:TOKENS] ...
 *
 * Each TEXT calibrates packs of T16A and T16, with TOKENS of it; `-` is a pack without calibration.
 * Prints one row a variant: mean KL of next tokens, or of labels, and mean 1 - cosine of pooled
 * vectors.
 *
 * Q4_0 is emulated, exactly up to the order of float sums: weights are rounded as ggml's
 * quantize_row_q4_0_ref does and put back as F32, activations of those matrices go through q8_0 (32
 * values, FP16 scale) before each product. --like: only tensors that this file holds as Q4_0 count,
 * the others stay F32 in every variant. Embedding and output stay F32 in the rows "linears", in the
 * rows "whole" they are Q4_0 there and R8 here.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../board/linux/cpu.h"
#include "../../board/linux/map.h"
#include "../../runtime/net.h"
#include "../../tools/pack/pack.h"

#define CTX_MAX 256u
#define MATS_MAX 4096u

static void die(const char *what, const lc_diag *diag)
{
    fprintf(stderr, "kl: %s: %s\n", what, diag && diag->text ? diag->text : "");
    exit(1);
}

static void *room(size_t bytes)
{
    void *memory = aligned_alloc(64, LC_ROUND_UP(bytes + 64, 64));
    if (!memory) {
        die("out of memory", NULL);
    }
    return memory;
}

/* ---- Q4_0 and q8_0 ---- */

static float half_round(float f)
{
    if (f == 0.0f || fabsf(f) >= 65520.0f) {
        return f;
    }
    int exponent;
    (void)frexpf(f, &exponent);
    exponent = exponent < -13 ? -13 : exponent; /* subnormal halves */
    float unit = ldexpf(1.0f, exponent - 11);
    return rintf(f / unit) * unit;
}

static void q4_0_round(float *w)
{
    float most = 0.0f, signed_most = 0.0f;
    for (uint32_t k = 0; k < 32; k++) {
        if (fabsf(w[k]) > most) {
            most = fabsf(w[k]);
            signed_most = w[k];
        }
    }
    float d = signed_most / -8.0f, id = d != 0.0f ? 1.0f / d : 0.0f;
    float scale = half_round(d);
    for (uint32_t k = 0; k < 32; k++) {
        int q = (int)(w[k] * id + 8.5f);
        w[k] = (float)((q > 15 ? 15 : q) - 8) * scale;
    }
}

static void q8_0_round(const float *x, float *out)
{
    float most = 0.0f;
    for (uint32_t k = 0; k < 32; k++) {
        most = fabsf(x[k]) > most ? fabsf(x[k]) : most;
    }
    float d = most / 127.0f, id = d != 0.0f ? 1.0f / d : 0.0f;
    float scale = half_round(d);
    for (uint32_t k = 0; k < 32; k++) {
        out[k] = roundf(x[k] * id) * scale;
    }
}

/* Matrices whose inputs go through q8_0. */
static const float *coarse_from[MATS_MAX], *coarse_to[MATS_MAX];
static uint32_t coarse_count;
static const lc_kernels *exact;

static void coarse_gemv(const float *w, uint32_t rows, uint32_t cols, const float *x, float *y)
{
    static float rounded[LC_WIDTH_MAX];
    for (uint32_t i = 0; i < coarse_count; i++) {
        if (w >= coarse_from[i] && w < coarse_to[i]) {
            for (uint32_t k = 0; k < cols; k += 32) {
                q8_0_round(x + k, rounded + k);
            }
            x = rounded;
            break;
        }
    }
    exact->gemv_f32(w, rows, cols, x, y);
}

/* ---- models ---- */

typedef struct variant {
    lc_map file;
    lc_model model;
    lc_net *net;
    lc_kernels kernels;
    lc_arena state, scratch;
} variant;

static lc_map pack(const lc_gguf *g, lc_pack_type type, const lc_map *text, uint32_t tokens)
{
    lc_pack_options options = {.type = type, .threads = 1, .tokens = tokens};
    lc_buf out = {0};
    lc_diag diag = {0};
    lc_map map;
    if (text) {
        options.text = (const char *)text->data;
        options.text_bytes = text->bytes;
    }
    if (lc_pack_gguf(g, &options, &out, NULL, &diag) || lc_map_copy(out.data, out.bytes, &map)) {
        die("pack", &diag);
    }
    lc_buf_free(&out);
    return map;
}

static void open_model(variant *v)
{
    lc_diag diag = {0};
    lc_arena measure;
    lc_arena_measure(&measure);
    if (lc_model_open(v->file.data, v->file.bytes, &measure, &v->model, &diag)) {
        die("open", &diag);
    }
    lc_arena_init(&v->state, room(measure.peak), measure.peak);
    if (lc_model_open(v->file.data, v->file.bytes, &v->state, &v->model, &diag)) {
        die("open", &diag);
    }
    v->kernels = *exact;
}

static void open_net(variant *v)
{
    lc_diag diag = {0};
    uint32_t ctx = v->model.info.ctx < CTX_MAX ? v->model.info.ctx : CTX_MAX;
    lc_net_options options = {.ctx = ctx, .batch = ctx, .kv = LC_KV_F32, .kernels = &v->kernels};
    lc_arena a, b;
    lc_arena_measure(&a);
    lc_arena_measure(&b);
    if (lc_net_init(&v->model, &options, &a, &b, &v->net, &diag)) {
        die("net", &diag);
    }
    lc_arena_init(&v->state, room(a.peak), a.peak);
    lc_arena_init(&v->scratch, room(b.peak), b.peak);
    if (lc_net_init(&v->model, &options, &v->state, &v->scratch, &v->net, &diag)) {
        die("net", &diag);
    }
}

static void make_coarse(const lc_mat *m)
{
    float *w = (float *)(uintptr_t)m->data;
    size_t n = (size_t)m->rows * m->cols;
    if (m->cols % 32 != 0 || coarse_count == MATS_MAX) {
        return;
    }
    for (size_t i = 0; i < n; i += 32) {
        q4_0_round(w + i);
    }
    coarse_from[coarse_count] = w;
    coarse_to[coarse_count++] = w + n;
}

/* The matrices of a layer with their names. */
static const char *const NAMES[7] = {"attn_q",   "attn_k", "attn_v",  "attn_output",
                                     "ffn_gate", "ffn_up", "ffn_down"};
static lc_mat *mat_of(lc_layer *l, uint32_t i)
{
    lc_mat *const mats[7] = {&l->q, &l->k, &l->v, &l->o, &l->gate, &l->up, &l->down};
    return mats[i];
}

/* Whether the matrix is quantised in the file that variants are to be like. */
static bool counts(const lc_gguf *like, uint32_t layer, uint32_t i, uint32_t cols)
{
    char name[64];
    (void)snprintf(name, sizeof name, "blk.%u.%s.weight", layer, NAMES[i]);
    const lc_gguf_tensor *t = like ? lc_gguf_tensor_find(like, name) : NULL;
    return like ? t && strcmp(lc_gguf_type_name(t->type), "Q4_0") == 0 : cols % 32 == 0;
}

/* Makes v a Q4_0 model, or puts F32 back where the other would be F32. */
static void equalise(variant *v, const variant *f32, const lc_gguf *like, bool peer)
{
    for (uint32_t layer = 0; layer < v->model.info.layers; layer++) {
        for (uint32_t i = 0; i < 7; i++) {
            lc_mat *m = mat_of(&v->model.layer[layer], i);
            bool in = m->data && counts(like, layer, i, m->cols);
            if (in && peer) {
                make_coarse(m);
            } else if (!in) {
                *m = *mat_of(&f32->model.layer[layer], i);
            }
        }
    }
}

static void ends_f32(variant *v, const variant *f32)
{
    v->model.embed = f32->model.embed;
    v->model.output = f32->model.output;
    v->model.position = f32->model.position;
}

/* ---- comparing ---- */

typedef struct lines {
    uint32_t count, width;  /* width: values of one vector */
    uint32_t *ids, *start;  /* as tokens */
    float *pooled, *scores; /* of F32: [count][model width], [count][classes] */
    float *logits;          /* of F32: [tokens][vocab] */
} lines;

static void tokenise(const variant *v, const lc_map *text, uint32_t most, lines *l)
{
    lc_arena scratch;
    size_t bytes = 1u << 24;
    lc_arena_init(&scratch, room(bytes), bytes);
    l->ids = room((size_t)most * CTX_MAX * sizeof *l->ids);
    l->start = room((most + 1) * sizeof *l->start);
    l->start[0] = 0;
    const char *at = (const char *)text->data, *end = at + text->bytes;
    while (at < end && l->count < most) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        stop = stop ? stop : end;
        uint32_t n = 0, ctx = lc_net_ctx(v->net);
        bool cut;
        if (stop > at && lc_tok_encode(&v->model.tok, at, (size_t)(stop - at), true, &scratch,
                                       l->ids + l->start[l->count], ctx, &n, &cut)) {
            die("tokens", NULL);
        }
        if (n > 0) {
            l->count++;
            l->start[l->count] = l->start[l->count - 1] + n;
        }
        at = stop + 1;
    }
}

typedef struct reader {
    variant *v;
    const lines *l;
    uint32_t at;   /* first token of the line */
    float *logits; /* NULL: they are l->logits, to be filled */
    double kl;
} reader;

static double divergence(const float *p, const float *q, uint32_t n)
{
    double most_p = (double)p[0], most_q = (double)q[0], sum_p = 0.0, sum_q = 0.0, cross = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        most_p = fmax(most_p, (double)p[i]);
        most_q = fmax(most_q, (double)q[i]);
    }
    for (uint32_t i = 0; i < n; i++) {
        double e = exp((double)p[i] - most_p);
        sum_p += e;
        sum_q += exp((double)q[i] - most_q);
        cross += e * ((double)p[i] - (double)q[i]);
    }
    return cross / sum_p - (most_p + log(sum_p)) + (most_q + log(sum_q));
}

static lc_err read_logits(void *ctx, uint32_t position, uint32_t n, const float *hidden)
{
    reader *r = ctx;
    uint32_t vocab = r->v->model.info.vocab, width = r->v->model.info.width;
    lc_err err = LC_OK;
    for (uint32_t t = 0; !err && t < n; t++) {
        float *want = r->l->logits + (size_t)(r->at + position + t) * vocab;
        float *to = r->logits ? r->logits : want;
        err = lc_net_logits(r->v->net, hidden + (size_t)t * width, to);
        r->kl += r->logits ? divergence(want, to, vocab) : 0.0;
    }
    return err;
}

static double next_kl(variant *v, lines *l, bool fill)
{
    uint32_t vocab = v->model.info.vocab;
    if (fill) {
        l->logits = room((size_t)l->start[l->count] * vocab * sizeof(float));
    }
    reader r = {.v = v, .l = l, .logits = fill ? NULL : room(vocab * sizeof(float))};
    for (uint32_t i = 0; i < l->count; i++) {
        r.at = l->start[i];
        lc_net_reset(v->net);
        if (lc_net_run(v->net, l->ids + r.at, l->start[i + 1] - r.at, read_logits, &r)) {
            die("run", NULL);
        }
    }
    free(r.logits);
    return r.kl / (double)l->start[l->count];
}

static double cosine_loss(const float *a, const float *b, uint32_t n)
{
    double aa = 0.0, bb = 0.0, ab = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
        ab += (double)a[i] * (double)b[i];
    }
    return 1.0 - ab / sqrt(aa * bb);
}

static void label_loss(variant *v, lines *l, bool fill, double *kl, double *cosine)
{
    uint32_t width = v->model.info.width, classes = v->model.info.classes;
    float *pooled = room(width * sizeof(float)), *scores = room((classes + 1) * sizeof(float));
    if (fill) {
        l->pooled = room((size_t)l->count * width * sizeof(float));
        l->scores = room((size_t)l->count * (classes + 1) * sizeof(float));
    }
    for (uint32_t i = 0; i < l->count; i++) {
        float *p = fill ? l->pooled + (size_t)i * width : pooled;
        float *s = fill ? l->scores + (size_t)i * classes : scores;
        if (lc_net_pool(v->net, l->ids + l->start[i], l->start[i + 1] - l->start[i], p) ||
            (classes && lc_net_classify(v->net, p, s))) {
            die("run", NULL);
        }
        if (!fill) {
            *cosine += cosine_loss(l->pooled + (size_t)i * width, p, width) / l->count;
            *kl += classes ? divergence(l->scores + (size_t)i * classes, s, classes) / l->count : 0;
        }
    }
    free(pooled);
    free(scores);
}

static bool causal(const variant *v)
{
    return v->model.info.causal && v->model.info.classes == 0;
}

static double base_kl, base_cosine; /* of the peer, on the same tensors */

static void compare(const char *name, variant *v, lines *l, bool peer)
{
    double kl = 0.0, cosine = 0.0;
    if (causal(v)) {
        kl = next_kl(v, l, false);
    } else {
        label_loss(v, l, false, &kl, &cosine);
    }
    if (peer) {
        base_kl = kl;
        base_cosine = cosine;
    }
    printf("| %s |", name);
    printf(kl > 0.0 ? " %.6f | %+.0f %% |" : " - | - |", kl, 100.0 * (kl / base_kl - 1.0));
    printf(cosine > 0.0 ? " %.3e | %+.0f %% |\n" : " - | - |\n", cosine,
           100.0 * (cosine / base_cosine - 1.0));
    fflush(stdout);
}

static void close_variant(variant *v)
{
    lc_map_close(&v->file);
    free(v->state.base);
    free(v->scratch.base);
}

/* ---- the rows ---- */

static void peer_rows(const lc_gguf *g, const variant *f32, const lc_gguf *like, lines *l)
{
    for (uint32_t whole = 0; whole < 2; whole++) {
        variant v = {.file = pack(g, LC_PACK_F32, NULL, 0)};
        coarse_count = 0;
        open_model(&v);
        v.kernels.gemv_f32 = coarse_gemv;
        equalise(&v, f32, like, true);
        if (whole) {
            make_coarse(&v.model.embed);
            if (!v.model.tied) {
                make_coarse(&v.model.output);
            }
        } else {
            ends_f32(&v, f32);
        }
        open_net(&v);
        compare(whole ? "Q4_0 + q8_0, whole" : "Q4_0 + q8_0, linears", &v, l, !whole);
        close_variant(&v);
    }
}

static void own_rows(const lc_gguf *g, const variant *f32, const lc_gguf *like, const char *text,
                     lines *l)
{
    static const struct {
        lc_pack_type type;
        bool whole;
        const char *name;
    } rows[] = {{LC_PACK_Q4, false, "T16A, linears"},
                {LC_PACK_Q4, true, "T16A, whole with R8"},
                {LC_PACK_T16, false, "T16, linears"}};
    char path[512], name[600];
    (void)snprintf(path, sizeof path, "%s", text);
    char *colon = strchr(path, ':');
    uint32_t tokens = colon ? (uint32_t)strtoul(colon + 1, NULL, 10) : 0;
    lc_map map = {0};
    if (colon) {
        *colon = 0;
    }
    bool none = strcmp(path, "-") == 0;
    if (!none && lc_map_open(path, &map)) {
        die(path, NULL);
    }
    const char *slash = strrchr(path, '/');
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        variant v = {.file = pack(g, rows[i].type, none ? NULL : &map, tokens)};
        open_model(&v);
        equalise(&v, f32, like, false);
        if (!rows[i].whole) {
            ends_f32(&v, f32);
        }
        open_net(&v);
        (void)snprintf(name, sizeof name, "%s, %s%s", rows[i].name,
                       none    ? "no text"
                       : slash ? slash + 1
                               : path,
                       colon ? colon + 1 : "");
        if (colon) {
            (void)snprintf(name, sizeof name, "%s, %s %u", rows[i].name, slash ? slash + 1 : path,
                           tokens);
        }
        compare(name, &v, l, false);
        close_variant(&v);
    }
    lc_map_close(&map);
}

int main(int argc, char **argv)
{
    lc_map file, text, like_file;
    lc_gguf g, like_g;
    const lc_gguf *like = NULL;
    lc_diag diag = {0};
    uint32_t most = 500;
    exact = lc_level_best(lc_cpu_features());
    if (argc < 3 || lc_map_open(argv[1], &file) || lc_map_open(argv[2], &text)) {
        die("usage: kl MODEL.gguf EVAL.txt [--like FILE] [--lines N] TEXT[:TOKENS]...", NULL);
    }
    if (lc_gguf_open(file.data, file.bytes, &g, &diag)) {
        die(argv[1], &diag);
    }
    int at = 3;
    for (; at + 1 < argc && argv[at][0] == '-' && argv[at][1] == '-'; at += 2) {
        if (strcmp(argv[at], "--lines") == 0) {
            most = (uint32_t)strtoul(argv[at + 1], NULL, 10);
        } else if (lc_map_open(argv[at + 1], &like_file) ||
                   lc_gguf_open(like_file.data, like_file.bytes, &like_g, &diag)) {
            die(argv[at + 1], &diag);
        } else {
            like = &like_g;
        }
    }
    variant f32 = {.file = pack(&g, LC_PACK_F32, NULL, 0)};
    lines l = {0};
    double none = 0.0;
    open_model(&f32);
    open_net(&f32);
    tokenise(&f32, &text, most, &l);
    if (causal(&f32)) {
        (void)next_kl(&f32, &l, true);
    } else {
        label_loss(&f32, &l, true, &none, &none);
    }
    printf("%u lines, %u tokens\n\n", l.count, l.start[l.count]);
    printf("| variant | KL | | 1 - cosine | |\n|---|---|---|---|---|\n");
    peer_rows(&g, &f32, like, &l);
    for (; at < argc; at++) {
        own_rows(&g, &f32, like, argv[at], &l);
    }
    return 0;
}
