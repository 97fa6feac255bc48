/* The search of one row. Every column has a weight: 1, or how much it meets; padding columns 0.
 *
 * T16   1. each group alone: scales +-max|w| / c, refitted by least squares; the best group scale
 * of the row, over 127, is the row scale.
 *       2. each group again with the scales that are multiples of the row scale; then the row scale
 *          is refitted. Twice.
 * T16A  each group alone: ranges shrunk around the middle, scale and offset refitted by least
 *       squares; then scale, offset and weights are rounded, in this order.
 */
#include "quant.h"

#include <stdlib.h>

#include "gguf_types.h"

#define ROUNDER 0x1.8p52 /* adding and taking it away rounds half to even, |x| < 2^51 */
#define SCALE_MIN 0x1p-100
#define SCALE_MAX 0x1p100

static const double DIVISORS[LC_QUANT_CANDIDATES / 2] = {5.5, 6.0, 6.4, 6.7, 7.0, 7.2, 7.4, 7.6,
                                                         7.8, 8.0, 8.2, 8.5, 8.8, 9.2, 9.8};
static const double SHRINKS[8] = {1.02, 0.98, 0.94, 0.90, 0.86, 0.82, 0.78, 0.74};

bool lc_quant_work_init(lc_quant_work *work, uint32_t cols)
{
    size_t groups = LC_ROUND_UP((size_t)cols, LC_GROUP) / LC_GROUP;
    work->w = calloc(groups, LC_GROUP * sizeof(double));
    work->d = calloc(groups, LC_QUANT_CANDIDATES * sizeof(double));
    work->b = calloc(groups, sizeof(double));
    work->wt = calloc(groups, LC_GROUP * sizeof(double));
    if (!work->w || !work->d || !work->b || !work->wt) {
        return false;
    }
    lc_quant_work_weigh(work, cols, NULL);
    return true;
}

void lc_quant_work_weigh(lc_quant_work *work, uint32_t cols, const double *weight)
{
    for (uint32_t k = 0; k < cols; k++) {
        work->wt[k] = weight ? weight[k] : 1.0;
    }
}

void lc_quant_work_free(lc_quant_work *work)
{
    free(work->w);
    free(work->d);
    free(work->b);
    free(work->wt);
}

/* ---- arithmetic of one group; w, q, wt: [32] ---- */

static double clamped_round(double x, double low, double high)
{
    x = x < low ? low : x;
    x = x > high ? high : x;
    return (x + ROUNDER) - ROUNDER;
}

double lc_quant_nibble(double x)
{
    return clamped_round(x, -8.0, 7.0);
}

/* q = clamp(round((w - b) / d)) */
static void quantise(const double *w, double d, double b, double *q)
{
    for (uint32_t k = 0; k < LC_GROUP; k++) {
        q[k] = clamped_round((w[k] - b) / d, -8.0, 7.0);
    }
}

static double lanes(const double sum[4])
{
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

/* sum of a b wt */
static double dot(const double *a, const double *b, const double *wt)
{
    double sum[4] = {0.0, 0.0, 0.0, 0.0};
    for (uint32_t k = 0; k < LC_GROUP; k += 4) {
        for (uint32_t i = 0; i < 4; i++) {
            sum[i] += a[k + i] * b[k + i] * wt[k + i];
        }
    }
    return lanes(sum);
}

/* sum of (w - (d q + b))^2 wt */
static double loss(const double *w, const double *wt, const double *q, double d, double b)
{
    double sum[4] = {0.0, 0.0, 0.0, 0.0};
    for (uint32_t k = 0; k < LC_GROUP; k += 4) {
        for (uint32_t i = 0; i < 4; i++) {
            double e = w[k + i] - (d * q[k + i] + b);
            sum[i] += e * e * wt[k + i];
        }
    }
    return lanes(sum);
}

static double max_abs(const double *w, uint32_t n)
{
    double most = 0.0;
    for (uint32_t k = 0; k < n; k++) {
        double a = w[k] < 0.0 ? -w[k] : w[k];
        most = a > most ? a : most;
    }
    return most;
}

/* ---- a row ---- */

static uint32_t groups_of(uint32_t cols)
{
    return (uint32_t)(LC_ROUND_UP(cols, LC_GROUP) / LC_GROUP);
}

/* To binary64, padded with zeros. False for a NaN or an infinity. */
static bool widen(const float *w, uint32_t cols, double *out)
{
    bool finite = true;
    for (uint32_t k = 0; k < cols; k++) {
        out[k] = (double)w[k];
        finite = finite && w[k] - w[k] == 0.0f;
    }
    for (uint32_t k = cols; k < groups_of(cols) * LC_GROUP; k++) {
        out[k] = 0.0;
    }
    return finite;
}

static bool zero_row(uint32_t cols, lc_quant_row *row)
{
    row->rs = 0.0f;
    memset(row->q, 0, (size_t)groups_of(cols) * LC_GROUP);
    memset(row->s, 0, groups_of(cols));
    memset(row->m, 0, groups_of(cols));
    return true;
}

static void store_q(const double *q, uint32_t n, int8_t *out)
{
    for (uint32_t k = 0; k < LC_GROUP; k++) {
        out[k] = k < n ? (int8_t)q[k] : 0;
    }
}

/* ---- T16 ---- */

/* Pass 1: fills d[30] with the refitted scales and returns the size of the best. Padding columns
 * are 0 and stay 0 for every scale, so they need no weight. */
static double t16_candidates(const double *w, const double *wt, double *d)
{
    double most = max_abs(w, LC_GROUP), best = dot(w, w, wt), best_d = 0.0, q[LC_GROUP];
    for (uint32_t i = 0; i < LC_QUANT_CANDIDATES; i++) {
        d[i] = 0.0;
        if (most == 0.0) {
            continue;
        }
        double c = DIVISORS[i / 2];
        quantise(w, i % 2 ? -most / c : most / c, 0.0, q);
        double qq = dot(q, q, wt);
        d[i] = qq > 0.0 ? dot(q, w, wt) / qq : 0.0;
        if (d[i] == 0.0) {
            continue;
        }
        quantise(w, d[i], 0.0, q);
        double e = loss(w, wt, q, d[i], 0.0);
        if (e < best) {
            best = e;
            best_d = d[i] < 0.0 ? -d[i] : d[i];
        }
    }
    return best_d;
}

/* Pass 2: the best multiple of rs among 0 and the rounded candidates, first found; q follows it. */
static int8_t t16_choose(const double *w, const double *wt, const double *d, double rs, int8_t *out)
{
    double best = dot(w, w, wt), q[LC_GROUP];
    int8_t best_s = 0;
    memset(out, 0, LC_GROUP);
    for (uint32_t i = 0; i < LC_QUANT_CANDIDATES; i++) {
        double s = clamped_round(d[i] / rs, -127.0, 127.0);
        if (s == 0.0) {
            continue;
        }
        quantise(w, s * rs, 0.0, q);
        double e = loss(w, wt, q, s * rs, 0.0);
        if (e < best) {
            best = e;
            best_s = (int8_t)s;
            store_q(q, LC_GROUP, out);
        }
    }
    return best_s;
}

/* The row scale that fits s and q best; 0 when all are 0. */
static double t16_refit(const lc_quant_work *work, const lc_quant_row *row, uint32_t groups)
{
    double above = 0.0, below = 0.0;
    for (uint32_t g = 0; g < groups; g++) {
        double sq[LC_GROUP];
        for (uint32_t k = 0; k < LC_GROUP; k++) {
            sq[k] = (double)(row->s[g] * row->q[g * LC_GROUP + k]);
        }
        above += dot(sq, work->w + g * LC_GROUP, work->wt + g * LC_GROUP);
        below += dot(sq, sq, work->wt + g * LC_GROUP);
    }
    return below > 0.0 ? above / below : 0.0;
}

bool lc_quant_row_t16(const float *w, uint32_t cols, lc_quant_work *work, lc_quant_row *row)
{
    uint32_t groups = groups_of(cols);
    double most = 0.0;
    if (!widen(w, cols, work->w)) {
        return false;
    }
    for (uint32_t g = 0; g < groups; g++) {
        double d = t16_candidates(work->w + g * LC_GROUP, work->wt + g * LC_GROUP,
                                  work->d + g * LC_QUANT_CANDIDATES);
        most = d > most ? d : most;
    }
    row->rs = (float)(most / 127.0);
    memset(row->m, 0, groups);
    for (uint32_t pass = 0; pass < 2; pass++) {
        double rs = (double)row->rs;
        if (rs < SCALE_MIN) {
            return zero_row(cols, row);
        }
        for (uint32_t g = 0; g < groups; g++) {
            row->s[g] = t16_choose(work->w + g * LC_GROUP, work->wt + g * LC_GROUP,
                                   work->d + g * LC_QUANT_CANDIDATES, rs, row->q + g * LC_GROUP);
        }
        row->rs = (float)t16_refit(work, row, groups);
    }
    return (double)row->rs < SCALE_MIN ? zero_row(cols, row) : (double)row->rs <= SCALE_MAX;
}

/* ---- T16A ---- */

typedef struct line {
    double d, b; /* w = d q + b */
} line;

static const double ONES[LC_GROUP] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                      1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

/* Least squares of (d, b) for q; the given line where there is none with d > 0. */
static line t16a_refit(const double *w, const double *wt, const double *q, line given)
{
    double n = dot(ONES, ONES, wt), sq = dot(q, ONES, wt), sqq = dot(q, q, wt);
    double sw = dot(w, ONES, wt), sqw = dot(q, w, wt);
    double det = n * sqq - sq * sq;
    if (!(det > 0.0)) {
        return given;
    }
    double d = (n * sqw - sq * sw) / det;
    line fit = {d, (sw - d * sq) / n};
    return d > 0.0 ? fit : given;
}

/* The best line of one group of n true columns. */
static line t16a_search(const double *w, const double *wt, uint32_t n)
{
    double q[LC_GROUP], low = w[0], high = w[0];
    for (uint32_t k = 0; k < n; k++) {
        low = w[k] < low ? w[k] : low;
        high = w[k] > high ? w[k] : high;
    }
    double middle = (low + high) / 2.0, best = -1.0;
    line best_line = {0.0, middle};
    if (low == high) {
        return best_line;
    }
    for (uint32_t i = 0; i < 64; i++) {
        double a = middle + (low - middle) * SHRINKS[i / 8];
        double z = middle + (high - middle) * SHRINKS[i % 8];
        line l = {(z - a) / 15.0, 0.0};
        l.b = a + 8.0 * l.d;
        quantise(w, l.d, l.b, q);
        l = t16a_refit(w, wt, q, l);
        quantise(w, l.d, l.b, q);
        double e = loss(w, wt, q, l.d, l.b);
        if (best < 0.0 || e < best) {
            best = e;
            best_line = l;
        }
    }
    return best_line;
}

static uint32_t true_cols(uint32_t cols, uint32_t g)
{
    uint32_t left = cols - g * LC_GROUP;
    return left < LC_GROUP ? left : LC_GROUP;
}

/* Scale, offset and weights of the line, rounded in this order. */
static void t16a_round(const double *w, line l, double rs, uint32_t n, uint32_t g,
                       lc_quant_row *row)
{
    double q[LC_GROUP];
    double s = clamped_round(l.d / rs, 1.0, 127.0);
    double m = clamped_round(l.b / (8.0 * rs), -127.0, 127.0);
    quantise(w, s * rs, 8.0 * m * rs, q);
    row->s[g] = (int8_t)s;
    row->m[g] = (int8_t)m;
    store_q(q, n, row->q + g * LC_GROUP);
}

bool lc_quant_row_t16a(const float *w, uint32_t cols, lc_quant_work *work, lc_quant_row *row)
{
    uint32_t groups = groups_of(cols);
    double most = 0.0;
    if (!widen(w, cols, work->w)) {
        return false;
    }
    for (uint32_t g = 0; g < groups; g++) {
        line l = t16a_search(work->w + g * LC_GROUP, work->wt + g * LC_GROUP, true_cols(cols, g));
        double of_b = max_abs(&l.b, 1) / 1016.0, of_d = l.d / 127.0;
        work->d[g] = l.d;
        work->b[g] = l.b;
        most = of_d > most ? of_d : most;
        most = of_b > most ? of_b : most;
    }
    row->rs = (float)most;
    double rs = (double)row->rs;
    if (rs < SCALE_MIN) {
        return zero_row(cols, row);
    }
    for (uint32_t g = 0; g < groups; g++) {
        line l = {work->d[g], work->b[g]};
        t16a_round(work->w + g * LC_GROUP, l, rs, true_cols(cols, g), g, row);
    }
    return rs <= SCALE_MAX;
}

void lc_quant_group(uint32_t type, const double *w, const double *wt, uint32_t n, uint32_t g,
                    lc_quant_row *row)
{
    double d[LC_QUANT_CANDIDATES], rs = (double)row->rs;
    if (type == LC_W_T16A) {
        t16a_round(w, t16a_search(w, wt, n), rs, n, g, row);
        return;
    }
    (void)t16_candidates(w, wt, d);
    row->s[g] = t16_choose(w, wt, d, rs, row->q + g * LC_GROUP);
    row->m[g] = 0;
}

/* ---- R8 ---- */

bool lc_quant_row_r8(const float *w, uint32_t cols, lc_quant_row *row)
{
    double most = 0.0;
    bool finite = true;
    for (uint32_t k = 0; k < cols; k++) {
        double a = (double)w[k];
        finite = finite && a - a == 0.0;
        a = a < 0.0 ? -a : a;
        most = a > most ? a : most;
    }
    row->rs = (float)(most / 127.0);
    double rs = (double)row->rs;
    if (!finite || rs > SCALE_MAX) {
        return false;
    }
    if (rs < SCALE_MIN) {
        row->rs = 0.0f;
    }
    memset(row->q, 0, (size_t)groups_of(cols) * LC_GROUP);
    for (uint32_t k = 0; k < cols && row->rs > 0.0f; k++) {
        row->q[k] = (int8_t)clamped_round((double)w[k] / rs, -127.0, 127.0);
    }
    return true;
}

/* ---- Q4_0 as T16 ---- */

static double block_scale(const uint8_t *block)
{
    return (double)lc_half_float((uint16_t)(block[0] | (block[1] << 8)));
}

bool lc_quant_row_q4_0(const uint8_t *blocks, uint32_t cols, lc_quant_row *row)
{
    uint32_t groups = cols / LC_GROUP;
    double most = 0.0;
    for (uint32_t g = 0; g < groups; g++) {
        double d = block_scale(blocks + g * LC_Q4_0_BYTES);
        if (d - d != 0.0) {
            return false;
        }
        d = max_abs(&d, 1);
        most = d > most ? d : most;
    }
    if (most == 0.0) {
        return zero_row(cols, row);
    }
    row->rs = (float)(most / 127.0);
    memset(row->m, 0, groups);
    for (uint32_t g = 0; g < groups; g++) {
        const uint8_t *block = blocks + g * LC_Q4_0_BYTES;
        row->s[g] = (int8_t)clamped_round(block_scale(block) / most * 127.0, -127.0, 127.0);
        for (uint32_t k = 0; k < 16; k++) {
            bool zero = row->s[g] == 0; /* s = 0 demands q = 0 */
            row->q[g * LC_GROUP + k] = zero ? 0 : (int8_t)((block[2 + k] & 15) - 8);
            row->q[g * LC_GROUP + 16 + k] = zero ? 0 : (int8_t)((block[2 + k] >> 4) - 8);
        }
    }
    return true;
}
