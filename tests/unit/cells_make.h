/* cells_make.h - the file of cells in memory, for tests of what is kept in one. */
#ifndef CELLS_MAKE_H
#define CELLS_MAKE_H

#include <stdbool.h>

#include "../../board/node/cell.h"

extern const lc_port cells_port;
extern bool cells_broken;     /* the disk fails from now on */
extern uint32_t cells_writes; /* that came through */

/* Empty and sound; a cmocka setup, too. */
int cells_clear(void **state);

#endif
