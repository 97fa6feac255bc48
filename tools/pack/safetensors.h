/* safetensors.h - bounded reader of one .safetensors file: the tensors of a checkpoint.
 *
 * The file stays mapped by the caller; data of tensors points into it, names into the parsed
 * header. Everything is checked when the file is opened: header, types, shapes, offsets, and that
 * the tensors fill the data without gap or overlap.
 */
#ifndef LC_SAFETENSORS_H
#define LC_SAFETENSORS_H

#include "gguf.h"

#define LC_SAFETENSORS_HEADER_MAX (8u << 20) /* bytes of JSON; 1,000 tensors take about 100 KB */
#define LC_SAFETENSORS_NAME_MAX 255u

typedef struct lc_safetensors {
    uint32_t tensor_count;
    lc_gguf_tensor
        *tensor;  /* [tensor_count], heap: F32, F16 or BF16, the last dimension is ne[0] */
    void *header; /* the parsed JSON, which holds the names */
} lc_safetensors;

/* lc_safetensors_open - checks a whole file.
 *
 * Integer tensors called `*.position_ids`, which old BERT checkpoints carry, are counters and left
 * out; any other type that is no float is refused by name.
 *
 * Errors: FORMAT, LIMIT, UNSUPPORTED, ARENA; the text names the tensor. On error nothing needs
 * closing.
 */
lc_err lc_safetensors_open(const void *data, size_t bytes, lc_safetensors *st,
                           lc_diag *diag) LC_CHECKED;
void lc_safetensors_close(lc_safetensors *st);
const lc_gguf_tensor *lc_safetensors_find(const lc_safetensors *st, const char *name);

#endif
