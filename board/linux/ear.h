/* ear.h - what a microphone hears, as lines of text: how loud it is, silence, and the alarms that
 * houses have. Pure: samples in, lines out, no clock.
 *
 *   sound level -32 dB      of a full sine, over a window; when it differs enough from the last
 * told sound silence           a window below LC_EAR_SILENCE_DB smoke alarm heard       three
 * pulses of 0.5 s, 0.5 s apart, then a pause of 1.5 s (ISO 8201), twice, at 2.7 to 3.6 kHz or 520
 * Hz co alarm heard          four pulses of 0.1 s, 0.1 s apart, then 5 s, twice smoke alarm over
 * nothing of it for a while
 */
#ifndef LC_EAR_H
#define LC_EAR_H

#include <stdbool.h>
#include <stdint.h>

#define LC_EAR_RATE 16000u /* samples a second */
#define LC_EAR_BLOCK 160u  /* 10 ms */
#define LC_EAR_SILENCE_DB (-60.0)
#define LC_EAR_ALARMS 2u
#define LC_EAR_LINE_BYTES 64u

typedef struct lc_ear_alarm {
    uint32_t pulses; /* in a row that fit */
    uint32_t groups; /* of the right number, with a pause after */
    uint64_t last;   /* block of the last group */
    bool heard;
} lc_ear_alarm;

/* Called for each line; the text is the ear's. */
typedef void lc_ear_heard(void *ctx, const char *line);

typedef struct lc_ear {
    double change_db;
    uint32_t window; /* blocks */
    lc_ear_heard *heard;
    void *ctx;
    int16_t sample[LC_EAR_BLOCK];
    uint32_t held;
    uint64_t block; /* blocks so far */
    /* The window. */
    double power; /* sum of mean squares */
    uint32_t blocks;
    bool told, silent;
    double told_db;
    /* The tone. */
    bool tone;
    uint32_t differ; /* blocks in a row that say otherwise */
    uint64_t since;  /* block of the last change */
    uint64_t gap;    /* blocks of quiet before the tone that is on */
    lc_ear_alarm alarm[LC_EAR_ALARMS];
    char line[LC_EAR_LINE_BYTES];
} lc_ear;

void lc_ear_init(lc_ear *ear, uint32_t window_s, double change_db, lc_ear_heard *heard, void *ctx);
void lc_ear_feed(lc_ear *ear, const int16_t *sample, uint32_t count);

#endif
