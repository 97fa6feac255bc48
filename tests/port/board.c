/* board.c - the checks as a program, on a machine with or without an operating system. Here with
 * the port in memory; a porter puts his own in its place and cuts the power between the halves. */
#include <stdio.h>
#include <stdlib.h>

#include "ram.h"

void lc_panic(const char *file, int line, const char *what)
{
    (void)file, (void)line, (void)puts(what);
    exit(EXIT_FAILURE);
}

static void say(const char *line)
{
    (void)puts(line);
}

int main(void)
{
    static ram memory;
    conform c = {.say = say};
    conform_machine(&c);
    ram_init(&memory, RAM_SOUND);
    conform_store(&c, &memory.port, false);
    ram_cut(&memory);
    conform_store(&c, &memory.port, true);
    return c.failed != 0 || c.passed == 0;
}
