/* node_next.c - what to do now, most urgent first, one thing at a time. */
#include "node_state.h"

#define GOODBYE_MS 2000u
#define OFFLINE "offline"

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- inference ---- */

static bool cancel_next(lc_node *node, uint64_t now_ms, lc_action *action)
{
    lc_running *running = &node->running;
    bool flushed = node->stop == LC_STOP_FLUSH && now_ms >= node->stop_ms;
    if (running->ticket == 0 || running->cancelled || (now_ms < running->deadline_ms && !flushed)) {
        return false;
    }
    running->cancelled = true;
    *action = (lc_action){.kind = LC_DO_CANCEL, .work.ticket = running->ticket};
    return true;
}

static void running_start(lc_node *node, uint64_t now_ms, const lc_line *line, uint32_t source)
{
    bool waits = node->options.source[source].waits;
    uint64_t from = waits ? now_ms : line->arrived_ms;
    node->tickets = node->tickets == UINT32_MAX ? 1 : node->tickets + 1;
    node->running = (lc_running){.ticket = node->tickets,
                                 .source = source,
                                 .arrived_ms = line->arrived_ms,
                                 .started_ms = now_ms,
                                 .deadline_ms = from + node->options.deadline_ms,
                                 .cancelled = now_ms >= from + node->options.deadline_ms};
}

/* A pause for the board's sake; who wants to stop need not wait for it. */
static bool resting(const lc_node *node, uint64_t now_ms)
{
    return now_ms < node->rest_until_ms && node->stop == LC_STOP_NO;
}

static bool start_next(lc_node *node, uint64_t now_ms, lc_action *action)
{
    uint32_t source;
    if (node->running.ticket != 0 || node->stop >= LC_STOP_GOODBYE ||
        (node->stop == LC_STOP_FLUSH && now_ms >= node->stop_ms) || resting(node, now_ms)) {
        return false;
    }
    const lc_line *line = lc_inbox_next(&node->inbox, &source);
    if (!line) {
        return false;
    }
    running_start(node, now_ms, line, source);
    *action = (lc_action){.kind = LC_DO_START,
                          .work = {.ticket = node->running.ticket,
                                   .source = source,
                                   .text = line->text,
                                   .bytes = line->bytes,
                                   .seq = node->seq + 1,
                                   .ts_ms = lc_node_ts_ms(node, now_ms),
                                   .up_ms = now_ms - node->start_ms,
                                   .tq = node->tq,
                                   .late = node->running.cancelled,
                                   .online = lc_escalate_could(&node->esc, now_ms),
                                   .bar = lc_escalate_bar(&node->esc)}};
    return true;
}

/* Inference that does not even end when told to: nothing here can mend that, a restart can. */
static void stuck_watch(lc_node *node, uint64_t now_ms)
{
    const lc_running *running = &node->running;
    uint64_t begun =
        running->started_ms > running->deadline_ms ? running->started_ms : running->deadline_ms;
    if (running->ticket != 0 && !node->stuck && now_ms >= begun + LC_NODE_STUCK_MS) {
        node->stuck = true;
        lc_say_put(&node->say, now_ms, LC_SAY_STUCK, now_ms - running->started_ms, (lc_str){0});
    }
}

static bool watchdog_next(lc_node *node, uint64_t now_ms, lc_action *action)
{
    stuck_watch(node, now_ms);
    if (node->stuck || now_ms < node->watchdog_ms) {
        return false;
    }
    node->watchdog_ms = now_ms + LC_NODE_WATCHDOG_MS;
    *action = (lc_action){.kind = LC_DO_WATCHDOG};
    return true;
}

/* ---- link ---- */

static bool link_next(lc_node *node, uint64_t now_ms, lc_action *action)
{
    if (lc_link_due(&node->link, now_ms) && node->stop < LC_STOP_GOODBYE) {
        lc_link_try(&node->link, now_ms);
        *action = (lc_action){.kind = LC_DO_CONNECT};
        return true;
    }
    uint64_t oldest;
    bool open = node->link.state == LC_LINK_OPEN && !node->link.closing;
    bool silent = open && lc_node_flying(node, &oldest) > 0 && now_ms >= oldest + LC_NODE_ACK_MS;
    if (!silent && !lc_link_late(&node->link, now_ms)) {
        return false;
    }
    if (silent) {
        lc_say_put(&node->say, now_ms, LC_SAY_LINK_SILENT, now_ms - oldest, (lc_str){0});
        node->link.barren = oldest < node->link.since_ms + LC_LINK_LAST_MS;
    }
    node->link.closing = true;
    *action = (lc_action){.kind = LC_DO_CLOSE};
    return true;
}

static lc_topic topic_of(const lc_flight *flight)
{
    return flight->kind == LC_OUTBOX_EVENT   ? LC_TOPIC_EVENT
           : flight->kind == LC_OUTBOX_AUDIT ? LC_TOPIC_AUDIT
                                             : LC_TOPIC_RES;
}

/* Bytes that leave: how many, for which record, what was taken out of them. */
static void ask_tell(lc_node *node, const lc_esc_slot *slot, uint32_t bytes)
{
    lc_text id = lc_text_make(node->asked, sizeof node->asked);
    lc_text_hex(&id, slot->id, LC_ESC_ID_BYTES);
    const lc_audit_entry entry = {.kind = LC_AUDIT_ASK,
                                  .what = {node->asked, sizeof node->asked},
                                  .result = "sent",
                                  .cause = "record",
                                  .of = slot->boot != node->options.boot ? slot->boot : 0,
                                  .seq = slot->seq,
                                  .task = node->options.task[slot->task],
                                  .bytes = bytes,
                                  .tries = slot->tries,
                                  .redacted = slot->map.count};
    lc_audit_put(&node->audit, &entry);
    lc_node_audit(node, slot->sent_ms);
}

static bool ask_next(lc_node *node, uint64_t now_ms, uint32_t id, lc_message *message)
{
    lc_str payload;
    const lc_esc_slot *slot =
        lc_escalate_send(&node->esc, now_ms, lc_node_ts_ms(node, now_ms), id, &payload);
    if (slot) {
        uint64_t left_ms = slot->deadline_ms > now_ms ? slot->deadline_ms - now_ms : 0;
        ask_tell(node, slot, payload.bytes);
        *message = (lc_message){.topic = LC_TOPIC_ASK,
                                .payload = payload.data,
                                .bytes = payload.bytes,
                                .ask_id = slot->id,
                                .ask_seq = slot->seq,
                                .ask_boot = slot->boot,
                                .expiry_s = (uint32_t)((left_ms + 999) / 1000)};
    }
    return slot != NULL;
}

static bool message_next(lc_node *node, uint64_t now_ms, lc_message *message)
{
    uint32_t id = node->ids == UINT32_MAX ? 1 : node->ids + 1;
    const lc_slot *slot = lc_slots_send(&node->slots, now_ms, id);
    if (slot) {
        bool named = slot->topic == LC_TOPIC_LAST;
        *message = (lc_message){.topic = slot->topic,
                                .task = slot->task,
                                .name = named ? node->options.task[slot->task] : (lc_str){0},
                                .retain = slot->retain,
                                .payload = slot->payload,
                                .bytes = slot->bytes};
    } else if (!ask_next(node, now_ms, id, message)) {
        const lc_flight *flight = lc_outbox_send(&node->outbox, now_ms, id);
        if (!flight) {
            return false;
        }
        *message = (lc_message){.topic = (uint8_t)topic_of(flight),
                                .task = flight->task,
                                .name = lc_outbox_name(&node->outbox, flight->task),
                                .payload = flight->payload,
                                .bytes = flight->bytes};
    }
    node->ids = message->id = id;
    message->qos = 1;
    return true;
}

static bool publish_next(lc_node *node, uint64_t now_ms, lc_action *action)
{
    uint64_t oldest;
    if (node->link.state != LC_LINK_OPEN || node->link.closing ||
        lc_node_flying(node, &oldest) >= node->options.window) {
        return false;
    }
    *action = (lc_action){.kind = LC_DO_PUBLISH};
    if (!message_next(node, now_ms, &action->message)) {
        return false;
    }
    uint32_t flying = lc_node_flying(node, &oldest);
    node->flying_peak = flying > node->flying_peak ? flying : node->flying_peak;
    return true;
}

/* ---- what is told besides records ---- */

/* What a journal dropped; it keeps number and start of the statement until that is acknowledged. */
static uint32_t loss_render(lc_node *node, const lc_stamp *stamp, lc_outbox_kind kind)
{
    lc_journal *journal = &node->outbox.lane[kind].journal;
    const lc_loss *loss = lc_journal_loss(journal, node->options.boot, node->gaps + 1);
    if (!loss) {
        return 0;
    }
    bool new = loss->told_boot == node->options.boot && loss->told == node->gaps + 1;
    node->gaps += new;
    node->gap_kind = kind;
    node->gap_boot = loss->told_boot;
    node->gap_told = loss->told;
    return lc_payload_loss(stamp, loss, kind, node->scratch, sizeof node->scratch);
}

static uint32_t gap_render(lc_node *node, const lc_stamp *stamp)
{
    lc_gap *gap = &node->outbox.gap;
    if (gap->count + gap->events > 0) {
        uint32_t bytes =
            lc_payload_gap(stamp, ++node->gaps, gap, node->scratch, sizeof node->scratch);
        *gap = (lc_gap){0};
        return bytes;
    }
    for (lc_outbox_kind kind = 0; kind < LC_OUTBOX_KINDS; kind++) {
        uint32_t bytes = loss_render(node, stamp, kind);
        if (bytes > 0) {
            return bytes;
        }
    }
    for (uint32_t i = 0; i < node->inbox.count; i++) {
        lc_lost *lost = &node->inbox.source[i].lost;
        if (lost->lines > 0) {
            uint32_t bytes =
                lc_payload_lost(stamp, ++node->gaps, node->options.source[i].name, lost,
                                node->wall_offset_ms, node->scratch, sizeof node->scratch);
            *lost = (lc_lost){0};
            return bytes;
        }
    }
    return 0;
}

/* A loss goes into the slot once the one before it is acknowledged, and then stays as it is. */
static void gap_fill(lc_node *node, uint64_t now_ms)
{
    lc_slot *slot = lc_node_slot(node, LC_SLOT_GAP);
    if (!lc_slot_idle(slot) || now_ms < node->gap_ms) {
        return;
    }
    lc_stamp stamp = lc_node_stamp(node, now_ms);
    uint32_t bytes = gap_render(node, &stamp);
    if (bytes > 0) {
        bool fits = lc_slot_set(slot, node->scratch, bytes);
        lc_assert(fits);
        node->gap_ms = now_ms + (node->stop == LC_STOP_NO ? LC_NODE_GAP_MS : 0);
    }
}

static void log_fill(lc_node *node, uint64_t now_ms)
{
    lc_slot *slot = lc_node_slot(node, LC_SLOT_LOG);
    lc_saying saying;
    if (!lc_slot_idle(slot) || !lc_say_take_link(&node->say, &saying)) {
        return;
    }
    lc_stamp stamp = lc_node_stamp(node, now_ms);
    uint32_t bytes = lc_payload_log(&stamp, &saying, node->scratch, sizeof node->scratch);
    bool fits = bytes > 0 && lc_slot_set(slot, node->scratch, bytes);
    lc_assert(fits);
    slot->task = (uint8_t)lc_say_level(saying.code);
}

/* What upstream said, or did not, goes where its record went; it was paid for, so it is certain
 * before anybody hears of it. A disk that fails is said elsewhere. */
static void corrections_take(lc_node *node, uint64_t now_ms)
{
    lc_corrected c;
    while (lc_escalate_correct(&node->esc, now_ms, node->corrections + 1, &c)) {
        node->corrections++;
        lc_node_put(node, now_ms, LC_OUTBOX_CORRECTION, c.task, c.json.data, c.json.bytes);
        (void)!lc_journal_commit(&node->outbox.lane[LC_OUTBOX_CORRECTION].journal);
        if (c.boot == node->options.boot && node->last_seq[c.task] == c.seq) {
            bool fits = lc_slot_set(lc_node_slot(node, LC_SLOT_LAST + c.task), c.json.data,
                                    c.json.bytes);
            lc_assert(fits);
        }
    }
}

static bool act_next(lc_node *node, uint64_t now_ms, lc_action *action)
{
    *action = (lc_action){.kind = LC_DO_ACT};
    return lc_actor_next(&node->actor, now_ms, &action->act);
}

static bool health_next(lc_node *node, uint64_t now_ms, lc_action *action)
{
    if (node->link.state != LC_LINK_OPEN || node->health_asked || now_ms < node->health_ms ||
        node->stop >= LC_STOP_GOODBYE) {
        return false;
    }
    node->health_asked = true;
    *action = (lc_action){.kind = LC_DO_HEALTH};
    return true;
}

/* ---- stopping ---- */

static bool flush_over(const lc_node *node, uint64_t now_ms)
{
    if (node->running.ticket != 0 && !node->stuck) {
        return false;
    }
    bool limited = node->stop_ms != UINT64_MAX;
    bool away = node->link.state != LC_LINK_OPEN;
    bool lines = lc_inbox_waiting(&node->inbox) > 0;
    return now_ms >= node->stop_ms || (away && limited && !lines) ||
           (node->link.state == LC_LINK_NONE && !lines) || !lc_node_busy(node);
}

static void goodbye_begin(lc_node *node, uint64_t now_ms)
{
    static const lc_actor_why why = {"stop", {"", 0}};
    uint64_t left = lc_inbox_waiting(&node->inbox);
    left += node->kept ? 0 : lc_outbox_waiting(&node->outbox); /* the others wait on the disk */
    if (!lc_questions_on_disk(&node->esc.questions)) {
        left += lc_escalate_owing(&node->esc) + node->esc.questions.waiting;
    }
    if (left > 0) {
        lc_say_put(&node->say, now_ms, LC_SAY_UNSENT, left, (lc_str){0});
    }
    lc_actor_acknowledge(&node->actor, now_ms, &why);
    lc_audit_end(&node->audit);
    lc_node_audit(node, now_ms);
    node->stop = LC_STOP_GOODBYE;
    node->stop_ms = now_ms + GOODBYE_MS;
    bool fits = lc_slot_set(lc_node_slot(node, LC_SLOT_STATE), OFFLINE, sizeof OFFLINE - 1);
    lc_assert(fits);
}

static bool stop_next(lc_node *node, uint64_t now_ms, lc_action *action)
{
    if (node->stop == LC_STOP_FLUSH && flush_over(node, now_ms)) {
        goodbye_begin(node, now_ms);
    }
    bool said = lc_slot_idle(lc_node_slot(node, LC_SLOT_STATE));
    if (node->stop == LC_STOP_GOODBYE &&
        (said || node->link.state != LC_LINK_OPEN || now_ms >= node->stop_ms)) {
        node->stop = LC_STOP_DONE;
    }
    if (node->stop != LC_STOP_DONE || node->stop_told) {
        return false;
    }
    node->stop_told = true;
    lc_outbox_close(&node->outbox, now_ms);
    lc_escalate_close(&node->esc, now_ms);
    lc_node_cost(node, now_ms);
    lc_cost_keep(&node->cost, now_ms);
    *action = (lc_action){.kind = LC_DO_STOP};
    return true;
}

/* ---- all of it ---- */

static bool log_next(lc_node *node, lc_action *action)
{
    *action = (lc_action){.kind = LC_DO_LOG};
    return lc_say_take_log(&node->say, &action->saying);
}

static bool resume_next(lc_node *node, lc_action *action)
{
    *action = (lc_action){.kind = LC_DO_RESUME};
    return lc_inbox_resume(&node->inbox, &action->source);
}

/* Says when the disk ends to keep records, and what it lost by itself. */
static void disk_watch(lc_node *node, uint64_t now_ms)
{
    lc_outbox_tick(&node->outbox, now_ms, node->link.state == LC_LINK_OPEN);
    lc_cost_tick(&node->cost, now_ms);
    lc_escalate_tick(&node->esc, now_ms);
    lc_journal *questions = &node->esc.questions.journal;
    bool keeps = !lc_escalate_failed(&node->esc);
    if (questions->damaged) {
        questions->damaged = false;
        lc_say_put(&node->say, now_ms, LC_SAY_STORE_DAMAGED, 0, (lc_str){0});
    }
    for (lc_outbox_kind kind = 0; kind < LC_OUTBOX_KINDS; kind++) {
        lc_journal *journal = &node->outbox.lane[kind].journal;
        keeps = keeps && !lc_outbox_failed(&node->outbox, kind);
        if (journal->damaged) {
            journal->damaged = false;
            lc_say_put(&node->say, now_ms, LC_SAY_STORE_DAMAGED, 0, (lc_str){0});
        }
    }
    if (node->kept && !keeps) {
        node->kept = false;
        lc_say_put(&node->say, now_ms, LC_SAY_STORE_FAILED, 0, (lc_str){0});
    }
}

bool lc_node_next(lc_node *node, uint64_t now_ms, lc_action *action)
{
    corrections_take(node, now_ms);
    lc_node_audit(node, now_ms);
    if (node->link.state == LC_LINK_OPEN) {
        gap_fill(node, now_ms);
        log_fill(node, now_ms);
    }
    bool any = act_next(node, now_ms, action) || log_next(node, action) ||
               watchdog_next(node, now_ms, action) || cancel_next(node, now_ms, action) ||
               start_next(node, now_ms, action) || resume_next(node, action) ||
               link_next(node, now_ms, action) || health_next(node, now_ms, action) ||
               stop_next(node, now_ms, action) || publish_next(node, now_ms, action);
    if (!any) { /* a sync takes its time: everything else goes before */
        disk_watch(node, now_ms);
        any = log_next(node, action);
    }
    return any;
}

static bool gap_waits(const lc_node *node)
{
    bool waits = node->outbox.gap.count + node->outbox.gap.events > 0 || lc_node_has_loss(node);
    for (uint32_t i = 0; i < node->inbox.count; i++) {
        waits = waits || node->inbox.source[i].lost.lines > 0;
    }
    return waits && lc_slot_idle(&node->slots.slot[LC_SLOT_GAP]);
}

static uint64_t open_wake_ms(const lc_node *node)
{
    uint64_t oldest;
    uint32_t flying = lc_node_flying(node, &oldest);
    uint64_t wake = flying > 0 && !node->link.closing ? oldest + LC_NODE_ACK_MS : UINT64_MAX;
    if (!node->health_asked && node->stop < LC_STOP_GOODBYE) {
        wake = earlier(wake, node->health_ms);
    }
    if (flying < node->options.window) {
        wake = earlier(wake, lc_slots_wake_ms(&node->slots));
        wake = earlier(wake, lc_outbox_ready_ms(&node->outbox));
    }
    return gap_waits(node) ? earlier(wake, node->gap_ms) : wake;
}

uint64_t lc_node_wake_ms(const lc_node *node, uint64_t now_ms)
{
    uint64_t wake = lc_link_wake_ms(&node->link);
    wake = earlier(wake, lc_actor_wake_ms(&node->actor));
    wake = earlier(wake, lc_audit_wake_ms(&node->audit));
    wake = earlier(wake, lc_cost_wake_ms(&node->cost));
    wake = earlier(wake, lc_escalate_wake_ms(&node->esc, now_ms));
    wake = earlier(wake, lc_outbox_tick_ms(&node->outbox, node->link.state == LC_LINK_OPEN));
    if (!node->stuck) {
        wake = earlier(wake, node->watchdog_ms);
    }
    if (resting(node, now_ms) && lc_inbox_waiting(&node->inbox) > 0) {
        wake = earlier(wake, node->rest_until_ms);
    }
    const lc_running *running = &node->running;
    if (running->ticket != 0 && !running->cancelled) {
        wake = earlier(wake, running->deadline_ms);
    }
    if (node->link.state == LC_LINK_OPEN) {
        wake = earlier(wake, open_wake_ms(node));
    }
    bool stopping = node->stop == LC_STOP_FLUSH || node->stop == LC_STOP_GOODBYE;
    if (stopping && node->stop_ms > now_ms) { /* later, it waits for inference to return */
        wake = earlier(wake, node->stop_ms);
    }
    return wake > now_ms ? wake : now_ms + 1;
}
