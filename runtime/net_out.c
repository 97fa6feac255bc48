/* net_out.c - what is read from hidden states: logits, a pooled vector, classes. */
#include "net_parts.h"

#include <string.h>

#include "../kernels/vec.h"

static bool all_finite(const float *x, uint32_t n)
{
    const lc_v4 most = lc_v4_all(3.4e38f);
    lc_i4 good = {-1, -1, -1, -1};
    uint32_t i = 0;
    for (; i + 4 <= n; i += 4) {
        lc_v4 v = lc_v4_load(x + i);
        good &= (v >= -most) & (v <= most);
    }
    bool all = (good[0] & good[1] & good[2] & good[3]) != 0;
    for (; i < n; i++) {
        all = all && x[i] >= -3.4e38f && x[i] <= 3.4e38f;
    }
    return all;
}

/* Raw logits become what the model means by them. */
static lc_err finish_logits(const lc_model_info *i, float *logits, uint32_t count)
{
    if (!all_finite(logits, count)) {
        return LC_ERR_NUMBER;
    }
    lc_net_scale(logits, count, i->logit_scale);
    for (uint32_t j = 0; i->logit_cap > 0.0f && j < count; j++) {
        logits[j] = i->logit_cap * lc_tanhf(logits[j] / i->logit_cap);
    }
    return LC_OK;
}

lc_err lc_net_logits(lc_net *net, const float *hidden, float *logits)
{
    const lc_model *m = net->model;
    lc_err err = lc_net_project(net, &m->output, NULL, hidden, logits);
    return err == LC_OK ? finish_logits(&m->info, logits, m->info.vocab) : err;
}

lc_err lc_net_logits_rows(lc_net *net, const float *hidden, const uint32_t *rows, uint32_t count,
                          float *logits)
{
    const lc_model *m = net->model;
    lc_err err = lc_net_project_rows(net, &m->output, hidden, rows, count, logits);
    return err == LC_OK ? finish_logits(&m->info, logits, count) : err;
}

/* ---- classification ---- */

/* Texts of which each state, in the order of texts, is one of `rows` that pool to out. */
typedef struct pooling {
    lc_net *net;
    uint32_t kind;
    const uint32_t *length; /* [count] */
    uint32_t text, row;     /* which of its rows comes next */
    float *out;             /* [count][width] */
} pooling;

static pooling pooling_of(lc_net *net, const uint32_t *length, float *pooled)
{
    const lc_model_info *i = &net->model->info;
    pooling p = {.net = net, .kind = i->pooling, .length = length, .out = pooled};
    if (p.kind == LC_POOL_NONE) {
        p.kind = i->causal ? LC_POOL_LAST : LC_POOL_MEAN;
    }
    return p;
}

/* One state of each text, or all where the mean is taken. */
static lc_err pool_sink(void *ctx, uint32_t position, uint32_t n, const float *hidden)
{
    pooling *p = ctx;
    uint32_t width = p->net->model->info.width;
    (void)position;
    for (uint32_t r = 0; r < n; r++, hidden += width) {
        float *out = p->out + (size_t)p->text * width;
        uint32_t rows = p->kind == LC_POOL_MEAN ? p->length[p->text] : 1;
        if (p->row == 0) {
            memcpy(out, hidden, width * sizeof *out);
        } else {
            p->net->k->add(out, hidden, width);
        }
        if (++p->row < rows) {
            continue;
        }
        for (uint32_t j = 0; p->kind == LC_POOL_MEAN && j < width; j++) {
            out[j] = out[j] / (float)rows;
        }
        p->text++;
        p->row = 0;
    }
    return LC_OK;
}

/* A text longer than a batch. */
static lc_err pool_long(pooling *p, const uint32_t *ids, uint32_t n)
{
    if (p->kind == LC_POOL_FIRST) { /* of a causal model: nothing that follows is seen */
        n = 1;
    }
    return lc_net_run_wanted(p->net, ids, n, p->kind == LC_POOL_MEAN ? n : 1, pool_sink, p);
}

/* Texts that are together no longer than a batch. */
static lc_err pool_batch(pooling *p, const uint32_t *ids, uint32_t count)
{
    lc_net_buffers b;
    size_t mark = lc_arena_mark(p->net->scratch);
    if (!lc_net_push(p->net, p->net->scratch, &b)) {
        return LC_ERR_ARENA;
    }
    uint32_t n = 0;
    b.wanted.count = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t in = 0; in < p->length[i]; in++, n++) {
            bool end = in == (p->kind == LC_POOL_LAST ? p->length[i] - 1 : 0);
            b.parent[n] = in == 0 ? LC_NO_PARENT : n - 1;
            if (end || p->kind == LC_POOL_MEAN) {
                b.wanted.token[b.wanted.count++] = n;
            }
        }
    }
    lc_err err = lc_net_run_forest(p->net, &b, ids, n, pool_sink, p);
    lc_arena_rewind(p->net->scratch, mark);
    return err;
}

lc_err lc_net_pool_lines(lc_net *net, const uint32_t *ids, const uint32_t *length, uint32_t count,
                         float *pooled)
{
    pooling p = pooling_of(net, length, pooled);
    uint64_t all = 0;
    lc_err err = LC_OK;
    for (uint32_t i = 0; i < count; i++) {
        lc_assert(length[i] > 0);
        if (length[i] > net->ctx) {
            return LC_ERR_LIMIT;
        }
        all += length[i];
    }
    lc_net_reset(net);
    if (all <= net->batch) {
        return pool_batch(&p, ids, count);
    }
    for (uint32_t i = 0; i < count && err == LC_OK; ids += length[i++]) {
        lc_net_reset(net);
        p = pooling_of(net, length + i, pooled + (size_t)i * net->model->info.width);
        err = length[i] <= net->batch ? pool_batch(&p, ids, 1) : pool_long(&p, ids, length[i]);
    }
    return err;
}

lc_err lc_net_pool(lc_net *net, const uint32_t *ids, uint32_t n, float *pooled)
{
    return lc_net_pool_lines(net, ids, &n, 1, pooled);
}

/* dense = norm(act(pooler . pooled + bias)) */
static lc_err run_dense(lc_net *net, const float *pooled)
{
    const lc_model *m = net->model;
    uint32_t width = m->info.width;
    lc_err err = lc_net_project(net, &m->pooler, m->pooler_bias, pooled, net->dense);
    if (err != LC_OK) {
        return err;
    }
    for (uint32_t j = 0; m->arch->pool_tanh && j < width; j++) {
        net->dense[j] = lc_tanhf(net->dense[j]);
    }
    if (!m->arch->pool_tanh) {
        net->k->act_mul(m->arch->pool_act, net->dense, NULL, width, net->dense);
    }
    if (m->pooler_norm.gain != NULL) {
        lc_net_normalise(net, &m->pooler_norm, net->dense, 1, width, net->dense);
    }
    return LC_OK;
}

/* The adapter, when the head is its own. */
static const lc_adapter *head_adapter(const lc_net *net)
{
    return net->adapter != NULL && net->adapter->classes > 0 ? net->adapter : NULL;
}

uint32_t lc_net_classes(const lc_net *net)
{
    const lc_adapter *own = head_adapter(net);
    return own != NULL ? own->classes : net->model->info.classes;
}

lc_err lc_net_classify(lc_net *net, const float *pooled, float *out)
{
    const lc_adapter *own = head_adapter(net);
    const lc_mat *cls = own != NULL ? &own->cls : &net->model->cls;
    const float *bias = own != NULL ? own->cls_bias : net->model->cls_bias;
    lc_assert(cls->rows > 0);
    const float *in = pooled;
    lc_err err = LC_OK;
    if (net->dense != NULL) {
        err = run_dense(net, pooled);
        in = net->dense;
    }
    if (err == LC_OK) {
        err = lc_net_project(net, cls, NULL, in, out);
    }
    if (err != LC_OK) {
        return err;
    }
    if (bias != NULL) {
        net->k->add(out, bias, cls->rows);
    }
    return all_finite(out, cls->rows) ? LC_OK : LC_ERR_NUMBER;
}
