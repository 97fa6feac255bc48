/* Error-compensating rounding (GPTQ) of a panel: what rounding one column does to the outputs is
 * undone by the columns after it as well as they can, by what is known of the inputs. */
#include "quant.h"

#define ROWS LC_TILE_ROWS

/* Columns of one group: their errors over the diagonal of the root, by row. */
typedef struct group_errors {
    double e[LC_GROUP][ROWS];
} group_errors;

/* to[r] -= sum over columns c of count of errors e[c][r] u[c * stride] */
static void take(double *to, const group_errors *g, uint32_t count, const double *u, size_t stride)
{
    double left[ROWS];
    for (uint32_t r = 0; r < ROWS; r++) {
        left[r] = to[r];
    }
    for (uint32_t c = 0; c < count; c++) {
        double by = u[c * stride];
        for (uint32_t r = 0; r < ROWS; r++) {
            left[r] -= g->e[c][r] * by;
        }
    }
    for (uint32_t r = 0; r < ROWS; r++) {
        to[r] = left[r];
    }
}

/* s and m of each row from the columns as they are now. Weights: 1 / u_jj^2. */
static void choose(uint32_t type, const double *w, const double *wt, uint32_t n, uint32_t g,
                   lc_quant_row *row)
{
    for (uint32_t r = 0; r < ROWS; r++) {
        double column[LC_GROUP];
        if (row[r].rs > 0.0f) {
            for (uint32_t k = 0; k < LC_GROUP; k++) {
                column[k] = w[(size_t)k * ROWS + r];
            }
            lc_quant_group(type, column, wt, n, g, &row[r]);
        }
    }
}

/* One column: q of each row and what is left over. */
static void round_column(const double *w, double u, uint32_t k, lc_quant_row *row, double *error)
{
    for (uint32_t r = 0; r < ROWS; r++) {
        double rs = (double)row[r].rs, s = (double)row[r].s[k / LC_GROUP] * rs;
        double b = 8.0 * (double)row[r].m[k / LC_GROUP] * rs;
        row[r].q[k] = (int8_t)(s > 0.0 || s < 0.0 ? lc_quant_nibble((w[r] - b) / s) : 0.0);
        error[r] = (w[r] - (s * (double)row[r].q[k] + b)) / u;
    }
}

void lc_quant_compensated(uint32_t type, uint32_t cols, const double *root, double *w,
                          lc_quant_row *row)
{
    for (uint32_t from = 0; from < cols; from += LC_GROUP) {
        uint32_t n = cols - from < LC_GROUP ? cols - from : LC_GROUP;
        const double *u = root + (size_t)from * cols; /* [n][cols] */
        double wt[LC_GROUP] = {0};
        group_errors g;
        for (uint32_t c = 0; c < n; c++) {
            double d = u[(size_t)c * cols + from + c];
            wt[c] = 1.0 / (d * d);
        }
        choose(type, w + (size_t)from * ROWS, wt, n, from / LC_GROUP, row);
        for (uint32_t c = 0; c < n; c++) {
            double *column = w + (size_t)(from + c) * ROWS;
            take(column, &g, c, u + from + c, cols);
            round_column(column, u[(size_t)c * cols + from + c], from + c, row, g.e[c]);
        }
        for (uint32_t k = from + n; k < cols; k++) {
            take(w + (size_t)k * ROWS, &g, n, u + k, cols);
        }
    }
}
