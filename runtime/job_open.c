/* job_open.c - a bundle opened: section JOB (job_read.c), its packs, adapters and prompts. */
#include <string.h>

#include "job_opener.h"

/* ---- packs ---- */

static lc_err open_pack(lc_job_opener *o, uint32_t i, lc_object_find *find, void *find_ctx)
{
    const uint8_t *root = lc_read_bytes(&o->in.r, 32);
    lc_object object = {0};
    if (root == NULL) {
        return lc_in_wrong(&o->in, "pack names end early");
    }
    o->pack_root[i] = root;
    if (find == NULL || find(find_ctx, root, &object) != LC_OK) {
        return lc_in_fail(&o->in, LC_ERR_NOT_FOUND, "a pack that the bundle names was not found");
    }
    lc_model *model = &o->pack[i].model;
    lc_err err = lc_model_open(object.data, object.bytes, o->state, model, o->in.diag);
    if (err == LC_OK && memcmp(model->leaf.root, root, 32) != 0) {
        err = lc_in_fail(&o->in, LC_ERR_CHECKSUM, "another pack than the bundle names");
    }
    o->pack[i].classes = model->info.classes;
    return err;
}

/* Into its place in the arena, where stages point at once. */
static lc_err open_adapter(lc_job_opener *o, uint32_t i, lc_object_find *find, void *find_ctx)
{
    uint32_t pack = lc_read_u8(&o->in.r);
    const uint8_t *root = lc_read_bytes(&o->in.r, 32);
    lc_object object = {0};
    if (root == NULL || pack >= o->job.pack_count) {
        return lc_in_wrong(&o->in, "adapter of a pack that is not there");
    }
    if (find == NULL || find(find_ctx, root, &object) != LC_OK) {
        return lc_in_fail(&o->in, LC_ERR_NOT_FOUND,
                          "an adapter that the bundle names was not found");
    }
    lc_adapter *adapter = &o->adapter[i];
    lc_pack *p = &o->pack[pack];
    lc_err err =
        lc_adapter_open(object.data, object.bytes, &p->model, o->state, adapter, o->in.diag);
    if (err == LC_OK && memcmp(adapter->leaf.root, root, 32) != 0) {
        err = lc_in_fail(&o->in, LC_ERR_CHECKSUM, "another adapter than the bundle names");
    }
    if (err != LC_OK) {
        return err;
    }
    o->adapter_pack[i] = pack;
    p->classes = p->classes > adapter->classes ? p->classes : adapter->classes;
    p->rank = p->rank > adapter->rank ? p->rank : adapter->rank;
    LC_JOB_KEEP(o, o->job.adapter, i, *adapter);
    return LC_OK;
}

static lc_err read_kv(lc_job_opener *o)
{
    if (o->version < LC_JOB_VERSION_KV) {
        return LC_OK;
    }
    o->job.kv = lc_read_u8(&o->in.r);
    return !o->in.r.failed && (o->job.kv == LC_KV_F16 || o->job.kv == LC_KV_I8)
               ? LC_OK
               : lc_in_fail(&o->in, LC_ERR_UNSUPPORTED, "unknown kind of KV cache");
}

static lc_err open_adapters(lc_job_opener *o, lc_object_find *find, void *find_ctx)
{
    if (o->version == LC_JOB_VERSION_PLAIN) {
        return LC_OK;
    }
    uint32_t least = o->version == LC_JOB_VERSION_ADAPTERS;
    lc_err err = lc_in_count(&o->in, least, LC_ADAPTERS_MAX, &o->job.adapter_count);
    if (err != LC_OK) {
        return err;
    }
    o->job.adapter = LC_JOB_TABLE(o, lc_adapter, o->job.adapter_count);
    if (o->job.adapter == NULL) {
        return lc_in_fail(&o->in, LC_ERR_ARENA, "state arena too small for adapters");
    }
    for (uint32_t i = 0; i < o->job.adapter_count && err == LC_OK; i++) {
        err = open_adapter(o, i, find, find_ctx);
    }
    return err == LC_OK ? read_kv(o) : err;
}

static lc_err open_packs(lc_job_opener *o, lc_object_find *find, void *find_ctx)
{
    lc_err err = lc_in_count(&o->in, 0, LC_PACKS_MAX, &o->job.pack_count);
    for (uint32_t i = 0; i < o->job.pack_count && err == LC_OK; i++) {
        err = open_pack(o, i, find, find_ctx);
    }
    if (err != LC_OK) {
        return err;
    }
    o->job.pack = LC_JOB_TABLE(o, lc_pack, o->job.pack_count);
    return o->job.pack != NULL
               ? LC_OK
               : lc_in_fail(&o->in, LC_ERR_ARENA, "state arena too small for packs");
}

/* The net keeps the address of its model, so packs move into the arena first. */
static lc_err start_packs(lc_job_opener *o, const lc_job_options *options, lc_arena *scratch)
{
    lc_err err = lc_job_place_lines(&o->job, o->pack, scratch);
    for (uint32_t i = 0; i < o->job.pack_count && err == LC_OK; i++) {
        lc_pack *pack = o->state->measuring ? &o->pack[i] : &o->job.pack[i];
        LC_JOB_KEEP(o, o->job.pack, i, o->pack[i]);
        err = lc_pack_start(pack, options, o->state, scratch, o->in.diag);
    }
    return err;
}

/* Fixed before buffers are placed: they are sized by it. */
static lc_err size_packs(lc_job_opener *o, const lc_job_options *options)
{
    lc_err err = LC_OK;
    lc_job_past past = {.bytes = 0};
    for (uint32_t i = 0; i < o->job.pack_count && err == LC_OK; i++) {
        lc_pack *p = &o->pack[i];
        p->kernels = options->kernels;
        p->lines = o->job.lines;
        p->kv = lc_net_kv(&p->model, options->kv != LC_KV_AUTO ? options->kv : o->job.kv);
        err = lc_pack_size(p, options->ctx, o->reserved[i], o->inner[i], o->in.diag);
        past.kv = i == 0 || past.kv == p->kv ? p->kv : LC_KV_AUTO;
        past.bytes += err == LC_OK ? lc_net_kv_bytes(&p->model, p->kv, p->ctx) : 0;
    }
    if (options->past != NULL) {
        *options->past = past;
    }
    return err;
}

/* Prefixes are loaded once each, to see that they can be; the last one of a pack stays. */
static lc_err load_prompts(lc_job_opener *o)
{
    for (uint32_t t = 0; t < o->job.task_count && !o->state->measuring; t++) {
        const lc_task *task = &o->job.task[t];
        for (uint32_t s = 0; s < task->stage_count; s++) {
            const lc_stage *stage = &task->stage[s];
            lc_err err = stage->type != LC_STAGE_LABEL_SCORE
                             ? LC_OK
                             : lc_labels_load(&o->job.pack[stage->pack], stage->labels, o->in.diag);
            if (err != LC_OK) {
                return err;
            }
        }
    }
    return LC_OK;
}

/* ---- the whole ---- */

static lc_err open_section(lc_job_opener *o, const lc_object *bundle)
{
    lc_leaf *leaf = &o->leaf;
    lc_section section;
    lc_err err = lc_leaf_open(bundle->data, bundle->bytes, leaf, o->in.diag);
    if (err != LC_OK) {
        return err;
    }
    if (leaf->kind != LC_LEAF_BUNDLE || !lc_leaf_find(leaf, LC_SECTION_JOB, 0, &section)) {
        return lc_fail(o->in.diag, LC_ERR_FORMAT, 0, "not a bundle with section JOB");
    }
    o->job.root = leaf->root;
    o->in.base = section.offset;
    o->in.r = lc_reader_make(section.data, section.bytes);
    o->version = lc_read_u32(&o->in.r);
    if (o->version < LC_JOB_VERSION_PLAIN || o->version > LC_JOB_VERSION_KV) {
        return lc_in_fail(&o->in, LC_ERR_VERSION, "job of another version");
    }
    o->job.ver = lc_read_u32(&o->in.r);
    return lc_in_name(&o->in, true, &o->job.name);
}

static lc_err read_all(lc_job_opener *o, const lc_object *bundle, lc_object_find *find,
                       void *find_ctx)
{
    lc_err err = open_section(o, bundle);
    if (err == LC_OK) {
        err = open_packs(o, find, find_ctx);
    }
    if (err == LC_OK) {
        err = open_adapters(o, find, find_ctx);
    }
    if (err == LC_OK) {
        err = lc_job_read_tasks(o);
    }
    if (err == LC_OK) {
        err = lc_job_read_policy(o);
    }
    if (err == LC_OK && (o->in.r.failed || o->in.r.at != o->in.r.size)) {
        err = lc_in_wrong(&o->in, "job ends early or goes on too long");
    }
    return err;
}

lc_err lc_job_open(const lc_object *bundle, lc_object_find *find, void *find_ctx,
                   const lc_job_options *options, lc_arena *state, lc_arena *scratch, lc_job **job,
                   lc_diag *diag)
{
    lc_job_opener o = {.state = state, .in.diag = diag};
    lc_job *made = LC_PUSH(state, lc_job, 1);
    if (made == NULL) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "state arena too small for a job");
    }
    lc_assert(options->lines <= LC_LINES_MAX);
    o.job.kernels = options->kernels;
    o.job.lines = options->lines > 1 ? options->lines : 1;
    o.job.scratch = scratch;
    o.job.mark = lc_arena_mark(scratch);
    lc_err err = read_all(&o, bundle, find, find_ctx);
    if (err == LC_OK) {
        err = size_packs(&o, options);
    }
    if (err == LC_OK) {
        err = start_packs(&o, options, scratch);
        lc_arena_rewind(scratch, o.job.mark);
    }
    if (err == LC_OK) {
        err = load_prompts(&o);
    }
    if (err != LC_OK) {
        return err == LC_ERR_ARENA ? lc_fail(diag, err, 0, "arenas too small for the job") : err;
    }
    LC_JOB_KEEP(&o, made, 0, o.job);
    *job = made;
    return LC_OK;
}
