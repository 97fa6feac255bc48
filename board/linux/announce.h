/* announce.h - the message for Home Assistant, and which tasks it was told of at earlier starts, in
 * a cell of the store. */
#ifndef LC_ANNOUNCE_H
#define LC_ANNOUNCE_H

#include "../node/discovery.h"
#include "store.h"

#define LC_ANNOUNCE_TASKS_MAX 32u /* remembered; of more the oldest are forgotten */

typedef struct lc_announce {
    char payload[LC_DISCOVERY_BYTES_MAX];
    lc_str text; /* data NULL: nothing to publish; no bytes: to be taken back */
} lc_announce;

/* lc_announce_make - the message for this job; with `wanted` false the one that takes back what was
 * ever announced. `gone` of the discovery is filled in here. store NULL: nothing is remembered.
 *
 * Errors    IO (store->trouble says why), LIMIT (more tasks and labels than fit the message).
 */
lc_err lc_announce_make(lc_announce *announce, const lc_discovery *discovery, bool wanted,
                        lc_store *store) LC_CHECKED;

#endif
