/* prospect.h - whether, how fast and where a model will run: what `inspect` tells before it does.
 */
#ifndef LC_PROSPECT_H
#define LC_PROSPECT_H

#include "boards.h"
#include "pack/gguf.h"
#include "plan.h"

typedef struct lc_prospect {
    lc_work work[LC_PACKS_MAX]; /* [works] of each model that a line goes through */
    uint32_t works;
    lc_plan plan; /* at the default context */
    struct {
        uint32_t count;
        uint64_t bytes;
    } packed[LC_W_COUNT];  /* tensors by type in the pack */
    uint64_t packed_bytes; /* of all of them */
    bool chat;
    uint32_t chat_kind; /* lc_chat_kind */
} lc_prospect;

/* Of a GGUF as `pack` would pack it: its numbers, tensors and vocabulary are checked, not its
 * weights. Errors as lc_pack_gguf. */
lc_err lc_prospect_gguf(const lc_gguf *g, lc_prospect *prospect, lc_diag *diag) LC_CHECKED;
/* Of an opened pack. */
lc_err lc_prospect_pack(const lc_map *file, const lc_model *model, lc_prospect *prospect,
                        lc_diag *diag) LC_CHECKED;

/* Of a bundle: every pack that its job names runs once a line. */
lc_err lc_prospect_bundle(const char *path, lc_prospect *prospect, lc_diag *diag) LC_CHECKED;

/* Lines for people, and the same as keys of an open JSON object. */
void lc_prospect_print(const lc_prospect *prospect);
void lc_prospect_emit(const lc_prospect *prospect, lc_emit *e);

#endif
