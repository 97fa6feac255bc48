#include "gguf_make.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

gguf_make gguf_make_begin(uint32_t version)
{
    return (gguf_make){.version = version};
}

static void put_name(lc_buf *b, const char *text)
{
    lc_buf_put_u64(b, strlen(text));
    lc_buf_put(b, text, strlen(text));
}

void gguf_make_raw(gguf_make *m, const char *key, uint32_t type, const void *value, size_t bytes)
{
    put_name(&m->kv, key);
    lc_buf_put_u32(&m->kv, type);
    lc_buf_put(&m->kv, value, bytes);
    m->kvs++;
}

void gguf_make_str(gguf_make *m, const char *key, const char *value)
{
    gguf_make_raw(m, key, LC_GGUF_STR, NULL, 0);
    put_name(&m->kv, value);
}

void gguf_make_u32(gguf_make *m, const char *key, uint32_t value)
{
    gguf_make_raw(m, key, LC_GGUF_U32, NULL, 0);
    lc_buf_put_u32(&m->kv, value);
}

void gguf_make_f32(gguf_make *m, const char *key, float value)
{
    gguf_make_raw(m, key, LC_GGUF_F32, NULL, 0);
    lc_buf_put_f32(&m->kv, value);
}

void gguf_make_bool(gguf_make *m, const char *key, uint8_t value)
{
    gguf_make_raw(m, key, LC_GGUF_BOOL, &value, 1);
}

void gguf_make_strings(gguf_make *m, const char *key, const char *const *text, uint64_t count)
{
    gguf_make_raw(m, key, LC_GGUF_ARRAY, NULL, 0);
    lc_buf_put_u32(&m->kv, LC_GGUF_STR);
    lc_buf_put_u64(&m->kv, count);
    for (uint64_t i = 0; i < count; i++) {
        put_name(&m->kv, text[i]);
    }
}

void gguf_make_tensor(gguf_make *m, const char *name, uint32_t type, uint64_t cols, uint64_t rows,
                      const void *data, size_t bytes)
{
    lc_buf_pad(&m->data, 64);
    put_name(&m->table, name);
    lc_buf_put_u32(&m->table, rows ? 2 : 1);
    lc_buf_put_u64(&m->table, cols);
    if (rows) {
        lc_buf_put_u64(&m->table, rows);
    }
    lc_buf_put_u32(&m->table, type);
    lc_buf_put_u64(&m->table, m->data.bytes);
    if (data) {
        lc_buf_put(&m->data, data, bytes);
    } else {
        (void)lc_buf_zeros(&m->data, bytes);
    }
    m->tensors++;
}

lc_buf gguf_make_end(gguf_make *m, uint32_t align)
{
    lc_buf out = {0};
    lc_buf_put(&out, "GGUF", 4);
    lc_buf_put_u32(&out, m->version);
    lc_buf_put_u64(&out, m->tensors);
    lc_buf_put_u64(&out, m->kvs);
    lc_buf_put(&out, m->kv.data, m->kv.bytes);
    lc_buf_put(&out, m->table.data, m->table.bytes);
    if (m->tensors) {
        lc_buf_pad(&out, align);
        lc_buf_put(&out, m->data.data, m->data.bytes);
    }
    lc_buf_free(&m->kv);
    lc_buf_free(&m->table);
    lc_buf_free(&m->data);
    return out;
}

/* ---- a llama ---- */

#define WIDTH 32u
#define FFN 48u
#define VOCAB 260u

static bool skipped(const gguf_llama *spec, const char *name)
{
    return spec->skip && strcmp(spec->skip, name) == 0;
}

/* Bytes 0..255 as GPT-2 writes them, then four control tokens. */
static void put_vocabulary(gguf_make *m)
{
    static char text[VOCAB][8];
    const char *pointer[VOCAB];
    static const char *const merges[] = {"a b"};
    uint32_t types[VOCAB], next = 256;
    for (uint32_t i = 0; i < 256; i++) {
        bool plain = (i >= 33 && i <= 126) || (i >= 161 && i != 173);
        uint32_t code = plain ? i : next++;
        text[i][0] = (char)(code < 128 ? code : 0xc0 | code >> 6);
        text[i][1] = (char)(code < 128 ? 0 : 0x80 | (code & 63));
        text[i][2] = 0;
    }
    for (uint32_t i = 256; i < VOCAB; i++) {
        snprintf(text[i], sizeof text[i], i == 259 ? "ab" : "<%u>", i);
    }
    for (uint32_t i = 0; i < VOCAB; i++) {
        pointer[i] = text[i];
        types[i] = i >= 256 && i < 259 ? 3 : 1;
    }
    gguf_make_str(m, "tokenizer.ggml.model", "gpt2");
    gguf_make_str(m, "tokenizer.ggml.pre", "gpt-2");
    gguf_make_strings(m, "tokenizer.ggml.tokens", pointer, VOCAB);
    gguf_make_strings(m, "tokenizer.ggml.merges", merges, 1);
    gguf_make_raw(m, "tokenizer.ggml.token_type", LC_GGUF_ARRAY, NULL, 0);
    lc_buf_put_u32(&m->kv, LC_GGUF_I32);
    lc_buf_put_u64(&m->kv, VOCAB);
    lc_buf_put(&m->kv, types, sizeof types);
    gguf_make_u32(m, "tokenizer.ggml.bos_token_id", 256);
    gguf_make_u32(m, "tokenizer.ggml.eos_token_id", 257);
}

static void put_keys(gguf_make *m, const gguf_llama *spec)
{
    static const struct {
        const char *key;
        uint32_t value;
    } numbers[] = {{"llama.block_count", 2},
                   {"llama.embedding_length", WIDTH},
                   {"llama.feed_forward_length", FFN},
                   {"llama.context_length", 64},
                   {"llama.attention.head_count", 2}};
    if (!skipped(spec, "general.architecture")) {
        gguf_make_str(m, "general.architecture", "llama");
    }
    for (uint32_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (!skipped(spec, numbers[i].key)) {
            gguf_make_u32(m, numbers[i].key, numbers[i].value);
        }
    }
    if (!skipped(spec, "llama.attention.layer_norm_rms_epsilon")) {
        gguf_make_f32(m, "llama.attention.layer_norm_rms_epsilon", 1e-5f);
    }
    put_vocabulary(m);
    if (spec->labels) {
        gguf_make_strings(m, "llama.classifier.output_labels", spec->labels, spec->classes);
    }
}

static uint32_t random_state = 7;

static uint32_t random_next(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static void put_tensor(gguf_make *m, const gguf_llama *spec, const char *name, uint32_t cols,
                       uint32_t rows)
{
    uint32_t count = cols * (rows ? rows : 1);
    bool blocks = spec->type == 2 && rows;
    size_t bytes = blocks ? count / 32 * 18 : count * sizeof(float);
    uint8_t *data = malloc(bytes);
    for (uint32_t i = 0; blocks && i < bytes; i++) {
        data[i] = (uint8_t)random_next();
        if (i % 18 == 1) {
            data[i] = (uint8_t)(0x20 | (data[i] & 0x87)); /* half of 2^-8 or so */
        }
    }
    for (uint32_t i = 0; !blocks && i < count; i++) {
        float w = ((float)(random_next() & 0xffff) - 32768.0f) / 65536.0f;
        bool poison = spec->poison && strcmp(spec->poison, name) == 0 && i == count - 1;
        w = poison ? __builtin_nanf("") : w;
        memcpy(data + i * sizeof w, &w, sizeof w);
    }
    if (!skipped(spec, name)) {
        gguf_make_tensor(m, name, blocks ? 2 : 0, cols, rows, data, bytes);
    }
    free(data);
}

static void put_layer(gguf_make *m, const gguf_llama *spec, uint32_t layer)
{
    static const struct {
        const char *name;
        uint32_t cols, rows;
    } tensors[] = {{"attn_norm", WIDTH, 0},       {"attn_q", WIDTH, WIDTH},
                   {"attn_k", WIDTH, WIDTH},      {"attn_v", WIDTH, WIDTH},
                   {"attn_output", WIDTH, WIDTH}, {"ffn_norm", WIDTH, 0},
                   {"ffn_gate", WIDTH, FFN},      {"ffn_up", WIDTH, FFN}};
    char name[64];
    for (uint32_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
        snprintf(name, sizeof name, "blk.%u.%s.weight", layer, tensors[i].name);
        put_tensor(m, spec, name, tensors[i].cols, tensors[i].rows);
    }
    gguf_llama floats = *spec;
    floats.type = 0; /* rows of 48 are no Q4_0 blocks */
    snprintf(name, sizeof name, "blk.%u.ffn_down.weight", layer);
    put_tensor(m, &floats, name, FFN, WIDTH);
}

lc_buf gguf_llama_make(const gguf_llama *spec)
{
    gguf_make m = gguf_make_begin(3);
    random_state = 7;
    put_keys(&m, spec);
    put_tensor(&m, spec, "token_embd.weight", WIDTH, VOCAB);
    put_tensor(&m, spec, "output_norm.weight", WIDTH, 0);
    put_layer(&m, spec, 0);
    put_layer(&m, spec, 1);
    if (spec->classes) {
        put_tensor(&m, spec, "cls.output.weight", WIDTH, spec->classes);
        put_tensor(&m, spec, "cls.output.bias", spec->classes, 0);
    }
    if (spec->change) {
        spec->change(&m);
    }
    return gguf_make_end(&m, 32);
}
