/* ram.h - a port in memory, whose power can be cut, and what can be wrong with one. */
#ifndef RAM_H
#define RAM_H

#include "conform.h"

#define RAM_FILE_BYTES 524288u

typedef enum ram_fault {
    RAM_SOUND,
    RAM_OPEN_DIRT,         /* a new file is not of zeros */
    RAM_OPEN_SHORT,        /* a new file is shorter than asked for */
    RAM_OPEN_SAYS_NOTHING, /* the length asked for stays in *bytes */
    RAM_OPEN_EMPTIES,      /* opening again makes it new */
    RAM_OPEN_LOST,         /* a file that was made and not synced has gone after a cut */
    RAM_READ_STALE,        /* reads what was synced last */
    RAM_READ_SECTOR,       /* begins at a sector */
    RAM_WRITE_SECTOR,      /* writes whole sectors, zeros round the data */
    RAM_WRITE_SHORT,       /* leaves the last byte out */
    RAM_WRITE_PAGE,        /* keeps at most 4096 bytes of a write */
    RAM_WRITE_16_BITS,     /* takes 16 bits of the place */
    RAM_FILES_SHARED,      /* two files in one place */
    RAM_FILES_OVERLAP,     /* the end of one is the beginning of the next */
    RAM_SYNC_NOTHING,
    RAM_SYNC_LAST,          /* syncs the file that was written last, whatever it is asked */
    RAM_SYNC_FIRST_SECTORS, /* syncs 64 KiB */
    RAM_SYNC_REFUSES,
    RAM_FAULTS
} ram_fault;

typedef struct ram {
    lc_port port;
    ram_fault fault;
    bool there[LC_FILE_COUNT], certain[LC_FILE_COUNT];
    uint64_t length[LC_FILE_COUNT];
    lc_file last; /* written */
    uint8_t seen[LC_FILE_COUNT][RAM_FILE_BYTES], kept[LC_FILE_COUNT][RAM_FILE_BYTES];
} ram;

void ram_init(ram *r, ram_fault fault);
/* What was not synced is gone. */
void ram_cut(ram *r);

#endif
