/* pcm_none.c - no ALSA when this was built: there is no sound, everything else works. */
#include "pcm.h"

#ifdef LC_NO_ALSA

lc_err lc_pcm_open(lc_pcm *pcm, const char *device, bool capture, uint32_t rate)
{
    (void)device;
    *pcm = (lc_pcm){.capture = capture, .rate = rate};
    return LC_ERR_UNSUPPORTED;
}

bool lc_pcm_is_open(const lc_pcm *pcm)
{
    (void)pcm;
    return false;
}

lc_err lc_pcm_write(lc_pcm *pcm, const int16_t *sample, uint32_t count, uint32_t wait_ms,
                    uint32_t *done)
{
    (void)pcm;
    (void)sample;
    (void)count;
    (void)wait_ms;
    *done = 0;
    return LC_ERR_UNSUPPORTED;
}

lc_err lc_pcm_read(lc_pcm *pcm, int16_t *sample, uint32_t count, uint32_t wait_ms, uint32_t *done)
{
    (void)sample;
    return lc_pcm_write(pcm, NULL, count, wait_ms, done);
}

void lc_pcm_close(lc_pcm *pcm)
{
    *pcm = (lc_pcm){0};
}

#endif
