/* board.c - clock, kernels, devices, storage, and whether the daemon runs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "../../board/linux/cpu.h"
#include "../../board/linux/ear.h"
#include "../../board/linux/gpio.h"
#include "../../board/linux/pcm.h"
#include "../../board/linux/sensors.h"
#include "../../board/linux/serial.h"
#include "../../board/linux/sound.h"
#include "../../board/linux/status.h"
#include "../machine.h"
#include "doctor.h"

#define SECONDS_2020 1577836800 /* a clock before that was never set */
#define SKEW_S 60               /* between the system's clock and the chip's */
#define ERROR_MS 1000.0         /* the kernel's own estimate */
#define SLOW_SYNC_MS 500.0

/* ---- clock ---- */

/* Seconds since 1970 of the clock chip; 0 without one. */
static long long chip_clock(void)
{
    FILE *file = fopen("/sys/class/rtc/rtc0/since_epoch", "r");
    long long seconds = 0;
    if (file) {
        if (fscanf(file, "%lld", &seconds) != 1) {
            seconds = 0;
        }
        fclose(file);
    }
    return seconds;
}

void lc_doctor_clock(lc_doctor *d)
{
    struct timex state = {0};
    struct timespec now;
    char chip_text[64] = "no clock chip";
    clock_gettime(CLOCK_REALTIME, &now);
    long long chip = chip_clock();
    long long skew = chip > 0 ? (long long)now.tv_sec - chip : 0;
    bool ntp = adjtimex(&state) >= 0 && !(state.status & STA_UNSYNC);
    double error_ms = (double)state.maxerror / 1000.0;
    if (chip > 0) {
        snprintf(chip_text, sizeof chip_text, "the chip differs by %lld s", skew);
    }
    if (now.tv_sec < SECONDS_2020) {
        lc_doctor_warn(d, "clock", "none: it was never set");
        lc_doctor_remedy(d, "records carry the time since start instead; systemd-timesyncd or a "
                            "clock chip sets it");
    } else if (!ntp) {
        lc_doctor_warn(d, "clock", "rtc: set, but not kept by NTP; %s", chip_text);
        lc_doctor_remedy(d, "systemctl enable --now systemd-timesyncd, and UDP port 123 open");
    } else if (skew > SKEW_S || skew < -SKEW_S) {
        lc_doctor_warn(d, "clock", "ntp, but %s", chip_text);
        lc_doctor_remedy(d, "hwclock --systohc; else it starts wrong at the next boot");
    } else if (error_ms > ERROR_MS) {
        lc_doctor_warn(d, "clock", "ntp, wrong by up to %.0f ms", error_ms);
        lc_doctor_remedy(d, "see timedatectl timesync-status: is the server reached?");
    } else {
        lc_doctor_ok(d, "clock", "ntp, wrong by at most %.0f ms; %s", error_ms, chip_text);
    }
}

/* ---- kernels ---- */

void lc_doctor_kernels(lc_doctor *d)
{
    lc_machine machine;
    uint32_t features = lc_cpu_features();
    const lc_kernels *best = lc_level_best(features);
    const char *cpu;
    lc_machine_read(&machine);
    cpu = machine.cpu[0] ? machine.cpu : "this CPU";
    if (best == lc_level_at(0)) {
        lc_doctor_warn(d, "kernels", "ref: nothing of %s is used", cpu);
        lc_doctor_remedy(d, "answers are the same, but slow: NEON (64-bit Arm) or AVX2 is wanted; "
                            "on a Raspberry Pi use a 64-bit system");
    } else {
        lc_doctor_ok(d, "kernels", "%s, the best for %s (%s)", best->name, cpu, machine.features);
    }
}

/* ---- devices ---- */

static void permission_explain(lc_doctor *d, const char *path)
{
    struct stat info;
    const struct group *group = stat(path, &info) == 0 ? getgrgid(info.st_gid) : NULL;
    lc_doctor_remedy(d, "the daemon's user must be in group %s: usermod -aG %s leafcutter",
                     group ? group->gr_name : "?", group ? group->gr_name : "?");
}

static void serial_check(lc_doctor *d, const lc_config_input *in)
{
    struct stat info;
    if (stat(in->path, &info) != 0) {
        lc_doctor_warn(d, "input", "%s: %s: %s", in->id, in->path, strerror(errno));
        lc_doctor_remedy(d, "is it plugged in? ls /dev/serial/by-id; on a Raspberry Pi enable the "
                            "UART with raspi-config");
        return;
    }
    int fd = lc_serial_open(in->path, in->baud, (lc_serial_flow)in->flow);
    if (fd >= 0) {
        close(fd);
        lc_doctor_ok(d, "input", "%s: %s opens at %u baud", in->id, in->path, in->baud);
    } else if (errno == EACCES || errno == EPERM) {
        lc_doctor_fail(d, LC_EXIT_BOARD, "input", "%s: %s: not permitted", in->id, in->path);
        permission_explain(d, in->path);
    } else {
        lc_doctor_fail(d, LC_EXIT_BOARD, "input", "%s: %s: %s", in->id, in->path, strerror(errno));
        lc_doctor_remedy(d, "is it a serial line, and does it know %u baud?", in->baud);
    }
}

/* A FIFO is made by the daemon when it is not there. */
static void fifo_check(lc_doctor *d, const lc_config_input *in)
{
    struct stat info;
    if (stat(in->path, &info) != 0) {
        lc_doctor_ok(d, "input", "%s: %s is not there yet; the daemon makes it", in->id, in->path);
    } else if (!S_ISFIFO(info.st_mode)) {
        lc_doctor_fail(d, LC_EXIT_BOARD, "input", "%s: %s is no FIFO", in->id, in->path);
        lc_doctor_remedy(d, "remove it, or use source file");
    } else if (access(in->path, R_OK | W_OK) != 0) {
        lc_doctor_fail(d, LC_EXIT_BOARD, "input", "%s: %s: %s", in->id, in->path, strerror(errno));
        permission_explain(d, in->path);
    } else {
        lc_doctor_ok(d, "input", "%s: FIFO %s", in->id, in->path);
    }
}

static void file_check(lc_doctor *d, const lc_config_input *in)
{
    struct stat info;
    if (stat(in->path, &info) != 0 || access(in->path, R_OK) != 0) {
        lc_doctor_fail(d, LC_EXIT_BOARD, "input", "%s: %s: %s", in->id, in->path, strerror(errno));
        lc_doctor_remedy(d, "inputs[].path must be readable by the daemon's user");
    } else {
        lc_doctor_ok(d, "input", "%s: file %s, %lld bytes", in->id, in->path,
                     (long long)info.st_size);
    }
}

static void pin_check(lc_doctor *d, const char *what, const char *name, const char *chip,
                      uint32_t line)
{
    char path[LC_NAME_BYTES_MAX + 8];
    snprintf(path, sizeof path, "%s%s", chip[0] == '/' ? "" : "/dev/", chip);
    int reason = access(path, R_OK | W_OK) == 0 ? 0 : errno;
    if (reason == ENOENT && lc_gpio_look(chip) == LC_OK) { /* by its label */
        lc_doctor_ok(d, what, "%s: chip %s line %u", name, chip, line);
        return;
    }
    if (reason == 0) {
        lc_doctor_ok(d, what, "%s: %s line %u", name, path, line);
        return;
    }
    lc_doctor_fail(d, LC_EXIT_BOARD, what, "%s: %s: %s", name, path, strerror(reason));
    if (reason == ENOENT) {
        lc_doctor_remedy(d, "gpiodetect lists the chips of this board");
    } else {
        permission_explain(d, path);
    }
}

static void sensor_check(lc_doctor *d, const lc_config_input *in)
{
    lc_sensor sensor = {.config = in};
    double value;
    const char *why = lc_sensor_read(&sensor, &value);
    if (why) {
        lc_doctor_warn(d, "input", "%s: %s: %s", in->id, in->path, why);
        lc_doctor_remedy(d, "is its driver loaded? ls /sys/class/hwmon /sys/bus/iio/devices");
    } else {
        lc_doctor_ok(d, "input", "%s: %s gives %g", in->id, sensor.path, value);
    }
}

static void device_check(lc_doctor *d, const char *what, const char *name, const char *device,
                         bool capture)
{
    lc_pcm pcm;
    lc_err err = lc_pcm_open(&pcm, device, capture, capture ? LC_EAR_RATE : LC_SOUND_RATE);
    if (err == LC_OK) {
        lc_pcm_close(&pcm);
        lc_doctor_ok(d, what, "%s: sound device %s", name, device);
    } else {
        lc_doctor_fail(d, LC_EXIT_BOARD, what, "%s: sound device %s: %s", name, device,
                       lc_err_text(err));
        lc_doctor_remedy(d, "%s -l lists the devices; the daemon's user must be in group audio",
                         capture ? "arecord" : "aplay");
    }
}

void lc_doctor_inputs(lc_doctor *d)
{
    for (uint32_t i = 0; i < d->config.input_count; i++) {
        const lc_config_input *in = &d->config.input[i];
        switch ((lc_input_kind)in->kind) {
        case LC_INPUT_SERIAL:
            serial_check(d, in);
            break;
        case LC_INPUT_FIFO:
            fifo_check(d, in);
            break;
        case LC_INPUT_FILE:
            file_check(d, in);
            break;
        case LC_INPUT_STDIN:
            lc_doctor_ok(d, "input", "%s: standard input", in->id);
            break;
        case LC_INPUT_GPIO:
            pin_check(d, "input", in->id, in->chip, in->line);
            break;
        case LC_INPUT_SENSOR:
            sensor_check(d, in);
            break;
        case LC_INPUT_SOUND:
            device_check(d, "input", in->id, in->device, true);
            break;
        case LC_INPUT_MQTT:
            lc_doctor_ok(d, "input",
                         "%s: topic %s; whether it may be read shows only when a "
                         "message comes",
                         in->id, in->topic);
            break;
        }
    }
}

void lc_doctor_outputs(lc_doctor *d)
{
    for (uint32_t i = 0; i < d->config.pin_count; i++) {
        const lc_config_pin *pin = &d->config.pin[i];
        pin_check(d, "output", pin->name, pin->chip, pin->line);
    }
    if (d->config.sound_device[0]) {
        device_check(d, "output", "sound", d->config.sound_device, false);
    }
}

/* ---- storage ---- */

/* Milliseconds to write and sync a small file in the folder; negative when it cannot be. */
static double sync_ms(const char *folder)
{
    char path[PATH_MAX];
    struct timespec start, end;
    if (snprintf(path, sizeof path, "%s/.doctor-XXXXXX", folder) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        return -1.0;
    }
    clock_gettime(CLOCK_MONOTONIC, &start);
    int fd = mkstemp(path);
    if (fd < 0) {
        return -1.0;
    }
    bool written = write(fd, "x", 1) == 1 && fsync(fd) == 0;
    int reason = errno;
    close(fd);
    unlink(path);
    clock_gettime(CLOCK_MONOTONIC, &end);
    errno = reason;
    return written ? (double)(end.tv_sec - start.tv_sec) * 1e3 +
                         (double)(end.tv_nsec - start.tv_nsec) / 1e6
                   : -1.0;
}

/* The folder itself, or, before the first start, the one it will be made in. */
static void folder_of(const char *path, char out[LC_CONFIG_PATH_MAX])
{
    snprintf(out, LC_CONFIG_PATH_MAX, "%s", path);
    if (access(path, F_OK) != 0) {
        char *slash = strrchr(out, '/');
        if (slash) {
            slash[slash == out] = '\0';
        }
    }
}

void lc_doctor_storage(lc_doctor *d)
{
    struct statvfs space;
    char folder[LC_CONFIG_PATH_MAX];
    folder_of(d->config.storage, folder);
    double ms = sync_ms(folder);
    if (ms < 0.0 || statvfs(folder, &space) != 0) {
        lc_doctor_fail(d, LC_EXIT_BOARD, "storage", "%s: cannot be written: %s", folder,
                       strerror(errno));
        lc_doctor_remedy(d, errno == ENOSPC ? "the disk is full"
                            : errno == EROFS
                                ? "it is mounted read-only: a worn SD card does that; on a "
                                  "read-only root storage.path needs a file system of its own"
                                : "storage.path must exist and belong to the daemon's user");
        return;
    }
    uint64_t free_mb = (uint64_t)space.f_bavail * space.f_frsize >> 20;
    if (free_mb < d->config.journal_mb) {
        lc_doctor_warn(d, "storage", "%s: %llu MB free, the journal may take %u", folder,
                       (unsigned long long)free_mb, d->config.journal_mb);
        lc_doctor_remedy(d, "make room, or lower storage.journal_mb");
    } else if (ms > SLOW_SYNC_MS) {
        lc_doctor_warn(d, "storage", "%s: a small write takes %.0f ms", folder, ms);
        lc_doctor_remedy(d, "a better SD card, or storage on a disk");
    } else {
        lc_doctor_ok(d, "storage", "%s: %llu MB free, a synced write takes %.1f ms", folder,
                     (unsigned long long)free_mb, ms);
    }
}

/* ---- the daemon ---- */

void lc_doctor_daemon(lc_doctor *d)
{
    static char text[LC_STATUS_BYTES_MAX];
    uint32_t bytes = 0;
    const char *socket = d->config.status_socket;
    if (!socket[0]) {
        lc_doctor_ok(d, "daemon", "status.socket is not set, so it cannot be asked");
        return;
    }
    lc_err err = lc_status_read(socket, LC_STATUS_PAGE, text, sizeof text, &bytes);
    if (err == LC_OK) {
        lc_doctor_ok(d, "daemon", "it runs: leafcutter status --socket %s", socket);
    } else if (err == LC_ERR_NOT_FOUND) {
        lc_doctor_ok(d, "daemon", "it does not run (nobody listens at %s)", socket);
    } else {
        lc_doctor_warn(d, "daemon", "%s: %s", socket, strerror(errno));
        lc_doctor_remedy(d, "it hangs, or this user may not ask it: try as root");
    }
}
