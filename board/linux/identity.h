/* identity.h - what a device must remember: how often it started, and the salt of its hashes; and
 * whose it is, so that a copy of its card on another board does not pass for it.
 */
#ifndef LC_IDENTITY_H
#define LC_IDENTITY_H

#include <stdint.h>

#include "../../runtime/err.h"
#include "../../runtime/limits.h"
#include "store.h"

#define LC_SALT_BYTES 16u
#define LC_SERIAL_BYTES_MAX 64u

typedef enum lc_whose {
    LC_OURS,
    LC_OF_ANOTHER_ID,   /* the store was kept under `former` */
    LC_OF_ANOTHER_BOARD /* of this id, but on another board: a copy, or moved */
} lc_whose;

typedef struct lc_identity {
    uint32_t boot; /* starts from 1; (dev, boot, seq) names a record for ever */
    uint8_t salt[LC_SALT_BYTES];
    lc_whose whose;
    char former[LC_DEVICE_BYTES_MAX + 1];
} lc_identity;

/* Who starts. */
typedef struct lc_identity_owner {
    const char *dev;    /* device id */
    const char *serial; /* of the board, "" not known: then boards are not told apart */
    bool adopt;         /* whosever board it was, it is this one's now */
} lc_identity_owner;

/* Letters and digits of a file, small, NUL-terminated; their number, 0 when it cannot be read. */
uint32_t lc_serial_read(const char *path, char serial[LC_SERIAL_BYTES_MAX + 1]);

/* lc_identity_open - counts this start and makes the salt at the first, in a cell of the store.
 *
 * A store of version 0.x has both in the files `boot` and `salt`: they are moved into the cell. One
 * that does not know its owner yet is this owner's from now on.
 * Where identity->whose is not LC_OURS nothing was changed.
 * Errors    IO (store->trouble or errno says why), FORMAT (something else is there: it stays).
 */
lc_err lc_identity_open(lc_store *store, const lc_identity_owner *owner, lc_identity *identity,
                        lc_diag *diag) LC_CHECKED;
/* Without a store: a boot number beyond those that are counted, and a salt for this run. */
lc_err lc_identity_make(lc_identity *identity) LC_CHECKED;

#endif
