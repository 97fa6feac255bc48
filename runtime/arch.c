#include "arch.h"

#include <string.h>

static const lc_arch archs[] = {
    {.id = LC_ARCH_LLAMA, .name = "llama", .rope_neox = false, .act = LC_SILU},
};

const lc_arch *lc_arch_by_id(uint32_t id)
{
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++) {
        if (archs[i].id == id) {
            return &archs[i];
        }
    }
    return NULL;
}

const lc_arch *lc_arch_by_name(const char *name, uint32_t bytes)
{
    for (size_t i = 0; i < sizeof archs / sizeof archs[0]; i++) {
        const char *known = archs[i].name;
        if (memcmp(known, name, bytes) == 0 && known[bytes] == '\0') {
            return &archs[i];
        }
    }
    return NULL;
}
