#include "wav.h"

#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNKS_MAX 64u
#define PCM 1u
#define EXTENSIBLE 0xfffeu

static uint32_t le16(const uint8_t *b)
{
    return (uint32_t)b[0] | (uint32_t)b[1] << 8;
}

static uint32_t le32(const uint8_t *b)
{
    return le16(b) | le16(b + 2) << 16;
}

static bool read_at(const lc_wav *wav, uint32_t at, uint8_t *to, uint32_t bytes)
{
    return pread(wav->fd, to, bytes, (off_t)at) == (ssize_t)bytes;
}

static lc_err format_take(lc_wav *wav, uint32_t at, uint32_t bytes, lc_diag *diag)
{
    uint8_t b[16];
    if (bytes < sizeof b || !read_at(wav, at, b, sizeof b)) {
        return lc_fail(diag, LC_ERR_FORMAT, at, "the fmt chunk is too short");
    }
    wav->channels = le16(b + 2);
    wav->rate = le32(b + 4);
    bool pcm = le16(b) == PCM || le16(b) == EXTENSIBLE;
    if (!pcm || le16(b + 14) != 16 || wav->channels < 1 || wav->channels > 2) {
        return lc_fail(diag, LC_ERR_UNSUPPORTED, at, "wants 16-bit PCM of one or two channels");
    }
    if (wav->rate < LC_WAV_RATE_MIN || wav->rate > LC_WAV_RATE_MAX) {
        return lc_fail(diag, LC_ERR_LIMIT, at + 4, "wants 8000 to 48000 samples a second");
    }
    return LC_OK;
}

/* Chunk after chunk until the samples; `fmt ` comes before them. */
static lc_err chunks_walk(lc_wav *wav, uint32_t size, lc_diag *diag)
{
    uint8_t b[8];
    uint64_t at = 12;
    for (uint32_t i = 0; i < CHUNKS_MAX && at + sizeof b <= size; i++) {
        if (!read_at(wav, (uint32_t)at, b, sizeof b)) {
            break;
        }
        uint32_t from = (uint32_t)at + 8, bytes = le32(b + 4);
        uint32_t held = bytes < size - from ? bytes : size - from;
        if (memcmp(b, "data", 4) == 0) {
            if (wav->channels == 0) {
                return lc_fail(diag, LC_ERR_FORMAT, at, "samples before their fmt chunk");
            }
            wav->data = from;
            wav->frames = held / (2 * wav->channels);
            return wav->frames > 0 ? LC_OK : lc_fail(diag, LC_ERR_FORMAT, from, "has no samples");
        }
        if (memcmp(b, "fmt ", 4) == 0) {
            lc_err err = format_take(wav, from, held, diag);
            if (err != LC_OK) {
                return err;
            }
        }
        at = (uint64_t)from + bytes + (bytes & 1u);
    }
    return lc_fail(diag, LC_ERR_FORMAT, at, "no samples");
}

lc_err lc_wav_open(lc_wav *wav, const char *path, lc_diag *diag)
{
    uint8_t head[12];
    struct stat st;
    *wav = (lc_wav){.fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (wav->fd < 0 || fstat(wav->fd, &st) != 0) {
        lc_wav_close(wav);
        return lc_fail(diag, LC_ERR_IO, 0, "cannot be opened");
    }
    lc_err err;
    if (!S_ISREG(st.st_mode) || st.st_size > INT32_MAX) {
        err = lc_fail(diag, LC_ERR_LIMIT, 0, "no file, or larger than 2 GB");
    } else if (!read_at(wav, 0, head, sizeof head) || memcmp(head, "RIFF", 4) != 0 ||
               memcmp(head + 8, "WAVE", 4) != 0) {
        err = lc_fail(diag, LC_ERR_FORMAT, 0, "is no WAV file");
    } else {
        err = chunks_walk(wav, (uint32_t)st.st_size, diag);
    }
    if (err != LC_OK) {
        lc_wav_close(wav);
    }
    return err;
}

uint32_t lc_wav_read(const lc_wav *wav, uint32_t from, int16_t *sample, uint32_t count)
{
    uint8_t b[4 * LC_WAV_READ_MAX];
    uint32_t left = from < wav->frames ? wav->frames - from : 0;
    count = count < left ? count : left;
    count = count < LC_WAV_READ_MAX ? count : LC_WAV_READ_MAX;
    uint32_t width = 2 * wav->channels;
    ssize_t got = pread(wav->fd, b, (size_t)count * width, (off_t)wav->data + (off_t)from * width);
    count = got > 0 ? (uint32_t)got / width : 0; /* a file that was cut meanwhile */
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *frame = b + (size_t)i * width;
        int32_t left_one = (int16_t)le16(frame);
        int32_t other = (int16_t)le16(frame + width - 2);
        sample[i] = (int16_t)((left_one + other) / 2);
    }
    return count;
}

void lc_wav_close(lc_wav *wav)
{
    if (wav->fd >= 0) {
        close(wav->fd);
    }
    wav->fd = -1;
}
