#include "leaf_verify.h"

#include <string.h>

#include "crypto.h"

static size_t table_end(const lc_leaf *leaf)
{
    return LC_LEAF_HEADER_BYTES + (size_t)leaf->section_count * LC_LEAF_ENTRY_BYTES;
}

static lc_err check_root(const lc_leaf *leaf, lc_diag *diag)
{
    uint8_t header[LC_LEAF_HEADER_BYTES], hash[LC_SHA256_BYTES];
    size_t root_at = (size_t)(leaf->root - leaf->data);
    memcpy(header, leaf->data, sizeof header);
    memset(header + root_at, 0, LC_SHA256_BYTES);
    lc_sha256_parts parts;
    lc_sha256_begin(&parts);
    lc_sha256_add(&parts, header, sizeof header);
    lc_sha256_add(&parts, leaf->data + sizeof header, table_end(leaf) - sizeof header);
    lc_sha256_end(&parts, hash);
    return memcmp(hash, leaf->root, sizeof hash) == 0
               ? LC_OK
               : lc_fail(diag, LC_ERR_CHECKSUM, root_at, "root is not that of header and table");
}

static lc_err check_gap(const lc_leaf *leaf, size_t from, size_t to, lc_diag *diag)
{
    for (size_t i = from; i < to; i++) {
        if (leaf->data[i] != 0) {
            return lc_fail(diag, LC_ERR_FORMAT, i, "padding between sections is not zero");
        }
    }
    return LC_OK;
}

lc_err lc_leaf_verify(const lc_leaf *leaf, lc_diag *diag)
{
    size_t end = table_end(leaf);
    lc_err err = check_root(leaf, diag);
    for (uint32_t i = 0; !err && i < leaf->section_count; i++) {
        lc_section s = lc_leaf_section(leaf, i);
        uint8_t hash[LC_SHA256_BYTES];
        err = check_gap(leaf, end, (size_t)s.offset, diag);
        end = (size_t)(s.offset + s.bytes);
        if (err) {
            break;
        }
        lc_sha256(s.data, s.bytes, hash);
        if (memcmp(hash, s.sha256, sizeof hash) != 0) {
            err = lc_fail(diag, LC_ERR_CHECKSUM, s.offset, "section differs from its hash");
        }
    }
    return err;
}
