/* lora_pack.h - an adapter becomes an object of its own, beside the base that it belongs to.
 */
#ifndef LC_LORA_PACK_H
#define LC_LORA_PACK_H

#include "../../board/linux/leaf_write.h"
#include "lora.h"

typedef struct lc_lora_report {
    uint32_t type; /* lc_wtype of A and B */
    uint32_t rank; /* of the widest */
    uint32_t pairs, classes;
    uint64_t parameters;
} lc_lora_report;

/* lc_lora_pack - an adapter object for `base`, to be applied unmerged (FORMAT.md).
 *
 *   base     opened, its tables followed: F32 linears get F32 corrections, others R8
 *   labels   names of the adapter's own head with commas between; NULL: the base's where it has as
 *            many, else numbers
 *   layers   that run before the adapter's own head, an early exit; 0: all
 *   out      the whole file, freed by the caller with lc_buf_free; untouched on error
 *
 * Errors: as lc_lora_open and lc_lora_read; FORMAT for labels and layers.
 */
lc_err lc_lora_pack(const lc_lora_file *file, const lc_model *base, const char *labels,
                    uint32_t layers, lc_buf *out, lc_lora_report *report, lc_diag *diag) LC_CHECKED;

#endif
