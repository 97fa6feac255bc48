#include "lora_merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"

/* ---- sums ---- */

static lc_err sum_add(const lc_lora_pair *pair, lc_pack_item *item, lc_diag *diag)
{
    if (!item->lora) {
        item->lora = calloc(1, sizeof *item->lora);
    }
    lc_lora_sum *sum = item->lora;
    if (!sum) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
    }
    uint32_t k = sum->count++;
    sum->part[k].rank = pair->rank;
    sum->part[k].a = calloc((size_t)pair->rank * item->cols, sizeof(float));
    sum->part[k].b = calloc((size_t)item->rows * pair->rank, sizeof(float));
    return sum->part[k].a && sum->part[k].b
               ? lc_lora_read(pair, item->rows, item->cols, sum->part[k].a, sum->part[k].b, diag)
               : lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
}

static void sum_free(lc_lora_sum *sum)
{
    for (uint32_t k = 0; sum && k < sum->count; k++) {
        free(sum->part[k].a);
        free(sum->part[k].b);
    }
    free(sum);
}

void lc_lora_sum_row(const lc_lora_sum *sum, uint32_t r, uint32_t cols, float *w)
{
    for (uint32_t k = 0; k < sum->count; k++) {
        uint32_t rank = sum->part[k].rank;
        const float *b = sum->part[k].b + (size_t)r * rank;
        for (uint32_t c = 0; c < cols; c++) {
            const float *a = sum->part[k].a + c;
            double more = 0.0;
            for (uint32_t j = 0; j < rank; j++) {
                more += (double)b[j] * (double)a[(size_t)j * cols];
            }
            w[c] = (float)((double)w[c] + more);
        }
    }
}

/* ---- the plan ---- */

static lc_pack_item *item_of(lc_pack_plan *plan, uint32_t role, uint32_t layer)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        if (plan->item[i].role == role && plan->item[i].layer == layer) {
            return &plan->item[i];
        }
    }
    return NULL;
}

static lc_err refuse(const lc_gguf_tensor *t, const char *reason, lc_diag *diag)
{
    return lc_fail_format(diag, LC_ERR_UNSUPPORTED, t->offset, "%.*s: %s", (int)t->name.bytes,
                          t->name.data, reason);
}

static lc_err add_pairs(const lc_lora_source *s, lc_pack_type type, lc_pack_plan *plan,
                        lc_diag *diag)
{
    for (uint32_t i = 0; i < s->count; i++) {
        lc_pack_item *item = item_of(plan, s->pair[i].role, s->pair[i].layer);
        if (!item) {
            return refuse(s->pair[i].a, "the model has no such tensor of its own", diag);
        }
        lc_pack_item_requantise(item, type);
        lc_err err = sum_add(&s->pair[i], item, diag);
        if (err) {
            return err;
        }
    }
    return LC_OK;
}

/* The item of a part of the head, the model's or a new one. */
static void set_head_item(lc_pack_plan *plan, uint32_t role, const lc_gguf_tensor *from)
{
    lc_pack_item *item = item_of(plan, role, LC_GLOBAL);
    if (!from) {
        if (item) { /* the model's bias goes with its weights */
            memmove(item, item + 1, (size_t)(&plan->item[--plan->count] - item) * sizeof *item);
        }
        return;
    }
    if (!item) { /* behind its weights; the plan has room for a head */
        const lc_pack_item *cls = item_of(plan, LC_T_CLS, LC_GLOBAL);
        item = cls ? &plan->item[cls - plan->item + 1] : &plan->item[plan->count];
        memmove(item + 1, item, (size_t)(&plan->item[plan->count++] - item) * sizeof *item);
    }
    *item = (lc_pack_item){.role = role, .layer = LC_GLOBAL, .type = LC_W_F32, .from = from};
    lc_pack_role_name(role, LC_GLOBAL, item->name);
    (void)lc_role_shape(&plan->source.info, role, &item->rows, &item->cols);
}

static lc_err set_head(const lc_lora_source *s, lc_pack_plan *plan, lc_diag *diag)
{
    lc_model_info *info = &plan->source.info;
    if (s->classes == 0) {
        return LC_OK;
    }
    lc_err err =
        lc_lora_check_head(s, info->arch, item_of(plan, LC_T_POOLER, LC_GLOBAL) != NULL, diag);
    if (!err) {
        info->classes = s->classes;
        set_head_item(plan, LC_T_CLS, s->cls);
        set_head_item(plan, LC_T_CLS_BIAS, s->cls_bias);
    }
    return err;
}

/* The packer's errors are about the model's file; these are about another. */
static void name_file(const lc_lora_file *file, lc_diag *diag)
{
    char text[256];
    if (diag) {
        (void)snprintf(text, sizeof text, "%s", diag->text);
        (void)lc_fail_format(diag, diag->err, diag->offset, "%s: %s", file->name, text);
    }
}

lc_err lc_lora_merge_open(const lc_pack_options *options, lc_pack_plan *plan, lc_lora_merge *merge,
                          lc_diag *diag)
{
    lc_err err = LC_OK;
    uint32_t heads = 0;
    merge->count = 0;
    merge->plan = plan;
    for (uint32_t i = 0; !err && i < options->lora_count; i++) {
        lc_lora_source *s = &merge->source[i];
        err = lc_lora_open(&options->lora[i], &plan->source.info, s, diag);
        if (!err) {
            merge->count++;
            heads += s->classes > 0;
            err = heads > 1 ? refuse(s->cls, "a second head", diag)
                            : add_pairs(s, options->type, plan, diag);
        }
        if (!err) {
            err = set_head(s, plan, diag);
        }
        if (err) {
            name_file(&options->lora[i], diag);
        }
    }
    return err;
}

bool lc_lora_merge_head(const lc_lora_merge *merge)
{
    for (uint32_t i = 0; i < merge->count; i++) {
        if (merge->source[i].classes > 0) {
            return true;
        }
    }
    return false;
}

void lc_lora_merge_close(lc_lora_merge *merge)
{
    for (uint32_t i = 0; merge->plan && i < merge->plan->count; i++) {
        sum_free(merge->plan->item[i].lora);
        merge->plan->item[i].lora = NULL;
    }
    while (merge->count > 0) {
        lc_lora_close(&merge->source[--merge->count]);
    }
}
