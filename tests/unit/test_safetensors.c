/* What the reader of safetensors files gives, and what it refuses: one broken property each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/linux/leaf_write.h"
#include "../../tools/pack/gguf_types.h"
#include "../../tools/pack/safetensors.h"

/* header_bytes: what the file says; the header's own length when 0. */
static lc_buf file_make(const char *header, uint64_t header_bytes, size_t data_bytes)
{
    lc_buf file = {0};
    lc_buf_put_u64(&file, header_bytes ? header_bytes : strlen(header));
    lc_buf_put(&file, header, strlen(header));
    for (size_t i = 0; i < data_bytes; i++) {
        lc_buf_put_u8(&file, (uint8_t)i);
    }
    return file;
}

/* An exact copy on the heap, so that a sanitizer sees any byte read past the end. */
static lc_err open_copy(const lc_buf *file, size_t bytes, lc_safetensors *st, lc_diag *diag,
                        uint8_t **copy)
{
    *copy = malloc(bytes ? bytes : 1);
    assert_non_null(*copy);
    memcpy(*copy, file->data, bytes);
    return lc_safetensors_open(*copy, bytes, st, diag);
}

static void reads_tensors(void **state)
{
    (void)state;
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"m\":{\"dtype\":\"BF16\",\"shape\":[2,3],\"data_offsets\":[8,20]},"
        "\"e.position_ids\":{\"dtype\":\"I64\",\"shape\":[1,1],\"data_offsets\":[0,8]},"
        "\"s\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[20,24]}}  ";
    lc_buf file = file_make(header, 0, 24);
    lc_safetensors st;
    uint8_t *copy;
    float row[3];
    assert_int_equal(open_copy(&file, file.bytes, &st, NULL, &copy), LC_OK);
    assert_int_equal(st.tensor_count, 2); /* the counters are left out */
    const lc_gguf_tensor *m = lc_safetensors_find(&st, "m");
    assert_non_null(m);
    assert_int_equal(m->type, LC_GGML_BF16);
    assert_int_equal(m->dims, 2);
    assert_int_equal(m->ne[0], 3);
    assert_int_equal(m->ne[1], 2);
    assert_int_equal(m->bytes, 12);
    assert_ptr_equal(m->data, copy + m->offset);
    lc_gguf_row(m, 1, row); /* bytes 14 15: 0x0f0e as the high half */
    uint32_t bits;
    memcpy(&bits, row, sizeof bits);
    assert_int_equal(bits, 0x0f0e0000);
    assert_int_equal(lc_safetensors_find(&st, "s")->ne[0], 1);
    assert_null(lc_safetensors_find(&st, "e.position_ids"));
    lc_safetensors_close(&st);
    free(copy);
    lc_buf_free(&file);
}

/* One tensor "w" of 2 x 2 F32 but for its entry, with 16 bytes of data. */
#define ENTRY(text) "{\"w\":" text "}"
#define SHAPED(shape) ENTRY("{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[0,16]}")
#define AT(offsets) ENTRY("{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":" offsets "}")
#define TYPED(type) ENTRY("{\"dtype\":" type ",\"shape\":[2,2],\"data_offsets\":[0,16]}")
#define PAIR(a, b)                                                                                 \
    "{\"a\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":" a "},"                             \
    "\"b\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":" b "}}"
#define SOUND AT("[0,16]")

static const struct {
    const char *header, *reason;
    lc_err err;
} refusals[] = {
    {"", "header", LC_ERR_FORMAT},
    {"[]", "begin with {", LC_ERR_FORMAT},
    {" {}", "begin with {", LC_ERR_FORMAT},
    {"{", "header: line 1", LC_ERR_FORMAT},
    {"{}x", "text after", LC_ERR_FORMAT},
    {"{}", "bytes at the end", LC_ERR_FORMAT},
    {"{\"w\":1}", "w: wants dtype", LC_ERR_FORMAT},
    {"{\"w\\u0000\":1}", "u0000", LC_ERR_FORMAT},
    {"{\"\":{}}", "name of 0 bytes", LC_ERR_LIMIT},
    {ENTRY("{}"), "w: wants dtype", LC_ERR_FORMAT},
    {ENTRY("[]"), "w: wants dtype", LC_ERR_FORMAT},
    {ENTRY("{\"dtype\":\"F32\",\"shape\":[2,2]}"), "w: wants", LC_ERR_FORMAT},
    {ENTRY("{\"dtype\":\"F32\",\"data_offsets\":[0,16]}"), "w: wants", LC_ERR_FORMAT},
    {ENTRY("{\"shape\":[2,2],\"data_offsets\":[0,16]}"), "w: wants", LC_ERR_FORMAT},
    {ENTRY("{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16],\"x\":0}"), "nothing else",
     LC_ERR_FORMAT},
    {ENTRY("{\"dtype\":\"F32\",\"dtype\":\"F32\",\"data_offsets\":[0,16]}"), "w: wants",
     LC_ERR_FORMAT},
    {TYPED("\"F64\""), "w: dtype F64", LC_ERR_UNSUPPORTED},
    {TYPED("\"F8_E4M3\""), "w: dtype F8_E4M3", LC_ERR_UNSUPPORTED},
    {TYPED("\"I32\""), "w: dtype I32", LC_ERR_UNSUPPORTED},
    {TYPED("\"I8\""), "w: dtype I8", LC_ERR_UNSUPPORTED},
    {TYPED("\"BOOL\""), "w: dtype BOOL", LC_ERR_UNSUPPORTED},
    {TYPED("\"f32\""), "w: dtype f32", LC_ERR_UNSUPPORTED},
    {TYPED("\"\""), "w: dtype ", LC_ERR_UNSUPPORTED},
    {TYPED("32"), "w: dtype is not", LC_ERR_FORMAT},
    {TYPED("null"), "w: dtype is not", LC_ERR_FORMAT},
    {TYPED("\"F16\""), "differ in size", LC_ERR_FORMAT},
    {SHAPED("4"), "w: shape is not", LC_ERR_FORMAT},
    {SHAPED("{}"), "w: shape is not", LC_ERR_FORMAT},
    {SHAPED("[1,1,1,2,2]"), "w: shape is not", LC_ERR_FORMAT},
    {SHAPED("[2,0]"), "w: a size", LC_ERR_FORMAT},
    {SHAPED("[2,-2]"), "w: a size", LC_ERR_FORMAT},
    {SHAPED("[2,2.5]"), "w: a size", LC_ERR_FORMAT},
    {SHAPED("[2,\"2\"]"), "w: a size", LC_ERR_FORMAT},
    {SHAPED("[2,1e300]"), "w: a size", LC_ERR_FORMAT},
    {SHAPED("[2,9007199254740993]"), "w: a size", LC_ERR_FORMAT},
    {SHAPED("[4294967296,4294967296]"), "larger than the file", LC_ERR_FORMAT},
    {SHAPED("[2,3]"), "larger than the file", LC_ERR_FORMAT},
    {SHAPED("[3]"), "differ in size", LC_ERR_FORMAT},
    {SHAPED("[]"), "differ in size", LC_ERR_FORMAT},
    {AT("[0]"), "w: data_offsets", LC_ERR_FORMAT},
    {AT("[0,16,16]"), "w: data_offsets", LC_ERR_FORMAT},
    {AT("[]"), "w: data_offsets", LC_ERR_FORMAT},
    {AT("16"), "w: data_offsets", LC_ERR_FORMAT},
    {AT("[16,0]"), "w: data_offsets", LC_ERR_FORMAT},
    {AT("[-1,15]"), "w: data_offsets", LC_ERR_FORMAT},
    {AT("[0.5,16]"), "w: data_offsets", LC_ERR_FORMAT},
    {AT("[0,\"16\"]"), "w: data_offsets", LC_ERR_FORMAT},
    {AT("[0,1e400]"), "w: data_offsets", LC_ERR_FORMAT},
    {AT("[0,17]"), "beyond the end", LC_ERR_FORMAT},
    {AT("[1,17]"), "beyond the end", LC_ERR_FORMAT},
    {AT("[9007199254740000,9007199254740016]"), "beyond the end", LC_ERR_FORMAT},
    {AT("[0,12]"), "differ in size", LC_ERR_FORMAT},
    {PAIR("[0,8]", "[0,8]"), "overlaps", LC_ERR_FORMAT},
    {PAIR("[0,8]", "[4,12]"), "overlaps", LC_ERR_FORMAT},
    {ENTRY("{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}"), "belong to no tensor",
     LC_ERR_FORMAT},
    {ENTRY("{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"), "belong to no tensor",
     LC_ERR_FORMAT},
    {"{\"w\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,8]},"
     "\"w\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[8,16]}}",
     "w: occurs twice", LC_ERR_FORMAT},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", "occurs twice", LC_ERR_FORMAT},
    {"{\"__metadata__\":7}", "object of texts", LC_ERR_FORMAT},
    {"{\"__metadata__\":\"pt\"}", "object of texts", LC_ERR_FORMAT},
    {"{\"__metadata__\":{\"a\":1}}", "object of texts", LC_ERR_FORMAT},
};

static void expect(const lc_buf *file, size_t bytes, lc_err err, const char *reason)
{
    lc_safetensors st = {.tensor_count = 77};
    lc_diag diag = {0};
    uint8_t *copy;
    lc_err got = open_copy(file, bytes, &st, &diag, &copy);
    if (got != err || diag.err != err || strstr(diag.text, reason) == NULL || diag.offset > bytes) {
        fail_msg("%d `%s`, expected %d with `%s`", got, diag.text, err, reason);
    }
    assert_int_equal(st.tensor_count, 77);
    free(copy);
}

static void refuses_each_broken_property(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        lc_buf file = file_make(refusals[i].header, 0, 16);
        expect(&file, file.bytes, refusals[i].err, refusals[i].reason);
        lc_buf_free(&file);
    }
}

static void refuses_wrong_lengths(void **state)
{
    (void)state;
    static const struct {
        uint64_t header_bytes;
        lc_err err;
    } lengths[] = {
        {sizeof SOUND - 1 + 17, LC_ERR_FORMAT},
        {LC_SAFETENSORS_HEADER_MAX, LC_ERR_FORMAT},
        {LC_SAFETENSORS_HEADER_MAX + 1ull, LC_ERR_LIMIT},
        {0x7fffffffffffffffull, LC_ERR_LIMIT},
        {0x8000000000000000ull, LC_ERR_LIMIT},
        {UINT64_MAX, LC_ERR_LIMIT},
        {1, LC_ERR_FORMAT},
        {sizeof SOUND - 2, LC_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        lc_buf file = file_make(SOUND, lengths[i].header_bytes, 16);
        expect(&file, file.bytes, lengths[i].err, "header");
        lc_buf_free(&file);
    }
    lc_buf file = file_make(SOUND, 0, 16);
    for (size_t cut = 0; cut < file.bytes; cut++) {
        expect(&file, cut, LC_ERR_FORMAT, cut < 8 ? "too short" : "");
    }
    lc_buf_free(&file);
}

static void refuses_long_names_and_lists(void **state)
{
    (void)state;
    char header[400];
    char name[LC_SAFETENSORS_NAME_MAX + 2];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    (void)snprintf(header, sizeof header, "{\"%s\":{}}", name);
    lc_buf file = file_make(header, 0, 0);
    expect(&file, file.bytes, LC_ERR_LIMIT, "name of 256 bytes");
    lc_buf_free(&file);
    lc_buf many = {0};
    lc_buf_put(&many, "{\"a\":0", 6);
    for (uint32_t i = 0; i < 8192; i++) {
        lc_buf_put(&many, ",\"a\":0", 6);
    }
    lc_buf_put(&many, "}", 2); /* and the end of the text */
    file = file_make((const char *)many.data, 0, 0);
    expect(&file, file.bytes, LC_ERR_LIMIT, "over 8192 tensors");
    lc_buf_free(&file);
    lc_buf_free(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_tensors),
        cmocka_unit_test(refuses_each_broken_property),
        cmocka_unit_test(refuses_wrong_lengths),
        cmocka_unit_test(refuses_long_names_and_lists),
    };
    return cmocka_run_group_tests_name("safetensors", tests, NULL, NULL);
}
