/* cpu.c - CPU features: auxiliary vector on ARM, CPUID on x86. */
#include "cpu.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>

#define ARM_IMPLEMENTER 0x41u
#define PART_CORTEX_A53 0xd03u
#define PART_CORTEX_A35 0xd04u

/* Cores that issue in program order and have no dot products. Linux answers this read of the main
 * ID register for user programs when HWCAP_CPUID is set; without it the kernels for cores that
 * reorder are taken. */
static bool is_inorder(unsigned long hwcap)
{
    uint64_t midr = 0;
    if (hwcap & HWCAP_CPUID) {
        __asm__("mrs %0, MIDR_EL1" : "=r"(midr));
    }
    uint32_t part = (uint32_t)(midr >> 4) & 0xfffu;
    return (midr >> 24 & 0xffu) == ARM_IMPLEMENTER &&
           (part == PART_CORTEX_A53 || part == PART_CORTEX_A35);
}

uint32_t lc_cpu_features(void)
{
    unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
    uint32_t features = 0;
    features |= first & HWCAP_ASIMD ? LC_CPU_NEON : 0u;
    features |= first & HWCAP_ASIMDDP ? LC_CPU_DOTPROD : 0u;
    features |= second & HWCAP2_I8MM ? LC_CPU_I8MM : 0u;
    features |= is_inorder(first) ? LC_CPU_INORDER : 0u;
    return features;
}

#elif defined(__x86_64__)
#include <cpuid.h>

/* Conversions of binary16: every CPU with AVX2 has them, but says so by itself. */
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) != 0;
}

/* The compiler's own check also asks whether the system saves the wide registers. */
uint32_t lc_cpu_features(void)
{
    __builtin_cpu_init();
    bool wide = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                __builtin_cpu_supports("avx512vnni");
    bool avx2 = __builtin_cpu_supports("avx2") && has_f16c();
    return (avx2 ? LC_CPU_AVX2 : 0u) | (wide ? LC_CPU_AVX512 : 0u);
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
                 {LC_CPU_AVX2, "avx2"},
                 {LC_CPU_AVX512, "avx512-vnni"},
                 {LC_CPU_INORDER, "in-order"}};
    size_t used = 0;
    out[0] = 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t left = max - used;
        if ((features & known[i].bit) && strlen(known[i].name) + 2 <= left) {
            used += (size_t)snprintf(out + used, left, "%s%s", used ? " " : "", known[i].name);
        }
    }
}

uint64_t lc_cpu_time_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}
