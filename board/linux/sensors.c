/* sensors.c - a round over the files that are due, then sleep. */
#include "sensors.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"
#include "template.h"
#include "thread.h"

#define READ_BYTES 256u
#define LEAVE_S 1 /* a driver that hangs must not keep the daemon from leaving */

static const char *const state_words[] = {"low", "ok", "high"};

/* ---- values ---- */

bool lc_sensor_parse(const char *text, double *value)
{
    const char *at = text + strcspn(text, "+-.0123456789");
    char *end;
    *value = strtod(at, &end);
    return end > at && isfinite(*value);
}

bool lc_sensor_news(lc_sensor *sensor, double value)
{
    const lc_config_input *c = sensor->config;
    lc_sensor_state state = value < c->min   ? LC_SENSOR_LOW
                            : value > c->max ? LC_SENSOR_HIGH
                                             : LC_SENSOR_OK;
    bool news = !sensor->any || state != sensor->state || fabs(value - sensor->told) >= c->change;
    if (news) {
        sensor->any = true;
        sensor->state = state;
        sensor->told = value;
    }
    return news;
}

/* At most two digits after the point. */
static void number_write(double value, char *out, size_t max)
{
    int n = snprintf(out, max, "%.2f", value);
    size_t bytes = n > 0 && (size_t)n < max ? (size_t)n : 0;
    while (bytes > 0 && out[bytes - 1] == '0') {
        bytes--;
    }
    bytes -= bytes > 0 && out[bytes - 1] == '.';
    out[bytes] = '\0';
}

static void line_put(lc_sensors *sensors, const lc_sensor *sensor)
{
    char number[340], json[400], line[LC_POSTBOX_TEXT_MAX];
    size_t bytes = 0;
    lc_diag diag;
    number_write(sensor->told, number, sizeof number);
    int n = snprintf(json, sizeof json, "{\"value\":%s,\"state\":\"%s\"}", number,
                     state_words[sensor->state]);
    if (lc_template_fill(sensor->config->tmpl, json, (size_t)n, line, sizeof line - 1, &bytes,
                         &diag) == LC_OK) {
        line[bytes] = '\0';
        lc_postbox_put(sensors->box, sensor->source, line);
    }
}

/* ---- files ---- */

/* The first file that matches; numbers in /sys change when a device is plugged in again. */
static bool path_find(lc_sensor *sensor)
{
    glob_t found = {0};
    sensor->path[0] = '\0';
    if (glob(sensor->config->path, 0, NULL, &found) == 0 && found.gl_pathc > 0 &&
        strlen(found.gl_pathv[0]) < sizeof sensor->path) {
        snprintf(sensor->path, sizeof sensor->path, "%s", found.gl_pathv[0]);
    }
    globfree(&found);
    return sensor->path[0] != '\0';
}

const char *lc_sensor_read(lc_sensor *sensor, double *value)
{
    char text[READ_BYTES + 1];
    if (!sensor->path[0] && !path_find(sensor)) {
        return "no such file";
    }
    int fd = open(sensor->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd >= 0 ? read(fd, text, READ_BYTES) : -1;
    int reason = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (got < 0) {
        sensor->path[0] = '\0';
        return lc_log_reason(reason);
    }
    text[got] = '\0';
    bool number = lc_sensor_parse(text, value);
    *value = (*value + sensor->config->offset) * sensor->config->scale;
    return number && isfinite(*value) ? NULL : "holds no number";
}

static void away_set(lc_sensors *sensors, lc_sensor *sensor, const char *why)
{
    bool away = why != NULL;
    if (away == sensor->away) {
        return;
    }
    sensor->away = away;
    if (away) {
        atomic_fetch_add(&sensors->missing, 1);
        lc_log(LC_LOG_WARNING, "sensor %s (%s): %s; trying again", sensor->config->id,
               sensor->config->path, why);
    } else {
        atomic_fetch_sub(&sensors->missing, 1);
        lc_log(LC_LOG_NOTICE, "sensor %s: there", sensor->config->id);
    }
}

static void sensor_look(lc_sensors *sensors, lc_sensor *sensor)
{
    double value = 0.0;
    const char *why = lc_sensor_read(sensor, &value);
    away_set(sensors, sensor, why);
    if (!why && lc_sensor_news(sensor, value)) {
        line_put(sensors, sensor);
    }
}

/* ---- the thread ---- */

static void *sensors_main(void *arg)
{
    lc_sensors *sensors = arg;
    while (!atomic_load(&sensors->stop)) {
        uint64_t next_ms = UINT64_MAX;
        for (uint32_t i = 0; i < sensors->count && !atomic_load(&sensors->stop); i++) {
            lc_sensor *sensor = &sensors->sensor[i];
            uint64_t now_ms = lc_loop_now_ms();
            if (now_ms >= sensor->next_ms) {
                sensor->next_ms = now_ms + 1000u * sensor->config->every_s;
                sensor_look(sensors, sensor);
            }
            next_ms = sensor->next_ms < next_ms ? sensor->next_ms : next_ms;
        }
        uint64_t now_ms = lc_loop_now_ms();
        lc_thread_wait(&sensors->wake, next_ms > now_ms ? next_ms - now_ms : 0);
    }
    return NULL;
}

lc_err lc_sensors_open(lc_sensors *sensors, const lc_config *config, lc_postbox *box)
{
    *sensors = (lc_sensors){.box = box};
    for (uint32_t i = 0; i < config->input_count; i++) {
        if (config->input[i].kind == LC_INPUT_SENSOR) {
            sensors->sensor[sensors->count++] =
                (lc_sensor){.config = &config->input[i], .source = i};
        }
    }
    if (sensors->count == 0) {
        return LC_OK;
    }
    if (sem_init(&sensors->wake, 0, 0) != 0) {
        return LC_ERR_IO;
    }
    sensors->started = lc_thread_start(&sensors->thread, sensors_main, sensors);
    return sensors->started ? LC_OK : LC_ERR_IO;
}

void lc_sensors_close(lc_sensors *sensors)
{
    struct timespec until;
    if (!sensors->started) {
        return;
    }
    atomic_store(&sensors->stop, true);
    sem_post(&sensors->wake);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += LEAVE_S;
    if (pthread_timedjoin_np(sensors->thread, NULL, &until) != 0) {
        lc_log(LC_LOG_WARNING, "sensors: a file hangs; leaving without its thread");
        return;
    }
    sem_destroy(&sensors->wake);
    sensors->started = false;
}
