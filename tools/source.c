#include "source.h"

#include <string.h>

#include "../runtime/arch.h"

/* ---- errors ---- */

/* "supported: llama qwen2 ..." */
static const char *archs_known(void)
{
    static char text[160] = "supported:";
    size_t at = strlen(text);
    for (uint32_t id = 1; lc_arch_by_id(id) && at < sizeof text - 1; id++) {
        at += (size_t)snprintf(text + at, sizeof text - at, " %s", lc_arch_by_id(id)->name);
    }
    return text;
}

/* What can be done about a file that is refused, or NULL. */
static const char *remedy_of(const char *reason)
{
    static const struct {
        const char *word, *remedy;
    } remedies[] = {
        {"tensor type", "convert the original again, to F16 or Q8_0"},
        {"big-endian", "convert the original on a little-endian machine"},
        {"split.count", "llama-gguf-split --merge makes one file of them"},
        {"tokenizer.ggml.pre",
         "convert the original again with a converter that knows its tokenizer"},
        {"a tensor that the architecture",
         "it is a variant; the model that it was made from can be packed"},
        {"rope.scaling", "supported: none, linear, yarn, and factors as a tensor (Llama 3)"},
        {"rope_type", "supported: default, linear, llama3 and yarn"},
        {"quantization_config", "the checkpoint that it was made from can be packed"},
        {"expert", "dense models of the same architecture can be packed"},
    };
    if (strstr(reason, "general.architecture") || strstr(reason, "architectures")) {
        return archs_known();
    }
    for (size_t i = 0; i < LC_COUNT(remedies); i++) {
        if (strstr(reason, remedies[i].word)) {
            return remedies[i].remedy;
        }
    }
    return NULL;
}

/* `FOLDER/config.json: head_dim: missing`; a place in the file where there is one. */
static int folder_error(const lc_source *s, const lc_diag *diag)
{
    char path[4096];
    (void)snprintf(path, sizeof path, s->hf.where[0] ? "%s/%s" : "%s%s", s->path, s->hf.where);
    if (diag->offset > 0) {
        return lc_ui_diag(path, diag, remedy_of(diag->text));
    }
    const char *reason = diag->text ? diag->text : "no reason given";
    return lc_ui_error(lc_err_exit(diag->err), path, remedy_of(reason), "%s: %s",
                       lc_err_text(diag->err), reason);
}

int lc_source_diag(lc_source *s, lc_diag *diag)
{
    if (!s->folder) {
        return lc_ui_diag(s->path, diag, remedy_of(diag->text));
    }
    lc_hf_explain(&s->hf, diag);
    return folder_error(s, diag);
}

/* ---- opening ---- */

int lc_source_map(const char *path, const lc_map *map, lc_source *s)
{
    lc_diag diag = {0};
    *s = (lc_source){.path = path};
    if (lc_gguf_open(map->data, map->bytes, &s->file, &diag) != LC_OK) {
        return lc_ui_diag(path, &diag, remedy_of(diag.text));
    }
    s->g = &s->file;
    return LC_UI_GO;
}

static int folder_open(const char *path, bool weights, lc_source *s)
{
    lc_diag diag = {0};
    memset(s, 0, sizeof *s);
    s->path = path;
    s->folder = true;
    if (lc_hf_open(path, weights, &s->hf, &diag) != LC_OK) {
        return folder_error(s, &diag);
    }
    s->g = &s->hf.g;
    return LC_UI_GO;
}

int lc_source_open(const char *path, bool weights, lc_source *s)
{
    lc_map map;
    if (lc_hf_is_folder(path)) {
        return folder_open(path, weights, s);
    }
    int rc = lc_ui_map(path, &map);
    if (rc != LC_UI_GO) {
        return rc;
    }
    rc = lc_source_map(path, &map, s);
    if (rc != LC_UI_GO) {
        lc_map_close(&map);
        return rc;
    }
    s->map = map;
    return LC_UI_GO;
}

void lc_source_close(lc_source *s)
{
    if (s->folder) {
        lc_hf_close(&s->hf);
    } else {
        lc_gguf_close(&s->file);
    }
    if (s->map.span > 0) {
        lc_map_close(&s->map);
    }
}
