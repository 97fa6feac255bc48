/* record.h - an answer as one line of JSON (contract: the record). Freestanding. */
#ifndef LC_RECORD_H
#define LC_RECORD_H

#include "job.h"
#include "text.h"

/* What the record says beside the answer: who, when, how. Not deterministic. */
typedef struct lc_record_meta {
    lc_str dev;
    uint32_t boot;
    uint64_t seq;
    uint64_t ts_ms; /* since 1970; 0 with tq "none" */
    uint64_t up_ms; /* written when tq is "none" */
    lc_str tq;      /* "ntp" "rtc" "none" */
    lc_str src;
    float ms;           /* time taken */
    const uint8_t *in;  /* [8] hash of the line, NULL: absent */
    const uint8_t *mdl; /* [32] root that answered, NULL: the job's bundle */
    lc_str text;        /* data NULL: absent */
    bool labels;        /* add "labels": {label: probability} */
    bool scores;        /* add "z": {label: raw output, "oos": ...}, six decimals; {} without */
} lc_record_meta;

/* "act" holds the actions that the job orders for an accepted label; carrying them out, and trends
 * that hold them back, is the daemon's.
 * Writes one object without a newline. Returns its length, 0 when it does not fit into max. */
size_t lc_record_write(const lc_job *job, const lc_answer *answer, const lc_record_meta *meta,
                       char *out, size_t max);
/* A fact as it stands there. */
void lc_record_fact(lc_text *t, const lc_fact *fact);

#endif
