/* verb_status.c - `leafcutter status`: what the daemon of this machine is doing. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../board/linux/config.h"
#include "../board/linux/status.h"
#include "ui.h"
#include "verbs.h"

#define DEFAULT_SOCKET "/run/leafcutter/status.sock"

typedef struct request {
    const char *socket, *config;
    bool json, metrics;
} request;

/* ---- where to ask ---- */

/* --socket, else what the config says, else the usual place. LC_UI_GO or an exit code. */
static int socket_find(const request *r, char path[LC_CONFIG_PATH_MAX])
{
    static lc_config config;
    static lc_json_diag diag;
    const char *file = lc_ui_config(r->config);
    snprintf(path, LC_CONFIG_PATH_MAX, "%s", r->socket ? r->socket : DEFAULT_SOCKET);
    if (r->socket) {
        return LC_UI_GO;
    }
    lc_err err = lc_config_read(file, &config, &diag);
    if (err != LC_OK && r->config) {
        return lc_ui_error(lc_err_exit(err), file, NULL, "%s", diag.text);
    }
    if (err == LC_OK && !config.status_socket[0]) {
        return lc_ui_error(LC_EXIT_BUSY, file, "set status.socket and start the daemon again",
                           "this daemon has no status socket");
    }
    if (err == LC_OK) {
        snprintf(path, LC_CONFIG_PATH_MAX, "%s", config.status_socket);
    }
    return LC_UI_GO;
}

static int status_ask(const char *path, const char *page, char *text, uint32_t max, uint32_t *bytes)
{
    lc_err err = lc_status_read(path, page, text, max, bytes);
    if (err == LC_OK) {
        return LC_UI_GO;
    }
    if (err == LC_ERR_NOT_FOUND) {
        return lc_ui_error(LC_EXIT_BUSY, path,
                           "systemctl status leafcutterd, or name its socket "
                           "with --socket",
                           "no daemon listens there");
    }
    return lc_ui_error(LC_EXIT_BUSY, path, NULL, "cannot ask the daemon: %s", strerror(errno));
}

/* ---- for people ---- */

static const cJSON *part(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* 0 for what is not there: a daemon of another version may say less. */
static unsigned long long number(const cJSON *object, const char *key)
{
    return (unsigned long long)lc_json_real(object, key, 0.0);
}

static double pair(const cJSON *object, const char *key, int i)
{
    const cJSON *item = cJSON_GetArrayItem(part(object, key), i);
    return cJSON_IsNumber(item) ? item->valuedouble : 0.0;
}

static void who_print(const cJSON *s)
{
    unsigned long long up = number(s, "up_s");
    const cJSON *bytes = part(s, "bytes");
    double seconds = up > 0 ? (double)up : 1.0;
    printf("device    %s, started %llu time%s, up %llu d %02llu:%02llu:%02llu, clock %s\n",
           lc_json_text(s, "dev", "?"), number(s, "boot"), number(s, "boot") == 1 ? "" : "s",
           up / 86400, up / 3600 % 24, up / 60 % 60, up % 60, lc_json_text(s, "tq", "?"));
    printf("program   %s, kernels %s, %llu thread%s, %.1f MB resident, %.1f %% of a core, "
           "%.1f wakeups/s\n",
           lc_json_text(s, "sw", "?"), lc_json_text(s, "level", "?"), number(s, "threads"),
           number(s, "threads") == 1 ? "" : "s", lc_json_real(bytes, "rss", 0.0) / 1048576.0,
           lc_json_real(s, "cpu_ms", 0.0) / seconds / 10.0,
           lc_json_real(s, "wakeups", 0.0) / seconds);
    printf("job       %s %llu\n", lc_json_text(s, "job", "?"), number(s, "ver"));
    printf("inputs   ");
    for (int i = 0; i < cJSON_GetArraySize(part(s, "src")); i++) {
        const cJSON *name = cJSON_GetArrayItem(part(s, "src"), i);
        printf("%s %s", i > 0 ? "," : "", cJSON_IsString(name) ? name->valuestring : "?");
    }
    putchar('\n');
}

static void traffic_print(const cJSON *s)
{
    const cJSON *link = part(s, "link"), *lines = part(s, "lines"), *made = part(s, "records");
    const cJSON *bytes = part(s, "bytes"), *journal = part(s, "journal");
    printf("link      %s (MQTT %s) to %s, %llu connection%s, %llu lost\n",
           lc_json_text(link, "state", "?"), lc_json_text(link, "mqtt", "?"),
           lc_json_text(s, "broker", "?"), number(link, "ups"), number(link, "ups") == 1 ? "" : "s",
           number(link, "downs"));
    printf("lines     %llu in, %llu lost, %llu waiting\n", number(lines, "in"),
           number(lines, "lost"), number(lines, "waiting"));
    printf("records   %llu: %llu accept, %llu escalate, %llu defer, %llu reject\n",
           number(made, "made"), number(made, "accept"), number(made, "escalate"),
           number(made, "defer"), number(made, "reject"));
    printf("queue     %llu waiting, %llu dropped, %llu messages in flight (most %llu), outbox at "
           "most %.0f of %.0f KB\n",
           number(made, "waiting"), number(made, "dropped"), number(link, "flying"),
           number(link, "flying_peak"), pair(bytes, "outbox", 0) / 1024.0,
           pair(bytes, "outbox", 1) / 1024.0);
    printf("journal   %s, %.1f KB to deliver, by the word of the %s; %llu commits\n",
           lc_json_text(journal, "state", "?"), lc_json_real(journal, "bytes", 0.0) / 1024.0,
           strcmp(lc_json_text(journal, "ack", "?"), "e2e") == 0 ? "collector" : "broker",
           number(journal, "commits"));
    printf("gaps      %llu stated; %llu messages refused, %llu without a receiver\n",
           number(s, "gaps"), number(link, "refused"), number(link, "unheard"));
}

/* "today     2026-11-20: 120 lines, rules 4, head 116, all answered here; ..." */
static void day_print(const cJSON *s, const char *key, const char *name)
{
    static const char *const stages[] = {"rules", "head", "label_score", "other"};
    const cJSON *day = part(s, key);
    if (!cJSON_IsObject(day)) {
        return;
    }
    printf("%-9s %s%s%llu lines", name, lc_json_text(day, "date", ""),
           lc_json_text(day, "date", "")[0] ? ": " : "", number(day, "lines"));
    for (size_t i = 0; i < LC_COUNT(stages); i++) {
        if (number(day, stages[i]) > 0) {
            printf(", %s %llu", stages[i], number(day, stages[i]));
        }
    }
    printf("; %.1f %% stayed here; %.1f s of CPU\n", lc_json_real(day, "local_share", 1.0) * 100.0,
           lc_json_real(day, "cpu_ms", 0.0) / 1000.0);
    if (number(day, "calls") > 0) {
        printf("          upstream %llu calls, %llu bytes, %llu tokens, cost %.4f\n",
               number(day, "calls"), number(day, "sent"), number(day, "tokens"),
               lc_json_real(day, "money", 0.0));
    }
    if (part(day, "energy_wh")) {
        printf("          about %.1f Wh by the board, %.2f of it by this program (estimates)\n",
               lc_json_real(day, "energy_wh", 0.0), lc_json_real(day, "energy_cpu_wh", 0.0));
    }
}

static void times_print(const char *name, const cJSON *times)
{
    printf("%-9s p50 %llu, p95 %llu, p99 %llu, most %llu ms, of %llu lines\n", name,
           number(times, "p50"), number(times, "p95"), number(times, "p99"), number(times, "max"),
           number(times, "n"));
}

/* Only when there is something to tell. */
static void pace_print(const cJSON *board)
{
    const char *pace = lc_json_text(board, "pace", "full");
    if (strcmp(pace, "full") != 0) {
        printf("pace      %s: the board is near its limits (%.1f C), %.1f s of pauses so far\n",
               pace, lc_json_real(board, "temp_c", 0.0),
               lc_json_real(board, "rested_ms", 0.0) / 1000.0);
    }
}

static void status_print(const cJSON *s)
{
    const cJSON *bytes = part(s, "bytes");
    who_print(s);
    traffic_print(s);
    times_print("latency", part(s, "latency_ms"));
    times_print("inference", part(s, "inference_ms"));
    pace_print(part(s, "board"));
    day_print(s, "day", "today");
    day_print(s, "yesterday", "yesterday");
    printf("late      %llu lines over their deadline, %llu failed\n", number(s, "deadlines"),
           number(s, "failed"));
    printf("arenas    state %.0f of %.0f KB, scratch %.0f of %.0f KB\n",
           pair(bytes, "state", 0) / 1024.0, pair(bytes, "state", 1) / 1024.0,
           pair(bytes, "scratch", 0) / 1024.0, pair(bytes, "scratch", 1) / 1024.0);
}

/* ---- the verb ---- */

static int status_run(const request *r)
{
    static char text[LC_STATUS_BYTES_MAX];
    static lc_json_diag diag;
    char path[LC_CONFIG_PATH_MAX];
    uint32_t bytes = 0;
    cJSON *tree = NULL;
    int rc = socket_find(r, path);
    if (rc == LC_UI_GO) {
        const char *page = r->metrics ? LC_STATUS_METRICS : LC_STATUS_PAGE;
        rc = status_ask(path, page, text, sizeof text, &bytes);
    }
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (r->metrics) {
        if (strncmp(text, "# HELP ", 7) != 0) {
            return lc_ui_error(LC_EXIT_REJECTED, path, NULL, "what answers there has no metrics");
        }
        fputs(text, stdout);
        return LC_EXIT_OK;
    }
    if (lc_json_parse(text, bytes, 0, &tree, &diag) != LC_OK || !cJSON_IsObject(tree)) {
        cJSON_Delete(tree);
        return lc_ui_error(LC_EXIT_REJECTED, path, NULL, "what answers there is no daemon of ours");
    }
    if (r->json) {
        text[strcspn(text, "\r\n")] = '\0';
        puts(text);
    } else {
        status_print(tree);
    }
    cJSON_Delete(tree);
    return LC_EXIT_OK;
}

int lc_verb_status(int argc, char **argv)
{
    request r = {0};
    const lc_opt options[] = {
        {"socket", "PATH", LC_OPT_TEXT, &r.socket, "default: as the config says"},
        LC_OPT_ROW_CONFIG(&r.config),
        {"metrics", NULL, LC_OPT_FLAG, &r.metrics, "as Prometheus reads it"},
        LC_OPT_ROW_JSON(&r.json),
    };
    const lc_usage usage = {
        "status", "", "What the daemon of this machine is doing.", options, LC_COUNT(options), 0};
    lc_files files;
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    if (rc == LC_UI_GO && r.json && r.metrics) {
        rc = lc_ui_error(LC_EXIT_USAGE, NULL, NULL, "--json or --metrics, one of them");
    }
    return rc == LC_UI_GO ? status_run(&r) : rc;
}
