#include "vitals.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../../runtime/err.h"
#include "log.h"

#define ZONES_MAX 16u

static const char *const flag_words[LC_VITALS_FLAGS] = {"undervoltage", "capped", "throttled",
                                                        "hot"};

/* A number in a small file. */
static bool number_read(const char *root, const char *path, int base, long *value)
{
    char full[512], text[32], *end;
    int n = snprintf(full, sizeof full, "%s%s", root, path);
    int fd = n > 0 && (size_t)n < sizeof full ? open(full, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        return false;
    }
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    *value = strtol(text, &end, base);
    return end > text;
}

static void temperature_read(const char *root, lc_vitals *v)
{
    char path[64];
    long value;
    for (unsigned i = 0; i < ZONES_MAX; i++) {
        snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%u/temp", i);
        if (!number_read(root, path, 10, &value) || value < -100000 || value > 200000) {
            continue;
        }
        if (!v->has_temp || value > v->temp_mc) {
            v->temp_mc = (int32_t)value;
        }
        v->has_temp = true;
    }
}

void lc_vitals_read(const char *root, const char *storage, lc_vitals *vitals)
{
    struct statvfs disk;
    double load = 0.0;
    long flags;
    *vitals = (lc_vitals){0};
    temperature_read(root, vitals);
    vitals->has_throttle =
        number_read(root, "/sys/devices/platform/soc/soc:firmware/get_throttled", 16, &flags);
    if (vitals->has_throttle) {
        vitals->throttle = (uint32_t)flags;
    }
    if (getloadavg(&load, 1) == 1) {
        vitals->load_pct = (uint32_t)(100.0 * load);
    }
    if (storage[0] && statvfs(storage, &disk) == 0) {
        vitals->storage_free_kb = (uint64_t)disk.f_bavail * disk.f_frsize / 1024u;
    }
}

void lc_vitals_tell(const lc_vitals *before, const lc_vitals *now)
{
    uint32_t begun = now->throttle & ~before->throttle;
    for (uint32_t i = 0; i < LC_VITALS_FLAGS; i++) {
        if (begun >> i & 1u) {
            lc_log(LC_LOG_WARNING, "board: %s%s", flag_words[i],
                   i == 0 ? "; its power supply is too weak" : "");
        }
    }
}

const char *lc_vitals_word(uint32_t bit)
{
    lc_assert(bit < LC_VITALS_FLAGS);
    return flag_words[bit];
}
