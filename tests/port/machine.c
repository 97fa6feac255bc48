/* machine.c - checks of what a program for a board is compiled for and linked with.
 *
 * Calls go through volatile pointers and values through volatile variables, so that it is the board
 * that computes and not the compiler.
 */
#include <float.h>
#include <string.h>

#include "../../kernels/kernels.h"
#include "../../runtime/bytes.h"
#include "conform.h"

void conform_check(conform *c, bool good, const char *name)
{
    char line[96] = "not ok - ";
    uint32_t at = good ? 4 : 0, n = 9;
    for (; *name != 0 && n < sizeof line - 1; n++) {
        line[n] = *name++;
    }
    line[n] = 0;
    c->passed += good;
    c->failed += !good;
    c->say(line + at);
}

/* ---- memory functions ---- */

static void *(*volatile copy)(void *, const void *, size_t) = memcpy;
static void *(*volatile move)(void *, const void *, size_t) = memmove;
static void *(*volatile set)(void *, int, size_t) = memset;
static int (*volatile compare)(const void *, const void *, size_t) = memcmp;

#define ROOM 256u
#define LENGTHS 97u
#define OFFSETS 17u

static uint8_t got[ROOM], want[ROOM], from[ROOM];

static void pattern_fill(uint8_t *at)
{
    for (uint32_t i = 0; i < ROOM; i++) {
        at[i] = (uint8_t)(i * 37u + 11u);
    }
}

static bool same(void)
{
    uint32_t differs = 0;
    for (uint32_t i = 0; i < ROOM; i++) {
        differs |= (uint32_t)(got[i] ^ want[i]);
    }
    return differs == 0;
}

static bool copies(uint32_t n, uint32_t to, uint32_t start)
{
    set(got, 0x5a, ROOM);
    for (uint32_t i = 0; i < ROOM; i++) {
        want[i] = i - to < n ? from[start + i - to] : 0x5a;
    }
    return copy(got + to, from + start, n) == got + to && same();
}

/* Within one array, the two places overlapping. */
static bool moves(uint32_t n, uint32_t to, uint32_t start)
{
    pattern_fill(got);
    for (uint32_t i = 0; i < ROOM; i++) {
        want[i] = i - to < n ? from[start + i - to] : from[i];
    }
    return move(got + to, got + start, n) == got + to && same();
}

static bool sets(uint32_t n, uint32_t to)
{
    pattern_fill(got);
    for (uint32_t i = 0; i < ROOM; i++) {
        want[i] = i - to < n ? 0xa5 : from[i];
    }
    return set(got + to, 0x3a5, n) == got + to && same(); /* a byte of the value */
}

/* The first byte that differs decides, as a number without sign. */
static bool compares(uint32_t n)
{
    set(got, 0x10, ROOM);
    set(want, 0x10, ROOM);
    got[n] = 0; /* beyond: must not count */
    bool good = compare(got, want + 1, n) == 0;
    for (uint32_t i = 0; i < n; i++) {
        got[i] = 0xf0;
        want[i + 1] = 0x7f;
        good = good && compare(got, want + 1, n) > 0 && compare(want + 1, got, n) < 0;
        got[i] = want[i + 1] = 0x10;
    }
    return good;
}

static void check_memory(conform *c)
{
    bool copied = true, moved = true, was_set = true, compared = true;
    pattern_fill(from);
    for (uint32_t n = 0; n < LENGTHS; n++) {
        for (uint32_t to = 0; to < OFFSETS; to++) {
            for (uint32_t start = 0; start < OFFSETS; start++) {
                copied = copied && copies(n, to, start);
                moved = moved && moves(n, to, start);
            }
            was_set = was_set && sets(n, to);
        }
        compared = compared && compares(n);
    }
    conform_check(c, copied, "memcpy, any length and alignment");
    conform_check(c, moved, "memmove, overlapping either way");
    conform_check(c, was_set, "memset");
    conform_check(c, compared, "memcmp");
}

/* ---- numbers ---- */

static uint32_t bits(float value)
{
    uint32_t u;
    memcpy(&u, &value, sizeof u);
    return u;
}

static uint64_t bits64(double value)
{
    uint64_t u;
    memcpy(&u, &value, sizeof u);
    return u;
}

typedef float four __attribute__((vector_size(16)));

static void check_float(conform *c)
{
    volatile float one = 1.0f, three = 3.0f, two = 2.0f, tiny = 0x1p-126f, least = 0x1p-149f;
    volatile float zero = 0.0f, near_one = 1.0f + 0x1p-12f, product = -(1.0f + 0x1p-11f);
    volatile double tenth = 0.1, fifth = 0.2;
    volatile uint32_t odd[2] = {16777217u, 16777219u};
    const uint32_t word = 1;
    conform_check(c, *(const uint8_t *)&word == 1, "little-endian");
    conform_check(c, FLT_EVAL_METHOD == 0, "FLT_EVAL_METHOD is 0");
    conform_check(c,
                  bits(one / three) == 0x3eaaaaabu && bits(-one / three) == 0xbeaaaaabu &&
                      bits((float)odd[0]) == 0x4b800000u && bits((float)odd[1]) == 0x4b800002u &&
                      bits(one + 0x1.8p-24f) == 0x3f800001u && bits(one + 0x1p-24f) == 0x3f800000u,
                  "floats round to nearest, ties to even");
    conform_check(c,
                  bits64(tenth + fifth) == 0x3fd3333333333334u &&
                      bits64((double)one / (double)three) == 0x3fd5555555555555u,
                  "doubles round to nearest");
    conform_check(c, bits(tiny * 0.5f) == 0x00400000u && bits(least * two) == 2,
                  "denormals are kept");
    volatile four small = {0x1p-126f, 0x1p-126f, 0x1p-149f, 0x1p-149f};
    four half = small * (four){0.5f, 0.25f, 2.0f, 4.0f};
    conform_check(c,
                  bits(half[0]) == 0x00400000u && bits(half[1]) == 0x00200000u &&
                      bits(half[2]) == 2 && bits(half[3]) == 4,
                  "denormals are kept in vectors");
    conform_check(c, bits(near_one * near_one + product) == 0,
                  "products are rounded before they are added (-ffp-contract=off)");
    volatile float none = zero / zero, endless = one / zero;
    conform_check(c, none != none && endless > FLT_MAX && bits(-zero) == 0x80000000u,
                  "NaN, infinity and -0 are what they are (no -ffast-math)");
}

typedef four anywhere __attribute__((aligned(1), may_alias));

static void check_unaligned(conform *c)
{
    bool good = true;
    pattern_fill(from);
    for (uint32_t at = 0; at < 64; at++) {
        four loaded = *(const volatile anywhere *)(from + at);
        good = good && memcmp(&loaded, from + at, sizeof loaded) == 0;
    }
    conform_check(c, good, "vectors are loaded from any address");
}

#define STACK (60u * 1024u)

static void __attribute__((noinline)) check_stack(conform *c)
{
    volatile uint8_t deep[STACK];
    bool good = true;
    pattern_fill(want);
    for (uint32_t i = 0; i < STACK; i++) {
        deep[i] = (uint8_t)(i ^ i >> 8);
    }
    for (uint32_t i = 0; i < STACK; i++) {
        good = good && deep[i] == (uint8_t)(i ^ i >> 8);
    }
    pattern_fill(got);
    conform_check(c, good && same(), "64 kB of stack");
}

/* ---- the library ---- */

/* CRC-32C of what the kernels make of numbers that are the same everywhere. */
#define LIBRARY_BITS 0x72d6b49du

static void check_library(conform *c)
{
    const lc_kernels *k = lc_level_best(LC_CPU_BASELINE);
    static _Alignas(64) float x[96], gain[96], y[96];
    static int8_t a[96];
    int16_t ne[3], c8[3], c8s[3];
    float scale;
    uint32_t crc = 0;
    for (uint32_t i = 0; i < 96; i++) {
        x[i] = ((float)(i * 7919u % 997u) - 498.0f) / 128.0f;
        gain[i] = 1.0f + (float)i / 64.0f;
    }
    k->rmsnorm(x, gain, 96, 1e-5f, y);
    crc = lc_crc32c(crc, y, sizeof y);
    bool fits = k->quantise(y, 96, 0, 1, a, ne, c8, c8s, &scale);
    crc = lc_crc32c(crc, a, sizeof a);
    crc = lc_crc32c(crc, &scale, sizeof scale);
    k->act_mul(LC_GELU_TANH, x, gain, 96, y);
    crc = lc_crc32c(crc, y, sizeof y);
    k->softmax(x, 96);
    crc = lc_crc32c(crc, x, sizeof x);
    conform_check(c, lc_crc32c(0, "123456789", 9) == 0xe3069283u, "CRC-32C");
    conform_check(c, fits && crc == LIBRARY_BITS, "kernels give the bits of every machine");
}

void conform_machine(conform *c)
{
    check_memory(c);
    check_float(c);
    check_unaligned(c);
    check_stack(c);
    check_library(c);
}
