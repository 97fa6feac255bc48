/* store.c - checks of a port (board/node/port.h), before a power cut and after it. */
#include <string.h>

#include "../../board/node/cell.h"
#include "conform.h"

#define BLOCK 512u
#define LONG 40000u /* a write over many sectors, at no boundary */

/* Made, never written, never synced. */
#define MADE ((lc_file)(LC_FILE_COUNT - 1))

static uint8_t block[LONG];

/* Lengths that differ, most of them over 64 KiB; cells have theirs. */
static uint64_t length_of(lc_file file)
{
    return file == LC_FILE_STATE ? LC_STATE_BYTES : 131072u + 66048u * (uint64_t)file;
}

/* What byte `at` of a file is in a generation: 0 zeros, then anything. */
static uint8_t byte_of(lc_file file, uint32_t generation, uint64_t at)
{
    uint32_t x = (uint32_t)(at ^ at >> 32) * 2654435761u + (uint32_t)file * 40503u;
    return generation == 0 ? 0 : (uint8_t)((x >> 16 ^ x) + generation * 101u);
}

static bool put(const lc_port *port, lc_file file, uint32_t generation, uint64_t at, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        block[i] = byte_of(file, generation, at + i);
    }
    return port->write(port->ctx, file, at, block, bytes) == LC_OK;
}

/* Whether [at, at + bytes) of the file is of the generation. */
static bool is(const lc_port *port, lc_file file, uint32_t generation, uint64_t at, uint64_t bytes)
{
    for (uint64_t done = 0; done < bytes;) {
        uint32_t n = bytes - done < BLOCK ? (uint32_t)(bytes - done) : BLOCK;
        memset(block, 0x77, n);
        if (port->read(port->ctx, file, at + done, block, n) != LC_OK) {
            return false;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (block[i] != byte_of(file, generation, at + done + i)) {
                return false;
            }
        }
        done += n;
    }
    return true;
}

static bool whole(const lc_port *port, lc_file file, uint32_t generation)
{
    return is(port, file, generation, 0, length_of(file));
}

static bool put_whole(const lc_port *port, lc_file file, uint32_t generation)
{
    bool good = true;
    for (uint64_t at = 0; good && at < length_of(file); at += BLOCK) {
        uint64_t left = length_of(file) - at;
        good = put(port, file, generation, at, left < BLOCK ? (uint32_t)left : BLOCK);
    }
    return good;
}

/* ---- before the cut ---- */

static void check_open(conform *c, const lc_port *port)
{
    bool made = true, zeros = true, stays = true;
    for (uint32_t i = 0; i < LC_FILE_COUNT; i++) {
        lc_file file = (lc_file)i;
        uint64_t bytes = length_of(file), other = 4096;
        made = made && port->open(port->ctx, file, &bytes) == LC_OK && bytes == length_of(file);
        zeros = zeros && whole(port, file, 0);
        stays = stays && port->open(port->ctx, file, &other) == LC_OK && other == bytes;
    }
    conform_check(c, made, "open makes a file of the length asked for");
    conform_check(c, zeros, "open makes it of zeros");
    conform_check(c, stays, "open of a file that is there tells its length and keeps it");
}

/* Writes of several lengths at several places: they are read back, and their neighbours stay. */
static void check_write(conform *c, const lc_port *port)
{
    static const uint32_t lengths[] = {1, 3, 24, 511, 512, 513, 4096, LONG};
    static const uint64_t places[] = {0, 1, 500, 4095, 65535, 70001};
    const lc_file file = LC_FILE_RECORDS;
    bool good = put_whole(port, file, 1), beside = true;
    for (uint32_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        for (uint32_t j = 0; j < sizeof lengths / sizeof lengths[0]; j++) {
            uint64_t at = places[i], end = at + lengths[j];
            good = good && put(port, file, 2, at, lengths[j]) && is(port, file, 2, at, lengths[j]);
            beside =
                beside && is(port, file, 1, 0, at) && is(port, file, 1, end, length_of(file) - end);
            good = good && put(port, file, 1, at, lengths[j]);
        }
    }
    conform_check(c, good && whole(port, file, 1), "what was written is read, synced or not");
    conform_check(c, beside, "bytes beside a write stay");
}

static void check_apart(conform *c, const lc_port *port)
{
    bool good = true;
    for (uint32_t i = 0; i < MADE; i++) {
        good = good && put_whole(port, (lc_file)i, 3);
    }
    for (uint32_t i = 0; i < MADE; i++) {
        good = good && whole(port, (lc_file)i, 3);
    }
    conform_check(c, good && whole(port, MADE, 0), "files are apart, up to their last bytes");
}

/* What the second half finds: all of it synced, file after file in another order than written; then
 * one file written again and synced, another one after it and not. */
static void leave(conform *c, const lc_port *port)
{
    bool good = true;
    for (uint32_t i = MADE; i-- > 0;) {
        good = good && port->sync(port->ctx, (lc_file)i) == LC_OK;
    }
    good = good && put_whole(port, LC_FILE_EVENTS, 4) &&
           put(port, LC_FILE_CORRECTIONS, 4, 0, BLOCK) &&
           port->sync(port->ctx, LC_FILE_EVENTS) == LC_OK && whole(port, LC_FILE_EVENTS, 4);
    conform_check(c, good, "sync says that it is certain");
}

/* ---- after it ---- */

static void check_after(conform *c, const lc_port *port)
{
    bool there = true, kept = true, room = false;
    for (uint32_t i = 0; i < LC_FILE_COUNT; i++) {
        lc_file file = (lc_file)i;
        uint64_t bytes = file == LC_FILE_STATE ? LC_STATE_BYTES : 4096;
        there = there && port->open(port->ctx, file, &bytes) == LC_OK && bytes == length_of(file);
    }
    kept = there && whole(port, LC_FILE_STATE, 3) && whole(port, LC_FILE_RECORDS, 3) &&
           whole(port, LC_FILE_EVENTS, 4) &&
           is(port, LC_FILE_CORRECTIONS, 3, BLOCK, length_of(LC_FILE_CORRECTIONS) - BLOCK);
    room = there && whole(port, MADE, 0) && put_whole(port, MADE, 5) && whole(port, MADE, 5);
    conform_check(c, there, "after the cut: files are there, as long as they were made");
    conform_check(c, kept, "after the cut: what was synced is there");
    conform_check(c, room, "after the cut: a file that was only made is zeros, and has its room");
}

void conform_store(conform *c, const lc_port *port, bool again)
{
    if (again) {
        check_after(c, port);
        return;
    }
    check_open(c, port);
    check_write(c, port);
    check_apart(c, port);
    leave(c, port);
}
