/* dispatch.c - the only list of levels. CPU features are found elsewhere and passed in. */
#include "level.h"

#define GEMV_Q4(level) .gemv_q4 = lc_gemv_q4_##level, .gemv_q4a = lc_gemv_q4a_##level
#define GEMM_Q4(level) .gemm_q4 = lc_gemm_q4_##level, .gemm_q4a = lc_gemm_q4a_##level
#define PANEL_Q4(level) .unpack_q4 = lc_unpack_q4_##level, .gemm_unpacked = lc_gemm_unpacked_##level
#define Q8(level) .gemv_q8 = lc_gemv_q8_##level, .gemm_q8 = lc_gemm_q8_##level
#define INT_KERNELS(level)                                                                         \
    GEMV_Q4(level), GEMM_Q4(level), Q8(level)

#define FLOAT_KERNELS(level)                                                                       \
    .gemv_f32 = lc_gemv_f32_##level, .quantise = lc_quantise_##level, OTHER_FLOAT(level),          \
        .attend = lc_attend_##level
#define OTHER_FLOAT(level)                                                                         \
    .rmsnorm = lc_rmsnorm_##level, .layernorm = lc_layernorm_##level,                              \
    .softmax = lc_softmax_##level, .act_mul = lc_act_mul_##level, .add = lc_add_##level,           \
    .rope = lc_rope_##level, .keep = lc_keep_##level

#define FLOAT_AVX2                                                                                 \
    .gemv_f32 = lc_gemv_f32_v4, .quantise = lc_quantise_v4, OTHER_FLOAT(v4),                       \
        .attend = lc_attend_avx2

/* Worst first: the best level is the last one whose needs are met. */
static const lc_kernels levels[] = {
    {.name = "ref", .needs = 0, INT_KERNELS(ref), FLOAT_KERNELS(ref)},
#if defined(__aarch64__)
    {.name = "neon80", .needs = LC_CPU_NEON, INT_KERNELS(neon80), FLOAT_KERNELS(v4)},
    {.name = "neon53", .needs = LC_CPU_NEON, .suits = LC_CPU_INORDER, GEMV_Q4(neon53),
     GEMM_Q4(neon53), Q8(neon80), FLOAT_KERNELS(v4)},
    {.name = "dot", .needs = LC_CPU_NEON | LC_CPU_DOTPROD, INT_KERNELS(dot), PANEL_Q4(dot),
     .panel_rows = 8, .panel_tokens = 11, FLOAT_KERNELS(v4)},
    {.name = "i8mm", .needs = LC_CPU_NEON | LC_CPU_DOTPROD | LC_CPU_I8MM, .pairs = true,
     GEMV_Q4(dot), GEMM_Q4(i8mm), PANEL_Q4(i8mm), .panel_rows = 8, .panel_tokens = 7,
     .gemv_q8 = lc_gemv_q8_dot, .gemm_q8 = lc_gemm_q8_i8mm, .gemv_f32 = lc_gemv_f32_v4,
     .quantise = lc_quantise_pairs_v4, OTHER_FLOAT(v4), .attend = lc_attend_v4},
#endif
#if defined(__x86_64__)
    {.name = "avx2", .needs = LC_CPU_AVX2, INT_KERNELS(avx2), FLOAT_AVX2},
    {.name = "avx512", .needs = LC_CPU_AVX2 | LC_CPU_AVX512, GEMV_Q4(avx512), GEMM_Q4(avx512),
     PANEL_Q4(avx512), .panel_rows = 16, .panel_tokens = 8, .gemv_q8 = lc_gemv_q8_avx512,
     .gemm_q8 = lc_gemm_q8_avx2, .gemv_f32 = lc_gemv_f32_v4, .quantise = lc_quantise_avx512,
     .rmsnorm = lc_rmsnorm_v4, .layernorm = lc_layernorm_v4, .softmax = lc_softmax_v4,
     .act_mul = lc_act_mul_avx512, .add = lc_add_v4, .rope = lc_rope_v4, .keep = lc_keep_v4,
     .attend = lc_attend_avx512},
#endif
};

#define LEVEL_COUNT (sizeof levels / sizeof levels[0])

/* Every level that some build of this version, or its plan, names. */
static const char *const known[] = {"ref", "neon53", "neon80", "dot", "i8mm", "avx2", "avx512"};

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

uint32_t lc_level_count(void)
{
    return (uint32_t)LEVEL_COUNT;
}

const lc_kernels *lc_level_at(uint32_t index)
{
    return index < LEVEL_COUNT ? &levels[index] : NULL;
}

const lc_kernels *lc_level_find(const char *name)
{
    for (size_t i = 0; i < LEVEL_COUNT; i++)
        if (same(levels[i].name, name))
            return &levels[i];
    return NULL;
}

bool lc_level_known(const char *name)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (same(known[i], name))
            return true;
    return false;
}

const lc_kernels *lc_level_best(uint32_t features)
{
    size_t best = 0;
    for (size_t i = 1; i < LEVEL_COUNT; i++)
        if (((levels[i].needs | levels[i].suits) & ~features) == 0)
            best = i;
    return &levels[best];
}
