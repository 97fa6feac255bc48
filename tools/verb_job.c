/* verb_job.c - `leafcutter job`: checks a job file, compiles it to a bundle. */
#include <string.h>

#include "../board/linux/job_json.h"
#include "ui.h"
#include "verbs.h"

typedef struct request {
    const char *path;
    const char *out; /* NULL: only check */
    bool json;
} request;

/* What a bundle holds, read back from it: what was built is also what opens. */
typedef struct summary {
    char root[2 * 32 + 1];
    size_t bytes;
    uint32_t packs;
} summary;

static int build(const request *r, lc_buf *bundle, summary *sum)
{
    static lc_pack_name pack[LC_JOB_OBJECTS_MAX];
    static lc_json_diag diag;
    const lc_job_build_options options = {.pack = pack, .pack_count = &sum->packs};
    char folder[PATH_MAX] = ".";
    const char *slash = strrchr(r->path, '/');
    lc_map file;
    int rc = lc_ui_map(r->path, &file);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (slash != NULL && (size_t)(slash - r->path) + 2 <= sizeof folder) {
        memcpy(folder, r->path, (size_t)(slash - r->path) + 1);
        folder[slash - r->path + 1] = '\0';
    }
    lc_err err = lc_job_build((const char *)file.data, file.bytes, folder, &options, bundle, &diag);
    lc_map_close(&file);
    return err == LC_OK ? LC_UI_GO : lc_ui_error(lc_err_exit(err), r->path, NULL, "%s", diag.text);
}

static int summarise(const request *r, const lc_buf *bundle, summary *sum)
{
    static const char digit[] = "0123456789abcdef";
    lc_leaf leaf;
    lc_diag diag = {0};
    if (lc_leaf_open(bundle->data, bundle->bytes, &leaf, &diag) != LC_OK) {
        return lc_ui_diag(r->path, &diag, NULL);
    }
    for (size_t i = 0; i < 32; i++) {
        sum->root[2 * i] = digit[leaf.root[i] >> 4];
        sum->root[2 * i + 1] = digit[leaf.root[i] & 15];
    }
    sum->bytes = bundle->bytes;
    return LC_UI_GO;
}

static void print(const request *r, const summary *sum)
{
    if (r->json) {
        lc_emit e;
        lc_emit_init(&e, stdout);
        lc_emit_open(&e, NULL, '{');
        lc_emit_bool(&e, "ok", true);
        lc_emit_text(&e, "root", sum->root);
        lc_emit_u64(&e, "bytes", sum->bytes);
        lc_emit_u64(&e, "packs", sum->packs);
        lc_emit_close(&e);
    } else if (r->out != NULL) {
        printf("%s: %zu bytes, %.8s\n", r->out, sum->bytes, sum->root);
    } else {
        printf("%s: ok\n", r->path);
    }
}

static int job_run(const request *r)
{
    lc_buf bundle = {0};
    summary sum = {.packs = 0};
    int rc = build(r, &bundle, &sum);
    if (rc == LC_UI_GO) {
        rc = summarise(r, &bundle, &sum);
    }
    if (rc == LC_UI_GO && r->out != NULL) {
        rc = lc_ui_write(r->out, bundle.data, bundle.bytes);
    }
    lc_buf_free(&bundle);
    if (rc != LC_UI_GO) {
        return rc;
    }
    print(r, &sum);
    return LC_EXIT_OK;
}

int lc_verb_job(int argc, char **argv)
{
    request r = {0};
    const lc_opt options[] = {
        {"o", "OUT.leaf", LC_OPT_TEXT, &r.out, "build: the bundle to write"},
        LC_OPT_ROW_JSON(&r.json),
    };
    const lc_usage usage = {"job",
                            "check|build FILE.json",
                            "`job check` says what is wrong with a job file and where, `job build` "
                            "compiles it.",
                            options,
                            LC_COUNT(options),
                            2};
    lc_files files;
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    if (rc != LC_UI_GO) {
        return rc;
    }
    const char *what = files.count > 0 ? files.path[0] : "";
    bool builds = strcmp(what, "build") == 0;
    if (strcmp(what, "new") == 0) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "write a job file and compile it with `job build`",
                           "job new: not in this version");
    }
    if (!builds && strcmp(what, "check") != 0) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "leafcutter job --help",
                           "job wants check or build");
    }
    if (files.count != 2 || builds != (r.out != NULL)) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, NULL,
                           builds ? "job build wants FILE.json -o OUT.leaf"
                                  : "job check wants FILE.json");
    }
    r.path = files.path[1];
    return job_run(&r);
}
