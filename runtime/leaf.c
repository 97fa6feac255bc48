#include "leaf.h"

#include <string.h>

#include "limits.h"

enum { /* FORMAT.md, header */
    AT_VERSION = 4,
    AT_KIND = 8,
    AT_ALIGN = 12,
    AT_FILE_BYTES = 16,
    AT_COUNT = 24,
    AT_TABLE = 28,
    AT_ROOT = 32,
    AT_ZEROS = 64,
    ENTRY_OFFSET = 8,
    ENTRY_BYTES = 16,
    ENTRY_SHA256 = 24,
    ENTRY_ZERO = 56
};

static uint64_t get_le(const uint8_t *p, uint32_t bytes)
{
    uint64_t v = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)get_le(p, 4);
}

static uint64_t get_u64(const uint8_t *p)
{
    return get_le(p, 8);
}

static lc_err check_header(const uint8_t *h, size_t bytes, lc_diag *diag)
{
    if (bytes < LC_LEAF_HEADER_BYTES) {
        return lc_fail(diag, LC_ERR_FORMAT, bytes, "file is shorter than a .leaf header");
    }
    if (get_u32(h) != LC_LEAF_MAGIC) {
        return lc_fail(diag, LC_ERR_FORMAT, 0, "not a .leaf file (magic)");
    }
    if (get_le(h + AT_VERSION, 2) != LC_LEAF_VERSION) {
        return lc_fail(diag, LC_ERR_VERSION, AT_VERSION, "container version is not 1");
    }
    uint32_t kind = get_u32(h + AT_KIND);
    if (kind < LC_LEAF_PACK || kind > LC_LEAF_FIT) {
        return lc_fail(diag, LC_ERR_FORMAT, AT_KIND, "unknown kind of object");
    }
    uint32_t align = get_u32(h + AT_ALIGN);
    if (align < LC_LEAF_ALIGN_MIN || align > LC_LEAF_ALIGN_MAX || (align & (align - 1)) != 0) {
        return lc_fail(diag, LC_ERR_FORMAT, AT_ALIGN,
                       "alignment is not a power of two in 64..65536");
    }
    if (get_u64(h + AT_FILE_BYTES) != bytes) {
        return lc_fail(diag, LC_ERR_FORMAT, AT_FILE_BYTES, "file size differs from the header's");
    }
    uint32_t count = get_u32(h + AT_COUNT);
    if (count == 0 || count > LC_SECTIONS_MAX) {
        return lc_fail(diag, LC_ERR_LIMIT, AT_COUNT, "section_count is not in 1..1024");
    }
    if (get_u32(h + AT_TABLE) != LC_LEAF_HEADER_BYTES) {
        return lc_fail(diag, LC_ERR_FORMAT, AT_TABLE, "section table is not behind the header");
    }
    for (uint32_t i = AT_ZEROS; i < LC_LEAF_HEADER_BYTES; i++) {
        if (h[i] != 0) {
            return lc_fail(diag, LC_ERR_FORMAT, i, "reserved header byte is not zero");
        }
    }
    return LC_OK;
}

/* Order of sections: by type, then index. */
static bool entry_before(const uint8_t *a, const uint8_t *b)
{
    uint32_t type_a = get_u32(a), type_b = get_u32(b);
    return type_a < type_b || (type_a == type_b && get_u32(a + 4) < get_u32(b + 4));
}

/* Sections must follow each other: each starts at the first aligned byte behind the one before, so
 * they cannot overlap and no byte of the file is outside them but padding. */
static lc_err check_table(const lc_leaf *leaf, lc_diag *diag)
{
    uint64_t end = LC_LEAF_HEADER_BYTES + (uint64_t)leaf->section_count * LC_LEAF_ENTRY_BYTES;
    if (end > leaf->bytes) {
        return lc_fail(diag, LC_ERR_FORMAT, AT_COUNT, "section table ends beyond the file");
    }
    for (uint32_t i = 0; i < leaf->section_count; i++) {
        uint64_t at = LC_LEAF_HEADER_BYTES + (uint64_t)i * LC_LEAF_ENTRY_BYTES;
        const uint8_t *e = leaf->data + at;
        uint64_t offset = get_u64(e + ENTRY_OFFSET);
        uint64_t bytes = get_u64(e + ENTRY_BYTES);
        if (offset != ((end + leaf->align - 1) & ~(uint64_t)(leaf->align - 1))) {
            return lc_fail(diag, LC_ERR_FORMAT, at + ENTRY_OFFSET, "section is out of its place");
        }
        if (offset > leaf->bytes || bytes > leaf->bytes - offset) {
            return lc_fail(diag, LC_ERR_FORMAT, at + ENTRY_BYTES, "section ends beyond the file");
        }
        if (get_u64(e + ENTRY_ZERO) != 0) {
            return lc_fail(diag, LC_ERR_FORMAT, at + ENTRY_ZERO, "reserved bytes are not zero");
        }
        if (i > 0 && !entry_before(e - LC_LEAF_ENTRY_BYTES, e)) {
            return lc_fail(diag, LC_ERR_FORMAT, at, "sections are not in order");
        }
        if (bytes == 0) {
            return lc_fail(diag, LC_ERR_FORMAT, at + ENTRY_BYTES, "section is empty");
        }
        end = offset + bytes;
    }
    if (end != leaf->bytes) {
        return lc_fail(diag, LC_ERR_FORMAT, end, "bytes behind the last section");
    }
    return LC_OK;
}

lc_err lc_leaf_open(const void *data, size_t bytes, lc_leaf *leaf, lc_diag *diag)
{
    const uint8_t *h = data;
    lc_err err = check_header(h, bytes, diag);
    if (err != LC_OK) {
        return err;
    }
    lc_leaf opened = {.data = h,
                      .bytes = bytes,
                      .kind = get_u32(h + AT_KIND),
                      .align = get_u32(h + AT_ALIGN),
                      .section_count = get_u32(h + AT_COUNT),
                      .root = h + AT_ROOT};
    err = check_table(&opened, diag);
    if (err == LC_OK) {
        *leaf = opened;
    }
    return err;
}

lc_section lc_leaf_section(const lc_leaf *leaf, uint32_t i)
{
    lc_assert(i < leaf->section_count);
    const uint8_t *e = leaf->data + LC_LEAF_HEADER_BYTES + (size_t)i * LC_LEAF_ENTRY_BYTES;
    uint64_t offset = get_u64(e + ENTRY_OFFSET);
    return (lc_section){.type = get_u32(e),
                        .index = get_u32(e + 4),
                        .offset = offset,
                        .bytes = (size_t)get_u64(e + ENTRY_BYTES),
                        .data = leaf->data + offset,
                        .sha256 = e + ENTRY_SHA256};
}

bool lc_leaf_find(const lc_leaf *leaf, uint32_t type, uint32_t index, lc_section *section)
{
    for (uint32_t i = 0; i < leaf->section_count; i++) {
        lc_section s = lc_leaf_section(leaf, i);
        if (s.type == type && s.index == index) {
            *section = s;
            return true;
        }
    }
    return false;
}
