/* net_past.c - what tokens leave to later ones: keys and values, and their snapshot. */
#include "net_parts.h"

#include <string.h>

#include "bytes.h"

lc_net_past *lc_net_past_of(const lc_net *net, uint32_t layer)
{
    return &net->past[net->kv_layers == 1 ? 0 : layer];
}

void lc_net_keep(const lc_net *net, lc_net_past *past, uint32_t position, uint32_t kv_head,
                 const float *k, const float *v)
{
    const lc_model_info *i = &net->model->info;
    size_t in = (size_t)kv_head * i->head_dim;
    size_t at = (size_t)position * lc_kv_width(i) + in;
    memcpy(past->key + at, k + in, i->head_dim * sizeof *k);
    memcpy(past->value + at, v + in, i->head_dim * sizeof *v);
}

/* ---- snapshot ---- */

#define SNAPSHOT_VERSION 1u
#define SNAPSHOT_HEADER_BYTES 48u /* version, kind of cache, tokens, zero, root of the pack */

/* Bytes that a layer keeps of some tokens, in one of its arrays. */
static size_t part_bytes(const lc_net *net, uint32_t tokens)
{
    return (size_t)tokens * lc_kv_width(&net->model->info) * sizeof(float);
}

size_t lc_net_snapshot_bytes(const lc_net *net, uint32_t tokens)
{
    return SNAPSHOT_HEADER_BYTES + net->kv_layers * 2 * part_bytes(net, tokens);
}

void lc_net_snapshot_save(const lc_net *net, uint8_t *out)
{
    const uint32_t head[4] = {SNAPSHOT_VERSION, net->kv, net->position, 0};
    size_t bytes = part_bytes(net, net->position);
    memcpy(out, head, sizeof head);
    memcpy(out + sizeof head, net->model->leaf.root, 32);
    out += SNAPSHOT_HEADER_BYTES;
    for (uint32_t i = 0; i < net->kv_layers; i++, out += 2 * bytes) {
        memcpy(out, net->past[i].key, bytes);
        memcpy(out + bytes, net->past[i].value, bytes);
    }
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
    if (version != SNAPSHOT_VERSION) {
        return lc_fail(diag, LC_ERR_VERSION, 0, "unknown version of a snapshot");
    }
    if (kv != net->kv || zero != 0) {
        return lc_fail(diag, LC_ERR_UNSUPPORTED, 4, "snapshot of another kind of KV cache");
    }
    if (memcmp(root, net->model->leaf.root, 32) != 0) {
        return lc_fail(diag, LC_ERR_FORMAT, 16, "snapshot of another model");
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
    size_t part = part_bytes(net, tokens);
    data += SNAPSHOT_HEADER_BYTES;
    for (uint32_t i = 0; i < net->kv_layers; i++, data += 2 * part) {
        memcpy(net->past[i].key, data, part);
        memcpy(net->past[i].value, data + part, part);
    }
    net->position = tokens;
    return LC_OK;
}
