/* arena.h - bump allocation from memory that the board gives; nothing is ever freed.
 *
 * Four arenas, four lifetimes: model (read-only views of files), state (KV cache, tables; sealed
 * after load), scratch (rewound after every line), io (messages; rewound per message).
 * A measuring arena has no memory: it hands out pointers that must not be followed and counts, so
 * the code that lays out an arena also plans it and the two cannot differ.
 */
#ifndef LC_ARENA_H
#define LC_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LC_ARENA_ALIGN 64u

typedef struct lc_arena {
    uint8_t *base; /* LC_ARENA_ALIGN aligned; NULL when measuring */
    size_t size;
    size_t used;
    size_t peak;
    bool sealed;    /* a push after the seal fails */
    bool measuring; /* unlimited, no memory */
    uint32_t refused; /* pushes that failed, since init */
} lc_arena;

void lc_arena_init(lc_arena *arena, void *mem, size_t bytes);
void lc_arena_measure(lc_arena *arena);
/* bytes aligned to 64; NULL when it does not fit or the arena is sealed. Memory is not cleared. */
void *lc_arena_push(lc_arena *arena, size_t bytes);
#define LC_PUSH(arena, type, count) ((type *)lc_arena_push((arena), (size_t)(count) * sizeof(type)))
/* Everything pushed after the mark is given up. */
size_t lc_arena_mark(const lc_arena *arena);
void lc_arena_rewind(lc_arena *arena, size_t mark);
void lc_arena_seal(lc_arena *arena);

#endif
