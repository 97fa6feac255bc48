/* node_look.c - what a node counted. */
#include <string.h>

#include "node_state.h"

static void inbox_look(const lc_inbox *inbox, lc_node_counts *counts)
{
    for (uint32_t i = 0; i < inbox->count; i++) {
        const lc_inbox_source *source = &inbox->source[i];
        counts->lines += source->taken_total;
        counts->lines_lost += source->lost_total;
        counts->pauses += source->paused_total;
        counts->lines_waiting += source->ring.count;
        if (source->ring.used_peak > counts->inbox_peak_bytes) {
            counts->inbox_peak_bytes = source->ring.used_peak;
        }
    }
}

static void journals_look(const lc_outbox *outbox, lc_node_counts *counts)
{
    for (lc_outbox_kind kind = 0; kind < LC_OUTBOX_KINDS; kind++) {
        const lc_lane *lane = &outbox->lane[kind];
        uint64_t *oldest = &counts->journal_oldest_ts_ms, ts_ms = lane->oldest_ts_ms;
        counts->keeps = counts->keeps && !lc_outbox_failed(outbox, kind);
        counts->journal_bytes += lc_journal_bytes(&lane->journal);
        counts->journal_stored_bytes += lane->journal.stored_total;
        counts->journal_text_bytes += lane->journal.text_total;
        counts->journal_commits += lane->journal.commits;
        *oldest = ts_ms > 0 && (*oldest == 0 || ts_ms < *oldest) ? ts_ms : *oldest;
    }
}

void lc_node_look(lc_node *node, uint64_t now_ms, lc_node_counts *counts)
{
    const lc_outbox *outbox = &node->outbox;
    uint64_t oldest;
    *counts = (lc_node_counts){
        .records = node->records,
        .records_waiting = lc_outbox_waiting(outbox),
        .records_dropped = lc_outbox_dropped(outbox),
        .messages_acked = outbox->acked_total,
        .messages_refused = outbox->refused_total,
        .messages_unheard = outbox->unheard_total,
        .deadlines = node->deadlines,
        .events = node->events,
        .gaps = node->gaps,
        .commands = node->commands,
        .audits = node->audits,
        .acts = node->actor.begun,
        .acts_held = node->actor.held,
        .acts_limited = node->actor.limited,
        .acts_missing = node->actor.missing,
        .paused = node->actor.paused,
        .pace = node->pace.level,
        .rested_ms = node->pace.rested_ms,
        .link_ups = node->link.ups,
        .link_downs = node->link.downs,
        .flying = lc_node_flying(node, &oldest),
        .flying_peak = node->flying_peak,
        .outbox_bytes = outbox->ring.used,
        .outbox_peak_bytes = outbox->ring.used_peak,
        .outbox_max_bytes = outbox->ring.size,
        .seq = node->seq,
        .up_ms = now_ms - node->start_ms,
        .link = node->link.state,
        .stuck = node->stuck,
    };
    memcpy(counts->decided, node->decided, sizeof counts->decided);
    counts->keeps = !lc_escalate_failed(&node->esc);
    journals_look(outbox, counts);
    const lc_lane *lane = outbox->lane;
    counts->certain_seq = lc_journal_certain(&lane[LC_OUTBOX_RECORD].journal, node->options.boot);
    counts->certain_event = lc_journal_certain(&lane[LC_OUTBOX_EVENT].journal, node->options.boot);
    inbox_look(&node->inbox, counts);
    lc_escalate_look(&node->esc, now_ms, &counts->esc);
    lc_node_cost(node, now_ms);
    lc_cost_look(&node->cost, &counts->today, &counts->last_day);
    lc_drift_look_at(&node->drift, &counts->drift);
}

const lc_times *lc_node_asking(const lc_node *node)
{
    return &node->esc.times;
}
