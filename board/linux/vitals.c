#include "vitals.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "log.h"

#define ZONES_MAX 16u
#define FLAGS 4u

static const char *const flag_words[FLAGS] = {"undervoltage", "capped", "throttled", "hot"};

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
    for (uint32_t i = 0; i < FLAGS; i++) {
        if (begun >> i & 1u) {
            lc_log(LC_LOG_WARNING, "board: %s%s", flag_words[i],
                   i == 0 ? "; its power supply is too weak" : "");
        }
    }
}

static void list_put(uint32_t flags, lc_text *text)
{
    bool any = false;
    lc_text_add(text, "[");
    for (uint32_t i = 0; i < FLAGS; i++) {
        if (flags >> i & 1u) {
            lc_text_add(text, any ? ",\"" : "\"");
            lc_text_add(text, flag_words[i]);
            lc_text_add(text, "\"");
            any = true;
        }
    }
    lc_text_add(text, "]");
}

void lc_vitals_put(const lc_vitals *vitals, lc_text *text)
{
    char number[32];
    snprintf(number, sizeof number, "{\"load\":%u.%02u", vitals->load_pct / 100,
             vitals->load_pct % 100);
    lc_text_add(text, number);
    if (vitals->has_temp) {
        snprintf(number, sizeof number, ",\"temp_c\":%.1f", vitals->temp_mc / 1000.0);
        lc_text_add(text, number);
    }
    if (vitals->has_throttle) {
        lc_text_add(text, ",\"throttled\":");
        list_put(vitals->throttle, text);
        lc_text_add(text, ",\"throttled_since_on\":");
        list_put(vitals->throttle >> 16, text);
    }
    if (vitals->storage_free_kb > 0) {
        lc_text_add(text, ",\"storage_free_kb\":");
        lc_text_u64(text, vitals->storage_free_kb);
    }
    lc_text_add(text, "}");
}
