/* framer.h - lines out of a stream of bytes. A line ends at LF, a CR before it is dropped; what is
 * longer than LC_LINE_BYTES_MAX is counted, not kept. */
#ifndef LC_FRAMER_H
#define LC_FRAMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../runtime/limits.h"

typedef struct lc_framer {
    char text[LC_LINE_BYTES_MAX + 1]; /* one more for the CR of a longest line */
    size_t bytes;                     /* of the line so far; over LC_LINE_BYTES_MAX: too long */
    bool whole;                       /* a line stands there */
} lc_framer;

void lc_framer_reset(lc_framer *framer);
/* Takes bytes up to the end of a line; returns how many it took. While `whole`, it takes none. */
size_t lc_framer_feed(lc_framer *framer, const char *data, size_t bytes);
/* The stream ended: a last line without LF becomes whole. */
void lc_framer_end(lc_framer *framer);
/* The whole line was used. */
void lc_framer_next(lc_framer *framer);

#endif
