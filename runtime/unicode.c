#include "unicode.h"

#include "unicode_fold.h"
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

uint32_t lc_unicode_fold(uint32_t code_point)
{
    if (code_point < 0x80) {
        return code_point - 'A' < 26u ? code_point + ('a' - 'A') : code_point;
    }
    /* The first run that ends at or after the code point. */
    uint32_t low = 0;
    uint32_t high = LC_FOLD_RUNS;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (fold_run[middle][1] >> 2 < code_point) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == LC_FOLD_RUNS || fold_run[low][0] > code_point) {
        return code_point;
    }
    uint32_t offset = code_point - fold_run[low][0];
    switch (fold_run[low][1] & 3u) {
    case 0:
        return fold_run[low][2];
    case 1:
        return fold_run[low][2] + offset;
    default:
        return offset % 2 == 0 ? code_point + 1 : code_point;
    }
}
