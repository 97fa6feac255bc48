/* fuzz.h - what every fuzz target shares.
 *
 * A target defines LLVMFuzzerTestOneInput and fuzz_seeds. `make fuzz` links it with libFuzzer;
 * every `make check` links it with replay.c, which runs the seeds and a fixed list of mutations.
 */
#ifndef LC_FUZZ_H
#define LC_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#include "../../runtime/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Patterns of seed files, NULL at the end; `@/` is the folder of seeds that the build made. */
extern const char *const fuzz_seeds[];

/* A copy at a 64-byte aligned address with LC_READ_AHEAD zeros behind it, as a mapped file has.
 * Where the input is only read byte by byte, use the input itself: its end is guarded. */
uint8_t *fuzz_copy(const uint8_t *data, size_t bytes);
/* An empty arena of that size, on memory that is kept from input to input: speed. */
lc_arena fuzz_arena(uint32_t slot, size_t bytes);
#define FUZZ_ARENAS 2u
#define FUZZ_ARENA_BYTES ((size_t)32 << 20)
/* A seed that the build made, by name, as fuzz_copy; *bytes is its size. Ends the program when it
 * is not there. */
uint8_t *fuzz_seed(const char *name, size_t *bytes);
/* Ends the program: the property that `what` names does not hold. */
void fuzz_expect(int holds, const char *what);

#endif
