/* job_json.c - job files and packs with a head of their own to bundles. */
#include "job_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../runtime/job_parts.h"
#include "job_tree.h"
#include "leaf_write.h"

static lc_err out_of_memory(lc_json_diag *diag)
{
    return lc_json_fail(diag, LC_ERR_ARENA, "", "out of memory");
}

/* ---- the container ---- */

/* What stands before the tasks: versions, name, packs. */
static void put_head(const cJSON *job, const lc_pack_files *packs, lc_buf *section)
{
    const char *name = lc_json_text(job, "job", "");
    lc_buf_put_u32(section, LC_JOB_VERSION);
    lc_buf_put_u32(section, (uint32_t)lc_json_real(job, "ver", 0));
    lc_buf_put_str(section, name, strlen(name));
    lc_buf_put_u16(section, (uint16_t)packs->count);
    for (uint32_t i = 0; i < packs->count; i++) {
        lc_buf_put(section, packs->pack[i].model.leaf.root, 32);
    }
}

static lc_err finish(const cJSON *job, const lc_pack_files *packs, const lc_buf *body, lc_buf *out,
                     lc_json_diag *diag)
{
    lc_leaf_writer *leaf = malloc(sizeof *leaf);
    if (leaf == NULL || body->failed) {
        free(leaf);
        return out_of_memory(diag);
    }
    lc_leaf_writer_init(leaf, LC_LEAF_BUNDLE, LC_LEAF_ALIGN_MIN);
    lc_buf *section = lc_leaf_writer_section(leaf, LC_SECTION_JOB, 0);
    lc_err err = section != NULL ? LC_OK : LC_ERR_LIMIT;
    if (err == LC_OK) {
        put_head(job, packs, section);
        lc_buf_put(section, body->data, body->bytes);
        err = lc_leaf_writer_finish(leaf, out);
    }
    lc_leaf_writer_free(leaf);
    free(leaf);
    return err == LC_OK ? LC_OK : lc_json_fail(diag, err, "", "%s", lc_err_text(err));
}

static void tell_packs(const lc_pack_files *packs, const lc_job_build_options *options)
{
    if (options == NULL || options->pack == NULL) {
        return;
    }
    for (uint32_t i = 0; i < packs->count; i++) {
        lc_pack_name *name = &options->pack[i];
        memcpy(name->root, packs->pack[i].model.leaf.root, sizeof name->root);
        snprintf(name->path, sizeof name->path, "%s", packs->pack[i].path);
    }
    *options->pack_count = packs->count;
}

static lc_err build(const cJSON *job, const char *dir, const lc_object *given,
                    const lc_job_build_options *options, lc_buf *out, lc_json_diag *diag)
{
    lc_buf body = {0};
    lc_pack_files *packs = calloc(1, sizeof *packs);
    if (packs == NULL) {
        return out_of_memory(diag);
    }
    packs->dir = dir;
    packs->given = given;
    packs->diag = diag;
    lc_err err = lc_job_tree_put(job, packs, &body, diag);
    if (err == LC_OK) {
        err = finish(job, packs, &body, out, diag);
    }
    if (err == LC_OK) {
        tell_packs(packs, options);
    }
    lc_pack_files_close(packs);
    lc_buf_free(&body);
    free(packs);
    return err;
}

lc_err lc_job_build(const char *json, size_t bytes, const char *dir,
                    const lc_job_build_options *options, lc_buf *out, lc_json_diag *diag)
{
    cJSON *job = NULL;
    *out = (lc_buf){0};
    lc_err err = lc_json_parse(json, bytes, LC_JSON_COMMENTS | LC_JSON_NO_NUL, &job, diag);
    if (err == LC_OK) {
        err = build(job, dir, NULL, options, out, diag);
    }
    cJSON_Delete(job);
    return err;
}

/* ---- a pack's own head ---- */

static bool add_default_labels(cJSON *task, const lc_model *model)
{
    cJSON *labels = cJSON_AddArrayToObject(task, "labels");
    bool good = labels != NULL;
    for (uint32_t i = 0; i < model->info.classes && good; i++) {
        char name[LC_NAME_BYTES_MAX + 1] = "";
        lc_str class = model->class_name[i];
        if (lc_str_equal(class, lc_str_from("oos"))) {
            continue;
        }
        memcpy(name, class.data, class.bytes <= LC_NAME_BYTES_MAX ? class.bytes : 0);
        cJSON *label = cJSON_CreateObject();
        good = label != NULL && cJSON_AddItemToArray(labels, label) &&
               cJSON_AddStringToObject(label, "name", name) != NULL;
    }
    return good;
}

static cJSON *default_job(const lc_model *model)
{
    cJSON *job = cJSON_CreateObject();
    cJSON *tasks = cJSON_AddArrayToObject(job, "tasks");
    cJSON *task = cJSON_CreateObject();
    cJSON *stage = cJSON_CreateObject();
    bool good = cJSON_AddNumberToObject(job, "version", 1) &&
                cJSON_AddNumberToObject(job, "ver", 0) &&
                cJSON_AddStringToObject(job, "job", "model") && cJSON_AddItemToArray(tasks, task) &&
                cJSON_AddStringToObject(task, "task", "label") && add_default_labels(task, model) &&
                cJSON_AddStringToObject(stage, "id", "head") &&
                cJSON_AddStringToObject(stage, "type", "head") &&
                cJSON_AddStringToObject(stage, "model", "model");
    cJSON *stages = good ? cJSON_AddArrayToObject(task, "stages") : NULL;
    if (!cJSON_AddItemToArray(stages, stage)) {
        cJSON_Delete(stage);
        cJSON_Delete(job);
        return NULL;
    }
    return job;
}

/* Class names of a pack, as the tree of a job. */
static lc_err default_from(const lc_model *model, const lc_object *pack, lc_buf *out,
                           lc_json_diag *diag)
{
    if (model->info.classes == 0) {
        return lc_json_fail(diag, LC_ERR_UNSUPPORTED, "", "this model has no classification head");
    }
    cJSON *job = default_job(model);
    lc_err err = job != NULL ? build(job, NULL, pack, NULL, out, diag) : out_of_memory(diag);
    cJSON_Delete(job);
    return err;
}

lc_err lc_job_build_default(const void *pack, size_t bytes, lc_buf *out, lc_json_diag *diag)
{
    lc_object object = {pack, bytes};
    uint32_t index = 0;
    lc_pack_files *packs = calloc(1, sizeof *packs);
    *out = (lc_buf){0};
    if (packs == NULL) {
        return out_of_memory(diag);
    }
    packs->given = &object;
    packs->diag = diag;
    lc_err err = lc_pack_files_take(packs, "model", "", &index);
    if (err == LC_OK) {
        err = default_from(&packs->pack[index].model, &object, out, diag);
    }
    lc_pack_files_close(packs);
    free(packs);
    return err;
}
