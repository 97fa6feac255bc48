/* node.c - events: each changes the state, none acts; lc_node_next does. */
#include "node.h"

#include <string.h>

#include "../../runtime/job.h"
#include "discovery.h"
#include "node_state.h"

#define REASON_TOO_LARGE 0x95u
#define ONLINE "online"
#define BIRTH_BYTES_MAX 4096u

/* ---- opening ---- */

static lc_err options_check(const lc_node_options *o, lc_diag *diag)
{
    if (o->source_count == 0 || o->source_count > LC_SOURCES_MAX || o->task_count == 0 ||
        o->task_count > LC_TASKS_MAX) {
        return lc_fail(diag, LC_ERR_LIMIT, 0, "number of sources or tasks");
    }
    if (o->inbox_bytes < LC_INBOX_BYTES_MIN || o->inbox_bytes > LC_INBOX_BYTES_MAX ||
        o->inbox_bytes % LC_RING_ALIGN != 0) {
        return lc_fail(diag, LC_ERR_LIMIT, 0, "bytes of the inbox");
    }
    if (o->outbox_bytes < LC_OUTBOX_BYTES_MIN || o->outbox_bytes > LC_OUTBOX_BYTES_MAX ||
        o->outbox_bytes % LC_RING_ALIGN != 0) {
        return lc_fail(diag, LC_ERR_LIMIT, 0, "bytes of the outbox");
    }
    if (o->window == 0 || o->window > LC_WINDOW_MAX || o->batch == 0 || o->batch > LC_BATCH_MAX) {
        return lc_fail(diag, LC_ERR_LIMIT, 0, "window or batch");
    }
    if (o->deadline_ms == 0 || o->birth.bytes > BIRTH_BYTES_MAX ||
        o->update.bytes > LC_PAYLOAD_SMALL_MAX || o->discovery.bytes > LC_DISCOVERY_BYTES_MAX) {
        return lc_fail(diag, LC_ERR_LIMIT, 0, "deadline, birth, update or discovery");
    }
    return LC_OK;
}

static lc_err slots_init(lc_slots *slots, const lc_node_options *o, lc_arena *state)
{
    *slots = (lc_slots){0};
    const lc_slot fixed[LC_SLOT_LAST] = {
        [LC_SLOT_STATE] = {.topic = LC_TOPIC_STATE, .retain = true, .max = 16},
        [LC_SLOT_BIRTH] = {.topic = LC_TOPIC_BIRTH, .retain = true, .max = BIRTH_BYTES_MAX},
        [LC_SLOT_UPDATE] = {.topic = LC_TOPIC_UPDATE, .retain = true, .max = LC_PAYLOAD_SMALL_MAX},
        [LC_SLOT_DISCOVERY] = {.topic = LC_TOPIC_DISCOVERY,
                               .retain = true,
                               .optional = true,
                               .max = o->discovery.data ? LC_DISCOVERY_BYTES_MAX : 0},
        [LC_SLOT_GAP] = {.topic = LC_TOPIC_GAP, .max = LC_PAYLOAD_SMALL_MAX},
        [LC_SLOT_LOG] = {.topic = LC_TOPIC_LOG, .max = LC_PAYLOAD_SMALL_MAX},
        [LC_SLOT_HEALTH] = {.topic = LC_TOPIC_HEALTH,
                            .retain = true,
                            .max = LC_NODE_HEALTH_BYTES_MAX},
    };
    lc_err err = LC_OK;
    for (uint32_t i = 0; i < LC_SLOT_LAST && err == LC_OK; i++) {
        err = lc_slots_add(slots, fixed[i], state);
    }
    for (uint32_t i = 0; i < o->task_count && err == LC_OK; i++) {
        lc_slot last = {.topic = LC_TOPIC_LAST,
                        .task = (uint8_t)i,
                        .retain = true,
                        .every_ms = LC_NODE_LAST_MS,
                        .max = LC_MESSAGE_BYTES_MAX};
        err = lc_slots_add(slots, last, state);
    }
    return err;
}

static void switch_tell(lc_node *node, const char *what, const char *result, const char *cause,
                        lc_str by)
{
    const lc_audit_entry entry = {.kind = LC_AUDIT_SWITCH,
                                  .what = lc_str_from(what),
                                  .result = result,
                                  .cause = cause,
                                  .by = by};
    lc_audit_put(&node->audit, &entry);
}

/* With what stays the same as long as it runs. */
static void slot_fill(lc_node *node, uint32_t slot, lc_str text, bool wanted)
{
    bool fits = !wanted || lc_slot_set(lc_node_slot(node, slot), text.data, text.bytes);
    lc_assert(fits);
}

static void store_failed(lc_node *node, uint64_t now_ms)
{
    lc_say_put(&node->say, now_ms, LC_SAY_STORE_FAILED, 0, (lc_str){0});
}

/* Reads what earlier starts left. */
static void store_open(lc_node *node, uint64_t now_ms)
{
    const lc_node_options *o = &node->options;
    node->kept = o->port && o->link;
    if (node->kept && lc_outbox_open(&node->outbox, now_ms) != LC_OK) {
        node->kept = false;
        store_failed(node, now_ms);
    }
    if (lc_cost_open(&node->cost, now_ms, o->port) != LC_OK) {
        store_failed(node, now_ms);
    }
    if (lc_drift_open(&node->drift, o->drift, o->task_count, o->port) != LC_OK) {
        store_failed(node, now_ms);
    }
    const lc_esc_start asks = {o->port, &node->outbox.lane[LC_OUTBOX_CORRECTION].journal, o->boot,
                               o->seed};
    if (lc_escalate_open(&node->esc, now_ms, &asks) != LC_OK) {
        lc_say_put(&node->say, now_ms, LC_SAY_BUDGET_FAILED, 0, (lc_str){0});
    }
    if (node->kept && lc_escalate_failed(&node->esc)) {
        node->kept = false;
        store_failed(node, now_ms);
    }
}

static void node_start(lc_node *node, uint64_t now_ms)
{
    const lc_node_options *o = &node->options;
    node->start_ms = node->gap_ms = node->watchdog_ms = node->health_ms = now_ms;
    node->tq = lc_str_from("none");
    lc_link_init(&node->link, o->link, o->seed);
    memset(node->alarm, 0, sizeof *node->alarm * o->source_count * o->task_count);
    for (uint32_t i = 0; i < o->source_count; i++) {
        node->inbox.source[i].waits = o->source[i].waits;
    }
    slot_fill(node, LC_SLOT_STATE, lc_str_from(ONLINE), true);
    slot_fill(node, LC_SLOT_BIRTH, o->birth, o->birth.bytes > 0);
    slot_fill(node, LC_SLOT_UPDATE, o->update, o->update.bytes > 0);
    slot_fill(node, LC_SLOT_DISCOVERY, o->discovery, o->discovery.data != NULL);
    node->actor.audit = &node->audit;
    lc_pace_init(&node->pace);
    node->gap_kind = LC_OUTBOX_KINDS;
    store_open(node, now_ms);
    if (o->moved_in) {
        lc_say_put(&node->say, now_ms, LC_SAY_MOVED_IN, 0, (lc_str){0});
    }
    if (o->job.bytes > 0) {
        switch_tell(node, "job", "on", "start", o->job);
    }
}

lc_err lc_node_open(const lc_node_options *options, uint64_t now_ms, lc_arena *state,
                    lc_node **node_out, lc_diag *diag)
{
    lc_err err = options_check(options, diag);
    if (err != LC_OK) {
        return err;
    }
    lc_node *node = LC_PUSH(state, lc_node, 1);
    lc_node measured;
    if (!node) {
        return lc_fail(diag, LC_ERR_ARENA, 0, "no room for the node");
    }
    lc_node *laid = state->measuring ? &measured : node;
    *laid = (lc_node){.options = *options};
    laid->alarm = LC_PUSH(state, lc_str, options->source_count * options->task_count);
    err = laid->alarm
              ? lc_inbox_init(&laid->inbox, options->source_count, options->inbox_bytes, state)
              : LC_ERR_ARENA;
    if (err == LC_OK) {
        err = lc_outbox_init(&laid->outbox, options->outbox_bytes, options->window, options->batch,
                             state);
    }
    if (err == LC_OK) {
        const lc_outbox_disk disk = {options->port, options->journal_bytes, options->boot,
                                     options->e2e,  options->backlog_per_s, options->ask != NULL,
                                     options->task, options->task_count};
        err = lc_outbox_disk_init(&laid->outbox, &disk, state);
    }
    if (err == LC_OK && options->acts) {
        err = lc_actor_init(&laid->actor, options->acts, state, NULL);
    }
    if (err == LC_OK) {
        err = lc_escalate_init(&laid->esc, options->link ? options->ask : NULL, state);
    }
    if (err == LC_OK) {
        err = slots_init(&laid->slots, options, state);
    }
    if (err != LC_OK) {
        return lc_fail(diag, err, 0, "no room for the node's queues");
    }
    if (!state->measuring) {
        node_start(node, now_ms);
    }
    *node_out = node;
    return LC_OK;
}

/* ---- lines ---- */

lc_err lc_node_line(lc_node *node, uint64_t now_ms, uint32_t source, const char *text, size_t bytes)
{
    lc_err err = lc_inbox_put(&node->inbox, now_ms, source, text, bytes);
    if (err == LC_ERR_BUSY && !node->inbox.source[source].waits) {
        lc_say_put(&node->say, now_ms, LC_SAY_INBOX_FULL, node->inbox.source[source].lost.lines,
                   node->options.source[source].name);
    }
    return err;
}

void lc_node_put(lc_node *node, uint64_t now_ms, lc_outbox_kind kind, uint32_t task,
                 const char *json, uint32_t bytes)
{
    uint64_t dropped = lc_outbox_dropped(&node->outbox);
    const uint64_t number[LC_OUTBOX_KINDS] = {node->seq, node->event_number, node->corrections,
                                              node->audits};
    lc_err err = lc_outbox_put(&node->outbox, now_ms, kind, task, number[kind], json, bytes);
    lc_assert(err == LC_OK); /* what renders knows the limit */
    if (lc_outbox_dropped(&node->outbox) != dropped) {
        node->was_full = true;
        lc_say_put(&node->say, now_ms, LC_SAY_OUTBOX_FULL, lc_outbox_dropped(&node->outbox),
                   (lc_str){0});
    }
}

void lc_node_audit(lc_node *node, uint64_t now_ms)
{
    lc_audit_entry entry;
    lc_stamp stamp = lc_node_stamp(node, now_ms);
    while (lc_audit_next(&node->audit, now_ms, &entry)) {
        node->audits++;
        uint32_t bytes =
            lc_payload_audit(&stamp, node->audits, &entry, node->scratch, sizeof node->scratch);
        lc_assert(bytes > 0);
        if (node->options.link) {
            lc_node_put(node, now_ms, LC_OUTBOX_AUDIT, 0, node->scratch, bytes);
        }
    }
}

/* up/event when an alarm of this source and task begins, changes, or ends. */
static void alarm_follow(lc_node *node, uint64_t now_ms, const lc_node_record *record,
                         uint32_t source)
{
    lc_str *stands = &node->alarm[source * node->options.task_count + record->task];
    lc_str label = record->alarm ? record->label_name : (lc_str){0};
    if (record->decision != LC_ACCEPT || lc_str_equal(*stands, label)) {
        return;
    }
    lc_event event = {.seq = node->seq,
                      .number = ++node->event_number,
                      .source = node->options.source[source].name,
                      .task = node->options.task[record->task],
                      .alarm = record->alarm,
                      .label = record->label_name,
                      .was = *stands};
    *stands = label;
    lc_stamp stamp = lc_node_stamp(node, now_ms);
    uint32_t bytes = lc_payload_event(&stamp, &event, node->scratch, sizeof node->scratch);
    lc_assert(bytes > 0);
    node->events++;
    lc_node_put(node, now_ms, LC_OUTBOX_EVENT, record->task, node->scratch, bytes);
}

/* What a record says of the lines as a whole; told when that changes, with PSI in thousandths. */
static void drift_follow(lc_node *node, uint64_t now_ms, const lc_node_record *record)
{
    const lc_drift_record one = {.task = record->task,
                                 .label = record->label,
                                 .p = record->p,
                                 .outside = record->oos || record->decision == LC_REJECT,
                                 .escalated = record->decision == LC_ESCALATE};
    lc_drift_change change = lc_drift_put(&node->drift, &one);
    if (change != LC_DRIFT_SAME) {
        float psi = node->drift.task[record->task].last.psi;
        lc_say_put(&node->say, now_ms,
                   change == LC_DRIFT_BEGAN ? LC_SAY_DRIFTING : LC_SAY_DRIFT_OVER,
                   (uint64_t)(psi * 1000.0f + 0.5f), node->options.task[record->task]);
    }
}

static void record_take(lc_node *node, uint64_t now_ms, const lc_node_record *record,
                        uint32_t source)
{
    lc_assert(record->task < node->options.task_count && record->decision < 4);
    node->seq++;
    node->records++;
    node->decided[record->decision]++;
    lc_cost_record(&node->cost, record->stage);
    drift_follow(node, now_ms, record);
    lc_actor_answer(&node->actor, now_ms, node->seq, record->task,
                    record->decision == LC_ACCEPT ? record->label : -1);
    if (!node->options.link) {
        return;
    }
    lc_node_put(node, now_ms, LC_OUTBOX_RECORD, record->task, record->json, record->bytes);
    bool fits =
        lc_slot_set(lc_node_slot(node, LC_SLOT_LAST + record->task), record->json, record->bytes);
    lc_assert(fits);
    node->last_seq[record->task] = node->seq;
    if (record->ask.data) {
        const lc_question question = {.task = record->task,
                                      .seq = node->seq,
                                      .record = {record->json, record->bytes},
                                      .text = record->ask,
                                      .map = record->map,
                                      .now = record->decision == LC_ESCALATE};
        lc_escalate_ask(&node->esc, now_ms, &question);
    }
    alarm_follow(node, now_ms, record, source);
}

void lc_node_finish(lc_node *node, uint64_t now_ms, uint32_t ticket, const lc_node_record *record,
                    uint32_t count)
{
    lc_running *running = &node->running;
    if (ticket == 0 || ticket != running->ticket) {
        return;
    }
    lc_cost_line(&node->cost, count > 0 ? record[0].work_us : 0);
    for (uint32_t i = 0; i < count; i++) {
        record_take(node, now_ms, &record[i], running->source);
        lc_node_audit(node, now_ms);
    }
    if (running->cancelled) {
        node->deadlines++;
        lc_say_put(&node->say, now_ms, LC_SAY_DEADLINE, now_ms - running->arrived_ms,
                   node->options.source[running->source].name);
    }
    node->rest_until_ms = now_ms + lc_pace_rest(&node->pace, now_ms - running->started_ms);
    lc_times_put(&node->latency, (now_ms - running->arrived_ms) * 1000);
    lc_times_put(&node->inference, (now_ms - running->started_ms) * 1000);
    lc_inbox_drop(&node->inbox, running->source);
    node->stuck = false;
    *running = (lc_running){0};
}

/* ---- link ---- */

void lc_node_link_up(lc_node *node, uint64_t now_ms, uint32_t message_max)
{
    if (node->link.state != LC_LINK_TRYING) {
        return;
    }
    bool less = message_max > 0 && message_max < LC_MESSAGE_BYTES_MAX;
    node->outbox.message_max = less ? message_max : LC_MESSAGE_BYTES_MAX;
    lc_link_open(&node->link, now_ms);
    if (lc_node_slot(node, LC_SLOT_DISCOVERY)->refusals >= LC_SLOT_REFUSALS_MAX) {
        lc_say_put(&node->say, now_ms, LC_SAY_UNWELCOME, 0, (lc_str){0});
    }
    lc_slots_up(&node->slots);
    lc_escalate_link(&node->esc, now_ms, true);
    node->health_ms = now_ms;
    lc_say_put(&node->say, now_ms, LC_SAY_LINK_UP, lc_outbox_waiting(&node->outbox), (lc_str){0});
}

/* After a connection that lasted, the next outage is news. */
static void sayings_rearm(lc_node *node)
{
    static const lc_say_code codes[] = {LC_SAY_LINK_UP, LC_SAY_LINK_DOWN, LC_SAY_LINK_SILENT,
                                        LC_SAY_OUTBOX_FULL, LC_SAY_OUTBOX_SENT};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        lc_say_rearm(&node->say, codes[i]);
    }
    node->reasons_said = 0;
}

void lc_node_link_down(lc_node *node, uint64_t now_ms, lc_link_reason reason)
{
    if (node->link.state != LC_LINK_TRYING && node->link.state != LC_LINK_OPEN) {
        return;
    }
    if (lc_link_lasted(&node->link, now_ms)) {
        sayings_rearm(node);
    }
    reason = lc_link_reason_make(reason);
    if (!(node->reasons_said >> reason & 1u)) {
        node->reasons_said |= 1u << reason;
        lc_say_rearm(&node->say, LC_SAY_LINK_DOWN);
    }
    lc_link_down(&node->link, now_ms);
    lc_outbox_unsend(&node->outbox);
    lc_slots_down(&node->slots);
    lc_escalate_link(&node->esc, now_ms, false);
    lc_say_put(&node->say, now_ms, LC_SAY_LINK_DOWN, lc_outbox_waiting(&node->outbox),
               lc_str_from(lc_link_word(reason)));
}

/* The statement of a journal's loss arrived. */
static void gap_heard(lc_node *node)
{
    if (node->gap_kind < LC_OUTBOX_KINDS && lc_slot_idle(lc_node_slot(node, LC_SLOT_GAP))) {
        lc_journal_heard(&node->outbox.lane[node->gap_kind].journal, node->gap_boot,
                         node->gap_told);
        node->gap_kind = LC_OUTBOX_KINDS;
    }
}

void lc_node_ack(lc_node *node, uint64_t now_ms, uint32_t id, uint32_t reason)
{
    uint64_t dropped = lc_outbox_dropped(&node->outbox), unheard = node->outbox.unheard_total;
    bool ours = lc_outbox_ack(&node->outbox, now_ms, id, reason) ||
                lc_slots_ack(&node->slots, now_ms, id, reason) ||
                lc_escalate_ack(&node->esc, now_ms, id, reason);
    if (ours && reason == REASON_TOO_LARGE) {
        lc_say_put(&node->say, now_ms, LC_SAY_TOO_LARGE, lc_outbox_dropped(&node->outbox) - dropped,
                   (lc_str){0});
    } else if (ours && reason >= 0x80) {
        lc_say_put(&node->say, now_ms, LC_SAY_REFUSED, reason, (lc_str){0});
    }
    if (node->outbox.e2e && node->outbox.unheard_total != unheard) {
        lc_say_put(&node->say, now_ms, LC_SAY_UNHEARD, node->outbox.unheard_total, (lc_str){0});
    }
    gap_heard(node);
    if (ours && node->was_full && lc_outbox_waiting(&node->outbox) == 0) {
        node->was_full = false;
        lc_say_put(&node->say, now_ms, LC_SAY_OUTBOX_SENT, node->outbox.acked_total, (lc_str){0});
    }
}

void lc_node_collected(lc_node *node, uint64_t now_ms, const lc_collected *has)
{
    lc_outbox_collected(&node->outbox, now_ms, has);
}

/* ---- the rest ---- */

void lc_node_clock(lc_node *node, uint64_t now_ms, uint64_t wall_ms, lc_str quality)
{
    node->wall_offset_ms = wall_ms > now_ms ? wall_ms - now_ms : 0;
    node->tq = quality;
    lc_escalate_clock(&node->esc, now_ms, wall_ms);
    lc_node_cost(node, now_ms);
}

void lc_node_cost(lc_node *node, uint64_t now_ms)
{
    const lc_esc_counts *esc = &node->esc.counts;
    const lc_cost_totals totals = {.cpu_us = node->cpu_us,
                                   .asked = esc->asked,
                                   .calls = esc->asked + esc->retries,
                                   .bytes = esc->bytes,
                                   .tokens = esc->tokens,
                                   .money = node->esc.budget.money};
    lc_cost_clock(&node->cost, now_ms, lc_node_ts_ms(node, now_ms), &totals);
}

void lc_node_signs(lc_node *node, uint64_t now_ms, const lc_signs *signs)
{
    if (!lc_pace_look(&node->pace, now_ms, signs)) {
        return;
    }
    uint32_t level = node->pace.level;
    switch_tell(node, "pace", lc_pace_word(level), "board", lc_str_from(node->pace.why));
    lc_node_audit(node, now_ms);
    lc_say_put(&node->say, now_ms, level == LC_PACE_FULL ? LC_SAY_FULL_PACE : LC_SAY_SLOWER, level,
               lc_str_from(node->pace.why));
}

void lc_node_cpu(lc_node *node, uint64_t now_ms, uint64_t cpu_us)
{
    node->cpu_us = cpu_us > node->cpu_us ? cpu_us : node->cpu_us;
    lc_node_cost(node, now_ms);
}

void lc_node_announce(lc_node *node, uint64_t now_ms)
{
    uint64_t spread = (node->options.seed ^ now_ms) * 0x9E3779B97F4A7C15u >> 32;
    lc_slot_again(lc_node_slot(node, LC_SLOT_DISCOVERY), now_ms + spread % LC_NODE_ANNOUNCE_MS);
}

void lc_node_worker(lc_node *node, uint64_t now_ms, const lc_esc_worker *worker)
{
    lc_escalate_worker(&node->esc, now_ms, worker);
}

void lc_node_answer(lc_node *node, uint64_t now_ms, const lc_esc_answer *answer)
{
    if (answer) {
        lc_escalate_answer(&node->esc, now_ms, answer);
    } else {
        lc_escalate_malformed(&node->esc);
    }
}

/* The audit's runs of the node itself come after those of the actor. */
enum { RUN_ACCEPTED = LC_ACTOR_RUNS, RUN_REFUSED, RUN_END };

_Static_assert(RUN_END <= LC_AUDIT_RUNS, "a run for each");

/* What is from outside is cut to what the audit keeps. */
static lc_str cut(lc_str text)
{
    return (lc_str){text.data, text.bytes < LC_AUDIT_WORD_MAX ? text.bytes : LC_AUDIT_WORD_MAX};
}

static void command_tell(lc_node *node, uint64_t now_ms, lc_str name, lc_str id, bool known)
{
    const lc_audit_entry entry = {.kind = LC_AUDIT_COMMAND,
                                  .what = cut(name),
                                  .result = known ? "accepted" : "refused",
                                  .cause = "command",
                                  .by = lc_str_from("dn/cmd"),
                                  .id = cut(id)};
    lc_audit_again(&node->audit, now_ms, known ? RUN_ACCEPTED : RUN_REFUSED, &entry);
    lc_node_audit(node, now_ms);
}

void lc_node_command(lc_node *node, uint64_t now_ms, lc_str name, lc_str id)
{
    bool known = lc_str_equal(name, lc_str_from("report"));
    node->commands++;
    command_tell(node, now_ms, name, id, known);
    if (known) {
        node->health_ms = now_ms;
        lc_say_put(&node->say, now_ms, LC_SAY_COMMAND, 0, lc_str_from("report"));
    } else {
        lc_say_put(&node->say, now_ms, LC_SAY_COMMAND_UNKNOWN, name.bytes, (lc_str){0});
    }
}

void lc_node_acknowledge(lc_node *node, uint64_t now_ms, lc_str by)
{
    const lc_actor_why why = {"input", by};
    switch_tell(node, "acknowledge", "done", why.cause, by);
    lc_actor_acknowledge(&node->actor, now_ms, &why);
    lc_node_audit(node, now_ms);
    lc_say_put(&node->say, now_ms, LC_SAY_ACKNOWLEDGED, 0, (lc_str){0});
}

void lc_node_unmoved(lc_node *node, uint64_t now_ms, uint32_t output)
{
    lc_actor_unmoved(&node->actor, now_ms, output);
}

void lc_node_pause(lc_node *node, uint64_t now_ms, bool paused, lc_str by)
{
    if (paused != node->actor.paused) {
        switch_tell(node, "maintenance", paused ? "on" : "off", "input", by);
        lc_actor_pause(&node->actor, now_ms, paused, by);
        lc_node_audit(node, now_ms);
        lc_say_put(&node->say, now_ms, paused ? LC_SAY_PAUSED : LC_SAY_RESUMED, 0, (lc_str){0});
    }
}

void lc_node_health(lc_node *node, uint64_t now_ms, const char *json, uint32_t bytes)
{
    node->health_asked = false;
    node->health_ms = now_ms + LC_NODE_HEALTH_MS;
    bool fits = bytes > 0 && lc_slot_set(lc_node_slot(node, LC_SLOT_HEALTH), json, bytes);
    lc_assert(fits);
    lc_times_clear(&node->latency);
    lc_times_clear(&node->inference);
    lc_times_clear(&node->esc.times);
}

void lc_node_stop(lc_node *node, uint64_t now_ms, uint32_t flush_ms)
{
    uint64_t until = flush_ms == UINT32_MAX ? UINT64_MAX : now_ms + flush_ms;
    if (node->stop == LC_STOP_NO) {
        switch_tell(node, "job", "off", "stop", (lc_str){"", 0});
        lc_audit_end(&node->audit);
        lc_node_audit(node, now_ms);
        node->stop = LC_STOP_FLUSH;
        node->stop_ms = until;
        lc_say_put(&node->say, now_ms, LC_SAY_STOPPING, lc_outbox_waiting(&node->outbox),
                   (lc_str){0});
    } else if (until < node->stop_ms) {
        node->stop_ms = until;
    }
}

/* ---- looking in ---- */

lc_stamp lc_node_stamp(const lc_node *node, uint64_t now_ms)
{
    return (lc_stamp){.dev = node->options.dev,
                      .boot = node->options.boot,
                      .ts_ms = lc_node_ts_ms(node, now_ms),
                      .up_ms = now_ms - node->start_ms,
                      .tq = node->tq};
}

uint64_t lc_node_ts_ms(const lc_node *node, uint64_t now_ms)
{
    return node->wall_offset_ms > 0 ? now_ms + node->wall_offset_ms : 0;
}

lc_str lc_node_tq(const lc_node *node)
{
    return node->tq;
}

const lc_times *lc_node_latency(const lc_node *node)
{
    return &node->latency;
}

const lc_times *lc_node_inference(const lc_node *node)
{
    return &node->inference;
}

uint32_t lc_node_flying(const lc_node *node, uint64_t *oldest_ms)
{
    uint64_t slots_ms, asked_ms;
    uint32_t flying = lc_outbox_flying(&node->outbox, oldest_ms);
    flying += lc_slots_flying(&node->slots, &slots_ms);
    flying += lc_escalate_flying(&node->esc, &asked_ms);
    *oldest_ms = slots_ms < *oldest_ms ? slots_ms : *oldest_ms;
    *oldest_ms = asked_ms < *oldest_ms ? asked_ms : *oldest_ms;
    return flying;
}

bool lc_node_has_loss(const lc_node *node)
{
    bool has = false;
    for (uint32_t kind = 0; kind < LC_OUTBOX_KINDS; kind++) {
        has = has || lc_journal_has_loss(&node->outbox.lane[kind].journal);
    }
    return has;
}

bool lc_node_busy(const lc_node *node)
{
    bool busy = node->running.ticket != 0 || lc_escalate_owing(&node->esc) > 0 ||
                lc_outbox_waiting(&node->outbox) > 0 ||
                node->outbox.gap.count + node->outbox.gap.events > 0 || lc_node_has_loss(node);
    for (uint32_t i = 0; i < node->inbox.count; i++) {
        const lc_inbox_source *source = &node->inbox.source[i];
        busy = busy || source->ring.count > 0 || source->paused || source->lost.lines > 0;
    }
    for (uint32_t i = 0; i < node->slots.count; i++) {
        busy = busy || !lc_slot_idle(&node->slots.slot[i]);
    }
    return busy;
}
