/* identity.c - two small files, each replaced as a whole. */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX 64u

/* Reads the whole of a small file. *bytes 0 when there is none. */
static lc_err small_read(int folder, const char *name, char *out, size_t max, size_t *bytes)
{
    *bytes = 0;
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? LC_OK : LC_ERR_IO;
    }
    ssize_t got = read(fd, out, max);
    close(fd);
    if (got < 0) {
        return LC_ERR_IO;
    }
    *bytes = (size_t)got;
    return LC_OK;
}

static bool data_write(int fd, const void *data, size_t bytes)
{
    return write(fd, data, bytes) == (ssize_t)bytes && fsync(fd) == 0;
}

/* New file, synced, renamed into place, folder synced: after a power cut old or new is there. */
static lc_err small_write(int folder, const char *name, const void *data, size_t bytes)
{
    char new_name[FILE_BYTES_MAX];
    snprintf(new_name, sizeof new_name, "%s.new", name);
    int fd = openat(folder, new_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return LC_ERR_IO;
    }
    bool written = data_write(fd, data, bytes);
    int reason = errno;
    close(fd);
    if (!written || renameat(folder, new_name, folder, name) != 0) {
        errno = written ? errno : reason;
        return LC_ERR_IO;
    }
    return fsync(folder) == 0 ? LC_OK : LC_ERR_IO;
}

static lc_err boot_count(int folder, uint32_t *boot, lc_diag *diag)
{
    char text[FILE_BYTES_MAX + 1];
    char *end = text;
    size_t bytes;
    if (small_read(folder, "boot", text, FILE_BYTES_MAX, &bytes) != LC_OK) {
        return lc_fail(diag, LC_ERR_IO, 0, "cannot read the file boot");
    }
    text[bytes] = '\0';
    unsigned long last = bytes > 0 ? strtoul(text, &end, 10) : 0;
    if (bytes > 0 && (text[0] < '0' || text[0] > '9' || *end != '\n' || last >= UINT32_MAX)) {
        return lc_fail(diag, LC_ERR_FORMAT, 0, "the file boot holds no number of starts");
    }
    *boot = (uint32_t)last + 1;
    int n = snprintf(text, sizeof text, "%u\n", *boot);
    if (small_write(folder, "boot", text, (size_t)n) != LC_OK) {
        return lc_fail(diag, LC_ERR_IO, 0, "cannot write the file boot");
    }
    return LC_OK;
}

static lc_err salt_get(int folder, uint8_t salt[LC_SALT_BYTES], lc_diag *diag)
{
    char data[FILE_BYTES_MAX];
    size_t bytes;
    if (small_read(folder, "salt", data, sizeof data, &bytes) != LC_OK) {
        return lc_fail(diag, LC_ERR_IO, 0, "cannot read the file salt");
    }
    if (bytes == LC_SALT_BYTES) {
        memcpy(salt, data, LC_SALT_BYTES);
        return LC_OK;
    }
    if (bytes > 0) {
        return lc_fail(diag, LC_ERR_FORMAT, 0, "the file salt is not 16 bytes");
    }
    if (getrandom(salt, LC_SALT_BYTES, 0) != (ssize_t)LC_SALT_BYTES ||
        small_write(folder, "salt", salt, LC_SALT_BYTES) != LC_OK) {
        return lc_fail(diag, LC_ERR_IO, 0, "cannot write the file salt");
    }
    return LC_OK;
}

lc_err lc_identity_open(const char *folder, lc_identity *identity, lc_diag *diag)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        return lc_fail(diag, LC_ERR_IO, 0, "cannot make the folder");
    }
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return lc_fail(diag, LC_ERR_IO, 0, "cannot open the folder");
    }
    lc_err err = salt_get(fd, identity->salt, diag);
    if (err == LC_OK) {
        err = boot_count(fd, &identity->boot, diag);
    }
    int reason = errno;
    close(fd);
    errno = reason;
    return err;
}
