/* pack.c - a model at work: its buffers for a line, and the line as tokens. */
#include <string.h>

#include "job_parts.h"

/* Of a pass for each of several lines, with what is added to it: longer ones are fewer at once. */
#define LINE_TOKENS 32u

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
    pack->batch = pack->lines > 1 ? pack->lines * LINE_TOKENS : LC_BATCH_DEFAULT;
    pack->batch = pack->batch > inner ? pack->batch : inner + 1;
    pack->batch = pack->batch < pack->ctx && pack->model.info.causal ? pack->batch : pack->ctx;
    pack->tok_bytes = lc_tok_scratch_bytes(&pack->model.tok, 1 + LC_CLEAN_BYTES_MAX);
    return LC_OK;
}

lc_err lc_pack_place(lc_pack *pack, lc_arena *scratch)
{
    size_t tree = pack->nodes > 0 ? pack->batch : 0, outs = (size_t)pack->lines * pack->classes;
    pack->ids = LC_PUSH(scratch, uint32_t, (size_t)pack->batch + pack->ctx);
    pack->pooled = LC_PUSH(scratch, float, (size_t)pack->lines * pack->model.info.width);
    pack->headed = LC_PUSH(scratch, lc_headed, pack->lines);
    float *out = LC_PUSH(scratch, float, outs);
    pack->parent = LC_PUSH(scratch, uint32_t, tree);
    pack->wanted = LC_PUSH(scratch, uint32_t, tree);
    pack->score = LC_PUSH(scratch, float, pack->nodes);
    pack->softmax = LC_PUSH(scratch, float, pack->nodes);
    if (pack->ids == NULL || pack->pooled == NULL || pack->headed == NULL || out == NULL ||
        pack->parent == NULL || pack->wanted == NULL || pack->score == NULL ||
        pack->softmax == NULL) {
        return LC_ERR_ARENA;
    }
    for (uint32_t i = 0; i < pack->lines && !scratch->measuring; i++) {
        pack->headed[i] = (lc_headed){.out = out + (size_t)i * pack->classes};
    }
    return LC_OK;
}

/* A line with a blank before it, and the block that the tokenizer works in: both sized for the
 * longest line, so that every line takes the same. */
static bool push_text(const lc_pack *pack, lc_arena *scratch, char **copy, void **block)
{
    *copy = LC_PUSH(scratch, char, pack->nodes > 0 ? 1 + LC_CLEAN_BYTES_MAX : 0);
    *block = lc_arena_push(scratch, pack->tok_bytes);
    return *copy != NULL && *block != NULL;
}

/* The tokens of a line to ids; fills all of its reading. */
static lc_err encode(const lc_pack *pack, lc_arena *scratch, const lc_way *way, lc_asked *line,
                     uint32_t *ids)
{
    lc_str text = line->text;
    lc_reading *read = &line->read;
    lc_tok tok = pack->model.tok;
    lc_arena own;
    char *copy;
    void *block;
    size_t mark = lc_arena_mark(scratch);
    *read = (lc_reading){.tokens = 0};
    if (!push_text(pack, scratch, &copy, &block)) {
        return LC_ERR_ARENA;
    }
    if (way->blank) {
        copy[0] = ' ';
        memcpy(copy + 1, text.data, text.bytes);
        text = (lc_str){copy, text.bytes + 1};
    }
    tok.add_space_prefix = tok.add_space_prefix && way->special;
    lc_arena_init(&own, block, pack->tok_bytes);
    lc_err err = lc_tok_encode(&tok, text.data, text.bytes, way->special, &own, ids, way->max,
                               &read->tokens, &read->cut);
    lc_arena_rewind(scratch, mark);
    return err;
}

/* Lines as one pass, or each alone to find out which one cannot be read. */
static lc_err run_together(const lc_way *way, uint32_t *ids, lc_asked **line, uint32_t count)
{
    lc_err err = count > 0 ? way->run(way->ctx, ids, line, count) : LC_OK;
    if (err != LC_ERR_NUMBER && err != LC_ERR_CANCELLED) {
        return err;
    }
    for (uint32_t i = 0; i < count; i++) {
        err = count > 1 ? way->run(way->ctx, ids, line + i, 1) : err;
        line[i]->read.err = err;
        if (err != LC_OK && err != LC_ERR_NUMBER && err != LC_ERR_CANCELLED) {
            return err;
        }
        ids += line[i]->read.tokens + way->after;
    }
    return LC_OK;
}

lc_err lc_pack_run(lc_pack *pack, lc_arena *scratch, const lc_way *way, lc_asked **line,
                   uint32_t count)
{
    uint32_t first = 0, used = 0; /* of the lines that are not run yet */
    lc_err err = LC_OK;
    for (uint32_t i = 0; i < count && err == LC_OK; i++) {
        uint32_t *ids = pack->ids + used;
        err = encode(pack, scratch, way, line[i], ids);
        uint32_t tokens = line[i]->read.tokens + way->after;
        if (err == LC_OK && used + tokens > pack->batch) { /* those before go first */
            err = run_together(way, pack->ids, line + first, i - first);
            memmove(pack->ids, ids, line[i]->read.tokens * sizeof *ids);
            first = i;
            used = 0;
        }
        used += tokens;
        if (err == LC_OK && used >= pack->batch) {
            err = run_together(way, pack->ids, line + first, i + 1 - first);
            first = i + 1;
            used = 0;
        }
    }
    return err == LC_OK ? run_together(way, pack->ids, line + first, count - first) : err;
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
        pack->stands = NULL;
        for (uint32_t i = 0; i < pack->lines; i++) {
            pack->headed[i].ran = false;
        }
    }
}
