/* sound.c - the thread: takes the latest order, makes its samples, hands them to the device. */
#include "sound.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "loop.h"
#include "pcm.h"
#include "thread.h"
#include "wav.h"

#define BLOCK LC_WAV_READ_MAX /* samples made at once */
#define WRITE_WAIT_MS 50u     /* how late silence may be */
#define STUCK_MS 2000u        /* a device that takes nothing for so long has gone */
#define RAMP_MS 4u            /* at both ends of a tone, which otherwise clicks */
#define PI 3.14159265358979323846

/* What is being played. */
typedef struct voice {
    lc_order order;
    unsigned number;
    uint32_t rate;
    uint64_t at, end; /* samples; end: of the pattern */
    uint64_t tail;    /* after it as much silence as the device holds: then all was heard */
    lc_wav wav;
    uint64_t ordered_ms;
} voice;

/* ---- samples ---- */

static uint64_t samples_of(const voice *v, uint64_t ms)
{
    return ms * v->rate / 1000u;
}

/* One sample of a pulse: a sine with ramps. */
static double pulse_at(const voice *v, uint64_t at, uint64_t on)
{
    uint64_t ramp = samples_of(v, RAMP_MS), edge = at < on - at ? at : on - at;
    double gain = edge < ramp ? (double)edge / (double)ramp : 1.0;
    return gain * sin(2.0 * PI * v->order.hertz * (double)at / v->rate);
}

static void tone_fill(const voice *v, double volume, int16_t *sample, uint32_t count)
{
    uint64_t on = samples_of(v, v->order.on_ms), period = on + samples_of(v, v->order.off_ms);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t at = (v->at + i) % period;
        sample[i] = (int16_t)(at < on ? 32767.0 * volume * pulse_at(v, at, on) : 0.0);
    }
}

static void clip_fill(const voice *v, double volume, int16_t *sample, uint32_t count)
{
    for (uint32_t done = 0; done < count;) {
        uint32_t from = (uint32_t)((v->at + done) % v->wav.frames);
        uint32_t got = lc_wav_read(&v->wav, from, sample + done, count - done);
        if (got == 0) { /* the file was cut meanwhile */
            memset(sample + done, 0, (count - done) * sizeof *sample);
            return;
        }
        for (uint32_t i = done; i < done + got; i++) {
            sample[i] = (int16_t)(volume * sample[i]);
        }
        done += got;
    }
}

/* The next samples, at most BLOCK; 0: all was heard. */
static uint32_t voice_fill(const voice *v, double volume, int16_t *sample)
{
    uint64_t left = v->at < v->end ? v->end - v->at : v->end + v->tail - v->at;
    uint32_t count = left < BLOCK ? (uint32_t)left : BLOCK;
    if (v->at >= v->end) {
        memset(sample, 0, count * sizeof *sample);
    } else if (v->order.kind == LC_ORDER_TONE) {
        tone_fill(v, volume, sample, count);
    } else {
        clip_fill(v, volume, sample, count);
    }
    return count;
}

/* ---- beginning ---- */

static bool clip_begin(const lc_sound *sound, voice *v)
{
    char path[512];
    lc_diag diag = {0};
    int n = snprintf(path, sizeof path, "%s/%.*s.wav", sound->options.clips,
                     (int)v->order.name.bytes, v->order.name.data);
    if (!sound->options.clips[0] || n < 0 || (size_t)n >= sizeof path) {
        lc_log(LC_LOG_WARNING, "sound: clip %.*s: outputs.sound.clips names no folder for it",
               (int)v->order.name.bytes, v->order.name.data);
        return false;
    }
    if (lc_wav_open(&v->wav, path, &diag) != LC_OK) {
        lc_log(LC_LOG_WARNING, "sound: %s: at byte %llu: %s", path, (unsigned long long)diag.offset,
               diag.text);
        return false;
    }
    v->rate = v->wav.rate;
    v->end = (uint64_t)v->wav.frames * v->order.times;
    return true;
}

static bool voice_begin(const lc_sound *sound, voice *v)
{
    v->wav.fd = -1;
    v->rate = LC_SOUND_RATE;
    if (v->order.kind == LC_ORDER_CLIP) {
        if (!clip_begin(sound, v)) {
            return false;
        }
    } else {
        uint64_t on = samples_of(v, v->order.on_ms), off = samples_of(v, v->order.off_ms);
        v->end = v->order.times * (on + off) - off;
    }
    v->tail = samples_of(v, LC_PCM_BUFFER_MS) + BLOCK;
    return true;
}

/* ---- the device ---- */

static bool is_current(const lc_sound *sound, const voice *v)
{
    return !atomic_load(&sound->stop) && atomic_load(&sound->number) == v->number;
}

static void away_tell(lc_sound *sound, const char *why)
{
    if (!atomic_exchange(&sound->away, true)) {
        lc_log(LC_LOG_WARNING, "sound: device %s: %s; trying again", sound->options.device, why);
    }
}

static lc_err device_open(lc_sound *sound, lc_pcm *pcm, uint32_t rate)
{
    lc_err err = lc_pcm_open(pcm, sound->options.device, false, rate);
    if (err != LC_OK) {
        away_tell(sound, err == LC_ERR_NOT_FOUND ? "is not there" : lc_err_text(err));
    }
    return err;
}

/* It is there when it has taken samples; that it can be opened does not say so. */
static void there_tell(lc_sound *sound)
{
    if (atomic_exchange(&sound->away, false)) {
        lc_log(LC_LOG_NOTICE, "sound: device %s: there", sound->options.device);
    }
}

static void breaks_tell(lc_sound *sound, const lc_pcm *pcm)
{
    if (pcm->breaks > 0) {
        atomic_fetch_add(&sound->underruns, (unsigned)pcm->breaks);
        lc_log(LC_LOG_NOTICE, "sound: device %s ran empty %llu times", sound->options.device,
               (unsigned long long)pcm->breaks);
    }
}

/* Plays on as long as the device takes samples. OK: all was heard, or something else is wanted. */
static lc_err voice_write(lc_sound *sound, voice *v, lc_pcm *pcm)
{
    int16_t sample[BLOCK];
    uint32_t count = 0, done = 0, got = 0;
    uint64_t taken_ms = lc_loop_now_ms();
    while (is_current(sound, v)) {
        if (done == count) {
            count = voice_fill(v, sound->options.volume, sample);
            done = 0;
        }
        if (count == 0) {
            atomic_fetch_add(&sound->played, 1);
            return LC_OK;
        }
        lc_err err = lc_pcm_write(pcm, sample + done, count - done, WRITE_WAIT_MS, &got);
        if (err != LC_OK) {
            return err;
        }
        uint64_t now_ms = lc_loop_now_ms();
        if (got > 0) {
            there_tell(sound);
            taken_ms = now_ms;
        } else if (now_ms - taken_ms > STUCK_MS) {
            return LC_ERR_IO;
        }
        done += got;
        v->at += got;
    }
    return LC_OK;
}

static void voice_play(lc_sound *sound, voice *v)
{
    uint32_t wait_ms = LC_SOUND_RETRY_MIN_MS;
    while (is_current(sound, v)) {
        lc_pcm pcm = {0};
        lc_err err = device_open(sound, &pcm, v->rate);
        if (err == LC_OK) {
            v->at = 0; /* from its start: what the device had when it went was not heard */
            err = voice_write(sound, v, &pcm);
            lc_pcm_close(&pcm);
            breaks_tell(sound, &pcm);
            wait_ms = v->at > 0 ? LC_SOUND_RETRY_MIN_MS : wait_ms;
            if (err == LC_OK) {
                return;
            }
            atomic_fetch_add(&sound->lost, 1);
            away_tell(sound, "has gone");
        }
        if (err == LC_ERR_UNSUPPORTED || lc_loop_now_ms() - v->ordered_ms > LC_SOUND_LATE_MS) {
            atomic_fetch_add(&sound->dropped, 1);
            return;
        }
        lc_thread_wait(&sound->wake, wait_ms);
        wait_ms = 2 * wait_ms > LC_SOUND_RETRY_MAX_MS ? LC_SOUND_RETRY_MAX_MS : 2 * wait_ms;
    }
}

/* ---- the thread ---- */

/* What was ordered last, names in a buffer that stays. */
typedef struct turn {
    lc_order order[LC_ORDERS_MAX];
    char name[LC_ORDERS_MAX][LC_NAME_BYTES_MAX];
    uint32_t orders;
    unsigned number;
    uint64_t ordered_ms;
} turn;

static void turn_take(lc_sound *sound, turn *t)
{
    pthread_mutex_lock(&sound->lock);
    memcpy(t->order, sound->order, sizeof t->order);
    memcpy(t->name, sound->name, sizeof t->name);
    t->orders = sound->orders;
    t->number = atomic_load(&sound->number);
    pthread_mutex_unlock(&sound->lock);
    t->ordered_ms = lc_loop_now_ms();
    for (uint32_t i = 0; i < t->orders; i++) {
        t->order[i].name.data = t->name[i];
    }
}

static void turn_play(lc_sound *sound, const turn *t)
{
    for (uint32_t i = 0; i < t->orders && t->order[i].times > 0; i++) {
        voice v = {.order = t->order[i], .number = t->number, .ordered_ms = t->ordered_ms};
        if (!is_current(sound, &v)) {
            return;
        }
        if (voice_begin(sound, &v)) {
            voice_play(sound, &v);
        } else {
            atomic_fetch_add(&sound->dropped, 1);
        }
        lc_wav_close(&v.wav);
    }
}

static void *sound_main(void *arg)
{
    lc_sound *sound = arg;
    lc_pcm probe;
    turn t = {0};
    if (device_open(sound, &probe, LC_SOUND_RATE) == LC_OK) { /* told now, not in an alarm */
        lc_pcm_close(&probe);
    }
    while (!atomic_load(&sound->stop)) {
        if (atomic_load(&sound->number) == t.number) {
            (void)sem_wait(&sound->wake);
            continue;
        }
        turn_take(sound, &t);
        turn_play(sound, &t);
    }
    return NULL;
}

lc_err lc_sound_open(lc_sound *sound, const lc_sound_options *options)
{
    *sound = (lc_sound){.options = *options};
    if (sem_init(&sound->wake, 0, 0) != 0 || pthread_mutex_init(&sound->lock, NULL) != 0) {
        return LC_ERR_IO;
    }
    sound->started = lc_thread_start(&sound->thread, sound_main, sound);
    return sound->started ? LC_OK : LC_ERR_IO;
}

static void order_give(lc_sound *sound, const lc_order *order)
{
    if (!sound->started) {
        return;
    }
    pthread_mutex_lock(&sound->lock); /* held for the time of a copy only */
    sound->orders = 0;
    for (; order && sound->orders < LC_ORDERS_MAX; order = order->then) {
        uint32_t bytes = order->name.bytes < LC_NAME_BYTES_MAX ? order->name.bytes : 0;
        lc_order *to = &sound->order[sound->orders];
        *to = *order;
        to->name = (lc_str){NULL, bytes};
        if (bytes > 0) {
            memcpy(sound->name[sound->orders], order->name.data, bytes);
        }
        sound->orders++;
    }
    atomic_fetch_add(&sound->number, 1);
    pthread_mutex_unlock(&sound->lock);
    sem_post(&sound->wake);
}

void lc_sound_play(lc_sound *sound, const lc_order *order)
{
    lc_assert(order->kind != LC_ORDER_PIN && order->times > 0);
    order_give(sound, order);
}

void lc_sound_silence(lc_sound *sound)
{
    const lc_order silence = {.kind = LC_ORDER_TONE};
    order_give(sound, &silence);
}

void lc_sound_close(lc_sound *sound)
{
    if (!sound->started) {
        return;
    }
    atomic_store(&sound->stop, true);
    sem_post(&sound->wake);
    pthread_join(sound->thread, NULL);
    sem_destroy(&sound->wake);
    pthread_mutex_destroy(&sound->lock);
    sound->started = false;
}
