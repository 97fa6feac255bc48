/* gpio_v2.c - lines through libgpiod 2.x. */
#include "gpio.h"

#if LC_GPIO_API == 2

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define PATH_BYTES 288 /* /dev/ and a name of the longest kind */

static bool has_label(struct gpiod_chip *chip, const char *label)
{
    struct gpiod_chip_info *info = gpiod_chip_get_info(chip);
    bool same = info && strcmp(gpiod_chip_info_get_label(info), label) == 0;
    gpiod_chip_info_free(info);
    return same;
}

/* The first chip with this label. */
static struct gpiod_chip *chip_by_label(const char *label)
{
    DIR *dev = opendir("/dev");
    struct gpiod_chip *found = NULL;
    struct dirent *entry;
    while (dev && !found && (entry = readdir(dev))) {
        char path[PATH_BYTES];
        (void)snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        if (strncmp(entry->d_name, "gpiochip", 8) != 0 || !gpiod_is_gpiochip_device(path)) {
            continue;
        }
        struct gpiod_chip *chip = gpiod_chip_open(path);
        if (chip && has_label(chip, label)) {
            found = chip;
        } else if (chip) {
            gpiod_chip_close(chip);
        }
    }
    if (dev) {
        closedir(dev);
    }
    errno = found ? 0 : ENOENT;
    return found;
}

static struct gpiod_chip *chip_open(const char *name)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s%s", name[0] == '/' ? "" : "/dev/", name);
    if (n < (int)sizeof path && gpiod_is_gpiochip_device(path)) {
        return gpiod_chip_open(path);
    }
    return chip_by_label(name);
}

lc_err lc_gpio_look(const char *name)
{
    struct gpiod_chip *chip = chip_open(name);
    if (!chip) {
        return lc_gpio_err(errno ? errno : ENOENT);
    }
    gpiod_chip_close(chip);
    return LC_OK;
}

static bool settings_fill(struct gpiod_line_settings *s, const lc_gpio_request *r)
{
    gpiod_line_settings_set_active_low(s, r->active_low);
    if (r->output) {
        enum gpiod_line_value value =
            r->active ? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE;
        return gpiod_line_settings_set_direction(s, GPIOD_LINE_DIRECTION_OUTPUT) == 0 &&
               gpiod_line_settings_set_output_value(s, value) == 0;
    }
    return gpiod_line_settings_set_direction(s, GPIOD_LINE_DIRECTION_INPUT) == 0 &&
           gpiod_line_settings_set_edge_detection(s, GPIOD_LINE_EDGE_BOTH) == 0;
}

/* Asks for the line; gpio->chip is open. Leaves errno when it fails. */
static bool line_request(lc_gpio *gpio, const lc_gpio_request *r)
{
    struct gpiod_line_settings *settings = gpiod_line_settings_new();
    struct gpiod_line_config *config = gpiod_line_config_new();
    struct gpiod_request_config *who = gpiod_request_config_new();
    errno = settings && config && who ? 0 : ENOMEM;
    if (errno == 0 && settings_fill(settings, r) &&
        gpiod_line_config_add_line_settings(config, &gpio->offset, 1, settings) == 0) {
        gpiod_request_config_set_consumer(who, LC_GPIO_CONSUMER);
        gpio->line = gpiod_chip_request_lines(gpio->chip, who, config);
    }
    int error = errno;
    gpiod_request_config_free(who);
    gpiod_line_config_free(config);
    gpiod_line_settings_free(settings);
    errno = error;
    return gpio->line != NULL;
}

static bool line_open(lc_gpio *gpio, const lc_gpio_request *r)
{
    int offset =
        r->name ? gpiod_chip_get_line_offset_from_name(gpio->chip, r->name) : (int)r->offset;
    if (offset < 0) {
        return false;
    }
    gpio->offset = (uint32_t)offset;
    gpio->events = r->output ? NULL : gpiod_edge_event_buffer_new(1);
    return (r->output || gpio->events) && line_request(gpio, r);
}

lc_err lc_gpio_open(const lc_gpio_request *request, lc_gpio *gpio)
{
    lc_gpio g = {0};
    errno = 0;
    g.chip = chip_open(request->chip);
    if (!g.chip || !line_open(&g, request)) {
        int error = errno ? errno : ENOENT;
        lc_gpio_close(&g);
        errno = error;
        return lc_gpio_err(error);
    }
    *gpio = g;
    return LC_OK;
}

void lc_gpio_close(lc_gpio *gpio)
{
    if (gpio->line) {
        gpiod_line_request_release(gpio->line);
    }
    if (gpio->events) {
        gpiod_edge_event_buffer_free(gpio->events);
    }
    if (gpio->chip) {
        gpiod_chip_close(gpio->chip);
    }
    *gpio = (lc_gpio){0};
}

bool lc_gpio_is_open(const lc_gpio *gpio)
{
    return gpio->line != NULL;
}

lc_err lc_gpio_set(lc_gpio *gpio, bool active)
{
    enum gpiod_line_value value = active ? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE;
    return gpiod_line_request_set_value(gpio->line, gpio->offset, value) == 0 ? LC_OK : LC_ERR_IO;
}

lc_err lc_gpio_get(lc_gpio *gpio, bool *active)
{
    enum gpiod_line_value value = gpiod_line_request_get_value(gpio->line, gpio->offset);
    if (value == GPIOD_LINE_VALUE_ERROR) {
        return LC_ERR_IO;
    }
    *active = value == GPIOD_LINE_VALUE_ACTIVE;
    return LC_OK;
}

int lc_gpio_fd(const lc_gpio *gpio)
{
    return gpiod_line_request_get_fd(gpio->line);
}

lc_err lc_gpio_read(lc_gpio *gpio, lc_gpio_edge *edge)
{
    struct pollfd ready = {.fd = lc_gpio_fd(gpio), .events = POLLIN};
    int count = poll(&ready, 1, 0);
    if (count < 0 || (ready.revents & (POLLERR | POLLHUP | POLLNVAL))) {
        return LC_ERR_IO;
    }
    if (count == 0) {
        return LC_ERR_NOT_FOUND;
    }
    if (gpiod_line_request_read_edge_events(gpio->line, gpio->events, 1) != 1) {
        return LC_ERR_IO;
    }
    struct gpiod_edge_event *event = gpiod_edge_event_buffer_get_event(gpio->events, 0);
    edge->active = gpiod_edge_event_get_event_type(event) == GPIOD_EDGE_EVENT_RISING_EDGE;
    edge->us = gpiod_edge_event_get_timestamp_ns(event) / 1000u;
    return LC_OK;
}

const char *lc_gpio_library(void)
{
    return "libgpiod 2";
}

#endif
