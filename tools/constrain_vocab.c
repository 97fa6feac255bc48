/* constrain_vocab.c - the vocabulary as a tree, and which of its tokens the automaton can walk. */
#include <stdlib.h>
#include <string.h>

#include "../runtime/tok_table.h"
#include "constrain_parts.h"

/* ---- the tree ---- */

typedef struct spelled {
    uint64_t start; /* the first eight bytes, zeros behind the end: they settle most comparisons */
    lc_str text;
    uint32_t id;
    bool byte; /* stands for a single byte that is no text: after its equals */
} spelled;

static int by_text(const void *a, const void *b)
{
    const spelled *x = a, *y = b;
    if (x->start != y->start) {
        return x->start < y->start ? -1 : 1;
    }
    uint32_t common = x->text.bytes < y->text.bytes ? x->text.bytes : y->text.bytes;
    int order = memcmp(x->text.data, y->text.data, common);
    if (order == 0 && x->text.bytes != y->text.bytes) {
        return x->text.bytes < y->text.bytes ? -1 : 1;
    }
    if (order == 0 && x->byte != y->byte) {
        return x->byte ? 1 : -1;
    }
    return order != 0 ? order : (x->id > y->id) - (x->id < y->id);
}

static uint64_t start_of(lc_str text)
{
    uint64_t start = 0;
    for (uint32_t i = 0; i < 8; i++) {
        start = start << 8 | (i < text.bytes ? (uint8_t)text.data[i] : 0);
    }
    return start;
}

/* Tokens that are text, in the order of their bytes. */
static spelled *spell(const lc_tok *tok, uint32_t *count, size_t *bytes)
{
    spelled *list = calloc(tok->vocab, sizeof *list);
    *count = 0;
    *bytes = 0;
    for (uint32_t id = 0; list && id < tok->vocab; id++) {
        uint8_t type = tok->table[tok->view[LC_TOK_TYPE] + id];
        lc_str text = lc_tok_text(tok, id);
        bool plain = type == LC_TOK_NORMAL || type == LC_TOK_USER || type == LC_TOK_BYTE;
        if (plain && text.bytes > 0 && text.bytes <= LC_TOKEN_BYTES_MAX) {
            list[(*count)++] = (spelled){start_of(text), text, id, type == LC_TOK_BYTE};
            *bytes += text.bytes;
        }
    }
    if (list) {
        qsort(list, *count, sizeof *list, by_text);
    }
    return list;
}

static uint32_t common_bytes(lc_str a, lc_str b)
{
    uint32_t most = a.bytes < b.bytes ? a.bytes : b.bytes, n = 0;
    while (n < most && a.data[n] == b.data[n]) {
        n++;
    }
    return n;
}

/* One token after those before it; open[depth] is the node at each depth of the last one. */
static void leaf_add(lc_constrain *c, lc_str before, const spelled *token, uint32_t *open)
{
    uint32_t depth = common_bytes(before, token->text);
    for (uint32_t d = depth + 1; d <= before.bytes; d++) {
        c->leaf[open[d]].end = c->leaves;
    }
    for (uint32_t d = depth; d < token->text.bytes; d++) {
        open[d + 1] = c->leaves;
        c->leaf[c->leaves++] = (con_leaf){
            .id = LC_TOKEN_NONE, .depth = (uint16_t)(d + 1), .byte = (uint8_t)token->text.data[d]};
    }
    con_leaf *last = &c->leaf[open[token->text.bytes]];
    last->id = last->id == LC_TOKEN_NONE ? token->id : last->id;
}

bool lc_con_leaves_make(lc_constrain *c)
{
    uint32_t count, open[LC_TOKEN_BYTES_MAX + 1] = {0};
    size_t bytes;
    spelled *list = spell(c->tok, &count, &bytes);
    free(c->leaf);
    c->leaf = list ? malloc((bytes + 1) * sizeof *c->leaf) : NULL;
    if (!c->leaf) {
        free(list);
        return false;
    }
    lc_str before = {"", 0};
    c->leaf[0] = (con_leaf){.id = LC_TOKEN_NONE};
    c->leaves = 1;
    for (uint32_t i = 0; i < count; i++) {
        leaf_add(c, before, &list[i], open);
        before = list[i].text;
    }
    for (uint32_t d = 0; d <= before.bytes; d++) {
        c->leaf[open[d]].end = c->leaves;
    }
    free(list);
    con_leaf *less = realloc(c->leaf, c->leaves * sizeof *less);
    c->leaf = less ? less : c->leaf;
    return true;
}

uint32_t lc_con_leaf_child(const lc_constrain *c, uint32_t leaf, uint8_t byte)
{
    uint32_t end = c->leaf[leaf].end;
    for (uint32_t i = leaf + 1; i < end; i = c->leaf[i].end) {
        if (c->leaf[i].byte == byte) {
            return i;
        }
    }
    return CON_NONE;
}

/* ---- tokens that suffice ---- */

/* needs[i] for each byte of a text: 1 + the least needs after a token that begins there. */
static void text_needs(const lc_constrain *c, const con_item *item, uint32_t *needs)
{
    const uint8_t *text = c->text.data + item->text;
    for (uint32_t i = item->bytes; i > 0; i--) {
        uint32_t leaf = 0, best = CON_NEVER;
        for (uint32_t k = i - 1; k < item->bytes; k++) {
            leaf = lc_con_leaf_child(c, leaf, text[k]);
            if (leaf == CON_NONE) {
                break;
            }
            uint32_t rest = k + 1 < item->bytes ? needs[k + 1] : 0;
            if (c->leaf[leaf].id != LC_TOKEN_NONE && rest + 1 < best) {
                best = rest + 1;
            }
        }
        needs[i - 1] = best;
    }
}

/* The same for a tree of words: each token that fits between a node and one below it. Children have
 * larger numbers than their parents, so going down the numbers they are ready. A walk from `from`
 * follows the tree of the vocabulary and the words together, first children first. */
static void node_needs(lc_constrain *c, uint32_t from)
{
    static const uint32_t none = CON_NONE;
    uint32_t node[LC_LABEL_TEXT_BYTES_MAX * 6 + 4], leaf[LC_LABEL_TEXT_BYTES_MAX * 6 + 4];
    uint32_t depth = 0, best = c->node[from].end ? 0 : CON_NEVER;
    node[0] = c->node[from].child;
    leaf[0] = 0;
    while (true) {
        if (node[depth] == none) { /* no more siblings: back */
            if (depth == 0) {
                break;
            }
            depth--;
            node[depth] = c->node[node[depth]].next;
            continue;
        }
        const con_node *at = &c->node[node[depth]];
        uint32_t below = lc_con_leaf_child(c, leaf[depth], at->byte);
        if (below == none) {
            node[depth] = at->next;
            continue;
        }
        if (c->leaf[below].id != LC_TOKEN_NONE && at->needs + 1 < best) {
            best = at->needs + 1;
        }
        depth++;
        node[depth] = at->child;
        leaf[depth] = below;
    }
    c->node[from].needs = best;
}

static bool has_bytes(const lc_constrain *c, const char *bytes)
{
    for (; *bytes; bytes++) {
        uint32_t leaf = lc_con_leaf_child(c, 0, (uint8_t)*bytes);
        if (leaf == CON_NONE || c->leaf[leaf].id == LC_TOKEN_NONE) {
            return false;
        }
    }
    return true;
}

/* Tokens for the bytes that an item may have to be finished with, one by one. */
static bool item_writable(const lc_constrain *c, const con_item *item)
{
    switch ((con_kind)item->kind) {
    case CON_TEXT:
        return c->text_need[item->text] < CON_NEVER;
    case CON_WORDS:
        return c->node[item->root].needs < CON_NEVER;
    case CON_LIST:
        return has_bytes(c, "],");
    case CON_NUMBER:
        return has_bytes(c, "0123456789-.");
    case CON_STRING:
        return has_bytes(c, "\"nr");
    default:
        return true;
    }
}

static bool has_continuations(const lc_constrain *c)
{
    for (uint32_t b = 0x80; b < 0xc0; b++) {
        uint32_t leaf = lc_con_leaf_child(c, 0, (uint8_t)b);
        if (leaf == CON_NONE || c->leaf[leaf].id == LC_TOKEN_NONE) {
            return false;
        }
    }
    return true;
}

lc_err lc_constrain_bind(lc_constrain *c, const lc_tok *tok, uint32_t end, bool blank,
                         lc_json_diag *diag)
{
    c->tok = tok;
    c->end = end;
    free(c->text_need);
    c->text_need = malloc((c->text.bytes + 1) * sizeof *c->text_need);
    if (!c->text_need || !lc_con_leaves_make(c)) {
        return lc_json_fail(diag, LC_ERR_ARENA, "", "out of memory");
    }
    if (c->open_end && end == LC_TOKEN_NONE) {
        return lc_json_fail(diag, LC_ERR_UNSUPPORTED, "",
                            "a label begins another, and the vocabulary has no token to end with");
    }
    c->partial = has_continuations(c);
    for (uint32_t i = c->nodes; i > 0; i--) {
        node_needs(c, i - 1);
    }
    uint32_t after = 0;
    for (uint32_t i = c->items; i > 0; i--) {
        con_item *item = &c->item[i - 1];
        if (item->kind == CON_TEXT) {
            text_needs(c, item, c->text_need + item->text);
        }
        if (!item_writable(c, item)) {
            return lc_json_fail(diag, LC_ERR_UNSUPPORTED, "",
                                "the vocabulary has no tokens to write this with");
        }
        item->after = after;
        con_state start = lc_con_start(c, i - 1);
        after = lc_con_needs(c, &start);
        free(item->cache);
        item->cache = NULL;
    }
    c->now = lc_con_start(c, blank ? 0 : 1);
    c->closed = false;
    return LC_OK;
}

/* ---- choosing ---- */

uint32_t lc_constrain_needs(const lc_constrain *c)
{
    return lc_con_needs(c, &c->now);
}

bool lc_constrain_done(const lc_constrain *c)
{
    return c->closed || c->now.item >= c->items;
}

/* The only byte that may come, or -1. */
static int only_byte(const lc_constrain *c, const con_state *s)
{
    int only = -1;
    for (int b = 0; b < 256; b++) {
        con_state next = *s;
        if (lc_con_step(c, &next, (uint8_t)b)) {
            if (only >= 0) {
                return -1;
            }
            only = b;
        }
    }
    return only;
}

/* The longest token along the bytes that must come. */
uint32_t lc_constrain_forced(lc_constrain *c, uint32_t left)
{
    con_state s = c->now;
    uint32_t leaf = 0, best = LC_TOKEN_NONE;
    while (!lc_con_accepts(c, &s)) {
        int byte = only_byte(c, &s);
        leaf = byte < 0 ? CON_NONE : lc_con_leaf_child(c, leaf, (uint8_t)byte);
        if (leaf == CON_NONE) {
            break;
        }
        (void)lc_con_step(c, &s, (uint8_t)byte);
        if (c->leaf[leaf].id != LC_TOKEN_NONE && lc_con_needs(c, &s) < left) {
            best = c->leaf[leaf].id;
        }
    }
    return best;
}

/* Shows each token that the automaton can walk from the state, and where it leads. */
typedef void seen(lc_constrain *c, uint32_t id, const con_state *to, void *ctx);

static void walk(lc_constrain *c, const con_state *from, seen *see, void *ctx)
{
    c->path[0] = *from;
    for (uint32_t i = 1; i < c->leaves;) {
        const con_leaf *leaf = &c->leaf[i];
        con_state *to = &c->path[leaf->depth];
        *to = c->path[leaf->depth - 1];
        if (!lc_con_step(c, to, leaf->byte)) {
            i = leaf->end;
            continue;
        }
        if (leaf->id != LC_TOKEN_NONE) {
            see(c, leaf->id, to, ctx);
        }
        i++;
    }
}

typedef struct choices {
    uint32_t left;
    uint32_t *ids;
    uint32_t count;
} choices;

static void choice_see(lc_constrain *c, uint32_t id, const con_state *to, void *ctx)
{
    choices *list = ctx;
    if (lc_con_needs(c, to) < list->left) {
        list->ids[list->count++] = id;
    }
}

/* Inside a string nearly every token may come, and every time the same ones but for its limit: they
 * are looked for once, with what they take of the limit and of the tokens. */
static void cache_see(lc_constrain *c, uint32_t id, const con_state *to, void *ctx)
{
    con_item *item = ctx;
    uint32_t needs = lc_con_needs(c, to);
    bool inside = to->item < c->items && &c->item[to->item] == item;
    uint64_t spoken = inside ? to->at : 0;
    if (needs >= UINT16_MAX || spoken > UINT16_MAX) {
        return;
    }
    if (!inside) { /* the string ended within the token: its bytes before the quote count */
        lc_str text = lc_tok_text(c->tok, id);
        con_state s = c->path[0];
        for (uint32_t i = 0; s.item == c->path[0].item && i < text.bytes; i++) {
            spoken = s.at;
            (void)lc_con_step(c, &s, (uint8_t)text.data[i]);
        }
    }
    item->cache[item->cached++] = (con_choice){id, (uint16_t)spoken, (uint16_t)needs};
}

static bool cache_fill(lc_constrain *c, con_item *item)
{
    con_state inside = {.item = c->now.item};
    item->cached = 0;
    item->cache = malloc(c->tok->vocab * sizeof *item->cache);
    if (item->cache) {
        c->unlimited = item;
        walk(c, &inside, cache_see, item);
        c->unlimited = NULL;
    }
    return item->cache != NULL;
}

static bool cache_choose(lc_constrain *c, choices *list)
{
    con_item *item = &c->item[c->now.item];
    if (item->kind != CON_STRING || c->now.sub != 0 || (!item->cache && !cache_fill(c, item))) {
        return false;
    }
    for (uint32_t i = 0; i < item->cached; i++) {
        const con_choice *choice = &item->cache[i];
        if (choice->spoken + c->now.at <= item->bytes && choice->needs < list->left) {
            list->ids[list->count++] = choice->id;
        }
    }
    return true;
}

uint32_t lc_constrain_choices(lc_constrain *c, uint32_t left, uint32_t *ids)
{
    choices list = {.left = left, .ids = ids};
    lc_assert(!lc_constrain_done(c));
    if (lc_con_accepts(c, &c->now)) {
        list.ids[list.count++] = c->end;
    }
    if (!cache_choose(c, &list)) {
        walk(c, &c->now, choice_see, &list);
    }
    lc_assert(list.count > 0);
    return list.count;
}

void lc_constrain_take(lc_constrain *c, uint32_t id)
{
    if (lc_con_accepts(c, &c->now) && id == c->end) {
        c->closed = true;
        return;
    }
    lc_str text = lc_tok_text(c->tok, id);
    for (uint32_t i = 0; i < text.bytes; i++) {
        bool walked = lc_con_step(c, &c->now, (uint8_t)text.data[i]);
        lc_assert(walked);
    }
}
