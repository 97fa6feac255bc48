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
static const char *guard(lc_screen *screen, const lc_policy *policy, lc_str line,
                         const lc_answer *answers, uint32_t count)
{
    uint32_t replaced;
    if (lc_screen_private(policy, answers, count)) {
        return "privacy";
    }
    size_t bytes = lc_utf8_clean(line.data, line.bytes, screen->clean, &replaced);
    lc_err err = lc_redact(screen->kinds, screen->clean, (uint32_t)bytes, screen->text,
                           LC_LINE_BYTES_MAX, &screen->bytes, &screen->map);
    return err == LC_OK ? NULL : "redact";
}

void lc_screen_line(lc_screen *screen, const lc_policy *policy, lc_str line, bool online, float bar,
                    lc_answer *answers, uint32_t count)
{
    bool wanted = false;
    screen->leaves = false;
    for (uint32_t i = 0; i < count; i++) {
        wanted = wanted || (!answers[i].skipped && answers[i].decision == LC_ESCALATE);
    }
    if (!wanted) {
        return;
    }
    bool whole = line.bytes <= LC_LINE_BYTES_MAX;
    const char *kept = whole ? guard(screen, policy, line, answers, count) : "privacy";
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
