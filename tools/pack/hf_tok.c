/* hf_tok.c - tokenizer.json (or BERT's vocab.txt): which tokenizer it is, and what text begins and
 * ends with. Anything that is not known to do the same as the runtime is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hf_tok.h"

#define BLANK "\xe2\x96\x81"

static lc_err refuse(lc_hf_tok *t, const char *path, const char *what)
{
    return lc_hf_fail(t->r, LC_HF_TOKENIZER, LC_ERR_UNSUPPORTED, path, "%.60s is not supported",
                      what);
}

static const char *type_of(const cJSON *item)
{
    return lc_json_text(item, "type", item ? "without a type" : "");
}

/* The members of a Sequence, or the one thing itself: count items from *first on. */
static const cJSON *members(const cJSON *item, const char *list, bool *many)
{
    *many = strcmp(type_of(item), "Sequence") == 0;
    return *many ? cJSON_GetObjectItemCaseSensitive(item, list)->child : item;
}

/* A Sequence must hold a list; then members() may look. */
static bool is_sound(const cJSON *item, const char *list)
{
    return strcmp(type_of(item), "Sequence") != 0 || cJSON_IsArray(lc_hf_get(item, list));
}

static const cJSON *after(const cJSON *item, bool many)
{
    return many ? item->next : NULL;
}

/* ---- normalizer ---- */

static bool is_replace_blank(const cJSON *item)
{
    const cJSON *pattern = lc_hf_get(item, "pattern");
    return strcmp(type_of(item), "Replace") == 0 &&
           strcmp(lc_json_text(pattern, "String", ""), " ") == 0 &&
           strcmp(lc_json_text(item, "content", ""), BLANK) == 0;
}

static lc_err read_bert_normalizer(lc_hf_tok *t, const cJSON *item)
{
    static const struct {
        const char *key;
        uint32_t flag;
    } flags[] = {{"clean_text", LC_NORM_CLEAN},
                 {"handle_chinese_chars", LC_NORM_CHINESE},
                 {"lowercase", LC_NORM_LOWER}};
    t->norm = LC_NORM_BERT;
    for (size_t i = 0; i < 3; i++) {
        const cJSON *flag = lc_hf_get(item, flags[i].key);
        if (!cJSON_IsBool(flag)) {
            return lc_hf_fail(t->r, LC_HF_TOKENIZER, LC_ERR_FORMAT, "normalizer",
                              "%s is neither true nor false", flags[i].key);
        }
        t->norm |= cJSON_IsTrue(flag) ? flags[i].flag : 0;
    }
    const cJSON *strip = lc_hf_get(item, "strip_accents"); /* null: as lowercase */
    bool stripped = strip ? cJSON_IsTrue(strip) : (t->norm & LC_NORM_LOWER) != 0;
    t->norm |= stripped ? LC_NORM_STRIP : 0;
    return LC_OK;
}

static lc_err read_normalizer(lc_hf_tok *t, const cJSON *top)
{
    bool many;
    if (!is_sound(top, "normalizers")) {
        return refuse(t, "normalizer", "a Sequence without a list");
    }
    for (const cJSON *item = members(top, "normalizers", &many); item; item = after(item, many)) {
        const char *type = type_of(item);
        if (strcmp(type, "NFC") == 0 && t->norm == 0) {
            t->norm = LC_NORM_NFC;
        } else if (strcmp(type, "BertNormalizer") == 0 && t->norm == 0) {
            lc_err err = read_bert_normalizer(t, item);
            if (err) {
                return err;
            }
        } else if (strcmp(type, "Prepend") == 0 && !t->blanks &&
                   strcmp(lc_json_text(item, "prepend", ""), BLANK) == 0) {
            t->prefix = LC_HF_PREFIX_ALWAYS;
        } else if (is_replace_blank(item)) {
            t->blanks = true;
        } else {
            return refuse(t, "normalizer", type);
        }
    }
    return LC_OK;
}

/* ---- pre-tokenizer ---- */

/* The published expressions; what runtime/pretok.c does for each. */
static const struct {
    const char *expression, *pre;
} splits[] = {
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| "
     "?[^\\s\\p{L}\\p{N}]+[\\r\\n]"
     "*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     "qwen2"},
    {"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+"
     "[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
     "llama-bpe"},
};

/* Steps of a pre-tokenizer, as bits in the order that they may come in. */
enum { STEP_SPLIT = 1, STEP_DIGITS = 2, STEP_BYTES = 4, STEP_GPT2 = 8 };

static lc_err read_split(lc_hf_tok *t, const cJSON *item)
{
    const cJSON *pattern = lc_hf_get(item, "pattern");
    const char *text = lc_json_text(pattern, "Regex", NULL);
    if (strcmp(lc_json_text(item, "behavior", ""), "Isolated") != 0 ||
        lc_json_bool(item, "invert", false)) {
        return refuse(t, "pre_tokenizer", "a Split other than Isolated");
    }
    for (size_t i = 0; text && i < sizeof splits / sizeof splits[0]; i++) {
        if (strcmp(text, splits[i].expression) == 0) {
            t->pre = splits[i].pre;
            return LC_OK;
        }
    }
    return refuse(t, "pre_tokenizer", "a Split by an unknown expression");
}

static lc_err read_step(lc_hf_tok *t, const cJSON *item, uint32_t *steps)
{
    const char *type = type_of(item);
    if (strcmp(type, "Split") == 0 && *steps == 0) {
        *steps |= STEP_SPLIT;
        return read_split(t, item);
    }
    if (strcmp(type, "Digits") == 0 && *steps == 0 &&
        lc_json_bool(item, "individual_digits", false)) {
        *steps |= STEP_DIGITS;
        return LC_OK;
    }
    if (strcmp(type, "ByteLevel") == 0 && *steps < STEP_BYTES &&
        !lc_json_bool(item, "add_prefix_space", true)) {
        *steps |= STEP_BYTES | (lc_json_bool(item, "use_regex", true) ? STEP_GPT2 : 0u);
        return LC_OK;
    }
    return refuse(t, "pre_tokenizer", type);
}

static lc_err read_byte_level(lc_hf_tok *t, const cJSON *top)
{
    uint32_t steps = 0;
    bool many;
    lc_err err = LC_OK;
    for (const cJSON *item = members(top, "pretokenizers", &many); !err && item;
         item = after(item, many)) {
        err = read_step(t, item, &steps);
    }
    if (!err && steps == (STEP_BYTES | STEP_GPT2)) {
        t->pre = "gpt-2";
    } else if (!err && steps == (STEP_DIGITS | STEP_BYTES | STEP_GPT2)) {
        t->pre = "smollm";
    } else if (!err && steps != (STEP_SPLIT | STEP_BYTES)) {
        err = refuse(t, "pre_tokenizer", "this sequence");
    }
    return err;
}

/* A blank before the first word, and none elsewhere: Llama's; or nothing at all: Gemma's. */
static lc_err read_metaspace(lc_hf_tok *t, const cJSON *item)
{
    const char *scheme = lc_json_text(item, "prepend_scheme", "?");
    const char *blank = lc_json_text(item, "replacement", "");
    const cJSON *pattern = lc_hf_get(item, "pattern");
    if (!item) {
        return t->blanks ? LC_OK : refuse(t, "pre_tokenizer", "none, with blanks as they are,");
    }
    if (strcmp(type_of(item), "Split") == 0 && t->blanks) { /* at blanks, of which none is left */
        return strcmp(lc_json_text(pattern, "String", ""), " ") == 0
                   ? LC_OK
                   : refuse(t, "pre_tokenizer", "a Split by something else than a blank");
    }
    if (strcmp(type_of(item), "Metaspace") != 0 || t->blanks || strcmp(blank, BLANK) != 0 ||
        lc_json_bool(item, "split", true)) {
        return refuse(t, "pre_tokenizer", type_of(item));
    }
    t->blanks = true;
    if (strcmp(scheme, "first") == 0 || strcmp(scheme, "always") == 0) {
        t->prefix = LC_HF_PREFIX_ONCE;
    } else if (strcmp(scheme, "never") != 0) {
        return refuse(t, "pre_tokenizer.prepend_scheme", scheme);
    }
    return LC_OK;
}

/* ---- what text begins and ends with ---- */

static lc_err add_end(lc_hf_tok *t, uint32_t id, bool last)
{
    uint32_t *end = last ? &t->eos : &t->bos;
    bool *add = last ? &t->add_eos : &t->add_bos;
    if (*add || id >= t->count) {
        return lc_hf_fail(t->r, LC_HF_TOKENIZER, LC_ERR_UNSUPPORTED, "post_processor",
                          "more than one token at an end, or one outside the vocabulary");
    }
    *end = id;
    *add = true;
    return LC_OK;
}

/* `[CLS] A [SEP]` as a list of pieces. */
static lc_err read_template(lc_hf_tok *t, const cJSON *item)
{
    const cJSON *single = lc_hf_get(item, "single");
    const cJSON *tokens = lc_hf_get(item, "special_tokens");
    uint32_t texts = 0;
    lc_err err =
        cJSON_IsArray(single) ? LC_OK : refuse(t, "post_processor", "a template that is no list");
    for (const cJSON *piece = err ? NULL : single->child; !err && piece; piece = piece->next) {
        const cJSON *special = lc_hf_get(piece, "SpecialToken");
        const char *name = lc_json_text(special, "id", NULL);
        const cJSON *ids = lc_hf_get(name ? lc_hf_get(tokens, name) : NULL, "ids");
        uint32_t id = 0;
        if (lc_hf_get(piece, "Sequence") && texts == 0) {
            texts = 1;
        } else if (cJSON_IsArray(ids) && cJSON_GetArraySize(ids) == 1 &&
                   lc_hf_whole(ids->child, &id)) {
            err = add_end(t, id, texts > 0);
        } else {
            err = refuse(t, "post_processor", "this template");
        }
    }
    return err || texts == 1 ? err : refuse(t, "post_processor", "a template without text");
}

/* cls and sep: ["[CLS]", 101] */
static lc_err read_pair(lc_hf_tok *t, const cJSON *item, const char *key, bool last)
{
    const cJSON *pair = lc_hf_get(item, key);
    uint32_t id = 0;
    if (!cJSON_IsArray(pair) || cJSON_GetArraySize(pair) != 2 ||
        !lc_hf_whole(pair->child->next, &id)) {
        return refuse(t, "post_processor", "an end that is not a name and a number");
    }
    return add_end(t, id, last);
}

static lc_err read_post(lc_hf_tok *t, const cJSON *top)
{
    bool many;
    lc_err err = is_sound(top, "processors")
                     ? LC_OK
                     : refuse(t, "post_processor", "a Sequence without a list");
    for (const cJSON *item = err ? NULL : members(top, "processors", &many); !err && item;
         item = after(item, many)) {
        const char *type = type_of(item);
        if (strcmp(type, "TemplateProcessing") == 0) {
            err = read_template(t, item);
        } else if (strcmp(type, "BertProcessing") == 0 || strcmp(type, "RobertaProcessing") == 0) {
            err = read_pair(t, item, "cls", false);
            err = err ? err : read_pair(t, item, "sep", true);
        } else if (strcmp(type, "ByteLevel") != 0) {
            err = refuse(t, "post_processor", type);
        }
    }
    return err;
}

/* The token that a file beside tokenizer.json calls so: a text, or an object with its content. */
static void find_named(const lc_hf_tok *t, const cJSON *tree, const char *key, uint32_t *id)
{
    const cJSON *item = lc_hf_get(tree, key);
    const char *text =
        cJSON_IsString(item) ? item->valuestring : lc_json_text(item, "content", NULL);
    for (uint32_t i = 0; text && *id == LC_TOKEN_NONE && i < t->count; i++) {
        *id = t->text[i] && strcmp(t->text[i], text) == 0 ? i : LC_TOKEN_NONE;
    }
}

/* The chat template, from its own file or from tokenizer_config.json. */
static void put_chat(lc_hf_tok *t, const char *otherwise)
{
    const lc_hf_file *file = lc_hf_find(t->r->hf, LC_HF_CHAT);
    const char *text = file ? (const char *)file->map.data : otherwise;
    if (text) {
        lc_hf_put_bytes(t->r, "tokenizer.chat_template", text,
                        file ? file->map.bytes : strlen(text));
    }
}

/* Where the template leaves an end out it is still what ends an answer. */
static lc_err read_names(lc_hf_tok *t)
{
    static const char *const files[] = {LC_HF_TOKENIZER_CONFIG, LC_HF_SPECIAL};
    for (size_t i = 0; i < 2; i++) {
        cJSON *tree = NULL;
        lc_err err = lc_hf_find(t->r->hf, files[i]) ? lc_hf_json(t->r, files[i], &tree) : LC_OK;
        if (err) {
            return err;
        }
        bool bert = (t->norm & LC_NORM_BERT) != 0;
        find_named(t, tree, bert ? "cls_token" : "bos_token", &t->bos);
        find_named(t, tree, bert ? "sep_token" : "eos_token", &t->eos);
        if (i == 0) {
            put_chat(t, lc_json_text(tree, "chat_template", NULL));
        }
        cJSON_Delete(tree);
    }
    const cJSON *eos = lc_hf_get(t->r->config, "eos_token_id"); /* a number, or several */
    uint32_t id = 0;
    bool known = lc_hf_whole(cJSON_IsArray(eos) ? eos->child : eos, &id) && id < t->count;
    t->eos = t->eos == LC_TOKEN_NONE && known ? id : t->eos;
    return LC_OK;
}

/* ---- models ---- */

static lc_err check_model(lc_hf_tok *t, const cJSON *model)
{
    const cJSON *dropout = lc_hf_get(model, "dropout");
    if (dropout && !(cJSON_IsNumber(dropout) && dropout->valuedouble == 0.0)) {
        return refuse(t, "model.dropout", "dropout");
    }
    if (lc_json_text(model, "continuing_subword_prefix", "")[0] ||
        lc_json_text(model, "end_of_word_suffix", "")[0]) {
        return refuse(t, "model", "a prefix or suffix of parts of words");
    }
    return LC_OK;
}

static lc_err read_bpe(lc_hf_tok *t, const cJSON *top, const cJSON *model)
{
    const cJSON *pre = lc_hf_get(top, "pre_tokenizer");
    lc_err err = check_model(t, model);
    if (!err && !is_sound(pre, "pretokenizers")) {
        err = refuse(t, "pre_tokenizer", "a Sequence without a list");
    }
    if (err) {
        return err;
    }
    t->ignore_merges = lc_json_bool(model, "ignore_merges", false);
    t->bytes = lc_json_bool(model, "byte_fallback", false);
    bool bert = (t->norm & LC_NORM_BERT) != 0;
    if (t->bytes ? t->norm != 0 || t->ignore_merges : t->blanks || t->prefix || bert) {
        return refuse(t, "normalizer", "with this model, this");
    }
    return t->bytes ? read_metaspace(t, pre) : read_byte_level(t, pre);
}

static lc_err read_wordpiece(lc_hf_tok *t, const cJSON *top, const cJSON *model)
{
    const cJSON *most = lc_hf_get(model, "max_input_chars_per_word");
    t->word_chars = 100;
    if ((t->norm & LC_NORM_BERT) == 0 || t->blanks || t->prefix) {
        return refuse(t, "normalizer", "for WordPiece, other than BertNormalizer");
    }
    if (strcmp(type_of(lc_hf_get(top, "pre_tokenizer")), "BertPreTokenizer") != 0) {
        return refuse(t, "pre_tokenizer", "for WordPiece, other than BertPreTokenizer");
    }
    if (strcmp(lc_json_text(model, "continuing_subword_prefix", "##"), "##") != 0) {
        return refuse(t, "model.continuing_subword_prefix", "other than ##");
    }
    if (most && (!lc_hf_whole(most, &t->word_chars) || t->word_chars == 0)) {
        return lc_hf_fail(t->r, LC_HF_TOKENIZER, LC_ERR_FORMAT, "model.max_input_chars_per_word",
                          "not a whole number over 0");
    }
    return LC_OK;
}

static lc_err read_json(lc_hf_tok *t, const cJSON *top)
{
    const cJSON *model = lc_hf_get(top, "model");
    const char *type = type_of(model);
    bool bpe = strcmp(type, "BPE") == 0;
    if (!bpe && strcmp(type, "WordPiece") != 0) {
        return refuse(t, "model", type);
    }
    lc_err err = lc_hf_unique(t->r, LC_HF_TOKENIZER, "model", model);
    if (!err) {
        err = lc_hf_vocab(t, top, model);
    }
    if (!err) {
        err = read_normalizer(t, lc_hf_get(top, "normalizer"));
    }
    if (!err) {
        err = bpe ? read_bpe(t, top, model) : read_wordpiece(t, top, model);
    }
    if (!err) {
        err = read_post(t, lc_hf_get(top, "post_processor"));
    }
    if (!err) {
        err = read_names(t);
    }
    if (!err) {
        err = lc_hf_types(t);
    }
    return err ? err : lc_hf_put_vocab(t, bpe ? lc_hf_get(model, "merges") : NULL);
}

/* ---- vocab.txt ---- */

static lc_err read_lines(lc_hf_tok *t)
{
    cJSON *config = NULL;
    lc_err err = lc_hf_find(t->r->hf, LC_HF_TOKENIZER_CONFIG)
                     ? lc_hf_json(t->r, LC_HF_TOKENIZER_CONFIG, &config)
                     : LC_OK;
    bool lower = lc_json_bool(config, "do_lower_case", true);
    bool strip = lc_json_bool(config, "strip_accents", lower);
    bool chinese = lc_json_bool(config, "tokenize_chinese_chars", true);
    t->norm = LC_NORM_BERT | LC_NORM_CLEAN | (chinese ? LC_NORM_CHINESE : 0u) |
              (lower ? LC_NORM_LOWER : 0u) | (strip ? LC_NORM_STRIP : 0u);
    t->word_chars = 100;
    cJSON_Delete(config);
    if (!err) {
        err = lc_hf_vocab_lines(t);
    }
    if (err) {
        return err;
    }
    static const char *const names[] = {"[CLS]", "[SEP]", "[UNK]"};
    uint32_t *ids[] = {&t->bos, &t->eos, &t->unk};
    for (size_t i = 0; i < 3; i++) {
        for (uint32_t k = 0; k < t->count && *ids[i] == LC_TOKEN_NONE; k++) {
            *ids[i] = strcmp(t->text[k], names[i]) == 0 ? k : LC_TOKEN_NONE;
        }
        if (*ids[i] == LC_TOKEN_NONE) {
            return lc_hf_fail(t->r, LC_HF_VOCAB, LC_ERR_FORMAT, names[i], "missing");
        }
        t->type[*ids[i]] = i < 2 ? LC_TOK_CONTROL : LC_TOK_UNKNOWN;
    }
    t->add_bos = t->add_eos = true;
    return lc_hf_put_vocab(t, NULL);
}

lc_err lc_hf_tokenizer(lc_hf_read *r)
{
    lc_hf_tok t = {.r = r, .bos = LC_TOKEN_NONE, .eos = LC_TOKEN_NONE, .unk = LC_TOKEN_NONE};
    cJSON *top = NULL;
    lc_err err;
    if (!lc_hf_find(r->hf, LC_HF_TOKENIZER) && lc_hf_find(r->hf, LC_HF_VOCAB)) {
        err = read_lines(&t);
    } else {
        err = lc_hf_json(r, LC_HF_TOKENIZER, &top);
        err = err ? err : read_json(&t, top);
    }
    cJSON_Delete(top);
    free(t.text);
    free(t.type);
    free(t.own);
    return err;
}
