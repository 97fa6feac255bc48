/* lora_pack.h - what becomes of an adapter: an object of its own beside the base, or part of the
 * base's weights while they are packed.
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
 *   out      the whole file, freed by the caller with lc_buf_free; untouched on error
 *
 * Errors: as lc_lora_open and lc_lora_read; FORMAT for labels.
 */
lc_err lc_lora_pack(const lc_lora_file *file, const lc_model *base, const char *labels,
                    lc_buf *out, lc_lora_report *report, lc_diag *diag) LC_CHECKED;

/* ---- merging: for pack.c ---- */

/* The corrections of one tensor, as floats. */
typedef struct lc_lora_sum {
    uint32_t count;
    struct {
        uint32_t rank;
        float *a; /* [rank][cols], heap */
        float *b; /* [rows][rank], heap */
    } part[LC_LORA_FILES_MAX];
} lc_lora_sum;

/* What `count` adapters add to a linear of rows x cols; none: sum->count is 0. */
lc_err lc_lora_sum_open(const lc_lora_source *source, uint32_t count, uint32_t role,
                        uint32_t layer, uint32_t rows, uint32_t cols, lc_lora_sum *sum,
                        lc_diag *diag) LC_CHECKED;
void lc_lora_sum_close(lc_lora_sum *sum);
/* w[cols] += row r of the corrections, in binary64 and a fixed order. */
void lc_lora_sum_row(const lc_lora_sum *sum, uint32_t r, uint32_t cols, float *w);

#endif
