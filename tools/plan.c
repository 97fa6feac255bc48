#include "plan.h"

#include "../runtime/net.h"
#include "job_source.h"

static void measure(lc_arena *state, lc_arena *scratch, lc_arena *io)
{
    lc_arena_measure(state);
    lc_arena_measure(scratch);
    lc_arena_measure(io);
}

static void take(const lc_arena *state, const lc_arena *scratch, const lc_arena *io, lc_plan *plan)
{
    plan->state = state->peak;
    plan->scratch = scratch->peak;
    plan->io = io->peak;
    plan->total = plan->model + plan->state + plan->scratch + plan->io;
}

/* Every invalid byte may become the three of U+FFFD. */
static void measure_text(const lc_tok *tok, lc_arena *scratch)
{
    size_t bytes = 3 * (size_t)LC_LINE_BYTES_MAX, mark = lc_arena_mark(scratch);
    (void)lc_arena_push(scratch, bytes + 1);
    (void)lc_arena_push(scratch, lc_tok_scratch_bytes(tok, bytes));
    lc_arena_rewind(scratch, mark);
}

/* What follows an opened model on the arenas. */
static lc_err plan_rest(const lc_model *model, uint32_t ctx, uint32_t kv, lc_arena *state,
                        lc_plan *plan, lc_diag *diag)
{
    lc_arena scratch, io;
    lc_net *net;
    lc_arena_measure(&scratch);
    lc_arena_measure(&io);
    if (ctx > model->info.ctx) {
        return lc_fail(diag, LC_ERR_LIMIT, 0, "--ctx is longer than the model's context");
    }
    uint32_t own = model->info.ctx < LC_CTX_DEFAULT ? model->info.ctx : LC_CTX_DEFAULT;
    lc_net_options options = {.ctx = ctx ? ctx : own, .kv = kv, .kernels = lc_level_at(0)};
    lc_err err = lc_net_init(model, &options, state, &scratch, &net, diag);
    if (err) {
        return err;
    }
    plan->ctx = options.ctx;
    plan->kv = lc_net_kv(model, kv);
    plan->kv_bytes = lc_net_kv_bytes(model, kv, plan->ctx);
    (void)LC_PUSH(state, uint32_t, plan->ctx);
    (void)LC_PUSH(&io, char, LC_RECORD_BYTES_MAX + 1);
    measure_text(&model->tok, &scratch);
    take(state, &scratch, &io, plan);
    return LC_OK;
}

lc_err lc_plan_model(const lc_map *pack, uint32_t ctx, uint32_t kv, lc_plan *plan, lc_diag *diag)
{
    lc_arena state;
    lc_model model;
    lc_arena_measure(&state);
    lc_err err = lc_model_open(pack->data, pack->bytes, &state, &model, diag);
    plan->model = pack->bytes;
    return err ? err : plan_rest(&model, ctx, kv, &state, plan, diag);
}

lc_err lc_plan_sketch(const lc_model *model, uint64_t pack_bytes, lc_plan *plan, lc_diag *diag)
{
    lc_arena state;
    lc_arena_measure(&state);
    (void)LC_PUSH(&state, lc_str, model->info.classes);
    (void)LC_PUSH(&state, lc_layer, model->info.layers);
    plan->model = pack_bytes;
    return plan_rest(model, 0, LC_KV_AUTO, &state, plan, diag);
}

/* Counts the packs that a bundle asks for on their way to it. */
typedef struct counter {
    lc_objects *objects;
    size_t bytes;
} counter;

static lc_err find_counted(void *ctx, const uint8_t root[32], lc_object *object)
{
    counter *c = ctx;
    lc_err err = lc_objects_find(c->objects, root, object);
    if (!err) {
        c->bytes += object->bytes;
    }
    return err;
}

lc_err lc_plan_bundle(lc_job_source *source, uint32_t ctx, uint32_t kv, lc_plan *plan,
                      lc_diag *diag)
{
    lc_arena state, scratch, io;
    lc_job *job;
    counter packs = {&source->objects, 0};
    lc_job_past past = {.bytes = 0};
    lc_job_options options = {.kernels = lc_level_at(0), .ctx = ctx, .kv = kv, .past = &past};
    measure(&state, &scratch, &io);
    lc_err err =
        lc_job_open(&source->bundle, find_counted, &packs, &options, &state, &scratch, &job, diag);
    if (err) {
        return err;
    }
    (void)LC_PUSH(&state, lc_answer, LC_TASKS_MAX);
    (void)LC_PUSH(&io, char, LC_RECORD_BYTES_MAX + 1);
    plan->ctx = ctx;
    plan->job = true;
    plan->kv = past.kv;
    plan->kv_bytes = past.bytes;
    plan->model = source->bundle.bytes + packs.bytes;
    take(&state, &scratch, &io, plan);
    return LC_OK;
}

int lc_plan_job(const char *path, uint32_t ctx, uint32_t kv, lc_plan *plan)
{
    lc_job_source source;
    lc_diag diag = {0};
    const lc_job_choice choice = {.job = path};
    int rc = lc_job_source_open(&source, &choice);
    if (rc == LC_UI_GO && lc_plan_bundle(&source, ctx, kv, plan, &diag) != LC_OK) {
        rc = lc_ui_diag(path, &diag, NULL);
    }
    lc_job_source_close(&source);
    return rc;
}
