/* mark.h - points in a run that an instruction counter outside can see.
 *
 * With LC_MARKS=1 in the environment each point issues a system call that Linux refuses (4093, with
 * a signature and the tag as arguments); a QEMU plugin cuts its counts there. Otherwise nothing.
 */
#ifndef LC_MARK_H
#define LC_MARK_H

typedef enum lc_mark_tag {
    LC_MARK_START = 0,        /* the verb began */
    LC_MARK_OPTIONS = 1,      /* options read, files named */
    LC_MARK_MODEL = 2,        /* model and job mapped */
    LC_MARK_CONTEXT = 3,      /* arenas laid out, threads there: ready for the first line */
    LC_MARK_FIRST_LINE = 4,   /* first line read, not yet run */
    LC_MARK_FIRST_ANSWER = 5, /* its record (or token) written */
    LC_MARK_END = 6           /* last answer written */
} lc_mark_tag;

void lc_mark(lc_mark_tag tag);

#endif
