/* normal.h - text in the normal form that a tokenizer wants: NFC, or what BERT's normaliser makes.
 *
 * Only what files of Hugging Face form ask for: GGUF files leave normalisation to the reader.
 */
#ifndef LC_NORMAL_H
#define LC_NORMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { /* bits, part of the format */
       LC_NORM_NFC = 1,
       LC_NORM_BERT = 2,    /* words as BertNormalizer and BertPreTokenizer make them */
       LC_NORM_CLEAN = 4,   /* control characters go, white space is a blank */
       LC_NORM_CHINESE = 8, /* each Chinese character is a word */
       LC_NORM_LOWER = 16,
       LC_NORM_STRIP = 32 /* NFD, without non-spacing marks */
};

#define LC_NORMAL_GROWTH 3u /* no text becomes longer than so many times its bytes */

/* Writes the normal form of text to out[LC_NORMAL_GROWTH * bytes] and returns its length. Bytes
 * that are not UTF-8 stay as they are. Marks are put in order within runs of LC_NORMAL_RUN. */
size_t lc_normal_write(uint32_t norm, const char *text, size_t bytes, char *out);

#define LC_NORMAL_RUN 62u

#endif
