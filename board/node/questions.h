/* questions.h - what is to be asked upstream and has no answer yet, through restarts.
 *
 * A journal of its own, of LC_QUESTIONS_BYTES: a question is an entry, what became of it are later
 * ones, its marks. Asked is certain before the request leaves, so what is asked again after a cut
 * goes under the same id, as its second try. Ended is written after the correction that ended it is
 * certain, and at once; a start looks at the last correction, whose mark may be missing: none is
 * asked again whose answer is certain. When the journal is full the oldest segment goes, and what
 * waits in it is counted as dropped.
 *
 * Without a disk, or when it fails, the same journal lies in memory.
 *
 * What is kept of a line is what may leave of it: its text after the redactor, its record, and the
 * places (not the words) of what was taken out.
 */
#ifndef LC_QUESTIONS_H
#define LC_QUESTIONS_H

#include "age.h"
#include "journal.h"
#include "redact.h"

#define LC_ESC_ID_BYTES 16u
#define LC_QUESTIONS_BYTES 1048576u /* of the file */

typedef struct lc_kept {
    uint64_t ordinal; /* in the journal */
    uint64_t made;    /* by the clock of lc_questions_now */
    uint64_t seq;     /* of its record, made by the start `boot` */
    uint32_t boot;
    uint32_t rules; /* hash of what the job lets leave */
    uint8_t id[LC_ESC_ID_BYTES];
    uint8_t tries; /* requests that may have left */
    bool owes;     /* its record says `escalate`, and nothing followed yet */
    lc_str task, text, record;
    const lc_redactions *map;
} lc_kept;

typedef struct lc_questions {
    lc_journal journal;
    lc_port memory;
    uint8_t *room;  /* [LC_QUESTIONS_BYTES + LC_CELL_SPAN] the journal without a disk */
    uint8_t *state; /* of each ordinal, in turn */
    uint8_t *out;   /* a question as bytes */
    lc_age age;
    uint64_t scan; /* no ordinal before this one waits */
    uint32_t waiting;
    bool wanted; /* there is a disk */
    uint64_t dropped;
    lc_redactions map; /* of the one that was read last */
} lc_questions;

lc_err lc_questions_init(lc_questions *q, lc_arena *state) LC_CHECKED;
/* Reads what is there. port NULL: they wait in memory. corrections: their journal, which is open.
 * IO: the disk cannot be used; they wait in memory. */
lc_err lc_questions_open(lc_questions *q, uint64_t now_ms, const lc_port *port,
                         lc_journal *corrections) LC_CHECKED;
/* Before a good end: all is certain. */
void lc_questions_close(lc_questions *q, uint64_t now_ms);
/* Whether they outlive this process; whether they do not, though they should. */
bool lc_questions_on_disk(const lc_questions *q);
bool lc_questions_failed(const lc_questions *q);
void lc_questions_clock(lc_questions *q, uint64_t now_ms, uint64_t wall_ms);
/* A clock that goes on over restarts (age.h): what `made` is told by. */
uint64_t lc_questions_now(lc_questions *q, uint64_t now_ms);

/* Keeps one that is taken already, or waits; sets its ordinal, 0 when it is too long to keep. */
void lc_questions_put(lc_questions *q, uint64_t now_ms, lc_kept *kept, bool waits);
/* Takes the oldest that waits; what it points to stays until the next call. False: none. */
bool lc_questions_next(lc_questions *q, lc_kept *kept);
/* It waits again. unheard: its last request reached nobody, and counts as no try. */
void lc_questions_back(lc_questions *q, uint64_t now_ms, uint64_t ordinal, bool unheard);
/* A request is about to leave; certain on return, if the disk is well. */
void lc_questions_asked(lc_questions *q, uint64_t now_ms, uint64_t ordinal);
/* It is over. corrected: by a correction, which is certain; so is this then. */
void lc_questions_end(lc_questions *q, uint64_t now_ms, uint64_t ordinal, bool corrected);
/* Group commit, cursor. */
void lc_questions_tick(lc_questions *q, uint64_t now_ms);
uint64_t lc_questions_wake_ms(const lc_questions *q);

#endif
