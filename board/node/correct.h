/* correct.h - a record said again with what upstream made of it (contract: `rev`).
 *
 * Only records that lc_record_write made are read: members in its order.
 */
#ifndef LC_CORRECT_H
#define LC_CORRECT_H

#include "../../runtime/bytes.h"

#define LC_SPANS_SAID_MAX 8u

typedef struct lc_correction {
    uint32_t rev;
    uint32_t boot;   /* the start that makes it */
    uint64_t number; /* among the corrections of this start, from 1 */
    lc_str why;      /* added to `why` */
    lc_str label;    /* data NULL: upstream said nothing, the answer stands as `defer` */
    float p;
    const uint32_t *span; /* [span_count][2] evidence: bytes of the line */
    uint32_t span_count;
} lc_correction;

/* Returns its length, 0 when it does not fit. No action follows from it: `act` is empty. */
uint32_t lc_correct(lc_str record, const lc_correction *correction, char *out, uint32_t max);
/* The record that a correction, or a record, is about; false when it does not say. */
bool lc_correction_of(lc_str json, uint32_t *boot, uint64_t *seq);

#endif
