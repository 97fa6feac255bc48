/* store.c - preallocated files, fdatasync, and a folder that is synced when a name changes. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../node/cell.h"
#include "log.h"

#define NAME_BYTES 64u
#define STATE_BYTES_BEFORE (8u * LC_CELL_SPAN)
#define FORMER "former"

_Static_assert(LC_FILE_STATE == 0, "lc_store_set_aside moves it last");

static const char *const names[LC_FILE_COUNT] = {[LC_FILE_STATE] = "state",
                                                 [LC_FILE_RECORDS] = "records.journal",
                                                 [LC_FILE_EVENTS] = "events.journal",
                                                 [LC_FILE_CORRECTIONS] = "corrections.journal",
                                                 [LC_FILE_AUDIT] = "audit.journal",
                                                 [LC_FILE_QUESTIONS] = "questions.journal"};

static lc_err fail(lc_store *s, const char *name, const char *what)
{
    int reason = errno;
    snprintf(s->trouble, sizeof s->trouble, "%s: cannot %s: %s", name, what, lc_log_reason(reason));
    errno = reason;
    return LC_ERR_IO;
}

/* ---- making ---- */

/* Room for all of it, zeroed; the name appears when that is certain. */
static lc_err file_make(lc_store *s, lc_file file, uint64_t bytes)
{
    char new_name[NAME_BYTES];
    snprintf(new_name, sizeof new_name, "%s.new", names[file]);
    int fd = openat(s->folder, new_name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail(s, names[file], "make");
    }
    errno = posix_fallocate(fd, 0, (off_t)bytes);
    bool made = errno == 0 && fsync(fd) == 0 &&
                renameat(s->folder, new_name, s->folder, names[file]) == 0 && fsync(s->folder) == 0;
    if (!made) {
        lc_err err = fail(s, names[file], "reserve its room");
        close(fd);
        unlinkat(s->folder, new_name, 0);
        return err;
    }
    s->fd[file] = fd;
    return LC_OK;
}

static lc_err file_open(void *ctx, lc_file file, uint64_t *bytes)
{
    lc_store *s = ctx;
    struct stat status;
    if (s->fd[file] < 0) {
        int mode = s->looks ? O_RDONLY : O_RDWR;
        s->fd[file] = openat(s->folder, names[file], mode | O_CLOEXEC | O_NOFOLLOW);
    }
    if (s->fd[file] < 0) {
        return errno == ENOENT && !s->looks ? file_make(s, file, *bytes)
                                            : fail(s, names[file], "open");
    }
    if (fstat(s->fd[file], &status) != 0) {
        return fail(s, names[file], "look at");
    }
    *bytes = (uint64_t)status.st_size;
    return LC_OK;
}

/* ---- the rest of the port ---- */

static lc_err file_read(void *ctx, lc_file file, uint64_t at, void *data, size_t bytes)
{
    lc_store *s = ctx;
    uint8_t *to = data;
    while (bytes > 0) {
        ssize_t got = pread(s->fd[file], to, bytes, (off_t)at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            errno = got < 0 ? errno : ENODATA;
            return fail(s, names[file], "read");
        }
        to += got;
        at += (uint64_t)got;
        bytes -= (size_t)got;
    }
    return LC_OK;
}

static lc_err file_write(void *ctx, lc_file file, uint64_t at, const void *data, size_t bytes)
{
    lc_store *s = ctx;
    const uint8_t *from = data;
    while (bytes > 0) {
        ssize_t put = pwrite(s->fd[file], from, bytes, (off_t)at);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put <= 0) {
            errno = put < 0 ? errno : ENOSPC;
            return fail(s, names[file], "write");
        }
        from += put;
        at += (uint64_t)put;
        bytes -= (size_t)put;
    }
    return LC_OK;
}

static lc_err file_sync(void *ctx, lc_file file)
{
    lc_store *s = ctx;
    return fdatasync(s->fd[file]) == 0 ? LC_OK : fail(s, names[file], "sync");
}

/* ---- opening ---- */

static void store_init(lc_store *store)
{
    *store = (lc_store){.folder = -1, .port = {store, file_open, file_read, file_write, file_sync}};
    for (uint32_t i = 0; i < LC_FILE_COUNT; i++) {
        store->fd[i] = -1;
    }
}

lc_err lc_store_look(lc_store *store, const char *folder)
{
    store_init(store);
    store->looks = true;
    store->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return store->folder >= 0 ? LC_OK : fail(store, "the folder", "open");
}

lc_err lc_store_open(lc_store *store, const char *folder)
{
    store_init(store);
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        return fail(store, "the folder", "make");
    }
    store->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->folder < 0) {
        return fail(store, "the folder", "open");
    }
    uint64_t bytes = LC_STATE_BYTES;
    lc_err err = file_open(store, LC_FILE_STATE, &bytes);
    if (err == LC_OK && flock(store->fd[LC_FILE_STATE], LOCK_EX | LOCK_NB) != 0) {
        (void)fail(store, names[LC_FILE_STATE], "lock");
        err = errno == EWOULDBLOCK ? LC_ERR_BUSY : LC_ERR_IO;
    }
    if (err == LC_OK && bytes == STATE_BYTES_BEFORE) { /* it had fewer cells */
        errno = posix_fallocate(store->fd[LC_FILE_STATE], 0, (off_t)LC_STATE_BYTES);
        bytes = LC_STATE_BYTES;
        err = errno == 0 && fsync(store->fd[LC_FILE_STATE]) == 0
                  ? LC_OK
                  : fail(store, names[LC_FILE_STATE], "make longer");
    }
    if (err == LC_OK && bytes != LC_STATE_BYTES) {
        snprintf(store->trouble, sizeof store->trouble, "state: %llu bytes long, not %llu",
                 (unsigned long long)bytes, (unsigned long long)LC_STATE_BYTES);
        err = LC_ERR_FORMAT;
    }
    return err;
}

lc_err lc_store_set_aside(lc_store *store, const char *folder)
{
    lc_err err = lc_store_look(store, folder);
    if (err != LC_OK) {
        return err;
    }
    if (mkdirat(store->folder, FORMER, 0700) != 0 && errno != EEXIST) {
        err = fail(store, FORMER, "make");
    }
    int to = err == LC_OK ? openat(store->folder, FORMER, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (err == LC_OK && to < 0) {
        err = fail(store, FORMER, "open");
    }
    for (uint32_t i = LC_FILE_COUNT; i > 0 && err == LC_OK; i--) { /* `state` is the first */
        const char *name = names[i - 1];
        if (i == 1 && (fsync(to) != 0 || fsync(store->folder) != 0)) {
            err = fail(store, FORMER, "sync");
        } else if (renameat(store->folder, name, to, name) != 0 && errno != ENOENT) {
            err = fail(store, name, "set aside");
        }
    }
    if (err == LC_OK && (fsync(to) != 0 || fsync(store->folder) != 0)) {
        err = fail(store, FORMER, "sync");
    }
    if (to >= 0) {
        close(to);
    }
    lc_store_close(store);
    return err;
}

void lc_store_close(lc_store *store)
{
    for (uint32_t i = 0; i < LC_FILE_COUNT; i++) {
        if (store->fd[i] >= 0) {
            close(store->fd[i]);
            store->fd[i] = -1;
        }
    }
    if (store->folder >= 0) {
        close(store->folder);
        store->folder = -1;
    }
}
