/* harness.c - see harness.h. */
#include "harness.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LEVELS_MAX = 8, CANARY_BYTES = 64, CANARY = 0xA5, FAILURES_SHOWN = 3 };

typedef struct tally {
    uint32_t tried, failed;
} tally;

static bool runs[LEVELS_MAX];
static tally tallies[LEVELS_MAX];
static const char *op_name = "start";
static char case_text[256];
static uint32_t level_now;
static uint32_t passed, failed, skipped;
static uint64_t random_state;

/* ---- levels ---- */

void levels_choose(uint32_t features, const char *only)
{
    for (uint32_t l = 0; l < lc_level_count() && l < LEVELS_MAX; l++) {
        const lc_kernels *k = lc_level_at(l);
        runs[l] = (k->needs & ~features) == 0 && (!only || strcmp(only, k->name) == 0);
    }
}

bool level_runs(uint32_t index)
{
    level_now = index;
    return runs[index];
}

/* ---- random numbers (xorshift64*) ---- */

void random_seed(uint64_t seed)
{
    random_state = seed * 0x9e3779b97f4a7c15u + 1;
    if (random_state == 0)
        random_state = 1;
}

uint64_t random_u64(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * 0x2545f4914f6cdd1du;
}

int32_t random_in(int32_t low, int32_t high)
{
    return low + (int32_t)((random_u64() >> 33) % (uint64_t)(high - low + 1));
}

float random_float(float size)
{
    return ((float)(random_u64() >> 40) / 8388608.0f - 1.0f) * size;
}

/* ---- guard pages ---- */

void guard_open(guard *g, size_t capacity)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = LC_ROUND_UP(capacity + 2 * CANARY_BYTES, page);
    uint8_t *map =
        mmap(NULL, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect(map + bytes, page, PROT_NONE) != 0) {
        perror("guard page");
        exit(1);
    }
    *g = (guard){.end = map + bytes, .capacity = bytes};
}

void *guard_place(guard *g, size_t bytes, size_t slack)
{
    if (bytes + slack + CANARY_BYTES > g->capacity) {
        fprintf(stderr, "guard region too small: %zu\n", bytes);
        exit(1);
    }
    g->bytes = bytes;
    g->slack = slack;
    g->data = g->end - slack - bytes;
    memset(g->data - CANARY_BYTES, CANARY, CANARY_BYTES);
    memset(g->data + bytes, CANARY, slack);
    return g->data;
}

bool guard_intact(const guard *g)
{
    for (size_t i = 0; i < CANARY_BYTES; i++)
        if (g->data[i - CANARY_BYTES] != CANARY)
            return false;
    for (size_t i = 0; i < g->slack; i++)
        if (g->data[g->bytes + i] != CANARY)
            return false;
    return true;
}

/* ---- results ---- */

static void on_crash(int number)
{
    fprintf(stderr, "FAILED  signal %d in %s, level %s: %s\n", number, op_name,
            lc_level_at(level_now)->name, case_text);
    _exit(1);
}

void op_begin(const char *op)
{
    op_name = op;
    case_text[0] = 0;
    memset(tallies, 0, sizeof tallies);
    signal(SIGSEGV, on_crash);
    signal(SIGBUS, on_crash);
    signal(SIGILL, on_crash);
    signal(SIGFPE, on_crash);
}

void op_case(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(case_text, sizeof case_text, format, args);
    va_end(args);
}

void op_true(uint32_t level, bool ok, const char *what)
{
    tallies[level].tried++;
    if (ok)
        return;
    if (tallies[level].failed++ < FAILURES_SHOWN)
        printf("FAILED  %s %s: %s (%s)\n", op_name, lc_level_at(level)->name, what, case_text);
}

void op_same(uint32_t level, const void *got, const void *want, size_t bytes)
{
    const uint8_t *a = got;
    const uint8_t *b = want;
    char what[64] = "differs";
    for (size_t i = 0; i < bytes; i++) {
        if (a[i] != b[i]) {
            snprintf(what, sizeof what, "differs at byte %zu of %zu", i, bytes);
            op_true(level, false, what);
            return;
        }
    }
    op_true(level, true, what);
}

void op_end(void)
{
    for (uint32_t l = 0; l < lc_level_count() && l < LEVELS_MAX; l++) {
        const tally *t = &tallies[l];
        const char *name = lc_level_at(l)->name;
        if (!runs[l]) {
            skipped++;
            printf("skipped %-16s %-8s\n", op_name, name);
        } else if (t->tried > 0) {
            *(t->failed ? &failed : &passed) += 1;
            printf("%s  %-16s %-8s %u of %u cases\n", t->failed ? "FAILED" : "ok    ", op_name,
                   name, t->tried - t->failed, t->tried);
        }
    }
}

void result(const char *name, bool ok, const char *format, ...)
{
    va_list args;
    *(ok ? &passed : &failed) += 1;
    printf("%s  %-16s ", ok ? "ok    " : "FAILED", name);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
}

int results_print(void)
{
    printf("%" PRIu32 " passed, %" PRIu32 " failed, %" PRIu32 " skipped\n", passed, failed,
           skipped);
    return failed ? 1 : 0;
}
