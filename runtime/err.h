/* err.h - error numbers, their texts, and the place where a parser stopped. */
#ifndef LC_ERR_H
#define LC_ERR_H

#include <stddef.h>
#include <stdint.h>

/* name, number, exit code of the command line, text. Numbers never change meaning. */
#define LC_ERR_LIST(X)                                                                             \
    X(ARGUMENT, -1, 2, "wrong argument")                                                           \
    X(LIMIT, -2, 3, "over a limit")                                                                \
    X(FORMAT, -3, 3, "format")                                                                     \
    X(VERSION, -4, 3, "version")                                                                   \
    X(CHECKSUM, -5, 3, "checksum")                                                                 \
    X(SIGNATURE, -6, 3, "signature")                                                               \
    X(ARENA, -7, 4, "out of arena")                                                                \
    X(BUSY, -8, 5, "busy")                                                                         \
    X(IO, -9, 4, "input/output")                                                                   \
    X(LINK, -10, 5, "link")                                                                        \
    X(UNSUPPORTED, -11, 3, "unsupported")                                                          \
    X(CANCELLED, -12, 1, "cancelled")                                                              \
    X(NUMBER, -13, 1, "not a finite number")                                                       \
    X(NOT_FOUND, -14, 3, "not found")

typedef enum lc_err {
    LC_OK = 0,
#define LC_ERR_ENUM(name, number, exit_code, text) LC_ERR_##name = number,
    LC_ERR_LIST(LC_ERR_ENUM)
#undef LC_ERR_ENUM
} lc_err;

#define LC_CHECKED __attribute__((warn_unused_result))

/* Where and why a parser stopped: "format at byte 132: row_count over limit". */
typedef struct lc_diag {
    lc_err err;
    uint64_t offset;   /* byte in the input */
    const char *text;  /* static */
} lc_diag;

const char *lc_err_text(lc_err err);
int lc_err_exit(lc_err err);

/* Fills diag (when not NULL) and returns err, so that a parser can `return lc_fail(...)`. */
lc_err lc_fail(lc_diag *diag, lc_err err, uint64_t offset, const char *text);

/* Panics on our own mistakes, never on input. Stays in release builds. The board supplies
 * lc_panic. */
void lc_panic(const char *file, int line, const char *what) __attribute__((noreturn));
#define lc_assert(cond) ((cond) ? (void)0 : lc_panic(__FILE__, __LINE__, #cond))

#endif
