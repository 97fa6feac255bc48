/* f32.c - y = W x in float, for F32 weights: the float path runs the same network code.
 *
 *   w [rows][cols]   x [cols]   y [rows]
 *
 * Order: column c of a row adds to lane c mod 4, then (0 + 1) + (2 + 3).
 */
#include "level.h"
#include "vec.h"

void lc_gemv_f32_ref(const float *w, uint32_t rows, uint32_t cols, const float *x, float *y)
{
    for (uint32_t r = 0; r < rows; r++) {
        float lane[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        for (uint32_t c = 0; c < cols; c++)
            lane[c % 4] += w[c] * x[c];
        y[r] = (lane[0] + lane[1]) + (lane[2] + lane[3]);
        w += cols;
    }
}

void lc_gemv_f32_v4(const float *w, uint32_t rows, uint32_t cols, const float *x, float *y)
{
    uint32_t r = 0;
    for (; r + 4 <= rows; r += 4) /* four rows share each load of x */
        lc_v4_store(y + r, lc_v4_rows_dot(x, w + (size_t)r * cols, cols, cols));
    for (; r < rows; r++)
        y[r] = lc_v4_dot(x, w + (size_t)r * cols, cols);
}
