/* hf_vocab.c - tokens by id, their types, merges: tokenizer.json's lists as key-values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../runtime/limits.h"
#include "hf_tok.h"

#define BLANK "\xe2\x96\x81"
#define HOLE_BYTES 16u

static lc_err wrong(lc_hf_tok *t, const char *path, const char *reason)
{
    return lc_hf_fail(t->r, LC_HF_TOKENIZER, LC_ERR_FORMAT, path, "%s", reason);
}

static lc_err out_of_memory(lc_hf_tok *t)
{
    return lc_hf_fail(t->r, LC_HF_TOKENIZER, LC_ERR_ARENA, "", "out of memory");
}

static lc_err tables_make(lc_hf_tok *t, uint32_t count)
{
    t->count = count;
    t->text = calloc((size_t)count + 1, sizeof *t->text);
    t->type = calloc((size_t)count + 1, sizeof *t->type);
    return t->text && t->type ? LC_OK : out_of_memory(t);
}

/* ---- tokens ---- */

static lc_err count_ids(lc_hf_tok *t, const cJSON *vocab, const cJSON *added, uint32_t *count)
{
    uint32_t id = 0;
    *count = 0;
    for (const cJSON *item = vocab->child; item; item = item->next) {
        if (!lc_hf_whole(item, &id) || id >= LC_VOCAB_MAX) {
            return lc_hf_fail(t->r, LC_HF_TOKENIZER, LC_ERR_FORMAT, "model.vocab",
                              "the id of `%.40s` is not a whole number under %u", item->string,
                              LC_VOCAB_MAX);
        }
        *count = id >= *count ? id + 1 : *count;
    }
    for (const cJSON *item = added ? added->child : NULL; item; item = item->next) {
        if (!lc_hf_whole(lc_hf_get(item, "id"), &id) || id >= LC_VOCAB_MAX ||
            !lc_json_text(item, "content", NULL) || !cJSON_IsBool(lc_hf_get(item, "special"))) {
            return wrong(t, "added_tokens", "one without id, content or special");
        }
        *count = id >= *count ? id + 1 : *count;
    }
    return *count > 0 ? LC_OK : wrong(t, "model.vocab", "empty");
}

static bool all_white(const char *text)
{
    return text[0] && text[strspn(text, " \t\r\n")] == '\0';
}

/* Special tokens are control tokens. Of the others only white space is taken out of text: what else
 * there is is markup, which a line of text must not be able to say. */
static lc_err add_added(lc_hf_tok *t, const cJSON *item)
{
    uint32_t id = (uint32_t)lc_hf_get(item, "id")->valuedouble;
    const char *content = lc_json_text(item, "content", "");
    bool special = cJSON_IsTrue(lc_hf_get(item, "special"));
    bool plain = all_white(content) && !special;
    if (t->text[id] && strcmp(t->text[id], content) != 0) {
        return lc_hf_fail(t->r, LC_HF_TOKENIZER, LC_ERR_FORMAT, "added_tokens",
                          "`%.40s` has the id of `%.40s`", content, t->text[id]);
    }
    if (plain && (lc_json_bool(item, "lstrip", false) || lc_json_bool(item, "rstrip", false) ||
                  lc_json_bool(item, "single_word", false))) {
        return lc_hf_fail(t->r, LC_HF_TOKENIZER, LC_ERR_UNSUPPORTED, "added_tokens",
                          "token %u: lstrip, rstrip and single_word are not supported", id);
    }
    bool escaped = strstr(content, BLANK) != NULL; /* made by merges like any other */
    t->text[id] = content;
    t->type[id] = special ? LC_TOK_CONTROL : escaped ? LC_TOK_NORMAL : LC_TOK_USER;
    return LC_OK;
}

lc_err lc_hf_vocab(lc_hf_tok *t, const cJSON *top, const cJSON *model)
{
    const cJSON *vocab = lc_hf_get(model, "vocab"), *added = lc_hf_get(top, "added_tokens");
    uint32_t count = 0;
    if (!cJSON_IsObject(vocab) || (added && !cJSON_IsArray(added))) {
        return wrong(t, "model.vocab", "not an object, or added_tokens is no list");
    }
    lc_err err = count_ids(t, vocab, added, &count);
    if (!err) {
        err = tables_make(t, count);
    }
    for (const cJSON *item = err ? NULL : vocab->child; item; item = item->next) {
        uint32_t id = (uint32_t)item->valuedouble;
        if (t->text[id]) {
            return lc_hf_fail(t->r, LC_HF_TOKENIZER, LC_ERR_FORMAT, "model.vocab",
                              "`%.40s` and `%.40s` have one id", t->text[id], item->string);
        }
        t->text[id] = item->string;
    }
    for (const cJSON *item = added ? added->child : NULL; !err && item; item = item->next) {
        err = add_added(t, item);
    }
    const char *unk = err ? NULL : lc_json_text(model, "unk_token", NULL);
    for (uint32_t i = 0; unk && i < t->count; i++) {
        if (t->text[i] && strcmp(t->text[i], unk) == 0) {
            t->unk = i;
            unk = NULL;
        }
    }
    return unk ? wrong(t, "model.unk_token", "not in the vocabulary") : err;
}

lc_err lc_hf_vocab_lines(lc_hf_tok *t)
{
    const lc_hf_file *file = lc_hf_find(t->r->hf, LC_HF_VOCAB);
    const char *data = (const char *)file->map.data;
    size_t bytes = file->map.bytes;
    uint32_t lines = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (data[i] == '\0') {
            return lc_hf_fail(t->r, LC_HF_VOCAB, LC_ERR_FORMAT, "", "byte %zu is NUL", i);
        }
        lines += data[i] == '\n' || i + 1 == bytes;
        if (lines > LC_VOCAB_MAX) {
            return lc_hf_fail(t->r, LC_HF_VOCAB, LC_ERR_LIMIT, "", "over %u lines", LC_VOCAB_MAX);
        }
    }
    lc_err err =
        lines ? tables_make(t, lines) : lc_hf_fail(t->r, LC_HF_VOCAB, LC_ERR_FORMAT, "", "empty");
    t->own = err ? NULL : malloc(bytes + 1);
    if (err || !t->own) {
        return err ? err : out_of_memory(t);
    }
    memcpy(t->own, data, bytes);
    t->own[bytes] = '\0';
    char *line = t->own;
    for (uint32_t i = 0; i < lines; i++) {
        size_t length = strcspn(line, "\n");
        char *end = line + length;
        line[length - (length > 0 && end[-1] == '\r')] = '\0';
        *end = '\0';
        t->text[i] = line;
        t->type[i] = LC_TOK_NORMAL;
        line = end + 1;
    }
    return LC_OK;
}

/* ---- types ---- */

static lc_err check_byte_tokens(lc_hf_tok *t)
{
    uint32_t found = 0;
    for (uint32_t i = 0; i < t->count; i++) {
        found += t->type[i] == LC_TOK_BYTE;
    }
    return found == 256 ? LC_OK
                        : wrong(t, "model.byte_fallback", "not each byte has a token <0x0A>");
}

/* Names of bytes differ from each other, as all tokens must, so 256 of them are all there are. */
static bool is_byte_name(const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    return strlen(text) == 6 && memcmp(text, "<0x", 3) == 0 && strchr(digits, text[3]) &&
           strchr(digits, text[4]) && text[5] == '>';
}

lc_err lc_hf_types(lc_hf_tok *t)
{
    for (uint32_t i = 0; i < t->count; i++) {
        if (t->text[i] && t->type[i] == 0) {
            bool byte = t->bytes && is_byte_name(t->text[i]);
            t->type[i] = byte ? LC_TOK_BYTE : LC_TOK_NORMAL;
        }
    }
    if (t->unk != LC_TOKEN_NONE) {
        t->type[t->unk] = LC_TOK_UNKNOWN;
    }
    return t->bytes ? check_byte_tokens(t) : LC_OK;
}

/* ---- key-values ---- */

static void put_tokens(lc_hf_tok *t)
{
    lc_hf_read *r = t->r;
    lc_hf_put_array(r, "tokenizer.ggml.tokens", LC_GGUF_STR, t->count);
    for (uint32_t i = 0; i < t->count; i++) {
        char hole[HOLE_BYTES];
        (void)snprintf(hole, sizeof hole, "[PAD%u]", i);
        const char *text = t->text[i] ? t->text[i] : hole;
        lc_hf_put_text(r, text, strlen(text));
    }
    lc_hf_put_array(r, "tokenizer.ggml.token_type", LC_GGUF_I32, t->count);
    for (uint32_t i = 0; i < t->count; i++) {
        lc_buf_put_u32(&r->body, t->text[i] ? t->type[i] : LC_TOK_UNUSED);
    }
}

/* "a b", or ["a", "b"]: the two texts with a blank between. */
static bool put_merge(lc_hf_read *r, const cJSON *item)
{
    char blank = ' ';
    if (cJSON_IsString(item)) {
        lc_hf_put_text(r, item->valuestring, strlen(item->valuestring));
        return true;
    }
    if (!cJSON_IsArray(item) || cJSON_GetArraySize(item) != 2 || !cJSON_IsString(item->child) ||
        !cJSON_IsString(item->child->next)) {
        return false;
    }
    const char *left = item->child->valuestring, *right = item->child->next->valuestring;
    if (strchr(left, ' ') || strchr(right, ' ')) {
        return false;
    }
    lc_buf_put_u64(&r->body, strlen(left) + 1 + strlen(right));
    lc_buf_put(&r->body, left, strlen(left));
    lc_buf_put(&r->body, &blank, 1);
    lc_buf_put(&r->body, right, strlen(right));
    return true;
}

static lc_err put_merges(lc_hf_tok *t, const cJSON *merges)
{
    if (!cJSON_IsArray(merges)) {
        return wrong(t, "model.merges", "not a list");
    }
    uint32_t number = 0;
    lc_hf_put_array(t->r, "tokenizer.ggml.merges", LC_GGUF_STR,
                    (uint64_t)cJSON_GetArraySize(merges));
    for (const cJSON *item = merges->child; item; item = item->next, number++) {
        if (!put_merge(t->r, item)) {
            return lc_hf_fail(t->r, LC_HF_TOKENIZER, LC_ERR_FORMAT, "model.merges",
                              "merge %u is not two texts without blanks", number);
        }
    }
    return LC_OK;
}

static void put_id(lc_hf_read *r, const char *key, uint32_t id)
{
    if (id != LC_TOKEN_NONE) {
        lc_hf_put_u32(r, key, id);
    }
}

lc_err lc_hf_put_vocab(lc_hf_tok *t, const cJSON *merges)
{
    lc_hf_read *r = t->r;
    bool wordpiece = (t->norm & LC_NORM_BERT) != 0;
    lc_hf_put_str(r, "tokenizer.ggml.model", wordpiece ? "bert" : t->bytes ? "llama" : "gpt2");
    if (!wordpiece && !t->bytes) {
        lc_hf_put_str(r, "tokenizer.ggml.pre", t->pre);
    }
    put_tokens(t);
    put_id(r, wordpiece ? "tokenizer.ggml.cls_token_id" : "tokenizer.ggml.bos_token_id", t->bos);
    put_id(r, wordpiece ? "tokenizer.ggml.seperator_token_id" : "tokenizer.ggml.eos_token_id",
           t->eos);
    put_id(r, "tokenizer.ggml.unknown_token_id", t->unk);
    lc_hf_put_bool(r, "tokenizer.ggml.add_bos_token", t->add_bos);
    lc_hf_put_bool(r, "tokenizer.ggml.add_eos_token", t->add_eos);
    lc_hf_put_bool(r, "tokenizer.ggml.add_space_prefix", t->prefix != LC_HF_PREFIX_NONE);
    lc_hf_put_bool(r, LC_KEY_PREFIX_ONCE, t->prefix == LC_HF_PREFIX_ONCE);
    lc_hf_put_bool(r, LC_KEY_IGNORE_MERGES, t->ignore_merges);
    lc_hf_put_u32(r, LC_KEY_NORM, t->norm);
    if (wordpiece) {
        lc_hf_put_u32(r, LC_KEY_WORD_CHARS, t->word_chars);
    }
    return merges || !wordpiece ? put_merges(t, merges) : LC_OK;
}

bool lc_hf_tokenizer_name(const char *ours, char theirs[LC_HF_NAME_MAX])
{
    static const char *const names[][2] = {{"tokens", "model.vocab"},
                                           {"token_type", "added_tokens"},
                                           {"merges", "model.merges"},
                                           {"pre", "pre_tokenizer"},
                                           {"model", "model"},
                                           {"bos_token_id", "post_processor"},
                                           {"eos_token_id", "post_processor"},
                                           {"unknown_token_id", "model.unk_token"}};
    static const char begin[] = "tokenizer.ggml.";
    if (strncmp(ours, begin, sizeof begin - 1) != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(ours + sizeof begin - 1, names[i][0]) == 0) {
            (void)snprintf(theirs, LC_HF_NAME_MAX, "%s", names[i][1]);
            return true;
        }
    }
    return false;
}
