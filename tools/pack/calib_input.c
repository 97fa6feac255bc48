#include <stdlib.h>
#include <string.h>

#include "calib_parts.h"
#include "dense.h"
#include "real.h"

#define FULL_COLS_MAX 8192u /* wider: half a gigabyte and more; only mean squares are kept */
#define DAMPING 0.01        /* of the mean of the diagonal */
#define TOKENS_AT_ONCE 64u

bool lc_calib_input_init(lc_calib_input *in, uint32_t cols, uint32_t held_max)
{
    *in = (lc_calib_input){.cols = cols, .stride = (cols + 3u) / 4u * 4u, .held_max = held_max};
    bool full = cols <= FULL_COLS_MAX;
    in->sum = full ? calloc(cols, cols * sizeof(double)) : NULL;
    in->mean = calloc(cols, sizeof(double));
    in->block = calloc(LC_DENSE_BLOCK, in->stride * sizeof(double));
    in->held = aligned_alloc(64, LC_ROUND_UP((size_t)held_max * cols * sizeof(float) + 64, 64));
    return (in->sum || !full) && in->mean && in->block && in->held;
}

void lc_calib_input_free(lc_calib_input *in)
{
    free(in->sum);
    free(in->mean);
    free(in->block);
    free(in->held);
    memset(in, 0, sizeof *in);
}

/* Tokens waiting in block go into the sum. */
static void flush(lc_calib_input *in, const lc_tasks *tasks)
{
    if (in->sum) {
        lc_dense_update(tasks, in->sum, in->cols, 1.0, in->block, in->blocked, in->stride);
    }
    in->blocked = 0;
}

void lc_calib_input_add(lc_calib_input *in, const lc_tasks *tasks, uint32_t n, const float *x)
{
    for (uint32_t t = 0; t < n; t++, x += in->cols) {
        double *to = in->block + (size_t)in->blocked++ * in->stride;
        for (uint32_t k = 0; k < in->cols; k++) {
            to[k] = (double)x[k];
            in->mean[k] += to[k] * to[k];
        }
        if (in->blocked == LC_DENSE_BLOCK) {
            flush(in, tasks);
        }
    }
    in->tokens += n;
}

void lc_calib_input_hold(lc_calib_input *in, uint32_t n, const float *x)
{
    uint32_t room = in->held_max - in->held_count;
    n = n < room ? n : room;
    memcpy(in->held + (size_t)in->held_count * in->cols, x, (size_t)n * in->cols * sizeof *x);
    in->held_count += n;
}

bool lc_calib_input_finish(lc_calib_input *in, const lc_tasks *tasks)
{
    double trace = 0.0, n = (double)in->tokens;
    flush(in, tasks);
    for (uint32_t k = 0; k < in->cols; k++) {
        in->mean[k] /= n;
        trace += in->mean[k];
    }
    double damping = trace > 0.0 ? DAMPING * trace / (double)in->cols : 1.0;
    for (uint32_t k = 0; k < in->cols; k++) {
        in->mean[k] += damping;
    }
    if (!in->sum) {
        return true;
    }
    for (size_t i = 0; i < (size_t)in->cols * in->cols; i++) {
        in->sum[i] /= n;
    }
    for (uint32_t k = 0; k < in->cols; k++) {
        in->sum[(size_t)k * in->cols + k] += damping;
    }
    double *work = malloc((size_t)LC_DENSE_BLOCK * in->stride * sizeof *work);
    if (work && !lc_dense_inverse_root(tasks, in->sum, in->cols, work)) {
        free(in->sum); /* not even damped positive: rounding error; rows are searched alone */
        in->sum = NULL;
    }
    free(work);
    return work != NULL;
}

static double power(int e)
{
    double by = 1.0, step = e < 0 ? 0.5 : 2.0;
    for (int i = e < 0 ? -e : e; i > 0; i--) {
        by *= step;
    }
    return by;
}

void lc_calib_input_shift(lc_calib_input *in, const int8_t *shift)
{
    for (uint32_t k = 0; k < in->cols; k++) {
        double by = power(shift[k]);
        if (shift[k] == 0) {
            continue;
        }
        in->mean[k] *= by * by;
        for (uint32_t t = 0; t < in->held_count; t++) {
            in->held[(size_t)t * in->cols + k] *= (float)by;
        }
        for (uint32_t i = 0; in->sum && i <= k; i++) {
            in->sum[(size_t)i * in->cols + k] /= by;
        }
    }
}

/* ---- loss of outputs ---- */

typedef struct product {
    const lc_kernels *k;
    const lc_mat *w;
    const lc_acts *x;
    float *y; /* [tokens][rows] */
} product;

static void product_task(void *arg, uint32_t part, uint32_t parts)
{
    const product *p = arg;
    uint64_t blocks = lc_matmul_blocks(p->w);
    lc_matmul(p->k, p->w, NULL, p->x, p->y, p->w->rows, (uint32_t)(blocks * part / parts),
              (uint32_t)(blocks * (part + 1) / parts));
}

typedef struct sums {
    double signal, noise;
} sums;

static void add_loss(const float *want, const float *got, size_t n, sums *s)
{
    double signal[4] = {0.0}, noise[4] = {0.0};
    for (size_t i = 0; i < n; i++) {
        double v = (double)want[i], e = v - (double)got[i];
        signal[i % 4] += v * v;
        noise[i % 4] += e * e;
    }
    s->signal += (signal[0] + signal[1]) + (signal[2] + signal[3]);
    s->noise += (noise[0] + noise[1]) + (noise[2] + noise[3]);
}

lc_err lc_calib_output_db(const lc_calib_input *in, const lc_kernels *k, const lc_tasks *tasks,
                          const lc_mat *f32, const lc_mat *w, double *db)
{
    size_t y_bytes = (size_t)TOKENS_AT_ONCE * w->rows * sizeof(float);
    void *memory = aligned_alloc(64, LC_ROUND_UP(lc_acts_bytes(TOKENS_AT_ONCE, in->cols), 64));
    float *want = malloc(y_bytes), *got = malloc(y_bytes);
    lc_err err = memory && want && got ? LC_OK : LC_ERR_ARENA;
    sums s = {0};
    lc_acts acts;
    if (!err) {
        lc_acts_init(&acts, memory, TOKENS_AT_ONCE, in->cols);
    }
    for (uint32_t t = 0; !err && t < in->held_count; t += TOKENS_AT_ONCE) {
        uint32_t n = in->held_count - t < TOKENS_AT_ONCE ? in->held_count - t : TOKENS_AT_ONCE;
        if (!lc_acts_set(k, &acts, in->held + (size_t)t * in->cols, n, in->cols, true)) {
            err = LC_ERR_NUMBER;
            break;
        }
        product a = {k, f32, &acts, want}, b = {k, w, &acts, got};
        tasks->run(tasks->ctx, product_task, &a, tasks->count);
        tasks->run(tasks->ctx, product_task, &b, tasks->count);
        add_loss(want, got, (size_t)n * w->rows, &s);
    }
    free(memory);
    free(want);
    free(got);
    bool lost = s.noise > 0x1p-1000 && s.signal > 0x1p-1000;
    *db = lost ? lc_real_db(s.signal, s.noise) : (double)__builtin_inff();
    return err;
}
