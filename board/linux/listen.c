#include "listen.h"

#include "log.h"
#include "loop.h"
#include "pcm.h"
#include "thread.h"

#define READ_SAMPLES 480u
#define READ_WAIT_MS 100u
#define STUCK_MS 2000u /* a device that gives nothing for so long has gone */

static void heard(void *ctx, const char *line)
{
    lc_listen *listen = ctx;
    lc_postbox_put(listen->box, listen->source, line);
}

static void away_tell(lc_listen *listen, const char *why)
{
    if (!atomic_exchange(&listen->away, true)) {
        lc_log(LC_LOG_WARNING, "input %s: device %s: %s; trying again", listen->config->id,
               listen->config->device, why);
    }
}

static void there_tell(lc_listen *listen)
{
    if (atomic_exchange(&listen->away, false)) {
        lc_log(LC_LOG_NOTICE, "input %s: device %s: there", listen->config->id,
               listen->config->device);
    }
}

/* Listens as long as the device gives samples. */
static lc_err samples_take(lc_listen *listen, lc_pcm *pcm)
{
    int16_t sample[READ_SAMPLES];
    uint32_t got = 0;
    uint64_t came_ms = lc_loop_now_ms();
    while (!atomic_load(&listen->stop)) {
        lc_err err = lc_pcm_read(pcm, sample, READ_SAMPLES, READ_WAIT_MS, &got);
        uint64_t now_ms = lc_loop_now_ms();
        if (err != LC_OK || (got == 0 && now_ms - came_ms > STUCK_MS)) {
            return LC_ERR_IO;
        }
        atomic_store(&listen->overruns, (unsigned)pcm->breaks);
        if (got > 0) {
            there_tell(listen);
            came_ms = now_ms;
            lc_ear_feed(&listen->ear, sample, got);
        }
    }
    return LC_OK;
}

static void *listen_main(void *arg)
{
    lc_listen *listen = arg;
    uint32_t wait_ms = LC_LISTEN_RETRY_MIN_MS;
    while (!atomic_load(&listen->stop)) {
        lc_pcm pcm;
        lc_err err = lc_pcm_open(&pcm, listen->config->device, true, LC_EAR_RATE);
        if (err == LC_OK) {
            uint64_t before = listen->ear.block;
            err = samples_take(listen, &pcm);
            lc_pcm_close(&pcm);
            wait_ms = listen->ear.block > before ? LC_LISTEN_RETRY_MIN_MS : wait_ms;
            if (err == LC_OK) {
                break;
            }
            away_tell(listen, "has gone");
        } else {
            away_tell(listen, err == LC_ERR_NOT_FOUND ? "is not there" : lc_err_text(err));
        }
        lc_thread_wait(&listen->wake, wait_ms);
        wait_ms = 2 * wait_ms > LC_LISTEN_RETRY_MAX_MS ? LC_LISTEN_RETRY_MAX_MS : 2 * wait_ms;
    }
    return NULL;
}

lc_err lc_listen_open(lc_listen *listen, const lc_config *config, lc_postbox *box)
{
    *listen = (lc_listen){.box = box};
    for (uint32_t i = 0; i < config->input_count; i++) {
        if (config->input[i].kind == LC_INPUT_SOUND) {
            listen->config = &config->input[i];
            listen->source = i;
        }
    }
    if (!listen->config) {
        return LC_OK;
    }
    lc_ear_init(&listen->ear, listen->config->every_s, listen->config->change, heard, listen);
    if (sem_init(&listen->wake, 0, 0) != 0) {
        return LC_ERR_IO;
    }
    listen->started = lc_thread_start(&listen->thread, listen_main, listen);
    return listen->started ? LC_OK : LC_ERR_IO;
}

void lc_listen_close(lc_listen *listen)
{
    if (!listen->started) {
        return;
    }
    atomic_store(&listen->stop, true);
    sem_post(&listen->wake);
    pthread_join(listen->thread, NULL);
    sem_destroy(&listen->wake);
    listen->started = false;
}
