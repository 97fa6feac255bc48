/* statm.c - see statm.h. */
#include "statm.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

size_t lc_statm_bytes(lc_statm_field field)
{
    char text[160];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    if (got <= 0) {
        return 0;
    }
    text[got] = '\0';
    char *at = text;
    unsigned long long pages = 0;
    for (int i = 0; i <= (int)field; i++) {
        pages = strtoull(at, &at, 10);
    }
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}
