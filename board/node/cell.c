/* cell.c - sector: magic, version, length, counter, value, zeros, CRC. */
#include "cell.h"

#include <string.h>

#include "../../runtime/bytes.h"
#include "bits.h"

#define SECTOR 512u
#define HEAD 16u
#define CRC_AT (SECTOR - 4u)
#define MAGIC 0x6c6c654cu /* "Lell" */
#define VERSION 1u

_Static_assert(HEAD + LC_CELL_BYTES_MAX <= CRC_AT, "a value fits into its sector");

static uint64_t sector_at(const lc_cell *cell, uint64_t counter)
{
    return (uint64_t)cell->index * LC_CELL_SPAN + (counter & 1u) * (LC_CELL_SPAN / 2);
}

/* The CRC starts from the index: a sector in the wrong place is none. */
static uint32_t sector_crc(const lc_cell *cell, const uint8_t *sector)
{
    return lc_crc32c(cell->index, sector, CRC_AT);
}

typedef struct value {
    uint64_t counter; /* 0: not valid */
    uint32_t bytes;
} value;

static value sector_parse(const lc_cell *cell, const uint8_t *sector)
{
    lc_reader r = lc_reader_make(sector, SECTOR);
    bool known = lc_read_u32(&r) == MAGIC && lc_read_u16(&r) == VERSION;
    value v = {.bytes = lc_read_u16(&r)};
    uint64_t counter = lc_read_u64(&r);
    r.at = CRC_AT;
    bool whole = lc_read_u32(&r) == sector_crc(cell, sector);
    if (known && whole && v.bytes <= LC_CELL_BYTES_MAX) {
        v.counter = counter;
    }
    return v;
}

lc_err lc_cell_open(lc_cell *cell, const lc_port *port, lc_cell_index index, void *data,
                    uint32_t max, uint32_t *bytes)
{
    uint8_t sector[2][SECTOR];
    value v[2];
    *cell = (lc_cell){.port = port, .index = index};
    *bytes = 0;
    for (uint32_t i = 0; i < 2; i++) {
        if (port->read(port->ctx, LC_FILE_STATE, sector_at(cell, i), sector[i], SECTOR) != LC_OK) {
            return LC_ERR_IO;
        }
        v[i] = sector_parse(cell, sector[i]);
    }
    uint32_t newest = v[1].counter > v[0].counter;
    if (v[newest].counter == 0) {
        return LC_OK;
    }
    if (v[newest].bytes > max) {
        return LC_ERR_LIMIT;
    }
    cell->counter = v[newest].counter;
    *bytes = v[newest].bytes;
    memcpy(data, sector[newest] + HEAD, *bytes);
    /* A process that died may have left it unsynced; what others are told of must be certain. */
    return port->sync(port->ctx, LC_FILE_STATE);
}

/* Always into the sector of the older value: however often it is written before a sync, the other
 * one stays whole. */
lc_err lc_cell_draft(const lc_cell *cell, const void *data, uint32_t bytes)
{
    uint8_t sector[SECTOR] = {0};
    const lc_port *port = cell->port;
    lc_assert(bytes <= LC_CELL_BYTES_MAX);
    lc_put_u32(sector, MAGIC);
    lc_put_u16(sector + 4, VERSION);
    lc_put_u16(sector + 6, bytes);
    lc_put_u64(sector + 8, cell->counter + 1);
    memcpy(sector + HEAD, data, bytes);
    lc_put_u32(sector + CRC_AT, sector_crc(cell, sector));
    return port->write(port->ctx, LC_FILE_STATE, sector_at(cell, cell->counter + 1), sector,
                       SECTOR);
}

lc_err lc_cell_write(lc_cell *cell, const void *data, uint32_t bytes)
{
    const lc_port *port = cell->port;
    if (lc_cell_draft(cell, data, bytes) != LC_OK ||
        port->sync(port->ctx, LC_FILE_STATE) != LC_OK) {
        return LC_ERR_IO;
    }
    cell->counter++;
    return LC_OK;
}
