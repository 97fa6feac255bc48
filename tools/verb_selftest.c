/* verb_selftest.c - `leafcutter selftest`: does every kernel level of this CPU give the same bits?
 */
#include <string.h>

#include "../board/linux/cpu.h"
#include "../board/linux/tasks.h"
#include "job_source.h"
#include "machine.h"
#include "model_file.h"
#include "selftest.h"
#include "session.h"
#include "verbs.h"

#ifndef LC_VERSION
#define LC_VERSION "unknown"
#endif

#define LEVELS_MAX 16u

typedef struct request {
    const char *model, *job, *level;
    uint32_t threads;
    bool json;
} request;

typedef struct test {
    const request *r;
    lc_pool pool;
    lc_map model; /* of --model; data NULL: none */
    lc_job_source job;
    bool has_job;
    const lc_kernels *level[LEVELS_MAX]; /* beside ref */
    uint32_t level_count;
    lc_machine machine;
    uint32_t networks, lines; /* compared */
    lc_difference first;
} test;

/* ---- what is tested ---- */

/* Every level that this CPU runs, or the one of --level; ref is what they are compared with. */
static int levels_choose(test *t)
{
    uint32_t features = lc_cpu_features();
    const lc_kernels *only = NULL;
    if (t->r->level) {
        int rc = lc_ui_level(t->r->level, &only);
        if (rc != LC_UI_GO) {
            return rc;
        }
    }
    for (uint32_t i = 1; i < lc_level_count() && t->level_count < LEVELS_MAX; i++) {
        const lc_kernels *k = lc_level_at(i);
        if ((k->needs & features) == k->needs && (!only || only == k)) {
            t->level[t->level_count++] = k;
        }
    }
    return LC_UI_GO;
}

/* The shipped job need not be there when a model is named. */
static int sources_open(test *t)
{
    const request *r = t->r;
    lc_object shipped;
    const char *path;
    if (r->model) {
        int rc = lc_model_file_open(r->model, NULL, &t->model);
        if (rc != LC_UI_GO) {
            return rc;
        }
    }
    if (r->model && !r->job) {
        lc_objects probe;
        lc_objects_init(&probe, NULL);
        bool found = lc_objects_shipped(&probe, &shipped, &path) == LC_OK;
        lc_objects_close(&probe);
        if (!found) {
            return LC_UI_GO;
        }
    }
    t->has_job = true; /* to be closed, even when it does not open */
    const lc_job_choice choice = {.job = r->job};
    return lc_job_source_open(&t->job, &choice);
}

/* ---- comparing ---- */

static int net_test(test *t, const char *name, const lc_object *pack)
{
    lc_selftest_net net;
    lc_diag diag = {0};
    lc_err err = lc_selftest_net_open(&net, pack, lc_pool_tasks(&t->pool), lc_level_at(0), &diag);
    if (err != LC_OK) {
        return lc_ui_diag(name, &diag, NULL);
    }
    for (uint32_t i = 0; i < t->level_count && !t->first.level && err == LC_OK; i++) {
        err = lc_selftest_net_compare(&net, t->level[i], &t->first, &diag);
    }
    lc_selftest_net_close(&net);
    t->networks++;
    return err == LC_OK ? LC_UI_GO : lc_ui_diag(name, &diag, NULL);
}

static int lines_test(test *t)
{
    lc_selftest_lines lines;
    lc_diag diag = {0};
    lc_err err = lc_selftest_lines_open(&lines, &t->job.bundle, &t->job.objects,
                                        lc_pool_tasks(&t->pool), lc_level_at(0), &diag);
    if (err != LC_OK) {
        return lc_ui_diag(t->job.name, &diag, NULL);
    }
    for (uint32_t i = 0; i < t->level_count && !t->first.level && err == LC_OK; i++) {
        err = lc_selftest_lines_compare(&lines, t->level[i], &t->first, &diag);
    }
    lc_selftest_lines_close(&lines);
    t->lines = lc_selftest_lines_count();
    return err == LC_OK ? LC_UI_GO : lc_ui_diag(t->job.name, &diag, NULL);
}

/* The networks of a job are those of its packs, which opening it has found. */
static lc_err packs_layout(void *ctx, lc_arenas *arenas, lc_diag *diag)
{
    test *t = ctx;
    lc_job *job;
    const lc_job_options options = {.kernels = lc_level_at(0), .tasks = lc_pool_tasks(&t->pool)};
    return lc_job_open(&t->job.bundle, lc_objects_find, &t->job.objects, &options, &arenas->state,
                       &arenas->scratch, &job, diag);
}

static int job_test(test *t)
{
    lc_memory memory;
    lc_diag diag = {0};
    if (lc_memory_open(&memory, packs_layout, t, &diag) != LC_OK) {
        return lc_ui_diag(t->job.name, &diag,
                          diag.err == LC_ERR_NOT_FOUND ? "put its pack beside the bundle" : NULL);
    }
    lc_memory_close(&memory);
    int rc = LC_UI_GO;
    for (uint32_t i = 0; i < t->job.objects.map_count && rc == LC_UI_GO; i++) {
        const lc_map *map = &t->job.objects.map[i];
        lc_object pack = {.data = map->data, .bytes = map->bytes};
        lc_leaf leaf;
        if (map->data != t->job.bundle.data &&
            lc_leaf_open(pack.data, pack.bytes, &leaf, &diag) == LC_OK) {
            rc = net_test(t, t->job.name, &pack);
        }
    }
    return rc == LC_UI_GO ? lines_test(t) : rc;
}

/* ---- the report ---- */

static void difference_json(lc_emit *e, const lc_difference *d)
{
    if (!d->level) {
        lc_emit_null(e, "first_difference");
        return;
    }
    bool record = strcmp(d->what, "record") == 0, run = strcmp(d->what, "run") == 0;
    lc_emit_open(e, "first_difference", '{');
    lc_emit_text(e, "level", d->level);
    lc_emit_text(e, "pass", d->pass);
    lc_emit_text(e, "what", d->what);
    if (run) {
        lc_emit_text(e, "error", lc_err_text(d->err));
    } else if (record) {
        lc_emit_u64(e, "line", d->token);
        lc_emit_u64(e, "byte", d->index);
    } else {
        lc_emit_u64(e, "layer", d->layer);
        lc_emit_u64(e, "token", d->token);
        lc_emit_u64(e, "index", d->index);
        lc_emit_real(e, "ref", (double)d->wanted, 9);
        lc_emit_real(e, "got", (double)d->got, 9);
    }
    lc_emit_close(e);
}

static void report_json(const test *t)
{
    const lc_machine *m = &t->machine;
    lc_emit e;
    lc_emit_init(&e, stdout);
    lc_emit_open(&e, NULL, '{');
    lc_emit_bool(&e, "ok", !t->first.level);
    lc_emit_text(&e, "version", LC_VERSION);
    lc_emit_text(&e, "compiler", __VERSION__);
    lc_emit_text(&e, "board", m->board);
    lc_emit_text(&e, "cpu", m->cpu);
    lc_emit_text(&e, "features", m->features);
    lc_emit_text(&e, "system", m->system);
    lc_emit_u64(&e, "threads", t->pool.count);
    lc_emit_open(&e, "levels", '[');
    lc_emit_text(&e, NULL, lc_level_at(0)->name);
    for (uint32_t i = 0; i < t->level_count; i++) {
        lc_emit_text(&e, NULL, t->level[i]->name);
    }
    lc_emit_close(&e);
    lc_emit_u64(&e, "networks", t->networks);
    lc_emit_u64(&e, "lines", t->lines);
    difference_json(&e, &t->first);
    lc_emit_close(&e);
}

static void difference_text(const lc_difference *d)
{
    if (!d->level) {
        printf("result     equal to ref, bit for bit\n");
    } else if (strcmp(d->what, "run") == 0) {
        printf("result     %s differs first: pass %s ends with: %s\n", d->level, d->pass,
               lc_err_text(d->err));
    } else if (strcmp(d->what, "record") == 0) {
        printf("result     %s differs first: the record of line %u, from byte %u\n", d->level,
               d->token, d->index);
    } else {
        printf("result     %s differs first: pass %s, token %u, %s", d->level, d->pass, d->token,
               d->what);
        if (strcmp(d->what, "layer") == 0) {
            printf(" %u", d->layer);
        }
        printf(", value %u: %.9g, by ref %.9g\n", d->index, (double)d->got, (double)d->wanted);
    }
}

static void report_text(const test *t)
{
    const lc_machine *m = &t->machine;
    printf("leafcutter %s\ncompiler   %s\n", LC_VERSION, __VERSION__);
    printf("board      %s\nCPU        %s\n", m->board[0] ? m->board : "unknown",
           m->cpu[0] ? m->cpu : "unknown");
    printf("features   %s\nsystem     %s\n", m->features[0] ? m->features : "none", m->system);
    printf("threads    %u\nlevels     %s", t->pool.count, lc_level_at(0)->name);
    for (uint32_t i = 0; i < t->level_count; i++) {
        printf(" %s", t->level[i]->name);
    }
    printf("\ncompared   %u network%s, %u lines\n", t->networks, t->networks == 1 ? "" : "s",
           t->lines);
    difference_text(&t->first);
}

/* ---- the verb ---- */

static int test_run(test *t)
{
    int rc = lc_session_threads(&t->pool, t->r->threads);
    if (rc == LC_UI_GO) {
        rc = levels_choose(t);
    }
    if (rc == LC_UI_GO) {
        rc = sources_open(t);
    }
    if (rc == LC_UI_GO && t->model.data) {
        const lc_object pack = {.data = t->model.data, .bytes = t->model.bytes};
        rc = net_test(t, t->r->model, &pack);
    }
    if (rc == LC_UI_GO && t->has_job && !t->first.level) {
        rc = job_test(t);
    }
    if (rc != LC_UI_GO) {
        return rc;
    }
    lc_machine_read(&t->machine);
    (t->r->json ? report_json : report_text)(t);
    return t->first.level ? LC_EXIT_INTERNAL : LC_EXIT_OK;
}

int lc_verb_selftest(int argc, char **argv)
{
    request r = {.threads = 1};
    const lc_opt options[] = {
        {"model", "FILE", LC_OPT_TEXT, &r.model, "a model to compare with, .leaf or .gguf"},
        {"job", "FILE", LC_OPT_TEXT, &r.job, "another job than the shipped one"},
        LC_OPT_ROW_THREADS(&r.threads),
        {"level", "NAME", LC_OPT_TEXT, &r.level, "only this level (default: all of this CPU)"},
        LC_OPT_ROW_JSON(&r.json),
    };
    const lc_usage usage = {"selftest",
                            "",
                            "Compares every kernel level of this CPU with plain C, layer by layer "
                            "and record by record.\nThe output is a report to attach.",
                            options,
                            LC_COUNT(options),
                            0};
    static test t;
    lc_files files;
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    if (rc != LC_UI_GO) {
        return rc;
    }
    t = (test){.r = &r};
    rc = test_run(&t);
    lc_pool_close(&t.pool);
    lc_map_close(&t.model);
    if (t.has_job) {
        lc_job_source_close(&t.job);
    }
    return rc;
}
