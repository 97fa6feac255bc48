/* ask.h - what a device asks, and what is made of it for a model behind /v1/chat/completions.
 */
#ifndef LC_UPSTREAM_ASK_H
#define LC_UPSTREAM_ASK_H

#include "../../board/linux/json.h"

#define LC_ASK_ID_BYTES 32u /* hex digits */
#define LC_ASK_LABELS_MAX 256u
#define LC_ASK_TEXT_MAX 8192u

typedef struct lc_ask {
    cJSON *tree; /* owns what the others point to */
    const char *id, *text, *task, *job;
    const cJSON *labels;  /* texts, or objects with `name` and perhaps `text` */
    uint64_t due_wall_ms; /* 0: not said */
    uint32_t max_tok;
} lc_ask;

/* Errors: FORMAT, LIMIT with the place; q->tree is NULL then, but q->id is copied to id[33] as soon
 * as there is a valid one. */
lc_err lc_ask_read(const char *json, size_t bytes, lc_ask *q, char id[33],
                   lc_json_diag *diag) LC_CHECKED;
void lc_ask_free(lc_ask *q);
const char *lc_ask_label(const lc_ask *q, int index); /* its name */

/* The body of the request as text that the caller frees; NULL: no memory. model: NULL to let the
 * server choose. */
char *lc_ask_body(const lc_ask *q, const char *model, bool stream);

#endif
