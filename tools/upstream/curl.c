/* curl.c - finds libcurl's functions by name. */
#include "curl.h"

#include <dlfcn.h>
#include <string.h>

#include "../ui.h"

#define LIBRARY "libcurl.so.4"
#define FUNCTIONS (sizeof(lc_curl) / sizeof(void *))

const lc_curl *lc_curl_load(void)
{
    static lc_curl table;
#define LC_CURL_NAME(name) "curl_" #name,
    static const char *const name[] = {LC_CURL_EACH(LC_CURL_NAME)};
#undef LC_CURL_NAME
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    void *found[FUNCTIONS];
    if (!library) {
        lc_ui_error(LC_EXIT_BOARD, LIBRARY, "apt-get install libcurl4", "cannot load: %s",
                    dlerror());
        return NULL;
    }
    for (size_t i = 0; i < FUNCTIONS; i++) {
        found[i] = dlsym(library, name[i]);
        if (!found[i]) {
            lc_ui_error(LC_EXIT_BOARD, LIBRARY, NULL, "has no %s", name[i]);
            return NULL;
        }
    }
    memcpy(&table, found, sizeof table); /* ISO C has no cast from data to function */
    if (table.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        lc_ui_error(LC_EXIT_BOARD, LIBRARY, NULL, "cannot start");
        return NULL;
    }
    return &table;
}
