/* fold.h - powers of two that move from the columns of a matrix to what produces its input.
 *
 * A column that is much wider than the others of its group takes their bits. Dividing it by a power
 * of two and multiplying the channel that it reads changes no float result, not even by rounding:
 * the channel is an entry of a norm's gain (q k v; gate up), a row of v (o) or, where the
 * feed-forward layer is gated, a row of up (down). Which channels, and by how much, is measured.
 */
#ifndef LC_FOLD_H
#define LC_FOLD_H

#include "calib.h"

/* Inputs of a layer's matrices: Q K V; O; GATE UP; DOWN. */
enum { LC_FOLD_SLOTS = 4 };

/* The factors of a layer, as exponents. */
typedef struct lc_fold {
    bool chosen;
    int8_t *in[LC_FOLD_SLOTS];  /* [columns] of the readers; NULL: none */
    int8_t *out[LC_FOLD_SLOTS]; /* [channels] of the producer */
} lc_fold;

/* Begins a layer: chooses its factors, unless that was done, and with calib (else NULL) runs it as
 * lc_calib_layer does. */
lc_err lc_fold_layer(lc_pack_plan *plan, const lc_pack_options *options, uint32_t layer,
                     lc_calib *calib, lc_diag *diag) LC_CHECKED;
void lc_fold_free(lc_fold *fold, uint32_t layers);
/* Folds row r of an item; a vector is row 0. */
void lc_fold_row(const lc_pack_item *item, uint32_t r, float *row);
/* Columns of an item that were folded. */
uint32_t lc_fold_count(const lc_pack_item *item);
/* Rows of which some group's largest weight is less than 1/32 of another's. */
lc_err lc_fold_wide_rows(const lc_pack_item *item, uint32_t *rows, lc_diag *diag) LC_CHECKED;

#endif
