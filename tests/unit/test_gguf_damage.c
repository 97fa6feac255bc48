/* Malformed GGUF files, made here from sound ones by breaking one property each: every one must be
 * refused with an error, a place inside the file and a reason that names what is wrong, or be
 * accepted where the property does not matter. LC_KEEP=folder writes them there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/linux/map.h"
#include "../../tools/pack/pack.h"

#define KEYS_MAX 64u
#define TENSORS_MAX 128u
#define CASES_MIN 500u

/* A file as two lists: copied from a sound one, edited, written again. */
typedef struct draft {
    uint32_t magic, version;
    uint64_t say_tensors, say_keys; /* counts as the header tells them */
    uint32_t keys, tensors;
    lc_gguf_kv key[KEYS_MAX];
    lc_gguf_tensor tensor[TENSORS_MAX]; /* offset: from where the data starts */
} draft;

typedef struct sound {
    const char *name;
    lc_map file;
    lc_gguf g;
    draft as_is;
} sound;

static sound sounds[] = {
    {.name = "tiny-causal"}, {.name = "tiny-bidi"}, {.name = "tiny-gemma3"}, {.name = "tiny-bert"}};
#define SOUNDS (sizeof sounds / sizeof sounds[0])

static struct {
    uint32_t cases, refused;
} seen;

/* ---- files ---- */

static int open_sounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < SOUNDS; i++) {
        sound *s = &sounds[i];
        char path[256];
        snprintf(path, sizeof path, "models/golden/%s.gguf", s->name);
        if (lc_map_open(path, &s->file) != LC_OK ||
            lc_gguf_open(s->file.data, s->file.bytes, &s->g, NULL) != LC_OK) {
            return -1;
        }
        draft *d = &s->as_is;
        d->magic = 0x46554747u;
        d->version = 3;
        d->say_keys = d->keys = s->g.kv_count;
        d->say_tensors = d->tensors = s->g.tensor_count;
        assert_true(d->keys < KEYS_MAX && d->tensors < TENSORS_MAX);
        memcpy(d->key, s->g.kv, d->keys * sizeof *d->key);
        memcpy(d->tensor, s->g.tensor, d->tensors * sizeof *d->tensor);
        uint64_t start = d->tensor[0].offset;
        for (uint32_t t = 0; t < d->tensors; t++) {
            d->tensor[t].offset -= start;
        }
    }
    return 0;
}

static int close_sounds(void **state)
{
    (void)state;
    for (size_t i = 0; i < SOUNDS; i++) {
        lc_gguf_close(&sounds[i].g);
        lc_map_close(&sounds[i].file);
    }
    return 0;
}

static void put_name(lc_buf *out, lc_str name)
{
    lc_buf_put_u64(out, name.bytes);
    lc_buf_put(out, name.data, name.bytes);
}

static void put_tables(const draft *d, lc_buf *out)
{
    lc_buf_put_u32(out, d->magic);
    lc_buf_put_u32(out, d->version);
    lc_buf_put_u64(out, d->say_tensors);
    lc_buf_put_u64(out, d->say_keys);
    for (uint32_t i = 0; i < d->keys; i++) {
        const lc_gguf_kv *kv = &d->key[i];
        put_name(out, kv->key);
        lc_buf_put_u32(out, kv->type);
        if (kv->type == LC_GGUF_ARRAY) {
            lc_buf_put_u32(out, kv->elem_type);
            lc_buf_put_u64(out, kv->count);
        }
        lc_buf_put(out, kv->data, (size_t)kv->bytes);
    }
    for (uint32_t i = 0; i < d->tensors; i++) {
        const lc_gguf_tensor *t = &d->tensor[i];
        put_name(out, t->name);
        lc_buf_put_u32(out, t->dims);
        for (uint32_t k = 0; k < t->dims; k++) {
            lc_buf_put_u64(out, t->ne[k < 4 ? k : 3]);
        }
        lc_buf_put_u32(out, t->type);
        lc_buf_put_u64(out, t->offset);
    }
}

/* Data stands where the sound file has it, whatever the table says. */
static lc_buf draft_write(const draft *d, const sound *s)
{
    lc_buf out = {0};
    put_tables(d, &out);
    lc_buf_pad(&out, 32);
    for (uint32_t i = 0; i < s->as_is.tensors; i++) {
        const uint8_t *data = i < d->tensors ? d->tensor[i].data : s->as_is.tensor[i].data;
        lc_buf_put(&out, data, (size_t)s->as_is.tensor[i].bytes);
        lc_buf_pad(&out, 32);
    }
    return out;
}

static void keep(const lc_buf *file, const char *title)
{
    char path[512];
    const char *folder = getenv("LC_KEEP");
    if (!folder) {
        return;
    }
    int n = snprintf(path, sizeof path, "%s/%04u %s.gguf", folder, seen.cases, title);
    for (int i = (int)strlen(folder) + 1; i < n && i < (int)sizeof path; i++) {
        path[i] = path[i] == '/' || path[i] == ' ' || path[i] == ':' ? '-' : path[i];
    }
    FILE *to = fopen(path, "wb");
    if (to) {
        fwrite(file->data, 1, file->bytes, to);
        fclose(to);
    }
}

/* ---- what must come of it ---- */

/* On memory of exactly this size, so that sanitizers see any reading past it. */
static lc_err load(const lc_buf *file, lc_diag *diag)
{
    uint8_t *copy = malloc(file->bytes);
    lc_gguf g;
    lc_buf pack = {0};
    lc_pack_options options = {.type = LC_PACK_F32};
    static char reason[256]; /* diag->text may point into the reader's own memory */
    assert_non_null(copy);
    memcpy(copy, file->data, file->bytes);
    lc_err err = lc_gguf_open(copy, file->bytes, &g, diag);
    if (err == LC_OK) {
        err = lc_pack_gguf(&g, &options, &pack, NULL, diag);
        lc_gguf_close(&g);
    }
    assert_true(err == LC_OK || pack.data == NULL);
    lc_buf_free(&pack);
    free(copy);
    snprintf(reason, sizeof reason, "%s", diag->text ? diag->text : "");
    diag->text = reason;
    return err;
}

/* word: what the reason must name; NULL: the file must be accepted. */
static void expect(const draft *d, const sound *s, const char *word, const char *format, ...)
{
    char title[128];
    va_list list;
    va_start(list, format);
    int n = snprintf(title, sizeof title, "%s: ", s->name);
    vsnprintf(title + n, sizeof title - (size_t)n, format, list);
    va_end(list);
    lc_buf file = draft_write(d, s);
    lc_diag diag = {0};
    lc_err err = load(&file, &diag);
    keep(&file, title);
    seen.cases++;
    seen.refused += err != LC_OK;
    if (!word && err != LC_OK) {
        fail_msg("%s: refused: %s", title, diag.text);
    }
    if (word && (err == LC_OK || diag.err != err || !strstr(diag.text, word))) {
        fail_msg("%s: %s, '%s' does not say '%s'", title, lc_err_text(err), diag.text, word);
    }
    assert_true(err == LC_OK || diag.offset <= file.bytes);
    lc_buf_free(&file);
}

static const char *text_of(lc_str s)
{
    static char text[2][256];
    static int turn;
    turn = !turn;
    snprintf(text[turn], sizeof text[turn], "%.*s", (int)s.bytes, s.data);
    return text[turn];
}

static bool ends_with(lc_str s, const char *end)
{
    size_t n = strlen(end);
    return s.bytes >= n && memcmp(s.data + s.bytes - n, end, n) == 0;
}

static bool listed(lc_str s, const char *const *list)
{
    for (; *list; list++) {
        if (ends_with(s, *list)) {
            return true;
        }
    }
    return false;
}

/* ---- headers ---- */

static void the_sound_files_are_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < SOUNDS; i++) {
        expect(&sounds[i].as_is, &sounds[i], NULL, "as it is");
    }
}

static void headers(void **state)
{
    (void)state;
    static const uint64_t counts[] = {
        0x10000, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, UINT64_MAX};
    const sound *s = &sounds[0];
    static draft d;
    for (uint32_t version = 0; version < 8; version++) {
        d = s->as_is;
        d.version = version;
        bool known = version == 2 || version == 3;
        expect(&d, s, known ? NULL : "version", "version %u", version);
    }
    d = s->as_is;
    d.version = 0x03000000;
    expect(&d, s, "big-endian", "the other byte order");
    for (uint32_t bit = 0; bit < 32; bit += 3) {
        d = s->as_is;
        d.magic ^= 1u << bit;
        expect(&d, s, "not a GGUF", "bit %u of the magic", bit);
    }
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        d = s->as_is;
        d.say_tensors = counts[i];
        expect(&d, s, "tensor count", "%llu tensors", (unsigned long long)counts[i]);
        d = s->as_is;
        d.say_keys = i == 0 ? counts[i] + 1 : counts[i];
        expect(&d, s, "key count", "%llu keys", (unsigned long long)counts[i]);
    }
    d = s->as_is;
    d.say_keys--; /* the last key is taken for a tensor */
    expect(&d, s, "", "a key less than there are");
    d.say_keys += 2;
    expect(&d, s, "", "a key more than there are");
    d = s->as_is;
    d.say_tensors++;
    expect(&d, s, "", "a tensor more than there are");
}

static void cut_files(void **state)
{
    (void)state;
    const sound *s = &sounds[0];
    lc_buf whole = draft_write(&s->as_is, s);
    for (uint32_t i = 0; i < 64; i++) {
        lc_buf part = {.data = whole.data, .bytes = whole.bytes * i / 64 + (i == 0)};
        lc_diag diag = {0};
        assert_int_not_equal(load(&part, &diag), LC_OK);
        assert_true(diag.text[0] && diag.offset <= part.bytes);
        seen.cases++;
        seen.refused++;
    }
    lc_buf_free(&whole);
}

/* ---- keys ---- */

static void every_key_twice(void **state)
{
    (void)state;
    static draft d;
    for (size_t i = 0; i < SOUNDS; i++) {
        for (uint32_t k = 0; k < sounds[i].as_is.keys; k++) {
            d = sounds[i].as_is;
            d.key[d.keys++] = d.key[k];
            d.say_keys++;
            expect(&d, &sounds[i], "occurs twice", "%s twice", text_of(d.key[k].key));
        }
    }
}

static void every_key_of_an_unknown_kind(void **state)
{
    (void)state;
    static draft d;
    const sound *s = &sounds[0];
    for (uint32_t k = 0; k < s->as_is.keys; k++) {
        d = s->as_is;
        const char *key = text_of(d.key[k].key);
        d.key[k].type = 13 + k;
        expect(&d, s, key, "%s of type %u", key, 13 + k);
        d = s->as_is;
        d.key[k].type = LC_GGUF_ARRAY;
        d.key[k].elem_type = k % 2 ? (uint32_t)LC_GGUF_ARRAY : 77;
        expect(&d, s, key, "%s a list of no known type", key);
        d.key[k].elem_type = LC_GGUF_U64;
        d.key[k].count = k % 2 ? UINT64_MAX / 8 + 2 : 1u << 30;
        expect(&d, s, key, "%s longer than the file", key);
    }
}

/* Keys that nothing is read from, and those that only some files need. */
static const char *const unread[] = {"general.name", "padding_token_id", "mask_token_id",
                                     "token_type_count", NULL};
static const char *const needed[] = {"general.architecture",
                                     ".block_count",
                                     ".context_length",
                                     ".embedding_length",
                                     ".feed_forward_length",
                                     ".attention.head_count",
                                     "epsilon",
                                     "ggml.model",
                                     "ggml.tokens",
                                     "ggml.merges",
                                     NULL};

static void every_key_as_another_kind(void **state)
{
    (void)state;
    static draft d;
    for (size_t i = 0; i < SOUNDS; i++) {
        const sound *s = &sounds[i];
        for (uint32_t k = 0; k < s->as_is.keys; k++) {
            d = s->as_is;
            bool bert = s == &sounds[3] && ends_with(d.key[k].key, "ggml.pre");
            const char *word = listed(d.key[k].key, unread) || bert ? NULL : text_of(d.key[k].key);
            d.key[k].type = LC_GGUF_ARRAY; /* of one byte */
            d.key[k].elem_type = LC_GGUF_U8;
            d.key[k].count = d.key[k].bytes = 1;
            expect(&d, s, word, "%s a list", text_of(d.key[k].key));
        }
    }
}

static void missing_keys(void **state)
{
    (void)state;
    static draft d;
    for (size_t i = 0; i < SOUNDS; i++) {
        const sound *s = &sounds[i];
        for (uint32_t k = 0; k < s->as_is.keys; k++) {
            d = s->as_is;
            lc_str key = d.key[k].key;
            if (!listed(key, needed)) {
                continue;
            }
            d.key[k] = d.key[--d.keys];
            d.say_keys--;
            expect(&d, s, text_of(key), "no %s", text_of(key));
        }
    }
}

/* ---- numbers in keys ---- */

typedef struct number {
    const char *key;  /* the end of it */
    const char *word; /* of the reason; NULL: the key */
    uint32_t bits;
} number;

#define F_NAN 0x7fc00000u
#define F_INF 0x7f800000u
#define F_MINUS_1 0xbf800000u
#define F_2 0x40000000u

static const number numbers[] = {
    {".block_count", NULL, 0},
    {".block_count", NULL, 257},
    {".block_count", NULL, 0xffffffff},
    {".block_count", "blk.1", 1},
    {".block_count", "missing", 9},
    {".context_length", NULL, 0},
    {".context_length", NULL, 0x01000001},
    {".context_length", NULL, 0xffffffff},
    {".embedding_length", NULL, 0},
    {".embedding_length", NULL, 16385},
    {".embedding_length", NULL, 0xffffffff},
    {".embedding_length", "", 12}, /* no even size of heads, or no tensor of that shape */
    {".embedding_length", "shape", 144},
    {".feed_forward_length", NULL, 0},
    {".feed_forward_length", NULL, 16385},
    {".feed_forward_length", NULL, 0x80000000},
    {".feed_forward_length", "ffn_", 51},
    {".feed_forward_length", "ffn_", 101},
    {".attention.head_count", NULL, 0},
    {".attention.head_count", NULL, 257},
    {".attention.head_count", NULL, 0xffffffff},
    {".attention.head_count", "", 5},
    {".attention.head_count_kv", NULL, 0},
    {".attention.head_count_kv", NULL, 7},
    {".attention.head_count_kv", NULL, 0xffffffff},
    {".attention.key_length", NULL, 0},
    {".attention.key_length", NULL, 1},
    {".attention.key_length", NULL, 513},
    {".attention.key_length", "", 11},
    {".attention.key_length", "", 8},
    {".attention.value_length", NULL, 0},
    {".attention.value_length", NULL, 8},
    {".attention.value_length", NULL, 0xffffffff},
    {"layer_norm_rms_epsilon", NULL, F_NAN},
    {"layer_norm_rms_epsilon", NULL, F_INF},
    {"layer_norm_rms_epsilon", NULL, F_MINUS_1},
    {"layer_norm_rms_epsilon", NULL, F_2},
    {"layer_norm_epsilon", NULL, F_NAN},
    {"layer_norm_epsilon", NULL, F_MINUS_1},
    {".rope.dimension_count", NULL, 0},
    {".rope.dimension_count", NULL, 1},
    {".rope.dimension_count", NULL, 3},
    {".rope.dimension_count", NULL, 514},
    {".rope.freq_base", NULL, 0},
    {".rope.freq_base", NULL, F_NAN},
    {".rope.freq_base", NULL, F_INF},
    {".rope.freq_base", NULL, F_MINUS_1},
    {".rope.scaling.factor", NULL, F_NAN},
    {".rope.scaling.factor", NULL, F_INF},
    {".rope.scaling.factor", NULL, F_MINUS_1},
    {".final_logit_softcapping", NULL, 0},
    {".final_logit_softcapping", NULL, F_NAN},
    {".final_logit_softcapping", NULL, F_MINUS_1},
    {".attention.sliding_window", NULL, 0x01000001},
    {".attention.sliding_window", NULL, 0xffffffff},
    {".pooling_type", NULL, 5},
    {".pooling_type", NULL, 0xffffffff},
    {".vocab_size", NULL, 0},
    {".vocab_size", NULL, 259},
    {".vocab_size", NULL, 261},
    {"bos_token_id", NULL, 260},
    {"bos_token_id", NULL, 0xffffffff},
    {"eos_token_id", NULL, 260},
    {"eos_token_id", NULL, 0x7fffffff},
    {"cls_token_id", NULL, 4711},
    {"seperator_token_id", NULL, 4711},
    {"unknown_token_id", NULL, 4711},
};

static void numbers_out_of_range(void **state)
{
    (void)state;
    static draft d;
    uint32_t used = 0;
    for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++) {
        uint32_t before = seen.cases;
        for (size_t i = 0; i < SOUNDS; i++) {
            for (uint32_t k = 0; k < sounds[i].as_is.keys; k++) {
                d = sounds[i].as_is;
                lc_gguf_kv *kv = &d.key[k];
                if (!ends_with(kv->key, numbers[n].key) || kv->bytes != 4 ||
                    memcmp(kv->data, &numbers[n].bits, 4) == 0) {
                    continue;
                }
                kv->data = (const uint8_t *)&numbers[n].bits;
                expect(&d, &sounds[i], numbers[n].word ? numbers[n].word : numbers[n].key,
                       "%s of bits %08x", text_of(kv->key), numbers[n].bits);
            }
        }
        used += seen.cases > before;
    }
    assert_int_equal(used, sizeof numbers / sizeof numbers[0]); /* each key is in some file */
}

static void alignments(void **state)
{
    (void)state;
    static const uint32_t aligns[] = {0, 1, 3, 4, 24, 33, 131072, 0x80000000, 0xffffffff};
    static draft d;
    for (size_t i = 0; i < sizeof aligns / sizeof *aligns; i++) {
        d = sounds[0].as_is;
        d.key[d.keys++] = (lc_gguf_kv){.key = lc_str_from("general.alignment"),
                                       .type = LC_GGUF_U32,
                                       .data = (const uint8_t *)&aligns[i],
                                       .bytes = 4};
        d.say_keys++;
        expect(&d, &sounds[0], "general.alignment", "alignment %u", aligns[i]);
    }
}

/* ---- keys that other kinds of models have ---- */

static void keys_that_change_the_arithmetic(void **state)
{
    (void)state;
    static const char *const keys[] = {"llama.expert_count",
                                       "llama.logit_scale",
                                       "llama.embedding_scale",
                                       "llama.residual_scale",
                                       "llama.attention.scale",
                                       "llama.attn_logit_softcapping",
                                       "llama.classifier.output_labels",
                                       "llama.rope.scaling.type",
                                       "llama.attention.causal",
                                       "split.count"};
    static const uint32_t two = 2;
    static draft d;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        d = sounds[0].as_is;
        d.key[d.keys++] = (lc_gguf_kv){.key = lc_str_from(keys[i]),
                                       .type = LC_GGUF_U32,
                                       .data = (const uint8_t *)&two,
                                       .bytes = 4};
        d.say_keys++;
        expect(&d, &sounds[0], keys[i], "%s", keys[i]);
    }
}

/* ---- tensors ---- */

/* What a file may leave out: a tied head, a head's bias, BERT's dense layer. */
static const char *const optional[] = {"output.weight", "cls.output.bias", "cls.weight",
                                       "cls.bias",      ".bias",           NULL};

static bool is_optional(lc_str name)
{
    bool layer = name.bytes > 4 && memcmp(name.data, "blk.", 4) == 0;
    return listed(name, optional) && !(layer && !ends_with(name, ".bias")) &&
           !ends_with(name, "cls.output.weight");
}

/* One thing that the table says about a tensor. */
static void break_tensor(const sound *s, uint32_t i)
{
    static draft d;
    const lc_gguf_tensor *was = &s->as_is.tensor[i];
    lc_gguf_tensor *t = &d.tensor[i];
    const char *name = text_of(was->name);
    char longer[64];
#define CASE(what, word, ...)                                                                      \
    do {                                                                                           \
        d = s->as_is;                                                                              \
        __VA_ARGS__;                                                                               \
        expect(&d, s, word, "%s " what, name);                                                     \
    } while (0)
    CASE("has no dimensions", name, t->dims = 0);
    CASE("has five dimensions", name, t->dims = 5);
    CASE("has 65535 dimensions", "", t->dims = 65535);
    CASE("has rows of none", name, t->ne[0] = 0);
    CASE("has a column less", name, t->ne[0]--);
    CASE("has 2^63 columns", name, t->ne[0] = (uint64_t)1 << 63);
    CASE("wraps around", name, t->ne[0] = (uint64_t)1 << 62);
    CASE("is twice as deep", name, t->dims = 3; t->ne[2] = 2);
    CASE("is of a type there is not", name, t->type = 4711);
    CASE("is of a type that went", name, t->type = 4);
    CASE("is of a type not read", name, t->type = 16);
    CASE("is of blocks of 256", name, t->type = 12);
    CASE("starts at an odd byte", name, t->offset++);
    CASE("starts beyond the end", name, t->offset = (uint64_t)1 << 40);
    CASE("starts where 64 bits end", name, t->offset = 0u - (uint64_t)32);
    CASE("ends beyond the end", name,
         t->offset = s->as_is.tensor[s->as_is.tensors - 1].offset + 32);
    CASE("has no name", "name of 0 bytes", t->name.bytes = 0);
    snprintf(longer, sizeof longer, "%sx", name);
    CASE("is called otherwise", name, t->name = lc_str_from(longer));
    if (was->dims > 1) { /* a row of a classifier less: there are more biases than classes */
        const char *word = strcmp(name, "cls.output.weight") == 0 ? "cls.output" : name;
        word = strcmp(name, "token_types.weight") == 0 ? NULL : word; /* it has as many as it has */
        CASE("has a row less", word, t->ne[1]--);
        CASE("is turned round", was->ne[0] == was->ne[1] ? NULL : name, t->ne[0] = was->ne[1];
             t->ne[1] = was->ne[0]);
    }
    if (i > 0) {
        CASE("lies on another", name, t->offset = d.tensor[i - 1].offset);
    }
#undef CASE
}

static void every_tensor_broken(void **state)
{
    (void)state;
    for (size_t i = 0; i < SOUNDS; i += i == 1 ? 2 : 1) { /* gemma3's many are much alike */
        for (uint32_t t = 0; t < sounds[i].as_is.tensors; t++) {
            break_tensor(&sounds[i], t);
        }
    }
}

static void every_tensor_twice_or_missing(void **state)
{
    (void)state;
    static draft d;
    for (size_t i = 0; i < SOUNDS; i++) {
        const sound *s = &sounds[i];
        for (uint32_t t = 0; t < s->as_is.tensors; t++) {
            const char *name = text_of(s->as_is.tensor[t].name);
            d = s->as_is;
            d.tensor[d.tensors++] = d.tensor[t];
            d.say_tensors++;
            expect(&d, s, "occurs twice", "%s twice", name);
            d = s->as_is;
            if (!is_optional(d.tensor[t].name)) {
                memmove(d.tensor + t, d.tensor + t + 1, (d.tensors - t - 1) * sizeof *d.tensor);
                d.tensors--;
                d.say_tensors--;
                expect(&d, s, name, "no %s", name);
            }
        }
    }
}

static void every_tensor_with_a_weight_that_is_no_number(void **state)
{
    (void)state;
    static draft d;
    for (size_t i = 0; i < SOUNDS; i++) {
        const sound *s = &sounds[i];
        for (uint32_t t = 0; t < s->as_is.tensors; t++) {
            const lc_gguf_tensor *was = &s->as_is.tensor[t];
            uint32_t each = was->type == 0 ? 4 : 2;
            uint8_t *data = malloc((size_t)was->bytes);
            uint32_t bits = was->type == 0 ? (t % 2 ? F_NAN : F_INF) : (t % 2 ? 0x7e00 : 0xfc00);
            memcpy(data, was->data, (size_t)was->bytes);
            memcpy(data + (t % 3 ? was->bytes - each : 0), &bits, each);
            d = s->as_is;
            d.tensor[t].data = data;
            expect(&d, s, text_of(was->name), "%s with a NaN or infinity", text_of(was->name));
            free(data);
        }
    }
}

/* ---- lists ---- */

static void put_strings(lc_buf *out, const char *const *list, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        put_name(out, lc_str_from(list[i]));
    }
}

static void expect_list(const sound *s, const char *end, uint32_t type, uint64_t count,
                        const lc_buf *body, const char *word, const char *what)
{
    static draft d;
    d = s->as_is;
    uint32_t k = 0;
    while (k < d.keys && !ends_with(d.key[k].key, end)) {
        k++;
    }
    assert_true(k < d.keys);
    d.key[k].type = LC_GGUF_ARRAY;
    d.key[k].elem_type = type;
    d.key[k].count = count;
    d.key[k].data = body->data;
    d.key[k].bytes = body->bytes;
    expect(&d, s, word, "%s: %s", end, what);
}

static void labels(void **state)
{
    (void)state;
    char over[66];
    memset(over, 'x', 65);
    over[65] = 0;
    const char *const lists[][4] = {{"red", "green", "red", "a label twice"},
                                    {"red", "", "oos", "an empty label"},
                                    {"red", "\xff", "oos", "no UTF-8"},
                                    {"red", "a\nb", "oos", "a control character"},
                                    {over, "green", "oos", "65 bytes"}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        lc_buf body = {0};
        put_strings(&body, lists[i], 3);
        expect_list(&sounds[1], ".output_labels", LC_GGUF_STR, 3, &body, "label", lists[i][3]);
        lc_buf_free(&body);
    }
    lc_buf body = {0};
    put_strings(&body, lists[0], 2);
    expect_list(&sounds[1], ".output_labels", LC_GGUF_STR, 2, &body, "output_labels", "two of 3");
    lc_buf_free(&body);
}

static void merges(void **state)
{
    (void)state;
    static const char *const bad[] = {"", " ", "h", "he", "h ", " he", "ab cd"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *list[] = {"h e", bad[i], "l l"};
        lc_buf body = {0};
        put_strings(&body, list, 3);
        bool fine = strcmp(bad[i], "ab cd") == 0;
        expect_list(&sounds[0], "ggml.merges", LC_GGUF_STR, 3, &body, fine ? NULL : "merge 1",
                    bad[i]);
        lc_buf_free(&body);
    }
}

/* Of every tenth token: a type that there is not, its text again, its text too long. */
static void tokens(void **state)
{
    (void)state;
    const sound *s = &sounds[0];
    lc_gguf_strings it;
    uint64_t count = 0;
    static lc_str text[1024];
    static char over[1025];
    memset(over, 'x', sizeof over);
    assert_true(lc_gguf_strings_open(&s->g, "tokenizer.ggml.tokens", &it, &count) && count < 1024);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(lc_gguf_strings_next(&it, &text[i]));
    }
    for (uint32_t bad = 5; bad < count; bad += 10) {
        lc_buf same = {0}, large = {0}, types = {0};
        for (uint32_t i = 0; i < count; i++) {
            put_name(&same, i == bad ? text[bad - 1] : text[i]);
            put_name(&large, i == bad ? (lc_str){over, sizeof over} : text[i]);
            lc_buf_put_u32(&types, i == bad ? 7 + bad : 1);
        }
        expect_list(s, "ggml.tokens", LC_GGUF_STR, count, &same, "are equal", "two equal");
        expect_list(s, "ggml.tokens", LC_GGUF_STR, count, &large, "is over", "a long one");
        expect_list(s, "ggml.token_type", LC_GGUF_I32, count, &types, "ggml.token_type", "a type");
        types.bytes -= 4;
        expect_list(s, "ggml.token_type", LC_GGUF_I32, count - 1, &types, "one for each", "short");
        lc_buf_free(&same);
        lc_buf_free(&large);
        lc_buf_free(&types);
    }
}

static void they_were_many(void **state)
{
    (void)state;
    print_message("# %u files, %u of them refused\n", seen.cases, seen.refused);
    assert_true(seen.refused >= CASES_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sound_files_are_accepted),
        cmocka_unit_test(headers),
        cmocka_unit_test(cut_files),
        cmocka_unit_test(every_key_twice),
        cmocka_unit_test(every_key_of_an_unknown_kind),
        cmocka_unit_test(every_key_as_another_kind),
        cmocka_unit_test(missing_keys),
        cmocka_unit_test(numbers_out_of_range),
        cmocka_unit_test(alignments),
        cmocka_unit_test(keys_that_change_the_arithmetic),
        cmocka_unit_test(every_tensor_broken),
        cmocka_unit_test(every_tensor_twice_or_missing),
        cmocka_unit_test(every_tensor_with_a_weight_that_is_no_number),
        cmocka_unit_test(labels),
        cmocka_unit_test(merges),
        cmocka_unit_test(tokens),
        cmocka_unit_test(they_were_many),
    };
    return cmocka_run_group_tests(tests, open_sounds, close_sounds);
}
