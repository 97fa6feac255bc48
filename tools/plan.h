/* plan.h - exact bytes that a model or a job needs, counted by the code that lays it out. */
#ifndef LC_PLAN_H
#define LC_PLAN_H

#include "../runtime/model.h"
#include "ui.h"

struct lc_job_source;

typedef struct lc_plan {
    uint32_t ctx;
    uint64_t model; /* files, mapped read-only (flash on bare metal) */
    size_t state;   /* tables, KV cache */
    size_t scratch; /* one line */
    size_t io;      /* one record */
    uint64_t total;
    uint32_t kv;     /* lc_kv; AUTO: a job whose models differ in it */
    size_t kv_bytes; /* of state: its KV cache */
    bool job;        /* which says itself what kind of cache it wants */
} lc_plan;

/* A pack that answers lines of text: its network for ctx tokens (0: its own, at most
 * LC_CTX_DEFAULT) with a cache of kind kv, the longest line's text and ids, one record. */
lc_err lc_plan_model(const lc_map *pack, uint32_t ctx, uint32_t kv, lc_plan *plan,
                     lc_diag *diag) LC_CHECKED;
/* The same of a model that is only its sizes (info, arch, tok, which of pooler and rope_freq_local
 * are there) and will be a pack of so many bytes. */
lc_err lc_plan_sketch(const lc_model *model, uint64_t pack_bytes, lc_plan *plan,
                      lc_diag *diag) LC_CHECKED;
/* An opened bundle or job file with all its packs, which stay in source->objects. kv AUTO: the
 * cache that it asks for. */
lc_err lc_plan_bundle(struct lc_job_source *source, uint32_t ctx, uint32_t kv, lc_plan *plan,
                      lc_diag *diag) LC_CHECKED;
/* A bundle or job file with all its packs, as `classify` runs it. LC_UI_GO, or the exit code after
 * a message. */
int lc_plan_job(const char *path, uint32_t ctx, uint32_t kv, lc_plan *plan);

#endif
