#include "power.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MODEL "/proc/device-tree/model"
#define MS_PER_HOUR 3600000u

/* Published measurements at the supply, without a display or USB devices: idle, and four cores at
 * `stress`. 3 and 4: pidramble.com (J. Geerling). Zero 2 W: idle cnx-software.com of 2021-12-09,
 * busy from A. Jacobs (270 mA more than a Zero W) and pidramble's 240 mA of a Zero. 5: J. Geerling
 * in sbc-reviews #21, by a meter that others there find low. */
static const struct {
    const char *model; /* how its name begins */
    uint32_t idle_mw, busy_mw;
} boards[] = {
    {"Raspberry Pi Zero 2 W", 600, 2600},   {"Raspberry Pi 3 Model B Plus", 1900, 5100},
    {"Raspberry Pi 3 Model B", 1400, 3700}, {"Raspberry Pi 4 Model B", 2700, 6400},
    {"Raspberry Pi 5", 1800, 7900},
};

void lc_board_name(const char *root, char *out, size_t max)
{
    char path[LC_CONFIG_PATH_MAX + sizeof MODEL];
    snprintf(path, sizeof path, "%s%s", root, MODEL);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, out, max - 1) : 0;
    if (fd >= 0) {
        close(fd);
    }
    out[got > 0 ? got : 0] = '\0'; /* the file ends with one of its own */
    out[strcspn(out, "\n")] = '\0';
}

void lc_power_find(const lc_config *config, lc_power *power)
{
    char name[96];
    *power = (lc_power){.cores = 4};
    lc_board_name(config->board_root, name, sizeof name);
    for (size_t i = 0; i < sizeof boards / sizeof boards[0] && power->idle_mw == 0; i++) {
        if (strncmp(name, boards[i].model, strlen(boards[i].model)) == 0) {
            power->idle_mw = boards[i].idle_mw;
            power->busy_mw = boards[i].busy_mw;
        }
    }
    if (config->idle_w > 0 && config->busy_w >= config->idle_w) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        *power = (lc_power){.idle_mw = (uint32_t)(config->idle_w * 1000.0),
                            .busy_mw = (uint32_t)(config->busy_w * 1000.0),
                            .cores = cores > 0 ? (uint32_t)cores : 1};
    }
}

uint64_t lc_power_mwh(const lc_power *power, uint64_t up_ms, uint64_t cpu_us)
{
    if (power->idle_mw == 0) {
        return 0;
    }
    uint64_t work = (power->busy_mw - power->idle_mw) * (cpu_us / 1000u) / power->cores;
    return (power->idle_mw * up_ms + work) / MS_PER_HOUR;
}
