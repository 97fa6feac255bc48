#include "fail.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char message[256];

lc_err lc_fail_format(lc_diag *diag, lc_err err, uint64_t offset, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    for (char *c = message; *c; c++) {
        if (*c < ' ' || *c > '~')
            *c = '?';
    }
    return lc_fail(diag, err, offset, message);
}
