/* memory.h - one mapping at start for all arenas, its size planned by the code that fills it. */
#ifndef LC_MEMORY_H
#define LC_MEMORY_H

#include "../../runtime/arena.h"
#include "../../runtime/err.h"

typedef struct lc_arenas {
    lc_arena state;   /* tables, KV cache; sealed once laid out */
    lc_arena scratch; /* rewound after every line */
    lc_arena io;      /* records and messages */
} lc_arenas;

typedef struct lc_memory {
    lc_arenas arenas;
    size_t plan_state, plan_scratch, plan_io; /* bytes; the arenas hold exactly these */
    uint8_t *base;
    size_t bytes; /* of the mapping */
} lc_memory;

/* Pushes everything that lives as long as the program on state, and pushes and rewinds on scratch
 * and io the most that a run will take. Called twice: with measuring arenas, whose pointers must
 * not be followed, and with real ones. */
typedef lc_err lc_memory_layout(void *ctx, lc_arenas *arenas, lc_diag *diag);

/* lc_memory_open - plans with measuring arenas, maps once, lays out, seals state.
 *
 * Returns   what the layout returns; IO when the system gives no memory.
 * Owner     the caller closes; on error there is nothing to close.
 */
lc_err lc_memory_open(lc_memory *memory, lc_memory_layout *layout, void *ctx,
                      lc_diag *diag) LC_CHECKED;
void lc_memory_close(lc_memory *memory);

#endif
