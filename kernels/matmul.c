/* matmul.c - activations of many tokens, and the products that use them.
 *
 * A panel of 16 rows is read once from memory and meets every block of tokens while it is in the
 * first cache; y = ((float)acc * row scale) * token scale, two multiplies in this order.
 */
#include "level.h"
#include "q4.h"
#include "vec.h"

#define ALIGN 64u

/* ---- activations ---- */

/* Tokens of the block that starts where `left` tokens are left: four, also for the last three (a
 * padded block of four costs about what three single tokens do), else one. */
LC_INLINE uint32_t block_tokens(uint32_t left)
{
    return left >= LC_BLOCK - 1 ? LC_BLOCK : 1;
}

typedef struct acts_layout {
    size_t a, ne, c8, c8s, scale, end; /* byte offsets */
} acts_layout;

static acts_layout layout_of(uint32_t n, uint32_t cols)
{
    size_t tokens = LC_ROUND_UP((size_t)n, LC_BLOCK);
    size_t groups = LC_ROUND_UP((size_t)cols, LC_GROUP) / LC_GROUP;
    size_t half = LC_ROUND_UP(tokens * groups * sizeof(int16_t), ALIGN);
    acts_layout l;
    l.a = 0;
    l.ne = LC_ROUND_UP(tokens * groups * LC_GROUP, ALIGN);
    l.c8 = l.ne + half;
    l.c8s = l.c8 + half;
    l.scale = l.c8s + half;
    l.end = LC_ROUND_UP(l.scale + tokens * sizeof(float) + LC_READ_AHEAD, ALIGN);
    return l;
}

size_t lc_acts_bytes(uint32_t n, uint32_t cols)
{
    return layout_of(n, cols).end;
}

void lc_acts_init(lc_acts *acts, void *mem, uint32_t n, uint32_t cols)
{
    acts_layout l = layout_of(n, cols);
    uint8_t *base = mem;
    *acts = (lc_acts){.cols = cols, .groups = (cols + LC_GROUP - 1) / LC_GROUP};
    acts->a = (int8_t *)base;
    acts->ne = (int16_t *)(void *)(base + l.ne);
    acts->c8 = (int16_t *)(void *)(base + l.c8);
    acts->c8s = (int16_t *)(void *)(base + l.c8s);
    acts->scale = (float *)(void *)(base + l.scale);
}

static bool all_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((lc_float_bits(x[i]) & 0x7f800000u) == 0x7f800000u)
            return false;
    return true;
}

/* Quantises the tokens from t0 on into one block of `tokens`; those beyond n stay zero. */
static bool block_set(const lc_kernels *k, lc_acts *acts, uint32_t t0, uint32_t tokens)
{
    size_t first = (size_t)t0 * acts->groups;
    size_t count = (size_t)tokens * acts->groups;
    if (t0 + tokens > acts->n) {
        memset(acts->a + first * LC_GROUP, 0, count * LC_GROUP);
        memset(acts->ne + first, 0, count * sizeof(int16_t));
        memset(acts->c8 + first, 0, count * sizeof(int16_t));
        memset(acts->c8s + first, 0, count * sizeof(int16_t));
        memset(acts->scale + t0, 0, tokens * sizeof(float));
    }
    for (uint32_t t = 0; t < tokens && t0 + t < acts->n; t++) {
        const float *x = acts->x + (size_t)(t0 + t) * acts->cols;
        if (!k->quantise(x, acts->cols, t, tokens, acts->a + first * LC_GROUP, acts->ne + first,
                         acts->c8 + first, acts->c8s + first, acts->scale + t0))
            return false;
    }
    return true;
}

bool lc_acts_set(const lc_kernels *k, lc_acts *acts, const float *x, uint32_t n, uint32_t cols,
                 bool quantised)
{
    acts->x = x;
    acts->n = n;
    acts->cols = cols;
    acts->groups = (cols + LC_GROUP - 1) / LC_GROUP;
    if (!quantised)
        return all_finite(x, (size_t)n * cols);
    for (uint32_t t0 = 0; t0 < n;) {
        uint32_t tokens = block_tokens(n - t0);
        if (!block_set(k, acts, t0, tokens))
            return false;
        t0 += tokens;
    }
    return true;
}

/* ---- products ---- */

uint32_t lc_matmul_blocks(const lc_mat *w)
{
    return (w->rows + LC_TILE_ROWS - 1) / LC_TILE_ROWS;
}

/* The block of activations that starts at token t0. */
static lc_act block_at(const lc_acts *x, uint32_t t0)
{
    size_t first = (size_t)t0 * x->groups;
    lc_act act = {.a = x->a + first * LC_GROUP,
                  .ne = x->ne + first,
                  .c8 = x->c8 + first,
                  .c8s = x->c8s + first,
                  .scale = x->scale + t0};
    return act;
}

/* Bytes of 16 rows. */
static size_t block_bytes(const lc_mat *w, uint32_t groups)
{
    return (size_t)groups * (w->type == LC_W_T16    ? LC_T16_BYTES
                             : w->type == LC_W_T16A ? LC_T16A_BYTES
                                                    : LC_TILE_ROWS * LC_GROUP);
}

/* acc[16] or acc[4][16] of a row block for one block of tokens. */
LC_INLINE void block_product(const lc_kernels *k, uint32_t type, const uint8_t *data, uint32_t rows,
                             bool one, uint32_t groups, const lc_act *act, int32_t *acc)
{
    if (type == LC_W_T16)
        (one ? k->gemv_q4 : k->gemm_q4)(data, groups, act, acc);
    else if (type == LC_W_T16A)
        (one ? k->gemv_q4a : k->gemm_q4a)(data, groups, act, acc);
    else
        (one ? k->gemv_q8 : k->gemm_q8)((const int8_t *)data, rows, groups, act, acc);
}

LC_INLINE lc_v4 scaled(const int32_t *acc, lc_v4 scale, lc_v4 token_scale)
{
    return (__builtin_convertvector(*(const lc_i4_mem *)acc, lc_v4) * scale) * token_scale;
}

/* y[16] = ((float)acc * scale) * token_scale of one token; scale of the rows already loaded. */
LC_INLINE void scale_panel(const int32_t *acc, lc_v4x4 scale, float token_scale, float *y)
{
    lc_v4 all = lc_v4_all(token_scale);
    lc_v4_store(y, scaled(acc, scale.a, all));
    lc_v4_store(y + 4, scaled(acc + 4, scale.b, all));
    lc_v4_store(y + 8, scaled(acc + 8, scale.c, all));
    lc_v4_store(y + 12, scaled(acc + 12, scale.d, all));
}

/* The same for the last rows, fewer than 16. */
static void scale_rows(const int32_t *acc, const float *scale, float token_scale, uint32_t rows,
                       float *y)
{
    for (uint32_t r = 0; r < rows; r++)
        y[r] = ((float)acc[r] * scale[r]) * token_scale;
}

/* All tokens of one block: acc[tokens][16] to y, `n` of them true. */
static void scale_block(const int32_t *acc, const float *scale, const float *token_scale,
                        uint32_t n, uint32_t rows, float *y, size_t y_stride)
{
    if (rows < LC_TILE_ROWS) {
        for (uint32_t t = 0; t < n; t++)
            scale_rows(acc + t * LC_TILE_ROWS, scale, token_scale[t], rows, y + t * y_stride);
        return;
    }
    lc_v4x4 row_scale = lc_v4x4_load(scale);
    for (uint32_t t = 0; t < n; t++)
        scale_panel(acc + t * LC_TILE_ROWS, row_scale, token_scale[t], y + t * y_stride);
}

static void matmul_float(const lc_kernels *k, const lc_mat *w, const float *bias, const lc_acts *x,
                         float *y, size_t y_stride, uint32_t r0, uint32_t rows)
{
    const float *weights = (const float *)w->data + (size_t)r0 * w->cols;
    for (uint32_t t = 0; t < x->n; t++) {
        float *yt = y + t * y_stride + r0;
        k->gemv_f32(weights, rows, w->cols, x->x + (size_t)t * w->cols, yt);
        if (bias)
            k->add(yt, bias + r0, rows);
    }
}

/* ---- long prompts: a panel unpacked once for many tokens ---- */

/* Stack of the calling thread: at most 10 KiB of weights and 8 KiB of sums. */
#define PANEL_BYTES (32u * LC_UNPACKED_BYTES) /* unpacked at once */
#define PANEL_TOKENS 128u

/* Groups [g0, g0 + groups) of some rows with the tokens of whole blocks. */
static void panel_add(const lc_kernels *k, const lc_mat *w, const uint8_t *tile, uint32_t row,
                      uint32_t g0, uint32_t groups, const lc_acts *x, uint32_t t0, uint32_t tokens,
                      int32_t *acc)
{
    _Alignas(64) int8_t unpacked[PANEL_BYTES];
    bool offsets = w->type == LC_W_T16A;
    k->unpack_q4(tile, groups, offsets, row, unpacked);
    size_t first = (size_t)t0 * x->groups + g0 * LC_BLOCK;
    lc_act act = {x->a + first * LC_GROUP, x->ne + first, x->c8 + first, x->c8s + first, NULL};
    k->gemm_unpacked(unpacked, groups, offsets, &act, x->groups, tokens / LC_BLOCK, acc + row);
}

/* y of up to PANEL_TOKENS tokens from t0 on, in whole blocks of four. */
static void panel_product(const lc_kernels *k, const lc_mat *w, const float *bias, const lc_acts *x,
                          float *y, size_t y_stride, uint32_t r0, uint32_t t0, uint32_t tokens)
{
    int32_t acc[PANEL_TOKENS * LC_TILE_ROWS];
    uint32_t tile_bytes = lc_q4_tile_bytes(w->type == LC_W_T16A);
    const uint8_t *panel = w->data;
    panel += (size_t)(r0 / LC_TILE_ROWS) * x->groups * tile_bytes;
    uint32_t rows = w->rows - r0 < LC_TILE_ROWS ? w->rows - r0 : LC_TILE_ROWS;
    memset(acc, 0, tokens * LC_TILE_ROWS * sizeof acc[0]);
    uint32_t at_once = PANEL_BYTES / (k->panel_rows / 8 * LC_UNPACKED_BYTES);
    for (uint32_t g = 0; g < x->groups; g += at_once) {
        uint32_t groups = x->groups - g < at_once ? x->groups - g : at_once;
        const uint8_t *tile = panel + (size_t)g * tile_bytes;
        for (uint32_t row = 0; row < LC_TILE_ROWS; row += k->panel_rows)
            panel_add(k, w, tile, row, g, groups, x, t0, tokens, acc);
    }
    uint32_t n = x->n - t0 < tokens ? x->n - t0 : tokens;
    float *yb = y + t0 * y_stride + r0;
    scale_block(acc, w->scale + r0, x->scale + t0, n, rows, yb, y_stride);
    for (uint32_t t = 0; bias && t < n; t++)
        k->add(yb + t * y_stride, bias + r0, rows);
}

/* Tokens from t0 on that one unpacked panel serves; 0: too few, or nothing is gained. */
static uint32_t panel_tokens(const lc_kernels *k, const lc_mat *w, const lc_acts *x, uint32_t t0)
{
    uint32_t left = x->n - t0;
    if (w->type == LC_W_R8 || k->unpack_q4 == NULL || left < k->panel_tokens)
        return 0;
    uint32_t blocks = left / LC_BLOCK + (left % LC_BLOCK == LC_BLOCK - 1);
    return blocks * LC_BLOCK < PANEL_TOKENS ? blocks * LC_BLOCK : PANEL_TOKENS;
}

static void matmul_int(const lc_kernels *k, const lc_mat *w, const float *bias, const lc_acts *x,
                       float *y, size_t y_stride, uint32_t r0, uint32_t rows)
{
    int32_t acc[LC_BLOCK * LC_TILE_ROWS];
    const uint8_t *data = w->data;
    data += r0 / LC_TILE_ROWS * block_bytes(w, x->groups);
    for (uint32_t t0 = 0; t0 < x->n;) {
        uint32_t many = panel_tokens(k, w, x, t0);
        if (many > 0) {
            panel_product(k, w, bias, x, y, y_stride, r0, t0, many);
            t0 += many;
            continue;
        }
        uint32_t tokens = block_tokens(x->n - t0);
        lc_act act = block_at(x, t0);
        block_product(k, w->type, data, rows, tokens == 1, x->groups, &act, acc);
        uint32_t n = x->n - t0 < tokens ? x->n - t0 : tokens;
        float *yb = y + t0 * y_stride + r0;
        scale_block(acc, w->scale + r0, act.scale, n, rows, yb, y_stride);
        for (uint32_t t = 0; bias && t < n; t++)
            k->add(yb + t * y_stride, bias + r0, rows);
        t0 += tokens;
    }
}

/* One token: nothing but products and scales in the loop. */
static void matmul_one(const lc_kernels *k, const lc_mat *w, const lc_acts *x, float *y,
                       uint32_t b0, uint32_t b1)
{
    _Alignas(16) int32_t acc[LC_TILE_ROWS];
    const lc_act act = block_at(x, 0);
    size_t bytes = block_bytes(w, x->groups);
    const uint8_t *data = (const uint8_t *)w->data + b0 * bytes;
    const uint32_t type = w->type, groups = x->groups, last = w->rows / LC_TILE_ROWS;
    const float token_scale = x->scale[0];
    for (uint32_t b = b0; b < b1; b++, data += bytes) {
        uint32_t r0 = b * LC_TILE_ROWS;
        uint32_t rows = b < last ? LC_TILE_ROWS : w->rows - r0;
        block_product(k, type, data, rows, true, groups, &act, acc);
        if (rows == LC_TILE_ROWS)
            scale_panel(acc, lc_v4x4_load(w->scale + r0), token_scale, y + r0);
        else
            scale_rows(acc, w->scale + r0, token_scale, rows, y + r0);
    }
}

void lc_matmul(const lc_kernels *k, const lc_mat *w, const float *bias, const lc_acts *x, float *y,
               size_t y_stride, uint32_t b0, uint32_t b1)
{
    if (x->n == 1 && w->type != LC_W_F32 && b0 < b1) {
        uint32_t end = b1 * LC_TILE_ROWS < w->rows ? b1 * LC_TILE_ROWS : w->rows;
        matmul_one(k, w, x, y, b0, b1);
        if (bias)
            k->add(y + b0 * LC_TILE_ROWS, bias + b0 * LC_TILE_ROWS, end - b0 * LC_TILE_ROWS);
        return;
    }
    for (uint32_t b = b0; b < b1; b++) {
        uint32_t r0 = b * LC_TILE_ROWS;
        uint32_t rows = w->rows - r0 < LC_TILE_ROWS ? w->rows - r0 : LC_TILE_ROWS;
        if (w->type == LC_W_F32)
            matmul_float(k, w, bias, x, y, y_stride, r0, rows);
        else
            matmul_int(k, w, bias, x, y, y_stride, r0, rows);
    }
}

/* ---- rows ---- */

lc_mat lc_mat_part(const lc_mat *w, uint32_t row, uint32_t rows)
{
    uint32_t groups = (w->cols + LC_GROUP - 1) / LC_GROUP;
    size_t bytes = w->type == LC_W_F32  ? w->cols * sizeof(float)
                   : w->type == LC_W_R8 ? (size_t)groups * LC_GROUP
                                        : block_bytes(w, groups) / LC_TILE_ROWS;
    lc_mat part = *w;
    part.rows = rows;
    part.data = (const uint8_t *)w->data + row * bytes;
    part.scale = w->scale != NULL ? w->scale + row : NULL;
    return part;
}

static void row_q4(const lc_mat *w, bool offsets, uint32_t r, float *out)
{
    uint32_t groups = (w->cols + LC_GROUP - 1) / LC_GROUP;
    uint32_t bytes = lc_q4_tile_bytes(offsets);
    uint32_t i = r % LC_TILE_ROWS;
    const uint8_t *tile = (const uint8_t *)w->data + (size_t)(r / LC_TILE_ROWS) * groups * bytes;
    for (uint32_t c = 0; c < w->cols; c++) {
        const uint8_t *at = tile + (size_t)(c / LC_GROUP) * bytes;
        int32_t q = lc_q4_get(at + lc_q4_data_offset(offsets), i, c % LC_GROUP);
        int32_t v = (int8_t)at[i] * q + (offsets ? 8 * (int8_t)at[LC_TILE_ROWS + i] : 0);
        out[c] = (float)v * w->scale[r];
    }
}

void lc_mat_row(const lc_mat *w, uint32_t r, float *out)
{
    if (w->type == LC_W_F32) {
        memcpy(out, (const float *)w->data + (size_t)r * w->cols, w->cols * sizeof(float));
    } else if (w->type == LC_W_R8) {
        const int8_t *q = (const int8_t *)w->data + (size_t)r * LC_ROUND_UP(w->cols, LC_GROUP);
        for (uint32_t c = 0; c < w->cols; c++)
            out[c] = (float)q[c] * w->scale[r];
    } else {
        row_q4(w, w->type == LC_W_T16A, r, out);
    }
}
