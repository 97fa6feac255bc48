/* gguf_make.h - builds GGUF files in memory for tests, sound or broken on purpose. */
#ifndef GGUF_MAKE_H
#define GGUF_MAKE_H

#include "../../board/linux/leaf_write.h"
#include "../../tools/pack/gguf.h"

typedef struct gguf_make {
    lc_buf kv, table, data; /* the three parts, in file order */
    uint64_t kvs, tensors;
    uint32_t version;
} gguf_make;

gguf_make gguf_make_begin(uint32_t version);
void gguf_make_str(gguf_make *m, const char *key, const char *value);
void gguf_make_u32(gguf_make *m, const char *key, uint32_t value);
void gguf_make_f32(gguf_make *m, const char *key, float value);
void gguf_make_bool(gguf_make *m, const char *key, uint8_t value);
void gguf_make_raw(gguf_make *m, const char *key, uint32_t type, const void *value, size_t bytes);
void gguf_make_strings(gguf_make *m, const char *key, const char *const *text, uint64_t count);
/* rows 0: a vector. data NULL: zeros. */
void gguf_make_tensor(gguf_make *m, const char *name, uint32_t type, uint64_t cols, uint64_t rows,
                      const void *data, size_t bytes);
/* The whole file, data aligned to `align`; m is given up. */
lc_buf gguf_make_end(gguf_make *m, uint32_t align);

/* A small llama of random F32 weights with a BPE vocabulary of 260: 2 layers, width 32, 2 heads,
 * FFN 48. change(m) may add keys and tensors. */
typedef struct gguf_llama {
    const char *skip;             /* a key or tensor to leave out, or NULL */
    const char *const *labels;    /* [classes] or NULL: no names */
    uint32_t classes;             /* 0: no head */
    void (*change)(gguf_make *m); /* or NULL */
    uint32_t type;                /* ggml type of matrices: 0 F32 or 2 Q4_0 */
    const char *poison;           /* tensor whose last weight is a NaN, or NULL */
} gguf_llama;

lc_buf gguf_llama_make(const gguf_llama *spec);

#endif
