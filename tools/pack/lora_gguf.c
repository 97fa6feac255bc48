/* lora_gguf.c - adapters as llama.cpp has them: `<tensor>.lora_a` and `.lora_b` in a GGUF. Rows are
 * those of the model's GGUF already. */
#include <stdio.h>
#include <string.h>

#include "fail.h"
#include "lora.h"
#include "pack_plan.h"

#define ALPHA "adapter.lora.alpha"

static const uint32_t roles[] = {LC_T_Q, LC_T_K, LC_T_V, LC_T_O, LC_T_UP, LC_T_GATE, LC_T_DOWN};

static bool text_is(const lc_gguf *g, const char *key, const char *wanted)
{
    lc_str value;
    return lc_gguf_str(g, key, &value) && lc_str_equal(value, lc_str_from(wanted));
}

static lc_err check_keys(const lc_lora_reader *r)
{
    const lc_gguf *g = &r->source->gguf;
    if (!text_is(g, "general.type", "adapter")) {
        return lc_fail(r->diag, LC_ERR_FORMAT, 0, "general.type: not an adapter");
    }
    if (!text_is(g, "adapter.type", "lora")) {
        return lc_fail(r->diag, LC_ERR_UNSUPPORTED, 0, "adapter.type: only lora is supported");
    }
    if (!text_is(g, "general.architecture", r->arch->name)) {
        return lc_fail_format(r->diag, LC_ERR_FORMAT, 0,
                              "general.architecture: an adapter for another one than %s",
                              r->arch->name);
    }
    if (lc_gguf_find(g, "adapter.alora.invocation_tokens")) {
        return lc_fail(r->diag, LC_ERR_UNSUPPORTED, 0,
                       "adapter.alora.invocation_tokens: activated adapters are not supported");
    }
    return LC_OK;
}

/* llama.cpp's rule: without alpha, or with 0, the product is not scaled. */
static lc_err read_alpha(const lc_lora_reader *r, double *alpha)
{
    const lc_gguf *g = &r->source->gguf;
    float value = 0.0f;
    if (lc_gguf_find(g, ALPHA) && (!lc_gguf_f32(g, ALPHA, &value) ||
                                   !(value >= 0.0f && (double)value <= LC_LORA_ALPHA_MAX))) {
        return lc_fail_format(r->diag, LC_ERR_FORMAT, 0, ALPHA ": not a number in 0 to %.0f",
                              LC_LORA_ALPHA_MAX);
    }
    *alpha = (double)value;
    return LC_OK;
}

/* Linears that some files hold as one. */
static bool fused(const lc_lora_reader *r, const char *name, const lc_gguf_tensor *t, uint32_t half,
                  lc_lora_place *place)
{
    if (strcmp(name, "attn_qkv.weight") == 0) {
        place->role[0] = LC_T_Q;
        place->role[1] = LC_T_K;
        place->role[2] = LC_T_V;
        return true;
    }
    /* of the two halves B alone tells: A has the columns of either */
    bool gated = (r->arch->needs >> LC_T_GATE & 1) != 0;
    const lc_gguf_tensor *b = t;
    if (half == 0) {
        char other[96];
        (void)snprintf(other, sizeof other, "blk.%u.%s.lora_b", place->layer, name);
        b = lc_gguf_tensor_find(&r->source->gguf, other);
    }
    if (gated && strcmp(name, "ffn_up.weight") == 0 && b && b->ne[1] == 2ull * r->info->ffn) {
        place->role[0] = LC_T_GATE;
        place->role[1] = LC_T_UP;
        return true;
    }
    return false;
}

/* The place that a tensor's name without its ending means. */
static bool place_of(const lc_lora_reader *r, const char *name, const lc_gguf_tensor *t,
                     uint32_t half, lc_lora_place *place)
{
    *place = (lc_lora_place){.layer = LC_GLOBAL};
    if (strcmp(name, "output.weight") == 0) {
        place->role[0] = LC_T_OUTPUT;
        return true;
    }
    const char *at = name + 4;
    if (strncmp(name, "blk.", 4) != 0 ||
        !lc_lora_layer_number(&at, name + strlen(name), &place->layer)) {
        return false;
    }
    if (fused(r, at, t, half, place)) {
        return true;
    }
    for (uint32_t i = 0; i < sizeof roles / sizeof roles[0]; i++) {
        char wanted[64];
        lc_pack_role_name(roles[i], place->layer, wanted);
        if (strcmp(name, wanted) == 0) {
            place->role[0] = roles[i];
            return true;
        }
    }
    return false;
}

static lc_err take_tensor(lc_lora_reader *r, const lc_gguf_tensor *t)
{
    static const char *const ending[] = {".lora_a", ".lora_b"};
    char name[64];
    lc_lora_place place;
    for (uint32_t half = 0; half < 2; half++) {
        uint32_t bytes = t->name.bytes, cut = (uint32_t)strlen(ending[half]);
        if (bytes <= cut || bytes - cut >= sizeof name ||
            memcmp(t->name.data + bytes - cut, ending[half], cut) != 0) {
            continue;
        }
        memcpy(name, t->name.data, bytes - cut);
        name[bytes - cut] = 0;
        if (place_of(r, name, t, half, &place)) {
            return lc_lora_take(r, &place, t, half);
        }
    }
    return lc_fail_format(r->diag, LC_ERR_UNSUPPORTED, t->offset,
                          "%.*s: only corrections of a layer's linears and of the output are "
                          "supported",
                          (int)t->name.bytes, t->name.data);
}

lc_err lc_lora_gguf(lc_lora_reader *r)
{
    double alpha = 0.0;
    lc_gguf *g = &r->source->gguf;
    lc_err err = lc_gguf_open(r->file->data, r->file->bytes, g, r->diag);
    if (!err) {
        err = check_keys(r);
    }
    if (!err) {
        err = read_alpha(r, &alpha);
    }
    for (uint32_t i = 0; !err && i < g->tensor_count; i++) {
        err = take_tensor(r, &g->tensor[i]);
    }
    for (uint32_t i = 0; !err && i < r->source->count; i++) {
        lc_lora_pair *pair = &r->source->pair[i];
        double rank = pair->b ? (double)pair->b->ne[0] : 1.0;
        pair->scale = (alpha > 0.0 ? alpha / rank : 1.0) * r->file->scale;
    }
    return err;
}
