/* esc_json.h - what upstream sends: answers to our requests, and the state of the worker. No heap;
 * anything odd is refused. */
#ifndef LC_ESC_JSON_H
#define LC_ESC_JSON_H

#include "../node/escalate.h"

#define LC_ESC_ANSWER_MAX 8192u /* bytes of an answer */

/* An answer and the texts that it points to. */
typedef struct lc_esc_reply {
    lc_esc_answer answer;
    char label[LC_NAME_BYTES_MAX];
    char quote[LC_ESC_ANSWER_MAX];
} lc_esc_reply;

/* {"v":1,"id":"<32 hex digits>","label","p","ev":[[a,b],[a,b,"text"]],"st":"ok","cost"}: bytes of
 * the text that was asked about. Errors: FORMAT, LIMIT, VERSION. */
lc_err lc_esc_reply_read(const char *json, uint32_t bytes, lc_esc_reply *reply) LC_CHECKED;
/* {"v":1,"ready":true,"q":0,"price":0.001} */
lc_err lc_esc_worker_read(const char *json, uint32_t bytes, lc_esc_worker *worker) LC_CHECKED;

#endif
