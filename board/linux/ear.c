/* ear.c - blocks of 10 ms: power, and by a bank of Goertzel filters whether one tone makes most of
 * it. The lengths of tones and gaps make alarms. */
#include "ear.h"

#include <math.h>
#include <stdio.h>

#define BLOCKS_PER_S (LC_EAR_RATE / LC_EAR_BLOCK)
#define MS(ms) ((ms)*BLOCKS_PER_S / 1000u)
#define PI 3.14159265358979323846
#define FULL_SINE_POWER (32767.0 * 32767.0 / 2.0)
#define TONE_SHARE 0.5 /* of a block's power in two neighbouring filters */
#define TONE_DB (-50.0)
#define CHANGE_BLOCKS 3u /* so many must agree that a tone began or ended */
#define GROUPS_HEARD 2u

/* Filters are as far apart as a block is fine: 100 Hz. A tone between two is in both. */
static const uint16_t bank[] = {400,  500,  600,  700,  2600, 2700, 2800, 2900,
                                3000, 3100, 3200, 3300, 3400, 3500, 3600, 3700};
#define BANK (sizeof bank / sizeof bank[0])

static const struct {
    const char *name;
    uint32_t pulse, slack; /* blocks, of pulses and the gaps between them */
    uint32_t pulses;
    uint32_t pause, over; /* blocks without a tone after a group; until it is over */
} alarms[LC_EAR_ALARMS] = {
    {"smoke alarm", MS(500), MS(150), 3, MS(1000), MS(12000)},
    {"co alarm", MS(100), MS(50), 4, MS(1000), MS(90000)},
};

/* ---- one block ---- */

/* |X|^2 of one filter. */
static double goertzel(const int16_t *sample, double hertz)
{
    double turn = 2.0 * cos(2.0 * PI * hertz / LC_EAR_RATE), last = 0.0, before = 0.0;
    for (uint32_t i = 0; i < LC_EAR_BLOCK; i++) {
        double next = sample[i] + turn * last - before;
        before = last;
        last = next;
    }
    return last * last + before * before - turn * last * before;
}

static double block_power(const int16_t *sample)
{
    double sum = 0.0;
    for (uint32_t i = 0; i < LC_EAR_BLOCK; i++) {
        sum += (double)sample[i] * sample[i];
    }
    return sum / LC_EAR_BLOCK;
}

static double decibels(double power)
{
    return 10.0 * log10((power + 1e-3) / FULL_SINE_POWER);
}

/* A sine of power p gives a filter at its pitch |X|^2 = p n^2 / 2. */
static bool is_tone(const int16_t *sample, double power)
{
    if (decibels(power) < TONE_DB) {
        return false;
    }
    double before = 0.0, all = power * LC_EAR_BLOCK * LC_EAR_BLOCK / 2.0;
    for (size_t i = 0; i < BANK; i++) {
        double one = goertzel(sample, bank[i]) / all;
        bool next = i > 0 && bank[i] - bank[i - 1] == 100;
        if (one + (next ? before : 0.0) > TONE_SHARE) {
            return true;
        }
        before = one;
    }
    return false;
}

/* ---- alarms ---- */

static bool fits(uint64_t blocks, uint32_t wanted, uint32_t slack)
{
    return blocks + slack >= wanted && blocks <= (uint64_t)wanted + slack;
}

static void say(lc_ear *ear, const char *name, const char *what)
{
    snprintf(ear->line, sizeof ear->line, "%s %s", name, what);
    ear->heard(ear->ctx, ear->line);
}

/* A tone that lasted `blocks` has ended. */
static void pulse_ended(lc_ear *ear, uint64_t blocks)
{
    for (uint32_t i = 0; i < LC_EAR_ALARMS; i++) {
        lc_ear_alarm *a = &ear->alarm[i];
        bool fit = fits(blocks, alarms[i].pulse, alarms[i].slack);
        bool follows = a->pulses > 0 && fits(ear->gap, alarms[i].pulse, alarms[i].slack);
        a->pulses = fit ? (follows ? a->pulses + 1 : 1) : 0;
    }
}

/* It has been quiet for as long as the pause of alarm i wants. */
static void group_ended(lc_ear *ear, uint32_t i)
{
    lc_ear_alarm *a = &ear->alarm[i];
    bool recent = a->last + alarms[i].over > ear->block;
    if (a->pulses == alarms[i].pulses) {
        a->groups = recent ? a->groups + 1 : 1;
        a->last = ear->block;
    }
    a->pulses = 0;
    if (a->groups >= GROUPS_HEARD && !a->heard) {
        a->heard = true;
        say(ear, alarms[i].name, "heard");
    }
}

static void alarms_look(lc_ear *ear)
{
    for (uint32_t i = 0; i < LC_EAR_ALARMS; i++) {
        lc_ear_alarm *a = &ear->alarm[i];
        if (!ear->tone && ear->block - ear->since == alarms[i].pause) {
            group_ended(ear, i);
        }
        if (a->heard && ear->block > a->last + alarms[i].over) {
            a->heard = false;
            a->groups = 0;
            say(ear, alarms[i].name, "over");
        }
    }
}

static void tone_take(lc_ear *ear, bool tone)
{
    ear->differ = tone == ear->tone ? 0 : ear->differ + 1;
    if (ear->differ == CHANGE_BLOCKS) {
        uint64_t began = ear->block + 1 - CHANGE_BLOCKS, blocks = began - ear->since;
        ear->tone = tone;
        ear->since = began;
        ear->differ = 0;
        if (tone) {
            ear->gap = blocks;
        } else {
            pulse_ended(ear, blocks);
        }
    }
    alarms_look(ear);
}

/* ---- the window ---- */

static void window_end(lc_ear *ear)
{
    double db = decibels(ear->power / ear->blocks);
    bool silent = db < LC_EAR_SILENCE_DB;
    bool news = !ear->told || silent != ear->silent ||
                (!silent && fabs(db - ear->told_db) >= ear->change_db);
    ear->power = 0.0;
    ear->blocks = 0;
    if (!news) {
        return;
    }
    ear->told = true;
    ear->silent = silent;
    ear->told_db = db;
    if (silent) {
        say(ear, "sound", "silence");
    } else {
        char level[32];
        snprintf(level, sizeof level, "level %ld dB", lround(db));
        say(ear, "sound", level);
    }
}

static void block_take(lc_ear *ear)
{
    double power = block_power(ear->sample);
    ear->power += power;
    tone_take(ear, is_tone(ear->sample, power));
    ear->block++;
    if (++ear->blocks == ear->window) {
        window_end(ear);
    }
}

void lc_ear_init(lc_ear *ear, uint32_t window_s, double change_db, lc_ear_heard *heard, void *ctx)
{
    *ear = (lc_ear){
        .change_db = change_db, .window = window_s * BLOCKS_PER_S, .heard = heard, .ctx = ctx};
}

void lc_ear_feed(lc_ear *ear, const int16_t *sample, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        ear->sample[ear->held++] = sample[i];
        if (ear->held == LC_EAR_BLOCK) {
            ear->held = 0;
            block_take(ear);
        }
    }
}
