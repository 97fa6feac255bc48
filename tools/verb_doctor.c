/* verb_doctor.c - `leafcutter doctor`: what is wrong between sensor and broker, and the remedy. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor/doctor.h"
#include "verbs.h"

#define DEFAULT_BROKER "mqtt://127.0.0.1:1883"
#define WRAP_COLUMNS 100u

typedef struct request {
    const char *config, *broker, *user, *password_file, *ca;
    bool offline, json;
} request;

/* ---- the config, or what stands in for it ---- */

/* A config without a file: every default, so that the rest can be looked at. */
static void config_stand_in(lc_doctor *d)
{
    static const char text[] = "{\"version\":1,\"device\":{\"id\":\"doctor\"},"
                               "\"broker\":{\"url\":\"" DEFAULT_BROKER "\"}}";
    static lc_json_diag diag;
    lc_err err = lc_config_parse(text, sizeof text - 1, &d->config, &diag);
    lc_assert(err == LC_OK);
}

static void config_check(lc_doctor *d, const char *named)
{
    static lc_json_diag diag;
    const char *path = lc_ui_config(named);
    lc_err err = lc_config_read(path, &d->config, &diag);
    d->has_config = err == LC_OK;
    if (d->has_config) {
        lc_doctor_ok(d, "config", "%s, device %s", path, d->config.dev);
        return;
    }
    if (!named && err == LC_ERR_IO) {
        lc_doctor_warn(d, "config", "none: neither %s here nor %s", LC_UI_CONFIG_LOCAL,
                       LC_UI_CONFIG_SYSTEM);
        lc_doctor_remedy(d, "leafcutter init writes one");
    } else {
        lc_doctor_fail(d, lc_err_exit(err), "config", "%s: %s", path, diag.text);
        lc_doctor_remedy(d, err == LC_ERR_IO ? "leafcutter init writes one"
                                             : "leafcutterd --help-config lists every key");
    }
    config_stand_in(d);
}

static bool text_set(char *field, size_t max, const char *text)
{
    return !text || snprintf(field, max, "%s", text) < (int)max;
}

/* What the command line says comes before the environment, and that before the config. */
static bool options_apply(lc_doctor *d, const request *r)
{
    lc_config *c = &d->config;
    const char *broker = r->broker ? r->broker : getenv("LEAFCUTTER_BROKER");
    return text_set(c->url, sizeof c->url, broker) && text_set(c->user, sizeof c->user, r->user) &&
           text_set(c->password_file, sizeof c->password_file, r->password_file) &&
           text_set(c->ca, sizeof c->ca, r->ca);
}

/* ---- output ---- */

static const char *state_word(lc_check_state state)
{
    static const char *const word[] = {"ok", "warn", "fail"};
    return word[state];
}

static void report_json(const lc_doctor *d)
{
    lc_emit e;
    lc_emit_init(&e, stdout);
    lc_emit_open(&e, NULL, '{');
    lc_emit_bool(&e, "ok", lc_doctor_exit(d) == LC_EXIT_OK);
    lc_emit_open(&e, "checks", '[');
    for (uint32_t i = 0; i < d->count; i++) {
        const lc_check *check = &d->check[i];
        lc_emit_open(&e, NULL, '{');
        lc_emit_text(&e, "name", check->name);
        lc_emit_text(&e, "state", state_word(check->state));
        lc_emit_text(&e, "text", check->text);
        lc_emit_text(&e, "remedy", check->remedy);
        lc_emit_close(&e);
    }
    lc_emit_close(&e);
    lc_emit_close(&e);
}

/* Words of a text in lines of WRAP_COLUMNS, the following ones set in by `indent`. */
static void text_wrap(const char *text, unsigned indent)
{
    unsigned column = indent;
    while (*text) {
        unsigned word = (unsigned)strcspn(text, " ");
        if (column > indent && column + 1 + word > WRAP_COLUMNS) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        printf("%.*s", (int)word, text);
        column += word;
        text += word;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void report_text(const lc_doctor *d)
{
    uint32_t warnings = 0, failures = 0;
    for (uint32_t i = 0; i < d->count; i++) {
        const lc_check *check = &d->check[i];
        printf("%-4s  %-11s ", state_word(check->state), check->name);
        text_wrap(check->text, 18);
        if (check->remedy[0]) {
            printf("%16s> ", "");
            text_wrap(check->remedy, 18);
        }
        warnings += check->state == LC_CHECK_WARN;
        failures += check->state == LC_CHECK_FAIL;
    }
    printf("\n%u checks, %u warning%s, %u failure%s\n", d->count, warnings,
           warnings == 1 ? "" : "s", failures, failures == 1 ? "" : "s");
}

/* ---- the verb ---- */

static int doctor_run(const request *r)
{
    static lc_doctor d;
    d = (lc_doctor){0};
    config_check(&d, r->config);
    if (!options_apply(&d, r)) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, NULL, "an address or path is too long");
    }
    lc_doctor_job(&d);
    lc_doctor_kernels(&d);
    lc_doctor_clock(&d);
    lc_doctor_inputs(&d);
    lc_doctor_outputs(&d);
    if (d.has_config) {
        lc_doctor_storage(&d);
        lc_doctor_daemon(&d);
    }
    if (!r->offline) {
        lc_doctor_broker(&d);
    }
    (r->json ? report_json : report_text)(&d);
    return lc_doctor_exit(&d);
}

int lc_verb_doctor(int argc, char **argv)
{
    request r = {0};
    const lc_opt options[] = {
        LC_OPT_ROW_CONFIG(&r.config),
        {"broker", "URL", LC_OPT_TEXT, &r.broker, "another broker than the config's"},
        {"user", "NAME", LC_OPT_TEXT, &r.user, "another user of the broker"},
        {"password-file", "FILE", LC_OPT_TEXT, &r.password_file, "file that holds the password"},
        {"ca", "FILE", LC_OPT_TEXT, &r.ca, "mqtts: who signed the broker's certificate"},
        {"offline", NULL, LC_OPT_FLAG, &r.offline, "leave the broker alone"},
        LC_OPT_ROW_JSON(&r.json),
    };
    const lc_usage usage = {"doctor",
                            "",
                            "Checks job, board, inputs, clock and broker, and names remedies.\n"
                            "Warnings leave the exit code at 0; a failure gives 3 (config or job), "
                            "4 (board) or 5 (network).",
                            options,
                            LC_COUNT(options),
                            0};
    lc_files files;
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    return rc == LC_UI_GO ? doctor_run(&r) : rc;
}
