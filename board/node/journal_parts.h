/* journal_parts.h - what journal.c (writing) and journal_read.c (reading back) share. */
#ifndef LC_JOURNAL_PARTS_H
#define LC_JOURNAL_PARTS_H

#include "journal.h"

#define LC_SEGMENT_HEAD 32u
#define LC_SEGMENT_MAGIC 0x314a434cu /* "LCJ1" */
#define LC_ENTRY_HEAD 24u
#define LC_ENTRY_MAGIC 0x654cu /* "Le" */

/* First ordinal of a segment that is there. */
static inline uint64_t lc_journal_begins(const lc_journal *j, uint64_t number)
{
    return number > j->end.number ? j->end.ordinal : j->begins[number % j->options.segments];
}

/* Of an entry's bytes, its own CRC left out. Starts from the entry before: what an earlier use of
 * the segment, or a start that was cut, left behind continues nothing. */
static inline uint32_t lc_journal_crc(uint32_t chain, const uint8_t *entry, uint32_t stored)
{
    uint32_t crc = lc_crc32c(chain, entry, LC_ENTRY_HEAD - 4);
    return lc_crc32c(crc, entry + LC_ENTRY_HEAD, stored);
}

/* Reads the entry at this place and moves the place behind it. limit: bytes of the segment that
 * hold entries. NOT_FOUND: there is none, or a damaged one. */
lc_err lc_journal_entry_read(lc_journal *j, lc_place *place, uint32_t limit, lc_history *history,
                             lc_entry *entry) LC_CHECKED;
/* The entry with this ordinal, or the next that can be read. NOT_FOUND, IO. */
lc_err lc_journal_read(lc_journal *j, uint64_t ordinal, lc_entry *entry) LC_CHECKED;
/* The backlog's entries up to this ordinal are no longer in it. */
void lc_journal_taken(lc_journal *j, uint64_t ordinal);
/* The cursor for the next process, if this one dies: while a backlog is read, much is at stake. */
void lc_journal_draft(lc_journal *j);
lc_err lc_journal_fail(lc_journal *j);

#endif
