/* fuzz_gguf.c - GGUF files: open, read every key, array and row that the file claims to have, pack.
 *
 * What the packer writes, the core must accept.
 */
#include <stdlib.h>

#include "../../tools/pack/pack.h"
#include "../../tools/pack/tok_pack.h"
#include "fuzz.h"

#define ROW_VALUES_MAX 65536u
#define ROWS_MAX 64u /* of a tensor: speed */

const char *const fuzz_seeds[] = {"models/golden/*.gguf", "tests/fuzz/corpus/gguf/*", NULL};

static void use_key(const lc_gguf *g, const lc_gguf_kv *kv)
{
    char key[256];
    uint32_t u32;
    float f32;
    bool boolean;
    lc_str text;
    if (kv->key.bytes >= sizeof key) {
        return;
    }
    for (uint32_t i = 0; i < kv->key.bytes; i++) {
        key[i] = kv->key.data[i];
    }
    key[kv->key.bytes] = 0;
    (void)lc_gguf_u32(g, key, &u32);
    (void)lc_gguf_f32(g, key, &f32);
    (void)lc_gguf_bool(g, key, &boolean);
    (void)lc_gguf_str(g, key, &text);

    const uint8_t *values;
    uint64_t count, seen = 0;
    volatile uint8_t last = 0;
    if (lc_gguf_array32(g, key, kv->elem_type, &values, &count) && count) {
        last = values[4 * count - 1];
    }
    lc_gguf_strings it;
    if (lc_gguf_strings_open(g, key, &it, &count)) {
        while (lc_gguf_strings_next(&it, &text)) {
            last = text.bytes ? (uint8_t)text.data[text.bytes - 1] : last;
            seen++;
        }
        fuzz_expect(seen == count, "an array holds as many strings as it says");
    }
    (void)last;
}

static void use_tensor(const lc_gguf_tensor *t, float *row)
{
    fuzz_expect(t->dims >= 1 && t->dims <= 4, "a tensor has 1 to 4 dimensions");
    if (!lc_gguf_type_name(t->type) || t->ne[0] > ROW_VALUES_MAX) {
        return;
    }
    uint64_t rows = 1;
    for (uint32_t d = 1; d < t->dims; d++) {
        rows *= t->ne[d];
    }
    for (uint64_t r = 0; r < rows && r < ROWS_MAX; r++) {
        lc_gguf_row(t, r, row);
    }
    if (rows) {
        lc_gguf_row(t, rows - 1, row);
    }
}

static void use_tokenizer(const uint8_t *section, size_t bytes)
{
    static const char text[] = "P2 temp 81.5 \xc2\xb0" "C  rising\t'll \xf0\x9f\x94\xa5 2026\n";
    uint32_t ids[128], count = 0;
    bool cut = false;
    lc_tok tok;
    uint8_t *copy = fuzz_copy(section, bytes);
    fuzz_expect(lc_tok_open(copy, bytes, &tok, NULL) == LC_OK, "a packed tokenizer opens");
    lc_arena scratch = fuzz_arena(1, lc_tok_scratch_bytes(&tok, sizeof text - 1));
    fuzz_expect(lc_tok_encode(&tok, text, sizeof text - 1, true, &scratch, ids, 128, &count,
                              &cut) == LC_OK,
                "it encodes in the scratch that it asked for");
    for (uint32_t i = 0; i < count; i++) {
        char out[LC_TOKEN_BYTES_MAX];
        fuzz_expect(ids[i] < tok.vocab, "a token id is inside the vocabulary");
        fuzz_expect(lc_tok_decode(&tok, ids[i], i == 0, out, sizeof out) <= sizeof out,
                    "a token fits");
    }
    free(copy);
}

static void use_pack(const uint8_t *pack, size_t bytes)
{
    lc_arena state = fuzz_arena(0, FUZZ_ARENA_BYTES);
    uint8_t *copy = fuzz_copy(pack, bytes);
    lc_model model;
    fuzz_expect(lc_model_open(copy, bytes, &state, &model, NULL) == LC_OK, "a pack opens");
    free(copy);
}

static void pack_all(const lc_gguf *g)
{
    lc_diag diag = {0};
    lc_buf out = {0};
    if (lc_tok_pack(g, &out, &diag) == LC_OK) {
        use_tokenizer(out.data, out.bytes);
    } else {
        fuzz_expect(diag.text != NULL, "a refusal says why");
    }
    lc_buf_free(&out);

    lc_pack_options options = {.type = LC_PACK_Q8};
    out = (lc_buf){0};
    if (lc_pack_gguf(g, &options, &out, NULL, &diag) == LC_OK) {
        use_pack(out.data, out.bytes);
    } else {
        fuzz_expect(diag.text != NULL, "a refusal says why");
    }
    lc_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    lc_gguf g;
    lc_diag diag = {0};
    if (lc_gguf_open(data, bytes, &g, &diag) != LC_OK) {
        fuzz_expect(diag.text && diag.offset <= bytes, "a refusal says where and why");
        return 0;
    }
    float *row = malloc(ROW_VALUES_MAX * sizeof *row);
    if (!row) {
        abort();
    }
    for (uint32_t i = 0; i < g.kv_count; i++) {
        use_key(&g, &g.kv[i]);
    }
    for (uint32_t i = 0; i < g.tensor_count; i++) {
        use_tensor(&g.tensor[i], row);
    }
    free(row);
    pack_all(&g);
    lc_gguf_close(&g);
    return 0;
}
