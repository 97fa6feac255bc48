/* answers.h - what was answered lately, by device and id: who asks again gets the same. */
#ifndef LC_UPSTREAM_ANSWERS_H
#define LC_UPSTREAM_ANSWERS_H

#include <stdint.h>

typedef struct lc_answered {
    char *key; /* device, blank, id; NULL: free */
    char *json;
    uint64_t used;
} lc_answered;

typedef struct lc_answers {
    lc_answered *entry; /* [count] */
    uint32_t count;
    uint64_t clock;
} lc_answers;

/* The answer's JSON, NULL: none is known. It lives until the next lc_answers_keep. */
const char *lc_answers_find(lc_answers *answers, const char *dev, const char *id);
/* Takes json over; the one that was asked for longest ago makes room. */
void lc_answers_keep(lc_answers *answers, const char *dev, const char *id, char *json);
void lc_answers_free(lc_answers *answers);

#endif
