/* http.c - libcurl's sockets as watches of the loop. */
#include "http.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

static void calls_finish(lc_http *http)
{
    int left;
    for (CURLMsg *m; (m = http->curl->multi_info_read(http->multi, &left)) != NULL;) {
        lc_http_call *call = NULL;
        curl_off_t after = 0;
        char *type = NULL;
        CURL *easy = m->easy_handle;
        CURLcode code = m->data.result; /* m does not outlive the handle's removal */
        http->curl->easy_getinfo(easy, CURLINFO_PRIVATE, &call);
        http->curl->easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &call->status);
        http->curl->easy_getinfo(easy, CURLINFO_RETRY_AFTER, &after);
        http->curl->easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
        call->code = code;
        call->retry_after_s = (long)after;
        strncpy(call->type, type ? type : "", sizeof call->type - 1);
        http->done(http->ctx, call);
    }
}

static void socket_ready(void *ctx, uint32_t events)
{
    lc_http_socket *socket = ctx;
    lc_http *http = socket->http;
    int running, what = (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                        (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                        (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
    http->curl->multi_socket_action(http->multi, socket->watch.fd, what, &running);
    calls_finish(http);
}

static lc_http_socket *socket_of(lc_http *http, int fd)
{
    for (uint32_t i = 0; i < LC_HTTP_SOCKETS_MAX; i++) {
        if (http->socket[i].watch.fd == fd) {
            return &http->socket[i];
        }
    }
    return NULL;
}

static int socket_wanted(CURL *easy, curl_socket_t fd, int what, void *ctx, void *unused)
{
    lc_http *http = ctx;
    lc_http_socket *socket = socket_of(http, fd);
    uint32_t events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0u) |
                      (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0u);
    (void)easy;
    (void)unused;
    if (what == CURL_POLL_REMOVE) {
        if (socket) {
            lc_loop_forget(http->loop, &socket->watch);
        }
    } else if (socket) {
        lc_loop_want(http->loop, &socket->watch, events);
    } else if ((socket = socket_of(http, -1)) == NULL ||
               lc_loop_watch(http->loop, &socket->watch, fd, events, socket_ready, socket) !=
                   LC_OK) {
        return -1;
    }
    return 0;
}

static int timer_wanted(CURLM *multi, long timeout_ms, void *ctx)
{
    lc_http *http = ctx;
    (void)multi;
    http->timer_ms = timeout_ms < 0 ? UINT64_MAX : lc_loop_now_ms() + (uint64_t)timeout_ms;
    return 0;
}

bool lc_http_open(lc_http *http, const lc_curl *curl, lc_loop *loop)
{
    http->curl = curl;
    http->loop = loop;
    http->timer_ms = UINT64_MAX;
    for (uint32_t i = 0; i < LC_HTTP_SOCKETS_MAX; i++) {
        http->socket[i] = (lc_http_socket){.watch.fd = -1, .http = http};
    }
    http->multi = curl->multi_init();
    if (!http->multi) {
        return false;
    }
    curl->multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, socket_wanted);
    curl->multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl->multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, timer_wanted);
    curl->multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    return true;
}

void lc_http_close(lc_http *http)
{
    if (http->multi) {
        http->curl->multi_cleanup(http->multi);
    }
}

static size_t body_came(char *data, size_t one, size_t bytes, void *ctx)
{
    lc_http_call *call = ctx;
    (void)one;
    if (bytes > LC_HTTP_BODY_MAX - call->bytes) {
        call->too_large = true;
        return 0;
    }
    char *more = realloc(call->body, call->bytes + bytes + 1);
    if (!more) {
        return 0;
    }
    memcpy(more + call->bytes, data, bytes);
    call->body = more;
    call->bytes += bytes;
    call->body[call->bytes] = '\0';
    return bytes;
}

static void options_set(lc_http *http, lc_http_call *call, uint32_t timeout_ms)
{
    __typeof__(http->curl->easy_setopt) set = http->curl->easy_setopt;
    CURL *easy = call->easy;
    set(easy, CURLOPT_URL, http->url);
    set(easy, CURLOPT_PROTOCOLS_STR, "http,https"); /* and no redirects: the key stays here */
    set(easy, CURLOPT_NOSIGNAL, 1L);
    set(easy, CURLOPT_POSTFIELDS, call->sent);
    set(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(call->sent));
    set(easy, CURLOPT_HTTPHEADER, call->header);
    set(easy, CURLOPT_WRITEFUNCTION, body_came);
    set(easy, CURLOPT_WRITEDATA, call);
    set(easy, CURLOPT_PRIVATE, call);
    set(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    set(easy, CURLOPT_CONNECTTIMEOUT_MS, 10000L);
    if (http->ca[0]) {
        set(easy, CURLOPT_CAINFO, http->ca);
    }
}

static struct curl_slist *headers_make(const lc_http *http)
{
    struct curl_slist *list = http->curl->slist_append(NULL, "Content-Type: application/json");
    if (list && http->authorization[0]) {
        struct curl_slist *more = http->curl->slist_append(list, http->authorization);
        if (!more) {
            http->curl->slist_free_all(list);
        }
        list = more;
    }
    return list;
}

bool lc_http_post(lc_http *http, lc_http_call *call, char *sent, uint32_t timeout_ms)
{
    void *ctx = call->ctx;
    *call = (lc_http_call){.ctx = ctx, .sent = sent};
    call->easy = http->curl->easy_init();
    call->header = headers_make(http);
    if (!call->easy || !call->header) {
        lc_http_end(http, call);
        return false;
    }
    options_set(http, call, timeout_ms);
    if (http->curl->multi_add_handle(http->multi, call->easy) != CURLM_OK) {
        lc_http_end(http, call);
        return false;
    }
    return true;
}

void lc_http_end(lc_http *http, lc_http_call *call)
{
    if (call->easy) {
        http->curl->multi_remove_handle(http->multi, call->easy);
        http->curl->easy_cleanup(call->easy);
    }
    http->curl->slist_free_all(call->header);
    free(call->sent);
    free(call->body);
    *call = (lc_http_call){.ctx = call->ctx};
}

uint64_t lc_http_tick(lc_http *http, uint64_t now_ms)
{
    int running;
    if (now_ms >= http->timer_ms) {
        http->timer_ms = UINT64_MAX;
        http->curl->multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
        calls_finish(http);
    }
    return http->timer_ms;
}
