/* identity.c - a cell; before there were cells, two small files. */
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../../runtime/bytes.h"
#include "../node/bits.h"
#include "../node/cell.h"

#define FILE_BYTES_MAX 64u
#define CELL_BYTES (4u + LC_SALT_BYTES)
#define BOOT_RANDOM 0x80000000u /* boots from here on were never counted */

/* ---- the old files ---- */

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

static lc_err old_boot_read(int folder, uint32_t *boot, lc_diag *diag)
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
    *boot = (uint32_t)last;
    return LC_OK;
}

static lc_err old_salt_read(int folder, uint8_t salt[LC_SALT_BYTES], bool *found, lc_diag *diag)
{
    char data[FILE_BYTES_MAX];
    size_t bytes;
    if (small_read(folder, "salt", data, sizeof data, &bytes) != LC_OK) {
        return lc_fail(diag, LC_ERR_IO, 0, "cannot read the file salt");
    }
    *found = bytes == LC_SALT_BYTES;
    if (*found) {
        memcpy(salt, data, LC_SALT_BYTES);
    } else if (bytes > 0) {
        return lc_fail(diag, LC_ERR_FORMAT, 0, "the file salt is not 16 bytes");
    }
    return LC_OK;
}

/* ---- the cell ---- */

static lc_err first_make(int folder, lc_identity *identity, lc_diag *diag)
{
    bool found = false;
    lc_err err = old_boot_read(folder, &identity->boot, diag);
    err = err == LC_OK ? old_salt_read(folder, identity->salt, &found, diag) : err;
    if (err == LC_OK && !found &&
        getrandom(identity->salt, LC_SALT_BYTES, 0) != (ssize_t)LC_SALT_BYTES) {
        return lc_fail(diag, LC_ERR_IO, 0, "the system gives no random numbers");
    }
    return err;
}

lc_err lc_identity_open(lc_store *store, lc_identity *identity, lc_diag *diag)
{
    lc_cell cell;
    uint8_t data[CELL_BYTES];
    uint32_t bytes;
    lc_err err = lc_cell_open(&cell, &store->port, LC_CELL_IDENTITY, data, sizeof data, &bytes);
    if (err != LC_OK || (bytes != 0 && bytes != sizeof data)) {
        return lc_fail(diag, err == LC_ERR_IO ? err : LC_ERR_FORMAT, 0,
                       err == LC_ERR_IO ? store->trouble : "the cell of the identity is not ours");
    }
    if (bytes == 0) {
        err = first_make(store->folder, identity, diag);
        if (err != LC_OK) {
            return err;
        }
    } else {
        lc_reader r = lc_reader_make(data, sizeof data);
        identity->boot = lc_read_u32(&r);
        memcpy(identity->salt, data + 4, LC_SALT_BYTES);
    }
    if (identity->boot >= BOOT_RANDOM - 1) {
        return lc_fail(diag, LC_ERR_FORMAT, 0, "no number of starts");
    }
    identity->boot++;
    lc_put_u32(data, identity->boot);
    memcpy(data + 4, identity->salt, LC_SALT_BYTES);
    if (lc_cell_write(&cell, data, sizeof data) != LC_OK) {
        return lc_fail(diag, LC_ERR_IO, 0, store->trouble);
    }
    if (bytes == 0) { /* they would only mislead from now on */
        unlinkat(store->folder, "boot", 0);
        unlinkat(store->folder, "salt", 0);
    }
    return LC_OK;
}

lc_err lc_identity_make(lc_identity *identity)
{
    bool made = getrandom(identity, sizeof *identity, 0) == (ssize_t)sizeof *identity;
    identity->boot |= BOOT_RANDOM;
    return made ? LC_OK : LC_ERR_IO;
}
