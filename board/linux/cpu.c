/* cpu.c - CPU features: auxiliary vector on ARM, CPUID on x86. */
#include "cpu.h"

#include <stdio.h>
#include <string.h>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

uint32_t lc_cpu_features(void)
{
    unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
    uint32_t features = 0;
    features |= first & HWCAP_ASIMD ? LC_CPU_NEON : 0u;
    features |= first & HWCAP_ASIMDDP ? LC_CPU_DOTPROD : 0u;
    features |= second & HWCAP2_I8MM ? LC_CPU_I8MM : 0u;
    return features;
}

#elif defined(__x86_64__)

/* The compiler's own check also asks whether the system saves the wide registers. */
uint32_t lc_cpu_features(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") ? LC_CPU_AVX2 : 0u;
}

#else

uint32_t lc_cpu_features(void)
{
    return 0;
}

#endif

void lc_cpu_names(uint32_t features, char *out, size_t max)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } known[] = {{LC_CPU_NEON, "neon"},
                 {LC_CPU_DOTPROD, "dotprod"},
                 {LC_CPU_I8MM, "i8mm"},
                 {LC_CPU_AVX2, "avx2"}};
    size_t used = 0;
    out[0] = 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t left = max - used;
        if ((features & known[i].bit) && strlen(known[i].name) + 2 <= left) {
            used += (size_t)snprintf(out + used, left, "%s%s", used ? " " : "", known[i].name);
        }
    }
}
