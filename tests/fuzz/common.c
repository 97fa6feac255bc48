/* common.c - helpers of all fuzz targets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/base.h"
#include "fuzz.h"

uint8_t *fuzz_copy(const uint8_t *data, size_t bytes)
{
    size_t room = LC_ROUND_UP(bytes + LC_READ_AHEAD, LC_ARENA_ALIGN);
    uint8_t *copy = aligned_alloc(LC_ARENA_ALIGN, room);
    if (!copy) {
        abort();
    }
    memset(copy + bytes, 0, room - bytes);
    if (bytes) {
        memcpy(copy, data, bytes);
    }
    return copy;
}

lc_arena fuzz_arena(uint32_t slot, size_t bytes)
{
    static void *kept[FUZZ_ARENAS];
    lc_arena arena;
    if (!kept[slot]) {
        kept[slot] = aligned_alloc(LC_ARENA_ALIGN, FUZZ_ARENA_BYTES);
    }
    if (!kept[slot] || bytes > FUZZ_ARENA_BYTES) {
        abort();
    }
    lc_arena_init(&arena, kept[slot], bytes);
    return arena;
}

uint8_t *fuzz_seed(const char *name, size_t *bytes)
{
    char path[4096];
    const char *folder = getenv("LC_SEEDS");
    snprintf(path, sizeof path, "%s/%s", folder ? folder : ".", name);
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        fprintf(stderr, "%s: cannot be read; LC_SEEDS names the folder of seeds\n", path);
        exit(1);
    }
    *bytes = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(*bytes + 1);
    if (!data || fread(data, 1, *bytes, file) != *bytes) {
        abort();
    }
    uint8_t *copy = fuzz_copy(data, *bytes);
    free(data);
    fclose(file);
    return copy;
}

void fuzz_expect(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "fuzz: does not hold: %s\n", what);
        abort();
    }
}
