#include "tok_make.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../tools/pack/tok_pack.h"

#define IDS_MAX 4096u

static void make_array(gguf_make *m, const char *key, uint32_t type, const void *list,
                       uint32_t count)
{
    lc_buf body = {0};
    lc_buf_put_u32(&body, type);
    lc_buf_put_u64(&body, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, (const uint8_t *)list + 4 * (size_t)i, sizeof bits);
        lc_buf_put_u32(&body, bits);
    }
    gguf_make_raw(m, key, LC_GGUF_ARRAY, body.data, body.bytes);
    lc_buf_free(&body);
}

void tok_make_i32s(gguf_make *m, const char *key, const int32_t *list, uint32_t count)
{
    make_array(m, key, LC_GGUF_I32, list, count);
}

void tok_make_f32s(gguf_make *m, const char *key, const float *list, uint32_t count)
{
    make_array(m, key, LC_GGUF_F32, list, count);
}

lc_err tok_make_section(const uint8_t *gguf, size_t bytes, lc_buf *section, lc_diag *diag)
{
    lc_gguf g;
    lc_err err = lc_gguf_open(gguf, bytes, &g, diag);
    if (err != LC_OK) {
        return err;
    }
    err = lc_tok_pack(&g, section, diag);
    lc_gguf_close(&g);
    return err;
}

const char *tok_make_ids(const lc_tok *tok, const char *text, size_t bytes, bool special)
{
    static char out[IDS_MAX * 8];
    static uint32_t ids[IDS_MAX];
    uint32_t count = 0;
    bool cut = false;
    lc_arena scratch;
    size_t need = lc_tok_scratch_bytes(tok, bytes);
    void *memory = aligned_alloc(LC_ARENA_ALIGN, need + LC_ARENA_ALIGN);
    assert_non_null(memory);
    lc_arena_init(&scratch, memory, need);
    assert_int_equal(lc_tok_encode(tok, text, bytes, special, &scratch, ids, IDS_MAX, &count, &cut),
                     LC_OK);
    assert_false(cut);
    assert_int_equal(scratch.peak, need);
    free(memory);
    size_t used = 0;
    out[0] = 0;
    for (uint32_t i = 0; i < count; i++) {
        used += (size_t)snprintf(out + used, sizeof out - used, i == 0 ? "%u" : " %u", ids[i]);
    }
    return out;
}
