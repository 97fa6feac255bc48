/* harness.h - what the kernel tests share: levels, random numbers, guard pages, results. */
#ifndef LC_HARNESS_H
#define LC_HARNESS_H

#include "kernels.h"

/* ---- levels: 0 is ref; those this CPU cannot run, or --level leaves out, are skipped ---- */

void levels_choose(uint32_t features, const char *only);
bool level_runs(uint32_t index);

/* ---- random numbers: one seed, printed; --seed repeats a run ---- */

void random_seed(uint64_t seed);
uint64_t random_u64(void);
int32_t random_in(int32_t low, int32_t high); /* both ends included */
float random_float(float size);               /* in [-size, size] */

/* ---- memory that ends at an unmapped page ---- */

typedef struct guard {
    uint8_t *end;    /* the unmapped page */
    size_t capacity; /* bytes before it */
    uint8_t *data;   /* as last placed */
    size_t bytes;
    size_t slack;
} guard;

void guard_open(guard *g, size_t capacity);
/* `bytes` bytes that end `slack` bytes before the unmapped page. */
void *guard_place(guard *g, size_t bytes, size_t slack);
/* Nothing was written right before or behind the bytes last placed. */
bool guard_intact(const guard *g);

/* ---- results ---- */

void op_begin(const char *op);
/* What is being tried, printed when it fails or crashes. */
void op_case(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Counts one comparison of exact bytes for a level. */
void op_same(uint32_t level, const void *got, const void *want, size_t bytes);
void op_true(uint32_t level, bool ok, const char *what);
/* Prints a line per level of this build. */
void op_end(void);
/* A result that belongs to no level: prints its own line. */
void result(const char *name, bool ok, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int results_print(void); /* exit status */

#endif
