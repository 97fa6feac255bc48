/* hf_tensors.c - the tensors of a checkpoint under the names that a GGUF gives them. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../runtime/limits.h"
#include "../../runtime/model.h"
#include "fail.h"
#include "gguf_types.h"
#include "hf_parts.h"

/* `#` is the number of a layer, which GGUF names `blk.#.`; `.weight` and `.bias` follow. */
typedef struct name_row {
    const char *theirs, *ours;
} name_row;

static const name_row decoder[] = {
    {"embed_tokens", "token_embd"},
    {"norm", "output_norm"},
    {"lm_head", "output"},
    {"score", "cls.output"},
    {"layers.#.input_layernorm", "attn_norm"},
    {"layers.#.self_attn.q_proj", "attn_q"},
    {"layers.#.self_attn.k_proj", "attn_k"},
    {"layers.#.self_attn.v_proj", "attn_v"},
    {"layers.#.self_attn.o_proj", "attn_output"},
    {"layers.#.self_attn.q_norm", "attn_q_norm"},
    {"layers.#.self_attn.k_norm", "attn_k_norm"},
    {"layers.#.mlp.gate_proj", "ffn_gate"},
    {"layers.#.mlp.up_proj", "ffn_up"},
    {"layers.#.mlp.down_proj", "ffn_down"},
    {"layers.#.post_attention_layernorm", "ffn_norm"},
    {NULL, NULL},
};
static const name_row gemma[] = {
    {"embed_tokens", "token_embd"},
    {"norm", "output_norm"},
    {"lm_head", "output"},
    {"score", "cls.output"},
    {"layers.#.input_layernorm", "attn_norm"},
    {"layers.#.self_attn.q_proj", "attn_q"},
    {"layers.#.self_attn.k_proj", "attn_k"},
    {"layers.#.self_attn.v_proj", "attn_v"},
    {"layers.#.self_attn.o_proj", "attn_output"},
    {"layers.#.self_attn.q_norm", "attn_q_norm"},
    {"layers.#.self_attn.k_norm", "attn_k_norm"},
    {"layers.#.mlp.gate_proj", "ffn_gate"},
    {"layers.#.mlp.up_proj", "ffn_up"},
    {"layers.#.mlp.down_proj", "ffn_down"},
    {"layers.#.post_attention_layernorm", "post_attention_norm"},
    {"layers.#.pre_feedforward_layernorm", "ffn_norm"},
    {"layers.#.post_feedforward_layernorm", "post_ffw_norm"},
    {NULL, NULL},
};
static const name_row lfm2[] = {
    {"embed_tokens", "token_embd"},
    {"embedding_norm", "token_embd_norm"},
    {"lm_head", "output"},
    {"layers.#.operator_norm", "attn_norm"},
    {"layers.#.self_attn.q_proj", "attn_q"},
    {"layers.#.self_attn.k_proj", "attn_k"},
    {"layers.#.self_attn.v_proj", "attn_v"},
    {"layers.#.self_attn.out_proj", "attn_output"},
    {"layers.#.self_attn.q_layernorm", "attn_q_norm"},
    {"layers.#.self_attn.k_layernorm", "attn_k_norm"},
    {"layers.#.conv.in_proj", "shortconv.in_proj"},
    {"layers.#.conv.conv", "shortconv.conv"},
    {"layers.#.conv.out_proj", "shortconv.out_proj"},
    {"layers.#.ffn_norm", "ffn_norm"},
    {"layers.#.feed_forward.w1", "ffn_gate"},
    {"layers.#.feed_forward.w3", "ffn_up"},
    {"layers.#.feed_forward.w2", "ffn_down"},
    {NULL, NULL},
};
static const name_row bert[] = {
    {"embeddings.word_embeddings", "token_embd"},
    {"embeddings.position_embeddings", "position_embd"},
    {"embeddings.token_type_embeddings", "token_types"},
    {"embeddings.LayerNorm", "token_embd_norm"},
    {"encoder.layer.#.attention.self.query", "attn_q"},
    {"encoder.layer.#.attention.self.key", "attn_k"},
    {"encoder.layer.#.attention.self.value", "attn_v"},
    {"encoder.layer.#.attention.output.dense", "attn_output"},
    {"encoder.layer.#.attention.output.LayerNorm", "attn_output_norm"},
    {"encoder.layer.#.intermediate.dense", "ffn_up"},
    {"encoder.layer.#.output.dense", "ffn_down"},
    {"encoder.layer.#.output.LayerNorm", "layer_output_norm"},
    {"pooler.dense", "cls"},
    {"classifier", "cls.output"},
    {NULL, NULL},
};
static const name_row modern_bert[] = {
    {"embeddings.tok_embeddings", "token_embd"},
    {"embeddings.norm", "token_embd_norm"},
    {"layers.#.attn_norm", "attn_norm"},
    {"layers.#.attn.Wqkv", "attn_qkv"},
    {"layers.#.attn.Wo", "attn_output"},
    {"layers.#.mlp_norm", "ffn_norm"},
    {"layers.#.mlp.Wi", "ffn_up"},
    {"layers.#.mlp.Wo", "ffn_down"},
    {"final_norm", "output_norm"},
    {"head.dense", "cls"},
    {"head.norm", "cls.norm"},
    {"classifier", "cls.output"},
    {NULL, NULL},
};

/* What checkpoints may hold and the network does not use. */
typedef struct spare {
    const char *begin;
    uint32_t arch;
    lc_hf_head head; /* only with this one */
} spare;

static const spare spares[] = {
    {"cls.predictions.", LC_ARCH_BERT, LC_HF_MASKED},
    {"cls.seq_relationship.", LC_ARCH_BERT, LC_HF_MASKED},
    {"bert.pooler.dense.", LC_ARCH_BERT, LC_HF_MASKED},
    {"bert.pooler.dense.", LC_ARCH_BERT, LC_HF_BARE},
    {"pooler.dense.", LC_ARCH_BERT, LC_HF_BARE},
    {"head.", LC_ARCH_MODERN_BERT, LC_HF_MASKED},
    {"decoder.", LC_ARCH_MODERN_BERT, LC_HF_MASKED},
};

static const name_row *rows_of(uint32_t arch)
{
    switch (arch) {
    case LC_ARCH_GEMMA2:
    case LC_ARCH_GEMMA3:
        return gemma;
    case LC_ARCH_LFM2:
        return lfm2;
    case LC_ARCH_BERT:
        return bert;
    case LC_ARCH_MODERN_BERT:
        return modern_bert;
    default:
        return decoder;
    }
}

/* ---- names ---- */

/* `layers.3.mlp` is `layers.#.mlp` and 3; false when numbers stand where there are none. */
static bool split_layer(const char *name, char stem[LC_HF_NAME_MAX], uint32_t *layer)
{
    size_t used = 0;
    *layer = LC_GLOBAL;
    for (size_t i = 0; name[i] && used + 1 < LC_HF_NAME_MAX; i++) {
        bool start = i > 0 && name[i - 1] == '.' && isdigit((unsigned char)name[i]);
        if (!start || *layer != LC_GLOBAL) {
            stem[used++] = name[i];
            continue;
        }
        char *end = NULL;
        unsigned long number = strtoul(name + i, &end, 10);
        bool canonical = end == name + i + 1 || name[i] != '0';
        if (*end != '.' || number >= LC_LAYERS_MAX || !canonical) {
            return false;
        }
        *layer = (uint32_t)number;
        stem[used++] = '#';
        i = (size_t)(end - name) - 1;
    }
    stem[used] = '\0';
    return true;
}

/* Old checkpoints of BERT call weight and bias of a norm gamma and beta. */
static const char *kind_of(const char *suffix)
{
    static const char *const kinds[][2] = {
        {"weight", "weight"}, {"bias", "bias"}, {"gamma", "weight"}, {"beta", "bias"}};
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(suffix, kinds[i][0]) == 0) {
            return kinds[i][1];
        }
    }
    return NULL;
}

/* The name in GGUF; false: unknown. */
static bool name_ours(uint32_t arch, const char *theirs, char ours[64])
{
    char text[LC_HF_NAME_MAX], stem[LC_HF_NAME_MAX];
    uint32_t layer;
    const char *base = arch == LC_ARCH_BERT ? "bert." : "model.";
    size_t skip = strncmp(theirs, base, strlen(base)) == 0 ? strlen(base) : 0;
    int n = snprintf(text, sizeof text, "%s", theirs + skip);
    char *dot = strrchr(text, '.');
    const char *kind = dot ? kind_of(dot + 1) : NULL;
    if (n < 0 || (size_t)n >= sizeof text || !kind) {
        return false;
    }
    *dot = '\0';
    if (!split_layer(text, stem, &layer)) {
        return false;
    }
    for (const name_row *row = rows_of(arch); row->theirs; row++) {
        if (strcmp(row->theirs, stem) == 0) {
            n = layer == LC_GLOBAL ? snprintf(ours, 64, "%s.%s", row->ours, kind)
                                   : snprintf(ours, 64, "blk.%u.%s.%s", layer, row->ours, kind);
            return n > 0 && n < 64;
        }
    }
    return false;
}

bool lc_hf_tensor_name(uint32_t arch, const char *ours, char theirs[LC_HF_NAME_MAX])
{
    char name[64] = "";
    uint32_t layer = 0;
    int used = 0;
    bool in_layer = sscanf(ours, "blk.%u.%n", &layer, &used) == 1 && used > 0;
    (void)snprintf(name, sizeof name, "%s", ours + (in_layer ? used : 0));
    char *dot = strrchr(name, '.');
    if (!dot) {
        return false;
    }
    *dot = '\0';
    for (const name_row *row = rows_of(arch); row->theirs; row++) {
        const char *mark = strchr(row->theirs, '#');
        if (strcmp(row->ours, name) != 0 || (mark != NULL) != in_layer) {
            continue;
        }
        if (mark) {
            (void)snprintf(theirs, LC_HF_NAME_MAX, "%.*s%u%s.%s", (int)(mark - row->theirs),
                           row->theirs, layer, mark + 1, dot + 1);
        } else {
            (void)snprintf(theirs, LC_HF_NAME_MAX, "%s.%s", row->theirs, dot + 1);
        }
        return true;
    }
    return false;
}

static bool is_spare(const lc_hf_read *r, const char *name)
{
    size_t bytes = strlen(name);
    if (bytes > 20 && strcmp(name + bytes - 20, ".rotary_emb.inv_freq") == 0) {
        return true; /* a table that old versions stored */
    }
    if (r->tied && r->model->head == LC_HF_LM && strcmp(name, "lm_head.weight") == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof spares / sizeof spares[0]; i++) {
        if (spares[i].arch == r->arch->id && spares[i].head == r->model->head &&
            strncmp(name, spares[i].begin, strlen(spares[i].begin)) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- the table ---- */

/* How a file of this architecture stores what the checkpoint has otherwise. */
static void set_reading(const lc_hf_read *r, lc_gguf_tensor *t, const char *ours)
{
    const cJSON *heads = lc_hf_get(r->config, "num_attention_heads");
    const cJSON *kv = lc_hf_get(r->config, "num_key_value_heads");
    uint32_t count = 0;
    if (r->arch->rope == LC_ROPE_PAIRS && strstr(ours, ".attn_q.")) {
        (void)lc_hf_whole(heads, &count);
    } else if (r->arch->rope == LC_ROPE_PAIRS && strstr(ours, ".attn_k.")) {
        (void)lc_hf_whole(kv ? kv : heads, &count);
    }
    uint64_t rows = t->dims == 1 ? t->ne[0] : t->ne[1]; /* of another number is refused later */
    t->halves = count > 0 && rows % (2u * count) == 0 ? count : 0;
    if (strstr(ours, ".shortconv.conv.") && t->dims == 3 && t->ne[1] == 1) {
        t->dims = 2; /* one channel in */
        t->ne[1] = t->ne[2];
        t->ne[2] = 1;
    }
    bool less_one = r->arch->id == LC_ARCH_GEMMA2 || r->arch->id == LC_ARCH_GEMMA3;
    t->plus_one = less_one && t->dims == 1;
}

static lc_err add_tensor(lc_hf_read *r, const lc_hf_file *file, const lc_gguf_tensor *from)
{
    lc_hf *hf = r->hf;
    lc_hf_origin *origin = &hf->origin[hf->g.tensor_count];
    const char *theirs = from->name.data;
    if (is_spare(r, theirs)) {
        return LC_OK;
    }
    bool known = name_ours(r->arch->id, theirs, origin->name);
    bool scores = known && strncmp(origin->name, "cls.", 4) == 0;
    if (!known || (scores && r->model->head != LC_HF_SCORES)) {
        r->diag->offset = from->offset;
        return lc_hf_fail(r, file->name, LC_ERR_UNSUPPORTED, theirs,
                          "a tensor that the architecture does not know");
    }
    for (uint32_t i = 0; i < hf->g.tensor_count; i++) {
        if (strcmp(hf->origin[i].name, origin->name) == 0) {
            return lc_hf_fail(r, file->name, LC_ERR_FORMAT, theirs, "also called %.100s in %.60s",
                              hf->origin[i].theirs, hf->origin[i].file->name);
        }
    }
    origin->theirs = theirs;
    origin->file = file;
    lc_gguf_tensor *t = &hf->g.tensor[hf->g.tensor_count++];
    *t = *from;
    t->name = lc_str_from(origin->name);
    set_reading(r, t, origin->name);
    return LC_OK;
}

/* The factors of single frequencies are a tensor in GGUF. */
static void add_factors(lc_hf_read *r)
{
    lc_hf *hf = r->hf;
    uint32_t dims = lc_hf_head_size(r);
    lc_hf_origin *origin = &hf->origin[hf->g.tensor_count];
    (void)snprintf(origin->name, sizeof origin->name, "rope_freqs.weight");
    origin->theirs = "rope_scaling";
    hf->g.tensor[hf->g.tensor_count++] = (lc_gguf_tensor){.name = lc_str_from(origin->name),
                                                          .type = LC_GGML_F32,
                                                          .dims = 1,
                                                          .ne = {dims / 2, 1, 1, 1},
                                                          .data = (const uint8_t *)hf->rope_factors,
                                                          .bytes = (uint64_t)dims / 2 * 4};
}

/* Opens every part; *total counts their tensors. */
static lc_err open_parts(lc_hf_read *r, uint32_t *total)
{
    static const char end[] = ".safetensors";
    lc_err err = LC_OK;
    for (uint32_t i = 0; !err && i < r->hf->file_count; i++) {
        lc_hf_file *file = &r->hf->file[i];
        size_t bytes = strlen(file->name);
        if (bytes < sizeof end || strcmp(file->name + bytes - (sizeof end - 1), end) != 0) {
            continue;
        }
        memcpy(r->hf->where, file->name, sizeof r->hf->where);
        err = lc_safetensors_open(file->map.data, file->map.bytes, &file->tensors, r->diag);
        *total += file->tensors.tensor_count;
    }
    if (!err && *total == 0) {
        err = lc_hf_fail(r, LC_HF_WEIGHTS, LC_ERR_NOT_FOUND, "",
                         "no such file (weights are read from .safetensors only)");
    }
    if (!err && *total > LC_TENSORS_MAX) {
        err = lc_hf_fail(r, LC_HF_INDEX, LC_ERR_LIMIT, "", "over %u tensors", LC_TENSORS_MAX);
    }
    return err;
}

/* Each tensor of the index lies in the part that it names. */
static lc_err check_index(lc_hf_read *r)
{
    cJSON *index = NULL;
    lc_err err = lc_hf_find(r->hf, LC_HF_INDEX) ? lc_hf_json(r, LC_HF_INDEX, &index) : LC_OK;
    const cJSON *map = lc_hf_get(index, "weight_map");
    for (const cJSON *item = map ? map->child : NULL; !err && item; item = item->next) {
        const lc_hf_file *file = cJSON_IsString(item) ? lc_hf_find(r->hf, item->valuestring) : NULL;
        if (!file || !file->tensors.tensor || !lc_safetensors_find(&file->tensors, item->string)) {
            err = lc_hf_fail(r, LC_HF_INDEX, LC_ERR_NOT_FOUND, item->string,
                             file ? "not in the file that is named" : "its file is missing");
        }
    }
    cJSON_Delete(index);
    return err;
}

lc_err lc_hf_tensors(lc_hf_read *r)
{
    lc_hf *hf = r->hf;
    uint32_t total = 0;
    lc_err err = open_parts(r, &total);
    if (!err) {
        err = check_index(r);
    }
    if (err) {
        return err;
    }
    free(hf->g.tensor);
    hf->g.tensor = calloc(total + 2u, sizeof *hf->g.tensor);
    hf->origin = calloc(total + 2u, sizeof *hf->origin);
    if (!hf->g.tensor || !hf->origin) {
        return lc_hf_fail(r, LC_HF_WEIGHTS, LC_ERR_ARENA, "", "out of memory");
    }
    for (uint32_t i = 0; !err && i < hf->file_count; i++) {
        const lc_safetensors *st = &hf->file[i].tensors;
        for (uint32_t k = 0; !err && k < st->tensor_count; k++) {
            err = add_tensor(r, &hf->file[i], &st->tensor[k]);
        }
    }
    if (!err && hf->rope_factors) {
        add_factors(r);
    }
    if (!err && r->model->head == LC_HF_LM && !r->tied &&
        !lc_gguf_tensor_find(&hf->g, "output.weight")) {
        err = lc_hf_fail(r, LC_HF_CONFIG, LC_ERR_FORMAT, "tie_word_embeddings",
                         "false, but there is no tensor lm_head.weight");
    }
    return err;
}
