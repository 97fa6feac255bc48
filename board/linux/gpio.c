/* gpio.c - what both libgpiods have in common, and what stands in where neither was there when this
 * was built: pins are refused, everything else works. */
#include "gpio.h"

#include <errno.h>

lc_err lc_gpio_err(int error)
{
    switch (error) {
    case EBUSY:
        return LC_ERR_BUSY;
    case ENOENT:
    case ENODEV:
    case EINVAL: /* an offset that the chip does not have */
        return LC_ERR_NOT_FOUND;
    default:
        return LC_ERR_IO;
    }
}

#if LC_GPIO_API == 0

lc_err lc_gpio_look(const char *chip)
{
    (void)chip;
    return LC_ERR_UNSUPPORTED;
}

lc_err lc_gpio_open(const lc_gpio_request *request, lc_gpio *gpio)
{
    (void)request;
    *gpio = (lc_gpio){0};
    return LC_ERR_UNSUPPORTED;
}

void lc_gpio_close(lc_gpio *gpio)
{
    *gpio = (lc_gpio){0};
}

bool lc_gpio_is_open(const lc_gpio *gpio)
{
    (void)gpio;
    return false;
}

lc_err lc_gpio_set(lc_gpio *gpio, bool active)
{
    (void)gpio;
    (void)active;
    return LC_ERR_UNSUPPORTED;
}

lc_err lc_gpio_get(lc_gpio *gpio, bool *active)
{
    (void)gpio;
    (void)active;
    return LC_ERR_UNSUPPORTED;
}

int lc_gpio_fd(const lc_gpio *gpio)
{
    (void)gpio;
    return -1;
}

lc_err lc_gpio_read(lc_gpio *gpio, lc_gpio_edge *edge)
{
    (void)gpio;
    (void)edge;
    return LC_ERR_UNSUPPORTED;
}

const char *lc_gpio_library(void)
{
    return "none";
}

#endif
