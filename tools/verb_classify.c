/* verb_classify.c - `leafcutter classify`: one record a line and task. */
#include <string.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "../board/linux/crypto.h"
#include "../runtime/leafcutter.h"
#include "classify_table.h"
#include "job_source.h"
#include "mark.h"
#include "session.h"
#include "verbs.h"

typedef struct request {
    lc_job_choice choice;
    const char *level, *input;
    uint32_t threads;
    bool json, table, raw;
} request;

#define TOGETHER 8u /* lines of one pass, when so many wait */

/* A job ready to run. */
typedef struct runner {
    const request *r;
    lc_job_source source;
    lc_job_options options;
    lc_pool pool;
    lc_memory memory;
    lc_job *job;
    char *text; /* [TOGETHER][LC_LINE_BYTES_MAX] */
    lc_str line[TOGETHER];
    lc_answer *answers; /* [TOGETHER][tasks of the job] */
    char *record;       /* [LC_RECORD_BYTES_MAX + 1] */
    lc_record_meta meta;
    uint8_t hash[LC_SHA256_BYTES]; /* of the line; records hold its first bytes */
    uint64_t start_us;
} runner;

/* ---- what a record says beside the answer ---- */

#define SECONDS_2020 1577836800 /* a clock before that was never set */

static const char *clock_quality(const struct timespec *now)
{
    struct timex status = {0};
    if (now->tv_sec < SECONDS_2020) {
        return "none";
    }
    bool synchronised = adjtimex(&status) >= 0 && !(status.status & STA_UNSYNC);
    return synchronised ? "ntp" : "rtc";
}

static void clock_stamp(runner *run)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    run->meta.tq = lc_str_from(clock_quality(&now));
    bool known = run->meta.tq.data[0] != 'n' || run->meta.tq.data[1] != 'o';
    run->meta.ts_ms = known ? (uint64_t)now.tv_sec * 1000u + (uint64_t)now.tv_nsec / 1000000u : 0;
    run->meta.up_ms = (lc_ui_now_us() - run->start_us) / 1000u;
}

static const char *source_name(const char *path)
{
    if (!path || strcmp(path, "-") == 0) {
        return "stdin";
    }
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* ---- opening ---- */

static lc_err runner_layout(void *ctx, lc_arenas *arenas, lc_diag *diag)
{
    runner *run = ctx;
    run->options.tasks = lc_pool_tasks(&run->pool);
    run->options.lines = TOGETHER;
    lc_err err = lc_job_open(&run->source.bundle, lc_objects_find, &run->source.objects,
                             &run->options, &arenas->state, &arenas->scratch, &run->job, diag);
    if (err != LC_OK) {
        return err;
    }
    run->answers = LC_PUSH(&arenas->state, lc_answer, TOGETHER * LC_TASKS_MAX);
    run->text = LC_PUSH(&arenas->io, char, TOGETHER *LC_LINE_BYTES_MAX);
    run->record = LC_PUSH(&arenas->io, char, LC_RECORD_BYTES_MAX + 1);
    return run->answers && run->text && run->record
               ? LC_OK
               : lc_fail(diag, LC_ERR_ARENA, 0, "no room for answers and records");
}

static int runner_open(runner *run)
{
    const request *r = run->r;
    lc_diag diag = {0};
    int rc = lc_ui_level(r->level, &run->options.kernels);
    if (rc == LC_UI_GO) {
        rc = lc_session_threads(&run->pool, r->threads);
    }
    if (rc == LC_UI_GO) {
        rc = lc_job_source_open(&run->source, &r->choice);
        lc_mark(LC_MARK_MODEL);
    }
    if (rc == LC_UI_GO && lc_memory_open(&run->memory, runner_layout, run, &diag) != LC_OK) {
        const char *remedy = diag.err == LC_ERR_NOT_FOUND
                                 ? "put its pack beside the bundle, or name its folder in "
                                   "LEAFCUTTER_SHARE"
                                 : NULL;
        rc = lc_ui_diag(run->source.name, &diag, remedy);
    }
    lc_mark(LC_MARK_CONTEXT);
    return rc;
}

static void runner_close(runner *run)
{
    lc_pool_close(&run->pool);
    lc_memory_close(&run->memory);
    lc_job_source_close(&run->source);
}

/* ---- running ---- */

static int record_print(runner *run, const lc_answer *answer)
{
    run->meta.seq++;
    size_t bytes = lc_record_write(run->job, answer, &run->meta, run->record, LC_RECORD_BYTES_MAX);
    if (bytes == 0) {
        return lc_ui_error(LC_EXIT_INTERNAL, run->source.name, NULL,
                           "record %llu is longer than %u bytes", (unsigned long long)run->meta.seq,
                           LC_RECORD_BYTES_MAX);
    }
    run->record[bytes] = '\n';
    fwrite(run->record, 1, bytes + 1, stdout);
    return LC_UI_GO;
}

static int answer_print(runner *run, const char *text, size_t bytes, const lc_answer *answer)
{
    if (!run->r->table) {
        return record_print(run, answer);
    }
    lc_classify_row(run->job, text, bytes, answer, run->meta.ms);
    return LC_UI_GO;
}

static int answers_print(runner *run, lc_str line, const lc_answer *answers)
{
    size_t kept = line.bytes < LC_LINE_BYTES_MAX ? line.bytes : LC_LINE_BYTES_MAX;
    int rc = LC_UI_GO;
    lc_sha256(line.data, kept, run->hash);
    run->meta.in = run->hash;
    clock_stamp(run);
    for (uint32_t i = 0; i < lc_job_tasks(run->job) && rc == LC_UI_GO; i++) {
        if (!answers[i].skipped) {
            rc = answer_print(run, line.data, kept, &answers[i]);
        }
    }
    return rc;
}

/* run->line[0 .. count) */
static int lines_answer(runner *run, uint32_t count)
{
    uint64_t start_us = lc_ui_now_us();
    lc_err err = lc_job_run_lines(run->job, run->line, count, false, run->answers);
    if (err != LC_OK) {
        return lc_ui_error(lc_err_exit(err), run->source.name, NULL, "run: %s", lc_err_text(err));
    }
    run->meta.ms = (float)(lc_ui_now_us() - start_us) / 1000.0f / (float)count;
    int rc = LC_UI_GO;
    for (uint32_t i = 0; i < count && rc == LC_UI_GO; i++) {
        rc = answers_print(run, run->line[i], run->answers + i * lc_job_tasks(run->job));
    }
    fflush(stdout); /* whoever reads a pipe waits for these records */
    return rc;
}

/* As many lines as are there, `most` at most; 0 at the end of the input. */
static uint32_t lines_take(runner *run, lc_lines *lines, uint32_t most)
{
    uint32_t n = 0;
    const char *text;
    size_t bytes;
    while (n < most && (n == 0 || lc_lines_waiting(lines)) && lc_lines_next(lines, &text, &bytes)) {
        char *copy = run->text + n * LC_LINE_BYTES_MAX;
        memcpy(copy, text, bytes < LC_LINE_BYTES_MAX ? bytes : LC_LINE_BYTES_MAX);
        run->line[n++] = (lc_str){copy, bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX};
    }
    return n;
}

/* The first line alone, so that its answer is there soon; of the others those that wait together.
 */
static int lines_run(runner *run)
{
    lc_lines lines;
    int rc = lc_lines_open(&lines, run->r->input, '\n', LC_LINE_BYTES_MAX);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (run->r->table) {
        lc_classify_head();
    }
    uint32_t count = lines_take(run, &lines, 1);
    if (count > 0) {
        lc_mark(LC_MARK_FIRST_LINE);
        rc = lines_answer(run, count);
        lc_mark(LC_MARK_FIRST_ANSWER);
    }
    while (rc == LC_UI_GO && !ferror(stdout) && count > 0) {
        count = lines_take(run, &lines, TOGETHER);
        rc = count > 0 ? lines_answer(run, count) : rc;
    }
    int closed = lc_lines_close(&lines, run->r->input);
    lc_mark(LC_MARK_END);
    return rc != LC_UI_GO ? rc : closed;
}

/* ---- the verb ---- */

static int choice_check(const lc_job_choice *c)
{
    if (c->job && c->model) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, NULL, "--job and --model exclude each other");
    }
    if (c->labels && !c->model) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "--model FILE names a .leaf or .gguf file",
                           "--labels wants the model that scores them");
    }
    if (c->adapter && !c->model) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, "a job file names adapters by itself",
                           "--adapter wants the model that it belongs to, with --model");
    }
    if ((c->prompt || c->chat) && !c->labels) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, NULL, "%s wants --labels",
                           c->prompt ? "--prompt" : "--chat");
    }
    return LC_UI_GO;
}

static int request_check(request *r)
{
    if (r->table && (r->json || r->raw)) {
        return lc_ui_error(LC_EXIT_USAGE, NULL, NULL, "--table excludes --json and --raw");
    }
    r->table = r->table || (!r->json && !r->raw && isatty(STDOUT_FILENO) == 1);
    return choice_check(&r->choice);
}

static int request_run(const request *r)
{
    runner run = {.r = r, .start_us = lc_ui_now_us()};
    run.meta = (lc_record_meta){.dev = lc_str_from("local"),
                                .src = lc_str_from(source_name(r->input)),
                                .labels = r->json,
                                .scores = r->raw};
    int rc = runner_open(&run);
    if (rc == LC_UI_GO) {
        /* A model alone has no job: its pack is what answered. */
        run.meta.mdl =
            r->choice.model && !r->choice.adapter ? lc_job_pack(run.job, 0)->leaf.root : NULL;
        rc = lines_run(&run);
    }
    runner_close(&run);
    return rc;
}

int lc_verb_classify(int argc, char **argv)
{
    request r = {.threads = 1};
    const lc_opt options[] = {
        {"job", "FILE", LC_OPT_TEXT, &r.choice.job, "bundle (.leaf) or job file (.json)"},
        {"model", "FILE", LC_OPT_TEXT, &r.choice.model,
         "a model with its own classification head, or any causal one with --labels"},
        LC_OPT_ROW_ADAPTER(&r.choice.adapter),
        {"labels", "A,B,C", LC_OPT_TEXT, &r.choice.labels,
         "labels that the model scores as answers to a prompt"},
        {"prompt", "FILE", LC_OPT_TEXT, &r.choice.prompt,
         "that prompt: text with {text} for the line, {labels} for the labels"},
        {"chat", NULL, LC_OPT_FLAG, &r.choice.chat,
         "the prompt is a user's turn of the model's chat template"},
        {"float", NULL, LC_OPT_FLAG, &r.choice.as_float, "weights in F32, with --model"},
        {"table", NULL, LC_OPT_FLAG, &r.table, "a table for people (default on a terminal)"},
        {"raw", NULL, LC_OPT_FLAG, &r.raw, "add the raw scores to records, as z"},
        LC_OPT_ROW_THREADS(&r.threads),
        LC_OPT_ROW_LEVEL(&r.level),
        LC_OPT_ROW_JSON(&r.json),
    };
    const lc_usage usage = {"classify",
                            "[FILE|-]",
                            "Answers each line with a record: label, probability, decision.\n"
                            "Without --job and --model the shipped job, triage, does it. Lines\n"
                            "that wait are answered together, up to 8; ms is a line's share.",
                            options,
                            LC_COUNT(options),
                            1};
    lc_files files;
    lc_mark(LC_MARK_START);
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    if (rc == LC_UI_GO) {
        rc = request_check(&r);
    }
    if (rc != LC_UI_GO) {
        return rc;
    }
    r.input = files.count > 0 ? files.path[0] : NULL;
    lc_mark(LC_MARK_OPTIONS);
    return request_run(&r);
}
