/* hasher.h - salted SHA-256 of lines, without heap. */
#ifndef LC_HASHER_H
#define LC_HASHER_H

#include <stddef.h>
#include <stdint.h>

#include "identity.h"

typedef struct lc_hasher {
    uint8_t salt[LC_SALT_BYTES];
} lc_hasher;

/* SHA-256 of salt and data. */
void lc_hasher_hash(const lc_hasher *hasher, const void *data, size_t bytes, uint8_t out[32]);

#endif
