/* say.c - each thing once. */
#include "say.h"

#include <stddef.h>

#include "../../runtime/err.h"

typedef struct code_row {
    uint32_t level;
    const char *word, *text;
} code_row;

static const code_row rows[LC_SAY_COUNT] = {
#define CODE_ROW(name, level, word, text) {level, word, text},
    LC_SAY_LIST(CODE_ROW)
#undef CODE_ROW
};

#define LEVEL_TO_LINK_MAX 5u

const char *lc_say_word(uint32_t code)
{
    return code < LC_SAY_COUNT ? rows[code].word : "unknown";
}

const char *lc_say_text(uint32_t code)
{
    return code < LC_SAY_COUNT ? rows[code].text : "";
}

uint32_t lc_say_level(uint32_t code)
{
    return code < LC_SAY_COUNT ? rows[code].level : 3;
}

void lc_say_put(lc_say *say, uint64_t now_ms, lc_say_code code, uint64_t value, lc_str word)
{
    lc_assert(code < LC_SAY_COUNT);
    lc_say_state *s = &say->state[code];
    bool again = s->silent && now_ms - s->said_ms < LC_SAY_AGAIN_MS;
    s->saying = (lc_saying){code, s->saying.count + 1, value, word};
    if (again) {
        return;
    }
    s->silent = true;
    s->said_ms = now_ms;
    s->to_log = true;
    s->to_link = rows[code].level <= LEVEL_TO_LINK_MAX;
}

void lc_say_rearm(lc_say *say, lc_say_code code)
{
    lc_assert(code < LC_SAY_COUNT);
    say->state[code].silent = false;
}

/* A count starts anew once all that listen have it. */
static lc_saying saying_take(lc_say_state *s, bool *waits)
{
    *waits = false;
    lc_saying saying = s->saying;
    if (!s->to_log && !s->to_link) {
        s->saying.count = 0;
    }
    return saying;
}

bool lc_say_take_log(lc_say *say, lc_saying *saying)
{
    for (uint32_t i = 0; i < LC_SAY_COUNT; i++) {
        if (say->state[i].to_log) {
            *saying = saying_take(&say->state[i], &say->state[i].to_log);
            return true;
        }
    }
    return false;
}

bool lc_say_take_link(lc_say *say, lc_saying *saying)
{
    for (uint32_t i = 0; i < LC_SAY_COUNT; i++) {
        if (say->state[i].to_link) {
            *saying = saying_take(&say->state[i], &say->state[i].to_link);
            return true;
        }
    }
    return false;
}
