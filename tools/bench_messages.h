/* bench_messages.h - `bench --messages`: short messages after a prefix that is run once. */
#ifndef LC_BENCH_MESSAGES_H
#define LC_BENCH_MESSAGES_H

#include "session.h"

#define LC_MESSAGES_MAX 64u
#define LC_MESSAGE_LABELS 8u /* rows of the output head that each message asks for */

typedef struct lc_messages {
    uint32_t count, prefix, tokens; /* messages; tokens of the prefix, of each message */
} lc_messages;

/* Of n values, which it sorts. */
double lc_bench_median(double *value, uint32_t n);
/* Tokens of context and of batch that a session needs for them. */
void lc_messages_size(const lc_messages *messages, lc_session_options *session);
/* Milliseconds a message, medians of reps: all messages in one pass, and one after another. Prints
 * errors. Marks (mark.h): between FIRST_LINE and FIRST_ANSWER in one pass, up to END one by one. */
int lc_messages_run(lc_session *s, const lc_messages *messages, uint32_t reps, double *together_ms,
                    double *alone_ms);

#endif
