#include "model.h"

#include <stddef.h>
#include <string.h>

/* ---- sizes ---- */

static uint64_t pad(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

uint64_t lc_mat_data_bytes(uint32_t type, uint32_t rows, uint32_t cols)
{
    uint64_t tiles = pad(rows, LC_TILE_ROWS) / LC_TILE_ROWS * (pad(cols, LC_GROUP) / LC_GROUP);
    switch (type) {
    case LC_W_T16:
        return tiles * LC_T16_BYTES;
    case LC_W_T16A:
        return tiles * LC_T16A_BYTES;
    case LC_W_R8:
        return (uint64_t)rows * pad(cols, LC_GROUP);
    default:
        return (uint64_t)rows * cols * sizeof(float);
    }
}

static uint32_t scale_count(uint32_t type, uint32_t rows)
{
    if (type == LC_W_F32) {
        return 0;
    }
    return type == LC_W_R8 ? rows : (uint32_t)pad(rows, LC_TILE_ROWS);
}

uint64_t lc_mat_scale_bytes(uint32_t type, uint32_t rows)
{
    return (uint64_t)scale_count(type, rows) * sizeof(float);
}

/* ---- section MODEL ---- */

#define INFO_BYTES (14u * 4 + 8)
#define INFO_MORE_BYTES (7u * 4 + LC_LAYERS_MAX / 8)
#define INFO_LAST_BYTES (2u * 4 + LC_LAYERS_MAX / 8)

static bool scale_in_range(float v)
{
    return v >= 1e-6f && v <= 1e6f;
}

/* Which layers convolve, and how far. */
static const char *check_conv(const lc_model_info *m, const lc_arch *arch)
{
    bool conv = false;
    for (uint32_t i = 0; i < LC_LAYERS_MAX; i++) {
        if (lc_layer_is_conv(m, i)) {
            conv = true;
            if (i >= m->layers || arch->conv == 0 || !m->causal) {
                return "a layer convolves that cannot";
            }
        }
    }
    if (conv != (m->conv_taps > 0) || m->conv_taps > LC_CONV_TAPS_MAX) {
        return "conv_taps out of range";
    }
    return m->attn_cap != 0.0f && !scale_in_range(m->attn_cap) ? "scale out of range" : NULL;
}

/* The appended fields. */
static const char *check_more(const lc_model_info *m)
{
    bool local = false;
    for (uint32_t i = 0; i < LC_LAYERS_MAX; i++) {
        if (lc_layer_is_local(m, i)) {
            local = true;
            if (i >= m->layers) {
                return "a layer that is not there is local";
            }
        }
    }
    if (m->window > LC_CTX_MAX || local != (m->window > 0)) {
        return "window out of range";
    }
    if (m->token_types > LC_TOKEN_TYPES_MAX) {
        return "token_types over limit";
    }
    if (!scale_in_range(m->embed_scale) || !scale_in_range(m->residual_scale) ||
        !scale_in_range(m->logit_scale) ||
        (m->attn_scale != 0.0f && !scale_in_range(m->attn_scale)) ||
        (m->logit_cap != 0.0f && !scale_in_range(m->logit_cap))) {
        return "scale out of range";
    }
    return NULL;
}

static lc_err check_info(const lc_model_info *m, const lc_arch *arch, uint64_t at, lc_diag *diag)
{
    bool turns = arch->rope != LC_ROPE_NONE;
    const struct {
        uint64_t value, least, most;
        const char *text;
    } range[] = {
        {m->layers, 1, LC_LAYERS_MAX, "layers out of range"},
        {m->width, 1, LC_WIDTH_MAX, "width out of range"},
        {m->heads, 1, LC_HEADS_MAX, "heads out of range"},
        {m->kv_heads, 1, m->heads, "kv_heads out of range"},
        {m->head_dim, 2, LC_HEAD_DIM_MAX, "head_dim out of range"},
        {(uint64_t)m->heads * m->head_dim, 1, LC_WIDTH_MAX, "heads * head_dim out of range"},
        {m->ffn, 1, LC_WIDTH_MAX, "ffn out of range"},
        {m->vocab, 1, LC_VOCAB_MAX, "vocab out of range"},
        {m->ctx, 1, LC_CTX_MAX, "ctx out of range"},
        {m->rope_dims, turns ? 2 : 0, turns ? m->head_dim : 0, "rope_dims out of range"},
        {m->pooling, 0, LC_POOL_LAST, "unknown pooling"},
        {m->classes, 0, LC_CLASSES_MAX, "classes over limit"},
    };
    for (size_t i = 0; i < sizeof range / sizeof range[0]; i++) {
        if (range[i].value < range[i].least || range[i].value > range[i].most) {
            return lc_fail(diag, LC_ERR_FORMAT, at, range[i].text);
        }
    }
    if (m->heads % m->kv_heads != 0) {
        return lc_fail(diag, LC_ERR_FORMAT, at, "kv_heads does not divide heads");
    }
    if (m->rope_dims % 2 != 0) {
        return lc_fail(diag, LC_ERR_FORMAT, at, "rope_dims is odd");
    }
    if (!(m->norm_eps >= 0.0f && m->norm_eps < 1.0f)) {
        return lc_fail(diag, LC_ERR_FORMAT, at, "norm_eps out of range");
    }
    const char *wrong = check_more(m);
    wrong = wrong ? wrong : check_conv(m, arch);
    return wrong ? lc_fail(diag, LC_ERR_FORMAT, at, wrong) : LC_OK;
}

/* Fields that a pack of the first form lacks. */
static void read_more(lc_reader *r, bool there, lc_model_info *m)
{
    m->embed_scale = m->residual_scale = m->logit_scale = 1.0f;
    if (!there) {
        return;
    }
    m->window = lc_read_u32(r);
    m->token_types = lc_read_u32(r);
    m->embed_scale = lc_read_f32(r);
    m->residual_scale = lc_read_f32(r);
    m->attn_scale = lc_read_f32(r);
    m->logit_scale = lc_read_f32(r);
    m->logit_cap = lc_read_f32(r);
    for (uint32_t i = 0; i < LC_LAYERS_MAX / 8; i++) {
        m->local[i] = lc_read_u8(r);
    }
}

/* Fields that came later. */
static void read_last(lc_reader *r, bool there, lc_model_info *m)
{
    if (!there) {
        return;
    }
    m->conv_taps = lc_read_u32(r);
    m->attn_cap = lc_read_f32(r);
    for (uint32_t i = 0; i < LC_LAYERS_MAX / 8; i++) {
        m->conv[i] = lc_read_u8(r);
    }
}

static lc_err read_info(const lc_leaf *leaf, lc_model *model, lc_diag *diag)
{
    lc_section s;
    if (!lc_leaf_find(leaf, LC_SECTION_MODEL, 0, &s)) {
        return lc_fail(diag, LC_ERR_FORMAT, 0, "pack without section MODEL");
    }
    lc_reader r = lc_reader_make(s.data, s.bytes);
    uint32_t bytes = lc_read_u32(&r);
    lc_model_info m = {0};
    m.arch = lc_read_u32(&r);
    m.layers = lc_read_u32(&r);
    m.width = lc_read_u32(&r);
    m.heads = lc_read_u32(&r);
    m.kv_heads = lc_read_u32(&r);
    m.head_dim = lc_read_u32(&r);
    m.ffn = lc_read_u32(&r);
    m.vocab = lc_read_u32(&r);
    m.ctx = lc_read_u32(&r);
    m.rope_dims = lc_read_u32(&r);
    m.pooling = lc_read_u32(&r);
    m.classes = lc_read_u32(&r);
    m.causal = lc_read_u32(&r) != 0;
    m.norm_eps = lc_read_f32(&r);
    m.parameters = lc_read_u64(&r);
    read_more(&r, bytes > INFO_BYTES, &m);
    read_last(&r, bytes > INFO_BYTES + INFO_MORE_BYTES, &m);
    if (r.failed || bytes < INFO_BYTES || bytes != s.bytes - 4) {
        return lc_fail(diag, LC_ERR_FORMAT, s.offset, "section MODEL has a wrong length");
    }
    model->arch = lc_arch_by_id(m.arch);
    if (model->arch == NULL) {
        return lc_fail(diag, LC_ERR_UNSUPPORTED, s.offset + 4, "unknown architecture");
    }
    model->info = m;
    return check_info(&m, model->arch, s.offset, diag);
}

/* ---- section CLASSES: names ---- */

static lc_err read_classes(const lc_leaf *leaf, lc_model *model, lc_arena *state, lc_diag *diag)
{
    uint32_t classes = model->info.classes;
    if (classes == 0) {
        return LC_OK;
    }
    lc_section s;
    if (!lc_leaf_find(leaf, LC_SECTION_CLASSES, 0, &s)) {
        return lc_fail(diag, LC_ERR_FORMAT, 0, "pack without section CLASSES");
    }
    model->class_name = LC_PUSH(state, lc_str, classes);
    if (model->class_name == NULL) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "state arena too small for class names");
    }
    lc_reader r = lc_reader_make(s.data, s.bytes);
    uint32_t count = lc_read_u32(&r);
    for (uint32_t i = 0; i < count && !r.failed; i++) {
        lc_str name = lc_read_str(&r);
        if (i < classes && !state->measuring) {
            model->class_name[i] = name;
        }
    }
    if (r.failed || count != classes) {
        return lc_fail(diag, LC_ERR_FORMAT, s.offset + r.at, "class names end early");
    }
    return LC_OK;
}

/* ---- section TENSORS ---- */

#define TENSOR_ROW_BYTES 48u

static bool tensor_section(const lc_model *model, lc_section *s)
{
    return lc_leaf_find(&model->leaf, LC_SECTION_TENSORS, 0, s);
}

uint32_t lc_model_tensors(const lc_model *model)
{
    lc_section s;
    if (!tensor_section(model, &s)) {
        return 0;
    }
    lc_reader r = lc_reader_make(s.data, s.bytes);
    return lc_read_u32(&r);
}

static lc_err check_scales(const float *scale, uint32_t count, uint64_t at, lc_diag *diag)
{
    for (uint32_t i = 0; i < count; i++) {
        float v = scale[i];
        if (!(v == 0.0f || (v >= 0x1p-100f && v <= 0x1p100f))) {
            return lc_fail(diag, LC_ERR_FORMAT, at + 4ull * i, "row scale out of range");
        }
    }
    return LC_OK;
}

/* Reads one row of the table; everything is checked but role, shape and scales. */
static lc_err read_tensor(const lc_leaf *leaf, lc_reader *r, uint64_t at, lc_tensor *t,
                          lc_diag *diag)
{
    t->role = lc_read_u32(r);
    t->layer = lc_read_u32(r);
    uint32_t type = lc_read_u32(r);
    t->mat.rows = lc_read_u32(r);
    t->mat.cols = lc_read_u32(r);
    uint32_t section_type = lc_read_u32(r);
    uint32_t section_index = lc_read_u32(r);
    uint32_t zero = lc_read_u32(r);
    uint64_t offset = lc_read_u64(r);
    t->bytes = lc_read_u64(r);
    lc_section s;
    if (r->failed) {
        return lc_fail(diag, LC_ERR_FORMAT, at, "tensor table ends early");
    }
    if (type >= LC_W_COUNT || zero != 0) {
        return lc_fail(diag, LC_ERR_UNSUPPORTED, at + 8, "unknown tensor type");
    }
    uint32_t cols_max = type == LC_W_T16A ? LC_COLS_MAX_T16A : LC_COLS_MAX;
    if (t->mat.rows == 0 || t->mat.rows > LC_VOCAB_MAX || t->mat.cols == 0 ||
        t->mat.cols > cols_max) {
        return lc_fail(diag, LC_ERR_LIMIT, at + 12, "tensor shape over limit");
    }
    if (!lc_leaf_find(leaf, section_type, section_index, &s)) {
        return lc_fail(diag, LC_ERR_FORMAT, at + 20, "tensor names a section that is not there");
    }
    t->mat.type = (uint8_t)type;
    uint64_t data = pad(lc_mat_data_bytes(type, t->mat.rows, t->mat.cols), 64);
    uint64_t want = data + lc_mat_scale_bytes(type, t->mat.rows);
    if (type == LC_W_F32) {
        want = lc_mat_data_bytes(type, t->mat.rows, t->mat.cols);
    }
    if (t->bytes != want || offset % 64 != 0 || s.bytes < LC_READ_AHEAD || offset > s.bytes ||
        want > s.bytes - LC_READ_AHEAD || offset > s.bytes - LC_READ_AHEAD - want) {
        return lc_fail(diag, LC_ERR_FORMAT, at + 32, "tensor does not fit into its section");
    }
    t->mat.data = s.data + offset;
    t->mat.scale = type == LC_W_F32 ? NULL : (const float *)(const void *)(s.data + offset + data);
    return LC_OK;
}

lc_tensor lc_model_tensor(const lc_model *model, uint32_t i)
{
    lc_section s;
    lc_tensor t = {0};
    bool found = tensor_section(model, &s);
    lc_assert(found && i < lc_model_tensors(model));
    lc_reader r = lc_reader_make(s.data, s.bytes);
    r.at = 4 + (size_t)i * TENSOR_ROW_BYTES;
    lc_err err = read_tensor(&model->leaf, &r, 0, &t, NULL);
    lc_assert(err == LC_OK);
    return t;
}

/* ---- binding tensors to their places ---- */

/* What a role's rows and columns are. */
typedef enum dim {
    DIM_ONE,
    DIM_TWO,
    DIM_VOCAB,
    DIM_WIDTH,
    DIM_QUERY, /* heads * head_dim */
    DIM_KEY,   /* kv_heads * head_dim */
    DIM_HEAD,
    DIM_FFN,
    DIM_CTX,
    DIM_CLASSES,
    DIM_HALF_ROPE,
    DIM_TYPES,
    DIM_THREE_WIDTHS,
    DIM_TAPS
} dim;

/* Where a role's tensor goes: an lc_mat or a pointer to floats, in lc_model or lc_layer. */
typedef struct place {
    uint8_t rows, cols; /* dim */
    bool vector;
    uint16_t offset;
} place;

#define MATRIX(type, field, rows, cols) {rows, cols, false, offsetof(type, field)}
#define VECTOR(type, field, rows) {rows, DIM_ONE, true, offsetof(type, field)}

static const place places[LC_ROLE_COUNT] = {
    [LC_T_EMBED] = MATRIX(lc_model, embed, DIM_VOCAB, DIM_WIDTH),
    [LC_T_OUT_NORM] = VECTOR(lc_model, out_norm.gain, DIM_WIDTH),
    [LC_T_OUTPUT] = MATRIX(lc_model, output, DIM_VOCAB, DIM_WIDTH),
    [LC_T_CLS] = MATRIX(lc_model, cls, DIM_CLASSES, DIM_WIDTH),
    [LC_T_CLS_BIAS] = VECTOR(lc_model, cls_bias, DIM_CLASSES),
    [LC_T_ROPE_FREQ] = {DIM_HALF_ROPE, DIM_TWO, true, offsetof(lc_model, rope_freq)},
    [LC_T_ROPE_FREQ_LOCAL] = {DIM_HALF_ROPE, DIM_TWO, true, offsetof(lc_model, rope_freq_local)},
    [LC_T_TOKEN_TYPE] = MATRIX(lc_model, token_type, DIM_TYPES, DIM_WIDTH),
    [LC_T_POSITION] = MATRIX(lc_model, position, DIM_CTX, DIM_WIDTH),
    [LC_T_EMBED_NORM] = VECTOR(lc_model, embed_norm.gain, DIM_WIDTH),
    [LC_T_EMBED_NORM_BIAS] = VECTOR(lc_model, embed_norm.bias, DIM_WIDTH),
    [LC_T_OUT_NORM_BIAS] = VECTOR(lc_model, out_norm.bias, DIM_WIDTH),
    [LC_T_POOLER] = MATRIX(lc_model, pooler, DIM_WIDTH, DIM_WIDTH),
    [LC_T_POOLER_BIAS] = VECTOR(lc_model, pooler_bias, DIM_WIDTH),
    [LC_T_POOLER_NORM] = VECTOR(lc_model, pooler_norm.gain, DIM_WIDTH),
    [LC_T_ATTN_NORM] = VECTOR(lc_layer, attn_norm.gain, DIM_WIDTH),
    [LC_T_Q] = MATRIX(lc_layer, q, DIM_QUERY, DIM_WIDTH),
    [LC_T_K] = MATRIX(lc_layer, k, DIM_KEY, DIM_WIDTH),
    [LC_T_V] = MATRIX(lc_layer, v, DIM_KEY, DIM_WIDTH),
    [LC_T_O] = MATRIX(lc_layer, o, DIM_WIDTH, DIM_QUERY),
    [LC_T_FFN_NORM] = VECTOR(lc_layer, ffn_norm.gain, DIM_WIDTH),
    [LC_T_GATE] = MATRIX(lc_layer, gate, DIM_FFN, DIM_WIDTH),
    [LC_T_UP] = MATRIX(lc_layer, up, DIM_FFN, DIM_WIDTH),
    [LC_T_DOWN] = MATRIX(lc_layer, down, DIM_WIDTH, DIM_FFN),
    [LC_T_Q_BIAS] = VECTOR(lc_layer, q_bias, DIM_QUERY),
    [LC_T_K_BIAS] = VECTOR(lc_layer, k_bias, DIM_KEY),
    [LC_T_V_BIAS] = VECTOR(lc_layer, v_bias, DIM_KEY),
    [LC_T_O_BIAS] = VECTOR(lc_layer, o_bias, DIM_WIDTH),
    [LC_T_UP_BIAS] = VECTOR(lc_layer, up_bias, DIM_FFN),
    [LC_T_DOWN_BIAS] = VECTOR(lc_layer, down_bias, DIM_WIDTH),
    [LC_T_Q_NORM] = VECTOR(lc_layer, q_norm.gain, DIM_HEAD),
    [LC_T_K_NORM] = VECTOR(lc_layer, k_norm.gain, DIM_HEAD),
    [LC_T_ATTN_POST_NORM] = VECTOR(lc_layer, attn_post_norm.gain, DIM_WIDTH),
    [LC_T_FFN_POST_NORM] = VECTOR(lc_layer, ffn_post_norm.gain, DIM_WIDTH),
    [LC_T_ATTN_OUT_NORM] = VECTOR(lc_layer, attn_out_norm.gain, DIM_WIDTH),
    [LC_T_ATTN_OUT_NORM_BIAS] = VECTOR(lc_layer, attn_out_norm.bias, DIM_WIDTH),
    [LC_T_FFN_OUT_NORM] = VECTOR(lc_layer, ffn_out_norm.gain, DIM_WIDTH),
    [LC_T_FFN_OUT_NORM_BIAS] = VECTOR(lc_layer, ffn_out_norm.bias, DIM_WIDTH),
    [LC_T_ATTN_NORM_BIAS] = VECTOR(lc_layer, attn_norm.bias, DIM_WIDTH),
    [LC_T_FFN_NORM_BIAS] = VECTOR(lc_layer, ffn_norm.bias, DIM_WIDTH),
    [LC_T_CONV_IN] = MATRIX(lc_layer, conv_in, DIM_THREE_WIDTHS, DIM_WIDTH),
    [LC_T_CONV] = {DIM_WIDTH, DIM_TAPS, true, offsetof(lc_layer, conv)},
    [LC_T_CONV_OUT] = MATRIX(lc_layer, conv_out, DIM_WIDTH, DIM_WIDTH),
};

static uint32_t dim_size(const lc_model_info *i, uint32_t d)
{
    const uint32_t size[] = {
        [DIM_ONE] = 1,
        [DIM_TWO] = 2,
        [DIM_VOCAB] = i->vocab,
        [DIM_WIDTH] = i->width,
        [DIM_QUERY] = i->heads * i->head_dim,
        [DIM_KEY] = i->kv_heads * i->head_dim,
        [DIM_HEAD] = i->head_dim,
        [DIM_FFN] = i->ffn,
        [DIM_CTX] = i->ctx,
        [DIM_CLASSES] = i->classes,
        [DIM_HALF_ROPE] = i->rope_dims / 2,
        [DIM_TYPES] = i->token_types,
        [DIM_THREE_WIDTHS] = 3 * i->width,
        [DIM_TAPS] = i->conv_taps,
    };
    return size[d];
}

bool lc_role_shape(const lc_model_info *info, uint32_t role, uint32_t *rows, uint32_t *cols)
{
    if (role == 0 || role >= LC_ROLE_COUNT) {
        return false;
    }
    *rows = dim_size(info, places[role].rows);
    *cols = dim_size(info, places[role].cols);
    return true;
}

uint32_t lc_role_section(uint32_t role)
{
    const uint64_t head = 1u << LC_T_CLS | 1u << LC_T_CLS_BIAS | 1u << LC_T_POOLER |
                          1u << LC_T_POOLER_BIAS | 1u << LC_T_POOLER_NORM;
    if (role >= LC_ROLE_LAYER) {
        return LC_SECTION_LAYER;
    }
    return (head >> role & 1) != 0 ? LC_SECTION_CLASSES : LC_SECTION_EMBED;
}

/* The place of a tensor, in base (lc_model or lc_layer). */
typedef struct slot {
    lc_mat *mat; /* one of the two */
    const float **vec;
    uint32_t rows, cols;
} slot;

static slot slot_of(const lc_model_info *info, uint32_t role, void *base)
{
    slot s = {0};
    void *field = (uint8_t *)base + places[role].offset;
    if (places[role].vector) {
        s.vec = field;
    } else {
        s.mat = field;
    }
    (void)lc_role_shape(info, role, &s.rows, &s.cols);
    return s;
}

void lc_layer_bind(const lc_model_info *info, const lc_tensor *t, lc_layer *layer)
{
    slot s = slot_of(info, t->role, layer);
    if (s.vec != NULL) {
        *s.vec = t->mat.data;
    } else {
        *s.mat = t->mat;
    }
}

static bool slot_taken(const slot *s)
{
    return s->vec != NULL ? *s->vec != NULL : s->mat->data != NULL;
}

static lc_err bind_tensor(const lc_tensor *t, const slot *s, uint64_t at, lc_diag *diag)
{
    if (t->mat.rows != s->rows || t->mat.cols != s->cols) {
        return lc_fail(diag, LC_ERR_FORMAT, at + 12, "tensor shape does not fit the model");
    }
    /* tiles are not read row by row */
    bool gathered =
        t->role == LC_T_EMBED || t->role == LC_T_POSITION || t->role == LC_T_TOKEN_TYPE;
    if ((s->vec != NULL && t->mat.type != LC_W_F32) ||
        (gathered && t->mat.type != LC_W_F32 && t->mat.type != LC_W_R8)) {
        return lc_fail(diag, LC_ERR_FORMAT, at + 8, "tensor type is not legal for its role");
    }
    if (slot_taken(s)) {
        return lc_fail(diag, LC_ERR_FORMAT, at, "tensor stands twice");
    }
    if (s->vec != NULL) {
        *s->vec = t->mat.data;
        return LC_OK;
    }
    *s->mat = t->mat;
    return check_scales(t->mat.scale, scale_count(t->mat.type, t->mat.rows), at, diag);
}

/* What reading the table needs to remember: the layer being filled, and where the tensor before
 * ended, so that tensors ascend and do not overlap. */
typedef struct binder {
    lc_model *model;
    lc_arena *state;
    lc_layer layer;
    uint32_t layer_index;  /* of layer */
    uint64_t global_roles; /* bits of those read */
    uint64_t layer_roles;  /* of layer */
    const uint8_t *end;
} binder;

#define LAYER_ROLES (UINT64_MAX << LC_ROLE_LAYER)

/* Whether all tensors of the layer being filled are there; the next one may then follow. */
static bool layer_done(binder *b)
{
    const lc_model *m = b->model;
    bool conv = b->layer_index < m->info.layers && lc_layer_is_conv(&m->info, b->layer_index);
    uint64_t needs = lc_arch_needs(m->arch, conv) & LAYER_ROLES;
    if (b->layer_index >= m->info.layers || (b->layer_roles & needs) != needs) {
        return false;
    }
    if (!b->state->measuring) {
        b->model->layer[b->layer_index] = b->layer;
    }
    b->layer = (lc_layer){0};
    b->layer_roles = 0;
    b->layer_index++;
    return true;
}

/* The place for a tensor that this architecture may have here. */
static bool find_slot(binder *b, const lc_tensor *t, slot *s)
{
    lc_model *model = b->model;
    bool global = t->layer == LC_GLOBAL;
    bool conv = t->layer < model->info.layers && lc_layer_is_conv(&model->info, t->layer);
    if (t->role >= LC_ROLE_COUNT || global != (t->role < LC_ROLE_LAYER) ||
        (lc_arch_roles(model->arch, conv) >> t->role & 1) == 0) {
        return false;
    }
    if (global) {
        b->global_roles |= UINT64_C(1) << t->role;
        *s = slot_of(&model->info, t->role, model);
        return true;
    }
    if (t->layer == b->layer_index + 1 && !layer_done(b)) {
        return false;
    }
    b->layer_roles |= UINT64_C(1) << t->role;
    *s = slot_of(&model->info, t->role, &b->layer);
    return t->layer == b->layer_index && b->layer_index < model->info.layers;
}

static lc_err bind_next(binder *b, lc_reader *r, uint64_t at, lc_diag *diag)
{
    lc_tensor t;
    slot s;
    lc_err err = read_tensor(&b->model->leaf, r, at, &t, diag);
    if (err != LC_OK) {
        return err;
    }
    if (b->end != NULL && (const uint8_t *)t.mat.data < b->end) {
        return lc_fail(diag, LC_ERR_FORMAT, at + 32, "tensors overlap or are out of order");
    }
    b->end = (const uint8_t *)t.mat.data + t.bytes;
    if (!find_slot(b, &t, &s)) {
        return lc_fail(diag, LC_ERR_FORMAT, at, "tensor is not of this model, or out of its place");
    }
    b->model->exact = b->model->exact && (t.layer == LC_GLOBAL || t.mat.type == LC_W_F32);
    return bind_tensor(&t, &s, at, diag);
}

/* Every role of the architecture, and for a head its weights. */
static bool all_there(binder *b)
{
    uint64_t needs = b->model->arch->needs & ~LAYER_ROLES;
    if (b->model->info.classes > 0) {
        needs |= UINT64_C(1) << LC_T_CLS;
    }
    return layer_done(b) && b->layer_index == b->model->info.layers &&
           (b->global_roles & needs) == needs;
}

static lc_err read_tensors(lc_model *model, lc_arena *state, lc_diag *diag)
{
    lc_section s;
    if (!tensor_section(model, &s)) {
        return lc_fail(diag, LC_ERR_FORMAT, 0, "pack without section TENSORS");
    }
    lc_reader r = lc_reader_make(s.data, s.bytes);
    uint32_t count = lc_read_u32(&r);
    if (r.failed || count > LC_TENSORS_MAX || s.bytes != 4 + (uint64_t)count * TENSOR_ROW_BYTES) {
        return lc_fail(diag, LC_ERR_FORMAT, s.offset, "tensor_count does not fit its section");
    }
    model->layer = LC_PUSH(state, lc_layer, model->info.layers);
    if (model->layer == NULL) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "state arena too small for the layer table");
    }
    binder b = {.model = model, .state = state};
    model->exact = true;
    for (uint32_t i = 0; i < count; i++) {
        lc_err err = bind_next(&b, &r, s.offset + r.at, diag);
        if (err != LC_OK) {
            return err;
        }
    }
    if (!all_there(&b)) {
        return lc_fail(diag, LC_ERR_FORMAT, s.offset + s.bytes, "a tensor is missing");
    }
    model->tied = model->output.data == NULL;
    if (model->tied) {
        model->output = model->embed;
    }
    return LC_OK;
}

/* ---- the whole ---- */

lc_err lc_model_open(const void *data, size_t bytes, lc_arena *state, lc_model *model,
                     lc_diag *diag)
{
    if (((uintptr_t)data & 63) != 0) {
        return lc_fail(diag, LC_ERR_ARGUMENT, 0, "pack is not aligned to 64 bytes in memory");
    }
    lc_model m = {0};
    lc_err err = lc_leaf_open(data, bytes, &m.leaf, diag);
    if (err == LC_OK && m.leaf.kind != LC_LEAF_PACK) {
        err = lc_fail(diag, LC_ERR_FORMAT, 8, "object is not a pack");
    }
    if (err == LC_OK) {
        err = read_info(&m.leaf, &m, diag);
    }
    lc_section s = {0};
    if (err == LC_OK && !lc_leaf_find(&m.leaf, LC_SECTION_TOKENIZER, 0, &s)) {
        err = lc_fail(diag, LC_ERR_FORMAT, 0, "pack without section TOKENIZER");
    }
    if (err == LC_OK) {
        err = lc_tok_open(s.data, s.bytes, &m.tok, diag);
        if (err != LC_OK && diag != NULL) {
            diag->offset += s.offset;
        }
    }
    if (err == LC_OK && m.tok.vocab > m.info.vocab) {
        err = lc_fail(diag, LC_ERR_FORMAT, s.offset, "tokenizer has more tokens than embeddings");
    }
    if (err == LC_OK) {
        err = read_classes(&m.leaf, &m, state, diag);
    }
    if (err == LC_OK) {
        err = read_tensors(&m, state, diag);
    }
    if (err == LC_OK) {
        *model = m;
    }
    return err;
}
