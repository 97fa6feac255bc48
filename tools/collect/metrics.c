/* metrics.c - one answer per connection, which then ends: scrapes are few. */
#include "metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../board/linux/log.h"

#define FILE_EVERY_MS 15000u
#define ASKER_MS 500

static char *text_make(const lc_metrics *m, size_t *bytes)
{
    char *text = NULL;
    FILE *to = open_memstream(&text, bytes);
    if (to) {
        m->print(m->ctx, to);
        fclose(to);
    }
    return text;
}

/* The request itself does not matter, but unread it would reset the connection. */
static void asker_answer(const lc_metrics *m, int fd)
{
    const struct timeval patience = {.tv_usec = ASKER_MS * 1000};
    char head[128], request[4096];
    size_t bytes = 0;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (recv(fd, request, sizeof request, 0) <= 0) {
        return;
    }
    char *text = text_make(m, &bytes);
    int n = snprintf(head, sizeof head,
                     "HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     bytes);
    if (text && send(fd, head, (size_t)n, MSG_NOSIGNAL | MSG_MORE) == n) {
        for (size_t at = 0; at < bytes;) {
            ssize_t sent = send(fd, text + at, bytes - at, MSG_NOSIGNAL);
            if (sent <= 0) {
                break;
            }
            at += (size_t)sent;
        }
    }
    free(text);
}

static void asker_came(void *ctx, uint32_t events)
{
    const lc_metrics *m = ctx;
    (void)events;
    int fd = accept4(m->listener.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0) {
        asker_answer(m, fd);
        close(fd);
    }
}

/* PORT or ADDR:PORT; false: neither, so it is a file. */
static bool address_read(const char *place, struct sockaddr_in *address)
{
    char host[INET_ADDRSTRLEN] = "127.0.0.1", *end;
    const char *colon = strrchr(place, ':'), *port = colon ? colon + 1 : place;
    size_t bytes = colon ? (size_t)(colon - place) : 0;
    if (colon && bytes > 0 && bytes < sizeof host) {
        memcpy(host, place, bytes);
        host[bytes] = '\0';
    }
    unsigned long number = strtoul(port, &end, 10);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)number)};
    return port[0] >= '0' && port[0] <= '9' && *end == '\0' && number > 0 && number < 65536 &&
           bytes < sizeof host && inet_pton(AF_INET, host, &address->sin_addr) == 1;
}

int lc_metrics_open(lc_metrics *m, lc_loop *loop, const char *place)
{
    struct sockaddr_in address;
    int one = 1;
    m->loop = loop;
    m->listener.fd = -1;
    m->write_ms = UINT64_MAX;
    if (!place) {
        return LC_UI_GO;
    }
    if (!address_read(place, &address)) {
        m->file = place;
        m->write_ms = 0;
        return LC_UI_GO;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 8) != 0 ||
        lc_loop_watch(loop, &m->listener, fd, EPOLLIN, asker_came, m) != LC_OK) {
        int rc = lc_ui_error(LC_EXIT_BUSY, place, NULL, "cannot listen: %s", lc_log_reason(errno));
        if (fd >= 0) {
            close(fd);
        }
        return rc;
    }
    return LC_UI_GO;
}

uint64_t lc_metrics_tick(lc_metrics *m, uint64_t now_ms)
{
    if (m->file && now_ms >= m->write_ms) {
        size_t bytes = 0;
        char *text = text_make(m, &bytes);
        if (text) {
            lc_ui_write(m->file, text, bytes);
        }
        free(text);
        m->write_ms = now_ms + FILE_EVERY_MS;
    }
    return m->write_ms;
}

void lc_metrics_close(lc_metrics *m)
{
    int fd = m->listener.fd;
    if (m->loop && fd >= 0) {
        lc_loop_forget(m->loop, &m->listener);
        close(fd);
    }
}
