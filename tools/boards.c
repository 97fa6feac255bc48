#include "boards.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../board/linux/cpu.h"
#include "ui.h"

/* ---- the table ---- */

/* Cycles by `make mca` (A53: tests/perf/a53.py; A72, N1, N2: llvm-mca 19), 256 multiply-adds each,
 * in the order of lc_wtype: F32, T16, T16A, R8. */
typedef struct core_cycles {
    double many[LC_W_COUNT], one[LC_W_COUNT];
    double unpack; /* 256 weights: counted instructions at the cycles of gemv's */
    double cpi;    /* cycles an instruction of everything else: those of gemv_q4 */
} core_cycles;

/* F32 has no figure of its own: as attention, whose loop is the same. */
#define FLOAT(cpi) (0.86 * 256 * (cpi))

static const core_cycles a53 = {
    {FLOAT(1.29), 64.5, 68.5, 140.5}, {FLOAT(1.29), 93.0, 103.5, 186.0}, 0, 1.29};
static const core_cycles a72 = {
    {FLOAT(0.52), 35.1, 37.1, 42.1}, {FLOAT(0.52), 34.6, 36.6, 40.3}, 0, 0.52};
static const core_cycles a76 = {
    {FLOAT(0.41), 11.0, 12.5, 11.3}, {FLOAT(0.41), 17.3, 19.1, 14.6}, 22, 0.41};
static const core_cycles n2 = {
    {FLOAT(0.41), 6.8, 8.0, 9.8}, {FLOAT(0.41), 17.3, 19.1, 14.6}, 29, 0.41};

/* Instructions, counted in a token of SmolLM2-135M's dimensions (kernels/DECISIONS.md). */
#define ATTEND_INSNS 0.86  /* a multiply-add */
#define QUANTISE_INSNS 4.2 /* a value */
#define ACT_INSNS 8.5
#define SCALE_INSNS 1.7

/* Memory: what was published of each board, the lower end (cross/boards.md). */
static const struct {
    const char *name;
    const core_cycles *core;
    double ghz;
    uint32_t cores, ram_mb;
    double read_gbs;
} table[] = {
    {"Zero 2 W (A53 1.0 GHz)", &a53, 1.0, 4, 512, 1.8},
    {"Pi 3B+ (A53 1.4 GHz)", &a53, 1.4, 4, 1024, 1.8},
    {"Pi 4 (A72 1.8 GHz)", &a72, 1.8, 4, 2048, 4.0},
    {"Pi 5 (A76 2.4 GHz)", &a76, 2.4, 4, 4096, 9.8},
    {"i8mm class (2.4 GHz)", &n2, 2.4, 4, 8192, 15.0},
};

uint32_t lc_boards_count(void)
{
    return LC_COUNT(table);
}

lc_board lc_boards_at(uint32_t i)
{
    const core_cycles *core = table[i].core;
    double cycle = 1.0 / table[i].ghz; /* ns */
    lc_board board = {.name = table[i].name,
                      .cores = table[i].cores,
                      .ram_mb = table[i].ram_mb,
                      .read_gbs = table[i].read_gbs};
    for (uint32_t type = 0; type < LC_W_COUNT; type++) {
        board.costs.many[type] = core->many[type] * cycle;
        board.costs.one[type] = core->one[type] * cycle;
    }
    board.costs.unpack = core->unpack * cycle;
    board.costs.attend = ATTEND_INSNS * core->cpi * cycle;
    board.costs.quantise = QUANTISE_INSNS * core->cpi * cycle;
    board.costs.act = ACT_INSNS * core->cpi * cycle;
    board.costs.scale = SCALE_INSNS * core->cpi * cycle;
    return board;
}

/* ---- this machine ---- */

#define SAMPLE_ROWS 256u
#define SAMPLE_COLS 1024u
#define SAMPLE_TOKENS 64u
#define SAMPLE_US 2000u /* each timing lasts so long at least */
#define SAMPLE_STREAM (64u << 20)

typedef struct sample {
    const lc_kernels *k;
    lc_mat mat;
    lc_acts acts;
    float *x, *y; /* [SAMPLE_TOKENS][SAMPLE_COLS] both */
    const uint8_t *stream;
    uint64_t sum; /* of what was read: so that it is */
} sample;

typedef void timed(sample *s);

static void product_run(sample *s)
{
    lc_matmul(s->k, &s->mat, NULL, &s->acts, s->y, SAMPLE_ROWS, 0, lc_matmul_blocks(&s->mat));
}

static void quantise_run(sample *s)
{
    (void)lc_acts_set(s->k, &s->acts, s->x, SAMPLE_TOKENS, SAMPLE_COLS, true);
}

static void act_run(sample *s)
{
    s->k->act_mul(LC_SILU, s->y, s->x, SAMPLE_TOKENS * SAMPLE_COLS, s->y);
}

/* One query of 64 over 64 keys kept as half floats, zeros: 8,192 multiply-adds. */
static void attend_run(sample *s)
{
    lc_attention a = {.kind = LC_KV_F16,
                      .k = s->mat.data,
                      .v = s->mat.data,
                      .stride = 64,
                      .keys = 64,
                      .head_dim = 64,
                      .scale = 0.1f,
                      .q = s->x,
                      .queries = 1,
                      .q_stride = 64,
                      .scores = s->y,
                      .out = s->y + 256};
    s->k->attend(&a);
}

static void stream_run(sample *s)
{
    for (size_t i = 0; i < SAMPLE_STREAM; i += 64) {
        s->sum += s->stream[i];
    }
}

/* The shortest of some runs, in nanoseconds. */
static double time_of(sample *s, timed *run)
{
    double best = 0.0;
    for (uint32_t round = 0; round < 3; round++) {
        uint64_t start_us = lc_ui_now_us(), spent_us = 0;
        uint32_t runs = 0;
        while (spent_us < SAMPLE_US) {
            run(s);
            runs++;
            spent_us = lc_ui_now_us() - start_us;
        }
        double one = (double)spent_us * 1000.0 / (double)runs;
        best = round == 0 || one < best ? one : best;
    }
    return best;
}

static void costs_measure(sample *s, lc_costs *costs)
{
    double macs = (double)SAMPLE_ROWS * SAMPLE_COLS / 256.0;
    costs->quantise = time_of(s, quantise_run) / (SAMPLE_TOKENS * SAMPLE_COLS);
    for (uint32_t type = 0; type < LC_W_COUNT; type++) {
        s->mat.type = (uint8_t)type;
        (void)lc_acts_set(s->k, &s->acts, s->x, SAMPLE_TOKENS, SAMPLE_COLS, type != LC_W_F32);
        costs->many[type] = time_of(s, product_run) / macs / SAMPLE_TOKENS;
        (void)lc_acts_set(s->k, &s->acts, s->x, 1, SAMPLE_COLS, type != LC_W_F32);
        costs->one[type] = time_of(s, product_run) / macs;
    }
    costs->act = time_of(s, act_run) / (SAMPLE_TOKENS * SAMPLE_COLS);
    costs->attend = time_of(s, attend_run) / (2 * 64 * 64);
}

/* All of the sample's memory in one piece: matrix and scales, activations, two blocks of floats. */
static bool sample_place(sample *s, uint8_t **memory)
{
    size_t matrix =
        LC_ROUND_UP((size_t)SAMPLE_ROWS * SAMPLE_COLS * sizeof(float) + LC_READ_AHEAD, 64u);
    size_t floats = (size_t)SAMPLE_TOKENS * SAMPLE_COLS * sizeof(float);
    size_t acts = lc_acts_bytes(SAMPLE_TOKENS, SAMPLE_COLS);
    size_t scales = LC_ROUND_UP(SAMPLE_ROWS * sizeof(float), 64u);
    *memory = aligned_alloc(64, matrix + scales + 2 * floats + LC_ROUND_UP(acts, 64u));
    uint8_t *stream = malloc(SAMPLE_STREAM);
    if (!*memory || !stream) {
        free(stream);
        return false;
    }
    memset(stream, 1, SAMPLE_STREAM);
    memset(*memory, 0, matrix);
    float *scale = (float *)(void *)(*memory + matrix);
    s->x = (float *)(void *)(*memory + matrix + scales);
    s->y = s->x + SAMPLE_TOKENS * SAMPLE_COLS;
    for (uint32_t i = 0; i < SAMPLE_ROWS; i++) {
        scale[i] = 0.01f;
    }
    for (uint32_t i = 0; i < SAMPLE_TOKENS * SAMPLE_COLS; i++) {
        s->x[i] = s->y[i] = (float)(int)(i * 7919u % 201u) / 100.0f - 1.0f;
    }
    s->mat = (lc_mat){.rows = SAMPLE_ROWS, .cols = SAMPLE_COLS, .data = *memory, .scale = scale};
    lc_acts_init(&s->acts, s->x + 2 * SAMPLE_TOKENS * SAMPLE_COLS, SAMPLE_TOKENS, SAMPLE_COLS);
    s->stream = stream;
    return true;
}

bool lc_boards_here(lc_board *board)
{
    sample s = {.k = NULL};
    uint8_t *memory = NULL;
    long cores = sysconf(_SC_NPROCESSORS_ONLN), pages = sysconf(_SC_PHYS_PAGES);
    if (lc_ui_level(NULL, &s.k) != LC_UI_GO || !sample_place(&s, &memory)) {
        free(memory);
        return false;
    }
    *board = (lc_board){.name = "this machine", .cores = cores > 0 ? (uint32_t)cores : 1};
    board->ram_mb = (uint32_t)((double)pages * (double)sysconf(_SC_PAGESIZE) / 1048576.0);
    costs_measure(&s, &board->costs);
    board->read_gbs = (double)SAMPLE_STREAM / time_of(&s, stream_run);
    free((uint8_t *)s.stream);
    free(memory);
    return true;
}

/* ---- what a model asks for ---- */

void lc_work_init(lc_work *work, const lc_model_info *info)
{
    *work = (lc_work){.info = *info};
}

/* The answer's own products: they happen once a line. */
static void head_add(lc_work *w, uint32_t role, const lc_mat *mat, uint64_t bytes)
{
    bool classes = role == LC_T_CLS || role == LC_T_POOLER;
    bool output = w->info.causal && w->info.classes == 0 &&
                  (role == LC_T_OUTPUT || (role == LC_T_EMBED && !w->output_seen));
    if (role == LC_T_OUTPUT && output) { /* the embedding is no head then */
        memset(w->head_macs, 0, sizeof w->head_macs);
        w->head_bytes = 0.0;
        w->output_seen = true;
    }
    if (classes || output) {
        w->head_macs[mat->type] += (double)mat->rows * mat->cols;
        w->head_bytes += (double)bytes;
    }
}

void lc_work_add(lc_work *w, uint32_t role, const lc_mat *mat, uint64_t bytes)
{
    if (role < LC_ROLE_LAYER) {
        head_add(w, role, mat, bytes);
        return;
    }
    w->layer_bytes += (double)bytes;
    if (mat->cols == 1) {
        return;
    }
    w->layer_macs[mat->type] += (double)mat->rows * mat->cols;
    w->outputs += mat->rows;
    if (role == LC_T_Q || role == LC_T_O || role == LC_T_UP || role == LC_T_DOWN) {
        w->inputs += mat->cols; /* q, k and v share theirs, gate and up as well */
    }
}

/* ---- estimating ---- */

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* Keys that one of n tokens sees, on the average over tokens and layers, after `before` others. */
static double keys_of(const lc_model_info *m, double before, double n)
{
    double all = m->causal ? before + (n + 1.0) / 2.0 : n, sum = 0.0;
    double reach = m->causal ? (double)m->window : 2.0 * (double)m->window - 1.0;
    for (uint32_t i = 0; i < m->layers; i++) {
        sum += lc_layer_is_local(m, i) && reach < all ? reach : all;
    }
    return sum / (double)m->layers;
}

/* ms of n tokens through the layers after `before` others; the memory is read once for all of up to
 * 64 tokens. */
static double layers_ms(const lc_board *b, const lc_work *w, double before, double n)
{
    const lc_costs *c = &b->costs;
    const lc_model_info *m = &w->info;
    double batches = n <= 64.0 ? 1.0 : (double)(uint32_t)((n + 63.0) / 64.0);
    double ns = 0.0;
    for (uint32_t type = 0; type < LC_W_COUNT; type++) {
        double macs = w->layer_macs[type] / 256.0;
        bool unpacked = n >= 8.0 && (type == LC_W_T16 || type == LC_W_T16A);
        ns += n * macs * (n < 3.0 ? c->one[type] : c->many[type]);
        ns += unpacked ? batches * macs * c->unpack : 0.0;
    }
    double attended = 2.0 * m->heads * m->head_dim * m->layers * keys_of(m, before, n);
    ns += n * (attended * c->attend + w->inputs * c->quantise + w->outputs * c->scale +
               (double)m->ffn * m->layers * c->act);
    double cores = b->cores == 1 ? 1.0 : 0.9 * (double)b->cores; /* threads wait for each other */
    return larger(ns / cores / 1e6, batches * w->layer_bytes / b->read_gbs / 1e6);
}

static double head_ms(const lc_board *b, const lc_work *w)
{
    double ns = 0.0, cores = b->cores == 1 ? 1.0 : 0.9 * (double)b->cores;
    for (uint32_t type = 0; type < LC_W_COUNT; type++) {
        ns += w->head_macs[type] / 256.0 * b->costs.one[type];
    }
    return larger(ns / cores / 1e6, w->head_bytes / b->read_gbs / 1e6);
}

lc_estimate lc_boards_estimate(const lc_board *b, const lc_work *w, uint64_t memory)
{
    double head = head_ms(b, w);
    lc_estimate e = {.fits = memory / 1048576 + LC_BOARDS_SYSTEM_MB < b->ram_mb};
    e.prefill_tps = 1000.0 * LC_BOARDS_PROMPT / layers_ms(b, w, 0.0, LC_BOARDS_PROMPT);
    if (w->info.causal && w->info.classes == 0) {
        e.decode_tps = 1000.0 / (layers_ms(b, w, LC_BOARDS_PROMPT, 1.0) + head);
    }
    e.line_ms = layers_ms(b, w, 0.0, LC_BOARDS_LINE) + head;
    return e;
}
