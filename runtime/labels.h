/* labels.h - the stage `label_score`: how likely a causal model finds the words for each label
 * after a prompt with the line in it. For job.c, job_open.c and whoever compiles such a stage.
 *
 * A prompt is a prefix, the line, a suffix. The forms of all labels (the words a label may be
 * answered with) stand in a trie of tokens below the suffix. A form's score is the sum, over its
 * tokens, of the log of the softmax over the children of the node before; a label's is the log of
 * the sum over its forms of exp(score), less its prior: what the same sum is for text that says
 * nothing. The prefix is not run: its keys and values are loaded from the bundle, once.
 */
#ifndef LC_LABELS_H
#define LC_LABELS_H

#include "stages.h"

#define LC_LABEL_INNER (-1)

typedef struct lc_labels {
    const lc_adapter *adapter; /* that its model works with, NULL: none */
    bool blank;              /* the line is read with a blank before it */
    uint32_t prefix;         /* tokens before the line */
    const uint8_t *snapshot; /* [snapshot_bytes] section PREFIX; NULL: prefix is 0 */
    size_t snapshot_bytes;
    uint32_t *suffix; /* [suffix_count] tokens after the line, at least one */
    uint32_t suffix_count;
    uint32_t nodes, inner; /* of the trie; inner ones have children, the others a label */
    uint32_t *token;       /* [nodes] children of a node stand together */
    uint16_t *parent;      /* [nodes] 0: the prompt, else 1 + number of the node */
    int16_t *label;        /* [nodes] LC_LABEL_INNER or what stands at the end of a form */
    uint16_t *rank;        /* [nodes] inner nodes before it */
    float *prior;          /* [labels] NULL: none */
} lc_labels;

/* Reads and checks what section JOB says from the flag `blank` to the trie (FORMAT.md); pushes the
 * tables on state. *why names what is wrong. Errors: FORMAT, LIMIT, ARENA. */
lc_err lc_labels_read(lc_reader *r, uint32_t vocab, uint32_t labels, lc_arena *state,
                      lc_labels *stage, const char **why) LC_CHECKED;
/* Tokens of the context that are not for the line. */
uint32_t lc_labels_tokens(const lc_labels *stage);

/* The net of the pack stands after the prefix. Errors as lc_net_snapshot_load. */
lc_err lc_labels_load(lc_pack *pack, const lc_labels *stage, lc_diag *diag) LC_CHECKED;
/* Fills reading and scores of the lines that are asked about. Errors: ARENA. */
lc_err lc_labels_run(lc_pack *pack, const lc_labels *stage, uint32_t labels, lc_arena *scratch,
                     lc_asked *asked, uint32_t count) LC_CHECKED;

#endif
