/* gguf_types.h - block formats of GGUF tensors: sizes and exact dequantisation. */
#ifndef LC_GGUF_TYPES_H
#define LC_GGUF_TYPES_H

#include <stdint.h>

/* ggml's numbers of the types that the packer treats apart. */
enum { LC_GGML_F32 = 0, LC_GGML_F16 = 1, LC_GGML_Q4_0 = 2, LC_GGML_BF16 = 30 };

#define LC_Q4_0_BYTES 18u /* half d; u8 q[16]: low nibbles are weights 0..15, high 16..31 */
#define LC_GGML_BLOCK_MAX 256u

typedef struct lc_gguf_block {
    const char *name;
    uint32_t weights; /* in a block */
    uint32_t bytes;
    void (*read)(const uint8_t *block, float *out); /* out[weights]; NULL: cannot be read */
} lc_gguf_block;

/* NULL for a number that no released file uses; read is NULL for a type that is known by name only.
 */
const lc_gguf_block *lc_gguf_block_of(uint32_t type);
float lc_half_float(uint16_t half);

#endif
