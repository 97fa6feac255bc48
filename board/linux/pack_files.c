/* pack_files.c - opening packs for their root hash and class names. */
#include "pack_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lc_err resolve(const lc_pack_files *packs, const char *path, const char *key_path,
                      char full[PATH_MAX])
{
    bool absolute = path[0] == '/' || packs->dir == NULL || packs->dir[0] == '\0';
    int n = absolute ? snprintf(full, PATH_MAX, "%s", path)
                     : snprintf(full, PATH_MAX, "%s/%s", packs->dir, path);
    if (n < 0 || n >= PATH_MAX) {
        return lc_json_fail(packs->diag, LC_ERR_LIMIT, key_path, "path too long");
    }
    return LC_OK;
}

/* Tables of a model stand on the heap while a job is built. */
static lc_err open_model(const void *data, size_t bytes, lc_model *model, void **tables,
                         lc_diag *why)
{
    lc_arena arena;
    lc_arena_measure(&arena);
    lc_err err = lc_model_open(data, bytes, &arena, model, why);
    if (err != LC_OK) {
        return err;
    }
    size_t need = arena.used + LC_ARENA_ALIGN;
    *tables = aligned_alloc(LC_ARENA_ALIGN, need);
    if (*tables == NULL) {
        return lc_fail(why, LC_ERR_ARENA, 0, "out of memory");
    }
    lc_arena_init(&arena, *tables, need);
    return lc_model_open(data, bytes, &arena, model, why);
}

static lc_err open_file(lc_pack_files *packs, const char *full, const char *key_path, lc_map *map)
{
    errno = 0;
    if (lc_map_open(full, map) != LC_OK) {
        lc_err err = errno == ENOENT ? LC_ERR_NOT_FOUND : LC_ERR_IO;
        return lc_json_fail(packs->diag, err, key_path, "%s: %s", full,
                            errno != 0 ? strerror(errno) : "no regular file");
    }
    return LC_OK;
}

static lc_err open_next(lc_pack_files *packs, const char *full, const char *key_path)
{
    uint32_t i = packs->count;
    lc_map *map = &packs->pack[i].map;
    lc_object object;
    *map = (lc_map){0};
    packs->pack[i].tables = NULL;
    if (packs->given != NULL) {
        object = *packs->given;
    } else {
        lc_err err = open_file(packs, full, key_path, map);
        if (err != LC_OK) {
            return err;
        }
        object = (lc_object){map->data, map->bytes};
    }
    lc_diag why = {0};
    packs->count++;
    lc_err err =
        open_model(object.data, object.bytes, &packs->pack[i].model, &packs->pack[i].tables, &why);
    if (err != LC_OK) {
        return lc_json_fail(packs->diag, err, key_path, "%s: %s at byte %llu: %s", full,
                            lc_err_text(err), (unsigned long long)why.offset,
                            why.text != NULL ? why.text : "");
    }
    return LC_OK;
}

static void close_last(lc_pack_files *packs)
{
    uint32_t i = --packs->count;
    free(packs->pack[i].tables);
    lc_map_close(&packs->pack[i].map);
}

/* A pack opened under another path is the same one when its root is. */
static void share_last(lc_pack_files *packs, uint32_t *index)
{
    uint32_t last = packs->count - 1;
    for (uint32_t i = 0; i < last; i++) {
        if (memcmp(packs->pack[i].model.leaf.root, packs->pack[last].model.leaf.root, 32) == 0) {
            close_last(packs);
            *index = i;
            return;
        }
    }
    *index = last;
}

lc_err lc_pack_files_take(lc_pack_files *packs, const char *path, const char *key_path,
                          uint32_t *index)
{
    char full[PATH_MAX];
    lc_err err = resolve(packs, path, key_path, full);
    if (err != LC_OK) {
        return err;
    }
    for (uint32_t i = 0; i < packs->count; i++) {
        if (strcmp(packs->pack[i].path, full) == 0) {
            *index = i;
            return LC_OK;
        }
    }
    if (packs->count == LC_PACKS_MAX) {
        return lc_json_fail(packs->diag, LC_ERR_LIMIT, key_path, "more than %u packs",
                            LC_PACKS_MAX);
    }
    snprintf(packs->pack[packs->count].path, PATH_MAX, "%s", full);
    err = open_next(packs, full, key_path);
    if (err == LC_OK) {
        share_last(packs, index);
    }
    return err;
}

/* ---- adapters ---- */

static lc_err measure_adapter(const lc_object *object, const lc_model *model, lc_adapter *adapter,
                              void **tables, lc_diag *why)
{
    lc_arena arena;
    lc_arena_measure(&arena);
    lc_err err = lc_adapter_open(object->data, object->bytes, model, &arena, adapter, why);
    if (err != LC_OK) {
        return err;
    }
    size_t need = arena.used + LC_ARENA_ALIGN;
    *tables = aligned_alloc(LC_ARENA_ALIGN, need);
    if (*tables == NULL) {
        return lc_fail(why, LC_ERR_ARENA, 0, "out of memory");
    }
    lc_arena_init(&arena, *tables, need);
    return lc_adapter_open(object->data, object->bytes, model, &arena, adapter, why);
}

static lc_err open_adapter(lc_pack_files *packs, const char *full, const char *key_path)
{
    uint32_t i = packs->adapter_count;
    lc_map *map = &packs->adapter[i].map;
    lc_object object;
    lc_diag why = {0};
    if (packs->given_adapter != NULL) {
        object = *packs->given_adapter;
    } else {
        lc_err err = open_file(packs, full, key_path, map);
        if (err != LC_OK) {
            return err;
        }
        object = (lc_object){map->data, map->bytes};
    }
    packs->adapter_count++;
    lc_err err = measure_adapter(&object, &packs->pack[packs->adapter[i].pack].model,
                                 &packs->adapter[i].adapter, &packs->adapter[i].tables, &why);
    if (err != LC_OK) {
        return lc_json_fail(packs->diag, err, key_path, "%s: %s at byte %llu: %s", full,
                            lc_err_text(err), (unsigned long long)why.offset,
                            why.text != NULL ? why.text : "");
    }
    return LC_OK;
}

lc_err lc_pack_files_adapter(lc_pack_files *packs, const char *path, uint32_t pack,
                             const char *key_path, uint32_t *index)
{
    char full[PATH_MAX];
    lc_err err = resolve(packs, path, key_path, full);
    if (err != LC_OK) {
        return err;
    }
    for (uint32_t i = 0; i < packs->adapter_count; i++) {
        if (strcmp(packs->adapter[i].path, full) == 0 && packs->adapter[i].pack == pack) {
            *index = i;
            return LC_OK;
        }
    }
    if (packs->adapter_count == LC_ADAPTERS_MAX) {
        return lc_json_fail(packs->diag, LC_ERR_LIMIT, key_path, "more than %u adapters",
                            LC_ADAPTERS_MAX);
    }
    *index = packs->adapter_count;
    snprintf(packs->adapter[*index].path, PATH_MAX, "%s", full);
    packs->adapter[*index].pack = pack;
    return open_adapter(packs, full, key_path);
}

/* ---- prompts ---- */

lc_err lc_pack_files_prompt(lc_pack_files *packs, const char *path, const char *key_path,
                            char **text)
{
    char full[PATH_MAX];
    lc_map map = {0};
    if (packs->prompt != NULL) {
        *text = strdup(packs->prompt);
    } else {
        lc_err err = resolve(packs, path, key_path, full);
        err = err == LC_OK ? open_file(packs, full, key_path, &map) : err;
        if (err != LC_OK) {
            return err;
        }
        *text = strndup((const char *)map.data, map.bytes);
    }
    bool whole = packs->prompt != NULL || (*text != NULL && strlen(*text) == map.bytes);
    lc_map_close(&map);
    if (*text == NULL || !whole) {
        lc_err err = *text == NULL ? LC_ERR_ARENA : LC_ERR_FORMAT;
        free(*text);
        return lc_json_fail(packs->diag, err, key_path, "%s: %s", path,
                            err == LC_ERR_ARENA ? "out of memory" : "holds a NUL: not a text");
    }
    return LC_OK;
}

void lc_pack_files_close(lc_pack_files *packs)
{
    for (uint32_t i = 0; i < packs->adapter_count; i++) {
        free(packs->adapter[i].tables);
        lc_map_close(&packs->adapter[i].map);
    }
    while (packs->count > 0) {
        close_last(packs);
    }
}
