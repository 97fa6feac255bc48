/* head.c - the stage `head`: one pass of the network, classification outputs. */
#include "stages.h"

/* Tokens, network, classification head; once a line. */
static lc_err run_pack(lc_pack *pack, lc_arena *scratch, lc_str text)
{
    if (pack->ran) {
        return LC_OK;
    }
    lc_err err = lc_pack_encode(pack, scratch, text, true, false, pack->ctx, &pack->read);
    if (err != LC_OK) {
        return err;
    }
    pack->stands = NULL; /* pooling starts from an empty context */
    if (pack->read.tokens == 0) {
        err = LC_ERR_NUMBER; /* nothing to pool */
    } else {
        err = lc_net_pool(pack->net, pack->ids, pack->read.tokens, pack->pooled);
    }
    if (err == LC_OK) {
        err = lc_net_classify(pack->net, pack->pooled, pack->out);
    }
    if (err != LC_OK && err != LC_ERR_CANCELLED && err != LC_ERR_NUMBER) {
        return err;
    }
    pack->read.err = err;
    pack->ran = true;
    return LC_OK;
}

/* The outputs as scores of the task's labels. */
static void take_scores(const lc_stage *stage, const float *out, lc_scores *scores)
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

lc_err lc_head_run(lc_pack *pack, const lc_stage *stage, lc_arena *scratch, lc_str text,
                   lc_reading *read, lc_scores *scores)
{
    lc_pack_adapt(pack, stage->adapter);
    lc_err err = run_pack(pack, scratch, text);
    *read = pack->read;
    if (err == LC_OK && read->err == LC_OK) {
        take_scores(stage, pack->out, scores);
    }
    return err;
}
