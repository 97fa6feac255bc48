/* fuzz_leaf.c - containers and packs: open, look at every section and tensor, run what opens. */
#include <stdlib.h>
#include <string.h>

#include "../../runtime/net.h"
#include "fuzz.h"

#define RUN_BYTES_MAX ((size_t)1 << 20) /* a larger pack is opened and not run: speed */

const char *const fuzz_seeds[] = {"@/*.leaf", NULL};

static void use_tokenizer(const lc_model *model, lc_arena *scratch)
{
    static const char text[] = "P2 vib 7.9 mm/s \xc2\xb0" "C rising, temp 81C\n";
    uint32_t ids[64], count = 0;
    bool cut = false;
    lc_err err = lc_tok_encode(&model->tok, text, sizeof text - 1, true, scratch, ids, 64, &count,
                               &cut);
    if (err) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        char out[64];
        fuzz_expect(ids[i] < model->tok.vocab, "a token id is inside the vocabulary");
        fuzz_expect(lc_tok_decode(&model->tok, ids[i], i == 0, out, sizeof out) <= sizeof out,
                    "a token fits");
        (void)lc_tok_text(&model->tok, ids[i]);
    }
}

static void run_net(const lc_model *model, lc_arena *state, lc_arena *scratch)
{
    static const uint32_t ids[] = {0, 1, 2, 0, 1};
    lc_net_options options = {.ctx = 8, .kernels = lc_level_at(0), .tasks = {.count = 1}};
    lc_net *net;
    if (lc_net_init(model, &options, state, scratch, &net, NULL)) {
        return;
    }
    float *pooled = LC_PUSH(state, float, model->info.width);
    uint32_t n = model->info.vocab > 2 ? 5 : 1;
    if (!pooled || lc_net_pool(net, ids, n, pooled)) {
        return;
    }
    float *out = LC_PUSH(state, float, model->info.classes + 1);
    if (out && model->info.classes) {
        (void)!lc_net_classify(net, pooled, out);
    }
}

static void use_model(const uint8_t *data, size_t bytes)
{
    lc_arena state = fuzz_arena(0, FUZZ_ARENA_BYTES), plan;
    lc_arena scratch = fuzz_arena(1, FUZZ_ARENA_BYTES);
    lc_diag diag = {0};
    lc_model model;
    lc_arena_measure(&plan);
    lc_err planned = lc_model_open(data, bytes, &plan, &model, NULL);
    lc_err err = lc_model_open(data, bytes, &state, &model, &diag);
    fuzz_expect(planned == err || err == LC_ERR_ARENA, "planning and opening agree");
    if (err == LC_OK) {
        fuzz_expect(state.used == plan.used, "opening a pack takes what was planned");
        for (uint32_t i = 0; i < lc_model_tensors(&model); i++) {
            (void)lc_model_tensor(&model, i);
        }
        use_tokenizer(&model, &scratch);
        lc_arena_rewind(&scratch, 0);
        if (bytes <= RUN_BYTES_MAX) {
            run_net(&model, &state, &scratch);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint8_t *copy = fuzz_copy(data, bytes);
    lc_leaf leaf;
    lc_diag diag = {0};
    if (lc_leaf_open(copy, bytes, &leaf, &diag) == LC_OK) {
        for (uint32_t i = 0; i < leaf.section_count; i++) {
            lc_section s = lc_leaf_section(&leaf, i), found;
            fuzz_expect(s.offset <= bytes && s.bytes <= bytes - s.offset,
                        "a section lies inside the file");
            fuzz_expect(lc_leaf_find(&leaf, s.type, s.index, &found), "a section can be found");
        }
    } else {
        fuzz_expect(diag.err != LC_OK && diag.text && diag.offset <= bytes,
                    "a refusal says where and why");
    }
    use_model(copy, bytes);
    free(copy);
    return 0;
}
