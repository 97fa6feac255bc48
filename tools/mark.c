/* mark.c - see mark.h. */
#include "mark.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARK_CALL 4093L            /* no such system call */
#define MARK_SIGNATURE 0x6d61726bL /* "mark" */

void lc_mark(lc_mark_tag tag)
{
    const char *wanted = getenv("LC_MARKS");
    if (wanted && strcmp(wanted, "1") == 0) {
        (void)syscall(MARK_CALL, MARK_SIGNATURE, (long)tag);
    }
}
