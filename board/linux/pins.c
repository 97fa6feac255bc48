#include "pins.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "log.h"

/* ---- having and losing a line ---- */

static const char *reason_of(lc_err err)
{
    switch (err) {
    case LC_ERR_BUSY:
        return "another program holds it";
    case LC_ERR_NOT_FOUND:
        return "there is no such chip or line";
    case LC_ERR_UNSUPPORTED:
        return "built without libgpiod";
    default:
        return errno ? lc_log_reason(errno) : "the chip does not answer";
    }
}

static void tell(lc_pin *pin, lc_err err)
{
    const lc_gpio_request *r = &pin->request;
    if (!pin->told && r->name) {
        lc_log(LC_LOG_WARNING, "pin %s (%s line %s): %s; trying again", pin->name, r->chip, r->name,
               reason_of(err));
    } else if (!pin->told) {
        lc_log(LC_LOG_WARNING, "pin %s (%s line %u): %s; trying again", pin->name, r->chip,
               r->offset, reason_of(err));
    }
    pin->told = true;
}

static void pin_close(lc_pin *pin)
{
    lc_loop_forget(pin->pins->loop, &pin->watch);
    lc_gpio_close(&pin->gpio);
}

static void pin_wait(lc_pin *pin, uint64_t now_ms)
{
    uint32_t twice = 2 * pin->wait_ms;
    pin->retry_ms = now_ms + pin->wait_ms;
    pin->wait_ms = twice > LC_PIN_RETRY_MAX_MS ? LC_PIN_RETRY_MAX_MS : twice;
}

static void pin_lose(lc_pin *pin, uint64_t now_ms, lc_err err)
{
    pin->pins->lost++;
    pin->settle_ms = UINT64_MAX;
    tell(pin, err);
    pin_close(pin);
    pin_wait(pin, now_ms);
}

static void edges_come(void *ctx, uint32_t events);

static void pin_open(lc_pin *pin, uint64_t now_ms)
{
    pin->request.active = pin->active;
    lc_err err = lc_gpio_open(&pin->request, &pin->gpio);
    if (err == LC_OK && !pin->request.output) {
        err = lc_loop_watch(pin->pins->loop, &pin->watch, lc_gpio_fd(&pin->gpio), EPOLLIN,
                            edges_come, pin);
        pin->settle_ms = now_ms; /* its level now is news, too */
    }
    if (err != LC_OK) {
        tell(pin, err);
        pin_close(pin);
        pin->retry_ms = UINT64_MAX;
        if (err != LC_ERR_UNSUPPORTED) {
            pin_wait(pin, now_ms);
        }
        return;
    }
    if (pin->told) {
        lc_log(LC_LOG_NOTICE, "pin %s: there", pin->name);
    }
    pin->told = false;
    pin->wait_ms = LC_PIN_RETRY_MIN_MS;
    pin->retry_ms = now_ms + LC_PIN_LOOK_MS;
}

/* ---- inputs ---- */

static void edges_come(void *ctx, uint32_t events)
{
    lc_pin *pin = ctx;
    lc_gpio_edge edge;
    lc_err err = events & (EPOLLERR | EPOLLHUP) ? LC_ERR_IO : LC_OK;
    uint64_t now_ms = lc_loop_now_ms();
    while (err == LC_OK) {
        err = lc_gpio_read(&pin->gpio, &edge);
        if (err == LC_OK) {
            pin->settle_ms = now_ms + pin->debounce_ms;
        }
    }
    if (err != LC_ERR_NOT_FOUND) {
        errno = 0;
        pin_lose(pin, now_ms, err);
    }
}

static void pin_settle(lc_pin *pin, uint64_t now_ms)
{
    bool active;
    pin->settle_ms = UINT64_MAX;
    if (lc_gpio_get(&pin->gpio, &active) != LC_OK) {
        pin_lose(pin, now_ms, LC_ERR_IO);
    } else if (active != pin->active) {
        pin->active = active;
        pin->pins->changed(pin->pins->ctx, pin->index, active);
    }
}

/* ---- all of them ---- */

static lc_pin *pin_at(lc_pins *pins, uint32_t i)
{
    return i < pins->out_count ? &pins->out[i] : &pins->in[i - pins->out_count];
}

static void pin_init(lc_pins *pins, lc_pin *pin)
{
    pin->pins = pins;
    pin->watch.fd = -1;
    pin->wait_ms = LC_PIN_RETRY_MIN_MS;
    pin->settle_ms = UINT64_MAX;
    pin_open(pin, lc_loop_now_ms());
}

void lc_pins_open(lc_pins *pins, const lc_config *config, lc_loop *loop, lc_pin_changed *changed,
                  void *ctx)
{
    *pins = (lc_pins){.loop = loop, .changed = changed, .ctx = ctx};
    for (uint32_t i = 0; i < config->pin_count; i++) {
        const lc_config_pin *c = &config->pin[i];
        lc_pin *pin = &pins->out[pins->out_count++];
        *pin = (lc_pin){.name = c->name, .safe = c->safe == 1, .active = c->safe == 1};
        pin->request = (lc_gpio_request){.chip = c->chip,
                                         .name = c->line_name[0] ? c->line_name : NULL,
                                         .offset = c->line,
                                         .output = true,
                                         .active_low = c->active_low};
        pin_init(pins, pin);
    }
    for (uint32_t i = 0; i < config->input_count; i++) {
        const lc_config_input *c = &config->input[i];
        if (c->kind != LC_INPUT_GPIO) {
            continue;
        }
        lc_pin *pin = &pins->in[pins->in_count++];
        *pin = (lc_pin){.name = c->id, .index = i, .debounce_ms = c->debounce_ms};
        pin->request = (lc_gpio_request){.chip = c->chip,
                                         .name = c->line_name[0] ? c->line_name : NULL,
                                         .offset = c->line,
                                         .active_low = c->active_low};
        pin_init(pins, pin);
    }
}

void lc_pins_rest(lc_pins *pins)
{
    for (uint32_t i = 0; i < pins->out_count; i++) {
        if (lc_gpio_is_open(&pins->out[i].gpio)) {
            (void)!lc_gpio_set(&pins->out[i].gpio, pins->out[i].safe);
        }
    }
}

void lc_pins_close(lc_pins *pins)
{
    lc_pins_rest(pins);
    for (uint32_t i = 0; i < pins->out_count + pins->in_count; i++) {
        pin_close(pin_at(pins, i));
    }
    pins->out_count = pins->in_count = 0;
}

bool lc_pins_set(lc_pins *pins, uint32_t output, bool active)
{
    lc_assert(output < pins->out_count);
    lc_pin *pin = &pins->out[output];
    pin->active = active;
    errno = 0;
    if (lc_gpio_is_open(&pin->gpio) && lc_gpio_set(&pin->gpio, active) != LC_OK) {
        pin_lose(pin, lc_loop_now_ms(), LC_ERR_IO);
    }
    return lc_gpio_is_open(&pin->gpio);
}

/* A chip that was taken away tells nobody: its lines are asked now and then. */
static void pin_look(lc_pin *pin, uint64_t now_ms)
{
    bool active;
    errno = 0;
    if (lc_gpio_get(&pin->gpio, &active) != LC_OK) {
        pin_lose(pin, now_ms, LC_ERR_IO);
    } else {
        pin->retry_ms = now_ms + LC_PIN_LOOK_MS;
    }
}

uint64_t lc_pins_tick(lc_pins *pins, uint64_t now_ms)
{
    uint64_t wake = UINT64_MAX;
    for (uint32_t i = 0; i < pins->out_count + pins->in_count; i++) {
        lc_pin *pin = pin_at(pins, i);
        if (now_ms >= pin->settle_ms) {
            pin_settle(pin, now_ms);
        }
        if (now_ms >= pin->retry_ms) {
            (lc_gpio_is_open(&pin->gpio) ? pin_look : pin_open)(pin, now_ms);
        }
        wake = pin->settle_ms < wake ? pin->settle_ms : wake;
        wake = pin->retry_ms < wake ? pin->retry_ms : wake;
    }
    return wake;
}

uint32_t lc_pins_missing(const lc_pins *pins)
{
    uint32_t missing = 0;
    for (uint32_t i = 0; i < pins->out_count; i++) {
        missing += !lc_gpio_is_open(&pins->out[i].gpio);
    }
    for (uint32_t i = 0; i < pins->in_count; i++) {
        missing += !lc_gpio_is_open(&pins->in[i].gpio);
    }
    return missing;
}
