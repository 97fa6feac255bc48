/* slots.c - the latest of each. */
#include "slots.h"

#include <string.h>

#define REASON_REFUSED 0x80u
#define REASON_TOO_LARGE 0x95u

lc_err lc_slots_add(lc_slots *slots, lc_slot slot, lc_arena *state)
{
    lc_assert(slots->count < LC_SLOTS_MAX);
    slot.payload = lc_arena_push(state, slot.max);
    if (!slot.payload) {
        return LC_ERR_ARENA;
    }
    slots->slot[slots->count++] = slot;
    return LC_OK;
}

bool lc_slot_set(lc_slot *slot, const char *payload, uint32_t bytes)
{
    if (bytes > slot->max) {
        return false;
    }
    if (bytes > 0) { /* an empty one has no address */
        memcpy(slot->payload, payload, bytes);
    }
    slot->bytes = bytes;
    slot->set = slot->dirty = true;
    return true;
}

void lc_slot_again(lc_slot *slot, uint64_t hold_ms)
{
    if (slot->set && !slot->dirty) {
        slot->dirty = true;
        slot->hold_ms = hold_ms;
    }
}

bool lc_slot_idle(const lc_slot *slot)
{
    return !slot->dirty && slot->id == 0;
}

void lc_slots_up(lc_slots *slots)
{
    for (uint32_t i = 0; i < slots->count; i++) {
        lc_slot *slot = &slots->slot[i];
        slot->dirty = slot->dirty || (slot->retain && slot->set);
        slot->hold_ms = 0;
        if (slot->refusals >= LC_SLOT_REFUSALS_MAX) {
            slot->dirty = false;
            slot->refusals = 0;
        }
    }
}

void lc_slots_down(lc_slots *slots)
{
    for (uint32_t i = 0; i < slots->count; i++) {
        lc_slot *slot = &slots->slot[i];
        slot->dirty = slot->dirty || slot->id != 0;
        slot->refusals += slot->optional && slot->id != 0;
        slot->id = 0;
    }
}

static bool slot_due(const lc_slot *slot, uint64_t now_ms)
{
    return slot->dirty && slot->id == 0 && now_ms >= slot->hold_ms;
}

const lc_slot *lc_slots_send(lc_slots *slots, uint64_t now_ms, uint32_t id)
{
    lc_assert(id != 0);
    for (uint32_t i = 0; i < slots->count; i++) {
        lc_slot *slot = &slots->slot[i];
        if (slot_due(slot, now_ms)) {
            slot->dirty = false;
            slot->id = id;
            slot->sent_ms = now_ms;
            slot->hold_ms = now_ms + slot->every_ms;
            return slot;
        }
    }
    return NULL;
}

bool lc_slots_ack(lc_slots *slots, uint64_t now_ms, uint32_t id, uint32_t reason)
{
    for (uint32_t i = 0; i < slots->count && id != 0; i++) {
        lc_slot *slot = &slots->slot[i];
        if (slot->id != id) {
            continue;
        }
        slot->id = 0;
        bool refused = reason >= REASON_REFUSED && reason != REASON_TOO_LARGE;
        slot->refusals = refused && slot->optional ? slot->refusals + 1 : 0;
        if (refused && !slot->optional) {
            slot->dirty = true;
            slot->hold_ms = now_ms + LC_SLOT_REFUSED_MS;
        }
        return true;
    }
    return false;
}

uint32_t lc_slots_flying(const lc_slots *slots, uint64_t *oldest_ms)
{
    uint32_t flying = 0;
    *oldest_ms = UINT64_MAX;
    for (uint32_t i = 0; i < slots->count; i++) {
        const lc_slot *slot = &slots->slot[i];
        if (slot->id != 0) {
            flying++;
            *oldest_ms = slot->sent_ms < *oldest_ms ? slot->sent_ms : *oldest_ms;
        }
    }
    return flying;
}

uint64_t lc_slots_wake_ms(const lc_slots *slots)
{
    uint64_t wake = UINT64_MAX;
    for (uint32_t i = 0; i < slots->count; i++) {
        const lc_slot *slot = &slots->slot[i];
        if (slot->dirty && slot->id == 0 && slot->hold_ms < wake) {
            wake = slot->hold_ms;
        }
    }
    return wake;
}
