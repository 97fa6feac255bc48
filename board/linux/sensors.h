/* sensors.h - values that the kernel gives as files (IIO, hwmon, 1-Wire), as lines of text.
 *
 * A value is the first number of a file, with offset and scale as IIO wants them. A line is made
 * of the first one, and of each that differs by `change` from the last told or has crossed a
 * limit. A file can take long to read (1-Wire: 0.8 s) or vanish: a thread of its own reads them;
 * what cannot be read is told once and tried again.
 */
#ifndef LC_SENSORS_H
#define LC_SENSORS_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "config.h"
#include "postbox.h"

typedef enum lc_sensor_state { LC_SENSOR_LOW, LC_SENSOR_OK, LC_SENSOR_HIGH } lc_sensor_state;

typedef struct lc_sensor {
    const lc_config_input *config;
    uint32_t source;               /* of the node */
    char path[LC_CONFIG_PATH_MAX]; /* of the file that matched; "" : none yet */
    uint64_t next_ms;
    bool any;    /* a value was told */
    bool away;   /* that it cannot be read was told */
    double told; /* the value in the last line */
    lc_sensor_state state;
} lc_sensor;

typedef struct lc_sensors {
    lc_sensor sensor[LC_CONFIG_INPUTS_MAX];
    uint32_t count;
    lc_postbox *box;
    pthread_t thread;
    sem_t wake;
    bool started;
    atomic_bool stop;
    atomic_uint missing; /* that cannot be read now */
} lc_sensors;

/* Starts the thread when the config has sensors. IO: no thread. */
lc_err lc_sensors_open(lc_sensors *sensors, const lc_config *config, lc_postbox *box) LC_CHECKED;
void lc_sensors_close(lc_sensors *sensors);

/* Reads the file now: NULL, or why that cannot be. */
const char *lc_sensor_read(lc_sensor *sensor, double *value);
/* The first number in a text, false: there is none. */
bool lc_sensor_parse(const char *text, double *value);
/* Whether a value is worth a line; then it is the one last told. */
bool lc_sensor_news(lc_sensor *sensor, double value);

#endif
