#!/usr/bin/env python3
"""What `inspect` estimates for well-known small models on each board, as Markdown.

usage: boards.py LEAFCUTTER FOLDER > cross/boards.md      or: make boards

The models are files of the published dimensions without weights (mkmodel.py --holes), kept in
FOLDER, and the shipped one. Needs only Python's own library.
"""
import json
import os
import subprocess
import sys

import mkmodel

HEAD = """# Boards

Estimates, made by `make boards`; nothing here was measured on a board. How they come about, and
what they rest on: `man leafcutter`, BOARDS, and `tools/boards.c`. 4-bit weights (T16A, embedding
and output R8), all cores, context 512 (or the model's). A line is 24 tokens and its answer:
classes, or one token where the model has none. `-`: does not fit, or writes nothing.

| board | cores | RAM | reads memory at | cycles for 256 multiply-adds of T16A: many tokens, one |
|---|---|---|---|---|
| Zero 2 W | 4 x Cortex-A53, 1.0 GHz | 512 MB | 1.8 GB/s | 68.5, 103.5 |
| Pi 3B+ | 4 x Cortex-A53, 1.4 GHz | 1 GB | 1.8 GB/s | 68.5, 103.5 |
| Pi 4 | 4 x Cortex-A72, 1.8 GHz | 2 GB | 4.0 GB/s | 37.1, 36.6 |
| Pi 5 | 4 x Cortex-A76, 2.4 GHz | 4 GB | 9.8 GB/s | 12.5, 19.1 |
| i8mm class | 4 x Neoverse-N2-like, 2.4 GHz | 8 GB | 15 GB/s | 8.0, 19.1 |

Memory speeds: Zero 2 W and Pi 3 from tinymembench, whose copies of 1.0 to 1.3 GB/s read and write
twice that; Pi 4 below STREAM's 5.5; Pi 5 what llama.cpp's decoding moves (9.8 to 10.6). The last
row is an assumption, as is its board."""


def inspect(tool, path):
    done = subprocess.run([tool, "inspect", "--json", path], capture_output=True, check=True)
    return json.loads(done.stdout)


def rate(value):
    return "-" if not value else "%.0f" % value if value >= 10 else "%.1f" % value


def verdict(e):
    return "50" if e["within_50_ms"] else "100" if e["within_100_ms"] else "no"


def table(title, found):
    print("\n## %s\n" % title)
    memory = found["memory"]
    print("%.1f M parameters, %.1f MB at %d tokens of context (pack %.1f, state %.1f).\n" % (
        found["parameters"] / 1e6, memory["total"] / 1e6, memory["ctx"], memory["model"] / 1e6,
        memory["state"] / 1e6))
    print("| board | prompt tokens/s | answer tokens/s | ms a line | within 50 or 100 ms |")
    print("|---|---|---|---|---|")
    for e in found["estimates"]:
        if e["kernels_timed"]:
            continue
        cells = [rate(e["prefill_tps"]), rate(e.get("decode_tps")), rate(e["line_ms"]), verdict(e)]
        cells = cells if e["fits"] else ["does not fit", "-", "-", "no"]
        print("| %s | %s |" % (e["board"].split(" (")[0], " | ".join(cells)))


def main():
    tool, folder = sys.argv[1:]
    os.makedirs(folder, exist_ok=True)
    print(HEAD)
    table("triage (shipped)", inspect(tool, "models/triage/trunk.leaf"))
    for name in ("minilm-l6", "smollm2-135m", "gemma3-270m", "smollm2-360m", "qwen2.5-0.5b",
                 "qwen3-0.6b"):
        path = os.path.join(folder, name + ".gguf")
        if not os.path.exists(path):
            mkmodel.write(name, path, True)
        table(name, inspect(tool, path))


main()
