/* boards.h - how fast a model would run on boards that are not here: estimates.
 *
 * What a token takes is counted from the model's matrices: multiply-adds by weight type, and the
 * values that are quantised, scaled, put through the activation and attended. What each of these
 * costs comes from models of the cores (`make mca`) and from counted instructions
 * (kernels/DECISIONS.md); reading weights is bounded by the board's memory. On the machine at hand
 * the kernels are timed instead. No figure here was measured on a board.
 */
#ifndef LC_BOARDS_H
#define LC_BOARDS_H

#include "../runtime/model.h"

#define LC_BOARDS_PROMPT 128u /* tokens of the prompt whose speed is given */
#define LC_BOARDS_LINE 24u    /* tokens of a line */

/* Nanoseconds on one core. */
typedef struct lc_costs {
    double many[LC_W_COUNT]; /* of 256 multiply-adds by weight type, for several tokens at once */
    double one[LC_W_COUNT];  /* the same for one token */
    double unpack;           /* of 256 4-bit weights, once for all tokens of a batch; 0: not done */
    double attend;           /* of a multiply-add of attention */
    double quantise, act, scale; /* of a value */
} lc_costs;

typedef struct lc_board {
    const char *name;
    uint32_t cores;
    uint32_t ram_mb;
    double read_gbs; /* memory, reading */
    lc_costs costs;
} lc_board;

/* What a model asks for. */
typedef struct lc_work {
    lc_model_info info;
    double layer_macs[LC_W_COUNT]; /* of one token through all layers, by weight type */
    double layer_bytes;
    double head_macs[LC_W_COUNT]; /* of an answer: class head, else output head */
    double head_bytes;
    double outputs, inputs; /* values of one token that are scaled, that are quantised */
    bool output_seen;       /* the output head has a matrix of its own */
} lc_work;

/* Tensors in any order, each once. */
void lc_work_init(lc_work *work, const lc_model_info *info);
void lc_work_add(lc_work *work, uint32_t role, const lc_mat *mat, uint64_t bytes);

typedef struct lc_estimate {
    bool fits;          /* `memory` and LC_BOARDS_SYSTEM_MB for the system */
    double prefill_tps; /* tokens a second of a prompt of LC_BOARDS_PROMPT */
    double decode_tps;  /* of an answer after it; 0: the model writes none */
    double line_ms;     /* LC_BOARDS_LINE tokens and one answer: classes, else one token */
} lc_estimate;

#define LC_BOARDS_SYSTEM_MB 160u

uint32_t lc_boards_count(void);
/* One of the table, i < lc_boards_count(). */
lc_board lc_boards_at(uint32_t i);
/* This machine, its kernels timed for some hundredths of a second. False: out of memory. */
bool lc_boards_here(lc_board *board);
lc_estimate lc_boards_estimate(const lc_board *board, const lc_work *work, uint64_t memory);

#endif
