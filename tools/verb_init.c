/* verb_init.c - `leafcutter init`: a first config, asked for or from options, with comments.
 *
 * What is written is read back by the daemon's own reader first, so it is never refused later.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../board/linux/config_table.h"
#include "ui.h"
#include "verbs.h"

#define ANSWER_BYTES_MAX 2048u

/* The answers; each a text of its own so that asking can overwrite it. */
typedef struct answers {
    char id[ANSWER_BYTES_MAX];
    char broker[ANSWER_BYTES_MAX];
    char inputs[ANSWER_BYTES_MAX]; /* as --input has it */
    char job[ANSWER_BYTES_MAX];
    char user[ANSWER_BYTES_MAX], password_file[ANSWER_BYTES_MAX];
    char ca[ANSWER_BYTES_MAX], cert[ANSWER_BYTES_MAX], key[ANSWER_BYTES_MAX];
    char storage[ANSWER_BYTES_MAX + 16], socket[ANSWER_BYTES_MAX + 32];
} answers;

typedef struct request {
    const char *dir, *broker, *input, *job, *id, *user, *password_file, *ca, *cert, *key;
    bool yes, force, json;
} request;

/* ---- writing JSON with comments ---- */

typedef struct writer {
    FILE *to;
    uint32_t depth;
    bool filled; /* the object that is open has a key already */
} writer;

static void line_begin(writer *w)
{
    fprintf(w->to, "%s\n%*s", w->filled ? "," : "", (int)(2 * w->depth), "");
    w->filled = true;
}

/* The table's text for this key above it, then the key itself. */
static void key_begin(writer *w, const char *path, const char *name)
{
    const lc_config_row *row = lc_config_row_find(path);
    lc_assert(row != NULL);
    line_begin(w);
    fprintf(w->to, "// %s", row->about);
    if (row->words) {
        fprintf(w->to, ": %s", row->words);
    }
    fprintf(w->to, "\n%*s\"%s\": ", (int)(2 * w->depth), "", name);
}

static void box_open(writer *w, const char *path, const char *name, char bracket)
{
    key_begin(w, path, name);
    fputc(bracket, w->to);
    w->depth++;
    w->filled = false;
}

static void box_close(writer *w, char bracket)
{
    w->depth--;
    fprintf(w->to, "\n%*s%c", (int)(2 * w->depth), "", bracket);
    w->filled = true;
}

static void text_put(writer *w, const char *path, const char *name, const char *text)
{
    key_begin(w, path, name);
    lc_ui_json_string(w->to, text, strlen(text));
}

/* The daemon runs in another folder than the person who types this. Every field is longer than the
 * config takes, so that a path too long is refused there instead of cut here. */
static void path_set(char *out, size_t max, const char *path)
{
    char here[PATH_MAX];
    if (!path || !path[0] || path[0] == '/' || !getcwd(here, sizeof here)) {
        snprintf(out, max, "%s", path ? path : "");
        return;
    }
    snprintf(out, max, "%.1000s/%.1000s", here, strncmp(path, "./", 2) == 0 ? path + 2 : path);
}

/* ---- inputs: "stdin", "fifo:PATH", "serial:PATH@BAUD", "mqtt:TOPIC", with commas between ---- */

/* One of --input; text is cut into its parts. False when it is none of the known kinds. */
static bool input_put(writer *w, char *text)
{
    uint32_t kind;
    const lc_config_row *row = lc_config_row_find("inputs[].source");
    char *rest = strchr(text, ':'), *baud = NULL;
    if (rest) {
        *rest++ = 0;
    }
    if (!lc_config_word_find(row->words, text, &kind)) {
        return false;
    }
    kind += row->first;
    if (kind == LC_INPUT_SERIAL && rest && (baud = strrchr(rest, '@')) != NULL) {
        *baud++ = 0;
    }
    line_begin(w);
    fprintf(w->to, "{\"source\": \"%s\"", text);
    if (rest) {
        char path[ANSWER_BYTES_MAX];
        bool topic = kind == LC_INPUT_MQTT;
        path_set(path, sizeof path, topic ? NULL : rest);
        fprintf(w->to, ", \"%s\": ", topic ? "topic" : "path");
        lc_ui_json_string(w->to, topic ? rest : path, strlen(topic ? rest : path));
    }
    if (baud) {
        char *end;
        unsigned long speed = strtoul(baud, &end, 10);
        fprintf(w->to, ", \"baud\": %lu", *baud && !*end ? speed : 0ul);
    }
    fputc('}', w->to);
    return true;
}

static bool inputs_put(writer *w, const char *list)
{
    char copy[ANSWER_BYTES_MAX];
    bool known = true;
    snprintf(copy, sizeof copy, "%s", list);
    for (char *at = copy, *next; at && *at; at = next) {
        next = strchr(at, ',');
        if (next) {
            *next++ = 0;
        }
        known = input_put(w, at) && known;
    }
    return known;
}

/* ---- the file ---- */

static void broker_put(writer *w, const answers *a)
{
    box_open(w, "broker", "broker", '{');
    text_put(w, "broker.url", "url", a->broker);
    if (a->user[0]) {
        text_put(w, "broker.user", "user", a->user);
    }
    text_put(w, "broker.password_file", "password_file", a->password_file);
    if (strncmp(a->broker, "mqtts:", 6) == 0) {
        box_open(w, "broker.tls", "tls", '{');
        text_put(w, "broker.tls.ca", "ca", a->ca);
        text_put(w, "broker.tls.cert", "cert", a->cert);
        text_put(w, "broker.tls.key", "key", a->key);
        box_close(w, '}');
    }
    box_close(w, '}');
}

static bool config_put(FILE *to, const answers *a)
{
    writer w = {.to = to, .depth = 1};
    fputs("// Written by `leafcutter init`. `leafcutterd --help-config` lists every key.\n{", to);
    key_begin(&w, "version", "version");
    fputc('1', to);
    box_open(&w, "device", "device", '{');
    text_put(&w, "device.id", "id", a->id);
    box_close(&w, '}');
    broker_put(&w, a);
    text_put(&w, "topic_root", "topic_root", "leafcutter/v1");
    box_open(&w, "inputs", "inputs", '[');
    bool known = inputs_put(&w, a->inputs);
    box_close(&w, ']');
    text_put(&w, "job", "job", a->job);
    box_open(&w, "storage", "storage", '{');
    text_put(&w, "storage.path", "path", a->storage);
    box_close(&w, '}');
    box_open(&w, "status", "status", '{');
    text_put(&w, "status.socket", "socket", a->socket);
    box_close(&w, '}');
    box_open(&w, "log", "log", '{');
    text_put(&w, "log.level", "level", "info");
    box_close(&w, '}');
    fputs("\n}\n", to);
    return known;
}

/* The config as text, which the caller frees, read by the daemon's reader. NULL: diag says why. */
static char *config_render(const answers *a, size_t *bytes, lc_json_diag *diag)
{
    static lc_config config;
    char *text = NULL;
    FILE *memory = open_memstream(&text, bytes);
    lc_err err = LC_OK;
    if (!memory) {
        lc_json_fail(diag, LC_ERR_ARENA, "", "out of memory");
        return NULL;
    }
    if (!config_put(memory, a)) {
        err = lc_json_fail(diag, LC_ERR_FORMAT, "inputs",
                           "stdin, file:PATH, fifo:PATH, serial:PATH@BAUD or mqtt:TOPIC, with "
                           "commas between");
    }
    if (fclose(memory) != 0 && err == LC_OK) {
        err = lc_json_fail(diag, LC_ERR_ARENA, "", "out of memory");
    }
    if (err == LC_OK) {
        err = lc_config_parse(text, *bytes, &config, diag);
    }
    if (err != LC_OK) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- defaults ---- */

/* The host's name in the letters of device ids. */
static void id_default(char *out, size_t max)
{
    char host[64] = "";
    size_t used = 0;
    gethostname(host, sizeof host - 1);
    for (const char *c = host; *c && *c != '.' && used + 1 < max && used < LC_DEVICE_BYTES_MAX;
         c++) {
        char lower = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
        bool fits = (lower >= 'a' && lower <= 'z') || (lower >= '0' && lower <= '9');
        if (fits || (used > 0 && lower == '-')) {
            out[used++] = lower;
        }
    }
    out[used] = 0;
    if (used == 0) {
        snprintf(out, max, "device");
    }
}

/* As root the folders of the systemd unit; else everything stays in the config's folder. */
static void folders_set(answers *a, const char *dir)
{
    if (geteuid() == 0 && strcmp(dir, "/etc/leafcutter") == 0) {
        snprintf(a->storage, sizeof a->storage, "/var/lib/leafcutter");
        snprintf(a->socket, sizeof a->socket, "/run/leafcutter/status.sock");
        return;
    }
    path_set(a->storage, ANSWER_BYTES_MAX, dir);
    size_t bytes = strlen(a->storage);
    while (bytes > 1 && (a->storage[bytes - 1] == '/' || a->storage[bytes - 1] == '.')) {
        a->storage[--bytes] = 0; /* "DIR/." of the default "." */
    }
    snprintf(a->storage + bytes, sizeof a->storage - bytes, "/state");
    const lc_config_row *row = lc_config_row_find("status.socket");
    int written = snprintf(a->socket, sizeof a->socket, "%s/status.sock", a->storage);
    if (written < 0 || (double)written > row->max) { /* a socket's path is short: then none */
        a->socket[0] = 0;
    }
}

static void answers_default(answers *a, const request *r)
{
    const char *broker = r->broker ? r->broker : getenv("LEAFCUTTER_BROKER");
    bool service = strcmp(r->dir, "/etc/leafcutter") == 0;
    *a = (answers){0};
    folders_set(a, r->dir);
    if (r->id) {
        snprintf(a->id, sizeof a->id, "%s", r->id);
    } else {
        id_default(a->id, sizeof a->id);
    }
    snprintf(a->broker, sizeof a->broker, "%s", broker ? broker : "mqtt://127.0.0.1:1883");
    snprintf(a->inputs, sizeof a->inputs, "%s",
             r->input ? r->input : (service ? "fifo:/run/leafcutter/in" : "stdin"));
    path_set(a->job, sizeof a->job, r->job);
    snprintf(a->user, sizeof a->user, "%s", r->user ? r->user : "");
    path_set(a->password_file, sizeof a->password_file, r->password_file);
    path_set(a->ca, sizeof a->ca, r->ca);
    path_set(a->cert, sizeof a->cert, r->cert);
    path_set(a->key, sizeof a->key, r->key);
}

/* ---- asking ---- */

/* One question on the terminal; an empty answer keeps what stands there. Asks again until the
 * daemon's reader takes it. False at the end of input. */
static bool ask(answers *a, char *answer, const char *question, const char *none)
{
    static lc_json_diag diag;
    char line[ANSWER_BYTES_MAX], kept[ANSWER_BYTES_MAX];
    size_t bytes;
    snprintf(kept, sizeof kept, "%s", answer);
    for (;;) {
        fprintf(stderr, "%s [%s]: ", question, kept[0] ? kept : none);
        if (!fgets(line, sizeof line, stdin)) {
            return false;
        }
        line[strcspn(line, "\r\n")] = 0;
        snprintf(answer, ANSWER_BYTES_MAX, "%s", line[0] ? line : kept);
        char *text = config_render(a, &bytes, &diag);
        if (text) {
            free(text);
            return true;
        }
        fprintf(stderr, "  %s\n", diag.text);
        snprintf(answer, ANSWER_BYTES_MAX, "%s", kept);
    }
}

static bool answers_ask(answers *a)
{
    if (!ask(a, a->id, "Name of this device", "") || !ask(a, a->broker, "MQTT broker", "") ||
        !ask(a, a->inputs, "Lines come from (stdin, fifo:PATH, serial:PATH@BAUD, mqtt:TOPIC)",
             "none") ||
        !ask(a, a->job, "Job, a .leaf or .json file", "the shipped one")) {
        return false;
    }
    char path[ANSWER_BYTES_MAX];
    path_set(path, sizeof path, a->job);
    snprintf(a->job, sizeof a->job, "%s", path);
    return true;
}

/* ---- the verb ---- */

static int folder_make(const char *dir)
{
    if (mkdir(dir, 0755) == 0 || errno == EEXIST) {
        return LC_UI_GO;
    }
    return lc_ui_error(LC_EXIT_BOARD, dir, NULL, "cannot make the folder: %s", strerror(errno));
}

static void result_print(const request *r, const answers *a, const char *path)
{
    if (r->json) {
        char next[PATH_MAX + 32];
        lc_emit e;
        snprintf(next, sizeof next, "leafcutterd --config %s", path);
        lc_emit_init(&e, stdout);
        lc_emit_open(&e, NULL, '{');
        lc_emit_text(&e, "config", path);
        lc_emit_text(&e, "device", a->id);
        lc_emit_text(&e, "broker", a->broker);
        lc_emit_text(&e, "next", next);
        lc_emit_close(&e);
        return;
    }
    printf("%s is written: device %s, broker %s, lines from %s.\n", path, a->id, a->broker,
           a->inputs[0] ? a->inputs : "dn/text only");
    printf("Next, see whether broker and inputs are there:\n\n  leafcutter doctor --config %s\n\n"
           "and start it:\n\n  leafcutterd --config %s\n",
           path, path);
}

static int init_run(const request *r)
{
    static answers a;
    static lc_json_diag diag;
    char path[PATH_MAX];
    size_t bytes;
    snprintf(path, sizeof path, "%s%sconfig.json", r->dir, lc_ui_ends_with(r->dir, "/") ? "" : "/");
    if (!r->force && access(path, F_OK) == 0) {
        return lc_ui_error(LC_EXIT_BOARD, path, "--force writes over it", "is there already");
    }
    answers_default(&a, r);
    if (!r->yes && isatty(STDIN_FILENO) == 1 && !answers_ask(&a)) {
        fputc('\n', stderr);
        return lc_ui_error(LC_EXIT_USAGE, NULL, "--yes takes the defaults", "no answer");
    }
    char *text = config_render(&a, &bytes, &diag);
    if (!text) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "leafcutter init --help", "%s", diag.text);
    }
    if (a.job[0] && access(a.job, R_OK) != 0) {
        fprintf(stderr, "note: %s cannot be read yet: %s\n", a.job, strerror(errno));
    }
    int rc = folder_make(r->dir);
    if (rc == LC_UI_GO) {
        rc = lc_ui_write(path, text, bytes);
    }
    free(text);
    if (rc != LC_UI_GO) {
        return rc;
    }
    result_print(r, &a, path);
    return LC_EXIT_OK;
}

int lc_verb_init(int argc, char **argv)
{
    request r = {.dir = "."};
    const lc_opt options[] = {
        {"dir", "DIR", LC_OPT_TEXT, &r.dir, "folder for config.json (default: this one)"},
        {"yes", NULL, LC_OPT_FLAG, &r.yes, "ask nothing: defaults and options"},
        {"force", NULL, LC_OPT_FLAG, &r.force, "write over a config that is there"},
        {"id", "ID", LC_OPT_TEXT, &r.id, "name of this device (default: of the host)"},
        {"broker", "URL", LC_OPT_TEXT, &r.broker, "mqtt://host:port or mqtts://host:port"},
        {"input", "LIST", LC_OPT_TEXT, &r.input,
         "stdin,file:PATH,fifo:PATH,serial:PATH@BAUD,mqtt:TOPIC"},
        {"job", "FILE", LC_OPT_TEXT, &r.job, "bundle or job file (default: the shipped job)"},
        {"user", "NAME", LC_OPT_TEXT, &r.user, "of the broker (default: the device's name)"},
        {"password-file", "FILE", LC_OPT_TEXT, &r.password_file, "file that holds the password"},
        {"ca", "FILE", LC_OPT_TEXT, &r.ca, "mqtts: who signed the broker's certificate"},
        {"cert", "FILE", LC_OPT_TEXT, &r.cert, "mqtts: this device's certificate"},
        {"key", "FILE", LC_OPT_TEXT, &r.key, "mqtts: and its key"},
        LC_OPT_ROW_JSON(&r.json),
    };
    const lc_usage usage = {"init",
                            "",
                            "Writes a first config for the daemon, asking for what matters.",
                            options,
                            LC_COUNT(options),
                            0};
    lc_files files;
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    return rc == LC_UI_GO ? init_run(&r) : rc;
}
