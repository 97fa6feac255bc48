/* verb_collect.c - `leafcutter collect`: records what devices report; `collect forget` removes. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../board/linux/log.h"
#include "collect/recorder.h"
#include "verbs.h"

#define DAYS_MAX 36500u

typedef struct request {
    lc_recorder_options recorder;
    const char *dev, *before;
    char id[64];
} request;

static int forget_run(const request *r)
{
    static lc_held held;
    const lc_sink_kind *kind = lc_sink_of(r->recorder.out);
    uint64_t before = 0, removed = 0;
    lc_sink *sink;
    if (!kind) {
        return LC_EXIT_USAGE;
    }
    if ((!r->dev && !r->before) || (r->before && !lc_ui_time_read(r->before, &before))) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "--dev pi4-0017, --before 2026-11-20",
                           "forget what?");
    }
    if (access(r->recorder.out, R_OK) != 0) {
        return lc_ui_error(LC_EXIT_BOARD, r->recorder.out, NULL, "is not there");
    }
    int rc = kind->open(r->recorder.out, &held, &sink);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (r->dev) {
        lc_held_forget(&held, r->dev);
    }
    bool good = kind->forget(sink, &held, before, r->dev, &removed);
    kind->close(sink);
    lc_held_forget(&held, NULL);
    if (r->recorder.json && good) {
        printf("{\"removed\":%llu}\n", (unsigned long long)removed);
    } else if (good) {
        printf("%llu items removed\n", (unsigned long long)removed);
    }
    return good ? LC_EXIT_OK : LC_EXIT_BOARD;
}

static int collect_run(request *r, const lc_files *files)
{
    char host[32] = "";
    if (!r->recorder.out) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "-o records.sqlite", "into which file?");
    }
    if (files->count > 0 && strcmp(files->path[0], "forget") == 0) {
        return forget_run(r);
    }
    if (files->count > 0 || r->dev || r->before || r->recorder.keep_days > DAYS_MAX) {
        return lc_ui_error(LC_EXIT_USAGE, files->count > 0 ? files->path[0] : NULL, NULL,
                           "only forget stands here; --dev and --before are its options; --keep "
                           "is at most %u",
                           DAYS_MAX);
    }
    if (!r->recorder.desk.id) { /* one name for ever: the broker keeps what comes meanwhile */
        (void)!gethostname(host, sizeof host - 1);
        snprintf(r->id, sizeof r->id, "leafcutter-collect-%s", host);
        r->recorder.desk.id = r->id;
    }
    int rc = lc_desk_defaults(&r->recorder.desk, "collect", r->id);
    return rc == LC_UI_GO ? lc_recorder_run(&r->recorder) : rc;
}

int lc_verb_collect(int argc, char **argv)
{
    static request r;
    r = (request){0};
    lc_recorder_options *o = &r.recorder;
    const lc_opt options[] = {
        {"o", "FILE", LC_OPT_TEXT, &o->out, "NAME.sqlite (or .db), or NAME.jsonl"},
        {"metrics", "PLACE", LC_OPT_TEXT, &o->metrics,
         "Prometheus text at [ADDR:]PORT, or in a file each 15 s"},
        {"keep", "DAYS", LC_OPT_U32, &o->keep_days, "older items are removed (default: never)"},
        {"dev", "NAME", LC_OPT_TEXT, &r.dev, "forget: all of this device"},
        {"before", "T", LC_OPT_TEXT, &r.before, "forget: what came before 2026-11-20[T08:30:00]"},
        LC_OPT_ROWS_DESK(&o->desk),
        LC_OPT_ROW_JSON(&o->json),
    };
    const lc_usage usage = {"collect",
                            "[forget]",
                            "Records what devices report, once each, and tells them what is kept.",
                            options,
                            LC_COUNT(options),
                            1};
    lc_files files;
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    return rc == LC_UI_GO ? collect_run(&r, &files) : rc;
}
