/* gpio.h - one GPIO line: an output, or an input whose edges are told. libgpiod behind it.
 *
 * libgpiod 1.6 (Debian 12) and 2.x (Debian 13) have different interfaces: gpio_v1.c and gpio_v2.c,
 * of which the installed gpiod.h chooses one; without it gpio.c says UNSUPPORTED.
 * No call waits: edges are read when the descriptor is ready.
 */
#ifndef LC_GPIO_H
#define LC_GPIO_H

#include <stdbool.h>
#include <stdint.h>

#include "../../runtime/err.h"

#if __has_include(<gpiod.h>) && !defined(LC_NO_GPIOD)
#include <gpiod.h>
#ifdef GPIOD_LINE_BULK_MAX_LINES /* in every 1.x and in no 2.x, which has no version macro */
#define LC_GPIO_API 1
#else
#define LC_GPIO_API 2
#endif
#else
#define LC_GPIO_API 0
#endif

#define LC_GPIO_CONSUMER "leafcutter" /* who holds the line, as gpioinfo shows it */

typedef struct lc_gpio_request {
    const char *chip; /* "gpiochip0", its path, or its label */
    const char *name; /* of the line on that chip; NULL: offset says which */
    uint32_t offset;
    bool output;
    bool active_low;
    bool active; /* an output's first value */
} lc_gpio_request;

/* A line that is held. Zeroed: closed. */
typedef struct lc_gpio {
    void *chip, *line, *events; /* the library's */
    uint32_t offset;
} lc_gpio;

typedef struct lc_gpio_edge {
    bool active; /* what the input became */
    uint64_t us; /* CLOCK_MONOTONIC */
} lc_gpio_edge;

/* Whether there is such a chip, by any of its names. NOT_FOUND, UNSUPPORTED, IO: as below. */
lc_err lc_gpio_look(const char *chip) LC_CHECKED;
/* lc_gpio_open - asks for a line. Errors, with errno where the system gave one:
 *   NOT_FOUND    no such chip, no such line on it
 *   BUSY         another program holds it
 *   UNSUPPORTED  this program was built without libgpiod
 *   IO           anything else, such as missing rights
 */
lc_err lc_gpio_open(const lc_gpio_request *request, lc_gpio *gpio) LC_CHECKED;
void lc_gpio_close(lc_gpio *gpio);
bool lc_gpio_is_open(const lc_gpio *gpio);
/* IO: the chip has gone. */
lc_err lc_gpio_set(lc_gpio *gpio, bool active) LC_CHECKED;
lc_err lc_gpio_get(lc_gpio *gpio, bool *active) LC_CHECKED;
/* Ready to read when an edge came; an error on it means that the chip has gone. */
int lc_gpio_fd(const lc_gpio *gpio);
/* The oldest edge that has not been read. NOT_FOUND: none; IO: the chip has gone. */
lc_err lc_gpio_read(lc_gpio *gpio, lc_gpio_edge *edge) LC_CHECKED;
/* "libgpiod 1"; "none". */
const char *lc_gpio_library(void);
/* What an errno of the library means, for its two files. */
lc_err lc_gpio_err(int error);

#endif
