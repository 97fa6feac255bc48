#include "arch.h"

#include "bytes.h"

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
        if (lc_str_equal(lc_str_from(archs[i].name), (lc_str){name, bytes})) {
            return &archs[i];
        }
    }
    return NULL;
}
