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
    uint32_t width; /* d_model */
    uint32_t heads;
    uint32_t kv_heads; /* divides heads */
    uint32_t head_dim;
    uint32_t ffn;
    uint32_t vocab;
    uint32_t ctx;       /* longest context the model was made for */
    uint32_t rope_dims; /* rotated dimensions of a head, even, <= head_dim */
    uint32_t pooling;   /* lc_pooling */
    uint32_t classes;   /* outputs of the classification head, 0: none */
    bool causal;
    float norm_eps;
    uint64_t parameters;
    /* Appended fields; a pack without them has the values in brackets. */
    uint32_t window;      /* keys a local layer looks back at, itself included, and when there is
                             no mask as many forward (0: none is local) */
    uint32_t token_types; /* rows of TOKEN_TYPE (0) */
    float embed_scale;    /* of embeddings (1) */
    float residual_scale; /* of what a block adds (1) */
    float attn_scale;     /* of q . k (0: 1 / sqrt(head_dim)) */
    float logit_scale;    /* (1) */
    float logit_cap;      /* logits become cap * tanh(logit / cap) (0: they do not) */
    uint8_t local[LC_LAYERS_MAX / 8]; /* bit i: layer i looks back `window` keys only (0) */
    /* Appended after those. */
    uint32_t
        conv_taps;  /* tokens that a convolution sees, itself included (0: no layer convolves) */
    float attn_cap; /* scores of attention become cap * tanh(score / cap) (0: they do not) */
    uint8_t conv[LC_LAYERS_MAX / 8]; /* bit i: layer i convolves instead of attending (0) */
} lc_model_info;

static inline bool lc_layer_is_local(const lc_model_info *info, uint32_t layer)
{
    return (info->local[layer / 8] >> (layer % 8) & 1) != 0;
}

static inline bool lc_layer_is_conv(const lc_model_info *info, uint32_t layer)
{
    return (info->conv[layer / 8] >> (layer % 8) & 1) != 0;
}

/* Tensor roles; below LC_ROLE_LAYER global, the others of a layer. Numbers are part of the format;
 * FORMAT.md lists their shapes. */
typedef enum lc_role {
    LC_T_EMBED = 1,           /* [vocab][width], F32 or R8 */
    LC_T_OUT_NORM = 2,        /* [width] F32 */
    LC_T_OUTPUT = 3,          /* [vocab][width]; absent when tied to EMBED */
    LC_T_CLS = 4,             /* [classes][width] */
    LC_T_CLS_BIAS = 5,        /* [classes] F32 */
    LC_T_ROPE_FREQ = 6,       /* [rope_dims/2][2] F32: high and low part of each frequency */
    LC_T_ROPE_FREQ_LOCAL = 7, /* the same for local layers, where they have their own base */
    LC_T_TOKEN_TYPE = 8,      /* [token_types][width] F32 */
    LC_T_POSITION = 9,        /* [ctx][width], F32 or R8: learned positions */
    LC_T_EMBED_NORM = 10,     /* [width] F32, of the sum of embeddings */
    LC_T_EMBED_NORM_BIAS = 11,
    LC_T_OUT_NORM_BIAS = 12,
    LC_T_POOLER = 13,      /* [width][width], dense layer before CLS */
    LC_T_POOLER_BIAS = 14, /* [width] F32 */
    LC_T_POOLER_NORM = 15, /* [width] F32, after its activation */
    LC_T_ATTN_NORM = 16,   /* [width] F32, of what attention reads */
    LC_T_Q = 17,           /* [heads*head_dim][width] */
    LC_T_K = 18,           /* [kv_heads*head_dim][width] */
    LC_T_V = 19,
    LC_T_O = 20,        /* [width][heads*head_dim] */
    LC_T_FFN_NORM = 21, /* of what the feed-forward layer reads */
    LC_T_GATE = 22,     /* [ffn][width]; absent: down(act(up x)) */
    LC_T_UP = 23,
    LC_T_DOWN = 24, /* [width][ffn] */
    LC_T_Q_BIAS = 25,
    LC_T_K_BIAS = 26,
    LC_T_V_BIAS = 27,
    LC_T_O_BIAS = 28,
    LC_T_UP_BIAS = 29,
    LC_T_DOWN_BIAS = 30,
    LC_T_Q_NORM = 31,         /* [head_dim] F32, of each query head */
    LC_T_K_NORM = 32,         /* [head_dim] F32, of each key head */
    LC_T_ATTN_POST_NORM = 33, /* [width] F32, of what attention adds */
    LC_T_FFN_POST_NORM = 34,  /* of what the feed-forward layer adds */
    LC_T_ATTN_OUT_NORM = 35,  /* of the sum after attention */
    LC_T_ATTN_OUT_NORM_BIAS = 36,
    LC_T_FFN_OUT_NORM = 37, /* of the sum after the feed-forward layer */
    LC_T_FFN_OUT_NORM_BIAS = 38,
    LC_T_ATTN_NORM_BIAS = 39,
    LC_T_FFN_NORM_BIAS = 40,
    LC_T_CONV_IN = 41,  /* [3*width][width] gates before and after the convolution, its input */
    LC_T_CONV = 42,     /* [width][conv_taps] F32, the oldest token's tap first */
    LC_T_CONV_OUT = 43, /* [width][width] */
    LC_ROLE_COUNT = 44
} lc_role;

#define LC_ROLE_LAYER 16u /* first role of a layer */

#define LC_GLOBAL 0xffffffffu /* layer number of a tensor that belongs to no layer */

/* One row of section TENSORS. */
typedef struct lc_tensor {
    uint32_t role;
    uint32_t layer; /* or LC_GLOBAL */
    lc_mat mat;     /* a vector is rows = n, cols = 1, F32 */
    uint64_t bytes; /* data and scales */
} lc_tensor;

/* gain NULL: there is no norm at this place. */
typedef struct lc_norm {
    const float *gain; /* [width], q and k: [head_dim] */
    const float *bias; /* of a LayerNorm, else NULL */
} lc_norm;

typedef struct lc_layer {
    lc_norm attn_norm, q_norm, k_norm, attn_post_norm, attn_out_norm;
    lc_mat q, k, v, o;
    const float *q_bias, *k_bias, *v_bias, *o_bias; /* or NULL */
    lc_mat conv_in, conv_out;                       /* of a layer that convolves, instead */
    const float *conv;
    lc_norm ffn_norm, ffn_post_norm, ffn_out_norm;
    lc_mat gate, up, down; /* gate.data NULL: none */
    const float *up_bias, *down_bias;
} lc_layer;

typedef struct lc_model {
    lc_leaf leaf;
    lc_model_info info;
    const lc_arch *arch;
    lc_tok tok;
    lc_mat embed;
    lc_mat output; /* embed when tied */
    bool tied;
    bool exact;                  /* every matrix of its layers is F32 */
    lc_mat token_type, position; /* rows 0: none */
    lc_norm embed_norm, out_norm;
    const float *rope_freq;       /* [rope_dims/2][2] high and low parts */
    const float *rope_freq_local; /* of local layers; NULL: the same */
    lc_mat pooler;                /* rows 0: none */
    const float *pooler_bias;     /* [width] or NULL */
    lc_norm pooler_norm;
    lc_mat cls;            /* rows 0 when there is no head */
    const float *cls_bias; /* [classes] or NULL */
    lc_layer *layer;       /* [layers] in the state arena */
    lc_str *class_name;    /* [classes] in the state arena, pointing into the file */
} lc_model;

/* Opens a pack and pushes its tables on `state`. data: 64-byte aligned, kept by the caller. With a
 * measuring arena everything is checked and counted, but model->layer and model->class_name must
 * not be followed. On error nothing may be used of model. */
lc_err lc_model_open(const void *data, size_t bytes, lc_arena *state, lc_model *model,
                     lc_diag *diag) LC_CHECKED;
/* The i-th row of the tensor table, for inspect; i < lc_model_tensors(). */
uint32_t lc_model_tensors(const lc_model *model);
lc_tensor lc_model_tensor(const lc_model *model, uint32_t i);

/* Shape that a role must have in a model of these sizes; cols 1: a vector. False: no such role. */
bool lc_role_shape(const lc_model_info *info, uint32_t role, uint32_t *rows, uint32_t *cols);
/* Puts a tensor of a layer in its place, unchecked: for who makes a layer without a pack. */
void lc_layer_bind(const lc_model_info *info, const lc_tensor *t, lc_layer *layer);
uint32_t lc_role_section(uint32_t role); /* type of the section that it lies in */

/* Bytes of a matrix's data and of its scales as stored (scales follow, both 64-byte aligned). */
uint64_t lc_mat_data_bytes(uint32_t type, uint32_t rows, uint32_t cols);
uint64_t lc_mat_scale_bytes(uint32_t type, uint32_t rows);

#endif
