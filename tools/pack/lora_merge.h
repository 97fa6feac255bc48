/* lora_merge.h - adapters that become part of the base's weights while these are packed. */
#ifndef LC_LORA_MERGE_H
#define LC_LORA_MERGE_H

#include "lora.h"
#include "pack_plan.h"

/* The adapters of one run of the packer. */
typedef struct lc_lora_merge {
    uint32_t count;
    lc_lora_source source[LC_LORA_FILES_MAX];
    lc_pack_plan *plan;
} lc_lora_merge;

/* Opens the options' adapters against a plan, whose items then hold what is added to their rows:
 * the adapters lie in memory as floats meanwhile. Tensors that they touch are quantised anew, and a
 * head of theirs takes the place of the model's. Closed by the caller before the plan, also after
 * an error. Errors: as lc_lora_open; a correction without its tensor, two heads. */
lc_err lc_lora_merge_open(const lc_pack_options *options, lc_pack_plan *plan, lc_lora_merge *merge,
                          lc_diag *diag) LC_CHECKED;
/* Whether one of them brought a head. */
bool lc_lora_merge_head(const lc_lora_merge *merge);
void lc_lora_merge_close(lc_lora_merge *merge);

/* The corrections of one tensor, as floats. */
typedef struct lc_lora_sum {
    uint32_t count;
    struct {
        uint32_t rank;
        float *a; /* [rank][cols], heap */
        float *b; /* [rows][rank], heap */
    } part[LC_LORA_FILES_MAX];
} lc_lora_sum;

/* w[cols] += row r of the corrections, in binary64 and a fixed order. */
void lc_lora_sum_row(const lc_lora_sum *sum, uint32_t r, uint32_t cols, float *w);

#endif
