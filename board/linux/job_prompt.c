#include "job_prompt.h"

#include <stdlib.h>
#include <string.h>

#include "chat.h"

#define TEXT_MARK "{text}"
#define LABELS_MARK "{labels}"

typedef struct prompt {
    const lc_model *model;
    const cJSON *labels;
    const char *path; /* for messages */
    lc_json_diag *diag;
} prompt;

static lc_err fail(const prompt *p, const char *what)
{
    return lc_json_fail(p->diag, LC_ERR_FORMAT, p->path, "%s", what);
}

static lc_err out_of_memory(const prompt *p)
{
    return lc_json_fail(p->diag, LC_ERR_ARENA, p->path, "out of memory");
}

/* ---- text to tokens ---- */

static lc_err encode_into(const lc_tok *tok, lc_str text, lc_ids *ids)
{
    lc_arena scratch;
    bool cut = false;
    size_t need = lc_tok_scratch_bytes(tok, text.bytes) + LC_ARENA_ALIGN;
    uint32_t most = text.bytes + 2; /* no token is shorter than a byte */
    void *block = aligned_alloc(LC_ARENA_ALIGN, LC_ROUND_UP(need, LC_ARENA_ALIGN));
    ids->id = malloc(most * sizeof *ids->id);
    lc_err err = LC_ERR_ARENA;
    if (block != NULL && ids->id != NULL) {
        lc_arena_init(&scratch, block, need);
        err = lc_tok_encode(tok, text.data, text.bytes, false, &scratch, ids->id, most, &ids->count,
                            &cut);
    }
    free(block);
    return err == LC_OK && cut ? LC_ERR_LIMIT : err;
}

/* Text that starts after a special token or goes on after other text; the tokenizer tells them
 * apart. */
static lc_err encode(const prompt *p, lc_str text, bool starts, lc_ids *ids)
{
    lc_tok tok = p->model->tok;
    tok.add_space_prefix = tok.add_space_prefix && starts;
    *ids = (lc_ids){0};
    lc_err err = encode_into(&tok, text, ids);
    if (err != LC_OK) {
        return lc_json_fail(p->diag, err, p->path, "cannot be read as tokens: %s",
                            lc_err_text(err));
    }
    return LC_OK;
}

/* The ids of more text join those that are there. */
static lc_err encode_more(const prompt *p, const lc_chat_piece *piece, bool starts, lc_ids *ids)
{
    lc_ids more = {0};
    bool token = piece->id != LC_TOKEN_NONE;
    lc_err err = token ? LC_OK : encode(p, piece->text, starts, &more);
    if (err == LC_OK) {
        uint32_t add = token ? 1 : more.count;
        uint32_t *id = realloc(ids->id, (ids->count + (size_t)add + 1) * sizeof *id);
        if (id == NULL) {
            err = out_of_memory(p);
        } else {
            memcpy(id + ids->count, token ? &piece->id : more.id, add * sizeof *id);
            *ids = (lc_ids){id, ids->count + add};
        }
    }
    free(more.id);
    return err;
}

/* ---- forms ---- */

typedef struct form {
    lc_ids ids;
    uint32_t label;
} form;

typedef struct forms {
    const prompt *p;
    bool blank;   /* each stands after one */
    uint32_t end; /* token that ends a form which another one goes on from */
    form *form;   /* [count] */
    uint32_t count;
    lc_buf *out;
} forms;

/* The i-th form of a label; its name when it lists none. NULL: no more. */
static const char *form_text(const cJSON *label, int i)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(label, "forms");
    if (list == NULL) {
        return i == 0 ? lc_json_text(label, "name", "") : NULL;
    }
    const cJSON *item = cJSON_GetArrayItem(list, i);
    return item != NULL ? item->valuestring : NULL;
}

static lc_err add_form(forms *f, const char *text, uint32_t label)
{
    char spelled[1 + LC_NAME_BYTES_MAX + 1] = " ";
    lc_str s = lc_str_from(text);
    if (!lc_name_valid(s, false)) {
        return lc_json_fail(f->p->diag, LC_ERR_FORMAT, f->p->path,
                            "no control characters in the form %s", text);
    }
    memcpy(spelled + 1, s.data, s.bytes);
    form *made = &f->form[f->count++];
    made->label = label;
    s = (lc_str){spelled + !f->blank, s.bytes + f->blank};
    lc_err err = encode(f->p, s, false, &made->ids);
    if (err == LC_OK && made->ids.count == 0) {
        err =
            lc_json_fail(f->p->diag, LC_ERR_FORMAT, f->p->path, "no tokens for the form %s", text);
    }
    return err;
}

static lc_err add_forms(forms *f)
{
    uint32_t label = 0;
    size_t most = (size_t)cJSON_GetArraySize(f->p->labels) * LC_FORMS_MAX;
    f->form = calloc(most, sizeof *f->form);
    if (f->form == NULL) {
        return out_of_memory(f->p);
    }
    for (const cJSON *l = f->p->labels->child; l != NULL; l = l->next, label++) {
        const char *text;
        for (int i = 0; (text = form_text(l, i)) != NULL; i++) {
            lc_err err = add_form(f, text, label);
            if (err != LC_OK) {
                return err;
            }
        }
    }
    return LC_OK;
}

static uint32_t common(const lc_ids *a, const lc_ids *b)
{
    uint32_t n = 0;
    while (n < a->count && n < b->count && a->id[n] == b->id[n]) {
        n++;
    }
    return n;
}

/* By tokens; what goes on stands after what it goes on from. */
static int compare(const void *a, const void *b)
{
    const lc_ids *x = &((const form *)a)->ids, *y = &((const form *)b)->ids;
    uint32_t n = common(x, y);
    if (n == x->count || n == y->count) {
        return (x->count > y->count) - (x->count < y->count);
    }
    return x->id[n] > y->id[n] ? 1 : -1;
}

static const char *label_name(const forms *f, uint32_t label)
{
    return lc_json_text(cJSON_GetArrayItem(f->p->labels, (int)label), "name", "");
}

/* In order, none twice, none the beginning of another: where one is, its end becomes a token. */
static lc_err order_forms(forms *f)
{
    uint32_t kept = 0;
    qsort(f->form, f->count, sizeof *f->form, compare);
    for (uint32_t i = 0; i < f->count; i++) {
        form *this = &f->form[i], *before = kept > 0 ? &f->form[kept - 1] : NULL;
        if (before != NULL && compare(before, this) == 0) {
            if (before->label != this->label) {
                return lc_json_fail(f->p->diag, LC_ERR_FORMAT, f->p->path,
                                    "the labels %s and %s have the same form",
                                    label_name(f, before->label), label_name(f, this->label));
            }
            free(this->ids.id);
            continue;
        }
        f->form[kept++] = *this;
    }
    f->count = kept;
    for (uint32_t i = 0; i + 1 < f->count; i++) {
        lc_ids *ids = &f->form[i].ids;
        if (common(ids, &f->form[i + 1].ids) == ids->count) {
            ids->id[ids->count++] = f->end; /* there is room for the end token */
        }
    }
    qsort(f->form, f->count, sizeof *f->form, compare);
    return LC_OK;
}

/* ---- the trie ---- */

/* Forms [from, to) that share their first `depth` tokens, and the node these lead to. */
typedef struct branch {
    uint32_t from, to, depth, parent;
} branch;

/* The label that all forms [from, to) have, else LC_LABEL_INNER. */
static int32_t label_of(const forms *f, uint32_t from, uint32_t to)
{
    for (uint32_t i = from + 1; i < to; i++) {
        if (f->form[i].label != f->form[from].label) {
            return LC_LABEL_INNER;
        }
    }
    return (int32_t)f->form[from].label;
}

/* The children of one branch; those that branch further join the queue. */
static bool put_children(const forms *f, const branch *b, uint32_t *nodes, branch *queue,
                         uint32_t *queued)
{
    for (uint32_t from = b->from, to; from < b->to; from = to) {
        uint32_t token = f->form[from].ids.id[b->depth];
        to = from + 1;
        while (to < b->to && f->form[to].ids.id[b->depth] == token) {
            to++;
        }
        if (*nodes == LC_TRIE_NODES_MAX) {
            return false;
        }
        int32_t label = label_of(f, from, to);
        lc_buf_put_u32(f->out, token);
        lc_buf_put_u16(f->out, (uint16_t)b->parent);
        lc_buf_put_u16(f->out, (uint16_t)(int16_t)label);
        ++*nodes;
        if (label == LC_LABEL_INNER) {
            queue[(*queued)++] = (branch){from, to, b->depth + 1, *nodes};
        }
    }
    return true;
}

/* Level by level. What follows once only one label is left costs nothing and is left out. */
static lc_err put_trie(const forms *f)
{
    branch *queue = malloc((LC_TRIE_NODES_MAX + 1) * sizeof *queue);
    size_t count_at = f->out->bytes;
    uint32_t nodes = 0, queued = 1;
    bool fits = true;
    if (queue == NULL) {
        return out_of_memory(f->p);
    }
    lc_buf_put_u16(f->out, 0);
    queue[0] = (branch){0, f->count, 0, 0};
    for (uint32_t i = 0; i < queued && fits; i++) {
        fits = put_children(f, &queue[i], &nodes, queue, &queued);
    }
    free(queue);
    if (!fits) {
        return lc_json_fail(f->p->diag, LC_ERR_LIMIT, f->p->path,
                            "the labels' forms branch into more than %u tokens", LC_TRIE_NODES_MAX);
    }
    if (!f->out->failed) {
        f->out->data[count_at] = (uint8_t)nodes;
        f->out->data[count_at + 1] = (uint8_t)(nodes >> 8);
    }
    return LC_OK;
}

static lc_err put_forms(const prompt *p, bool blank, uint32_t end, lc_buf *out)
{
    forms f = {.p = p, .blank = blank, .end = end, .out = out};
    lc_err err = add_forms(&f);
    if (err == LC_OK) {
        err = order_forms(&f);
    }
    if (err == LC_OK) {
        err = put_trie(&f);
    }
    for (uint32_t i = 0; i < f.count; i++) {
        free(f.form[i].ids.id);
    }
    free(f.form);
    return err;
}

/* ---- the prompt ---- */

static void put_label_list(const prompt *p, lc_buf *out)
{
    for (const cJSON *l = p->labels->child; l != NULL; l = l->next) {
        const char *text = form_text(l, 0);
        lc_buf_put(out, text, strlen(text));
        if (l->next != NULL) {
            lc_buf_put(out, ", ", 2);
        }
    }
}

/* Where `word` stands first in the text from `at` on; text.bytes: nowhere. */
static uint32_t find(lc_str text, uint32_t at, const char *word)
{
    size_t n = strlen(word);
    while (text.bytes - at >= n && memcmp(text.data + at, word, n) != 0) {
        at++;
    }
    return text.bytes - at >= n ? at : text.bytes;
}

static lc_str without_line_end(lc_str text)
{
    if (text.bytes > 0 && text.data[text.bytes - 1] == '\n') {
        text.bytes--;
        text.bytes -= text.bytes > 0 && text.data[text.bytes - 1] == '\r';
    }
    return text;
}

/* The prompt with its list of labels written out; `{text}` stands in it once. */
static lc_err expand(const prompt *p, lc_str text, lc_buf *out)
{
    text = without_line_end(text);
    for (uint32_t at = 0; at < text.bytes;) {
        uint32_t next = find(text, at, LABELS_MARK);
        lc_buf_put(out, text.data + at, next - at);
        if (next < text.bytes) {
            put_label_list(p, out);
            next += (uint32_t)strlen(LABELS_MARK);
        }
        at = next;
    }
    if (out->failed) {
        return out_of_memory(p);
    }
    lc_str whole = {(const char *)out->data, (uint32_t)out->bytes};
    for (uint32_t at = 0; at < whole.bytes;) {
        uint32_t c, n = lc_utf8_decode(whole.data + at, whole.bytes - at, &c);
        if (n == 0 || c == 0) {
            return fail(p, "the prompt is not UTF-8 text");
        }
        at += n;
    }
    uint32_t first = find(whole, 0, TEXT_MARK);
    if (first == whole.bytes || find(whole, first + 1, TEXT_MARK) != whole.bytes) {
        return fail(p, "the prompt must have {text} once, where the line goes");
    }
    return LC_OK;
}

/* The whole prompt as tokens and texts, in one of which `{text}` stands. */
typedef struct pieces {
    lc_chat_piece piece[LC_CHAT_PIECES_MAX];
    uint32_t count;
    char *text;      /* on the heap, where a template wrote them */
    bool form_blank; /* a blank stands before an answer */
    uint32_t end;    /* token that ends it */
} pieces;

static lc_err plain_pieces(const prompt *p, lc_str whole, pieces *out)
{
    const lc_tok *tok = &p->model->tok;
    lc_ids line_end;
    lc_err err = encode(p, lc_str_from("\n"), false, &line_end);
    if (err != LC_OK) {
        return err;
    }
    out->end = line_end.count > 0 ? line_end.id[0] : 0;
    free(line_end.id);
    if (tok->add_bos && tok->bos != LC_TOKEN_NONE) {
        out->piece[out->count++] = (lc_chat_piece){.id = tok->bos};
    }
    out->form_blank = whole.data[whole.bytes - 1] == ' ';
    whole.bytes -= out->form_blank;
    out->piece[out->count++] = (lc_chat_piece){.id = LC_TOKEN_NONE, .text = whole};
    return LC_OK;
}

static lc_err chat_pieces(const prompt *p, lc_str whole, pieces *out)
{
    lc_chat chat;
    lc_diag diag = {0};
    uint32_t ends[LC_CHAT_ENDS_MAX];
    const lc_chat_turn turn = {.user = whole};
    const lc_tok *tok = &p->model->tok;
    lc_err err = lc_chat_open(&p->model->leaf, &chat, &diag);
    if (err != LC_OK) {
        return lc_json_fail(p->diag, err, p->path, "%s",
                            err == LC_ERR_NOT_FOUND ? "the model has no chat template that is known"
                                                    : diag.text);
    }
    out->text = malloc(lc_chat_text_bytes(&turn) + 1);
    if (out->text == NULL) {
        return out_of_memory(p);
    }
    out->count = lc_chat_render(&chat, tok, &turn, out->text, out->piece);
    out->form_blank = chat.kind == LC_CHAT_LLAMA2 || chat.kind == LC_CHAT_MISTRAL;
    uint32_t count = lc_chat_ends(&chat, tok, ends);
    out->end = count > 0 ? ends[count - 1] : 0;
    return LC_OK;
}

/* Ids of the pieces before and after `{text}`. */
static lc_err encode_pieces(const prompt *p, const pieces *in, lc_ids *prefix, lc_ids *suffix,
                            bool *line_blank)
{
    lc_err err = LC_OK;
    bool after = false;
    for (uint32_t i = 0; i < in->count && err == LC_OK; i++) {
        lc_chat_piece piece = in->piece[i];
        uint32_t at =
            after || piece.id != LC_TOKEN_NONE ? piece.text.bytes : find(piece.text, 0, TEXT_MARK);
        if (piece.id != LC_TOKEN_NONE || at == piece.text.bytes) {
            err = encode_more(p, &piece, true, after ? suffix : prefix);
            continue;
        }
        lc_str rest = {piece.text.data + at + strlen(TEXT_MARK), 0};
        rest.bytes = piece.text.bytes - at - (uint32_t)strlen(TEXT_MARK);
        *line_blank = at > 0 && piece.text.data[at - 1] == ' ';
        piece.text.bytes = at - *line_blank;
        err = encode_more(p, &piece, true, prefix);
        piece.text = rest;
        if (err == LC_OK) {
            err = encode_more(p, &piece, false, suffix);
        }
        after = true;
    }
    return err;
}

static lc_err put_head(const prompt *p, const lc_ids *prefix, const lc_ids *suffix, bool line_blank,
                       lc_buf *out)
{
    if (suffix->count == 0) {
        return fail(p, "the prompt must go on after {text}");
    }
    if (prefix->count > LC_PROMPT_TOKENS_MAX || suffix->count > LC_PROMPT_TOKENS_MAX) {
        return lc_json_fail(p->diag, LC_ERR_LIMIT, p->path, "the prompt has more than %u tokens",
                            LC_PROMPT_TOKENS_MAX);
    }
    lc_buf_put_u8(out, line_blank);
    lc_buf_put_u16(out, (uint16_t)prefix->count);
    lc_buf_put_u16(out, (uint16_t)suffix->count);
    for (uint32_t i = 0; i < suffix->count; i++) {
        lc_buf_put_u32(out, suffix->id[i]);
    }
    return LC_OK;
}

static lc_err put_prompt(const prompt *p, lc_str whole, bool chat, lc_buf *out, lc_ids *prefix)
{
    lc_ids suffix = {0};
    pieces all = {.count = 0};
    bool line_blank = false;
    lc_err err = (chat ? chat_pieces : plain_pieces)(p, whole, &all);
    if (err == LC_OK) {
        err = encode_pieces(p, &all, prefix, &suffix, &line_blank);
    }
    if (err == LC_OK) {
        err = put_head(p, prefix, &suffix, line_blank, out);
    }
    if (err == LC_OK) {
        err = put_forms(p, all.form_blank, all.end, out);
    }
    free(all.text);
    free(suffix.id);
    return err;
}

lc_err lc_job_prompt_put(const lc_model *model, const lc_job_prompt *job, lc_buf *out,
                         lc_ids *prefix, const char *path, lc_json_diag *diag)
{
    const prompt p = {model, job->labels, path, diag};
    lc_buf whole = {0};
    *prefix = (lc_ids){0};
    if (job->text.bytes > LC_PROMPT_BYTES_MAX) {
        return lc_json_fail(diag, LC_ERR_LIMIT, path, "the prompt has more than %u bytes",
                            LC_PROMPT_BYTES_MAX);
    }
    lc_err err = expand(&p, job->text, &whole);
    if (err == LC_OK) {
        lc_str text = {(const char *)whole.data, (uint32_t)whole.bytes};
        err = put_prompt(&p, text, job->chat, out, prefix);
    }
    lc_buf_free(&whole);
    return err;
}
