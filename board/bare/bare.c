/* bare.c - what the core and a small program need where there is no operating system: a flat memory
 * map, the UART, an end, and the four functions that compilers call.
 *
 * Machines: QEMU `-M virt`, and with BARE_RASPI3 the Raspberry Pi 3 (`-M raspi3b`). Programs end
 * through semihosting, which an emulator or a debugger answers; without one they halt.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef BARE_RASPI3
#define UART 0x3f201000u
#define DEVICES 0x3f000000u /* from here to the end of the first GiB */
#else
#define UART 0x09000000u
#endif

#define EXIT_TRAP 70

void bare_start(void);
void bare_trap(uint64_t esr, uint64_t elr, uint64_t far);
uint64_t *bare_memory_map(void);
int main(void);

/* ---- PL011 UART ---- */

#define UART_DATA 0x00u
#define UART_FLAGS 0x18u
#define UART_BAUD_INTEGER 0x24u
#define UART_BAUD_FRACTION 0x28u
#define UART_LINE 0x2cu
#define UART_CONTROL 0x30u
#define UART_FULL (1u << 5)

static volatile uint32_t *uart(uint32_t reg)
{
    return (volatile uint32_t *)(uintptr_t)(UART + reg);
}

static void uart_open(void)
{
    *uart(UART_CONTROL) = 0;
    *uart(UART_BAUD_INTEGER) = 26; /* 115200 baud of 48 MHz */
    *uart(UART_BAUD_FRACTION) = 3;
    *uart(UART_LINE) = 0x70; /* 8 bits, FIFO */
    *uart(UART_CONTROL) = 0x301; /* on, both ways */
}

int putchar(int c)
{
    while (*uart(UART_FLAGS) & UART_FULL) {
    }
    *uart(UART_DATA) = (uint8_t)c;
    return c;
}

int puts(const char *text)
{
    for (; *text != 0; text++) {
        putchar(*text);
    }
    return putchar('\n');
}

/* ---- the end ---- */

#define SEMIHOSTING_EXIT 0x20
#define STOPPED_APPLICATION_EXIT 0x20026u

void exit(int status)
{
    const uint64_t argument[2] = {STOPPED_APPLICATION_EXIT, (uint64_t)status};
    register uint64_t operation __asm__("x0") = SEMIHOSTING_EXIT;
    register const uint64_t *block __asm__("x1") = argument;
    __asm__ volatile("hlt #0xf000" : "+r"(operation) : "r"(block) : "memory");
    for (;;) {
        __asm__ volatile("wfi");
    }
}

void abort(void)
{
    exit(EXIT_FAILURE);
}

void bare_start(void)
{
    uart_open();
    exit(main());
}

static void put_hex(const char *name, uint64_t value)
{
    char text[19] = "0x";
    for (int i = 0; i < 16; i++) {
        text[2 + i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
    }
    text[18] = 0;
    puts(name);
    puts(text);
}

void bare_trap(uint64_t esr, uint64_t elr, uint64_t far)
{
    put_hex("exception: ESR", esr);
    put_hex("ELR", elr);
    put_hex("FAR", far);
    exit(EXIT_TRAP);
}

/* ---- memory map: 4 GiB, addresses as they are ---- */

#define MAP_BLOCK 1u
#define MAP_TABLE 3u
#define MAP_DEVICE (0u << 2)
#define MAP_NORMAL (1u << 2)
#define MAP_SHARED (3u << 8)
#define MAP_USED (1u << 10)
#define MAP_NO_CODE (UINT64_C(3) << 53)
#define MAP_MEMORY (MAP_USED | MAP_SHARED | MAP_NORMAL | MAP_BLOCK)
#define MAP_IO (MAP_NO_CODE | MAP_USED | MAP_DEVICE | MAP_BLOCK)

static uint64_t map_gib[4] __attribute__((aligned(4096)));
static uint64_t map_2mib[512] __attribute__((aligned(4096))); /* the first GiB */

/* Runs before the MMU is on, when unaligned access faults. The flag is for this function alone: it
 * would make vector loads three times as long. */
__attribute__((target("strict-align"))) uint64_t *bare_memory_map(void)
{
    for (uint64_t i = 0; i < 512; i++) {
        uint64_t at = i << 21;
#ifdef BARE_RASPI3
        map_2mib[i] = at | (at < DEVICES ? MAP_MEMORY : MAP_IO);
#else
        map_2mib[i] = at | MAP_IO;
#endif
    }
    map_gib[0] = (uint64_t)(uintptr_t)map_2mib | MAP_TABLE;
    for (uint64_t i = 1; i < 4; i++) {
#ifdef BARE_RASPI3
        map_gib[i] = i << 30 | MAP_IO;
#else
        map_gib[i] = i << 30 | MAP_MEMORY;
#endif
    }
    return map_gib;
}

/* ---- what compilers call, whatever -ffreestanding says ---- */

static void copy_forwards(uint8_t *to, const uint8_t *from, size_t n)
{
    for (; n >= 8; n -= 8, to += 8, from += 8) {
        uint64_t eight;
        __builtin_memcpy(&eight, from, 8);
        __builtin_memcpy(to, &eight, 8);
    }
    while (n-- > 0) {
        *to++ = *from++;
    }
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    copy_forwards(to, from, n);
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    uint8_t *t = to;
    const uint8_t *f = from;
    if (t <= f || t >= f + n) {
        copy_forwards(t, f, n); /* never overtakes itself */
        return to;
    }
    while (n-- > 0) {
        t[n] = f[n];
    }
    return to;
}

void *memset(void *to, int c, size_t n)
{
    uint8_t *t = to;
    uint64_t eight = UINT64_C(0x0101010101010101) * (uint8_t)c;
    for (; n >= 8; n -= 8, t += 8) {
        __builtin_memcpy(t, &eight, 8);
    }
    while (n-- > 0) {
        *t++ = (uint8_t)c;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const uint8_t *x = a, *y = b;
    for (size_t i = 0; i < n; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return 0;
}
