/* postbox.h - lines that other threads make for the loop: bounded, and nobody waits. */
#ifndef LC_POSTBOX_H
#define LC_POSTBOX_H

#include <pthread.h>
#include <stdbool.h>

#include "config.h"

#define LC_POSTBOX_LINES 32u
#define LC_POSTBOX_TEXT_MAX (LC_CONFIG_TEMPLATE_MAX + 64u)

typedef struct lc_post {
    uint32_t source; /* of the node */
    char text[LC_POSTBOX_TEXT_MAX];
} lc_post;

typedef struct lc_postbox {
    int fd; /* ready when there are lines; -1: closed */
    pthread_mutex_t lock;
    lc_post post[LC_POSTBOX_LINES];
    uint32_t at, held;
    uint64_t lost; /* lines that found it full */
} lc_postbox;

lc_err lc_postbox_open(lc_postbox *box) LC_CHECKED;
void lc_postbox_close(lc_postbox *box);
/* From any thread. A line that is too long is cut, one that finds no room is lost and counted. */
void lc_postbox_put(lc_postbox *box, uint32_t source, const char *text);
/* The oldest line; false: there is none. */
bool lc_postbox_take(lc_postbox *box, lc_post *post);

#endif
