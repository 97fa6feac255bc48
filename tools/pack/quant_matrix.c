/* Matrices: rows in panels of 16, panels dealt out to threads, tiles written, losses added up. */
#include <pthread.h>
#include <stdlib.h>

#include "../../runtime/model.h"
#include "gguf_types.h"
#include "quant.h"
#include "real.h"

#define THREADS_MAX 64u

uint64_t lc_quant_bytes(uint32_t type, uint32_t rows, uint32_t cols)
{
    uint64_t data = lc_mat_data_bytes(type, rows, cols);
    uint64_t scales = lc_mat_scale_bytes(type, rows);
    return scales ? LC_ROUND_UP(data, 64) + scales : data;
}

lc_mat lc_quant_mat(uint32_t type, uint32_t rows, uint32_t cols, const uint8_t *data)
{
    lc_mat m = {.type = (uint8_t)type, .rows = rows, .cols = cols, .data = data};
    uint64_t bytes = LC_ROUND_UP(lc_mat_data_bytes(type, rows, cols), 64);
    m.scale = lc_mat_scale_bytes(type, rows) ? (const float *)(const void *)(data + bytes) : NULL;
    return m;
}

/* What all threads share; each writes only its own panels and its own rows of loss. */
typedef struct job {
    uint32_t type;
    const lc_quant_source *source;
    uint32_t threads;
    uint32_t groups;
    uint8_t *data;
    float *scale;
    double *signal; /* [rows] */
    double *noise;  /* [rows] */
} job;

typedef struct worker {
    const job *job;
    uint32_t index;
    pthread_t thread;
    lc_quant_work work;
    float *w; /* [groups * 32] one row */
    lc_quant_row row[LC_TILE_ROWS];
    int8_t *memory; /* q, s, m of 16 rows */
    double *panel;  /* [groups * 32][16] for compensation, else NULL */
    lc_err err;
    uint32_t bad_row; /* of err */
} worker;

/* ---- layout ---- */

static uint32_t tile_bytes(uint32_t type)
{
    return type == LC_W_T16A ? LC_T16A_BYTES : LC_T16_BYTES;
}

/* One tile of 16 rows and group g (FORMAT.md, tensor data). */
static void put_tile(uint32_t type, const lc_quant_row *row, uint32_t g, uint8_t *tile)
{
    for (uint32_t r = 0; r < LC_TILE_ROWS; r++) {
        tile[r] = (uint8_t)row[r].s[g];
        if (type == LC_W_T16A) {
            tile[LC_TILE_ROWS + r] = (uint8_t)row[r].m[g];
        }
    }
    uint8_t *d = tile + (type == LC_W_T16A ? 2 : 1) * LC_TILE_ROWS;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t j = i / 32, h = i / 16 % 2, r = i / 4 % 4, c = i % 4;
        uint32_t k = g * LC_GROUP + 4 * j + c;
        int32_t low = row[8 * h + r].q[k], high = row[8 * h + 4 + r].q[k];
        d[i] = (uint8_t)((uint32_t)(low + 8) | ((uint32_t)high & 15u) << 4);
    }
}

static void put_panel(const job *j, uint32_t panel, const lc_quant_row *row)
{
    uint32_t first = panel * LC_TILE_ROWS;
    size_t bytes = tile_bytes(j->type);
    for (uint32_t r = 0; r < LC_TILE_ROWS; r++) {
        j->scale[first + r] = row[r].rs;
    }
    for (uint32_t g = 0; g < j->groups; g++) {
        put_tile(j->type, row, g, j->data + ((size_t)panel * j->groups + g) * bytes);
    }
}

static void put_r8(const job *j, uint32_t r, const lc_quant_row *row)
{
    size_t bytes = (size_t)j->groups * LC_GROUP;
    memcpy(j->data + r * bytes, row->q, bytes);
    j->scale[r] = row->rs;
}

/* ---- rows ---- */

static bool quantise_row(worker *w, uint32_t r, lc_quant_row *row)
{
    const lc_quant_source *s = w->job->source;
    switch (w->job->type) {
    case LC_W_T16A:
        return lc_quant_row_t16a(w->w, s->cols, &w->work, row);
    case LC_W_R8:
        return lc_quant_row_r8(w->w, s->cols, row);
    default:
        if (s->q4_0) {
            size_t bytes = (size_t)w->job->groups * LC_Q4_0_BYTES;
            return lc_quant_row_q4_0(s->q4_0 + r * bytes, s->cols, row);
        }
        return lc_quant_row_t16(w->w, s->cols, &w->work, row);
    }
}

static void measure_row(const job *j, uint32_t r, const float *w, const lc_quant_row *row)
{
    double signal = 0.0, noise = 0.0, rs = (double)row->rs;
    for (uint32_t k = 0; k < j->source->cols; k++) {
        double s = j->type == LC_W_R8 ? 1.0 : (double)row->s[k / LC_GROUP];
        double m = j->type == LC_W_R8 ? 0.0 : (double)row->m[k / LC_GROUP];
        double v = (double)w[k], e = v - rs * (s * (double)row->q[k] + 8.0 * m);
        signal += v * v;
        noise += e * e;
    }
    j->signal[r] = signal;
    j->noise[r] = noise;
}

static bool copy_f32(const job *j, uint32_t r, const float *w)
{
    bool finite = true;
    for (uint32_t k = 0; k < j->source->cols; k++) {
        finite = finite && w[k] - w[k] == 0.0f;
    }
    memcpy(j->data + (size_t)r * j->source->cols * sizeof(float), w,
           j->source->cols * sizeof(float));
    return finite;
}

static bool do_row(worker *w, uint32_t r, lc_quant_row *row)
{
    const job *j = w->job;
    j->source->row(j->source->ctx, r, w->w);
    if (j->type == LC_W_F32) {
        return copy_f32(j, r, w->w);
    }
    if (!quantise_row(w, r, row)) {
        return false;
    }
    if (w->panel) {
        for (uint32_t k = 0; k < j->source->cols; k++) {
            w->panel[(size_t)k * LC_TILE_ROWS + r % LC_TILE_ROWS] = (double)w->w[k];
        }
        return true;
    }
    measure_row(j, r, w->w, row);
    if (j->type == LC_W_R8) {
        put_r8(j, r, row);
    }
    return true;
}

/* The search of each row gave its scale; now its errors are handed on from column to column. */
static void compensate(worker *w, uint32_t panel)
{
    const lc_quant_source *s = w->job->source;
    lc_quant_compensated(w->job->type, s->cols, s->inputs->root, w->panel, w->row);
    for (uint32_t i = 0; i < LC_TILE_ROWS && panel * LC_TILE_ROWS + i < s->rows; i++) {
        uint32_t r = panel * LC_TILE_ROWS + i;
        s->row(s->ctx, r, w->w);
        measure_row(w->job, r, w->w, &w->row[i]);
    }
}

static void clear_row(const job *j, lc_quant_row *row)
{
    row->rs = 0.0f;
    memset(row->q, 0, (size_t)j->groups * LC_GROUP);
    memset(row->s, 0, j->groups);
    memset(row->m, 0, j->groups);
}

static bool do_panel(worker *w, uint32_t panel)
{
    const job *j = w->job;
    size_t cols = (size_t)j->groups * LC_GROUP;
    if (w->panel) {
        memset(w->panel, 0, cols * LC_TILE_ROWS * sizeof *w->panel);
    }
    for (uint32_t i = 0; i < LC_TILE_ROWS; i++) {
        uint32_t r = panel * LC_TILE_ROWS + i;
        if (r >= j->source->rows) {
            clear_row(j, &w->row[i]);
        } else if (!do_row(w, r, &w->row[i])) {
            w->err = LC_ERR_NUMBER;
            w->bad_row = r;
            return false;
        }
    }
    if (w->panel) {
        compensate(w, panel);
    }
    if (j->type == LC_W_T16 || j->type == LC_W_T16A) {
        put_panel(j, panel, w->row);
    }
    return true;
}

static void *run_worker(void *arg)
{
    worker *w = arg;
    uint32_t panels = (uint32_t)(LC_ROUND_UP(w->job->source->rows, LC_TILE_ROWS) / LC_TILE_ROWS);
    for (uint32_t p = w->index; p < panels; p += w->job->threads) {
        if (!do_panel(w, p)) {
            break;
        }
    }
    return NULL;
}

/* ---- threads ---- */

static bool worker_init(worker *w, const job *j, uint32_t index)
{
    size_t cols = (size_t)j->groups * LC_GROUP, each = cols + 2u * j->groups;
    w->job = j;
    w->index = index;
    w->err = LC_OK;
    w->w = calloc(cols, sizeof(float));
    w->memory = calloc(LC_TILE_ROWS, each);
    const lc_quant_inputs *in = j->source->inputs;
    bool compensated = in && in->root;
    w->panel = compensated ? calloc(cols, LC_TILE_ROWS * sizeof *w->panel) : NULL;
    if (!lc_quant_work_init(&w->work, j->source->cols) || !w->w || !w->memory ||
        (compensated && !w->panel)) {
        return false;
    }
    lc_quant_work_weigh(&w->work, j->source->cols, in ? in->weight : NULL);
    for (uint32_t i = 0; i < LC_TILE_ROWS; i++) {
        w->row[i].q = w->memory + i * each;
        w->row[i].s = w->row[i].q + cols;
        w->row[i].m = w->row[i].s + j->groups;
    }
    return true;
}

static void worker_free(worker *w)
{
    lc_quant_work_free(&w->work);
    free(w->w);
    free(w->memory);
    free(w->panel);
}

/* Worker 0 is this thread. A thread that cannot start is done here as well. */
static void run_all(worker *w, uint32_t threads)
{
    bool started[THREADS_MAX] = {false};
    for (uint32_t i = 1; i < threads; i++) {
        started[i] = pthread_create(&w[i].thread, NULL, run_worker, &w[i]) == 0;
    }
    for (uint32_t i = 0; i < threads; i++) {
        if (!started[i]) {
            (void)run_worker(&w[i]);
        }
    }
    for (uint32_t i = 1; i < threads; i++) {
        if (started[i]) {
            (void)pthread_join(w[i].thread, NULL);
        }
    }
}

/* Errors of the lowest row, whichever thread met it. */
static lc_err first_error(const worker *w, uint32_t threads, lc_diag *diag)
{
    uint32_t row = UINT32_MAX;
    for (uint32_t i = 0; i < threads; i++) {
        row = w[i].err && w[i].bad_row < row ? w[i].bad_row : row;
    }
    return row == UINT32_MAX
               ? LC_OK
               : lc_fail(diag, LC_ERR_NUMBER, row, "a weight is not finite or too large");
}

static double total_db(const job *j)
{
    double signal = 0.0, noise = 0.0;
    for (uint32_t r = 0; r < j->source->rows; r++) {
        signal += j->signal[r];
        noise += j->noise[r];
    }
    return noise < 0x1p-1000 || signal < 0x1p-1000 ? (double)__builtin_inff()
                                                   : lc_real_db(signal, noise);
}

lc_err lc_quant_matrix(uint32_t type, const lc_quant_source *source, uint32_t threads, uint8_t *out,
                       double *sqnr_db, lc_diag *diag)
{
    uint32_t panels = (uint32_t)(LC_ROUND_UP(source->rows, LC_TILE_ROWS) / LC_TILE_ROWS);
    threads = threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads;
    threads = threads > panels ? panels : threads;
    uint64_t scales_at = LC_ROUND_UP(lc_mat_data_bytes(type, source->rows, source->cols), 64);
    job j = {.type = type, .source = source, .threads = threads, .data = out};
    j.groups = (uint32_t)(LC_ROUND_UP(source->cols, LC_GROUP) / LC_GROUP);
    j.scale = type == LC_W_F32 ? NULL : (float *)(void *)(out + scales_at);
    j.signal = calloc(source->rows, sizeof(double));
    j.noise = calloc(source->rows, sizeof(double));
    worker *w = calloc(threads, sizeof *w);
    bool ready = j.signal && j.noise && w;
    for (uint32_t i = 0; ready && i < threads; i++) {
        ready = worker_init(&w[i], &j, i);
    }
    lc_err err = ready ? LC_OK : lc_fail(diag, LC_ERR_ARENA, 0, "out of memory");
    if (!err) {
        run_all(w, threads);
        err = first_error(w, threads, diag);
    }
    if (!err) {
        *sqnr_db = total_db(&j);
    }
    for (uint32_t i = 0; w && i < threads; i++) {
        worker_free(&w[i]);
    }
    free(w);
    free(j.signal);
    free(j.noise);
    return err;
}
