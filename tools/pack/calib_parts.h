/* calib_parts.h - private to calib*.c: the run and what its parts do for each other.
 *
 * calib.c runs layers, calib_text.c reads the text, calib_input.c learns what reaches a matrix and
 * measures what it loses, calib_loss.c compares whole models.
 */
#ifndef LC_CALIB_PARTS_H
#define LC_CALIB_PARTS_H

#include "../../board/linux/memory.h"
#include "../../board/linux/tasks.h"
#include "../../runtime/net.h"
#include "calib.h"

/* Lines as tokens, those that calibrate first; text i is ids [start[i], start[i + 1]). */
typedef struct lc_calib_text {
    uint32_t *ids;   /* [start[count]] */
    uint32_t *start; /* [count + 1] */
    uint32_t count, calibrating, longest;
} lc_calib_text;

lc_err lc_calib_text_read(const lc_buf *tokenizer, const lc_pack_options *options, uint32_t ctx,
                          lc_calib_text *text, lc_diag *diag) LC_CHECKED;
void lc_calib_text_free(lc_calib_text *text);

/* What reaches the matrices that read the same vector. */
typedef struct lc_calib_input {
    uint32_t cols, stride; /* stride: cols rounded up to 4 */
    uint64_t tokens;       /* in sum */
    double *sum;           /* [cols][cols] upper: sum of x x^T, then its inverse root; or NULL */
    double *mean;          /* [cols] mean of x^2 */
    double *block;         /* [LC_DENSE_BLOCK][stride] tokens not yet in sum */
    uint32_t blocked;
    float *held; /* [held_max][cols] of the held-out part */
    uint32_t held_count, held_max;
} lc_calib_input;

bool lc_calib_input_init(lc_calib_input *in, uint32_t cols, uint32_t held_max);
void lc_calib_input_free(lc_calib_input *in);
void lc_calib_input_add(lc_calib_input *in, const lc_tasks *tasks, uint32_t n, const float *x);
void lc_calib_input_hold(lc_calib_input *in, uint32_t n, const float *x);
/* Everything was added: sum becomes the inverse root. False: memory is short. */
bool lc_calib_input_finish(lc_calib_input *in, const lc_tasks *tasks);
/* Column k is 2^shift[k] of what it was. */
void lc_calib_input_shift(lc_calib_input *in, const int8_t *shift);
/* Signal over noise of w's outputs against those of the F32 matrix, in dB, on the held-out part. */
lc_err lc_calib_output_db(const lc_calib_input *in, const lc_kernels *k, const lc_tasks *tasks,
                          const lc_mat *f32, const lc_mat *w, double *db) LC_CHECKED;

/* The readers of one layer: Q K V; O; GATE UP; DOWN. */
enum { LC_CALIB_INPUTS = 4 };

struct lc_calib {
    const lc_pack_plan *plan;
    const lc_pack_options *options;
    const lc_kernels *k;
    lc_pool pool;
    lc_tasks tasks;
    lc_calib_text text;
    float *stream;      /* [tokens][width] of the model as packed so far */
    float *held_stream; /* [held-out tokens][width] of the F32 model */
    lc_model model;     /* of one layer; its embedding is a stream */
    float *rope, *rope_local;
    /* the layer at hand */
    uint32_t layer_number;
    lc_layer layer[2];              /* F32, as packed */
    void *memory[2][LC_ROLE_COUNT]; /* of its tensors */
    lc_calib_input input[LC_CALIB_INPUTS];
};

uint32_t lc_calib_tokens(const lc_calib *c);
uint32_t lc_calib_held_first(const lc_calib *c); /* first held-out token */

/* A pass of texts [from, to) through a model of at most one layer whose embedding is a stream that
 * begins with the first token of text `base`. */
typedef struct lc_calib_pass {
    lc_model model;
    uint32_t from, to, base;
    lc_net_probe *probe;
    lc_net_tap *tap;
    lc_net_sink *sink;
    /* instead of the sink: a line's pooled state (and classes), called after each text */
    lc_err (*pooled)(void *ctx, uint32_t text, lc_net *net, const float *state);
    void *ctx;
    uint32_t at; /* filled: token in the stream where the text that runs begins */
} lc_calib_pass;
lc_err lc_calib_run(lc_calib *c, lc_calib_pass *pass, lc_diag *diag) LC_CHECKED;

/* Rows [first, first + n) of an item as F32, or as the pack will have them, in 64-byte aligned
 * memory that the caller frees. NULL: out of memory or not finite. */
void *lc_calib_rows(const lc_calib *c, const lc_pack_item *item, uint32_t first, uint32_t n,
                    uint32_t type, lc_mat *mat);
const lc_pack_item *lc_calib_item(const lc_calib *c, uint32_t role, uint32_t layer);

#endif
