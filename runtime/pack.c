/* pack.c - a model at work: its buffers for a line, and the line as tokens. */
#include <string.h>

#include "job_parts.h"

lc_err lc_pack_size(lc_pack *pack, uint32_t ctx, uint32_t reserved, uint32_t inner, lc_diag *diag)
{
    uint32_t most = pack->model.info.ctx, own = LC_CTX_DEFAULT + reserved;
    pack->ctx = ctx != 0 ? ctx : own < most ? own : most;
    if (pack->ctx > most) {
        return lc_fail(diag, LC_ERR_LIMIT, 0, "context longer than the model's");
    }
    if (pack->ctx <= reserved) {
        return lc_fail(diag, LC_ERR_LIMIT, 0,
                       "prompt and labels leave no room for a line in the context");
    }
    pack->batch = inner < LC_BATCH_DEFAULT ? LC_BATCH_DEFAULT : inner + 1;
    pack->batch = pack->batch < pack->ctx ? pack->batch : pack->ctx;
    pack->tok_bytes = lc_tok_scratch_bytes(&pack->model.tok, 1 + LC_CLEAN_BYTES_MAX);
    return LC_OK;
}

lc_err lc_pack_place(lc_pack *pack, lc_arena *scratch)
{
    pack->ids = LC_PUSH(scratch, uint32_t, pack->ctx);
    pack->pooled = LC_PUSH(scratch, float, pack->model.info.width);
    pack->out = LC_PUSH(scratch, float, pack->classes);
    pack->parent = LC_PUSH(scratch, uint32_t, pack->nodes > 0 ? pack->batch : 0);
    pack->score = LC_PUSH(scratch, float, pack->nodes);
    pack->softmax = LC_PUSH(scratch, float, pack->nodes);
    pack->ran = false;
    bool fits = pack->ids != NULL && pack->pooled != NULL && pack->out != NULL &&
                pack->parent != NULL && pack->score != NULL && pack->softmax != NULL;
    return fits ? LC_OK : LC_ERR_ARENA;
}

/* A line with a blank before it, and the block that the tokenizer works in: both sized for the
 * longest line, so that every line takes the same. */
static bool push_text(const lc_pack *pack, lc_arena *scratch, char **copy, void **block)
{
    *copy = LC_PUSH(scratch, char, pack->nodes > 0 ? 1 + LC_CLEAN_BYTES_MAX : 0);
    *block = lc_arena_push(scratch, pack->tok_bytes);
    return *copy != NULL && *block != NULL;
}

lc_err lc_pack_encode(lc_pack *pack, lc_arena *scratch, lc_str text, bool special, bool blank,
                      uint32_t max, lc_reading *read)
{
    lc_tok tok = pack->model.tok;
    lc_arena own;
    char *copy;
    void *block;
    size_t mark = lc_arena_mark(scratch);
    *read = (lc_reading){.tokens = 0};
    if (!push_text(pack, scratch, &copy, &block)) {
        return LC_ERR_ARENA;
    }
    if (blank) {
        copy[0] = ' ';
        memcpy(copy + 1, text.data, text.bytes);
        text = (lc_str){copy, text.bytes + 1};
    }
    tok.add_space_prefix = tok.add_space_prefix && special;
    lc_arena_init(&own, block, pack->tok_bytes);
    lc_err err = lc_tok_encode(&tok, text.data, text.bytes, special, &own, pack->ids, max,
                               &read->tokens, &read->cut);
    lc_arena_rewind(scratch, mark);
    return err;
}

lc_err lc_pack_start(lc_pack *pack, const lc_job_options *options, lc_arena *state,
                     lc_arena *scratch, lc_diag *diag)
{
    lc_net_options net = {.kernels = options->kernels,
                          .tasks = options->tasks,
                          .ctx = pack->ctx,
                          .batch = pack->batch,
                          .kv = pack->kv,
                          .rank = pack->rank,
                          .cancel = options->cancel};
    char *copy;
    void *block;
    size_t mark = lc_arena_mark(scratch);
    lc_err err = lc_net_init(&pack->model, &net, state, scratch, &pack->net, diag);
    bool fits = push_text(pack, scratch, &copy, &block);
    lc_arena_rewind(scratch, mark);
    return err != LC_OK || fits ? err : LC_ERR_ARENA;
}

void lc_pack_adapt(lc_pack *pack, const lc_adapter *adapter)
{
    if (pack->adapter != adapter) {
        lc_net_adapt(pack->net, adapter);
        pack->adapter = adapter;
        pack->ran = false;
        pack->stands = NULL;
    }
}
