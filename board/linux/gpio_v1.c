/* gpio_v1.c - lines through libgpiod 1.x. */
/* Debian 12 built it with 32-bit times where a word has 32 bits; a time is part of its events. */
#undef _TIME_BITS
#include "gpio.h"

#if LC_GPIO_API == 1

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

lc_err lc_gpio_look(const char *name)
{
    errno = 0;
    struct gpiod_chip *chip = gpiod_chip_open_lookup(name);
    if (!chip) {
        return lc_gpio_err(errno ? errno : ENOENT);
    }
    gpiod_chip_close(chip);
    return LC_OK;
}

static struct gpiod_line *line_find(struct gpiod_chip *chip, const lc_gpio_request *r)
{
    return r->name ? gpiod_chip_find_line(chip, r->name) : gpiod_chip_get_line(chip, r->offset);
}

static int line_request(struct gpiod_line *line, const lc_gpio_request *r)
{
    int flags = r->active_low ? GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW : 0;
    if (r->output) {
        return gpiod_line_request_output_flags(line, LC_GPIO_CONSUMER, flags, r->active);
    }
    return gpiod_line_request_both_edges_events_flags(line, LC_GPIO_CONSUMER, flags);
}

lc_err lc_gpio_open(const lc_gpio_request *request, lc_gpio *gpio)
{
    errno = 0;
    struct gpiod_chip *chip = gpiod_chip_open_lookup(request->chip);
    if (!chip) {
        return lc_gpio_err(errno ? errno : ENOENT);
    }
    errno = 0;
    struct gpiod_line *line = line_find(chip, request);
    if (!line || line_request(line, request) != 0) {
        int error = errno ? errno : ENOENT;
        gpiod_chip_close(chip);
        errno = error;
        return lc_gpio_err(error);
    }
    *gpio = (lc_gpio){.chip = chip, .line = line, .offset = gpiod_line_offset(line)};
    return LC_OK;
}

void lc_gpio_close(lc_gpio *gpio)
{
    if (gpio->chip) {
        gpiod_chip_close(gpio->chip); /* gives its lines back, too */
    }
    *gpio = (lc_gpio){0};
}

bool lc_gpio_is_open(const lc_gpio *gpio)
{
    return gpio->chip != NULL;
}

lc_err lc_gpio_set(lc_gpio *gpio, bool active)
{
    return gpiod_line_set_value(gpio->line, active) == 0 ? LC_OK : LC_ERR_IO;
}

lc_err lc_gpio_get(lc_gpio *gpio, bool *active)
{
    int value = gpiod_line_get_value(gpio->line);
    if (value < 0) {
        return LC_ERR_IO;
    }
    *active = value != 0;
    return LC_OK;
}

int lc_gpio_fd(const lc_gpio *gpio)
{
    return gpiod_line_event_get_fd(gpio->line);
}

lc_err lc_gpio_read(lc_gpio *gpio, lc_gpio_edge *edge)
{
    struct gpiod_line_event event;
    struct pollfd ready = {.fd = lc_gpio_fd(gpio), .events = POLLIN};
    int count = poll(&ready, 1, 0);
    if (count < 0 || (ready.revents & (POLLERR | POLLHUP | POLLNVAL))) {
        return LC_ERR_IO;
    }
    if (count == 0) {
        return LC_ERR_NOT_FOUND;
    }
    if (gpiod_line_event_read(gpio->line, &event) != 0) {
        return LC_ERR_IO;
    }
    edge->active = event.event_type == GPIOD_LINE_EVENT_RISING_EDGE;
    edge->us = (uint64_t)event.ts.tv_sec * 1000000u + (uint64_t)event.ts.tv_nsec / 1000u;
    return LC_OK;
}

const char *lc_gpio_library(void)
{
    return "libgpiod 1";
}

#endif
