/* hasher.c - one context, begun again for each line: that takes nothing from the heap. */
#include "hasher.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

lc_err lc_hasher_open(lc_hasher *hasher, const uint8_t salt[LC_SALT_BYTES])
{
    memcpy(hasher->salt, salt, LC_SALT_BYTES);
    hasher->context = EVP_MD_CTX_new();
    if (!hasher->context || EVP_DigestInit_ex(hasher->context, EVP_sha256(), NULL) != 1) {
        lc_hasher_close(hasher);
        return LC_ERR_ARENA;
    }
    return LC_OK;
}

void lc_hasher_close(lc_hasher *hasher)
{
    EVP_MD_CTX_free(hasher->context);
    hasher->context = NULL;
}

void lc_hasher_hash(lc_hasher *hasher, const void *data, size_t bytes, uint8_t out[32])
{
    unsigned int written = 0;
    EVP_MD_CTX *context = hasher->context;
    bool done = EVP_DigestInit_ex(context, NULL, NULL) == 1 &&
                EVP_DigestUpdate(context, hasher->salt, LC_SALT_BYTES) == 1 &&
                EVP_DigestUpdate(context, data, bytes) == 1 &&
                EVP_DigestFinal_ex(context, out, &written) == 1;
    lc_assert(done && written == 32);
}
