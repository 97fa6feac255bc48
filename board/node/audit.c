/* audit.c - a queue of one event's entries, and the runs. */
#include "audit.h"

#include <string.h>

#include "../../runtime/err.h"

static const char *const words[LC_AUDIT_KINDS] = {"act", "switch", "command", "ask"};

const char *lc_audit_word(uint32_t kind)
{
    lc_assert(kind < LC_AUDIT_KINDS);
    return words[kind];
}

bool lc_audit_from_word(lc_str word, uint32_t *kind)
{
    for (uint32_t i = 0; i < LC_AUDIT_KINDS; i++) {
        if (lc_str_equal(word, lc_str_from(words[i]))) {
            *kind = i;
            return true;
        }
    }
    return false;
}

void lc_audit_put(lc_audit *audit, const lc_audit_entry *entry)
{
    lc_assert(entry->kind < LC_AUDIT_KINDS && audit->count < LC_AUDIT_QUEUE);
    audit->queue[(audit->first + audit->count++) % LC_AUDIT_QUEUE] = *entry;
}

/* Cut to what is kept: names are from outside. */
static lc_str text_keep(char to[LC_AUDIT_WORD_MAX], lc_str text)
{
    uint32_t bytes = text.bytes < LC_AUDIT_WORD_MAX ? text.bytes : LC_AUDIT_WORD_MAX;
    if (bytes > 0) {
        memcpy(to, text.data, bytes);
    }
    return (lc_str){to, bytes};
}

void lc_audit_again(lc_audit *audit, uint64_t now_ms, uint32_t run, const lc_audit_entry *entry)
{
    lc_assert(run < LC_AUDIT_RUNS);
    lc_audit_run *r = &audit->run[run];
    uint64_t count = r->entry.count, from = count > 0 ? r->entry.from : entry->seq;
    r->entry = *entry;
    r->entry.what = text_keep(r->what, entry->what);
    r->entry.id = text_keep(r->id, entry->id);
    r->entry.count = count + 1;
    r->entry.from = from;
    if (now_ms >= r->next_ms) {
        lc_audit_entry told = *entry; /* its texts, not those of the run, which the next replaces */
        told.count = count + 1;
        told.from = from;
        lc_audit_put(audit, &told);
        r->entry.count = 0;
        r->next_ms = now_ms + LC_AUDIT_RUN_MS;
    }
}

void lc_audit_end(lc_audit *audit)
{
    for (uint32_t i = 0; i < LC_AUDIT_RUNS; i++) {
        audit->run[i].next_ms = 0;
    }
}

bool lc_audit_next(lc_audit *audit, uint64_t now_ms, lc_audit_entry *entry)
{
    if (audit->count > 0) {
        *entry = audit->queue[audit->first];
        audit->first = (audit->first + 1) % LC_AUDIT_QUEUE;
        audit->count--;
        return true;
    }
    for (uint32_t i = 0; i < LC_AUDIT_RUNS; i++) {
        lc_audit_run *r = &audit->run[i];
        if (r->entry.count > 0 && now_ms >= r->next_ms) {
            *entry = r->entry;
            r->entry.count = 0;
            r->next_ms = now_ms + LC_AUDIT_RUN_MS;
            return true;
        }
    }
    return false;
}

uint64_t lc_audit_wake_ms(const lc_audit *audit)
{
    uint64_t wake = audit->count > 0 ? 0 : UINT64_MAX;
    for (uint32_t i = 0; i < LC_AUDIT_RUNS; i++) {
        const lc_audit_run *r = &audit->run[i];
        wake = r->entry.count > 0 && r->next_ms < wake ? r->next_ms : wake;
    }
    return wake;
}
