/* dense.h - symmetric matrices in binary64 for calibration: sums of x x^T and their factors.
 *
 * Only the upper triangle counts (row i from column i on). Every element is computed in one fixed
 * order, whatever the width of vectors and the number of threads: no libm but the square root.
 */
#ifndef LC_DENSE_H
#define LC_DENSE_H

#include "../../runtime/tasks.h"

#define LC_DENSE_BLOCK 32u

/* a += sign * sum over t of x[t] x[t]^T. a [n][n]; x [count][stride], count at most
 * LC_DENSE_BLOCK, stride at least n rounded up to 4 with zeros beyond n. */
void lc_dense_update(const lc_tasks *tasks, double *a, uint32_t n, double sign, const double *x,
                     uint32_t count, uint32_t stride);
/* Replaces a positive definite a by the upper u with u^T u = a^-1. work: LC_DENSE_BLOCK * (n
 * rounded up to 4) doubles. Returns 0 when a is not positive definite: a is then of no use. */
int lc_dense_inverse_root(const lc_tasks *tasks, double *a, uint32_t n, double *work);

#endif
