#include "arch.h"

#include "bytes.h"
#include "model.h"

#define ROLE(name) (UINT64_C(1) << LC_T_##name)

/* Any model may carry a classification head. */
#define HEAD (ROLE(CLS) | ROLE(CLS_BIAS) | ROLE(POOLER) | ROLE(POOLER_BIAS) | ROLE(POOLER_NORM))
#define QKVO (ROLE(Q) | ROLE(K) | ROLE(V) | ROLE(O))
#define QKV_BIAS (ROLE(Q_BIAS) | ROLE(K_BIAS) | ROLE(V_BIAS))
#define HEAD_NORMS (ROLE(Q_NORM) | ROLE(K_NORM))
#define ATTENTION (QKVO | QKV_BIAS | ROLE(O_BIAS) | HEAD_NORMS) /* what a convolution stands for */
#define NORM_BEFORE (ROLE(ATTN_NORM) | ROLE(FFN_NORM))
#define NORM_AFTER                                                                                 \
    (ROLE(ATTN_OUT_NORM) | ROLE(ATTN_OUT_NORM_BIAS) | ROLE(FFN_OUT_NORM) | ROLE(FFN_OUT_NORM_BIAS))
#define GATED (ROLE(GATE) | ROLE(UP) | ROLE(DOWN))
#define DECODER                                                                                    \
    (ROLE(EMBED) | ROLE(OUT_NORM) | ROLE(ROPE_FREQ) | QKVO | NORM_BEFORE | GATED)

static const lc_arch archs[] = {
    {.id = LC_ARCH_LLAMA,
     .name = "llama",
     .needs = DECODER,
     .allows = ROLE(OUTPUT) | QKV_BIAS | ROLE(O_BIAS) | HEAD,
     .rope = LC_ROPE_PAIRS,
     .act = LC_SILU},
    {.id = LC_ARCH_QWEN2,
     .name = "qwen2",
     .needs = DECODER | QKV_BIAS,
     .allows = ROLE(OUTPUT) | HEAD,
     .rope = LC_ROPE_HALVES,
     .act = LC_SILU},
    {.id = LC_ARCH_QWEN3,
     .name = "qwen3",
     .needs = DECODER | HEAD_NORMS,
     .allows = ROLE(OUTPUT) | HEAD,
     .rope = LC_ROPE_HALVES,
     .act = LC_SILU},
    {.id = LC_ARCH_GEMMA3,
     .name = "gemma3",
     .needs = DECODER | HEAD_NORMS | ROLE(ATTN_POST_NORM) | ROLE(FFN_POST_NORM),
     .allows = ROLE(OUTPUT) | ROLE(ROPE_FREQ_LOCAL) | HEAD,
     .rope = LC_ROPE_HALVES,
     .act = LC_GELU_TANH},
    {.id = LC_ARCH_BERT,
     .name = "bert",
     .needs = ROLE(EMBED) | ROLE(POSITION) | ROLE(TOKEN_TYPE) | ROLE(EMBED_NORM) |
              ROLE(EMBED_NORM_BIAS) | QKVO | QKV_BIAS | ROLE(O_BIAS) | NORM_AFTER | ROLE(UP) |
              ROLE(UP_BIAS) | ROLE(DOWN) | ROLE(DOWN_BIAS),
     .allows = HEAD,
     .rope = LC_ROPE_NONE,
     .act = LC_GELU_ERF,
     .layer_norm = true,
     .pool_tanh = true},
    {.id = LC_ARCH_GRANITE,
     .name = "granite",
     .needs = DECODER,
     .allows = ROLE(OUTPUT) | QKV_BIAS | ROLE(O_BIAS) | HEAD,
     .rope = LC_ROPE_PAIRS,
     .act = LC_SILU},
    {.id = LC_ARCH_MODERN_BERT,
     .name = "modern-bert",
     .needs = ROLE(EMBED) | ROLE(EMBED_NORM) | ROLE(OUT_NORM) | ROLE(ROPE_FREQ) | QKVO |
              ROLE(FFN_NORM) | GATED,
     .allows = ROLE(ATTN_NORM) | ROLE(ROPE_FREQ_LOCAL) | HEAD, /* layer 0 has no first norm */
     .rope = LC_ROPE_HALVES,
     .act = LC_GELU_ERF,
     .layer_norm = true,
     .pool_act = LC_GELU_ERF},
    {.id = LC_ARCH_LFM2,
     .name = "lfm2",
     .needs = DECODER | HEAD_NORMS,
     .allows = ROLE(OUTPUT) | HEAD,
     .conv = ROLE(CONV_IN) | ROLE(CONV) | ROLE(CONV_OUT),
     .rope = LC_ROPE_HALVES,
     .act = LC_SILU},
    {.id = LC_ARCH_GEMMA2,
     .name = "gemma2",
     .needs = DECODER | ROLE(ATTN_POST_NORM) | ROLE(FFN_POST_NORM),
     .allows = ROLE(OUTPUT) | HEAD,
     .rope = LC_ROPE_HALVES,
     .act = LC_GELU_TANH},
};

uint64_t lc_arch_needs(const lc_arch *arch, bool conv)
{
    return conv ? (arch->needs & ~ATTENTION) | arch->conv : arch->needs;
}

uint64_t lc_arch_roles(const lc_arch *arch, bool conv)
{
    uint64_t roles = arch->needs | arch->allows;
    return conv ? (roles & ~ATTENTION) | arch->conv : roles;
}

const lc_arch *lc_arch_by_id(uint32_t id)
{
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++) {
        if (archs[i].id == id) {
            return &archs[i];
        }
    }
    return NULL;
}

const lc_arch *lc_arch_by_name(const char *name, uint32_t bytes)
{
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++) {
        if (lc_str_equal(lc_str_from(archs[i].name), (lc_str){name, bytes})) {
            return &archs[i];
        }
    }
    return NULL;
}
