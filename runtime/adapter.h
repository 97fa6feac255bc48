/* adapter.h - an opened adapter: low-rank corrections of a model's linears, and maybe a head of its
 * own, which may stand behind fewer layers; views into the file.
 *
 * Sections ADAPTER and CLASSES of an object of kind adapter (FORMAT.md). With an adapter the
 * product W x of a linear becomes W x + B (A x): the base stays as it is, so several adapters share
 * one base and lc_net_adapt (net.h) switches between them from line to line. The scale of the
 * correction is part of B.
 */
#ifndef LC_ADAPTER_H
#define LC_ADAPTER_H

#include "model.h"

/* The correction of one linear of `rows` x `cols`. */
typedef struct lc_lora {
    lc_mat a; /* [rank][cols], F32 or R8; rows 0: there is none */
    lc_mat b; /* [rows][rank] of the same type */
} lc_lora;

typedef struct lc_lora_layer {
    lc_lora q, k, v, o, gate, up, down;
} lc_lora_layer;

typedef struct lc_adapter {
    lc_leaf leaf;
    const uint8_t *base;   /* [32] root of the model that it belongs to */
    uint32_t layers;       /* that run with it: the model's, or fewer, an early exit to its head */
    uint32_t rank;         /* the largest of its corrections, 0: it is a head only */
    uint32_t pairs;        /* corrections */
    lc_lora_layer *layer;  /* [layers] in the state arena */
    uint32_t classes;      /* outputs of its own head, 0: the model's serves */
    lc_str *class_name;    /* [classes] in the state arena, pointing into the file */
    lc_mat cls;            /* [classes][width] F32 */
    const float *cls_bias; /* [classes] */
} lc_adapter;

/* lc_adapter_open - checks an adapter against its model and pushes its tables on `state`.
 *
 *   data   64-byte aligned, LC_READ_AHEAD bytes readable behind it; kept by the caller
 *
 * With a measuring arena everything is checked and counted, but adapter->layer and
 * adapter->class_name must not be followed. On error nothing may be used of adapter.
 * Errors: FORMAT, VERSION, UNSUPPORTED, LIMIT with their place; CHECKSUM: made for another base.
 */
lc_err lc_adapter_open(const void *data, size_t bytes, const lc_model *model, lc_arena *state,
                       lc_adapter *adapter, lc_diag *diag) LC_CHECKED;
/* The base that an adapter names: root[32], without a model at hand. */
lc_err lc_adapter_base(const void *data, size_t bytes, const uint8_t **root,
                       lc_diag *diag) LC_CHECKED;
/* Where a role's correction is, NULL: that role can have none. */
lc_lora *lc_lora_of(lc_lora_layer *layer, uint32_t role);

#endif
