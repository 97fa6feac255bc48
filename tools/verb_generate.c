/* verb_generate.c - `leafcutter generate`: the continuation of a prompt, as it comes. */
#include <stdlib.h>
#include <string.h>

#include "../board/linux/chat.h"
#include "constrain.h"
#include "mark.h"
#include "session.h"
#include "verbs.h"

#define GENERATE_MAX 65536u
#define SPM_PREFIX_TOKENS 4u /* BOS and the blank before the first word, in bytes at worst */

typedef struct request {
    lc_session_options session;
    const char *prompt;
    const char *system; /* or NULL: the template's */
    const char *labels, *shape;
    uint32_t n;
    double temperature;
    uint64_t seed;
    bool chat, think, show, json;
} request;

typedef struct generation {
    lc_session *session;
    const request *r;
    lc_chat chat; /* kind 0: none */
    uint32_t prompt_tokens;
    uint32_t end[LC_CHAT_ENDS_MAX]; /* [ends] tokens that end the answer */
    uint32_t ends;
    lc_constrain *constrain; /* or NULL: anything */
    bool blank;              /* the output may begin with one */
    uint32_t *choice;        /* [choices] tokens that may come next, heap [vocab] */
    float *choice_logits;    /* the same, heap [vocab] */
    uint32_t choices;
    uint32_t tokens;  /* generated */
    const char *stop; /* "count" "end" "context"; "done": constrained output */
    uint64_t random;
    double prefill_ms, decode_ms;
    double constrain_ms;  /* of it: which tokens may come */
    uint32_t evaluations; /* tokens that the network was asked for */
    char *text;           /* [text_bytes], heap; all that was generated */
    size_t text_bytes, text_room;
    uint32_t *ids; /* [r->n], heap; the tokens generated, for --json */
} generation;

/* ---- choosing a token ---- */

/* SplitMix64: a number from [0, 1) with 24 bits, the same on every machine. */
static float random_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (float)(z >> 40) / 16777216.0f;
}

/* The index of one of n logits; overwrites them with probabilities when sampling. */
static uint32_t logit_choose(generation *g, float *logits, uint32_t n)
{
    if (g->r->temperature <= 0.0) {
        return lc_argmax(logits, n);
    }
    float sharpness = 1.0f / (float)g->r->temperature;
    for (uint32_t i = 0; i < n; i++) {
        logits[i] *= sharpness;
    }
    g->session->kernels->softmax(logits, n);
    float wanted = random_next(&g->random), sum = 0.0f;
    for (uint32_t i = 0; i < n; i++) {
        sum += logits[i];
        if (sum > wanted) {
            return i;
        }
    }
    return lc_argmax(logits, n); /* rounding left a gap at the top */
}

/* ---- running ---- */

/* Keeps the logits after the last token of a chunk. */
static lc_err last_take(void *ctx, uint32_t position, uint32_t n, const float *hidden)
{
    lc_session *session = ctx;
    uint32_t width = session->model.info.width;
    (void)position;
    return lc_net_logits(session->net, hidden + (size_t)(n - 1) * width, session->logits);
}

static int text_add(generation *g, const char *piece, size_t bytes)
{
    if (!g->r->json) {
        fwrite(piece, 1, bytes, stdout);
        fflush(stdout);
        return LC_UI_GO;
    }
    if (g->text_bytes + bytes > g->text_room) {
        size_t room = 2 * g->text_room + bytes + 256;
        char *more = realloc(g->text, room);
        if (!more) {
            return lc_ui_no_memory();
        }
        g->text = more;
        g->text_room = room;
    }
    memcpy(g->text + g->text_bytes, piece, bytes);
    g->text_bytes += bytes;
    return LC_UI_GO;
}

static int token_say(generation *g, uint32_t id)
{
    char piece[LC_TOKEN_BYTES_MAX];
    bool first = g->tokens == 0 && (g->r->prompt[0] == 0 || g->r->chat);
    uint32_t bytes = lc_tok_decode(&g->session->model.tok, id, first, piece, sizeof piece);
    if (g->ids) {
        g->ids[g->tokens] = id;
    }
    g->tokens++;
    return text_add(g, piece, bytes);
}

static bool is_end(const generation *g, uint32_t id)
{
    for (uint32_t i = 0; i < g->ends; i++) {
        if (g->end[i] == id) {
            return true;
        }
    }
    return false;
}

/* One token after another, each fed back, until one of the stops. */
static int tokens_decode(generation *g)
{
    lc_session *s = g->session;
    uint64_t start_us = lc_ui_now_us();
    g->stop = "count";
    while (g->tokens < g->r->n) {
        uint32_t id = logit_choose(g, s->logits, s->model.info.vocab);
        if (is_end(g, id)) {
            g->stop = "end";
            break;
        }
        int rc = token_say(g, id);
        if (rc != LC_UI_GO) {
            return rc;
        }
        if (g->tokens == 1) {
            lc_mark(LC_MARK_FIRST_ANSWER);
        }
        if (g->tokens == g->r->n) {
            break;
        }
        if (lc_net_position(s->net) == lc_net_ctx(s->net)) {
            g->stop = "context";
            break;
        }
        lc_err err = lc_net_run(s->net, &id, 1, last_take, s);
        if (err != LC_OK) {
            return lc_session_fail(s, err);
        }
    }
    g->decode_ms = (double)(lc_ui_now_us() - start_us) / 1000.0;
    return LC_UI_GO;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Valid UTF-8 of text on the heap; data is NULL without memory. */
static lc_str text_clean(const char *text)
{
    uint32_t replaced = 0;
    char *clean = malloc(3 * strlen(text) + 1);
    return (lc_str){clean,
                    clean ? (uint32_t)lc_utf8_clean(text, strlen(text), clean, &replaced) : 0};
}

static int chat_encode(generation *g, const lc_chat_turn *turn)
{
    lc_session *s = g->session;
    lc_chat_piece piece[LC_CHAT_PIECES_MAX];
    bool cut = false;
    char *text = malloc(lc_chat_text_bytes(turn));
    if (!text) {
        return lc_ui_no_memory();
    }
    uint32_t count = lc_chat_render(&g->chat, &s->model.tok, turn, text, piece);
    lc_err err = lc_chat_encode(&s->model.tok, piece, count, &s->memory.arenas.scratch, s->ids,
                                s->ctx, &g->prompt_tokens, &cut);
    const lc_chat_piece *last = &piece[count - 1];
    g->blank = last->id == LC_TOKEN_NONE && !is_blank(last->text.data[last->text.bytes - 1]);
    free(text);
    if (err) {
        return lc_session_fail(s, err);
    }
    if (cut) {
        return lc_ui_error(LC_EXIT_REJECTED, s->options.model, NULL,
                           "the prompt is longer than the context of %u tokens", s->ctx);
    }
    return LC_UI_GO;
}

/* The prompt as a turn of the model's chat template. */
static int chat_begin(generation *g)
{
    lc_session *s = g->session;
    lc_diag diag = {0};
    if (lc_chat_open(&s->model.leaf, &g->chat, &diag) != LC_OK) {
        return lc_ui_diag(s->options.model, &diag, "without --chat the prompt is taken as it is");
    }
    g->ends = lc_chat_ends(&g->chat, &s->model.tok, g->end);
    lc_str system = text_clean(g->r->system ? g->r->system : "");
    lc_chat_turn turn = {.system = g->r->system ? &system : NULL,
                         .user = text_clean(g->r->prompt),
                         .think = g->r->think};
    bool memory = system.data && turn.user.data;
    int rc = memory ? chat_encode(g, &turn) : lc_ui_no_memory();
    free((char *)system.data);
    free((char *)turn.user.data);
    return rc;
}

static int free_decode(generation *g)
{
    lc_session *s = g->session;
    uint64_t start_us = lc_ui_now_us();
    lc_err err = lc_net_run_last(s->net, s->ids, g->prompt_tokens, last_take, s);
    if (err != LC_OK) {
        return lc_session_fail(s, err);
    }
    g->prefill_ms = (double)(lc_ui_now_us() - start_us) / 1000.0;
    return tokens_decode(g);
}

/* ---- constrained output ---- */

/* Logits of the tokens that may come, in their order: of few by their rows alone. */
static lc_err choices_take(void *ctx, uint32_t position, uint32_t n, const float *hidden)
{
    generation *g = ctx;
    lc_session *s = g->session;
    const float *last = hidden + (size_t)(n - 1) * s->model.info.width;
    (void)position;
    if (g->choices < s->model.info.vocab / 4) {
        return lc_net_logits_rows(s->net, last, g->choice, g->choices, s->logits);
    }
    lc_err err = lc_net_logits(s->net, last, s->logits);
    for (uint32_t i = 0; i < g->choices; i++) { /* choices ascend by text, not by number */
        g->choice_logits[i] = s->logits[g->choice[i]];
    }
    memcpy(s->logits, g->choice_logits, g->choices * sizeof *s->logits);
    return err;
}

/* Says a token; the blank that may come first is no part of the output. */
static int choice_say(generation *g, uint32_t id)
{
    lc_str text = lc_tok_text(&g->session->model.tok, id);
    uint32_t skip = g->tokens == 0 && text.data[0] == ' ' ? 1 : 0; /* outputs begin with none */
    lc_constrain_take(g->constrain, id);
    if (g->ids) {
        g->ids[g->tokens] = id;
    }
    g->tokens++;
    return text_add(g, text.data + skip, text.bytes - skip);
}

/* The next token, or the end (LC_TOKEN_NONE), of an output of at most n tokens. ids[*pending] wait
 * to be run; the network is asked only where there is a choice. */
static int choice_next(generation *g, uint32_t n, uint32_t *pending, uint32_t *id)
{
    lc_session *s = g->session;
    uint32_t index = 0;
    uint64_t asked_us = lc_ui_now_us();
    *id = lc_constrain_forced(g->constrain, n - g->tokens);
    if (*id == LC_TOKEN_NONE) {
        g->choices = lc_constrain_choices(g->constrain, n - g->tokens, g->choice);
    }
    g->constrain_ms += (double)(lc_ui_now_us() - asked_us) / 1000.0;
    if (*id != LC_TOKEN_NONE) {
        return LC_UI_GO;
    }
    if (g->choices > 1) {
        uint64_t start_us = lc_ui_now_us();
        lc_err err = lc_net_run_last(s->net, s->ids, *pending, choices_take, g);
        if (err != LC_OK) {
            return lc_session_fail(s, err);
        }
        if (g->evaluations++ == 0) {
            g->prefill_ms = (double)(lc_ui_now_us() - start_us) / 1000.0;
        }
        *pending = 0;
        index = logit_choose(g, s->logits, g->choices);
    }
    *id = g->choice[index];
    return LC_UI_GO;
}

/* The output is begun: what it takes at least must fit. */
static int constrain_begin(generation *g, uint32_t *n)
{
    lc_session *s = g->session;
    const lc_tok *tok = &s->model.tok;
    lc_json_diag diag;
    uint32_t room = s->ctx - g->prompt_tokens;
    *n = g->r->n < room ? g->r->n : room;
    uint32_t end = g->ends > 0 ? g->end[0] : LC_TOKEN_NONE;
    bool blank = g->blank && g->r->labels; /* labels stand inside a sentence */
    if (lc_constrain_bind(g->constrain, tok, end, blank, &diag) != LC_OK) {
        return lc_ui_error(lc_err_exit(diag.err), s->options.model, NULL, "%s", diag.text);
    }
    if (lc_constrain_needs(g->constrain) > *n) {
        return lc_ui_error(LC_EXIT_REJECTED, NULL, NULL,
                           "such an output takes up to %u tokens at least, and there are %u",
                           lc_constrain_needs(g->constrain), *n);
    }
    g->choice = malloc(s->model.info.vocab * sizeof *g->choice);
    g->choice_logits = malloc(s->model.info.vocab * sizeof *g->choice_logits);
    return g->choice && g->choice_logits ? LC_UI_GO : lc_ui_no_memory();
}

static int constrained_decode(generation *g)
{
    lc_session *s = g->session;
    uint32_t n, pending = g->prompt_tokens, id;
    uint64_t start_us = lc_ui_now_us();
    int rc = constrain_begin(g, &n);
    g->stop = "done";
    while (rc == LC_UI_GO && !lc_constrain_done(g->constrain) && g->tokens < n) {
        rc = choice_next(g, n, &pending, &id);
        if (rc != LC_UI_GO) {
            break;
        }
        if (is_end(g, id)) {
            lc_constrain_take(g->constrain, id);
            break;
        }
        rc = choice_say(g, id);
        s->ids[pending++] = id;
    }
    g->decode_ms = (double)(lc_ui_now_us() - start_us) / 1000.0 - g->prefill_ms;
    return rc;
}

/* ---- the prompt ---- */

/* The prompt's tokens on session->ids; an empty prompt is BOS alone. */
static int prompt_encode(generation *g)
{
    lc_session *s = g->session;
    const lc_tok *tok = &s->model.tok;
    if (g->r->chat) {
        return chat_begin(g);
    }
    if (tok->eos != LC_TOKEN_NONE) {
        g->end[g->ends++] = tok->eos;
    }
    if (g->r->prompt[0]) {
        g->blank = !is_blank(g->r->prompt[strlen(g->r->prompt) - 1]);
        return lc_session_encode(s, g->r->prompt, strlen(g->r->prompt), &g->prompt_tokens);
    }
    if (tok->bos == LC_TOKEN_NONE) {
        return lc_ui_error(LC_EXIT_REJECTED, s->options.model, NULL,
                           "the model has no BOS token: an empty prompt has nothing to start from");
    }
    s->ids[0] = tok->bos;
    g->prompt_tokens = 1;
    return LC_UI_GO;
}

static void result_print(const generation *g)
{
    lc_emit e;
    lc_emit_init(&e, stdout);
    lc_emit_open(&e, NULL, '{');
    lc_emit_bytes(&e, "text", g->text ? g->text : "", g->text_bytes);
    lc_emit_u64(&e, "tokens", g->tokens);
    lc_emit_u64(&e, "prompt_tokens", g->prompt_tokens);
    lc_emit_open(&e, "ids", '[');
    for (uint32_t i = 0; g->ids && i < g->tokens; i++) {
        lc_emit_u64(&e, NULL, g->ids[i]);
    }
    lc_emit_close(&e);
    lc_emit_text(&e, "stop", g->stop);
    lc_emit_real(&e, "prefill_ms", g->prefill_ms, 3);
    lc_emit_real(&e, "decode_ms", g->decode_ms, 3);
    if (g->constrain) {
        lc_emit_u64(&e, "evaluations", g->evaluations);
        lc_emit_real(&e, "constrain_ms", g->constrain_ms, 3);
    }
    lc_emit_text(&e, "level", g->session->kernels->name);
    lc_emit_u64(&e, "threads", g->session->pool.count);
    lc_emit_close(&e);
}

/* --show: what the network would be given. */
static int prompt_print(const generation *g)
{
    lc_emit e;
    lc_emit_init(&e, stdout);
    lc_emit_open(&e, NULL, '{');
    if (g->chat.kind) {
        lc_emit_text(&e, "chat", lc_chat_name(g->chat.kind));
    }
    lc_emit_open(&e, "prompt", '[');
    for (uint32_t i = 0; i < g->prompt_tokens; i++) {
        lc_emit_u64(&e, NULL, g->session->ids[i]);
    }
    lc_emit_close(&e);
    lc_emit_open(&e, "end", '[');
    for (uint32_t i = 0; i < g->ends; i++) {
        lc_emit_u64(&e, NULL, g->end[i]);
    }
    lc_emit_close(&e);
    lc_emit_close(&e);
    return LC_EXIT_OK;
}

static int generation_run(generation *g)
{
    int rc = prompt_encode(g);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (g->r->show) {
        return prompt_print(g);
    }
    lc_mark(LC_MARK_FIRST_LINE);
    rc = g->constrain ? constrained_decode(g) : free_decode(g);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (g->r->json) {
        result_print(g);
    } else {
        fputc('\n', stdout);
    }
    lc_mark(LC_MARK_END);
    return LC_EXIT_OK;
}

/* --shape TEXT or FILE; an object begins with a bracket and no file's name does. */
static int shape_read(const char *shape, lc_constrain **constrain)
{
    lc_json_diag diag;
    lc_map file;
    bool inline_text = shape[strspn(shape, " \t\n")] == '{';
    int rc = inline_text ? LC_UI_GO : lc_ui_map(shape, &file);
    if (rc != LC_UI_GO) {
        return rc;
    }
    lc_err err = inline_text
                     ? lc_constrain_shape(shape, strlen(shape), constrain, &diag)
                     : lc_constrain_shape((const char *)file.data, file.bytes, constrain, &diag);
    if (!inline_text) {
        lc_map_close(&file);
    }
    return err ? lc_ui_error(lc_err_exit(err), inline_text ? "--shape" : shape, NULL, "%s",
                             diag.text)
               : LC_UI_GO;
}

static int constrain_read(const request *r, lc_constrain **constrain)
{
    lc_json_diag diag;
    if (r->shape) {
        return shape_read(r->shape, constrain);
    }
    if (r->labels && lc_constrain_labels(r->labels, constrain, &diag) != LC_OK) {
        return lc_ui_error(lc_err_exit(diag.err), "--labels", NULL, "%s", diag.text);
    }
    return LC_UI_GO;
}

static int request_run(request *r, lc_constrain *constrain)
{
    lc_session session;
    lc_str system = lc_str_from(r->system ? r->system : "");
    lc_chat_turn turn = {.system = r->system ? &system : NULL, .user = lc_str_from(r->prompt)};
    size_t bytes = r->chat ? lc_chat_text_bytes(&turn) : strlen(r->prompt);
    r->session.text_bytes = bytes;
    /* A token is at least a byte of the text, so this many positions always suffice. */
    r->session.ctx = (uint32_t)bytes + SPM_PREFIX_TOKENS + r->n;
    int rc = lc_session_open(&session, &r->session);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (!session.model.info.causal) {
        rc = lc_ui_error(LC_EXIT_REJECTED, r->session.model, NULL,
                         "a bidirectional model cannot generate");
    } else {
        generation g = {.session = &session, .r = r, .random = r->seed, .constrain = constrain};
        g.ids = r->json ? calloc(r->n, sizeof *g.ids) : NULL;
        rc = r->json && !g.ids ? lc_ui_no_memory() : generation_run(&g);
        free(g.ids);
        free(g.choice);
        free(g.choice_logits);
        free(g.text);
    }
    lc_session_close(&session);
    return rc;
}

static int request_check(const request *r)
{
    if (!r->session.model || !r->prompt || r->n == 0) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "leafcutter generate --help lists the options",
                           "generate wants --model, --prompt and -n");
    }
    if (!r->chat && (r->system || r->think)) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, NULL, "--system and --think belong to --chat");
    }
    if (r->system && strlen(r->system) > LC_LINE_BYTES_MAX) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, NULL, "--system takes %u bytes at most",
                           LC_LINE_BYTES_MAX);
    }
    if (r->labels && r->shape) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, NULL, "--labels or --shape, not both");
    }
    if (r->n > GENERATE_MAX || strlen(r->prompt) > LC_CTX_MAX * (size_t)LC_TOKEN_BYTES_MAX / 4) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, NULL, "-n takes 1 to %u", GENERATE_MAX);
    }
    if (r->temperature < 0.0) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, NULL, "--temp takes 0 (greedy) or more");
    }
    return LC_UI_GO;
}

int lc_verb_generate(int argc, char **argv)
{
    request r = {.session.threads = 1};
    const lc_opt options[] = {
        {"model", "FILE", LC_OPT_TEXT, &r.session.model, ".leaf pack or .gguf file"},
        LC_OPT_ROW_ADAPTER(&r.session.adapter),
        {"prompt", "TEXT", LC_OPT_TEXT, &r.prompt, "what to continue; empty: from BOS"},
        {"n", "N", LC_OPT_U32, &r.n, "tokens at most"},
        {"temp", "T", LC_OPT_REAL, &r.temperature, "sample at this temperature (0: greedy)"},
        {"seed", "S", LC_OPT_U64, &r.seed, "of the samples (default 0)"},
        {"labels", "A,B,C", LC_OPT_TEXT, &r.labels, "write exactly one of these"},
        {"shape", "JSON", LC_OPT_TEXT, &r.shape, "write one JSON object of this shape, or file's"},
        {"float", NULL, LC_OPT_FLAG, &r.session.as_float, "weights in F32"},
        {"chat", NULL, LC_OPT_FLAG, &r.chat,
         "the prompt is a question, put as the model's template"},
        {"system", "TEXT", LC_OPT_TEXT, &r.system,
         "chat: instead of the template's own (\"\": none)"},
        {"think", NULL, LC_OPT_FLAG, &r.think, "chat: let a model that can think do so (Qwen3)"},
        {"show", NULL, LC_OPT_FLAG, &r.show, "print the prompt's tokens and do not run"},
        LC_OPT_ROW_THREADS(&r.session.threads),
        LC_OPT_ROW_DECODE_THREADS(&r.session.single),
        LC_OPT_ROW_LEVEL(&r.session.level),
        LC_OPT_ROW_KV(&r.session.kv),
        LC_OPT_ROW_JSON(&r.json),
    };
    const lc_usage usage = {"generate", "", "Continues a prompt.", options, LC_COUNT(options), 0};
    lc_files files;
    lc_mark(LC_MARK_START);
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    if (rc == LC_UI_GO) {
        rc = request_check(&r);
    }
    lc_constrain *constrain = NULL;
    if (rc == LC_UI_GO) {
        rc = constrain_read(&r, &constrain);
    }
    lc_mark(LC_MARK_OPTIONS);
    if (rc == LC_UI_GO) {
        rc = request_run(&r, constrain);
    }
    lc_constrain_free(constrain);
    return rc;
}
