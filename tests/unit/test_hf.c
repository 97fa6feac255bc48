/* Checkpoint folders: the golden ones compute and tokenise as Transformers and tokenizers do, and
 * each broken property of them is refused with file, place and reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../runtime/net.h"
#include "../../tools/pack/hf.h"
#include "../../tools/pack/pack.h"
#include "../../tools/pack/pack_plan.h"
#include "../../tools/pack/tok_pack.h"

#define DIR "models/golden/"
#define TOKENS_MAX 128u

static const char *const FOLDERS[] = {"hf-llama", "hf-gemma", "hf-bert", "hf-modern-bert"};

static lc_buf read_file(const char *name, const char *end)
{
    char path[256];
    lc_buf out = {0};
    (void)snprintf(path, sizeof path, DIR "%s%s", name, end);
    FILE *f = fopen(path, "rb");
    if (!f) {
        return out;
    }
    uint8_t block[4096];
    for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;) {
        lc_buf_put(&out, block, n);
    }
    fclose(f);
    return out;
}

/* ---- what they compute ---- */

typedef struct logits_sink {
    lc_net *net;
    float *out;
    uint32_t vocab, width;
} logits_sink;

static lc_err take_logits(void *ctx, uint32_t position, uint32_t n, const float *hidden)
{
    logits_sink *s = ctx;
    lc_err err = LC_OK;
    for (uint32_t t = 0; err == LC_OK && t < n; t++) {
        err = lc_net_logits(s->net, hidden + (size_t)t * s->width,
                            s->out + (size_t)(position + t) * s->vocab);
    }
    return err;
}

static lc_arena arena_of(size_t bytes)
{
    lc_arena arena;
    void *memory = aligned_alloc(64, LC_ROUND_UP(bytes, 64));
    assert_non_null(memory);
    lc_arena_init(&arena, memory, bytes);
    return arena;
}

/* out: logits of each of n tokens, or the scores of a classifier. */
static void run_pack(const lc_buf *pack, const uint32_t *ids, uint32_t n, float *out)
{
    lc_map map;
    lc_model model;
    lc_net *net;
    lc_arena state, scratch;
    lc_net_options options = {.ctx = 32, .kernels = lc_level_find("ref")};
    assert_int_equal(lc_map_copy(pack->data, pack->bytes, &map), LC_OK);
    lc_arena_measure(&state);
    lc_arena_measure(&scratch);
    assert_int_equal(lc_model_open(map.data, map.bytes, &state, &model, NULL), LC_OK);
    assert_int_equal(lc_net_init(&model, &options, &state, &scratch, &net, NULL), LC_OK);
    state = arena_of(state.peak);
    scratch = arena_of(scratch.peak);
    assert_int_equal(lc_model_open(map.data, map.bytes, &state, &model, NULL), LC_OK);
    assert_int_equal(lc_net_init(&model, &options, &state, &scratch, &net, NULL), LC_OK);
    if (model.info.classes > 0) {
        float pooled[64];
        assert_int_equal(lc_net_pool(net, ids, n, pooled), LC_OK);
        assert_int_equal(lc_net_classify(net, pooled, out), LC_OK);
    } else {
        logits_sink sink = {net, out, model.info.vocab, model.info.width};
        assert_int_equal(lc_net_run(net, ids, n, take_logits, &sink), LC_OK);
    }
    free(state.base);
    free(scratch.base);
    lc_map_close(&map);
}

static float largest_error(const float *a, const float *b, size_t n)
{
    float top = 0, diff = 0;
    for (size_t i = 0; i < n; i++) {
        float v = b[i] < 0 ? -b[i] : b[i], d = a[i] < b[i] ? b[i] - a[i] : a[i] - b[i];
        top = v > top ? v : top;
        diff = d > diff ? d : diff;
    }
    return diff / top;
}

static lc_buf pack_folder(const char *name, lc_pack_type type)
{
    char path[256];
    lc_diag diag = {0};
    lc_buf pack = {0};
    lc_pack_options options = {.type = type};
    lc_hf *hf = calloc(1, sizeof *hf);
    assert_non_null(hf);
    (void)snprintf(path, sizeof path, DIR "%s", name);
    if (lc_hf_open(path, true, hf, &diag) != LC_OK ||
        lc_pack_gguf(&hf->g, &options, &pack, NULL, &diag) != LC_OK) {
        fail_msg("%s: %s: %s", name, hf->where, diag.text);
    }
    lc_hf_close(hf);
    free(hf);
    return pack;
}

static void folders_compute_as_transformers_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0]; i++) {
        lc_buf pack = pack_folder(FOLDERS[i], LC_PACK_F32);
        lc_buf tokens = read_file(FOLDERS[i], ".tokens.u32");
        lc_buf expect = read_file(FOLDERS[i], ".expect.f32");
        assert_true(tokens.bytes > 0 && expect.bytes > 0);
        float *out = calloc(1, expect.bytes);
        assert_non_null(out);
        run_pack(&pack, (const uint32_t *)(const void *)tokens.data, (uint32_t)(tokens.bytes / 4),
                 out);
        float error =
            largest_error(out, (const float *)(const void *)expect.data, expect.bytes / 4);
        print_message("%s: largest difference %.2g of the largest value\n", FOLDERS[i],
                      (double)error);
        assert_true(error < 1e-4f);
        free(out);
        lc_buf_free(&tokens);
        lc_buf_free(&expect);
        lc_buf_free(&pack);
    }
}

/* ---- how they tokenise ---- */

static void line_ids(const lc_tok *tok, const char *text, size_t bytes, char *out, size_t max)
{
    uint32_t ids[TOKENS_MAX], count = 0;
    bool cut = false;
    lc_arena scratch = arena_of(lc_tok_scratch_bytes(tok, bytes));
    assert_int_equal(lc_tok_encode(tok, text, bytes, true, &scratch, ids, TOKENS_MAX, &count, &cut),
                     LC_OK);
    assert_false(cut);
    free(scratch.base);
    size_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        used += (size_t)snprintf(out + used, max - used, i ? " %u" : "%u", ids[i]);
    }
    out[used] = '\0';
}

static lc_buf tokenizer_of(const char *name)
{
    char path[256];
    lc_diag diag = {0};
    lc_buf section = {0};
    lc_hf *hf = calloc(1, sizeof *hf);
    assert_non_null(hf);
    (void)snprintf(path, sizeof path, DIR "%s", name);
    assert_int_equal(lc_hf_open(path, false, hf, &diag), LC_OK);
    assert_int_equal(lc_tok_pack(&hf->g, &section, &diag), LC_OK);
    lc_hf_close(hf);
    free(hf);
    return section;
}

static void folders_tokenise_as_the_library_does(void **state)
{
    (void)state;
    lc_buf lines = read_file("hf-lines.txt", "");
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0]; i++) {
        lc_buf section = tokenizer_of(FOLDERS[i]), want = read_file(FOLDERS[i], ".ids.txt");
        lc_tok tok;
        assert_int_equal(lc_tok_open(section.data, section.bytes, &tok, NULL), LC_OK);
        const char *ids = (const char *)want.data, *text = (const char *)lines.data;
        uint32_t count = 0;
        for (size_t at = 0; at < lines.bytes; count++) {
            size_t bytes = strcspn(text + at, "\n"), length = strcspn(ids, "\n");
            char got[1024], expected[1024];
            line_ids(&tok, text + at, bytes, got, sizeof got);
            (void)snprintf(expected, sizeof expected, "%.*s", (int)length, ids);
            assert_string_equal(got, expected);
            at += bytes + 1;
            ids += length + 1;
        }
        assert_true(count >= 12);
        lc_buf_free(&section);
        lc_buf_free(&want);
    }
    lc_buf_free(&lines);
}

/* ---- what is refused ---- */

#define CONFIG "config.json"
#define TOKENIZER "tokenizer.json"
#define INDEX "model.safetensors.index.json"
#define WEIGHTS "model.safetensors"

/* A folder in memory, with the first `from` of one file replaced. */
typedef struct patched {
    lc_hf hf;
    lc_buf body[LC_HF_FILES_MAX];
} patched;

static void patch(lc_buf *body, const char *from, const char *to)
{
    lc_buf out = {0};
    const char *at = memmem(body->data, body->bytes, from, strlen(from));
    if (!at) {
        fail_msg("`%s` is not in the file", from);
    }
    size_t before = (size_t)(at - (const char *)body->data), skip = before + strlen(from);
    lc_buf_put(&out, body->data, before);
    lc_buf_put(&out, to, strlen(to));
    lc_buf_put(&out, body->data + skip, body->bytes - skip);
    lc_buf_free(body);
    *body = out;
}

static patched *folder_make(const char *name, const char *file, const char *from, const char *to)
{
    static const char *const names[] = {CONFIG,
                                        TOKENIZER,
                                        WEIGHTS,
                                        INDEX,
                                        "model-00001-of-00002.safetensors",
                                        "model-00002-of-00002.safetensors"};
    patched *p = calloc(1, sizeof *p);
    assert_non_null(p);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char end[64];
        (void)snprintf(end, sizeof end, "/%s", names[i]);
        uint32_t n = p->hf.file_count;
        p->body[n] = read_file(name, end);
        bool here = strcmp(names[i], file) == 0;
        if (p->body[n].bytes == 0 || (here && !from)) { /* not there, or taken away */
            lc_buf_free(&p->body[n]);
            continue;
        }
        if (here) {
            patch(&p->body[n], from, to);
        }
        (void)snprintf(p->hf.file[n].name, sizeof p->hf.file[n].name, "%s", names[i]);
        p->hf.file[n].map = (lc_map){.data = p->body[n].data, .bytes = p->body[n].bytes};
        p->hf.file_count++;
    }
    return p;
}

static void folder_free(patched *p)
{
    lc_hf_close(&p->hf);
    for (uint32_t i = 0; i < LC_HF_FILES_MAX; i++) {
        lc_buf_free(&p->body[i]);
    }
    free(p);
}

/* All that `inspect` and `pack` check before they write. */
static lc_err folder_check(lc_hf *hf, lc_diag *diag)
{
    lc_pack_plan plan;
    lc_buf section = {0};
    lc_err err = lc_hf_make(hf, true, diag);
    if (err) {
        return err;
    }
    err = lc_pack_plan_make(&hf->g, LC_PACK_Q4, &plan, diag);
    if (!err) {
        lc_pack_plan_free(&plan);
        err = lc_tok_pack(&hf->g, &section, diag);
        lc_buf_free(&section);
    }
    if (err) {
        lc_hf_explain(hf, diag);
    }
    return err;
}

typedef struct breakage {
    const char *file, *from, *to, *reason;
} breakage;

static bool is_refused(const char *folder, const breakage *b, const char *where)
{
    lc_diag diag = {0};
    patched *p = folder_make(folder, b->file, b->from, b->to);
    lc_err err = folder_check(&p->hf, &diag);
    bool right = err != LC_OK && diag.err == err && strstr(diag.text, b->reason) &&
                 strcmp(p->hf.where, where) == 0;
    if (!right) {
        print_error("%s, %s with `%s`: %d %s: %s; expected `%s`\n", folder, b->file,
                    b->to ? b->to : "nothing", err, p->hf.where, err ? diag.text : "accepted",
                    b->reason);
    }
    folder_free(p);
    return right;
}

static void expect_all(const char *folder, const breakage *list, size_t count)
{
    patched *p = folder_make(folder, CONFIG, "{", "{");
    lc_diag diag = {0};
    if (folder_check(&p->hf, &diag) != LC_OK) {
        fail_msg("%s as it is: %s: %s", folder, p->hf.where, diag.text);
    }
    folder_free(p);
    size_t wrong = 0;
    for (size_t i = 0; i < count; i++) {
        wrong += !is_refused(folder, &list[i], list[i].file);
    }
    assert_int_equal(wrong, 0);
    print_message("%s: %zu broken folders refused\n", folder, count);
}

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define NUMBER(key, was)                                                                           \
    {CONFIG, "\"" key "\": " was, "\"" key "\": null", key ": missing"},                           \
        {CONFIG, "\"" key "\": " was, "\"" key "\": \"" was "\"", key ": not a"},                  \
        {CONFIG, "\"" key "\": " was, "\"" key "\": -1", key},                                     \
    {                                                                                              \
        CONFIG, "\"" key "\": " was, "\"" key "\": 1e300", key                                     \
    }

static const breakage llama_breakages[] = {
    {CONFIG, NULL, NULL, "no such file"},
    {CONFIG, "{", "", "text after the value"},
    {CONFIG, "{", "[{", "line"},
    {CONFIG, "\"hidden_size\"", "\"vocab_size\": 1, \"hidden_size\"", "vocab_size occurs twice"},
    {CONFIG, "LlamaForCausalLM", "MambaForCausalLM", "MambaForCausalLM is not supported"},
    {CONFIG, "LlamaForCausalLM", "", "is not supported"},
    {CONFIG, "\"LlamaForCausalLM\"", "7", "architectures: not one name"},
    {CONFIG, "\"LlamaForCausalLM\"", "\"LlamaModel\", \"LlamaForCausalLM\"", "not one name"},
    {CONFIG, "\"LlamaForCausalLM\"", "", "architectures: not one name"},
    NUMBER("num_hidden_layers", "3"),
    NUMBER("hidden_size", "24"),
    NUMBER("intermediate_size", "40"),
    NUMBER("num_attention_heads", "3"),
    NUMBER("max_position_embeddings", "256"),
    NUMBER("rms_norm_eps", "1e-06"),
    {CONFIG, "\"vocab_size\": 334", "\"vocab_size\": 335", "vocab_size: 335"},
    {CONFIG, "\"vocab_size\": 334", "\"vocab_size\": 3.5", "vocab_size: not a"},
    {CONFIG, "\"num_key_value_heads\": 1", "\"num_key_value_heads\": 2", "does not divide"},
    {CONFIG, "\"num_key_value_heads\": 1", "\"num_key_value_heads\": {}", "not a whole"},
    {CONFIG, "\"head_dim\": 8", "\"head_dim\": 7", "head size odd"},
    {CONFIG, "\"head_dim\": 8", "\"head_dim\": 0", "head_dim"},
    {CONFIG, "\"head_dim\": 8", "\"head_dim\": 4294967295", "head_dim"},
    {CONFIG, "\"head_dim\": 8", "\"head_dim\": true", "head_dim: not a whole"},
    {CONFIG, "\"silu\"", "\"gelu\"", "hidden_act: gelu is not supported"},
    {CONFIG, "\"silu\"", "null", "hidden_act: missing"},
    {CONFIG, "\"silu\"", "1", "hidden_act: not a text"},
    {CONFIG, "\"mlp_bias\"", "\"quantization_config\": {\"bits\": 4}, \"mlp_bias\"",
     "quantization_config: not supported"},
    {CONFIG, "\"mlp_bias\"", "\"use_sliding_window\": true, \"mlp_bias\"",
     "use_sliding_window: not supported"},
    {CONFIG, "\"mlp_bias\"", "\"partial_rotary_factor\": 0.5, \"mlp_bias\"",
     "partial_rotary_factor: not supported"},
    {CONFIG, "\"mlp_bias\"",
     "\"layer_types\": [\"sliding_attention\", \"full_attention\", "
     "\"full_attention\"], \"mlp_bias\"",
     "layer_types: sliding_attention is not"},
    {CONFIG, "\"mlp_bias\"", "\"layer_types\": [], \"mlp_bias\"", "layer_types: not one for each"},
    {CONFIG, "\"mlp_bias\"", "\"layer_types\": 3, \"mlp_bias\"", "layer_types: not one for each"},
    {CONFIG, "\"llama3\"", "\"yarn\", \"truncate\": false", "truncate: false is not supported"},
    {CONFIG, "\"llama3\"", "\"yarn\", \"mscale\": 1.0", "mscale: not supported"},
    {CONFIG, "\"llama3\"", "\"yarn\", \"beta_fast\": -1", "beta_fast: not a number over 0"},
    {CONFIG,
     "4.0,\n    \"high_freq_factor\": 4.0,\n    \"low_freq_factor\": 1.0,\n    "
     "\"original_max_position_embeddings\": 16,\n    \"rope_theta\": 10000.0,\n    "
     "\"rope_type\": \"llama3\"",
     "0.5, \"original_max_position_embeddings\": 16, \"rope_type\": \"yarn\"",
     "factor: missing or out of range"},
    {CONFIG,
     "\"original_max_position_embeddings\": 16,\n    \"rope_theta\": 10000.0,\n    "
     "\"rope_type\": \"llama3\"",
     "\"rope_type\": \"yarn\"", "original_max_position_embeddings: missing or out of range"},
    {CONFIG, "\"llama3\"", "\"dynamic\"", "scaling dynamic is not supported"},
    {CONFIG, "\"factor\": 4.0", "\"factor\": 0", "factor: not a number over 0"},
    {CONFIG, "\"factor\": 4.0", "\"factor\": \"4\"", "factor: not a number over 0"},
    {CONFIG, "\"factor\": 4.0", "\"factor\": 1e30", "factor: not a number over 0"},
    {CONFIG, "\"factor\": 4.0", "\"factor\": 4.0, \"factor\": 2.0", "key factor occurs twice"},
    {CONFIG, "\"low_freq_factor\": 1.0", "\"low_freq_factor\": 4.0", "not over low_freq_factor"},
    {CONFIG, "\"rope_theta\": 10000.0", "\"rope_theta\": -1", "rope_theta"},
    {CONFIG, "\"rope_theta\": 10000.0", "\"rope_theta\": 0.1", "rope_theta"},
    {CONFIG, "\"rope_parameters\": {", "\"rope_parameters\": 7, \"x\": {", "rope_parameters"},
    {CONFIG, "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": 0",
     "neither true nor false"},
    {INDEX, "{", "", "line"},
    {INDEX, "\"lm_head.weight\": ", "\"lm_head.bias\": ", "lm_head.bias: not in the file"},
    {INDEX, "\"model-00002", "\"model-00003", "lm_head.weight: its file is missing"},
    {INDEX, "\"model-00002-of-00002.safetensors\"", "2", "its file is missing"},
    {"model-00001-of-00002.safetensors", "F16", "I16", "dtype I16 is not supported"},
    {"model-00001-of-00002.safetensors", "\"shape\":[334,24]", "\"shape\":[24,334]",
     "embed_tokens.weight: fewer rows"},
    {"model-00001-of-00002.safetensors", "[334,24]", "[334,25]", "differ in size"},
    {"model-00001-of-00002.safetensors", "{", "[", "does not begin"},
    {TOKENIZER, NULL, NULL, "no such file"},
    {TOKENIZER, "{", "{{", "line 1"},
    {TOKENIZER, "\"version\"", "\"model\": {}, \"version\"", "model occurs twice"},
    {TOKENIZER, "\"BPE\"", "\"Unigram\"", "model: Unigram is not supported"},
    {TOKENIZER, "\"BPE\"", "\"WordLevel\"", "model: WordLevel is not supported"},
    {TOKENIZER, "\"BPE\"", "7", "model: without a type"},
    {TOKENIZER, "\"model\"", "\"modal\"", "model: "},
    {TOKENIZER, "\"dropout\": null", "\"dropout\": 0.1", "model.dropout"},
    {TOKENIZER, "\"end_of_word_suffix\": null", "\"end_of_word_suffix\": \"</w>\"", "model: "},
    {TOKENIZER, "\"continuing_subword_prefix\": null", "\"continuing_subword_prefix\": \"@@\"",
     "model: "},
    {TOKENIZER, "\"unk_token\": null", "\"unk_token\": \"<none>\"", "model.unk_token: not in"},
    {TOKENIZER, "\"NFC\"", "\"NFKC\"", "normalizer: NFKC is not supported"},
    {TOKENIZER, "\"NFC\"", "\"Lowercase\"", "normalizer: Lowercase"},
    {TOKENIZER, "\"NFC\"", "\"Sequence\"", "normalizer: a Sequence without"},
    {TOKENIZER, "\"NFC\"", "\"Prepend\", \"prepend\": \"\xe2\x96\x81\"", "normalizer: "},
    {TOKENIZER, "{1,3}", "{1,2}", "unknown expression"},
    {TOKENIZER, "\"Regex\"", "\"String\"", "unknown expression"},
    {TOKENIZER, "\"Isolated\"", "\"Removed\"", "other than Isolated"},
    {TOKENIZER, "\"invert\": false", "\"invert\": true", "other than Isolated"},
    {TOKENIZER, "\"Split\"", "\"Whitespace\"", "pre_tokenizer: Whitespace"},
    {TOKENIZER, "\"Split\"", "\"Digits\"", "pre_tokenizer: Digits"},
    {TOKENIZER, "\"add_prefix_space\": false", "\"add_prefix_space\": true",
     "pre_tokenizer: ByteLevel"},
    {TOKENIZER, "\"use_regex\": false", "\"use_regex\": true", "pre_tokenizer: this sequence"},
    {TOKENIZER, "\"pretokenizers\"", "\"pretokenizer\"", "pre_tokenizer: a Sequence without"},
    {TOKENIZER, "\"TemplateProcessing\"", "\"Other\"", "post_processor: Other"},
    {TOKENIZER, "\"processors\"", "\"processor\"", "post_processor: a Sequence without"},
    {TOKENIZER, "\"single\": [", "\"single\": [{},", "post_processor: this template"},
    {TOKENIZER, "\"ids\": [\n330\n]", "\"ids\": [330, 331]", "post_processor: this template"},
    {TOKENIZER, "\"ids\": [\n330\n]", "\"ids\": [334]", "outside the vocabulary"},
    {TOKENIZER, "\"ids\": [\n330\n]", "\"ids\": 330", "post_processor: this template"},
    {TOKENIZER, "\"added_tokens\": [", "\"added_tokens\": [{\"id\": 5},", "without id, content"},
    {TOKENIZER, "\"added_tokens\": [", "\"added_tokens\": [7,", "without id, content"},
    {TOKENIZER, "\"added_tokens\": [", "\"added_tokens\": 7, \"x\": [", "added_tokens is no list"},
    {TOKENIZER, "\"id\": 330", "\"id\": -1", "without id, content"},
    {TOKENIZER, "\"id\": 330", "\"id\": 1048576", "without id, content"},
    {TOKENIZER, "\"id\": 330", "\"id\": 3", "has the id of"},
    {TOKENIZER, "<|begin|>", "<|end|>", "331 are equal"},
    {TOKENIZER, "\"content\": \"  \",\n\"special\": false,\n\"single_word\": false",
     "\"content\": \"  \",\n\"special\": false,\n\"single_word\": true", "token 332"},
    {TOKENIZER, "\"vocab\": {", "\"vocab\": [], \"x\": {", "model.vocab: not an object"},
    {TOKENIZER, "\"vocab\": {\n", "\"vocab\": {\n\"!\": 5, ", "have one id"},
    {TOKENIZER, "\"vocab\": {\n", "\"vocab\": {\n\"QQ\": 0, ", "have one id"},
    {TOKENIZER, "\"vocab\": {\n", "\"vocab\": {\n\"QQ\": -3, ", "the id of `QQ`"},
    {TOKENIZER, "\"vocab\": {\n", "\"vocab\": {\n\"QQ\": 1.5, ", "the id of `QQ`"},
    {TOKENIZER, "\"vocab\": {\n", "\"vocab\": {\n\"QQ\": \"7\", ", "the id of `QQ`"},
    {TOKENIZER, "\"vocab\": {\n", "\"vocab\": {\n\"QQ\": 1e15, ", "the id of `QQ`"},
    {TOKENIZER, "\"merges\": [", "\"merges\": {}, \"x\": [", "model.merges: not a list"},
    {TOKENIZER, "\"merges\": [", "\"merges\": [[\"a\"],", "merge 0 is not two texts"},
    {TOKENIZER, "\"merges\": [", "\"merges\": [[\"a\", \"b\", \"c\"],", "merge 0 is not two"},
    {TOKENIZER, "\"merges\": [", "\"merges\": [[\"a\", 1],", "merge 0 is not two"},
    {TOKENIZER, "\"merges\": [", "\"merges\": [[\"a \", \"b\"],", "merge 0 is not two"},
    {TOKENIZER, "\"merges\": [", "\"merges\": [\"ab\",", "merge 0 is not two texts"},
    {TOKENIZER, "\"merges\": [", "\"merges\": [7,", "merge 0 is not two texts"},
};

static void llama_is_checked(void **state)
{
    (void)state;
    expect_all("hf-llama", llama_breakages, COUNT(llama_breakages));
}

static const breakage gemma_breakages[] = {
    {CONFIG, "\"gelu_pytorch_tanh\"", "\"gelu\"", "hidden_activation: gelu is not"},
    {CONFIG, "\"query_pre_attn_scalar\": 16", "\"query_pre_attn_scalar\": 24",
     "query_pre_attn_scalar: other"},
    {CONFIG, "\"attn_logit_softcapping\": null", "\"attn_logit_softcapping\": 50.0",
     "attn_logit_softcapping: not"},
    {CONFIG, "\"final_logit_softcapping\": null", "\"final_logit_softcapping\": 0",
     "final_logit_softcapping"},
    {CONFIG, "\"use_bidirectional_attention\": false", "\"use_bidirectional_attention\": true",
     "use_bidirectional_attention: not"},
    {CONFIG, "\"sliding_window\": 8", "\"sliding_window\": null", "sliding_window: missing"},
    {CONFIG, "\"sliding_window\": 8", "\"sliding_window\": \"8\"", "sliding_window: not"},
    {CONFIG, "\"sliding_window\": 8", "\"sliding_window\": 99999999", "sliding_window"},
    {CONFIG, "\"sliding_attention\",\n", "\"chunked_attention\",\n", "layer_types: neither"},
    {CONFIG, "\"sliding_attention\",\n", "", "layer_types: not one for each"},
    {CONFIG, "\"sliding_attention\",\n", "7,\n", "layer_types: neither"},
    {CONFIG, "\"full_attention\": {", "\"wide_attention\": {", "rope_"},
    {CONFIG, "\"rope_theta\": 10000.0,\n      \"rope_type\": \"default\"",
     "\"rope_theta\": 10000.0,\n      \"rope_type\": \"linear\"", "scaling of local layers"},
    {CONFIG, "\"head_dim\": 16", "\"head_dim\": null", "head_dim: missing"},
    {CONFIG, "\"num_key_value_heads\": 1", "\"num_key_value_heads\": null", "missing"},
    {CONFIG, "Gemma3ForCausalLM", "Gemma3ForConditionalGeneration", "is not supported"},
    {TOKENIZER, "\"byte_fallback\": true", "\"byte_fallback\": false", "normalizer"},
    {TOKENIZER, "\"ignore_merges\": false", "\"ignore_merges\": true", "normalizer"},
    {TOKENIZER, "\"<0x0A>\"", "\"<0x0a>\"", "model.byte_fallback"},
    {TOKENIZER, "\"content\": \"\xe2\x96\x81\"", "\"content\": \"_\"", "normalizer: Replace"},
    {TOKENIZER, "\"Replace\"", "\"Strip\"", "normalizer: Strip"},
    {TOKENIZER, "\"Split\"", "\"Metaspace\"", "pre_tokenizer: Metaspace"},
    {TOKENIZER, "\"merges\": [", "\"merges\": [[\"a\", \"<0x41>\"],", "merge 0 is not of two"},
    {TOKENIZER, "\"merges\": [", "\"merges\": [[\"q\", \"zq\"],", "merge 0 is not of two"},
    {WEIGHTS, "self_attn.k_norm.weight", "self_attn.z_norm.weight",
     "z_norm.weight: a tensor that the architecture does not know"},
    {WEIGHTS, "layers.0.", "layers.9.", "layers.0.input_layernorm.weight: missing"},
    {WEIGHTS, "layers.0.", "layers.x.", "layers.x."},
};

static float real_of(const lc_gguf *g, const char *key)
{
    float value = 0;
    assert_true(lc_gguf_f32(g, key, &value));
    return value;
}

/* Under the names that a GGUF has for it, where scores grow by 1 + log(4) / 10 unless told. */
static void yarn_is_said_as_in_gguf(void **state)
{
    (void)state;
    static const struct {
        const char *more;
        float fast, attention;
    } rows[] = {{"", 32.0f, 1.0f},
                {", \"beta_fast\": 16", 16.0f, 1.0f},
                {", \"attention_factor\": 2.277258872", 32.0f, 2.0f}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char to[96];
        uint32_t old = 0;
        lc_str type;
        lc_diag diag = {0};
        (void)snprintf(to, sizeof to, "\"yarn\"%s", rows[i].more);
        patched *p = folder_make("hf-llama", CONFIG, "\"llama3\"", to);
        assert_int_equal(folder_check(&p->hf, &diag), LC_OK);
        assert_true(lc_gguf_str(&p->hf.g, "llama.rope.scaling.type", &type));
        assert_true(lc_str_equal(type, lc_str_from("yarn")));
        assert_true(real_of(&p->hf.g, "llama.rope.scaling.factor") == 4.0f);
        assert_true(real_of(&p->hf.g, "llama.rope.scaling.yarn_beta_fast") == rows[i].fast);
        float off = real_of(&p->hf.g, "llama.rope.scaling.attn_factor") - rows[i].attention;
        assert_true(off < 1e-6f && off > -1e-6f);
        assert_true(lc_gguf_u32(&p->hf.g, "llama.rope.scaling.original_context_length", &old));
        assert_int_equal(old, 16);
        folder_free(p);
    }
}

static void gemma_is_checked(void **state)
{
    (void)state;
    expect_all("hf-gemma", gemma_breakages, COUNT(gemma_breakages));
}

static void classifiers_are_checked(void **state)
{
    (void)state;
    static const breakage list[] = {
        {CONFIG, "\"0\": \"red\"", "\"3\": \"red\"", "id2label: no text for 0"},
        {CONFIG, "\"0\": \"red\"", "\"0\": 7", "id2label: no text for 0"},
        {CONFIG, "\"0\": \"red\"", "\"1\": \"red\"", "key 1 occurs twice"},
        {CONFIG, "\"id2label\": {", "\"id2label\": 7, \"x\": {", "id2label: not 2 to"},
        {CONFIG, "\"0\": \"red\",", "", "id2label: no text for 0"},
        {CONFIG, "\"is_decoder\": false", "\"is_decoder\": true", "is_decoder: not supported"},
        {CONFIG, "\"add_cross_attention\": false", "\"add_cross_attention\": true",
         "add_cross_attention: not"},
        {CONFIG, "\"is_decoder\"",
         "\"problem_type\": \"multi_label_classification\", \"is_decoder\"",
         "problem_type: multi_label"},
        {CONFIG, "\"is_decoder\"", "\"position_embedding_type\": \"relative_key\", \"is_decoder\"",
         "position_embedding_type: relative_key"},
        {CONFIG, "\"gelu\"", "\"gelu_new\"", "hidden_act: gelu_new is not"},
        {CONFIG, "BertForSequenceClassification", "BertForTokenClassification", "is not supported"},
        {WEIGHTS, "\"classifier.weight\"", "\"classifier.wright\"", "classifier.wright: a tensor"},
        {WEIGHTS, "bert.embeddings.LayerNorm.bias", "bert.embeddings.LayerNorm.bia_",
         "LayerNorm.bia_: a tensor"},
        {TOKENIZER, "\"BertNormalizer\"", "\"NFC\"", "normalizer"},
        {TOKENIZER, "\"clean_text\": true", "\"clean_text\": 1", "clean_text is neither"},
        {TOKENIZER, "\"lowercase\": true", "\"lower\": true", "lowercase is neither"},
        {TOKENIZER, "\"BertPreTokenizer\"", "\"Whitespace\"", "pre_tokenizer"},
        {TOKENIZER, "\"continuing_subword_prefix\": \"##\"",
         "\"continuing_subword_prefix\": \"\xe2\x96\x81\"", "continuing_subword_prefix"},
        {TOKENIZER, "\"max_input_chars_per_word\": 12", "\"max_input_chars_per_word\": 0",
         "max_input_chars_per_word"},
        {TOKENIZER, "\"SpecialToken\": {\n\"id\": \"[CLS]\"",
         "\"SpecialToken\": {\n\"id\": \"[X]\"", "post_processor: this template"},
        {TOKENIZER, "\"single\": [", "\"single\": [{\"SpecialToken\": {\"id\": \"[SEP]\"}},",
         "more than one token at an end"},
    };
    expect_all("hf-bert", list, COUNT(list));
    static const breakage modern[] = {
        {CONFIG, "\"classifier_pooling\": \"mean\"", "\"classifier_pooling\": \"max\"",
         "classifier_pooling: neither"},
        {CONFIG, "\"classifier_activation\": \"gelu\"", "\"classifier_activation\": \"silu\"",
         "classifier_activation: silu"},
        {CONFIG, "\"local_attention\": 8", "\"local_attention\": null", "local_attention: missing"},
        {CONFIG, "\"norm_eps\": 1e-05", "\"norm_eps\": null", "norm_eps: missing"},
        {WEIGHTS, "\"head.norm.weight\"", "\"head.nerm.weight\"", "head.nerm.weight: a tensor"},
    };
    expect_all("hf-modern-bert", modern, COUNT(modern));
}

/* Files that are sound each by itself and do not go together. */
static void what_does_not_fit_is_refused_where_it_is_missing(void **state)
{
    (void)state;
    static const breakage bias = {CONFIG, "LlamaForCausalLM", "Qwen2ForCausalLM",
                                  "self_attn.q_proj.bias: missing"};
    static const breakage norm = {CONFIG, "LlamaForCausalLM", "Qwen3ForCausalLM",
                                  "self_attn.q_norm.weight: missing"};
    static const breakage rows = {TOKENIZER, "\"id\": 333", "\"id\": 334", "fewer rows"};
    static const breakage bare = {CONFIG, "BertForSequenceClassification", "BertModel",
                                  "classifier.bias: a tensor"};
    assert_true(is_refused("hf-llama", &bias, INDEX));
    assert_true(is_refused("hf-llama", &norm, INDEX));
    assert_true(is_refused("hf-llama", &rows, "model-00001-of-00002.safetensors"));
    assert_true(is_refused("hf-bert", &bare, WEIGHTS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_compute_as_transformers_does),
        cmocka_unit_test(folders_tokenise_as_the_library_does),
        cmocka_unit_test(llama_is_checked),
        cmocka_unit_test(yarn_is_said_as_in_gguf),
        cmocka_unit_test(gemma_is_checked),
        cmocka_unit_test(classifiers_are_checked),
        cmocka_unit_test(what_does_not_fit_is_refused_where_it_is_missing),
    };
    return cmocka_run_group_tests_name("hf", tests, NULL, NULL);
}
