/* port.h - what the node needs of a machine to outlive a power cut: four calls on a few files.
 *
 * A write is certain only once `sync` of its file returned OK; until then any part of it may be
 * lost, torn, or there. Each call returns OK or IO; after an IO the file's later state is unknown.
 * PORTING.md lists what each call promises; tests/port checks it.
 */
#ifndef LC_PORT_H
#define LC_PORT_H

#include <stddef.h>
#include <stdint.h>

#include "../../runtime/err.h"

typedef enum lc_file {
    LC_FILE_STATE,       /* cells */
    LC_FILE_RECORDS,     /* journal of records */
    LC_FILE_EVENTS,      /* journal of events */
    LC_FILE_CORRECTIONS, /* journal of corrections */
    LC_FILE_AUDIT,       /* journal of what was done and why */
    LC_FILE_QUESTIONS,   /* journal of questions that are not ended */
    LC_FILE_COUNT
} lc_file;

typedef struct lc_port {
    void *ctx;
    /* Opens the file; one that is not there is made with `bytes` of zeros, its room reserved and
     * its name certain. *bytes becomes the length that it has. */
    lc_err (*open)(void *ctx, lc_file file, uint64_t *bytes);
    lc_err (*read)(void *ctx, lc_file file, uint64_t at, void *data, size_t bytes);
    lc_err (*write)(void *ctx, lc_file file, uint64_t at, const void *data, size_t bytes);
    lc_err (*sync)(void *ctx, lc_file file);
} lc_port;

#endif
