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
#include "crypto.h"

#define FILE_BYTES_MAX 64u
#define OLD_BYTES (4u + LC_SALT_BYTES) /* without an owner */
#define BOARD_BYTES 8u                 /* of the hash of a serial number; zeros: not known */
#define CELL_BYTES (OLD_BYTES + BOARD_BYTES + LC_DEVICE_BYTES_MAX)
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

/* ---- whose it is ---- */

uint32_t lc_serial_read(const char *path, char serial[LC_SERIAL_BYTES_MAX + 1])
{
    char text[LC_SERIAL_BYTES_MAX];
    uint32_t bytes = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text) : 0;
    if (fd >= 0) {
        close(fd);
    }
    for (ssize_t i = 0; i < got; i++) {
        char c = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] + 32) : text[i];
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            serial[bytes++] = c;
        }
    }
    serial[bytes] = '\0';
    return bytes;
}

static void board_hash(const char *serial, uint8_t board[BOARD_BYTES])
{
    uint8_t hash[LC_SHA256_BYTES] = {0};
    if (serial[0]) {
        lc_sha256(serial, strlen(serial), hash);
    }
    memcpy(board, hash, BOARD_BYTES);
}

static bool is_zero(const uint8_t *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (data[i] != 0) {
            return false;
        }
    }
    return true;
}

/* The owner's part of the cell against who starts. A board that is not known is any. */
static lc_whose whose(const uint8_t *part, const lc_identity_owner *owner, lc_identity *identity)
{
    uint8_t board[BOARD_BYTES];
    board_hash(owner->serial, board);
    memcpy(identity->former, part + BOARD_BYTES, LC_DEVICE_BYTES_MAX);
    identity->former[LC_DEVICE_BYTES_MAX] = '\0';
    bool known = !is_zero(part, BOARD_BYTES) && !is_zero(board, BOARD_BYTES);
    return identity->former[0] && strcmp(identity->former, owner->dev) != 0  ? LC_OF_ANOTHER_ID
           : known && !owner->adopt && memcmp(part, board, BOARD_BYTES) != 0 ? LC_OF_ANOTHER_BOARD
                                                                             : LC_OURS;
}

/* A board that is not known now does not make the cell forget the one that was. */
static void owner_put(uint8_t *part, const lc_identity_owner *owner)
{
    if (owner->serial[0]) {
        board_hash(owner->serial, part);
    }
    memset(part + BOARD_BYTES, 0, LC_DEVICE_BYTES_MAX);
    memcpy(part + BOARD_BYTES, owner->dev, strnlen(owner->dev, LC_DEVICE_BYTES_MAX));
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

lc_err lc_identity_open(lc_store *store, const lc_identity_owner *owner, lc_identity *identity,
                        lc_diag *diag)
{
    lc_cell cell;
    uint8_t data[CELL_BYTES] = {0};
    uint32_t bytes;
    *identity = (lc_identity){0};
    lc_err err = lc_cell_open(&cell, &store->port, LC_CELL_IDENTITY, data, sizeof data, &bytes);
    if (err != LC_OK || (bytes != 0 && bytes != OLD_BYTES && bytes != sizeof data)) {
        return lc_fail(diag, err == LC_ERR_IO ? err : LC_ERR_FORMAT, 0,
                       err == LC_ERR_IO ? store->trouble : "the cell of the identity is not ours");
    }
    if (bytes == 0) {
        err = first_make(store->folder, identity, diag);
        if (err != LC_OK) {
            return err;
        }
    } else {
        identity->whose = whose(data + OLD_BYTES, owner, identity);
        if (identity->whose != LC_OURS) {
            return LC_OK;
        }
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
    owner_put(data + OLD_BYTES, owner);
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
    *identity = (lc_identity){0};
    bool made =
        getrandom(&identity->boot, sizeof identity->boot, 0) == (ssize_t)sizeof identity->boot &&
        getrandom(identity->salt, LC_SALT_BYTES, 0) == (ssize_t)LC_SALT_BYTES;
    identity->boot |= BOOT_RANDOM;
    return made ? LC_OK : LC_ERR_IO;
}
