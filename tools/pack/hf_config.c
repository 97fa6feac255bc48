/* hf_config.c - config.json: class, sizes, rotation, windows, labels; and the pooling beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../kernels/math.h"
#include "../../runtime/limits.h"
#include "../../runtime/model.h"
#include "hf_parts.h"
#include "real.h"

#define PI 3.14159265358979323846

static const lc_hf_class classes[] = {
    {"LlamaModel", LC_ARCH_LLAMA, LC_HF_BARE},
    {"LlamaForCausalLM", LC_ARCH_LLAMA, LC_HF_LM},
    {"LlamaForSequenceClassification", LC_ARCH_LLAMA, LC_HF_SCORES},
    {"Qwen2Model", LC_ARCH_QWEN2, LC_HF_BARE},
    {"Qwen2ForCausalLM", LC_ARCH_QWEN2, LC_HF_LM},
    {"Qwen2ForSequenceClassification", LC_ARCH_QWEN2, LC_HF_SCORES},
    {"Qwen3Model", LC_ARCH_QWEN3, LC_HF_BARE},
    {"Qwen3ForCausalLM", LC_ARCH_QWEN3, LC_HF_LM},
    {"Qwen3ForSequenceClassification", LC_ARCH_QWEN3, LC_HF_SCORES},
    {"Gemma3TextModel", LC_ARCH_GEMMA3, LC_HF_BARE},
    {"Gemma3ForCausalLM", LC_ARCH_GEMMA3, LC_HF_LM},
    {"Gemma3TextForSequenceClassification", LC_ARCH_GEMMA3, LC_HF_SCORES},
    {"Gemma2Model", LC_ARCH_GEMMA2, LC_HF_BARE},
    {"Gemma2ForCausalLM", LC_ARCH_GEMMA2, LC_HF_LM},
    {"Gemma2ForSequenceClassification", LC_ARCH_GEMMA2, LC_HF_SCORES},
    {"BertModel", LC_ARCH_BERT, LC_HF_BARE},
    {"BertForMaskedLM", LC_ARCH_BERT, LC_HF_MASKED},
    {"BertForPreTraining", LC_ARCH_BERT, LC_HF_MASKED},
    {"BertForSequenceClassification", LC_ARCH_BERT, LC_HF_SCORES},
    {"GraniteModel", LC_ARCH_GRANITE, LC_HF_BARE},
    {"GraniteForCausalLM", LC_ARCH_GRANITE, LC_HF_LM},
    {"Lfm2Model", LC_ARCH_LFM2, LC_HF_BARE},
    {"Lfm2ForCausalLM", LC_ARCH_LFM2, LC_HF_LM},
    {"ModernBertModel", LC_ARCH_MODERN_BERT, LC_HF_BARE},
    {"ModernBertForMaskedLM", LC_ARCH_MODERN_BERT, LC_HF_MASKED},
    {"ModernBertForSequenceClassification", LC_ARCH_MODERN_BERT, LC_HF_SCORES},
};

#define BIT(arch) (1u << LC_ARCH_##arch)
#define ENCODERS (BIT(BERT) | BIT(MODERN_BERT))
#define GEMMAS (BIT(GEMMA2) | BIT(GEMMA3))
#define DECODERS (BIT(LLAMA) | BIT(QWEN2) | BIT(QWEN3) | GEMMAS | BIT(GRANITE))
#define ALL (ENCODERS | DECODERS | BIT(LFM2))

typedef enum measure { WHOLE, REAL } measure;

/* Numbers that only change their name; pack_info checks their ranges. */
typedef struct row {
    const char *theirs, *ours;
    measure kind;
    uint32_t archs, optional; /* bits: which architectures have it, and may leave it out */
} row;

static const row rows[] = {
    {"num_hidden_layers", "block_count", WHOLE, ALL, 0},
    {"hidden_size", "embedding_length", WHOLE, ALL, 0},
    {"intermediate_size", "feed_forward_length", WHOLE, ENCODERS | DECODERS, 0},
    {"num_attention_heads", "attention.head_count", WHOLE, ALL, 0},
    {"num_key_value_heads", "attention.head_count_kv", WHOLE, DECODERS, BIT(LLAMA) | BIT(GRANITE)},
    {"head_dim", "attention.key_length", WHOLE, DECODERS, BIT(LLAMA) | BIT(QWEN2) | BIT(GRANITE)},
    {"head_dim", "attention.value_length", WHOLE, DECODERS, BIT(LLAMA) | BIT(QWEN2) | BIT(GRANITE)},
    {"max_position_embeddings", "context_length", WHOLE, ALL, 0},
    {"rms_norm_eps", "attention.layer_norm_rms_epsilon", REAL, DECODERS, 0},
    {"norm_eps", "attention.layer_norm_rms_epsilon", REAL, BIT(LFM2), 0},
    {"conv_L_cache", "shortconv.l_cache", WHOLE, BIT(LFM2), 0},
    {"layer_norm_eps", "attention.layer_norm_epsilon", REAL, BIT(BERT), 0},
    {"norm_eps", "attention.layer_norm_epsilon", REAL, BIT(MODERN_BERT), 0},
    {"embedding_multiplier", "embedding_scale", REAL, BIT(GRANITE), 0},
    {"residual_multiplier", "residual_scale", REAL, BIT(GRANITE), 0},
    {"attention_multiplier", "attention.scale", REAL, BIT(GRANITE), 0},
    {"logits_scaling", "logit_scale", REAL, BIT(GRANITE), 0},
    {"attn_logit_softcapping", "attn_logit_softcapping", REAL, BIT(GEMMA2), 0}, /* null: none */
    {"final_logit_softcapping", "final_logit_softcapping", REAL, GEMMAS, BIT(GEMMA3)},
};

/* What must say this, null or nothing: anything else computes otherwise. */
typedef struct guard {
    const char *key;
    const char *word; /* a text, or NULL: false, zero or an empty object */
    uint32_t archs;
    bool needed;
} guard;

static const guard guards[] = {
    {"hidden_act", "silu", DECODERS & ~GEMMAS, true},
    {"hidden_act", "gelu", BIT(BERT), true},
    {"hidden_activation", "gelu_pytorch_tanh", GEMMAS, true},
    {"hidden_activation", "gelu", BIT(MODERN_BERT), true},
    {"classifier_activation", "gelu", BIT(MODERN_BERT), false},
    {"conv_bias", NULL, BIT(LFM2), false},
    {"position_embedding_type", "absolute", BIT(BERT), false},
    {"use_sliding_window", NULL, DECODERS, false},
    {"attn_logit_softcapping", NULL, DECODERS & ~BIT(GEMMA2), false},
    {"use_bidirectional_attention", NULL, DECODERS, false},
    {"is_decoder", NULL, BIT(BERT), false},
    {"add_cross_attention", NULL, BIT(BERT), false},
    {"pruned_heads", NULL, ALL, false},
    {"quantization_config", NULL, ALL, false},
};

static lc_err wrong(lc_hf_read *r, lc_err err, const char *key, const char *reason)
{
    return lc_hf_fail(r, LC_HF_CONFIG, err, key, "%s", reason);
}

/* ---- class ---- */

static lc_err read_class(lc_hf_read *r)
{
    const cJSON *list = lc_hf_get(r->config, "architectures");
    const cJSON *name = cJSON_IsArray(list) ? list->child : NULL;
    if (!cJSON_IsString(name) || name->next) {
        return wrong(r, LC_ERR_FORMAT, "architectures", "not one name in a list");
    }
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (strcmp(name->valuestring, classes[i].name) == 0) {
            r->model = &classes[i];
            r->arch = lc_arch_by_id(classes[i].arch);
            r->hf->arch = (uint8_t)classes[i].arch;
            return LC_OK;
        }
    }
    return lc_hf_fail(r, LC_HF_CONFIG, LC_ERR_UNSUPPORTED, "architectures",
                      "%.80s is not supported", name->valuestring);
}

/* ---- numbers and guards ---- */

static lc_err read_row(lc_hf_read *r, const row *w)
{
    char key[96];
    uint32_t whole = 0;
    const cJSON *item = lc_hf_get(r->config, w->theirs);
    if (!item) {
        return (w->optional >> r->arch->id & 1) != 0
                   ? LC_OK
                   : wrong(r, LC_ERR_FORMAT, w->theirs, "missing");
    }
    if (w->kind == WHOLE && lc_hf_whole(item, &whole)) {
        lc_hf_put_u32(r, lc_hf_key(r, w->ours, key), whole);
        return LC_OK;
    }
    if (w->kind == REAL && cJSON_IsNumber(item)) {
        lc_hf_put_f32(r, lc_hf_key(r, w->ours, key), item->valuedouble);
        return LC_OK;
    }
    return wrong(r, LC_ERR_FORMAT, w->theirs,
                 w->kind == WHOLE ? "not a whole number" : "not a number");
}

static bool says_nothing(const cJSON *item)
{
    return cJSON_IsFalse(item) || (cJSON_IsNumber(item) && item->valuedouble == 0.0) ||
           ((cJSON_IsObject(item) || cJSON_IsArray(item)) && !item->child);
}

static lc_err check_guard(lc_hf_read *r, const guard *g)
{
    const cJSON *item = lc_hf_get(r->config, g->key);
    if (!item) {
        return g->needed ? wrong(r, LC_ERR_FORMAT, g->key, "missing") : LC_OK;
    }
    if (!g->word) {
        return says_nothing(item) ? LC_OK : wrong(r, LC_ERR_UNSUPPORTED, g->key, "not supported");
    }
    if (!cJSON_IsString(item)) {
        return wrong(r, LC_ERR_FORMAT, g->key, "not a text");
    }
    return strcmp(item->valuestring, g->word) == 0
               ? LC_OK
               : lc_hf_fail(r, LC_HF_CONFIG, LC_ERR_UNSUPPORTED, g->key,
                            "%.60s is not supported (%s is)", item->valuestring, g->word);
}

static lc_err read_numbers(lc_hf_read *r)
{
    lc_err err = LC_OK;
    uint32_t bit = 1u << r->arch->id;
    for (size_t i = 0; !err && i < sizeof rows / sizeof rows[0]; i++) {
        err = (rows[i].archs & bit) != 0 ? read_row(r, &rows[i]) : LC_OK;
    }
    for (size_t i = 0; !err && i < sizeof guards / sizeof guards[0]; i++) {
        err = (guards[i].archs & bit) != 0 ? check_guard(r, &guards[i]) : LC_OK;
    }
    return err;
}

static lc_err read_real(lc_hf_read *r, const cJSON *object, const char *key, double *value)
{
    const cJSON *item = lc_hf_get(object, key);
    if (item && !(cJSON_IsNumber(item) && item->valuedouble > 0.0 && item->valuedouble < 1e18)) {
        return wrong(r, LC_ERR_FORMAT, key, "not a number over 0");
    }
    *value = item ? item->valuedouble : *value;
    return LC_OK;
}

/* q . k is scaled by query_pre_attn_scalar^-0.5, which is the head size but in the largest Gemma 2,
 * which pack_info knows by its layers. */
static lc_err read_attn_scale(lc_hf_read *r)
{
    double scalar = 0.0, size = lc_json_real(r->config, "head_dim", 0.0);
    if ((GEMMAS >> r->arch->id & 1) == 0) {
        return LC_OK;
    }
    lc_err err = read_real(r, r->config, "query_pre_attn_scalar", &scalar);
    if (r->arch->id == LC_ARCH_GEMMA2 &&
        lc_json_real(r->config, "num_hidden_layers", 0.0) == 46.0) {
        size = lc_json_real(r->config, "hidden_size", 0.0) /
               lc_json_real(r->config, "num_attention_heads", 1.0);
    }
    if (!err && scalar != size) {
        err = wrong(r, LC_ERR_UNSUPPORTED, "query_pre_attn_scalar",
                    "other than head_dim is not supported");
    }
    return err;
}

/* ---- rotation ---- */

/* What config.json says of the rotation of one kind of layer, old form or new. */
typedef struct rope {
    const cJSON *scaling; /* or NULL */
    double theta;
} rope;

/* Newer files: rope_parameters, or one for each kind of layer; older ones: rope_theta (for local
 * layers a key of its own) and rope_scaling, which is for the others. */
static lc_err read_rope_of(lc_hf_read *r, const char *kind, const char *old, rope *out)
{
    const cJSON *all = lc_hf_get(r->config, "rope_parameters");
    const cJSON *own = lc_hf_get(all, kind);
    bool local = strcmp(kind, "sliding_attention") == 0;
    lc_err err = LC_OK;
    out->scaling = local ? NULL : lc_hf_get(r->config, "rope_scaling");
    if (all) {
        out->scaling = own ? own : all;
        bool fits =
            cJSON_IsObject(all) && cJSON_IsObject(out->scaling) &&
            (own || !(lc_hf_get(all, "full_attention") || lc_hf_get(all, "sliding_attention")));
        err = fits ? lc_hf_unique(r, LC_HF_CONFIG, "rope_parameters", out->scaling)
                   : wrong(r, LC_ERR_FORMAT, "rope_parameters", "not an object of this form");
        return err ? err : read_real(r, out->scaling, "rope_theta", &out->theta);
    }
    if (out->scaling && !cJSON_IsObject(out->scaling)) {
        return wrong(r, LC_ERR_FORMAT, "rope_scaling", "not an object");
    }
    if (out->scaling) {
        err = lc_hf_unique(r, LC_HF_CONFIG, "rope_scaling", out->scaling);
    }
    return err ? err : read_real(r, r->config, old, &out->theta);
}

/* Factors that divide the frequencies of Llama 3, as its files in GGUF carry them. */
static lc_err make_factors(lc_hf_read *r, const rope *from, uint32_t dims)
{
    double factor = 8.0, low = 1.0, high = 4.0, old = 8192.0;
    lc_err err = read_real(r, from->scaling, "factor", &factor);
    if (!err) {
        err = read_real(r, from->scaling, "low_freq_factor", &low);
    }
    if (!err) {
        err = read_real(r, from->scaling, "high_freq_factor", &high);
    }
    if (!err) {
        err = read_real(r, from->scaling, "original_max_position_embeddings", &old);
    }
    if (!err && !(high > low)) {
        err = wrong(r, LC_ERR_FORMAT, "high_freq_factor", "not over low_freq_factor");
    }
    float *factors = err ? NULL : calloc(dims / 2 + 1, sizeof *factors);
    if (!err && !factors) {
        return wrong(r, LC_ERR_ARENA, "", "out of memory");
    }
    for (uint32_t i = 0; !err && i < dims / 2; i++) {
        double length = 2.0 * PI / lc_real_pow(from->theta, -2.0 * (double)i / (double)dims);
        double smooth = (old / length - low) / (high - low);
        smooth = smooth < 0.0 ? 0.0 : smooth > 1.0 ? 1.0 : smooth;
        factors[i] = (float)(1.0 / ((1.0 - smooth) / factor + smooth));
    }
    r->hf->rope_factors = factors;
    return err;
}

uint32_t lc_hf_head_size(const lc_hf_read *r)
{
    uint32_t width = 0, heads = 0, size = 0;
    bool stated = lc_hf_whole(lc_hf_get(r->config, "head_dim"), &size);
    bool known = lc_hf_whole(lc_hf_get(r->config, "hidden_size"), &width) &&
                 lc_hf_whole(lc_hf_get(r->config, "num_attention_heads"), &heads) && heads > 0;
    return stated ? size : known ? width / heads : 0;
}

/* YaRN under its names in GGUF. There scores grow by 1 + log(factor) / 10 and attn_factor; here
 * that is what they grow by unless attention_factor says another number. */
static lc_err put_yarn(lc_hf_read *r, const rope *from)
{
    char key[96];
    double factor = 0.0, fast = 32.0, slow = 1.0, attention = 0.0, old = 0.0;
    const struct {
        const char *theirs, *ours;
        double *value;
    } reals[] = {{"factor", "rope.scaling.factor", &factor},
                 {"beta_fast", "rope.scaling.yarn_beta_fast", &fast},
                 {"beta_slow", "rope.scaling.yarn_beta_slow", &slow},
                 {"attention_factor", "rope.scaling.attn_factor", &attention},
                 {"original_max_position_embeddings", NULL, &old}};
    lc_err err = LC_OK;
    for (size_t i = 0; !err && i < sizeof reals / sizeof reals[0]; i++) {
        err = read_real(r, from->scaling, reals[i].theirs, reals[i].value);
    }
    if (!err && !lc_json_bool(from->scaling, "truncate", true)) {
        err = wrong(r, LC_ERR_UNSUPPORTED, "truncate", "false is not supported");
    }
    if (!err &&
        (lc_hf_get(from->scaling, "mscale") || lc_hf_get(from->scaling, "mscale_all_dim"))) {
        err = wrong(r, LC_ERR_UNSUPPORTED, "mscale", "not supported");
    }
    if (!err && (factor < 1.0 || old < 1.0 || old > 1e9)) {
        err = wrong(r, LC_ERR_FORMAT, factor < 1.0 ? reals[0].theirs : reals[4].theirs,
                    "missing or out of range");
    }
    double own = 1.0 + 0.1 * lc_log(factor < 1.0 ? 1.0 : factor);
    attention = attention > 0.0 ? attention / own : 1.0;
    lc_hf_put_str(r, lc_hf_key(r, "rope.scaling.type", key), "yarn");
    for (size_t i = 0; i < 4; i++) {
        lc_hf_put_f32(r, lc_hf_key(r, reals[i].ours, key), *reals[i].value);
    }
    lc_hf_put_u32(r, lc_hf_key(r, "rope.scaling.original_context_length", key),
                  err ? 0 : (uint32_t)old);
    return err;
}

static lc_err put_scaling(lc_hf_read *r, const rope *from)
{
    char key[96];
    double factor = 1.0;
    const char *type =
        lc_json_text(from->scaling, "rope_type", lc_json_text(from->scaling, "type", "default"));
    if (!from->scaling || strcmp(type, "default") == 0) {
        return LC_OK;
    }
    if (strcmp(type, "linear") == 0) {
        lc_err err = read_real(r, from->scaling, "factor", &factor);
        lc_hf_put_str(r, lc_hf_key(r, "rope.scaling.type", key), "linear");
        lc_hf_put_f32(r, lc_hf_key(r, "rope.scaling.factor", key), factor);
        return err;
    }
    if (strcmp(type, "yarn") == 0) {
        return put_yarn(r, from);
    }
    uint32_t dims = lc_hf_head_size(r);
    if (strcmp(type, "llama3") == 0 && r->arch->id != LC_ARCH_GEMMA3) {
        bool sound = dims <= LC_HEAD_DIM_MAX; /* pack_info refuses what is not */
        return sound ? make_factors(r, from, dims) : LC_OK;
    }
    return lc_hf_fail(r, LC_HF_CONFIG, LC_ERR_UNSUPPORTED, "rope_type",
                      "scaling %.40s is not supported", type);
}

static lc_err read_rope(lc_hf_read *r)
{
    char key[96];
    bool modern = r->arch->id == LC_ARCH_MODERN_BERT, two = modern || r->arch->id == LC_ARCH_GEMMA3;
    rope wide = {NULL, modern                               ? 160000.0
                       : two || r->arch->id == LC_ARCH_LFM2 ? 1e6
                                                            : 1e4},
         local = {NULL, 1e4};
    double part = 1.0;
    if (r->arch->rope == LC_ROPE_NONE) {
        return LC_OK;
    }
    lc_err err =
        read_rope_of(r, "full_attention", modern ? "global_rope_theta" : "rope_theta", &wide);
    if (!err && two) {
        err = read_rope_of(r, "sliding_attention",
                           modern ? "local_rope_theta" : "rope_local_base_freq", &local);
    }
    if (!err && local.scaling &&
        strcmp(lc_json_text(local.scaling, "rope_type", "default"), "default") != 0) {
        err = wrong(r, LC_ERR_UNSUPPORTED, "rope_parameters.sliding_attention",
                    "scaling of local layers is not supported");
    }
    if (!err) {
        err = read_real(r,
                        wide.scaling && lc_hf_get(wide.scaling, "partial_rotary_factor")
                            ? wide.scaling
                            : r->config,
                        "partial_rotary_factor", &part);
    }
    if (!err && part != 1.0) {
        err = wrong(r, LC_ERR_UNSUPPORTED, "partial_rotary_factor", "not supported");
    }
    if (err) {
        return err;
    }
    lc_hf_put_f32(r, lc_hf_key(r, "rope.freq_base", key), wide.theta);
    if (two) {
        lc_hf_put_f32(r, lc_hf_key(r, "rope.freq_base_swa", key), local.theta);
    }
    return put_scaling(r, &wide);
}

/* ---- windows ---- */

/* Of layer i, by layer_types or else by a pattern: *local. */
static lc_err read_layer_type(lc_hf_read *r, const cJSON *item, bool *local)
{
    *local = cJSON_IsString(item) && strcmp(item->valuestring, "sliding_attention") == 0;
    bool known =
        *local || (cJSON_IsString(item) && strcmp(item->valuestring, "full_attention") == 0);
    return known ? LC_OK
                 : wrong(r, LC_ERR_UNSUPPORTED, "layer_types",
                         "neither sliding_attention nor full_attention");
}

/* Architectures with layers that look back a window only. */
static bool has_window(const lc_hf_read *r)
{
    return ((GEMMAS | BIT(MODERN_BERT)) >> r->arch->id & 1) != 0;
}

/* layer_types, one for each layer. */
static lc_err put_layer_types(lc_hf_read *r, const cJSON *types, uint32_t layers, bool *any)
{
    char key[96];
    bool local[LC_LAYERS_MAX] = {false};
    if (!cJSON_IsArray(types) || layers > LC_LAYERS_MAX ||
        (uint32_t)cJSON_GetArraySize(types) != layers) {
        return wrong(r, LC_ERR_FORMAT, "layer_types", "not one for each layer");
    }
    uint32_t i = 0;
    for (const cJSON *item = types->child; item; item = item->next) {
        lc_err err = read_layer_type(r, item, &local[i]);
        if (err) {
            return err;
        }
        *any = *any || local[i];
        i++;
    }
    if (*any && has_window(r)) {
        lc_hf_put_array(r, lc_hf_key(r, "attention.sliding_window_pattern", key), LC_GGUF_BOOL,
                        layers);
        for (i = 0; i < layers; i++) {
            lc_buf_put_u8(&r->body, local[i]);
        }
    }
    return LC_OK;
}

static lc_err read_window(lc_hf_read *r)
{
    char key[96];
    bool modern = r->arch->id == LC_ARCH_MODERN_BERT, has = has_window(r);
    const char *size = modern ? "local_attention" : "sliding_window";
    const char *period = modern ? "global_attn_every_n_layers" : "sliding_window_pattern";
    const cJSON *types = lc_hf_get(r->config, "layer_types");
    const cJSON *window = lc_hf_get(r->config, size), *pattern = lc_hf_get(r->config, period);
    uint32_t layers = 0, n = 0;
    bool any = false;
    (void)lc_hf_whole(lc_hf_get(r->config, "num_hidden_layers"), &layers);
    if (r->arch->id == LC_ARCH_LFM2) {
        return LC_OK;
    }
    lc_err err = types ? put_layer_types(r, types, layers, &any) : LC_OK;
    if (err || !has) {
        return !err && any ? wrong(r, LC_ERR_UNSUPPORTED, "layer_types",
                                   "sliding_attention is not supported in this architecture")
                           : err;
    }
    if (window && !lc_hf_whole(window, &n)) {
        return wrong(r, LC_ERR_FORMAT, size, "not a whole number");
    }
    if (types ? any && !window : !window) {
        return wrong(r, LC_ERR_FORMAT, size, "missing");
    }
    if (types && !any) {
        return LC_OK;
    }
    lc_hf_put_u32(r, lc_hf_key(r, "attention.sliding_window", key), n);
    if (!types && pattern) {
        if (!lc_hf_whole(pattern, &n)) {
            return wrong(r, LC_ERR_FORMAT, period, "not a whole number");
        }
        lc_hf_put_u32(r, lc_hf_key(r, "attention.sliding_window_pattern", key), n);
    }
    return LC_OK;
}

/* ---- short convolutions ---- */

/* The feed-forward layer of LFM2 is made smaller than config.json says, unless it says not to. */
static lc_err put_ffn(lc_hf_read *r)
{
    char key[96];
    double factor = 1.0;
    uint32_t ffn = 0, multiple = 256;
    const cJSON *step = lc_hf_get(r->config, "block_multiple_of");
    lc_err err = read_real(r, r->config, "block_ffn_dim_multiplier", &factor);
    if (!err && (!lc_hf_whole(lc_hf_get(r->config, "intermediate_size"), &ffn) || ffn > 1u << 24)) {
        err = wrong(r, LC_ERR_FORMAT, "intermediate_size", "not a whole number in range");
    }
    if (!err && step && (!lc_hf_whole(step, &multiple) || multiple == 0 || multiple > 1u << 20)) {
        err = wrong(r, LC_ERR_FORMAT, "block_multiple_of", "not a whole number in range");
    }
    if (!err && lc_json_bool(r->config, "block_auto_adjust_ff_dim", true)) {
        double scaled = (double)(2u * ffn / 3u) * factor;
        ffn = scaled < (double)(1u << 24) ? (uint32_t)scaled : 1u << 24;
        ffn = (ffn + multiple - 1) / multiple * multiple;
    }
    lc_hf_put_u32(r, lc_hf_key(r, "feed_forward_length", key), ffn);
    return err;
}

/* Which layers are convolutions GGUF says by key heads of 0. */
static lc_err read_conv(lc_hf_read *r)
{
    char key[96];
    uint32_t layers = 0, heads = 0;
    const cJSON *types = lc_hf_get(r->config, "layer_types");
    if (r->arch->id != LC_ARCH_LFM2) {
        return LC_OK;
    }
    (void)lc_hf_whole(lc_hf_get(r->config, "num_hidden_layers"), &layers);
    if (!lc_hf_whole(lc_hf_get(r->config, "num_key_value_heads"), &heads)) {
        return wrong(r, LC_ERR_FORMAT, "num_key_value_heads", "not a whole number");
    }
    if (!cJSON_IsArray(types) || (uint32_t)cJSON_GetArraySize(types) != layers) {
        return wrong(r, LC_ERR_FORMAT, "layer_types", "not one for each layer");
    }
    lc_hf_put_array(r, lc_hf_key(r, "attention.head_count_kv", key), LC_GGUF_U32, layers);
    for (const cJSON *item = types->child; item; item = item->next) {
        const char *type = cJSON_IsString(item) ? item->valuestring : "";
        bool conv = strcmp(type, "conv") == 0;
        if (!conv && strcmp(type, "full_attention") != 0) {
            return wrong(r, LC_ERR_UNSUPPORTED, "layer_types", "neither conv nor full_attention");
        }
        lc_buf_put_u32(&r->body, conv ? 0 : heads);
    }
    return put_ffn(r);
}

/* ---- labels and pooling ---- */

/* id2label: {"0": "red", "1": "green"}, in any order. */
static lc_err put_labels(lc_hf_read *r)
{
    char key[96];
    const cJSON *map = lc_hf_get(r->config, "id2label");
    int count = cJSON_IsObject(map) ? cJSON_GetArraySize(map) : 0;
    if (count < 2 || count > (int)LC_CLASSES_MAX) {
        return lc_hf_fail(r, LC_HF_CONFIG, LC_ERR_FORMAT, "id2label", "not 2 to %u labels",
                          LC_CLASSES_MAX);
    }
    lc_err err = lc_hf_unique(r, LC_HF_CONFIG, "id2label", map);
    lc_hf_put_array(r, lc_hf_key(r, "classifier.output_labels", key), LC_GGUF_STR, (uint64_t)count);
    for (int i = 0; !err && i < count; i++) {
        char digits[12];
        (void)snprintf(digits, sizeof digits, "%d", i);
        const char *label = lc_json_text(map, digits, NULL);
        if (label) {
            lc_hf_put_text(r, label, strlen(label));
        } else {
            err = lc_hf_fail(r, LC_HF_CONFIG, LC_ERR_FORMAT, "id2label", "no text for %d", i);
        }
    }
    return err;
}

static lc_err read_scores(lc_hf_read *r)
{
    char key[96];
    bool modern = r->arch->id == LC_ARCH_MODERN_BERT;
    const char *problem = lc_json_text(r->config, "problem_type", "single_label_classification");
    const char *pooling = modern ? lc_json_text(r->config, "classifier_pooling", "?")
                          : r->arch->id == LC_ARCH_BERT ? "cls"
                                                        : "last";
    static const char *const names[] = {"mean", "cls", "last"}; /* lc_pooling from 1 on */
    uint32_t number = 1;
    if (strcmp(problem, "single_label_classification") != 0) {
        return lc_hf_fail(r, LC_HF_CONFIG, LC_ERR_UNSUPPORTED, "problem_type",
                          "%.60s is not supported", problem);
    }
    while (number < 3 && strcmp(pooling, names[number - 1]) != 0) {
        number++;
    }
    if (strcmp(pooling, names[number - 1]) != 0) {
        return wrong(r, LC_ERR_UNSUPPORTED, "classifier_pooling", "neither cls nor mean");
    }
    lc_hf_put_u32(r, lc_hf_key(r, "pooling_type", key), number);
    return put_labels(r);
}

/* Of sentence-transformers: one mode, in either form of its files. */
static lc_err read_pooling_file(lc_hf_read *r, const char *file)
{
    static const struct {
        const char *flag, *mode;
        uint32_t number;
    } modes[] = {{"pooling_mode_mean_tokens", "mean", LC_POOL_MEAN},
                 {"pooling_mode_cls_token", "cls", LC_POOL_FIRST},
                 {"pooling_mode_lasttoken", "lasttoken", LC_POOL_LAST}};
    char key[96];
    uint32_t number = LC_POOL_NONE, on = 0;
    cJSON *tree = NULL;
    lc_err err = lc_hf_json(r, file, &tree);
    const char *mode = lc_json_text(tree, "pooling_mode", "");
    for (size_t i = 0; !err && i < 3; i++) {
        if (strcmp(mode, modes[i].mode) == 0 || lc_json_bool(tree, modes[i].flag, false)) {
            number = modes[i].number;
        }
    }
    for (const cJSON *item = tree ? tree->child : NULL; item; item = item->next) {
        on += strncmp(item->string, "pooling_mode", 12) == 0 &&
              (cJSON_IsTrue(item) || cJSON_IsString(item));
    }
    if (!err && (number == LC_POOL_NONE || on != 1)) {
        err = lc_hf_fail(r, file, LC_ERR_UNSUPPORTED, "pooling_mode",
                         "not one of mean, cls and lasttoken");
    }
    cJSON_Delete(tree);
    lc_hf_put_u32(r, lc_hf_key(r, "pooling_type", key), number);
    return err;
}

/* One row of modules.json: transformer, pooling, or the normalisation that comes last. */
static lc_err read_module(lc_hf_read *r, const cJSON *m, bool *pooled)
{
    const char *type = lc_json_text(m, "type", ""), *path = lc_json_text(m, "path", "?");
    const char *dot = strrchr(type, '.'), *name = dot ? dot + 1 : type;
    char file[LC_HF_NAME_MAX];
    if (strcmp(name, "Normalize") == 0 || (strcmp(name, "Transformer") == 0 && !path[0])) {
        return LC_OK;
    }
    if (strcmp(name, "Pooling") == 0 && !*pooled) {
        *pooled = true;
        (void)snprintf(file, sizeof file, "%.63s/" LC_HF_CONFIG, path);
        return read_pooling_file(r, file);
    }
    return lc_hf_fail(r, LC_HF_MODULES, LC_ERR_UNSUPPORTED, "type", "%.80s at `%.40s`", type, path);
}

static lc_err read_modules(lc_hf_read *r)
{
    bool pooled = false;
    cJSON *tree = NULL;
    if (!lc_hf_find(r->hf, LC_HF_MODULES)) {
        return LC_OK;
    }
    lc_err err = lc_hf_json(r, LC_HF_MODULES, &tree);
    for (const cJSON *m = tree ? tree->child : NULL; !err && m; m = m->next) {
        err = read_module(r, m, &pooled);
    }
    cJSON_Delete(tree);
    return err;
}

/* ---- the whole ---- */

static lc_err read_tied(lc_hf_read *r)
{
    const cJSON *item = lc_hf_get(r->config, "tie_word_embeddings");
    if (item && !cJSON_IsBool(item)) {
        return wrong(r, LC_ERR_FORMAT, "tie_word_embeddings", "neither true nor false");
    }
    bool tied = ((GEMMAS | BIT(LFM2)) >> r->arch->id & 1) != 0;
    r->tied = item ? cJSON_IsTrue(item) : tied;
    return LC_OK;
}

lc_err lc_hf_config(lc_hf_read *r)
{
    char key[96];
    uint32_t vocab = 0;
    lc_err err = lc_hf_json(r, LC_HF_CONFIG, &r->config);
    if (!err) {
        err = read_class(r);
    }
    lc_err (*const readers[])(lc_hf_read *) = {read_tied,       read_numbers, read_conv,
                                               read_attn_scale, read_rope,    read_window};
    if (!err) {
        lc_hf_put_str(r, "general.architecture", r->arch->name);
    }
    for (size_t i = 0; !err && i < sizeof readers / sizeof readers[0]; i++) {
        err = readers[i](r);
    }
    if (!err && !lc_hf_whole(lc_hf_get(r->config, "vocab_size"), &vocab)) {
        err = wrong(r, LC_ERR_FORMAT, "vocab_size", "not a whole number");
    }
    if (err) {
        return err;
    }
    lc_hf_put_u32(r, lc_hf_key(r, "vocab_size", key), vocab);
    return r->model->head == LC_HF_SCORES ? read_scores(r) : read_modules(r);
}

bool lc_hf_config_name(const char *ours, char theirs[LC_HF_NAME_MAX])
{
    static const char *const others[][2] = {{"vocab_size", "vocab_size"},
                                            {"rope.freq_base", "rope_theta"},
                                            {"rope.freq_base_swa", "rope_theta of local layers"},
                                            {"rope.scaling.factor", "factor"},
                                            {"attention.sliding_window", "sliding_window"},
                                            {"attention.sliding_window_pattern", "layer_types"},
                                            {"classifier.output_labels", "id2label"}};
    const char *dot = strchr(ours, '.');
    const char *name = NULL, *tail = dot ? dot + 1 : ours;
    for (size_t i = 0; !name && i < sizeof rows / sizeof rows[0]; i++) {
        name = strcmp(tail, rows[i].ours) == 0 ? rows[i].theirs : NULL;
    }
    for (size_t i = 0; !name && i < sizeof others / sizeof others[0]; i++) {
        name = strcmp(tail, others[i][0]) == 0 ? others[i][1] : NULL;
    }
    if (name) {
        (void)snprintf(theirs, LC_HF_NAME_MAX, "%s", name);
    }
    return name != NULL;
}
