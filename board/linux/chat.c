#include "chat.h"

#include <string.h>

#include "../../runtime/tok_table.h"

/* Names in <> and [] are tokens where the vocabulary has them, else text; <bos> and <eos> are the
 * vocabulary's own. A system text stands in its own message, or where `inside` before the user's.
 */
typedef struct form {
    const char *name;
    const char *system_before, *system_after;
    const char *user_before, *user_after; /* what follows opens the answer */
    const char *ends[3];                  /* beside EOS */
    bool inside;
    bool trim_system, trim_user;
    bool strips; /* tokens swallow the white space after them */
} form;

#define DATES "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
#define NO_THOUGHTS "<think>\n\n</think>\n\n"

static const form forms[] = {
    [LC_CHAT_CHATML] = {.name = "chatml",
                        .system_before = "<|im_start|>system\n",
                        .system_after = "<|im_end|>\n",
                        .user_before = "<|im_start|>user\n",
                        .user_after = "<|im_end|>\n<|im_start|>assistant\n",
                        .ends = {"<|im_end|>", "<|endoftext|>"}},
    [LC_CHAT_QWEN3] = {.name = "qwen3",
                       .system_before = "<|im_start|>system\n",
                       .system_after = "<|im_end|>\n",
                       .user_before = "<|im_start|>user\n",
                       .user_after = "<|im_end|>\n<|im_start|>assistant\n",
                       .ends = {"<|im_end|>", "<|endoftext|>"}},
    [LC_CHAT_LLAMA2] = {.name = "llama-2",
                        .system_before = "<<SYS>>\n",
                        .system_after = "\n<</SYS>>\n\n",
                        .user_before = "[INST] ",
                        .user_after = " [/INST]",
                        .inside = true,
                        .trim_user = true},
    [LC_CHAT_LLAMA3] = {.name = "llama-3",
                        .system_before = "<|start_header_id|>system<|end_header_id|>\n\n",
                        .system_after = "<|eot_id|>",
                        .user_before = "<|start_header_id|>user<|end_header_id|>\n\n",
                        .user_after = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
                        .ends = {"<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"},
                        .trim_system = true,
                        .trim_user = true},
    [LC_CHAT_GEMMA] = {.name = "gemma",
                       .system_before = "",
                       .system_after = "\n\n",
                       .user_before = "<start_of_turn>user\n",
                       .user_after = "<end_of_turn>\n<start_of_turn>model\n",
                       .ends = {"<end_of_turn>"},
                       .inside = true,
                       .trim_user = true},
    [LC_CHAT_GRANITE] = {.name = "granite",
                         .system_before = "<|start_of_role|>system<|end_of_role|>",
                         .system_after = "<|end_of_text|>\n",
                         .user_before = "<|start_of_role|>user<|end_of_role|>",
                         .user_after = "<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>",
                         .ends = {"<|end_of_text|>"}},
    [LC_CHAT_PHI3] = {.name = "phi-3",
                      .system_before = "<|system|>\n",
                      .system_after = "<|end|>\n",
                      .user_before = "<|user|>\n",
                      .user_after = "<|end|>\n<|assistant|>\n",
                      .ends = {"<|end|>", "<|endoftext|>"},
                      .strips = true},
    [LC_CHAT_ZEPHYR] = {.name = "zephyr",
                        .system_before = "<|system|>\n",
                        .system_after = "<eos>\n",
                        .user_before = "<|user|>\n",
                        .user_after = "<eos>\n<|assistant|>\n"},
    [LC_CHAT_MISTRAL] = {.name = "mistral",
                         .system_before = "",
                         .system_after = "\n\n",
                         .user_before = "[INST]",
                         .user_after = "[/INST]",
                         .inside = true},
};

#define FORM_COUNT (sizeof forms / sizeof forms[0])
#define FORM_BYTES_MAX 256u /* of all strings that one turn puts */

const char *lc_chat_name(uint32_t kind)
{
    return kind >= LC_CHAT_CHATML && kind < FORM_COUNT ? forms[kind].name : "?";
}

/* ---- recognising ---- */

/* Offset of `what` in text at or after `from`, or text.bytes. */
static uint32_t find(lc_str text, uint32_t from, const char *what)
{
    uint32_t n = (uint32_t)strlen(what);
    for (uint32_t at = from; at + n <= text.bytes; at++) {
        if (memcmp(text.data + at, what, n) == 0) {
            return at;
        }
    }
    return text.bytes;
}

static bool has(lc_str text, const char *what)
{
    return find(text, 0, what) < text.bytes;
}

/* A line end inside a Jinja string is written as one or as \n. */
static bool has_line(lc_str text, const char *what)
{
    uint32_t n = (uint32_t)strlen(what);
    for (uint32_t at = find(text, 0, what); at < text.bytes; at = find(text, at + 1, what)) {
        uint32_t left = text.bytes - at - n;
        const char *next = text.data + at + n;
        if ((left > 0 && next[0] == '\n') || (left > 1 && next[0] == '\\' && next[1] == 'n')) {
            return true;
        }
    }
    return false;
}

/* Templates that look like one of the table and say something else. */
static bool is_relative(lc_str t)
{
    static const char *const signs[] = {
        "<|im_sep|>", "<|im_middle|>", "[SYSTEM_PROMPT]", "' [INST]", "function calling AI model",
        ">>>",        "true == true"};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (has(t, signs[i])) {
            return true;
        }
    }
    return has(t, "Cutting Knowledge Date") && !has(t, "Today Date: ");
}

static uint32_t recognise_kind(lc_str t)
{
    if (is_relative(t)) {
        return 0;
    }
    if (has(t, "<|im_start|>")) {
        return has(t, "enable_thinking") && has(t, "<think>") ? LC_CHAT_QWEN3 : LC_CHAT_CHATML;
    }
    if (has(t, "<|start_header_id|>") && has(t, "<|eot_id|>")) {
        return LC_CHAT_LLAMA3;
    }
    if (has(t, "<start_of_turn>")) {
        return LC_CHAT_GEMMA;
    }
    if (has(t, "<|start_of_role|>")) {
        return LC_CHAT_GRANITE;
    }
    if (has(t, "<|assistant|>") && has(t, "<|end|>")) {
        bool lines = has_line(t, "|>") || has_line(t, "|>' + '");
        return lines ? LC_CHAT_PHI3 : 0;
    }
    if (has_line(t, "<|user|>") && has(t, "eos_token")) {
        return LC_CHAT_ZEPHYR;
    }
    if (has(t, "[INST]")) {
        return has(t, "<<SYS>>") ? LC_CHAT_LLAMA2 : LC_CHAT_MISTRAL;
    }
    return 0;
}

/* The text of a system message that a ChatML template itself writes: literal, between its tokens.
 */
static lc_str recognise_system(lc_str t)
{
    static const char begin[] = "<|im_start|>system";
    for (uint32_t at = find(t, 0, begin); at < t.bytes; at = find(t, at + 1, begin)) {
        uint32_t start = at + (uint32_t)sizeof begin - 1;
        bool written = start + 1 < t.bytes && t.data[start] == '\\' && t.data[start + 1] == 'n';
        if (!written && !(start < t.bytes && t.data[start] == '\n')) {
            continue;
        }
        start += written ? 2 : 1;
        uint32_t end = start;
        while (end < t.bytes && !strchr("'\"\\{}<", t.data[end])) {
            end++;
        }
        lc_str text = {t.data + start, end - start};
        bool whole = find(t, end, "<|im_end|>") == end && end < t.bytes;
        if (whole && text.bytes > 0 && text.bytes <= LC_CHAT_SYSTEM_BYTES_MAX) {
            return text;
        }
    }
    return (lc_str){"", 0};
}

bool lc_chat_recognise(lc_str jinja, lc_chat *chat)
{
    /* Granite's template puts the day's date between the first two sentences. */
    static const char granite[] =
        "Knowledge Cutoff Date: April 2024. You are Granite, developed by "
        "IBM. You are a helpful AI assistant.";
    lc_chat c = {.kind = recognise_kind(jinja), .system = {"", 0}};
    if (c.kind == 0) {
        return false;
    }
    c.flags |= has(jinja, "bos_token") ? LC_CHAT_BOS : 0u;
    if (c.kind == LC_CHAT_CHATML || c.kind == LC_CHAT_QWEN3) {
        c.system = recognise_system(jinja);
    } else if (c.kind == LC_CHAT_GRANITE && has(jinja, "You are Granite, developed by IBM.")) {
        c.system = lc_str_from(granite);
    } else if (c.kind == LC_CHAT_LLAMA3) {
        c.flags |= has(jinja, "Cutting Knowledge Date: December 2023") ? LC_CHAT_DATED : 0u;
    } else if (c.kind == LC_CHAT_MISTRAL) {
        c.flags |= has(jinja, "[INST] ") ? LC_CHAT_BLANK_BEFORE : 0u;
        c.flags |= has(jinja, " [/INST]") ? LC_CHAT_BLANK_AFTER : 0u;
    }
    *chat = c;
    return true;
}

/* ---- section CHAT ---- */

void lc_chat_write(const lc_chat *chat, lc_buf *out)
{
    lc_buf_put_u32(out, chat->kind);
    lc_buf_put_u32(out, chat->flags);
    lc_buf_put_str(out, chat->system.data, chat->system.bytes);
}

lc_err lc_chat_open(const lc_leaf *pack, lc_chat *chat, lc_diag *diag)
{
    lc_section s;
    uint32_t code;
    if (!lc_leaf_find(pack, LC_SECTION_CHAT, 0, &s)) {
        return lc_fail(diag, LC_ERR_NOT_FOUND, 0, "the pack has no chat template that is known");
    }
    lc_reader r = lc_reader_make(s.data, s.bytes);
    lc_chat c = {.kind = lc_read_u32(&r), .flags = lc_read_u32(&r)};
    c.system = lc_read_str(&r);
    if (r.failed || r.at != s.bytes || c.system.bytes > LC_CHAT_SYSTEM_BYTES_MAX) {
        return lc_fail(diag, LC_ERR_FORMAT, s.offset, "section CHAT has a wrong length");
    }
    if (c.kind < LC_CHAT_CHATML || c.kind >= FORM_COUNT || (c.flags & ~(uint32_t)LC_CHAT_FLAGS)) {
        return lc_fail(diag, LC_ERR_UNSUPPORTED, s.offset, "unknown chat template");
    }
    for (uint32_t at = 0, n; at < c.system.bytes; at += n) {
        n = lc_utf8_decode(c.system.data + at, c.system.bytes - at, &code);
        if (n == 0 || code == 0) {
            return lc_fail(diag, LC_ERR_FORMAT, s.offset, "section CHAT is not UTF-8");
        }
    }
    *chat = c;
    return LC_OK;
}

/* ---- rendering ---- */

/* The added token of this name: control or user-defined. */
static uint32_t token_find(const lc_tok *tok, lc_str name)
{
    if (lc_str_equal(name, lc_str_from("<bos>")) && tok->bos != LC_TOKEN_NONE) {
        return tok->bos;
    }
    if (lc_str_equal(name, lc_str_from("<eos>")) && tok->eos != LC_TOKEN_NONE) {
        return tok->eos;
    }
    for (uint32_t id = tok->vocab; id > 0; id--) { /* most vocabularies have them at the end */
        uint8_t type = tok->table[tok->view[LC_TOK_TYPE] + id - 1];
        if ((type == LC_TOK_CONTROL || type == LC_TOK_USER) &&
            lc_str_equal(lc_tok_text(tok, id - 1), name)) {
            return id - 1;
        }
    }
    return LC_TOKEN_NONE;
}

typedef struct writer {
    const lc_tok *tok;
    bool strips;
    char *text;
    size_t used;
    lc_chat_piece *piece;
    uint32_t count;
} writer;

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static void put_token(writer *w, uint32_t id, lc_str name)
{
    lc_assert(w->count < LC_CHAT_PIECES_MAX);
    w->piece[w->count++] = (lc_chat_piece){id, name};
}

static void put_text(writer *w, lc_str text)
{
    bool after_token = w->count == 0 || w->piece[w->count - 1].id != LC_TOKEN_NONE;
    while (w->strips && after_token && w->count > 0 && text.bytes > 0 && is_blank(text.data[0])) {
        text.data++;
        text.bytes--;
    }
    if (text.bytes == 0) {
        return;
    }
    if (after_token) {
        put_token(w, LC_TOKEN_NONE, (lc_str){w->text + w->used, 0});
    }
    memcpy(w->text + w->used, text.data, text.bytes);
    w->used += text.bytes;
    w->piece[w->count - 1].text.bytes += text.bytes;
}

/* A string of the table: tokens and text. */
static void put_form(writer *w, const char *form_text)
{
    lc_str t = lc_str_from(form_text);
    uint32_t from = 0;
    for (uint32_t at = 0; at < t.bytes; at++) {
        char open = t.data[at];
        if (open != '<' && open != '[') {
            continue;
        }
        uint32_t end = find(t, at, open == '<' ? ">" : "]");
        lc_str name = {t.data + at, end < t.bytes ? end + 1 - at : 0};
        uint32_t id = name.bytes > 0 ? token_find(w->tok, name) : LC_TOKEN_NONE;
        if (id != LC_TOKEN_NONE) {
            put_text(w, (lc_str){t.data + from, at - from});
            put_token(w, id, lc_tok_text(w->tok, id));
            at = end;
            from = end + 1;
        }
    }
    put_text(w, (lc_str){t.data + from, t.bytes - from});
}

static lc_str trimmed(lc_str text, bool trim)
{
    while (trim && text.bytes > 0 && is_blank(text.data[0])) {
        text.data++;
        text.bytes--;
    }
    while (trim && text.bytes > 0 && is_blank(text.data[text.bytes - 1])) {
        text.bytes--;
    }
    return text;
}

static void put_system(writer *w, const lc_chat *chat, const form *f, const lc_chat_turn *turn)
{
    lc_str system = trimmed(turn->system ? *turn->system : chat->system, f->trim_system);
    bool dated = (chat->flags & LC_CHAT_DATED) != 0;
    if (system.bytes == 0 && !dated) {
        return;
    }
    put_form(w, f->system_before);
    put_form(w, dated ? DATES : "");
    put_text(w, system);
    put_form(w, f->system_after);
}

size_t lc_chat_text_bytes(const lc_chat_turn *turn)
{
    size_t system = turn->system ? turn->system->bytes : LC_CHAT_SYSTEM_BYTES_MAX;
    return FORM_BYTES_MAX + system + turn->user.bytes;
}

uint32_t lc_chat_render(const lc_chat *chat, const lc_tok *tok, const lc_chat_turn *turn,
                        char *text, lc_chat_piece *piece)
{
    const form *f = &forms[chat->kind];
    writer w = {.tok = tok, .strips = f->strips, .text = text, .piece = piece};
    if (((chat->flags & LC_CHAT_BOS) || tok->add_bos) && tok->bos != LC_TOKEN_NONE) {
        put_token(&w, tok->bos, lc_tok_text(tok, tok->bos));
    }
    if (!f->inside) {
        put_system(&w, chat, f, turn);
    }
    put_form(&w, f->user_before);
    put_form(&w, chat->flags & LC_CHAT_BLANK_BEFORE ? " " : "");
    if (f->inside) {
        put_system(&w, chat, f, turn);
    }
    put_text(&w, trimmed(turn->user, f->trim_user));
    put_form(&w, chat->flags & LC_CHAT_BLANK_AFTER ? " " : "");
    put_form(&w, f->user_after);
    put_form(&w, chat->kind == LC_CHAT_QWEN3 && !turn->think ? NO_THOUGHTS : "");
    return w.count;
}

lc_err lc_chat_encode(const lc_tok *tok, const lc_chat_piece *piece, uint32_t count,
                      lc_arena *scratch, uint32_t *ids, uint32_t max, uint32_t *id_count, bool *cut)
{
    uint32_t n = 0;
    *cut = false;
    for (uint32_t i = 0; i < count && !*cut; i++) {
        uint32_t more = 0;
        if (piece[i].id != LC_TOKEN_NONE) {
            *cut = n == max;
            if (!*cut) {
                ids[n] = piece[i].id;
                more = 1;
            }
        } else {
            lc_err err = lc_tok_encode(tok, piece[i].text.data, piece[i].text.bytes, false, scratch,
                                       ids + n, max - n, &more, cut);
            if (err) {
                return err;
            }
        }
        n += more;
    }
    *id_count = n;
    return LC_OK;
}

uint32_t lc_chat_ends(const lc_chat *chat, const lc_tok *tok, uint32_t ids[LC_CHAT_ENDS_MAX])
{
    uint32_t count = 0;
    if (tok->eos != LC_TOKEN_NONE) {
        ids[count++] = tok->eos;
    }
    for (uint32_t i = 0; i < 3 && forms[chat->kind].ends[i]; i++) {
        uint32_t id = token_find(tok, lc_str_from(forms[chat->kind].ends[i]));
        if (id != LC_TOKEN_NONE && id != tok->eos) {
            ids[count++] = id;
        }
    }
    return count;
}
