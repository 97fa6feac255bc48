#include "budget.h"

#include <stdlib.h>

#include "fail.h"
#include "fold.h"
#include "quant.h"
#include "real.h"

#define TYPES 3u

static const uint32_t type_of[TYPES] = {LC_W_T16, LC_W_T16A, LC_W_R8}; /* ever larger */

typedef struct choice {
    lc_pack_item *item;
    double error[TYPES];   /* noise over signal */
    uint64_t bytes[TYPES]; /* 0: not possible */
    uint32_t now;
} choice;

bool lc_budget_free(const lc_pack_item *item)
{
    bool linear = item->type == LC_W_T16 || item->type == LC_W_T16A;
    return (linear || item->role == LC_T_OUTPUT) && !item->keep && item->type != LC_W_F32;
}

/* ---- measuring ---- */

static double error_of(double db)
{
    return db - db == 0.0 ? lc_real_pow(10.0, -db / 10.0) : 0.0;
}

static void row_of(const void *ctx, uint32_t r, float *out)
{
    lc_pack_row(ctx, r, out);
}

static lc_err weights_error(const lc_pack_item *item, uint32_t type, uint32_t threads,
                            double *error, lc_diag *diag)
{
    lc_quant_source source = {.rows = item->rows, .cols = item->cols, .row = row_of, .ctx = item};
    double db = 0.0;
    uint8_t *out = calloc(1, (size_t)lc_quant_bytes(type, item->rows, item->cols));
    if (!out) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
    }
    lc_err err = lc_quant_matrix(type, &source, threads, out, &db, diag);
    free(out);
    *error = error_of(db);
    return err;
}

static lc_err measure(choice *c, const lc_pack_options *options, lc_calib *calib, lc_diag *diag)
{
    lc_err err = LC_OK;
    for (uint32_t i = 0; !err && i < TYPES; i++) {
        const lc_pack_item *item = c->item;
        if (type_of[i] == LC_W_T16A && item->cols > LC_COLS_MAX_T16A) {
            continue;
        }
        c->bytes[i] = LC_ROUND_UP(lc_quant_bytes(type_of[i], item->rows, item->cols), 64);
        if (calib && item->layer != LC_GLOBAL) {
            double db = 0.0;
            err = lc_calib_try(calib, item, type_of[i], &db, diag);
            c->error[i] = error_of(db);
        } else {
            err = weights_error(item, type_of[i], options->threads, &c->error[i], diag);
        }
    }
    return err;
}

static lc_err measure_layer(choice *list, uint32_t count, uint32_t layer, lc_pack_plan *plan,
                            const lc_pack_options *options, lc_calib *calib, lc_diag *diag)
{
    bool inside = calib && layer != LC_GLOBAL;
    lc_err err = layer == LC_GLOBAL ? LC_OK : lc_fold_layer(plan, options, layer, calib, diag);
    for (uint32_t i = 0; !err && i < count; i++) {
        if (list[i].item->layer == layer) {
            err = measure(&list[i], options, calib, diag);
        }
    }
    return !err && inside ? lc_calib_layer_skip(calib, diag) : err;
}

/* ---- choosing ---- */

/* The step up that takes most error away for its bytes, among those that fit. */
static bool step(choice *list, uint32_t count, uint64_t *left)
{
    choice *best = NULL;
    double best_gain = 0.0;
    uint32_t best_to = 0;
    for (uint32_t i = 0; i < count; i++) {
        choice *c = &list[i];
        for (uint32_t to = c->now + 1; to < TYPES; to++) {
            if (c->bytes[to] <= c->bytes[c->now] || c->bytes[to] - c->bytes[c->now] > *left) {
                continue;
            }
            double more = (double)(c->bytes[to] - c->bytes[c->now]);
            double gain = (c->error[c->now] - c->error[to]) / more;
            if (gain > best_gain) {
                best_gain = gain;
                best = c;
                best_to = to;
            }
        }
    }
    if (best) {
        *left -= best->bytes[best_to] - best->bytes[best->now];
        best->now = best_to;
    }
    return best != NULL;
}

static lc_err choose(choice *list, uint32_t count, uint64_t budget, uint64_t fixed, lc_diag *diag)
{
    uint64_t least = fixed;
    for (uint32_t i = 0; i < count; i++) {
        least += list[i].bytes[0];
    }
    if (least > budget) {
        return lc_fail_format(diag, LC_ERR_ARGUMENT, 0,
                              "a budget of %llu bytes: this model takes %llu at least",
                              (unsigned long long)budget, (unsigned long long)least);
    }
    uint64_t left = budget - least;
    while (step(list, count, &left)) {
    }
    for (uint32_t i = 0; i < count; i++) {
        list[i].item->type = type_of[list[i].now];
    }
    return LC_OK;
}

lc_err lc_budget_choose(lc_pack_plan *plan, const lc_pack_options *options, const lc_buf *tokenizer,
                        uint64_t fixed_bytes, lc_diag *diag)
{
    lc_calib *calib = NULL;
    uint32_t count = 0;
    choice *list = calloc(plan->count, sizeof *list);
    if (!list) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
    }
    for (uint32_t i = 0; i < plan->count; i++) {
        if (lc_budget_free(&plan->item[i])) {
            list[count++].item = &plan->item[i];
        }
    }
    lc_err err = options->text ? lc_calib_open(plan, options, tokenizer, &calib, diag) : LC_OK;
    if (!err) {
        err = measure_layer(list, count, LC_GLOBAL, plan, options, calib, diag);
    }
    for (uint32_t layer = 0; !err && layer < plan->source.info.layers; layer++) {
        err = measure_layer(list, count, layer, plan, options, calib, diag);
    }
    if (!err) {
        err = choose(list, count, options->budget, fixed_bytes, diag);
    }
    lc_calib_close(calib);
    free(list);
    return err;
}
