/* ledger.c - JSON lines, one write each, so that several workers may share a file. */
#include "ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../board/linux/json.h"
#include "../../board/linux/log.h"

#define LINE_MAX_BYTES 4096u

static void date_of(uint64_t ts_ms, char date[12])
{
    time_t seconds = (time_t)(ts_ms / 1000u);
    struct tm parts;
    if (!gmtime_r(&seconds, &parts) || strftime(date, 12, "%Y-%m-%d", &parts) == 0) {
        date[0] = '\0';
    }
}

static void day_add(lc_day *day, uint32_t tokens_in, uint32_t tokens_out, double cost)
{
    day->calls++;
    day->tokens_in += tokens_in;
    day->tokens_out += tokens_out;
    day->cost += cost;
}

double lc_price_of(const lc_price *price, uint32_t tokens_in, uint32_t tokens_out)
{
    return (price->in * tokens_in + price->out * tokens_out) / 1000.0;
}

int lc_ledger_open(lc_ledger *ledger, const char *path)
{
    *ledger = (lc_ledger){.fd = -1};
    if (!path) {
        return LC_UI_GO;
    }
    ledger->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    return ledger->fd >= 0
               ? LC_UI_GO
               : lc_ui_error(LC_EXIT_BOARD, path, NULL, "cannot open: %s", lc_log_reason(errno));
}

static void bill_write(int fd, const lc_bill *bill)
{
    char line[LINE_MAX_BYTES] = "";
    FILE *to = fmemopen(line, sizeof line, "w");
    lc_emit e;
    if (!to) {
        return;
    }
    lc_emit_init(&e, to);
    lc_emit_open(&e, NULL, '{');
    lc_emit_u64(&e, "ts", bill->ts);
    lc_emit_text(&e, "dev", bill->dev);
    lc_emit_text(&e, "id", bill->id);
    lc_emit_text(&e, "by", bill->by);
    lc_emit_text(&e, "st", bill->st);
    lc_emit_u64(&e, "in", bill->tokens_in);
    lc_emit_u64(&e, "out", bill->tokens_out);
    lc_emit_real(&e, "cost", bill->cost, 6);
    lc_emit_close(&e);
    fclose(to);
    size_t bytes = strlen(line);
    if (write(fd, line, bytes) != (ssize_t)bytes) {
        lc_log(LC_LOG_ERROR, "ledger: %s", lc_log_reason(errno));
    }
}

void lc_ledger_add(lc_ledger *ledger, const lc_bill *bill)
{
    char date[12];
    date_of(bill->ts, date);
    if (strcmp(date, ledger->today.date) != 0) {
        if (ledger->today.calls > 0) {
            lc_log(LC_LOG_NOTICE, "%s: %llu calls, cost %.4f", ledger->today.date,
                   (unsigned long long)ledger->today.calls, ledger->today.cost);
        }
        ledger->today = (lc_day){0};
        memcpy(ledger->today.date, date, sizeof date);
    }
    day_add(&ledger->today, bill->tokens_in, bill->tokens_out, bill->cost);
    ledger->calls++;
    ledger->cost += bill->cost;
    if (ledger->fd >= 0) {
        bill_write(ledger->fd, bill);
    }
}

void lc_ledger_close(lc_ledger *ledger)
{
    if (ledger->fd >= 0) {
        close(ledger->fd);
    }
    ledger->fd = -1;
}

/* ---- totals ---- */

static void day_print(const lc_day *day, bool json)
{
    lc_emit e;
    if (!json) {
        printf("%s  %6llu calls  %8llu tokens in  %8llu out  cost %.6f\n", day->date,
               (unsigned long long)day->calls, (unsigned long long)day->tokens_in,
               (unsigned long long)day->tokens_out, day->cost);
        return;
    }
    lc_emit_init(&e, stdout);
    lc_emit_open(&e, NULL, '{');
    lc_emit_text(&e, "day", day->date);
    lc_emit_u64(&e, "calls", day->calls);
    lc_emit_u64(&e, "in", day->tokens_in);
    lc_emit_u64(&e, "out", day->tokens_out);
    lc_emit_real(&e, "cost", day->cost, 6);
    lc_emit_close(&e);
}

static bool bill_read(const char *text, size_t bytes, char date[12], lc_day *one)
{
    cJSON *tree = NULL;
    bool good = lc_json_parse(text, bytes, 0, &tree, NULL) == LC_OK && cJSON_IsObject(tree);
    double ts = good ? lc_json_real(tree, "ts", -1.0) : -1.0;
    double in = lc_json_real(tree, "in", -1.0), out = lc_json_real(tree, "out", -1.0);
    good = ts >= 0 && ts < 9e15 && in >= 0 && in < 4e9 && out >= 0 && out < 4e9;
    *one = (lc_day){0};
    if (good) {
        date_of((uint64_t)ts, date);
        day_add(one, (uint32_t)in, (uint32_t)out, lc_json_real(tree, "cost", 0.0));
    }
    cJSON_Delete(tree);
    return good;
}

int lc_ledger_totals(const char *path, bool json)
{
    lc_lines lines;
    const char *text;
    size_t bytes;
    lc_day day = {0}, one;
    char date[12];
    uint64_t strange = 0;
    int rc = lc_lines_open(&lines, path, '\n', LINE_MAX_BYTES);
    if (rc != LC_UI_GO) {
        return rc;
    }
    while (lc_lines_next(&lines, &text, &bytes)) {
        if (bytes > LINE_MAX_BYTES || !bill_read(text, bytes, date, &one)) {
            strange++;
            continue;
        }
        if (day.calls > 0 && strcmp(date, day.date) != 0) {
            day_print(&day, json);
            day = (lc_day){0};
        }
        memcpy(day.date, date, sizeof date);
        day_add(&day, (uint32_t)one.tokens_in, (uint32_t)one.tokens_out, one.cost);
    }
    if (day.calls > 0) {
        day_print(&day, json);
    }
    if (strange > 0) {
        lc_log(LC_LOG_WARNING, "%s: %llu lines are none of a ledger", path,
               (unsigned long long)strange);
    }
    return lc_lines_close(&lines, path);
}
