/* verb_generate.c - `leafcutter generate`: the continuation of a prompt, as it comes. */
#include <stdlib.h>
#include <string.h>

#include "../board/linux/chat.h"
#include "mark.h"
#include "session.h"
#include "verbs.h"

#define GENERATE_MAX 65536u
#define SPM_PREFIX_TOKENS 4u /* BOS and the blank before the first word, in bytes at worst */

typedef struct request {
    lc_session_options session;
    const char *prompt;
    const char *system; /* or NULL: the template's */
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
    uint32_t tokens;  /* generated */
    const char *stop; /* "count" "end" "context" */
    uint64_t random;
    double prefill_ms, decode_ms;
    char *text; /* [text_bytes], heap; all that was generated */
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

/* Overwrites logits with probabilities when sampling. */
static uint32_t token_choose(generation *g)
{
    float *logits = g->session->logits;
    uint32_t n = g->session->model.info.vocab;
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
        uint32_t id = token_choose(g);
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
    lc_session *s = g->session;
    int rc = prompt_encode(g);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (g->r->show) {
        return prompt_print(g);
    }
    lc_mark(LC_MARK_FIRST_LINE);
    uint64_t start_us = lc_ui_now_us();
    lc_err err = lc_net_run_last(s->net, s->ids, g->prompt_tokens, last_take, s);
    if (err != LC_OK) {
        return lc_session_fail(s, err);
    }
    g->prefill_ms = (double)(lc_ui_now_us() - start_us) / 1000.0;
    rc = tokens_decode(g);
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

static int request_run(request *r)
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
        generation g = {.session = &session, .r = r, .random = r->seed};
        g.ids = r->json ? calloc(r->n, sizeof *g.ids) : NULL;
        rc = r->json && !g.ids ? lc_ui_no_memory() : generation_run(&g);
        free(g.ids);
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
        {"float", NULL, LC_OPT_FLAG, &r.session.as_float, "weights in F32"},
        {"chat", NULL, LC_OPT_FLAG, &r.chat,
         "the prompt is a question, put as the model's template"},
        {"system", "TEXT", LC_OPT_TEXT, &r.system,
         "chat: instead of the template's own (\"\": none)"},
        {"think", NULL, LC_OPT_FLAG, &r.think, "chat: let a model that can think do so (Qwen3)"},
        {"show", NULL, LC_OPT_FLAG, &r.show, "print the prompt's tokens and do not run"},
        LC_OPT_ROW_THREADS(&r.session.threads),
        LC_OPT_ROW_LEVEL(&r.session.level),
        LC_OPT_ROW_JSON(&r.json),
    };
    const lc_usage usage = {"generate", "", "Continues a prompt.", options, LC_COUNT(options), 0};
    lc_files files;
    lc_mark(LC_MARK_START);
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    if (rc == LC_UI_GO) {
        rc = request_check(&r);
    }
    lc_mark(LC_MARK_OPTIONS);
    return rc == LC_UI_GO ? request_run(&r) : rc;
}
