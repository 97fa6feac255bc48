/* curl.h - libcurl, loaded when it is first needed: linked in, its 28 libraries would make every
 * other verb start 2.5 ms later on a desk and several times that on a board. */
#ifndef LC_UPSTREAM_CURL_H
#define LC_UPSTREAM_CURL_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <stdbool.h>

#define LC_CURL_EACH(f)                                                                            \
    f(global_init) f(easy_init) f(easy_cleanup) f(easy_setopt) f(easy_getinfo) f(easy_strerror)    \
        f(slist_append) f(slist_free_all) f(multi_init) f(multi_cleanup) f(multi_setopt)           \
            f(multi_add_handle) f(multi_remove_handle) f(multi_socket_action) f(multi_info_read)   \
                f(multi_assign)

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt
typedef struct lc_curl {
#define LC_CURL_FIELD(name) __typeof__(curl_##name) *name;
    LC_CURL_EACH(LC_CURL_FIELD)
#undef LC_CURL_FIELD
} lc_curl;

/* The table, or NULL after a message with the package to install. */
const lc_curl *lc_curl_load(void);

#endif
