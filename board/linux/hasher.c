/* hasher.c - OpenSSL's plain SHA-256: its newer interface takes heap memory for every line. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "hasher.h"

#include <openssl/sha.h>
#include <stdbool.h>

void lc_hasher_hash(const lc_hasher *hasher, const void *data, size_t bytes, uint8_t out[32])
{
    SHA256_CTX context;
    bool done = SHA256_Init(&context) == 1 &&
                SHA256_Update(&context, hasher->salt, LC_SALT_BYTES) == 1 &&
                SHA256_Update(&context, data, bytes) == 1 && SHA256_Final(out, &context) == 1;
    lc_assert(done);
}
