/* test_objects.c - packs found by root hash, the shipped job, arenas planned by their own layout.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../board/linux/memory.h"
#include "../../board/linux/objects.h"

/* ---- folders with files that look like objects ---- */

static char folder[] = "/tmp/lc-objects-XXXXXX";
static char path[64];

static const char *path_of(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* A header with the given root, and `tail` more bytes. */
static void object_write(const char *name, const char *magic, uint8_t root, size_t bytes)
{
    uint8_t data[512] = {0};
    memcpy(data, magic, 4);
    memset(data + 32, root, 32);
    data[511] = root;
    FILE *f = fopen(path_of(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
}

static int folder_make(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || mkdir(path_of("share"), 0700) != 0) {
        return -1;
    }
    object_write("one.leaf", "LEAF", 1, 512);
    object_write("two.leaf", "LEAF", 2, 512);
    object_write("three.leaf", "LEAF", 3, 127); /* shorter than a header */
    object_write("four.leaf", "GGUF", 4, 512);  /* another format */
    object_write("five.bin", "LEAF", 5, 512);   /* another name */
    object_write("share/six.leaf", "LEAF", 6, 512);
    object_write("share/triage.leaf", "LEAF", 7, 512);
    return setenv("LEAFCUTTER_SHARE", path_of("share"), 1);
}

static int folder_remove(void **state)
{
    static const char *const names[] = {"one.leaf",         "two.leaf", "three.leaf",
                                        "four.leaf",        "five.bin", "share/six.leaf",
                                        "share/triage.leaf"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unlink(path_of(names[i]));
    }
    rmdir(path_of("share"));
    return rmdir(folder);
}

static lc_err find(lc_objects *objects, uint8_t root, lc_object *object)
{
    uint8_t wanted[32];
    memset(wanted, root, sizeof wanted);
    return lc_objects_find(objects, wanted, object);
}

static void objects_are_found_by_root(void **state)
{
    static lc_objects objects;
    lc_object object, again;
    (void)state;
    lc_objects_init(&objects, path_of("bundle.leaf"));
    assert_int_equal(find(&objects, 2, &object), LC_OK);
    assert_int_equal(object.bytes, 512);
    assert_int_equal(object.data[511], 2);
    assert_int_equal(find(&objects, 2, &again), LC_OK);
    assert_ptr_equal(again.data, object.data); /* mapped once */
    assert_int_equal(find(&objects, 6, &object), LC_OK);
    assert_int_equal(object.data[511], 6);
    assert_int_equal(find(&objects, 3, &object), LC_ERR_NOT_FOUND);
    assert_int_equal(find(&objects, 4, &object), LC_ERR_NOT_FOUND);
    assert_int_equal(find(&objects, 5, &object), LC_ERR_NOT_FOUND);
    assert_int_equal(object.data[511], 6); /* untouched on error */
    lc_objects_close(&objects);
}

static void without_a_bundle_only_shares_are_searched(void **state)
{
    static lc_objects objects;
    lc_object object;
    (void)state;
    lc_objects_init(&objects, NULL);
    assert_int_equal(find(&objects, 1, &object), LC_ERR_NOT_FOUND);
    assert_int_equal(find(&objects, 6, &object), LC_OK);
    lc_objects_close(&objects);
}

/* A file over half of the addresses is refused, not cut to what is left of its size. */
static void a_file_beyond_the_addresses_is_refused(void **state)
{
    (void)state;
    lc_map map;
    FILE *file = fopen(path_of("huge.leaf"), "w");
    assert_non_null(file);
    int cut = ftruncate(fileno(file), ((off_t)1 << 32) + 512);
    fclose(file);
    lc_err err = lc_map_open(path_of("huge.leaf"), &map);
    int reason = errno;
    unlink(path_of("huge.leaf"));
    assert_int_equal(cut, 0);
    assert_int_equal(err, sizeof(size_t) > 4 ? LC_OK : LC_ERR_IO);
    if (err == LC_OK) {
        assert_true(map.bytes == ((uint64_t)1 << 32) + 512);
        lc_map_close(&map);
    } else {
        assert_int_equal(reason, EFBIG);
    }
}

static void offered_objects_come_first(void **state)
{
    static lc_objects objects;
    lc_object object;
    lc_map map;
    (void)state;
    assert_int_equal(lc_map_open(path_of("one.leaf"), &map), LC_OK);
    lc_objects_init(&objects, NULL);
    for (size_t i = 0; i < LC_JOB_OBJECTS_MAX + 1; i++) {
        assert_int_equal(lc_objects_add(&objects, &map), LC_OK);
    }
    assert_int_equal(lc_objects_add(&objects, &map), LC_ERR_LIMIT);
    assert_int_equal(find(&objects, 1, &object), LC_OK);
    assert_ptr_equal(object.data, map.data);
    assert_int_equal(find(&objects, 6, &object), LC_ERR_NOT_FOUND); /* no room to map it */
    lc_objects_close(&objects);
    assert_int_equal(map.data[511], 1); /* still there: not ours to unmap */
    lc_map_close(&map);
}

static void the_share_folder_has_the_shipped_job(void **state)
{
    static lc_objects objects;
    lc_object bundle;
    const char *at;
    (void)state;
    lc_objects_init(&objects, NULL);
    assert_int_equal(lc_objects_shipped(&objects, &bundle, &at), LC_OK);
    assert_int_equal(bundle.data[511], 7);
    assert_string_equal(at, path_of("share/triage.leaf"));
    lc_objects_close(&objects);
}

/* ---- arenas ---- */

typedef struct sizes {
    size_t state, scratch, io;
    int calls;
    int fail_at; /* the call that fails, 0 none */
} sizes;

static lc_err layout(void *ctx, lc_arenas *arenas, lc_diag *diag)
{
    sizes *s = ctx;
    if (++s->calls == s->fail_at) {
        return lc_fail(diag, LC_ERR_FORMAT, 7, "as told");
    }
    bool fits = lc_arena_push(&arenas->state, s->state) && lc_arena_push(&arenas->io, s->io);
    size_t mark = lc_arena_mark(&arenas->scratch);
    fits = fits && lc_arena_push(&arenas->scratch, s->scratch);
    lc_arena_rewind(&arenas->scratch, mark);
    return fits ? LC_OK : LC_ERR_ARENA;
}

static void arenas_are_exactly_as_planned(void **state)
{
    sizes s = {.state = 1000, .scratch = 100000, .io = 1};
    lc_memory memory;
    (void)state;
    assert_int_equal(lc_memory_open(&memory, layout, &s, NULL), LC_OK);
    assert_int_equal(s.calls, 2);
    assert_int_equal(memory.plan_state, 1024);
    assert_int_equal(memory.plan_scratch, 100032);
    assert_int_equal(memory.plan_io, 64);
    assert_int_equal(memory.arenas.scratch.peak, 0);     /* nothing has run yet */
    assert_null(lc_arena_push(&memory.arenas.state, 1)); /* sealed */
    assert_non_null(lc_arena_push(&memory.arenas.scratch, 100032));
    assert_null(lc_arena_push(&memory.arenas.scratch, 1));
    lc_memory_close(&memory);
    lc_memory_close(&memory);
}

static void a_layout_that_fails_leaves_nothing(void **state)
{
    (void)state;
    for (int at = 1; at <= 2; at++) {
        sizes s = {.state = 64, .scratch = 64, .io = 64, .fail_at = at};
        lc_memory memory;
        lc_diag diag = {0};
        assert_int_equal(lc_memory_open(&memory, layout, &s, &diag), LC_ERR_FORMAT);
        assert_int_equal(diag.offset, 7);
        assert_null(memory.base);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_found_by_root),
        cmocka_unit_test(without_a_bundle_only_shares_are_searched),
        cmocka_unit_test(a_file_beyond_the_addresses_is_refused),
        cmocka_unit_test(offered_objects_come_first),
        cmocka_unit_test(the_share_folder_has_the_shipped_job),
        cmocka_unit_test(arenas_are_exactly_as_planned),
        cmocka_unit_test(a_layout_that_fails_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
