/* level.h - what the levels provide, by name: lc_<op>_<weights>_<level>. Only dispatch.c and the
 * files that define them include this; everybody else calls through lc_kernels.
 *
 * Integer kernels: ref everywhere; neon80, neon53, dot, i8mm on aarch64; avx2, avx512 on x86-64. A
 * level may take some of its kernels from a lower one (dispatch.c).
 * Float kernels: ref (plain C, emulates the lanes) and v4 (four-lane vectors, every architecture);
 * attention also with the binary16 loads of AVX2 machines.
 */
#ifndef LC_LEVEL_H
#define LC_LEVEL_H

#include "kernels.h"

typedef void lc_q4_kernel(const uint8_t *panel, uint32_t groups, const lc_act *x, int32_t *acc);
typedef void lc_q8_kernel(const int8_t *w, uint32_t rows, uint32_t groups, const lc_act *x,
                          int32_t *acc);

#define LC_DECLARE_INT_KERNELS(level)                                                              \
    lc_q4_kernel lc_gemv_q4_##level, lc_gemm_q4_##level;                                           \
    lc_q4_kernel lc_gemv_q4a_##level, lc_gemm_q4a_##level;                                         \
    lc_q8_kernel lc_gemv_q8_##level, lc_gemm_q8_##level

LC_DECLARE_INT_KERNELS(ref);
LC_DECLARE_INT_KERNELS(neon80);
lc_q4_kernel lc_gemv_q4_neon53, lc_gemm_q4_neon53, lc_gemv_q4a_neon53, lc_gemm_q4a_neon53;
LC_DECLARE_INT_KERNELS(dot);
lc_q4_kernel lc_gemm_q4_i8mm, lc_gemm_q4a_i8mm;
lc_q8_kernel lc_gemm_q8_i8mm;
LC_DECLARE_INT_KERNELS(avx2);
lc_q4_kernel lc_gemv_q4_avx512, lc_gemm_q4_avx512, lc_gemv_q4a_avx512, lc_gemm_q4a_avx512;
lc_q8_kernel lc_gemv_q8_avx512;

#define LC_DECLARE_PANEL_KERNELS(level)                                                            \
    void lc_unpack_q4_##level(const uint8_t *panel, uint32_t groups, bool offsets, uint32_t row,   \
                              int8_t *unpacked);                                                   \
    void lc_gemm_unpacked_##level(const int8_t *unpacked, uint32_t groups, bool offsets,           \
                                  const lc_act *x, uint32_t pitch, uint32_t blocks, int32_t *acc)

LC_DECLARE_PANEL_KERNELS(dot);
LC_DECLARE_PANEL_KERNELS(i8mm);
LC_DECLARE_PANEL_KERNELS(avx512);

#define LC_DECLARE_FLOAT_KERNELS(level)                                                            \
    void lc_gemv_f32_##level(const float *w, uint32_t rows, uint32_t cols, const float *x,         \
                             float *y);                                                            \
    bool lc_quantise_##level(const float *x, uint32_t cols, uint32_t t, uint32_t tokens,           \
                             int8_t *a, int16_t *ne, int16_t *c8, int16_t *c8s, float *scale);     \
    void lc_rmsnorm_##level(const float *x, const float *gain, uint32_t n, float eps, float *y);   \
    void lc_layernorm_##level(const float *x, const float *gain, const float *bias, uint32_t n,    \
                              float eps, float *y);                                                \
    void lc_softmax_##level(float *x, uint32_t n);                                                 \
    void lc_act_mul_##level(lc_act_kind kind, const float *gate, const float *up, uint32_t n,      \
                            float *y);                                                             \
    void lc_add_##level(float *y, const float *x, uint32_t n);                                     \
    void lc_rope_##level(float *x, uint32_t heads, uint32_t head_dim, uint32_t dims,               \
                         const float *rot, bool neox);                                             \
    void lc_keep_##level(uint32_t kind, const float *x, uint32_t n, void *out, float *scale);      \
    void lc_attend_##level(const lc_attention *a)

LC_DECLARE_FLOAT_KERNELS(ref);
LC_DECLARE_FLOAT_KERNELS(v4);
void lc_attend_avx2(const lc_attention *a);
void lc_attend_avx512(const lc_attention *a);
void lc_act_mul_avx512(lc_act_kind kind, const float *gate, const float *up, uint32_t n, float *y);
bool lc_quantise_avx512(const float *x, uint32_t cols, uint32_t t, uint32_t tokens, int8_t *a,
                        int16_t *ne, int16_t *c8, int16_t *c8s, float *scale);

/* QUANT_ACT with four tokens in pairs (lc_kernels.pairs). */
bool lc_quantise_pairs_v4(const float *x, uint32_t cols, uint32_t t, uint32_t tokens, int8_t *a,
                          int16_t *ne, int16_t *c8, int16_t *c8s, float *scale);

#endif
