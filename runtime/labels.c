#include "labels.h"

#include <string.h>

#define NODE_BYTES 8u /* in the file: u32 token, u16 parent, i16 label */

/* ---- reading ---- */

typedef struct node {
    uint32_t token, parent;
    int32_t label;
} node;

/* From the file, since the tables are not there when measuring. */
static node node_at(const uint8_t *table, uint32_t i)
{
    lc_reader r = lc_reader_make(table + (size_t)i * NODE_BYTES, NODE_BYTES);
    node n = {.token = lc_read_u32(&r)};
    n.parent = lc_read_u16(&r);
    n.label = (int16_t)lc_read_u16(&r);
    return n;
}

/* In its place: children of a node together and in order of their tokens, nodes in order of their
 * parents, each after its parent. */
static bool in_order(const uint8_t *table, uint32_t i, const node *n, const node *before)
{
    if (n->parent > i || (n->parent > 0 && node_at(table, n->parent - 1).label >= 0)) {
        return false;
    }
    return i == 0 || n->parent > before->parent ||
           (n->parent == before->parent && n->token > before->token);
}

/* A tree in which exactly the leaves have labels, each label some and not too many. */
static lc_err check_trie(const uint8_t *table, uint32_t count, uint32_t vocab, uint32_t labels,
                         uint32_t *inner, const char **why)
{
    uint8_t forms[LC_LABELS_MAX] = {0};
    uint32_t parents = 0, named = 0;
    node before = {0};
    for (uint32_t i = 0; i < count; i++) {
        node n = node_at(table, i);
        if (n.token >= vocab || n.label < LC_LABEL_INNER || n.label >= (int32_t)labels ||
            !in_order(table, i, &n, &before)) {
            *why = "wrong node in the trie of a label_score stage";
            return LC_ERR_FORMAT;
        }
        parents += n.parent > before.parent;
        before = n;
        if (n.label == LC_LABEL_INNER) {
            (*inner)++;
        } else if (forms[n.label]++ == 0) {
            named++;
        } else if (forms[n.label] > LC_FORMS_MAX) {
            *why = "too many forms of a label";
            return LC_ERR_LIMIT;
        }
    }
    *why = "a node without children, or a label without a form";
    return parents == *inner && named == labels ? LC_OK : LC_ERR_FORMAT;
}

static lc_err read_trie(lc_reader *r, uint32_t vocab, uint32_t labels, lc_arena *state,
                        lc_labels *stage, const char **why)
{
    stage->nodes = lc_read_u16(r);
    const uint8_t *table = lc_read_bytes(r, (size_t)stage->nodes * NODE_BYTES);
    if (table == NULL || stage->nodes == 0 || stage->nodes > LC_TRIE_NODES_MAX) {
        *why = "trie of a label_score stage missing or too large";
        return LC_ERR_FORMAT;
    }
    lc_err err = check_trie(table, stage->nodes, vocab, labels, &stage->inner, why);
    if (err != LC_OK) {
        return err;
    }
    stage->token = LC_PUSH(state, uint32_t, stage->nodes);
    stage->parent = LC_PUSH(state, uint16_t, stage->nodes);
    stage->label = LC_PUSH(state, int16_t, stage->nodes);
    stage->rank = LC_PUSH(state, uint16_t, stage->nodes);
    if (stage->token == NULL || stage->parent == NULL || stage->label == NULL ||
        stage->rank == NULL) {
        *why = "state arena too small for a trie";
        return LC_ERR_ARENA;
    }
    for (uint32_t i = 0, inner = 0; i < stage->nodes && !state->measuring; i++) {
        node n = node_at(table, i);
        stage->rank[i] = (uint16_t)inner;
        inner += n.label == LC_LABEL_INNER;
        stage->token[i] = n.token;
        stage->parent[i] = (uint16_t)n.parent;
        stage->label[i] = (int16_t)n.label;
    }
    return LC_OK;
}

lc_err lc_labels_read(lc_reader *r, uint32_t vocab, uint32_t labels, lc_arena *state,
                      lc_labels *stage, const char **why)
{
    uint8_t blank = lc_read_u8(r);
    *stage = (lc_labels){.blank = blank == 1, .prefix = lc_read_u16(r)};
    stage->suffix_count = lc_read_u16(r);
    if (r->failed || blank > 1 || stage->suffix_count == 0 ||
        stage->prefix > LC_PROMPT_TOKENS_MAX || stage->suffix_count > LC_PROMPT_TOKENS_MAX) {
        *why = "wrong prompt of a label_score stage";
        return LC_ERR_FORMAT;
    }
    stage->suffix = LC_PUSH(state, uint32_t, stage->suffix_count);
    if (stage->suffix == NULL) {
        *why = "state arena too small for a prompt";
        return LC_ERR_ARENA;
    }
    for (uint32_t i = 0; i < stage->suffix_count; i++) {
        uint32_t id = lc_read_u32(r);
        if (r->failed || id >= vocab) {
            *why = "wrong token of a prompt";
            return LC_ERR_FORMAT;
        }
        if (!state->measuring) {
            stage->suffix[i] = id;
        }
    }
    return read_trie(r, vocab, labels, state, stage, why);
}

uint32_t lc_labels_tokens(const lc_labels *stage)
{
    return stage->prefix + stage->suffix_count + stage->inner;
}

/* ---- scoring the trie ---- */

/* Lines of one pass. Of each the states of 1 + inner tokens are shown: the last one of the prompt,
 * where the first tokens of the forms are decided, and the inner nodes. */
typedef struct scoring {
    lc_pack *pack;
    const lc_labels *stage;
    uint32_t labels;
    lc_asked **line; /* [count] */
    uint32_t count;
} scoring;

/* Where the children of `parent` are decided, from the prompt's last token on. */
static uint32_t place_of(const lc_labels *stage, uint32_t parent)
{
    return parent == 0 ? 0 : 1 + stage->rank[parent - 1];
}

/* score[first..end) of the children of a node, given its own. */
static lc_err score_children(const scoring *s, uint32_t first, uint32_t end, float own,
                             const float *state)
{
    float *score = s->pack->score + first, *softmax = s->pack->softmax;
    uint32_t n = end - first;
    if (n == 1) {
        score[0] = own; /* nothing else could follow */
        return LC_OK;
    }
    lc_err err = lc_net_logits_rows(s->pack->net, state, s->stage->token + first, n, score);
    if (err != LC_OK) {
        return err;
    }
    memcpy(softmax, score, n * sizeof *score);
    float all = lc_log_sum_exp(s->pack->kernels, softmax, n);
    for (uint32_t i = 0; i < n; i++) {
        score[i] = own + (score[i] - all);
    }
    return LC_OK;
}

/* pack->score of all nodes. */
static lc_err score_trie(const scoring *s, const float *states)
{
    const lc_labels *stage = s->stage;
    size_t width = s->pack->model.info.width;
    lc_err err = LC_OK;
    for (uint32_t first = 0, end; first < stage->nodes && err == LC_OK; first = end) {
        uint32_t parent = stage->parent[first];
        end = first + 1;
        while (end < stage->nodes && stage->parent[end] == parent) {
            end++;
        }
        float own = parent == 0 ? 0.0f : s->pack->score[parent - 1];
        err = score_children(s, first, end, own, states + place_of(stage, parent) * width);
    }
    return err;
}

/* log(sum of exp(score)) over the forms of a label, less its prior. */
static float label_score(const lc_pack *pack, const lc_labels *stage, uint32_t label)
{
    float form[LC_FORMS_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < stage->nodes; i++) {
        if (stage->label[i] == (int32_t)label) {
            form[n++] = pack->score[i];
        }
    }
    float score = n == 1 ? form[0] : lc_log_sum_exp(pack->kernels, form, n);
    return stage->prior == NULL ? score : score - stage->prior[label];
}

/* Shown the states of all lines. */
static lc_err score_lines(void *ctx, uint32_t position, uint32_t n, const float *hidden)
{
    const scoring *s = ctx;
    size_t each = (size_t)(1 + s->stage->inner) * s->pack->model.info.width;
    lc_err err = LC_OK;
    (void)position;
    (void)n;
    for (uint32_t i = 0; i < s->count && err == LC_OK; i++, hidden += each) {
        lc_scores *scores = &s->line[i]->scores;
        err = score_trie(s, hidden);
        scores->has_oos = false;
        scores->z_oos = 0;
        for (uint32_t label = 0; label < s->labels && err == LC_OK; label++) {
            scores->z[label] = label_score(s->pack, s->stage, label);
        }
    }
    return err;
}

/* ---- lines ---- */

lc_err lc_labels_load(lc_pack *pack, const lc_labels *stage, lc_diag *diag)
{
    lc_err err = LC_OK;
    lc_pack_adapt(pack, stage->adapter);
    pack->stands = NULL;
    if (stage->snapshot == NULL) {
        lc_net_reset(pack->net);
    } else {
        err = lc_net_snapshot_load(pack->net, stage->snapshot, stage->snapshot_bytes, diag);
    }
    if (err == LC_OK && lc_net_position(pack->net) != stage->prefix) {
        err = lc_fail(diag, LC_ERR_FORMAT, 0, "prefix of another length than its stage says");
    }
    pack->stands = err == LC_OK ? stage : NULL;
    return err;
}

/* A line's part of the tree: its tokens in ids, `chain` of them with the suffix, then the inner
 * nodes. Its first `before` tokens are run already. at: where it begins in parent and wanted. */
typedef struct branch {
    uint32_t *ids;
    uint32_t chain, before;
    uint32_t at, row;
} branch;

static void put_branch(lc_pack *pack, const lc_labels *stage, const branch *b)
{
    uint32_t t = b->at, *wanted = pack->wanted + b->row, *parent = pack->parent;
    uint32_t *ids = b->ids + b->chain;
    memcpy(ids - stage->suffix_count, stage->suffix, stage->suffix_count * sizeof *ids);
    for (uint32_t i = b->before; i < b->chain; i++, t++) {
        parent[t] = i == b->before ? LC_NO_PARENT : t - 1;
    }
    uint32_t last = t - 1;
    *wanted++ = last;
    for (uint32_t i = 0; i < stage->nodes; i++) {
        if (stage->label[i] == LC_LABEL_INNER) {
            *ids++ = stage->token[i];
            *wanted++ = t;
            parent[t++] = last + place_of(stage, stage->parent[i]);
        }
    }
}

static lc_err stand_behind_prefix(lc_pack *pack, const lc_labels *stage)
{
    if (pack->stands == stage) {
        lc_net_rewind(pack->net, stage->prefix);
        return LC_OK;
    }
    return lc_labels_load(pack, stage, NULL);
}

/* One tree of all lines; of a single one that is longer than a batch, what is over it goes first.
 */
static lc_err run_labels(void *ctx, uint32_t *ids, lc_asked **line, uint32_t count)
{
    scoring *s = ctx;
    lc_pack *pack = s->pack;
    const lc_labels *stage = s->stage;
    uint32_t before = 0;
    branch b = {.ids = ids};
    for (uint32_t i = 0; i < count; i++) {
        b.chain = line[i]->read.tokens + stage->suffix_count;
        uint32_t all = b.chain + stage->inner;
        before = b.before = count == 1 && all > pack->batch ? all - pack->batch : 0;
        put_branch(pack, stage, &b);
        b.ids += all;
        b.at += all - b.before;
        b.row += 1 + stage->inner;
    }
    s->line = line;
    s->count = count;
    lc_err err = stand_behind_prefix(pack, stage);
    if (err == LC_OK) {
        err = lc_net_run_last(pack->net, ids, before, NULL, NULL);
    }
    if (err == LC_OK) {
        const lc_net_tree tree = {ids + before, pack->parent, b.at, pack->wanted, b.row};
        err = lc_net_run_tree(pack->net, &tree, score_lines, s);
    }
    pack->stands = err == LC_OK ? stage : NULL;
    return err;
}

lc_err lc_labels_run(lc_pack *pack, const lc_labels *stage, uint32_t labels, lc_arena *scratch,
                     lc_asked *asked, uint32_t count)
{
    lc_asked *line[LC_LINES_MAX];
    scoring s = {.pack = pack, .stage = stage, .labels = labels};
    const lc_way way = {.blank = stage->blank,
                        .max = pack->ctx - lc_labels_tokens(stage),
                        .after = stage->suffix_count + stage->inner,
                        .run = run_labels,
                        .ctx = &s};
    for (uint32_t i = 0; i < count; i++) {
        line[i] = &asked[i];
    }
    lc_pack_adapt(pack, stage->adapter);
    return lc_pack_run(pack, scratch, &way, line, count);
}
