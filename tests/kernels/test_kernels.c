/* test_kernels.c - every level that this CPU runs against ref, ref against plain arithmetic.
 *
 *   test_kernels [--seed N] [--level NAME]    one line per operation and level; exit 1 on failure
 *   test_kernels --bench [--level NAME]       GMAC/s and GB/s
 *   test_kernels --count [--level NAME]       for insn_table.sh, under qemu with insn_count.so
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"
#include "suite.h"

#if defined(__aarch64__)
#include <sys/auxv.h>

/* From the kernel's ABI; C libraries differ in what they name. */
enum { HWCAP_BIT_ASIMD = 1 << 1, HWCAP_BIT_DOTPROD = 1 << 20, HWCAP2_BIT_I8MM = 1 << 13 };

static uint32_t cpu_features(void)
{
    uint32_t f = 0;
    if (getauxval(AT_HWCAP) & HWCAP_BIT_ASIMD)
        f |= LC_CPU_NEON;
    if (getauxval(AT_HWCAP) & HWCAP_BIT_DOTPROD)
        f |= LC_CPU_DOTPROD;
    if (getauxval(AT_HWCAP2) & HWCAP2_BIT_I8MM)
        f |= LC_CPU_I8MM;
    return f;
}
#elif defined(__x86_64__)
static uint32_t cpu_features(void)
{
    bool wide = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                __builtin_cpu_supports("avx512vnni");
    return (__builtin_cpu_supports("avx2") ? LC_CPU_AVX2 : 0u) | (wide ? LC_CPU_AVX512 : 0u);
}
#else
static uint32_t cpu_features(void)
{
    return 0;
}
#endif

typedef struct options {
    uint64_t seed;
    const char *level;
    bool bench, count;
} options;

static int usage(void)
{
    fprintf(stderr, "usage: test_kernels [--seed N] [--level NAME] [--bench | --count]\n");
    return 2;
}

static bool parse(int argc, char **argv, options *o)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            o->seed = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--level") == 0 && i + 1 < argc)
            o->level = argv[++i];
        else if (strcmp(argv[i], "--bench") == 0)
            o->bench = true;
        else if (strcmp(argv[i], "--count") == 0)
            o->count = true;
        else
            return false;
    }
    return !o->level || lc_level_find(o->level);
}

int main(int argc, char **argv)
{
    options o = {.seed = (uint64_t)time(NULL) ^ ((uint64_t)getpid() << 32)};
    if (!parse(argc, argv, &o))
        return usage();
    levels_choose(cpu_features(), o.level);
    random_seed(o.seed);
    if (o.bench || o.count) {
        o.bench ? bench() : count();
        return 0;
    }
    printf("seed %" PRIu64 "\n", o.seed);
    suite_products();
    suite_quantise();
    suite_floats();
    suite_attend();
    suite_matmul();
    suite_math();
    return results_print();
}
