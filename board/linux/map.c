/* map.c - files in memory. */
#include "map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../kernels/base.h"

/* Maps the file over the front of a larger anonymous mapping: kernels may read LC_READ_AHEAD bytes
 * past the end, which must not fault when the file fills its last page. */
static lc_err descriptor_map(int fd, size_t bytes, lc_map *map)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t file_span = (bytes + page - 1) / page * page;
    size_t span = file_span + page;
    void *base = mmap(NULL, span, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return LC_ERR_IO;
    }
    if (bytes > 0 &&
        mmap(base, file_span, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED) {
        int reason = errno;
        munmap(base, span);
        errno = reason;
        return LC_ERR_IO;
    }
    *map = (lc_map){.data = base, .bytes = bytes, .span = span};
    return LC_OK;
}

lc_err lc_map_open(const char *path, lc_map *map)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block us */
    if (fd < 0) {
        return LC_ERR_IO;
    }
    lc_err err = LC_ERR_IO;
    if (fstat(fd, &st) == 0) {
        if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > SIZE_MAX / 2) {
            errno = EFBIG;
        } else if (S_ISREG(st.st_mode)) {
            err = descriptor_map(fd, (size_t)st.st_size, map);
        } else {
            errno = EINVAL;
        }
    }
    int reason = errno;
    close(fd);
    errno = reason;
    return err;
}

lc_err lc_map_copy(const void *data, size_t bytes, lc_map *map)
{
    size_t span = bytes + (size_t)sysconf(_SC_PAGESIZE);
    void *base = mmap(NULL, span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return LC_ERR_IO;
    }
    memcpy(base, data, bytes);
    *map = (lc_map){.data = base, .bytes = bytes, .span = span};
    return LC_OK;
}

void lc_map_release(const void *data, size_t bytes)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = LC_ROUND_UP((uintptr_t)data, page);
    uintptr_t to = ((uintptr_t)data + bytes) / page * page;
    if (to > from) {
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
}

void lc_map_close(lc_map *map)
{
    if (map->span > 0) {
        munmap((void *)(uintptr_t)map->data, map->span);
    }
    *map = (lc_map){0};
}
