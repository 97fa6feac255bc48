/* hf.h - checkpoints of Hugging Face form, read as the GGUF of the same model.
 *
 * A folder of config.json, tokenizer.json and *.safetensors is translated into key-values and a
 * tensor table, so that everything behind lc_gguf packs it: one mechanism, the same pack. Weights
 * stay where they are mapped. Files are hostile: strict JSON, every length and offset checked.
 */
#ifndef LC_HF_H
#define LC_HF_H

#include "../../board/linux/leaf_write.h"
#include "../../board/linux/map.h"
#include "gguf.h"
#include "safetensors.h"

#define LC_HF_FILES_MAX 140u /* a checkpoint in 128 parts and what stands beside them */
#define LC_HF_NAME_MAX 128u

typedef struct lc_hf_file {
    char name[LC_HF_NAME_MAX]; /* in the folder */
    lc_map map;                /* span 0: the bytes are the caller's */
    lc_safetensors tensors;    /* of a part */
} lc_hf_file;

/* Where a tensor of the view comes from. */
typedef struct lc_hf_origin {
    char name[64];          /* in GGUF */
    const char *theirs;     /* in the checkpoint */
    const lc_hf_file *file; /* NULL: made here */
} lc_hf_origin;

typedef struct lc_hf {
    lc_gguf g;    /* version 0: of no file */
    uint8_t arch; /* lc_arch_id, 0: only the tokenizer was read */
    lc_buf keys;  /* a GGUF of the key-values alone, which g points into */
    uint32_t file_count;
    lc_hf_file file[LC_HF_FILES_MAX];
    lc_hf_origin *origin;       /* [g.tensor_count], heap */
    float *rope_factors;        /* [rope dimensions / 2] of Llama 3, or NULL; heap */
    char where[LC_HF_NAME_MAX]; /* the file that the last error is about */
} lc_hf;

/* True when path is a folder. */
bool lc_hf_is_folder(const char *path);

/* lc_hf_open - maps the files of a folder and translates them.
 *
 *   weights   false: the tokenizer alone is wanted, config.json and tensors may be absent
 *
 * Errors: IO, FORMAT, LIMIT, UNSUPPORTED, NOT_FOUND, ARENA; diag's text names key or tensor, its
 * offset counts in a .safetensors file only, hf->where is the file. Nothing needs closing then.
 */
lc_err lc_hf_open(const char *folder, bool weights, lc_hf *hf, lc_diag *diag) LC_CHECKED;
void lc_hf_close(lc_hf *hf);

/* lc_hf_make - the same for files in memory, which hf->file[0..file_count) names; other fields are
 * zero. They stay the caller's, who calls lc_hf_close after success and error. */
lc_err lc_hf_make(lc_hf *hf, bool weights, lc_diag *diag) LC_CHECKED;

/* An error of the packer about a key or tensor of the view, in the checkpoint's own words. */
void lc_hf_explain(lc_hf *hf, lc_diag *diag);

/* Changes when a file of the folder does; 0 when it cannot be read. */
uint64_t lc_hf_stamp(const char *folder);

#endif
