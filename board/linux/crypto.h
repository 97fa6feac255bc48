/* crypto.h - hashes, by OpenSSL. */
#ifndef LC_CRYPTO_H
#define LC_CRYPTO_H

#include <stddef.h>
#include <stdint.h>

#define LC_SHA256_BYTES 32u

void lc_sha256(const void *data, size_t bytes, uint8_t out[32]);

/* The same in parts. Every begin needs one end, which frees what begin took. */
typedef struct lc_sha256_parts {
    void *context;
} lc_sha256_parts;

void lc_sha256_begin(lc_sha256_parts *parts);
void lc_sha256_add(lc_sha256_parts *parts, const void *data, size_t bytes);
void lc_sha256_end(lc_sha256_parts *parts, uint8_t out[32]);

#endif
