/* link.c - waiting between connections. */
#include "link.h"

#include "../../runtime/err.h"

static const char *const words[LC_LINK_REASON_COUNT] = {
#define REASON_WORD(name, word) word,
    LC_LINK_REASON_LIST(REASON_WORD)
#undef REASON_WORD
};

/* xorshift64*: even spread is all that is asked of it. */
static uint64_t random_next(uint64_t *random)
{
    *random ^= *random >> 12;
    *random ^= *random << 25;
    *random ^= *random >> 27;
    return (*random * 0x2545F4914F6CDD1Du) >> 32;
}

void lc_link_init(lc_link *link, bool wanted, uint64_t seed)
{
    *link = (lc_link){.state = wanted ? LC_LINK_WAITING : LC_LINK_NONE,
                      .wait_ms = LC_LINK_WAIT_MIN_MS,
                      .random = seed ? seed : 1};
}

bool lc_link_due(const lc_link *link, uint64_t now_ms)
{
    return link->state == LC_LINK_WAITING && now_ms >= link->retry_ms;
}

bool lc_link_late(const lc_link *link, uint64_t now_ms)
{
    return link->state == LC_LINK_TRYING && !link->closing &&
           now_ms - link->since_ms >= LC_LINK_TRY_MS;
}

uint64_t lc_link_wake_ms(const lc_link *link)
{
    if (link->state == LC_LINK_WAITING) {
        return link->retry_ms;
    }
    bool trying = link->state == LC_LINK_TRYING && !link->closing;
    return trying ? link->since_ms + LC_LINK_TRY_MS : UINT64_MAX;
}

void lc_link_try(lc_link *link, uint64_t now_ms)
{
    lc_assert(link->state == LC_LINK_WAITING);
    link->state = LC_LINK_TRYING;
    link->since_ms = now_ms;
}

void lc_link_open(lc_link *link, uint64_t now_ms)
{
    link->state = LC_LINK_OPEN;
    link->since_ms = now_ms;
    link->ups++;
}

bool lc_link_lasted(const lc_link *link, uint64_t now_ms)
{
    return link->state == LC_LINK_OPEN && !link->barren &&
           now_ms - link->since_ms >= LC_LINK_LAST_MS;
}

void lc_link_down(lc_link *link, uint64_t now_ms)
{
    bool open = link->state == LC_LINK_OPEN;
    if (lc_link_lasted(link, now_ms)) {
        link->wait_ms = LC_LINK_WAIT_MIN_MS;
    }
    uint32_t half = link->wait_ms / 2;
    link->retry_ms = now_ms + half + random_next(&link->random) % (half + 1);
    link->wait_ms =
        link->wait_ms > LC_LINK_WAIT_MAX_MS / 2 ? LC_LINK_WAIT_MAX_MS : link->wait_ms * 2;
    link->state = LC_LINK_WAITING;
    link->closing = link->barren = false;
    link->since_ms = now_ms;
    link->downs += open;
}

lc_link_reason lc_link_reason_make(uint32_t number)
{
    return number < LC_LINK_REASON_COUNT ? (lc_link_reason)number : LC_LINK_PROTOCOL;
}

const char *lc_link_word(lc_link_reason reason)
{
    return words[lc_link_reason_make(reason)];
}
