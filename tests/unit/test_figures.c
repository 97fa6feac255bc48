/* What a device tells in numbers: the board's own part of it, and Prometheus' escapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs these above */
#include <cmocka.h>
#include <ftw.h>
#include <sys/stat.h>

#include "../../board/linux/figures.h"
#include "../../board/linux/prom.h"
#include "job_make.h"

static _Alignas(64) uint8_t memory[4u << 20];
static char out[32768];

static lc_node *node_make(void)
{
    static const lc_node_source source = {{"in", 2}, true};
    static const lc_str task = {"fault", 5};
    const lc_node_options options = {.dev = {"t1", 2},
                                     .boot = 7,
                                     .source = &source,
                                     .source_count = 1,
                                     .task = &task,
                                     .task_count = 1,
                                     .inbox_bytes = LC_INBOX_BYTES_MIN,
                                     .outbox_bytes = LC_OUTBOX_BYTES_MIN,
                                     .window = 4,
                                     .batch = 4,
                                     .deadline_ms = 1000};
    lc_arena arena;
    lc_node *node = NULL;
    lc_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(lc_node_open(&options, 1000, &arena, &node, NULL), LC_OK);
    return node;
}

static void file_make(const char *root, const char *path, const char *text)
{
    char full[256];
    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')); *at++ = '/') {
        *at = '\0';
        mkdir(full, 0700);
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int file_remove(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st;
    (void)kind;
    (void)where;
    return remove(path);
}

static void has(const char *part)
{
    if (!strstr(out, part)) {
        fail_msg("no %s in %s", part, out);
    }
}

#define JOB                                                                                        \
    "{\"version\":1,\"job\":\"pump\",\"ver\":3,\"tasks\":[{\"task\":\"fault\",\"labels\":["        \
    "{\"name\":\"hot\"},{\"name\":\"cold\"}],\"stages\":[{\"id\":\"r\",\"type\":\"rules\","        \
    "\"rules\":["                                                                                  \
    "{\"id\":\"R1\",\"if\":\"temp > 9\",\"label\":\"hot\",\"p\":0.9}]}]}]}"

static void a_board_tells_what_is_wrong(void **state)
{
    (void)state;
    char root[] = "/tmp/lc-figures-XXXXXX";
    static lc_config config = {.dev = "t1"};
    static lc_arenas arenas;
    static lc_pins pins;
    static lc_sound sound;
    static lc_sensors sensors;
    static lc_listen listen;
    static lc_loop loop;
    job_made job;
    job_made_open(&job, JOB, 64, NULL);
    assert_non_null(mkdtemp(root));
    lc_health health = {.config = &config,
                        .arenas = &arenas,
                        .node = node_make(),
                        .job = job.job,
                        .loop = &loop,
                        .pins = &pins,
                        .sound = &sound,
                        .sensors = &sensors,
                        .listen = &listen,
                        .version = "a\"b\\c\nd\xff",
                        .level = "ref",
                        .protocol = "",
                        .sys = root};
    assert_true(lc_health_write(&health, 2000, out, sizeof out) > 0);
    assert_null(strstr(out, "temp_c"));
    assert_null(strstr(out, "throttled"));
    assert_null(strstr(out, "margin_c"));
    has("\"pace\":\"full\",\"rested_ms\":0");
    has("\"drift\":{\"state\":\"off\"}");
    file_make(root, "/sys/class/thermal/thermal_zone0/temp", "-4000\n");
    file_make(root, "/sys/devices/platform/soc/soc:firmware/get_throttled", "50000\n");
    assert_true(lc_health_write(&health, 2000, out, sizeof out) > 0);
    has("\"temp_c\":-4.0,\"margin_c\":84.0,\"pace\":\"full\",\"rested_ms\":0,"
        "\"throttled\":[],\"throttled_since_on\":[\"undervoltage\",\"throttled\"]"
        "}");
    uint32_t bytes = lc_health_metrics(&health, 2000, out, sizeof out - 1);
    assert_true(bytes > 0);
    out[bytes] = '\0';
    has("leafcutter_board_throttled{what=\"undervoltage\"} 0\n");
    has("leafcutter_board_throttled_since_on{what=\"throttled\"} 1\n");
    has("leafcutter_board_temp_celsius -4.0\n");
    has("leafcutter_latency_seconds{quantile=\"0.5\"} NaN\n");
    has("sw=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\"");
    assert_int_equal(lc_health_metrics(&health, 2000, out, 1000), 0); /* all of it, or nothing */
    job_made_close(&job);
    assert_int_equal(nftw(root, file_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void trip_make(const char *root, const char *zone, int trip, const char *kind,
                      const char *mc)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/class/thermal/%s/trip_point_%d_type", zone, trip);
    file_make(root, path, kind);
    snprintf(path, sizeof path, "/sys/class/thermal/%s/trip_point_%d_temp", zone, trip);
    file_make(root, path, mc);
}

/* To the kernel's passive trip, a firmware's 80 C, or some way below where it is switched off. */
static void the_margin_is_that_of_the_nearest_zone(void **state)
{
    (void)state;
    char root[] = "/tmp/lc-zones-XXXXXX";
    lc_vitals v;
    assert_non_null(mkdtemp(root));
    file_make(root, "/sys/class/thermal/thermal_zone0/temp", "60000\n");
    lc_vitals_read(root, "", &v);
    assert_true(v.has_temp && !v.has_margin); /* nobody says where it slows */
    trip_make(root, "thermal_zone0", 0, "active\n", "50000\n");
    trip_make(root, "thermal_zone0", 1, "critical\n", "110000\n");
    lc_vitals_read(root, "", &v);
    assert_true(v.has_margin && v.margin_mc == 35000);
    trip_make(root, "thermal_zone0", 2, "passive\n", "0\n"); /* no limit at all */
    trip_make(root, "thermal_zone0", 3, "passive\n", "85000\n");
    trip_make(root, "thermal_zone0", 4, "passive\n", "75000\n");
    lc_vitals_read(root, "", &v);
    assert_int_equal(v.margin_mc, 15000);
    file_make(root, "/sys/class/thermal/thermal_zone3/temp", "71000\n"); /* zones may be missing */
    trip_make(root, "thermal_zone3", 0, "passive\n", "70000\n");
    lc_vitals_read(root, "", &v);
    assert_true(v.margin_mc == -1000 && v.temp_mc == 71000);
    file_make(root, "/sys/class/thermal/thermal_zone3/temp", "40000\n");
    trip_make(root, "thermal_zone0", 4, "nonsense\n", "\n");
    file_make(root, "/sys/devices/platform/soc/soc:firmware/get_throttled", "0\n");
    lc_vitals_read(root, "", &v);
    assert_int_equal(v.margin_mc, 20000);
    assert_int_equal(nftw(root, file_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* An estimate: 3.6 W idle for an hour, and one of two cores a quarter of it. */
static void energy_is_estimated(void **state)
{
    (void)state;
    char root[] = "/tmp/lc-power-XXXXXX";
    static lc_config config;
    lc_power power = {.idle_mw = 3600, .busy_mw = 5600, .cores = 2};
    assert_int_equal(lc_power_mwh(&power, 3600000, 0), 3600);
    assert_int_equal(lc_power_mwh(&power, 3600000, 900000000), 3850);
    assert_non_null(mkdtemp(root));
    snprintf(config.board_root, sizeof config.board_root, "%s", root);
    lc_power_find(&config, &power);
    assert_int_equal(lc_power_mwh(&power, 3600000, 0), 0); /* no such board */
    file_make(root, "/proc/device-tree/model", "Raspberry Pi 3 Model B Plus Rev 1.3");
    lc_power_find(&config, &power);
    assert_true(power.idle_mw == 1900 && power.busy_mw == 5100 && power.cores == 4);
    config.idle_w = 2.0;
    lc_power_find(&config, &power);
    assert_int_equal(power.idle_mw, 1900); /* half of a pair says nothing */
    config.busy_w = 3.5;
    lc_power_find(&config, &power);
    assert_true(power.idle_mw == 2000 && power.busy_mw == 3500 && power.cores >= 1);
    assert_int_equal(nftw(root, file_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static void totals_outlive_a_window(void **state)
{
    (void)state;
    static lc_times times;
    lc_times_put(&times, 1000);
    lc_times_put(&times, 3000);
    lc_times_clear(&times);
    lc_times_put(&times, 500);
    assert_true(times.count == 1 && times.max_us == 500 && times.total == 3);
    assert_int_equal(times.total_us, 4500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_board_tells_what_is_wrong),
        cmocka_unit_test(the_margin_is_that_of_the_nearest_zone),
        cmocka_unit_test(energy_is_estimated),
        cmocka_unit_test(totals_outlive_a_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
