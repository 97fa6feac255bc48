/* replay.c - runs a fuzz target without libFuzzer: each seed, then mutations of it (TAP).
 *
 *   replay_TARGET              its own seeds and FUZZ_ROUNDS mutations of each (1000); what
 *                              libFuzzer found before (tests/fuzz/corpus/TARGET.found), unchanged
 *   replay_TARGET FILE...      these inputs, unchanged: to look at a crash
 *
 * The mutations depend on FUZZ_SEED alone (1). An input that crashes or takes longer than ten
 * seconds is written to crash-TARGET in the folder of the program.
 */
#include <glob.h>
#include <libgen.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

#define SECONDS_MAX 10u
#define NEAR_BYTES 8192u /* headers and tables are near the start: most damage goes there */

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static struct {
    const char *target;
    const char *seed;
    char crash_path[4096];
    const uint8_t *data; /* the input that runs now */
    size_t bytes;
    uint32_t round;
} now;

static uint64_t random_state;

static uint64_t random_u64(void)
{
    random_state += 0x9e3779b97f4a7c15u; /* splitmix64 */
    uint64_t z = random_state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 .. n - 1 */
static size_t random_below(size_t n)
{
    return n ? (size_t)(random_u64() % n) : 0;
}

static void keep_input(void)
{
    FILE *file = fopen(now.crash_path, "wb");
    if (file) {
        fwrite(now.data, 1, now.bytes, file);
        fclose(file);
    }
    printf("not ok - %s: %s, round %u: input kept as %s\n", now.target, now.seed, now.round,
           now.crash_path);
    fflush(stdout);
}

static void on_signal(int number)
{
    printf("# signal %d%s\n", number, number == SIGALRM ? ": too slow" : "");
    keep_input();
    _exit(1);
}

static void run_input(const uint8_t *data, size_t bytes)
{
    /* Exactly as large as the input, so that a sanitizer sees any byte read past it. */
    uint8_t *copy = malloc(bytes ? bytes : 1);
    if (!copy) {
        abort();
    }
    if (bytes) {
        memcpy(copy, data, bytes);
    }
    now.data = copy;
    now.bytes = bytes;
    alarm(SECONDS_MAX);
    LLVMFuzzerTestOneInput(copy, bytes);
    alarm(0);
    free(copy);
}

/* ---- mutations; each returns the new length, at most room ---- */

static size_t place(size_t bytes)
{
    return random_below(random_below(4) && bytes > NEAR_BYTES ? NEAR_BYTES : bytes);
}

static size_t cut(uint8_t *d, size_t bytes, size_t room)
{
    (void)d;
    (void)room;
    return place(bytes);
}

static size_t flip_bit(uint8_t *d, size_t bytes, size_t room)
{
    (void)room;
    d[place(bytes)] ^= (uint8_t)(1u << random_below(8));
    return bytes;
}

static size_t set_byte(uint8_t *d, size_t bytes, size_t room)
{
    (void)room;
    d[place(bytes)] = (uint8_t)random_u64();
    return bytes;
}

static size_t set_number(uint8_t *d, size_t bytes, size_t room)
{
    static const uint64_t numbers[] = {
        0, 1, 2, 64, 0xff, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
        0x100000000, 0x4000000000000001, 0x7fffffffffffffff, 0x8000000000000000, UINT64_MAX};
    (void)room;
    uint64_t number = numbers[random_below(sizeof numbers / sizeof *numbers)];
    size_t width = (size_t)1 << random_below(4);
    size_t at = place(bytes) & ~(width - 1);
    if (random_below(2) && at + width <= bytes) { /* near the number that stands there */
        memcpy(&number, d + at, width);
        number += random_below(9) - 4u;
    }
    memcpy(d + at, &number, at + width <= bytes ? width : bytes - at);
    return bytes;
}

/* Two equal pieces change places, or the first overwrites the second. */
static size_t swap_pieces(uint8_t *d, size_t bytes, size_t room)
{
    (void)room;
    uint8_t kept[64];
    size_t length = (size_t)8 << random_below(4);
    size_t a = place(bytes) & ~(length - 1), b = place(bytes) & ~(length - 1);
    if (a + length > bytes || b + length > bytes || a == b) {
        return bytes;
    }
    memcpy(kept, d + b, length);
    memcpy(d + b, d + a, length);
    if (random_below(2)) {
        memcpy(d + a, kept, length);
    }
    return bytes;
}

static size_t take_out(uint8_t *d, size_t bytes, size_t room)
{
    (void)room;
    size_t at = place(bytes), length = 1 + random_below(16);
    length = length < bytes - at ? length : bytes - at;
    memmove(d + at, d + at + length, bytes - at - length);
    return bytes - length;
}

static size_t put_in(uint8_t *d, size_t bytes, size_t room)
{
    size_t at = place(bytes), from = place(bytes), length = 1 + random_below(32);
    if (from + length > bytes || bytes + length > room) {
        return bytes;
    }
    uint8_t piece[32];
    memcpy(piece, d + from, length);
    memmove(d + at + length, d + at, bytes - at);
    memcpy(d + at, piece, length);
    return bytes + length;
}

static size_t mutate(uint8_t *d, size_t bytes, size_t room)
{
    static size_t (*const ways[])(uint8_t *, size_t, size_t) = {
        cut, flip_bit, set_byte, set_number, set_number, swap_pieces, take_out, put_in};
    size_t count = 1 + random_below(3);
    for (size_t i = 0; i < count && bytes; i++) {
        bytes = ways[random_below(sizeof ways / sizeof *ways)](d, bytes, room);
    }
    return bytes;
}

/* ---- seeds ---- */

static uint8_t *read_file(const char *path, size_t *bytes)
{
    struct stat status;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &status) != 0) {
        perror(path);
        exit(1);
    }
    *bytes = (size_t)status.st_size;
    uint8_t *data = malloc(*bytes + 1);
    if (!data || fread(data, 1, *bytes, file) != *bytes) {
        perror(path);
        exit(1);
    }
    fclose(file);
    return data;
}

static void run_seed(const char *path, uint32_t rounds, uint32_t number)
{
    size_t bytes;
    uint8_t *seed = read_file(path, &bytes);
    size_t room = bytes + 128;
    uint8_t *work = malloc(room);
    if (!work) {
        abort();
    }
    now.seed = path;
    now.round = 0;
    run_input(seed, bytes);
    for (size_t cut_at = 0; cut_at < bytes && cut_at < 256; cut_at++) {
        run_input(seed, cut_at);
    }
    while (now.round++ < rounds) {
        memcpy(work, seed, bytes);
        run_input(work, mutate(work, bytes, room));
    }
    printf("ok %u - %s: %s, %u mutations\n", number, now.target, path, rounds);
    fflush(stdout);
    free(work);
    free(seed);
}

static uint32_t run_patterns(const char *folder, uint32_t rounds)
{
    uint32_t count = 0;
    for (const char *const *pattern = fuzz_seeds; *pattern; pattern++) {
        char path[4096];
        bool made = strncmp(*pattern, "@/", 2) == 0;
        snprintf(path, sizeof path, "%s%s", made ? folder : "", made ? *pattern + 1 : *pattern);
        glob_t found;
        if (glob(path, 0, NULL, &found) != 0) {
            printf("not ok - %s: no seed matches %s\n", now.target, path);
            exit(1);
        }
        for (size_t i = 0; i < found.gl_pathc; i++) {
            run_seed(found.gl_pathv[i], rounds, ++count);
        }
        globfree(&found);
    }
    return count;
}

/* Inputs one after the other, each behind its length. */
static uint32_t run_found(uint32_t number)
{
    char path[4096];
    const char *name = strchr(now.target, '_');
    snprintf(path, sizeof path, "tests/fuzz/corpus/%s.found", name ? name + 1 : now.target);
    if (access(path, R_OK) != 0) {
        return number;
    }
    size_t bytes;
    uint8_t *all = read_file(path, &bytes);
    now.seed = path;
    now.round = 0;
    for (size_t at = 0; at + 4 <= bytes; now.round++) {
        uint32_t length;
        memcpy(&length, all + at, sizeof length);
        at += sizeof length;
        length = length < bytes - at ? length : (uint32_t)(bytes - at);
        run_input(all + at, length);
        at += length;
    }
    free(all);
    printf("ok %u - %s: %s, %u inputs\n", number + 1, now.target, path, now.round);
    return number + 1;
}

static uint32_t number_from(const char *name, uint32_t otherwise)
{
    const char *text = getenv(name);
    return text ? (uint32_t)strtoul(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    static char program[2048], folder[2304];
    snprintf(program, sizeof program, "%s", argv[0]);
    const char *here = dirname(program);
    snprintf(folder, sizeof folder, "%s/seeds", here);
    setenv("LC_SEEDS", folder, 0);
    const char *slash = strrchr(argv[0], '/');
    now.target = slash ? slash + 1 : argv[0];
    snprintf(now.crash_path, sizeof now.crash_path, "%s/crash-%s", here, now.target);

    signal(SIGALRM, on_signal);
    signal(SIGABRT, on_signal);
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(keep_input);
    } else {
        signal(SIGSEGV, on_signal);
        signal(SIGBUS, on_signal);
        signal(SIGFPE, on_signal);
        signal(SIGILL, on_signal);
    }
    random_state = number_from("FUZZ_SEED", 1);
    if (argc == 1) {
        uint32_t number = run_patterns(folder, number_from("FUZZ_ROUNDS", 1000));
        printf("1..%u\n", run_found(number));
    }
    for (int i = 1; i < argc; i++) {
        run_seed(argv[i], 0, (uint32_t)i);
    }
    return 0;
}
