/* The checks that a port is given (tests/port): ours pass, and each planted fault is found. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../board/linux/store.h"
#include "../port/ram.h"

static void say(const char *line)
{
    if (line[0] == 'n') {
        print_message("# %s\n", line);
    }
}

static void say_nothing(const char *line)
{
    (void)line;
}

static void this_machine_is_sound(void **state)
{
    (void)state;
    conform c = {.say = say};
    conform_machine(&c);
    assert_int_equal(c.failed, 0);
    assert_true(c.passed > 10);
}

static void folder_empty(const char *path)
{
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        unlinkat(dirfd(dir), entry->d_name, 0);
    }
    closedir(dir);
}

static void the_store_of_linux_is_sound(void **state)
{
    (void)state;
    char folder[] = "/tmp/lc-port-XXXXXX", path[sizeof folder + 8];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/store", folder);
    conform c = {.say = say};
    for (int again = 0; again < 2; again++) {
        lc_store store;
        assert_int_equal(lc_store_open(&store, path), LC_OK);
        conform_store(&c, &store.port, again);
        lc_store_close(&store);
    }
    assert_int_equal(c.failed, 0);
    folder_empty(path);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static uint32_t failed_with(ram_fault fault)
{
    static ram memory;
    conform c = {.say = fault == RAM_SOUND ? say : say_nothing};
    ram_init(&memory, fault);
    conform_store(&c, &memory.port, false);
    ram_cut(&memory);
    conform_store(&c, &memory.port, true);
    return c.failed;
}

static void every_planted_fault_is_found(void **state)
{
    (void)state;
    assert_int_equal(failed_with(RAM_SOUND), 0);
    for (ram_fault fault = RAM_SOUND + 1; fault < RAM_FAULTS; fault++) {
        if (failed_with(fault) == 0) {
            fail_msg("fault %d is not found", fault);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(this_machine_is_sound),
                                       cmocka_unit_test(the_store_of_linux_is_sound),
                                       cmocka_unit_test(every_planted_fault_is_found)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
