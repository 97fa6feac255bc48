/* ui_lines.c - lines of any length from a file or stdin, in bounded memory. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ui.h"

int lc_lines_open(lc_lines *lines, const char *path, char separator, size_t limit)
{
    bool from_stdin = !path || strcmp(path, "-") == 0;
    *lines = (lc_lines){.fd = from_stdin ? 0 : open(path, O_RDONLY | O_CLOEXEC),
                        .owned = !from_stdin,
                        .separator = separator,
                        .limit = limit};
    if (lines->fd < 0) {
        return lc_ui_error(LC_EXIT_BOARD, path, NULL, "cannot open: %s", strerror(errno));
    }
    lines->line = malloc(limit + 2);
    lines->block = malloc(LC_LINES_BLOCK);
    if (!lines->line || !lines->block) {
        (void)lc_lines_close(lines, path);
        return lc_ui_no_memory();
    }
    return LC_UI_GO;
}

/* False at the end of the input or after an error. */
static bool block_fill(lc_lines *lines)
{
    ssize_t n;
    do {
        n = read(lines->fd, lines->block, LC_LINES_BLOCK);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        lines->error = errno;
    }
    lines->at = 0;
    lines->filled = n > 0 ? (size_t)n : 0;
    return n > 0;
}

bool lc_lines_next(lc_lines *lines, const char **text, size_t *bytes)
{
    size_t length = 0; /* of the whole line */
    bool any = false, ended = false;
    char last = 0;
    size_t room = lines->limit + 1; /* one more, for a CR that will be dropped */
    while (!ended && (lines->at < lines->filled || block_fill(lines))) {
        const uint8_t *from = lines->block + lines->at;
        size_t left = lines->filled - lines->at;
        const uint8_t *end = memchr(from, lines->separator, left);
        size_t n = end ? (size_t)(end - from) : left;
        if (length < room) {
            memcpy(lines->line + length, from, n < room - length ? n : room - length);
        }
        length += n;
        last = n > 0 ? (char)from[n - 1] : last;
        lines->at += n + (end ? 1 : 0);
        any = true;
        ended = end != NULL;
    }
    if (ended && lines->separator == '\n' && length > 0 && last == '\r') {
        length--;
    }
    *text = lines->line;
    *bytes = length;
    return any;
}

bool lc_lines_waiting(const lc_lines *lines)
{
    size_t left = lines->filled - lines->at;
    return left > 0 && memchr(lines->block + lines->at, lines->separator, left) != NULL;
}

int lc_lines_close(lc_lines *lines, const char *path)
{
    int error = lines->error;
    if (lines->owned && lines->fd >= 0) {
        close(lines->fd);
    }
    free(lines->line);
    free(lines->block);
    *lines = (lc_lines){.fd = -1};
    if (error) {
        return lc_ui_error(LC_EXIT_BOARD, path ? path : "stdin", NULL, "cannot read: %s",
                           strerror(error));
    }
    return LC_EXIT_OK;
}
