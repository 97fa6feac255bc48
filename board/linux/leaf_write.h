/* leaf_write.h - writes a `.leaf` container: sections in order, aligned, hashed, with its root.
 *
 * Used by job_json (bundles) and by the packer. An object is built in memory, or, when it is given
 * a spill file, one section at a time.
 */
#ifndef LC_LEAF_WRITE_H
#define LC_LEAF_WRITE_H

#include "../../runtime/leaf.h"

#define LC_LEAF_WRITER_SECTIONS 300u

/* A growing byte buffer on the heap; the tool and the daemon's start use it, never the core. */
typedef struct lc_buf {
    uint8_t *data;
    size_t bytes;
    size_t capacity;
    bool failed; /* out of memory: every later call does nothing */
} lc_buf;

void lc_buf_free(lc_buf *b);
void lc_buf_put(lc_buf *b, const void *data, size_t bytes);
void lc_buf_put_u8(lc_buf *b, uint8_t v);
void lc_buf_put_u16(lc_buf *b, uint16_t v);
void lc_buf_put_u32(lc_buf *b, uint32_t v);
void lc_buf_put_u64(lc_buf *b, uint64_t v);
void lc_buf_put_f32(lc_buf *b, float v);
void lc_buf_put_str(lc_buf *b, const char *text, size_t bytes); /* u16 length, bytes */
/* Appends zeros and returns where they start, until the next call; NULL when out of memory. */
uint8_t *lc_buf_zeros(lc_buf *b, size_t bytes);
/* Zeros up to a multiple of align. */
void lc_buf_pad(lc_buf *b, size_t align);

typedef struct lc_leaf_writer {
    uint32_t kind;
    uint32_t align;
    uint32_t count;
    int spill;          /* file for sections that are done, 0: they stay in memory */
    uint64_t spill_end; /* bytes in it */
    struct {
        uint32_t type, index;
        lc_buf body;
        bool spilled;
        uint64_t bytes, at; /* of a spilled body, and its place */
        uint8_t hash[32];
    } section[LC_LEAF_WRITER_SECTIONS];
} lc_leaf_writer;

void lc_leaf_writer_init(lc_leaf_writer *w, uint32_t kind, uint32_t align);
/* The body of a new section, to be filled with lc_buf_put...; NULL when there are too many. */
lc_buf *lc_leaf_writer_section(lc_leaf_writer *w, uint32_t type, uint32_t index);
/* The section that was begun last is whole: its body goes to the spill file, where there is one.
 * Errors: ARENA, IO with errno. */
lc_err lc_leaf_writer_done(lc_leaf_writer *w) LC_CHECKED;
/* Lays everything out by (type, index), hashes, computes the root; *out is the whole file, to be
 * freed by the caller. Errors: ARGUMENT (no section, an empty one, two of one type and index, wrong
 * alignment), ARENA. */
lc_err lc_leaf_writer_finish(lc_leaf_writer *w, lc_buf *out) LC_CHECKED;
/* The same into a file, which is empty; tells its length and root. Errors: also IO with errno. */
lc_err lc_leaf_writer_finish_file(lc_leaf_writer *w, int fd, uint64_t *bytes,
                                  uint8_t root[32]) LC_CHECKED;
void lc_leaf_writer_free(lc_leaf_writer *w);

#endif
