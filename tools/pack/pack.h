/* pack.h - a GGUF model becomes a pack: checked, quantised, laid out as FORMAT.md says. */
#ifndef LC_PACK_H
#define LC_PACK_H

#include "../../board/linux/leaf_write.h"
#include "../../runtime/model.h"
#include "gguf.h"
#include "lora.h"

/* Weight types of a pack. Norms, biases, rope frequencies and the classification head are F32
 * everywhere: together they are some kilobytes, and what the head loses goes straight into a
 * probability, while one token of it costs less than one row block of a layer. */
typedef enum lc_pack_type {
    LC_PACK_Q4 = 0, /* linears T16A, embedding and output R8 */
    LC_PACK_T16,    /* linears T16, embedding and output R8 */
    LC_PACK_Q8,     /* all R8 */
    LC_PACK_F32
} lc_pack_type;

/* Whether factors of two may move between matrices and what produces their inputs (fold.h). */
typedef enum lc_pack_fold {
    LC_PACK_FOLD_AUTO = 0, /* with a text, where it loses less */
    LC_PACK_FOLD_ON,       /* without one too; an F32 pack is folded as T16A would be */
    LC_PACK_FOLD_OFF
} lc_pack_fold;

/* Files instead of memory for the result: the pack, and one for sections that are done. */
typedef struct lc_pack_files {
    int to, spill;
    /* NULL, or told of a tensor that will not be read again */
    void (*release)(const void *data, size_t bytes);
} lc_pack_files;

typedef struct lc_pack_options {
    lc_pack_type type;
    uint32_t align;   /* 0: 64, or 65536 when the sections exceed LC_PACK_ALIGN_OVER bytes */
    uint32_t threads; /* 0 and 1: this one; the result is the same */
    void (*progress)(void *ctx, uint64_t done, uint64_t total); /* weights; NULL: silent */
    void *progress_ctx;
    const lc_pack_files *files; /* NULL: the pack is made in memory */
    const char *text;           /* lines that calibrate and measure, NULL: none */
    size_t text_bytes;
    uint32_t tokens;  /* of it that are used, 0: LC_CALIB_TOKENS */
    uint64_t budget;  /* bytes of the pack at most, types are chosen to fit; 0: as `type` says */
    const char *trim; /* lines whose tokens the vocabulary keeps (tok_trim.h), NULL: all tokens */
    size_t trim_bytes;
    lc_pack_fold fold;
    const lc_lora_file *lora; /* [lora_count] adapters to merge, at most LC_LORA_FILES_MAX */
    uint32_t lora_count;
    const char
        *labels; /* names of the head's outputs with commas between; NULL: as the file says */
} lc_pack_options;

#define LC_PACK_ALIGN_OVER (4u << 20)

typedef struct lc_pack_tensor {
    char name[64]; /* in the GGUF */
    uint32_t type; /* lc_wtype */
    uint32_t rows, cols;
    uint64_t bytes;
    double sqnr_db;     /* infinite: nothing lost */
    bool kept;          /* nibbles of a Q4_0 source, as T16 */
    double output_db;   /* of its outputs for the held-out text; NaN: not measured */
    bool compensated;   /* rounding errors handed on from column to column */
    uint32_t folded;    /* columns that gave a power of two to what produces their input */
    uint32_t wide_rows; /* T16, T16A: whose groups' largest weights still span more than 32 */
} lc_pack_tensor;

/* What the packed model lost against F32 on the held-out quarter of the text; NaN where a figure
 * does not apply. */
typedef struct lc_pack_loss {
    bool measured;
    uint32_t texts, tokens; /* that calibrated */
    uint32_t held_texts, held_tokens;
    uint32_t compared_tokens; /* of kl, when it is of next tokens */
    double kl;                /* mean, of next tokens or of the classes of a line */
    double perplexity, perplexity_source;
    double cosine_loss; /* mean 1 - cosine of pooled vectors */
} lc_pack_loss;

typedef struct lc_pack_report {
    lc_model_info info;
    uint32_t align;
    uint32_t tensor_count;
    lc_pack_tensor *tensor; /* [tensor_count], heap */
    double bits_per_weight; /* stored bits of all tensors over parameters */
    lc_pack_loss loss;
    uint64_t file_bytes;
    uint8_t root[32];
    uint32_t full_vocab; /* rows of the source's embedding */
} lc_pack_report;

/* "q4" "t16" "q8" "f32". False for another word. */
bool lc_pack_type_find(const char *name, lc_pack_type *type);
/* "F32" "T16" "T16A" "R8" */
const char *lc_pack_wtype_name(uint32_t wtype);

/* Packs a whole model. *out is the file, untouched when options->files are given; caller frees it
 * with lc_buf_free and the report (which may be NULL) with lc_pack_report_free. Both untouched on
 * error. Errors: FORMAT and UNSUPPORTED name the key or tensor, with its offset in the GGUF; NUMBER
 * (a weight is NaN or infinite), LIMIT, ARENA (out of memory). */
lc_err lc_pack_gguf(const lc_gguf *g, const lc_pack_options *options, lc_buf *out,
                    lc_pack_report *report, lc_diag *diag) LC_CHECKED;
void lc_pack_report_free(lc_pack_report *report);

#endif
