/* merge.h - joins neighbours in order of rank, as BPE and SPM do, in O(n log n).
 *
 * n slots stand for the characters or bytes of a piece. A symbol occupies one or more slots and is
 * named by its first; symbols cover all slots. Each symbol has the rank of joining it with the next
 * symbol, LC_RANK_NONE when they do not join. Equal ranks are taken from left to right.
 * The owner of the symbols' meaning (ids or text) computes ranks and sets them.
 */
#ifndef LC_MERGE_H
#define LC_MERGE_H

#include "arena.h"

#define LC_RANK_NONE 0xffffffffu

typedef struct lc_merge {
    uint32_t n;
    uint32_t *rank; /* [n] at a symbol's first slot; LC_RANK_NONE elsewhere */
    uint32_t *link; /* [n] at a symbol's first slot its last, at its last slot its first */
    uint32_t *tree; /* [n] tree[1] is the slot of least rank, tree[i] the lesser of its children */
} lc_merge;

/* Arrays for up to n slots. False when the arena is full. */
bool lc_merge_push(lc_merge *m, lc_arena *arena, uint32_t n);
size_t lc_merge_bytes(uint32_t n);

/* n single slots, n > 0, ranks unset: fill m->rank[0..n), then lc_merge_start. */
void lc_merge_reset(lc_merge *m, uint32_t n);
void lc_merge_start(lc_merge *m);
/* The symbol to be joined next, or LC_RANK_NONE. */
uint32_t lc_merge_best(const lc_merge *m);
/* Joins symbol s with the next one. The caller sets the rank of s and of its left neighbour. */
void lc_merge_join(lc_merge *m, uint32_t s);
void lc_merge_set(lc_merge *m, uint32_t s, uint32_t rank);

/* First slot after symbol s, m->n at the end: the next symbol. */
static inline uint32_t lc_merge_next(const lc_merge *m, uint32_t s)
{
    return m->link[s] + 1;
}

/* The symbol before s, s > 0. */
static inline uint32_t lc_merge_before(const lc_merge *m, uint32_t s)
{
    return m->link[s - 1];
}

#endif
