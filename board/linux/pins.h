/* pins.h - the daemon's GPIO lines: outputs that labels move, inputs that trigger, acknowledge or
 * gate. A line that cannot be had, or goes away, is told once and asked for again; nothing waits.
 */
#ifndef LC_PINS_H
#define LC_PINS_H

#include "config.h"
#include "gpio.h"
#include "loop.h"

#define LC_PIN_RETRY_MIN_MS 1000u
#define LC_PIN_RETRY_MAX_MS 60000u
#define LC_PIN_LOOK_MS 5000u /* whether the chip is still there */

struct lc_pins;

typedef struct lc_pin {
    const char *name; /* for people */
    lc_gpio_request request;
    lc_gpio gpio;
    struct lc_pins *pins;
    bool safe;         /* of an output */
    bool active;       /* output: as ordered; input: as last told */
    bool told;         /* that it cannot be had */
    uint64_t retry_ms; /* closed: when to ask again; open: when to look at it */
    uint32_t wait_ms;
    lc_watch watch;     /* of an input */
    uint64_t settle_ms; /* an edge came: its level counts from then on; UINT64_MAX: none */
    uint32_t debounce_ms;
    uint32_t index; /* of the config's inputs */
} lc_pin;

/* An input became active or not, and stayed so for its debounce time. Also told once after opening.
 */
typedef void lc_pin_changed(void *ctx, uint32_t index, bool active);

typedef struct lc_pins {
    lc_pin out[LC_CONFIG_PINS_MAX], in[LC_CONFIG_INPUTS_MAX];
    uint32_t out_count, in_count;
    lc_loop *loop;
    lc_pin_changed *changed;
    void *ctx;
    uint64_t lost; /* times a line went away */
} lc_pins;

/* Asks for all lines of the config; those that cannot be had come later. Outputs begin safe. */
void lc_pins_open(lc_pins *pins, const lc_config *config, lc_loop *loop, lc_pin_changed *changed,
                  void *ctx);
/* Outputs go to their safe level before they are given back. */
void lc_pins_close(lc_pins *pins);
/* False: it is not there; it will have this level when it comes. */
bool lc_pins_set(lc_pins *pins, uint32_t output, bool active);
/* Only the safe levels: for the last moment of a program that failed. */
void lc_pins_rest(lc_pins *pins);
/* Asks again, settles inputs; returns when to call next. */
uint64_t lc_pins_tick(lc_pins *pins, uint64_t now_ms);
uint32_t lc_pins_missing(const lc_pins *pins);

#endif
