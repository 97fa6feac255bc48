#include "fold.h"

#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "quant.h"
#include "real.h"

#define EXPONENT_MAX 12     /* of a factor, so that fp16 keys and values stay in range */
#define EXPONENT_MIN 2      /* smaller ones gain nothing that can be told from chance */
#define WEIGHT_MIN 0x1p-100 /* a smaller weight may lose bits when divided */
#define WEIGHT_MAX 0x1p80   /* a larger one may leave the range of scales when multiplied */
#define WIDE 32.0f
#define GAIN 0.95 /* a choice must take this off the error to be made */
#define LOG_4 1.3862943611198906

/* Who reads an input, and who produces it. */
typedef struct roles {
    uint8_t reader[3], producer[2]; /* 0: none; the first of each must be there */
    uint8_t also;                   /* must be there too, 0: nothing */
} roles;

static const roles ROLES[LC_FOLD_SLOTS] = {
    {{LC_T_Q, LC_T_K, LC_T_V}, {LC_T_ATTN_NORM, LC_T_ATTN_NORM_BIAS}, 0},
    {{LC_T_O}, {LC_T_V, LC_T_V_BIAS}, 0},
    {{LC_T_UP, LC_T_GATE}, {LC_T_FFN_NORM, LC_T_FFN_NORM_BIAS}, 0},
    {{LC_T_DOWN}, {LC_T_UP, LC_T_UP_BIAS}, LC_T_GATE},
};

/* One input, while its factors are chosen. */
typedef struct slot {
    lc_pack_item *reader[3], *producer[2];
    uint32_t readers, producers;
    uint32_t cols, channels;     /* of the readers; of the producer */
    uint32_t head_dim, per_head; /* query heads that read one head of v; else cols and 1 */
    int8_t *in, *out;            /* as in lc_fold */
    double *weight; /* [cols] mean square of what the readers get: of the text, or of the rows
                       that make it */
    double *width;  /* [channels] mean square of the readers' columns */
    double *error;  /* [cols] that rounding adds to the outputs */
    int8_t *shift;  /* [cols] of what is applied */
} slot;

typedef struct chooser {
    const lc_pack_options *options;
    lc_calib *calib; /* or NULL */
    lc_diag *diag;
} chooser;

static lc_err out_of_memory(lc_diag *diag)
{
    return lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
}

/* ---- factors ---- */

/* 2^e as float, |e| <= 126 */
static float power(int e)
{
    uint32_t bits = (uint32_t)(e + 127) << 23;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

void lc_fold_row(const lc_pack_item *item, uint32_t r, float *row)
{
    uint32_t vector = item->cols == 1 ? item->rows : 0;
    for (uint32_t i = 0; item->fold_out && i < vector; i++) {
        row[i] *= power(item->fold_out[i]);
    }
    for (uint32_t k = 0; item->fold_in && k < item->cols; k++) {
        row[k] *= power(-item->fold_in[k]);
    }
    for (uint32_t k = 0; item->fold_out && !vector && k < item->cols; k++) {
        row[k] *= power(item->fold_out[r]);
    }
}

uint32_t lc_fold_count(const lc_pack_item *item)
{
    uint32_t n = 0;
    for (uint32_t k = 0; item->fold_in && k < item->cols; k++) {
        n += item->fold_in[k] != 0;
    }
    return n;
}

void lc_fold_free(lc_fold *fold, uint32_t layers)
{
    for (uint32_t i = 0; fold && i < layers; i++) {
        for (uint32_t s = 0; s < LC_FOLD_SLOTS; s++) {
            free(fold[i].in[s]);
            free(fold[i].out[s]);
        }
    }
    free(fold);
}

/* ---- rows ---- */

static uint32_t row_count(const lc_pack_item *item)
{
    return item->cols == 1 ? 1 : item->rows;
}

static uint32_t row_length(const lc_pack_item *item)
{
    return item->cols == 1 ? item->rows : item->cols;
}

static bool row_is_wide(const float *row, uint32_t cols)
{
    float least = 0.0f, most = 0.0f;
    for (uint32_t from = 0; from < cols; from += LC_GROUP) {
        float peak = 0.0f;
        for (uint32_t k = from; k < cols && k < from + LC_GROUP; k++) {
            float v = row[k] < 0.0f ? -row[k] : row[k];
            peak = v > peak ? v : peak;
        }
        most = peak > most ? peak : most;
        least = peak > 0.0f && (least == 0.0f || peak < least) ? peak : least;
    }
    return most > WIDE * least;
}

lc_err lc_fold_wide_rows(const lc_pack_item *item, uint32_t *rows, lc_diag *diag)
{
    float *row = malloc(item->cols * sizeof *row);
    *rows = 0;
    for (uint32_t r = 0; row && r < item->rows; r++) {
        lc_pack_row(item, r, row);
        *rows += row_is_wide(row, item->cols);
    }
    free(row);
    return row ? LC_OK : out_of_memory(diag);
}

/* Adds the square of each weight to its column's and its row's sum, where these are given; false
 * when a weight is too small or too large to be multiplied exactly, or memory is short. */
static bool add_squares(const lc_pack_item *item, double *by_col, double *by_row)
{
    uint32_t n = row_length(item);
    float *row = malloc(n * sizeof *row);
    bool exact = row != NULL;
    for (uint32_t r = 0; exact && r < row_count(item); r++) {
        lc_pack_row(item, r, row);
        for (uint32_t k = 0; k < n; k++) {
            double v = (double)row[k], size = v < 0.0 ? -v : v;
            exact = exact && (size == 0.0 || (size > WEIGHT_MIN && size < WEIGHT_MAX));
            if (by_col) {
                by_col[k] += v * v;
            }
            if (by_row) {
                by_row[r] += v * v;
            }
        }
    }
    free(row);
    return exact;
}

/* ---- a slot ---- */

static lc_pack_item *find(const lc_pack_plan *plan, uint32_t role, uint32_t layer)
{
    for (uint32_t i = 0; role > 0 && i < plan->count; i++) {
        if (plan->item[i].role == role && plan->item[i].layer == layer) {
            return &plan->item[i];
        }
    }
    return NULL;
}

static uint32_t channel(const slot *s, uint32_t col)
{
    return col / s->head_dim / s->per_head * s->head_dim + col % s->head_dim;
}

/* Whether this input can be folded at all: everything is there and is rounded anew. */
static bool slot_find(const lc_pack_plan *plan, uint32_t layer, uint32_t number, slot *s)
{
    const roles *r = &ROLES[number];
    const lc_model_info *m = &plan->source.info;
    bool whole = r->also == 0 || find(plan, r->also, layer);
    memset(s, 0, sizeof *s);
    if (!find(plan, r->reader[0], layer) || !find(plan, r->producer[0], layer)) {
        return false;
    }
    for (uint32_t i = 0; i < 3; i++) {
        lc_pack_item *item = find(plan, r->reader[i], layer);
        if (item) {
            s->reader[s->readers++] = item;
            whole = whole && !item->keep;
        }
    }
    for (uint32_t i = 0; i < 2; i++) {
        lc_pack_item *item = find(plan, r->producer[i], layer);
        if (item) {
            s->producer[s->producers++] = item;
            whole = whole && !item->keep;
        }
    }
    s->cols = s->reader[0]->cols;
    s->channels = s->producer[0]->rows;
    bool heads = s->reader[0]->role == LC_T_O;
    s->head_dim = heads ? m->head_dim : s->cols;
    s->per_head = heads ? m->heads / m->kv_heads : 1;
    return whole;
}

/* ---- what it loses ---- */

static uint32_t lossy_type(const lc_pack_item *item)
{
    if (item->type != LC_W_F32) {
        return item->type;
    }
    return item->cols > LC_COLS_MAX_T16A ? LC_W_T16 : LC_W_T16A;
}

static void row_of(const void *ctx, uint32_t r, float *out)
{
    lc_pack_row(ctx, r, out);
}

/* Adds what each column of q loses, weighed, in what the outputs lose by it. */
static void add_errors(const slot *s, const lc_pack_item *item, const lc_mat *q, float *rows,
                       double *signal)
{
    for (uint32_t r = 0; r < item->rows; r++) {
        lc_pack_row(item, r, rows);
        lc_mat_row(q, r, rows + s->cols);
        for (uint32_t k = 0; k < s->cols; k++) {
            double v = (double)rows[k], e = v - (double)rows[s->cols + k];
            *signal += v * v * s->weight[k];
            s->error[k] += e * e * s->weight[k];
        }
    }
}

/* Fills error by column, of plain rounding; adds noise over signal of one reader. */
static lc_err measure_reader(const chooser *c, const slot *s, const lc_pack_item *item,
                             double *error)
{
    uint32_t type = lossy_type(item);
    lc_quant_source source = {.rows = item->rows, .cols = item->cols, .row = row_of, .ctx = item};
    size_t bytes = LC_ROUND_UP((size_t)lc_quant_bytes(type, item->rows, item->cols), 64) + 64;
    uint8_t *data = aligned_alloc(64, bytes);
    float *rows = malloc(2u * s->cols * sizeof *rows);
    double db, signal = 0.0, before = 0.0, after = 0.0;
    lc_err err = data && rows ? LC_OK : out_of_memory(c->diag);
    if (!err) {
        memset(data, 0, bytes);
        err = lc_quant_matrix(type, &source, c->options->threads, data, &db, c->diag);
    }
    if (!err) {
        lc_mat q = lc_quant_mat(type, item->rows, item->cols, data);
        for (uint32_t k = 0; k < s->cols; k++) {
            before += s->error[k];
        }
        add_errors(s, item, &q, rows, &signal);
        for (uint32_t k = 0; k < s->cols; k++) {
            after += s->error[k];
        }
        *error += signal > 0.0 ? (after - before) / signal : 0.0;
    }
    free(data);
    free(rows);
    return err;
}

/* Noise over signal, summed over the readers: of the held-out text's outputs where there is one. */
static lc_err measure(const chooser *c, const slot *s, double *error)
{
    lc_err err = LC_OK;
    *error = 0.0;
    memset(s->error, 0, s->cols * sizeof *s->error);
    for (uint32_t i = 0; !err && i < s->readers; i++) {
        err = measure_reader(c, s, s->reader[i], error);
    }
    if (!err && c->calib) {
        *error = 0.0;
    }
    for (uint32_t i = 0; !err && c->calib && i < s->readers; i++) {
        double db = 0.0;
        err = lc_calib_try(c->calib, s->reader[i], lossy_type(s->reader[i]), &db, c->diag);
        *error += lc_real_pow(10.0, -(db < 300.0 ? db : 300.0) / 10.0);
    }
    return err;
}

/* ---- choosing ---- */

/* Multiplies channels by 2^(sign * exponent), and divides the columns that read them. */
static lc_err apply(const chooser *c, slot *s, const int8_t *exponent, int sign)
{
    bool any = false;
    for (uint32_t i = 0; i < s->channels; i++) {
        s->out[i] = (int8_t)(s->out[i] + sign * exponent[i]);
    }
    for (uint32_t k = 0; k < s->cols; k++) {
        uint32_t i = channel(s, k);
        s->in[k] = s->out[i];
        s->shift[k] = (int8_t)(sign * exponent[i]);
        s->weight[k] *= (double)power(2 * s->shift[k]);
        any = any || s->shift[k] != 0;
    }
    return c->calib && any ? lc_calib_fold(c->calib, s->reader[0]->role, s->shift, c->diag) : LC_OK;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The middle one of those above 0, or 0. */
static double median(const double *v, uint32_t n, double *work)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (v[i] > 0.0) {
            work[count++] = v[i];
        }
    }
    qsort(work, count, sizeof *work, compare);
    return count ? work[count / 2] : 0.0;
}

/* log2 of the root of v over the middle one; 0 where there is none. */
static double octaves(double v, double middle)
{
    return v > 0.0 && middle > 0.0 ? lc_real_log(v / middle) / LOG_4 : 0.0;
}

/* Exponents that make columns as wide as the middle one, or that share the width between columns
 * and channels. True: there is one. */
static bool propose(const slot *s, bool shared, double *work, int8_t *exponent)
{
    double wide = median(s->width, s->channels, work);
    double loud = median(s->weight, s->cols, work);
    bool any = false;
    memset(exponent, 0, s->channels);
    for (uint32_t k = 0; k < s->cols; k++) {
        uint32_t i = channel(s, k);
        double e = octaves(s->width[i], wide);
        e = shared ? (e - octaves(s->weight[k], loud)) / 2.0 : e;
        int n = e < 0.0 ? -(int)(0.5 - e) : (int)(e + 0.5);
        n = n > EXPONENT_MAX ? EXPONENT_MAX : n < -EXPONENT_MAX ? -EXPONENT_MAX : n;
        exponent[i] = (int8_t)(n > -EXPONENT_MIN && n < EXPONENT_MIN ? 0 : n);
        any = any || exponent[i] != 0;
    }
    return any;
}

/* Leaves only the channels of groups that lose less with these exponents than without. True: some
 * are left and some are gone. */
static bool prune(const slot *s, const double *before, const double *after, int8_t *exponent,
                  uint8_t *keep)
{
    bool left = false, gone = false;
    memset(keep, 0, s->channels);
    for (uint32_t from = 0; from < s->cols; from += LC_GROUP) {
        uint32_t to = from + LC_GROUP < s->cols ? from + LC_GROUP : s->cols;
        double was = 0.0, is = 0.0;
        for (uint32_t k = from; k < to; k++) {
            was += before[k];
            is += after[k];
        }
        for (uint32_t k = from; k < to && is < was; k++) {
            keep[channel(s, k)] = 1;
        }
    }
    for (uint32_t i = 0; i < s->channels; i++) {
        gone = gone || (exponent[i] && !keep[i]);
        exponent[i] = (int8_t)(keep[i] ? exponent[i] : 0);
        left = left || exponent[i] != 0;
    }
    return left && gone;
}

/* Measures a choice and takes it back. */
static lc_err try(const chooser *c, slot *s, const int8_t *exponent, double *error)
{
    lc_err err = apply(c, s, exponent, 1);
    if (!err) {
        err = measure(c, s, error);
    }
    return err ? err : apply(c, s, exponent, -1);
}

/* Memory of one choice. */
typedef struct choice {
    double *before, *work; /* [cols] */
    int8_t *now, *best;    /* [channels] */
    uint8_t *keep;         /* [channels] */
    double least;
} choice;

static void note(choice *x, uint32_t channels, double error)
{
    if (error < x->least) {
        x->least = error;
        memcpy(x->best, x->now, channels);
    }
}

static lc_err choose(const chooser *c, slot *s, choice *x)
{
    double error;
    if (!propose(s, false, x->work, x->now) && !propose(s, true, x->work, x->now)) {
        return LC_OK;
    }
    lc_err err = measure(c, s, &error);
    x->least = error * GAIN;
    memcpy(x->before, s->error, s->cols * sizeof *s->error);
    for (uint32_t shared = 0; !err && shared < 2; shared++) {
        if (!propose(s, shared, x->work, x->now)) {
            continue;
        }
        err = try(c, s, x->now, &error);
        if (err) {
            break;
        }
        note(x, s->channels, error);
        if (prune(s, x->before, s->error, x->now, x->keep)) {
            err = try(c, s, x->now, &error);
            if (!err) {
                note(x, s->channels, error);
            }
        }
    }
    return err ? err : apply(c, s, x->best, 1);
}

/* Mean squares of the readers' columns and of what they read. False: not to be folded. */
static bool slot_sums(const chooser *c, slot *s)
{
    const double *mean = c->calib ? lc_calib_mean(c->calib, s->reader[0]->role) : NULL;
    double *made = calloc(s->channels, sizeof *made);
    bool exact = made != NULL;
    for (uint32_t i = 0; exact && i < s->readers; i++) {
        exact = add_squares(s->reader[i], s->error, NULL);
    }
    for (uint32_t i = 0; exact && i < s->producers; i++) {
        bool vector = s->producer[i]->cols == 1;
        exact = add_squares(s->producer[i], vector ? made : NULL, vector ? NULL : made);
    }
    for (uint32_t k = 0; exact && k < s->cols; k++) {
        s->width[channel(s, k)] += s->error[k];
        s->weight[k] = mean ? mean[k] : made[channel(s, k)];
    }
    free(made);
    return exact;
}

static lc_err slot_choose(const chooser *c, slot *s)
{
    choice x = {.before = calloc(s->cols, sizeof(double)),
                .work = calloc(s->cols, sizeof(double)),
                .now = calloc(s->channels, 1),
                .best = calloc(s->channels, 1),
                .keep = calloc(s->channels, 1)};
    s->weight = calloc(s->cols, sizeof(double));
    s->width = calloc(s->channels, sizeof(double));
    s->error = calloc(s->cols, sizeof(double));
    s->shift = calloc(s->cols, 1);
    lc_err err = LC_OK;
    if (!x.before || !x.work || !x.now || !x.best || !x.keep || !s->weight || !s->width ||
        !s->error || !s->shift) {
        err = out_of_memory(c->diag);
    } else if (slot_sums(c, s)) {
        err = choose(c, s, &x);
    }
    free(x.before);
    free(x.work);
    free(x.now);
    free(x.best);
    free(x.keep);
    free(s->weight);
    free(s->width);
    free(s->error);
    free(s->shift);
    return err;
}

/* From now on the rows of these items are read folded. */
static bool slot_bind(slot *s, lc_fold *fold, uint32_t number)
{
    s->in = fold->in[number] = calloc(s->cols, 1);
    s->out = fold->out[number] = calloc(s->channels, 1);
    if (!s->in || !s->out) {
        return false;
    }
    for (uint32_t i = 0; i < s->readers; i++) {
        s->reader[i]->fold_in = s->in;
    }
    for (uint32_t i = 0; i < s->producers; i++) {
        s->producer[i]->fold_out = s->out;
    }
    return true;
}

static bool wanted(const lc_pack_options *o)
{
    return o->fold == LC_PACK_FOLD_ON ||
           (o->fold == LC_PACK_FOLD_AUTO && o->text && o->type != LC_PACK_F32);
}

static bool folded(const lc_pack_plan *plan, uint32_t layer)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < plan->count; i++) {
        n += plan->item[i].layer == layer ? lc_fold_count(&plan->item[i]) : 0;
    }
    return n > 0;
}

lc_err lc_fold_layer(lc_pack_plan *plan, const lc_pack_options *options, uint32_t layer,
                     lc_calib *calib, lc_diag *diag)
{
    chooser c = {options, calib, diag};
    slot s;
    lc_err err = calib ? lc_calib_layer(calib, layer, diag) : LC_OK;
    if (err || !wanted(options)) {
        return err;
    }
    if (!plan->fold) {
        plan->fold = calloc(plan->source.info.layers, sizeof *plan->fold);
    }
    if (!plan->fold) {
        return out_of_memory(diag);
    }
    lc_fold *fold = &plan->fold[layer];
    if (fold->chosen) {
        return LC_OK;
    }
    for (uint32_t i = 0; !err && i < LC_FOLD_SLOTS; i++) {
        if (slot_find(plan, layer, i, &s)) {
            err = slot_bind(&s, fold, i) ? slot_choose(&c, &s) : out_of_memory(diag);
        }
    }
    fold->chosen = true;
    /* the damping of sums is of what reaches the matrices now */
    return !err && calib && folded(plan, layer) ? lc_calib_layer(calib, layer, diag) : err;
}
