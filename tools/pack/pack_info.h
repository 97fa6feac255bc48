/* pack_info.h - hyperparameters of a GGUF, checked against sense and against its tensors. */
#ifndef LC_PACK_INFO_H
#define LC_PACK_INFO_H

#include "../../runtime/model.h"
#include "gguf.h"

/* What the network needs beyond lc_model_info. */
typedef struct lc_pack_source {
    lc_model_info info;
    const lc_arch *arch;
    double rope_base;
    double rope_factor;     /* frequencies are divided by it: linear scaling */
    double rope_base_local; /* of local layers, unscaled */
    bool yarn;              /* pairs before yarn_low are not divided, between the two partly */
    double yarn_low, yarn_high;
} lc_pack_source;

/* Reads and checks everything but the shapes of tensors. Errors name the key. */
lc_err lc_pack_info(const lc_gguf *g, lc_pack_source *source, lc_diag *diag) LC_CHECKED;

#endif
