/* test_identity.c - whose a store is: copied cards, moved cards, other ids, old cells. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h wants the above. */
#include <cmocka.h>

#include "../../board/linux/config.h"
#include "../../board/linux/identity.h"
#include "../../board/node/bits.h"
#include "../../board/node/cell.h"

static char folder[PATH_MAX], path[PATH_MAX + 64];

static const char *path_of(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void text_put(const char *name, const char *text, size_t bytes)
{
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    fclose(file);
}

static lc_identity start(const char *dev, const char *serial, bool adopt)
{
    lc_store store;
    lc_diag diag;
    lc_identity identity;
    const lc_identity_owner owner = {dev, serial, adopt};
    assert_int_equal(lc_store_open(&store, path_of("store")), LC_OK);
    assert_int_equal(lc_identity_open(&store, &owner, &identity, &diag), LC_OK);
    lc_store_close(&store);
    return identity;
}

static int fresh(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/lc-identity-XXXXXX");
    return mkdtemp(folder) ? 0 : 1;
}

static int gone(void **state)
{
    (void)state;
    static const char *const names[] = {"store/former/state", "store/former/records.journal",
                                        "store/state", "store/records.journal", "serial"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unlink(path_of(names[i]));
    }
    rmdir(path_of("store/former"));
    rmdir(path_of("store"));
    return rmdir(folder);
}

static void a_board_goes_on(void **state)
{
    (void)state;
    lc_identity first = start("pi4-0017", "10000000abcd1234", false);
    assert_int_equal(first.whose, LC_OURS);
    lc_identity next = start("pi4-0017", "10000000abcd1234", false);
    assert_int_equal(next.boot, first.boot + 1);
    assert_memory_equal(next.salt, first.salt, LC_SALT_BYTES);
    assert_int_equal(start("pi4-0017", "", false).boot, 3); /* not known now: still its own */
    assert_int_equal(start("pi4-0017", "ffff", false).whose, LC_OF_ANOTHER_BOARD);
    assert_int_equal(start("pi4-0017", "10000000abcd1234", false).boot, 4);
}

static void a_copy_is_told_and_nothing_changes(void **state)
{
    (void)state;
    lc_identity first = start("pi4-0017", "10000000abcd1234", false);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(start("pi4-0017", "10000000abcd9999", false).whose, LC_OF_ANOTHER_BOARD);
    }
    assert_int_equal(start("pi4-0017", "10000000abcd1234", false).boot, first.boot + 1);
    lc_identity moved = start("pi4-0017", "10000000abcd9999", true);
    assert_int_equal(moved.whose, LC_OURS);
    assert_int_equal(moved.boot, first.boot + 2);
    assert_memory_equal(moved.salt, first.salt, LC_SALT_BYTES);
    assert_int_equal(start("pi4-0017", "10000000abcd9999", false).boot, first.boot + 3);
    assert_int_equal(start("pi4-0017", "10000000abcd1234", false).whose, LC_OF_ANOTHER_BOARD);
}

static void another_id_starts_anew(void **state)
{
    (void)state;
    lc_store store;
    lc_identity first = start("pi-abcd1234", "10000000abcd1234", false);
    text_put("store/records.journal", "records", 7);
    for (int adopt = 0; adopt < 2; adopt++) { /* another id is another device, adopted or not */
        lc_identity other = start("pi-abcd9999", "10000000abcd9999", adopt == 1);
        assert_int_equal(other.whose, LC_OF_ANOTHER_ID);
        assert_string_equal(other.former, "pi-abcd1234");
    }
    assert_int_equal(lc_store_set_aside(&store, path_of("store")), LC_OK);
    assert_int_equal(access(path_of("store/former/state"), F_OK), 0);
    assert_int_equal(access(path_of("store/former/records.journal"), F_OK), 0);
    assert_int_equal(access(path_of("store/records.journal"), F_OK), -1);
    lc_identity other = start("pi-abcd9999", "10000000abcd9999", false);
    assert_int_equal(other.whose, LC_OURS);
    assert_int_equal(other.boot, 1);
    assert_memory_not_equal(other.salt, first.salt, LC_SALT_BYTES);
    text_put("store/records.journal", "others", 6); /* a second time: over what is there */
    assert_int_equal(lc_store_set_aside(&store, path_of("store")), LC_OK);
    assert_int_equal(lc_store_set_aside(&store, path_of("store")), LC_OK);
    struct stat status;
    assert_int_equal(stat(path_of("store/former/records.journal"), &status), 0);
    assert_int_equal(status.st_size, 6);
}

static void an_old_cell_is_its_next_owners(void **state)
{
    (void)state;
    lc_store store;
    lc_cell cell;
    uint8_t data[20] = {0}, held[64];
    uint32_t bytes;
    lc_put_u32(data, 41);
    memset(data + 4, 7, 16);
    assert_int_equal(lc_store_open(&store, path_of("store")), LC_OK);
    assert_int_equal(
        lc_cell_open(&cell, &store.port, LC_CELL_IDENTITY, held, sizeof held, &bytes), LC_OK);
    assert_int_equal(lc_cell_write(&cell, data, sizeof data), LC_OK);
    lc_store_close(&store);
    lc_identity identity = start("pi4-0017", "10000000abcd1234", false);
    assert_int_equal(identity.boot, 42);
    assert_memory_equal(identity.salt, data + 4, LC_SALT_BYTES);
    assert_int_equal(start("pi4-0017", "other", false).whose, LC_OF_ANOTHER_BOARD);
    assert_int_equal(start("pi4-0018", "10000000abcd1234", false).whose, LC_OF_ANOTHER_ID);
}

static void serial_numbers_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bytes;
        const char *serial;
    } files[] = {{"10000000ABCD1234\0", 17, "10000000abcd1234"},
                 {" 00-1b:44 xZ\n", 13, "001b44xz"},
                 {"", 0, ""},
                 {"\0\0\0", 3, ""},
                 {"0123456789012345678901234567890123456789012345678901234567890123456789", 70,
                  "0123456789012345678901234567890123456789012345678901234567890123"}};
    char serial[LC_SERIAL_BYTES_MAX + 1];
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        text_put("serial", files[i].text, files[i].bytes);
        assert_int_equal(lc_serial_read(path_of("serial"), serial), strlen(files[i].serial));
        assert_string_equal(serial, files[i].serial);
    }
    assert_int_equal(lc_serial_read(path_of("none"), serial), 0);
    assert_string_equal(serial, "");
}

static void an_id_takes_the_serial_number(void **state)
{
    (void)state;
    static const struct {
        const char *id, *serial, *dev; /* dev NULL: refused */
    } cases[] = {{"pi4-{serial}", "10000000ABCD1234", "pi4-abcd1234"},
                 {"{serial}-hall", "a1b2", "a1b2-hall"},
                 {"pi4-0017", "", "pi4-0017"},
                 {"pi4-{serial}", "", NULL},
                 {"pi4-{serial}", "123", NULL},
                 {"pi4-{serial", "10000000ABCD1234", NULL},
                 {"a-very-long-name-of-pi4-{serial}", "10000000ABCD1234",
                  "a-very-long-name-of-pi4-abcd1234"},
                 {"{serial}{serial}", "10000000ABCD1234", NULL}};
    static lc_config config;
    static lc_json_diag diag;
    char json[PATH_MAX + 256];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        text_put("serial", cases[i].serial, strlen(cases[i].serial));
        int n = snprintf(json, sizeof json,
                         "{\"version\":1,\"device\":{\"id\":\"%s\",\"serial_file\":\"%s\"},"
                         "\"broker\":{\"url\":\"mqtt://localhost\"},"
                         "\"inputs\":[{\"source\":\"stdin\"}],\"job\":\"x.json\"}",
                         cases[i].id, path_of("serial"));
        lc_err err = lc_config_parse(json, (size_t)n, &config, &diag);
        assert_int_equal(err, cases[i].dev ? LC_OK : LC_ERR_FORMAT);
        if (cases[i].dev) {
            assert_string_equal(config.dev, cases[i].dev);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_board_goes_on, fresh, gone),
        cmocka_unit_test_setup_teardown(a_copy_is_told_and_nothing_changes, fresh, gone),
        cmocka_unit_test_setup_teardown(another_id_starts_anew, fresh, gone),
        cmocka_unit_test_setup_teardown(an_old_cell_is_its_next_owners, fresh, gone),
        cmocka_unit_test_setup_teardown(serial_numbers_are_read, fresh, gone),
        cmocka_unit_test_setup_teardown(an_id_takes_the_serial_number, fresh, gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
