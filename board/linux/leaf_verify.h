/* leaf_verify.h - the checks of a `.leaf` that read all of it: hashes, root, zero padding. */
#ifndef LC_LEAF_VERIFY_H
#define LC_LEAF_VERIFY_H

#include "../../runtime/leaf.h"

/* Errors: CHECKSUM for the root or a section, FORMAT for padding that is not zero, each with its
 * offset. */
lc_err lc_leaf_verify(const lc_leaf *leaf, lc_diag *diag) LC_CHECKED;

#endif
