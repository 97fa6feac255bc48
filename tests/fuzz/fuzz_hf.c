/* Any bytes as the JSON files of a checkpoint: texts with NUL between become config.json,
 * tokenizer.json, tokenizer_config.json, modules.json, 1_Pooling/config.json, vocab.txt and the
 * index, in that order; an empty one is not there. There is one tensor. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../tools/pack/hf.h"
#include "../../tools/pack/pack.h"
#include "../../tools/pack/pack_plan.h"
#include "../../tools/pack/tok_pack.h"
#include "fuzz.h"

const char *const fuzz_seeds[] = {"tests/fuzz/corpus/hf/*", NULL};

static const char *const names[] = {
    "config.json",           "tokenizer.json", "tokenizer_config.json",       "modules.json",
    "1_Pooling/config.json", "vocab.txt",      "model.safetensors.index.json"};
#define NAMES (sizeof names / sizeof names[0])

static void add_file(lc_hf *hf, const char *name, const uint8_t *data, size_t bytes)
{
    lc_hf_file *file = &hf->file[hf->file_count++];
    (void)snprintf(file->name, sizeof file->name, "%s", name);
    file->map = (lc_map){.data = data, .bytes = bytes};
}

static void split(lc_hf *hf, const uint8_t *data, size_t bytes)
{
    size_t at = 0;
    for (size_t i = 0; i < NAMES && at <= bytes; i++) {
        const uint8_t *end = at < bytes ? memchr(data + at, 0, bytes - at) : NULL;
        size_t length = end ? (size_t)(end - data) - at : bytes - at;
        if (length > 0) {
            add_file(hf, names[i], data + at, length);
        }
        at += length + 1;
    }
}

/* One scalar in one tensor: enough to come as far as the check of names and shapes. */
static void add_weights(lc_hf *hf)
{
    static const char header[] = "{\"model.norm.weight\":{\"dtype\":\"F32\",\"shape\":[1],"
                                 "\"data_offsets\":[0,4]}}";
    static uint8_t file[8 + sizeof header + 3];
    file[0] = sizeof header - 1;
    memcpy(file + 8, header, sizeof header - 1);
    add_file(hf, "model.safetensors", file, 8 + sizeof header - 1 + 4);
}

static void use_tokenizer(const lc_gguf *g)
{
    static const char text[] = "P2 temp 81.5 \xc2\xb0"
                               "C  e\xcc\x81 \xed\x95\x9c \xe4\xbd\xa0\n";
    uint32_t ids[256], count = 0;
    bool cut = false;
    lc_buf out = {0};
    lc_tok tok;
    lc_diag diag = {0};
    if (lc_tok_pack(g, &out, &diag) != LC_OK) {
        fuzz_expect(diag.text != NULL, "a refusal says why");
        lc_buf_free(&out);
        return;
    }
    fuzz_expect(lc_tok_open(out.data, out.bytes, &tok, NULL) == LC_OK, "a packed tokenizer opens");
    lc_arena scratch = fuzz_arena(1, lc_tok_scratch_bytes(&tok, sizeof text - 1));
    fuzz_expect(
        lc_tok_encode(&tok, text, sizeof text - 1, true, &scratch, ids, 256, &count, &cut) == LC_OK,
        "it encodes in the scratch that it asked for");
    for (uint32_t i = 0; i < count; i++) {
        fuzz_expect(ids[i] < tok.vocab, "a token id is inside the vocabulary");
    }
    lc_buf_free(&out);
}

static void make(const uint8_t *data, size_t bytes, bool weights)
{
    static lc_hf hf;
    lc_diag diag = {0};
    memset(&hf, 0, sizeof hf);
    split(&hf, data, bytes);
    add_weights(&hf);
    if (lc_hf_make(&hf, weights, &diag) != LC_OK) {
        fuzz_expect(diag.text != NULL && hf.where[0] != '\0', "a refusal says where and why");
    } else if (weights) {
        lc_pack_plan plan;
        if (lc_pack_plan_make(&hf.g, LC_PACK_Q4, &plan, &diag) == LC_OK) {
            lc_pack_plan_free(&plan);
        } else {
            lc_hf_explain(&hf, &diag);
        }
    } else {
        use_tokenizer(&hf.g);
    }
    lc_hf_close(&hf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    make(data, bytes, true);
    make(data, bytes, false);
    return 0;
}
