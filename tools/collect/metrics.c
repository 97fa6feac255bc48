/* metrics.c - a page at a TCP port, or a file. */
#include "metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../board/linux/log.h"
#include "../../board/linux/prom.h"

#define FILE_EVERY_MS 15000u
#define TEXT_FIRST 16384u
#define TEXT_MAX (64u << 20)

/* Into a buffer that grows until all of it fits. */
static lc_str text_make(void *ctx)
{
    lc_metrics *m = ctx;
    for (;;) {
        lc_text t = lc_text_make(m->text, m->max);
        t.full = m->max == 0;
        if (!t.full) {
            m->print(m->ctx, &t);
        }
        if (!t.full) {
            return (lc_str){m->text, (uint32_t)t.bytes};
        }
        size_t max = m->max > 0 ? 2 * m->max : TEXT_FIRST;
        char *more = max <= TEXT_MAX ? realloc(m->text, max) : NULL;
        if (!more) {
            return lc_str_from("");
        }
        m->text = more;
        m->max = max;
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
    static const lc_page page[] = {{"/metrics", LC_PROM_TYPE, text_make}};
    struct sockaddr_in address;
    int one = 1;
    m->write_ms = UINT64_MAX;
    if (!place) {
        return LC_UI_GO;
    }
    if (!address_read(place, &address)) {
        m->file = place;
        m->write_ms = 0;
        return LC_UI_GO;
    }
    m->pages = (lc_pages){.loop = loop, .page = page, .page_count = 1, .ctx = m};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(fd, 8) != 0 || lc_pages_open(&m->pages, fd) != LC_OK) {
        int rc = lc_ui_error(LC_EXIT_BUSY, place, NULL, "cannot listen: %s", lc_log_reason(errno));
        if (fd >= 0) {
            close(fd);
        }
        return rc;
    }
    m->listens = true;
    return LC_UI_GO;
}

uint64_t lc_metrics_tick(lc_metrics *m, uint64_t now_ms)
{
    if (m->listens) {
        return lc_pages_tick(&m->pages, now_ms);
    }
    if (m->file && now_ms >= m->write_ms) {
        lc_str text = text_make(m);
        lc_ui_write(m->file, text.data, text.bytes);
        m->write_ms = now_ms + FILE_EVERY_MS;
    }
    return m->write_ms;
}

void lc_metrics_close(lc_metrics *m)
{
    if (m->listens) {
        lc_pages_close(&m->pages);
        m->listens = false;
    }
    free(m->text);
    m->text = NULL;
    m->max = 0;
}
