/* cap.c - RLIMIT_DATA, which since Linux 4.7 counts private mappings, too. */
#include "cap.h"

#include <sys/resource.h>

#include "statm.h"

lc_err lc_cap_set(size_t extra)
{
#ifdef __SANITIZE_ADDRESS__
    (void)extra;
    return LC_OK;
#else
    struct rlimit limit;
    size_t now = lc_statm_bytes(LC_STATM_DATA);
    if (now == 0 || getrlimit(RLIMIT_DATA, &limit) != 0) {
        return LC_ERR_IO;
    }
    rlim_t wanted = now + extra;
    limit.rlim_cur =
        limit.rlim_max == RLIM_INFINITY || wanted < limit.rlim_max ? wanted : limit.rlim_max;
    return setrlimit(RLIMIT_DATA, &limit) == 0 ? LC_OK : LC_ERR_IO;
#endif
}
