/* quant.h - weights to T16, T16A and R8: the search of one row, and whole matrices.
 *
 * All arithmetic is binary64 in a fixed order (sums over four lanes: column k in lane k mod 4, then
 * (0 + 1) + (2 + 3)), without libm and fused operations: the same weights give the same bytes on
 * every machine and for every number of threads.
 */
#ifndef LC_QUANT_H
#define LC_QUANT_H

#include "../../kernels/kernels.h"
#include "../../runtime/err.h"

/* One quantised row: value(k) = rs * (s[k / 32] * q[k] + 8 * m[k / 32]); R8: rs * q[k]. */
typedef struct lc_quant_row {
    float rs;
    int8_t *q; /* [groups * 32] 0 beyond the true columns */
    int8_t *s; /* [groups] T16, T16A */
    int8_t *m; /* [groups] T16A, 0 in T16 */
} lc_quant_row;

/* Memory that the search of a row needs; one for each thread. */
typedef struct lc_quant_work {
    double *w;  /* [groups * 32] */
    double *d;  /* [groups][LC_QUANT_CANDIDATES] scales worth trying */
    double *b;  /* [groups] T16A: best offset */
    double *wt; /* [groups * 32] what an error in each column counts, 0 beyond the true columns */
} lc_quant_work;

#define LC_QUANT_CANDIDATES 30u

/* All columns count alike. False: out of memory. */
bool lc_quant_work_init(lc_quant_work *work, uint32_t cols);
void lc_quant_work_weigh(lc_quant_work *work, uint32_t cols, const double *weight /* or NULL */);
void lc_quant_work_free(lc_quant_work *work);

/* Quantises w[cols]. False when it holds a NaN, an infinity, or a scale above 2^100. A row whose
 * scale would lie below 2^-100 becomes zero. */
bool lc_quant_row_t16(const float *w, uint32_t cols, lc_quant_work *work, lc_quant_row *row);
bool lc_quant_row_t16a(const float *w, uint32_t cols, lc_quant_work *work, lc_quant_row *row);
bool lc_quant_row_r8(const float *w, uint32_t cols, lc_quant_row *row);
/* Keeps the nibbles of a Q4_0 row: blocks [cols / 32][18]. q stays, s = round(d / max|d| * 127). */
bool lc_quant_row_q4_0(const uint8_t *blocks, uint32_t cols, lc_quant_row *row);

/* What is known of the inputs x of a matrix; then it is their outputs that are to stay, and not the
 * weights. */
typedef struct lc_quant_inputs {
    const double *weight; /* [cols] mean of x^2, all above 0 */
    const double *root; /* [cols][cols] upper u with u^T u = mean(x x^T)^-1; NULL: rows are searched
                           with `weight` and errors are not compensated */
} lc_quant_inputs;

double lc_quant_nibble(double x); /* rounded half to even, -8 to 7 */
/* The group search with the row's scale given, for columns [32] of which n are true: q, s and m of
 * group g of row. wt: what an error in each column counts. */
void lc_quant_group(uint32_t type, const double *w, const double *wt, uint32_t n, uint32_t g,
                    lc_quant_row *row);
/* 16 rows quantised column after column, each error handed on to the columns that follow so that
 * the outputs change least. w [groups * 32][16] is used up; row[].rs is given, zero in a zero row.
 */
void lc_quant_compensated(uint32_t type, uint32_t cols, const double *root, double *w,
                          lc_quant_row *row);

/* A matrix to quantise. */
typedef struct lc_quant_source {
    uint32_t rows, cols;
    void (*row)(const void *ctx, uint32_t r, float *out); /* out[cols]; from several threads */
    const void *ctx;
    const uint8_t *q4_0;           /* [rows][cols / 32][18] to be kept as T16, or NULL */
    const lc_quant_inputs *inputs; /* T16, T16A; NULL: the weights are kept as near as can be */
} lc_quant_source;

/* Data and scales as stored, scales at a multiple of 64 (FORMAT.md). */
uint64_t lc_quant_bytes(uint32_t type, uint32_t rows, uint32_t cols);
/* The matrix whose lc_quant_bytes lie at data, 64-byte aligned. */
lc_mat lc_quant_mat(uint32_t type, uint32_t rows, uint32_t cols, const uint8_t *data);
/* Writes lc_quant_bytes at out, which must be zero. *sqnr_db is 10 log10(signal / noise) against
 * the source, infinite when nothing is lost. Errors: NUMBER (a weight is not finite or too large),
 * with the row as the offset; ARENA. */
lc_err lc_quant_matrix(uint32_t type, const lc_quant_source *source, uint32_t threads, uint8_t *out,
                       double *sqnr_db, lc_diag *diag) LC_CHECKED;

#endif
