/* session.c - opening and planning a model for the verbs that run one. */
#include "session.h"

#include "adapter_file.h"
#include "mark.h"

/* ---- layout: the code that lays out also plans ---- */

/* Clean text (three bytes for each) and what the tokenizer takes. */
static bool text_place(lc_session *s, lc_arena *scratch)
{
    size_t bytes = s->options.text_bytes, mark = lc_arena_mark(scratch);
    bool fits = lc_arena_push(scratch, 3 * bytes + 1) &&
                lc_arena_push(scratch, lc_tok_scratch_bytes(&s->model.tok, 3 * bytes));
    lc_arena_rewind(scratch, mark);
    return fits;
}

static uint32_t context_choose(const lc_session_options *options, const lc_model_info *info)
{
    uint32_t wanted = options->ctx == 0 ? LC_CTX_DEFAULT : options->ctx;
    return wanted < info->ctx ? wanted : info->ctx;
}

static lc_err session_layout(void *ctx, lc_arenas *arenas, lc_diag *diag)
{
    lc_session *s = ctx;
    lc_err err = lc_model_open(s->file.data, s->file.bytes, &arenas->state, &s->model, diag);
    if (err != LC_OK) {
        return err;
    }
    if (s->options.adapter) {
        err = lc_adapter_open(s->adapter_file.data, s->adapter_file.bytes, &s->model,
                              &arenas->state, &s->adapter, diag);
        if (err != LC_OK) {
            s->blame = s->options.adapter;
            return err;
        }
    }
    s->ctx = context_choose(&s->options, &s->model.info);
    lc_net_options options = {.ctx = s->ctx,
                              .batch = s->options.batch,
                              .rank = s->adapter.rank,
                              .kv = s->kv,
                              .kernels = s->kernels,
                              .tasks = lc_pool_tasks(&s->pool)};
    err = lc_net_init(&s->model, &options, &arenas->state, &arenas->scratch, &s->net, diag);
    if (err != LC_OK) {
        return err;
    }
    if (s->options.adapter && !arenas->state.measuring) {
        lc_net_adapt(s->net, &s->adapter);
    }
    uint32_t classes = s->adapter.classes > 0 ? s->adapter.classes : s->model.info.classes;
    s->ids = LC_PUSH(&arenas->state, uint32_t, s->ctx);
    s->logits = LC_PUSH(&arenas->io, float, s->model.info.vocab);
    s->pooled = LC_PUSH(&arenas->io, float, s->model.info.width);
    s->scores = LC_PUSH(&arenas->io, float, classes);
    if (!s->ids || !s->logits || !s->pooled || !s->scores || !text_place(s, &arenas->scratch)) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "arenas too small");
    }
    return LC_OK;
}

/* ---- opening ---- */

int lc_session_threads(lc_pool *pool, uint32_t threads)
{
    if (threads < 1 || threads > LC_POOL_THREADS_MAX) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, NULL, "--threads takes 1 to %u",
                           LC_POOL_THREADS_MAX);
    }
    if (lc_pool_open(pool, threads) != LC_OK) {
        return lc_ui_error(LC_EXIT_BOARD, NULL, NULL, "cannot start %u threads", threads);
    }
    return LC_UI_GO;
}

static int session_build(lc_session *s)
{
    lc_diag diag = {0};
    int rc = lc_ui_level(s->options.level, &s->kernels);
    if (rc == LC_UI_GO) {
        rc = lc_ui_kv(s->options.kv, &s->kv);
    }
    if (rc == LC_UI_GO) {
        rc = lc_session_threads(&s->pool, s->options.threads);
        s->pool.single = s->options.single;
    }
    if (rc == LC_UI_GO) {
        rc = lc_model_file_open(s->options.model, s->options.as_float ? "f32" : NULL, &s->file);
    }
    if (rc == LC_UI_GO && s->options.adapter) {
        rc = lc_adapter_file_object(s->options.adapter, &s->file, &s->adapter_file);
    }
    lc_mark(LC_MARK_MODEL);
    s->blame = s->options.model;
    if (rc == LC_UI_GO && lc_memory_open(&s->memory, session_layout, s, &diag) != LC_OK) {
        rc = lc_ui_diag(s->blame, &diag, NULL);
    }
    if (rc == LC_UI_GO && s->options.as_float) {
        rc = lc_model_file_check_float(s->options.model, &s->model);
    }
    return rc;
}

int lc_session_open(lc_session *session, const lc_session_options *options)
{
    *session = (lc_session){.options = *options};
    if (!options->model) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "--model FILE names a .leaf or .gguf file",
                           "missing --model");
    }
    int rc = session_build(session);
    if (rc != LC_UI_GO) {
        lc_session_close(session);
        return rc;
    }
    lc_mark(LC_MARK_CONTEXT);
    return LC_UI_GO;
}

void lc_session_close(lc_session *session)
{
    lc_pool_close(&session->pool);
    lc_memory_close(&session->memory);
    lc_map_close(&session->file);
    lc_map_close(&session->adapter_file);
}

/* ---- running ---- */

int lc_session_fail(const lc_session *session, lc_err err)
{
    return lc_ui_error(lc_err_exit(err), session->options.model, NULL, "run: %s", lc_err_text(err));
}

int lc_session_encode(lc_session *session, const char *text, size_t bytes, uint32_t *count)
{
    const lc_tok *tok = &session->model.tok;
    lc_arena *scratch = &session->memory.arenas.scratch;
    size_t mark = lc_arena_mark(scratch);
    uint32_t replaced = 0;
    bool cut = false;
    char *clean = lc_arena_push(scratch, 3 * bytes + 1);
    lc_err err = clean ? LC_OK : LC_ERR_ARENA;
    if (err == LC_OK) {
        size_t clean_bytes = lc_utf8_clean(text, bytes, clean, &replaced);
        err = lc_tok_encode(tok, clean, clean_bytes, true, scratch, session->ids, session->ctx,
                            count, &cut);
    }
    lc_arena_rewind(scratch, mark);
    if (err != LC_OK) {
        return lc_session_fail(session, err);
    }
    if (cut) {
        return lc_ui_error(LC_EXIT_REJECTED, session->options.model, NULL,
                           "the text is longer than the context of %u tokens", session->ctx);
    }
    if (tok->add_eos && *count > 0 && session->ids[*count - 1] == tok->eos) {
        (*count)--;
    }
    return LC_UI_GO;
}

uint32_t lc_argmax(const float *value, uint32_t n)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < n; i++) {
        if (value[i] > value[best]) {
            best = i;
        }
    }
    return best;
}
