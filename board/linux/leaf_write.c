#include "leaf_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../kernels/base.h"
#include "crypto.h"

#define COPY_BYTES 65536u
#define ROOT_AT 32u /* of the root in the header (FORMAT.md) */

/* ---- lc_buf ---- */

void lc_buf_free(lc_buf *b)
{
    free(b->data);
    memset(b, 0, sizeof *b);
}

static bool reserve(lc_buf *b, size_t bytes)
{
    if (b->failed || bytes > SIZE_MAX / 4 - b->bytes) {
        b->failed = true;
        return false;
    }
    size_t wanted = b->bytes + bytes;
    if (wanted <= b->capacity)
        return true;
    size_t capacity = b->capacity * 2 > wanted ? b->capacity * 2 : wanted;
    uint8_t *data = realloc(b->data, capacity);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

void lc_buf_put(lc_buf *b, const void *data, size_t bytes)
{
    if (bytes == 0 || !reserve(b, bytes))
        return;
    memcpy(b->data + b->bytes, data, bytes);
    b->bytes += bytes;
}

/* Little-endian whatever the machine. */
static void put_bytes(lc_buf *b, uint64_t v, uint32_t bytes)
{
    uint8_t out[8];
    for (uint32_t i = 0; i < bytes; i++)
        out[i] = (uint8_t)(v >> (8 * i));
    lc_buf_put(b, out, bytes);
}

void lc_buf_put_u8(lc_buf *b, uint8_t v)
{
    put_bytes(b, v, 1);
}

void lc_buf_put_u16(lc_buf *b, uint16_t v)
{
    put_bytes(b, v, 2);
}

void lc_buf_put_u32(lc_buf *b, uint32_t v)
{
    put_bytes(b, v, 4);
}

void lc_buf_put_u64(lc_buf *b, uint64_t v)
{
    put_bytes(b, v, 8);
}

void lc_buf_put_f32(lc_buf *b, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    lc_buf_put_u32(b, bits);
}

void lc_buf_put_str(lc_buf *b, const char *text, size_t bytes)
{
    if (bytes > UINT16_MAX) {
        b->failed = true;
        return;
    }
    lc_buf_put_u16(b, (uint16_t)bytes);
    lc_buf_put(b, text, bytes);
}

uint8_t *lc_buf_zeros(lc_buf *b, size_t bytes)
{
    if (!reserve(b, bytes ? bytes : 1)) /* an empty buffer has no place to point to yet */
        return NULL;
    uint8_t *at = b->data + b->bytes;
    memset(at, 0, bytes);
    b->bytes += bytes;
    return at;
}

void lc_buf_pad(lc_buf *b, size_t align)
{
    (void)lc_buf_zeros(b, LC_ROUND_UP(b->bytes, align) - b->bytes);
}

/* ---- container ---- */

void lc_leaf_writer_init(lc_leaf_writer *w, uint32_t kind, uint32_t align)
{
    memset(w, 0, sizeof *w);
    w->kind = kind;
    w->align = align;
}

void lc_leaf_writer_free(lc_leaf_writer *w)
{
    for (uint32_t i = 0; i < w->count; i++)
        lc_buf_free(&w->section[i].body);
    w->count = 0;
}

lc_buf *lc_leaf_writer_section(lc_leaf_writer *w, uint32_t type, uint32_t index)
{
    if (w->count == LC_LEAF_WRITER_SECTIONS)
        return NULL;
    w->section[w->count].type = type;
    w->section[w->count].index = index;
    return &w->section[w->count++].body;
}

static uint64_t section_bytes(const lc_leaf_writer *w, uint32_t i)
{
    return w->section[i].spilled ? w->section[i].bytes : w->section[i].body.bytes;
}

static bool write_whole(int fd, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, data, bytes);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        data += n > 0 ? n : 0;
        bytes -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

lc_err lc_leaf_writer_done(lc_leaf_writer *w)
{
    uint32_t i = w->count - 1;
    lc_buf *body = &w->section[i].body;
    if (w->spill == 0 || body->failed || body->bytes == 0)
        return body->failed ? LC_ERR_ARENA : LC_OK;
    if (!write_whole(w->spill, body->data, body->bytes))
        return LC_ERR_IO;
    lc_sha256(body->data, body->bytes, w->section[i].hash);
    w->section[i].spilled = true;
    w->section[i].bytes = body->bytes;
    w->section[i].at = w->spill_end;
    w->spill_end += body->bytes;
    lc_buf_free(body);
    return LC_OK;
}

static uint64_t sort_key(const lc_leaf_writer *w, uint32_t i)
{
    return (uint64_t)w->section[i].type << 32 | w->section[i].index;
}

/* Section numbers by (type, index). Errors: ARGUMENT for an empty section or two of one name. */
static lc_err order_sections(const lc_leaf_writer *w, uint32_t *order)
{
    for (uint32_t i = 0; i < w->count; i++) {
        if (w->section[i].body.failed)
            return LC_ERR_ARENA;
        if (section_bytes(w, i) == 0)
            return LC_ERR_ARGUMENT;
        uint32_t at = i;
        for (; at > 0 && sort_key(w, order[at - 1]) > sort_key(w, i); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    for (uint32_t i = 1; i < w->count; i++) {
        if (sort_key(w, order[i - 1]) == sort_key(w, order[i]))
            return LC_ERR_ARGUMENT;
    }
    return LC_OK;
}

static size_t table_end(const lc_leaf_writer *w)
{
    return LC_LEAF_HEADER_BYTES + (size_t)w->count * LC_LEAF_ENTRY_BYTES;
}

/* Header with a zero root; file_bytes is known once the sections are laid out. */
static void put_header(const lc_leaf_writer *w, uint64_t file_bytes, lc_buf *out)
{
    lc_buf_put_u32(out, LC_LEAF_MAGIC);
    lc_buf_put_u16(out, LC_LEAF_VERSION);
    lc_buf_put_u16(out, 0);
    lc_buf_put_u32(out, w->kind);
    lc_buf_put_u32(out, w->align);
    lc_buf_put_u64(out, file_bytes);
    lc_buf_put_u32(out, w->count);
    lc_buf_put_u32(out, LC_LEAF_HEADER_BYTES);
    lc_buf_pad(out, LC_LEAF_HEADER_BYTES);
}

static void put_table(const lc_leaf_writer *w, const uint32_t *order, lc_buf *out)
{
    uint64_t offset = table_end(w);
    for (uint32_t i = 0; i < w->count; i++) {
        const lc_buf *body = &w->section[order[i]].body;
        uint8_t hash[LC_SHA256_BYTES];
        offset = LC_ROUND_UP(offset, w->align);
        if (w->section[order[i]].spilled) {
            memcpy(hash, w->section[order[i]].hash, sizeof hash);
        } else {
            lc_sha256(body->data, body->bytes, hash);
        }
        lc_buf_put_u32(out, w->section[order[i]].type);
        lc_buf_put_u32(out, w->section[order[i]].index);
        lc_buf_put_u64(out, offset);
        lc_buf_put_u64(out, section_bytes(w, order[i]));
        lc_buf_put(out, hash, sizeof hash);
        lc_buf_put_u64(out, 0);
        offset += section_bytes(w, order[i]);
    }
}

static uint64_t file_bytes(const lc_leaf_writer *w, const uint32_t *order)
{
    uint64_t end = table_end(w);
    for (uint32_t i = 0; i < w->count; i++) {
        end = LC_ROUND_UP(end, w->align) + section_bytes(w, order[i]);
    }
    return end;
}

/* Header and table, with the root. */
static lc_err make_head(const lc_leaf_writer *w, uint32_t *order, lc_buf *head)
{
    bool align_ok = w->align >= LC_LEAF_ALIGN_MIN && w->align <= LC_LEAF_ALIGN_MAX &&
                    (w->align & (w->align - 1)) == 0;
    if (!align_ok || w->count == 0)
        return LC_ERR_ARGUMENT;
    lc_err err = order_sections(w, order);
    if (err)
        return err;
    put_header(w, file_bytes(w, order), head);
    put_table(w, order, head);
    if (head->failed)
        return LC_ERR_ARENA;
    lc_sha256(head->data, table_end(w), head->data + ROOT_AT);
    return LC_OK;
}

lc_err lc_leaf_writer_finish(lc_leaf_writer *w, lc_buf *out)
{
    uint32_t order[LC_LEAF_WRITER_SECTIONS];
    lc_buf file = {0};
    lc_err err = w->spill == 0 ? make_head(w, order, &file) : LC_ERR_ARGUMENT;
    for (uint32_t i = 0; !err && i < w->count; i++) {
        const lc_buf *body = &w->section[order[i]].body;
        lc_buf_pad(&file, w->align);
        lc_buf_put(&file, body->data, body->bytes);
    }
    if (err || file.failed) {
        lc_buf_free(&file);
        return err ? err : LC_ERR_ARENA;
    }
    *out = file;
    return LC_OK;
}

/* A section's bytes to the end of the file. */
static bool copy_section(const lc_leaf_writer *w, uint32_t i, int fd)
{
    if (!w->section[i].spilled)
        return write_whole(fd, w->section[i].body.data, w->section[i].body.bytes);
    uint8_t block[COPY_BYTES];
    for (uint64_t done = 0; done < w->section[i].bytes;) {
        uint64_t left = w->section[i].bytes - done;
        size_t wanted = left < sizeof block ? (size_t)left : sizeof block;
        ssize_t n = pread(w->spill, block, wanted, (off_t)(w->section[i].at + done));
        if (n <= 0 || !write_whole(fd, block, (size_t)n)) {
            return false;
        }
        done += (uint64_t)n;
    }
    return true;
}

static bool write_zeros(int fd, uint64_t bytes)
{
    static const uint8_t zeros[4096];
    while (bytes > 0) {
        size_t n = bytes < sizeof zeros ? (size_t)bytes : sizeof zeros;
        if (!write_whole(fd, zeros, n)) {
            return false;
        }
        bytes -= n;
    }
    return true;
}

lc_err lc_leaf_writer_finish_file(lc_leaf_writer *w, int fd, uint64_t *bytes, uint8_t root[32])
{
    uint32_t order[LC_LEAF_WRITER_SECTIONS];
    lc_buf head = {0};
    lc_err err = make_head(w, order, &head);
    uint64_t at = head.bytes;
    bool good = !err && write_whole(fd, head.data, head.bytes);
    for (uint32_t i = 0; good && i < w->count; i++) {
        uint64_t start = LC_ROUND_UP(at, w->align);
        good = write_zeros(fd, start - at) && copy_section(w, order[i], fd);
        at = start + section_bytes(w, order[i]);
    }
    if (good) {
        memcpy(root, head.data + ROOT_AT, 32);
        *bytes = at;
    }
    lc_buf_free(&head);
    return err ? err : good ? LC_OK : LC_ERR_IO;
}
