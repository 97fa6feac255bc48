/* Squeezing, cells, the journal on a disk that fails or rots, and the files of format version 1.
 *
 * usage: test_journal [--write]    --write makes tests/golden/journal-1 anew
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/node/journal.h"
#include "../../board/node/outbox.h"

#define FILE_BYTES 65536u
#define SEGMENTS 3u
#define SEGMENT_SIZE 2048u
#define TEXT_MAX 600u
#define GOLDEN "tests/golden/journal-1/"

/* ---- a disk in memory ---- */

static uint8_t file_data[LC_FILE_COUNT][FILE_BYTES];
static uint64_t file_bytes[LC_FILE_COUNT];
static bool write_fails, sync_fails, read_fails;

static lc_err disk_open(void *ctx, lc_file file, uint64_t *bytes)
{
    (void)ctx;
    if (file_bytes[file] == 0) {
        file_bytes[file] = *bytes;
    }
    *bytes = file_bytes[file];
    return *bytes <= FILE_BYTES ? LC_OK : LC_ERR_IO;
}

static lc_err disk_read(void *ctx, lc_file file, uint64_t at, void *data, size_t bytes)
{
    (void)ctx;
    assert_true(at + bytes <= FILE_BYTES);
    memcpy(data, file_data[file] + at, bytes);
    return read_fails ? LC_ERR_IO : LC_OK;
}

static lc_err disk_write(void *ctx, lc_file file, uint64_t at, const void *data, size_t bytes)
{
    (void)ctx;
    assert_true(at + bytes <= FILE_BYTES);
    if (!write_fails) {
        memcpy(file_data[file] + at, data, bytes);
    }
    return write_fails ? LC_ERR_IO : LC_OK;
}

static lc_err disk_sync(void *ctx, lc_file file)
{
    (void)ctx;
    (void)file;
    return sync_fails ? LC_ERR_IO : LC_OK;
}

static const lc_port port = {NULL, disk_open, disk_read, disk_write, disk_sync};
static _Alignas(64) uint8_t memory[2u << 20];
static lc_journal journal;

static void disk_clear(void)
{
    memset(file_data, 0, sizeof file_data);
    memset(file_bytes, 0, sizeof file_bytes);
    write_fails = sync_fails = read_fails = false;
}

static lc_err journal_open(void)
{
    lc_arena arena;
    const lc_journal_options options = {.port = &port,
                                        .file = LC_FILE_RECORDS,
                                        .cell = LC_CELL_RECORDS,
                                        .segments = SEGMENTS,
                                        .segment_bytes = SEGMENT_SIZE,
                                        .text_max = TEXT_MAX,
                                        .commit_count = 4,
                                        .commit_ms = 1000};
    lc_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(lc_journal_init(&journal, &options, &arena), LC_OK);
    return lc_journal_open(&journal);
}

/* ---- squeezing ---- */

static uint8_t history_text[2][LC_HISTORY_BYTES];
static uint16_t places[LC_SQUEEZE_PLACES];

static uint32_t random_next(uint32_t *random)
{
    *random = *random * 1664525u + 1013904223u;
    return *random >> 8;
}

static void what_was_squeezed_comes_back(void **state)
{
    (void)state;
    static char text[LC_SQUEEZE_TEXT_MAX];
    static uint8_t out[LC_SQUEEZE_TEXT_MAX];
    lc_history writer = {history_text[0], places, 0}, reader = {history_text[1], NULL, 0};
    uint32_t random = 1, squeezed = 0;
    lc_history_clear(&writer);
    lc_history_clear(&reader);
    for (uint32_t n = 0; n < 3000; n++) {
        uint32_t bytes = random_next(&random) % (n % 50 == 0 ? LC_SQUEEZE_TEXT_MAX + 1 : 400);
        uint32_t letters = 1 + random_next(&random) % (n % 3 == 0 ? 256 : 3);
        for (uint32_t i = 0; i < bytes; i++) {
            text[i] = (char)(random_next(&random) % letters);
        }
        uint32_t held = lc_squeeze(&writer, text, bytes, out);
        const char *back = text;
        if (held > 0) {
            assert_true(held < bytes);
            assert_true(lc_unsqueeze(&reader, out, held, bytes, &back));
            squeezed++;
        } else {
            lc_history_add(&reader, text, bytes);
        }
        assert_memory_equal(back, text, bytes);
        assert_int_equal(reader.bytes, writer.bytes);
    }
    assert_true(squeezed > 1000);
}

static void nonsense_is_refused_or_read_within_bounds(void **state)
{
    (void)state;
    lc_history reader = {history_text[1], NULL, 0};
    uint32_t random = 7, refused = 0;
    for (uint32_t n = 0; n < 200000; n++) {
        uint8_t in[24];
        const char *text;
        uint32_t bytes = random_next(&random) % sizeof in;
        for (uint32_t i = 0; i < bytes; i++) {
            in[i] = (uint8_t)random_next(&random);
        }
        refused += !lc_unsqueeze(&reader, in, bytes, random_next(&random) % 300, &text);
        assert_true(reader.bytes <= LC_HISTORY_BYTES);
    }
    assert_true(refused > 190000);
    const char *text;
    assert_false(lc_unsqueeze(&reader, NULL, 0, LC_SQUEEZE_TEXT_MAX + 1, &text));
}

/* ---- cells ---- */

static void a_cell_holds_the_newest_whole_value(void **state)
{
    (void)state;
    lc_cell cell, other;
    char value[LC_CELL_BYTES_MAX] = {0};
    uint32_t bytes;
    disk_clear();
    assert_int_equal(lc_cell_open(&cell, &port, LC_CELL_EVENTS, value, sizeof value, &bytes),
                     LC_OK);
    assert_int_equal(bytes, 0);
    assert_int_equal(lc_cell_write(&cell, "first", 5), LC_OK);
    assert_int_equal(lc_cell_write(&cell, "second", 6), LC_OK);
    assert_int_equal(lc_cell_draft(&cell, "third", 5), LC_OK);
    assert_int_equal(lc_cell_open(&other, &port, LC_CELL_EVENTS, value, sizeof value, &bytes),
                     LC_OK);
    assert_int_equal(bytes, 5);
    assert_memory_equal(value, "third", 5);
    assert_int_equal(lc_cell_open(&other, &port, LC_CELL_EVENTS, value, 4, &bytes), LC_ERR_LIMIT);
    /* Counter 3 lies in the second sector: torn anywhere, the one before is there. */
    uint8_t *sector = file_data[LC_FILE_STATE] + LC_CELL_EVENTS * LC_CELL_SPAN + LC_CELL_SPAN / 2;
    for (uint32_t at = 0; at < 512; at++) {
        sector[at] ^= 1;
        assert_int_equal(lc_cell_open(&other, &port, LC_CELL_EVENTS, value, sizeof value, &bytes),
                         LC_OK);
        assert_int_equal(bytes, 6);
        assert_memory_equal(value, "second", 6);
        sector[at] ^= 1;
    }
    memcpy(file_data[LC_FILE_STATE], sector, 512); /* in another cell's place it is none */
    assert_int_equal(lc_cell_open(&other, &port, LC_CELL_IDENTITY, value, sizeof value, &bytes),
                     LC_OK);
    assert_int_equal(bytes, 0);
}

/* ---- the journal ---- */

/* Entry n of the tests: alike, now and then one that cannot be squeezed. */
static lc_str text_make(uint64_t n, char out[TEXT_MAX])
{
    uint32_t random = (uint32_t)n, bytes;
    if (n % 7 == 3) {
        for (bytes = 0; bytes < 90; bytes++) {
            out[bytes] = (char)random_next(&random);
        }
    } else {
        bytes = (uint32_t)snprintf(
            out, TEXT_MAX,
            "{\"v\":1,\"seq\":%llu,\"ts\":%llu,\"label\":\"%s\",\"p\":0.%04u,\"at\":[%u,%u]}",
            (unsigned long long)n, 1763625600000ull + n * 997, n % 3 ? "normal" : "overheating",
            random_next(&random) % 10000, (unsigned)n % 17, (unsigned)n % 23);
    }
    return (lc_str){out, bytes};
}

static lc_err entry_put(uint32_t boot, uint64_t n)
{
    char text[TEXT_MAX];
    lc_entry entry = {.seq = n, .boot = boot, .kind = (uint8_t)(n % 2)};
    entry.name = lc_str_from(n % 5 ? "fault" : "part");
    entry.text = text_make(n, text);
    return lc_journal_put(&journal, n, &entry);
}

static void entry_expect(uint32_t boot, uint64_t n)
{
    char text[TEXT_MAX];
    lc_entry entry;
    lc_str want = text_make(n, text);
    assert_true(lc_journal_next(&journal, &entry));
    assert_int_equal(entry.seq, n);
    assert_int_equal(entry.boot, boot);
    assert_int_equal(entry.kind, n % 2);
    assert_true(lc_str_equal(entry.name, lc_str_from(n % 5 ? "fault" : "part")));
    assert_true(lc_str_equal(entry.text, want));
}

static void puts_read_back_after_a_restart(uint64_t first, uint64_t last)
{
    for (uint64_t n = first; n <= last; n++) {
        assert_int_equal(entry_put(1, n), LC_OK);
    }
    assert_int_equal(journal_open(), LC_OK);
    assert_int_equal(lc_journal_backlog(&journal), last - first + 1);
}

static void entries_come_back_after_a_restart(void **state)
{
    (void)state;
    lc_entry entry;
    disk_clear();
    assert_int_equal(journal_open(), LC_OK);
    assert_false(lc_journal_next(&journal, &entry));
    puts_read_back_after_a_restart(1, 30);
    for (uint64_t n = 1; n <= 10; n++) {
        entry_expect(1, n);
    }
    lc_journal_delivered(&journal, 0, 10);
    assert_int_equal(lc_journal_keep(&journal), LC_OK);
    assert_int_equal(entry_put(2, 1), LC_OK);
    assert_int_equal(journal_open(), LC_OK);
    assert_int_equal(lc_journal_backlog(&journal), 21);
    for (uint64_t n = 11; n <= 30; n++) {
        entry_expect(1, n);
    }
    entry_expect(2, 1);
    assert_false(lc_journal_next(&journal, &entry));
    assert_false(journal.damaged || journal.failed);
}

static void commits_are_due_by_number_and_by_time(void **state)
{
    (void)state;
    disk_clear();
    assert_int_equal(journal_open(), LC_OK);
    assert_true(lc_journal_wake_ms(&journal) == UINT64_MAX);
    assert_int_equal(entry_put(1, 1), LC_OK);
    assert_int_equal(lc_journal_wake_ms(&journal), 1001);
    lc_journal_tick(&journal, 1000);
    assert_int_equal(journal.synced, 0);
    lc_journal_tick(&journal, 1001);
    assert_int_equal(journal.synced, 1);
    for (uint64_t n = 2; n <= 5; n++) {
        assert_int_equal(journal.synced, 1);
        assert_int_equal(entry_put(1, n), LC_OK);
        lc_journal_tick(&journal, n);
    }
    assert_int_equal(journal.synced, 5);
    assert_true(lc_journal_wake_ms(&journal) == UINT64_MAX);
}

static void a_rotten_entry_is_stated_and_the_rest_comes(void **state)
{
    (void)state;
    lc_entry entry;
    disk_clear();
    assert_int_equal(journal_open(), LC_OK);
    puts_read_back_after_a_restart(1, 40);
    assert_true(journal.end.number >= 2);
    uint64_t next = journal.begins[2 % SEGMENTS]; /* first of the second segment */
    file_data[LC_FILE_RECORDS][1 * SEGMENT_SIZE + SEGMENT_SIZE / 2] ^= 4; /* number 1 */
    uint64_t n = 1;
    while (journal.losses == 0) {
        if (lc_journal_next(&journal, &entry) && journal.losses == 0) {
            assert_int_equal(entry.seq, n++);
        }
    }
    assert_true(n > 2 && n < next);
    const lc_loss *loss = lc_journal_loss(&journal, 9, 4);
    assert_int_equal(loss->from, n);
    assert_int_equal(loss->to, next - 1);
    assert_int_equal(loss->count, next - n);
    assert_int_equal(loss->boot, 1);
    assert_true(journal.damaged);
    assert_int_equal(entry.seq, next);
    for (n = next + 1; n <= 40; n++) {
        entry_expect(1, n);
    }
    assert_int_equal(journal_open(), LC_OK); /* the statement keeps its number */
    loss = lc_journal_loss(&journal, 10, 1);
    assert_true(loss->told_boot == 9 && loss->told == 4);
    lc_journal_heard(&journal, 9, 4);
    assert_false(lc_journal_has_loss(&journal));
}

static void a_disk_that_fails_ends_the_journal_only(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        disk_clear();
        assert_int_equal(journal_open(), LC_OK);
        assert_int_equal(entry_put(1, 1), LC_OK);
        write_fails = i == 0;
        sync_fails = i == 1;
        lc_err err = entry_put(1, 2);
        assert_int_equal(err, i == 0 ? LC_ERR_IO : LC_OK);
        assert_int_equal(lc_journal_commit(&journal), LC_ERR_IO);
        assert_true(journal.failed);
        assert_int_equal(entry_put(1, 3), LC_ERR_IO);
        assert_true(lc_journal_wake_ms(&journal) == UINT64_MAX);
    }
    disk_clear();
    read_fails = true;
    assert_int_equal(journal_open(), LC_ERR_IO);
    disk_clear();
    file_bytes[LC_FILE_RECORDS] = 1000; /* no journal of any size */
    assert_int_equal(journal_open(), LC_ERR_FORMAT);
}

static void files_that_are_gone_do_not_bring_old_ordinals_back(void **state)
{
    (void)state;
    disk_clear();
    assert_int_equal(journal_open(), LC_OK);
    puts_read_back_after_a_restart(1, 20);
    lc_journal_delivered(&journal, 0, 20);
    assert_int_equal(lc_journal_keep(&journal), LC_OK);
    memset(file_data[LC_FILE_RECORDS], 0, FILE_BYTES);
    assert_int_equal(journal_open(), LC_OK);
    assert_int_equal(entry_put(2, 1), LC_OK);
    assert_int_equal(journal_open(), LC_OK);
    assert_int_equal(lc_journal_backlog(&journal), 1);
    entry_expect(2, 1);
}

/* Any bytes may have gone bad: what is left is read, and nothing beyond the files is touched. */
static void nonsense_in_the_files_is_survived(void **state)
{
    (void)state;
    uint32_t random = 3, damaged = 0;
    for (uint32_t round = 0; round < 2000; round++) {
        lc_entry entry;
        disk_clear();
        assert_int_equal(journal_open(), LC_OK);
        for (uint64_t n = 1; n <= 60; n++) {
            lc_journal_return(&journal, n);
            assert_int_equal(entry_put(1, n), LC_OK);
        }
        for (uint32_t i = random_next(&random) % 20; i > 0; i--) {
            lc_file file = random_next(&random) % 4 ? LC_FILE_RECORDS : LC_FILE_STATE;
            uint32_t size = file == LC_FILE_STATE ? 2 * LC_CELL_SPAN : SEGMENTS * SEGMENT_SIZE;
            file_data[file][random_next(&random) % size] ^= (uint8_t)random_next(&random);
        }
        assert_int_equal(journal_open(), LC_OK);
        for (uint32_t i = 0; i < 100; i++) {
            if (lc_journal_next(&journal, &entry)) {
                assert_true(entry.boot == 1 && entry.seq >= 1 && entry.seq <= 60);
            }
        }
        damaged += journal.damaged;
        assert_int_equal(lc_journal_backlog(&journal), 0);
        assert_int_equal(entry_put(2, 1), LC_OK);
    }
    assert_true(damaged > 100);
}

static void sizes_divide_into_segments(void **state)
{
    (void)state;
    for (uint64_t mb = 1; mb <= 65536; mb = mb * 2 + mb % 7) {
        uint32_t segments, bytes, again, again_bytes;
        lc_journal_divide(mb << 20, &segments, &bytes);
        assert_true(segments >= 8 && segments <= LC_SEGMENTS_MAX && bytes % 4096 == 0);
        assert_true((uint64_t)segments * bytes <= mb << 20);
        assert_true((uint64_t)segments * bytes >= (mb << 20) / 10 * 9);
        lc_journal_divide((uint64_t)segments * bytes, &again, &again_bytes);
        assert_true(again == segments && again_bytes == bytes);
    }
}

/* ---- format version 1 ---- */

static size_t golden_read(const char *path, uint8_t *out)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t bytes = fread(out, 1, FILE_BYTES, file);
    fclose(file);
    return bytes;
}

static void version_1_is_read(void **state)
{
    (void)state;
    lc_entry entry;
    disk_clear();
    assert_int_equal(golden_read(GOLDEN "records.journal", file_data[LC_FILE_RECORDS]),
                     SEGMENTS * SEGMENT_SIZE);
    assert_true(golden_read(GOLDEN "state", file_data[LC_FILE_STATE]) > 0);
    file_bytes[LC_FILE_RECORDS] = SEGMENTS * SEGMENT_SIZE;
    assert_int_equal(journal_open(), LC_OK);
    assert_int_equal(journal.losses, 1);
    assert_int_equal(journal.loss[0].boot, 1);
    assert_int_equal(journal.loss[0].from, 1);
    assert_true(journal.loss[0].told_boot == 1 && journal.loss[0].told == 5);
    uint64_t n = journal.loss[0].to + 1;
    assert_int_equal(journal.loss[0].count, n - 1);
    for (; n <= 140; n++) {
        entry_expect(1, n);
    }
    for (n = 1; n <= 3; n++) {
        entry_expect(2, n);
    }
    assert_false(lc_journal_next(&journal, &entry));
    assert_false(journal.damaged);
}

static void golden_put(const char *path, const uint8_t *data, size_t bytes)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, bytes, file) != bytes || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static int golden_write(void)
{
    disk_clear();
    bool good = journal_open() == LC_OK;
    for (uint64_t n = 1; n <= 140; n++) {
        lc_journal_return(&journal, n);
        good = good && entry_put(1, n) == LC_OK;
    }
    good = good && lc_journal_loss(&journal, 1, 5) != NULL;
    for (uint64_t n = 1; n <= 3; n++) {
        good = good && entry_put(2, n) == LC_OK;
    }
    good = good && lc_journal_commit(&journal) == LC_OK;
    golden_put(GOLDEN "records.journal", file_data[LC_FILE_RECORDS], SEGMENTS * SEGMENT_SIZE);
    golden_put(GOLDEN "state", file_data[LC_FILE_STATE], 2 * LC_CELL_SPAN);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--write") == 0) {
        return golden_write();
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_squeezed_comes_back),
        cmocka_unit_test(nonsense_is_refused_or_read_within_bounds),
        cmocka_unit_test(a_cell_holds_the_newest_whole_value),
        cmocka_unit_test(entries_come_back_after_a_restart),
        cmocka_unit_test(commits_are_due_by_number_and_by_time),
        cmocka_unit_test(a_rotten_entry_is_stated_and_the_rest_comes),
        cmocka_unit_test(a_disk_that_fails_ends_the_journal_only),
        cmocka_unit_test(files_that_are_gone_do_not_bring_old_ordinals_back),
        cmocka_unit_test(nonsense_in_the_files_is_survived),
        cmocka_unit_test(sizes_divide_into_segments),
        cmocka_unit_test(version_1_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
