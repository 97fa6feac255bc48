/* fuzz_gguf.c - GGUF files: open, read every key, array and row that the file claims to have. */
#include <stdlib.h>

#include "../../tools/pack/gguf.h"
#include "fuzz.h"

#define ROW_VALUES_MAX 65536u
#define ROWS_MAX 64u /* of a tensor: speed */

const char *const fuzz_seeds[] = {"models/golden/*.gguf", NULL};

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
    lc_gguf_close(&g);
    return 0;
}
