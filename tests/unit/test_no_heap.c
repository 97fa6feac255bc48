/* test_no_heap.c - no thread calls the heap while a line is run and its record written, and every
 * arena's peak is its plan on lines of the greatest length. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../board/linux/cpu.h"
#include "../../board/linux/memory.h"
#include "../../board/linux/tasks.h"
#include "../../runtime/leafcutter.h"
#include "../../tools/job_source.h"

/* ---- the heap, interposed: calls of any thread count while watched ---- */

static _Atomic bool watched;
static _Atomic uint32_t heap_calls;

static void heap_called(void)
{
    if (atomic_load_explicit(&watched, memory_order_relaxed)) {
        atomic_fetch_add(&heap_calls, 1);
    }
}

#if defined(__SANITIZE_ADDRESS__)

int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void *, size_t),
                                              void (*on_free)(const volatile void *));

static void on_malloc(const volatile void *p, size_t bytes)
{
    (void)p;
    (void)bytes;
    heap_called();
}

static void on_free(const volatile void *p)
{
    (void)p;
    heap_called();
}

static void heap_interpose(void)
{
    assert_true(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) > 0);
}

#else

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *p, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);
void __libc_free(void *p);

void *malloc(size_t bytes)
{
    heap_called();
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    heap_called();
    return __libc_calloc(count, bytes);
}

void *realloc(void *p, size_t bytes)
{
    heap_called();
    return __libc_realloc(p, bytes);
}

void *aligned_alloc(size_t align, size_t bytes)
{
    heap_called();
    return __libc_memalign(align, bytes);
}

void free(void *p)
{
    heap_called();
    __libc_free(p);
}

static void heap_interpose(void) {}

#endif

/* The watch must see a call, or the test would prove nothing. */
static void watch_sees_the_heap(void **state)
{
    (void)state;
    atomic_store(&heap_calls, 0);
    atomic_store(&watched, true);
    void *volatile p = malloc(100);
    free(p);
    atomic_store(&watched, false);
    assert_int_equal(atomic_load(&heap_calls), 2);
}

/* ---- a job on arenas ---- */

typedef struct fixture {
    lc_job_source source;
    lc_job_options options;
    lc_pool pool;
    lc_memory memory;
    lc_job *job;
    lc_answer *answers; /* [LC_TASKS_MAX] */
    char *record;       /* [LC_RECORD_BYTES_MAX] */
} fixture;

static lc_err fixture_layout(void *ctx, lc_arenas *arenas, lc_diag *diag)
{
    fixture *f = ctx;
    lc_err err = lc_job_open(&f->source.bundle, lc_objects_find, &f->source.objects, &f->options,
                             &arenas->state, &arenas->scratch, &f->job, diag);
    f->answers = LC_PUSH(&arenas->state, lc_answer, LC_TASKS_MAX);
    f->record = LC_PUSH(&arenas->io, char, LC_RECORD_BYTES_MAX);
    return err;
}

static void nothing(void *arg, uint32_t i, uint32_t n)
{
    (void)arg;
    (void)i;
    (void)n;
}

static void fixture_open(fixture *f, const lc_job_choice *choice, uint32_t threads)
{
    lc_diag diag = {0};
    *f = (fixture){.options.kernels = lc_level_best(lc_cpu_features())};
    assert_int_equal(lc_pool_open(&f->pool, threads), LC_OK);
    f->options.tasks = lc_pool_tasks(&f->pool);
    /* Threads come up while the pool is already there; what that takes belongs to the start. */
    f->options.tasks.run(&f->pool, nothing, NULL, threads);
    assert_int_equal(lc_job_source_open(&f->source, choice), LC_UI_GO);
    assert_int_equal(lc_memory_open(&f->memory, fixture_layout, f, &diag), LC_OK);
}

static void fixture_close(fixture *f)
{
    lc_pool_close(&f->pool);
    lc_memory_close(&f->memory);
    lc_job_source_close(&f->source);
}

/* ---- lines of the greatest length ---- */

static char line[LC_LINE_BYTES_MAX];

static void line_fill(const char *piece)
{
    size_t n = strlen(piece);
    for (size_t i = 0; i < sizeof line; i++) {
        line[i] = piece[i % n];
    }
}

static void line_check(fixture *f, size_t bytes)
{
    lc_record_meta meta = {.dev = lc_str_from("local"), .tq = lc_str_from("none"), .labels = true};
    atomic_store(&heap_calls, 0);
    atomic_store(&watched, true);
    lc_err err = lc_job_run(f->job, line, bytes, false, f->answers);
    size_t written = 0;
    for (uint32_t i = 0; i < lc_job_tasks(f->job) && err == LC_OK; i++) {
        if (!f->answers[i].skipped) {
            written +=
                lc_record_write(f->job, &f->answers[i], &meta, f->record, LC_RECORD_BYTES_MAX);
        }
    }
    atomic_store(&watched, false);
    assert_int_equal(err, LC_OK);
    assert_true(written > 0);
    assert_int_equal(atomic_load(&heap_calls), 0);
}

static void arenas_check(const fixture *f)
{
    const lc_arenas *a = &f->memory.arenas;
    assert_int_equal(a->state.peak, f->memory.plan_state);
    assert_int_equal(a->scratch.peak, f->memory.plan_scratch);
    assert_int_equal(a->io.peak, f->memory.plan_io);
    assert_int_equal(a->state.refused + a->scratch.refused + a->io.refused, 0);
    assert_true(f->memory.plan_state > 0 && f->memory.plan_scratch > 0);
}

/* A fresh job for each kind of line: one alone must reach the plan. */
static void job_check(const lc_job_choice *choice)
{
    static const char *const pieces[] = {"x", "temp=81C vib 7.9mm/s ", "a b ", "\xc3\xa4", "\xff",
                                         "7", "\xf0\x9f\x94\xa5 "};
    static fixture f;
    for (uint32_t threads = 1; threads <= 3; threads += 2) {
        for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
            fixture_open(&f, choice, threads);
            line_fill(pieces[i]);
            line_check(&f, sizeof line);
            arenas_check(&f);
            line_check(&f, 0);
            line_check(&f, 1);
            line_check(&f, sizeof line);
            arenas_check(&f);
            fixture_close(&f);
        }
    }
}

static void tiny_model(void **state)
{
    (void)state;
    job_check(&(lc_job_choice){.model = "models/golden/tiny-bidi.gguf"});
}

static void label_scores(void **state)
{
    (void)state;
    char prompt[] = "/tmp/lc-prompt-XXXXXX";
    int file = mkstemp(prompt);
    assert_true(file >= 0 && write(file, "{text}: ", 8) == 8);
    job_check(&(lc_job_choice){.model = "models/golden/tiny-causal.gguf", .labels = "a,b,ad",
                                .prompt = prompt});
    close(file);
    unlink(prompt);
}

static void shipped_job(void **state)
{
    (void)state;
    job_check(&(lc_job_choice){0});
}

/* ---- a cache folder of our own, the tree's own model ---- */

static char cache[] = "/tmp/lc-no-heap-XXXXXX";

static int cache_make(void **state)
{
    (void)state;
    heap_interpose();
    bool made = mkdtemp(cache) && setenv("XDG_CACHE_HOME", cache, 1) == 0 &&
                setenv("LEAFCUTTER_SHARE", "models/triage", 1) == 0;
    return made ? 0 : -1;
}

static int cache_remove(void **state)
{
    char packs[64];
    (void)state;
    snprintf(packs, sizeof packs, "%s/leafcutter", cache);
    DIR *dir = opendir(packs);
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir) {
        closedir(dir);
    }
    rmdir(packs);
    return rmdir(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watch_sees_the_heap),
        cmocka_unit_test(tiny_model),
        cmocka_unit_test(label_scores),
        cmocka_unit_test(shipped_job),
    };
    return cmocka_run_group_tests(tests, cache_make, cache_remove);
}
