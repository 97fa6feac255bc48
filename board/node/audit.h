/* audit.h - who did what and why: acts, switches, commands and what left the device, each with its
 * cause.
 *
 * Whoever does something puts an entry; the node takes them out after each event, numbers them and
 * puts them into the outbox like events. What can happen with every line (an order that was not
 * carried out, a command that is refused) is a run: its first is told at once, those that follow
 * within a minute in one entry that counts them.
 */
#ifndef LC_AUDIT_H
#define LC_AUDIT_H

#include "../../runtime/bytes.h"

/* Entries of one event: an answer starts 8 orders and ends 17 outputs at most. */
#define LC_AUDIT_QUEUE 64u
#define LC_AUDIT_RUNS 56u
#define LC_AUDIT_RUN_MS 60000u
#define LC_AUDIT_WORD_MAX 64u

typedef enum lc_audit_kind {
    LC_AUDIT_ACT,     /* an output was moved, or was not though it should */
    LC_AUDIT_SWITCH,  /* job, maintenance, pace */
    LC_AUDIT_COMMAND, /* from outside */
    LC_AUDIT_ASK,     /* bytes left for upstream */
    LC_AUDIT_KINDS
} lc_audit_kind;

/* Texts stay until the entry was taken out; of runs, for ever. */
typedef struct lc_audit_entry {
    uint8_t kind;       /* lc_audit_kind */
    lc_str what;        /* "gpio:relay=1,500ms", "maintenance", a command, the id of a request */
    const char *result; /* static */
    const char *cause;  /* static: record, input, clear, command, start, stop, board */
    lc_str by;          /* which input or topic; "" none */
    uint64_t seq;       /* of the record that caused it, 0: none did */
    uint32_t of;        /* the start that made that record, 0: this one */
    lc_str task, label; /* of that record; "" none */
    lc_str id;          /* of the command, as who sent it says; "" none */
    uint32_t bytes, tries, redacted; /* ASK */
    uint64_t count, from;            /* of a run: so many, the first by this record */
} lc_audit_entry;

typedef struct lc_audit_run {
    lc_audit_entry entry; /* the last; count: not told yet */
    uint64_t next_ms;     /* until then it only counts */
    char what[LC_AUDIT_WORD_MAX], id[LC_AUDIT_WORD_MAX];
} lc_audit_run;

typedef struct lc_audit {
    lc_audit_entry queue[LC_AUDIT_QUEUE];
    uint32_t first, count;
    lc_audit_run run[LC_AUDIT_RUNS];
} lc_audit;

const char *lc_audit_word(uint32_t kind);
bool lc_audit_from_word(lc_str word, uint32_t *kind);

void lc_audit_put(lc_audit *audit, const lc_audit_entry *entry);
/* One that may come with every line. run: which of LC_AUDIT_RUNS it belongs to. */
void lc_audit_again(lc_audit *audit, uint64_t now_ms, uint32_t run, const lc_audit_entry *entry);
/* What runs still have to tell is told now. */
void lc_audit_end(lc_audit *audit);
/* The next entry; false: none. */
bool lc_audit_next(lc_audit *audit, uint64_t now_ms, lc_audit_entry *entry);
/* When a run has something to tell; UINT64_MAX: never by itself. */
uint64_t lc_audit_wake_ms(const lc_audit *audit);

#endif
