/* pace.c - which level the signs ask for, and when one that is slower may end. */
#include "pace.h"

#include "../../runtime/err.h"

static const struct {
    const char *word;
    uint32_t rests; /* pauses of a line's length after it */
} levels[LC_PACE_LEVELS] = {{"full", 0}, {"half", 1}, {"quarter", 3}};

static const struct {
    uint32_t flag;
    uint8_t level;
    const char *why;
} flags[] = {
    {LC_SIGN_THROTTLED, LC_PACE_QUARTER, "throttled"},
    {LC_SIGN_HOT, LC_PACE_QUARTER, "hot"},
    {LC_SIGN_UNDERVOLTAGE, LC_PACE_HALF, "undervoltage"},
    {LC_SIGN_CAPPED, LC_PACE_HALF, "capped"},
};

const char *lc_pace_word(uint32_t level)
{
    lc_assert(level < LC_PACE_LEVELS);
    return levels[level].word;
}

void lc_pace_init(lc_pace *pace)
{
    *pace = (lc_pace){.why = ""};
}

/* The level that these signs ask for. slack_mc: how much warmer to take the board for. */
static uint8_t level_of(const lc_signs *signs, int32_t slack_mc, const char **why)
{
    uint8_t level = LC_PACE_FULL;
    *why = "";
    if (signs->has_margin && signs->margin_mc <= LC_PACE_NEAR_MC + slack_mc) {
        level = signs->margin_mc <= slack_mc ? LC_PACE_QUARTER : LC_PACE_HALF;
        *why = "temperature";
    }
    for (uint32_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if ((signs->flags & flags[i].flag) != 0 && flags[i].level > level) {
            level = flags[i].level;
            *why = flags[i].why;
        }
    }
    return level;
}

bool lc_pace_look(lc_pace *pace, uint64_t now_ms, const lc_signs *signs)
{
    const char *why, *still;
    uint8_t level = level_of(signs, 0, &why);
    uint8_t least = level_of(signs, LC_PACE_BACK_MC, &still);
    if (level > pace->level) {
        pace->level = level;
        pace->why = why;
        pace->calm_ms = now_ms;
        return true;
    }
    if (least >= pace->level) {
        pace->calm_ms = now_ms;
    }
    if (pace->level == LC_PACE_FULL || now_ms - pace->calm_ms < LC_PACE_CALM_MS) {
        return false;
    }
    pace->level--;
    pace->why = pace->level == LC_PACE_FULL ? "" : still[0] ? still : pace->why;
    pace->calm_ms = now_ms;
    return true;
}

uint64_t lc_pace_rest(lc_pace *pace, uint64_t took_ms)
{
    uint64_t rest = took_ms * levels[pace->level].rests;
    rest = rest < LC_PACE_REST_MAX_MS ? rest : LC_PACE_REST_MAX_MS;
    pace->rested_ms += rest;
    return rest;
}
