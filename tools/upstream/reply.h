/* reply.h - what the server sent, checked: a completion, then the model's own JSON in it. */
#ifndef LC_UPSTREAM_REPLY_H
#define LC_UPSTREAM_REPLY_H

#include "ask.h"

#define LC_REPLY_SPANS_MAX 8u   /* as many as a device takes */
#define LC_REPLY_QUOTE_MAX 512u /* bytes of one; longer ones are no evidence */

typedef struct lc_completion {
    char *content; /* [bytes], NUL after it; freed by the caller */
    size_t bytes;
    uint32_t tokens_in, tokens_out; /* 0: not said */
    bool whole;                     /* a stream ended as it should */
} lc_completion;

typedef struct lc_reply {
    const char *label; /* one of the question's */
    double p;
    uint32_t span[LC_REPLY_SPANS_MAX][2]; /* bytes [from, to) of the question's text */
    uint32_t spans;
} lc_reply;

/* stream: server-sent events. Errors: FORMAT, ARENA with the reason in diag. */
lc_err lc_completion_read(const char *body, size_t bytes, bool stream, lc_completion *out,
                          lc_json_diag *diag) LC_CHECKED;
/* Errors: FORMAT: no JSON of that shape, a label that is not in the list, a percent
 * outside 0 to 100. */
lc_err lc_reply_read(const char *content, size_t bytes, const lc_ask *q, lc_reply *reply,
                     lc_json_diag *diag) LC_CHECKED;

#endif
