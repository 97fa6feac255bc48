/* lora.h - low-rank adapters of other programs: GGUF LoRA files and PEFT folders, read and checked
 * against the model that they are for.
 *
 * W x becomes W x + scale * B (A x). Every tensor of the file must find a linear of the model (or
 * the classification head) in the right shape, or the file is refused by the tensor's name.
 */
#ifndef LC_LORA_H
#define LC_LORA_H

#include "../../runtime/adapter.h"
#include "gguf.h"
#include "safetensors.h"

/* An adapter file as it was given, mapped by the caller. */
typedef struct lc_lora_file {
    const char *name; /* for messages */
    const void *data; /* the GGUF, or adapter_model.safetensors */
    size_t bytes;
    const char *config; /* adapter_config.json of a PEFT folder; NULL: a GGUF */
    size_t config_bytes;
    double scale; /* the user's, 1: as the file says */
} lc_lora_file;

#define LC_LORA_FILES_MAX 8u
#define LC_LORA_ALPHA_MAX 65536.0
#define LC_LORA_SCALE_MAX 100.0 /* the user's, either sign */

/* One correction of one linear. */
typedef struct lc_lora_pair {
    uint32_t role, layer;
    const lc_gguf_tensor *a; /* [rank][cols] */
    const lc_gguf_tensor *b; /* [rows][rank], maybe among rows of other linears */
    uint32_t rank;
    uint32_t row0;  /* first row in b */
    uint32_t heads; /* not 0: rows of each head stand in halves, as PEFT has q and k of llama */
    double scale;   /* of the product, the user's included */
} lc_lora_pair;

typedef struct lc_lora_source {
    const lc_lora_file *file;
    lc_gguf gguf; /* one of the two is open */
    lc_safetensors tensors;
    uint32_t count;
    lc_lora_pair *pair;                   /* [count] ascending by layer and role, heap */
    uint32_t classes;                     /* of a head of its own, 0: none */
    const lc_gguf_tensor *cls, *cls_bias; /* [classes][width]; [classes] or NULL */
} lc_lora_source;

/* lc_lora_open - reads the file and finds the place of every tensor.
 *
 *   info  sizes of the model
 *
 * Owner   file and what it points to stay until lc_lora_close. On error nothing needs closing.
 * Errors  FORMAT, UNSUPPORTED, LIMIT with the tensor's or key's name; ARENA.
 */
lc_err lc_lora_open(const lc_lora_file *file, const lc_model_info *info, lc_lora_source *source,
                    lc_diag *diag) LC_CHECKED;
void lc_lora_close(lc_lora_source *source);
/* NULL when the adapter leaves this linear alone. */
const lc_lora_pair *lc_lora_find(const lc_lora_source *source, uint32_t role, uint32_t layer);
/* a[rank][cols] and b[rows][rank] as the pack's rows stand, the scale in b.
 * Errors: NUMBER (not finite) with the tensor's name. */
lc_err lc_lora_read(const lc_lora_pair *pair, uint32_t rows, uint32_t cols, float *a, float *b,
                    lc_diag *diag) LC_CHECKED;

/* The head of an encoder stands on a dense layer, which the base must have. */
lc_err lc_lora_check_head(const lc_lora_source *source, uint32_t arch, bool pooler,
                          lc_diag *diag) LC_CHECKED;

/* ---- for lora_gguf.c and lora_peft.c ---- */

typedef struct lc_lora_reader {
    const lc_lora_file *file;
    const lc_model_info *info;
    const lc_arch *arch;
    lc_lora_source *source;
    uint32_t room; /* of source->pair */
    lc_diag *diag;
} lc_lora_reader;

/* Some linears that a file may hold as one, rows after rows. */
typedef struct lc_lora_place {
    uint32_t role[3]; /* 0: no more */
    uint32_t layer;
} lc_lora_place;

/* Notes a tensor that is A (half 0) or B (half 1) of a place; `name` without the half's ending.
 * Both halves must name the linear by the same text. */
lc_err lc_lora_take(lc_lora_reader *r, const lc_lora_place *place, const lc_gguf_tensor *t,
                    uint32_t half) LC_CHECKED;
lc_err lc_lora_gguf(lc_lora_reader *r) LC_CHECKED;
lc_err lc_lora_peft(lc_lora_reader *r) LC_CHECKED;
/* A number from "12." at *at, which moves behind the dot. */
bool lc_lora_layer_number(const char **at, const char *end, uint32_t *layer);

#endif
