/* broken.h - what can be wrong with a machine: FAULT is one of them. Put before machine.c by
 * -include; example.sh expects that its checks fail. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MEMCPY_TAIL 1  /* whole words only */
#define MEMMOVE_UP 2   /* always from the first byte on */
#define MEMSET_SHORT 3 /* the last byte is left out */
#define MEMCMP_SIGNED 4
#define MEMCMP_LONG 5   /* one byte too many */
#define FLUSH_TO_ZERO 6 /* FPCR.FZ */
#define ROUND_TO_ZERO 7 /* FPCR.RMode */

#if FAULT == MEMCPY_TAIL
static void *broken(void *to, const void *from, size_t n)
{
    return memcpy(to, from, n & ~(size_t)7);
}
#define memcpy broken
#elif FAULT == MEMMOVE_UP
static void *broken(void *to, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ((volatile uint8_t *)to)[i] = ((const volatile uint8_t *)from)[i];
    }
    return to;
}
#define memmove broken
#elif FAULT == MEMSET_SHORT
static void *broken(void *to, int c, size_t n)
{
    return memset(to, c, n > 0 ? n - 1 : 0);
}
#define memset broken
#elif FAULT == MEMCMP_SIGNED || FAULT == MEMCMP_LONG
static int broken(const void *a, const void *b, size_t n)
{
    for (size_t i = 0; i < n + (FAULT == MEMCMP_LONG); i++) {
        int x = ((const int8_t *)a)[i], y = ((const int8_t *)b)[i];
        x = FAULT == MEMCMP_LONG ? (uint8_t)x : x;
        y = FAULT == MEMCMP_LONG ? (uint8_t)y : y;
        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return 0;
}
#define memcmp broken
#elif FAULT == FLUSH_TO_ZERO || FAULT == ROUND_TO_ZERO
static void __attribute__((constructor)) broken(void)
{
    const uint64_t control = FAULT == FLUSH_TO_ZERO ? UINT64_C(1) << 24 : UINT64_C(3) << 22;
    __asm__ volatile("msr fpcr, %0" : : "r"(control));
}
#endif
