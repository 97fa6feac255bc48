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

LC_INLINE float row_dot(const float *w, uint32_t cols, const float *x)
{
    lc_v4 sum = lc_v4_all(0.0f);
    uint32_t c = 0;
    for (; c + 4 <= cols; c += 4)
        sum += lc_v4_load(w + c) * lc_v4_load(x + c);
    if (c < cols)
        sum += lc_v4_load_part(w + c, cols - c) * lc_v4_load_part(x + c, cols - c);
    return lc_v4_sum(sum);
}

/* Four rows share each load of x. */
LC_INLINE void four_rows_dot(const float *w, uint32_t cols, const float *x, float *y)
{
    const float *w1 = w + cols;
    const float *w2 = w1 + cols;
    const float *w3 = w2 + cols;
    lc_v4 s0 = lc_v4_all(0.0f), s1 = s0, s2 = s0, s3 = s0;
    uint32_t c = 0;
    for (; c + 4 <= cols; c += 4) {
        lc_v4 v = lc_v4_load(x + c);
        s0 += lc_v4_load(w + c) * v;
        s1 += lc_v4_load(w1 + c) * v;
        s2 += lc_v4_load(w2 + c) * v;
        s3 += lc_v4_load(w3 + c) * v;
    }
    if (c < cols) {
        uint32_t n = cols - c;
        lc_v4 v = lc_v4_load_part(x + c, n);
        s0 += lc_v4_load_part(w + c, n) * v;
        s1 += lc_v4_load_part(w1 + c, n) * v;
        s2 += lc_v4_load_part(w2 + c, n) * v;
        s3 += lc_v4_load_part(w3 + c, n) * v;
    }
    lc_v4_store(y, lc_v4_sum4(s0, s1, s2, s3));
}

void lc_gemv_f32_v4(const float *w, uint32_t rows, uint32_t cols, const float *x, float *y)
{
    uint32_t r = 0;
    for (; r + 4 <= rows; r += 4)
        four_rows_dot(w + (size_t)r * cols, cols, x, y + r);
    for (; r < rows; r++)
        y[r] = row_dot(w + (size_t)r * cols, cols, x);
}
