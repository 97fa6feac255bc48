/* net_work.c - products split among threads, norms, scales. */
#include "net_parts.h"

#include <string.h>

/* Work below this many multiply-adds is not worth waking threads for. */
#define SPLIT_MACS 65536u

/* ---- work, split among threads ---- */

/* Runs fn on the threads that so many tokens are worth, or here when there is little to do. */
void lc_net_share(lc_net *net, lc_task_fn *fn, void *arg, uint32_t tokens, uint64_t macs)
{
    const lc_tasks *tasks = &net->tasks;
    bool fewer = tokens == 1 && tasks->single > 0 && tasks->single < tasks->count;
    uint32_t parts = fewer ? tasks->single : tasks->count;
    if (parts < 2 || macs < SPLIT_MACS) {
        fn(arg, 0, 1);
        return;
    }
    net->joins++;
    tasks->run(tasks->ctx, fn, arg, parts);
}

typedef struct products {
    const lc_net *net;
    const lc_acts *x;
    const lc_product *p;
    uint32_t count;
    uint32_t blocks; /* of all */
} products;

static void products_task(void *arg, uint32_t i, uint32_t n)
{
    const products *all = arg;
    uint32_t from = (uint32_t)((uint64_t)all->blocks * i / n);
    uint32_t to = (uint32_t)((uint64_t)all->blocks * (i + 1) / n);
    uint32_t base = 0;
    for (uint32_t j = 0; j < all->count; j++) {
        const lc_product *p = &all->p[j];
        uint32_t blocks = lc_matmul_blocks(p->w);
        uint32_t b0 = from > base ? from - base : 0;
        uint32_t b1 = to > base ? to - base : 0;
        b1 = b1 < blocks ? b1 : blocks;
        if (b0 < b1) {
            lc_matmul(all->net->k, p->w, p->bias, all->x, p->y, p->stride, b0, b1);
            lc_net_low_add(all->net, p, j, i, b0, b1);
        }
        base += blocks;
    }
}

/* Quantises x [n][cols] when a weight needs it, then computes all products. */
lc_err lc_net_multiply(lc_net *net, lc_acts *acts, const float *x, uint32_t n, const lc_product *p,
                       uint32_t count)
{
    products all = {.net = net, .x = acts, .p = p, .count = count};
    bool quantised = false;
    uint64_t macs = 0;
    for (uint32_t j = 0; j < count; j++) {
        if (net->tap != NULL) {
            net->tap(net->tap_ctx, p[j].w, n, x);
        }
        quantised = quantised || p[j].w->type != LC_W_F32;
        all.blocks += lc_matmul_blocks(p[j].w);
        macs += (uint64_t)n * p[j].w->rows * p[j].w->cols;
    }
    if (!lc_acts_set(net->k, acts, x, n, p[0].w->cols, quantised)) {
        return LC_ERR_NUMBER;
    }
    lc_err err = lc_net_low_set(net, acts, p, count);
    if (err == LC_OK) {
        lc_net_share(net, products_task, &all, n, macs);
    }
    return err;
}

/* ---- norms and scales ---- */

/* y = norm(x) for n rows of `width`; y may be x. */
void lc_net_normalise(const lc_net *net, const lc_norm *norm, const float *x, size_t n,
                      uint32_t width, float *y)
{
    float eps = net->model->info.norm_eps;
    const float *bias = norm->bias != NULL ? norm->bias : net->zero;
    for (size_t t = 0; t < n; t++) {
        if (net->model->arch->layer_norm) {
            net->k->layernorm(x + t * width, norm->gain, bias, width, eps, y + t * width);
        } else {
            net->k->rmsnorm(x + t * width, norm->gain, width, eps, y + t * width);
        }
    }
}

void lc_net_scale(float *x, size_t n, float by)
{
    for (size_t i = 0; by != 1.0f && i < n; i++) {
        x[i] *= by;
    }
}

/* What a block reads: x through a norm into h, or x itself where there is none. */
const float *lc_net_input(const lc_net *net, const lc_net_buffers *b, const lc_norm *norm,
                          uint32_t n)
{
    if (norm->gain == NULL) {
        return b->x;
    }
    lc_net_normalise(net, norm, b->x, n, net->model->info.width, b->h);
    return b->h;
}

/* y[rows] = w . x + bias for one hidden state. */
lc_err lc_net_project(lc_net *net, const lc_mat *w, const float *bias, const float *x, float *y)
{
    const lc_product p = {w, bias, y, w->rows, NULL};
    return lc_net_multiply(net, &net->one, x, 1, &p, 1);
}

lc_err lc_net_project_rows(lc_net *net, const lc_mat *w, const float *x, const uint32_t *rows,
                           uint32_t count, float *y)
{
    bool tiles = w->type == LC_W_T16 || w->type == LC_W_T16A;
    uint32_t step = tiles ? LC_TILE_ROWS : 1; /* rows that are computed at once */
    uint32_t first = UINT32_MAX;              /* of those in some */
    float some[LC_TILE_ROWS];
    if (net->tap != NULL) {
        net->tap(net->tap_ctx, w, 1, x);
    }
    if (!lc_acts_set(net->k, &net->one, x, 1, w->cols, w->type != LC_W_F32)) {
        return LC_ERR_NUMBER;
    }
    for (uint32_t i = 0; i < count; i++) {
        lc_assert(rows[i] < w->rows);
        if (rows[i] / step * step != first) {
            first = rows[i] / step * step;
            uint32_t left = w->rows - first;
            lc_mat part = lc_mat_part(w, first, left < step ? left : step);
            lc_matmul(net->k, &part, NULL, &net->one, some, LC_TILE_ROWS, 0, 1);
        }
        y[i] = some[rows[i] - first];
    }
    return LC_OK;
}
