/* plain.h - the arithmetic of numbers.md once more, written from its text alone: no tiles, no
 * lanes, no kernel code. What the reference level itself is checked against. */
#ifndef LC_PLAIN_H
#define LC_PLAIN_H

#include "kernels.h"

enum { PLAIN_COLS_MAX = 16384, PLAIN_GROUPS_MAX = PLAIN_COLS_MAX / 32, PLAIN_TOKENS = 4 };

/* Sixteen rows of weights, unpacked. */
typedef struct plain_panel {
    uint32_t groups;
    int8_t q[16][PLAIN_COLS_MAX];
    int8_t s[16][PLAIN_GROUPS_MAX];
    int8_t m[16][PLAIN_GROUPS_MAX];
} plain_panel;

/* Quantised activations of up to four tokens, token after token. */
typedef struct plain_acts {
    uint32_t groups;
    int8_t a[PLAIN_TOKENS][PLAIN_COLS_MAX];
    uint8_t e[PLAIN_TOKENS][PLAIN_GROUPS_MAX];
    float scale[PLAIN_TOKENS];
} plain_acts;

int32_t plain_rshr(int32_t v, uint32_t e);
/* acc of one row and token: sum of s * rshr(dot, e) (+ m * rshr(8 sum a, e) with offsets). */
int32_t plain_q4(const plain_panel *w, uint32_t row, bool offsets, const plain_acts *x, uint32_t t);
/* acc of one R8 row: sum of rshr(dot, e). */
int32_t plain_q8(const int8_t *row, const plain_acts *x, uint32_t t);
/* QUANT_ACT of one token; false for NaN and infinity. Fills a, e, scale of place t. */
bool plain_quantise(const float *x, uint32_t cols, plain_acts *out, uint32_t t);

/* Where column k (0..31) of token t lies in a group of a block. */
uint32_t plain_place(uint32_t tokens, bool pairs, uint32_t t, uint32_t k);
/* Packs into the forms that kernels take; pairs: as lc_kernels.pairs. */
void plain_pack_tiles(const plain_panel *w, bool offsets, uint8_t *panel);
void plain_pack_acts(const plain_acts *x, uint32_t tokens, bool pairs, int8_t *a, int16_t *ne,
                     int16_t *c8, int16_t *c8s);

#endif
