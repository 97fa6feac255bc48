/* map.h - a file in memory, read-only, safe to read a little past its end. */
#ifndef LC_MAP_H
#define LC_MAP_H

#include <stddef.h>
#include <stdint.h>

#include "../../runtime/err.h"

typedef struct lc_map {
    const uint8_t *data; /* [bytes], page aligned, then at least LC_READ_AHEAD readable zeros */
    size_t bytes;
    size_t span; /* bytes of the mapping itself */
} lc_map;

/* lc_map_open - maps a regular file read-only.
 *
 * Returns   IO when it cannot be opened, read or is not a regular file; errno says why.
 * Owner     the caller unmaps with lc_map_close. The file must not shrink meanwhile.
 */
lc_err lc_map_open(const char *path, lc_map *map) LC_CHECKED;
/* A copy of bytes in memory, aligned and readable past its end as a mapped file is. */
lc_err lc_map_copy(const void *data, size_t bytes, lc_map *map) LC_CHECKED;
void lc_map_close(lc_map *map);
/* Bytes of a mapped FILE that will hardly be read again: their memory may go. Not for copies. */
void lc_map_release(const void *data, size_t bytes);

#endif
