#!/usr/bin/env python3
"""Writes runtime/unicode_tables.h: the classes of code points that pre-tokenizers ask for.

    pip install unicodedata2==15.1.0        (not needed with Python 3.13)
    python3 tools/gen/unicode.py > runtime/unicode_tables.h

Unicode 15.1 because the tokenizers that ids are compared with (Oniguruma in the original
tokenizers, generated tables in llama.cpp) hold that version. Needed only to change the table.
"""
import sys

try:
    import unicodedata2 as unicodedata
except ImportError:
    import unicodedata

VERSION = "15.1.0"
PER_LINE = 8

# First letter of the general category to class; the numbers are those of lc_uclass in unicode.h.
CLASS = {"L": 1, "N": 2, "P": 3, "S": 4, "M": 5, "C": 0}
SPACE = 6
CONTROL = 7

# White_Space of PropList.txt: not a category, so it is listed. unicodedata calls U+001C to U+001F
# white space too, which the property does not.
WHITE = {*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B),
         0x2028, 0x2029, 0x202F, 0x205F, 0x3000}


def class_of(cp):
    if cp in WHITE:
        return SPACE
    category = unicodedata.category(chr(cp))
    if category in ("Cc", "Cf"):
        return CONTROL
    if category[0] == "Z":
        raise SystemExit(f"U+{cp:04X} is a separator that is not white space")
    return CLASS[category[0]]


def main():
    if unicodedata.unidata_version != VERSION:
        raise SystemExit(f"Unicode {VERSION} wanted, this Python has {unicodedata.unidata_version}")
    runs, last = [], None
    for cp in range(0x110000):
        now = class_of(cp)
        if now != last:
            runs.append(cp << 3 | now)
            last = now
    print(f"/* unicode_tables.h - made by tools/gen/unicode.py from Unicode {VERSION}.")
    print(" *")
    print(" * One entry for each run of code points of one class: first code point << 3 | class.")
    print(" */")
    print("#ifndef LC_UNICODE_TABLES_H\n#define LC_UNICODE_TABLES_H\n\n#include <stdint.h>\n")
    print(f"#define LC_UNICODE_RUNS {len(runs)}u\n")
    print("static const uint32_t unicode_run[LC_UNICODE_RUNS] = {")
    for i in range(0, len(runs), PER_LINE):
        print("    " + " ".join(f"0x{r:06x}," for r in runs[i:i + PER_LINE]))
    print("};\n\n#endif")


if __name__ == "__main__":
    sys.exit(main())
