#include "adapter.h"

#include <string.h>

#define VERSION_WHOLE 1u /* all layers run */
#define VERSION_EXIT 2u  /* the header says how many */
#define PAIR_BYTES 32u

/* ---- header ---- */

/* Section ADAPTER, its cursor behind the header. */
typedef struct header {
    lc_section section;
    lc_reader r;
    const uint8_t *base; /* [32] root */
    uint32_t rank, pairs, classes;
    uint32_t layers; /* 0: all of the model's */
} header;

/* What the counts of the header must keep to. */
static lc_err check_header(const header *h, lc_diag *diag)
{
    uint64_t at = h->section.offset;
    if (h->classes > LC_CLASSES_MAX) {
        return lc_fail(diag, LC_ERR_LIMIT, at + 4, "classes over limit");
    }
    if (h->rank > LC_RANK_MAX) {
        return lc_fail(diag, LC_ERR_LIMIT, at + 40, "rank over limit");
    }
    if (h->pairs > LC_TENSORS_MAX / 2 || (h->pairs == 0) != (h->rank == 0) ||
        (h->pairs == 0 && h->classes == 0)) {
        return lc_fail(diag, LC_ERR_FORMAT, at + 44, "pair count out of range");
    }
    return LC_OK;
}

static lc_err read_header(const lc_leaf *leaf, header *h, lc_diag *diag)
{
    if (leaf->kind != LC_LEAF_ADAPTER) {
        return lc_fail(diag, LC_ERR_FORMAT, 8, "object is not an adapter");
    }
    if (!lc_leaf_find(leaf, LC_SECTION_ADAPTER, 0, &h->section)) {
        return lc_fail(diag, LC_ERR_FORMAT, 0, "adapter without section ADAPTER");
    }
    uint64_t at = h->section.offset;
    h->r = lc_reader_make(h->section.data, h->section.bytes);
    uint32_t version = lc_read_u32(&h->r);
    h->classes = lc_read_u32(&h->r);
    h->base = lc_read_bytes(&h->r, 32);
    h->rank = lc_read_u32(&h->r);
    h->pairs = lc_read_u32(&h->r);
    h->layers = version == VERSION_EXIT ? lc_read_u32(&h->r) : 0;
    if (h->r.failed) {
        return lc_fail(diag, LC_ERR_FORMAT, at, "section ADAPTER ends early");
    }
    if (version != VERSION_WHOLE && version != VERSION_EXIT) {
        return lc_fail(diag, LC_ERR_VERSION, at, "adapter of another version");
    }
    if (version == VERSION_EXIT && (h->layers == 0 || h->classes == 0)) {
        return lc_fail(diag, LC_ERR_FORMAT, at + 48, "early exit without layers or head");
    }
    return check_header(h, diag);
}

lc_err lc_adapter_base(const void *data, size_t bytes, const uint8_t **root, lc_diag *diag)
{
    lc_leaf leaf;
    header h;
    lc_err err = lc_leaf_open(data, bytes, &leaf, diag);
    if (err == LC_OK) {
        err = read_header(&leaf, &h, diag);
    }
    if (err == LC_OK) {
        *root = h.base;
    }
    return err;
}

/* ---- pairs ---- */

lc_lora *lc_lora_of(lc_lora_layer *layer, uint32_t role)
{
    switch (role) {
    case LC_T_Q:
        return &layer->q;
    case LC_T_K:
        return &layer->k;
    case LC_T_V:
        return &layer->v;
    case LC_T_O:
        return &layer->o;
    case LC_T_GATE:
        return &layer->gate;
    case LC_T_UP:
        return &layer->up;
    case LC_T_DOWN:
        return &layer->down;
    default:
        return NULL;
    }
}

/* Reading the pairs in order: where the matrix before ended, and the pair before. */
typedef struct binder {
    const lc_model *model;
    lc_adapter *adapter;
    header *h;
    lc_lora_layer layer; /* being filled */
    uint32_t layer_index;
    bool measuring;
    uint64_t end;  /* in the section */
    uint64_t last; /* (layer, role) of the pair before, plus one */
    uint32_t rank; /* the largest so far */
    lc_diag *diag;
} binder;

static lc_err refuse(const binder *b, lc_err err, uint64_t at, const char *text)
{
    return lc_fail(b->diag, err, b->h->section.offset + at, text);
}

/* The matrix at `offset` of the section, which must stand behind the one before. */
static lc_err read_mat(binder *b, uint64_t row_at, uint64_t offset, lc_mat *mat)
{
    uint64_t data = lc_mat_data_bytes(mat->type, mat->rows, mat->cols);
    uint64_t scales = lc_mat_scale_bytes(mat->type, mat->rows);
    uint64_t scale_at = LC_ROUND_UP(data, UINT64_C(64));
    uint64_t bytes = scales > 0 ? scale_at + scales : data;
    uint64_t room = b->h->section.bytes - LC_READ_AHEAD; /* the section holds the header at least */
    if (offset % 64 != 0 || offset < b->end || offset > room || bytes > room - offset) {
        return refuse(b, LC_ERR_FORMAT, row_at, "matrix does not fit into its section");
    }
    b->end = offset + bytes;
    mat->data = b->h->section.data + offset;
    mat->scale = NULL;
    if (scales > 0) {
        mat->scale = (const float *)(const void *)(b->h->section.data + offset + scale_at);
    }
    for (uint32_t i = 0; mat->scale != NULL && i < mat->rows; i++) {
        if (!(mat->scale[i] == 0.0f || (mat->scale[i] >= 0x1p-100f && mat->scale[i] <= 0x1p100f))) {
            return refuse(b, LC_ERR_FORMAT, offset + scale_at + 4u * i, "row scale out of range");
        }
    }
    return LC_OK;
}

/* Layers that have no pair, and the one being filled, up to `layer`, move into the arena. */
static void keep_layers(binder *b, uint32_t layer)
{
    while (b->layer_index < layer) {
        if (!b->measuring) {
            b->adapter->layer[b->layer_index] = b->layer;
        }
        b->layer = (lc_lora_layer){0};
        b->layer_index++;
    }
}

/* Whether the model has this linear; its shape. */
static bool linear_of(const binder *b, uint32_t role, uint32_t layer, uint32_t *rows,
                      uint32_t *cols)
{
    const lc_model *m = b->model;
    bool runs = layer < b->adapter->layers;
    uint64_t roles = lc_arch_roles(m->arch, runs && lc_layer_is_conv(&m->info, layer));
    return runs && role < LC_ROLE_COUNT && (roles >> role & 1) != 0 &&
           lc_role_shape(&m->info, role, rows, cols);
}

static lc_err read_pair(binder *b)
{
    lc_reader *r = &b->h->r;
    uint64_t at = r->at;
    uint32_t role = lc_read_u32(r);
    uint32_t layer = lc_read_u32(r);
    uint32_t type = lc_read_u32(r);
    uint32_t rank = lc_read_u32(r);
    uint64_t a_at = lc_read_u64(r), b_at = lc_read_u64(r);
    uint32_t rows = 0, cols = 0;
    if (r->failed) {
        return refuse(b, LC_ERR_FORMAT, at, "pair table ends early");
    }
    uint64_t place = ((uint64_t)layer << 32 | role) + 1;
    if (place <= b->last) {
        return refuse(b, LC_ERR_FORMAT, at, "pairs are out of order, or one stands twice");
    }
    b->last = place;
    lc_lora *to = NULL;
    if (linear_of(b, role, layer, &rows, &cols)) {
        keep_layers(b, layer);
        to = lc_lora_of(&b->layer, role);
    }
    if (to == NULL) {
        return refuse(b, LC_ERR_FORMAT, at, "pair of a linear that the model has not");
    }
    if (type != LC_W_F32 && type != LC_W_R8) {
        return refuse(b, LC_ERR_UNSUPPORTED, at + 8, "pair type is not legal");
    }
    if (rank == 0 || rank > b->h->rank) {
        return refuse(b, LC_ERR_FORMAT, at + 12, "rank of a pair out of range");
    }
    b->rank = rank > b->rank ? rank : b->rank;
    to->a = (lc_mat){.type = (uint8_t)type, .rows = rank, .cols = cols};
    to->b = (lc_mat){.type = (uint8_t)type, .rows = rows, .cols = rank};
    lc_err err = read_mat(b, at + 16, a_at, &to->a);
    return err == LC_OK ? read_mat(b, at + 24, b_at, &to->b) : err;
}

static lc_err read_pairs(const lc_model *model, lc_adapter *adapter, header *h, lc_arena *state,
                         lc_diag *diag)
{
    uint32_t layers = model->info.layers;
    binder b = {.model = model, .adapter = adapter, .h = h, .diag = diag};
    b.measuring = state->measuring;
    b.end = h->r.at + (uint64_t)h->pairs * PAIR_BYTES;
    if (h->section.bytes < b.end + LC_READ_AHEAD) {
        return refuse(&b, LC_ERR_FORMAT, 44, "pair count does not fit the section");
    }
    adapter->layer = LC_PUSH(state, lc_lora_layer, layers);
    if (adapter->layer == NULL) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "state arena too small for an adapter");
    }
    for (uint32_t i = 0; i < h->pairs; i++) {
        lc_err err = read_pair(&b);
        if (err != LC_OK) {
            return err;
        }
    }
    keep_layers(&b, layers);
    if (b.rank != h->rank) {
        return refuse(&b, LC_ERR_FORMAT, 40, "rank is not that of the widest pair");
    }
    return b.end + LC_READ_AHEAD == h->section.bytes
               ? LC_OK
               : refuse(&b, LC_ERR_FORMAT, b.end, "section ADAPTER has a wrong length");
}

/* ---- head ---- */

static lc_err read_names(lc_adapter *adapter, lc_reader *r, lc_arena *state)
{
    uint32_t count = lc_read_u32(r);
    for (uint32_t i = 0; i < count && !r->failed; i++) {
        lc_str name = lc_read_str(r);
        if (i < adapter->classes && !state->measuring) {
            adapter->class_name[i] = name;
        }
    }
    return r->failed || count != adapter->classes ? LC_ERR_FORMAT : LC_OK;
}

/* Names, then weights and bias, each at a multiple of 64, then the read-ahead: nothing else. */
static lc_err read_head(lc_adapter *adapter, uint32_t width, lc_arena *state, lc_diag *diag)
{
    lc_section s;
    bool there = lc_leaf_find(&adapter->leaf, LC_SECTION_CLASSES, 0, &s);
    if (there != (adapter->classes > 0)) {
        return lc_fail(diag, LC_ERR_FORMAT, 0, "section CLASSES against the header's classes");
    }
    if (!there) {
        return LC_OK;
    }
    adapter->class_name = LC_PUSH(state, lc_str, adapter->classes);
    if (adapter->class_name == NULL) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "state arena too small for class names");
    }
    lc_reader r = lc_reader_make(s.data, s.bytes);
    if (read_names(adapter, &r, state) != LC_OK) {
        return lc_fail(diag, LC_ERR_FORMAT, s.offset + r.at, "class names end early");
    }
    uint64_t cls_at = LC_ROUND_UP((uint64_t)r.at, UINT64_C(64));
    uint64_t cls_bytes = lc_mat_data_bytes(LC_W_F32, adapter->classes, width);
    uint64_t bias_at = LC_ROUND_UP(cls_at + cls_bytes, UINT64_C(64));
    if (s.bytes != bias_at + adapter->classes * sizeof(float) + LC_READ_AHEAD) {
        return lc_fail(diag, LC_ERR_FORMAT, s.offset, "head does not fit the model's width");
    }
    adapter->cls = (lc_mat){
        .type = LC_W_F32, .rows = adapter->classes, .cols = width, .data = s.data + cls_at};
    adapter->cls_bias = (const float *)(const void *)(s.data + bias_at);
    return LC_OK;
}

/* ---- the whole ---- */

lc_err lc_adapter_open(const void *data, size_t bytes, const lc_model *model, lc_arena *state,
                       lc_adapter *adapter, lc_diag *diag)
{
    if (((uintptr_t)data & 63) != 0) {
        return lc_fail(diag, LC_ERR_ARGUMENT, 0, "adapter is not aligned to 64 bytes in memory");
    }
    lc_adapter made = {0};
    header h;
    lc_err err = lc_leaf_open(data, bytes, &made.leaf, diag);
    if (err == LC_OK) {
        err = read_header(&made.leaf, &h, diag);
    }
    if (err == LC_OK && memcmp(h.base, model->leaf.root, 32) != 0) {
        err = lc_fail(diag, LC_ERR_CHECKSUM, h.section.offset + 8,
                      "adapter was made for another base model");
    }
    if (err != LC_OK) {
        return err;
    }
    if (h.layers >= model->info.layers) {
        return lc_fail(diag, LC_ERR_FORMAT, h.section.offset + 48,
                       "early exit at the last layer or behind it");
    }
    made.layers = h.layers > 0 ? h.layers : model->info.layers;
    made.base = h.base;
    made.rank = h.rank;
    made.pairs = h.pairs;
    made.classes = h.classes;
    err = read_pairs(model, &made, &h, state, diag);
    if (err == LC_OK) {
        err = read_head(&made, model->info.width, state, diag);
    }
    if (err == LC_OK) {
        *adapter = made;
    }
    return err;
}
