/* pages.c - one asker at a time: read, answer, end. */
#include "pages.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void asker_end(lc_pages *pages)
{
    int fd = pages->asker.fd;
    lc_loop_forget(pages->loop, &pages->asker);
    close(fd);
    pages->asker.fd = -1;
    pages->until_ms = UINT64_MAX;
    lc_loop_want(pages->loop, &pages->listener, EPOLLIN); /* the next one, please */
}

/* ---- answering ---- */

static void answer_send(lc_pages *pages)
{
    while (pages->sent < pages->part[0].bytes + pages->part[1].bytes) {
        uint32_t head = pages->part[0].bytes;
        bool first = pages->sent < head;
        const lc_str *part = &pages->part[first ? 0 : 1];
        uint32_t at = first ? pages->sent : pages->sent - head;
        ssize_t sent = send(pages->asker.fd, part->data + at, part->bytes - at,
                            MSG_NOSIGNAL | MSG_DONTWAIT | (first ? MSG_MORE : 0));
        if (sent < 0 && errno == EAGAIN) {
            return; /* EPOLLOUT goes on, unless the asker is too slow */
        }
        if (sent <= 0) {
            break;
        }
        pages->sent += (uint32_t)sent;
    }
    asker_end(pages);
}

static void answer_begin(lc_pages *pages, const char *head, lc_str text)
{
    pages->part[0] = lc_str_from(head);
    pages->part[1] = text;
    pages->sent = 0;
    pages->answering = true;
    pages->until_ms = lc_loop_now_ms() + LC_PAGES_TAKE_MS;
    lc_loop_want(pages->loop, &pages->asker, EPOLLOUT);
    answer_send(pages);
}

static void page_answer(lc_pages *pages, const char *status, const lc_page *page)
{
    lc_str text = page ? page->make(pages->ctx) : lc_str_from("");
    snprintf(pages->head, sizeof pages->head,
             "HTTP/1.0 %s\r\nContent-Type: %s\r\nContent-Length: %u\r\nConnection: close\r\n\r\n",
             status, page ? page->type : "text/plain", text.bytes);
    answer_begin(pages, pages->head, text);
}

/* Its first line is all that matters. */
static void request_answer(lc_pages *pages)
{
    const char *path = pages->request + 4;
    if (strncmp(pages->request, "GET ", 4) != 0) {
        page_answer(pages, "405 Method Not Allowed", NULL);
        return;
    }
    size_t bytes = strcspn(path, " ?\r\n");
    for (uint32_t i = 0; i < pages->page_count; i++) {
        const lc_page *page = &pages->page[i];
        if (strlen(page->path) == bytes && memcmp(page->path, path, bytes) == 0) {
            page_answer(pages, "200 OK", page);
            return;
        }
    }
    page_answer(pages, "404 Not Found", NULL);
}

static void silent_answer(lc_pages *pages)
{
    answer_begin(pages, "", pages->page[0].make(pages->ctx));
}

/* ---- reading ---- */

/* A request that is not read to its end would reset the connection; one over 2 KB may. */
static void request_read(lc_pages *pages)
{
    char *request = pages->request;
    uint32_t held = pages->request_bytes, room = (uint32_t)sizeof pages->request - 1 - held;
    ssize_t got = recv(pages->asker.fd, request + held, room, MSG_DONTWAIT);
    if (got < 0) {
        if (errno != EAGAIN) {
            asker_end(pages);
        }
        return;
    }
    held += (uint32_t)got;
    request[held] = '\0';
    pages->request_bytes = held;
    bool whole = strstr(request, "\r\n\r\n") || strstr(request, "\n\n");
    if (held == 0) {
        silent_answer(pages);
    } else if (whole || (uint32_t)got == room) {
        request_answer(pages);
    } else if (got == 0) {
        asker_end(pages);
    } else if (held == (uint32_t)got) { /* it has begun; a byte a second does not prolong it */
        pages->until_ms = lc_loop_now_ms() + LC_PAGES_ASK_MS;
    }
}

static void asker_ready(void *ctx, uint32_t events)
{
    lc_pages *pages = ctx;
    (void)events;
    if (pages->answering) {
        answer_send(pages);
    } else {
        request_read(pages);
    }
}

static void asker_came(void *ctx, uint32_t events)
{
    lc_pages *pages = ctx;
    (void)events;
    int fd = accept4(pages->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        return;
    }
    if (lc_loop_watch(pages->loop, &pages->asker, fd, EPOLLIN, asker_ready, pages) != LC_OK) {
        close(fd);
        pages->asker.fd = -1;
        return;
    }
    pages->request_bytes = 0;
    pages->answering = false;
    pages->until_ms = lc_loop_now_ms() + LC_PAGES_SILENT_MS;
    lc_loop_want(pages->loop, &pages->listener, 0);
}

/* ---- for everyone ---- */

lc_err lc_pages_open(lc_pages *pages, int fd)
{
    pages->asker.fd = -1;
    pages->until_ms = UINT64_MAX;
    return lc_loop_watch(pages->loop, &pages->listener, fd, EPOLLIN, asker_came, pages);
}

uint64_t lc_pages_tick(lc_pages *pages, uint64_t now_ms)
{
    if (pages->until_ms == UINT64_MAX || now_ms < pages->until_ms) {
        return pages->until_ms;
    }
    if (pages->answering || pages->request_bytes > 0) {
        asker_end(pages);
    } else {
        silent_answer(pages);
    }
    return pages->until_ms;
}

void lc_pages_close(lc_pages *pages)
{
    int fd = pages->listener.fd;
    if (pages->asker.fd >= 0) {
        asker_end(pages);
    }
    lc_loop_forget(pages->loop, &pages->listener);
    if (fd >= 0) {
        close(fd);
    }
}
