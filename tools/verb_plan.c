/* verb_plan.c - `leafcutter plan`: exact bytes for each arena, before anything is allocated. */
#include <string.h>
#include <unistd.h>

#include "model_file.h"
#include "plan.h"
#include "verbs.h"

typedef struct request {
    const char *path;
    const char *kv_name;
    uint32_t ctx, kv;
    uint64_t ram_mb; /* 0: what this machine has */
    bool header, json;
} request;

static bool is_bundle(const lc_map *file)
{
    lc_leaf leaf;
    return lc_leaf_open(file->data, file->bytes, &leaf, NULL) == LC_OK &&
           leaf.kind == LC_LEAF_BUNDLE;
}

static int plan_job(const request *r, lc_plan *plan)
{
    return r->kv_name == NULL ? lc_plan_job(r->path, r->ctx, r->kv, plan)
                              : lc_ui_error(LC_EXIT_USAGE, r->path, NULL,
                                            "--kv is for models: a job says it with its key kv");
}

static int plan_make(const request *r, lc_plan *plan)
{
    if (lc_ui_ends_with(r->path, ".json")) {
        return plan_job(r, plan);
    }
    lc_map file;
    lc_diag diag = {0};
    int rc = lc_model_file_open(r->path, NULL, &file);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (is_bundle(&file)) {
        rc = plan_job(r, plan);
    } else if (lc_plan_model(&file, r->ctx, r->kv, plan, &diag) != LC_OK) {
        rc = lc_ui_diag(r->path, &diag, NULL);
    }
    lc_map_close(&file);
    return rc;
}

static uint64_t ram_bytes(const request *r)
{
    if (r->ram_mb) {
        return r->ram_mb << 20;
    }
    long pages = sysconf(_SC_PHYS_PAGES), each = sysconf(_SC_PAGESIZE);
    return pages > 0 && each > 0 ? (uint64_t)pages * (uint64_t)each : 0;
}

static void print_json(const lc_plan *plan, uint64_t ram)
{
    lc_emit e;
    lc_emit_init(&e, stdout);
    lc_emit_open(&e, NULL, '{');
    lc_emit_u64(&e, "ctx", plan->ctx);
    lc_emit_open(&e, "arenas", '{');
    lc_emit_u64(&e, "model", plan->model);
    lc_emit_u64(&e, "state", plan->state);
    lc_emit_u64(&e, "scratch", plan->scratch);
    lc_emit_u64(&e, "io", plan->io);
    lc_emit_close(&e);
    if (plan->kv_bytes > 0) {
        lc_emit_open(&e, "kv", '{');
        lc_emit_text(&e, "kind", lc_ui_kv_name(plan->kv));
        lc_emit_u64(&e, "bytes", plan->kv_bytes);
        lc_emit_close(&e);
    }
    lc_emit_u64(&e, "total", plan->total);
    lc_emit_u64(&e, "ram", ram);
    lc_emit_bool(&e, "fits", plan->total <= ram);
    lc_emit_close(&e);
}

/* Static arrays of exactly these sizes are what a board without an operating system gives. */
static void print_header(const request *r, const lc_plan *plan)
{
    printf("/* Written by `leafcutter plan --header --ctx %u`. Align each arena to %u bytes. */\n"
           "#ifndef LC_PLAN_ARENAS_H\n#define LC_PLAN_ARENAS_H\n\n"
           "#define LC_PLAN_CTX %uu\n"
           "#define LC_PLAN_MODEL_BYTES %lluu /* files, in flash */\n"
           "#define LC_PLAN_STATE_BYTES %zuu\n"
           "#define LC_PLAN_SCRATCH_BYTES %zuu\n"
           "#define LC_PLAN_IO_BYTES %zuu\n\n#endif\n",
           r->ctx, LC_ARENA_ALIGN, plan->ctx, (unsigned long long)plan->model, plan->state,
           plan->scratch, plan->io);
}

static void print_table(const lc_plan *plan)
{
    char kv[80], tokens[32] = "";
    if (plan->ctx > 0) {
        snprintf(tokens, sizeof tokens, " of %u tokens", plan->ctx);
    }
    snprintf(kv, sizeof kv, "of state: keys and values%s as %s", tokens,
             plan->kv == LC_KV_AUTO ? "each model has them" : lc_ui_kv_name(plan->kv));
    const struct {
        const char *name, *holds;
        uint64_t bytes;
    } rows[] = {
        {"model", "files, mapped read-only", plan->model},
        {"state", "tables and KV cache, sealed after start", plan->state},
        {"  kv", kv, plan->kv_bytes},
        {"scratch", "one line at a time", plan->scratch},
        {"io", "one record", plan->io},
        {"total", "", plan->total},
    };
    const lc_column columns[] = {{"arena", 8, false}, {"bytes", 12, true}, {"holds", 0, false}};
    lc_table_head(stdout, columns, LC_COUNT(columns));
    for (size_t i = 0; i < LC_COUNT(rows); i++) {
        if (rows[i].holds == kv && plan->kv_bytes == 0) {
            continue;
        }
        char bytes[24];
        snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)rows[i].bytes);
        const char *cell[] = {rows[i].name, bytes, rows[i].holds};
        lc_table_row(stdout, columns, LC_COUNT(columns), cell);
    }
}

/* What is missing, and what would help. */
static int say_missing(const request *r, const lc_plan *plan, uint64_t ram)
{
    request narrow = *r;
    lc_plan other = {0};
    char remedy[128] = "a shorter --ctx or a smaller model needs less";
    narrow.kv = LC_KV_I8;
    narrow.kv_name = NULL;
    if (plan->kv_bytes > 0 && plan->kv != LC_KV_I8 && plan_make(&narrow, &other) == LC_UI_GO &&
        other.total <= ram) {
        snprintf(remedy, sizeof remedy, "it fits with %s: %llu bytes in all",
                 plan->job ? "\"kv\":\"i8\" in the job" : "--kv i8",
                 (unsigned long long)other.total);
    }
    return lc_ui_error(LC_EXIT_BOARD, r->path, remedy, "does not fit: %llu bytes are missing",
                       (unsigned long long)(plan->total - ram));
}

static int request_run(const request *r)
{
    lc_plan plan = {0};
    int rc = plan_make(r, &plan);
    if (rc != LC_UI_GO) {
        return rc;
    }
    uint64_t ram = ram_bytes(r);
    if (r->json) {
        print_json(&plan, ram);
    } else if (r->header) {
        print_header(r, &plan);
    } else {
        print_table(&plan);
    }
    if (plan.total <= ram) {
        return LC_EXIT_OK;
    }
    return say_missing(r, &plan, ram);
}

int lc_verb_plan(int argc, char **argv)
{
    request r = {0};
    const lc_opt options[] = {
        {"ctx", "N", LC_OPT_U32, &r.ctx, "tokens of context (default: the model's, at most 512)"},
        LC_OPT_ROW_KV(&r.kv_name),
        {"ram", "MB", LC_OPT_U64, &r.ram_mb, "memory of the board in MiB (default: of this one)"},
        {"header", NULL, LC_OPT_FLAG, &r.header, "a C header for a board without Linux"},
        LC_OPT_ROW_JSON(&r.json),
    };
    const lc_usage usage = {"plan",
                            "FILE",
                            "Prints the exact bytes a model or job needs, or how many are missing.",
                            options,
                            LC_COUNT(options),
                            1};
    lc_files files;
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (files.count != 1 || (r.header && (r.ram_mb || r.json)) || r.ram_mb > 1u << 24) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "leafcutter plan --help lists the options",
                           files.count != 1 ? "plan wants one file"
                                            : "--header stands alone; --ram is in MiB");
    }
    r.path = files.path[0];
    rc = lc_ui_kv(r.kv_name, &r.kv);
    return rc == LC_UI_GO ? request_run(&r) : rc;
}
