/* verb_logits.c - `leafcutter logits`: what a model says after each of the given tokens. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mark.h"
#include "session.h"
#include "verbs.h"

typedef struct request {
    lc_session_options session;
    const char *tokens;
    const char *out;
    bool last, json;
} request;

/* Where rows go while the network runs. */
typedef struct row_writer {
    lc_session *session;
    FILE *to;
    uint32_t first; /* position of the first row wanted */
    uint32_t rows;  /* written */
} row_writer;

static uint32_t list_count(const char *list)
{
    uint32_t n = 1;
    for (; *list; list++) {
        n += *list == ',';
    }
    return n;
}

/* ids[max] from "1,2,3". False when it is no such list or an id is over the vocabulary. */
static bool list_read(const char *list, uint32_t vocab, uint32_t *ids, uint32_t max,
                      uint32_t *count)
{
    *count = 0;
    for (;;) {
        uint64_t id = 0;
        const char *start = list;
        for (; *list >= '0' && *list <= '9' && id < vocab; list++) {
            id = id * 10 + (uint64_t)(*list - '0');
        }
        if (list == start || id >= vocab || (*list && *list != ',') || *count == max) {
            return false;
        }
        ids[(*count)++] = (uint32_t)id;
        if (!*list) {
            return true;
        }
        list++;
    }
}

static bool row_write(const float *row, uint32_t n, FILE *to)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &row[i], sizeof bits);
        uint8_t little[4] = {(uint8_t)bits, (uint8_t)(bits >> 8), (uint8_t)(bits >> 16),
                             (uint8_t)(bits >> 24)};
        if (fwrite(little, 1, sizeof little, to) != sizeof little) {
            return false;
        }
    }
    return true;
}

static lc_err rows_take(void *ctx, uint32_t position, uint32_t n, const float *hidden)
{
    row_writer *w = ctx;
    const lc_model_info *info = &w->session->model.info;
    for (uint32_t i = 0; i < n; i++) {
        if (position + i < w->first) {
            continue;
        }
        lc_err err =
            lc_net_logits(w->session->net, hidden + (size_t)i * info->width, w->session->logits);
        if (err != LC_OK) {
            return err;
        }
        if (!row_write(w->session->logits, info->vocab, w->to)) {
            return LC_ERR_IO;
        }
        w->rows++;
    }
    return LC_OK;
}

static int logits_run(lc_session *session, const request *r, uint32_t count)
{
    row_writer w = {.session = session, .first = r->last ? count - 1 : 0};
    w.to = fopen(r->out, "wb");
    if (!w.to) {
        return lc_ui_error(LC_EXIT_BOARD, r->out, NULL, "cannot open: %s", strerror(errno));
    }
    lc_mark(LC_MARK_FIRST_LINE);
    lc_err err = lc_net_run(session->net, session->ids, count, rows_take, &w);
    lc_mark(LC_MARK_FIRST_ANSWER);
    bool closed = fclose(w.to) == 0;
    if (err == LC_ERR_IO || (err == LC_OK && !closed)) {
        return lc_ui_error(LC_EXIT_BOARD, r->out, NULL, "cannot write: %s", strerror(errno));
    }
    if (err != LC_OK) {
        return lc_session_fail(session, err);
    }
    if (r->json) {
        lc_emit e;
        lc_emit_init(&e, stdout);
        lc_emit_open(&e, NULL, '{');
        lc_emit_text(&e, "out", r->out);
        lc_emit_u64(&e, "rows", w.rows);
        lc_emit_u64(&e, "vocab", session->model.info.vocab);
        lc_emit_text(&e, "level", session->kernels->name);
        lc_emit_u64(&e, "threads", session->pool.count);
        lc_emit_u64(&e, "joins", lc_net_joins(session->net));
        lc_emit_close(&e);
    }
    lc_mark(LC_MARK_END);
    return LC_EXIT_OK;
}

static int request_run(request *r)
{
    lc_session session;
    uint32_t wanted = list_count(r->tokens), count = 0;
    r->session.ctx = wanted;
    int rc = lc_session_open(&session, &r->session);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (session.ctx < wanted) {
        rc = lc_ui_error(LC_EXIT_REJECTED, r->session.model, NULL,
                         "%u tokens do not fit the context of %u", wanted, session.ctx);
    } else if (!list_read(r->tokens, session.model.info.vocab, session.ids, session.ctx, &count)) {
        rc = lc_ui_error(LC_EXIT_USAGE, NULL, NULL,
                         "--tokens wants ids below %u with commas between",
                         session.model.info.vocab);
    } else {
        rc = logits_run(&session, r, count);
    }
    lc_session_close(&session);
    return rc;
}

int lc_verb_logits(int argc, char **argv)
{
    request r = {.session.threads = 1};
    const lc_opt options[] = {
        {"model", "FILE", LC_OPT_TEXT, &r.session.model, ".leaf pack or .gguf file"},
        LC_OPT_ROW_ADAPTER(&r.session.adapter),
        {"tokens", "IDS", LC_OPT_TEXT, &r.tokens, "token ids with commas between"},
        {"out", "FILE", LC_OPT_TEXT, &r.out, "float32 [tokens][vocab], little-endian"},
        {"float", NULL, LC_OPT_FLAG, &r.session.as_float, "weights in F32"},
        {"last", NULL, LC_OPT_FLAG, &r.last, "only the row after the last token"},
        LC_OPT_ROW_THREADS(&r.session.threads),
        LC_OPT_ROW_DECODE_THREADS(&r.session.single),
        LC_OPT_ROW_LEVEL(&r.session.level),
        LC_OPT_ROW_KV(&r.session.kv),
        LC_OPT_ROW_JSON(&r.json),
    };
    const lc_usage usage = {
        "logits",          "", "Writes the logits that follow each of the given tokens.", options,
        LC_COUNT(options), 0};
    lc_files files;
    lc_mark(LC_MARK_START);
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (!r.session.model || !r.tokens || !r.out) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "leafcutter logits --help lists the options",
                           "logits wants --model, --tokens and --out");
    }
    lc_mark(LC_MARK_OPTIONS);
    return request_run(&r);
}
