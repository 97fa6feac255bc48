/* inbox.c - a ring per source, served round and round. */
#include "inbox.h"

#include <string.h>

#include "../../runtime/limits.h"

#define LINE_SPAN_MAX ((uint32_t)sizeof(lc_line) + LC_LINE_BYTES_MAX)

lc_err lc_inbox_init(lc_inbox *inbox, uint32_t sources, uint32_t inbox_bytes, lc_arena *state)
{
    lc_assert(inbox_bytes >= LC_INBOX_BYTES_MIN && sources <= LC_SOURCES_MAX);
    lc_inbox_source *source = LC_PUSH(state, lc_inbox_source, sources);
    uint8_t *data = lc_arena_push(state, (size_t)sources * inbox_bytes);
    if (!source || !data) {
        return LC_ERR_ARENA;
    }
    if (state->measuring) {
        return LC_OK;
    }
    *inbox = (lc_inbox){.source = source, .count = sources};
    for (uint32_t i = 0; i < sources; i++) {
        source[i] = (lc_inbox_source){0};
        lc_ring_init(&source[i].ring, data + (size_t)i * inbox_bytes, inbox_bytes);
    }
    return LC_OK;
}

static void line_lose(lc_inbox_source *source, uint64_t now_ms)
{
    if (source->lost.lines == 0) {
        source->lost.from_ms = now_ms;
    }
    source->lost.to_ms = now_ms;
    source->lost.lines++;
    source->lost_total++;
}

lc_err lc_inbox_put(lc_inbox *inbox, uint64_t now_ms, uint32_t source_index, const char *text,
                    size_t bytes)
{
    lc_assert(source_index < inbox->count);
    lc_inbox_source *source = &inbox->source[source_index];
    uint32_t kept = bytes > LC_LINE_BYTES_MAX ? 0 : (uint32_t)bytes;
    lc_line *line = lc_ring_put(&source->ring, (uint32_t)sizeof(lc_line) + kept);
    if (!line) {
        if (source->waits) {
            source->paused_total += !source->paused;
            source->paused = true;
        } else {
            line_lose(source, now_ms);
        }
        return LC_ERR_BUSY;
    }
    line->arrived_ms = now_ms;
    line->bytes = bytes > LC_LINE_BYTES_MAX ? LC_LINE_BYTES_MAX + 1 : (uint32_t)bytes;
    if (kept > 0) {
        memcpy(line->text, text, kept);
    }
    source->taken_total++;
    return LC_OK;
}

const lc_line *lc_inbox_next(lc_inbox *inbox, uint32_t *source)
{
    for (uint32_t n = 0; n < inbox->count; n++) {
        uint32_t i = (inbox->turn + n) % inbox->count;
        const lc_line *line = lc_ring_first(&inbox->source[i].ring);
        if (line) {
            inbox->turn = (i + 1) % inbox->count;
            *source = i;
            return line;
        }
    }
    return NULL;
}

void lc_inbox_drop(lc_inbox *inbox, uint32_t source)
{
    lc_assert(source < inbox->count);
    lc_ring_drop(&inbox->source[source].ring);
}

bool lc_inbox_resume(lc_inbox *inbox, uint32_t *source)
{
    for (uint32_t i = 0; i < inbox->count; i++) {
        lc_inbox_source *s = &inbox->source[i];
        if (s->paused && s->ring.used <= s->ring.size / 2 &&
            lc_ring_fits(&s->ring, LINE_SPAN_MAX)) {
            s->paused = false;
            *source = i;
            return true;
        }
    }
    return false;
}

uint32_t lc_inbox_waiting(const lc_inbox *inbox)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < inbox->count; i++) {
        count += inbox->source[i].ring.count;
    }
    return count;
}
