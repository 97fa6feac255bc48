/* cap.h - a ceiling for what libraries may take from the heap once the daemon runs. */
#ifndef LC_CAP_H
#define LC_CAP_H

#include <stddef.h>

#include "../../runtime/err.h"

/* lc_cap_set - lets the process's data grow by `extra` bytes from now on, no further.
 *
 * libmosquitto takes memory for as many bytes as a packet claims to have, up to 256 MiB; beyond the
 * ceiling it gets none, and gives the connection up. With AddressSanitizer, whose allocator ends
 * the process in that case, nothing is set.
 * Errors    IO.
 */
lc_err lc_cap_set(size_t extra) LC_CHECKED;

#endif
