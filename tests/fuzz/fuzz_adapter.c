/* fuzz_adapter.c - adapters in their three forms, for a llama and a bert of the golden models.
 *
 *   LEAF...   an object: opened against the model that it names, and run
 *   GGUF...   llama.cpp's form, for the llama
 *   else      u8 model (bit 0: bert), u32 length of adapter_config.json, that, safetensors
 *
 * What another program's adapter becomes, the core must accept and run.
 */
#include <stdlib.h>
#include <string.h>

#include "../../runtime/net.h"
#include "../../tools/pack/lora_pack.h"
#include "fuzz.h"

const char *const fuzz_seeds[] = {"models/golden/adapters/*.gguf", "tests/fuzz/corpus/adapter/*",
                                  "@/adapter-*.leaf", NULL};

/* The two bases, opened once. */
static lc_model base[2];

static void open_bases(void)
{
    static const char *const names[2] = {"tiny-causal.leaf", "tiny-bert.leaf"};
    for (uint32_t i = 0; i < 2 && base[i].layer == NULL; i++) {
        size_t bytes;
        uint8_t *pack = fuzz_seed(names[i], &bytes);
        lc_arena arena;
        lc_arena_init(&arena, aligned_alloc(64, FUZZ_ARENA_BYTES / 8), FUZZ_ARENA_BYTES / 8);
        fuzz_expect(lc_model_open(pack, bytes, &arena, &base[i], NULL) == LC_OK, "a base opens");
    }
}

static void run_net(const lc_model *model, const lc_adapter *adapter, lc_arena *state,
                    lc_arena *scratch)
{
    static const uint32_t ids[] = {0, 1, 2, 0, 1};
    lc_net_options options = {
        .ctx = 8, .rank = adapter->rank, .kernels = lc_level_at(0), .tasks = {.count = 1}};
    lc_net *net;
    if (lc_net_init(model, &options, state, scratch, &net, NULL)) {
        return;
    }
    lc_net_adapt(net, adapter);
    float *pooled = LC_PUSH(state, float, model->info.width);
    float *out = LC_PUSH(state, float, lc_net_classes(net) + 1);
    if (!pooled || !out || lc_net_pool(net, ids, 5, pooled) || lc_net_classes(net) == 0) {
        return;
    }
    (void)!lc_net_classify(net, pooled, out);
}

/* must: it was made here, so that it has to open. */
static void use_object(const uint8_t *data, size_t bytes, const lc_model *model, bool must)
{
    lc_arena state = fuzz_arena(0, FUZZ_ARENA_BYTES), plan;
    lc_arena scratch = fuzz_arena(1, FUZZ_ARENA_BYTES);
    lc_adapter adapter;
    lc_diag diag = {0};
    lc_arena_measure(&plan);
    lc_err planned = lc_adapter_open(data, bytes, model, &plan, &adapter, NULL);
    lc_err err = lc_adapter_open(data, bytes, model, &state, &adapter, &diag);
    fuzz_expect(planned == err, "planning and opening agree");
    fuzz_expect(err == LC_OK || !must, "what was made here opens");
    if (err != LC_OK) {
        fuzz_expect(diag.text && diag.offset <= bytes, "a refusal says where and why");
        return;
    }
    fuzz_expect(state.used == plan.used, "opening takes what was planned");
    run_net(model, &adapter, &state, &scratch);
}

static void use_leaf(const uint8_t *copy, size_t bytes)
{
    const uint8_t *root;
    if (lc_adapter_base(copy, bytes, &root, NULL) == LC_OK) {
        bool bert = memcmp(root, base[1].leaf.root, 32) == 0;
        use_object(copy, bytes, &base[bert], false);
    }
}

static void use_lora(const lc_lora_file *file, const lc_model *model)
{
    lc_buf out = {0};
    lc_diag diag = {0};
    if (lc_lora_pack(file, model, NULL, 0, &out, NULL, &diag) != LC_OK) {
        fuzz_expect(diag.err != LC_OK && diag.text, "a refusal says why");
        return;
    }
    uint8_t *copy = fuzz_copy(out.data, out.bytes);
    use_object(copy, out.bytes, model, true);
    free(copy);
    lc_buf_free(&out);
}

static void use_peft(const uint8_t *data, size_t bytes)
{
    lc_reader r = lc_reader_make(data, bytes);
    uint32_t which = lc_read_u8(&r) & 1, config_bytes = lc_read_u32(&r);
    const char *config = (const char *)lc_read_bytes(&r, config_bytes);
    if (r.failed) {
        return;
    }
    uint8_t *tensors = fuzz_copy(data + r.at, bytes - r.at);
    const lc_lora_file file = {.name = "peft",
                               .data = tensors,
                               .bytes = bytes - r.at,
                               .config = config,
                               .config_bytes = config_bytes,
                               .scale = 1.0};
    use_lora(&file, &base[which]);
    free(tensors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    open_bases();
    if (bytes >= 4 && memcmp(data, "LEAF", 4) == 0) {
        uint8_t *copy = fuzz_copy(data, bytes);
        use_leaf(copy, bytes);
        free(copy);
    } else if (bytes >= 4 && memcmp(data, "GGUF", 4) == 0) {
        const lc_lora_file file = {.name = "gguf", .data = data, .bytes = bytes, .scale = 1.0};
        use_lora(&file, &base[0]);
    } else {
        use_peft(data, bytes);
    }
    return 0;
}
