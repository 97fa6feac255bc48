/* squeeze.h - records are much alike: each is kept as what it shares with those before it and what
 * is new. The history is the text of the entries before, the same for writer and reader.
 */
#ifndef LC_SQUEEZE_H
#define LC_SQUEEZE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LC_HISTORY_BYTES 16384u
#define LC_SQUEEZE_TEXT_MAX (LC_HISTORY_BYTES / 2) /* a longer text is kept as it is */
#define LC_SQUEEZE_PLACES 4096u

typedef struct lc_history {
    uint8_t *text;   /* [LC_HISTORY_BYTES] */
    uint16_t *place; /* [LC_SQUEEZE_PLACES] 1 + where four bytes were last seen; NULL: reads only */
    uint32_t bytes;
} lc_history;

void lc_history_clear(lc_history *history);
/* Squeezes a text of at most LC_SQUEEZE_TEXT_MAX bytes into out[bytes] and adds it to the history.
 * Returns the length, or 0 when it would not be shorter. */
uint32_t lc_squeeze(lc_history *history, const char *text, uint32_t bytes, uint8_t *out);
/* The other way; *text is bytes long and stays until the next call. False: no such text. */
bool lc_unsqueeze(lc_history *history, const uint8_t *in, uint32_t in_bytes, uint32_t bytes,
                  const char **text);
/* Adds a text that was kept as it is. */
void lc_history_add(lc_history *history, const void *text, uint32_t bytes);

#endif
