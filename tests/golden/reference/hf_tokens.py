#!/usr/bin/env python3
"""Token ids of tokenizer.json files against the library `tokenizers`, an implementation of others.

    pip install tokenizers gguf
    LC_BUILD=build/<triple> python3 tests/golden/reference/hf_tokens.py [-n N] [FOLDER...]

Each vocabulary of LC_SHARED is written as a tokenizer.json of every form that checkpoints of its
kind come in (normalisers, pre-tokenizers, merges made of scores), beside FOLDERs given. Ids are
compared on the 818 golden lines and on N random UTF-8 strings (10,000): letters of many scripts,
composed and decomposed, marks, digits, white space, punctuation, emoji, controls.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import unicodedata

from gguf import GGUFReader
from tokenizers import Tokenizer

SHARED = os.environ.get("LC_SHARED", "../shared/data")
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3 = QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
BLANK = "\u2581"


# ---- tokenizer.json from vocabularies -----------------------------------------------------------


def byte_level(regex, prefix=False):
    return {
        "type": "ByteLevel",
        "add_prefix_space": prefix,
        "trim_offsets": True,
        "use_regex": regex,
    }


def split(regex):
    pattern = {
        "type": "Split",
        "pattern": {"Regex": regex},
        "behavior": "Isolated",
        "invert": False,
    }
    return {"type": "Sequence", "pretokenizers": [pattern, byte_level(False)]}


def digits():
    steps = [{"type": "Digits", "individual_digits": True}, byte_level(True)]
    return {"type": "Sequence", "pretokenizers": steps}


def added(tokens, kinds):
    rows = []
    for i, (token, kind) in enumerate(zip(tokens, kinds)):
        if kind in (2, 3, 4):
            rows.append(
                dict(id=i, content=token, special=kind != 4, single_word=False, lstrip=False,
                     rstrip=False, normalized=False)
            )  # fmt: skip
    return rows


def template(first, last, tokens):
    pieces = [{"SpecialToken": {"id": tokens[first], "type_id": 0}}] if first is not None else []
    pieces.append({"Sequence": {"id": "A", "type_id": 0}})
    if last is not None:
        pieces.append({"SpecialToken": {"id": tokens[last], "type_id": 0}})
    names = {tokens[i]: i for i in (first, last) if i is not None}
    special = {n: {"id": n, "ids": [i], "tokens": [n]} for n, i in names.items()}
    return {
        "type": "TemplateProcessing",
        "single": pieces,
        "pair": pieces,
        "special_tokens": special,
    }


def whole(model, rows, **parts):
    top = dict(version="1.0", truncation=None, padding=None, added_tokens=rows, normalizer=None,
               pre_tokenizer=None, post_processor=None, decoder=None, model=model)  # fmt: skip
    return {**top, **parts}


def bpe(vocab, merges, **words):
    base = dict(
        type="BPE",
        dropout=None,
        unk_token=None,
        continuing_subword_prefix=None,
        end_of_word_suffix=None,
        fuse_unk=False,
        byte_fallback=False,
        ignore_merges=False,
    )
    return {**base, **words, "vocab": vocab, "merges": merges}  # fmt: skip


def merges_of_scores(tokens, scores, kinds):
    """The merges that Transformers makes of a SentencePiece model: every way to cut a token in two,
    best score first, longest left part first."""
    vocab = {t: i for i, t in enumerate(tokens) if kinds[i] in (1, 4)}
    rows = []
    for token, i in vocab.items():
        for k in range(1, len(token)):
            left, right = token[:k], token[k:]
            if left in vocab and right in vocab:
                rows.append((-scores[i], -len(left), -len(right), left, right))
    rows.sort(key=lambda r: r[:3])
    return [[r[3], r[4]] for r in rows]


class Vocab:
    def __init__(self, name):
        fields = GGUFReader(os.path.join(SHARED, "tokenizers", f"ggml-vocab-{name}.gguf")).fields

        def get(key):
            key = "tokenizer.ggml." + key
            return fields[key].contents() if key in fields else None

        self.tokens, self.kinds = get("tokens"), get("token_type")
        self.scores, self.merges = get("scores"), get("merges")


def forms():
    """Name and tokenizer.json of each form."""
    for name in ("gpt-2", "qwen2"):
        v = Vocab(name)
        vocab = {t: i for i, t in enumerate(v.tokens) if v.kinds[i] == 1}
        rows = added(v.tokens, v.kinds)
        old = v.merges
        new = [m.split(" ") for m in old]
        end = max(i for i, k in enumerate(v.kinds) if k == 3)
        ends = template(end, end, v.tokens)
        if name == "gpt-2":
            yield "byte-level", whole(bpe(vocab, old), rows, pre_tokenizer=byte_level(True),
                                      post_processor=byte_level(True))  # fmt: skip
            yield "byte-level, digits", whole(bpe(vocab, new), rows, pre_tokenizer=digits(),
                                              post_processor=ends)  # fmt: skip
            white = [
                dict(
                    id=len(v.tokens) + n,
                    content=" " * (n + 2),
                    special=False,
                    lstrip=False,
                    single_word=False,
                    rstrip=False,
                    normalized=True,
                )
                for n in range(23)
            ]
            yield "byte-level, NFC, white tokens", whole(
                bpe(vocab, new), rows + white, pre_tokenizer=byte_level(True),
                normalizer={"type": "NFC"}, post_processor=ends)  # fmt: skip
        else:
            yield "qwen2, NFC", whole(bpe(vocab, new), rows, pre_tokenizer=split(QWEN2),
                                      normalizer={"type": "NFC"},
                                      post_processor=byte_level(False))  # fmt: skip
            yield "llama 3", whole(
                bpe(vocab, new, ignore_merges=True), rows, pre_tokenizer=split(LLAMA3),
                post_processor={"type": "Sequence", "processors": [
                    byte_level(False), template(end, None, v.tokens)]})  # fmt: skip
    v = Vocab("phi-3")
    vocab = {t: i for i, t in enumerate(v.tokens) if v.kinds[i] != 3}
    vocab.update({t: i for i, t in enumerate(v.tokens) if i < 3})
    model = bpe(
        vocab,
        merges_of_scores(v.tokens, v.scores, v.kinds),
        unk_token="<unk>",
        fuse_unk=True,
        byte_fallback=True,
    )
    rows = [r for r in added(v.tokens, v.kinds)]
    replace = {"type": "Replace", "pattern": {"String": " "}, "content": BLANK}
    prepend = {"type": "Prepend", "prepend": BLANK}
    yield "spm, Prepend", whole(
        model,
        rows,
        post_processor=template(1, None, v.tokens),
        normalizer={"type": "Sequence", "normalizers": [prepend, replace]},
    )
    metaspace = {
        "type": "Metaspace",
        "replacement": BLANK,
        "prepend_scheme": "first",
        "split": False,
    }
    yield "spm, Metaspace", whole(
        model, rows, post_processor=template(1, 2, v.tokens), pre_tokenizer=metaspace
    )
    blank = {
        "type": "Split",
        "pattern": {"String": " "},
        "behavior": "MergedWithPrevious",
        "invert": False,
    }
    white = [
        dict(
            id=len(v.tokens) + n,
            content="\n" * (n + 2),
            special=False,
            lstrip=False,
            single_word=False,
            rstrip=False,
            normalized=False,
        )
        for n in range(30)
    ]
    yield "spm, Gemma", whole(
        model,
        rows + white,
        normalizer=replace,
        pre_tokenizer=blank,
        post_processor=template(1, None, v.tokens),
    )
    v = Vocab("bert-bge")
    tokens = [
        t[1:] if t.startswith(BLANK) else t if k == 3 or t.startswith("[") else "##" + t
        for t, k in zip(v.tokens, v.kinds)
    ]
    rows = added(
        tokens, [3 if t in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") else 1 for t in tokens]
    )
    model = dict(
        type="WordPiece",
        unk_token="[UNK]",
        continuing_subword_prefix="##",
        max_input_chars_per_word=100,
        vocab={t: i for i, t in enumerate(tokens)},
    )
    cls, sep = tokens.index("[CLS]"), tokens.index("[SEP]")
    flags = ("clean_text", "handle_chinese_chars", "strip_accents", "lowercase")
    for name, values in (
        ("uncased", (True, True, None, True)),
        ("cased", (True, True, None, False)),
        ("lower, accents kept", (True, False, False, True)),
        ("not cleaned", (False, True, True, False)),
    ):
        yield "WordPiece " + name, whole(
            model, rows, normalizer={"type": "BertNormalizer", **dict(zip(flags, values))},
            pre_tokenizer={"type": "BertPreTokenizer"},
            post_processor=template(cls, sep, tokens))  # fmt: skip


# ---- strings ------------------------------------------------------------------------------------

RANGES = [
    (0x20, 0x7F, 40), (0xA0, 0x250, 12), (0x250, 0x370, 4), (0x370, 0x530, 10), (0x590, 0x780, 6),
    (0x900, 0xE00, 8), (0xE00, 0x1000, 4), (0x10A0, 0x1200, 4), (0x1E00, 0x2000, 8),
    (0x2000, 0x2C00, 10), (0x3000, 0x3400, 6), (0x4E00, 0x9FA0, 8), (0xAC00, 0xD7A4, 8),
    (0xF900, 0xFB00, 3), (0xFB00, 0xFE00, 2), (0xFE30, 0xFFF0, 4), (0x10000, 0x10400, 2),
    (0x1D100, 0x1D800, 3), (0x1F300, 0x1F650, 6), (0x20000, 0x20400, 2), (0x300, 0x370, 12),
    (0x09, 0x0E, 3), (0x1, 0x20, 1), (0xE000, 0xE010, 1), (0x1100, 0x1200, 3),
]  # fmt: skip
# Of old standing, so that tables of every version agree; and not what text cannot be given as.
WORDS = ["pump", " the", "Temperature", "81.5", "  ", "\u00e9t\u00e9", "\n\n", "don't", "WE'LL",
         "12345", " \t ", "\u00b0C", "-->", "stra\u00dfe", "\u0130zmir", BLANK * 2]  # fmt: skip


def is_old(c):
    return unicodedata.ucd_3_2_0.category(c) not in ("Cn", "Cs") and c != "\ufffd"


def strings(n):
    rng = random.Random(1)
    weights = [w for _, _, w in RANGES]
    for _ in range(n):
        out = []
        few = rng.sample(range(len(RANGES)), 4)
        while len(out) < rng.randrange(1, 40):
            if rng.random() < 0.2:
                out.append(rng.choice(WORDS))
                continue
            k = (
                rng.choice(few)
                if rng.random() < 0.6
                else rng.choices(range(len(RANGES)), weights)[0]
            )
            c = chr(rng.randrange(*RANGES[k][:2]))
            if is_old(c):
                out.append(c * (rng.randrange(90, 120) if rng.random() < 0.002 else 1))
        yield "".join(out)


# ---- the comparison -----------------------------------------------------------------------------


def ours(folder, texts, special):
    words = [
        os.path.join(os.environ["LC_BUILD"], "leafcutter"),
        "tokenize",
        "--null",
        "--model",
        folder,
    ]
    done = subprocess.run(
        words + ([] if special else ["--no-special"]),
        check=True,
        input="".join(t + "\0" for t in texts).encode(),
        stdout=subprocess.PIPE,
    )
    return [[int(i) for i in line.split()] for line in done.stdout.decode().split("\n")[:-1]]


def theirs(folder, texts, special):
    tokenizer = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=special)]


def markup(folder):
    """Added tokens that are not white space: these are never taken out of text here."""
    with open(os.path.join(folder, "tokenizer.json"), encoding="utf-8") as f:
        rows = json.load(f)["added_tokens"]
    return [t["content"] for t in rows if t["special"] or t["content"].strip(" \t\r\n")]


def compare(name, folder, lines, texts):
    bad, names = 0, markup(folder)
    for kind, all_of_them, special in (("lines", lines, False), ("strings", texts, True)):
        some = [t for t in all_of_them if not any(n in t for n in names)]
        got, want = ours(folder, some, special), theirs(folder, some, special)
        assert len(got) == len(want)
        wrong = [(t, g, w) for t, g, w in zip(some, got, want) if g != w]
        bad += len(wrong)
        print(
            f"{'not ok' if wrong else 'ok'} - {name}: {len(some)} {kind}, {len(wrong)} differ",
            flush=True,
        )
        for text, g, w in wrong[:5]:
            at = next((i for i, (a, b) in enumerate(zip(g, w)) if a != b), min(len(g), len(w)))
            print(f"#   {text!r}\n#   from {at}: {g[at:at + 8]} expected {w[at:at + 8]}")
    return bad


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=10000)
    parser.add_argument("-k", default="")
    parser.add_argument("folders", nargs="*")
    options = parser.parse_args()
    with open(os.path.join(SHARED, "tokenizers", "golden", "lines.txt"), encoding="utf-8") as f:
        lines = f.read().split("\n")[:-1]
    texts = list(strings(options.n))
    bad = 0
    for name, top in forms():
        if options.k not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "tokenizer.json"), "w", encoding="utf-8") as f:
                json.dump(top, f, ensure_ascii=False)
            bad += compare(name, folder, lines, texts)
    for folder in options.folders:
        bad += compare(folder, folder, lines, texts)
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
