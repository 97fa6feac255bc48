/* cut_disk.h - for simulations: a disk that keeps what it likes of what was not synced. At its
 * operation number `cut_at` the power goes; of each sector written since the last sync of its file
 * all, a part or nothing stays. Define CUT_FILE_MAX, bytes of a file, and CUT_PENDING_MAX, sectors
 * that wait for a sync, before.
 */
#ifndef LC_SIM_CUT_DISK_H
#define LC_SIM_CUT_DISK_H

#include <string.h>

#include "../../board/node/port.h"
#include "dice.h"

#define CUT_SECTOR_BYTES 512u

typedef struct cut_pending {
    lc_file file;
    uint64_t at;
    uint32_t bytes;
    uint8_t data[CUT_SECTOR_BYTES];
} cut_pending;

typedef struct cut_disk {
    uint8_t kept[LC_FILE_COUNT][CUT_FILE_MAX]; /* what a power cut leaves */
    uint8_t seen[LC_FILE_COUNT][CUT_FILE_MAX]; /* what a process reads */
    bool made[LC_FILE_COUNT];
    cut_pending pending[CUT_PENDING_MAX];
    uint32_t pendings;
    uint32_t ops, cut_at; /* the power goes at this one, 0: never */
    bool dead;
    uint64_t random;
    /* Mistakes that a simulation must find: a sync that does nothing; one of this file that the
     * next write to a cell may overtake (LC_FILE_COUNT: none). */
    bool no_sync, sync_owed;
    lc_file late_sync;
} cut_disk;

static void cut_disk_apply(cut_disk *d, lc_file file)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < d->pendings; i++) {
        const cut_pending *p = &d->pending[i];
        if (p->file == file) {
            memcpy(d->kept[file] + p->at, p->data, p->bytes);
        } else {
            if (left < i) {
                d->pending[left] = *p;
            }
            left++;
        }
    }
    d->pendings = left;
}

static void cut_disk_owed(cut_disk *d, bool overtaken)
{
    if (d->sync_owed && !overtaken) {
        cut_disk_apply(d, d->late_sync);
    }
    d->sync_owed = false;
}

/* Each unsynced sector stays, goes, or is torn somewhere. */
static void cut_disk_cut(cut_disk *d)
{
    for (uint32_t i = 0; i < d->pendings; i++) {
        const cut_pending *p = &d->pending[i];
        uint64_t fate = dice_roll(&d->random) % 3;
        uint32_t bytes = fate == 0   ? 0
                         : fate == 1 ? p->bytes
                                     : (uint32_t)(dice_roll(&d->random) % (p->bytes + 1));
        memcpy(d->kept[p->file] + p->at, p->data, bytes);
    }
    for (uint32_t i = 0; i < d->pendings; i++) {
        const cut_pending *p = &d->pending[i];
        memcpy(d->seen[p->file] + p->at, d->kept[p->file] + p->at, p->bytes);
    }
    d->pendings = 0;
    d->sync_owed = false;
}

static bool cut_disk_begin(cut_disk *d)
{
    d->ops++;
    if (d->ops == d->cut_at) {
        d->dead = true;
    }
    return !d->dead;
}

static lc_err cut_disk_open(void *ctx, lc_file file, uint64_t *bytes)
{
    cut_disk *d = ctx;
    if (!cut_disk_begin(d)) {
        return LC_ERR_IO;
    }
    lc_assert(*bytes <= CUT_FILE_MAX);
    d->made[file] = true;
    return LC_OK;
}

static lc_err cut_disk_read(void *ctx, lc_file file, uint64_t at, void *data, size_t bytes)
{
    cut_disk *d = ctx;
    lc_assert(d->made[file] && at + bytes <= CUT_FILE_MAX);
    memcpy(data, d->seen[file] + at, bytes);
    return d->dead ? LC_ERR_IO : LC_OK;
}

/* A write that the cut meets is half there: what came of it is pending, like the ones before. */
static lc_err cut_disk_write(void *ctx, lc_file file, uint64_t at, const void *data, size_t bytes)
{
    cut_disk *d = ctx;
    const uint8_t *from = data;
    if (d->dead) {
        return LC_ERR_IO;
    }
    cut_disk_owed(d, file == LC_FILE_STATE);
    bool whole = cut_disk_begin(d);
    lc_assert(d->made[file] && at + bytes <= CUT_FILE_MAX);
    while (bytes > 0) {
        size_t part = CUT_SECTOR_BYTES - at % CUT_SECTOR_BYTES;
        part = part < bytes ? part : bytes;
        lc_assert(d->pendings < CUT_PENDING_MAX);
        cut_pending *p = &d->pending[d->pendings++];
        p->file = file;
        p->at = at;
        p->bytes = (uint32_t)part;
        memcpy(p->data, from, part);
        memcpy(d->seen[file] + at, from, part);
        at += part;
        from += part;
        bytes -= part;
    }
    return whole ? LC_OK : LC_ERR_IO;
}

static lc_err cut_disk_sync(void *ctx, lc_file file)
{
    cut_disk *d = ctx;
    if (!cut_disk_begin(d)) {
        return LC_ERR_IO;
    }
    cut_disk_owed(d, false);
    if (d->late_sync == file) {
        d->sync_owed = true;
    } else if (!d->no_sync) {
        cut_disk_apply(d, file);
    }
    return LC_OK;
}

static lc_port cut_disk_port(cut_disk *d)
{
    return (lc_port){d, cut_disk_open, cut_disk_read, cut_disk_write, cut_disk_sync};
}

#endif
