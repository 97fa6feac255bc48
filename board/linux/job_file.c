/* job_file.c - bundles are mapped, job files compiled. */
#include "job_file.h"

#include <errno.h>
#include <string.h>

static lc_err packs_map(lc_job_file *file, const lc_pack_name *pack, uint32_t count,
                        lc_json_diag *diag)
{
    for (uint32_t i = 0; i < count; i++) {
        lc_map map;
        lc_err err = lc_map_open(pack[i].path, &map);
        if (err != LC_OK) {
            return lc_json_fail(diag, err, pack[i].path, "cannot open: %s", strerror(errno));
        }
        err = lc_objects_own(&file->objects, &map);
        if (err != LC_OK) {
            lc_map_close(&map);
            return lc_json_fail(diag, err, pack[i].path, "too many packs");
        }
    }
    return LC_OK;
}

static void folder_of(const char *path, char folder[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t bytes = slash ? (size_t)(slash - path) + 1 : 1;
    lc_assert(bytes < PATH_MAX);
    memcpy(folder, slash ? path : ".", bytes);
    folder[bytes] = '\0';
}

static lc_err json_compile(lc_job_file *file, const lc_map *json, lc_json_diag *diag)
{
    static lc_pack_name pack[LC_JOB_OBJECTS_MAX];
    uint32_t count = 0;
    lc_job_build_options options = {.pack = pack, .pack_count = &count};
    lc_buf bundle = {0};
    char folder[PATH_MAX];
    folder_of(file->path, folder);
    lc_err err =
        lc_job_build((const char *)json->data, json->bytes, folder, &options, &bundle, diag);
    err = err == LC_OK ? packs_map(file, pack, count, diag) : err;
    if (err == LC_OK) {
        err = lc_map_copy(bundle.data, bundle.bytes, &file->map);
        if (err != LC_OK) {
            (void)lc_json_fail(diag, err, "", "no memory for the bundle");
        }
    }
    lc_buf_free(&bundle);
    return err;
}

static lc_err path_open(lc_job_file *file, const char *path, lc_json_diag *diag)
{
    lc_map map;
    size_t bytes = strlen(path);
    lc_err err = lc_map_open(path, &map);
    if (err != LC_OK) {
        return lc_json_fail(diag, err, "", "cannot open: %s", strerror(errno));
    }
    if (bytes > 5 && strcmp(path + bytes - 5, ".json") == 0) {
        err = json_compile(file, &map, diag);
        lc_map_close(&map);
    } else {
        file->map = map;
    }
    file->bundle = (lc_object){.data = file->map.data, .bytes = file->map.bytes};
    return err;
}

lc_err lc_job_file_open(lc_job_file *file, const char *path, lc_json_diag *diag)
{
    bool shipped = path[0] == '\0';
    file->bundle = (lc_object){0};
    file->map = (lc_map){0};
    file->path = shipped ? "the shipped job" : path;
    lc_objects_init(&file->objects, shipped ? NULL : path);
    if (!shipped) {
        return path_open(file, path, diag);
    }
    lc_err err = lc_objects_shipped(&file->objects, &file->bundle, &file->path);
    if (err != LC_OK) {
        return lc_json_fail(diag, err, "",
                            "not beside the program nor in a share folder; name a "
                            "job in the config");
    }
    return LC_OK;
}

void lc_job_file_close(lc_job_file *file)
{
    lc_objects_close(&file->objects);
    lc_map_close(&file->map);
}
