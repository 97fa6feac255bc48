/* node_state.h - the inside of a node, shared by node.c (events), node_next.c (actions) and
 * node_look.c (counts). */
#ifndef LC_NODE_STATE_H
#define LC_NODE_STATE_H

#include "../../runtime/limits.h"
#include "inbox.h"
#include "node.h"
#include "outbox.h"
#include "payload.h"
#include "slots.h"

/* Slots in their order of urgency; up/last of each task comes after them. */
typedef enum lc_slot_index {
    LC_SLOT_STATE,
    LC_SLOT_BIRTH,
    LC_SLOT_UPDATE,
    LC_SLOT_DISCOVERY,
    LC_SLOT_GAP,
    LC_SLOT_LOG,
    LC_SLOT_HEALTH,
    LC_SLOT_LAST
} lc_slot_index;

_Static_assert(LC_SLOT_LAST + LC_TASKS_MAX <= LC_SLOTS_MAX, "a slot for each task");

/* The line in inference. */
typedef struct lc_running {
    uint32_t ticket; /* 0: none */
    uint32_t source;
    uint64_t arrived_ms, started_ms;
    uint64_t deadline_ms;
    bool cancelled;
} lc_running;

typedef enum lc_stop_phase {
    LC_STOP_NO,
    LC_STOP_FLUSH,   /* lines and records go out */
    LC_STOP_GOODBYE, /* "offline" goes out */
    LC_STOP_DONE
} lc_stop_phase;

struct lc_node {
    lc_node_options options;
    uint64_t start_ms;
    lc_inbox inbox;
    lc_outbox outbox;
    lc_slots slots;
    lc_link link;
    lc_say say;
    lc_actor actor;
    lc_audit audit;
    lc_escalate esc;
    lc_cost cost;
    lc_drift drift;
    lc_pace pace;
    uint64_t rest_until_ms; /* no line starts before */
    uint64_t cpu_us;
    lc_running running;
    uint32_t tickets, ids; /* given so far */
    uint64_t seq;          /* of the last record */
    lc_str *alarm;         /* [sources][tasks] label of the alarm that stands, "" none */
    lc_times latency, inference;
    uint64_t wall_offset_ms; /* wall time minus now_ms; 0: not known */
    lc_str tq;
    uint64_t health_ms, watchdog_ms, gap_ms; /* when each is next due */
    bool health_asked;
    uint32_t gaps;     /* statements so far */
    uint32_t gap_kind; /* journal whose loss is in the slot, LC_OUTBOX_KINDS: none's */
    uint32_t gap_boot, gap_told;
    uint64_t event_number;           /* of the last up/event */
    uint64_t corrections;            /* the same of corrections */
    uint64_t audits;                 /* and of audits */
    char asked[2 * LC_ESC_ID_BYTES]; /* id of the last request, for the audit */
    uint64_t last_seq[LC_TASKS_MAX];
    bool kept;             /* records outlived a restart when last looked at */
    uint32_t reasons_said; /* bit per lc_link_reason */
    bool was_full;         /* the outbox dropped something since it was last empty */
    bool stuck;
    uint8_t stop; /* lc_stop_phase */
    bool stop_told;
    uint64_t stop_ms;
    uint64_t decided[4], deadlines, events, commands, records;
    uint32_t flying_peak;
    char scratch[LC_PAYLOAD_SMALL_MAX];
};

static inline lc_slot *lc_node_slot(lc_node *node, uint32_t index)
{
    return &node->slots.slot[index];
}

/* Into the outbox; says when that dropped something. */
void lc_node_put(lc_node *node, uint64_t now_ms, lc_outbox_kind kind, uint32_t task,
                 const char *json, uint32_t bytes);
lc_stamp lc_node_stamp(const lc_node *node, uint64_t now_ms);
/* What the day has cost so far is counted. */
void lc_node_cost(lc_node *node, uint64_t now_ms);
/* What the audit has is numbered and goes into the outbox. */
void lc_node_audit(lc_node *node, uint64_t now_ms);
/* Messages handed to the link and not acknowledged. */
uint32_t lc_node_flying(const lc_node *node, uint64_t *oldest_ms);
/* A journal has a loss to state. */
bool lc_node_has_loss(const lc_node *node);
/* Lines, records and losses that are still to be told. */
bool lc_node_busy(const lc_node *node);

#endif
