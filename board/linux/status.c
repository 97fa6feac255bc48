/* status.c - the status socket, both ends. */
#include "status.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
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

/* A client reads at once or loses: the loop waits for nobody. The object fits a socket's buffer. */
static void client_serve(void *ctx, uint32_t events)
{
    lc_status *status = ctx;
    (void)events;
    int fd = accept4(status->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    uint32_t bytes = status->write(status->ctx, status->out, sizeof status->out - 1);
    status->out[bytes++] = '\n';
    (void)!send(fd, status->out, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(fd);
}

static lc_err socket_listen(lc_status *status, const struct sockaddr_un *address)
{
    mode_t before = umask(0117);
    int bound = bind(status->fd, (const struct sockaddr *)address, sizeof *address);
    umask(before);
    return bound == 0 && listen(status->fd, 8) == 0 ? LC_OK : LC_ERR_IO;
}

lc_err lc_status_open(lc_status *status, lc_loop *loop, const char *path)
{
    struct sockaddr_un address;
    status->watch.fd = status->fd = -1;
    status->path = path;
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
    status->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    lc_err err = status->fd >= 0 ? socket_listen(status, &address) : LC_ERR_IO;
    if (err == LC_OK) {
        err = lc_loop_watch(loop, &status->watch, status->fd, EPOLLIN, client_serve, status);
    }
    if (err != LC_OK && status->fd >= 0) {
        int reason = errno;
        close(status->fd);
        errno = reason;
        status->fd = -1;
    }
    return err;
}

void lc_status_close(lc_status *status, lc_loop *loop)
{
    if (status->fd >= 0) {
        lc_loop_forget(loop, &status->watch);
        close(status->fd);
        unlink(status->path);
        status->fd = -1;
    }
}

lc_err lc_status_read(const char *path, char *out, uint32_t max, uint32_t *bytes)
{
    int fd = socket_connect(path);
    if (fd < 0) {
        return LC_ERR_NOT_FOUND;
    }
    struct timeval limit = {.tv_sec = READ_TIMEOUT_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    uint32_t held = 0;
    ssize_t got = 1;
    while (got > 0 && held < max) {
        got = read(fd, out + held, max - held);
        held += got > 0 ? (uint32_t)got : 0;
    }
    close(fd);
    *bytes = held;
    return got == 0 ? LC_OK : got < 0 ? LC_ERR_IO : LC_ERR_LIMIT;
}
