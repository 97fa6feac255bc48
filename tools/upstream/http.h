/* http.h - several HTTP requests at once through libcurl, in the loop that is there. */
#ifndef LC_UPSTREAM_HTTP_H
#define LC_UPSTREAM_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "../../board/linux/loop.h"
#include "curl.h"

#define LC_HTTP_SOCKETS_MAX 128u
#define LC_HTTP_BODY_MAX (1u << 20)

typedef struct lc_http_call {
    CURL *easy; /* NULL: idle */
    struct curl_slist *header;
    char *sent; /* [sent_bytes] while it runs */
    char *body; /* [bytes], NUL after it */
    size_t bytes;
    bool too_large;
    /* of what came, once it is done */
    CURLcode code;
    long status, retry_after_s;
    char type[64];
    void *ctx;
} lc_http_call;

typedef struct lc_http_socket {
    lc_watch watch;
    struct lc_http *http;
} lc_http_socket;

typedef struct lc_http {
    const lc_curl *curl;
    CURLM *multi;
    lc_loop *loop;
    lc_http_socket socket[LC_HTTP_SOCKETS_MAX];
    uint64_t timer_ms;               /* when libcurl wants to be called */
    const char *url, *authorization; /* header line, "" none */
    const char *ca;                  /* file, "" the system's */
    void (*done)(void *ctx, lc_http_call *call);
    void *ctx;
} lc_http;

bool lc_http_open(lc_http *http, const lc_curl *curl, lc_loop *loop);
void lc_http_close(lc_http *http); /* no call may run */
/* Posts JSON; `sent` is freed at the end. False: no memory; then done is not called. */
bool lc_http_post(lc_http *http, lc_http_call *call, char *sent, uint32_t timeout_ms);
/* Gives up what runs, or frees what has come. */
void lc_http_end(lc_http *http, lc_http_call *call);
/* What is due; until when the loop may sleep. */
uint64_t lc_http_tick(lc_http *http, uint64_t now_ms);

#endif
