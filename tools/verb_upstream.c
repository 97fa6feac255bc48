/* verb_upstream.c - `leafcutter upstream`: answers what devices escalate, by a larger model. */
#include <stdlib.h>
#include <string.h>

#include "../board/linux/log.h"
#include "upstream/worker.h"
#include "verbs.h"

#define PATH "/v1/chat/completions"
#define KEY_BYTES_MAX 4096u

typedef struct request {
    lc_worker_options worker;
    const char *openai, *key_file, *dry_run, *totals;
    char url[1024], authorization[KEY_BYTES_MAX + 64], id[64];
} request;

/* URL of a server, with or without its /v1. */
static int url_set(request *r)
{
    size_t bytes = r->openai ? strlen(r->openai) : 0;
    if (!r->openai) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "--openai http://localhost:8080",
                           "which server answers?");
    }
    if ((strncmp(r->openai, "http://", 7) != 0 && strncmp(r->openai, "https://", 8) != 0) ||
        bytes + sizeof PATH > sizeof r->url) {
        return lc_ui_error(LC_EXIT_USAGE, r->openai, NULL, "no http:// or https:// address");
    }
    while (bytes > 0 && r->openai[bytes - 1] == '/') {
        bytes--;
    }
    bool version = bytes >= 3 && memcmp(r->openai + bytes - 3, "/v1", 3) == 0;
    snprintf(r->url, sizeof r->url, "%.*s%s", (int)bytes, r->openai, version ? &PATH[3] : PATH);
    r->worker.url = r->url;
    return LC_UI_GO;
}

/* The key stays out of arguments and environment, which others of the machine can read. */
static int key_set(request *r)
{
    lc_map map;
    r->worker.authorization = r->authorization;
    if (!r->key_file) {
        return LC_UI_GO;
    }
    int rc = lc_ui_map(r->key_file, &map);
    if (rc != LC_UI_GO) {
        return rc;
    }
    const char *key = (const char *)map.data;
    size_t bytes = 0;
    while (bytes < map.bytes && key[bytes] > ' ' && key[bytes] < 0x7f) {
        bytes++;
    }
    bool good = bytes > 0 && bytes <= KEY_BYTES_MAX &&
                (bytes == map.bytes || key[bytes] == '\n' || key[bytes] == '\r');
    if (good) {
        snprintf(r->authorization, sizeof r->authorization, "Authorization: Bearer %.*s",
                 (int)bytes, key);
    }
    lc_map_close(&map);
    return good
               ? LC_UI_GO
               : lc_ui_error(LC_EXIT_REJECTED, r->key_file, NULL, "holds no key on its first line");
}

/* ---- what would be sent ---- */

static void dry_line(const request *r, const char *text, size_t bytes)
{
    static lc_json_diag diag;
    lc_ask ask;
    char id[LC_ASK_ID_BYTES + 1];
    lc_err err = bytes > LC_PAYLOAD_BYTES_MAX
                     ? lc_json_fail(&diag, LC_ERR_LIMIT, "", "longer than a message can be")
                     : lc_ask_read(text, bytes, &ask, id, &diag);
    if (err != LC_OK) {
        lc_emit e;
        lc_emit_init(&e, stdout);
        lc_emit_open(&e, NULL, '{');
        lc_emit_text(&e, "error", diag.text);
        lc_emit_close(&e);
        return;
    }
    char *body = lc_ask_body(&ask, r->worker.model, r->worker.stream);
    printf("{\"id\":\"%s\",\"url\":", id);
    lc_ui_json_string(stdout, r->url, strlen(r->url));
    printf(",\"key\":%s,\"bytes\":%zu,\"body\":%s}\n", r->key_file ? "true" : "false",
           body ? strlen(body) : 0, body ? body : "null");
    cJSON_free(body);
    lc_ask_free(&ask);
}

static int dry_run(const request *r)
{
    lc_lines lines;
    const char *text;
    size_t bytes;
    int rc = lc_lines_open(&lines, r->dry_run, '\n', LC_PAYLOAD_BYTES_MAX);
    if (rc != LC_UI_GO) {
        return rc;
    }
    while (lc_lines_next(&lines, &text, &bytes)) {
        if (bytes > 0) {
            dry_line(r, text, bytes);
        }
    }
    return lc_lines_close(&lines, r->dry_run);
}

/* ---- the verb ---- */

static int bounds_check(const lc_worker_options *o)
{
    if (o->jobs < 1 || o->jobs > LC_WORKER_JOBS_MAX || o->queue < 1 ||
        o->queue > LC_WORKER_QUEUE_MAX || o->cache < 1 || o->cache > 65536 || o->tries < 1 ||
        o->tries > 10 || o->deadline_ms < 100 || o->deadline_ms > 600000 || o->price.in < 0 ||
        o->price.out < 0) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, NULL,
                           "out of range: --jobs 1 to %u, --queue 1 to %u, --cache 1 to 65536, "
                           "--tries 1 to 10, --deadline 100 to 600000, prices from 0",
                           LC_WORKER_JOBS_MAX, LC_WORKER_QUEUE_MAX);
    }
    return LC_UI_GO;
}

static int upstream_run(request *r)
{
    if (r->totals) {
        return lc_ledger_totals(r->totals, r->worker.json);
    }
    int rc = bounds_check(&r->worker);
    rc = rc == LC_UI_GO ? url_set(r) : rc;
    rc = rc == LC_UI_GO ? key_set(r) : rc;
    if (rc == LC_UI_GO && r->dry_run) {
        return dry_run(r);
    }
    rc = rc == LC_UI_GO ? lc_desk_defaults(&r->worker.desk, "upstream", r->id) : rc;
    if (rc == LC_UI_GO) {
        lc_log_level_set(LC_LOG_INFO);
        rc = lc_worker_serve(&r->worker);
    }
    explicit_bzero(r->authorization, sizeof r->authorization);
    return rc;
}

int lc_verb_upstream(int argc, char **argv)
{
    static request r;
    r = (request){
        .worker = {
            .jobs = 4, .queue = 256, .tries = 4, .deadline_ms = 30000, .cache = 1024, .ca = ""}};
    lc_worker_options *o = &r.worker;
    const lc_opt options[] = {
        {"openai", "URL", LC_OPT_TEXT, &r.openai, "server with " PATH},
        {"model", "NAME", LC_OPT_TEXT, &o->model, "which of its models (default: it chooses)"},
        {"key-file", "FILE", LC_OPT_TEXT, &r.key_file, "its first line is the server's key"},
        {"server-ca", "FILE", LC_OPT_TEXT, &o->ca, "https: who signed the server's certificate"},
        {"stream", NULL, LC_OPT_FLAG, &o->stream, "ask for a stream instead of one answer"},
        {"jobs", "N", LC_OPT_U32, &o->jobs, "requests at the server at once (4)"},
        {"queue", "N", LC_OPT_U32, &o->queue, "requests held, those at the server included (256)"},
        {"tries", "N", LC_OPT_U32, &o->tries, "times that one is tried (4)"},
        {"deadline", "MS", LC_OPT_U32, &o->deadline_ms, "where a request names none (30000)"},
        {"cache", "N", LC_OPT_U32, &o->cache, "answers kept for who asks again (1024)"},
        {"price-in", "X", LC_OPT_REAL, &o->price.in, "money for 1,000 tokens of a request"},
        {"price-out", "X", LC_OPT_REAL, &o->price.out, "and of an answer"},
        {"ledger", "FILE", LC_OPT_TEXT, &o->ledger, "a line for each answer is appended"},
        {"totals", "FILE", LC_OPT_TEXT, &r.totals, "add a ledger up, a line for each day"},
        {"dry-run", "FILE", LC_OPT_TEXT, &r.dry_run,
         "what would be sent for each request of FILE, a line each"},
        LC_OPT_ROWS_DESK(&o->desk),
        LC_OPT_ROW_JSON(&o->json),
    };
    const lc_usage usage = {"upstream",
                            "",
                            "Answers what devices escalate, through a larger model behind an "
                            "OpenAI-compatible server.\nMore of them at one broker share the work.",
                            options,
                            LC_COUNT(options),
                            0};
    lc_files files;
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    return rc == LC_UI_GO ? upstream_run(&r) : rc;
}
