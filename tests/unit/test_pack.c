/* The packer: what it writes for each type, what it refuses by name, and packs damaged afterwards.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/linux/leaf_verify.h"
#include "../../board/linux/map.h"
#include "../../runtime/net.h"
#include "../../tools/pack/pack.h"
#include "gguf_make.h"

static const char *const LABELS[] = {"normal", "leak", "oos"};

/* Packs spec as type; *out is the file. */
static lc_err pack_spec(const gguf_llama *spec, lc_pack_type type, uint32_t threads, lc_buf *out,
                        lc_pack_report *report, lc_diag *diag)
{
    lc_buf file = gguf_llama_make(spec);
    lc_gguf g;
    lc_pack_options options = {.type = type, .threads = threads};
    assert_int_equal(lc_gguf_open(file.data, file.bytes, &g, diag), LC_OK);
    lc_err err = lc_pack_gguf(&g, &options, out, report, diag);
    lc_gguf_close(&g);
    lc_buf_free(&file);
    return err;
}

/* A pack in aligned memory of exactly its size. */
typedef struct opened {
    uint8_t *data;
    void *memory;
    lc_model model;
    lc_err err;
} opened;

static opened open_pack(const uint8_t *data, size_t bytes)
{
    opened o = {.data = aligned_alloc(64, LC_ROUND_UP(bytes, 64))};
    lc_arena state;
    lc_diag diag = {0};
    memcpy(o.data, data, bytes);
    lc_arena_measure(&state);
    o.err = lc_model_open(o.data, bytes, &state, &o.model, &diag);
    if (o.err) {
        assert_true(diag.err == o.err && diag.text && diag.offset <= bytes);
        return o;
    }
    size_t size = state.peak;
    o.memory = aligned_alloc(64, LC_ROUND_UP(size, 64));
    lc_arena_init(&state, o.memory, size);
    o.err = lc_model_open(o.data, bytes, &state, &o.model, &diag);
    assert_int_equal(o.err, LC_OK);
    assert_int_equal(state.peak, size);
    return o;
}

static void close_pack(opened *o)
{
    free(o->data);
    free(o->memory);
}

/* ---- what is written ---- */

static void every_type_opens(void **state)
{
    (void)state;
    static const uint32_t linear[] = {LC_W_T16A, LC_W_T16, LC_W_R8, LC_W_F32};
    static const uint32_t embed[] = {LC_W_R8, LC_W_R8, LC_W_R8, LC_W_F32};
    const gguf_llama spec = {.labels = LABELS, .classes = 3};
    for (uint32_t type = LC_PACK_Q4; type <= LC_PACK_F32; type++) {
        lc_buf out = {0};
        lc_pack_report report;
        lc_leaf leaf;
        assert_int_equal(pack_spec(&spec, type, 1, &out, &report, NULL), LC_OK);
        assert_int_equal(lc_leaf_open(out.data, out.bytes, &leaf, NULL), LC_OK);
        assert_int_equal(lc_leaf_verify(&leaf, NULL), LC_OK);
        assert_int_equal(leaf.align, 64);
        opened o = open_pack(out.data, out.bytes);
        const lc_model *m = &o.model;
        assert_int_equal(o.err, LC_OK);
        assert_true(m->info.layers == 2 && m->info.width == 32 && m->info.ffn == 48);
        assert_true(m->info.vocab == 260 && m->info.causal && m->tied);
        assert_int_equal(m->layer[1].down.type, linear[type]);
        assert_int_equal(m->layer[0].q.type, linear[type]);
        assert_int_equal(m->embed.type, embed[type]);
        assert_true(m->cls.type == LC_W_F32 && m->cls.rows == 3 && m->cls_bias);
        for (uint32_t i = 0; i < 3; i++) {
            assert_true(lc_str_equal(m->class_name[i], lc_str_from(LABELS[i])));
        }
        assert_int_equal(report.tensor_count, lc_model_tensors(m) - 1); /* rope is made */
        close_pack(&o);
        lc_pack_report_free(&report);
        lc_buf_free(&out);
    }
}

static void rope_frequencies_are_exact_to_two_floats(void **state)
{
    (void)state;
    lc_buf out = {0};
    const gguf_llama spec = {0};
    assert_int_equal(pack_spec(&spec, LC_PACK_F32, 1, &out, NULL, NULL), LC_OK);
    opened o = open_pack(out.data, out.bytes);
    for (uint32_t i = 0; i < 8; i++) {
        double want = pow(10000.0, -2.0 * i / 16.0);
        double got = (double)o.model.rope_freq[2 * i] + (double)o.model.rope_freq[2 * i + 1];
        assert_true(fabs(got / want - 1.0) < 1e-14);
        assert_true(o.model.rope_freq[2 * i] == (float)want);
    }
    close_pack(&o);
    lc_buf_free(&out);
}

static void threads_and_runs_give_the_same_file(void **state)
{
    (void)state;
    const gguf_llama spec = {.labels = LABELS, .classes = 3};
    lc_buf one = {0}, four = {0};
    assert_int_equal(pack_spec(&spec, LC_PACK_Q4, 1, &one, NULL, NULL), LC_OK);
    assert_int_equal(pack_spec(&spec, LC_PACK_Q4, 4, &four, NULL, NULL), LC_OK);
    assert_int_equal(one.bytes, four.bytes);
    assert_memory_equal(one.data, four.data, one.bytes);
    lc_buf_free(&one);
    lc_buf_free(&four);
}

static void q4_0_sources_keep_their_nibbles(void **state)
{
    (void)state;
    const gguf_llama spec = {.type = 2};
    for (uint32_t type = LC_PACK_Q4; type <= LC_PACK_T16; type++) {
        lc_buf out = {0};
        lc_pack_report report;
        uint32_t kept = 0;
        assert_int_equal(pack_spec(&spec, type, 1, &out, &report, NULL), LC_OK);
        for (uint32_t i = 0; i < report.tensor_count; i++) {
            const lc_pack_tensor *t = &report.tensor[i];
            kept += t->kept;
            assert_true(!t->kept || (t->type == LC_W_T16 && t->sqnr_db > 35.0));
        }
        assert_int_equal(kept, 12); /* all linears but ffn_down, whose rows are no whole blocks */
        lc_pack_report_free(&report);
        lc_buf_free(&out);
    }
}

static void labels_may_be_absent(void **state)
{
    (void)state;
    lc_buf out = {0};
    const gguf_llama spec = {.classes = 2};
    assert_int_equal(pack_spec(&spec, LC_PACK_Q8, 1, &out, NULL, NULL), LC_OK);
    opened o = open_pack(out.data, out.bytes);
    assert_true(lc_str_equal(o.model.class_name[1], lc_str_from("1")));
    close_pack(&o);
    lc_buf_free(&out);
}

static void names_of_types_are_known(void **state)
{
    (void)state;
    lc_pack_type type;
    assert_true(lc_pack_type_find("t16", &type) && type == LC_PACK_T16);
    assert_false(lc_pack_type_find("q5", &type));
    assert_string_equal(lc_pack_wtype_name(LC_W_T16A), "T16A");
}

/* ---- what is refused ---- */

static void refused(const gguf_llama *spec, lc_err err, const char *reason)
{
    lc_buf out = {0};
    lc_pack_report report = {0};
    lc_diag diag = {0};
    assert_int_equal(pack_spec(spec, LC_PACK_Q4, 1, &out, &report, &diag), err);
    assert_true(out.data == NULL && report.tensor == NULL);
    if (!strstr(diag.text, reason)) {
        fail_msg("'%s' does not say '%s'", diag.text, reason);
    }
}

static void missing_parts_are_named(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "general.architecture",   "llama.block_count",
        "llama.embedding_length", "llama.feed_forward_length",
        "llama.context_length",   "llama.attention.head_count",
        "token_embd.weight",      "llama.attention.layer_norm_rms_epsilon",
        "blk.1.ffn_down.weight",  "blk.0.attn_norm.weight",
        "blk.0.attn_k.weight",    "output_norm.weight"};
    for (uint32_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const gguf_llama spec = {.skip = parts[i]};
        refused(&spec, LC_ERR_FORMAT, parts[i]);
    }
}

static void add_scaling(gguf_make *m)
{
    gguf_make_str(m, "llama.rope.scaling.type", "longrope");
}

static void add_cap(gguf_make *m)
{
    gguf_make_f32(m, "llama.attn_logit_softcapping", 50.0f);
}

/* The tokens stay, but the embedding has a row less. */
static void add_short_embedding(gguf_make *m)
{
    gguf_make_tensor(m, "token_embd.weight", 0, 32, 259, NULL, 259 * 128);
}

static void fewer_rows_than_tokens_are_refused(void **state)
{
    (void)state;
    const gguf_llama spec = {.skip = "token_embd.weight", .change = add_short_embedding};
    refused(&spec, LC_ERR_FORMAT, "token_embd.weight: fewer rows than there are tokens");
}

static void add_linear_scaling(gguf_make *m)
{
    gguf_make_str(m, "llama.rope.scaling.type", "linear");
    gguf_make_f32(m, "llama.rope.scaling.factor", 4.0f);
}

static void linear_scaling_divides_the_frequencies(void **state)
{
    (void)state;
    lc_buf out = {0};
    const gguf_llama spec = {.change = add_linear_scaling};
    assert_int_equal(pack_spec(&spec, LC_PACK_F32, 1, &out, NULL, NULL), LC_OK);
    opened o = open_pack(out.data, out.bytes);
    for (uint32_t i = 0; i < 8; i++) {
        double want = pow(10000.0, -2.0 * i / 16.0) / 4.0;
        assert_true(o.model.rope_freq[2 * i] == (float)want);
    }
    close_pack(&o);
    lc_buf_free(&out);
}

static void add_far_factor(gguf_make *m)
{
    gguf_make_f32(m, "llama.rope.scaling.factor", 1e9f);
}

static void add_experts(gguf_make *m)
{
    gguf_make_u32(m, "llama.expert_count", 8);
}

static void add_scale(gguf_make *m)
{
    gguf_make_f32(m, "llama.logit_scale", 2.0f);
}

static void add_norm(gguf_make *m)
{
    gguf_make_tensor(m, "blk.0.attn_q_norm.weight", 0, 32, 0, NULL, 128);
}

static void add_kv_heads(gguf_make *m)
{
    gguf_make_u32(m, "llama.attention.head_count_kv", 1);
}

static void add_key_length(gguf_make *m)
{
    gguf_make_u32(m, "llama.attention.key_length", 8);
}

static void add_pooling(gguf_make *m)
{
    gguf_make_u32(m, "llama.pooling_type", 4);
}

static void add_causal(gguf_make *m)
{
    gguf_make_u32(m, "llama.attention.causal", 0);
}

static void add_vocab_size(gguf_make *m)
{
    gguf_make_u32(m, "llama.vocab_size", 259);
}

static void add_labels(gguf_make *m)
{
    gguf_make_strings(m, "llama.classifier.output_labels", LABELS, 3);
}

static void add_head(gguf_make *m)
{
    gguf_make_tensor(m, "cls.output.weight", 0, 32, 2, NULL, 256);
}

static void add_wide_head(gguf_make *m)
{
    gguf_make_tensor(m, "cls.output.weight", 0, 16, 2, NULL, 128);
}

static void add_odd_rope(gguf_make *m)
{
    gguf_make_u32(m, "llama.rope.dimension_count", 7);
}

static void add_yarn_log(gguf_make *m)
{
    gguf_make_str(m, "llama.rope.scaling.type", "yarn");
    gguf_make_f32(m, "llama.rope.scaling.yarn_log_multiplier", 0.1f);
}

static void add_yarn_part(gguf_make *m)
{
    gguf_make_str(m, "llama.rope.scaling.type", "yarn");
    gguf_make_u32(m, "llama.rope.dimension_count", 2);
}

static void variants_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        void (*change)(gguf_make *m);
        lc_err err;
        const char *reason;
    } cases[] = {
        {add_scaling, LC_ERR_UNSUPPORTED, "llama.rope.scaling.type"},
        {add_yarn_log, LC_ERR_FORMAT, "llama.rope.scaling.yarn_log_multiplier"},
        {add_yarn_part, LC_ERR_UNSUPPORTED, "llama.rope.scaling.type: yarn"},
        {add_far_factor, LC_ERR_FORMAT, "llama.rope.scaling.factor"},
        {add_cap, LC_ERR_UNSUPPORTED, "llama.attn_logit_softcapping"},
        {add_experts, LC_ERR_UNSUPPORTED, "llama.expert_count"},
        {add_scale, LC_ERR_UNSUPPORTED, "llama.logit_scale"},
        {add_norm, LC_ERR_UNSUPPORTED, "blk.0.attn_q_norm.weight"},
        {add_kv_heads, LC_ERR_FORMAT, "blk.0.attn_k.weight: shape 32 x 32"},
        {add_key_length, LC_ERR_FORMAT, "blk.0.attn_q.weight: shape 32 x 32"},
        {add_pooling, LC_ERR_FORMAT, "llama.pooling_type: 4 is not in 0 to 3"},
        {add_causal, LC_ERR_FORMAT, "llama.attention.causal: not a bool"},
        {add_vocab_size, LC_ERR_FORMAT, "llama.vocab_size: 259"},
        {add_labels, LC_ERR_FORMAT, "there is no tensor cls.output.weight"},
        {add_wide_head, LC_ERR_FORMAT, "cls.output.weight: shape 16 x 2"},
        {add_odd_rope, LC_ERR_FORMAT, "llama.rope.dimension_count: odd"},
    };
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const gguf_llama spec = {.change = cases[i].change};
        refused(&spec, cases[i].err, cases[i].reason);
    }
}

static void add_long_architecture(gguf_make *m)
{
    gguf_make_str(m, "general.architecture",
                  "llama, or something that is much longer than any name");
}

static void add_near_architecture(gguf_make *m)
{
    gguf_make_str(m, "general.architecture", "llam");
}

static void unknown_architectures_are_named(void **state)
{
    (void)state;
    const gguf_llama longer = {.skip = "general.architecture", .change = add_long_architecture};
    const gguf_llama nearly = {.skip = "general.architecture", .change = add_near_architecture};
    refused(&longer, LC_ERR_UNSUPPORTED, "general.architecture: llama, or something");
    refused(&nearly, LC_ERR_UNSUPPORTED, "general.architecture: llam is not supported");
}

static void add_three_labels_for_two(gguf_make *m)
{
    add_labels(m);
    add_head(m);
}

static void wrong_labels_are_refused(void **state)
{
    (void)state;
    static const char *const twins[] = {"a", "b", "a"}, *const empty[] = {"a", "", "b"},
                             *const broken[] = {"a", "\xff", "b"};
    const gguf_llama count = {.change = add_three_labels_for_two};
    refused(&count, LC_ERR_FORMAT, "output_labels: not the names of 2 outputs");
    const char *const *const wrong[] = {twins, empty, broken};
    const char *const reason[] = {"label a occurs twice", "label 1: 1 to", "label 1: 1 to"};
    for (uint32_t i = 0; i < 3; i++) {
        const gguf_llama spec = {.labels = wrong[i], .classes = 3};
        refused(&spec, LC_ERR_FORMAT, reason[i]);
    }
}

static void weights_that_are_no_numbers_are_refused(void **state)
{
    (void)state;
    static const char *const tensors[] = {"output_norm.weight", "blk.1.ffn_up.weight",
                                          "token_embd.weight", "cls.output.bias"};
    for (uint32_t i = 0; i < 4; i++) {
        const gguf_llama spec = {.poison = tensors[i], .labels = LABELS, .classes = 3};
        refused(&spec, LC_ERR_NUMBER, tensors[i]);
    }
}

/* ---- packs damaged afterwards, hashes not looked at: refused, or run without harm ---- */

static lc_err take_states(void *ctx, uint32_t position, uint32_t n, const float *hidden)
{
    (void)position;
    *(float *)ctx += hidden[n - 1];
    return LC_OK;
}

static void run_pack(const lc_model *m)
{
    lc_arena state, scratch;
    lc_net *net;
    lc_net_options options = {.ctx = 4, .kernels = lc_level_at(0)};
    lc_arena_measure(&state);
    lc_arena_measure(&scratch);
    if (lc_net_init(m, &options, &state, &scratch, &net, NULL) != LC_OK) {
        return;
    }
    size_t a = state.peak, b = scratch.peak;
    if (a > 64u << 20 || b > 64u << 20) {
        return; /* a plan that no test machine needs to hold; `plan` would say so */
    }
    void *memory = aligned_alloc(64, LC_ROUND_UP(a, 64)),
         *work = aligned_alloc(64, LC_ROUND_UP(b, 64));
    float sum = 0.0f;
    const uint32_t ids[3] = {0, m->info.vocab / 2, m->info.vocab - 1};
    lc_arena_init(&state, memory, a);
    lc_arena_init(&scratch, work, b);
    assert_int_equal(lc_net_init(m, &options, &state, &scratch, &net, NULL), LC_OK);
    lc_err err = lc_net_run(net, ids, m->info.ctx < 3 ? m->info.ctx : 3, take_states, &sum);
    assert_true(err == LC_OK || err == LC_ERR_NUMBER);
    free(memory);
    free(work);
}

/* Flips bits of header, table and the sections that are parsed; weights by samples. */
static void damaged_packs_are_refused_or_run(void **state)
{
    (void)state;
    const gguf_llama spec = {.labels = LABELS, .classes = 3};
    lc_buf out = {0};
    uint32_t refusals = 0, runs = 0, random = 1;
    assert_int_equal(pack_spec(&spec, LC_PACK_Q4, 1, &out, NULL, NULL), LC_OK);
    lc_leaf leaf;
    lc_section tensors, tokenizer;
    assert_int_equal(lc_leaf_open(out.data, out.bytes, &leaf, NULL), LC_OK);
    assert_true(lc_leaf_find(&leaf, LC_SECTION_TENSORS, 0, &tensors));
    assert_true(lc_leaf_find(&leaf, LC_SECTION_TOKENIZER, 0, &tokenizer));
    size_t parsed = (size_t)(tokenizer.offset + tokenizer.bytes);
    for (size_t at = 0; at < out.bytes; at += at < parsed ? 1 : 7) {
        random = random * 1664525u + 1013904223u;
        bool sizes = at < (size_t)(tensors.offset + tensors.bytes);
        for (uint32_t bit = sizes ? 0 : random >> 29; bit < 8; bit += sizes ? 1 : 8) {
            out.data[at] ^= (uint8_t)(1u << bit);
            opened o = open_pack(out.data, out.bytes);
            refusals += o.err != LC_OK;
            if (o.err == LC_OK) {
                run_pack(&o.model);
                runs++;
            }
            close_pack(&o);
            out.data[at] ^= (uint8_t)(1u << bit);
        }
    }
    print_message("%u refused, %u run\n", refusals, runs);
    assert_true(refusals > 5000 && runs > 1000);
    lc_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_opens),
        cmocka_unit_test(rope_frequencies_are_exact_to_two_floats),
        cmocka_unit_test(linear_scaling_divides_the_frequencies),
        cmocka_unit_test(fewer_rows_than_tokens_are_refused),
        cmocka_unit_test(threads_and_runs_give_the_same_file),
        cmocka_unit_test(q4_0_sources_keep_their_nibbles),
        cmocka_unit_test(labels_may_be_absent),
        cmocka_unit_test(names_of_types_are_known),
        cmocka_unit_test(missing_parts_are_named),
        cmocka_unit_test(variants_are_refused_by_name),
        cmocka_unit_test(unknown_architectures_are_named),
        cmocka_unit_test(wrong_labels_are_refused),
        cmocka_unit_test(weights_that_are_no_numbers_are_refused),
        cmocka_unit_test(damaged_packs_are_refused_or_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
