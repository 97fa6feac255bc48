#!/usr/bin/env python3
"""Writes runtime/unicode_fold.h: what WordPiece makes of a character before it looks for words.

    pip install unicodedata2==15.1.0        (not needed with Python 3.13)
    python3 tools/gen/fold.py > runtime/unicode_fold.h

A character becomes the first one of its canonical decomposition (so accents go, and of a Hangul
syllable the first letter stays) in lower case, as the converted models' tokenizers have it.
"""

try:
    import unicodedata2 as unicodedata
except ImportError:
    import unicodedata

VERSION = "15.1.0"
CONSTANT, SHIFTED, PAIRS = 0, 1, 2


def fold(cp):
    first = unicodedata.normalize("NFD", chr(cp))[0]
    lower = first.lower()
    return ord(lower if len(lower) == 1 else first)


def extends(run, cp, to):
    """Whether the run, [kind, first, last, target], goes on with cp -> to; it is changed then."""
    kind, first, last, target = run
    if cp != last + 1:
        return False
    if kind == CONSTANT:
        return to == target
    if kind == SHIFTED:
        return to - cp == target - first
    return to == (cp + 1 if (cp - first) % 2 == 0 else cp)


def best_run(table, at):
    """The longest run of any kind that starts at `at`."""
    best = None
    for kind in (CONSTANT, SHIFTED, PAIRS):
        run = [kind, at, at, table[at]]
        if kind == PAIRS and table[at] != at + 1:
            continue
        while run[2] + 1 < len(table) and extends(run, run[2] + 1, table[run[2] + 1]):
            run[2] += 1
        while table[run[2]] == run[2]:
            run[2] -= 1
        if best is None or run[2] > best[2]:
            best = run
    return best


def main():
    if unicodedata.unidata_version != VERSION:
        raise SystemExit(f"Unicode {VERSION} wanted, this Python has {unicodedata.unidata_version}")
    table = [cp if 0xD800 <= cp < 0xE000 else fold(cp) for cp in range(0x30000)]
    runs, at = [], 0
    while at < len(table):
        if table[at] == at:
            at += 1
            continue
        run = best_run(table, at)
        runs.append(run)
        at = run[2] + 1
    out = [
        f"/* unicode_fold.h - made by tools/gen/fold.py from Unicode {VERSION}; do not edit.",
        " *",
        " * Runs of code points that fold: first, last << 2 | kind, target of the first.",
        " * Kind 0: all have the same target; 1: targets rise with the code points; 2: every "
        "second",
        " * one, from the first on, has the next as its target and the others are their own.",
        " */",
        "#ifndef LC_UNICODE_FOLD_H",
        "#define LC_UNICODE_FOLD_H",
        "",
        "#include <stdint.h>",
        "",
        f"#define LC_FOLD_RUNS {len(runs)}u",
        "",
        "static const uint32_t fold_run[LC_FOLD_RUNS][3] = {",
    ]
    cells = [f"{{0x{a:05x}, 0x{b << 2 | kind:05x}, 0x{to:04x}}}," for kind, a, b, to in runs]
    out += ["    " + " ".join(cells[i : i + 3]) for i in range(0, len(cells), 3)]
    print("\n".join(out + ["};", "", "#endif"]))


if __name__ == "__main__":
    main()
