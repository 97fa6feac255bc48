/* cap.c - RLIMIT_DATA, which since Linux 4.7 counts private mappings, too. */
#include "cap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define DATA_FIELD 5 /* of /proc/self/statm: data and stack, in pages */

static size_t data_bytes(void)
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
    for (int field = 0; field <= DATA_FIELD; field++) {
        pages = strtoull(at, &at, 10);
    }
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

lc_err lc_cap_set(size_t extra)
{
#ifdef __SANITIZE_ADDRESS__
    (void)extra;
    (void)data_bytes;
    return LC_OK;
#else
    struct rlimit limit;
    size_t now = data_bytes();
    if (now == 0 || getrlimit(RLIMIT_DATA, &limit) != 0) {
        return LC_ERR_IO;
    }
    rlim_t wanted = now + extra;
    limit.rlim_cur =
        limit.rlim_max == RLIM_INFINITY || wanted < limit.rlim_max ? wanted : limit.rlim_max;
    return setrlimit(RLIMIT_DATA, &limit) == 0 ? LC_OK : LC_ERR_IO;
#endif
}
