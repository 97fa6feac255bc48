/* pcm_alsa.c - the only user of libasound. */
#include "pcm.h"

#ifndef LC_NO_ALSA

#include <alsa/asoundlib.h>
#include <errno.h>

#define PIECE 480u /* samples handed over at once where channels are doubled or left out */

static void hush(const char *file, int line, const char *function, int err, const char *format, ...)
{
    (void)file;
    (void)line;
    (void)function;
    (void)err;
    (void)format;
}

static lc_err err_of(int error)
{
    switch (-error) {
    case EBUSY:
        return LC_ERR_BUSY;
    case ENOENT:
    case ENODEV:
    case ENXIO:
        return LC_ERR_NOT_FOUND;
    case EINVAL:
        return LC_ERR_UNSUPPORTED;
    default:
        return LC_ERR_IO;
    }
}

lc_err lc_pcm_open(lc_pcm *pcm, const char *device, bool capture, uint32_t rate)
{
    snd_pcm_stream_t stream = capture ? SND_PCM_STREAM_CAPTURE : SND_PCM_STREAM_PLAYBACK;
    snd_pcm_t *handle = NULL;
    *pcm = (lc_pcm){.capture = capture, .rate = rate};
    snd_lib_error_set_handler(hush); /* it would write to stderr, at length */
    int err = snd_pcm_open(&handle, device, stream, SND_PCM_NONBLOCK);
    if (err < 0) {
        return err_of(err);
    }
    do {
        err = snd_pcm_set_params(handle, SND_PCM_FORMAT_S16, SND_PCM_ACCESS_RW_INTERLEAVED,
                                 ++pcm->channels, rate, 1, 1000 * LC_PCM_BUFFER_MS);
    } while (err < 0 && pcm->channels < LC_PCM_CHANNELS_MAX);
    err = err >= 0 && capture ? snd_pcm_start(handle) : err;
    if (err < 0) {
        snd_pcm_close(handle);
        return err_of(err);
    }
    pcm->handle = handle;
    return LC_OK;
}

bool lc_pcm_is_open(const lc_pcm *pcm)
{
    return pcm->handle != NULL;
}

void lc_pcm_close(lc_pcm *pcm)
{
    if (pcm->handle) {
        (void)snd_pcm_drop(pcm->handle);
        (void)snd_pcm_close(pcm->handle);
    }
    pcm->handle = NULL;
}

/* What a transfer gave: frames, 0 when it is to be tried again, or an error. */
static lc_err outcome(lc_pcm *pcm, snd_pcm_sframes_t got, uint32_t *frames)
{
    *frames = got > 0 ? (uint32_t)got : 0;
    if (got >= 0 || got == -EAGAIN || got == -EINTR) {
        return LC_OK;
    }
    if (got != -EPIPE && got != -ESTRPIPE) {
        return LC_ERR_IO;
    }
    pcm->breaks++;
    int err = snd_pcm_prepare(pcm->handle);
    err = err >= 0 && pcm->capture ? snd_pcm_start(pcm->handle) : err;
    return err < 0 ? LC_ERR_IO : LC_OK;
}

lc_err lc_pcm_write(lc_pcm *pcm, const int16_t *sample, uint32_t count, uint32_t wait_ms,
                    uint32_t *done)
{
    int16_t piece[PIECE * LC_PCM_CHANNELS_MAX];
    uint32_t frames = count < PIECE ? count : PIECE;
    for (uint32_t i = 0; i < frames * pcm->channels; i++) {
        piece[i] = sample[i / pcm->channels];
    }
    lc_err err = outcome(pcm, snd_pcm_writei(pcm->handle, piece, frames), done);
    if (err == LC_OK && *done == 0) {
        (void)snd_pcm_wait(pcm->handle, (int)wait_ms); /* its error comes with the next line, too */
        err = outcome(pcm, snd_pcm_writei(pcm->handle, piece, frames), done);
    }
    return err;
}

lc_err lc_pcm_read(lc_pcm *pcm, int16_t *sample, uint32_t count, uint32_t wait_ms, uint32_t *done)
{
    int16_t piece[PIECE * LC_PCM_CHANNELS_MAX];
    uint32_t frames = count < PIECE ? count : PIECE;
    lc_err err = outcome(pcm, snd_pcm_readi(pcm->handle, piece, frames), done);
    if (err == LC_OK && *done == 0) {
        (void)snd_pcm_wait(pcm->handle, (int)wait_ms);
        err = outcome(pcm, snd_pcm_readi(pcm->handle, piece, frames), done);
    }
    for (uint32_t i = 0; i < *done; i++) {
        sample[i] = piece[i * pcm->channels];
    }
    return err;
}

#endif
