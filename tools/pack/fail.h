/* fail.h - errors of the packer that name the key or tensor at fault. */
#ifndef LC_PACK_FAIL_H
#define LC_PACK_FAIL_H

#include "../../runtime/err.h"

/* lc_fail with a composed text: "blk.0.attn_q.weight: 64 columns, expected 128". The text lives in
 * the thread until its next failure. Bytes outside printable ASCII, which a hostile file may hold
 * in its names, come out as '?'. */
lc_err lc_fail_format(lc_diag *diag, lc_err err, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
