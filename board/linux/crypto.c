/* SHA-256 of memory cannot fail but for want of memory inside OpenSSL, where going on would mean
 * naming an object by a wrong hash: that is a panic, not an error to pass up. */
#include "crypto.h"

#include <openssl/evp.h>

#include "../../runtime/err.h"

void lc_sha256_begin(lc_sha256_parts *parts)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    lc_assert(context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1);
    parts->context = context;
}

void lc_sha256_add(lc_sha256_parts *parts, const void *data, size_t bytes)
{
    lc_assert(EVP_DigestUpdate(parts->context, data, bytes) == 1);
}

void lc_sha256_end(lc_sha256_parts *parts, uint8_t out[32])
{
    unsigned int written = 0;
    lc_assert(EVP_DigestFinal_ex(parts->context, out, &written) == 1 && written == LC_SHA256_BYTES);
    EVP_MD_CTX_free(parts->context);
    parts->context = NULL;
}

void lc_sha256(const void *data, size_t bytes, uint8_t out[32])
{
    lc_sha256_parts parts;
    lc_sha256_begin(&parts);
    lc_sha256_add(&parts, data, bytes);
    lc_sha256_end(&parts, out);
}
