/* panic.c - what Linux does with a broken assertion: say where, dump core. */
#include <stdio.h>
#include <stdlib.h>

#include "../../runtime/err.h"

void lc_panic(const char *file, int line, const char *what)
{
    fprintf(stderr, "leafcutter: internal error at %s:%d: %s\n", file, line, what);
    abort();
}
