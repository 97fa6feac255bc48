/* net_past.c - what tokens leave to later ones: keys and values, and their snapshot. */
#include "net_parts.h"

#include <string.h>

#include "../kernels/math.h"
#include "bytes.h"

uint32_t lc_net_kv(const lc_model *model, uint32_t kv)
{
    uint32_t own = model->exact || !model->info.causal ? LC_KV_F32 : LC_KV_F16;
    return kv == LC_KV_AUTO ? own : kv;
}

uint32_t lc_net_kv_layers(const lc_model *model)
{
    return model->info.causal ? model->info.layers : 1;
}

static size_t value_bytes(const lc_net *net)
{
    return net->kv == LC_KV_F32 ? sizeof(float) : net->kv == LC_KV_F16 ? sizeof(uint16_t) : 1;
}

/* Bytes of the keys of one token in one layer; as many of the values. */
static size_t row_bytes(const lc_net *net)
{
    return lc_kv_width(&net->model->info) * value_bytes(net);
}

/* A convolution keeps its inputs for as long as others keep keys, so that a net can be rewound to
 * any token; 8 bits are too few for what is summed without a softmax. */
static size_t input_bytes(const lc_net *net)
{
    return net->model->info.width * (net->kv == LC_KV_F32 ? sizeof(float) : sizeof(uint16_t));
}

/* Scales of keys in one layer for `tokens` tokens. */
static size_t scale_bytes(const lc_net *net, uint32_t tokens)
{
    return net->kv == LC_KV_I8 ? (size_t)net->model->info.kv_heads * tokens * sizeof(float) : 0;
}

bool lc_net_past_push(lc_net *net, lc_arena *state)
{
    const lc_model_info *info = &net->model->info;
    size_t bytes = net->ctx * row_bytes(net), scales = scale_bytes(net, net->ctx);
    net->past = LC_PUSH(state, lc_net_past, net->kv_layers);
    bool fits = net->past != NULL;
    for (uint32_t i = 0; fits && i < net->kv_layers; i++) {
        bool conv = lc_layer_is_conv(info, i);
        lc_net_past past = {.key = lc_arena_push(state, conv ? net->ctx * input_bytes(net) : bytes),
                            .value = lc_arena_push(state, conv ? 0 : bytes),
                            .key_scale = lc_arena_push(state, conv ? 0 : scales),
                            .value_scale = lc_arena_push(state, conv ? 0 : scales)};
        fits = past.key != NULL && past.value != NULL && past.key_scale != NULL &&
               past.value_scale != NULL;
        if (fits && !state->measuring) {
            net->past[i] = past;
        }
    }
    return fits;
}

void lc_net_keep_input(const lc_net *net, lc_net_past *past, uint32_t position, const float *x)
{
    net->k->keep(net->kv == LC_KV_F32 ? LC_KV_F32 : LC_KV_F16, x, net->model->info.width,
                 past->key + position * input_bytes(net), NULL);
}

void lc_net_kept_input(const lc_net *net, const lc_net_past *past, uint32_t position, float *x)
{
    uint32_t width = net->model->info.width;
    const uint8_t *row = past->key + position * input_bytes(net);
    if (net->kv == LC_KV_F32) {
        memcpy(x, row, width * sizeof *x);
        return;
    }
    for (uint32_t i = 0; i < width; i++) {
        x[i] = lc_half_to_float(((const uint16_t *)(const void *)row)[i]);
    }
}

size_t lc_net_kv_bytes(const lc_model *model, uint32_t kv, uint32_t ctx)
{
    lc_net net = {.model = model, .ctx = ctx, .kv = lc_net_kv(model, kv)};
    lc_arena state;
    net.kv_layers = lc_net_kv_layers(model);
    lc_arena_measure(&state);
    (void)lc_net_past_push(&net, &state);
    return state.peak;
}

lc_net_past *lc_net_past_of(const lc_net *net, uint32_t layer)
{
    return &net->past[net->kv_layers == 1 ? 0 : layer];
}

/* Byte of the keys, and of the values, of a token's head. */
static size_t place_of(const lc_net *net, uint32_t position, uint32_t kv_head)
{
    return position * row_bytes(net) + kv_head * net->model->info.head_dim * value_bytes(net);
}

void lc_net_past_at(const lc_net *net, const lc_net_past *past, uint32_t position, uint32_t kv_head,
                    lc_attention *at)
{
    size_t byte = place_of(net, position, kv_head);
    size_t scale = (size_t)kv_head * net->ctx + position;
    at->kind = net->kv;
    at->k = past->key + byte;
    at->v = past->value + byte;
    if (net->kv == LC_KV_I8) {
        at->k_scale = past->key_scale + scale;
        at->v_scale = past->value_scale + scale;
    }
    at->stride = lc_kv_width(&net->model->info);
}

void lc_net_keep(const lc_net *net, lc_net_past *past, uint32_t position, uint32_t kv_head,
                 const float *k, const float *v)
{
    uint32_t dim = net->model->info.head_dim;
    size_t in = (size_t)kv_head * dim, byte = place_of(net, position, kv_head);
    size_t scale = (size_t)kv_head * net->ctx + position;
    net->k->keep(net->kv, k + in, dim, past->key + byte, past->key_scale + scale);
    net->k->keep(net->kv, v + in, dim, past->value + byte, past->value_scale + scale);
}

/* ---- snapshot ---- */

/* The header: version, kind of cache, tokens, zero, root of the pack, and of the adapter if the net
 * works with one. */
#define SNAPSHOT_PLAIN 1u
#define SNAPSHOT_ADAPTED 2u

static size_t header_bytes(const lc_net *net)
{
    return net->adapter == NULL ? 48 : 80;
}

size_t lc_net_snapshot_bytes(const lc_net *net, uint32_t tokens)
{
    size_t attention = 2 * (tokens * row_bytes(net) + scale_bytes(net, tokens));
    size_t bytes = header_bytes(net);
    for (uint32_t i = 0; i < net->kv_layers; i++) {
        bool conv = lc_layer_is_conv(&net->model->info, i);
        bytes += conv ? tokens * input_bytes(net) : attention;
    }
    return bytes;
}

/* A snapshot being written (out) or read (in, out NULL). */
typedef struct mover {
    const uint8_t *in;
    uint8_t *out;
} mover;

static void move(mover *m, void *place, size_t bytes)
{
    if (m->out != NULL) {
        memcpy(m->out, place, bytes);
        m->out += bytes;
    } else {
        memcpy(place, m->in, bytes);
        m->in += bytes;
    }
}

static void move_scales(const lc_net *net, mover *m, float *scale)
{
    for (uint32_t h = 0; net->kv == LC_KV_I8 && h < net->model->info.kv_heads; h++) {
        move(m, scale + (size_t)h * net->ctx, net->position * sizeof *scale);
    }
}

/* All layers of the tokens so far. */
static void move_layers(const lc_net *net, mover m)
{
    size_t rows = net->position * row_bytes(net);
    for (uint32_t i = 0; i < net->kv_layers; i++) {
        const lc_net_past *past = &net->past[i];
        if (lc_layer_is_conv(&net->model->info, i)) {
            move(&m, past->key, net->position * input_bytes(net));
            continue;
        }
        move(&m, past->key, rows);
        move(&m, past->value, rows);
        move_scales(net, &m, past->key_scale);
        move_scales(net, &m, past->value_scale);
    }
}

void lc_net_snapshot_save(const lc_net *net, uint8_t *out)
{
    const uint32_t version = net->adapter == NULL ? SNAPSHOT_PLAIN : SNAPSHOT_ADAPTED;
    const uint32_t head[4] = {version, net->kv, net->position, 0};
    memcpy(out, head, sizeof head);
    memcpy(out + 16, net->model->leaf.root, 32);
    if (net->adapter != NULL) {
        memcpy(out + 48, net->adapter->leaf.root, 32);
    }
    move_layers(net, (mover){.out = out + header_bytes(net)});
}

/* Keys and values are those of the adapter, too, that they were computed with. */
static bool of_this_adapter(const lc_net *net, uint32_t version, lc_reader *r)
{
    const uint8_t *root = version == SNAPSHOT_PLAIN ? NULL : lc_read_bytes(r, 32);
    return net->adapter == NULL ? version == SNAPSHOT_PLAIN
                                : root != NULL && memcmp(root, net->adapter->leaf.root, 32) == 0;
}

/* Checks the header of a snapshot; *tokens is what it holds. */
static lc_err check_snapshot(const lc_net *net, const uint8_t *data, size_t bytes, uint32_t *tokens,
                             lc_diag *diag)
{
    lc_reader r = lc_reader_make(data, bytes);
    uint32_t version = lc_read_u32(&r);
    uint32_t kv = lc_read_u32(&r);
    *tokens = lc_read_u32(&r);
    uint32_t zero = lc_read_u32(&r);
    const uint8_t *root = lc_read_bytes(&r, 32);
    if (!net->model->info.causal) {
        return lc_fail(diag, LC_ERR_ARGUMENT, 0, "a model of whole texts has no prefix");
    }
    if (root == NULL) {
        return lc_fail(diag, LC_ERR_FORMAT, r.at, "snapshot ends early");
    }
    if (version != SNAPSHOT_PLAIN && version != SNAPSHOT_ADAPTED) {
        return lc_fail(diag, LC_ERR_VERSION, 0, "unknown version of a snapshot");
    }
    if (kv != net->kv || zero != 0) {
        return lc_fail(diag, LC_ERR_UNSUPPORTED, 4, "snapshot of another kind of KV cache");
    }
    if (memcmp(root, net->model->leaf.root, 32) != 0) {
        return lc_fail(diag, LC_ERR_FORMAT, 16, "snapshot of another model");
    }
    if (!of_this_adapter(net, version, &r)) {
        return lc_fail(diag, LC_ERR_FORMAT, 48, "snapshot of another adapter");
    }
    if (*tokens > net->ctx) {
        return lc_fail(diag, LC_ERR_LIMIT, 8, "snapshot longer than the context");
    }
    if (bytes != lc_net_snapshot_bytes(net, *tokens)) {
        return lc_fail(diag, LC_ERR_FORMAT, 8, "snapshot has a wrong length");
    }
    return LC_OK;
}

lc_err lc_net_snapshot_load(lc_net *net, const uint8_t *data, size_t bytes, lc_diag *diag)
{
    uint32_t tokens;
    lc_net_reset(net);
    lc_err err = check_snapshot(net, data, bytes, &tokens, diag);
    if (err != LC_OK) {
        return err;
    }
    net->position = tokens;
    move_layers(net, (mover){.in = data + header_bytes(net)});
    return LC_OK;
}
