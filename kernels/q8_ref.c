/* q8_ref.c - scalar reference of the R8 products (int8 rows: embedding and head).
 *
 *   dot  = sum over 32 columns of q * a       |dot| <= 32 * 128 * 127 = 520192, in int32
 *   acc += rshr(dot, e)                       int32
 * acc[tokens][16]; entries of rows beyond `rows` stay as they are.
 */
#include "level.h"
#include "q4.h"

LC_INLINE int32_t group_dot(const int8_t *w, const int8_t *a, uint32_t tokens)
{
    int32_t dot = 0;
    for (uint32_t c = 0; c < LC_GROUP; c++)
        dot += w[c] * a[(c / 4) * 4 * tokens + c % 4];
    return dot;
}

LC_INLINE void rows_dot(const int8_t *w, uint32_t rows, uint32_t groups, uint32_t tokens,
                        const lc_act *x, int32_t *acc)
{
    for (uint32_t t = 0; t < tokens; t++) {
        for (uint32_t r = 0; r < rows; r++) {
            const int8_t *row = w + (size_t)r * groups * LC_GROUP;
            int32_t sum = 0;
            for (uint32_t g = 0; g < groups; g++) {
                const int8_t *a = x->a + (size_t)g * LC_GROUP * tokens + t * 4;
                int32_t dot = group_dot(row + (size_t)g * LC_GROUP, a, tokens);
                sum += lc_rshr(dot, -x->ne[g * tokens + t]);
            }
            acc[t * LC_TILE_ROWS + r] = sum;
        }
    }
}

void lc_gemv_q8_ref(const int8_t *w, uint32_t rows, uint32_t groups, const lc_act *x, int32_t *acc)
{
    rows_dot(w, rows, groups, 1, x, acc);
}

void lc_gemm_q8_ref(const int8_t *w, uint32_t rows, uint32_t groups, const lc_act *x, int32_t *acc)
{
    rows_dot(w, rows, groups, LC_BLOCK, x, acc);
}
