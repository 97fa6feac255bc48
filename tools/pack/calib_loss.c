/* What a whole model lost: the F32 model and the packed one side by side on the held-out texts,
 * from their streams after the last layer. Output matrices are read a block of rows at a time. */
#include <stdlib.h>
#include <string.h>

#include "calib_parts.h"
#include "fail.h"
#include "real.h"

#define ROWS_AT_ONCE 256u
#define WORK_MAX (UINT64_C(1) << 38) /* products of the output matrix; fewer tokens then */
#define TOKENS_MIN 256u
#define LOG_MIN (-700.0)

enum { F32 = 0, PACKED = 1 };

static const double NONE = (double)__builtin_nanf("");

static lc_err out_of_memory(lc_diag *diag)
{
    return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
}

static double exp_of(double x)
{
    return x < LOG_MIN ? 0.0 : lc_real_exp(x);
}

static float *held_states(const lc_calib *c, uint32_t which)
{
    size_t first = (size_t)lc_calib_held_first(c) * c->model.info.width;
    return which == F32 ? c->held_stream : c->stream + first;
}

/* Tensors of the ends of the network, F32 or as packed. */
typedef struct ends {
    lc_mat mat[LC_ROLE_LAYER]; /* by role; data NULL: none */
    void *data[LC_ROLE_LAYER];
} ends;

static lc_err ends_load(const lc_calib *c, uint32_t which, ends *e, lc_diag *diag)
{
    static const uint32_t roles[] = {LC_T_OUT_NORM,   LC_T_OUT_NORM_BIAS, LC_T_CLS,
                                     LC_T_CLS_BIAS,   LC_T_POOLER,        LC_T_POOLER_BIAS,
                                     LC_T_POOLER_NORM};
    memset(e, 0, sizeof *e);
    for (uint32_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        const lc_pack_item *item = lc_calib_item(c, roles[i], LC_GLOBAL);
        if (!item) {
            continue;
        }
        uint32_t type = which == F32 ? LC_W_F32 : item->type;
        e->data[roles[i]] = lc_calib_rows(c, item, 0, item->rows, type, &e->mat[roles[i]]);
        if (!e->data[roles[i]]) {
            return out_of_memory(diag);
        }
    }
    return LC_OK;
}

static void ends_free(ends *e)
{
    for (uint32_t i = 0; i < LC_ROLE_LAYER; i++) {
        free(e->data[i]);
    }
}

/* A pass of the held-out texts through what follows the last layer. */
static lc_calib_pass end_pass(const lc_calib *c, uint32_t which, const ends *e)
{
    uint32_t tokens = lc_calib_tokens(c) - lc_calib_held_first(c);
    lc_calib_pass pass = {
        .from = c->text.calibrating, .to = c->text.count, .base = c->text.calibrating};
    lc_model *m = &pass.model;
    *m = c->model;
    m->info.layers = 0;
    m->info.vocab = tokens;
    m->embed = (lc_mat){.type = LC_W_F32, .rows = tokens, .cols = m->info.width};
    m->embed.data = held_states(c, which);
    m->out_norm = (lc_norm){e->mat[LC_T_OUT_NORM].data, e->mat[LC_T_OUT_NORM_BIAS].data};
    m->cls = e->mat[LC_T_CLS];
    m->cls_bias = e->mat[LC_T_CLS_BIAS].data;
    m->pooler = e->mat[LC_T_POOLER];
    m->pooler_bias = e->mat[LC_T_POOLER_BIAS].data;
    m->pooler_norm.gain = e->mat[LC_T_POOLER_NORM].data;
    return pass;
}

/* ---- pooled states and labels ---- */

typedef struct answers {
    uint32_t first, width, classes;
    float *pooled; /* [texts][width] */
    float *scores; /* [texts][classes] */
} answers;

static lc_err keep_answer(void *ctx, uint32_t text, lc_net *net, const float *state)
{
    const answers *a = ctx;
    size_t i = text - a->first;
    memcpy(a->pooled + i * a->width, state, a->width * sizeof *state);
    return a->classes > 0 ? lc_net_classify(net, state, a->scores + i * a->classes) : LC_OK;
}

static lc_err answer(lc_calib *c, uint32_t which, answers *a, lc_diag *diag)
{
    uint32_t texts = c->text.count - c->text.calibrating;
    ends e;
    a->first = c->text.calibrating;
    a->width = c->model.info.width;
    a->classes = c->model.info.classes;
    a->pooled = calloc(texts, a->width * sizeof(float));
    a->scores = calloc(texts, (a->classes + 1u) * sizeof(float));
    lc_err err = ends_load(c, which, &e, diag);
    if (!err && (!a->pooled || !a->scores)) {
        err = out_of_memory(diag);
    }
    if (!err) {
        lc_calib_pass pass = end_pass(c, which, &e);
        pass.pooled = keep_answer;
        pass.ctx = a;
        err = lc_calib_run(c, &pass, diag);
    }
    ends_free(&e);
    return err;
}

static double cosine_loss(const float *a, const float *b, uint32_t n)
{
    double aa = 0.0, bb = 0.0, ab = 0.0;
    for (uint32_t i = 0; i < n; i++) {
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
        ab += (double)a[i] * (double)b[i];
    }
    return aa > 0.0 && bb > 0.0 ? 1.0 - ab / __builtin_sqrt(aa * bb) : 0.0;
}

/* Sums over outputs of two distributions that arrive in parts. */
typedef struct divergence {
    double most_p, sum_p, most_q, sum_q; /* largest logit, sum of exp(logit - most) */
    double cross;                        /* sum of exp(p - most_p) * (p - q) */
    double next_p, next_q;               /* logits of the token that follows */
} divergence;

static void divergence_add(divergence *d, double p, double q)
{
    if (p > d->most_p) {
        double shrink = exp_of(d->most_p - p);
        d->sum_p *= shrink;
        d->cross *= shrink;
        d->most_p = p;
    }
    if (q > d->most_q) {
        d->sum_q *= exp_of(d->most_q - q);
        d->most_q = q;
    }
    double e = exp_of(p - d->most_p);
    d->sum_p += e;
    d->cross += e * (p - q);
    d->sum_q += exp_of(q - d->most_q);
}

static const divergence EMPTY = {.most_p = -1e300, .most_q = -1e300};

static double log_sum_p(const divergence *d)
{
    return d->most_p + lc_real_log(d->sum_p);
}

static double log_sum_q(const divergence *d)
{
    return d->most_q + lc_real_log(d->sum_q);
}

/* sum of p log(p / q) */
static double divergence_end(const divergence *d)
{
    return d->cross / d->sum_p - log_sum_p(d) + log_sum_q(d);
}

static lc_err compare_answers(lc_calib *c, lc_pack_loss *loss, lc_diag *diag)
{
    uint32_t texts = c->text.count - c->text.calibrating;
    answers a = {0}, b = {0};
    double kl = 0.0, cosine = 0.0;
    lc_err err = answer(c, F32, &a, diag);
    if (!err) {
        err = answer(c, PACKED, &b, diag);
    }
    for (uint32_t i = 0; !err && i < texts; i++) {
        divergence d = EMPTY;
        for (uint32_t j = 0; j < a.classes; j++) {
            size_t at = (size_t)i * a.classes + j;
            divergence_add(&d, (double)a.scores[at], (double)b.scores[at]);
        }
        size_t at = (size_t)i * a.width;
        cosine += cosine_loss(a.pooled + at, b.pooled + at, a.width);
        kl += a.classes > 0 ? divergence_end(&d) : 0.0;
    }
    loss->cosine_loss = cosine / (double)texts;
    loss->kl = a.classes > 0 ? kl / (double)texts : NONE;
    free(a.pooled);
    free(a.scores);
    free(b.pooled);
    free(b.scores);
    return err;
}

/* ---- next tokens ---- */

/* The held-out tokens that are looked at, and what the blocks of output rows bring. */
typedef struct next {
    const lc_calib *c;
    uint32_t n;
    divergence *d; /* [n] */
    lc_acts acts[2];
    void *acts_memory[2];
    lc_mat rows[2]; /* of the output matrix */
    uint32_t first;
    float *y[2]; /* [n][ROWS_AT_ONCE] */
} next;

typedef struct normed {
    float *state;
    uint32_t width;
    const lc_calib_pass *pass;
} normed;

static lc_err keep_normed(void *ctx, uint32_t position, uint32_t n, const float *x)
{
    const normed *s = ctx;
    memcpy(s->state + (size_t)(s->pass->at + position) * s->width, x,
           (size_t)n * s->width * sizeof *x);
    return LC_OK;
}

/* The final norm, in place. */
static lc_err norm_states(lc_calib *c, uint32_t which, lc_diag *diag)
{
    ends e;
    lc_err err = ends_load(c, which, &e, diag);
    if (!err) {
        lc_calib_pass pass = end_pass(c, which, &e);
        normed s = {held_states(c, which), c->model.info.width, &pass};
        pass.sink = keep_normed;
        pass.ctx = &s;
        err = lc_calib_run(c, &pass, diag);
    }
    ends_free(&e);
    return err;
}

static double logit(const lc_model_info *m, float y)
{
    double z = (double)(m->logit_scale * y), cap = (double)m->logit_cap;
    if (cap > 0.0) {
        double e = exp_of(-2.0 * (z < 0.0 ? -z : z) / cap), t = cap * (1.0 - e) / (1.0 + e);
        z = z < 0.0 ? -t : t;
    }
    return z;
}

/* The token after held-out token t of its text; LC_TOKEN_NONE after the last. */
static uint32_t following(const lc_calib *c, uint32_t t)
{
    uint32_t at = lc_calib_held_first(c) + t;
    for (uint32_t i = c->text.calibrating; i < c->text.count; i++) {
        if (c->text.start[i + 1] > at) {
            return at + 1 < c->text.start[i + 1] ? c->text.ids[at + 1] : LC_TOKEN_NONE;
        }
    }
    return LC_TOKEN_NONE;
}

static void block_task(void *arg, uint32_t part, uint32_t parts)
{
    const next *x = arg;
    for (uint32_t which = 0; which < 2; which++) {
        uint64_t blocks = lc_matmul_blocks(&x->rows[which]);
        lc_matmul(x->c->k, &x->rows[which], NULL, &x->acts[which], x->y[which], ROWS_AT_ONCE,
                  (uint32_t)(blocks * part / parts), (uint32_t)(blocks * (part + 1) / parts));
    }
}

static void sum_task(void *arg, uint32_t part, uint32_t parts)
{
    const next *x = arg;
    const lc_model_info *m = &x->c->plan->source.info;
    for (uint32_t t = part; t < x->n; t += parts) {
        uint32_t follows = following(x->c, t);
        for (uint32_t r = 0; r < x->rows[F32].rows; r++) {
            double p = logit(m, x->y[F32][(size_t)t * ROWS_AT_ONCE + r]);
            double q = logit(m, x->y[PACKED][(size_t)t * ROWS_AT_ONCE + r]);
            divergence_add(&x->d[t], p, q);
            if (x->first + r == follows) {
                x->d[t].next_p = p;
                x->d[t].next_q = q;
            }
        }
    }
}

static lc_err next_blocks(next *x, const lc_pack_item *item, lc_diag *diag)
{
    const lc_tasks *tasks = &x->c->tasks;
    for (x->first = 0; x->first < item->rows; x->first += ROWS_AT_ONCE) {
        uint32_t left = item->rows - x->first, n = left < ROWS_AT_ONCE ? left : ROWS_AT_ONCE;
        void *a = lc_calib_rows(x->c, item, x->first, n, LC_W_F32, &x->rows[F32]);
        void *b = lc_calib_rows(x->c, item, x->first, n, item->type, &x->rows[PACKED]);
        if (a && b) {
            tasks->run(tasks->ctx, block_task, x, tasks->count);
            tasks->run(tasks->ctx, sum_task, x, tasks->count);
        }
        free(a);
        free(b);
        if (!a || !b) {
            return out_of_memory(diag);
        }
    }
    return LC_OK;
}

static void next_sum(const next *x, lc_pack_loss *loss)
{
    double kl = 0.0, log_p = 0.0, log_q = 0.0, predicted = 0.0;
    for (uint32_t t = 0; t < x->n; t++) {
        const divergence *d = &x->d[t];
        kl += divergence_end(d);
        if (following(x->c, t) != LC_TOKEN_NONE) {
            log_p += d->next_p - log_sum_p(d);
            log_q += d->next_q - log_sum_q(d);
            predicted += 1.0;
        }
    }
    loss->kl = kl / (double)x->n;
    loss->compared_tokens = x->n;
    if (predicted > 0.0) {
        loss->perplexity_source = lc_real_exp(-log_p / predicted);
        loss->perplexity = lc_real_exp(-log_q / predicted);
    }
}

static lc_err next_init(next *x, lc_diag *diag)
{
    uint32_t width = x->c->model.info.width;
    x->d = calloc(x->n, sizeof *x->d);
    for (uint32_t which = 0; which < 2; which++) {
        x->acts_memory[which] = aligned_alloc(64, LC_ROUND_UP(lc_acts_bytes(x->n, width), 64));
        x->y[which] = calloc(x->n, ROWS_AT_ONCE * sizeof(float));
        if (!x->acts_memory[which] || !x->y[which] || !x->d) {
            return out_of_memory(diag);
        }
        lc_acts_init(&x->acts[which], x->acts_memory[which], x->n, width);
        if (!lc_acts_set(x->c->k, &x->acts[which], held_states(x->c, which), x->n, width, true)) {
            return lc_fail(diag, LC_ERR_NUMBER, 0, "calibration: a state out of range");
        }
    }
    for (uint32_t t = 0; t < x->n; t++) {
        x->d[t] = EMPTY;
    }
    return LC_OK;
}

static lc_err compare_next(lc_calib *c, lc_pack_loss *loss, lc_diag *diag)
{
    const lc_pack_item *item = lc_calib_item(c, LC_T_OUTPUT, LC_GLOBAL);
    item = item ? item : lc_calib_item(c, LC_T_EMBED, LC_GLOBAL);
    uint64_t most = WORK_MAX / ((uint64_t)item->rows * item->cols);
    most = most < TOKENS_MIN ? TOKENS_MIN : most;
    next x = {.c = c, .n = lc_calib_tokens(c) - lc_calib_held_first(c)};
    x.n = x.n < most ? x.n : (uint32_t)most;
    lc_err err = norm_states(c, F32, diag);
    if (!err) {
        err = norm_states(c, PACKED, diag);
    }
    if (!err) {
        err = next_init(&x, diag);
    }
    if (!err) {
        err = next_blocks(&x, item, diag);
    }
    if (!err) {
        next_sum(&x, loss);
    }
    free(x.d);
    for (uint32_t which = 0; which < 2; which++) {
        free(x.acts_memory[which]);
        free(x.y[which]);
    }
    return err;
}

lc_err lc_calib_loss(lc_calib *c, lc_pack_loss *loss, lc_diag *diag)
{
    *loss = (lc_pack_loss){.kl = NONE,
                           .cosine_loss = NONE,
                           .perplexity = NONE,
                           .perplexity_source = NONE,
                           .texts = c->text.calibrating,
                           .held_texts = c->text.count - c->text.calibrating};
    loss->tokens = lc_calib_held_first(c);
    loss->held_tokens = lc_calib_tokens(c) - loss->tokens;
    loss->measured = true;
    bool answers_lines = !c->model.info.causal || c->model.info.classes > 0;
    return answers_lines ? compare_answers(c, loss, diag) : compare_next(c, loss, diag);
}
