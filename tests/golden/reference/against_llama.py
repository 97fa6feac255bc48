#!/usr/bin/env python3
"""Compares the float path with llama.cpp, for every tensor type that both read.

    pip install numpy
    LC_BUILD=build/<triple> tests/golden/reference/against_llama.py [--real] [-l N] [WORD...]
    LC_BUILD=build/<triple> tests/golden/reference/against_llama.py --golden

Random weights as models/golden/archs.py draws them, at widths of which all, some and no rows are
whole blocks; --real: the widths of published models instead. llama.cpp (prebuilt, from npm, see
tests/perf/peer.c) quantises each model to each type, then continues a prompt greedily, with flash
attention off and keys and values in F32; `leafcutter generate --float` continues the same one.
Words select rows by name; -l N leaves out the layers from the Nth on. --golden writes
models/golden/tiny-types.*, which `make check` replays: one layer with a matrix of each type, and
what llama.cpp computes from it.

Columns: what llama.cpp made of the matrices (rows that are no whole blocks get another type); the
largest difference of a logit, as part of the largest logit, when llama.cpp computes from the same
weights turned into F32; tokens of the continuation that agree; the same two when it computes with
its own kernels, which round activations to 8 or 16 bits. Encoders: hidden states (through the
embedding), and the scores of a classification head.
"""

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "..", "..", ".."))
sys.path[:0] = [os.path.join(ROOT, "models", "golden"), os.path.join(ROOT, "tests", "perf")]

import archs  # noqa: E402
import peer  # noqa: E402
from make import write_gguf  # noqa: E402

LIMIT = 1e-4
LIMIT_GELU = 2e-3  # llama.cpp looks GELU up in a table of 16-bit floats, BERT's as tanh
GEN = 64
PROMPT = "pump 2: vib 7.9 mm/s rising, temp 81 C; hello hot pump, the temp: 81.5"
# llama.cpp's numbers of file types
TYPES = {
    "F32": 0,
    "F16": 1,
    "BF16": 32,
    "Q8_0": 7,
    "Q4_0": 2,
    "Q4_1": 3,
    "Q5_0": 8,
    "Q5_1": 9,
    "Q4_K": 14,
    "Q5_K": 16,
    "Q6_K": 18,
    "Q4_0 imatrix": 2,
    "Q4_K_M": 15,
}
REAL_TYPES = ["F16", "Q8_0", "Q4_0 imatrix", "Q4_K_M"]
GGML_NAMES = {0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0",
              12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 30: "BF16"}  # fmt: skip

LLAMA = dict(name="llama", arch="llama", run=archs.decoder, seed=1, kv=2, layers=8, eps=1e-5,
             base=1e4, halves=False, act=archs.silu)  # fmt: skip
WIDTHS = {
    "whole": dict(d=256, ffn=512, heads=8, kv=2, hd=32),
    "partly": dict(d=288, ffn=416, heads=9, kv=3, hd=32),
    "none": dict(d=40, ffn=56, heads=4, kv=2, hd=10),
}
REAL = {
    "llama": dict(d=576, heads=9, kv=3, hd=64, ffn=1536, layers=30, base=1e5, tied=True),
    "qwen2": dict(d=896, heads=14, kv=2, hd=64, ffn=4864, layers=24),
    "qwen3": dict(d=1024, heads=16, kv=8, hd=128, ffn=3072, layers=28, tied=True),
    "gemma3": dict(d=640, heads=4, kv=1, hd=256, ffn=2048, layers=18),
    "granite": dict(d=1024, heads=16, kv=8, hd=64, ffn=2560, layers=24),
    "lfm2": dict(d=1024, heads=16, kv=8, hd=64, ffn=4608, layers=16),
    "bert": dict(d=384, heads=12, hd=32, ffn=1536, layers=6),
    "modern-bert": dict(d=768, heads=12, hd=64, ffn=1152, layers=22),
}


def specs(real):
    """(name, specification) of each row: one architecture at one width."""
    for spec in [LLAMA, *archs.SPECS]:
        widths = {"real": REAL.get(spec["arch"], {})} if real else WIDTHS
        for title, width in widths.items():
            if width and not (real and spec["name"] == "tiny-minilm"):
                yield f"{spec['name'].removeprefix('tiny-')} {title}", {**spec, **width}


class Work:
    """The folder, both programs, the model at hand."""

    def __init__(self, folder):
        self.folder = folder
        kept = os.path.join(ROOT, "build", "models")
        self.libs = peer.fetch("linux-x64", kept)
        self.peer = peer.build("gcc", folder, "peer")
        self.lc = os.path.join(os.environ["LC_BUILD"], "leafcutter")

    def path(self, name):
        return os.path.join(self.folder, name)

    def theirs(self, verb, *words):
        subprocess.run([self.peer, verb, self.libs, *map(str, words)], check=True,
                       stdout=subprocess.DEVNULL)  # fmt: skip

    def ours(self, verb, *words, text=None):
        return subprocess.run([self.lc, verb, *map(str, words)], check=True, text=True, input=text,
                              stdout=subprocess.PIPE).stdout  # fmt: skip

    def floats(self, name, columns):
        return np.fromfile(self.path(name), "<f4").reshape(-1, columns)


def encoder(spec):
    return spec["run"] in archs.ENCODERS


def draw(spec):
    """Weights and keys; the end-of-text token is never the best one."""
    kind, tokens = archs.ENCODERS.get(spec["run"], (archs.decoder_weights, archs.tokenizer_keys))
    tokenizer, vocab = tokens()
    w = kind(archs.Draw(spec["seed"]), spec, vocab)
    for name in ("token_embd.weight", "output.weight"):
        if name in w and not encoder(spec):
            w[name][tokenizer["tokenizer.ggml.eos_token_id"]] = 0
    for name in ("token_types.weight", "position_embd.weight"):
        if name in w:
            w[name] = w[name].astype(np.float32)  # never quantised, and added to F32
    keys = {**archs.keys_of(spec), **tokenizer}
    if spec["arch"] != "bert":
        keys[f"{spec['arch']}.context_length"] = 1024
    return w, keys, vocab


def kinds(work, path):
    """How many matrices of which type a file holds, as inspect tells it."""
    rows = json.loads(work.ours("inspect", "--json", path))["tensors"]
    count = collections.Counter(r["type"] for r in rows if len(r["shape"]) > 1)
    return " ".join(f"{n} {t}" for t, n in count.most_common())


def quantised(work, spec, kind, w):
    """The model as llama.cpp quantises it, and the same weights as F32 again."""
    words = [] if kind == "Q4_K_M" else ["pure"]
    if kind.endswith("imatrix"):
        words = [f"{name}:{t.shape[1]}" for name, t in w.items() if t.ndim == 2]
    words += ["embed-f32"] if encoder(spec) else []
    path, floats = work.path("typed.gguf"), work.path("floats.gguf")
    work.theirs("quantize", work.path("model.gguf"), path, TYPES[kind], *words)
    work.theirs("quantize", path, floats, 0, "requantize")
    return path, floats


def apart(got, want):
    return float(np.abs(got - want).max() / np.abs(want).max())


def agreed(a, b):
    """Length of the common start of two continuations."""
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def run_decoder(work, path, floats, prompt, vocab):
    report = json.loads(work.ours("generate", "--float", "--json", "--model", path, "-n", GEN,
                                  "--prompt", PROMPT))  # fmt: skip
    out = []
    for source in (floats, path):
        work.theirs("continue", source, work.path("ids"), GEN, work.path("theirs"))
        ids = np.fromfile(work.path("theirs.ids"), "<u4")
        work.ours("logits", "--float", "--model", path, "--tokens", ",".join(map(str, ids)),
                  "--out", work.path("ours"))  # fmt: skip
        ours, want = work.floats("ours", vocab), work.floats("theirs", vocab)
        same = agreed(report["ids"], ids[len(prompt) :])
        if same < GEN:  # the two best tokens must be nearer to each other than the results are
            row = ours[len(prompt) + same - 1]
            gap = row.max() - row[ids[len(prompt) + same]]
            assert gap <= 2 * np.abs(ours - want).max(), "another token is much better"
        out += [apart(ours, want), same]
    return out


def their_scores(work, source, spec, w):
    """Of the classification head. llama.cpp gives a head of BERT the first token, whatever the file
    says, so for another pooling the head's product is made here, and only from unrounded weights.
    """
    if spec["arch"] != "bert" or spec["pooling"] == 2:
        work.theirs("pooled", source, work.path("ids"), 4, work.path("scores"))
        return work.floats("scores", len(archs.LABELS))
    work.theirs("pooled", source, work.path("ids"), spec["pooling"], work.path("scores"))
    vector = work.floats("scores", spec["d"])
    return vector @ w["cls.output.weight"].T.astype(np.float32) + w["cls.output.bias"]


def run_encoder(work, spec, kind, path, floats, w):
    embedding = w["token_embd.weight"]
    ids = np.fromfile(work.path("ids"), "<u4")
    work.ours("logits", "--float", "--model", path, "--tokens", ",".join(map(str, ids)),
              "--out", work.path("ours"))  # fmt: skip
    record = json.loads(work.ours("classify", "--raw", "--float", "--model", path, text=PROMPT))
    scores = np.array([[record["z"][label] for label in archs.LABELS]])
    out = []
    for source in (floats, path):
        work.theirs("states", source, work.path("ids"), work.path("theirs"))
        want = work.floats("theirs", embedding.shape[1]) @ embedding.T.astype(np.float32)
        error = apart(work.floats("ours", len(embedding)), want)
        known = spec["name"] != "tiny-minilm" or kind in ("F32", "F16")
        out += [error, apart(scores, their_scores(work, source, spec, w)) if known else 0.0]
    return out


def compare(work, spec, kind, w, vocab):
    path, floats = quantised(work, spec, kind, w)
    prompt = [int(i) for i in work.ours("tokenize", "--model", path, text=PROMPT).split()]
    np.array(prompt, "<u4").tofile(work.path("ids"))
    if encoder(spec):
        row = run_encoder(work, spec, kind, path, floats, w)
        good = max(row[:2]) < LIMIT_GELU
        cells = [f"{x:.1e}" for x in row]
    else:
        row = run_decoder(work, path, floats, prompt, vocab)
        good = row[0] < (LIMIT_GELU if "gemma" in spec["arch"] else LIMIT) and row[1] == GEN
        cells = [f"{row[0]:.1e}", f"{row[1]}/{GEN}", f"{row[2]:.1e}", f"{row[3]}/{GEN}"]
    return good, [kinds(work, path), *cells]


def write_golden(work):
    """One matrix of each type; six tokens of a prompt and what llama.cpp continues them with."""
    spec = {**LLAMA, **dict(d=256, ffn=128, heads=4, kv=1, hd=32, layers=1, tied=True)}
    types = {"attn_q": 12, "attn_k": 13, "attn_v": 14, "attn_output": 8, "ffn_gate": 2,
             "ffn_up": 3, "ffn_down": 6, "token_embd": 7}  # fmt: skip
    w, keys, vocab = draw(spec)
    keys["llama.context_length"] = 96
    write_gguf(work.path("model.gguf"), keys, w)
    stem = os.path.join(ROOT, "models", "golden", "tiny-types")
    words = [f"{name}.weight={number}" for name, number in types.items()]
    work.theirs("quantize", work.path("model.gguf"), stem + ".gguf", TYPES["Q5_1"], *words)
    work.theirs("quantize", stem + ".gguf", work.path("floats.gguf"), 0, "requantize")
    text = work.ours("tokenize", "--model", stem + ".gguf", text=PROMPT)
    np.array(text.split()[:6], "<u4").tofile(work.path("ids"))
    work.theirs("continue", work.path("floats.gguf"), work.path("ids"), GEN, stem + ".expect.f32")
    os.rename(stem + ".expect.f32.ids", stem + ".tokens.u32")
    print(kinds(work, stem + ".gguf"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--golden", action="store_true")
    parser.add_argument("--type", action="append", choices=TYPES)
    parser.add_argument("-l", type=int, default=1000)
    parser.add_argument("words", nargs="*")
    options = parser.parse_args()
    if options.golden:
        with tempfile.TemporaryDirectory() as folder:
            write_golden(Work(folder))
        return 0
    failed = 0
    print("| model | file | matrices | same weights | | own kernels | |")
    print("|---|---|---|---|---|---|---|")
    for name, spec in specs(options.real):
        if options.words and not any(word in name for word in options.words):
            continue
        spec["layers"] = min(spec["layers"], options.l)
        with tempfile.TemporaryDirectory() as folder:
            os.environ["XDG_CACHE_HOME"] = folder
            work = Work(folder)
            w, keys, vocab = draw(spec)
            write_gguf(work.path("model.gguf"), keys, w)
            for kind in options.type or (REAL_TYPES if options.real else TYPES):
                good, cells = compare(work, spec, kind, w, vocab)
                failed += not good
                print(f"| {name} | {kind} | {' | '.join(cells)} |{'' if good else ' **differs**'}",
                      flush=True)  # fmt: skip
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
