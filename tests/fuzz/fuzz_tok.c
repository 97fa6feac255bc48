/* fuzz_tok.c - vocabularies: compile what four parts, each ended by a NUL, describe, then encode.
 *
 *   head    kind, pre-tokenizer, switches, which keys are there
 *   tokens  a line each: type, score, text
 *   merges  a line each
 *   text    to encode
 *
 * fuzz_gguf.c damages the container; here it is sound, so that every input reaches the compiler.
 */
#include <stdlib.h>
#include <string.h>

#include "../../runtime/limits.h"
#include "../../runtime/tok.h"
#include "../../tools/pack/tok_pack.h"
#include "../unit/gguf_make.h"
#include "fuzz.h"

#define HEAD_BYTES 4u
#define LIST_MAX 1024u
#define IDS_MAX 256u
#define TEXT_MAX 512u
#define KEY(name) "tokenizer.ggml." name

const char *const fuzz_seeds[] = {"tests/fuzz/corpus/tok/*", NULL};

enum { HAS_TYPES = 1, HAS_SCORES = 2, HAS_SPECIALS = 4, HAS_UNKNOWN = 8, HAS_MERGES = 16 };

typedef struct list {
    lc_str line[LIST_MAX];
    uint32_t count;
} list;

/* Up to the next `end`, which is taken as well. */
static lc_str take(lc_str *rest, char end)
{
    const char *stop = rest->bytes ? memchr(rest->data, end, rest->bytes) : NULL;
    uint32_t bytes = stop ? (uint32_t)(stop - rest->data) : rest->bytes;
    lc_str part = {rest->data, bytes};
    uint32_t used = stop ? bytes + 1 : bytes;
    *rest = (lc_str){rest->data + used, rest->bytes - used};
    return part;
}

static void take_lines(lc_str part, list *out)
{
    for (out->count = 0; part.bytes && out->count < LIST_MAX; out->count++) {
        out->line[out->count] = take(&part, '\n');
    }
}

/* ---- the file ---- */

static void put_array(gguf_make *m, const char *key, uint32_t type, const list *l)
{
    gguf_make_raw(m, key, LC_GGUF_ARRAY, NULL, 0);
    lc_buf_put_u32(&m->kv, type);
    lc_buf_put_u64(&m->kv, l->count);
}

/* skip: bytes at the start of a line that are not text. */
static void put_texts(gguf_make *m, const char *key, const list *l, uint32_t skip)
{
    put_array(m, key, LC_GGUF_STR, l);
    for (uint32_t i = 0; i < l->count; i++) {
        uint32_t from = l->line[i].bytes < skip ? l->line[i].bytes : skip;
        lc_buf_put_u64(&m->kv, l->line[i].bytes - from);
        lc_buf_put(&m->kv, l->line[i].data + from, l->line[i].bytes - from);
    }
}

static uint8_t mark_of(const list *l, uint32_t i, uint32_t which)
{
    return l->line[i].bytes > which ? (uint8_t)l->line[i].data[which] : 0;
}

static uint32_t type_of(const list *l, uint32_t i)
{
    return mark_of(l, i, 0) & 7u; /* '1' is a normal token; 7 is none */
}

static void put_numbers(gguf_make *m, const list *tokens, uint8_t keys)
{
    if (keys & HAS_TYPES) {
        put_array(m, KEY("token_type"), LC_GGUF_I32, tokens);
        for (uint32_t i = 0; i < tokens->count; i++) {
            lc_buf_put_u32(&m->kv, type_of(tokens, i));
        }
    }
    if (keys & HAS_SCORES) {
        put_array(m, KEY("scores"), LC_GGUF_F32, tokens);
        for (uint32_t i = 0; i < tokens->count; i++) {
            lc_buf_put_f32(&m->kv, -(float)mark_of(tokens, i, 1));
        }
    }
}

static lc_buf make(const uint8_t head[HEAD_BYTES], const list *tokens, const list *merges)
{
    static const char *const models[] = {"gpt2", "llama", "bert"};
    static const char *const pres[] = {"gpt-2", "smollm", "qwen2", "llama-bpe", "falcon"};
    gguf_make m = gguf_make_begin(3);
    gguf_make_str(&m, KEY("model"), models[head[0] % 3u]);
    gguf_make_str(&m, KEY("pre"), pres[head[1] % 5u]);
    put_texts(&m, KEY("tokens"), tokens, 2);
    put_numbers(&m, tokens, head[3]);
    if (head[3] & HAS_MERGES) {
        put_texts(&m, KEY("merges"), merges, 0);
    }
    gguf_make_bool(&m, KEY("add_bos_token"), head[2] & 1);
    gguf_make_bool(&m, KEY("add_eos_token"), head[2] >> 1 & 1);
    gguf_make_bool(&m, KEY("add_space_prefix"), head[2] >> 2 & 1);
    if (head[3] & HAS_SPECIALS) {
        gguf_make_u32(&m, KEY("bos_token_id"), head[2] >> 4);
        gguf_make_u32(&m, KEY("eos_token_id"), head[2] >> 5);
    }
    if (head[3] & HAS_UNKNOWN) {
        gguf_make_u32(&m, KEY("unknown_token_id"), head[2] >> 3);
    }
    return gguf_make_end(&m, 32);
}

/* ---- what must hold ---- */

/* A control token comes out of text only where it stands for a byte or for what is unknown. */
static void check_token(const lc_tok *tok, const list *tokens, const uint8_t *head, uint32_t id)
{
    char out[LC_TOKEN_BYTES_MAX];
    fuzz_expect(id < tok->vocab, "a token id is inside the vocabulary");
    fuzz_expect(lc_tok_decode(tok, id, false, out, sizeof out) <= sizeof out, "a token fits");
    bool control = (head[3] & HAS_TYPES) && type_of(tokens, id) == 3;
    fuzz_expect(!control || tok->kind == LC_TOK_SPM || id == tok->unk,
                "a control token does not come out of text");
}

static void check_text(const lc_tok *tok, const list *tokens, const uint8_t *head, lc_str text)
{
    uint32_t ids[IDS_MAX], few[IDS_MAX], count = 0, some = 0;
    bool cut = false, cut_few = false;
    text.bytes = text.bytes < TEXT_MAX ? text.bytes : TEXT_MAX;
    lc_arena scratch = fuzz_arena(1, lc_tok_scratch_bytes(tok, text.bytes));
    fuzz_expect(lc_tok_encode(tok, text.data, text.bytes, false, &scratch, ids, IDS_MAX, &count,
                              &cut) == LC_OK,
                "it encodes in the scratch that it asked for");
    for (uint32_t i = 0; i < count; i++) {
        check_token(tok, tokens, head, ids[i]);
    }
    fuzz_expect(lc_tok_encode(tok, text.data, text.bytes, false, &scratch, few, count / 2, &some,
                              &cut_few) == LC_OK &&
                    some == count / 2 && memcmp(few, ids, some * sizeof *few) == 0,
                "fewer ids are the first of them");
    fuzz_expect(cut_few == (cut || some < count), "what was cut is said");
    fuzz_expect(lc_tok_encode(tok, text.data, text.bytes, true, &scratch, few, IDS_MAX, &some,
                              &cut_few) == LC_OK,
                "it encodes with its ends");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static list tokens, merges;
    uint8_t head[HEAD_BYTES] = {0};
    lc_str rest = {(const char *)data, (uint32_t)bytes};
    lc_str first = take(&rest, 0);
    memcpy(head, first.data, first.bytes < HEAD_BYTES ? first.bytes : HEAD_BYTES);
    take_lines(take(&rest, 0), &tokens);
    take_lines(take(&rest, 0), &merges);
    lc_buf file = make(head, &tokens, &merges), section = {0};
    lc_gguf g;
    lc_diag diag = {0};
    fuzz_expect(lc_gguf_open(file.data, file.bytes, &g, &diag) == LC_OK, "the container is sound");
    if (lc_tok_pack(&g, &section, &diag) == LC_OK) {
        lc_tok tok;
        uint8_t *copy = fuzz_copy(section.data, section.bytes);
        fuzz_expect(lc_tok_open(copy, section.bytes, &tok, NULL) == LC_OK,
                    "a packed tokenizer opens");
        check_text(&tok, &tokens, head, rest);
        free(copy);
    } else {
        fuzz_expect(diag.text && diag.offset <= file.bytes, "a refusal says where and why");
    }
    lc_buf_free(&section);
    lc_gguf_close(&g);
    lc_buf_free(&file);
    return 0;
}
