/* status.c - the status socket, both ends. */
#include "status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define READ_TIMEOUT_S 3

static bool address_set(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(address->sun_path, path, strlen(path));
    return true;
}

/* Connected to who listens at path, or -1. */
static int socket_connect(const char *path)
{
    struct sockaddr_un address;
    if (!address_set(&address, path)) {
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int reason = errno;
        close(fd);
        errno = reason;
        fd = -1;
    }
    return fd;
}

static lc_err socket_listen(int fd, const struct sockaddr_un *address)
{
    mode_t before = umask(0117);
    int bound = bind(fd, (const struct sockaddr *)address, sizeof *address);
    umask(before);
    return bound == 0 && listen(fd, 8) == 0 ? LC_OK : LC_ERR_IO;
}

lc_err lc_status_open(lc_status *status, const char *path)
{
    struct sockaddr_un address;
    status->path = NULL;
    if (!address_set(&address, path)) {
        return LC_ERR_IO;
    }
    int other = socket_connect(path);
    if (other >= 0) {
        close(other);
        return LC_ERR_BUSY;
    }
    if (errno == ECONNREFUSED) {
        unlink(path); /* a daemon that was killed left it */
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    lc_err err = fd >= 0 ? socket_listen(fd, &address) : LC_ERR_IO;
    err = err == LC_OK ? lc_pages_open(&status->pages, fd) : err;
    if (err != LC_OK && fd >= 0) {
        int reason = errno;
        close(fd);
        errno = reason;
    }
    status->path = err == LC_OK ? path : NULL;
    return err;
}

void lc_status_close(lc_status *status)
{
    if (status->path) {
        lc_pages_close(&status->pages);
        unlink(status->path);
        status->path = NULL;
    }
}

/* A daemon of 0.1.0 knew no pages: it says its object at once, without a head. */
static lc_err answer_cut(char *text, uint32_t *bytes)
{
    static const char good[] = "HTTP/1.0 200 ";
    text[*bytes] = '\0';
    char *body = strstr(text, "\r\n\r\n");
    if (strncmp(text, "HTTP/", 5) != 0) {
        return LC_OK;
    }
    if (strncmp(text, good, sizeof good - 1) != 0 || !body) {
        return LC_ERR_NOT_FOUND;
    }
    body += 4;
    *bytes -= (uint32_t)(body - text);
    memmove(text, body, *bytes + 1u);
    return LC_OK;
}

lc_err lc_status_read(const char *path, const char *page, char *out, uint32_t max, uint32_t *bytes)
{
    char request[64];
    int fd = socket_connect(path);
    if (fd < 0) {
        return LC_ERR_NOT_FOUND;
    }
    struct timeval limit = {.tv_sec = READ_TIMEOUT_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\n\r\n", page);
    lc_assert(n > 0 && (size_t)n < sizeof request);
    (void)!send(fd, request, (size_t)n, MSG_NOSIGNAL);
    uint32_t held = 0;
    ssize_t got = 1;
    while (got > 0 && held + 1 < max) {
        got = read(fd, out + held, max - 1 - held);
        held += got > 0 ? (uint32_t)got : 0;
    }
    bool hung_up = got < 0 && errno == ECONNRESET && held > 0; /* it did not read what we said */
    close(fd);
    *bytes = held;
    if (got != 0 && !hung_up) {
        return got < 0 ? LC_ERR_IO : LC_ERR_LIMIT;
    }
    return answer_cut(out, bytes);
}
