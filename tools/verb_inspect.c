/* verb_inspect.c - `leafcutter inspect`: what a GGUF, pack or bundle holds; --verify reads it all.
 */
#include <stdlib.h>
#include <string.h>

#include "../board/linux/crypto.h"
#include "../board/linux/leaf_verify.h"
#include "pack/pack.h"
#include "pack/pack_plan.h"
#include "prospect.h"
#include "source.h"
#include "ui.h"
#include "verbs.h"

#define TENSOR_NAME_BYTES 64u

/* What is printed, wherever it came from. */
typedef struct tensor_row {
    char name[TENSOR_NAME_BYTES];
    const char *type;
    uint64_t ne[4]; /* ne[0] columns, as GGUF counts; shown the other way round: rows first */
    uint64_t bytes;
} tensor_row;

typedef struct findings {
    const char *path;
    const char *kind; /* gguf, pack, bundle, adapter, fit */
    char arch[65];
    char tokenizer[65];
    uint64_t parameters, context, bytes;
    bool model; /* the fields above hold */
    uint32_t tensor_count;
    tensor_row *tensor;  /* [tensor_count], heap */
    const lc_leaf *leaf; /* NULL for a GGUF */
    const char *refusal; /* why a GGUF cannot be packed, or NULL */
    bool verified;
    const lc_model *opened; /* NULL: no pack */
    bool foreseen;          /* prospect holds */
    lc_prospect prospect;
} findings;

typedef struct request {
    bool verify, all, json;
} request;

/* ---- what is refused ---- */

/* Files that are neither GGUF nor ours, by how they begin. */
static const char *foreign_of(const lc_map *file)
{
    static const struct {
        const char *start;
        uint32_t at, bytes;
        const char *remedy;
    } foreign[] = {
        {"PK\3\4", 0, 4, "a PyTorch archive: convert it to GGUF"},
        {"{\"", 8, 2, "safetensors: name the folder with its config.json, or convert it to GGUF"},
        {"ggml", 0, 4, "GGML, older than GGUF: convert the original to GGUF"},
        {"lmgg", 0, 4, "GGML, older than GGUF: convert the original to GGUF"},
        {"tjgg", 0, 4, "GGJT, older than GGUF: convert the original to GGUF"},
        {"TFL3", 4, 4, "TensorFlow Lite: convert the original to GGUF"},
    };
    for (size_t i = 0; i < LC_COUNT(foreign); i++) {
        if (file->bytes >= foreign[i].at + foreign[i].bytes &&
            memcmp((const uint8_t *)file->data + foreign[i].at, foreign[i].start,
                   foreign[i].bytes) == 0) {
            return foreign[i].remedy;
        }
    }
    return NULL;
}

/* ---- GGUF ---- */

static void text_copy(char *out, size_t max, lc_str text)
{
    size_t n = text.bytes < max - 1 ? text.bytes : max - 1;
    memcpy(out, text.data, n);
    out[n] = 0;
}

static void gguf_names(const lc_gguf *g, findings *f)
{
    lc_str arch = {"", 0}, model = {"", 0}, pre = {"", 0};
    char key[96];
    uint32_t context = 0;
    (void)lc_gguf_str(g, "general.architecture", &arch);
    (void)lc_gguf_str(g, "tokenizer.ggml.model", &model);
    (void)lc_gguf_str(g, "tokenizer.ggml.pre", &pre);
    text_copy(f->arch, sizeof f->arch, arch);
    size_t n = model.bytes < 32 ? model.bytes : 32;
    snprintf(f->tokenizer, sizeof f->tokenizer, pre.bytes ? "%.*s/%.*s" : "%.*s", (int)n,
             model.data, pre.bytes < 30 ? (int)pre.bytes : 30, pre.data);
    snprintf(key, sizeof key, "%s.context_length", f->arch);
    (void)lc_gguf_u32(g, key, &context);
    f->context = context;
}

/* Whether `pack` would take the file. Files without tensors hold a vocabulary only, and are for
 * `tokenize`. */
static lc_err gguf_check(const lc_gguf *g, findings *f, lc_diag *diag)
{
    if (g->tensor_count == 0) {
        return LC_OK;
    }
    lc_err err = lc_prospect_gguf(g, &f->prospect, diag);
    f->foreseen = err == LC_OK;
    return err;
}

static int gguf_read(const lc_source *source, findings *f, lc_diag *refusal)
{
    const lc_gguf *g = source->g;
    f->kind = source->folder ? "checkpoint" : "gguf";
    f->model = true;
    gguf_names(g, f);
    f->tensor = calloc(g->tensor_count + 1u, sizeof *f->tensor);
    for (uint32_t i = 0; f->tensor && i < g->tensor_count; i++) {
        const lc_gguf_tensor *t = &g->tensor[i];
        tensor_row *row = &f->tensor[f->tensor_count++];
        text_copy(row->name, sizeof row->name, t->name);
        row->type = lc_gguf_type_name(t->type);
        memcpy(row->ne, t->ne, sizeof row->ne);
        row->bytes = t->bytes;
        f->parameters += t->ne[0] * t->ne[1] * t->ne[2] * t->ne[3];
    }
    if (gguf_check(g, f, refusal) != LC_OK) {
        f->refusal = refusal->text;
    }
    return f->tensor ? LC_UI_GO : lc_ui_no_memory();
}

/* ---- .leaf ---- */

static void leaf_tokenizer(const lc_tok *tok, findings *f)
{
    static const char *const kinds[] = {"?", "gpt2", "llama", "bert"};
    static const char *const pretoks[] = {"",       "/gpt-2",     "/smollm",
                                          "/qwen2", "/llama-bpe", "/falcon"};
    snprintf(f->tokenizer, sizeof f->tokenizer, "%s%s",
             tok->kind < LC_COUNT(kinds) ? kinds[tok->kind] : "?",
             tok->pretok < LC_COUNT(pretoks) ? pretoks[tok->pretok] : "/?");
}

static int pack_read(const lc_model *model, findings *f)
{
    f->model = true;
    f->parameters = model->info.parameters;
    f->context = model->info.ctx;
    f->opened = model;
    snprintf(f->arch, sizeof f->arch, "%s", model->arch->name);
    leaf_tokenizer(&model->tok, f);
    f->tensor = calloc(lc_model_tensors(model) + 1u, sizeof *f->tensor);
    if (!f->tensor) {
        return lc_ui_no_memory();
    }
    for (uint32_t i = 0; i < lc_model_tensors(model); i++) {
        lc_tensor t = lc_model_tensor(model, i);
        tensor_row *row = &f->tensor[f->tensor_count++];
        lc_pack_role_name(t.role, t.layer, row->name);
        row->type = lc_pack_wtype_name(t.mat.type);
        row->ne[0] = t.mat.cols == 1 ? t.mat.rows : t.mat.cols;
        row->ne[1] = t.mat.cols == 1 ? 1 : t.mat.rows;
        row->ne[2] = row->ne[3] = 1;
        row->bytes = t.bytes;
    }
    return LC_UI_GO;
}

/* ---- printing ---- */

static void root_text(const lc_leaf *leaf, char out[2 * LC_SHA256_BYTES + 1])
{
    for (size_t i = 0; i < LC_SHA256_BYTES; i++) {
        snprintf(out + 2 * i, 3, "%02x", leaf->root[i]);
    }
}

static const char *section_name(uint32_t type)
{
    static const char *const names[] = {"?",     "MODEL",   "TENSORS", "TOKENIZER", "EMBED",
                                        "LAYER", "CLASSES", "JOB",     "GOLDEN",    "NOTES",
                                        "ADAPTER", "PREFIX", "CHAT"};
    return type < LC_COUNT(names) ? names[type] : "?";
}

static uint32_t dimensions(const tensor_row *t)
{
    uint32_t n = 4;
    while (n > 1 && t->ne[n - 1] == 1) {
        n--;
    }
    return n;
}

static void json_tensors(lc_emit *e, const findings *f)
{
    lc_emit_open(e, "tensors", '[');
    for (uint32_t i = 0; i < f->tensor_count; i++) {
        const tensor_row *t = &f->tensor[i];
        lc_emit_open(e, NULL, '{');
        lc_emit_text(e, "name", t->name);
        lc_emit_text(e, "type", t->type);
        lc_emit_open(e, "shape", '[');
        for (uint32_t k = dimensions(t); k > 0; k--) {
            lc_emit_u64(e, NULL, t->ne[k - 1]);
        }
        lc_emit_close(e);
        lc_emit_u64(e, "bytes", t->bytes);
        lc_emit_close(e);
    }
    lc_emit_close(e);
}

static void json_leaf(lc_emit *e, const findings *f)
{
    char root[2 * LC_SHA256_BYTES + 1];
    root_text(f->leaf, root);
    lc_emit_text(e, "root", root);
    lc_emit_bool(e, "verified", f->verified);
    lc_emit_u64(e, "align", f->leaf->align);
    lc_emit_open(e, "sections", '[');
    for (uint32_t i = 0; i < f->leaf->section_count; i++) {
        lc_section s = lc_leaf_section(f->leaf, i);
        lc_emit_open(e, NULL, '{');
        lc_emit_text(e, "name", section_name(s.type));
        lc_emit_u64(e, "index", s.index);
        lc_emit_u64(e, "offset", s.offset);
        lc_emit_u64(e, "bytes", s.bytes);
        lc_emit_close(e);
    }
    lc_emit_close(e);
}

static void json_pack(lc_emit *e, const findings *f)
{
    const lc_model *m = f->opened;
    static const char *const poolings[] = {"none", "mean", "first", "last"};
    lc_emit_bool(e, "causal", m->info.causal);
    lc_emit_text(e, "pooling", poolings[m->info.pooling & 3u]);
    lc_emit_bool(e, "tied", m->tied);
}

static void print_json(const findings *f)
{
    lc_emit e;
    lc_emit_init(&e, stdout);
    lc_emit_open(&e, NULL, '{');
    lc_emit_text(&e, "kind", f->kind);
    lc_emit_u64(&e, "bytes", f->bytes);
    if (f->model) {
        lc_emit_text(&e, "arch", f->arch);
        lc_emit_u64(&e, "parameters", f->parameters);
        lc_emit_u64(&e, "context", f->context);
        lc_emit_text(&e, "tokenizer", f->tokenizer);
    }
    if (f->refusal) {
        lc_emit_text(&e, "refusal", f->refusal);
    }
    if (f->opened) {
        json_pack(&e, f);
        lc_emit_open(&e, "labels", '[');
        for (uint32_t i = 0; i < f->opened->info.classes; i++) {
            lc_str name = f->opened->class_name[i];
            lc_emit_bytes(&e, NULL, name.data, name.bytes);
        }
        lc_emit_close(&e);
    }
    if (f->foreseen) {
        lc_prospect_emit(&f->prospect, &e);
    }
    if (f->leaf) {
        json_leaf(&e, f);
    }
    json_tensors(&e, f);
    lc_emit_close(&e);
}

static void print_tensors(const findings *f)
{
    const lc_column columns[] = {
        {"tensor", 28, false}, {"type", 5, false}, {"shape", 16, true}, {"bytes", 12, true}};
    printf("\n");
    lc_table_head(stdout, columns, LC_COUNT(columns));
    for (uint32_t i = 0; i < f->tensor_count; i++) {
        const tensor_row *t = &f->tensor[i];
        char shape[96], bytes[24];
        size_t at = 0;
        for (uint32_t k = dimensions(t); k > 0; k--) {
            at += (size_t)snprintf(shape + at, sizeof shape - at, k > 1 ? "%llu x " : "%llu",
                                   (unsigned long long)t->ne[k - 1]);
        }
        snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)t->bytes);
        const char *cell[] = {t->name, t->type, shape, bytes};
        lc_table_row(stdout, columns, LC_COUNT(columns), cell);
    }
}

static void print_sections(const findings *f)
{
    const lc_column columns[] = {
        {"section", 10, false}, {"index", 5, true}, {"offset", 12, true}, {"bytes", 12, true}};
    printf("\n");
    lc_table_head(stdout, columns, LC_COUNT(columns));
    for (uint32_t i = 0; i < f->leaf->section_count; i++) {
        lc_section s = lc_leaf_section(f->leaf, i);
        char index[12], offset[24], bytes[24];
        snprintf(index, sizeof index, "%u", s.index);
        snprintf(offset, sizeof offset, "%llu", (unsigned long long)s.offset);
        snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)s.bytes);
        const char *cell[] = {section_name(s.type), index, offset, bytes};
        lc_table_row(stdout, columns, LC_COUNT(columns), cell);
    }
}

/* How many tensors of which type, and their bytes, in the order of the file. */
static void print_types(const findings *f)
{
    const char *between = "tensors     ";
    for (uint32_t i = 0; i < f->tensor_count; i++) {
        const char *type = f->tensor[i].type;
        uint32_t count = 0, before = 0;
        uint64_t bytes = 0;
        for (uint32_t k = 0; k < f->tensor_count; k++) {
            bool same = strcmp(f->tensor[k].type, type) == 0;
            count += same ? 1 : 0;
            bytes += same ? f->tensor[k].bytes : 0;
            before += same && k < i ? 1 : 0;
        }
        if (before == 0) {
            printf("%s%u %s %.1f MB", between, count, type, (double)bytes / 1e6);
            between = ", ";
        }
    }
    printf(f->tensor_count ? "\n" : "");
}

static void print_model(const findings *f)
{
    printf("arch        %s", f->arch);
    if (f->foreseen) {
        const lc_model_info *m = &f->prospect.work[0].info;
        printf(": %s, %u layers of %u, %u heads on %u of %u, FFN %u",
               m->causal ? "causal" : "bidirectional", m->layers, m->width, m->heads, m->kv_heads,
               m->head_dim, m->ffn);
    }
    printf("\nparameters  %llu\ncontext     %llu tokens\ntokenizer   %s",
           (unsigned long long)f->parameters, (unsigned long long)f->context, f->tokenizer);
    if (f->foreseen) {
        printf(", %u tokens", f->prospect.work[0].info.vocab);
    }
    printf("\n");
}

static void print_text(const findings *f, bool all)
{
    printf("%s: %s, %llu bytes\n", f->path, f->kind, (unsigned long long)f->bytes);
    if (f->leaf) {
        char root[2 * LC_SHA256_BYTES + 1];
        root_text(f->leaf, root);
        printf("root        %s%s\n", root, f->verified ? " (verified)" : "");
    }
    if (f->model) {
        print_model(f);
    }
    if (f->opened && f->opened->info.classes > 0) {
        for (uint32_t i = 0; i < f->opened->info.classes; i++) {
            lc_str name = f->opened->class_name[i];
            printf("%s%.*s", i ? " " : "labels      ", (int)name.bytes, name.data);
        }
        printf("\n");
    }
    if (f->model && !f->leaf) {
        print_types(f);
    }
    if (f->foreseen) {
        lc_prospect_print(&f->prospect);
    }
    if (f->leaf && (all || !f->model)) {
        print_sections(f);
    }
    if (f->tensor_count && all) {
        print_tensors(f);
    }
}

static void findings_print(const findings *f, const request *r)
{
    if (r->json) {
        print_json(f);
    } else {
        print_text(f, r->all);
    }
}

/* ---- the whole ---- */

static int pack_opened(const lc_map *file, void *memory, size_t bytes, findings *f,
                       const request *r)
{
    lc_diag diag = {0};
    lc_arena state;
    lc_model model;
    lc_arena_init(&state, memory, bytes);
    lc_err err = lc_model_open(file->data, file->bytes, &state, &model, &diag);
    if (!err) {
        err = lc_prospect_pack(file, &model, &f->prospect, &diag);
        f->foreseen = err == LC_OK;
    }
    int rc = err ? lc_ui_diag(f->path, &diag, NULL) : pack_read(&model, f);
    if (rc == LC_UI_GO) {
        findings_print(f, r);
        rc = LC_EXIT_OK;
    }
    return rc;
}

/* Opens the pack on memory of its exact size, fills and prints. */
static int pack_run(const lc_map *file, findings *f, const request *r)
{
    lc_diag diag = {0};
    lc_arena measure;
    lc_model model;
    lc_arena_measure(&measure);
    lc_err err = lc_model_open(file->data, file->bytes, &measure, &model, &diag);
    if (err) {
        return lc_ui_diag(f->path, &diag, NULL);
    }
    void *memory = aligned_alloc(LC_ARENA_ALIGN, LC_ROUND_UP(measure.peak + 1, LC_ARENA_ALIGN));
    if (!memory) {
        return lc_ui_no_memory();
    }
    int rc = pack_opened(file, memory, measure.peak, f, r);
    free(memory);
    return rc;
}

static int leaf_run(const lc_map *file, findings *f, const request *r)
{
    static const char *const kinds[] = {"?", "pack", "bundle", "adapter", "fit"};
    lc_leaf leaf;
    lc_diag diag = {0};
    lc_err err = lc_leaf_open(file->data, file->bytes, &leaf, &diag);
    if (!err && r->verify) {
        err = lc_leaf_verify(&leaf, &diag);
    }
    if (err) {
        return lc_ui_diag(f->path, &diag, foreign_of(file));
    }
    f->leaf = &leaf;
    f->verified = r->verify;
    f->kind = kinds[leaf.kind];
    if (leaf.kind == LC_LEAF_PACK) {
        return pack_run(file, f, r);
    }
    if (leaf.kind == LC_LEAF_BUNDLE) { /* its packs may be elsewhere: then that is said, no more */
        f->foreseen = lc_prospect_bundle(f->path, &f->prospect, &diag) == LC_OK;
        if (!f->foreseen) {
            (void)lc_ui_diag(f->path, &diag, "its packs are looked for beside it");
        }
    }
    findings_print(f, r);
    return LC_EXIT_OK;
}

static int source_run(lc_source *source, findings *f, const request *r)
{
    lc_diag refusal = {0};
    int rc = gguf_read(source, f, &refusal);
    if (rc != LC_UI_GO) {
        return rc;
    }
    findings_print(f, r);
    if (!f->refusal) {
        return LC_EXIT_OK;
    }
    /* An architecture of others may be looked at; one of ours that contradicts itself is broken. */
    rc = lc_source_diag(source, &refusal);
    bool ours = lc_arch_by_name(f->arch, (uint32_t)strlen(f->arch)) != NULL;
    return ours ? rc : LC_EXIT_OK;
}

/* A GGUF file or a checkpoint. */
static int gguf_run(findings *f, const request *r)
{
    lc_source source;
    if (r->verify) {
        return lc_ui_error(LC_EXIT_USAGE, f->path, NULL,
                           "--verify: only packs and bundles carry hashes");
    }
    int rc = lc_source_open(f->path, true, &source);
    if (rc != LC_UI_GO) {
        return rc;
    }
    for (uint32_t i = 0; source.folder && i < source.hf.file_count; i++) {
        f->bytes += source.hf.file[i].map.bytes;
    }
    rc = source_run(&source, f, r);
    lc_source_close(&source);
    return rc;
}

int lc_verb_inspect(int argc, char **argv)
{
    request r = {.json = false};
    const lc_opt options[] = {
        {"verify", NULL, LC_OPT_FLAG, &r.verify, "recompute every hash and check the padding"},
        {"all", NULL, LC_OPT_FLAG, &r.all, "sections and tensors, too, one a line"},
        LC_OPT_ROW_JSON(&r.json),
    };
    const lc_usage usage = {
        "inspect",
        "FILE",
        "Prints what a GGUF, checkpoint folder, pack or bundle holds, and where it runs how fast.",
        options,
        LC_COUNT(options),
        1};
    lc_files files;
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (files.count != 1) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "leafcutter inspect --help lists the options",
                           "inspect wants one file");
    }
    findings f = {.path = files.path[0]};
    lc_map file = {0};
    bool folder = lc_hf_is_folder(f.path);
    rc = folder ? LC_UI_GO : lc_ui_map(f.path, &file);
    if (rc != LC_UI_GO) {
        return rc;
    }
    f.bytes = file.bytes;
    bool gguf = folder || (file.bytes >= 4 && memcmp(file.data, "GGUF", 4) == 0);
    rc = gguf ? gguf_run(&f, &r) : leaf_run(&file, &f, &r);
    free(f.tensor);
    if (!folder) {
        lc_map_close(&file);
    }
    return rc;
}
