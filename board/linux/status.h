/* status.h - the local status socket: who connects reads one JSON object and the end. */
#ifndef LC_STATUS_H
#define LC_STATUS_H

#include "../../runtime/err.h"
#include "loop.h"

#define LC_STATUS_BYTES_MAX 8192u

typedef struct lc_status {
    int fd;
    lc_watch watch;
    const char *path;
    /* Renders the object; 0: nothing to say. */
    uint32_t (*write)(void *ctx, char *out, uint32_t max);
    void *ctx;
    char out[LC_STATUS_BYTES_MAX];
} lc_status;

/* lc_status_open - listens on a socket at path (mode 0660); a dead socket there is replaced.
 *
 * Errors    BUSY (a living daemon answers there), IO (errno says why).
 */
lc_err lc_status_open(lc_status *status, lc_loop *loop, const char *path) LC_CHECKED;
void lc_status_close(lc_status *status, lc_loop *loop);

/* For the tool: what the daemon at path says; NOT_FOUND when none listens. */
lc_err lc_status_read(const char *path, char *out, uint32_t max, uint32_t *bytes) LC_CHECKED;

#endif
