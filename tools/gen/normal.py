#!/usr/bin/env python3
"""Writes runtime/unicode_apart.h and unicode_join.h: what normalisation asks of a character.

    pip install unicodedata2==15.1.0        (not needed with Python 3.13)
    python3 tools/gen/normal.py apart > runtime/unicode_apart.h
    python3 tools/gen/normal.py join > runtime/unicode_join.h

Canonical decompositions, compositions, combining classes, non-spacing marks, lower case. Hangul
syllables are computed, not listed.
"""

import sys

try:
    import unicodedata2 as unicodedata
except ImportError:
    import unicodedata

VERSION = "15.1.0"
HANGUL = range(0xAC00, 0xD7A4)


def nfd(cp):
    return [ord(c) for c in unicodedata.normalize("NFD", chr(cp))]


def runs(values):
    """Runs of equal values over all code points, those of 0 left out."""
    out = []
    for cp, value in values:
        if value and out and out[-1][1] == cp - 1 and out[-1][2] == value:
            out[-1][1] = cp
        elif value:
            out.append([cp, cp, value])
    return out


def lower_runs(points):
    """[first, last, target of the first]: targets rise with the code points, by 1 or by 2."""
    out = []
    for cp in points:
        to = ord(chr(cp).lower()[0])
        if to == cp:
            continue
        last = out[-1] if out else None
        if last and to - cp == last[2] - last[0] and cp - last[1] in (1, 2):
            step = cp - last[1]
            if last[3] in (0, step):
                last[1], last[3] = cp, step
                continue
        out.append([cp, cp, to, 0])
    return out


def table(kind, rows):
    print(f"static const {kind} = {{")
    line = "   "
    for row in rows:
        if len(line) + len(row) >= 100:
            print(line)
            line = "   "
        line += " " + row
    print(line + "\n};\n")


def head(name, counts):
    print(
        f"/* unicode_{name}.h - made by tools/gen/normal.py from Unicode {VERSION}; do not edit. */"
    )
    print(f"#ifndef LC_UNICODE_{name.upper()}_H\n#define LC_UNICODE_{name.upper()}_H\n")
    print("#include <stdint.h>\n")
    for count, rows in counts:
        print(f"#define LC_NORMAL_{count} {len(rows)}u")
    print()


def main():
    if unicodedata.unidata_version != VERSION:
        raise SystemExit(f"Unicode {VERSION} wanted, this Python has {unicodedata.unidata_version}")
    points = [cp for cp in range(0x110000) if not 0xD800 <= cp < 0xE000]
    apart = {cp: nfd(cp) for cp in points if cp not in HANGUL and nfd(cp) != [cp]}
    pool, starts = [], []
    for cp, parts in apart.items():
        starts.append(f"{{0x{cp:x}, {len(pool) << 3 | len(parts)}}},")
        pool += parts
    pairs = []
    for cp in apart:
        step = unicodedata.decomposition(chr(cp)).split()
        if len(step) == 2 and unicodedata.normalize("NFC", chr(cp)) == chr(cp):
            pairs.append((int(step[0], 16), int(step[1], 16), cp))
    pairs.sort()
    classes = runs((cp, unicodedata.combining(chr(cp))) for cp in points)
    marks = runs((cp, int(unicodedata.category(chr(cp)) == "Mn")) for cp in points)
    lower = lower_runs(points)
    for cp in points:  # growth of the buffers in tok.c and tok_wordpiece.c
        out = "".join(chr(c).lower() for c in nfd(cp))
        assert len(out.encode()) <= 3 * len(chr(cp).encode())
        assert len(chr(cp).lower()) == 1 or cp == 0x130
    if sys.argv[1] == "apart":
        head("apart", (("APART", starts),))
        print("/* Code point, start in the pool << 3 | length. */")
        table("uint32_t normal_apart[LC_NORMAL_APART][2]", starts)
        table(f"uint32_t normal_pool[{len(pool)}]", [f"0x{c:x}," for c in pool])
    else:
        head("join", (("PAIRS", pairs), ("CLASSES", classes), ("MARKS", marks), ("LOWER", lower)))
        print("/* First, second, what they become. */")
        table(
            "uint32_t normal_pair[LC_NORMAL_PAIRS][3]",
            [f"{{0x{a:x}, 0x{b:x}, 0x{c:x}}}," for a, b, c in pairs],
        )
        print("/* First, last << 8 | combining class. */")
        table(
            "uint32_t normal_class[LC_NORMAL_CLASSES][2]",
            [f"{{0x{a:x}, 0x{b << 8 | v:x}}}," for a, b, v in classes],
        )
        print("/* First and last non-spacing mark. */")
        table(
            "uint32_t normal_mark[LC_NORMAL_MARKS][2]",
            [f"{{0x{a:x}, 0x{b:x}}}," for a, b, _ in marks],
        )
        print("/* First, last << 2 | step, lower case of the first. */")
        table(
            "uint32_t normal_lower[LC_NORMAL_LOWER][3]",
            [f"{{0x{a:x}, 0x{b << 2 | max(s, 1):x}, 0x{t:x}}}," for a, b, t, s in lower],
        )
    print("#endif")


if __name__ == "__main__":
    main()
