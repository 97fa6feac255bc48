/* job_json.c - job files and packs with a head of their own to bundles. */
#include "job_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../runtime/job_parts.h"
#include "job_tree.h"
#include "leaf_write.h"

/* What a model is asked when nobody wrote a prompt: to go on with, or as a turn of a template. */
static const char *const general_prompt[2] = {
    "Each message from a machine, a sensor or a log has one of these labels: {labels}.\n\n"
    "Message: {text}\nLabel: ",
    "Each message from a machine, a sensor or a log has one of these labels: {labels}.\n\n"
    "Message: {text}\n\nWhich label does this message have? Answer with the label alone."};

static lc_err out_of_memory(lc_json_diag *diag)
{
    return lc_json_fail(diag, LC_ERR_ARENA, "", "out of memory");
}

/* ---- the container ---- */

/* What stands before the tasks: versions, name, packs. */
static void put_head(const cJSON *job, const lc_pack_files *packs, uint32_t kv, lc_buf *section)
{
    const char *name = lc_json_text(job, "job", "");
    uint32_t version = kv != LC_KV_AUTO            ? LC_JOB_VERSION_KV
                       : packs->adapter_count != 0 ? LC_JOB_VERSION_ADAPTERS
                                                   : LC_JOB_VERSION_PLAIN;
    lc_buf_put_u32(section, version); /* the oldest that can say it: older programs read it, too */
    lc_buf_put_u32(section, (uint32_t)lc_json_real(job, "ver", 0));
    lc_buf_put_str(section, name, strlen(name));
    lc_buf_put_u16(section, (uint16_t)packs->count);
    for (uint32_t i = 0; i < packs->count; i++) {
        lc_buf_put(section, packs->pack[i].model.leaf.root, 32);
    }
    if (version != LC_JOB_VERSION_PLAIN) {
        lc_buf_put_u16(section, (uint16_t)packs->adapter_count);
    }
    for (uint32_t i = 0; i < packs->adapter_count; i++) {
        lc_buf_put_u8(section, (uint8_t)packs->adapter[i].pack);
        lc_buf_put(section, packs->adapter[i].adapter.leaf.root, 32);
    }
    if (version == LC_JOB_VERSION_KV) {
        lc_buf_put_u8(section, (uint8_t)kv);
    }
}

static lc_err put_sections(const cJSON *job, const lc_pack_files *packs, const lc_job_body *body,
                           lc_leaf_writer *leaf)
{
    lc_buf *section = lc_leaf_writer_section(leaf, LC_SECTION_JOB, 0);
    if (section == NULL) {
        return LC_ERR_LIMIT;
    }
    put_head(job, packs, body->kv, section);
    lc_buf_put(section, body->tasks.data, body->tasks.bytes);
    for (uint32_t i = 0; i < body->prefix_count; i++) {
        if (body->prefix[i].bytes > 0) {
            section = lc_leaf_writer_section(leaf, LC_SECTION_PREFIX, i);
            if (section == NULL) {
                return LC_ERR_LIMIT;
            }
            lc_buf_put(section, body->prefix[i].data, body->prefix[i].bytes);
        }
    }
    return LC_OK;
}

static lc_err finish(const cJSON *job, const lc_pack_files *packs, const lc_job_body *body,
                     lc_buf *out, lc_json_diag *diag)
{
    lc_leaf_writer *leaf = malloc(sizeof *leaf);
    if (leaf == NULL || body->tasks.failed) {
        free(leaf);
        return out_of_memory(diag);
    }
    lc_leaf_writer_init(leaf, LC_LEAF_BUNDLE, LC_LEAF_ALIGN_MIN);
    lc_err err = put_sections(job, packs, body, leaf);
    if (err == LC_OK) {
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
    for (uint32_t i = 0; i < packs->adapter_count; i++) {
        lc_pack_name *name = &options->pack[packs->count + i];
        memcpy(name->root, packs->adapter[i].adapter.leaf.root, sizeof name->root);
        snprintf(name->path, sizeof name->path, "%s", packs->adapter[i].path);
    }
    *options->pack_count = packs->count + packs->adapter_count;
}

static lc_err build_with(const cJSON *job, lc_pack_files *packs,
                         const lc_job_build_options *options, lc_buf *out, lc_json_diag *diag)
{
    lc_job_body body = {.prefix_count = 0};
    lc_err err = lc_job_tree_put(job, packs, &body, diag);
    if (err == LC_OK) {
        err = finish(job, packs, &body, out, diag);
    }
    if (err == LC_OK) {
        tell_packs(packs, options);
    }
    lc_job_body_free(&body);
    return err;
}

lc_err lc_job_build(const char *json, size_t bytes, const char *dir,
                    const lc_job_build_options *options, lc_buf *out, lc_json_diag *diag)
{
    cJSON *job = NULL;
    lc_pack_files *packs = calloc(1, sizeof *packs);
    *out = (lc_buf){0};
    if (packs == NULL) {
        return out_of_memory(diag);
    }
    packs->dir = dir;
    packs->diag = diag;
    lc_err err = lc_json_parse(json, bytes, LC_JSON_COMMENTS | LC_JSON_NO_NUL, &job, diag);
    if (err == LC_OK) {
        err = build_with(job, packs, options, out, diag);
    }
    cJSON_Delete(job);
    lc_pack_files_close(packs);
    free(packs);
    return err;
}

/* ---- a model without a job file ---- */

static bool add_label(cJSON *labels, const char *text, size_t bytes)
{
    char name[LC_NAME_BYTES_MAX + 2] = ""; /* one byte more, so that too long is seen as such */
    cJSON *label = cJSON_CreateObject();
    memcpy(name, text, bytes < sizeof name ? bytes : sizeof name - 1);
    return label != NULL && cJSON_AddItemToArray(labels, label) &&
           cJSON_AddStringToObject(label, "name", name) != NULL;
}

/* The classes of a head but `oos`. */
static bool add_classes(cJSON *labels, const lc_str *name, uint32_t classes)
{
    bool good = labels != NULL;
    for (uint32_t i = 0; i < classes && good; i++) {
        lc_str class = name[i];
        good =
            lc_str_equal(class, lc_str_from("oos")) || add_label(labels, class.data, class.bytes);
    }
    return good;
}

/* "a,b,c", blanks around names dropped. */
static bool add_names(cJSON *labels, const char *list)
{
    bool good = labels != NULL, more = true;
    while (good && more) {
        list += strspn(list, " ");
        size_t all = strcspn(list, ","), bytes = all;
        while (bytes > 0 && list[bytes - 1] == ' ') {
            bytes--;
        }
        good = add_label(labels, list, bytes);
        more = list[all] == ',';
        list += all + more;
    }
    return good;
}

/* The labels to be scored after a prompt, or the classes of the head. */
static cJSON *job_of_model(const lc_job_model *model, const lc_str *class_name, uint32_t classes)
{
    const char *names = model->names;
    const char *type = names != NULL ? "label_score" : "head";
    cJSON *job = cJSON_CreateObject();
    cJSON *tasks = cJSON_AddArrayToObject(job, "tasks");
    cJSON *task = cJSON_CreateObject();
    cJSON *stage = cJSON_CreateObject();
    bool good = cJSON_AddNumberToObject(job, "version", 1) &&
                cJSON_AddNumberToObject(job, "ver", 0) &&
                cJSON_AddStringToObject(job, "job", "model") && cJSON_AddItemToArray(tasks, task) &&
                cJSON_AddStringToObject(task, "task", "label");
    cJSON *labels = good ? cJSON_AddArrayToObject(task, "labels") : NULL;
    good = (names != NULL ? add_names(labels, names) : add_classes(labels, class_name, classes)) &&
           cJSON_AddStringToObject(stage, "id", names != NULL ? "labels" : "head") &&
           cJSON_AddStringToObject(stage, "type", type) &&
           cJSON_AddStringToObject(stage, "model", "model") &&
           (model->adapter.data == NULL || cJSON_AddStringToObject(stage, "adapter", "adapter")) &&
           (names == NULL || (cJSON_AddStringToObject(stage, "prompt", "prompt") &&
                              cJSON_AddBoolToObject(stage, "chat", model->chat)));
    cJSON *stages = good ? cJSON_AddArrayToObject(task, "stages") : NULL;
    if (!cJSON_AddItemToArray(stages, stage)) {
        cJSON_Delete(stage);
        cJSON_Delete(job);
        return NULL;
    }
    return job;
}

/* Opens the pack and compiles the job that fits it. */
static lc_err build_model(lc_pack_files *packs, const lc_job_model *given, lc_buf *out,
                          lc_json_diag *diag)
{
    uint32_t index = 0;
    lc_err err = lc_pack_files_take(packs, "model", "", &index);
    if (err != LC_OK) {
        return err;
    }
    const lc_model *model = &packs->pack[index].model;
    const lc_str *class_name = model->class_name;
    uint32_t classes = model->info.classes, i = 0;
    bool adapted = packs->given_adapter != NULL;
    if (adapted) {
        err = lc_pack_files_adapter(packs, "adapter", index, "", &i);
        if (err != LC_OK) {
            return err;
        }
    }
    if (adapted && packs->adapter[i].adapter.classes > 0) {
        class_name = packs->adapter[i].adapter.class_name;
        classes = packs->adapter[i].adapter.classes;
    }
    if (given->names == NULL && classes == 0) {
        return lc_json_fail(diag, LC_ERR_UNSUPPORTED, "", "this model has no classification head");
    }
    cJSON *job = job_of_model(given, class_name, classes);
    err = job != NULL ? build_with(job, packs, NULL, out, diag) : out_of_memory(diag);
    cJSON_Delete(job);
    return err;
}

lc_err lc_job_build_model(const lc_job_model *model, lc_buf *out, lc_json_diag *diag)
{
    lc_pack_files *packs = calloc(1, sizeof *packs);
    *out = (lc_buf){0};
    if (packs == NULL) {
        return out_of_memory(diag);
    }
    packs->given = &model->pack;
    packs->given_adapter = model->adapter.data != NULL ? &model->adapter : NULL;
    packs->prompt = model->prompt != NULL ? model->prompt : general_prompt[model->chat];
    packs->diag = diag;
    lc_err err = build_model(packs, model, out, diag);
    lc_pack_files_close(packs);
    free(packs);
    return err;
}

lc_err lc_job_build_default(const void *pack, size_t bytes, lc_buf *out, lc_json_diag *diag)
{
    const lc_job_model model = {.pack = {pack, bytes}};
    return lc_job_build_model(&model, out, diag);
}
