#include "pack_info.h"

#include <stdio.h>
#include <string.h>

#include "fail.h"

#define CTX_CLAIM_MAX (1u << 24) /* a longer context is a damaged file, not a long model */

/* Keys are "<arch>.<name>". */
typedef struct keys {
    const lc_gguf *g;
    const char *arch;
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

static lc_err refuse_scaling(const keys *k)
{
    lc_str type;
    key full = key_of(k, "rope.scaling.type");
    if (lc_gguf_find(k->g, full.text)) {
        bool none = lc_gguf_str(k->g, full.text, &type) && lc_str_equal(type, lc_str_from("none"));
        return none ? LC_OK
                    : refuse(k, LC_ERR_UNSUPPORTED, "rope.scaling.type",
                             "scaled rope frequencies are not supported");
    }
    static const char *const factors[] = {"rope.scaling.factor", "rope.scale_linear"};
    for (size_t i = 0; i < 2; i++) { /* without a type the factor means linear scaling */
        full = key_of(k, factors[i]);
        float factor = 1.0f;
        if (!lc_gguf_find(k->g, full.text)) {
            continue;
        }
        if (!lc_gguf_f32(k->g, full.text, &factor) || (factor != 1.0f && factor != 0.0f)) {
            return refuse(k, LC_ERR_UNSUPPORTED, factors[i],
                          "scaled rope frequencies are not supported");
        }
    }
    return LC_OK;
}

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
    for (size_t i = 0; i < sizeof scales / sizeof scales[0]; i++) {
        full = key_of(k, scales[i]);
        if (lc_gguf_find(k->g, full.text)) {
            return refuse(k, LC_ERR_UNSUPPORTED, scales[i], "not supported");
        }
    }
    return refuse_scaling(k);
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
        err = read_f32(k, "attention.layer_norm_rms_epsilon", true, 0.0f, 0.5f, &m->norm_eps);
    }
    if (!err && m->ctx > LC_CTX_MAX) {
        m->ctx = LC_CTX_MAX;
    }
    return err;
}

/* Heads and their size: width / heads unless the file says otherwise. */
static lc_err read_heads(const keys *k, lc_model_info *m)
{
    lc_err err = read_u32(k, "attention.head_count", true, 1, LC_HEADS_MAX, &m->heads);
    if (err) {
        return err;
    }
    m->kv_heads = m->heads;
    err = read_u32(k, "attention.head_count_kv", false, 1, m->heads, &m->kv_heads);
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

static lc_err read_rope(const keys *k, lc_pack_source *s)
{
    lc_model_info *m = &s->info;
    float base = 10000.0f;
    m->rope_dims = m->head_dim;
    lc_err err = read_u32(k, "rope.dimension_count", false, 2, m->head_dim, &m->rope_dims);
    if (!err) {
        err = read_f32(k, "rope.freq_base", false, 1.0f, 1e12f, &base);
    }
    if (!err && m->rope_dims % 2 != 0) {
        err = refuse(k, LC_ERR_FORMAT, "rope.dimension_count", "odd");
    }
    s->rope_base = (double)base;
    return err;
}

/* Mask and pooling: causal and none unless the file says otherwise. */
static lc_err read_use(const keys *k, lc_model_info *m)
{
    key causal = key_of(k, "attention.causal");
    m->causal = true;
    m->pooling = LC_POOL_NONE;
    if (lc_gguf_find(k->g, causal.text) && !lc_gguf_bool(k->g, causal.text, &m->causal)) {
        return refuse(k, LC_ERR_FORMAT, "attention.causal", "not a bool");
    }
    return read_u32(k, "pooling_type", false, LC_POOL_NONE, LC_POOL_LAST, &m->pooling);
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
    return read_u32(k, "vocab_size", false, m->vocab, m->vocab, &stated);
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
    keys k = {g, s.arch->name, diag};
    s.info.arch = s.arch->id;
    err = refuse_variants(&k);
    if (!err) {
        err = read_sizes(&k, &s.info);
    }
    if (!err) {
        err = read_heads(&k, &s.info);
    }
    if (!err) {
        err = read_rope(&k, &s);
    }
    if (!err) {
        err = read_use(&k, &s.info);
    }
    if (!err) {
        err = read_vocab(&k, &s.info);
    }
    if (!err) {
        err = read_classes(&k, &s.info);
    }
    if (!err) {
        *source = s;
    }
    return err;
}
