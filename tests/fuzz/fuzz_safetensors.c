/* Any bytes as a .safetensors file: refused with a reason, or read whole without leaving them. */
#include <stdlib.h>

#include "../../tools/pack/safetensors.h"
#include "fuzz.h"

#define ROW_VALUES_MAX 65536u

const char *const fuzz_seeds[] = {"models/golden/hf-*/*.safetensors",
                                  "tests/fuzz/corpus/safetensors/*", NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    lc_safetensors st;
    lc_diag diag = {0};
    if (lc_safetensors_open(data, bytes, &st, &diag) != LC_OK) {
        fuzz_expect(diag.text && diag.offset <= bytes, "a refusal says where and why");
        return 0;
    }
    float *row = malloc(ROW_VALUES_MAX * sizeof *row);
    if (!row) {
        abort();
    }
    for (uint32_t i = 0; i < st.tensor_count; i++) {
        const lc_gguf_tensor *t = &st.tensor[i];
        fuzz_expect(lc_gguf_type_name(t->type) != NULL, "a tensor can be read");
        fuzz_expect(t->offset + t->bytes <= bytes, "a tensor lies in the file");
        if (t->ne[0] <= ROW_VALUES_MAX) {
            lc_gguf_row(t, 0, row);
            lc_gguf_row(t, t->ne[1] * t->ne[2] * t->ne[3] - 1, row);
        }
    }
    free(row);
    lc_safetensors_close(&st);
    return 0;
}
