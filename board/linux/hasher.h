/* hasher.h - salted SHA-256 of lines, without heap once it is open. */
#ifndef LC_HASHER_H
#define LC_HASHER_H

#include <stddef.h>
#include <stdint.h>

#include "identity.h"

typedef struct lc_hasher {
    void *context; /* of OpenSSL */
    uint8_t salt[LC_SALT_BYTES];
} lc_hasher;

/* ARENA when OpenSSL has no memory. */
lc_err lc_hasher_open(lc_hasher *hasher, const uint8_t salt[LC_SALT_BYTES]) LC_CHECKED;
void lc_hasher_close(lc_hasher *hasher);
/* SHA-256 of salt and data. */
void lc_hasher_hash(lc_hasher *hasher, const void *data, size_t bytes, uint8_t out[32]);

#endif
