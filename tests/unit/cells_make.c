#include "cells_make.h"

#include <string.h>

bool cells_broken;
uint32_t cells_writes;
static uint8_t data[LC_STATE_BYTES];

static lc_err cells_open(void *ctx, lc_file file, uint64_t *bytes)
{
    (void)ctx;
    (void)file;
    *bytes = sizeof data;
    return LC_OK;
}

static lc_err cells_read(void *ctx, lc_file file, uint64_t at, void *out, size_t bytes)
{
    (void)ctx;
    (void)file;
    memcpy(out, data + at, bytes);
    return cells_broken ? LC_ERR_IO : LC_OK;
}

static lc_err cells_write(void *ctx, lc_file file, uint64_t at, const void *in, size_t bytes)
{
    (void)ctx;
    (void)file;
    if (cells_broken) {
        return LC_ERR_IO;
    }
    memcpy(data + at, in, bytes);
    cells_writes++;
    return LC_OK;
}

static lc_err cells_sync(void *ctx, lc_file file)
{
    (void)ctx;
    (void)file;
    return cells_broken ? LC_ERR_IO : LC_OK;
}

const lc_port cells_port = {NULL, cells_open, cells_read, cells_write, cells_sync};

int cells_clear(void **state)
{
    (void)state;
    memset(data, 0, sizeof data);
    cells_broken = false;
    cells_writes = 0;
    return 0;
}
