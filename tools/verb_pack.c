/* verb_pack.c - `leafcutter pack`: a GGUF file or a checkpoint becomes a .leaf pack, with what each
 * tensor loses.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "../board/linux/crypto.h"
#include "adapter_file.h"
#include "pack/pack.h"
#include "source.h"
#include "ui.h"
#include "verbs.h"

typedef struct request {
    const char *in, *out;
    const char *type, *text, *trim, *fold;
    const char *adapter, *base, *labels;
    lc_texts lora;              /* FILE[:SCALE] to merge */
    lc_adapter_file *lora_file; /* [lora.count] */
    uint32_t align, threads, tokens, layers;
    uint64_t budget;
    bool json;
} request;

static void hex(const uint8_t *bytes, size_t n, char *out)
{
    for (size_t i = 0; i < n; i++) {
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    }
}

static void emit_loss(lc_emit *e, const lc_pack_loss *loss)
{
    if (!loss->measured) {
        lc_emit_null(e, "kl");
        return;
    }
    lc_emit_real(e, "kl", loss->kl, 7);
    lc_emit_real(e, "cosine_loss", loss->cosine_loss, 9);
    lc_emit_real(e, "perplexity", loss->perplexity, 4);
    lc_emit_real(e, "perplexity_source", loss->perplexity_source, 4);
    lc_emit_u64(e, "tokens", loss->tokens);
    lc_emit_u64(e, "held_tokens", loss->held_tokens);
}

static void print_json(const request *r, const lc_pack_report *report)
{
    char root[2 * LC_SHA256_BYTES + 1];
    hex(report->root, LC_SHA256_BYTES, root);
    lc_emit e;
    lc_emit_init(&e, stdout);
    lc_emit_open(&e, NULL, '{');
    lc_emit_text(&e, "out", r->out);
    lc_emit_text(&e, "root", root);
    lc_emit_text(&e, "type", r->type);
    lc_emit_u64(&e, "bytes", report->file_bytes);
    lc_emit_u64(&e, "parameters", report->info.parameters);
    lc_emit_u64(&e, "vocabulary", report->info.vocab);
    lc_emit_real(&e, "bits_per_weight", report->bits_per_weight, 3);
    lc_emit_open(&e, "tensors", '[');
    for (uint32_t i = 0; i < report->tensor_count; i++) {
        const lc_pack_tensor *t = &report->tensor[i];
        lc_emit_open(&e, NULL, '{');
        lc_emit_text(&e, "name", t->name);
        lc_emit_text(&e, "type", lc_pack_wtype_name(t->type));
        lc_emit_u64(&e, "rows", t->rows);
        lc_emit_u64(&e, "cols", t->cols);
        lc_emit_u64(&e, "bytes", t->bytes);
        lc_emit_real(&e, "sqnr_db", t->sqnr_db, 2);
        lc_emit_bool(&e, "kept", t->kept);
        lc_emit_u64(&e, "folded", t->folded);
        lc_emit_u64(&e, "wide_rows", t->wide_rows);
        if (report->loss.measured) {
            lc_emit_real(&e, "output_db", t->output_db, 2);
            lc_emit_bool(&e, "compensated", t->compensated);
        }
        lc_emit_close(&e);
    }
    lc_emit_close(&e);
    emit_loss(&e, &report->loss);
    lc_emit_close(&e);
}

/* How it was rounded, and which of its rows do not suit one scale. */
static void describe(const lc_pack_tensor *t, char *note, size_t bytes)
{
    const char *how = t->kept ? "Q4_0 nibbles kept" : t->compensated ? "compensated" : "";
    char folded[32] = "", wide[32] = "";
    if (t->folded > 0) {
        snprintf(folded, sizeof folded, "%s%u folded", *how ? ", " : "", t->folded);
    }
    if (t->wide_rows > 0) {
        snprintf(wide, sizeof wide, "%s%u wide rows", *how || *folded ? ", " : "", t->wide_rows);
    }
    snprintf(note, bytes, "%s%s%s", how, folded, wide);
}

static void print_tensor(const lc_column *columns, uint32_t n, const lc_pack_tensor *t)
{
    char shape[32], bytes[24], db[24] = "exact", out[24] = "";
    snprintf(shape, sizeof shape, t->cols == 1 ? "%u" : "%u x %u", t->rows, t->cols);
    snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)t->bytes);
    if (isfinite(t->sqnr_db)) {
        snprintf(db, sizeof db, "%.2f", t->sqnr_db);
    }
    if (isfinite(t->output_db)) {
        snprintf(out, sizeof out, "%.2f", t->output_db);
    }
    char note[80];
    describe(t, note, sizeof note);
    const char *cell[] = {t->name, lc_pack_wtype_name(t->type), shape, bytes, db, out, note};
    lc_table_row(stdout, columns, n, cell);
}

static void print_loss(const lc_pack_loss *l)
{
    if (!l->measured) {
        return;
    }
    printf("calibrated on %u tokens of %u lines; against F32 on the %u of %u others:", l->tokens,
           l->texts, l->held_tokens, l->held_texts);
    if (isfinite(l->kl)) {
        printf(" KL %.6f", l->kl);
    }
    if (isfinite(l->perplexity)) {
        printf(", perplexity %.4f (F32 %.4f)", l->perplexity, l->perplexity_source);
    }
    if (isfinite(l->cosine_loss)) {
        printf("%s 1 - cosine %.7f", isfinite(l->kl) ? "," : "", l->cosine_loss);
    }
    printf("\n");
}

static void print_table(const request *r, const lc_pack_report *report)
{
    const lc_column columns[] = {{"tensor", 28, false}, {"type", 4, false},   {"shape", 14, true},
                                 {"bytes", 11, true},   {"SQNR dB", 7, true}, {"output", 6, true},
                                 {"", 0, false}};
    char root[17];
    hex(report->root, 8, root);
    lc_table_head(stdout, columns, LC_COUNT(columns));
    for (uint32_t i = 0; i < report->tensor_count; i++) {
        print_tensor(columns, LC_COUNT(columns), &report->tensor[i]);
    }
    printf("\n%s  %llu bytes, %.3f bits a weight, %llu parameters, root %s\n", r->out,
           (unsigned long long)report->file_bytes, report->bits_per_weight,
           (unsigned long long)report->info.parameters, root);
    if (report->info.vocab < report->full_vocab) {
        printf("vocabulary: %u of %u tokens\n", report->info.vocab, report->full_vocab);
    }
    print_loss(&report->loss);
}

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
    lc_progress_step(ctx, done, total);
}

/* The model and the texts that go with it; a text that is not given is empty. */
typedef struct inputs {
    lc_source source;
    lc_map text, trim;
} inputs;

static void inputs_close(inputs *in)
{
    lc_source_close(&in->source);
    lc_map_close(&in->text);
    lc_map_close(&in->trim);
}

/* LC_UI_GO, or the exit code after a message with nothing left open. */
static int inputs_open(const request *r, inputs *in)
{
    *in = (inputs){0};
    int rc = lc_source_open(r->in, true, &in->source);
    if (rc != LC_UI_GO) {
        return rc;
    }
    if (r->text) {
        rc = lc_ui_map(r->text, &in->text);
    }
    if (rc == LC_UI_GO && r->trim) {
        rc = lc_ui_map(r->trim, &in->trim);
    }
    if (rc != LC_UI_GO) {
        inputs_close(in);
    }
    return rc;
}

/* "auto", "on" or "off", checked with the options. */
static lc_pack_fold fold_of(const char *word)
{
    return strcmp(word, "on") == 0    ? LC_PACK_FOLD_ON
           : strcmp(word, "off") == 0 ? LC_PACK_FOLD_OFF
                                      : LC_PACK_FOLD_AUTO;
}

typedef struct packing {
    const request *r;
    inputs in;
    lc_pack_report report;
} packing;

static int pack_into(packing *run, const lc_pack_files *files)
{
    const request *r = run->r;
    lc_diag diag = {0};
    lc_progress progress;
    lc_pack_options options = {.align = r->align,
                               .threads = r->threads,
                               .progress = show_progress,
                               .progress_ctx = &progress,
                               .files = files,
                               .text = (const char *)run->in.text.data,
                               .text_bytes = run->in.text.bytes,
                               .trim = (const char *)run->in.trim.data,
                               .trim_bytes = run->in.trim.bytes,
                               .tokens = r->tokens,
                               .budget = r->budget,
                               .fold = fold_of(r->fold),
                               .labels = r->labels,
                               .lora_count = r->lora.count};
    lc_lora_file lora[LC_UI_FILES_MAX];
    (void)lc_pack_type_find(r->type, &options.type); /* checked with the options */
    for (uint32_t i = 0; i < r->lora.count; i++) {
        lora[i] = r->lora_file[i].lora;
    }
    options.lora = lora;
    lc_progress_init(&progress, "packing");
    lc_err err = lc_pack_gguf(run->in.source.g, &options, NULL, &run->report, &diag);
    lc_progress_end(&progress);
    return err ? lc_source_diag(&run->in.source, &diag) : LC_UI_GO;
}

/* Layers that are done wait in a file without a name, so that memory holds one of them. */
static int pack_to(void *ctx, int fd)
{
    packing *run = ctx;
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s.spill.%ld", run->r->out, (long)getpid());
    int spill = n > 0 && (size_t)n < sizeof path
                    ? open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
                    : -1;
    if (spill < 0) {
        return lc_ui_error(LC_EXIT_BOARD, path, NULL, "cannot write: %s", strerror(errno));
    }
    (void)unlink(path);
    lc_pack_files files = {.to = fd, .spill = spill};
    files.release = run->in.source.folder ? NULL : lc_map_release;
    int rc = pack_into(run, &files);
    (void)close(spill);
    return rc;
}

/* The adapters to merge are mapped while `run` packs. */
static int model_run(const request *r)
{
    packing run = {.r = r};
    int rc = inputs_open(r, &run.in);
    if (rc != LC_UI_GO) {
        return rc;
    }
    rc = lc_ui_write_by(r->out, pack_to, &run);
    inputs_close(&run.in);
    if (rc == LC_UI_GO) {
        if (r->json) {
            print_json(r, &run.report);
        } else {
            print_table(r, &run.report);
        }
        rc = LC_EXIT_OK;
    }
    lc_pack_report_free(&run.report);
    return rc;
}

static int request_run(request *r)
{
    static lc_adapter_file lora[LC_UI_FILES_MAX];
    int rc = LC_UI_GO;
    uint32_t opened = 0;
    for (; rc == LC_UI_GO && opened < r->lora.count; opened++) {
        rc = lc_adapter_file_open(r->lora.text[opened], true, &lora[opened]);
    }
    r->lora_file = lora;
    rc = rc == LC_UI_GO ? model_run(r) : rc;
    while (opened > 0) {
        lc_adapter_file_close(&lora[--opened]);
    }
    return rc;
}

static const char *adapter_wrong(const request *r)
{
    if (r->in || !r->base || !r->out) {
        return "pack --adapter FILE wants --base BASE and -o OUT.leaf, and no other file";
    }
    return r->lora.count > 0 || r->align > 0 || r->text || r->trim || r->budget ||
                   strcmp(r->fold, "auto") != 0
               ? "--lora, --align, --text, --trim, --budget and --fold do not go with --adapter"
               : NULL;
}

static const char *request_wrong(const request *r)
{
    lc_pack_type type;
    bool power = (r->align & (r->align - 1)) == 0;
    if (r->adapter && adapter_wrong(r)) {
        return adapter_wrong(r);
    }
    if (!r->adapter && (!r->in || !r->out)) {
        return "pack wants one GGUF file or checkpoint folder, and -o OUT.leaf";
    }
    if (!r->adapter && r->base) {
        return "--base goes with --adapter";
    }
    if (!r->adapter && r->layers) {
        return "--layers goes with --adapter";
    }
    if (r->tokens && !r->text) {
        return "--tokens: of which text? --text FILE names it";
    }
    if (!lc_pack_type_find(r->type, &type)) {
        return "--type takes q4, t16, q8 or f32";
    }
    if (strcmp(r->fold, "auto") != 0 && fold_of(r->fold) == LC_PACK_FOLD_AUTO) {
        return "--fold takes auto, on or off";
    }
    if (r->budget && (type == LC_PACK_Q8 || type == LC_PACK_F32)) {
        return "--budget chooses between T16, T16A and R8 itself; --type q8 and f32 do not go with "
               "it";
    }
    if (r->align && (!power || r->align < LC_LEAF_ALIGN_MIN || r->align > LC_LEAF_ALIGN_MAX)) {
        return "--align takes a power of two from 64 to 65536";
    }
    return NULL;
}

static int request_check(const request *r)
{
    const char *wrong = request_wrong(r);
    return wrong ? lc_ui_error(LC_EXIT_USAGE, NULL, "leafcutter pack --help lists the options",
                               "%s", wrong)
                 : LC_UI_GO;
}

int lc_verb_pack(int argc, char **argv)
{
    request r = {.type = "q4", .fold = "auto", .threads = 1};
    const lc_opt options[] = {
        {"o", "FILE", LC_OPT_TEXT, &r.out, "the pack to write"},
        {"type", "TYPE", LC_OPT_TEXT, &r.type,
         "q4 (default: T16A, embedding and output R8), t16 (smaller), q8, f32"},
        {"align", "BYTES", LC_OPT_U32, &r.align, "of sections (default: 64, over 4 MiB 65536)"},
        {"text", "FILE", LC_OPT_TEXT, &r.text,
         "lines like those the model will read: rounds for them, measures what is lost"},
        {"tokens", "N", LC_OPT_U32, &r.tokens, "of the text that are used (default: 16384)"},
        {"budget", "BYTES", LC_OPT_U64, &r.budget,
         "of the pack: T16, T16A or R8 for each tensor, by what it loses"},
        {"trim", "FILE", LC_OPT_TEXT, &r.trim,
         "keep only the tokens that these lines need (labels among them), and single bytes"},
        {"fold", "WHEN", LC_OPT_TEXT, &r.fold,
         "powers of two of wide columns to what they read: auto (with --text), on, off"},
        {"lora", "FILE[:SCALE]", LC_OPT_TEXTS, &r.lora,
         "merge a low-rank adapter; may be repeated"},
        {"adapter", "FILE", LC_OPT_TEXT, &r.adapter,
         "make an adapter of its own instead: a GGUF or a PEFT folder"},
        {"base", "FILE", LC_OPT_TEXT, &r.base,
         "with --adapter: the model it belongs to, .leaf or .gguf"},
        {"layers", "N", LC_OPT_U32, &r.layers,
         "with --adapter: its head reads layer N, so no later one runs (an early exit)"},
        {"labels", "A,B,C", LC_OPT_TEXT, &r.labels, "names of the classification head's outputs"},
        LC_OPT_ROW_THREADS(&r.threads),
        LC_OPT_ROW_JSON(&r.json),
    };
    const lc_usage usage = {
        "pack",
        "FILE.gguf|FOLDER -o OUT.leaf",
        "Packs a GGUF model, or the folder of a Hugging Face checkpoint (config.json,\n"
        "tokenizer.json, *.safetensors), and prints what each tensor loses. With --adapter it "
        "makes\n"
        "an adapter that stays apart from its base, for jobs that switch between several.",
        options,
        LC_COUNT(options),
        1};
    lc_files files;
    int rc = lc_ui_parse(&usage, argc, argv, &files);
    if (rc != LC_UI_GO) {
        return rc;
    }
    r.in = files.count == 1 ? files.path[0] : NULL;
    rc = request_check(&r);
    if (rc != LC_UI_GO) {
        return rc;
    }
    return r.adapter
               ? lc_adapter_file_pack(r.adapter, r.base, r.type, r.labels, r.layers, r.out, r.json)
               : request_run(&r);
}
