/* identity.h - what a device must remember: how often it started, and the salt of its hashes. */
#ifndef LC_IDENTITY_H
#define LC_IDENTITY_H

#include <stdint.h>

#include "../../runtime/err.h"

#define LC_SALT_BYTES 16u

typedef struct lc_identity {
    uint32_t boot; /* starts from 1; (dev, boot, seq) names a record for ever */
    uint8_t salt[LC_SALT_BYTES];
} lc_identity;

/* lc_identity_open - counts this start and makes the salt at the first.
 *
 * Writes `boot` and `salt` in the folder, each synced and renamed into place. The folder is made
 * when its parent is there.
 * Errors    IO (errno says why), FORMAT (a file holds something else: it is not overwritten).
 */
lc_err lc_identity_open(const char *folder, lc_identity *identity, lc_diag *diag) LC_CHECKED;

#endif
