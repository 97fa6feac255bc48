/* escalate_request.c - what leaves: the request as JSON. */
#include "../../runtime/record.h"
#include "escalate.h"
#include "escalate_parts.h"

#define ANSWER_TOKENS 64u

/* Numbers of the text that leaves, so that none of what was taken out comes back by them. */
static void facts_put(lc_text *t, lc_escalate *esc, const lc_esc_slot *slot)
{
    bool first = true;
    lc_facts_find(slot->text, slot->text_bytes, &esc->facts);
    lc_text_add(t, ",\"facts\":[");
    for (uint32_t i = 0; i < esc->facts.count; i++) {
        if (esc->facts.fact[i].is_number) {
            lc_text_add(t, first ? "" : ",");
            lc_record_fact(t, &esc->facts.fact[i]);
            first = false;
        }
    }
    lc_text_add(t, "]");
}

static void labels_put(lc_text *t, const lc_task *task)
{
    lc_text_add(t, ",\"labels\":[");
    for (uint32_t i = 0; i < task->label_count; i++) {
        lc_text_add(t, i > 0 ? "," : "");
        lc_text_json(t, task->label[i].name);
    }
    lc_text_add(t, "]");
}

uint32_t lc_escalate_render(lc_escalate *esc, const lc_esc_slot *slot, uint64_t deadline_ms)
{
    const lc_task *task = esc->options.task[slot->task];
    lc_text t = lc_text_make(esc->out, LC_MESSAGE_BYTES_MAX);
    lc_text_add(&t, "{\"v\":1,\"id\":\"");
    lc_text_hex(&t, slot->id, LC_ESC_ID_BYTES);
    lc_text_add(&t, "\",\"dl\":");
    lc_text_u64(&t, deadline_ms);
    lc_text_add(&t, ",\"try\":");
    lc_text_u64(&t, slot->tries + 1u);
    lc_text_add(&t, ",\"rsp\":");
    lc_text_json(&t, esc->options.reply);
    lc_text_add(&t, ",\"job\":");
    lc_text_json(&t, esc->options.job);
    lc_text_add(&t, ",\"task\":");
    lc_text_json(&t, task->name);
    lc_text_add(&t, ",\"text\":");
    lc_text_json(&t, (lc_str){slot->text, slot->text_bytes});
    labels_put(&t, task);
    facts_put(&t, esc, slot);
    lc_text_add(&t, ",\"near\":[],\"max_tok\":");
    lc_text_u64(&t, ANSWER_TOKENS);
    lc_text_add(&t, "}");
    return t.full ? 0 : (uint32_t)t.bytes;
}
