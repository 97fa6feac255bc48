#include "crash.h"

#include <signal.h>
#include <stddef.h>

static void (*last_thing)(void *ctx);
static void *last_ctx;

static void crashed(int number)
{
    void (*thing)(void *) = last_thing;
    last_thing = NULL; /* failing in there would come back here */
    if (thing) {
        thing(last_ctx);
    }
    signal(number, SIG_DFL);
    raise(number);
}

void lc_crash_watch(void (*last)(void *ctx), void *ctx)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
    last_ctx = ctx;
    last_thing = last;
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        signal(numbers[i], crashed);
    }
}
