/* Rings, inbox, outbox, slots, sayings, histogram, back-off: the parts of the node. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#include "../../board/node/inbox.h"
#include "../../board/node/link.h"
#include "../../board/node/outbox.h"
#include "../../board/node/say.h"
#include "../../board/node/slots.h"
#include "../../board/node/stats.h"
#include "../../runtime/limits.h"

static _Alignas(64) uint8_t memory[8u << 20];

static lc_arena arena_make(void)
{
    lc_arena arena;
    lc_arena_init(&arena, memory, sizeof memory);
    return arena;
}

/* ---- ring ---- */

/* Against a plain list: random puts and drops, every item whole and in its turn. */
static void ring_is_a_queue_of_whole_items(void **state)
{
    (void)state;
    static _Alignas(8) uint8_t data[1024];
    static uint32_t want_bytes[4096];
    uint32_t put = 0, dropped = 0, refused = 0, random = 1;
    lc_ring ring;
    lc_ring_init(&ring, data, sizeof data);
    for (uint32_t step = 0; step < 100000; step++) {
        random = random * 1664525u + 1013904223u;
        uint32_t bytes = (random >> 8) % 300;
        if (random >> 31) {
            bool fits = lc_ring_fits(&ring, bytes);
            uint8_t *item = lc_ring_put(&ring, bytes);
            assert_int_equal(fits, item != NULL);
            refused += !item;
            if (item) {
                memset(item, (int)(put & 255), bytes);
                want_bytes[put++ % 4096] = bytes;
            }
        } else if (put > dropped) {
            const uint8_t *item = lc_ring_first(&ring);
            uint32_t n = lc_ring_bytes(item);
            assert_int_equal(n, want_bytes[dropped % 4096]);
            for (uint32_t i = 0; i < n; i++) {
                assert_int_equal(item[i], dropped & 255);
            }
            lc_ring_drop(&ring);
            dropped++;
        }
        assert_int_equal(ring.count, put - dropped);
        assert_true(ring.used <= ring.size && (ring.count > 0 || ring.used == 0));
        uint32_t walked = 0;
        for (const uint8_t *item = lc_ring_first(&ring); item; item = lc_ring_next(&ring, item)) {
            assert_int_equal(lc_ring_bytes(item), want_bytes[(dropped + walked++) % 4096]);
        }
        assert_int_equal(walked, ring.count);
    }
    assert_true(refused > 100 && dropped > 1000);
}

static void ring_takes_an_item_as_large_as_itself(void **state)
{
    (void)state;
    static _Alignas(8) uint8_t data[64];
    lc_ring ring;
    lc_ring_init(&ring, data, sizeof data);
    assert_null(lc_ring_put(&ring, 57));
    assert_null(lc_ring_put(&ring, UINT32_MAX));
    assert_non_null(lc_ring_put(&ring, 56));
    assert_null(lc_ring_put(&ring, 0));
    lc_ring_drop(&ring);
    assert_null(lc_ring_first(&ring));
}

/* ---- inbox ---- */

static lc_err offer(lc_inbox *inbox, uint32_t source, char c, size_t bytes)
{
    static char text[LC_LINE_BYTES_MAX];
    memset(text, c, sizeof text);
    return lc_inbox_put(inbox, 7, source, text, bytes);
}

static void inbox_serves_sources_in_turn(void **state)
{
    (void)state;
    lc_arena arena = arena_make();
    lc_inbox inbox;
    assert_int_equal(lc_inbox_init(&inbox, 3, LC_INBOX_BYTES_MIN, &arena), LC_OK);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(offer(&inbox, 0, 'a', 3), LC_OK);
    }
    assert_int_equal(offer(&inbox, 2, 'c', 3), LC_OK);
    const char *order = "acaa";
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t source;
        const lc_line *line = lc_inbox_next(&inbox, &source);
        assert_non_null(line);
        assert_int_equal(line->text[0], order[i]);
        assert_int_equal(line->bytes, 3);
        lc_inbox_drop(&inbox, source);
    }
    uint32_t source;
    assert_null(lc_inbox_next(&inbox, &source));
}

static void inbox_counts_what_it_cannot_take(void **state)
{
    (void)state;
    lc_arena arena = arena_make();
    lc_inbox inbox;
    uint32_t source, taken = 0;
    assert_int_equal(lc_inbox_init(&inbox, 2, LC_INBOX_BYTES_MIN, &arena), LC_OK);
    inbox.source[0].waits = true;
    while (offer(&inbox, 0, 'a', 1000) == LC_OK) {
        taken++;
    }
    assert_true(taken >= 15);
    assert_int_equal(offer(&inbox, 0, 'a', 1000), LC_ERR_BUSY);
    assert_int_equal(inbox.source[0].lost.lines, 0);
    assert_int_equal(inbox.source[0].paused_total, 1);
    assert_false(lc_inbox_resume(&inbox, &source)); /* still more than half full */
    while (inbox.source[0].ring.used > LC_INBOX_BYTES_MIN / 2) {
        lc_inbox_drop(&inbox, 0);
    }
    while (!lc_inbox_resume(&inbox, &source)) {
        lc_inbox_drop(&inbox, 0);
    }
    assert_int_equal(offer(&inbox, 0, 'a', LC_LINE_BYTES_MAX), LC_OK);
    assert_false(lc_inbox_resume(&inbox, &source)); /* once a pause */
    while (offer(&inbox, 1, 'b', 1000) == LC_OK) {
    }
    assert_int_equal(offer(&inbox, 1, 'b', 1000), LC_ERR_BUSY);
    assert_int_equal(inbox.source[1].lost.lines, 2);
    assert_false(inbox.source[1].paused);
}

static void inbox_keeps_no_text_of_a_line_too_long(void **state)
{
    (void)state;
    lc_arena arena = arena_make();
    lc_inbox inbox;
    uint32_t source;
    assert_int_equal(lc_inbox_init(&inbox, 1, LC_INBOX_BYTES_MIN, &arena), LC_OK);
    assert_int_equal(lc_inbox_put(&inbox, 0, 0, NULL, SIZE_MAX), LC_OK);
    const lc_line *line = lc_inbox_next(&inbox, &source);
    assert_int_equal(line->bytes, LC_LINE_BYTES_MAX + 1);
    assert_int_equal(inbox.source[0].ring.used, sizeof(lc_line) + LC_RING_HEAD);
}

/* ---- outbox ---- */

static void put(lc_outbox *outbox, uint32_t task, uint64_t seq, const char *json)
{
    assert_int_equal(
        lc_outbox_put(outbox, 0, LC_OUTBOX_RECORD, task, seq, json, (uint32_t)strlen(json)), LC_OK);
}

static void expect_payload(const lc_flight *flight, const char *want)
{
    assert_non_null(flight);
    assert_int_equal(flight->bytes, strlen(want));
    assert_memory_equal(flight->payload, want, flight->bytes);
}

static lc_outbox outbox_make(uint32_t window, uint32_t batch)
{
    lc_arena arena = arena_make();
    lc_outbox outbox;
    assert_int_equal(lc_outbox_init(&outbox, LC_OUTBOX_BYTES_MIN, window, batch, &arena), LC_OK);
    return outbox;
}

static void outbox_sends_one_or_an_array_of_one_task(void **state)
{
    (void)state;
    lc_outbox outbox = outbox_make(4, 3);
    put(&outbox, 0, 1, "{1}");
    expect_payload(lc_outbox_send(&outbox, 0, 10), "{1}");
    put(&outbox, 0, 2, "{2}");
    put(&outbox, 1, 3, "{3}");
    put(&outbox, 0, 4, "{4}");
    put(&outbox, 0, 5, "{5}");
    put(&outbox, 0, 6, "{6}");
    expect_payload(lc_outbox_send(&outbox, 0, 11), "[{2},{4},{5}]");
    expect_payload(lc_outbox_send(&outbox, 0, 12), "{3}");
    expect_payload(lc_outbox_send(&outbox, 0, 13), "{6}");
    put(&outbox, 0, 7, "{7}");
    assert_null(lc_outbox_send(&outbox, 0, 14)); /* the window is full */
    assert_int_equal(outbox.waiting, 7);
    assert_true(lc_outbox_ack(&outbox, 0, 11, 0));
    assert_null(lc_outbox_send(&outbox, 0, 14)); /* the oldest is still under way */
    assert_true(lc_outbox_ack(&outbox, 0, 10, 0x10));
    assert_false(lc_outbox_ack(&outbox, 0, 10, 0));
    expect_payload(lc_outbox_send(&outbox, 0, 14), "{7}");
    assert_int_equal(outbox.acked_total, 4);
    assert_int_equal(outbox.unheard_total, 1);
}

static void outbox_sends_again_unchanged_and_in_order(void **state)
{
    (void)state;
    lc_outbox outbox = outbox_make(3, 2);
    for (uint64_t seq = 1; seq <= 6; seq++) {
        char json[] = "{0}";
        json[1] = (char)('0' + seq);
        put(&outbox, 0, seq, json);
    }
    expect_payload(lc_outbox_send(&outbox, 0, 1), "[{1},{2}]");
    expect_payload(lc_outbox_send(&outbox, 0, 2), "[{3},{4}]");
    assert_true(lc_outbox_ack(&outbox, 0, 2, 0));
    lc_outbox_unsend(&outbox);
    assert_false(lc_outbox_ack(&outbox, 0, 1, 0)); /* of the old connection */
    expect_payload(lc_outbox_send(&outbox, 0, 3), "[{1},{2}]");
    expect_payload(lc_outbox_send(&outbox, 0, 4), "[{5},{6}]");
}

static void outbox_waits_longer_after_each_refusal(void **state)
{
    (void)state;
    lc_outbox outbox = outbox_make(2, 1);
    put(&outbox, 0, 1, "{1}");
    uint64_t now = 1000, waits[3];
    for (uint32_t i = 0; i < 3; i++) {
        assert_non_null(lc_outbox_send(&outbox, now, i + 1));
        assert_true(lc_outbox_ack(&outbox, now, i + 1, 0x97));
        assert_true(lc_outbox_ready_ms(&outbox) > now);
        waits[i] = outbox.hold_ms - now;
        now = outbox.hold_ms;
    }
    assert_true(waits[0] == 1000 && waits[1] == 2000 && waits[2] == 4000);
    assert_int_equal(outbox.refused_total, 3);
    assert_int_equal(outbox.waiting, 1);
}

static void outbox_drops_the_oldest_and_counts_exactly(void **state)
{
    (void)state;
    static char json[1000];
    lc_outbox outbox = outbox_make(1, 1);
    memset(json, 'x', sizeof json);
    assert_int_equal(lc_outbox_put(&outbox, 0, LC_OUTBOX_RECORD, 0, 1, json, sizeof json), LC_OK);
    assert_non_null(lc_outbox_send(&outbox, 0, 1)); /* in flight: never dropped */
    uint64_t total = 500;
    for (uint64_t seq = 2; seq <= total; seq++) {
        lc_outbox_kind kind = seq % 10 == 0 ? LC_OUTBOX_EVENT : LC_OUTBOX_RECORD;
        assert_int_equal(lc_outbox_put(&outbox, 0, kind, 0, seq, json, sizeof json), LC_OK);
    }
    assert_int_equal(outbox.gap.from, 2);
    assert_true(outbox.gap.count + outbox.gap.events + outbox.waiting == total);
    assert_int_equal(outbox.gap.to - outbox.gap.from + 1, outbox.gap.count + outbox.gap.events);
    assert_true(lc_outbox_ack(&outbox, 0, 1, 0));
    const lc_flight *next = lc_outbox_send(&outbox, 0, 2);
    assert_int_equal(next->from, outbox.gap.to + 1);
}

static void outbox_counts_what_is_too_large_for_the_broker(void **state)
{
    (void)state;
    static char json[LC_MESSAGE_BYTES_MAX + 1];
    lc_outbox outbox = outbox_make(1, 4);
    assert_int_equal(lc_outbox_put(&outbox, 0, LC_OUTBOX_RECORD, 0, 1, json, sizeof json),
                     LC_ERR_LIMIT);
    put(&outbox, 0, 1, "{1}");
    put(&outbox, 0, 2, "{2}");
    assert_non_null(lc_outbox_send(&outbox, 0, 1));
    assert_true(lc_outbox_ack(&outbox, 0, 1, 0x95));
    assert_int_equal(outbox.gap.count, 2);
    assert_int_equal(outbox.waiting, 0);
    assert_null(lc_outbox_send(&outbox, 0, 2));
}

static void outbox_fills_a_message_but_not_more(void **state)
{
    (void)state;
    static char json[LC_MESSAGE_BYTES_MAX];
    lc_outbox outbox = outbox_make(4, 64);
    memset(json, 'x', sizeof json);
    for (uint64_t seq = 1; seq <= 3; seq++) { /* two and their brackets are one byte too many */
        uint32_t bytes = LC_MESSAGE_BYTES_MAX / 2 - 1;
        assert_int_equal(lc_outbox_put(&outbox, 0, LC_OUTBOX_RECORD, 0, seq, json, bytes), LC_OK);
    }
    assert_int_equal(lc_outbox_send(&outbox, 0, 1)->records, 1);
    assert_int_equal(lc_outbox_send(&outbox, 0, 2)->records, 1);
    assert_int_equal(lc_outbox_send(&outbox, 0, 3)->records, 1);
    assert_int_equal(lc_outbox_put(&outbox, 0, LC_OUTBOX_RECORD, 0, 4, json, LC_MESSAGE_BYTES_MAX),
                     LC_OK);
    assert_int_equal(lc_outbox_send(&outbox, 0, 4)->bytes, LC_MESSAGE_BYTES_MAX);
}

static void outbox_batches_as_far_as_the_broker_takes(void **state)
{
    (void)state;
    lc_outbox outbox = outbox_make(4, 64);
    outbox.message_max = 11;
    for (uint64_t seq = 1; seq <= 3; seq++) {
        put(&outbox, 0, seq, "{12}");
    }
    put(&outbox, 0, 4, "{1234567890}");
    expect_payload(lc_outbox_send(&outbox, 0, 1), "[{12},{12}]");
    expect_payload(lc_outbox_send(&outbox, 0, 2), "{12}");
    expect_payload(lc_outbox_send(&outbox, 0, 3), "{1234567890}"); /* the broker will say */
}

/* ---- slots, sayings ---- */

static void slots_keep_the_latest_and_announce_it(void **state)
{
    (void)state;
    lc_arena arena = arena_make();
    lc_slots slots = {0};
    assert_int_equal(lc_slots_add(&slots, (lc_slot){.retain = true, .max = 4}, &arena), LC_OK);
    assert_int_equal(lc_slots_add(&slots, (lc_slot){.max = 4, .every_ms = 100}, &arena), LC_OK);
    assert_false(lc_slot_set(&slots.slot[0], "12345", 5));
    assert_null(lc_slots_send(&slots, 0, 1));
    assert_true(lc_slot_set(&slots.slot[0], "old", 3) && lc_slot_set(&slots.slot[0], "new", 3));
    assert_true(lc_slot_set(&slots.slot[1], "x", 1));
    assert_memory_equal(lc_slots_send(&slots, 0, 1)->payload, "new", 3);
    assert_memory_equal(lc_slots_send(&slots, 0, 2)->payload, "x", 1);
    assert_null(lc_slots_send(&slots, 0, 3));
    assert_true(lc_slots_ack(&slots, 0, 1, 0));
    assert_false(lc_slots_ack(&slots, 0, 1, 0));
    lc_slots_down(&slots);
    lc_slots_up(&slots); /* the first is retained, the second was not acknowledged */
    assert_non_null(lc_slots_send(&slots, 0, 4));
    assert_non_null(lc_slots_send(&slots, 0, 5));
    assert_true(lc_slots_ack(&slots, 0, 4, 0) && lc_slots_ack(&slots, 0, 5, 0));
    lc_slots_down(&slots);
    lc_slots_up(&slots);
    assert_non_null(lc_slots_send(&slots, 0, 6));
    assert_null(lc_slots_send(&slots, 0, 7));
    assert_true(lc_slots_ack(&slots, 0, 6, 0));
    assert_true(lc_slot_set(&slots.slot[1], "y", 1));
    assert_non_null(lc_slots_send(&slots, 0, 8));
    assert_true(lc_slots_ack(&slots, 0, 8, 0x97));
    assert_int_equal(lc_slots_wake_ms(&slots), LC_SLOT_REFUSED_MS);
    assert_null(lc_slots_send(&slots, LC_SLOT_REFUSED_MS - 1, 9));
    assert_non_null(lc_slots_send(&slots, LC_SLOT_REFUSED_MS, 9));
}

static void sayings_are_said_once_and_counted(void **state)
{
    (void)state;
    static lc_say say;
    lc_saying saying;
    lc_str none = {"", 0};
    lc_say_put(&say, 0, LC_SAY_LINK_DOWN, 1, none);
    lc_say_put(&say, 1, LC_SAY_LINK_DOWN, 2, none);
    assert_true(lc_say_take_log(&say, &saying));
    assert_int_equal(saying.count, 2);
    assert_false(lc_say_take_log(&say, &saying));
    lc_say_put(&say, 2, LC_SAY_LINK_DOWN, 3, none);
    assert_false(lc_say_take_log(&say, &saying));
    assert_true(lc_say_take_link(&say, &saying));
    lc_say_put(&say, LC_SAY_AGAIN_MS - 1, LC_SAY_LINK_DOWN, 4, none);
    assert_false(lc_say_take_log(&say, &saying));
    lc_say_put(&say, LC_SAY_AGAIN_MS, LC_SAY_LINK_DOWN, 5, none);
    assert_true(lc_say_take_log(&say, &saying));
    assert_int_equal(saying.value, 5);
    lc_say_rearm(&say, LC_SAY_LINK_DOWN);
    lc_say_put(&say, LC_SAY_AGAIN_MS + 1, LC_SAY_LINK_DOWN, 6, none);
    assert_true(lc_say_take_log(&say, &saying));
}

/* ---- times, waits ---- */

static void quantiles_are_within_a_fifth(void **state)
{
    (void)state;
    static lc_times times;
    assert_int_equal(lc_times_quantile(&times, 500), 0);
    for (uint64_t us = 1; us <= 100000; us++) {
        lc_times_put(&times, us);
    }
    const uint32_t permille[] = {10, 100, 500, 900, 990};
    for (size_t i = 0; i < 5; i++) {
        uint64_t got = lc_times_quantile(&times, permille[i]), want = permille[i] * 100u;
        assert_true(got >= want && got <= want + want * 19 / 100 + 1);
    }
    assert_int_equal(lc_times_quantile(&times, 1000), 100000);
    lc_times_put(&times, UINT64_MAX);
    assert_true(lc_times_quantile(&times, 1000) >= UINT64_MAX / 2 || times.max_us == UINT64_MAX);
}

static void waits_grow_to_a_minute_with_a_random_half(void **state)
{
    (void)state;
    lc_link link;
    uint64_t now = 0, nominal = LC_LINK_WAIT_MIN_MS, different = 0;
    lc_link_init(&link, true, 42);
    for (uint32_t i = 0; i < 20; i++) {
        assert_true(lc_link_due(&link, now));
        lc_link_try(&link, now);
        assert_false(lc_link_late(&link, now + LC_LINK_TRY_MS - 1));
        assert_true(lc_link_late(&link, now + LC_LINK_TRY_MS));
        lc_link_down(&link, now);
        uint64_t wait = link.retry_ms - now;
        assert_true(wait >= nominal / 2 && wait <= nominal);
        different += wait != nominal;
        assert_false(lc_link_due(&link, link.retry_ms - 1));
        now = link.retry_ms;
        nominal = nominal * 2 > LC_LINK_WAIT_MAX_MS ? LC_LINK_WAIT_MAX_MS : nominal * 2;
    }
    assert_true(different > 15);
    lc_link_try(&link, now);
    lc_link_open(&link, now);
    lc_link_down(&link, now + LC_LINK_LAST_MS - 1); /* too short to be good */
    assert_true(link.retry_ms - now > LC_LINK_WAIT_MAX_MS / 2);
    now = link.retry_ms;
    lc_link_try(&link, now);
    lc_link_open(&link, now);
    lc_link_down(&link, now + LC_LINK_LAST_MS);
    assert_true(link.retry_ms <= now + LC_LINK_LAST_MS + LC_LINK_WAIT_MIN_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_is_a_queue_of_whole_items),
        cmocka_unit_test(ring_takes_an_item_as_large_as_itself),
        cmocka_unit_test(inbox_serves_sources_in_turn),
        cmocka_unit_test(inbox_counts_what_it_cannot_take),
        cmocka_unit_test(inbox_keeps_no_text_of_a_line_too_long),
        cmocka_unit_test(outbox_sends_one_or_an_array_of_one_task),
        cmocka_unit_test(outbox_sends_again_unchanged_and_in_order),
        cmocka_unit_test(outbox_waits_longer_after_each_refusal),
        cmocka_unit_test(outbox_drops_the_oldest_and_counts_exactly),
        cmocka_unit_test(outbox_counts_what_is_too_large_for_the_broker),
        cmocka_unit_test(outbox_fills_a_message_but_not_more),
        cmocka_unit_test(outbox_batches_as_far_as_the_broker_takes),
        cmocka_unit_test(slots_keep_the_latest_and_announce_it),
        cmocka_unit_test(sayings_are_said_once_and_counted),
        cmocka_unit_test(quantiles_are_within_a_fifth),
        cmocka_unit_test(waits_grow_to_a_minute_with_a_random_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
