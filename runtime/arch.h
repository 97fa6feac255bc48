/* arch.h - one row per architecture: what net.c does differently for it. */
#ifndef LC_ARCH_H
#define LC_ARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "../kernels/kernels.h"

typedef enum lc_arch_id { LC_ARCH_LLAMA = 1 } lc_arch_id; /* numbers are part of the format */

typedef struct lc_arch {
    uint32_t id;
    const char *name;  /* general.architecture of a GGUF */
    bool rope_neox;    /* rotates (i, i + n/2) instead of (2i, 2i+1) */
    lc_act_kind act;   /* of the feed-forward gate */
} lc_arch;

const lc_arch *lc_arch_by_id(uint32_t id);         /* NULL when unknown */
const lc_arch *lc_arch_by_name(const char *name, uint32_t bytes);

#endif
