/* memory.c - plan, map, lay out. */
#include "memory.h"

#include <sys/mman.h>

#include "../../kernels/base.h"

/* The end of an arena may be read a little beyond, never written. */
static size_t span_of(size_t plan)
{
    return LC_ROUND_UP(plan + LC_READ_AHEAD, LC_ARENA_ALIGN);
}

static lc_err arenas_plan(lc_memory *memory, lc_memory_layout *layout, void *ctx, lc_diag *diag)
{
    lc_arenas measure;
    lc_arena_measure(&measure.state);
    lc_arena_measure(&measure.scratch);
    lc_arena_measure(&measure.io);
    lc_err err = layout(ctx, &measure, diag);
    if (err != LC_OK) {
        return err;
    }
    memory->plan_state = measure.state.peak;
    memory->plan_scratch = measure.scratch.peak;
    memory->plan_io = measure.io.peak;
    return LC_OK;
}

static lc_err arenas_map(lc_memory *memory, lc_diag *diag)
{
    size_t state = span_of(memory->plan_state), scratch = span_of(memory->plan_scratch);
    size_t total = state + scratch + span_of(memory->plan_io);
    void *base = mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return lc_fail(diag, LC_ERR_IO, 0, "the system gives no memory for the arenas");
    }
    memory->base = base;
    memory->bytes = total;
    lc_arena_init(&memory->arenas.state, memory->base, memory->plan_state);
    lc_arena_init(&memory->arenas.scratch, memory->base + state, memory->plan_scratch);
    lc_arena_init(&memory->arenas.io, memory->base + state + scratch, memory->plan_io);
    return LC_OK;
}

lc_err lc_memory_open(lc_memory *memory, lc_memory_layout *layout, void *ctx, lc_diag *diag)
{
    *memory = (lc_memory){0};
    lc_err err = arenas_plan(memory, layout, ctx, diag);
    if (err == LC_OK) {
        err = arenas_map(memory, diag);
    }
    if (err == LC_OK) {
        err = layout(ctx, &memory->arenas, diag);
    }
    if (err != LC_OK) {
        lc_memory_close(memory);
        return err;
    }
    lc_arena_seal(&memory->arenas.state);
    /* The layout itself reached every peak; from here on they show what runs really take. */
    memory->arenas.scratch.peak = memory->arenas.scratch.used;
    memory->arenas.io.peak = memory->arenas.io.used;
    return LC_OK;
}

void lc_memory_close(lc_memory *memory)
{
    if (memory->base) {
        munmap(memory->base, memory->bytes);
    }
    *memory = (lc_memory){0};
}
