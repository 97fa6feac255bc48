/* arch.h - one row per architecture: what net.c does differently for it.
 *
 * Where norms and biases stand is not said here but by the tensors that a pack holds; a row only
 * bounds which ones. Numbers that differ from model to model are in lc_model_info.
 */
#ifndef LC_ARCH_H
#define LC_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "../kernels/kernels.h"

typedef enum lc_arch_id { /* numbers are part of the format */
                          LC_ARCH_LLAMA = 1,
                          LC_ARCH_QWEN2 = 2,
                          LC_ARCH_QWEN3 = 3,
                          LC_ARCH_GEMMA3 = 4,
                          LC_ARCH_BERT = 5,
                          LC_ARCH_GRANITE = 6,
                          LC_ARCH_MODERN_BERT = 7,
                          LC_ARCH_LFM2 = 8,
                          LC_ARCH_GEMMA2 = 9
} lc_arch_id;

typedef enum lc_rope_kind {
    LC_ROPE_NONE,  /* positions are learned vectors */
    LC_ROPE_PAIRS, /* rotates (2i, 2i + 1) */
    LC_ROPE_HALVES /* rotates (i, i + n/2), called neox elsewhere */
} lc_rope_kind;

typedef struct lc_arch {
    uint32_t id;
    const char *name; /* general.architecture of a GGUF */
    uint64_t needs;   /* bit r: a pack must hold role r, if of a layer then in every layer */
    uint64_t allows;  /* bit r: it may */
    uint64_t conv;    /* bit r: a layer that convolves must hold role r and nothing of attention but
                         the norm before it; 0: none does */
    lc_rope_kind rope;
    lc_act_kind act;      /* of the feed-forward layer */
    bool layer_norm;      /* norms take the mean away; else they only scale (RMS) */
    lc_act_kind pool_act; /* of the dense layer before the classes */
    bool pool_tanh;       /* which is tanh instead */
} lc_arch;

const lc_arch *lc_arch_by_id(uint32_t id); /* NULL when unknown */
const lc_arch *lc_arch_by_name(const char *name, uint32_t bytes);
/* Roles that a pack must, and those that it may hold; of layers: in one that convolves or not. */
uint64_t lc_arch_needs(const lc_arch *arch, bool conv);
uint64_t lc_arch_roles(const lc_arch *arch, bool conv);

#endif
