#include "prospect.h"

#include <stdlib.h>
#include <string.h>

#include "../board/linux/chat.h"
#include "job_source.h"
#include "pack/pack_plan.h"
#include "pack/quant.h"
#include "pack/tok_pack.h"

/* ---- collecting ---- */

static void tensor_add(lc_prospect *p, uint32_t role, const lc_mat *mat, uint64_t bytes)
{
    lc_work_add(&p->work[p->works - 1], role, mat, bytes);
    p->packed[mat->type].count++;
    p->packed[mat->type].bytes += bytes;
    p->packed_bytes += bytes;
}

/* A model that is only its sizes, for planning. */
static lc_err plan_sketch(const lc_pack_plan *plan, const lc_buf *tokenizer, lc_prospect *p,
                          lc_diag *diag)
{
    lc_model model = {.info = plan->source.info, .arch = plan->source.arch};
    lc_err err = lc_tok_open(tokenizer->data, tokenizer->bytes, &model.tok, diag);
    for (uint32_t i = 0; i < plan->count; i++) {
        const lc_pack_item *item = &plan->item[i];
        model.pooler.rows = item->role == LC_T_POOLER ? item->rows : model.pooler.rows;
        if (item->role == LC_T_ROPE_FREQ_LOCAL) {
            static const float there = 0.0f;
            model.rope_freq_local = &there;
        }
    }
    if (!err) {
        err = lc_plan_sketch(&model, p->packed_bytes + tokenizer->bytes, &p->plan, diag);
    }
    return err;
}

lc_err lc_prospect_gguf(const lc_gguf *g, lc_prospect *prospect, lc_diag *diag)
{
    lc_pack_plan plan;
    lc_buf tokenizer = {0};
    lc_prospect p = {.chat = false};
    lc_err err = lc_pack_plan_make(g, LC_PACK_Q4, &plan, diag);
    if (err) {
        return err;
    }
    lc_work_init(&p.work[p.works++], &plan.source.info);
    for (uint32_t i = 0; i < plan.count; i++) {
        const lc_pack_item *item = &plan.item[i];
        lc_mat mat = {.type = (uint8_t)item->type, .rows = item->rows, .cols = item->cols};
        tensor_add(&p, item->role, &mat, lc_quant_bytes(item->type, item->rows, item->cols));
    }
    lc_str jinja;
    lc_chat chat = {.kind = 0};
    p.chat = lc_gguf_str(g, "tokenizer.chat_template", &jinja) && lc_chat_recognise(jinja, &chat);
    p.chat_kind = chat.kind;
    err = lc_tok_pack(g, &tokenizer, diag);
    if (!err) {
        err = plan_sketch(&plan, &tokenizer, &p, diag);
    }
    lc_buf_free(&tokenizer);
    lc_pack_plan_free(&plan);
    if (!err) {
        *prospect = p;
    }
    return err;
}

static void model_add(lc_prospect *p, const lc_model *model)
{
    lc_work_init(&p->work[p->works++], &model->info);
    for (uint32_t i = 0; i < lc_model_tensors(model); i++) {
        lc_tensor t = lc_model_tensor(model, i);
        tensor_add(p, t.role, &t.mat, t.bytes);
    }
}

lc_err lc_prospect_pack(const lc_map *file, const lc_model *model, lc_prospect *prospect,
                        lc_diag *diag)
{
    lc_prospect p = {.chat = false};
    lc_chat chat = {.kind = 0};
    lc_err err = lc_plan_model(file, 0, LC_KV_AUTO, &p.plan, diag);
    if (err) {
        return err;
    }
    model_add(&p, model);
    p.chat = lc_chat_open(&model->leaf, &chat, NULL) == LC_OK;
    p.chat_kind = chat.kind;
    *prospect = p;
    return LC_OK;
}

static lc_err bundle_add(lc_job_source *source, lc_prospect *p, lc_diag *diag)
{
    lc_err err = lc_plan_bundle(source, 0, LC_KV_AUTO, &p->plan, diag);
    for (uint32_t i = 0; !err && i < source->objects.map_count; i++) {
        const lc_map *map = &source->objects.map[i];
        lc_leaf leaf;
        lc_arena measure;
        lc_model model;
        lc_arena_measure(&measure);
        err = lc_leaf_open(map->data, map->bytes, &leaf, diag);
        if (!err && leaf.kind == LC_LEAF_PACK && p->works < LC_PACKS_MAX) {
            err = lc_model_open(map->data, map->bytes, &measure, &model, diag);
            if (!err) {
                model_add(p, &model);
            }
        }
    }
    return err;
}

lc_err lc_prospect_bundle(const char *path, lc_prospect *prospect, lc_diag *diag)
{
    lc_job_source source;
    lc_prospect p = {.chat = false};
    const lc_job_choice choice = {.job = path};
    lc_err err = lc_job_source_open(&source, &choice) == LC_UI_GO
                     ? bundle_add(&source, &p, diag)
                     : lc_fail(diag, LC_ERR_FORMAT, 0, "not a job that can be run");
    lc_job_source_close(&source);
    if (!err) {
        *prospect = p;
    }
    return err;
}

/* ---- telling ---- */

/* A line goes through all models one after the other. */
static lc_estimate estimate(const lc_prospect *p, const lc_board *board)
{
    lc_estimate sum = {.fits = false};
    double token_s = 0.0;
    for (uint32_t i = 0; i < p->works; i++) {
        lc_estimate one = lc_boards_estimate(board, &p->work[i], p->plan.total);
        sum.fits = one.fits;
        sum.line_ms += one.line_ms;
        token_s += 1.0 / one.prefill_tps;
        sum.decode_tps = p->works == 1 ? one.decode_tps : 0.0;
    }
    sum.prefill_tps = p->works > 0 ? 1.0 / token_s : 0.0;
    return sum;
}

static double megabytes(uint64_t bytes)
{
    return (double)bytes / 1e6;
}

static const char *kv_name(uint32_t kv)
{
    static const char *const names[] = {"?", "F32", "F16", "I8"};
    return kv < LC_COUNT(names) ? names[kv] : "?";
}

static void print_packed(const lc_prospect *p)
{
    const char *between = "";
    printf("packed      ");
    for (uint32_t type = 0; type < LC_W_COUNT; type++) {
        if (p->packed[type].count > 0) {
            printf("%s%u %s %.1f MB", between, p->packed[type].count, lc_pack_wtype_name(type),
                   megabytes(p->packed[type].bytes));
            between = ", ";
        }
    }
    double weights = 0.0;
    for (uint32_t i = 0; i < p->works; i++) {
        weights += (double)p->work[i].info.parameters;
    }
    printf("; %.2f bits a weight\n", (double)p->packed_bytes * 8.0 / weights);
}

static void print_board(const lc_board *board, const lc_prospect *p)
{
    static const lc_column columns[] = {{"board (estimates)", 23, false},
                                        {"RAM MB", 7, true},
                                        {"fits", 4, true},
                                        {"prefill/s", 9, true},
                                        {"decode/s", 8, true},
                                        {"line ms", 8, true},
                                        {"50 ms", 5, true},
                                        {"100 ms", 6, true}};
    if (!board) {
        lc_table_head(stdout, columns, LC_COUNT(columns));
        return;
    }
    lc_estimate e = estimate(p, board);
    char ram[16], prefill[16], decode[16], line[16];
    snprintf(ram, sizeof ram, "%u", board->ram_mb);
    snprintf(prefill, sizeof prefill, "%.0f", e.prefill_tps);
    snprintf(decode, sizeof decode, e.decode_tps > 0.0 ? "%.1f" : "-", e.decode_tps);
    snprintf(line, sizeof line, e.line_ms < 10.0 ? "%.1f" : "%.0f", e.line_ms);
    bool in_50 = e.fits && e.line_ms <= 50.0, in_100 = e.fits && e.line_ms <= 100.0;
    const char *cell[] = {board->name, ram,  e.fits ? "yes" : "no", prefill,
                          decode,      line, in_50 ? "yes" : "no",  in_100 ? "yes" : "no"};
    lc_table_row(stdout, columns, LC_COUNT(columns), cell);
}

void lc_prospect_print(const lc_prospect *p)
{
    const lc_plan *plan = &p->plan;
    lc_board here;
    if (p->works == 1 && p->work[0].info.causal) {
        printf("chat        %s\n",
               p->chat ? lc_chat_name(p->chat_kind) : "no template that is known");
    }
    if (p->works > 0) {
        print_packed(p);
    }
    printf("memory      %.1f MB", megabytes(plan->total));
    if (plan->ctx > 0) {
        printf(" at %u tokens of context", plan->ctx);
    }
    printf(": model %.1f, state %.1f", megabytes(plan->model), megabytes(plan->state));
    if (plan->kv_bytes > 0) {
        printf(" (keys and values %s %.1f)", kv_name(plan->kv), megabytes(plan->kv_bytes));
    }
    printf(", scratch %.1f\n\n", megabytes(plan->scratch + plan->io));
    if (p->works == 0) {
        return; /* a job of rules alone */
    }
    print_board(NULL, p);
    for (uint32_t i = 0; i < lc_boards_count(); i++) {
        lc_board board = lc_boards_at(i);
        print_board(&board, p);
    }
    if (lc_boards_here(&here)) {
        print_board(&here, p);
    }
    printf("All cores; prefill of %u tokens; a line is %u tokens and its answer. "
           "Not measured on boards: see man leafcutter, BOARDS.\n",
           LC_BOARDS_PROMPT, LC_BOARDS_LINE);
}

static void emit_board(lc_emit *e, const lc_board *board, const lc_prospect *p, bool timed)
{
    lc_estimate found = estimate(p, board);
    lc_emit_open(e, NULL, '{');
    lc_emit_text(e, "board", board->name);
    lc_emit_u64(e, "cores", board->cores);
    lc_emit_u64(e, "ram_mb", board->ram_mb);
    lc_emit_real(e, "read_gbs", board->read_gbs, 1);
    lc_emit_bool(e, "fits", found.fits);
    lc_emit_real(e, "prefill_tps", found.prefill_tps, 1);
    if (found.decode_tps > 0.0) {
        lc_emit_real(e, "decode_tps", found.decode_tps, 2);
    }
    lc_emit_real(e, "line_ms", found.line_ms, 2);
    lc_emit_bool(e, "within_50_ms", found.fits && found.line_ms <= 50.0);
    lc_emit_bool(e, "within_100_ms", found.fits && found.line_ms <= 100.0);
    lc_emit_bool(e, "kernels_timed", timed);
    lc_emit_close(e);
}

void lc_prospect_emit(const lc_prospect *p, lc_emit *e)
{
    lc_board here;
    if (p->chat) {
        lc_emit_text(e, "chat", lc_chat_name(p->chat_kind));
    }
    lc_emit_open(e, "packed", '{');
    for (uint32_t type = 0; type < LC_W_COUNT; type++) {
        if (p->packed[type].count > 0) {
            lc_emit_u64(e, lc_pack_wtype_name(type), p->packed[type].bytes);
        }
    }
    lc_emit_close(e);
    lc_emit_open(e, "memory", '{');
    lc_emit_u64(e, "ctx", p->plan.ctx);
    lc_emit_u64(e, "model", p->plan.model);
    lc_emit_u64(e, "state", p->plan.state);
    lc_emit_u64(e, "scratch", p->plan.scratch);
    lc_emit_u64(e, "io", p->plan.io);
    lc_emit_text(e, "kv", kv_name(p->plan.kv));
    lc_emit_u64(e, "kv_bytes", p->plan.kv_bytes);
    lc_emit_u64(e, "total", p->plan.total);
    lc_emit_close(e);
    lc_emit_open(e, "estimates", '[');
    for (uint32_t i = 0; i < lc_boards_count(); i++) {
        lc_board board = lc_boards_at(i);
        emit_board(e, &board, p, false);
    }
    if (lc_boards_here(&here)) {
        emit_board(e, &here, p, true);
    }
    lc_emit_close(e);
}
