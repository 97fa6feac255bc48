/* payload.h - the JSON of the node's own messages; records are rendered by the core. */
#ifndef LC_PAYLOAD_H
#define LC_PAYLOAD_H

#include "../../runtime/text.h"
#include "inbox.h"
#include "node.h"
#include "outbox.h"

#define LC_PAYLOAD_SMALL_MAX LC_OUTBOX_SMALL_MAX /* gap, log, event, audit */

/* Who and when, the head of every payload. */
typedef struct lc_stamp {
    lc_str dev;
    uint32_t boot;
    uint64_t ts_ms; /* 0: not known, then up_ms is written */
    uint64_t up_ms;
    lc_str tq;
} lc_stamp;

/* An alarm that was raised or cleared. */
typedef struct lc_event {
    uint64_t seq; /* of the record that did it */
    lc_str source, task;
    uint64_t number; /* counted from 1 since start */
    bool alarm;
    lc_str label, was; /* was "": none */
} lc_event;

/* Each returns the length; 0 when it does not fit. `number` counts gap statements from 1. */
uint32_t lc_payload_event(const lc_stamp *stamp, const lc_event *event, char *out, uint32_t max);
/* Left out where all would be too long: the sender's own id, then label and text of the act. */
uint32_t lc_payload_audit(const lc_stamp *stamp, uint64_t number, const lc_audit_entry *entry,
                          char *out, uint32_t max);
uint32_t lc_payload_gap(const lc_stamp *stamp, uint64_t number, const lc_gap *gap, char *out,
                        uint32_t max);
/* Of a journal's loss; the stamp's boot is that of the statement. */
uint32_t lc_payload_loss(const lc_stamp *stamp, const lc_loss *loss, lc_outbox_kind kind, char *out,
                         uint32_t max);
uint32_t lc_payload_lost(const lc_stamp *stamp, uint64_t number, lc_str source, const lc_lost *lost,
                         uint64_t wall_offset_ms, char *out, uint32_t max);
uint32_t lc_payload_log(const lc_stamp *stamp, const lc_saying *saying, char *out, uint32_t max);

#endif
