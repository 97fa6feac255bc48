/* ram.c - a port in memory. Each line with a fault's name is what is wrong then. */
#include "ram.h"

#include <string.h>

#define SECTOR 512u

static uint8_t *place(ram *r, lc_file file, uint64_t at)
{
    if (r->fault == RAM_FILES_SHARED && file == LC_FILE_CORRECTIONS) {
        file = LC_FILE_EVENTS;
    }
    if (r->fault == RAM_FILES_OVERLAP && file == LC_FILE_EVENTS && at >= r->length[file] - 1) {
        return r->seen[LC_FILE_CORRECTIONS];
    }
    return r->seen[file] + at;
}

static lc_err ram_open(void *ctx, lc_file file, uint64_t *bytes)
{
    ram *r = ctx;
    if (!r->there[file] || r->fault == RAM_OPEN_EMPTIES) {
        r->there[file] = true;
        r->certain[file] = r->fault != RAM_OPEN_LOST;
        r->length[file] = *bytes - (r->fault == RAM_OPEN_SHORT);
        memset(r->seen[file], 0, RAM_FILE_BYTES);
        r->seen[file][*bytes - 1] = r->fault == RAM_OPEN_DIRT ? 0xff : 0;
        memcpy(r->kept[file], r->seen[file], RAM_FILE_BYTES);
    }
    *bytes = r->fault == RAM_OPEN_SAYS_NOTHING ? *bytes : r->length[file];
    return LC_OK;
}

static lc_err ram_read(void *ctx, lc_file file, uint64_t at, void *data, size_t bytes)
{
    ram *r = ctx;
    const uint8_t *from = r->fault == RAM_READ_STALE ? r->kept[file] : NULL;
    at -= r->fault == RAM_READ_SECTOR ? at % SECTOR : 0;
    for (size_t i = 0; i < bytes; i++) {
        ((uint8_t *)data)[i] = from ? from[at + i] : *place(r, file, at + i);
    }
    return LC_OK;
}

static lc_err ram_write(void *ctx, lc_file file, uint64_t at, const void *data, size_t bytes)
{
    ram *r = ctx;
    r->last = file;
    if (r->fault == RAM_WRITE_SECTOR) {
        uint64_t end = (at + bytes + SECTOR - 1) / SECTOR * SECTOR;
        memset(r->seen[file] + at / SECTOR * SECTOR, 0, (size_t)(end - at / SECTOR * SECTOR));
    }
    bytes -= r->fault == RAM_WRITE_SHORT;
    bytes = r->fault == RAM_WRITE_PAGE && bytes > 4096 ? 4096 : bytes;
    for (size_t i = 0; i < bytes; i++) {
        uint64_t to = r->fault == RAM_WRITE_16_BITS ? (at + i) & 0xffffu : at + i;
        *place(r, file, to) = ((const uint8_t *)data)[i];
    }
    return LC_OK;
}

static lc_err ram_sync(void *ctx, lc_file file)
{
    ram *r = ctx;
    file = r->fault == RAM_SYNC_LAST ? r->last : file;
    if (r->fault == RAM_SYNC_NOTHING || r->fault == RAM_SYNC_REFUSES) {
        return r->fault == RAM_SYNC_NOTHING ? LC_OK : LC_ERR_IO;
    }
    r->certain[file] = true;
    memcpy(r->kept[file], r->seen[file],
           r->fault == RAM_SYNC_FIRST_SECTORS ? 65536u : RAM_FILE_BYTES);
    return LC_OK;
}

void ram_init(ram *r, ram_fault fault)
{
    memset(r, 0, sizeof *r);
    r->fault = fault;
    r->port = (lc_port){r, ram_open, ram_read, ram_write, ram_sync};
}

void ram_cut(ram *r)
{
    for (uint32_t i = 0; i < LC_FILE_COUNT; i++) {
        r->there[i] = r->there[i] && r->certain[i];
    }
    memcpy(r->seen, r->kept, sizeof r->seen);
}
