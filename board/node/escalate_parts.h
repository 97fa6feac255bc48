/* escalate_parts.h - what escalate.c and escalate_request.c share. */
#ifndef LC_ESCALATE_PARTS_H
#define LC_ESCALATE_PARTS_H

#include "escalate.h"

/* The request in esc->out; its length, 0 when it is too long. */
uint32_t lc_escalate_render(lc_escalate *esc, const lc_esc_slot *slot, uint64_t deadline_ms);

#endif
