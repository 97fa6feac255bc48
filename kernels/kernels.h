/* kernels.h - the arithmetic that every CPU level provides, and the calls that use it.
 *
 * One lc_kernels table per level (dispatch.c holds the only list). All levels give the same bits:
 * integer sums are exact up to the row scale, float sums run over four fixed lanes
 * (element k in lane k mod 4, then (0 + 1) + (2 + 3)), nothing is fused, no libm.
 */
#ifndef LC_KERNELS_H
#define LC_KERNELS_H

#include "base.h"

/* ---- weights ---- */

typedef enum lc_wtype {
    LC_W_F32 = 0,  /* float [rows][cols] */
    LC_W_T16 = 1,  /* 4.25 bits: tiles of 16 rows x 32 columns, int8 group scales */
    LC_W_T16A = 2, /* 4.5 bits: as T16 with an int8 offset per row and group */
    LC_W_R8 = 3,   /* int8 [rows][cols], cols padded to 32 */
    LC_W_COUNT
} lc_wtype;

/* A weight matrix as it lies in a pack; y[r] = sum over c of w[r][c] * x[c]. */
typedef struct lc_mat {
    uint8_t type;       /* lc_wtype */
    uint32_t rows;      /* true rows; T16 and T16A data hold rows padded to 16 */
    uint32_t cols;      /* true columns; all but F32 data hold columns padded to 32 */
    const void *data;   /* T16, T16A: [rows/16][cols/32] tiles; R8, F32: row after row */
    const float *scale; /* T16, T16A: [rows padded to 16]; R8: [rows]; F32: NULL */
} lc_mat;

/* ---- activations ---- */

/* One block of quantised activations: 1 token in plain order or 4 tokens interleaved. */
typedef struct lc_act {
    const int8_t *a;    /* 1 token: [groups][32]; 4 tokens: [groups][8][4 tokens][4], or with
                           lc_kernels.pairs [groups][4][4 tokens][8] */
    const int16_t *ne;  /* [groups][tokens] group exponent, negated (ready for srshl) */
    const int16_t *c8;  /* [groups][tokens] 8 * sum of a */
    const int16_t *c8s; /* [groups][tokens] rshr(c8, e), for T16A */
    const float *scale; /* [tokens] S */
} lc_act;

/* Activations of n tokens. Blocks of 4 tokens come first; one or two last tokens are a block of 1
 * each, three are a block of 4 padded with zeros. The layout is private to a run. */
typedef struct lc_acts {
    const float *x; /* [n][cols] as given, for F32 weights; must stay until the products are done */
    uint32_t n;
    uint32_t cols;   /* true columns */
    uint32_t groups; /* of 32, columns padded */
    int8_t *a;       /* [n padded to 4][groups * 32] */
    int16_t *ne;     /* [n padded to 4][groups] */
    int16_t *c8;
    int16_t *c8s;
    float *scale; /* [n padded to 4] */
} lc_acts;

/* ---- attention ---- */

/* How keys and values are kept. */
typedef enum lc_kv {
    LC_KV_AUTO = 0, /* the net chooses; no kernel sees it */
    LC_KV_F32,
    LC_KV_F16, /* binary16, rounded half to even; computed with as float */
    LC_KV_I8   /* value = scale * int8, a scale for each token and head */
} lc_kv;

/* Queries (1 to LC_QUERIES) that share a KV head, and the first of the keys that they see:
 * out_i[d] = sum_t softmax_t(scale * q_i . k_t) * v_t[d] over keys + i * more keys, more 0 or 1.
 * cap > 0: each score s is cap * tanh(s / cap) before the softmax. */
typedef struct lc_attention {
    uint32_t kind;                  /* lc_kv */
    const void *k, *v;              /* [t][stride] values of the kind, at this head */
    const float *k_scale, *v_scale; /* [t], I8 only */
    size_t stride;
    uint32_t keys, more, head_dim;
    float scale, cap;
    const float *q; /* query i at q + i * q_stride, its output at out + i * q_stride */
    uint32_t queries;
    size_t q_stride;
    float *scores; /* queries * (keys + (queries - 1) * more, rounded up to 4) floats of scratch */
    float *out;
} lc_attention;

/* ---- what a level provides ---- */

typedef enum lc_act_kind { LC_SILU = 0, LC_GELU_TANH = 1, LC_GELU_ERF = 2 } lc_act_kind;

typedef struct lc_kernels {
    const char *name; /* ref neon80 dot avx2 ... */
    uint32_t needs;   /* LC_CPU_* features, all of them: else it cannot run */
    uint32_t suits;   /* chosen by itself only on a CPU with these, too */
    bool pairs;       /* four tokens lie as [groups][4][4 tokens][8] */

    /* One panel of 16 rows: acc[16] for one token, acc[4][16] for four. */
    void (*gemv_q4)(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc);
    void (*gemm_q4)(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc);
    void (*gemv_q4a)(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc);
    void (*gemm_q4a)(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc);
    /* Many tokens: panel_rows rows (8, or all 16) of a panel from `row` on, unpacked once into
     * groups * panel_rows / 8 * LC_UNPACKED_BYTES, then multiplied with `blocks` (1 and more)
     * blocks of four tokens, `pitch` groups apart: adds to acc[blocks][4][16], which begins at that
     * row. Both NULL where nothing is gained.
     * panel_tokens: from how many tokens on unpacking pays, by counted instructions. */
    uint32_t panel_rows, panel_tokens;
    void (*unpack_q4)(const uint8_t *panel, uint32_t groups, bool offsets, uint32_t row,
                      int8_t *unpacked);
    void (*gemm_unpacked)(const int8_t *unpacked, uint32_t groups, bool offsets, const lc_act *x,
                          uint32_t pitch, uint32_t blocks, int32_t *acc);
    /* rows (1..16) consecutive R8 rows of groups * 32 bytes: acc[16] or acc[4][16]; entries of rows
     * that are not there stay as they are. */
    void (*gemv_q8)(const int8_t *w, uint32_t rows, uint32_t groups, const lc_act *x, int32_t *acc);
    void (*gemm_q8)(const int8_t *w, uint32_t rows, uint32_t groups, const lc_act *x, int32_t *acc);
    /* y[r] = w[r] . x for rows rows of cols floats. */
    void (*gemv_f32)(const float *w, uint32_t rows, uint32_t cols, const float *x, float *y);

    /* QUANT_ACT of one token into place t of a block of `tokens` (1 or 4). cols true columns, the
     * rest of the last group is zero. False when x holds a NaN or an infinity. */
    bool (*quantise)(const float *x, uint32_t cols, uint32_t t, uint32_t tokens, int8_t *a,
                     int16_t *ne, int16_t *c8, int16_t *c8s, float *scale);
    /* y = x / sqrt(mean(x^2) + eps) * gain */
    void (*rmsnorm)(const float *x, const float *gain, uint32_t n, float eps, float *y);
    /* y = (x - mean) / sqrt(var + eps) * gain + bias */
    void (*layernorm)(const float *x, const float *gain, const float *bias, uint32_t n, float eps,
                      float *y);
    /* x[i] = exp(x[i] - max) / sum, in place */
    void (*softmax)(float *x, uint32_t n);
    /* y = act(gate) * up; up may be NULL: y = act(gate). y may be gate. */
    void (*act_mul)(lc_act_kind kind, const float *gate, const float *up, uint32_t n, float *y);
    /* y += x */
    void (*add)(float *y, const float *x, uint32_t n);
    /* Rotates heads * head_dim values in place; rot is (cos, sin) pairs [dims/2][2]; neox pairs
     * (i, i + dims/2), else (2i, 2i + 1). Dimensions beyond dims stay. */
    void (*rope)(float *x, uint32_t heads, uint32_t head_dim, uint32_t dims, const float *rot,
                 bool neox);
    /* n floats as a cache keeps them; *scale is set for I8 only. NaN and infinity are kept (I8: as
     * a scale that is NaN), so that a sum that meets them shows it. */
    void (*keep)(uint32_t kind, const float *x, uint32_t n, void *out, float *scale);
    void (*attend)(const lc_attention *a);
} lc_kernels;

/* CPU features a level may need. */
enum {
    LC_CPU_NEON = 1u << 0,    /* armv8-a */
    LC_CPU_DOTPROD = 1u << 1, /* armv8.2-a sdot */
    LC_CPU_I8MM = 1u << 2,
    LC_CPU_AVX2 = 1u << 3,
    LC_CPU_INORDER = 1u << 4, /* issues in program order: Cortex-A53 */
    LC_CPU_AVX512 = 1u << 5   /* F, BW, VL and VNNI */
};

/* What every CPU has for which this is compiled: for programs that do not ask the CPU itself. */
#if defined(__ARM_NEON) && defined(__aarch64__)
#define LC_CPU_BASELINE LC_CPU_NEON
#else
#define LC_CPU_BASELINE 0u
#endif

/* ---- dispatch ---- */

/* Levels in this build, worst first ("ref" is always 0). */
uint32_t lc_level_count(void);
const lc_kernels *lc_level_at(uint32_t index);
/* By name among the levels of this build; NULL when there is none. */
const lc_kernels *lc_level_find(const char *name);
/* True for a name that some build of this version knows (contract: exit 4 instead of 2). */
bool lc_level_known(const char *name);
/* Best level whose needs are in `features`; never NULL. */
const lc_kernels *lc_level_best(uint32_t features);

/* ---- activations ---- */

/* Exact bytes that lc_acts_init takes for up to n tokens of up to cols columns; mem must be 64-byte
 * aligned. Enough for any lc_acts_set with no more tokens and no more columns. */
size_t lc_acts_bytes(uint32_t n, uint32_t cols);
void lc_acts_init(lc_acts *acts, void *mem, uint32_t n, uint32_t cols);
/* Sets x, n, cols; quantises when `quantised` (some consumer is not F32).
 * False: x holds a NaN or an infinity, nothing may be computed from acts. */
bool lc_acts_set(const lc_kernels *k, lc_acts *acts, const float *x, uint32_t n, uint32_t cols,
                 bool quantised);

/* ---- products ---- */

/* Row blocks of 16 into which lc_matmul can be split among threads. */
uint32_t lc_matmul_blocks(const lc_mat *w);
/* y[t][r] = w[r] . x[t] for row blocks [b0, b1), all tokens of x; y has y_stride floats a token.
 * Overwrites y; adds bias[r] when bias is not NULL. Exact: same bits at every level and split. */
void lc_matmul(const lc_kernels *k, const lc_mat *w, const float *bias, const lc_acts *x, float *y,
               size_t y_stride, uint32_t b0, uint32_t b1);
/* `rows` rows from `row` on as a matrix of its own; in T16 and T16A row is a multiple of 16. */
lc_mat lc_mat_part(const lc_mat *w, uint32_t row, uint32_t rows);
/* out[cols] = row r as floats: a gathered embedding row. */
void lc_mat_row(const lc_mat *w, uint32_t r, float *out);

#endif
