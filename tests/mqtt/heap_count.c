/* heap_count.c - loaded before a program: who asks the heap, how often, and how much lives there.
 *
 * The counters lie in the file that LC_HEAP_FILE names, mapped shared, so that a test reads them
 * while the program runs. An allocation belongs to the innermost module on its stack that is not
 * the C library or OpenSSL: the program itself, libmosquitto, or another one. Only those after the
 * test has set `armed` are told apart; the stacks of all but libmosquitto's are kept. Giving memory
 * back is not told apart: a call at a function's end leaves no trace of that function.
 */
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MODULES_MAX 64
#define SITES_MAX 16
#define FRAMES_MAX 24
#define SITE_FRAMES 12

enum owner { OWNER_PROGRAM, OWNER_MOSQUITTO, OWNER_OTHER, OWNER_COUNT };

/* The layout that soak.py reads: all 64-bit. */
typedef struct counters {
    _Atomic uint64_t armed, program_base;
    _Atomic uint64_t calls[OWNER_COUNT];
    _Atomic int64_t live_bytes, live_bytes_max;
    _Atomic uint64_t sites;
    uint64_t site[SITES_MAX][SITE_FRAMES];
} counters;

typedef struct module {
    uintptr_t from, to;
    int owner; /* -1: look further out */
} module;

static counters none; /* when no file is named */
static counters *count = &none;
static module modules[MODULES_MAX];
static int module_count;
static __thread bool inside __attribute__((tls_model("initial-exec")));

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t number, size_t bytes);
void *__libc_realloc(void *old, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);
void __libc_free(void *old);
int posix_memalign(void **out, size_t align, size_t bytes);
void *aligned_alloc(size_t align, size_t bytes);

static int owner_of(const char *path, bool first)
{
    static const char *const passed[] = {"libc.so", "libcrypto.so", "libssl.so", "heap_count"};
    if (first) {
        return OWNER_PROGRAM;
    }
    for (size_t i = 0; i < sizeof passed / sizeof passed[0]; i++) {
        if (strstr(path, passed[i])) {
            return -1;
        }
    }
    return strstr(path, "libmosquitto") ? OWNER_MOSQUITTO : OWNER_OTHER;
}

static int module_note(struct dl_phdr_info *info, size_t size, void *ctx)
{
    (void)size;
    (void)ctx;
    module m = {UINTPTR_MAX, 0, owner_of(info->dlpi_name, module_count == 0)};
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        if (part->p_type == PT_LOAD) {
            uintptr_t at = info->dlpi_addr + part->p_vaddr;
            m.from = at < m.from ? at : m.from;
            m.to = at + part->p_memsz > m.to ? at + part->p_memsz : m.to;
        }
    }
    if (module_count == 0) {
        count->program_base = info->dlpi_addr;
    }
    if (module_count < MODULES_MAX) {
        modules[module_count++] = m;
    }
    return 0;
}

__attribute__((constructor)) static void start(void)
{
    void *frame[2];
    const char *path = getenv("LC_HEAP_FILE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    inside = true;
    if (fd >= 0) {
        void *map = mmap(NULL, sizeof(counters), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        count = map == MAP_FAILED ? &none : map;
        close(fd);
    }
    backtrace(frame, 2); /* its first call loads a library */
    dl_iterate_phdr(module_note, NULL);
    inside = false;
}

static int owner_find(uintptr_t address)
{
    for (int i = 0; i < module_count; i++) {
        if (address >= modules[i].from && address < modules[i].to) {
            return modules[i].owner;
        }
    }
    return OWNER_OTHER;
}

static void site_keep(void *const *frame, int frames)
{
    uint64_t at = atomic_fetch_add(&count->sites, 1);
    for (int i = 0; at < SITES_MAX && i < SITE_FRAMES && i < frames; i++) {
        count->site[at][i] = (uintptr_t)frame[i];
    }
}

static void call_count(void)
{
    void *frame[FRAMES_MAX];
    if (inside || !count->armed) {
        return;
    }
    inside = true;
    int frames = backtrace(frame, FRAMES_MAX), owner = -1;
    for (int i = 0; i < frames && owner < 0; i++) {
        owner = owner_find((uintptr_t)frame[i]);
    }
    owner = owner < 0 ? OWNER_OTHER : owner;
    atomic_fetch_add(&count->calls[owner], 1);
    if (owner != OWNER_MOSQUITTO) {
        site_keep(frame, frames);
    }
    inside = false;
}

static void *taken(void *block)
{
    int64_t bytes = block ? (int64_t)malloc_usable_size(block) : 0;
    int64_t live = atomic_fetch_add(&count->live_bytes, bytes) + bytes;
    if (live > count->live_bytes_max) {
        count->live_bytes_max = live;
    }
    call_count();
    return block;
}

static void given(void *block)
{
    atomic_fetch_sub(&count->live_bytes, block ? (int64_t)malloc_usable_size(block) : 0);
}

void *malloc(size_t bytes)
{
    return taken(__libc_malloc(bytes));
}

void *calloc(size_t number, size_t bytes)
{
    return taken(__libc_calloc(number, bytes));
}

void *realloc(void *old, size_t bytes)
{
    given(old);
    return taken(__libc_realloc(old, bytes));
}

void *aligned_alloc(size_t align, size_t bytes)
{
    return taken(__libc_memalign(align, bytes));
}

int posix_memalign(void **out, size_t align, size_t bytes)
{
    *out = taken(__libc_memalign(align, bytes));
    return *out ? 0 : 12; /* ENOMEM */
}

void free(void *old)
{
    given(old);
    __libc_free(old);
}
