/* a = r r^T with r upper is found from the last column to the first, blocks of columns at a time;
 * then u = r^-1, so that u^T u = (r r^T)^-1. */
#include "dense.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define BLOCK LC_DENSE_BLOCK

typedef double v4 __attribute__((vector_size(32), aligned(8)));

typedef struct update {
    double *a;
    uint32_t n, stride, count;
    double sign;
    const double *x;
    uint32_t rows; /* only these rows and columns of a change */
} update;

/* Columns k to k + 3 of four rows from i on: sums of products over t. */
static inline void four_by_four(const update *u, uint32_t i, uint32_t k, v4 sum[4])
{
    const double *x = u->x;
    v4 s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    for (uint32_t t = 0; t < u->count; t++, x += u->stride) {
        v4 y = *(const v4 *)(const void *)(x + k);
        s0 += y * x[i];
        s1 += y * x[i + 1];
        s2 += y * x[i + 2];
        s3 += y * x[i + 3];
    }
    sum[0] = s0;
    sum[1] = s1;
    sum[2] = s2;
    sum[3] = s3;
}

static void update_rows(const update *u, uint32_t i)
{
    for (uint32_t k = i; k < u->rows; k += 4) {
        v4 sum[4];
        four_by_four(u, i, k, sum);
        for (uint32_t r = i; r < i + 4 && r < u->rows; r++) {
            for (uint32_t c = k; c < k + 4 && c < u->rows; c++) {
                u->a[(size_t)r * u->n + c] += u->sign * sum[r - i][c - k];
            }
        }
    }
}

/* Rows dealt out in fours: later ones are shorter. */
static void update_task(void *arg, uint32_t part, uint32_t parts)
{
    const update *u = arg;
    for (uint32_t i = part * 4; i < u->rows; i += parts * 4) {
        update_rows(u, i);
    }
}

static void update_leading(const lc_tasks *tasks, const update *u)
{
    tasks->run(tasks->ctx, update_task, (void *)(uintptr_t)u, tasks->count);
}

void lc_dense_update(const lc_tasks *tasks, double *a, uint32_t n, double sign, const double *x,
                     uint32_t count, uint32_t stride)
{
    update u = {.a = a, .n = n, .stride = stride, .count = count, .sign = sign, .x = x, .rows = n};
    update_leading(tasks, &u);
}

/* Columns from..to of r, last first; a holds what is left of the sums. */
static bool factor_block(double *a, uint32_t n, uint32_t from, uint32_t to)
{
    for (uint32_t j = to; j-- > from;) {
        double column[BLOCK], d = a[(size_t)j * n + j];
        if (!(d > 0.0) || d - d != 0.0) {
            return false;
        }
        d = sqrt(d);
        a[(size_t)j * n + j] = d;
        for (uint32_t k = from; k < j; k++) {
            column[k - from] = a[(size_t)k * n + j] / d;
        }
        for (uint32_t i = 0; i < j; i++) {
            double *row = a + (size_t)i * n;
            row[j] /= d;
            for (uint32_t k = i > from ? i : from; k < j; k++) {
                row[k] -= row[j] * column[k - from];
            }
        }
    }
    return true;
}

static bool factor(const lc_tasks *tasks, double *a, uint32_t n, double *work)
{
    uint32_t stride = (n + 3u) / 4u * 4u;
    for (uint32_t to = n; to > 0;) {
        uint32_t from = to > BLOCK ? to - BLOCK : 0;
        if (!factor_block(a, n, from, to)) {
            return false;
        }
        memset(work, 0, (size_t)BLOCK * stride * sizeof *work);
        for (uint32_t i = 0; i < from; i++) {
            for (uint32_t j = from; j < to; j++) {
                work[(size_t)(j - from) * stride + i] = a[(size_t)i * n + j];
            }
        }
        update u = {.a = a, .n = n, .stride = stride, .count = to - from, .sign = -1.0, .x = work};
        u.rows = from;
        update_leading(tasks, &u);
        to = from;
    }
    return true;
}

/* ---- inverse of the upper r ---- */

typedef struct inverse {
    const double *r; /* rows from first on are still those of r */
    double *out;     /* [rows][n] */
    uint32_t n, first, rows;
} inverse;

/* Row i of r^-1: x r = e_i, from column i on. */
static void inverse_row(const inverse *v, uint32_t i, double *x)
{
    memset(x, 0, v->n * sizeof *x);
    x[i] = -1.0;
    for (uint32_t k = i; k < v->n; k++) {
        const double *row = v->r + (size_t)k * v->n;
        double value = -x[k] / row[k];
        x[k] = value;
        for (uint32_t j = k + 1; j < v->n; j++) {
            x[j] += value * row[j];
        }
    }
}

static void inverse_task(void *arg, uint32_t part, uint32_t parts)
{
    const inverse *v = arg;
    for (uint32_t i = part; i < v->rows; i += parts) {
        inverse_row(v, v->first + i, v->out + (size_t)i * v->n);
    }
}

int lc_dense_inverse_root(const lc_tasks *tasks, double *a, uint32_t n, double *work)
{
    if (!factor(tasks, a, n, work)) {
        return 0;
    }
    for (uint32_t first = 0; first < n; first += BLOCK) {
        inverse v = {.r = a, .out = work, .n = n, .first = first};
        v.rows = n - first < BLOCK ? n - first : BLOCK;
        tasks->run(tasks->ctx, inverse_task, &v, tasks->count);
        memcpy(a + (size_t)first * n, work, (size_t)v.rows * n * sizeof *work);
    }
    return 1;
}
