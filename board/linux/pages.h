/* pages.h - a few pages for who asks at a listening socket: HTTP/1.0 GET, one asker at a time.
 *
 * Who says nothing, or ends what it says at once, gets the first page without a head: `nc -U` will
 * do. Who is slower than the times below is hung up on, so that the next one has his turn.
 */
#ifndef LC_PAGES_H
#define LC_PAGES_H

#include "../../runtime/bytes.h"
#include "loop.h"

#define LC_PAGES_SILENT_MS 200u
#define LC_PAGES_ASK_MS 1000u   /* from the first byte of a request to its last */
#define LC_PAGES_TAKE_MS 10000u /* to take the answer */

typedef struct lc_page {
    const char *path, *type;   /* "/metrics"; its content type */
    lc_str (*make)(void *ctx); /* stays until it is called again; data NULL: nothing to say */
} lc_page;

typedef struct lc_pages {
    lc_loop *loop;
    const lc_page *page; /* [page_count] */
    uint32_t page_count;
    void *ctx;
    lc_watch listener, asker; /* .fd -1: none */
    uint64_t until_ms;        /* of the asker; UINT64_MAX: there is none */
    char request[2048], head[160];
    uint32_t request_bytes;
    lc_str part[2]; /* of the answer: head, page */
    uint32_t sent;
    bool answering;
} lc_pages;

/* Serves who comes to a listening socket, which lc_pages_close closes. loop, page, page_count and
 * ctx are set. IO: the socket stays the caller's. */
lc_err lc_pages_open(lc_pages *pages, int fd) LC_CHECKED;
/* Ends who takes too long; when it is to be called again. */
uint64_t lc_pages_tick(lc_pages *pages, uint64_t now_ms);
/* Nothing happens for one that was not opened and whose watches have fd -1. */
void lc_pages_close(lc_pages *pages);

#endif
