/* status.h - the local status socket, both ends: pages on a Unix socket. */
#ifndef LC_STATUS_H
#define LC_STATUS_H

#include "../../runtime/err.h"
#include "pages.h"

#define LC_STATUS_BYTES_MAX 32768u /* of a page with its head */
#define LC_STATUS_PAGE "/status"
#define LC_STATUS_METRICS "/metrics"

typedef struct lc_status {
    lc_pages pages;
    const char *path; /* NULL: not open */
} lc_status;

/* lc_status_open - listens on a socket at path (mode 0660); a dead socket there is replaced. The
 * pages' loop, page, page_count and ctx are set.
 *
 * Errors    BUSY (a living daemon answers there), IO (errno says why).
 */
lc_err lc_status_open(lc_status *status, const char *path) LC_CHECKED;
void lc_status_close(lc_status *status);

/* For the tool: a page of the daemon at path, NUL-terminated in out[max]; NOT_FOUND when none
 * listens, or it has no such page; IO, LIMIT. */
lc_err lc_status_read(const char *path, const char *page, char *out, uint32_t max,
                      uint32_t *bytes) LC_CHECKED;

#endif
