/* budget.h - which matrices are T16, T16A or R8 when the pack may have so many bytes.
 *
 * Every matrix is tried in each type; all begin as T16, and step by step the one is made better
 * that takes away most error for its bytes. Error is noise over signal: of the outputs for the
 * held-out text where there is one, else of the weights.
 */
#ifndef LC_BUDGET_H
#define LC_BUDGET_H

#include "pack_plan.h"

/* Sets the types of the plan's items so that with fixed_bytes for everything else the pack has at
 * most options->budget. tokenizer: of the pack. Errors: ARGUMENT (names the least that is
 * possible), and those of calibration. */
lc_err lc_budget_choose(lc_pack_plan *plan, const lc_pack_options *options, const lc_buf *tokenizer,
                        uint64_t fixed_bytes, lc_diag *diag) LC_CHECKED;
/* Whether an item's type may be chosen. */
bool lc_budget_free(const lc_pack_item *item);

#endif
