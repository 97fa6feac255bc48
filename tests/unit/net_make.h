/* net_make.h - the golden models as packs, and nets on them, for tests. */
#ifndef NET_MAKE_H
#define NET_MAKE_H

#include "../../board/linux/tasks.h"
#include "../../runtime/net.h"
#include "../../tools/pack/pack.h"

#define DIR "models/golden/"
#define TOKENS_MAX 128
#define OUT_MAX (TOKENS_MAX * 512)

/* At most max bytes of a file, which must be there. */
size_t net_file(const char *path, void *out, size_t max);

/* A golden model packed as `type`, with what its folder holds. */
typedef struct golden {
    uint8_t *leaf; /* 64-byte aligned copy */
    size_t bytes;
    uint32_t ids[TOKENS_MAX];
    uint32_t tokens;
    float *expect;
    uint32_t count;
} golden;

golden load(const char *name, lc_pack_type type);
void unload(golden *g);

/* A net, its model and arenas of just the size that measuring says. */
lc_net *net_of(const golden *g, const lc_net_options *options, lc_model *model, lc_arena *state,
               lc_arena *scratch);

/* A net with what it stands on. */
typedef struct stand {
    golden g;
    lc_pool pool;
    lc_model model;
    lc_arena state, scratch;
    lc_net *net;
} stand;

void stand_up(stand *s, const char *name, lc_pack_type type, lc_net_options options,
              uint32_t threads);
void stand_down(stand *s);

/* A sink that keeps what it is shown. */
typedef struct states {
    float *out; /* [n][width] */
    uint32_t width, n;
} states;

lc_err take_states(void *ctx, uint32_t position, uint32_t n, const float *hidden);

#endif
