/* model.h - an opened pack: sizes, tensors, tokenizer, class names; views into the file.
 *
 * Sections MODEL, TENSORS, TOKENIZER, EMBED, LAYER i, CLASSES (FORMAT.md). Opening checks every
 * shape, range and offset; after that the run path trusts them.
 */
#ifndef LC_MODEL_H
#define LC_MODEL_H

#include "../kernels/kernels.h"
#include "arch.h"
#include "leaf.h"
#include "limits.h"
#include "tok.h"

typedef enum lc_pooling { /* llama.cpp's numbers */
    LC_POOL_NONE = 0,
    LC_POOL_MEAN = 1,
    LC_POOL_FIRST = 2,
    LC_POOL_LAST = 3
} lc_pooling;

/* Sizes and switches as stored in section MODEL. */
typedef struct lc_model_info {
    uint32_t arch; /* lc_arch_id */
    uint32_t layers;
    uint32_t width;    /* d_model */
    uint32_t heads;
    uint32_t kv_heads; /* divides heads */
    uint32_t head_dim;
    uint32_t ffn;
    uint32_t vocab;
    uint32_t ctx; /* longest context the model was made for */
    uint32_t rope_dims; /* rotated dimensions of a head, even, <= head_dim */
    uint32_t pooling;   /* lc_pooling */
    uint32_t classes;   /* outputs of the classification head, 0: none */
    bool causal;
    float norm_eps;
    uint64_t parameters;
} lc_model_info;

/* Tensor roles; per layer or global. Numbers are part of the format. */
typedef enum lc_role {
    LC_T_EMBED = 1,       /* [vocab][width], F32 or R8 */
    LC_T_OUT_NORM = 2,    /* [width] F32 */
    LC_T_OUTPUT = 3,      /* [vocab][width]; absent when tied to EMBED */
    LC_T_CLS = 4,         /* [classes][width] */
    LC_T_CLS_BIAS = 5,    /* [classes] F32 */
    LC_T_ROPE_FREQ = 6,   /* [rope_dims/2][2] F32: high and low part of each frequency */
    LC_T_ATTN_NORM = 16,  /* [width] F32, and so on per layer */
    LC_T_Q = 17,          /* [heads*head_dim][width] */
    LC_T_K = 18,          /* [kv_heads*head_dim][width] */
    LC_T_V = 19,
    LC_T_O = 20,          /* [width][heads*head_dim] */
    LC_T_FFN_NORM = 21,
    LC_T_GATE = 22,       /* [ffn][width] */
    LC_T_UP = 23,
    LC_T_DOWN = 24,       /* [width][ffn] */
    LC_ROLE_COUNT = 25
} lc_role;

#define LC_GLOBAL 0xffffffffu /* layer number of a tensor that belongs to no layer */

/* One row of section TENSORS. */
typedef struct lc_tensor {
    uint32_t role;
    uint32_t layer; /* or LC_GLOBAL */
    lc_mat mat;     /* a vector is rows = n, cols = 1, F32 */
    uint64_t bytes; /* data and scales */
} lc_tensor;

typedef struct lc_layer {
    const float *attn_norm; /* [width] */
    lc_mat q, k, v, o;
    const float *ffn_norm; /* [width] */
    lc_mat gate, up, down;
} lc_layer;

typedef struct lc_model {
    lc_leaf leaf;
    lc_model_info info;
    const lc_arch *arch;
    lc_tok tok;
    lc_mat embed;
    lc_mat output; /* embed when tied */
    bool tied;
    const float *out_norm;  /* [width] */
    const float *rope_freq; /* [rope_dims/2][2] high and low parts */
    lc_mat cls;             /* rows 0 when there is no head */
    const float *cls_bias;  /* [classes] or NULL */
    lc_layer *layer;        /* [layers] in the state arena */
    lc_str *class_name;     /* [classes] in the state arena, pointing into the file */
} lc_model;

/* Opens a pack and pushes its tables on `state`. data: 64-byte aligned, kept by the caller. With a
 * measuring arena everything is checked and counted, but model->layer and model->class_name must
 * not be followed. On error nothing may be used of model. */
lc_err lc_model_open(const void *data, size_t bytes, lc_arena *state, lc_model *model,
                     lc_diag *diag) LC_CHECKED;
/* The i-th row of the tensor table, for inspect; i < lc_model_tensors(). */
uint32_t lc_model_tensors(const lc_model *model);
lc_tensor lc_model_tensor(const lc_model *model, uint32_t i);

/* Bytes of a matrix's data and of its scales as stored (scales follow data, both 64-byte aligned). */
uint64_t lc_mat_data_bytes(uint32_t type, uint32_t rows, uint32_t cols);
uint64_t lc_mat_scale_bytes(uint32_t type, uint32_t rows);

#endif
