/* calib.h - packing with a text at hand: the model reads it layer by layer while it is packed, so
 * that each tensor is rounded for what really reaches it and its loss is measured.
 *
 * Three quarters of the text calibrate, a quarter is held out: what is measured, and what decides
 * between two ways of rounding, is the held-out part. Only one layer is in memory at a time; the
 * network between layers is the residual stream of all tokens.
 */
#ifndef LC_CALIB_H
#define LC_CALIB_H

#include "pack_plan.h"

#define LC_CALIB_TOKENS 16384u /* used when nothing else is said */
#define LC_CALIB_TEXTS_MIN 8u

typedef struct lc_calib lc_calib;

/* Reads the text, a line at a time, with the tokenizer section that the pack will have; embeds it.
 * plan and tokenizer must stay. Errors: ARGUMENT (too little text), LIMIT, ARENA. */
lc_err lc_calib_open(const lc_pack_plan *plan, const lc_pack_options *options,
                     const lc_buf *tokenizer, lc_calib **calib, lc_diag *diag) LC_CHECKED;
void lc_calib_close(lc_calib *calib);

/* Runs a layer in F32 on what the quantised layers before it gave, and learns the inputs of its
 * matrices. Layers come in order. */
lc_err lc_calib_layer(lc_calib *calib, uint32_t layer, lc_diag *diag) LC_CHECKED;
/* The mean of x^2 of each column of what reaches a role's matrix, [cols], all above 0. */
const double *lc_calib_mean(const lc_calib *calib, uint32_t role);
/* The layer's items are folded otherwise than before, so that column k of what reaches a role's
 * matrix is 2^shift[k] of what it was: goes on with that. */
lc_err lc_calib_fold(lc_calib *calib, uint32_t role, const int8_t *shift, lc_diag *diag) LC_CHECKED;
/* Quantises one tensor of that layer to out, which is zero, by the way that loses less; fills
 * sqnr_db, output_db and compensated of the item. */
lc_err lc_calib_tensor(lc_calib *calib, lc_pack_item *item, uint8_t *out, lc_diag *diag) LC_CHECKED;
/* How well the outputs of a tensor of that layer would be kept in a type, in dB. */
lc_err lc_calib_try(lc_calib *calib, const lc_pack_item *item, uint32_t type, double *output_db,
                    lc_diag *diag) LC_CHECKED;
/* Goes on with the layer as it is in F32. */
lc_err lc_calib_layer_skip(lc_calib *calib, lc_diag *diag) LC_CHECKED;
/* All tensors of the layer are done: runs it quantised. */
lc_err lc_calib_layer_done(lc_calib *calib, lc_diag *diag) LC_CHECKED;
/* After the last layer: what the whole model lost, on the held-out part. */
lc_err lc_calib_loss(lc_calib *calib, lc_pack_loss *loss, lc_diag *diag) LC_CHECKED;

#endif
