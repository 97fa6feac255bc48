/* identity.h - what a device must remember: how often it started, and the salt of its hashes. */
#ifndef LC_IDENTITY_H
#define LC_IDENTITY_H

#include <stdint.h>

#include "../../runtime/err.h"
#include "store.h"

#define LC_SALT_BYTES 16u

typedef struct lc_identity {
    uint32_t boot; /* starts from 1; (dev, boot, seq) names a record for ever */
    uint8_t salt[LC_SALT_BYTES];
} lc_identity;

/* lc_identity_open - counts this start and makes the salt at the first, in a cell of the store.
 *
 * A store of version 0.x has both in the files `boot` and `salt`: they are moved into the cell.
 * Errors    IO (store->trouble or errno says why), FORMAT (something else is there: it stays).
 */
lc_err lc_identity_open(lc_store *store, lc_identity *identity, lc_diag *diag) LC_CHECKED;
/* Without a store: a boot number beyond those that are counted, and a salt for this run. */
lc_err lc_identity_make(lc_identity *identity) LC_CHECKED;

#endif
