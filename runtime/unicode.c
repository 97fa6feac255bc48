#include "unicode.h"

#include "unicode_tables.h"

lc_uclass lc_unicode_class(uint32_t code_point)
{
    if (code_point > 0x10ffffu) {
        return LC_UCLASS_OTHER;
    }
    if (code_point - 'a' < 26u || code_point - 'A' < 26u) {
        return LC_UCLASS_LETTER; /* most of the text: no search */
    }
    /* The run that holds the code point is the last one that starts at or before it. */
    uint32_t low = 0;
    uint32_t high = LC_UNICODE_RUNS;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (unicode_run[middle] >> 3 <= code_point) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return (lc_uclass)(unicode_run[low] & 7u);
}
