#include "merge.h"

#include "err.h"

/* The tree is a tournament: slot i is leaf n + i, node i the better of nodes 2i and 2i + 1. It need
 * not be balanced nor ordered, because ranks and slots together order all leaves. */

static uint32_t winner(const lc_merge *m, uint32_t node)
{
    return node < m->n ? m->tree[node] : node - m->n;
}

static void play(lc_merge *m, uint32_t node)
{
    uint32_t a = winner(m, 2 * node);
    uint32_t b = winner(m, 2 * node + 1);
    bool b_wins = m->rank[b] < m->rank[a] || (m->rank[b] == m->rank[a] && b < a);
    m->tree[node] = b_wins ? b : a;
}

size_t lc_merge_bytes(uint32_t n)
{
    lc_arena arena;
    lc_merge m;
    lc_arena_measure(&arena);
    return lc_merge_push(&m, &arena, n) ? arena.peak : 0;
}

bool lc_merge_push(lc_merge *m, lc_arena *arena, uint32_t n)
{
    m->n = n;
    m->rank = LC_PUSH(arena, uint32_t, n);
    m->link = LC_PUSH(arena, uint32_t, n);
    m->tree = LC_PUSH(arena, uint32_t, n);
    return m->rank != NULL && m->link != NULL && m->tree != NULL;
}

void lc_merge_reset(lc_merge *m, uint32_t n)
{
    lc_assert(n > 0);
    m->n = n;
    for (uint32_t i = 0; i < n; i++) {
        m->link[i] = i;
    }
}

void lc_merge_start(lc_merge *m)
{
    for (uint32_t node = m->n - 1; node > 0; node--) {
        play(m, node);
    }
}

uint32_t lc_merge_best(const lc_merge *m)
{
    uint32_t s = winner(m, 1);
    return m->rank[s] == LC_RANK_NONE ? LC_RANK_NONE : s;
}

void lc_merge_set(lc_merge *m, uint32_t s, uint32_t rank)
{
    m->rank[s] = rank;
    for (uint32_t node = (m->n + s) / 2; node > 0; node /= 2) {
        play(m, node);
    }
}

void lc_merge_join(lc_merge *m, uint32_t s)
{
    uint32_t right = lc_merge_next(m, s);
    lc_assert(right < m->n);
    uint32_t last = m->link[right];
    m->link[s] = last;
    m->link[last] = s;
    lc_merge_set(m, right, LC_RANK_NONE);
}
