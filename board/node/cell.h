/* cell.h - a few bytes that outlive a power cut: two sectors, written in turn, each with a counter
 * and a CRC. A write that is cut leaves the other sector, so the value is the old or the new one.
 */
#ifndef LC_CELL_H
#define LC_CELL_H

#include "port.h"

#define LC_CELL_BYTES_MAX 488u
#define LC_CELL_SPAN 8192u /* of a cell in the file; its sectors lie in different pages */

/* Cells of LC_FILE_STATE; numbers are part of the format. */
typedef enum lc_cell_index {
    LC_CELL_IDENTITY,
    LC_CELL_RECORDS,
    LC_CELL_EVENTS,
    LC_CELL_BUDGET,
    LC_CELL_CORRECTIONS,
    LC_CELL_AUDIT,
    LC_CELL_ANNOUNCED,
    LC_CELL_COST,
    LC_CELL_QUESTIONS,
    LC_CELL_DRIFT,
    LC_CELL_COUNT = 16 /* places in the file */
} lc_cell_index;

#define LC_STATE_BYTES ((uint64_t)LC_CELL_COUNT * LC_CELL_SPAN)

typedef struct lc_cell {
    const lc_port *port;
    uint32_t index;
    uint64_t counter; /* of the newest value, 0: never written */
} lc_cell;

/* Reads the newest value into data; *bytes 0 when there is none. The file is open.
 * IO, LIMIT (the value is longer than max). */
lc_err lc_cell_open(lc_cell *cell, const lc_port *port, lc_cell_index index, void *data,
                    uint32_t max, uint32_t *bytes) LC_CHECKED;
/* Replaces the value, certain on return. IO: the old value stands, or the new one. */
lc_err lc_cell_write(lc_cell *cell, const void *data, uint32_t bytes) LC_CHECKED;
/* Replaces it for who reads it after this process; a power cut may bring the old one back. */
lc_err lc_cell_draft(const lc_cell *cell, const void *data, uint32_t bytes) LC_CHECKED;

#endif
