/* store.h - the files under storage.path, as the node's port (board/node/port.h).
 *
 *   state             cells: identity, cursors, stated losses
 *   records.journal   records that are not delivered, and some that are
 *   events.journal    the same of events; corrections.journal, audit.journal likewise
 * Made whole at the first start, so that a disk that is too full says so then. One process at a
 * time has them. Formats: board/FORMAT.md.
 */
#ifndef LC_STORE_H
#define LC_STORE_H

#include <stdbool.h>

#include "../node/port.h"

typedef struct lc_store {
    int folder; /* -1: closed */
    bool looks; /* only to read: nothing is made, written or locked */
    int fd[LC_FILE_COUNT];
    lc_port port;
    char trouble[128]; /* of the last call that failed: which file, what, why */
} lc_store;

/* Opens the folder, made when its parent is there, and the cells. BUSY: another process has it;
 * IO: `trouble` says why; FORMAT: the file is none of ours. */
lc_err lc_store_open(lc_store *store, const char *folder) LC_CHECKED;
/* Opens the folder to read its files, also while a daemon has them. IO: `trouble` says why. */
lc_err lc_store_look(lc_store *store, const char *folder) LC_CHECKED;
void lc_store_close(lc_store *store);
/* Moves the files of a closed store into the folder `former` in it, over those that are there. What
 * a cut leaves is moved by the next call, as `state` goes last. IO: `trouble` says why. */
lc_err lc_store_set_aside(lc_store *store, const char *folder) LC_CHECKED;

#endif
