/* mark.h - tells the counting plugin (insn_count.c) that what follows belongs to `tag`. Outside the
 * plugin it is a system call that does not exist and has no effect. */
#ifndef LC_MARK_H
#define LC_MARK_H

#include <unistd.h>

#define LC_MARK_CALL 4093L
#define LC_MARK_MAGIC 0x6d61726bL /* "mark" */

static inline void lc_mark(long tag)
{
    (void)syscall(LC_MARK_CALL, LC_MARK_MAGIC, tag);
}

#endif
