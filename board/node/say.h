/* say.h - what the daemon tells people: codes, each said once and then counted.
 *
 * A code that was said is silent for an hour, or until lc_say_rearm (a new outage after a good
 * connection); then it comes with the number of times it happened.
 */
#ifndef LC_SAY_H
#define LC_SAY_H

#include <stdbool.h>
#include <stdint.h>

#include "../../runtime/bytes.h"

#define LC_SAY_AGAIN_MS 3600000u

/* name, level as of syslog, word, text. */
#define LC_SAY_LIST(X)                                                                             \
    X(LINK_UP, 5, "link-up", "the broker took us; records go out")                                 \
    X(LINK_DOWN, 4, "link-down", "no broker; records wait")                                        \
    X(LINK_SILENT, 4, "link-silent", "the broker acknowledges nothing; connecting anew")           \
    X(REFUSED, 4, "refused", "the broker refused a message; it is sent again")                     \
    X(TOO_LARGE, 4, "too-large",                                                                   \
      "the broker takes no message of this size; records in it count as lost")                     \
    X(OUTBOX_FULL, 4, "outbox-full", "the oldest records are dropped, and counted")                \
    X(OUTBOX_SENT, 5, "outbox-sent", "all records that waited are sent")                           \
    X(INBOX_FULL, 4, "inbox-full", "lines came faster than answers; counted as lost")              \
    X(DEADLINE, 4, "deadline", "a line took too long; answered by its cheapest stage")             \
    X(STUCK, 2, "stuck", "inference does not return; the watchdog is let run out")                 \
    X(COMMAND, 5, "command", "a command came")                                                     \
    X(COMMAND_UNKNOWN, 4, "command-unknown", "a command that is not known")                        \
    X(ACKNOWLEDGED, 5, "acknowledged", "somebody has seen it; outputs are at rest")                \
    X(PAUSED, 5, "paused", "maintenance: lines are answered, nothing acts")                        \
    X(RESUMED, 5, "resumed", "maintenance is over; labels act again")                              \
    X(SLOWER, 4, "slower", "the board is near its limits: pauses between lines, so that it stays") \
    X(FULL_PACE, 5, "full-pace", "the board is well again: no more pauses between lines")          \
    X(STOPPING, 5, "stopping", "finishing what was begun")                                         \
    X(UNSENT, 4, "unsent", "stopped with records that could not be sent")                          \
    X(STORE_FAILED, 3, "store-failed",                                                             \
      "the disk does not take records; they wait in memory, and a restart loses them")             \
    X(STORE_DAMAGED, 3, "store-damaged",                                                           \
      "the journal was damaged; records that are missing are stated")                              \
    X(MOVED_IN, 4, "moved-in",                                                                     \
      "what was kept here was another device's: it is set aside, this one starts anew")            \
    X(BUDGET_FAILED, 3, "budget-failed",                                                           \
      "what was spent upstream cannot be read; nothing is asked")                                  \
    X(UNWELCOME, 4, "unwelcome",                                                                   \
      "the broker lets nobody tell Home Assistant of this device; going on without")               \
    X(UNHEARD, 4, "unheard", "nobody collects the records; they wait")                             \
    X(DRIFTING, 4, "drifting",                                                                     \
      "lines are not what they were: other labels, or more out of scope than the job allows")      \
    X(DRIFT_OVER, 5, "drift-over", "lines are again what they were when this job began")

typedef enum lc_say_code {
#define LC_SAY_ENUM(name, level, word, text) LC_SAY_##name,
    LC_SAY_LIST(LC_SAY_ENUM)
#undef LC_SAY_ENUM
        LC_SAY_COUNT
} lc_say_code;

typedef struct lc_saying {
    uint32_t code;  /* lc_say_code */
    uint64_t count; /* times it happened since it was last said, this one included */
    uint64_t value; /* what the code is about: a number of records, a reason, a source */
    lc_str word;    /* the same as a static word, "" none */
} lc_saying;

typedef struct lc_say_state {
    lc_saying saying;
    uint64_t said_ms;
    bool silent;  /* said not long ago */
    bool to_log;  /* waits for the log */
    bool to_link; /* waits for up/log */
} lc_say_state;

typedef struct lc_say {
    lc_say_state state[LC_SAY_COUNT];
} lc_say;

const char *lc_say_word(uint32_t code);
const char *lc_say_text(uint32_t code);
uint32_t lc_say_level(uint32_t code);

void lc_say_put(lc_say *say, uint64_t now_ms, lc_say_code code, uint64_t value, lc_str word);
/* The next time it happens it is said. */
void lc_say_rearm(lc_say *say, lc_say_code code);
/* The next code for the log; false when there is none. */
bool lc_say_take_log(lc_say *say, lc_saying *saying);
/* The same for up/log: notices and worse. */
bool lc_say_take_link(lc_say *say, lc_saying *saying);

#endif
