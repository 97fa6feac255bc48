/* item.h - a record, correction, event, gap or audit entry, as a device sent it. */
#ifndef LC_COLLECT_ITEM_H
#define LC_COLLECT_ITEM_H

#include "../../board/linux/json.h"
#include "held.h"

#define LC_ITEM_NUMBER_MAX 9007199254740992.0 /* what a double holds exactly */

/* Of an up/gap: what is lost. */
typedef struct lc_item_loss {
    uint32_t of; /* the start it speaks of */
    uint64_t from, to, count, events, corrections, audits, lines;
} lc_item_loss;

typedef struct lc_item {
    const char *dev, *body; /* body: [body_bytes], the object as JSON on one line */
    size_t body_bytes;
    lc_held_kind kind;                    /* EVENT, GAP, AUDIT, RECORD */
    uint32_t boot, rev;                   /* rev: of a record, from 1 */
    uint64_t number;                      /* seq, no, gap */
    uint32_t cor_boot;                    /* of a correction: the start that made it, */
    uint64_t cor;                         /* its number among those of that start; 0: none */
    uint64_t at;                          /* came, ms since 1970 */
    uint64_t ts, up;                      /* 0: not said */
    const char *tq, *task, *label, *word; /* word: decision, event, why or kind; "" none */
    double p;
    lc_item_loss loss;
} lc_item;

/* One object; false when it is none of ours, or speaks for another device. *item points into tree.
 */
bool lc_item_read(const cJSON *tree, lc_held_kind kind, const char *dev, lc_item *item);
/* How it is told apart among those of its start. */
uint32_t lc_item_series(const lc_item *item);
bool lc_item_here(const lc_held *held, const lc_item *item);
/* Notes it, and what it says is lost. False: no memory. */
bool lc_item_note(lc_held *held, const lc_item *item);
const char *lc_item_kind_word(lc_held_kind kind);
/* False: no such word. */
bool lc_item_kind_from(const char *word, lc_held_kind *kind);

#endif
