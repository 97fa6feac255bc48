/* fuzz_journal.c - a journal's file: read without its daemon, then taken over and written to. Some
 * inputs get right checksums first, so that what stands behind them is reached. */
#include <stdlib.h>
#include <string.h>

#include "../../board/node/journal_parts.h"
#include "../../board/node/outbox.h"
#include "fuzz.h"

#define SEGMENTS 8u
#define SEGMENT_BYTES 8192u
#define FILE_BYTES (SEGMENTS * SEGMENT_BYTES)
#define TEXT_MAX (LC_OUTBOX_SMALL_MAX + LC_NAME_BYTES_MAX)

const char *const fuzz_seeds[] = {"tests/fuzz/corpus/journal/*", NULL};

static uint8_t journal_file[FILE_BYTES], state_file[LC_STATE_BYTES];

static uint8_t *file_at(lc_file file, uint64_t at, size_t bytes)
{
    size_t held = file == LC_FILE_STATE ? sizeof state_file : sizeof journal_file;
    fuzz_expect(at <= held && bytes <= held - at, "nothing outside the file is touched");
    return (file == LC_FILE_STATE ? state_file : journal_file) + at;
}

static lc_err file_open(void *ctx, lc_file file, uint64_t *bytes)
{
    (void)ctx;
    *bytes = file == LC_FILE_STATE ? sizeof state_file : sizeof journal_file;
    return LC_OK;
}

static lc_err file_read(void *ctx, lc_file file, uint64_t at, void *data, size_t bytes)
{
    (void)ctx;
    memcpy(data, file_at(file, at, bytes), bytes);
    return LC_OK;
}

static lc_err file_write(void *ctx, lc_file file, uint64_t at, const void *data, size_t bytes)
{
    memcpy(file_at(file, at, bytes), data, bytes);
    *(bool *)ctx = true;
    return LC_OK;
}

static lc_err file_sync(void *ctx, lc_file file)
{
    (void)ctx;
    (void)file;
    return LC_OK;
}

/* ---- right checksums ---- */

static void segment_mend(uint32_t slot)
{
    uint8_t *at = journal_file + slot * SEGMENT_BYTES, *end = at + SEGMENT_BYTES;
    memcpy(at, "LCJ1", 4);
    memset(at + 8, 0, 8);
    at[8] = (uint8_t)(slot > 0 ? slot : SEGMENTS);
    uint32_t chain = lc_crc32c(0, at + 8, LC_SEGMENT_HEAD - 8);
    memcpy(at + 4, &chain, 4);
    at += LC_SEGMENT_HEAD;
    while (end - at >= (ptrdiff_t)LC_ENTRY_HEAD && (at[0] || at[4])) {
        uint32_t stored = at[4] + 256u * (at[5] & 3u);
        at[5] &= 3;
        at[7] &= 3;
        if ((uint32_t)(end - at) < LC_ENTRY_HEAD + stored) {
            return;
        }
        memcpy(at, "Le", 2);
        chain = lc_journal_crc(chain, at, stored);
        memcpy(at + 20, &chain, 4);
        at += LC_ENTRY_HEAD + stored;
    }
}

/* ---- reading, taking over ---- */

static lc_err journal_make(lc_journal *journal, const lc_port *port)
{
    lc_arena arena = fuzz_arena(0, 1u << 20);
    const lc_journal_options options = {.port = port,
                                        .file = LC_FILE_AUDIT,
                                        .cell = LC_CELL_AUDIT,
                                        .segments = SEGMENTS,
                                        .segment_bytes = SEGMENT_BYTES,
                                        .text_max = TEXT_MAX,
                                        .commit_count = 1};
    return lc_journal_init(journal, &options, &arena);
}

/* All entries; the last one's text is `last`, unless that is NULL. */
static uint32_t look(const lc_port *port, const char *last)
{
    lc_journal journal;
    lc_entry entry;
    uint32_t count = 0;
    bool same = false;
    fuzz_expect(journal_make(&journal, port) == LC_OK && lc_journal_look(&journal) == LC_OK,
                "a file of this length can be looked at");
    while (lc_journal_step(&journal, &entry) == LC_OK) {
        fuzz_expect(entry.text.bytes + entry.name.bytes <= TEXT_MAX, "an entry has its limit");
        same = last && lc_str_equal(entry.text, lc_str_from(last));
        fuzz_expect(++count <= FILE_BYTES / LC_ENTRY_HEAD, "reading ends");
    }
    fuzz_expect(!last || same, "what was put is the last entry");
    return count;
}

static void use(const lc_port *port, bool *written)
{
    static const char text[] = "one more";
    lc_journal journal;
    lc_entry entry = {.boot = 1, .seq = 1, .name = {"", 0}, .text = {text, sizeof text - 1}};
    *written = false;
    (void)look(port, NULL);
    fuzz_expect(!*written, "looking writes nothing");
    memset(state_file, 0, sizeof state_file);
    fuzz_expect(journal_make(&journal, port) == LC_OK, "room");
    if (lc_journal_open(&journal) != LC_OK || journal.end.ordinal > UINT64_MAX / 2) {
        return; /* so many entries nobody ever wrote */
    }
    while (lc_journal_next(&journal, &entry)) {
    }
    entry = (lc_entry){.boot = 1, .seq = 1, .name = {"", 0}, .text = {text, sizeof text - 1}};
    if (lc_journal_put(&journal, 1, &entry) == LC_OK && lc_journal_commit(&journal) == LC_OK) {
        (void)look(port, text);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    bool written = false;
    const lc_port port = {&written, file_open, file_read, file_write, file_sync};
    bytes = bytes < FILE_BYTES ? bytes : FILE_BYTES;
    memset(journal_file, 0, sizeof journal_file);
    if (bytes > 0) {
        memcpy(journal_file, data, bytes);
    }
    bool mend = bytes > 0 && data[bytes - 1] % 2 == 1;
    for (uint32_t slot = 0; mend && slot * SEGMENT_BYTES < bytes; slot++) {
        segment_mend(slot);
    }
    use(&port, &written);
    return 0;
}
