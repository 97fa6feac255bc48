/* bits.h - little-endian writing, the other half of lc_reader. */
#ifndef LC_BITS_H
#define LC_BITS_H

#include <stdint.h>

static inline void lc_put_u16(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)v;
    at[1] = (uint8_t)(v >> 8);
}

static inline void lc_put_u32(uint8_t *at, uint32_t v)
{
    lc_put_u16(at, v & 0xffffu);
    lc_put_u16(at + 2, v >> 16);
}

static inline void lc_put_u64(uint8_t *at, uint64_t v)
{
    lc_put_u32(at, (uint32_t)v);
    lc_put_u32(at + 4, (uint32_t)(v >> 32));
}

#endif
