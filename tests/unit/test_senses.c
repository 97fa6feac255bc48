/* What lines are made of besides text: microphone, sensors, recordings, the postbox. */
#include <ftw.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka needs these */
#include <cmocka.h>

#include "../../board/linux/ear.h"
#include "../../board/linux/postbox.h"
#include "../../board/linux/sensors.h"
#include "../../board/linux/vitals.h"
#include "../../board/linux/wav.h"

#define PI 3.14159265358979323846

/* ---- the ear ---- */

static char told[4096];
static uint32_t noise_state;

static void note(void *ctx, const char *line)
{
    (void)ctx;
    size_t held = strlen(told);
    snprintf(told + held, sizeof told - held, "%s\n", line);
}

static double noise(void)
{
    noise_state = noise_state * 1664525u + 1013904223u;
    return (double)(noise_state >> 8) / (1 << 23) - 1.0;
}

/* ms of a sine at hertz (0: none) amid noise. */
static void hear(lc_ear *ear, double hertz, double loud, double noisy, uint32_t ms)
{
    static double at;
    for (uint32_t i = 0; i < ms * LC_EAR_RATE / 1000; i++) {
        double sample = loud * sin(at) + noisy * noise();
        int16_t one = (int16_t)sample;
        at = fmod(at + 2.0 * PI * hertz / LC_EAR_RATE, 2.0 * PI);
        lc_ear_feed(ear, &one, 1);
    }
}

static void pattern(lc_ear *ear, double hertz, uint32_t pulses, uint32_t on, uint32_t off,
                    uint32_t pause)
{
    for (uint32_t i = 0; i < pulses; i++) {
        hear(ear, hertz, 6000, 300, on);
        hear(ear, 0, 0, 300, i + 1 < pulses ? off : pause);
    }
}

static void ear_begin(lc_ear *ear)
{
    told[0] = '\0';
    noise_state = 1;
    lc_ear_init(ear, 3600, 6, note, NULL); /* the level is asked elsewhere */
}

static void alarms_are_known(void **state)
{
    (void)state;
    static const double pitches[] = {520, 2750, 3100, 3149, 3400, 3550};
    lc_ear ear;
    for (size_t i = 0; i < sizeof pitches / sizeof pitches[0]; i++) {
        ear_begin(&ear);
        pattern(&ear, pitches[i], 3, 500, 500, 1500);
        assert_string_equal(told, ""); /* once could be anything */
        pattern(&ear, pitches[i], 3, 500, 500, 1500);
        assert_string_equal(told, "smoke alarm heard\n");
        pattern(&ear, pitches[i], 3, 500, 500, 1500);
        hear(&ear, 0, 0, 300, 15000);
        assert_string_equal(told, "smoke alarm heard\nsmoke alarm over\n");
        ear_begin(&ear);
        pattern(&ear, pitches[i], 4, 100, 100, 5000);
        pattern(&ear, pitches[i], 4, 100, 100, 5000);
        assert_string_equal(told, "co alarm heard\n");
    }
    ear_begin(&ear); /* as cheap alarms do: a tenth too fast */
    pattern(&ear, 3100, 3, 450, 450, 1350);
    pattern(&ear, 3100, 3, 450, 450, 1350);
    assert_string_equal(told, "smoke alarm heard\n");
}

static void other_sounds_are_no_alarm(void **state)
{
    (void)state;
    lc_ear ear;
    ear_begin(&ear);
    pattern(&ear, 3100, 40, 500, 500, 1500); /* a lorry that goes back */
    pattern(&ear, 3100, 2, 500, 500, 1500);
    pattern(&ear, 3100, 4, 500, 500, 1500);
    pattern(&ear, 1000, 3, 500, 500, 1500); /* another pitch */
    pattern(&ear, 1000, 3, 500, 500, 1500);
    hear(&ear, 3100, 6000, 0, 20000);  /* no pattern */
    hear(&ear, 0, 0, 8000, 20000);     /* a vacuum cleaner */
    for (uint32_t i = 0; i < 6; i++) { /* the pattern, but it is noise that comes and goes */
        hear(&ear, 0, 0, 8000, 500);
        hear(&ear, 0, 0, 0, i % 3 == 2 ? 1500 : 500);
    }
    assert_string_equal(told, "");
}

static void an_alarm_in_noise(void **state)
{
    (void)state;
    lc_ear ear;
    ear_begin(&ear);
    for (uint32_t i = 0; i < 6; i++) {
        hear(&ear, 3100, 6000, 3000, 500);
        hear(&ear, 0, 0, 3000, i % 3 == 2 ? 1500 : 500);
    }
    assert_string_equal(told, "smoke alarm heard\n");
}

static void levels_are_told_when_they_change(void **state)
{
    (void)state;
    lc_ear ear;
    told[0] = '\0';
    lc_ear_init(&ear, 2, 6, note, NULL);
    hear(&ear, 1000, 32767, 0, 2000);
    assert_string_equal(told, "sound level 0 dB\n");
    hear(&ear, 1000, 20000, 0, 2000); /* 4 dB less */
    assert_string_equal(told, "sound level 0 dB\n");
    hear(&ear, 1000, 3276.7, 0, 2000);
    assert_string_equal(told, "sound level 0 dB\nsound level -20 dB\n");
    hear(&ear, 0, 0, 0, 6000);
    assert_string_equal(told, "sound level 0 dB\nsound level -20 dB\nsound silence\n");
    hear(&ear, 1000, 3276.7, 0, 2000);
    assert_string_equal(
        told, "sound level 0 dB\nsound level -20 dB\nsound silence\nsound level -20 dB\n");
}

/* ---- sensors ---- */

static void numbers_are_found(void **state)
{
    (void)state;
    double value;
    assert_true(lc_sensor_parse("23125\n", &value) && value == 23125);
    assert_true(lc_sensor_parse("temp: -4.5 C", &value) && value == -4.5);
    assert_false(lc_sensor_parse("", &value));
    assert_false(lc_sensor_parse("none\n", &value));
    assert_false(lc_sensor_parse("-", &value));
    assert_false(lc_sensor_parse("1e999", &value));
}

static void changes_and_limits_are_news(void **state)
{
    (void)state;
    static lc_config_input config = {.change = 1.0, .min = 0.0, .max = 50.0};
    lc_sensor sensor = {.config = &config};
    assert_true(lc_sensor_news(&sensor, 20.0));
    assert_false(lc_sensor_news(&sensor, 20.5));
    assert_false(lc_sensor_news(&sensor, 19.1));
    assert_true(lc_sensor_news(&sensor, 21.0));
    assert_true(lc_sensor_news(&sensor, 49.5));
    assert_true(lc_sensor_news(&sensor, 50.1) && sensor.state == LC_SENSOR_HIGH);
    assert_false(lc_sensor_news(&sensor, 50.9));
    assert_true(lc_sensor_news(&sensor, 49.9) && sensor.state == LC_SENSOR_OK);
    assert_true(lc_sensor_news(&sensor, -0.1) && sensor.state == LC_SENSOR_LOW);
}

/* ---- recordings ---- */

static lc_err wav_try(const void *data, size_t bytes, lc_wav *wav, lc_diag *diag)
{
    char path[] = "/tmp/lc-wav-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, data, bytes) == (ssize_t)bytes);
    close(fd);
    lc_err err = lc_wav_open(wav, path, diag);
    unlink(path);
    return err;
}

static const uint8_t good[] = "RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0"
                              "\2\0\x10\0data\x08\0\0\0\1\0\2\0\3\0\4\0";
#define GOOD_BYTES (sizeof good - 1)

static void recordings_are_read(void **state)
{
    (void)state;
    lc_wav wav;
    lc_diag diag = {0};
    int16_t sample[8];
    assert_int_equal(wav_try(good, GOOD_BYTES, &wav, &diag), LC_OK);
    assert_int_equal(wav.rate, 8000);
    assert_int_equal(wav.frames, 4);
    assert_int_equal(lc_wav_read(&wav, 1, sample, 8), 3);
    assert_true(sample[0] == 2 && sample[2] == 4);
    assert_int_equal(lc_wav_read(&wav, 4, sample, 8), 0);
    assert_int_equal(lc_wav_read(&wav, UINT32_MAX, sample, 8), 0);
    lc_wav_close(&wav);
    assert_int_equal(lc_wav_open(&wav, "/", &diag), LC_ERR_LIMIT);
    assert_int_equal(lc_wav_open(&wav, "/nowhere", &diag), LC_ERR_IO);
}

/* Every single byte wrong in four ways, and every length: never more than there is. */
static void damaged_recordings_are_survived(void **state)
{
    (void)state;
    static const uint8_t values[] = {0x00, 0x7f, 0x80, 0xff};
    uint8_t bad[GOOD_BYTES];
    lc_wav wav;
    lc_diag diag;
    int16_t sample[LC_WAV_READ_MAX];
    for (size_t i = 0; i < GOOD_BYTES; i++) {
        assert_int_not_equal(wav_try(good, i, &wav, &diag) == LC_OK && i < 46, true);
        lc_wav_close(&wav);
        for (size_t j = 0; j < sizeof values; j++) {
            memcpy(bad, good, GOOD_BYTES);
            bad[i] = values[j];
            if (wav_try(bad, GOOD_BYTES, &wav, &diag) == LC_OK) {
                assert_true(wav.frames <= 4);
                assert_true(lc_wav_read(&wav, 0, sample, LC_WAV_READ_MAX) <= wav.frames);
            }
            lc_wav_close(&wav);
        }
    }
}

/* ---- vitals ---- */

static void file_make(const char *root, const char *path, const char *text)
{
    char full[512];
    int n = snprintf(full, sizeof full, "%s", root);
    for (const char *at = path; *at; at++) {
        if (*at == '/') {
            mkdir(full, 0700);
        }
        full[n++] = *at;
        full[n] = '\0';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int file_remove(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info;
    (void)kind;
    (void)where;
    return remove(path);
}

static void vitals_are_read(void **state)
{
    (void)state;
    char root[] = "/tmp/lc-vitals-XXXXXX";
    lc_vitals v;
    assert_non_null(mkdtemp(root));
    lc_vitals_read(root, "", &v);
    assert_false(v.has_temp || v.has_throttle || v.storage_free_kb > 0);
    file_make(root, "/sys/class/thermal/thermal_zone0/temp", "nonsense\n");
    file_make(root, "/sys/class/thermal/thermal_zone1/temp", "61347\n");
    file_make(root, "/sys/class/thermal/thermal_zone2/temp", "-4000\n");
    file_make(root, "/sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n");
    lc_vitals_read(root, root, &v);
    assert_true(v.has_temp && v.temp_mc == 61347 && v.storage_free_kb > 0);
    assert_true(v.has_throttle && v.throttle == 0x50005);
    assert_string_equal(lc_vitals_word(2), "throttled");
    assert_int_equal(nftw(root, file_remove, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* ---- the postbox ---- */

static void the_postbox_is_bounded(void **state)
{
    (void)state;
    static lc_postbox box;
    static lc_post post;
    char text[16];
    assert_int_equal(lc_postbox_open(&box), LC_OK);
    assert_false(lc_postbox_take(&box, &post));
    for (uint32_t i = 0; i < LC_POSTBOX_LINES + 3; i++) {
        snprintf(text, sizeof text, "line %u", i);
        lc_postbox_put(&box, i, text);
    }
    assert_int_equal(box.lost, 3);
    for (uint32_t i = 0; i < LC_POSTBOX_LINES; i++) {
        snprintf(text, sizeof text, "line %u", i);
        assert_true(lc_postbox_take(&box, &post) && post.source == i);
        assert_string_equal(post.text, text);
    }
    assert_false(lc_postbox_take(&box, &post));
    lc_postbox_close(&box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alarms_are_known),    cmocka_unit_test(other_sounds_are_no_alarm),
        cmocka_unit_test(an_alarm_in_noise),   cmocka_unit_test(levels_are_told_when_they_change),
        cmocka_unit_test(numbers_are_found),   cmocka_unit_test(changes_and_limits_are_news),
        cmocka_unit_test(recordings_are_read), cmocka_unit_test(damaged_recordings_are_survived),
        cmocka_unit_test(vitals_are_read),     cmocka_unit_test(the_postbox_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
