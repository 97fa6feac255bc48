/* pack_plan.h - which tensors a pack holds, in which order, types and places. */
#ifndef LC_PACK_PLAN_H
#define LC_PACK_PLAN_H

#include "pack.h"
#include "pack_info.h"
#include "tok_trim.h"

typedef struct lc_pack_item {
    char name[64]; /* in the GGUF */
    uint32_t role; /* lc_role */
    uint32_t layer;
    uint32_t type; /* lc_wtype */
    uint32_t rows, cols;
    const lc_gguf_tensor *from; /* NULL: made here (rope frequencies) */
    uint32_t row0;              /* first row in it; not 0: it holds several matrices */
    const uint32_t *old_row;    /* [rows] which rows of it; NULL: all in order */
    bool keep;                  /* Q4_0 nibbles */
    struct lc_lora_sum *lora;   /* what adapters add to the rows; NULL: nothing */
    const int8_t *fold_in;      /* [cols] columns are divided by 2^ these (fold.h); NULL: not */
    const int8_t *fold_out;     /* [rows] rows are multiplied by 2^ these; NULL: not */
    /* filled when the tensor is written */
    uint64_t offset, bytes;
    double sqnr_db;
    double output_db;   /* with a text: held-out outputs; else NaN */
    bool compensated;   /* errors of rounding were handed on */
    uint32_t wide_rows; /* T16, T16A: whose groups' largest weights span more than 32 */
} lc_pack_item;

typedef struct lc_pack_plan {
    lc_pack_source source;
    const lc_gguf_tensor *rope_factors; /* [rope_dims/2] F32, or NULL */
    uint32_t count;
    lc_pack_item *item;   /* [count] in the order of the pack, heap */
    struct lc_fold *fold; /* [layers] heap, NULL: nothing is folded */
} lc_pack_plan;

/* Checks that the GGUF holds every tensor the architecture needs in the right shape, and no other:
 * one that would be ignored would change the answers. */
lc_err lc_pack_plan_make(const lc_gguf *g, lc_pack_type type, lc_pack_plan *plan,
                         lc_diag *diag) LC_CHECKED;
void lc_pack_plan_free(lc_pack_plan *plan);
/* Leaves only the rows of trim in embedding and output; trim must stay. */
void lc_pack_plan_trim(lc_pack_plan *plan, const lc_tok_trim *trim);
/* Row r of an item's matrix as float32, exact. A vector is row 0. */
void lc_pack_row(const lc_pack_item *item, uint32_t r, float *out);
/* The Q4_0 blocks of an item that is kept. */
const uint8_t *lc_pack_kept(const lc_pack_item *item);
/* Frequencies of an item without a source: base^(-2i / dims), divided by the file's factors, each
 * as high and low part: out float [rows][2]. Errors: FORMAT. */
lc_err lc_pack_rope(const lc_pack_plan *plan, const lc_pack_item *item, uint8_t *out,
                    lc_diag *diag) LC_CHECKED;
/* For a tensor whose weights change: the type that `type` asks for, no nibbles of the source. */
void lc_pack_item_requantise(lc_pack_item *item, lc_pack_type type);
/* A role's name in the GGUF, "blk.3.attn_q.weight". */
void lc_pack_role_name(uint32_t role, uint32_t layer, char name[64]);
#endif
