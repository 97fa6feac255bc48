/* Symbols and merges of byte-level BPE. Merges are given as texts; at run time they are numbers. */
#include <stdlib.h>
#include <string.h>

#include "../../runtime/limits.h"
#include "fail.h"
#include "tok_vocab.h"

#define KEY_MERGES "tokenizer.ggml.merges"
#define MERGES_MAX                                                                                 \
    (LC_VOCAB_MAX - 256u) /* three new symbols each stay within four vocabularies                  \
                           */
#define BYTE_CHAR_BYTES 2u

/* ---- numbered texts ---- */

bool lc_names_init(lc_names *names, uint32_t capacity)
{
    uint32_t slots = 16;
    while (slots / 2 < capacity) {
        slots *= 2;
    }
    *names = (lc_names){.capacity = capacity, .mask = slots - 1};
    names->text = calloc((size_t)capacity + 1, sizeof *names->text);
    names->slot = calloc(slots, sizeof *names->slot);
    if (!names->text || !names->slot) {
        lc_names_free(names);
        return false;
    }
    return true;
}

void lc_names_free(lc_names *names)
{
    free(names->text);
    free(names->slot);
    memset(names, 0, sizeof *names);
}

/* FNV-1a, its high bits folded in. */
static uint32_t hash(lc_str text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (uint32_t i = 0; i < text.bytes; i++) {
        h = (h ^ (uint8_t)text.data[i]) * 0x100000001b3u;
    }
    return (uint32_t)(h ^ h >> 32);
}

/* The slot that holds text, or the empty one where it belongs: at most half of them are full. */
static uint32_t *find_slot(const lc_names *names, lc_str text)
{
    uint32_t i = hash(text) & names->mask;
    while (names->slot[i] != 0 && !lc_str_equal(names->text[names->slot[i] - 1], text)) {
        i = (i + 1) & names->mask;
    }
    return &names->slot[i];
}

uint32_t lc_names_find(const lc_names *names, lc_str text)
{
    uint32_t slot = *find_slot(names, text);
    return slot == 0 ? LC_TOKEN_NONE : slot - 1;
}

void lc_names_add(lc_names *names, lc_str text, uint32_t number)
{
    lc_assert(number < names->capacity);
    uint32_t *slot = find_slot(names, text);
    names->text[number] = text;
    *slot = number + 1;
    if (names->count <= number) {
        names->count = number + 1;
    }
}

/* ---- symbols ---- */

static uint32_t symbol_of(lc_bpe *bpe, lc_str text)
{
    uint32_t symbol = lc_names_find(&bpe->symbol, text);
    if (symbol == LC_TOKEN_NONE) {
        symbol = bpe->symbol.count;
        lc_names_add(&bpe->symbol, text, symbol);
    }
    return symbol;
}

/* Tokens that text may become keep their ids as symbols. Merges reach user-defined tokens too, by
 * their texts as they stand in the file. */
static void add_tokens(const lc_vocab *v, lc_bpe *bpe)
{
    for (uint32_t i = 0; i < v->count; i++) {
        bool special = v->type[i] == LC_TOK_CONTROL || v->type[i] == LC_TOK_UNKNOWN;
        if (!special && v->text[i].bytes > 0) {
            lc_names_add(&bpe->symbol, v->text[i], i);
        }
    }
    bpe->symbol.count = v->count;
}

static char *add_bytes(lc_bpe *bpe, char *pool)
{
    for (uint32_t b = 0; b < 256; b++) {
        char utf8[4];
        uint32_t length = lc_utf8_encode(lc_byte_char((uint8_t)b), utf8);
        lc_assert(length <= BYTE_CHAR_BYTES);
        memcpy(pool, utf8, length);
        bpe->byte_symbol[b] = symbol_of(bpe, (lc_str){pool, length});
        pool += length;
    }
    return pool;
}

/* ---- merges ---- */

/* `left right`: the first blank after the first byte divides. */
static bool split_merge(lc_str line, lc_str *left, lc_str *right)
{
    if (line.bytes < 3) {
        return false;
    }
    const char *blank = memchr(line.data + 1, ' ', line.bytes - 2);
    if (blank == NULL) {
        return false;
    }
    *left = (lc_str){line.data, (uint32_t)(blank - line.data)};
    *right = (lc_str){blank + 1, line.bytes - left->bytes - 1};
    return true;
}

static lc_err add_merge(const lc_vocab *v, lc_bpe *bpe, lc_str line, char *pool, lc_diag *diag)
{
    uint64_t offset = (uint64_t)((const uint8_t *)line.data - v->g->data);
    lc_str left, right;
    if (!split_merge(line, &left, &right)) {
        return lc_fail_format(diag, LC_ERR_FORMAT, offset,
                              KEY_MERGES ": merge %u is not two texts with a blank between",
                              bpe->merges);
    }
    lc_str joined = {pool, left.bytes + right.bytes};
    if (joined.bytes > LC_TOKEN_BYTES_MAX) {
        return lc_fail_format(diag, LC_ERR_LIMIT, offset, KEY_MERGES ": merge %u is over %u bytes",
                              bpe->merges, LC_TOKEN_BYTES_MAX);
    }
    memcpy(pool, left.data, left.bytes);
    memcpy(pool + left.bytes, right.data, right.bytes);
    lc_bpe_merge *m = &bpe->merge[bpe->merges];
    m->rank = bpe->merges++;
    m->left = symbol_of(bpe, left);
    m->right = symbol_of(bpe, right);
    m->result = symbol_of(bpe, joined);
    return LC_OK;
}

static int by_pair(const void *a, const void *b)
{
    const lc_bpe_merge *x = a;
    const lc_bpe_merge *y = b;
    if (x->left != y->left) {
        return x->left < y->left ? -1 : 1;
    }
    if (x->right != y->right) {
        return x->right < y->right ? -1 : 1;
    }
    return (x->rank > y->rank) - (x->rank < y->rank);
}

/* Of a pair that stands twice the first rank counts. */
static void sort_merges(lc_bpe *bpe)
{
    if (bpe->merges == 0) {
        return;
    }
    qsort(bpe->merge, bpe->merges, sizeof *bpe->merge, by_pair);
    uint32_t kept = 1;
    for (uint32_t i = 1; i < bpe->merges; i++) {
        const lc_bpe_merge *last = &bpe->merge[kept - 1];
        if (bpe->merge[i].left != last->left || bpe->merge[i].right != last->right) {
            bpe->merge[kept++] = bpe->merge[i];
        }
    }
    bpe->merges = kept;
}

static lc_err read_merges(const lc_vocab *v, lc_bpe *bpe, lc_diag *diag)
{
    lc_gguf_strings it = {NULL, 0};
    uint64_t count = 0;
    const lc_gguf_kv *kv = lc_gguf_find(v->g, KEY_MERGES);
    if (!kv || !lc_gguf_strings_open(v->g, KEY_MERGES, &it, &count) || count > MERGES_MAX) {
        return lc_fail(diag, LC_ERR_FORMAT, lc_vocab_offset(v->g, KEY_MERGES),
                       KEY_MERGES ": missing, no list of texts, or over the limit");
    }
    bpe->merge = calloc((size_t)count + 1, sizeof *bpe->merge);
    /* Joined texts are shorter than the merges in the file, which hold a length and a blank too. */
    bpe->pool = malloc(kv->bytes + 256 * BYTE_CHAR_BYTES);
    if (!bpe->merge || !bpe->pool ||
        !lc_names_init(&bpe->symbol, v->count + 256 + 3 * (uint32_t)count)) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
    }
    add_tokens(v, bpe);
    char *pool = add_bytes(bpe, bpe->pool);
    lc_str line;
    lc_err err = LC_OK;
    while (err == LC_OK && lc_gguf_strings_next(&it, &line)) {
        err = add_merge(v, bpe, line, pool, diag);
        pool += line.bytes;
    }
    if (err == LC_OK && it.left > 0) {
        err = lc_fail(diag, LC_ERR_LIMIT, (uint64_t)(it.at - v->g->data),
                      KEY_MERGES ": a merge over 4 GiB");
    }
    return err;
}

lc_err lc_bpe_read(const lc_vocab *v, lc_bpe *bpe, lc_diag *diag)
{
    lc_bpe made = {0};
    lc_err err = read_merges(v, &made, diag);
    if (err != LC_OK) {
        lc_bpe_free(&made);
        return err;
    }
    sort_merges(&made);
    *bpe = made;
    return LC_OK;
}

/* ---- fewer tokens ---- */

static uint32_t renumbered(const lc_tok_trim *trim, uint32_t symbol)
{
    return symbol < trim->full ? trim->renumber[symbol] : symbol - trim->full + trim->count;
}

static void trim_merges(lc_bpe *bpe, const lc_tok_trim *trim)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < bpe->merges; i++) {
        lc_bpe_merge m = bpe->merge[i];
        m.left = renumbered(trim, m.left);
        m.right = renumbered(trim, m.right);
        m.result = renumbered(trim, m.result);
        if (m.left != LC_TOKEN_NONE && m.right != LC_TOKEN_NONE && m.result != LC_TOKEN_NONE) {
            bpe->merge[kept++] = m;
        }
    }
    bpe->merges = kept;
}

lc_err lc_bpe_trim(lc_bpe *bpe, const lc_tok_trim *trim, lc_diag *diag)
{
    lc_names names;
    uint32_t count = bpe->symbol.count - trim->full + trim->count;
    if (!lc_names_init(&names, count)) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
    }
    for (uint32_t i = 0; i < bpe->symbol.count; i++) {
        uint32_t symbol = renumbered(trim, i);
        if (symbol != LC_TOKEN_NONE && bpe->symbol.text[i].bytes > 0) {
            lc_names_add(&names, bpe->symbol.text[i], symbol);
        }
    }
    names.count = count;
    lc_names_free(&bpe->symbol);
    bpe->symbol = names;
    for (uint32_t b = 0; b < 256; b++) {
        bpe->byte_symbol[b] = renumbered(trim, bpe->byte_symbol[b]);
    }
    trim_merges(bpe, trim);
    return LC_OK;
}

void lc_bpe_free(lc_bpe *bpe)
{
    lc_names_free(&bpe->symbol);
    free(bpe->merge);
    free(bpe->pool);
    bpe->merge = NULL;
    bpe->pool = NULL;
}
