/* pcm.h - a sound device, of ALSA: 16-bit samples, one channel. No call waits longer than it is
 * told to, so that a device that hangs or was unplugged stops nobody.
 *
 * Without ALSA at build time (SOUND=) every device is UNSUPPORTED.
 */
#ifndef LC_PCM_H
#define LC_PCM_H

#include <stdbool.h>

#include "../../runtime/err.h"

#define LC_PCM_BUFFER_MS 200u /* what a device holds: how late its user may be */
#define LC_PCM_CHANNELS_MAX 2u

typedef struct lc_pcm {
    void *handle; /* NULL: closed */
    bool capture;
    uint32_t rate, channels; /* of the device; where it has no mono, both are the same */
    uint64_t breaks;         /* times it ran empty or over; the calls below mend that */
} lc_pcm;

/* NOT_FOUND (no such card), BUSY (another program has it), UNSUPPORTED (not this rate), IO. */
lc_err lc_pcm_open(lc_pcm *pcm, const char *device, bool capture, uint32_t rate) LC_CHECKED;
bool lc_pcm_is_open(const lc_pcm *pcm);
/* As many of the samples as fit within wait_ms; IO: the device has gone. */
lc_err lc_pcm_write(lc_pcm *pcm, const int16_t *sample, uint32_t count, uint32_t wait_ms,
                    uint32_t *done) LC_CHECKED;
/* At most count samples, as soon as there are some. */
lc_err lc_pcm_read(lc_pcm *pcm, int16_t *sample, uint32_t count, uint32_t wait_ms,
                   uint32_t *done) LC_CHECKED;
/* At once: what was written and not yet heard is thrown away. */
void lc_pcm_close(lc_pcm *pcm);

#endif
