/* pace.h - the pipeline slows down before the board does: pauses between lines, as long as the line
 * took or three times that, while the board is close to the temperature at which it slows itself,
 * or says that it does already.
 *
 * Slower at once, faster one step at a time, after a minute in which nothing spoke against it.
 * Lines wait meanwhile, or are lost and stated, as when they come faster than answers.
 */
#ifndef LC_PACE_H
#define LC_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define LC_PACE_NEAR_MC 5000 /* 1/1000 C below the limit: half pace; at it: a quarter */
#define LC_PACE_BACK_MC 3000 /* so much cooler before it goes back */
#define LC_PACE_CALM_MS 60000u
#define LC_PACE_REST_MAX_MS 5000u /* an alarm must not wait for longer */

typedef enum lc_pace_level {
    LC_PACE_FULL,
    LC_PACE_HALF,
    LC_PACE_QUARTER,
    LC_PACE_LEVELS
} lc_pace_level;

/* What the board shows; flags as a Raspberry Pi's firmware has them. */
#define LC_SIGN_UNDERVOLTAGE 1u
#define LC_SIGN_CAPPED 2u
#define LC_SIGN_THROTTLED 4u
#define LC_SIGN_HOT 8u

typedef struct lc_signs {
    bool has_margin;
    int32_t margin_mc; /* to the temperature at which the board slows down */
    uint32_t flags;    /* of now */
} lc_signs;

typedef struct lc_pace {
    uint8_t level;    /* lc_pace_level */
    const char *why;  /* static: temperature, undervoltage ...; "" at full pace */
    uint64_t calm_ms; /* since when less would do */
    uint64_t rested_ms;
} lc_pace;

const char *lc_pace_word(uint32_t level);
void lc_pace_init(lc_pace *pace);
/* True when the level changed. */
bool lc_pace_look(lc_pace *pace, uint64_t now_ms, const lc_signs *signs);
/* How long to pause after a line that took so long. */
uint64_t lc_pace_rest(lc_pace *pace, uint64_t took_ms);

#endif
