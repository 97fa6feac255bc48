/* net_adapt.c - what an adapter adds to the products: y += B (A x), with A x taken once for all
 * products of an input, and B in the same split as the base's rows.
 *
 * A and B are matrices like the base's and go through lc_matmul, so every level gives the same
 * bits; the sum is one addition an element, whatever the split.
 */
#include "net_parts.h"

#include <string.h>

#define SUM_ROWS 1024u /* of one token that B makes at a time */

/* ---- switching ---- */

void lc_net_adapt(lc_net *net, const lc_adapter *adapter)
{
    lc_assert(adapter == NULL || adapter->rank <= net->low.rank);
    lc_assert(adapter == NULL || memcmp(adapter->base, net->model->leaf.root, 32) == 0);
    net->adapter = adapter;
    lc_net_reset(net);
}

const lc_lora_layer *lc_net_corrections(const lc_net *net, uint32_t layer)
{
    static const lc_lora_layer none;
    return net->adapter != NULL && net->adapter->pairs > 0 ? &net->adapter->layer[layer] : &none;
}

static bool corrected(const lc_product *p)
{
    return p->lora != NULL && p->lora->a.rows > 0;
}

/* ---- layout ---- */

bool lc_net_low_push(lc_net *net, uint32_t rank, lc_arena *state)
{
    lc_net_low *low = &net->low;
    bool fits = true;
    low->rank = rank;
    for (uint32_t j = 0; j < LC_PRODUCTS_MAX && rank > 0; j++) {
        low->x[j] = LC_PUSH(state, float, (size_t)net->batch *rank);
        void *acts = lc_arena_push(state, lc_acts_bytes(net->batch, rank));
        fits = fits && low->x[j] != NULL && acts != NULL;
        if (fits && !state->measuring) {
            lc_acts_init(&low->acts[j], acts, net->batch, rank);
        }
    }
    if (rank > 0) {
        size_t batch = (size_t)net->batch * LC_TILE_ROWS;
        low->sum_floats = batch > SUM_ROWS ? batch : SUM_ROWS;
        low->sum = LC_PUSH(state, float, net->tasks.count * low->sum_floats);
        fits = fits && low->sum != NULL;
    }
    return fits;
}

/* ---- A x ---- */

typedef struct lowering {
    const lc_net *net;
    const lc_acts *acts;
    const lc_product *p;
    uint32_t count;
} lowering;

/* The tokens [t0, t1) of acts; t0 starts a block. */
static lc_acts tokens_of(const lc_acts *acts, uint32_t t0, uint32_t t1)
{
    lc_acts part = *acts;
    size_t groups = (size_t)t0 * acts->groups;
    part.n = t1 - t0;
    part.x += (size_t)t0 * acts->cols;
    part.a += groups * LC_GROUP;
    part.ne += groups;
    part.c8 += groups;
    part.c8s += groups;
    part.scale += t0;
    return part;
}

/* Split by tokens, in whole blocks: A has too few rows to split. */
static void lower_task(void *arg, uint32_t i, uint32_t n)
{
    const lowering *l = arg;
    uint32_t blocks = l->acts->n / LC_BLOCK, all = l->acts->n;
    uint32_t t0 = (uint32_t)((uint64_t)blocks * i / n) * LC_BLOCK;
    uint32_t t1 = i + 1 == n ? all : (uint32_t)((uint64_t)blocks * (i + 1) / n) * LC_BLOCK;
    if (t0 == t1) {
        return;
    }
    const lc_acts part = tokens_of(l->acts, t0, t1);
    for (uint32_t j = 0; j < l->count; j++) {
        if (corrected(&l->p[j])) {
            const lc_mat *a = &l->p[j].lora->a;
            float *y = l->net->low.x[j] + (size_t)t0 * a->rows;
            lc_matmul(l->net->k, a, NULL, &part, y, a->rows, 0, lc_matmul_blocks(a));
        }
    }
}

lc_err lc_net_low_set(lc_net *net, const lc_acts *acts, const lc_product *p, uint32_t count)
{
    lowering l = {net, acts, p, count};
    uint64_t macs = 0;
    for (uint32_t j = 0; j < count; j++) {
        macs += corrected(&p[j]) ? (uint64_t)acts->n * p[j].lora->a.rows * acts->cols : 0;
    }
    if (macs == 0) {
        return LC_OK;
    }
    lc_net_share(net, lower_task, &l, acts->n, macs);
    for (uint32_t j = 0; j < count; j++) {
        if (corrected(&p[j])) {
            const lc_mat *b = &p[j].lora->b;
            if (!lc_acts_set(net->k, &net->low.acts[j], net->low.x[j], acts->n, b->cols,
                             b->type != LC_W_F32)) {
                return LC_ERR_NUMBER;
            }
        }
    }
    return LC_OK;
}

/* ---- y += B (A x) ---- */

/* Rows from r0 on of an R8 or F32 matrix. */
static lc_mat rows_of(const lc_mat *w, uint32_t r0, uint32_t rows)
{
    lc_mat part = *w;
    size_t row = w->type == LC_W_F32 ? w->cols * sizeof(float) : LC_ROUND_UP(w->cols, LC_GROUP);
    part.rows = rows;
    part.data = (const uint8_t *)w->data + r0 * row;
    part.scale = w->scale != NULL ? w->scale + r0 : NULL;
    return part;
}

void lc_net_low_add(const lc_net *net, const lc_product *p, uint32_t j, uint32_t thread,
                    uint32_t b0, uint32_t b1)
{
    if (!corrected(p)) {
        return;
    }
    const lc_mat *b = &p->lora->b;
    const lc_acts *x = &net->low.acts[j];
    float *sum = net->low.sum + thread * net->low.sum_floats;
    uint32_t end = b1 * LC_TILE_ROWS < b->rows ? b1 * LC_TILE_ROWS : b->rows;
    uint32_t step = (uint32_t)(net->low.sum_floats / x->n) / LC_TILE_ROWS * LC_TILE_ROWS;
    for (uint32_t r = b0 * LC_TILE_ROWS; r < end; r += step) {
        uint32_t rows = end - r < step ? end - r : step;
        const lc_mat part = rows_of(b, r, rows);
        lc_matmul(net->k, &part, NULL, x, sum, rows, 0, lc_matmul_blocks(&part));
        for (uint32_t t = 0; t < x->n; t++) {
            net->k->add(p->y + t * p->stride + r, sum + (size_t)t * rows, rows);
        }
    }
}
