/* journal.h - texts in their order, kept through power cuts until they are delivered.
 *
 * One file of equal segments, used in turn. Each entry has an ordinal that only grows; (boot, seq)
 * is what the world knows it by. Entries are written at once, so that they outlive the process, and
 * synced in groups, so that they outlive a power cut: by the first tick after commit_count of them,
 * or commit_ms after the first. What is found after a cut is always the first so many of what was
 * put, and at least all that was synced.
 *
 *   put       appends; when the file is full the oldest segment goes. What in it was still to be
 *             delivered becomes a loss to state (lc_loss)
 *   backlog   ordinals that are to be read back and sent: all that nobody holds in memory
 *   cursor    everything up to it is delivered or stated. Kept in a cell together with the losses,
 *             after the data it speaks of; it may lag, then entries are sent twice
 * A call that fails for IO ends the journal (`failed`): nothing more is written to it.
 */
#ifndef LC_JOURNAL_H
#define LC_JOURNAL_H

#include "../../runtime/arena.h"
#include "../../runtime/bytes.h"
#include "../../runtime/limits.h"
#include "cell.h"
#include "squeeze.h"

#define LC_LOSSES_MAX 8u
#define LC_SPANS_MAX 8u
#define LC_BOOTS_MAX 32u
#define LC_SEGMENTS_MAX 256u
#define LC_JOURNAL_LAZY_MS 60000u /* the cursor is kept at most this much later */

/* Entries of one start that were lost before they were delivered. */
typedef struct lc_loss {
    uint32_t boot;
    uint64_t from, to; /* seq of the first and the last; others between may have been sent */
    uint64_t count;
    uint32_t told_boot, told; /* start and number of its statement, 0: not stated yet */
    bool heard;               /* the statement was acknowledged on this connection */
} lc_loss;

/* Ordinals from..to. */
typedef struct lc_span {
    uint64_t from, to;
} lc_span;

/* Where the entries of one start begin, and what the collector has of them. */
typedef struct lc_boot {
    uint32_t boot;
    uint64_t ordinal, seq; /* of the first entry known */
    uint64_t acked;        /* seq */
} lc_boot;

typedef struct lc_entry {
    uint64_t ordinal, seq;
    uint32_t boot;
    uint8_t kind;
    lc_str name; /* of the task */
    lc_str text;
} lc_entry;

typedef struct lc_journal_options {
    const lc_port *port; /* NULL: no journal */
    lc_file file;
    lc_cell_index cell;
    uint32_t segments, segment_bytes;
    uint32_t text_max; /* of an entry, its name included */
    uint32_t commit_count, commit_ms;
    bool strict; /* only lc_journal_ack counts as delivered */
} lc_journal_options;

/* A reader's or writer's place. */
typedef struct lc_place {
    uint64_t number;  /* segment, 0: none */
    uint32_t at;      /* byte in it */
    uint32_t chain;   /* CRC of what stands before: seeds the next one */
    uint64_t ordinal; /* of the next entry */
} lc_place;

typedef struct lc_journal {
    lc_journal_options options;
    lc_cell cell;
    bool open, failed;
    bool damaged;       /* something was found that no cut explains */
    uint64_t *begins;   /* [segments] first ordinal of each, by number % segments */
    uint64_t first;     /* oldest segment's number */
    lc_place end;       /* where the next entry goes */
    uint32_t last_boot; /* of the last entry */
    uint64_t last_seq;
    uint64_t synced;       /* ordinal of the last certain entry */
    uint64_t commit_at_ms; /* UINT64_MAX: all is certain */
    uint64_t cursor, kept; /* ordinal; the same as the cell has it */
    uint64_t keep_at_ms;
    bool draining; /* entries were read back, and not all is delivered */
    lc_loss loss[LC_LOSSES_MAX];
    uint32_t losses;
    lc_span backlog[LC_SPANS_MAX];
    uint32_t spans;
    lc_boot boot[LC_BOOTS_MAX]; /* by ordinal */
    uint32_t boots;
    bool boots_full; /* the backlog waits until the collector has some of them */
    lc_place read;
    uint32_t read_boot;
    uint64_t read_seq;
    lc_history write_history, read_history;
    uint8_t *out;    /* [entry] */
    uint8_t *buffer; /* [entry] what was read ahead from buffer_at on */
    uint64_t buffer_number;
    uint32_t buffer_at, buffer_bytes;
    uint64_t text_total, stored_total, dropped_total, commits;
} lc_journal;

/* How a file of about so many bytes is divided. */
void lc_journal_divide(uint64_t bytes, uint32_t *segments, uint32_t *segment_bytes);
/* Takes its memory, nothing else; port NULL takes none. */
lc_err lc_journal_init(lc_journal *journal, const lc_journal_options *options,
                       lc_arena *state) LC_CHECKED;
/* Opens or makes the file, finds its end, and sets the backlog to what was not delivered. A file
 * that was made with another size keeps it. IO. */
lc_err lc_journal_open(lc_journal *journal) LC_CHECKED;
/* Opens it on another port, whose file is empty: nothing of what was in it is kept, but its
 * ordinals are not given again. As many segments as given, of that size. IO. */
lc_err lc_journal_move(lc_journal *journal, const lc_port *port, uint32_t segments,
                       uint32_t segment_bytes) LC_CHECKED;

/* Opens it only to read what is there, delivered or not, while another process may be writing. The
 * port is not asked to write. */
lc_err lc_journal_look(lc_journal *journal) LC_CHECKED;
/* The next entry of those, the oldest first; what is damaged, or replaced meanwhile, is passed
 * over: ordinals are missing then. NOT_FOUND: that was the last. IO. */
lc_err lc_journal_step(lc_journal *journal, lc_entry *entry) LC_CHECKED;

/* Appends; entry->ordinal is set. The backlog does not change. */
lc_err lc_journal_put(lc_journal *journal, uint64_t now_ms, lc_entry *entry) LC_CHECKED;
/* Whether putting so many bytes drops the oldest segment. What the caller holds of the entries up
 * to *to in memory goes with it: unless `strict` it counts them as lost first, for a cut would take
 * them, too. */
bool lc_journal_drops(const lc_journal *journal, uint32_t bytes, uint64_t *to);
/* `count` entries of a start, the first and the last of them with these seq, were lost. */
void lc_journal_lost(lc_journal *journal, uint32_t boot, uint64_t from, uint64_t to,
                     uint64_t count);
/* Syncs what is not certain yet. */
lc_err lc_journal_commit(lc_journal *journal) LC_CHECKED;
/* What has become due: a group commit, the cursor. */
void lc_journal_tick(lc_journal *journal, uint64_t now_ms);
uint64_t lc_journal_wake_ms(const lc_journal *journal);

/* The entry is to be read back, behind all others of the backlog. */
void lc_journal_return(lc_journal *journal, uint64_t ordinal);
/* Reads the backlog's first entry and takes it from there; valid until the next call. False: there
 * is none, or it cannot be read now. */
bool lc_journal_next(lc_journal *journal, lc_entry *entry);
/* All after the cursor and before this ordinal is to be read back (anew). */
void lc_journal_rewind(lc_journal *journal, uint64_t before);
/* Entries that lc_journal_next may give. */
uint64_t lc_journal_backlog(const lc_journal *journal);

/* Something was delivered: the cursor is due within LC_JOURNAL_LAZY_MS. */
void lc_journal_touch(lc_journal *journal, uint64_t now_ms);
/* Everything up to this ordinal is delivered. */
void lc_journal_delivered(lc_journal *journal, uint64_t now_ms, uint64_t ordinal);
/* The collector has everything of this start up to seq (strict). */
void lc_journal_ack(lc_journal *journal, uint64_t now_ms, uint32_t boot, uint64_t seq);
/* Writes cursor and losses to the cell. */
lc_err lc_journal_keep(lc_journal *journal) LC_CHECKED;
uint64_t lc_journal_last(const lc_journal *journal);  /* ordinal of the last entry, 0 none */
/* seq of this start's last entry that is certain, 0 none. */
uint64_t lc_journal_certain(const lc_journal *journal, uint32_t boot);
uint64_t lc_journal_bytes(const lc_journal *journal); /* of entries not yet delivered, about */

/* The next loss to state; one that never was gets this start and number, and keeps them. NULL when
 * there is none. lc_journal_heard: its statement was acknowledged. */
const lc_loss *lc_journal_loss(lc_journal *journal, uint32_t boot, uint32_t number);
void lc_journal_heard(lc_journal *journal, uint32_t told_boot, uint32_t told);
/* The oldest entry that is not delivered; false when there is none or it cannot be read. */
bool lc_journal_oldest(lc_journal *journal, lc_entry *entry);
/* A new connection: losses that the collector may not have (strict) are to be stated again. */
void lc_journal_tell_again(lc_journal *journal);
bool lc_journal_has_loss(const lc_journal *journal);

#endif
