#!/usr/bin/env python3
"""Writes tests/unit/pretok_cases.h: where the published pre-tokenizers cut texts.

    pip install tokenizers
    python3 tools/gen/pretok_cases.py > tests/unit/pretok_cases.h

The cuts are made by the `tokenizers` package from the regular expressions as published, so they
are independent of runtime/pretok.c.
"""
import random

from tokenizers import Regex, pre_tokenizers

GPT2 = (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+")
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA = QWEN2.replace(r"\p{N}| ?", r"\p{N}{1,3}| ?")


def split(*expressions):
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(e), "isolated") for e in expressions])


CUTTERS = [
    ("gpt-2", split(GPT2)),
    ("smollm", split(r"\p{N}", GPT2)),
    ("qwen2", split(QWEN2)),
    ("llama-bpe", split(LLAMA)),
    ("falcon", split(r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]")),
]

FIXED = [
    "a", " ", "  ", "\n", "'", "'s", "'S", "''s", "x's y'LL z'Ve", "'sam 'rest 'v",
    "I've we'RE he'd they'll 'twas", "P2 vib 7.9mm/s rising, temp 81C", "1234567", " 1234567",
    "a1b22c333d4444", "  12", "12  ", "word  word", "word \n word", "word\n\n\nword", " \n \n x",
    "x \t\r\n  y", "end   ", "end \n ", "!!!\n\n\r\nx", " !!\nx", "a\u00a0b", "\u00a0\u00a0b",
    "\u3000\u2028x", "\u00bd\u00b2\u0663 4\u0664\u0665", "\u2167\u216712345",
    "\u00b0C \u20ac5 \u00a31,000.50", "$x+1<=y^2|~`z`", "(a) [b] {c} \"d\" #e @f %g &h",
    "\u201cq\u201d \u2014 \u2026", "\u6e29\u5ea6\u4f20\u611f\u5668\u6545\u969cE07",
    "\u0939\u093f\u0928\u094d\u0926\u0940", "cafe\u0301 a\u0300", "\U0001f525\U0001f525 alarm",
    "\u200bzero\u200dwidth\ufeff", "_____-----=====", "192.168.0.1:1883 /dev/ttyUSB0 0x1F3A",
    "' '' ''' 's's", "\t\tif (x):\n\t\t\treturn", "...'t", " 's", "1's 2'nd", "\r\r\n",
    "\x85\x0b\x0c!",
]
PARTS = ["a", "Bc", " ", "  ", "\n", "\r\n", "\t", "'", "'s", "'LL", "1", "23", "4567", ".", "!!",
         "$", "\u00e9", "\u4e2d", "\u00bd", "\u00a0", "\u2014", "\U0001f6a8", "\u0301", "\u0660"]
RANDOM_COUNT = 60


def texts():
    draw = random.Random(2024)
    made = ["".join(draw.choice(PARTS) for _ in range(draw.randrange(2, 14)))
            for _ in range(RANDOM_COUNT)]
    return FIXED + made


def c_string(text):
    """Octal escapes: unlike hexadecimal ones they end by themselves."""
    plain = set(range(0x20, 0x7f)) - set(b"\"\\?")
    return "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode())


def cuts(cutter, text):
    pieces = cutter.pre_tokenize_str(text)
    assert "".join(piece for piece, _ in pieces) == text
    return " ".join(str(len(piece.encode())) for piece, _ in pieces)


def main():
    print("/* pretok_cases.h - made by tools/gen/pretok_cases.py; do not edit. */")
    print("#ifndef LC_PRETOK_CASES_H\n#define LC_PRETOK_CASES_H\n")
    print(f"#define PRETOK_CASES_KINDS {len(CUTTERS)}\n")
    print("typedef struct pretok_case {")
    print("    const char *text;")
    print("    /* bytes of each piece: " + ", ".join(name for name, _ in CUTTERS) + " */")
    print("    const char *cuts[PRETOK_CASES_KINDS];")
    print("} pretok_case;\n")
    print("static const pretok_case pretok_cases[] = {")
    for text in texts():
        print(f'    {{"{c_string(text)}",')
        rows = [f'"{cuts(cutter, text)}"' for _, cutter in CUTTERS]
        print("     {" + (",\n      ".join(rows)) + "}},")
    print("};\n\n#endif")


if __name__ == "__main__":
    main()
