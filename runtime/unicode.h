/* unicode.h - what kind of character a code point is (Unicode 15.1). */
#ifndef LC_UNICODE_H
#define LC_UNICODE_H

#include <stdint.h>

typedef enum lc_uclass { /* tools/gen/unicode.py writes these numbers */
                         LC_UCLASS_OTHER =
                             0, /* unassigned, private use, surrogate, beyond U+10FFFF */
                         LC_UCLASS_LETTER = 1,
                         LC_UCLASS_NUMBER = 2,
                         LC_UCLASS_PUNCT = 3,
                         LC_UCLASS_SYMBOL = 4,
                         LC_UCLASS_MARK = 5,
                         LC_UCLASS_SPACE = 6, /* White_Space: a regex's \s */
                         LC_UCLASS_CONTROL = 7
} lc_uclass;

lc_uclass lc_unicode_class(uint32_t code_point);
/* The first character of its canonical decomposition, in lower case. */
uint32_t lc_unicode_fold(uint32_t code_point);

#endif
