/* job_source.c - bundles are mapped, job files and heads compiled in memory. */
#include "job_source.h"

#include <stdlib.h>
#include <string.h>

#include "../board/linux/job_json.h"
#include "adapter_file.h"
#include "model_file.h"

static int build_error(const char *name, const lc_json_diag *diag)
{
    return lc_ui_error(lc_err_exit(diag->err), name, NULL, "%s", diag->text);
}

/* The bundle moves to where kernels and arenas expect objects: aligned, with room behind it. */
static int bundle_keep(lc_job_source *source, lc_buf *bundle)
{
    lc_err err = lc_map_copy(bundle->data, bundle->bytes, &source->file);
    lc_buf_free(bundle);
    if (err != LC_OK) {
        return lc_ui_no_memory();
    }
    source->bundle = (lc_object){.data = source->file.data, .bytes = source->file.bytes};
    return LC_UI_GO;
}

/* Packs of a job file are named by path, so they are mapped from there. */
static int packs_map(lc_job_source *source, const lc_pack_name *pack, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        lc_map map;
        int rc = lc_ui_map(pack[i].path, &map);
        if (rc != LC_UI_GO) {
            return rc;
        }
        if (lc_objects_own(&source->objects, &map) != LC_OK) {
            lc_map_close(&map);
            return lc_ui_error(LC_EXIT_REJECTED, pack[i].path, NULL, "too many packs");
        }
    }
    return LC_UI_GO;
}

static int job_file_build(lc_job_source *source, const char *path, const lc_map *json)
{
    static lc_pack_name pack[LC_JOB_OBJECTS_MAX];
    static lc_json_diag diag;
    uint32_t count = 0;
    lc_job_build_options options = {.pack = pack, .pack_count = &count};
    lc_buf bundle = {0};
    char folder[PATH_MAX] = ".";
    const char *slash = strrchr(path, '/');
    if (slash && (size_t)(slash - path) + 2 <= sizeof folder) {
        memcpy(folder, path, (size_t)(slash - path) + 1);
        folder[slash - path + 1] = 0;
    }
    lc_err err =
        lc_job_build((const char *)json->data, json->bytes, folder, &options, &bundle, &diag);
    if (err != LC_OK) {
        return build_error(path, &diag);
    }
    int rc = packs_map(source, pack, count);
    if (rc != LC_UI_GO) {
        lc_buf_free(&bundle);
        return rc;
    }
    return bundle_keep(source, &bundle);
}

static int job_open(lc_job_source *source, const char *path)
{
    lc_map file;
    lc_objects_init(&source->objects, path);
    source->name = path;
    int rc = lc_ui_map(path, &file);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (lc_ui_ends_with(path, ".json")) {
        rc = job_file_build(source, path, &file);
        lc_map_close(&file);
        return rc;
    }
    source->file = file;
    source->bundle = (lc_object){.data = file.data, .bytes = file.bytes};
    return LC_UI_GO;
}

/* True when every tensor is F32, as --float wants. Prints why not. */
static int float_check(const char *path, const lc_map *file)
{
    lc_arena measure;
    lc_model model;
    lc_diag diag = {0};
    lc_arena_measure(&measure);
    if (lc_model_open(file->data, file->bytes, &measure, &model, &diag) != LC_OK) {
        return lc_ui_diag(path, &diag, NULL);
    }
    return lc_model_file_check_float(path, &model);
}

/* The bundle that fits a model alone. */
static int model_build(const lc_job_source *source, const lc_job_choice *choice, lc_buf *bundle)
{
    static lc_json_diag diag;
    lc_job_model model = {.pack = {source->model.data, source->model.bytes},
                          .adapter = {source->adapter.data, source->adapter.bytes},
                          .names = choice->labels,
                          .chat = choice->chat};
    lc_map prompt = {0};
    char *text = NULL;
    if (choice->prompt != NULL) {
        int rc = lc_ui_map(choice->prompt, &prompt);
        if (rc != LC_UI_GO) {
            return rc;
        }
        text = strndup((const char *)prompt.data, prompt.bytes);
        bool whole = text && strlen(text) == prompt.bytes;
        lc_map_close(&prompt);
        if (!whole) {
            free(text);
            return lc_ui_error(LC_EXIT_REJECTED, choice->prompt, NULL, "holds a NUL: not a text");
        }
    }
    model.prompt = text;
    lc_err err = lc_job_build_model(&model, bundle, &diag);
    free(text);
    return err == LC_OK ? LC_UI_GO : build_error(source->name, &diag);
}

static int model_open(lc_job_source *source, const lc_job_choice *choice)
{
    lc_buf bundle = {0};
    source->name = choice->model;
    lc_objects_init(&source->objects, NULL);
    int rc = lc_model_file_open(choice->model, choice->as_float ? "f32" : NULL, &source->model);
    if (rc == LC_UI_GO && choice->as_float) {
        rc = float_check(choice->model, &source->model);
    }
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (choice->adapter) {
        rc = lc_adapter_file_object(choice->adapter, &source->model, &source->adapter);
        source->name = choice->adapter; /* what can still be wrong is about it */
    }
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (lc_objects_add(&source->objects, &source->model) != LC_OK ||
        (choice->adapter && lc_objects_add(&source->objects, &source->adapter) != LC_OK)) {
        return lc_ui_no_memory();
    }
    rc = model_build(source, choice, &bundle);
    return rc == LC_UI_GO ? bundle_keep(source, &bundle) : rc;
}

int lc_job_source_open(lc_job_source *source, const lc_job_choice *choice)
{
    source->bundle = (lc_object){0};
    source->file = source->model = source->adapter = (lc_map){0};
    if (choice->job) {
        return job_open(source, choice->job);
    }
    if (choice->model) {
        return model_open(source, choice);
    }
    lc_objects_init(&source->objects, NULL);
    if (lc_objects_shipped(&source->objects, &source->bundle, &source->name) != LC_OK) {
        return lc_ui_error(LC_EXIT_BOARD, "triage.leaf",
                           "name a job with --job, or its folder in LEAFCUTTER_SHARE",
                           "the shipped job is not beside the program nor in a share folder");
    }
    return LC_UI_GO;
}

void lc_job_source_close(lc_job_source *source)
{
    lc_objects_close(&source->objects);
    lc_map_close(&source->file);
    lc_map_close(&source->model);
    lc_map_close(&source->adapter);
}
