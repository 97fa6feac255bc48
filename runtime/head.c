/* head.c - the stage `head`: one pass of the network, classification outputs. */
#include "stages.h"

/* Lines pooled in one pass, each with its outputs. */
static lc_err run_heads(void *ctx, uint32_t *ids, lc_asked **line, uint32_t count)
{
    lc_pack *pack = ctx;
    uint32_t length[LC_LINES_MAX] = {0};
    for (uint32_t i = 0; i < count; i++) {
        length[i] = line[i]->read.tokens;
        if (length[i] == 0) {
            return LC_ERR_NUMBER; /* nothing to pool */
        }
    }
    lc_err err = lc_net_pool_lines(pack->net, ids, length, count, pack->pooled);
    for (uint32_t i = 0; i < count && err == LC_OK; i++) {
        const float *pooled = pack->pooled + (size_t)i * pack->model.info.width;
        err = lc_net_classify(pack->net, pooled, pack->headed[line[i]->line].out);
    }
    return err;
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

lc_err lc_head_run(lc_pack *pack, const lc_stage *stage, lc_arena *scratch, lc_asked *asked,
                   uint32_t count)
{
    lc_asked *line[LC_LINES_MAX];
    uint32_t n = 0; /* that no head has run yet */
    const lc_way way = {.special = true, .max = pack->ctx, .run = run_heads, .ctx = pack};
    lc_pack_adapt(pack, stage->adapter);
    for (uint32_t i = 0; i < count; i++) {
        if (!pack->headed[asked[i].line].ran) {
            line[n++] = &asked[i];
        }
    }
    if (n > 0) {
        pack->stands = NULL; /* pooling starts from an empty context */
    }
    lc_err err = lc_pack_run(pack, scratch, &way, line, n);
    for (uint32_t i = 0; i < n && err == LC_OK; i++) {
        lc_headed *headed = &pack->headed[line[i]->line];
        headed->ran = true;
        headed->read = line[i]->read;
    }
    for (uint32_t i = 0; i < count && err == LC_OK; i++) {
        const lc_headed *headed = &pack->headed[asked[i].line];
        asked[i].read = headed->read;
        if (headed->read.err == LC_OK) {
            take_scores(stage, headed->out, &asked[i].scores);
        }
    }
    return err;
}
