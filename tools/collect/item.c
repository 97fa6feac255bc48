/* item.c - what is needed of a message; all else stays in its body. */
#include "item.h"

#include <string.h>

#define REV_MAX 1000000.0

static const char *const kind_word[] = {
    [LC_HELD_EVENT] = "event",           [LC_HELD_GAP] = "gap",
    [LC_HELD_AUDIT] = "audit",           [LC_HELD_LOST] = "lost",
    [LC_HELD_LOST_EVENT] = "lost-event", [LC_HELD_RECORD] = "record"};

const char *lc_item_kind_word(lc_held_kind kind)
{
    return kind_word[kind];
}

bool lc_item_kind_from(const char *word, lc_held_kind *kind)
{
    for (size_t i = 0; i < sizeof kind_word / sizeof kind_word[0]; i++) {
        if (strcmp(kind_word[i], word) == 0) {
            *kind = (lc_held_kind)i;
            return true;
        }
    }
    return false;
}

/* A whole number from 0 to max; otherwise when absent. False: something else stands there. */
static bool number_read(const cJSON *tree, const char *key, double max, double otherwise,
                        uint64_t *out)
{
    double value = lc_json_real(tree, key, otherwise);
    if (!(value >= 0.0 && value <= max) || value != (double)(uint64_t)value) {
        return false;
    }
    *out = (uint64_t)value;
    return true;
}

static bool loss_read(const cJSON *tree, lc_item *item)
{
    lc_item_loss *loss = &item->loss;
    uint64_t of = 0;
    bool good = number_read(tree, "of", UINT32_MAX, item->boot, &of) &&
                number_read(tree, "from", LC_ITEM_NUMBER_MAX, 0, &loss->from) &&
                number_read(tree, "to", LC_ITEM_NUMBER_MAX, 0, &loss->to) &&
                number_read(tree, "count", LC_ITEM_NUMBER_MAX, 0, &loss->count) &&
                number_read(tree, "events", LC_ITEM_NUMBER_MAX, 0, &loss->events) &&
                number_read(tree, "corrections", LC_ITEM_NUMBER_MAX, 0, &loss->corrections) &&
                number_read(tree, "audits", LC_ITEM_NUMBER_MAX, 0, &loss->audits) &&
                number_read(tree, "lines", LC_ITEM_NUMBER_MAX, 0, &loss->lines);
    loss->of = (uint32_t)of;
    return good;
}

static const char *word_key(lc_held_kind kind)
{
    return kind == LC_HELD_RECORD  ? "decision"
           : kind == LC_HELD_EVENT ? "event"
           : kind == LC_HELD_GAP   ? "why"
                                   : "kind";
}

bool lc_item_read(const cJSON *tree, lc_held_kind kind, const char *dev, lc_item *item)
{
    const char *key = kind == LC_HELD_RECORD ? "seq" : kind == LC_HELD_GAP ? "gap" : "no";
    uint64_t boot = 0, rev = 1, cor_boot = 0;
    const cJSON *cor = cJSON_GetObjectItemCaseSensitive(tree, "cor");
    if (!cJSON_IsObject(tree) || strcmp(lc_json_text(tree, "dev", ""), dev) != 0) {
        return false;
    }
    *item = (lc_item){.dev = dev,
                      .kind = kind,
                      .tq = lc_json_text(tree, "tq", ""),
                      .task = lc_json_text(tree, "task", ""),
                      .label = lc_json_text(tree, "label", ""),
                      .word = lc_json_text(tree, word_key(kind), ""),
                      .p = lc_json_real(tree, "p", 0.0)};
    bool good = number_read(tree, "boot", UINT32_MAX, -1, &boot) &&
                number_read(tree, key, LC_ITEM_NUMBER_MAX, -1, &item->number) &&
                number_read(tree, "rev", REV_MAX, 1, &rev) &&
                number_read(cor, "boot", UINT32_MAX, 0, &cor_boot) &&
                number_read(cor, "no", LC_ITEM_NUMBER_MAX, 0, &item->cor) &&
                number_read(tree, "ts", LC_ITEM_NUMBER_MAX, 0, &item->ts) &&
                number_read(tree, "up", LC_ITEM_NUMBER_MAX, 0, &item->up);
    item->boot = (uint32_t)boot;
    item->rev = (uint32_t)rev;
    item->cor_boot = (uint32_t)cor_boot;
    good = good && item->number > 0 && rev > 0;
    return good && (kind != LC_HELD_GAP || loss_read(tree, item));
}

uint32_t lc_item_series(const lc_item *item)
{
    return item->kind == LC_HELD_RECORD ? LC_HELD_RECORD + item->rev - 1 : (uint32_t)item->kind;
}

bool lc_item_here(const lc_held *held, const lc_item *item)
{
    return lc_held_has(held, item->dev, item->boot, lc_item_series(item), item->number);
}

bool lc_item_note(lc_held *held, const lc_item *item)
{
    const lc_item_loss *loss = &item->loss;
    bool noted =
        lc_held_add(held, item->dev, item->boot, lc_item_series(item), item->number, item->number);
    uint32_t lost = loss->count > 0         ? LC_HELD_LOST
                    : loss->events > 0      ? LC_HELD_LOST_EVENT
                    : loss->corrections > 0 ? LC_HELD_LOST_CORRECTION
                                            : LC_HELD_LOST_AUDIT;
    if (noted && item->kind == LC_HELD_GAP && loss->from > 0) {
        noted = lc_held_add(held, item->dev, loss->of, lost, loss->from, loss->to);
    }
    if (noted && item->kind == LC_HELD_RECORD && item->cor > 0) {
        noted = lc_held_add(held, item->dev, item->cor_boot, LC_HELD_CORRECTION, item->cor,
                            item->cor);
    }
    return noted;
}
