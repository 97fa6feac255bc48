#include "pack_info.h"

#include <stdio.h>
#include <string.h>

#include "../../kernels/math.h"
#include "fail.h"

#define POOL_RANK 4u
#define CTX_CLAIM_MAX (1u << 24) /* a longer context is a damaged file, not a long model */

/* What files of an architecture leave unsaid, and which keys they may carry. */
typedef struct custom {
    uint32_t arch; /* lc_arch_id */
    const char *eps;
    bool causal;      /* unless the file says otherwise */
    bool multipliers; /* embedding, residual, attention and logit scales */
    bool embed_root;  /* embeddings are scaled by sqrt(width) */
    uint32_t pattern; /* every pattern-th layer sees all keys; 0: all of them do */
    bool far_first;   /* it is the first of the pattern's layers, not the last */
    double base, base_local;
    float attn_cap, logit_cap; /* not 0: soft caps, unless the file has others */
    uint32_t rank; /* what pooling 4 (rank) means; 0: it is refused */
} custom;

#define RMS_EPS "attention.layer_norm_rms_epsilon"
#define WINDOW_PATTERN "attention.sliding_window_pattern"
#define LAYER_EPS "attention.layer_norm_epsilon"

static const custom customs[] = {
    {.arch = LC_ARCH_LLAMA, .eps = RMS_EPS, .causal = true, .base = 1e4},
    {.arch = LC_ARCH_QWEN2, .eps = RMS_EPS, .causal = true, .base = 1e4},
    {.arch = LC_ARCH_QWEN3, .eps = RMS_EPS, .causal = true, .base = 1e4, .rank = LC_POOL_LAST},
    {.arch = LC_ARCH_GEMMA3,
     .eps = RMS_EPS,
     .causal = true,
     .embed_root = true,
     .pattern = 6,
     .base = 1e6,
     .base_local = 1e4},
    {.arch = LC_ARCH_BERT, .eps = LAYER_EPS, .rank = LC_POOL_FIRST},
    {.arch = LC_ARCH_GRANITE, .eps = RMS_EPS, .causal = true, .multipliers = true, .base = 1e4},
    {.arch = LC_ARCH_MODERN_BERT,
     .eps = LAYER_EPS,
     .pattern = 3,
     .far_first = true,
     .base = 160000.0,
     .base_local = 1e4,
     .rank = LC_POOL_MEAN},
    {.arch = LC_ARCH_GEMMA2,
     .eps = RMS_EPS,
     .causal = true,
     .embed_root = true,
     .pattern = 2,
     .base = 1e4,
     .base_local = 1e4,
     .attn_cap = 50.0f,
     .logit_cap = 30.0f},
    {.arch = LC_ARCH_LFM2, .eps = RMS_EPS, .causal = true, .base = 1e6},
};

static const custom *custom_of(uint32_t arch)
{
    const custom *c = customs;
    while (c->arch != arch) {
        c++;
    }
    return c;
}

/* Keys are "<arch>.<name>". */
typedef struct keys {
    const lc_gguf *g;
    const char *arch;
    const lc_arch *arch_row;
    const custom *custom;
    lc_diag *diag;
} keys;

typedef struct key {
    char text[96];
} key;

static key key_of(const keys *k, const char *name)
{
    key out;
    (void)snprintf(out.text, sizeof out.text, "%s.%s", k->arch, name);
    return out;
}

static lc_err refuse(const keys *k, lc_err err, const char *name, const char *reason)
{
    key full = key_of(k, name);
    const lc_gguf_kv *kv = lc_gguf_find(k->g, full.text);
    uint64_t at = kv ? (uint64_t)(kv->data - k->g->data) : 0;
    return lc_fail_format(k->diag, err, at, "%s: %s", full.text, reason);
}

/* Reads a number into *value, which keeps its default when the key is absent and not required. */
static lc_err read_u32(const keys *k, const char *name, bool required, uint32_t least,
                       uint32_t most, uint32_t *value)
{
    key full = key_of(k, name);
    const lc_gguf_kv *kv = lc_gguf_find(k->g, full.text);
    if (!kv) {
        return required ? refuse(k, LC_ERR_FORMAT, name, "missing") : LC_OK;
    }
    uint32_t read = 0;
    bool ok = lc_gguf_u32(k->g, full.text, &read);
    if (!ok || read < least || read > most) {
        char reason[64];
        (void)snprintf(reason, sizeof reason,
                       ok ? "%u is not in %u to %u" : "not a number in range", read, least, most);
        return refuse(k, LC_ERR_FORMAT, name, reason);
    }
    *value = read;
    return LC_OK;
}

static lc_err read_f32(const keys *k, const char *name, bool required, float least, float most,
                       float *value)
{
    key full = key_of(k, name);
    if (!lc_gguf_find(k->g, full.text)) {
        return required ? refuse(k, LC_ERR_FORMAT, name, "missing") : LC_OK;
    }
    float read = 0.0f;
    if (!lc_gguf_f32(k->g, full.text, &read) || !(read >= least && read <= most)) {
        return refuse(k, LC_ERR_FORMAT, name, "not a float in range");
    }
    *value = read;
    return LC_OK;
}

/* ---- what would change the arithmetic and is not built ---- */

static lc_err refuse_variants(const keys *k)
{
    static const char *const scales[] = {"logit_scale", "embedding_scale", "residual_scale",
                                         "attention.scale"};
    uint32_t experts = 0;
    key full = key_of(k, "expert_count");
    if (lc_gguf_find(k->g, full.text) && (!lc_gguf_u32(k->g, full.text, &experts) || experts > 0)) {
        return refuse(k, LC_ERR_UNSUPPORTED, "expert_count",
                      "mixtures of experts are not supported");
    }
    for (size_t i = 0; !k->custom->multipliers && i < sizeof scales / sizeof scales[0]; i++) {
        full = key_of(k, scales[i]);
        if (lc_gguf_find(k->g, full.text)) {
            return refuse(k, LC_ERR_UNSUPPORTED, scales[i], "not supported");
        }
    }
    full = key_of(k, "attn_logit_softcapping");
    if (k->custom->attn_cap == 0.0f && lc_gguf_find(k->g, full.text)) {
        return refuse(k, LC_ERR_UNSUPPORTED, "attn_logit_softcapping",
                      "not supported in this architecture");
    }
    return LC_OK;
}

/* ---- groups of keys ---- */

static lc_err read_arch(const lc_gguf *g, const lc_arch **arch, lc_diag *diag)
{
    lc_str name;
    if (!lc_gguf_str(g, "general.architecture", &name)) {
        return lc_fail(diag, LC_ERR_FORMAT, 0, "general.architecture: missing or not a string");
    }
    *arch = lc_arch_by_name(name.data, name.bytes);
    if (*arch) {
        return LC_OK;
    }
    return lc_fail_format(diag, LC_ERR_UNSUPPORTED,
                          (uint64_t)((const uint8_t *)name.data - g->data),
                          "general.architecture: %.*s is not supported",
                          name.bytes > 64 ? 64 : (int)name.bytes, name.data);
}

static lc_err read_sizes(const keys *k, lc_model_info *m)
{
    lc_err err = read_u32(k, "block_count", true, 1, LC_LAYERS_MAX, &m->layers);
    if (!err) {
        err = read_u32(k, "embedding_length", true, 1, LC_WIDTH_MAX, &m->width);
    }
    if (!err) {
        err = read_u32(k, "feed_forward_length", true, 1, LC_WIDTH_MAX, &m->ffn);
    }
    if (!err) {
        err = read_u32(k, "context_length", true, 1, CTX_CLAIM_MAX, &m->ctx);
    }
    if (!err) {
        err = read_f32(k, k->custom->eps, true, 0.0f, 0.5f, &m->norm_eps);
    }
    if (!err && m->ctx > LC_CTX_MAX) {
        m->ctx = LC_CTX_MAX;
    }
    return err;
}

/* One count of KV heads for all layers, or one for each: 0 in a layer that convolves. */
static lc_err read_kv_heads(const keys *k, lc_model_info *m)
{
    static const char name[] = "attention.head_count_kv";
    const lc_gguf_kv *list = lc_gguf_find(k->g, key_of(k, name).text);
    if (!list || list->type != LC_GGUF_ARRAY) {
        return read_u32(k, name, false, 1, m->heads, &m->kv_heads);
    }
    const uint8_t *values;
    uint64_t count;
    uint32_t most = 0;
    if (!lc_gguf_array32(k->g, key_of(k, name).text, list->elem_type, &values, &count) ||
        (list->elem_type != LC_GGUF_I32 && list->elem_type != LC_GGUF_U32) || count != m->layers) {
        return refuse(k, LC_ERR_FORMAT, name, "not one number for each layer");
    }
    for (uint32_t i = 0; i < m->layers; i++) {
        uint32_t heads;
        memcpy(&heads, values + 4 * (size_t)i, sizeof heads);
        if (heads > m->heads) {
            return refuse(k, LC_ERR_FORMAT, name, "more than there are heads");
        }
        if (heads == 0 && k->arch_row->conv != 0) {
            m->conv[i / 8] |= (uint8_t)(1u << (i % 8));
        } else if (heads == 0 || (most > 0 && heads != most)) {
            return refuse(k, LC_ERR_UNSUPPORTED, name, "layers differ");
        } else {
            most = heads;
        }
    }
    m->kv_heads = most > 0 ? most : m->heads;
    return LC_OK;
}

/* How far convolutions see. */
static lc_err read_conv(const keys *k, lc_model_info *m)
{
    bool conv = false;
    for (uint32_t i = 0; i < m->layers; i++) {
        conv = conv || lc_layer_is_conv(m, i);
    }
    if (k->arch_row->conv != 0 &&
        lc_gguf_find(k->g, key_of(k, "attention.sliding_window").text) != NULL) {
        return refuse(k, LC_ERR_UNSUPPORTED, "attention.sliding_window",
                      "not supported in this architecture");
    }
    return conv ? read_u32(k, "shortconv.l_cache", true, 2, LC_CONV_TAPS_MAX, &m->conv_taps)
                : LC_OK;
}

/* Heads and their size: width / heads unless the file says otherwise. */
static lc_err read_heads(const keys *k, lc_model_info *m)
{
    lc_err err = read_u32(k, "attention.head_count", true, 1, LC_HEADS_MAX, &m->heads);
    if (err) {
        return err;
    }
    m->kv_heads = m->heads;
    err = read_kv_heads(k, m);
    if (err) {
        return err;
    }
    if (m->heads % m->kv_heads != 0) {
        return refuse(k, LC_ERR_FORMAT, "attention.head_count_kv",
                      "does not divide the head count");
    }
    bool stated = lc_gguf_find(k->g, key_of(k, "attention.key_length").text) != NULL;
    if (!stated && m->width % m->heads != 0) {
        return refuse(k, LC_ERR_FORMAT, "attention.head_count", "does not divide the width");
    }
    m->head_dim = m->width / m->heads;
    err = read_u32(k, "attention.key_length", false, 2, LC_HEAD_DIM_MAX, &m->head_dim);
    uint32_t value_dim = m->head_dim;
    if (!err) {
        err = read_u32(k, "attention.value_length", false, m->head_dim, m->head_dim, &value_dim);
    }
    if (err) {
        return err;
    }
    if (m->head_dim < 2 || m->head_dim > LC_HEAD_DIM_MAX || m->head_dim % 2 != 0 ||
        m->heads * m->head_dim > LC_WIDTH_MAX) {
        return refuse(k, LC_ERR_FORMAT, "attention.head_count", "head size odd or over limit");
    }
    return LC_OK;
}

/* A factor of scaling, by one of its two names; 0 stands for none. */
static lc_err read_factor(const keys *k, double *factor)
{
    static const char *const names[] = {"rope.scaling.factor", "rope.scale_linear"};
    *factor = 1.0;
    for (size_t i = 0; i < 2; i++) {
        float value = 0.0f;
        lc_err err = read_f32(k, names[i], false, 0.0f, 1e6f, &value);
        if (err) {
            return err;
        }
        if (value > 0.0f) {
            *factor = (double)value;
            return LC_OK;
        }
    }
    return LC_OK;
}

/* The pair that turns `turns` times within the original context. */
static double yarn_pair(const lc_pack_source *s, double original, double turns)
{
    const double two_pi = 6.283185307179586;
    double pair = (double)s->info.rope_dims * lc_log(original / (turns * two_pi)) /
                  (2.0 * lc_log(s->rope_base));
    return pair > 1e6 ? 1e6 : pair > -1e6 ? pair : -1e6; /* a base near 1 is legal */
}

static double whole(double x, bool up)
{
    double below = (double)(int32_t)x;
    below -= below > x ? 1.0 : 0.0;
    return up && below < x ? below + 1.0 : below;
}

/* YaRN: slow pairs are divided by the factor, fast ones are not, and scores grow a little. That is
 * said here by the frequencies and the scale of attention, so the network need not know. */
static lc_err read_yarn(const keys *k, lc_pack_source *s)
{
    lc_model_info *m = &s->info;
    uint32_t original = m->ctx;
    float fast = 32.0f, slow = 1.0f, attn = 1.0f, ext = 1.0f, log_mul = 0.0f;
    const struct {
        const char *name;
        float least, most, *value;
    } rows[] = {{"rope.scaling.attn_factor", 1e-3f, 1e3f, &attn},
                {"rope.scaling.yarn_attn_factor", 1e-3f, 1e3f, &attn},
                {"rope.scaling.yarn_beta_fast", 1e-3f, 1e6f, &fast},
                {"rope.scaling.yarn_beta_slow", 1e-3f, 1e6f, &slow},
                {"rope.scaling.yarn_ext_factor", 1.0f, 1.0f, &ext},
                {"rope.scaling.yarn_log_multiplier", 0.0f, 0.0f, &log_mul}};
    lc_err err = read_u32(k, "rope.scaling.original_context_length", false, 1, CTX_CLAIM_MAX,
                          &original);
    for (size_t i = 0; !err && i < sizeof rows / sizeof rows[0]; i++) {
        err = read_f32(k, rows[i].name, false, rows[i].least, rows[i].most, rows[i].value);
    }
    if (err) {
        return err;
    }
    if (m->rope_dims != m->head_dim || s->rope_factor < 1.0 || s->rope_base <= 1.0) {
        return refuse(k, LC_ERR_UNSUPPORTED, "rope.scaling.type",
                      "yarn is not supported beside a part of a head that is not turned");
    }
    double low = whole(yarn_pair(s, (double)original, (double)fast), false);
    double high = whole(yarn_pair(s, (double)original, (double)slow), true);
    double last = (double)(m->rope_dims - 1);
    s->yarn = true;
    s->yarn_low = low > 0.0 ? low : 0.0;
    s->yarn_high = high < last ? high : last;
    double grown = (double)attn * (1.0 + 0.1 * lc_log(s->rope_factor));
    double own = m->attn_scale > 0.0f ? (double)m->attn_scale
                                      : 1.0 / (double)lc_sqrtf((float)m->head_dim);
    m->attn_scale = (float)(own * grown * grown);
    return LC_OK;
}

/* Linear scaling divides all frequencies; factors of single ones (Llama 3) are a tensor. */
static lc_err read_scaling(const keys *k, lc_pack_source *s)
{
    lc_str type = lc_str_from("linear"); /* what a factor without a type means */
    key full = key_of(k, "rope.scaling.type");
    bool stated = lc_gguf_find(k->g, full.text) != NULL;
    if (stated && !lc_gguf_str(k->g, full.text, &type)) {
        return refuse(k, LC_ERR_FORMAT, "rope.scaling.type", "not a string");
    }
    s->rope_factor = 1.0;
    if (lc_str_equal(type, lc_str_from("none"))) {
        return LC_OK;
    }
    bool yarn = lc_str_equal(type, lc_str_from("yarn"));
    if (!yarn && !lc_str_equal(type, lc_str_from("linear"))) {
        char reason[96];
        (void)snprintf(reason, sizeof reason, "%.*s: scaling of this kind is not supported",
                       type.bytes < 32 ? (int)type.bytes : 32, type.data);
        return refuse(k, LC_ERR_UNSUPPORTED, "rope.scaling.type", reason);
    }
    lc_err err = read_factor(k, &s->rope_factor);
    return err || !yarn ? err : read_yarn(k, s);
}

static lc_err read_rope(const keys *k, lc_pack_source *s)
{
    lc_model_info *m = &s->info;
    float base = (float)k->custom->base, local = (float)k->custom->base_local;
    if (s->arch->rope == LC_ROPE_NONE) {
        return LC_OK;
    }
    m->rope_dims = m->head_dim;
    lc_err err = read_u32(k, "rope.dimension_count", false, 2, m->head_dim, &m->rope_dims);
    if (!err) {
        err = read_f32(k, "rope.freq_base", false, 1.0f, 1e12f, &base);
    }
    if (!err && k->custom->pattern > 0) {
        err = read_f32(k, "rope.freq_base_swa", false, 1.0f, 1e12f, &local);
    }
    if (!err && m->rope_dims % 2 != 0) {
        err = refuse(k, LC_ERR_FORMAT, "rope.dimension_count", "odd");
    }
    s->rope_base = (double)base;
    s->rope_base_local = (double)local;
    return err ? err : read_scaling(k, s);
}

/* Which layers look back a window only: all but one of `pattern`, where there is a window. */
static lc_err read_window(const keys *k, lc_model_info *m)
{
    uint32_t window = 0, pattern = k->custom->pattern;
    if (pattern == 0) {
        return LC_OK;
    }
    lc_err err = read_u32(k, "attention.sliding_window", false, 0, CTX_CLAIM_MAX, &window);
    const lc_gguf_kv *list = lc_gguf_find(k->g, key_of(k, WINDOW_PATTERN).text);
    bool listed = list && list->type == LC_GGUF_ARRAY;
    if (!err && !listed) {
        err = read_u32(k, WINDOW_PATTERN, false, 1, LC_LAYERS_MAX, &pattern);
    }
    if (!err && listed && (list->elem_type != LC_GGUF_BOOL || list->count != m->layers)) {
        err = refuse(k, LC_ERR_FORMAT, WINDOW_PATTERN, "not one bool for each layer");
    }
    if (err || window == 0) {
        return err;
    }
    m->window = m->causal ? window : window / 2 + 1;
    m->window = m->window < m->ctx ? m->window : m->ctx;
    bool local = false;
    for (uint32_t i = 0; i < m->layers; i++) {
        bool is_local =
            listed ? list->data[i] != 0 : i % pattern != (k->custom->far_first ? 0 : pattern - 1);
        if (is_local) {
            m->local[i / 8] |= (uint8_t)(1u << (i % 8));
            local = true;
        }
    }
    m->window = local ? m->window : 0;
    return LC_OK;
}

/* Numbers that results are multiplied by. */
static lc_err read_scales(const keys *k, lc_model_info *m)
{
    float divisor = 1.0f;
    m->embed_scale = m->residual_scale = m->logit_scale = 1.0f;
    if (k->custom->embed_root) {
        m->embed_scale = lc_sqrtf((float)m->width);
    }
    m->attn_cap = k->custom->attn_cap;
    m->logit_cap = k->custom->logit_cap;
    if (m->arch == LC_ARCH_GEMMA2 && m->layers == 46) { /* Gemma 2 27B, which no key tells */
        m->attn_scale = 1.0f / lc_sqrtf((float)(m->width / m->heads));
    }
    lc_err err = read_f32(k, "final_logit_softcapping", false, 1e-3f, 1e6f, &m->logit_cap);
    if (!err && m->attn_cap > 0.0f) {
        err = read_f32(k, "attn_logit_softcapping", false, 1e-3f, 1e6f, &m->attn_cap);
    }
    if (err || !k->custom->multipliers) {
        return err;
    }
    err = read_f32(k, "embedding_scale", false, 1e-5f, 1e5f, &m->embed_scale);
    if (!err) {
        err = read_f32(k, "residual_scale", false, 1e-5f, 1e5f, &m->residual_scale);
    }
    if (!err) {
        err = read_f32(k, "attention.scale", false, 1e-5f, 1e5f, &m->attn_scale);
    }
    if (!err) {
        err = read_f32(k, "logit_scale", false, 1e-5f, 1e5f, &divisor);
    }
    m->logit_scale = 1.0f / divisor;
    return err;
}

/* Mask and pooling. */
static lc_err read_use(const keys *k, lc_model_info *m)
{
    key causal = key_of(k, "attention.causal");
    m->causal = k->custom->causal;
    m->pooling = LC_POOL_NONE;
    if (lc_gguf_find(k->g, causal.text) && !lc_gguf_bool(k->g, causal.text, &m->causal)) {
        return refuse(k, LC_ERR_FORMAT, "attention.causal", "not a bool");
    }
    uint32_t most = k->custom->rank ? POOL_RANK : LC_POOL_LAST;
    lc_err err = read_u32(k, "pooling_type", false, LC_POOL_NONE, most, &m->pooling);
    if (m->pooling == POOL_RANK) { /* a classifier's: the token that stands for the text */
        m->pooling = k->custom->rank;
    }
    return err;
}

/* The vocabulary is as large as the embedding; key and token list must agree. */
static lc_err read_vocab(const keys *k, lc_model_info *m)
{
    const lc_gguf_tensor *embed = lc_gguf_tensor_find(k->g, "token_embd.weight");
    if (!embed) {
        return lc_fail(k->diag, LC_ERR_FORMAT, 0, "token_embd.weight: missing");
    }
    if (embed->ne[1] > LC_VOCAB_MAX) {
        return lc_fail(k->diag, LC_ERR_LIMIT, embed->offset, "token_embd.weight: too many rows");
    }
    m->vocab = (uint32_t)embed->ne[1];
    uint32_t stated = m->vocab;
    uint64_t tokens = 0;
    lc_gguf_strings it;
    if (lc_gguf_strings_open(k->g, "tokenizer.ggml.tokens", &it, &tokens) && tokens > m->vocab) {
        return lc_fail(k->diag, LC_ERR_FORMAT, embed->offset,
                       "token_embd.weight: fewer rows than there are tokens");
    }
    return read_u32(k, "vocab_size", false, m->vocab, m->vocab, &stated);
}

static lc_err read_token_types(const keys *k, lc_model_info *m)
{
    const lc_gguf_tensor *types = lc_gguf_tensor_find(k->g, "token_types.weight");
    if (types && types->ne[1] > LC_TOKEN_TYPES_MAX) {
        return lc_fail(k->diag, LC_ERR_LIMIT, types->offset, "token_types.weight: too many rows");
    }
    m->token_types = types ? (uint32_t)types->ne[1] : 0;
    return LC_OK;
}

/* Outputs of the classification head; its labels are read when its section is written. */
static lc_err read_classes(const keys *k, lc_model_info *m)
{
    const lc_gguf_tensor *cls = lc_gguf_tensor_find(k->g, "cls.output.weight");
    if (!cls) {
        key labels = key_of(k, "classifier.output_labels");
        return lc_gguf_find(k->g, labels.text)
                   ? refuse(k, LC_ERR_FORMAT, "classifier.output_labels",
                            "there is no tensor cls.output.weight")
                   : LC_OK;
    }
    if (cls->ne[1] > LC_CLASSES_MAX) {
        return lc_fail(k->diag, LC_ERR_LIMIT, cls->offset, "cls.output.weight: too many classes");
    }
    m->classes = (uint32_t)cls->ne[1];
    return LC_OK;
}

lc_err lc_pack_info(const lc_gguf *g, lc_pack_source *source, lc_diag *diag)
{
    lc_pack_source s = {0};
    lc_err err = read_arch(g, &s.arch, diag);
    if (err) {
        return err;
    }
    keys k = {g, s.arch->name, s.arch, custom_of(s.arch->id), diag};
    lc_err (*const readers[])(const keys *, lc_model_info *) = {
        read_sizes,  read_heads, read_conv, read_use,         read_window,
        read_scales, read_vocab, read_token_types, read_classes};
    s.info.arch = s.arch->id;
    err = refuse_variants(&k);
    for (size_t i = 0; !err && i < sizeof readers / sizeof readers[0]; i++) {
        err = readers[i](&k, &s.info);
    }
    if (!err) {
        err = read_rope(&k, &s);
    }
    if (!err) {
        *source = s;
    }
    return err;
}
