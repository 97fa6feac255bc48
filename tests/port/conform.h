/* conform.h - does a board keep what the core and the node ask of it? board/PORTING.md says how a
 * port runs these checks; board.c is a program that does.
 *
 * Freestanding like the core: memcpy memmove memset memcmp, no more. A check that fails is told and
 * counted; a board without unaligned loads or floating point traps instead.
 */
#ifndef CONFORM_H
#define CONFORM_H

#include <stdbool.h>
#include <stdint.h>

#include "../../board/node/port.h"

typedef struct conform {
    void (*say)(const char *line); /* `ok - name`, or `not ok - name`; no newline */
    uint32_t passed, failed;
} conform;

void conform_check(conform *c, bool good, const char *name);

/* What the core is compiled for and linked with: memory functions, floating point, the library. */
void conform_machine(conform *c);

/* What outlives a power cut. Twice, on storage that was empty before: first with `again` false;
 * then the power is cut as soon as that has returned; after the next start with `again` true. */
void conform_store(conform *c, const lc_port *port, bool again);

#endif
