/* selftest.h - kernel levels against ref: hidden states layer by layer, records line by line.
 *
 * What ref gives is kept; each level then runs the same and is compared bit for bit as it goes, so
 * that the first difference is the first that was computed.
 */
#ifndef LC_SELFTEST_H
#define LC_SELFTEST_H

#include "../board/linux/objects.h"
#include "../runtime/net.h"
#include "../runtime/record.h"

#define LC_SELFTEST_TOKENS 37u /* nine blocks of four and one */

/* Where a level left ref for the first time. */
typedef struct lc_difference {
    const char *level; /* NULL: nowhere */
    const char *pass;  /* "block" "padded" "step" "pool" "lines" */
    const char *what;  /* "layer" "states" "logits" "pooled" "classes" "run" "record" */
    uint32_t layer;    /* of "layer" */
    uint32_t token;    /* position, or the line's number from 1 */
    uint32_t index;    /* of the value, or the byte of the record */
    float wanted, got; /* values; not for "run" and "record" */
    lc_err err;        /* of "run" */
} lc_difference;

/* ---- a pack's network ---- */

typedef struct lc_selftest_net {
    lc_object pack;
    lc_tasks tasks;
    lc_model_info info;
    float *trace; /* [trace_values] what ref gave, in order of computing */
    size_t trace_values;
    uint32_t ids[LC_SELFTEST_TOKENS];
} lc_selftest_net;

/* lc_selftest_net_open - runs the pack by the reference and keeps what it gave.
 *
 * Errors    as lc_model_open, lc_net_init, lc_net_run; nothing is left open.
 * Owner     the caller keeps the pack until lc_selftest_net_close.
 */
lc_err lc_selftest_net_open(lc_selftest_net *test, const lc_object *pack, lc_tasks tasks,
                            const lc_kernels *reference, lc_diag *diag) LC_CHECKED;
/* difference->level is NULL when every value was equal. Errors: memory. */
lc_err lc_selftest_net_compare(const lc_selftest_net *test, const lc_kernels *tested,
                               lc_difference *difference, lc_diag *diag) LC_CHECKED;
void lc_selftest_net_close(lc_selftest_net *test);

/* ---- a job's records ---- */

typedef struct lc_selftest_lines {
    lc_object bundle;
    lc_objects *objects;
    lc_tasks tasks;
    char *records; /* [bytes] of the reference, each ends in a newline */
    size_t bytes;
} lc_selftest_lines;

/* How many lines there are. */
uint32_t lc_selftest_lines_count(void);
/* The same for a job: its records without what differs from run to run. */
lc_err lc_selftest_lines_open(lc_selftest_lines *test, const lc_object *bundle, lc_objects *objects,
                              lc_tasks tasks, const lc_kernels *reference,
                              lc_diag *diag) LC_CHECKED;
lc_err lc_selftest_lines_compare(const lc_selftest_lines *test, const lc_kernels *tested,
                                 lc_difference *difference, lc_diag *diag) LC_CHECKED;
void lc_selftest_lines_close(lc_selftest_lines *test);

#endif
