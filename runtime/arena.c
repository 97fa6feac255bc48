#include "arena.h"

#include "err.h"

/* What a measuring arena hands out lies from here on: aligned, non-NULL, never to be followed. */
#define MEASURE_BASE ((uintptr_t)LC_ARENA_ALIGN)

void lc_arena_init(lc_arena *arena, void *mem, size_t bytes)
{
    lc_assert(((uintptr_t)mem & (LC_ARENA_ALIGN - 1)) == 0);
    *arena = (lc_arena){.base = mem, .size = bytes};
}

void lc_arena_measure(lc_arena *arena)
{
    *arena = (lc_arena){.size = SIZE_MAX / 2, .measuring = true};
}

void *lc_arena_push(lc_arena *arena, size_t bytes)
{
    size_t rounded = (bytes + LC_ARENA_ALIGN - 1) & ~(size_t)(LC_ARENA_ALIGN - 1);
    if (arena->sealed || rounded < bytes || rounded > arena->size - arena->used) {
        arena->refused++;
        return NULL;
    }
    size_t at = arena->used;
    arena->used += rounded;
    if (arena->used > arena->peak) {
        arena->peak = arena->used;
    }
    return arena->measuring ? (void *)(MEASURE_BASE + at) : (void *)(arena->base + at);
}

size_t lc_arena_mark(const lc_arena *arena)
{
    return arena->used;
}

void lc_arena_rewind(lc_arena *arena, size_t mark)
{
    lc_assert(mark <= arena->used);
    arena->used = mark;
}

void lc_arena_seal(lc_arena *arena)
{
    arena->sealed = true;
}
