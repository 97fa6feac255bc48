#include "adapter_file.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "model_file.h"
#include "pack/pack.h"

#define WEIGHTS "adapter_model.safetensors"
#define CONFIG "adapter_config.json"

/* ---- FILE[:SCALE] ---- */

static int scale_error(const char *text)
{
    return lc_ui_error(LC_EXIT_USAGE, text, NULL, "wants FILE or FILE:SCALE, SCALE -%g to %g",
                       LC_LORA_SCALE_MAX, LC_LORA_SCALE_MAX);
}

/* A colon that only a number follows parts the scale from the path. */
static int path_read(const char *text, bool scaled, lc_adapter_file *file)
{
    const char *colon = scaled ? strrchr(text, ':') : NULL;
    size_t bytes = strlen(text);
    if (colon && colon[1]) {
        char *end = NULL;
        double scale = strtod(colon + 1, &end);
        if (*end == 0) {
            bytes = (size_t)(colon - text);
            file->lora.scale = scale;
        }
    }
    if (bytes == 0 || bytes + sizeof WEIGHTS + 1 > sizeof file->path ||
        !(fabs(file->lora.scale) <= LC_LORA_SCALE_MAX)) {
        return scale_error(text);
    }
    memcpy(file->path, text, bytes);
    file->path[bytes] = 0;
    return LC_UI_GO;
}

static int map_beside(const char *folder, size_t folder_bytes, const char *name, lc_map *map)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%.*s%s", (int)folder_bytes, folder, name);
    if (n < 0 || (size_t)n >= sizeof path) {
        return lc_ui_error(LC_EXIT_REJECTED, folder, NULL, "path too long");
    }
    return lc_ui_map(path, map);
}

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int files_map(lc_adapter_file *file)
{
    size_t bytes = strlen(file->path);
    if (is_folder(file->path)) {
        int rc = map_beside(file->path, bytes, "/" CONFIG, &file->config);
        return rc == LC_UI_GO ? map_beside(file->path, bytes, "/" WEIGHTS, &file->data) : rc;
    }
    int rc = lc_ui_map(file->path, &file->data);
    if (rc == LC_UI_GO && lc_ui_ends_with(file->path, ".safetensors")) {
        const char *slash = strrchr(file->path, '/');
        rc = map_beside(file->path, slash ? (size_t)(slash - file->path) + 1 : 0, CONFIG,
                        &file->config);
    }
    return rc;
}

int lc_adapter_file_open(const char *text, bool scaled, lc_adapter_file *file)
{
    *file = (lc_adapter_file){.lora.scale = 1.0};
    int rc = path_read(text, scaled, file);
    if (rc == LC_UI_GO) {
        rc = files_map(file);
    }
    if (rc == LC_UI_GO) {
        file->lora.name = file->path;
        file->lora.data = file->data.data;
        file->lora.bytes = file->data.bytes;
        file->lora.config = (const char *)file->config.data;
        file->lora.config_bytes = file->config.bytes;
    }
    return rc;
}

void lc_adapter_file_close(lc_adapter_file *file)
{
    lc_map_close(&file->data);
    lc_map_close(&file->config);
}

/* ---- objects ---- */

int lc_base_model_open(const char *name, const lc_map *pack, lc_base_model *base)
{
    lc_arena arena;
    lc_diag diag = {0};
    *base = (lc_base_model){0};
    lc_arena_measure(&arena);
    lc_err err = lc_model_open(pack->data, pack->bytes, &arena, &base->model, &diag);
    if (err == LC_OK) {
        size_t need = arena.used + LC_ARENA_ALIGN;
        base->tables = aligned_alloc(LC_ARENA_ALIGN, need);
        if (!base->tables) {
            return lc_ui_no_memory();
        }
        lc_arena_init(&arena, base->tables, need);
        err = lc_model_open(pack->data, pack->bytes, &arena, &base->model, &diag);
    }
    return err == LC_OK ? LC_UI_GO : lc_ui_diag(name, &diag, NULL);
}

void lc_base_model_close(lc_base_model *base)
{
    free(base->tables);
    *base = (lc_base_model){0};
}

static int object_make(const char *path, const lc_map *pack, lc_map *map)
{
    lc_adapter_file file;
    lc_base_model base = {0};
    lc_buf out = {0};
    lc_diag diag = {0};
    int rc = lc_adapter_file_open(path, false, &file);
    if (rc == LC_UI_GO) {
        rc = lc_base_model_open(path, pack, &base);
    }
    if (rc == LC_UI_GO &&
        lc_lora_pack(&file.lora, &base.model, NULL, 0, &out, NULL, &diag) != LC_OK) {
        rc = lc_ui_diag(path, &diag, NULL);
    }
    if (rc == LC_UI_GO && lc_map_copy(out.data, out.bytes, map) != LC_OK) {
        rc = lc_ui_no_memory();
    }
    lc_buf_free(&out);
    lc_base_model_close(&base);
    lc_adapter_file_close(&file);
    return rc;
}

int lc_adapter_file_object(const char *path, const lc_map *pack, lc_map *map)
{
    *map = (lc_map){0};
    return lc_ui_ends_with(path, ".leaf") ? lc_ui_map(path, map) : object_make(path, pack, map);
}

/* ---- pack --adapter ---- */

static void hex(const uint8_t *bytes, uint32_t n, char *out)
{
    for (uint32_t i = 0; i < n; i++) {
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    }
}

static void report_print(const char *out, const lc_buf *file, const lc_lora_report *report,
                         const uint8_t *base_root, bool json)
{
    char root[65], base[65];
    lc_leaf leaf;
    if (lc_leaf_open(file->data, file->bytes, &leaf, NULL) != LC_OK) {
        return;
    }
    hex(leaf.root, 32, root);
    hex(base_root, 32, base);
    const char *type = lc_pack_wtype_name(report->type);
    if (!json) {
        printf("%s  %zu bytes, %u corrections of rank up to %u in %s, %u classes, root %.16s, "
               "of base %.16s\n",
               out, file->bytes, report->pairs, report->rank, type, report->classes, root, base);
        return;
    }
    lc_emit e;
    lc_emit_init(&e, stdout);
    lc_emit_open(&e, NULL, '{');
    lc_emit_text(&e, "out", out);
    lc_emit_text(&e, "root", root);
    lc_emit_text(&e, "base", base);
    lc_emit_text(&e, "type", type);
    lc_emit_u64(&e, "bytes", file->bytes);
    lc_emit_u64(&e, "rank", report->rank);
    lc_emit_u64(&e, "pairs", report->pairs);
    lc_emit_u64(&e, "classes", report->classes);
    lc_emit_u64(&e, "parameters", report->parameters);
    lc_emit_close(&e);
}

static int object_write(const lc_adapter_file *file, const lc_base_model *base, const char *labels,
                        uint32_t layers, const char *out, bool json)
{
    lc_buf object = {0};
    lc_lora_report report;
    lc_diag diag = {0};
    if (lc_lora_pack(&file->lora, &base->model, labels, layers, &object, &report, &diag) != LC_OK) {
        return lc_ui_diag(file->path, &diag, NULL);
    }
    int rc = lc_ui_write(out, object.data, object.bytes);
    if (rc == LC_UI_GO) {
        report_print(out, &object, &report, base->model.leaf.root, json);
        rc = LC_EXIT_OK;
    }
    lc_buf_free(&object);
    return rc;
}

int lc_adapter_file_pack(const char *adapter, const char *base, const char *type,
                         const char *labels, uint32_t layers, const char *out, bool json)
{
    lc_adapter_file file;
    lc_base_model model = {0};
    lc_map pack = {0};
    int rc = lc_adapter_file_open(adapter, true, &file);
    if (rc == LC_UI_GO) {
        rc = lc_model_file_open(base, type, &pack);
    }
    if (rc == LC_UI_GO) {
        rc = lc_base_model_open(base, &pack, &model);
    }
    if (rc == LC_UI_GO) {
        rc = object_write(&file, &model, labels, layers, out, json);
    }
    lc_base_model_close(&model);
    lc_map_close(&pack);
    lc_adapter_file_close(&file);
    return rc;
}
