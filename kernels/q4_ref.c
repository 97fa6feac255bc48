/* q4_ref.c - scalar reference of the 4-bit products: the definition, and the generic build. */
#include "level.h"
#include "q4.h"

/* Adds one tile's part of `tokens` (1 or 4) tokens to acc[tokens][16]; a is this group's
 * [8][tokens][4], ne and c8s are [tokens]. */
LC_INLINE void tile_add(const uint8_t *tile, bool offsets, uint32_t tokens, const int8_t *a,
                        const int16_t *ne, const int16_t *c8s, int32_t *acc)
{
    const int8_t *s = (const int8_t *)tile;
    const int8_t *m = s + LC_TILE_ROWS;
    const uint8_t *d = tile + lc_q4_data_offset(offsets);
    for (uint32_t t = 0; t < tokens; t++) {
        for (uint32_t r = 0; r < LC_TILE_ROWS; r++) {
            int32_t dot = 0;
            for (uint32_t c = 0; c < LC_GROUP; c++)
                dot += lc_q4_get(d, r, c) * a[(c / 4) * 4 * tokens + t * 4 + c % 4];
            int32_t sum = s[r] * lc_rshr(dot, -ne[t]);
            if (offsets)
                sum += m[r] * c8s[t];
            acc[t * LC_TILE_ROWS + r] += sum;
        }
    }
}

LC_INLINE void panel_dot(const uint8_t *panel, uint32_t groups, bool offsets, uint32_t tokens,
                         const lc_act *x, int32_t *acc)
{
    for (uint32_t i = 0; i < tokens * LC_TILE_ROWS; i++)
        acc[i] = 0;
    for (uint32_t g = 0; g < groups; g++) {
        tile_add(panel, offsets, tokens, x->a + (size_t)g * LC_GROUP * tokens, x->ne + g * tokens,
                 x->c8s + g * tokens, acc);
        panel += lc_q4_tile_bytes(offsets);
    }
}

void lc_gemv_q4_ref(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    panel_dot(panel, groups, false, 1, x, acc);
}

void lc_gemm_q4_ref(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    panel_dot(panel, groups, false, LC_BLOCK, x, acc);
}

void lc_gemv_q4a_ref(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    panel_dot(panel, groups, true, 1, x, acc);
}

void lc_gemm_q4a_ref(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc)
{
    panel_dot(panel, groups, true, LC_BLOCK, x, acc);
}
