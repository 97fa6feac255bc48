/* inbox.h - lines that wait for inference: a bounded queue per source, served in turn.
 *
 * A source that can wait (a file, a FIFO, a serial line with flow control) is told to; for one that
 * cannot (MQTT, bare serial) the line that finds no room is lost, counted, and stated in up/gap.
 */
#ifndef LC_INBOX_H
#define LC_INBOX_H

#include "../../runtime/arena.h"
#include "../../runtime/err.h"
#include "ring.h"

typedef struct lc_line {
    uint64_t arrived_ms;
    uint32_t bytes; /* over LC_LINE_BYTES_MAX: too long, and not kept */
    char text[];    /* [bytes], or nothing */
} lc_line;

/* Lines that were not taken, since the loss was last stated. */
typedef struct lc_lost {
    uint64_t lines;
    uint64_t from_ms, to_ms;
} lc_lost;

typedef struct lc_inbox_source {
    lc_ring ring; /* of lc_line */
    bool waits;
    bool paused; /* told BUSY and not yet asked to go on */
    lc_lost lost;
    uint64_t taken_total, lost_total, paused_total;
} lc_inbox_source;

typedef struct lc_inbox {
    lc_inbox_source *source; /* [count] */
    uint32_t count;
    uint32_t turn; /* source to look at first */
} lc_inbox;

/* inbox_bytes of queue for each source, on the arena. */
lc_err lc_inbox_init(lc_inbox *inbox, uint32_t sources, uint32_t inbox_bytes,
                     lc_arena *state) LC_CHECKED;
/* Copies the line. BUSY: no room; a source that waits offers it again, else it is lost. */
lc_err lc_inbox_put(lc_inbox *inbox, uint64_t now_ms, uint32_t source, const char *text,
                    size_t bytes) LC_CHECKED;
/* The next line in turn, left where it is until lc_inbox_drop(source); NULL when none waits. */
const lc_line *lc_inbox_next(lc_inbox *inbox, uint32_t *source);
void lc_inbox_drop(lc_inbox *inbox, uint32_t source);
/* A paused source that has room again for any line, at most once a pause. */
bool lc_inbox_resume(lc_inbox *inbox, uint32_t *source);
uint32_t lc_inbox_waiting(const lc_inbox *inbox);

#endif
