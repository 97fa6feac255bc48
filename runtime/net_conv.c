/* net_conv.c - a layer that convolves over the last few tokens instead of attending (LFM2).
 *
 * What a channel is multiplied with is summed from the oldest token on, each channel for itself.
 */
#include "net_parts.h"

#include <string.h>

/* Parts of a row that CONV_IN makes: [3][width]. */
typedef struct gates {
    float *before, *after, *x;
} gates;

static gates gates_of(const lc_net *net, const lc_net_buffers *b, uint32_t t)
{
    size_t width = net->model->info.width;
    float *row = b->gate + t * 3 * width;
    return (gates){row, row + width, row + 2 * width};
}

/* What the convolution reads of n tokens, in the place of the gates before it. */
static void make_inputs(const lc_net *net, const lc_net_buffers *b, uint32_t n)
{
    for (uint32_t t = 0; t < n; t++) {
        gates g = gates_of(net, b, t);
        for (uint32_t c = 0; c < net->model->info.width; c++) {
            g.before[c] *= g.x[c];
        }
    }
}

/* The ancestors that token t sees, and itself, take their places in a line. The token before it has
 * left its own there. */
static void keep_path(const lc_net *net, const lc_net_buffers *b, lc_net_past *past, uint32_t t)
{
    uint32_t at = t, taps = net->model->info.conv_taps;
    for (uint32_t i = 0; i < taps && at != LC_NO_PARENT && at + 1 != t; i++) {
        lc_net_keep_input(net, past, net->position + b->depth[at], gates_of(net, b, at).before);
        at = b->parent[at];
    }
}

/* out[width] for the token at a position, from what is kept; x has room for one input. */
static void convolve(const lc_net *net, const lc_net_past *past, const float *taps,
                     uint32_t position, float *x, float *out)
{
    uint32_t width = net->model->info.width, count = net->model->info.conv_taps;
    memset(out, 0, width * sizeof *out);
    for (uint32_t j = position + 1 < count ? count - 1 - position : 0; j < count; j++) {
        lc_net_kept_input(net, past, position + 1 - count + j, x);
        for (uint32_t c = 0; c < width; c++) {
            out[c] += taps[(size_t)c * count + j] * x[c];
        }
    }
}

lc_err lc_net_convolve(lc_net *net, lc_net_buffers *b, uint32_t layer, uint32_t n,
                       const lc_net_rows *rows)
{
    const lc_layer *l = &net->model->layer[layer];
    uint32_t width = net->model->info.width;
    const lc_product in = {&l->conv_in, NULL, b->gate, 3 * (size_t)width, NULL};
    const float *states = lc_net_input(net, b, &l->attn_norm, n);
    lc_err err = lc_net_multiply(net, &b->acts, states, n, &in, 1);
    if (err != LC_OK) {
        return err;
    }
    lc_net_past *past = lc_net_past_of(net, layer);
    make_inputs(net, b, n);
    float *mixed = b->up;
    for (uint32_t t = 0, row = 0; t < n; t++) {
        keep_path(net, b, past, t);
        if (row == rows->count || rows->token[row] != t) {
            continue;
        }
        gates g = gates_of(net, b, t);
        float *out = mixed + (size_t)row++ * width;
        convolve(net, past, l->conv, net->position + b->depth[t], g.x, out);
        for (uint32_t c = 0; c < width; c++) {
            out[c] *= g.after[c];
        }
    }
    const lc_product out = {&l->conv_out, NULL, b->h, width, NULL};
    return lc_net_multiply(net, &b->acts, mixed, rows->count, &out, 1);
}
