/* dice.h - chance for simulations: xorshift64*, the same numbers from the same seed everywhere. */
#ifndef LC_SIM_DICE_H
#define LC_SIM_DICE_H

#include <stdint.h>

/* 48 bits; *random is not 0. */
static inline uint64_t dice_roll(uint64_t *random)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return (*random * 0x2545F4914F6CDD1Du) >> 16;
}

#endif
