/* gguf.h - bounded reader of GGUF files (v2, v3, little-endian): key-values and tensor table.
 *
 * The file stays mapped by the caller; every view points into it. All lengths and offsets are
 * checked against the file when it is opened, so the accessors below cannot run out of it.
 */
#ifndef LC_GGUF_H
#define LC_GGUF_H

#include "../../runtime/bytes.h"
#include "../../runtime/err.h"

typedef enum lc_gguf_value {
    LC_GGUF_U8 = 0,
    LC_GGUF_I8,
    LC_GGUF_U16,
    LC_GGUF_I16,
    LC_GGUF_U32,
    LC_GGUF_I32,
    LC_GGUF_F32,
    LC_GGUF_BOOL,
    LC_GGUF_STR,
    LC_GGUF_ARRAY,
    LC_GGUF_U64,
    LC_GGUF_I64,
    LC_GGUF_F64
} lc_gguf_value;

typedef struct lc_gguf_kv {
    lc_str key;
    uint32_t type;       /* lc_gguf_value */
    uint32_t elem_type;  /* of an array */
    uint64_t count;      /* elements of an array, else 1 */
    const uint8_t *data; /* first value; strings: u64 length, bytes */
    size_t bytes;
} lc_gguf_kv;

typedef struct lc_gguf_tensor {
    lc_str name;
    uint32_t type;  /* ggml type number */
    uint32_t dims;  /* 1..4 */
    uint64_t ne[4]; /* ne[0] is the length of a row */
    const uint8_t *data;
    uint64_t bytes;
    uint64_t offset; /* in the file */
    /* How a checkpoint that is no GGUF has it; 0 and false in a GGUF. */
    uint32_t halves; /* heads whose rows lie in two halves and are wanted in pairs */
    bool plus_one;   /* weights are less by one */
} lc_gguf_tensor;

typedef struct lc_gguf {
    const uint8_t *data;
    size_t bytes;
    uint32_t version; /* 0: no GGUF, but what hf.h made of a checkpoint */
    uint32_t kv_count;
    uint32_t tensor_count;
    lc_gguf_kv *kv;         /* [kv_count], heap */
    lc_gguf_tensor *tensor; /* [tensor_count], heap */
} lc_gguf;

/* vocab_only files (no tensors) are accepted. On error nothing needs closing. */
lc_err lc_gguf_open(const void *data, size_t bytes, lc_gguf *g, lc_diag *diag) LC_CHECKED;
void lc_gguf_close(lc_gguf *g);

/* NULL when the key is absent. */
const lc_gguf_kv *lc_gguf_find(const lc_gguf *g, const char *key);
/* Typed reads: false when absent or of another kind; integers of any width that fit are accepted.
 */
bool lc_gguf_u32(const lc_gguf *g, const char *key, uint32_t *value);
bool lc_gguf_f32(const lc_gguf *g, const char *key, float *value);
bool lc_gguf_bool(const lc_gguf *g, const char *key, bool *value);
bool lc_gguf_str(const lc_gguf *g, const char *key, lc_str *value);
/* Array of strings: an iterator, since strings have no fixed size. */
typedef struct lc_gguf_strings {
    const uint8_t *at;
    uint64_t left;
} lc_gguf_strings;
bool lc_gguf_strings_open(const lc_gguf *g, const char *key, lc_gguf_strings *it, uint64_t *count);
bool lc_gguf_strings_next(lc_gguf_strings *it, lc_str *value);
/* Arrays of 32-bit numbers: pointer to little-endian values (may be unaligned) and their count. */
bool lc_gguf_array32(const lc_gguf *g, const char *key, uint32_t elem_type, const uint8_t **values,
                     uint64_t *count);
const lc_gguf_tensor *lc_gguf_tensor_find(const lc_gguf *g, const char *name);

/* "Q4_0" ... or NULL for a type this build cannot read. */
const char *lc_gguf_type_name(uint32_t type);
/* Row r (of all rows ne[1]*ne[2]*ne[3]) as float32, exact. */
void lc_gguf_row(const lc_gguf_tensor *t, uint64_t r, float *out);

#endif
