/* screen.c - privacy class, redactor, then whether there is a link. */
#include "screen.h"

#include "../../runtime/decide.h"

lc_err lc_screen_init(lc_screen *screen, const lc_policy *policy, lc_arena *state)
{
    char *text = LC_PUSH(state, char, LC_LINE_BYTES_MAX);
    char *clean = LC_PUSH(state, char, 3u * LC_LINE_BYTES_MAX);
    if (!text || !clean) {
        return LC_ERR_ARENA;
    }
    *screen = (lc_screen){.text = text, .clean = clean};
    for (uint32_t i = 0; policy && i < policy->redact_count; i++) {
        screen->kinds |= lc_redact_kind(policy->redact[i]);
    }
    return LC_OK;
}

static bool is_never(const lc_policy *policy, lc_str name)
{
    for (uint32_t i = 0; i < policy->never_count; i++) {
        if (lc_str_equal(policy->never[i], name)) {
            return true;
        }
    }
    return false;
}

static bool answer_private(const lc_policy *policy, const lc_answer *a)
{
    if (a->skipped) {
        return false;
    }
    bool found = a->label < 0 || is_never(policy, a->task->name) ||
                 is_never(policy, a->task->label[a->label].name);
    for (uint32_t i = 0; i < a->task->label_count && !found; i++) {
        found = (a->in_set[i / 8] >> (i % 8) & 1) != 0 && is_never(policy, a->task->label[i].name);
    }
    return found;
}

bool lc_screen_private(const lc_policy *policy, const lc_answer *answers, uint32_t count)
{
    bool found = false;
    for (uint32_t i = 0; i < count && policy->never_count > 0; i++) {
        found = found || answer_private(policy, &answers[i]);
    }
    return found;
}

/* The name of the guard that keeps the line here, NULL: none. */
static const char *guard(const lc_screen *screen, const lc_policy *policy, const lc_answer *answers,
                         uint32_t count)
{
    return lc_screen_private(policy, answers, count) ? "privacy" : screen->clear ? NULL : "redact";
}

static bool touched(const lc_screen *screen, const lc_fact *fact)
{
    bool found = !screen->clear;
    for (uint32_t i = 0; i < screen->map.count; i++) {
        const lc_redaction *r = &screen->map.item[i];
        found = found || (fact->at < r->to && r->from < fact->end);
    }
    return found;
}

/* Facts of all answers are one object. */
static void facts_screen(lc_screen *screen, lc_answer *answers, uint32_t count)
{
    screen->facts.count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const lc_facts *all = answers[i].facts;
        if (answers[i].skipped || !all) {
            continue;
        }
        screen->facts.count = 0;
        for (uint32_t j = 0; j < all->count; j++) {
            if (!touched(screen, &all->fact[j])) {
                screen->facts.fact[screen->facts.count++] = all->fact[j];
            }
        }
        answers[i].facts = &screen->facts;
    }
}

static void line_redact(lc_screen *screen, lc_str line)
{
    uint32_t replaced;
    screen->clear = line.bytes <= LC_LINE_BYTES_MAX;
    if (screen->clear) {
        size_t bytes = lc_utf8_clean(line.data, line.bytes, screen->clean, &replaced);
        screen->clear = lc_redact(screen->kinds, screen->clean, (uint32_t)bytes, screen->text,
                                  LC_LINE_BYTES_MAX, &screen->bytes, &screen->map) == LC_OK;
    }
}

void lc_screen_line(lc_screen *screen, const lc_policy *policy, lc_str line, bool online, float bar,
                    lc_answer *answers, uint32_t count)
{
    bool wanted = false;
    screen->leaves = false;
    for (uint32_t i = 0; i < count; i++) {
        wanted = wanted || (!answers[i].skipped && answers[i].decision == LC_ESCALATE);
    }
    if (!wanted && screen->kinds == 0) {
        return;
    }
    line_redact(screen, line);
    if (screen->kinds != 0) {
        facts_screen(screen, answers, count);
    }
    if (!wanted) {
        return;
    }
    const char *kept = guard(screen, policy, answers, count);
    screen->leaves = kept == NULL;
    for (uint32_t i = 0; i < count; i++) {
        lc_answer *a = &answers[i];
        if (a->skipped || a->decision != LC_ESCALATE) {
            continue;
        }
        if (kept) {
            lc_answer_why(a, lc_str_from(kept));
        } else if (online && 1.0f - a->p < bar) {
            lc_answer_why(a, lc_str_from("upstream:busy"));
        }
        bool ask = !kept && online && 1.0f - a->p >= bar;
        a->decision = ask ? LC_ESCALATE : LC_DEFER;
    }
}
