/* left_out.c - verbs that a build of one static file has not. */
#include "ui.h"
#include "verbs.h"

static int left_out(const char *verb)
{
    return lc_ui_error(LC_EXIT_BOARD, NULL, "use the program that is linked with shared libraries",
                       "%s is left out of this build", verb);
}

int lc_verb_collect(int argc, char **argv)
{
    (void)argc;
    return left_out(argv[0]);
}

int lc_verb_upstream(int argc, char **argv)
{
    (void)argc;
    return left_out(argv[0]);
}
