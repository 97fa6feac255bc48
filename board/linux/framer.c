/* framer.c - bytes to lines. */
#include "framer.h"

#include <string.h>

#include "../../runtime/err.h"

void lc_framer_reset(lc_framer *framer)
{
    framer->bytes = 0;
    framer->whole = false;
}

/* Keeps what fits and counts the rest, but not beyond what a size can hold. */
static void text_add(lc_framer *framer, const char *data, size_t bytes)
{
    size_t room = framer->bytes < sizeof framer->text ? sizeof framer->text - framer->bytes : 0;
    memcpy(framer->text + (sizeof framer->text - room), data, bytes < room ? bytes : room);
    framer->bytes = bytes < SIZE_MAX - framer->bytes ? framer->bytes + bytes : SIZE_MAX;
}

static void line_end(lc_framer *framer)
{
    size_t bytes = framer->bytes;
    if (bytes > 0 && bytes <= sizeof framer->text && framer->text[bytes - 1] == '\r') {
        framer->bytes--;
    }
    framer->whole = true;
}

size_t lc_framer_feed(lc_framer *framer, const char *data, size_t bytes)
{
    if (framer->whole) {
        return 0;
    }
    const char *end = memchr(data, '\n', bytes);
    size_t part = end ? (size_t)(end - data) : bytes;
    text_add(framer, data, part);
    if (!end) {
        return bytes;
    }
    line_end(framer);
    return part + 1;
}

void lc_framer_end(lc_framer *framer)
{
    if (!framer->whole && framer->bytes > 0) {
        line_end(framer);
    }
}

void lc_framer_next(lc_framer *framer)
{
    lc_assert(framer->whole);
    lc_framer_reset(framer);
}
