#include "vitals.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "../../runtime/err.h"
#include "log.h"

#define ZONES_MAX 16u
#define TRIPS_MAX 12u
#define TRIP_MIN_MC 40000 /* one below is no limit of a running board */
#define FIRMWARE_MC 80000 /* where a Raspberry Pi's firmware begins to slow the cores */
#define BELOW_CRITICAL_MC 15000

static const char *const flag_words[LC_VITALS_FLAGS] = {"undervoltage", "capped", "throttled",
                                                        "hot"};

/* The beginning of a small file as text; its length, 0 when there is none. */
static size_t file_read(const char *root, const char *path, char *text, size_t max)
{
    char full[512];
    int n = snprintf(full, sizeof full, "%s%s", root, path);
    int fd = n > 0 && (size_t)n < sizeof full ? open(full, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t got = fd >= 0 ? read(fd, text, max - 1) : 0;
    if (fd >= 0) {
        close(fd);
    }
    text[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

static bool number_read(const char *root, const char *path, int base, long *value)
{
    char text[32], *end;
    if (file_read(root, path, text, sizeof text) == 0) {
        return false;
    }
    *value = strtol(text, &end, base);
    return end > text;
}

/* The lowest trip of this kind, LONG_MAX: none. */
static long trip_read(const char *root, unsigned zone, const char *kind)
{
    char path[80], word[16];
    long least = LONG_MAX, value;
    for (unsigned i = 0; i < TRIPS_MAX; i++) {
        snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%u/trip_point_%u_type", zone,
                 i);
        if (file_read(root, path, word, sizeof word) == 0) {
            break;
        }
        snprintf(path, sizeof path, "/sys/class/thermal/thermal_zone%u/trip_point_%u_temp", zone,
                 i);
        if (strncmp(word, kind, strlen(kind)) == 0 && number_read(root, path, 10, &value) &&
            value >= TRIP_MIN_MC && value < least) {
            least = value;
        }
    }
    return least;
}

/* Where the board slows itself down: where the kernel does, else where a Raspberry Pi's firmware
 * does, else some way below where the kernel switches off. */
static long limit_read(const char *root, unsigned zone, bool firmware)
{
    long passive = trip_read(root, zone, "passive");
    if (passive != LONG_MAX || firmware) {
        return firmware && passive > FIRMWARE_MC ? FIRMWARE_MC : passive;
    }
    long critical = trip_read(root, zone, "critical");
    return critical == LONG_MAX ? critical : critical - BELOW_CRITICAL_MC;
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
        long limit = limit_read(root, i, v->has_throttle);
        if (limit != LONG_MAX && (!v->has_margin || limit - value < v->margin_mc)) {
            v->has_margin = true;
            v->margin_mc = (int32_t)(limit - value);
        }
    }
}

void lc_vitals_read(const char *root, const char *storage, lc_vitals *vitals)
{
    struct statvfs disk;
    double load = 0.0;
    long flags;
    *vitals = (lc_vitals){0};
    vitals->has_throttle =
        number_read(root, "/sys/devices/platform/soc/soc:firmware/get_throttled", 16, &flags);
    if (vitals->has_throttle) {
        vitals->throttle = (uint32_t)flags;
    }
    temperature_read(root, vitals);
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
