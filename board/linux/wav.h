/* wav.h - recordings: WAV files of 16-bit samples, one or two channels, read piece by piece. */
#ifndef LC_WAV_H
#define LC_WAV_H

#include "../../runtime/err.h"

#define LC_WAV_RATE_MIN 8000u
#define LC_WAV_RATE_MAX 48000u

typedef struct lc_wav {
    int fd; /* -1: closed */
    uint32_t rate, channels, frames;
    uint32_t data; /* where the samples begin */
} lc_wav;

/* IO (errno), FORMAT, UNSUPPORTED, LIMIT; diag->offset is the place in the file. */
lc_err lc_wav_open(lc_wav *wav, const char *path, lc_diag *diag) LC_CHECKED;
/* Samples [from, from + count), channels averaged; how many there were. At most LC_WAV_READ_MAX. */
#define LC_WAV_READ_MAX 960u
uint32_t lc_wav_read(const lc_wav *wav, uint32_t from, int16_t *sample, uint32_t count);
void lc_wav_close(lc_wav *wav);

#endif
