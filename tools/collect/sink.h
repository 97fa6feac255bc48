/* sink.h - where items are kept: an SQLite database, or lines of JSON. */
#ifndef LC_COLLECT_SINK_H
#define LC_COLLECT_SINK_H

#include "../ui.h"
#include "item.h"

typedef struct lc_sink lc_sink;

/* What each kind of file does. Errors go to the log; false or an exit code comes back. */
typedef struct lc_sink_kind {
    /* Opens or makes the file and notes what is in it. LC_UI_GO or an exit code. */
    int (*open)(const char *path, lc_held *held, lc_sink **sink);
    bool (*put)(lc_sink *sink, const lc_item *item);
    /* What was put is on the disk. False: none of it counts. */
    bool (*commit)(lc_sink *sink);
    /* Removes what came before `before` (ms since 1970), and all of dev when it is not NULL. What
     * was removed for its age still counts as here. */
    bool (*forget)(lc_sink *sink, const lc_held *held, uint64_t before, const char *dev,
                   uint64_t *removed);
    void (*close)(lc_sink *sink);
} lc_sink_kind;

extern const lc_sink_kind lc_sink_sqlite, lc_sink_lines;

/* By the end of the file's name; NULL after a message. */
const lc_sink_kind *lc_sink_of(const char *path);

#endif
