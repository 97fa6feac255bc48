/* escalate.c - slots of questions: to send, sent, asked, ended; the others wait (questions.h). */
#include "escalate.h"

#include <string.h>

#include "bits.h"
#include "escalate_parts.h"

#define REASON_UNHEARD 0x10u
#define REASON_REFUSED 0x80u
#define TRIES_MAX 2u
#define KEPT_AGAIN_MS 60000u                     /* a budget comes back by the hour */
#define KEPT_SLOTS (LC_ESC_SLOTS - LC_TASKS_MAX) /* the rest is for lines of now */

_Static_assert(LC_ESC_SLOTS >= 2 * LC_TASKS_MAX, "a line of every task finds room");

/* ---- laying out ---- */

lc_err lc_escalate_init(lc_escalate *esc, const lc_esc_options *options, lc_arena *state)
{
    lc_escalate unused;
    esc = state->measuring ? &unused : esc;
    *esc = (lc_escalate){.on = options != NULL};
    if (esc->on && !state->measuring) { /* while measuring, the job cannot be asked yet */
        esc->on = options->policy->escalates;
    }
    if (!esc->on) {
        return LC_OK;
    }
    lc_assert(options->task_count <= LC_TASKS_MAX);
    esc->options = *options;
    esc->slot = LC_PUSH(state, lc_esc_slot, LC_ESC_SLOTS);
    char *text = lc_arena_push(state, (size_t)LC_ESC_SLOTS * LC_LINE_BYTES_MAX);
    char *record = lc_arena_push(state, (size_t)LC_ESC_SLOTS * LC_RECORD_BYTES_MAX);
    esc->out = lc_arena_push(state, LC_MESSAGE_BYTES_MAX);
    if (!esc->slot || !text || !record || !esc->out ||
        lc_questions_init(&esc->questions, state) != LC_OK) {
        return LC_ERR_ARENA;
    }
    for (uint32_t i = 0; i < LC_ESC_SLOTS && !state->measuring; i++) {
        esc->slot[i] = (lc_esc_slot){.text = text + (size_t)i * LC_LINE_BYTES_MAX,
                                     .record = record + (size_t)i * LC_RECORD_BYTES_MAX};
    }
    return LC_OK;
}

static uint32_t names_hash(uint32_t hash, const lc_str *name, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        hash = lc_crc32c(hash, name[i].data, name[i].bytes);
        hash = lc_crc32c(hash, "", 1);
    }
    return lc_crc32c(hash, "|", 1);
}

lc_err lc_escalate_open(lc_escalate *esc, uint64_t now_ms, const lc_esc_start *start)
{
    const lc_policy *policy = esc->options.policy;
    esc->random = start->seed;
    esc->boot = start->boot;
    esc->ready_at_ms = UINT64_MAX;
    if (!esc->on) {
        return LC_OK;
    }
    esc->rules = names_hash(0, policy->never, policy->never_count);
    esc->rules = names_hash(esc->rules, policy->redact, policy->redact_count);
    lc_err err = lc_budget_open(&esc->budget, now_ms, start->port, policy->calls_per_day,
                                (double)policy->money_per_day);
    (void)!lc_questions_open(&esc->questions, now_ms, start->port, start->corrections);
    return err;
}

bool lc_escalate_failed(const lc_escalate *esc)
{
    return esc->on && lc_questions_failed(&esc->questions);
}

void lc_escalate_close(lc_escalate *esc, uint64_t now_ms)
{
    if (esc->on) {
        lc_questions_close(&esc->questions, now_ms);
    }
}

void lc_escalate_clock(lc_escalate *esc, uint64_t now_ms, uint64_t wall_ms)
{
    lc_budget_clock(&esc->budget, now_ms, wall_ms);
    lc_questions_clock(&esc->questions, now_ms, wall_ms);
}

/* ---- guards ---- */

static bool worker_there(lc_escalate *esc, uint64_t now_ms)
{
    if (!esc->ready && now_ms >= esc->ready_at_ms) { /* it fell silent: one more try */
        esc->ready = esc->worker.ready;
        esc->ready_at_ms = UINT64_MAX;
        esc->silent = LC_ESC_SILENT_MAX - 1;
    }
    return esc->ready;
}

static void worker_gone(lc_escalate *esc, uint64_t now_ms)
{
    esc->ready = false;
    esc->ready_at_ms = now_ms + LC_ESC_GONE_MS;
}

/* Budget, connection, worker, in this order; NULL: a question may leave. */
static const char *guard(lc_escalate *esc, uint64_t now_ms)
{
    return !lc_budget_allows(&esc->budget, now_ms, esc->worker.price) ? "upstream:budget"
           : !esc->up                                                 ? "upstream:offline"
           : !worker_there(esc, now_ms)                               ? "upstream:nobody"
                                                                      : NULL;
}

static bool is_free(const lc_esc_slot *slot)
{
    return slot->state == LC_ESC_FREE || slot->state == LC_ESC_OVER;
}

static uint32_t slots_used(const lc_escalate *esc)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < LC_ESC_SLOTS; i++) {
        used += !is_free(&esc->slot[i]);
    }
    return used;
}

bool lc_escalate_could(lc_escalate *esc, uint64_t now_ms)
{
    return esc->on && slots_used(esc) + esc->options.task_count <= LC_ESC_SLOTS &&
           guard(esc, now_ms) == NULL;
}

float lc_escalate_bar(const lc_escalate *esc)
{
    uint32_t q = esc->worker.queue;
    if (!esc->ready || q <= LC_ESC_QUEUE_LOW) {
        return 0;
    }
    q = q < LC_ESC_QUEUE_HIGH ? q : LC_ESC_QUEUE_HIGH;
    return LC_ESC_BAR_MAX * (float)(q - LC_ESC_QUEUE_LOW) /
           (float)(LC_ESC_QUEUE_HIGH - LC_ESC_QUEUE_LOW);
}

/* ---- ids ---- */

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void id_make(lc_escalate *esc, uint8_t id[LC_ESC_ID_BYTES])
{
    for (uint32_t i = 0; i < LC_ESC_ID_BYTES; i += 8) {
        lc_put_u64(id + i, random_next(&esc->random));
    }
}

/* ---- questions ---- */

/* A free one, else the one that is over for the longest time. */
static lc_esc_slot *slot_take(lc_escalate *esc)
{
    lc_esc_slot *best = NULL;
    for (uint32_t i = 0; i < LC_ESC_SLOTS; i++) {
        lc_esc_slot *slot = &esc->slot[i];
        if (slot->state == LC_ESC_FREE) {
            return slot;
        }
        if (slot->state == LC_ESC_OVER && (!best || slot->deadline_ms < best->deadline_ms)) {
            best = slot;
        }
    }
    return best;
}

static lc_esc_slot *slot_fill(lc_escalate *esc, const lc_kept *kept, uint32_t task, uint64_t now_ms)
{
    lc_esc_slot *slot = slot_take(esc);
    lc_assert(slot); /* lc_escalate_could left room for each task, KEPT_SLOTS for the others */
    *slot = (lc_esc_slot){.state = LC_ESC_TO_SEND,
                          .task = (uint8_t)task,
                          .owes = kept->owes,
                          .tries = kept->tries,
                          .rev = 1,
                          .ordinal = kept->ordinal,
                          .seq = kept->seq,
                          .boot = kept->boot,
                          .made = kept->made,
                          .asked_ms = now_ms,
                          .deadline_ms = now_ms + esc->options.policy->deadline_ms,
                          .label = -1,
                          .map = *kept->map,
                          .text_bytes = kept->text.bytes,
                          .record_bytes = kept->record.bytes,
                          .text = slot->text,
                          .record = slot->record};
    memcpy(slot->text, kept->text.data, kept->text.bytes);
    memcpy(slot->record, kept->record.data, kept->record.bytes);
    memcpy(slot->id, kept->id, LC_ESC_ID_BYTES);
    return slot;
}

/* Ends without an answer: a correction if the record owes one. `over`: a late answer still counts.
 */
static void slot_end(lc_escalate *esc, lc_esc_slot *slot, uint64_t now_ms, const char *why,
                     bool over)
{
    slot->why = why;
    slot->label = -1;
    slot->state = slot->owes ? LC_ESC_ENDED : over ? LC_ESC_OVER : LC_ESC_FREE;
    if (!slot->owes) {
        lc_questions_end(&esc->questions, now_ms, slot->ordinal, false);
    }
}

static bool expired(lc_escalate *esc, uint64_t made, uint64_t now_ms)
{
    return lc_questions_now(&esc->questions, now_ms) >=
           made + (uint64_t)esc->options.policy->ttl_s * 1000u;
}

void lc_escalate_ask(lc_escalate *esc, uint64_t now_ms, const lc_question *q)
{
    lc_assert(!esc->on || q->task < esc->options.task_count);
    if (!esc->on || q->text.bytes > LC_LINE_BYTES_MAX || q->record.bytes > LC_RECORD_BYTES_MAX) {
        return;
    }
    lc_kept kept = {.made = lc_questions_now(&esc->questions, now_ms),
                    .seq = q->seq,
                    .boot = esc->boot,
                    .rules = esc->rules,
                    .owes = q->now,
                    .task = esc->options.task[q->task]->name,
                    .text = q->text,
                    .record = q->record,
                    .map = q->map};
    id_make(esc, kept.id);
    lc_questions_put(&esc->questions, now_ms, &kept, !q->now);
    esc->counts.kept += !q->now;
    if (q->now) {
        (void)slot_fill(esc, &kept, q->task, now_ms);
    }
}

/* ---- lines of the past ---- */

/* At most half of the budget: the rest is for lines of now. */
static bool kept_may(lc_escalate *esc, uint64_t now_ms)
{
    uint64_t calls, money;
    lc_budget_spent(&esc->budget, now_ms, &calls, &money);
    return calls < (esc->budget.calls_max + 1) / 2;
}

static bool task_find(const lc_escalate *esc, lc_str name, uint32_t *task)
{
    for (*task = 0; *task < esc->options.task_count; (*task)++) {
        if (lc_str_equal(esc->options.task[*task]->name, name)) {
            return true;
        }
    }
    return false;
}

/* Why one that waited is not asked any more; NULL: it may be. */
static const char *kept_refuse(lc_escalate *esc, const lc_kept *kept, uint64_t now_ms)
{
    return kept->rules != esc->rules          ? "privacy" /* another job lets less leave, perhaps */
           : expired(esc, kept->made, now_ms) ? "upstream:expired"
                                              : NULL;
}

/* The oldest line that waits becomes a question; those that nobody needs any more end. */
static void kept_ask(lc_escalate *esc, uint64_t now_ms)
{
    lc_kept kept;
    uint32_t task;
    if (slots_used(esc) >= KEPT_SLOTS || now_ms < esc->kept_ms || esc->questions.waiting == 0) {
        return;
    }
    if (guard(esc, now_ms) || !kept_may(esc, now_ms)) {
        esc->kept_ms = now_ms + KEPT_AGAIN_MS;
        return;
    }
    while (slots_used(esc) < KEPT_SLOTS && lc_questions_next(&esc->questions, &kept)) {
        const char *why = kept_refuse(esc, &kept, now_ms);
        if (!task_find(esc, kept.task, &task)) {
            lc_questions_end(&esc->questions, now_ms, kept.ordinal, false);
            continue;
        }
        lc_esc_slot *slot = slot_fill(esc, &kept, task, now_ms);
        if (!why) {
            return;
        }
        esc->counts.kept_expired += strcmp(why, "upstream:expired") == 0;
        slot_end(esc, slot, now_ms, why, kept.tries > 0);
    }
}

/* It was not asked after all, or not once more: back to those that wait, unless its record owes an
 * end. unheard: its last request reached nobody. */
static void slot_return(lc_escalate *esc, lc_esc_slot *slot, uint64_t now_ms, const char *why,
                        bool unheard)
{
    if (slot->owes) {
        slot_end(esc, slot, now_ms, why, false);
    } else {
        lc_questions_back(&esc->questions, now_ms, slot->ordinal, unheard);
        slot->state = LC_ESC_FREE;
    }
}

/* ---- link and worker ---- */

void lc_escalate_link(lc_escalate *esc, uint64_t now_ms, bool up)
{
    esc->up = up;
    esc->kept_ms = now_ms;
    for (uint32_t i = 0; i < LC_ESC_SLOTS && esc->on && !up; i++) {
        lc_esc_slot *slot = &esc->slot[i];
        if (slot->state == LC_ESC_TO_SEND && !(slot->left && slot->owes)) {
            slot_return(esc, slot, now_ms, "upstream:offline", false);
        } else if (slot->state == LC_ESC_SENT) { /* it may have arrived */
            slot->state = LC_ESC_ASKED;
        }
    }
    if (!up) { /* what a worker says is retained: it comes again */
        esc->ready = false;
        esc->ready_at_ms = UINT64_MAX;
    }
}

void lc_escalate_worker(lc_escalate *esc, uint64_t now_ms, const lc_esc_worker *worker)
{
    esc->kept_ms = now_ms;
    esc->worker = worker ? *worker : (lc_esc_worker){0};
    esc->ready = esc->worker.ready;
    esc->ready_at_ms = UINT64_MAX;
    esc->silent = 0;
}

/* ---- sending ---- */

static bool is_before(const lc_esc_slot *a, const lc_esc_slot *b)
{
    return a->asked_ms != b->asked_ms ? a->asked_ms < b->asked_ms : a->ordinal < b->ordinal;
}

/* The oldest that is to be sent. */
static lc_esc_slot *send_next(lc_escalate *esc)
{
    lc_esc_slot *best = NULL;
    for (uint32_t i = 0; i < LC_ESC_SLOTS; i++) {
        lc_esc_slot *slot = &esc->slot[i];
        if (slot->state == LC_ESC_TO_SEND && (!best || is_before(slot, best))) {
            best = slot;
        }
    }
    return best;
}

static void question_refuse(lc_escalate *esc, lc_esc_slot *slot, uint64_t now_ms, const char *why)
{
    esc->counts.budget += strcmp(why, "upstream:budget") == 0;
    if (!slot->left) {
        slot_return(esc, slot, now_ms, why, false);
    } else { /* no second try: what was asked may still be answered */
        slot->state = LC_ESC_ASKED;
        slot->tries = TRIES_MAX;
    }
}

static bool question_send(lc_escalate *esc, lc_esc_slot *slot, uint64_t now_ms, uint64_t wall_ms,
                          uint32_t *bytes)
{
    uint64_t left = slot->deadline_ms > now_ms ? slot->deadline_ms - now_ms : 0;
    const char *why = guard(esc, now_ms);
    if (expired(esc, slot->made, now_ms)) { /* its second try, too */
        esc->counts.kept_expired++;
        slot_end(esc, slot, now_ms, "upstream:expired", slot->tries > 0);
        return false;
    }
    *bytes = why ? 0 : lc_escalate_render(esc, slot, wall_ms > 0 ? wall_ms + left : 0);
    if (!why && *bytes == 0) {
        slot_end(esc, slot, now_ms, "upstream:size", false);
        return false;
    }
    if (!why) {
        lc_questions_asked(&esc->questions, now_ms, slot->ordinal);
    }
    if (!why && !lc_budget_take(&esc->budget, now_ms, esc->worker.price)) {
        why = "upstream:budget";
    }
    if (why) {
        question_refuse(esc, slot, now_ms, why);
        return false;
    }
    return true;
}

const lc_esc_slot *lc_escalate_send(lc_escalate *esc, uint64_t now_ms, uint64_t wall_ms,
                                    uint32_t id, lc_str *payload)
{
    uint32_t bytes = 0;
    if (!esc->on) {
        return NULL;
    }
    kept_ask(esc, now_ms);
    lc_esc_slot *slot = send_next(esc);
    while (slot && !question_send(esc, slot, now_ms, wall_ms, &bytes)) {
        slot = send_next(esc);
    }
    if (!slot) {
        return NULL;
    }
    slot->state = LC_ESC_SENT;
    slot->message = id;
    slot->sent_ms = now_ms;
    slot->taken += esc->worker.price;
    esc->counts.asked += slot->tries == 0;
    esc->counts.retries += slot->tries > 0;
    esc->counts.bytes += bytes;
    slot->tries++;
    slot->left = true;
    *payload = (lc_str){esc->out, bytes};
    return slot;
}

bool lc_escalate_ack(lc_escalate *esc, uint64_t now_ms, uint32_t id, uint32_t reason)
{
    for (uint32_t i = 0; i < LC_ESC_SLOTS && esc->on; i++) {
        lc_esc_slot *slot = &esc->slot[i];
        if (slot->state == LC_ESC_FREE || slot->message != id) {
            continue;
        }
        slot->message = 0;
        if (slot->state != LC_ESC_SENT) {
            return true; /* the answer was faster, or its time is over */
        }
        slot->state = LC_ESC_ASKED;
        if (reason == REASON_UNHEARD) {
            esc->counts.nobody++;
            worker_gone(esc, now_ms);
            slot_return(esc, slot, now_ms, "upstream:nobody", true);
        } else if (reason >= REASON_REFUSED) {
            esc->counts.refused++;
            slot_end(esc, slot, now_ms, "upstream:refused", false);
        }
        return true;
    }
    return false;
}

uint32_t lc_escalate_flying(const lc_escalate *esc, uint64_t *oldest_ms)
{
    uint32_t flying = 0;
    *oldest_ms = UINT64_MAX;
    for (uint32_t i = 0; i < LC_ESC_SLOTS && esc->on; i++) {
        const lc_esc_slot *slot = &esc->slot[i];
        if (slot->state == LC_ESC_SENT) {
            flying++;
            *oldest_ms = slot->sent_ms < *oldest_ms ? slot->sent_ms : *oldest_ms;
        }
    }
    return flying;
}

/* ---- answers ---- */

static int32_t label_find(const lc_task *task, lc_str label)
{
    for (uint32_t i = 0; i < task->label_count; i++) {
        if (lc_str_equal(task->label[i].name, label)) {
            return (int32_t)i;
        }
    }
    return -1;
}

static bool evidence_holds(const lc_esc_slot *slot, const lc_esc_answer *a)
{
    for (uint32_t i = 0; i < a->span_count; i++) {
        const lc_esc_span *s = &a->span[i];
        if (s->from > s->to || s->to > slot->text_bytes) {
            return false;
        }
        lc_str there = {slot->text + s->from, s->to - s->from};
        if (s->quote.data && !lc_str_equal(s->quote, there)) {
            return false;
        }
    }
    return true;
}

static void answer_take(lc_esc_slot *slot, const lc_esc_answer *a, int32_t label)
{
    slot->label = label;
    slot->p = a->p;
    slot->why = "upstream";
    slot->span_count = a->span_count;
    for (uint32_t i = 0; i < a->span_count; i++) {
        slot->span[2 * i] = a->span[i].from;
        slot->span[2 * i + 1] = a->span[i].to;
        lc_redact_back(&slot->map, &slot->span[2 * i], &slot->span[2 * i + 1]);
    }
    slot->state = LC_ESC_ENDED;
}

static lc_esc_slot *slot_of(lc_escalate *esc, const uint8_t id[LC_ESC_ID_BYTES])
{
    for (uint32_t i = 0; i < LC_ESC_SLOTS && esc->on; i++) {
        lc_esc_slot *slot = &esc->slot[i];
        bool open = slot->state == LC_ESC_SENT || slot->state == LC_ESC_ASKED ||
                    slot->state == LC_ESC_OVER || (slot->state == LC_ESC_TO_SEND && slot->tries);
        if (open && memcmp(slot->id, id, LC_ESC_ID_BYTES) == 0) {
            return slot;
        }
    }
    return NULL;
}

void lc_escalate_malformed(lc_escalate *esc)
{
    esc->counts.malformed++;
}

void lc_escalate_answer(lc_escalate *esc, uint64_t now_ms, const lc_esc_answer *a)
{
    lc_esc_slot *slot = slot_of(esc, a->id);
    if (!slot) {
        esc->counts.stray++;
        return;
    }
    bool late = slot->state == LC_ESC_OVER;
    lc_budget_charge(&esc->budget, now_ms, a->cost > slot->taken ? a->cost - slot->taken : 0);
    slot->taken = a->cost > slot->taken ? a->cost : slot->taken;
    esc->counts.tokens += a->tokens;
    esc->silent = 0;
    int32_t label = label_find(esc->options.task[slot->task], a->label);
    bool good =
        a->status == LC_ESC_OK && label >= 0 && a->p >= 0 && a->p <= 1 && evidence_holds(slot, a);
    if (good) {
        esc->counts.answered++;
        esc->counts.late += late;
        lc_times_put(&esc->times, (now_ms - slot->asked_ms) * 1000);
        answer_take(slot, a, label);
        return;
    }
    esc->counts.invalid += a->status == LC_ESC_OK;
    esc->counts.refused += a->status != LC_ESC_OK;
    slot_end(esc, slot, now_ms, a->status == LC_ESC_OK ? "upstream:invalid" : "upstream:refused",
             false);
}

/* ---- time ---- */

static void deadline_pass(lc_escalate *esc, lc_esc_slot *slot, uint64_t now_ms)
{
    bool again = slot->tries < TRIES_MAX;
    if (!slot->left || (again && !slot->owes && !esc->up)) { /* later, when there is a link */
        const char *why = guard(esc, now_ms);
        slot_return(esc, slot, now_ms, why ? why : "upstream:timeout", false);
        return;
    }
    if (again && slot->state != LC_ESC_TO_SEND) {
        slot->state = LC_ESC_TO_SEND; /* once more, the same id */
        slot->deadline_ms = now_ms + esc->options.policy->deadline_ms;
        return;
    }
    esc->counts.timeouts++;
    if (esc->up && ++esc->silent >= LC_ESC_SILENT_MAX) {
        worker_gone(esc, now_ms);
    }
    slot_end(esc, slot, now_ms, "upstream:timeout", true);
}

static void deadlines_watch(lc_escalate *esc, uint64_t now_ms)
{
    for (uint32_t i = 0; i < LC_ESC_SLOTS && esc->on; i++) {
        lc_esc_slot *slot = &esc->slot[i];
        bool open = !is_free(slot) && slot->state != LC_ESC_ENDED;
        if (open && now_ms >= slot->deadline_ms) {
            deadline_pass(esc, slot, now_ms);
        }
        if (slot->state == LC_ESC_OVER && expired(esc, slot->made, now_ms)) {
            slot->state = LC_ESC_FREE;
        }
    }
}

bool lc_escalate_correct(lc_escalate *esc, uint64_t now_ms, uint64_t number, lc_corrected *out)
{
    if (esc->on) {
        lc_questions_end(&esc->questions, now_ms, esc->ending, true);
        esc->ending = 0;
    }
    deadlines_watch(esc, now_ms);
    for (uint32_t i = 0; i < LC_ESC_SLOTS && esc->on; i++) {
        lc_esc_slot *slot = &esc->slot[i];
        if (slot->state != LC_ESC_ENDED) {
            continue;
        }
        lc_correction c = {.rev = ++slot->rev,
                           .boot = esc->boot,
                           .number = number,
                           .why = lc_str_from(slot->why),
                           .p = slot->p,
                           .span = slot->span,
                           .span_count = slot->span_count};
        if (slot->label >= 0) {
            c.label = esc->options.task[slot->task]->label[slot->label].name;
        }
        *out = (lc_corrected){.task = slot->task, .boot = slot->boot, .seq = slot->seq};
        out->json = (lc_str){esc->out, lc_correct((lc_str){slot->record, slot->record_bytes}, &c,
                                                  esc->out, LC_MESSAGE_BYTES_MAX)};
        bool over = slot->label < 0 && strcmp(slot->why, "upstream:timeout") == 0;
        slot->state = over ? LC_ESC_OVER : LC_ESC_FREE;
        slot->owes = false;
        esc->ending = slot->ordinal;
        slot->ordinal = 0;
        lc_assert(out->json.bytes > 0);
        return true;
    }
    return false;
}

void lc_escalate_tick(lc_escalate *esc, uint64_t now_ms)
{
    if (esc->on) {
        lc_questions_tick(&esc->questions, now_ms);
    }
}

uint32_t lc_escalate_owing(const lc_escalate *esc)
{
    uint32_t owing = 0;
    for (uint32_t i = 0; i < LC_ESC_SLOTS && esc->on; i++) {
        owing += !is_free(&esc->slot[i]) && (esc->slot[i].owes || esc->slot[i].label >= 0);
    }
    return owing;
}

uint64_t lc_escalate_wake_ms(const lc_escalate *esc, uint64_t now_ms)
{
    uint64_t wake = UINT64_MAX;
    bool room = esc->on && slots_used(esc) < KEPT_SLOTS;
    for (uint32_t i = 0; i < LC_ESC_SLOTS && esc->on; i++) {
        const lc_esc_slot *slot = &esc->slot[i];
        if (!is_free(slot)) {
            uint64_t at = slot->state == LC_ESC_ENDED ? now_ms : slot->deadline_ms;
            wake = at < wake ? at : wake;
        }
    }
    if (room && esc->questions.waiting > 0 && esc->up) {
        wake = esc->kept_ms < wake ? esc->kept_ms : wake;
    }
    uint64_t disk = esc->on ? lc_questions_wake_ms(&esc->questions) : UINT64_MAX;
    return disk < wake ? disk : wake;
}

void lc_escalate_look(lc_escalate *esc, uint64_t now_ms, lc_esc_counts *counts)
{
    lc_esc_counts *c = &esc->counts;
    if (esc->on) {
        lc_budget_spent(&esc->budget, now_ms, &c->calls_day, &c->money_day);
        c->open = slots_used(esc);
    }
    c->calls_max = esc->budget.calls_max;
    c->money = esc->budget.money;
    c->waiting = esc->questions.waiting;
    c->kept_dropped = esc->questions.dropped;
    c->queue = esc->worker.queue;
    c->worker = esc->ready;
    c->bar = lc_escalate_bar(esc);
    *counts = *c;
}
