/* head.c - the stage `head`: text to tokens, one pass of the network, classification outputs. */
#include "stages.h"

lc_err lc_pack_place(lc_pack *pack, lc_arena *scratch)
{
    pack->ids = LC_PUSH(scratch, uint32_t, pack->ctx);
    pack->pooled = LC_PUSH(scratch, float, pack->model.info.width);
    pack->out = LC_PUSH(scratch, float, pack->model.info.classes);
    pack->ran = false;
    bool fits = pack->ids != NULL && pack->pooled != NULL && pack->out != NULL;
    return fits ? LC_OK : LC_ERR_ARENA;
}

/* The tokenizer works in a block sized for the longest line, so that every line takes the same. */
static lc_err encode(lc_pack *pack, lc_arena *scratch, const char *text, uint32_t bytes)
{
    size_t mark = lc_arena_mark(scratch);
    void *block = lc_arena_push(scratch, pack->tok_bytes);
    if (block == NULL) {
        return LC_ERR_ARENA;
    }
    lc_arena own;
    lc_arena_init(&own, block, pack->tok_bytes);
    lc_err err = lc_tok_encode(&pack->model.tok, text, bytes, true, &own, pack->ids, pack->ctx,
                               &pack->tokens, &pack->cut);
    lc_arena_rewind(scratch, mark);
    return err;
}

lc_err lc_pack_run(lc_pack *pack, lc_arena *scratch, const char *text, uint32_t bytes)
{
    if (pack->ran) {
        return LC_OK;
    }
    lc_err err = encode(pack, scratch, text, bytes);
    if (err != LC_OK) {
        return err;
    }
    if (pack->tokens == 0) {
        err = LC_ERR_NUMBER; /* nothing to pool */
    } else {
        err = lc_net_pool(pack->net, pack->ids, pack->tokens, pack->pooled);
    }
    if (err == LC_OK) {
        err = lc_net_classify(pack->net, pack->pooled, pack->out);
    }
    if (err != LC_OK && err != LC_ERR_CANCELLED && err != LC_ERR_NUMBER) {
        return err;
    }
    pack->err = err;
    pack->ran = true;
    return LC_OK;
}

void lc_head_scores(const lc_stage *stage, const float *out, lc_scores *scores)
{
    scores->has_oos = false;
    scores->z_oos = 0;
    for (uint32_t i = 0; i < stage->outputs; i++) {
        int32_t label = stage->class_of[i];
        if (label >= 0) {
            scores->z[label] = out[i];
        } else if (label == LC_CLASS_OOS) {
            scores->z_oos = out[i];
            scores->has_oos = true;
        }
    }
}
