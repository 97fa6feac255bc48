#include "labels_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../tools/pack/lora_pack.h"

/* ---- a pack, its adapters and bundles around it, in a folder of their own ---- */

static char folder[] = "/tmp/lc-labels-XXXXXX";
static char pack_path[64], prompt_path[64], adapter_path[2][64];
lc_object labels_object;
static lc_object adapters[2];

void *labels_memory(size_t bytes)
{
    void *p = aligned_alloc(64, LC_ROUND_UP(bytes + 64, 64));
    assert_non_null(p);
    return memset(p, 0, LC_ROUND_UP(bytes + 64, 64));
}

static lc_object copy_of(const lc_buf *file)
{
    uint8_t *copy = labels_memory(file->bytes);
    memcpy(copy, file->data, file->bytes);
    return (lc_object){copy, file->bytes};
}

void labels_free(lc_object *object)
{
    free((void *)(uintptr_t)object->data);
}

static void write_file(const char *path, const void *data, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    fclose(f);
}

static size_t read_file(const char *path, uint8_t *file, size_t room)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        fail_msg("%s: cannot open", path);
    }
    size_t bytes = fread(file, 1, room, f);
    fclose(f);
    return bytes;
}

/* Keeps what was written as an object, and in a file; frees the writer's. */
static void keep(lc_object *object, const char *path, lc_buf *leaf)
{
    labels_free(object);
    *object = copy_of(leaf);
    write_file(path, leaf->data, leaf->bytes);
    lc_buf_free(leaf);
}

static void pack_with(const void *file, size_t bytes, lc_pack_type type, const lc_lora_file *lora)
{
    lc_gguf gguf;
    lc_diag diag = {0};
    lc_buf leaf = {0};
    const lc_pack_options options = {
        .type = type, .threads = 1, .lora = lora, .lora_count = lora != NULL};
    assert_int_equal(lc_gguf_open(file, bytes, &gguf, &diag), LC_OK);
    if (lc_pack_gguf(&gguf, &options, &leaf, NULL, &diag) != LC_OK) {
        fail_msg("%s", diag.text);
    }
    lc_gguf_close(&gguf);
    keep(&labels_object, pack_path, &leaf);
}

void labels_pack_from(const void *file, size_t bytes, lc_pack_type type)
{
    pack_with(file, bytes, type, NULL);
}

static uint8_t gguf_file[4 << 20];

void labels_pack(const char *gguf_path, lc_pack_type type)
{
    pack_with(gguf_file, read_file(gguf_path, gguf_file, sizeof gguf_file), type, NULL);
}

static lc_lora_file lora_of(const char *name)
{
    static uint8_t file[1 << 20];
    char path[128];
    snprintf(path, sizeof path, FOLDER "adapters/%s.gguf", name);
    size_t bytes = read_file(path, file, sizeof file);
    return (lc_lora_file){.name = name, .data = file, .bytes = bytes, .scale = 1.0};
}

void labels_pack_merged(const char *gguf_path, lc_pack_type type, const char *name)
{
    const lc_lora_file lora = lora_of(name);
    pack_with(gguf_file, read_file(gguf_path, gguf_file, sizeof gguf_file), type, &lora);
}

void labels_adapter(uint32_t i, const char *name)
{
    lc_arena state;
    lc_model model;
    lc_diag diag = {0};
    lc_buf leaf = {0};
    lc_lora_report report;
    const lc_lora_file lora = lora_of(name);
    void *memory = labels_memory(1u << 20);
    lc_arena_init(&state, memory, 1u << 20);
    lc_err err = lc_model_open(labels_object.data, labels_object.bytes, &state, &model, &diag);
    err = err == LC_OK ? lc_lora_pack(&lora, &model, NULL, 0, &leaf, &report, &diag) : err;
    if (err != LC_OK) {
        fail_msg("%s: %s", name, diag.text);
    }
    free(memory);
    keep(&adapters[i], adapter_path[i], &leaf);
}

lc_err labels_find(void *ctx, const uint8_t root[32], lc_object *object)
{
    const lc_object all[] = {labels_object, adapters[0], adapters[1]};
    (void)ctx;
    for (size_t i = 0; i < 3; i++) {
        lc_leaf leaf;
        if (all[i].data != NULL && lc_leaf_open(all[i].data, all[i].bytes, &leaf, NULL) == LC_OK &&
            memcmp(leaf.root, root, 32) == 0) {
            *object = all[i];
            return LC_OK;
        }
    }
    return LC_ERR_NOT_FOUND;
}

int labels_set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(pack_path, sizeof pack_path, "%s/m.leaf", folder);
    snprintf(prompt_path, sizeof prompt_path, "%s/p.txt", folder);
    snprintf(adapter_path[0], sizeof adapter_path[0], "%s/a0.leaf", folder);
    snprintf(adapter_path[1], sizeof adapter_path[1], "%s/a1.leaf", folder);
    return 0;
}

int labels_clean_up(void **state)
{
    (void)state;
    unlink(pack_path);
    unlink(prompt_path);
    rmdir(folder);
    labels_free(&labels_object);
    for (size_t i = 0; i < 2; i++) {
        unlink(adapter_path[i]);
        labels_free(&adapters[i]);
    }
    return 0;
}

lc_err labels_build(const char *json, const char *prompt, lc_buf *out, lc_json_diag *diag)
{
    write_file(prompt_path, prompt, strlen(prompt));
    return lc_job_build(json, strlen(json), folder, NULL, out, diag);
}

lc_object labels_bundle(const char *json, const char *prompt)
{
    lc_buf out = {0};
    lc_json_diag diag = {0};
    if (labels_build(json, prompt, &out, &diag) != LC_OK) {
        fail_msg("%s", diag.text);
    }
    lc_object bundle = copy_of(&out);
    lc_buf_free(&out);
    return bundle;
}

/* ---- a job on arenas of exactly the planned size ---- */

void labels_open(labels_made *m, lc_object bundle, const lc_job_options *options)
{
    lc_diag diag = {0};
    m->bundle = bundle;
    m->options = *options;
    lc_arena_measure(&m->state);
    lc_arena_measure(&m->scratch);
    lc_err err =
        lc_job_open(&bundle, labels_find, NULL, options, &m->state, &m->scratch, &m->job, &diag);
    assert_int_equal(err, LC_OK);
    size_t state = m->state.peak, scratch = m->scratch.peak;
    m->memory[0] = labels_memory(state);
    m->memory[1] = labels_memory(scratch);
    lc_arena_init(&m->state, m->memory[0], state);
    lc_arena_init(&m->scratch, m->memory[1], scratch);
    err = lc_job_open(&bundle, labels_find, NULL, options, &m->state, &m->scratch, &m->job, &diag);
    if (err != LC_OK) {
        fail_msg("%s", diag.text);
    }
    assert_int_equal(m->state.used, state);
    lc_arena_seal(&m->state);
}

void labels_close(labels_made *m)
{
    labels_free(&m->bundle);
    free(m->memory[0]);
    free(m->memory[1]);
}

const lc_answer *labels_run(labels_made *m, const char *text)
{
    assert_int_equal(lc_job_run(m->job, text, strlen(text), false, m->answers), LC_OK);
    return &m->answers[0];
}

lc_job_options labels_options(void)
{
    return (lc_job_options){.kernels = lc_level_at(0), .ctx = 0};
}
