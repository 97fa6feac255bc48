/* lora_peft.c - adapters as Hugging Face's PEFT saves them: adapter_config.json beside
 * adapter_model.safetensors. Names are those of the Transformers modules. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../board/linux/json.h"
#include "fail.h"
#include "lora.h"

#define CONFIG "adapter_config.json"
#define MODULE_MAX 256u

/* Modules of a layer, after "layers.N." or "layer.N.". */
static const struct {
    const char *module;
    uint32_t role[3];
} modules[] = {
    {"self_attn.q_proj", {LC_T_Q}},
    {"self_attn.k_proj", {LC_T_K}},
    {"self_attn.v_proj", {LC_T_V}},
    {"self_attn.o_proj", {LC_T_O}},
    {"mlp.gate_proj", {LC_T_GATE}},
    {"mlp.up_proj", {LC_T_UP}},
    {"mlp.down_proj", {LC_T_DOWN}},
    {"attention.self.query", {LC_T_Q}},
    {"attention.self.key", {LC_T_K}},
    {"attention.self.value", {LC_T_V}},
    {"attention.output.dense", {LC_T_O}},
    {"intermediate.dense", {LC_T_UP}},
    {"output.dense", {LC_T_DOWN}},
    {"attn.Wqkv", {LC_T_Q, LC_T_K, LC_T_V}},
    {"attn.Wo", {LC_T_O}},
    {"mlp.Wi", {LC_T_GATE, LC_T_UP}},
    {"mlp.Wo", {LC_T_DOWN}},
};

/* What may stand before a layer: the bare model, or the model in one with a head. */
static const char *const trunks[] = {
    "layers.",
    "model.layers.",
    "encoder.layer.",
    "bert.encoder.layer.",
    "model.language_model.layers.",
    "language_model.model.layers.",
};

static const char *const half_ends[] = {".lora_A.weight", ".lora_B.weight"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* What the config says of scales. */
typedef struct config {
    cJSON *tree;
    double rank, alpha;
    bool root; /* the scale is alpha / sqrt(rank) */
    const cJSON *rank_pattern, *alpha_pattern;
} config;

/* ---- adapter_config.json ---- */

static const cJSON *get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

static lc_err refuse_key(const lc_lora_reader *r, lc_err err, const char *key, const char *reason)
{
    return lc_fail_format(r->diag, err, 0, CONFIG ": %.64s: %s", key, reason);
}

/* null, false, and empty lists and objects say nothing. */
static bool says_something(const cJSON *item)
{
    return item && !cJSON_IsNull(item) && !cJSON_IsFalse(item) &&
           !((cJSON_IsArray(item) || cJSON_IsObject(item)) && !item->child);
}

static bool is_text(const cJSON *item, const char *text)
{
    return cJSON_IsString(item) && strcmp(item->valuestring, text) == 0;
}

/* Ways to train that change more than A and B, or what they mean. Keys that only tell how the
 * adapter was trained are passed over. */
static lc_err check_kinds(const lc_lora_reader *r, const cJSON *tree)
{
    static const char *const unknown[] = {"lora_bias",         "layer_replication",
                                          "arrow_config",      "trainable_token_indices",
                                          "target_parameters", "alora_invocation_tokens"};
    static const char *const harmless[] = {"gaussian", "orthogonal", "eva"};
    if (!is_text(get(tree, "peft_type"), "LORA")) {
        return refuse_key(r, LC_ERR_UNSUPPORTED, "peft_type", "only LORA is supported");
    }
    for (size_t i = 0; i < COUNT(unknown); i++) {
        if (says_something(get(tree, unknown[i]))) {
            return refuse_key(r, LC_ERR_UNSUPPORTED, unknown[i], "is not supported");
        }
    }
    for (const cJSON *item = tree->child; item; item = item->next) {
        if (strncmp(item->string, "use_", 4) == 0 && says_something(item) &&
            strcmp(item->string, "use_rslora") != 0) {
            return refuse_key(r, LC_ERR_UNSUPPORTED, item->string,
                              "is not supported, only plain and rank-stabilised LoRA");
        }
    }
    const cJSON *bias = get(tree, "bias"), *init = get(tree, "init_lora_weights");
    if (bias && !is_text(bias, "none")) {
        return refuse_key(r, LC_ERR_UNSUPPORTED, "bias", "only none is supported");
    }
    bool fine = !cJSON_IsString(init);
    for (size_t i = 0; i < COUNT(harmless); i++) {
        fine = fine || is_text(init, harmless[i]);
    }
    return fine ? LC_OK
                : refuse_key(r, LC_ERR_UNSUPPORTED, "init_lora_weights",
                             "this start changes the base's weights, too");
}

static bool in_range(const cJSON *item, double most)
{
    return cJSON_IsNumber(item) && item->valuedouble > 0.0 && item->valuedouble <= most;
}

/* Patterns are names of modules or their ends; PEFT would take any expression. */
static lc_err check_pattern(const lc_lora_reader *r, const cJSON *tree, const char *key,
                            double most, const cJSON **pattern)
{
    *pattern = get(tree, key);
    if (!says_something(*pattern)) {
        *pattern = NULL;
        return LC_OK;
    }
    if (!cJSON_IsObject(*pattern)) {
        return refuse_key(r, LC_ERR_FORMAT, key, "not an object");
    }
    for (const cJSON *item = (*pattern)->child; item; item = item->next) {
        if (strpbrk(item->string, "^$*+?()[]{}|\\")) {
            return refuse_key(r, LC_ERR_UNSUPPORTED, key,
                              "expressions are not supported, only names of modules");
        }
        if (!in_range(item, most)) {
            return refuse_key(r, LC_ERR_FORMAT, key, "a value is out of range");
        }
    }
    return LC_OK;
}

static lc_err read_config(const lc_lora_reader *r, config *c)
{
    lc_json_diag wrong;
    if (lc_json_parse(r->file->config, r->file->config_bytes, LC_JSON_NO_NUL, &c->tree, &wrong)) {
        return lc_fail_format(r->diag, wrong.err, 0, CONFIG ": %s", wrong.text);
    }
    if (!cJSON_IsObject(c->tree)) {
        return lc_fail(r->diag, LC_ERR_FORMAT, 0, CONFIG ": not an object");
    }
    lc_err err = check_kinds(r, c->tree);
    if (!err && !in_range(get(c->tree, "r"), LC_RANK_MAX)) {
        err = refuse_key(r, LC_ERR_FORMAT, "r", "not a rank in 1 to 256");
    }
    if (!err && !in_range(get(c->tree, "lora_alpha"), LC_LORA_ALPHA_MAX)) {
        err = refuse_key(r, LC_ERR_FORMAT, "lora_alpha", "not a number above 0, up to 65536");
    }
    if (!err) {
        err = check_pattern(r, c->tree, "rank_pattern", LC_RANK_MAX, &c->rank_pattern);
    }
    if (!err) {
        err = check_pattern(r, c->tree, "alpha_pattern", LC_LORA_ALPHA_MAX, &c->alpha_pattern);
    }
    if (!err) {
        c->rank = get(c->tree, "r")->valuedouble;
        c->alpha = get(c->tree, "lora_alpha")->valuedouble;
        c->root = cJSON_IsTrue(get(c->tree, "use_rslora"));
    }
    return err;
}

/* The first pattern that is the module's name or its end behind a dot. */
static double by_pattern(const cJSON *pattern, const char *module, double otherwise)
{
    size_t bytes = strlen(module);
    for (const cJSON *item = pattern ? pattern->child : NULL; item; item = item->next) {
        size_t n = strlen(item->string);
        if (n <= bytes && memcmp(module + bytes - n, item->string, n) == 0 &&
            (n == bytes || module[bytes - n - 1] == '.')) {
            return item->valuedouble;
        }
    }
    return otherwise;
}

/* ---- names of tensors ---- */

/* "base_model.model." and, as old versions write it, ".modules_to_save" are taken off. */
static bool module_of(const lc_gguf_tensor *t, char module[MODULE_MAX])
{
    static const char before[] = "base_model.model.", within[] = ".modules_to_save.";
    lc_str name = t->name;
    if (name.bytes >= MODULE_MAX || strncmp(name.data, before, sizeof before - 1) != 0) {
        return false;
    }
    memcpy(module, name.data + sizeof before - 1, name.bytes + 1 - (sizeof before - 1));
    char *cut = strstr(module, within);
    if (cut) {
        memmove(cut + 1, cut + sizeof within - 1, strlen(cut + sizeof within - 1) + 1);
    }
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

/* "model.layers.3.self_attn.q_proj" to its place. */
static bool place_of(const char *module, lc_lora_place *place)
{
    const char *end = module + strlen(module);
    *place = (lc_lora_place){.layer = LC_GLOBAL};
    if (strcmp(module, "lm_head") == 0) {
        place->role[0] = LC_T_OUTPUT;
        return true;
    }
    for (size_t i = 0; i < COUNT(trunks); i++) {
        size_t n = strlen(trunks[i]);
        const char *at = module + n;
        if (strncmp(module, trunks[i], n) != 0 || !lc_lora_layer_number(&at, end, &place->layer)) {
            continue;
        }
        for (size_t k = 0; k < COUNT(modules); k++) {
            if (strcmp(at, modules[k].module) == 0) {
                memcpy(place->role, modules[k].role, sizeof place->role);
                return true;
            }
        }
    }
    return false;
}

static lc_err refuse(const lc_lora_reader *r, const lc_gguf_tensor *t, const char *reason)
{
    return lc_fail_format(r->diag, LC_ERR_UNSUPPORTED, t->offset, "%.*s: %s", (int)t->name.bytes,
                          t->name.data, reason);
}

/* Heads by which a role's rows are parted when the model turns neighbouring dimensions: llama's
 * files hold them in halves, packs in pairs. */
static uint32_t heads_of(const lc_lora_reader *r, uint32_t role)
{
    bool turned = r->arch->rope == LC_ROPE_PAIRS && (role == LC_T_Q || role == LC_T_K);
    uint32_t heads = role == LC_T_Q ? r->info->heads : r->info->kv_heads;
    return turned ? heads : 0;
}

/* Rank as the config says, scale into each pair of the place. */
static lc_err set_scales(lc_lora_reader *r, const config *c, const char *module,
                         const lc_lora_place *place, const lc_gguf_tensor *b)
{
    double rank = by_pattern(c->rank_pattern, module, c->rank);
    double alpha = by_pattern(c->alpha_pattern, module, c->alpha);
    if (rank != (double)b->ne[0]) {
        return lc_fail_format(r->diag, LC_ERR_FORMAT, b->offset,
                              "%.*s: rank %llu, " CONFIG " says %.0f", (int)b->name.bytes,
                              b->name.data, (unsigned long long)b->ne[0], rank);
    }
    for (uint32_t i = 0; i < r->source->count; i++) {
        lc_lora_pair *pair = &r->source->pair[i];
        if (pair->b == b) {
            pair->scale = alpha / (c->root ? sqrt(rank) : rank) * r->file->scale;
            pair->heads = place->role[1] == 0 ? heads_of(r, pair->role) : 0;
        }
    }
    return LC_OK;
}

static lc_err take_tensor(lc_lora_reader *r, const config *c, const lc_gguf_tensor *t)
{
    char module[MODULE_MAX];
    lc_lora_place place;
    if (!module_of(t, module)) {
        return refuse(r, t, "not a tensor of an adapter");
    }
    for (uint32_t half = 0; half < 2; half++) {
        if (ends_with(module, half_ends[half])) {
            module[strlen(module) - strlen(half_ends[half])] = 0;
            if (!place_of(module, &place)) {
                return refuse(r, t, "corrections of this module are not supported");
            }
            lc_err err = lc_lora_take(r, &place, t, half);
            return err || half == 0 ? err : set_scales(r, c, module, &place, t);
        }
    }
    bool weights = strcmp(module, "score.weight") == 0 || strcmp(module, "classifier.weight") == 0;
    bool bias = strcmp(module, "score.bias") == 0 || strcmp(module, "classifier.bias") == 0;
    const lc_gguf_tensor **head = weights ? &r->source->cls : &r->source->cls_bias;
    if ((weights || bias) && !*head) {
        *head = t;
        return LC_OK;
    }
    return refuse(r, t,
                  strstr(module, "magnitude") ? "DoRA is not supported"
                                              : "saving this module is not supported");
}

lc_err lc_lora_peft(lc_lora_reader *r)
{
    config c = {0};
    lc_safetensors *st = &r->source->tensors;
    lc_err err = read_config(r, &c);
    if (!err) {
        err = lc_safetensors_open(r->file->data, r->file->bytes, st, r->diag);
    }
    for (uint32_t i = 0; !err && i < st->tensor_count; i++) {
        err = take_tensor(r, &c, &st->tensor[i]);
    }
    cJSON_Delete(c.tree);
    return err;
}
