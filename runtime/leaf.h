/* leaf.h - the `.leaf` container: header, section table, sections. The layout is in FORMAT.md.
 *
 * lc_leaf_open checks the whole structure (header, table, ranges, order, overlaps) and nothing that
 * needs reading section contents; hashes are checked elsewhere, when an object is installed.
 */
#ifndef LC_LEAF_H
#define LC_LEAF_H

#include "bytes.h"
#include "err.h"

#define LC_LEAF_MAGIC 0x4641454cu /* "LEAF" */
#define LC_LEAF_VERSION 1u
#define LC_LEAF_HEADER_BYTES 128u
#define LC_LEAF_ENTRY_BYTES 64u
#define LC_LEAF_ALIGN_MIN 64u
#define LC_LEAF_ALIGN_MAX 65536u

typedef enum lc_leaf_kind {
    LC_LEAF_PACK = 1,   /* a base model */
    LC_LEAF_BUNDLE = 2, /* a job */
    LC_LEAF_ADAPTER = 3,
    LC_LEAF_FIT = 4     /* what `fit` wrote for one stage */
} lc_leaf_kind;

typedef enum lc_section_type {
    LC_SECTION_MODEL = 1,   /* lc_model_info: architecture and sizes */
    LC_SECTION_TENSORS = 2, /* tensor table */
    LC_SECTION_TOKENIZER = 3,
    LC_SECTION_EMBED = 4,   /* embedding rows, output head, final norm, rope frequencies */
    LC_SECTION_LAYER = 5,   /* one per layer, index = layer */
    LC_SECTION_CLASSES = 6, /* classification head and its label names */
    LC_SECTION_JOB = 7,     /* compiled job */
    LC_SECTION_GOLDEN = 8,  /* golden lines */
    LC_SECTION_NOTES = 9,   /* where it came from: UTF-8 text, for people */
    LC_SECTION_ADAPTER = 10, /* low-rank corrections of a base's linears */
    LC_SECTION_PREFIX = 11,  /* keys and values of a prompt; index = number of its stage */
    LC_SECTION_CHAT = 12,    /* which chat template the model was trained with */
    LC_SECTION_FOLD = 13     /* channels are multiplied otherwise than in the source */
} lc_section_type;

typedef struct lc_section {
    uint32_t type;
    uint32_t index;
    uint64_t offset; /* in the file */
    size_t bytes;
    const uint8_t *data;
    const uint8_t *sha256; /* [32], in the table */
} lc_section;

typedef struct lc_leaf {
    const uint8_t *data; /* the whole file; the caller keeps it mapped and unchanged */
    size_t bytes;
    uint32_t kind; /* lc_leaf_kind */
    uint32_t align;
    uint32_t section_count;
    const uint8_t *root; /* [32] the object's name */
} lc_leaf;

lc_err lc_leaf_open(const void *data, size_t bytes, lc_leaf *leaf, lc_diag *diag) LC_CHECKED;
/* i < section_count. */
lc_section lc_leaf_section(const lc_leaf *leaf, uint32_t i);
/* False when there is no such section. */
bool lc_leaf_find(const lc_leaf *leaf, uint32_t type, uint32_t index, lc_section *section);

#endif
