#include "postbox.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

lc_err lc_postbox_open(lc_postbox *box)
{
    *box = (lc_postbox){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    return box->fd >= 0 && pthread_mutex_init(&box->lock, NULL) == 0 ? LC_OK : LC_ERR_IO;
}

void lc_postbox_close(lc_postbox *box)
{
    if (box->fd >= 0) {
        close(box->fd);
    }
    box->fd = -1;
}

void lc_postbox_put(lc_postbox *box, uint32_t source, const char *text)
{
    uint64_t one = 1;
    pthread_mutex_lock(&box->lock);
    if (box->held == LC_POSTBOX_LINES) {
        box->lost++;
    } else {
        lc_post *post = &box->post[(box->at + box->held++) % LC_POSTBOX_LINES];
        post->source = source;
        snprintf(post->text, sizeof post->text, "%s", text);
    }
    pthread_mutex_unlock(&box->lock);
    (void)!write(box->fd, &one, sizeof one);
}

bool lc_postbox_take(lc_postbox *box, lc_post *post)
{
    uint64_t times;
    (void)!read(box->fd, &times, sizeof times); /* before looking: a later line makes it ready */
    pthread_mutex_lock(&box->lock);
    bool any = box->held > 0;
    if (any) {
        *post = box->post[box->at];
        box->at = (box->at + 1) % LC_POSTBOX_LINES;
        box->held--;
    }
    pthread_mutex_unlock(&box->lock);
    return any;
}
